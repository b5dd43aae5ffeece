"""Whole fits of ever larger studies: seconds, peak memory beside its estimate, and the verdict."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.copies import write_copies
from benchmarks.timing import run_command
from reebayes.inference.memory import memory_needed
from reebayes.inference.sampling import CHAINS, DRAWS, THIN, TUNE
from reebayes.model.layout import lay_out
from reebayes.results.fitfile import fit_attributes
from reebayes.study import read_study

COPIES = (1, 3, 10)
SAVED = ("converged", "rhat_max", "ess_bulk_min", "ess_tail_min", "divergences",
         "gradients_per_draw")  # fmt: skip

SHORT = {"draws": 4, "tune": 100}
"""Settings where only the first transitions are asked for."""

SHORT_FROM = 30
"""Copies from which a whole fit takes hours."""


def measure(
    folder: Path,
    copies: Sequence[int] = COPIES,
    *,
    linked: bool = False,
    quick: bool = False,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Fit copies of the bundled study side by side, each size in a process of its own.

    Parameters
    ----------
    folder : Path
        Where studies and fits go.
    copies : sequence of int
    linked : bool
        Whether the copies trade with one another.
    quick : bool
        First transitions only.
    say : callable
        Told what is going on.

    Returns
    -------
    dict
        ``copies``: for each number what `_fit_copies` returns; and ``three_over_one``, the ratio
        of their seconds, if both were measured.
    """
    caches = {"NUMBA_CACHE_DIR": str(folder / "numba")}
    _compile(caches, folder)
    found = {}
    for times in copies:
        say(f"{times} copies")
        found[str(times)] = _fit_copies(
            times, folder, caches, linked=linked, short=quick or times >= SHORT_FROM
        )
    known: dict[str, Any] = {"copies": found}
    if {"1", "3"} <= found.keys():
        known["three_over_one"] = found["3"]["seconds"] / found["1"]["seconds"]
    return known


def _compile(caches: dict[str, str], folder: Path) -> None:
    """Fill the caches of compiled code, so that no size pays for it."""
    out = folder / "compiled.nc"
    run_command(["fit", "--out", str(out), *_flags(SHORT)], caches)
    out.unlink(missing_ok=True)


def _flags(settings: dict[str, int]) -> list[str]:
    return [text for name, value in settings.items() for text in (f"--{name}", str(value))]


def _fit_copies(
    times: int, folder: Path, caches: dict[str, str], *, linked: bool, short: bool
) -> dict[str, Any]:
    """Seconds, gigabytes, exit code and verdict of one fit, and the gigabytes estimated for it."""
    data = write_copies(times, folder / f"copies_{times}", linked=linked)
    out = folder / f"{times}.nc"
    settings = SHORT if short else {}
    taken = run_command(
        ["fit", "--data", str(data), "--out", str(out), "--seed", "1", *_flags(settings)], caches
    )
    attrs = fit_attributes(out)
    megabytes = out.stat().st_size / 1e6 if out.is_file() else None
    out.unlink(missing_ok=True)
    return {
        "seconds": taken.seconds,
        "gigabytes": taken.gigabytes,
        "code": taken.code,
        "megabytes": megabytes,
        **_estimated(data, settings),
        **{name: _plain(attrs[name]) for name in SAVED if name in attrs},
        "wall_seconds": json.loads(attrs.get("wall_seconds", "{}")),
        "short": short,
    }


def _estimated(data: Path, settings: dict[str, int]) -> dict[str, Any]:
    layout = lay_out(read_study(data))
    draws, tune = settings.get("draws", DRAWS), settings.get("tune", TUNE)
    needed = memory_needed(
        layout, transitions=tune + THIN * draws, draws=draws, chains=CHAINS, in_file=True
    )
    return {"unknowns": layout.unknowns.size, "estimated": max(needed.values()) / 1e9}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
