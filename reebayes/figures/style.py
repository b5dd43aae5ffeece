"""Colours, symbols and text of all figures, and axes to draw them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reebayes.answers.contraction import ABSENT, LEARNT, PARTLY, PRIOR_ONLY
from reebayes.study.kinds import AT_LEAST, AT_MOST, BETWEEN, FIGURE, SIGNED, KindReader

POSTERIOR_COLOUR = "#1f5f9e"
PRIOR_COLOUR = "#8a8a8a"
SOURCE_COLOURS = (
    "#b5460f", "#0b7a5c", "#8a3f8f", "#a07400", "#35353a", "#c2185b", "#4b6b00", "#5b4bb0",
    "#d9534f", "#00838f", "#7a4b2a", "#e07b00", "#7f9a00", "#a66bbe",
)  # fmt: skip
"""Dark enough to read on white; cycled when a panel has more sources."""

marker_of = KindReader(
    "mark of a record in a figure",
    {FIGURE: "o", AT_MOST: "v", AT_LEAST: "^", BETWEEN: "|", SIGNED: "s"},
    {"quota": "D"},
)

colour_of = KindReader(
    "colour of a kind in a map of records",
    {
        FIGURE: "#1f5f9e",
        AT_MOST: "#e07b00",
        AT_LEAST: "#0b7a5c",
        BETWEEN: "#a07400",
        SIGNED: "#7a3b12",
    },
    {
        "quota": "#8a3f8f",
        "zero": "#35353a",
        "cumulative": "#00838f",
        "mean": "#5b4bb0",
        "mean_upper": "#a35600",
        "mean_lower": "#5f9e3a",
    },
)

SEVERAL_KINDS, SEVERAL_COLOUR = "several kinds", "#c2185b"

LABEL_COLOURS = {
    LEARNT: "#1f5f9e", PARTLY: "#bcd4ea", PRIOR_ONLY: "#eee3c8", ABSENT: "white",
}  # fmt: skip
LABEL_INK = {LEARNT: "white", PARTLY: "#1c1f23", PRIOR_ONLY: "#1c1f23", ABSENT: "white"}


def plain_text(text: object) -> str:
    """Return text that figures show as it is: a dollar sign opens no formula in it."""
    shown = str(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown  # a legend leaves such names out


def new_axes(width: float, height: float) -> Axes:
    """Return axes of a new figure of so many inches, which notebooks show."""
    from matplotlib import pyplot  # a report, which has figures of its own, need not load it

    _, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    return axes


def new_figure(
    rows: int,
    columns: int,
    *,
    width: float,
    height: float,
    heights: Sequence[float] | None = None,
    sharex: Literal["none", "col"] = "none",
) -> tuple[Figure, NDArray[Any]]:
    """Return a new figure of so many inches, which notebooks show, and its axes (row, column)."""
    from matplotlib import pyplot  # as in `new_axes`

    return pyplot.subplots(
        rows, columns, figsize=(width, height), layout="constrained", squeeze=False,
        sharex=sharex, height_ratios=heights,
    )  # fmt: skip
