"""Many fits of one study: its variants, and what is left when records are held out.

Every finished piece is a file of its own, named by what made it, and never made twice: a run that
was killed goes on where it stopped.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from reebayes.conventions import POSTERIOR, RECORD
from reebayes.errors import FitError, ResultError
from reebayes.experiments.cases import Arrays, Case
from reebayes.experiments.engine import run_cases
from reebayes.inference.convergence import diagnose
from reebayes.inference.datatree import draws_dataset, log_likelihood
from reebayes.inference.sampling import Run, draw, find_coordinates, fit
from reebayes.model.kernels import CERTAIN
from reebayes.model.layout import lay_out
from reebayes.provenance import asked_for, digest_of, is_asked_for
from reebayes.results.fitfile import fit_attributes, open_fit
from reebayes.study import Study

BASE = "base"

type Log = Callable[[str], object]
type Folds = Mapping[str, Sequence[str]]
"""Names of folds, and the records that each leaves out."""


class FitFiles(Mapping[str, xr.DataTree]):
    """Fits in files, each opened when it is asked for: together they may not fit in memory."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self.paths = dict(paths)

    def __getitem__(self, name: str) -> xr.DataTree:
        """Open a fit."""
        return open_fit(self.paths[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the fits."""
        return iter(self.paths)

    def __len__(self) -> int:
        """Return the number of fits."""
        return len(self.paths)


@dataclass(frozen=True, slots=True)
class RunStore:
    """Where fits of a study and its variants are kept, and how each is sampled.

    Parameters
    ----------
    folder : Path
        One file per variant, and ``held_out`` with one per variant and fold.
    run : Run
        Settings of every fit.
    log : callable
        Takes a line on what is being done.
    workers, scheduler
        Who refits without held-out records, as in `run_cases`; fits are made by this process.
    """

    folder: Path
    run: Run
    log: Log
    workers: int | None = 0
    scheduler: str | None = None

    def fit(self, variants: Mapping[str, Study]) -> FitFiles:
        """Fit every study that has no finished file of the same contents and settings."""
        paths = {}
        for name, study in variants.items():
            path = paths[name] = self.folder / f"{name}.nc"
            if is_asked_for(fit_attributes(path), self._asked(study)):
                self.log(f"{path}: finished before.")
                continue
            fit(study, **self._settings(), progress=self.run.progress, out=path).close()
            self.log(f"{path}: {fit_attributes(path).get('verdict', '')}")
        return FitFiles(paths)

    def score(self, variants: Mapping[str, Study], folds: Folds) -> dict[str, pd.Series]:
        """Log predictive densities of records under refits that leave out one fold at a time.

        Raises
        ------
        FitError
            If a refit did not converge; the others are kept.
        """
        cases = [case for name, study in variants.items()
                 for case in self._without_folds(name, study, folds)]  # fmt: skip
        done = {
            case.name: outcome
            for case, outcome in run_cases(
                cases, self.folder / "held_out", workers=self.workers, scheduler=self.scheduler,
                progress=self.run.progress,
            )
        }  # fmt: skip
        failed = [f"{name}: {outcome.fault}" for name, outcome in done.items() if outcome.fault]
        if failed:
            raise FitError("\n".join(failed))
        scores: dict[str, list[pd.Series]] = {name: [] for name in variants}
        for case in cases:
            scores[str(case.asked["variant"])].append(_elpd(done[case.name].arrays))
        return {name: pd.concat(parts) if parts else pd.Series(dtype=float)
                for name, parts in scores.items()}  # fmt: skip

    def _without_folds(self, name: str, study: Study, folds: Folds) -> Iterator[Case]:
        known = set(study.records.names)
        for fold, records in folds.items():
            held = [record for record in records if record in known]
            if held:
                asked = self._asked(study, held=sorted(held), variant=name)
                place = f"{name}-{digest_of(asked)}"
                arguments = (study, held, self.run)
                yield Case(f"{name} without {fold}", asked, held_out_scores, arguments, place)

    def _asked(self, study: Study, **other: Any) -> dict[str, Any]:
        return asked_for(study.hash, **self._settings(), **other)

    def _settings(self) -> dict[str, Any]:
        names = ("seed", "draws", "tune", "chains")
        chosen = {name: getattr(self.run, name) for name in names}
        return chosen | {"target_accept": self.run.accept}


def variants_of(study: Study, names: Sequence[str]) -> dict[str, Study]:
    """Return the study itself, as ``base``, and the named variants of it."""
    return {BASE: study} | {name: study.variant(name) for name in names}


# --- folds --------------------------------------------------------------------------------------


def folds_by_reporter(study: Study) -> dict[str, list[str]]:
    """One fold per reporter: everything that it reported."""
    folds: dict[str, list[str]] = {}
    for record in study.records:
        folds.setdefault(f"what {record.reporter} reports", []).append(record.record)
    return folds


def folds_at_random(records: Sequence[str], count: int, *, seed: int) -> dict[str, list[str]]:
    """Deal records into a number of folds of nearly equal size."""
    order = np.random.default_rng(seed).permutation(np.array(records, dtype=object))
    parts = [list(map(str, part)) for part in np.array_split(order, count) if part.size]
    return {f"fold {n} of {len(parts)}": part for n, part in enumerate(parts, 1)}


def future_fold(study: Study, year: int) -> dict[str, list[str]]:
    """One fold: every record of a year after `year`.

    Raises
    ------
    ResultError
        If no record is left on one of the sides.
    """
    future = [record.record for record in study.records if record.year_end > year]
    if not 0 < len(future) < len(study.records):
        first, last = study.first_year, study.last_year
        message = f"no record is left on one side of {year}; choose a year in {first}-{last - 1}"
        raise ResultError(message)
    return {f"years after {year}": future}


def held_out_scores(
    study: Study, held: Sequence[str], run: Run, *, cores: int | None
) -> dict[str, Any]:
    """Do `score_held_out` as the work of a case."""
    scores = score_held_out(study, held, replace(run, progress=False, cores=cores))
    return {RECORD: scores.index.to_numpy(str), "elpd": scores["elpd"].to_numpy()}


def _elpd(arrays: Arrays) -> pd.Series:
    return pd.Series(arrays["elpd"], index=pd.Index(arrays[RECORD].astype(object), name=RECORD))


def score_held_out(study: Study, held: Sequence[str], run: Run) -> pd.DataFrame:
    """Fit a study as if some records had never been published, and score them.

    Parameters
    ----------
    study : Study
    held : sequence of str
        Records to leave out. Their reporters keep their biases and noise, which other records of
        the same reporter inform, or the prior alone. A composition without some of its parts is
        one of the others.
    run : Run
        Settings of the sampler.

    Returns
    -------
    DataFrame
        ``elpd``, the log of the mean predictive density of each held-out record (index). A part of
        a composition is scored given the parts that are not held out, and those that are and stand
        before it; the first part of a table that is held out whole has no score, nor has a record
        without information.

    Raises
    ------
    FitError
        If the fit without them did not converge.
    """
    layout = lay_out(study, last=frozenset(held))
    kind = layout.equations.figures.kind.copy()
    at = np.flatnonzero(np.isin(layout.records, list(held)) & (kind != CERTAIN))
    kind[at] = CERTAIN
    equations = layout.equations
    silent = equations._replace(figures=equations.figures._replace(kind=kind))
    without = replace(layout, equations=silent)
    draws, stats = draw(without, run, find_coordinates(without, seed=run.seed, cores=run.cores))
    verdict = diagnose(draws_dataset(layout, study.unit, POSTERIOR, draws), stats)
    if verdict["converged"] != "yes":
        raise FitError(f"The fit without {len(held)} records failed: {verdict['verdict']}")
    terms = log_likelihood(layout, draws)[..., at].reshape(-1, at.size)
    elpd = logsumexp(terms, axis=0) - np.log(len(terms))
    names = pd.Index([layout.records[n] for n in at], name=RECORD)
    return pd.DataFrame({"elpd": elpd}, index=names)
