"""Means, shifts and covariances over draws, with their Monte Carlo errors by batch means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BATCHES = 40
"""Batches whose means give standard errors: long enough to be nearly independent."""

type Floats = NDArray[np.float64]


def covariances(values: Floats, terms: Floats) -> tuple[Floats, Floats]:
    """Return the covariance of values with each column of terms, and its standard error.

    Parameters
    ----------
    values : array (draw)
    terms : array (draw, term)
    """
    moved = values - values.mean()
    batches = _batches(values.size)
    products, sizes = _sums(moved[None], terms - terms.mean(axis=0), batches)[0], _sizes(batches)
    return products.sum(axis=0) / (values.size - 1), _error(products / sizes)


def weighted_shifts(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the change of the mean of values under each column of weights, and its error.

    Parameters
    ----------
    values : array (draw)
    weights : array (draw, term)
        Each column adds up to 1.
    """
    moved = values - values.mean()
    batches = _batches(values.size)
    weighted, mass = _sums(np.stack([moved, np.ones_like(moved)]), weights, batches)
    shift = weighted.sum(axis=0)
    # what each batch adds to the weighted mean, as if the weights' own sum were free of error
    parts = values.size * (weighted - shift * mass)
    return shift, _error(parts / _sizes(batches))


def mean_error(draws: Floats) -> float:
    """Standard error of the mean of draws (chain, draw), by batch means within chains."""
    parts = min(max(1, BATCHES // draws.shape[0]), draws.shape[1])
    means = [part.mean() for chain in draws for part in np.array_split(chain, parts)]
    return float(np.std(means, ddof=1) / np.sqrt(len(means)))


@lru_cache(maxsize=8)
def _batches(draws: int) -> Sequence[NDArray[np.intp]]:
    return np.array_split(np.arange(draws), min(BATCHES, draws))


def _sizes(batches: Sequence[NDArray[np.intp]]) -> Floats:
    return np.array([[len(batch)] for batch in batches], dtype=np.float64)


def _sums(beside: Floats, series: Floats, batches: Sequence[NDArray[np.intp]]) -> Floats:
    """Sums (row, batch, column) of products of each row and each column, by successive draws."""
    spans = [slice(batch[0], batch[-1] + 1) for batch in batches]
    return np.stack([beside[:, span] @ series[span] for span in spans], axis=1)


def _error(means: Floats) -> Floats:
    """Standard error of the mean of each column, from means of batches of successive draws."""
    return np.asarray(means.std(axis=0, ddof=1) / np.sqrt(len(means)))
