"""Checks of what ores and other materials hold, of the flows that hold them, and of figures on it.

The word composition is kept for printed tables of shares among the records of a study.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from reebayes.conventions import parse_terms
from reebayes.errors import Fault
from reebayes.study.checks.context import Context, place, unknown_name
from reebayes.study.checks.published import check_numbers, check_years
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import MASS_SCALES, Assay, Material
from reebayes.wording import listed, quoted, suggestion

ASSAYS, MATERIALS = "compositions.csv", "materials.csv"
PUBLISHED = "published_elements.csv"
MOST = 1.05
"""Most that the shares of one analysis may add up to; printed ones are rounded."""

LARGEST_SPREAD = 3.0


def check_assays(draft: Draft) -> Iterator[Fault]:
    """Yield the faults of published analyses."""
    sources = [entry.item.source for entry in draft.sources]
    seen: dict[tuple[str, str], Entry[Assay]] = {}
    for entry in draft.assays:
        item = entry.item
        fault = unknown_name(ASSAYS, entry, "source", sources, noun="source")
        yield from [fault] if fault else []
        yield from _check_share(ASSAYS, entry)
        yield from _check_spread(ASSAYS, entry)
        if "+" in item.element:
            message = f"{quoted(item.element)} adds elements; give each a row, or the group a name"
            yield table_fault(ASSAYS, entry, "element", item.element, message)
        first = seen.setdefault((item.analysis, item.element), entry)
        if first is not entry and not unreadable(entry, "analysis", "element"):
            message = (
                f"{item.element!r} of {item.analysis!r} is already given in "
                f"{place(first, item.element)}; write one row of each element of an analysis"
            )
            yield table_fault(ASSAYS, entry, "element", item.element, message)
    yield from _check_alike(draft.assays)
    yield from _check_sums(draft.assays)


def _check_share(table: str, entry: Entry[Any]) -> Iterator[Fault]:
    share = entry.item.share
    if unreadable(entry, "share"):
        return
    if share <= 0:
        message = f"share {share:g} is not above 0; an element that was not found has no row"
        if table == MATERIALS:
            message = f"share {share:g} is not above 0; remove the row"
        yield table_fault(table, entry, "share", share, message)
    elif share > 1:
        message = f"share {share:g} is above 1; write a fraction, such as {share / 100:g}"
        yield table_fault(table, entry, "share", share, message)


def _check_spread(table: str, entry: Entry[Any]) -> Iterator[Fault]:
    spread = entry.item.spread
    if not unreadable(entry, "spread") and not 0 <= spread <= LARGEST_SPREAD:
        message = (
            f"spread {spread:g} is not between 0 and {LARGEST_SPREAD:g}; it is the standard error "
            "of a logarithm, 0.1 for 10 %"
        )
        yield table_fault(table, entry, "spread", spread, message)


def _check_alike(entries: Sequence[Entry[Assay]]) -> Iterator[Fault]:
    """Yield rows of one analysis, deposit or material that say different things of it."""
    for name, column in (
        ("analysis", "deposit"),
        ("analysis", "source"),
        ("deposit", "material"),
        ("material", "family"),
    ):
        seen: dict[str, Entry[Assay]] = {}
        for entry in entries:
            if unreadable(entry, name, column):
                continue
            key, value = getattr(entry.item, name), getattr(entry.item, column)
            first = seen.setdefault(key, entry)
            known = getattr(first.item, column)
            if value != known:
                message = (
                    f"{name} {key!r} has {column} {known!r} in {place(first, key)}; write the "
                    f"same in all its rows, or name another {name}"
                )
                yield table_fault(ASSAYS, entry, column, value, message)


def _check_sums(entries: Sequence[Entry[Assay]]) -> Iterator[Fault]:
    """Yield analyses whose shares add up to more than a whole, or that have one share only."""
    rows: dict[str, list[Entry[Assay]]] = {}
    for entry in entries:
        rows.setdefault(entry.item.analysis, []).append(entry)
    for name, of in rows.items():
        if any(unreadable(entry, "share", "analysis") or entry.item.share > 1 for entry in of):
            continue
        total = sum(entry.item.share for entry in of)
        if total > MOST:
            message = f"the shares of {name!r} add up to {total:.3g}, which is more than a whole"
            yield table_fault(ASSAYS, of[-1], "share", of[-1].item.share, message)
        elif len(of) == 1 and total < 1:
            message = (
                f"{name!r} has one element only, and says nothing of its part of the others; "
                "give their rows, or leave it out"
            )
            yield table_fault(ASSAYS, of[0], "element", of[0].item.element, message)


def check_materials(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of the materials that flows hold."""
    sources = [entry.item.source for entry in draft.sources]
    materials = list(dict.fromkeys(entry.item.material for entry in draft.assays))
    for entry in draft.materials:
        item = entry.item
        for column, known in (("flow", context.flows), ("source", sources)):
            fault = unknown_name(MATERIALS, entry, column, known, noun=column)
            yield from [fault] if fault else []
        yield from _check_material(entry, materials)
        yield from _check_share(MATERIALS, entry)
        yield from _check_spread(MATERIALS, entry)
        yield from _check_period(entry, context)
        if item.flow in context.edges and not unreadable(entry, "flow"):
            yield from _check_ends(entry, context)
        if item.by:
            yield from _check_by(entry, context)
    yield from _check_periods_apart(draft.materials, context)


def _check_material(entry: Entry[Material], materials: Sequence[str]) -> Iterator[Fault]:
    if unreadable(entry, "material"):
        return
    if not materials:
        message = f"unknown material {quoted(entry.item.material)}; there is no {ASSAYS}"
        yield table_fault(MATERIALS, entry, "material", entry.item.material, message)
    fault = unknown_name(MATERIALS, entry, "material", materials, noun="material")
    yield from [fault] if fault else []


def _check_period(entry: Entry[Material], context: Context) -> Iterator[Fault]:
    item = entry.item
    if unreadable(entry, "year", "year_end"):
        return
    if item.year is None and item.year_end is not None:
        message = f"year_end {item.year_end} has no year before it; write the first year, too"
        yield table_fault(MATERIALS, entry, "year_end", item.year_end, message)
    elif item.year is not None and (item.year_end or item.year) < item.year:
        message = f"year_end {item.year_end} is before year {item.year}"
        yield table_fault(MATERIALS, entry, "year_end", item.year_end, message)
    elif item.year is not None and item.year not in context.years:
        span = f"{context.years[0]}-{context.years[-1]}"
        message = f"{item.year} is outside the study's years {span}"
        yield table_fault(MATERIALS, entry, "year", item.year, message)


def _check_ends(entry: Entry[Material], context: Context) -> Iterator[Fault]:
    edge = context.edges[entry.item.flow]
    kinds = context.kind(edge.source), context.kind(edge.target)
    if "" not in kinds and kinds[0] != "environment" and kinds[1] != "use":
        ends = [
            name for name, other in context.edges.items()
            if context.kind(other.source) == "environment" or context.kind(other.target) == "use"
        ]  # fmt: skip
        message = (
            f"{edge.name!r} neither leaves an environment nor enters a use; what it holds follows "
            f"from others. {suggestion(edge.name, ends)}"
        )
        yield table_fault(MATERIALS, entry, "flow", edge.name, message)


def _check_by(entry: Entry[Material], context: Context) -> Iterator[Fault]:
    fault = unknown_name(MATERIALS, entry, "by", context.flows, noun="flow")
    if fault:
        yield fault
        return
    if entry.item.by == entry.item.flow:
        message = f"{entry.item.by!r} is the flow itself; leave the cell empty"
        yield table_fault(MATERIALS, entry, "by", entry.item.by, message)


def _check_periods_apart(entries: Sequence[Entry[Material]], context: Context) -> Iterator[Fault]:
    """Yield rows that say two things of one year, and years of which nothing is said."""
    flows: dict[str, list[Entry[Material]]] = {}
    for entry in entries:
        if not unreadable(entry, "flow", "material", "by", "year", "year_end"):
            flows.setdefault(entry.item.flow, []).append(entry)
    for flow, rows in flows.items():
        for first, second in combinations(rows, 2):
            one, other = first.item, second.item
            same = (one.material, one.by, one.deposits) == (
                other.material,
                other.by,
                other.deposits,
            )
            if same and covers(one, context.years) & covers(other, context.years):
                message = (
                    f"{one.material!r} of {flow!r} is already given for these years in "
                    f"{place(first, one.material)}; write years that do not overlap"
                )
                yield table_fault(MATERIALS, second, "material", other.material, message)
        if bool([e for e in rows if e.item.by]) and not all(e.item.by for e in rows):
            odd = next(e for e in rows if not e.item.by)
            message = f"other rows of {flow!r} name a flow here, so this must, too"
            yield table_fault(MATERIALS, odd, "by", "", message)
        if flow in context.edges:
            known = set().union(*(covers(entry.item, context.years) for entry in rows))
            missing = sorted(context.edges[flow].years - known)
            if missing:
                message = f"nothing is said of {flow!r} in {missing[0]}; give a row for that year"
                yield table_fault(MATERIALS, rows[-1], "year", rows[-1].item.year, message)


def covers(item: Material, years: Sequence[int]) -> set[int]:
    """Return the years for which a row holds."""
    if item.year is None:
        return set(years)
    last = item.year if item.year_end is None else item.year_end
    return {*years} & {*range(item.year, last + 1)}


def check_published_elements(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of published figures about elements."""
    sources = [entry.item.source for entry in draft.sources]
    elements = list(dict.fromkeys(entry.item.element for entry in draft.assays))
    places = [*context.processes, *context.flows, *context.terms]
    for entry in draft.published_elements:
        fault = unknown_name(PUBLISHED, entry, "source", sources, noun="source")
        yield from [fault] if fault else []
        item = entry.item
        if not unreadable(entry, "elements"):
            for element in item.elements.split("+"):
                if element not in elements:
                    advice = suggestion(element, elements)
                    message = f"unknown element {quoted(element)}. {advice}"
                    yield table_fault(PUBLISHED, entry, "elements", item.elements, message)
        for column in ("at", "over"):
            text = getattr(item, column)
            if text and not unreadable(entry, column):
                yield from _check_place(entry, column, text, places)
        yield from _check_element_unit(entry, draft.header.content)
        yield from check_years(PUBLISHED, entry, draft.header.years)
        yield from check_numbers(PUBLISHED, entry)


def _check_place(
    entry: Entry[Any], column: str, text: str, places: Sequence[str]
) -> Iterator[Fault]:
    weights, below = parse_terms(text)
    if below or not weights:
        message = f"{quoted(text)} is no sum; write it like a + b"
        yield table_fault(PUBLISHED, entry, column, text, message)
    for name in weights:
        if name not in places:
            message = f"unknown process, flow or quantity {quoted(name)}."
            message = f"{message} {suggestion(name, places)}"
            yield table_fault(PUBLISHED, entry, column, text, message)


def _check_element_unit(entry: Entry[Any], content: str | None) -> Iterator[Fault]:
    item = entry.item
    if content is None or unreadable(entry, "unit", "over"):
        return
    valid = ["fraction"] if item.over else [f"{mass} {content}" for mass in MASS_SCALES]
    if item.unit not in valid:
        what = "a share of what is in 'over'" if item.over else "an amount"
        message = f"unit {quoted(item.unit)} does not fit {what}; write {listed(valid)}"
        yield table_fault(PUBLISHED, entry, "unit", item.unit, message)
