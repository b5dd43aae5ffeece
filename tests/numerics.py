"""Derivatives by differences, and coordinates of any shape: what kernels are compared with."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from reebayes.inference.pairs import no_pairs
from reebayes.inference.precision import Block, Part
from reebayes.model.kernels import (
    Pairs,
    Rows,
    Steps,
    Whitening,
    conditional_factors,
    persistences,
    unfold,
)
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Unknowns

type Floats = NDArray[np.float64]


def differences(function: Callable[[Floats], float], point: Floats, step: float = 1e-6) -> Floats:
    """Return the gradient by central differences."""
    gradient = np.empty_like(point)
    for index in np.ndindex(point.shape):
        above, below = point.copy(), point.copy()
        above[index] += step
        below[index] -= step
        gradient[index] = (function(above) - function(below)) / (2 * step)
    return gradient


def jacobian(function: Callable[[Floats], Floats], point: Floats, step: float = 1e-5) -> Floats:
    """Return the derivatives (output, input) by central differences."""
    columns = [
        (function(point + step * unit) - function(point - step * unit)) / (2 * step)
        for unit in np.eye(point.size)
    ]
    return np.stack(columns, axis=1)


def close(actual: Floats, expected: Floats, *, rtol: float = 1e-6) -> None:
    """Compare gradients: relative to the largest entry, which sets the error of a difference."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * scale)


def ar1_covariance(persistence: Floats) -> Floats:
    """Return the covariance of unit states whose persistence from the year before is given."""
    carried = np.eye(persistence.size)
    for late in range(persistence.size):
        for early in range(late):
            carried[late, early] = np.prod(persistence[early + 1 : late + 1])
    return carried + np.tril(carried, -1).T


def prior_bands(persistence: Floats) -> tuple[Floats, Floats]:
    """Return diagonal and coupling (year, series) of the precision of every series' states."""
    diagonal, coupling = np.empty_like(persistence), np.zeros_like(persistence)
    for k, column in enumerate(persistence.T):
        precision = np.linalg.inv(ar1_covariance(column))
        diagonal[:, k] = np.diag(precision)
        coupling[1:, k] = np.diag(precision, -1)
    return diagonal, coupling


def whitening_of(
    mode: Floats, lower: Floats, diagonal: Floats, coupling: Floats, curvature: Floats,
    pull: Floats, pairs: Pairs | None = None,
) -> Whitening:  # fmt: skip
    """Return coordinates of a dense factor and of the reference precision of every series."""
    inverse, below = conditional_factors(diagonal + curvature, coupling)
    volume = -np.log(np.diag(lower)).sum() - np.log(inverse).sum()
    return Whitening(
        mode=mode,
        inverse=1.0 / np.diag(lower),
        rows=_rows(csr_array(np.tril(lower, -1))),
        columns=_rows(csc_array(np.tril(lower, -1))),
        diagonal0=1.0 / inverse,
        below0=below,
        curvature=curvature,
        pull=pull,
        volume=np.array([volume]),
        pairs=pairs or no_pairs(),
    )


def _rows(table: csr_array | csc_array) -> Rows:
    return Rows(table.indptr.astype(np.int64), table.indices.astype(np.int64), table.data)


def random_factor(rng: np.random.Generator, size: int, filled: float = 0.15) -> Floats:
    """Return a sparse lower triangular matrix, entries spread over all of it."""
    lower = np.tril(0.2 * rng.normal(size=(size, size)), -1)
    lower[rng.uniform(size=lower.shape) > filled] = 0.0
    return lower + np.diag(rng.uniform(0.5, 2.0, size))


def random_whitening(layout: Layout, seed: int) -> Whitening:
    """Return coordinates that suit nothing: bent, pulled, mixed and off the mode."""
    rng = np.random.default_rng(seed)
    unknowns, steps = layout.unknowns, layout.equations.steps
    mode = 0.2 * rng.normal(size=unknowns.size)
    reference = persistences(mode, steps)[0][steps.which]
    diagonal, coupling = prior_bands(reference)
    return whitening_of(
        mode=mode,
        lower=random_factor(rng, unknowns.size, filled=min(0.15, 4.0 / unknowns.size)),
        diagonal=diagonal,
        coupling=coupling,
        curvature=rng.uniform(0, 20, diagonal.shape) * (rng.uniform(size=diagonal.shape) < 0.7),
        pull=rng.normal(size=diagonal.shape),
        pairs=random_pairs(rng, *diagonal.shape),
    )


def random_pairs(rng: np.random.Generator, years: int, series: int) -> Pairs:
    """Return pairs of states that no record asks for, about half of the states in each year."""
    count = (series + 2) // 4
    chosen = np.array([rng.permutation(series)[: 2 * count] for _ in range(years)])
    first, second = (
        (np.arange(years)[:, None] * series + part).ravel().astype(np.int64)
        for part in np.split(chosen, 2, axis=1)
    )
    return Pairs(
        first=first, second=second, series=np.unique(chosen).astype(np.int64),
        first_centre=rng.normal(size=first.size), second_centre=rng.normal(size=first.size),
        first_slope=rng.uniform(0.3, 1.5, first.size),
        second_slope=rng.uniform(0.3, 1.5, first.size), log_ratio=rng.normal(size=first.size),
    )  # fmt: skip


def log_volume(white: Floats, steps: Steps, whitening: Whitening) -> float:
    """Return the log volume of the map from white coordinates to latent vectors, numerically."""
    sign, volume = np.linalg.slogdet(jacobian(lambda x: unfold(x, steps, whitening)[1], white))
    assert sign != 0
    return float(volume)


def dense_of(blocks: Sequence[Block], parts: Sequence[Part], unknowns: Unknowns) -> Floats:
    """Blocks of all parts as one symmetric matrix, with ones for noise and step multipliers."""
    dense = np.eye(unknowns.size)
    for part, block in zip(parts, blocks, strict=True):
        states_at, constants = part.places(unknowns)
        at = np.concatenate([states_at.ravel(), constants])
        dense[np.ix_(at, at)] = flat(block, whole=True)
    return dense


def flat(block: Block, *, whole: bool = False) -> Floats:
    """One block as a matrix of its states, year by year, and constants: the lower half, or all."""
    years, series = block.within.shape[:2]
    size = years * series + block.corner.shape[0]
    dense = np.zeros((size, size))
    for t in range(years):
        here = slice(t * series, (t + 1) * series)
        dense[here, here] = block.within[t]
        dense[years * series :, here] = block.border[t]
        if t:
            dense[here, (t - 1) * series : t * series] = block.before[t]
    dense[years * series :, years * series :] = block.corner
    return np.tril(dense) + np.tril(dense, -1).T if whole else np.tril(dense)


def block_of(lower: Floats, part: Part, unknowns: Unknowns) -> Block:
    """What a dense factor holds within one part, and of a year with itself and the year before."""
    states_at, constants = part.places(unknowns)
    block = Block.zeros(part, unknowns.years)
    for t, place in enumerate(states_at):
        block.within[t] = lower[np.ix_(place, place)]
        block.border[t] = lower[np.ix_(constants, place)]
        if t:
            block.before[t] = lower[np.ix_(place, states_at[t - 1])]
    block.corner[:] = lower[np.ix_(constants, constants)]
    return block
