"""Simulation-based calibration from end to end: tasks, tables, figures and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from reebayes.errors import ReebayesError
from reebayes.experiments.calibration.again import AGAIN, known_from
from reebayes.experiments.calibration.assessing import (
    coverage_table,
    summary_table,
    uniform_ranks,
)
from reebayes.experiments.calibration.datasets import (
    KINDS,
    WELL_SPECIFIED,
    Seeds,
    simulate_data_set,
)
from reebayes.experiments.calibration.drawing import draw_coverage, draw_ranks
from reebayes.experiments.calibration.estimands import Estimand, list_estimands
from reebayes.experiments.calibration.refitting import SamplerSettings, Task, diagnostics_of
from reebayes.experiments.calibration.running import read_outcomes, run_tasks
from reebayes.experiments.calibration.verdict import (
    EVEN,
    coverage_sentences,
    mixing,
    places,
    rank_sentences,
    ranks_of,
)
from reebayes.files import write_text_whole, write_whole
from reebayes.model.unknowns import Floats
from reebayes.results.reading import Fit, contents_of
from reebayes.study import Study
from reebayes.wording import listed

FAILING = 0.05
"""Share of the refits that may fail their gate before a calibration says nothing."""

_DIAGNOSTICS = ["seconds", "rhat", "ess", "divergences", "gradients", "attempts", "passed"]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a calibration found.

    Attributes
    ----------
    coverage : DataFrame
        ``world, quantity, what, band, worlds, covered, lower, upper``: how often bands cover
        the truth, by year or of the sum over the years, with a 95 % interval.
    uniformity : DataFrame
        ``world, family, figure, worlds, mean, inside, inside_own``: SBC ranks of the kinds of data
        sets whose ranks are uniform in a calibrated model; mean 0.5, inside the envelope of all
        test quantities together, and, of 99 in 100, inside an envelope of their own.
    refits : DataFrame
        ``world, number`` and the diagnostics of every refit; ``passed`` 0 where it did not mix.
    verdict : str
    passed : bool
        False if ranks are not uniform, if more of them than by chance leave an envelope of their
        own, or if too many refits did not mix. What single bands cover is told in the verdict.
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
    worlds: Sequence[str] | None = None,
    out: str | Path = "calibration",
    workers: int | None = None,
    scheduler: str | None = None,
    seed: int = 0,
    progress: bool = True,
    settings: SamplerSettings | None = None,
    posterior: Fit | None = None,
) -> Calibration:
    """Run simulation-based calibration: refit simulated data sets, and rank their true values.

    Each data set has true flows drawn from the priors of the study, and records simulated from
    them. In a calibrated model the ranks of the truth among the posterior draws are uniform, and
    the coverage of a 90 % band is 90 %.

    Parameters
    ----------
    study : Study
    sims : int
        Simulated data sets of each kind.
    worlds : sequence of str
        Kinds of data sets: ``well_specified`` (which it is if left out), or with one assumption
        broken; ``posterior``, with records printed again from draws of a fit beside those that are
        there, whose ranks are uniform too; ``posterior_alone``, with those alone, whose bands show
        how the prior pulls a truth that resembles the posterior.
    out : str or Path
        Folder for the outcome of every refit, ``coverage.csv`` and its ``summary.csv``,
        ``ranks.csv``, ``refits.csv``, ``verdict.txt``, ``ranks.png`` (``ranks_posterior.png``) and
        ``coverage.png``.
        Refits that it holds are not done again, and all of them are counted, those of earlier
        calls too.
    workers : int, optional
        Processes to use, as many as there are cores if left out; 0 for this process itself.
    scheduler : str, optional
        Address of a Dask cluster to use instead, such as ``tcp://10.0.0.1:8786``.
    seed : int
    progress : bool
        Tell on standard error how many refits are done: a bar on a terminal, lines elsewhere.
    settings : SamplerSettings, optional
        Length of the chains of a refit, and the gate that it must pass.
    posterior : DataTree, optional
        A fit of the study, from whose draws the truths of ``posterior`` and ``posterior_alone`` are
        taken; both, and no other kind, are made if `worlds` is left out.

    Returns
    -------
    Calibration

    Raises
    ------
    ReebayesError
        If a kind is unknown or the study cannot break so, if `sims` is below 1, or if
        workers cannot be had.
    FitError
        If refits failed; the others are kept, and not done again.
    ResultError
        If the folder holds another run, or cannot be written.

    Examples
    --------
    >>> import reebayes as rb
    >>> found = rb.calibrate(rb.read_study("zinc"), sims=100, out="zinc")  # doctest: +SKIP
    """
    settings = settings or SamplerSettings()
    if worlds is None:
        worlds = (WELL_SPECIFIED,) if posterior is None else tuple(AGAIN)
    _check(study, sims, worlds, seed, has_fit=posterior is not None)
    folder = Path(out)
    known = None if posterior is None else known_from(contents_of(posterior), study, sims)
    # number by number, so that all kinds have grown alike when time runs out
    tasks = [
        Task(study, kind, number, seed, settings)
        if known is None or kind not in AGAIN
        else Task(study, kind, number, seed, settings, known.truths[number], known.near)
        for number in range(sims)
        for kind in worlds
    ]
    run_tasks(
        tasks, folder, workers=workers, scheduler=scheduler, progress=progress,
        fit="" if known is None else known.digest,
    )  # fmt: skip
    estimands = list_estimands(study)
    found = _collect(folder)
    values = {kind: uniform_ranks(ranks, settings.kept, seed) for kind, (ranks, _) in found.items()}
    result = _assess(study, estimands, values, pd.concat([table for _, table in found.values()]))
    _write(result, folder, estimands, values, study.headline)
    return result


def _check(
    study: Study, sims: int, worlds: Sequence[str], seed: int, *, has_fit: bool = False
) -> None:
    unknown = [kind for kind in worlds if kind not in (*KINDS, *AGAIN)]
    if unknown or not worlds:
        known = ", ".join((*KINDS, *AGAIN))
        named = listed(unknown) or "none"
        raise ReebayesError(f"Unknown kind of data sets: {named}. Known: {known}.")
    if len(set(worlds)) < len(worlds) or sims < 1 or seed < 0:
        raise ReebayesError("Give each kind once, sims of at least 1 and a seed of at least 0.")
    wanting = [kind for kind in worlds if kind in AGAIN]
    if wanting and not has_fit:
        raise ReebayesError(f"{listed(wanting)}: give a fit, from which truths are drawn.")
    if has_fit and not wanting:
        raise ReebayesError(f"A fit is for data sets of kind {listed(list(AGAIN))}; name one.")
    for kind in set(worlds) & set(
        KINDS
    ):  # that a study cannot break so is better said before an hour of refits
        simulate_data_set(study, kind, Seeds.of(seed, 0))


def _collect(folder: Path) -> dict[str, tuple[np.ndarray, pd.DataFrame]]:
    """Ranks (world, estimand) and diagnostics of all refits in a folder, by kind of data sets."""
    found = {}
    for kind in (*KINDS, *AGAIN):
        outcomes = read_outcomes(folder, kind)
        if not outcomes:
            continue
        ranks = np.stack([outcome["ranks"] for outcome in outcomes.values()])
        diagnostics = pd.DataFrame([diagnostics_of(outcome) for outcome in outcomes.values()])
        diagnostics = diagnostics[_DIAGNOSTICS]
        diagnostics.insert(0, "number", list(outcomes))
        diagnostics.insert(0, "world", kind)
        found[kind] = (ranks, diagnostics)
    return found


def _assess(
    study: Study, estimands: Sequence[Estimand], values: dict[str, Floats], refits: pd.DataFrame
) -> Calibration:
    coverage = _stacked((kind, coverage_table(estimands, found)) for kind, found in values.items())
    even = {
        kind: ranks_of(estimands, values[kind], study.headline) for kind in EVEN if kind in values
    }
    mixed = 1 - refits["passed"].mean() <= FAILING
    return Calibration(
        coverage=coverage,
        uniformity=_stacked((kind, ranks.table) for kind, ranks in even.items()),
        refits=refits.reset_index(drop=True),
        verdict="\n".join(
            [
                f"Study {study.name} ({study.hash}).",
                mixing(refits, FAILING),
                *rank_sentences(even),
                *coverage_sentences(coverage),
                *(line for kind in AGAIN for line in places(study, estimands, kind, values)),
            ]
        ),
        passed=mixed and all(ranks.passed for ranks in even.values()),
    )


def _stacked(tables: Iterable[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Tables of kinds of data sets as one, the kind in its first column."""
    found = [table.assign(world=kind) for kind, table in tables]
    if not found:
        return pd.DataFrame(columns=["world", *ranks_of((), np.empty((0, 0)), ()).table.columns])
    whole = pd.concat(found, ignore_index=True)
    return whole[["world", *whole.columns.drop("world")]]


def _write(
    result: Calibration,
    folder: Path,
    estimands: Sequence[Estimand],
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
    write_text_whole(folder / "verdict.txt", text)
    pictures = {"coverage.png": draw_coverage(result.coverage)}
    for kind in EVEN:
        if kind in values:
            tested = int((result.uniformity["world"] == kind).sum())
            name = "ranks.png" if kind == WELL_SPECIFIED else f"ranks_{kind}.png"
            pictures[name] = draw_ranks(estimands, values[kind], headline, tested=tested)
    for name, canvas in pictures.items():
        write_whole(folder / name, partial(canvas.savefig, dpi=130, format="png"))
        plt.close(canvas)
