"""Static figures: take labelled arrays or a study, return axes or a figure.

Nothing here opens a file or a window; a caller shows, saves or embeds what it gets back.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from reebayes.conventions import CI_PROB, KIND, QUANTITY, YEAR
from reebayes.evidence import STAGE_MARKS, coverage, stage_marks
from reebayes.learning import ABSENT, LEARNT, PARTLY, PRIOR_ONLY, contraction_text
from reebayes.results.summaries import bands
from reebayes.study import Study

POSTERIOR_COLOUR = "#1f5f9e"
PRIOR_COLOUR = "#8a8a8a"
SOURCE_COLOURS = (
    "#b5460f", "#0b7a5c", "#8a3f8f", "#a07400", "#35353a", "#c2185b", "#4b6b00", "#5b4bb0",
    "#d9534f", "#00838f", "#7a4b2a", "#e07b00", "#7f9a00", "#a66bbe",
)  # fmt: skip
"""Dark enough to read on white; cycled when a panel has more sources."""

NORMAL_90 = 1.6449  # standard normal quantile that leaves 5 % in each tail

_MARKERS = {"value": "o", "quota": "D", "zero": "v", "upper": "v", "lower": "^"}
_STATED = {"value": "value", "quota": "value", "zero": "high", "upper": "high", "lower": "low"}


def plot_bands(
    da: xr.DataArray | xr.Dataset,
    records: pd.DataFrame | None = None,
    *,
    prior: xr.DataArray | xr.Dataset | None = None,
    ci_prob: float = CI_PROB,
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity over the years as median and credible band, beside its records.

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
        _, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
    band = _as_bands(da, ci_prob)
    before = None if prior is None else _as_bands(prior, ci_prob)
    shown, top = _in_view(records, band, before)
    handles: list[Line2D | Patch] = []
    if before is not None:
        handles.append(_draw_band(ax, before, PRIOR_COLOUR, 0.18, "prior"))
    handles.append(_draw_band(ax, band, POSTERIOR_COLOUR, 0.30, "posterior"))
    if shown is not None:
        handles += _draw_records(ax, shown)
    _finish(ax, band, top)
    columns = max(2, round(ax.get_window_extent().width / 220))
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, -0.09), fontsize=8, frameon=False,
        ncols=columns,
    )  # fmt: skip
    return ax


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
        return None, 1.08 * max(tops)
    stated = stated_values(records)
    direct = stated[~_hollow(records)].to_numpy(dtype=float)
    tops.append(min(float(np.max(direct, initial=0.0)), 2.5 * max(tops)))
    top = 1.08 * max(tops)
    return records[stated <= top], top


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
    spans = records["kind"].isin(["mean", "cumulative"])
    return records[["value", "high", "low"]].max(axis=1).where(~spans, _yearly(records))


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
        _, ax = plt.subplots(figsize=(7, 0.8 + 0.5 * len(posterior)), layout="constrained")
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


def plot_predictive(records: pd.DataFrame, *, least: int = 3, ax: Axes | None = None) -> Axes:
    """Draw where printed figures fall among the figures that a fit expects, by reporter.

    Parameters
    ----------
    records : DataFrame
        ``records`` of `predictive_check`: ``reporter`` and ``pit``, the share of replicated
        figures below the printed one. Bounds and ranges have none and are not drawn.
    least : int
        Reporters with fewer figures share one line.
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.
    """
    shown = records.dropna(subset=["pit"])
    counts = shown["reporter"].value_counts()
    few = f"fewer than {least} figures"
    names = shown["reporter"].where(shown["reporter"].map(counts) >= least, few)
    order = [*counts.index[counts >= least], *([few] if (names == few).any() else [])]
    if ax is None:
        size = (7, 1.2 + 0.22 * len(order))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    for low, high, shade in ((0.05, 0.95, 0.10), (0.25, 0.75, 0.14)):
        ax.axvspan(low, high, color=POSTERIOR_COLOUR, alpha=shade, linewidth=0)
    rows = names.map({name: row for row, name in enumerate(order)})
    ax.plot(shown["pit"], rows, "|", color=SOURCE_COLOURS[0], markersize=9, markeredgewidth=1.4)
    ax.set_yticks(
        range(len(order)), [f"{plain_text(name)} ({int((names == name).sum())})" for name in order]
    )
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlim(-0.01, 1.01)
    ax.set_xlabel("share of replicated figures below the printed one; shaded: 50 and 90 %")
    ax.tick_params(axis="y", length=0, labelsize=8)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def plain_text(text: object) -> str:
    """Return text that figures show as it is: a dollar sign opens no formula in it."""
    shown = str(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown  # a legend leaves such names out


def _as_bands(da: xr.DataArray | xr.Dataset, ci_prob: float) -> xr.Dataset:
    return da if isinstance(da, xr.Dataset) else bands(da, ci_prob=ci_prob)


def _draw_band(ax: Axes, band: xr.Dataset, colour: str, alpha: float, label: str) -> Patch:
    years = band[YEAR].values
    # A year in which every draw is zero is a year in which the flow does not exist: leave a gap.
    shown = band.where((band["lower"] != 0) | (band["upper"] != 0))
    ax.fill_between(
        years, shown["lower"].values, shown["upper"].values, color=colour, alpha=alpha, linewidth=0
    )
    style = "--" if label == "prior" else ".-"
    ax.plot(years, shown["median"].values, style, color=colour, linewidth=1.6, markersize=3)
    percent = f"{100 * band.attrs.get('ci_prob', CI_PROB):g} %"
    return Patch(color=colour, alpha=0.6, label=f"{label}, median and {percent} band")


def _draw_records(ax: Axes, records: pd.DataFrame) -> list[Line2D | Patch]:
    sources = list(dict.fromkeys(records["source"]))
    handles: list[Line2D | Patch] = []
    for number, source in enumerate(sources):
        colour = SOURCE_COLOURS[number % len(SOURCE_COLOURS)]
        rows = records[records["source"] == source]
        for hollow, part in rows.groupby(_hollow(rows)):
            _draw_source(ax, part, colour, hollow=bool(hollow))
        handles.append(
            Line2D([], [], color=colour, marker="o", markersize=4, label=plain_text(source))
        )
    return handles


def _draw_source(ax: Axes, rows: pd.DataFrame, colour: str, *, hollow: bool) -> None:
    face = "white" if hollow else colour
    style: Literal["dotted", "solid"] = "dotted" if hollow else "solid"
    for key, part in rows.groupby("kind"):
        kind = str(key)
        if kind in {"mean", "cumulative"}:
            ax.hlines(
                _yearly(part), part["year"] - 0.4, part["year_end"] + 0.4, colors=colour,
                linewidth=1.6, linestyles=style,
            )  # fmt: skip
        elif kind == "range":
            ax.vlines(
                part["year"], part["low"], part["high"], colors=colour, linewidth=3, alpha=0.6
            )
        else:
            stated = part[_STATED[kind]].to_numpy(dtype=float)
            if kind in {"value", "quota"}:
                error = np.exp(NORMAL_90 * part["sd"].to_numpy(dtype=float))
                ax.vlines(
                    part["year"], stated / error, stated * error, colors=colour, linewidth=0.8,
                    alpha=0.6,
                )  # fmt: skip
            ax.plot(
                part["year"], stated, _MARKERS[kind], color=colour, markerfacecolor=face,
                markersize=4.5, linestyle="none",
            )  # fmt: skip


def _yearly(spans: pd.DataFrame) -> pd.Series:
    """Value of a span record for each of its years: ratios and means already are, sums are not."""
    years = (spans["year_end"] - spans["year"] + 1).astype(float)
    added = (spans["kind"] == "cumulative") & ~spans["unit"].isin(["ratio", "fraction"])
    return spans["value"] / years.where(added, 1.0)


def _hollow(records: pd.DataFrame) -> pd.Series:
    if "hollow" in records:
        return records["hollow"].astype(bool)
    return pd.Series(False, index=records.index)


def _finish(ax: Axes, band: xr.Dataset, top: float) -> None:
    lowest = float(band["lower"].min())
    bottom = 1.1 * lowest if lowest < 0 else 0.0
    if np.isfinite(top) and top > 0:
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


# --- coverage -------------------------------------------------------------------------------------

_KIND_COLOURS = {
    "value": "#1f5f9e", "quota": "#8a3f8f", "zero": "#35353a", "upper": "#e07b00",
    "lower": "#0b7a5c", "range": "#a07400", "cumulative": "#00838f", "mean": "#5b4bb0",
    "several kinds": "#c2185b",
}  # fmt: skip
_EVIDENCE_COLOURS = {
    "a record": "#1f5f9e", "a record that covers others too": "#8fb3d9",
    "a sourced prior only": "#d9c9a3", "neither": "#d62728",
}  # fmt: skip
_EMPTY, _IMPOSSIBLE, _EDGE = "#ececec", "white", "#bbbbbb"


def plot_coverage(study: Study) -> Figure:
    """Draw where the records of a study stand, by quantity and by stage of each region.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Figure
        Two maps over the years. Above, one row for each observed quantity, coloured by the kind of
        its records, with their number where there are several. Below, one row for each stage of
        each region: a record, a record that covers other stages or regions too, a sourced prior
        only, or neither. Years in which a quantity or stage cannot exist are blank.
    """
    counted = coverage(study)
    records = counted["records"]
    marks = stage_marks(counted)
    rows = (records.sizes[QUANTITY], len(marks))
    figure = Figure(figsize=(9, 1.8 + 0.17 * sum(rows)), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=rows, sharex=True)
    _draw_map(upper, counted[YEAR].values, _kind_cells(counted), f"{len(study.records)} records")
    for row, column in np.argwhere(records.sum(KIND).values > 1):
        number = int(records[row, column].sum())
        upper.text(
            float(counted[YEAR][column]), row, str(number), color="white", fontsize=6,
            ha="center", va="center",
        )  # fmt: skip
    _draw_map(lower, counted[YEAR].values, _evidence_cells(marks), "Stages of each region")
    _add_key(upper, {**_KIND_COLOURS, "none": _EMPTY, "cannot exist": _IMPOSSIBLE})
    _add_key(lower, {**_EVIDENCE_COLOURS, "cannot exist": _IMPOSSIBLE})
    return figure


def _kind_cells(counted: xr.Dataset) -> dict[str, list[str]]:
    """Return the colours of every observed quantity, by year."""
    kinds = counted[KIND].values.tolist()
    cells: dict[str, list[str]] = {}
    for row, name in enumerate(counted[QUANTITY].values.tolist()):
        cells[name] = []
        for counts, may in zip(
            counted["records"].values[row], counted["possible"].values[row], strict=True
        ):
            found = [kind for kind, count in zip(kinds, counts, strict=True) if count]
            kind = found[0] if len(found) == 1 else "several kinds"
            empty = _EMPTY if may else _IMPOSSIBLE
            cells[name].append(_KIND_COLOURS[kind] if found else empty)
    return cells


def _evidence_cells(marks: Mapping[str, str]) -> dict[str, list[str]]:
    colours = dict(zip(STAGE_MARKS, _EVIDENCE_COLOURS.values(), strict=True))
    return {name: [colours.get(mark, _IMPOSSIBLE) for mark in row] for name, row in marks.items()}


def _draw_map(ax: Axes, years: np.ndarray, cells: Mapping[str, Sequence[str]], title: str) -> None:
    colours = np.array([[to_rgb(colour) for colour in row] for row in cells.values()])
    extent = (years[0] - 0.5, years[-1] + 0.5, len(cells) - 0.5, -0.5)
    ax.imshow(colours, aspect="auto", extent=extent, interpolation="none")
    ax.set_yticks(range(len(cells)), list(cells), fontsize=7)
    ax.set_xticks(years[years % 5 == 0])
    ax.set_xticks(years - 0.5, minor=True)
    ax.set_yticks(np.arange(len(cells)) - 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=0.8)
    ax.tick_params(which="both", length=0, labelbottom=True)
    ax.tick_params(axis="x", labelsize=8)
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=10, loc="left", weight="bold")


def _add_key(ax: Axes, colours: Mapping[str, str]) -> None:
    handles = [
        Patch(facecolor=colour, edgecolor=_EDGE, linewidth=0.5, label=label)
        for label, colour in colours.items()
    ]
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, frameon=False
    )


# --- what was learnt ------------------------------------------------------------------------------

_LABEL_COLOURS = {
    LEARNT: "#1f5f9e", PARTLY: "#bcd4ea", PRIOR_ONLY: "#eee3c8", ABSENT: "white",
}  # fmt: skip
_LABEL_INK = {LEARNT: "white", PARTLY: "#1c1f23", PRIOR_ONLY: "#1c1f23", ABSENT: "white"}


def plot_learnt(
    table: xr.Dataset, *, labels: Mapping[str, str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what the records taught of each quantity and year.

    Parameters
    ----------
    table : Dataset (quantity, year)
        As `learnt` returns it.
    labels : mapping of quantity to text, optional
        Readable names.
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in: a row for each quantity, coloured by its label, with the contraction of
        the band in per cent, and an arrow where the median moved by a prior standard deviation or
        more. Years in which there is nothing to learn are blank.
    """
    names = table[QUANTITY].values.tolist()
    if ax is None:
        size = (3.2 + 0.33 * table.sizes[YEAR], 1.1 + 0.3 * len(names))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ordered = table.transpose(QUANTITY, YEAR)
    marks, contraction = ordered["label"].values, ordered["contraction"].values
    shift = ordered["shift"].values
    readable = [plain_text((labels or {}).get(name, name)) for name in names]
    cells = {
        name: [_LABEL_COLOURS[mark] for mark in row]
        for name, row in zip(readable, marks, strict=True)
    }
    _draw_map(ax, table[YEAR].values, cells, "Narrower than the prior's band by, %")
    for row, column in np.argwhere(np.isfinite(contraction)):
        text = contraction_text(contraction[row, column], shift[row, column])
        ax.text(
            float(table[YEAR][column]), row, text, fontsize=6, color=_LABEL_INK[marks[row, column]],
            ha="center", va="center",
        )  # fmt: skip
    _add_key(ax, _LABEL_COLOURS)
    return ax
