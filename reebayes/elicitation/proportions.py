"""Shares of those who answer, from counts: groups pooled as far as they are alike.

The answers of a group are multinomial, its shares are Dirichlet around those of all groups, and how
far groups differ is learnt. With two answers that is the beta-binomial model. The spread of groups
is integrated on a grid; the common shares are drawn from a Dirichlet distribution near their
posterior and weighted by the exact likelihood (importance sampling), so no chain has to converge.
With one group the posterior is the Dirichlet distribution in closed form.

References: Gelman and others, *Bayesian Data Analysis*, 3rd ed., 2013, chapter 5; Brown, Cai and
DasGupta, *Statistical Science* 16, 2001 (intervals of Jeffreys' prior); Kish, *Survey Sampling*,
1965 (effective size of a weighted sample).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from reebayes.conventions import CI_PROB

type Floats = NDArray[np.float64]

JEFFREYS = 0.5
"""Parameter of the Dirichlet prior of the common shares, for each answer."""

SPREAD = 0.25
"""Scale of the half-normal prior of the spread of groups, as a share of what a binary answer has.

Shares of groups have the standard deviation ``spread * sqrt(share * (1 - share))``. Regional
shares of one published survey of manufacturers (PwC, Minerals and metals scarcity in manufacturing,
2011: 0.71, 0.53, 0.50) have a spread of 0.23, errors of sampling included.
"""

GRID, PROPOSALS, DRAWS = 40, 1_000, 20_000
LEAST_EFFECTIVE = 1_000
"""Effective number of weighted draws below which more are made."""

MOST_DOUBLED = 5
MARGIN = 0.05
"""Half width of the band that a survey should reach: 5 points."""

_TINY = 1e-12  # shares below are no numbers to the gamma function
_MOST_NEEDED = 10_000_000


@dataclass(frozen=True)
class Shares:
    """Draws of the shares of every group (draw, group, answer), and of a group not asked.

    ``effective`` is the effective number of weighted draws that they were taken from; of one
    group, which has a closed form, their number.
    """

    groups: Floats
    other: Floats
    effective: float


def effective_size(weights: Floats) -> float:
    """Return how many answers of equal weight say as much as these: ``(sum w)^2 / sum w^2``."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.size else 0.0


def pooled_shares(
    counts: Floats, rng: np.random.Generator, draws: int = DRAWS, *, others: bool = False
) -> Shares:
    """Draw the shares of every group and answer.

    Parameters
    ----------
    counts : ndarray (group, answer)
        Answers, or effective numbers of them, which need not be whole.
    rng : Generator
    draws : int
    others : bool
        Whether there are groups that nobody asked, so that one group is not all there is.

    Returns
    -------
    Shares
    """
    if len(counts) == 1 and not others:
        alone = _dirichlet(np.broadcast_to(counts[0] + JEFFREYS, (draws, counts.shape[1])), rng)
        return Shares(alone[:, np.newaxis], alone, float(draws))
    spreads = _spread_grid()
    size = PROPOSALS
    for _ in range(MOST_DOUBLED):
        common, spread, weights = _weighted(counts, spreads, size, rng)
        effective = 1 / float((weights**2).sum())
        if effective >= LEAST_EFFECTIVE:
            break
        size *= 2
    chosen = _resampled(weights, draws, rng)
    strength = (1 / spread[chosen] ** 2 - 1)[:, np.newaxis] * common[chosen]
    groups = _dirichlet(strength[:, np.newaxis] + counts, rng)
    return Shares(groups, _dirichlet(strength, rng), effective)


def _spread_grid() -> Floats:
    """Spreads of equal prior probability, below 1."""
    most = stats.halfnorm.cdf(1.0, scale=SPREAD)
    middles = (np.arange(GRID) + 0.5) / GRID * most
    grid: Floats = stats.halfnorm.ppf(middles, scale=SPREAD)
    return grid


def _weighted(
    counts: Floats, spreads: Floats, size: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return common shares, their spread and their weights, which add to 1."""
    sizes = counts.sum(axis=1)
    commons, weights = [], []
    for spread in spreads:
        # Answers of one group are alike, so each says less of all groups.
        heard = counts / (1 + np.maximum(sizes - 1, 0) * spread**2)[:, np.newaxis]
        near = JEFFREYS + heard.sum(axis=0)
        common = np.maximum(rng.dirichlet(near, size), _TINY)
        drawn = ((near - JEFFREYS) * np.log(common)).sum(axis=1) - _log_beta(near)
        weights.append(log_likelihood(counts, common, spread) - drawn)
        commons.append(common)
    log = np.concatenate(weights)
    weight = np.exp(log - log.max())
    return np.concatenate(commons), np.repeat(spreads, size), weight / weight.sum()


def log_likelihood(counts: Floats, common: Floats, spread: float) -> Floats:
    """Return the Dirichlet-multinomial log likelihood of counts, up to a constant.

    Parameters
    ----------
    counts : ndarray (group, answer)
    common : ndarray (draw, answer)
        Shares of all groups.
    spread : float
        Between 0 and 1.

    Returns
    -------
    ndarray (draw,)
    """
    strength = 1 / spread**2 - 1
    alpha = strength * common[:, np.newaxis]
    cells = special.gammaln(alpha + counts) - special.gammaln(alpha)
    sizes = special.gammaln(strength) - special.gammaln(strength + counts.sum(axis=1))
    total: Floats = cells.sum(axis=(1, 2)) + sizes.sum()
    return total


def _log_beta(alpha: Floats) -> float:
    return float(special.gammaln(alpha).sum() - special.gammaln(alpha.sum()))


def _resampled(weights: Floats, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Systematic resampling, in random order."""
    places = (np.arange(draws) + rng.random()) / draws
    chosen = np.searchsorted(np.cumsum(weights), places).clip(max=len(weights) - 1)
    return rng.permutation(chosen)


def _dirichlet(alpha: Floats, rng: np.random.Generator) -> Floats:
    """Draw one vector of shares for each vector of parameters (last axis)."""
    drawn = np.maximum(rng.standard_gamma(alpha), 1e-300)
    shares: Floats = drawn / drawn.sum(axis=-1, keepdims=True)
    return shares


# --- closed forms ---------------------------------------------------------------------------------


def beta_band(
    share: float, n: float, rounding: float = 0.0, ci_prob: float = CI_PROB
) -> tuple[float, float]:
    """Return the equal-tailed band of a share that `n` answers gave.

    Parameters
    ----------
    share : float
        As found or printed.
    n : float
        Number of answers.
    rounding : float
        Step to which the share was rounded; every share within half a step is as probable.
    ci_prob : float

    Returns
    -------
    tuple of float
    """
    found = np.clip(share + rounding * (np.arange(21) / 20 - 0.5), 0, 1) if rounding else share
    yes = JEFFREYS + n * np.atleast_1d(found)
    no = JEFFREYS + n - n * np.atleast_1d(found)
    tail = (1 - ci_prob) / 2
    low, high = _mixed_quantile(yes, no, tail), _mixed_quantile(yes, no, 1 - tail)
    return low, high


def counted_band(
    share: float, n: int, rounding: float, ci_prob: float = CI_PROB
) -> tuple[float, float, float] | None:
    """Return median and band of a printed share of `n` answers, whose count was not printed.

    Every count that rounds to the share is as probable; None if no count does.
    """
    least = math.ceil(n * (share - rounding / 2) - 1e-9)
    most = math.floor(n * (share + rounding / 2) + 1e-9)
    counts = np.arange(max(least, 0), min(most, n) + 1, dtype=np.float64)
    if not counts.size:
        return None
    # The probability of each count is that of the prior predictive, not that of the step.
    log = special.betaln(JEFFREYS + counts, JEFFREYS + n - counts) - (
        special.gammaln(counts + 1) + special.gammaln(n - counts + 1)
    )
    weights = np.exp(log - log.max())
    tail = (1 - ci_prob) / 2
    yes: Floats = JEFFREYS + counts
    no: Floats = JEFFREYS + n - counts
    low, middle, high = (
        _mixed_quantile(yes, no, p, weights / weights.sum()) for p in (tail, 0.5, 1 - tail)
    )
    return middle, low, high


def _mixed_quantile(yes: Floats, no: Floats, p: float, weights: Floats | None = None) -> float:
    """Return a quantile of a mixture of beta distributions."""
    ends = stats.beta.ppf(p, yes, no)
    low, high = float(ends.min()), float(ends.max())
    for _ in range(60):
        middle = (low + high) / 2
        below = np.average(special.betainc(yes, no, middle), weights=weights)
        low, high = (middle, high) if below < p else (low, middle)
    return (low + high) / 2


def respondents_needed(share: float, margin: float = MARGIN, ci_prob: float = CI_PROB) -> int:
    """Return how many answers a simple random sample needs for a band of so many points.

    Parameters
    ----------
    share : float
        Expected share.
    margin : float
        Half the width of the band.
    ci_prob : float

    Returns
    -------
    int
        The least number from which on half the width is at most `margin`.
    """

    def is_narrow(n: int) -> bool:
        low, high = beta_band(share, n, ci_prob=ci_prob)
        return (high - low) / 2 <= margin

    least, most = 0, 1
    while not is_narrow(most) and most < _MOST_NEEDED:
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if is_narrow(middle) else (middle, most)
    return most


def probability_ahead(ahead: Floats, behind: Floats) -> float:
    """Return the probability that one share is above another, from those who tell them apart.

    Whoever says the same of both says nothing of their order; of the others, the share that puts
    the first above has a beta distribution (a Bayesian form of McNemar's test).

    Parameters
    ----------
    ahead, behind : ndarray
        Weights of respondents who name the first and not the second, and the reverse.

    Returns
    -------
    float
        One half if nobody tells them apart.
    """
    both = np.concatenate([ahead, behind])
    if not both.size:
        return 0.5
    size = effective_size(both)
    share = float(ahead.sum() / both.sum())
    return float(stats.beta.sf(0.5, JEFFREYS + size * share, JEFFREYS + size * (1 - share)))
