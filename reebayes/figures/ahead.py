"""An outlook as one figure: what was, what others projected, and our bands of years to come."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from reebayes.conventions import CI_PROB, YEAR
from reebayes.errors import ResultError
from reebayes.figures.style import POSTERIOR_COLOUR, new_axes, plain_text
from reebayes.results.summaries import bands
from reebayes.study import Projection

AHEAD_COLOUR, WALK_COLOUR = "#c2571a", "#8a8a8a"
INNER = 0.5
"""Probability of the band within the band."""

VINTAGES = ("#5b2a86", "#2a7f62", "#b8860b", "#7a1f3d", "#33658a", "#555555")


def plot_outlook(
    history: xr.DataArray,
    ahead: xr.DataArray,
    *,
    projections: Iterable[Projection] = (),
    demand: xr.DataArray | None = None,
    ci_prob: float = CI_PROB,
    title: str = "",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity as it was and as it may go on, beside what others projected.

    Parameters
    ----------
    history : DataArray (chain, draw, year)
        Draws of a fit, such as ``quantity(fit, "consumed_world")``.
    ahead : DataArray (chain, draw, year)
        The same of an outlook, ``quantity(outlook(fit)["outlook"], "consumed_world")``.
    projections : iterable of Projection
        Published projections of it, drawn by vintage; nothing here was fitted to them.
    demand : DataArray (chain, draw, year), optional
        What is asked for, drawn as dashed lines.
    ci_prob : float
        Probability inside the bands.
    title : str
        What the draws are called if left out.
    legend : bool
        Whether a legend stands below.
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.
    """
    ax = new_axes(8.2, 4.4) if ax is None else ax
    percent = f"{100 * ci_prob:g} %"
    handles: list[Line2D | Patch] = []
    for draws, colour, label in (
        (history, POSTERIOR_COLOUR, "what was"), (ahead, AHEAD_COLOUR, "outlook"),
    ):  # fmt: skip
        for prob, alpha in ((ci_prob, 0.22), (INNER, 0.30)):
            band = bands(draws, ci_prob=prob)
            ax.fill_between(draws[YEAR].values, band["lower"], band["upper"], color=colour,
                            alpha=alpha, linewidth=0)  # fmt: skip
        ax.plot(draws[YEAR].values, bands(draws)["median"], color=colour, linewidth=1.8)
        handles.append(Patch(color=colour, alpha=0.6,
                             label=f"{label}: median, 50 and {percent} band"))  # fmt: skip
    if demand is not None:
        band = bands(demand, ci_prob=ci_prob)
        for end, width in (("lower", 0.9), ("median", 1.4), ("upper", 0.9)):
            ax.plot(demand[YEAR].values, band[end], color="#1c1f23", linewidth=width,
                    linestyle="--")  # fmt: skip
        handles.append(Line2D([], [], color="#1c1f23", linestyle="--",
                              label=f"asked for: median and {percent}"))  # fmt: skip
    last = int(ahead[YEAR].values[-1])
    shown = [one for one in projections if one.year <= last + 1]
    handles += _draw_projections(ax, shown)
    _finish(ax, history, ahead, shown, title or str(history.attrs.get("long_name", "")))
    if legend:
        ax.legend(handles=handles, fontsize=7.5, frameon=False, loc="upper left",
                  bbox_to_anchor=(0, -0.08), ncols=2)  # fmt: skip
    return ax


def _draw_projections(ax: Axes, shown: Iterable[Projection]) -> list[Line2D]:
    """Draw those of one source and vintage as one line, a range upright."""
    by: dict[tuple[int, str], list[Projection]] = {}
    for one in sorted(shown, key=lambda row: (row.vintage, row.source, row.year)):
        by.setdefault((one.vintage, one.source), []).append(one)
    handles = []
    for number, ((vintage, source), rows) in enumerate(by.items()):
        colour = VINTAGES[number % len(VINTAGES)]
        marker = "os^DvP"[number // len(VINTAGES) % 6]
        middle = [sum(row.stated) / len(row.stated) for row in rows]
        years = [row.year for row in rows]
        ax.plot(years, middle, ":", marker=marker, color=colour, linewidth=1.1, markersize=4.5)
        for row in rows:
            if len(row.stated) > 1:
                ax.vlines(row.year, min(row.stated), max(row.stated), colors=colour, linewidth=2.4)
        name = re.sub(r"_\d{4}$", "", source).replace("_", " ")
        label = plain_text(f"{name}, {vintage}")
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle=":", markersize=4.5,
                              label=label))  # fmt: skip
    return handles


def _finish(
    ax: Axes, history: xr.DataArray, ahead: xr.DataArray, shown: Iterable[Projection], title: str
) -> None:
    first, last = int(history[YEAR].values[0]), int(ahead[YEAR].values[-1])
    ax.axvline(int(ahead[YEAR].values[0]) - 0.5, color="#1c1f23", linewidth=0.7)
    ax.set_xlim(first - 0.7, last + 0.7)
    high = [float(bands(draws)["upper"].max()) for draws in (history, ahead)]
    high += [max(row.stated) for row in shown]
    ax.set_ylim(0, 1.05 * max(high))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_title(plain_text(title), fontsize=10, loc="left",
                 weight="bold")  # fmt: skip
    ax.set_ylabel(plain_text(history.attrs.get("units", "")))
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def plot_hindcast(
    table: pd.DataFrame, name: str, *, title: str = "", legend: bool = True, ax: Axes | None = None
) -> Axes:
    """Draw one quantity of a hindcast: what came, the outlook and the random walk with drift.

    Parameters
    ----------
    table : DataFrame
        As `hindcast` returns it.
    name : str
        One of its quantities.
    title : str
        The name of the quantity if left out.
    legend : bool
        Whether a legend stands in the axes.
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.

    Raises
    ------
    ResultError
        If the table has no such quantity.
    """
    rows = table[table["quantity"] == name]
    if rows.empty:
        raise ResultError(f"The hindcast has no {name!r}; it has "
                          f"{', '.join(dict.fromkeys(table['quantity']))}.")  # fmt: skip
    ax = new_axes(4.2, 3.0) if ax is None else ax
    years = rows["year"].to_numpy()
    ax.fill_between(years, rows["lower"], rows["upper"], color=AHEAD_COLOUR, alpha=0.3, linewidth=0,
                    label="outlook, 90 %")  # fmt: skip
    ax.plot(years, rows["median"], color=AHEAD_COLOUR, linewidth=1.6)
    for end in ("walk_lower", "walk_upper"):
        ax.plot(years, rows[end], color=WALK_COLOUR, linewidth=1.2, linestyle="--",
                label="random walk with drift, 90 %" if end == "walk_lower" else None)  # fmt: skip
    error = np.abs(rows[["truth_lower", "truth_upper"]].to_numpy().T - rows["truth"].to_numpy())
    ax.errorbar(years, rows["truth"], yerr=error, fmt="o", color=POSTERIOR_COLOUR, markersize=3.5,
                linewidth=1.0, label="what came")  # fmt: skip
    said = rows[rows["published"].notna()]
    if len(said):
        ax.plot(said["year"], said["published"], "D", color="#5b2a86", markersize=5,
                label="published at the time, mean")  # fmt: skip
    top = max(float(rows[end].max()) for end in ("upper", "truth_upper"))
    ax.set_ylim(0, 1.25 * top)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if legend:
        ax.legend(fontsize=7, frameon=False, loc="upper left")
    ax.set_title(plain_text(title or name), fontsize=9, loc="left", weight="bold")
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
