"""What one expert believes as a distribution, and several of them pooled.

A belief has the three quantiles that were stated: a normal distribution to either side of the
median, each with its own spread, on the scale of the prior (log, or log odds of a share). A linear
pool is the mixture of the beliefs; a log pool is their weighted geometric mean, scaled to 1.

References: Stone, *Annals of Mathematical Statistics* 32, 1961 (linear pool); Genest and Zidek,
*Statistical Science* 1, 1986 (both, and when each is right).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reebayes.elicitation.quantiles import NORMAL_95, Pool, Statement, scale_of

type Floats = NDArray[np.float64]

_FINE, _EDGE = 6001, 1e-9


@dataclass(frozen=True, slots=True)
class Belief:
    """A distribution on the scale of a prior: half of it normal below the median, half above."""

    median: float
    below: float
    above: float

    def standard(self, x: Floats) -> Floats:
        """Return places as standard deviations from the median."""
        return (x - self.median) / np.where(x < self.median, self.below, self.above)

    def below_probability(self, x: Floats) -> Floats:
        """Return the probability of less than `x`."""
        found: Floats = special.ndtr(self.standard(x))
        return found

    def log_density(self, x: Floats) -> Floats:
        """Return the log density, up to a constant that all beliefs share."""
        spread = np.where(x < self.median, self.below, self.above)
        found: Floats = -0.5 * self.standard(x) ** 2 - np.log(spread)
        return found

    def quantile(self, p: float) -> float:
        """Return the value below which the belief lies with probability `p`."""
        return self.median + float(special.ndtri(p)) * (self.below if p < 0.5 else self.above)


def belief_of(stated: Statement) -> Belief:
    """Return what a statement says, on the scale of its prior."""
    scale = scale_of(stated.distribution)
    low, middle, high = (scale(value) for value in (stated.low, stated.middle, stated.high))
    return Belief(middle, (middle - low) / NORMAL_95, (high - middle) / NORMAL_95)


@dataclass(frozen=True)
class Mixed:
    """A pool of beliefs: its cumulative probability ``p`` at places ``x`` of the scale."""

    x: Floats
    p: Floats

    def quantile(self, p: float) -> float:
        """Return the value below which the pool lies with probability `p`."""
        return float(np.interp(p, self.p, self.x))

    def below_probability(self, x: float) -> float:
        """Return the probability of less than `x`."""
        return float(np.interp(x, self.x, self.p))

    def pinball(self, p: float, guess: float | None = None) -> float:
        """Return the expected quantile (pinball) loss of a guess at the quantile of `p`.

        Without a guess that of the quantile itself, the least there is.
        """
        best = self.quantile(p)
        # E[(p - [x < q]) (x - q)] at its least is that integral of F below and of 1 - F above.
        below, above = np.minimum(self.x, best), np.maximum(self.x, best)
        least = (1 - p) * np.trapezoid(np.minimum(self.p, p), below) + p * np.trapezoid(
            1 - np.maximum(self.p, p), above
        )
        if guess is None:
            return float(least)
        grid = np.linspace(best, guess, _FINE)
        return float(least + np.trapezoid(np.interp(grid, self.x, self.p) - p, grid))


def pooled(beliefs: Sequence[Belief], weights: Sequence[float], how: Pool = "linear") -> Mixed:
    """Return the pool of several beliefs.

    Parameters
    ----------
    beliefs : sequence of Belief
    weights : sequence of float
        One each, above 0; only their proportions count.
    how : {"linear", "log"}

    Returns
    -------
    Mixed
    """
    share = np.asarray(weights, float) / np.sum(weights)
    places = _places(beliefs)
    if how == "linear":
        each = np.array([belief.below_probability(places) for belief in beliefs])
        return Mixed(places, share @ each)
    log = share @ np.array([belief.log_density(places) for belief in beliefs])
    density = np.exp(log - log.max())
    parts = np.diff(places) * (density[1:] + density[:-1]) / 2
    cumulated = np.concatenate([[0.0], np.cumsum(parts)])
    return Mixed(places, cumulated / cumulated[-1])


def _places(beliefs: Sequence[Belief]) -> Floats:
    """Places that lie close wherever a belief, or what lies between two, may have its mass."""
    ends = [(belief.quantile(_EDGE), belief.quantile(1 - _EDGE)) for belief in beliefs]
    least, most = min(end[0] for end in ends), max(end[1] for end in ends)
    grids = [np.linspace(*end, _FINE) for end in (*ends, (least, most))]
    # A density jumps at its median, which must not lie within a step.
    medians = np.array([belief.median for belief in beliefs])
    jumps = np.concatenate([np.nextafter(medians, -np.inf), medians])
    return np.unique(np.concatenate([*grids, jumps]))
