"""How the prior of one period goes over into that of the next: at once, or over the years about it.

A period that begins with a transition begins at a date that is known to a year either way. The
average of a year over such dates parts the change of the prior over three steps: a quarter of it
lies between the second and the first year before the period, half between that and its first year,
a quarter after. Its size is uncertain too, by what the row calls ``transition``: the variance of
the change is parted in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reebayes.study.rows import Prior

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    type Floats = NDArray[np.float64]

PARTS = (0.25, 0.5, 0.25)
"""Parts of a change in the steps before, into and after the first year of a period."""

NORMAL = "normal"


def in_order(rows: Sequence[Prior], years: Sequence[int]) -> list[Prior]:
    """Return the rows of one target in the order in which they begin."""
    return sorted(rows, key=lambda row: row.year or years[0])


def weights(rows: Sequence[Prior], years: Sequence[int]) -> Floats:
    """Weights (row, year) of the rows of one target in every year; those of a year add up to 1.

    A year that no row covers keeps the row before it, or else takes the next.

    Parameters
    ----------
    rows : sequence of Prior
        In the order in which they begin.
    years : sequence of int
    """
    import numpy as np  # not by who only reads a study

    begun = np.ones((len(rows) + 1, len(years)))
    begun[-1] = 0.0
    for number, row in enumerate(rows[1:], 1):
        steps = _steps(row, years)
        begun[number] = np.cumsum(steps)
    return np.asarray(begun[:-1] - begun[1:])


def values(rows: Sequence[Prior], years: Sequence[int], field: str) -> Floats:
    """Return one value a year of a number of the rows of one target.

    Medians of flows and shares go over on the log scale, so that shares that leave something to
    the reference category before and after do so in between; all others as they are.
    """
    import numpy as np  # not by who only reads a study

    rows = in_order(rows, years)
    stated = np.array([getattr(row, field) for row in rows], dtype=np.float64)
    part = weights(rows, years)
    if not any(row.transition for row in rows):
        return np.asarray(stated[part.argmax(axis=0)])
    if field == "median" and rows[0].distribution != NORMAL:
        return np.asarray(np.exp(np.log(stated) @ part))
    return np.asarray(stated @ part)


def variances(rows: Sequence[Prior], years: Sequence[int]) -> Floats:
    """Variance that transitions add to the change into every year, on the scale of the prior."""
    import numpy as np  # not by who only reads a study

    total = np.zeros(len(years))
    for row in in_order(rows, years)[1:]:
        if row.transition:
            total += row.transition**2 * _steps(row, years)
    return total


def _steps(row: Prior, years: Sequence[int]) -> Floats:
    """Part of the change to a row in the step into every year.

    A period that began before the first year has all of its change in that year, and one that
    begins after the last has none.
    """
    import numpy as np  # not by who only reads a study

    steps = np.zeros(len(years))
    at = (row.year or years[0]) - years[0]
    if at >= len(years):
        return steps
    if not row.transition:
        steps[max(at, 0)] = 1.0
        return steps
    for part, year in zip(PARTS, (at - 1, at, at + 1), strict=True):
        # before the first step there is none, and none after the last
        inside = 0 < year < len(years)
        steps[year if inside else max(at, 0)] += part
    return steps
