"""Tests of a model as a page shows them: predictions, variants, what others concluded."""

from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from reebayes.answers.literature import beside_published
from reebayes.answers.predictive import ALL, predictive_check
from reebayes.conventions import POSTERIOR, RATIO_UNITS
from reebayes.errors import ResultError
from reebayes.figures.ranks import plot_predictive
from reebayes.wording import format_band, format_value

if TYPE_CHECKING:
    from reebayes.answers.scores import Comparison

BOUND = {"upper": "at most ", "lower": "at least "}


def predictive_block(fit: xr.DataTree) -> dict[str, Any] | None:
    """Return the predictive check of a fit: its table by kind and by reporter, and a figure.

    None if the fit holds no replicated figures.
    """
    if f"{POSTERIOR}_predictive" not in fit.children:
        return None
    check = predictive_check(fit)
    pit = check.records["pit"].dropna()
    outside = int(((pit - 0.5).abs() > 0.45).sum())
    figure = Figure(figsize=(9.0, 1.2 + 0.2 * check.records["reporter"].nunique()))
    figure.set_layout_engine("constrained")
    plot_predictive(check.records, ax=figure.subplots())
    total = check.summary["reporter"] == ALL
    return {
        "kinds": [_check_row(row) for _, row in check.summary[total].iterrows()],
        "reporters": [_check_row(row) for _, row in check.summary[~total].iterrows()],
        "figure": figure,
        "alternative": f"Ranks of {len(pit)} printed figures, {outside} of them outside 90 %.",
    }


def _check_row(row: pd.Series) -> dict[str, Any]:
    shares = ("inside_50", "inside_90", "prior_inside_90", "chance", "prior_chance")
    return {
        "reporter": row["reporter"],
        "kind": row["kind"],
        "records": row["records"],
        **{name: _percent(row.get(name)) for name in shares},
        "pit": "–" if pd.isna(row["pit"]) else f"{row['pit']:.2f}",
    }


def _percent(share: float | None) -> str:
    return "–" if share is None or pd.isna(share) else f"{100 * share:.0f} %"


def score_blocks(fit: xr.DataTree, comparison: "Comparison") -> list[dict[str, Any]]:
    """Return the scores of a fit and of variants of its study, a block for each score.

    Raises
    ------
    ResultError
        If the comparison is of another study than the fit.
    """
    hashes = comparison.table["study_hash"].astype(str)
    if str(fit.attrs.get("study_hash")) not in set(hashes):
        raise ResultError(
            "The comparison is of another study than the fit, or of an older state of it. "
            "Run `reebayes compare` again."
        )
    return [
        {
            "score": score,
            "records": int(rows["records"].iloc[0]),
            "refitted": int(rows["refitted"].iloc[0]),
            "unscored": int(rows["unscored"].iloc[0]),
            "first": rows["variant"].iloc[0],
            "rows": [_score_row(row) for _, row in rows.iterrows()],
        }
        for score, rows in comparison.table.groupby("score", sort=False)
    ]


def _score_row(row: pd.Series) -> dict[str, str]:
    largest = "–" if pd.isna(row["k_max"]) else f"{row['k_max']:.2f}"
    return {
        "variant": str(row["variant"]),
        "label": str(row["label"]),
        "elpd": f"{row['elpd']:.1f}",
        "se": f"{row['se']:.1f}",
        "difference": f"{row['elpd_diff']:+.1f}",
        "se_diff": f"{row['se_diff']:.1f}",
        "diff_records": str(row["diff_records"]),
        "high_k": str(row["high_k"]),
        "k_max": largest,
        "converged": str(row["converged"]),
    }


def published_rows(fit: xr.DataTree) -> list[dict[str, Any]]:
    """Return what others concluded beside the bands of a fit, as text."""
    return [
        {
            "quantity": row["quantity"],
            "years": _years(row["year"], row["year_end"]),
            "stated": _stated(row),
            "ours": format_band(row["median"], row["lower"], row["upper"]),
            "prior": _prior_band(row),
            "ratio": f"{row['ratio']:.2f}",
            "inside": bool(row["inside"]),
            "source": row["source"],
            "note": row["note"],
            "why": "" if row["inside"] else row["why"] or "Nobody has explained this difference.",
        }
        for _, row in beside_published(fit).iterrows()
    ]


def _years(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def _stated(row: pd.Series) -> str:
    unit = "" if row["unit"] in RATIO_UNITS else f" {row['unit']}"
    if row["kind"] == "range":
        return f"{format_value(row['low'])} to {format_value(row['high'])}{unit}"
    column = {"upper": "high", "lower": "low"}.get(row["kind"], "value")
    return f"{BOUND.get(row['kind'], '')}{format_value(row[column])}{unit}"


def _prior_band(row: pd.Series) -> str:
    if pd.isna(row.get("prior_median", float("nan"))):
        return "–"
    return format_band(row["prior_median"], row["prior_lower"], row["prior_upper"])
