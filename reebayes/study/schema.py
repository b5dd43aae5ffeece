"""The tables of a study, column by column: read, checked, hashed and described by one list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_type_hints

from reebayes.study.formulas import CONVENTIONS, INDICATOR_KINDS
from reebayes.study.kinds import ESTIMATE_KINDS, RECORD_KINDS
from reebayes.study.reading.cells import Cells
from reebayes.study.rows import (
    DISTRIBUTIONS,
    MASS_SCALES,
    PARTS,
    PERCENT,
    PROCESS_KINDS,
    RATIO,
    SHARE,
    STATUSES,
    STUDY_MASS,
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

type Reader = Callable[[Cells, str], Any]

UNITS = (
    "Unit as printed: `t`, `kt` or `Mt` of what the study counts, such as `t REO`, or of gross "
    "weight, such as `t gross`; of a ratio `ratio`, `fraction` (at most 1) or `%`."
)

PERIODS = r"[0-9]{4}( *- *[0-9]{4})?( *; *[0-9]{4}( *- *[0-9]{4})?)*"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
    meaning : str
        What a cell holds, as a sentence for readers.
    read : callable
        Takes the cells of a row and the name of the column; returns the value.
    filled : bool
        Whether no cell may be empty. A column whose cells may be empty may be left out.
    moves : bool
        Whether the posterior depends on it. Labels, notes and citations move nothing.
    choices : sequence of str
        What a cell may hold, where it is one of a few words.
    constraint : mapping
        Further constraints in the words of Table Schema.
    refers : (str, str), optional
        Table and column of which a cell names a row.
    """

    name: str
    meaning: str
    read: Reader
    filled: bool = False
    moves: bool = True
    choices: Sequence[str] = ()
    constraint: Mapping[str, Any] = field(default_factory=dict)
    refers: tuple[str, str] | None = None

    @property
    def optional(self) -> bool:
        """Whether the column may be left out of the file: whether all its cells may be empty."""
        return not self.filled


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table of a study.

    Parameters
    ----------
    file : str
        Its name in a study directory.
    row : type
        Class of a row; its fields are the columns.
    contents : str
        What the table holds, as a sentence.
    key : sequence of str
        Columns that identify a row.
    columns : sequence of Column
    optional : bool
        Whether the file may be left out.
    complete : callable
        Fills in, from the values of a row, those that follow from others.
    """

    file: str
    row: type
    contents: str
    key: Sequence[str]
    columns: Sequence[Column]
    optional: bool = False
    complete: Callable[[dict[str, Any]], dict[str, Any]] = dict

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns that the file must have."""
        return tuple(column.name for column in self.columns if not column.optional)

    @property
    def extra(self) -> tuple[str, ...]:
        """Columns that may be left out."""
        return tuple(column.name for column in self.columns if column.optional)

    @property
    def moving(self) -> tuple[str, ...]:
        """Columns on which the posterior depends."""
        return tuple(column.name for column in self.columns if column.moves)

    def column(self, name: str) -> Column | None:
        """Return a column by its name; None if the table has no such column."""
        return next((column for column in self.columns if column.name == name), None)

    def type_of(self, name: str) -> str:
        """Return what cells of a column hold, in the words of Table Schema."""
        annotation = get_type_hints(self.row).get(name, str)
        if annotation is bool:
            return "boolean"
        if annotation in (int, int | None):
            return "year"
        return "number" if annotation in (float, float | None) else "string"


# --- how cells are read ---------------------------------------------------------------------------


def _optional_key(cells: Cells, column: str) -> str:
    return cells.key(column, needed=False)


def _number_or(stand_in: float) -> Reader:
    """Read a number that may not be empty; where it cannot be read, a stand-in goes on."""
    return lambda cells, column: cells.needed_number(column, stand_in)


def _lag(cells: Cells, column: str) -> float:
    return cells.number(column) or 0.0


def _needed_year(cells: Cells, column: str) -> int:
    cells.needed(column)
    return cells.year(column) or 0


def _with_last_year(values: dict[str, Any]) -> dict[str, Any]:
    """Let a row without a last year end in its first, and turn per cent into a ratio."""
    if values["year_end"] is None:
        values = {**values, "year_end": values["year"]}
    if values["unit"] != PERCENT:
        return values
    scaled = [name for name in ("value", "low", "high", "other") if values.get(name) is not None]
    # An error is a fraction already, but of a signed figure, which has it in its own unit.
    if values["kind"] in RECORD_KINDS and RECORD_KINDS[values["kind"]].is_signed:
        scaled.append("sd")
    return {**values, **{name: values[name] / 100 for name in scaled}, "unit": RATIO}


def _in_units_of_studies(values: dict[str, Any]) -> dict[str, Any]:
    """Turn the median of a prior in t or Mt into kt, and one in per cent into a share."""
    unit = values["unit"]
    mass, _, content = unit.partition(" ")
    if unit == PERCENT:
        return {**values, "median": values["median"] / 100, "unit": SHARE}
    if mass in MASS_SCALES and mass != STUDY_MASS and content.endswith("/yr"):
        return {**values, "median": values["median"] * MASS_SCALES[mass],
                "unit": f"{STUDY_MASS} {content}"}  # fmt: skip
    return values


def _choice(name: str, meaning: str, choices: Sequence[str], **other: Any) -> Column:
    """Return a column whose cells hold one of a few words."""
    filled = other.get("filled", True)

    def read(cells: Cells, column: str) -> str:
        return cells.choice(column, choices, needed=filled)

    known = tuple(choice for choice in choices if choice)
    constraint = {"enum": list(known)} if filled else {}
    return Column(
        name, meaning, read, **{"filled": True, **other}, choices=known, constraint=constraint
    )


_told = partial(Column, read=Cells.text, moves=False)
"""A column of text for readers, which moves nothing."""

_note = partial(_told, "note", "What a reader must know.")
_label = partial(_told, "label", "Name for readers.")

# --- the tables -----------------------------------------------------------------------------------

PROCESSES = TableSchema("processes.csv", Process, "Nodes of the system.", ("process",), (
    Column("process", "Name of the process.", Cells.identifier, filled=True),
    _choice("kind", "What the process does with what enters it.", PROCESS_KINDS),
    Column("region", "Region in which it lies; empty if in none.", _optional_key),
    _label(),
))  # fmt: skip

FLOWS = TableSchema(
    "flows.csv", Flow, "Flows between two processes, with the years in which they can exist.",
    ("flow",), (
        Column("flow", "Name of the flow.", Cells.identifier, filled=True),
        Column("source", "Process that it leaves.", Cells.name, filled=True,
               refers=("processes", "process")),
        Column("target", "Process that it enters.", Cells.name, filled=True,
               refers=("processes", "process")),
        Column("product", "What flows.", Cells.key, filled=True, moves=False),
        Column("registered", "Whether a register is meant to count it.", Cells.truth, filled=True),
        Column("active", "Years in which it can exist, such as 2000-2002;2012.", Cells.spans,
               filled=True, constraint={"pattern": PERIODS}),
        _label(),
    ),
)  # fmt: skip

QUANTITIES = TableSchema(
    "quantities.csv", Term, "Terms of named sums of flows, and of ratios of two sums.",
    ("quantity", "part", "flow"), (
        Column("quantity", "Name of the quantity.", Cells.identifier, filled=True),
        _choice("part", "Whether the term belongs to the numerator or the denominator.", PARTS),
        Column("flow", "Flow that is added.", Cells.name, filled=True, refers=("flows", "flow")),
        Column("weight", "Factor of the flow.", _number_or(1.0), filled=True),
    ),
)  # fmt: skip

RECORDS = TableSchema(
    "records.csv", Record,
    "Published figures, each an observation of a quantity. No row is no record.", ("record",), (
        Column("record", "Name of the record.", Cells.name, filled=True),
        Column("quantity", "Quantity that it observes.", Cells.name, filled=True,
               refers=("quantities", "quantity")),
        Column("year", "Year, or the first of several.", _needed_year, filled=True),
        Column("year_end", "Last year, if there are several.", Cells.year),
        _choice("kind", "What the figure says of the quantity.", tuple(RECORD_KINDS)),
        Column("value", "Figure as printed.", Cells.number),
        Column("low", "Lower bound as printed.", Cells.number),
        Column("high", "Upper bound as printed; of a zero, what would still print as zero.",
               Cells.number),
        Column("unit", UNITS, Cells.needed, filled=True),
        Column("sd", "Standard error on the log scale: 0.1 is 10 %. Of kind `signed`, in the unit "
               "of the figure.", _number_or(0.1), filled=True,
               constraint={"minimum": 0}),
        Column("reporter", "Series of one definition; bias and noise are estimated for each.",
               Cells.name, filled=True),
        Column("source", "Source that printed it.", Cells.name, filled=True, moves=False,
               refers=("sources", "source")),
        _note(),
        Column("factor", "Content of a gross tonne, where the unit is gross.", Cells.number),
        Column("shared",
               "Systematic errors that the record has in common with others, beside reporter bias; "
               "or bias:REPORTER, whose figure it was derived from. A minus sign turns one round.",
               Cells.errors),
        Column("lag", "Part of the figure that belongs to the year before.", _lag),
        Column("other", "Alternative value of an ambiguous figure, as probable as the first.",
               Cells.number),
        Column("composition",
               "Printed table of shares of which the figure is a part; the parts of one "
               "are of the same years, and their errors are log-ratio errors.", _optional_key),
        _choice("status", "Empty, or recalled: unverified (second-hand), not read in its source.",
                STATUSES, filled=False, moves=False),
    ),
    complete=_with_last_year,
)  # fmt: skip

PRIORS = TableSchema(
    "priors.csv", Prior, "What is assumed before the records, target by target.",
    ("target", "year"), (
        Column("target", "Flow, route, reporter or group of steps that the prior is about.",
               Cells.name, filled=True),
        Column("year", "First year for which it holds; empty for all years.", Cells.year),
        Column("year_end", "Last year for which it holds.", Cells.year),
        _choice("distribution", "Form of the prior.", DISTRIBUTIONS),
        Column("median", "Median in the unit.", _number_or(0.5), filled=True),
        Column("sd", "Standard deviation on the log or log-odds scale.", _number_or(0.1),
               filled=True, constraint={"minimum": 0}),
        Column("step",
               "Standard deviation of the change between years; empty if nothing changes.",
               Cells.number),
        Column("transition",
               "Standard deviation of the change with which the period begins, within a year of "
               "its first; empty if the median jumps.", Cells.number),
        Column("unit",
               "Unit of the median: of a flow that of the study, such as `kt REO/yr`, or the same "
               "in `t` or `Mt`; of a share `share` or `%`; of a bias, route or common error "
               "`log scale`; of noise or a step `multiplier`.",
               Cells.needed, filled=True, moves=False),
        Column("source", "Source or judgement that it rests on.", Cells.name, filled=True,
               moves=False, refers=("sources", "source")),
        _note(),
    ),
    complete=_in_units_of_studies,
)  # fmt: skip

SOURCES = TableSchema(
    "sources.csv", Source,
    "Where records and priors come from; a judgement says whose it is and why.", ("source",), (
        Column("source", "Key of the source.", Cells.name, filled=True, moves=False),
        _told("citation", "Full citation; of a judgement, whose it is and why.",
              read=Cells.needed, filled=True),
        _told("year", "Year of publication.", read=Cells.year),
        _told("url", "Address; several are set apart by ' ; '."),
        _told("licence", "Licence, or the ground on which the figures are used."),
        _note(),
    ),
)  # fmt: skip

ESTIMATES = TableSchema(
    "published_estimates.csv", Estimate,
    "Literature estimates: set beside results, never used in a fit.", ("name",), (
        _told("name", "Name of the estimate.", read=Cells.identifier, filled=True),
        _told("quantity", "Quantity that it is about.", read=Cells.name, filled=True,
              refers=("quantities", "quantity")),
        _told("year", "Year, or the first of several.", read=_needed_year, filled=True),
        _told("year_end", "Last year of a sum over years, or of a ratio of such sums.",
              read=Cells.year),
        _choice("kind", "What the estimate says of the quantity.", ESTIMATE_KINDS, moves=False),
        _told("value", "Figure as printed.", read=Cells.number),
        _told("low", "Lower bound as printed.", read=Cells.number),
        _told("high", "Upper bound as printed.", read=Cells.number),
        _told("unit", "Unit as printed, as of a record.", read=Cells.needed, filled=True),
        _told("source", "Source that printed it; it may have no record and no prior.",
              read=Cells.name, filled=True, refers=("sources", "source")),
        _note(),
        _told("why", "Why it differs from the fit, where it does."),
    ),
    optional=True,
    complete=_with_last_year,
)  # fmt: skip

CATALOGUE = TableSchema(
    "catalogue.csv", Label, "Labels and descriptions of quantities, for readers.", ("quantity",), (
        _told("quantity", "Quantity.", read=Cells.name, filled=True,
              refers=("quantities", "quantity")),
        _told("label", "Name for readers, as the report shows it."),
        _told("description", "What it counts, and what it leaves out."),
    ),
    optional=True,
)  # fmt: skip

_convention = partial(_choice, "convention", choices=("", *CONVENTIONS), filled=False, moves=False)

INDICATORS = TableSchema(
    "indicators.csv", Indicator,
    "Indicators computed from the draws of a fit; nothing that is fitted depends on them.",
    ("indicator", "convention"), (
        _told("indicator", "Name of the indicator.", read=Cells.identifier, filled=True),
        _choice("kind", "How it is computed from its members.", tuple(INDICATOR_KINDS),
                moves=False),
        _told("members", "Sums such as `a + b - c`, or other indicators, separated by semicolons.",
              read=Cells.parts, filled=True),
        _told("region", "Region that it is about; empty if about none."),
        _told("stage", "Stage of the chain that it is about."),
        _convention(meaning="Convention that it is meant for; empty if for all."),
        _told("unit", "Unit in which it is told.", read=Cells.needed, filled=True),
        _told("reference", "Source of its definition.", read=_optional_key),
        _label(),
    ),
    optional=True,
)  # fmt: skip

PUBLISHED_INDICATORS = TableSchema(
    "published_indicators.csv", PublishedIndicator,
    "Published values of indicators: set beside results, never used in a fit.", ("name",), (
        _told("name", "Name of the value.", read=Cells.identifier, filled=True),
        _told("indicator", "Indicator that it is about.", read=Cells.name, filled=True),
        _convention(meaning="Convention that it follows; empty if it is the same in all."),
        _told("year", "Year, or the first of several.", read=_needed_year, filled=True),
        _told("year_end", "Last year of several taken together.", read=Cells.year),
        _choice("kind", "What it says of the indicator.", ESTIMATE_KINDS, moves=False),
        _told("value", "Figure as printed.", read=Cells.number),
        _told("low", "Lower bound as printed.", read=Cells.number),
        _told("high", "Upper bound as printed.", read=Cells.number),
        _told("unit", "Unit, that of the indicator.", read=Cells.needed, filled=True),
        _told("source", "Source that printed it.", read=Cells.name, filled=True,
              refers=("sources", "source")),
        _told("definition", "How its source defines it, where that makes it differ.",
              read=Cells.needed, filled=True),
        _note(),
    ),
    optional=True,
    complete=_with_last_year,
)  # fmt: skip

SCHEMA: Mapping[str, TableSchema] = {
    table.file: table
    for table in (
        *(PROCESSES, FLOWS, QUANTITIES, CATALOGUE, RECORDS, PRIORS, SOURCES, ESTIMATES),
        *(INDICATORS, PUBLISHED_INDICATORS),
    )
}
"""The tables of a study by the name of their file, in the order in which they are read."""


def read_row(table: TableSchema, cells: Cells) -> Any:
    """Return a row of a table as read, with the columns that could not be."""
    values = {column.name: column.read(cells, column.name) for column in table.columns}
    return cells.entry(table.row, **table.complete(values))
