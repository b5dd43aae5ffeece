"""What a column of a table of a study is: how it is read, what it means, whether it moves a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_type_hints

from reebayes.study.reading.cells import Cells

type Reader = Callable[[Cells, str], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
    meaning : str
        What a cell holds, as a sentence for readers.
    read : callable
        Takes the cells of a row and the name of the column; returns the value.
    filled : bool
        Whether no cell may be empty. A column whose cells may be empty may be left out.
    moves : bool
        Whether the posterior depends on it. Labels, notes and citations move nothing.
    choices : sequence of str
        What a cell may hold, where it is one of a few words.
    constraint : mapping
        Further constraints in the words of Table Schema.
    refers : (str, str), optional
        Table and column of which a cell names a row.
    """

    name: str
    meaning: str
    read: Reader
    filled: bool = False
    moves: bool = True
    choices: Sequence[str] = ()
    constraint: Mapping[str, Any] = field(default_factory=dict)
    refers: tuple[str, str] | None = None

    @property
    def optional(self) -> bool:
        """Whether the column may be left out of the file: whether all its cells may be empty."""
        return not self.filled


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table of a study.

    Parameters
    ----------
    file : str
        Its name in a study directory.
    row : type
        Class of a row; its fields are the columns.
    contents : str
        What the table holds, as a sentence.
    key : sequence of str
        Columns that identify a row.
    columns : sequence of Column
    optional : bool
        Whether the file may be left out.
    complete : callable
        Fills in, from the values of a row, those that follow from others.
    """

    file: str
    row: type
    contents: str
    key: Sequence[str]
    columns: Sequence[Column]
    optional: bool = False
    complete: Callable[[dict[str, Any]], dict[str, Any]] = dict

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns that the file must have."""
        return tuple(column.name for column in self.columns if not column.optional)

    @property
    def extra(self) -> tuple[str, ...]:
        """Columns that may be left out."""
        return tuple(column.name for column in self.columns if column.optional)

    @property
    def moving(self) -> tuple[str, ...]:
        """Columns on which the posterior depends."""
        return tuple(column.name for column in self.columns if column.moves)

    def column(self, name: str) -> Column | None:
        """Return a column by its name; None if the table has no such column."""
        return next((column for column in self.columns if column.name == name), None)

    def type_of(self, name: str) -> str:
        """Return what cells of a column hold, in the words of Table Schema."""
        annotation = get_type_hints(self.row).get(name, str)
        if annotation is bool:
            return "boolean"
        if annotation in (int, int | None):
            return "year"
        return "number" if annotation in (float, float | None) else "string"


# --- how cells are read ---------------------------------------------------------------------------


def optional_key(cells: Cells, column: str) -> str:
    """Read a key that may be empty."""
    return cells.key(column, needed=False)


def number_or(stand_in: float) -> Reader:
    """Read a number that may not be empty; where it cannot be read, a stand-in goes on."""
    return lambda cells, column: cells.needed_number(column, stand_in)


def needed_year(cells: Cells, column: str) -> int:
    """Read a year that may not be empty."""
    cells.needed(column)
    return cells.year(column) or 0


def choice(name: str, meaning: str, choices: Sequence[str], **other: Any) -> Column:
    """Return a column whose cells hold one of a few words."""
    filled = other.get("filled", True)

    def read(cells: Cells, column: str) -> str:
        return cells.choice(column, choices, needed=filled)

    known = tuple(choice for choice in choices if choice)
    constraint = {"enum": list(known)} if filled else {}
    return Column(
        name, meaning, read, **{"filled": True, **other}, choices=known, constraint=constraint
    )


told = partial(Column, read=Cells.text, moves=False)
"""A column of text for readers, which moves nothing."""

note = partial(told, "note", "What a reader must know.")
label = partial(told, "label", "Name for readers.")


def read_row(table: TableSchema, cells: Cells) -> Any:
    """Return a row of a table as read, with the columns that could not be."""
    values = {column.name: column.read(cells, column.name) for column in table.columns}
    return cells.entry(table.row, **table.complete(values))
