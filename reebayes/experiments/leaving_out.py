"""Answers without part of the records: a source, a reporter, a kind, or single records.

Weights of the draws serve where their k-hat allows; elsewhere the study is fitted again without
the records. The most influential records are looked for to first order, and always fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reebayes.answers.leave_one_out import LeftOut, influence, pulls
from reebayes.answers.montecarlo import mean_error, weighted_shifts
from reebayes.conventions import CI_PROB
from reebayes.errors import ResultError, StudyError
from reebayes.experiments.sensitivities import (
    REFIT,
    WEIGHTS,
    no_study,
    study_in,
    weights_fail,
)
from reebayes.results.reading import Fit, contents_of
from reebayes.results.selection import Span, answer_draws
from reebayes.study import Study

if TYPE_CHECKING:
    from reebayes.experiments.refits import Refit, RefitSettings
    from reebayes.model.unknowns import Floats


def leave_out(
    fit: Fit,
    quantity: str,
    years: Span = None,
    *,
    by: str = "source",
    strongest: int | None = None,
    study: Study | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    refit: bool = True,
    progress: bool = False,
    workers: int | None = 0,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """Tell what a quantity would be without each source, reporter, record or kind of records.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantity : str
        Quantity.
    years : int or (int, int), optional
        One year, or first and last year of a sum; the sum over all years if left out.
    by : {"source", "reporter", "record", "kind"}
        What is left out at a time.
    strongest : int, optional
        Fit again without each of so many of the strongest, whatever their weights, and without no
        other. They are those with the largest influence by weights or to first order, which is a
        screen and no more: what it sees too small may be missed.
    study : Study, optional
        The study that was fitted; taken from the fit if left out.
    out : str or Path, optional
        Directory in which finished refits are kept, and found again.
    seed : int
        Seed of the refits.
    refit : bool
        Whether to fit again where the weights fail, or without the strongest; rows are empty where
        neither tells otherwise.
    progress : bool
        Tell on standard error how many refits are done.
    workers : int, optional
        Processes for refits, each with one core; as many as there are cores if None, and 0 for this
        process itself.
    scheduler : str, optional
        Address of a Dask cluster to use instead.

    Returns
    -------
    DataFrame
        One row each, the largest change first: ``records`` left out; ``without``: posterior mean
        without them, and ``median, lower, upper`` of the 90 % band without them; ``change`` from
        the mean with all records and its standard ``error``, in
        ``unit``; ``change_sd``: in posterior standard deviations; ``sd_ratio``: standard deviation
        without them over that with all; ``khat`` of the weights; ``by``: ``weights`` or ``refit``,
        empty where neither gave an answer; ``verdict`` of the refit, or why there is no answer: no
        study without them, or weights that fail.

    Raises
    ------
    ResultError
        If a name is unknown, the years are not those of the fit, a ratio is to be summed, the fit
        is of another study, `by` is none of the four, or `strongest` is below 1.

    References
    ----------
    Vehtari, Gelman, Gabry (2017), Statistics and Computing 27, 1413-1432.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/zinc.nc")
    >>> table = rb.leave_out(fit, "recycled", by="reporter", refit=False)
    >>> sorted(table.index)
    ['balances', 'cycle']
    """
    tables = leaving_out(fit, {quantity: years}, by=by, strongest=strongest, study=study,
                         out=out, seed=seed, refit=refit, progress=progress, workers=workers,
                         scheduler=scheduler)  # fmt: skip
    return tables[quantity]


def leaving_out(
    fit: Fit,
    years: Mapping[str, Span],
    *,
    by: str,
    strongest: int | None = None,
    study: Study | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    refit: bool = True,
    progress: bool = False,
    workers: int | None = 0,
    scheduler: str | None = None,
    settings: RefitSettings | None = None,
) -> dict[str, pd.DataFrame]:
    """Return `leave_out` for several quantities at the cost of one.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    years : mapping of quantity to years
        The years of each quantity, as in `leave_out`.
    by, strongest, study, out, seed, refit, progress, workers, scheduler
        As in `leave_out`.
    settings : RefitSettings, optional

    Returns
    -------
    dict of DataFrame

    Raises
    ------
    ResultError
        As `leave_out`.
    """
    if strongest is not None and strongest < 1:
        raise ResultError(f"strongest must be at least 1, not {strongest}.")
    contents = contents_of(fit)
    answers = {name: answer_draws(contents, name, span) for name, span in years.items()}
    left_out = LeftOut.of(contents, by)
    names = _to_refit(left_out, [draws for draws, _ in answers.values()], strongest)
    cases, why = {}, {}
    if refit and names:
        whole = study_in(contents, study)
        for name in names:
            try:
                cases[str(name)] = _without(whole, by, str(name))
            except StudyError as error:
                why[str(name)] = no_study(error)
    folder = Path(out) if out is not None else None
    found = _refits(cases, contents, years, seed=seed, folder=folder, settings=settings,
                    progress=progress, workers=workers, scheduler=scheduler)  # fmt: skip
    return {
        name: _table(values, unit, name, left_out, found, why)
        for name, (values, unit) in answers.items()
    }


def _to_refit(left_out: LeftOut, answers: Sequence[Floats], strongest: int | None) -> list[str]:
    """Names without which to fit again: where weights fail, or those that move some answer most."""
    table = left_out.table
    if strongest is None:
        return list(map(str, table.index[~table["reliable"]]))
    screened = (pulls(draws, left_out).index[:strongest] for draws in answers)
    return list(dict.fromkeys(str(name) for names in screened for name in names))


def _refits(cases: Mapping[str, Study], *asked: Any, **options: Any) -> dict[str, Refit]:
    """Fit again, if there is anything to fit; weights alone need no sampler."""
    if not cases:
        return {}
    # imported here: the sampler takes seconds to load
    from reebayes.experiments.refits import refits

    return refits(cases, *asked, **options)


def _without(study: Study, what: str, name: str) -> Study:
    """Return a study without a source, reporter, record or kind of records."""
    if what == "source":
        return study.without_source(name)
    if what == "reporter":
        return study.without_reporter(name)
    return study.with_records(r for r in study.records if getattr(r, what) != name)


def _table(
    values: np.ndarray,
    unit: str,
    name: str,
    left_out: LeftOut,
    found: Mapping[str, Refit],
    why: Mapping[str, str],
) -> pd.DataFrame:
    """Rows of one answer, by the size of the change."""
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    shift, error = weighted_shifts(values, left_out.weights)
    squares = np.square(values - mean) @ left_out.weights - np.square(shift)
    own = mean_error(values[None])
    rows = []
    about = left_out.table
    counts = about["records"].tolist() if "records" in about else [1] * len(about)
    for n, key in enumerate(map(str, about.index)):
        khat, sure = about["khat"].iloc[n], about["reliable"].iloc[n]
        row: dict[str, object] = {
            "without": np.nan, "median": np.nan, "lower": np.nan, "upper": np.nan,
            "change": np.nan, "error": np.nan, "change_sd": np.nan, "sd_ratio": np.nan,
            "records": counts[n], "khat": khat, "by": "",
            "verdict": why.get(key, "" if sure else weights_fail(khat)),
        }  # fmt: skip
        if key in found:
            row["verdict"] = found[key].verdict
        if key in found and found[key].passed:
            again = found[key]
            other, other_error = again.mean(name)
            row |= {"change": other - mean, "error": float(np.hypot(own, other_error)),
                    "by": REFIT, "sd_ratio": float(again.draws[name].std()) / sd,
                    **_band(again.draws[name].ravel())}  # fmt: skip
        elif sure:
            row |= {"change": shift[n], "error": error[n], "by": WEIGHTS,
                    "sd_ratio": float(np.sqrt(squares[n])) / sd,
                    **_band(values, left_out.weights[:, n])}  # fmt: skip
        row["without"] = mean + float(row["change"])  # type: ignore[arg-type]
        row["change_sd"] = float(row["change"]) / sd  # type: ignore[arg-type]
        rows.append(row)
    table = pd.DataFrame(rows, index=about.index)
    table["unit"] = unit
    return table.sort_values("change", key=abs, ascending=False, kind="stable")


def _band(draws: Floats, weights: Floats | None = None) -> dict[str, float]:
    """Median and ends of the band of draws, each with its weight if they have any."""
    levels = [0.5, (1 - CI_PROB) / 2, (1 + CI_PROB) / 2]
    if weights is None:
        ends = np.quantile(draws, levels)
    else:  # of the methods, the one that takes weights
        ends = np.quantile(draws, levels, weights=weights, method="inverted_cdf")
    return dict(zip(("median", "lower", "upper"), map(float, ends), strict=True))


def fewest_records(
    fit: Fit,
    quantity: str,
    years: Span = None,
    *,
    move: float = 1.0,
    study: Study | None = None,
    confirm: bool = True,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
    workers: int | None = 0,
    scheduler: str | None = None,
    log: Callable[[str], object] | None = None,
) -> pd.DataFrame:
    """Find the fewest records without which a quantity would move by so many standard deviations.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantity : str
        Quantity.
    years : int or (int, int), optional
        One year, or first and last year of a sum; the sum over all years if left out.
    move : float
        Posterior standard deviations by which the mean is to move.
    study : Study, optional
        The study that was fitted; taken from the fit if left out.
    confirm : bool
        Whether to fit again without the records of each direction. To first order they move the
        answer too little: only a refit says by how much.
    out : str or Path, optional
        Directory in which finished refits are kept, and found again.
    seed : int
        Seed of the refits.
    progress : bool
        Tell on standard error how many refits are done.
    workers : int, optional
        Processes for refits, each with one core; as many as there are cores if None, and 0 for this
        process itself.
    scheduler : str, optional
        Address of a Dask cluster to use instead.
    log : callable, optional
        Takes a line on a refit that did not pass.

    Returns
    -------
    DataFrame
        One row each for ``direction`` ``down`` and ``up``: ``records`` left out, ``share`` of all,
        ``names``; ``first_order`` change of the mean in ``unit``; ``refitted``, its standard
        ``error`` and ``verdict``, of the refit or why there is none (empty without `confirm`, and
        where no set of records is enough).

    Raises
    ------
    ResultError
        As `leave_out`, or if `move` is not above 0.

    References
    ----------
    Broderick, Giordano, Meager (2020), An automatic finite-sample robustness metric.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.fewest_records(rb.open_fit("results/zinc.nc"), "recycled", confirm=False)
    >>> table.index.tolist(), table.columns[:2].tolist()
    (['down', 'up'], ['records', 'share'])
    """
    if not move > 0:
        raise ResultError(f"move must be above 0, not {move}.")
    contents = contents_of(fit)
    values, unit = answer_draws(contents, quantity, years)
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    table = influence(contents, quantity, years)
    rows, cases = [], {}
    for direction, sign in (("down", -1.0), ("up", 1.0)):
        # taking a record out takes its pull away
        gains = (-sign * table["first_order"]).sort_values(ascending=False)
        total = gains[gains > 0].cumsum()
        enough = int((total < move * sd).sum()) + 1
        reached = enough <= len(total)
        names = [str(name) for name in total.index[:enough]] if reached else []
        change = sign * float(total.iloc[enough - 1]) if reached else np.nan
        rows.append({"direction": direction, "records": len(names),
                     "share": len(names) / len(table),
                     "first_order": change, "refitted": np.nan, "error": np.nan,
                     "names": tuple(names), "verdict": ""})  # fmt: skip
        if names and confirm:
            whole = study_in(contents, study)
            kept = [record for record in whole.records if record.record not in names]
            try:
                cases[direction] = whole.with_records(kept)
            except StudyError as unsound:
                rows[-1]["verdict"] = no_study(unsound)
    found = _refits(cases, contents, {quantity: years}, seed=seed, workers=workers,
                    folder=Path(out) if out is not None else None, progress=progress,
                    scheduler=scheduler, log=log)  # fmt: skip
    for row in rows:
        again = found.get(str(row["direction"]))
        if again is not None:
            row["verdict"] = again.verdict
            if again.passed:
                other, error = again.mean(quantity)
                row["refitted"] = other - mean
                row["error"] = float(np.hypot(error, mean_error(values[None])))
    return pd.DataFrame(rows).set_index("direction").assign(unit=unit)
