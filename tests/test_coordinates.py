"""Coordinates of the posterior: the mode, the curvature there, and what happens without one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from reebayes.errors import FitError
from reebayes.inference import coordinates as geometry
from reebayes.inference.coordinates import Frame, Gradient, at_mode, identity, over_draws
from reebayes.inference.density import gradients
from reebayes.inference.precision import Block, Part, kept, parts_of
from reebayes.model import kernels
from reebayes.model.kernels import Whitening, states, unfold
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Unknowns
from reebayes.study import Study, read_study
from tests.numerics import (
    ar1_covariance,
    block_of,
    dense_of,
    flat,
    jacobian,
    log_volume,
    random_factor,
)
from tests.tiny import write_tables

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Density:
    """The density of a study in any coordinates."""

    layout: Layout

    @property
    def unknowns(self) -> Unknowns:
        return self.layout.unknowns

    @property
    def parts(self) -> tuple[Part, ...]:
        return parts_of(self.layout)

    @property
    def scales(self) -> int:
        """Number of noise and step multipliers."""
        return self.unknowns.size - self.unknowns.scales_start

    @property
    def gradient_at(self) -> Callable[[Whitening], Gradient]:
        return gradients(self.layout)

    def unfold(self, white: Floats, whitening: Whitening) -> tuple[Floats, Floats]:
        """Return states (year, series) and latent vector."""
        state, latent = unfold(white, self.layout.equations.steps, whitening)
        return state, latent


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_tables(tmp_path_factory.mktemp("geometry") / "tiny"))


@pytest.fixture(scope="module")
def density(study: Study) -> Density:
    return Density(lay_out(study))


@pytest.fixture(scope="module")
def yearly(study: Study) -> Density:
    """The tiny study without the records that span years."""
    return Density(lay_out(study.with_records(r for r in study.records if r.year == r.year_end)))


@pytest.fixture(scope="module")
def straight(density: Density) -> Whitening:
    return at_mode(density.gradient_at, density.layout)


@pytest.fixture(scope="module")
def pilot(density: Density, straight: Whitening) -> Floats:
    """Latent vectors (draw, latent) around the mode, with scales off their prior's centre."""
    rng = np.random.default_rng(11)
    white = rng.standard_normal((40, density.unknowns.size))
    white[:, density.unknowns.scales_start :] *= np.linspace(0.1, 1.8, density.scales)
    white[:, density.unknowns.scales_start :] += 0.5 * rng.normal(size=density.scales)
    return np.array([density.unfold(point, straight)[1] for point in white])


@pytest.fixture(scope="module")
def averaged(density: Density, pilot: Floats) -> Whitening:
    return over_draws(density.gradient_at, density.layout, pilot)


def dense_precision(gradient: Gradient, point: Floats, width: float = 1e-5) -> Floats:
    """Negative Hessian, one unknown at a time."""
    return -jacobian(lambda x: np.asarray(gradient(x)[1]), point, width)


def unwhitening(whitening: Whitening) -> Floats:
    """The map from white coordinates to displacements, as a matrix."""
    return np.stack(
        [kernels.unwhiten(unit, whitening) for unit in np.eye(whitening.mode.size)], axis=1
    )


# --- coordinates of the prior ---------------------------------------------------------------------


def test_the_prior_is_spherical_in_the_identity(density: Density) -> None:
    """The map turns and mirrors: lengths and volume stay as they are."""
    spherical = identity(density.layout)
    points = np.random.default_rng(3).standard_normal((5, density.unknowns.size))
    for white in points:
        latent = density.unfold(white, spherical)[1]
        assert latent @ latent == pytest.approx(white @ white, rel=1e-10)
        assert log_volume(white, density.layout.equations.steps, spherical) == pytest.approx(
            0, abs=1e-6
        )


def test_without_records_the_identity_has_a_standard_normal_density(study: Study) -> None:
    layout = lay_out(study.with_records(()))
    gradient = gradients(layout)(identity(layout))
    for white in np.random.default_rng(4).standard_normal((5, layout.unknowns.size)):
        value, slope = gradient(white)
        assert value == pytest.approx(-0.5 * white @ white, rel=1e-10)
        np.testing.assert_allclose(slope, -white, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_frame_holds_the_precision_of_the_states(density: Density, seed: int) -> None:
    scales = np.random.default_rng(seed).normal(size=density.scales)
    frame = Frame.at(density.layout, scales)
    np.testing.assert_array_equal(frame.held[density.unknowns.scales_start :], scales)
    assert not frame.held[: density.unknowns.scales_start].any()
    persistence = kernels.persistences(frame.held, density.layout.equations.steps)[0]
    for series, rows in enumerate(density.layout.equations.steps.which.T):
        expected = np.linalg.inv(ar1_covariance(persistence[rows]))
        bands = np.diag(frame.precision[:, series]) + np.diag(frame.coupling[1:, series], -1)
        np.testing.assert_allclose(bands, np.tril(expected), rtol=1e-7, atol=1e-7)


def test_coordinates_of_a_frame_are_the_states(density: Density) -> None:
    scales = np.random.default_rng(2).normal(size=density.scales)
    whitening = Frame.at(density.layout, scales).whitening(density.layout)
    white = np.random.default_rng(3).normal(size=density.unknowns.size)
    white[density.unknowns.scales_start :] = 0.0
    state, latent = density.unfold(white, whitening)
    np.testing.assert_allclose(state.ravel(), white[: density.unknowns.states], atol=1e-10)
    np.testing.assert_allclose(latent[density.unknowns.scales_start :], scales)


def test_the_prior_alone_is_positive_and_separable(density: Density) -> None:
    unknowns = density.unknowns
    frame = Frame.at(density.layout, np.zeros(density.scales))
    blocks = [frame.separable(part) for part in density.parts]
    dense = dense_of(blocks, density.parts, unknowns)
    assert np.linalg.eigvalsh(dense).min() > 0
    series = np.arange(unknowns.states) % unknowns.varying
    apart = series[:, None] != series[None, :]
    assert not dense[: unknowns.states, : unknowns.states][apart].any()
    np.testing.assert_array_equal(
        dense[unknowns.states :], np.eye(unknowns.size)[unknowns.states :]
    )


# --- at the mode ----------------------------------------------------------------------------------


def test_the_mode_is_at_zero(density: Density, straight: Whitening) -> None:
    gradient = density.gradient_at(straight)
    free = density.unknowns.scales_start
    here, slope = gradient(np.zeros(density.unknowns.size))
    assert np.abs(slope[:free]).max() < 0.1
    # the expected gain of one more Newton step
    assert 0.5 * slope[:free] @ slope[:free] < 1e-2
    rng = np.random.default_rng(5)
    for _ in range(50):
        away = np.zeros(density.unknowns.size)
        away[:free] = 0.5 * rng.standard_normal(free)
        assert gradient(away)[0] < here


def test_scales_are_at_their_priors_centre_while_the_mode_is_sought(
    density: Density, straight: Whitening
) -> None:
    latent = density.unfold(np.zeros(density.unknowns.size), straight)[1]
    assert not latent[density.unknowns.scales_start :].any()


def test_curvature_at_the_mode_is_near_the_identity(density: Density, straight: Whitening) -> None:
    free, nowhere = density.unknowns.scales_start, np.zeros(density.unknowns.size)
    precision = dense_precision(density.gradient_at(straight), nowhere)[:free, :free]
    values = np.linalg.eigvalsh(0.5 * (precision + precision.T))
    assert values.min() > 0.5
    assert values.max() < 2.0
    # before, it was not
    spherical = density.gradient_at(identity(density.layout))
    point = geometry._climb(spherical, density.unknowns)
    before = dense_precision(spherical, point)[:free, :free]
    assert np.linalg.eigvalsh(0.5 * (before + before.T)).max() > 10


def test_a_density_that_is_nowhere_finite_is_a_fit_error(density: Density) -> None:
    size = density.unknowns.size
    with pytest.raises(FitError, match="not finite where the priors are centred"):
        at_mode(lambda _: lambda white: (-np.inf, np.zeros(size)), density.layout)


# --- over draws -----------------------------------------------------------------------------------


def test_the_centre_is_the_mean_of_the_draws(
    density: Density, pilot: Floats, averaged: Whitening
) -> None:
    states_of = np.array([states(latent, density.layout.equations.steps) for latent in pilot])
    state, latent = density.unfold(np.zeros(density.unknowns.size), averaged)
    np.testing.assert_allclose(state, states_of.mean(axis=0), atol=1e-8)
    rest = slice(density.unknowns.states, None)
    np.testing.assert_allclose(latent[rest], pilot[:, rest].mean(axis=0), atol=1e-10)


def test_scales_are_stretched_by_their_spread_within_reason(
    density: Density, pilot: Floats, averaged: Whitening
) -> None:
    """One standard deviation of a scale is one of its white coordinate."""
    free = density.unknowns.scales_start
    spread = pilot[:, free:].std(axis=0)
    assert spread.min() < 0.3
    assert spread.max() > 1.2
    moved = unwhitening(averaged)
    np.testing.assert_allclose(moved[free:, free:], np.diag(np.clip(spread, 0.3, 1.2)))
    assert not moved[:free, free:].any()
    assert not moved[free:, :free].any()


def test_curvature_is_the_average_over_the_draws(
    density: Density, pilot: Floats, averaged: Whitening
) -> None:
    """Mean dense Hessian at the draws' states, in the coordinates found: near the identity."""
    unknowns, free = density.unknowns, density.unknowns.scales_start
    frame = Frame.at(density.layout, pilot[:, free:].mean(axis=0))
    gradient = density.gradient_at(frame.whitening(density.layout))
    mean = np.zeros((free, free))
    for latent in pilot:
        point = np.zeros(unknowns.size)
        point[: unknowns.states] = states(latent, density.layout.equations.steps).ravel()
        point[unknowns.states : free] = latent[unknowns.states : free]
        mean += dense_precision(gradient, point)[:free, :free] / len(pilot)
    moved = unwhitening(averaged)[:free, :free]
    values = np.linalg.eigvalsh(moved.T @ (0.5 * (mean + mean.T)) @ moved)
    assert values.min() > 0.5
    assert values.max() < 2.0


def test_draws_of_one_point_do(density: Density, pilot: Floats) -> None:
    found = over_draws(density.gradient_at, density.layout, pilot[:1])
    state, _ = density.unfold(np.zeros(density.unknowns.size), found)
    np.testing.assert_allclose(state, states(pilot[0], density.layout.equations.steps), atol=1e-8)


# --- the factor, without what weighs nothing ------------------------------------------------------


@pytest.mark.parametrize("which", ["straight", "averaged"])
def test_the_map_is_one_to_one_and_knows_its_volume(
    density: Density, which: str, request: pytest.FixtureRequest
) -> None:
    """However much of the factor was left out, what is left is a triangular matrix."""
    whitening = request.getfixturevalue(which)
    sign, volume = np.linalg.slogdet(unwhitening(whitening))
    assert sign == 1
    expected = volume + np.log(whitening.diagonal0).sum()
    assert whitening.volume[0] == pytest.approx(expected, rel=1e-10)
    rows, columns = whitening.rows, whitening.columns
    assert rows.weight.size == columns.weight.size
    assert 0 < rows.weight.size < 0.6 * density.unknowns.size**2 / 2


def packed(density: Density, lower: Floats, negligible: float) -> Whitening:
    """Coordinates of a dense factor, of which blocks of parts and years are there."""
    frame = Frame.at(density.layout, np.zeros(density.scales))
    unknowns = density.unknowns
    factors = [(part, block_of(lower, part, unknowns)) for part in density.parts]
    scales = np.diag(lower)[unknowns.scales_start :]
    return geometry._whitening(
        unknowns,
        mode=frame.held,
        precision=frame.precision,
        coupling=frame.coupling,
        factor=kept(factors, scales, unknowns, negligible),
    )


def test_a_factor_keeps_what_weighs_beside_its_diagonal(density: Density) -> None:
    unknowns = density.unknowns
    random = random_factor(np.random.default_rng(1), unknowns.size, filled=1.0)
    blocks = [block_of(random, part, unknowns) for part in density.parts]
    lower = np.tril(dense_of(blocks, density.parts, unknowns))
    tail = np.arange(unknowns.scales_start, unknowns.size)
    lower[tail, tail] = np.diag(random)[tail]
    diagonal = np.diag(lower)
    beside = np.minimum(diagonal[:, None], diagonal[None, :])
    weighs = np.abs(lower) > geometry.NEGLIGIBLE * beside
    assert weighs.sum() < (lower != 0).sum()
    without = np.where(weighs, lower, 0.0)
    found = packed(density, lower, geometry.NEGLIGIBLE)
    np.testing.assert_allclose(unwhitening(found), np.linalg.inv(without.T), atol=1e-9)
    assert found.rows.index.size == weighs.sum() - unknowns.size
    whole = packed(density, lower, 0.0)
    np.testing.assert_allclose(unwhitening(whole), np.linalg.inv(lower.T), atol=1e-9)


# --- the curvature as it is measured --------------------------------------------------------------


def in_states(density: Density) -> Gradient:
    frame = Frame.at(density.layout, np.zeros(density.scales))
    return density.gradient_at(frame.whitening(density.layout))


@pytest.mark.parametrize("seed", [0, 1])
def test_precision_is_the_dense_hessian(yearly: Density, seed: int) -> None:
    """With records of single years, the probes three years apart do not disturb one another."""
    unknowns = yearly.unknowns
    free = unknowns.scales_start
    gradient = in_states(yearly)
    point = 0.3 * np.random.default_rng(seed).standard_normal(unknowns.size)
    point[free:] = 0.0
    expected = dense_precision(gradient, point)[:free, :free]
    blocks = geometry._precision(gradient, point[None], unknowns, yearly.parts)
    precision = dense_of(blocks, yearly.parts, unknowns)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(precision[:free, :free], expected, rtol=1e-3, atol=2e-5 * scale)
    for block in blocks:
        for square in (*block.within, block.corner):
            np.testing.assert_array_equal(square, square.T)


def test_precision_over_points_is_the_mean_of_theirs(yearly: Density) -> None:
    unknowns, gradient = yearly.unknowns, in_states(yearly)
    points = 0.3 * np.random.default_rng(2).standard_normal((4, unknowns.size))
    points[:, unknowns.scales_start :] = 0.0
    together = geometry._precision(gradient, points, unknowns, yearly.parts)
    each = [geometry._precision(gradient, p[None], unknowns, yearly.parts) for p in points]
    for number, block in enumerate(together):
        for field, array in enumerate(block.arrays):
            mean = np.mean([blocks[number].arrays[field] for blocks in each], axis=0)
            np.testing.assert_allclose(array, mean, atol=1e-12 * np.abs(mean).max(initial=1.0))


# --- curvature that is no curvature ---------------------------------------------------------------


@pytest.fixture
def prior(density: Density) -> Block:
    """Precision of the prior of the largest part: series by series, and constants."""
    frame = Frame.at(density.layout, np.zeros(density.scales))
    return frame.separable(max(density.parts, key=lambda part: part.constants.size))


def copied(block: Block) -> Block:
    return Block(*(array.copy() for array in block.arrays))


def test_positive_curvature_is_taken_as_it_is(prior: Block) -> None:
    precision = copied(prior)
    precision.corner[0, 1] = precision.corner[1, 0] = 0.3
    np.testing.assert_allclose(
        flat(geometry._factor(precision, prior)), np.linalg.cholesky(flat(precision, whole=True))
    )


@pytest.mark.parametrize("weight", [0.05, 0.2, 0.5, 1.0])
def test_curvature_that_is_not_positive_is_blended_as_little_as_it_takes(
    prior: Block, weight: float
) -> None:
    precision = copied(prior)
    # so much between two constants leaves a negative direction at every smaller weight
    smaller = {0.05: 0.0, 0.2: 0.05, 0.5: 0.2, 1.0: 0.5}[weight]
    tied = 1.0 / (1.0 - smaller) + 1e-6
    precision.corner[-1, -2] = precision.corner[-2, -1] = tied
    lower = flat(geometry._factor(precision, prior))
    blend = (1 - weight) * flat(precision, whole=True) + weight * flat(prior, whole=True)
    np.testing.assert_allclose(lower @ lower.T, blend, atol=1e-10)


def test_a_negative_diagonal_is_replaced_by_the_prior(prior: Block) -> None:
    precision = copied(prior)
    precision.within[2, 0, 0] = -5.0
    lower = geometry._factor(precision, prior)
    assert min(values.min() for values in lower.diagonals) > 0
    place = 2 * prior.within.shape[1]
    rebuilt = flat(lower) @ flat(lower).T
    assert 0 < rebuilt[place, place] <= prior.within[2, 0, 0] + 1e-10


def test_curvature_beyond_help_is_a_fit_error(
    prior: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    precision = copied(prior)
    precision.within[2, 0, 0] = -5.0
    monkeypatch.setattr(geometry, "_BLENDS", (0.0, 0.05))
    with pytest.raises(FitError, match="no usable curvature"):
        geometry._factor(precision, prior)
