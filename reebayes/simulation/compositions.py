"""Printed tables of shares, a second time: drawn part by part and closed, and their density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reebayes.study import Record
from reebayes.study.compositions import tables_of_parts


def closed(records: Sequence[Record], before: Sequence[Record]) -> list[Record]:
    """Return records of which the parts of every table add up to what they did before.

    Parameters
    ----------
    records : sequence of Record
        With figures that were drawn part by part.
    before : sequence of Record
        The same records as they were printed.
    """
    found = list(records)
    for positions in tables_of_parts(records).values():
        drawn = sum(records[at].value or 0.0 for at in positions)
        whole = sum(before[at].value or 0.0 for at in positions)
        for at in positions:
            found[at] = replace(before[at], value=(records[at].value or 0.0) * whole / drawn)
    return found


def table_log_densities(
    printed: Sequence[float], location: Sequence[float], scale: Sequence[float]
) -> list[float]:
    """Return the log density of every part of a table given the parts before it.

    Of one table, so that the first part has none and they add up to the density of all log ratios.

    Parameters
    ----------
    printed : sequence of float
        Logs of the printed parts.
    location, scale : sequence of float
        Mean and standard deviation of each before the table is closed.
    """
    joint = [
        _log_density(printed[:count], location[:count], scale[:count])
        for count in range(1, len(printed) + 1)
    ]
    return [0.0, *np.diff(joint).tolist()]


def _log_density(
    printed: Sequence[float], location: Sequence[float], scale: Sequence[float]
) -> float:
    """Log density of the log ratios to the last part: an additive logistic normal one."""
    if len(printed) == 1:
        return 0.0
    gap = np.subtract(printed, location)
    ratios = gap[:-1] - gap[-1]
    covariance = np.diag(np.square(scale[:-1])) + scale[-1] ** 2
    log_volume = np.linalg.slogdet(covariance)[1]
    distance = ratios @ np.linalg.solve(covariance, ratios)
    constant = ratios.size * math.log(2 * math.pi)
    return float(-0.5 * (distance + log_volume + constant))
