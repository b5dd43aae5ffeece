"""The study by element: its tables, one group beside the study, and sums over groups."""

import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from reebayes.inference.coordinates import identity
from reebayes.inference.density import gradients
from reebayes.model.layout import lay_out
from reebayes.simulation.flows import flows_from, quantities_from
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Flow, Process, Study, Table, read_study

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "data" / "extensions" / "elements"
GROUPS = ("lace", "ndpr", "heavy")

type Maker = dict[str, Any]


@pytest.fixture(scope="module")
def base() -> Study:
    return read_study()


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(extensions=["elements"])


@pytest.fixture(scope="module")
def maker() -> Maker:
    return runpy.run_path(str(ROOT / "docs" / "element_tables.py"))


# --- the tables -----------------------------------------------------------------------------------


def test_tables_are_what_the_study_and_the_groups_make(base: Study, maker: Maker) -> None:
    for path, text in maker["files"](base, partners=False).items():
        assert path.read_text("utf-8") == text, path


@pytest.mark.slow
def test_tables_with_partners_are_what_both_make(maker: Maker) -> None:
    made = {path: text for path, text in maker["files"]().items() if path.parent != FOLDER}
    assert len(made) == 3
    for path, text in made.items():
        assert path.read_text("utf-8") == text, path


def test_one_group_is_the_study(base: Study, maker: Maker, tmp_path: Path) -> None:
    """Gates that part nothing leave unknowns, records and density as they are."""
    folder = tmp_path / "one_group"
    folder.mkdir()
    made: Callable[..., Any] = maker["tables"]
    for name, text in maker["texts"](made(base, maker["EVERYTHING"])).items():
        (folder / name).write_text(text, "utf-8")
    layouts = [lay_out(one) for one in (base, read_study(extensions=[folder]))]
    assert layouts[0].latents == layouts[1].latents
    assert len(layouts[1].flows) > len(layouts[0].flows)
    densities = [gradients(layout)(identity(layout)) for layout in layouts]
    for point in np.random.default_rng(7).standard_normal((100, layouts[0].unknowns.size)):
        (one, slope), (other, other_slope) = (density(point) for density in densities)
        assert other == pytest.approx(one, rel=1e-9)
        np.testing.assert_allclose(other_slope, slope, rtol=1e-6, atol=1e-6)


def test_layers_add_no_unknown_but_what_tells_groups_apart(base: Study, study: Study) -> None:
    """Series that move are those of the study, and of what finds no use; the rest never changes."""
    before, after = (lay_out(one).unknowns for one in (base, study))
    added = {*after.columns[: after.varying]} - {*before.columns[: before.varying]}
    assert added == {"unsold_CN", "unsold_RW", "bias:china_customs_headings"} & added
    assert {*before.columns} < {*after.columns}
    assert after.size < 1.2 * before.size


# --- sums -----------------------------------------------------------------------------------------


def layers_of(study: Study, flow: str) -> list[str]:
    return [flow, *(one.flow for one in study.flows if one.tied == flow)]


def whole(study: Study, base: Study) -> Study:
    """The study of the sum, with what finds no use."""
    lost = [flow for flow in study.flows if flow.flow in ("unsold_CN", "unsold_RW")]
    places = [one for one in study.processes if one.process in {flow.target for flow in lost}]
    return replace(
        base,
        flows=Table(Flow, [*base.flows, *lost]),
        processes=Table(Process, [*base.processes, *places]),
    )


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_groups_add_up_to_the_balance_of_the_sum(base: Study, study: Study, seed: int) -> None:
    """The balance of the sum, solved for itself: its own inputs, and shares up to separation."""
    world = simulate_world(study, seed=seed)
    flows = world.flows
    names = [one.flow for one in whole(study, base).flows]
    sums = [flows.sel(flow=layers_of(study, name)).sum("flow") for name in names]
    total = xr.concat(sums, dim="flow").assign_coords(flow=names)
    unknowns = {name: values.fillna(0.0).values for name, values in world.unknowns.items()}
    apart = {one.tied for one in study.flows if one.flow in unknowns and one.tied}
    sources = {study.flows[name].source for name in apart}
    own = set(unknowns) - apart
    assert len([name for name in own if name in {one.flow for one in base.flows}]) > 40
    for process in sources:
        out = [one.flow for one in whole(study, base).flows if one.source == process]
        rest = next(name for name in out if name not in unknowns)
        for name in set(out) - {rest}:
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.log(total.sel(flow=name) / total.sel(flow=rest))
            unknowns[name] = np.nan_to_num(np.asarray(logs), neginf=0.0)
    again = flows_from(whole(study, base), unknowns)
    np.testing.assert_allclose(again.values, total.transpose("year", "flow"), rtol=1e-9, atol=1e-12)


def test_quantities_of_groups_add_up(study: Study) -> None:
    found = quantities_from(study, simulate_world(study, seed=1).flows)
    names = {one.quantity for one in study.quantities}
    summed = [name.removesuffix("_lace") for name in names if name.endswith("_lace")]
    summed = [name for name in summed if name in names and not study.quantities[name].is_ratio]
    assert len(summed) > 30
    for name in summed:
        groups = found.sel(quantity=[f"{name}_{group}" for group in GROUPS]).sum("quantity")
        np.testing.assert_allclose(groups, found.sel(quantity=name), rtol=1e-9, err_msg=name)


def test_quantities_of_the_study_are_sums_over_all_layers(base: Study, study: Study) -> None:
    """Whatever the records of the study see, they see of every group."""
    for quantity in base.quantities:
        ours = study.quantities[quantity.quantity]
        for side in ("numerator", "denominator"):
            expected = {
                (name, weight)
                for flow, weight in getattr(quantity, side)
                for name in layers_of(study, flow)
            }
            assert {*getattr(ours, side)} == expected, quantity.quantity


def test_scenarios_change_every_layer(base: Study, study: Study) -> None:
    """What a scenario of the study does to a flow behind the gates, it does in every group."""
    for name, scenario in base.scenarios.items():
        ours = study.scenarios[name]["changes"]
        for change in scenario["changes"]:
            layers = layers_of(study, change["flow"])[1:] if "flow" in change else []
            for flow in layers:
                [other] = [one for one in ours if one.get("flow") == flow]
                same = {key: value for key, value in change.items() if key == "set"}
                assert same.items() <= dict(other).items()
                taken = change.get("absorbed_by", "")
                behind = layers_of(study, taken)[1:] if taken in base.flows.names else []
                assert other.get("absorbed_by", "") in (behind or [taken])


# --- with partners --------------------------------------------------------------------------------


@pytest.mark.slow
def test_elements_and_partners_load_together(study: Study) -> None:
    """Gates of partners are tied over the groups, and what partners have adds up over them."""
    both = read_study(extensions=["partners", "elements"])
    assert {*both.extensions} == {"elements", "partners", "elements_partners"}
    assert {flow.flow for flow in study.flows} < {flow.flow for flow in both.flows}
    layout = lay_out(both)
    density = gradients(layout)(identity(layout))
    value, slope = density(0.3 * np.random.default_rng(0).standard_normal(layout.unknowns.size))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    flows = simulate_world(both, seed=2).flows
    parts = [flow.flow for flow in both.flows if flow.source == "gate_export_CN_RW_oxide"]
    assert len(parts) > 5
    for group in GROUPS[1:]:
        shares = [
            flows.sel(flow=[f"{part}{end}" for part in parts]) for end in ("", f"_{group}")
        ]  # fmt: skip
        one, other = (share / share.sum("flow") for share in shares)
        np.testing.assert_allclose(one.values, other.values, rtol=1e-9)
    found = quantities_from(both, flows)
    japan = sum(
        flows.sel(flow=flow.flow).values
        for flow in both.flows
        if "japan" in flow.flow and flow.flow.startswith(("export_CN", "smuggle_CN"))
        and flow.product != "concentrate"
    )  # fmt: skip
    np.testing.assert_allclose(found.sel(quantity="exported_CN_japan"), japan, rtol=1e-9)
