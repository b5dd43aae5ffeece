"""Many studies fitted as the cases of one run, with one table of what became of their answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.answers.montecarlo import mean_error
from reebayes.conventions import CHAIN, CI_PROB, DRAW, YEAR
from reebayes.errors import ResultError
from reebayes.experiments.refits import AS_A_FIT, Refit, RefitSettings, refitted
from reebayes.files import make_folder, write_whole
from reebayes.results.reading import Fit, contents_of, require_known
from reebayes.study import Study
from reebayes.wording import listed, without_per_year

CASE = "case"
TABLE = "cases.csv"

_FOLDER = "cases"
_SECONDS = 2.0  # between two writings of the table, which takes longer the more cases there are
_TAIL = (1 - CI_PROB) / 2
_PER_ANSWER = ("median", "lower", "upper", "shift", "shift_error")


@dataclass(frozen=True, slots=True, eq=False)
class StudyRuns:
    """What became of many studies.

    Attributes
    ----------
    table : DataFrame
        One row a case, in the order given: ``hash`` of the study, ``verdict`` of the gate in words,
        ``converged`` (yes or no), ``rhat`` and ``ess`` (worst of the answers), ``divergences``,
        ``tries`` and ``seconds``. For each answer: ``NAME_median``, ``_lower`` and ``_upper`` end
        of its 90 % band, ``_shift`` of its mean from that of the base in posterior standard
        deviations of the base, and the standard error ``_shift_error``. Empty where a case did not
        pass; shifts also where no base is named. Units are in ``attrs["units"]``.
    draws : Dataset (case, chain, draw, year)
        Draws of every answer by year, of all cases that could be sampled: `bands` and `cumulative`
        take them. Those of a case that did not pass are there too, and are not to be cited.
    """

    table: pd.DataFrame
    draws: xr.Dataset

    @property
    def passed(self) -> bool:
        """Whether every case passed its gate."""
        return bool((self.table["converged"] == "yes").all())


def run_studies(
    studies: Mapping[str, Study],
    *,
    out: str | Path,
    near: Fit | None = None,
    base: str | None = None,
    quantities: Sequence[str] | None = None,
    seed: int = 0,
    draws: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
) -> StudyRuns:
    """Fit many studies, and keep what is asked of each.

    A case that is finished is a small file in `out`, named by the digest of study, settings, code
    and package versions, and is never done again: whatever ends a run, it goes on when it is
    called again.

    Parameters
    ----------
    studies : mapping of name to Study
        The cases, those that matter most first.
    out : str or Path
        Folder for a file of each case, and for ``cases.csv``: the table, which grows with them.
    near : DataTree, optional
        A fit of a related study, as returned by `fit` or `open_fit`. Every case then starts from
        its draws, with 60 transitions of tuning and a gate for short fits: R-hat 1.02 at most and
        200 effective draws at least of every answer, no divergence. Without it every case is as
        long as a fit, and passes the gate of a fit for its answers: 1.01, and 400 in bulk and
        tails. Energy and trees are as in the gate of a fit. What does not pass is tried once more,
        with smaller steps.
    base : str, optional
        The case from which the others shift.
    quantities : sequence of str, optional
        The answers, summed over all years; the headline of the first study if left out.
    seed : int
        Each case has a seed of its own, made of this one and its digest.
    draws : int, optional
        Draws of each of four chains: 500 near a fit, otherwise 1,000, every second transition.
    workers : int, optional
        Processes of this machine, each with one core; as many as it has cores if left out, and 0
        for this process itself.
    scheduler : str, optional
        Address of a Dask cluster to use instead, such as ``tcp://10.0.0.1:8786``.
    progress : bool
        Tell on standard error how many are done.

    Returns
    -------
    StudyRuns
        A case that failed is a row, and its verdict says why.

    Raises
    ------
    ResultError
        If there is no case, a name is unknown, a quantity is a ratio, or a file is damaged or
        cannot be written.
    ReebayesError
        If workers cannot be had, or the cluster is gone.

    Examples
    --------
    >>> import reebayes as rb
    >>> study, fit = rb.read_study(), rb.open_fit("results/fit.nc")  # doctest: +SKIP
    >>> cases = {
    ...     "base": study,
    ...     "wider": study.with_prior("concentrate_CN_unregistered", year=2011, sd=2.0),
    ... }  # doctest: +SKIP
    >>> found = rb.run_studies(cases, out="many", near=fit, base="base")  # doctest: +SKIP
    >>> rb.bands(found.draws["smuggled_CN"])  # doctest: +SKIP
    """
    names = _asked(studies, base, quantities)
    folder = Path(out)
    make_folder(folder)
    settings = AS_A_FIT if near is None else RefitSettings()
    done = refitted(
        studies, None if near is None else contents_of(near), dict.fromkeys(names), seed=seed,
        settings=settings if draws is None else replace(settings, draws=draws),
        folder=folder / _FOLDER, workers=workers, scheduler=scheduler, noun="cases",
        progress=progress,
    )  # fmt: skip
    found: dict[str, Refit] = {}
    for _ in _now_and_then(_collected(done, found), _SECONDS):
        _write(_table(studies, found, names, base), folder / TABLE)
    table = _table(studies, found, names, base)
    return StudyRuns(table, _draws(studies, found, names))


def _asked(
    studies: Mapping[str, Study], base: str | None, quantities: Sequence[str] | None
) -> list[str]:
    """The answers that are asked of every study."""
    if not studies:
        raise ResultError("There is no case; give at least one study by name.")
    if base is not None:
        require_known([base], list(studies), CASE)
    first = next(iter(studies.values()))
    names = list(first.headline if quantities is None else dict.fromkeys(quantities))
    for study in studies.values():
        require_known(names, study.quantities.names, "quantity")
    ratios = [name for name in names if first.quantities[name].is_ratio]
    if quantities is None:
        names = [name for name in names if name not in ratios]
    elif ratios:
        raise ResultError(f"{listed(ratios)}: a ratio has no sum over the years.")
    if not names:
        raise ResultError("Nothing is asked; name at least one quantity that is no ratio.")
    return names


def _collected(done: Iterator[tuple[str, Refit]], found: dict[str, Refit]) -> Iterator[None]:
    """Put what is done where it is found by name."""
    for name, one in done:
        found[name] = one
        yield


def _now_and_then(events: Iterator[None], seconds: float) -> Iterator[None]:
    """Some of the events, so many seconds apart, and the end of them."""
    last = time.monotonic()
    for _ in events:
        if time.monotonic() - last > seconds:
            yield
            last = time.monotonic()
    yield


def _table(
    studies: Mapping[str, Study], found: Mapping[str, Refit], names: Sequence[str], base: str | None
) -> pd.DataFrame:
    """Rows of the cases that are finished, in the order of the cases."""
    of_base = found.get(base) if base is not None else None
    rows = [
        {"hash": studies[case].hash, **_row(found[case], names, of_base)}
        for case in studies
        if case in found
    ]
    index = pd.Index([case for case in studies if case in found], name=CASE)
    columns = ["hash", "verdict", "converged", "rhat", "ess", "divergences", "tries", "seconds"]
    columns += [f"{name}_{what}" for name in names for what in _PER_ANSWER]
    table = pd.DataFrame(rows, index=index, columns=columns)
    table.attrs["units"] = dict.fromkeys(names, without_per_year(_unit(studies)))
    return table


def _row(one: Refit, names: Sequence[str], of_base: Refit | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "verdict": one.verdict, "converged": "yes" if one.passed else "no", "rhat": one.rhat,
        "ess": one.ess, "divergences": one.divergences, "tries": one.attempts,
        "seconds": one.seconds,
    }  # fmt: skip
    if one.passed:
        for name in names:
            row |= {f"{name}_{what}": value for what, value in _answer(one, name, of_base).items()}
    return row


def _answer(one: Refit, name: str, of_base: Refit | None) -> dict[str, float]:
    """Median and band of an answer, and how far its mean is from that of the base."""
    lower, median, upper = np.quantile(one.draws[name], [_TAIL, 0.5, 1 - _TAIL])
    answer = {"median": float(median), "lower": float(lower), "upper": float(upper)}
    if of_base is None or not of_base.passed:
        return answer
    before = of_base.draws[name]
    sd = float(before.std(ddof=1))
    error = 0.0 if one is of_base else np.hypot(mean_error(one.draws[name]), mean_error(before))
    shift = float(one.draws[name].mean() - before.mean()) / sd
    return answer | {"shift": shift, "shift_error": float(error) / sd}


def _write(table: pd.DataFrame, path: Path) -> None:
    write_whole(path, partial(table.to_csv, float_format="%.6g"))


def _draws(
    studies: Mapping[str, Study], found: Mapping[str, Refit], names: Sequence[str]
) -> xr.Dataset:
    """Draws (case, chain, draw, year) of every answer of the cases that have some."""
    dims = (CHAIN, DRAW, YEAR)
    sampled = {case: found[case].yearly for case in studies if found[case].yearly}
    parts = [
        xr.Dataset(
            {name: (dims, yearly[name], {"units": _unit(studies)}) for name in names},
            coords={YEAR: list(studies[case].years),
                    **{dim: np.arange(size) for dim, size in
                       zip(dims[:2], yearly[names[0]].shape, strict=False)}},
        )
        for case, yearly in sampled.items()
    ]  # fmt: skip
    if not parts:
        return xr.Dataset()
    names_of = pd.Index(list(sampled), name=CASE, dtype=object)
    return xr.concat(parts, names_of, join="outer")


def _unit(studies: Mapping[str, Study]) -> str:
    return next(iter(studies.values())).unit
