"""Who does the work: this process, worker processes of this machine, or a Dask cluster.

A worker that dies takes the case with it that it was doing, and no other: each process of this
machine does one at a time.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from contextlib import contextmanager, suppress
from math import nan
from multiprocessing import connection
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from reebayes.errors import ReebayesError
from reebayes.experiments.cases import Case, Outcome, Work
from reebayes.provenance import asked_for, differing
from reebayes.wording import install_line, listed

TRIES = 3
"""Workers that may die of a case before it is given up."""

_PATIENCE = "10s"  # for a cluster to answer
_AHEAD = 4  # cases waiting at each thread of a cluster: enough to keep it busy, few to lose
_LOOK = 2.0  # seconds between looks at whether the scheduler is still there

type Doing = Hashable
"""What stands for a case that was handed out."""

type Line = connection.Connection[Any, Any]


class WorkerDiedError(Exception):
    """The worker that did a case is gone."""


class Workers(Protocol):
    """Those who do cases; they are asked and waited for by one thread."""

    @property
    def room(self) -> int:
        """How many cases they take at a time."""

    @property
    def tries(self) -> int:
        """How often a case may be handed out whose worker died."""

    def submit(self, case: Case, rank: int) -> Doing:
        """Hand out a case; one of lower rank comes first."""

    def wait(self, doing: Collection[Doing]) -> Iterable[Doing]:
        """Wait until some are done, and return these."""

    def outcome(self, done: Doing) -> Outcome:
        """Return what came of one that is done.

        Raises
        ------
        WorkerDiedError
            If its worker died; it may be handed out again.
        """


@contextmanager
def workers_at(count: int | None, scheduler: str | None, most: int) -> Iterator[Workers]:
    """Have workers as long as the context lasts.

    Parameters
    ----------
    count : int, optional
        Processes of this machine, as many as it has cores if left out; 0 for this process itself.
    scheduler : str, optional
        Address of a Dask cluster to use instead.
    most : int
        Processes that have anything to do.

    Raises
    ------
    ReebayesError
        If a cluster cannot be reached, or a process cannot be started.
    """
    if scheduler is not None:
        with _cluster(scheduler) as cluster:
            yield cluster
    elif count == 0:
        yield ThisProcess()
    else:
        processes = Processes(min(count or os.cpu_count() or 1, most))
        try:
            yield processes
        finally:
            processes.close()


def done_here(work: Work, arguments: tuple[Any, ...], cores: int | None) -> Outcome:
    """Do the work of a case; whatever goes wrong with it is its outcome, and stops no other."""
    begin = time.perf_counter()
    arrays, fault = {}, ""
    try:
        with threadpool_limits(1):  # or the last digits of sums hang on who works
            arrays = dict(work(*arguments, cores=cores))
    except Exception as error:  # noqa: BLE001
        kind = "" if isinstance(error, ReebayesError) else f"{type(error).__name__}: "
        fault = f"{kind}{error}"
    return Outcome(arrays, time.perf_counter() - begin, fault)


def done_there(code: Mapping[str, Any], work: Work, arguments: tuple[Any, ...]) -> Outcome:
    """Do the work of a case on another machine, if that has the code that was asked for."""
    other = differing(_code(), code)
    if other:
        return Outcome({}, nan, f"the worker's {listed(other)} differ; install the same there")
    return done_here(work, arguments, 1)


def _code() -> dict[str, Any]:
    """What of this installation outcomes depend on."""
    return asked_for("")


# --- this process -------------------------------------------------------------------------------


class ThisProcess:
    """One case after another, each on all cores."""

    room = tries = 1

    def submit(self, case: Case, rank: int) -> Doing:
        """Keep it until it is waited for: what was done before is written first."""
        return case

    def wait(self, doing: Collection[Doing]) -> Iterable[Doing]:
        """Return at once: there is one, and asking for its outcome does it."""
        return list(doing)

    def outcome(self, done: Doing) -> Outcome:
        """Do it."""
        assert isinstance(done, Case)
        return done_here(done.work, done.arguments, None)


# --- processes of this machine ------------------------------------------------------------------


class Processes:
    """Processes, each of which does one case at a time on one core; one that dies is replaced."""

    tries = TRIES

    def __init__(self, count: int) -> None:
        self.room = count
        self._idle: list[_Process] = []
        self._busy: dict[Doing, _Process] = {}
        try:
            for _ in range(count):
                self._idle.append(_Process())
            for process in self._idle:
                process.greet()
        except BaseException:
            self.close()
            raise

    def submit(self, case: Case, rank: int) -> Doing:
        """Hand a case to an idle process."""
        process = self._idle.pop()
        try:
            process.line.send((case.work, case.arguments))
        except OSError:  # it died while it was idle
            process = process.replaced()
            process.line.send((case.work, case.arguments))
        self._busy[process.line] = process
        return process.line

    def wait(self, doing: Collection[Doing]) -> Iterable[Doing]:
        """Wait for the first that are done, or whose process died."""
        return connection.wait([process.line for process in self._busy.values()])

    def outcome(self, done: Doing) -> Outcome:
        """Return what came of it; a process that died doing it is replaced."""
        process = self._busy.pop(done)
        try:
            found: Outcome = process.line.recv()
        except (EOFError, OSError) as error:
            process = process.replaced()
            raise WorkerDiedError from error
        finally:
            self._idle.append(process)
        return found

    def close(self) -> None:
        """End all processes; what they are doing is lost."""
        for process in (*self._idle, *self._busy.values()):
            process.end()


class _Process:
    """A process with a line to it."""

    def __init__(self) -> None:
        # Forking a process that has threads can hang; a fresh interpreter cannot.
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # or its end would not be heard

    def greet(self) -> None:
        """Wait until it is there."""
        try:
            self.line.recv()
        except (EOFError, OSError) as error:
            raise ReebayesError(
                "A worker process ended before it began. In a script, what starts workers must "
                "stand below `if __name__ == '__main__':`."
            ) from error

    def replaced(self) -> _Process:
        """Return another one in its place."""
        self.end()
        other = _Process()
        other.greet()
        return other

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()
        self.line.close()


def _serve(line: Line) -> None:
    """Do what comes along the line, until the process at its other end is gone."""
    # interruptions are for the process that started this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)  # also in the middle of a case

    threading.Thread(target=follow, daemon=True).start()
    with suppress(EOFError, OSError):
        line.send(None)
        while True:
            work, arguments = line.recv()
            line.send(done_here(work, arguments, 1))


# --- a cluster ----------------------------------------------------------------------------------


class Cluster:
    """A Dask cluster, whose scheduler hands a case out again if its worker dies."""

    tries = 1  # the scheduler has tried before it tells

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._executor = client.get_executor(pure=False)

    @property
    def room(self) -> int:
        """A few for each thread that there is now."""
        with self._there():
            threads: dict[str, int] = self._client.nthreads()
        return _AHEAD * max(1, sum(threads.values()))

    def submit(self, case: Case, rank: int) -> Doing:
        """Hand a case to the scheduler."""
        key = f"{case.work.__name__}-{case.digest}"
        given = (done_there, _code(), case.work, case.arguments)
        with self._there():
            doing: Doing = self._executor.submit(*given, key=key, priority=-rank)
        return doing

    def wait(self, doing: Collection[Doing]) -> Iterable[Doing]:
        """Wait for the first that is done, or for the end of the scheduler."""
        futures: Any = doing
        while not (done := wait(futures, _LOOK, return_when=FIRST_COMPLETED).done):
            with self._there():
                self._client.nthreads()
        return done

    def outcome(self, done: Doing) -> Outcome:
        """Return what came of it."""
        from distributed import KilledWorker

        future: Any = done
        try:
            with self._there():
                found: Outcome = future.result()
        except KilledWorker as error:
            raise WorkerDiedError from error
        return found

    @contextmanager
    def _there(self) -> Iterator[None]:
        """Tell of a scheduler that is gone."""
        try:
            yield
        except (OSError, CancelledError, TimeoutError) as error:
            raise ReebayesError(
                f"The Dask scheduler at {self._address} is gone. What was finished is kept: run "
                "the same command again."
            ) from error


@contextmanager
def _cluster(address: str) -> Iterator[Cluster]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ReebayesError(
            "--scheduler needs Dask, here and on the workers; in the clone: "
            + install_line("distributed")
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise ReebayesError(f"No Dask scheduler answers at {address} ({error}).") from error
    with client, _quiet("distributed.client"):
        yield Cluster(client, address)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a library from printing tracebacks of what is told in a sentence."""
    log = logging.getLogger(name)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
