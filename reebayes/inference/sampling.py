"""From a study to a checked posterior: whiten, sample, transform back, diagnose."""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import nutpie
import xarray as xr
from nutpie.compile_pymc import CompiledPyMCModel

from reebayes.conventions import CHAIN, DRAW, POSTERIOR, PRIOR
from reebayes.errors import FitError
from reebayes.inference.convergence import diagnose
from reebayes.inference.coordinates import at_mode, identity, over_draws
from reebayes.inference.datatree import (
    by_record,
    draws_dataset,
    likelihood_group,
    log_likelihood,
    log_prior,
    observed_data,
    replicate,
    root_attributes,
)
from reebayes.inference.density import Density, gradients
from reebayes.inference.identifiability import count_directions
from reebayes.model.kernels import Whitening, density_at, keep_at, observe, states, unfold
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats
from reebayes.results.contents import (
    BANDS,
    CONSTANT,
    LIKELIHOOD,
    LOG_PRIOR,
    OBSERVED,
    PREDICTIVE,
    PRIOR_PREDICTIVE,
    STATS,
    dataset,
)
from reebayes.results.description import constant_data
from reebayes.results.intervals import interval_group
from reebayes.study import Study

DRAWS, TUNE, CHAINS = 1000, 250, 4
# Transitions to a kept draw: the slowest flows lose next to nothing, memory and files are a third.
THIN = 3
PRIOR_DRAWS = 500
# Trees of 31 gradients, the longest steps that need them: slow directions want long paths.
TARGET_ACCEPT = 0.87

WHITE = "white"
# The sampler's store holds every transition, twice for a moment; seven digits say where a draw is.
_KEPT = np.float32
_STATS = ("diverging", "energy", "logp", "maxdepth_reached", "n_steps", "depth", "step_size",
          "mean_tree_accept")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """Settings of one run of the sampler; ``thin`` is its transitions to a kept draw."""

    seed: int
    draws: int
    tune: int
    chains: int
    progress: bool
    accept: float = TARGET_ACCEPT
    cores: int | None = None
    thin: int = 1


PILOT = Run(seed=0, draws=40, tune=80, chains=CHAINS, progress=False)


def fit(
    study: Study,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    progress: bool = True,
) -> xr.DataTree:
    """Sample the joint posterior of all flows of a study; mass balance closes in every draw.

    Parameters
    ----------
    study : Study
    seed : int
        The same seed gives the same draws on the same machine and versions.
    draws, tune, chains : int
        Draws kept and tuning transitions per chain, and independent chains. Every third
        transition is kept.
    progress : bool
        Show a progress bar (on a terminal or in a notebook).

    Returns
    -------
    DataTree
        ``posterior`` with ``flows`` (chain, draw, year, flow) and ``quantities`` (chain, draw,
        year, quantity) in the unit of the study beside the parameters, the same for ``prior``,
        predictive draws, log-likelihood, records and tables; the convergence verdict in the
        attributes. A fit that did not converge is returned, and says so.

    Raises
    ------
    FitError
        If sampling cannot start: the density is not finite anywhere near the mode, or a setting
        is out of range.
    """
    _check_settings(draws=draws, tune=tune, chains=chains)
    clock: dict[str, float] = {}
    begin = time.perf_counter()
    layout = lay_out(study)
    with _timed(clock, "compile"):
        _compile(layout)
    with _timed(clock, "pilot"):
        whitening = find_coordinates(layout, seed=seed)
    with _timed(clock, "sampling"):
        run = Run(seed=seed, draws=draws, tune=tune, chains=chains, progress=progress, thin=THIN)
        white, stats = _sample(layout, whitening, run)
        gc.collect()  # the sampler's tree refers to itself, and would keep all transitions
    with _timed(clock, "assembly"):
        posterior = _transformed_back(layout, white, whitening)
        del white
        tree = _assemble(study, layout, posterior, np.random.default_rng(seed))
        del posterior
        tree[STATS] = xr.DataTree(_of_kept(stats, THIN, study.unit))
        verdict = diagnose(tree["posterior"].to_dataset(), stats)
        latents = tree[POSTERIOR].to_dataset()["latents"].values
        mean = latents.mean(axis=(0, 1), dtype=np.float64)
        directions = count_directions(layout, mean) | {"at": "posterior mean"}
    clock["total"] = time.perf_counter() - begin
    settings = {"seed": seed, "draws": draws, "tune": tune, "chains": chains}
    tree.attrs = {
        **root_attributes(study, settings),
        **verdict,
        "directions": json.dumps(directions),
        "wall_seconds": json.dumps({name: round(value, 2) for name, value in clock.items()}),
    }
    return tree


def draw(layout: Layout, run: Run, whitening: Whitening) -> tuple[dict[str, Floats], xr.Dataset]:
    """Sample a layout in given coordinates, without the study's tables around the draws.

    Parameters
    ----------
    layout : Layout
        Possibly changed since it was laid out, such as with records that count for nothing.
    run : Run
    whitening : Whitening
        Such as `find_coordinates` returns, or cheaper ones for brief fits one after another.

    Returns
    -------
    draws : dict of name -> array (chain, draw, ...)
        Flows (year, flow), bias (year, reporter), noise of each reporter and of all, common errors,
        step multipliers, latents, location and scale of every record.
    stats : Dataset (chain, draw)
        The sampler's statistics of every transition.
    """
    white, stats = _sample(layout, whitening, run)
    return _transformed_back(layout, white, whitening), stats


def find_coordinates(layout: Layout, *, seed: int) -> Whitening:
    """Coordinates for sampling, from the mode and a short pilot run.

    Parameters
    ----------
    layout : Layout
    seed : int

    Returns
    -------
    Whitening
    """
    gradient_at = gradients(layout)
    whitening = at_mode(gradient_at, layout)
    white = _sample(layout, whitening, replace(PILOT, seed=seed))[0]
    points = white.reshape(-1, layout.unknowns.size)
    latents = np.array([unfold(point, layout.equations.steps, whitening)[1] for point in points])
    return over_draws(gradient_at, layout, latents)


def _compile(layout: Layout) -> None:
    """Run every kernel once: compiled code stays on disk and serves every study."""
    whitening = identity(layout)
    white = np.zeros(layout.unknowns.size)
    gradients(layout)(whitening)(white)
    _transformed_back(layout, white[None, None], whitening)
    _transformed_back(layout, white[None, None], None)


@contextmanager
def _timed(clock: dict[str, float], name: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    clock[name] = time.perf_counter() - begin


def _check_settings(**settings: int) -> None:
    least = {"draws": 4, "tune": 0, "chains": 1}
    low = [f"{name} must be at least {least[name]}, not {value}"
           for name, value in settings.items() if value < least[name]]  # fmt: skip
    if low:
        raise FitError("; ".join(low))


def _sample(layout: Layout, whitening: Whitening, run: Run) -> tuple[Floats, xr.Dataset]:
    """Kept draws (chain, draw, latent) in white coordinates, and statistics of all transitions."""
    density = gradients(layout)(whitening)
    try:
        sampler = nutpie.sample(
            _sampled(density),
            draws=run.draws * run.thin,
            tune=run.tune,
            chains=run.chains,
            cores=min(run.chains, run.cores or os.cpu_count() or 1),
            seed=run.seed,
            progress_bar=run.progress,
            save_warmup=False,
            target_accept=run.accept,
            blocking=False,
        )
        trace = _awaited(sampler)
    except RuntimeError as error:
        raise FitError(f"Sampling could not start: {error}") from error
    pairs = trace["posterior"].to_dataset()[WHITE].values[:, run.thin - 1 :: run.thin]
    kept = pairs.view(_KEPT)[..., : density.size]
    stats = trace["sample_stats"].to_dataset()
    return kept.astype(np.float64), stats[[name for name in _STATS if name in stats]]


def _sampled(density: Density) -> CompiledPyMCModel:
    """The density as the sampler takes it: by its address, so that no thread waits for Python.

    Its store holds doubles, and each of them two coordinates.
    """
    room = (density.size + 1) // 2

    def start(seed: int) -> Floats:
        # refers to the density, which so lives as long as threads of the sampler may call it
        return np.asarray(np.random.default_rng(seed).standard_normal(density.size))

    return CompiledPyMCModel(
        compiled_logp_func=density_at(),
        compiled_expand_func=keep_at(),
        initial_point_func=start,
        user_data=density.packed,
        n_expanded=room,
        shape_info=([WHITE], [slice(room)], [(room,)]),
        _n_dim=density.size,
        _shapes={WHITE: (room,)},
        _coords={},
        dims={},
        # of models made by PyMC
        shared_data={},
        shared_var_keys={},
        logp_func=None,
        expand_func=None,
    )


def _of_kept(stats: xr.Dataset, thin: int, unit: str) -> xr.Dataset:
    """Statistics of kept draws: what befell any of the transitions to it, and their mean cost."""
    stats = stats.drop_vars("draw", errors="ignore")  # it counts transitions
    groups = stats.coarsen(draw=thin)
    kept = stats.isel(draw=slice(thin - 1, None, thin))
    befell = groups.max()[["diverging", "maxdepth_reached"]]
    kept = kept.assign(befell).assign(n_steps=groups.mean()["n_steps"])
    arrays = {str(name): kept[name].values for name in kept.data_vars}
    names = {CHAIN: kept[CHAIN].values, DRAW: np.arange(kept.sizes[DRAW])}
    return dataset(STATS, unit, arrays, names)


def _awaited(sampler: Any) -> xr.DataTree:
    """Wait for the sampler, which would itself take an interrupt for the end of the draws."""
    try:
        trace: xr.DataTree = sampler.wait()
    except KeyboardInterrupt:
        sampler.cancel()
        raise
    return trace


def _transformed_back(
    layout: Layout, white: Floats, whitening: Whitening | None
) -> dict[str, Floats]:
    """Every stored variable (chain, draw, ...) of draws (chain, draw, latent).

    Draws are in white coordinates, or are latent vectors where no coordinates are given.
    """
    shape, years = white.shape[:2], len(layout.years)
    unknowns = layout.unknowns
    stored = {
        "latents": np.empty((*shape, unknowns.size), dtype=np.float32),
        "flows": np.empty((*shape, years, len(layout.flows))),
        "bias": np.empty((*shape, years, len(layout.reporters))),
        "shared_error": np.empty((*shape, len(layout.shared))),
        "location": np.empty((*shape, len(layout.records))),
        "scale": np.empty((*shape, len(layout.records))),
        "noise": np.empty((*shape, len(layout.reporters))),
        "noise_of_all": np.empty(shape),
        "step_scale": np.empty((*shape, layout.equations.steps.step_mean.size)),
    }

    def fill(chain: int) -> None:
        room = {name: values[chain] for name, values in stored.items()}
        _transform_chain(layout, white[chain], whitening, room)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # kernels run outside the GIL
        list(pool.map(fill, range(shape[0])))
    return stored


def _transform_chain(
    layout: Layout, chain: Floats, whitening: Whitening | None, room: Mapping[str, Floats]
) -> None:
    steps, errors, unknowns = layout.equations.steps, layout.equations.errors, layout.unknowns
    noisy, moving = slice(unknowns.scales_start, unknowns.steps_start), unknowns.steps_start
    bias, shared = layout.rows("bias", layout.reporters), layout.rows("shared", layout.shared)
    for n, white in enumerate(chain):
        if whitening is None:
            state, latent = states(white, steps), white
        else:
            state, latent = unfold(white, steps, whitening)
        level, flow, location, scale = observe(state, latent, layout.equations)
        noise = errors.noise_mean + errors.noise_sd * latent[noisy]
        step = np.exp(steps.step_mean + steps.step_sd * latent[moving:])
        found = (
            latent, flow.T, level[bias].T, level[shared, 0], location, scale,
            np.exp(noise[:-1] + noise[-1]), np.exp(noise[-1]), step,
        )  # fmt: skip
        for values, value in zip(room.values(), found, strict=True):
            values[n] = value


def _assemble(
    study: Study, layout: Layout, posterior: Mapping[str, Floats], rng: np.random.Generator
) -> xr.DataTree:
    latents = rng.standard_normal((1, PRIOR_DRAWS, layout.unknowns.size))
    prior = _transformed_back(layout, latents, None)
    unit = study.unit
    draws = {
        POSTERIOR: draws_dataset(layout, unit, POSTERIOR, posterior),
        PRIOR: draws_dataset(layout, unit, PRIOR, prior),
    }
    constant = constant_data(study)
    terms, units = (
        dict(zip(layout.quantities, constant[f"quantity_{name}"].values, strict=True))
        for name in ("terms", "unit")
    )
    values = {
        PREDICTIVE: replicate(layout, posterior, rng),
        PRIOR_PREDICTIVE: replicate(layout, prior, rng),
    }
    return xr.DataTree.from_dict({
        **draws,
        **{name: by_record(layout, unit, name, found) for name, found in values.items()},
        LIKELIHOOD: likelihood_group(layout, unit, log_likelihood(layout, posterior)),
        LOG_PRIOR: log_prior(study, layout, posterior["latents"]),
        OBSERVED: observed_data(layout, unit),
        CONSTANT: constant,
        BANDS: interval_group(draws, terms, units, unit),
    })  # fmt: skip
