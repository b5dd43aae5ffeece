"""The aluminium problem as a study, on a few rows of the same form."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import truncnorm

from benchmarks.aluminium import (
    Problem,
    beliefs,
    build_study,
    main,
    one_side,
    positive,
    read_problem,
)
from reebayes.model.layout import lay_out
from reebayes.study import Study, read_study

# A mine, a mill whose scrap goes round, a use with a stock, and two ends.
TABLES = {
    "processes": """\
process,number,balanced
Reserves,0,1
Mill,1,1
Use,2,1
Dump,3,1
""",
    "flows": """\
flow,source,target
Reserves__Mill,Reserves,Mill
Mill__Use,Mill,Use
Mill__Dump,Mill,Dump
Use__Mill,Use,Mill
Use__Dump,Use,Dump
""",
    "stock_changes": """\
stock_change,process
stock_Reserves,Reserves
stock_Use,Use
stock_Dump,Dump
""",
    "priors": """\
variable,kind,prior_mean,prior_sd,lower,upper,unit,origin,source_value
stock_Reserves,stock_change,-10,63.2,,,Mt,,
stock_Use,stock_change,10,63.2,,,Mt,,
stock_Dump,stock_change,1,6.32,,,Mt,,
Reserves__Mill,flow,10,63.2,0,,Mt,,
Mill__Use,flow,10,63.2,0,,Mt,,
Mill__Dump,flow,0.1,0.632,0,,Mt,,
Use__Mill,flow,1,6.32,0,,Mt,,
Use__Dump,flow,1,6.32,0,,Mt,,
""",
    "data": """\
datum,label,kind,value,sd,unit
d1,Reserves,stock_change,-30,3,Mt
d2,Use,stock_change,20,2,Mt
d3,Dump,stock_change,3,0.3,Mt
d4,Use -> Mill,flow,8,0.8,Mt
d5,Mill -> Dump,flow,0.1,0.1,Mt
""",
    "data_terms": """\
datum,variable
d1,stock_Reserves
d2,stock_Use
d3,stock_Dump
d4,Use__Mill
d5,Mill__Dump
""",
    "ratios": """\
ratio,label,value,sd
r1,Mill -> Dump / Mill,0.002,0.01
r2,Use -> Mill / Use,0.8,0.08
""",
    "ratio_terms": """\
ratio,part,variable
r1,num,Mill__Dump
r1,den,Mill__Dump
r1,den,Mill__Use
r2,num,Use__Mill
r2,den,Use__Mill
r2,den,Use__Dump
""",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for name, text in TABLES.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def problem(tables: Path) -> Problem:
    return read_problem(tables)


@pytest.fixture(scope="module")
def study(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(build_study(tables, tmp_path_factory.mktemp("study")))


def test_the_study_is_sound_and_holds_every_flow_as_it_is(problem: Problem, study: Study) -> None:
    flows = {flow.flow: (flow.source, flow.target) for flow in study.flows}
    assert flows.items() >= problem.flows.items()
    assert lay_out(study).unknowns.varying == 0


def test_ends_and_passing_processes(study: Study) -> None:
    kinds = {process.process: process.kind for process in study.processes}
    assert kinds["Reserves"] == kinds["stocks"] == "environment"
    assert kinds["Mill"] == kinds["Use"] == "market"
    assert kinds["Dump"] == "loss"


def test_stock_changes_are_built_and_drawn(problem: Problem, study: Study) -> None:
    flows = {flow.flow: (flow.source, flow.target) for flow in study.flows}
    # what only leaves the ground, or only enters a dump, is its own stock change
    assert problem.changing() == {"stock_Use": "Use"}
    assert flows["build_Use"] == ("Use", "stocks")
    assert flows["draw_Use"] == ("stocks", "Use")
    assert not {"build_Dump", "draw_Reserves"} & set(flows)


def test_data_are_normal_in_million_tonnes(study: Study) -> None:
    records = {record.record: record for record in study.records}
    assert {record.kind for record in records.values()} == {"signed"}
    assert (records["d1"].value, records["d1"].sd, records["d1"].unit) == (-30, 3, "Mt Al")
    assert records["d1"].error == 3000
    assert study.quantities["d1"].numerator == (("Reserves__Mill", -1.0),)
    assert study.quantities["d3"].numerator == (("Mill__Dump", 1.0), ("Use__Dump", 1.0))
    assert records["d4"].scale * (records["d4"].value or 0) == 8_000


def test_a_stock_change_is_what_enters_less_what_leaves(study: Study) -> None:
    quantity = study.quantities["d2"]
    assert quantity.numerator == (("Mill__Use", 1.0), ("Use__Mill", -1.0), ("Use__Dump", -1.0))
    assert not quantity.is_ratio
    ratio = study.records["r1"]
    assert (ratio.value, ratio.error, study.quantities["r1"].is_ratio) == (0.002, 0.01, True)


def test_priors_follow_from_the_normal_ones(problem: Problem, study: Study) -> None:
    draws = truncnorm.rvs(-10 / 63.2, np.inf, 10, 63.2, size=100_000, random_state=1)
    median, spread = positive(10, 63.2)
    assert median == pytest.approx(np.median(draws), rel=0.02)
    assert spread == pytest.approx(np.log(draws).std(), rel=0.02)
    # the two sides of a normal leave its mean between them
    assert one_side(10, 63.2) - one_side(-10, 63.2) == pytest.approx(10)
    believed = beliefs(problem)
    assert believed["build_Use"][0] > believed["draw_Use"][0]
    shares = {prior.target: prior.median for prior in study.priors if prior.unit == "share"}
    assert set(shares) == {"Mill__Dump", "Use__Mill", "Use__Dump"}
    total = sum(believed[name][0] for name in ("Use__Mill", "Use__Dump", "build_Use"))
    assert shares["Use__Mill"] == pytest.approx(believed["Use__Mill"][0] / total, rel=1e-5)


def test_without_ratios(tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tables", str(tables), "--out", str(tmp_path / "a"), "--scenario", "A"])
    assert "written" in capsys.readouterr().out
    names = [record.record for record in read_study(tmp_path / "a").records]
    assert names == ["d1", "d2", "d3", "d4", "d5"]
