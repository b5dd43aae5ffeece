"""From a study to a checked posterior: compile once, straighten, sample, judge."""

from __future__ import annotations

import ctypes
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import xarray as xr

from reebayes.assembly import (
    DIMENSIONS,
    constant_data,
    draws_dataset,
    log_likelihood,
    observed_data,
    replicate,
    root_attributes,
)
from reebayes.diagnostics import judge
from reebayes.errors import FitError
from reebayes.geometry import Coordinates, Gradient, straighten
from reebayes.layout import Floats, Layout, lay_out
from reebayes.model import build_model, store
from reebayes.operations import Store
from reebayes.study import Study

DRAWS, TUNE, CHAINS = 1500, 300, 4
PRIOR_DRAWS = 500
# Steps this short keep the energy error small without lengthening the trees (31 gradients).
TARGET_ACCEPT = 0.95

_PER_RECORD = ("location", "scale")
_STATS = ("diverging", "energy", "logp", "maxdepth_reached", "n_steps", "depth", "step_size",
          "mean_tree_accept")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """Settings of one run of the sampler."""

    seed: int
    draws: int
    tune: int
    chains: int
    progress: bool


PILOT = Run(seed=0, draws=60, tune=120, chains=CHAINS, progress=False)
_PILOT_SPREAD = (0.3, 1.2)  # a short pilot may not call a scale known, nor wider than its prior


@dataclass(frozen=True, slots=True)
class CompiledStudy:
    """A study whose log density and its gradient are compiled; values may change, shape not."""

    study: Study
    layout: Layout
    model: pm.Model
    program: Any
    store: Store

    def at(self, coordinates: Coordinates) -> Any:
        """The compiled program in given coordinates."""
        return self.program.with_data(**self.store.replace(**coordinates.data()).vectors)

    def gradient_at(self, coordinates: Coordinates) -> Gradient:
        """Log density and gradient as functions of the white coordinates.

        Calls the code that the sampler runs: PyTensor's own function would be compiled again.
        """
        program = self.at(coordinates)
        call = program.compiled_logp_func.ctypes

        def gradient(white: Floats) -> tuple[float, Floats]:
            white = np.ascontiguousarray(white, dtype=np.float64)
            slope, density = np.zeros(white.size), np.zeros(1)
            failed = call(white.size, _pointer(white), _pointer(slope), _pointer(density),
                          program.user_data.ctypes.data)  # fmt: skip
            return (-np.inf, np.zeros(white.size)) if failed else (float(density[0]), slope)

        return gradient

    def prior(self, draws: int, rng: np.random.Generator) -> dict[str, Floats]:
        """Draws (1, draw, ...) of every stored variable from the prior."""
        program = self.at(Coordinates.identity(self.layout.unknowns))
        call = program.compiled_expand_func.ctypes
        white = rng.standard_normal((draws, program.n_dim))
        stacked = np.empty((draws, program.n_expanded))
        for row, values in zip(white, stacked, strict=True):
            failed = call(row.size, values.size, _pointer(row), _pointer(values),
                          program.user_data.ctypes.data)  # fmt: skip
            if failed:
                raise FitError("A draw from the prior could not be computed; check its widths.")
        names, slices, shapes = program.shape_info
        return {
            name: stacked[:, where].reshape(1, draws, *shape)
            for name, where, shape in zip(names, slices, shapes, strict=True)
        }


def _pointer(array: Floats) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))


def compile_study(study: Study) -> CompiledStudy:
    """Compile the model of a study.

    Parameters
    ----------
    study : Study

    Returns
    -------
    CompiledStudy
        Give it to `fit` to sample without compiling again.
    """
    layout = lay_out(study)
    model = build_model(study, layout=layout)
    return CompiledStudy(study, layout, model, nutpie.compile_pymc_model(model), store(layout))


def fit(
    study: Study | CompiledStudy,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    progress: bool = True,
) -> xr.DataTree:
    """Fit a study.

    Parameters
    ----------
    study : Study or CompiledStudy
    seed : int
        The same seed gives the same draws on the same machine and versions.
    draws, tune, chains : int
        Draws kept and tuning draws per chain, and independent chains.
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
    with _timed(clock, "compile"):
        compiled = study if isinstance(study, CompiledStudy) else compile_study(study)
    with _timed(clock, "pilot"):
        coordinates = find_coordinates(compiled, seed=seed)
    with _timed(clock, "sampling"):
        run = Run(seed=seed, draws=draws, tune=tune, chains=chains, progress=progress)
        trace = _sample(compiled, coordinates, run)
    with _timed(clock, "assembly"):
        tree = _assemble(compiled, trace, np.random.default_rng(seed))
    clock["total"] = time.perf_counter() - begin
    settings = {"seed": seed, "draws": draws, "tune": tune, "chains": chains}
    tree.attrs = {
        **root_attributes(compiled.study, settings),
        **judge(tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()),
        "wall_seconds": json.dumps({name: round(value, 2) for name, value in clock.items()}),
    }
    return tree


def find_coordinates(compiled: CompiledStudy, *, seed: int) -> Coordinates:
    """Coordinates for sampling, from a short pilot run.

    The pilot says where noise and step multipliers lie; the mode and the curvature that
    straighten the posterior are then taken there instead of at the prior's centre.

    Parameters
    ----------
    compiled : CompiledStudy
    seed : int

    Returns
    -------
    Coordinates
    """
    coordinates = straighten(compiled.gradient_at, compiled.layout)
    trace = _sample(compiled, coordinates, replace(PILOT, seed=seed))
    latents = trace["posterior"].to_dataset()["latents"].values
    scales = latents[..., compiled.layout.unknowns.scales_start :]
    spread = np.clip(scales.std(axis=(0, 1)), *_PILOT_SPREAD)
    return straighten(compiled.gradient_at, compiled.layout, (scales.mean(axis=(0, 1)), spread))


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


def _sample(compiled: CompiledStudy, coordinates: Coordinates, run: Run) -> xr.DataTree:
    try:
        trace: xr.DataTree = nutpie.sample(
            compiled.at(coordinates),
            draws=run.draws,
            tune=run.tune,
            chains=run.chains,
            cores=min(run.chains, os.cpu_count() or 1),
            seed=run.seed,
            progress_bar=run.progress,
            save_warmup=False,
            target_accept=TARGET_ACCEPT,
        )
    except RuntimeError as error:
        raise FitError(f"Sampling could not start: {error}") from error
    return trace


def _assemble(compiled: CompiledStudy, trace: xr.DataTree, rng: np.random.Generator) -> xr.DataTree:
    layout = compiled.layout
    draws = trace["posterior"].to_dataset()
    posterior = {name: draws[name].values for name in (*DIMENSIONS, *_PER_RECORD)}
    prior = compiled.prior(PRIOR_DRAWS, rng)
    stats = trace["sample_stats"].to_dataset()
    location, scale = (posterior[name] for name in _PER_RECORD)
    groups = {
        "posterior": draws_dataset(layout, posterior),
        "prior": draws_dataset(layout, prior),
        "sample_stats": stats[[name for name in _STATS if name in stats]],
        "posterior_predictive": replicate(layout, location, scale, rng),
        "prior_predictive": replicate(layout, prior["location"], prior["scale"], rng),
        "log_likelihood": log_likelihood(layout, location, scale),
        "observed_data": observed_data(layout),
        "constant_data": constant_data(compiled.study),
    }
    return xr.DataTree.from_dict(groups)
