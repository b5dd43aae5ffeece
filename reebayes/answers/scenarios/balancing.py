"""The mass balance of many systems at once, with limits on flows and processes.

What arrives at a process is handed on: forwards along the flows where supply drives, backwards
where demand does. A process passes x of what arrives, and each flow out of it carries a share of x,
unless a `Rule` says otherwise. What a process cannot pass stays where it came from. So

    x = min(most, share * gain * (given + what is handed to it) + shift),

which is linear but for the limits. Newton's method solves it: a system without limits takes one
step, one with limits as many as it takes to find which of them bind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reebayes.errors import ResultError

STAYS, LOST, OTHERS = -1, -2, -3
"""Where the difference of a flow goes, if not to a flow (a number from 0 up)."""

OUTSIDE = -1
"""End of a flow beyond the processes that are solved for."""

BEYOND = 1e12  # throughput of a system that has no solution
CHUNK = 256  # systems at a time: their matrices fit into the cache
TOLERANCE = 1e-13  # of the largest throughput of a system
MOST_STEPS = 240
ROUNDS = 12
"""Steps after which Newton's method, in case it goes in circles, lets material be handed on."""

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """Which process hands what to which, in the direction that drives.

    Parameters
    ----------
    begins, ends : array (flow)
        Number of the process that hands a flow out, and of the one that takes it; `OUTSIDE` if it
        is none of those that are solved for.
    sinks : array (process)
        Whether material may stay in a process, as in a use.
    """

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    sinks: NDArray[np.bool_]

    @property
    def size(self) -> int:
        """Number of processes that are solved for."""
        return len(self.sinks)

    @cached_property
    def links(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Flows between processes, the pairs of processes they link, and which links which."""
        edges = np.flatnonzero((self.begins != OUTSIDE) & (self.ends != OUTSIDE))
        codes = self.ends[edges] * self.size + self.begins[edges]
        pairs, which = np.unique(codes, return_inverse=True)
        sums = np.zeros((len(edges), len(pairs)))
        sums[np.arange(len(edges)), which] = 1.0
        return edges, pairs, sums

    @cached_property
    def arrivals(self) -> Floats:
        """Whether each flow (flow, process) ends in each process."""
        found = np.zeros((len(self.ends), self.size))
        taken = np.flatnonzero(self.ends != OUTSIDE)
        found[taken, self.ends[taken]] = 1.0
        return found


@dataclass(frozen=True)
class Rule:
    """What one flow carries instead of its share: slope * x + offset, within 0 and `most`.

    Parameters
    ----------
    flow : int
    slope, offset, most : array (system)
    absorbed_by : int
        A flow out of the same process, or `STAYS`, `LOST` or `OTHERS`.
    """

    flow: int
    slope: Floats
    offset: Floats
    most: Floats
    absorbed_by: int

    @property
    def only_shares(self) -> bool:
        """Whether it hands on a share of what is passed, and the rest to other flows."""
        elsewhere = self.absorbed_by not in (STAYS, LOST)
        return elsewhere and not self.offset.any() and bool(np.isinf(self.most).all())


@dataclass(frozen=True)
class Systems:
    """Many systems of one network, each with its shares, inputs and limits.

    Parameters
    ----------
    shares : array (system, flow)
        Share of its process that a flow carries; of a flow that begins outside, what it carries.
    gain, share, shift, most : array (system, process)
        What arrives is multiplied by gain and share, shifted, and limited.
    start : array (system, process)
        Throughputs from which the search sets out.
    rules : sequence of Rule
    """

    shares: Floats
    gain: Floats
    share: Floats
    shift: Floats
    most: Floats
    start: Floats
    rules: Sequence[Rule] = ()

    def part(self, which: slice | NDArray[np.int64]) -> Systems:
        """Return some of the systems."""
        rules = [
            Rule(r.flow, r.slope[which], r.offset[which], r.most[which], r.absorbed_by)
            for r in self.rules
        ]
        return Systems(
            self.shares[which], self.gain[which], self.share[which], self.shift[which],
            self.most[which], self.start[which], rules,
        )  # fmt: skip


@dataclass(frozen=True)
class Balanced:
    """Solved systems.

    Parameters
    ----------
    flows : array (system, flow)
    passed : array (system, process)
        What each process passes, before its gain is taken off.
    stranded, lost : array (system, process)
        What arrived at a process and was not handed on.
    """

    flows: Floats
    passed: Floats
    stranded: Floats
    lost: Floats


def balance(network: Network, systems: Systems) -> Balanced:
    """Solve the mass balance of many systems.

    Parameters
    ----------
    network : Network
    systems : Systems

    Returns
    -------
    Balanced
        Inflow equals outflow, with what is stranded and lost, in every process and system.

    Raises
    ------
    ResultError
        If material goes round and cannot leave.
    """
    count, systems = len(systems.shares), _folded(network, systems)
    parts = [
        _solved(network, systems.part(slice(start, start + CHUNK)))
        for start in range(0, count, CHUNK)
    ]
    names: tuple[Literal["flows", "passed", "stranded", "lost"], ...]
    names = ("flows", "passed", "stranded", "lost")
    return Balanced(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _folded(network: Network, systems: Systems) -> Systems:
    """Make shares of the rules that only share out otherwise, whatever a process passes."""
    shares, size = systems.shares.copy(), (len(systems.shares), network.size)
    trial = _Handed(shares, shares.copy(), np.zeros(size), np.zeros(size))
    kept: list[Rule] = []
    for process, rules in _by_process(network, systems.rules).items():
        edges = np.flatnonzero(network.begins == process)
        if all(rule.only_shares for rule in rules):
            _redirect(edges, rules, systems.shares, np.ones(len(shares)), process, trial)
            if not trial.stranded[:, process].any():
                continue
        shares[:, edges] = systems.shares[:, edges]
        kept += rules
    return replace(systems, shares=shares, rules=kept)


def _by_process(network: Network, rules: Sequence[Rule]) -> dict[int, list[Rule]]:
    found: dict[int, list[Rule]] = {}
    for rule in rules:
        found.setdefault(int(network.begins[rule.flow]), []).append(rule)
    return found


@dataclass(frozen=True)
class _Handed:
    """What all processes hand out at given throughputs, and its derivatives."""

    flows: Floats
    slopes: Floats
    stranded: Floats
    lost: Floats


@dataclass(frozen=True)
class _Arrived:
    """What processes hand out at given throughputs, and what then arrives in each."""

    handed: _Handed
    arriving: Floats
    after: Floats

    @classmethod
    def at(cls, network: Network, systems: Systems, passed: Floats) -> _Arrived:
        """Hand out what is passed."""
        handed = _hand_out(network, systems, passed)
        offered = np.where(network.begins == OUTSIDE, systems.shares, handed.flows)
        factor = systems.gain * systems.share
        arriving = factor * (offered @ network.arrivals) + systems.shift
        return cls(handed, arriving, np.clip(arriving, 0.0, systems.most))


def _solved(network: Network, systems: Systems) -> Balanced:
    passed = systems.start.copy()
    left, work = np.arange(len(passed)), systems
    for step in range(MOST_STEPS):
        found = _Arrived.at(network, work, passed[left])
        error = np.abs(found.after - passed[left]).max(axis=1, initial=0.0)
        done = (error <= TOLERANCE * found.after.max(axis=1, initial=0.0)) & (step > 0)
        if done.all():
            return _finished(network, systems, passed)
        going = np.flatnonzero(~done)
        # After a while without an end material is handed on, from where the search sets out again.
        better = found.after[going]
        if step % (2 * ROUNDS) < ROUNDS:
            better = _newton(network, work, found, passed[left], going)
        left, work = left[going], work if len(going) == len(left) else work.part(going)
        passed[left] = better
    raise ResultError(
        "This scenario has no balance: material goes round and cannot leave, or more is asked of a "
        "circle of processes than it can give. Let the difference stay or be lost instead of going "
        "to others."
    )


def _newton(
    network: Network, systems: Systems, found: _Arrived, passed: Floats, going: NDArray[np.int64]
) -> Floats:
    """Return the throughputs of some systems, were what binds now all that binds."""
    free = (found.arriving[going] >= 0) & (found.arriving[going] < systems.most[going])
    moves = systems.gain[going] * systems.share[going] * free
    edges, pairs, sums = network.links
    begins, ends = network.begins[edges], network.ends[edges]
    slopes = moves[:, ends] * found.handed.slopes[going][:, edges]
    after, arrivals = found.after[going], network.arrivals[edges]
    constant = after - (slopes * passed[going][:, begins]) @ arrivals
    matrix = np.zeros((len(going), network.size**2))
    matrix[:, pairs] = slopes @ sums
    # What a sink takes in goes no further, so it stands in no equation but its own.
    on = np.flatnonzero(~network.sinks)
    inner = matrix.reshape(-1, network.size, network.size)[:, on[:, None], on]
    found_on = _step(np.eye(len(on)) - inner, constant[:, on])
    astray = ~np.isfinite(found_on).all(axis=1) | (found_on.max(axis=1, initial=0.0) > BEYOND)
    solved = after.copy()
    solved[:, on] = np.where(astray[:, None], after[:, on], found_on)
    into = constant + (slopes * solved[:, begins]) @ arrivals
    solved[:, network.sinks] = np.where(astray[:, None], after, into)[:, network.sinks]
    return np.maximum(solved, 0.0)


def _step(matrix: Floats, constant: Floats) -> Floats:
    """Solve linear systems; infinite where one has no solution."""
    try:
        return np.asarray(np.linalg.solve(matrix, constant[..., None])[..., 0])
    except np.linalg.LinAlgError:
        if len(matrix) == 1:
            return np.full_like(constant, np.inf)
    pairs = zip(matrix, constant, strict=True)
    return np.concatenate([_step(one[None], right[None]) for one, right in pairs])


def _finished(network: Network, systems: Systems, passed: Floats) -> Balanced:
    """Take what processes refuse off their inflows; it stays where it came from."""
    found = _Arrived.at(network, systems, passed)
    handed, arriving = found.handed, found.arriving
    taken, inner = network.ends != OUTSIDE, network.begins != OUTSIDE
    offered = np.where(inner, handed.flows, systems.shares)
    # What a process is offered and what it takes, before its gain.
    whole = offered @ network.arrivals
    accepted = passed / systems.gain
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(whole > 0, np.minimum(accepted / whole, 1.0), 1.0)
    limited = (accepted < whole * (1 - 1e-12)) | (arriving > systems.most)
    ratio = np.where(limited, ratio, 1.0)
    flows = offered.copy()
    flows[:, taken] *= ratio[:, network.ends[taken]]
    back = np.zeros((len(network.begins), network.size))
    here = np.flatnonzero(inner)
    back[here, network.begins[here]] = 1.0
    stranded = handed.stranded + (offered - flows) @ back
    return Balanced(flows, passed, stranded, handed.lost)


def _hand_out(network: Network, systems: Systems, passed: Floats) -> _Handed:
    """What each process hands out, by share and by rule."""
    inner = network.begins != OUTSIDE
    shares = systems.shares * inner
    throughput = passed[:, np.where(inner, network.begins, 0)]
    flows, slopes = shares * throughput, shares.copy()
    lost = np.zeros_like(passed)
    # A process that passed nothing has no shares: what reaches it goes no further.
    idle = np.ones((len(passed), network.size), dtype=bool)
    for edge in np.flatnonzero(inner):
        idle[:, network.begins[edge]] &= systems.shares[:, edge] == 0
    stranded = np.where(idle & ~network.sinks, passed, 0.0)
    for process, rules in _by_process(network, systems.rules).items():
        edges = np.flatnonzero(network.begins == process)
        _redirect(edges, rules, shares, passed[:, process], process,
                  _Handed(flows, slopes, stranded, lost))  # fmt: skip
    return _Handed(flows, slopes, stranded, lost)


def _redirect(
    edges: NDArray[np.int64], rules: Sequence[Rule], shares: Floats, x: Floats, process: int,
    handed: _Handed,
) -> None:  # fmt: skip
    """Apply the rules of one process; what they free or need goes to, or comes from, a pool."""
    for rule in rules:
        edge = rule.flow
        wanted = rule.slope * x + rule.offset
        carried = np.clip(wanted, 0.0, rule.most)
        slope = rule.slope * ((wanted >= 0) & (wanted < rule.most))
        if rule.absorbed_by in (STAYS, LOST):
            share = shares[:, edge]
            slope = np.where(carried >= share * x, share, slope)
            carried = np.minimum(carried, share * x)
            rest = handed.stranded if rule.absorbed_by == STAYS else handed.lost
            rest[:, process] += share * x - carried
        handed.flows[:, edge], handed.slopes[:, edge] = carried, slope
    pools: dict[int, list[Rule]] = {}
    for rule in rules:
        if rule.absorbed_by not in (STAYS, LOST):
            pools.setdefault(rule.absorbed_by, []).append(rule)
    busy = {rule.flow for rule in rules} | {rule.absorbed_by for rule in rules}
    for absorber, members in pools.items():
        pool = [edge for edge in edges if edge not in busy] if absorber == OTHERS else [absorber]
        _draw_from(pool, members, shares, x, process, handed)


def _draw_from(
    pool: Sequence[int], members: Sequence[Rule], shares: Floats, x: Floats, process: int,
    handed: _Handed,
) -> None:  # fmt: skip
    """Let a pool of flows give what growing flows need, and take what shrinking ones leave.

    A pool that has not enough gives all it has, to each in proportion to what it needs.
    """
    moving = [rule.flow for rule in members]
    own = shares[:, moving]
    gap, gap_slope = own * x[:, None] - handed.flows[:, moving], own - handed.slopes[:, moving]
    grows = gap < 0
    there = shares[:, pool].sum(axis=1)
    have = there * x + np.where(grows, 0.0, gap).sum(axis=1)
    have_slope = there + np.where(grows, 0.0, gap_slope).sum(axis=1)
    need = -np.where(grows, gap, 0.0).sum(axis=1)
    need_slope = -np.where(grows, gap_slope, 0.0).sum(axis=1)
    short = need > have
    rest = np.where(short, 0.0, have - need)
    rest_slope = np.where(short, 0.0, have_slope - need_slope)
    parts = shares[:, pool] / np.where(there > 0, there, 1.0)[:, None]
    handed.flows[:, pool] = parts * rest[:, None]
    handed.slopes[:, pool] = parts * rest_slope[:, None]
    handed.stranded[:, process] += np.where(there > 0, 0.0, rest)
    if not short.any():
        return
    divisor = np.where(short, need, 1.0)
    met = have / divisor
    met_slope = have_slope - met * need_slope
    for column, edge in enumerate(moving):
        less = short & grows[:, column]
        given = own[:, column] * x - met * gap[:, column]
        part = np.where(less, gap[:, column] / divisor, 0.0)
        slope = own[:, column] - met * gap_slope[:, column] - met_slope * part
        handed.flows[:, edge] = np.where(less, given, handed.flows[:, edge])
        handed.slopes[:, edge] = np.where(less, slope, handed.slopes[:, edge])


def traced(network: Network, flows: Floats, sources: Floats) -> Floats:
    """Follow what appears in processes to where it leaves them, in proportion.

    Parameters
    ----------
    network : Network
    flows : array (system, flow)
        Solved.
    sources : array (system, process)
        What appears in each process, part of what it hands out.

    Returns
    -------
    array (system, flow)
        How much of each flow goes back to it.
    """
    inner = network.begins != OUTSIDE
    begins = np.where(inner, network.begins, 0)
    outflow = np.zeros((len(flows), network.size))
    for edge in np.flatnonzero(inner):
        outflow[:, begins[edge]] += flows[:, edge]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(outflow[:, begins] > 0, flows / outflow[:, begins], 0.0) * inner
    found = []
    for start in range(0, len(flows), CHUNK):
        part = slice(start, start + CHUNK)
        links = np.zeros((len(flows[part]), network.size, network.size))
        for edge in np.flatnonzero(inner & (network.ends != OUTSIDE)):
            links[:, network.ends[edge], begins[edge]] += shares[part, edge]
        amounts = _step(np.eye(network.size) - links, sources[part])
        found.append(shares[part] * amounts[:, begins])
    return np.concatenate(found)
