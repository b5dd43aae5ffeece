"""Records as sums of flows, with their errors and printed figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

from reebayes.model.compositions import Contrasts
from reebayes.model.kernels import (
    CERTAIN,
    EITHER,
    LOWER,
    PART,
    POINT,
    PRINTED,
    RANGE,
    UPPER,
    Equations,
    Errors,
    Figures,
    Rows,
    Sums,
    weigh,
)
from reebayes.model.unknowns import Floats, Unknowns, has_heavy_tails, rows_by_target
from reebayes.study import Flow, Prior, Record, Study
from reebayes.study.kinds import (
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    FIGURE,
    MEAN,
    SIGNED,
    KindReader,
    kind_of,
)
from reebayes.study.targets import (
    BIAS,
    ERROR_FREEDOM,
    EVERY,
    NOISE,
    NOISE_OF_ALL,
    NOISE_SPREAD,
    SHARED,
    Target,
    targets_in,
)

_code_of = KindReader(
    "score of a record in the model",
    # A signed figure differs in what it observes (`Sums.plain`), not in how it is scored.
    {FIGURE: POINT, AT_MOST: UPPER, AT_LEAST: LOWER, BETWEEN: RANGE, SIGNED: POINT},
)


def quantity_weights(study: Study, flows: Sequence[str]) -> tuple[csc_array, csc_array]:
    """Return weights (flow, quantity) of the numerators and of the denominators."""
    return (
        _quantity_weights([quantity.numerator for quantity in study.quantities], flows),
        _quantity_weights([quantity.denominator for quantity in study.quantities], flows),
    )


def _quantity_weights(
    sums: Sequence[Sequence[tuple[str, float]]], flows: Sequence[str]
) -> csc_array:
    position = {name: n for n, name in enumerate(flows)}
    entries = [
        (position[name], column, weight)
        for column, terms in enumerate(sums)
        for name, weight in terms
    ]
    row, column, weight = (
        (np.array(values) for values in zip(*entries, strict=True))
        if (entries)
        else (np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    )
    table = coo_array((weight.astype(float), (row, column)), shape=(len(flows), len(sums)))
    return csc_array(table)


def sums_of(study: Study, columns: Sequence[str], contrasts: Contrasts) -> Sums:
    """Return which flows and levels each record adds up, and what it is seen against."""
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
        plain=np.array([kind_of(r.kind).is_signed for r in study.records], dtype=np.bool_),
        against=_packed(contrasts.against),
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
    if kind_of(record.kind).years == MEAN and not quantity.is_ratio:
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
    """Positions in the flat (column, year) array: a reporter's mean bias, and common errors."""
    years = _span(record)
    first = position[str(Target(BIAS, record.reporter))] * len(study.years) - study.first_year
    shifts = {first + year: 1.0 / len(years) for year in years}
    for target, sign in record.common.items():
        start = position[target] * len(study.years) - study.first_year
        if Target.parse(target).group == SHARED and _is_still(study, target):
            shifts[start + study.first_year] = sign
        else:
            shifts |= {start + year: sign / len(years) for year in years}
    return shifts


def _is_still(study: Study, target: str) -> bool:
    """Return whether an error is one number for all years."""
    rows = study.priors.rows(target)
    return len(rows) == 1 and rows[0].step is None


def errors_of(study: Study, unknowns: Unknowns, contrasts: Contrasts) -> Errors:
    """Return the scales of records, and the priors of the noise that moves them."""
    rows = rows_by_target(study)
    every = rows.get(str(Target(NOISE, EVERY)), [])
    noise = [rows.get(target, every) for target in targets_in(NOISE, study.reporters)]
    noise.append(rows.get(str(NOISE_OF_ALL), []))
    reporter = {name: n for n, name in enumerate(study.reporters)}
    stretch, tail = rows.get(str(NOISE_SPREAD), []), rows.get(str(ERROR_FREEDOM), [])
    return Errors(
        floor=np.array([study.variance_floor]),
        noise_start=np.array([unknowns.scales_start]),
        noise_mean=np.array([math.log(row[0].median) if row else 0.0 for row in noise]),
        noise_sd=np.array([row[0].sd if row else 0.0 for row in noise]),
        record_sd=contrasts.sd,
        reporter=np.array([reporter[r.reporter] for r in study.records], dtype=np.int64),
        stretch=_on_log(stretch),
        stretch_at=unknowns.learnt_at(NOISE_SPREAD),
        tail=_on_log(tail),
        tail_at=unknowns.learnt_at(ERROR_FREEDOM),
    )


def _on_log(rows: Sequence[Prior]) -> Floats:
    """Centre and spread of the log of what a row is about; 0 where there is none."""
    return np.array([math.log(rows[0].median), rows[0].sd] if rows else [0.0, 0.0])


def log_noises(errors: Errors, latents: NDArray[Any]) -> Floats:
    """Logs (..., reporter) of the noise of every reporter alone, then that of all of them.

    Parameters
    ----------
    errors : Errors
    latents : array (..., latent)
    """
    begin, count = errors.noise_start[0], errors.noise_sd.size
    spread = np.tile(errors.noise_sd, (*latents.shape[:-1], 1))
    stretch = errors.stretch[0]
    if errors.stretch_at.size:
        stretch = stretch + errors.stretch[1] * latents[..., errors.stretch_at]
    spread[..., :-1] *= np.exp(stretch)
    return np.asarray(errors.noise_mean + spread * latents[..., begin : begin + count])


def figures_of(study: Study, certain: NDArray[np.bool_], contrasts: Contrasts) -> Figures:
    """Figures in the unit of the study, on the scale of what records observe.

    ``low`` holds the value of an ambiguous one, and of a part of a composition what it is beside
    the parts that it is seen against.
    """
    records = study.records
    kind = np.array([_kind_code(record) for record in records], dtype=np.int64)
    kind[contrasts.parts] = PART
    kind[certain] = CERTAIN
    kind[contrasts.first] = CERTAIN
    printed = np.isin(kind, PRINTED)
    value, other = _figures(records, "value"), _figures(records, "other")
    value = value - weigh(value, _packed(contrasts.against))
    return Figures(
        kind=kind,
        low=np.where(printed, value, _figures(records, "low")),
        high=np.where(printed, other, _figures(records, "high")),
        freedom=freedom_of_study(study) if has_heavy_tails(study) else 0.0,
    )


def freedom_of_study(study: Study) -> float:
    """Degrees of freedom of heavy-tailed errors: the median of their prior, or as they are set."""
    prior = rows_by_target(study).get(str(ERROR_FREEDOM), [])
    return float(prior[0].median if prior else study.settings.get("degrees_of_freedom", 5))


def with_errors(equations: Equations, freedom: float) -> Equations:
    """Return the equations with errors of set degrees of freedom; normal ones if they are 0."""
    nowhere = np.array([], dtype=np.int64)
    return equations._replace(
        errors=equations.errors._replace(tail_at=nowhere),
        figures=equations.figures._replace(freedom=freedom),
    )


def learnt_logs(errors: Errors, latents: NDArray[Any]) -> dict[str, Floats]:
    """Logs (...) of what is learnt of errors beside noise, by the target of its prior.

    Parameters
    ----------
    errors : Errors
    latents : array (..., latent)
    """
    learnt = (
        (NOISE_SPREAD, errors.stretch, errors.stretch_at),
        (ERROR_FREEDOM, errors.tail, errors.tail_at),
    )
    return {
        str(target): np.asarray(centre + spread * latents[..., at[0]])
        for target, (centre, spread), at in learnt
        if at.size
    }


def freedoms(equations: Equations, latents: NDArray[Any]) -> Floats:
    """Degrees of freedom of the errors of figures in draws (..., latent); 0 where they are normal.

    Parameters
    ----------
    equations : Equations
    latents : array (..., latent)
    """
    errors = equations.errors
    if not errors.tail_at.size:
        return np.full(latents.shape[:-1], equations.figures.freedom)
    learnt = latents[..., errors.tail_at[0]].astype(np.float64)
    return np.asarray(np.exp(errors.tail[0] + errors.tail[1] * learnt))


def _kind_code(record: Record) -> int:
    code = _code_of(record.kind)
    return EITHER if code == POINT and record.other is not None else code


def _figures(records: Iterable[Record], field: str) -> Floats:
    """Printed figures in the unit of the study, as logs but for signed ones; 0 if there is none."""
    figures = []
    for record in records:
        printed = (getattr(record, field) or 0.0) * record.scale
        plain = kind_of(record.kind).is_signed or not printed
        figures.append(printed if plain else math.log(printed))
    return np.array(figures)
