"""One task: draw a world, print its records, fit them briefly, rank the truth among the draws."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from reebayes.experiments.calibration.estimands import (
    SUM,
    YEARLY,
    Figure,
    figures_of_draws,
    figures_of_world,
    headline_quantities,
    list_figures,
    ranks,
    stacked,
)
from reebayes.experiments.calibration.worlds import Seeds, make_trial
from reebayes.inference.convergence import ess_bulk, rhat
from reebayes.inference.coordinates import at_mode, over_draws
from reebayes.inference.density import gradients
from reebayes.inference.sampling import Run, draw
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats
from reebayes.study import Study


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a refit may cost, and how well it must have mixed.

    A refit starts in coordinates of the mode. If the R-hat of a headline quantity is above
    `rhat_max`, its draws serve as the pilot of another one, `attempts` times in all. The last one
    counts whatever it looks like, and is marked.
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

    def run(self, seed: int) -> Run:
        """Settings of the sampler."""
        return Run(
            seed=seed % 2**32, draws=self.draws, tune=self.tune, chains=self.chains,
            progress=False, accept=self.accept, cores=1,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """What is sent to a worker: a study, and which of its worlds to refit."""

    study: Study
    kind: str
    number: int
    seed: int
    effort: Effort

    @property
    def name(self) -> str:
        """Kind and number, as in the name of the task's file."""
        return f"{self.kind}/{self.number:05d}"


def refit(task: Task) -> dict[str, Any]:
    """Run one task.

    Parameters
    ----------
    task : Task

    Returns
    -------
    dict
        ``ranks`` (figure), in the order of `list_figures`, and the marks of the refit: ``rhat``
        and ``ess`` (worst of the headline quantities), ``divergences``, ``gradients`` a draw,
        ``attempts``, ``passed``, ``seconds``.
    """
    begin = time.perf_counter()
    seeds = Seeds.of(task.seed, task.number)
    trial = make_trial(task.study, task.kind, seeds)
    layout = lay_out(trial.study)
    figures = list_figures(task.study)
    truth = stacked(figures, figures_of_world(trial.world, trial.study, layout))
    with threadpool_limits(1):  # the other cores belong to the other tasks
        draws, marks = _converged_draws(task, layout, figures, seeds.sampler)
    return {
        "ranks": ranks(truth, draws, task.effort.kept).astype(np.int16),
        **marks,
        "seconds": time.perf_counter() - begin,
    }


def warm_up(task: Task) -> None:
    """Compile every kernel, so that the tasks that follow find them on disk."""
    refit(replace(task, effort=replace(task.effort, tune=4, draws=8, attempts=1)))


def _converged_draws(
    task: Task, layout: Layout, figures: Sequence[Figure], seed: int
) -> tuple[Floats, dict[str, Any]]:
    """Draws of the figures (chain, draw, figure), of the first attempt that mixed, or the last."""
    effort = task.effort
    headline = set(headline_quantities(task.study))
    watched = [n for n, f in enumerate(figures) if f.family in (YEARLY, SUM) and f.name in headline]
    gradient_at = gradients(layout)
    whitening = at_mode(gradient_at, layout)
    for attempt in range(effort.attempts):
        found, stats = draw(layout, effort.run(seed + attempt), whitening)
        draws = stacked(figures, figures_of_draws(found, layout))
        marks: dict[str, Any] = _mixing(draws[..., watched])
        marks["passed"] = marks["rhat"] <= effort.rhat_max
        if marks["passed"]:
            break
        latents = found["latents"].reshape(-1, layout.unknowns.size).astype(np.float64)
        whitening = over_draws(gradient_at, layout, latents)
    return draws, marks | {
        "attempts": attempt + 1,
        "divergences": int(stats["diverging"].sum()),
        "gradients": float(stats["n_steps"].mean()),
    }


def _mixing(draws: Floats) -> dict[str, float]:
    """Worst R-hat and effective sample size of draws (chain, draw, figure) that move."""
    pooled = draws.reshape(-1, draws.shape[-1])
    moving = np.isfinite(pooled).all(axis=0) & (np.ptp(pooled, axis=0) > 0)
    if not moving.any():
        return {"rhat": 1.0, "ess": float(len(pooled))}
    kept = np.ascontiguousarray(draws[..., moving])
    return {"rhat": float(rhat(kept).max()), "ess": float(ess_bulk(kept).min())}


def marks_of(outcome: Mapping[str, Any]) -> dict[str, float]:
    """Everything of an outcome but its ranks, as plain numbers."""
    return {name: float(value) for name, value in outcome.items() if name != "ranks"}
