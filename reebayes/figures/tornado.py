"""The tornado of an answer: the assumptions on which it hangs most, as bars around its mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reebayes.errors import ResultError
from reebayes.figures.style import POSTERIOR_COLOUR, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOWN_COLOUR, UP_COLOUR = "#e07b00", POSTERIOR_COLOUR
FIRST_ORDER_HATCH = "////"
_BELOW = 0.7
"""Inches below the axes at which the legend stands."""


def plot_tornado(
    table: pd.DataFrame, *, count: int = 12, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how far an answer moves if the centre of each prior moves by its standard deviation.

    Parameters
    ----------
    table : DataFrame
        As `sensitivity` returns it.
    count : int
        Rows to draw, those that move the answer most.
    title : str, optional
    ax : Axes, optional
        Where to draw; a new figure if left out.

    Returns
    -------
    Axes
        One bar to either side for each row, in the unit of the answer; hatched where the change is
        to first order only, with a line of one standard error where it is known.

    Raises
    ------
    ResultError
        If the table has no row that moves.
    """
    from matplotlib.patches import Patch

    size = table[["down", "up"]].abs().max(axis=1)
    rows = table[np.isfinite(size) & (size > 0)]
    if rows.empty:
        raise ResultError("No row of the table moves the answer.")
    rows = rows.loc[size[rows.index].sort_values(ascending=False).index[:count]][::-1]
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(7.2, 1.2 + 0.3 * len(rows)), layout="constrained")
    for place, (_, row) in enumerate(rows.iterrows()):
        for end, colour in (("down", DOWN_COLOUR), ("up", UP_COLOUR)):
            hatch = FIRST_ORDER_HATCH if row["by"] == "slope" else None
            ax.barh(
                place, row[end], height=0.72, color=colour, alpha=0.85, hatch=hatch,
                edgecolor="white", linewidth=0.6,
            )  # fmt: skip
            error = row[f"{end}_error"]
            if np.isfinite(row[end]) and np.isfinite(error):
                ax.plot(
                    [row[end] - error, row[end] + error], [place, place], color="#1c1f23",
                    linewidth=1.2, solid_capstyle="butt",
                )  # fmt: skip
    ax.axvline(0.0, color="#1c1f23", linewidth=0.8)
    ax.set_yticks(range(len(rows)), [plain_text(name) for name in rows.index], fontsize=8)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel(f"change of the mean, {rows['unit'].iloc[0]}")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    handles = [
        Patch(color=DOWN_COLOUR, alpha=0.85, label="centre 1 prior sd lower"),
        Patch(color=UP_COLOUR, alpha=0.85, label="centre 1 prior sd higher"),
    ]
    if (rows["by"] == "slope").any():
        handles.append(
            Patch(
                facecolor="#bbbbbb",
                hatch=FIRST_ORDER_HATCH,
                edgecolor="white",
                label="first order only",
            )
        )
    below = _BELOW * ax.figure.dpi / ax.figure.bbox.height
    ax.legend(
        handles=handles, fontsize=8, frameon=False, ncols=3, loc="upper center",
        bbox_to_anchor=(0.5, -below),
    )  # fmt: skip
    if title:
        ax.set_title(plain_text(title), fontsize=10)
    return ax
