"""Figures of a whole fit: use by application, net trade, the unregistered, quotas."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reebayes.answers.registers import (
    WORLD,
    flow_sum,
    named,
    quota_table,
    region_labels,
    unregistered,
    unregistered_parts,
)
from reebayes.conventions import CI_PROB, YEAR
from reebayes.errors import ResultError
from reebayes.figures.composing import (
    Colours,
    colours_of,
    entries,
    headed,
    legend_across,
    legend_below,
    mark_years,
    panels,
    titled,
)
from reebayes.figures.style import (
    POSTERIOR_COLOUR,
    SOURCE_COLOURS,
    new_axes,
    new_figure,
    plain_text,
)
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands

COLOURS = (POSTERIOR_COLOUR, *SOURCE_COLOURS)

QUOTA_COLOUR = "#8a3f8f"


def plot_consumption(
    fit: Fit,
    regions: Sequence[str] | None = None,
    *,
    ci_prob: float = CI_PROB,
    label: str = "",
    color: Colours | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw use by application over the years, a panel a region.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    regions : sequence of str, optional
        Regions, and ``"world"`` for all of them together; the world and every region if left out.
    ci_prob : float
        Probability inside the bands.
    label : str
        What stands before every name in the legend, such as that of a fit.
    color : str, sequence or mapping of name to colour, optional
    legend : bool
        Whether a legend stands below.
    title : str
        Above a new figure; in axes that are given, before the title of each.
    ax : Axes or sequence of Axes, optional
        Axes to draw in, one a panel; a new figure if left out.

    Returns
    -------
    Figure
        Medians with bands, in the unit of the study. Uses of one name in several regions are one
        application.

    Raises
    ------
    ResultError
        If a region is unknown, nothing is used, or another number of axes is given.

    Examples
    --------
    >>> import reebayes as rb
    >>> figure = rb.plot_consumption(rb.open_fit("results/fit.nc"), ["CN", "US"])
    >>> len(figure.axes)
    2
    """
    contents = contents_of(fit)
    drawn = {
        region: _labelled(label, lines)
        for region, lines in consumption_lines(contents, regions).items()
    }
    applications = list(dict.fromkeys(name for lines in drawn.values() for name in lines))
    labels = region_labels(contents) | {WORLD: "World"}
    figure, axes, new = panels(ax, len(drawn), width=4.1, height=3.9)
    shades = _shades(axes[0], applications, color)
    for (region, lines), one in zip(drawn.items(), axes, strict=True):
        _draw_lines(one, lines, shades, ci_prob)
        _finish(one, _headed(title, f"{labels.get(region, region)}: use", new), contents.unit)
    finish_all(figure, axes, _handles(shades, ci_prob), title, new=new, legend=legend)
    return figure


def consumption_lines(
    contents: Contents, regions: Sequence[str] | None = None
) -> dict[str, dict[str, xr.DataArray]]:
    """Return use by region and application; see `plot_consumption`."""
    uses = contents.processes[contents.processes["kind"] == "use"]
    known = [WORLD, *dict.fromkeys(region for region in uses["region"] if region)]
    chosen = list(known if regions is None else regions)
    require_known(chosen, known, "region")
    if uses.empty:
        raise ResultError("The study has no uses.")
    found: dict[str, dict[str, xr.DataArray]] = {region: {} for region in chosen}
    for region, lines in found.items():
        for name, members in _applications(uses).items():
            there = [p for p in members if region in (WORLD, uses["region"][p])]
            flows = contents.flows.index[contents.flows["target"].isin(there)]
            if len(flows):
                lines[name] = named(contents, flow_sum(contents, list(flows)), name, contents.unit)
    return found


def plot_net_exports(
    fit: Fit,
    region: str,
    by: str = "product",
    *,
    ci_prob: float = CI_PROB,
    label: str = "",
    color: Colours | None = None,
    legend: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the net exports of a region over the years, by product or by partner.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    region : str
    by : str
        ``"product"`` or ``"partner"``.
    ci_prob : float
        Probability inside the bands.
    label : str
        What stands before every name in the legend, such as that of a fit.
    color : str, sequence or mapping of name to colour, optional
        In axes with other curves, the first that none of them has if left out.
    legend : bool
        Whether a legend stands below the axes.
    title : str, optional
        Region and way of parting if left out.
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        Medians with bands, declared and smuggled together; below 0 more comes in than goes out.

    Raises
    ------
    ResultError
        If the region, or the way of parting, is unknown.

    Examples
    --------
    >>> import reebayes as rb
    >>> ax = rb.plot_net_exports(rb.open_fit("results/fit.nc"), "CN")
    >>> ax.get_ylabel()
    'kt REO/yr'
    """
    contents = contents_of(fit)
    labels = region_labels(contents)
    lines = net_export_lines(contents, region, by)
    if ax is None:
        ax = new_axes(6, 3.8)
    lines = _labelled(label, lines)
    shades = _shades(ax, list(lines), color)
    _draw_lines(ax, lines, shades, ci_prob)
    ax.axhline(0, color="#35353a", linewidth=0.8)
    named_ = f"{labels[region]}: net exports by {by}" if title is None else title
    _finish(ax, named_, contents.unit, floor=None)
    if legend:
        legend_below(ax)
    return ax


def net_export_lines(
    contents: Contents, region: str, by: str = "product"
) -> dict[str, xr.DataArray]:
    """Return net exports of a region by product or partner; see `plot_net_exports`."""
    labels = region_labels(contents)
    require_known([region], labels, "region")
    require_known([by], ("product", "partner"), "way of parting net exports")
    traded = crossing(contents)
    out = traded[traded["from"] == region].assign(sign=1.0, partner=lambda t: t["to"])
    back = traded[traded["to"] == region].assign(sign=-1.0, partner=lambda t: t["from"])
    rows = pd.concat([out, back])
    names = list(dict.fromkeys(rows[by]))
    return {
        labels.get(name, name): named(
            contents, flow_sum(contents, rows["sign"][rows[by] == name].to_dict()), name,
            contents.unit,
        )
        for name in names
    }  # fmt: skip


def plot_unregistered(
    fit: Fit,
    *,
    refined: str | None = None,
    ci_prob: float = CI_PROB,
    label: str = "",
    color: Colours | None = None,
    legend: bool = True,
    title: str = "",
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draw unregistered mining by region, unregistered refining, and its share of refining.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    refined : str, optional
        Product whose making counts as refining; ``[report].refined`` of the study if left out.
    ci_prob : float
        Probability inside the bands.
    label : str
        What stands before every name in the legend, such as that of a fit.
    color : str, sequence or mapping of name to colour, optional
    legend : bool
        Whether a legend stands below.
    title : str
        Above a new figure; in axes that are given, before the title of each.
    ax : sequence of Axes, optional
        Axes to draw in, three; a new figure if left out.

    Returns
    -------
    Figure
        Three panels; `unregistered_table` holds the numbers. What the study's ``[report.parts]``
        shows apart is drawn beside the whole, dashed and without a band.

    Raises
    ------
    ResultError
        If no product of the study counts as refined, or another number of axes is given.

    Examples
    --------
    >>> import reebayes as rb
    >>> figure = rb.plot_unregistered(rb.open_fit("results/fit.nc"))
    >>> len(figure.axes)
    3
    """
    contents = contents_of(fit)
    labels = region_labels(contents) | {WORLD: "World"}
    parted = _mined_by_region(contents)
    made = unregistered(contents, "refining", refined)
    parts = _labelled(label, unregistered_part_lines(contents))
    labels = {region: headed(label, name) for region, name in labels.items()}
    mines = {labels[region]: amount for region, (amount, _) in parted.items()} | parts
    shown = (
        ("Unregistered mining", mines),
        ("Unregistered refining", {labels[r]: a for r, (a, _) in made.items() if r != WORLD}),
        ("Its share of refining", {labels[r]: share for r, (_, share) in made.items()}),
    )
    names = list(dict.fromkeys(name for _, lines in shown for name in lines))
    figure, axes, new = panels(ax, 3, width=4.0, height=3.9)
    shades = _shades(axes[0], names, color)
    for (heading, lines), one in zip(shown, axes, strict=True):
        _draw_lines(one, lines, shades, ci_prob, parts)
        unit = next((str(line.attrs["units"]) for line in lines.values()), "")
        _finish(one, _headed(title, heading, new), unit)
    handles = _handles(shades, ci_prob, parts)
    finish_all(figure, axes, handles, title, new=new, legend=legend)
    return figure


def _mined_by_region(contents: Contents) -> dict[str, tuple[xr.DataArray, xr.DataArray]]:
    """Unregistered mining and its share by region; of all together where there are several."""
    mined = unregistered(contents, "mining")
    return {name: pair for name, pair in mined.items() if name != WORLD or len(mined) == 2}


def unregistered_part_lines(contents: Contents) -> dict[str, xr.DataArray]:
    """Return what `plot_unregistered` draws dashed: parts of unregistered mining by their names."""
    parts = unregistered_parts(contents, "mining")
    return {
        _label_of(contents, name): amount
        for region in _mined_by_region(contents)
        for name, (amount, _) in parts.get(region, {}).items()
    }


def plot_quotas(
    fit: Fit,
    quantities: Sequence[str] | None = None,
    *,
    ci_prob: float = CI_PROB,
    label: str = "",
    color: Colours | None = None,
    legend: bool = True,
    title: str = "",
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draw quotas against declared and true flows, with the probability that they were exceeded.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantities : sequence of str, optional
        Quantities that have quotas; all of them if left out.
    ci_prob : float
        Probability inside the bands.
    label : str
        What stands before every name in the legend, such as that of a fit.
    color : str, sequence or mapping of name to colour, optional
    legend : bool
        Whether a legend stands below.
    title : str
        Above a new figure; in axes that are given, before the title of each.
    ax : sequence of Axes, optional
        Axes to draw in, the upper ones first; a new figure if left out.

    Returns
    -------
    Figure
        A column a quantity: above what registers are meant to count, all that flowed, and the
        quotas; below the probability that each of the two exceeded the quota of the year.
        `quota_table` holds the numbers.

    Raises
    ------
    ResultError
        If a quantity has no quota, or another number of axes is given.

    Examples
    --------
    >>> import reebayes as rb
    >>> figure = rb.plot_quotas(rb.open_fit("results/fit.nc"), ["mined_CN_registered"])
    >>> len(figure.axes)
    2
    """
    contents = contents_of(fit)
    table = quota_table(contents, ci_prob=ci_prob)
    known = list(dict.fromkeys(table["quantity"])) if len(table) else []
    chosen = list(known if quantities is None else quantities)
    require_known(chosen, known, "quantity with a quota")
    if not chosen:
        raise ResultError("The fit has no quota.")
    declared, whole_of = headed(label, "declared"), headed(label, "all")
    if new := ax is None:
        figure, grid = new_figure(
            2, len(chosen), width=4.1 * len(chosen), height=5.0, heights=(3, 1), sharex="col"
        )
        axes = list(grid.flat)
    else:
        figure, axes, _ = panels(ax, 2 * len(chosen), width=0.0, height=0.0)
    shades = _shades(axes[0], [declared, whole_of], color)
    for column, name in enumerate(chosen):
        rows = table[table["quantity"] == name]
        above, below = axes[column], axes[len(chosen) + column]
        lines = {declared: quantity(contents, name)}
        whole = str(rows["true_quantity"].iloc[0])
        if whole != name:
            lines[whole_of] = quantity(contents, whole)
        _draw_lines(above, lines, shades, ci_prob)
        above.plot(rows["year"], rows["quota"], "D", color=QUOTA_COLOUR, markersize=4.5)
        unit = str(rows["unit"].iloc[0])
        _finish(above, _headed(title, _label_of(contents, name), new), unit)
        _draw_chances(below, rows, list(shades.values()), both=whole != name)
    quota = Line2D([], [], color=QUOTA_COLOUR, marker="D", linestyle="none", label="quota")
    handles = [*_handles(shades, ci_prob), quota]
    finish_all(figure, axes, handles, title, new=new, legend=legend, first=len(chosen))
    return figure


# --- what is drawn --------------------------------------------------------------------------------


def _label_of(contents: Contents, name: str) -> str:
    """Name of a quantity for readers: the report's, or that of its only flow."""
    labels = contents.report.get("labels", {})
    above, below = contents.terms[name]
    only = next(iter(above)) if len(above) == 1 and not below else ""
    return str(labels.get(name) or (contents.flows["label"].get(only, "") or name))


def _applications(uses: pd.DataFrame) -> dict[str, list[str]]:
    """Uses of the same name in several regions, by their name for readers."""
    found: dict[str, list[str]] = {}
    for name, row in uses.iterrows():
        head, colon, tail = str(row["label"]).partition(": ")
        plain = str(name).replace(f"_{row['region']}", "") if row["region"] else str(name)
        text = (tail if colon else head) or plain
        found.setdefault(text, []).append(str(name))
    return found


def crossing(contents: Contents) -> pd.DataFrame:
    """Flows from one region into another, with both and what is traded."""
    table, processes = contents.flows, contents.processes
    ends = {
        side: table[end].map(processes["region"])
        for side, end in (("from", "source"), ("to", "target"))
    }
    kinds = [table[end].map(processes["kind"]) for end in ("source", "target")]
    traded = (ends["from"] != "") & (ends["to"] != "") & (ends["from"] != ends["to"])
    for kind in kinds:
        traded &= ~kind.isin(("environment", "loss"))
    return table.assign(**ends)[traded]


def pairs_of(
    traded: pd.DataFrame, regions: Sequence[str]
) -> dict[tuple[str, str], dict[str, float]]:
    """Flows between each two regions with the sign of their direction."""
    found = {}
    for number, one in enumerate(regions):
        for other in regions[number + 1 :]:
            out = (traded["from"] == one) & (traded["to"] == other)
            back = (traded["from"] == other) & (traded["to"] == one)
            weights = dict.fromkeys(map(str, traded.index[out]), 1.0)
            weights |= dict.fromkeys(map(str, traded.index[back]), -1.0)
            if weights:
                found[one, other] = weights
    return found


def _draw_lines(
    ax: Axes,
    lines: Mapping[str, xr.DataArray],
    shades: Mapping[str, str],
    ci_prob: float,
    parts: Container[str] = (),
) -> None:
    """Draw medians with bands, and those of parts dashed and without.

    A name has the same colour in every panel.
    """
    for number, (name, draws) in enumerate(lines.items()):
        band, colour = bands(draws, ci_prob=ci_prob), shades[name]
        low, middle, high = (band[end].values for end in ("lower", "median", "upper"))
        gap = (low == 0) & (high == 0)  # the flow does not exist
        low, middle, high = (np.where(gap, np.nan, values) for values in (low, middle, high))
        years = band[YEAR].values
        if len(years) == 1:
            years = years + 0.06 * number  # beside one another
            ax.vlines(years, low, high, color=colour, linewidth=4, alpha=0.45)
        if name in parts:
            ax.plot(years, middle, "--", color=colour, linewidth=1.4, label=plain_text(name))
            continue
        ax.fill_between(years, low, high, color=colour, alpha=0.22, linewidth=0,
                        label=_entry(name, number, ci_prob))  # fmt: skip
        ax.plot(years, middle, ".-", color=colour, linewidth=1.4, markersize=3)


def _draw_chances(ax: Axes, rows: pd.DataFrame, shades: Sequence[str], *, both: bool) -> None:
    """Draw the probabilities that declared and true flows exceeded the quota of their year."""
    width = 0.4 if both else 0.8
    shift = -width / 2 if both else 0.0
    ax.bar(rows["year"] + shift, rows["p_declared"], width, color=shades[0])
    if both:
        ax.bar(rows["year"] - shift, rows["p_true"], width, color=shades[1])
    ax.set_ylim(0, 1)
    ax.set_ylabel("P(exceeded)", fontsize="small")
    mark_years(ax)
    ax.spines[["top", "right"]].set_visible(False)


def _finish(ax: Axes, title: str, unit: str, *, floor: float | None = 0.0) -> None:
    titled(ax, title)
    ax.set_ylabel(plain_text(unit))
    ax.autoscale(axis="y")  # over all that is drawn, also by an earlier plot
    if floor is not None:
        ax.set_ylim(bottom=min(floor, ax.dataLim.y0) if np.isfinite(ax.dataLim.y0) else floor)
    mark_years(ax)
    if 0 <= ax.dataLim.width < 1:  # one year
        ax.set_xticks([int(ax.dataLim.x0)])
        ax.set_xlim(ax.dataLim.x0 - 0.3, ax.dataLim.x1 + 0.3)
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _entry(name: str, number: int, ci_prob: float) -> str:
    """Name of a curve in a legend; that of the first says what line and band are."""
    return plain_text(name if number else f"{name}, median and {percent(ci_prob)} band")


def _handles(
    shades: Mapping[str, str], ci_prob: float, parts: Container[str] = ()
) -> list[Line2D | Patch]:
    """Entries of a legend of several panels; parts are dashed in it as they are in those."""
    return [
        Line2D([], [], linestyle="--", color=colour, label=plain_text(name))
        if name in parts
        else Patch(color=colour, alpha=0.7, label=_entry(name, number, ci_prob))
        for number, (name, colour) in enumerate(shades.items())
    ]


def _labelled(label: str, lines: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    return {headed(label, name): line for name, line in lines.items()}


def _shades(ax: Axes, names: Sequence[str], color: Colours | None) -> dict[str, str]:
    """Colours of names, which no curve has that is in the axes already."""
    if color is None and ax.has_data():
        taken = [handle.get_facecolor() for handle in entries(ax) if isinstance(handle, Patch)]
        free = [c for c in COLOURS if to_rgb(c) not in [to_rgb(shade) for shade in taken]]
        return colours_of(names, free or COLOURS)
    return colours_of(names, color)


def _headed(title: str, heading: str, new: bool) -> str:
    """Title of a panel, which in axes of a caller holds that of the whole."""
    return heading if new else headed(title, heading)


def finish_all(
    figure: Figure, axes: Sequence[Axes], handles: Sequence[Line2D | Patch], title: str, *,
    new: bool, legend: bool, first: int = 0,
) -> None:  # fmt: skip
    """Set title and legend of several panels.

    A legend stands below the figure, and below the first of axes beside which it has others.

    Parameters
    ----------
    figure : Figure
    axes : sequence of Axes
        The panels.
    handles : sequence of handle
        What the legend names.
    title : str
    new : bool
        Whether the figure has these panels alone.
    legend : bool
        Whether there is a legend.
    first : int
        The panel below which it stands.
    """
    if new and title:
        figure.suptitle(plain_text(title), fontsize=11)
    if legend and new:
        legend_across(figure, handles)
    elif legend and {*figure.axes} == {*axes}:
        legend_across(figure, handles)
    elif legend:
        legend_below(axes[first], handles)


def percent(probability: float) -> str:
    """Write a probability in per cent."""
    return f"{100 * probability:g} %"
