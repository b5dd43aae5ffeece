"""What a scenario changes: differences with their bands, and years as they were and would be."""

from __future__ import annotations

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from reebayes.conventions import CI_PROB, YEAR
from reebayes.errors import ResultError
from reebayes.figures.composing import legend_below, next_colour, rows_for, titled
from reebayes.figures.style import POSTERIOR_COLOUR, PRIOR_COLOUR, new_axes, plain_text

LESS_COLOUR, MORE_COLOUR = "#b5482a", POSTERIOR_COLOUR
GAP_COLOUR = "#7a6a8f"
WHATS = {"use": "change of use", "stranded": "stranded", "lost": "lost", "shortage": "short"}


def plot_effect(
    table: pd.DataFrame,
    *,
    what: str = "use",
    label: str = "",
    color: str | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the differences that a scenario makes, with their bands.

    Several calls may draw into the same axes, such as of two scenarios: a row keeps its line.

    Parameters
    ----------
    table : DataFrame
        As `effect` returns it.
    what : str
        ``use``, by region and application; or ``stranded``, ``lost`` or ``shortage``, by process.
    label : str
        Name of the scenario in the legend; none if left out.
    color : str, optional
        If left out, of one scenario by what is less and what is more, and of one with a name the
        first that nothing in the axes has.
    legend : bool
        Whether a legend stands below the axes, where something has a name.
    title : str
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.

    Raises
    ------
    ResultError
        If the table has no such row.

    Examples
    --------
    >>> import reebayes as rb
    >>> tree = rb.scenario(rb.open_fit("results/fit.nc"), "no_trade_2022")
    >>> ax = rb.plot_effect(rb.effect(tree))
    >>> ax.get_xlabel()
    'change of use, kt REO/yr: median and 90 % band'
    """
    if what not in WHATS:
        raise ResultError(f"what must be one of {', '.join(WHATS)}, got {what!r}.")
    rows = table[table["what"] == what]
    if rows.empty:
        raise ResultError(f"Nothing of this scenario is {what}.")
    if ax is None:
        ax = new_axes(7.2, 0.9 + 0.27 * len(rows))
    names, at = rows_for(ax, [str(text) for text in rows["label"]])
    at = at + 0.22 * sum(isinstance(part, LineCollection) for part in ax.collections)
    middle = rows["difference"].to_numpy(dtype=float)
    low, high = (rows[end].to_numpy(dtype=float) for end in ("lower", "upper"))
    colours = [GAP_COLOUR if what != "use" else LESS_COLOUR if value < 0 else MORE_COLOUR
               for value in middle]  # fmt: skip
    if color or label:
        colours = [color or next_colour(ax)] * len(rows)
    ax.hlines(at, low, high, colors=colours, linewidth=5, alpha=0.45,
              label=plain_text(label))  # fmt: skip
    ax.scatter(middle, at, marker="|", s=110, linewidths=2, c=colours)
    ax.axvline(0.0, color="#1c1f23", linewidth=0.8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_ylim(len(names) - 0.5, -0.5)
    percent = f"{100 * float(rows['ci_prob'].iloc[0]):g} %"
    unit = plain_text(rows["unit"].iloc[0])
    ax.set_xlabel(f"{WHATS[what]}, {unit}: median and {percent} band", fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    if title:
        titled(ax, title)
    if legend:
        legend_below(ax, labelled=True)
    return ax


def draw_years(ax: Axes, before: xr.Dataset, after: xr.Dataset, title: str, unit: str) -> None:
    """Draw a quantity over the years, as it was and as it would have been.

    Parameters
    ----------
    ax : Axes
    before, after : Dataset (year)
        Bands of it.
    title, unit : str
    """
    percent = f"{100 * before.attrs.get('ci_prob', CI_PROB):g} % band"
    for band, colour, style, label in (
        (before, PRIOR_COLOUR, "--", "as it was"),
        (after, POSTERIOR_COLOUR, ".-", "in the scenario"),
    ):
        years = band[YEAR].values
        ax.fill_between(years, band["lower"], band["upper"], color=colour, alpha=0.28, linewidth=0)
        ax.plot(years, band["median"], style, color=colour, linewidth=1.5, markersize=3,
                label=f"{label}, median and {percent}")  # fmt: skip
    ax.set_ylim(bottom=min(0.0, float(after["lower"].min())))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    ax.set_title(plain_text(title), fontsize=9, loc="left", weight="bold")
    ax.set_ylabel(plain_text(unit), fontsize=8)
    ax.tick_params(labelsize=8)
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
