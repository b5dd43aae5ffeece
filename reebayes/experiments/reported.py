"""Refits for a report: without each reporter that moves an answer most, or record in conflict.

A report never fits: it reads what this module kept beside the fit, or says that nothing was kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reebayes.answers.hangs import ReportRefits, sizes_of
from reebayes.answers.leave_one_out import disagreement, held_out_conflict
from reebayes.conventions import RECORD, REPORTER
from reebayes.experiments.cases import Case, Outcome
from reebayes.experiments.engine import run_cases
from reebayes.experiments.leaving_out import leaving_out
from reebayes.experiments.overview import asked_years
from reebayes.experiments.refits import Refit, RefitSettings, Starts, sampled
from reebayes.experiments.sensitivities import study_in
from reebayes.inference.datatree import log_likelihood, replicate
from reebayes.model.kernels import CERTAIN
from reebayes.model.layout import lay_out
from reebayes.provenance import asked_for, digest_of
from reebayes.results.contents import PREDICTIVE
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.study import Study

REPORTERS = 10
"""Reporters without which each answer is fitted again."""

CONFLICTS = 10
"""Records in conflict with the rest without which the study is fitted again."""

_PREDICTED, _INSIDE = "predicted", "inside"


def report_refits(
    fit: Fit,
    quantities: Sequence[str] | None = None,
    *,
    reporters: int = REPORTERS,
    study: Study | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
    workers: int | None = 0,
    scheduler: str | None = None,
) -> ReportRefits:
    """Fit again without each strong reporter, and without each record in conflict, for a report.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantities : list of str, optional
        The headline quantities of the study's report, or its first three, if left out. Each is
        summed over all years; a ratio is taken in the last.
    reporters : int
        How many of the strongest reporters are left out, for each answer, as in `leave_out`.
    study : Study, optional
        The study that was fitted; taken from the fit if left out.
    out : str or Path, optional
        Directory in which finished refits are kept, and found again.
    seed, progress, workers, scheduler
        As in `leave_out`.

    Returns
    -------
    ReportRefits
        Tables as of `leave_out` by reporter and of `disagreement`, which `write_report` takes as
        ``refits``. Up to ten records are refitted: those in largest conflict as `disagreement`
        says without a refit, which is a screen.

    Raises
    ------
    ResultError
        If a name is unknown, the fit does not hold its study, or is of another one.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")  # doctest: +SKIP
    >>> refits = rb.report_refits(fit, out="refits", workers=None)  # doctest: +SKIP
    >>> rb.write_report(fit, "report.html", refits=refits)  # doctest: +SKIP
    """
    contents = contents_of(fit)
    study = study_in(contents, study)
    years = asked_years(contents, quantities)
    require_known(years, contents.units.index, "quantity")
    options: dict[str, Any] = {"progress": progress, "workers": workers, "scheduler": scheduler}
    folder = Path(out) if out is not None else None
    return ReportRefits(
        digest=str(contents.attrs.get("digest", "")),
        sizes=sizes_of(contents),
        without=leaving_out(contents, years, by=REPORTER, strongest=reporters, study=study,
                            out=folder, seed=seed, **options),
        conflicts=_conflicts(contents, study, folder, seed, **options),
    )  # fmt: skip


def _conflicts(
    contents: Contents,
    study: Study,
    folder: Path | None,
    seed: int,
    *,
    settings: RefitSettings | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Predictive conflict of the records that a screen finds, each by a refit without it."""
    if not contents.has(PREDICTIVE) or contents.records.empty:
        return pd.DataFrame()
    settings = settings or RefitSettings()
    screen = disagreement(contents)
    starts = Starts.of(contents)
    cases = [
        _case(study, contents, str(name), starts, seed, settings)
        for name in screen.index[:CONFLICTS]
    ]
    done = {case.name: outcome for case, outcome in run_cases(cases, folder, **options)}
    judged = {case.name: _judged(done[case.name], settings) for case in cases}
    passed = [name for name, one in judged.items() if one.passed]
    found = held_out_conflict(
        contents,
        {name: np.asarray(done[name].arrays[_PREDICTED]).ravel() for name in passed},
        {name: float(done[name].arrays[_INSIDE]) for name in passed},
    )
    table = pd.DataFrame({
        "z_screen": screen["z"], "verdict": {name: one.verdict for name, one in judged.items()},
    }).loc[list(judged)].rename_axis(RECORD)  # fmt: skip
    return table.join(found).sort_values("z", key=abs, ascending=False, kind="stable")


def _judged(outcome: Outcome, settings: RefitSettings) -> Refit:
    """Whether a refit passed its gate."""
    if outcome.fault:
        return Refit({}, np.nan, np.nan, 0, 0, fault=outcome.fault, gate=settings.gate)
    a: Mapping[str, Any] = outcome.arrays
    return Refit({}, float(a["rhat"]), float(a["ess"]), int(a["divergences"]), int(a["attempts"]),
                 float(a["bfmi"]), float(a["saturated"]), gate=settings.gate)  # fmt: skip


def held_out_prediction(
    study: Study, record: str, starts: Starts, seed: int, settings: RefitSettings,
    *, cores: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Fit a study as if one record had never been published, and predict it: the work of a case.

    Its reporter keeps its bias and noise, which others of its records inform, or the prior alone.

    Returns
    -------
    dict
        ``predicted`` (chain, draw): figures that the reporter might have printed, on the scale of
        the record's error; ``inside``: mean likelihood of the record; and the figures of the gate.

    Raises
    ------
    FitError
        If sampling cannot start.
    """
    layout = lay_out(study)
    at = layout.records.index(record)
    equations = layout.equations
    kind = equations.figures.kind.copy()
    kind[at] = CERTAIN
    silent = equations._replace(figures=equations.figures._replace(kind=kind))
    without = replace(layout, equations=silent)
    draws, figures = sampled(
        without, starts, seed, settings, lambda draws: {record: draws["location"][..., at]},
        cores=cores,
    )  # fmt: skip
    return figures | {
        _PREDICTED: replicate(layout, draws, np.random.default_rng(seed))[..., at],
        _INSIDE: float(np.exp(log_likelihood(layout, draws)[..., at]).mean()),
    }


def _case(
    study: Study, near: Contents, record: str, starts: Starts, seed: int, settings: RefitSettings
) -> Case:
    start = near.attrs.get("digest")
    own = digest_of({"study": study.hash, "near": start, "held": record, "seed": seed})
    asked = asked_for(study.hash, seed=seed, near=start, held=record, settings=asdict(settings))
    return Case(record, asked, held_out_prediction,
                (study, record, starts, int(own[:8], 16), settings))  # fmt: skip
