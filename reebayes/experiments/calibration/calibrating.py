"""The whole of a calibration: tasks, tables, figures and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from reebayes.conventions import CI_PROB
from reebayes.errors import ReebayesError
from reebayes.experiments.calibration.assessing import (
    FEW,
    SIZE,
    coverage_table,
    places,
    summary_table,
    uniformity,
)
from reebayes.experiments.calibration.drawing import draw_coverage, draw_ranks
from reebayes.experiments.calibration.estimands import Figure, headline_quantities, list_figures
from reebayes.experiments.calibration.refitting import Effort, Task, marks_of
from reebayes.experiments.calibration.running import read_outcomes, run_tasks
from reebayes.experiments.calibration.worlds import (
    DESCRIPTIONS,
    WELL_SPECIFIED,
    WORLDS,
    Seeds,
    make_trial,
)
from reebayes.files import write_whole
from reebayes.model.unknowns import Floats
from reebayes.study import Study
from reebayes.wording import listed

FAILING = 0.05
"""Part of the refits that may fail their gate before a calibration says nothing."""

WEAK = 0.8
"""Coverage of 90 % bands below which a broken world is named."""

_MARKS = ["seconds", "rhat", "ess", "divergences", "gradients", "attempts", "passed"]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a calibration found.

    Attributes
    ----------
    coverage : DataFrame
        ``world, quantity, what, band, worlds, covered, lower, upper``: how often bands hold the
        truth, by year or of the sum over the years, with a 95 % interval.
    uniformity : DataFrame
        ``family, figure, worlds, mean, inside``: ranks of well-specified worlds; mean 0.5 and
        inside the envelope if calibrated.
    refits : DataFrame
        ``world, number`` and the marks of every refit; ``passed`` 0 where it did not mix.
    verdict : str
    passed : bool
        False if ranks are uneven or too many refits did not mix.
    """

    coverage: pd.DataFrame
    uniformity: pd.DataFrame
    refits: pd.DataFrame
    verdict: str
    passed: bool


def calibrate(
    study: Study,
    *,
    sims: int = 100,
    worlds: Sequence[str] = (WELL_SPECIFIED,),
    out: str | Path = "calibration",
    workers: int | None = None,
    scheduler: str | None = None,
    seed: int = 0,
    progress: bool = True,
    effort: Effort | None = None,
) -> Calibration:
    """Fit simulated worlds of a study, and count how often the bands hold their truth.

    Parameters
    ----------
    study : Study
    sims : int
        Worlds of each kind.
    worlds : sequence of str
        Kinds of worlds: ``well_specified``, or with one assumption broken.
    out : str or Path
        Folder for the outcome of every refit, ``coverage.csv`` and its ``summary.csv``,
        ``ranks.csv``, ``refits.csv``, ``verdict.txt``, ``ranks.png`` and ``coverage.png``.
        Refits that it holds are not done again, and all of them are counted, those of earlier
        calls too.
    workers : int, optional
        Processes to use; all cores if left out.
    scheduler : str, optional
        Address of a Dask cluster to use instead, such as ``tcp://10.0.0.1:8786``.
    seed : int
    progress : bool
        Tell on standard error how many refits are done: a bar on a terminal, lines elsewhere.
    effort : Effort, optional
        Length of the chains of a refit, and the gate that it must pass.

    Returns
    -------
    Calibration

    Raises
    ------
    ReebayesError
        If a kind of world is unknown or the study cannot break so, if `sims` is below 1, or if
        workers cannot be had.
    ResultError
        If the folder holds another run, or cannot be written.
    """
    effort = effort or Effort()
    _check(study, sims, worlds, seed)
    folder = Path(out)
    # number by number, so that all kinds have grown alike when time runs out
    tasks = [Task(study, kind, number, seed, effort) for number in range(sims) for kind in worlds]
    run_tasks(tasks, folder, workers=workers, scheduler=scheduler, progress=progress)
    figures = list_figures(study)
    found = _collect(folder)
    values = {kind: places(ranks, effort.kept, seed) for kind, (ranks, _) in found.items()}
    result = _assess(study, figures, values, pd.concat([marks for _, marks in found.values()]))
    _write(result, folder, figures, values, headline_quantities(study))
    return result


def _check(study: Study, sims: int, worlds: Sequence[str], seed: int) -> None:
    unknown = [kind for kind in worlds if kind not in WORLDS]
    if unknown or not worlds:
        known = ", ".join(WORLDS)
        raise ReebayesError(f"Unknown world {listed(unknown) or 'none'}. Known: {known}.")
    if len(set(worlds)) < len(worlds) or sims < 1 or seed < 0:
        raise ReebayesError("Give each world once, sims of at least 1 and a seed of at least 0.")
    for kind in worlds:  # that a study cannot break so is better said before an hour of refits
        make_trial(study, kind, Seeds.of(seed, 0))


def _collect(folder: Path) -> dict[str, tuple[np.ndarray, pd.DataFrame]]:
    """Ranks (world, figure) and marks of all refits in a folder, by kind of world."""
    found = {}
    for kind in WORLDS:
        outcomes = read_outcomes(folder, kind)
        if not outcomes:
            continue
        ranks = np.stack([outcome["ranks"] for outcome in outcomes.values()])
        marks = pd.DataFrame([marks_of(outcome) for outcome in outcomes.values()])[_MARKS]
        marks.insert(0, "number", list(outcomes))
        marks.insert(0, "world", kind)
        found[kind] = (ranks, marks)
    return found


def _assess(
    study: Study, figures: Sequence[Figure], values: dict[str, Floats], refits: pd.DataFrame
) -> Calibration:
    tables = [coverage_table(figures, found).assign(world=kind) for kind, found in values.items()]
    coverage = pd.concat(tables, ignore_index=True)
    coverage = coverage[["world", *coverage.columns.drop("world")]]
    planned = values.get(WELL_SPECIFIED, np.empty((0, len(figures))))
    even = uniformity(figures, planned, headline_quantities(study))
    passed = bool(even["inside"].all()) and 1 - refits["passed"].mean() <= FAILING
    return Calibration(
        coverage=coverage,
        uniformity=even,
        refits=refits.reset_index(drop=True),
        verdict="\n".join(_sentences(coverage, even, refits)),
        passed=passed,
    )


def _sentences(coverage: pd.DataFrame, even: pd.DataFrame, refits: pd.DataFrame) -> list[str]:
    failed = int((refits["passed"] == 0).sum())
    mixing = f"{len(refits)} refits, of which {failed} did not mix"
    limit = "" if failed <= FAILING * len(refits) else f": more than {FAILING:.0%}, so FAILED"
    lines = [f"{mixing}{limit}; they are counted like the others."]
    if len(even):
        uneven = list(even.loc[~even["inside"], "figure"])
        told = f"FAILED for {listed(uneven[:10])}" if uneven else "passed"
        lines.append(f"Even ranks of {len(even)} figures ({SIZE:.0%} over all): {told}.")
    else:
        lines.append(f"Ranks are judged from {FEW} well-specified worlds on.")
    for kind in dict.fromkeys(coverage["world"]):
        rows = coverage[(coverage["world"] == kind) & (coverage["quantity"] == "all")]
        rows = rows[rows["band"] == CI_PROB].set_index("what")
        parts = [
            f"{name} {row.covered:.1%} ({row.lower:.1%} to {row.upper:.1%})"
            for name, row in zip(("by year", "of sums"), rows.itertuples(), strict=False)
        ]
        weak = f" BELOW {WEAK:.0%}" if (rows["covered"] < WEAK).any() else ""
        count = int(rows["worlds"].iloc[0])
        lines.append(
            f"{kind} ({DESCRIPTIONS[kind]}; {count} worlds): {CI_PROB:.0%} bands hold the truth "
            f"{' and '.join(parts)}.{weak}"
        )
    return lines


def _write(
    result: Calibration,
    folder: Path,
    figures: Sequence[Figure],
    values: dict[str, Floats],
    headline: Sequence[str],
) -> None:
    tables = {
        "coverage": result.coverage,
        "ranks": result.uniformity,
        "refits": result.refits,
        "summary": summary_table(result.coverage, headline),
    }
    for name, table in tables.items():
        write_whole(folder / f"{name}.csv", partial(table.to_csv, index=False, float_format="%.4g"))
    text = f"{result.verdict}\n"
    write_whole(folder / "verdict.txt", lambda path: path.write_text(text, encoding="utf-8"))
    pictures = {"coverage.png": draw_coverage(result.coverage)}
    if WELL_SPECIFIED in values:
        pictures["ranks.png"] = draw_ranks(
            figures, values[WELL_SPECIFIED], headline, judged=len(result.uniformity)
        )
    for name, canvas in pictures.items():
        write_whole(folder / name, partial(canvas.savefig, dpi=130, format="png"))
        plt.close(canvas)
