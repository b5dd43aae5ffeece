"""Short fits of changed studies, started from a related fit: for answers, not for files of fits.

A refit samples in coordinates over the draws of the fit that it starts from, so it needs no search
for a mode and no pilot, and little tuning. Priors and records are those of the changed study alone.
It keeps the draws of what is asked of it and has a gate of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from reebayes.answers.montecarlo import mean_error
from reebayes.conventions import POSTERIOR
from reebayes.errors import FitError, ResultError
from reebayes.experiments.progress import Meter
from reebayes.files import write_whole
from reebayes.inference.convergence import ess_bulk, rhat
from reebayes.inference.coordinates import over_draws
from reebayes.inference.datatree import quantity_draws
from reebayes.inference.density import gradients
from reebayes.inference.sampling import Run, draw
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats
from reebayes.provenance import asked_for, digest_of
from reebayes.results.reading import Contents
from reebayes.results.selection import Span, over_years
from reebayes.study import Study

RHAT_MAX, ESS_MIN = 1.02, 200
"""Gate of a refit: R-hat and bulk effective sample size of every answer that is asked of it."""

_START = 400
"""Draws of the related fit over which the coordinates are laid."""


@dataclass(frozen=True, slots=True)
class RefitSettings:
    """Sampler settings of a refit; a second try takes smaller steps and another seed."""

    chains: int = 4
    tune: int = 60
    draws: int = 900
    accept: float = 0.87
    second_accept: float = 0.95

    def run(self, seed: int, *, second: bool) -> Run:
        """Settings of the sampler."""
        return Run(
            seed=(seed + second) % 2**32, draws=self.draws, tune=self.tune * (1 + second),
            chains=self.chains, progress=False, cores=os.cpu_count(),
            accept=self.second_accept if second else self.accept,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """Answers of one refit.

    Parameters
    ----------
    draws : mapping of name to array (chain, draw)
        Draws of every answer, in its unit.
    rhat, ess : float
        Worst of the answers.
    divergences, attempts : int
    fault : str
        Why sampling could not start; there are no draws then.
    """

    draws: Mapping[str, Floats]
    rhat: float
    ess: float
    divergences: int
    attempts: int
    fault: str = ""

    @property
    def passed(self) -> bool:
        """Whether it may be cited."""
        return self.rhat <= RHAT_MAX and self.ess >= ESS_MIN and not self.divergences

    @property
    def verdict(self) -> str:
        """What the gate says, in a sentence."""
        if self.fault:
            return f"could not be sampled: {self.fault}"
        figures = (
            f"R-hat {self.rhat:.3f}, effective draws {self.ess:.0f}, "
            f"divergences {self.divergences}, tries {self.attempts}"
        )
        return f"{'passed' if self.passed else 'did not pass'}: {figures}"

    def mean(self, name: str) -> tuple[float, float]:
        """Mean of an answer, and its standard error."""
        values = self.draws[name]
        return float(values.mean()), mean_error(values)


def refits(
    cases: Mapping[str, Study],
    near: Contents,
    years: Mapping[str, Span],
    *,
    seed: int = 0,
    folder: Path | None = None,
    settings: RefitSettings | None = None,
    progress: bool = False,
    log: Callable[[str], object] | None = None,
) -> dict[str, Refit]:
    """Fit changed studies briefly, each from the same fit.

    Parameters
    ----------
    cases : mapping of name to Study
    near : Contents
        The fit that all start from, of a related study.
    years : mapping of quantity to years
        The answers that are asked for.
    seed : int
        Each case has a seed of its own, made of this one and its digest: it gives the same draws
        whichever cases are beside it.
    folder : Path, optional
        Where each finished case is kept as a small file, and found again.
    settings : RefitSettings, optional
    progress : bool
        Tell on standard error how many are done.
    log : callable, optional
        Takes a line on each case that did not pass its gate.

    Returns
    -------
    dict of Refit
        A case that could not be sampled at all has no draws, and its verdict says why.
    """
    settings = settings or RefitSettings()
    found: dict[str, Refit] = {}
    paths = {name: _path(folder, study, near, years, seed, settings)
             for name, study in cases.items()}  # fmt: skip
    done = {name: read_refit(path) for name, path in paths.items() if path and path.is_file()}
    with Meter("refits", len(cases), len(done), show=progress) as meter:
        for name, study in cases.items():
            if name in done:
                found[name] = done[name]
                continue
            try:
                one = refit(study, near, years, seed=_seed(study, near, seed), settings=settings)
            except FitError as error:
                one = Refit({}, np.nan, np.nan, 0, 0, fault=str(error))
            finally:
                meter.tick()
            path = paths[name]
            if path and not one.fault:
                write_refit(path, one)
            if log and not one.passed:
                log(f"{name}: {one.verdict}")
            found[name] = one
    return found


def refit(
    study: Study,
    near: Contents,
    years: Mapping[str, Span],
    *,
    seed: int,
    settings: RefitSettings,
) -> Refit:
    """Fit one changed study; once more with smaller steps if the first try does not pass.

    Raises
    ------
    FitError
        If sampling cannot start.
    """
    layout = lay_out(study)
    latents = _starts(near, layout, seed)
    whitening = over_draws(gradients(layout), layout, latents)
    for second in (False, True):
        found, stats = draw(layout, settings.run(seed, second=second), whitening)
        draws = {name: _answer(layout, study, found["flows"], name, span)
                 for name, span in years.items()}  # fmt: skip
        stacked = np.ascontiguousarray(np.stack(list(draws.values()), axis=2))
        one = Refit(
            draws, float(np.nanmax(rhat(stacked))), float(np.nanmin(ess_bulk(stacked))),
            int(stats["diverging"].sum()), 1 + second,
        )  # fmt: skip
        if one.passed:
            break
    return one


def _starts(near: Contents, layout: Layout, seed: int) -> Floats:
    """Latent vectors of the related fit, by name; what it does not have is drawn from the prior."""
    latents = near.group(POSTERIOR)["latents"].transpose("chain", "draw", ...)
    values = latents.values.reshape(-1, latents.shape[-1])
    chosen = np.linspace(0, len(values) - 1, min(_START, len(values))).astype(int)
    known = {name: n for n, name in enumerate(latents["latent"].values.astype(str).tolist())}
    start = np.random.default_rng(seed).standard_normal((chosen.size, layout.unknowns.size))
    here = [n for n, name in enumerate(layout.latents) if name in known]
    there = [known[layout.latents[n]] for n in here]
    start[:, here] = values[chosen][:, there]
    return start


def _answer(layout: Layout, study: Study, flows: Floats, name: str, span: Span) -> Floats:
    at = np.array([layout.quantities.index(name)], dtype=np.int64)
    return over_years(quantity_draws(layout, flows, at)[..., 0], study.years, span)


def _seed(study: Study, near: Contents, seed: int) -> int:
    digest = digest_of({"study": study.hash, "near": near.attrs.get("digest"), "seed": seed})
    return int(digest[:8], 16)


def _path(
    folder: Path | None,
    study: Study,
    near: Contents,
    years: Mapping[str, Span],
    seed: int,
    settings: RefitSettings,
) -> Path | None:
    if folder is None:
        return None
    spans: dict[str, Any] = {name: span for name, span in sorted(years.items())}
    asked = asked_for(study.hash, seed=seed, near=near.attrs.get("digest"),
                      answers=spans, settings=asdict(settings))  # fmt: skip
    return folder / f"{digest_of(asked)}.npz"


def write_refit(path: Path, one: Refit) -> None:
    """Write a refit whole or not at all; the file says nothing of when or where."""
    figures = np.array([one.rhat, one.ess, one.divergences, one.attempts])
    arrays = {f"draws/{name}": values for name, values in one.draws.items()}

    def save(target: Path) -> None:
        with target.open("wb") as handle:
            np.savez_compressed(handle, allow_pickle=False, figures=figures, **arrays)

    write_whole(path, save)


def read_refit(path: Path) -> Refit:
    """Read a refit.

    Raises
    ------
    ResultError
        If the file is damaged.
    """
    try:
        with path.open("rb") as handle, np.load(handle) as stored:
            rhat_max, ess, divergences, attempts = stored["figures"]
            draws = {name.removeprefix("draws/"): stored[name]
                     for name in stored.files if name != "figures"}  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ResultError(f"{path}: damaged ({error}). Delete it and run again.") from error
    return Refit(draws, float(rhat_max), float(ess), int(divergences), int(attempts))
