"""Checks of the parts of quantities: that they add up to the whole, whatever the flows are."""

from collections import deque
from collections.abc import Iterator, Mapping
from math import fsum

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, listing
from reebayes.study.checks.graph import PASSING_KINDS
from reebayes.study.drafts import unreadable
from reebayes.study.header.settings import TABLE

_CLOSE = 1e-9
"""Weights that differ by no more are the same."""


def check_parts(parts: Mapping[str, tuple[str, ...]], context: Context) -> Iterator[Fault]:
    """Yield the faults of quantities that are to be shown in parts.

    Parameters
    ----------
    parts : mapping of quantity to quantities
        As ``[report.parts]`` has them; names that are no quantities are told elsewhere.
    context : Context
    """
    for whole, names in parts.items():
        column = f"report.parts.{whole}"
        known = [name for name in (whole, *names) if name in context.terms]
        ratios = [name for name in known if context.is_ratio(name)]
        for name in ratios:
            message = f"{name!r} is a ratio, and parts of ratios do not add up; remove it"
            yield Fault(TABLE, None, column, name, message)
        if whole in names:
            message = f"{whole!r} cannot be a part of itself; remove it"
            yield Fault(TABLE, None, column, whole, message)
        elif len(known) == 1 + len(names) and not ratios and _is_readable(known, context):
            lacking = _difference(whole, names, context)
            if not _vanishes(lacking, context):
                yield Fault(TABLE, None, column, ", ".join(names), _message(whole, lacking))


def _message(whole: str, lacking: Mapping[str, float]) -> str:
    terms = [f"{'+' if weight > 0 else '-'}{abs(weight):g} {flow}"
             for flow, weight in lacking.items()]  # fmt: skip
    return (
        f"the parts do not add up to {whole!r}: they differ from it by {listing(terms)}, and no "
        "balance of a market or conversion makes that zero; name parts that add up"
    )


def _is_readable(names: list[str], context: Context) -> bool:
    """Whether all terms of quantities, and the ends of all flows, are known."""
    terms = [entry for name in names for entry in context.terms[name]]
    return (
        context.linked
        and len(context.edges) == len(set(context.flows))
        and not any(unreadable(entry, "weight", "flow", "part") for entry in terms)
        and all(entry.item.flow in context.edges for entry in terms)
    )


def _difference(whole: str, parts: tuple[str, ...], context: Context) -> dict[str, float]:
    """Weights by flow of the sum of the parts less the whole, where they are not zero."""
    found: dict[str, list[float]] = {}
    for name in (whole, *parts):
        for entry in context.terms[name]:
            weight = -entry.item.weight if name == whole else entry.item.weight
            found.setdefault(entry.item.flow, []).append(weight)
    sums = {flow: fsum(weights) for flow, weights in found.items()}
    return {flow: weight for flow, weight in sums.items() if abs(weight) > _CLOSE}


def _vanishes(weights: Mapping[str, float], context: Context) -> bool:
    """Return whether a sum of flows is zero wherever markets and conversions balance.

    It is, if it is a sum of balances: if every process has a number, 0 where flows begin or end,
    so that the weight of each flow is the number of its target less that of its source.
    """
    links: dict[str, list[tuple[str, float]]] = {name: [] for name in context.processes}
    for name, edge in context.edges.items():
        weight = weights.get(name, 0.0)
        links[edge.source].append((edge.target, weight))
        links[edge.target].append((edge.source, -weight))
    numbers = {name: 0.0 for name in links if context.kind(name) not in PASSING_KINDS}
    # a market that nothing joins to an end may have any number
    for root in (*numbers, *links):
        numbers.setdefault(root, 0.0)
        waiting = deque([root])
        while waiting:
            here = waiting.popleft()
            for there, weight in links[here]:
                if there not in numbers:
                    numbers[there] = numbers[here] + weight
                    waiting.append(there)
    return all(
        abs(numbers[edge.target] - numbers[edge.source] - weights.get(name, 0.0)) <= _CLOSE
        for name, edge in context.edges.items()
    )
