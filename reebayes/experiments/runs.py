"""Many fits of one study: its variants, and what is left when records are held out.

Every finished piece is a file of its own, named by what made it, and never made twice: a run that
was killed goes on where it stopped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
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
from reebayes.experiments.refits import (
    RefitSettings,
    Starts,
    passes,
    sampled,
)
from reebayes.inference.convergence import diagnose
from reebayes.inference.datatree import draws_dataset, log_likelihood
from reebayes.inference.pit import HIGH, LOW, PIT, REPLICATED, transforms
from reebayes.inference.sampling import Run, draw, find_coordinates, fit
from reebayes.model.kernels import CERTAIN
from reebayes.model.layout import Layout, lay_out
from reebayes.model.observations import freedoms
from reebayes.provenance import asked_for, digest_of, is_asked_for
from reebayes.results.fitfile import fit_attributes, open_fit
from reebayes.results.reading import contents_of
from reebayes.study import Record, Study

BASE = "base"

type Log = Callable[[str], object]
type Folds = Mapping[str, Sequence[str]]
"""Names of folds, and the records that each leaves out."""

TRIES = 3
"""How often a refit without records is sampled, as long as a fit, before it counts as failed: one
lost fold is lost to all variants."""

_COLUMNS = ("elpd", LOW, HIGH, PIT)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """What refits say of records that they did not see.

    Parameters
    ----------
    records : DataFrame
        By record: ``elpd``, the log of the mean predictive density; ``pit_low``, ``pit_high`` and
        ``pit``, where it lies in what was predicted, as `transforms` returns them.
    replicas : array (replica, record)
        The ``pit`` of replicated records.
    """

    records: pd.DataFrame
    replicas: np.ndarray

    @classmethod
    def of(cls, arrays: Arrays) -> "HeldOut":
        """Read what came of a case."""
        names = pd.Index(arrays[RECORD].astype(object), name=RECORD)
        table = pd.DataFrame({name: arrays[name] for name in _COLUMNS}, index=names)
        return cls(table, np.asarray(arrays[REPLICATED], dtype=float))

    @property
    def arrays(self) -> dict[str, Any]:
        """What a case keeps."""
        columns = {name: self.records[name].to_numpy(dtype=float) for name in _COLUMNS}
        names = self.records.index.to_numpy(str)
        return {RECORD: names, **columns, REPLICATED: self.replicas.astype(np.float32)}


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

    def score(
        self, variants: Mapping[str, Study], folds: Folds, *, force: bool = False
    ) -> dict[str, HeldOut]:
        """Score records under refits that leave out one fold at a time, by variant.

        Each starts from the fit of its variant where `fit` has made it.

        Parameters
        ----------
        variants : mapping of name to Study
        folds : Folds
            The same of all variants; each holds out those of the records that it has.
        force : bool
            Go on without the folds whose refit did not converge, and tell them.

        Raises
        ------
        FitError
            If a refit did not converge and `force` is false; the others are kept.
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
        if failed and not force:
            raise FitError("\n".join(failed))
        for line in failed:
            self.log(line)
        found: dict[str, list[HeldOut]] = {name: [] for name in variants}
        for case in cases:
            if not done[case.name].fault:
                found[str(case.asked["variant"])].append(HeldOut.of(done[case.name].arrays))
        return {name: _together(parts) for name, parts in found.items()}

    def _without_folds(self, name: str, study: Study, folds: Folds) -> Iterator[Case]:
        known = set(study.records.names)
        near, starts = self._start(name, study)
        for fold, records in folds.items():
            held = [record for record in records if record in known]
            if held:
                asked = self._asked(study, held=sorted(held), variant=name, near=near)
                place = f"{name}-{digest_of(asked)}"
                arguments = (study, held, self.run, starts)
                yield Case(f"{name} without {fold}", asked, held_out_scores, arguments, place)

    def _start(self, name: str, study: Study) -> tuple[str | None, Starts | None]:
        """Digest and draws of the fit of a variant, if there is one to start from."""
        path = self.folder / f"{name}.nc"
        found = fit_attributes(path)
        if found.get("converged") != "yes" or not is_asked_for(found, self._asked(study)):
            return None, None
        with open_fit(path) as near:
            return str(found.get("digest")), Starts.of(contents_of(near))

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


def records_of(variants: Iterable[Study]) -> dict[str, Record]:
    """Return every record of studies by name, those of the first study first."""
    found: dict[str, Record] = {}
    for study in variants:
        for record in study.records:
            found.setdefault(record.record, record)
    return found


def folds_by_reporter(records: Iterable[Record]) -> dict[str, list[str]]:
    """One fold per reporter: everything that it reported."""
    folds: dict[str, list[str]] = {}
    for record in records:
        folds.setdefault(f"what {record.reporter} reports", []).append(record.record)
    return folds


def folds_at_random(
    records: Sequence[str], count: int, *, seed: int, others: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Deal records into a number of folds of nearly equal size.

    Parameters
    ----------
    records : sequence of str
        Dealt by `seed`, whatever the others are.
    count : int
    seed : int
    others : iterable of str
        Records of variants alone: each goes into the fold that its name and `seed` say, so that
        another variant does not move it.
    """
    order = np.random.default_rng(seed).permutation(np.array(records, dtype=object))
    parts = [list(map(str, part)) for part in np.array_split(order, count) if part.size]
    for name in others:
        parts[int(sha256(f"{seed}:{name}".encode()).hexdigest(), 16) % len(parts)].append(name)
    return {f"fold {n} of {len(parts)}": part for n, part in enumerate(parts, 1)}


def future_fold(records: Sequence[Record], year: int) -> dict[str, list[str]]:
    """One fold: every record of a year after `year`.

    Raises
    ------
    ResultError
        If no record is left on one of the sides.
    """
    future = [record.record for record in records if record.year_end > year]
    if not 0 < len(future) < len(records):
        ends = [record.year_end for record in records]
        first, last = min(ends, default=year), max(ends, default=year)
        message = f"no record is left on one side of {year}; choose a year in {first}-{last - 1}"
        raise ResultError(message)
    return {f"years after {year}": future}


def held_out_scores(
    study: Study, held: Sequence[str], run: Run, starts: Starts | None, *, cores: int | None
) -> dict[str, Any]:
    """Do `score_held_out` as the work of a case."""
    return score_held_out(study, held, replace(run, progress=False, cores=cores), starts).arrays


def _together(parts: Sequence[HeldOut]) -> HeldOut:
    """Records of several folds; replicas of different folds are drawn apart."""
    if not parts:
        empty = pd.DataFrame(columns=list(_COLUMNS), dtype=float).rename_axis(RECORD)
        return HeldOut(empty, np.empty((0, 0)))
    return HeldOut(
        pd.concat([part.records for part in parts]),
        np.concatenate([part.replicas for part in parts], axis=1),
    )


def score_held_out(
    study: Study, held: Sequence[str], run: Run, starts: Starts | None = None
) -> HeldOut:
    """Fit a study as if some records had never been published, and score them.

    Parameters
    ----------
    study : Study
    held : sequence of str
        Records to leave out. Their reporters keep their biases and noise, which other records of
        the same reporter inform, or the prior alone; so do the errors that they have in common.
        A composition without some of its parts is one of the others.
    run : Run
        Settings of the sampler. If the fit does not converge it is sampled again, up to `TRIES`
        times in all, each with smaller steps and another seed.
    starts : Starts, optional
        Draws of a fit that saw the records. A short refit in coordinates over them is tried first,
        twice; it counts if what it predicts of the records passes the gate of short refits.

    Returns
    -------
    HeldOut
        A part of a composition is scored given the parts that are not held out, and those that are
        and stand before it; the first part of a table that is held out whole has no score, nor has
        a record without information.

    Raises
    ------
    FitError
        If the fit without them did not converge at any try.
    """
    layout = lay_out(study, last=frozenset(held))
    kind = layout.equations.figures.kind.copy()
    at = np.flatnonzero(np.isin(layout.records, list(held)) & (kind != CERTAIN))
    draws = _draws_without(layout, at, study.unit, run, starts)
    size = (draws["location"][..., 0].size, at.size)
    terms = log_likelihood(layout, draws)[..., at].reshape(size)
    figures = layout.equations.figures
    stated = figures._replace(kind=kind[at], low=figures.low[at], high=figures.high[at])
    location, scale = (draws[name][..., at].reshape(size) for name in ("location", "scale"))
    freedom = freedoms(layout.equations, draws["latents"]).reshape(-1)
    places = transforms(location, scale, stated, np.random.default_rng(run.seed), freedom)
    columns = {"elpd": logsumexp(terms, axis=0) - np.log(len(terms))}
    columns |= {name: places[name] for name in (LOW, HIGH, PIT)}
    names = pd.Index([layout.records[n] for n in at], name=RECORD)
    return HeldOut(pd.DataFrame(columns, index=names), places[REPLICATED])


def _draws_without(
    layout: Layout, at: np.ndarray, unit: str, run: Run, starts: Starts | None
) -> dict[str, np.ndarray]:
    """Draws that did not see the records at some positions."""
    kind = layout.equations.figures.kind.copy()
    kind[at] = CERTAIN
    equations = layout.equations
    silent = equations._replace(figures=equations.figures._replace(kind=kind))
    without = replace(layout, equations=silent)
    if starts is not None and (soon := _soon(without, at, run, starts)):
        return soon
    whitening = find_coordinates(without, seed=run.seed, cores=run.cores)
    for _ in range(TRIES):
        draws, stats = draw(without, run, whitening)
        verdict = diagnose(draws_dataset(layout, unit, POSTERIOR, draws), stats)
        if verdict["converged"] == "yes":
            return draws
        run = run.second(verdict, layout.unknowns.size)
    message = f"The fit without {len(at)} records failed {TRIES} times: {verdict['verdict']}"
    raise FitError(message)


def _soon(
    without: Layout, at: np.ndarray, run: Run, starts: Starts
) -> dict[str, np.ndarray] | None:
    """Draws of a short refit, if one of two tries predicts the records well enough."""
    settings = RefitSettings(chains=run.chains)

    def asked(draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {without.records[n]: draws["location"][..., n] for n in at}

    draws, figures = sampled(without, starts, run.seed, settings, asked, cores=run.cores)
    return dict(draws) if passes(figures, settings.gate) else None
