"""Checks of scenarios: what they name must be there, and what changes must go somewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, Edge, listing
from reebayes.study.drafts import Draft
from reebayes.study.header.scenarios import (
    ABSORBERS,
    ADD,
    CAPACITY,
    DEMAND,
    FLOW,
    LOST,
    OTHERS,
    PROCESS,
    QUANTITY,
    ROUTE,
    SCALE,
    SET,
    STAYS,
)
from reebayes.study.header.settings import TABLE
from reebayes.study.scenarios import (
    Change,
    Scenario,
    flows_meant,
    names_meant,
    scenario_of,
    sources_of,
    years_of,
)
from reebayes.wording import quoted, suggestion, years_text

type Found = Iterator[tuple[str, str, str]]
"""Key below the scenario, value and message of each fault."""


def check_scenarios(
    draft: Draft, context: Context, scenarios: Mapping[str, Any], wanted: Iterable[str]
) -> Iterator[Fault]:
    """Yield what is wrong with the wanted scenarios of a study."""
    for name in wanted:
        for key, value, message in _faults(draft, context, scenarios, name):
            yield Fault(TABLE, None, f"scenarios.{name}.{key}", value, message)


def sound_scenarios(draft: Draft, context: Context, scenarios: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scenarios that name only what is there."""
    kept = dict(scenarios)
    while True:
        faults = check_scenarios(draft, context, kept, kept)
        broken = {fault.column.split(".")[1] for fault in faults}
        if not broken:
            return kept
        kept = {name: table for name, table in kept.items() if name not in broken}


def _faults(draft: Draft, context: Context, scenarios: Mapping[str, Any], name: str) -> Found:
    table = scenarios[name]
    found = list(_table_faults(draft, context, scenarios, table))
    yield from found
    if any(key == "combines" for key, _, _ in found):
        return
    scenario = scenario_of(scenarios, name, context.years)
    yield from _closure_faults(scenario, table)
    looked_at = _Looked(context, scenario.closure)
    own = f"{name}.changes."
    for change in scenario.changes:
        if change.place.startswith(own):
            key = change.place.removeprefix(f"{name}.")
            faults = looked_at.faults(change, scenario.years)
            yield from ((f"{key}.{at}".rstrip("."), value, told) for at, value, told in faults)
    yield from _twice(looked_at, scenario, name)


def _table_faults(
    draft: Draft, context: Context, scenarios: Mapping[str, Any], table: Mapping[str, Any]
) -> Found:
    """Faults of the keys beside the changes."""
    for other in table.get("combines", ()):
        if other not in scenarios:
            yield (
                "combines",
                other,
                f"unknown scenario {quoted(other)}. " + suggestion(other, scenarios),
            )
        elif "combines" in scenarios[other]:
            yield "combines", other, f"{other!r} combines others itself; name those"
    known = [entry.item.source for entry in draft.sources]
    for source in sources_of(table):
        if source not in known:
            yield "source", source, f"unknown source {quoted(source)}. {suggestion(source, known)}"
    outside = set(years_of(table.get("years"), context.years)) - {*context.years}
    if outside:
        span = f"{context.years[0]}-{context.years[-1]}"
        message = f"{years_text(outside)} is outside the years of the study, {span}"
        yield "years", str(table["years"]), message


def _closure_faults(scenario: Scenario, table: Mapping[str, Any]) -> Found:
    if not scenario.closure:
        yield "closure", "", "the scenarios that it combines close differently; write which holds"
    if scenario.closure == CAPACITY and scenario.capacity is None:
        message = "key 'capacity' is missing: the multiple of what it passed that a plant can pass"
        yield "capacity", "", message
    if scenario.closure != CAPACITY and "capacity" in table:
        message = f"closure {scenario.closure!r} has no capacity; write closure 'capacity'"
        yield "capacity", str(table["capacity"]), message
    if scenario.capacity is not None and scenario.capacity.low < 0:
        yield "capacity", f"{scenario.capacity.low:g}", "a capacity is not below 0"


class _Looked:
    """The system as the checks of changes ask for it."""

    def __init__(self, context: Context, closure: str) -> None:
        self.context, self.backwards = context, closure == DEMAND
        self.routes = {name: context.route(edge) for name, edge in context.edges.items()}
        self.terms = {
            name: [entry.item.flow for entry in entries] for name, entries in context.terms.items()
        }

    def flows(self, change: Change) -> list[Edge]:
        """Flows that a change is about."""
        names = flows_meant(change, self.routes, self.terms)
        return [self.context.edges[name] for name in names if name in self.context.edges]

    def driver(self, edge: Edge) -> str:
        """Process that hands the flow out: its source, or its target where demand drives."""
        return edge.target if self.backwards else edge.source

    def is_given(self, edge: Edge) -> bool:
        """Whether the flow begins the system: an inflow, or a use where demand drives."""
        if self.backwards:
            return self.context.kind(edge.target) in ("use", "environment")
        return self.context.kind(edge.source) == "environment"

    def is_mined(self, edge: Edge) -> bool:
        """Whether the flow follows from one that begins the system, as what a mine yields."""
        if self.backwards or self.context.kind(edge.source) != "conversion":
            return False
        return all(map(self.is_given, self.context.inflows(edge.source)))

    def faults(self, change: Change, years: Sequence[int]) -> Found:
        """Yield what is wrong with one change."""
        unknown = list(self._unknown(change))
        yield from unknown
        yield from self._years_faults(change, years)
        low = change.size.low
        if change.way != ADD and low < 0:
            yield (
                change.way,
                f"{low:g}",
                f"{change.way} {low:g} is below 0; nothing flows backwards",
            )
        if unknown:
            return
        if change.kind == PROCESS:
            if change.absorbed_by not in ("", STAYS):
                message = "what a process cannot pass stays before it; leave absorbed_by out"
                yield "absorbed_by", change.absorbed_by, message
            return
        yield from self._absorber_faults(change)

    def _unknown(self, change: Change) -> Found:
        name, context = change.name, self.context
        known: Mapping[str, Iterable[str]] = {
            FLOW: context.edges,
            ROUTE: context.routes,
            PROCESS: context.processes,
            QUANTITY: context.terms,
        }
        if not names_meant(name, known[change.kind]):
            noun = change.kind
            yield noun, name, f"unknown {noun} {quoted(name)}. {suggestion(name, known[noun])}"
        elif change.kind == PROCESS:
            for process in names_meant(name, context.processes):
                ends = ("environment", "loss", *(("use",) if self.backwards else ()))
                if context.kind(process) in ends:
                    message = f"{process!r} is of kind {context.kind(process)}; change its flows"
                    yield PROCESS, name, message
        elif change.kind == QUANTITY:
            weights = {entry.item.weight for entry in context.terms[name]}
            if context.is_ratio(name) or weights != {1.0}:
                message = f"{name!r} is no plain sum of flows; change its flows instead"
                yield QUANTITY, name, message

    def _years_faults(self, change: Change, years: Sequence[int]) -> Found:
        outside = {*change.years} - {*years}
        if outside:
            span = years_text(years)
            message = f"{years_text(outside)} is outside the years of the scenario, {span}"
            yield "years", years_text(change.years), message
        if change.kind == FLOW and change.name in self.context.edges:
            active = self.context.edges[change.name].years
            meant = {*change.years} & {*years}
            lacking = meant - active
            grows = change.way in (SET, ADD) and change.size.high > 0
            if lacking and (grows or lacking == meant):
                message = (
                    f"{change.name!r} cannot exist in {years_text(lacking)}; it is active in "
                    f"{years_text(active)}"
                )
                yield "years", years_text(change.years), message

    def _absorber_faults(self, change: Change) -> Found:
        absorber, edges = change.absorbed_by, self.flows(change)
        losses = [edge.name for edge in edges if self.context.kind(edge.target) == "loss"]
        if self.backwards and losses:
            message = f"{listing(losses)} follows from what passes; write closure 'supply'"
            yield change.kind, change.name, message
            return
        if absorber not in ABSORBERS and absorber not in self.context.edges:
            choices = [*ABSORBERS, *self.context.edges]
            message = f"unknown flow {quoted(absorber)}. {suggestion(absorber, choices)}"
            yield "absorbed_by", absorber, message
            return
        given = [edge.name for edge in edges if self.is_given(edge)]
        if given and absorber != STAYS:
            message = f"nothing else takes the place of {listing(given)}; write 'stays'"
            yield "absorbed_by", absorber, message
        if absorber not in ABSORBERS:
            yield from self._named_faults(edges, self.context.edges[absorber])
        if absorber in (STAYS, LOST) and change.way in (SCALE, ADD):
            bound = 1.0 if change.way == SCALE else 0.0
            growing = [e.name for e in edges if not self.is_given(e) and not self.is_mined(e)]
            if change.size.high > bound and growing:
                message = (
                    f"{listing(growing)} would grow out of nothing; write {OTHERS!r} or the flow "
                    "that gives way"
                )
                yield "absorbed_by", absorber, message

    def _named_faults(self, edges: Sequence[Edge], absorber: Edge) -> Found:
        verb = "enter" if self.backwards else "leave"
        for edge in edges:
            if absorber.name == edge.name:
                yield "absorbed_by", absorber.name, "a flow cannot absorb its own change"
            elif self.driver(edge) != self.driver(absorber):
                message = (
                    f"{absorber.name!r} does not {verb} {self.driver(edge)!r} as {edge.name!r} does"
                )
                yield "absorbed_by", absorber.name, message


def _twice(looked_at: _Looked, scenario: Scenario, name: str) -> Found:
    """Yield flows that change twice in a year, or that absorb and change."""
    changed: dict[str, Change] = {}
    for change in scenario.changes:
        key = change.place.removeprefix(f"{name}.")
        key = key if key.startswith("changes.") else "combines"
        for edge in looked_at.flows(change):
            first = changed.setdefault(edge.name, change)
            if first is not change and {*first.years} & {*change.years}:
                message = f"flow {edge.name!r} changes in {first.place} already"
                yield key, change.name, message
    for change in scenario.changes:
        other = changed.get(change.absorbed_by)
        if other is not None and other is not change and {*other.years} & {*change.years}:
            key = change.place.removeprefix(f"{name}.")
            key = f"{key}.absorbed_by" if key.startswith("changes.") else "combines"
            message = f"flow {change.absorbed_by!r} changes itself in {other.place}"
            yield key, change.absorbed_by, message
