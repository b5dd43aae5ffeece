"""What is worth knowing of rows that are counted."""

from collections.abc import Iterator

import pandas as pd

from reebayes.customs.exclusions import included
from reebayes.customs.plausibility import lonely
from reebayes.study import Study

type Remark = tuple[pd.Series, str, str, str]
"""Rows, a column, a warning, and what to do about it."""


def remarks(frame: pd.DataFrame, study: Study, outlier: float) -> Iterator[Remark]:
    """Yield rows that are counted, with a column, a warning and what to do about it."""
    counted = included(frame)
    yield from _of_weights(frame, counted, outlier)
    for side in ("reporter", "partner"):
        yield (
            counted & ~frame[f"{side}_listed"],
            side,
            f"{side} is not in the table of areas, and taken for one of the rest of the world",
            "add it to the table of areas, if it is none",
        )
    yield (
        counted & (frame["layout"] == "gacc") & frame["cut"],
        "row",
        "file is as long as the site lets a download be, so it may be cut",
        "download fewer partners or months at a time",
    )
    yield _known_already(frame, counted, study)


def _of_weights(frame: pd.DataFrame, counted: pd.Series, outlier: float) -> Iterator[Remark]:
    yield (
        counted & frame["estimated"],
        "weight_kg",
        "weight was estimated by the office from values, not weighed",
        "nothing: sd is wider for it; leave the row out if it carries much of the sum",
    )
    yield (
        counted & frame["withheld"],
        "weight_kg",
        "weight is withheld in part, so that the sum is a lower bound",
        "nothing, or find what is withheld elsewhere",
    )
    yield (
        counted & lonely(frame, outlier),
        "value_usd",
        "unit value far from those of the code and year, but within the prices of what it holds",
        "check weight and value at the source",
    )


def _known_already(frame: pd.DataFrame, counted: pd.Series, study: Study) -> Remark:
    known = {(record.quantity, record.year) for record in study.records}
    pairs = zip(frame["quantity"], frame["year"], strict=True)
    again = pd.Series([pair in known for pair in pairs], frame.index, dtype=bool) & counted
    repeated = frame[again].duplicated(["quantity", "year"])
    return (
        again & ~repeated.reindex(frame.index, fill_value=True),
        "quantity",
        "the study has a record of the quantity and year",
        "if it is of the same customs, take one of the two out",
    )
