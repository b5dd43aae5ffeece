"""Coordinates of the posterior: the mode, the curvature there, and what happens without one.

The densities run as PyTensor's Python mode runs them: nothing is compiled.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytensor
import pytest
from numpy.typing import NDArray
from pytensor.compile.mode import Mode
from scipy.linalg import block_diag

from reebayes import geometry, kernels
from reebayes.errors import FitError
from reebayes.geometry import Coordinates, Gradient, straighten
from reebayes.layout import Layout, Unknowns, lay_out
from reebayes.model import build_model, store
from reebayes.study import Study, read_study
from tests.tiny import write_tables

type Floats = NDArray[np.float64]

PLAIN = Mode("py", None)


@dataclass(frozen=True)
class Density:
    """The density of a study in any coordinates."""

    layout: Layout
    gradient_at: Callable[[Coordinates], Gradient]

    @property
    def unknowns(self) -> Unknowns:
        return self.layout.unknowns

    def in_states(self, scales: Floats | None = None) -> Coordinates:
        """Coordinates in which years are states: a year touches the year before it only."""
        identity = Coordinates.identity(self.unknowns)
        count = self.unknowns.size - self.unknowns.scales_start
        multiplier = self.unknowns.step_multiplier(np.zeros(count) if scales is None else scales)
        return replace(identity, reference=self.unknowns.persistence(multiplier))


def density_of(study: Study) -> Density:
    layout = lay_out(study)
    model, packed = build_model(study, layout=layout), store(layout)
    value = model.rvs_to_values[model["latents"]]
    total = model.logp()
    function = pytensor.function([value], [total, pytensor.grad(total, value)], mode=PLAIN)

    def gradient_at(coordinates: Coordinates) -> Gradient:
        vectors = packed.replace(**coordinates.data()).vectors
        for variable in function.get_shared():
            if variable.name in vectors:  # the others are lengths of dimensions
                variable.set_value(vectors[variable.name])

        def gradient(white: Floats) -> tuple[float, Floats]:
            density, slope = function(white)
            return float(density), np.asarray(slope)

        return gradient

    return Density(layout, gradient_at)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_tables(tmp_path_factory.mktemp("geometry") / "tiny"))


@pytest.fixture(scope="module")
def density(study: Study) -> Density:
    return density_of(study)


@pytest.fixture(scope="module")
def yearly(study: Study) -> Density:
    """The tiny study without the records that span years."""
    return density_of(study.with_records(r for r in study.records if r.year == r.year_end))


@pytest.fixture(scope="module")
def straight(density: Density) -> Coordinates:
    return straighten(density.gradient_at, density.layout)


def dense_precision(gradient: Gradient, point: Floats, width: float = 1e-5) -> Floats:
    """Negative Hessian, one unknown at a time."""
    columns = [
        (gradient(point - width * unit)[1] - gradient(point + width * unit)[1]) / (2 * width)
        for unit in np.eye(point.size)
    ]
    return np.array(columns)


def some_factor(unknowns: Unknowns, seed: int) -> Coordinates:
    """Coordinates with a random factor of the right band."""
    rng = np.random.default_rng(seed)
    identity = Coordinates.identity(unknowns)
    factor = 0.1 * rng.normal(size=identity.factor.size)
    diagonal = identity.start + np.arange(unknowns.size) - identity.first
    factor[diagonal] = rng.uniform(0.5, 2, unknowns.size)
    return replace(identity, factor=factor)


def dense_factor(coordinates: Coordinates) -> Floats:
    size = coordinates.mode.size
    lower = np.zeros((size, size))
    for row, (first, start) in enumerate(zip(coordinates.first, coordinates.start, strict=True)):
        lower[row, first : row + 1] = coordinates.factor[start : start + row + 1 - first]
    return lower


# --- coordinates ----------------------------------------------------------------------------------


def test_log_volume_is_that_of_unwhitening(density: Density) -> None:
    coordinates = some_factor(density.unknowns, 1)
    data = coordinates.data()
    band = (data["first"], data["start"], data["factor"])
    jacobian = np.stack([kernels.unwhiten(unit, *band) for unit in np.eye(density.unknowns.size)])
    sign, volume = np.linalg.slogdet(jacobian)
    assert sign == 1
    assert float(data["log_volume"]) == pytest.approx(volume, rel=1e-12)
    np.testing.assert_allclose(jacobian, np.linalg.inv(dense_factor(coordinates)), atol=1e-12)


def test_data_are_the_arrays_of_the_program(density: Density) -> None:
    """Names and shapes are those that the compiled program may be given."""
    packed = store(density.layout)
    assert set(packed.replace(**some_factor(density.unknowns, 2).data()).vectors) == {
        "reals",
        "integers",
    }


def test_identity_has_no_volume_and_the_prior_is_spherical_there(density: Density) -> None:
    """Without records, the density of the identity's coordinates is standard normal."""
    unknowns = density.unknowns
    identity = Coordinates.identity(unknowns)
    assert float(identity.data()["log_volume"]) == 0
    white = np.random.default_rng(3).standard_normal(unknowns.size)
    still = np.zeros((unknowns.years, unknowns.varying))
    result = kernels.smooth(white, still, *identity.smoother())
    np.testing.assert_allclose(result, np.r_[white, 0.0], atol=1e-12)


def test_a_point_stays_itself_in_other_coordinates(density: Density) -> None:
    unknowns = density.unknowns
    identity, in_states = Coordinates.identity(unknowns), density.in_states()
    point = np.random.default_rng(4).standard_normal(unknowns.size)
    point[unknowns.scales_start :] = 0.0
    moved = geometry._same_point(point, identity, in_states, in_states.reference)
    innovations = kernels.smooth(point, in_states.reference, *identity.smoother())[:-1]
    again = kernels.smooth(moved, in_states.reference, *in_states.smoother())[:-1]
    np.testing.assert_allclose(again, innovations, atol=1e-10)
    # and the density agrees but for the volume, which is constant while the scales are held
    gaps = []
    for end in (point, np.zeros_like(point)):
        there = geometry._same_point(end, identity, in_states, in_states.reference)
        old = density.gradient_at(identity)(end)[0]
        gaps.append(density.gradient_at(in_states)(there)[0] - old)
    assert gaps[0] == pytest.approx(gaps[1], abs=1e-8)


def test_prior_precision_is_that_of_the_states(density: Density) -> None:
    persistence = density.in_states().reference
    diagonal, coupling = geometry._prior_precision(persistence)
    years = persistence.shape[0]
    for series in range(persistence.shape[1]):
        units = [
            kernels.autoregress(unit[:, None], persistence[:, [series]]) for unit in np.eye(years)
        ]
        spread = np.hstack(units)
        expected = np.linalg.inv(spread @ spread.T)
        dense = np.diag(diagonal[:, series]) + np.diag(coupling[1:, series], -1)
        np.testing.assert_allclose(np.tril(expected), dense, rtol=1e-7, atol=1e-7)


# --- the mode and the curvature there -------------------------------------------------------------


def test_straightened_coordinates_have_the_mode_at_zero(
    density: Density, straight: Coordinates
) -> None:
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


def test_straightened_curvature_is_near_the_identity(
    density: Density, straight: Coordinates
) -> None:
    free = density.unknowns.scales_start
    gradient = density.gradient_at(straight)
    precision = dense_precision(gradient, np.zeros(density.unknowns.size))[:free, :free]
    values = np.linalg.eigvalsh(0.5 * (precision + precision.T))
    assert values.min() > 0.5
    assert values.max() < 2.0
    # before, it was not
    point = geometry._climb(
        density.gradient_at(Coordinates.identity(density.unknowns)), density.unknowns
    )
    before = dense_precision(density.gradient_at(Coordinates.identity(density.unknowns)), point)[
        :free, :free
    ]
    assert np.linalg.eigvalsh(0.5 * (before + before.T)).max() > 10


def test_scales_of_a_pilot_are_held_and_stretched(density: Density) -> None:
    unknowns = density.unknowns
    rng = np.random.default_rng(6)
    count = unknowns.size - unknowns.scales_start
    centre, spread = rng.normal(size=count), rng.uniform(0.3, 1.2, count)
    found = straighten(density.gradient_at, density.layout, (centre, spread))
    np.testing.assert_array_equal(found.mode[unknowns.scales_start :], centre)
    np.testing.assert_array_equal(found.mode[: unknowns.states], 0)
    lower = dense_factor(found)
    tail = np.arange(unknowns.scales_start, unknowns.size)
    np.testing.assert_allclose(lower[tail, tail], 1 / spread)
    multiplier = unknowns.step_multiplier(centre)
    np.testing.assert_allclose(found.reference, unknowns.persistence(multiplier))
    # one standard deviation of a scale is one of its white coordinate
    white = np.zeros(unknowns.size)
    white[tail[0]] = 1.0
    data = found.data()
    shift = kernels.unwhiten(white, data["first"], data["start"], data["factor"])
    assert shift[tail[0]] == pytest.approx(spread[0])


@pytest.mark.parametrize("seed", [0, 1])
def test_precision_is_the_dense_hessian(yearly: Density, seed: int) -> None:
    """With records of single years, the probes three years apart do not disturb one another."""
    unknowns = yearly.unknowns
    free = unknowns.scales_start
    gradient = yearly.gradient_at(yearly.in_states())
    point = 0.3 * np.random.default_rng(seed).standard_normal(unknowns.size)
    point[free:] = 0.0
    expected = dense_precision(gradient, point)[:free, :free]
    precision = geometry._precision(gradient, point, unknowns)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(precision[:free, :free], expected, rtol=1e-3, atol=2e-5 * scale)
    np.testing.assert_array_equal(precision, precision.T)
    rest = np.eye(unknowns.size - free)
    np.testing.assert_array_equal(precision[free:, free:], rest)
    assert not precision[free:, :free].any()


def test_records_of_many_years_stay_out_of_the_band(density: Density) -> None:
    """They touch years far apart; what is kept is banded all the same."""
    unknowns = density.unknowns
    gradient = density.gradient_at(density.in_states())
    precision = geometry._precision(gradient, np.zeros(unknowns.size), unknowns)
    years = np.arange(unknowns.states) // unknowns.varying
    far = np.abs(years[:, None] - years[None, :]) > 1
    assert not precision[: unknowns.states, : unknowns.states][far].any()
    lower = geometry._factor(precision, density.in_states().reference)
    first, _ = geometry._band(unknowns)
    for row in range(unknowns.size):
        assert np.abs(lower[row, : first[row]]).max(initial=0.0) < 1e-10


# --- curvature that is no curvature ---------------------------------------------------------------


@pytest.fixture
def reference() -> Floats:
    return np.random.default_rng(7).uniform(0.2, 0.9, (5, 2))


def separate(reference: Floats, constants: int = 2) -> Floats:
    """Precision of the prior: series by series, and constants."""
    diagonal, coupling = geometry._prior_precision(reference)
    dense = np.diag(diagonal.ravel())
    for row in range(2, dense.shape[0]):
        dense[row, row - 2] = dense[row - 2, row] = coupling.ravel()[row]
    return block_diag(dense, np.eye(constants))


def test_positive_curvature_is_taken_as_it_is(reference: Floats) -> None:
    precision = separate(reference)
    precision[0, 1] = precision[1, 0] = 0.3
    np.testing.assert_allclose(
        geometry._factor(precision, reference), np.linalg.cholesky(precision)
    )


@pytest.mark.parametrize("weight", [0.05, 0.2, 0.5, 1.0])
def test_curvature_that_is_not_positive_is_blended_as_little_as_it_takes(
    reference: Floats, weight: float
) -> None:
    prior = separate(reference)
    precision = prior.copy()
    # so much between two constants leaves a negative direction at every smaller weight
    smaller = {0.05: 0.0, 0.2: 0.05, 0.5: 0.2, 1.0: 0.5}[weight]
    precision[-1, -2] = precision[-2, -1] = 1.0 / (1.0 - smaller) + 1e-6
    lower = geometry._factor(precision, reference)
    blend = (1 - weight) * precision + weight * prior
    np.testing.assert_allclose(lower @ lower.T, blend, atol=1e-10)


def test_a_negative_diagonal_is_replaced_by_the_prior(reference: Floats) -> None:
    precision = separate(reference)
    precision[3, 3] = -5.0
    lower = geometry._factor(precision, reference)
    assert (np.diag(lower) > 0).all()
    rebuilt = lower @ lower.T
    assert rebuilt[3, 3] > 0
    assert rebuilt[3, 3] <= separate(reference)[3, 3] + 1e-10


def test_curvature_beyond_help_is_a_fit_error(
    reference: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    precision = separate(reference)
    precision[3, 3] = -5.0
    monkeypatch.setattr(geometry, "_BLENDS", (0.0, 0.05))
    with pytest.raises(FitError, match="no usable curvature"):
        geometry._factor(precision, reference)
