"""Coordinates in which the posterior is nearly spherical, so that the sampler walks straight.

The curvature of the log density, at the mode or on average over draws, is a precision that is
banded in years: a year's states touch one another and the year before, constants touch every year.
What its Cholesky factor holds of any weight is the map from white coordinates to unknowns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize
from scipy.sparse import csr_array

from reebayes.errors import FitError
from reebayes.model.kernels import (
    Rows,
    Whitening,
    conditional_factors,
    persistences,
    smooth,
    states,
)
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats, Integers, Unknowns

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
    frame = Frame.at(layout, np.zeros(unknowns.size - unknowns.scales_start))
    point = _climb(gradient, unknowns)
    path = smooth(point, layout.equations.steps.which, frame.table, spherical)
    point[: unknowns.states] = path[0].ravel()
    point, precision = _newton(gradient_at(frame.whitening(layout)), point, frame, unknowns)
    return _laplace(layout, frame, point, precision)


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
    gradient = gradient_at(frame.whitening(layout))
    points = np.zeros_like(latents)
    for point, latent in zip(points, latents, strict=True):
        point[: unknowns.states] = states(latent, layout.equations.steps).ravel()
        point[unknowns.states : unknowns.scales_start] = latent[
            unknowns.states : unknowns.scales_start
        ]
    chosen = np.linspace(0, len(points) - 1, min(_CURVATURES, len(points))).astype(int)
    precision = np.zeros((unknowns.size, unknowns.size))
    for point in points[chosen]:
        precision += _precision(gradient, point, unknowns) / chosen.size
    tail = np.arange(unknowns.scales_start, unknowns.size)
    precision[tail, tail] = np.clip(scales.std(axis=0), *_SPREAD) ** -2.0
    return _laplace(layout, frame, points.mean(axis=0), precision)


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

    def whitening(self, layout: Layout) -> Whitening:
        """Coordinates that are the states themselves: a year touches the year before it only."""
        return _whitening(
            layout.unknowns, mode=self.held, precision=self.precision, coupling=self.coupling
        )

    def separable(self, unknowns: Unknowns) -> Floats:
        """Precision of the prior alone: series by series, so it is positive and in the band."""
        states, varying = unknowns.states, unknowns.varying
        dense = np.eye(unknowns.size)
        dense[np.arange(states), np.arange(states)] = self.precision.ravel()
        later = np.arange(varying, states)
        dense[later, later - varying] = dense[later - varying, later] = self.coupling[1:].ravel()
        return dense


def _whitening(
    unknowns: Unknowns,
    *,
    mode: Floats,
    precision: Floats,
    coupling: Floats,
    curvature: Floats | None = None,
    pull: Floats | None = None,
    factor: Floats | None = None,
) -> Whitening:
    """Pack coordinates; without a factor the displacement itself is white."""
    inverse, below = conditional_factors(precision, coupling)
    still = np.zeros_like(precision)
    lower = np.zeros((0, 0)) if factor is None else factor
    diagonal = np.ones(unknowns.size) if factor is None else np.diag(lower).copy()
    rows, columns = _sparse(lower, unknowns.size)
    return Whitening(
        mode=mode,
        inverse=1.0 / diagonal,
        rows=rows,
        columns=columns,
        diagonal0=1.0 / inverse,
        below0=below,
        curvature=still if curvature is None else curvature,
        pull=still if pull is None else pull,
        volume=np.array([-np.log(diagonal).sum() - np.log(inverse).sum()]),
    )


def _sparse(lower: Floats, size: int) -> tuple[Rows, Rows]:
    """What a factor holds of any weight below its diagonal, by rows and by columns."""
    if not lower.size:
        table = csr_array((size, size), dtype=np.float64)
    else:
        diagonal = np.diag(lower)
        smaller = np.minimum(diagonal[:, None], diagonal[None, :])
        table = csr_array(np.where(np.abs(lower) > NEGLIGIBLE * smaller, np.tril(lower, -1), 0.0))
    return _rows(table), _rows(table.tocsc())


def _rows(table: csr_array) -> Rows:
    return Rows(table.indptr.astype(np.int64), table.indices.astype(np.int64), table.data)


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
    gradient: Gradient, point: Floats, frame: Frame, unknowns: Unknowns
) -> tuple[Floats, Floats]:
    """Mode and precision there, by Newton steps that may not lower the density."""
    free = unknowns.scales_start
    stand_in = frame.separable(unknowns)[:free, :free]
    for _ in range(_NEWTON_STEPS):
        precision = _precision(gradient, point, unknowns)
        density, slope = gradient(point)
        step = np.zeros(unknowns.size)
        lower = _factor(precision[:free, :free], stand_in)
        step[:free] = cho_solve((lower, True), slope[:free])
        length = 1.0
        while not gradient(point + length * step)[0] > density and length > 1e-3:
            length /= 2.0
        point = point + length * step
        if np.abs(slope[:free] @ step[:free]) < _MODE_TOLERANCE:
            break
    return point, precision


def _laplace(layout: Layout, frame: Frame, point: Floats, precision: Floats) -> Whitening:
    """Coordinates around a point: a smoother for each series, and the factor across them."""
    unknowns = layout.unknowns
    states, shape = unknowns.states, frame.precision.shape
    total = np.maximum(np.diag(precision)[:states].reshape(shape), frame.precision)
    at = point[:states].reshape(shape)
    pull = total * at
    pull[1:] += frame.coupling[1:] * at[:-1]
    pull[:-1] += frame.coupling[1:] * at[1:]
    return _whitening(
        unknowns,
        # the centre of the states is in their pull
        mode=frame.held + np.concatenate([np.zeros(states), point[states:]]),
        precision=total,
        coupling=frame.coupling,
        curvature=total - frame.precision,
        pull=pull,
        factor=_factor(precision, frame.separable(unknowns)),
    )


def _precision(gradient: Gradient, state: Floats, unknowns: Unknowns) -> Floats:
    """Negative Hessian in states and constants by differences of the gradient.

    A state's curvature reaches one year to either side, so years three apart are probed
    together; the cost does not grow with the number of years. Records that span years break
    that rule slightly, which only makes the coordinates less than perfect.
    """
    size, free = unknowns.size, unknowns.scales_start
    precision = np.eye(size)
    probes = [
        np.arange(residue, unknowns.years, 3) * unknowns.varying + series
        for series in range(unknowns.varying)
        for residue in range(min(3, unknowns.years))
    ]
    probes += [np.array([position]) for position in range(unknowns.states, free)]
    years = np.arange(unknowns.states) // max(unknowns.varying, 1)
    slope = gradient(state)[1]
    for probe in probes:
        bend = _bend(gradient, state, slope, probe)
        if probe[0] >= unknowns.states:
            precision[:free, probe[0]] = bend[:free]
            continue
        for position in probe:
            near = np.abs(years - years[position]) <= 1
            precision[: unknowns.states, position][near] = bend[: unknowns.states][near]
    precision[unknowns.states : free, : unknowns.states] = precision[
        : unknowns.states, unknowns.states : free
    ].T
    return 0.5 * (precision + precision.T)


def _bend(
    gradient: Gradient, state: Floats, slope: Floats, probe: Integers, width: float = 1e-5
) -> Floats:
    """Change of the negative gradient per unit along the probed positions."""
    shifted = state.copy()
    shifted[probe] += width
    return np.asarray((slope - gradient(shifted)[1]) / width)


def _factor(precision: Floats, stand_in: Floats) -> Floats:
    """Cholesky factor; where the curvature is not positive, of a blend with one that is."""
    for weight in _BLENDS:
        blend = (1.0 - weight) * precision
        if weight:
            floor = np.diag(np.maximum(np.diag(precision) - np.diag(stand_in), 0.0))
            blend += weight * (stand_in + floor)
        try:
            return np.asarray(cholesky(blend, lower=True))
        except np.linalg.LinAlgError:
            continue
    raise FitError("The density has no usable curvature at its mode; check the study's priors.")
