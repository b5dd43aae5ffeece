"""Files as grids of text: CSV in the encodings that offices use, and workbooks."""

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

from reebayes.customs.containers import (
    UTF16,
    has_controls,
    is_workbook,
    refuse_other,
    refused,
    unpacked,
)
from reebayes.customs.workbooks import read_sheets
from reebayes.errors import Fault, StudyError
from reebayes.study import read_bytes

CHINESE = ("商品编码", "贸易伙伴", "Trading partner", "国家", "千克")
"""Words of a file that is in the Chinese encoding, if it is not in UTF-8."""

JAPANESE = ("品名", "輸出", "輸入", "単位", "国名")
SEPARATORS = ",;\t|"
LINES_COUNTED = 20
_JUDGED = 10_000

type Rows = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Grid:
    """Rows of text of a file or sheet, with their line numbers; blank rows are left out.

    ``separator`` is what stood between the cells; empty for a sheet.
    """

    sheet: str
    rows: Rows
    separator: str = ""


@dataclass(frozen=True)
class Document:
    """A file: its grids (one, or one a sheet) and a digest of its bytes."""

    name: str
    grids: list[Grid]
    digest: str


def read_document(path: Path) -> Document:
    """Read a CSV file or a workbook, packed or not.

    Raises
    ------
    StudyError
        If it cannot be read, is no table, or is empty.
    """
    name = str(path)
    try:
        data = read_bytes(path)
    except OSError as error:
        fault = Fault(name, None, "", "", f"file cannot be read: {error.strerror}")
        raise StudyError([fault]) from error
    return Document(name, _grids(name, unpacked(name, data)), hashlib.sha256(data).hexdigest())


def _grids(name: str, data: bytes) -> list[Grid]:
    if is_workbook(data):
        grids = [Grid(title, rows) for title, rows in read_sheets(name, data)]
    else:
        refuse_other(name, data)
        grids = [_csv_grid(name, _text(name, data))]
    if not any(grid.rows for grid in grids):
        message = "file is empty; the download may have failed, or the query found nothing"
        raise StudyError([Fault(name, None, "", "", message)])
    return grids


def _text(name: str, data: bytes) -> str:
    """Decode text; an encoding other than Unicode is known by the words it gives."""
    if data[:2] in UTF16:
        text = data.decode("utf-16", errors="replace")
    else:
        text = _decoded(data)
    if has_controls(text) or not _mostly_plain(text):
        raise refused(name, "in no known encoding", "save it as CSV in UTF-8")
    return text


def _mostly_plain(text: str) -> bool:
    """Return whether text of one byte a letter has the figures and signs of a table."""
    latin = sum("\xa0" <= char <= "\xff" for char in text[:_JUDGED])
    return latin <= len(text[:_JUDGED]) / 2


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    for encoding, words in (("gb18030", CHINESE), ("cp932", JAPANESE)):
        text = data.decode(encoding, errors="replace")
        if any(word in text for word in words):
            return text
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _csv_grid(name: str, text: str) -> Grid:
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, begin = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and not _names_separator(cells):
                rows.append((begin, [_unwrapped(cell.strip()) for cell in cells]))
            begin = reader.line_num + 1
    except csv.Error as error:
        fault = Fault(name, begin, "", "", f"row cannot be read as CSV ({error})")
        raise StudyError([fault]) from error
    return Grid("", rows, separator)


def _separator(text: str) -> str:
    """Return the separator that a first line ``sep=;`` names, or that stands most often."""
    lines = text.splitlines()[:LINES_COUNTED]
    if lines and (named := re.fullmatch(r"\"?sep=(.)\"?", lines[0].strip(), re.IGNORECASE)):
        return named[1]
    head = re.sub(r'"[^"]*"', "", "\n".join(lines))
    return max(SEPARATORS, key=head.count)


def _names_separator(cells: list[str]) -> bool:
    return cells[0].strip().casefold().startswith("sep=") and not any(cells[1:])


def _unwrapped(cell: str) -> str:
    """Return the text of ``="0284"``, as cells are written that a spreadsheet must not change."""
    return cell[2:-1].strip() if cell[:2] == '="' and cell[-1:] == '"' else cell
