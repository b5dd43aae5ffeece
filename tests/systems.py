"""Random small systems with loops, stocks, losses and trade, and a balance written apart.

Flows are exact: inputs and shares are fractions, and the balance is solved by elimination in
fractions. `pushed` is a second way, in floats: material is handed on round after round until
nothing moves, which knows limits too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np

from reebayes.answers.scenarios.setup import Graph, Setup, Solved
from reebayes.study import Flow, Process, Quantity, Study, Table
from reebayes.study.header.frozen import Settings
from reebayes.study.scenarios import Change, Scenario, Size

YEAR = 2010
REGIONS = ("A", "B", "C")

type Exact = dict[str, Fraction]


@dataclass(frozen=True)
class System:
    """A study of one year, what enters it, and how each process shares out what it passes."""

    study: Study
    inputs: Exact
    shares: Exact

    @property
    def inner(self) -> list[str]:
        """Processes that pass material on."""
        return [p.process for p in self.study.processes if p.kind in ("market", "conversion")]

    def solved(
        self, inputs: Mapping[str, Fraction] | None = None,
        shares: Mapping[str, Fraction] | None = None,
    ) -> Exact:  # fmt: skip
        """Solve the balance by elimination, in fractions."""
        inputs, shares = {**self.inputs, **(inputs or {})}, {**self.shares, **(shares or {})}
        flows = list(self.study.flows)
        size = len(self.inner)
        at = {name: number for number, name in enumerate(self.inner)}
        rows = [[Fraction(int(i == j)) for j in range(size)] + [Fraction(0)] for i in range(size)]
        for flow in flows:
            if flow.target in at and flow.flow in inputs:
                rows[at[flow.target]][size] += inputs[flow.flow]
            elif flow.target in at:
                rows[at[flow.target]][at[flow.source]] -= shares[flow.flow]
        passed = _eliminated(rows)
        return {
            flow.flow: inputs[flow.flow] if flow.flow in inputs
            else shares[flow.flow] * passed[at[flow.source]]
            for flow in flows
        }  # fmt: skip


def _eliminated(rows: list[list[Fraction]]) -> list[Fraction]:
    size = len(rows)
    for column in range(size):
        pivot = next(row for row in range(column, size) if rows[row][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        factor = rows[column][column]
        rows[column] = [value / factor for value in rows[column]]
        for row in range(size):
            if row != column and rows[row][column]:
                by = rows[row][column]
                pairs = zip(rows[row], rows[column], strict=True)
                rows[row] = [a - by * b for a, b in pairs]
    return [row[-1] for row in rows]


def random_system(seed: int) -> System:
    """Return a system of two or three regions: mines, plants, recycling, stocks, trade, uses."""
    rng = Random(seed)
    regions = REGIONS[: rng.choice((2, 3))]
    processes = [Process("nature", "environment", "", "Nature")]
    flows: list[Flow] = []

    def add(name: str, source: str, target: str, product: str) -> None:
        flows.append(Flow(name, source, target, product, True, ((YEAR, YEAR),), name))

    for r in regions:
        kinds = {"mine": "conversion", "ore": "market", "plant": "conversion", "metal": "market",
                 "magnets": "use", "alloys": "use", "residues": "loss",
                 "stocks": "environment"}  # fmt: skip
        processes += [Process(f"{name}_{r}", kind, r, f"{name} {r}")
                      for name, kind in kinds.items()]  # fmt: skip
        add(f"dig_{r}", "nature", f"mine_{r}", "ore")
        add(f"mined_{r}", f"mine_{r}", f"ore_{r}", "ore")
        add(f"tailings_{r}", f"mine_{r}", f"residues_{r}", "loss")
        add(f"to_plant_{r}", f"ore_{r}", f"plant_{r}", "ore")
        add(f"made_{r}", f"plant_{r}", f"metal_{r}", "metal")
        add(f"slag_{r}", f"plant_{r}", f"residues_{r}", "loss")
        add(f"magnets_{r}", f"metal_{r}", f"magnets_{r}", "metal")
        add(f"alloys_{r}", f"metal_{r}", f"alloys_{r}", "metal")
        if rng.random() < 0.6:
            add(f"scrap_{r}", f"metal_{r}", f"plant_{r}", "metal")
        if rng.random() < 0.5:
            add(f"build_{r}", f"metal_{r}", f"stocks_{r}", "metal")
            add(f"draw_{r}", f"stocks_{r}", f"metal_{r}", "metal")
        else:
            processes = [p for p in processes if p.process != f"stocks_{r}"]
    for a in regions:
        for b in regions:
            if a != b:
                for product in ("ore", "metal"):
                    if rng.random() < 0.8:
                        add(f"{product}_{a}_{b}", f"{product}_{a}", f"{product}_{b}", product)
    inputs, shares = _driven(rng, processes, flows)
    quantities = [Quantity("used", tuple((f.flow, 1.0) for f in flows if f.target[:5] == "magne")),
                  Quantity("share", ((flows[1].flow, 1.0),),
                           tuple((f"mined_{r}", 1.0) for r in regions))]  # fmt: skip
    return System(_study(processes, flows, quantities), inputs, shares)


def _driven(rng: Random, processes: list[Process], flows: list[Flow]) -> tuple[Exact, Exact]:
    """Draw what enters, and shares that add up to one in every process."""
    kinds = {process.process: process.kind for process in processes}
    inputs, shares = {}, {}
    weights = {flow.flow: rng.randint(1, 9) for flow in flows}
    for flow in flows:
        if kinds[flow.source] == "environment":
            inputs[flow.flow] = Fraction(rng.randint(1, 50), rng.randint(1, 5))
        else:
            total = sum(weights[other.flow] for other in flows if other.source == flow.source)
            shares[flow.flow] = Fraction(weights[flow.flow], total)
    return inputs, shares


def _study(processes: list[Process], flows: list[Flow], quantities: list[Quantity]) -> Study:
    empty = Settings()
    return Study(
        path=Path(), name="Random", unit="kt X/yr", first_year=YEAR, last_year=YEAR,
        settings=empty, report=empty, package=empty, variants=empty, scenarios=empty, notes="",
        processes=Table(Process, processes), flows=Table(Flow, flows),
        quantities=Table(Quantity, quantities), records=Table(_row("Record"), ()),
        priors=Table(_row("Prior"), ()), sources=Table(_row("Source"), ()),
        published=Table(_row("Estimate"), ()),
    )  # fmt: skip


def _row(name: str) -> type:
    from reebayes import study

    return getattr(study, name)  # type: ignore[no-any-return]


def change(
    flow: str, way: str, size: float, absorbed_by: str = "stays", *, kind: str = "flow",
    place: str = "", relative: bool = False,
) -> Change:  # fmt: skip
    """Return a change of the one year."""
    sure = Size(size, size, size)
    return Change(place or f"s.{kind}.{flow}", kind, flow, way, sure, (YEAR,), "step", absorbed_by,
                  relative)  # fmt: skip


def worked_out(
    system: System, *changes: Change, closure: str = "supply", capacity: float | None = None,
    factual: Mapping[str, float] | None = None,
) -> tuple[dict[str, float], Solved, Graph]:  # fmt: skip
    """Solve one scenario of one draw, and return its flows by name."""
    study = system.study
    was = system.solved() if factual is None else factual
    sure = None if capacity is None else Size(capacity, capacity, capacity)
    scenario = Scenario("s", "s", "", (), (YEAR,), closure, sure, changes)
    uses = [p.process for p in study.processes if p.kind == "use"]
    graph = Graph(
        study,
        tuple(use for use in uses if any(c.name == use and c.kind == "process" for c in changes)),
    )
    values = np.array([[[float(was[name]) for name in graph.flows]]])
    sizes = {one.place: np.array([one.size.middle]) for one in changes}
    if capacity is not None:
        sizes["capacity"] = np.array([capacity])
    solved = Setup(graph, scenario, (YEAR,), values, sizes).solved()
    return dict(zip(graph.flows, solved.flows[0].tolist(), strict=True)), solved, graph


def imbalance(system: System, flows: Mapping[str, float], solved: Solved, graph: Graph) -> float:
    """Largest inflow + shortage - outflow - stranded - lost of any process."""
    worst = 0.0
    for at, name in enumerate(graph.inner):
        if graph.sinks[at]:
            continue
        inward = sum(flows[f.flow] for f in system.study.flows if f.target == name)
        outward = sum(flows[f.flow] for f in system.study.flows if f.source == name)
        gaps = solved.shortage[0, at] - solved.stranded[0, at] - solved.lost[0, at]
        worst = max(worst, abs(inward - outward + gaps))
    return worst


def relabelled(system: System, seed: int) -> tuple[System, dict[str, str]]:
    """Return the system with its regions renamed and its rows in another order, and the names."""
    rng = Random(seed)
    fresh = dict(zip(REGIONS, rng.sample(("Q", "R", "S"), 3), strict=True))

    def renamed(name: str) -> str:
        return "_".join(fresh.get(part, part) for part in name.split("_"))

    study = system.study
    processes = [Process(renamed(p.process), p.kind, fresh.get(p.region, p.region), p.label)
                 for p in study.processes]  # fmt: skip
    flows = [replace(f, flow=renamed(f.flow), source=renamed(f.source), target=renamed(f.target))
             for f in study.flows]  # fmt: skip
    rng.shuffle(processes)
    rng.shuffle(flows)
    again = System(
        _study(processes, flows, []),
        {renamed(name): value for name, value in system.inputs.items()},
        {renamed(name): value for name, value in system.shares.items()},
    )
    return again, {flow.flow: renamed(flow.flow) for flow in study.flows}


def pushed(
    system: System, *, caps: Mapping[str, float], others: bool, rounds: int = 4000
) -> dict[str, float]:
    """Hand material on, round after round, with limits on some flows."""
    flows = list(system.study.flows)
    passed = dict.fromkeys(system.inner, 0.0)
    carried = {f.flow: float(system.inputs.get(f.flow, 0)) for f in flows}
    for _ in range(rounds):
        for name in passed:
            out = [f.flow for f in flows if f.source == name]
            limited = [flow for flow in out if flow in caps]
            free = [flow for flow in out if flow not in caps]
            for flow in out:
                carried[flow] = float(system.shares[flow]) * passed[name]
            excess = sum(max(0.0, carried[flow] - caps[flow]) for flow in limited)
            for flow in limited:
                carried[flow] = min(carried[flow], caps[flow])
            weight = sum(float(system.shares[flow]) for flow in free)
            for flow in free if others and weight else ():
                carried[flow] += excess * float(system.shares[flow]) / weight
        after = {name: sum(carried[f.flow] for f in flows if f.target == name) for name in passed}
        moved = max(abs(after[name] - passed[name]) for name in passed)
        passed = after
        if moved < 1e-15:
            break
    return carried
