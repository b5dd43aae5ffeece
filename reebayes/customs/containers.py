"""What a file is by its first bytes: text, a workbook, an archive, or nothing that is read."""

import gzip
import io
import re
import zlib
from zipfile import BadZipFile, ZipFile

from reebayes.errors import Fault, StudyError

MOST_UNPACKED = 500_000_000
GZIP, ZIP = b"\x1f\x8b", b"PK"
SAVE = "open it in a spreadsheet and save it as CSV or as .xlsx"
CONVERT = "read it with the program that wrote it and save it as CSV"

SIGNATURES = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls), or one with a password", SAVE),
    (b"%PDF", "a PDF document", "ask the site for CSV"),
    (b"PAR1", "a Parquet table", CONVERT),
    (b"ARROW1", "an Arrow table", CONVERT),
    (b"\x89HDF", "an HDF5 file", CONVERT),
    (b"SQLite format 3", "a database", CONVERT),
    (b"RDX", "an R workspace", CONVERT),
    (b"RDA", "an R workspace", CONVERT),
    (b"X\n\x00\x00", "an R object", CONVERT),
    (b"<stata_dta>", "a Stata data set", CONVERT),
    (b"$FL2", "an SPSS data set", CONVERT),
    (b"\x80\x04", "a Python object", CONVERT),
    (b"\x80\x05", "a Python object", CONVERT),
    (b"BZh", "a bzip2 archive", "unpack it first"),
    (b"\xfd7zXZ", "an xz archive", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"\x89PNG", "a picture", "ask the site for CSV"),
    (b"\xff\xd8\xff", "a picture", "ask the site for CSV"),
)
"""First bytes of files that are no tables of text, what they are, and what to do."""

UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LOOKED_AT = 65_536
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1a")) + b"\x7f"


def refused(name: str, what: str, advice: str) -> StudyError:
    """Return the error for a file that is something else than a table."""
    return StudyError([Fault(name, None, "", "", f"file is {what}, not a table of text; {advice}")])


def is_workbook(data: bytes) -> bool:
    """Return whether the bytes begin as those of an archive that may be a workbook."""
    return data[:2] == ZIP


def unpacked(name: str, data: bytes) -> bytes:
    """Return the one file that an archive holds; anything else as it is.

    Raises
    ------
    StudyError
        If an archive is damaged, too large, or holds several files.
    """
    if data[:2] == GZIP:
        return unpacked(name, _gunzipped(name, data))
    if data[:2] == ZIP:
        return _unzipped(name, data)
    return data


def _gunzipped(name: str, data: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as packed:
            text = packed.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise refused(name, f"a damaged gzip archive ({error})", "download it again") from error
    if len(text) > MOST_UNPACKED:
        raise refused(name, _too_large(len(text)), "ask the site for fewer lines")
    return text


def _too_large(size: int) -> str:
    return f"an archive that unpacks to {size / 1e6:,.0f} MB or more"


def _unzipped(name: str, data: bytes) -> bytes:
    """Return the file in a ZIP archive, or the archive itself if it is a workbook."""
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            names = {entry.filename for entry in entries}
            _refuse_documents(name, names)
            if "[Content_Types].xml" in names or any(n.startswith("xl/") for n in names):
                return data
            if len(entries) != 1:
                what = f"a ZIP archive of {len(entries)} files"
                raise refused(name, what, "unpack it and give the files")
            if entries[0].file_size > MOST_UNPACKED:
                size = _too_large(entries[0].file_size)
                raise refused(name, size, "ask the site for fewer lines")
            return archive.read(entries[0])
    except (BadZipFile, EOFError, zlib.error, RuntimeError, NotImplementedError, ValueError):
        return data  # what opens workbooks tells how it is damaged


def _refuse_documents(name: str, names: set[str]) -> None:
    if "xl/workbook.bin" in names:
        raise refused(name, "a binary Excel workbook (.xlsb)", SAVE)
    if "content.xml" in names:
        raise refused(name, "an OpenDocument file (.ods)", SAVE)
    if "word/document.xml" in names:
        raise refused(name, "a Word document", SAVE)


def refuse_other(name: str, data: bytes) -> None:
    """Refuse bytes that are no text, and text that is no table.

    Raises
    ------
    StudyError
        With what the file is and what to do.
    """
    for begin, what, advice in SIGNATURES:
        if data.startswith(begin):
            raise refused(name, what, advice)
    start = data[:_LOOKED_AT]
    if start[:2] not in UTF16 and start.translate(None, _CONTROLS) != start:
        raise refused(name, "binary", "ask the site for CSV, or " + SAVE)
    begin = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if begin[:1] in (b"{", b"["):
        advice = "ask the site for CSV, or load it as a data frame and save that as CSV"
        raise refused(name, "a reply of an interface in JSON", advice)
    if begin[:1] == b"<":
        page = any(word in begin for word in (b"<html", b"<table", b"<!doctype html", b"<body"))
        raise refused(name, "an HTML page" if page else "an XML document", SAVE)


def has_controls(text: str) -> bool:
    """Return whether decoded text holds control characters, as no table does."""
    return re.search(r"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f\x7f-\x9f]", text) is not None
