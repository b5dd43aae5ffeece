"""The row that every reader of customs files gives: one line of a file, in common words."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from reebayes.customs.numerals import Notation, read_number
from reebayes.customs.periods import (
    FREQUENCIES,
    MONTHLY,
    YEARLY,
    Period,
    joined,
    read_month,
    read_period,
)

BLANKS = frozenset({"", "?", "-", "--", "N/A", "n/a", "NA", "null", "None", "nan", "NaN", "<NA>"})
WITHHELD = frozenset(
    {"w", "(w)", "s", "(s)", "d", "(d)", "c", ":c", ": c", "withheld", "suppressed", "confidential"}
)
"""What stands, in lower case, for a figure that an office has and does not print."""

TRUE = frozenset(
    {"true", "1", "yes", "y", "t", "x", "vrai", "oui", "wahr", "ja", "是", "estimated"}
)
FALSE = frozenset({"", "false", "0", "no", "n", "f", "faux", "non", "falsch", "nein", "否"})

TO_KILOGRAMS: Mapping[str, float] = {
    **dict.fromkeys(("kg", "kilogram", "kilograms", "weight in kilograms", "千克"), 1.0),
    **dict.fromkeys(("kgs", "kgm", "kilo", "kilos", "kilogramme", "kilogrammes", "kilogramo",
                     "kilogramos", "net kilograms", "公斤", "千克/公斤", "キログラム"), 1.0),
    **dict.fromkeys(("g", "gram", "grams", "克"), 1e-3),
    **dict.fromkeys(("gr", "grm", "gramme", "grammes", "gramo", "gramos", "公克"), 1e-3),
    **dict.fromkeys(("t", "ton", "tonne", "tonnes", "metric ton", "metric tons", "吨"), 1e3),
    **dict.fromkeys(("mt", "tne", "tonelada", "toneladas", "metric tonne", "metric tonnes",
                     "1000 kg", "thousand kg", "公吨", "噸", "トン"), 1e3),
    **dict.fromkeys(("100 kg", "100kg", "quintal"), 1e2),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds", "磅"), 0.45359237),
}  # fmt: skip
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
    ``withheld`` says that the office keeps back some or all of the weight.
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
    sheet: str = ""
    breakdown: tuple[str, ...] = ()
    part: str = ""
    classification: str = ""
    original: bool = True
    estimated: bool = False
    withheld: bool = False
    problem: Problem | None = None


class Line:
    """The cells of one line by column, read by type; the first problem met is kept."""

    def __init__(
        self,
        cells: Mapping[str, str],
        row: int = 0,
        notations: Mapping[str, Notation] | None = None,
    ) -> None:
        self._cells = cells
        self._notations = notations or {}
        self.row = row
        self.problem: Problem | None = None
        self.withheld = False

    def text(self, *columns: str) -> str:
        """Return the first of `columns` that is there and not blank."""
        for column in columns:
            cell = self._cells.get(column, "").strip()
            if cell not in BLANKS:
                return cell
        return ""

    def key(self, *columns: str) -> str:
        """Return a code as text, also if it was saved as a number with decimals."""
        return re.sub(r"^([0-9]+)[.,]0+$", r"\1", self.text(*columns))

    def names(self, *columns: str) -> tuple[str, ...]:
        """Return the codes, as `key` gives them, of those of `columns` that are not blank."""
        return tuple(name for name in map(self.key, columns) if name)

    def number(self, column: str) -> float | None:
        """Return a number as the whole column writes them; None if blank or unreadable."""
        text, notation = self.text(column), self._notations.get(column, Notation.POINT)
        if not text:
            return None
        if text.casefold() in WITHHELD:
            self.withheld = True
            return None
        if notation in (Notation.MIXED, Notation.UNCLEAR):
            self._refuse_notation(column, text, notation)
            return None
        number = read_number(text, notation)
        if number is None:
            advice = "write digits with a decimal point, or leave the cell empty"
            self.refuse(column, text, "not a number", advice)
        elif math.isinf(number):
            self.refuse(column, text, "number is too large", "write it as the source has it")
            return None
        return number

    def _refuse_notation(self, column: str, text: str, notation: Notation) -> None:
        reason = {
            Notation.MIXED: "numbers of the column are written in two ways",
            Notation.UNCLEAR: "numbers of the column may have decimal or thousands signs",
        }
        advice = "save the file as downloaded, with decimal points and no thousands signs"
        self.refuse(column, text, reason[notation], advice)

    def weight(self, column: str, unit: str) -> float | None:
        """Return a quantity in kg; None if it is blank, or counted in something else."""
        plain = unicodedata.normalize("NFKC", unit).casefold().strip().rstrip(".")
        amount, scale = self.number(column), TO_KILOGRAMS.get(plain)
        return None if amount is None or scale is None else amount * scale

    def truth(self, column: str) -> bool:
        """Return whether a flag is set; one that is not known is a problem."""
        text = self.key(column)
        plain = text.casefold()
        if plain not in TRUE | FALSE:
            self.refuse(column, text, "flag is not known", "write true or false")
        return plain in TRUE

    def period(
        self, columns: tuple[str, ...], month: tuple[str, ...] = (), often: str = ""
    ) -> Period:
        """Return the period that all columns agree on; year 0 and a problem if they name none.

        Parameters
        ----------
        columns : tuple of str
            Columns of years or of periods.
        month : tuple of str
            Columns of months beside them.
        often : str
            Column that says whether figures are of years or of months.
        """
        texts = [(column, self.text(column)) for column in columns]
        named = [(column, text, read_period(text)) for column, text in texts if text]
        unread = next(((c, t) for c, t, found in named if found is None), None)
        if unread or not named:
            place = unread or (columns[0], "")
            self.refuse(*place, "no year", "write a year of four digits, such as 2012")
            return Period(0)
        first, *others = (found for _, _, found in named if found)
        period = joined(first, others)
        if period is None:
            text = ", ".join(text for _, text, _ in named)
            advice = "keep the columns of the period as downloaded"
            self.refuse(columns[0], text, "columns name different periods", advice)
            return Period(0)
        if self.text("quarter"):
            period = Period(period.year, gap="a quarter")
        return self._without_gap(columns[0], self._with_month(period, month, often))

    def _with_month(self, period: Period, columns: tuple[str, ...], often: str) -> Period:
        """Add the month that stands in a column of its own, and what the frequency says."""
        column = next((name for name in columns if self.text(name)), "")
        month = read_month(self.text(column)) if column else 0
        word = self.key(often).casefold() if often else ""
        said = FREQUENCIES.get(word, "") if word else ""
        if month is None:
            self.refuse(column, self.text(column), "month is not known", "write 1 to 12")
        elif word and not said:
            advice = "write A for years or M for months"
            self.refuse(often, self.text(often), "frequency is not known", advice)
        elif month and period.month not in (0, month):
            advice = "keep the columns of the period as downloaded"
            self.refuse(column, self.text(column), "columns name different months", advice)
        return _settled(period, month or period.month, said)

    def _without_gap(self, column: str, period: Period) -> Period:
        if period.gap:
            text, reason = self.text(column), f"year is not complete: figure of {period.gap}"
            self.refuse(column, text, reason, "give whole calendar years, or all twelve months")
        return period

    def code(self, column: str) -> str:
        """Return a commodity code as digits, dots and spaces taken out."""
        text = self.text(column)
        code = read_code(text)
        if not code:
            advice = "write the code of the commodity, all its digits, as text"
            self.refuse(column, text, "no commodity code", advice)
        return code

    def refuse(self, column: str, value: str, reason: str, advice: str) -> None:
        """Note a problem, unless there is one."""
        self.problem = self.problem or Problem(column, value, reason, advice)


def _settled(period: Period, month: int, said: str) -> Period:
    """Return the period with its month, or with the gap that its frequency leaves."""
    if period.gap or said not in ("", YEARLY, MONTHLY):
        return Period(period.year, gap=period.gap or said)
    if said == MONTHLY and not month:
        return Period(period.year, gap="a month that is not named")
    if said == YEARLY and month:
        return Period(period.year, gap="a month, says the period, and of a year, the frequency")
    return Period(period.year, month)


def read_code(text: str) -> str:
    """Return the digits of a commodity code; a word as it is; empty if it is no whole code.

    Zeros that a spreadsheet took for nothing are given back, where only one code can be meant:
    ``2846.1`` is 2846.10, and 101210010 is 0101210010, as no chapter 10 has a heading 12.
    """
    text = re.sub(r"^([0-9]{4,})[.,]0+$", r"\1", text.strip().strip("'")).strip()
    text = re.sub(r"^([0-9.\s]*[0-9])\s*[-–:]+\s*[^\W\d].*$", r"\1", text)
    text = f"{text}0" if re.fullmatch(r"[0-9]{4}\.[0-9]", text) else text
    code = re.sub(r"[\s.']", "", text)
    if not (code.isascii() and code.isdecimal()):
        return code if code.isascii() and not code[:1].isdecimal() else ""
    if len(code) % 2 == 0:
        return code
    if re.match(r"[1-9](0[1-9]|1[0-4])", code) or len(code) == 1:
        return f"0{code}"
    return code if len(code) > 8 else ""
