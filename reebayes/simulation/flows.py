"""Flows and quantities of given unknowns: a dense linear solve of every year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from reebayes.conventions import FLOW, PROCESS, QUANTITY, YEAR
from reebayes.study import Flow, Quantity, Study

type Array = npt.NDArray[np.float64]


type YearValues = float | Sequence[float] | Array | xr.DataArray


def active_years(study: Study, flow: Flow) -> npt.NDArray[np.bool_]:
    """Return in which years a flow can exist."""
    return np.array([flow.is_active(year) for year in study.years])


def products_of(study: Study) -> set[str]:
    """Outputs of conversions whose prior is on the output itself; the inflow follows from it."""
    kinds = {process.process: process.kind for process in study.processes}
    lognormal = {prior.target for prior in study.priors if prior.distribution == "lognormal"}
    return {
        flow.flow
        for flow in study.flows
        if flow.flow in lognormal and kinds[flow.source] == "conversion"
    }


def labelled(values: Array, study: Study, dim: str, names: Sequence[str]) -> xr.DataArray:
    """Return values (year, `dim`) with their labels."""
    coords = {YEAR: list(study.years), dim: np.array(names, dtype=object)}
    return xr.DataArray(values, dims=(YEAR, dim), coords=coords)


def by_year(study: Study, target: str, values: YearValues) -> Array:
    """Return the values of a target, one a year."""
    if isinstance(values, xr.DataArray):
        values = values.sel({YEAR: list(study.years)}).values if values.ndim else float(values)
    array = np.asarray(values, dtype=float)
    if array.shape not in ((), (len(study.years),)):
        raise ValueError(
            f"{target}: give one number or {len(study.years)} values, got shape {array.shape}"
        )
    return np.array(np.broadcast_to(array, len(study.years)))


def incidence(study: Study, end: str) -> Array:
    """(flow, process): 1 where the flow's `end` ("source" or "target") is the process."""
    position = {process.process: i for i, process in enumerate(study.processes)}
    matrix = np.zeros((len(study.flows), len(position)))
    for row, flow in enumerate(study.flows):
        matrix[row, position[flow.source if end == "source" else flow.target]] = 1.0
    return matrix


def inputs_and_shares(study: Study, unknowns: Mapping[str, YearValues]) -> tuple[Array, Array]:
    """Exogenous flow, and share of its source's throughput, of every flow: both (year, flow)."""
    kinds = {process.process: process.kind for process in study.processes}
    products = products_of(study)
    inputs = np.zeros((len(study.years), len(study.flows)))
    weights = np.zeros_like(inputs)
    for column, flow in enumerate(study.flows):
        active = active_years(study, flow)
        name = flow.tied if flow.tied and flow.flow not in unknowns else flow.flow
        logs = np.where(active, by_year(study, name, unknowns.get(name, 0.0)), 0.0)
        if name in products:
            weights[:, column] = active
        elif kinds[flow.source] == "environment":
            inputs[:, column] = np.where(active, np.exp(logs), 0.0)
        else:
            weights[:, column] = np.where(active, np.exp(logs), 0.0)
    source = incidence(study, "source")
    total = (weights @ source) @ source.T
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    made = {flow.source: n for n, flow in enumerate(study.flows) if flow.flow in products}
    for column, flow in enumerate(study.flows):
        if flow.target in made:
            product = made[flow.target]
            output = np.exp(by_year(study, study.flows[product].flow,
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
        As in `World.unknowns`; biases, noise and steps are ignored. The reference outflow of a
        process has log ratio 0, and so has any share left out; a tied flow has the log
        ratio of the other, unless its own is given. Values in inactive years are ignored.

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
    products = products_of(study)
    driven = {flow.source for flow in study.flows if flow.flow in products}
    exogenous = [
        flow.flow
        for flow in study.flows
        if kinds[flow.source] == "environment" and flow.target not in driven
    ]
    absent = sorted({*exogenous, *products} - set(unknowns))
    if absent:
        raise KeyError(f"No log input for {', '.join(absent)}")
    inputs, shares = inputs_and_shares(study, unknowns)
    source, target = incidence(study, "source"), incidence(study, "target")
    sent = np.einsum("yf,fp,fq->yqp", shares, source, target, optimize=True)
    inflow = inputs @ target
    throughput = np.linalg.solve(np.eye(inflow.shape[1]) - sent, inflow[:, :, None])[:, :, 0]
    flows = inputs + shares * (throughput @ source.T)
    return labelled(flows, study, FLOW, [flow.flow for flow in study.flows])


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
    columns = columns_of(study, flows, FLOW)
    values = np.empty((len(study.years), len(study.quantities)))
    for column, quantity in enumerate(study.quantities):
        numerator, denominator = parts_of(quantity, columns)
        defined = denominator != 0
        values[:, column] = np.where(defined, numerator / np.where(defined, denominator, 1), np.nan)
    names = [quantity.quantity for quantity in study.quantities]
    return labelled(values, study, QUANTITY, names)


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
        matrix = xr.DataArray(incidence(study, end), dims=(FLOW, PROCESS), coords=coords)
        summed: xr.DataArray = xr.dot(flows, matrix.sel({PROCESS: closed}), dim=FLOW)
        return summed

    inflow, outflow = total("target"), total("source")
    larger = inflow.where(inflow > outflow, outflow)
    return (inflow - outflow) / larger.where(larger > 0, 1.0)


def columns_of(study: Study, values: xr.DataArray, dim: str) -> dict[str, Array]:
    """Year series of each name along `dim`, in the order of the study's years."""
    ordered = values.transpose(YEAR, dim).sel({YEAR: list(study.years)})
    return {str(name): ordered.values[:, i] for i, name in enumerate(values[dim].values)}


def parts_of(quantity: Quantity, columns: Mapping[str, Array]) -> tuple[Array, Array]:
    """Numerator and denominator of a quantity by year; the denominator of a plain sum is 1."""
    numerator = np.sum([weight * columns[flow] for flow, weight in quantity.numerator], axis=0)
    if not quantity.is_ratio:
        return numerator, np.ones_like(numerator)
    return numerator, np.sum(
        [weight * columns[flow] for flow, weight in quantity.denominator], axis=0
    )
