"""A table of a study: a tuple of rows that can be looked up by name and shows itself."""

from collections.abc import Iterable
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from reebayes.conventions import format_terms
from reebayes.wording import spans_text, suggestion

if TYPE_CHECKING:
    import pandas as pd


class Table[T](tuple[T, ...]):
    """Rows of one table, in file order.

    Parameters
    ----------
    row_type : type
        Class of the rows; its first field is the key of the table.
    rows : iterable
        The rows.

    Examples
    --------
    >>> import reebayes as rb
    >>> flows = rb.read_study("zinc").flows
    >>> flows.key, len(flows), flows.names[:2]
    ('flow', 15, ('mined', 'stock_drawn'))
    """

    row_type: type[T]

    def __new__(cls, row_type: type[T], rows: Iterable[T] = ()) -> "Table[T]":
        """Make a table of `rows`."""
        table = super().__new__(cls, rows)
        table.row_type = row_type
        return table

    def __getnewargs__(self) -> tuple[type[T], tuple[T, ...]]:
        """Arguments with which pickle and copy rebuild the table."""
        return self.row_type, tuple(self)

    @property
    def key(self) -> str:
        """Name of the field that identifies a row."""
        return self._columns()[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of the rows, in order."""
        return tuple(getattr(row, self.key) for row in self)

    @overload
    def __getitem__(self, item: SupportsIndex | str) -> T: ...
    @overload
    def __getitem__(self, item: slice) -> "Table[T]": ...
    def __getitem__(self, item: SupportsIndex | slice | str) -> "T | Table[T]":
        """Return a row by name or position, or a slice as a table.

        Raises
        ------
        KeyError
            If no row has that name, or several do (see `rows`).
        """
        if isinstance(item, str):
            found = self.rows(item)
            if len(found) != 1:
                raise KeyError(self._lookup_message(item, len(found)))
            return found[0]
        if isinstance(item, slice):
            return Table(self.row_type, super().__getitem__(item))
        return super().__getitem__(item)

    def __contains__(self, item: object) -> bool:
        """Whether a row, or a row of that name, is in the table."""
        return item in self._by_name if isinstance(item, str) else super().__contains__(item)

    def rows(self, name: str) -> "Table[T]":
        """Return every row of that name (a prior's target may have several)."""
        return Table(self.row_type, self._by_name.get(name, ()))

    @cached_property
    def _by_name(self) -> dict[str, list[T]]:
        """Rows by name: a table of thousands is asked for one of them thousands of times."""
        found: dict[str, list[T]] = {}
        for name, row in zip(self.names, self, strict=True):
            found.setdefault(name, []).append(row)
        return found

    @property
    def frame(self) -> "pd.DataFrame":
        """The table as a data frame, one column per field."""
        # pandas is slow to import and only needed to show or export a table.
        import pandas as pd

        columns = {name: [_cell(getattr(row, name)) for row in self] for name in self._columns()}
        frame = pd.DataFrame(columns)
        years = [name for name in ("year", "year_end") if name in columns]
        return frame.astype(dict.fromkeys(years, "Int64"))

    def __repr__(self) -> str:
        """Name, length and the first rows."""
        title = f"{self.row_type.__name__} table, {len(self)} rows"
        return f"{title}\n{self.frame.to_string(max_rows=10)}" if self else title

    def _repr_html_(self) -> str:
        caption = f"<p>{self.row_type.__name__} table, {len(self)} rows</p>"
        return caption + self.frame.to_html(max_rows=20, border=0)

    def _columns(self) -> tuple[str, ...]:
        # fields() is typed for dataclass instances; every row type is a dataclass.
        row_type: Any = self.row_type
        return tuple(field.name for field in fields(row_type))

    def _lookup_message(self, name: str, found: int) -> str:
        if found:
            return f"{self.key} {name!r} has {found} rows; use .rows({name!r})"
        return f"no {self.key} {name!r}. {suggestion(name, self.names)}".strip()


def _cell(value: object) -> object:
    """Return the text the study's files use for lists of things; other values as they are."""
    if not isinstance(value, tuple):
        return value
    if all(isinstance(item, str) for item in value):
        return ";".join(value)
    if isinstance(value[0][0], str):
        return format_terms(value)
    return spans_text(value)
