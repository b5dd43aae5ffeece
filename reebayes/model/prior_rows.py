"""The rows of ``priors.csv`` among the unknowns: which columns, years and latents each governs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats, Integers
from reebayes.study import Prior, Study, transitions
from reebayes.study.targets import (
    ALL,
    ERRORS,
    EVERY,
    NOISE,
    STEP,
    STEP_GROUPS,
    Target,
    targets_in,
)

MOVING, CONSTANT, PARTED, SCALE, FIXED = "moving", "constant", "parted", "scale", "fixed"
TOGETHER = "together"
"""How a row reaches the unknowns: a series of states; one number for all years; one number whose
centre or spread differs between periods, or shares that move with one that never changes; noise,
degrees of freedom or a step multiplier; nothing, for its spread is 0; one of several shares of a
process, each one number for all years, whose centres move together.
"""


@dataclass(frozen=True, slots=True, eq=False)
class PriorRow:
    """One row of the priors, and what it governs.

    Parameters
    ----------
    prior : Prior
    kind : str
        `MOVING`, `CONSTANT`, `PARTED`, `SCALE`, `FIXED` or `TOGETHER`.
    columns : array of int
        Columns of the levels that it governs; none of `SCALE`.
    years : array of int
        Positions of the years in which it is in force.
    latents : array of int
        Entries of the latent vector that have their standard normal prior from it.
    parts : array (year)
        Part of the spread of its columns in every year that is the row's: 1 where it is in force,
        less about the beginning of a period that goes over from the one before.
    smooth : bool
        Whether a period of its target, or of a share beside it, goes over from the one before.
    """

    prior: Prior
    kind: str
    columns: Integers
    years: Integers
    latents: Integers
    parts: Floats
    smooth: bool = False


def prior_rows(study: Study, layout: Layout) -> tuple[PriorRow, ...]:
    """Find what every row of the priors governs, in the order of the table.

    Parameters
    ----------
    study : Study
    layout : Layout
        Of the study.
    """
    siblings: dict[str, list[Prior]] = {}
    for prior in study.priors:
        siblings.setdefault(prior.target, []).append(prior)
    smooth = {target for target, rows in siblings.items() if any(row.transition for row in rows)}
    found = []
    for prior in study.priors:
        row = _row(study, layout, prior, siblings[prior.target])
        beside = {layout.unknowns.columns[n] for n in shares_beside(study, layout, prior)}
        if {prior.target, *beside} & smooth:
            parts = _parts(prior, siblings[prior.target], study.years)
            row = replace(row, parts=parts, smooth=True)
        found.append(row)
    return tuple(found)


def _parts(prior: Prior, siblings: Sequence[Prior], years: Sequence[int]) -> Floats:
    """Part of the spread of a target that a row has in every year."""
    rows = transitions.in_order(siblings, years)
    spreads = transitions.weights(rows, years) * np.array([row.sd for row in rows])[:, None]
    return np.asarray(spreads[rows.index(prior)] / spreads.sum(axis=0))


def _row(study: Study, layout: Layout, prior: Prior, siblings: Sequence[Prior]) -> PriorRow:
    unknowns = layout.unknowns
    years = in_force(prior, siblings, study.years)
    parts = np.zeros(len(study.years))
    parts[years] = 1.0
    names = list(_names(study, prior))
    if prior.about.group in (ERRORS, NOISE, STEP):
        scales = [at for name in names for at in _scale_positions(layout, name)] if prior.sd else []
        kind = SCALE if scales else FIXED
        return PriorRow(prior, kind, _whole([]), years, _whole(scales), parts)
    columns = _whole(unknowns.columns.index(n) for n in names if n in unknowns.columns)
    moving = columns < unknowns.varying
    beside = _whole(shares_beside(study, layout, prior))
    still = bool(beside.size and (np.append(columns, beside) >= unknowns.varying).any())
    if moving.any():
        states = years[:, None] * unknowns.varying + columns[moving][None]
        kind = PARTED if still else MOVING
        return PriorRow(prior, kind, columns, years, _whole(states.ravel()), parts)
    constant = columns < unknowns.varying + unknowns.constant
    if not constant.any():
        return PriorRow(prior, FIXED, columns, years, _whole([]), parts)
    parted = len(siblings) > 1 or still
    # one standard normal serves all periods; it counts with the first
    own = prior is siblings[0]
    kind = PARTED if parted else CONSTANT
    if beside.size and _never_change(study, layout, np.append(columns, beside)):
        kind = TOGETHER
    latents = unknowns.states + columns[constant & own] - unknowns.varying
    return PriorRow(prior, kind, columns, years, latents, parts)


def _never_change(study: Study, layout: Layout, columns: Integers) -> bool:
    """Whether shares have one row each, for all years, and are there in the same years."""
    unknowns = layout.unknowns
    inside = (columns >= unknowns.varying) & (columns < unknowns.varying + unknowns.constant)
    names = {unknowns.columns[n] for n in columns}
    active = layout.equations.graph.active[[layout.flows.index(name) for name in names]]
    rows = [row for row in study.priors if row.target in names]
    return bool(inside.all() and len(rows) == len(names) and (active == active[0]).all())


def in_force(prior: Prior, siblings: Sequence[Prior], years: Sequence[int]) -> Integers:
    """Positions of the years for which a row holds, among all rows of its target.

    A year that no row covers keeps the row before it, or else takes the next.
    """
    rows = sorted(siblings, key=lambda row: row.year or years[0])
    begins = np.array([row.year or years[0] for row in rows])
    place = np.clip(np.searchsorted(begins, np.array(years), side="right") - 1, 0, None)
    return np.flatnonzero(place == rows.index(prior))


def shares_beside(study: Study, layout: Layout, prior: Prior) -> list[int]:
    """Columns of the other shares that part what passes through the process of a share."""
    if prior.distribution != "share":
        return []
    shares = {row.target for row in study.priors if row.distribution == "share"} - {prior.target}
    source = study.flows[prior.target].source
    return [
        layout.unknowns.columns.index(flow.flow)
        for flow in study.flows
        if flow.source == source and flow.flow in shares
    ]


def _names(study: Study, prior: Prior) -> Iterator[str]:
    """Targets that a row governs: its own, or those of every reporter without a row."""
    target = prior.about
    if target.name != EVERY:
        yield prior.target
        return
    own = {row.target for row in study.priors}
    yield from (t for t in targets_in(target.group, study.reporters) if t not in own)


def _scale_positions(layout: Layout, name: str) -> list[int]:
    """Where a multiplier, or another property of errors, stands among the latents, if it does."""
    unknowns, target = layout.unknowns, Target.parse(name)
    if target.group == STEP:
        return [unknowns.steps_start + STEP_GROUPS.index(target.name)]
    noisy = (*layout.reporters, ALL)
    if target.group == NOISE and target.name in noisy:
        return [unknowns.scales_start + noisy.index(target.name)]
    return [int(at) for at in unknowns.learnt_at(target)]


def _whole(values: Iterable[int]) -> Integers:
    return np.array(list(values), dtype=np.int64)
