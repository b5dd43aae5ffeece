"""The tables of a study, column by column: read, checked, hashed and described by one list."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from reebayes.study.columns import (
    Column,
    TableSchema,
    choice,
    label,
    needed_year,
    note,
    number_or,
    optional_key,
    told,
)
from reebayes.study.formulas import CONVENTIONS, INDICATOR_KINDS
from reebayes.study.kinds import ESTIMATE_KINDS, RECORD_KINDS
from reebayes.study.prospects import (
    PROJECT_STATUSES,
    PROJECTED,
    DemandGrowth,
    PlannedCase,
    Project,
    Projection,
    Reserve,
)
from reebayes.study.reading.cells import Cells
from reebayes.study.rows import (
    DEPOSITS,
    DISTRIBUTIONS,
    MASS_SCALES,
    PARTS,
    PERCENT,
    PROCESS_KINDS,
    RATIO,
    SHARE,
    STATUSES,
    STUDY_MASS,
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
    Record,
    Source,
    Term,
)

UNITS = (
    "Unit as printed: `t`, `kt` or `Mt` of what the study counts, such as `t REO`, or of gross "
    "weight, such as `t gross`; of a ratio `ratio`, `fraction` (at most 1) or `%`."
)

PERIODS = r"[0-9]{4}( *- *[0-9]{4})?( *; *[0-9]{4}( *- *[0-9]{4})?)*"


# --- how cells are read ---------------------------------------------------------------------------


def _lag(cells: Cells, column: str) -> float:
    return cells.number(column) or 0.0


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


# --- the tables -----------------------------------------------------------------------------------

PROCESSES = TableSchema("processes.csv", Process, "Nodes of the system.", ("process",), (
    Column("process", "Name of the process.", Cells.identifier, filled=True),
    choice("kind", "What the process does with what enters it.", PROCESS_KINDS),
    Column("region", "Region in which it lies; empty if in none.", optional_key),
    label(),
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
        label(),
        Column("tied", "Flow whose share (transfer coefficient) it has; empty if it has its own.",
               optional_key),
    ),
)  # fmt: skip

QUANTITIES = TableSchema(
    "quantities.csv", Term, "Terms of named sums of flows, and of ratios of two sums.",
    ("quantity", "part", "flow"), (
        Column("quantity", "Name of the quantity.", Cells.identifier, filled=True),
        choice("part", "Whether the term belongs to the numerator or the denominator.", PARTS),
        Column("flow", "Flow that is added.", Cells.name, filled=True, refers=("flows", "flow")),
        Column("weight", "Factor of the flow.", number_or(1.0), filled=True),
    ),
)  # fmt: skip

RECORDS = TableSchema(
    "records.csv", Record,
    "Published figures, each an observation of a quantity. No row is no record.", ("record",), (
        Column("record", "Name of the record.", Cells.name, filled=True),
        Column("quantity", "Quantity that it observes.", Cells.name, filled=True,
               refers=("quantities", "quantity")),
        Column("year", "Year, or the first of several.", needed_year, filled=True),
        Column("year_end", "Last year, if there are several.", Cells.year),
        choice("kind", "What the figure says of the quantity.", tuple(RECORD_KINDS)),
        Column("value", "Figure as printed.", Cells.number),
        Column("low", "Lower bound as printed.", Cells.number),
        Column("high", "Upper bound as printed; of a zero, what would still print as zero.",
               Cells.number),
        Column("unit", UNITS, Cells.needed, filled=True),
        Column("sd", "Standard error on the log scale: 0.1 is 10 %. Of kind `signed`, in the unit "
               "of the figure.", number_or(0.1), filled=True,
               constraint={"minimum": 0}),
        Column("reporter", "Series of one definition; bias and noise are estimated for each.",
               Cells.name, filled=True),
        Column("source", "Source that printed it.", Cells.name, filled=True, moves=False,
               refers=("sources", "source")),
        note(),
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
               "are of the same years, and their errors are log-ratio errors.", optional_key),
        choice("status", "Empty, or recalled: unverified (second-hand), not read in its source.",
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
        choice("distribution", "Form of the prior.", DISTRIBUTIONS),
        Column("median", "Median in the unit.", number_or(0.5), filled=True),
        Column("sd", "Standard deviation on the log or log-odds scale.", number_or(0.1),
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
        note(),
    ),
    complete=_in_units_of_studies,
)  # fmt: skip

SOURCES = TableSchema(
    "sources.csv", Source,
    "Where records and priors come from; a judgement says whose it is and why.", ("source",), (
        Column("source", "Key of the source.", Cells.name, filled=True, moves=False),
        told("citation", "Full citation; of a judgement, whose it is and why.",
              read=Cells.needed, filled=True),
        told("year", "Year of publication.", read=Cells.year),
        told("url", "Address; several are set apart by ' ; '."),
        told("licence", "Licence, or the ground on which the figures are used."),
        note(),
    ),
)  # fmt: skip

ESTIMATES = TableSchema(
    "published_estimates.csv", Estimate,
    "Literature estimates: set beside results, never used in a fit.", ("name",), (
        told("name", "Name of the estimate.", read=Cells.identifier, filled=True),
        told("quantity", "Quantity that it is about.", read=Cells.name, filled=True,
              refers=("quantities", "quantity")),
        told("year", "Year, or the first of several.", read=needed_year, filled=True),
        told("year_end", "Last year of a sum over years, or of a ratio of such sums.",
              read=Cells.year),
        choice("kind", "What the estimate says of the quantity.", ESTIMATE_KINDS, moves=False),
        told("value", "Figure as printed.", read=Cells.number),
        told("low", "Lower bound as printed.", read=Cells.number),
        told("high", "Upper bound as printed.", read=Cells.number),
        told("unit", "Unit as printed, as of a record.", read=Cells.needed, filled=True),
        told("source", "Source that printed it; it may have no record and no prior.",
              read=Cells.name, filled=True, refers=("sources", "source")),
        note(),
        told("why", "Why it differs from the fit, where it does."),
    ),
    optional=True,
    complete=_with_last_year,
)  # fmt: skip

CATALOGUE = TableSchema(
    "catalogue.csv", Label, "Labels and descriptions of quantities, for readers.", ("quantity",), (
        told("quantity", "Quantity.", read=Cells.name, filled=True,
              refers=("quantities", "quantity")),
        told("label", "Name for readers, as the report shows it."),
        told("description", "What it counts, and what it leaves out."),
    ),
    optional=True,
)  # fmt: skip

_convention = partial(choice, "convention", choices=("", *CONVENTIONS), filled=False, moves=False)

INDICATORS = TableSchema(
    "indicators.csv", Indicator,
    "Indicators computed from the draws of a fit; nothing that is fitted depends on them.",
    ("indicator", "convention"), (
        told("indicator", "Name of the indicator.", read=Cells.identifier, filled=True),
        choice("kind", "How it is computed from its members.", tuple(INDICATOR_KINDS),
                moves=False),
        told("members", "Sums such as `a + b - c`, or other indicators, separated by semicolons.",
              read=Cells.parts, filled=True),
        told("region", "Region that it is about; empty if about none."),
        told("stage", "Stage of the chain that it is about."),
        _convention(meaning="Convention that it is meant for; empty if for all."),
        told("unit", "Unit in which it is told.", read=Cells.needed, filled=True),
        told("reference", "Source of its definition.", read=optional_key),
        label(),
    ),
    optional=True,
)  # fmt: skip

PUBLISHED_INDICATORS = TableSchema(
    "published_indicators.csv", PublishedIndicator,
    "Published values of indicators: set beside results, never used in a fit.", ("name",), (
        told("name", "Name of the value.", read=Cells.identifier, filled=True),
        told("indicator", "Indicator that it is about.", read=Cells.name, filled=True),
        _convention(meaning="Convention that it follows; empty if it is the same in all."),
        told("year", "Year, or the first of several.", read=needed_year, filled=True),
        told("year_end", "Last year of several taken together.", read=Cells.year),
        choice("kind", "What it says of the indicator.", ESTIMATE_KINDS, moves=False),
        told("value", "Figure as printed.", read=Cells.number),
        told("low", "Lower bound as printed.", read=Cells.number),
        told("high", "Upper bound as printed.", read=Cells.number),
        told("unit", "Unit, that of the indicator.", read=Cells.needed, filled=True),
        told("source", "Source that printed it.", read=Cells.name, filled=True,
              refers=("sources", "source")),
        told("definition", "How its source defines it, where that makes it differ.",
              read=Cells.needed, filled=True),
        note(),
    ),
    optional=True,
    complete=_with_last_year,
)  # fmt: skip

ASSAYS = TableSchema(
    "compositions.csv", Assay,
    "Analyses of ores and other materials, element by element; no fit of flows depends on them.",
    ("analysis", "element"), (
        told("analysis", "Name of the analysis.", read=Cells.identifier, filled=True),
        told("material", "Material that was analysed, such as an ore.", read=Cells.identifier,
              filled=True),
        told("deposit", "Deposit that it is from; analyses of one deposit are of one thing.",
              read=Cells.name, filled=True),
        told("family", "Deposits of one family are alike: the spread between them is learnt.",
              read=Cells.identifier, filled=True),
        told("element", "Element or group, such as Nd.", read=Cells.identifier, filled=True),
        told("share", "Its share of the whole as printed, as oxide; what is not printed has no "
              "row.", read=number_or(0.5), filled=True),
        told("spread", "Standard error of the log of the share, as from rounding, beside what "
              "analyses of one deposit differ by; 0 if none.", read=number_or(0.1), filled=True,
              constraint={"minimum": 0}),
        told("assays", "Number of assays, if known.", read=Cells.count),
        told("source", "Source that printed it.", read=Cells.name, filled=True,
              refers=("sources", "source")),
        note(),
    ),
    optional=True,
)  # fmt: skip

MATERIALS = TableSchema(
    "materials.csv", Material,
    "Which materials of compositions.csv a flow out of the ground or into a use holds.",
    ("flow", "material", "by", "year"), (
        told("flow", "Flow out of an environment, or into a use.", read=Cells.name, filled=True,
              refers=("flows", "flow")),
        told("material", "Material that it holds.", read=Cells.name, filled=True),
        told("by", "Flow whose amount is the part of it in which the share holds; empty if in "
              "all of it.", read=optional_key),
        told("year", "First year for which it holds; empty for all.", read=Cells.year),
        told("year_end", "Last year for which it holds.", read=Cells.year),
        choice("deposits", "Whether it comes from these deposits that were analysed, these and "
                "more, or another of their family.", DEPOSITS, moves=False),
        told("share", "Part of the flow, or of what `by` stands for; parts are scaled to 1.",
              read=number_or(0.5), filled=True),
        told("spread", "Standard error of the log of the share.", read=number_or(0.1),
              filled=True, constraint={"minimum": 0}),
        told("source", "Source or judgement that it rests on.", read=Cells.name, filled=True,
              refers=("sources", "source")),
        note(),
    ),
    optional=True,
)  # fmt: skip

PUBLISHED_ELEMENTS = TableSchema(
    "published_elements.csv", PublishedElement,
    "Published figures about elements: set beside results, never used in a fit.", ("name",), (
        told("name", "Name of the figure.", read=Cells.identifier, filled=True),
        told("elements", "Element, or elements that are added, such as Nd+Pr.",
              read=Cells.identifier, filled=True),
        told("at", "Process, flow, quantity or sum of them that holds them.", read=Cells.needed,
              filled=True),
        told("over", "Where the whole is, of which it is a share; empty of an amount."),
        told("year", "Year, or the first of several.", read=needed_year, filled=True),
        told("year_end", "Last year of several taken together.", read=Cells.year),
        choice("kind", "What the figure says.", ESTIMATE_KINDS, moves=False),
        told("value", "Figure as printed.", read=Cells.number),
        told("low", "Lower bound as printed.", read=Cells.number),
        told("high", "Upper bound as printed.", read=Cells.number),
        told("unit", "Unit: of a share `fraction`, of an amount as of a record.",
              read=Cells.needed, filled=True),
        told("source", "Source that printed it.", read=Cells.name, filled=True,
              refers=("sources", "source")),
        told("definition", "How its source defines it, where that makes it differ.",
              read=Cells.needed, filled=True),
        note(),
    ),
    optional=True,
    complete=_with_last_year,
)  # fmt: skip

PARTNERS = TableSchema(
    "partners.csv", Partner, "Partners in trade, and where they lie on a map.", ("partner",), (
        told("partner", "Name of the partner.", read=Cells.identifier, filled=True),
        told("label", "Name for readers.", read=Cells.needed, filled=True),
        told("lon", "Degrees east at which its arrows end.", read=number_or(0.0), filled=True,
              constraint={"minimum": -180, "maximum": 180}),
        told("lat", "Degrees north at which its arrows end.", read=number_or(0.0), filled=True,
              constraint={"minimum": -90, "maximum": 90}),
        told("label_lon", "Degrees east of its label; empty if it stands where arrows end.",
              read=Cells.number),
        told("label_lat", "Degrees north of its label.", read=Cells.number),
        told("members", "Countries by their three letters (ISO 3166-1), separated by semicolons; "
              "empty if it is every country that no other partner has.", read=Cells.names),
    ),
    optional=True,
)  # fmt: skip

LANES = TableSchema(
    "lanes.csv", Lane, "Trade between partners that a map draws as arrows.", ("quantity", "goods"),
    (
        told("quantity", "Quantity that flows.", read=Cells.name, filled=True,
              refers=("quantities", "quantity")),
        told("origin", "Partner that it leaves.", read=Cells.name, filled=True,
              refers=("partners", "partner")),
        told("destination", "Partner that it enters.", read=Cells.name, filled=True,
              refers=("partners", "partner")),
        told("goods", "Which goods these are; empty if all together.", read=optional_key),
        told("declared", "Quantity of the part that customs are meant to count, if another.",
              read=optional_key, refers=("quantities", "quantity")),
    ),
    optional=True,
)  # fmt: skip

_source = partial(told, name="source", meaning="Source that printed it.", read=Cells.name,
                  filled=True, refers=("sources", "source"))  # fmt: skip
_as_of = partial(told, "as_of", read=needed_year, filled=True)

PROJECTS = TableSchema(
    "projects.csv", Project,
    "Mines and deposits as they stood in some year: used by an outlook, never in a fit.",
    ("project", "as_of"), (
        told("project", "Name of the project.", read=Cells.key, filled=True),
        _as_of(meaning="Year in which it stood like this."),
        told("country", "Country in which it lies.", read=Cells.key, filled=True),
        told("region", "Region of the study.", read=Cells.key, filled=True),
        told("flow", "Flow that its output adds to; empty if it takes no part in an outlook.",
              read=optional_key, refers=("flows", "flow")),
        told("ore_class", "Class of its ore."),
        choice("status", "How far it is.", PROJECT_STATUSES, moves=False),
        told("capacity", "What it can yield a year.", read=Cells.number),
        told("unit", "Unit of the capacity, such as `kt REO/yr`."),
        told("start", "Year in which it started, or is said to.", read=Cells.year),
        told("product", "What the capacity is of."),
        told("resource", "Content of the deposit, in Mt of what the study counts.",
              read=Cells.number),
        told("latitude", "Degrees north.", read=Cells.number),
        told("longitude", "Degrees east.", read=Cells.number),
        _source(),
        note(),
    ),
    optional=True,
)  # fmt: skip

PLANNED_CASES = TableSchema(
    "planned_cases.csv", PlannedCase,
    "Plans of the past and what became of them, from which an outlook learns.", ("case",), (
        told("case", "Name of the case.", read=Cells.identifier, filled=True),
        told("project", "Name of the project.", read=Cells.key, filled=True),
        _as_of(meaning="Year of the plan."),
        choice("status", "How far it was then.", PROJECT_STATUSES, moves=False),
        told("planned_start", "Year in which it was to start.", read=needed_year, filled=True),
        told("planned", "What it was to yield a year.", read=Cells.number),
        told("unit", "Unit of what was planned and reached, such as `kt REO/yr`."),
        told("started", "Year in which it started; empty if it had not.", read=Cells.year),
        told("reached", "What it yielded in some year.", read=Cells.number),
        told("reached_year", "That year.", read=Cells.year),
        told("observed", "Last year for which the outcome is known.", read=needed_year,
              filled=True),
        _source(meaning="Source of the plan."),
        told("outcome_source", "Source of the outcome.", read=Cells.name, filled=True,
              refers=("sources", "source")),
        note(),
    ),
    optional=True,
)  # fmt: skip

RESERVES = TableSchema(
    "reserves.csv", Reserve, "Reserves by country and edition: shown, never used.",
    ("country", "edition"), (
        told("country", "Country; `World`, or a deposit, with its country before a colon.",
              read=Cells.key, filled=True),
        told("edition", "Year of the edition.", read=needed_year, filled=True),
        told("value", "Figure as printed.", read=number_or(1.0), filled=True),
        told("unit", "Unit as printed, such as `Mt REO`.", read=Cells.needed, filled=True),
        choice("status", "Empty, or recalled: not read in its source.", STATUSES, filled=False,
                moves=False),
        _source(),
        note(),
    ),
    optional=True,
)  # fmt: skip

DEMAND_GROWTH = TableSchema(
    "demand_growth.csv", DemandGrowth,
    "How fast uses are thought to grow: used by an outlook, never in a fit.", ("uses", "as_of"), (
        told("uses", "A use, or a pattern such as `use_*_magnets`.", read=Cells.key, filled=True),
        _as_of(meaning="Year in which this could be thought."),
        told("low", "Growth a year that it exceeds with 95 %, as a fraction.",
              read=number_or(0.0), filled=True),
        told("middle", "Growth a year that it exceeds with 50 %.", read=number_or(0.0),
              filled=True),
        told("high", "Growth a year that it exceeds with 5 %.", read=number_or(0.0),
              filled=True),
        _source(meaning="Judgement or source."),
        note(),
    ),
    optional=True,
)  # fmt: skip

PROJECTIONS = TableSchema(
    "projections.csv", Projection,
    "Published projections: set beside an outlook, never used in one.", ("projection",), (
        told("projection", "Name of the projection.", read=Cells.identifier, filled=True),
        choice("what", "What is projected.", PROJECTED, moves=False),
        told("scope", "What it counts, in words.", read=Cells.needed, filled=True),
        told("quantity", "Quantity of the study that it is about, or a sum such as `a + b`; empty "
              "if none is alike.", read=optional_key),
        told("vintage", "Year in which it was made.", read=needed_year, filled=True),
        told("year", "Year that it is about.", read=needed_year, filled=True),
        told("value", "Figure as printed.", read=Cells.number),
        told("low", "Lower end as printed.", read=Cells.number),
        told("high", "Upper end as printed.", read=Cells.number),
        told("unit", "Unit as printed, such as `t REO`.", read=Cells.needed, filled=True),
        _source(),
        note(),
    ),
    optional=True,
)  # fmt: skip

SCHEMA: Mapping[str, TableSchema] = {
    table.file: table
    for table in (
        *(PROCESSES, FLOWS, QUANTITIES, CATALOGUE, RECORDS, PRIORS, SOURCES, ESTIMATES),
        *(INDICATORS, PUBLISHED_INDICATORS),
        *(ASSAYS, MATERIALS, PUBLISHED_ELEMENTS),
        *(PARTNERS, LANES),
        *(PROJECTS, PLANNED_CASES, RESERVES, DEMAND_GROWTH, PROJECTIONS),
    )
}
"""The tables of a study by the name of their file, in the order in which they are read."""
