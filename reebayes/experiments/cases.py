"""A case of many: what it asks for, what came of it, and the small file that keeps that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from reebayes.errors import ResultError
from reebayes.files import plain_file, write_whole
from reebayes.provenance import digest_of

type Arrays = Mapping[str, Any]
"""Numbers, texts and arrays of them, by name."""

type Work = Callable[..., Arrays]
"""A function of a module that takes the arguments of a case, and ``cores`` that it may use."""

_SECONDS = "seconds"


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One case.

    Parameters
    ----------
    name : str
        As it is told.
    asked : mapping
        All that its outcome depends on, as `asked_for` returns it.
    work : Work
        What does it, in whatever process.
    arguments : tuple
        Sent to that process.
    place : str
        Its file below the folder, without suffix, if it is not named by its digest.
    """

    name: str
    asked: Mapping[str, Any]
    work: Work
    arguments: tuple[Any, ...]
    place: str = ""

    @property
    def digest(self) -> str:
        """Digest of all that is asked: cases of one digest have one outcome."""
        return digest_of(self.asked)

    def file(self, folder: Path) -> Path:
        """File that keeps its outcome."""
        return folder / f"{self.place or self.digest}.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a case.

    Parameters
    ----------
    arrays : Arrays
        Empty if nothing did.
    seconds : float
        How long the work took, where it was done.
    fault : str
        Why nothing came of it. Such an outcome has no file: the case is tried again the next time.
    """

    arrays: Arrays
    seconds: float
    fault: str = ""


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome whole or not at all; its file says nothing of when or where."""
    content = {**outcome.arrays, _SECONDS: outcome.seconds}

    def save(target: Path) -> None:
        with target.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **content)

    write_whole(path, save)


def read_outcome(path: Path) -> Outcome:
    """Read an outcome.

    Raises
    ------
    ResultError
        If the file is damaged.
    """
    plain_file(path)  # whoever opens a pipe waits for a writer
    try:
        with path.open("rb") as handle, np.load(handle) as stored:
            arrays = {name: stored[name] for name in stored.files}
        seconds = float(arrays.pop(_SECONDS))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ResultError(f"{path}: damaged ({error}). Delete it and run again.") from error
    return Outcome(arrays, seconds)
