"""Static figures: take labelled arrays or a study, return axes or a figure.

Nothing here opens a file or a window; a caller shows, saves or embeds what it gets back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from reebayes.conventions import CI_PROB, YEAR
from reebayes.errors import ResultError
from reebayes.figures.composing import (
    ABOVE,
    ARROW,
    AboveAxis,
    entries,
    is_fresh,
    legend_below,
    mark_years,
    next_colour,
    reach,
    rows_for,
    titled,
)
from reebayes.figures.extents import (
    are_hollow,
    axis_ends,
    ends_of,
    error_ends,
    fitting,
    highest,
    in_years,
    rows_of,
    tell_left_out,
    wholes_of,
)
from reebayes.figures.style import (
    POSTERIOR_COLOUR,
    PRIOR_COLOUR,
    SOURCE_COLOURS,
    marker_of,
    new_axes,
    plain_text,
)
from reebayes.results.summaries import bands
from reebayes.study.kinds import (
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    FIGURE,
    SIGNED,
    KindReader,
    kind_of,
    stated_columns,
)
from reebayes.wording import format_value


def plot_bands(
    da: xr.DataArray | xr.Dataset,
    records: pd.DataFrame | None = None,
    *,
    prior: xr.DataArray | xr.Dataset | None = None,
    ci_prob: float = CI_PROB,
    label: str | None = None,
    color: str | None = None,
    legend: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity over the years as median and credible band, beside its records.

    Of one year it draws intervals instead: the posterior, the prior, and each record below.
    Several calls may draw into the same axes: each curve has a colour of its own, the axis widens
    to hold all of them, and the legend names them all.

    Parameters
    ----------
    da : DataArray (chain, draw, year) or Dataset
        Draws, or the result of `bands` with dim year.
    records : DataFrame, optional
        Rows of `record_table`, in the same unit. A column ``hollow`` marks records of another
        quantity, such as a larger total, drawn hollow. Points are values (circles) and quotas
        (diamonds) with their own 90 % error; triangles are bounds; lines are ranges (upright),
        means and sums over years (level, at the yearly mean).
    prior : DataArray or Dataset, optional
        The same quantity before the records, drawn in grey behind.
    ci_prob : float
        Probability inside the bands, where `da` or `prior` are draws.
    label : str, optional
        Name of the curve in the legend; "posterior" if left out, and in axes with a curve of that
        name the name of the quantity.
    color : str, optional
        Colour of the curve; the first that no curve in the axes has if left out.
    legend : bool
        Whether a legend stands below the axes; it is no wider than they are. ``ax.legend()`` and
        ``figure.legend()`` know the same names.
    title : str, optional
        The name of the quantity if left out; none if empty.
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in. Arrows at its upper edge stand for records above it, or ends of their
        errors; the legend says where a prior goes that the axes cut, and counts the records that
        are not drawn.

    Raises
    ------
    ResultError
        If the axes show another unit, or one year and not several.

    Examples
    --------
    >>> import reebayes as rb
    >>> import xarray as xr
    >>> dims = {"chain": [0], "draw": range(50), "year": [2010, 2011, 2012]}
    >>> ax = rb.plot_bands(xr.DataArray(1.0, dims, list(dims)), label="always 1")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['always 1, median and 90 % band']
    """
    if ax is None:
        ax = new_axes(7, 3.8)
    band = _as_bands(da, ci_prob)
    before = None if prior is None else _as_bands(prior, ci_prob)
    fresh = not ax.has_data()
    if not fresh:
        _require_alike(ax, band)
    colour = color or next_colour(ax)
    named = ax.get_legend_handles_labels()[1]
    named += [text.get_text() for text in ax.get_yticklabels()]
    taken = any(name.startswith("posterior, ") for name in named)
    name = label or (str(band.attrs.get("long_name", "")) if taken else "") or "posterior"
    inside, elsewhere = in_years(ax, records, band)
    draw_bands(ax, band, inside, before, label=name, colour=colour)
    tell_left_out(ax, inside, elsewhere, before)
    if title is not None or fresh:
        titled(ax, str(band.attrs.get("long_name", "")) if title is None else title)
    if legend and not ax.yaxis_inverted():  # intervals are named beside them
        legend_below(ax)
    return ax


def _require_alike(ax: Axes, band: xr.Dataset) -> None:
    """Raise if axes that hold something show another unit, or intervals beside years."""
    unit = plain_text(band.attrs.get("units", ""))
    one_year = ax.yaxis_inverted()
    shown = ax.get_xlabel().partition("\n")[0] if one_year else ax.get_ylabel()
    shown = shown.rpartition(", ")[0] if one_year else shown
    if shown and unit and shown != unit:
        raise ResultError(f"The axes show {shown}; draw what is in {unit} in axes of its own.")
    if one_year and band.sizes[YEAR] > 1:
        raise ResultError("The axes show intervals of one year; draw years in axes of their own.")


def draw_bands(
    ax: Axes,
    band: xr.Dataset,
    records: pd.DataFrame | None,
    before: xr.Dataset | None,
    *,
    label: str = "posterior",
    colour: str = POSTERIOR_COLOUR,
) -> list[Line2D | Patch]:
    """Draw what `plot_bands` draws, except for the legend; return what belongs into that.

    Intervals of one year are named beside them, and need no legend.

    Parameters
    ----------
    ax : Axes
    band, before : Dataset (year)
        Bands of a quantity, after and before the records.
    records : DataFrame, optional
        As in `plot_bands`. A column ``stated`` holds their `stated_values`, if known already.
    label, colour : str
        Of the curve.
    """
    ends = axis_ends(records, band, before)
    level = band.sizes[YEAR] == 1 and (ax.yaxis_inverted() or not ax.has_data())
    fresh = not ax.has_data() if level else is_fresh(ax), is_fresh(ax, "x")
    if not fresh[0]:
        ends = min(ends[0], ends_of(ax)[0]), max(ends[1], ends_of(ax)[1])
    drawn = fitting(records, ends[1])
    if level:
        _draw_intervals(ax, band, drawn, before, ends, label, colour)
        return []
    if before is not None:
        _draw_band(ax, before, PRIOR_COLOUR, 0.18, "prior")
    _draw_band(ax, band, colour, 0.30, label)
    if drawn is not None:
        _draw_records(ax, drawn)  # what lies above the axis as well: it may be widened later
        _mark_above(ax, drawn, ends[1], band)
    _finish(ax, band, ends, fresh)
    return entries(ax)


def legend_columns(inches: float) -> int:
    """Return how many columns the legend of a plot of some width has."""
    return max(2, round(inches / 2.2))


def plot_totals(
    posterior: Mapping[str, xr.Dataset],
    prior: Mapping[str, xr.Dataset] | None = None,
    *,
    unit: str = "",
    label: str = "posterior",
    color: str | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one horizontal band for each of several totals, posterior above prior.

    Several calls may draw into the same axes: totals of one name share a line.

    Parameters
    ----------
    posterior : mapping of label to Dataset
        Scalar results of `bands`, top to bottom.
    prior : mapping of label to Dataset, optional
        The same labels before the records.
    unit : str
        Unit for the axis.
    label : str
        Name of these bands in the legend.
    color : str, optional
        Their colour; the first that nothing in the axes has if left out.
    legend : bool
        Whether a legend stands below the axes.
    title : str
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.
    """
    if ax is None:
        ax = new_axes(7, 0.9 + 0.5 * len(posterior))
    fresh, number = not ax.has_data(), len(ax.get_legend_handles_labels()[0])
    names, rows = rows_for(ax, list(posterior))
    colour = color or next_colour(ax)
    if prior:
        strips = [prior[name] for name in posterior]
        _draw_strips(ax, rows + _ASIDE[(number + 1) % 4], strips, PRIOR_COLOUR, "prior")
    place = rows + _ASIDE[number % 4]
    _draw_strips(ax, place, list(posterior.values()), colour, plain_text(label))
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    medians = [float(band["median"]) for band in posterior.values()]
    if not fresh:
        ax.autoscale(axis="x")
    if not fresh and (ax.get_xscale() == "log" or not unit):
        unit = ax.get_xlabel()
    elif min(medians) > 0 and max(medians) > 10 * min(medians):
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        ax.xaxis.set_minor_locator(NullLocator())
        unit = f"{unit} (logarithmic scale)"
    else:
        ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))
    ax.set_xlabel(plain_text(unit))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    if title:
        titled(ax, title)
    if legend:
        legend_below(ax, labelled=bool(unit))
    return ax


_ASIDE = (-0.1, 0.2, -0.3, 0.35)
"""Where in their line the bands of one call stand, and those of the next."""


def _as_bands(da: xr.DataArray | xr.Dataset, ci_prob: float) -> xr.Dataset:
    return da if isinstance(da, xr.Dataset) else bands(da, ci_prob=ci_prob)


def _draw_band(ax: Axes, band: xr.Dataset, colour: str, alpha: float, label: str) -> None:
    years = band[YEAR].values
    # A year in which every draw is zero is a year in which the flow does not exist: leave a gap.
    gap = (band["lower"].values == 0) & (band["upper"].values == 0)
    lower, median, upper = (
        np.where(gap, np.nan, band[name].values) for name in ("lower", "median", "upper")
    )
    percent = f"{100 * band.attrs.get('ci_prob', CI_PROB):g} %"
    ax.fill_between(
        years, lower, upper, color=colour, alpha=alpha, linewidth=0,
        label=plain_text(f"{label}, median and {percent} band"),
    )  # fmt: skip
    style = "--" if label == "prior" else ".-"
    ax.plot(years, median, style, color=colour, linewidth=1.6, markersize=3)
    if len(years) == 1:  # beside curves of several years
        ax.vlines(years, lower, upper, color=colour, alpha=0.6, linewidth=3)


type _Rows = Mapping[str, NDArray[Any]]
"""Columns of some records: of one source and kind, all hollow or none."""

_DRAWN = ("year", "year_end", "value", "low", "high", "sd", "stated")


def _draw_records(ax: Axes, records: pd.DataFrame) -> None:
    """Draw records, and name their sources."""
    colours = _source_colours(ax, records["source"])
    columns = {name: records[name].to_numpy(dtype=float) for name in _DRAWN}
    columns["whole"] = wholes_of(records)
    alike: dict[tuple[str, bool, str], list[int]] = {}
    keys = zip(records["source"], are_hollow(records).tolist(), records["kind"], strict=True)
    for row, key in enumerate(keys):
        alike.setdefault(key, []).append(row)
    # source by source; the hollow ones of each above the others
    order = list(colours)
    for source, hollow, kind in sorted(alike, key=lambda key: (order.index(key[0]), *key[1:])):
        chosen = alike[source, hollow, kind]
        rows = {name: values[chosen] for name, values in columns.items()}
        _draw_alike(ax, rows, kind, colours[source], hollow=hollow)


def _source_colours(ax: Axes, sources: pd.Series) -> dict[str, str]:
    """Colour of every source: that which it has in the axes, or one that is free; names them."""
    known = {str(handle.get_label()): handle for handle in entries(ax)}
    found: dict[str, str] = {}
    for source in dict.fromkeys(sources):
        there = known.get(plain_text(source))
        if isinstance(there, Line2D):
            found[source] = str(there.get_color())
            continue
        found[source] = next_colour(ax, SOURCE_COLOURS)
        ax.plot([], [], "o-", color=found[source], markersize=4, label=plain_text(source))
    return found


def _mark_above(ax: Axes, records: pd.DataFrame, top: float, band: xr.Dataset) -> None:
    """Set an arrow for every record that lies above the axis, or whose error does."""
    far = records.assign(stated=highest(records))
    far = far[far["stated"] > top]
    colours = _source_colours(ax, far["source"])
    first, last = float(band[YEAR].min()), float(band[YEAR].max())
    for source, rows in far.groupby("source", sort=False):
        middle = (rows["year"] + rows["year_end"]) / 2
        AboveAxis(ax, middle.clip(first, last), rows["stated"], colours[str(source)])
    if len(far) and ABOVE not in {handle.get_label() for handle in entries(ax)}:
        ax.plot([], [], marker=ARROW, linestyle="none", color="#35353a", label=ABOVE)


def _draw_alike(ax: Axes, rows: _Rows, name: str, colour: str, *, hollow: bool) -> None:
    face = "white" if hollow else colour
    style: Literal["dotted", "solid"] = "dotted" if hollow else "solid"
    kind = kind_of(name)
    if kind.spans:
        ax.hlines(
            rows["stated"], rows["year"] - 0.4, rows["year_end"] + 0.4, colors=colour,
            linewidth=1.6, linestyles=style,
        )  # fmt: skip
        return
    if kind.is_figure:
        ends = error_ends(kind, rows["value"], rows["sd"], rows["whole"])
        _draw_lines(ax, rows, *ends, colour, 0.8)
    _draw_of(name)(ax, rows, name, colour, face)


def _draw_lines(
    ax: Axes, rows: _Rows, low: NDArray[Any], high: NDArray[Any], colour: str, width: float
) -> None:
    ax.vlines(rows["year"], low, high, colors=colour, linewidth=width, alpha=0.6)


def _draw_range(ax: Axes, rows: _Rows, kind: str, colour: str, face: str) -> None:
    _draw_lines(ax, rows, rows["low"], rows["high"], colour, 3.0)


def _draw_marks(ax: Axes, rows: _Rows, kind: str, colour: str, face: str) -> None:
    low, high = stated_columns(kind)
    stated = rows[str(low or high)]  # a kind states one of the two at least
    ax.plot(
        rows["year"], stated, marker_of(kind), color=colour, markerfacecolor=face,
        markersize=4.5, linestyle="none",
    )  # fmt: skip


_draw_of: KindReader[Callable[[Axes, _Rows, str, str, str], None]] = KindReader(
    "drawing of a record beside a band",
    {
        FIGURE: _draw_marks,
        AT_MOST: _draw_marks,
        AT_LEAST: _draw_marks,
        BETWEEN: _draw_range,
        SIGNED: _draw_marks,
    },
)


def _draw_intervals(
    ax: Axes,
    band: xr.Dataset,
    records: pd.DataFrame | None,
    before: xr.Dataset | None,
    ends: tuple[float, float],
    label: str,
    colour: str,
) -> None:
    """Draw one year from left to right: posterior, prior and every record, in a line each."""
    percent = f"{100 * band.attrs.get('ci_prob', CI_PROB):g} %"
    strips = [(f"{label}, {percent}", band, colour)]
    strips += [] if before is None else [(f"prior, {percent}", before, PRIOR_COLOUR)]
    fresh = not ax.has_data()
    labels = [] if fresh else [text.get_text() for text in ax.get_yticklabels()]
    for name, strip, shade in strips:
        _draw_strips(ax, np.array([len(labels)]), [strip.isel({YEAR: 0})], shade, "")
        labels.append(plain_text(name))
    if records is not None:
        _draw_stated(ax, records, len(labels), ends[1])
        labels += [plain_text(f"{row.kind}: {row.source}") for row in rows_of(records)]
    ax.set_yticks(range(len(labels)), labels, fontsize=8)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    if np.isfinite(ends).all():
        reach(ax, "x", *ends, fresh=fresh)
    ax.set_xlabel(plain_text(f"{band.attrs.get('units', '')}, {int(band[YEAR].values[0])}"))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _draw_stated(ax: Axes, records: pd.DataFrame, first: int, top: float) -> None:
    """Draw what each record states, from some row on downwards; beyond the axis as a number."""
    sources = list(dict.fromkeys(records["source"]))
    hollow, wholes = are_hollow(records), wholes_of(records)
    for number, record in enumerate(rows_of(records)):
        colour = SOURCE_COLOURS[sources.index(record.source) % len(SOURCE_COLOURS)]
        kind, row = kind_of(record.kind), first + number
        low, high = (np.nan if n is None else getattr(record, n) for n in stated_columns(kind.name))
        if kind.is_figure:
            ends = error_ends(kind, record.value, record.sd, wholes[number])
        else:
            ends = low, high
        ax.hlines(row, *ends, colors=colour, linewidth=1.2 if kind.is_figure else 3.0, alpha=0.6)
        if np.isnan(low) or np.isnan(high) or kind.is_figure:
            mark = {"v": "<", "^": ">"}.get(marker_of(kind.name), marker_of(kind.name))
            at = low if np.isnan(high) else high
            face = "white" if hollow[number] else colour
            ax.plot(at, row, mark, color=colour, markerfacecolor=face, markersize=4.5)
        if max(record.stated, ends[1]) > top:
            far = record.stated if record.stated > top else ends[1]
            ax.text(
                1, row, f"{format_value(far)} \u2192", fontsize=8, color=colour,
                transform=ax.get_yaxis_transform(), ha="right",
                va="center" if record.stated > top else "bottom",  # above its line
            )  # fmt: skip


def _finish(
    ax: Axes, band: xr.Dataset, ends: tuple[float, float], fresh: tuple[bool, bool]
) -> None:
    if np.isfinite(ends).all() and ends[1] > ends[0]:
        reach(ax, "y", *ends, fresh=fresh[0])
    first, last = float(band[YEAR].min()), float(band[YEAR].max())
    reach(ax, "x", first - 0.7, last + 0.7, fresh=fresh[1])
    mark_years(ax)
    ax.set_ylabel(plain_text(band.attrs.get("units", "")))
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_strips(
    ax: Axes, rows: np.ndarray, strips: Sequence[xr.Dataset], colour: str, label: str
) -> None:
    low, middle, high = (
        [float(strip[name]) for strip in strips] for name in ("lower", "median", "upper")
    )
    ax.hlines(rows, low, high, colors=colour, linewidth=6, alpha=0.45, label=f"{label} band")
    ax.plot(middle, rows, "|", color=colour, markersize=11, markeredgewidth=2)
