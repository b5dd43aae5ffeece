"""Heat maps over quantities and years: data availability and posterior contraction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reebayes.answers.availability import STAGE_MARKS, coverage, stage_marks
from reebayes.answers.contraction import contraction_text
from reebayes.conventions import KIND, QUANTITY, YEAR
from reebayes.figures.composing import headed, panels
from reebayes.figures.style import (
    LABEL_COLOURS,
    LABEL_INK,
    SEVERAL_COLOUR,
    SEVERAL_KINDS,
    colour_of,
    new_axes,
    plain_text,
)
from reebayes.study import Study

_AVAILABILITY_COLOURS = {
    "a record": "#1f5f9e", "a record that covers others too": "#8fb3d9",
    "a sourced prior only": "#d9c9a3", "neither": "#d62728",
}  # fmt: skip


_EMPTY, _IMPOSSIBLE, _EDGE = "#ececec", "white", "#bbbbbb"


def plot_coverage(
    study: Study,
    *,
    label: str = "",
    color: Mapping[str, str] | None = None,
    legend: bool = True,
    title: str = "",
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draw the data availability of a study, by quantity and by stage of each region.

    Parameters
    ----------
    study : Study
    label : str
        What stands before the heading of each map, such as the name of a variant.
    color : mapping of kind of record, or of what is there for a stage, to colour, optional
        Those that it leaves out have their ordinary ones.
    legend : bool
        Whether each map has a key on its right.
    title : str
        Of the whole.
    ax : sequence of Axes, optional
        Two axes to draw in; a new figure if left out.

    Returns
    -------
    Figure
        Two maps over the years. Above, one row for each observed quantity, coloured by the kind of
        its records, with their number where there are several. Below, one row for each stage of
        each region: a record, a record that covers other stages or regions too, a sourced prior
        only, or neither. Years in which a quantity or stage cannot exist are blank.

    Raises
    ------
    ResultError
        If another number of axes is given.

    Examples
    --------
    >>> import reebayes as rb
    >>> figure = rb.plot_coverage(rb.read_study("zinc"), title="Zinc in China")
    >>> figure.get_suptitle()
    'Zinc in China'
    """
    counted = coverage(study)
    records = counted["records"]
    marks = stage_marks(counted)
    rows = (records.sizes[QUANTITY], max(len(marks), 1))
    if ax is None:
        figure = Figure(figsize=(9, 1.8 + 0.17 * sum(rows)), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=rows, sharex=True)
        figure.suptitle(plain_text(title), fontsize=11)
    else:
        figure, (upper, lower), _ = panels(ax, 2, width=0.0, height=0.0)
        label = headed(title, label)
    colours = {
        **{name: colour_of(name) for name in counted[KIND].values.tolist()},
        SEVERAL_KINDS: SEVERAL_COLOUR, **_AVAILABILITY_COLOURS, **(color or {}),
    }  # fmt: skip
    heading = plain_text(headed(label, f"{len(study.records)} records"))
    _draw_map(upper, counted[YEAR].values, _kind_cells(counted, colours), heading)
    for row, column in np.argwhere(records.sum(KIND).values > 1):
        number = int(records[row, column].sum())
        upper.text(
            float(counted[YEAR][column]), row, str(number), color="white", fontsize=6,
            ha="center", va="center",
        )  # fmt: skip
    if marks:
        heading = plain_text(headed(label, "Stages of each region"))
        _draw_map(lower, counted[YEAR].values, _availability_cells(marks, colours), heading)
    else:  # a study without regions
        lower.set_axis_off()
    kinds = {name: colours[name] for name in (*counted[KIND].values.tolist(), SEVERAL_KINDS)}
    stages = {name: colours[name] for name in _AVAILABILITY_COLOURS}
    if legend:
        _add_key(upper, {**kinds, "none": _EMPTY, "cannot exist": _IMPOSSIBLE})
    if legend and marks:
        _add_key(lower, {**stages, "cannot exist": _IMPOSSIBLE})
    return figure


def _kind_cells(counted: xr.Dataset, colours: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the colours of every observed quantity, by year."""
    kinds = counted[KIND].values.tolist()
    cells: dict[str, list[str]] = {}
    for row, name in enumerate(counted[QUANTITY].values.tolist()):
        cells[name] = []
        for counts, may in zip(
            counted["records"].values[row], counted["possible"].values[row], strict=True
        ):
            found = [kind for kind, count in zip(kinds, counts, strict=True) if count]
            colour = colours[found[0] if len(found) == 1 else SEVERAL_KINDS]
            empty = _EMPTY if may else _IMPOSSIBLE
            cells[name].append(colour if found else empty)
    return cells


def _availability_cells(
    marks: Mapping[str, str], colours: Mapping[str, str]
) -> dict[str, list[str]]:
    shades = {m: colours[name] for m, name in zip(STAGE_MARKS, _AVAILABILITY_COLOURS, strict=True)}
    return {name: [shades.get(mark, _IMPOSSIBLE) for mark in row] for name, row in marks.items()}


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


def plot_learnt(
    table: xr.Dataset,
    *,
    labels: Mapping[str, str] | None = None,
    label: str = "",
    color: Mapping[str, str] | None = None,
    legend: bool = True,
    title: str = "Posterior contraction, %",
    ax: Axes | None = None,
) -> Axes:
    """Draw the posterior contraction of each quantity and year.

    Parameters
    ----------
    table : Dataset (quantity, year)
        As `learnt` returns it.
    labels : mapping of quantity to text, optional
        Readable names.
    label : str
        What stands before the title, such as the name of a fit.
    color : mapping of label of `learnt` to colour, optional
        Those that it leaves out have their ordinary ones.
    legend : bool
        Whether the colours are named on the right.
    title : str
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in: a row for each quantity, coloured by its label, with the contraction of
        the band in per cent, and an arrow where the median moved by a prior standard deviation or
        more. Years in which the study fixes the value are blank.

    Examples
    --------
    >>> import reebayes as rb
    >>> ax = rb.plot_learnt(rb.learnt(rb.open_fit("results/fit.nc"), ["mined_US", "smuggled_CN"]))
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['mined_US', 'smuggled_CN']
    """
    names = table[QUANTITY].values.tolist()
    if ax is None:
        ax = new_axes(3.2 + 0.33 * table.sizes[YEAR], 1.1 + 0.3 * len(names))
    ordered = table.transpose(QUANTITY, YEAR)
    marks, contraction = ordered["label"].values, ordered["contraction"].values
    shift = ordered["shift"].values
    colours = {**LABEL_COLOURS, **(color or {})}
    readable = [plain_text((labels or {}).get(name, name)) for name in names]
    cells = {
        name: [colours[mark] for mark in row] for name, row in zip(readable, marks, strict=True)
    }
    _draw_map(ax, table[YEAR].values, cells, plain_text(headed(label, title)))
    for row, column in np.argwhere(np.isfinite(contraction)):
        text = contraction_text(contraction[row, column], shift[row, column])
        ax.text(
            float(table[YEAR][column]), row, text, fontsize=6, color=LABEL_INK[marks[row, column]],
            ha="center", va="center",
        )  # fmt: skip
    if legend:
        _add_key(ax, colours)
    return ax
