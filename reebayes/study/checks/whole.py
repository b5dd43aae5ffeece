"""Checks of a whole study: names given once, names that exist, and what each table asks for."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, get_type_hints

from reebayes.errors import Fault, StudyError
from reebayes.study.changes import changed, check_variants
from reebayes.study.checks.assays import check_assays, check_materials, check_published_elements
from reebayes.study.checks.compositions import check_compositions
from reebayes.study.checks.context import (
    Context,
    build_context,
    place,
    unknown_name,
    unknown_quantity,
    unknown_text,
)
from reebayes.study.checks.formulas import check_indicators, check_published_indicators
from reebayes.study.checks.graph import check_graph
from reebayes.study.checks.partners import check_partners
from reebayes.study.checks.parts import check_parts
from reebayes.study.checks.priors import check_priors
from reebayes.study.checks.prospects import check_prospects
from reebayes.study.checks.published import check_published
from reebayes.study.checks.records import check_records
from reebayes.study.checks.scenarios import check_scenarios, sound_scenarios
from reebayes.study.checks.ties import check_ties
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.extensions import placed
from reebayes.study.formulas import USGS
from reebayes.study.header.frozen import Settings
from reebayes.study.header.report import (
    asks_for_refining,
    named_places,
    named_quantities,
    named_years,
)
from reebayes.study.header.settings import TABLE
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.scenarios import Scenario, scenario_of
from reebayes.wording import quoted, suggestion

TYPES = {
    str: "text",
    int: "a whole number",
    float: "a finite number",
    int | None: "a whole number or None",
    float | None: "a finite number or None",
    tuple[str, ...]: "a tuple of texts",
}


def check_draft(draft: Draft) -> list[Fault]:
    """Return every fault of a study, those met while reading included."""
    context = build_context(draft)
    faults = _check_tables(draft, context)
    faults += _check_report(draft, context)
    faults += check_variants(draft, draft.header.variants, draft.header.variants)
    faults += check_scenarios(draft, context, draft.header.scenarios, draft.header.scenarios)
    if not (faults or draft.faults):
        faults += _check_outcomes(draft, context)
    trusted = (fault for fault in faults if (fault.table, fault.row) not in draft.broken)
    return [*draft.faults, *placed(trusted, draft.loaded)]


def _check_tables(draft: Draft, context: Context) -> list[Fault]:
    faults = list(_check_keys(draft))
    faults += check_graph(draft, context)
    faults += check_ties(draft, context)
    faults += _check_terms(draft, context)
    faults += _check_labels(draft, context)
    faults += check_records(draft, context)
    faults += check_compositions(draft, context)
    faults += check_priors(draft, context)
    faults += check_published(draft, context)
    faults += check_indicators(draft, context)
    faults += check_published_indicators(draft)
    faults += check_assays(draft)
    faults += check_materials(draft, context)
    faults += check_published_elements(draft, context)
    faults += check_partners(draft, context)
    faults += check_prospects(draft, context)
    return faults


def check_kept(draft: Draft, records: Container[str], targets: Container[str]) -> list[Fault]:
    """Return the faults of the priors of a sound study once some records have been left out.

    Parameters
    ----------
    draft : Draft
        The sound study, all its records included.
    records : container of str
        Records that stay.
    targets : container of str
        Targets of priors that go with the others.
    """
    kept = replace(
        draft,
        records=[entry for entry in draft.records if entry.item.record in records],
        priors=[entry for entry in draft.priors if entry.item.target not in targets],
    )
    return list(check_priors(kept, build_context(kept)))


def _check_outcomes(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield what would be wrong with the study that each variant makes of a sound one."""
    for name in draft.header.variants:
        after = changed(draft, draft.header.variants, name)
        for fault in _unsound(draft, after, context):
            message = f"makes a study that is not sound: {fault.table}, {fault}"
            yield Fault(TABLE, None, f"variants.{name}", fault.value, message)


def _unsound(before: Draft, after: Draft, context: Context) -> Iterator[Fault]:
    """Yield what a variant has made wrong in a sound study."""
    grown = len(after.flows) != len(before.flows)
    if grown or after.loaded != before.loaded:  # an extension may have changed anything
        yield from _check_tables(after, build_context(after))
        return
    # Else it changes priors and leaves out records; nothing else can have become unsound.
    if len(after.records) != len(before.records):
        yield from check_records(after, context)
        yield from check_compositions(after, context)
    yield from check_priors(after, context)


def checked_scenario(draft: Draft, name: str) -> Scenario:
    """Return a scenario of a sound study with what it combines.

    Raises
    ------
    StudyError
        If no scenario has that name, or what it names is not in the study.
    """
    header, context = draft.header, build_context(draft)
    if name not in header.scenarios:
        message = f"no scenario {name!r}. {suggestion(name, header.scenarios)}".strip()
        raise StudyError([Fault(TABLE, None, "scenarios", name, message)])
    wanted = (*header.scenarios[name].get("combines", ()), name)
    faults = list(check_scenarios(draft, context, header.scenarios, wanted))
    if faults:
        raise StudyError(faults)
    return scenario_of(header.scenarios, name, context.years)


def sound_header(draft: Draft) -> dict[str, Any]:
    """Return the variants and scenarios of a sound study that name only what is there."""
    header, found = draft.header, {}
    if header.variants:
        found["variants"] = sound_variants(draft)
    if header.scenarios:
        found["scenarios"] = sound_scenarios(draft, build_context(draft), header.scenarios)
    return found


def sound_variants(draft: Draft) -> dict[str, Any]:
    """Return the variants of a sound study that can be made of it; others name what is gone."""
    kept = dict(draft.header.variants)
    while True:
        held = replace(draft, header=replace(draft.header, variants=Settings(kept)))
        faults = list(check_variants(held, held.header.variants, kept))
        # what a variant makes can be looked at once all that it names is there
        faults = faults or list(_check_outcomes(held, build_context(held)))
        broken = {fault.column.split(".")[1] for fault in faults}
        if not broken:
            return kept
        kept = {name: variant for name, variant in kept.items() if name not in broken}


def check_types(draft: Draft) -> list[Fault]:
    """Return the values of the wrong type in rows that were made in Python, not read."""
    tables: dict[str, Sequence[Entry[Any]]] = {
        "records.csv": draft.records,
        "priors.csv": draft.priors,
    }
    return [
        table_fault(table, entry, column, value, f"{column} is {value!r}, not {TYPES[annotation]}")
        for table, entries in tables.items()
        for entry in entries
        for column, annotation in get_type_hints(type(entry.item)).items()
        if not _fits(value := getattr(entry.item, column), annotation)
    ]


def _fits(value: object, annotation: object) -> bool:
    if value is None:
        return annotation in (int | None, float | None)
    if annotation is str:
        return isinstance(value, str)
    if annotation == tuple[str, ...]:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return False
    if annotation in (int, int | None):
        return isinstance(value, int)
    return isinstance(value, int | float) and isfinite(value)


def _check_keys(draft: Draft) -> Iterator[Fault]:
    yield from _check_once("processes.csv", draft.processes, "process")
    yield from _check_once("flows.csv", draft.flows, "flow")
    yield from _check_once("records.csv", draft.records, "record")
    yield from _check_once("sources.csv", draft.sources, "source")
    yield from _check_once("published_estimates.csv", draft.published, "name")
    yield from _check_once("published_indicators.csv", draft.published_indicators, "name")
    yield from _check_once("catalogue.csv", draft.labels, "quantity")
    yield from _check_once("published_elements.csv", draft.published_elements, "name")


def _check_once(table: str, entries: Sequence[Entry[Any]], key: str) -> Iterator[Fault]:
    seen: dict[str, Entry[Any]] = {}
    for entry in entries:
        name = getattr(entry.item, key)
        first = seen.setdefault(name, entry)
        if first is not entry and not unreadable(entry, key):
            where = place(first, name)
            message = f"{key} {name!r} is already given in {where}; names must differ"
            yield table_fault(table, entry, key, name, message)


def _check_terms(draft: Draft, context: Context) -> Iterator[Fault]:
    table = "quantities.csv"
    seen: dict[tuple[str, str, str], Entry[Any]] = {}
    for entry in draft.terms:
        term = entry.item
        fault = unknown_name(table, entry, "flow", context.flows, noun="flow")
        if fault:
            yield fault
        if term.weight == 0 and not unreadable(entry, "weight"):
            yield table_fault(table, entry, "weight", 0.0, "weight 0 has no effect; remove the row")
        first = seen.setdefault((term.quantity, term.part, term.flow), entry)
        if first is not entry and not unreadable(entry, "quantity", "part", "flow"):
            where = place(first, term.quantity)
            message = f"flow {term.flow!r} is already a term of {term.quantity!r} in {where}"
            yield table_fault(table, entry, "flow", term.flow, message)
    for name, entries in context.terms.items():
        parts = {entry.item.part for entry in entries}
        if parts == {"den"}:
            message = f"quantity {name!r} has a denominator but no term of part 'num'"
            yield table_fault(table, entries[0], "part", "den", message)


def _check_labels(draft: Draft, context: Context) -> Iterator[Fault]:
    for entry in draft.labels:
        fault = unknown_quantity("catalogue.csv", entry, context)
        if fault:
            yield fault


def _check_groups(groups: Mapping[str, str], context: Context) -> Iterator[Fault]:
    """Yield groups of elements that no flow is of, and elements that are in two groups."""
    taken: dict[str, str] = {}
    for group, elements in groups.items():
        if context.flows and not any(flow.endswith(f"_{group}") for flow in context.flows):
            message = f"no flow has '_{group}' at its end; name a group as its flows do"
            yield Fault(TABLE, None, "report.groups", group, message)
        for element in (part.strip() for part in elements.split("+")):
            if taken.setdefault(element, group) != group:
                message = f"{element!r} is in {taken[element]!r}, too; an element has one group"
                yield Fault(TABLE, None, f"report.groups.{group}", elements, message)


def _check_report(draft: Draft, context: Context) -> Iterator[Fault]:
    report = draft.header.report
    for key, name in named_quantities(report):
        if name not in context.terms:
            yield Fault(TABLE, None, f"report.{key}", name, unknown_text(name, context))
    scenarios = draft.header.scenarios
    for name in report.get("scenarios", ()):
        if name not in scenarios:
            message = f"unknown scenario {quoted(name)}. {suggestion(name, scenarios)}".strip()
            yield Fault(TABLE, None, "report.scenarios", name, message)
    for key, year in named_years(report):
        if draft.header.years and year not in context.years:
            message = f"{year} is not a year of the study, {context.years[0]}-{context.years[-1]}"
            yield Fault(TABLE, None, f"report.{key}", str(year), message)
    products = [entry.item.product for entry in draft.flows]
    if "refined" in report and report["refined"] not in products:
        name = report["refined"]
        message = f"unknown product {quoted(name)}. {suggestion(name, dict.fromkeys(products))}"
        yield Fault(TABLE, None, "report.refined", name, message)
    yield from _check_groups(report.get("groups", {}), context)
    yield from check_parts(report.get("parts", {}), context)
    yield from _check_answers(draft, context)
    for name in report.get("exceeds", {}):
        if name in context.terms and context.is_ratio(name):
            message = f"{name!r} is a ratio, and a ratio is not added up over years; remove it"
            yield Fault(TABLE, None, "report.exceeds", name, message)
    for name, others in report.get("beside", {}).items():
        for other in others:
            both = name in context.terms and other in context.terms
            if both and context.is_ratio(name) != context.is_ratio(other):
                message = f"{other!r} and {name!r} have no common unit; one of them is a ratio"
                yield Fault(TABLE, None, f"report.beside.{name}", other, message)


def _check_answers(draft: Draft, context: Context) -> Iterator[Fault]:
    """Indicators and origins that the report asks for."""
    report = draft.header.report
    rows = [entry.item for entry in draft.indicators if not unreadable(entry, "indicator")]
    known = dict.fromkeys(row.indicator for row in rows)
    usual = {row.indicator for row in rows if row.convention in ("", USGS)}
    for name in report.get("indicators", ()):
        if name not in known:
            message = f"unknown indicator {quoted(name)}. {suggestion(name, known)}".strip()
            yield Fault(TABLE, None, "report.indicators", name, message)
        elif name not in usual:
            message = f"{name!r} is not given for the convention {USGS!r}; a report uses that one"
            yield Fault(TABLE, None, "report.indicators", name, message)
    for key, name in named_places(report):
        message = _untraceable(name, context)
        if message:
            yield Fault(TABLE, None, f"report.{key}", name, message)
    if asks_for_refining(report) and "refined" not in report:
        message = "origins by 'refined_in' need the product whose making is refining; write refined"
        yield Fault(TABLE, None, "report.refined", "", message)


def _untraceable(place_: str, context: Context) -> str:
    """Say why content at a place has no origins; empty if it has."""
    if place_ in context.flows:
        return ""
    if place_ in context.processes:
        enters = not context.linked or context.inflows(place_)
        return "" if enters else f"nothing enters {place_!r}"
    if place_ not in context.terms:
        names = [*context.processes, *context.flows, *context.terms]
        near = suggestion(place_, names)
        return f"unknown process, flow or quantity {quoted(place_)}. {near}".strip()
    subtracts = any(entry.item.weight < 0 for entry in context.terms[place_])
    if subtracts or context.is_ratio(place_):
        return f"{place_!r} is a ratio or subtracts flows, and has no origins as a whole"
    return ""
