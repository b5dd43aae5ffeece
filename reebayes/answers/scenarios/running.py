"""A scenario of a fit: every draw's balance solved again with what it changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np
import xarray as xr

from reebayes.answers.scenarios.balancing import Floats
from reebayes.answers.scenarios.setup import Graph, Setup, Solved, draw_size
from reebayes.conventions import (
    FLOW,
    POSTERIOR,
    PROCESS,
    QUANTITY,
    SAMPLE_DIMS,
    YEAR,
)
from reebayes.errors import ResultError
from reebayes.results.contents import CONSTANT
from reebayes.results.description import study_of
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.study import Study
from reebayes.study.scenarios import CAPACITY, Scenario, names_meant

FACTUAL, COUNTERFACTUAL, DIFFERENCE, GAPS = "factual", "counterfactual", "difference", "gaps"
"""Groups of a scenario: what was, what would have been, by how much more; and what has no place."""

USE = "use"

_GAPS = {
    "stranded": (PROCESS, "What a process could not hand on."),
    "lost": (PROCESS, "What was lost in a process by the scenario."),
    "shortage": (PROCESS, "What a process lacked to hand on what was asked of it."),
    "unmet": (USE, "What a use lacks of what it used."),
}


def scenario(
    fit: Fit, name: str, study: Study | None = None, *, seed: int = 0
) -> xr.DataTree:  # fmt: skip
    """Answer what would have been, from the draws of a fit: nothing is fitted again.

    Each draw keeps its transfer coefficients, inputs and throughputs, which the records taught;
    what the scenario changes of them is changed, and the mass balance is solved again. This is
    accounting: no prices, no behaviour, no substitution.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    name : str
        A scenario of the study.
    study : Study, optional
        The study that was fitted, with scenarios written since; the one that the fit carries if
        left out.
    seed : int
        Of the sizes that are drawn.

    Returns
    -------
    DataTree
        ``factual``, ``counterfactual`` and ``difference`` hold ``flows`` (chain, draw, year, flow)
        and ``quantities`` of the years of the scenario, in the unit of the study; each of the
        first two can be asked like a fit. ``gaps`` holds ``stranded``, ``lost`` and ``shortage``
        by process and ``unmet`` by use: inflow + shortage = outflow + stranded + lost in every
        process, year and draw.

    Raises
    ------
    StudyError
        If there is no such scenario, or it names what is not in the study.
    ResultError
        If the study is not the one that was fitted, the fit lacks a year of the scenario, or its
        balance has no solution.

    Examples
    --------
    >>> import reebayes as rb
    >>> tree = rb.scenario(rb.open_fit("results/fit.nc"), "no_trade_2022")
    >>> list(tree.children)
    ['factual', 'counterfactual', 'difference', 'gaps']
    >>> rb.quantity(tree["counterfactual"], "consumed_US").dims
    ('chain', 'draw', 'year')
    """
    contents = contents_of(fit)
    study = study_of(contents) if study is None else study
    if study.hash != contents.attrs.get("study_hash"):
        raise ResultError(f"This is not a fit of the study {study.name!r} as it stands now.")
    return worked_out(contents, study, study.scenario(name), seed=seed)


def worked_out(contents: Contents, study: Study, asked: Scenario, *, seed: int) -> xr.DataTree:
    """Return a scenario that was checked, worked out for the draws of a fit."""
    contents.positions(asked.years)
    draws = contents.group(POSTERIOR).sel({YEAR: list(asked.years)})
    draws = draws[["flows"]].load().assign_coords({QUANTITY: draws[QUANTITY].values})
    flows = draws["flows"].transpose(*SAMPLE_DIMS, YEAR, FLOW)
    graph = Graph(study, _limited_uses(study, asked))
    known = flows.sel({FLOW: list(graph.flows)}).values.astype(np.float64)
    shape = known.shape[:2]
    sizes = {change.place: draw_size(change.size, shape, change.place, seed).ravel()
             for change in asked.changes}  # fmt: skip
    if asked.capacity is not None:
        place = f"{asked.name}.{CAPACITY}"
        sizes[CAPACITY] = draw_size(asked.capacity, shape, place, seed).ravel()
    solved = _solved(graph, asked, known.reshape(-1, *known.shape[2:]), sizes)
    return _tree(contents, study, asked, graph, draws, solved, seed)


def _limited_uses(study: Study, asked: Scenario) -> tuple[str, ...]:
    """Return the uses that a scenario limits."""
    uses = [process.process for process in study.processes if process.kind == USE]
    limited = {
        use for change in asked.changes if change.kind == PROCESS
        for use in names_meant(change.name, uses)
    }  # fmt: skip
    return tuple(use for use in uses if use in limited)


def _solved(
    graph: Graph, asked: Scenario, factual: Floats, sizes: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Solve all years, those together in which the same changes hold; arrays (draw, year, ...)."""
    found: dict[str, Floats] = {}
    for years in _alike(asked):
        at = [asked.years.index(year) for year in years]
        part = Setup(graph, asked, years, factual[:, at], sizes).solved()
        for name in Solved.__dataclass_fields__:
            values = getattr(part, name).reshape(len(factual), len(years), -1)
            if name not in found:
                found[name] = np.empty((len(factual), len(asked.years), values.shape[-1]))
            found[name][:, at] = values
    return found


def _alike(asked: Scenario) -> Iterable[Sequence[int]]:
    """Gather the years in which the same changes hold."""

    def holding(year: int) -> tuple[bool, ...]:
        return tuple(year in change.years for change in asked.changes)

    ordered = sorted(asked.years, key=lambda year: (holding(year), year))
    return [list(years) for _, years in groupby(ordered, key=holding)]


def quantities_from(study: Study, flows: xr.DataArray) -> xr.DataArray:
    """Return all named quantities of flows (..., flow); a ratio of nothing to nothing is NaN."""
    names = flows[FLOW].values.tolist()
    weights = np.zeros((2, len(names), len(study.quantities)))
    for at, quantity in enumerate(study.quantities):
        for part, side in enumerate((quantity.numerator, quantity.denominator)):
            for name, weight in side:
                weights[part, names.index(name), at] += weight
    above, below = (flows.values @ weights[part] for part in range(2))
    ratios = np.array([quantity.is_ratio for quantity in study.quantities])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(ratios, above / below, above)
    coords = {dim: flows[dim] for dim in flows.dims if dim != FLOW}
    return xr.DataArray(
        np.where(np.isinf(values), np.nan, values),
        dims=(*flows.dims[:-1], QUANTITY),
        coords={**coords, QUANTITY: list(study.quantities.names)},
    )


def _tree(
    contents: Contents, study: Study, asked: Scenario, graph: Graph, draws: xr.Dataset,
    solved: Mapping[str, Floats], seed: int,
) -> xr.DataTree:  # fmt: skip
    dims = (*SAMPLE_DIMS, YEAR)
    coords = {dim: draws[dim].values for dim in dims}
    shape = tuple(len(values) for values in coords.values())

    def array(values: Floats, dim: str, names: Sequence[str]) -> xr.DataArray:
        return xr.DataArray(
            values.reshape(*shape, len(names)),
            dims=(*dims, dim),
            coords={**coords, dim: list(names)},
        )

    flows = array(solved["flows"], FLOW, list(graph.flows))
    flows = flows.sel({FLOW: draws[FLOW].values})
    quantities = quantities_from(study, flows).sel({QUANTITY: draws[QUANTITY].values})
    after = xr.Dataset({"flows": flows, "quantities": quantities})
    # Quantities are kept in half the digits, which would show as a difference: they are made anew.
    was = draws["flows"].transpose(*dims, FLOW).reset_coords(drop=True)
    known = quantities_from(study, was).sel({QUANTITY: draws[QUANTITY].values})
    before = xr.Dataset({"flows": was, "quantities": known})
    passing = ~graph.sinks
    places = [name for name, passes in zip(graph.inner, passing, strict=True) if passes]
    gaps = xr.Dataset({
        name: (array(solved[name], USE, graph.uses) if dim == USE else
               array(solved[name][..., passing], PROCESS, places))
        .assign_attrs(units=contents.unit, long_name=meaning)
        for name, (dim, meaning) in _GAPS.items()
    })  # fmt: skip
    constant = contents.group(CONSTANT)
    parts = {FACTUAL: before, COUNTERFACTUAL: after, DIFFERENCE: after - before}
    tree = xr.DataTree.from_dict({
        **parts,
        **{f"{name}/{CONSTANT}": constant for name in parts},
        GAPS: gaps.assign_coords(_places(study, graph, places)),
    })  # fmt: skip
    tree.attrs = {
        "scenario": asked.name, "label": asked.label, "why": asked.why, "closure": asked.closure,
        "sources": json.dumps(asked.sources), "seed": seed, "unit": contents.unit,
        "study": study.name, "study_hash": study.hash,
    }  # fmt: skip
    told = {key: contents.attrs[key] for key in ("report", "settings") if key in contents.attrs}
    for name in parts:
        tree[name].attrs = {**told, "unit": contents.unit, "part": name, "scenario": asked.name,
                            "label": asked.label}  # fmt: skip
    return tree


def _places(study: Study, graph: Graph, places: Sequence[str]) -> dict[str, tuple[str, list[str]]]:
    """Region, stage and product of processes, region and application of uses, as coordinates."""
    leaving = {name: [f.product for f in study.flows if f.source == name and
                      study.processes[f.target].kind != "loss"] for name in places}  # fmt: skip
    regions = {process.process: process.region for process in study.processes}
    labels = {process.process: process.label for process in study.processes}
    products = {name: "+".join(dict.fromkeys(found)) for name, found in leaving.items()}
    return {
        "region": (PROCESS, [regions[name] for name in places]),
        "stage": (PROCESS, [graph.kinds[name] for name in places]),
        "product": (PROCESS, [products[name] for name in places]),
        "label": (PROCESS, [labels[name] for name in places]),
        "use_region": (USE, [regions[name] for name in graph.uses]),
        "application": (USE, [labels[name] for name in graph.uses]),
    }
