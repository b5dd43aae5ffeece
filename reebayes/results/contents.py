"""What a fit holds: every group, variable and attribute, described once.

The writer writes by this list, a file is checked by it, readers read by it, and the page "What a
fit holds" is made of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import (
    CHAIN,
    DRAW,
    FLOW,
    GROUP,
    LATENT,
    POSTERIOR,
    PRIOR,
    PROCESS,
    PUBLISHED,
    QUANTITY,
    RECORD,
    REPORTER,
    SHARED,
    SOURCE,
    YEAR,
)
from reebayes.wording import without_per_year

DRIFTING, PRIOR_ROW, RATIO, DISTRIBUTION = "drifting", "prior_row", "ratio", "distribution"
STUDY_FILE = "study_file"

STUDY_UNIT, SUM_UNIT = "unit of the study", "unit of the study, without /yr"
LOG, MULTIPLIER, NONE = "log scale", "multiplier", ""

NUMBER, TEXT, TRUTH = "number", "text", "true or false"

BAND_PROBS = (0.5, 0.8, 0.9, 0.95)
"""Probabilities of the bands that a fit's file holds."""

BANDS, OBSERVED, CONSTANT, STATS = "bands", "observed_data", "constant_data", "sample_stats"
LIKELIHOOD, LOG_PRIOR = "log_likelihood", "log_prior"
COMPOSITIONS, PART_LIKELIHOOD = "compositions", "log_likelihood_of_parts"
PREDICTIVE, PRIOR_PREDICTIVE = f"{POSTERIOR}_predictive", f"{PRIOR}_predictive"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of one group.

    Parameters
    ----------
    name : str
    dims : tuple of str
    unit : str
    meaning : str
        What it is, as a sentence.
    holds : str
        ``number``, ``text`` or ``true or false``.
    probability : float, optional
        Probability inside the band of which it is an end.
    """

    name: str
    dims: tuple[str, ...]
    unit: str
    meaning: str
    holds: str = NUMBER
    probability: float | None = None

    def attributes(self, unit: str) -> dict[str, str | float]:
        """Return its attributes in a fit of a study that counts in `unit`."""
        known = {STUDY_UNIT: unit, SUM_UNIT: without_per_year(unit)}
        attributes: dict[str, str | float] = {"long_name": self.meaning}
        if self.unit:
            attributes["units"] = known.get(self.unit, self.unit)
        if self.probability is not None:
            attributes |= {"probability": self.probability, "interval": "equal-tailed"}
        return attributes


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a fit.

    Parameters
    ----------
    name : str
    meaning : str
        What it is, as a sentence.
    variables : tuple of Variable
    needed : bool
        Whether readers cannot do without it; a fit that was just made has all groups.
    """

    name: str
    meaning: str
    variables: tuple[Variable, ...]
    needed: bool = False


def _band_variables(what: str, dim: str, unit: str, sum_unit: str) -> Iterator[Variable]:
    """Medians and bands of flows, quantities or ratios, by year and over all years."""
    by_year, over_years = (DISTRIBUTION, YEAR, dim), (DISTRIBUTION, dim)
    total = "ratio of the sums" if unit == RATIO else "sum"
    for middle, dims, in_unit, text in (
        ("", by_year, unit, "by year"),
        ("_sum", over_years, sum_unit, f"of the {total} over all years"),
    ):
        yield Variable(f"{what}{middle}_median", dims, in_unit, f"Median {text}.")
        for prob in BAND_PROBS:
            for end in ("lower", "upper"):
                name = f"{what}{middle}_{end}_{round(100 * prob)}"
                meaning = f"{end.capitalize()} end of the equal-tailed {prob:.0%} band {text}."
                yield Variable(name, dims, in_unit, meaning, probability=prob)


_BY_DRAW, _BY_YEAR = (CHAIN, DRAW), (CHAIN, DRAW, YEAR)

DRAWS = (
    Variable("flows", (*_BY_YEAR, FLOW), STUDY_UNIT,
             "Flows; inflow equals outflow in every draw. Zero in years without the flow."),
    Variable("quantities", (*_BY_YEAR, QUANTITY), "quantity_unit",
             "Named sums of flows and ratios of them; a ratio of nothing to nothing is NaN."),
    Variable("bias", (*_BY_DRAW, REPORTER), LOG,
             "Reporters' biases; of one that drifts, its mean over the years."),
    Variable("drifting_bias", (*_BY_YEAR, DRIFTING), LOG,
             "Biases by year of the reporters whose bias changes over the years."),
    Variable("shared_error", (*_BY_DRAW, SHARED), LOG,
             "Correlated (common) systematic errors: each shifts all records that name it; of one "
             "that moves, its mean over the years."),
    Variable("noise", (*_BY_DRAW, REPORTER), MULTIPLIER,
             "What multiplies the part of a reporter's stated errors that is not the floor."),
    Variable("noise_of_all", _BY_DRAW, MULTIPLIER,
             "The part of the noise that all reporters have in common."),
    Variable("step_scale", (*_BY_DRAW, GROUP), MULTIPLIER,
             "What multiplies the stated year-to-year steps of a group of series."),
    Variable("latents", (*_BY_DRAW, LATENT), "standard normal before the records",
             "The unknowns that were sampled."),
)  # fmt: skip
"""Variables of the draws: of the posterior, and of the prior."""

_REPLICAS = (
    Variable("value", (*_BY_DRAW, RECORD), "log of the study's unit, or of a ratio",
             "What the reporter of each record might have printed; of a part of a composition, the "
             "log of its ratio to the rest of its table as printed."),
)  # fmt: skip


def _of(
    dim: str, texts: Mapping[str, str], numbers: Mapping[str, tuple[str, str]]
) -> Iterator[Variable]:
    """Columns of one table of the study, by row."""
    for name, meaning in texts.items():
        yield Variable(f"{dim}_{name}", (dim,), NONE, meaning, TEXT)
    for name, (unit, meaning) in numbers.items():
        yield Variable(f"{dim}_{name}", (dim,), unit, meaning)


_STATED = {
    "value": (STUDY_UNIT, "Figure in the unit of the study; NaN where there is none."),
    "low": (STUDY_UNIT, "Lower bound in the unit of the study."),
    "high": (STUDY_UNIT, "Upper bound in the unit of the study."),
}
_SPAN = {"year": (NONE, "Year, or the first of several."), "year_end": (NONE, "Last year.")}

TABLES = (
    *_of(
        RECORD,
        {
            "quantity": "Quantity that it observes.",
            "kind": "Kind of record.",
            "unit": "Unit as printed.",
            "reporter": "Who reports it.",
            "source": "Source that printed it.",
            "note": "What a reader must know.",
        },
        _SPAN
        | _STATED
        | {
            "other": (STUDY_UNIT, "Alternative value of an ambiguous figure."),
            "printed": (NONE, "Figure as printed."),
            "sd": (LOG, "Stated standard error."),
        },
    ),
    *_of(
        FLOW,
        {
            "source": "Process that it leaves.",
            "target": "Process that it enters.",
            "product": "What flows.",
            "label": "Name for readers.",
        },
        {},
    ),
    Variable("flow_registered", (FLOW,), NONE, "Whether a register is meant to count it.", TRUTH),
    *_of(PROCESS, {"kind": "Kind of process.", "region": "Region.", "label": "Name."}, {}),
    *_of(
        SOURCE,
        {"citation": "Full citation.", "url": "Address.", "licence": "Licence."},
        {"year": (NONE, "Year of publication; NaN if it has none.")},
    ),
    *_of(
        QUANTITY,
        {"terms": "Flows that it adds up.", "unit": "Its unit, or `ratio`."},
        {},
    ),
    *(
        Variable(f"prior_{name}", (PRIOR_ROW,), unit, meaning, holds)
        for name, unit, meaning, holds in (
            ("target", NONE, "What the prior is about.", TEXT),
            ("years", NONE, "Years for which it holds; empty for all.", TEXT),
            ("distribution", NONE, "Its form.", TEXT),
            ("median", "prior_unit", "Its median.", NUMBER),
            ("sd", "log or log-odds scale", "Its standard deviation.", NUMBER),
            ("step", "log or log-odds scale", "Change between years; NaN if none.", NUMBER),
            ("unit", NONE, "Unit of the median.", TEXT),
            ("source", NONE, "Source or judgement.", TEXT),
        )
    ),
    *_of(
        PUBLISHED,
        {
            "quantity": "Quantity that it is about.",
            "kind": "Kind of estimate.",
            "source": "Source that printed it.",
            "note": "What a reader must know.",
            "why": "Why it differs from the fit.",
        },
        _SPAN | _STATED,
    ),
    Variable("study_text", (STUDY_FILE,), NONE,
             "Text of every file of the study: written to a directory, they are that study.", TEXT),
    Variable("variance_floor", (), "share of the stated variance",
             "Variance floor: the part of every stated variance that noise leaves as it is."),
)  # fmt: skip
"""Variables of the tables that travel with a fit."""

_STATISTICS = (
    Variable("diverging", _BY_DRAW, NONE, "Whether a transition to the draw diverged.", TRUTH),
    Variable("maxdepth_reached", _BY_DRAW, NONE, "Whether a tree to it was cut off.", TRUTH),
    Variable("n_steps", _BY_DRAW, "gradients", "Mean gradients a transition to it."),
    Variable("depth", _BY_DRAW, NONE, "Depth of its tree."),
    Variable("energy", _BY_DRAW, NONE, "Energy."),
    Variable("logp", _BY_DRAW, NONE, "Log density, up to a constant."),
    Variable("step_size", _BY_DRAW, NONE, "Step size."),
    Variable("mean_tree_accept", _BY_DRAW, NONE, "Mean acceptance in its tree."),
)

GROUPS: Mapping[str, Group] = {
    group.name: group
    for group in (
        Group(POSTERIOR, "Draws after the records.", DRAWS, needed=True),
        Group(PRIOR, "Draws before the records.", DRAWS),
        Group(PREDICTIVE, "What records would say, drawn from the posterior.", _REPLICAS),
        Group(PRIOR_PREDICTIVE, "What records would say, drawn from the prior.", _REPLICAS),
        Group(
            LIKELIHOOD,
            "How probable each record is in each draw. A record that is as probable in every draw, "
            "because it carries no information, is not among them. A part of a composition is as "
            "probable as it is given the parts before it in its table, so that the first of them "
            "is not among them either, and all together are as probable as the records are.",
            (Variable("value", (*_BY_DRAW, RECORD), "log density", "Log-likelihood."),),
        ),
        Group(
            PART_LIKELIHOOD,
            "How probable each part of a composition is in each draw, given all other parts of its "
            "table: what is lost if the part is left out. Missing where no record is a part.",
            (Variable("value", (*_BY_DRAW, RECORD), "log density", "Log-likelihood."),),
        ),
        Group(
            COMPOSITIONS,
            "Records that are parts of a composition. Missing where none is.",
            (
                Variable("composition", (RECORD,), NONE, "Name of its table.", TEXT),
                Variable("whole", (RECORD,), NONE, "Sum of the printed parts of its table."),
                Variable(
                    "sd",
                    (RECORD,),
                    LOG,
                    "Stated standard error of the log of its ratio to the rest of its table.",
                ),
            ),
        ),
        Group(
            LOG_PRIOR,
            "How probable the unknowns that each prior row governs are in each draw.",
            (
                Variable(
                    "value",
                    (*_BY_DRAW, PRIOR_ROW),
                    "log density",
                    "Log prior of their standard normals; a constant of several periods counts "
                    "with the first.",
                ),
            ),
        ),
        Group(
            OBSERVED,
            "Printed figures as the model sees them.",
            (
                Variable(
                    "value",
                    (RECORD,),
                    "log of the study's unit, or of a ratio",
                    "Log of the figure, or of the ratio of a part of a composition to the rest of "
                    "its table; NaN for bounds.",
                ),
            ),
        ),
        Group(CONSTANT, "The tables of the study.", TABLES, needed=True),
        Group(STATS, "Statistics of the sampler, by kept draw.", _STATISTICS),
        Group(
            BANDS,
            "Credible intervals, to be read without the draws.",
            (
                *_band_variables("flows", FLOW, STUDY_UNIT, SUM_UNIT),
                *_band_variables("quantities", QUANTITY, STUDY_UNIT, SUM_UNIT),
                *_band_variables("ratios", RATIO, RATIO, RATIO),
            ),
        ),
    )
}
"""Every group of a fit, by name."""

ATTRIBUTES: Mapping[str, tuple[type, str]] = {
    "study_name": (str, "Name of the study."),
    "study_hash": (str, "Digest of all that the posterior depends on."),
    "description_hash": (str, "Digest of what is shown beside it and does not move it."),
    "extensions": (list, "Names of the extensions that are in the study (JSON)."),
    "unit": (str, "Unit of flows."),
    "ci_prob": (float, "Probability inside bands unless they say another."),
    "settings": (dict, "Settings of the model (JSON)."),
    "report": (dict, "What a report shows (JSON)."),
    "notes": (str, "What the study says of itself."),
    "descriptions": (dict, "What each quantity counts, by name (JSON)."),
    "seed": (int, "Seed of the draws."),
    "draws": (int, "Kept draws a chain."),
    "tune": (int, "Tuning transitions a chain."),
    "chains": (int, "Independent chains."),
    "target_accept": (float, "Mean acceptance that steps were tuned for, at the first try."),
    "digest": (str, "Digest of study, seed, settings, code and packages: what was asked for."),
    "reebayes_version": (str, "Version of the package."),
    "code_hash": (str, "Digest of the code that a fit depends on."),
    "versions": (dict, "Versions of Python and of the packages beneath (JSON)."),
    "fit_format": (int, "Form of the file."),
    "created": (str, "When it was made (UTC)."),
    "converged": (str, "`yes`, or `no`: then nothing may be cited."),
    "verdict": (str, "The convergence verdict in a sentence."),
    "failing": (list, "Names of what did not converge (JSON)."),
    "rhat_max": (float, "Largest R-hat."),
    "ess_bulk_min": (float, "Smallest bulk effective sample size."),
    "ess_tail_min": (float, "Smallest tail effective sample size."),
    "divergences": (int, "Divergent transitions."),
    "tries": (int, "2 if transitions of a first run diverged, and these are of a second one."),
    "bfmi_min": (float, "Smallest E-BFMI."),
    "saturated_fraction": (float, "Share of trees that were cut off."),
    "gradients_per_draw": (float, "Mean gradients a transition."),
    "directions": (dict, "How many directions of the unknowns the records see (JSON)."),
    "wall_seconds": (dict, "Where the time went (JSON)."),
}
"""Attributes at the root of a fit: the type of each, and what it says."""

_TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    dict: "JSON of names and values",
    list: "a JSON list",
}

_KINDS = {NUMBER: "biuf", TEXT: "OUST", TRUTH: "bi"}

# Dimensions that have the same names in several groups.
_TOGETHER = (
    (
        (YEAR, FLOW, QUANTITY, REPORTER, DRIFTING, SHARED, GROUP, LATENT),
        (POSTERIOR, PRIOR, CONSTANT, PREDICTIVE, PRIOR_PREDICTIVE, LIKELIHOOD, OBSERVED),
    ),
    ((RECORD,), (CONSTANT, PREDICTIVE, PRIOR_PREDICTIVE, OBSERVED)),
    ((PRIOR_ROW,), (CONSTANT, LOG_PRIOR)),
    ((RECORD,), (PART_LIKELIHOOD, COMPOSITIONS)),
    (_BY_DRAW, (POSTERIOR, LIKELIHOOD, PART_LIKELIHOOD, LOG_PRIOR, STATS)),
)


def dataset(
    group: str, unit: str, arrays: Mapping[str, Any], names: Mapping[str, Any]
) -> xr.Dataset:
    """Return one group of a fit, with dims, units and meanings as this list has them.

    Parameters
    ----------
    group : str
        One of `GROUPS`.
    unit : str
        Unit of the study.
    arrays : mapping of name to array
        Every variable of the group.
    names : mapping of dim to labels

    Returns
    -------
    Dataset
    """
    known = {variable.name: variable for variable in GROUPS[group].variables}
    variables = {
        name: (known[name].dims, values, known[name].attributes(unit))
        for name, values in arrays.items()
    }
    return xr.Dataset(variables, coords=dict(names))


def differences(fit: xr.DataTree) -> list[str]:
    """Return where a fit and this list differ: what only one of them names, or dims that differ.

    A group may be missing, but not be there in part.
    """
    found = [f"group {name}" for name in fit.children if name not in GROUPS]
    for name, group in GROUPS.items():
        if name not in fit.children:
            found += [f"group {name}, which is missing"] if group.needed else []
            continue
        there = fit.children[name].to_dataset()
        known = {variable.name for variable in group.variables}
        found += [f"{name}/{other}" for other in there.data_vars if other not in known]
        found += _faults(group, there)
    return [text for text in found if text]


def missing(fit: xr.DataTree, *, whole: bool = True) -> list[str]:
    """Return what readers need and a fit does not hold, or not in the right form.

    Of a fit that need not be whole, only what is there is looked at.
    """
    found = [] if "study_name" in fit.attrs else ["the attribute study_name"]
    for name, group in GROUPS.items():
        if name in fit.children:
            there = fit.children[name].to_dataset()
            found += _faults(group, there, whole=whole)
        elif group.needed and whole:
            found += [f"{name}/{variable.name}" for variable in group.variables]
    return [text for text in found if text]


def odd_attributes(fit: xr.DataTree) -> list[str]:
    """Return which attributes at the root of a fit are not of their type, and what they must be."""
    return [
        f"{name}, which must be {_TYPE_NAMES[kind]}"
        for name, (kind, _) in ATTRIBUTES.items()
        if name in fit.attrs and not _is_of(fit.attrs[name], kind)
    ]


def cut_unevenly(fit: xr.DataTree) -> list[str]:
    """Return in which groups a dimension has other names than in the first that has it."""
    found = []
    for dims, groups in _TOGETHER:
        there = [(name, fit.children[name].indexes) for name in groups if name in fit.children]
        for dim in dims:
            having = [(name, indexes[dim]) for name, indexes in there if dim in indexes]
            found += [
                f"{dim} in {name}" for name, index in having if not index.equals(having[0][1])
            ]
    return found


def _faults(group: Group, there: xr.Dataset, *, whole: bool = True) -> list[str]:
    """Say what is wrong with each variable of a group, or each that is there; empty if nothing."""
    indexes = there.indexes  # made anew whenever it is asked for
    return [
        _fault(f"{group.name}/{variable.name}", variable, there.variables, indexes)
        for variable in group.variables
        if whole or variable.name in there.variables
    ]


def _fault(
    place: str,
    variable: Variable,
    there: Mapping[Any, xr.Variable],
    indexes: Mapping[Any, pd.Index],
) -> str:
    if variable.name not in there:
        return place
    found = there[variable.name]
    if found.dims != variable.dims or any(dim not in indexes for dim in found.dims):
        return f"{place} by {', '.join(variable.dims)}"
    if found.size and found.dtype.kind not in _KINDS[variable.holds]:
        return f"{place} as {variable.holds}"
    if any(indexes[dim].has_duplicates for dim in found.dims):
        return f"{place} with each name once"
    if YEAR in variable.dims and not _is_span(indexes[YEAR]):
        return f"{place} with years one after another"
    draws = variable.dims[:2] == _BY_DRAW
    if draws and not (found.sizes[CHAIN] and found.sizes[DRAW]):
        return f"a value of {place}"
    return ""


def _is_span(years: pd.Index) -> bool:
    """Return whether years are whole numbers without a gap, and at least one."""
    if years.dtype.kind not in "iu" or not len(years):
        return False
    return years.tolist() == list(range(years[0], years[-1] + 1))


def _is_of(value: object, kind: type) -> bool:
    """Return whether an attribute is of a type; of more than one value, whether it is such JSON."""
    if kind in (dict, list):
        return isinstance(_json(value), kind)
    if kind is str:
        return isinstance(value, str)
    whole = isinstance(value, int | np.integer)
    return whole or (kind is float and isinstance(value, float | np.floating))


def _json(text: object) -> object:
    try:
        return json.loads(str(text))
    except (ValueError, RecursionError):
        return None
