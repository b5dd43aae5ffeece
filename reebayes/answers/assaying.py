"""What ores and other materials hold: draws of their composition, learnt from published analyses.

Log shares of a deposit are normal around those of its family, and an analysis shows them but for a
constant (shares are relative) and an error. How elements vary together is learnt from all deposits,
how much from those of the family, and the error of an analysis from deposits analysed twice; it
grows as shares become small, as errors of laboratories do.
An element that an analysis leaves out is unknown; one that no analysis of a family has is none.

References
----------
Aitchison (1986), The Statistical Analysis of Compositional Data.
Horwitz (1982), Evaluation of analytical methods used for regulation of foods and drugs, Analytical
Chemistry 54, 67A-76A: relative errors go with concentration to the power of -0.15.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from reebayes.study import Assay

LEAST_ERROR, USUAL_ERROR = 0.01, 0.05
"""Error of the log of a share of 1: at least, and where no deposit was analysed twice."""

GROWTH = -0.1505
"""Power of a share with which its relative error goes."""

THESE, ANOTHER = "these", "another"

_WIDE = 100.0  # variance of the mean of a family before its deposits are seen
_PRIOR_SPREAD, _PRIOR_WEIGHT = 0.3, 2.0  # spread of deposits before any is seen, worth so many
_SWEEPS = 60

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Deposit:
    """What the analyses of one deposit say of its log shares: precision, and precision times mean.

    ``known`` holds the elements of its family, in the order of both.
    """

    name: str
    material: str
    precision: Floats
    pull: Floats


@dataclass(frozen=True)
class Family:
    """Deposits that are alike: mean and spread of their log shares as learnt from them."""

    name: str
    elements: tuple[str, ...]
    deposits: tuple[Deposit, ...]
    spread: Floats

    @property
    def mean(self) -> tuple[Floats, Floats]:
        """Posterior mean and covariance of the mean of the family."""
        return _mean(self.deposits, np.linalg.inv(self.spread))


def families_of(assays: Sequence[Assay]) -> dict[str, Family]:
    """Learn every family from its analyses.

    Parameters
    ----------
    assays : sequence of Assay

    Returns
    -------
    dict of name to Family
    """
    error = error_of_analyses(assays)
    every = tuple(dict.fromkeys(row.element for row in assays))
    rows: dict[str, list[Assay]] = {}
    for row in assays:
        rows.setdefault(row.family, []).append(row)
    found = {}
    for name, of in rows.items():
        elements = tuple(e for e in every if any(row.element == e for row in of))
        found[name] = elements, _deposits(of, elements, error)
    together = _joint_spread(found, every)
    return {
        name: Family(
            name, elements, deposits, _own_spread(deposits, _part(together, every, elements))
        )
        for name, (elements, deposits) in found.items()
    }


def error_of_analyses(assays: Sequence[Assay]) -> float:
    """Standard error of the log of a share of 1, from deposits that were analysed more than once.

    Parameters
    ----------
    assays : sequence of Assay
    """
    by_deposit: dict[str, dict[str, dict[str, Assay]]] = {}
    for row in assays:
        by_deposit.setdefault(row.deposit, {}).setdefault(row.analysis, {})[row.element] = row
    total, count = 0.0, 0
    for analyses in by_deposit.values():
        for one, other in combinations(analyses.values(), 2):
            both = sorted(one.keys() & other.keys())
            if len(both) < 2:
                continue
            apart = np.array([np.log(one[e].share / other[e].share) for e in both])
            known = np.array([one[e].spread ** 2 + other[e].spread ** 2 for e in both])
            size = np.array([_growth(one[e].share) + _growth(other[e].share) for e in both])
            weights = 1 / (size * USUAL_ERROR**2 + known)
            apart -= np.average(apart, weights=weights)  # shares are relative
            total += float(((apart**2 - known) / size).sum())
            count += len(both) - 1
    if not count:
        return USUAL_ERROR
    return float(np.sqrt(max(total / count, LEAST_ERROR**2)))


def _growth(share: float) -> float:
    """Variance of the log of a share, in units of that of a share of 1."""
    return float(share ** (2 * GROWTH))


def _deposits(rows: Sequence[Assay], elements: Sequence[str], error: float) -> tuple[Deposit, ...]:
    by_deposit: dict[str, dict[str, list[Assay]]] = {}
    for row in rows:
        by_deposit.setdefault(row.deposit, {}).setdefault(row.analysis, []).append(row)
    found = []
    for name, analyses in by_deposit.items():
        precision, pull = np.zeros((len(elements),) * 2), np.zeros(len(elements))
        for of in analyses.values():
            weights, logs = np.zeros(len(elements)), np.zeros(len(elements))
            for row in of:
                place = elements.index(row.element)
                weights[place] = 1 / (error**2 * _growth(row.share) + row.spread**2)
                logs[place] = np.log(row.share)
            # An analysis tells shares of what it reports, so a constant of its own drops out.
            seen = np.diag(weights) - np.outer(weights, weights) / weights.sum()
            precision += seen
            pull += seen @ logs
        found.append(Deposit(name, next(iter(analyses.values()))[0].material, precision, pull))
    return tuple(found)


def _mean(deposits: Sequence[Deposit], inverse: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and covariance of the mean of deposits around which they spread."""
    size = len(inverse)
    precision, pull = np.eye(size) / _WIDE, np.zeros(size)
    for deposit in deposits:
        # what the deposit says of the mean, its own log shares integrated out
        share = np.linalg.solve(deposit.precision + inverse, inverse)
        precision += deposit.precision @ share
        pull += share.T @ deposit.pull
    covariance = np.linalg.inv(precision)
    return covariance @ pull, _symmetric(covariance)


def _scatter(deposits: Sequence[Deposit], inverse: Floats) -> Floats:
    """Expected scatter of deposits around their mean, given the spread."""
    mean, covariance = _mean(deposits, inverse)
    total = np.zeros_like(inverse)
    for deposit in deposits:
        own = np.linalg.inv(deposit.precision + inverse)
        away = own @ (deposit.pull + inverse @ mean) - mean
        moved = own @ inverse - np.eye(len(inverse))
        total += own + np.outer(away, away) + moved @ covariance @ moved.T
    return _symmetric(total)


def _joint_spread(
    families: Mapping[str, tuple[tuple[str, ...], tuple[Deposit, ...]]], every: Sequence[str]
) -> Floats:
    """Covariance of the log shares of all elements between deposits of one family, pooled."""
    size = len(every)
    spread = _PRIOR_SPREAD**2 * np.eye(size)
    several = [item for item in families.values() if len(item[1]) > 1]
    count = _PRIOR_WEIGHT + sum(len(deposits) for _, deposits in several)
    for _ in range(_SWEEPS):
        total = _PRIOR_WEIGHT * _PRIOR_SPREAD**2 * np.eye(size)
        for elements, deposits in several:
            at = [every.index(element) for element in elements]
            part = spread[np.ix_(at, at)]
            scatter = _scatter(deposits, np.linalg.inv(part))
            # what elements that the family lacks would do, given those that it has
            onto = spread[:, at] @ np.linalg.inv(part)
            rest = spread - onto @ spread[at]
            total += onto @ scatter @ onto.T + len(deposits) * rest
        spread = _symmetric(total / count)
    return spread


def _part(spread: Floats, every: Sequence[str], elements: Sequence[str]) -> Floats:
    at = [every.index(element) for element in elements]
    return spread[np.ix_(at, at)]


def _own_spread(deposits: Sequence[Deposit], together: Floats) -> Floats:
    """Spread of one family: that of all deposits, scaled to those of the family."""
    if len(deposits) < 2:
        return together
    inverse, scale, size = np.linalg.inv(together), 1.0, len(together)
    for _ in range(_SWEEPS):
        scatter = _scatter(deposits, inverse / scale)
        total = float(np.trace(inverse @ scatter)) + _PRIOR_WEIGHT * size
        scale = total / (size * (len(deposits) + _PRIOR_WEIGHT))
    return scale * together


def _symmetric(matrix: Floats) -> Floats:
    return (matrix + matrix.T) / 2


# --- draws ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compositions:
    """Draws of the shares of elements in materials.

    ``shares`` holds arrays (draw, element) by material and which deposits of it: those analysed
    (``these``), these and ``more``, or ``another`` of the family.
    """

    elements: tuple[str, ...]
    shares: Mapping[tuple[str, str], Floats]

    @property
    def held(self) -> Compositions:
        """The same at the mean of the draws, one for all."""
        means = {key: value.mean(axis=0, keepdims=True) for key, value in self.shares.items()}
        return Compositions(self.elements, means)


def draw_compositions(
    assays: Sequence[Assay], wanted: Iterable[tuple[str, str]], draws: int, seed: int = 0
) -> Compositions:
    """Draw the composition of materials.

    Parameters
    ----------
    assays : sequence of Assay
    wanted : iterable of (str, str)
        Materials, and which deposits of each.
    draws : int
    seed : int
        The same seed and analyses give the same draws of a material, whatever else is wanted.

    Returns
    -------
    Compositions
    """
    return _drawn(tuple(assays), frozenset(wanted), draws, seed)


@lru_cache(maxsize=2)
def _drawn(
    assays: tuple[Assay, ...], keys: frozenset[tuple[str, str]], draws: int, seed: int
) -> Compositions:
    every = tuple(dict.fromkeys(row.element for row in assays))
    found: dict[tuple[str, str], Floats] = {}
    for family in families_of(assays).values():
        materials = {deposit.material for deposit in family.deposits}
        own = {key for key in keys if key[0] in materials}
        at = [every.index(element) for element in family.elements]
        for key, shares in _family_draws(family, own, draws, seed).items() if own else ():
            found[key] = np.zeros((draws, len(every)))
            found[key][:, at] = shares
    return Compositions(every, found)


def _family_draws(
    family: Family, wanted: Iterable[tuple[str, str]], draws: int, seed: int
) -> dict[tuple[str, str], Floats]:
    """Draw the materials of a family, each deposit from a generator of its own."""
    inverse = np.linalg.inv(family.spread)
    center, covariance = family.mean
    mean = center + _normals(covariance, draws, generator(seed, family.name))

    def analysed(deposit: Deposit) -> Floats:
        own = _symmetric(np.linalg.inv(deposit.precision + inverse))
        noise = _normals(own, draws, generator(seed, family.name, deposit.name))
        return closed((deposit.pull + mean @ inverse) @ own + noise)

    found = {}
    for material, which in sorted(wanted):
        rng = generator(seed, family.name, material, which)
        parts = []
        if which != ANOTHER:
            parts += [analysed(one) for one in family.deposits if one.material == material]
        if which != THESE:
            parts.append(closed(mean + _normals(family.spread, draws, rng)))
        found[material, which] = _mixed(parts, rng)
    return found


def generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers of a thing by its name, the same whatever else is drawn."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def _mixed(parts: Sequence[Floats], rng: np.random.Generator) -> Floats:
    """Mix of deposits of which nobody says how much each is: any weights are as probable."""
    weights = rng.dirichlet(np.ones(len(parts)), len(parts[0])).T
    return np.asarray(
        sum(weight[:, None] * part for weight, part in zip(weights, parts, strict=True))
    )


def _normals(covariance: Floats, draws: int, rng: np.random.Generator) -> Floats:
    root = np.linalg.cholesky(covariance)
    return rng.standard_normal((draws, len(root))) @ root.T


def closed(logs: Floats) -> Floats:
    """Turn log shares that lack a constant into shares that add up to 1, along the last axis."""
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))
