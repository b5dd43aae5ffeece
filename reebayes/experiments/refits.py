"""Short fits of changed studies, started from a related fit: for answers, not for files of fits.

A refit samples in coordinates over the draws of the fit that it starts from, so it needs no search
for a mode and no pilot, and little tuning. Priors and records are those of the changed study alone.
It keeps the draws of what is asked of it and has a gate of its own. Without a related fit it is as
long as a fit, and passes the gate of a fit for what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from reebayes.answers.montecarlo import mean_error
from reebayes.conventions import DRAW, GATE, POSTERIOR
from reebayes.experiments.cases import Case, Outcome
from reebayes.experiments.engine import run_cases
from reebayes.inference.convergence import bfmi, ess_bulk, ess_tail, rhat
from reebayes.inference.coordinates import over_draws
from reebayes.inference.datatree import quantity_draws
from reebayes.inference.density import gradients
from reebayes.inference.sampling import (
    CHAINS,
    DRAWS,
    SECOND_ACCEPT,
    TARGET_ACCEPT,
    THIN,
    TUNE,
    Run,
    draw,
    find_coordinates,
    joined,
    missing,
    times_longer,
)
from reebayes.model.kernels import Whitening
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats
from reebayes.provenance import asked_for, digest_of
from reebayes.results.reading import Contents
from reebayes.results.selection import Span, over_years
from reebayes.study import Study

_START = 400
"""Draws of the related fit over which the coordinates are laid."""

_PATIENCE = 4
"""How many times as many transitions a refit has at most that is only too short."""

_DRAWS = "draws/"
_FIGURES = ("rhat", "ess", "divergences", "bfmi", "saturated")


@dataclass(frozen=True, slots=True)
class Gate:
    """What a refit must satisfy for every answer that is asked of it.

    Parameters
    ----------
    rhat_max, ess_min : float
        Bounds on R-hat and effective sample size, in bulk.
    tails : bool
        Whether the effective sample size is also that of the tails.
    """

    rhat_max: float
    ess_min: float
    tails: bool


SHORT = Gate(1.02, 200, tails=False)
"""Gate of a refit from a related fit."""

WHOLE = Gate(GATE["rhat_max"][1], GATE["ess_bulk_min"][1], tails=True)
"""Gate of a fit, for what is asked."""


@dataclass(frozen=True, slots=True)
class RefitSettings:
    """Sampler settings of a refit; a second try goes on, or takes smaller steps and more."""

    chains: int = CHAINS
    tune: int = 60
    draws: int = 500
    thin: int = 1
    accept: float = TARGET_ACCEPT
    second_accept: float = SECOND_ACCEPT
    gate: Gate = SHORT

    def run(self, seed: int, *, cores: int | None) -> Run:
        """Settings of the sampler."""
        return Run(
            seed=seed, draws=self.draws, tune=self.tune, chains=self.chains, progress=False,
            cores=cores, thin=self.thin, accept=self.accept,
        )  # fmt: skip

    def second(self, run: Run, figures: Mapping[str, Any], size: int) -> Run:
        """Settings of the sampler where a first run did not pass: see `sampled`."""
        effective, wanted = figures["ess"], self.gate.ess_min
        times = 1 if self._mixed(figures) else times_longer(effective, wanted, run, size)
        return replace(
            run, seed=(run.seed + 1) % 2**32, tune=2 * run.tune, accept=self.second_accept,
            thin=run.thin * times,
        )  # fmt: skip

    def rest(self, run: Run, figures: Mapping[str, Any], size: int) -> Run | None:
        """Settings of what adds to a first run that is only too short: see `sampled`."""
        if figures["divergences"] or self._mixed(figures):
            return None
        return missing(figures["ess"], self.gate.ess_min, run, size)

    def _mixed(self, figures: Mapping[str, Any]) -> bool:
        return bool(figures["rhat"] <= self.gate.rhat_max and figures["ess"] >= self.gate.ess_min)


AS_A_FIT = RefitSettings(tune=TUNE, draws=DRAWS, thin=THIN, gate=WHOLE)
"""Settings where there is no related fit to start from."""


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
    bfmi, saturated : float
        Energy of the worst chain, and share of trees that were cut off, as in the gate of a fit.
    fault : str
        Why there are no draws.
    gate : Gate
    seconds : float
        How long it took.
    yearly : mapping of name to array (chain, draw, year)
        The draws by year.
    """

    draws: Mapping[str, Floats]
    rhat: float
    ess: float
    divergences: int
    attempts: int
    bfmi: float = 1.0
    saturated: float = 0.0
    fault: str = ""
    gate: Gate = SHORT
    seconds: float = np.nan
    yearly: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether it may be cited."""
        return passes({name: getattr(self, name) for name in _FIGURES}, self.gate)

    @property
    def verdict(self) -> str:
        """What the gate says, in a sentence."""
        if self.fault:
            return f"could not be sampled: {self.fault}"
        figures = (
            f"R-hat {self.rhat:.3f}, effective draws {self.ess:.0f}, "
            f"divergences {self.divergences}, tries {self.attempts}"
        )
        if self.bfmi < GATE["bfmi_min"][1]:
            figures += f", energy {self.bfmi:.2f}"
        if self.saturated >= GATE["saturated_fraction"][1]:
            figures += f", cut-off trees {self.saturated:.1%}"
        return f"{'passed' if self.passed else 'did not pass'}: {figures}"

    def mean(self, name: str) -> tuple[float, float]:
        """Mean of an answer, and its standard error."""
        values = self.draws[name]
        return float(values.mean()), mean_error(values)


def refits(
    cases: Mapping[str, Study],
    near: Contents | None,
    years: Mapping[str, Span],
    *,
    log: Callable[[str], object] | None = None,
    **options: Any,
) -> dict[str, Refit]:
    """Fit changed studies briefly, each from the same fit.

    Parameters
    ----------
    cases, near, years, **options
        As in `refitted`.
    log : callable, optional
        Takes a line on each case that did not pass its gate.

    Returns
    -------
    dict of Refit
        In the order of the cases. One that could not be sampled at all has no draws, and its
        verdict says why.
    """
    found = {}
    for name, one in refitted(cases, near, years, **options):
        found[name] = one
        if log and not one.passed:
            log(f"{name}: {one.verdict}")
    return {name: found[name] for name in cases}


def refitted(
    cases: Mapping[str, Study],
    near: Contents | None,
    years: Mapping[str, Span],
    *,
    seed: int = 0,
    folder: Path | None = None,
    settings: RefitSettings | None = None,
    **options: Any,
) -> Iterator[tuple[str, Refit]]:
    """Fit changed studies, and return each as it ends.

    Parameters
    ----------
    cases : mapping of name to Study
        Those that matter most first.
    near : Contents, optional
        The fit that all start from, of a related study; each finds its own coordinates without.
    years : mapping of quantity to years
        The answers that are asked for.
    seed : int
        Each case has a seed of its own, made of this one and its digest: it gives the same draws
        whichever cases are beside it.
    folder : Path, optional
        Where each finished case is kept as a small file, and found again.
    settings : RefitSettings, optional
    **options
        ``workers``, ``scheduler``, ``noun``, ``progress``, as in `run_cases`.

    Returns
    -------
    iterator of (str, Refit)
    """
    settings = settings or (RefitSettings() if near else AS_A_FIT)
    starts = Starts.of(near) if near and cases else None
    work = [_case(name, study, near, starts, years, seed, settings)
            for name, study in cases.items()]  # fmt: skip
    for case, outcome in run_cases(work, folder, **options):
        known = cases[case.name].years
        yield case.name, _refit_of(outcome, years, known, settings.gate)


def refit(
    study: Study,
    starts: Starts | None,
    years: Mapping[str, Span],
    seed: int,
    settings: RefitSettings,
    *,
    cores: int | None,
) -> dict[str, Any]:
    """Fit one changed study; once more if the first try does not pass.

    Returns
    -------
    dict
        Draws (chain, draw, year) of every answer, and the figures of the gate.

    Raises
    ------
    FitError
        If sampling cannot start.
    """
    layout = lay_out(study)

    def by_year(draws: Mapping[str, Floats]) -> dict[str, Floats]:
        return {name: _by_year(layout, draws["flows"], name) for name in years}

    def answers(draws: Mapping[str, Floats]) -> dict[str, Floats]:
        return _answers(by_year(draws), years, study.years)

    draws, figures = sampled(layout, starts, seed, settings, answers, cores=cores)
    return figures | {f"{_DRAWS}{name}": values for name, values in by_year(draws).items()}


def sampled(
    layout: Layout,
    starts: Starts | None,
    seed: int,
    settings: RefitSettings,
    asked: Callable[[Mapping[str, Floats]], Mapping[str, Floats]],
    *,
    cores: int | None,
) -> tuple[Mapping[str, Floats], dict[str, Any]]:
    """Sample a changed study, and once more if what is asked of it does not pass.

    Where nothing diverged and effective draws are only too few, by half at most, the second try
    adds to the first what is missing, and goes on until all passes or there are `_PATIENCE` times
    as many transitions: with so few draws chains differ by chance, too. Else it has smaller steps,
    in coordinates over the draws of the first, and as many times more transitions as effective
    draws were wanting.

    Parameters
    ----------
    layout : Layout
    starts : Starts or None
        Draws of the fit to start from.
    seed : int
    settings : RefitSettings
    asked : callable
        Takes the draws, and returns those (chain, draw) of what must pass the gate.
    cores : int or None

    Returns
    -------
    draws : mapping of name to array
        As `inference.sampling.draw` returns them.
    figures : dict
        Those of the gate, and ``attempts``.
    """
    run = settings.run(seed, cores=cores)
    whitening = coordinates(layout, starts, seed, cores)
    draws, stats = draw(layout, run, whitening)
    figures = gate_figures(asked(draws), stats, settings.gate)
    if passes(figures, settings.gate):
        return draws, figures | {"attempts": 1}
    size = layout.unknowns.size
    if settings.rest(run, figures, size) is None:
        whitening = coordinates(layout, Starts.of_draws(layout, draws["latents"]), seed, cores)
        draws, stats = draw(layout, settings.second(run, figures, size), whitening)
        return draws, gate_figures(asked(draws), stats, settings.gate) | {"attempts": 2}
    return _gone_on(layout, run, whitening, (draws, stats, figures), settings, asked)


def _gone_on(
    layout: Layout,
    run: Run,
    whitening: Whitening,
    first: tuple[Mapping[str, Floats], xr.Dataset, dict[str, Any]],
    settings: RefitSettings,
    asked: Callable[[Mapping[str, Floats]], Mapping[str, Floats]],
) -> tuple[Mapping[str, Floats], dict[str, Any]]:
    """Add to a run that is only too short until it passes, or has gone on for long enough."""
    draws, stats, figures = first
    parts, length = [draws], run.draws
    while rest := settings.rest(run, figures, layout.unknowns.size):
        length += rest.draws
        if length > _PATIENCE * run.draws:
            break
        own = replace(rest, seed=(run.seed + len(parts)) % 2**32)
        more, further = draw(layout, own, whitening)
        parts.append(more)
        draws = {name: joined(*(part[name] for part in parts)) for name in draws}
        stats = xr.concat([stats, further], dim=DRAW)
        figures = gate_figures(asked(draws), stats, settings.gate)
    return draws, figures | {"attempts": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Starts:
    """Draws of the unknowns of a related fit: what of it is sent to a worker."""

    names: tuple[str, ...]
    values: Floats

    @classmethod
    def of(cls, near: Contents) -> Starts:
        """Take some draws, evenly over the chains."""
        latents = near.group(POSTERIOR)["latents"].transpose("chain", "draw", ...)
        names = latents["latent"].values.astype(str).tolist()
        return cls(tuple(names), _spread_over(latents.values))

    @classmethod
    def of_draws(cls, layout: Layout, latents: Floats) -> Starts:
        """Take some of the latent vectors (chain, draw, latent) of a layout."""
        return cls(tuple(layout.latents), _spread_over(latents))

    def of_layout(self, layout: Layout, seed: int) -> Floats:
        """Latent vectors, by name; what the related fit does not have is drawn from the prior."""
        known = {name: n for n, name in enumerate(self.names)}
        size = (len(self.values), layout.unknowns.size)
        start = np.random.default_rng(seed).standard_normal(size)
        here = [n for n, name in enumerate(layout.latents) if name in known]
        start[:, here] = self.values[:, [known[layout.latents[n]] for n in here]]
        return start


def _spread_over(latents: Floats) -> Floats:
    """Return some latent vectors (draw, latent), evenly over the chains."""
    values = latents.reshape(-1, latents.shape[-1])
    return np.asarray(values[np.linspace(0, len(values) - 1, min(_START, len(values))).astype(int)])


def coordinates(layout: Layout, starts: Starts | None, seed: int, cores: int | None) -> Whitening:
    """Return coordinates over the draws of a related fit, or from a pilot without one."""
    if starts is None:
        return find_coordinates(layout, seed=seed, cores=cores)
    return over_draws(gradients(layout), layout, starts.of_layout(layout, seed))


def _by_year(layout: Layout, flows: Floats, name: str) -> Floats:
    """Draws (chain, draw, year) of a quantity; seven digits say where a draw is."""
    at = np.array([layout.quantities.index(name)], dtype=np.int64)
    return quantity_draws(layout, flows, at)[..., 0].astype(np.float32)


def _answers(
    yearly: Mapping[str, Floats], years: Mapping[str, Span], known: tuple[int, ...]
) -> dict[str, Floats]:
    return {name: over_years(yearly[name].astype(np.float64), known, span)
            for name, span in years.items()}  # fmt: skip


def gate_figures(answers: Mapping[str, Floats], stats: xr.Dataset, gate: Gate) -> dict[str, Any]:
    """Return the figures of the gate, the worst of all answers (chain, draw)."""
    stacked = np.ascontiguousarray(np.stack(list(answers.values()), axis=2))
    sizes = [ess_bulk(stacked), *([ess_tail(stacked)] if gate.tails else [])]
    return {
        "rhat": float(np.nanmax(rhat(stacked))),
        "ess": float(np.nanmin(sizes)),
        "divergences": int(stats["diverging"].sum()),
        "bfmi": float(bfmi(stats["energy"].transpose("chain", "draw").values).min()),
        "saturated": float(stats["maxdepth_reached"].mean()),
    }


def passes(figures: Mapping[str, Any], gate: Gate) -> bool:
    """Return whether `gate_figures` are good enough."""
    return bool(
        figures["rhat"] <= gate.rhat_max and figures["ess"] >= gate.ess_min
        and not figures["divergences"] and figures["bfmi"] >= GATE["bfmi_min"][1]
        and figures["saturated"] < GATE["saturated_fraction"][1]
    )  # fmt: skip


def _refit_of(
    outcome: Outcome, years: Mapping[str, Span], known: tuple[int, ...], gate: Gate
) -> Refit:
    """Read what came of a case."""
    arrays = outcome.arrays
    if outcome.fault:
        return Refit({}, np.nan, np.nan, 0, 0, fault=outcome.fault, gate=gate)
    yearly = {name: np.asarray(arrays[f"{_DRAWS}{name}"]) for name in years}
    return Refit(
        _answers(yearly, years, known), float(arrays["rhat"]), float(arrays["ess"]),
        int(arrays["divergences"]), int(arrays["attempts"]), float(arrays["bfmi"]),
        float(arrays["saturated"]), gate=gate, seconds=outcome.seconds, yearly=yearly,
    )  # fmt: skip


def _case(
    name: str,
    study: Study,
    near: Contents | None,
    starts: Starts | None,
    years: Mapping[str, Span],
    seed: int,
    settings: RefitSettings,
) -> Case:
    start = near.attrs.get("digest") if near else None
    # the draws of a case hang on nothing but itself
    own = digest_of({"study": study.hash, "near": start, "seed": seed})
    spans: dict[str, Any] = {name: span for name, span in sorted(years.items())}
    asked = asked_for(study.hash, seed=seed, near=start, answers=spans,
                      settings=asdict(settings))  # fmt: skip
    return Case(name, asked, refit, (study, starts, dict(years), int(own[:8], 16), settings))
