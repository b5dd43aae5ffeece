"""Local identifiability: which directions of the unknowns the records inform, beside the prior.

The unknowns are standard normal in the prior. Around a point, the expectation of the records is
linear in them; its Jacobian over the records' errors is the square root of the prior-preconditioned
information. A singular value above 1 says that the records inform a direction more than the prior,
below 1 less, 0 not at all. No sampling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from scipy.linalg import eigh, eigvalsh, svd

from reebayes.conventions import LATENT, POSTERIOR, QUANTITY, YEAR
from reebayes.errors import ResultError
from reebayes.inference.precision import Part, parts_of
from reebayes.model.kernels import (
    balance,
    balance_adjoint,
    levels,
    levels_adjoint,
    locate,
    locate_adjoint,
    record_terms_adjoint,
    spreads,
    states,
    states_adjoint,
)
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats
from reebayes.study import Study

DIRECTION = "direction"

SEEN_FROM = 1.0
"""Singular value from which the records inform a direction more than the prior does."""

BLIND_BELOW = 1e-6
"""Singular value, relative to the largest, below which the records do not inform a direction."""

_WIDTH = 1e-4  # step, in errors of a record, of the slope that gives its precision


def identify(study: Study, fit: xr.DataTree | None = None) -> xr.Dataset:
    """Assess local identifiability: count the directions of the unknowns that the records inform.

    Directions are those of the prior-preconditioned information of the records.

    Parameters
    ----------
    study : Study
        The study that was, or will be, fitted.
    fit : DataTree, optional
        Its fit: everything is then evaluated at the posterior mean of the unknowns, otherwise
        where the priors are centred.

    Returns
    -------
    Dataset
        ``singular_value`` (direction), largest first, one for every unknown but the noise
        multipliers, which shift no record. ``seen_share`` (quantity, year): the share of the prior
        variance of the quantity that lies in directions with a singular value above 1.
        ``expected_contraction``: 1 less posterior over prior standard deviation, were the model
        linear; NaN where the quantity does not exist. Attributes ``directions``, ``seen``,
        ``faint`` (informed less than by the prior), ``unseen``, ``records`` and
        ``informative_records``.

    Raises
    ------
    ResultError
        If the fit is of another study.

    Examples
    --------
    >>> import reebayes as rb
    >>> rank = rb.identify(rb.read_study("zinc"))
    >>> rank.attrs["seen"], rank.attrs["unseen"]
    (12, 4)
    """
    layout = lay_out(study)
    point = _Point(layout, _latent(study, layout, fit))
    sensitivity = point.sensitivity()
    _, values, directions = svd(sensitivity, full_matrices=False)
    at = "posterior mean" if fit is not None else "centre of the priors"
    return xr.Dataset(
        {"singular_value": (DIRECTION, _padded(point, values))}
        | _shares(point, values, directions),
        coords={YEAR: list(layout.years), QUANTITY: list(layout.quantities)},
        attrs=_counts(point, sensitivity, values) | {"at": at},
    )


def count_directions(layout: Layout, latent: Floats) -> dict[str, int]:
    """Count the directions that records inform at one latent vector; see `identify`.

    Part by part: no matrix of all records or of all unknowns is formed, unless records tie all of
    them together.

    Parameters
    ----------
    layout : Layout
    latent : array (latent)

    Returns
    -------
    dict
        ``directions``, ``seen``, ``faint``, ``unseen``, ``records``, ``informative_records``.
    """
    point = _Point(layout, latent)
    squares, tied, informative = _spectrum(point, parts_of(layout))

    def above(value: float) -> int:
        return _count_above(value * value, squares, tied)

    seen, told = above(SEEN_FROM), above(BLIND_BELOW * max(_largest(squares, tied), SEEN_FROM))
    return {
        "directions": int(point.free.size),
        "seen": seen,
        "faint": told - seen,
        "unseen": int(point.free.size) - told,
        "records": len(layout.records),
        "informative_records": informative,
    }


def _spectrum(point: _Point, parts: Sequence[Part]) -> tuple[Floats, Floats, int]:
    """Squared singular values of all parts, by themselves, and how the step multipliers tie them.

    The information of the records is, turned part by part, a diagonal of the squares plus T T',
    with T (value, multiplier). One part needs no T: its multipliers are among its own unknowns.
    Also the number of records that inform.
    """
    squares, tied, informative = [], [], 0
    for own, steps in _sensitivities(point, parts):
        information = own @ own.T
        if len(parts) == 1:
            information += steps @ steps.T
        informative += int(((own != 0).any(axis=1) | (steps != 0).any(axis=1)).sum())
        if len(parts) == 1:
            squares.append(eigvalsh(information, overwrite_a=True))
            tied.append(np.zeros((len(own), 0)))
        else:
            square, turned = eigh(information, overwrite_a=True)
            squares.append(square)
            tied.append(turned.T @ steps)
    if not squares:
        return np.zeros(0), np.zeros((0, 0)), 0
    return np.concatenate(squares), np.concatenate(tied), informative


def _sensitivities(point: _Point, parts: Sequence[Part]) -> Iterator[tuple[Floats, Floats]]:
    """Sensitivity of each part's records to its own unknowns, and to the step multipliers."""
    layout, unknowns = point.layout, point.layout.unknowns
    steps = layout.equations.steps
    weight = point.weights()
    busy = [part for part in parts if part.records.size]
    rows: list[tuple[Floats, Floats]] = [
        (np.zeros((part.records.size, sum(place.size for place in part.places(unknowns)))),
         np.zeros((part.records.size, unknowns.size - unknowns.steps_start)))
        for part in busy
    ]  # fmt: skip
    for number in range(max((part.records.size for part in busy), default=0)):
        # parts do not touch: one record of each is followed back at a time
        pick = np.zeros(weight.size)
        for part in busy:
            pick[part.records[number : number + 1]] = weight[part.records[number : number + 1]]
        state_bar, latent_bar = point.state_gradient(
            *locate_adjoint(point.flow, point.level, layout.equations.sums, pick)
        )
        for part, (own, shared) in zip(busy, rows, strict=True):
            if number >= part.records.size:
                continue
            states_of, constants = part.places(unknowns)
            alone = np.zeros_like(state_bar)
            alone[:, part.series] = state_bar[:, part.series]
            bar = states_adjoint(point.latent, steps, point.state, alone)
            own[number] = np.concatenate([bar[states_of].ravel(), latent_bar[constants]])
            shared[number] = bar[unknowns.steps_start :]
    yield from rows


def _count_above(bound: float, squares: Floats, tied: Floats) -> int:
    """Eigenvalues of diag(squares) + T T' above a bound, counted by Sylvester's law of inertia."""
    gap = squares - bound
    gap[gap == 0] = np.finfo(float).tiny
    small = -np.eye(tied.shape[1]) - tied.T @ (tied / gap[:, None])
    return int((gap > 0).sum() + (np.linalg.eigvalsh(small) > 0).sum())


def _largest(squares: Floats, tied: Floats) -> float:
    """Largest singular value, to six digits: that of the parts, or more by what T adds."""
    low = float(squares.max(initial=0.0))
    high = low + float(np.square(tied).sum())
    while high - low > 1e-6 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _count_above(middle, squares, tied) else (low, middle)
    return float(np.sqrt(low))


def _counts(point: _Point, sensitivity: Floats, values: Floats) -> dict[str, int]:
    padded = _padded(point, values)
    blind = BLIND_BELOW * max(float(padded.max(initial=0.0)), SEEN_FROM)
    return {
        "directions": int(padded.size),
        "seen": int((padded > SEEN_FROM).sum()),
        "faint": int(((padded <= SEEN_FROM) & (padded > blind)).sum()),
        "unseen": int((padded <= blind).sum()),
        "records": len(point.layout.records),
        "informative_records": int((np.abs(sensitivity).sum(axis=1) > 0).sum()),
    }


def _padded(point: _Point, values: Floats) -> Floats:
    """Singular values of every direction; those beyond the records are 0."""
    padded = np.zeros(point.free.size)
    padded[: values.size] = values
    return padded


def _latent(study: Study, layout: Layout, fit: xr.DataTree | None) -> Floats:
    """Latent vector at which everything is evaluated."""
    if fit is None:
        return np.zeros(layout.unknowns.size)
    if fit.attrs.get("study_hash") != study.hash:
        raise ResultError(
            f"This is not a fit of the study {study.name!r} as it stands now; read the study that "
            "was fitted, or fit again."
        )
    mean = fit[POSTERIOR][LATENT + "s"].mean(("chain", "draw"))
    return np.asarray(mean.values, dtype=np.float64)


class _Point:
    """The model at one latent vector, with gradients of what records and quantities are."""

    def __init__(self, layout: Layout, latent: Floats) -> None:
        self.layout, self.latent = layout, latent
        self.state = states(latent, layout.equations.steps)
        self.level = levels(self.state, latent, layout.equations.centres)
        self.flow, self.share, self.throughput = balance(self.level, layout.equations.graph)
        unknowns = layout.unknowns
        noise = np.arange(unknowns.scales_start, unknowns.steps_start)
        self.free = np.delete(np.arange(unknowns.size), noise)

    def sensitivity(self) -> Floats:
        """Sensitivity of each record to every unknown (record, unknown), in units of its error."""
        layout, weight = self.layout, self.weights()
        rows = np.zeros((weight.size, self.free.size))
        for record in np.flatnonzero(weight > 0):
            pick = np.zeros(weight.size)
            pick[record] = weight[record]
            rows[record] = self.gradient(
                *locate_adjoint(self.flow, self.level, layout.equations.sums, pick)
            )
        return rows

    def weights(self) -> Floats:
        """Roots of the precision of every record."""
        layout = self.layout
        location = locate(self.flow, self.level, layout.equations.sums)
        precision = _precision(layout, location, spreads(self.latent, layout.equations.errors))
        return np.asarray(np.sqrt(precision))

    def gradient(self, flow_bar: Floats, level_bar: Floats) -> Floats:
        """Cotangent of the unknowns from those of flows and levels."""
        state_bar, latent_bar = self.state_gradient(flow_bar, level_bar)
        latent_bar = latent_bar + states_adjoint(
            self.latent, self.layout.equations.steps, self.state, state_bar
        )
        return np.asarray(latent_bar[self.free])

    def state_gradient(self, flow_bar: Floats, level_bar: Floats) -> tuple[Floats, Floats]:
        """Cotangents of the states and of the constants from those of flows and levels."""
        layout = self.layout
        level_bar = level_bar + balance_adjoint(
            self.level, layout.equations.graph, self.flow, self.share, self.throughput, flow_bar
        )
        state_bar, latent_bar = levels_adjoint(
            self.state, self.latent, layout.equations.centres, self.level, level_bar
        )
        return np.asarray(state_bar), np.asarray(latent_bar)

    def slope(self, quantity: int, year: int) -> Floats:
        """Gradient of a quantity in one year, relative to what it is there (NaN if nothing)."""
        above, below = (
            weights[:, [quantity]].toarray().ravel()
            for weights in (self.layout.numerators, self.layout.denominators)
        )
        flow = self.flow[:, year]
        total, base = float(above @ flow), float(below @ flow)
        flow_bar = np.zeros_like(self.flow)
        if self.layout.ratio[quantity]:
            if not total or not base:
                return np.full(self.free.size, np.nan)
            flow_bar[:, year] = above / total - below / base
        else:
            size = float(np.abs(above) @ flow)
            if not size:
                return np.full(self.free.size, np.nan)
            flow_bar[:, year] = above / size
        return self.gradient(flow_bar, np.zeros_like(self.level))


def _precision(layout: Layout, location: Floats, scale: Floats) -> Floats:
    """How sharply each record bends its log-likelihood about its location."""
    figures, ones = layout.equations.figures, np.ones(location.size)
    step = _WIDTH * scale
    before = record_terms_adjoint(location - step, scale, figures, ones)[0]
    after = record_terms_adjoint(location + step, scale, figures, ones)[0]
    # An alternative value, or a heavy tail, may bend the other way between or far from the figures.
    return np.asarray(np.maximum((before - after) / (2 * step), 0.0))


def _shares(point: _Point, values: Floats, directions: Floats) -> dict[str, tuple[object, Floats]]:
    """Seen share and contraction of every quantity and year, were the model linear."""
    layout = point.layout
    shape = (len(layout.quantities), len(layout.years))
    seen, contraction = np.full(shape, np.nan), np.full(shape, np.nan)
    known = np.square(values) / (1 + np.square(values))
    for quantity in range(shape[0]):
        slopes = np.stack([point.slope(quantity, year) for year in range(shape[1])])
        prior = np.square(slopes).sum(axis=1)
        with np.errstate(invalid="ignore"):  # a quantity that does not exist, or that is fixed
            parts = np.square(slopes @ directions.T) / np.where(prior > 0, prior, np.nan)[:, None]
        seen[quantity] = parts[:, values > SEEN_FROM].sum(axis=1)
        contraction[quantity] = 1 - np.sqrt(np.maximum(1 - parts @ known, 0.0))
    dims = (QUANTITY, YEAR)
    return {"seen_share": (dims, seen), "expected_contraction": (dims, contraction)}
