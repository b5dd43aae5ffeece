"""From draws to the fit file: labelled groups with everything a reader needs to know.

The result explains itself without the study's directory: records, graph, priors and sources
travel with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csc_array

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
from reebayes.model.kernels import CERTAIN, PRINTED, record_terms, with_freedom
from reebayes.model.layout import Layout
from reebayes.model.observations import freedoms
from reebayes.model.prior_rows import PriorRow
from reebayes.model.unknowns import Floats, Integers
from reebayes.provenance import asked_for, digest_of, provenance
from reebayes.results.contents import (
    DRIFTING,
    OBSERVED,
    PRIOR_ROW,
    dataset,
)
from reebayes.results.description import descriptive_attributes
from reebayes.study import Study
from reebayes.study.targets import BIAS, STEP_GROUPS

_SHORT = ("shared_error", "noise", "noise_of_all", "step_scale", "latents")
"""Draws that are kept in single precision: nobody knows them to more than three digits."""

ALIKE = 1e-6
"""Log-likelihoods that differ by less are the same in single precision, as they are stored."""

_TOGETHER = 50
"""Draws whose quantities are computed together: in double precision all would be large."""


def draws_dataset(layout: Layout, unit: str, group: str, draws: Mapping[str, Floats]) -> xr.Dataset:
    """Flows, quantities and parameters of one group, from arrays (chain, draw, ...)."""
    names = draw_names(layout, *draws["flows"].shape[:2])
    return dataset(group, unit, draw_arrays(layout, draws), names)


def draw_names(layout: Layout, chains: int, draws: int) -> dict[str, Any]:
    """Labels of every dimension of draws."""
    drifting = _drifting(layout)
    return {
        CHAIN: np.arange(chains),
        DRAW: np.arange(draws),
        YEAR: list(layout.years),
        FLOW: _labels(layout.flows),
        QUANTITY: _labels(layout.quantities),
        REPORTER: _labels(layout.reporters),
        DRIFTING: _labels(np.array(layout.reporters, dtype=object)[drifting]),
        SHARED: _labels(layout.shared),
        GROUP: _labels(STEP_GROUPS),
        LATENT: _labels(layout.latents),
    }


def draw_arrays(layout: Layout, draws: Mapping[str, Floats]) -> dict[str, Floats]:
    """What a group of draws holds (chain, draw, ...), from what was computed of them.

    Flows keep every digit, so that the mass balance closes in the file as well; all others
    are known to three digits at best.
    """
    flows = draws["flows"]
    quantities = np.empty((*flows.shape[:3], len(layout.quantities)), dtype=np.float32)
    for chain, begin in product(range(flows.shape[0]), range(0, flows.shape[1], _TOGETHER)):
        at = (chain, slice(begin, begin + _TOGETHER))
        quantities[at] = quantity_draws(layout, flows[at])
    found: dict[str, Any] = {name: draws[name] for name in _SHORT} | {
        "bias": draws["bias"].mean(axis=2),
        "drifting_bias": draws["bias"][..., _drifting(layout)],
    }
    short = {name: values.astype(np.float32) for name, values in found.items()}
    return short | {"flows": flows, "quantities": quantities}


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
    values = _weighed(flows, layout.numerators[:, which])
    below = _weighed(flows, layout.denominators[:, which][:, np.flatnonzero(ratio)])
    with np.errstate(invalid="ignore", divide="ignore"):
        values[..., ratio] = np.where(below > 0, values[..., ratio] / below, np.nan)
    return np.asarray(values)


def _weighed(flows: Floats, weights: csc_array) -> Floats:
    """Sums (..., quantity) of flows (..., flow)."""
    used = np.unique(weights.indices)
    if used.size < flows.shape[-1] // 2:  # a copy of few flows, not of all
        flows, weights = flows[..., used], weights[used]
    by_flow = flows.reshape(math.prod(flows.shape[:-1]), flows.shape[-1]) @ weights
    return np.ascontiguousarray(by_flow).reshape(*flows.shape[:-1], weights.shape[1])


def replicate(layout: Layout, draws: Mapping[str, Floats], rng: np.random.Generator) -> Floats:
    """Log figures (chain, draw, record) that each reporter might have printed.

    Of a part of a composition, the log of its ratio to the rest of its table as printed.
    """
    location, figures = draws["location"], layout.equations.figures
    if figures.freedom:
        heavy = freedoms(layout.equations, draws["latents"])[..., None]
        noise = rng.standard_t(heavy, location.shape)
    else:
        noise = rng.standard_normal(location.shape)
    values = location + draws["scale"] * noise
    values[..., figures.kind == CERTAIN] = np.nan
    parts = layout.parts
    if parts.at.size:
        centre, spread = parts.given_rest(location, draws["scale"])
        values[..., parts.at] = centre + spread * rng.standard_normal(centre.shape)
    return np.asarray(values)


def log_likelihood(layout: Layout, draws: Mapping[str, Floats]) -> Floats:
    """Log-likelihood of every record in every draw (chain, draw, record).

    Of a part of a composition given the parts before it, so that all together are that of the
    records.
    """
    location, scale = draws["location"], draws["scale"]
    freedom = freedoms(layout.equations, draws["latents"])
    terms = np.empty_like(location)
    for at in np.ndindex(location.shape[:2]):
        figures = with_freedom(layout.equations.figures, freedom[at])
        terms[at] = record_terms(location[at], scale[at], figures)
    return terms


def part_log_likelihood(layout: Layout, draws: Mapping[str, Floats]) -> Floats:
    """Log-likelihood of every part of a composition given the others (chain, draw, part)."""
    return layout.parts.log_likelihood(draws["location"], draws["scale"])


def log_prior(rows: Sequence[PriorRow], latents: Floats) -> dict[str, Floats]:
    """What the group of log priors holds: of the standard normals that each prior row governs."""
    terms = np.empty((*latents.shape[:2], len(rows)), dtype=np.float32)
    for n, row in enumerate(rows):
        values = latents[..., row.latents].astype(np.float64)
        normal = np.square(values) + math.log(2 * math.pi)
        terms[..., n] = -0.5 * normal.sum(axis=-1)
    return {"value": terms}


def prior_names(rows: Sequence[PriorRow], chains: int, draws: int) -> dict[str, Any]:
    """Labels of every dimension of log priors."""
    return {
        CHAIN: np.arange(chains),
        DRAW: np.arange(draws),
        PRIOR_ROW: _labels(row.prior.label for row in rows),
    }


def informative(terms: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each record says anything of the unknowns, from its terms (chain, draw, record).

    One that does not is as probable in every draw: its quantity is certain, or its bound lies far
    from all of them. Leave-one-out weights of it have no tail, and ArviZ refuses a group that
    holds one.
    """
    return ~(np.ptp(terms, axis=(0, 1)) <= ALIKE)  # what is not a number stays, to be seen


def record_names(
    layout: Layout, chains: int, draws: int, which: NDArray[np.bool_] | Integers | None = None
) -> dict[str, Any]:
    """Labels of every dimension of values by record, or of some of the records."""
    records = np.array(layout.records, dtype=object)
    return {
        CHAIN: np.arange(chains),
        DRAW: np.arange(draws),
        RECORD: _labels(records if which is None else records[which]),
    }


def by_record(values: NDArray[Any]) -> dict[str, Floats]:
    """What a group of values (chain, draw, record) holds: single precision, as they have noise."""
    return {"value": values.astype(np.float32)}


def observed_data(layout: Layout, unit: str) -> xr.Dataset:
    """Printed figures as replicated ones are, such as logs; NaN for bounds."""
    figures = layout.equations.figures
    value = np.where(np.isin(figures.kind, PRINTED), figures.low, np.nan)
    value[layout.parts.at] = layout.parts.log_ratio
    return dataset(OBSERVED, unit, {"value": value}, {RECORD: _labels(layout.records)})


def root_attributes(study: Study, settings: Mapping[str, float]) -> dict[str, Any]:
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
