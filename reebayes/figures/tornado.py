"""The tornado of an answer: the assumptions on which it hangs most, as bars around its mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reebayes.errors import ResultError
from reebayes.figures.composing import legend_below, titled
from reebayes.figures.style import POSTERIOR_COLOUR, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOWN_COLOUR, UP_COLOUR = "#e07b00", POSTERIOR_COLOUR
FIRST_ORDER_HATCH = "////"


def plot_tornado(
    table: pd.DataFrame,
    *,
    count: int = 12,
    color: tuple[str, str] = (DOWN_COLOUR, UP_COLOUR),
    legend: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how far an answer moves if the centre of each prior moves by its standard deviation.

    Parameters
    ----------
    table : DataFrame
        As `sensitivity` returns it.
    count : int
        Rows to draw, those that move the answer most.
    color : (str, str)
        Of a lower and of a higher centre.
    legend : bool
        Whether a legend stands below the axes.
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
        for end, colour in zip(("down", "up"), color, strict=True):
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
        Patch(color=color[0], alpha=0.85, label="centre 1 prior sd lower"),
        Patch(color=color[1], alpha=0.85, label="centre 1 prior sd higher"),
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
    if legend:
        legend_below(ax, handles, labelled=True)
    if title:
        titled(ax, title)
    return ax
