"""Short fits of changed studies, started from a related fit: for answers, not for files of fits.

A refit samples in coordinates over the draws of the fit that it starts from, so it needs no search
for a mode and no pilot, and little tuning. Priors and records are those of the changed study alone.
It keeps the draws of what is asked of it and has a gate of its own. Without a related fit it is as
long as a fit, and passes the gate of a fit for what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from reebayes.answers.montecarlo import mean_error
from reebayes.conventions import GATE, POSTERIOR
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
    """Sampler settings of a refit; a second try takes smaller steps and another seed."""

    chains: int = CHAINS
    tune: int = 60
    draws: int = 500
    thin: int = 1
    accept: float = TARGET_ACCEPT
    second_accept: float = SECOND_ACCEPT
    gate: Gate = SHORT

    def run(self, seed: int, *, second: bool, cores: int | None) -> Run:
        """Settings of the sampler."""
        return Run(
            seed=(seed + second) % 2**32, draws=self.draws, tune=self.tune * (1 + second),
            chains=self.chains, progress=False, cores=cores, thin=self.thin,
            accept=self.second_accept if second else self.accept,
        )  # fmt: skip


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
    """Fit one changed study; once more with smaller steps if the first try does not pass.

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
    whitening = coordinates(layout, starts, seed, cores)
    for second in (False, True):
        found, stats = draw(layout, settings.run(seed, second=second, cores=cores), whitening)
        yearly = {name: _by_year(layout, found["flows"], name) for name in years}
        arrays: dict[str, Any] = {f"{_DRAWS}{name}": values for name, values in yearly.items()}
        arrays |= gate_figures(_answers(yearly, years, study.years), stats, settings.gate)
        arrays["attempts"] = 1 + second
        if passes(arrays, settings.gate):
            break
    return arrays


@dataclass(frozen=True, slots=True, eq=False)
class Starts:
    """Draws of the unknowns of a related fit: what of it is sent to a worker."""

    names: tuple[str, ...]
    values: Floats

    @classmethod
    def of(cls, near: Contents) -> Starts:
        """Take some draws, evenly over the chains."""
        latents = near.group(POSTERIOR)["latents"].transpose("chain", "draw", ...)
        values = latents.values.reshape(-1, latents.shape[-1])
        chosen = np.linspace(0, len(values) - 1, min(_START, len(values))).astype(int)
        return cls(tuple(latents["latent"].values.astype(str).tolist()), values[chosen])

    def of_layout(self, layout: Layout, seed: int) -> Floats:
        """Latent vectors, by name; what the related fit does not have is drawn from the prior."""
        known = {name: n for n, name in enumerate(self.names)}
        size = (len(self.values), layout.unknowns.size)
        start = np.random.default_rng(seed).standard_normal(size)
        here = [n for n, name in enumerate(layout.latents) if name in known]
        start[:, here] = self.values[:, [known[layout.latents[n]] for n in here]]
        return start


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
