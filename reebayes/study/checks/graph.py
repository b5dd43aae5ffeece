"""Checks of the system of processes and flows: everything that enters must be able to leave."""

from collections.abc import Iterable, Iterator, Mapping

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, Edge, listing, unknown_name
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.reading.cells import table_fault
from reebayes.wording import spans_text, years_text

PASSING_KINDS = ("market", "conversion")
END_KINDS = ("use", "loss")

type Links = Mapping[str, set[str]]


def check_graph(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of processes and flows."""
    yield from _check_spelling(draft)
    yield from _check_ends(draft, context)
    yield from _check_periods(draft)
    if not context.linked:
        return
    yield from _check_orphans(draft, context)
    yield from _check_passage(context)
    yield from _check_circles(context)


def _check_spelling(draft: Draft) -> Iterator[Fault]:
    """Yield regions written in two ways, which would be two regions and trade with one another."""
    seen: dict[str, str] = {}
    for entry in draft.processes:
        region = entry.item.region
        first = seen.setdefault(region.casefold(), region)
        if region != first:
            message = f"region {region!r} is written {first!r} before; write one of the two"
            yield table_fault("processes.csv", entry, "region", region, message)


def _check_ends(draft: Draft, context: Context) -> Iterator[Fault]:
    for entry in draft.flows:
        flow = entry.item
        for column in ("source", "target"):
            names = context.processes
            fault = unknown_name("flows.csv", entry, column, names, noun="process")
            if fault:
                yield fault
        if flow.source == flow.target and not unreadable(entry, "source", "target"):
            message = f"flow leaves and enters the same process {flow.source!r}"
            yield table_fault("flows.csv", entry, "target", flow.target, message)
        if flow.source in context.processes and context.kind(flow.source) in END_KINDS:
            kind = context.kind(flow.source)
            message = (
                f"flow leaves {flow.source!r}, of kind {kind}, where every flow ends; "
                "make it a market or conversion, or let the flow leave another process"
            )
            yield table_fault("flows.csv", entry, "source", flow.source, message)


def _check_periods(draft: Draft) -> Iterator[Fault]:
    if draft.header.years is None:
        return
    first, last = draft.header.years
    for entry in draft.flows:
        active = entry.item.active
        if active and (active[0][0] < first or active[-1][1] > last):
            text = spans_text(active)
            message = f"flow is active in {text}, outside the study's years {first}-{last}"
            yield table_fault("flows.csv", entry, "active", text, message)


def _check_orphans(draft: Draft, context: Context) -> Iterator[Fault]:
    touched = {end for edge in context.edges.values() for end in (edge.source, edge.target)}
    touched |= {end for entry in draft.flows for end in (entry.item.source, entry.item.target)}
    if not draft.flows:
        return
    for name, entry in context.processes.items():
        if name not in touched and not unreadable(entry, "process"):
            message = f"no flow enters or leaves process {name!r}; remove it or give it a flow"
            yield table_fault("processes.csv", entry, "process", name, message)


def _check_passage(context: Context) -> Iterator[Fault]:
    """Yield markets and conversions that something enters and nothing leaves, or the reverse."""
    for name, entry in context.processes.items():
        kind = context.kind(name)
        if kind not in PASSING_KINDS:
            continue
        inflows, outflows = context.inflows(name), context.outflows(name)
        entered, left = _years(inflows), _years(outflows)
        if entered - left:
            flows = listing([edge.name for edge in inflows if edge.years - left])
            message = (
                f"{kind} {name!r} has no way out ({years_text(entered - left)}): {flows} active "
                "and no flow that leaves; add one or extend its active years"
            )
            yield table_fault("processes.csv", entry, "process", name, message)
        if left - entered:
            flows = listing([edge.name for edge in outflows if edge.years - entered])
            message = (
                f"{kind} {name!r} has no way in ({years_text(left - entered)}): {flows} active "
                "and no flow that enters; add one or shorten their active years"
            )
            yield table_fault("processes.csv", entry, "process", name, message)


def _check_circles(context: Context) -> Iterator[Fault]:
    """Yield sets of processes that can never be left, or never be entered."""
    trapped: dict[frozenset[str], set[int]] = {}
    unfed: dict[frozenset[str], set[int]] = {}
    for year in context.years:
        ahead: dict[str, set[str]] = {name: set() for name in context.processes}
        back: dict[str, set[str]] = {name: set() for name in context.processes}
        for edge in context.edges.values():
            if year in edge.years:
                ahead[edge.source].add(edge.target)
                back[edge.target].add(edge.source)
        passing = {name for name in context.processes if context.kind(name) in PASSING_KINDS}
        # A process with no flow on one side is a fault of its own, reported for itself.
        exits = {name for name in context.processes if name not in passing or not ahead[name]}
        entries = {name for name in context.processes if name not in passing or not back[name]}
        for circle in _closed_sets(ahead, back, exits):
            trapped.setdefault(circle, set()).add(year)
        for circle in _closed_sets(back, ahead, entries):
            unfed.setdefault(circle, set()).add(year)
    advice = "with no exit", "add a flow from one of them to a use, loss or environment process"
    yield from (_circle_fault(context, *item, *advice) for item in trapped.items())
    advice = "that nothing feeds", "add a flow into one of them or close them in those years"
    yield from (_circle_fault(context, *item, *advice) for item in unfed.items())


def _closed_sets(ahead: Links, back: Links, exits: set[str]) -> set[frozenset[str]]:
    """Return the smallest sets of processes from which no exit can be reached."""
    lost = set(ahead) - _reached(exits, back)
    reach = {name: _reached(ahead[name], ahead) for name in lost}
    return {
        frozenset(found)
        for name, found in reach.items()
        if all(reach[other] == found for other in found)
    }


def _reached(start: Iterable[str], links: Links) -> set[str]:
    found = set(start)
    queue = list(found)
    while queue:
        new = links[queue.pop()] - found
        found |= new
        queue += new
    return found


def _circle_fault(
    context: Context, circle: frozenset[str], years: set[int], what: str, advice: str
) -> Fault:
    inner = [
        e for e in context.edges.values() if {e.source, e.target} <= circle and e.years & years
    ]
    names = listing(sorted(circle), show=12)
    message = f"processes {names} form a cycle {what} in {years_text(years)}; {advice}"
    return table_fault("flows.csv", inner[0].entry, "target", inner[0].target, message)


def _years(edges: Iterable[Edge]) -> set[int]:
    return {year for edge in edges for year in edge.years}
