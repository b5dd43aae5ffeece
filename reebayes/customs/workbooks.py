"""Workbooks as grids: every sheet, row and column that is there, whatever the file says of them."""

import datetime as dt
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from reebayes.customs.containers import MOST_UNPACKED
from reebayes.errors import Fault, StudyError

if TYPE_CHECKING:
    from openpyxl import Workbook

_ROW = re.compile(rb"<(?:\w+:)?row\b[^>]*?\br=[\"'](\d+)")
_FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")

type Cells = list[str]
type Numbered = list[tuple[int, Cells]]


def read_sheets(name: str, data: bytes) -> list[tuple[str, Numbered]]:
    """Return title and rows of every sheet; blank rows are left out.

    Raises
    ------
    StudyError
        If the workbook is damaged, or far larger than its file.
    """
    # Imported here: few files are workbooks, and the library takes a while to load.
    from openpyxl.utils.exceptions import InvalidFileException

    broken = (BadZipFile, InvalidFileException, LookupError, ValueError, TypeError,
              AttributeError, SyntaxError, EOFError, OSError, NotImplementedError, zlib.error,
              RuntimeError)  # fmt: skip
    try:
        formulas = _checked(data)
        sheets = _values(data, results=True)
        return _with_formulas(sheets, _values(data, results=False)) if formulas else sheets
    # What a damaged workbook makes of the libraries that unpack it is not only theirs to name.
    except broken as error:
        fault = Fault(name, None, "", "", f"file is no workbook that can be read ({error})")
        raise StudyError([fault]) from error


def _checked(data: bytes) -> bool:
    """Return whether a sheet holds formulas; refuse an archive far larger than its file."""
    with ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if size > MOST_UNPACKED:
            raise ValueError(f"it unpacks to {size / 1e6:,.0f} MB")
        sheets = [e for e in entries if re.fullmatch(r"xl/worksheets/[^/]+\.xml", e.filename)]
        return any([_has_formulas(archive.read(entry)) for entry in sheets])


def _has_formulas(sheet: bytes) -> bool:
    """Return whether a sheet holds formulas; refuse rows that the library would pass over."""
    numbers = [int(number) for number in _ROW.findall(sheet)]
    if any(after <= before for before, after in pairwise(numbers)):
        raise ValueError("rows of a sheet are not in order; save it again")
    return _FORMULA.search(sheet) is not None


def _values(data: bytes, *, results: bool) -> list[tuple[str, Numbered]]:
    from openpyxl import load_workbook

    loaded = load_workbook(io.BytesIO(data), read_only=True, data_only=results)
    with closing(loaded) as book:
        return [(sheet.title, list(_rows(sheet))) for sheet in _worksheets(book)]


def _worksheets(book: "Workbook") -> list[Any]:
    sheets: list[Any] = book.worksheets
    if not sheets:
        raise ValueError("it has no sheets")
    for sheet in sheets:
        # The size that a sheet declares is often that of another one, or of its first cell.
        sheet.reset_dimensions()
    return sheets


def _rows(sheet: Any) -> Iterator[tuple[int, Cells]]:
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = [_text(value) for value in values]
        if any(cells):
            yield number, cells


def _with_formulas(
    results: list[tuple[str, Numbered]], formulas: list[tuple[str, Numbered]]
) -> list[tuple[str, Numbered]]:
    """Show a formula whose result was not saved with it, so that it is no blank cell."""
    joined = []
    for (title, rows), (_, written) in zip(results, formulas, strict=True):
        shown = dict(rows)
        joined.append((title, [(n, _shown(shown.get(n, []), cells)) for n, cells in written]))
    return joined


def _shown(results: Cells, written: Cells) -> Cells:
    padded = [*results, *[""] * len(written)]
    return [
        cell if cell or not text.startswith("=") else text
        for cell, text in zip(padded, written, strict=False)
    ]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    return str(value).strip()
