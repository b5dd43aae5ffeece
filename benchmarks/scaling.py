"""How the cost of a gradient grows: a study laid side by side with copies of itself.

The copies are made of arrays, not of tables, and share the step multipliers, as the flows of one
large study would. Nothing of the size of unknowns times unknowns is formed.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from scipy.sparse import coo_array, csr_array

from benchmarks.timing import best, watch_compilations
from reebayes.inference.density import Density
from reebayes.model.kernels import (
    Centres,
    Equations,
    Errors,
    Graph,
    Rows,
    Structure,
    Sums,
    Whitening,
)
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats, Integers

TIMES = (1, 3, 10, 30, 100)


def repeat(layout: Layout, whitening: Whitening, times: int) -> Structure:
    """Lay a study side by side with copies of itself.

    Parameters
    ----------
    layout : Layout
    whitening : Whitening
    times : int

    Returns
    -------
    Structure
    """
    columns = _columns(layout, times)
    steps, figures = layout.equations.steps, layout.equations.figures
    equations = Equations(
        steps=steps._replace(which=np.tile(steps.which, (1, times))),
        centres=_centres(layout, columns),
        graph=_graph(layout, columns),
        sums=_sums(layout, columns),
        errors=_errors(layout, times),
        figures=figures._replace(
            kind=np.tile(figures.kind, times),
            low=np.tile(figures.low, times),
            high=np.tile(figures.high, times),
        ),
    )
    return Structure(equations, _whitening(layout, whitening, times))


def positions(layout: Layout, times: int) -> Integers:
    """Where each copy's entries of the latent vector stand: (copy, entry)."""
    unknowns = layout.unknowns
    copy = np.arange(times)[:, None]
    year, series = np.divmod(np.arange(unknowns.states), max(unknowns.varying, 1))
    states = year * times * unknowns.varying + copy * unknowns.varying + series
    constants = copy * unknowns.constant + np.arange(unknowns.constant)
    noise = copy * unknowns.reporters + np.arange(unknowns.reporters)
    # what all have in common, one for all copies: noise of all reporters, what else is learnt of
    # errors, steps of groups
    common = np.arange(unknowns.size - unknowns.scales_start - unknowns.reporters) + 0 * copy
    return np.concatenate([
        states,
        times * unknowns.states + constants,
        times * unknowns.scales_start + noise,
        times * (unknowns.scales_start + unknowns.reporters) + common,
    ], axis=1)  # fmt: skip


def _columns(layout: Layout, times: int) -> Integers:
    """Where each copy's columns of the levels stand: varying ones first, then constant, fixed."""
    unknowns = layout.unknowns
    copy = np.arange(times)[:, None]
    sizes = (unknowns.varying, unknowns.constant,
             len(unknowns.columns) - unknowns.varying - unknowns.constant)  # fmt: skip
    starts = np.cumsum([0, *sizes])
    parts = [times * starts[n] + copy * size + np.arange(size) for n, size in enumerate(sizes)]
    return np.concatenate(parts, axis=1)


def _spread(values: Floats, places: Integers) -> Floats:
    """Values of one copy written to the places of all."""
    spread = np.empty((places.size, *values.shape[1:]), dtype=values.dtype)
    spread[places] = values
    return spread


def _centres(layout: Layout, columns: Integers) -> Centres:
    centres, times = layout.equations.centres, len(columns)
    route = np.empty(columns.size, dtype=np.int64)
    route[columns] = columns[:, centres.route]
    return Centres(
        mean=_spread(centres.mean, columns),
        sd=_spread(centres.sd, columns),
        constants=times * centres.constants,
        route=route,
        on_route=_spread(centres.on_route, columns),
        driven=columns[:, centres.driven].ravel(),
        loss=columns[:, centres.loss].ravel(),
    )


def _graph(layout: Layout, columns: Integers) -> Graph:
    graph, times = layout.equations.graph, len(columns)
    copy = np.arange(times)[:, None]
    processes, inner = graph.order.size, graph.out_flow.size
    column = np.where(graph.column < 0, -1, columns[:, graph.column])
    return Graph(
        column=column.ravel(),
        exogenous=np.tile(graph.exogenous, times),
        active=np.tile(graph.active, (times, 1)),
        target=(graph.target + copy * processes).ravel(),
        order=(graph.order + copy * processes).ravel(),
        place=(graph.place + copy * processes).ravel(),
        stage_start=np.append((graph.stage_start[:-1] + copy * processes), times * processes),
        out_start=np.append((graph.out_start[:-1] + copy * inner), times * inner),
        out_flow=(graph.out_flow + copy * graph.column.size).ravel(),
    )


def _sums(layout: Layout, columns: Integers) -> Sums:
    sums, times = layout.equations.sums, len(columns)
    years = layout.unknowns.years
    copy = np.arange(times)[:, None]
    cells = copy * layout.equations.graph.active.size
    column, year = np.divmod(sums.shift.index, years)
    return Sums(
        above=_repeated(sums.above, sums.above.index + cells),
        below=_repeated(sums.below, sums.below.index + cells),
        shift=_repeated(sums.shift, columns[:, column] * years + year),
        offset=np.tile(sums.offset, times),
        over=np.tile(sums.over, times),
        plain=np.tile(sums.plain, times),
        against=_repeated(sums.against, sums.against.index + copy * sums.plain.size),
    )


def _repeated(rows: Rows, index: Integers) -> Rows:
    times = len(index)
    start = (rows.start[:-1] + np.arange(times)[:, None] * rows.index.size).ravel()
    return Rows(np.append(start, index.size), index.ravel(), np.tile(rows.weight, times))


def _errors(layout: Layout, times: int) -> Errors:
    errors, reporters = layout.equations.errors, layout.unknowns.reporters
    copy = np.arange(times)[:, None]
    # what is learnt of all errors stands behind the noise of all copies
    behind = (times - 1) * (errors.noise_start + reporters)
    return Errors(
        floor=errors.floor,
        noise_start=times * errors.noise_start,
        noise_mean=np.append(np.tile(errors.noise_mean[:-1], times), errors.noise_mean[-1]),
        noise_sd=np.append(np.tile(errors.noise_sd[:-1], times), errors.noise_sd[-1]),
        record_sd=np.tile(errors.record_sd, times),
        reporter=(errors.reporter + copy * reporters).ravel(),
        stretch=errors.stretch,
        stretch_at=behind + errors.stretch_at,
        tail=errors.tail,
        tail_at=behind + errors.tail_at,
    )


def _whitening(layout: Layout, whitening: Whitening, times: int) -> Whitening:
    places = positions(layout, times)
    size = int(places.max()) + 1
    mode, inverse = np.empty(size), np.empty(size)
    mode[places], inverse[places] = whitening.mode, whitening.inverse
    rows, columns = _factor(whitening.rows, places, size)
    return whitening._replace(
        mode=mode,
        inverse=inverse,
        rows=rows,
        columns=columns,
        diagonal0=np.tile(whitening.diagonal0, (1, times)),
        below0=np.tile(whitening.below0, (1, times)),
        curvature=np.tile(whitening.curvature, (1, times)),
        pull=np.tile(whitening.pull, (1, times)),
        volume=times * whitening.volume,
    )


def _factor(rows: Rows, places: Integers, size: int) -> tuple[Rows, Rows]:
    """Entries below the diagonal, by rows and by columns; scales are tied to nothing."""
    row = np.repeat(np.arange(rows.start.size - 1), np.diff(rows.start))
    entries = np.tile(rows.weight, len(places))
    where = (places[:, row].ravel(), places[:, rows.index].ravel())
    table = coo_array((entries, where), shape=(size, size))
    return _packed(csr_array(table)), _packed(table.tocsc())


def _packed(table: csr_array) -> Rows:
    return Rows(table.indptr.astype(np.int64), table.indices.astype(np.int64), table.data)


# --- measuring ------------------------------------------------------------------------------------


def measure(
    layout: Layout, whitening: Whitening, *, times: Sequence[int] = TIMES, seconds: float = 2.0
) -> dict[str, object]:
    """Time a gradient of ever more copies.

    Parameters
    ----------
    layout : Layout
    whitening : Whitening
        The coordinates of the fit.
    times : sequence of int
        Numbers of copies, the first and the last of which bound the range.
    seconds : float
        Time spent on each.

    Returns
    -------
    dict
        ``times``, ``seconds`` a gradient, ``flows``, ``latents``, the ``exponent`` of their
        power law, and what was compiled for copies: ``compiled`` and ``new_signatures``.
    """
    taken, latents = [], []
    rng = np.random.default_rng(0)
    Density(repeat(layout, whitening, 1))(0.1 * rng.normal(size=layout.unknowns.size))
    with watch_compilations() as seen:
        for count in times:
            density = Density(repeat(layout, whitening, count))
            point = 0.1 * rng.normal(size=density.size)
            taken.append(best(partial(density, point), seconds=seconds))
            latents.append(point.size)
    return {
        "times": list(times),
        "seconds": taken,
        "flows": [count * len(layout.flows) for count in times],
        "latents": latents,
        "years": len(layout.years),
        "exponent": float(np.polyfit(np.log(times), np.log(taken), 1)[0]),
        "compiled": seen.names,
        "new_signatures": seen.signatures,
    }


def picture(found: dict[str, object], path: Path) -> Path:
    """Draw seconds a gradient over flows, with the straight line of linear growth."""
    flows, seconds = np.array(found["flows"]), np.array(found["seconds"])
    figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
    ax.loglog(flows, 1e3 * seconds, "o-", color="#1f5f9e", label="measured")
    linear = 1e3 * seconds[0] * flows / flows[0]
    ax.loglog(flows, linear, "--", color="#8a8a8a", label="in proportion to the flows")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axis.set_minor_locator(NullLocator())
    ax.set_xlabel(f"flows, each in {found['years']} years")
    ax.set_ylabel("milliseconds a gradient")
    ax.set_title(f"Exponent {found['exponent']:.2f}", loc="left", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
