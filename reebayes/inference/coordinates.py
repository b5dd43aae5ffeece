"""Coordinates in which the posterior is nearly spherical, so that the sampler walks straight.

The curvature of the log density, at the mode or on average over draws, is a precision that is
banded in years and falls into parts that no record ties together (`precision`). What its Cholesky
factor holds of any weight is the map from white coordinates to unknowns. Nothing of the size of
unknowns times unknowns is formed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from reebayes.errors import FitError
from reebayes.inference.pairs import find_pairs, no_pairs
from reebayes.inference.precision import Block, Part, SparseFactor, kept, nothing_kept, parts_of
from reebayes.model.kernels import (
    Pairs,
    Whitening,
    conditional_factors,
    join,
    persistences,
    smooth,
    states,
)
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats, Integers, Unknowns

type Blocks = Sequence[Block]
"""A precision, or its factor: a block for each part of a study."""

_BLENDS = (0.0, 0.05, 0.2, 0.5, 1.0)
"""Weights tried for a precision that is surely positive, where the measured one is not."""

_NEWTON_STEPS = 3
_MODE_TOLERANCE = 1e-2
"""Expected gain of a Newton step, in log density, below which the mode is near enough."""

_CURVATURES = 16
"""Draws of the pilot at which the curvature is measured."""

_SPREAD = (0.3, 1.2)
"""A short pilot may not call a scale known, nor wider than its prior."""

NEGLIGIBLE = 0.05
"""Entries of the factor this small beside the diagonal are left out: they cost more time than
their whitening saves. A few per cent are left; trees and effective draws stay as they were."""

type Gradient = Callable[[Floats], tuple[float, Floats]]
"""Log density and its gradient at a point in white coordinates."""


def identity(layout: Layout) -> Whitening:
    """Coordinates in which the prior is spherical.

    Parameters
    ----------
    layout : Layout

    Returns
    -------
    Whitening
    """
    still = np.zeros((layout.unknowns.years, layout.unknowns.varying))
    return _whitening(
        layout.unknowns,
        mode=np.zeros(layout.unknowns.size),
        precision=np.ones_like(still),
        coupling=still,
    )


def at_mode(gradient_at: Callable[[Whitening], Gradient], layout: Layout) -> Whitening:
    """Find the mode, and the coordinates in which the posterior is spherical there.

    Parameters
    ----------
    gradient_at : callable
        Returns, for given coordinates, the log density and its gradient there.
    layout : Layout

    Returns
    -------
    Whitening

    Raises
    ------
    FitError
        If the density is not finite where the priors are centred, or has no usable curvature.

    Notes
    -----
    Noise and step multipliers are held at their prior's centre while the mode is sought: the joint
    mode over scales is degenerate (a scale can shrink together with what it scales), so a mode
    there says nothing about where the probability is.
    """
    unknowns = layout.unknowns
    spherical = identity(layout)
    gradient = gradient_at(spherical)
    if not np.isfinite(gradient(np.zeros(unknowns.size))[0]):
        raise FitError("The density is not finite where the priors are centred; check the study.")
    scales = np.ones(unknowns.size - unknowns.scales_start)
    frame = Frame.at(layout, np.zeros_like(scales))
    point = _climb(gradient, unknowns)
    path = smooth(point, layout.equations.steps.which, frame.table, spherical)
    point[: unknowns.states] = path[0].ravel()
    parts = parts_of(layout)
    within = gradient_at(frame.whitening(layout))
    point, precision = _newton(within, point, frame, unknowns, parts)
    return _laplace(layout, frame, point, parts, precision, scales)


def over_draws(
    gradient_at: Callable[[Whitening], Gradient], layout: Layout, latents: Floats
) -> Whitening:
    """Find the coordinates in which the posterior is spherical on average over its draws.

    Parameters
    ----------
    gradient_at : callable
        Returns, for given coordinates, the log density and its gradient there.
    layout : Layout
    latents : array (draw, latent)
        Latent vectors of a pilot run. They say where noise and step multipliers lie, where the
        centre is, and (some of them) how strongly the density bends around it.

    Returns
    -------
    Whitening

    Raises
    ------
    FitError
        If the density has no usable curvature.
    """
    unknowns = layout.unknowns
    scales = latents[:, unknowns.scales_start :]
    frame = Frame.at(layout, scales.mean(axis=0))
    paths = np.array([states(latent, layout.equations.steps) for latent in latents])
    pairs = find_pairs(layout, paths, latents)
    gradient = gradient_at(frame.whitening(layout, pairs))
    points = np.zeros_like(latents)
    for point, latent, path in zip(points, latents, paths, strict=True):
        point[: unknowns.states] = join(path, pairs).ravel()
        point[unknowns.states : unknowns.scales_start] = latent[
            unknowns.states : unknowns.scales_start
        ]
    chosen = np.linspace(0, len(points) - 1, min(_CURVATURES, len(points))).astype(int)
    parts = parts_of(layout)
    precision = _precision(gradient, points[chosen], unknowns, parts)
    spread = np.clip(scales.std(axis=0), *_SPREAD)
    return _laplace(layout, frame, points.mean(axis=0), parts, precision, spread**-2.0, pairs)


@dataclass(frozen=True, slots=True)
class Frame:
    """The prior of states where noise and step multipliers are held.

    ``precision`` is that of every series' AR(1) prior (year, series), ``coupling`` ties a year to
    the year before, ``table`` is what `kernels.persistences` returns.
    """

    held: Floats
    table: tuple[Floats, Floats, Floats]
    precision: Floats
    coupling: Floats

    @classmethod
    def at(cls, layout: Layout, scales: Floats) -> Frame:
        """The frame for given latent entries of noise and step multipliers."""
        held = np.concatenate([np.zeros(layout.unknowns.scales_start), scales])
        table = persistences(held, layout.equations.steps)
        which = layout.equations.steps.which[1:]
        rate = 1.0 / table[1][which]
        precision = np.ones(layout.equations.steps.which.shape)
        precision[1:] = rate
        precision[:-1] += rate - 1.0
        coupling = np.zeros_like(precision)
        coupling[1:] = -table[0][which] * rate
        return cls(held, table, precision, coupling)

    def whitening(self, layout: Layout, pairs: Pairs | None = None) -> Whitening:
        """Coordinates that are the states themselves: a year touches the year before it only."""
        return _whitening(
            layout.unknowns, mode=self.held, precision=self.precision, coupling=self.coupling,
            pairs=pairs,
        )  # fmt: skip

    def separable(self, part: Part) -> Block:
        """Precision of the prior alone: series by series, so it is positive and in the band."""
        block = Block.zeros(part, len(self.precision))
        at = np.arange(part.series.size)
        block.within[:, at, at] = self.precision[:, part.series]
        block.before[:, at, at] = self.coupling[:, part.series]
        np.fill_diagonal(block.corner, 1.0)
        return block


def _whitening(
    unknowns: Unknowns,
    *,
    mode: Floats,
    precision: Floats,
    coupling: Floats,
    curvature: Floats | None = None,
    pull: Floats | None = None,
    factor: SparseFactor | None = None,
    pairs: Pairs | None = None,
) -> Whitening:
    """Pack coordinates; without a factor the displacement itself is white."""
    inverse, below = conditional_factors(precision, coupling)
    still = np.zeros_like(precision)
    factor = nothing_kept(unknowns.size) if factor is None else factor
    return Whitening(
        mode=mode,
        inverse=1.0 / factor.diagonal,
        rows=factor.rows,
        columns=factor.columns,
        diagonal0=1.0 / inverse,
        below0=below,
        curvature=still if curvature is None else curvature,
        pull=still if pull is None else pull,
        volume=np.array([-np.log(factor.diagonal).sum() - np.log(inverse).sum()]),
        pairs=no_pairs() if pairs is None else pairs,
    )


def _climb(gradient: Gradient, unknowns: Unknowns) -> Floats:
    """Mode with the scales held, by quasi-Newton steps where the prior is spherical."""
    free = unknowns.scales_start

    def descent(values: Floats) -> tuple[float, Floats]:
        density, slope = gradient(np.concatenate([values, np.zeros(unknowns.size - free)]))
        return -density, -slope[:free]

    start = np.zeros(free)
    found = minimize(descent, start, jac=True, method="L-BFGS-B",
                     options={"maxiter": 1000, "maxcor": 30, "gtol": 1e-1})  # fmt: skip
    return np.concatenate([found.x, np.zeros(unknowns.size - free)])


def _newton(
    gradient: Gradient, point: Floats, frame: Frame, unknowns: Unknowns, parts: Sequence[Part]
) -> tuple[Floats, Blocks]:
    """Mode and precision there, by Newton steps that may not lower the density."""
    for _ in range(_NEWTON_STEPS):
        precision = _precision(gradient, point[None], unknowns, parts)
        density, slope = gradient(point)
        step = np.zeros(unknowns.size)
        for part, block in zip(parts, precision, strict=True):
            states, constants = part.places(unknowns)
            lower = _factor(block, frame.separable(part))
            step[states], step[constants] = lower.solve(slope[states], slope[constants])
        length = 1.0
        while not gradient(point + length * step)[0] > density and length > 1e-3:
            length /= 2.0
        point = point + length * step
        if np.abs(slope @ step) < _MODE_TOLERANCE:
            break
    return point, precision


def _laplace(
    layout: Layout,
    frame: Frame,
    point: Floats,
    parts: Sequence[Part],
    precision: Blocks,
    scales: Floats,
    pairs: Pairs | None = None,
) -> Whitening:
    """Coordinates around a point: a smoother for each series, and the factor across them.

    ``scales`` is the precision of noise and step multipliers, which are tied to nothing.
    """
    unknowns = layout.unknowns
    states, shape = unknowns.states, frame.precision.shape
    total = frame.precision.copy()
    for part, block in zip(parts, precision, strict=True):
        total[:, part.series] = np.maximum(block.diagonals[0], total[:, part.series])
    at = point[:states].reshape(shape)
    pull = total * at
    pull[1:] += frame.coupling[1:] * at[:-1]
    pull[:-1] += frame.coupling[1:] * at[1:]
    # one by one: a factor is as large as what it is made of
    factors = (
        (part, _factor(block, frame.separable(part)))
        for part, block in zip(parts, precision, strict=True)
    )
    return _whitening(
        unknowns,
        # the centre of the states is in their pull
        mode=frame.held + np.concatenate([np.zeros(states), point[states:]]),
        precision=total,
        coupling=frame.coupling,
        curvature=total - frame.precision,
        pull=pull,
        factor=kept(factors, np.sqrt(scales), unknowns, NEGLIGIBLE),
        pairs=pairs,
    )


def _precision(
    gradient: Gradient, points: Floats, unknowns: Unknowns, parts: Sequence[Part]
) -> Blocks:
    """Negative Hessian in states and constants, on average over points, by differences.

    A state's curvature reaches one year to either side, so years three apart are probed
    together, and so are the parts, which do not touch: the cost grows neither with the number of
    years nor with the number of parts. Records that span years break that rule slightly, which
    only makes the coordinates less than perfect.
    """
    blocks = [Block.zeros(part, unknowns.years) for part in parts]
    for point in points:
        slope = gradient(point)[1]
        for residue in range(min(3, unknowns.years)):
            years = np.arange(residue, unknowns.years, 3)
            for number in range(max((part.series.size for part in parts), default=0)):
                series = np.array([p.series[number] for p in parts if number < p.series.size])
                probe = (years[:, None] * unknowns.varying + series).ravel()
                bend = _bend(gradient, point, slope, probe) / len(points)
                _note_states(blocks, parts, bend, unknowns, years, number)
        for number in range(max((part.constants.size for part in parts), default=0)):
            probe = np.array([p.constants[number] for p in parts if number < p.constants.size])
            bend = _bend(gradient, point, slope, unknowns.states + probe) / len(points)
            _note_constants(blocks, parts, bend, unknowns, number)
    for block in blocks:
        for array in (*block.within, block.corner):
            array[:] = 0.5 * (array + array.T)
    return blocks


def _note_states(
    blocks: Blocks,
    parts: Sequence[Part],
    bend: Floats,
    unknowns: Unknowns,
    years: Integers,
    number: int,
) -> None:
    """Add the curvature along one series of every part, in years three apart."""
    by_year = bend[: unknowns.states].reshape(unknowns.years, unknowns.varying)
    later, earlier = years[years + 1 < unknowns.years], years[years > 0]
    for part, block in zip(parts, blocks, strict=True):
        if number < part.series.size:
            found = by_year[:, part.series]
            block.within[years, :, number] += found[years]
            # between two years from either side, each counted half
            block.before[later + 1, :, number] += 0.5 * found[later + 1]
            block.before[earlier, number] += 0.5 * found[earlier - 1]


def _note_constants(
    blocks: Blocks, parts: Sequence[Part], bend: Floats, unknowns: Unknowns, number: int
) -> None:
    """Add the curvature along one constant of every part."""
    for part, block in zip(parts, blocks, strict=True):
        if number < part.constants.size:
            states, constants = part.places(unknowns)
            block.border[:, number] += bend[states]
            block.corner[:, number] += bend[constants]


def _bend(
    gradient: Gradient, state: Floats, slope: Floats, probe: Integers, width: float = 1e-5
) -> Floats:
    """Change of the negative gradient per unit along the probed positions."""
    shifted = state.copy()
    shifted[probe] += width
    return np.asarray((slope - gradient(shifted)[1]) / width)


def _factor(precision: Block, stand_in: Block) -> Block:
    """Cholesky factor; where the curvature is not positive, of a blend with one that is."""
    for weight in _BLENDS:
        blend = precision.blended(weight, stand_in) if weight else precision
        try:
            return blend.factor()
        except np.linalg.LinAlgError:
            continue
    raise FitError("The density has no usable curvature at its mode; check the study's priors.")
