"""What a page needs to move: bands of every year as text, who records what, places of the diagram.

The page is whole without it. Numbers are written in Python, once, and a script only chooses.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from markupsafe import Markup

from reebayes.conventions import CI_PROB, POSTERIOR, PRIOR, QUANTITY, YEAR
from reebayes.figures.yearly import YearlySankey
from reebayes.reporting.plan import Plan
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents
from reebayes.wording import format_value, minus_signs, without_per_year

ENDS = ("median", "lower", "upper")
BETWEEN_ENDS, BETWEEN_SPANS = "|", ";"
TOGETHER = "together"


def spans_of(years: Sequence[int]) -> list[str]:
    """Years, and the name of all of them together, as the page writes them."""
    words = [str(year) for year in years]
    return [*words, f"{years[0]}–{years[-1]} {TOGETHER}"] if len(years) > 1 else words


def page_data(contents: Contents, plan: Plan, sankey: YearlySankey) -> dict[str, Any]:
    """Gather what the script of a page chooses from.

    Parameters
    ----------
    contents : Contents
    plan : Plan
    sankey : YearlySankey

    Returns
    -------
    dict
        Of JSON values. Bands are text, ``"median|lower|upper"`` by year and then of all years
        together, with ``";"`` between them and nothing where nothing flows; ``"=7"`` are the bands
        of flow 7.
    """
    flows, units = contents.flows, contents.units
    number = {str(name): n for n, name in enumerate(flows.index)}
    names = quantities_of(contents, plan)
    position = {name: n for n, name in enumerate(names)}
    labels = contents.processes["label"]
    bands = {group: _packed(contents, group) for group in contents.distributions}
    # A quantity of one flow has the bands of that flow, which are told once.
    alike = {
        group: {text: f"={number[name]}" for name, text in found["flows"].items() if len(text) > 8}
        for group, found in bands.items()
    }
    terms = contents.terms
    return {
        "spans": spans_of(contents.years),
        "start": contents.years.index(plan.sankey_year),
        "unit": [contents.unit, without_per_year(contents.unit)],
        "percent": f"{100 * CI_PROB:g} %",
        "flows": [
            {
                "label": str(row.label),
                "from": str(labels.get(row.source, row.source)),
                "to": str(labels.get(row.target, row.target)),
                "product": str(row.product),
                "registered": int(bool(row.registered)),
                **{group: found["flows"][str(row.Index)] for group, found in bands.items()},
            }
            for row in _rows(flows.itertuples())
        ],
        "quantities": [
            {
                "name": name,
                "label": plan.label(name),
                "description": contents.descriptions.get(name, ""),
                "unit": str(units[name]),
                "total": without_per_year(str(units[name])),
                "flows": sorted({number[flow] for part in terms[name] for flow in part}),
                **{
                    group: alike[group].get(found["quantities"][name], found["quantities"][name])
                    for group, found in bands.items()
                },
            }
            for name in names
        ],
        "records": [
            [position[str(row.quantity)], int(row.year), int(row.year_end)]
            for row in _rows(in_groups(contents.records, names).itertuples())
        ],
        "sankey": sankey.geometry(),
    }


def quantities_of(contents: Contents, plan: Plan) -> list[str]:
    """Quantities in the order of the page: those of its table, and all others."""
    shown = list(dict.fromkeys(plan.table))
    return [*shown, *(name for name in map(str, contents.units.index) if name not in shown)]


def in_groups(records: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Records in the order of the page: those of one quantity together, as quantities follow."""
    place = {name: n for n, name in enumerate(names)}
    return records.sort_values("quantity", key=lambda names: names.map(place), kind="stable")


def script_data(data: Mapping[str, Any]) -> Markup:
    """Write JSON deflated, in letters of which none can end the element that holds it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(base64.b64encode(zlib.compress(text.encode(), 9)).decode())


@cache
def script() -> Markup:
    """Return the script of a page, which is the same in all pages."""
    found = files("reebayes.reporting") / "templates" / "page.js"
    return Markup(found.read_text(encoding="utf-8"))


@cache
def script_hash() -> str:
    """Return what a content security policy must name for the script, and no other, to run."""
    digest = hashlib.sha256(script().encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _rows(rows: Iterable[Any]) -> Iterable[Any]:
    return rows


def _packed(contents: Contents, group: str) -> dict[str, dict[str, str]]:
    """Bands of flows and quantities as text, by name."""
    assert group in (POSTERIOR, PRIOR)
    found = {}
    for what in ("flows", "quantities"):
        yearly = bands_of(contents, what, group)
        dim = QUANTITY if what == "quantities" else "flow"
        values = _stacked(yearly, dim)
        totals: dict[str, np.ndarray] = {}
        if len(contents.years) > 1:
            together = bands_of(contents, what, group, total=True)
            stacked = np.stack([together[end].values for end in ENDS], axis=-1)
            totals = dict(zip(map(str, together[dim].values), stacked, strict=True))
        one: dict[str, str] = {}
        for name, rows in zip(map(str, yearly[dim].values), values, strict=True):
            texts = [band_parts(row) for row in rows.tolist()]
            if len(contents.years) > 1:
                texts.append(band_parts(totals[name].tolist()) if name in totals else "")
            one[name] = BETWEEN_SPANS.join(texts)
        found[what] = one
    return found


def _stacked(yearly: xr.Dataset, dim: str) -> np.ndarray:
    ordered = yearly.transpose(dim, YEAR)
    return np.stack([ordered[end].values for end in ENDS], axis=-1)


def band_parts(band: Sequence[float]) -> str:
    """Write median, lower and upper end with a mark between them; nothing where nothing is."""
    if math.isnan(band[0]) or not any(band):
        return ""
    return BETWEEN_ENDS.join(minus_signs(format_value(end)) for end in band)
