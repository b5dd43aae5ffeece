"""Surveys drawn: bands of statements, and the band of a printed share as a curve over n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reebayes.elicitation.answersheets import YES
from reebayes.elicitation.surveys import ALL
from reebayes.errors import ResultError
from reebayes.figures.composing import (
    colours_of,
    headed,
    is_fresh,
    legend_across,
    legend_below,
    panels,
    reach,
    rows_for,
    titled,
)
from reebayes.figures.style import (
    POSTERIOR_COLOUR,
    PRIOR_COLOUR,
    SOURCE_COLOURS,
    new_figure,
    plain_text,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reebayes.elicitation.surveys import Surveyed
    from reebayes.figures.composing import Colours

_COLUMNS = 3
_COLOURS = (POSTERIOR_COLOUR, "#b5460f", "#0b7a5c", "#8a3f8f")
_INK = "#1c1f23"


def plot_survey(
    result: Surveyed,
    *,
    label: str = "",
    color: Colours | None = None,
    legend: bool = True,
    title: str | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw a survey: a band for each statement; of printed shares without n the curve over n.

    Parameters
    ----------
    result : Surveyed
        As `survey` returns it.
    label : str
        What stands before every name in a legend, such as that of a survey.
    color : str, sequence or mapping of name to colour, optional
        Of all together and of each group; of curves, of the statements of a panel in their order.
    legend : bool
        Whether legends name groups and statements.
    title : str, optional
        Above a new figure; in axes that are given, the title of the axes or before that of each.
    ax : Axes or sequence of Axes, optional
        Axes to draw in, one where n is known, else one a heading; a new figure if left out.

    Returns
    -------
    Figure
        Shares in per cent. Where n is known a row for each statement or option: all together as a
        line with the median, groups below it. Where it is not, a panel for each heading with the
        band that each share would have, by the number of respondents; nothing is drawn of the
        share itself but what was printed.

    Raises
    ------
    ResultError
        If there is nothing to draw, or another number of axes is given.

    Examples
    --------
    >>> import reebayes as rb
    >>> figure = rb.plot_survey(rb.survey("data/surveys/simulated_answers.csv"))
    >>> len(figure.axes)
    1
    """
    if result.shares.empty:
        raise ResultError("The survey has no statement to draw.")
    draw = _curves if len(result.curve) else _bands
    drawn = draw(result, label, color, title or "", ax, legend=legend)
    if title and ax is None:
        drawn.suptitle(plain_text(title), fontsize=11)
    return drawn


def _curves(
    result: Surveyed, label: str, color: Colours | None, title: str,
    ax: Axes | Sequence[Axes] | None, *, legend: bool,
) -> Figure:  # fmt: skip
    headings = list(dict.fromkeys(result.curve["heading"]))
    columns = min(_COLUMNS, len(headings))
    rows = math.ceil(len(headings) / columns)
    if ax is None:
        figure, grid = new_figure(rows, columns, width=3.6 * columns, height=0.5 + 2.9 * rows)
        axes = list(grid.flat)
    else:
        figure, axes, _ = panels(ax, len(headings), width=0.0, height=0.0)
    least = 10 * math.floor(10 * result.curve["lower"].min()) - 10  # the key stands below
    most = min(10 * math.ceil(10 * result.curve["upper"].max()) + 5, 100)
    for place, axis in enumerate(axes):
        if place < len(headings):
            of = result.curve[result.curve["heading"] == headings[place]]
            heading = headings[place] or "Printed shares"
            fresh = is_fresh(axis)
            _curve_panel(axis, of, label, color, legend=legend)
            titled(axis, heading if ax is None else headed(title, heading))
            reach(axis, "y", least, most, fresh=fresh)
        elif place == len(headings) and legend:
            _curve_key(axis, result.ci_prob)
        else:
            axis.axis("off")
    return figure


def _curve_panel(
    axis: Axes, curve: pd.DataFrame, label: str, color: Colours | None, *, legend: bool
) -> None:
    names = list(dict.fromkeys(curve["statement"]))
    shades = colours_of(names, color)
    for number, (statement, rows) in enumerate(curve.groupby("statement", sort=False)):
        colour = _COLOURS[number % len(_COLOURS)] if color is None else shades[str(statement)]
        share = 100 * float(rows["share"].iloc[0])
        lower, upper = 100 * rows["lower"], 100 * rows["upper"]
        axis.fill_between(rows["assumed_n"], lower, upper, color=colour, alpha=0.16, linewidth=0)
        for end in (lower, upper):
            axis.plot(rows["assumed_n"], end, color=colour, linewidth=1.1)
        axis.axhline(share, color=colour, linewidth=0.9, linestyle=(0, (4, 3)))
        named = headed(label, f"{statement}, {share:.0f} %")
        axis.plot([], [], color=colour, label=plain_text(named))
    axis.set_xscale("log")
    sizes = [20, 50, 100, 200, 500, 1000, 2000]
    axis.set_xticks(sizes, [str(n) for n in sizes], fontsize=8)
    axis.minorticks_off()
    axis.set_xlim(min(sizes), max(sizes))
    if legend:
        axis.legend(fontsize=8, frameon=False, loc="lower right", handlelength=1.2)
    axis.set_xlabel("respondents, assumed", fontsize=8.5)
    axis.set_ylabel("share, %", fontsize=8.5)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _curve_key(axis: Axes, ci_prob: float) -> None:
    axis.axis("off")
    text = (
        "How many answered is not printed,\nso none of these shares has a band.\n\n"
        "Dashed: the share as printed.\n"
        f"Shaded: the {100 * ci_prob:.0f} % band it would\nhave if n people, drawn at random,\n"
        "had answered; rounding included."
    )
    axis.text(0.08, 0.95, text, va="top", fontsize=9, color=_INK, transform=axis.transAxes)


def _bands(
    result: Surveyed, label: str, color: Colours | None, title: str,
    ax: Axes | Sequence[Axes] | None, *, legend: bool,
) -> Figure:  # fmt: skip
    from matplotlib.lines import Line2D

    shares = result.shares.dropna(subset=["lower"])
    groups = [group for group in dict.fromkeys(shares["group"]) if group != ALL]
    usual = {ALL: _INK, **dict(zip(groups, SOURCE_COLOURS * len(groups), strict=False))}
    colours = usual if color is None else {**usual, **_chosen([ALL, *groups], color)}
    keys = shares.groupby(["statement", "answer"], sort=False)
    step = 0.62 / max(len(groups), 1)
    height = 1.3 + len(keys) * (0.34 + 0.13 * len(groups))
    if ax is None:
        figure, ((axis,),) = new_figure(1, 1, width=7.4, height=height)
    else:
        figure, (axis,), _ = panels(ax, 1, width=0.0, height=0.0)
    beside = 0.0 if is_fresh(axis) else 0.12
    names = [
        str(statement) if answer == YES else f"{statement}: {answer}"
        for (statement, answer), _ in keys
    ]
    labels, places = rows_for(axis, names)
    for place, (_, rows) in zip(places + beside, keys, strict=True):
        for _, row in rows.iterrows():
            whole = row["group"] == ALL
            below = 0.0 if whole else 0.2 + step * groups.index(row["group"])
            colour = colours[row["group"]]
            axis.plot(
                [100 * row["lower"], 100 * row["upper"]], [place + below] * 2, color=colour,
                linewidth=2.6 if whole else 1.2, solid_capstyle="butt",
            )  # fmt: skip
            axis.plot(
                100 * row["median"], place + below, marker="o", color=colour,
                markersize=5.5 if whole else 3.2,
            )  # fmt: skip
    axis.set_yticks(range(len(labels)), labels, fontsize=8.5)
    axis.set_ylim(len(labels) - 0.1, -0.45)
    axis.set_xlim(0, 100)
    axis.grid(axis="x", color=PRIOR_COLOUR, alpha=0.25, linewidth=0.7)
    axis.set_xlabel(f"share, %: median and {100 * result.ci_prob:.0f} % band", fontsize=9)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    handles = [
        Line2D([], [], color=colours[name], linewidth=2.6 if name == ALL else 1.2, marker="o",
               markersize=5.5 if name == ALL else 3.2,
               label=plain_text(headed(label, "all together" if name == ALL else name)))
        for name in (ALL, *groups)
    ]  # fmt: skip
    if title and ax is not None:
        titled(axis, title)
    if legend and (groups or label):
        finish = ax is None or figure.axes == [axis]
        legend_across(figure, handles) if finish else legend_below(axis, handles, labelled=True)
    return figure


def _chosen(names: Sequence[str], color: Colours) -> dict[str, str]:
    """Colours that a caller gives, of these names and no others."""
    if isinstance(color, Mapping):
        return {name: shade for name, shade in color.items() if name in names}
    return colours_of(names, color)
