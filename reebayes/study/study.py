"""The study as a whole: read, checked, and changed by copy."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Self

from reebayes.errors import Fault, StudyError
from reebayes.files import write_text_whole
from reebayes.study.changes import changed, check_variants, unheard, verified_additions
from reebayes.study.checks.whole import (
    check_draft,
    check_kept,
    check_types,
    checked_scenario,
    sound_header,
)
from reebayes.study.compositions import without_lone_parts
from reebayes.study.drafts import Draft, Extension, draft_of
from reebayes.study.edits import edited_priors, edited_rows, new_row, rest_of_shares
from reebayes.study.examples import EXAMPLES, study_folder
from reebayes.study.extensions import Given, folders_of, read_extended
from reebayes.study.hashing import SCHEMAS, added_rows, digest, moving_rows, shown_rows, tables_of
from reebayes.study.header.frozen import Settings
from reebayes.study.header.settings import TABLE, Header, check_settings
from reebayes.study.prospects import DemandGrowth, PlannedCase, Project, Projection, Reserve
from reebayes.study.reading.csvfiles import FaultList
from reebayes.study.rows import (
    RECALLED,
    Assay,
    Estimate,
    Flow,
    Indicator,
    Label,
    Lane,
    Material,
    Partner,
    Prior,
    Process,
    PublishedElement,
    PublishedIndicator,
    Quantity,
    Record,
    Source,
    route_name,
)
from reebayes.study.scenarios import Scenario
from reebayes.study.schema import FLOWS, QUANTITIES, RECORDS, SCHEMA, SOURCES
from reebayes.study.table import Table
from reebayes.study.targets import NOISE_FLOOR, VARIANCE_FLOOR
from reebayes.study.telling import refuse, tell_implausible
from reebayes.study.writing import extension_texts, texts
from reebayes.wording import listed, suggestion


@dataclass(frozen=True, slots=True)
class Study:
    """A material-flow system, its records, its priors and their sources.

    A study is never changed: `with_prior`, `with_source`, `with_record`, `with_flow`,
    `without_source`, `without_reporter` and `with_records` return checked copies, and `variant` one
    that ``study.toml`` declares. Flows are in ``unit``
    (thousand tonnes of content a year). ``settings``, ``report``, ``package``, ``variants`` and
    ``scenarios`` are the tables of those names in ``study.toml``. ``published`` holds literature
    estimates, ``labels`` readable names of quantities, ``indicators`` what is computed from the
    draws of a fit, ``published_indicators`` values of these that others printed, ``assays`` and
    ``materials`` what ores hold, ``published_elements`` figures on it, ``partners`` and ``lanes``
    what a map draws where; ``projects``, ``planned_cases``, ``reserves``, ``demand_growth`` and
    ``projections`` are about years to come; no fit and no hash depends on them. ``extensions`` maps
    the names of extensions whose rows are in the tables to their directories; ``additions`` are
    those that variants add.
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
    scenarios: Settings
    notes: str
    processes: Table[Process]
    flows: Table[Flow]
    quantities: Table[Quantity]
    records: Table[Record]
    priors: Table[Prior]
    sources: Table[Source]
    published: Table[Estimate]
    labels: Table[Label] = field(default_factory=partial(Table, Label))
    indicators: Table[Indicator] = field(default_factory=partial(Table, Indicator))
    published_indicators: Table[PublishedIndicator] = field(
        default_factory=partial(Table, PublishedIndicator)
    )
    assays: Table[Assay] = field(default_factory=partial(Table, Assay))
    materials: Table[Material] = field(default_factory=partial(Table, Material))
    published_elements: Table[PublishedElement] = field(
        default_factory=partial(Table, PublishedElement)
    )
    partners: Table[Partner] = field(default_factory=partial(Table, Partner))
    lanes: Table[Lane] = field(default_factory=partial(Table, Lane))
    projects: Table[Project] = field(default_factory=partial(Table, Project))
    planned_cases: Table[PlannedCase] = field(default_factory=partial(Table, PlannedCase))
    reserves: Table[Reserve] = field(default_factory=partial(Table, Reserve))
    demand_growth: Table[DemandGrowth] = field(default_factory=partial(Table, DemandGrowth))
    projections: Table[Projection] = field(default_factory=partial(Table, Projection))
    extensions: Settings = field(default_factory=Settings)
    additions: tuple[Extension, ...] = ()

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
        """Everyone who reports a record, or whose bias is in one, sorted."""
        return tuple(sorted({name for record in self.records for name in record.reporters}))

    @property
    def headline(self) -> tuple[str, ...]:
        """Quantities that a reader looks at first: those of ``[report]``, or the first three."""
        return tuple(self.report.get("headline", self.quantities.names[:3]))

    @property
    def shared(self) -> tuple[str, ...]:
        """Every error that records have in common, sorted."""
        return tuple(sorted({name for record in self.records for name in record.common_errors}))

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
        return digest(content | moving_rows(self))

    @property
    def description_hash(self) -> str:
        """SHA-256 of what is shown beside a posterior and does not move it.

        Name, notes, labels, citations, published estimates, indicators, ``[report]``,
        ``[package]``, variants and scenarios: a change of these asks for no other fit.
        """
        content: dict[str, Any] = {
            "name": self.name,
            "notes": self.notes,
            "report": self.report.plain,
            "package": self.package.plain,
            "variants": self.variants.plain,
            "scenarios": self.scenarios.plain,
        }
        return digest(content | shown_rows(self) | added_rows(self.additions))

    @property
    def variance_floor(self) -> float:
        """Variance floor: share of every stated variance that reporters' noise leaves as it is.

        That of ``noise:floor`` in ``priors.csv``, or `VARIANCE_FLOOR` where there is no such row.
        """
        rows = self.priors.rows(str(NOISE_FLOOR))
        return float(rows[0].median) if rows else VARIANCE_FLOOR

    def with_prior(
        self,
        target: str,
        *,
        year: int | str | None = None,
        factor: float | None = None,
        shift: float | None = None,
        **changes: Any,
    ) -> Self:
        """Return a copy with one prior row of `target`, or all of them, changed.

        Parameters
        ----------
        target : str
            A flow, ``route:<A>:<B>``, ``bias:<reporter>``, ``shared:<name>``,
            ``noise:<reporter>``, ``noise:all`` or ``step:<group>`` of ``priors.csv``.
        year : int or str, optional
            A year of the row that changes, if each period has one; all rows change if it is
            left out, and with ``"all"`` also where one value replaces different ones.
        factor : float, optional
            Number by which the median is multiplied; of a prior on the log scale, its logarithm
            is added.
        shift : float, optional
            Number of the row's own standard deviations by which its centre moves, on the scale of
            its distribution. A share moves on the log odds against what its siblings leave.
        **changes
            Fields of `Prior` and their new values, such as ``median=1.5, sd=0.3``.

        Raises
        ------
        StudyError
            If no row has that target or year, a field is unknown, one value would replace
            different ones of several periods, or the copy would not be sound.
        """
        priors = edited_priors(
            self.priors,
            target,
            rest_of_shares(self.flows, self.priors, self.years),
            year=year, factor=factor, shift=shift, changes=changes,
        )  # fmt: skip
        return self._copy(priors=Table(Prior, priors))

    def with_settings(self, **settings: Any) -> Self:
        """Return a copy with settings of ``study.toml`` changed.

        Parameters
        ----------
        **settings
            Such as ``error_distribution="student_t"``.

        Raises
        ------
        StudyError
            If a setting is unknown or out of range.
        """
        changed = self.settings.plain | settings
        found = FaultList(TABLE)
        check_settings(changed, found)
        refuse(found.faults)
        return self._copy(settings=Settings(changed))

    def with_source(self, source: str, **values: Any) -> Self:
        """Return a copy with a source changed, or added.

        Parameters
        ----------
        source : str
            Key of the source.
        **values
            Fields of `Source`; a new one needs ``citation``.

        Raises
        ------
        StudyError
            If a field is unknown or missing, or the copy would not be sound.
        """
        make = new_row(
            Source,
            SOURCES.file,
            {"source": source, "year": None, "url": "", "licence": ""},
        )
        rows = edited_rows(self.sources, "source", source, make, values, SOURCES.file)
        return self._copy(sources=Table(Source, rows))

    def with_record(self, record: str, **values: Any) -> Self:
        """Return a copy with a record changed, or added.

        Parameters
        ----------
        record : str
            Name of the record.
        **values
            Fields of `Record`. A new one needs ``quantity``, ``year``, ``reporter``, ``source``,
            ``sd`` and a figure; it is of kind ``value``, in the unit of the study (or a ratio),
            and of one year unless given otherwise.

        Raises
        ------
        StudyError
            If a field is unknown or missing, or the copy would not be sound.
        """
        quantity = values.get("quantity", "")
        is_ratio = quantity in self.quantities and self.quantities[quantity].is_ratio
        defaults = {
            "record": record,
            "year_end": values.get("year"),
            "kind": "value",
            "value": None,
            "low": None,
            "high": None,
            "unit": "ratio" if is_ratio else self.unit.removesuffix("/yr"),
            "factor": None,
        }
        make = new_row(Record, RECORDS.file, defaults)
        rows = edited_rows(self.records, "record", record, make, values, RECORDS.file)
        return self._copy(records=Table(Record, rows))

    def with_flow(self, flow: str, *, priors: Iterable[Prior] = (), **values: Any) -> Self:
        """Return a copy with a flow changed, or added.

        Parameters
        ----------
        flow : str
            Name of the flow.
        priors : iterable of Prior
            Prior rows that a new flow brings with it.
        **values
            Fields of `Flow`. A new one needs ``source``, ``target`` and ``product``; it is
            registered and can exist in every year unless given otherwise.

        Raises
        ------
        StudyError
            If a field is unknown or missing, or the copy would not be sound.
        """
        defaults = {
            "flow": flow,
            "registered": True,
            "active": ((self.first_year, self.last_year),),
            "label": flow,
        }
        make = new_row(Flow, FLOWS.file, defaults)
        rows = edited_rows(self.flows, "flow", flow, make, values, FLOWS.file)
        return self._copy(flows=Table(Flow, rows), priors=Table(Prior, (*self.priors, *priors)))

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

        Priors of reporters and common errors that have no record left go too, and a part of a
        composition that has lost all other parts.

        Raises
        ------
        StudyError
            If the copy would not be sound.
        """
        table = Table(Record, without_lone_parts(self.records, records))
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
        draft = self._draft()
        wanted = (name, *self.variants[name].get("combines", ()))
        refuse(check_variants(draft, self.variants, wanted))
        after = changed(draft, self.variants, name)
        return self._copy(
            name=after.header.name,
            settings=after.header.settings,
            variants=after.header.variants,
            extensions=folders_of(after, self.extensions),
            additions=(),
            **after.tables,
        )

    def scenario(self, name: str) -> Scenario:
        """Return what ``[scenarios]`` of ``study.toml`` declares under a name, checked.

        Parameters
        ----------
        name : str
            One of `scenarios`.
        """
        return checked_scenario(self._draft(scenarios=self.scenarios), name)

    @property
    def texts(self) -> dict[str, str]:
        """Text of every file of the study, by name: what is read from them is this study.

        Extensions that variants add stand in directories of their own; what others have added is in
        the tables. A variant or scenario that names what a copy no longer has is left out: a
        directory that held it could not be read.
        """
        draft = self._draft(variants=self.variants, scenarios=self.scenarios)
        header: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "first_year": self.first_year,
            "last_year": self.last_year,
        }
        parts = {
            "notes": self.notes,
            "settings": self.settings.plain,
            "package": self.package.plain,
            "report": self.report.plain,
            **{key: Settings(table).plain for key, table in sound_header(draft).items()},
        }
        header |= {key: value for key, value in parts.items() if value}
        tables = {schema.file: getattr(self, title) for title, schema in SCHEMAS.items()}
        terms = [term for quantity in self.quantities for term in quantity.terms]
        written = texts(header, tables | {QUANTITIES.file: terms})
        return written | extension_texts(self.additions)

    def save(self, folder: str | Path) -> Path:
        """Write the study as a directory of tables, which `read_study` reads as the same study.

        Parameters
        ----------
        folder : str or Path
            Directory, made if missing. It may hold no table of a study.

        Returns
        -------
        Path
            The directory.

        Raises
        ------
        StudyError
            If the directory holds tables of a study already, or the study has no record, which no
            directory may lack; nothing is written then.
        ResultError
            If a file cannot be written.
        """
        folder = Path(folder)
        if not self.records:
            message = "a study without records cannot be read from a directory; keep one"
            raise StudyError([Fault(RECORDS.file, None, "", "", message)])
        parts = self.texts
        there = [name for name in {**dict.fromkeys((TABLE, *SCHEMA)), **parts}
                 if (folder / name).exists()]  # fmt: skip
        if there:
            message = f"{folder} holds a study; give an empty directory"
            raise StudyError([Fault(name, None, "", "", message) for name in there])
        for name, text in parts.items():
            write_text_whole(folder / name, text)
        return folder

    def __repr__(self) -> str:
        """Name, years and how many rows each table has."""
        counts = ", ".join(f"{len(table)} {title}" for title, table in tables_of(self).items())
        return f"Study {self.name!r}, {self.first_year}-{self.last_year}, {self.unit}: {counts}"

    def _repr_html_(self) -> str:
        counts = "".join(
            f"<tr><td>{title}</td><td>{len(table)}</td></tr>"
            for title, table in tables_of(self).items()
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
        known = (record for record in self.records if record.status != RECALLED)
        records = Table(Record, without_lone_parts(self.records, known))
        targets = unheard(self.records, records)
        priors = Table(Prior, (prior for prior in self.priors if prior.target not in targets))
        copy = replace(self, records=records, priors=priors)
        refuse(check_kept(draft, {*records.names}, targets))
        return copy

    def _copy(self, **tables: Any) -> Self:
        copy = replace(self, **tables)
        draft = copy._draft()
        refuse(check_types(draft))
        refuse(check_draft(draft))
        return copy

    def _draft(self, **tables: Any) -> Draft:
        """Return the rows as a draft to check.

        Variants and scenarios are checked where they are read and where one is asked for: a copy
        may lack what one of them names.
        """
        years = (self.first_year, self.last_year)
        header = Header(self.name, self.unit, years, settings=self.settings, **tables)
        return draft_of(header, self, self.additions)


def read_study(
    path: str | Path | None = None, *, recalled: bool = False, extensions: Given = ()
) -> Study:
    """Read a study directory and check it whole.

    Parameters
    ----------
    path : str or Path, optional
        Directory with ``study.toml`` and the tables, or the name of an example that comes with the
        package (``"rare_earths"``, ``"zinc"``), unless there is a directory of that name. The
        rare-earth study if omitted.
    recalled : bool, optional
        Whether to keep records of status ``recalled``: unverified (second-hand) figures, which
        nobody read in their source. They are left out unless asked for, and checked in either case.
    extensions : iterable of str or Path, optional
        Extensions whose rows are added to the tables or replace rows of them: names of directories
        in ``extensions`` of the study, or paths of any others.

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
        Once, with everything that is possible and hardly meant; of copies of a study nothing.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study("zinc")
    >>> study.name, study.unit, study.years
    ('Zinc in China 1994', 'kt Zn/yr', (1994,))
    """
    folder = study_folder(path)
    if not folder.is_dir():
        problem = "is a file; give its directory" if folder.exists() else "does not exist"
        advice = "" if folder.exists() else f"; the examples are {listed(EXAMPLES)}"
        raise StudyError([Fault("study", None, "", str(folder), f"{folder} {problem}{advice}")])
    draft = read_extended(folder, extensions)
    study = study_from(draft, folder, recalled=recalled)
    tell_implausible(draft)
    return study


def study_from(draft: Draft, folder: Path, *, recalled: bool) -> Study:
    """Return the study of a draft that was read from a folder, checked whole; see `read_study`."""
    refuse(check_draft(draft))
    header = draft.header
    first_year, last_year = header.years or (0, 0)  # one without years was refused above
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
        scenarios=header.scenarios,
        notes=header.notes,
        extensions=folders_of(draft),
        additions=draft.additions if recalled else verified_additions(draft),
        **draft.tables,
    )
    kept = recalled or not any(record.status == RECALLED for record in study.records)
    return study if kept else study._without_recalled(draft)
