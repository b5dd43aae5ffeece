"""Many tasks: on worker processes or a cluster, one file each, none done twice.

The process that was called writes every file, under a temporary name that is then changed: one
that is killed loses the tasks in the air and nothing else, and a cluster needs no common disk.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from reebayes.errors import ReebayesError, ResultError
from reebayes.experiments.calibration.refitting import Task, refit, warm_up
from reebayes.experiments.progress import Meter
from reebayes.files import plain_file, write_whole
from reebayes.provenance import asked_for, differing

SETTINGS = "run.json"
_PATIENCE = "10s"  # for a cluster to answer
_AHEAD = 4  # tasks waiting at each worker: enough to keep it busy, few to lose


def run_tasks(
    tasks: Iterable[Task],
    folder: Path,
    *,
    workers: int | None,
    scheduler: str | None,
    progress: bool,
) -> None:
    """Run the tasks that have no file yet, and write one file for each.

    Parameters
    ----------
    tasks : iterable of Task
    folder : Path
    workers : int, optional
        Processes on this machine; as many as it has cores if left out.
    scheduler : str, optional
        Address of a Dask cluster to use instead.
    progress : bool
        Tell on standard error how many tasks are done.

    Raises
    ------
    ResultError
        If the folder holds the tasks of another run, or cannot be written.
    ReebayesError
        If a worker died, or the cluster cannot be reached.
    """
    tasks = list(tasks)
    _claim(folder, tasks)
    todo = [task for task in tasks if not task_file(folder, task.name).exists()]
    if not todo:
        return
    count = workers or os.cpu_count() or 1
    with _executor(count, scheduler) as executor:
        try:
            executor.submit(warm_up, todo[0]).result()
            with Meter("refits", len(tasks), len(tasks) - len(todo), show=progress) as meter:
                for task, outcome in _finished(executor, todo, _AHEAD * count):
                    write_outcome(task_file(folder, task.name), outcome)
                    meter.tick()
        except BrokenProcessPool as error:
            raise ReebayesError(
                "A worker process died, perhaps for want of memory. Tasks that were finished are "
                "kept: run the same command again, with fewer --workers."
            ) from error


def task_file(folder: Path, name: str) -> Path:
    """File that holds the outcome of a task."""
    return folder / "tasks" / f"{name}.npz"


def write_outcome(path: Path, outcome: Mapping[str, Any]) -> None:
    """Write the outcome of a task whole or not at all."""

    def save(target: Path) -> None:
        with target.open("wb") as handle:
            np.savez_compressed(handle, **outcome)

    write_whole(path, save)


def read_outcomes(folder: Path, kind: str) -> dict[int, dict[str, Any]]:
    """Read the outcomes of all finished tasks of one kind of data sets, by number.

    Raises
    ------
    ResultError
        If a file is damaged.
    """
    paths = sorted((folder / "tasks" / kind).glob("[0-9]*.npz"))
    return {int(path.stem): read_outcome(path) for path in paths}


def read_outcome(path: Path) -> dict[str, Any]:
    """Read the outcome of a task.

    Raises
    ------
    ResultError
        If the file is damaged.
    """
    plain_file(path)
    try:
        with path.open("rb") as handle, np.load(handle) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ResultError(f"{path}: damaged ({error}). Delete it and run again.") from error


def _claim(folder: Path, tasks: list[Task]) -> None:
    """Note what the folder is for, or refuse it if it is for something else."""
    first = tasks[0]
    # Under this name folders of earlier versions hold the sampler settings.
    purpose = asked_for(first.study.hash, seed=first.seed, effort=first.settings.plain)
    path = folder / SETTINGS
    plain_file(path)  # whoever opens a pipe waits for a writer
    if not path.exists():
        text = json.dumps(purpose, indent=2) + "\n"
        write_whole(path, lambda target: target.write_text(text, encoding="utf-8"))
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


def _finished(
    executor: Executor, tasks: list[Task], ahead: int
) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Tasks and their outcomes as they end; a few are handed out ahead of those that run."""
    waiting = iter(tasks)
    running: dict[Future[dict[str, Any]], Task] = {}
    try:
        while True:
            while len(running) < ahead and (task := next(waiting, None)) is not None:
                running[executor.submit(refit, task)] = task
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        for future in running:
            future.cancel()


@contextmanager
def _executor(workers: int, scheduler: str | None) -> Iterator[Executor]:
    if scheduler is not None:
        with _cluster(scheduler) as executor:
            yield executor
        return
    # Forking a process that has threads can hang; a fresh interpreter cannot.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context, initializer=_follow_parent)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leave interruptions to the process that started this worker, and end when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ReebayesError(
            "--scheduler needs Dask: pip install 'reebayes[distributed]', here and on the workers."
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise ReebayesError(f"No Dask scheduler answers at {address} ({error}).") from error
    with client:
        yield client.get_executor(pure=False)
