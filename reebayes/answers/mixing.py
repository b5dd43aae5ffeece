"""The graph that content is traced through: mixes that are solved, and programmes that bound them.

With M the shares of the inflow of a process by the process they come from, and B those that enter
from outside, the origins C of all processes obey C = M C + B, so C = (I - M)^-1 B, whatever loops
there are. Destinations are the same with every flow turned round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

from reebayes.answers.registers import refined_product
from reebayes.conventions import BY_REFINED, BY_REGION, BY_REGISTERED, BY_SOURCE, ORIGINS
from reebayes.errors import ResultError
from reebayes.results.reading import Contents, require_known

DESTINATIONS = ("process", "region", "kind")

STOCKS = "stocks"
"""Origin of what comes out of stock: whatever went in years before."""

NOT_REFINED = "not refined"

_AT_ONCE = 8192  # systems that are solved together
_ENDS = ("use", "loss", "environment")

type Floats = NDArray[np.float64]
type Indexes = NDArray[np.int64]


@dataclass(frozen=True)
class System:
    """A graph of flows with an end: flows at which tracing stops, each with the name of its origin.

    ``source`` and ``target`` are those of the direction of tracing: content is followed from the
    target of a flow to its source. ``stops`` holds the origin of each flow, -1 where tracing goes
    on.
    """

    flows: Sequence[str]
    source: Indexes
    target: Indexes
    stops: Indexes
    names: Sequence[str]
    labels: Sequence[str]

    @classmethod
    def of(cls, contents: Contents, by: str, refined: str | None = None) -> System:
        """Flows out of environments as origins; or, by region of refining, out of refineries."""
        require_known([by], ORIGINS, "way of telling origins apart")
        table, processes = contents.flows, contents.processes
        kinds = processes["kind"]
        stocks = {*table["target"]} & {*kinds.index[kinds == "environment"]}
        product = refined_product(contents, refined) if by == BY_REFINED else ""
        found: dict[str, str] = {}
        for name, row in table.iterrows():
            source, target = str(row["source"]), str(row["target"])
            if kinds[source] == "environment":
                plain = {
                    BY_SOURCE: str(name),
                    BY_REGION: str(processes["region"][target]) or source,
                    BY_REGISTERED: "registered" if row["registered"] else "unregistered",
                    BY_REFINED: NOT_REFINED,
                }[by]
                found[str(name)] = STOCKS if source in stocks and by != BY_SOURCE else plain
            elif by == BY_REFINED and kinds[source] == "conversion" and row["product"] == product:
                found[str(name)] = str(processes["region"][source]) or source
        labels = {str(name): str(row["label"]) for name, row in table.iterrows()}
        return cls._made(contents, found, labels if by == BY_SOURCE else {})

    @classmethod
    def stopping(cls, contents: Contents, stops: Mapping[str, str]) -> System:
        """Any flows as origins, by the names that they are to have."""
        return cls._made(contents, stops, {})

    @classmethod
    def borders(cls, contents: Contents, region: str) -> System:
        """What crosses the border of a region as origins, by where it comes from."""
        table, processes = contents.flows, contents.processes
        inside = cls.of(contents, BY_REGION)
        found = {
            n: inside.names[k] for n, k in zip(inside.flows, inside.stops, strict=True) if k >= 0
        }
        for name, row in table.iterrows():
            source, target = (str(processes["region"][row[end]]) for end in ("source", "target"))
            crosses = source not in ("", region) and target == region
            if crosses and processes["kind"][row["source"]] != "environment":
                found[str(name)] = source
        return cls._made(contents, found, {})

    @classmethod
    def ends(cls, contents: Contents, by: str) -> System:
        """Flows into uses, losses and stocks as destinations; content is followed onwards."""
        require_known([by], DESTINATIONS, "way of telling destinations apart")
        processes = contents.processes
        found = {}
        for name, target in contents.flows["target"].items():
            if processes["kind"][target] in _ENDS:
                plain = str(target) if by == "process" else str(processes[by][target])
                found[str(name)] = plain or str(target)
        labels = {str(name): str(label) for name, label in processes["label"].items()}
        return cls._made(contents, found, labels if by == "process" else {}, onwards=True)

    @classmethod
    def _made(
        cls,
        contents: Contents,
        stops: Mapping[str, str],
        labels: Mapping[str, str],
        *,
        onwards: bool = False,
    ) -> System:
        table = contents.flows
        position = {str(name): number for number, name in enumerate(contents.processes.index)}
        names = list(dict.fromkeys(stops.values()))
        number = {name: k for k, name in enumerate(names)}
        ends = [
            np.array([position[str(name)] for name in table[end]], dtype=np.int64)
            for end in ("source", "target")
        ]
        source, target = ends[::-1] if onwards else ends
        return cls(
            [str(name) for name in table.index],
            source,
            target,
            np.array([number[stops[n]] if n in stops else -1 for n in table.index], dtype=np.int64),
            names,
            [labels.get(name, name) for name in names],
        )

    def inflows(self, node: int) -> Indexes:
        """Flows into a node."""
        return np.flatnonzero(self.target == node)

    @cached_property
    def roots(self) -> Sequence[tuple[int, int]]:
        """Where the origins of each flow are decided: (node, -1) of a mix, or (-1, origin).

        A process with one inflow has the origins of that, so only mixes have to be solved.
        """
        return [self._root(flow) for flow in range(len(self.flows))]

    def _root(self, flow: int) -> tuple[int, int]:
        seen: set[int] = set()
        while self.stops[flow] < 0:
            node = int(self.source[flow])
            into = self.inflows(node)
            if len(into) != 1 or node in seen:  # a mix, a node that nothing enters, or a ring
                return node, -1
            seen.add(node)
            flow = int(into[0])
        return -1, int(self.stops[flow])

    def upstream(self, flows: Sequence[int]) -> list[int]:
        """Nodes that have to be solved for the origins of some flows."""
        found: dict[int, None] = {}
        waiting = [node for flow in flows if (node := self.roots[flow][0]) >= 0]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found[node] = None
                above = (self.roots[flow][0] for flow in self.inflows(node))
                waiting += [other for other in above if other >= 0]
        return sorted(found)

    def amounts(self, flows: Floats, weights: Mapping[str, float]) -> Floats:
        """Amounts (sample, origin) in a weighted sum of flows.

        Parameters
        ----------
        flows : array (sample, flow)
        weights : mapping of flow to weight
        """
        position = {name: number for number, name in enumerate(self.flows)}
        chosen = [position[name] for name in weights]
        nodes = self.upstream(chosen)
        found = np.empty((len(flows), len(self.names)))
        for begin in range(0, len(flows), _AT_ONCE):
            part = flows[begin : begin + _AT_ONCE]
            mixes = self._mixes(part, nodes)
            found[begin : begin + _AT_ONCE] = sum(
                weight * part[:, [flow]] * self._origins(flow, mixes, nodes)
                for flow, weight in zip(chosen, weights.values(), strict=True)
            )
        return found

    def _origins(self, flow: int, mixes: Floats, nodes: Sequence[int]) -> Floats:
        """Shares (sample or 1, origin) of one flow."""
        node, origin = self.roots[flow]
        if node < 0:
            return np.eye(len(self.names))[[origin]]
        return np.asarray(mixes[:, nodes.index(node)])

    def _mixes(self, flows: Floats, nodes: Sequence[int]) -> Floats:
        """Shares (sample, node, origin) of the mixes, each system solved at once."""
        size = len(nodes)
        left = np.zeros((len(flows), size, size))
        right = np.zeros((len(flows), size, len(self.names)))
        row_of = {node: row for row, node in enumerate(nodes)}
        for row, node in enumerate(nodes):
            into = self.inflows(node)
            total = flows[:, into].sum(axis=1)
            scale = np.where(total > 0, total, 1.0)
            for flow in into:
                root, origin = self.roots[flow]
                share = flows[:, flow] / scale
                if root < 0:
                    right[:, row, origin] += share
                else:
                    left[:, row, row_of[root]] -= share
            left[:, row, row] += 1.0
        return np.linalg.solve(left, right)


# --- without mixing -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Programme:
    """Linear programmes for the most and the least of one origin in a sum of flows."""

    variables: Indexes  # flows that matter
    balance: csr_array
    objective: Floats
    fixed: Indexes  # for each variable: 1 of the origin, 0 of another, -1 free

    @classmethod
    def of(cls, system: System, weights: Mapping[str, float], origin: int) -> Programme:
        """Balance of the nodes upstream, over the flows that enter or leave them."""
        position = {name: number for number, name in enumerate(system.flows)}
        chosen = [position[name] for name in weights]
        nodes = cls._above(system, chosen)
        into, out = (np.isin(end, nodes) for end in (system.target, system.source))
        # What leaves a node over a stop begins anew beyond it, so there it is a variable twice.
        renewed = np.flatnonzero(out & (system.stops >= 0))
        variables = np.flatnonzero(into | (out & (system.stops < 0)) | _one_of(chosen, into.size))
        column = {int(flow): number for number, flow in enumerate(variables)}
        rows, columns, signs = [], [], []
        for row, node in enumerate(nodes):
            for flow in variables:
                sign = int(system.target[flow] == node)
                sign -= int(system.source[flow] == node and system.stops[flow] < 0)
                if sign:
                    rows.append(row)
                    columns.append(column[int(flow)])
                    signs.append(sign)
        for number, flow in enumerate(renewed):
            rows.append(nodes.index(int(system.source[flow])))
            columns.append(len(variables) + number)
            signs.append(-1)
        size = len(variables) + len(renewed)
        balance = csr_array((signs, (rows, columns)), shape=(len(nodes), size), dtype=float)
        objective = np.zeros(size)
        for name, weight in weights.items():
            objective[column[position[name]]] = weight
        stops = system.stops[variables]
        fixed = np.where(stops < 0, -1, (stops == origin).astype(np.int64))
        fixed = np.concatenate([fixed, np.full(len(renewed), -1)])
        return cls(np.concatenate([variables, renewed]), balance, objective, fixed)

    @staticmethod
    def _above(system: System, flows: Sequence[int]) -> list[int]:
        """Nodes that content in some flows may have passed."""
        found: set[int] = set()
        waiting = [int(system.source[flow]) for flow in flows if system.stops[flow] < 0]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += [
                    int(system.source[f]) for f in system.inflows(node) if system.stops[f] < 0
                ]
        return sorted(found)

    def ends(self, flows: Floats) -> tuple[float, float]:
        """Least and most of the origin, of the flows of one draw and year."""
        most = flows[self.variables]
        lower = np.where(self.fixed == 1, most, 0.0)
        upper = np.where(self.fixed == 0, 0.0, most)
        scale = max(float(most.max()), 1e-300)
        bounds = np.stack([lower, upper], axis=1) / scale
        found = []
        for sign in (1.0, -1.0):
            answer = linprog(
                sign * self.objective,
                A_eq=self.balance,
                b_eq=np.zeros(self.balance.shape[0]),
                bounds=bounds,
                method="highs",
            )
            if answer.status != 0:
                raise ResultError(f"No bound was found: {answer.message}")
            found.append(sign * float(answer.fun) * scale)
        return found[0], found[1]


def _one_of(chosen: Sequence[int], size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, dtype=bool)
    found[list(chosen)] = True
    return found
