"""CSV files as rows of text: decoding, header and cells, every fault with its line."""

import csv
import errno
import io
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from unicodedata import category

from reebayes.errors import Fault
from reebayes.wording import nearest, quoted, suggestion

MOST_BYTES = 200_000_000
"""Tables are written by hand or by a script; a larger file is another file by mistake."""

# Marks that let text on a page read otherwise than it is stored.
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

MISSPELT = 0.85
"""How alike a column of another name must be to one that may be left out to be a slip."""

BARE = "file has a header but no rows"

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(slots=True)
class FaultList:
    """Faults found so far in one file."""

    table: str
    faults: list[Fault] = field(default_factory=list)

    def add(self, row: int | None, column: str, value: str, message: str) -> None:
        """Note one fault."""
        self.faults.append(Fault(self.table, row, column, value, message))


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: its line number and its cells by column, stripped.

    A broken row has too few or too many cells. What it seems to hold is kept, so that rows of other
    tables that name it are not blamed. ``lacking`` are columns that the file should have and has
    not, so that nothing is said of their cells.
    """

    row: int
    cells: dict[str, str]
    broken: bool = False
    lacking: frozenset[str] = frozenset()


def read_text(path: Path, faults: FaultList) -> str | None:
    """Return the text of a UTF-8 file, with or without byte order mark; None if it has none."""
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        faults.add(None, "", "", f"file is missing from {path.parent}")
        return None
    except OSError as error:
        faults.add(None, "", "", f"file cannot be read: {error.strerror}")
        return None
    if b"\0" in data:
        row = data.count(b"\n", 0, data.index(b"\0")) + 1
        faults.add(row, "", "", "file is not plain text; save it as text with UTF-8 encoding")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        byte = f"0x{data[error.start]:02x}"
        faults.add(row, "", byte, f"byte {byte} is not UTF-8; save the file with UTF-8 encoding")
        return None


def read_bytes(path: Path) -> bytes:
    """Return the content of an ordinary file of a size that a table can have.

    Raises
    ------
    OSError
        If it is none: a pipe or a device may never end.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EINVAL, "it is no ordinary file")
    if status.st_size > MOST_BYTES:
        size = f"it has {status.st_size / 1e6:,.0f} MB, and a table at most {MOST_BYTES / 1e6:,.0f}"
        raise OSError(errno.EFBIG, size)
    return path.read_bytes()


def read_lines(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str],
    faults: FaultList,
    *,
    only: bool = False,
) -> list[Line]:
    """Return the rows of a CSV file, as far as they can be read.

    Parameters
    ----------
    path : Path
        The file.
    required, optional : sequence of str
        Columns to keep. Other columns are left out.
    faults : FaultList
        Receives what is wrong with the file, its header or the shape of a row.
    only : bool
        Whether other columns are faults.
    """
    text = read_text(path, faults)
    if text is None:
        return []
    raw = list(_raw_rows(text, faults))
    if not raw:
        if not faults.faults:
            faults.add(None, "", "", f"file is empty; its first line must be {','.join(required)}")
        return []
    (row, header), *body = raw
    header = [name.strip() for name in header]
    if separator := _other_separator(header, required):
        advice = f"columns are separated by {SEPARATORS[separator]}; use commas"
        faults.add(row, "", separator, advice)
        return []
    lacking = frozenset(_lacking(row, header, required, optional, faults))
    if only:
        _refuse_others(row, header, (*required, *optional), faults)
    if not body and not faults.faults:
        faults.add(None, "", "", BARE)
    columns = (*required, *optional)
    wanted = {
        name: header.index(name) for name in columns if name in header and name not in lacking
    }
    blank = dict.fromkeys(lacking, "")
    lines = []
    for row, cells in body:
        good = _shape_is_good(row, cells, len(header), faults)
        padded = cells + [""] * len(header)
        values = blank | {name: padded[i].strip() for name, i in wanted.items()}
        lines.append(Line(row, values, broken=not good, lacking=lacking))
    return lines


def _raw_rows(text: str, faults: FaultList) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every row that is not blank."""
    # A quoted cell may hold line breaks, so a row begins one line after the last one ended.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begin = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        message = f"row cannot be read as CSV ({error}); look for a stray or unclosed quote"
        faults.add(begin, "", "", message)


def is_bare(faults: Sequence[Fault]) -> bool:
    """Return whether all that is wrong with a file is that it has no rows yet."""
    return [fault.message for fault in faults] == [BARE]


def _lacking(
    row: int,
    header: list[str],
    required: Sequence[str],
    optional: Sequence[str],
    faults: FaultList,
) -> Iterator[str]:
    """Yield the columns that a header should name once and does not; note each of them."""
    known = {name.casefold(): name for name in (*required, *optional)}
    written = {known[name.casefold()]: name for name in header if name.casefold() in known}
    others = [name for name in header if name and name.casefold() not in known]
    for name in (*required, *optional):
        seen = header.count(name)
        if seen == 1:
            continue
        if seen:
            message = f"column {name!r} is given {seen} times; keep one"
        elif name in written:
            message = f"column is headed {written[name]!r}; write {name!r}"
        elif name in required:
            message = f"column {name!r} is missing{_alike(name, others)}"
        elif meant := get_close_matches(name, others, n=1, cutoff=MISSPELT):
            message = f"column {quoted(meant[0])} is unknown; write {name!r}, or another name"
        else:
            continue
        faults.add(row, name, name if seen else written.get(name, ""), message)
        yield name


def _refuse_others(
    row: int, header: Sequence[str], columns: Sequence[str], faults: FaultList
) -> None:
    told = [fault.message for fault in faults.faults]
    for name in dict.fromkeys(header):
        if name and name not in columns and not any(quoted(name) in text for text in told):
            message = f"column {quoted(name)} is unknown. {suggestion(name, columns, show=20)}"
            faults.add(row, name, name, message)


def _alike(name: str, others: Sequence[str]) -> str:
    match = nearest(name, others)
    return f"; is it the one headed {quoted(match)}?" if match else ""


def _other_separator(header: list[str], required: Sequence[str]) -> str | None:
    """Return what separates the columns if it is no comma; None where it is, or nothing is."""
    text = ",".join(header)
    if all(name in header for name in required):
        return None
    return next((mark for mark in SEPARATORS if text.count(mark) > text.count(",")), None)


def _shape_is_good(row: int, cells: list[str], columns: int, faults: FaultList) -> bool:
    if len(cells) >= columns and not any(cell.strip() for cell in cells[columns:]):
        return True
    message = (
        f"row has {len(cells)} cells, the header {columns}; "
        "put text that contains a comma in double quotes and write empty cells as ,,"
    )
    faults.add(row, "", str(len(cells)), message)
    return False


def hidden_characters(text: str) -> list[str]:
    """Return the characters that free text may not hold: controls but line ends, and turns."""
    return [
        char for char in text if char in TURNS or (category(char) == "Cc" and char not in "\n\r\t")
    ]


def strange_characters(text: str) -> list[str]:
    """Return the characters of a name that cannot be seen: controls, format marks, odd spaces."""
    return [char for char in text if not char.isprintable()]
