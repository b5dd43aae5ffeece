"""Scenarios as a page of their own, as a section of a report, and as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from markupsafe import Markup
from matplotlib.figure import Figure

from reebayes.answers.registers import region_labels
from reebayes.answers.scenarios.effects import effect
from reebayes.answers.scenarios.running import COUNTERFACTUAL, DIFFERENCE, FACTUAL
from reebayes.conventions import CI_PROB, FLOW, POSTERIOR, QUANTITY, YEAR
from reebayes.figures.changes import WHATS, draw_years, plot_effect
from reebayes.figures.sankey import draw_sankey
from reebayes.files import write_whole
from reebayes.reporting.pictures import embedded
from reebayes.reporting.templating import environment
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span
from reebayes.results.summaries import bands
from reebayes.wording import format_band, format_chance, format_value

CLOSURES = {
    "supply": "What arrives goes on: every process hands on the shares that it did, and uses take "
    "what reaches them.",
    "capacity": "What arrives goes on as far as plants can pass it; what they cannot stays before "
    "them and is told as stranded.",
    "demand": "Uses stay as they were; what nobody supplies is told as shortage.",
}
ACCOUNTING = (
    "Each draw of the fit keeps its transfer coefficients and inputs, and its mass balance is "
    "solved again with what the scenario changes. This is accounting: no prices, no behaviour, no "
    "substitution."
)
LEAD = (
    f"What would have been. Every value is a median with its {100 * CI_PROB:g} % equal-tailed "
    "credible band, given the records, the priors, the model and what the scenario says; nothing "
    "is fitted again."
)
REGION_COLUMNS = 3


def write_scenarios(
    fit: Fit, scenarios: Sequence[xr.DataTree], path: Path, *, years: Span = None,
    x: float | None = None,
) -> Path:  # fmt: skip
    """Write scenarios of a fit as one HTML page that needs neither network nor scripts.

    Parameters
    ----------
    fit : DataTree
    scenarios : sequence of DataTree
        As `scenario` returns them.
    path : Path
        The page to write.
    years : int or (int, int), optional
        One year, or first and last of a sum; the sum over the years of each scenario if left out.
    x : float, optional
        Loss of which the probability is told; a tenth of what was if left out.

    Returns
    -------
    Path
        The file written.
    """
    contents = contents_of(fit)
    templates = environment()
    common = {
        "study": f"{contents.attrs['study_name']}: what if", "unit": contents.unit,
        "first": contents.years[0], "last": contents.years[-1],
        "lead": LEAD, "percent": f"{100 * CI_PROB:g} %", "converged": contents.converged,
        "verdict": contents.attrs.get("verdict", ""),
    }  # fmt: skip
    sections = []
    for tree in scenarios:
        block = scenario_block(contents, tree, years=years, x=x)
        body = templates.get_template("scenario.html.j2").render(common | {"block": block})
        sections.append({"name": block["name"], "title": block["title"], "body": Markup(body)})
    page = templates.get_template("page.html.j2").render(common, sections=sections).encode()
    return write_whole(path, lambda temporary: temporary.write_bytes(page))


def scenario_tables(tree: xr.DataTree, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the effect of a scenario and its bands by year as tables, by name of their files.

    Parameters
    ----------
    tree : DataTree
        As `scenario` returns it.
    table : DataFrame
        As `effect` returns it.
    """
    name = str(tree.attrs["scenario"])
    units = contents_of(tree.children[FACTUAL]).units
    joined = []
    for what, dim in (("quantities", QUANTITY), ("flows", FLOW)):
        columns: dict[str, Any] = {}
        for part in (FACTUAL, COUNTERFACTUAL, DIFFERENCE):
            band = bands(tree.children[part].to_dataset()[what]).drop_attrs()
            stacked = band.to_dataframe(dim_order=[dim, YEAR])
            columns |= {f"{part}_{end}": stacked[end] for end in ("median", "lower", "upper")}
        found = pd.DataFrame(columns).reset_index()
        kinds = found[dim].astype(str).map(units) if dim == QUANTITY else tree.attrs["unit"]
        joined.append(found.rename(columns={dim: "name"}).assign(kind=dim, unit=kinds))
    by_year = pd.concat(joined).assign(ci_prob=CI_PROB)
    order = ["kind", "name", YEAR, "unit", "ci_prob"]
    by_year = by_year[order + [column for column in by_year if column not in order]]
    return {f"effect_{name}": table.reset_index(), f"bands_{name}": by_year}


def scenario_block(
    contents: Contents, tree: xr.DataTree, *, years: Span = None, x: float | None = None,
    whole: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Gather what a page shows of one scenario.

    Parameters
    ----------
    contents : Contents
        The fit.
    tree : DataTree
        As `scenario` returns it.
    years : int or (int, int), optional
    x : float, optional
    whole : bool
        Whether to show diagrams and tables beyond use.
    """
    table = effect(tree, years=years, x=x)
    known = contents_of(tree.children[FACTUAL]).years
    gaps = [what for what in WHATS if what != "use" and (table["what"] == what).any()]
    last = years if isinstance(years, int) else years[1] if years else known[-1]
    return {
        "name": tree.attrs["scenario"],
        "title": f"{str(tree.attrs['label'])[:1].upper()}{str(tree.attrs['label'])[1:]}",
        "why": tree.attrs["why"],
        "closure": CLOSURES[str(tree.attrs["closure"])],
        "accounting": ACCOUNTING,
        "sources": _citations(contents, json.loads(str(tree.attrs["sources"])), tree),
        "sentence": table.attrs["sentence"],
        "uses": _rows(table[table["what"] == "use"]),
        "quantities": _rows(table[table["what"] == QUANTITY]),
        "gaps": _rows(table[table["what"].isin(gaps)]) if whole else [],
        "figure": _effect_figure(table, ["use", *(gaps if whole else ())]),
        "by_year": _years_figure(tree) if whole and len(known) > 1 else None,
        "sankey": Markup(draw_sankey(tree, last)) if whole else "",
        "sankey_year": last,
        "whole": whole,
    }


def _citations(contents: Contents, keys: Sequence[str], tree: xr.DataTree) -> list[str]:
    """Citations of the sources of a scenario, as the study has them now."""
    now = contents_of(tree.children[FACTUAL]).sources
    tables = (now, contents.sources)
    return [
        next((str(table.loc[key, "citation"]) for table in tables if key in table.index), key)
        for key in keys
    ]


def _rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of the table of effects as text."""
    rows = []
    for name, row in table.iterrows():
        change = format_band(row["difference"], row["lower"], row["upper"])
        rows.append({
            "name": str(name), "label": row["label"], "unit": row["unit"],
            "what": WHATS.get(row["what"], row["what"]),
            "product": row["product"], "factual": format_value(row["factual"]),
            "counterfactual": format_value(row["counterfactual"]), "difference": change,
            "x": format_value(row["x"]), "probability": format_chance(row["probability"]),
        })  # fmt: skip
    return rows


def _effect_figure(table: pd.DataFrame, whats: Sequence[str]) -> dict[str, str]:
    """Differences of use and what is stranded or short, one above the other."""
    counts = [int((table["what"] == what).sum()) for what in whats]
    figure = Figure(figsize=(9.0, sum(0.75 + 0.24 * n for n in counts)), layout="constrained")
    axes = figure.subplots(len(whats), 1, squeeze=False,
                           height_ratios=[n + 2 for n in counts])[:, 0]  # fmt: skip
    for what, ax in zip(whats, axes, strict=True):
        plot_effect(table, what=what, ax=ax)
    return embedded(figure, str(table.attrs["sentence"]))


def _years_figure(tree: xr.DataTree) -> dict[str, Any] | None:
    """Use by region over the years, as it was and in the scenario."""
    parts: Mapping[str, Contents] = {
        name: contents_of(tree.children[name]) for name in (FACTUAL, COUNTERFACTUAL)
    }
    flows, processes = parts[FACTUAL].flows, parts[FACTUAL].processes
    into = flows[flows["target"].map(processes["kind"]) == "use"]
    region = into["target"].map(processes["region"])
    regions = list(dict.fromkeys(region))
    if not regions:
        return None
    unit = parts[FACTUAL].unit
    across = min(REGION_COLUMNS, len(regions))
    lines = -(-len(regions) // across)
    figure = Figure(figsize=(3.2 * across, 2.6 * lines + 0.4), layout="constrained")
    axes = figure.subplots(lines, across, squeeze=False).ravel()
    labels = region_labels(parts[FACTUAL])
    told = []
    heads, columns = [("Year", "")], [list(map(str, parts[FACTUAL].years))]
    for ax, name in zip(axes, regions, strict=False):
        names = list(into.index[region == name])
        before, after = (
            bands(part.group(POSTERIOR)["flows"].sel({FLOW: names}).sum(FLOW))
            for part in parts.values()
        )
        shown = labels.get(name, name)
        draw_years(ax, before, after, f"use, {shown}" if shown else "use", unit)
        year = int(after[YEAR].values[-1])
        ends = (float(after[end].values[-1]) for end in ("median", "lower", "upper"))
        told.append(f"{shown} {year}: {format_band(*ends)}")
        for words, band in (("as it was", before), ("scenario", after)):
            heads.append((f"{shown}, {words}".removeprefix(", "), unit))
            stacked = np.stack([band[end].values for end in ("median", "lower", "upper")], -1)
            columns.append([format_band(*row) for row in stacked.tolist()])
    for ax in axes[len(regions) :]:
        ax.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    numbers = {
        "caption": f"Use by region, median and {100 * CI_PROB:g} % band",
        "heads": heads,
        "rows": [*map(list, zip(*columns, strict=True))],
    }
    return embedded(figure, f"Use in the scenario in {unit}: {'; '.join(told)}.") | {
        "data": numbers
    }
