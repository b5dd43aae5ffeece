"""Simulated true values: every unknown of a study, drawn from its prior or planted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from reebayes.conventions import FLOW, GROUP, PROCESS, QUANTITY, REPORTER, SHARED, YEAR
from reebayes.simulation.flows import (
    Array,
    YearValues,
    active_years,
    by_year,
    flows_from,
    incidence,
    labelled,
    products_of,
    quantities_from,
)
from reebayes.study import Prior, Study
from reebayes.study.targets import (
    ALL,
    ERROR_FREEDOM,
    NOISE_SPREAD,
    RESERVED,
    ROUTE,
    STEP_GROUPS,
    Target,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class World:
    """Simulated true flows and errors of a study: one draw of all its unknowns.

    Attributes
    ----------
    flows : DataArray (year, flow), study unit
        True flows; exactly zero in the years a flow is inactive.
    quantities : DataArray (year, quantity), study unit or ratio
        True quantities; a ratio whose denominator is zero is NaN.
    throughput : DataArray (year, process), study unit
        Sum of the inflows of each process.
    bias : DataArray (year, reporter), log scale
    noise : DataArray (reporter), multiplier of the part of the stated errors that it moves
    noise_of_all : DataArray (), the part of `noise` that all reporters have in common
    shared : DataArray (shared), or (year, shared) where any of them moves, log scale
        Errors that several records have in common.
    step_scale : DataArray (group), multiplier of the priors' steps; 1 where none is estimated
    unknowns : dict of target -> DataArray (year)
        Every unknown on the scale its prior is normal on (see the module's table). NaN in the
        years its flow is inactive.
    """

    flows: xr.DataArray
    quantities: xr.DataArray
    throughput: xr.DataArray
    bias: xr.DataArray
    noise: xr.DataArray
    noise_of_all: xr.DataArray
    shared: xr.DataArray
    step_scale: xr.DataArray
    unknowns: dict[str, xr.DataArray]

    @property
    def freedom(self) -> float | None:
        """Degrees of freedom of Student-t errors, where they are an unknown."""
        drawn = self.unknowns.get(str(ERROR_FREEDOM))
        return None if drawn is None else math.exp(float(drawn[0]))

    def __repr__(self) -> str:
        years = self.flows[YEAR].values
        return (
            f"World({years[0]}-{years[-1]}: {self.flows.sizes[FLOW]} flows, "
            f"{self.quantities.sizes[QUANTITY]} quantities, "
            f"{self.noise.sizes[REPORTER]} reporters, {len(self.unknowns)} unknown series)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """The prior of one unknown by year; `step` is None for one value over all years."""

    group: str
    mean: Array
    sd: Array
    step: Array | None
    is_route: bool = False
    jump: Array | None = None


def _rows_by_year(study: Study, rows: Sequence[Prior]) -> list[Prior]:
    """Row that holds in each year; a year no row covers keeps the row before it, else the next."""
    starts = [(study.first_year if row.year is None else row.year, row) for row in rows]
    starts.sort(key=lambda pair: pair[0])
    chosen = []
    for year in study.years:
        begun = [row for start, row in starts if start <= year]
        chosen.append(begun[-1] if begun else starts[0][1])
    return chosen


def _medians(study: Study, rows: Sequence[Prior]) -> Array:
    """Median of every year; what goes over does so in logs, but for biases and routes."""
    if not any(row.transition for row in rows) or rows[0].distribution == "normal":
        return _smoothed(study, rows, lambda row: row.median)
    return np.exp(_smoothed(study, rows, lambda row: math.log(row.median)))


def _smoothed(study: Study, rows: Sequence[Prior], stated: Callable[[Prior], float]) -> Array:
    """Numbers of rows by year; what changes with a transition is a moving average.

    A quarter of the year before, half of the year, a quarter of the year after, with the years
    before and after the study like its first and last.
    """
    chosen = _rows_by_year(study, rows)
    if not any(row.transition for row in rows):
        return np.array([stated(row) for row in chosen], dtype=float)
    total = np.full(len(chosen), stated(chosen[0]))
    for year in range(1, len(chosen)):
        change = stated(chosen[year]) - stated(chosen[year - 1])
        after = (np.arange(-2, len(chosen) + 2) >= year).astype(float)
        if chosen[year].transition and chosen[year] is not chosen[year - 1]:
            after = np.convolve(after, [0.25, 0.5, 0.25], mode="same")
        total += change * after[2:-2]
    return total


def _jump(study: Study, rows: Sequence[Prior]) -> Array:
    """Standard deviation that transitions add to the change into each year."""
    chosen = _rows_by_year(study, rows)
    square = np.zeros(len(chosen))
    for year in range(1, len(chosen)):
        size = chosen[year].transition
        if size and chosen[year] is not chosen[year - 1]:
            for part, near in ((0.25, year - 1), (0.5, year), (0.25, year + 1)):
                square[near if 0 < near < len(chosen) else year] += part * size**2
    return np.sqrt(square)


def _make_series(study: Study, rows: Sequence[Prior], group: str, mean: Array) -> _Series:
    by_year = _rows_by_year(study, rows)
    may_move = group not in ("errors", "noise", "step")
    steps = [row.step for row in by_year if may_move and row.step is not None]
    return _Series(
        group=group,
        mean=mean,
        sd=_smoothed(study, rows, lambda row: row.sd),
        step=_smoothed(study, rows, lambda row: row.step or 0.0) if steps else None,
        jump=_jump(study, rows),
    )


def _flow_series(study: Study, rows: Mapping[str, Sequence[Prior]]) -> dict[str, _Series]:
    kinds = {process.process: process.kind for process in study.processes}
    given = [flow for flow in study.flows if flow.flow in rows]
    products = products_of(study)
    medians = {flow.flow: _medians(study, rows[flow.flow]) for flow in given}
    reference = {name: np.ones(len(study.years)) for name in kinds}
    for flow in given:
        if flow.flow in products or flow.tied:
            continue
        reference[flow.source] -= np.where(active_years(study, flow), medians[flow.flow], 0.0)
    series = {}
    for flow in given:
        kind = kinds[flow.source]
        is_input = kind == "environment" or flow.flow in products
        ratio = medians[flow.flow] / (1.0 if is_input else reference[flow.source])
        group = "input" if is_input else "market"
        if study.route(flow) is not None:
            group = "trade"
        mean = medians[flow.flow] if flow.tied else np.log(ratio)
        series[flow.flow] = _make_series(study, rows[flow.flow], group, mean)
    return series


def _all_series(study: Study) -> dict[str, _Series]:
    """Every unknown of the study, by target, in alphabetical order."""
    rows: dict[str, list[Prior]] = {}
    for prior in study.priors:
        rows.setdefault(prior.target, []).append(prior)
    series = _flow_series(study, rows)
    for reporter in study.reporters:
        bias = rows.get(f"bias:{reporter}", rows.get("bias:*", []))
        if bias:
            mean = _medians(study, bias)
            series[f"bias:{reporter}"] = _make_series(study, bias, "bias", mean)
        noise = rows.get(f"noise:{reporter}", rows.get("noise:*", []))
        if noise:
            mean = np.log(_medians(study, noise))
            series[f"noise:{reporter}"] = _make_series(study, noise, "noise", mean)
    for name in study.shared:
        target = f"shared:{name}"
        mean = _medians(study, rows[target])
        series[target] = _make_series(study, rows[target], "shared", mean)
    for target, found in rows.items():
        if Target.parse(target).group == ROUTE:
            made = _make_series(study, found, "trade", _medians(study, found))
            series[target] = replace(made, is_route=True)
    constants = [
        ("noise", ALL),
        ("noise", NOISE_SPREAD.name),
        *(("step", name) for name in STEP_GROUPS),
    ]
    if study.settings.get("error_distribution", "normal") == "student_t":
        constants.append(("errors", ERROR_FREEDOM.name))
    for group, name in constants:
        target = f"{group}:{name}"
        if target in rows:
            mean = np.log(_medians(study, rows[target]))
            series[target] = _make_series(study, rows[target], group, mean)
    return dict(sorted(series.items()))


def _unit_state(series: _Series, normals: Array, multiplier: float) -> Array:
    """Standard normal in every year; autocorrelated so that ``sd * s`` moves by about `step`."""
    if series.step is None:
        return np.full(normals.size, normals[0])
    # Where a series is fixed its state does not show, and nothing is carried through it.
    ratio = np.full(normals.size, np.inf)
    np.divide(multiplier * series.step, series.sd, out=ratio, where=series.sd > 0)
    if series.jump is not None:
        jump = np.divide(series.jump, series.sd, out=np.zeros_like(ratio), where=series.sd > 0)
        ratio = np.hypot(ratio, jump)
    phi = np.exp(-0.5 * ratio**2)
    state = normals.copy()
    for year in range(1, normals.size):
        carried = phi[year] * state[year - 1]
        state[year] = carried + math.sqrt(1 - phi[year] ** 2) * normals[year]
    return state


def _states(
    all_series: Mapping[str, _Series],
    normals: Mapping[str, Array],
    planted_steps: Mapping[str, Array],
) -> dict[str, Array]:
    """Value of every unknown by year; the multipliers first, the other series need them."""
    unknowns: dict[str, Array] = {}
    multiplier: dict[str, float] = {}
    for target, series in all_series.items():
        if series.group == "step":
            drawn = series.mean + series.sd * normals[target][0]
            unknowns[target] = planted_steps.get(target, drawn)
            multiplier[Target.parse(target).name] = math.exp(unknowns[target][0])
    spread, far = str(NOISE_SPREAD), 1.0
    if spread in all_series:
        drawn = all_series[spread].mean + all_series[spread].sd * normals[spread][0]
        far = math.exp(planted_steps.get(spread, drawn)[0])
    for target, series in all_series.items():
        if series.group != "step":
            group = "bias" if series.group == "shared" else series.group
            state = _unit_state(series, normals[target], multiplier.get(group, 1.0))
            # what reporters have in common, and the multiplier, have spreads of their own
            own = series.group == "noise" and Target.parse(target).name not in RESERVED
            unknowns[target] = series.mean + (far if own else 1.0) * series.sd * state
    return unknowns


def _add_routes(study: Study, unknowns: dict[str, Array]) -> None:
    """Move the log ratio of every flow that crosses a border by what its route does, in place.

    One that is tied to another, with a prior of its own, is that far from the other.
    """
    for flow in study.flows:
        route = unknowns.get(f"route:{study.route(flow)}")
        if route is not None and flow.flow in unknowns and not flow.tied:
            unknowns[flow.flow] = unknowns[flow.flow] + route
    for flow in study.flows:
        if flow.tied and flow.flow in unknowns:
            unknowns[flow.flow] = unknowns[flow.flow] + unknowns[flow.tied]


def simulate_world(
    study: Study, *, seed: int, overrides: Mapping[str, YearValues] | None = None
) -> World:
    """Draw true values of every unknown from its prior, and solve the mass balance for the flows.

    The draw depends on the seed and on the set of targets, not on the order of the tables' rows.
    Planting a value leaves the draws of all other targets as they are, except that planting a
    step multiplier changes the series which use it, and that the unplanted outflows of a process
    divide what the planted ones leave, in unchanged proportions.

    Parameters
    ----------
    study : Study
    seed : int
        Seed of ``numpy.random.default_rng``.
    overrides : mapping of target -> number or values by year, optional
        Values to plant, on the natural scale: study unit for an input, transfer
        coefficient (share of the throughput) for a split, log bias or error, multiplier for noise
        and step. Targets are those of `World.unknowns`: reporters by name, not ``*``. Values in
        inactive years are ignored.

    Returns
    -------
    World

    Raises
    ------
    ValueError
        If a target is not an unknown of the study, or a planted value is impossible: not
        positive, transfer coefficients that leave nothing to the reference category, the wrong
        number of years, noise, step or a common error that varies over years.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study("zinc")
    >>> world = rb.simulate_world(study, seed=1, overrides={"mined": 1000.0})
    >>> round(float(world.flows.sel(flow="mined", year=1994)), 6)
    1000.0
    """
    rng = np.random.default_rng(seed)
    all_series = _all_series(study)
    # Each target takes the same number of normals, so that a changed prior moves no other draw.
    normals = {target: rng.standard_normal(len(study.years)) for target in all_series}
    planted = _planted(study, all_series, overrides or {})
    unknowns = _states(all_series, normals, planted)
    shares = {target: values for target, values in planted.items() if _is_share(all_series[target])}
    unknowns |= {target: values for target, values in planted.items() if target not in shares}
    _add_routes(study, unknowns)
    _plant_shares(study, unknowns, shares)
    return _world(study, unknowns)


def unknowns_from(study: Study, normals: Mapping[str, YearValues]) -> dict[str, xr.DataArray]:
    """Unknowns that follow from given standard normals; deterministic.

    Parameters
    ----------
    study : Study
    normals : mapping of target -> number or values by year
        Independent standard normals: the AR(1) innovations of a series with a step (the first is
        its first state). A series without a step uses the first year's alone. Targets left out
        are zero: they stay at their prior median.

    Returns
    -------
    dict of target -> DataArray (year)
        As in `World.unknowns`.

    Raises
    ------
    ValueError
        If a target is not an unknown of the study or the number of years is wrong.
    """
    all_series = _all_series(study)
    _refuse_unknown_targets(normals, all_series)
    given = {name: by_year(study, name, normals.get(name, 0.0)) for name in all_series}
    unknowns = _states(all_series, given, {})
    _add_routes(study, unknowns)
    return _labelled_unknowns(study, unknowns)


def _world(study: Study, unknowns: Mapping[str, Array]) -> World:
    flows = flows_from(study, unknowns)
    throughput = flows.values @ incidence(study, "target")
    noise_of_all = _first_year(unknowns, "noise", REPORTER, [ALL]).squeeze(drop=True)
    return World(
        flows=flows,
        quantities=quantities_from(study, flows),
        throughput=labelled(throughput, study, PROCESS, [p.process for p in study.processes]),
        bias=_reporter_bias(study, unknowns),
        noise=noise_of_all * _first_year(unknowns, "noise", REPORTER, study.reporters),
        noise_of_all=noise_of_all,
        shared=_shared_errors(study, unknowns),
        step_scale=_first_year(unknowns, "step", GROUP, STEP_GROUPS),
        unknowns=_labelled_unknowns(study, unknowns),
    )


def _labelled_unknowns(study: Study, unknowns: Mapping[str, Array]) -> dict[str, xr.DataArray]:
    flows = {flow.flow: flow for flow in study.flows}
    years = xr.DataArray(np.zeros(len(study.years)), dims=YEAR, coords={YEAR: list(study.years)})
    labelled = {}
    for target, values in sorted(unknowns.items()):
        active = active_years(study, flows[target]) if target in flows else True
        labelled[target] = years.copy(deep=False, data=np.where(active, values, np.nan))
    return labelled


def _reporter_bias(study: Study, unknowns: Mapping[str, Array]) -> xr.DataArray:
    values = np.zeros((len(study.years), len(study.reporters)))
    for column, reporter in enumerate(study.reporters):
        values[:, column] = unknowns.get(f"bias:{reporter}", 0.0)
    return labelled(values, study, REPORTER, study.reporters)


def _shared_errors(study: Study, unknowns: Mapping[str, Array]) -> xr.DataArray:
    """Errors in common (shared); by year too where any of them moves."""
    values = [unknowns[f"shared:{name}"] for name in study.shared]
    if not any(np.ptp(value) > 0 for value in values):
        return _first_year(unknowns, "shared", SHARED, study.shared)
    return labelled(np.stack(values, axis=1), study, SHARED, study.shared)


def _first_year(
    unknowns: Mapping[str, Array], prefix: str, dim: str, names: Sequence[str]
) -> xr.DataArray:
    """Multipliers, or log errors, that hold for all years; without effect where there is none."""
    drawn = [unknowns.get(f"{prefix}:{name}") for name in names]
    logs = np.array([0.0 if value is None else value[0] for value in drawn])
    values = logs if prefix == "shared" else np.exp(logs)
    return xr.DataArray(values, dims=dim, coords={dim: np.array(names, dtype=object)})


def _is_share(series: _Series) -> bool:
    return series.group in ("market", "trade") and not series.is_route


def _refuse_unknown_targets(given: Mapping[str, YearValues], known: Mapping[str, _Series]) -> None:
    wrong = sorted(set(given) - set(known))
    if wrong:
        raise ValueError(f"Not an unknown of this study: {', '.join(wrong)}. Known: {list(known)}")


def _planted(
    study: Study, all_series: Mapping[str, _Series], overrides: Mapping[str, YearValues]
) -> dict[str, Array]:
    """Overrides by year: shares as they are, everything else on the scale of its prior."""
    _refuse_unknown_targets(overrides, all_series)
    flows = {flow.flow: flow for flow in study.flows}
    planted = {}
    for target, given in overrides.items():
        group = all_series[target].group
        values = by_year(study, target, given)
        if target in flows:
            values = np.where(active_years(study, flows[target]), values, 0.5)
        still = all_series[target].step is None
        if group in ("errors", "noise", "shared", "step") and still and np.ptp(values) > 0:
            raise ValueError(f"{target} is one number for all years")
        is_signed = group in ("bias", "shared") or all_series[target].is_route
        if not np.all(np.isfinite(values)) or (not is_signed and np.any(values <= 0)):
            raise ValueError(f"{target}: planted values must be finite and positive")
        log_scale = group in ("errors", "input", "noise", "step")
        planted[target] = np.log(values) if log_scale else values
    return planted


def _plant_shares(study: Study, unknowns: dict[str, Array], shares: Mapping[str, Array]) -> None:
    """Replace the log ratios of the planted outflows, in place.

    The free outflows of a process keep their proportions and divide what is left, so the planted
    share comes out as given whatever the others drew.
    """
    products = products_of(study)
    for source in {flow.source for flow in study.flows if flow.flow in shares}:
        taken = np.zeros(len(study.years))
        free = np.zeros(len(study.years))
        for flow in study.flows:
            if flow.source == source:
                share = shares.get(flow.flow)
                is_reference = flow.flow in products or flow.flow not in unknowns
                ratio = np.zeros(len(study.years)) if is_reference else unknowns[flow.flow]
                weight = np.exp(ratio)
                taken += active_years(study, flow) * (0.0 if share is None else share)
                free += active_years(study, flow) * (weight if share is None else 0.0)
        if np.any(taken >= 1):
            raise ValueError(f"Planted shares of {source} leave nothing to its other outflows")
        for flow in study.flows:
            if flow.source == source and flow.flow in shares:
                # free is the sum of ratios to the reference outflow, so (1 - taken) / free is its
                # share.
                ratio = np.divide(shares[flow.flow] * free, 1 - taken)
                unknowns[flow.flow] = np.log(np.where(active_years(study, flow), ratio, 1.0))
