"""Commands that read a fit, as whole processes, in turn with those of an earlier checkout."""

import shutil
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.timing import Command, run_command

HERE = Path(__file__).parents[1]
COMMANDS = ("learnt", "export", "report")
ROUNDS = 3
NOT_CONVERGED = 3


@dataclass(frozen=True, slots=True)
class Program:
    """A checkout of the package, and the folder of its fit, its caches and what it writes."""

    checkout: Path
    folder: Path
    runs: dict[str, list[Command]] = field(default_factory=dict)

    @property
    def fit(self) -> Path:
        """File of its own fit: another version need not open it."""
        return self.folder / "fit.nc"

    def run(self, arguments: Sequence[str]) -> Command:
        """Run a command of this checkout with caches of its own."""
        own = {"PYTHONPATH": str(self.checkout),
               "NUMBA_CACHE_DIR": str(self.folder / "numba"),
               "PYTENSOR_FLAGS": f"base_compiledir={self.folder / 'pytensor'}"}  # fmt: skip
        return run_command(arguments, own, self.checkout)

    def make_fit(self, short: Sequence[str]) -> None:
        """Fit the study bundled with this checkout."""
        self.folder.mkdir()
        found = self.run(["fit", "--out", str(self.fit), "--seed", "1", *short])
        if found.code not in (0, NOT_CONVERGED):
            raise RuntimeError(f"fit: exit code {found.code}")

    def read(self, command: str, *, force: bool) -> None:
        """Run a command on the fit and note what it took; a failed one has no time."""
        more = {"learnt": [],
                "export": ["--to", "csv", "--out", str(self.folder / "tables")],
                "report": ["--out", str(self.folder / "report.html"), *["--force"] * force],
                }[command]  # fmt: skip
        found = self.run([command, str(self.fit), *more])
        if found.code:
            raise RuntimeError(f"{command}: exit code {found.code}")
        self.runs.setdefault(command, []).append(found)

    def summary(self) -> dict[str, Any]:
        """Seconds of the first run, medians of the others, peak memory, size of the file."""

        def median(what: str) -> dict[str, float]:
            return {
                name: statistics.median(getattr(run, what) for run in runs[1:])
                for name, runs in self.runs.items()
            }

        return {
            "first_seconds": {name: runs[0].seconds for name, runs in self.runs.items()},
            "seconds": median("seconds"),
            "processor": median("processor"),
            "peak": {name: max(run.gigabytes for run in runs) for name, runs in self.runs.items()},
            "megabytes": self.fit.stat().st_size / 1e6,
        }


def measure(
    folder: Path, earlier: Path | None, *, quick: bool = False, say: Callable[[str], None]
) -> dict[str, Any]:
    """Run ``learnt``, ``export`` and ``report`` on a fit of the bundled study.

    Parameters
    ----------
    folder : Path
        Where fits, caches and tables go.
    earlier : Path, optional
        Another checkout of the package, which fits for itself and takes turns with this one.
    quick : bool
        Short fits, and one round after the first.
    say : callable
        Told what is going on.

    Returns
    -------
    dict
        `Program.summary` of this checkout; of the ``earlier`` one with its ``commit``; and the
        ``ratio`` of the seconds of each command.
    """
    programs = {"now": Program(HERE, folder / "now")}
    if earlier is not None:
        _check(earlier)
        programs["earlier"] = Program(earlier, folder / "earlier")
    for name, program in programs.items():
        say(f"fit, {name}")
        program.make_fit(["--draws", "200"] if quick else [])
    _take_turns(list(programs.values()), 1 if quick else ROUNDS, force=quick, say=say)
    found = programs["now"].summary()
    if earlier is not None:
        found["earlier"] = programs["earlier"].summary() | {"commit": _commit(earlier)}
        found["ratio"] = ratios(found, found["earlier"])
    return found


def ratios(now: Mapping[str, Any], earlier: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of each command over those it took earlier."""
    return {name: now["seconds"][name] / earlier["seconds"][name] for name in COMMANDS}


def _take_turns(
    programs: Sequence[Program], rounds: int, *, force: bool, say: Callable[[str], None]
) -> None:
    # The first round fills the caches of compiled code and of the disk.
    for number in range(1 + rounds):
        say(f"readers, round {number} of {rounds}")
        for command in COMMANDS:
            # Every other round starts with the other program: none always comes second.
            for program in programs[:: -1 if number % 2 else 1]:
                program.read(command, force=force)


def _check(checkout: Path) -> None:
    if not (checkout / "reebayes" / "__main__.py").is_file():
        raise FileNotFoundError(f"{checkout} is no checkout of the package")


def _commit(checkout: Path) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    asked = [git, "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
