"""Files as grids of text: CSV in the encodings that offices use, and workbooks."""

import csv
import hashlib
import io
import zlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from reebayes.errors import Fault, StudyError
from reebayes.study import read_bytes

CHINESE = ("商品编码", "Trading partner")
"""Words in the header of a file that is in the Chinese encoding, if it is not in UTF-8."""

MOST_UNPACKED = 500_000_000

type Rows = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Grid:
    """Rows of text of a file or sheet, with their line numbers; blank rows are left out."""

    sheet: str
    rows: Rows


@dataclass(frozen=True)
class Document:
    """A file: its grids (one, or one a sheet) and a digest of its bytes."""

    name: str
    grids: list[Grid]
    digest: str


def read_document(path: Path) -> Document:
    """Read a CSV file or a workbook.

    Raises
    ------
    StudyError
        If it cannot be read.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        fault = Fault(str(path), None, "", "", f"file cannot be read: {error.strerror}")
        raise StudyError([fault]) from error
    grids = _sheets(path, data) if data[:2] == b"PK" else [Grid("", _rows(path, _text(data)))]
    return Document(str(path), grids, hashlib.sha256(data).hexdigest())


def _text(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030", errors="replace")
    return text if any(word in text for word in CHINESE) else data.decode("latin-1")


def _rows(path: Path, text: str) -> Rows:
    head = "\n".join(text.splitlines()[:20])
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, begin = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((begin, [cell.strip() for cell in cells]))
            begin = reader.line_num + 1
    except csv.Error as error:
        fault = Fault(str(path), begin, "", "", f"row cannot be read as CSV ({error})")
        raise StudyError([fault]) from error
    return rows


def _sheets(path: Path, data: bytes) -> list[Grid]:
    # Imported here: few files are workbooks, and the library takes a while to load.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    broken = (BadZipFile, InvalidFileException, LookupError, ValueError, TypeError,
              AttributeError, SyntaxError, EOFError, OSError, NotImplementedError, zlib.error,
              RuntimeError)  # fmt: skip
    try:
        _check_size(data)
        with closing(load_workbook(io.BytesIO(data), read_only=True, data_only=True)) as book:
            return [Grid(sheet.title, _sheet_rows(sheet)) for sheet in book.worksheets]
    # What a damaged workbook makes of the libraries that unpack it is not only theirs to name.
    except broken as error:
        fault = Fault(str(path), None, "", "", f"file is no workbook that can be read ({error})")
        raise StudyError([fault]) from error


def _check_size(data: bytes) -> None:
    """Refuse an archive that says it is far larger than its file, before it is unpacked."""
    with ZipFile(io.BytesIO(data)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MOST_UNPACKED:
        raise ValueError(f"it unpacks to {size / 1e6:,.0f} MB")


def _sheet_rows(sheet: Any) -> Rows:
    numbered = enumerate(sheet.iter_rows(values_only=True), 1)
    texts = ((number, [_cell(value) for value in values]) for number, values in numbered)
    return [(number, cells) for number, cells in texts if any(cells)]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
