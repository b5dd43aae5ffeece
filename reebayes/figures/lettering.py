"""How wide text is, so that what is drawn around it keeps clear of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font

NO_BREAK = "\u00a0"

FAMILY = "DejaVu Sans"  # comes with matplotlib
FONTS = f"{FAMILY}, Verdana, Arial, sans-serif"
"""Of drawings: the one that is measured, and where it is missing one that is as wide."""

_EM = 65536.0 * 100.0


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text, in the unit of its size."""
    return size * sum(_advance(letter, bold) for letter in text)


def wrapped(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Break text into lines that are no wider than a width, within words where one is too long.

    What hangs together by no-break spaces is a word, and comes back with plain ones.
    """
    lines = _lines(text, width, size, bold=bold)
    return [line.replace(NO_BREAK, " ") for line in lines] or [""]


def _lines(text: str, width: float, size: float, *, bold: bool) -> Iterator[str]:
    line = ""
    for word in re.split("[ \\t\\r\\n]+", text.strip(" ")):
        longer = f"{line} {word}" if line else word
        if width_of(longer, size, bold=bold) <= width:
            line = longer
            continue
        if line:
            yield line
        while width_of(word, size, bold=bold) > width and len(word) > 1:
            kept = len(word) - 1
            while kept > 1 and width_of(word[:kept], size, bold=bold) > width:
                kept -= 1
            yield word[:kept]
            word = word[kept:]
        line = word
    if line:
        yield line


@cache
def _advance(letter: str, bold: bool) -> float:
    """Width of a letter in parts of its size; that of a square where the font has none."""
    font = get_font(findfont(FontProperties(family=FAMILY, weight="bold" if bold else "normal")))
    if unicodedata.combining(letter):
        return 0.0
    if font.get_char_index(ord(letter)) == 0:
        return 1.0
    font.set_size(100, 72)
    return float(font.load_char(ord(letter)).linearHoriAdvance) / _EM
