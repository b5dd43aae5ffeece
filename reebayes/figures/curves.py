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
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from reebayes.conventions import CI_PROB, RATIO_UNITS, YEAR
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
    SUM,
    KindReader,
    kind_of,
    stated_columns,
)

NORMAL_90 = 1.6449  # standard normal quantile that leaves 5 % in each tail


def plot_bands(
    da: xr.DataArray | xr.Dataset,
    records: pd.DataFrame | None = None,
    *,
    prior: xr.DataArray | xr.Dataset | None = None,
    ci_prob: float = CI_PROB,
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity over the years as median and credible band, beside its records.

    Of one year it draws intervals instead: the posterior, the prior, and each record below.

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
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.
    """
    if ax is None:
        ax = new_axes(7, 3.8)
    before = None if prior is None else _as_bands(prior, ci_prob)
    handles = draw_bands(ax, _as_bands(da, ci_prob), records, before)
    if not handles:
        return ax
    inches = ax.get_position().width * _width(ax)
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, -0.09), fontsize=8, frameon=False,
        ncols=legend_columns(inches),
    )  # fmt: skip
    return ax


def draw_bands(
    ax: Axes, band: xr.Dataset, records: pd.DataFrame | None, before: xr.Dataset | None
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
    """
    shown, top = _in_view(records, band, before)
    if band.sizes[YEAR] == 1:
        _draw_intervals(ax, band, shown, before, top)
        return []
    handles: list[Line2D | Patch] = []
    if before is not None:
        handles.append(_draw_band(ax, before, PRIOR_COLOUR, 0.18, "prior"))
    handles.append(_draw_band(ax, band, POSTERIOR_COLOUR, 0.30, "posterior"))
    if shown is not None:
        handles += _draw_records(ax, shown)
    _finish(ax, band, top, shown)
    return handles


def legend_columns(inches: float) -> int:
    """Return how many columns the legend of a plot of some width has."""
    return max(2, round(inches / 2.2))


def _width(ax: Axes) -> float:
    """Width in inches of the figure that axes are in."""
    figure = ax.get_figure(root=True)
    return 0.0 if figure is None else float(figure.get_size_inches()[0])


def _in_view(
    records: pd.DataFrame | None, band: xr.Dataset, prior: xr.Dataset | None
) -> tuple[pd.DataFrame | None, float]:
    """Upper end of the axis, and the records below it.

    A wide prior or a far record must not flatten the band, and records of other quantities are
    shown only where they fit.
    """
    tops = [float(band["upper"].max())]
    if prior is not None:
        tops.append(min(float(prior["upper"].max()), 2.5 * tops[0]))
    if records is None or records.empty:
        return None, _above(max(tops))
    if "stated" not in records:
        records = records.assign(stated=stated_values(records))
    stated = records["stated"].to_numpy(dtype=float)
    direct = stated[~_hollow(records)]
    tops.append(min(float(np.max(direct, initial=0.0)), 2.5 * max(tops)))
    top = _above(max(tops))
    return records[stated <= top], top


def _above(highest: float) -> float:
    """Return an end of the axis that leaves some room, at 0 where all is negative."""
    return max(1.08 * highest, 0.0)


def stated_values(records: pd.DataFrame) -> pd.Series:
    """Return the highest value that each record states, for one of its years.

    Parameters
    ----------
    records : DataFrame
        Rows of `record_table`.

    Returns
    -------
    Series
        In the unit of the records; sums over years are divided by their years.
    """
    return records[["value", "high", "low"]].max(axis=1).where(~_spans(records), _yearly(records))


def plot_totals(
    posterior: Mapping[str, xr.Dataset],
    prior: Mapping[str, xr.Dataset] | None = None,
    *,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one horizontal band for each of several totals, posterior above prior.

    Parameters
    ----------
    posterior : mapping of label to Dataset
        Scalar results of `bands`, top to bottom.
    prior : mapping of label to Dataset, optional
        The same labels before the records.
    unit : str
        Unit for the axis.
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.
    """
    if ax is None:
        ax = new_axes(7, 0.8 + 0.5 * len(posterior))
    rows = np.arange(len(posterior))
    if prior:
        _draw_strips(ax, rows + 0.2, [prior[label] for label in posterior], PRIOR_COLOUR, "prior")
    _draw_strips(ax, rows - 0.1, list(posterior.values()), POSTERIOR_COLOUR, "posterior")
    ax.set_yticks(rows, [plain_text(label) for label in posterior])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    medians = [float(band["median"]) for band in posterior.values()]
    if min(medians) > 0 and max(medians) > 10 * min(medians):
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
    ax.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def _as_bands(da: xr.DataArray | xr.Dataset, ci_prob: float) -> xr.Dataset:
    return da if isinstance(da, xr.Dataset) else bands(da, ci_prob=ci_prob)


def _draw_band(ax: Axes, band: xr.Dataset, colour: str, alpha: float, label: str) -> Patch:
    years = band[YEAR].values
    # A year in which every draw is zero is a year in which the flow does not exist: leave a gap.
    gap = (band["lower"].values == 0) & (band["upper"].values == 0)
    lower, median, upper = (
        np.where(gap, np.nan, band[name].values) for name in ("lower", "median", "upper")
    )
    ax.fill_between(years, lower, upper, color=colour, alpha=alpha, linewidth=0)
    style = "--" if label == "prior" else ".-"
    ax.plot(years, median, style, color=colour, linewidth=1.6, markersize=3)
    percent = f"{100 * band.attrs.get('ci_prob', CI_PROB):g} %"
    return Patch(color=colour, alpha=0.6, label=f"{label}, median and {percent} band")


type _Rows = Mapping[str, NDArray[Any]]
"""Columns of some records: of one source and kind, all hollow or none."""

_DRAWN = ("year", "year_end", "value", "low", "high", "sd", "stated")


def _draw_records(ax: Axes, records: pd.DataFrame) -> list[Line2D | Patch]:
    colours = {
        source: SOURCE_COLOURS[number % len(SOURCE_COLOURS)]
        for number, source in enumerate(dict.fromkeys(records["source"]))
    }
    columns = {name: records[name].to_numpy(dtype=float) for name in _DRAWN}
    columns["whole"] = _wholes(records)
    alike: dict[tuple[str, bool, str], list[int]] = {}
    keys = zip(records["source"], _hollow(records).tolist(), records["kind"], strict=True)
    for row, key in enumerate(keys):
        alike.setdefault(key, []).append(row)
    # source by source; the hollow ones of each above the others
    order = list(colours)
    for source, hollow, kind in sorted(alike, key=lambda key: (order.index(key[0]), *key[1:])):
        chosen = alike[source, hollow, kind]
        rows = {name: values[chosen] for name, values in columns.items()}
        _draw_alike(ax, rows, kind, colours[source], hollow=hollow)
    return [
        Line2D([], [], color=colour, marker="o", markersize=4, label=plain_text(source))
        for source, colour in colours.items()
    ]


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
    if kind.is_signed:
        reach = NORMAL_90 * rows["sd"]
        _draw_lines(ax, rows, rows["value"] - reach, rows["value"] + reach, colour, 0.8)
    elif kind.is_figure:
        ends = _error_ends(rows["value"], rows["sd"], rows["whole"])
        _draw_lines(ax, rows, *ends, colour, 0.8)
    _draw_of(name)(ax, rows, name, colour, face)


def _draw_lines(
    ax: Axes, rows: _Rows, low: NDArray[Any], high: NDArray[Any], colour: str, width: float
) -> None:
    ax.vlines(rows["year"], low, high, colors=colour, linewidth=width, alpha=0.6)


def _error_ends(value: Any, sd: Any, whole: Any) -> tuple[Any, Any]:
    """Ends of the 90 % band of a figure's own error; a part stays within its whole."""
    error = np.exp(NORMAL_90 * sd)
    rest = np.where(np.isnan(whole), np.inf, whole) - value
    part = np.isfinite(rest)
    with np.errstate(invalid="ignore"):
        low, high = (whole / (1 + rest / value * by) for by in (error, 1 / error))
    return np.where(part, low, value / error), np.where(part, high, value * error)


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


def _spans(records: pd.DataFrame) -> pd.Series:
    """Whether each record is about several years taken together."""
    return records["kind"].map(lambda kind: kind_of(kind).spans).astype(bool)


def _yearly(spans: pd.DataFrame) -> pd.Series:
    """Value of a span record for each of its years: ratios and means already are, sums are not."""
    years = (spans["year_end"] - spans["year"] + 1).astype(float)
    sums = spans["kind"].map(lambda kind: kind_of(kind).years == SUM).astype(bool)
    added = sums & ~spans["unit"].isin(RATIO_UNITS)
    return spans["value"] / years.where(added, 1.0)


def _hollow(records: pd.DataFrame) -> NDArray[np.bool_]:
    if "hollow" in records:
        return records["hollow"].to_numpy(dtype=bool)
    return np.zeros(len(records), dtype=bool)


def _wholes(records: pd.DataFrame) -> NDArray[np.float64]:
    """What the table adds up to of which a record is a part; NaN if it is none."""
    if "whole" in records:
        return records["whole"].to_numpy(dtype=float)
    return np.full(len(records), np.nan)


def _draw_intervals(
    ax: Axes, band: xr.Dataset, records: pd.DataFrame | None, before: xr.Dataset | None, top: float
) -> None:
    """Draw one year from left to right: posterior, prior and every record, in a line each."""
    percent = f"{100 * band.attrs.get('ci_prob', CI_PROB):g} %"
    strips = [(f"posterior, {percent}", band, POSTERIOR_COLOUR)]
    strips += [] if before is None else [(f"prior, {percent}", before, PRIOR_COLOUR)]
    for row, (_, strip, colour) in enumerate(strips):
        _draw_strips(ax, np.array([row]), [strip.isel({YEAR: 0})], colour, "")
    labels = [label for label, _, _ in strips]
    if records is not None:
        _draw_stated(ax, records, len(labels))
        labels += [f"{row.kind}: {row.source}" for row in _rows_of(records)]
    ax.set_yticks(range(len(labels)), [plain_text(label) for label in labels], fontsize=8)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    if np.isfinite(top):
        ax.set_xlim(_bottom(band, records), top)
    ax.set_title(
        plain_text(band.attrs.get("long_name", "")), fontsize=10, loc="left", weight="bold"
    )
    ax.set_xlabel(plain_text(f"{band.attrs.get('units', '')}, {int(band[YEAR].values[0])}"))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _rows_of(records: pd.DataFrame) -> list[Any]:
    return list(records.itertuples())


def _draw_stated(ax: Axes, records: pd.DataFrame, first: int) -> None:
    """Draw what each record states, from some row on downwards."""
    sources = list(dict.fromkeys(records["source"]))
    hollow, wholes = _hollow(records), _wholes(records)
    for number, record in enumerate(_rows_of(records)):
        colour = SOURCE_COLOURS[sources.index(record.source) % len(SOURCE_COLOURS)]
        kind, row = kind_of(record.kind), first + number
        low, high = (np.nan if n is None else getattr(record, n) for n in stated_columns(kind.name))
        if kind.is_signed:
            ends = record.value - NORMAL_90 * record.sd, record.value + NORMAL_90 * record.sd
        elif kind.is_figure:
            ends = _error_ends(record.value, record.sd, wholes[number])
        else:
            ends = low, high
        ax.hlines(row, *ends, colors=colour, linewidth=1.2 if kind.is_figure else 3.0, alpha=0.6)
        if np.isnan(low) or np.isnan(high) or kind.is_figure:
            mark = {"v": "<", "^": ">"}.get(marker_of(kind.name), marker_of(kind.name))
            at = low if np.isnan(high) else high
            face = "white" if hollow[number] else colour
            ax.plot(at, row, mark, color=colour, markerfacecolor=face, markersize=4.5)


def _bottom(band: xr.Dataset, records: pd.DataFrame | None) -> float:
    """Lower end of the axis: 0 unless something is negative, and room below that."""
    lowest = [float(band["lower"].min())]
    if records is not None and not records.empty:
        lowest += [float(records[["value", "low"]].min().min())]
    least = float(np.nanmin(lowest)) if np.isfinite(lowest).any() else 0.0
    return 1.1 * least if least < 0 else 0.0


def _finish(ax: Axes, band: xr.Dataset, top: float, records: pd.DataFrame | None) -> None:
    bottom = _bottom(band, records)
    if np.isfinite(top) and top > bottom:
        ax.set_ylim(bottom, top)
    ax.set_xlim(float(band[YEAR].min()) - 0.7, float(band[YEAR].max()) + 0.7)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_title(
        plain_text(band.attrs.get("long_name", "")), fontsize=10, loc="left", weight="bold"
    )
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
