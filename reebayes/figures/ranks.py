"""Predictive checks: ranks of printed figures among replicated ones, of records held out or not."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reebayes.answers.uniformity import FIGURE_ROWS, HeldOutCheck
from reebayes.conventions import REPORTER
from reebayes.figures.composing import legend_below, next_colour, rows_for, titled
from reebayes.figures.style import POSTERIOR_COLOUR, SOURCE_COLOURS, new_axes, plain_text


def plot_predictive(
    records: pd.DataFrame,
    *,
    least: int = 3,
    label: str = "",
    color: str | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a posterior predictive check: ranks of printed figures among replicates, by reporter.

    Several calls may draw into the same axes, such as of two fits: a reporter keeps its line.

    Parameters
    ----------
    records : DataFrame
        ``records`` of `predictive_check`: ``reporter`` and ``pit``, the share of replicated
        figures below the printed one. Bounds and ranges have none and are not drawn.
    least : int
        Reporters with fewer figures share one line.
    label : str
        Name in the legend; none if left out.
    color : str, optional
        The first that nothing in the axes has if left out.
    legend : bool
        Whether a legend stands below the axes, where something has a name.
    title : str
    ax : Axes, optional
        Axes to draw in; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn in.

    Examples
    --------
    >>> import pandas as pd
    >>> import reebayes as rb
    >>> ranks = pd.DataFrame({"reporter": ["customs"] * 3, "pit": [0.1, 0.5, 0.8]})
    >>> ax = rb.plot_predictive(ranks)
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['customs (3)']
    """
    shown = records.dropna(subset=["pit"])
    counts = shown["reporter"].value_counts()
    few = f"fewer than {least} figures"
    names = shown["reporter"].where(shown["reporter"].map(counts) >= least, few)
    order = [*counts.index[counts >= least], *([few] if (names == few).any() else [])]
    if ax is None:
        ax = new_axes(7, 1.2 + 0.22 * len(order))
    for low, high, shade in ((0.05, 0.95, 0.10), (0.25, 0.75, 0.14)):
        if not any(isinstance(line, Line2D) for line in ax.get_lines()):
            ax.axvspan(low, high, color=POSTERIOR_COLOUR, alpha=shade, linewidth=0)
    colour, beside = color or next_colour(ax, SOURCE_COLOURS), 0.18 * len(ax.get_lines())
    counted = [f"{name} ({int((names == name).sum())})" for name in order]
    lines, places = rows_for(ax, counted)
    rows = names.map(dict(zip(order, places + beside, strict=True)))
    ax.plot(shown["pit"], rows, "|", color=colour, markersize=9, markeredgewidth=1.4,
            label=plain_text(label) if label else None)  # fmt: skip
    ax.set_yticks(range(len(lines)), lines)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.set_xlim(-0.01, 1.01)
    ax.set_xlabel("share of replicated figures below the printed one; shaded: 50 and 90 %")
    ax.tick_params(axis="y", length=0, labelsize=8)
    ax.spines[["top", "right", "left"]].set_visible(False)
    if title:
        titled(ax, title)
    if legend:
        legend_below(ax, labelled=True)
    return ax


def plot_pit(check: HeldOutCheck, *, least: int = 3) -> Figure:
    """Draw the PIT of held-out records: a histogram within its envelope, and ranks by reporter.

    Parameters
    ----------
    check : HeldOutCheck
    least : int
        Reporters with fewer figures share one line.

    Returns
    -------
    Figure
    """
    kinds = list(dict.fromkeys(check.histogram["what"]))
    figures = check.records[check.records["pit_low"] == check.records["pit_high"]]
    lines = int((figures[REPORTER].value_counts() >= least).sum()) + 1
    heights = [2.6, 1.2 + 0.22 * lines]
    drawn = Figure(figsize=(8, sum(heights)), layout="constrained")
    grid = drawn.add_gridspec(2, max(len(kinds), 1), height_ratios=heights)
    for n, what in enumerate(kinds):
        _draw_histogram(drawn.add_subplot(grid[0, n]), check, what)
    plot_predictive(figures, least=least, ax=drawn.add_subplot(grid[1, :]))
    return drawn


def _draw_histogram(ax: Axes, check: HeldOutCheck, what: str) -> None:
    rows = check.histogram[check.histogram["what"] == what]
    edges = np.append(rows["low"], 1.0)
    ax.stairs(rows["most"], edges, baseline=rows["least"], fill=True, color="#dddddd",
              label="95 % of replicas")  # fmt: skip
    ax.stairs(rows["records"], edges, color=SOURCE_COLOURS[0], linewidth=1.6, label="records")
    found = check.summary[check.summary["what"] == what].iloc[:1]
    p = "".join(f", p = {value:.2g}" for value in found["p"].dropna())
    count = int(rows["records"].sum())
    noun = "printed figures" if what == FIGURE_ROWS else "bounds, random on their side"
    ax.set_title(f"{count} {noun}{p}", fontsize=9)
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("PIT: predictive probability below the record")
    ax.set_ylabel("records")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, frameon=False)
