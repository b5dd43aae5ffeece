"""How the numbers of a column are written: the whole column by one rule, or not at all."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

_POINT = re.compile(
    r"[+-]?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"
)
_COMMA = re.compile(
    r"[+-]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]*)?(?:[eE][+-]?[0-9]+)?"
)


class Notation(Enum):
    """What separates the decimals; the other sign may separate thousands."""

    POINT = "point"
    COMMA = "comma"
    MIXED = "mixed"
    """Some cells are written in the one way only, some in the other only."""
    UNCLEAR = "unclear"
    """Every cell can be read in either way, and the two give other figures."""


def read_number(text: str, notation: Notation) -> float | None:
    """Return the number that is written so; None if there is none."""
    if notation is Notation.COMMA:
        readable, plain = _COMMA.fullmatch(text), text.replace(".", "").replace(",", ".")
    else:
        readable, plain = _POINT.fullmatch(text), text.replace(",", "")
    return float(plain) if readable else None


def judge(cells: Iterable[str]) -> Notation | None:
    """Return the notation that fits every number among the cells; None if either does."""
    fits = [(bool(_POINT.fullmatch(c)), bool(_COMMA.fullmatch(c)), c) for c in cells]
    only_point = any(point and not comma for point, comma, _ in fits)
    only_comma = any(comma and not point for point, comma, _ in fits)
    if only_point and only_comma:
        return Notation.MIXED
    if only_point or only_comma:
        return Notation.POINT if only_point else Notation.COMMA
    split = any(point and ("," in cell or "." in cell) for point, _, cell in fits)
    return Notation.UNCLEAR if split else None


def notations(columns: Mapping[str, Sequence[str]], separator: str) -> dict[str, Notation]:
    """Return the notation of each column of numbers.

    A column that can be read in either way is read as the other columns of the table are. If they
    do not tell, a table with commas between its cells, or a workbook, has decimal points.

    Parameters
    ----------
    columns : mapping of str to sequence of str
        Cells of each column of numbers.
    separator : str
        What stands between the cells of the file; empty for a workbook.
    """
    judged = {name: judge(cells) for name, cells in columns.items()}
    told = {found for found in judged.values() if found in (Notation.POINT, Notation.COMMA)}
    english = separator in ("", ",") and not told
    usual = told.pop() if len(told) == 1 else Notation.POINT if english else Notation.UNCLEAR
    return {
        name: usual if found is Notation.UNCLEAR else found or Notation.POINT
        for name, found in judged.items()
    }
