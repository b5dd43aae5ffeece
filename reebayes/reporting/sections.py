"""The sections of a report: what each shows, as text and numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.answers.contraction import contraction_text, label_spans
from reebayes.answers.drivers import (
    SHOWN,
    Lessons,
    expected_text,
    khat_text,
    pull_text,
    stated_text,
    z_text,
)
from reebayes.conventions import GATE, POSTERIOR, PRIOR, QUANTITY, RATIO_UNITS, YEAR
from reebayes.reporting.plan import Plan
from reebayes.results.contents import group_of
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands, cumulative, probability_above
from reebayes.wording import format_band, format_value, without_per_year

GATE_LABELS = {
    "rhat_max": "Largest R-hat",
    "ess_bulk_min": "Smallest bulk effective sample size",
    "ess_tail_min": "Smallest tail effective sample size",
    "divergences": "Divergent transitions",
    "bfmi_min": "Smallest E-BFMI",
    "saturated_fraction": "Share of saturated trees",
}


def _ratios(fit: xr.DataTree) -> set[str]:
    units = group_of(fit, "constant_data")["quantity_unit"].to_series().astype(str)
    return {str(name) for name in units.index[units.isin(RATIO_UNITS)]}


def _convergence(fit: xr.DataTree) -> dict[str, Any]:
    rows = [
        (GATE_LABELS[key], f"{float(fit.attrs[key]):.4g}", f"{sense} {limit:g}")
        for key, (sense, limit) in GATE.items()
        if key in fit.attrs
    ]
    return {
        "passed": fit.attrs.get("converged") == "yes",
        "verdict": fit.attrs.get("verdict", ""),
        "rows": rows,
        "failing": json.loads(str(fit.attrs.get("failing", "[]"))),
    }


def _text(da: xr.DataArray) -> str:
    band = bands(da)
    return format_band(*(float(band[name]) for name in ("median", "lower", "upper")))


def _headline_row(fit: xr.DataTree, plan: Plan, name: str, ratio: bool) -> dict[str, str]:
    row = {"label": plan.label(name), "name": name}
    for group in shown_groups(fit):
        draws = quantity(fit, name, group=group)
        row["unit"] = str(draws.attrs["units"])
        row["unit_total"] = "" if ratio else without_per_year(row["unit"])
        row[f"{group}_total"] = "–" if ratio else _text(cumulative(draws))
        row[f"{group}_last"] = _text(draws.isel({YEAR: -1}))
    return {"prior_total": "–", "prior_last": "–"} | row


def _exceeding(fit: xr.DataTree, plan: Plan, name: str) -> Iterable[dict[str, str]]:
    totals = {group: cumulative(quantity(fit, name, group=group)) for group in shown_groups(fit)}
    thresholds = plan.exceeds.get(name) or _round_numbers(
        float(totals[shown_groups(fit)[-1]].median())
    )
    for x in thresholds:
        shares = {g: _percent(float(probability_above(da, x))) for g, da in totals.items()}
        yield {
            "label": plan.label(name),
            "threshold": f"{x:,.10g} {totals[POSTERIOR].attrs['units']}",
            "prior": "–",
        } | shares


def _percent(share: float) -> str:
    """A share of draws: a finite number of them never shows that something is certain."""
    if share < 0.01:
        return "<1 %"
    return ">99 %" if share > 0.99 else f"{100 * share:.0f} %"


def shown_groups(fit: xr.DataTree) -> list[str]:
    """Groups to show: the posterior, then the prior if the file has one."""
    return [group for group in (POSTERIOR, PRIOR) if group in fit.children]


def _round_numbers(centre: float) -> list[float]:
    """Three numbers of the 1-2-5 series about a centre."""
    if not centre > 0:
        return [0.0]
    series = [m * 10.0**e for e in range(-6, 10) for m in (1, 2, 5)]
    nearest = int(np.argmin([abs(math.log(x / centre)) for x in series]))
    return series[max(0, nearest - 1) : nearest + 2]


def _lessons(lessons: Lessons, plan: Plan) -> dict[str, Any]:
    """What the headline figures rest on."""
    return {
        "verdict": lessons.verdict,
        "ridge": lessons.ridge,
        "rows": [_learnt_row(lessons.yearly, lessons.sums, plan, name) for name in lessons.names]
        if lessons.yearly is not None
        else [],
        "moves": [
            row
            for name, table in lessons.records.items()
            for row in _moves(table, plan.label(name))
        ],
        "disagreements": _disagreements(lessons.disagreement),
    }


def _learnt_row(
    yearly: xr.Dataset, sums: xr.Dataset | None, plan: Plan, name: str
) -> dict[str, Any]:
    one = yearly.sel({QUANTITY: name})
    total = None
    if sums is not None and name in sums[QUANTITY].values:
        total = _learnt_cell(sums.sel({QUANTITY: name}))
    return {
        "label": plan.label(name),
        "cells": [_learnt_cell(one.sel({YEAR: year})) for year in one[YEAR].values],
        "total": total,
        "spans": label_spans(one["label"]),
    }


def _learnt_cell(one: xr.Dataset) -> tuple[str, str, str]:
    """Style, text and label of one value."""
    label = str(one["label"].item())
    text = contraction_text(one["contraction"].item(), one["shift"].item())
    return label.replace(" ", "-"), text, label


def _moves(table: pd.DataFrame, label: str) -> Iterable[dict[str, str]]:
    for record, row in table.head(SHOWN).iterrows():
        yield {
            "label": label,
            "record": str(record),
            "observes": f"{row['quantity']} {_years(row['year'], row['year_end'])}",
            "reporter": str(row["reporter"]),
            "pull": f"{pull_text(row)} {row['unit']}",
            "khat": khat_text(row),
        }


def _years(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def _disagreements(table: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "record": str(record),
            "observes": f"{row['quantity']} {_years(row['year'], row['year_end'])}",
            "reporter": str(row["reporter"]),
            "stated": stated_text(row),
            "expected": expected_text(row),
            "z": z_text(row),
        }
        for record, row in table.head(SHOWN).iterrows()
    ]


def _yearly_table(fit: xr.DataTree, plan: Plan) -> list[dict[str, Any]]:
    draws = quantity(fit, list(plan.table)).sel({YEAR: list(plan.table_years)})
    band = bands(draws).transpose(QUANTITY, YEAR)
    units = group_of(fit, "constant_data")["quantity_unit"].sel({QUANTITY: list(plan.table)})
    values = np.stack([band[name].values for name in ("median", "lower", "upper")], axis=-1)
    return [
        {"label": plan.label(name), "name": name, "unit": str(unit), "cells": map(_cell, row)}
        for name, unit, row in zip(plan.table, units.values, values.tolist(), strict=True)
    ]


def _cell(band: Sequence[float]) -> tuple[str, str]:
    median, lower, upper = band
    if math.isnan(median) or median == lower == upper == 0:
        return "–", ""
    return format_value(median), f"{format_value(lower)} to {format_value(upper)}"


def _record_rows(records: pd.DataFrame, sources: list[str], unit: str) -> list[dict[str, Any]]:
    rows: Iterable[Any] = records.itertuples()
    return [
        {
            "quantity": row.quantity,
            "years": _years(row.year, row.year_end),
            "kind": row.kind,
            "printed": _printed(row, without_per_year(unit)),
            "predicted": format_band(
                row.predicted_median, row.predicted_lower, row.predicted_upper
            ),
            "outside": bool(row.outside),
            "reporter": row.reporter,
            "source": row.source,
            "source_number": sources.index(row.source) if row.source in sources else None,
            "note": row.note,
        }
        for row in rows
    ]


def _printed(row: Any, unit: str) -> str:
    """Figure as the source prints it; bounds in the study's unit."""
    unit = row.unit if row.unit in RATIO_UNITS else unit
    low, high = format_value(row.low), format_value(row.high)
    bounds = {
        "upper": f"at most {high} {unit}",
        "lower": f"at least {low} {unit}",
        "range": f"{low} to {high} {unit}",
        "zero": f"0 (less than {high} {unit})",
    }
    return bounds.get(row.kind) or f"{row.printed:,.8g} {row.unit}"


def _source_rows(sources: pd.DataFrame, records: pd.DataFrame) -> list[dict[str, Any]]:
    counts = records["source"].value_counts()
    return [
        {
            "number": number,
            "source": row.Index,
            "citation": row.citation,
            "url": row.url if str(row.url).startswith(("https://", "http://")) else "",
            "licence": row.licence,
            "records": int(counts.get(str(row.Index), 0)),
        }
        for number, row in enumerate(sources.itertuples())
    ]


def _provenance(fit: xr.DataTree) -> list[tuple[str, str]]:
    names = {
        "reebayes_version": "reebayes",
        "created": "Fitted",
        "study_hash": "Study hash",
        "seed": "Seed",
        "chains": "Chains",
        "draws": "Draws a chain",
        "tune": "Tuning draws a chain",
        "gradients_per_draw": "Gradients a draw",
    }
    rows = [(text, str(fit.attrs[key])) for key, text in names.items() if key in fit.attrs]
    nested = {"settings": "Settings", "wall_seconds": "Wall time, s", "versions": "Packages"}
    for key, text in nested.items():
        items = json.loads(str(fit.attrs.get(key, "{}")))
        pairs = (f"{name} {_short(value)}" for name, value in items.items())
        rows.append((text, ", ".join(pairs)))
    return rows


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
