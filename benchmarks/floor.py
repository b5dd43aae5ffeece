"""The least that one gradient has to compute, counted from a study, and a loop that does just that.

A count is what the arithmetic of the model needs when written by hand for one study, whatever
the kernels do: no index is looked up, nothing is passed on in memory, no shift by a maximum
guards an exponential, no reciprocal is taken twice. README.md tells the rules.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numba
import numpy as np

from reebayes.model.kernels import CERTAIN, EITHER, LOWER, POINT, RANGE, UPPER, Whitening
from reebayes.model.layout import Layout

STATE_FMAS = 36
"""Of the smoother and its slope, per series and year: 18 forwards, 12 backwards, 6 adjoint."""

FLOW_FMAS = 8
"""Of the balance, per flow and year: share, flow, sum; and five of the adjoint."""

RECORD_FMAS = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """Operations of one log density with its gradient."""

    exp: int
    log: int
    erfc: int
    sqrt: int
    division: int
    fma: int


def count_operations(layout: Layout, whitening: Whitening) -> Counts:
    """Count the operations of one gradient.

    Parameters
    ----------
    layout : Layout
    whitening : Whitening

    Returns
    -------
    Counts
    """
    parts = [_coordinates(layout, whitening), _levels(layout), _balance(layout), _cycles(layout),
             _records(layout)]  # fmt: skip
    return Counts(**{name: sum(asdict(p)[name] for p in parts) for name in asdict(parts[0])})


def _coordinates(layout: Layout, whitening: Whitening) -> Counts:
    """Unwhitening both ways, persistences, and every series' smoother."""
    unknowns, rows = layout.unknowns, layout.equations.steps.ratio.size
    return Counts(
        exp=3 * rows,
        log=rows + unknowns.varying,
        erfc=0,
        sqrt=unknowns.states,
        division=unknowns.states + rows,
        fma=2 * (whitening.rows.index.size + unknowns.size) + STATE_FMAS * unknowns.states,
    )


def _levels(layout: Layout) -> Counts:
    unknowns, driven = layout.unknowns, layout.equations.centres.driven.size * layout.unknowns.years
    free = (unknowns.varying + unknowns.constant) * unknowns.years
    routed = int(layout.equations.centres.on_route.astype(bool).sum()) * unknowns.years
    return Counts(driven, driven, 0, 0, driven, fma=2 * (free + routed + driven))


def _balance(layout: Layout) -> Counts:
    """One exponential for each inflow and each share but the one that takes the remainder."""
    graph = layout.equations.graph
    exps, splits = int(graph.active[graph.exogenous].sum()), 0
    for process in range(graph.order.size):
        out = graph.out_flow[graph.out_start[process] : graph.out_start[process + 1]]
        outflows = graph.active[out].sum(axis=0)
        splits += int((outflows > 1).sum())
        exps += int((outflows - 1).clip(0).sum())
    return Counts(exps, 0, 0, 0, splits, fma=FLOW_FMAS * int(graph.active.sum()))


def _cycles(layout: Layout) -> Counts:
    """Elimination of every cycle once a year, and two solutions: forwards and transposed."""
    sizes = np.diff(layout.equations.graph.stage_start)
    sizes = sizes[sizes > 1]
    eliminate = sum(int(np.square(np.arange(n)).sum()) for n in sizes)
    solve = int(2 * np.square(sizes).sum())
    years = layout.unknowns.years
    return Counts(0, 0, 0, 0, division=int(sizes.sum()) * years, fma=(eliminate + solve) * years)


def _records(layout: Layout) -> Counts:
    figures, sums = layout.equations.figures, layout.equations.sums
    kinds = {kind: int((figures.kind == kind).sum()) for kind in range(EITHER + 1)}
    seen = figures.kind.size - kinds[CERTAIN]
    bounds = kinds[UPPER] + kinds[LOWER]
    heavy = kinds[POINT] + 2 * kinds[EITHER] if figures.freedom else 0
    terms = sum(rows.index.size for rows in (sums.above, sums.below, sums.shift))
    return Counts(
        exp=layout.unknowns.reporters + bounds + 2 * kinds[RANGE] + kinds[EITHER],
        log=seen + bounds + kinds[RANGE] + kinds[EITHER] + heavy,
        erfc=bounds + 2 * kinds[RANGE],
        sqrt=0,
        division=seen + bounds + kinds[RANGE] + kinds[EITHER] + heavy,
        fma=2 * terms + RECORD_FMAS * seen,
    )


@numba.njit(error_model="numpy", fastmath={"contract"})
def _compute(x, y, z, counts):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Do so many operations on numbers that do not depend on one another."""
    for i in range(counts[0]):
        z[i] = math.exp(x[i])
    for i in range(counts[1]):
        z[i] += math.log(y[i])
    for i in range(counts[2]):
        z[i] += math.erfc(x[i])
    for i in range(counts[3]):
        z[i] += math.sqrt(y[i])
    for i in range(counts[4]):
        z[i] += x[i] / y[i]
    for begin in range(0, counts[5], x.size):
        for i in range(min(x.size, counts[5] - begin)):
            z[i] += x[i] * y[i]
    return z[0]


def floor(counts: Counts) -> Callable[[], object]:
    """Return a function that does the counted operations and nothing else."""
    numbers = np.array(list(asdict(counts).values()), dtype=np.int64)
    rng = np.random.default_rng(0)
    # Long enough for every count but that of multiply-adds, whose operands stay in cache.
    size = int(numbers[:-1].max())
    x, y = rng.normal(size=size), rng.uniform(0.1, 10.0, size=size)
    z = np.zeros(size)
    return lambda: _compute(x, y, z, numbers)
