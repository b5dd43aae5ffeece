"""What people said, as a section of a page: surveys with the indicators beside, and judgements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reebayes.answers.indices import indicators
from reebayes.conventions import YEAR
from reebayes.errors import ResultError
from reebayes.figures.shares import plot_survey
from reebayes.reporting.pictures import embedded
from reebayes.results.description import study_of
from reebayes.results.reading import Contents
from reebayes.results.summaries import bands
from reebayes.wording import format_band, format_value

if TYPE_CHECKING:
    import pandas as pd

    from reebayes.elicitation.pooling import Pooled
    from reebayes.elicitation.surveys import Surveyed

PROBABILITIES = (5, 50, 95)
"""Per cent of the quantiles of judgements that a page shows."""


def survey_block(contents: Contents, asked: Surveyed) -> dict[str, Any]:
    """Gather what a page shows of one survey: shares under their headings, and its figure.

    Parameters
    ----------
    contents : Contents
        The fit, whose indicators stand beside printed shares that name them.
    asked : Surveyed
    """
    values = _indicator_values(contents, asked.shares)
    shown = [
        {
            "heading": heading, "statement": row["statement"], "answer": row["answer"],
            "group": row["group"], "share": _percent(row["share"]), "band": _band(row),
            "needed": f"{row['needed']:.0f}",
            "beside": [values[name] for name in _names(row) if name in values],
            "note": row["note"],
        }
        for heading, rows in asked.shares.groupby("heading", sort=False)
        for _, row in rows.iterrows()
    ]  # fmt: skip
    told = "; ".join(f"{row['statement']} {row['share']}" for row in shown)
    return {
        "title": asked.title, "printed": asked.printed, "rows": shown,
        "without_n": bool(len(asked.curve)), "percent": f"{100 * asked.ci_prob:g} %",
        "plot": embedded(plot_survey(asked), told),
    }  # fmt: skip


def _names(row: pd.Series) -> list[str]:
    return [name.strip() for name in str(row["indicators"]).split(";") if name.strip()]


def _band(row: pd.Series) -> str:
    if row["n"] != row["n"]:
        return "none: n is not known"
    return f"{100 * row['lower']:.0f} to {_percent(row['upper'])} of {row['n']:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _indicator_values(contents: Contents, shares: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Bands of the last year in which an indicator exists, of all that shares name."""
    named = {name for _, row in shares.iterrows() for name in _names(row)}
    if not named:
        return {}
    study = study_of(contents)
    wanted = named & {one.indicator for one in study.indicators}
    if not wanted:
        return {}
    found = {}
    try:
        values = indicators(contents, sorted(wanted), study=study)["value"]
    except ResultError:  # the fit is of a study without one of them
        return {}
    for name in values["indicator"].values.tolist():
        draws = values.sel(indicator=name).dropna(YEAR, how="all")
        if not draws.sizes[YEAR]:
            continue
        last = draws.isel({YEAR: -1})
        band = bands(last)
        ends = (float(band[end]) for end in ("median", "lower", "upper"))
        found[name] = {
            "name": name, "label": str(last["label"].values), "year": str(int(last[YEAR])),
            "band": format_band(*ends), "unit": str(last["unit"].values),
        }  # fmt: skip
    return found


def judgement_block(pooled: Pooled) -> dict[str, Any]:
    """Gather what a page shows of judgements: quantiles of everybody, and what pooling loses.

    Parameters
    ----------
    pooled : Pooled
        As `pool` returns it.
    """
    targets = {
        str(row["target"]): {"between": _percent(row["between"]), "apart": row["apart"],
                             "loss": f"{100 * row['loss']:.1f} %"}
        for _, row in pooled.targets.iterrows()
    }  # fmt: skip
    blocks = []
    for label, rows in pooled.feedback.groupby("target", sort=False):
        said = [
            {
                "whose": row["whose"],
                "cells": [format_value(row[f"p{p:02}"]) for p in PROBABILITIES],
                "held": "" if row["held"] != row["held"] else _percent(row["held"]),
            }
            for _, row in rows.iterrows()
        ]
        one = targets.get(str(label), {"between": "", "apart": "", "loss": ""})
        blocks.append({"label": label, "unit": rows["unit"].iloc[0], "rows": said, **one})
    return {"how": pooled.how, "probabilities": PROBABILITIES, "targets": blocks}
