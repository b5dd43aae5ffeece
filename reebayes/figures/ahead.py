"""An outlook as one figure: what was, what others projected, and our bands of years to come."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reebayes.conventions import CI_PROB, YEAR
from reebayes.errors import ResultError
from reebayes.figures.composing import (
    entries,
    is_fresh,
    legend_below,
    mark_years,
    next_colour,
    reach,
    titled,
)
from reebayes.figures.style import POSTERIOR_COLOUR, new_axes, plain_text
from reebayes.results.summaries import bands
from reebayes.study import Projection

AHEAD_COLOUR, WALK_COLOUR = "#c2571a", "#8a8a8a"
INNER = 0.5
"""Probability of the band within the band."""

_AHEAD_COLOURS = (AHEAD_COLOUR, "#3f8f5b", "#a23b72", "#5b4bb0", "#8a5a2b")

VINTAGES = ("#5b2a86", "#2a7f62", "#b8860b", "#7a1f3d", "#33658a", "#555555")


def plot_outlook(
    history: xr.DataArray,
    ahead: xr.DataArray,
    *,
    projections: Iterable[Projection] = (),
    demand: xr.DataArray | None = None,
    ci_prob: float = CI_PROB,
    label: str = "outlook",
    color: str | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity as it was and as it may go on, beside what others projected.

    Several calls may draw into the same axes, such as of two outlooks of one fit: what was, what is
    asked for and a projection are drawn once.

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
    label : str
        Name of the outlook in the legend.
    color : str, optional
        Of the outlook; the first that nothing in the axes has if left out.
    legend : bool
        Whether a legend stands below.
    title : str
        What the draws are called if left out.
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")
    >>> ahead = rb.quantity(rb.outlook(fit, to=2025)["outlook"], "mined_world")
    >>> ax = rb.plot_outlook(rb.quantity(fit, "mined_world"), ahead, title="Mining")
    >>> ax.get_ylabel()
    'kt REO/yr'
    """
    ax = new_axes(8.2, 4.4) if ax is None else ax
    fresh, percent = is_fresh(ax), f"{100 * ci_prob:g} %"
    there = {str(handle.get_label()) for handle in entries(ax)}
    said = plain_text(f"{label}: median, 50 and {percent} band")
    colour = color or next_colour(ax, _AHEAD_COLOURS)
    for draws, shade, name in (
        (history, POSTERIOR_COLOUR, f"what was: median, 50 and {percent} band"),
        (ahead, colour, said),
    ):
        if name not in there:
            _draw_bands(ax, draws, ci_prob, shade, name)
    asked = f"asked for: median and {percent}"
    if demand is not None and asked not in there:
        band = bands(demand, ci_prob=ci_prob)
        for end, width in (("lower", 0.9), ("median", 1.4), ("upper", 0.9)):
            ax.plot(demand[YEAR].values, band[end], color="#1c1f23", linewidth=width,
                    linestyle="--", label=asked if end == "median" else None)  # fmt: skip
    last = int(ahead[YEAR].values[-1])
    shown = [one for one in projections if one.year <= last + 1]
    _draw_projections(ax, shown, there)
    _finish(ax, history, ahead, shown, fresh=fresh)
    if title or fresh:
        titled(ax, title or str(history.attrs.get("long_name", "")))
    if legend:
        legend_below(ax, sorted(entries(ax), key=lambda one: isinstance(one, Line2D)))
    return ax


def _draw_bands(ax: Axes, draws: xr.DataArray, ci_prob: float, colour: str, name: str) -> None:
    for prob, alpha in ((ci_prob, 0.22), (INNER, 0.30)):
        band = bands(draws, ci_prob=prob)
        ax.fill_between(draws[YEAR].values, band["lower"], band["upper"], color=colour,
                        alpha=alpha, linewidth=0,
                        label=name if prob == ci_prob else None)  # fmt: skip
    ax.plot(draws[YEAR].values, bands(draws)["median"], color=colour, linewidth=1.8)


def _draw_projections(ax: Axes, shown: Iterable[Projection], there: Container[str]) -> None:
    """Draw those of one source and vintage as one line, a range upright; none that is there."""
    by: dict[tuple[int, str], list[Projection]] = {}
    for one in sorted(shown, key=lambda row: (row.vintage, row.source, row.year)):
        by.setdefault((one.vintage, one.source), []).append(one)
    for number, ((vintage, source), rows) in enumerate(by.items()):
        colour = VINTAGES[number % len(VINTAGES)]
        marker = "os^DvP"[number // len(VINTAGES) % 6]
        name = re.sub(r"_\d{4}$", "", source).replace("_", " ")
        label = plain_text(f"{name}, {vintage}")
        if label in there:
            continue
        middle = [sum(row.stated) / len(row.stated) for row in rows]
        years = [row.year for row in rows]
        ax.plot(years, middle, ":", marker=marker, color=colour, linewidth=1.1, markersize=4.5,
                label=label)  # fmt: skip
        for row in rows:
            if len(row.stated) > 1:
                ax.vlines(row.year, min(row.stated), max(row.stated), colors=colour, linewidth=2.4)


def _finish(
    ax: Axes, history: xr.DataArray, ahead: xr.DataArray, shown: Iterable[Projection], *,
    fresh: bool,
) -> None:  # fmt: skip
    first, last = int(history[YEAR].values[0]), int(ahead[YEAR].values[-1])
    ax.axvline(int(ahead[YEAR].values[0]) - 0.5, color="#1c1f23", linewidth=0.7)
    reach(ax, "x", first - 0.7, last + 0.7, fresh=fresh)
    high = [float(bands(draws)["upper"].max()) for draws in (history, ahead)]
    high += [max(row.stated) for row in shown]
    reach(ax, "y", 0, 1.05 * max(high), fresh=fresh)
    mark_years(ax)
    ax.set_ylabel(plain_text(history.attrs.get("units", "")))
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def plot_hindcast(
    table: pd.DataFrame,
    name: str,
    *,
    label: str = "outlook",
    color: str | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one quantity of a hindcast: what came, the outlook and the random walk with drift.

    Several calls may draw into the same axes, such as of two ways to look ahead: what came, the
    random walk and what was published are drawn once.

    Parameters
    ----------
    table : DataFrame
        As `hindcast` returns it.
    name : str
        One of its quantities.
    label : str
        Name of the outlook in the legend.
    color : str, optional
        Of the outlook; the first that nothing in the axes has if left out.
    legend : bool
        Whether a legend stands below the axes.
    title : str
        The name of the quantity if left out.
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

    Examples
    --------
    >>> import reebayes as rb
    >>> then, now = rb.open_fit("results/to_2010.nc"), rb.open_fit("results/fit.nc")
    >>> table = rb.hindcast(then, rb.outlook(then, to=2012), now, quantities=["mined_world"])
    >>> ax = rb.plot_hindcast(table, "mined_world", title="Mining")
    >>> ax.get_title(loc="left")
    'Mining'
    """
    rows = table[table["quantity"] == name]
    if rows.empty:
        raise ResultError(f"The hindcast has no {name!r}; it has "
                          f"{', '.join(dict.fromkeys(table['quantity']))}.")  # fmt: skip
    ax = new_axes(4.2, 3.0) if ax is None else ax
    fresh, years = is_fresh(ax), rows["year"].to_numpy()
    colour = color or next_colour(ax, _AHEAD_COLOURS)
    ax.fill_between(years, rows["lower"], rows["upper"], color=colour, alpha=0.3, linewidth=0,
                    label=plain_text(f"{label}, 90 %"))  # fmt: skip
    ax.plot(years, rows["median"], color=colour, linewidth=1.6)
    if "what came" not in {str(handle.get_label()) for handle in entries(ax)}:
        _draw_truth(ax, rows)
    top = max(float(rows[end].max()) for end in ("upper", "truth_upper"))
    reach(ax, "y", 0, 1.25 * top, fresh=fresh)
    mark_years(ax)
    if title or fresh:
        titled(ax, title or name)
    if legend:
        legend_below(ax, sorted(entries(ax), key=lambda one: isinstance(one, Line2D)))
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _draw_truth(ax: Axes, rows: pd.DataFrame) -> None:
    """Draw what came, beside the random walk with drift and what was published at the time."""
    years = rows["year"].to_numpy()
    for end in ("walk_lower", "walk_upper"):
        ax.plot(years, rows[end], color=WALK_COLOUR, linewidth=1.2, linestyle="--",
                label="random walk with drift, 90 %" if end == "walk_lower" else None)  # fmt: skip
    error = np.abs(rows[["truth_lower", "truth_upper"]].to_numpy().T - rows["truth"].to_numpy())
    ax.plot(years, rows["truth"], "o", color=POSTERIOR_COLOUR, markersize=3.5, label="what came")
    ax.errorbar(years, rows["truth"], yerr=error, fmt="none", ecolor=POSTERIOR_COLOUR,
                linewidth=1.0)  # fmt: skip
    said = rows[rows["published"].notna()]
    if len(said):
        ax.plot(said["year"], said["published"], "D", color="#5b2a86", markersize=5,
                label="published at the time, mean")  # fmt: skip
