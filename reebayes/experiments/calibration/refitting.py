"""One task: simulate a data set, fit it briefly, rank the truth among the draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reebayes.experiments.calibration.again import printed_again
from reebayes.experiments.calibration.datasets import Seeds, simulate_data_set
from reebayes.experiments.calibration.estimands import (
    SUM,
    YEARLY,
    Estimand,
    estimands_of_draws,
    estimands_of_truth,
    list_estimands,
    ranks,
    stacked,
)
from reebayes.inference.convergence import ess_bulk, rhat
from reebayes.inference.coordinates import at_mode, over_draws
from reebayes.inference.density import gradients
from reebayes.inference.sampling import Run, draw
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats
from reebayes.study import Study


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """Sampler settings of a refit, and the gate that it must pass.

    A refit starts in coordinates of the mode. If the R-hat of a headline quantity is above
    `rhat_max`, its draws serve as the pilot of another one, `attempts` times in all. The last one
    counts even if it fails, and its outcome says so.
    """

    chains: int = 2
    tune: int = 80
    draws: int = 200
    accept: float = 0.8
    kept: int = 99
    rhat_max: float = 1.1
    attempts: int = 3

    @property
    def plain(self) -> dict[str, Any]:
        """As a dictionary, for the file that says how a run was made."""
        return asdict(self)

    def run(self, seed: int, *, cores: int | None) -> Run:
        """Settings of the sampler."""
        return Run(
            seed=seed % 2**32, draws=self.draws, tune=self.tune, chains=self.chains,
            progress=False, accept=self.accept, cores=cores,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """What is sent to a worker: a study, and which of its simulated data sets to refit.

    A data set that is drawn from a posterior has its ``truth`` (latent), and draws of the fit
    ``near`` which its refit starts (draw, latent).
    """

    study: Study
    kind: str
    number: int
    seed: int
    settings: SamplerSettings
    truth: Floats | None = None
    near: Floats | None = None

    @property
    def name(self) -> str:
        """Kind and number, as in the name of the task's file."""
        return f"{self.kind}/{self.number:05d}"


def refit(task: Task, *, cores: int | None) -> dict[str, Any]:
    """Run one task.

    Parameters
    ----------
    task : Task
    cores : int, optional
        How many it may use; all of them if None.

    Returns
    -------
    dict
        ``ranks`` (estimand), in the order of `list_estimands`, and the diagnostics of the refit:
        ``rhat`` and ``ess`` (worst of the headline quantities), ``divergences``, ``gradients``
        a draw, ``attempts``, ``passed``.
    """
    seeds = Seeds.of(task.seed, task.number)
    if task.truth is None:
        data_set = simulate_data_set(task.study, task.kind, seeds)
    else:
        data_set = printed_again(task.study, task.kind, task.truth, seeds)
    layout = lay_out(data_set.study)
    estimands = list_estimands(task.study)
    truth = stacked(estimands, estimands_of_truth(data_set.world, data_set.study, layout))
    draws, diagnostics = _converged_draws(task, layout, estimands, seeds.sampler, cores)
    kept = ranks(truth, draws, task.settings.kept).astype(np.int16)
    return {"ranks": kept, **diagnostics}


def _converged_draws(
    task: Task, layout: Layout, estimands: Sequence[Estimand], seed: int, cores: int | None
) -> tuple[Floats, dict[str, Any]]:
    """Draws (chain, draw, estimand) of the first attempt that mixed, or the last."""
    settings = task.settings
    headline = set(task.study.headline)
    watched = [
        n for n, one in enumerate(estimands)
        if one.family in (YEARLY, SUM) and one.name in headline
    ]  # fmt: skip
    gradient_at = gradients(layout)
    if task.near is None:
        whitening = at_mode(gradient_at, layout)
    else:
        whitening = over_draws(gradient_at, layout, task.near)
    for attempt in range(settings.attempts):
        found, stats = draw(layout, settings.run(seed + attempt, cores=cores), whitening)
        draws = stacked(estimands, estimands_of_draws(found, layout))
        diagnostics: dict[str, Any] = _mixing(draws[..., watched])
        diagnostics["passed"] = diagnostics["rhat"] <= settings.rhat_max
        if diagnostics["passed"]:
            break
        latents = found["latents"].reshape(-1, layout.unknowns.size).astype(np.float64)
        whitening = over_draws(gradient_at, layout, latents)
    return draws, diagnostics | {
        "attempts": attempt + 1,
        "divergences": int(stats["diverging"].sum()),
        "gradients": float(stats["n_steps"].mean()),
    }


def _mixing(draws: Floats) -> dict[str, float]:
    """Worst R-hat and effective sample size of draws (chain, draw, estimand) that vary."""
    pooled = draws.reshape(-1, draws.shape[-1])
    moving = np.isfinite(pooled).all(axis=0) & (np.ptp(pooled, axis=0) > 0)
    if not moving.any():
        return {"rhat": 1.0, "ess": float(len(pooled))}
    kept = np.ascontiguousarray(draws[..., moving])
    return {"rhat": float(rhat(kept).max()), "ess": float(ess_bulk(kept).min())}


def diagnostics_of(outcome: Mapping[str, Any]) -> dict[str, float]:
    """Everything of an outcome but its ranks, as plain numbers."""
    return {name: float(value) for name, value in outcome.items() if name != "ranks"}
