"""The gate on real chains: posteriors that a sampler gets wrong are refused."""

import json
from collections.abc import Callable
from itertools import cycle

import numpy as np
import nutpie
import pytest
import xarray as xr
from numpy.typing import NDArray
from nutpie.compiled_pyfunc import from_pyfunc

from reebayes.inference.convergence import diagnose
from reebayes.inference.sampling import SECOND_ACCEPT, TARGET_ACCEPT

type Floats = NDArray[np.float64]
type Density = Callable[[Floats], tuple[float, Floats]]

CHAINS, DRAWS, TUNE = 4, 1000, 400


def normal(x: Floats) -> tuple[float, Floats]:
    return -0.5 * float(x @ x), -x


def funnel(x: Floats) -> tuple[float, Floats]:
    """Neal's: the log scale of all others is itself unknown, with a spread of 3."""
    scale, others = x[0], x[1:]
    weight = np.exp(-scale)
    square = float(others @ others)
    density = -(scale**2) / 18 - 0.5 * others.size * scale - 0.5 * weight * square
    slope = -scale / 9 - 0.5 * others.size + 0.5 * weight * square
    return density, np.concatenate([[slope], -weight * others])


def bimodal(x: Floats) -> tuple[float, Floats]:
    """Two modes, 16 standard deviations apart in the first direction."""
    first = np.logaddexp(-0.5 * (x[0] - 8) ** 2, -0.5 * (x[0] + 8) ** 2)
    slope = -x.copy()
    slope[0] = -x[0] + 8 * np.tanh(8 * x[0])
    return float(first) - 0.5 * float(x[1:] @ x[1:]), slope


def stretched(x: Floats) -> tuple[float, Floats]:
    """Neighbours that are nearly equal: one long direction, which no diagonal shortens."""
    gaps = np.diff(x) / 1e-3
    slope = -x.copy()
    slope[:-1] += gaps / 1e-3
    slope[1:] -= gaps / 1e-3
    return -0.5 * float(x @ x) - 0.5 * float(gaps @ gaps), slope


def run(density: Density, starts: list[Floats], **options: object) -> tuple[xr.Dataset, xr.Dataset]:
    """Draws of a density by the sampler that fits use."""
    waiting = cycle(starts)  # a start that is refused is followed by another
    model = from_pyfunc(
        ndim=starts[0].size,
        make_logp_fn=lambda: density,
        make_expand_fn=lambda *_: lambda x: {"latents": x},
        expanded_dtypes=[np.dtype(np.float64)],
        expanded_shapes=[(starts[0].size,)],
        expanded_names=["latents"],
        make_initial_point_fn=lambda _: next(waiting),
    )
    trace = nutpie.sample(
        model, draws=DRAWS, tune=TUNE, chains=CHAINS, cores=1, seed=3, progress_bar=False,
        **options,
    )  # fmt: skip
    return trace["posterior"].to_dataset(), trace["sample_stats"].to_dataset()


def spread(size: int) -> list[Floats]:
    return [np.random.default_rng(n).standard_normal(size) for n in range(CHAINS)]


@pytest.mark.slow_ci
def test_a_normal_posterior_passes() -> None:
    assert diagnose(*run(normal, spread(8)))["converged"] == "yes"


both_tries = pytest.mark.parametrize("accept", [TARGET_ACCEPT, SECOND_ACCEPT])


@both_tries
@pytest.mark.slow_ci
def test_a_funnel_is_refused(accept: float) -> None:
    figures = diagnose(*run(funnel, spread(10), target_accept=accept))
    assert figures["converged"] == "no"
    assert figures["divergences"] > 0 or accept == SECOND_ACCEPT  # small steps do not cure it
    assert figures["ess_bulk_min"] < 400
    assert json.loads(str(figures["failing"]))


@both_tries
@pytest.mark.slow_ci
def test_chains_in_two_modes_are_refused(accept: float) -> None:
    starts = [np.array([side, 0.5, -0.5]) for side in (-7.5, -8.5, 7.5, 8.5)]
    figures = diagnose(*run(bimodal, starts, target_accept=accept))
    assert figures["converged"] == "no"
    assert figures["rhat_max"] > 1.5
    # everything else looks well
    assert (figures["divergences"], figures["saturated_fraction"]) == (0, 0)


@pytest.mark.slow_ci
def test_one_stuck_chain_is_refused() -> None:
    """A chain that never leaves where it began: a density of minus infinity all around it."""
    posterior, stats = run(normal, spread(6))
    values = posterior["latents"].values.copy()
    values[2] = values[2, 0]
    figures = diagnose(posterior.assign(latents=(posterior["latents"].dims, values)), stats)
    assert figures["converged"] == "no"
    assert len(json.loads(str(figures["failing"]))) == 6


@both_tries
@pytest.mark.slow_ci
def test_saturated_trees_are_refused(accept: float) -> None:
    figures = diagnose(*run(stretched, spread(12), maxdepth=5, target_accept=accept))
    assert figures["converged"] == "no"
    assert figures["saturated_fraction"] > 0.05
    assert "saturated_fraction" in str(figures["verdict"])
