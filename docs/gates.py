"""Compare a fit with gates, without their records, to the study: python docs/gates.py FOLDER.

Fits what FOLDER lacks, each in some minutes: the study with two seeds, and once with the flows of
the extension partners and none of its records. The two fits of the study say how far fits of one
posterior lie apart.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory

import arviz as az
import numpy as np
import xarray as xr

import reebayes as rb
from reebayes.results.reading import Fit

EXTENSION = Path(__file__).parents[1] / "data" / "extensions" / "partners"
STRUCTURE = ("processes.csv", "flows.csv", "quantities.csv", "sources.csv")
OF_RECORDS = ("shared:", "bias:")  # targets of priors that only records have
OUT = Path(__file__).with_name("gates_table.md")
ENDS = {"median": 0.5, "lower end of the band": 0.05, "upper end of the band": 0.95}


def write_gates(folder: Path) -> Path:
    """Write the extension without a record, and without priors of what only records have."""
    folder.mkdir()
    for name in STRUCTURE:
        (folder / name).write_bytes((EXTENSION / name).read_bytes())
    head, *rows = (EXTENSION / "priors.csv").read_text("utf-8").splitlines(keepends=True)
    kept = [row for row in rows if not row.startswith(OF_RECORDS)]
    (folder / "priors.csv").write_text("".join([head, *kept]), "utf-8")
    return folder


def main(folder: Path) -> None:
    """Fit what is not there yet, compare, and write the table."""
    with TemporaryDirectory() as scratch:
        gates = rb.read_study(extensions=[write_gates(Path(scratch) / "partners")])
    study = rb.read_study()
    alone = _fitted(study, folder / "alone.nc", seed=0)
    again = _fitted(study, folder / "again.nc", seed=1)
    parted = _fitted(gates, folder / "gates.nc", seed=0)
    columns = {
        "with gates, without their records": _apart(alone, parted),
        "the study alone, another seed": _apart(alone, again),
    }
    OUT.write_text("\n".join(_table(columns)) + "\n", encoding="utf-8")


def _fitted(study: rb.Study, path: Path, *, seed: int) -> Fit:
    if not path.exists():
        rb.fit(study, seed=seed, progress=False, out=path)
    fit = rb.open_fit(path)
    if fit.attrs["study_hash"] != study.hash or fit.attrs["converged"] != "yes":
        sys.exit(f"{path} is no fit of this study that passed the gate")
    return fit


def _apart(one: Fit, other: Fit) -> dict[str, np.ndarray]:
    """Return differences in units of their Monte Carlo error, of every quantity and year."""
    mine = one["posterior"]["quantities"].load()
    theirs = other["posterior"]["quantities"].sel(quantity=mine["quantity"]).load()
    found = {"mean": _in_errors(mine, theirs, None)}
    return found | {name: _in_errors(mine, theirs, prob) for name, prob in ENDS.items()}


def _in_errors(mine: xr.DataArray, theirs: xr.DataArray, prob: float | None) -> np.ndarray:
    estimates, errors = zip(*(_estimate(draws, prob) for draws in (mine, theirs)), strict=True)
    with np.errstate(invalid="ignore"):
        apart: np.ndarray = (estimates[1] - estimates[0]) / np.hypot(*errors)
    return apart[np.isfinite(apart)]  # what is zero, or the same in every draw, has no error


def _estimate(draws: xr.DataArray, prob: float | None) -> tuple[np.ndarray, np.ndarray]:
    how = {"method": "mean"} if prob is None else {"method": "quantile", "prob": prob}
    rows = draws.stack(cell=("year", "quantity")).transpose("cell", "chain", "draw").values
    moving = np.ptp(rows, axis=(1, 2)) > 0
    errors = np.full(len(rows), np.nan)
    errors[moving] = [float(az.mcse(row, **how)) for row in rows[moving]]
    values = rows.mean((1, 2)) if prob is None else np.quantile(rows, prob, axis=(1, 2))
    return values, errors


def _table(columns: dict[str, dict[str, np.ndarray]]) -> Iterator[str]:
    first, *_ = columns.values()
    number = len(first["mean"])
    yield f"| of {number:,} quantities and years | {' | '.join(columns)} | if nothing differs |"
    yield "|---" * (len(columns) + 2) + "|"
    for name in first:
        for bound, expected in ((2, "4.6 %"), (3, "0.3 %")):
            beyond = [f"{(abs(found[name]) > bound).mean():.1%}" for found in columns.values()]
            cells = " | ".join(one.replace("%", " %") for one in beyond)
            yield f"| {name}: beyond {bound} errors | {cells} | {expected} |"
    spread = [max(abs(found[name]).max() for name in found) for found in columns.values()]
    figures = sum(len(found) for found in first.values())
    largest = -NormalDist().inv_cdf((1 - 0.5 ** (1 / figures)) / 2)
    cells = " | ".join(f"{one:.1f}" for one in (*spread, largest))
    yield f"| largest difference of all {figures:,}, in errors | {cells} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
