"""Figures of a report, embedded as pictures with words beside them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reebayes.conventions import CI_PROB, POSTERIOR, PRIOR, QUANTITY, YEAR
from reebayes.figures.curves import draw_bands, legend_columns, plot_totals
from reebayes.figures.extents import ends_of, gone_beyond, stated_values
from reebayes.figures.style import plain_text
from reebayes.reporting.plan import Plan
from reebayes.reporting.vectors import address_of, slimmed
from reebayes.results.reading import Contents
from reebayes.wording import format_band, listed, without_per_year

_LARGE, _SMALL = (9.0, 4.6), (3.9, 3.7)
"""Inches of a plot by itself, and of one of several."""

LEGEND_COLUMNS = 2
"""Columns of the legend of one of several plots."""

_LINE, _BESIDE = 0.165, 0.85  # inches of a line of a legend, and beside a plot
_NAMES = 2.0  # inches beside intervals, whose names stand there


def totals_figure(
    contents: Contents, plan: Plan, sums: Mapping[str, xr.Dataset]
) -> dict[str, str] | None:
    """Return sums of headline quantities and their parts as a picture; None if all are ratios."""
    names = [name for name in contents.with_parts(plan.headline) if name not in contents.ratios]
    if not names:
        return None
    strips = {
        group: {plan.label(name): found.sel({QUANTITY: name}) for name in names}
        for group, found in sums.items()
    }
    unit = without_per_year(contents.units[names[0]])
    if len(contents.years) == 1:
        unit = str(contents.units[names[0]])
    figure, axes = _new_figure(1, 1, (9.0, 0.9 + 0.55 * len(names)))
    plot_totals(strips[POSTERIOR], strips.get(PRIOR), unit=unit, ax=axes[0])
    parts = (f"{label} {band_text(strip)}" for label, strip in strips[POSTERIOR].items())
    what = "Sums over all years" if len(contents.years) > 1 else f"Values of {contents.years[0]}"
    return embedded(figure, f"{what} in {unit}: {'; '.join(parts)}.") | {"unit": unit}


def band_figure(
    contents: Contents,
    plan: Plan,
    yearly: Mapping[str, xr.Dataset],
    records: pd.DataFrame,
    names: Sequence[str],
    *,
    others: bool,
) -> dict[str, Any]:
    """Return quantities over the years as a picture, with its numbers and notes on records."""
    one_year = len(contents.years) == 1
    columns = min(2 if one_year else 3, len(names))
    rows = math.ceil(len(names) / columns)
    cell = _LARGE if len(names) == 1 else _SMALL
    if one_year:
        lines = max(_lines(contents, plan, name, yearly, records, others=others) for name in names)
        cell = (_LARGE[0] if len(names) == 1 else 6.0, 0.95 + 0.27 * lines)
    figure = Figure(figsize=(cell[0] * columns, cell[1] * rows))
    width = (cell[0] - _BESIDE) / (cell[0] * columns)
    axes = [figure.add_axes((0.1, 0.1, width, 0.8)) for _ in names]
    records = records.assign(stated=stated_values(records))
    notes, alternatives = [], []
    for name, ax in zip(names, axes, strict=True):
        strips = {group: _of_quantity(contents, found, name) for group, found in yearly.items()}
        shown = _shown_records(contents, plan, name, records, others=others)
        handles = draw_bands(ax, strips[POSTERIOR], shown, strips.get(PRIOR))
        _add_legend(ax, handles, small=len(names) > 1)
        # At places that are given: to look for room around a plot takes a quarter of a drawing.
        ax.set_title(plain_text(plan.label(name)), fontsize=10, loc="left", weight="bold", y=1.0)
        if not one_year:
            ax.xaxis.set_label_coords(0.5, -0.1)  # of a label that is empty
        notes += _off_scale(ax, shown, plan.label(name))
        notes += _cut_prior(ax, strips.get(PRIOR), plan.label(name))
        alternatives.append(_alternative(plan.label(name), strips[POSTERIOR]))
    for row in range(rows):
        placed = axes[row * columns : (row + 1) * columns]
        _place(placed, row, cell, beside=_NAMES if one_year else _BESIDE)
    return embedded(figure, " ".join(alternatives)) | {
        "title": listed([plan.label(name) for name in names]),
        "words": _words(contents, yearly, records, names),
        "note": " ".join(notes),
        "data": _numbers(contents, plan, yearly, names),
    }


def _words(
    contents: Contents,
    yearly: Mapping[str, xr.Dataset],
    records: pd.DataFrame,
    names: Sequence[str],
) -> str:
    """What a picture shows, in which unit and with which probability."""
    percent = f"{100 * CI_PROB:g} %"
    units = listed(dict.fromkeys(str(contents.units[name]) for name in names))
    prior = ", prior in grey" if PRIOR in yearly else ""
    seen = int(records["quantity"].isin(names).sum())
    told = f"{seen} {'record' if seen == 1 else 'records'}" if seen else "no record of its own"
    return f"Posterior median and {percent} band in blue{prior}, in {units}; {told}."


def _numbers(
    contents: Contents, plan: Plan, yearly: Mapping[str, xr.Dataset], names: Sequence[str]
) -> dict[str, Any]:
    """Medians and bands of a picture as a table."""
    groups = [group for group in (POSTERIOR, PRIOR) if group in yearly]
    columns = [yearly[group].sel({QUANTITY: name}) for name in names for group in groups]
    several = len(names) > 1
    heads = [
        (f"{plan.label(name)}, {group}" if several else group, str(contents.units[name]))
        for name in names
        for group in groups
    ]
    ends = [np.stack([one[end].values for end in ("median", "lower", "upper")], -1).tolist()
            for one in columns]  # fmt: skip
    rows = [
        [str(year), *(_band_or_dash(column[n]) for column in ends)]
        for n, year in enumerate(contents.years)
    ]
    return {
        "caption": f"Median and {100 * CI_PROB:g} % band; a dash where there is nothing",
        "heads": [("Year", ""), *heads],
        "rows": rows,
    }


def _band_or_dash(band: Sequence[float]) -> str:
    return format_band(*band) if any(band) and not math.isnan(band[0]) else "–"


def _lines(
    contents: Contents,
    plan: Plan,
    name: str,
    yearly: Mapping[str, xr.Dataset],
    records: pd.DataFrame,
    *,
    others: bool,
) -> int:
    """How many intervals of one year are drawn below each other."""
    return len(yearly) + len(_shown_records(contents, plan, name, records, others=others))


def _of_quantity(contents: Contents, yearly: xr.Dataset, name: str) -> xr.Dataset:
    """Bands of one quantity, with its name and unit."""
    about = {"long_name": name, "units": str(contents.units[name])}
    return yearly.sel({QUANTITY: name}).assign_attrs({**yearly.attrs, **about})


def _shown_records(
    contents: Contents, plan: Plan, name: str, records: pd.DataFrame, *, others: bool
) -> pd.DataFrame:
    """Records drawn with a quantity: its own, and hollow those of others that hold it."""
    beside = _containing(contents, name) | {*plan.beside.get(name, ())} if others else set()
    shown = records[records["quantity"].isin({name} | beside)]
    return shown.assign(hollow=shown["quantity"] != name)


def _place(axes: Sequence[Axes], row: int, cell: tuple[float, float], beside: float) -> None:
    """Set the positions of the plots of one row: room for legends below, for numbers beside.

    What stands around a plot is known, and a layout engine would draw all of it twice to learn it.
    """
    figure = axes[0].get_figure()
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    per_row = legend_columns(cell[0] - beside) if cell == _LARGE else LEGEND_COLUMNS
    lines = max(math.ceil(_entries(ax) / per_row) for ax in axes)
    below = 0.42 + _LINE * lines
    for column, ax in enumerate(axes):
        left, bottom = cell[0] * column + beside - 0.1, height - cell[1] * (row + 1) + below
        size = (cell[0] - beside, cell[1] - below - 0.34)
        ax.set_position((left / width, bottom / height, size[0] / width, size[1] / height))


def _entries(ax: Axes) -> int:
    """How many entries the legend of a plot has."""
    legend = ax.get_legend()
    return 0 if legend is None else len(legend.get_texts())


def _add_legend(ax: Axes, handles: Sequence[Line2D | Patch], *, small: bool) -> None:
    """Legend of a plot; of one of several the sources only, in small type."""
    if not handles:
        return
    style: dict[str, Any] = {"loc": "upper left", "frameon": False}
    if small:
        handles = [handle for handle in handles if isinstance(handle, Line2D)]
        style |= {"fontsize": 7, "ncols": LEGEND_COLUMNS, "handlelength": 1.2}
        style |= {"bbox_to_anchor": (0, -0.1), "columnspacing": 1.0}
    else:
        columns = legend_columns(_LARGE[0] - _BESIDE)
        style |= {"fontsize": 8, "ncols": columns, "bbox_to_anchor": (0, -0.09)}
    ax.legend(handles=handles, **style)


def _containing(contents: Contents, name: str) -> set[str]:
    """Quantities that add something to all flows of the named one."""
    wanted, below = contents.terms[name]
    if below or not all(weight > 0 for weight in wanted.values()):
        return set()
    found = set()
    for other, (terms, under) in contents.terms.items():
        adds = not under and all(weight > 0 for weight in terms.values())
        if adds and len(terms) > len(wanted) and wanted.items() <= terms.items():
            found.add(other)
    return found


def _off_scale(ax: Axes, records: pd.DataFrame, label: str) -> list[str]:
    above = records[records["stated"] > ends_of(ax)[1]]
    hollow = int(above["hollow"].sum())
    counts = {"": len(above) - hollow, " of other quantities": hollow}
    parts = [
        f"{count} {'record' if count == 1 else 'records'}{kind}"
        for kind, count in counts.items()
        if count
    ]
    return [f"{label}: above the scale, {listed(parts)}."] if parts else []


def _cut_prior(ax: Axes, prior: xr.Dataset | None, label: str) -> list[str]:
    said = gone_beyond([] if prior is None else [prior], *ends_of(ax))
    return [f"{label}: the band of the prior {said}."] if said else []


def _alternative(label: str, band: xr.Dataset) -> str:
    """Text for readers who do not see the plot: first, middle and last year."""
    years = band[YEAR].values
    chosen = dict.fromkeys(int(years[i]) for i in (0, len(years) // 2, -1))
    texts = [f"{year} {band_text(band.sel({YEAR: year}))}" for year in chosen]
    return f"{label}, {band.attrs.get('units', '')}: {'; '.join(texts)}."


def band_text(band: xr.Dataset) -> str:
    """Write one median with its band."""
    return format_band(*(float(band[name]) for name in ("median", "lower", "upper")))


def _new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, list(grid.ravel())


SAVED: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "reebayes", "savefig.bbox": "standard",
}  # fmt: skip
"""Settings of pictures in a page, whatever other libraries have set."""


def embedded(figure: Figure, alternative: str) -> dict[str, str]:
    """Figure as a data address: text stays text, and the same fit gives the same bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context(SAVED):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    address = address_of(slimmed(buffer.getvalue().decode()))
    return {"address": address, "alternative": alternative}
