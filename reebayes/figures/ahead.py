"""An outlook as one figure: what was, what others projected, and our bands of years to come."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import ceil, floor

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
    note_of,
    put_note,
    reach,
    titled,
)
from reebayes.figures.style import POSTERIOR_COLOUR, new_axes, plain_text
from reebayes.results.summaries import bands
from reebayes.study import Projection
from reebayes.wording import listed

AHEAD_COLOUR, WALK_COLOUR = "#c2571a", "#8a8a8a"
INNER = 0.5
"""Probability of the band within the band."""

_AHEAD_COLOURS = (AHEAD_COLOUR, "#3f8f5b", "#a23b72", "#5b4bb0", "#8a5a2b")

_MISSING = "projections that are not drawn"

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
        Published projections of it, drawn by vintage; nothing here was fitted to them. Those of
        years before the history, or more than one year behind the outlook, are counted in the
        legend.
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
        The axes drawn in, which hold all that is drawn.

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
    first, last = int(history[YEAR].values[0]), int(ahead[YEAR].values[-1])
    ends = (first, last + 1)
    if not fresh:
        ends = (min(first, ceil(ax.get_xlim()[0])), max(last + 1, floor(ax.get_xlim()[1])))
    new = [one for one in projections if _label_of(one) not in there]
    last = max([last, *(one.year for one in _add_projections(ax, new, *ends))])
    reach(ax, "x", first - 0.7, last + 0.7, fresh=fresh)
    _finish(ax, history, ahead, fresh=fresh)
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


def _add_projections(
    ax: Axes, new: Iterable[Projection], first: int, last: int
) -> list[Projection]:
    """Draw projections of some years, also those that an earlier plot has left out; return them."""
    note = note_of(ax, _MISSING)
    asked: list[Projection] = [*dict.fromkeys([*([] if note is None else note.held), *new])]
    shown = [one for one in asked if first <= one.year <= last]
    _draw_projections(ax, shown)
    _tell_missing(ax, asked, first, last)
    return shown


def _tell_missing(ax: Axes, asked: Iterable[Projection], first: int, last: int) -> None:
    """Count in the legend the projections of years that are not drawn."""
    early = [one for one in asked if one.year < first]
    late = [one for one in asked if one.year > last]
    parts = [f"{len(early)} of years before {first}"] if early else []
    parts += [f"{len(late)} of years after {last}"] if late else []
    if parts or note_of(ax, _MISSING) is not None:
        said = f"projections not drawn: {listed(parts)}" if parts else ""
        put_note(ax, _MISSING, said, [*early, *late])


def _label_of(one: Projection) -> str:
    """Name of its source, and when it was made."""
    name = re.sub(r"_\d{4}$", "", one.source).replace("_", " ")
    return plain_text(f"{name}, {one.vintage}")


def _draw_projections(ax: Axes, shown: Iterable[Projection]) -> None:
    """Draw those of one source and vintage as one line, a range upright."""
    known = {str(line.get_label()): line for line in ax.lines if line.get_linestyle() == ":"}
    by: dict[str, list[Projection]] = {}
    for one in sorted(shown, key=lambda row: (row.vintage, row.source, row.year)):
        by.setdefault(_label_of(one), []).append(one)
    for label, rows in by.items():
        number = len(known)
        if label not in known:
            (known[label],) = ax.plot(
                [], [], ":", marker="os^DvP"[number // len(VINTAGES) % 6], markersize=4.5,
                color=VINTAGES[number % len(VINTAGES)], linewidth=1.1, label=label,
            )  # fmt: skip
        line = known[label]
        places = [[row.year, sum(row.stated) / len(row.stated)] for row in rows]
        places = sorted([*np.asarray(line.get_xydata()).tolist(), *places])
        line.set_data(*zip(*places, strict=True))
        ax.update_datalim(places)
        for row in rows:
            if len(row.stated) > 1:
                ax.vlines(row.year, min(row.stated), max(row.stated), colors=line.get_color(),
                          linewidth=2.4)  # fmt: skip


def _hold_all(ax: Axes, *, fresh: bool) -> None:
    """Let the axis begin at 0, or below the least of all that is drawn, and end above the most."""
    low, high = ax.dataLim.intervaly
    if np.isfinite([low, high]).all():
        room = 0.05 * (max(high, 0.0) - min(low, 0.0))
        reach(ax, "y", min(low - room, 0.0) if low < 0 else 0.0, max(high + room, 0.0), fresh=fresh)


def _finish(ax: Axes, history: xr.DataArray, ahead: xr.DataArray, *, fresh: bool) -> None:
    ax.axvline(int(ahead[YEAR].values[0]) - 0.5, color="#1c1f23", linewidth=0.7)
    _hold_all(ax, fresh=fresh)
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
        The axes drawn in, which hold all that is drawn.

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
    _hold_all(ax, fresh=fresh)
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
