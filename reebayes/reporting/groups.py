"""Groups of elements in a report: what is mined, refined and used of each, and finds no use."""

from __future__ import annotations

from typing import Any

import numpy as np

from reebayes.answers.layers import Layers, weighed
from reebayes.answers.registers import mine_output, refinery_output
from reebayes.conventions import CI_PROB, POSTERIOR
from reebayes.reporting.plan import Plan
from reebayes.results.reading import Contents
from reebayes.wording import format_band


def group_block(contents: Contents, plan: Plan) -> dict[str, Any]:
    """Gather amounts of every group at every stage, in the years of the table.

    Parameters
    ----------
    contents : Contents
    plan : Plan
    """
    # imported here: pages of fits without groups do without its libraries
    from reebayes.answers.tracing import flow_draws

    layers = Layers.of(contents)
    years = [year for year in plan.table_years if year in contents.years]
    draws, known = flow_draws(contents, POSTERIOR, None)
    draws = draws[:, :, [known.index(year) for year in years]]
    draws = draws.reshape(-1, *draws.shape[2:])
    stages = _stages(contents, layers)
    tables = []
    for group, elements in layers.groups.items():
        rows = []
        for label, weights in stages.items():
            chosen = layers.in_group(label, weights, group)
            rows.append({"label": label, "cells": _cells(weighed(draws, layers.flows, chosen))})
        tables.append({"title": elements.replace("+", ", "), "rows": rows})
    return {"groups": tables, "group_years": years}


def _stages(contents: Contents, layers: Layers) -> dict[str, dict[str, float]]:
    """Flows of all groups at every stage, from what is mined to what finds no use."""
    kinds = layers.kinds
    uses = {f: 1.0 for f in layers.flows if kinds[layers.targets[f]] == "use"}
    unused = {f: w for f, w in layers.supplied({}).items() if f not in uses}
    found = {"mined": dict.fromkeys(mine_output(contents), 1.0)}
    if contents.report.get("refined"):
        found["refined"] = dict.fromkeys(refinery_output(contents, None), 1.0)
    return found | {"used": uses} | ({"found no use": unused} if unused else {})


def _cells(draws: np.ndarray) -> list[tuple[str, str]]:
    """Median and band (draw, year) of every year."""
    tail = (1 - CI_PROB) / 2
    low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail], axis=0)
    cells = []
    for year in range(draws.shape[1]):
        text = format_band(middle[year], low[year], high[year])
        median, _, band = text.partition(" (")
        cells.append((median, f"({band}" if band else ""))
    return cells
