"""Rows that passed, added up to records: what one office saw of one quantity in one year."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from reebayes.conventions import CI_PROB
from reebayes.customs.exclusions import TOLERANCE, included, mark
from reebayes.customs.flows import EXPORT
from reebayes.customs.remarks import Remark
from reebayes.study import Study

COLUMNS = (
    *("record", "quantity", "year", "year_end", "kind", "value", "low", "high", "other", "unit"),
    *("factor", "sd", "shared", "lag", "reporter", "source", "status", "composition", "note"),
)
"""The columns of ``records.csv``, in its order."""

REJECTED = ("file", "row", "column", "value", "reason", "what_to_do", "tonnes", "outcome")
"""The columns of the table of what was not counted, and of remarks."""

TONNES = 1e-3
MOST_SD = 0.6
ESTIMATED_SD = 0.5
"""Relative error of weights that an office estimated with the usual unit value of a code, which
differs from that of the goods by about so much; the errors of all such lines go together."""

GROUP = ["series", "reporter_region", "apart", "flow", "quantity", "year"]
"""What is added up to one record. ``apart`` is an area that the quantity is about alone."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user decides: errors, and what to do with sums that are not complete."""

    sd: float
    misbooked: float
    all_partners: bool
    bounds: bool


def mark_quantities(frame: pd.DataFrame, study: Study) -> None:
    """Mark rows that no quantity of the study observes, or not in their year."""
    mark(
        frame,
        ~frame["year"].between(study.first_year, study.last_year),
        "year",
        f"year is outside the study's years {study.first_year}-{study.last_year}",
        "nothing, or widen the study",
    )
    wanted = ~frame["is_world"]
    what = "no quantity for " + frame["product"] + " from " + frame["exporter"] + " to "
    mark(
        frame,
        wanted & (frame["quantity"] == ""),
        "code",
        what + frame["importer"] + ", " + frame["side"] + "'s side",
        "add a row to the table of quantities of customs",
    )
    mark(
        frame,
        wanted & ~frame["quantity"].isin(study.quantities.names),
        "quantity",
        "quantity is not in the study",
        "add it to quantities.csv, or name another one",
    )
    pairs = list(zip(frame["quantity"], frame["year"], strict=True))
    active = {pair: _is_active(study, *pair) for pair in set(pairs)}
    idle = pd.Series([not active[pair] for pair in pairs], frame.index, dtype=bool)
    mark(
        frame,
        wanted & idle,
        "quantity",
        "no flow of the quantity is active in the year",
        "change the flows' active years if the trade is real",
    )
    mark(
        frame,
        wanted & ~frame["source"].isin(study.sources.names),
        "source",
        "source is not in the study",
        "add it to sources.csv, or name another one",
    )


def _is_active(study: Study, quantity: str, year: int) -> bool:
    if quantity not in study.quantities.names:
        return True  # told already
    return any(
        study.flows[flow].is_active(year) for flow, _ in study.quantities[quantity].numerator
    )


def mark_incomplete(frame: pd.DataFrame, coverage: pd.Series, rules: Rules) -> pd.Series:
    """Mark the rows of sums that are not complete; return which are kept as lower bounds."""
    bounds = pd.Series(False, frame.index)
    queried = _queried(frame)
    withheld = _withheld(frame)
    for key, group in frame[included(frame) & ~frame["is_world"]].groupby(GROUP):
        reason = _gap(frame, group, coverage, queried, rules)
        if not reason and key not in withheld:
            continue
        hit = pd.Series(frame.index.isin(group.index), frame.index)
        if rules.bounds or not reason:
            bounds |= hit
        else:
            mark(
                frame,
                hit,
                "partner",
                f"sum is not complete: {reason}",
                "add what is missing, or ask for lower bounds",
            )
    mark(
        frame,
        frame["is_world"],
        "partner",
        "total of all partners",
        "nothing: it serves to check the sum of the partners",
    )
    return bounds


def _withheld(frame: pd.DataFrame) -> set[tuple[object, ...]]:
    """Return the sums of which the office keeps back some weight."""
    rows = frame.loc[frame["withheld"] & (included(frame) | frame["lost"]), GROUP]
    return set(rows.itertuples(index=False, name=None))


def _gap(
    frame: pd.DataFrame,
    group: pd.DataFrame,
    coverage: pd.Series,
    queried: pd.Series,
    rules: Rules,
) -> str:
    """Return what a sum lacks; empty if nothing."""
    first = group.iloc[0]
    codes = queried.get((first["series"], first["reporter_area"], first["flow"], first["year"]), ())
    missing = [h for h in first["headings"] if not any(_covers(code, h) for code in codes)]
    if missing:
        return f"no line of {', '.join(missing)} in the files"
    bare = _without_partners(first, coverage)
    if bare:
        return f"no partners of {', '.join(bare)} are given, only their total"
    if (group["rest_reporter"]).any():
        return "other countries of the region report too"
    for code, lines in group[group["rest_partner"]].groupby("code"):
        cell = (first["series"], first["flow"], first["reporter_area"], code, first["year"])
        share = coverage.get(cell, np.nan)
        if np.isnan(share) and not rules.all_partners:
            return f"no line for all partners of {code} to check the sum of {len(lines)} against"
        if not np.isnan(share) and abs(share - 1) > TOLERANCE:
            return f"partners of {code} add up to {share:.1%} of the total"
    return _damage(frame, first)


def _without_partners(first: pd.Series, coverage: pd.Series) -> list[str]:
    """Return the codes of a sum of which the files hold the total of all partners only."""
    cells = coverage[coverage == 0].index.to_frame(index=False)
    for name in ("series", "flow", "reporter_area", "year"):
        cells = cells[cells[name] == first[name]]
    headings = first["headings"]
    return [code for code in cells["code"] if any(_covers(code, head) for head in headings)]


def _damage(frame: pd.DataFrame, first: pd.Series) -> str:
    """Return what was lost of a sum to lines that cannot be used, if it is more than a little."""
    same = pd.Series(True, frame.index)
    for name in GROUP:
        same &= frame[name] == first[name]
    lost = frame[same & frame["lost"] & ~frame["withheld"]]
    if lost.empty:
        return ""
    kept, gone = frame.loc[same & included(frame), "value_usd"].sum(), lost["value_usd"].sum()
    if lost["value_usd"].notna().all() and gone <= TOLERANCE * (kept + gone):
        return ""
    return f"{len(lost)} of its lines cannot be used ({lost['reason'].iloc[0]})"


def _covers(code: str, heading: str) -> bool:
    return code.startswith(heading) or heading.startswith(code)


def coverage_of(frame: pd.DataFrame) -> pd.Series:
    """Return the sum of partners over the line of all partners, by cell."""
    key = ["series", "flow", "reporter_area", "code", "year"]
    world = frame[frame["is_world"] & included(frame)].groupby(key)
    # The total holds trade of a country with itself, which is no trade between regions.
    itself = (frame["reporter_area"] == frame["partner_area"]) & (frame["breakdown"] == "")
    singles = frame[~frame["is_world"] & (included(frame) | itself)].groupby(key)
    total = world["weight_kg"].sum()
    return singles["weight_kg"].sum().reindex(total.index, fill_value=0.0) / total


def _queried(frame: pd.DataFrame) -> pd.Series:
    """Return the codes that the files hold of an office and year, whatever the partner."""
    key = ["series", "reporter_area", "flow", "year"]
    return frame.groupby(key)["code"].agg(lambda codes: tuple(sorted(set(codes))))


def mark_second_offices(frame: pd.DataFrame, bounds: pd.Series) -> None:
    """Mark rows of an office that another file gives as well: its trade would count twice.

    A sum beats a lower bound, a larger sum one that lacks codes, and finer codes coarser ones.
    Files of different countries of one region do not stand in for one another.
    """
    key = ["reporter_region", "apart", "flow", "quantity", "year"]
    counted = frame.assign(bound=bounds, digits=frame["code"].str.len())[included(frame)]
    sums = counted.groupby([*key, "series"]).agg(
        bound=("bound", "any"), weight=("weight_kg", "sum"), digits=("digits", "mean")
    )
    largest = sums.groupby([*key, "bound"])["weight"].transform("max")
    sums["short"] = sums["weight"] < (1 - TOLERANCE) * largest
    ranked = sums.reset_index().sort_values(
        ["bound", "short", "digits", "series"], ascending=[True, True, False, True]
    )
    offices = counted[[*key, "series", "reporter_area"]].drop_duplicates()
    office = [*key, "reporter_area"]
    best = ranked[[*key, "series"]].merge(offices, how="left").drop_duplicates(office)
    index = pd.MultiIndex.from_frame(frame[office])
    chosen = best.set_index(office)["series"].reindex(index).to_numpy()
    taken = pd.Series(chosen, frame.index)
    mark(
        frame,
        taken.notna() & (frame["series"] != taken),
        "series",
        taken.map(lambda name: f"the same customs stand in another file too ({name})"),
        "nothing: that file is fuller or has finer codes",
    )


def sum_records(frame: pd.DataFrame, bounds: pd.Series, rules: Rules) -> pd.DataFrame:
    """Return a record for each office, quantity and year, in the columns of ``records.csv``."""
    counted = frame.assign(bound=bounds)[included(frame)]
    return as_records([_record(group, rules) for _, group in counted.groupby(GROUP)])


def as_records(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return rows as a table in the columns and order of ``records.csv``."""
    table = pd.DataFrame([dict(row) for row in rows], columns=list(COLUMNS))
    ordered = table.sort_values(["quantity", "year", "reporter"], ignore_index=True)
    numbers = dict.fromkeys(("value", "low", "high", "factor", "sd"), float)
    return ordered.astype({"year": "Int64", "year_end": "Int64", **numbers})


def _record(group: pd.DataFrame, rules: Rules) -> dict[str, object]:
    first = group.iloc[0]
    tonnes = math.fsum(group["weight_kg"] * TONNES)
    content = math.fsum(group["weight_kg"] * TONNES * group["factor"])
    bound, reporter = bool(first["bound"]), _reporter(first)
    name = f"{first['quantity']}-{first['year']}-{reporter}".replace("_", "-").casefold()
    figure = round(tonnes, 6)
    return {
        "record": name,
        "quantity": first["quantity"],
        "year": first["year"],
        "year_end": None,
        "kind": "lower" if bound else "value",
        "value": None if bound else figure,
        "low": figure if bound else None,
        "high": None,
        "unit": "t gross",
        "factor": float(f"{content / tonnes:.4g}"),
        "sd": round(_sd(group, content, rules), 3),
        "reporter": reporter,
        "source": first["source"],
        "note": _note(group),
    }


def _sd(group: pd.DataFrame, content: float, rules: Rules) -> float:
    """Combine the errors of weight, of content, and of small consignments, on the log scale.

    Weights that were estimated are wider by their share of the content.

    The factors of the codes are judged in one way, so their errors are taken to go together: the
    sum's is their mean, weighted by content.
    """
    width = 2 * NormalDist().inv_cdf((1 + CI_PROB) / 2)
    each = np.log(group["factor_high"] / group["factor_low"]) / width
    weights = group["weight_kg"] * group["factor"]
    factor = math.fsum(each * weights) / math.fsum(weights)
    estimated = math.fsum(weights[group["estimated"]]) / math.fsum(weights)
    large = math.hypot(rules.sd, ESTIMATED_SD * estimated, factor)
    return max(large, min(math.hypot(large, rules.misbooked / content), MOST_SD))


def _reporter(first: pd.Series) -> str:
    direction = "exports" if first["flow"] == EXPORT else "imports"
    parts = (first["series"], first["reporter_region"], direction, first["apart"])
    return "_".join(part for part in parts if part)


def _note(group: pd.DataFrame) -> str:
    codes = ", ".join(sorted(set(group["code"])))
    shares = (
        group.groupby("partner_area")["weight_kg"]
        .sum()
        .sort_index()
        .sort_values(ascending=False, kind="stable")
    )
    named = ", ".join(f"{area} {share / shares.sum():.0%}" for area, share in shares[:3].items())
    more = f" and {len(shares) - 3} more" if len(shares) > 3 else ""
    low, high = group["factor_low"].min(), group["factor_high"].max()
    return f"Codes {codes}; {named}{more}. Content {low:g} to {high:g} of a gross tonne."


def rejected_rows(frame: pd.DataFrame, kept: Iterable[Remark]) -> pd.DataFrame:
    """Return every row that is not counted, and every remark on one that is."""
    out = frame[~included(frame)]
    tables = [out.assign(tonnes=out["weight_kg"].fillna(0.0) * TONNES, outcome="rejected")]
    for rows, column, reason, advice in kept:
        if not rows.any():
            continue
        some = frame[rows]
        tables.append(
            some.assign(
                tonnes=0.0,
                outcome="kept",
                column=column,
                shown=some[column].map(str),
                reason=reason,
                advice=advice,
            )
        )
    table = pd.concat(tables).rename(columns={"shown": "value", "advice": "what_to_do"})
    table["file"] = table.pop("place")
    return table[[*REJECTED]].sort_values(["file", "row", "outcome", "reason"], ignore_index=True)
