"""Probability integral transforms: where records lie in what draws predict of them."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln, ndtr, stdtr

from reebayes.model.kernels import CERTAIN, EITHER, LOWER, POINT, PRINTED, UPPER, Figures
from reebayes.model.unknowns import Floats

REPLICAS = 400
"""Replicated sets of records: what is shared by records of a set shows in how they lie together."""

_STEPS, _MIXED = np.linspace(0, 1, 101), 1000
"""Where the distribution of replicas is worked out, and of how many draws."""

LOW, HIGH, PIT, REPLICATED = "pit_low", "pit_high", "pit", "pit_replicated"


def transforms(
    location: Floats,
    scale: Floats,
    figures: Figures,
    rng: np.random.Generator,
    freedom: Floats | None = None,
) -> dict[str, Floats]:
    """Return the probability integral transform (PIT) of records that draws did not see.

    The predictive distribution of a record is the mean over the draws of that around its
    location, which holds its reporter's bias and the errors that it has in common, with its
    scale, which holds its reporter's noise: its own error is integrated out, not drawn.

    Parameters
    ----------
    location, scale : array (draw, record)
        On the scale of the records' errors.
    figures : Figures
        What each record states.
    rng : Generator
        For the place of bounds, readings of ambiguous figures, and replicas.
    freedom : array (draw), optional
        Degrees of freedom of the errors of figures in each draw, where they are learnt; those of
        ``figures`` if left out. 0 is a normal error.

    Returns
    -------
    dict of array
        ``pit_low`` and ``pit_high`` (record): the probabilities below the lower and the upper end
        of what is stated, equal for a figure. ``pit`` (record): uniform between them. Of a figure
        with an alternative value, one of both is taken, with the probability that the
        draws give it. ``pit_replicated`` (replica, record): the same of figures that are drawn
        anew, all of one replica from one draw. A record that says nothing has NaN.

    References
    ----------
    Czado, Gneiting, Held (2009), Predictive model assessment for count data, Biometrics 65.
    """
    draws, count = location.shape
    freedom = np.full(draws, figures.freedom) if freedom is None else freedom
    low, high = np.full(count, np.nan), np.full(count, np.nan)
    for n in range(count):
        low[n], high[n] = _ends(location[:, n], scale[:, n], _one(figures, n), freedom, rng)
    return {
        LOW: low,
        HIGH: high,
        PIT: low + (high - low) * rng.uniform(size=count),
        REPLICATED: _replicated(location, scale, figures, freedom, rng),
    }


def _one(figures: Figures, n: int) -> Figures:
    return figures._replace(kind=figures.kind[n], low=figures.low[n], high=figures.high[n])


def _ends(
    location: Floats, scale: Floats, figure: Figures, freedom: Floats, rng: np.random.Generator
) -> tuple[float, float]:
    """Probabilities below the ends of what one record states."""
    heavy = _heavy(figure, freedom)

    def below(value: float) -> float:
        return float(_below((value - location) / scale, heavy).mean())

    if figure.kind == CERTAIN:
        return np.nan, np.nan
    if figure.kind == EITHER:
        return (below(_reading(location, scale, figure, heavy, rng)),) * 2
    if figure.kind in PRINTED:
        return (below(figure.low),) * 2
    return (
        0.0 if figure.kind == UPPER else below(figure.low),
        1.0 if figure.kind == LOWER else below(figure.high),
    )


def _reading(
    location: Floats, scale: Floats, figure: Figures, heavy: Floats, rng: np.random.Generator
) -> float:
    """One of both values of an ambiguous figure, as probable as its predictive density."""
    values = (float(figure.low), float(figure.high))
    dense = [(_density((v - location) / scale, heavy) / scale).mean() for v in values]
    chance = dense[0] / sum(dense) if sum(dense) > 0 else 0.5
    return values[0] if rng.uniform() < chance else values[1]


def _replicated(
    location: Floats, scale: Floats, figures: Figures, freedom: Floats, rng: np.random.Generator
) -> Floats:
    """PIT (replica, record) of figures drawn from evenly spaced draws."""
    draws = len(location)
    chosen = np.linspace(0, draws - 1, REPLICAS).astype(int)
    some = np.linspace(0, draws - 1, min(draws, _MIXED)).astype(int)
    found = np.full((REPLICAS, location.shape[1]), np.nan)
    for n in range(location.shape[1]):
        figure = _one(figures, n)
        heavy = _heavy(figure, freedom)
        tails = heavy[chosen]
        noise = rng.standard_t(tails) if (tails > 0).all() else rng.standard_normal(REPLICAS)
        if figure.kind == CERTAIN:
            continue
        values = location[chosen, n] + scale[chosen, n] * noise
        # the predictive distribution at quantiles of the replicas is all but linear between them
        at = np.quantile(values, _STEPS)
        z = (at[:, None] - location[some, n]) / scale[some, n]
        below = _below(z, heavy[some]).mean(axis=1)
        found[:, n] = np.interp(values, at, below)
    return found


def _heavy(figure: Figures, freedom: Floats) -> Floats:
    """Degrees of freedom of a record's error in each draw; 0 for a normal one.

    Bounds, and parts of compositions, always have that.
    """
    return freedom if figure.kind in (POINT, EITHER) else np.zeros_like(freedom)


def _below(z: Floats, freedom: Floats) -> Floats:
    return np.asarray(stdtr(freedom, z) if (freedom > 0).all() else ndtr(z))


def _density(z: Floats, freedom: Floats) -> Floats:
    if not (freedom > 0).all():
        return np.asarray(np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi))
    half = 0.5 * (freedom + 1)
    constant = gammaln(half) - gammaln(0.5 * freedom) - 0.5 * np.log(freedom * math.pi)
    return np.asarray(np.exp(constant - half * np.log1p(z**2 / freedom)))
