"""How a command ends, and what it prints on the way."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

DONE, WRONG_INPUT, NOT_CONVERGED, INTERRUPTED, UNREAD = 0, 2, 3, 130, 141

EXIT_CODES = """
exit codes:
  0  done
  2  the input is wrong, and every fault is listed with its file, row and column; or a file
     cannot be read or written; or a fit needs more memory than there is, and was not started
  3  the fit did not converge; it is saved and marked, and there is no report
"""


def unread(code: int = UNREAD) -> int:
    """Drop what could not be printed, which Python would try, and fail, to print on its way out."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def say(text: str) -> None:
    """Print what was done or found."""
    _print(sys.stdout, text)


def say_written(paths: Iterable[Path]) -> None:
    """Print which files were written."""
    say("\n".join(f"{path}: written." for path in paths))


def complain(text: str) -> None:
    """Print what is wrong, on standard error."""
    _print(sys.stderr, text)


def _print(stream: TextIO, text: str) -> None:
    """Print text that may come from a file: what a terminal would obey, or lacks, is spelt out."""
    shown = (char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)
    coding = stream.encoding or "utf-8"
    stream.write("".join(shown).encode(coding, "backslashreplace").decode(coding) + "\n")
