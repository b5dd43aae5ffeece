"""Ties: flows that have the share of another, against the world written apart and by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytensor
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reebayes.errors import Fault, StudyError
from reebayes.model.graph import build_model
from reebayes.model.layout import lay_out
from reebayes.simulation.flows import flows_from
from reebayes.simulation.worlds import simulate_world, unknowns_from
from reebayes.study import Flow, Quantity, Study, Table, read_study
from reebayes.study.checks.context import build_context
from reebayes.study.checks.prior_flows import draw_flows
from tests.numerics import close, differences
from tests.test_model import PLAIN, as_normals, evaluate, targets
from tests.tiny import FLOWS, PRIORS, PROCESSES, QUANTITIES, STUDY, write_tables

LAYER = {"ore_market": "ore_market_b", "plant": "plant_b", "metal_market": "metal_market_b"}

MORE_PROCESSES = """\
ore_market_b,market,A,Ore market of another element
plant_b,conversion,A,Plant of another element
metal_market_b,market,A,Metal market of another element
"""
MORE_FLOWS = """\
ore_b,nature,ore_market_b,ore,true,2010-2015,Ore of another element,
export_ore_b,ore_market_b,abroad,ore,true,2010-2015,,export_ore
ore_to_plant_b,ore_market_b,plant_b,ore,true,2010-2015,,ore_to_plant
metal_b,plant_b,metal_market_b,metal,true,2010-2015,,metal
plant_loss_b,plant_b,residues,loss,true,2010-2015,,plant_loss
scrap_b,metal_market_b,plant_b,metal,true,2012-2015,,scrap
magnets_b,metal_market_b,use_magnets,metal,true,2010-2015,,magnets
other_b,metal_market_b,use_other,metal,true,2013,,other
"""
TIED = {"export_ore", "ore_to_plant", "metal", "plant_loss", "scrap", "magnets", "other"}


def tied_tables() -> dict[str, str]:
    header, *lines = FLOWS.splitlines()
    flows = "\n".join([f"{header},tied", *(f"{line}," for line in lines)])
    return {
        "processes": PROCESSES + MORE_PROCESSES,
        "flows": f"{flows}\n{MORE_FLOWS}",
        "quantities": QUANTITIES + "made,num,metal_b,1\nexported,num,export_ore_b,1\n",
        "priors": PRIORS + "ore_b,,,lognormal,2,0.5,0.1,kt REO/yr,judgement-scale,\n",
    }


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_tables(tmp_path_factory.mktemp("ties") / "tied", **tied_tables()))


FAR = """\
export_ore_b,,,normal,0.7,0.5,,log odds,judgement-split,
metal_b,2010,2012,normal,-0.2,0.3,,log odds,judgement-yield,
metal_b,2013,2015,normal,0.1,0.2,,log odds,judgement-yield,
scrap_b,2012,2015,normal,-1,0.8,0.3,log odds,judgement-split,
"""


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A layer that splits otherwise: constantly, by period, and from year to year."""
    tables = tied_tables()
    tables["priors"] += FAR
    return read_study(write_tables(tmp_path_factory.mktemp("ties") / "apart", **tables))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_tables(tmp_path_factory.mktemp("ties") / "plain"))


# --- the model ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("which", ["tied", "apart"])
def test_tied_flows_are_those_of_the_world_written_apart(
    which: str, seed: int, request: pytest.FixtureRequest
) -> None:
    tied: Study = request.getfixturevalue(which)
    latents = np.random.default_rng(seed).standard_normal(lay_out(tied).unknowns.size)
    [flows] = evaluate(tied, latents, "flows")
    known = targets(tied)
    normals = {name: value for name, value in as_normals(tied, latents).items() if name in known}
    unknowns = unknowns_from(tied, normals)
    expected = flows_from(tied, {name: values.values for name, values in unknowns.items()})
    np.testing.assert_allclose(flows, expected.values, rtol=1e-9, atol=1e-300)


def test_ties_add_no_unknown(tied: Study, plain: Study) -> None:
    added = set(lay_out(tied).latents) - set(lay_out(plain).latents)
    assert added == {f"ore_b[{year}]" for year in tied.years}


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_what_moves_as_one_mixture_splits_alike(tied: Study, seed: int) -> None:
    flows = simulate_world(tied, seed=seed).flows
    by_source: dict[str, list[Flow]] = {}
    for flow in tied.flows:
        by_source.setdefault(flow.source, []).append(flow)
    for first, second in LAYER.items():
        one, other = (
            flows.sel(flow=[flow.flow for flow in by_source[name]]).values
            for name in (first, second)
        )
        for values in (one, other):
            values /= values.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(other, one, rtol=1e-9)
    # all that was added enters by one flow, so the layer is that mixture, scaled
    through = [
        flows.sel(flow=[flow.flow for flow in tied.flows if flow.target == name]).sum("flow")
        for name in ("ore_market", "ore_market_b")
    ]
    ratio = through[1] / through[0]
    for name in TIED:
        np.testing.assert_allclose(
            flows.sel(flow=f"{name}_b").values, (flows.sel(flow=name) * ratio).values, rtol=1e-9
        )


def moved(study: Study) -> Study:
    """The same study with everything in a layer that is tied to one through which nothing goes."""
    names = {name: f"{name}_b" for name in TIED}
    below = {flow.flow: flow for flow in study.flows}
    flows = [replace(f, target=LAYER.get(f.target, f.target)) if f.flow not in TIED else f
             for f in study.flows]  # fmt: skip
    flows += [
        replace(
            below[name],
            flow=names[name],
            source=LAYER[below[name].source],
            target=LAYER.get(below[name].target, below[name].target),
            tied=name,
        )
        for name in sorted(TIED)
    ]
    quantities = [
        replace(
            quantity,
            numerator=tuple((names.get(f, f), w) for f, w in quantity.numerator),
            denominator=tuple((names.get(f, f), w) for f, w in quantity.denominator),
        )
        for quantity in study.quantities
    ]
    places = {place.process: place for place in study.processes}
    added = [replace(places[name], process=other) for name, other in LAYER.items()]
    return replace(
        study,
        processes=Table(type(added[0]), [*study.processes, *added]),
        flows=Table(Flow, flows),
        quantities=Table(Quantity, quantities),
    )


def test_with_one_layer_the_density_is_that_of_the_study_without_ties(plain: Study) -> None:
    densities = []
    size = lay_out(plain).unknowns.size
    for study in (plain, moved(plain)):
        model = build_model(study)
        assert lay_out(study).latents == lay_out(plain).latents
        value = model.rvs_to_values[model["latents"]]
        function = pytensor.function([value], model.logp(), mode=PLAIN)
        points = np.random.default_rng(7).standard_normal((100, size))
        densities.append(np.array([float(function(point)) for point in points]))
    np.testing.assert_allclose(densities[1], densities[0], rtol=1e-9)


def test_a_tied_flow_with_a_prior_is_that_far_from_the_other(apart: Study) -> None:
    """Log odds of what leaves a process, beside those of the process that it is tied to."""
    normals = {"export_ore": 0.4, "export_ore_b": 1.0, "metal_b": -2.0, "metal": 0.7}
    unknowns = unknowns_from(apart, normals)
    flows = flows_from(apart, {name: values.values for name, values in unknowns.items()})

    def odds(one: str, other: str) -> np.ndarray:
        return np.asarray(np.log(flows.sel(flow=one) / flows.sel(flow=other)))

    far = odds("export_ore_b", "ore_to_plant_b") - odds("export_ore", "ore_to_plant")
    np.testing.assert_allclose(far, 0.7 + 0.5, rtol=1e-9)
    far = odds("metal_b", "plant_loss_b") - odds("metal", "plant_loss")
    np.testing.assert_allclose(far, [-0.2 - 0.6] * 3 + [0.1 - 0.4] * 3, rtol=1e-9)


@pytest.mark.parametrize("which", ["tied", "apart"])
def test_the_gradient_of_a_tied_study(which: str, request: pytest.FixtureRequest) -> None:
    tied: Study = request.getfixturevalue(which)
    model = build_model(tied)
    value = model.rvs_to_values[model["latents"]]
    density = pytensor.function([value], model.logp(), mode=PLAIN)
    gradient = pytensor.function([value], model.dlogp(), mode=PLAIN)
    point = 0.3 * np.random.default_rng(3).standard_normal(lay_out(tied).unknowns.size)
    close(gradient(point), differences(lambda x: float(density(x)), point), rtol=1e-4)


# --- the tables -----------------------------------------------------------------------------------


def test_the_column_may_be_left_out_and_counts_where_it_is_filled(
    tied: Study, plain: Study, tmp_path: Path
) -> None:
    header, *lines = FLOWS.splitlines()
    empty = "\n".join([f"{header},tied", *(f"{line}," for line in lines)]) + "\n"
    assert read_study(write_tables(tmp_path / "empty", flows=empty)).hash == plain.hash
    assert tied.flows["metal_b"].tied == "metal"
    other = [replace(f, tied="") if f.flow == "metal_b" else f for f in tied.flows]
    assert replace(tied, flows=Table(Flow, other)).hash != tied.hash
    again = read_study(tied.save(tmp_path / "again"))
    assert again.flows == tied.flows
    assert again.hash == tied.hash


@pytest.mark.parametrize("which", ["tied", "apart"])
def test_what_priors_say_of_tied_flows_knows_the_ties(
    which: str, request: pytest.FixtureRequest
) -> None:
    tied: Study = request.getfixturevalue(which)
    draft = tied._draft()
    flows = draw_flows(draft, build_context(draft), draws=1)
    world = unknowns_from(tied, {})
    middle = flows_from(tied, {name: values.values for name, values in world.items()})
    made = (middle.sel(flow="metal") + middle.sel(flow="metal_b")).values
    np.testing.assert_allclose(flows.amounts["made"][0], made, rtol=1e-4)


def faults_of(folder: Path, **changes: str) -> tuple[Fault, ...]:
    with pytest.raises(StudyError) as caught:
        read_study(write_tables(folder, **(tied_tables() | changes)))
    return caught.value.faults


BAD = [
    ("metal_b,", ",metal", ",metall", "Did you mean 'metal'?"),
    ("metal_b,", ",metal", ",plant_loss_b", "is tied itself; write 'plant_loss'"),
    ("metal_b,", ",metal", ",plant_loss_b", "'plant_loss_b' is tied"),
    ("metal_b,", ",metal", ",", "that are not tied (metal_b); tie all of them or none"),
    ("metal_b,", ",metal", ",plant_loss", "is tied to 'plant_loss', too"),
    ("metal_b,", ",metal", ",magnets", "it leaves a conversion, and 'magnets' a market"),
    ("metal_b,", ",metal", ",ore", "'ore' leaves an environment"),
    ("metal_b,", ",metal", ",magnets", "flows out of metal_market, plant"),
    ("other_b,", "2013,", "2014,", "can exist in 2013-2014 and the other cannot"),
    ("ore_b,", "element,", "element,export_ore", "'ore_b' leaves an environment"),
    ("magnets_b,", ",magnets\n", ",other\n", "is tied to 'other', too"),
]


@pytest.mark.parametrize(("start", "old", "new", "fragment"), BAD)
def test_a_bad_tie_is_told_with_its_row(
    start: str, old: str, new: str, fragment: str, tmp_path: Path
) -> None:
    lines = tied_tables()["flows"].splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if line.startswith(start))
    head, sep, tail = lines[number].rpartition(old.rstrip("\n"))
    assert sep
    lines[number] = head + new.rstrip("\n") + tail
    found = faults_of(tmp_path / "bad", flows="".join(lines))
    fault = next(fault for fault in found if fragment in fault.message)
    assert (fault.table, fault.column) == ("flows.csv", "tied")
    assert fault.row is not None


def test_a_layer_that_lacks_a_flow_is_told(tmp_path: Path) -> None:
    lines = tied_tables()["flows"].splitlines(keepends=True)
    found = faults_of(tmp_path / "bad", flows="".join(x for x in lines if "scrap_b" not in x))
    assert any("is tied to scrap, which leave 'metal_market'" in fault.message for fault in found)


BAD_PRIORS = [
    ("metal_b,,,share,0.8,0.4,,share", "prior of 'metal_b' is normal, not share"),
    ("magnets_b,,,normal,0,0.4,,log odds", "'magnets', which has no share prior"),
    ("scrap_b,2012,2014,normal,0,0.4,,log odds", "'scrap_b' has no prior for 2015"),
    ("metal_b,,,normal,0,0,,log odds", "sd 0 is not above 0"),
    ("metal_b,,,normal,30,1,,log odds", "median 30 is beyond 20"),
]


@pytest.mark.parametrize(("row", "fragment"), BAD_PRIORS)
def test_a_bad_prior_of_a_tied_flow_is_told(row: str, fragment: str, tmp_path: Path) -> None:
    priors = f"{tied_tables()['priors']}{row},judgement-yield,\n"
    found = faults_of(tmp_path / "bad", priors=priors)
    fault = next(fault for fault in found if fragment in fault.message)
    assert (fault.table, fault.row) == ("priors.csv", len(priors.splitlines()))


@pytest.mark.parametrize(
    ("groups", "fragment"),
    [
        ({"a": "La", "b": "Nd"}, "no flow has '_a' at its end"),
        ({"b": "La", "loss": "La+Ce"}, "'La' is in 'b', too"),
    ],
)
def test_groups_of_a_report_are_those_of_flows(
    groups: dict[str, str], fragment: str, tmp_path: Path
) -> None:
    lines = "".join(f'{group} = "{elements}"\n' for group, elements in groups.items())
    found = faults_of(tmp_path / "bad", study=f"{STUDY}\n[report.groups]\n{lines}")
    assert [fault.table for fault in found if fragment in fault.message] == ["study.toml"]
