"""Every kernel against finite differences, its inverse, and a second way to the same number."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from reebayes import kernels
from reebayes.kernels import CERTAIN, LOWER, POINT, RANGE, UPPER
from reebayes.layout import Graph

type Floats = NDArray[np.float64]

seeds = st.integers(0, 2**32 - 1)


def differences(function: Callable[[Floats], float], point: Floats, step: float = 1e-6) -> Floats:
    """Return the gradient by central differences."""
    gradient = np.empty_like(point)
    for index in np.ndindex(point.shape):
        above, below = point.copy(), point.copy()
        above[index] += step
        below[index] -= step
        gradient[index] = (function(above) - function(below)) / (2 * step)
    return gradient


def close(actual: Floats, expected: Floats, *, rtol: float = 1e-6) -> None:
    """Compare gradients: relative to the largest entry, which sets the error of a difference."""
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * scale)


# ---- years ----


@given(seeds, st.integers(1, 8), st.integers(1, 4))
def test_autoregress_is_the_recursion(seed: int, years: int, series: int) -> None:
    rng = np.random.default_rng(seed)
    innovation = rng.normal(size=(years, series))
    persistence = rng.uniform(0.01, 0.999, size=(years, series))
    state = kernels.autoregress(innovation, persistence)
    expected = innovation.copy()
    for t in range(1, years):
        p = persistence[t]
        expected[t] = p * expected[t - 1] + np.sqrt(1 - p**2) * innovation[t]
    np.testing.assert_allclose(state, expected, rtol=1e-12, atol=1e-12)


def test_autoregress_has_unit_variance_at_every_persistence() -> None:
    """The states of unit innovations are A e; the rows of A have length 1."""
    rng = np.random.default_rng(1)
    persistence = rng.uniform(0.01, 0.999, size=(9, 1))
    columns = [kernels.autoregress(unit[:, None], persistence)[:, 0] for unit in np.eye(9)]
    np.testing.assert_allclose(np.square(np.stack(columns, axis=1)).sum(axis=1), 1.0)


def test_autoregress_adjoint() -> None:
    rng = np.random.default_rng(2)
    innovation, weight = rng.normal(size=(2, 6, 3))
    persistence = rng.uniform(0.3, 0.95, size=(6, 3))

    def total(innovation: Floats, persistence: Floats) -> float:
        return float((kernels.autoregress(innovation, persistence) * weight).sum())

    state = kernels.autoregress(innovation, persistence)
    bars = kernels.autoregress_adjoint(innovation, persistence, state, weight)
    close(bars[0], differences(lambda x: total(x, persistence), innovation))
    close(bars[1], differences(lambda x: total(innovation, x), persistence))


# ---- mass balance ----


@dataclass(frozen=True)
class Network:
    """A random graph: nature is process 0, the last process is the sink, the others have cycles."""

    source: NDArray[np.int64]
    graph: Graph
    columns: int

    def solve(self, level: Floats) -> tuple[Floats, Floats, Floats]:
        """Return flows, shares and throughputs."""
        flow, share, throughput = kernels.balance(level, *self._structure())
        return flow, share, throughput

    def pull_back(self, level: Floats, flow_bar: Floats) -> Floats:
        """Return the cotangent of the levels."""
        bar: Floats = kernels.balance_adjoint(
            level, *self._structure(), *self.solve(level), flow_bar
        )
        return bar

    def _structure(self) -> tuple[object, ...]:
        return tuple(getattr(self.graph, name) for name in Graph.names())


def random_network(seed: int, *, years: int = 3, inner: int = 5, lumped: bool = False) -> Network:
    """Return a network in which every inner process has a way out, and most lie in cycles.

    With `lumped`, the whole graph is one stage: correct, but solved as one system.
    """
    rng = np.random.default_rng(seed)
    sink = inner + 1
    exogenous = [(0, int(node)) for node in rng.choice(np.arange(1, sink), 2, replace=False)]
    exits = [(node, sink) for node in range(1, sink)]
    between = [(a, b) for a in range(1, sink) for b in range(1, sink) if a != b]
    links = [link for link in between if rng.uniform() < 0.45]
    flows = np.array([*exogenous, *exits, *links], dtype=np.int64)
    size = len(flows)
    outside = np.arange(size) < len(exogenous)
    column = np.full(size, -1, dtype=np.int64)
    driven = np.r_[np.arange(2), np.arange(2 + inner, size)]  # the exits take the remainder
    column[driven] = np.arange(driven.size)
    active = rng.uniform(size=(years, size)) < 0.8
    active[:, 2 : 2 + inner] = True
    active[0] = True
    order, stage_start = _stages(flows[~outside], sink + 1, lumped)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    own = np.flatnonzero(~outside)
    counts = np.bincount(flows[own, 0], minlength=sink + 1)
    graph = Graph(
        column=column,
        exogenous=outside,
        active=active,
        target=flows[:, 1].copy(),
        order=order,
        place=place,
        stage_start=stage_start,
        out_start=np.r_[0, np.cumsum(counts)].astype(np.int64),
        out_flow=own[np.argsort(flows[own, 0], kind="stable")].astype(np.int64),
    )
    return Network(flows[:, 0].copy(), graph, driven.size)


def _stages(
    links: NDArray[np.int64], size: int, lumped: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return processes in an order in which flows between stages run forward."""
    if lumped:
        return np.arange(size, dtype=np.int64), np.array([0, size], dtype=np.int64)
    reach = np.eye(size, dtype=bool)
    for a, b in links:
        reach[a, b] = True
    for middle in range(size):
        reach |= reach[:, [middle]] & reach[[middle], :]
    # A process is reached by at least as many as any process before it.
    mutual = reach & reach.T
    stages = sorted(
        {tuple(np.flatnonzero(row)) for row in mutual}, key=lambda s: reach[:, s[0]].sum()
    )
    order = np.array([node for stage in stages for node in stage], dtype=np.int64)
    return order, np.cumsum([0, *map(len, stages)]).astype(np.int64)


def dense_flows(network: Network, level: Floats) -> Floats:
    """Solve x = b + S'x with one dense matrix a year."""
    graph = network.graph
    flows = np.zeros(graph.active.shape)
    size = graph.order.size
    for t, active in enumerate(graph.active):
        inflow, shares = np.zeros(size), np.zeros((size, size))
        share = np.zeros(active.size)
        for node in range(size):
            out = np.flatnonzero(active & ~graph.exogenous & (network.source == node))
            logit = np.where(graph.column[out] >= 0, level[t, graph.column[out]], 0.0)
            share[out] = np.exp(logit - np.logaddexp.reduce(logit)) if out.size else 0.0
            np.add.at(shares[node], graph.target[out], share[out])
        for f in np.flatnonzero(active & graph.exogenous):
            flows[t, f] = np.exp(level[t, graph.column[f]])
            inflow[graph.target[f]] += flows[t, f]
        throughput = np.linalg.solve(np.eye(size) - shares.T, inflow)
        inner = ~graph.exogenous
        flows[t, inner] = (share * throughput[network.source])[inner]
    return flows


def imbalance(network: Network, flow: Floats) -> float:
    """Return the largest difference of inflow and outflow, relative to the inflow."""
    worst = 0.0
    for node in range(1, network.graph.order.size - 1):
        entering = flow[:, network.graph.target == node].sum(axis=1)
        leaving = flow[:, network.source == node].sum(axis=1)
        worst = max(worst, float(np.max(np.abs(entering - leaving) / np.maximum(entering, 1e-300))))
    return worst


@given(seeds, st.integers(2, 7), st.booleans())
def test_balance_closes_and_equals_a_dense_solve(seed: int, inner: int, lumped: bool) -> None:
    network = random_network(seed, inner=inner, lumped=lumped)
    level = np.random.default_rng(seed).normal(size=(3, network.columns))
    flow, share, throughput = network.solve(level)
    np.testing.assert_allclose(flow, dense_flows(network, level), rtol=1e-10, atol=1e-13)
    assert imbalance(network, flow) < 1e-12
    assert (flow[~network.graph.active] == 0).all()
    assert (flow >= 0).all()
    inner_flows = ~network.graph.exogenous
    expected = share * throughput[:, network.source]
    np.testing.assert_allclose(flow[:, inner_flows], expected[:, inner_flows])


@given(seeds, st.floats(1.0, 8.0))
def test_balance_closes_far_out(seed: int, spread: float) -> None:
    """Nearly closed cycles, in which throughputs are far larger than inflows, close too."""
    network = random_network(seed)
    level = np.random.default_rng(seed).normal(scale=spread, size=(3, network.columns))
    assert imbalance(network, network.solve(level)[0]) < 1e-9


@settings(max_examples=25)
@given(seeds, st.integers(2, 5), st.booleans())
def test_balance_adjoint(seed: int, inner: int, lumped: bool) -> None:
    network = random_network(seed, inner=inner, lumped=lumped)
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(3, network.columns))
    weight = rng.normal(size=network.graph.active.shape)

    def total(level: Floats) -> float:
        return float((network.solve(level)[0] * weight).sum())

    close(network.pull_back(level, weight), differences(total, level), rtol=1e-5)


# ---- sums ----


@given(seeds)
def test_weigh_is_a_sparse_matrix_and_its_transpose(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 4, size=5)
    start = np.r_[0, np.cumsum(lengths)]
    index = rng.integers(0, 7, size=start[-1])
    weight = rng.normal(size=start[-1])
    dense = np.zeros((5, 7))
    np.add.at(dense, (np.repeat(np.arange(5), lengths), index), weight)
    values, bar = rng.normal(size=7), rng.normal(size=5)
    np.testing.assert_allclose(
        kernels.weigh(values, start, index, weight), dense @ values, atol=1e-14
    )
    np.testing.assert_allclose(
        kernels.weigh_adjoint(values, start, index, weight, bar), dense.T @ bar, atol=1e-14
    )


# ---- records ----

FAR = np.array([-1e4, -300.0, -60.0, -31.0, -30.0, -29.9, -12.0, -3.0, -0.1, 0.0, 0.5, 6.0, 40.0])


def one_kind(kind: int, location: Floats, scale: Floats, low: Floats, high: Floats) -> Floats:
    """Return the normal terms of records that are all of one kind."""
    kinds = np.full(location.size, kind)
    terms: Floats = kernels.record_terms(location, scale, kinds, low, high, 0.0)
    return terms


@pytest.mark.parametrize("freedom", [0.0, 1.0, 5.0, 30.0])
def test_figures_are_normal_or_student(freedom: float) -> None:
    rng = np.random.default_rng(3)
    low, location = rng.normal(scale=5, size=(2, 50))
    scale = rng.uniform(0.05, 3, size=50)
    kind = np.full(50, POINT)
    terms = kernels.record_terms(location, scale, kind, low, low, freedom)
    law = stats.t(freedom, location, scale) if freedom else stats.norm(location, scale)
    np.testing.assert_allclose(terms, law.logpdf(low), rtol=1e-11)


def test_bounds_are_tail_probabilities_however_far_out() -> None:
    scale = np.full(FAR.size, 0.7)
    zero = np.zeros(FAR.size)
    expected = stats.norm.logcdf(FAR)
    above = one_kind(UPPER, zero, scale, zero, 0.7 * FAR)
    below = one_kind(LOWER, zero, scale, -0.7 * FAR, zero)
    np.testing.assert_allclose(above, expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(below, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("width", [0.01, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("start", [-45.0, -30.2, -12.0, -0.3, 0.0, 2.0, 9.0, 29.9, 45.0])
def test_ranges_are_the_mass_between_their_ends(start: float, width: float) -> None:
    """Against the integral of the density, scaled by its value at the end nearer to the centre."""
    end = start + width
    centre = min(max(0.0, start), end)

    def density(x: float) -> float:
        return float(np.exp(0.5 * (centre - x) * (centre + x)))

    # Past a few scales of decay from the centre nothing is left to add.
    reach = min(width, 40.0 / max(1.0, abs(centre)))
    left, right = max(start, centre - reach), min(end, centre + reach)
    mass, _ = integrate.quad(density, left, right, points=[centre], epsabs=0, epsrel=1e-11)
    expected = np.log(mass) + stats.norm.logpdf(centre)
    one = np.ones(1)
    terms = one_kind(RANGE, 0 * one, one, start * one, end * one)
    np.testing.assert_allclose(terms, expected, rtol=1e-8, atol=1e-12)


def test_a_certain_record_says_nothing() -> None:
    one = np.ones(2)
    kind = np.full(2, CERTAIN)
    assert (kernels.record_terms(one, one, kind, one, one, 0.0) == 0).all()
    for bar in kernels.record_terms_adjoint(one, one, kind, one, one, 0.0, one):
        assert (bar == 0).all()


@pytest.mark.parametrize("freedom", [0.0, 5.0])
@pytest.mark.parametrize("distance", [0.0, 3.0, 25.0, -25.0, 60.0])
def test_record_adjoint(freedom: float, distance: float) -> None:
    """Near the figures and far from them, where only the tails are left."""
    rng = np.random.default_rng(4)
    kind = np.tile([POINT, UPPER, LOWER, RANGE, CERTAIN], 4)
    low = rng.normal(size=kind.size)
    high = low + rng.uniform(0.1, 3, size=kind.size)
    location = rng.normal(size=kind.size) + distance
    scale = rng.uniform(0.6, 2, size=kind.size)
    weight = rng.normal(size=kind.size)

    def total(location: Floats, scale: Floats) -> float:
        terms = kernels.record_terms(location, scale, kind, low, high, freedom)
        return float((terms * weight).sum())

    bars = kernels.record_terms_adjoint(location, scale, kind, low, high, freedom, weight)
    close(bars[0], differences(lambda x: total(x, scale), location), rtol=2e-5)
    close(bars[1], differences(lambda x: total(location, x), scale), rtol=2e-5)


# ---- coordinates ----


@dataclass(frozen=True)
class Band:
    """A lower triangular matrix, and the same stored by rows from their first entry."""

    dense: Floats
    first: NDArray[np.int64]
    start: NDArray[np.int64]
    factor: Floats


def random_band(seed: int, size: int = 17, reach: int = 4, full: int = 3) -> Band:
    """Return rows of at most `reach` entries below the diagonal; the last `full` rows are whole."""
    rng = np.random.default_rng(seed)
    first = np.maximum(0, np.arange(size) - reach)
    first[-full:] = 0
    dense = np.tril(rng.normal(size=(size, size))) + 4 * np.eye(size)
    dense[np.arange(size)[None, :] < first[:, None]] = 0
    rows = [dense[i, first[i] : i + 1] for i in range(size)]
    start = np.cumsum([0, *(row.size for row in rows)])[:-1]
    return Band(dense, first.astype(np.int64), start.astype(np.int64), np.concatenate(rows))


@given(seeds)
def test_whitening_is_the_banded_factor_and_its_inverse(seed: int) -> None:
    band = random_band(seed)
    stored = (band.first, band.start, band.factor)
    white, bar = np.random.default_rng(seed).normal(size=(2, 17))
    shift = kernels.unwhiten(white, *stored)
    np.testing.assert_allclose(band.dense.T @ shift, white, atol=1e-10)
    np.testing.assert_allclose(kernels.whiten(shift, *stored), white, atol=1e-10)
    # The map is linear, so its adjoint is the transposed inverse, exactly.
    expected = np.linalg.solve(band.dense, bar)
    np.testing.assert_allclose(kernels.unwhiten_adjoint(white, *stored, bar), expected, atol=1e-10)


def test_origin_is_zero() -> None:
    band = random_band(5)
    array = np.ones((2, 2))
    zeros = kernels.origin(
        np.ones(6), *4 * [array], band.first, band.start, band.factor, np.array(1.0)
    )
    assert zeros.shape == (6,)
    assert not zeros.any()


YEARS, SERIES, EXTRA = 6, 3, 2
SIZE = YEARS * SERIES + EXTRA


@dataclass(frozen=True)
class Smoother:
    """Random arguments of the smoother."""

    shift: Floats
    persistence: Floats
    reference: Floats
    curvature: Floats
    pull: Floats

    def smooth(self, shift: Floats, persistence: Floats) -> Floats:
        """Return innovations, constants and scales, and the log volume."""
        result: Floats = kernels.smooth(shift, persistence, *self.fixed())
        return result

    def fixed(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return what the kernels take after the persistence."""
        diagonal, below = kernels.conditional_factors(self.reference, self.curvature)
        return diagonal, below, self.curvature, self.pull


@pytest.fixture(params=[0, 1, 2])
def smoother(request: pytest.FixtureRequest) -> Smoother:
    rng = np.random.default_rng(request.param)
    shape = (YEARS, SERIES)
    return Smoother(
        shift=rng.normal(size=SIZE),
        persistence=rng.uniform(0.1, 0.95, shape),
        reference=rng.uniform(0.1, 0.95, shape),
        curvature=rng.uniform(0, 30, shape),
        pull=rng.normal(size=shape),
    )


@given(seeds, st.integers(1, 7), st.integers(1, 3))
def test_conditional_factors_are_dense_cholesky_factors(seed: int, years: int, series: int) -> None:
    """Of the AR(1) precision, inverted from the states' covariance, plus the curvature."""
    rng = np.random.default_rng(seed)
    persistence = rng.uniform(0.01, 0.97, (years, series))
    curvature = rng.uniform(0, 30, (years, series))
    diagonal, below = kernels.conditional_factors(persistence, curvature)
    for k in range(series):
        precision = ar1_precision(persistence[:, k]) + np.diag(curvature[:, k])
        dense = np.linalg.cholesky(precision)
        np.testing.assert_allclose(diagonal[:, k], np.diag(dense), rtol=1e-8)
        np.testing.assert_allclose(below[1:, k], np.diag(dense, -1), rtol=1e-8)
        assert below[0, k] == 0
        assert np.abs(np.tril(dense, -2)).max() < 1e-8 * dense.max()


def ar1_precision(persistence: Floats) -> Floats:
    """Return the inverse of the covariance of one series' unit states."""
    units = np.eye(persistence.size)
    columns = [kernels.autoregress(e[:, None], persistence[:, None])[:, 0] for e in units]
    innovations = np.stack(columns, axis=1)
    precision: Floats = np.linalg.inv(innovations @ innovations.T)
    return precision


def test_smooth_adjoint(smoother: Smoother) -> None:
    weight = np.random.default_rng(6).normal(size=SIZE + 1)
    shift, persistence = smoother.shift, smoother.persistence
    bars = kernels.smooth_adjoint(shift, persistence, *smoother.fixed(), weight)
    close(bars[0], differences(lambda x: float(smoother.smooth(x, persistence) @ weight), shift))
    by_persistence = differences(lambda x: float(smoother.smooth(shift, x) @ weight), persistence)
    # The persistence of the first year leads from no year before it.
    close(bars[1][1:], by_persistence[1:], rtol=1e-5)
    assert np.abs(by_persistence[0]).max() < 1e-6


def test_displace_is_the_inverse_of_smooth(smoother: Smoother) -> None:
    result = smoother.smooth(smoother.shift, smoother.persistence)
    shift = kernels.displace(result[:-1], smoother.persistence, *smoother.fixed())
    np.testing.assert_allclose(shift, smoother.shift, atol=1e-10)


def test_log_volume_is_that_of_the_map(smoother: Smoother) -> None:
    """Up to one constant for all persistences."""

    def gap(persistence: Floats) -> float:
        rows = [
            differences(lambda x, i=i: float(smoother.smooth(x, persistence)[i]), smoother.shift)
            for i in range(SIZE)
        ]
        sign, logdet = np.linalg.slogdet(np.stack(rows))
        assert sign == 1
        return float(logdet - smoother.smooth(smoother.shift, persistence)[-1])

    first = gap(smoother.persistence)
    assert gap(smoother.reference) == pytest.approx(first, abs=1e-6)
    assert gap(np.full((YEARS, SERIES), 0.99)) == pytest.approx(first, abs=1e-6)


def test_smooth_at_the_reference_is_mode_plus_shift(smoother: Smoother) -> None:
    reference = smoother.reference
    result = smoother.smooth(smoother.shift, reference)
    states = YEARS * SERIES
    state = kernels.autoregress(result[:states].reshape(YEARS, SERIES), reference)
    shift = smoother.shift[:states].reshape(YEARS, SERIES)
    for k in range(SERIES):
        prior = ar1_precision(reference[:, k])
        mode = np.linalg.solve(prior + np.diag(smoother.curvature[:, k]), smoother.pull[:, k])
        np.testing.assert_allclose(state[:, k], mode + shift[:, k], atol=1e-9)
    np.testing.assert_array_equal(result[states:-1], smoother.shift[states:])


# --- what drives the balance, and what the records see of it --------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_persistences_and_their_adjoint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    years, series, groups = 4, 5, 3
    step, sd = rng.uniform(0.05, 0.4, (2, years, series))
    group = rng.integers(0, groups, series)
    step_mean, step_sd = rng.normal(0, 0.2, groups), rng.uniform(0.1, 0.5, groups)
    rest = (step_mean, step_sd, step, sd, group, np.array([1 - 1e-9]))
    vector = rng.normal(size=9)
    multiplier = np.exp(step_mean + step_sd * vector[-groups:])[group]
    found = kernels.persistences(vector, *rest)
    np.testing.assert_allclose(found, np.exp(-0.5 * (multiplier * step / sd) ** 2))
    bar = rng.normal(size=found.shape)
    slope = kernels.persistences_adjoint(vector, *rest, found, bar)
    close(slope, differences(lambda v: (kernels.persistences(v, *rest) * bar).sum(), vector))


@pytest.mark.parametrize("seed", range(3))
def test_levels_add_routes_and_yields(seed: int) -> None:
    rng = np.random.default_rng(seed)
    years, series, constants, columns = 4, 3, 2, 6
    latent = rng.normal(size=years * series + constants + 2)
    persistence = rng.uniform(0.2, 0.9, (years, series))
    mean, sd = rng.normal(size=(years, columns)), rng.uniform(0.1, 1, (years, columns))
    route, on_route = np.array([2, 0, 0, 0, 2, 0]), np.array([1.0, 0, 0, 0, 1, 0])
    rest = (mean, sd, np.array([constants]), route, on_route, np.array([1]), np.array([3]))
    state = kernels.autoregress(latent[: years * series].reshape(years, series), persistence)
    own = mean.copy()
    own[:, :series] += sd[:, :series] * state
    own[:, series:5] += sd[:, series:5] * latent[years * series : years * series + constants]
    expected = own + on_route * own[:, route]
    expected[:, 1] += np.log1p(np.exp(own[:, 3]))
    found = kernels.levels(latent, persistence, *rest)
    np.testing.assert_allclose(found, expected)
    bar = rng.normal(size=found.shape)
    by_latent, by_persistence = kernels.levels_adjoint(latent, persistence, *rest, bar)
    close(
        by_latent,
        differences(lambda v: (kernels.levels(v, persistence, *rest) * bar).sum(), latent),
    )
    slope = differences(lambda p: (kernels.levels(latent, p, *rest) * bar).sum(), persistence)
    close(by_persistence[1:], slope[1:])


@pytest.mark.parametrize("seed", range(3))
def test_locations_are_logs_of_sums_and_their_adjoint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow, level = rng.uniform(0.5, 2, (3, 4)), rng.normal(size=(3, 2))

    def sums(size: int, rows: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        start = np.cumsum([0, *rows])
        return start, rng.integers(0, size, start[-1]), rng.uniform(0.5, 2, start[-1])

    over = np.array([1.0, 0.0, 1.0])  # the second record is a ratio, the third is certain
    parts = (*sums(12, [2, 1, 0]), *sums(12, [0, 3, 0]), *sums(6, [1, 2, 1]))
    rest = (*parts, np.array([0.0, 0.0, 1.0]), over)
    found = kernels.locate(flow, level, *rest)
    above = kernels.weigh(flow.ravel(), *parts[:3]) + rest[-2]
    below = kernels.weigh(flow.ravel(), *parts[3:6]) + over
    expected = np.log(above / below) + kernels.weigh(level.ravel(), *parts[6:])
    np.testing.assert_allclose(found, expected)
    bar = rng.normal(size=3)
    by_flow, by_level = kernels.locate_adjoint(flow, level, *rest, bar)
    close(by_flow, differences(lambda f: (kernels.locate(f, level, *rest) * bar).sum(), flow))
    close(by_level, differences(lambda v: (kernels.locate(flow, v, *rest) * bar).sum(), level))
