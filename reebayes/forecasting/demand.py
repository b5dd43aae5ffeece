"""What uses ask for: what each draw has used in the last year of a fit, grown as people think."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from reebayes.errors import ResultError
from reebayes.study import DemandGrowth, Study

type Floats = NDArray[np.float64]

NORMAL_95 = 1.6449  # standard normal quantile of 95 %
IN_COMMON = 0.5
"""Correlation of the growth of two uses that rows of their own are about."""


def growth_of(study: Study, use: str) -> DemandGrowth | None:
    """Return the row that tells how a use grows: the newest, and of these the most particular."""
    rows = [row for row in study.demand_growth if fnmatchcase(use, row.uses)]
    return max(rows, key=lambda row: (row.as_of, len(row.uses.replace("*", ""))), default=None)


def rates(study: Study, uses: Sequence[str], draws: int, rng: np.random.Generator) -> Floats:
    """Draw the growth a year (draw, use) of the log of each use.

    Uses of one row grow alike. Those of several rows have half of what moves them in common.

    Raises
    ------
    ResultError
        If no row is about a use.
    """
    rows = {use: growth_of(study, use) for use in uses}
    lacking = [use for use, row in rows.items() if row is None]
    if lacking:
        raise ResultError(
            f"demand_growth.csv says nothing of {', '.join(lacking)}; add a row for them, or one "
            "for all uses such as use_*, and give the study as it is now"
        )
    named = {row.uses: row for row in rows.values() if row is not None}
    shared = np.sqrt(IN_COMMON) * rng.standard_normal(draws)
    drawn = {}
    for name, row in named.items():
        z = shared + np.sqrt(1 - IN_COMMON) * rng.standard_normal(draws)
        low, middle, high = (np.log1p(getattr(row, end)) for end in ("low", "middle", "high"))
        width = np.where(z < 0, middle - low, high - middle) / NORMAL_95
        drawn[name] = middle + width * z
    columns = [drawn[row.uses] for row in rows.values() if row is not None]
    return np.stack(columns, axis=1)
