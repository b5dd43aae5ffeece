"""Figures of a calibration: the distribution of SBC ranks, and the coverage of bands."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reebayes.experiments.calibration.assessing import (
    FEW,
    LEVELS,
    SIZE,
    distribution,
    envelope,
    is_inside,
)
from reebayes.experiments.calibration.datasets import WELL_SPECIFIED
from reebayes.experiments.calibration.estimands import FAMILIES, YEARLY, Estimand
from reebayes.model.unknowns import Floats

_LINE, _BAND, _OUT = "#1f5f9e", "#d9dde2", "#b5460f"
_TITLES = {
    "noise": "Noise of reporters",
    "bias": "Bias of reporters",
    "shared error": "Common systematic errors",
    "step": "Step multipliers",
    "flow": "Flows, summed over years",
    "quantity": "Headline quantities by year",
    "sum": "Quantities, summed over years",
    "log-likelihood": "Joint log-likelihood",
}


def draw_ranks(
    estimands: Sequence[Estimand], values: Floats, headline: Sequence[str], *, tested: int
) -> Figure:
    """Draw the distribution of SBC ranks less the uniform one, a panel for each family.

    Parameters
    ----------
    estimands : sequence of Estimand
    values : array (world, estimand)
        As `assessing.uniform_ranks` returns them.
    headline : sequence of str
        Quantities whose yearly values are drawn.
    tested : int
        How many test quantities divide the probability of a false alarm.

    Returns
    -------
    Figure
    """
    canvas, axes = plt.subplots(2, 4, figsize=(12, 5.4), sharex=True, layout="constrained")
    for ax, family in zip(axes.flat, FAMILIES, strict=True):
        chosen = [
            n for n, estimand in enumerate(estimands)
            if estimand.family == family and (family != YEARLY or estimand.name in headline)
            and np.isfinite(values[:, n]).sum() >= FEW
        ]  # fmt: skip
        _draw_family(ax, values[:, chosen], 1 - SIZE / max(tested, 1))
        ax.set_title(f"{_TITLES[family]} ({len(chosen)})", fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("rank of the truth among the draws", fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel("ECDF less uniform", fontsize=8)
    return canvas


def _draw_family(ax: Axes, values: Floats, prob: float) -> None:
    worlds = int(np.isfinite(values).sum(axis=0).max(initial=0))
    ax.tick_params(labelsize=7)
    ax.axhline(0.0, color="#8a8a8a", linewidth=0.6)
    if worlds < FEW:
        ax.text(0.5, 0.5, "too few data sets", transform=ax.transAxes, ha="center", fontsize=8)
        return
    points, lower, upper = envelope(worlds, prob)
    ax.fill_between(points, lower - points, upper - points, color=_BAND, step="mid")
    for column in values.T:
        sound = column[np.isfinite(column)]
        at = np.arange(1, sound.size) / sound.size
        even = is_inside(sound, prob)
        ax.plot(at, distribution(sound) - at, color=_LINE if even else _OUT,
                linewidth=0.4 if even else 0.9, alpha=0.5 if even else 1.0)  # fmt: skip


def draw_coverage(tables: pd.DataFrame) -> Figure:
    """Draw the coverage of bands in each kind of data sets.

    Parameters
    ----------
    tables : DataFrame
        ``world`` beside the columns of `assessing.coverage_table`.

    Returns
    -------
    Figure
    """
    kinds = list(dict.fromkeys(tables["world"]))
    canvas, axes = plt.subplots(
        1, len(LEVELS), figsize=(12, 1.2 + 0.42 * len(kinds)), sharey=True, layout="constrained",
        squeeze=False,
    )  # fmt: skip
    pooled = tables[tables["quantity"] == "all"]
    for ax, level in zip(axes[0], LEVELS, strict=True):
        for shift, what, mark in ((-0.12, "years", "o"), (0.12, "sum", "D")):
            rows = pooled[(pooled["band"] == level) & (pooled["what"] == what)].set_index("world")
            rows = rows.reindex(kinds)
            errors = [rows["covered"] - rows["lower"], rows["upper"] - rows["covered"]]
            colours = [_LINE if kind == WELL_SPECIFIED else _OUT for kind in kinds]
            ax.errorbar(rows["covered"], np.arange(len(kinds)) + shift, xerr=errors, fmt="none",
                        ecolor=colours, linewidth=1)  # fmt: skip
            ax.scatter(rows["covered"], np.arange(len(kinds)) + shift, c=colours, marker=mark, s=18,
                       label="by year" if what == "years" else "sums over years")  # fmt: skip
        ax.axvline(level, color="#35353a", linewidth=0.8)
        ax.set_xlim(max(0.0, level - 0.5), 1.0)
        ax.set_title(f"{100 * level:g} % bands", fontsize=9)
        ax.set_xlabel("coverage of the truth", fontsize=8)
        ax.tick_params(labelsize=8)
    axes[0, 0].set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
    axes[0, 0].set_ylim(len(kinds) - 0.5, -0.5)
    axes[0, 0].legend(fontsize=7, loc="lower left")
    return canvas
