"""Posterior predictive check: ranks of printed figures among replicated ones."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reebayes.figures.style import POSTERIOR_COLOUR, SOURCE_COLOURS, new_axes, plain_text


def plot_predictive(records: pd.DataFrame, *, least: int = 3, ax: Axes | None = None) -> Axes:
    """Draw a posterior predictive check: ranks of printed figures among replicates, by reporter.

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
        ax = new_axes(7, 1.2 + 0.22 * len(order))
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
