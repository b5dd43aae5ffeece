"""Scores of variants as text: which lead, what is not compared, and who tells most."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from reebayes.conventions import CI_PROB, REPORTER
from reebayes.wording import format_band

LOO = "loo"
"""Name of the score that leaves out one record at a time; others leave out whole groups."""

LEFT_OUT, READ_OTHERWISE, UNSCORED = "left_out", "read_otherwise", "unscored"
"""Why a record is not compared, and the column that counts such records."""

NAMED_SET = "set"
"""Kind of a group of records that was asked for; others are of a reporter."""

_REPORTERS_SHOWN = 5


def comparison_text(table: pd.DataFrame, groups: pd.DataFrame, quantities: pd.DataFrame) -> str:
    """Return scores, the reporters that tell most, and headline quantities as text.

    Parameters
    ----------
    table, groups, quantities : DataFrame
        Those of a `Comparison`.
    """
    parts: list[str] = []
    for score, rows in table.groupby("score", sort=False):
        parts.append(f"{_heading(score)}\n{_score_text(rows)}")
        told = telling_groups(groups, str(score))
        if len(told) and (score != LOO or len(parts) == 1):
            parts.append(_group_text(told))
    return "\n\n".join([*parts, _quantity_text(quantities)])


def _heading(score: object) -> str:
    if score == LOO:
        return (
            "By importance sampling, of the records that it can score alone: held-out log\n"
            "predictive density, one record left out at a time (PSIS-LOO)"
        )
    return f"Held-out log predictive density, records left out together: {score}"


def missing_text(row: pd.Series) -> str:
    """Return how many records a score does not compare, and why, as a sentence."""
    counts = (
        (row[LEFT_OUT], "left out by some variant"),
        (row[READ_OTHERWISE], "read otherwise by some variant"),
        (row[UNSCORED], "without a score in some fit"
         + (", their Pareto k being too high" if row["score"] == LOO else "")),
    )  # fmt: skip
    parts = [f"{count} {why}" for count, why in counts if count]
    return f"Not compared: {'; '.join(parts)}." if parts else "No record is missing."


def _score_text(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    lines = [
        f"{first['records']} records scored in all fits, {first['refitted']} of them by refits. "
        f"{missing_text(first)}"
    ]
    table = pd.DataFrame(
        {
            "variant": rows["variant"],
            "elpd": rows["elpd"].map("{:.1f}".format),
            "se": rows["se"].map("{:.1f}".format),
            "difference": rows["elpd_diff"].map("{:+.1f}".format),
            "se of it": rows["se_diff"].map("{:.1f}".format),
            "over": rows["diff_records"],
            "weight": [f"{weight:.2f}" if weight >= 0 else "" for weight in rows["weight"]],
            "high k": rows["high_k"],
            "largest k": rows["k_max"].map("{:.2f}".format),
            "converged": rows["converged"],
        }
    )
    if first["score"] != LOO:
        table = table.drop(columns=["high k", "largest k"])
    return "\n".join([*lines, table.to_string(index=False)])


def telling_groups(groups: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return the sets of records asked for, and the reporters that tell each variant most.

    Parameters
    ----------
    groups : DataFrame
        ``groups`` of a `Comparison`.
    score : str
        Whose rows are returned.
    """
    rows = groups[groups["score"] == score]
    size = rows["elpd_diff"].abs()
    rank = size.groupby([rows["variant"], rows["kind"]]).rank(ascending=False, method="first")
    shown = rows[(rows["kind"] == NAMED_SET) | (rank <= _REPORTERS_SHOWN)]
    place = {name: n for n, name in enumerate(dict.fromkeys(rows["variant"]))}
    keys = pd.DataFrame({
        "place": shown["variant"].map(place), "single": shown["kind"] == REPORTER,
        "rank": rank[shown.index],
    })  # fmt: skip
    return shown.loc[keys.sort_values(["place", "single", "rank"]).index]


def _group_text(rows: pd.DataFrame) -> str:
    title = "Difference over sets of records, and by reporter the largest of each variant"
    return f"{title}\n{_plain(rows)}"


def _plain(rows: pd.DataFrame) -> str:
    return pd.DataFrame(
        {
            "variant": rows["variant"],
            "group": rows["group"],
            "records": rows["records"],
            "difference": rows["elpd_diff"].map("{:+.1f}".format),
            "se of it": rows["se_diff"].map(lambda se: "" if np.isnan(se) else f"{se:.1f}"),
        }
    ).to_string(index=False)


def _quantity_text(rows: pd.DataFrame) -> str:
    text = [format_band(*values) for values in _band_values(rows)]
    table = rows.assign(band=text).pivot(index="variant", columns="quantity", values="band")
    order = list(dict.fromkeys(rows["variant"]))
    table = table.loc[order, list(dict.fromkeys(rows["quantity"]))].rename_axis(None, axis=1)
    unit = " or ".join(dict.fromkeys(rows["unit"]))
    return f"Headline quantities, median and {100 * CI_PROB:g} % band, {unit}\n{table.to_string()}"


def _band_values(rows: pd.DataFrame) -> Iterable[tuple[float, float, float]]:
    return rows[["median", "lower", "upper"]].itertuples(index=False, name=None)
