"""Cells as values: every parser notes its fault and lets the rest of the row be read."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from unicodedata import normalize

from reebayes.errors import Fault
from reebayes.study.reading.csvfiles import FaultList, Line, hidden_characters, strange_characters
from reebayes.study.targets import BIAS
from reebayes.wording import quoted, suggestion

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
YEAR = re.compile(r"[0-9]{4}")
COUNT = re.compile(r"[1-9][0-9]{0,5}")
PERIOD = re.compile(r"([0-9]{4})(?:\s*-\s*([0-9]{4}))?")
LEAST, MOST = 1e-12, 1e12
"""Numbers beyond are slips: no flow, share or error is so small or so large, in any unit."""

MOST_CODES = 8  # of characters, named in a message
TRUTH = {"true": True, "false": False}

type Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Entry[T]:
    """A row as read: its line, its value, and the columns that could not be read.

    Columns in ``bad`` hold stand-ins, so that checks can go on with the rest of the row. ``file``
    is where it stands, if that is not the table of the study itself, or not clear.
    """

    row: int | None
    item: T
    bad: frozenset[str] = frozenset()
    file: str = ""


@dataclass(slots=True)
class Cells:
    """The cells of one line, read by type; what cannot be read is noted and given a stand-in."""

    line: Line
    faults: FaultList
    bad: set[str] = field(default_factory=set)

    def text(self, column: str) -> str:
        """Return free text; empty if the cell or the column is."""
        if column in self.line.lacking:
            self.bad.add(column)  # told once, of the header
        text = self.line.cells.get(column, "")
        self._seen(column, text, hidden_characters(text))
        return text

    def key(self, column: str, *, needed: bool = True) -> str:
        """Return text that is compared with that of other rows: no invisible characters."""
        text = normalize("NFC", self.needed(column) if needed else self.text(column))
        self._seen(column, text, strange_characters(text))
        return text

    def needed(self, column: str) -> str:
        """Return free text that may not be empty."""
        text = self.text(column)
        return text if text else self._refuse(column, "cell is empty", text)

    def name(self, column: str) -> str:
        """Return a name: not empty, no invisible characters, in one Unicode form."""
        return self.key(column)

    def identifier(self, column: str) -> str:
        """Return a name that can stand in a formula or a prior's target: no spaces, no colons."""
        text = self.name(column)
        if " " in text or ":" in text:
            better = quoted(text.replace(" ", "_").replace(":", "_"))
            message = f"name {quoted(text)} holds a space or colon; write {better}"
            self._refuse(column, message, text)
        return text

    def names(self, column: str, *, bare: Callable[[str], str] = str) -> tuple[str, ...]:
        """Return names separated by semicolons, each once; empty if the cell or the column is.

        ``bare`` takes away what may stand before a name.
        """
        text = normalize("NFC", self.line.cells.get(column, ""))
        if not text:
            return ()
        parts = tuple(part.strip() for part in text.split(";"))
        names = tuple(map(bare, parts))
        strange = strange_characters(text)
        if strange:
            codes = ", ".join(f"U+{ord(char):04X}" for char in strange)
            message = f"{quoted(text)} holds invisible characters ({codes}); type it again"
        elif not all(names):
            message = f"{quoted(text)} has an empty name; write it like first;second"
        elif any(" " in name or ":" in name or name == "*" for name in names):
            message = f"{quoted(text)} is no list of names; write it like first;second, no spaces"
        elif len(set(names)) < len(names):
            message = f"{quoted(text)} names one thing twice; write each name once"
        else:
            return parts
        self._refuse(column, message, text)
        return ()

    def errors(self, column: str) -> tuple[str, ...]:
        """Return names of errors: each may have a minus sign before it, and be a bias."""
        return self.names(column, bare=lambda name: name.removeprefix("-").removeprefix(f"{BIAS}:"))

    def parts(self, column: str) -> tuple[str, ...]:
        """Return texts separated by semicolons, such as sums; the cell may not be empty."""
        text = self.key(column)
        parts = tuple(part.strip() for part in text.split(";"))
        if text and not all(parts):
            message = f"{quoted(text)} has an empty part; write it like first;second + third"
            self._refuse(column, message, text)
        return tuple(" ".join(part.split()) for part in parts if part)

    def choice(self, column: str, choices: Sequence[str], *, needed: bool = True) -> str:
        """Return one of `choices`."""
        text = self.needed(column) if needed else self.text(column)
        if not text or text in choices:
            return text
        known = [choice for choice in choices if choice]
        message = f"{column} {quoted(text)} is unknown. {suggestion(text, known, show=9)}"
        return self._refuse(column, message, text)

    def truth(self, column: str) -> bool:
        """Return true or false."""
        text = self.needed(column)
        if text and text.casefold() not in TRUTH:
            self._refuse(column, f"{quoted(text)} is neither 'true' nor 'false'", text)
        return TRUTH.get(text.casefold(), False)

    def number(self, column: str) -> float | None:
        """Return a finite number, None if the cell is empty (or unreadable: see `bad`)."""
        text = self.text(column)
        if not text:
            return None
        if not NUMBER.fullmatch(text):
            message = f"{quoted(text)} is not a number; {_number_advice(text)}"
            self._refuse(column, message, text)
            return None
        number = float(text)
        if number and not LEAST <= abs(number) <= MOST:
            size = "large" if abs(number) > MOST else "small"
            self._refuse(column, f"{quoted(text)} is too {size} to be a number here", text)
            return None
        return number + 0.0  # minus zero becomes zero

    def needed_number(self, column: str, stand_in: float) -> float:
        """Return a finite number; the cell may not be empty."""
        number = self.number(column)
        if number is None and column not in self.bad:
            self._refuse(column, "cell is empty; write a number", "")
        return stand_in if number is None else number

    def count(self, column: str) -> int | None:
        """Return a whole number from 1, None if the cell is empty (or unreadable: see `bad`)."""
        text = self.text(column)
        if text and not COUNT.fullmatch(text):
            message = f"{quoted(text)} is not a number of things; write a whole number from 1"
            self._refuse(column, message, text)
        return int(text) if text and column not in self.bad else None

    def year(self, column: str) -> int | None:
        """Return a year of four digits, None if the cell is empty (or unreadable: see `bad`)."""
        text = self.text(column)
        if not text:
            return None
        if not YEAR.fullmatch(text):
            message = f"{quoted(text)} is not a year; write four digits, such as 2012"
            self._refuse(column, message, text)
            return None
        return int(text)

    def spans(self, column: str) -> Spans:
        """Return periods in order, periods that touch merged; empty if unreadable."""
        text = self.needed(column)
        if not text:
            return ()
        found = [PERIOD.fullmatch(part.strip()) for part in text.split(";")]
        spans = sorted((int(m[1]), int(m[2] or m[1])) for m in found if m)
        if len(spans) < len(found):
            message = f"{quoted(text)} is not a list of years; write it like 2000-2002;2012-2015"
        elif any(first > last for first, last in spans):
            message = f"{quoted(text)} has a period that ends before it begins"
        elif any(later[0] <= earlier[1] for earlier, later in pairwise(spans)):
            message = f"{quoted(text)} has periods that overlap; write each year once"
        else:
            return _merged(spans)
        self._refuse(column, message, text)
        return ()

    def entry[T](self, row_type: Callable[..., T], **values: Any) -> Entry[T]:
        """Return the row built from `values`, with its line and its bad columns."""
        return Entry(self.line.row, row_type(**values), frozenset(self.bad))

    def _seen(self, column: str, text: str, strange: Sequence[str]) -> None:
        if strange:
            codes = ", ".join(f"U+{ord(char):04X}" for char in strange[:MOST_CODES])
            message = f"{quoted(text)} holds invisible characters ({codes}); type it again"
            self._refuse(column, message, text)

    def _refuse(self, column: str, message: str, value: str) -> str:
        if column not in self.bad:
            self.faults.add(self.line.row, column, value, message)
        self.bad.add(column)
        return value


def _merged(spans: Sequence[tuple[int, int]]) -> Spans:
    merged = [spans[0]]
    for first, last in spans[1:]:
        if first == merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return tuple(merged)


def _number_advice(text: str) -> str:
    if text.casefold().strip("+-") in ("nan", "na", "n/a", "inf", "infinity", "none", "null"):
        return "leave the cell empty if there is none"
    if text.endswith("%"):
        return "write a fraction, such as 0.15 for 15%"
    if text[0] in "<>":
        return "write the bound in column 'high' or 'low' with kind 'upper' or 'lower'"
    if any(mark in text for mark in ",' _\u00a0\u202f"):
        return "write a decimal point and no thousands separator"
    return "write digits, such as 12.5"


def table_fault(table: str, entry: Entry[Any], column: str, value: object, message: str) -> Fault:
    """Return a fault of one row of a table."""
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return Fault(entry.file or table, entry.row, column, text, message)
