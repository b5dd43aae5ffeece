"""The [report] table of study.toml: what it may hold and what is said of the rest."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reebayes.errors import StudyError
from reebayes.reporting.plan import Plan
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Study, read_study
from reebayes.study.header.report import FORMS, MEANINGS
from tests.tiny import QUANTITIES, STUDY, write_tables

REPORT = """
[report]
headline = ["mined_hidden", "share_hidden"]
sankey_year = 2013
table = ["mined", "made"]
table_years = [2010, 2015]
limits = ["Nobody looked."]
panels = [{ title = "Mining", quantities = ["mined", "mined_registered"] }]
refined = "metal"
origins = [{ at = "use_magnets" }, { at = "made", by = "refined_in", title = "Metal" }]

[report.labels]
mined_hidden = "Hidden mining"

[report.exceeds]
mined_hidden = [10, 20.5]

[report.beside]
mined_hidden = ["mined_registered"]

[report.parts]
mined = ["mined_registered", "mined_hidden"]
"""


def study_with(folder: Path, text: str) -> Study:
    """Read the tiny study with a [report] table."""
    return read_study(write_tables(folder, study=STUDY + text))


def test_report_is_read_as_written(tmp_path: Path) -> None:
    study = study_with(tmp_path, REPORT)
    assert study.report["headline"] == ("mined_hidden", "share_hidden")
    assert study.report["labels"]["mined_hidden"] == "Hidden mining"
    assert study.report["panels"][0]["quantities"] == ("mined", "mined_registered")
    plain = study.report.plain
    assert plain["exceeds"] == {"mined_hidden": [10, 20.5]}
    assert json.loads(json.dumps(plain)) == plain
    assert study.without_source("article").report == study.report


def test_a_study_may_have_no_report(tiny_study: Path) -> None:
    assert read_study(tiny_study).report == {}


def test_report_cannot_be_changed(tmp_path: Path) -> None:
    study = study_with(tmp_path, REPORT)
    report: Any = study.report
    with pytest.raises(TypeError):
        report["sankey_year"] = 2010
    with pytest.raises(TypeError):
        report["labels"]["mined"] = "Mining"
    report.plain["headline"].append("mined")
    assert len(study.report["headline"]) == 2


def test_report_is_shown_and_moves_no_posterior(tmp_path: Path) -> None:
    base = study_with(tmp_path, REPORT)
    for text, same in ((REPORT, True), (REPORT.replace("2013", "2014"), False), ("", False)):
        other = study_with(tmp_path, text)
        assert other.hash == base.hash
        assert (other.description_hash == base.description_hash) == same


CASES = [
    ("headline = ", "headlines = ", "headlines", "Did you mean 'headline'?"),
    ("headline = ", "colour = ", "colour", "Valid: headline, sankey_year"),
    ('["mined_hidden", "share_hidden"]', '"mined_hidden"', "headline", "is not a list of quant"),
    ('["mined_hidden", "share_hidden"]', "[]", "headline", "is not a list of quantities"),
    ('"share_hidden"]', '"mined_hidden"]', "headline", "each once"),
    ('"share_hidden"]', '"shared_hidden"]', "headline", "Did you mean 'share_hidden'?"),
    ("sankey_year = 2013", "sankey_year = 2016", "sankey_year", "not a year of the study, 2010"),
    ("sankey_year = 2013", "sankey_year = true", "sankey_year", "is not a year"),
    ('["mined", "made"]', '["mined", "mad"]', "table", "Did you mean 'made'?"),
    ("[2010, 2015]", "[2009, 2015]", "table_years", "2009 is not a year of the study"),
    ("[2010, 2015]", '["2010"]', "table_years", "is not a list of years"),
    ('["Nobody looked."]', '"Nobody looked."', "limits", "is not a list of texts"),
    ('title = "Mining"', 'name = "Mining"', "panels", "is not a list of {title = text"),
    ('["mined", "mined_reg', '["minned", "mined_reg', "panels.1", "Did you mean 'mined'?"),
    ("mined_hidden = \"Hid", "mine_hidden = \"Hid", "labels", "Did you mean 'mined_hidden'?"),
    ('"Hidden mining"', "1", "labels", "is not a table of quantity = text"),
    ("mined_hidden = [10,", "share_hidden = [10,", "exceeds", "a ratio is not added up"),
    ("[10, 20.5]", "[10, inf]", "exceeds", "list of numbers"),
    ("[10, 20.5]", '["10"]', "exceeds", "list of numbers"),
    ('["mined_registered"]', '["used"]', "beside.mined_hidden", "unknown quantity 'used'"),
    ('["mined_registered"]', '["share_hidden"]', "beside.mined_hidden", "no common unit"),
    ('["mined_registered", "mined_hidden"]', '["mined_registered", "minedhidden"]', "parts.mined",
     "Did you mean 'mined_hidden'?"),
    ('["mined_registered", "mined_hidden"]', '["mined_registered"]', "parts", "two or more quant"),
    ('["mined_registered", "mined_hidden"]', '["mined_registered", "share_hidden"]', "parts.mined",
     "'share_hidden' is a ratio, and parts of ratios do not add up"),
    ('["mined_registered", "mined_hidden"]', '["mined", "mined_hidden"]', "parts.mined",
     "'mined' cannot be a part of itself"),
    ('["mined_registered", "mined_hidden"]', '["mined_registered", "made"]', "parts.mined",
     "they differ from it by -1 hidden_ore, +1 metal, and no balance"),
    ('at = "use_magnets"', 'at = "use_magnet"', "origins.1", "Did you mean 'use_magnets'?"),
    ('at = "made"', 'at = "share_hidden"', "origins.2", "is a ratio or subtracts flows"),
    ('at = "use_magnets"', 'at = "nature"', "origins.1", "nothing enters 'nature'"),
    ('"refined_in"', '"refined"', "origins", "by = source or region or registered or refined_in"),
    ('refined = "metal"\n', "", "refined", "write refined"),
    ("[2010, 2015]\n", '[2010, 2015]\nindicators = ["hhi"]\n', "indicators", "unknown indicator"),
    ("[2010, 2015]\n", "[2010, 2015]\nindicators = [1]\n", "indicators", "list of indicators"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "fragment"), CASES)
def test_faults_of_a_report(tmp_path: Path, old: str, new: str, key: str, fragment: str) -> None:
    assert old in REPORT
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, REPORT.replace(old, new, 1))
    (fault,) = caught.value.faults
    assert (fault.table, fault.column) == ("study.toml", f"report.{key}")
    assert fragment in fault.message


QUANTITIES_OF_ORE = """\
used,num,ore_to_plant,1
lost,num,plant_loss,1
taken,num,ore_to_plant,1
taken,num,scrap,1
dug,num,ore,1
returned,num,scrap,1
"""
"""More quantities of the tiny study: some are parts of one another by the balance of a process."""


@pytest.mark.parametrize(
    ("whole", "parts", "sound"),
    [
        ("mined", ["exported", "used"], True),  # the ore market takes nothing
        ("taken", ["made", "lost"], True),  # nor does the plant
        ("mined", ["exported", "made"], False),  # what the plant loses is missing
        ("mined", ["exported", "made", "lost"], False),  # and so is the scrap that it takes
        ("dug", ["mined_registered", "lost"], False),  # losses of another process
        ("mined", ["exported", "used", "mined_hidden"], False),
        ("made", ["returned", "used_other"], False),  # what is used goes nowhere, and is not zero
    ],
)
def test_parts_may_add_up_by_the_balance_of_processes(
    tmp_path: Path, whole: str, parts: list[str], sound: bool
) -> None:
    text = f"{STUDY}[report.parts]\n{whole} = {json.dumps(parts)}\n"
    folder = write_tables(tmp_path, study=text, quantities=QUANTITIES + QUANTITIES_OF_ORE)
    if sound:
        assert read_study(folder).report["parts"][whole] == tuple(parts)
        return
    with pytest.raises(StudyError, match="do not add up"):
        read_study(folder)


def test_every_fault_of_a_report_at_once(tmp_path: Path) -> None:
    text = REPORT.replace("2013", "1913").replace('"made"]', '"maid"]').replace("limits", "limit")
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, text)
    assert len(caught.value.faults) == 3


def test_a_report_that_is_no_table(tmp_path: Path) -> None:
    text = STUDY.replace("[settings]", 'report = "short"\n\n[settings]')
    with pytest.raises(StudyError, match="'short' is not a table"):
        read_study(write_tables(tmp_path, study=text))


def test_a_report_may_name_indicators_of_the_usual_convention(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, study=STUDY + '[report]\nindicators = ["hidden"]\n')
    header = "indicator,kind,members,region,stage,convention,unit,reference,label\n"
    row = "hidden,ratio,mined_hidden; mined,,mining,{},fraction,,Hidden share\n"
    (folder / "indicators.csv").write_text(header + row.format(""))
    assert read_study(folder).report["indicators"] == ("hidden",)
    (folder / "indicators.csv").write_text(header + row.format("physical"))
    with pytest.raises(StudyError, match="not given for the convention 'usgs'"):
        read_study(folder)


def test_a_plan_knows_every_key_of_a_report_and_the_pages_describe_it() -> None:
    assert set(FORMS) <= {field.name for field in fields(Plan)}
    assert set(FORMS) == set(MEANINGS)


def test_bundled_parts_add_up_in_every_world() -> None:
    """Year by year and over all years, in flows that are made apart from the model."""
    study = read_study()
    whole, (counted, rest) = next(iter(study.report["parts"].items()))
    assert whole == "mined_CN_unregistered"
    for seed in range(3):
        found = simulate_world(study, seed=seed).quantities
        parts = found.sel(quantity=[counted, rest]).sum("quantity")
        np.testing.assert_allclose(parts, found.sel(quantity=whole), rtol=1e-9)
        assert float(parts.sum()) == pytest.approx(float(found.sel(quantity=whole).sum()), rel=1e-9)
        # official output counted some of it to 2009, and is the quota of what is registered after
        official, registered = (
            found.sel(quantity=f"mined_CN_{name}", drop=True) for name in ("official", "registered")
        )
        np.testing.assert_allclose(
            official - registered, found.sel(quantity=counted, drop=True), atol=1e-9
        )
        assert float(found.sel(quantity=counted, year=slice(2010, None)).sum()) == 0


def test_bundled_study_has_a_report_with_the_headline_quantities() -> None:
    study = read_study()
    report = study.report
    wanted = ("mined_CN_unregistered", "mined_RW_unregistered", "smuggled_CN")
    assert report["headline"] == wanted
    shown = {name for panel in report["panels"] for name in panel["quantities"]}
    parts = {name for names in report["parts"].values() for name in names}
    labelled = {row.quantity for row in study.labels if row.label}
    assert shown | set(wanted) | parts <= labelled
    assert labelled <= {*study.quantities.names}
    assert len(report["limits"]) >= 4
