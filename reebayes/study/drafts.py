"""A study as read, before it is known to be sound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reebayes.errors import Fault
from reebayes.study.header.settings import Header, read_header
from reebayes.study.reading.cells import Cells, Entry
from reebayes.study.reading.csvfiles import FaultList, read_lines
from reebayes.study.rows import (
    DISTRIBUTIONS,
    ESTIMATE_KINDS,
    PARTS,
    PROCESS_KINDS,
    RECORD_KINDS,
    STATUSES,
    Estimate,
    Flow,
    Prior,
    Process,
    Record,
    Source,
    Term,
)

COLUMNS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "processes.csv": (("process", "kind", "region", "label"), ()),
    "flows.csv": (("flow", "source", "target", "product", "registered", "active", "label"), ()),
    "quantities.csv": (("quantity", "part", "flow", "weight"), ()),
    "records.csv": (
        (
            *("record", "quantity", "year", "year_end", "kind", "value", "low", "high", "unit"),
            *("sd", "reporter", "source", "note"),
        ),
        ("factor", "shared", "lag", "other", "status"),
    ),
    "priors.csv": (
        ("target", "year", "year_end", "distribution", "median", "sd", "step", "unit", "source"),
        ("note",),
    ),
    "sources.csv": (("source", "citation", "year", "url", "licence"), ("note",)),
    "published_estimates.csv": (
        (
            *("name", "quantity", "year", "year_end", "kind", "value", "low", "high", "unit"),
            "source",
        ),
        ("note", "why"),
    ),
}
OPTIONAL_TABLES = ("published_estimates.csv",)


@dataclass(slots=True)
class Draft:
    """Rows of every table as far as they could be read, and the faults met so far.

    ``broken`` holds table and line of rows of the wrong length, whose cells cannot be trusted.
    """

    header: Header
    processes: list[Entry[Process]]
    flows: list[Entry[Flow]]
    terms: list[Entry[Term]]
    records: list[Entry[Record]]
    priors: list[Entry[Prior]]
    sources: list[Entry[Source]]
    published: list[Entry[Estimate]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    broken: set[tuple[str, int | None]] = field(default_factory=set)


def read_draft(path: Path) -> Draft:
    """Read every table of the study directory `path`, noting what cannot be read."""
    header, faults = read_header(path / "study.toml")
    draft = Draft(header, [], [], [], [], [], [], faults=faults)
    draft.processes += _read(path, "processes.csv", draft)
    draft.flows += _read(path, "flows.csv", draft)
    draft.terms += _read(path, "quantities.csv", draft)
    draft.records += _read(path, "records.csv", draft)
    draft.priors += _read(path, "priors.csv", draft)
    draft.sources += _read(path, "sources.csv", draft)
    draft.published += _read(path, "published_estimates.csv", draft)
    return draft


def _read(path: Path, table: str, draft: Draft) -> list[Entry[Any]]:
    if table in OPTIONAL_TABLES and not (path / table).exists():
        return []
    found, ignored = FaultList(table), FaultList(table)
    required, optional = COLUMNS[table]
    lines = read_lines(path / table, required, optional, found)
    draft.broken |= {(table, line.row) for line in lines if line.broken}
    entries = [PARSERS[table](Cells(line, ignored if line.broken else found)) for line in lines]
    draft.faults += found.faults
    return entries


def _process(cells: Cells) -> Entry[Process]:
    return cells.entry(
        Process,
        process=cells.identifier("process"),
        kind=cells.choice("kind", PROCESS_KINDS),
        region=cells.key("region", needed=False),
        label=cells.text("label"),
    )


def _flow(cells: Cells) -> Entry[Flow]:
    return cells.entry(
        Flow,
        flow=cells.identifier("flow"),
        source=cells.name("source"),
        target=cells.name("target"),
        product=cells.key("product"),
        registered=cells.truth("registered"),
        active=cells.spans("active"),
        label=cells.text("label"),
    )


def _term(cells: Cells) -> Entry[Term]:
    return cells.entry(
        Term,
        quantity=cells.identifier("quantity"),
        part=cells.choice("part", PARTS),
        flow=cells.name("flow"),
        weight=cells.needed_number("weight", 1.0),
    )


def _record(cells: Cells) -> Entry[Record]:
    year = _needed_year(cells)
    year_end = cells.year("year_end")
    return cells.entry(
        Record,
        record=cells.name("record"),
        quantity=cells.name("quantity"),
        year=year,
        year_end=year if year_end is None else year_end,
        kind=cells.choice("kind", RECORD_KINDS),
        value=cells.number("value"),
        low=cells.number("low"),
        high=cells.number("high"),
        unit=cells.needed("unit"),
        factor=cells.number("factor"),
        sd=cells.needed_number("sd", 0.1),
        reporter=cells.name("reporter"),
        source=cells.name("source"),
        note=cells.text("note"),
        shared=cells.names("shared"),
        lag=cells.number("lag") or 0.0,
        other=cells.number("other"),
        status=cells.choice("status", STATUSES, needed=False),
    )


def _needed_year(cells: Cells) -> int:
    cells.needed("year")
    return cells.year("year") or 0


def _prior(cells: Cells) -> Entry[Prior]:
    return cells.entry(
        Prior,
        target=cells.name("target"),
        year=cells.year("year"),
        year_end=cells.year("year_end"),
        distribution=cells.choice("distribution", DISTRIBUTIONS),
        median=cells.needed_number("median", 0.5),
        sd=cells.needed_number("sd", 0.1),
        step=cells.number("step"),
        unit=cells.needed("unit"),
        source=cells.name("source"),
        note=cells.text("note"),
    )


def _estimate(cells: Cells) -> Entry[Estimate]:
    year = _needed_year(cells)
    year_end = cells.year("year_end")
    return cells.entry(
        Estimate,
        name=cells.identifier("name"),
        quantity=cells.name("quantity"),
        year=year,
        year_end=year if year_end is None else year_end,
        kind=cells.choice("kind", ESTIMATE_KINDS),
        value=cells.number("value"),
        low=cells.number("low"),
        high=cells.number("high"),
        unit=cells.needed("unit"),
        source=cells.name("source"),
        note=cells.text("note"),
        why=cells.text("why"),
    )


def _source(cells: Cells) -> Entry[Source]:
    return cells.entry(
        Source,
        source=cells.name("source"),
        citation=cells.needed("citation"),
        year=cells.year("year"),
        url=cells.text("url"),
        licence=cells.text("licence"),
        note=cells.text("note"),
    )


PARSERS: Mapping[str, Callable[[Cells], Entry[Any]]] = {
    "processes.csv": _process,
    "flows.csv": _flow,
    "quantities.csv": _term,
    "records.csv": _record,
    "priors.csv": _prior,
    "sources.csv": _source,
    "published_estimates.csv": _estimate,
}
"""How a row of each table is read."""


def unreadable(entry: Entry[Any], *columns: str) -> bool:
    """Return whether any of `columns` could not be read."""
    return not entry.bad.isdisjoint(columns)
