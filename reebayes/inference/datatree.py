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
from reebayes.model.kernels import CERTAIN, EITHER, POINT, record_terms
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats
from reebayes.provenance import provenance
from reebayes.study import STEP_GROUPS, Record, Study

DIMENSIONS = {
    "flows": (YEAR, FLOW),
    "bias": (YEAR, REPORTER),
    "shared_error": (SHARED,),
    "noise": (REPORTER,),
    "noise_of_all": (),
    "step_scale": (GROUP,),
    "latents": (LATENT,),
}
"""Dimensions, after chain and draw, of the draws that a fit keeps."""


def draws_dataset(layout: Layout, draws: Mapping[str, Floats]) -> xr.Dataset:
    """Flows, quantities and parameters of one group, from arrays (chain, draw, ...)."""
    flows = draws["flows"]
    variables: dict[str, Any] = {
        name: ((CHAIN, DRAW, *dimensions), draws[name]) for name, dimensions in DIMENSIONS.items()
    }
    quantities = np.empty((*flows.shape[:3], len(layout.quantities)), dtype=np.float32)
    for chain, values in enumerate(flows):  # one by one: in double precision all would be large
        quantities[chain] = quantity_draws(layout, values)
    variables["quantities"] = ((CHAIN, DRAW, YEAR, QUANTITY), quantities)
    # Flows keep every digit, so that the mass balance closes in the file as well; quantities and
    # latents are known to three digits at best.
    coordinates = {
        CHAIN: np.arange(flows.shape[0]),
        DRAW: np.arange(flows.shape[1]),
        YEAR: list(layout.years),
        FLOW: _labels(layout.flows),
        QUANTITY: _labels(layout.quantities),
        REPORTER: _labels(layout.reporters),
        SHARED: _labels(layout.shared),
        GROUP: _labels(STEP_GROUPS),
        LATENT: _labels(layout.latents),
    }
    return xr.Dataset(variables, coords=coordinates)


def quantity_draws(layout: Layout, flows: Floats) -> Floats:
    """Quantities (..., year, quantity) of flows (..., year, flow); NaN where a ratio is 0/0."""
    values = flows @ layout.numerators
    below = flows @ layout.denominators[:, layout.ratio]
    with np.errstate(invalid="ignore", divide="ignore"):
        values[..., layout.ratio] = np.where(below > 0, values[..., layout.ratio] / below, np.nan)
    return np.asarray(values)


def replicate(
    layout: Layout, location: Floats, scale: Floats, rng: np.random.Generator
) -> xr.Dataset:
    """Log figures that each reporter might have printed, for draws (chain, draw, record)."""
    heavy = layout.figures.freedom
    noise = rng.standard_t(heavy, location.shape) if heavy else rng.standard_normal(location.shape)
    values = location + scale * noise
    values[..., layout.figures.kind == CERTAIN] = np.nan
    return _by_record(layout, values)


def log_likelihood(layout: Layout, location: Floats, scale: Floats) -> xr.Dataset:
    """Log-likelihood of every record in every draw (chain, draw, record)."""
    terms = np.empty_like(location)
    for at in np.ndindex(location.shape[:2]):
        terms[at] = record_terms(location[at], scale[at], layout.figures)
    return _by_record(layout, terms)


def observed_data(layout: Layout) -> xr.Dataset:
    """Log of every printed figure in the unit of the study; NaN for bounds."""
    figures = layout.figures
    value = np.where(np.isin(figures.kind, (POINT, EITHER)), figures.low, np.nan)
    return xr.Dataset({"value": (RECORD, value)}, coords={RECORD: _labels(layout.records)})


def constant_data(study: Study) -> xr.Dataset:
    """The study's tables by record, flow, process, quantity, prior row and source."""
    variables: dict[str, Any] = {}
    for name, values in _record_columns(study).items():
        variables[f"record_{name}"] = (RECORD, values)
    for table, dimension, columns in (
        (study.flows, FLOW, ("source", "target", "product", "registered", "label")),
        (study.processes, PROCESS, ("kind", "region", "label")),
        (study.sources, SOURCE, ("citation", "year", "url", "licence")),
    ):
        for column in columns:
            values = _plain([getattr(row, column) for row in table])
            variables[f"{dimension}_{column}"] = (dimension, values)
    terms = [format_terms(row.numerator, row.denominator) for row in study.quantities]
    units = ["ratio" if row.is_ratio else study.unit for row in study.quantities]
    variables["quantity_terms"] = (QUANTITY, _labels(terms))
    variables["quantity_unit"] = (QUANTITY, _labels(units))
    for name, values in _prior_columns(study).items():
        variables[f"prior_{name}"] = ("prior_row", values)
    for name, values in _published_columns(study).items():
        variables[f"{PUBLISHED}_{name}"] = (PUBLISHED, values)
    coordinates = {
        RECORD: _labels(row.record for row in study.records),
        FLOW: _labels(row.flow for row in study.flows),
        PROCESS: _labels(row.process for row in study.processes),
        SOURCE: _labels(row.source for row in study.sources),
        QUANTITY: _labels(row.quantity for row in study.quantities),
        PUBLISHED: _labels(row.name for row in study.published),
    }
    return xr.Dataset(variables, coords=coordinates)


def root_attributes(study: Study, settings: Mapping[str, int]) -> dict[str, Any]:
    """Provenance of a fit: study, seed, settings and versions."""
    return provenance() | {
        "study_name": study.name,
        "study_hash": study.hash,
        "unit": study.unit,
        "ci_prob": CI_PROB,
        "settings": json.dumps(dict(study.settings)),
        "report": json.dumps(study.report.plain),
        **settings,
    }


def _by_record(layout: Layout, values: Floats) -> xr.Dataset:
    coordinates = {
        CHAIN: np.arange(values.shape[0]),
        DRAW: np.arange(values.shape[1]),
        RECORD: _labels(layout.records),
    }
    single = values.astype(np.float32)
    return xr.Dataset({"value": ((CHAIN, DRAW, RECORD), single)}, coords=coordinates)


def _record_columns(study: Study) -> dict[str, Any]:
    def figure(record: Record, field: str) -> float:
        printed = getattr(record, field)
        return float("nan") if printed is None else printed * record.scale

    rows = study.records
    columns: dict[str, Any] = {
        name: _plain([getattr(row, name) for row in rows])
        for name in ("quantity", "year", "year_end", "kind", "unit", "sd", "reporter", "source",
                     "note")
    }  # fmt: skip
    for name in ("value", "low", "high", "other"):
        columns[name] = np.array([figure(row, name) for row in rows])
    printed = [float("nan") if row.value is None else row.value for row in rows]
    return columns | {"printed": np.array(printed)}


def _prior_columns(study: Study) -> dict[str, Any]:
    rows = study.priors
    years = ["" if row.year is None else f"{row.year}-{row.year_end or row.year}" for row in rows]
    steps = [float("nan") if row.step is None else row.step for row in rows]
    columns = {
        name: _plain([getattr(row, name) for row in rows])
        for name in ("target", "distribution", "median", "sd", "unit", "source")
    }
    return columns | {"years": _labels(years), "step": np.array(steps)}


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
