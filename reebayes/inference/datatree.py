"""From draws to the fit file: labelled groups with everything a reader needs to know.

The result explains itself without the study's directory: records, graph, priors and sources
travel with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
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
    QUANTITY,
    RECORD,
    REPORTER,
    SHARED,
    YEAR,
)
from reebayes.model.kernels import CERTAIN, PRINTED, record_terms
from reebayes.model.layout import Layout
from reebayes.model.prior_rows import prior_rows
from reebayes.model.unknowns import Floats, Integers
from reebayes.provenance import asked_for, digest_of, provenance
from reebayes.results.contents import (
    DRIFTING,
    LIKELIHOOD,
    LOG_PRIOR,
    OBSERVED,
    PRIOR_ROW,
    dataset,
)
from reebayes.results.description import descriptive_attributes
from reebayes.study import Study
from reebayes.study.targets import BIAS, STEP_GROUPS

_SHORT = ("shared_error", "noise", "noise_of_all", "step_scale", "latents")
"""Draws that are kept in single precision: nobody knows them to more than three digits."""


def draws_dataset(layout: Layout, unit: str, group: str, draws: Mapping[str, Floats]) -> xr.Dataset:
    """Flows, quantities and parameters of one group, from arrays (chain, draw, ...).

    Flows keep every digit, so that the mass balance closes in the file as well; all others are
    known to three digits at best.
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
    arrays = {name: draws[name].astype(np.float32) for name in _SHORT} | {
        "flows": flows,
        "quantities": quantities,
        "bias": draws["bias"].mean(axis=2).astype(np.float32),
        "drifting_bias": draws["bias"][..., drifting].astype(np.float32),
    }
    return dataset(group, unit, arrays, names)


def _drifting(layout: Layout) -> NDArray[np.bool_]:
    """Whether the bias of each reporter changes over the years."""
    rows = layout.rows(BIAS, layout.reporters)
    centres = layout.equations.centres
    still = np.ptp(centres.mean[rows], axis=1) + np.ptp(centres.sd[rows], axis=1) == 0
    return np.asarray((rows < layout.unknowns.varying) | ~still)


def quantity_draws(layout: Layout, flows: Floats, which: Integers | slice = slice(None)) -> Floats:
    """Quantities (..., year, quantity) of flows (..., year, flow); NaN where a ratio is 0/0.

    All of them, or those at the positions ``which``.
    """
    ratio = layout.ratio[which]
    values = flows @ layout.numerators[:, which]
    below = flows @ layout.denominators[:, which][:, ratio]
    with np.errstate(invalid="ignore", divide="ignore"):
        values[..., ratio] = np.where(below > 0, values[..., ratio] / below, np.nan)
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


def log_prior(study: Study, layout: Layout, latents: Floats) -> xr.Dataset:
    """Log prior (chain, draw, prior_row) of the standard normals that each prior row governs."""
    rows = prior_rows(study, layout)
    terms = np.empty((*latents.shape[:2], len(rows)), dtype=np.float32)
    for n, row in enumerate(rows):
        values = latents[..., row.latents].astype(np.float64)
        normal = np.square(values) + math.log(2 * math.pi)
        terms[..., n] = -0.5 * normal.sum(axis=-1)
    names = {
        CHAIN: np.arange(latents.shape[0]),
        DRAW: np.arange(latents.shape[1]),
        PRIOR_ROW: _labels(row.prior.label for row in rows),
    }
    return dataset(LOG_PRIOR, study.unit, {"value": terms}, names)


def likelihood_group(layout: Layout, unit: str, terms: Floats) -> xr.Dataset:
    """The group of log-likelihoods, without records that are as probable in every draw.

    Leave-one-out weights of those have no tail, and ArviZ refuses the group that holds one.
    """
    group = by_record(layout, unit, LIKELIHOOD, terms)
    return group.isel({RECORD: np.ptp(group["value"].values, axis=(0, 1)) > 0})


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
    value = np.where(np.isin(figures.kind, PRINTED), figures.low, np.nan)
    return dataset(OBSERVED, unit, {"value": value}, {RECORD: _labels(layout.records)})


def root_attributes(study: Study, settings: Mapping[str, int]) -> dict[str, Any]:
    """Provenance of a fit: study, seed, settings and versions."""
    asked = asked_for(study.hash, **settings)
    return {
        **provenance(),
        **descriptive_attributes(study),
        **asked,
        "digest": digest_of(asked),
        "unit": study.unit,
        "ci_prob": CI_PROB,
        "settings": json.dumps(dict(study.settings)),
    }


def _labels(values: Iterable[Any]) -> np.ndarray:
    return np.array([str(value) for value in values], dtype=object)
