"""Indicators and origins in a report: tables of bands over the years, and published values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.answers.indices import beside_indicators, indicator_table, indicators
from reebayes.conventions import BY_REGION, BY_SOURCE, POSTERIOR, YEAR
from reebayes.reporting.checking import years_between
from reebayes.reporting.plan import Plan
from reebayes.results.contents import CONSTANT
from reebayes.results.reading import Contents
from reebayes.results.summaries import bands
from reebayes.study import Study
from reebayes.study.formulas import TRUTH
from reebayes.wording import format_band, format_chance, format_value

BY = {
    BY_SOURCE: "by what was dug, registered or not",
    BY_REGION: "by where it was mined",
    "registered": "by whether a register is meant to count it",
    "refined_in": "by where it was last refined",
}
"""What tells origins apart, in words."""


def indicator_block(contents: Contents, study: Study, plan: Plan) -> dict[str, Any]:
    """Gather the indicators that a report names, and published values of them.

    Parameters
    ----------
    contents : Contents
    study : Study
        Whose ``indicators.csv`` and ``published_indicators.csv`` are asked.
    plan : Plan
    """
    names, years = list(plan.indicators), plan.table_years
    table = indicator_table(indicators(contents, names, study=study))
    table = table[table[YEAR].isin(years)]
    rows = []
    for name, found in table.groupby("indicator", sort=False):
        first = found.iloc[0]
        cells = [_cell(row) for _, row in found.set_index(YEAR).loc[list(years)].iterrows()]
        rows.append({"name": name, "label": first["label"], "unit": first["unit"], "cells": cells})
    return {
        "indicators": rows,
        "indicator_years": years,
        "beside": [*_published(contents, study, {row["name"]: row["label"] for row in rows})],
    }


def _cell(row: pd.Series) -> tuple[str, str]:
    if row["unit"] == TRUTH:
        share = row["probability"]
        return ("–" if pd.isna(share) else f"P {format_chance(share)}"), ""
    return _band(row)


def _band(row: pd.Series | Mapping[str, float]) -> tuple[str, str]:
    if pd.isna(row["median"]):
        return "–", ""
    ends = " to ".join(format_value(row[end]) for end in ("lower", "upper"))
    return format_value(row["median"]), ends


def _published(
    contents: Contents, study: Study, labels: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    found = beside_indicators(contents, list(labels), study=study)
    if not len(found):
        return
    signs = {"lower": "at least ", "upper": "at most "}
    told = ""
    for _, row in found.iterrows():
        stated = next(row[end] for end in ("value", "low", "high") if not pd.isna(row[end]))
        yield {
            "name": row["indicator"],
            "label": labels[row["indicator"]],
            "years": years_between(row["year"], row["year_end"]),
            "stated": f"{signs.get(row['kind'], '')}{stated:g}",
            "ours": format_band(row["median"], row["lower"], row["upper"]),
            "source": row["source"],
            "definition": "as above" if row["definition"] == told else row["definition"],
        }
        told = row["definition"]


def origin_blocks(contents: Contents, plan: Plan) -> dict[str, Any]:
    """Gather where the content at the places came from that a report names."""
    from reebayes.answers.tracing import MIXING  # loads scipy, which other reports do without

    shown = _cut(contents, plan.table_years)
    return {
        "places": [_place(shown, plan, asked) for asked in plan.origins],
        "origin_years": plan.table_years,
        "mixing": MIXING,
    }


def _cut(contents: Contents, years: Sequence[int]) -> Contents:
    """The flows of the years that are shown, read once for all places."""
    draws = contents.group(POSTERIOR)[["flows"]].sel({YEAR: list(years)}).load()
    cut = xr.DataTree.from_dict({POSTERIOR: draws, CONSTANT: contents.group(CONSTANT)})
    cut.attrs = dict(contents.attrs)
    return Contents(cut)


def _place(contents: Contents, plan: Plan, asked: Mapping[str, str]) -> dict[str, Any]:
    """Shares by origin of one place."""
    from reebayes.answers.tracing import origins

    by = asked.get("by", BY_REGION)
    found = bands(origins(contents, asked["at"], by)).transpose(YEAR, "origin")
    ends = ("median", "lower", "upper")
    values = np.stack([found[end].values for end in ends], axis=-1)
    rows = [
        {"name": str(name), "label": str(label),
         "cells": [_band(dict(zip(ends, one, strict=True))) for one in yearly.tolist()]}
        for name, label, yearly in zip(
            found["origin"].values, found["label"].values, values.swapaxes(0, 1), strict=True
        )
    ]  # fmt: skip
    title = asked.get("title") or _label(contents, plan, asked["at"])
    return {"title": title, "at": asked["at"], "by": BY[by], "rows": rows}


def _label(contents: Contents, plan: Plan, place: str) -> str:
    for table in (contents.processes, contents.flows):
        if place in table.index:
            return str(table["label"][place])
    return plan.label(place)
