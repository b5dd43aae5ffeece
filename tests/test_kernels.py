"""Every kernel against finite differences, its inverse, and a second way to the same number."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from reebayes.model import kernels
from reebayes.model.kernels import (
    CERTAIN,
    EITHER,
    LOWER,
    POINT,
    RANGE,
    UPPER,
    Centres,
    Errors,
    Figures,
    Graph,
    Rows,
    Steps,
    Sums,
    Whitening,
)
from tests.numerics import (
    ar1_covariance,
    close,
    differences,
    jacobian,
    prior_bands,
    random_factor,
    random_pairs,
    whitening_of,
)

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

CEILING = 1.0 - 1e-9

seeds = st.integers(0, 2**32 - 1)


# --- years: persistences and states ---------------------------------------------------------------


def random_steps(seed: int, years: int, series: int, *, groups: int = 2) -> Steps:
    """Return steps whose table has three rows a group; a series stays in its group."""
    rng = np.random.default_rng(seed)
    own = np.arange(series) % groups
    return Steps(
        which=3 * own + rng.integers(0, 3, (years, series)),
        step_mean=rng.normal(0, 0.2, groups),
        step_sd=rng.uniform(0.1, 0.5, groups),
        ratio=rng.uniform(0.2, 1.5, 3 * groups),
        jump=np.tile([0.0, 0.0, 0.6], groups),
        group=np.repeat(np.arange(groups), 3),
        ceiling=np.array([CEILING]),
    )


def multipliers(latent: Floats, steps: Steps) -> Floats:
    """Return the step multiplier of every table row."""
    tail = latent[-steps.step_mean.size :]
    return np.exp(steps.step_mean + steps.step_sd * tail)[steps.group]


def by_year(latent: Floats, steps: Steps) -> Floats:
    """Return the persistence of every year and series."""
    return np.exp(-0.5 * moves(latent, steps) ** 2)[steps.which]


def moves(latent: Floats, steps: Steps) -> Floats:
    """Return the sizes of changes between years over their spreads, of every table row."""
    return np.hypot(multipliers(latent, steps) * steps.ratio, steps.jump)


@pytest.mark.parametrize("seed", range(3))
def test_persistences_and_their_slopes(seed: int) -> None:
    steps = random_steps(seed, 4, 5, groups=3)
    latent = np.random.default_rng(seed).normal(size=9)
    move = moves(latent, steps)
    persistence, innovation, slope = kernels.persistences(latent, steps)
    np.testing.assert_allclose(persistence, np.exp(-0.5 * move**2), rtol=1e-12)
    np.testing.assert_allclose(innovation, 1 - persistence**2, rtol=1e-12)
    by_latent = jacobian(lambda x: kernels.persistences(x, steps)[0], latent)
    tail = by_latent[:, latent.size - 3 :]
    np.testing.assert_allclose(slope, tail[np.arange(9), steps.group], rtol=1e-6)
    assert not by_latent[:, : latent.size - 3].any()


def test_innovations_keep_their_digits_where_the_persistence_is_near_one() -> None:
    steps = random_steps(0, 2, 1, groups=1)._replace(ratio=np.array([1e-3, 1e-4, 0.5]))
    latent = np.zeros(3)
    move = moves(latent, steps)
    innovation = kernels.persistences(latent, steps)[1]
    np.testing.assert_allclose(innovation, -np.expm1(-(move**2)), rtol=1e-12)


def test_persistence_stops_at_its_ceiling() -> None:
    steps = random_steps(0, 2, 1, groups=1)._replace(ratio=np.array([1e-9, 1e-6, 0.5]))
    persistence, innovation, slope = kernels.persistences(np.zeros(3), steps)
    assert (persistence[:2] == CEILING).all()
    assert (innovation[:2] == 1 - CEILING**2).all()
    assert (slope[:2] == 0).all()
    assert persistence[2] < CEILING
    assert slope[2] != 0


@given(seeds, st.integers(1, 8), st.integers(1, 4))
def test_states_are_the_recursion(seed: int, years: int, series: int) -> None:
    steps = random_steps(seed, years, series)
    latent = np.random.default_rng(seed).normal(size=years * series + 4)
    expected = latent[: years * series].reshape(years, series).copy()
    persistence = by_year(latent, steps)
    for t in range(1, years):
        p = persistence[t]
        expected[t] = p * expected[t - 1] + np.sqrt(1 - p**2) * expected[t]
    np.testing.assert_allclose(kernels.states(latent, steps), expected, rtol=1e-10, atol=1e-12)


def test_states_have_unit_variance_at_every_persistence() -> None:
    """The states of unit innovations are A e; the rows of A have length 1."""
    steps = random_steps(1, 9, 1, groups=1)
    spread = jacobian(lambda x: kernels.states(np.r_[x, 0.3], steps)[:, 0], np.zeros(9))
    np.testing.assert_allclose(np.square(spread).sum(axis=1), 1.0)
    np.testing.assert_allclose(
        spread @ spread.T, ar1_covariance(by_year(np.array([0.3]), steps)[:, 0]), atol=1e-10
    )


@pytest.mark.parametrize("years", [1, 2, 6])
def test_states_adjoint(years: int) -> None:
    steps = random_steps(2, years, 3)
    rng = np.random.default_rng(2)
    latent, weight = rng.normal(size=years * 3 + 4), rng.normal(size=(years, 3))
    bar = kernels.states_adjoint(latent, steps, kernels.states(latent, steps), weight)
    close(bar, differences(lambda x: float((kernels.states(x, steps) * weight).sum()), latent))


def test_states_adjoint_at_the_ceiling() -> None:
    steps = random_steps(3, 4, 2)._replace(ratio=np.full(6, 1e-7), jump=np.zeros(6))
    latent, weight = np.random.default_rng(3).normal(size=(2, 10))
    state_bar = weight[:8].reshape(4, 2)
    bar = kernels.states_adjoint(latent, steps, kernels.states(latent, steps), state_bar)
    close(bar, differences(lambda x: float((kernels.states(x, steps) * state_bar).sum()), latent))
    assert not bar[8:].any()


# --- levels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_levels_add_routes_and_yields(seed: int) -> None:
    rng = np.random.default_rng(seed)
    years, series, constants, columns = 4, 3, 2, 6
    state = rng.normal(size=(years, series))
    latent = rng.normal(size=years * series + constants + 2)
    # what is tied to a column on a route, whatever their order: 3 to 4, and 5 to 0
    route, on_route = np.array([2, 0, 0, 4, 2, 0]), np.array([1.0, 0, 0, 1, 1, 1])
    centres = Centres(
        mean=rng.normal(size=(columns, years)),
        sd=rng.uniform(0.1, 1, (columns, years)),
        constants=np.array([constants]),
        route=route,
        on_route=on_route,
        driven=np.array([1]),
        loss=np.array([3]),
    )
    own = centres.mean.copy()
    own[:series] += centres.sd[:series] * state.T
    fixed = latent[years * series : years * series + constants]
    own[series:5] += centres.sd[series:5] * fixed[:, None]
    expected = own + on_route[:, None] * own[route]
    expected[3] += own[2]
    expected[5] += own[2]
    expected[1] += np.log1p(np.exp(expected[3]))
    level = kernels.levels(state, latent, centres)
    np.testing.assert_allclose(level, expected)

    bar = rng.normal(size=level.shape)
    by_state, by_latent = kernels.levels_adjoint(state, latent, centres, level, bar)
    close(by_state, differences(lambda s: (kernels.levels(s, latent, centres) * bar).sum(), state))
    close(by_latent, differences(lambda v: (kernels.levels(state, v, centres) * bar).sum(), latent))


@pytest.mark.parametrize("odds", [-800.0, -40.0, 0.0, 40.0, 800.0])
def test_yields_stay_finite_far_out(odds: float) -> None:
    """-log(yield) is log(1 + odds of the loss), which no exponential may overflow."""
    centres = Centres(
        mean=np.array([[0.0], [odds]]),
        sd=np.zeros((2, 1)),
        constants=np.array([0]),
        route=np.zeros(2, dtype=np.int64),
        on_route=np.zeros(2),
        driven=np.array([0]),
        loss=np.array([1]),
    )
    state, latent = np.zeros((1, 0)), np.zeros(2)
    level = kernels.levels(state, latent, centres)
    np.testing.assert_allclose(level[0, 0], np.logaddexp(0.0, odds))
    for bar in kernels.levels_adjoint(state, latent, centres, level, np.ones((2, 1))):
        assert np.isfinite(bar).all()


# --- mass balance ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """A random graph: nature is process 0, the last process is the sink, the others have cycles."""

    source: Integers
    graph: Graph
    columns: int

    def solve(self, level: Floats) -> tuple[Floats, Floats, Floats]:
        """Return flows, shares and throughputs."""
        flow, share, throughput = kernels.balance(level, self.graph)
        return flow, share, throughput

    def pull_back(self, level: Floats, flow_bar: Floats) -> Floats:
        """Return the cotangent of the levels."""
        bar: Floats = kernels.balance_adjoint(level, self.graph, *self.solve(level), flow_bar)
        return bar


def random_network(
    seed: int, *, years: int = 3, inner: int = 5, linked: float = 0.45, lumped: bool = False
) -> Network:
    """Return a network in which every inner process has a way out, and most lie in cycles.

    With `lumped`, the whole graph is one stage: correct, but solved as one system.
    """
    rng = np.random.default_rng(seed)
    sink = inner + 1
    exogenous = [(0, int(node)) for node in rng.choice(np.arange(1, sink), 2, replace=False)]
    exits = [(node, sink) for node in range(1, sink)]
    between = [(a, b) for a in range(1, sink) for b in range(1, sink) if a != b]
    links = [link for link in between if rng.uniform() < linked]
    flows = np.array([*exogenous, *exits, *links], dtype=np.int64)
    size = len(flows)
    outside = np.arange(size) < len(exogenous)
    column = np.full(size, -1, dtype=np.int64)
    driven = np.r_[np.arange(2), np.arange(2 + inner, size)]  # the exits take the remainder
    column[driven] = np.arange(driven.size)
    active = rng.uniform(size=(size, years)) < 0.8
    active[2 : 2 + inner] = True
    active[:, 0] = True
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


def _stages(links: Integers, size: int, lumped: bool) -> tuple[Integers, Integers]:
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
    for t, active in enumerate(graph.active.T):
        inflow, shares = np.zeros(size), np.zeros((size, size))
        share = np.zeros(active.size)
        for node in range(size):
            out = np.flatnonzero(active & ~graph.exogenous & (network.source == node))
            logit = np.where(graph.column[out] >= 0, level[graph.column[out], t], 0.0)
            share[out] = np.exp(logit - np.logaddexp.reduce(logit)) if out.size else 0.0
            np.add.at(shares[node], graph.target[out], share[out])
        for f in np.flatnonzero(active & graph.exogenous):
            flows[f, t] = np.exp(level[graph.column[f], t])
            inflow[graph.target[f]] += flows[f, t]
        throughput = np.linalg.solve(np.eye(size) - shares.T, inflow)
        inner = ~graph.exogenous
        flows[inner, t] = (share * throughput[network.source])[inner]
    return flows


def imbalance(network: Network, flow: Floats) -> float:
    """Return the largest difference of inflow and outflow, relative to the inflow."""
    worst = 0.0
    for node in range(1, network.graph.order.size - 1):
        entering = flow[network.graph.target == node].sum(axis=0)
        leaving = flow[network.source == node].sum(axis=0)
        worst = max(worst, float(np.max(np.abs(entering - leaving) / np.maximum(entering, 1e-300))))
    return worst


def random_levels(network: Network, seed: int, scale: float = 1.0) -> Floats:
    shape = (network.columns, network.graph.active.shape[1])
    return np.random.default_rng(seed).normal(scale=scale, size=shape)


@given(seeds, st.integers(2, 7), st.booleans())
def test_balance_closes_and_equals_a_dense_solve(seed: int, inner: int, lumped: bool) -> None:
    network = random_network(seed, inner=inner, lumped=lumped)
    level = random_levels(network, seed)
    flow, share, throughput = network.solve(level)
    np.testing.assert_allclose(flow, dense_flows(network, level), rtol=1e-10, atol=1e-13)
    assert imbalance(network, flow) < 1e-12
    assert (flow[~network.graph.active] == 0).all()
    assert (flow >= 0).all()
    inner_flows = ~network.graph.exogenous
    expected = share * throughput[network.source]
    np.testing.assert_allclose(flow[inner_flows], expected[inner_flows])


@given(seeds, st.floats(1.0, 8.0))
def test_balance_closes_far_out(seed: int, spread: float) -> None:
    """Nearly closed cycles, in which throughputs are far larger than inflows, close too."""
    network = random_network(seed)
    flow = network.solve(random_levels(network, seed, spread))[0]
    assert (flow >= 0).all()
    assert imbalance(network, flow) < 1e-9


def nearly_closed(seed: int, spread: float, closed: float) -> tuple[Network, Floats]:
    """A cycle of four in which everything goes round, but for exits of about exp(-closed)."""
    network = random_network(seed, years=1, inner=4, linked=1.0)
    level = random_levels(network, seed, spread)
    level[2:] += closed  # the links, against exits at 0
    return network, level


@given(seeds, st.floats(0.0, 4.0), st.floats(0.0, 12.0))
def test_cycles_of_four_with_small_exits_close(seed: int, spread: float, closed: float) -> None:
    """Pivots are not searched: the digits that an exit leaves must be right all the same."""
    network, level = nearly_closed(seed, spread, closed)
    flow, share, throughput = network.solve(level)
    assert (flow >= 0).all()
    assert imbalance(network, flow) < 1e-12
    expected = exact_throughputs(network, flow[:, 0], share[:, 0])
    way_out = min(1.0, flow[network.graph.exogenous].sum() / expected.sum())
    np.testing.assert_allclose(throughput[1:5, 0], expected, rtol=1e-13 / way_out)


@given(seeds, st.floats(0.0, 8.0), st.floats(0.0, 60.0))
def test_what_enters_leaves_however_tiny_the_exits(seed: int, spread: float, closed: float) -> None:
    """Every process may balance and the world lose mass, if exits drown in rounding."""
    network, level = nearly_closed(seed, spread, closed)
    flow, share, throughput = network.solve(level)
    assert np.isfinite(flow).all()
    assert (flow >= 0).all()
    assert imbalance(network, flow) < 1e-12
    entering = flow[network.graph.exogenous].sum()
    leaving = flow[network.graph.target == 5].sum()
    assert leaving == pytest.approx(entering, rel=1e-12)
    expected = exact_throughputs(network, flow[:, 0], share[:, 0])
    np.testing.assert_allclose(throughput[1:5, 0], expected, rtol=1e-12)


def exact_throughputs(network: Network, flow: Floats, share: Floats) -> Floats:
    """Throughputs of the four inner processes of one year, in rational numbers.

    What a process passes on is the sum of its shares, which rounding may keep from being 1.
    """
    graph, inner = network.graph, range(1, 5)
    rows = [[Fraction(0)] * 5 for _ in inner]
    for f, (source, target) in enumerate(zip(network.source, graph.target, strict=True)):
        if graph.exogenous[f]:
            rows[target - 1][4] += Fraction(flow[f])
            continue
        rows[source - 1][source - 1] += Fraction(share[f])
        if target in inner:
            rows[target - 1][source - 1] -= Fraction(share[f])
    for i in range(4):
        for r in range(4):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    return np.array([float(row[4] / row[i]) for i, row in enumerate(rows)])


@settings(max_examples=25)
@given(seeds, st.integers(2, 5), st.booleans())
def test_balance_adjoint(seed: int, inner: int, lumped: bool) -> None:
    network = random_network(seed, inner=inner, lumped=lumped)
    level = random_levels(network, seed)
    weight = np.random.default_rng(seed + 1).normal(size=network.graph.active.shape)

    def total(level: Floats) -> float:
        return float((network.solve(level)[0] * weight).sum())

    close(network.pull_back(level, weight), differences(total, level), rtol=1e-5)


# --- sums, locations, scales ----------------------------------------------------------------------


def random_rows(rng: np.random.Generator, lengths: list[int], size: int) -> Rows:
    start = np.cumsum([0, *lengths]).astype(np.int64)
    return Rows(start, rng.integers(0, size, start[-1]), rng.uniform(0.5, 2, start[-1]))


def dense_rows(rows: Rows, size: int) -> Floats:
    dense = np.zeros((rows.start.size - 1, size))
    row = np.repeat(np.arange(rows.start.size - 1), np.diff(rows.start))
    np.add.at(dense, (row, rows.index), rows.weight)
    return dense


@given(seeds)
def test_weigh_is_a_sparse_matrix_and_its_transpose(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, [int(n) for n in rng.integers(0, 4, size=5)], 7)
    dense = dense_rows(rows, 7)
    values, bar = rng.normal(size=7), rng.normal(size=5)
    np.testing.assert_allclose(kernels.weigh(values, rows), dense @ values, atol=1e-14)
    pulled = np.ones(values.size)
    kernels.weigh_adjoint(rows, bar, pulled)
    np.testing.assert_allclose(pulled, 1.0 + dense.T @ bar, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_locations_are_those_of_sums_and_their_adjoint(seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow, level = rng.uniform(0.5, 2, (4, 3)), rng.normal(size=(2, 3))
    # The second record is a ratio, the third is certain; the last two are signed, one a ratio.
    above_rows = random_rows(rng, [2, 1, 0, 4, 3], 12)
    above_rows.weight[3:] -= above_rows.weight[3:].mean()
    sums = Sums(
        above=above_rows,
        below=random_rows(rng, [0, 3, 0, 0, 2], 12),
        shift=random_rows(rng, [1, 2, 1, 2, 1], 6),
        offset=np.array([0.0, 0.0, 1.0, 0.0, 0.0]),
        over=np.array([1.0, 0.0, 1.0, 1.0, 0.0]),
        plain=np.array([False, False, False, True, True]),
        # the second and the third are seen against records before them
        against=random_rows(rng, [0, 1, 2, 0, 0], 2),
    )
    above = dense_rows(sums.above, 12) @ flow.ravel() + sums.offset
    below = dense_rows(sums.below, 12) @ flow.ravel() + sums.over
    shift = dense_rows(sums.shift, 6) @ level.ravel()
    logs = np.log(np.where(sums.plain, 1.0, above / below)) + shift
    expected = np.where(sums.plain, np.exp(shift) * above / below, logs)
    expected = expected - dense_rows(sums.against, 5) @ expected
    np.testing.assert_allclose(kernels.locate(flow, level, sums), expected)

    bar = rng.normal(size=5)
    by_flow, by_level = kernels.locate_adjoint(flow, level, sums, bar)
    close(by_flow, differences(lambda f: (kernels.locate(f, level, sums) * bar).sum(), flow))
    close(by_level, differences(lambda v: (kernels.locate(flow, v, sums) * bar).sum(), level))


@pytest.mark.parametrize("learnt", [False, True])
def test_spreads_are_stated_errors_times_noise_and_their_adjoint(learnt: bool) -> None:
    rng = np.random.default_rng(1)
    latent, bar = rng.normal(size=9), rng.normal(size=7)
    errors = Errors(
        floor=np.array([0.25]),
        noise_start=np.array([4]),
        noise_mean=rng.normal(size=4),
        noise_sd=np.array([0.3, 0.0, 0.5, 0.4]),
        record_sd=rng.uniform(0.05, 0.5, 7),
        reporter=np.array([0, 1, 2, 2, 0, 1, 2]),
        stretch=np.array([0.2, 0.4]),
        stretch_at=np.array([8] if learnt else [], dtype=np.int64),
        tail=np.zeros(2),
        tail_at=np.array([], dtype=np.int64),
    )
    stretch = np.exp(0.2 + (0.4 * latent[8] if learnt else 0.0))
    spread = errors.noise_sd * [stretch, stretch, stretch, 1.0]
    noise = np.exp(errors.noise_mean + spread * latent[4:8])
    scale = kernels.spreads(latent, errors)
    variance = 0.25 + 0.75 * (noise[3] * noise[:3])[errors.reporter] ** 2
    np.testing.assert_allclose(scale**2, errors.record_sd**2 * variance)
    close(
        kernels.spreads_adjoint(latent, errors, scale, bar),
        differences(lambda x: float(kernels.spreads(x, errors) @ bar), latent),
    )


# --- records --------------------------------------------------------------------------------------

FAR = np.array([-1e4, -300.0, -60.0, -31.0, -30.0, -29.9, -12.0, -3.0, -0.1, 0.0, 0.5, 6.0, 40.0])


def one_kind(
    kind: int, location: Floats, scale: Floats, low: Floats, high: Floats, freedom: float = 0.0
) -> Floats:
    """Return the terms of records that are all of one kind."""
    figures = Figures(np.full(location.size, kind), low, high, freedom)
    terms: Floats = kernels.record_terms(location, scale, figures)
    return terms


@pytest.mark.parametrize("freedom", [0.0, 1.0, 5.0, 30.0])
def test_figures_are_normal_or_student(freedom: float) -> None:
    rng = np.random.default_rng(3)
    low, high, location = rng.normal(scale=5, size=(3, 50))
    scale = rng.uniform(0.05, 3, size=50)
    law = stats.t(freedom, location, scale) if freedom else stats.norm(location, scale)
    terms = one_kind(POINT, location, scale, low, low, freedom)
    np.testing.assert_allclose(terms, law.logpdf(low), rtol=1e-11)
    terms = one_kind(EITHER, location, scale, low, high, freedom)
    both = np.logaddexp(law.logpdf(low), law.logpdf(high)) - np.log(2)
    np.testing.assert_allclose(terms, both, rtol=1e-11)


@pytest.mark.parametrize("freedom", [0.0, 5.0])
def test_two_equal_readings_are_one(freedom: float) -> None:
    low, location = np.random.default_rng(4).normal(scale=5, size=(2, 20))
    scale = np.full(20, 0.4)
    np.testing.assert_allclose(
        one_kind(EITHER, location, scale, low, low, freedom),
        one_kind(POINT, location, scale, low, low, freedom),
    )


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
    figures = Figures(np.full(2, CERTAIN), one, one, 0.0)
    assert (kernels.record_terms(one, one, figures) == 0).all()
    for bar in kernels.record_terms_adjoint(one, one, figures, one):
        assert (bar == 0).all()


@pytest.mark.parametrize("freedom", [0.0, 5.0])
@pytest.mark.parametrize("distance", [0.0, 3.0, 25.0, -25.0, 60.0])
def test_record_adjoint(freedom: float, distance: float) -> None:
    """Near the figures and far from them, where only the tails are left."""
    rng = np.random.default_rng(4)
    kind = np.tile([POINT, UPPER, LOWER, RANGE, CERTAIN, EITHER], 4)
    low = rng.normal(size=kind.size)
    figures = Figures(kind, low, low + rng.uniform(0.1, 3, size=kind.size), freedom)
    location = rng.normal(size=kind.size) + distance
    scale = rng.uniform(0.6, 2, size=kind.size)
    weight = rng.normal(size=kind.size)

    def total(location: Floats, scale: Floats) -> float:
        return float((kernels.record_terms(location, scale, figures) * weight).sum())

    bars = kernels.record_terms_adjoint(location, scale, figures, weight)
    close(bars[0], differences(lambda x: total(x, scale), location), rtol=2e-5)
    close(bars[1], differences(lambda x: total(location, x), scale), rtol=2e-5)


@pytest.mark.parametrize("freedom", [0.0, 5.0])
def test_either_adjoint_between_two_readings_that_exclude_one_another(freedom: float) -> None:
    location = np.linspace(-6.0, 6.0, 25)
    scale, weight = np.full(25, 0.3), np.ones(25)
    figures = Figures(np.full(25, EITHER), np.full(25, -5.0), np.full(25, 5.0), freedom)
    bars = kernels.record_terms_adjoint(location, scale, figures, weight)
    for bar, by in zip(
        bars,
        (
            differences(lambda x: kernels.record_terms(x, scale, figures).sum(), location),
            differences(lambda x: kernels.record_terms(location, x, figures).sum(), scale),
        ),
        strict=True,
    ):
        close(bar, by, rtol=1e-5)


# --- coordinates ----------------------------------------------------------------------------------


@given(seeds, st.integers(1, 5), st.integers(4, 9))
def test_sums_and_ratios_of_pairs(seed: int, years: int, series: int) -> None:
    """The sum moves with the first state alone, the ratio with the second, and volume is kept."""
    rng = np.random.default_rng(seed)
    pairs = random_pairs(rng, years, series)
    state, bar = rng.normal(scale=2.0, size=(2, years, series))
    paired = kernels.join(state, pairs)
    np.testing.assert_allclose(kernels.split(paired, pairs), state, atol=1e-9)

    def logs(states: Floats) -> tuple[Floats, Floats]:
        flat = states.ravel()
        one = pairs.first_slope * (flat[pairs.first] - pairs.first_centre)
        other = pairs.second_slope * (flat[pairs.second] - pairs.second_centre)
        return one, other + pairs.log_ratio

    one, other = logs(state)
    moved, centre = paired.ravel(), np.logaddexp(0.0, pairs.log_ratio)
    np.testing.assert_allclose(
        np.logaddexp(one, other),
        centre + pairs.first_slope * (moved[pairs.first] - pairs.first_centre), atol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        other - one,
        pairs.log_ratio + pairs.second_slope * (moved[pairs.second] - pairs.second_centre),
        atol=1e-9,
    )
    slopes = jacobian(lambda x: kernels.split(x.reshape(state.shape), pairs).ravel(), moved)
    np.testing.assert_allclose(np.linalg.det(slopes), 1.0, rtol=1e-6)
    pulled = kernels.split_adjoint(paired, bar, pairs)
    close(pulled, (slopes.T @ bar.ravel()).reshape(state.shape))


@given(seeds)
def test_the_change_of_prior_is_that_of_the_states(seed: int) -> None:
    rng = np.random.default_rng(seed)
    years, series = 5, 4
    steps = random_steps(seed, years, series, groups=series)
    latent = rng.normal(size=years * series + series)
    pairs = random_pairs(rng, years, series)
    paired, state = rng.normal(size=(2, years, series))
    still = np.ones(years * series + series)

    def change(states: Floats, pairs_at: Floats, at: Floats) -> float:
        persistence = by_year(at, steps)
        total = 0.0
        for k in pairs.series:
            precision = np.linalg.inv(ar1_covariance(persistence[:, k]))
            s, u = states[:, k], pairs_at[:, k]
            total -= 0.5 * (s @ precision @ s - u @ precision @ u)
        return float(total)

    def bands(at: Floats) -> tuple[Floats, ...]:
        table = kernels.persistences(at, steps)
        none = whitening_of(
            mode=still, lower=np.eye(still.size), diagonal=np.ones((years, series)),
            coupling=np.zeros((years, series)), curvature=np.zeros((years, series)),
            pull=np.zeros((years, series)),
        )  # fmt: skip
        found: tuple[Floats, ...] = kernels.smooth(np.zeros_like(still), steps.which, table, none)[
            7
        ]
        return found

    found, by_state, by_paired, slope = kernels.change_of_prior(paired, state, bands(latent), pairs)
    np.testing.assert_allclose(found, change(state, paired, latent), rtol=1e-7, atol=1e-7)
    close(by_state, differences(lambda x: change(x, paired, latent), state), rtol=1e-5)
    close(by_paired, differences(lambda x: change(state, x, latent), paired), rtol=1e-5)
    by_group = differences(lambda x: change(state, paired, x), latent)[-series:]
    expected = np.zeros(series)
    for k in range(series):
        expected[steps.group[steps.which[1, k]]] += slope[k]
    close(expected, by_group, rtol=1e-4)


YEARS, SERIES, EXTRA = 6, 3, 2
FREE = YEARS * SERIES
SIZE = FREE + EXTRA + SERIES


@dataclass(frozen=True)
class Smoother:
    """Random arguments of the smoother; every series is a group of its own."""

    steps: Steps
    latent: Floats
    reference: Floats
    whitening: Whitening

    def smooth(self, shift: Floats, latent: Floats | None = None) -> tuple[Floats, ...]:
        """Return what the kernel does, at the step multipliers of a latent vector."""
        table = kernels.persistences(self.latent if latent is None else latent, self.steps)
        path: tuple[Floats, ...] = kernels.smooth(shift, self.steps.which, table, self.whitening)
        return path

    @property
    def persistence(self) -> Floats:
        """Persistence (year, series) at the latent vector."""
        return by_year(self.latent, self.steps)


@pytest.fixture(params=[0, 1, 2])
def smoother(request: pytest.FixtureRequest) -> Smoother:
    rng = np.random.default_rng(request.param)
    steps = random_steps(request.param, YEARS, SERIES, groups=SERIES)
    reference = by_year(rng.normal(size=SIZE), steps)
    diagonal, coupling = prior_bands(reference)
    whitening = whitening_of(
        mode=rng.normal(size=SIZE),
        lower=random_factor(rng, SIZE),
        diagonal=diagonal,
        coupling=coupling,
        curvature=rng.uniform(0, 30, (YEARS, SERIES)),
        pull=rng.normal(size=(YEARS, SERIES)),
    )
    return Smoother(steps, rng.normal(size=SIZE), reference, whitening)


def dense_factor(whitening: Whitening) -> Floats:
    """Return the factor, put together from its rows."""
    size = whitening.inverse.size
    return dense_rows(whitening.rows, size) + np.diag(1.0 / whitening.inverse)


def test_unwhitening_solves_with_the_transposed_factor(smoother: Smoother) -> None:
    lower = dense_factor(smoother.whitening)
    white, bar = np.random.default_rng(1).normal(size=(2, SIZE))
    shift = kernels.unwhiten(white, smoother.whitening)
    np.testing.assert_allclose(lower.T @ shift, white, atol=1e-10)
    # the map is linear, so its adjoint is the transposed inverse, exactly
    pulled = kernels.unwhiten_adjoint(bar, smoother.whitening)
    np.testing.assert_allclose(lower @ pulled, bar, atol=1e-10)
    close(pulled, differences(lambda x: kernels.unwhiten(x, smoother.whitening) @ bar, white))


@given(seeds, st.integers(1, 7), st.integers(1, 3))
def test_conditional_factors_are_dense_cholesky_factors(seed: int, years: int, series: int) -> None:
    rng = np.random.default_rng(seed)
    diagonal, coupling = prior_bands(rng.uniform(0.01, 0.97, (years, series)))
    diagonal += rng.uniform(0, 30, (years, series))
    inverse, below = kernels.conditional_factors(diagonal, coupling)
    assert not below[0].any()
    for k in range(series):
        lower = np.diag(1.0 / inverse[:, k]) + np.diag(below[1:, k], -1)
        expected = np.diag(diagonal[:, k])
        expected += np.diag(coupling[1:, k], -1) + np.diag(coupling[1:, k], 1)
        np.testing.assert_allclose(lower @ lower.T, expected, rtol=1e-10, atol=1e-10)


def test_smooth_is_the_conditional_draw_of_every_series(smoother: Smoother) -> None:
    """State = P^-1 pull + C'^-1 C0' shift, with dense matrices."""
    shift = np.random.default_rng(2).normal(size=SIZE)
    state = smoother.smooth(shift)[0]
    own = shift[:FREE].reshape(YEARS, SERIES)
    for k in range(SERIES):
        bend = np.diag(smoother.whitening.curvature[:, k])
        precision = np.linalg.inv(ar1_covariance(smoother.persistence[:, k])) + bend
        before = np.linalg.inv(ar1_covariance(smoother.reference[:, k])) + bend
        lower, lower0 = np.linalg.cholesky(precision), np.linalg.cholesky(before)
        expected = np.linalg.solve(precision, smoother.whitening.pull[:, k])
        expected += np.linalg.solve(lower.T, lower0.T @ own[:, k])
        np.testing.assert_allclose(state[:, k], expected, rtol=1e-8, atol=1e-10)


def test_smooth_at_the_reference_is_the_centre_plus_the_shift(smoother: Smoother) -> None:
    steps, which = smoother.steps, smoother.steps.which
    squares = -2 * np.log(smoother.reference) - steps.jump[which] ** 2
    log_ratio = np.sqrt(squares) / steps.ratio[which]
    tail = (np.log(log_ratio[0]) - smoother.steps.step_mean) / smoother.steps.step_sd
    latent = np.r_[np.zeros(SIZE - SERIES), tail]
    np.testing.assert_allclose(by_year(latent, smoother.steps), smoother.reference)
    shift = np.random.default_rng(3).normal(size=SIZE)
    state = smoother.smooth(shift, latent)[0]
    for k in range(SERIES):
        prior = np.linalg.inv(ar1_covariance(smoother.reference[:, k]))
        bend = np.diag(smoother.whitening.curvature[:, k])
        centre = np.linalg.solve(prior + bend, smoother.whitening.pull[:, k])
        own = shift[:FREE].reshape(YEARS, SERIES)[:, k]
        np.testing.assert_allclose(state[:, k], centre + own, atol=1e-9)


def test_density_of_smooth_is_that_of_the_states_and_of_the_map(smoother: Smoother) -> None:
    """Log density of the AR(1) prior plus the log volume, by a dense covariance and a Jacobian."""
    shift = np.random.default_rng(4).normal(size=SIZE)
    path = smoother.smooth(shift)
    prior = sum(
        stats.multivariate_normal(cov=ar1_covariance(smoother.persistence[:, k])).logpdf(
            path[0][:, k]
        )
        for k in range(SERIES)
    )
    slopes = jacobian(lambda x: smoother.smooth(np.r_[x, shift[FREE:]])[0].ravel(), shift[:FREE])
    volume = np.linalg.slogdet(slopes)[1] - np.log(smoother.whitening.diagonal0).sum()
    expected = prior + 0.5 * FREE * np.log(2 * np.pi) + volume
    assert float(path[2]) == pytest.approx(expected, rel=1e-8)


def test_slopes_of_smooth_in_the_step_multipliers(smoother: Smoother) -> None:
    shift = np.random.default_rng(5).normal(size=SIZE)
    _, state_slope, _, density_slope, *_ = smoother.smooth(shift)
    begin = SIZE - SERIES
    by_latent = jacobian(lambda x: smoother.smooth(shift, x)[0].ravel(), smoother.latent)
    for k in range(SERIES):
        by_own = by_latent[:, begin + k].reshape(YEARS, SERIES)
        close(state_slope[:, k], by_own[:, k])
        assert not np.delete(by_own, k, axis=1).any()
    slope = differences(lambda x: float(smoother.smooth(shift, x)[2]), smoother.latent)
    close(density_slope, slope[begin:])


def test_slopes_of_smooth_vanish_at_the_ceiling(smoother: Smoother) -> None:
    still = smoother.steps._replace(
        ratio=np.full_like(smoother.steps.ratio, 1e-7), jump=np.zeros_like(smoother.steps.jump)
    )
    table = kernels.persistences(smoother.latent, still)
    path = kernels.smooth(np.zeros(SIZE), still.which, table, smoother.whitening)
    assert not path[1].any()
    assert not path[3].any()
    assert all(np.isfinite(part).all() for part in path[:7])


def test_smooth_adjoint(smoother: Smoother) -> None:
    shift = np.random.default_rng(6).normal(size=SIZE)
    weight = np.random.default_rng(7).normal(size=(YEARS, SERIES))

    def total(own: Floats) -> float:
        path = smoother.smooth(np.r_[own, shift[FREE:]])
        return float(path[2] + (path[0] * weight).sum())

    bar = kernels.smooth_adjoint(smoother.smooth(shift), weight, smoother.whitening)
    close(bar.ravel(), differences(total, shift[:FREE]))


def test_states_of_an_unfolded_latent_vector_are_its_states(smoother: Smoother) -> None:
    white = np.random.default_rng(8).normal(size=SIZE)
    state, latent = kernels.unfold(white, smoother.steps, smoother.whitening)
    np.testing.assert_allclose(kernels.states(latent, smoother.steps), state, atol=1e-10)
    shift = kernels.unwhiten(white, smoother.whitening) + smoother.whitening.mode
    np.testing.assert_allclose(latent[FREE:], shift[FREE:], atol=1e-12)
    np.testing.assert_allclose(state, smoother.smooth(shift, latent)[0], atol=1e-10)
