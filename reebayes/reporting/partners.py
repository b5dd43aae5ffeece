"""Trade between partners in a report: a map of one year, and both customs beside the bands."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reebayes.answers.partners import mirror_table, trade_table
from reebayes.figures.maps import draw_map
from reebayes.reporting.plan import Plan
from reebayes.results.reading import Contents
from reebayes.study import Study
from reebayes.wording import format_band


def partner_block(contents: Contents, study: Study, plan: Plan) -> dict[str, Any]:
    """Gather map and table of a study that tells partners apart.

    Parameters
    ----------
    contents : Contents
    study : Study
        Whose ``partners.csv`` and ``lanes.csv`` are asked.
    plan : Plan
        What the report shows: the map is of the year of its Sankey diagram.
    """
    year = plan.sankey_year
    years = [one for one in plan.table_years if one in contents.years]
    labels = {one.partner: one.label for one in study.partners}
    trade = trade_table(contents, years, study=study)
    mirror = mirror_table(contents, years, study=study).set_index(["quantity", "year"])
    rows = []
    for name, found in trade.groupby("quantity", sort=False):
        first = found.iloc[0]
        cells = [_cell(row, mirror, str(name)) for _, row in found.iterrows()]
        ends = (labels[str(first[end])] for end in ("origin", "destination"))
        rows.append({"label": " to ".join(ends), "name": name, "cells": cells})
    drawn = draw_map(contents, year, study=study)
    return {"map": drawn, "map_year": year, "map_years": years, "lanes": rows}


def _cell(row: pd.Series, mirror: pd.DataFrame, name: str) -> dict[str, str]:
    """Band of a lane in one year, how records see it, and what both customs say."""
    if row["median"] <= 0:
        return {"median": "–", "band": "", "seen": row["seen"], "figures": ""}
    median, _, band = format_band(row["median"], row["lower"], row["upper"]).partition(" (")
    told = ""
    if (name, row["year"]) in mirror.index:
        figures = mirror.loc[(name, row["year"])]
        named = [f"{who} {figures[who]:.3g}" for who in ("exporter", "importer")
                 if figures[who] == figures[who]]  # fmt: skip
        told = ", ".join(named)
    return {"median": median, "band": f"({band}", "seen": row["seen"], "figures": told}
