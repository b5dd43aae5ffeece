"""The tornado of an answer: the assumptions on which it hangs most, as bars around its mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from reebayes.errors import ResultError
from reebayes.figures.composing import (
    entries,
    headed,
    is_fresh,
    legend_below,
    rows_for,
    titled,
)
from reebayes.figures.style import POSTERIOR_COLOUR, new_axes, plain_text
from reebayes.wording import rank_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOWN_COLOUR, UP_COLOUR = "#e07b00", POSTERIOR_COLOUR
LATER_COLOURS = ("#6e3a00", "#0d2c4d")  # of a second table in the same axes
FIRST_ORDER_HATCH = "////"


def plot_tornado(
    table: pd.DataFrame,
    *,
    count: int = 12,
    label: str = "",
    color: tuple[str, str] | None = None,
    legend: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how far an answer moves if the centre of each prior moves by its standard deviation.

    Several calls may draw into the same axes, such as of two fits: a row keeps its line, and later
    bars are narrower.

    Parameters
    ----------
    table : DataFrame
        As `sensitivity` returns it.
    count : int
        Rows to draw, those that move the answer most.
    label : str
        What stands before every name in the legend, such as that of a fit.
    color : (str, str), optional
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
        to first order only, with a line of one standard error where it is known. To the right
        stand the ranks that the errors leave to each row (those of the first table in the axes).

    Raises
    ------
    ResultError
        If the table has no row that moves.

    Examples
    --------
    >>> import pandas as pd
    >>> import reebayes as rb
    >>> moves = {"down": [-2.0], "up": [1.5], "down_error": 0.1, "up_error": 0.1, "by": "refit"}
    >>> table = pd.DataFrame(moves, index=["yield of the plant"]).assign(unit="kt REO")
    >>> ax = rb.plot_tornado(table, title="mined")
    >>> [float(bar.get_width()) for bar in ax.patches]
    [-2.0, 1.5]
    """
    size = table[["down", "up"]].abs().max(axis=1)
    rows = table[np.isfinite(size) & (size > 0)]
    if rows.empty:
        raise ResultError("No row of the table moves the answer.")
    rows = rows.loc[size[rows.index].sort_values(ascending=False).index[:count]]
    if ax is None:
        ax = new_axes(7.2, 1.2 + 0.3 * len(rows))
    fresh = is_fresh(ax)
    chosen = color or ((DOWN_COLOUR, UP_COLOUR) if fresh else LATER_COLOURS)
    height = 0.72 if fresh else 0.3
    lines, places = rows_for(ax, list(rows.index))
    for place, (_, row) in zip(places, rows.iterrows(), strict=True):
        for end, colour in zip(("down", "up"), chosen, strict=True):
            hatch = FIRST_ORDER_HATCH if row["by"] == "slope" else None
            ax.barh(
                place, row[end], height=height, color=colour, alpha=0.85, hatch=hatch,
                edgecolor="white", linewidth=0.6,
            )  # fmt: skip
            error = row[f"{end}_error"]
            if np.isfinite(row[end]) and np.isfinite(error):
                ax.plot(
                    [row[end] - error, row[end] + error], [place, place], color="#1c1f23",
                    linewidth=1.2, solid_capstyle="butt",
                )  # fmt: skip
    if fresh and "rank_from" in rows:
        _ranks(ax, places, [rank_text(*pair) for pair in
                            zip(rows["rank_from"], rows["rank_to"], strict=True)])  # fmt: skip
    ax.axvline(0.0, color="#1c1f23", linewidth=0.8)
    ax.set_yticks(range(len(lines)), lines, fontsize=8)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.set_xlabel(f"change of the mean, {rows['unit'].iloc[0]}")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    for end, colour in zip(("lower", "higher"), chosen, strict=True):
        text = plain_text(headed(label, f"centre 1 prior sd {end}"))
        ax.plot([], [], "s", color=colour, alpha=0.85, markersize=8, label=text)
    if legend:
        hatched = Patch(facecolor="#bbbbbb", hatch=FIRST_ORDER_HATCH, edgecolor="white",
                        label="first order only")  # fmt: skip
        any_hatched = any(bar.get_hatch() for bar in ax.patches)
        legend_below(ax, [*entries(ax), *([hatched] if any_hatched else [])], labelled=True)
    if title:
        titled(ax, title)
    return ax


def _ranks(ax: Axes, places: Iterable[float], texts: Iterable[str]) -> None:
    """Write the ranks of rows beside them."""
    style: dict[str, Any] = {"fontsize": 7, "color": "#5a6068", "va": "center", "ha": "left"}
    beside = ax.get_yaxis_transform()
    for place, text in zip(places, texts, strict=True):
        ax.text(1.01, place, text, transform=beside, **style)
    ax.text(1.01, -0.75, "rank", transform=beside, **style)
