"""Groups of elements that a fit balances in layers of flows: which flows hold which group.

A study may part what is mined into groups of elements, each of which has flows of its own from
there on. What is in a place then is what its draws say, without analyses of ores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reebayes.errors import ResultError
from reebayes.results.reading import Contents
from reebayes.wording import listed, quoted

type Floats = NDArray[np.float64]


def has_layers(contents: Contents) -> bool:
    """Return whether groups of elements have flows of their own in a fit."""
    return bool(contents.report.get("groups"))


@dataclass(frozen=True)
class Layers:
    """Which flows hold which group of elements.

    Parameters
    ----------
    groups : mapping of str to str
        Elements of every group, such as ``"La+Ce"``, by its name.
    flows : tuple of str
    sources, targets : mapping of flow to process
        Process that it leaves, and that it enters.
    kinds : mapping of process to kind
    """

    groups: Mapping[str, str]
    flows: tuple[str, ...]
    sources: Mapping[str, str]
    targets: Mapping[str, str]
    kinds: Mapping[str, str]

    @classmethod
    def of(cls, contents: Contents, *, held: str = "") -> Layers:
        """Return the layers of a fit; nothing of it can be `held` at its mean.

        Raises
        ------
        ResultError
            If something is held.
        """
        if held:
            raise ResultError(
                "Groups of elements are balanced in the fit, and flows and compositions are "
                "uncertain together; leave `held` out (--held)."
            )
        table = contents.flows
        return cls(
            dict(contents.report["groups"]),
            tuple(map(str, table.index)),
            {str(name): str(end) for name, end in table["source"].items()},
            {str(name): str(end) for name, end in table["target"].items()},
            dict(contents.processes["kind"]),
        )

    @cached_property
    def ties(self) -> dict[str, str]:
        """Flow of the first group that each flow of another is a layer of.

        It has the name of it with that of its group at the end, and so has the process it leaves.
        """
        _, *others = self.groups
        return {
            f"{flow}_{group}": flow
            for flow in self.flows
            for group in others
            if self.sources.get(f"{flow}_{group}") == f"{self.sources[flow]}_{group}"
        }

    @cached_property
    def leaving(self) -> dict[str, list[str]]:
        """Flows that leave every process."""
        found: dict[str, list[str]] = {}
        for flow in self.flows:
            found.setdefault(self.sources[flow], []).append(flow)
        return found

    @cached_property
    def entering(self) -> dict[str, list[str]]:
        """Flows that enter every process."""
        found: dict[str, list[str]] = {}
        for flow in self.flows:
            found.setdefault(self.targets[flow], []).append(flow)
        return found

    @cached_property
    def places(self) -> dict[str, list[str]]:
        """Processes of all groups, by that of the first, of what flows of each group leave."""
        found: dict[str, list[str]] = {}
        for flow, other in self.ties.items():
            places = found.setdefault(self.sources[other], [self.sources[other]])
            if self.sources[flow] not in places:
                places.append(self.sources[flow])
        return found

    @cached_property
    def gates(self) -> set[str]:
        """Processes that part what enters by group, into one flow of each."""
        found = set()
        for process, flows in self.leaving.items():
            stem = flows[0].removesuffix(f"_{next(iter(self.groups))}")
            parts = [f"{stem}_{group}" for group in self.groups]
            if flows == parts and not {*flows} & {*self.ties}:
                found.add(process)
        return found

    @cached_property
    def group_of(self) -> dict[str, str]:
        """Group that each flow holds; of one that holds all there is none."""
        first, *others = self.groups
        found = dict.fromkeys(self.ties.values(), first)
        for flow, other in self.ties.items():
            found[flow] = next((g for g in others if flow == f"{other}_{g}"), first)
        for gate in self.gates:
            found |= dict(zip(self.leaving[gate], self.groups, strict=True))
        return found

    def tells(self, name: str) -> bool:
        """Return whether some elements are just a group."""
        parts = {part.strip() for part in name.split("+")}
        return name in self.groups or parts in [{*own.split("+")} for own in self.groups.values()]

    def named(self, name: str) -> str:
        """Return the group that is meant by its elements, in any order, or by its own name.

        Raises
        ------
        ResultError
            If no group is just that.
        """
        if not self.tells(name):
            told = listed([*self.groups.values()])
            raise ResultError(f"The fit tells groups of elements apart, {told}; {name!r} is none.")
        parts = {part.strip() for part in name.split("+")}
        return next(
            group
            for group, elements in self.groups.items()
            if name == group or parts == {*elements.split("+")}
        )

    def in_group(self, place: str, weights: Mapping[str, float], group: str) -> dict[str, float]:
        """Weights of the flows of a group in a sum of flows: behind the gates, or parted by them.

        Raises
        ------
        ResultError
            If a flow is only a part of what a gate parts, so that its groups are not told.
        """
        found: dict[str, float] = {}
        waiting = dict(weights)
        while waiting:
            flow, weight = waiting.popitem()
            if flow in self.group_of:
                if self.group_of[flow] == group:
                    found[flow] = found.get(flow, 0.0) + weight
                continue
            target = self.targets[flow]
            beside = [one for one in self.entering.get(target, ()) if one != flow]
            ahead = self.leaving.get(target, [])
            if (
                not ahead
                or any(waiting.pop(one, None) != weight for one in beside)
                or (target not in self.gates and self.kinds[target] != "market")
            ):
                raise ResultError(
                    f"In {place!r} the groups of {quoted(flow)} are not told apart; ask for what "
                    "is made of it, such as what is mined, refined or used."
                )
            waiting |= dict.fromkeys(ahead, weight)
        return found

    def supplied(self, uses: Mapping[str, float]) -> dict[str, float]:
        """Flows of all groups into some uses, given those of the first, and what finds no use.

        What finds no use goes out of a market into a loss.
        """
        found = {**uses} | {flow: uses[other] for flow, other in self.ties.items() if other in uses}
        for flow in self.group_of:
            ends = self.kinds[self.sources[flow]], self.kinds[self.targets[flow]]
            if ends == ("market", "loss"):
                found[flow] = 1.0
        return found

    @cached_property
    def behind_gates(self) -> dict[str, str]:
        """Process of the first group into which every gate leads."""
        return {gate: self.targets[self.leaving[gate][0]] for gate in self.gates}

    def summed(self, draws: Floats) -> Floats:
        """Draws (..., flow) in which flows of the first group are sums over all groups."""
        place = {flow: n for n, flow in enumerate(self.flows)}
        found = draws.copy()
        for flow, other in self.ties.items():
            found[..., place[other]] += draws[..., place[flow]]
        return found


def weighed(draws: Floats, flows: Iterable[str], weights: Mapping[str, float]) -> Floats:
    """Sum (...) of draws (..., flow) of some flows, each times its weight."""
    place = {flow: n for n, flow in enumerate(flows)}
    total = np.zeros(draws.shape[:-1])
    for flow, weight in weights.items():
        total += weight * draws[..., place[flow]]
    return total
