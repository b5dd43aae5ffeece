"""Files that are whole or absent, and folders that one run writes at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from filelock import BaseFileLock, FileLock, Timeout

from reebayes.errors import ResultError

LEFTOVER_SECONDS = 3600
"""Age at which the temporary file of a run that was killed is removed; writing takes seconds."""


def write_whole(target: Path, write: Callable[[Path], object]) -> Path:
    """Write a file whole or not at all: under a temporary name beside it, then renamed.

    Parameters
    ----------
    target : Path
        The file; its folder is made if missing.
    write : callable
        Writes the content to the path that it is given.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        If the file cannot be written.
    """
    temporary = _beside(target, f"{os.getpid()}-{token_hex(3)}.part")
    make_folder(target.parent)
    try:
        _clear(target)
        write(temporary)
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
    except (OSError, RuntimeError) as error:
        raise ResultError(f"{target}: cannot be written ({error}).") from error
    finally:
        with suppress(OSError):  # where nothing can be written, nothing can be removed
            temporary.unlink(missing_ok=True)
    return target


def _beside(target: Path, ending: str) -> Path:
    """Return a hidden name beside a file."""
    if target.name in ("", ".."):
        raise ResultError(f"'{target}': give the name of a file, not of a folder.")
    if not str(target).isascii() and str(target) != str(target).encode("utf-8", "replace").decode():
        raise ResultError(f"{target}: the name is no text in UTF-8; write elsewhere.")
    return target.with_name(f".{target.name}.{ending}")


def _clear(target: Path) -> None:
    """Remove what a run that was killed has left of the same file."""
    begin, now = f".{target.name}.", time.time()
    for path in target.parent.iterdir():
        old = path.name.startswith(begin) and path.name.endswith(".part")
        if old and path.is_file() and now - path.stat().st_mtime > LEFTOVER_SECONDS:
            path.unlink(missing_ok=True)


@contextmanager
def sole_writer(target: Path) -> Iterator[None]:
    """Keep other runs from writing a file while this one makes it.

    The lock lies beside the file and ends with the process that holds it, however that ends.

    Parameters
    ----------
    target : Path
        The file, or folder, to be written.

    Raises
    ------
    ResultError
        If another run holds it, or nothing can be written there.
    """
    path = _beside(target, "lock")
    make_folder(target.parent)
    try:
        lock = _held(path)
    except Timeout as error:
        raise ResultError(
            f"{target}: another run is writing it. Wait until that has ended, or write elsewhere."
        ) from error
    except OSError as error:
        raise ResultError(f"{target}: cannot be written ({error}).") from error
    try:
        yield
    finally:
        with suppress(OSError):  # where an open file cannot be removed, it stays
            path.unlink()
        lock.release()


def _held(path: Path) -> BaseFileLock:
    """Lock a file that no other process has locked.

    Raises
    ------
    Timeout
        If one has.
    """
    while True:
        held: list[os.stat_result] = []
        lock = FileLock(path, blocking=False, on_acquired=lambda fd: held.append(os.fstat(fd)))  # noqa: B023
        lock.acquire()
        # Whoever held it removed the file before letting go, so this may be the old one.
        if path.exists() and os.path.samestat(held[0], path.stat()):
            return lock
        lock.release()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises
    ------
    ResultError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{folder}: cannot be made ({error}).") from error
