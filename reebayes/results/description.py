"""The study as it travels with a fit: its tables, its name, what its report shows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import (
    FLOW,
    PROCESS,
    PUBLISHED,
    QUANTITY,
    RECORD,
    SOURCE,
    format_terms,
)
from reebayes.errors import ResultError, StudyError
from reebayes.results.contents import COMPOSITIONS, CONSTANT, PRIOR_ROW, STUDY_FILE, dataset
from reebayes.results.reading import Fit, contents_of
from reebayes.study import Record, Settings, Study, Table, is_study_file, read_stored
from reebayes.study.compositions import sd_against_rest, tables_of_parts
from reebayes.wording import listed


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
        PRIOR_ROW: _labels(prior.label for prior in study.priors),
        STUDY_FILE: _labels(study.texts),
    }
    arrays |= {
        "study_text": _labels(study.texts.values()),
        "variance_floor": study.variance_floor,
    }
    return dataset(CONSTANT, study.unit, arrays, names)


def composition_data(study: Study) -> xr.Dataset:
    """The records that are parts of a composition, in the order of their table."""
    found: dict[int, tuple[float, float]] = {}
    for positions in tables_of_parts(study.records).values():
        parts = [study.records[at] for at in positions]
        whole = sum(part.value or 0.0 for part in parts)
        sds = sd_against_rest([part.error for part in parts])
        found |= {at: (whole, sd) for at, sd in zip(positions, sds, strict=True)}
    rows = [study.records[at] for at in sorted(found)]
    wholes, errors = np.array([found[at] for at in sorted(found)]).reshape(-1, 2).T
    labels = _labels(row.composition for row in rows)
    arrays = {"composition": labels, "whole": wholes, "sd": errors}
    return dataset(COMPOSITIONS, study.unit, arrays, {RECORD: _labels(r.record for r in rows)})


def study_of(fit: Fit) -> Study:
    """Return the study that was fitted, from the tables that travel with its fit.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.

    Returns
    -------
    Study
        With the hash that the fit names. Unverified records are in it if the fit counted them.

    Raises
    ------
    ResultError
        If the fit does not hold them, or they make another study than the one it names.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.study_of(rb.open_fit("results/zinc.nc"))
    >>> study.hash == rb.read_study("zinc").hash
    True
    """
    contents = contents_of(fit)
    constant = contents.group(CONSTANT)
    texts = dict(
        zip(
            constant[STUDY_FILE].values.tolist(),
            constant["study_text"].values.tolist(),
            strict=True,
        )
    )
    with TemporaryDirectory() as folder:
        for name in filter(is_study_file, texts):
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).write_bytes(str(texts[name]).encode())
        try:
            study = read_stored(Path(folder))
        except StudyError as error:
            raise ResultError(f"The tables in the fit are no sound study:\n{error}") from error
    if study.hash != contents.attrs.get("study_hash"):
        raise ResultError("The tables in the fit are not those of the study that it names.")
    return replace(study, path=Path(), extensions=Settings(dict.fromkeys(_extensions(fit), Path())))


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
        lacking = [name for name in _extensions(fit) if name not in study.extensions]
        advice = f" It was fitted with {listed(lacking)}; add them." if lacking else ""
        message = f"This is not a fit of the study {study.name!r} as it stands now.{advice}"
        raise ResultError(message)
    renewed = fit.copy()
    renewed[CONSTANT] = xr.DataTree(constant_data(study))
    renewed.attrs |= descriptive_attributes(study)
    return renewed


def descriptive_attributes(study: Study) -> dict[str, str]:
    """Attributes of a fit that show a study and do not move its posterior."""
    return {
        "study_name": study.name,
        "description_hash": study.description_hash,
        "extensions": json.dumps(list(study.extensions)),
        "report": json.dumps(_report(study)),
        "notes": study.notes.strip(),
        "descriptions": json.dumps(
            {row.quantity: row.description for row in study.labels if row.description}
        ),
    }


def _extensions(fit: Fit) -> list[str]:
    """Names of the extensions that a fit was made with."""
    return [str(name) for name in json.loads(str(contents_of(fit).attrs.get("extensions", "[]")))]


def _report(study: Study) -> dict[str, Any]:
    """Return what a report shows, with the labels of the catalogue where it names none."""
    report = study.report.plain
    labels = {row.quantity: row.label for row in study.labels if row.label}
    labels |= {name: label for name, label in report.get("labels", {}).items() if label}
    return report | ({"labels": labels} if labels else {})


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
        rows, "quantity", "kind", "unit", "reporter", "source", "note", "year", "year_end"
    )
    columns["sd"] = np.array([row.error for row in rows], dtype=float)
    for name in ("value", "low", "high", "other"):
        columns[name] = np.array([figure(row, name) for row in rows], dtype=float)
    printed = [float("nan") if row.value is None else row.value for row in rows]
    return columns | {"printed": np.array(printed, dtype=float)}


def _prior_columns(study: Study) -> dict[str, Any]:
    rows = study.priors
    years = [row.period for row in rows]
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


def _labels(values: Iterable[Any]) -> NDArray[Any]:
    return np.array([str(value) for value in values], dtype=object)
