"""Net flows between regions as arrows between their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, pi, sin
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from reebayes.figures.style import plain_text
from reebayes.wording import format_value

_WIDEST = 14.0  # points, of the arrow of the largest net flow


def draw_triangle(
    ax: Axes,
    regions: Sequence[str],
    labels: Mapping[str, str],
    arrows: Mapping[tuple[str, str], Any],
    widest: float,
    ci_prob: float,
    colour: str,
) -> None:
    """Draw an arrow for each pair of regions, with its median, band and probability."""
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
            _between(places[start], places[end], 0.24), _between(places[start], places[end], 0.76),
            arrowstyle=f"simple,head_length={0.5 * width + 6},head_width={width + 7},"
            f"tail_width={width}",
            color=colour, alpha=0.55, linewidth=0,
        ))  # fmt: skip
        x, y = _between(places[start], places[end], 0.5)
        text = (
            f"{format_value(middle)}\n({format_value(low)} to {format_value(high)})\nP {chance:.2f}"
        )
        ax.text(x, y, text, ha="center", va="center", fontsize=7, color="#1c1f23",
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1})  # fmt: skip
    for region, (x, y) in places.items():
        ax.text(x, y, plain_text(labels.get(region, region).replace(" ", "\n", 1)), ha="center",
                va="center", fontsize=9, weight="bold")  # fmt: skip
    ax.set_xlim(-1.35, 1.35)
    ax.set_ylim(-0.95, 1.25)
    ax.set_aspect("equal")
    ax.axis("off")


def _between(
    start: tuple[float, float], end: tuple[float, float], part: float
) -> tuple[float, float]:
    return (
        start[0] + part * (end[0] - start[0]),
        start[1] + part * (end[1] - start[1]),
    )
