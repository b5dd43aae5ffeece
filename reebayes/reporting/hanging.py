"""What the answers hang on, as blocks of a page: a tornado, a budget, figures worth finding."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reebayes.answers.hangs import CONFLICT_FROM, SensitivitySummary
from reebayes.errors import ResultError
from reebayes.figures.tornado import plot_tornado
from reebayes.reporting.pictures import embedded
from reebayes.reporting.plan import Plan
from reebayes.results.reading import Contents
from reebayes.wording import format_band, format_share, format_value, rank_text

ROWS = 8
"""Rows of each tornado and of each budget."""

CONFLICTS = 10
"""Unknowns in conflict with their priors that are shown."""

SETTING = "setting"
"""Target of a row that is of a setting and not of a prior."""

FIRST_ORDER = "slope"
"""How a change was found that has no error: its weights fail."""


def hanging_blocks(
    contents: Contents, plan: Plan, summary: SensitivitySummary
) -> list[dict[str, Any]]:
    """Return what the page shows of each answer, in the order of the summary."""
    return [_block(contents, plan, summary, name) for name in summary.years]


def first_sentences(paragraphs: Sequence[str]) -> list[str]:
    """Return the first sentence of each paragraph."""
    return [re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip(), maxsplit=1)[0] for text in paragraphs]


def _block(
    contents: Contents, plan: Plan, summary: SensitivitySummary, name: str
) -> dict[str, Any]:
    year = summary.years[name]
    first, last = contents.years[0], contents.years[-1]
    one = str(last) if first == last or year is not None else ""
    span = one or f"sum {first}–{last}"
    block: dict[str, Any] = {"label": plan.label(name), "span": span, "name": name, "moves": False}
    if name not in summary.slopes:
        return block
    slopes, budget = summary.slopes[name], summary.budgets[name]
    figures = summary.figures.get(name)
    return block | {
        "moves": True,
        "unit": str(slopes["unit"].iloc[0]),
        "tornado": _tornado(slopes, f"{plan.label(name)}, {span}"),
        "slopes": [_slope_row(str(label), row) for label, row in _steepest(slopes).iterrows()],
        "settings": _unsettled(slopes),
        "budget": _budget_rows(budget),
        "figures": [] if figures is None else [_figure_row(plan, row) for _, row in
                                               figures.iterrows()],
        "before": "" if figures is None else format_value(float(figures["before"].iloc[0])),
    }  # fmt: skip


# --- prior-data conflict --------------------------------------------------------------------------


def conflict_block(contents: Contents, conflicts: pd.DataFrame) -> dict[str, Any]:
    """Return the unknowns that the records moved furthest from their priors, and how many did."""
    beyond = conflicts[conflicts["conflict"]]
    rows = beyond.head(CONFLICTS).iterrows()
    labels = contents.flows["label"]
    return {
        "count": len(beyond),
        "all": len(conflicts),
        "limit": f"{CONFLICT_FROM:g}",
        "rows": [_conflict_row(str(row["unknown"]), str(name), row, labels) for name, row in rows],
    }


def _conflict_row(unknown: str, name: str, row: pd.Series, labels: pd.Series) -> dict[str, str]:
    ends = {title: [row[title], row[f"{title}_lower"], row[f"{title}_upper"]]
            for title in ("prior", "posterior")}  # fmt: skip
    return {
        "label": str(labels.get(unknown) or unknown),
        "name": name if name.startswith(unknown) else f"{name}, {unknown}",
        "source": str(row["source"]),
        "unit": str(row["unit"]),
        "year": str(row["year"]),
        "years": str(row["years"]).replace(";", ", "),
        "shift": f"{row['shift']:+.1f}".replace("-", "−"),
        "pulled_by": str(row["pulled_by"]).replace("-0.", "−0.").replace("; ", ", "),
        **{title: format_band(*map(float, values)) for title, values in ends.items()},
    }


# --- sensitivity ----------------------------------------------------------------------------------


def _steepest(slopes: pd.DataFrame) -> pd.DataFrame:
    """Rows that move the answer most, as in the tornado."""
    size = slopes[["down", "up"]].abs().max(axis=1)
    rows = slopes[np.isfinite(size) & (size > 0)]
    order = size[rows.index].sort_values(ascending=False).index[:ROWS]
    return pd.DataFrame(rows.loc[order])


def _slope_row(label: str, row: pd.Series) -> dict[str, str]:
    return {
        "label": label,
        "source": str(row["source"]),
        "rank": rank_text(row["rank_from"], row["rank_to"]),
        "down": _change(row["down"], row["down_error"]),
        "up": _change(row["up"], row["up_error"]),
        "by": _method(row),
    }


def _unsettled(slopes: pd.DataFrame) -> list[str]:
    """Settings of which the draws do not tell what another one would do, and why."""
    rows = slopes[(slopes["target"] == SETTING) & ~np.isfinite(slopes["up"])]
    return [f"{label}: {row['verdict']}" for label, row in rows.iterrows()]


def _change(value: float, error: float) -> str:
    """A change with its own standard error; without one where it has none."""
    if not math.isfinite(value):
        return "–"
    sign = "+" if value >= 0 else "−"
    beside = f" ± {format_value(error)}" if math.isfinite(error) else ""
    return f"{sign}{format_value(abs(value))}{beside}"


def _method(row: pd.Series) -> str:
    khat = f"k-hat {row['khat']:.2f}" if math.isfinite(row["khat"]) else ""
    if row["by"] == FIRST_ORDER:
        return f"first order only: the weights are unreliable{khat and f' ({khat})'}"
    return f"by {row['by']}{khat and f' ({khat})'}"


def _tornado(slopes: pd.DataFrame, title: str) -> dict[str, str] | None:
    rows = _steepest(slopes)
    figure = Figure(figsize=(9.0, 1.1 + 0.29 * len(rows)), layout="constrained")
    try:
        plot_tornado(slopes, count=ROWS, ax=figure.add_subplot())
    except ResultError:  # nothing moves it
        return None
    moved = "; ".join(
        f"{label} {_change(row['down'], math.nan)} and {_change(row['up'], math.nan)}"
        for label, row in rows.head(3).iterrows()
    )
    unit = slopes["unit"].iloc[0]
    words = (f"Tornado diagram of {title}. Change of the mean in {unit} if the centre of a prior "
             f"is lower and higher by one of its standard deviations: {moved}.")  # fmt: skip
    return embedded(figure, words)


# --- budget ---------------------------------------------------------------------------------------


def _budget_rows(budget: pd.DataFrame) -> list[dict[str, str]]:
    """Largest inputs, all others together, and what is not linear."""
    inputs, rest = budget.iloc[:-1], budget.iloc[-1]
    rows = [_input_row(str(name), row) for name, row in inputs.head(ROWS).iterrows()]
    others = inputs.iloc[ROWS:]
    if len(others):
        together = {"share": others["share"].sum(), "removed": math.nan, "sd": math.nan,
                    "error": float(np.sqrt(np.square(others["error"]).sum()))}  # fmt: skip
        rows.append(_input_row(f"{len(others)} other inputs", pd.Series(together)))
    return [*rows, _input_row("not linear, and records of bounds", rest.drop("kind"))]


def _input_row(label: str, row: pd.Series) -> dict[str, str]:
    return {
        "label": label,
        "kind": str(row.get("kind", "")),
        "share": _with_error(row["share"], row["error"]),
        "sd": format_value(float(row["sd"])) if math.isfinite(row["sd"]) else "–",
        "removed": format_share(row["removed"], digits=1),
    }


def _with_error(share: float, error: float) -> str:
    return f"{format_share(share, digits=1).removesuffix(' %')} ± {format_share(error, digits=1)}"


# --- figures worth finding ------------------------------------------------------------------------


def _figure_row(plan: Plan, row: pd.Series) -> dict[str, str]:
    return {
        "label": plan.label(str(row["quantity"])),
        "years": str(row["years"]),
        "alone": _with_error(1 - row["alone"], row["error"]),
        "together": format_share(1 - row["together"], digits=1),
        "after": format_value(float(row["after"])),
    }
