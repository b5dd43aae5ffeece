"""Simulated data sets: drawn from a study's own priors, or with one assumption broken on purpose.

A misspecified data set differs from the well-specified one of the same number in one assumption
only, so that the effect of the break shows beside the same truth. Which flow, reporter or record
breaks is read from the study's tables and drawn anew in every data set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from reebayes.conventions import REPORTER, YEAR
from reebayes.errors import ReebayesError
from reebayes.simulation.records import simulate_records
from reebayes.simulation.worlds import World, simulate_world
from reebayes.study import Study

WELL_SPECIFIED = "well_specified"

TAILS = 1.5
"""Degrees of freedom of the heavy errors."""

DRIFT = 0.4
"""Log bias with which a drifting reporter ends, up or down: half as much again."""

COMMON = 0.2
"""Standard deviation of the yearly log error that two reporters share."""

JUMP = 3.0
"""Factor by which a flow jumps, up or down."""

NONE_AT_ALL = 1e-9
"""Share of an outflow that is not there; the log scale has no zero."""

KEPT = 0.3
"""Share of the records that are not missing."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """Seeds of one data set; the same for every kind, which makes them comparable."""

    world: int
    printing: int
    broken: int
    sampler: int

    @classmethod
    def of(cls, seed: int, number: int) -> Seeds:
        """Seeds of the data set of a given number in a run of a given seed."""
        return cls(*(int(n) for n in np.random.SeedSequence([seed, number]).generate_state(4)))


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Simulated true flows, and the study with its records simulated from them."""

    world: World
    study: Study


type Maker = Callable[[Study, Seeds], DataSet]


def simulate_data_set(study: Study, kind: str, seeds: Seeds) -> DataSet:
    """Draw true flows, and simulate the records of the study from them.

    Parameters
    ----------
    study : Study
    kind : str
        One of `KINDS`.
    seeds : Seeds

    Returns
    -------
    DataSet

    Raises
    ------
    ReebayesError
        If the study has nothing that could break in this way.
    """
    return KINDS[kind](study, seeds)


def _well_specified(study: Study, seeds: Seeds) -> DataSet:
    return _printed(study, simulate_world(study, seed=seeds.world), seeds)


def _printed(study: Study, world: World, seeds: Seeds, freedom: float | None = None) -> DataSet:
    return DataSet(
        world, simulate_records(study, world, seed=seeds.printing, exact=True, freedom=freedom)
    )


def _heavy_tails(study: Study, seeds: Seeds) -> DataSet:
    return _printed(study, simulate_world(study, seed=seeds.world), seeds, TAILS)


def _half_noise(study: Study, seeds: Seeds) -> DataSet:
    """All of the error is twice what is stated, also the part that noise leaves as it is."""
    world = simulate_world(study, seed=seeds.world)
    added = 3.0 * study.variance_floor / (1.0 - study.variance_floor)
    return _printed(study, replace(world, noise=(4.0 * world.noise**2 + added) ** 0.5), seeds)


def _drifting_reporter(study: Study, seeds: Seeds) -> DataSet:
    """A reporter drifts away over the years; busy reporters are the likelier ones."""
    rng = np.random.default_rng(seeds.broken)
    [reporter] = _busy_reporters(study, rng, 1)
    drift = np.linspace(0.0, float(rng.choice([-DRIFT, DRIFT])), len(study.years))
    world = simulate_world(study, seed=seeds.world)
    return _printed(study, _shifted(world, {reporter: drift}), seeds)


def _shared_error(study: Study, seeds: Seeds) -> DataSet:
    """Two reporters have a common systematic error, drawn anew in every year."""
    rng = np.random.default_rng(seeds.broken)
    pair = _busy_reporters(study, rng, 2)
    error = COMMON * rng.standard_normal(len(study.years))
    world = simulate_world(study, seed=seeds.world)
    return _printed(study, _shifted(world, dict.fromkeys(pair, error)), seeds)


def _busy_reporters(study: Study, rng: np.random.Generator, count: int) -> list[str]:
    records = Counter(record.reporter for record in study.records)
    if len(records) < count:
        raise ReebayesError(f"{study.name} has {len(records)} reporter; {count} are needed.")
    weights = np.array([records[name] for name in study.reporters], dtype=float)
    chosen = rng.choice(len(weights), count, replace=False, p=weights / weights.sum())
    return [study.reporters[n] for n in chosen]


def _shifted(world: World, errors: Mapping[str, np.ndarray]) -> World:
    """True values with log errors by year added to the biases of some reporters."""
    bias = world.bias.copy(deep=True)
    for reporter, error in errors.items():
        bias.loc[{REPORTER: reporter}] += xr.DataArray(error, dims=YEAR, coords=[bias[YEAR]])
    return replace(world, bias=bias)


def _structural_break(study: Study, seeds: Seeds) -> DataSet:
    """An inflow jumps in one year, and stays where it then is."""
    rng = np.random.default_rng(seeds.broken)
    inputs = sorted(
        flow.flow
        for flow in study.flows
        for prior in study.priors.rows(flow.flow)[:1]
        if prior.distribution == "lognormal" and prior.step is not None
    )
    if not inputs or len(study.years) < 3:
        raise ReebayesError(f"{study.name} has no inflow that moves over the years.")
    target = str(rng.choice(inputs))
    factor = JUMP ** float(rng.choice([-1.0, 1.0]))
    begin = int(rng.choice(study.years[1:-1]))
    usual = simulate_world(study, seed=seeds.world).unknowns[target].fillna(0.0)
    before = usual[YEAR] < begin
    planted = np.exp(usual) * (before + factor * ~before)
    world = simulate_world(study, seed=seeds.world, overrides={target: planted})
    return _printed(study, world, seeds)


def _zero_smuggling(study: Study, seeds: Seeds) -> DataSet:
    """Nothing unregistered crosses a border, and nobody says that it does."""
    usual = simulate_world(study, seed=seeds.world)
    hidden = {
        flow.flow
        for flow in study.flows
        if not flow.registered and study.route(flow) and flow.flow in usual.unknowns
    }
    if not hidden:
        raise ReebayesError(f"{study.name} has no unregistered flow across a border.")
    claims = {
        quantity.quantity
        for quantity in study.quantities
        for side in (quantity.numerator, quantity.denominator)
        if side and {flow for flow, _ in side} <= hidden
    }
    silent = study.with_records(r for r in study.records if r.quantity not in claims)
    overrides = dict.fromkeys(sorted(hidden), NONE_AT_ALL)
    return _printed(silent, simulate_world(study, seed=seeds.world, overrides=overrides), seeds)


def _missing(study: Study, seeds: Seeds) -> DataSet:
    rng = np.random.default_rng(seeds.broken)
    count = max(1, round(KEPT * len(study.records)))
    kept = set(rng.choice(len(study.records), count, replace=False).tolist())
    rest = study.with_records(r for n, r in enumerate(study.records) if n in kept)
    return _printed(rest, simulate_world(study, seed=seeds.world), seeds)


KINDS: Mapping[str, Maker] = {
    WELL_SPECIFIED: _well_specified,
    "heavy_tails": _heavy_tails,
    "drifting_reporter": _drifting_reporter,
    "zero_smuggling": _zero_smuggling,
    "structural_break": _structural_break,
    "shared_error": _shared_error,
    "half_noise": _half_noise,
    "missing": _missing,
}
"""Kinds of data sets, the well-specified one first."""

DESCRIPTIONS: Mapping[str, str] = {
    WELL_SPECIFIED: "drawn from the priors, with records as the model assumes them",
    "heavy_tails": "errors are Student-t with 1.5 degrees of freedom, which have no variance",
    "drifting_reporter": "one reporter's bias drifts by a factor of 1.5 over the years",
    "zero_smuggling": "nothing unregistered crosses a border, and no record says so",
    "structural_break": "one inflow jumps by a factor of 3, up or down, and stays there",
    "shared_error": "two reporters have a common yearly error of 20 % that the model does not know",
    "half_noise": "errors are twice as large as the records state",
    "missing": "70 % of the records are missing",
}
"""What each kind of data sets is, in words."""
