"""Processes that tests start and kill by their ids: a Dask cluster, and callers of the engine."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import psutil

from reebayes.experiments.cases import Case, Outcome
from reebayes.experiments.engine import run_cases

ROOT = Path(__file__).parents[1]

CALLER = """
import sys
from pathlib import Path
from reebayes.experiments.engine import run_cases
from tests.casework import cases
from tests.clusters import lines_of

if __name__ == "__main__":
    count, seconds, workers, scheduler, folder = sys.argv[1:]
    found = run_cases(cases(int(count), float(seconds)), Path(folder) / "cases",
                      workers=int(workers), scheduler=scheduler or None)
    (Path(folder) / "table.txt").write_text(lines_of(found))
"""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def lines_of(found: Iterable[tuple[Case, Outcome]]) -> str:
    """Every bit of every outcome, a line a case."""
    lines = []
    for case, outcome in found:
        bits = {name: np.asarray(values).tobytes().hex() for name, values in outcome.arrays.items()}
        lines.append(f"{case.name}: {outcome.fault}{sorted(bits.items())}")
    return "\n".join(sorted(lines))


def undisturbed(cases: Sequence[Case]) -> str:
    """The same of a run in this process, of cases that do not wait."""
    quick = [Case(case.name, case.asked, case.work, (case.arguments[0], 0.0)) for case in cases]
    return lines_of(run_cases(quick, None))


class Processes:
    """Processes that end with the context."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.started:
            process.kill()
            process.communicate()

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.started.append(process)
        return process

    @staticmethod
    def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() - begin < seconds, "nothing came of it"
            time.sleep(0.01)


class DaskCluster(Processes):
    """A scheduler and its workers, each a process with one thread."""

    def __init__(self, *, workers: int, port: int | None = None) -> None:
        super().__init__()
        self.port = port or free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self._dask("scheduler", "--host", "127.0.0.1", "--port", str(self.port))
        self.workers = [self.add_worker() for _ in range(workers)]
        self.wait_for(self._listens)

    def _listens(self) -> bool:
        """Whether the scheduler is there: a busy machine takes its time to start it."""
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def add_worker(self) -> subprocess.Popen[str]:
        return self._dask("worker", self.address, "--nthreads", "1", "--no-nanny")

    def _dask(self, what: str, *options: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard"]
        process = subprocess.Popen(
            [*program, *options], cwd=ROOT, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.started.append(process)
        return process


class Scene(Processes):
    """Callers that run cases into a folder, and what they leave there."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.killed = 0

    def caller(
        self, *, cases: int, seconds: float, workers: int = 0, scheduler: str = ""
    ) -> subprocess.Popen[str]:
        script = self.folder / "caller.py"
        script.write_text(CALLER)
        options = (cases, seconds, workers, scheduler, self.folder)
        return self.start([sys.executable, str(script), *map(str, options)])

    def files(self) -> int:
        """Cases that are finished."""
        return len(list((self.folder / "cases").glob("[!.]*.npz")))

    def wait_for_files(self, count: int) -> None:
        self.wait_for(lambda: self.files() >= count)

    def table(self) -> str:
        return (self.folder / "table.txt").read_text()

    @staticmethod
    def workers_of(caller: subprocess.Popen[str]) -> list[psutil.Process]:
        """Processes that do cases for a caller."""
        try:
            children = psutil.Process(caller.pid).children()
            return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:
            return []

    def run_and_kill(
        self,
        victims: Sequence[str],
        rng: np.random.Generator,
        *,
        cases: int,
        seconds: float,
        clustered: bool,
    ) -> None:
        """Run cases, and kill one after another, some cases and a random time after the last."""
        cluster = DaskCluster(workers=2) if clustered else None
        after = rng.integers(1, cases // (len(victims) + 2), len(victims))
        waits = rng.uniform(0.0, 2 * seconds, len(victims))
        options = {"cases": cases, "seconds": seconds, "workers": 2,
                   "scheduler": cluster.address if cluster else ""}  # fmt: skip
        caller = self.caller(**options)  # type: ignore[arg-type]
        try:
            for victim, count, wait in zip(victims, after, waits, strict=True):
                self.wait_for_files(self.files() + int(count))
                time.sleep(wait)
                caller, cluster = self._kill(victim, caller, cluster, options)
            caller.wait(timeout=120)
            assert caller.returncode == 0
        finally:
            if cluster:
                cluster.__exit__(None, None, None)

    def _kill(
        self,
        victim: str,
        caller: subprocess.Popen[str],
        cluster: DaskCluster | None,
        options: dict[str, object],
    ) -> tuple[subprocess.Popen[str], DaskCluster | None]:
        """Kill, and put what is needed in its place."""
        if victim == "scheduler" and cluster is None:
            return caller, None
        self.killed += 1
        if victim == "caller":
            caller.kill()
            caller.wait()
            return self.caller(**options), cluster  # type: ignore[arg-type]
        if cluster is None:
            self.wait_for(lambda: bool(self.workers_of(caller)))
            self.workers_of(caller)[0].kill()
        elif victim == "worker":
            cluster.workers.pop(0).kill()
            cluster.workers.append(cluster.add_worker())
        else:
            cluster.__exit__(None, None, None)
            _, told = caller.communicate(timeout=120)
            assert f"The Dask scheduler at {cluster.address} is gone. What was finished is" in told
            cluster = DaskCluster(workers=2, port=cluster.port)
            caller = self.caller(**options)  # type: ignore[arg-type]
        return caller, cluster
