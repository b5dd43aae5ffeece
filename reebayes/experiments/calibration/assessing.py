"""From SBC ranks to a verdict: uniformity of ranks, and coverage of bands.

A rank becomes a number between 0 and 1, drawn within its step, which is exactly uniform if the
model is calibrated: whether a band holds the truth, and whether the empirical distribution
stays inside its envelope, both follow from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import betaincinv, ndtr, ndtri
from scipy.stats import binom, poisson, rankdata
from threadpoolctl import threadpool_limits

from reebayes.experiments.calibration.estimands import SUM, YEARLY, Estimand
from reebayes.model.unknowns import Floats

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Probabilities of the bands whose coverage is counted."""

SIZE = 0.05
"""Probability that calibrated ranks fail the test, over all test quantities together."""

OWN = 0.99
"""Probability that the calibrated ranks of one test quantity stay in an envelope of its own."""

FEW = 20
"""Fewer ranks than these cannot leave their envelope, and are not tested."""

_HALVINGS = 30
_MOST = 40
_REPLICAS = 200


def uniform_ranks(ranks: np.ndarray, kept: int, seed: int) -> Floats:
    """SBC ranks among `kept` draws as uniform numbers; NaN where there is no rank.

    Parameters
    ----------
    ranks : array of int
        0 to `kept`, or -1 for none.
    kept : int
    seed : int
        Positions within the steps are drawn with it.
    """
    within = np.random.default_rng(seed).uniform(size=ranks.shape)
    return np.where(ranks < 0, np.nan, (ranks + within) / (kept + 1))


# --- uniform ranks --------------------------------------------------------------------------------


def envelope(size: int, prob: float) -> tuple[Floats, Floats, Floats]:
    """Where the distribution of so many uniform numbers stays, at all points at once.

    Parameters
    ----------
    size : int
        How many numbers.
    prob : float
        Probability that the empirical distribution function stays inside.

    Returns
    -------
    points, lower, upper : array
        Evaluation points 1/size, 2/size, ... below 1, and the bounds there.

    Notes
    -----
    The bounds are binomial quantiles of one probability at every point, and that probability is
    found by bisection on the exact probability of staying inside: a Poisson process of known total
    has the same counts. ArviZ simulates it, which does not reach the few chances in ten thousand
    that are left to a test quantity among hundreds.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), Statistics and Computing 32, 32.
    """
    points = np.arange(1, size) / size
    least, most = _counts(size, _tail(size, prob))
    return points, least / size, most / size


@lru_cache(maxsize=64)
def _tail(size: int, prob: float) -> float:
    """Probability in either tail at every point, as large as it may be."""
    low, high = 0.0, 0.5
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if stay_inside(*_counts(size, middle), size) < prob:
            high = middle
        else:
            low = middle
    return low


def _counts(size: int, tail: float) -> tuple[Floats, Floats]:
    points = np.arange(1, size) / size
    return binom.ppf(tail, size, points), binom.isf(tail, size, points)


def stay_inside(least: Floats, most: Floats, size: int) -> float:
    """Probability that counts of uniform numbers stay within bounds at 1/size, 2/size, ...

    Parameters
    ----------
    least, most : array (size - 1)
        Least and greatest count of numbers up to each point.
    size : int
        How many numbers there are in all.
    """
    # Each step of the process adds a Poisson number of mean 1; beyond _MOST there is nothing.
    steps = poisson.pmf(np.arange(min(size, _MOST) + 1), 1.0)
    chance, begin = np.ones(1), 0
    for low, high in zip(least.astype(int), most.astype(int), strict=True):
        chance = np.convolve(chance, steps)
        low = max(low, begin)
        chance, begin = chance[low - begin : high + 1 - begin], low
    last = np.convolve(chance, steps)[size - begin : size - begin + 1].sum()
    return float(last / poisson.pmf(size, size))


def distribution(values: Floats) -> Floats:
    """Empirical distribution function of finite values at 1/size, 2/size, ..."""
    points = np.arange(1, values.size) / values.size
    return np.searchsorted(np.sort(values), points, side="right") / values.size


def is_inside(values: Floats, prob: float) -> bool:
    """Whether the distribution of finite values stays inside its envelope."""
    _, lower, upper = envelope(values.size, prob)
    ecdf = distribution(values)
    return bool(np.all((ecdf >= lower - 1e-9) & (ecdf <= upper + 1e-9)))


def uniformity(
    estimands: Sequence[Estimand], values: Floats, headline: Sequence[str]
) -> pd.DataFrame:
    """Whether the ranks of each test quantity are uniform.

    Parameters
    ----------
    estimands : sequence of Estimand
    values : array (world, estimand)
        As `uniform_ranks` returns them.
    headline : sequence of str
        Quantities whose yearly values are tested; those of all others are counted in the
        coverage alone.

    Returns
    -------
    DataFrame
        ``family, figure, worlds, mean, inside, inside_own``: the mean is 0.5 if posteriors are not
        biased; ``inside`` says whether the distribution stays in the envelope that all test
        quantities together leave with a probability of `SIZE` (Bonferroni), ``inside_own`` in the
        envelope that this one alone keeps to with a probability of `OWN`.
    """
    tested = _tested(estimands, values, headline)
    prob = 1 - SIZE / max(len(tested), 1)
    rows = []
    for n in tested:
        sound = values[np.isfinite(values[:, n]), n]
        figure = estimands[n].family, str(estimands[n]), sound.size, sound.mean()
        rows.append((*figure, is_inside(sound, prob), is_inside(sound, OWN)))
    names = ["family", "figure", "worlds", "mean", "inside", "inside_own"]
    return pd.DataFrame(rows, columns=names)


def _tested(estimands: Sequence[Estimand], values: Floats, headline: Sequence[str]) -> list[int]:
    return [
        n for n, estimand in enumerate(estimands)
        if (estimand.family != YEARLY or estimand.name in headline)
        and np.isfinite(values[:, n]).sum() >= FEW
    ]  # fmt: skip


def most_outside(estimands: Sequence[Estimand], values: Floats, headline: Sequence[str]) -> int:
    """How many test quantities may leave their own envelope by chance.

    Parameters
    ----------
    estimands : sequence of Estimand
    values : array (world, estimand)
        As `uniform_ranks` returns them.
    headline : sequence of str
        As in `uniformity`.

    Returns
    -------
    int
        Of calibrated ranks more would leave it with a probability of at most `SIZE`.

    Notes
    -----
    Test quantities of one world hang together, so that those outside come in clusters, and a
    binomial limit would be too low. The limit is simulated instead, from normal scores of the
    ranks: calibrated worlds whose scores are correlated as in the worlds at hand (a Gaussian
    copula). Where a quantity has no rank, a random one stands in.
    """
    rng = np.random.default_rng(0)
    chosen = values[:, _tested(estimands, values, headline)]
    worlds, count = chosen.shape
    filled = np.where(np.isfinite(chosen), chosen, rng.uniform(size=chosen.shape))
    scores = ndtri((rankdata(filled, axis=0) - 0.5) / worlds)
    scores /= np.sqrt(np.square(scores).sum(axis=0))
    _, lower, upper = envelope(worlds, OWN)
    least, most = ((bound * worlds).round()[:, None] for bound in (lower, upper))
    outside = []
    with threadpool_limits(1):  # many small products: threads would wait for one another
        for _ in range(_REPLICAS):
            uniform = ndtr(rng.standard_normal((worlds, worlds)) @ scores)
            steps = (uniform * worlds).astype(int) * count + np.arange(count)
            each = np.bincount(steps.ravel(), minlength=worlds * count).reshape(worlds, count)
            counts = np.cumsum(each, axis=0)[:-1]
            outside.append(int(((counts < least) | (counts > most)).any(axis=0).sum()))
    return int(np.quantile(outside, 1 - SIZE, method="inverted_cdf"))


# --- coverage -------------------------------------------------------------------------------------


def coverage_table(estimands: Sequence[Estimand], values: Floats) -> pd.DataFrame:
    """How often the bands of each quantity cover the truth.

    Parameters
    ----------
    estimands : sequence of Estimand
    values : array (world, estimand)
        As `uniform_ranks` returns them.

    Returns
    -------
    DataFrame
        ``quantity, what, band, worlds, covered, lower, upper``. ``what`` is ``years`` (all years
        of a quantity), ``sum`` (its sum over the years); the quantity ``all`` pools them. Bounds
        are those of a 95 % interval.
    """
    rows = []
    for what, family in (("years", YEARLY), ("sum", SUM)):
        groups: dict[str, list[int]] = {"all": []}
        for n, estimand in enumerate(estimands):
            if estimand.family == family:
                groups["all"].append(n)
                groups.setdefault(estimand.name, []).append(n)
        rows += [
            (name, what, level, *covered(values[:, columns], level))
            for name, columns in groups.items()
            for level in LEVELS
            if columns and np.isfinite(values[:, columns]).any()
        ]
    names = ["quantity", "what", "band", "worlds", "covered", "lower", "upper"]
    return pd.DataFrame(rows, columns=names)


def covered(values: Floats, level: float) -> tuple[int, float, float, float]:
    """Data sets, share of the bands that cover the truth, and a 95 % interval of that share.

    The test quantities of one data set are correlated, so data sets are what is counted: the
    binomial interval (Jeffreys) is that of as many independent bands as would scatter as the data
    sets do.
    """
    values = values[np.isfinite(values).any(axis=1)]
    sound = np.isfinite(values)
    held = np.abs(values - 0.5) <= level / 2
    part = float(held[sound].mean())
    worlds = len(values)
    weight = sound.sum(axis=1) / sound.sum()
    own = np.where(sound, held, False).sum(axis=1) / sound.sum(axis=1)
    variance = float(np.square(weight * (own - part)).sum()) * worlds / max(worlds - 1, 1)
    plain = part * (1 - part)
    size = min(max(plain / variance, worlds), sound.sum()) if variance > 0 else worlds
    success, failure = part * size + 0.5, (1 - part) * size + 0.5
    lower, upper = betaincinv(success, failure, [0.025, 0.975])
    return worlds, part, min(float(lower), part), max(float(upper), part)


def summary_table(coverage: pd.DataFrame, headline: Sequence[str]) -> pd.DataFrame:
    """Coverage of all quantities together and of the headline, as text for a page.

    Parameters
    ----------
    coverage : DataFrame
        ``world`` beside the columns of `coverage_table`.
    headline : sequence of str

    Returns
    -------
    DataFrame
        ``world, quantity, bands, worlds``, and a column for each band: the per cent that cover
        the truth, with its 95 % interval.
    """
    shown = coverage[coverage["quantity"].isin(["all", *headline])]
    rows = []
    for (world, quantity, what), found in shown.groupby(["world", "quantity", "what"], sort=False):
        cells = {
            f"{row.band:.0%}": f"{row.covered:.1%} ({row.lower:.1%} to {row.upper:.1%})"
            for row in found.itertuples()
        }
        bands = "by year" if what == "years" else "of the sum"
        rows.append({"world": world, "quantity": quantity, "bands": bands,
                     "worlds": found["worlds"].iloc[0], **cells})  # fmt: skip
    return pd.DataFrame(rows)
