"""Coordinates in which the posterior is nearly spherical, so that the sampler walks straight.

Laplace's approximation at the mode gives a precision that is banded in years: a year's states
touch one another and the year before, constants touch every year. Its Cholesky factor, stored by
rows within that band, is the map from white coordinates to unknowns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize

from reebayes.errors import FitError
from reebayes.kernels import conditional_factors, displace, smooth
from reebayes.layout import Floats, Integers, Layout, Unknowns

_BLENDS = (0.0, 0.05, 0.2, 0.5, 1.0)
"""Weights tried for a precision that is surely positive, where the measured one is not."""

_NEWTON_STEPS = 3
_MODE_TOLERANCE = 1e-2
"""Expected gain of a Newton step, in log density, below which the mode is near enough."""

type Gradient = Callable[[Floats], tuple[float, Floats]]
"""Log density and its gradient at a latent vector."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """From white coordinates to unknowns.

    A displacement L'^-1 z from the mode (``first``, ``start``, ``factor``: rows of L within the
    band) is handed to each series' conditional smoother (``reference`` persistence, ``curvature``
    of the records and their ``pull``), which keeps it straight when a step multiplier changes.
    ``mode`` holds the constants' mode; that of the states is in ``pull``.
    """

    mode: Floats
    reference: Floats
    curvature: Floats
    pull: Floats
    first: Integers
    start: Integers
    factor: Floats

    @classmethod
    def identity(cls, unknowns: Unknowns) -> Coordinates:
        """Coordinates in which the prior is spherical."""
        first, start = _band(unknowns)
        factor = np.zeros(int(start[-1] + unknowns.size - first[-1]))
        factor[start + np.arange(unknowns.size) - first] = 1.0
        still = np.zeros((unknowns.years, unknowns.varying))
        return cls(np.zeros(unknowns.size), still, still, still, first, start, factor)

    def data(self) -> dict[str, Any]:
        """The values of the program's arrays of the same names."""
        diagonal = self.factor[self.start + np.arange(self.mode.size) - self.first]
        smoother = dict(zip(("diagonal", "below", "curvature", "pull"), self.smoother(),
                            strict=True))  # fmt: skip
        return smoother | {
            "mode": self.mode,
            "first": self.first,
            "start": self.start,
            "factor": self.factor,
            "log_volume": np.array(-np.log(diagonal).sum()),
        }

    def smoother(self) -> tuple[Floats, Floats, Floats, Floats]:
        """What the kernels of the conditional smoother take after the persistence."""
        diagonal, below = conditional_factors(self.reference, self.curvature)
        return diagonal, below, self.curvature, self.pull


def straighten(
    gradient_at: Callable[[Coordinates], Gradient],
    layout: Layout,
    scales: tuple[Floats, Floats] | None = None,
) -> Coordinates:
    """Find the mode and the coordinates that make the posterior around it spherical.

    Parameters
    ----------
    gradient_at : callable
        Returns, for given coordinates, the log density and its gradient there.
    layout : Layout
    scales : tuple of array, optional
        Mean and standard deviation of the latent entries of noise and step multipliers, from a
        pilot run; those of the prior if left out.

    Returns
    -------
    Coordinates

    Notes
    -----
    Noise and step multipliers are held while the mode is sought: the joint mode over scales is
    degenerate (a scale can shrink together with what it scales), so a mode there says nothing
    about where the probability is.
    """
    unknowns = layout.unknowns
    count = unknowns.size - unknowns.scales_start
    centre, spread = scales or (np.zeros(count), np.ones(count))
    held = np.concatenate([np.zeros(unknowns.scales_start), centre])
    persistence = unknowns.persistence(unknowns.step_multiplier(centre))
    identity = replace(Coordinates.identity(unknowns), mode=held)
    start = gradient_at(identity)
    if not np.isfinite(start(np.zeros(unknowns.size))[0]):
        raise FitError("The density is not finite where the priors are centred; check the study.")
    point = _climb(start, unknowns)
    in_states = replace(identity, reference=persistence)
    point = _same_point(point, identity, in_states, persistence)
    point, precision = _newton(gradient_at(in_states), point, persistence, unknowns)
    tail = np.arange(unknowns.scales_start, unknowns.size)
    precision[tail, tail] = spread**-2
    return _laplace(point, precision, in_states, unknowns)


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


def _same_point(point: Floats, old: Coordinates, new: Coordinates, persistence: Floats) -> Floats:
    """A point given in old coordinates, in new ones (both with unit factors)."""
    innovation = smooth(point, persistence, *old.smoother())[:-1]
    return np.asarray(displace(innovation, persistence, *new.smoother()))


def _newton(
    gradient: Gradient, point: Floats, reference: Floats, unknowns: Unknowns
) -> tuple[Floats, Floats]:
    """Mode and precision there, by Newton steps that may not lower the density."""
    free = unknowns.scales_start
    for _ in range(_NEWTON_STEPS):
        precision = _precision(gradient, point, unknowns)
        density, slope = gradient(point)
        step = np.zeros(unknowns.size)
        step[:free] = cho_solve((_factor(precision[:free, :free], reference), True), slope[:free])
        length = 1.0
        while not gradient(point + length * step)[0] > density and length > 1e-3:
            length /= 2.0
        point = point + length * step
        if np.abs(slope[:free] @ step[:free]) < _MODE_TOLERANCE:
            break
    return point, precision


def _laplace(
    point: Floats, precision: Floats, in_states: Coordinates, unknowns: Unknowns
) -> Coordinates:
    states = unknowns.states
    shape = (unknowns.years, unknowns.varying)
    prior, coupling = _prior_precision(in_states.reference)
    curvature = np.maximum(np.diag(precision)[:states].reshape(shape) - prior, 0.0)
    mode = point[:states].reshape(shape)
    pull = (prior + curvature) * mode
    pull[1:] += coupling[1:] * mode[:-1]
    pull[:-1] += coupling[1:] * mode[1:]
    lower = _factor(precision, in_states.reference)
    rows = [lower[i, first : i + 1] for i, first in enumerate(in_states.first)]
    return replace(
        in_states,
        mode=in_states.mode + np.concatenate([np.zeros(states), point[states:]]),
        curvature=curvature,
        pull=pull,
        factor=np.concatenate(rows),
    )


def _prior_precision(persistence: Floats) -> tuple[Floats, Floats]:
    """Diagonal, and coupling to the year before, of the AR(1) precision of each series."""
    rate = 1.0 / (1.0 - persistence**2)
    diagonal = rate.copy()
    diagonal[0] = 1.0
    diagonal[:-1] += rate[1:] - 1.0
    return diagonal, -persistence * rate


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
        for residue in range(3)
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


def _band(unknowns: Unknowns) -> tuple[Integers, Integers]:
    """First column and first stored entry of every row of the factor.

    A state's row reaches back to the year before, a constant's row to every state; noise and
    step multipliers stand alone.
    """
    positions = np.arange(unknowns.size)
    year = positions // max(unknowns.varying, 1)
    first = np.where(
        positions < unknowns.states,
        np.maximum(year - 1, 0) * unknowns.varying,
        np.where(positions < unknowns.scales_start, 0, positions),
    )
    lengths = positions - first + 1
    start = np.concatenate([[0], np.cumsum(lengths[:-1])])
    return first.astype(np.int64), start.astype(np.int64)


def _factor(precision: Floats, reference: Floats) -> Floats:
    """Cholesky factor; where the curvature is not positive, of a blend with one that is."""
    size = precision.shape[0]
    stand_in: Floats | None = None
    for weight in _BLENDS:
        try:
            if weight == 0.0:
                return np.asarray(cholesky(precision, lower=True))
            if stand_in is None:
                stand_in = _separable(precision, reference)[:size, :size]
            return np.asarray(cholesky((1 - weight) * precision + weight * stand_in, lower=True))
        except np.linalg.LinAlgError:
            continue
    raise FitError("The density has no usable curvature at its mode; check the study's priors.")


def _separable(precision: Floats, reference: Floats) -> Floats:
    """Each series' own prior plus the records' curvature along it: positive, and in the band."""
    diagonal, coupling = _prior_precision(reference)
    states = diagonal.size
    floor = np.concatenate([diagonal.ravel(), np.ones(precision.shape[0] - states)])
    stand_in = np.diag(np.maximum(np.diag(precision), floor))
    varying = reference.shape[1]
    later = np.arange(varying, states)
    stand_in[later, later - varying] = stand_in[later - varying, later] = coupling[1:].ravel()
    return stand_in
