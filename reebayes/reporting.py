"""Write a fit as one self-contained HTML page.

What the page shows beyond the generic parts comes from the study's ``[report]`` table (see
`Plan`), so nothing here knows which material is being reported.
"""

import base64
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reebayes.conventions import (
    CI_PROB,
    GATE,
    POSTERIOR,
    PRIOR,
    QUANTITY,
    RATIO_UNITS,
    YEAR,
    parse_terms,
)
from reebayes.errors import FitError, ResultError
from reebayes.files import write_whole
from reebayes.learning import contraction_text, label_spans
from reebayes.lessons import (
    SHOWN,
    Lessons,
    expected_text,
    gather_lessons,
    khat_text,
    pull_text,
    stated_text,
    z_text,
)
from reebayes.plots import plain_text, plot_bands, plot_totals, stated_values
from reebayes.results.contents import group_of, report_settings
from reebayes.results.selection import quantity, require_known
from reebayes.results.summaries import bands, cumulative, probability_above
from reebayes.sankey import draw_sankey
from reebayes.scrutiny import predictive_block, published_rows, score_blocks
from reebayes.study import FaultList, read_report
from reebayes.tables import record_table, source_table
from reebayes.wording import format_band, format_value, listed, without_per_year

if TYPE_CHECKING:
    from reebayes.comparison import Comparison

GATE_LABELS = {
    "rhat_max": "Largest R-hat",
    "ess_bulk_min": "Smallest bulk effective sample size",
    "ess_tail_min": "Smallest tail effective sample size",
    "divergences": "Divergent transitions",
    "bfmi_min": "Smallest E-BFMI",
    "saturated_fraction": "Share of saturated trees",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a report shows: the ``[report]`` table of ``study.toml``, or its fallback.

    Parameters
    ----------
    headline : list of str
        Quantities of the first table and of the large plots (fallback: the first three).
    labels : mapping of quantity to text
        Readable names (fallback: the quantity's own name).
    exceeds : mapping of quantity to list of float
        Thresholds x of P(sum over all years > x), in the unit of the sum (fallback: round numbers
        about the prior median).
    beside : mapping of quantity to list of quantity
        Other quantities whose records are drawn, hollow, beside a headline quantity; larger totals
        of which it is a part always are.
    panels : list of {title, quantities}
        Small plots side by side.
    table, table_years : list
        Rows and columns of the table of yearly values (fallback: all quantities, six years).
    sankey_year : int
        Year of the Sankey diagram (fallback: the last).
    limits : list of str
        Paragraphs on what this study cannot tell.
    """

    headline: Sequence[str]
    sankey_year: int
    table: Sequence[str]
    table_years: Sequence[int]
    labels: Mapping[str, str] = field(default_factory=dict)
    exceeds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    panels: Sequence[Mapping[str, Any]] = ()
    limits: Sequence[str] = ()

    def label(self, name: str) -> str:
        """Readable name of a quantity."""
        return self.labels.get(name, name)


def write_report(
    fit: xr.DataTree,
    path: str | Path,
    *,
    year: int | None = None,
    force: bool = False,
    comparison: "Comparison | None" = None,
) -> Path:
    """Write a fit as one HTML page that needs neither network nor scripts.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    path : str or Path
        The page to write.
    year : int, optional
        Year of the Sankey diagram; the study's choice if left out.
    force : bool
        Report a fit that did not converge, under a banner that says so.
    comparison : Comparison, optional
        Scores of this fit and of variants of its study, as `compare` returns them.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    FitError
        If the fit did not converge and `force` is false.
    ResultError
        If the study's ``[report]`` table names an unknown quantity or key, the year is not in the
        study, the comparison is of another study, or the file cannot be written.
    """
    if fit.attrs.get("converged") != "yes" and not force:
        raise FitError(
            f"The fit did not converge: {fit.attrs.get('verdict', 'no verdict in the file')} "
            "No report was written. Draw longer, or ask for the report by force."
        )
    plan = _plan(fit, year)
    environment = Environment(
        loader=PackageLoader("reebayes"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    page = template.render(_context(fit, plan) | _checking(fit, comparison)).encode()
    return write_whole(Path(path), lambda temporary: temporary.write_bytes(page))


def _plan(fit: xr.DataTree, year: int | None) -> Plan:
    settings = report_settings(fit)
    draws = group_of(fit, POSTERIOR)["quantities"]
    names = [str(name) for name in draws[QUANTITY].values]
    years = [int(value) for value in draws[YEAR].values]
    spread = np.linspace(0, len(years) - 1, min(6, len(years))).round().astype(int)
    fallback: dict[str, Any] = {
        "headline": names[:3],
        "sankey_year": years[-1],
        "table": names,
        "table_years": [years[i] for i in spread],
    }
    unknown = settings.keys() - Plan.__dataclass_fields__.keys()
    if unknown:
        raise ResultError(
            f"study.toml, [report]: unknown key {listed(sorted(unknown))}; "
            f"known are {listed(Plan.__dataclass_fields__)}."
        )
    found = FaultList("study.toml")
    read_report(settings, found)
    if found.faults:
        raise ResultError("\n".join(f"study.toml, {fault}" for fault in found.faults))
    if year is not None and year not in years:
        raise ResultError(f"{year} is not a year of this fit, {years[0]}-{years[-1]}.")
    chosen = fallback | settings
    plan = Plan(**(chosen if year is None else chosen | {"sankey_year": year}))
    require_known(_named(plan), names, "quantity in study.toml, [report]:")
    require_known(map(str, plan.table_years), map(str, years), "year in study.toml, [report]:")
    return plan


def _named(plan: Plan) -> Iterable[str]:
    """Every quantity that a plan names."""
    lists = [plan.headline, plan.table, plan.labels, plan.exceeds, plan.beside]
    lists += [*plan.beside.values(), *(panel["quantities"] for panel in plan.panels)]
    return (name for names in lists for name in names)


def _context(fit: xr.DataTree, plan: Plan) -> dict[str, Any]:
    records = record_table(fit)
    sources = source_table(fit)
    years = group_of(fit, POSTERIOR)[YEAR].values
    ratios = _ratios(fit)
    return {
        "study": fit.attrs["study_name"],
        "unit": fit.attrs.get("unit", ""),
        "first": int(years[0]),
        "last": int(years[-1]),
        "years": years.tolist(),
        "percent": f"{100 * CI_PROB:g} %",
        "convergence": _convergence(fit),
        "lessons": _lessons(gather_lessons(fit, plan.headline), plan),
        "headline": [_headline_row(fit, plan, name, name in ratios) for name in plan.headline],
        "exceeding": [
            row
            for name in plan.headline
            if name not in ratios
            for row in _exceeding(fit, plan, name)
        ],
        "totals": _totals_figure(fit, plan, ratios),
        "headline_figures": [
            _figure(fit, plan, [name], records, others=True) for name in plan.headline
        ],
        "panels": [
            {
                "title": panel["title"],
                "figure": _figure(fit, plan, panel["quantities"], records, others=False),
            }
            for panel in plan.panels
        ],
        "sankey": draw_sankey(fit, plan.sankey_year),
        "sankey_year": plan.sankey_year,
        "table": _yearly_table(fit, plan),
        "table_years": plan.table_years,
        "limits": plan.limits,
        "records": _record_rows(records, list(sources.index), str(fit.attrs.get("unit", ""))),
        "outside": int(records["outside"].sum()),
        "sources": _source_rows(sources, records),
        "provenance": _provenance(fit),
    }


def _checking(fit: xr.DataTree, comparison: "Comparison | None") -> dict[str, Any]:
    """What was done to test the model: predictive checks, variants, published estimates."""
    context: dict[str, Any] = {
        "check": predictive_block(fit),
        "published": published_rows(fit),
        "scores": [] if comparison is None else score_blocks(fit, comparison),
    }
    if context["check"] is not None:
        check = context["check"]
        check["plot"] = _embedded(check["figure"], check["alternative"])
    return context


def _ratios(fit: xr.DataTree) -> set[str]:
    units = group_of(fit, "constant_data")["quantity_unit"].to_series().astype(str)
    return {str(name) for name in units.index[units.isin(RATIO_UNITS)]}


# --- tables -------------------------------------------------------------------------------------


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
    for group in _groups(fit):
        draws = quantity(fit, name, group=group)
        row["unit"] = str(draws.attrs["units"])
        row["unit_total"] = "" if ratio else without_per_year(row["unit"])
        row[f"{group}_total"] = "–" if ratio else _text(cumulative(draws))
        row[f"{group}_last"] = _text(draws.isel({YEAR: -1}))
    return {"prior_total": "–", "prior_last": "–"} | row


def _exceeding(fit: xr.DataTree, plan: Plan, name: str) -> Iterable[dict[str, str]]:
    totals = {group: cumulative(quantity(fit, name, group=group)) for group in _groups(fit)}
    thresholds = plan.exceeds.get(name) or _round_numbers(float(totals[_groups(fit)[-1]].median()))
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


def _groups(fit: xr.DataTree) -> list[str]:
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


# --- figures ------------------------------------------------------------------------------------


def _totals_figure(fit: xr.DataTree, plan: Plan, ratios: set[str]) -> dict[str, str] | None:
    names = [name for name in plan.headline if name not in ratios]
    if not names:
        return None
    strips = {
        group: {
            plan.label(name): bands(cumulative(quantity(fit, name, group=group))) for name in names
        }
        for group in _groups(fit)
    }
    unit = str(strips[POSTERIOR][plan.label(names[0])].attrs["units"])
    figure, axes = _new_figure(1, 1, (9.0, 0.9 + 0.55 * len(names)))
    plot_totals(strips[POSTERIOR], strips.get(PRIOR), unit=unit, ax=axes[0])
    parts = (
        f"{label} {format_band(*(float(strip[key]) for key in ('median', 'lower', 'upper')))}"
        for label, strip in strips[POSTERIOR].items()
    )
    return _embedded(figure, f"Sums over all years in {unit}: {'; '.join(parts)}.")


def _figure(
    fit: xr.DataTree, plan: Plan, names: Sequence[str], records: pd.DataFrame, *, others: bool
) -> dict[str, str]:
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    size = (9.0, 4.6) if len(names) == 1 else (3.9 * columns, 3.7 * rows)
    figure, axes = _new_figure(rows, columns, size)
    notes, alternatives = [], []
    for name, ax in zip(names, axes, strict=False):
        wanted = {name} | (
            _containing(fit, name) | {*plan.beside.get(name, ())} if others else set()
        )
        shown = records[records["quantity"].isin(wanted)]
        shown = shown.assign(hollow=shown["quantity"] != name)
        draws = {group: quantity(fit, name, group=group) for group in _groups(fit)}
        plot_bands(draws[POSTERIOR], shown, prior=draws.get(PRIOR), ax=ax)
        ax.set_title(plain_text(plan.label(name)), fontsize=10, loc="left", weight="bold")
        if len(names) > 1:
            _small(ax)
        notes += _off_scale(ax, shown, plan.label(name))
        alternatives.append(_alternative(plan.label(name), bands(draws[POSTERIOR])))
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    return _embedded(figure, " ".join(alternatives)) | {"note": " ".join(notes)}


def _small(ax: Axes) -> None:
    """Legend for a panel: the sources only, in small type."""
    legend = ax.get_legend()
    if legend is None:
        return
    handles = [handle for handle in legend.legend_handles if isinstance(handle, Line2D)]
    legend.remove()
    ax.legend(
        handles=handles, fontsize=7, frameon=False, ncols=2, loc="upper left",
        bbox_to_anchor=(0, -0.1), handlelength=1.2, columnspacing=1.0,
    )  # fmt: skip


def _containing(fit: xr.DataTree, name: str) -> set[str]:
    """Quantities that add something to all flows of the named one."""
    texts = group_of(fit, "constant_data")["quantity_terms"].to_series().astype(str)
    wanted, below = parse_terms(texts[name])
    if below or not all(weight > 0 for weight in wanted.values()):
        return set()
    found = set()
    for other, text in texts.items():
        terms, below = parse_terms(text)
        adds = not below and all(weight > 0 for weight in terms.values())
        if adds and len(terms) > len(wanted) and wanted.items() <= terms.items():
            found.add(str(other))
    return found


def _off_scale(ax: Axes, records: pd.DataFrame, label: str) -> list[str]:
    above = records[stated_values(records) > ax.get_ylim()[1]]
    hollow = int(above["hollow"].sum())
    counts = {"": len(above) - hollow, " of other quantities": hollow}
    parts = [
        f"{count} {'record' if count == 1 else 'records'}{kind}"
        for kind, count in counts.items()
        if count
    ]
    return [f"{label}: above the scale, {listed(parts)}."] if parts else []


def _alternative(label: str, band: xr.Dataset) -> str:
    """Text for readers who do not see the plot: first, middle and last year."""
    years = band[YEAR].values
    chosen = dict.fromkeys(int(years[i]) for i in (0, len(years) // 2, -1))
    texts = []
    for year in chosen:
        at = band.sel({YEAR: year})
        values = (float(at[name]) for name in ("median", "lower", "upper"))
        texts.append(f"{year} {format_band(*values)}")
    return f"{label}, {band.attrs.get('units', '')}: {'; '.join(texts)}."


def _new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, list(grid.ravel())


def _embedded(figure: Figure, alternative: str) -> dict[str, str]:
    """Figure as a data address: text stays text, and the same fit gives the same bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "reebayes"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return {"address": f"data:image/svg+xml;base64,{data}", "alternative": alternative}
