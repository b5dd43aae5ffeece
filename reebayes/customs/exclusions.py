"""What cannot be counted, and why: each exclusion rule marks rows that would be counted wrongly.

The frame has a row for each line of the files. A row is included while its ``reason`` is empty; a
rule looks at included rows and never brings one back. No row is taken out.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from reebayes.customs.flows import EXPORT, IMPORT

CELL = ["series", "flow", "reporter_area", "partner_area", "code", "year"]
"""What one figure of a year is about."""

TOLERANCE = 0.02
"""Share of a total by which the sum of its parts may differ from it and still be complete."""

ALL_MONTHS = frozenset(range(1, 13))


def mark(
    frame: pd.DataFrame,
    rows: pd.Series,
    column: str,
    reason: str | pd.Series,
    advice: str,
    *,
    loses: bool = False,
) -> None:
    """Give the included rows among `rows` a reason, and the advice that goes with it.

    `loses` says that trade goes missing with the rows, so that sums they belong to lack it.
    """
    hit = rows & (frame["reason"] == "")
    if not hit.any():
        return
    frame.loc[hit, "reason"] = reason[hit] if isinstance(reason, pd.Series) else reason
    frame.loc[hit, "advice"] = advice
    frame.loc[hit, "column"] = column
    frame.loc[hit, "lost"] = loses
    shown = frame.loc[hit, column] if column in frame else pd.Series("", frame.index[hit])
    frame.loc[hit, "shown"] = shown.map(_text)


def included(frame: pd.DataFrame) -> pd.Series:
    """Return which rows have no reason against them."""
    return frame["reason"] == ""


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.10g}"
    return str(value)


NO_PLACES = (
    ("", "{side} is no listed area, and almost the name of one",
     "write the name right, or add it to the table of areas"),
    ("unknown", "{side} is not specified", "nothing: it may lie in any region"),
    ("group", "{side} is a group of countries", "give the countries one by one, without the group"),
)  # fmt: skip
"""Roles that no trade can be booked to, with reason and advice."""


def mark_areas(frame: pd.DataFrame) -> None:
    """Mark reporters and partners that are no country, and trade of a country with itself."""
    for side in ("reporter", "partner"):
        for role, reason, advice in NO_PLACES:
            rows = frame[f"{side}_role"] == role
            mark(frame, rows, side, reason.format(side=side), advice)
    total = frame["reporter_role"] == "total"
    mark(frame, total, "reporter", "reporter is a total of countries", "give them one by one")
    itself = frame["reporter_area"] == frame["partner_area"]
    reason, advice = "re-import: a country's trade with itself", "nothing: it crosses no border"
    mark(frame, itself, "partner", reason, advice)
    same = (frame["reporter_region"] == frame["partner_region"]) & (frame["partner_region"] != "")
    reason, advice = "trade within one region", "nothing: the study has one market a region"
    mark(frame, same, "partner", reason, advice)


def mark_flows(frame: pd.DataFrame) -> None:
    """Mark flows that are a part of all exports or imports."""
    part = ~frame["flow"].isin([EXPORT, IMPORT])
    mark(
        frame,
        part,
        "flow",
        "re-export, re-import or another part of all exports or imports",
        "nothing: totals of exports and imports hold it",
    )


def mark_codes(frame: pd.DataFrame) -> None:
    """Mark commodity codes that are not in the table, and those it says not to use."""
    mark(
        frame,
        frame["known"] == "",
        "code",
        "code is not in the table of codes",
        "add it to the table of codes if it is of the study",
    )
    mark(
        frame,
        frame["known"] == "unused",
        "code",
        "code is not used, says the table of codes",
        "see its note in the table of codes",
    )


def mark_breakdowns(frame: pd.DataFrame) -> None:
    """Mark lines that a total line holds already, and lines whose total is missing."""
    key = [*CELL, "month", "part", "classification"]
    part = frame["breakdown"] != ""
    index = pd.MultiIndex.from_frame(frame[key])
    totals = pd.MultiIndex.from_frame(frame.loc[included(frame) & ~part, key])
    doubled = included(frame) & pd.Series(index.isin(totals), frame.index)
    kind = frame["breakdown"].str.rsplit(" ", n=1).str[0]
    mark(
        frame,
        part & doubled,
        "breakdown",
        "part of a total line, by " + kind + _doubling(frame, doubled, doubled & ~part),
        "nothing: the total line is taken",
    )
    mark(
        frame,
        part,
        "breakdown",
        "part of a total line that is not in the files",
        "download procedure C00, mode of transport 0, second partner World",
        loses=True,
    )


def _doubling(frame: pd.DataFrame, every: pd.Series, right: pd.Series) -> pd.Series:
    """Say by how much an office's year would be too large if every line were added up."""
    year = [frame[name] for name in ("series", "flow", "reporter", "year")]
    sums = [
        frame["weight_kg"].where(rows).groupby(year).transform("sum") for rows in (every, right)
    ]
    factor = sums[0] / sums[1]
    text = factor.map(lambda f: f"x{f:.2g}" if np.isfinite(f) else "wrong")
    who = frame["reporter"] + " " + frame["flow"] + "s " + frame["year"].astype(str)
    return "; added up, " + who + " would be " + text


def mark_classifications(frame: pd.DataFrame) -> None:
    """Mark figures that are given again in another edition of the classification."""
    converted = ~frame["original"]
    key = [*CELL, "month", "part"]
    original = frame[included(frame) & ~converted].groupby(key).size()
    index = pd.MultiIndex.from_frame(frame[key])
    mark(
        frame,
        converted & pd.Series(index.isin(original.index), frame.index),
        "classification",
        "converted from another edition of the classification",
        "nothing: the original is taken",
    )
    newest = frame.loc[included(frame)].groupby(key)["classification"].max()
    kept = pd.Series(newest.reindex(index).to_numpy(), frame.index)
    mark(
        frame,
        frame["classification"] != kept,
        "classification",
        "given again in a newer edition of the classification",
        "nothing: the newer is taken",
    )


def mark_repeats(frame: pd.DataFrame) -> None:
    """Mark lines that stand more than once, and lines that contradict one another."""
    key = [*CELL, "month", "part"]
    ordered = frame[included(frame)].sort_values(["file", "row"])
    same = ordered.duplicated([*key, "weight_kg", "value_usd"])
    repeated = same.reindex(frame.index, fill_value=False)
    counted = included(frame)
    mark(
        frame,
        repeated,
        "weight_kg",
        "the same line stands more than once" + _doubling(frame, counted, counted & ~repeated),
        "nothing: it is counted once",
    )
    count = frame[included(frame)].groupby(key)["weight_kg"].transform("size")
    contradict = (count > 1).reindex(frame.index, fill_value=False)
    mark(
        frame,
        contradict,
        "weight_kg",
        "two lines for the same figure contradict one another",
        "keep one; if they are parts (by customs procedure, by transport), give the total alone",
        loses=True,
    )


def mark_months(frame: pd.DataFrame) -> None:
    """Mark months beside the year, and months of a year that is not complete."""
    cells = pd.MultiIndex.from_frame(frame[CELL])
    years = pd.MultiIndex.from_frame(frame.loc[included(frame) & (frame["month"] == 0), CELL])
    beside = pd.Series(cells.isin(years), frame.index) & (frame["month"] > 0)
    mark(
        frame,
        beside,
        "month",
        "a month beside the figure of the year",
        "nothing: the year is taken",
    )
    key = ["series", "flow", "reporter_area", "year"]
    monthly = frame[included(frame) & (frame["month"] > 0)]
    seen = monthly.groupby(key)["month"].agg(lambda months: ALL_MONTHS <= set(months))
    whole = seen[seen].index
    lacking = ~pd.Series(pd.MultiIndex.from_frame(frame[key]).isin(whole), frame.index)
    mark(
        frame,
        lacking & (frame["month"] > 0),
        "month",
        "year is not complete: months are missing",
        "give all twelve months",
        loses=True,
    )


def mark_weights(frame: pd.DataFrame) -> None:
    """Mark lines without a weight."""
    missing = ~(frame["weight_kg"] > 0)
    mark(
        frame,
        missing,
        "weight_kg",
        "no weight",
        "find the weight elsewhere; a value alone gives none",
        loses=True,
    )


def mark_nested(frame: pd.DataFrame) -> None:
    """Mark headings beside their subheadings, or the subheadings if they do not add up."""
    above: list[int] = []
    below: list[int] = []
    codes = set(frame.loc[included(frame), "code"])
    kin = {a for a in codes for b in codes if a != b and (a.startswith(b) or b.startswith(a))}
    some = frame[included(frame) & frame["code"].isin(kin)]
    for _, group in some.groupby([name for name in CELL if name != "code"]):
        weights = group.groupby("code")["weight_kg"].sum()
        for code in weights.index:
            inner = [c for c in weights.index if c != code and c.startswith(code)]
            leaves = [c for c in inner if not any(o != c and o.startswith(c) for o in inner)]
            if inner and weights[leaves].sum() >= (1 - TOLERANCE) * weights[code]:
                above += group.index[group["code"] == code].tolist()
            elif inner:
                below += group.index[group["code"].isin(inner)].tolist()
    mark(
        frame,
        pd.Series(frame.index.isin(below), frame.index),
        "code",
        "subheading beside its heading, which is more than its subheadings",
        "nothing: the heading is taken; add the other subheadings for finer figures",
    )
    mark(
        frame,
        pd.Series(frame.index.isin(above), frame.index),
        "code",
        "heading beside its own subheadings",
        "nothing: the subheadings are taken",
    )


EXCLUSIONS: Sequence[Callable[[pd.DataFrame], None]] = (
    mark_flows,
    mark_areas,
    mark_codes,
    mark_breakdowns,
    mark_classifications,
    mark_repeats,
    mark_months,
    mark_weights,
    mark_nested,
)
"""In this order: what is no figure at all comes before what is one too many."""
