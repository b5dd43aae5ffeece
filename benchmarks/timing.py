"""Seconds, memory and compilations of what is measured."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numba.core import event

from reebayes.model import kernels
from reebayes.provenance import PROVENANCE_PACKAGES, package_version

METER = Path(__file__).with_name("meter.py")


@dataclass(frozen=True, slots=True)
class Command:
    """Seconds of a command, those of the processor, gigabytes at its peak, and its exit code."""

    seconds: float
    processor: float
    gigabytes: float
    code: int


def run_command(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> Command:
    """Run ``reebayes`` with arguments as a process of its own; see `run_process`."""
    return run_process([sys.executable, "-m", "reebayes", *arguments], environment, folder)


def run_process(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> Command:
    """Run a process from start to end.

    Parameters
    ----------
    arguments : sequence of str
        The program and its arguments.
    environment : mapping
        Variables that differ from those of this process.
    folder : Path, optional
        Where to run it.

    Returns
    -------
    Command
    """
    told = subprocess.run(
        [sys.executable, "-I", "-S", str(METER), *arguments],
        env={**os.environ, **environment},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, processor, peak, code = told.stdout.split()
    # kilobytes, but bytes on a Mac
    gigabytes = float(peak) / (1e9 if sys.platform == "darwin" else 1e6)
    return Command(float(seconds), float(processor), gigabytes, int(code))


def best(call: Callable[[], object], *, seconds: float = 1.0, least: int = 5) -> float:
    """Seconds of the fastest of many calls: what a loaded machine adds is left out."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


@dataclass(slots=True)
class Compilations:
    """What was compiled, not read from a cache, while watched; and signatures that kernels gained.

    ``signatures`` counts those of all kernels.
    """

    names: list[str] = field(default_factory=list)
    signatures: int = 0


@contextmanager
def watch_compilations() -> Iterator[Compilations]:
    """Note every compilation by numba until the context ends."""
    seen = Compilations()
    before = signatures()
    with event.install_recorder("numba:compile") as recorder:
        yield seen
    seen.names += [
        str(record.data["dispatcher"].py_func.__name__)
        for _, record in recorder.buffer
        if record.is_start
    ]
    seen.signatures = sum(signatures().values()) - sum(before.values())


def signatures() -> dict[str, int]:
    """Signatures for which each kernel has been compiled or loaded in this process."""
    return {
        name: len(kernel.signatures)
        for name, kernel in vars(kernels).items()
        if hasattr(kernel, "signatures")
    }


def machine() -> dict[str, Any]:
    """Processor, cores, versions and date."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {
            name: package_version(name) for name in ("reebayes", "llvmlite", *PROVENANCE_PACKAGES)
        },
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
