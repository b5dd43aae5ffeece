"""The sections of a report, each a function that gathers what its partial template shows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from markupsafe import Markup

from reebayes.answers.contraction import contraction_text, label_spans
from reebayes.answers.drivers import (
    SHOWN,
    khat_text,
    pull_text,
)
from reebayes.answers.layers import has_layers
from reebayes.answers.partners import has_lanes
from reebayes.conventions import FLOW, POSTERIOR, QUANTITY, RATIO_UNITS, YEAR
from reebayes.figures.sankey import COLOURS, draw_sankey
from reebayes.reporting.checking import (
    places_block,
    predictive_block,
    published_rows,
    score_blocks,
    stated_text,
    years_between,
)
from reebayes.reporting.dependence import indicator_block, origin_blocks
from reebayes.reporting.glossary import glossary_rows
from reebayes.reporting.groups import group_block
from reebayes.reporting.hanging import first_sentences, hanging_blocks
from reebayes.reporting.headlines import existing_band, headline
from reebayes.reporting.interactive import in_groups, quantities_of
from reebayes.reporting.material import Material
from reebayes.reporting.outlooks import UNANSWERED, outlook_block
from reebayes.reporting.pictures import band_figure, band_text, embedded
from reebayes.reporting.plan import Plan
from reebayes.reporting.refitted import disagreements, observed, without_reporters
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents
from reebayes.study.kinds import kind_of
from reebayes.wording import format_band, format_value, without_per_year

PROVENANCE_LABELS = {
    "reebayes_version": "reebayes",
    "created": "Fitted",
    "study_hash": "Study hash: all that the posterior depends on",
    "description_hash": "Description hash: labels, notes, citations, report settings",
    "digest": "Digest of study, seed, settings, code and packages",
    "seed": "Seed",
    "chains": "Chains",
    "draws": "Draws a chain",
    "tune": "Tuning draws a chain",
    "gradients_per_draw": "Gradients a draw",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a report.

    Parameters
    ----------
    name : str
        Its anchor, and the name of its partial template.
    title : callable
        Takes the plan; returns the heading.
    gather : callable
        Takes the material; returns what the template shows, None to leave the section out.
    """

    name: str
    title: Callable[[Plan], str]
    gather: Callable[[Material], dict[str, Any] | None]


# --- posterior contraction, influence -------------------------------------------------------------


def learnt(material: Material) -> dict[str, Any]:
    """Gather posterior contraction, influence and leave-one-out predictive conflict."""
    drivers, plan = material.drivers, material.plan
    yearly = drivers.yearly
    shown = material.contents.with_parts(drivers.names)
    return {
        "shares": drivers.verdict,
        "confounding": drivers.confounding,
        "rows": []
        if yearly is None
        else [_learnt_row(yearly, drivers.sums, plan, name) for name in shown],
        "moves": [
            row for name, table in drivers.records.items() for row in _moves(table, plan, name)
        ],
        "refitted": material.refits is not None,
        "without": without_reporters(material.contents, plan, material.refits, _whole(material)),
        "disagreements": disagreements(drivers.disagreement, plan, material.refits),
        "count": len(material.contents.records),
    }


def _learnt_row(
    yearly: xr.Dataset, sums: xr.Dataset | None, plan: Plan, name: str
) -> dict[str, Any]:
    one = yearly.sel({QUANTITY: name})
    total = None
    if sums is not None and name in sums[QUANTITY].values:
        (total,) = _learnt_cells(sums.sel({QUANTITY: [name]}))
    return {
        "label": plan.label(name),
        "style": "" if name in plan.headline else "part",
        "cells": _learnt_cells(one),
        "total": total,
        "spans": label_spans(one["label"]),
    }


def _learnt_cells(row: xr.Dataset) -> list[tuple[str, str, str]]:
    """Style, text and label of each value."""
    values = (row[name].values.tolist() for name in ("label", "contraction", "shift"))
    return [
        (label.replace(" ", "-"), contraction_text(contraction, shift), label)
        for label, contraction, shift in zip(*values, strict=True)
    ]


def _moves(table: pd.DataFrame, plan: Plan, name: str) -> Iterable[dict[str, str]]:
    for record, row in table.head(SHOWN).iterrows():
        yield {
            "label": plan.label(name),
            "record": str(record),
            **observed(row, plan),
            "reporter": str(row["reporter"]),
            "pull": f"{pull_text(row)} {row['unit']}",
            "khat": khat_text(row),
        }


def _whole(material: Material) -> dict[str, str]:
    """Median and band of each headline quantity: of the sum, or of the last year of a ratio."""
    sums, yearly = material.sums[POSTERIOR], material.yearly[POSTERIOR].isel({YEAR: -1})
    ratios = material.contents.ratios
    return {
        name: band_text((yearly if name in ratios else sums).sel({QUANTITY: name}))
        for name in material.plan.headline
    }


def hangs(material: Material) -> dict[str, Any] | None:
    """Gather what the headline quantities hang on, and what no number stands for."""
    summary = material.sensitivity
    if summary is None:
        return None
    return {
        "blocks": hanging_blocks(material.contents, material.plan, summary),
        "not_quantified": first_sentences(summary.not_quantified),
    }


# --- figures and tables ---------------------------------------------------------------------------


def year_by_year(material: Material) -> dict[str, Any]:
    """Gather the headline quantities and the panels as figures over the years."""
    plan = material.plan
    beside = (material.contents, plan, material.yearly, material.records)
    figures = []
    for name in plan.headline:
        figures.append(band_figure(*beside, [name], others=True))
        if name in plan.parts:
            figures.append(band_figure(*beside, plan.parts[name], others=False))
    return {
        "headline_figures": figures,
        "panels": [
            {
                "title": panel["title"],
                "figure": band_figure(*beside, panel["quantities"], others=False),
            }
            for panel in plan.panels
        ],
    }


def system(material: Material) -> dict[str, Any]:
    """Gather the Sankey diagram of one year, and of others where they find room in a page."""
    year, contents, drawn = material.plan.sankey_year, material.contents, material.sankey
    found = {"sankey_year": year, "key": [], "flows": []}
    if drawn is None:
        return found | {"sankey": Markup(draw_sankey(contents, year))}
    number = contents.years.index(year)
    names = {str(name): n for n, name in enumerate(contents.flows.index)}
    title = f"Sankey diagram of the flows of {year} in {contents.unit}"
    kinds = drawn.kinds
    return found | {
        "sankey": Markup(drawn.svg(number, title, names)),
        "key": [(name, *COLOURS[name]) for name in COLOURS if name in kinds],
        "flows": _flow_rows(contents, year),
    }


def _flow_rows(contents: Contents, year: int) -> list[dict[str, Any]]:
    """What each flow carries in a year, after and before the records."""
    found = {
        group: bands_of(contents, "flows", group).sel({YEAR: year})
        for group in contents.distributions
    }
    return [
        {
            "label": row["label"], "product": row["product"], "registered": bool(row["registered"]),
            "prior": "–",
            **{group: existing_band(band.sel({FLOW: name})) for group, band in found.items()},
        }
        for name, row in contents.flows.iterrows()
    ]  # fmt: skip


def all_quantities(material: Material) -> dict[str, Any]:
    """Gather the tables of values: in some years, or of all together where a script tells years."""
    plan = material.plan
    names, shown = quantities_of(material.contents, plan), len(dict.fromkeys(plan.table))
    # The years of what only the sums are made of would be a tenth of a large page.
    folded = material.sankey is not None and plan.one_year is None
    return {
        "rows": _value_rows(material, names[:shown], _in_years(material, names[:shown])),
        "further": _value_rows(
            material, names[shown:], (_together if folded else _in_years)(material, names[shown:])
        ),
        "folded": folded,
        "unit_together": without_per_year(material.contents.unit),
        "table_years": plan.table_years,
    }


def _in_years(material: Material, names: Sequence[str]) -> np.ndarray:
    """Median and ends of bands in the years of the table: (quantity, year, 3)."""
    chosen = {QUANTITY: list(names), YEAR: list(material.plan.table_years)}
    return _ends(material.yearly[POSTERIOR].sel(chosen).transpose(QUANTITY, YEAR))


def _together(material: Material, names: Sequence[str]) -> np.ndarray:
    """Median and ends of bands of sums, or of the last year of a ratio: (quantity, 1, 3)."""
    sums, yearly = material.sums[POSTERIOR], material.yearly[POSTERIOR].isel({YEAR: -1})
    ratios = material.contents.ratios
    rows = [_ends((yearly if name in ratios else sums).sel({QUANTITY: name})) for name in names]
    return np.reshape(rows, (len(names), 1, 3))


def _ends(band: xr.Dataset) -> np.ndarray:
    return np.stack([band[name].values for name in ("median", "lower", "upper")], axis=-1)


def _value_rows(
    material: Material, names: Sequence[str], values: np.ndarray
) -> list[dict[str, Any]]:
    contents, plan = material.contents, material.plan
    return [
        {
            "label": plan.label(name),
            "name": name,
            "description": contents.descriptions.get(name, ""),
            "unit": str(contents.units[name]),
            "cells": [_cell(cell) for cell in row],
        }
        for name, row in zip(names, values.tolist(), strict=True)
    ]


def _cell(band: Sequence[float]) -> tuple[str, str]:
    median, lower, upper = band
    if math.isnan(median) or median == lower == upper == 0:
        return "–", ""
    return format_value(median), f"{format_value(lower)} to {format_value(upper)}"


# --- model checking -------------------------------------------------------------------------------


def checks(material: Material) -> dict[str, Any] | None:
    """Gather what was done to check the model: predictions, variants, literature estimates."""
    contents, comparison = material.contents, material.comparison
    context: dict[str, Any] = {
        "check": predictive_block(contents),
        "published": published_rows(contents),
        "scores": [] if comparison is None else score_blocks(contents, comparison),
        "places": None,
    }
    if comparison is not None and comparison.places is not None:
        context["places"] = places_block(contents, comparison.places)
    for name in ("check", "places"):
        if context[name] is not None:
            block = context[name]
            block["plot"] = embedded(block["figure"], block["alternative"])
    return context if any(context.values()) else None


def limits(material: Material) -> dict[str, Any]:
    """Gather the limitations of the study."""
    return {"limits": material.plan.limits}


# --- records, sources, provenance -----------------------------------------------------------------


def records(material: Material) -> dict[str, Any]:
    """Gather every record with its posterior predictive band."""
    contents, plan = material.contents, material.plan
    table = in_groups(material.records, quantities_of(contents, plan))
    numbers = {name: number for number, name in enumerate(contents.sources.index)}
    unit = without_per_year(contents.unit)
    return {
        "groups": [
            {
                "name": name,
                "label": plan.label(str(name)),
                "rows": [_record_row(row, unit, numbers) for row in _tuples(rows)],
            }
            for name, rows in table.groupby("quantity", sort=False)
        ],
        "count": len(table),
        "outside": int(table["outside"].sum()),
    }


def _tuples(table: pd.DataFrame) -> Iterable[Any]:
    return table.itertuples()


def _record_row(row: Any, unit: str, numbers: Mapping[str, int]) -> dict[str, Any]:
    return {
        "years": years_between(row.year, row.year_end),
        "kind": row.kind,
        "printed": _printed(row, unit),
        "predicted": format_band(row.predicted_median, row.predicted_lower, row.predicted_upper),
        "outside": bool(row.outside),
        "reporter": row.reporter,
        "source": row.source,
        "source_number": numbers.get(row.source),
        "note": row.note,
    }


def _printed(row: Any, unit: str) -> str:
    """Figure as the source prints it; bounds in the study's unit."""
    if kind_of(row.kind).is_figure:
        return f"{row.printed:,.8g} {row.unit}"
    return stated_text(row, row.unit if row.unit in RATIO_UNITS else unit)


def sources(material: Material) -> dict[str, Any]:
    """Gather the sources, with how many records each gave."""
    table: Iterable[Any] = material.contents.sources.itertuples()
    counts = material.records["source"].value_counts()
    return {
        "rows": [
            {
                "number": number,
                "source": row.Index,
                "citation": row.citation,
                "urls": [
                    url for url in row.url.split(" ; ") if url.startswith(("https://", "http://"))
                ],
                "licence": row.licence,
                "records": int(counts.get(row.Index, 0)),
            }
            for number, row in enumerate(table)
        ]
    }


def glossary(material: Material) -> dict[str, Any]:
    """Gather the words of the page."""
    return {"rows": glossary_rows()}


def provenance(material: Material) -> dict[str, Any]:
    """Gather what made the fit."""
    attrs = material.contents.attrs
    rows = [(text, str(attrs[key])) for key, text in PROVENANCE_LABELS.items() if key in attrs]
    added = json.loads(str(attrs.get("extensions", "[]")))
    if added:
        rows.append(("Extensions of the study", ", ".join(map(str, added))))
    nested = {"settings": "Settings", "wall_seconds": "Wall time, s", "versions": "Packages"}
    for key, text in nested.items():
        items = json.loads(str(attrs.get(key, "{}")))
        pairs = (f"{name} {_short(value)}" for name, value in items.items())
        rows.append((text, ", ".join(pairs)))
    return {"rows": rows}


def what_if(material: Material) -> dict[str, Any] | None:
    """Gather what the scenarios that the study's report names would have done."""
    contents, names = material.contents, material.plan.scenarios
    if not names:
        return None
    # Only now: they load scipy, which a report without scenarios does not need.
    from reebayes.answers.scenarios.running import worked_out
    from reebayes.reporting.scenarios import scenario_block

    study = material.study
    found = (worked_out(contents, study, study.scenario(name), seed=0) for name in names)
    return {"blocks": [scenario_block(contents, tree, whole=False) for tree in found]}


def ahead(material: Material) -> dict[str, Any] | None:
    """Gather what the outlook that the page was given says of years to come."""
    if material.outlook is None:
        return None
    block = outlook_block(
        material.contents, material.study, *material.outlook, elements=material.elements
    )
    return {"block": block, "unanswered": UNANSWERED}


def asked(material: Material) -> dict[str, Any] | None:
    """Gather what the surveys and judgements that the page was given say."""
    if not material.surveys and material.judgements is None:
        return None
    # Only now: few reports have any.
    from reebayes.reporting.asked import judgement_block, survey_block

    judged = material.judgements
    return {
        "surveys": [survey_block(material.contents, one) for one in material.surveys],
        "judgements": None if judged is None else judgement_block(judged),
    }


def indicators(material: Material) -> dict[str, Any] | None:
    """Gather the indicators that the study's report names."""
    if not material.plan.indicators:
        return None
    return indicator_block(material.contents, material.study, material.plan)


def partners(material: Material) -> dict[str, Any] | None:
    """Gather the trade between partners, where the study tells them apart."""
    if not has_lanes(material.contents):
        return None
    # Only now: it draws a map, which a report without partners does not need.
    from reebayes.reporting.partners import partner_block

    return partner_block(material.contents, material.study, material.plan)


def groups(material: Material) -> dict[str, Any] | None:
    """Gather the balances of groups of elements, where the study has them."""
    return group_block(material.contents, material.plan) if has_layers(material.contents) else None


def origins(material: Material) -> dict[str, Any] | None:
    """Gather where content came from at the places that the study's report names."""
    return origin_blocks(material.contents, material.plan) if material.plan.origins else None


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _titled(text: str) -> Callable[[Plan], str]:
    return lambda plan: text


def _years_title(plan: Plan) -> str:
    return "Year by year" if plan.one_year is None else f"Values of {plan.one_year}"


SECTIONS: Sequence[Section] = (
    Section("headline", _titled("Headline quantities"), headline),
    Section("learnt", _titled("Posterior contraction and influence"), learnt),
    Section("hangs", _titled("What the answer hangs on"), hangs),
    Section("years", _years_title, year_by_year),
    Section("system", _titled("The system"), system),
    Section("table", _titled("All quantities"), all_quantities),
    Section("indicators", _titled("Indicators"), indicators),
    Section("origins", _titled("Origins"), origins),
    Section("partners", _titled("Trade by partner"), partners),
    Section("groups", _titled("Groups of elements"), groups),
    Section("what_if", _titled("What if"), what_if),
    Section("outlook", _titled("Outlook"), ahead),
    Section("asked", _titled("Surveys and judgements"), asked),
    Section("checks", _titled("Model checking"), checks),
    Section("limits", _titled("Limitations"), limits),
    Section("records", _titled("Records"), records),
    Section("sources", _titled("Sources"), sources),
    Section("glossary", _titled("Glossary"), glossary),
    Section("provenance", _titled("Provenance"), provenance),
)
"""The page, section by section."""
