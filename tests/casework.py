"""Work for tests of the engine: what a worker process imports, and no more."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from reebayes.errors import FitError
from reebayes.experiments.cases import Case


def draws(number: int, seconds: float, *, cores: int | None) -> dict[str, Any]:
    """Draws that hang on the number alone."""
    time.sleep(seconds)
    values = np.random.default_rng(number).standard_normal((2, 50))
    return {"draws": values, "sum": np.linalg.svd(values)[1].sum()}


def failing(number: int, *, cores: int | None) -> dict[str, Any]:
    """Fail, in one of two ways."""
    if number % 2:
        raise FitError("The density has no usable curvature.")
    return {"draws": np.linalg.inv(np.zeros((2, 2)))}


def deadly(folder: Path, lives: int, *, cores: int | None) -> dict[str, Any]:
    """Kill the worker, until as many have died of it as it takes."""
    died = len(list(folder.iterdir()))
    if died < lives:
        (folder / str(died)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"died": died}


def cases(count: int, seconds: float = 0.0) -> list[Case]:
    """Cases that differ in a number."""
    return [
        Case(f"case {n}", {"number": n, "seconds": seconds}, draws, (n, seconds))
        for n in range(count)
    ]
