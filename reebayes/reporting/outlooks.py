"""An outlook as a page of its own, and as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from markupsafe import Markup
from matplotlib.figure import Figure

from reebayes.answers.deposits import project_table, projects_by_country, reserve_table
from reebayes.answers.literature import published_projections
from reebayes.answers.registers import region_labels
from reebayes.conventions import CI_PROB, QUANTITY, RATIO_UNITS, YEAR
from reebayes.figures.ahead import plot_outlook
from reebayes.figures.sites import draw_projects
from reebayes.files import write_whole
from reebayes.reporting.pictures import embedded
from reebayes.reporting.templating import environment
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands
from reebayes.study import Study
from reebayes.study.prospects import PROJECT_STATUSES
from reebayes.wording import format_band, format_chance, format_value

LEAD = (
    "Years to come. Every draw of the fit goes on from where it stood, with projects that start, "
    "are late or never come as plans of the past did, and with demand that grows as the study "
    f"says. Every value is a median with its {100 * CI_PROB:g} % equal-tailed band, given all "
    "that. No price stands in it, and nobody who would act on one."
)
UNANSWERED = (
    "What is not answered: prices and their rise, what companies are worth, what research may "
    "find, and how burdens on the environment move from place to place."
)
MOST_FIGURES = 4
_OUTSIDE = "outside "  # before the region in names of what is outside one


def write_outlook(
    fit: Fit, study: Study, outlooks: Sequence[xr.DataTree], path: Path, *,
    tables: Sequence[pd.DataFrame] = (), elements: Sequence[pd.DataFrame | None] = (),
) -> Path:  # fmt: skip
    """Write outlooks of a fit as one HTML page that needs neither network nor scripts.

    Parameters
    ----------
    fit : DataTree
    study : Study
        With the published projections that are drawn beside.
    outlooks : sequence of DataTree
        As `outlook` returns them.
    path : Path
        The page to write.
    tables : sequence of DataFrame
        What uses lack in the last year of each, as `deficits` returns it.
    elements : sequence of DataFrame or None
        What they lack of elements, as `element_deficits` returns it, with columns ``element`` and
        ``held`` before.

    Returns
    -------
    Path
        The file written.
    """
    contents, templates = contents_of(fit), environment()
    common = {
        "study": f"{contents.attrs['study_name']}: outlook", "unit": contents.unit, "lead": LEAD,
        "percent": f"{100 * CI_PROB:g} %", "converged": contents.converged,
        "verdict": contents.attrs.get("verdict", ""), "unanswered": UNANSWERED,
    }  # fmt: skip
    sections = []
    held = elements or [None] * len(outlooks)
    for number, (tree, table, found) in enumerate(zip(outlooks, tables, held, strict=True)):
        block = outlook_block(contents, study, tree, table, elements=found)
        if number:  # what is in the ground is the same in all of them
            block["ground"] = None
        body = templates.get_template("outlook.html.j2").render(common | {"block": block})
        title = block["title"]
        sections.append({"name": f"outlook-{number}", "title": title, "body": Markup(body)})
    page = templates.get_template("page.html.j2").render(common, sections=sections).encode()
    return write_whole(path, lambda temporary: temporary.write_bytes(page))


def outlook_block(
    contents: Contents, study: Study, tree: xr.DataTree, table: pd.DataFrame, *,
    elements: pd.DataFrame | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Gather what a page shows of one outlook.

    Parameters
    ----------
    contents : Contents
        The fit.
    study : Study
    tree : DataTree
    table : DataFrame
        As `deficits` returns it.
    elements : DataFrame, optional
        As `write_outlook` takes it.
    """
    labels, places = json.loads(str(tree.attrs["labels"])), region_labels(contents)
    return {
        "title": f"To {tree.attrs['to']}" + (f" with {'; '.join(labels)}" if labels else ""),
        "figures": [_figure(contents, study, tree, name) for name in shown_quantities(study)],
        "bands": _band_rows(contents, study, tree),
        "lacking": [_lacking(row, places) for _, row in table.iterrows()],
        "year": int(table.attrs["year"]),
        "projects": _project_rows(tree),
        "elements": [] if elements is None else _element_blocks(elements, places),
        "ground": _ground(study),
    }


def shown_quantities(study: Study) -> list[str]:
    """Return what of a study is projected most often, or what its report puts first."""
    counts: dict[str, int] = {}
    for one in study.projections:
        if one.quantity:
            counts[one.quantity] = counts.get(one.quantity, 0) + 1
    most = sorted(counts, key=lambda name: -counts[name])[:MOST_FIGURES]
    return most or list(study.headline)[:MOST_FIGURES]


def _figure(contents: Contents, study: Study, tree: xr.DataTree, name: str) -> dict[str, str]:
    was, ahead = quantity(contents, name), quantity(tree.children["outlook"], name)
    figure = Figure(figsize=(9.0, 5.2), layout="constrained")
    label = _label(contents, name)
    said = published_projections(study, name)
    plot_outlook(was, ahead, projections=said, title=label, ax=figure.subplots())
    last = bands(ahead.isel({YEAR: -1}))
    ends = (float(last[end]) for end in ("median", "lower", "upper"))
    told = f"{label}, {tree.attrs['to']}: {format_band(*ends)} {contents.unit}"
    return {"title": f"{label}, to {tree.attrs['to']}"} | embedded(figure, told)


def _label(contents: Contents, name: str) -> str:
    """Label of a quantity, or of every part of a sum of some."""
    return " + ".join(contents.label_of(part.strip()) for part in name.split("+"))


def _band_rows(contents: Contents, study: Study, tree: xr.DataTree) -> Mapping[str, Any]:
    last = int(tree.attrs["to"])
    years = [year for year in tree.children["outlook"].to_dataset()[YEAR].values.tolist()
             if year == last or year % 5 == 0]  # fmt: skip
    rows = []
    for name in dict.fromkeys([*shown_quantities(study), *study.headline]):
        if contents.units.get(name, "") in RATIO_UNITS:
            continue
        found = bands(quantity(tree.children["outlook"], name).sel({YEAR: years}))
        cells = [
            format_band(*(float(found[end].sel({YEAR: year})) for end in
                          ("median", "lower", "upper"))) for year in years
        ]  # fmt: skip
        rows.append({"label": _label(contents, name), "cells": cells})
    return {"years": years, "rows": rows}


def _lacking(row: pd.Series, places: Mapping[str, str]) -> dict[str, str]:
    return {
        "by": row["by"], "region": _place(row["region"], places), "name": row["name"],
        "demand": format_value(row["demand"]), "supplied": format_value(row["supplied"]),
        "deficit": format_band(row["deficit"], row["lower"], row["upper"]),
        "x": format_value(row["x"]), "probability": format_chance(row["probability"]),
    }  # fmt: skip


def _place(region: str, places: Mapping[str, str]) -> str:
    """Name of a region for readers, or of all outside it."""
    key = region.removeprefix(_OUTSIDE)
    return f"{region.removesuffix(key)}{places.get(key, key)}"


def _ground(study: Study) -> dict[str, Any] | None:
    """Projects by country and on a map, and jumps of reserves; None if the study lists none."""
    if not study.projects:
        return None
    table, counts = project_table(study), projects_by_country(study)
    statuses = [status for status in PROJECT_STATUSES if counts[status].any()]
    jumps = reserve_table(study)
    return {
        "map": Markup(draw_projects(table)) if table["latitude"].notna().any() else "",
        "statuses": statuses,
        "rows": [
            {"country": country, "counts": [int(row[status]) for status in statuses],
             "capacity": format_value(row["capacity"]), "resource": format_value(row["resource"])}
            for country, row in counts.iterrows()
        ],
        "jumps": [
            {"country": row["country"], "edition": int(row["edition"]),
             "before": format_value(row["before"]), "reserves": format_value(row["reserves"])}
            for _, row in jumps[jumps["jump"]].iterrows()
        ],
    }  # fmt: skip


def _element_blocks(table: pd.DataFrame, places: Mapping[str, str]) -> list[dict[str, Any]]:
    """Probabilities of deficits of each element by year, and the band of the last year."""
    blocks = []
    keys = ["region", "supply", "asked"]
    plain = table[table["held"] == ""]
    for name, rows in plain.groupby("element", sort=False):
        years = sorted(set(rows["year"]))
        shown = []
        for key, part in rows.groupby(keys, sort=False):
            by_year = part.set_index("year")
            last = by_year.loc[years[-1]]
            shown.append({
                "key": [_place(str(key[0]), places), *key[1:]],
                "chances": [format_chance(by_year.loc[year, "probability"]) for year in years],
                "deficit": format_band(last["deficit"], last["lower"], last["upper"]),
            })  # fmt: skip
        blocks.append({"name": name, "years": years, "rows": shown,
                       "assumption": table.attrs["assumption"]})  # fmt: skip
    return blocks


def _project_rows(tree: xr.DataTree) -> list[dict[str, str]]:
    """Projects that take part, those first that add most in the last year."""
    output = tree.children["projects"].to_dataset()["output"].isel({YEAR: -1})
    if not output.sizes["project"]:
        return []
    band, chance = bands(output), (output > 0).mean(("chain", "draw"))
    means = output.mean(("chain", "draw"))
    rows = []
    for name in means["project"].values[(-means.values).argsort()].tolist():
        ends = (float(band[end].sel(project=name)) for end in ("median", "lower", "upper"))
        about = output.sel(project=name)
        rows.append({
            "name": name, "country": str(about["country"].values),
            "status": str(about["status"].values), "mean": format_value(float(about.mean())),
            "band": format_band(*ends), "chance": format_chance(float(chance.sel(project=name))),
        })  # fmt: skip
    return rows


def outlook_tables(
    tree: xr.DataTree, table: pd.DataFrame, elements: pd.DataFrame | None = None
) -> dict[str, pd.DataFrame]:
    """Return bands by year and what uses lack as tables, by name of their files.

    Parameters
    ----------
    tree : DataTree
        As `outlook` returns it.
    table : DataFrame
        As `deficits` returns it.
    elements : DataFrame, optional
        As `write_outlook` takes it.
    """
    names = json.loads(str(tree.attrs["scenarios"]))
    suffix = "_".join(["", *names])
    draws = tree.children["outlook"].to_dataset()["quantities"]
    units = contents_of(tree.children["outlook"]).units
    found = bands(draws).drop_attrs().to_dataframe(dim_order=[QUANTITY, YEAR]).reset_index()
    found["unit"] = found[QUANTITY].astype(str).map(units)
    found["ci_prob"] = CI_PROB
    output = bands(tree.children["projects"].to_dataset()["output"]).drop_attrs()
    projects = output.to_dataframe(dim_order=["project", YEAR]).reset_index()
    tables = {f"outlook{suffix}": found, f"deficits{suffix}": table, f"added{suffix}": projects}
    return tables if elements is None else {**tables, f"element_deficits{suffix}": elements}
