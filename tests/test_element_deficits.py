"""Deficits of an element in an outlook, against a balance by hand."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.answers.assaying import draw_compositions
from reebayes.cli.main import main
from reebayes.forecasting.elemental import deficits_of_groups
from reebayes.study import Study
from tests.ahead import fit_of_priors
from tests.test_elements import ROCKS, material, told
from tests.test_outlook import fit, study
from tests.test_tracing import Edge, graph_fit

MATERIALS = [
    material("ore_A", "east"),
    material("ore_B", "west", year=2000, year_end=2010),
    material("magnets_A", "south"),
    material("others_A", "west"),
    material("magnets_B", "south"),
    material("others_B", "west"),
]
KINDS = {
    "nature": "environment", "separate_A": "conversion", "separate_B": "conversion",
    "waste": "loss", "use_A_magnets": "use", "use_A_others": "use", "use_B_magnets": "use",
    "use_B_others": "use",
}  # fmt: skip
REGIONS = {f"{name}_{region}": region for region in "AB" for name in
           ("market", "separate", "oxides")}  # fmt: skip
REGIONS |= {name: name[4] for name in KINDS if name.startswith("use")}


@cache
def assayed() -> Study:
    return replace(told(ROCKS, MATERIALS), last_year=2010)


def world(seed: int, year: int) -> tuple[xr.DataTree, dict[str, float]]:
    """Two regions that mine, separate and use; one sends concentrate to the other."""
    rng = np.random.default_rng([seed, year])
    a, b = rng.uniform(5, 20, 2)
    sent = rng.uniform(0.1, 0.9) * a
    oxide_a, oxide_b = rng.uniform(0.5, 1, 2) * (a - sent, b + sent)
    share_a, share_b = rng.uniform(0.1, 0.9, 2)
    flows = {
        "ore_A": ("nature", "market_A", a), "ore_B": ("nature", "market_B", b),
        "sent": ("market_A", "market_B", sent),
        "raw_A": ("market_A", "separate_A", a - sent),
        "raw_B": ("market_B", "separate_B", b + sent),
        "oxide_A": ("separate_A", "oxides_A", oxide_a),
        "oxide_B": ("separate_B", "oxides_B", oxide_b),
        "loss_A": ("separate_A", "waste", a - sent - oxide_a),
        "loss_B": ("separate_B", "waste", b + sent - oxide_b),
        "magnets_A": ("oxides_A", "use_A_magnets", share_a * oxide_a),
        "others_A": ("oxides_A", "use_A_others", (1 - share_a) * oxide_a),
        "magnets_B": ("oxides_B", "use_B_magnets", share_b * oxide_b),
        "others_B": ("oxides_B", "use_B_others", (1 - share_b) * oxide_b),
    }  # fmt: skip
    edges: list[Edge] = [(name, *flow) for name, flow in flows.items()]
    products = {"oxide_A": "oxide", "oxide_B": "oxide"}
    part = graph_fit(edges, KINDS, REGIONS, products=products)
    part.attrs["report"] = '{"refined": "oxide"}'
    for group in ("posterior",):
        part[group] = xr.DataTree(part[group].to_dataset().assign_coords(year=[year]))
    return part, {name: flow[2] for name, flow in flows.items()}


def ahead(seed: int) -> tuple[xr.DataTree, dict[str, float], dict[str, float], dict[str, float]]:
    """An outlook of one draw and one year, 2020."""
    (last, was), (coming, then) = world(seed, 2010), world(seed, 2020)
    rng = np.random.default_rng(seed)
    grown = {name: was[name] * rng.uniform(0.5, 3) for name in was if name[:-2] in
             ("magnets", "others")}  # fmt: skip
    uses = [f"use_{name[-1]}_{name[:-2]}" for name in grown]
    values = np.array(list(grown.values()))[None, None, None]
    demand = xr.DataArray(values, {"chain": [0], "draw": [0], "year": [2020], "use": uses},
                          ("chain", "draw", "year", "use"))  # fmt: skip
    tree = xr.DataTree(
        children={"last": last, "outlook": coming,
                  "uses": xr.DataTree(xr.Dataset({"demand": demand}))}
    )  # fmt: skip
    tree.attrs["unit"] = "kt REO/yr"
    return tree, was, then, grown


@pytest.mark.parametrize("seed", [1, 2])
def test_a_deficit_is_that_of_a_balance_by_hand(seed: int) -> None:
    tree, was, then, grown = ahead(seed)
    keys = [(name, "these") for name in ("east", "west", "south")]
    rows = draw_compositions(ROCKS, keys, 1, 0).held.shares
    nd = {name: float(rows[name, "these"][0, 0]) for name in ("east", "west", "south")}

    def holds(flows: dict[str, float]) -> dict[str, dict[str, float]]:
        """Nd in what is refined and used in each region, by where it was mined."""
        out = flows["oxide_B"] / flows["raw_B"]
        own = {"A": {"A": nd["east"] * flows["oxide_A"], "B": 0.0}}
        own["B"] = {"A": out * flows["sent"] * nd["east"], "B": out * flows["ore_B"] * nd["west"]}
        return own

    def wants(region: str, masses: dict[str, float]) -> float:
        return nd["south"] * masses[f"magnets_{region}"] + nd["west"] * masses[f"others_{region}"]

    before, after = holds(was), holds(then)
    recipes = {region: wants(region, grown) for region in "AB"}
    asked = {
        "by recipes": recipes,
        "as before": {r: sum(before[r].values()) * recipes[r] / wants(r, was) for r in "AB"},
    }
    coming = {
        "what arrives": {r: sum(after[r].values()) for r in "AB"},
        "refined there": {r: sum(after[r].values()) for r in "AB"},
        "mined there": {r: after["A"][r] + after["B"][r] for r in "AB"},
    }
    table = rb.element_deficits(tree, 2020, "Nd", held="compositions", study=assayed())
    found = table.set_index(["region", "supply", "asked"])
    places = {"World": "AB", "outside A": "B", "outside B": "A", "A": "A", "B": "B"}
    assert len(found) == 2 * (1 + 4 * 3)
    for (place, supply, way), row in found.iterrows():
        demand = sum(asked[way][region] for region in places[place])
        supplied = sum(coming[supply][region] for region in places[place])
        assert row["demand"] == pytest.approx(demand, rel=1e-9)
        assert row["supplied"] == pytest.approx(supplied, rel=1e-9)
        assert row["deficit"] == pytest.approx(max(demand - supplied, 0), abs=1e-9)
        assert row["probability"] == (demand - supplied > 0.1 * demand)
    assert "mixed" in table.attrs["assumption"]


def test_what_is_not_held_is_drawn() -> None:
    tree = ahead(1)[0]
    one, other = (rb.element_deficits(tree, 2020, "Nd", seed=seed, study=assayed())
                  for seed in (1, 2))  # fmt: skip
    assert (one["demand"] != other["demand"]).all()
    with pytest.raises(rb.ResultError, match="thing to hold 'flow'"):
        rb.element_deficits(tree, 2020, "Nd", held="flow", study=assayed())


def test_what_is_lacking_is_told() -> None:
    tree = ahead(1)[0]
    short = replace(assayed(), materials=assayed().materials[:-1])
    with pytest.raises(rb.ResultError, match="what others_B are made into"):
        rb.element_deficits(tree, 2020, "Nd", study=short)
    with pytest.raises(rb.ResultError, match="Unknown element 'Yb'"):
        rb.element_deficits(tree, 2020, "Nd+Yb", study=assayed())
    with pytest.raises(rb.ResultError, match="does not say what ores hold"):
        rb.element_deficits(tree, 2020, "Nd", study=replace(assayed(), assays=short.assays[:0]))


SHARES = {"rock": 0.2, "clay": 0.3, "alloy": 0.9, "glass": 0.1}
COMPOSITIONS = "analysis,material,deposit,family,element,share,spread,assays,source,note\n"
COMPOSITIONS += "".join(
    f"{name},{name},{name},ores,{element},{share},0,,yearbook,\n"
    for name, nd in SHARES.items() for element, share in (("Nd", nd), ("Ce", 1 - nd))
)  # fmt: skip
HOLDING = "flow,material,by,year,year_end,deposits,share,spread,source,note\n" + "".join(
    f"{flow},{name},,,,these,1,0,yearbook,\n"
    for flow, name in (("ore", "rock"), ("hidden_ore", "clay"), ("magnets", "alloy"),
                       ("other", "glass"))
)  # fmt: skip


def test_an_outlook_of_a_fit_tells_elements_and_the_command_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import reebayes.cli.options as commands

    folder = study().save(tmp_path / "tiny")
    (folder / "compositions.csv").write_text(COMPOSITIONS, "utf-8")
    (folder / "materials.csv").write_text(HOLDING, "utf-8")
    whole = fit_of_priors(rb.read_study(folder))
    tree = rb.outlook(whole, 2018)
    table = rb.element_deficits(tree, [2017, 2018], "Nd")
    assert table["supply"].unique().tolist() == ["what arrives"]  # of one region
    assert table["year"].tolist() == [2017, 2017, 2018, 2018]
    row = table.iloc[2]
    arrives = rb.elements(tree["outlook"], "Nd", "magnets + other", years=2018)
    assert row["supplied"] == pytest.approx(float(arrives.median()))
    balance = rb.element_balance(whole, "Nd", years=2015)
    share = table["demand"][3] / table["demand"][2]
    assert share == pytest.approx(1 / float(balance["ratio"].median()), rel=0.2)
    monkeypatch.setattr(commands, "opened", lambda *_, **__: fit().copy())
    path, out = tmp_path / "fit.nc", tmp_path / "ahead"
    path.write_bytes(b"")
    asked = ["outlook", str(path), "--to", "2018", "--element", "Nd", "--data", str(folder)]
    assert main([*asked, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Nd: P(deficit > x)" in said and "compositions alone" in said and "mixed there" in said
    written = pd.read_csv(out / "element_deficits.csv")
    assert set(written["held"].fillna("")) == {"", "flows", "compositions"}
    assert "What uses lack of Nd" in (out / "outlook.html").read_text("utf-8")


def in_groups(seed: int, year: int) -> tuple[xr.DataTree, dict[str, float]]:
    """Two regions that get two groups of elements, each into magnets and others."""
    rng = np.random.default_rng([seed, year])
    flows = {
        f"{use}_{region}{group}": float(rng.uniform(1, 5))
        for region in "AB"
        for group in ("", "_dear")
        for use in ("magnets", "others")
    }
    edges: list[Edge] = []
    for region in "AB":
        light, dear = (sum(flows[f"{use}_{region}{group}"] for use in ("magnets", "others"))
                       for group in ("", "_dear"))  # fmt: skip
        edges += [
            (f"ore_{region}", "nature", f"gate_{region}", light + dear),
            (f"ore_{region}_light", f"gate_{region}", f"market_{region}", light),
            (f"ore_{region}_dear", f"gate_{region}", f"market_{region}_dear", dear),
        ]
        edges += [(f"{use}_{region}{group}", f"market_{region}{group}", f"use_{region}_{use}",
                   flows[f"{use}_{region}{group}"])
                  for group in ("", "_dear") for use in ("magnets", "others")]  # fmt: skip
    part = graph_fit(edges, KINDS, {f"gate_{region}": region for region in "AB"} | REGIONS)
    part.attrs["report"] = '{"groups": {"light": "Ce", "dear": "Nd+Dy"}}'
    part["posterior"] = xr.DataTree(part["posterior"].to_dataset().assign_coords(year=[year]))
    return part, flows


def test_groups_that_a_fit_balances_are_told_by_their_own_flows() -> None:
    (last, was), (coming, then) = in_groups(3, 2010), in_groups(3, 2020)
    names = [f"use_{region}_{use}" for region in "AB" for use in ("magnets", "others")]
    asked = dict(zip(names, np.random.default_rng(3).uniform(5, 15, 4), strict=True))
    demand = xr.DataArray([[[list(asked.values())]]], {"year": [2020], "use": names},
                          ("chain", "draw", "year", "use"))  # fmt: skip
    demand = demand.assign_coords(chain=[0], draw=[0])
    tree = xr.DataTree(
        children={
            "last": last,
            "outlook": coming,
            "uses": xr.DataTree(xr.Dataset({"demand": demand})),
        }
    )
    tree.attrs |= {"unit": "kt REO/yr", "to": 2020, "first_year": 2020}
    table = rb.element_deficits(tree, 2020, "Nd+Dy", study=assayed())
    assert set(table["supply"]) == {"what arrives"}  # origins are not told, and nothing is refined
    grown = [
        asked[f"use_A_{use}"] / (was[f"{use}_A"] + was[f"{use}_A_dear"])
        for use in ("magnets", "others")
    ]
    by_recipe = table[(table["region"] == "A") & (table["asked"] == "by recipes")].iloc[0]
    as_before = table[(table["region"] == "A") & (table["asked"] == "as before")].iloc[0]
    arrived, arrives = (year["magnets_A_dear"] + year["others_A_dear"] for year in (was, then))
    assert by_recipe["supplied"] == as_before["supplied"] == pytest.approx(arrives)
    growth = as_before["demand"] / arrived
    assert min(grown) <= growth <= max(grown)
    total = asked["use_A_magnets"] + asked["use_A_others"]
    light = rb.element_deficits(tree, 2020, "Ce", study=assayed())
    other = light[(light["region"] == "A") & (light["asked"] == "by recipes")].iloc[0]
    assert by_recipe["demand"] + other["demand"] <= total
    assert "flows of their own" in table.attrs["assumption"]
    shown = deficits_of_groups(tree, study=assayed())
    assert shown is not None and shown["element"].unique().tolist() == ["Ce", "Nd+Dy"]
    assert shown["region"].unique().tolist() == ["World", "outside A", "outside B"]
    there = table[table["region"] == "outside A"]["deficit"]
    rows = shown[(shown["element"] == "Nd+Dy") & (shown["region"] == "outside A")]
    assert rows["deficit"].tolist() == there.tolist()
    assert deficits_of_groups(ahead(1)[0]) is None
    with pytest.raises(rb.ResultError, match="leave `held` out"):
        rb.element_deficits(tree, 2020, "Ce", held="flows", study=assayed())
