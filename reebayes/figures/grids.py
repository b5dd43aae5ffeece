"""Several quantities of a fit on one page, each beside its records."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reebayes.conventions import CI_PROB, POSTERIOR, PRIOR, QUANTITY
from reebayes.errors import ResultError
from reebayes.figures.composing import entries, headed, legend_across, legend_below, panels
from reebayes.figures.curves import plot_bands
from reebayes.figures.extents import axis_ends, gone_beyond
from reebayes.figures.style import new_figure, plain_text
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents, Fit, contents_of, require_known

MM = 25.4
COLUMN_MM, PAGE_MM = 89.0, 183.0
"""Widths of a column and of a page of most journals."""

_HEIGHT = 0.78  # of a panel, as part of its width
_LINE = 0.14  # inches of a line of a legend, in letters of 7 points
_INTERVAL = 0.24  # inches of an interval of one year


def plot_panel(
    fit: Fit,
    names: Sequence[str],
    *,
    columns: int | None = None,
    width: float = PAGE_MM,
    records: bool = True,
    prior: bool = True,
    ci_prob: float = CI_PROB,
    label: str | None = None,
    color: str | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw several quantities of a fit, a panel each, over the prior and beside their records.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    names : sequence of str
        Quantities.
    columns : int, optional
        Panels in a row; three, two or one, as there are quantities and room, if left out.
    width : float
        Millimetres of a new figure: 89 for a column and 183 for a page of most journals.
    records, prior : bool
        Whether they are drawn too.
    ci_prob : float
        Probability inside the bands.
    label : str, optional
        Name of the posterior in the legend, such as that of a fit.
    color : str, optional
        Of the posterior.
    legend : bool
        Whether sources are named below each panel, and the bands once, below all.
    title : str
        Above a new figure; in axes that are given, before the title of each.
    ax : Axes or sequence of Axes, optional
        Axes to draw in, one a quantity; a new figure if left out.

    Returns
    -------
    Figure
        Panels are titled by the labels of the study, and their legends say what `plot_bands` says
        of records and priors that the axes cut. Of one year they hold intervals.

    Raises
    ------
    ResultError
        If a quantity is unknown, or another number of axes is given.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/zinc.nc")
    >>> figure = rb.plot_panel(fit, ["mined", "recycled"])
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['Mining', 'Recycled']
    """
    contents = contents_of(fit)
    require_known(names, contents.units.index, QUANTITY)
    if not names:
        raise ResultError("Name at least one quantity to draw.")
    if new := ax is None:
        figure, axes = _new(contents, names, columns, width, records=records, prior=prior)
    else:
        figure, axes, _ = panels(ax, len(names), width=0.0, height=0.0)
    before = prior and PRIOR in contents.distributions
    for number, (name, one) in enumerate(zip(names, axes, strict=True)):
        plot_bands(
            _band(contents, name, ci_prob), _records(contents, name) if records else None,
            prior=_band(contents, name, ci_prob, PRIOR) if before else None, label=label,
            color=color, legend=False, ax=one,
            title=headed("" if new else title, contents.label_of(name)),
        )  # fmt: skip
        if legend and not one.yaxis_inverted():
            bands_too = not new and not number  # below all there may be axes of others
            known = [e for e in entries(one) if bands_too or not isinstance(e, Patch)]
            legend_below(one, known)
    if legend:
        bands = [found for found in entries(axes[0]) if isinstance(found, Patch)]
        if new and not axes[0].yaxis_inverted():
            legend_across(figure, bands)
    if new and title:
        figure.suptitle(plain_text(title), fontsize="medium")
    return figure


def _band(contents: Contents, name: str, ci_prob: float, group: str = POSTERIOR) -> xr.Dataset:
    """Bands of one quantity, with its name and unit."""
    found = bands_of(contents, "quantities", group, ci_prob=ci_prob).sel({QUANTITY: name})
    return found.assign_attrs(long_name=name, units=str(contents.units[name]), ci_prob=ci_prob)


def _records(contents: Contents, name: str) -> pd.DataFrame:
    return contents.records[contents.records["quantity"] == name]


def prior_beyond(contents: Contents, name: str, ci_prob: float) -> str:
    """Say where the prior of a quantity goes that its panel cuts, as `gone_beyond` does.

    Parameters
    ----------
    contents : Contents
    name : str
        A quantity.
    ci_prob : float
        Probability inside the bands.
    """
    if PRIOR not in contents.distributions:
        return ""
    band, before = (_band(contents, name, ci_prob, group) for group in (POSTERIOR, PRIOR))
    return gone_beyond([before], *axis_ends(_records(contents, name), band, before))


def _new(
    contents: Contents, names: Sequence[str], columns: int | None, width: float, *,
    records: bool, prior: bool,
) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """Return a figure whose panels have room for what stands below them."""
    most = 1 if width < 120 else 2 if len(contents.years) == 1 or len(names) in (2, 4) else 3
    across = min(columns or most, len(names))
    rows = math.ceil(len(names) / across)
    inches = width / MM
    counts = [_records(contents, name)["source"].nunique() if records else 0 for name in names]
    letters = float(mpl.rcParams["font.size"]) / 7.0
    each = _HEIGHT * inches / across + _LINE * letters * (max(counts) + 1)
    if len(contents.years) == 1:
        lines = max(len(_records(contents, name)) if records else 0 for name in names)
        each = (0.8 + _INTERVAL * (1 + prior + lines)) * max(1.0, 0.85 * letters)
    figure, grid = new_figure(rows, across, width=inches, height=each * rows + 0.3)
    axes = list(grid.flat)
    for spare in axes[len(names) :]:
        spare.remove()
    return figure, axes[: len(names)]
