"""A study as arrays: the unknowns, the graph in stage order, the records as sums of flows.

Everything the compiled model, the geometry and the results need to agree on is fixed here once.
No PyMC, no randomness.
"""

from __future__ import annotations

import graphlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from reebayes.conventions import STANDING_VARIANCE
from reebayes.kernels import (
    CERTAIN,
    EITHER,
    LOWER,
    POINT,
    RANGE,
    UPPER,
    Centres,
    Errors,
    Figures,
    Graph,
    Rows,
    Steps,
    Sums,
)
from reebayes.study import ALL, STEP_GROUPS, Flow, Prior, Record, Study

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

POINT_KINDS = frozenset({"value", "quota", "cumulative", "mean"})

PERSISTENCE_CEILING = 1.0 - 1e-9
"""Persistence may not reach 1: an innovation would then have no effect to be inferred from."""


@dataclass(frozen=True, slots=True)
class Unknowns:
    """Where every unknown stands.

    Columns are those that change over the years (``varying`` of them), then constants, then
    fixed ones (no spread). The latent vector holds innovations year by year for the varying
    columns, then one entry for each constant column, each reporter's noise, the noise that all
    have in common and each group's step multiplier.
    """

    columns: tuple[str, ...]
    years: int
    varying: int
    constant: int
    reporters: int

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
        return self.scales_start + self.reporters + 1

    @property
    def size(self) -> int:
        """Length of the latent vector."""
        return self.steps_start + len(STEP_GROUPS)


@dataclass(frozen=True, slots=True)
class Layout:
    """A study as arrays, with the names that label them.

    ``steps``, ``centres``, ``graph``, ``sums``, ``errors`` and ``figures`` are what the kernels
    take; `numerators`, `denominators` (flow, quantity) and ``ratio`` make quantities of flows.
    """

    years: tuple[int, ...]
    flows: tuple[str, ...]
    quantities: tuple[str, ...]
    reporters: tuple[str, ...]
    shared: tuple[str, ...]
    records: tuple[str, ...]
    unknowns: Unknowns
    steps: Steps
    centres: Centres
    graph: Graph
    sums: Sums
    errors: Errors
    figures: Figures
    numerators: Floats
    denominators: Floats
    ratio: NDArray[np.bool_]

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of the entries of the latent vector."""
        unknowns = self.unknowns
        varying = unknowns.columns[: unknowns.varying]
        constant = unknowns.columns[unknowns.varying : unknowns.varying + unknowns.constant]
        return (
            *(f"{name}[{year}]" for year in self.years for name in varying),
            *constant,
            *(f"noise:{name}" for name in (*self.reporters, ALL)),
            *(f"step:{name}" for name in STEP_GROUPS),
        )

    def rows(self, kind: str, names: Sequence[str]) -> Integers:
        """Rows of the levels that hold ``kind:name``, such as a reporter's bias."""
        return np.array([self.unknowns.columns.index(f"{kind}:{n}") for n in names], dtype=np.int64)


def lay_out(study: Study) -> Layout:
    """Arrange a study for computing.

    Parameters
    ----------
    study : Study
        A checked study, as `read_study` returns it.

    Returns
    -------
    Layout
    """
    series = _series(study)
    columns, varying, constant = _sorted_columns(series)
    flows = tuple(flow.flow for flow in study.flows)
    numerators, denominators = _quantity_weights(study, flows)
    unknowns = Unknowns(columns, len(study.years), varying, constant, len(study.reporters))
    sums = _sums(study, columns)
    return Layout(
        years=tuple(study.years),
        flows=flows,
        quantities=tuple(quantity.quantity for quantity in study.quantities),
        reporters=tuple(study.reporters),
        shared=tuple(study.shared),
        records=tuple(record.record for record in study.records),
        unknowns=unknowns,
        steps=_steps(study, series, columns[:varying]),
        centres=_centres(study, series, unknowns),
        graph=_graph(study, columns),
        sums=sums,
        errors=_errors(study, unknowns),
        figures=_figures(study, sums.offset == 1.0),
        numerators=numerators,
        denominators=denominators,
        ratio=np.array([quantity.is_ratio for quantity in study.quantities]),
    )


# --- unknowns -----------------------------------------------------------------------------------


def _series(study: Study) -> dict[str, list[Prior]]:
    """Prior rows of every column of the levels."""
    rows = _rows_by_target(study)
    series = {flow.flow: rows[flow.flow] for flow in study.flows if flow.flow in rows}
    for reporter in study.reporters:
        series[f"bias:{reporter}"] = rows.get(f"bias:{reporter}", rows.get("bias:*", []))
    return series | {
        target: found for target, found in rows.items() if target.startswith(("route:", "shared:"))
    }


def _rows_by_target(study: Study) -> dict[str, list[Prior]]:
    rows: dict[str, list[Prior]] = {}
    for prior in study.priors:
        rows.setdefault(prior.target, []).append(prior)
    return rows


def _sorted_columns(series: Mapping[str, Sequence[Prior]]) -> tuple[tuple[str, ...], int, int]:
    """Columns that vary, constants, fixed ones; and how many of the first two there are."""
    varying = [name for name, found in series.items() if found and found[0].step is not None]
    fixed = [name for name, found in series.items() if all(row.sd == 0 for row in found)]
    constant = [name for name in series if name not in {*varying, *fixed}]
    return (*varying, *constant, *fixed), len(varying), len(constant)


def _steps(study: Study, series: Mapping[str, Sequence[Prior]], varying: Sequence[str]) -> Steps:
    """How series move; the few different ratios of step to spread stand in a table."""
    years = study.years
    step = _by_column(varying, series, years, "step")
    ratio = step / _by_column(varying, series, years, "sd")
    keys = np.stack([np.broadcast_to(_groups(study, varying)[:, None], ratio.shape), ratio])
    table, which = np.unique(keys.reshape(2, -1), axis=1, return_inverse=True)
    rows = _rows_by_target(study)
    multipliers = [rows.get(f"step:{name}", []) for name in STEP_GROUPS]
    return Steps(
        which=np.ascontiguousarray(which.reshape(ratio.shape).T, dtype=np.int64),
        step_mean=np.array([math.log(row[0].median) if row else 0.0 for row in multipliers]),
        step_sd=np.array([row[0].sd if row else 0.0 for row in multipliers]),
        ratio=table[1].copy(),
        group=table[0].astype(np.int64),
        ceiling=np.array([PERSISTENCE_CEILING]),
    )


def _centres(study: Study, series: Mapping[str, Sequence[Prior]], unknowns: Unknowns) -> Centres:
    """Prior mean and spread of every column by year, and which columns move others."""
    years, columns = study.years, unknowns.columns
    drivers = _drivers(study)
    inputs = {f.flow for f in study.flows if _is_exogenous(study, f)} | set(drivers.values())
    medians = {name: _by_year(series[name], years, "median") for name in columns}
    remainder = _remainder_medians(study, {k: v for k, v in medians.items() if k not in inputs})
    return Centres(
        mean=np.stack([
            _centre(name, medians[name], remainder.get(name), name in inputs) for name in columns
        ]),
        sd=_by_column(columns, series, years, "sd"),
        constants=np.array([unknowns.constant]),
        **_routes(study, columns),
        **_losses(study, drivers, columns),
    )  # fmt: skip


def _drivers(study: Study) -> dict[str, str]:
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
    """For each column, the column of its trade route, and whether it has one."""
    position = {name: n for n, name in enumerate(columns)}
    flows = {flow.flow: flow for flow in study.flows}
    names = [f"route:{study.route(flows[name])}" if name in flows else "" for name in columns]
    return {
        "route": np.array([position.get(name, 0) for name in names], dtype=np.int64),
        "on_route": np.array([float(name in position) for name in names]),
    }


def _is_exogenous(study: Study, flow: Flow) -> bool:
    return study.processes[flow.source].kind == "environment"


def _groups(study: Study, names: Sequence[str]) -> Integers:
    """Step group of each varying column; what crosses a border moves with trade."""
    flows = {flow.flow: flow for flow in study.flows}
    driving = set(_drivers(study).values())

    def group(name: str) -> str:
        if name.startswith("bias:"):
            return "bias"
        if name.startswith("route:"):
            return "trade"
        if _is_exogenous(study, flows[name]) or name in driving:
            return "input"
        return "market" if study.route(flows[name]) is None else "trade"

    return np.array([STEP_GROUPS.index(group(name)) for name in names], dtype=np.int64)


def _by_year(rows: Sequence[Prior], years: Sequence[int], field: str) -> Floats:
    """One value a year; a year that no row covers keeps the row before it, else takes the next."""
    if not rows:
        return np.zeros(len(years))
    begins = sorted((row.year or years[0], getattr(row, field)) for row in rows)
    values = []
    for year in years:
        begun = [value for begin, value in begins if begin <= year]
        values.append(begun[-1] if begun else begins[0][1])
    return np.array(values, dtype=np.float64)


def _by_column(
    names: Sequence[str], series: Mapping[str, Sequence[Prior]], years: Sequence[int], field: str
) -> Floats:
    rows = [_by_year(series[name], years, field) for name in names]
    return np.stack(rows) if rows else np.zeros((0, len(years)))


def _remainder_medians(study: Study, medians: Mapping[str, Floats]) -> dict[str, Floats]:
    """Median share left for the remainder outflow of each flow's process, by year."""
    taken: dict[str, Floats] = {}
    for flow in study.flows:
        if flow.flow in medians:
            active = np.array([flow.is_active(year) for year in study.years])
            share = np.where(active, medians[flow.flow], 0.0)
            taken[flow.source] = taken.get(flow.source, np.zeros(len(study.years))) + share
    return {flow.flow: 1.0 - taken[flow.source] for flow in study.flows if flow.flow in medians}


def _centre(name: str, median: Floats, remainder: Floats | None, is_input: bool) -> Floats:
    if name.startswith(("bias:", "route:", "shared:")):
        return median
    if is_input:
        return np.log(median)
    assert remainder is not None
    return np.asarray(np.log(median / remainder))


# --- graph --------------------------------------------------------------------------------------


def _graph(study: Study, columns: Sequence[str]) -> Graph:
    position = {process.process: n for n, process in enumerate(study.processes)}
    column = {name: n for n, name in enumerate(columns)}
    for inflow, product in _drivers(study).items():
        column[inflow] = column.pop(product)
    source = np.array([position[flow.source] for flow in study.flows], dtype=np.int64)
    target = np.array([position[flow.target] for flow in study.flows], dtype=np.int64)
    exogenous = np.array([_is_exogenous(study, flow) for flow in study.flows])
    order, stage_start = _stages(source[~exogenous], target[~exogenous], len(position))
    inner = np.flatnonzero(~exogenous)
    out_flow = inner[np.argsort(source[inner], kind="stable")]
    counts = np.bincount(source[inner], minlength=len(position))
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return Graph(
        column=np.array([column.get(flow.flow, -1) for flow in study.flows], dtype=np.int64),
        exogenous=exogenous,
        active=np.array([[flow.is_active(y) for y in study.years] for flow in study.flows]),
        target=target,
        order=order,
        place=place,
        stage_start=stage_start,
        out_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        out_flow=out_flow.astype(np.int64),
    )


def _stages(source: Integers, target: Integers, size: int) -> tuple[Integers, Integers]:
    """Order processes so that flows run forward between stages; a stage is a process or a cycle."""
    links = csr_array((np.ones(source.size), (source, target)), shape=(size, size))
    count, label = connected_components(links, directed=True, connection="strong")
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    for stage in range(count):
        sorter.add(stage)
    for tail, head in zip(label[source], label[target], strict=True):
        if tail != head:
            sorter.add(int(head), int(tail))
    stages = [_eliminated(np.flatnonzero(label == stage), links) for stage in sorter.static_order()]
    order = np.concatenate(stages).astype(np.int64)
    start = np.cumsum([0, *(stage.size for stage in stages)])
    return order, start.astype(np.int64)


def _eliminated(members: Integers, links: csr_array) -> Integers:
    """Order a cycle's processes so that solving it fills few gaps: the least linked one first."""
    linked = links[members][:, members].toarray() > 0
    np.fill_diagonal(linked, val=False)
    left, order = list(range(members.size)), []
    while left:
        inner = linked[np.ix_(left, left)]
        least = left[int(np.argmin(inner.sum(axis=0) * inner.sum(axis=1)))]
        left.remove(least)
        order.append(least)
        linked |= np.outer(linked[:, least], linked[least])
        np.fill_diagonal(linked, val=False)
    return members[order]


# --- quantities and records -----------------------------------------------------------------------


def _quantity_weights(study: Study, flows: Sequence[str]) -> tuple[Floats, Floats]:
    position = {name: n for n, name in enumerate(flows)}
    numerators = np.zeros((len(flows), len(study.quantities)))
    denominators = np.zeros_like(numerators)
    for column, quantity in enumerate(study.quantities):
        for name, weight in quantity.numerator:
            numerators[position[name], column] += weight
        for name, weight in quantity.denominator:
            denominators[position[name], column] += weight
    return numerators, denominators


def _sums(study: Study, columns: Sequence[str]) -> Sums:
    position = {name: n for n, name in enumerate(columns)}
    flows = {flow.flow: (n, flow) for n, flow in enumerate(study.flows)}
    above, below, shift = [], [], []
    for record in study.records:
        quantity = study.quantities[record.quantity]
        above.append(_above(study, record, flows))
        below.append(_weights(study, quantity.denominator, flows, _span(record)))
        shift.append(_shifts(study, record, position))
    return Sums(
        above=_packed(above),
        below=_packed(below),
        shift=_packed(shift),
        offset=np.array([0.0 if row else 1.0 for row in above]),
        over=np.array([0.0 if row else 1.0 for row in below]),
    )


def _packed(rows: Iterable[Mapping[int, float]]) -> Rows:
    """Rows of {index: weight} as arrays."""
    rows = list(rows)
    start = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    index = np.array([n for row in rows for n in row], dtype=np.int64)
    weight = np.array([w for row in rows for w in row.values()], dtype=np.float64)
    return Rows(start, index, weight)


def _span(record: Record) -> dict[int, float]:
    return dict.fromkeys(range(record.year, record.year_end + 1), 1.0)


def _above(study: Study, record: Record, flows: Mapping[str, tuple[int, Flow]]) -> dict[int, float]:
    """What a record adds up: a mean divides by its years, late arrivals are of the year before."""
    quantity = study.quantities[record.quantity]
    years = _span(record)
    if record.kind == "mean" and not quantity.is_ratio:
        years = dict.fromkeys(years, 1.0 / len(years))
    if record.lag and record.year > study.first_year:
        years = {record.year: 1.0 - record.lag, record.year - 1: record.lag}
    return _weights(study, quantity.numerator, flows, years)


def _weights(
    study: Study,
    terms: Sequence[tuple[str, float]],
    flows: Mapping[str, tuple[int, Flow]],
    years: Mapping[int, float],
) -> dict[int, float]:
    """Positions in the flat (flow, year) array that terms add up, over the years given."""
    weights: dict[int, float] = {}
    for year, part in years.items():
        for name, weight in terms:
            row, flow = flows[name]
            if flow.is_active(year):
                at = row * len(study.years) + year - study.first_year
                weights[at] = weights.get(at, 0.0) + weight * part
    return weights


def _shifts(study: Study, record: Record, position: Mapping[str, int]) -> dict[int, float]:
    """Positions in the flat (column, year) array: a reporter's mean bias, and shared errors."""
    years = _span(record)
    first = position[f"bias:{record.reporter}"] * len(study.years) - study.first_year
    shifts = {first + year: 1.0 / len(years) for year in years}
    return shifts | {position[f"shared:{name}"] * len(study.years): 1.0 for name in record.shared}


def _errors(study: Study, unknowns: Unknowns) -> Errors:
    rows = _rows_by_target(study)
    noise = [rows.get(f"noise:{name}", rows.get("noise:*", [])) for name in study.reporters]
    noise.append(rows.get(f"noise:{ALL}", []))
    reporter = {name: n for n, name in enumerate(study.reporters)}
    return Errors(
        standing=np.array([STANDING_VARIANCE]),
        noise_start=np.array([unknowns.scales_start]),
        noise_mean=np.array([math.log(row[0].median) if row else 0.0 for row in noise]),
        noise_sd=np.array([row[0].sd if row else 0.0 for row in noise]),
        record_sd=np.array([record.sd for record in study.records]),
        reporter=np.array([reporter[r.reporter] for r in study.records], dtype=np.int64),
    )


def _figures(study: Study, certain: NDArray[np.bool_]) -> Figures:
    """Logs of printed figures in the unit of the study; the first reading of two in ``low``."""
    settings, records = study.settings, study.records
    heavy = settings.get("error_distribution", "normal") == "student_t"
    kind = np.array([_kind_code(record) for record in records], dtype=np.int64)
    kind[certain] = CERTAIN
    printed = np.isin(kind, (POINT, EITHER))
    value, other = _log_figures(records, "value"), _log_figures(records, "other")
    return Figures(
        kind=kind,
        low=np.where(printed, value, _log_figures(records, "low")),
        high=np.where(printed, other, _log_figures(records, "high")),
        freedom=float(settings.get("degrees_of_freedom", 5)) if heavy else 0.0,
    )


def _kind_code(record: Record) -> int:
    if record.kind in POINT_KINDS:
        return POINT if record.other is None else EITHER
    return {"upper": UPPER, "zero": UPPER, "lower": LOWER, "range": RANGE}[record.kind]


def _log_figures(records: Iterable[Record], field: str) -> Floats:
    """Logs of the printed figures in the unit of the study; 0 where a record has none."""
    figures = []
    for record in records:
        printed = getattr(record, field)
        figures.append(math.log(printed * record.scale) if printed else 0.0)
    return np.array(figures)
