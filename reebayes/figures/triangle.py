"""Net flows between regions as arrows, a panel a year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, hypot, pi, sin
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch

from reebayes.answers.registers import flow_sum, region_labels
from reebayes.conventions import CI_PROB
from reebayes.errors import ResultError
from reebayes.figures.composing import headed, panels, titled
from reebayes.figures.panels import crossing, finish_all, pairs_of, percent
from reebayes.figures.style import POSTERIOR_COLOUR, plain_text
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.wording import format_band, format_chance, minus_signs

_LEVEL, _ASIDE = 0.24, 0.32  # from the middle of a level arrow, and of any other
_WIDEST = 14.0  # points, of the arrow of the largest net flow
_WIDE, _TOP = 3.7, 1.2  # of a panel, where regions stand on a circle of radius 1
_NAMED, _TOLD = 0.25, 0.65  # below the lowest region: its name, or the numbers of a level arrow


def plot_triangle(
    fit: Fit,
    years: Sequence[int],
    product: str | None = None,
    *,
    ci_prob: float = CI_PROB,
    label: str = "",
    color: str = POSTERIOR_COLOUR,
    legend: bool = True,
    title: str | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw net flows between the regions as arrows, a panel a year.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    years : sequence of int
    product : str, optional
        Product that is traded; all together if left out.
    ci_prob : float
        Probability inside the bands.
    label : str
        What stands before the year of each panel, such as the name of a fit.
    color : str
    legend : bool
        Whether a line below the panels says what stands at the arrows.
    title : str, optional
        Above a new figure; product, unit and probability if left out.
    ax : Axes or sequence of Axes, optional
        Axes to draw in, one a year; a new figure if left out.

    Returns
    -------
    Figure
        Each arrow points the way of the median net flow and is as wide as it; beside it stand
        median, band, and the probability that it went that way.

    Raises
    ------
    ResultError
        If a year or product is unknown, nothing crosses a border, or another number of axes is
        given.

    Examples
    --------
    >>> import reebayes as rb
    >>> figure = rb.plot_triangle(rb.open_fit("results/fit.nc"), [2010, 2022])
    >>> len(figure.axes)
    2
    """
    contents = contents_of(fit)
    positions = dict(zip(years, contents.positions(list(years)), strict=True))
    net = net_pairs(contents, product)
    if not net or not positions:
        raise ResultError("Nothing crosses a border, or no year is given.")
    labels = region_labels(contents)
    there = {region for pair in net for region in pair}
    regions = [name for name in dict.fromkeys(contents.processes["region"]) if name in there]
    widest = max(
        float(np.abs(np.median(values[..., list(positions.values())], axis=(0, 1))).max())
        for values in net.values()
    )
    high = 3.9 * (_TOP - _lowest(len(regions))) / _WIDE + 0.8  # title and key
    figure, axes, new = panels(ax, len(positions), width=3.9, height=high)
    what = "all products" if product is None else product
    said = f"Net flows between regions, {what}, {contents.unit}; {percent(ci_prob)} band"
    for (year, position), one in zip(positions.items(), axes, strict=True):
        arrows = {pair: values[..., position] for pair, values in net.items()}
        _draw_triangle(one, regions, labels, arrows, widest, ci_prob, color)
        head = "" if new else said if title is None else title
        titled(one, headed(head, label, str(year)))
    says = f"median ({percent(ci_prob)} band), P: probability of this direction"
    handles = [Patch(color=color, alpha=0.55, label=plain_text(says))]
    finish_all(figure, axes, handles, said if title is None else title, new=new, legend=legend)
    return figure


def net_pairs(contents: Contents, product: str | None = None) -> dict[tuple[str, str], Any]:
    """Return draws of the net flow from the first to the second of each two regions that trade."""
    traded = crossing(contents)
    if product is not None:
        require_known([product], traded["product"], "traded product")
        traded = traded[traded["product"] == product]
    there = {*traded["from"], *traded["to"]}
    regions = [name for name in dict.fromkeys(contents.processes["region"]) if name in there]
    return {
        pair: flow_sum(contents, weights) for pair, weights in pairs_of(traded, regions).items()
    }


def _draw_triangle(
    ax: Axes,
    regions: Sequence[str],
    labels: Mapping[str, str],
    arrows: Mapping[tuple[str, str], Any],
    widest: float,
    ci_prob: float,
    colour: str,
) -> None:
    step, turn = 2 * pi / len(regions), pi / 2
    places = {
        region: (cos(turn - step * n), sin(turn - step * n)) for n, region in enumerate(regions)
    }
    tail = (1 - ci_prob) / 2
    for (one, other), values in arrows.items():
        low, middle, high = np.quantile(values, [tail, 0.5, 1 - tail])
        if low == high == 0:
            continue
        start, end, chance = one, other, float((values > 0).mean())
        if middle < 0:
            start, end, chance = other, one, float((values < 0).mean())
            low, middle, high = -high, -middle, -low
        width = max(0.8, _WIDEST * middle / widest) if widest else 0.8
        ax.add_patch(FancyArrowPatch(
            _between(places[start], places[end], 0.28), _between(places[start], places[end], 0.72),
            arrowstyle=f"simple,head_length={0.5 * width + 6},head_width={width + 7},"
            f"tail_width={width}",
            color=colour, alpha=0.55, linewidth=0,
        ))  # fmt: skip
        x, y, side, edge = _outside(_between(places[start], places[end], 0.5))
        told = minus_signs(format_band(middle, low, high)).replace(" ", "\n", 1)
        ax.text(
            x,
            y,
            f"{told}\nP {format_chance(chance)}",
            ha=side,
            va=edge,
            fontsize=7,
            color="#1c1f23",
        )
    for region, (x, y) in places.items():
        ax.text(x, y, plain_text(labels.get(region, region).replace(" ", "\n", 1)), ha="center",
                va="center", fontsize=9, weight="bold")  # fmt: skip
    ax.set_xlim(-_WIDE / 2, _WIDE / 2)
    ax.set_ylim(_lowest(len(regions)), _TOP)
    ax.set_aspect("equal")
    ax.axis("off")


def _lowest(regions: int) -> float:
    """Return where a panel ends; of an odd number of regions two stand lowest, with an arrow."""
    return -cos(pi / regions) - _TOLD if regions % 2 else -1.0 - _NAMED


def _outside(
    middle: tuple[float, float],
) -> tuple[float, float, Literal["left", "center", "right"], Literal["center", "top", "bottom"]]:
    """Return where the numbers of an arrow stand, on its outer side, and how they are aligned."""
    x, y = middle
    if abs(x) < 0.15:  # level, between two names
        return x, y + (-_LEVEL if y < 0 else _LEVEL), "center", "top" if y < 0 else "bottom"
    away = 1.0 + _ASIDE / max(hypot(x, y), 0.1)
    return x * away, y * away, "left" if x > 0 else "right", "center"


def _between(
    start: tuple[float, float], end: tuple[float, float], part: float
) -> tuple[float, float]:
    return (
        start[0] + part * (end[0] - start[0]),
        start[1] + part * (end[1] - start[1]),
    )
