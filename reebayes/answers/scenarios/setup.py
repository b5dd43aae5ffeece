"""A scenario as systems to solve: shares and inputs as they were, and what it changes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from reebayes.answers.scenarios.balancing import (
    LOST,
    OTHERS,
    OUTSIDE,
    STAYS,
    Floats,
    Network,
    Rule,
    Systems,
    balance,
    traced,
)
from reebayes.study import Study
from reebayes.study.scenarios import (
    ADD,
    CAPACITY,
    DEMAND,
    PROCESS,
    SCALE,
    SET,
    Change,
    Scenario,
    Size,
    flows_meant,
    processes_meant,
)

HIGH_QUANTILE = NormalDist().inv_cdf(0.95)
LOGISTIC_SLOPE = 10.0  # of the S-curve over its years: from 1 % to 99 % of the way


def _logit(share: Floats) -> Floats:
    return np.asarray(np.log(share) - np.log1p(-share))


def _expit(odds: Floats) -> Floats:
    """Share of log odds, without overflow; SciPy's would take a third of a second to load."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * odds)))


type _Scale = Callable[[Floats], Floats]

_FORWARD: Mapping[str, _Scale] = {"lognormal": np.log, "normal": np.asarray, "share": _logit}
_BACKWARD: Mapping[str, _Scale] = {"lognormal": np.exp, "normal": np.asarray, "share": _expit}
_ABSORBERS = {"stays": STAYS, "lost": LOST, "others": OTHERS}


def draw_size(size: Size, shape: tuple[int, ...], place: str, seed: int) -> Floats:
    """Draw a size: normal on its scale, with a spread of its own on each side of the middle.

    Parameters
    ----------
    size : Size
        Its 5, 50 and 95 % quantiles are met.
    shape : tuple of int
    place : str
        Where it stands: every size has a stream of random numbers of its own.
    seed : int
    """
    if size.is_certain:
        return np.full(shape, size.middle)
    stream = int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big")
    score = np.random.default_rng([seed, stream]).standard_normal(shape) / HIGH_QUANTILE
    low, middle, high = (float(_FORWARD[size.distribution](np.asarray(end)))
                         for end in (size.low, size.middle, size.high))  # fmt: skip
    spread = np.where(score < 0, middle - low, high - middle)
    return np.asarray(_BACKWARD[size.distribution](middle + spread * score), dtype=np.float64)


def weight_of(change: Change, year: int) -> float:
    """Return how much of a change has come about in a year, from 0 to 1 in its last year."""
    if change.shape == "step":
        return 1.0
    done = (change.years.index(year) + 1) / len(change.years)
    if change.shape == "linear":
        return done
    low, high = (float(_expit(np.asarray(LOGISTIC_SLOPE * end))) for end in (-0.5, 0.5))
    return (float(_expit(np.asarray(LOGISTIC_SLOPE * (done - 0.5)))) - low) / (high - low)


@dataclass(frozen=True)
class Graph:
    """The processes and flows of a study by number.

    Parameters
    ----------
    study : Study
    capped : tuple of str
        Uses that a scenario limits.
    """

    study: Study
    capped: tuple[str, ...] = ()

    @cached_property
    def flows(self) -> tuple[str, ...]:
        """Names of all flows."""
        return tuple(self.study.flows.names)

    @cached_property
    def number(self) -> Mapping[str, int]:
        """Number of every flow."""
        return {name: at for at, name in enumerate(self.flows)}

    @cached_property
    def uses(self) -> tuple[str, ...]:
        """Names of the uses."""
        return tuple(p.process for p in self.study.processes if p.kind == "use")

    @cached_property
    def inner(self) -> tuple[str, ...]:
        """Names of the processes that are solved for."""
        passing = ("market", "conversion")
        return tuple(p.process for p in self.study.processes
                     if p.kind in passing or p.process in self.capped)  # fmt: skip

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """Kind of every process."""
        return {process.process: process.kind for process in self.study.processes}

    def ends(self, column: str) -> NDArray[np.int64]:
        """Number of the process at one end of each flow."""
        number = {name: at for at, name in enumerate(self.inner)}
        return np.array(
            [number.get(getattr(flow, column), OUTSIDE) for flow in self.study.flows], np.int64
        )

    def of_kind(self, column: str, *kinds: str) -> NDArray[np.bool_]:
        """Whether the process at one end of each flow is of one of some kinds."""
        return np.array([self.kinds[getattr(f, column)] in kinds for f in self.study.flows], bool)

    @cached_property
    def sinks(self) -> NDArray[np.bool_]:
        """Whether each process that is solved for is a use."""
        return np.array([self.kinds[name] == "use" for name in self.inner], dtype=bool)

    @cached_property
    def mines(self) -> NDArray[np.bool_]:
        """Whether each process is a conversion that takes from environments only."""
        target, given = self.ends("target"), self.of_kind("source", "environment")
        return np.array([
            self.kinds[name] == "conversion" and bool(given[target == at].all())
            for at, name in enumerate(self.inner)
        ], dtype=bool)  # fmt: skip

    def sums(self, values: Floats, column: str) -> Floats:
        """Sum what enters or leaves each process that is solved for."""
        ends = self.ends(column)
        here = np.flatnonzero(ends != OUTSIDE)
        matrix = np.zeros((len(ends), len(self.inner)))
        matrix[here, ends[here]] = 1.0
        return values @ matrix


@dataclass(frozen=True)
class Solved:
    """Solved systems of a study.

    Parameters
    ----------
    flows : array (system, flow)
    stranded, lost, shortage : array (system, process)
        What a process could not hand on, what was lost in it, and what it lacked.
    unmet : array (system, use)
        What each use lacks.
    """

    flows: Floats
    stranded: Floats
    lost: Floats
    shortage: Floats
    unmet: Floats


@dataclass(frozen=True)
class Wanted:
    """What a change asks of its flows: factor * what they would carry + offset, up to a limit."""

    change: Change
    flows: list[int]
    factor: Floats
    offset: Floats
    limit: Floats

    def of(self, column: int, carried: Floats) -> Floats:
        """Return what one of the flows is to carry, given what it would."""
        wanted = self.factor[:, column] * carried + self.offset[:, column]
        return np.asarray(np.clip(wanted, 0.0, self.limit[:, column]))


@dataclass(frozen=True)
class _Limits:
    """What is multiplied, shifted and limited of what each process takes in."""

    share: Floats
    shift: Floats
    most: Floats

    def throttle(self, process: int, wanted: Wanted, column: int, part: Floats) -> None:
        """Let a plant take in no more than it needs for what is asked of one of its products.

        Parameters
        ----------
        process : int
        wanted : Wanted
        column : int
            Which of the flows.
        part : array (system)
            Share of the plant's throughput that it makes up.
        """
        way, offset = wanted.change.way, wanted.offset[:, column]
        limit = offset if way == SET else wanted.limit[:, column]
        self.most[:, process] = np.minimum(self.most[:, process], _ratio(limit, part, np.inf))
        if way == ADD:
            self.shift[:, process] += _ratio(offset, part, 0.0)
        if way == SCALE:
            self.share[:, process] *= wanted.factor[:, column]


class Setup:
    """Systems of some years in which the same changes hold, one for each draw and year.

    Parameters
    ----------
    graph : Graph
    scenario : Scenario
    years : sequence of int
    factual : array (draw, year, flow)
    sizes : mapping of place to array (draw)
        Sizes of the changes by their places, and the ``capacity`` of plants.
    """

    def __init__(
        self, graph: Graph, scenario: Scenario, years: Sequence[int], factual: Floats,
        sizes: Mapping[str, Floats],
    ) -> None:  # fmt: skip
        self.graph, self.scenario, self.years = graph, scenario, tuple(years)
        self.changes = [c for c in scenario.changes if self.years[0] in c.years]
        self.draws, self._sizes = factual.shape[0], sizes
        self.factual = factual.reshape(-1, factual.shape[-1])

    # --- sizes, by system -------------------------------------------------------------------------

    def whole(self, place: str) -> Floats:
        """Size of a change in each system, once it has come about."""
        return np.repeat(self._sizes[place], len(self.years))

    def weight(self, change: Change) -> Floats:
        """How much of a change has come about in each system."""
        return np.tile([weight_of(change, year) for year in self.years], self.draws)

    def wanted(self, change: Change) -> Wanted:
        """Return what a change asks of its flows."""
        study, number = self.graph.study, self.graph.number
        routes = {flow.flow: study.route(flow) for flow in study.flows}
        terms = {q.quantity: [name for name, _ in q.numerator] for q in study.quantities}
        flows = [number[name] for name in flows_meant(change, routes, terms)]
        was, weight = self.factual[:, flows], self.weight(change)[:, None]
        size = self.whole(change.place)[:, None]
        one, none = np.ones_like(was), np.zeros_like(was)
        endless = np.full_like(was, np.inf)
        if change.way == SCALE:
            return Wanted(change, flows, one + weight * (size - one), none, endless)
        size = size * (was if change.relative else self._parts(flows))
        if change.way == ADD:
            return Wanted(change, flows, one, weight * size, endless)
        target = was + weight * (size - was)
        if change.way == SET:
            return Wanted(change, flows, none, target, endless)
        # A limit above what was holds at once; one below is approached over the years.
        return Wanted(change, flows, one, none, np.maximum(target, size))

    def _parts(self, flows: Sequence[int]) -> Floats:
        """What each of several flows has of a size: in proportion to what it was.

        If all of them were nothing, those that can exist have equal parts.
        """
        was = self.factual[:, flows]
        there = [[self.graph.study.flows[self.graph.flows[at]].is_active(year) for at in flows]
                 for year in self.years]  # fmt: skip
        open_to = np.tile(np.array(there, dtype=float), (self.draws, 1))
        weights = np.where(was.sum(axis=1, keepdims=True) > 0, was, open_to)
        total = weights.sum(axis=1, keepdims=True)
        return np.asarray(weights / np.where(total > 0, total, 1.0))

    def most(self, was: Floats) -> Floats:
        """What each process can pass: by the closure, and by changes of processes."""
        plants = np.array([self.graph.kinds[name] == "conversion" for name in self.graph.inner])
        plants &= ~self.graph.mines
        most, base = np.full_like(was, np.inf), was.copy()
        if self.scenario.closure == CAPACITY:
            factor = self.whole(CAPACITY)[:, None]
            base = np.where(plants, factor * was, was)
            most = np.where(plants, factor * was, most)
        for change in self.changes:
            for at in processes_meant(change, self.graph.inner):
                process = self.graph.inner.index(at)
                size, weight = self.whole(change.place), self.weight(change)
                if change.way == SCALE or change.relative:
                    size = size * was[:, process]
                size = size + base[:, process] if change.way == ADD else size
                limit = base[:, process] + weight * (size - base[:, process])
                most[:, process] = np.maximum(limit, 0.0)
        return most

    # --- systems ----------------------------------------------------------------------------------

    def solved(self) -> Solved:
        """Solve the systems in the direction that the closure gives."""
        return self._backwards() if self.scenario.closure == DEMAND else self._forwards()

    def _forwards(self) -> Solved:
        graph, flows = self.graph, self.factual
        network = Network(graph.ends("source"), graph.ends("target"), graph.sinks)
        out, into = graph.sums(flows, "source"), graph.sums(flows, "target")
        was = np.where(graph.sinks, into, out)
        shares = _shares(flows, was, network.begins)
        limits = _Limits(np.ones_like(was), np.zeros_like(was), self.most(was))
        rules = [
            rule
            for wanted in map(self.wanted, self._flow_changes())
            for rule in self._applied(wanted, network, shares, limits)
        ]
        one = np.ones_like(was)
        systems = Systems(shares, one, limits.share, limits.shift, limits.most, was, rules)
        found = balance(network, systems)
        unmet = self._by_use(flows) - self._by_use(found.flows)
        return Solved(found.flows, found.stranded, found.lost, np.zeros_like(was),
                      np.maximum(unmet, 0.0))  # fmt: skip

    def _applied(
        self, wanted: Wanted, network: Network, shares: Floats, limits: _Limits
    ) -> Iterator[Rule]:  # fmt: skip
        """Change inputs, limits and shares; yield rules of what leaves processes otherwise."""
        graph, stays = self.graph, wanted.change.absorbed_by == "stays"
        for column, flow in enumerate(wanted.flows):
            process, was = network.begins[flow], self.factual[:, flow]
            if process == OUTSIDE:
                shares[:, flow] = wanted.of(column, was)
            elif stays and graph.mines[process]:
                # What a mine does not yield is not mined: all that enters it changes alike.
                factor = _ratio(wanted.of(column, was), was, 1.0)
                shares[:, network.ends == process] *= factor[:, None]
            elif stays and graph.kinds[graph.inner[process]] == "conversion":
                limits.throttle(int(process), wanted, column, shares[:, flow])
            else:
                yield self._rule(wanted, column, shares)

    def _backwards(self) -> Solved:
        graph, flows = self.graph, self.factual
        losing = graph.of_kind("target", "loss")
        begins = graph.ends("target")
        network = Network(begins, np.where(losing, OUTSIDE, graph.ends("source")), graph.sinks)
        was = graph.sums(flows, "target")
        losses = graph.sums(flows * losing, "source")
        gain = _ratio(was, was - losses, 1.0)
        shares = _shares(flows, was, begins)
        rules = []
        for wanted in map(self.wanted, self._flow_changes()):
            for column, flow in enumerate(wanted.flows):
                if begins[flow] == OUTSIDE:
                    shares[:, flow] = wanted.of(column, flows[:, flow])
                else:
                    rules.append(self._rule(wanted, column, shares))
        one = np.ones_like(was)
        found = balance(network, Systems(shares, gain, one, 0 * one, self.most(was), was, rules))
        after = found.flows.copy()
        sources = graph.ends("source")
        for flow in np.flatnonzero(losing).tolist():
            process = sources[flow]
            after[:, flow] = found.passed[:, process] * _ratio(flows[:, flow], was[:, process], 0.0)
        # What a process lacks is what nobody handed to it, and what was lost on the way.
        shortage = found.stranded + found.lost
        forwards = Network(sources, begins, graph.sinks)
        missing = self._by_use(traced(forwards, after, shortage))
        refused = self._by_use(shares * (begins == OUTSIDE) - after * (begins == OUTSIDE))
        return Solved(after, np.zeros_like(was), np.zeros_like(was), shortage,
                      missing + np.maximum(refused, 0.0))  # fmt: skip

    def _flow_changes(self) -> list[Change]:
        return [change for change in self.changes if change.kind != PROCESS]

    def _rule(self, wanted: Wanted, column: int, shares: Floats) -> Rule:
        absorber, flow = wanted.change.absorbed_by, wanted.flows[column]
        return Rule(
            flow,
            slope=wanted.factor[:, column] * shares[:, flow],
            offset=wanted.offset[:, column],
            most=wanted.limit[:, column],
            absorbed_by=_ABSORBERS.get(absorber, self.graph.number.get(absorber, STAYS)),
        )

    def _by_use(self, flows: Floats) -> Floats:
        """Sum what enters each use."""
        uses = {name: at for at, name in enumerate(self.graph.uses)}
        found = np.zeros((len(flows), len(uses)))
        for at, flow in enumerate(self.graph.study.flows):
            if flow.target in uses:
                found[:, uses[flow.target]] += flows[:, at]
        return found


def _shares(flows: Floats, was: Floats, begins: NDArray[np.int64]) -> Floats:
    """Share of its process that each flow carries; of one that begins outside, what it carries."""
    inner = begins != OUTSIDE
    return np.where(inner, _ratio(flows, was[:, np.where(inner, begins, 0)], 0.0), flows)


def _ratio(above: Floats, below: Floats, otherwise: float) -> Floats:
    """Divide, where there is something to divide by."""
    there = below > 0
    return np.asarray(np.where(there, above / np.where(there, below, 1.0), otherwise))
