"""A study as arrays: the unknowns, the graph in stage order, the records as sums of flows.

Everything the compiled model, the geometry and the results need to agree on is fixed here once.
No PyMC, no randomness.
"""

from __future__ import annotations

import graphlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from reebayes.kernels import CERTAIN, LOWER, POINT, RANGE, UPPER
from reebayes.study import STEP_GROUPS, Flow, Prior, Record, Study

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

POINT_KINDS = frozenset({"value", "quota", "cumulative", "mean"})

PERSISTENCE_CEILING = 1.0 - 1e-9
"""Persistence may not reach 1: an innovation would then have no effect to be inferred from."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Weighted sums of a flat array: row r adds ``weight[n] * values[index[n]]``."""

    start: Integers
    index: Integers
    weight: Floats

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[int, float]]) -> Sums:
        """Pack rows of {index: weight}."""
        rows = list(rows)
        start = np.cumsum([0, *(len(row) for row in rows)])
        index = np.array([n for row in rows for n in row], dtype=np.int64)
        weight = np.array([w for row in rows for w in row.values()], dtype=np.float64)
        return cls(start.astype(np.int64), index, weight)

    def parts(self) -> dict[str, NDArray[np.generic]]:
        """Start, index and weight by name."""
        return {"start": self.start, "index": self.index, "weight": self.weight}


@dataclass(frozen=True, slots=True)
class Graph:
    """Who flows where, in the order in which the mass balance is solved.

    ``stage_start`` cuts ``order`` (positions of processes) into stages: single processes, or
    cycles that are solved together. ``column`` gives the column of `Unknowns` that drives a flow,
    -1 for the outflow that takes the remainder.
    """

    column: Integers
    exogenous: NDArray[np.bool_]
    active: NDArray[np.bool_]
    target: Integers
    order: Integers
    place: Integers
    stage_start: Integers
    out_start: Integers
    out_flow: Integers

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the arrays in the order the kernels take them."""
        return tuple(field.name for field in fields(cls))

    def parts(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in self.names()}


@dataclass(frozen=True, slots=True)
class Unknowns:
    """Prior mean and spread of every unknown, and where its standard normals stand.

    Columns are those that change over the years, then constants, then fixed ones (sd 0).
    A column with ``on_route`` 1 adds the column ``route``: what a trade route does to all that
    takes it. Columns ``driven`` are log outputs of conversions; the inflow that such an output
    needs follows from the log odds of the loss, in the columns ``loss``.

    The latent vector holds innovations year by year for the ``varying`` columns, then one entry
    for each constant column, each reporter's noise and each group's step multiplier.
    """

    columns: tuple[str, ...]
    mean: Floats
    sd: Floats
    step: Floats
    group: Integers
    varying: int
    constant: int
    noise_mean: Floats
    noise_sd: Floats
    step_mean: Floats
    step_sd: Floats
    route: Integers
    on_route: Floats
    driven: Integers
    loss: Integers

    @property
    def years(self) -> int:
        """Number of years."""
        return int(self.mean.shape[0])

    @property
    def states(self) -> int:
        """Number of latent entries that belong to single years."""
        return self.years * self.varying

    @property
    def scales_start(self) -> int:
        """Position in the latent vector where noise and step multipliers begin."""
        return self.states + self.constant

    @property
    def size(self) -> int:
        """Length of the latent vector."""
        return self.scales_start + self.noise_mean.size + self.step_mean.size

    def step_multiplier(self, scales: Floats) -> Floats:
        """Step multipliers (group) for the tail of the latent vector (noise and steps)."""
        return np.asarray(np.exp(self.step_mean + self.step_sd * scales[self.noise_mean.size :]))

    def persistence(self, multiplier: Floats) -> Floats:
        """AR(1) coefficients (year, varying column) for given step multipliers (group)."""
        ratio = multiplier[self.group] * self.step / self.sd[:, : self.varying]
        return np.minimum(np.exp(-0.5 * ratio**2), PERSISTENCE_CEILING)


@dataclass(frozen=True, slots=True)
class RecordArrays:
    """The records as the likelihood sees them; figures are logs in the unit of the study."""

    numerator: Sums
    denominator: Sums
    bias: Sums
    offset: Floats
    over: Floats
    kind: Integers
    value: Floats
    low: Floats
    high: Floats
    sd: Floats
    reporter: Integers


@dataclass(frozen=True, slots=True)
class Layout:
    """A study as arrays, with the names that label them."""

    years: tuple[int, ...]
    flows: tuple[str, ...]
    quantities: tuple[str, ...]
    reporters: tuple[str, ...]
    records: tuple[str, ...]
    graph: Graph
    unknowns: Unknowns
    evidence: RecordArrays
    numerators: Floats
    denominators: Floats
    ratio: NDArray[np.bool_]
    freedom: float

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of the entries of the latent vector."""
        unknowns = self.unknowns
        varying = unknowns.columns[: unknowns.varying]
        constant = unknowns.columns[unknowns.varying : unknowns.varying + unknowns.constant]
        return (
            *(f"{name}[{year}]" for year in self.years for name in varying),
            *constant,
            *(f"noise:{name}" for name in self.reporters),
            *(f"step:{name}" for name in STEP_GROUPS),
        )


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
    unknowns = _unknowns(study)
    flows = tuple(flow.flow for flow in study.flows)
    numerators, denominators = _quantity_weights(study, flows)
    settings = study.settings
    heavy = settings.get("error_distribution", "normal") == "student_t"
    return Layout(
        years=tuple(study.years),
        flows=flows,
        quantities=tuple(quantity.quantity for quantity in study.quantities),
        reporters=tuple(study.reporters),
        records=tuple(record.record for record in study.records),
        graph=_graph(study, unknowns.columns),
        unknowns=unknowns,
        evidence=_evidence(study, unknowns.columns),
        numerators=numerators,
        denominators=denominators,
        ratio=np.array([quantity.is_ratio for quantity in study.quantities]),
        freedom=float(settings.get("degrees_of_freedom", 5)) if heavy else 0.0,
    )


# --- unknowns -----------------------------------------------------------------------------------


def _unknowns(study: Study) -> Unknowns:
    years = study.years
    rows: dict[str, list[Prior]] = {}
    for prior in study.priors:
        rows.setdefault(prior.target, []).append(prior)
    series = {flow.flow: rows[flow.flow] for flow in study.flows if flow.flow in rows}
    for reporter in study.reporters:
        found = rows.get(f"bias:{reporter}", rows.get("bias:*", []))
        series[f"bias:{reporter}"] = found
    series |= {target: found for target, found in rows.items() if target.startswith("route:")}
    drivers = _drivers(study)
    inputs = {f.flow for f in study.flows if _is_exogenous(study, f)} | set(drivers.values())
    varying = [name for name, found in series.items() if found and found[0].step is not None]
    fixed = [name for name, found in series.items() if all(row.sd == 0 for row in found)]
    constant = [name for name in series if name not in {*varying, *fixed}]
    columns = (*varying, *constant, *fixed)
    medians = {name: _by_year(series[name], years, "median") for name in columns}
    remainder = _remainder_medians(study, {k: v for k, v in medians.items() if k not in inputs})
    mean = np.column_stack([
        _centre(name, medians[name], remainder.get(name), name in inputs) for name in columns
    ])  # fmt: skip
    noise = [rows.get(f"noise:{name}", rows.get("noise:*", [])) for name in study.reporters]
    steps = [rows.get(f"step:{name}", []) for name in STEP_GROUPS]
    return Unknowns(
        columns=columns,
        mean=mean,
        sd=np.column_stack([_by_year(series[name], years, "sd") for name in columns]),
        step=_columns_by_year(varying, series, years, "step"),
        group=_groups(study, varying),
        varying=len(varying),
        constant=len(constant),
        noise_mean=np.array([math.log(row[0].median) if row else 0.0 for row in noise]),
        noise_sd=np.array([row[0].sd if row else 0.0 for row in noise]),
        step_mean=np.array([math.log(row[0].median) if row else 0.0 for row in steps]),
        step_sd=np.array([row[0].sd if row else 0.0 for row in steps]),
        **_routes(study, columns),
        **_losses(study, drivers, columns),
    )


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


def _columns_by_year(
    names: Sequence[str], series: Mapping[str, Sequence[Prior]], years: Sequence[int], field: str
) -> Floats:
    columns = [_by_year(series[name], years, field) for name in names]
    return np.column_stack(columns) if columns else np.zeros((len(years), 0))


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
    if name.startswith(("bias:", "route:")):
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
        active=np.array([[flow.is_active(y) for flow in study.flows] for y in study.years]),
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
    stages = [np.flatnonzero(label == stage) for stage in sorter.static_order()]
    order = np.concatenate(stages).astype(np.int64)
    start = np.cumsum([0, *(stage.size for stage in stages)])
    return order, start.astype(np.int64)


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


def _evidence(study: Study, columns: Sequence[str]) -> RecordArrays:
    position = {name: n for n, name in enumerate(columns)}
    reporter = {name: n for n, name in enumerate(study.reporters)}
    numerator, denominator, bias = [], [], []
    for record in study.records:
        quantity = study.quantities[record.quantity]
        span = record.year_end - record.year + 1
        divisor = span if record.kind == "mean" and not quantity.is_ratio else 1
        top = _flow_weights(study, record, quantity.numerator, divisor)
        numerator.append(top)
        denominator.append(_flow_weights(study, record, quantity.denominator, 1))
        bias_column = position[f"bias:{record.reporter}"]
        bias.append({
            (year - study.first_year) * len(columns) + bias_column: 1.0 / span
            for year in range(record.year, record.year_end + 1)
        })  # fmt: skip
    certain = np.array([not top for top in numerator])
    kind = np.array([_kind_code(record) for record in study.records], dtype=np.int64)
    return RecordArrays(
        numerator=Sums.from_rows(numerator),
        denominator=Sums.from_rows(denominator),
        bias=Sums.from_rows(bias),
        offset=certain.astype(np.float64),
        over=np.array([0.0 if row else 1.0 for row in denominator]),
        kind=np.where(certain, CERTAIN, kind),
        value=_log_figures(study.records, "value"),
        low=_log_figures(study.records, "low"),
        high=_log_figures(study.records, "high"),
        sd=np.array([record.sd for record in study.records]),
        reporter=np.array([reporter[r.reporter] for r in study.records], dtype=np.int64),
    )


def _flow_weights(
    study: Study, record: Record, terms: Sequence[tuple[str, float]], divisor: float
) -> dict[int, float]:
    """Positions in the flat (year, flow) array that a record's quantity adds up."""
    position = {flow.flow: n for n, flow in enumerate(study.flows)}
    weights: dict[int, float] = {}
    for year in range(record.year, record.year_end + 1):
        for name, weight in terms:
            if study.flows[position[name]].is_active(year):
                at = (year - study.first_year) * len(position) + position[name]
                weights[at] = weights.get(at, 0.0) + weight / divisor
    return weights


def _kind_code(record: Record) -> int:
    if record.kind in POINT_KINDS:
        return POINT
    return {"upper": UPPER, "zero": UPPER, "lower": LOWER, "range": RANGE}[record.kind]


def _log_figures(records: Iterable[Record], field: str) -> Floats:
    """Logs of the printed figures in the unit of the study; 0 where a record has none."""
    figures = []
    for record in records:
        printed = getattr(record, field)
        figures.append(math.log(printed * record.scale) if printed else 0.0)
    return np.array(figures)
