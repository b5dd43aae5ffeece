"""Checks of what is to come: projects, cases, reserves, growth of demand, published projections."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from reebayes.conventions import parse_terms
from reebayes.errors import Fault
from reebayes.study.checks.context import Context, place, unknown_name, unknown_text
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.prospects import COMING, OPERATING
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import MASS_SCALES
from reebayes.study.schema import (
    DEMAND_GROWTH,
    PLANNED_CASES,
    PROJECTIONS,
    PROJECTS,
    RESERVES,
)
from reebayes.wording import quoted, suggestion

MOST_GROWTH = 1.0
"""A growth a year beyond is a slip: a percentage, or a factor."""


def check_prospects(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of the tables of what is to come."""
    yield from _check_sources(draft)
    yield from _check_projects(draft, context)
    yield from _check_cases(draft)
    yield from _check_reserves(draft)
    yield from _check_growth(draft, context)
    yield from _check_projections(draft, context)


def _fault(table: str, entry: Entry[Any], column: str, message: str) -> Fault:
    return table_fault(table, entry, column, getattr(entry.item, column), message)


def _check_sources(draft: Draft) -> Iterator[Fault]:
    sources = [entry.item.source for entry in draft.sources]
    for schema in (PROJECTS, PLANNED_CASES, RESERVES, DEMAND_GROWTH, PROJECTIONS):
        columns = [name for name in ("source", "outcome_source") if schema.column(name)]
        for entry in draft.rows(schema.file):
            for column in columns:
                fault = unknown_name(schema.file, entry, column, sources, noun="source")
                yield from [fault] if fault else []
        yield from _check_once(schema.file, draft.rows(schema.file), schema.key)


def _check_once(table: str, entries: Sequence[Entry[Any]], key: Sequence[str]) -> Iterator[Fault]:
    seen: dict[tuple[Any, ...], Entry[Any]] = {}
    for entry in entries:
        values = tuple(getattr(entry.item, column) for column in key)
        first = seen.setdefault(values, entry)
        if first is not entry and not unreadable(entry, *key):
            what = " of ".join(map(str, reversed(values)))
            message = (
                f"{what} is already given in {place(first, str(values[0]))}; leave one of the two"
            )
            yield _fault(table, entry, key[0], message)


def _check_unit(
    table: str, entry: Entry[Any], column: str, content: str | None, *, yearly: bool
) -> Iterator[Fault]:
    """Yield what is wrong with the unit of a mass, or of a mass a year."""
    if content is None or unreadable(entry, column):
        return
    valid = [f"{mass} {content}{'/yr' if yearly else ''}" for mass in MASS_SCALES]
    given = getattr(entry.item, column)
    if given not in valid:
        message = f"unit {quoted(given)} does not fit; write one of: {', '.join(valid)}"
        yield _fault(table, entry, column, message)


def _check_positive(table: str, entry: Entry[Any], *columns: str) -> Iterator[Fault]:
    for column in columns:
        number = getattr(entry.item, column)
        if number is not None and number <= 0 and not unreadable(entry, column):
            message = f"{column} {number:g} is not above 0; leave it empty if it is not known"
            yield _fault(table, entry, column, message)


def _check_projects(draft: Draft, context: Context) -> Iterator[Fault]:
    table = PROJECTS.file
    regions = [entry.item.region for entry in draft.processes if entry.item.region]
    mines = _mined(draft)
    for entry in draft.projects:
        item = entry.item
        fault = unknown_name(table, entry, "region", regions, noun="region")
        yield from [fault] if fault else []
        if item.flow:
            fault = unknown_name(table, entry, "flow", context.flows, noun="flow")
            yield from [fault] if fault else []
            if fault is None and item.flow not in mines:
                message = (
                    f"{item.flow!r} is not what a mine yields, a flow with a lognormal prior. "
                    f"{suggestion(item.flow, mines)}"
                )
                yield _fault(table, entry, "flow", message)
        yield from _check_positive(table, entry, "capacity", "resource")
        if item.capacity is not None:
            yield from _check_unit(table, entry, "unit", draft.header.content, yearly=True)
        for column, most in (("latitude", 90.0), ("longitude", 180.0)):
            degrees = getattr(item, column)
            if degrees is not None and abs(degrees) > most and not unreadable(entry, column):
                message = f"{degrees:g} degrees is beyond {most:g}; write decimal degrees"
                yield _fault(table, entry, column, message)
        if (item.latitude is None) != (item.longitude is None):
            column = "latitude" if item.latitude is None else "longitude"
            if not unreadable(entry, "latitude", "longitude"):
                message = "a place needs latitude and longitude; give both or neither"
                yield _fault(table, entry, column, message)
        known = not unreadable(entry, "status", "start", "as_of") and item.start is not None
        if known and item.status == OPERATING and (item.start or 0) > item.as_of:
            message = (
                f"it operates in {item.as_of} and starts in {item.start}; one of the two is wrong"
            )
            yield _fault(table, entry, "start", message)


def _mined(draft: Draft) -> list[str]:
    """Flows that set how much enters the system: those with a lognormal prior."""
    flows = {entry.item.flow for entry in draft.flows}
    found = [entry.item.target for entry in draft.priors
             if entry.item.distribution == "lognormal" and entry.item.target in flows]  # fmt: skip
    return list(dict.fromkeys(found))


def _check_cases(draft: Draft) -> Iterator[Fault]:
    table = PLANNED_CASES.file
    for entry in draft.planned_cases:
        item = entry.item
        yield from _check_positive(table, entry, "planned")
        if unreadable(entry, "as_of", "planned_start", "started", "observed", "reached_year"):
            continue
        if item.status not in COMING and not unreadable(entry, "status"):
            message = f"a plan is of a project that is {' or '.join(COMING)}, not {item.status!r}"
            yield _fault(table, entry, "status", message)
        if item.observed < item.as_of:
            message = f"observed {item.observed} is before the plan of {item.as_of}"
            yield _fault(table, entry, "observed", message)
        if item.started is not None and not item.as_of <= item.started <= item.observed:
            message = f"started {item.started} is not from the plan {item.as_of} to what was "
            yield _fault(table, entry, "started", f"{message}last observed, {item.observed}")
        if (item.reached is None) != (item.reached_year is None):
            column = "reached" if item.reached is None else "reached_year"
            message = "what was reached needs its year; give both or neither"
            yield _fault(table, entry, column, message)
        if item.reached is not None and item.reached < 0:
            yield _fault(table, entry, "reached", f"reached {item.reached:g} is below 0")
        if item.reached and item.started is None:
            message = "it yielded something and never started; give the year in which it started"
            yield _fault(table, entry, "started", message)
        if item.planned is not None or item.reached is not None:
            yield from _check_unit(table, entry, "unit", draft.header.content, yearly=True)


def _check_reserves(draft: Draft) -> Iterator[Fault]:
    table = RESERVES.file
    for entry in draft.reserves:
        yield from _check_positive(table, entry, "value")
        yield from _check_unit(table, entry, "unit", draft.header.content, yearly=False)


def _check_growth(draft: Draft, context: Context) -> Iterator[Fault]:
    table = DEMAND_GROWTH.file
    uses = [entry.item.process for entry in draft.processes if entry.item.kind == "use"]
    for entry in draft.demand_growth:
        item = entry.item
        if not unreadable(entry, "uses") and not any(fnmatchcase(u, item.uses) for u in uses):
            message = f"no use is called {quoted(item.uses)}. {suggestion(item.uses, uses)}"
            yield _fault(table, entry, "uses", message)
        if unreadable(entry, "low", "middle", "high"):
            continue
        if not item.low <= item.middle <= item.high or (item.low == item.high != item.middle):
            message = f"low, middle and high must rise, got {item.low:g}, {item.middle:g}, "
            yield _fault(table, entry, "low", f"{message}{item.high:g}")
        for column in ("low", "middle", "high"):
            rate = getattr(item, column)
            if not -MOST_GROWTH < rate < MOST_GROWTH:
                message = f"{rate:g} a year; write a fraction, such as 0.05 for 5 % a year"
                yield _fault(table, entry, column, message)


def _check_projections(draft: Draft, context: Context) -> Iterator[Fault]:
    table = PROJECTIONS.file
    for entry in draft.projections:
        item = entry.item
        for name in parse_terms(item.quantity)[0]:
            if name not in context.terms:
                yield _fault(table, entry, "quantity", unknown_text(name, context))
            elif context.is_ratio(name):
                message = f"{name!r} is a ratio; projections are of masses"
                yield _fault(table, entry, "quantity", message)
        yield from _check_positive(table, entry, "value", "low", "high")
        yield from _check_unit(table, entry, "unit", draft.header.content, yearly=False)
        if unreadable(entry, "value", "low", "high"):
            continue
        stated = [item.value is not None, item.low is not None, item.high is not None]
        if stated not in ([True, False, False], [False, True, True]):
            message = "give a value, or low and high"
            yield _fault(table, entry, "value", message)
        elif item.low is not None and item.high is not None and item.low >= item.high:
            yield _fault(table, entry, "low", f"low {item.low:g} is not below high {item.high:g}")
