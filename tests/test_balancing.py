"""The balance that scenarios solve again, on random systems, against balances written apart."""

from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st

from reebayes.errors import ResultError
from reebayes.study.scenarios import Change
from tests.systems import (
    System,
    change,
    imbalance,
    pushed,
    random_system,
    relabelled,
    worked_out,
)

SEEDS = st.integers(0, 10**9)
examples = partial(settings, phases=(Phase.explicit, Phase.generate))
"""No system is simpler than another for its smaller seed, so none is looked for."""

CLOSURES = ("supply", "capacity", "demand")


def scale_of(system: System) -> float:
    """Largest throughput of a system."""
    flows = system.solved()
    return max(float(sum(flows[f.flow] for f in system.study.flows if f.source == name))
               for name in system.inner)  # fmt: skip


def assert_equal(found: dict[str, float], expected: dict[str, float], scale: float) -> None:
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value), abs=1e-12 * scale), name


def inner_flows(system: System) -> list[str]:
    return list(system.shares)


@examples(max_examples=25)
@given(SEEDS, st.sampled_from(CLOSURES))
def test_without_change_all_is_solved_again_and_stays(seed: int, closure: str) -> None:
    system = random_system(seed)
    capacity = 1.0 if closure == "capacity" else None
    found, solved, graph = worked_out(system, closure=closure, capacity=capacity)
    assert_equal(found, system.solved(), scale_of(system))
    assert imbalance(system, found, solved, graph) < 1e-12 * scale_of(system)


@examples(max_examples=25)
@given(SEEDS, st.sampled_from(CLOSURES))
def test_every_share_times_one_changes_nothing(seed: int, closure: str) -> None:
    system = random_system(seed)
    capacity = 1.0 if closure == "capacity" else None
    driven = [f for f in inner_flows(system)
              if not (closure == "demand" and f[:4] in ("slag", "tail"))]  # fmt: skip
    given_flows = {f.flow for f in system.study.flows if closure == "demand"
                   and f.target[:5] in ("magne", "alloy", "stock")}  # fmt: skip
    changes = [change(f, "scale", 1.0, "stays" if f in given_flows else "others") for f in driven]
    found, _, _ = worked_out(system, *changes, closure=closure, capacity=capacity)
    assert_equal(found, system.solved(), scale_of(system))


@examples(max_examples=15)
@given(SEEDS)
def test_flows_are_made_of_inputs_and_shares_and_not_copied(seed: int) -> None:
    """Flows that do not balance, with the right inputs and shares, come back balanced."""
    system = random_system(seed)
    was = {name: float(value) for name, value in system.solved().items()}
    for flow in system.study.flows:
        if flow.source == "metal_A":
            was[flow.flow] *= 3.0
    found, _, _ = worked_out(system, factual=was)
    assert_equal(found, system.solved(), scale_of(system))


@examples(max_examples=25)
@given(SEEDS, st.data())
def test_inputs_and_shares_that_change_solve_as_fractions_do(
    seed: int, data: st.DataObject
) -> None:
    """A scaled share takes from, and gives to, what else leaves its process."""
    system = random_system(seed)
    scaled = data.draw(st.sampled_from([f.flow for f in system.study.flows if f.flow[:5] == "metal"
                                        or f.flow[:4] == "ore_"] or ["magnets_A"]))  # fmt: skip
    factor = Fraction(data.draw(st.integers(0, 15)), 10)
    (source,) = (f.source for f in system.study.flows if f.flow == scaled)
    own = system.shares[scaled]
    new = min(factor * own, Fraction(1))
    siblings = [f.flow for f in system.study.flows if f.source == source and f.flow != scaled]
    shares = {scaled: new} | {f: system.shares[f] * (1 - new) / (1 - own) for f in siblings}
    expected = system.solved({"dig_A": system.inputs["dig_A"] * 2}, shares)
    found, solved, graph = worked_out(
        system, change(scaled, "scale", float(factor), "others"), change("dig_A", "scale", 2.0)
    )
    assert_equal(found, expected, float(sum(expected.values())))
    assert imbalance(system, found, solved, graph) < 1e-9


@examples(max_examples=20)
@given(SEEDS)
def test_supply_is_linear_in_what_enters(seed: int) -> None:
    system = random_system(seed)
    inputs = list(system.inputs)
    factors = np.random.default_rng(seed).uniform(0, 3, len(inputs))

    def with_inputs(sizes: np.ndarray) -> np.ndarray:
        changes = [change(f, "scale", float(s)) for f, s in zip(inputs, sizes, strict=True)]
        return np.array(list(worked_out(system, *changes)[0].values()))

    whole = with_inputs(factors)
    parts = [with_inputs(np.where(np.arange(len(inputs)) == at, factors, 0.0))
             for at in range(len(inputs))]  # fmt: skip
    np.testing.assert_allclose(whole, np.sum(parts, axis=0), atol=1e-12 * scale_of(system) * 3)


LIMITS = st.lists(st.floats(0.0, 1.3), min_size=2, max_size=2).map(sorted)


def limited_flows(system: System) -> list[str]:
    return [f.flow for f in system.study.flows
            if f.source[:4] in ("ore_", "meta") and f.flow[:7] != "magnets"]  # fmt: skip


def downstream(system: System, flow: str) -> set[str]:
    """Flows that material of a flow can take."""
    (waiting,) = ([f.target] for f in system.study.flows if f.flow == flow)
    seen: set[str] = set()
    found: set[str] = set()
    while waiting:
        place = waiting.pop()
        for other in system.study.flows:
            if other.source == place and other.flow not in found:
                found.add(other.flow)
                if other.target not in seen:
                    seen.add(other.target)
                    waiting.append(other.target)
    return found


@examples(max_examples=40)
@given(SEEDS, st.data(), LIMITS, st.sampled_from(("stays", "lost", "others")),
       st.sampled_from(("supply", "capacity")))  # fmt: skip
def test_a_tighter_limit_never_raises_what_it_limits(
    seed: int, data: st.DataObject, limits: list[float], absorbed_by: str, closure: str
) -> None:
    """Nor, where the rest stays or is lost, any flow downstream of it."""
    system = random_system(seed)
    flow = data.draw(st.sampled_from(limited_flows(system)))
    capacity = 1.0 if closure == "capacity" else None
    tight, loose = (
        worked_out(system, change(flow, "cap", size, absorbed_by, relative=True),
                   closure=closure, capacity=capacity)[0]
        for size in limits
    )  # fmt: skip
    slack = 1e-11 * scale_of(system)
    assert tight[flow] <= loose[flow] + slack
    assert tight[flow] <= limits[0] * float(system.solved()[flow]) + slack
    if absorbed_by != "others" and closure == "supply":
        for other in downstream(system, flow):
            assert tight[other] <= loose[other] + slack, other


@examples(max_examples=40)
@given(SEEDS, st.data(), st.booleans())
def test_limits_are_those_of_material_handed_on_round_by_round(
    seed: int, data: st.DataObject, others: bool
) -> None:
    system = random_system(seed)
    flows = data.draw(st.lists(st.sampled_from(limited_flows(system)), max_size=4, unique=True))
    caps = {f: data.draw(st.floats(0.1, 1.2)) * float(system.solved()[f]) for f in flows}
    absorbed_by = "others" if others else "lost"
    changes = [change(f, "cap", size, absorbed_by) for f, size in caps.items()]
    try:
        found, solved, graph = worked_out(system, *changes)
    except ResultError:  # a circle of trade that nothing leaves: what is in it grows for ever
        early, late = (
            sum(pushed(system, caps=caps, others=others, rounds=rounds).values())
            for rounds in (1000, 3000)
        )
        assert late > 1.5 * early
        return
    expected = pushed(system, caps=caps, others=others)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-10 * scale_of(system)), name
    assert imbalance(system, found, solved, graph) < 1e-9
    assert others or solved.stranded.sum() == 0
    assert not others or solved.lost.sum() == 0


def any_changes(system: System, data: st.DataObject, closure: str) -> list[Change]:
    """Changes of any kind, each of another flow."""
    flows = data.draw(st.lists(st.sampled_from(limited_flows(system)), max_size=5, unique=True))
    found = []
    for flow in flows:
        way = data.draw(st.sampled_from(("set", "scale", "add", "cap")))
        size = data.draw(st.floats(0.0, 2.0)) * (-1 if way == "add" and data.draw(st.booleans())
                                                 else 1)  # fmt: skip
        (ends,) = (f for f in system.study.flows if f.flow == flow)
        given_use = closure == "demand" and ends.target[:5] in ("alloy", "stock")
        absorbed_by = data.draw(st.sampled_from(("others", "stays", "lost")))
        grows = (way == "scale" and size > 1) or (way == "add" and size > 0)
        absorbed_by = "stays" if given_use else "others" if grows else absorbed_by
        found.append(change(flow, way, size, absorbed_by, relative=way != "scale"))
    return found


@examples(max_examples=40)
@given(SEEDS, st.data(), st.sampled_from(CLOSURES))
def test_what_enters_leaves_or_is_told(seed: int, data: st.DataObject, closure: str) -> None:
    """Inflow + shortage = outflow + stranded + lost, to 1e-9, whatever changes."""
    system = random_system(seed)
    changes = any_changes(system, data, closure)
    if closure != "demand" and data.draw(st.booleans()):
        changes.append(change("alloys_A", "scale", data.draw(st.floats(0, 1.2)), kind="process"))
    if data.draw(st.booleans()):
        changes.append(change("plant_B", "scale", data.draw(st.floats(0, 1.2)), kind="process"))
    capacity = data.draw(st.floats(0.5, 1.5)) if closure == "capacity" else None
    try:
        found, solved, graph = worked_out(system, *changes, closure=closure, capacity=capacity)
    except ResultError:  # a circle of trade that nothing leaves any more
        reject()
    scale = max(scale_of(system), 1.0)
    assert imbalance(system, found, solved, graph) < 1e-9 * scale
    assert min(found.values()) >= 0
    for gap in (solved.stranded, solved.lost, solved.shortage, solved.unmet):
        assert gap.min(initial=0) >= -1e-12 * scale


@examples(max_examples=30)
@given(SEEDS, st.data(), st.sampled_from(CLOSURES))
def test_other_names_give_the_same_results_under_them(
    seed: int, data: st.DataObject, closure: str
) -> None:
    system = random_system(seed)
    again, names = relabelled(system, seed)
    changes = any_changes(system, data, closure)
    capacity = 0.9 if closure == "capacity" else None
    try:
        found, _, _ = worked_out(system, *changes, closure=closure, capacity=capacity)
    except ResultError:
        reject()
    others = [change(names[c.name], c.way, c.size.middle, c.absorbed_by, relative=c.relative)
              for c in changes]  # fmt: skip
    same, _, _ = worked_out(again, *others, closure=closure, capacity=capacity)
    for name, value in found.items():
        assert same[names[name]] == pytest.approx(value, abs=1e-10 * scale_of(system)), name


@examples(max_examples=25)
@given(SEEDS, st.floats(0.5, 1.5))
def test_no_plant_passes_more_than_it_can(seed: int, capacity: float) -> None:
    system = random_system(seed)
    factual = system.solved()
    shut = [f.flow for f in system.study.flows if f.flow[:3] == "ore" and f.source != f.target
            and f.target[:3] == "ore"]  # fmt: skip
    changes = [change(f, "set", 0.0, "others") for f in shut]
    found, solved, _ = worked_out(system, *changes, closure="capacity", capacity=capacity)
    for region in ("A", "B"):
        into = [f.flow for f in system.study.flows if f.target == f"plant_{region}"]
        limit = capacity * float(sum(factual[f] for f in into))
        assert sum(found[f] for f in into) <= limit * (1 + 1e-12)
    assert solved.stranded.sum() >= 0
    assert all(found[f] == 0 for f in shut)
    for mined in (f.flow for f in system.study.flows if f.flow[:4] == "mine"):
        assert found[mined] == pytest.approx(float(factual[mined]), rel=1e-12)


@examples(max_examples=25)
@given(SEEDS, st.integers(0, 10))
def test_demand_asks_upstream_what_uses_take(seed: int, tenths: int) -> None:
    """Uses stay; half the wanted trade in ore is missing, and the mines follow, as in fractions."""
    system = random_system(seed)
    factual = system.solved()
    cut = next((f for f in system.study.flows if f.flow[:4] == "ore_"), None)
    if cut is None:
        return
    share = Fraction(tenths, 10)
    found, solved, graph = worked_out(
        system, change(cut.flow, "scale", float(share), "stays"), closure="demand"
    )
    expected = _asked(system, factual, {cut.flow: share})
    assert_equal(found, expected, scale_of(system))
    missing = float((1 - share) / share * expected[cut.flow]) if share else None
    at = graph.inner.index(cut.target)
    if missing is not None:
        assert solved.shortage[0, at] == pytest.approx(missing, abs=1e-12 * scale_of(system))
    uses = [f.flow for f in system.study.flows if f.target[:5] in ("magne", "alloy")]
    for use in uses:
        assert found[use] == pytest.approx(float(factual[use]), rel=1e-12)
    assert solved.unmet.sum() <= solved.shortage.sum() * (1 + 1e-9)


def _asked(
    system: System, factual: dict[str, Fraction], factors: dict[str, Fraction]
) -> dict[str, Fraction]:
    """What is asked of every flow when some suppliers give only a part, in fractions."""
    flows = list(system.study.flows)
    kinds = {p.process: p.kind for p in system.study.processes}
    inner = system.inner
    at = {name: n for n, name in enumerate(inner)}
    into = {name: sum(factual[f.flow] for f in flows if f.target == name) for name in inner}
    size = len(inner)
    rows = [[Fraction(int(i == j)) for j in range(size)] + [Fraction(0)] for i in range(size)]
    for f in flows:
        if f.source not in at or kinds[f.target] == "loss":
            continue
        losses = sum(factual[g.flow] for g in flows
                     if g.source == f.source and kinds[g.target] == "loss")  # fmt: skip
        gain = into[f.source] / (into[f.source] - losses)
        if f.target in at:
            part = factors.get(f.flow, Fraction(1)) * factual[f.flow] / into[f.target]
            rows[at[f.source]][at[f.target]] -= gain * part
        else:
            rows[at[f.source]][size] += gain * factual[f.flow]
    from tests.systems import _eliminated

    passed = dict(zip(inner, _eliminated(rows), strict=True))
    found = {}
    for f in flows:
        if kinds[f.target] == "loss":
            found[f.flow] = factual[f.flow] / into[f.source] * passed[f.source]
        elif f.target in at:
            part = factors.get(f.flow, Fraction(1)) * factual[f.flow] / into[f.target]
            found[f.flow] = part * passed[f.target]
        else:
            found[f.flow] = factual[f.flow]
    return found


def test_a_circle_without_a_way_out_is_an_error() -> None:
    system = random_system(1)
    out = [f.flow for f in system.study.flows
           if f.target[:5] in ("magne", "alloy", "stock", "resid")
           and f.source[:4] not in ("mine",)]  # fmt: skip
    changes = [change(f, "set", 0.0, "others") for f in out]
    with pytest.raises(ResultError, match="goes round and cannot leave"):
        worked_out(system, *changes)


def test_twenty_thousand_systems_take_one_step_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without limits one matrix is solved for each system, which bounds the time."""
    steps: list[int] = []
    solve = np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve",
                        lambda a, b: (steps.append(len(a)), solve(a, b))[1])  # fmt: skip
    worked_out(random_system(3))
    assert steps == [1]
