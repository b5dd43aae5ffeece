"""Checks of ties: a flow that has the transfer coefficient of another.

What moves as one mixture splits alike, whatever it is made of: each part of it flows in a layer of
its own, and all layers have one set of shares. A process is tied as a whole: each of its outflows
to another outflow of one process. Where parts go apart by a measure, a tied flow has a prior of its
own: by how much its log ratio differs from that of the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, Edge, listing, unknown_name
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import Prior
from reebayes.wording import quoted, years_text

TABLE = "flows.csv"


def check_ties(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of flows that are tied to others."""
    believed = {entry.item.target: entry for entry in draft.priors}
    for entry in draft.flows:
        if not entry.item.tied or unreadable(entry, "tied"):
            continue
        fault = unknown_name(TABLE, entry, "tied", context.flows, noun="flow")
        if fault:
            yield fault
            continue
        name, tied = entry.item.flow, entry.item.tied
        if name in believed and not (tied in believed and _is_share(believed[tied])):
            message = (
                f"{name!r} is tied to {tied!r}, which has no share prior; remove this one, too"
            )
            yield table_fault("priors.csv", believed[name], "target", name, message)
        if name in context.edges and tied in context.edges:
            yield from _check_tie(context.edges[name], context.edges[tied], context)
    for process in context.processes:
        yield from _check_process(process, context)


def _is_share(entry: Entry[Prior]) -> bool:
    return unreadable(entry, "distribution") or entry.item.distribution == "share"


def _fault(edge: Edge, message: str) -> Fault:
    return table_fault(TABLE, edge.entry, "tied", edge.entry.item.tied, message)


def _check_tie(edge: Edge, other: Edge, context: Context) -> Iterator[Fault]:
    """Yield the faults of one tie."""
    if other.entry.item.tied:
        message = f"{other.name!r} is tied itself; write {other.entry.item.tied!r}, as it has it"
        yield _fault(edge, message)
        return
    if edge.source == other.source:
        yield _fault(
            edge, f"both leave {edge.source!r}; a flow is tied to one that leaves another process"
        )
        return
    kinds = context.kind(edge.source), context.kind(other.source)
    if "environment" in kinds:
        which = edge.name if kinds[0] == "environment" else other.name
        yield _fault(edge, f"{which!r} leaves an environment and is no share of anything")
    elif "" not in kinds and kinds[0] != kinds[1]:
        yield _fault(edge, f"it leaves a {kinds[0]}, and {other.name!r} a {kinds[1]}")
    if edge.years != other.years:
        apart = sorted(edge.years ^ other.years)
        yield _fault(
            edge,
            f"one of it and {other.name!r} can exist in {years_text(apart)} and the other cannot; "
            "give both the same years",
        )
    if context.route(edge) != context.route(other):
        yield _fault(
            edge,
            f"it and {other.name!r} take different trade routes ({context.route(edge) or 'none'} "
            f"and {context.route(other) or 'none'}); layers lie in the same regions",
        )


def _check_process(process: str, context: Context) -> Iterator[Fault]:
    """Yield what is wrong with a process of which some outflow is tied."""
    outflows = context.outflows(process)
    tied = [edge for edge in outflows if edge.entry.item.tied in context.edges]
    if not tied or any(unreadable(edge.entry, "tied") for edge in outflows):
        return
    free = [edge.name for edge in outflows if not edge.entry.item.tied]
    if free:
        message = (
            f"other flows leave {process!r} that are not tied ({listing(free)}); tie all of them "
            "or none"
        )
        yield _fault(tied[0], message)
        return
    others = {context.edges[edge.entry.item.tied].source for edge in tied}
    if len(others) > 1:
        message = (
            f"flows out of {process!r} are tied to flows out of {listing(sorted(others))}; their "
            "shares add up to 1 only if they are of one process"
        )
        yield _fault(tied[-1], message)
        return
    meant = [edge.entry.item.tied for edge in tied]
    twice = [edge for n, edge in enumerate(tied) if edge.entry.item.tied in meant[:n]]
    if twice:
        message = f"another flow out of {process!r} is tied to {quoted(twice[0].entry.item.tied)}"
        yield _fault(twice[0], f"{message}, too; tie each to a flow of its own")
        return
    left = [edge.name for edge in context.outflows(*others) if edge.name not in meant]
    if left:
        yield _fault(
            tied[0],
            f"no flow out of {process!r} is tied to {listing(left)}, which leave {min(others)!r}, "
            "too; their shares would be missing here",
        )
