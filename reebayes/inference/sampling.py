"""From a study to a checked posterior: whiten, sample, transform back, diagnose."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pyarrow as pa
import xarray as xr
from numpy.typing import NDArray
from nutpie.compile_pymc import CompiledPyMCModel

from reebayes.conventions import CHAIN, DRAW, GATE
from reebayes.errors import FitError
from reebayes.files import make_folder, write_whole
from reebayes.inference.assembly import Sampled, assemble, transformed_back
from reebayes.inference.coordinates import at_mode, identity, over_draws
from reebayes.inference.datatree import root_attributes
from reebayes.inference.density import Density, gradients
from reebayes.inference.memory import refuse_what_does_not_fit
from reebayes.model.kernels import Whitening, density_at, keep_at, unfold
from reebayes.model.layout import Layout, lay_out
from reebayes.model.unknowns import Floats
from reebayes.results.fitfile import open_fit
from reebayes.results.stores import FileStore, MemoryStore, Store
from reebayes.study import Study
from reebayes.wording import listed

DRAWS, TUNE, CHAINS = 1000, 250, 4
# Transitions to a kept draw: the slowest flows lose next to nothing, memory and files are a half.
THIN = 2
# Trees of 31 gradients, the longest steps that need them: slow directions want long paths.
TARGET_ACCEPT = 0.87
# Of a second try, where transitions of the first one diverged: steps a third shorter.
SECOND_ACCEPT = 0.95

WHITE = "white"
# The sampler's store holds every transition, twice for a moment; seven digits say where a draw is.
_KEPT = np.float32
_STARTS = "divergence_start"
_STATS = ("diverging", "energy", "logp", "maxdepth_reached", "n_steps", "depth", "step_size",
          "mean_tree_accept")  # fmt: skip


_ENOUGH = 800
"""Kept draws below which hardly any fit can pass the gate, so that a longer one is not tried."""

_LONGER, _SAFELY = 8, 1.5
"""How many times as many transitions a second try has at most, and by what factor more than the
effective draws of the first ask for."""

_ON = 1.25
"""That factor where a run goes on: what it has counts, and the least of thousands of estimates
lies lower than what it estimates."""

_GOOD = 2.0
"""How many times as many effective draws as there are may be wanted of a run that goes on: where
more are, other coordinates do better than more draws in these."""

_OVER = 400
"""About how many draws of a first try the coordinates of the second are over."""

_STORE = 2 * 2**30
"""Bytes of transitions that a second try may hold."""

_NAMED, _FAR = 3, 4.0
"""Places named in a verdict, and the standard errors from which a coordinate counts as far off: of
two thousand, one in sixteen fits has one so far by chance."""


@dataclass(frozen=True, slots=True)
class Run:
    """Settings of one run of the sampler; ``thin`` is its transitions to a kept draw."""

    seed: int
    draws: int
    tune: int
    chains: int
    progress: bool
    accept: float = TARGET_ACCEPT
    cores: int | None = None
    thin: int = 1

    def second(self, told: Mapping[Any, Any], size: int) -> Run:
        """The run to try where this one did not converge.

        Parameters
        ----------
        told : mapping
            What `convergence.diagnose` says of this one. Where transitions diverged, steps get
            smaller; where draws say too little, each that is kept gets more transitions, as many
            times as it takes, if that is at most `_LONGER`, and else twice as many.
        size : int
            Number of unknowns: the sampler's store holds all transitions of all of them.
        """
        accept = max(SECOND_ACCEPT, 0.5 * (1.0 + self.accept)) if told["divergences"] else None
        times = times_longer(*_effective(told), self, size) if self._too_short(told) else 1
        return replace(
            self, seed=(self.seed + 1) % 2**32, accept=accept or self.accept, thin=self.thin * times
        )

    def rest(self, told: Mapping[Any, Any], size: int) -> Run | None:
        """The run that adds to this one what it lacks, if its draws are good and only too few.

        Parameters
        ----------
        told, size
            As in `second`.
        """
        short = self._too_short(told) and not told["divergences"]
        return missing(*_effective(told), self, size) if short else None

    def _too_short(self, told: Mapping[Any, Any]) -> bool:
        """Whether draws say too little, and there are enough of them to tell."""
        effective, wanted = _effective(told)
        mixed = told["rhat_max"] <= GATE["rhat_max"][1] and effective >= wanted
        return not mixed and self.chains * self.draws >= _ENOUGH


def _effective(told: Mapping[Any, Any]) -> tuple[float, float]:
    """Effective draws of what has fewest, and how many the gate asks for."""
    least = max(GATE["ess_bulk_min"][1], GATE["ess_tail_min"][1])
    return min(told["ess_bulk_min"], told["ess_tail_min"]), least


def times_longer(
    effective: float, wanted: float, run: Run, size: int, safely: float = _SAFELY
) -> int:
    """How many times as many transitions a second try has.

    Parameters
    ----------
    effective, wanted : float
        Effective draws of the first try, and how many there must be; more than there are, whatever
        their number, if chains differ.
    run : Run
        The first try.
    size : int
        Number of unknowns: the sampler's store holds all transitions of all of them.
    safely : float
        By what factor more than effective draws ask for.

    Returns
    -------
    int
        As many as it takes, if that is at most `_LONGER`, and else 2: what hardly moves is not
        cured by patience.
    """
    # figures that do not exist count as none
    effective = effective if effective >= 1.0 else 1.0
    times = max(math.ceil(safely * wanted / effective), 2)
    stored = 4 * run.chains * run.draws * run.thin * size
    return max(min(times if times <= _LONGER else 2, _STORE // stored), 1)


def missing(effective: float, wanted: float, run: Run, size: int) -> Run | None:
    """The run that adds to another what it lacks; None if other coordinates would do better.

    Parameters
    ----------
    effective, wanted, run, size
        As in `times_longer`.
    """
    if effective * _GOOD < wanted:
        return None
    times = times_longer(effective, wanted, run, size, _ON)
    more = replace(run, seed=(run.seed + 1) % 2**32, draws=(times - 1) * run.draws)
    return more if times > 1 else None


def joined(first: NDArray[Any], *rest: NDArray[Any]) -> NDArray[Any]:
    """Draws (chain, draw, ...) of a run and of those that went on: as many as the first, of all."""
    whole = np.concatenate([first, *rest], axis=1)
    times = whole.shape[1] // first.shape[1]
    return whole[:, times - 1 :: times]


PILOT = Run(seed=0, draws=40, tune=80, chains=CHAINS, progress=False)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a run leaves: kept draws (chain, draw, latent) and where transitions diverged.

    Both in white coordinates; ``stats`` are of all transitions, ``starts`` (divergence, latent)
    where those began that diverged.
    """

    white: NDArray[np.float32]
    stats: xr.Dataset
    starts: Floats


def fit(
    study: Study,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    target_accept: float = TARGET_ACCEPT,
    progress: bool = True,
    out: str | Path | None = None,
) -> xr.DataTree:
    """Sample the joint posterior of all flows of a study; mass balance closes in every draw.

    Parameters
    ----------
    study : Study
    seed : int
        The same seed gives the same draws on the same machine and versions.
    draws, tune, chains : int
        Draws kept and tuning transitions per chain, and independent chains. Every second
        transition is kept.
    target_accept : float
        Mean acceptance that the sampler tunes its steps for, between 0.5 and 1: the nearer to 1,
        the smaller the steps.
    progress : bool
        Show a progress bar (on a terminal or in a notebook).
    out : str or Path, optional
        A netCDF file to put the fit together in, whole or not at all, instead of in memory: a
        large one needs much less of it so. Its numbers stay in the file until they are used, as
        with `open_fit`.

    Returns
    -------
    DataTree
        ``posterior`` with ``flows`` (chain, draw, year, flow) and ``quantities`` (chain, draw,
        year, quantity) in the unit of the study beside the parameters, the same for ``prior``,
        predictive draws, log-likelihood, records and tables; the convergence verdict in the
        attributes. A fit that did not converge is returned, and says so.

    Notes
    -----
    What did not converge is sampled once more. If nothing diverged and draws are only too few, by
    half at most, the second try goes on: its transitions and those of the first are one run. Else
    it starts anew, in coordinates over the draws of the first try, with smaller steps (for an
    acceptance of at least 0.95) if a transition diverged, and with up to eight times as many
    transitions if draws say too little. The verdict tells of both tries.

    Raises
    ------
    FitError
        If sampling cannot start: the density is not finite anywhere near the mode, or a setting
        is out of range.
    ReebayesError
        If the fit needs more memory than there is; nothing has been started then.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.fit(rb.read_study("zinc"), seed=1, out="results/zinc.nc")
    >>> fit["posterior"]["quantities"].dims
    ('chain', 'draw', 'year', 'quantity')
    >>> fit.attrs["converged"]
    'yes'
    """
    _check_settings(target_accept, draws=draws, tune=tune, chains=chains)
    clock: dict[str, float] = {}
    begin = time.perf_counter()
    layout = lay_out(study)
    refuse_what_does_not_fit(
        layout, transitions=tune + THIN * draws, draws=draws, chains=chains,
        in_file=out is not None,
    )  # fmt: skip
    if out is not None:
        make_folder(Path(out).parent)
    with _timed(clock, "compile"):
        _compile(layout)
    with _timed(clock, "pilot"):
        whitening = find_coordinates(layout, seed=seed)
    run = Run(
        seed=seed, draws=draws, tune=tune, chains=chains, progress=progress, accept=target_accept,
        thin=THIN,
    )  # fmt: skip
    with _timed(clock, "sampling"):
        sampled = _tried(layout, whitening, run)
    settings = {"seed": seed, "draws": draws, "tune": tune, "chains": chains,
                "target_accept": target_accept}  # fmt: skip

    def put_into(store: Store, sampled: Sampled) -> dict[str, Any]:
        with _timed(clock, "assembly"):
            found = assemble(study, layout, sampled, np.random.default_rng(seed), store)
        clock["total"] = time.perf_counter() - begin
        seconds = {name: round(value, 2) for name, value in clock.items()}
        return root_attributes(study, settings) | found | {"wall_seconds": json.dumps(seconds)}

    def put_together(sampled: Sampled) -> xr.DataTree:
        if out is None:
            memory = MemoryStore(study.unit)
            return memory.tree(put_into(memory, sampled))

        def write(temporary: Path) -> None:
            with FileStore(temporary, study.unit) as file:
                file.finish(put_into(file, sampled))

        return open_fit(write_whole(Path(out), write))

    first = put_together(sampled)
    if not _worth_another(first.attrs, run):
        return first
    told = dict(first.attrs)
    # what the first try left stands in its file until the second has replaced it
    first.close()
    del first
    with _timed(clock, "sampling"):
        sampled = _sampled_again(layout, sampled, run, told)
    return put_together(sampled)


def draw(layout: Layout, run: Run, whitening: Whitening) -> tuple[dict[str, Floats], xr.Dataset]:
    """Sample a layout in given coordinates, without the study's tables around the draws.

    Parameters
    ----------
    layout : Layout
        Possibly changed since it was laid out, such as with records that count for nothing.
    run : Run
    whitening : Whitening
        Such as `find_coordinates` returns, or cheaper ones for brief fits one after another.

    Returns
    -------
    draws : dict of name -> array (chain, draw, ...)
        Flows (year, flow), bias (year, reporter), noise of each reporter and of all, common errors,
        step multipliers, latents, location and scale of every record.
    stats : Dataset (chain, draw)
        The sampler's statistics of every transition.
    """
    found = _sample(layout, whitening, run)
    return transformed_back(layout, found.white, whitening), found.stats


def find_coordinates(layout: Layout, *, seed: int, cores: int | None = None) -> Whitening:
    """Coordinates for sampling, from the mode and a short pilot run.

    Parameters
    ----------
    layout : Layout
    seed : int
    cores : int, optional
        How many the pilot run may use; all of them if left out.

    Returns
    -------
    Whitening
    """
    gradient_at = gradients(layout)
    whitening = at_mode(gradient_at, layout)
    white = _sample(layout, whitening, replace(PILOT, seed=seed, cores=cores)).white
    return over_draws(gradient_at, layout, _latents(layout, white, whitening))


def _compile(layout: Layout) -> None:
    """Run every kernel once: compiled code stays on disk and serves every study."""
    whitening = identity(layout)
    white = np.zeros(layout.unknowns.size)
    gradients(layout)(whitening)(white)
    transformed_back(layout, white[None, None], whitening)
    transformed_back(layout, white[None, None], None)


@contextmanager
def _timed(clock: dict[str, float], name: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    clock[name] = time.perf_counter() - begin


def _check_settings(target_accept: float, **settings: int) -> None:
    least = {"draws": 4, "tune": 0, "chains": 1}
    faults = [f"{name} must be at least {least[name]}, not {value}"
              for name, value in settings.items() if value < least[name]]  # fmt: skip
    if not 0.5 <= target_accept < 1.0:
        faults.append(f"target_accept must be at least 0.5 and less than 1, not {target_accept}")
    if faults:
        raise FitError("; ".join(faults))


def _tried(layout: Layout, whitening: Whitening, run: Run, first_try: str = "") -> Sampled:
    """Sample, with all that a fit tells of how it went."""
    return _told(layout, whitening, _sample(layout, whitening, run), run.thin, first_try)


def _told(
    layout: Layout, whitening: Whitening, found: Outcome, thin: int, first_try: str
) -> Sampled:
    """What a run left, with all that a fit tells of how it went."""
    return Sampled(
        found.white, whitening, found.stats, _of_kept(found.stats, thin),
        places=_places(layout, found), first_try=first_try,
    )  # fmt: skip


def _worth_another(told: Mapping[Any, Any], run: Run) -> bool:
    """Whether a second try may pass the gate where the first did not."""
    enough = run.chains * run.draws >= _ENOUGH
    return told["converged"] != "yes" and (enough or told["divergences"] > 0)


def _sampled_again(layout: Layout, sampled: Sampled, run: Run, told: Mapping[Any, Any]) -> Sampled:
    """Sample once more what did not converge, as what was told of the first try asks for."""
    whitening, size = sampled.whitening, layout.unknowns.size
    if rest := run.rest(told, size):
        more = _sample(layout, whitening, rest)
        stats = xr.concat([sampled.stats, more.stats], dim=DRAW)
        both = Outcome(joined(sampled.white, more.white), stats, more.starts)
        times = 1 + rest.draws // run.draws
        how = f"which went on to {times} times as many transitions; of the first part"
        return _told(layout, whitening, both, run.thin * times, _second_try(how, told))
    again = run.second(told, size)
    cures = []
    if run.chains * run.draws >= _ENOUGH:
        latents = _latents(layout, sampled.white, whitening)
        whitening = over_draws(gradients(layout), layout, latents)
        cures.append("coordinates over the draws of the first")
    if again.accept > run.accept:
        cures.append("smaller steps")
    if again.thin > run.thin:
        cures.append(f"{again.thin // run.thin} times as many transitions")
    how = f"with {listed(cures)}" if cures else "from another seed"
    return _tried(layout, whitening, again, _second_try(f"{how}; of the first", told))


def _second_try(how: str, told: Mapping[Any, Any]) -> str:
    return f"This is the second try, {how}: {told['verdict']}"


def _latents(layout: Layout, white: NDArray[Any], whitening: Whitening) -> Floats:
    """Latent vectors (draw, latent) of draws, of some if there are many."""
    points = white.reshape(-1, layout.unknowns.size)
    chosen = points[:: max(len(points) // _OVER, 1)].astype(np.float64)
    return np.array([unfold(point, layout.equations.steps, whitening)[1] for point in chosen])


def _places(layout: Layout, found: Outcome) -> tuple[str, ...]:
    """Names of the unknowns that are farthest off where transitions diverged, if any are."""
    if not len(found.starts):
        return ()
    drawn = found.white.reshape(-1, found.white.shape[2])
    off = (found.starts - drawn.mean(axis=0)) / np.maximum(drawn.std(axis=0), 1e-12)
    far = np.abs(off.mean(axis=0)) * np.sqrt(len(off))
    named = np.argsort(-far)[:_NAMED]
    return tuple(layout.latents[n] for n in named if far[n] > _FAR)


def _sample(layout: Layout, whitening: Whitening, run: Run) -> Outcome:
    """Run the sampler once."""
    density = gradients(layout)(whitening)
    try:
        sampler = nutpie.sample(
            _sampled(density),
            draws=run.draws * run.thin,
            tune=run.tune,
            chains=run.chains,
            cores=min(run.chains, run.cores or os.cpu_count() or 1),
            seed=run.seed,
            progress_bar=run.progress,
            save_warmup=False,
            target_accept=run.accept,
            blocking=False,
            store_divergences=True,
            # as a tree, all transitions would be in memory twice
            return_raw_trace=True,
        )
        draws, stats = _awaited(sampler).get_arrow_trace()
    except RuntimeError as error:
        raise FitError(f"Sampling could not start: {error}") from error
    white, told = _kept_draws(draws, density.size, run), _statistics(stats, run)
    return Outcome(white, told, _starts(stats, density.size, run))


def _kept_draws(chains: Sequence[Any], size: int, run: Run) -> NDArray[np.float32]:
    """Every ``thin``-th draw (chain, draw, latent) of the sampler's store."""
    kept = np.empty((len(chains), run.draws, size), dtype=_KEPT)
    for chain, batch in enumerate(chains):
        values = pa.array(batch.column(WHITE)).flatten().to_numpy(zero_copy_only=True)
        pairs = values.reshape(batch.num_rows, -1)[run.tune + run.thin - 1 :: run.thin]
        kept[chain] = pairs.view(_KEPT)[:, :size]
    return kept


def _statistics(chains: Sequence[Any], run: Run) -> xr.Dataset:
    """The sampler's statistics (chain, transition), those of tuning left out."""
    there = chains[0].column_names

    def values(name: str) -> NDArray[Any]:
        columns = [pa.array(batch.column(name)) for batch in chains]
        return np.stack([column.to_numpy(zero_copy_only=False)[run.tune :] for column in columns])

    return xr.Dataset({name: ((CHAIN, DRAW), values(name)) for name in _STATS if name in there})


def _starts(chains: Sequence[Any], size: int, run: Run) -> Floats:
    """Where transitions began that diverged (divergence, latent), those of tuning left out."""
    columns = [pa.array(batch.column(_STARTS))[run.tune :].drop_null() for batch in chains]
    found = [column.flatten().to_numpy(zero_copy_only=False) for column in columns]
    return np.concatenate(found).reshape(-1, size)


def _sampled(density: Density) -> CompiledPyMCModel:
    """The density as the sampler takes it: by its address, so that no thread waits for Python.

    Its store holds doubles, and each of them two coordinates.
    """
    room = (density.size + 1) // 2

    def start(seed: int) -> Floats:
        # refers to the density, which so lives as long as threads of the sampler may call it
        return np.asarray(np.random.default_rng(seed).standard_normal(density.size))

    return CompiledPyMCModel(
        compiled_logp_func=density_at(),
        compiled_expand_func=keep_at(),
        initial_point_func=start,
        user_data=density.packed,
        n_expanded=room,
        shape_info=([WHITE], [slice(room)], [(room,)]),
        _n_dim=density.size,
        _shapes={WHITE: (room,)},
        _coords={},
        dims={},
        # of models made by PyMC
        shared_data={},
        shared_var_keys={},
        logp_func=None,
        expand_func=None,
    )


def _of_kept(stats: xr.Dataset, thin: int) -> dict[str, Any]:
    """Statistics of kept draws: what befell any of the transitions to it, and their mean cost.

    Arrays, and the labels of their dimensions.
    """
    groups = stats.coarsen(draw=thin)
    kept = stats.isel(draw=slice(thin - 1, None, thin))
    befell = groups.max()[["diverging", "maxdepth_reached"]]
    kept = kept.assign(befell).assign(n_steps=groups.mean()["n_steps"])
    arrays = {str(name): kept[name].values for name in kept.data_vars}
    names = {CHAIN: np.arange(kept.sizes[CHAIN]), DRAW: np.arange(kept.sizes[DRAW])}
    return {"arrays": arrays, "names": names}


def _awaited(sampler: Any) -> Any:
    """Wait for the sampler, which would itself take an interrupt for the end of the draws."""
    try:
        return sampler.wait()
    except KeyboardInterrupt:
        sampler.cancel()
        raise
