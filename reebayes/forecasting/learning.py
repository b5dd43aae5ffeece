"""What plans of the past teach: whether a project starts, how late, and how much of it comes.

Three small posteriors, each of a few numbers, of cases in which a plan and its outcome are known.

A project of some status starts at all with probability p. The p of the statuses are Beta around a
mean that they have in common (partial pooling): m is that mean and k says how many cases of its own
a status needs to count as much as all others together. One that starts does so after a delay that
is Gamma with a fixed shape; starts are known by year, so a delay of d years lies within half a year
of d. A case that has not started by a lag L has the likelihood 1 - p F(L): it may start yet. The
posterior of (m, k, mean delay) is computed on a grid, and that of p given these on another.

What a project reaches of its capacity, the ramp taken off, is lognormal around a median that
projects have in common, with a spread between them: a normal-inverse-gamma posterior, in closed
form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reebayes.study import PlannedCase

type Floats = NDArray[np.float64]

DELAY_SHAPE = 1.5
"""Shape of the Gamma of delays: some start in time, few are very late. Ten cases cannot tell it."""

RAMP_SHAPE, RAMP_SCALE = 1.35, 2.15
"""Weibull of the part of its capacity that a mine has reached some years after its start."""

MEANS = (np.arange(40) + 0.5) / 40
WEIGHTS = np.geomspace(0.5, 64.0, 15)
"""Grid of k, the weight of what statuses have in common: any order of size alike."""

DELAYS = np.geomspace(0.4, 16.0, 40)
DELAY_MEDIAN, DELAY_SPREAD = 2.5, 0.6
"""Prior of the mean delay: lognormal, nine in ten from 1 to 7 years."""

EDGES = np.linspace(0.0, 1.0, 401)
CHANCES = 0.5 * (EDGES[1:] + EDGES[:-1])

REACHED_MEDIAN, REACHED_WEIGHT = 0.7, 2.0
REACHED_SHAPE, REACHED_SPREAD = 2.0, 0.5
"""Prior of what is reached of a capacity: a median of 0.7 that counts as two cases, and a spread of
0.5 on the log scale."""


def ramp(age: Floats) -> Floats:
    """Return the part of its capacity that a mine has reached at an age in years; 0 before it."""
    return np.asarray(-np.expm1(-((np.maximum(age, 0.0) / RAMP_SCALE) ** RAMP_SHAPE)))


def started_by(lag: Floats, mean_delay: Floats) -> Floats:
    """Return the probability that a delay ends by a lag, of projects that do start."""
    scale = np.asarray(mean_delay) / DELAY_SHAPE
    return np.asarray(stats.gamma.cdf(np.maximum(lag, 0.0), DELAY_SHAPE, scale=scale))


@dataclass(frozen=True)
class Learnt:
    """Draws of what plans of the past teach.

    Parameters
    ----------
    chance : mapping of status to array (draw)
        Probability that a project of that status ever starts.
    delay : array (draw)
        Mean delay in years.
    log_reached : array (draw)
        Log of the median part of its capacity that a project reaches.
    spread : array (draw)
        Standard deviation of that between projects, on the log scale.
    """

    chance: Mapping[str, Floats]
    delay: Floats
    log_reached: Floats
    spread: Floats


def learn(
    cases: Sequence[PlannedCase], statuses: Sequence[str], draws: int, rng: np.random.Generator
) -> Learnt:
    """Draw from the posteriors of plans of the past.

    Parameters
    ----------
    cases : sequence of PlannedCase
        None gives the prior.
    statuses : sequence of str
        Statuses of which the chance is drawn, whether or not one has a case.
    draws : int
    rng : Generator
    """
    terms = {status: _likelihood([c for c in cases if c.status == status]) for status in statuses}
    grid = np.stack(np.meshgrid(MEANS, WEIGHTS, indexing="ij")).reshape(2, -1)
    below = stats.beta.cdf(EDGES[:, None], grid[0] * grid[1], (1 - grid[0]) * grid[1])
    prior_of = np.diff(below, axis=0)  # (chance, grid)
    density = np.tile(_delay_prior(), (grid.shape[1], 1))
    for likelihood in terms.values():
        density *= prior_of.T @ likelihood  # (grid, delay)
    flat = rng.choice(density.size, size=draws, p=density.ravel() / density.sum())
    at, delay = np.unravel_index(flat, density.shape)
    chance = {
        status: _drawn(prior_of[:, at] * likelihood[:, delay], rng)
        for status, likelihood in terms.items()
    }
    median, spread = _reached(cases, draws, rng)
    return Learnt(chance, DELAYS[delay], median, spread)


def _delay_prior() -> Floats:
    density = np.exp(-0.5 * ((np.log(DELAYS) - np.log(DELAY_MEDIAN)) / DELAY_SPREAD) ** 2)
    return np.asarray(density / density.sum())


def _likelihood(cases: Sequence[PlannedCase]) -> Floats:
    """Likelihood (chance, delay) of whether and when the plans of one status came about."""
    found = np.ones((len(CHANCES), len(DELAYS)))
    for case in cases:
        if case.started is None:
            lag = case.observed - case.planned_start + 0.5
            found *= 1.0 - CHANCES[:, None] * started_by(np.array(lag), DELAYS)
            continue
        late = case.started - case.planned_start
        within = started_by(np.array(late + 0.5), DELAYS)
        # who starts in time or before has no delay
        within = within - (started_by(np.array(late - 0.5), DELAYS) if late > 0 else 0.0)
        if late < 0:
            within = started_by(np.array(0.5), DELAYS)
        found *= CHANCES[:, None] * within
    return found


def _drawn(density: Floats, rng: np.random.Generator) -> Floats:
    """Draw one chance from each column of densities (chance, draw)."""
    sums = np.cumsum(density, axis=0)
    at = (sums < rng.random(sums.shape[1]) * sums[-1]).sum(axis=0)
    return np.asarray(CHANCES[np.minimum(at, len(CHANCES) - 1)])


def reached_parts(cases: Sequence[PlannedCase]) -> Floats:
    """Return which part of its capacity each case has reached, the ramp taken off."""
    parts = [
        case.reached / (case.planned * float(ramp(np.array(case.reached_year - case.started))))
        for case in cases
        if case.reached and case.planned and case.started is not None
        and case.reached_year is not None and case.reached_year > case.started
    ]  # fmt: skip
    return np.array(parts, dtype=float)


def _reached(
    cases: Sequence[PlannedCase], draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw median (log) and spread of the parts that are reached."""
    mean, weight, shape, scale = reached_posterior(np.log(reached_parts(cases)))
    variance = scale / rng.gamma(shape, size=draws)
    median = mean + np.sqrt(variance / weight) * rng.standard_normal(draws)
    return median, np.sqrt(variance)


def reached_posterior(logs: Floats) -> tuple[float, float, float, float]:
    """Return mean, weight, shape and scale of the normal-inverse-gamma posterior."""
    prior, count = np.log(REACHED_MEDIAN), len(logs)
    weight, shape = REACHED_WEIGHT + count, REACHED_SHAPE + count / 2
    scale = (REACHED_SHAPE - 1) * REACHED_SPREAD**2
    if not count:
        return float(prior), weight, shape, scale
    mean = float(np.mean(logs))
    scale += 0.5 * float(np.sum((logs - mean) ** 2))
    scale += 0.5 * REACHED_WEIGHT * count / weight * (mean - prior) ** 2
    return float((REACHED_WEIGHT * prior + count * mean) / weight), weight, shape, scale
