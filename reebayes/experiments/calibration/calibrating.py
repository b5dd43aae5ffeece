"""Simulation-based calibration from end to end: tasks, tables, figures and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from reebayes.conventions import CI_PROB
from reebayes.errors import ReebayesError
from reebayes.experiments.calibration.again import AGAIN, BESIDE, known_from
from reebayes.experiments.calibration.assessing import (
    FEW,
    SIZE,
    coverage_table,
    summary_table,
    uniform_ranks,
    uniformity,
)
from reebayes.experiments.calibration.datasets import (
    DESCRIPTIONS,
    KINDS,
    WELL_SPECIFIED,
    Seeds,
    simulate_data_set,
)
from reebayes.experiments.calibration.drawing import draw_coverage, draw_ranks
from reebayes.experiments.calibration.estimands import SUM, Estimand, list_estimands
from reebayes.experiments.calibration.refitting import SamplerSettings, Task, diagnostics_of
from reebayes.experiments.calibration.running import read_outcomes, run_tasks
from reebayes.files import write_text_whole, write_whole
from reebayes.model.unknowns import Floats
from reebayes.results.reading import Fit, contents_of
from reebayes.study import Study
from reebayes.wording import listed

FAILING = 0.05
"""Share of the refits that may fail their gate before a calibration says nothing."""

WEAK = 0.8
"""Coverage of 90 % bands below which a kind of data sets is named."""

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
        ``family, figure, worlds, mean, inside``: SBC ranks of well-specified data sets;
        mean 0.5 and inside the envelope if calibrated.
    refits : DataFrame
        ``world, number`` and the diagnostics of every refit; ``passed`` 0 where it did not mix.
    verdict : str
    passed : bool
        False if ranks are not uniform or too many refits did not mix.
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
        ``ranks.csv``, ``refits.csv``, ``verdict.txt``, ``ranks.png`` and ``coverage.png``.
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
    tables = [coverage_table(estimands, found).assign(world=kind) for kind, found in values.items()]
    coverage = pd.concat(tables, ignore_index=True)
    coverage = coverage[["world", *coverage.columns.drop("world")]]
    none = np.empty((0, len(estimands)))
    planned = values.get(WELL_SPECIFIED, values.get(BESIDE, none))
    even = uniformity(estimands, planned, study.headline)
    passed = bool(even["inside"].all()) and 1 - refits["passed"].mean() <= FAILING
    return Calibration(
        coverage=coverage,
        uniformity=even,
        refits=refits.reset_index(drop=True),
        verdict="\n".join(
            [
                *_sentences(coverage, even, refits),
                *(line for kind in AGAIN for line in _places(study, estimands, kind, values)),
            ]
        ),
        passed=passed,
    )


def _sentences(coverage: pd.DataFrame, even: pd.DataFrame, refits: pd.DataFrame) -> list[str]:
    failed = int((refits["passed"] == 0).sum())
    mixing = f"{len(refits)} refits, of which {failed} did not mix"
    limit = "" if failed <= FAILING * len(refits) else f": more than {FAILING:.0%}, so FAILED"
    lines = [f"{mixing}{limit}; they are counted like the others."]
    if len(even):
        uneven = list(even.loc[~even["inside"], "figure"])
        outcome = f"FAILED for {listed(uneven[:10])}" if uneven else "passed"
        tested = f"Uniform ranks of {len(even)} test quantities ({SIZE:.0%} over all)"
        lines.append(f"{tested}: {outcome}.")
    else:
        lines.append(f"Ranks are tested from {FEW} well-specified data sets on.")
    described = {**DESCRIPTIONS, **AGAIN}
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
            f"{kind} ({described[kind]}; {count} data sets): {CI_PROB:.0%} bands cover the "
            f"truth {' and '.join(parts)}.{weak}"
        )
    return lines


def _places(
    study: Study, estimands: Sequence[Estimand], kind: str, values: Mapping[str, Floats]
) -> Iterator[str]:
    """Say where truths drawn from a fit lie in their bands, in the mean."""
    if kind not in values:
        return
    for name in study.headline:
        at = [n for n, one in enumerate(estimands) if (one.family, one.name) == (SUM, name)]
        ranked = values[kind][:, at]
        found = ranked[np.isfinite(ranked)]
        if not found.size:
            continue
        middle, error = float(found.mean()), 1.96 / math.sqrt(12 * found.size)
        side = "as often above as below their middle"
        if abs(middle - 0.5) > error:
            side = "bands lie too high" if middle < 0.5 else "bands lie too low"
        yield (
            f"{kind}: the true sum of {name} has a mean rank of {middle:.2f}, which is 0.50 "
            f"give or take {error:.2f} if it lies as often on either side: {side}."
        )


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
    ranked = values.get(WELL_SPECIFIED, values.get(BESIDE))
    if ranked is not None:
        pictures["ranks.png"] = draw_ranks(
            estimands, ranked, headline, tested=len(result.uniformity)
        )
    for name, canvas in pictures.items():
        write_whole(folder / name, partial(canvas.savefig, dpi=130, format="png"))
        plt.close(canvas)
