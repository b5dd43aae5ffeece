"""From draws to the fit file: labelled groups with everything a reader needs to know.

The result explains itself without the study's directory: records, graph, priors and sources
travel with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import (
    CHAIN,
    CI_PROB,
    DRAW,
    FLOW,
    GROUP,
    LATENT,
    PROCESS,
    PUBLISHED,
    QUANTITY,
    RECORD,
    REPORTER,
    SHARED,
    SOURCE,
    YEAR,
    format_terms,
)
from reebayes.errors import ResultError
from reebayes.model.kernels import CERTAIN, EITHER, POINT, record_terms
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats
from reebayes.provenance import asked_for, digest_of, provenance
from reebayes.results.contents import CONSTANT, DRIFTING, OBSERVED, dataset
from reebayes.study import Record, Study, Table
from reebayes.study.targets import BIAS, STEP_GROUPS

_STORED = ("flows", "shared_error", "noise", "noise_of_all", "step_scale", "latents")
"""Draws that are kept as they are computed."""


def draws_dataset(layout: Layout, unit: str, group: str, draws: Mapping[str, Floats]) -> xr.Dataset:
    """Flows, quantities and parameters of one group, from arrays (chain, draw, ...).

    Flows keep every digit, so that the mass balance closes in the file as well; quantities and
    latents are known to three digits at best.
    """
    flows = draws["flows"]
    quantities = np.empty((*flows.shape[:3], len(layout.quantities)), dtype=np.float32)
    for chain, values in enumerate(flows):  # one by one: in double precision all would be large
        quantities[chain] = quantity_draws(layout, values)
    drifting = _drifting(layout)
    names = {
        CHAIN: np.arange(flows.shape[0]),
        DRAW: np.arange(flows.shape[1]),
        YEAR: list(layout.years),
        FLOW: _labels(layout.flows),
        QUANTITY: _labels(layout.quantities),
        REPORTER: _labels(layout.reporters),
        DRIFTING: _labels(np.array(layout.reporters, dtype=object)[drifting]),
        SHARED: _labels(layout.shared),
        GROUP: _labels(STEP_GROUPS),
        LATENT: _labels(layout.latents),
    }
    arrays = {name: draws[name] for name in _STORED} | {
        "quantities": quantities,
        "bias": draws["bias"].mean(axis=2),
        "drifting_bias": draws["bias"][..., drifting],
    }
    return dataset(group, unit, arrays, names)


def _drifting(layout: Layout) -> NDArray[np.bool_]:
    """Whether the bias of each reporter changes over the years."""
    rows = layout.rows(BIAS, layout.reporters)
    centres = layout.equations.centres
    still = np.ptp(centres.mean[rows], axis=1) + np.ptp(centres.sd[rows], axis=1) == 0
    return np.asarray((rows < layout.unknowns.varying) | ~still)


def quantity_draws(layout: Layout, flows: Floats) -> Floats:
    """Quantities (..., year, quantity) of flows (..., year, flow); NaN where a ratio is 0/0."""
    values = flows @ layout.numerators
    below = flows @ layout.denominators[:, layout.ratio]
    with np.errstate(invalid="ignore", divide="ignore"):
        values[..., layout.ratio] = np.where(below > 0, values[..., layout.ratio] / below, np.nan)
    return np.asarray(values)


def replicate(layout: Layout, draws: Mapping[str, Floats], rng: np.random.Generator) -> Floats:
    """Log figures (chain, draw, record) that each reporter might have printed."""
    location, figures = draws["location"], layout.equations.figures
    heavy = figures.freedom
    noise = rng.standard_t(heavy, location.shape) if heavy else rng.standard_normal(location.shape)
    values = location + draws["scale"] * noise
    values[..., figures.kind == CERTAIN] = np.nan
    return np.asarray(values)


def log_likelihood(layout: Layout, draws: Mapping[str, Floats]) -> Floats:
    """Log-likelihood of every record in every draw (chain, draw, record)."""
    location, scale = draws["location"], draws["scale"]
    terms = np.empty_like(location)
    for at in np.ndindex(location.shape[:2]):
        terms[at] = record_terms(location[at], scale[at], layout.equations.figures)
    return terms


def by_record(layout: Layout, unit: str, group: str, values: Floats) -> xr.Dataset:
    """A group of values (chain, draw, record); single precision is enough for what has noise."""
    names = {
        CHAIN: np.arange(values.shape[0]),
        DRAW: np.arange(values.shape[1]),
        RECORD: _labels(layout.records),
    }
    return dataset(group, unit, {"value": values.astype(np.float32)}, names)


def observed_data(layout: Layout, unit: str) -> xr.Dataset:
    """Log of every printed figure in the unit of the study; NaN for bounds."""
    figures = layout.equations.figures
    value = np.where(np.isin(figures.kind, (POINT, EITHER)), figures.low, np.nan)
    return dataset(OBSERVED, unit, {"value": value}, {RECORD: _labels(layout.records)})


def constant_data(study: Study) -> xr.Dataset:
    """The study's tables by record, flow, process, quantity, prior row and source."""
    tables = {
        RECORD: _record_columns(study),
        FLOW: _columns(study.flows, "source", "target", "product", "registered", "label"),
        PROCESS: _columns(study.processes, "kind", "region", "label"),
        SOURCE: _columns(study.sources, "citation", "url", "licence") | _source_years(study),
        QUANTITY: {
            "terms": _labels(format_terms(q.numerator, q.denominator) for q in study.quantities),
            "unit": _labels("ratio" if q.is_ratio else study.unit for q in study.quantities),
        },
        "prior": _prior_columns(study),
        PUBLISHED: _published_columns(study),
    }
    arrays = {
        f"{title}_{name}": values
        for title, columns in tables.items()
        for name, values in columns.items()
    }
    names = {
        RECORD: _labels(study.records.names),
        FLOW: _labels(study.flows.names),
        PROCESS: _labels(study.processes.names),
        SOURCE: _labels(study.sources.names),
        QUANTITY: _labels(study.quantities.names),
        PUBLISHED: _labels(study.published.names),
    }
    return dataset(CONSTANT, study.unit, arrays | {"variance_floor": study.variance_floor}, names)


def redescribed(fit: xr.DataTree, study: Study) -> xr.DataTree:
    """Return a fit with the labels, notes, citations and report settings of its study as it is now.

    Parameters
    ----------
    fit : DataTree
    study : Study
        The study that was fitted, but for what its `Study.description_hash` covers.

    Raises
    ------
    ResultError
        If the fit is of another study.
    """
    if fit.attrs.get("study_hash") != study.hash:
        raise ResultError(f"This is not a fit of the study {study.name!r} as it stands now.")
    renewed = fit.copy()
    renewed[CONSTANT] = xr.DataTree(constant_data(study))
    renewed.attrs |= _descriptive(study)
    return renewed


def _descriptive(study: Study) -> dict[str, str]:
    return {
        "study_name": study.name,
        "description_hash": study.description_hash,
        "report": json.dumps(study.report.plain),
    }


def root_attributes(study: Study, settings: Mapping[str, int]) -> dict[str, Any]:
    """Provenance of a fit: study, seed, settings and versions."""
    asked = asked_for(study.hash, **settings)
    return {
        **provenance(),
        **_descriptive(study),
        **asked,
        "digest": digest_of(asked),
        "unit": study.unit,
        "ci_prob": CI_PROB,
        "settings": json.dumps(dict(study.settings)),
    }


def _columns(rows: Table[Any], *names: str) -> dict[str, NDArray[Any]]:
    return {name: _plain([getattr(row, name) for row in rows]) for name in names}


def _source_years(study: Study) -> dict[str, NDArray[Any]]:
    years = [np.nan if row.year is None else row.year for row in study.sources]
    return {"year": np.array(years, dtype=float)}


def _record_columns(study: Study) -> dict[str, Any]:
    def figure(record: Record, field: str) -> float:
        printed = getattr(record, field)
        return float("nan") if printed is None else printed * record.scale

    rows = study.records
    columns: dict[str, Any] = _columns(
        rows, "quantity", "kind", "unit", "reporter", "source", "note", "year", "year_end", "sd"
    )
    for name in ("value", "low", "high", "other"):
        columns[name] = np.array([figure(row, name) for row in rows], dtype=float)
    printed = [float("nan") if row.value is None else row.value for row in rows]
    return columns | {"printed": np.array(printed, dtype=float)}


def _prior_columns(study: Study) -> dict[str, Any]:
    rows = study.priors
    years = ["" if row.year is None else f"{row.year}-{row.year_end or row.year}" for row in rows]
    steps = [float("nan") if row.step is None else row.step for row in rows]
    columns = _columns(rows, "target", "distribution", "median", "sd", "unit", "source")
    return columns | {"years": _labels(years), "step": np.array(steps, dtype=float)}


def _published_columns(study: Study) -> dict[str, Any]:
    """Estimates in the unit of the study; NaN where one has no such number."""
    rows = study.published
    columns: dict[str, Any] = {
        name: _labels(getattr(row, name) for row in rows)
        for name in ("quantity", "kind", "source", "note", "why")
    }
    for name in ("year", "year_end"):
        columns[name] = np.array([getattr(row, name) for row in rows], dtype=np.int64)
    for name in ("value", "low", "high"):
        figures = [(getattr(row, name), row.scale) for row in rows]
        columns[name] = np.array(
            [np.nan if figure is None else figure * scale for figure, scale in figures], dtype=float
        )
    return columns


def _plain(values: list[Any]) -> np.ndarray:
    """Booleans as integers, numbers as they are, anything else as text."""
    if all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.int8)
    if all(isinstance(value, int | float) for value in values):
        return np.array(values)
    if any(isinstance(value, int | float) for value in values):
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    return _labels("" if value is None else value for value in values)


def _labels(values: Any) -> np.ndarray:
    return np.array([str(value) for value in values], dtype=object)
