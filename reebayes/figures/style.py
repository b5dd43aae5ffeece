"""Colours, marks and text of all figures."""

from __future__ import annotations

from reebayes.answers.contraction import ABSENT, LEARNT, PARTLY, PRIOR_ONLY

POSTERIOR_COLOUR = "#1f5f9e"


PRIOR_COLOUR = "#8a8a8a"


SOURCE_COLOURS = (
    "#b5460f", "#0b7a5c", "#8a3f8f", "#a07400", "#35353a", "#c2185b", "#4b6b00", "#5b4bb0",
    "#d9534f", "#00838f", "#7a4b2a", "#e07b00", "#7f9a00", "#a66bbe",
)  # fmt: skip
"""Dark enough to read on white; cycled when a panel has more sources."""


MARKERS = {"value": "o", "quota": "D", "zero": "v", "upper": "v", "lower": "^"}


STATED = {"value": "value", "quota": "value", "zero": "high", "upper": "high", "lower": "low"}


def plain_text(text: object) -> str:
    """Return text that figures show as it is: a dollar sign opens no formula in it."""
    shown = str(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown  # a legend leaves such names out


KIND_COLOURS = {
    "value": "#1f5f9e", "quota": "#8a3f8f", "zero": "#35353a", "upper": "#e07b00",
    "lower": "#0b7a5c", "range": "#a07400", "cumulative": "#00838f", "mean": "#5b4bb0",
    "several kinds": "#c2185b",
}  # fmt: skip


LABEL_COLOURS = {
    LEARNT: "#1f5f9e", PARTLY: "#bcd4ea", PRIOR_ONLY: "#eee3c8", ABSENT: "white",
}  # fmt: skip


LABEL_INK = {LEARNT: "white", PARTLY: "#1c1f23", PRIOR_ONLY: "#1c1f23", ABSENT: "white"}
