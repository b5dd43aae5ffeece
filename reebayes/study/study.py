"""The study as a whole: read, checked, and changed by copy."""

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import Any, Self

from reebayes.errors import Fault, StudyError, StudyWarning
from reebayes.study.changes import changed, check_variants, unheard
from reebayes.study.checks.whole import check_draft, check_kept, check_types
from reebayes.study.drafts import Draft, read_draft
from reebayes.study.header.frozen import Settings
from reebayes.study.header.settings import TABLE, Header
from reebayes.study.reading.cells import Entry
from reebayes.study.rows import (
    RECALLED,
    Estimate,
    Flow,
    Prior,
    Process,
    Quantity,
    Record,
    Source,
    Term,
    route_name,
)
from reebayes.study.schema import (
    ESTIMATES,
    FLOWS,
    PRIORS,
    PROCESSES,
    RECORDS,
    SCHEMA,
    SOURCES,
    TableSchema,
)
from reebayes.study.table import Table
from reebayes.study.targets import NOISE_FLOOR
from reebayes.wording import suggestion

VARIANCE_FLOOR = 0.25
"""Variance floor of a study that states none: no record errs by less than half its stated error.

Rounding, conversion and definition stay when a reporter is better than stated.
"""

_SCHEMAS: Mapping[str, TableSchema] = {
    "processes": PROCESSES,
    "flows": FLOWS,
    "records": RECORDS,
    "priors": PRIORS,
    "sources": SOURCES,
    "published": ESTIMATES,
}
"""Columns of the tables of a study; those of its quantities are gathered from several rows."""

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Study:
    """A material-flow system, its records, its priors and their sources.

    A study is never changed: `with_prior`, `without_source`, `without_reporter` and `with_records`
    return checked copies, and `variant` one that ``study.toml`` declares. Flows are in ``unit``
    (thousand tonnes of content a year). ``settings``, ``report``, ``package`` and ``variants`` are
    the tables of those names in ``study.toml``. ``published`` holds literature estimates; no fit
    and no hash depends on them.
    """

    path: Path
    name: str
    unit: str
    first_year: int
    last_year: int
    settings: Settings
    report: Settings
    package: Settings
    variants: Settings
    notes: str
    processes: Table[Process]
    flows: Table[Flow]
    quantities: Table[Quantity]
    records: Table[Record]
    priors: Table[Prior]
    sources: Table[Source]
    published: Table[Estimate]

    @property
    def years(self) -> tuple[int, ...]:
        """Every year of the study."""
        return tuple(range(self.first_year, self.last_year + 1))

    def route(self, flow: Flow) -> str | None:
        """Return the trade route of a flow out of a market into another region.

        Parameters
        ----------
        flow : Flow

        Returns
        -------
        str or None
            For example ``"CN:US"``, or ``"CN:unregistered"``; None for any other flow.
        """
        source, target = self.processes[flow.source], self.processes[flow.target]
        if source.kind != "market":
            return None
        return route_name(source.region, target.region, registered=flow.registered)

    @property
    def reporters(self) -> tuple[str, ...]:
        """Everyone who reports a record, sorted."""
        return tuple(sorted({record.reporter for record in self.records}))

    @property
    def shared(self) -> tuple[str, ...]:
        """Every error that records have in common, sorted."""
        return tuple(sorted({name for record in self.records for name in record.shared}))

    @property
    def hash(self) -> str:
        """SHA-256 of all that the posterior depends on, and of nothing else.

        Order of rows and formatting do not matter. What `description_hash` covers lies outside.
        """
        content: dict[str, Any] = {
            "unit": self.unit,
            "years": [self.first_year, self.last_year],
            "settings": self.settings.plain,
        }
        return _digest(content | {t: _rows(self, t, moving=True) for t in _tables(self)})

    @property
    def description_hash(self) -> str:
        """SHA-256 of what is shown beside a posterior and does not move it.

        Name, notes, labels, citations, published estimates, ``[report]``, ``[package]`` and
        variants: a change of these asks for no other fit.
        """
        content: dict[str, Any] = {
            "name": self.name,
            "notes": self.notes,
            "report": self.report.plain,
            "package": self.package.plain,
            "variants": self.variants.plain,
        }
        return _digest(content | {t: _rows(self, t, moving=False) for t in _tables(self)})

    @property
    def variance_floor(self) -> float:
        """Variance floor: share of every stated variance that reporters' noise leaves as it is.

        That of ``noise:floor`` in ``priors.csv``, or `VARIANCE_FLOOR` where there is no such row.
        """
        rows = self.priors.rows(str(NOISE_FLOOR))
        return float(rows[0].median) if rows else VARIANCE_FLOOR

    def with_prior(self, target: str, **changes: Any) -> Self:
        """Return a copy with `changes` made to every prior row of `target`.

        Parameters
        ----------
        target : str
            A flow, ``route:<A>:<B>``, ``bias:<reporter>``, ``shared:<name>``,
            ``noise:<reporter>``, ``noise:all`` or ``step:<group>`` of ``priors.csv``.
        **changes
            Fields of `Prior` and their new values, such as ``median=1.5, sd=0.3``.

        Raises
        ------
        StudyError
            If no row has that target, a field is unknown, or the copy would not be sound.
        """
        if not self.priors.rows(target):
            message = f"no prior for {target!r}. {suggestion(target, set(self.priors.names))}"
            raise StudyError([Fault("priors.csv", None, "target", target, message)])
        known = {item.name for item in fields(Prior)}
        for name in changes:
            if name not in known:
                message = f"a prior has no {name!r}. {suggestion(name, sorted(known), show=10)}"
                raise StudyError([Fault("priors.csv", None, name, name, message)])
        priors = (replace(p, **changes) if p.target == target else p for p in self.priors)
        return self._copy(priors=Table(Prior, priors))

    def without_source(self, source: str) -> Self:
        """Return a copy without the records of `source`.

        Priors of reporters and common errors that have no record left go too; other priors stay.

        Raises
        ------
        StudyError
            If no record has that source, or the copy would not be sound.
        """
        return self._without("source", source)

    def without_reporter(self, reporter: str) -> Self:
        """Return a copy without the records of `reporter` and its bias and noise priors.

        Raises
        ------
        StudyError
            If no record has that reporter, or the copy would not be sound.
        """
        return self._without("reporter", reporter)

    def with_records(self, records: Iterable[Record]) -> Self:
        """Return a copy whose records are `records`, in place of those of this study.

        Priors of reporters and common errors that have no record left go too.

        Raises
        ------
        StudyError
            If the copy would not be sound.
        """
        table = Table(Record, records)
        targets = unheard(self.records, table)
        priors = Table(Prior, (prior for prior in self.priors if prior.target not in targets))
        return self._copy(records=table, priors=priors)

    def variant(self, name: str) -> Self:
        """Return the copy that ``[variants]`` of ``study.toml`` declares under a name.

        Parameters
        ----------
        name : str
            One of `variants`.

        Raises
        ------
        StudyError
            If no variant has that name, or what it names is not in this study.
        """
        if name not in self.variants:
            message = f"no variant {name!r}. {suggestion(name, self.variants)}".strip()
            raise StudyError([Fault(TABLE, None, "variants", name, message)])
        draft = _draft_of(self)
        wanted = (name, *self.variants[name].get("combines", ()))
        _raise_faults(check_variants(draft, self.variants, wanted))
        after = changed(draft, self.variants, name)
        return self._copy(
            name=after.header.name,
            settings=after.header.settings,
            variants=after.header.variants,
            records=Table(Record, (entry.item for entry in after.records)),
            priors=Table(Prior, (entry.item for entry in after.priors)),
        )

    def __repr__(self) -> str:
        """Name, years and how many rows each table has."""
        counts = ", ".join(f"{len(table)} {title}" for title, table in _tables(self).items())
        return f"Study {self.name!r}, {self.first_year}-{self.last_year}, {self.unit}: {counts}"

    def _repr_html_(self) -> str:
        counts = "".join(
            f"<tr><td>{title}</td><td>{len(table)}</td></tr>"
            for title, table in _tables(self).items()
        )
        title = escape(f"{self.name}, {self.first_year}-{self.last_year}, {self.unit}")
        return f"<p><b>{title}</b></p><table>{counts}</table>"

    def _without(self, column: str, name: str) -> Self:
        names = sorted({getattr(record, column) for record in self.records})
        if name not in names:
            message = f"no record has {column} {name!r}. {suggestion(name, names)}"
            raise StudyError([Fault("records.csv", None, column, name, message)])
        return self.with_records(r for r in self.records if getattr(r, column) != name)

    def _without_recalled(self, draft: Draft) -> Self:
        """Return a copy without unverified records; only what lost its last record is checked.

        The whole study was checked with them, and leaving records out can only leave priors
        without a reporter, or all reporters without an anchor.
        """
        records = Table(Record, (r for r in self.records if r.status != RECALLED))
        targets = unheard(self.records, records)
        priors = Table(Prior, (prior for prior in self.priors if prior.target not in targets))
        copy = replace(self, records=records, priors=priors)
        _raise_faults(check_kept(draft, {*records.names}, targets))
        return copy

    def _copy(self, **tables: Any) -> Self:
        copy = replace(self, **tables)
        draft = _draft_of(copy)
        _raise_faults(check_types(draft))
        _raise_faults(check_draft(draft))
        return copy


def read_study(path: str | Path | None = None, *, recalled: bool = False) -> Study:
    """Read a study directory and check it whole.

    Parameters
    ----------
    path : str or Path, optional
        Directory with ``study.toml`` and the tables; the bundled rare-earth study if omitted.
    recalled : bool, optional
        Whether to keep records of status ``recalled``: unverified (second-hand) figures, which
        nobody read in their source. They are left out unless asked for, and checked in either case.

    Returns
    -------
    Study
        Frozen; flows in the unit of ``study.toml`` (thousand tonnes of content a year).

    Raises
    ------
    StudyError
        With every fault of every table.

    Warns
    -----
    StudyWarning
        Once, with everything that is possible and hardly meant. Copies of a study are not looked
        at again.
    """
    folder = _bundled() if path is None else Path(path)
    if not folder.is_dir():
        problem = "is a file; give its directory" if folder.exists() else "does not exist"
        raise StudyError([Fault("study", None, "", str(folder), f"{folder} {problem}")])
    draft = read_draft(folder)
    _raise_faults(check_draft(draft))
    _tell(draft)
    header = draft.header
    # A header without years is a fault, so it was raised above.
    first_year, last_year = header.years or (0, 0)
    study = Study(
        path=folder,
        name=header.name,
        unit=header.unit,
        first_year=first_year,
        last_year=last_year,
        settings=header.settings,
        report=header.report,
        package=header.package,
        variants=header.variants,
        notes=header.notes,
        processes=Table(Process, (entry.item for entry in draft.processes)),
        flows=Table(Flow, (entry.item for entry in draft.flows)),
        quantities=Table(Quantity, _quantities(entry.item for entry in draft.terms)),
        records=Table(Record, (entry.item for entry in draft.records)),
        priors=Table(Prior, (entry.item for entry in draft.priors)),
        sources=Table(Source, (entry.item for entry in draft.sources)),
        published=Table(Estimate, (entry.item for entry in draft.published)),
    )
    if recalled or not any(record.status == RECALLED for record in study.records):
        return study
    return study._without_recalled(draft)


def _bundled() -> Path:
    """Return the directory of the bundled study: in a wheel, or in a clone."""
    packed = PACKAGE / "_data"
    return packed if packed.is_dir() else PACKAGE.parent / "data"


def _raise_faults(faults: Iterable[Fault]) -> None:
    found = _in_order(faults)
    if found:
        raise StudyError(found)


def _tell(draft: Draft) -> None:
    """Warn the caller of `read_study` of what is hardly meant."""
    # Imported here: arrays take a while to load, and no other command needs them to begin with.
    from reebayes.study.checks.plausible import implausible

    found = _in_order(implausible(draft))
    if found:
        warnings.warn(StudyWarning(found), stacklevel=3)


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    order = (TABLE, *SCHEMA)
    return sorted(dict.fromkeys(faults), key=lambda f: (order.index(f.table), f.row or 0))


def _quantities(terms: Iterable[Term]) -> list[Quantity]:
    """Gather the terms of each quantity, in the order quantities first appear."""
    parts: dict[str, dict[str, list[tuple[str, float]]]] = {}
    for term in terms:
        part = parts.setdefault(term.quantity, {"num": [], "den": []})
        part[term.part].append((term.flow, term.weight))
    return [Quantity(name, tuple(p["num"]), tuple(p["den"])) for name, p in parts.items()]


def _terms(quantity: Quantity) -> list[Term]:
    sides = (("num", quantity.numerator), ("den", quantity.denominator))
    return [Term(quantity.quantity, part, *pair) for part, side in sides for pair in side]


def _tables(study: Study) -> dict[str, Table[Any]]:
    return {
        item.name: getattr(study, item.name)
        for item in fields(study)
        if isinstance(getattr(study, item.name), Table)
    }


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _rows(study: Study, title: str, *, moving: bool) -> list[str]:
    """Rows of a table, sorted, with the columns that move the posterior, or its key and the rest.

    Quantities are what records observe, so all of them moves.
    """
    table: Table[Any] = getattr(study, title)
    if title not in _SCHEMAS:
        return sorted(_canonical(row) for row in table) if moving else []
    schema = _SCHEMAS[title]
    rest = [column.name for column in schema.columns if not column.moves]
    names = schema.moving if moving else (*schema.key, *rest)
    return sorted(_canonical(row, names) for row in table) if names else []


def _canonical(row: Any, names: Iterable[str] | None = None) -> str:
    values: dict[str, Any] = {
        # 1 and 1.0 are the same number.
        name: float(value) if type(value) is int else value
        for name, value in asdict(row).items()
        if names is None or name in names
    }
    for part in ("numerator", "denominator", "shared"):
        if part in values:
            values[part] = sorted(values[part])
    return json.dumps(values, sort_keys=True)


def _draft_of(study: Study) -> Draft:
    """Return a copy's rows as a draft to check; they have no line in any file."""

    def entries(rows: Iterable[Any]) -> list[Entry[Any]]:
        return [Entry(None, row) for row in rows]

    years = (study.first_year, study.last_year)
    # Variants are checked where they are read and where one is asked for: a copy may lack what
    # one of them names.
    header = Header(study.name, study.unit, years, settings=study.settings)
    return Draft(
        header,
        processes=entries(study.processes),
        flows=entries(study.flows),
        terms=entries(term for quantity in study.quantities for term in _terms(quantity)),
        records=entries(study.records),
        priors=entries(study.priors),
        sources=entries(study.sources),
        published=entries(study.published),
    )
