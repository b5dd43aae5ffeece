"""What the priors of a study say of its quantities before any record: a few draws of all flows.

Only the spread of each year counts here, so that a series has one deviation for all years, and
flows are passed on until they settle instead of being solved for. The model and the simulation,
which lie above, do it in full.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from reebayes.study.checks.context import Context
from reebayes.study.drafts import Draft
from reebayes.study.rows import Prior
from reebayes.study.targets import ROUTE, Target
from reebayes.study.transitions import values as values_by_year

type Array = NDArray[np.float64]
type Rows = Mapping[str, Sequence[Prior]]

DRAWS, SEED = 32, 0
PASSES, SETTLED = 200, 1e-6
"""How often flows are passed on at most, and the relative change at which they have settled."""


@dataclass(frozen=True, slots=True, eq=False)
class PriorFlows:
    """Quantities that follow from flows drawn from the priors.

    Parameters
    ----------
    context : Context
    amounts : mapping of quantity to array (draw, year), study unit or ratio
        NaN where a denominator is 0.
    centres, spreads : mapping of quantity to array (year)
        Median and standard deviation of its log; NaN where it is not positive in every draw.
    """

    context: Context
    amounts: Mapping[str, Array]
    centres: Mapping[str, Array]
    spreads: Mapping[str, Array]

    def expected(
        self, quantity: str, first: int, last: int, *, total: bool = False
    ) -> tuple[float, float] | None:
        """Return median and standard deviation of the log of a quantity over some years.

        None if it is not positive in every draw. Of several years it is the mean, or the `total`.
        """
        start = self.context.years[0]
        if first == last:
            centre, spread = (log[quantity][first - start] for log in (self.centres, self.spreads))
        else:
            drawn = self.amounts[quantity][:, first - start : last - start + 1]
            taken = drawn.sum(axis=1) if total else drawn.mean(axis=1)
            centre, spread = _summary(taken)
        return None if math.isnan(centre) else (float(centre), float(spread))


def _summary(amounts: Array) -> tuple[Array, Array]:
    """Return median and standard deviation over the draws of the log of some amounts."""
    positive = np.all(amounts > 0, axis=0)
    logs = np.log(np.where(positive, amounts, 1.0))
    middle = np.sort(logs, axis=0)[logs.shape[0] // 2]
    return np.where(positive, middle, np.nan), np.where(positive, logs.std(axis=0), np.nan)


def draw_flows(draft: Draft, context: Context, *, draws: int = DRAWS) -> PriorFlows:
    """Draw the flows of a sound study from its priors; a single draw is that of all medians."""
    if not context.edges or not context.terms:
        return PriorFlows(context, {}, {}, {})
    rows: dict[str, list[Prior]] = {}
    for entry in draft.priors:
        rows.setdefault(entry.item.target, []).append(entry.item)
    edges = list(context.edges.values())
    position = {edge.name: number for number, edge in enumerate(edges)}
    shape = (len(edges), draws, len(context.years))
    active = np.array([[year in edge.years for year in context.years] for edge in edges])
    levels = np.exp(_logs(rows, context, shape))
    inward = np.array([context.kind(edge.source) == "environment" for edge in edges])
    for edge in edges:
        if _drives(edge.name, edge.source, rows, context):
            _set_inflow(levels, edge.name, edge.source, context, position)
    for edge in edges:
        if edge.entry.item.tied:
            own = levels[position[edge.name]] if edge.name in rows else 1.0
            levels[position[edge.name]] = own * levels[position[edge.entry.item.tied]]
    weights = (levels * active[:, None, :]).reshape(shape[0], -1)
    inputs = np.where(inward[:, None], weights, 0.0)
    flows = _passed_on(inputs, np.where(inward[:, None], 0.0, weights), context)
    drawn = dict(zip(position, flows.reshape(shape), strict=True))
    amounts = {name: _amount(name, drawn, context) for name in context.terms}
    centres, spreads = _summary(np.stack([*amounts.values()], axis=1))
    return PriorFlows(
        context, amounts,
        dict(zip(amounts, centres, strict=True)), dict(zip(amounts, spreads, strict=True)),
    )  # fmt: skip


def _amount(quantity: str, flows: Mapping[str, Array], context: Context) -> Array:
    """Return a quantity (draw, year); NaN where its denominator is 0."""
    parts: dict[str, Array] = {}
    for entry in context.terms[quantity]:
        term = entry.item
        parts[term.part] = parts.get(term.part, 0.0) + term.weight * flows[term.flow]
    if not context.is_ratio(quantity):
        return parts["num"]
    whole = parts["den"]
    return np.divide(parts["num"], whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _drives(flow: str, source: str, rows: Rows, context: Context) -> bool:
    """Return whether a flow is the product whose prior sets the throughput of its conversion."""
    lognormal = any(row.distribution == "lognormal" for row in rows.get(flow, ()))
    return lognormal and context.kind(source) == "conversion"


def _logs(rows: Rows, context: Context, shape: tuple[int, int, int]) -> Array:
    """Return the log level of every flow: of an input its size, of others a ratio of shares."""
    generator = np.random.default_rng(SEED)
    even = [NormalDist().inv_cdf((n + 0.5) / shape[1]) for n in range(shape[1])]

    def drawn(centre: Array, target: str) -> Array:
        sd = values_by_year(rows[target], context.years, "sd")
        moved: Array = centre + sd * generator.permutation(even)[:, None]
        return moved

    medians = {
        edge.name: values_by_year(rows[edge.name], context.years, "median")
        for edge in context.edges.values()
        if edge.name in rows
    }
    routes = {
        target: drawn(values_by_year(rows[target], context.years, "median"), target)
        for target in rows
        if Target.parse(target).group == ROUTE
    }
    references = {
        process: _reference(process, medians, rows, context) for process in context.processes
    }
    logs = np.zeros(shape)
    for number, (name, edge) in enumerate(context.edges.items()):
        if name not in rows:
            continue
        is_share = rows[name][0].distribution == "share"
        if edge.entry.item.tied:
            logs[number] = drawn(medians[name], name)
            continue
        rest = references[edge.source] if is_share else 1.0
        logs[number] = drawn(np.log(medians[name] / rest), name)
        logs[number] += routes.get(str(Target(ROUTE, context.route(edge) or "")), 0.0)
    return logs


def _reference(process: str, medians: Mapping[str, Array], rows: Rows, context: Context) -> Array:
    """Return the median share that a process leaves to the outflow without a share prior."""
    left = np.ones(len(context.years))
    for edge in context.outflows(process):
        if edge.name in medians and rows[edge.name][0].distribution == "share":
            active = np.array([year in edge.years for year in context.years])
            left -= np.where(active, medians[edge.name], 0.0)
    # In years without a prior of their own a row stands in, and may leave nothing.
    return np.maximum(left, math.ulp(1.0))


def _set_inflow(
    levels: Array, product: str, process: str, context: Context, position: Mapping[str, int]
) -> None:
    """Let the inflow of a conversion follow from its product and the loss beside it, in place."""
    (inflow,) = context.inflows(process)
    (loss,) = (edge for edge in context.outflows(process) if edge.name != product)
    made = levels[position[product]].copy()
    levels[position[product]] = 1.0
    levels[position[inflow.name]] = made * (1 + levels[position[loss.name]])


def _passed_on(inputs: Array, weights: Array, context: Context) -> Array:
    """Pass what enters on to the next processes until nothing changes any more."""
    number = {name: n for n, name in enumerate(context.processes)}
    source = np.array([number[edge.source] for edge in context.edges.values()])
    target = np.array([number[edge.target] for edge in context.edges.values()])
    total = _sums(weights, source, len(number))[source]
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    flows = inputs
    for _ in range(PASSES):
        before, flows = flows, inputs + shares * _sums(flows, target, len(number))[source]
        if np.all(np.abs(flows - before) <= SETTLED * flows.max(axis=0)):
            break
    return flows


def _sums(flows: Array, ends: NDArray[np.int64], processes: int) -> Array:
    """Return the sum of the flows at each process, by their ends."""
    order = np.argsort(ends, kind="stable")
    reached, starts = np.unique(ends[order], return_index=True)
    sums = np.zeros((processes, flows.shape[1]))
    sums[reached] = np.add.reduceat(flows[order], starts, axis=0)
    return sums
