"""Files that are whole or absent, and folders that one run writes at a time.

What is written are plain files in plain folders. A link is written through: what it leads to is
replaced or made, and it stays a link.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from filelock import BaseFileLock, FileLock, Timeout

from reebayes.errors import ReebayesError, ResultError

LEFTOVER_SECONDS = 3600
"""Age at which the temporary file of a run that was killed is removed; writing takes seconds."""

FILE, FOLDER = "file", "folder"

_KINDS = (
    (stat.S_ISREG, FILE),
    (stat.S_ISDIR, FOLDER),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
)

_LOCKLESS = ("ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK")
"""Errors of file systems that cannot lock a file; other errors are of a place or a right."""

_log = logging.getLogger(__name__)


def kind_of(path: Path) -> str:
    """Return what stands at a path, links followed: `FILE`, `FOLDER`, ``"pipe"``; empty if nothing.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        A noun for a sentence; empty also where nobody may look, which writing will tell.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "link that leads back to itself" if error.errno == errno.ELOOP else ""
    except ValueError:  # no name that a file can have
        return ""
    return next((noun for is_kind, noun in _KINDS if is_kind(mode)), "device")


def plain_file(target: Path) -> Path:
    """Return the plain file that is to be written: the one named, or what a link leads to.

    Parameters
    ----------
    target : Path
        The file, which may be new, as its folder may.

    Raises
    ------
    ResultError
        If a folder, pipe, device or socket stands there, or where its folder should.
    """
    _require_name(target)
    plain_folder(target.parent)
    kind = kind_of(target)
    if kind == FOLDER:
        raise ResultError(f"{target} is a folder; give the name of a file in it.")
    if kind not in ("", FILE):
        raise ResultError(f"{target} is a {kind}; give the name of a file, which may be new.")
    place = _followed(target)
    plain_folder(place.parent)
    return place


def plain_folder(folder: Path) -> Path:
    """Return the folder that is to be written into: the one named, or what a link leads to.

    Parameters
    ----------
    folder : Path
        It may be new, as those above it may.

    Raises
    ------
    ResultError
        If something that is no folder stands there, or above.
    """
    place = _followed(folder)
    for path in (folder, *folder.parents, place, *place.parents):
        kind = kind_of(path)
        if kind not in ("", FOLDER):
            raise ResultError(f"{path} is a {kind}; give the name of a folder, which may be new.")
    return place


def require_kept_code() -> None:
    """Refuse to begin where compiled code can be kept nowhere: the compiler would fail later.

    Raises
    ------
    ReebayesError
        If neither the folder of the package nor that of the user can be written.
    """
    import numba  # takes a while to load, and most commands compile nothing

    def anything() -> None:
        return None

    try:
        numba.njit(cache=True)(anything)
    except RuntimeError as error:
        raise ReebayesError(
            "Compiled code can be kept neither beside the package nor in your home folder; set "
            "NUMBA_CACHE_DIR to a folder that can be written."
        ) from error


def _followed(path: Path) -> Path:
    """Return where a path leads when every link is followed, whether or not it is there."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # such as a working folder that is gone; writing will tell
        return path


def write_text_whole(target: Path, text: str) -> Path:
    """Write a text whole or not at all, its line ends as they are; see `write_whole`."""
    return write_whole(target, lambda place: place.write_bytes(text.encode()))


def write_whole(target: Path, write: Callable[[Path], object]) -> Path:
    """Write a file whole or not at all: under a temporary name beside it, then renamed.

    Parameters
    ----------
    target : Path
        The file, or a link to it; its folder is made if missing.
    write : callable
        Writes the content to the path that it is given.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        If the file cannot be written, or what stands there is no plain file.
    """
    place = plain_file(target)
    temporary = _beside(place, f"{os.getpid()}-{token_hex(3)}.part")
    make_folder(place.parent)
    try:
        _clear(place)
        write(temporary)
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(place)
    except (OSError, RuntimeError) as error:
        raise ResultError(f"{target}: cannot be written ({error}).") from error
    finally:
        with suppress(OSError):  # where nothing can be written, nothing can be removed
            temporary.unlink(missing_ok=True)
    return target


def _require_name(target: Path) -> None:
    """Refuse a path without a name, or with one that libraries cannot take."""
    if target.name in ("", ".."):
        raise ResultError(f"'{target}': give the name of a file, not of a folder.")
    if not str(target).isascii() and str(target) != str(target).encode("utf-8", "replace").decode():
        raise ResultError(f"{target}: the name is no text in UTF-8; write elsewhere.")


def _beside(place: Path, ending: str) -> Path:
    """Return a hidden name beside a file."""
    return place.with_name(f".{place.name}.{ending}")


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

    The lock lies beside the file and ends with the process that holds it, however that ends. On a
    file system that has no locks, a line in the log says that nothing is kept.

    Parameters
    ----------
    target : Path
        The file, or folder, to be written, or a link to it.

    Raises
    ------
    ResultError
        If another run holds it, or nothing can be written there.
    """
    _require_name(target)
    place = _followed(target)
    path = _beside(place, "lock")
    make_folder(place.parent)
    try:
        lock = _held(path)
    except Timeout as error:
        raise ResultError(
            f"{target}: another run is writing it. Wait until that has ended, or write elsewhere."
        ) from error
    except (OSError, NotImplementedError) as error:
        if not _is_lockless(error):
            raise ResultError(f"{target}: cannot be written ({error}).") from error
        _log.warning(
            f"{target}: its file system has no locks; let no other run write it meanwhile."
        )
        lock = None
    try:
        yield
    finally:
        _let_go(path, lock)


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


def _is_lockless(error: OSError | NotImplementedError) -> bool:
    """Return whether a file system has no locks, or this system has none at all."""
    if isinstance(error, NotImplementedError):
        return True
    return errno.errorcode.get(error.errno or 0) in _LOCKLESS


def _let_go(path: Path, lock: BaseFileLock | None) -> None:
    """Remove the file of a lock, and let go of it: in this order, or two could hold it next."""
    try:
        path.unlink(missing_ok=True)
        removed = True
    except OSError:
        removed = False
    if lock is not None:
        lock.release()
    if not removed:  # where an open file cannot be removed, nor can one that the next run holds
        with suppress(OSError):
            path.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises
    ------
    ResultError
        If it cannot be made, or what stands there is no folder.
    """
    try:
        plain_folder(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{folder}: cannot be made ({error}).") from error
