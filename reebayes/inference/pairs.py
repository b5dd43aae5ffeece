"""Pairs of states that are straight as a sum and a ratio.

Where records see a sum of two flows better than either of them, the posterior is a bent ridge in
the logs of the flows, and straight in the log of their sum and that of their ratio. Draws of a
pilot run say where that is so; `model.kernels.split` is the map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reebayes.model.kernels import (
    PRINTED,
    Graph,
    Pairs,
    balance,
    balance_adjoint,
    levels,
    levels_adjoint,
)
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats

_FOLLOWED = 0.5
"""How much of the bend of a sum the draws must follow: none where a flow's own log is straight,
all of it where only the sum is known."""

_LEAST = 0.1
"""A bend is let be where it is less than this share of what the ratio leaves of a flow's log."""

_ONE_YEAR = 0.8
"""Weight on one year from which a record counts as that year's: customs print some of a year's
trade with the next one's."""


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """Flows of one year that a record adds up and that move together: those of a route, or one."""

    year: int
    flows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lead:
    """The series that moves a term most, and by how much a unit of it moves the term's log."""

    series: int
    slope: float


@dataclass(frozen=True, slots=True)
class Bend:
    """The two largest terms of a sum, the larger one first, and the mean log of their ratio.

    ``size`` is the variance of the bend over that of what the ratio leaves of the first term's
    log; ``followed`` is as much of it as the draws follow.
    """

    terms: tuple[Term, Term]
    log_ratio: float
    size: float
    followed: float


def no_pairs() -> Pairs:
    """No states that are moved as sum and ratio."""
    nowhere, none = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Pairs(nowhere, nowhere, nowhere, none, none, none, none, none)


def find_pairs(layout: Layout, paths: Floats, latents: Floats) -> Pairs:
    """Find states that are straighter as sum and ratio.

    Parameters
    ----------
    layout : Layout
    paths : array (draw, year, series)
        States of draws of a pilot run.
    latents : array (draw, latent)
        Their latent vectors, for what is constant over the years.

    Returns
    -------
    Pairs
        A state belongs to one pair at most; where nothing varies over the years there is none.
    """
    if not paths.shape[-1]:
        return no_pairs()
    flows = _flows(layout, paths, latents)
    found = (_bend(terms, flows) for terms in _sums(layout))
    bends = [bend for bend in found if bend]
    leads = _leads(layout, paths, latents, {term for bend in bends for term in bend.terms})
    return _pairs(layout, paths.mean(axis=0), bends, leads)


def _flows(layout: Layout, paths: Floats, latents: Floats) -> Floats:
    """Flows (draw, flow, year) of draws."""
    centres, graph = layout.equations.centres, layout.equations.graph
    each = zip(paths, latents, strict=True)
    return np.array([balance(levels(path, latent, centres), graph)[0] for path, latent in each])


def _sums(layout: Layout) -> Iterator[list[Term]]:
    """Terms of every sum of flows of which a record prints a figure, each once.

    A figure of one flow is of the sum of what flows into the process that it comes from.
    """
    above, below = layout.equations.sums.above, layout.equations.sums.below
    active, years = layout.equations.graph.active, layout.unknowns.years
    upstream = _upstream(layout.equations.graph)
    seen: set[tuple[int, ...]] = set()
    for row, kind in enumerate(layout.equations.figures.kind):
        entries = slice(above.start[row], above.start[row + 1])
        flow, year = np.divmod(above.index[entries], years)
        weight = np.bincount(year, above.weight[entries], minlength=years)
        main = int(weight.argmax())
        ratio = below.start[row] < below.start[row + 1]
        if kind not in PRINTED or ratio or not weight[main] > _ONE_YEAR * weight.sum():
            continue
        shown = sorted(flow[(year == main) & active[flow, year]].tolist())
        if len(shown) == 1:
            shown = [into for into in upstream.get(shown[0], ()) if active[into, main]]
        terms = [Term(main, flows) for flows in _moving_together(layout, shown)]
        if len(terms) > 1 and (main, *shown) not in seen:
            seen.add((main, *shown))
            yield terms


def _upstream(graph: Graph) -> dict[int, list[int]]:
    """What flows into the process that a flow comes from, of every flow that comes from one."""
    into: dict[int, list[int]] = {}
    for flow, process in enumerate(graph.target.tolist()):
        into.setdefault(process, []).append(flow)
    bounds = zip(graph.out_start[:-1], graph.out_start[1:], strict=True)
    return {
        int(flow): into.get(process, [])
        for process, (start, stop) in enumerate(bounds)
        for flow in graph.out_flow[start:stop]
    }


def _moving_together(layout: Layout, flows: Sequence[int]) -> Iterable[tuple[int, ...]]:
    """Flows in groups: those of each trade route, those tied together, every other by itself."""
    column, centres = layout.equations.graph.column, layout.equations.centres
    groups: dict[tuple[str, int], tuple[int, ...]] = {}
    for flow in flows:
        at = int(column[flow])
        while at >= 0 and centres.on_route[at] != 0.0:
            at = int(centres.route[at])
        key = ("column", at) if at >= 0 else ("flow", flow)
        groups[key] = (*groups.get(key, ()), flow)
    return groups.values()


def _bend(terms: Iterable[Term], flows: Floats) -> Bend | None:
    """How draws follow the bend of the two largest terms of a sum, if it is bent at all."""
    amounts = {term: flows[:, term.flows, term.year].sum(axis=1) for term in terms}
    logs = {term: np.log(amount) for term, amount in amounts.items() if amount.min() > 0.0}
    if len(logs) < 2:
        return None
    first, second = sorted(logs, key=lambda term: (-logs[term].mean(), term))[:2]
    ratio = logs[second] - logs[first]
    straight = np.stack([np.ones_like(ratio), ratio], axis=1)
    own, bent = (
        values - straight @ np.linalg.lstsq(straight, values, rcond=None)[0]
        for values in (logs[first], np.logaddexp(0.0, ratio))
    )
    left = own @ own
    if not left > 0.0:
        return None
    return Bend((first, second), float(ratio.mean()), (bent @ bent) / left, -(own @ bent) / left)


def _leads(
    layout: Layout, paths: Floats, latents: Floats, terms: Iterable[Term]
) -> dict[Term, Lead]:
    """Lead of every term: what moves its log most over the draws, by slopes at their centre."""
    by_year: dict[int, list[Term]] = {}
    for term in sorted(terms):
        by_year.setdefault(term.year, []).append(term)
    centre, spread, latent = paths.mean(axis=0), paths.std(axis=0), latents.mean(axis=0)
    centres, graph = layout.equations.centres, layout.equations.graph
    level = levels(centre, latent, centres)
    flow, share, throughput = balance(level, graph)
    leads = {}
    # years do not touch: one term of each is asked at a time
    for number in range(max(map(len, by_year.values()), default=0)):
        asked = [found[number] for found in by_year.values() if number < len(found)]
        bar = np.zeros_like(flow)
        for term in asked:
            at = list(term.flows)
            bar[at, term.year] = 1.0 / flow[at, term.year].sum()
        level_bar = balance_adjoint(level, graph, flow, share, throughput, bar)
        slopes = levels_adjoint(centre, latent, centres, level, level_bar)[0]
        for term in asked:
            series = int((np.abs(slopes[term.year]) * spread[term.year]).argmax())
            leads[term] = Lead(series, float(slopes[term.year, series]))
    return leads


def _pairs(
    layout: Layout, centre: Floats, bends: Iterable[Bend], leads: Mapping[Term, Lead]
) -> Pairs:
    """Pack the pairs of series that follow their bend on the whole, most followed first."""
    by_series: dict[tuple[int, int], list[Bend]] = {}
    for bend in bends:
        one, other = (leads[term] for term in bend.terms)
        if one.series != other.series and min(one.slope, other.slope) > 0.0:
            by_series.setdefault((one.series, other.series), []).append(bend)
    followed = {series: sum(bend.followed for bend in found) for series, found in by_series.items()}
    places, numbers = [], []
    taken: set[tuple[int, int]] = set()
    for series in sorted(by_series, key=lambda series: (-followed[series], series)):
        size = sum(bend.size for bend in by_series[series])
        if followed[series] < max(_FOLLOWED * size, _LEAST**2 * len(by_series[series])):
            continue
        for bend in by_series[series]:
            states = {(bend.terms[0].year, one) for one in series}
            if not states & taken:
                taken |= states
                places.append((bend.terms[0].year, *series))
                numbers.append((*(leads[term].slope for term in bend.terms), bend.log_ratio))
    if not places:
        return no_pairs()
    year, first, second = np.array(places, dtype=np.int64).T
    first_slope, second_slope, log_ratio = (values.copy() for values in np.array(numbers).T)
    start = year * layout.unknowns.varying
    return Pairs(
        first=start + first, second=start + second,
        series=np.unique(np.concatenate([first, second])),
        first_centre=centre[year, first], second_centre=centre[year, second],
        first_slope=first_slope, second_slope=second_slope, log_ratio=log_ratio,
    )  # fmt: skip
