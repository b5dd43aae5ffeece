"""Tables as CSV files and workbooks, in which text stays text."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from reebayes.files import plain_file, write_whole

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take text for a formula; it takes the wide forms in some languages."""


MOST_IN_CELL = 32_767


def write_csv(tables: Mapping[str, pd.DataFrame], folder: str | Path) -> list[Path]:
    """Write each table to ``<name>.csv`` in a folder.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Such as `export_tables` returns.
    folder : str or Path
        Made if missing.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ResultError
        If a file cannot be written.
    """
    return _write_each({
        Path(folder) / f"{name}.csv": partial(write_table, table, digits=6)
        for name, table in tables.items()
    })  # fmt: skip


def write_parquet(tables: Mapping[str, pd.DataFrame], folder: str | Path) -> list[Path]:
    """Write each table to ``<name>.parquet`` in a folder; a column keeps its type.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Such as `export_tables` returns. A column that mixes text and numbers becomes text.
    folder : str or Path
        Made if missing.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ResultError
        If a file cannot be written.
    """
    return _write_each({
        Path(folder) / f"{name}.parquet": partial(_write_parquet, table)
        for name, table in tables.items()
    })  # fmt: skip


def _write_each(writers: Mapping[Path, Callable[[Path], object]]) -> list[Path]:
    """Write several files, each whole; all places are looked at before the first is written."""
    for path in writers:
        plain_file(path)
    return [write_whole(path, write) for path, write in writers.items()]


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    _one_type_each(table).to_parquet(path, index=False)


def _one_type_each(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every column of several types written as text."""
    mixed = [
        str(name) for name in table
        if table[name].dtype == object and table[name].dropna().map(type).nunique() > 1
    ]  # fmt: skip
    return table.assign(**{str(name): table[name].map(str) for name in mixed})


def write_table(table: pd.DataFrame, path: Path, *, digits: int | None = None) -> None:
    """Write one table as a CSV file; text that a spreadsheet would run gets an apostrophe.

    Parameters
    ----------
    table : DataFrame
    path : Path
        The file.
    digits : int, optional
        Significant digits of numbers; all of them if left out.
    """
    inert = table.map(_inert_text).rename(columns=_inert_text)
    text = inert.to_csv(index=False, float_format=None if digits is None else f"%.{digits}g")
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _inert_text(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def write_xlsx(tables: Mapping[str, pd.DataFrame], path: str | Path) -> Path:
    """Write tables to one workbook, a sheet each.

    Text is stored as text: a citation that begins with ``=`` is never a formula.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Such as `export_tables` returns.
    path : str or Path
        The workbook.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        If the file cannot be written.
    """
    return write_whole(Path(path), partial(_save_book, tables))


def _save_book(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Save a workbook; if that fails, what the library left open is closed without a word."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        problem = _book_problem(tables, path)
        if problem:
            gc.collect()
    finally:
        sys.unraisablehook = hook
    if problem:
        raise OSError(problem)


def _book_problem(tables: Mapping[str, pd.DataFrame], path: Path) -> str:
    try:
        book = Workbook(write_only=True)
        for name, table in tables.items():
            sheet = book.create_sheet(name)
            sheet.freeze_panes = "A2"
            for row in _plain_rows(table):
                sheet.append([_inert_cell(sheet, value) for value in row])
        book.save(path)
    except OSError as error:
        return str(error)
    return ""


def _plain_rows(table: pd.DataFrame) -> Iterable[Sequence[object]]:
    yield [str(column) for column in table.columns]
    yield from table.astype(object).itertuples(index=False, name=None)


def _inert_cell(sheet: Any, value: object) -> object:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if not isinstance(value, str):
        return value
    text = ILLEGAL_CHARACTERS_RE.sub("", value)
    if len(text) > MOST_IN_CELL:
        text = f"{text[: MOST_IN_CELL - 6]} [cut]"
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    if value.startswith(FORMULA_STARTS):
        cell.quotePrefix = True
    return cell
