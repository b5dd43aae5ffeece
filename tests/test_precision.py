"""The precision in parts and years, held against dense algebra and dense Hessians."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.copies import write_copies
from reebayes.inference import coordinates as geometry
from reebayes.inference.coordinates import Frame, identity
from reebayes.inference.density import gradients
from reebayes.inference.identifiability import count_directions, identify
from reebayes.inference.precision import Block, Part, kept, parts_of
from reebayes.model.kernels import CERTAIN
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats, Unknowns
from reebayes.study import read_study
from tests.numerics import dense_of, flat, jacobian

COPIES = 3


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The bundled study three times side by side."""
    return lay_out(read_study(write_copies(COPIES, tmp_path_factory.mktemp("copies") / "three")))


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The same, with trade from each to the next."""
    folder = tmp_path_factory.mktemp("linked") / "three"
    return lay_out(read_study(write_copies(COPIES, folder, linked=True)))


@pytest.fixture
def twice(tiny_study: Path, tmp_path: Path) -> Layout:
    """The tiny study twice side by side, without records of many years."""
    study = read_study(write_copies(2, tmp_path / "twice", study=tiny_study))
    return lay_out(study.with_records(r for r in study.records if r.year == r.year_end))


# --- blocks ---------------------------------------------------------------------------------------


def random_block(rng: np.random.Generator, years: int, series: int, constants: int) -> Block:
    """A positive definite precision: of a random factor in blocks."""
    part = part_of(series, constants)
    lower = Block.zeros(part, years)
    for array in lower.arrays:
        array[:] = 0.3 * rng.standard_normal(array.shape)
    lower.before[0] = 0.0
    for square in (*lower.within, lower.corner):
        square[:] = np.tril(square, -1) + np.diag(rng.uniform(0.5, 2.0, len(square)))
    dense = flat(lower) @ flat(lower).T
    block = Block.zeros(part, years)
    for t in range(years):
        here = slice(t * series, (t + 1) * series)
        block.within[t] = dense[here, here]
        block.border[t] = dense[years * series :, here]
        if t:
            block.before[t] = dense[here, (t - 1) * series : t * series]
    block.corner[:] = dense[years * series :, years * series :]
    return block


def part_of(series: int, constants: int) -> Part:
    return Part(np.arange(series), np.arange(constants), np.arange(0))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    years=st.integers(1, 6),
    series=st.integers(0, 4),
    constants=st.integers(0, 4),
)
def test_factor_and_solution_are_those_of_dense_algebra(
    seed: int, years: int, series: int, constants: int
) -> None:
    rng = np.random.default_rng(seed)
    block = random_block(rng, years, series, constants)
    dense, lower = flat(block, whole=True), block.factor()
    np.testing.assert_allclose(flat(lower), np.linalg.cholesky(dense), atol=1e-9)
    right = rng.standard_normal(years * series + constants)
    states, fixed = right[: years * series].reshape(years, series), right[years * series :]
    found = np.concatenate([values.ravel() for values in lower.solve(states, fixed)])
    np.testing.assert_allclose(found, np.linalg.solve(dense, right), atol=1e-8)
    logs = sum(np.log(values).sum() for values in lower.diagonals)
    assert 2 * logs == pytest.approx(np.linalg.slogdet(dense)[1], abs=1e-8)


def test_what_is_kept_stands_where_the_latent_vector_has_it() -> None:
    """Two parts whose columns alternate, and scales behind them."""
    unknowns = Unknowns(("a", "b", "c", "x", "y"), 3, 3, 2, 1)
    parts = (Part(np.array([0, 2]), np.array([1]), np.arange(0)),
             Part(np.array([1]), np.array([0]), np.arange(0)))  # fmt: skip
    rng = np.random.default_rng(4)
    factors = [random_block(rng, 3, p.series.size, p.constants.size).factor() for p in parts]
    scales = np.full(unknowns.size - unknowns.scales_start, 3.0)
    found = kept(zip(parts, factors, strict=True), scales, unknowns, 0.0)
    dense = np.zeros((unknowns.size, unknowns.size))
    for row, begin in enumerate(found.rows.start[:-1]):
        here = slice(begin, found.rows.start[row + 1])
        dense[row, found.rows.index[here]] = found.rows.weight[here]
    symmetric = dense_of(factors, parts, unknowns)
    tail = np.arange(unknowns.scales_start, unknowns.size)
    symmetric[tail, tail] = 3.0
    np.testing.assert_array_equal(dense, np.tril(symmetric, -1))
    np.testing.assert_array_equal(found.diagonal, np.diag(symmetric))


# --- parts ----------------------------------------------------------------------------------------


def test_parts_hold_every_free_column_and_informative_record_once(copies: Layout) -> None:
    parts, unknowns = parts_of(copies), copies.unknowns
    for field, count in (("series", unknowns.varying), ("constants", unknowns.constant)):
        found = np.concatenate([getattr(part, field) for part in parts])
        assert sorted(found) == list(range(count))
    records = np.concatenate([part.records for part in parts])
    assert len(set(records)) == records.size
    # what else there is depends on nothing: of a flow that cannot be, by a reporter without bias
    silent = np.setdiff1d(np.arange(len(copies.records)), records)
    assert (copies.equations.figures.kind[silent] == CERTAIN).all()


def test_copies_side_by_side_are_parts_and_trade_ties_them(copies: Layout, linked: Layout) -> None:
    alone = parts_of(lay_out(read_study()))
    assert len(parts_of(copies)) == COPIES * len(alone)
    largest = max(part.series.size for part in alone)
    assert max(part.series.size for part in parts_of(copies)) == largest
    assert max(part.series.size for part in parts_of(linked)) == COPIES * (largest + 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_parts_do_not_touch_in_the_dense_hessian(twice: Layout, seed: int) -> None:
    """And the blocks, probed together, are what it holds."""
    unknowns, parts = twice.unknowns, parts_of(twice)
    assert len(parts) >= 2
    frame = Frame.at(twice, np.zeros(unknowns.size - unknowns.scales_start))
    gradient = gradients(twice)(frame.whitening(twice))
    point = 0.3 * np.random.default_rng(seed).standard_normal(unknowns.size)
    point[unknowns.scales_start :] = 0.0
    free = unknowns.scales_start
    dense = -jacobian(lambda x: np.asarray(gradient(x)[1]), point)[:free, :free]
    blocks = geometry._precision(gradient, point[None], unknowns, parts)
    found = dense_of(blocks, parts, unknowns)[:free, :free]
    np.testing.assert_allclose(found, dense, rtol=1e-3, atol=2e-5 * np.abs(dense).max())


def test_no_matrix_of_all_unknowns_is_formed(copies: Layout) -> None:
    unknowns, parts = copies.unknowns, parts_of(copies)
    frame = Frame.at(copies, np.zeros(unknowns.size - unknowns.scales_start))
    rng = np.random.default_rng(1)

    def gradient(point: Floats) -> tuple[float, Floats]:
        return -0.5 * float(point @ point), -point

    point = rng.standard_normal(unknowns.size)
    tracemalloc.start()
    try:
        precision = geometry._precision(gradient, point[None], unknowns, parts)
        scales = np.ones(unknowns.size - unknowns.scales_start)
        whitening = geometry._laplace(copies, frame, point, parts, precision, scales)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert whitening.mode.size == unknowns.size > 5_000
    assert peak < 8 * unknowns.size**2 / 5


# --- directions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_directions_of_parts_are_those_of_the_whole(twice: Layout, seed: int) -> None:
    """Multipliers of steps touch all parts, and are counted once."""
    latent = 0.5 * np.random.default_rng(seed).standard_normal(twice.unknowns.size)
    counts = count_directions(twice, latent)
    sensitivity = _sensitivity(twice, latent)
    values = np.linalg.svd(sensitivity, compute_uv=False)
    blind = 1e-6 * max(values.max(), 1.0)
    assert counts["seen"] == (values > 1.0).sum()
    assert counts["faint"] == ((values <= 1.0) & (values > blind)).sum()
    assert counts["directions"] == sensitivity.shape[1]
    assert sum(counts[name] for name in ("seen", "faint", "unseen")) == counts["directions"]
    assert counts["informative_records"] == (np.abs(sensitivity).sum(axis=1) > 0).sum()


def _sensitivity(layout: Layout, latent: Floats) -> Floats:
    from reebayes.inference.identifiability import _Point

    return _Point(layout, latent).sensitivity()


def test_directions_of_a_study_are_those_that_identify_counts(tiny_study: Path) -> None:
    study = read_study(tiny_study)
    layout = lay_out(study)
    told = identify(study).attrs
    counts = count_directions(layout, np.zeros(layout.unknowns.size))
    assert counts == {name: told[name] for name in counts}
    assert identity(layout).rows.index.size == 0
