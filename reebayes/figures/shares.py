"""Surveys drawn: bands of statements, and the band of a printed share as a curve over n."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reebayes.elicitation.answersheets import YES
from reebayes.elicitation.surveys import ALL
from reebayes.errors import ResultError
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

_COLUMNS = 3
_COLOURS = (POSTERIOR_COLOUR, "#b5460f", "#0b7a5c", "#8a3f8f")
_INK = "#1c1f23"


def plot_survey(result: Surveyed, *, title: str | None = None) -> Figure:
    """Draw a survey: a band for each statement; of printed shares without n the curve over n.

    Parameters
    ----------
    result : Surveyed
        As `survey` returns it.
    title : str, optional

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
        If there is nothing to draw.
    """
    if result.shares.empty:
        raise ResultError("The survey has no statement to draw.")
    drawn = _curves(result) if len(result.curve) else _bands(result)
    if title:
        drawn.suptitle(plain_text(title), fontsize=11)
    return drawn


def _curves(result: Surveyed) -> Figure:
    headings = list(dict.fromkeys(result.curve["heading"]))
    columns = min(_COLUMNS, len(headings))
    rows = math.ceil(len(headings) / columns)
    figure, axes = new_figure(rows, columns, width=3.6 * columns, height=0.5 + 2.9 * rows)
    least = 10 * math.floor(10 * result.curve["lower"].min()) - 10  # the key stands below
    most = min(10 * math.ceil(10 * result.curve["upper"].max()) + 5, 100)
    for place, axis in enumerate(axes.flat):
        if place < len(headings):
            of = result.curve[result.curve["heading"] == headings[place]]
            _curve_panel(axis, of, headings[place] or "Printed shares")
            axis.set_ylim(least, most)
        elif place == len(headings):
            _curve_key(axis, result.ci_prob)
        else:
            axis.axis("off")
    return figure


def _curve_panel(axis: Axes, curve: pd.DataFrame, heading: str) -> None:
    for (statement, rows), colour in zip(
        curve.groupby("statement", sort=False), _COLOURS * len(curve), strict=False
    ):
        share = 100 * float(rows["share"].iloc[0])
        lower, upper = 100 * rows["lower"], 100 * rows["upper"]
        axis.fill_between(rows["assumed_n"], lower, upper, color=colour, alpha=0.16, linewidth=0)
        for end in (lower, upper):
            axis.plot(rows["assumed_n"], end, color=colour, linewidth=1.1)
        axis.axhline(share, color=colour, linewidth=0.9, linestyle=(0, (4, 3)))
        axis.plot([], [], color=colour, label=plain_text(f"{statement}, {share:.0f} %"))
    axis.set_xscale("log")
    sizes = [20, 50, 100, 200, 500, 1000, 2000]
    axis.set_xticks(sizes, [str(n) for n in sizes], fontsize=8)
    axis.minorticks_off()
    axis.set_xlim(min(sizes), max(sizes))
    axis.set_title(plain_text(heading), fontsize=9.5, loc="left")
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


def _bands(result: Surveyed) -> Figure:
    from matplotlib.lines import Line2D

    shares = result.shares.dropna(subset=["lower"])
    groups = [group for group in dict.fromkeys(shares["group"]) if group != ALL]
    colours = dict(zip(groups, SOURCE_COLOURS * len(groups), strict=False))
    keys = shares.groupby(["statement", "answer"], sort=False)
    step = 0.62 / max(len(groups), 1)
    height = 1.3 + len(keys) * (0.34 + 0.13 * len(groups))
    figure, ((axis,),) = new_figure(1, 1, width=7.4, height=height)
    labels = []
    for place, ((statement, answer), rows) in enumerate(keys):
        labels.append(statement if answer == YES else f"{statement}: {answer}")
        for _, row in rows.iterrows():
            whole = row["group"] == ALL
            below = 0.0 if whole else 0.2 + step * groups.index(row["group"])
            colour = _INK if whole else colours[row["group"]]
            axis.plot(
                [100 * row["lower"], 100 * row["upper"]], [place + below] * 2, color=colour,
                linewidth=2.6 if whole else 1.2, solid_capstyle="butt",
            )  # fmt: skip
            axis.plot(
                100 * row["median"], place + below, marker="o", color=colour,
                markersize=5.5 if whole else 3.2,
            )  # fmt: skip
    axis.set_yticks(range(len(labels)), [plain_text(label) for label in labels], fontsize=8.5)
    axis.set_ylim(len(labels) - 0.1, -0.45)
    axis.set_xlim(0, 100)
    axis.grid(axis="x", color=PRIOR_COLOUR, alpha=0.25, linewidth=0.7)
    axis.set_xlabel(f"share, %: median and {100 * result.ci_prob:.0f} % band", fontsize=9)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    if groups:
        handles = [Line2D([], [], color=_INK, linewidth=2.6, marker="o", label="all together")]
        handles += [
            Line2D([], [], color=colours[g], linewidth=1.2, marker="o", markersize=3.2,
                   label=plain_text(g)) for g in groups
        ]  # fmt: skip
        figure.legend(
            handles=handles, fontsize=8.5, frameon=False, ncols=4, loc="outside lower center"
        )
    return figure
