"""Many fits of one study: its variants, and what is left when records are held out.

Every finished piece is a file of its own, named by what made it, and never made twice: a run that
was killed goes on where it stopped.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from reebayes.conventions import RECORD
from reebayes.errors import FitError, ResultError
from reebayes.files import write_whole
from reebayes.inference.convergence import judge
from reebayes.inference.datatree import draws_dataset, log_likelihood
from reebayes.inference.sampling import Run, draw, find_coordinates, fit
from reebayes.model.kernels import CERTAIN
from reebayes.model.layout import lay_out
from reebayes.provenance import package_version
from reebayes.results.fitfile import open_fit, save_fit
from reebayes.study import Study

BASE = "base"

type Tell = Callable[[str], object]
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
class Workshop:
    """Where fits of a study and its variants are kept, and how each is sampled.

    Parameters
    ----------
    folder : Path
        One file per variant, and ``held_out`` with one per variant and fold.
    run : Run
        Settings of every fit.
    tell : callable
        Takes a line on what is being done.
    """

    folder: Path
    run: Run
    tell: Tell

    def fit(self, variants: Mapping[str, Study]) -> FitFiles:
        """Fit every study that has no finished file of the same contents and settings."""
        paths = {}
        for name, study in variants.items():
            path = paths[name] = self.folder / f"{name}.nc"
            if self._is_done(path, study):
                self.tell(f"{path}: finished before.")
                continue
            save_fit(fit(study, **self._settings(), progress=self.run.progress), path)
            self.tell(f"{path}: {open_attributes(path).get('verdict', '')}")
        return FitFiles(paths)

    def score(self, variants: Mapping[str, Study], folds: Folds) -> dict[str, pd.Series]:
        """Log predictive densities of records under refits that leave out one fold at a time."""
        return {name: self._score_folds(name, study, folds) for name, study in variants.items()}

    def _score_folds(self, name: str, study: Study, folds: Folds) -> pd.Series:
        known = set(study.records.names)
        held = {fold: [r for r in records if r in known] for fold, records in folds.items()}
        scores = [self._score_fold(name, study, *item) for item in held.items() if item[1]]
        return pd.concat(scores) if scores else pd.Series(dtype=float)

    def _score_fold(self, name: str, study: Study, fold: str, held: Sequence[str]) -> pd.Series:
        path = self.folder / "held_out" / f"{name}-{self._digest(study, held)}.csv"
        if not path.is_file():
            self.tell(f"{name}: fitting without {fold} ({len(held)} records).")
            scores = score_held_out(study, held, self.run)
            write_whole(path, lambda temporary: scores.to_csv(temporary))
        return pd.Series(pd.read_csv(path, index_col=RECORD)["elpd"])

    def _digest(self, study: Study, held: Sequence[str]) -> str:
        made_by = [study.hash, sorted(held), self._settings(), package_version()]
        return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()[:16]

    def _settings(self) -> dict[str, int]:
        return {name: getattr(self.run, name) for name in ("seed", "draws", "tune", "chains")}

    def _is_done(self, path: Path, study: Study) -> bool:
        wanted = self._settings() | {
            "study_hash": study.hash,
            "reebayes_version": package_version(),
        }
        found = open_attributes(path)
        return all(found.get(key) == value for key, value in wanted.items())


def open_attributes(path: Path) -> Mapping[str, object]:
    """Return the attributes of a fit's file without its draws; empty if there is no such file."""
    try:
        with xr.open_datatree(path, engine="netcdf4") as tree:
            return {str(key): _plain(value) for key, value in tree.attrs.items()}
    except (OSError, RuntimeError, ValueError):
        return {}


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


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
    """One fold: every record that tells of a year after `year`.

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


def score_held_out(study: Study, held: Sequence[str], run: Run) -> pd.DataFrame:
    """Fit a study as if some records had never been published, and score them.

    Parameters
    ----------
    study : Study
    held : sequence of str
        Records to leave out. Their reporters keep their biases and noise, which other records of
        the same reporter inform, or the prior alone.
    run : Run
        Settings of the sampler.

    Returns
    -------
    DataFrame
        ``elpd``, the log of the mean predictive density of each held-out record (index).

    Raises
    ------
    FitError
        If the fit without them did not converge.
    """
    layout = lay_out(study)
    kind = layout.figures.kind.copy()
    at = np.flatnonzero(np.isin(layout.records, list(held)) & (kind != CERTAIN))
    kind[at] = CERTAIN
    without = replace(layout, figures=layout.figures._replace(kind=kind))
    draws, stats = draw(without, run, find_coordinates(without, seed=run.seed))
    verdict = judge(draws_dataset(layout, draws), stats)
    if verdict["converged"] != "yes":
        raise FitError(f"The fit without {len(held)} records failed: {verdict['verdict']}")
    terms = log_likelihood(layout, draws["location"], draws["scale"])["value"].values[..., at]
    terms = terms.astype(np.float64).reshape(-1, at.size)
    elpd = logsumexp(terms, axis=0) - np.log(len(terms))
    names = pd.Index([layout.records[n] for n in at], name=RECORD)
    return pd.DataFrame({"elpd": elpd}, index=names)
