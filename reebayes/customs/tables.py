"""Rows below a header as lines: columns by name, numbers and dates by the rule of their column."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from reebayes.customs.grids import Grid, Rows
from reebayes.customs.numerals import notations
from reebayes.customs.periods import settled
from reebayes.customs.shipments import BLANKS, Line
from reebayes.errors import Fault, StudyError

TIMES = ("month", "quarter", "frequency")
"""Columns that any layout may have: they say that a figure is not of the whole year."""


@dataclass(frozen=True)
class Columns:
    """The columns that a reader reads, each by all its names.

    Parameters
    ----------
    names : tuple of str
        Columns as the source writes them.
    needed : tuple of str
        Those that the layout is recognised by; ``a|b`` is either of two.
    numbers, periods : tuple of str
        Columns that are read by one rule each: numbers, and dates.
    aliases : mapping of str to str
        Other names of columns.
    """

    names: tuple[str, ...]
    needed: tuple[str, ...]
    numbers: tuple[str, ...]
    periods: tuple[str, ...]
    aliases: Mapping[str, str]

    @cached_property
    def known(self) -> dict[str, str]:
        """Every name, without case and signs, and the column that goes by it."""
        found = {plain_name(name): name for name in (*TIMES, *self.names)}
        return found | {plain_name(alias): name for alias, name in self.aliases.items()}

    def header(self, cells: Sequence[str]) -> list[str] | None:
        """Return the columns of a header, unknown ones empty; None if it is not of this layout."""
        known = self.known
        names = [known.get(plain_name(cell), "") if cell else "" for cell in cells]
        found = set(names)
        whole = all(not found.isdisjoint(need.split("|")) for need in self.needed)
        return names if whole else None


@dataclass(frozen=True)
class Table:
    """The lines of a file or sheet, and the flow that the user says they are of."""

    file: str
    sheet: str
    lines: list[Line]
    columns: frozenset[str]
    flow: str | None = None


def plain_name(name: str) -> str:
    """Return a column's name without case and signs, as R, pandas and the sites vary them."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in plain if char.isalnum()) or plain


def read_table(name: str, grid: Grid, top: int, columns: Columns, flow: str | None) -> Table:
    """Return the lines below the header that stands at `top`.

    Raises
    ------
    StudyError
        If a column that is read stands twice.
    """
    header = columns.header(grid.rows[top][1]) or []
    _refuse_doubles(name, grid.rows[top][0], header)
    body = grid.rows[top + 1 :]
    if _has_row_names(len(header), body):
        header = ["", *header]
    rows = _by_column(header, body, columns)
    ruled = {column: [cells.get(column, "") for _, cells, _ in rows] for column in columns.periods}
    for column, cells in ruled.items():
        for (_, row, _), cell in zip(rows, settled(cells), strict=True):
            if cell:
                row[column] = cell
    found = {c: [r.get(c, "") for _, r, _ in rows if r.get(c, "") not in BLANKS]
             for c in columns.numbers}  # fmt: skip
    how = notations(found, grid.separator)
    lines = [_line(Line(cells, number, how), extra) for number, cells, extra in rows]
    return Table(name, grid.sheet, lines, frozenset(filter(None, header)), flow)


def _refuse_doubles(file: str, row: int, header: Sequence[str]) -> None:
    for name in header:
        if name and header.count(name) > 1:
            message = "column stands twice; keep the one that is meant"
            raise StudyError([Fault(file, row, name, name, message)])


def _has_row_names(width: int, rows: Rows) -> bool:
    """Return whether each row begins with a name that has no header, as R writes them."""
    firsts = [cells[0] for _, cells in rows]
    longer = bool(rows) and all(len(cells) == width + 1 for _, cells in rows)
    # A comma at the end of each row makes a cell more as well, but a blank one.
    return longer and any(cells[-1] for _, cells in rows) and len(set(firsts)) == len(firsts) > 1


def _by_column(
    header: list[str], body: Rows, columns: Columns
) -> list[tuple[int, dict[str, str], str]]:
    """Return number, cells by column, and what stands beyond the last column, of each row."""
    rows = []
    for number, cells in body:
        # Files put one below the other have a header in their midst.
        first = next(filter(None, cells), "")
        if plain_name(first) in columns.known and (again := columns.header(cells)):
            header = again
            continue
        beyond = next(filter(None, cells[len(header) :]), "")
        named = zip(header, cells, strict=False)
        rows.append((number, {} if beyond else {n: c for n, c in named if n}, beyond))
    return rows


def _line(line: Line, beyond: str) -> Line:
    if beyond:
        advice = "put text with commas in quotes; the cells of the row have moved"
        line.refuse("", beyond, "row has more cells than the header", advice)
    return line
