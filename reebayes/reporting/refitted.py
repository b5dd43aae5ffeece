"""Answers without each reporter, and records held out: by refits, or told to be to first order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reebayes.answers.drivers import (
    SHOWN,
    expected_text,
    figure_text,
    reporter_influence,
    signed,
    z_text,
)
from reebayes.answers.hangs import ReportRefits
from reebayes.reporting.checking import years_between
from reebayes.reporting.plan import Plan
from reebayes.results.reading import Contents
from reebayes.wording import format_band, format_value

REPORTERS = 10
"""Reporters shown for each headline quantity."""

REFIT = "refit"
"""How a row of `leave_out` was found that a refit gave."""

UNASKED = "weights fail"
"""Verdict of a row that was not fitted again."""


def without_reporters(
    contents: Contents, plan: Plan, refits: ReportRefits | None, whole: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return what the page shows of each headline quantity without its strongest reporters.

    Parameters
    ----------
    contents : Contents
    plan : Plan
    refits : ReportRefits, optional
        Without them only the screen is shown, which has no bands and no errors.
    whole : mapping of quantity to text
        Median and band with all records.
    """
    if refits is None:
        screen = reporter_influence(contents, plan.headline)
        rows = {name: _screened(table) for name, table in screen.items()}
        units = {name: str(table["unit"].iloc[0]) for name, table in screen.items() if len(table)}
    else:
        rows = {name: _refitted(table) for name, table in refits.without.items()}
        units = {name: str(table["unit"].iloc[0]) for name, table in refits.without.items()}
    return [
        {"label": plan.label(name), "unit": units[name], "whole": whole[name], "rows": rows[name]}
        for name in plan.headline
        if rows.get(name)
    ]


def _refitted(table: pd.DataFrame) -> list[dict[str, str]]:
    """Refits by the size of the change, and those that did not pass."""
    passed = table[table["by"] == REFIT].sort_values("change", key=abs, ascending=False)
    # of the weak nobody wanted a refit, whatever their weights
    asked = (table["verdict"] != "") & ~table["verdict"].str.startswith(UNASKED)
    failed = table[asked & (table["by"] != REFIT)]
    return [_refit_row(str(name), row) for name, row in passed.head(REPORTERS).iterrows()] + [
        {**_about(str(name), row), "band": "–", "change": "–", "by": _first_clause(row)}
        for name, row in failed.iterrows()
    ]


def _refit_row(name: str, row: pd.Series) -> dict[str, str]:
    return {
        **_about(name, row),
        "band": format_band(float(row["median"]), float(row["lower"]), float(row["upper"])),
        "change": f"{signed(row['change'])} ± {format_value(row['error'])}",
        "by": "refit",
    }


def _first_clause(row: pd.Series) -> str:
    """Why there is no refit, without what to write instead."""
    return str(row["verdict"]).split(";")[0]


def _screened(table: pd.DataFrame) -> list[dict[str, str]]:
    """Influence by weights or to first order: neither band nor error."""
    return [
        {
            **_about(str(name), row),
            "band": "",
            "change": signed(-row["pull"]),
            "by": f"weights (k-hat {row['khat']:.2f})" if row["reliable"] else "first order",
        }
        for name, row in table.head(REPORTERS).iterrows()
    ]


def _about(name: str, row: pd.Series) -> dict[str, str]:
    count = int(row["records"])
    return {"reporter": name, "records": f"{count} record{'' if count == 1 else 's'}"}


def disagreements(
    table: pd.DataFrame, plan: Plan, refits: ReportRefits | None
) -> list[dict[str, str]]:
    """Return the records in largest conflict with the rest: by refits, if any were made.

    Parameters
    ----------
    table : DataFrame
        As `disagreement` returns it.
    plan : Plan
    refits : ReportRefits, optional
    """
    if refits is None or refits.conflicts.empty:
        rows = table.head(SHOWN).iterrows()
        return [_conflict_row(str(name), row, plan, _method(row)) for name, row in rows]
    # a refit has weights of no kind, so its band stands
    held = refits.conflicts.dropna(subset=["z"]).assign(reliable=True)
    return [
        _conflict_row(str(name), row, plan, f"refit; screen {row['z_screen']:+.1f}")
        for name, row in held.head(SHOWN).iterrows()
    ]


def observed(row: pd.Series, plan: Plan) -> dict[str, str]:
    """Return what a record observes, for readers and by its key, and when."""
    name = str(row["quantity"])
    years = years_between(row["year"], row["year_end"])
    return {"quantity": name, "quantity_label": plan.label(name), "years": years}


def _method(row: pd.Series) -> str:
    return f"weights (k-hat {row['khat']:.2f})" if row["reliable"] else "first order"


def _conflict_row(name: str, row: pd.Series, plan: Plan, by: str) -> dict[str, str]:
    return {
        "record": name,
        **observed(row, plan),
        "reporter": str(row["reporter"]),
        "stated": figure_text(row),
        "expected": expected_text(row),
        "z": z_text(row),
        "by": by,
    }
