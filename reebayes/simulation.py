"""The world of a study, simulated in NumPy.

The same equations as the model, written a second time and solved another way: unknowns are drawn
series by series, mass balance is a dense linear solve of every year, and the likelihood is one
plain formula per kind of record. Nothing here knows the model, so agreement between the two says
something. It serves to plant a truth and recover it, to calibrate, and to check the package's own
solve and likelihood.

Every unknown is a series ``x = mean + sd * s`` over the years. The unit state ``s`` is one standard
normal for the whole study where the prior gives no step, and a stationary AR(1) where it does. The
scale of ``x`` is the one the prior is normal on:

=======================  =====================================  ===========================
target                   ``x``, as in `World.unknowns`          natural, as in ``overrides``
=======================  =====================================  ===========================
flow from an environment log of the flow                        kt (study unit)
flow with a share prior  log of its share over the remainder's  share of the throughput
``route:<A>:<B>``        added to the log ratios of its flows   the same
``bias:<reporter>``      log bias                               log bias
``shared:<name>``        log error that records have in common  log error
``noise:<reporter>``     log multiplier                         multiplier
``noise:all``            log multiplier                         multiplier
``step:<group>``         log multiplier                         multiplier
=======================  =====================================  ===========================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from reebayes.conventions import (
    FLOW,
    GROUP,
    PROCESS,
    QUANTITY,
    RECORD,
    REPORTER,
    SHARED,
    STANDING_VARIANCE,
    YEAR,
)
from reebayes.study import ALL, STEP_GROUPS, Flow, Prior, Quantity, Record, Study

type Array = npt.NDArray[np.float64]
type YearValues = float | Sequence[float] | Array | xr.DataArray

"""Groups of series whose year-to-year steps may share a learnt multiplier."""

# Printed bounds lie up to a factor of ten from the figure they bound (see simulate_records).
_BOUND_SLACK = math.log(10.0)
# Below this many standard deviations erfc loses its digits and then underflows.
_TAIL = -30.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class World:
    """One draw of everything the study does not know.

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
    shared : DataArray (shared), log scale
        Errors that several records have in common.
    step_scale : DataArray (group), multiplier of the priors' steps; 1 where none is learnt
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


# --- priors -----------------------------------------------------------------------------------


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
    return np.array([row.median for row in _rows_by_year(study, rows)], dtype=float)


def _make_series(study: Study, rows: Sequence[Prior], group: str, mean: Array) -> _Series:
    by_year = _rows_by_year(study, rows)
    may_move = group not in ("noise", "shared", "step")
    steps = [row.step for row in by_year if may_move and row.step is not None]
    return _Series(
        group=group,
        mean=mean,
        sd=np.array([row.sd for row in by_year], dtype=float),
        step=np.array(steps, dtype=float) if steps else None,
    )


def _active(study: Study, flow: Flow) -> npt.NDArray[np.bool_]:
    return np.array([flow.is_active(year) for year in study.years])


def _flow_series(study: Study, rows: Mapping[str, Sequence[Prior]]) -> dict[str, _Series]:
    kinds = {process.process: process.kind for process in study.processes}
    given = [flow for flow in study.flows if flow.flow in rows]
    products = _products(study)
    medians = {flow.flow: _medians(study, rows[flow.flow]) for flow in given}
    remainder = {name: np.ones(len(study.years)) for name in kinds}
    for flow in given:
        if flow.flow in products:
            continue
        remainder[flow.source] -= np.where(_active(study, flow), medians[flow.flow], 0.0)
    series = {}
    for flow in given:
        kind = kinds[flow.source]
        is_input = kind == "environment" or flow.flow in products
        ratio = medians[flow.flow] / (1.0 if is_input else remainder[flow.source])
        group = "input" if is_input else "market"
        if study.route(flow) is not None:
            group = "trade"
        series[flow.flow] = _make_series(study, rows[flow.flow], group, np.log(ratio))
    return series


def _products(study: Study) -> set[str]:
    """Outputs of conversions whose prior is on the output itself; the inflow follows from it."""
    kinds = {process.process: process.kind for process in study.processes}
    lognormal = {prior.target for prior in study.priors if prior.distribution == "lognormal"}
    return {
        flow.flow
        for flow in study.flows
        if flow.flow in lognormal and kinds[flow.source] == "conversion"
    }


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
        if target.startswith("route:"):
            made = _make_series(study, found, "trade", _medians(study, found))
            series[target] = replace(made, is_route=True)
    for group, name in [("noise", ALL), *(("step", name) for name in STEP_GROUPS)]:
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
    """Value of every unknown by year; the step multipliers first, the other series need them."""
    unknowns: dict[str, Array] = {}
    multiplier: dict[str, float] = {}
    for target, series in all_series.items():
        if series.group == "step":
            drawn = series.mean + series.sd * normals[target][0]
            unknowns[target] = planted_steps.get(target, drawn)
            multiplier[target.removeprefix("step:")] = math.exp(unknowns[target][0])
    for target, series in all_series.items():
        if series.group != "step":
            state = _unit_state(series, normals[target], multiplier.get(series.group, 1.0))
            unknowns[target] = series.mean + series.sd * state
    return unknowns


def _add_routes(study: Study, unknowns: dict[str, Array]) -> None:
    """Move the log ratio of every flow that crosses a border by what its route does, in place."""
    for flow in study.flows:
        route = unknowns.get(f"route:{study.route(flow)}")
        if route is not None and flow.flow in unknowns:
            unknowns[flow.flow] = unknowns[flow.flow] + route


# --- the world --------------------------------------------------------------------------------


def simulate_world(
    study: Study, *, seed: int, overrides: Mapping[str, YearValues] | None = None
) -> World:
    """Draw every unknown from its prior and solve the flows that follow.

    The draw depends on the seed and on the set of targets, not on the order of the tables' rows.
    Planting a value leaves the draws of all other targets as they are, except that planting a
    step multiplier changes the series which use it, and that the unplanted outflows of a process
    share what the planted ones leave, in unchanged proportions.

    Parameters
    ----------
    study : Study
    seed : int
        Seed of ``numpy.random.default_rng``.
    overrides : mapping of target -> number or values by year, optional
        Values to plant, on the natural scale: study unit for an input, share of the throughput
        for a split, log bias or error, multiplier for noise and step. Targets are those of
        `World.unknowns`: reporters by name, not ``*``. Values in inactive years are ignored.

    Returns
    -------
    World

    Raises
    ------
    ValueError
        If a target is not an unknown of the study, or a planted value is impossible: not
        positive, shares that leave nothing to the remainder, the wrong number of years, noise,
        step or a shared error that varies over years.
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
    given = {name: _by_year(study, name, normals.get(name, 0.0)) for name in all_series}
    unknowns = _states(all_series, given, {})
    _add_routes(study, unknowns)
    return _labelled_unknowns(study, unknowns)


def _world(study: Study, unknowns: Mapping[str, Array]) -> World:
    flows = flows_from(study, unknowns)
    throughput = flows.values @ _incidence(study, "target")
    noise_of_all = _first_year(unknowns, "noise", REPORTER, [ALL]).squeeze(drop=True)
    return World(
        flows=flows,
        quantities=quantities_from(study, flows),
        throughput=_labelled(throughput, study, PROCESS, [p.process for p in study.processes]),
        bias=_reporter_bias(study, unknowns),
        noise=noise_of_all * _first_year(unknowns, "noise", REPORTER, study.reporters),
        noise_of_all=noise_of_all,
        shared=_first_year(unknowns, "shared", SHARED, study.shared),
        step_scale=_first_year(unknowns, "step", GROUP, STEP_GROUPS),
        unknowns=_labelled_unknowns(study, unknowns),
    )


def _labelled(values: Array, study: Study, dim: str, names: Sequence[str]) -> xr.DataArray:
    coords = {YEAR: list(study.years), dim: np.array(names, dtype=object)}
    return xr.DataArray(values, dims=(YEAR, dim), coords=coords)


def _labelled_unknowns(study: Study, unknowns: Mapping[str, Array]) -> dict[str, xr.DataArray]:
    flows = {flow.flow: flow for flow in study.flows}
    years = xr.DataArray(np.zeros(len(study.years)), dims=YEAR, coords={YEAR: list(study.years)})
    labelled = {}
    for target, values in sorted(unknowns.items()):
        active = _active(study, flows[target]) if target in flows else True
        labelled[target] = years.copy(deep=False, data=np.where(active, values, np.nan))
    return labelled


def _reporter_bias(study: Study, unknowns: Mapping[str, Array]) -> xr.DataArray:
    values = np.zeros((len(study.years), len(study.reporters)))
    for column, reporter in enumerate(study.reporters):
        values[:, column] = unknowns.get(f"bias:{reporter}", 0.0)
    return _labelled(values, study, REPORTER, study.reporters)


def _first_year(
    unknowns: Mapping[str, Array], prefix: str, dim: str, names: Sequence[str]
) -> xr.DataArray:
    """Multipliers, or log errors, that hold for all years; without effect where there is none."""
    drawn = [unknowns.get(f"{prefix}:{name}") for name in names]
    logs = np.array([0.0 if value is None else value[0] for value in drawn])
    values = logs if prefix == "shared" else np.exp(logs)
    return xr.DataArray(values, dims=dim, coords={dim: np.array(names, dtype=object)})


# --- planting ---------------------------------------------------------------------------------


def _is_share(series: _Series) -> bool:
    return series.group in ("market", "trade") and not series.is_route


def _refuse_unknown_targets(given: Mapping[str, YearValues], known: Mapping[str, _Series]) -> None:
    wrong = sorted(set(given) - set(known))
    if wrong:
        raise ValueError(f"Not an unknown of this study: {', '.join(wrong)}. Known: {list(known)}")


def _by_year(study: Study, target: str, values: YearValues) -> Array:
    if isinstance(values, xr.DataArray):
        values = values.sel({YEAR: list(study.years)}).values if values.ndim else float(values)
    array = np.asarray(values, dtype=float)
    if array.shape not in ((), (len(study.years),)):
        raise ValueError(
            f"{target}: give one number or {len(study.years)} values, got shape {array.shape}"
        )
    return np.array(np.broadcast_to(array, len(study.years)))


def _planted(
    study: Study, all_series: Mapping[str, _Series], overrides: Mapping[str, YearValues]
) -> dict[str, Array]:
    """Overrides by year: shares as they are, everything else on the scale of its prior."""
    _refuse_unknown_targets(overrides, all_series)
    flows = {flow.flow: flow for flow in study.flows}
    planted = {}
    for target, given in overrides.items():
        group = all_series[target].group
        values = _by_year(study, target, given)
        if target in flows:
            values = np.where(_active(study, flows[target]), values, 0.5)
        if group in ("noise", "shared", "step") and np.ptp(values) > 0:
            raise ValueError(f"{target} is one number for all years")
        is_signed = group in ("bias", "shared") or all_series[target].is_route
        if not np.all(np.isfinite(values)) or (not is_signed and np.any(values <= 0)):
            raise ValueError(f"{target}: planted values must be finite and positive")
        log_scale = group in ("input", "noise", "step")
        planted[target] = np.log(values) if log_scale else values
    return planted


def _plant_shares(study: Study, unknowns: dict[str, Array], shares: Mapping[str, Array]) -> None:
    """Replace the log ratios of the planted outflows, in place.

    The free outflows of a process keep their proportions and divide what is left, so the planted
    share comes out as given whatever the others drew.
    """
    products = _products(study)
    for source in {flow.source for flow in study.flows if flow.flow in shares}:
        taken = np.zeros(len(study.years))
        free = np.zeros(len(study.years))
        for flow in study.flows:
            if flow.source == source:
                share = shares.get(flow.flow)
                is_remainder = flow.flow in products or flow.flow not in unknowns
                ratio = np.zeros(len(study.years)) if is_remainder else unknowns[flow.flow]
                weight = np.exp(ratio)
                taken += _active(study, flow) * (0.0 if share is None else share)
                free += _active(study, flow) * (weight if share is None else 0.0)
        if np.any(taken >= 1):
            raise ValueError(f"Planted shares of {source} leave nothing to its other outflows")
        for flow in study.flows:
            if flow.source == source and flow.flow in shares:
                # free is the sum of ratios to the remainder, so (1 - taken) / free is its share.
                ratio = np.divide(shares[flow.flow] * free, 1 - taken)
                unknowns[flow.flow] = np.log(np.where(_active(study, flow), ratio, 1.0))


# --- flows and quantities ---------------------------------------------------------------------


def _incidence(study: Study, end: str) -> Array:
    """(flow, process): 1 where the flow's `end` ("source" or "target") is the process."""
    position = {process.process: i for i, process in enumerate(study.processes)}
    matrix = np.zeros((len(study.flows), len(position)))
    for row, flow in enumerate(study.flows):
        matrix[row, position[flow.source if end == "source" else flow.target]] = 1.0
    return matrix


def _inputs_and_shares(study: Study, unknowns: Mapping[str, YearValues]) -> tuple[Array, Array]:
    """Exogenous flow, and share of its source's throughput, of every flow: both (year, flow)."""
    kinds = {process.process: process.kind for process in study.processes}
    products = _products(study)
    inputs = np.zeros((len(study.years), len(study.flows)))
    weights = np.zeros_like(inputs)
    for column, flow in enumerate(study.flows):
        active = _active(study, flow)
        logs = np.where(active, _by_year(study, flow.flow, unknowns.get(flow.flow, 0.0)), 0.0)
        if flow.flow in products:
            weights[:, column] = active
        elif kinds[flow.source] == "environment":
            inputs[:, column] = np.where(active, np.exp(logs), 0.0)
        else:
            weights[:, column] = np.where(active, np.exp(logs), 0.0)
    source = _incidence(study, "source")
    total = (weights @ source) @ source.T
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    made = {flow.source: n for n, flow in enumerate(study.flows) if flow.flow in products}
    for column, flow in enumerate(study.flows):
        if flow.target in made:
            product = made[flow.target]
            output = np.exp(_by_year(study, study.flows[product].flow,
                                     unknowns[study.flows[product].flow]))  # fmt: skip
            share = shares[:, product]
            inputs[:, column] = np.divide(output, share, out=np.zeros_like(share), where=share > 0)
    return inputs, shares


def flows_from(study: Study, unknowns: Mapping[str, YearValues]) -> xr.DataArray:
    """Flows that follow from log inputs and log share ratios; deterministic.

    Solves ``(I - S') x = b`` for the throughputs of all processes at once, year by year, with a
    dense solver: ``S[p, q]`` is the share of the throughput of p that goes to q and ``b`` the
    exogenous inflow.

    Parameters
    ----------
    study : Study
    unknowns : mapping of target -> number or values by year
        As in `World.unknowns`; biases, noise and steps are ignored. The remainder outflow of a
        process has log ratio 0, and so has any share left out. Values in inactive years are
        ignored.

    Returns
    -------
    DataArray (year, flow), study unit
        Exactly zero in the years a flow is inactive.

    Raises
    ------
    KeyError
        If a flow out of an environment has no value.
    """
    kinds = {process.process: process.kind for process in study.processes}
    products = _products(study)
    driven = {flow.source for flow in study.flows if flow.flow in products}
    exogenous = [
        flow.flow
        for flow in study.flows
        if kinds[flow.source] == "environment" and flow.target not in driven
    ]
    absent = sorted({*exogenous, *products} - set(unknowns))
    if absent:
        raise KeyError(f"No log input for {', '.join(absent)}")
    inputs, shares = _inputs_and_shares(study, unknowns)
    source, target = _incidence(study, "source"), _incidence(study, "target")
    sent = np.einsum("yf,fp,fq->yqp", shares, source, target, optimize=True)
    inflow = inputs @ target
    throughput = np.linalg.solve(np.eye(inflow.shape[1]) - sent, inflow[:, :, None])[:, :, 0]
    flows = inputs + shares * (throughput @ source.T)
    return _labelled(flows, study, FLOW, [flow.flow for flow in study.flows])


def quantities_from(study: Study, flows: xr.DataArray) -> xr.DataArray:
    """Named quantities of every year.

    Parameters
    ----------
    study : Study
    flows : DataArray (year, flow), study unit

    Returns
    -------
    DataArray (year, quantity), study unit or ratio
        A ratio whose denominator is zero is NaN.
    """
    columns = _columns(study, flows, FLOW)
    values = np.empty((len(study.years), len(study.quantities)))
    for column, quantity in enumerate(study.quantities):
        numerator, denominator = _parts(quantity, columns)
        defined = denominator != 0
        values[:, column] = np.where(defined, numerator / np.where(defined, denominator, 1), np.nan)
    names = [quantity.quantity for quantity in study.quantities]
    return _labelled(values, study, QUANTITY, names)


def mass_balance_error(study: Study, flows: xr.DataArray) -> xr.DataArray:
    """Relative closure: (inflow - outflow) over the larger of the two.

    Parameters
    ----------
    study : Study
    flows : DataArray (..., year, flow), study unit

    Returns
    -------
    DataArray (..., year, process), relative
        Processes of kind market and conversion; zero where nothing flows at all.
    """
    names = [process.process for process in study.processes]
    closed = [p.process for p in study.processes if p.kind in ("market", "conversion")]
    coords = {
        FLOW: np.array([flow.flow for flow in study.flows], dtype=object),
        PROCESS: np.array(names, dtype=object),
    }

    def total(end: str) -> xr.DataArray:
        matrix = xr.DataArray(_incidence(study, end), dims=(FLOW, PROCESS), coords=coords)
        summed: xr.DataArray = xr.dot(flows, matrix.sel({PROCESS: closed}), dim=FLOW)
        return summed

    inflow, outflow = total("target"), total("source")
    larger = inflow.where(inflow > outflow, outflow)
    return (inflow - outflow) / larger.where(larger > 0, 1.0)


def _columns(study: Study, values: xr.DataArray, dim: str) -> dict[str, Array]:
    """Year series of each name along `dim`, in the order of the study's years."""
    ordered = values.transpose(YEAR, dim).sel({YEAR: list(study.years)})
    return {str(name): ordered.values[:, i] for i, name in enumerate(values[dim].values)}


def _parts(quantity: Quantity, columns: Mapping[str, Array]) -> tuple[Array, Array]:
    """Numerator and denominator of a quantity by year; the denominator of a plain sum is 1."""
    numerator = np.sum([weight * columns[flow] for flow, weight in quantity.numerator], axis=0)
    if not quantity.is_ratio:
        return numerator, np.ones_like(numerator)
    return numerator, np.sum(
        [weight * columns[flow] for flow, weight in quantity.denominator], axis=0
    )


# --- records ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Printing:
    """How a record's figure is spread: centre and scale on the log scale."""

    location: float
    scale: float


def _printings(
    study: Study,
    records: Iterable[Record],
    flows: xr.DataArray,
    bias: xr.DataArray,
    noise: xr.DataArray,
    shared: xr.DataArray | None,
) -> list[_Printing]:
    ratios = {quantity.quantity for quantity in study.quantities if quantity.is_ratio}
    flow_columns = _columns(study, flows, FLOW)
    parts = {quantity.quantity: _parts(quantity, flow_columns) for quantity in study.quantities}
    bias_columns = _columns(study, bias, REPORTER)
    standing = STANDING_VARIANCE
    factors = {
        str(name): math.sqrt(standing + (1 - standing) * float(value) ** 2)
        for name, value in noise.to_series().items()
    }
    errors = _errors(shared)
    printings = []
    for record in records:
        first, last = record.year - study.first_year, record.year_end - study.first_year
        span = slice(first, last + 1)
        numerator, denominator = parts[record.quantity]
        # The ones below a plain sum add up to the number of years, which makes it a mean.
        is_total = record.kind == "cumulative" and record.quantity not in ratios
        below = 1.0 if is_total else float(denominator[span].sum())
        above = float(numerator[span].sum())
        if record.lag and first > 0:
            # What left last year and was counted on arrival; before the study, nothing is known.
            above = (1 - record.lag) * above + record.lag * float(numerator[first - 1])
        figure = above / below if below != 0 else math.nan
        location = _log(figure) + float(bias_columns[record.reporter][span].mean())
        location += sum(errors[name] for name in record.shared)
        printings.append(_Printing(location, record.sd * factors[record.reporter]))
    return printings


def _errors(shared: xr.DataArray | None) -> dict[str, float]:
    """Value of each shared error, by name."""
    if shared is None:
        return {}
    values = zip(shared[SHARED].values, shared.values, strict=True)
    return {str(name): float(value) for name, value in values}


def _log(value: float) -> float:
    """Logarithm that takes zero to minus infinity and keeps NaN."""
    return -math.inf if value == 0 else math.log(value)


def _degrees_of_freedom(study: Study) -> float | None:
    """Degrees of freedom of the declared Student-t errors; None for normal errors."""
    if study.settings.get("error_distribution", "normal") == "student_t":
        return float(study.settings.get("degrees_of_freedom", 5))
    return None


def record_log_likelihood(
    study: Study,
    flows: xr.DataArray,
    bias: xr.DataArray,
    noise: xr.DataArray,
    shared: xr.DataArray | None = None,
) -> xr.DataArray:
    """Log-likelihood of every record of a study in a given world.

    Figures (value, quota, cumulative, mean) have the density of their *logarithm*: normal, or
    Student-t if the study's settings say so, around log quantity plus the reporter's mean bias
    over the record's years plus the errors it shares with other records. A figure with a second
    reading has the mean of the two densities. A record with a lag observes part of the year
    before in place of as much of its own; in the first year of the study, its own alone. Bounds
    are the normal probability of a figure on the stated side or inside the stated range, also
    where figures are Student-t. A zero is a figure below the printing unit, and says nothing
    where the quantity itself is zero or undefined.

    Parameters
    ----------
    study : Study
    flows : DataArray (year, flow), study unit
    bias : DataArray (year, reporter), log scale
    noise : DataArray (reporter), multiplier
    shared : DataArray (shared), log scale, optional
        Needed if records share errors.

    Returns
    -------
    DataArray (record)

    Raises
    ------
    KeyError
        If a record's reporter or shared error has no value.
    """
    freedom = _degrees_of_freedom(study)
    printings = _printings(study, study.records, flows, bias, noise, shared)
    values = [
        _log_likelihood(record, printing, freedom)
        for record, printing in zip(study.records, printings, strict=True)
    ]
    names = np.array([record.record for record in study.records], dtype=object)
    return xr.DataArray(np.array(values), dims=RECORD, coords={RECORD: names})


def _log_likelihood(record: Record, printing: _Printing, freedom: float | None) -> float:
    def score(printed: float | None) -> float:
        if printed is None:
            raise ValueError(f"Record {record.record} of kind {record.kind} lacks its figure")
        return (math.log(printed * record.scale) - printing.location) / printing.scale

    match record.kind:
        case "value" if record.other is not None:
            first = _log_density(score(record.value), freedom)
            second = _log_density(score(record.other), freedom)
            return float(np.logaddexp(first, second)) - math.log(2 * printing.scale)
        case "value" | "quota" | "cumulative" | "mean":
            return _log_density(score(record.value), freedom) - math.log(printing.scale)
        case "zero" if math.isnan(printing.location):
            return 0.0
        case "zero" | "upper":
            return _log_phi(score(record.high))
        case "lower":
            return _log_phi(-score(record.low))
        case "range":
            return _log_phi_between(score(record.low), score(record.high))
        case _:
            raise ValueError(f"Record {record.record} has unknown kind {record.kind!r}")


def _log_density(z: float, freedom: float | None) -> float:
    """Log density of a standard normal, or of a standard Student-t."""
    if freedom is None:
        return -0.5 * z * z - 0.5 * math.log(2 * math.pi)
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    constant -= 0.5 * math.log(freedom * math.pi)
    return constant - (freedom + 1) / 2 * math.log1p(z * z / freedom)


def _log_phi(z: float) -> float:
    """Log of the standard normal distribution function, exact far into both tails."""
    if z == -math.inf:
        return -math.inf
    if z > 0:
        return math.log1p(-0.5 * math.erfc(z / math.sqrt(2)))
    if z > _TAIL:
        return math.log(0.5 * math.erfc(-z / math.sqrt(2)))
    # erfc underflows further out; here the first terms of its asymptotic series are exact.
    series = -1 / z**2 + 3 / z**4 - 15 / z**6
    return -0.5 * z * z - math.log(-z) - 0.5 * math.log(2 * math.pi) + math.log1p(series)


def _log_phi_between(low: float, high: float) -> float:
    """Log of Phi(high) - Phi(low), taken in the lower tail where both are small."""
    if low > 0:
        low, high = -high, -low
    log_low, log_high = _log_phi(low), _log_phi(high)
    if log_high == -math.inf:
        return -math.inf
    return log_high + math.log(-math.expm1(log_low - log_high))


def simulate_records(
    study: Study,
    world: World,
    *,
    seed: int,
    design: Iterable[Record] | None = None,
    exact: bool = False,
    freedom: float | None = None,
) -> Study:
    """Copy of a study whose records are what this world would have printed.

    Every record keeps its quantity, years, lag, kind, scale, standard error, reporter, shared
    errors and source; its figures are new. A replicated figure ``y`` is drawn around log quantity
    plus bias and shared errors, with the record's standard error, of whose variance the reporter's
    noise multiplies three quarters. Then

    - value, quota, cumulative, mean print ``y`` (normal, or Student-t by the settings); a second
      reading keeps its ratio to the first;
    - range prints an interval as wide as the original, as a ratio, with ``log y`` at a uniform
      position inside it: the likelihood of the printed range is then exactly the model's;
    - upper prints ``y * exp(delta)`` and lower ``y * exp(-delta)``, delta uniform between 0 and
      the larger of log 10 and four standard errors. The model's likelihood is the limit of a
      wide delta; how loose the original bound was cannot be known, so it is not kept;
    - zero stays zero where ``y`` is not above the printing unit (or the quantity is zero or
      undefined that year), and else becomes a record of kind value with ``y``.

    Replicates of bounds and zeros are normal, as in the likelihood. Figures are not rounded. A
    fraction whose replicate exceeds one is printed in unit ratio, as a study refuses it otherwise.

    Parameters
    ----------
    study : Study
    world : World
        Drawn from this study or from one with the same flows, years, reporters and shared errors.
    seed : int
        Seed of ``numpy.random.default_rng``.
    design : iterable of Record, optional
        Records to print instead of the study's own; their reporters and shared errors must be in
        the world.
    exact : bool
        Print by rules under which the likelihood is exactly the probability of what is printed,
        as calibration needs: an upper or lower bound keeps its figure and becomes the one or the
        other by the side on which ``y`` falls, and of two readings either is ``y``, at even odds.
    freedom : float, optional
        Degrees of freedom of Student-t errors, in place of the study's own errors.

    Returns
    -------
    Study

    Raises
    ------
    KeyError
        If a record's quantity, reporter or shared error is not in the world.
    ValueError
        If the figure of a value record is zero or undefined in this world.
    """
    rng = np.random.default_rng(seed)
    freedom = freedom or _degrees_of_freedom(study)
    records = list(study.records if design is None else design)
    printings = _printings(study, records, world.flows, world.bias, world.noise, world.shared)
    printed = []
    for record, printing in zip(records, printings, strict=True):
        normal, position = float(rng.standard_normal()), float(rng.uniform())
        is_figure = record.kind in ("value", "quota", "cumulative", "mean")
        if is_figure and freedom is not None:
            normal = float(rng.standard_t(freedom))
        log_figure = printing.location + printing.scale * normal
        write = _print_exactly if exact else _print_record
        printed.append(_allow_above_one(write(record, log_figure, position)))
    return study.with_records(printed)


def _print_record(record: Record, log_figure: float, position: float) -> Record:
    """The record as it would print ``exp(log_figure)``; `position` is uniform on (0, 1)."""
    if record.kind == "zero" and not log_figure > _log((record.high or 0.0) * record.scale):
        return record  # also where the figure is undefined, for NaN is above nothing
    if not math.isfinite(log_figure):
        raise ValueError(f"{record.record}: {record.quantity} is zero or undefined in this world")
    figure = math.exp(log_figure) / record.scale
    slack = position * max(_BOUND_SLACK, 4 * record.sd)
    match record.kind:
        case "value" if record.other is not None and record.value is not None:
            return replace(record, value=figure, other=figure * record.other / record.value)
        case "value" | "quota" | "cumulative" | "mean":
            return replace(record, value=figure)
        case "zero":
            return replace(record, kind="value", value=figure, low=None, high=None)
        case "upper":
            return replace(record, high=figure * math.exp(slack))
        case "lower":
            return replace(record, low=figure * math.exp(-slack))
        case "range" if record.low is not None and record.high is not None:
            width = math.log(record.high / record.low)
            low = figure * math.exp(-position * width)
            return replace(record, low=low, high=low * math.exp(width))
        case _:
            raise ValueError(f"Record {record.record}: cannot print kind {record.kind!r}")


def _print_exactly(record: Record, log_figure: float, position: float) -> Record:
    """The record as printed by a rule that the likelihood knows."""
    if record.kind in ("upper", "lower"):
        bound = record.high if record.kind == "upper" else record.low
        assert bound is not None
        if log_figure <= math.log(bound * record.scale):
            return replace(record, kind="upper", low=None, high=bound)
        return replace(record, kind="lower", low=bound, high=None)
    if record.other is not None and record.value is not None and position < 0.5:
        swapped = replace(record, value=record.other, other=record.value)
        printed = _print_record(swapped, log_figure, position)
        return replace(printed, value=printed.other, other=printed.value)
    return _print_record(record, log_figure, position)


def _allow_above_one(record: Record) -> Record:
    figures = (record.value, record.low, record.high, record.other)
    above = any(figure is not None and figure > 1 for figure in figures)
    return replace(record, unit="ratio") if above and record.unit == "fraction" else record
