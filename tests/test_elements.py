"""Elements: compositions against linear algebra, contents against a balance of each element."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from reebayes.answers.assaying import (
    GROWTH,
    LEAST_ERROR,
    USUAL_ERROR,
    _deposits,
    closed,
    draw_compositions,
    error_of_analyses,
    families_of,
)
from reebayes.answers.contained import beside_elements, element_balance, elements
from reebayes.cli.main import main
from reebayes.errors import Fault, ResultError, StudyError
from reebayes.results.identity import unit_of
from reebayes.study import Assay, Material, PublishedElement, Study, Table, read_study
from tests.fakes import fake_fit, save_fake
from tests.test_tracing import Edge, graph_fit, random_graph
from tests.tiny import write_tables

ELEMENTS = ("Nd", "Ce", "Dy")


def assay(deposit: str, element: str, share: float, **values: object) -> Assay:
    plain = {"analysis": deposit, "material": deposit, "family": "rock", "spread": 0.0}
    about = {"assays": None, "source": "book", **plain, **values}
    return Assay(deposit=deposit, element=element, share=share, **about)  # type: ignore[arg-type]


def analysis(deposit: str, shares: Sequence[float], **values: object) -> list[Assay]:
    return [assay(deposit, e, s, **values) for e, s in zip(ELEMENTS, shares, strict=False)]


def material(flow: str, name: str, share: float = 1.0, **values: object) -> Material:
    plain = {"by": "", "year": None, "year_end": None, "deposits": "these", "spread": 0.0}
    return Material(flow, name, share=share, source="book", **{**plain, **values})  # type: ignore[arg-type]


@cache
def any_study() -> Study:
    return read_study("zinc")


def told(
    assays: Sequence[Assay],
    materials: Sequence[Material],
    published: Sequence[PublishedElement] = (),
) -> Study:
    """A study that says what ores hold; of the rest only its years are looked at."""
    return replace(
        any_study(),
        first_year=2010,
        last_year=2015,
        assays=Table(Assay, assays),
        materials=Table(Material, materials),
        published_elements=Table(PublishedElement, published),
    )


ROCKS = [
    *analysis("east", (0.2, 0.7, 0.1)),
    *analysis("west", (0.1, 0.85, 0.05)),
    *analysis("south", (0.3, 0.3, 0.4)),
]


# --- compositions ---------------------------------------------------------------------------------


def test_one_deposit_of_a_family_is_drawn_around_its_analysis_with_the_error_of_analyses() -> None:
    """With nothing else to learn from, log ratios are normal with the two errors added."""
    rows = analysis("east", (0.2, 0.7, 0.1), spread=0.1)
    shares = draw_compositions(rows, [("east", "these")], 200_000).shares["east", "these"]
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-12)
    ratio = np.log(shares[:, 0] / shares[:, 1])
    assert ratio.mean() == pytest.approx(np.log(0.2 / 0.7), abs=0.003)
    error = [0.1**2 + USUAL_ERROR**2 * s ** (2 * GROWTH) for s in (0.2, 0.7)]
    assert ratio.std() == pytest.approx(np.sqrt(sum(error)), rel=0.02)


def test_two_analyses_of_one_deposit_tell_the_error_of_all() -> None:
    rng = np.random.default_rng(0)
    truth, error = np.array([0.5, 0.3, 0.15, 0.05]), 0.08
    names = ("a", "b", "c", "d")
    rows = []
    for deposit in range(150):
        for lab in "xy":
            noise = error * truth**GROWTH * rng.standard_normal(4)
            # shares are relative: a factor of all of them is nothing
            shares = np.exp(np.log(truth) + noise - rng.uniform(0.5, 1))
            rows += [
                assay(f"d{deposit}", e, s, analysis=f"d{deposit}{lab}")
                for e, s in zip(names, shares, strict=True)
            ]
    assert error_of_analyses(rows) == pytest.approx(error, rel=0.1)


def test_without_a_deposit_analysed_twice_the_usual_error_is_taken_and_never_none() -> None:
    assert error_of_analyses(ROCKS) == USUAL_ERROR
    same = [replace(row, analysis=f"{row.analysis}_again") for row in ROCKS]
    assert error_of_analyses([*ROCKS, *same]) == pytest.approx(LEAST_ERROR)


def rock(rng: np.random.Generator, spread: np.ndarray, count: int, family: str) -> list[Assay]:
    rows = []
    for deposit in range(count):
        logs = np.array([0.0, 1.0, -2.0]) + np.linalg.cholesky(spread) @ rng.standard_normal(3)
        name = f"{family}{deposit}"
        rows += analysis(name, closed(logs), family=family, material=family)
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_the_spread_between_deposits_is_learnt(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spread = np.array([[0.2, 0, 0], [0, 0.1, 0.05], [0, 0.05, 0.3]])
    family = families_of(rock(rng, spread, 120, "rock"))["rock"]
    contrast = np.array([[1, -1, 0], [0, 1, -1]])
    found, truth = (contrast @ matrix @ contrast.T for matrix in (family.spread, spread))
    assert found == pytest.approx(truth, rel=0.35, abs=0.08)
    means = family.mean[0]
    assert means - means.mean() == pytest.approx(np.array([1 / 3, 4 / 3, -5 / 3]), abs=0.15)


def test_a_family_of_few_deposits_spreads_as_much_as_they_do_and_as_all_others_correlate() -> None:
    rng = np.random.default_rng(1)
    spread = np.array([[0.05, 0, 0], [0, 0.05, 0.04], [0, 0.04, 0.05]])
    rows = [*rock(rng, spread, 60, "alike"), *rock(rng, 9 * spread, 6, "unlike")]
    families = families_of(rows)
    ratio = np.sqrt(np.trace(families["unlike"].spread) / np.trace(families["alike"].spread))
    assert 1.7 < ratio < 4.5
    correlations = [np.corrcoef(np.linalg.cholesky(f.spread)) for f in families.values()]
    assert correlations[0] == pytest.approx(correlations[1])


def test_an_element_that_is_not_reported_is_told_by_deposits_that_are_alike() -> None:
    rows = [row for row in ROCKS if (row.deposit, row.element) != ("east", "Dy")]
    shares = draw_compositions(rows, [("east", "these")], 4000).shares["east", "these"]
    low, high = np.quantile(shares[:, 2], [0.05, 0.95])
    assert low < 0.1 < high
    assert high / low > 3  # it is hardly known
    assert shares[:, 0] / shares[:, 1] == pytest.approx(2 / 7, rel=0.5)


def test_an_element_that_no_analysis_of_a_family_has_is_none() -> None:
    rows = [*ROCKS, *analysis("goods", (0.6, 0.4), family="goods")]
    shares = draw_compositions(rows, [("goods", "these")], 100).shares["goods", "these"]
    assert (shares[:, 2] == 0).all()


def test_another_deposit_is_less_known_than_those_analysed_and_more_lies_between() -> None:
    rows = [replace(row, material="rock") for row in ROCKS]
    keys = [("rock", which) for which in ("these", "more", "another")]
    found = draw_compositions(rows, keys, 20_000).shares
    widths = [np.log(found[key][:, 0] / found[key][:, 1]).std() for key in keys]
    assert widths[0] < widths[1] < widths[2]


def test_draws_of_a_material_are_the_same_whatever_else_is_asked_or_known() -> None:
    one = draw_compositions(ROCKS, [("east", "these")], 50, seed=3)
    other = draw_compositions(ROCKS, [("west", "these"), ("east", "these")], 50, seed=3)
    assert (one.shares["east", "these"] == other.shares["east", "these"]).all()
    third = draw_compositions(ROCKS, [("east", "these")], 50, seed=4)
    assert (one.shares["east", "these"] != third.shares["east", "these"]).all()


def assert_same(one: xr.DataArray, other: xr.DataArray) -> None:
    """Values alike, whatever either is called."""
    assert one.dims == other.dims
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9)


# --- elements in flows ----------------------------------------------------------------------------


def in_graph(edges: Sequence[Edge], **values: object) -> Study:
    """What the sources of a random graph hold: a rock each."""
    rocks = dict(zip(("source_0", "source_1", "source_2"), ("east", "west", "south"), strict=True))
    rows = [material(e[0], rocks[e[1]], **values) for e in edges if e[1] in rocks]
    return told(ROCKS, rows)


def balanced(
    edges: Sequence[Edge], study: Study, shares: dict[str, np.ndarray]
) -> dict[str, float]:
    """Content of each flow from a balance of one element alone, with the splits of the whole."""
    holds = {row.flow: shares[row.material] for row in study.materials}
    nodes = list(dict.fromkeys(end for edge in edges for end in edge[1:3]))
    through = {node: sum(e[3] for e in edges if e[1] == node) for node in nodes}
    matrix, enters = np.eye(len(nodes)), np.zeros(len(nodes))
    for name, source, target, amount in edges:
        if name in holds:
            enters[nodes.index(target)] += amount * float(holds[name])
        else:
            matrix[nodes.index(target), nodes.index(source)] -= amount / through[source]
    content = np.linalg.solve(matrix, enters)
    return {
        name: amount * float(holds[name])
        if name in holds
        else content[nodes.index(source)] * amount / through[source]
        for name, source, _, amount in edges
    }


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_contents_are_those_of_a_balance_of_each_element(seed: int) -> None:
    edges, kinds = random_graph(seed)
    fit, study = graph_fit(edges, kinds), in_graph(edges)
    draws = draw_compositions(study.assays, {(r.material, "these") for r in study.materials}, 1)
    alone = [
        balanced(edges, study, {key: value[0, place] for (key, _), value in draws.shares.items()})
        for place in range(len(ELEMENTS))
    ]
    for name, *_ in edges[:: len(edges) // 6]:
        found = elements(fit, None, name, study=study, separated=True)
        wanted = [float(content[name]) for content in alone]
        assert found.values.ravel() == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_elements_add_up_to_the_whole_in_every_draw() -> None:
    fit = fake_fit()
    study = told(ROCKS, [material("dig_A", "east"), material("dig_A_hidden", "west", spread=0.3)])
    found = elements(fit, None, "use_A", study=study, separated=True)
    whole = fit["posterior"]["flows"].sel(flow="used_A")
    assert_same(found.sum("element"), whole)
    assert found.dims == ("chain", "draw", "year", "element")
    assert unit_of(found) == "kt REO/yr"
    both = elements(fit, ["Nd+Ce", "Nd", "Ce"], "use_A", study=study, separated=True)
    assert_same(
        both.sel(element="Nd+Ce", drop=True),
        both.sel(element=["Nd", "Ce"]).sum("element"),
    )


def test_origins_add_up_and_shares_are_of_the_same_draws() -> None:
    fit = fake_fit()
    study = told(ROCKS, [material("dig_A", "east"), material("dig_A_hidden", "west")])
    every = elements(fit, "Nd", "mined_world", study=study)
    parts = elements(fit, "Nd", "mined_world", by="registered", study=study)
    assert parts["origin"].values.tolist() == ["registered", "unregistered"]
    assert_same(parts.sum("origin"), every)
    share = elements(fit, "Nd", "ore_hidden", over="mined_world", study=study)
    wanted = parts.sel(origin="unregistered", drop=True) / every
    assert_same(share, wanted)
    assert unit_of(share) == "fraction"


def test_what_mines_make_is_the_default_and_years_are_taken_together() -> None:
    fit = fake_fit()
    study = told(ROCKS, [material("dig_A", "east"), material("dig_A_hidden", "west")])
    every = elements(fit, "Nd", study=study)
    xr.testing.assert_identical(
        every.drop_attrs(), elements(fit, "Nd", "ore_mined + ore_hidden", study=study).drop_attrs()
    )
    some = elements(fit, "Nd", study=study, years=(2011, 2013))
    assert_same(some, every.sel(year=[2011, 2012, 2013]).sum("year"))
    assert unit_of(some) == "kt REO"
    share = elements(fit, "Nd", "ore_hidden", over="mined_world", study=study, years=(2011, 2013))
    part = elements(fit, "Nd", "ore_hidden", study=study, years=(2011, 2013))
    assert_same(share, part / some)


def test_uncertainty_of_compositions_is_told_apart_from_that_of_flows() -> None:
    fit = fake_fit(draws=400)
    study = told(ROCKS, [material("dig_A", "east"), material("dig_A_hidden", "west")])
    whole, flows, ores = (
        elements(fit, "Nd", "ore_mined", study=study, held=held).isel(element=0)
        for held in ("", "compositions", "flows")
    )
    tonnes = fit["posterior"]["flows"].sel(flow="ore_mined")
    ratio = flows / tonnes
    assert float(ratio.std()) == pytest.approx(0, abs=1e-12)  # one composition for all draws
    relative = [
        da.std(("chain", "draw")) / da.mean(("chain", "draw")) for da in (whole, flows, ores)
    ]
    together = relative[1] ** 2 + relative[2] ** 2
    assert float((relative[0] ** 2 / together).mean()) == pytest.approx(1, abs=0.1)


def test_a_flow_is_parted_by_others_and_by_years() -> None:
    fit = fake_fit()
    study = told(
        ROCKS,
        [
            material("dig_A", "east", by="ore_to_plant"),
            material("dig_A", "south", by="plant_loss"),
            material("dig_A_hidden", "west", 3, year=2010, year_end=2012),
            material("dig_A_hidden", "south", 1, year=2010, year_end=2012),
            material("dig_A_hidden", "south", 1, year=2013, year_end=2015),
        ],
    )
    keys = {(row.material, row.deposits) for row in study.materials}
    drawn = draw_compositions(study.assays, keys, 100).shares
    nd = {key[0]: value[:, 0].reshape(2, 50) for key, value in drawn.items()}
    flows = fit["posterior"]["flows"]
    share = elements(fit, "Nd", "dig_A", study=study).isel(element=0) / flows.sel(flow="dig_A")
    part = (
        flows.sel(flow="ore_to_plant") / flows.sel(flow=["ore_to_plant", "plant_loss"]).sum("flow")
    ).values
    mixed = part * nd["east"][..., None] + (1 - part) * nd["south"][..., None]
    assert share.values == pytest.approx(mixed, rel=1e-9)
    hidden = elements(fit, "Nd", "dig_A_hidden", study=study).isel(element=0)
    hidden = hidden / flows.sel(flow="dig_A_hidden")
    early = (3 * nd["west"] + nd["south"]) / 4
    assert hidden.sel(year=2011).values == pytest.approx(early, rel=1e-9)
    assert hidden.sel(year=2014).values == pytest.approx(nd["south"], rel=1e-9)


def test_what_is_not_known_is_taken_to_hold_what_the_rest_does_and_is_told() -> None:
    edges = [
        ("in", "ground", "mix", 3.0),
        ("drawn", "pile", "mix", 1.0),
        ("out", "mix", "use", 4.0),
    ]
    fit = graph_fit(edges, {"ground": "environment", "pile": "environment", "use": "use"})
    study = told(ROCKS, [material("in", "east")])
    whole = elements(fit, None, "use", study=study)
    assert float(whole.sum()) == pytest.approx(4)
    assert whole.attrs["unknown"] == pytest.approx(0.25)
    assert np.isnan(elements(fit, "Nd", "drawn", study=study).values).all()


def test_supply_and_demand_add_up_to_the_same() -> None:
    fit = fake_fit()
    goods = [
        *analysis("magnets", (0.9, 0.1), family="magnets", spread=0.2),
        *analysis("glass", (0.05, 0.95), family="glass", spread=0.2),
    ]
    ores = [material("dig_A", "east"), material("dig_A_hidden", "west")]
    uses = [
        material("used_A", "magnets"),
        material("used_B", "glass", 2, spread=0.5),
        material("used_B", "magnets", 1),
    ]
    study = told([*ROCKS, *goods], [*ores, *uses])
    found = element_balance(fit, study=study)
    total = fit["posterior"]["flows"].sel(flow=["used_A", "used_B"]).sum("flow")
    for side in ("supply", "demand"):
        assert_same(found[side].sum("element"), total)
    assert (found["demand"].sel(element="Dy") == 0).all()
    assert np.isnan(found["ratio"].sel(element="Dy")).all()
    assert_same(found["surplus"], found["supply"] - found["demand"])
    plain = told([*ROCKS, *goods], [*ores, material("used_A", "magnets")])
    only = element_balance(fit, "Nd", study=plain, held="compositions", years=2012)
    nd = draw_compositions(plain.assays, {(r.material, "these") for r in plain.materials}, 100)
    used = fit["posterior"]["flows"].sel(flow="used_A", year=2012)
    wanted = float(nd.held.shares["magnets", "these"][0, 0]) * used
    assert_same(only["demand"].isel(element=0, drop=True), wanted.drop_vars(["flow", "year"]))
    with pytest.raises(ResultError, match="what applications are made of"):
        element_balance(fit, study=told(ROCKS, ores))


def test_places_behind_separation_are_refused_but_for_all_uses_of_a_region() -> None:
    edges = [
        ("ore", "ground", "plant", 4.5),
        ("made", "plant", "metal", 4.5),
        ("magnets", "metal", "use_magnets", 1.0),
        ("glass", "metal", "use_glass", 2.0),
        ("sold", "metal", "use_abroad", 1.0),
        ("alloyed", "metal", "alloy", 0.5),
        ("tools", "alloy", "use_abroad", 0.5),
    ]
    kinds = {"ground": "environment", "plant": "conversion"}
    kinds |= {f"use_{name}": "use" for name in ("magnets", "glass", "abroad")}
    regions = {name: "A" for name in ("plant", "metal", "alloy", "use_magnets", "use_glass")}
    fit = graph_fit(edges, kinds, regions | {"use_abroad": "B"}, products={"made": "metal"})
    fit.attrs["report"] = '{"refined": "metal"}'
    study = told(ROCKS, [material("ore", "east")])
    for place in ("ore", "made", "magnets + glass", "magnets + glass + use_abroad", "use_abroad"):
        assert elements(fit, "Nd", place, study=study).size == 1
    for place in ("magnets", "use_glass", "magnets + sold", "magnets + 2 glass", "alloyed"):
        with pytest.raises(ResultError, match="have been separated"):
            elements(fit, "Nd", place, study=study)
        assert elements(fit, "Nd", place, study=study, separated=True).size == 1


def test_an_analysis_tells_how_its_shares_stand_to_one_another() -> None:
    """Whatever all of them are multiplied by: what it leaves out may be any part of the whole."""
    rows = [assay("d", "Nd", 0.2), assay("d", "Ce", 0.5)]
    (deposit,) = _deposits(rows, ELEMENTS, 0.1)
    whole = np.ones(len(ELEMENTS))
    np.testing.assert_allclose(deposit.precision @ whole, 0.0, atol=1e-9)
    assert deposit.pull @ whole == pytest.approx(0.0, abs=1e-9)
    assert deposit.precision[0, 0] > 0


def test_what_cannot_be_answered_is_told() -> None:
    fit = fake_fit()
    study = told(ROCKS, [material("dig_A", "east"), material("dig_A_hidden", "west")])
    for call, fragment in (
        ({"names": "Nb"}, "Unknown element 'Nb'"),
        ({"names": "Nd+Nd"}, "adds an element twice"),
        ({"at": "ore_mind"}, "Did you mean 'ore_mined'?"),
        ({"at": "ore_mined - ore_hidden"}, "no sum of places"),
        ({"at": "net_export_A"}, "subtracts flows"),
        ({"by": "contry"}, "way of telling origins apart"),
        ({"held": "flow"}, "Did you mean 'flows'?"),
        ({"years": 2050}, "not inside"),
        ({"study": told([], [])}, "does not say what ores hold"),
        ({"study": told(ROCKS, [material("dig_B", "east")])}, "Did you mean 'dig_A'?"),
    ):
        values = {"study": study, "at": "mined_world", **call}
        with pytest.raises(ResultError, match=fragment.replace("?", r"\?")):
            elements(fit, **values)  # type: ignore[arg-type]


def printed(**values: object) -> PublishedElement:
    plain: dict[str, object] = {"elements": "Nd", "at": "ore_mined", "over": "", "kind": "value"}
    plain |= {"year": 2012, "year_end": 2012, "value": None, "low": None, "high": None}
    plain |= {"unit": "t REO", "source": "book", "definition": "Theirs."}
    return PublishedElement(name="p", **{**plain, **values})  # type: ignore[arg-type]


def test_published_figures_stand_beside_ours_in_their_unit() -> None:
    fit = fake_fit()
    ores = [material("dig_A", "east"), material("dig_A_hidden", "west")]

    def beside(**values: object) -> pd.Series:
        return beside_elements(fit, study=told(ROCKS, ores, [printed(**values)])).iloc[0]

    ours = elements(fit, "Nd", "ore_mined", years=2012, study=told(ROCKS, ores)) * 1000
    row = beside(value=float(ours.median()))
    assert row["median"] == pytest.approx(float(ours.median()))
    assert row["p"] == pytest.approx(0.5, abs=0.02)
    assert row["inside"]
    low = beside(kind="lower", low=float(ours.max()) + 1)
    assert (low["p"], low["inside"]) == (0, False)
    share = beside(over="mined_world", unit="fraction", value=0.99)
    assert 0 < share["upper"] < 0.99
    several = beside(year=2011, year_end=2013, value=1.0)
    assert several["median"] == pytest.approx(3 * row["median"], rel=0.2)
    assert beside_elements(fit, study=told(ROCKS, ores)).empty


# --- tables ---------------------------------------------------------------------------------------

COMPOSITIONS = """\
analysis,material,deposit,family,element,share,spread,assays,source,note
hill_a,hill,Hill,rock,Nd,0.2,0.01,12,yearbook,
hill_a,hill,Hill,rock,Ce,0.7,0,12,yearbook,
dale_a,dale,Dale,rock,Nd,0.1,0,,yearbook,
dale_a,dale,Dale,rock,Ce,0.8,0,,yearbook,
magnets_a,magnets,Magnets,magnets,Nd,0.9,0.1,,yearbook,
magnets_a,magnets,Magnets,magnets,Ce,0.1,0.5,,yearbook,
"""
MATERIALS = """\
flow,material,by,year,year_end,deposits,share,spread,source,note
ore,hill,,2010,2012,these,0.6,0.2,yearbook,
ore,dale,,2010,2012,more,0.4,0.2,yearbook,
ore,hill,,2013,2015,these,1,0,yearbook,
hidden_ore,dale,,,,another,1,0,yearbook,
magnets,magnets,,,,these,1,0,yearbook,
"""
PUBLISHED = """\
name,elements,at,over,year,year_end,kind,value,low,high,unit,source,definition,note
p,Nd+Ce,mined,,2012,,value,9,,,kt REO,yearbook,Theirs.,
q,Nd,mined_hidden,mined_registered + mined_hidden,2014,,lower,,0.1,,fraction,yearbook,Theirs.,
"""
OWN = {
    "compositions.csv": COMPOSITIONS,
    "materials.csv": MATERIALS,
    "published_elements.csv": PUBLISHED,
}


def with_elements(folder: Path, **texts: str) -> Path:
    write_tables(folder)
    for file, text in OWN.items():
        (folder / file).write_text(texts.get(file.removesuffix(".csv"), text), "utf-8")
    return folder


def test_tables_are_read_saved_and_move_no_hash(tmp_path: Path) -> None:
    study = read_study(with_elements(tmp_path / "own"))
    assert study.assays[0].assays == 12
    assert study.materials[1].deposits == "more"
    assert study.published_elements["q"].over == "mined_registered + mined_hidden"
    plain = read_study(write_tables(tmp_path / "plain"))
    assert study.hash == plain.hash
    assert study.description_hash != plain.description_hash
    again = read_study(study.save(tmp_path / "again"))
    assert (again.assays, again.materials) == (study.assays, study.materials)
    assert again.published_elements == study.published_elements


def corrupted(folder: Path, file: str, start: str, column: str, value: str) -> tuple[Fault, ...]:
    lines = OWN[file].splitlines()
    header = lines[0].split(",")
    number = next(n for n, line in enumerate(lines) if line.startswith(start))
    cells = lines[number].split(",")
    cells[header.index(column)] = value
    lines[number] = ",".join(cells)
    text = "\n".join(lines) + "\n"
    with pytest.raises(StudyError) as caught:
        read_study(with_elements(folder, **{file.removesuffix(".csv"): text}))
    assert all(fault.table == file for fault in caught.value.faults)
    return caught.value.faults


BAD = [
    ("compositions.csv", "hill_a,hill,Hill,rock,Nd", "share", "0", "share", "has no row"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Nd", "share", "20", "share", "such as 0.2"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Nd", "share", "", "share", "cell is empty"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Nd", "share", "0.5", "share", "more than a whole"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Nd", "spread", "-1", "spread", "0.1 for 10 %"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Nd", "assays", "0", "assays", "whole number"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Nd", "assays", "2.5", "assays", "whole number"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Nd", "element", "Nd+Pr", "element", "a name"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Ce", "element", "Nd", "element", "already given"),
    ("compositions.csv", "hill_a,hill,Hill,rock,Ce", "family", "sand", "family", "'rock' in row 2"),
    ("compositions.csv", "dale_a,dale,Dale,rock,Ce", "deposit", "Hill", "deposit", "another"),
    ("compositions.csv", "dale_a,dale,Dale,rock,Ce", "source", "yearbok", "source", "'yearbook'?"),
    ("compositions.csv", "dale_a,dale,Dale,rock,Ce", "analysis", "x", "element", "one element"),
    ("materials.csv", "ore,hill", "flow", "orr", "flow", "Did you mean 'ore'?"),
    ("materials.csv", "magnets", "flow", "metal", "flow", "neither leaves an environment"),
    ("materials.csv", "ore,hill", "material", "hil", "material", "Did you mean 'hill'?"),
    ("materials.csv", "ore,hill", "by", "concentrat", "by", "Did you mean 'concentrate'?"),
    ("materials.csv", "ore,hill", "by", "concentrate", "by", "name a flow here"),
    ("materials.csv", "magnets", "by", "magnets", "by", "is the flow itself"),
    ("materials.csv", "ore,hill", "year", "2009", "year", "outside the study's years"),
    ("materials.csv", "ore,hill", "year_end", "2009", "year_end", "before year"),
    ("materials.csv", "ore,hill", "year_end", "2014", "material", "do not overlap"),
    ("materials.csv", "ore,hill,,2013", "year", "2014", "year", "nothing is said of 'ore' in 2013"),
    ("materials.csv", "hidden_ore", "year_end", "2012", "year_end", "no year before it"),
    ("materials.csv", "hidden_ore", "deposits", "other", "deposits", "'another'"),
    ("materials.csv", "hidden_ore", "share", "-1", "share", "remove the row"),
    ("materials.csv", "hidden_ore", "spread", "9", "spread", "between 0 and 3"),
    ("materials.csv", "hidden_ore", "source", "yearbok", "source", "'yearbook'?"),
    ("published_elements.csv", "p,", "elements", "Nd+Cf", "elements", "unknown element 'Cf'"),
    ("published_elements.csv", "p,", "at", "mind", "at", "Did you mean 'mined'?"),
    ("published_elements.csv", "p,", "at", "mined / made", "at", "is no sum"),
    ("published_elements.csv", "q,", "over", "mind", "over", "Did you mean 'mined'?"),
    ("published_elements.csv", "p,", "unit", "fraction", "unit", "does not fit an amount"),
    ("published_elements.csv", "q,", "unit", "kt REO", "unit", "write fraction"),
    ("published_elements.csv", "p,", "year", "2050", "year_end", "outside the study's years"),
    ("published_elements.csv", "q,", "low", "", "low", "needs a number"),
    ("published_elements.csv", "p,", "source", "yearbok", "source", "'yearbook'?"),
]


@pytest.mark.parametrize(("file", "start", "column", "value", "where", "fragment"), BAD)
def test_a_bad_cell_is_told_with_its_place_and_a_way_out(
    file: str, start: str, column: str, value: str, where: str, fragment: str, tmp_path: Path
) -> None:
    faults = corrupted(tmp_path / "own", file, start, column, value)
    assert any(fault.column == where and fragment in fault.message for fault in faults), faults
    assert all(fault.row is not None for fault in faults)


def test_a_study_without_analyses_can_name_no_material(tmp_path: Path) -> None:
    folder = with_elements(tmp_path / "own")
    (folder / "compositions.csv").unlink()
    with pytest.raises(StudyError, match=r"there is no compositions\.csv"):
        read_study(folder)


# --- the command and the bundled study ------------------------------------------------------------


@pytest.fixture
def of_fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """The command on a file of a made-up fit, with a study that says what its flows hold."""
    from reebayes.cli import contained

    ores = [material("dig_A", "east"), material("dig_A_hidden", "west")]
    goods = analysis("magnets", (0.9, 0.1), family="magnets")
    study = told([*ROCKS, *goods], [*ores, material("used_A", "magnets")], [printed(value=100.0)])
    monkeypatch.setattr(contained, "study_as_now", lambda *_, **__: study)
    file = save_fake(tmp_path / "fit.nc")
    yield lambda *words: main(["elements", str(file), *words])


def test_the_command_tells_bands_of_each_uncertainty_and_published_figures(
    of_fake: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ("Nd", "Ce+Dy", "--at", "ore_hidden", "--over", "mined_world", "--balance")
    assert of_fake(*words, "--out", str(out)) == 0
    text = capsys.readouterr().out
    assert "share of elements in ore_hidden over mined_world [fraction]" in text
    assert "Ce+Dy\n  2010  0." in text
    assert "compositions alone 0." in text
    assert "Supply of all uses over what they are made of" in text
    assert "Nd in ore_mined, 2012 [t REO]: 100; ours" in text
    table = pd.read_csv(out / "elements.csv")
    assert set(table["element"]) == {"Nd", "Ce+Dy"}
    assert (table["lower"] <= table["lower_flows_alone"]).mean() > 0.8
    assert pd.read_csv(out / "published_elements.csv")["name"].tolist() == ["p"]
    assert of_fake("Nd", "--by", "registered", "--years", "2010-2012") == 0
    assert "Nd from unregistered\n  0." in capsys.readouterr().out
    assert of_fake("Nb") == 2
    assert "Unknown element 'Nb'. Valid: Nd, Ce, Dy." in capsys.readouterr().err


def test_a_fit_of_a_study_without_analyses_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save_fake(tmp_path / "fit.nc")
    data = write_tables(tmp_path / "tiny")
    assert main(["elements", str(file), "--data", str(data)]) == 2
    assert "no compositions.csv" in capsys.readouterr().err


def test_the_bundled_study_says_what_every_source_and_use_holds() -> None:
    study = read_study()
    kinds = {process.process: process.kind for process in study.processes}
    stocks = {flow.target for flow in study.flows}
    wanted = {
        flow.flow
        for flow in study.flows
        if kinds[flow.target] == "use"
        or (kinds[flow.source] == "environment" and flow.source not in stocks)
    }
    assert {row.flow for row in study.materials} == wanted
    keys = {(row.material, row.deposits) for row in study.materials}
    drawn = draw_compositions(study.assays, keys, 500)
    nd, dy = (drawn.elements.index(name) for name in ("Nd", "Dy"))
    # two analyses of the largest deposit differ, and the band holds both
    low, high = np.quantile(drawn.shares["bayan_obo", "these"][:, nd], [0.05, 0.95])
    assert low < 0.151 < 0.185 < high + 0.01
    clay, rock = (drawn.shares[key][:, dy] for key in (("ion_clay", "more"), ("sichuan", "these")))
    assert (clay > 5 * rock).mean() > 0.99
