"""Model checking as a page shows it: predictive checks, variants, literature estimates."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from reebayes.answers.literature import beside_published
from reebayes.answers.predictive import ALL, predictive_check
from reebayes.answers.scores_text import LOO, missing_text, telling_groups
from reebayes.answers.uniformity import HeldOutCheck, shown_rows
from reebayes.conventions import RATIO_UNITS
from reebayes.errors import ResultError
from reebayes.figures.ranks import plot_pit, plot_predictive
from reebayes.results.contents import PREDICTIVE
from reebayes.results.reading import Fit, contents_of
from reebayes.study.kinds import (
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    FIGURE,
    SIGNED,
    KindReader,
    kind_of,
)
from reebayes.wording import format_band, format_share, format_value

if TYPE_CHECKING:
    from reebayes.answers.scores import Comparison


def years_between(first: int, last: int) -> str:
    """Write a year, or the first and last of several."""
    return str(first) if first == last else f"{first}–{last}"


def stated_text(record: Any, unit: str) -> str:
    """Write what a record or an estimate states, in the unit of the study.

    Parameters
    ----------
    record : row of a table
        With ``kind, value, low, high``.
    unit : str
        What stands behind the numbers.
    """
    text = f"{_stated_of(record.kind)(record)} {unit}".strip()
    if not kind_of(record.kind).is_zero:
        return text
    return f"0 ({text.replace('at most', 'less than')})"


_stated_of: KindReader[Callable[[Any], str]] = KindReader(
    "text of what is stated",
    {
        FIGURE: lambda record: format_value(record.value),
        SIGNED: lambda record: format_value(record.value),
        AT_MOST: lambda record: f"at most {format_value(record.high)}",
        AT_LEAST: lambda record: f"at least {format_value(record.low)}",
        BETWEEN: lambda record: f"{format_value(record.low)} to {format_value(record.high)}",
    },
)


def predictive_block(fit: Fit) -> dict[str, Any] | None:
    """Return the posterior predictive check of a fit: tables by kind and reporter, and a figure.

    None if the fit holds no replicated figures, or no records.
    """
    contents = contents_of(fit)
    if not contents.has(PREDICTIVE) or contents.records.empty:
        return None
    check = predictive_check(contents)
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


def places_block(fit: Fit, check: HeldOutCheck) -> dict[str, Any]:
    """Return where held-out records lie in what was predicted of them: a table and a figure.

    Raises
    ------
    ResultError
        If they are records of another study than the fit.
    """
    if set(check.summary["study_hash"]) != {str(contents_of(fit).attrs.get("study_hash"))}:
        raise ResultError(
            "The held-out records are of another study than the fit, or of an older state of it. "
            "Run `reebayes compare --folds` again."
        )
    rows = [
        {
            "reporter": f"all {row['what']}" if row["reporter"] == ALL else str(row["reporter"]),
            "records": int(row["records"]),
            "mean": f"{row['mean']:.2f}",
            "sd_z": f"{row['sd_z']:.2f}",
            "inside_50": format_share(row["inside_50"]),
            "inside_90": format_share(row["inside_90"]),
            "p": "–" if pd.isna(row["p"]) else f"{row['p']:.3f}",
        }
        for _, row in shown_rows(check.summary).iterrows()
    ]
    first = rows[0]
    alternative = f"PIT of held-out records; {first['reporter']}: p = {first['p']}."
    return {"rows": rows, "figure": plot_pit(check), "alternative": alternative}


def _check_row(row: pd.Series) -> dict[str, Any]:
    shares = ("inside_50", "inside_90", "prior_inside_90", "chance", "prior_chance")
    return {
        "reporter": row["reporter"],
        "kind": row["kind"],
        "records": row["records"],
        **{name: format_share(row.get(name)) for name in shares},
        "pit": "–" if pd.isna(row["pit"]) else f"{row['pit']:.2f}",
    }


def score_blocks(fit: Fit, comparison: "Comparison") -> list[dict[str, Any]]:
    """Return the scores of a fit and of variants of its study, a block for each score.

    Raises
    ------
    ResultError
        If the comparison is of another study than the fit.
    """
    hashes = comparison.table["study_hash"].astype(str)
    if str(contents_of(fit).attrs.get("study_hash")) not in set(hashes):
        raise ResultError(
            "The comparison is of another study than the fit, or of an older state of it. "
            "Run `reebayes compare` again."
        )
    return [
        {
            "score": score,
            "records": int(rows["records"].iloc[0]),
            "refitted": int(rows["refitted"].iloc[0]),
            "missing": missing_text(rows.iloc[0]),
            "by_refits": score != LOO,
            "first": rows["variant"].iloc[0],
            "rows": [_score_row(row) for _, row in rows.iterrows()],
            "groups": [
                _group_row(row)
                for _, row in telling_groups(comparison.groups, str(score)).iterrows()
            ],
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


def _group_row(row: pd.Series) -> dict[str, str]:
    return {
        "variant": str(row["variant"]),
        "group": str(row["group"]),
        "records": str(row["records"]),
        "difference": f"{row['elpd_diff']:+.1f}",
        "se_diff": "–" if pd.isna(row["se_diff"]) else f"{row['se_diff']:.1f}",
    }


def published_rows(fit: Fit) -> list[dict[str, Any]]:
    """Return literature estimates beside the bands of a fit, as text."""
    contents = contents_of(fit)
    return [
        {
            "name": row["quantity"],
            "label": contents.label_of(str(row["quantity"])),
            "years": years_between(row["year"], row["year_end"]),
            "stated": stated_text(row, "" if row["unit"] in RATIO_UNITS else row["unit"]),
            "ours": format_band(row["median"], row["lower"], row["upper"]),
            "prior": _prior_band(row),
            "ratio": f"{row['ratio']:.2f}",
            "inside": bool(row["inside"]),
            "source": row["source"],
            "note": row["note"],
            "why": "" if row["inside"] else row["why"] or "Nobody has explained this difference.",
        }
        for _, row in beside_published(contents).iterrows()
    ]


def _prior_band(row: pd.Series) -> str:
    if pd.isna(row.get("prior_median", float("nan"))):
        return "–"
    return format_band(row["prior_median"], row["prior_lower"], row["prior_upper"])
