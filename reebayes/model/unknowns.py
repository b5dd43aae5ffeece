"""The unknowns of a study: their columns, how they move, where their priors are centred."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reebayes.model.kernels import Centres, Steps
from reebayes.study import Flow, Prior, Study, transitions
from reebayes.study.targets import (
    BIAS,
    ERROR_FREEDOM,
    EVERY,
    NOISE_SPREAD,
    ROUTE,
    SHARED,
    STEP,
    STEP_GROUPS,
    Target,
    targets_in,
)

type Floats = NDArray[np.float64]


type Integers = NDArray[np.int64]


PERSISTENCE_CEILING = 1.0 - 1e-9
"""Persistence may not reach 1: an innovation would then have no effect to be inferred from."""


@dataclass(frozen=True, slots=True)
class Unknowns:
    """Where every unknown stands.

    Columns are those that change over the years (``varying`` of them), then constants, then
    fixed ones (no spread). The latent vector holds innovations year by year for the varying
    columns, then one entry for each constant column, each reporter's noise, the noise that all
    have in common, what else of the errors is ``learnt`` (targets of priors) and each group's step
    multiplier.
    """

    columns: tuple[str, ...]
    years: int
    varying: int
    constant: int
    reporters: int
    learnt: tuple[str, ...] = ()

    @property
    def states(self) -> int:
        """Number of latent entries that belong to single years."""
        return self.years * self.varying

    @property
    def scales_start(self) -> int:
        """Position in the latent vector where noise and step multipliers begin."""
        return self.states + self.constant

    @property
    def steps_start(self) -> int:
        """Position in the latent vector where step multipliers begin."""
        return self.scales_start + self.reporters + 1 + len(self.learnt)

    @property
    def noise(self) -> slice:
        """Positions of the noise of reporters, and of all of them, in the latent vector."""
        return slice(self.scales_start, self.scales_start + self.reporters + 1)

    def learnt_at(self, target: Target) -> Integers:
        """Position of a learnt property of the errors in the latent vector; none if it is none."""
        at = [self.noise.stop + n for n, name in enumerate(self.learnt) if name == str(target)]
        return np.array(at, dtype=np.int64)

    @property
    def size(self) -> int:
        """Length of the latent vector."""
        return self.steps_start + len(STEP_GROUPS)


def series_of(study: Study) -> dict[str, list[Prior]]:
    """Prior rows of every column of the levels."""
    rows = rows_by_target(study)
    series = {flow.flow: rows[flow.flow] for flow in study.flows if flow.flow in rows}
    for reporter in study.reporters:
        own, every = str(Target(BIAS, reporter)), str(Target(BIAS, EVERY))
        series[own] = rows.get(own, rows.get(every, []))
    return series | {
        target: found
        for target, found in rows.items()
        if Target.parse(target).group in (ROUTE, SHARED)
    }


def rows_by_target(study: Study) -> dict[str, list[Prior]]:
    """Return the prior rows of every target."""
    rows: dict[str, list[Prior]] = {}
    for prior in study.priors:
        rows.setdefault(prior.target, []).append(prior)
    return rows


def has_heavy_tails(study: Study) -> bool:
    """Return whether the errors of figures are Student-t."""
    return bool(study.settings.get("error_distribution", "normal") == "student_t")


def learnt_of(study: Study) -> tuple[str, ...]:
    """Targets of what is learnt of errors beside noise: a prior with a spread, if it has effect."""
    rows = rows_by_target(study)
    asked = {str(NOISE_SPREAD): True, str(ERROR_FREEDOM): has_heavy_tails(study)}
    return tuple(name for name, used in asked.items() if used and name in rows and rows[name][0].sd)


def sorted_columns(series: Mapping[str, Sequence[Prior]]) -> tuple[tuple[str, ...], int, int]:
    """Columns that vary, constants, fixed ones; and how many of the first two there are."""
    varying = [name for name, found in series.items() if found and found[0].step is not None]
    fixed = [name for name, found in series.items() if all(row.sd == 0 for row in found)]
    constant = [name for name in series if name not in {*varying, *fixed}]
    return (*varying, *constant, *fixed), len(varying), len(constant)


def steps_of(study: Study, series: Mapping[str, Sequence[Prior]], varying: Sequence[str]) -> Steps:
    """How series move; the few different ratios of step to spread stand in a table."""
    years = study.years
    step = _by_column(varying, series, years, "step")
    sd = _by_column(varying, series, years, "sd")
    ratio, jump = step / sd, _jumps(varying, series, years) / sd
    keys = np.stack([np.broadcast_to(_groups(study, varying)[:, None], ratio.shape), ratio, jump])
    table, which = np.unique(keys.reshape(3, -1), axis=1, return_inverse=True)
    rows = rows_by_target(study)
    multipliers = [rows.get(target, []) for target in targets_in(STEP, STEP_GROUPS)]
    return Steps(
        which=np.ascontiguousarray(which.reshape(ratio.shape).T, dtype=np.int64),
        step_mean=np.array([math.log(row[0].median) if row else 0.0 for row in multipliers]),
        step_sd=np.array([row[0].sd if row else 0.0 for row in multipliers]),
        ratio=table[1].copy(),
        jump=table[2].copy(),
        group=table[0].astype(np.int64),
        ceiling=np.array([PERSISTENCE_CEILING]),
    )


def centres_of(study: Study, series: Mapping[str, Sequence[Prior]], unknowns: Unknowns) -> Centres:
    """Prior mean and spread of every column by year, and which columns move others."""
    years, columns = study.years, unknowns.columns
    drivers = drivers_of(study)
    inputs = {f.flow for f in study.flows if is_exogenous(study, f)} | set(drivers.values())
    medians = {name: by_year(series[name], years, "median") for name in columns}
    apart = inputs | {flow.flow for flow in study.flows if flow.tied}
    reference = _reference_medians(study, {k: v for k, v in medians.items() if k not in apart})
    return Centres(
        mean=np.stack([
            _centre(name, medians[name], reference.get(name), name in inputs) for name in columns
        ]),
        sd=_by_column(columns, series, years, "sd"),
        constants=np.array([unknowns.constant]),
        **_routes(study, columns),
        **_losses(study, drivers, columns),
    )  # fmt: skip


def drivers_of(study: Study) -> dict[str, str]:
    """Product whose prior sets the inflow of a conversion, by that inflow."""
    lognormal = {prior.target for prior in study.priors if prior.distribution == "lognormal"}
    product = {
        flow.source: flow.flow
        for flow in study.flows
        if flow.flow in lognormal and study.processes[flow.source].kind == "conversion"
    }
    return {flow.flow: product[flow.target] for flow in study.flows if flow.target in product}


def _losses(
    study: Study, drivers: Mapping[str, str], columns: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Columns of the products that drive their conversions, and of the losses beside them."""
    source = {flow.flow: flow.source for flow in study.flows}
    position = {name: n for n, name in enumerate(columns)}
    beside = {
        product: next(n for n in source if source[n] == source[product] and n != product)
        for product in drivers.values()
    }
    return {
        "driven": np.array([position[name] for name in beside], dtype=np.int64),
        "loss": np.array([position[name] for name in beside.values()], dtype=np.int64),
    }


def _routes(study: Study, columns: Sequence[str]) -> dict[str, NDArray[Any]]:
    """For each column, that of its trade route or of what it is tied to, and whether it has one."""
    position = {name: n for n, name in enumerate(columns)}
    flows = {flow.flow: flow for flow in study.flows}
    names = [
        flows[name].tied or str(Target(ROUTE, str(study.route(flows[name]))))
        if name in flows
        else ""
        for name in columns
    ]
    return {
        "route": np.array([position.get(name, 0) for name in names], dtype=np.int64),
        "on_route": np.array([float(name in position) for name in names]),
    }


def is_exogenous(study: Study, flow: Flow) -> bool:
    """Return whether a flow enters the system, so that its input has a prior of its own."""
    return study.processes[flow.source].kind == "environment"


def _groups(study: Study, names: Sequence[str]) -> Integers:
    """Step group of each varying column; what crosses a border moves with trade."""
    flows = {flow.flow: flow for flow in study.flows}
    driving = set(drivers_of(study).values())

    def group(name: str) -> str:
        target = Target.parse(name)
        if not target.is_flow:
            return {BIAS: "bias", SHARED: "bias", ROUTE: "trade"}[target.group]
        if is_exogenous(study, flows[name]) or name in driving:
            return "input"
        return "market" if study.route(flows[name]) is None else "trade"

    return np.array([STEP_GROUPS.index(group(name)) for name in names], dtype=np.int64)


def by_year(rows: Sequence[Prior], years: Sequence[int], field: str) -> Floats:
    """One value a year; a year that no row covers keeps the row before it, else takes the next."""
    return transitions.values(rows, years, field) if rows else np.zeros(len(years))


def _jumps(
    names: Sequence[str], series: Mapping[str, Sequence[Prior]], years: Sequence[int]
) -> Floats:
    """Standard deviation (column, year) that transitions add to the change into every year."""
    rows = [np.sqrt(transitions.variances(series[name], years)) for name in names]
    return np.stack(rows) if rows else np.zeros((0, len(years)))


def _by_column(
    names: Sequence[str], series: Mapping[str, Sequence[Prior]], years: Sequence[int], field: str
) -> Floats:
    rows = [by_year(series[name], years, field) for name in names]
    return np.stack(rows) if rows else np.zeros((0, len(years)))


def _reference_medians(study: Study, medians: Mapping[str, Floats]) -> dict[str, Floats]:
    """Median transfer coefficient of the reference outflow of each flow's process, by year."""
    taken: dict[str, Floats] = {}
    for flow in study.flows:
        if flow.flow in medians:
            active = np.array([flow.is_active(year) for year in study.years])
            share = np.where(active, medians[flow.flow], 0.0)
            taken[flow.source] = taken.get(flow.source, np.zeros(len(study.years))) + share
    return {flow.flow: 1.0 - taken[flow.source] for flow in study.flows if flow.flow in medians}


def _centre(name: str, median: Floats, reference: Floats | None, is_input: bool) -> Floats:
    if is_input:
        return np.log(median)
    if reference is None:  # biases, routes, and how far a tied flow is from what it is tied to
        return median
    return np.asarray(np.log(median / reference))
