"""Trade by partner: the tables that part flows, what records see of them, tables and maps."""

import math
import re
import runpy
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from reebayes.answers.contraction import ABSENT, PRIOR_ONLY
from reebayes.answers.partners import mirror_table, trade_table
from reebayes.answers.seeing import IN_PART, RECORDED, SIGHTS, WITHIN, seen
from reebayes.cli.main import main
from reebayes.errors import ResultError, StudyError
from reebayes.figures import maps, placing
from reebayes.figures.folding import rejoined
from reebayes.figures.lettering import width_of
from reebayes.model.layout import Layout, lay_out
from reebayes.reporting.iamc import iamc_table
from reebayes.reporting.partners import partner_block
from reebayes.reporting.plan import plan_of
from reebayes.reporting.tables import sighted
from reebayes.results.reading import Contents, contents_of
from reebayes.simulation.flows import flows_from
from reebayes.simulation.worlds import unknowns_from
from reebayes.study import Study, read_study
from tests.fakes import fake_fit
from tests.tiny import write_tables
from tests.toys import draws_fit
from tests.worlds import fit_of_worlds

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "data" / "extensions" / "partners"
PARTS = ("japan", "korea", "europe", "southeast_asia", "india", "africa", "other")


@pytest.fixture(scope="module")
def base() -> Study:
    return read_study()


@pytest.fixture(scope="module")
def parted() -> Study:
    return read_study(extensions=["partners"])


@pytest.fixture(scope="module")
def unrecorded(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The extension without a record, and without priors of what only records have."""
    write = runpy.run_path(str(ROOT / "docs" / "gates.py"))["write_gates"]
    return read_study(extensions=[write(tmp_path_factory.mktemp("gates") / "partners")])


# --- the tables -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def maker() -> dict[str, Callable[..., dict[str, str]]]:
    return runpy.run_path(str(ROOT / "docs" / "partner_tables.py"))


def test_tables_are_what_the_weights_and_splits_make(
    maker: dict[str, Callable[..., dict[str, str]]],
) -> None:
    made = maker["tables"](leave_out=("elicitation.csv",))
    assert len(made) == 7
    for name, text in made.items():
        assert (FOLDER / name).read_text("utf-8") == text, name


@pytest.mark.slow
def test_statements_are_those_of_the_priors(
    maker: dict[str, Callable[..., dict[str, str]]],
) -> None:
    text = (FOLDER / "elicitation.csv").read_text("utf-8")
    assert maker["tables"]()["elicitation.csv"] == text


def test_extensions_load_together() -> None:
    both = read_study(extensions=["grade_b", "partners"])
    assert {*both.extensions} == {"grade_b", "partners"}


def test_gates_change_no_prior_of_the_study(base: Study, unrecorded: Study) -> None:
    """Every unknown of the study has the same centre, spread, steps and route as before."""
    one, other = lay_out(base), lay_out(unrecorded)
    assert {*one.unknowns.columns} < {*other.unknowns.columns}
    for field in ("mean", "sd"):
        mine, theirs = _by_column(one, field), _by_column(other, field)
        for name, values in mine.items():
            np.testing.assert_array_equal(values, theirs[name], err_msg=name)
    mine, theirs = _steps(one), _steps(other)
    for name, steps in mine.items():
        assert steps == theirs[name], name
    mine, theirs = _routes(one), _routes(other)
    assert {name: theirs[name] for name in mine} == mine
    assert one.records == other.records


def _by_column(layout: Layout, field: str) -> dict[str, np.ndarray]:
    values = getattr(layout.equations.centres, field)
    return dict(zip(layout.unknowns.columns, values, strict=True))


def _steps(layout: Layout) -> dict[str, list[tuple[float, int]]]:
    """Ratio of step to spread, and step group, of every varying column by year."""
    steps, columns = layout.equations.steps, layout.unknowns.columns
    which = steps.which.T  # column, year
    return {
        name: [(float(steps.ratio[n]), int(steps.group[n])) for n in which[column]]
        for column, name in enumerate(columns[: layout.unknowns.varying])
    }


def _routes(layout: Layout) -> dict[str, str]:
    centres, columns = layout.equations.centres, layout.unknowns.columns
    return {
        name: columns[int(centres.route[n])] if centres.on_route[n] else ""
        for n, name in enumerate(columns)
    }


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_flows_of_the_study_are_as_they_were_and_parts_add_up(
    seed: int, base: Study, unrecorded: Study
) -> None:
    """With the same unknowns every flow of the study is the same, and its parts sum to it."""
    rng = np.random.default_rng(seed)
    flows = []
    normals: dict[str, np.ndarray] = {}
    for study in (base, unrecorded):
        targets = {p.target for p in study.priors} - {"bias:*", "noise:*", "noise:floor"}
        for target in sorted(targets - {*normals}):
            normals[target] = rng.standard_normal(len(study.years))
        constants = ("shared:", "noise:", "step:")
        given_ = {
            name: values[0] if name.startswith(constants) else values
            for name, values in normals.items()
            if name in targets
        }
        unknowns = unknowns_from(study, given_)
        flows.append(flows_from(study, {name: v.values for name, v in unknowns.items()}))
    before, after = flows
    names = before["flow"].values
    np.testing.assert_allclose(after.sel(flow=names), before, rtol=1e-9)
    gates = {f.flow: f.target for f in unrecorded.flows if f.target.startswith("gate_export")}
    gates |= {f.flow: f.target for f in unrecorded.flows if f.target.startswith("gate_smuggle")}
    assert len(gates) == 19
    for flow, gate in gates.items():
        parts = [one.flow for one in unrecorded.flows if one.source == gate]
        total = after.sel(flow=parts).sum("flow")
        np.testing.assert_allclose(total, after.sel(flow=flow), rtol=1e-12)


def test_quantities_of_partners_add_up_to_those_of_the_study(parted: Study) -> None:
    quantities = {one.quantity: dict(one.numerator) for one in parted.quantities}
    gates = {one.source: one.flow for one in parted.flows if one.source.startswith("gate_")}
    inflow = {one.target: one.flow for one in parted.flows if one.target in gates}
    whole = {one.flow: inflow.get(one.source, one.flow) for one in parted.flows}
    sums = {
        "exported_CN_RW": "exported_CN_{}",
        "exported_CN_RW_registered": "exported_CN_{}_registered",
        "smuggled_CN_RW": "smuggled_CN_{}",
        "imported_CN_from_RW_compounds": "imported_CN_{}_compounds",
        "exported_US_RW_metal": "exported_US_{}_metal",
    }
    for total, form in sums.items():
        added: list[str] = []
        for part in PARTS:
            added += quantities[form.format(part)]
        assert len(added) == len({*added}), total
        assert {whole[flow] for flow in added} == {*quantities[total]}, total
        for flow in {whole[flow] for flow in added}:
            parts = {one for one in added if whole[one] == flow}
            gate = next(f.target for f in parted.flows if f.flow == flow)
            assert parts == {f.flow for f in parted.flows if f.source == gate}, total


def test_no_total_is_counted_beside_its_parts(base: Study, parted: Study) -> None:
    """Tables by partner are shares; of mirror ratios that one partner stood for, none is left."""
    own = {one.record: one for one in base.records}
    added = [one for one in parted.records if one != own.get(one.record)]
    tables = [one for one in added if one.composition]
    assert len(tables) > 450
    assert all(parted.quantities[one.quantity].is_ratio for one in tables)
    left = [one for one in parted.records if one.quantity == "mirror_CN_RW"]
    assert not left
    assert sum(one.quantity == "mirror_CN_RW" for one in base.records) == 23
    gone = {*own} - {one.record for one in parted.records}
    assert not gone
    weights = {one.quantity for one in added if not one.composition}
    assert weights == {
        "exported_CN_japan", "exported_CN_korea", "exported_CN_europe", "mirror_CN_europe",
        "exported_CN_japan_registered", "exported_CN_korea_registered",
    }  # fmt: skip


def test_what_is_not_to_be_used_is_not_there(parted: Study) -> None:
    china = {"china_customs_destinations", "china_customs_origins"}
    years = {one.year for one in parted.records if one.reporter in china}
    assert 2016 not in years
    exports = {one.year for one in parted.records if one.reporter == "china_customs_destinations"}
    assert min(exports) == 2010
    imports = {one.year for one in parted.records if one.reporter == "china_customs_origins"}
    assert 2006 not in imports
    europe = {one.year for one in parted.records if one.reporter == "europe_customs"}
    assert europe == {2005, 2006, 2007}


# --- what records see -----------------------------------------------------------------------------


def test_what_records_see_of_partners(parted: Study) -> None:
    table = seen(parted, ["exported_CN_japan", "smuggled_CN_africa", "exported_CN_india",
                          "smuggled_CN_japan", "exported_US_europe_concentrate"])  # fmt: skip
    assert table.sel(quantity="exported_CN_japan", year=2005).item() == RECORDED
    assert {*table.sel(quantity="smuggled_CN_africa").values} == {PRIOR_ONLY}
    india = table.sel(quantity="exported_CN_india")
    assert {*india.sel(year=slice(2000, 2009)).values} == {PRIOR_ONLY}
    assert india.sel(year=2012).item() == IN_PART  # what is smuggled is in no record
    assert table.sel(quantity="smuggled_CN_japan", year=2011).item() == WITHIN
    ore = table.sel(quantity="exported_US_europe_concentrate")
    assert ore.sel(year=2005).item() == ABSENT
    assert ore.sel(year=2013).item() == PRIOR_ONLY
    assert {*np.unique(seen(parted).values)} <= {*SIGHTS}


def test_a_record_of_several_years_is_seen_in_each(tmp_path: Path) -> None:
    study = read_study(write_tables(tmp_path / "tiny"))
    table = seen(study)
    for record in study.records:
        years = slice(record.year, record.year_end)
        told = {*table.sel(quantity=record.quantity, year=years).values}
        assert told <= {RECORDED, ABSENT}
    with pytest.raises(ResultError, match="nonsense"):
        seen(study, "nonsense")


# --- tables and maps ------------------------------------------------------------------------------


def trading(study: Study, *, largest: float = 50.0, years: int = 2) -> xr.DataTree:
    """Draws of every lane of a study, of 2010 and after."""
    rng = np.random.default_rng(3)
    names = dict.fromkeys(
        name for lane in study.lanes for name in (lane.quantity, lane.declared) if name
    )
    draws = {
        name: largest * rng.random() ** 4 * rng.lognormal(0.0, 0.3, (80, years)) for name in names
    }
    return draws_fit({name: values[:80] for name, values in draws.items()}, draws)


def test_trade_has_a_row_for_every_lane_and_year(parted: Study) -> None:
    fit = trading(parted)
    table = trade_table(fit, study=parted)
    assert len(table) == 2 * sum(not lane.goods for lane in parted.lanes)
    row = table[(table["quantity"] == "exported_CN_india") & (table["year"] == 2011)].iloc[0]
    draws = fit["posterior"]["quantities"].sel(quantity="exported_CN_india", year=2011)
    assert row["median"] == pytest.approx(float(draws.median()))
    assert row["lower"] <= row["median"] <= row["upper"]
    with pytest.raises(ResultError, match="gold"):
        trade_table(fit, 2010, "gold", study=parted)
    with pytest.raises(ResultError, match="1999"):
        trade_table(fit, 1999, study=parted)


def test_a_study_without_lanes_says_what_to_add(base: Study, parted: Study) -> None:
    with pytest.raises(ResultError, match="extensions="):
        maps.draw_map(trading(parted), 2010, study=base)


def test_a_command_says_what_to_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from reebayes.results.fitfile import save_fit

    path = save_fit(fake_fit(), tmp_path / "fit.nc")
    arguments = ["map", str(path), "--data", "rare_earths", "--out", str(tmp_path / "maps")]
    assert main(arguments) == 2
    assert "lanes.csv" in capsys.readouterr().err


def test_the_importer_of_a_lane_is_its_record(parted: Study) -> None:
    """Japan weighed 23,310.8 t in 2010, with 0.86 of oxide."""
    draws = {name: np.ones((80, 2)) for lane in parted.lanes
             for name in (lane.quantity, lane.declared) if name}  # fmt: skip
    draws["exported_CN_japan"] = np.full((80, 2), 21.0)
    fit = draws_fit(draws, draws)
    flows = [one.flow for one in parted.flows]
    posterior = fit["posterior"].to_dataset().drop_dims("flow")
    shape = (*(posterior.sizes[dim] for dim in ("chain", "draw", "year")), len(flows))
    posterior["flows"] = (("chain", "draw", "year", "flow"), np.ones(shape))
    fit["posterior"] = xr.DataTree(posterior.assign_coords(flow=flows))
    # flows stand in one group alone, which a fit out of a file may not have
    table = mirror_table(Contents(fit), 2010, study=parted).set_index("quantity")
    japan = table.loc["exported_CN_japan"]
    assert japan["importer"] == pytest.approx(23.3108 * 0.86)
    assert japan["importer_misses"] == 1.0
    assert japan["gap_median"] == pytest.approx(20.0)
    # shares of compounds and metals, each of sums that are 2 and 1 here
    compounds = parted.records["share-cn-rw-compounds-japan-2010"].value or 0
    metal = parted.records["share-cn-rw-metal-japan-2010"].value or 0
    assert japan["exporter"] == pytest.approx(2 * compounds + metal)
    assert math.isnan(table.loc["exported_CN_india", "importer"])
    assert not table.loc["exported_CN_india", "gap_seen"]
    assert japan["gap_seen"]


@pytest.fixture(scope="module")
def held(parted: Study) -> xr.DataTree:
    """A fit of few draws that holds its study."""
    return fit_of_worlds(parted, chains=2, draws=4)


@pytest.mark.slow
def test_tables_say_where_no_record_sees_a_value(held: xr.DataTree) -> None:
    asked = [("smuggled_CN_africa", 2010), ("exported_CN_japan", 2010)]
    table = pd.DataFrame(asked, columns=["quantity", "year"])
    assert sighted(contents_of(held), table)["seen"].tolist() == [PRIOR_ONLY, RECORDED]
    wide = iamc_table(held, flows=False).set_index("variable")
    unseen = wide.loc["China to Africa: smuggled|Prior only"]
    assert {*unseen[list(range(2000, 2023))]} == {1.0}
    india = wide.loc["China to India: exports, declared or smuggled|Prior only"]
    assert india[2005] == 1.0 and india[2012] == 0.0


@pytest.mark.slow
def test_a_report_shows_map_and_partners(held: xr.DataTree, parted: Study) -> None:
    contents = contents_of(held)
    block = partner_block(contents, parted, plan_of(contents, 2022))
    assert "2022" in block["map"] and block["map"].startswith("<svg")
    assert len(block["lanes"]) == sum(not lane.goods for lane in parted.lanes)
    africa = next(row for row in block["lanes"] if row["name"] == "exported_CN_africa")
    by_year = dict(zip(block["map_years"], africa["cells"], strict=True))
    assert by_year[2005]["seen"] == PRIOR_ONLY


LABEL_ROOM = 3.0  # pixels of a plate around its label


def boxes(drawing: maps.Drawing) -> Iterable[tuple[str, float, float, float, float]]:
    for line in drawing.lines:
        wide = width_of(line.text, line.size, bold=line.bold)
        yield line.text, line.x, line.y - line.size, line.x + wide, line.y + 2


@pytest.mark.parametrize("goods", [None, "concentrate"])
def test_no_label_is_cut_or_covers_another(goods: str | None, parted: Study) -> None:
    drawing = maps.map_drawing(trading(parted), 2010, goods, study=parted)
    found = list(boxes(drawing))
    for text, left, top, right, bottom in found:
        assert 0 <= left and right <= drawing.width and 0 <= top and bottom <= drawing.height, text
    for one, other in combinations(found, 2):
        apart = (
            one[3] <= other[1]
            or other[3] <= one[1]
            or one[4] <= other[2] + LABEL_ROOM
            or other[4] <= one[2] + LABEL_ROOM
        )
        assert apart, (one[0], other[0])


@pytest.mark.parametrize("goods", [None, "compounds"])
def test_no_label_of_a_map_lies_over_an_arrow(goods: str | None, parted: Study) -> None:
    drawing = maps.map_drawing(trading(parted), 2010, goods, study=parted)
    found = list(boxes(drawing))[2:]  # without the heading
    ends = [
        point for shape in drawing.shapes if shape.kind in ("arrow", "band", "core", "head")
        for _, points in shape.path for point in points
    ]  # fmt: skip
    for text, left, top, right, bottom in found:
        assert not [1 for x, y in ends if left < x < right and top < y < bottom], text


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_labels_keep_off_what_is_there(data: st.DataObject) -> None:
    """Inside the panel, apart, over no point where there is room, and beside what they name."""
    places = st.tuples(st.floats(20, 580), st.floats(10, 390))
    points = data.draw(st.lists(places, max_size=12))
    named = data.draw(st.lists(places, min_size=1, max_size=5))
    labels = [placing.Label(70.0, 30.0, one, one) for one in named]
    corners = placing.placed(labels, [(x, y, 2.0) for x, y in points], 600.0, 400.0, 16.0)
    found = [(x, y, x + 70.0, y + 30.0) for x, y in corners]
    for left, top, right, bottom in found:
        assert 16 <= left and right <= 584 and 0 <= top and bottom <= 400
        assert not [1 for x, y in points if left < x < right and top < y < bottom]
    for one, other in combinations(found, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_map_says_what_it_shows(parted: Study) -> None:
    svg = maps.draw_map(trading(parted), 2010, study=parted)
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert "2010" in (root.findtext(f"{space}title") or "")
    told = root.findtext(f"{space}desc") or ""
    for partner in parted.partners:
        assert partner.label in told
    heads = [one for one in root.iter(f"{space}path") if one.get("class") == "head"]
    # each lane touches China or the United States; those between the two are drawn in both panels
    lanes = [lane for lane in parted.lanes if not lane.goods]
    both = [lane for lane in lanes if {lane.origin, lane.destination} == {"CN", "US"}]
    assert len(heads) == len(lanes) + len(both)
    assert "prior only" in told
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_what_no_record_sees_is_striped(parted: Study) -> None:
    drawing = maps.map_drawing(trading(parted), 2010, "concentrate", study=parted)
    runs: dict[tuple[str, ...], int] = {}
    for shape in drawing.shapes:
        if shape.kind == "arrow" and shape.panel == 0:
            runs[shape.touches] = runs.get(shape.touches, 0) + 1
    assert runs["CN", "europe"] > 3
    whole = maps.map_drawing(trading(parted), 2010, study=parted)
    japan = [s for s in whole.shapes if s.kind == "arrow" and s.touches == ("CN", "japan")]
    assert len(japan) == 1


def test_an_arrow_is_as_wide_as_its_median() -> None:
    course = maps._course((0.0, 0.0), (100.0, 0.0), 0.0, short=(0.0, 0.0))
    arrow = maps.Arrow(course, (2.0, 5.0, 9.0), "#000", False, "", ("a", "b"))
    heights = {}
    for shape in arrow.shapes():
        ys = [y for _, points in shape.path for _, y in points]
        heights[shape.kind] = max(ys) - min(ys)
    assert heights["core"] == pytest.approx(2.0)
    assert heights["arrow"] == pytest.approx(5.0)
    assert heights["band"] == pytest.approx(9.0)


@given(lon=st.floats(-180, 180), lat=st.floats(-90, 90))
def test_the_projection_keeps_areas(lon: float, lat: float) -> None:
    """A small cell has the area that it has on the sphere, wherever it lies."""
    lat = min(max(lat, -88.0), 88.0)
    step = 1e-3
    a, b, c = (
        maps.equal_earth(x, y) for x, y in ((lon, lat), (lon + step, lat), (lon, lat + step))
    )
    if abs(b[0] - a[0]) > 1.0:  # across the cut
        return
    drawn = abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]))
    sphere = math.radians(step) ** 2 * math.cos(math.radians(lat))
    assert drawn == pytest.approx(sphere, rel=2e-3)


def test_outlines_are_those_of_the_members(parted: Study) -> None:
    countries = maps.outlines()
    small = {"CYP", "LUX", "MDA", "SGP", "BRN", "DJI", "GMB", "GNQ", "SLV", "TLS", "MNE", "SWZ"}
    for partner in parted.partners:
        missing = {*partner.members} - {*countries}
        assert len(missing) <= 8, (partner.partner, missing - small)
    assert sum(len(ring) for rings in countries.values() for ring in rings) < 6000
    for rings in countries.values():
        for ring in rings:
            east = [(lon - maps.MIDDLE + 180.0) % 360.0 for lon, _ in ring]
            inner = [one for one in east if 1e-6 < one < 360.0 - 1e-6]
            assert max(inner) - min(inner) < 200.0


def test_a_sankey_shows_trade_undivided() -> None:
    """What parts at a border and joins behind it is one ribbon; a gate behind a mine stays."""
    processes = pd.DataFrame(
        {"kind": "market", "region": ["A", "A", "B", "B"]},
        index=["gate", "here", "border", "there"],
    )
    flows = pd.DataFrame(
        [("gate", "here"), ("gate", "here"), ("here", "border"), ("border", "there"),
         ("border", "there")],
        index=["clay", "rock", "trade", "one", "two"], columns=["source", "target"],
    )  # fmt: skip
    found = rejoined(flows, processes)
    assert list(found.index) == ["clay", "rock", "trade"]
    assert found.loc["trade", "target"] == "there"


# --- faults ---------------------------------------------------------------------------------------

PARTNER_ROWS = """\
partner,label,lon,lat,label_lon,label_lat,members
A,Land A,10,50,,,FRA
B,Land B,20,40,,,
"""
LANE_ROWS = """\
quantity,origin,destination,goods,declared
exported,A,B,,
"""


def faults(folder: Path, partners: str, lanes: str) -> list[tuple[str, str, str]]:
    write_tables(folder)
    (folder / "partners.csv").write_text(partners, "utf-8")
    (folder / "lanes.csv").write_text(lanes, "utf-8")
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    return [(one.table, one.column, str(one)) for one in caught.value.faults]


def test_sound_partners_are_read(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tiny")
    plain = read_study(folder)
    (folder / "partners.csv").write_text(PARTNER_ROWS, "utf-8")
    (folder / "lanes.csv").write_text(LANE_ROWS, "utf-8")
    study = read_study(folder)
    assert study.lanes[0].origin == "A"
    assert study.hash == plain.hash
    assert study.description_hash != plain.description_hash


@pytest.mark.parametrize(
    ("partners", "lanes", "table", "column", "fragment"),
    [
        (PARTNER_ROWS.replace("10,50", "200,50"), LANE_ROWS, "partners.csv", "lon", "beyond"),
        (PARTNER_ROWS.replace("20,40", "20,99"), LANE_ROWS, "partners.csv", "lat", "beyond"),
        (PARTNER_ROWS.replace("50,,,", "50,3,,"), LANE_ROWS, "partners.csv", "label_lon", "both"),
        (PARTNER_ROWS.replace("FRA", "France"), LANE_ROWS, "partners.csv", "members", "three"),
        (PARTNER_ROWS.replace("40,,,", "40,,,FRA"), LANE_ROWS, "partners.csv", "members", "'A'"),
        (PARTNER_ROWS.replace("B,La", "A,La"), LANE_ROWS, "partners.csv", "partner", "keep one"),
        (PARTNER_ROWS, LANE_ROWS.replace("A,B", "A,C"), "lanes.csv", "destination", "unknown"),
        (PARTNER_ROWS, LANE_ROWS.replace("A,B", "A,A"), "lanes.csv", "destination", "itself"),
        (PARTNER_ROWS, LANE_ROWS.replace("exported", "xported"), "lanes.csv", "quantity", "Did"),
        (PARTNER_ROWS, LANE_ROWS.replace("exported", "share_hidden"), "lanes.csv", "quantity",
         "ratio"),
        (PARTNER_ROWS, LANE_ROWS.replace("B,,", "B,,nothing"), "lanes.csv", "declared", "unknown"),
        (PARTNER_ROWS, LANE_ROWS + "exported,B,A,,\n", "lanes.csv", "quantity", "keep one"),
    ],
)  # fmt: skip
def test_faults_are_told_with_their_place(
    partners: str, lanes: str, table: str, column: str, fragment: str, tmp_path: Path
) -> None:
    found = faults(tmp_path / "tiny", partners, lanes)
    told = [text for file, where, text in found if (file, where) == (table, column)]
    assert any(re.search(re.escape(fragment), text) for text in told), found
