"""The row that every reader of customs files gives: one line of a file, in common words."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

EXPORT, IMPORT = "export", "import"
BLANKS = frozenset({"", "?", "-", "--", "N/A", "n/a", "NA", "null", "None", "nan"})
_NUMBER = re.compile(r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]*)?([eE][+-]?[0-9]+)?")

TO_KILOGRAMS: Mapping[str, float] = {
    **dict.fromkeys(("kg", "kilogram", "kilograms", "weight in kilograms", "千克"), 1.0),
    **dict.fromkeys(("g", "gram", "grams", "克"), 1e-3),
    **dict.fromkeys(("t", "ton", "tonne", "tonnes", "metric ton", "metric tons", "吨"), 1e3),
}
"""Units of weight as the sources print them, in lower case."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line cannot be used: its column and value, the reason, and what to do."""

    column: str
    value: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class Shipment:
    """One line of a customs file.

    ``weight`` is in kg and ``value`` in USD; None where the file has none. ``month`` is 0 for a
    whole year. ``breakdown`` names what a line is a part of a total of (customs procedure, mode of
    transport, second partner), and is empty for a total; ``part`` tells apart lines that add up.
    ``reporter_names`` and ``partner_names`` are the names and codes to look an area up by.
    """

    file: str
    row: int
    layout: str
    source: str
    year: int
    month: int
    flow: str
    reporter: str
    reporter_names: tuple[str, ...]
    partner: str
    partner_names: tuple[str, ...]
    code: str
    weight: float | None
    value: float | None
    breakdown: tuple[str, ...] = ()
    part: str = ""
    classification: str = ""
    original: bool = True
    estimated: bool = False
    problem: Problem | None = None


class Line:
    """The cells of one line by column, read by type; the first problem met is kept."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self._cells = cells
        self.problem: Problem | None = None

    def text(self, *columns: str) -> str:
        """Return the first of `columns` that is there and not blank."""
        for column in columns:
            cell = self._cells.get(column, "").strip()
            if cell not in BLANKS:
                return cell
        return ""

    def number(self, column: str) -> float | None:
        """Return a number, with or without thousands separators; None if blank or unreadable."""
        text = self.text(column)
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            advice = "write digits with a decimal point, or leave the cell empty"
            self.refuse(column, text, "not a number", advice)
            return None
        number = float(text.replace(",", ""))
        if math.isinf(number):
            self.refuse(column, text, "number is too large", "write it as the source has it")
            return None
        return number

    def weight(self, column: str, unit: str) -> float | None:
        """Return a quantity in kg; None if it is blank, or counted in something else."""
        amount, scale = self.number(column), TO_KILOGRAMS.get(unit.casefold())
        return None if amount is None or scale is None else amount * scale

    def year(self, text: str, column: str) -> int:
        """Return the year that `text` begins with; 0 and a problem if it has none."""
        if re.match(r"(19|20)[0-9]{2}([^0-9]|[0-9]{2}$|$)", text):
            return int(text[:4])
        self.refuse(column, text, "no year", "write a year of four digits, such as 2012")
        return 0

    def code(self, column: str) -> str:
        """Return a commodity code as digits, dots and spaces taken out."""
        text = self.text(column)
        code = re.sub(r"[\s.']", "", text.removesuffix(".0"))
        if code.isascii() and code.isdecimal():
            # A spreadsheet drops the zero that codes of chapters 1 to 9 begin with.
            return code if len(code) % 2 == 0 else f"0{code}"
        if not code or not code.isascii():
            self.refuse(column, text, "no commodity code", "write the code of the commodity")
        return code

    def refuse(self, column: str, value: str, reason: str, advice: str) -> None:
        """Note a problem, unless there is one."""
        self.problem = self.problem or Problem(column, value, reason, advice)


def rows_below(
    rows: list[tuple[int, list[str]]], header: list[str]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield line number and cells by column name of the rows below a header."""
    for number, cells in rows:
        # A trailing comma makes one cell more than the header has.
        yield number, dict(zip(header, cells, strict=False))
