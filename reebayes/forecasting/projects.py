"""What projects add: in each draw each starts or not, late or not, and reaches some of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from reebayes.forecasting.learning import DELAY_SHAPE, Learnt, ramp, started_by
from reebayes.study import Project, Study
from reebayes.study.prospects import COMING, OPERATING, newest

type Floats = NDArray[np.float64]

LEAD = 4
"""Years from a list to the start of a project that states none, where no project of it does."""

MOST_REACHED = 1.0
"""No project yields more than its capacity."""


def taking_part(study: Study) -> list[Project]:
    """Return the projects of a study that may add to what its mines yielded in its last year.

    Those that will operate, may be built or are; those that ran by then go on with the fit. Where
    a mine stood still in the last year nothing goes on, so that no project adds to it.
    """
    return [
        project for project in newest(study.projects)
        if project.flow and study.flows[project.flow].is_active(study.last_year)
        and project.output > 0
        and (project.status in COMING
             or (project.status == OPERATING and (project.start or 0) > study.last_year))
    ]  # fmt: skip


def stated_starts(projects: Sequence[Project]) -> dict[str, int]:
    """Return the year in which each project is said to start.

    One that states none starts as many years after its list as the others of the list, by the
    median.
    """
    leads = [p.start - p.as_of for p in projects
             if p.status in COMING and p.start is not None and p.start >= p.as_of]  # fmt: skip
    lead = round(float(np.median(leads))) if leads else LEAD
    return {p.project: p.start if p.start is not None else p.as_of + lead for p in projects}


def looked_at(study: Study, project: Project) -> int:
    """Return the last year in which a project is known not to have started, if it had not."""
    cases = [case.observed for case in study.planned_cases
             if case.project == project.project and case.started is None]  # fmt: skip
    return max([project.as_of, *cases])


def outputs(
    study: Study, projects: Sequence[Project], learnt: Learnt, years: Sequence[int],
    rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """Return what each project yields (draw, year, project), in the unit of the study.

    Parameters
    ----------
    study : Study
    projects : sequence of Project
        Of it, as `taking_part` returns them.
    learnt : Learnt
    years : sequence of int
    rng : Generator
    """
    draws = len(learnt.delay)
    starts, found = stated_starts(projects), np.zeros((draws, len(years), len(projects)))
    for at, project in enumerate(projects):
        stated = starts[project.project]
        if project.status == OPERATING:
            begins, ever = np.full(draws, float(stated)), np.ones(draws, dtype=bool)
        else:
            begins, ever = _starts(project, stated, looked_at(study, project), learnt, rng)
        reached = np.exp(learnt.log_reached + learnt.spread * rng.standard_normal(draws))
        share = ramp(np.array(years, dtype=float) - begins[:, None])
        part = np.where(ever, np.minimum(reached, MOST_REACHED), 0.0)
        found[:, :, at] = project.output * part[:, None] * share
    return found


def _starts(
    project: Project, stated: int, seen: int, learnt: Learnt, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return when a project starts in each draw, and whether it ever does.

    When it was last seen it had not: a delay that would have been over by then is none it can have.
    """
    lag = seen - stated
    gone = started_by(np.array(float(lag)), learnt.delay)
    chance = learnt.chance[project.status]
    ever = rng.random(len(gone)) < chance * (1 - gone) / (1 - chance * gone)
    late = _quantile(gone + (1 - gone) * rng.random(len(gone)), learnt.delay)
    return stated + late, ever


def _quantile(probability: Floats, mean_delay: Floats) -> Floats:
    top = np.minimum(probability, 1 - 1e-12)
    return np.asarray(gamma.ppf(top, DELAY_SHAPE, scale=mean_delay / DELAY_SHAPE))
