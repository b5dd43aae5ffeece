"""Many cases from end to end: found again, or handed out, done and kept.

The process that is called writes every file, whole or not at all: whatever is killed loses the
cases that were being done and nothing else, and a cluster needs no common disk.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from math import nan
from pathlib import Path

from reebayes.experiments.cases import Case, Outcome, read_outcome, write_outcome
from reebayes.experiments.progress import Meter
from reebayes.experiments.workers import Doing, WorkerDiedError, Workers, workers_at


def run_cases(
    cases: Iterable[Case],
    folder: Path | None,
    *,
    workers: int | None = 0,
    scheduler: str | None = None,
    noun: str = "refits",
    progress: bool = False,
) -> Iterator[tuple[Case, Outcome]]:
    """Do cases that have no file yet, and return all with what came of them, as they end.

    Parameters
    ----------
    cases : iterable of Case
        Those that matter most first.
    folder : Path, optional
        Where each outcome is kept as a small file, and found again; nowhere if None.
    workers : int, optional
        Processes of this machine, each with one core; as many as it has cores if None, and 0 for
        this process itself.
    scheduler : str, optional
        Address of a Dask cluster to use instead.
    noun : str
        What is counted, such as ``refits``.
    progress : bool
        Tell on standard error how many are done.

    Returns
    -------
    iterator of (Case, Outcome)
        Those found first. A case that fails, or of which several workers died, has an outcome with
        a fault.

    Raises
    ------
    ResultError
        If a file is damaged or cannot be written.
    ReebayesError
        If workers cannot be had, or the cluster is gone.
    """
    cases = list(cases)
    done = {case.name: folder is not None and case.file(folder).is_file() for case in cases}
    with Meter(noun, len(cases), sum(done.values()), show=progress) as meter:
        if folder is not None:
            yield from ((case, read_outcome(case.file(folder))) for case in cases
                        if done[case.name])  # fmt: skip
        todo = _by_digest(case for case in cases if not done[case.name])
        if not todo:
            return
        with workers_at(workers, scheduler, len(todo)) as these:
            for same, outcome in _ended(these, todo):
                if folder is not None and not outcome.fault:
                    write_outcome(same[0].file(folder), outcome)
                for case in same:
                    meter.tick()
                    yield case, outcome


_DEADLY = "every worker that tried it died, perhaps for want of memory"


def _by_digest(cases: Iterable[Case]) -> list[list[Case]]:
    """Cases that ask for the same stand together: it is done once."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.digest, []).append(case)
    return list(groups.values())


def _ended(workers: Workers, todo: Sequence[list[Case]]) -> Iterator[tuple[list[Case], Outcome]]:
    """Cases and their outcomes as they end.

    Workers have their next case before what they did is written.
    """
    waiting = deque(enumerate(todo))
    doing: dict[Doing, tuple[int, list[Case]]] = {}
    deaths: Counter[int] = Counter()
    ended: list[tuple[list[Case], Outcome]] = []
    while waiting or doing or ended:
        while waiting and len(doing) < workers.room:
            rank, same = waiting.popleft()
            doing[workers.submit(same[0], rank)] = rank, same
        yield from ended
        ended = []
        for future in workers.wait(doing) if doing else ():
            rank, same = doing.pop(future)
            try:
                ended.append((same, workers.outcome(future)))
            except WorkerDiedError:
                deaths[rank] += 1
                if deaths[rank] < workers.tries:
                    waiting.appendleft((rank, same))
                else:
                    ended.append((same, Outcome({}, nan, _DEADLY)))
