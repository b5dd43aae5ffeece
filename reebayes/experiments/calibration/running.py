"""Refits of simulated data sets as cases of the engine, in a folder that is for one run only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reebayes.errors import FitError, ResultError
from reebayes.experiments.calibration.refitting import Task, refit
from reebayes.experiments.cases import Case, read_outcome
from reebayes.experiments.engine import run_cases
from reebayes.files import plain_file, write_text_whole
from reebayes.provenance import asked_for, differing

SETTINGS = "run.json"
_TASKS = "tasks"


def run_tasks(
    tasks: Sequence[Task],
    folder: Path,
    *,
    workers: int | None,
    scheduler: str | None,
    progress: bool,
    fit: str = "",
) -> None:
    """Run the tasks that have no file yet, and write one file for each.

    Parameters
    ----------
    tasks : sequence of Task
        Of one study, seed and settings.
    folder : Path
    workers, scheduler, progress
        As in `run_cases`.
    fit : str
        Digest of the fit that the truths are drawn from, if they are.

    Raises
    ------
    ResultError
        If the folder holds the tasks of another run, or cannot be written.
    FitError
        If some tasks failed; the others are kept.
    ReebayesError
        If workers cannot be had, or the cluster is gone.
    """
    purpose = _purpose(tasks[0]) | ({"fit": fit} if fit else {})
    _claim(folder, purpose)
    done = run_cases(
        _cases(tasks, purpose), folder, workers=workers, scheduler=scheduler, progress=progress
    )
    faults = [f"{case.name}: {outcome.fault}" for case, outcome in done if outcome.fault]
    if faults:
        raise FitError(f"{len(faults)} of {len(tasks)} refits failed, first {faults[0]}")


def read_outcomes(folder: Path, kind: str) -> dict[int, dict[str, Any]]:
    """Read the outcomes of all finished tasks of one kind of data sets, by number.

    Raises
    ------
    ResultError
        If a file is damaged.
    """
    paths = sorted((folder / _TASKS / kind).glob("[0-9]*.npz"))
    found = {int(path.stem): read_outcome(path) for path in paths}
    return {number: {**one.arrays, "seconds": one.seconds} for number, one in found.items()}


def _cases(tasks: Iterable[Task], purpose: dict[str, Any]) -> list[Case]:
    return [
        Case(task.name, {**purpose, "task": task.name}, refit, (task,), f"{_TASKS}/{task.name}")
        for task in tasks
    ]


def _purpose(task: Task) -> dict[str, Any]:
    """What a folder is for."""
    # Under this name folders of earlier versions hold the sampler settings.
    return asked_for(task.study.hash, seed=task.seed, effort=task.settings.plain)


def _claim(folder: Path, purpose: dict[str, Any]) -> None:
    """Note what the folder is for, or refuse it if it is for something else."""
    path = folder / SETTINGS
    plain_file(path)  # whoever opens a pipe waits for a writer
    if not path.exists():
        text = json.dumps(purpose, indent=2) + "\n"
        write_text_whole(path, text)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: damaged ({error}). Choose another --out.") from error
    other = sorted(differing(found, purpose))
    if other:
        raise ResultError(
            f"{folder} holds another run: its {', '.join(other)} differ. Choose another --out, "
            "or delete the folder."
        )
