"""Posterior draws under priors that are moved: their scores, and their weights, without a fit.

The prior of a series is an AR(1) over standardised states. With x the states of a draw and S
their covariance, moving the centre has the score 1'S^-1 x, and stretching the spread x'S^-1 x - n
plus what the persistence adds, which follows from the ratio of step and spread. The score of a
change is the derivative of the log prior of a draw; the covariance of an answer with it is the
derivative of the answer's posterior mean.

References
----------
Gustafson (2000), Local robustness in Bayesian analysis.
Kallioinen, Paananen, Bürkner, Vehtari (2024), Statistics and Computing 34, 57.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from reebayes.inference.datatree import quantity_draws
from reebayes.model.kernels import (
    Equations,
    Steps,
    observe_draws,
    record_terms,
    states,
    with_freedom,
)
from reebayes.model.layout import Layout, lay_out
from reebayes.model.observations import freedoms
from reebayes.model.prior_rows import (
    CONSTANT,
    FIXED,
    MOVING,
    SCALE,
    TOGETHER,
    PriorRow,
    shares_beside,
)
from reebayes.model.unknowns import PERSISTENCE_CEILING, Floats, Integers
from reebayes.study import Prior, Study
from reebayes.study.edits import moved_prior

_SMALL = 1e-4
"""Part of a standard deviation over which the effect of a share on its siblings is differenced."""

type Means = Mapping[int, Floats]
"""Changes of the prior mean, by column and for every year."""


@dataclass(frozen=True, eq=False)
class PriorDraws:
    """Draws of the unknowns as their prior sees them.

    Parameters
    ----------
    study : Study
    layout : Layout
        Of the study.
    latents : array (draw, latent)
    """

    study: Study
    layout: Layout
    latents: Floats

    # --- scores -----------------------------------------------------------------------------------

    def scores(self, row: PriorRow, *, spread: bool = True) -> tuple[Floats, Floats]:
        """Scores (draw) of moving a row's centre by its spread, and of the log of its spread.

        The second is not computed, and NaN, unless ``spread``.

        Raises
        ------
        ValueError
            If the row is of a kind that the prior's density alone does not settle.
        """
        unknown = np.full(len(self.latents), np.nan)
        if row.kind in (SCALE, CONSTANT):
            value = self.latents[:, row.latents]
            if not spread:
                return value.sum(axis=1), unknown
            return value.sum(axis=1), (np.square(value) - 1.0).sum(axis=1)
        if row.kind == TOGETHER:
            together, above = self._together(row, _SMALL)
            slope = (above - self._together(row, -_SMALL)[1]) / (2 * _SMALL)
            own = self.latents[:, row.latents[0]]
            return self.latents[:, together] @ slope, np.square(own) - 1.0 if spread else unknown
        if row.kind != MOVING:
            raise ValueError(f"{row.prior.label} is {row.kind}")
        shift = np.zeros(len(self.latents))
        up, down = (self.mean_shifts(row, sign * _SMALL) for sign in (1, -1))
        for column, change in up.items():
            slope = (change - down[column]) / (2 * _SMALL) / self._sd[column]
            shift += slope @ self._pulls[column]
        if not spread:
            return shift, unknown
        years = np.flatnonzero(row.parts)
        at = np.ix_(row.columns, years)
        scores = self._states[at] * self._pulls[at] - 1.0 + self._persistence_scores[at]
        return shift, np.asarray(np.tensordot(row.parts[years], scores.sum(axis=0), 1))

    def changed(self, row: PriorRow, *, shift: float = 0.0, stretch: float = 1.0) -> Equations:
        """Return the equations with one row of the priors changed, as `log_ratio` changes it."""
        if row.smooth:
            return self._laid_out(row, shift, stretch)
        centres = self.layout.equations.centres
        mean, sd = centres.mean.copy(), centres.sd.copy()
        for column, change in (self.mean_shifts(row, shift) if shift else {}).items():
            mean[column] += change
        sd[np.ix_(row.columns, row.years)] *= stretch
        changed = self.layout.equations._replace(centres=centres._replace(mean=mean, sd=sd))
        moving = row.columns[row.columns < self.layout.unknowns.varying]
        return changed._replace(steps=_stretched(changed.steps, moving, row.years, stretch))

    def standardised(self, row: PriorRow) -> Iterator[tuple[str, Integers, Floats]]:
        """Iterate over the unknowns that a row governs, as deviations from its prior.

        Each has its name, the positions of its years, and draws (year, draw) in standard deviations
        of the prior from its median; what never changes has no years and one row of draws. Nothing
        is known of rows without a spread.
        """
        unknowns, layout = self.layout.unknowns, self.layout
        never = np.array([], dtype=np.int64)
        if row.kind == SCALE:
            for n in row.latents:
                yield layout.latents[n], never, self.latents[:, n][None]
        elif row.kind != FIXED:
            for n in row.columns:
                if n < unknowns.varying:
                    if len(row.years):
                        yield unknowns.columns[n], row.years, self._states[n, row.years]
                elif n < unknowns.varying + unknowns.constant:
                    at = unknowns.states + n - unknowns.varying
                    yield unknowns.columns[n], never, self.latents[:, at][None]

    # --- weights ----------------------------------------------------------------------------------

    def log_ratio(self, row: PriorRow, *, shift: float = 0.0, stretch: float = 1.0) -> Floats:
        """Log of the prior of each draw (draw) with a row changed, over its prior as it is.

        Parameters
        ----------
        row : PriorRow
        shift : float
            Its centre moves by so many of its own spreads.
        stretch : float
            Its spread is multiplied by this.

        Raises
        ------
        ValueError
            If the row is of a kind that the prior's density alone does not settle.
        """
        if row.kind in (SCALE, CONSTANT):
            value = self.latents[:, row.latents]
            moved = (value - shift) / stretch
            gained = 0.5 * (np.square(value) - np.square(moved)) - math.log(stretch)
            return np.asarray(gained.sum(axis=1))
        if row.kind == TOGETHER:
            at, by = self._together(row, shift)
            to = np.where(at == row.latents[0], stretch, 1.0)
            value = self.latents[:, at]
            gained = 0.5 * (np.square(value) - np.square((value - by) / to)) - np.log(to)
            return np.asarray(gained.sum(axis=1))
        if row.kind != MOVING:
            raise ValueError(f"{row.prior.label} is {row.kind}")
        means = dict(self.mean_shifts(row, shift)) if shift else {}
        own = set(row.columns.tolist())
        total = np.zeros(len(self.latents))
        for column in own | set(means):
            by = np.ones(len(self.layout.years))
            if column in own:
                by += (stretch - 1.0) * row.parts
            total += self._log_prior(column, means.get(column), by) - self._as_it_is[column]
        return total

    def mean_shifts(self, row: PriorRow, shift: float) -> Means:
        """Changes of prior means (year), by column, if a row's centre moves by so many spreads.

        The other shares of a process move with the reference category, which takes what is left.
        """
        years = len(self.layout.years)
        changes: dict[int, Floats] = {}
        if row.smooth:
            moved = self._laid_out(row, shift, 1.0).centres.mean - self._mean
            of = {int(n) for n in (*row.columns, *self._beside(row.prior))}
            return {n: moved[n] for n in of if moved[n].any()}
        if row.prior.distribution != "share":
            for column in row.columns:
                changes[int(column)] = np.zeros(years)
                changes[int(column)][row.years] = shift * row.prior.sd
            return changes
        before, own = row.prior, int(row.columns[0])
        left = before.median * np.exp(-self._mean[own])  # median of the reference category
        at = row.years[self._active(before.target)[row.years]]
        rest = before.median + left[at].min(initial=1.0 - before.median)
        after = moved_prior(before, rest, shift=shift).median
        change = np.zeros(years)
        change[at] = np.log(left[at] / (left[at] + before.median - after))
        changes = {column: change.copy() for column in self._beside(before)}
        changes[own] = change.copy()
        changes[own][row.years] += math.log(after / before.median)
        return changes

    def _together(self, row: PriorRow, shift: float) -> tuple[Integers, Floats]:
        """Latents of a share and those beside it, and by how many of their spreads each moves."""
        unknowns = self.layout.unknowns
        year = int(np.flatnonzero(self._active(row.prior.target))[0])
        moved = {int(row.columns[0]): np.zeros(year + 1), **self.mean_shifts(row, shift)}
        columns = np.array([*moved], dtype=np.int64)
        by = [change[year] / self._sd[n, year] for n, change in moved.items()]
        return unknowns.states + columns - unknowns.varying, np.array(by)

    def _laid_out(self, row: PriorRow, shift: float, stretch: float) -> Equations:
        """Return the equations of the study with a row changed, where periods go over."""
        stated = {"sd": row.prior.sd * stretch} if stretch != 1.0 else {}
        other = self.study.with_prior(
            row.prior.target, year=row.prior.year, shift=shift or None, **stated
        )
        return lay_out(other).equations

    def _log_prior(self, column: int, mean: Floats | None, stretch: Floats) -> Floats:
        """Log density (draw) of a column's levels, up to what no change of a prior moves."""
        at = self._states[column]
        if mean is not None:
            at = at - (mean / self._sd[column])[:, None]
        persistence, variance = self._persistence[column], self._variance[column]
        if (stretch != 1.0).any():
            at = at / stretch[:, None]
            persistence, variance = _persistences(self._moves[column] / stretch[1:, None])
        gap = at[1:] - persistence * at[:-1]
        whole = np.square(at[0]) + (np.square(gap) / variance + np.log(variance)).sum(axis=0)
        return np.asarray(-0.5 * whole - np.log(stretch).sum())

    @cached_property
    def _as_it_is(self) -> list[Floats]:
        """Log density of every column's levels under the priors as they are."""
        still = np.ones(len(self.layout.years))
        return [self._log_prior(n, None, still) for n in range(self.layout.unknowns.varying)]

    # --- states, and how they move: arrays (column, year, draw) of what changes over the years ----

    @cached_property
    def _states(self) -> Floats:
        """Standardised states."""
        steps = self.layout.equations.steps
        return np.ascontiguousarray(np.array([states(n, steps) for n in self.latents]).T)

    @cached_property
    def _moves(self) -> Floats:
        """Steps over spreads, of the years after the first, what transitions add among them."""
        steps = self.layout.equations.steps
        tail = self.latents[:, self.layout.unknowns.steps_start :]
        multiplier = np.exp(steps.step_mean + steps.step_sd * tail).T
        which = steps.which[1:].T
        moves = steps.ratio[which][..., None] * multiplier[steps.group[which]]
        return np.asarray(np.hypot(moves, steps.jump[which][..., None]))

    @cached_property
    def _persistence_and_variance(self) -> tuple[Floats, Floats]:
        return _persistences(self._moves)

    @property
    def _persistence(self) -> Floats:
        return self._persistence_and_variance[0]

    @property
    def _variance(self) -> Floats:
        return self._persistence_and_variance[1]

    @cached_property
    def _innovations(self) -> Floats:
        """Innovations of the years after the first."""
        unknowns = self.layout.unknowns
        shocks = self.latents[:, : unknowns.states]
        return shocks.reshape(-1, unknowns.years, unknowns.varying)[:, 1:].T

    @cached_property
    def _pulls(self) -> Floats:
        """S^-1 x: how the log prior falls with every state."""
        scaled = self._innovations / np.sqrt(self._variance)
        pulls = np.empty_like(self._states)
        pulls[:, 0] = self._states[:, 0]
        pulls[:, 1:] = scaled
        pulls[:, :-1] -= self._persistence * scaled
        return pulls

    @cached_property
    def _persistence_scores(self) -> Floats:
        """Score of the log spread through the persistence; 0 in the first year."""
        shocks, variance = self._innovations, self._variance
        persistence, before = self._persistence, self._states[:, :-1]
        own = persistence * (1.0 - np.square(shocks)) + before * shocks * np.sqrt(variance)
        moving = persistence < PERSISTENCE_CEILING
        scores = np.zeros_like(self._states)
        scores[:, 1:] = np.where(moving, own / variance, 0.0) * persistence * self._moves**2
        return scores

    @cached_property
    def _mean(self) -> Floats:
        return np.asarray(self.layout.equations.centres.mean)

    @cached_property
    def _sd(self) -> Floats:
        return np.asarray(self.layout.equations.centres.sd)

    def _beside(self, prior: Prior) -> list[int]:
        return shares_beside(self.study, self.layout, prior)

    def _active(self, flow: str) -> np.ndarray:
        return np.asarray(self.layout.equations.graph.active[self.layout.flows.index(flow)])


def _stretched(steps: Steps, columns: Integers, years: Integers, stretch: float) -> Steps:
    """Steps of series whose spread is stretched: they stay as wide as they were."""
    if stretch == 1.0 or not columns.size:
        return steps
    at = np.ix_(years, columns)
    old, place = np.unique(steps.which[at], return_inverse=True)
    which = steps.which.copy()
    which[at] = steps.ratio.size + place.reshape(which[at].shape)
    return steps._replace(
        which=which,
        ratio=np.append(steps.ratio, steps.ratio[old] / stretch),
        jump=np.append(steps.jump, steps.jump[old] / stretch),
        group=np.append(steps.group, steps.group[old]),
    )


def _persistences(moves: Floats) -> tuple[Floats, Floats]:
    """Persistence and variance of innovations, of steps over spreads."""
    square = np.square(moves)
    persistence = np.exp(-0.5 * square)
    high = persistence >= PERSISTENCE_CEILING
    variance = np.where(high, 1.0 - PERSISTENCE_CEILING**2, -np.expm1(-square))
    return np.minimum(persistence, PERSISTENCE_CEILING), variance


def observed(
    layout: Layout, equations: Equations, latents: Floats, quantities: Integers
) -> tuple[Floats, Floats]:
    """Answers and log-likelihoods of latent vectors under equations that may be changed.

    Parameters
    ----------
    layout : Layout
    equations : Equations
        Those of the layout, or with priors, errors or figures changed.
    latents : array (draw, latent)
    quantities : array of int
        Positions of the quantities that are asked for.

    Returns
    -------
    quantities : array (draw, year, quantity)
    terms : array (draw, record)
        Log-likelihood of every record.
    """
    flows, location, scale = _observed(layout, equations, latents)
    values = quantity_draws(layout, flows.swapaxes(1, 2), quantities)
    freedom = freedoms(equations, latents)
    terms = np.stack([
        record_terms(here, spread, with_freedom(equations.figures, heavy))
        for here, spread, heavy in zip(location, scale, freedom, strict=True)
    ])  # fmt: skip
    return values, terms


def located(layout: Layout, latents: Floats) -> tuple[Floats, Floats]:
    """Location and scale (draw, record) of every record, both of logs.

    Parameters
    ----------
    layout : Layout
    latents : array (draw, latent)
    """
    return _observed(layout, layout.equations, latents)[1:]


def _observed(
    layout: Layout, equations: Equations, latents: Floats
) -> tuple[Floats, Floats, Floats]:
    """Flows (draw, flow, year), locations and scales (draw, record)."""
    draws, records = len(latents), len(layout.records)
    flows = np.empty((draws, len(layout.flows), len(layout.years)))
    location, scale = np.empty((draws, records)), np.empty((draws, records))

    def fill(span: slice) -> None:
        observe_draws(latents[span], equations, flows[span], location[span], scale[span])

    cores = os.cpu_count() or 1
    ends = np.linspace(0, draws, cores + 1).astype(int)
    with ThreadPoolExecutor(cores) as pool:  # kernels run outside the GIL
        list(pool.map(fill, [slice(*pair) for pair in pairwise(ends)]))
    return flows, location, scale
