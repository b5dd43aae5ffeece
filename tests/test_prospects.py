"""Tables of what is to come: what is wrong with them, what a cut leaves, what is told of them."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reebayes as rb
from reebayes.cli.main import main
from reebayes.figures.canvas import Shape
from reebayes.figures.lettering import width_of
from reebayes.figures.sites import LARGEST, sites_drawing
from reebayes.study.hashing import PROSPECTS as TITLES
from reebayes.study.periods import onward
from tests import tiny
from tests.ahead import fit_of_priors
from tests.tiny import write_tables

SOURCES = tiny.SOURCES + "a,A list,2016,,,\n"

PROSPECTS = {
    "projects": """\
project,as_of,country,region,flow,ore_class,status,capacity,unit,start,product,resource,latitude,longitude,source,note
North,2012,Aland,A,ore,carbonatite,planned,9,kt REO/yr,2014,ore,1.5,-10,20,a,
North,2016,Aland,A,ore,carbonatite,planned,4000,t REO/yr,2018,ore,1.5,-10,20,a,Smaller now.
South,2016,Aland,A,hidden_ore,clay,operating,2,kt REO/yr,2016,ore,,,,a,
West,2016,Bland,A,ore,,construction,1,kt REO/yr,,ore,0.2,1,2,a,
East,2013,Bland,A,,,resource only,,,,,3,,,a,
Old,2016,Bland,A,ore,,operating,5,kt REO/yr,2005,ore,,,,a,Goes on with the fit.
""",
    "planned_cases": """\
case,project,as_of,status,planned_start,planned,unit,started,reached,reached_year,observed,source,outcome_source,note
c1,Old,2003,construction,2004,6,kt REO/yr,2005,3,2008,2008,a,a,
c2,North,2012,planned,2014,9,kt REO/yr,,,,2016,a,a,
""",
    "reserves": """\
country,edition,value,unit,status,source,note
Aland,2010,10,Mt REO,recalled,a,
Aland,2014,4000,kt REO,,a,
Aland,2016,4.2,Mt REO,,a,
World,2014,20,Mt REO,,a,
Aland: Old,2013,3,Mt REO,,a,
""",
    "demand_growth": """\
uses,as_of,low,middle,high,source,note
use_*,2012,0,0.05,0.1,a,
use_*,2016,0,0.03,0.06,a,
use_magnets,2016,0.02,0.06,0.11,a,
""",
    "projections": """\
projection,what,scope,quantity,vintage,year,value,low,high,unit,source,note
p1,supply,world,mined,2012,2015,,11,13,kt REO,a,
p2,supply,world,mined,2016,2015,99,,,kt REO,a,
p3,demand,world,made + 0.5 mined,2016,2020,9000,,,t REO,a,
p4,demand,"world, clean technology",,2016,2030,5,,,kt REO,a,
""",
}


def written(folder: Path, **changed: str) -> Path:
    write_tables(folder, sources=SOURCES)
    for name, text in PROSPECTS.items():
        (folder / f"{name}.csv").write_text(changed.get(name, text), "utf-8")
    return folder


@cache
def bundled() -> rb.Study:
    return rb.read_study()


@pytest.fixture
def study(tmp_path: Path) -> rb.Study:
    return rb.read_study(written(tmp_path / "tiny"))


def test_nothing_that_is_fitted_depends_on_them(tmp_path: Path, study: rb.Study) -> None:
    bare = rb.read_study(write_tables(tmp_path / "bare", sources=SOURCES))
    assert bare.hash == study.hash and bare.description_hash != study.description_hash
    assert [len(getattr(study, title)) for title in TITLES] == [6, 2, 5, 3, 4]


def test_they_are_saved_and_read_again(tmp_path: Path, study: rb.Study) -> None:
    again = rb.read_study(study.save(tmp_path / "again"))
    assert all(getattr(again, title) == getattr(study, title) for title in TITLES)


WRONG = {
    "region": ("projects", "2016,Aland,A,ore", "2016,Aland,B,ore", "region", "unknown region"),
    "flow": ("projects", "Bland,A,ore,,con", "Bland,A,metals,,con", "flow", "unknown flow"),
    "no mine": ("projects", "Bland,A,ore,,con", "Bland,A,metal,,con", "flow", "lognormal prior"),
    "status": ("projects", "resource only", "resource", "status", "unknown"),
    "capacity": ("projects", ",4000,t REO", ",-4000,t REO", "capacity", "not above 0"),
    "unit": ("projects", ",4000,t REO/yr", ",4000,t REO", "unit", "kt REO/yr"),
    "latitude": ("projects", "1.5,-10,20,a,S", "1.5,-100,20,a,S", "latitude", "beyond 90"),
    "half a place": ("projects", "0.2,1,2", "0.2,1,", "longitude", "both or neither"),
    "starts later": ("projects", "2,kt REO/yr,2016", "2,kt REO/yr,2018", "start", "operates in"),
    "project twice": ("projects", "North,2012", "North,2016", "project", "already given"),
    "case status": ("planned_cases", ",construction,", ",operating,", "status", "a plan is of"),
    "case seen": ("planned_cases", ",,2016,a,a", ",,2011,a,a", "observed", "before the plan"),
    "case start": ("planned_cases", "2005,3,2008", "2001,3,2008", "started", "not from the plan"),
    "case year": ("planned_cases", "2005,3,2008", "2005,3,", "reached_year", "both or neither"),
    "case idle": ("planned_cases", ",2005,3,2008", ",,3,2008", "started", "never started"),
    "case source": ("planned_cases", "2008,a,a", "2008,a,b", "outcome_source", "unknown source"),
    "reserves": ("reserves", "2014,20,", "2014,0,", "value", "not above 0"),
    "reserves unit": ("reserves", "20,Mt REO", "20,Mt", "unit", "Mt REO"),
    "edition twice": ("reserves", "Aland,2014", "Aland,2010", "country", "already given"),
    "uses": ("demand_growth", "use_magnets", "use_magnet", "uses", "use_magnets"),
    "growth order": ("demand_growth", "0.02,0.06", "0.2,0.06", "low", "must rise"),
    "growth percent": ("demand_growth", "0.02,0.06,0.11", "2,6,11", "low", "5 % a year"),
    "projected": ("projections", "made + 0.5 mined", "made + mine", "quantity", "unknown quantity"),
    "projected ratio": ("projections", "world,mined,2012", "world,share_hidden,2012", "quantity",
                        "is a ratio"),
    "projection range": ("projections", "11,13", "13,11", "low", "not below"),
    "projection value": ("projections", "2015,99,,", "2015,99,4,", "value", "or low and high"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WRONG))
def test_a_fault_has_its_place_and_a_way_out(name: str, tmp_path: Path) -> None:
    table, old, new, column, said = WRONG[name]
    text = PROSPECTS[table]
    assert old in text
    folder = written(tmp_path / "tiny", **{table: text.replace(old, new)})
    with pytest.raises(rb.StudyError) as caught:
        rb.read_study(folder)
    found = [fault for fault in caught.value.faults if fault.table == f"{table}.csv"]
    assert any(fault.column == column and said in str(fault) for fault in found), caught.value
    assert all(fault.row for fault in found)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    chosen = ("capacity", "case seen", "reserves", "uses", "projected")
    changed = {}
    for name in chosen:
        table, old, new, *_ = WRONG[name]
        changed[table] = PROSPECTS[table].replace(old, new)
    with pytest.raises(rb.StudyError) as caught:
        rb.read_study(written(tmp_path / "tiny", **changed))
    assert {fault.table for fault in caught.value.faults} == {f"{WRONG[n][0]}.csv" for n in chosen}


# --- other years ----------------------------------------------------------------------------------


def test_a_cut_knows_nothing_of_later_years(study: rb.Study) -> None:
    shorter = rb.cut(study, 2012)
    assert shorter.years == (2010, 2011, 2012)
    assert {record.year_end for record in shorter.records} <= {2010, 2011, 2012}
    kept = {record.record for record in study.records if record.year_end <= 2012}
    assert {*shorter.records.names} == kept - {"r_zero"}  # of a use that is not there yet
    assert "other" not in shorter.flows and "used_other" not in shorter.quantities
    assert all((prior.year_end or 0) <= 2012 for prior in shorter.priors)
    assert [prior.period for prior in shorter.priors.rows("hidden_ore")] == ["2010-2011"]
    assert shorter.flows["scrap"].active == ((2012, 2012),)
    assert [one.as_of for one in shorter.projects] == [2012]
    assert shorter.planned_cases.names == ("c1",)
    assert [one.as_of for one in shorter.demand_growth] == [2012]
    assert shorter.projections.names == ("p1",)
    rb.build_model(shorter)


@pytest.mark.parametrize("year", [2009, 2010, 2015, 2016])
def test_a_cut_is_within_the_years(study: rb.Study, year: int) -> None:
    with pytest.raises(rb.StudyError, match="2011 to 2014"):
        rb.cut(study, year)


def test_a_study_of_one_year_is_not_cut() -> None:
    with pytest.raises(rb.StudyError, match="too few years"):
        rb.cut(rb.read_study("zinc"), 1994)


@pytest.mark.parametrize("year", [2010, 2015])
def test_the_bundled_study_can_be_cut(year: int) -> None:
    shorter = rb.cut(bundled(), year)
    assert shorter.last_year == year and len(shorter.records) > 150
    assert max(record.year_end for record in shorter.records) == year


def test_what_was_there_goes_on(study: rb.Study) -> None:
    longer = onward(study, 2020)
    assert longer.flows["ore"].is_active(2020) and not longer.flows["other"].is_active(2020)
    with pytest.raises(rb.StudyError, match="not after"):
        onward(study, 2015)


# --- what is told ---------------------------------------------------------------------------------


def test_projects_are_counted_as_they_were_last_seen(study: rb.Study) -> None:
    table = rb.project_table(study)
    assert table.loc["North", "capacity"] == 4.0 and table.loc["North", "as_of"] == 2016
    assert np.isnan(table.loc["East", "capacity"])
    counts = rb.projects_by_country(study)
    assert counts.loc["Bland", ["construction", "operating", "resource only"]].tolist() == [1, 1, 1]
    assert counts.loc["World", "projects"] == 5 == counts["projects"][:-1].sum()
    assert counts.loc["World", "capacity"] == pytest.approx(5.0)
    assert counts.loc["World", "resource"] == pytest.approx(4.7)
    assert rb.project_table(study, as_of=2013).index.tolist() == ["North", "East"]
    assert rb.projects_by_country(study, as_of=2012).loc["World", "capacity"] == 9.0


def test_reserves_jump_between_editions(study: rb.Study) -> None:
    table = rb.reserve_table(study, ["Aland"])
    assert table["reserves"].tolist() == [10.0, 4.0, pytest.approx(4.2)]
    assert table["jump"].tolist() == [False, True, False]
    assert table["share"].tolist()[1] == pytest.approx(0.2) and np.isnan(table["share"][0])
    assert table["recalled"].tolist() == [True, False, False]
    with pytest.raises(rb.ResultError, match="Aland"):
        rb.reserve_table(study, ["Alland"])
    shares = rb.deposit_shares(study)
    assert shares["edition"].tolist() == [2014, 2016]
    assert shares["of_country"].tolist() == [0.75, pytest.approx(3 / 4.2)]
    assert shares["of_world"][0] == pytest.approx(0.15)


def test_reserves_over_use_are_years(study: rb.Study) -> None:
    fit = fit_of_priors(study)
    table = rb.reserve_years(fit, study, "Aland", used="made")
    assert table["edition"].tolist() == [2014, 2016]
    draws = rb.quantity(fit, "made").sel(year=2013)
    assert table["median"][0] == pytest.approx(float((4000.0 / draws).median()))


def test_the_command_lists_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = written(tmp_path / "tiny"), tmp_path / "out"
    assert main(["projects", "--data", str(folder), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Aland" in said and "definitions, not depletion" in said
    assert len(pd.read_csv(out / "projects.csv")) == 5
    picture = tmp_path / "map.svg"
    fit = tmp_path / "fit.nc"
    rb.save_fit(fit_of_priors(rb.read_study(folder)), fit)
    asked = ["projects", "--data", str(folder), "--map", str(picture)]
    assert main([*asked, "--fit", str(fit), "--years", "Aland=made"]) == 0
    assert "West, Bland: construction" in picture.read_text("utf-8")
    assert "over the use of the year before" in capsys.readouterr().out
    assert main([*asked, "--years", "Aland=made"]) == 2
    assert "go together" in capsys.readouterr().err
    bare = write_tables(tmp_path / "bare")
    assert main(["projects", "--data", str(bare)]) == 0
    assert "no projects.csv" in capsys.readouterr().out


@pytest.mark.parametrize("as_of", [None, 2015])
def test_a_map_sizes_circles_by_capacity_and_no_name_covers_another(as_of: int | None) -> None:
    table = rb.project_table(bundled(), as_of=as_of)
    drawing = sites_drawing(table)
    sites = {shape.touches[0]: shape for shape in drawing.shapes if shape.kind == "site"}
    assert set(sites) == set(table.index[table["latitude"].notna()])
    circles = {name: _circle(shape) for name, shape in sites.items()}
    capacity = table["capacity"].reindex(list(circles))
    radius = pd.Series({name: r for name, (_, _, r) in circles.items()})
    large = capacity[radius > radius.min()].index
    np.testing.assert_allclose(radius[large] ** 2 / capacity[large], LARGEST**2 / capacity.max())
    for status, rows in table.loc[list(circles)].groupby("status"):
        assert len({sites[name].colour for name in rows.index}) == 1, status
    boxes = {line.of: (line.x, line.y - 0.75 * line.size, line.x + width_of(line.text, line.size),
                       line.y) for line in drawing.lines if line.of}  # fmt: skip
    assert set(capacity[capacity > 5].index) <= set(boxes)  # large ones have their names
    for name, (left, top, right, bottom) in boxes.items():
        assert 0 <= left and right <= drawing.width and 0 <= top and bottom <= drawing.height
        for other, box in boxes.items():
            apart = right <= box[0] or box[2] <= left or bottom <= box[1] or box[3] <= top
            assert name == other or apart, (name, other)
        for x, y, r in circles.values():
            dx, dy = max(left - x, 0, x - right), max(top - y, 0, y - bottom)
            assert np.hypot(dx, dy) > r - 0.5


def test_a_map_needs_coordinates_and_an_ending(study: rb.Study, tmp_path: Path) -> None:
    table = rb.project_table(study)
    with pytest.raises(rb.ResultError, match="coordinates"):
        rb.draw_projects(table[table["latitude"].isna()])
    with pytest.raises(rb.ResultError, match=r"\.svg, \.pdf or \.png"):
        rb.save_projects(table, tmp_path / "map.gif")
    hostile = table.rename(index={"West": "<script>"})
    assert "<script>" not in rb.draw_projects(hostile)


def _circle(shape: Shape) -> tuple[float, float, float]:
    """Middle and radius of a circle, from the ends of its quarters."""
    right, left = shape.path[0][1][0], shape.path[2][1][-1]
    return (right[0] + left[0]) / 2, right[1], (right[0] - left[0]) / 2


def test_bundled_projects_are_many_and_do_not_move_the_fit() -> None:
    study = bundled()
    table = rb.project_table(study)
    assert len(table) == 97 and table["country"].nunique() == 24
    assert len(study.planned_cases) == 10
    bare = replace(study, **{title: getattr(study, title)[:0] for title in TITLES})
    assert bare.hash == study.hash
