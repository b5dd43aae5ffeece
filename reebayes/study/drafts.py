"""A study as read, before it is known to be sound."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reebayes.errors import Fault
from reebayes.study.header.settings import Header, read_header
from reebayes.study.reading.cells import Cells, Entry
from reebayes.study.reading.csvfiles import FaultList, is_bare, read_lines
from reebayes.study.rows import (
    Estimate,
    Flow,
    Indicator,
    Label,
    Prior,
    Process,
    PublishedIndicator,
    Record,
    Source,
    Term,
)
from reebayes.study.schema import (
    CATALOGUE,
    ESTIMATES,
    FLOWS,
    INDICATORS,
    PRIORS,
    PROCESSES,
    PUBLISHED_INDICATORS,
    QUANTITIES,
    RECORDS,
    SOURCES,
    TableSchema,
    read_row,
)


@dataclass(slots=True)
class Draft:
    """Rows of every table as far as they could be read, and the faults met so far.

    ``broken`` holds table and line of rows of the wrong length, whose cells cannot be trusted.
    ``lacking`` holds the columns that a table should have and has not; of a table that could not
    be read at all, every one.
    """

    header: Header
    processes: list[Entry[Process]]
    flows: list[Entry[Flow]]
    terms: list[Entry[Term]]
    records: list[Entry[Record]]
    priors: list[Entry[Prior]]
    sources: list[Entry[Source]]
    published: list[Entry[Estimate]] = field(default_factory=list)
    indicators: list[Entry[Indicator]] = field(default_factory=list)
    published_indicators: list[Entry[PublishedIndicator]] = field(default_factory=list)
    labels: list[Entry[Label]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    broken: set[tuple[str, int | None]] = field(default_factory=set)
    lacking: dict[str, frozenset[str]] = field(default_factory=dict)

    def has(self, table: str, *columns: str) -> bool:
        """Return whether a table has some columns, so that what is missing in them is missing."""
        return self.lacking.get(table, frozenset()).isdisjoint(columns)


def read_draft(path: Path) -> Draft:
    """Read every table of the study directory `path`, noting what cannot be read."""
    header, faults = read_header(path / "study.toml")
    draft = Draft(header, [], [], [], [], [], [], faults=faults)
    draft.processes += _read(path, PROCESSES, draft)
    draft.flows += _read(path, FLOWS, draft)
    draft.terms += _read(path, QUANTITIES, draft)
    draft.records += _read(path, RECORDS, draft)
    draft.priors += _read(path, PRIORS, draft)
    draft.sources += _read(path, SOURCES, draft)
    draft.published += _read(path, ESTIMATES, draft)
    draft.indicators += _read(path, INDICATORS, draft)
    draft.published_indicators += _read(path, PUBLISHED_INDICATORS, draft)
    draft.labels += _read(path, CATALOGUE, draft)
    return draft


def _read(path: Path, table: TableSchema, draft: Draft) -> list[Entry[Any]]:
    if table.optional and not (path / table.file).exists():
        return []
    found, ignored = FaultList(table.file), FaultList(table.file)
    lines = read_lines(path / table.file, table.needed, table.extra, found)
    unread = bool(found.faults) and not lines and not is_bare(found.faults)
    every = frozenset(column.name for column in table.columns)
    draft.lacking[table.file] = every if unread else lines[0].lacking if lines else frozenset()
    draft.broken |= {(table.file, line.row) for line in lines if line.broken}
    entries = [read_row(table, Cells(line, ignored if line.broken else found)) for line in lines]
    draft.faults += found.faults
    return entries


def unreadable(entry: Entry[Any], *columns: str) -> bool:
    """Return whether any of `columns` could not be read."""
    return not entry.bad.isdisjoint(columns)
