"""Scenarios of a study: what is wrong with them, what they answer, and how they are told."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import reebayes as rb
from reebayes.answers.scenarios.effects import _use_rows
from reebayes.answers.scenarios.setup import draw_size, weight_of
from reebayes.cli.main import main
from reebayes.reporting.plan import plan_of
from reebayes.reporting.sections import Material, what_if
from reebayes.reporting.templating import environment
from reebayes.results.reading import contents_of
from reebayes.study.header.frozen import Settings
from reebayes.study.scenarios import Change, Size
from tests.fakes import fake_fit
from tests.pictures import outside_pictures
from tests.tiny import STUDY, write_tables
from tests.worlds import fit_of_worlds

mpl.use("agg")

SCENARIOS = """
[report]
headline = ["made", "share_hidden"]
scenarios = ["no_export"]

[scenarios.nothing]
label = "nothing"
why = "To see that nothing changes."
source = "judgement-scale"
closure = "supply"

[scenarios.no_export]
label = "no ore is exported in 2011"
why = "What the plant would do with it."
source = "judgement-scale"
years = 2011
closure = "supply"
changes = [{ flow = "export_ore", set = 0, absorbed_by = "ore_to_plant" }]

[scenarios.full_plant]
label = "no ore is exported and the plant is full"
why = "The plant cannot take it."
source = ["judgement-scale", "yearbook"]
years = "2011;2013-2014"
closure = "capacity"
capacity = 1
changes = [{ flow = "export_ore", set = 0, absorbed_by = "others" }]

[scenarios.more_ore]
label = "more ore"
why = "An uncertain deposit."
source = "judgement-scale"
years = "2012-2015"
closure = "supply"
[[scenarios.more_ore.changes]]
flow = "concentrate"
add = { low = 1, middle = 3, high = 10 }
shape = "linear"
absorbed_by = "stays"

[scenarios.quota]
label = "half of the licence"
why = "The mine may dig half."
source = "judgement-scale"
years = 2012
closure = "demand"
changes = [{ quantity = "mined_registered", cap = 0.5, unit = "factual", absorbed_by = "stays" }]

[scenarios.both]
label = "more ore and no export"
why = "Together."
source = "judgement-scale"
combines = ["no_export", "more_ore"]
"""


@cache
def study() -> rb.Study:
    folder = Path(mkdtemp())
    return rb.read_study(write_tables(folder / "tiny", study=STUDY + SCENARIOS))


@cache
def _fit() -> xr.DataTree:
    return fit_of_worlds(study(), chains=2, draws=12)


@pytest.fixture
def fit() -> xr.DataTree:
    return _fit().copy()


# --- what is wrong --------------------------------------------------------------------------------

ONE = '\n[scenarios.s]\nlabel = "a"\nwhy = "b"\nsource = "judgement-scale"\n'
EXPORT = 'flow = "export_ore", set = 0, absorbed_by = "stays"'

FAULTS = {
    "unknown key": (
        ONE + 'closure = "supply"\nclosur = 1', "scenarios.s.closur", "Did you mean 'closure'"),
    "no source": (
        '[scenarios.s]\nlabel = "a"\nwhy = "b"\nclosure = "supply"', "scenarios.s.source",
        "name a row of sources.csv"),
    "unknown source": (
        ONE.replace("-scale", "-skale") + 'closure = "supply"', "scenarios.s.source",
        "Did you mean 'judgement-scale'"),
    "no closure": (ONE, "scenarios.s.closure", "supply, capacity, demand"),
    "unknown closure": (
        ONE + 'closure = "suply"', "scenarios.s.closure", "is not one of supply, capacity, demand"),
    "no capacity": (ONE + 'closure = "capacity"', "scenarios.s.capacity", "'capacity' is missing"),
    "capacity without use": (
        ONE + 'closure = "supply"\ncapacity = 1', "scenarios.s.capacity", "has no capacity"),
    "capacity below zero": (
        ONE + 'closure = "capacity"\ncapacity = -1', "scenarios.s.capacity", "not below 0"),
    "years outside": (
        ONE + 'closure = "supply"\nyears = "2014-2017"', "scenarios.s.years",
        "2016-2017 is outside the years of the study, 2010-2015"),
    "years in words": (
        ONE + 'closure = "supply"\nyears = "ever"', "scenarios.s.years", "is not a year"),
    "unknown part": (
        ONE + 'combines = ["t"]', "scenarios.s.combines", "unknown scenario 't'"),
    "no name": ('[scenarios."a b"]', "scenarios.a b", "write letters, digits and _"),
    "no table": ("[scenarios]\ns = 1", "scenarios.s", "is not a table"),
}  # fmt: skip

CHANGES = {
    "unknown flow": ('flow = "export_or", set = 0, absorbed_by = "stays"', "flow",
                     "Did you mean 'export_ore'"),
    "unknown process": ('process = "plan", scale = 1', "process", "Did you mean 'plant'"),
    "unknown quantity": ('quantity = "mad", scale = 1, absorbed_by = "others"', "quantity",
                         "Did you mean 'made'"),
    "a ratio": ('quantity = "share_hidden", scale = 1, absorbed_by = "others"', "quantity",
                "no plain sum"),
    "nowhere to go": ('flow = "export_ore", set = 0', "absorbed_by", "'absorbed_by' is missing"),
    "unknown absorber": ('flow = "export_ore", set = 0, absorbed_by = "other_s"', "absorbed_by",
                         "Did you mean 'others'"),
    "absorber elsewhere": ('flow = "export_ore", set = 0, absorbed_by = "magnets"', "absorbed_by",
                           "does not leave 'ore_market'"),
    "absorber itself": ('flow = "export_ore", set = 0, absorbed_by = "export_ore"', "absorbed_by",
                        "cannot absorb its own change"),
    "an inflow": ('flow = "hidden_ore", scale = 0, absorbed_by = "others"', "absorbed_by",
                  "write 'stays'"),
    "out of nothing": ('flow = "export_ore", scale = 2, absorbed_by = "stays"', "absorbed_by",
                       "grow out of nothing"),
    "below zero": ('flow = "export_ore", cap = -1, absorbed_by = "stays"', "cap", "below 0"),
    "no such years": ('flow = "other", set = 1, absorbed_by = "others"', "years",
                      "'other' cannot exist in 2010-2012;2014-2015; it is active in 2013"),
    "other years": (EXPORT + ", years = 2017", "years", "outside the years of the scenario"),
    "two names": (EXPORT + ', quantity = "made"', "", "names both flow and quantity"),
    "two ways": (EXPORT + ", add = 1", "", "does both set and add"),
    "no way": ('flow = "export_ore", absorbed_by = "stays"', "", "does nothing"),
    "unknown shape": (EXPORT + ', shape = "sudden"', "shape", "step, linear, logistic"),
    "a misspelt key": (EXPORT + ', shap = "step"', "shap", "Did you mean 'shape'"),
    "quantiles out of order": (
        'flow = "export_ore", set = { low = 2, middle = 1, high = 3 }, absorbed_by = "stays"',
        "set", "each above the one before"),
    "an environment": ('process = "nature", scale = 1', "process", "of kind environment"),
    "a unit of a factor": (
        'flow = "export_ore", scale = 0.5, unit = "factual", absorbed_by = "stays"', "unit",
        "leave unit out"),
}  # fmt: skip


def faults(text: str, tmp_path: Path) -> list[tuple[str, str]]:
    with pytest.raises(rb.StudyError) as raised:
        rb.read_study(write_tables(tmp_path / "tiny", study=STUDY + text))
    return [(fault.column, fault.message) for fault in raised.value.faults]


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_told_with_its_place(case: str, tmp_path: Path) -> None:
    text, column, message = FAULTS[case]
    found = faults(text, tmp_path)
    assert any(at == column and message in told for at, told in found), found


@pytest.mark.parametrize("case", CHANGES)
def test_a_fault_of_a_change_is_told_with_its_place(case: str, tmp_path: Path) -> None:
    """The place is the number of the change; and one slip gives one fault."""
    text, key, message = CHANGES[case]
    good = "{ flow = 'scrap', scale = 1, absorbed_by = 'others' }"
    found = faults(ONE + f"closure = 'supply'\nchanges = [{good}, {{ {text} }}]", tmp_path)
    at, told = found[0]
    assert at == f"scenarios.s.changes.2.{key}".rstrip(".")
    assert message in told
    assert len(found) == 1, found


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = ONE.replace("-scale", "-skale") + "closure = 'supply'\nchanges = ["
    text += ", ".join(f"{{ {CHANGES[c][0]} }}" for c in ("unknown flow", "below zero", "an inflow"))
    columns = [column for column, _ in faults(text + "]", tmp_path)]
    assert columns == ["scenarios.s.source", "scenarios.s.changes.1.flow",
                       "scenarios.s.changes.2.cap",
                       "scenarios.s.changes.3.absorbed_by"]  # fmt: skip


def test_a_flow_changes_once_a_year(tmp_path: Path) -> None:
    twice = f"closure = 'supply'\nchanges = [{{ {EXPORT} }}, {{ {EXPORT} }}]"
    ((column, message),) = faults(ONE + twice, tmp_path)
    assert column == "scenarios.s.changes.2"
    assert "changes in s.changes.1 already" in message
    absorber = "{ flow = 'ore_to_plant', cap = 1, absorbed_by = 'stays' }"
    given_to = "{ flow = 'export_ore', set = 0, absorbed_by = 'ore_to_plant' }"
    found = faults(ONE + f"closure = 'supply'\nchanges = [{absorber}, {given_to}]", tmp_path)
    assert found[0][0] == "scenarios.s.changes.2.absorbed_by"
    assert "changes itself" in found[0][1]


def test_routes_are_those_of_the_study() -> None:
    bundled = rb.read_study()

    def of(route: str) -> rb.Study:
        change = {"route": route, "set": 0, "absorbed_by": "others"}
        table = {"label": "a", "why": "b", "source": "judgement-scenario-shut",
                 "closure": "supply", "changes": [change]}  # fmt: skip
        return replace(bundled, scenarios=Settings({"s": table}))

    with pytest.raises(rb.StudyError, match=r"unknown route 'CN:UX'\. Did you mean 'CN:US'"):
        of("CN:UX").scenario("s")
    assert of("CN:*").scenario("s").changes[0].name == "CN:*"


def test_a_scenario_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(rb.StudyError, match=r"no scenario 'no_exprt'\. Did you mean 'no_export'"):
        study().scenario("no_exprt")


def test_scenarios_move_no_posterior_and_are_shown() -> None:
    other = replace(study(), scenarios=Settings({}))
    assert other.hash == study().hash
    assert other.description_hash != study().description_hash


def test_a_saved_study_has_its_scenarios_but_those_that_name_what_is_gone(tmp_path: Path) -> None:
    again = rb.read_study(study().save(tmp_path / "saved"))
    assert again.scenarios == study().scenarios
    kept = replace(study(), report=Settings({})).without_source("notice")
    assert rb.read_study(kept.save(tmp_path / "less")).scenarios == study().scenarios


def test_a_report_names_scenarios_that_are_there(tmp_path: Path) -> None:
    found = faults('[report]\nscenarios = ["x"]', tmp_path)
    assert found == [("report.scenarios", "unknown scenario 'x'.")]


# --- what they answer -----------------------------------------------------------------------------


def test_nothing_changes_nothing(fit: xr.DataTree) -> None:
    tree = rb.scenario(fit, "nothing")
    for name in ("flows", "quantities"):
        assert float(np.abs(tree["difference"][name]).max()) < 1e-12
    before = rb.quantity(fit, "made")
    xr.testing.assert_allclose(
        rb.quantity(tree["factual"], "made"), before.drop_attrs(), rtol=1e-12
    )


def test_a_flow_that_is_shut_goes_where_it_is_told(fit: xr.DataTree) -> None:
    """By hand: the plant gets all ore, and what it made more is used, but for scrap and losses."""
    tree = rb.scenario(fit, "no_export")
    was, would = (tree[part]["flows"] for part in ("factual", "counterfactual"))
    assert tree["counterfactual"]["year"].values.tolist() == [2011]
    assert float(would.sel(flow="export_ore").max()) == 0
    supply = was.sel(flow="concentrate") + was.sel(flow="hidden_ore")
    np.testing.assert_allclose(would.sel(flow="ore_to_plant"), supply, rtol=1e-12)
    share = was.sel(flow="metal") / (was.sel(flow="metal") + was.sel(flow="plant_loss"))
    np.testing.assert_allclose(would.sel(flow="metal"), share * supply, rtol=1e-12)
    np.testing.assert_allclose(would.sel(flow="magnets"), share * supply, rtol=1e-12)


def test_what_a_full_plant_cannot_take_is_stranded_before_it(fit: xr.DataTree) -> None:
    tree = rb.scenario(fit, "full_plant")
    exported = tree["factual"]["flows"].sel(flow="export_ore")
    # from 2012 scrap is refused too: what is stranded is as much in all
    found = tree["gaps"]["stranded"]
    np.testing.assert_allclose(found.sum("process"), exported, rtol=1e-9)
    stranded = found.sel(process="ore_market")
    np.testing.assert_allclose(stranded.sel(year=2011), exported.sel(year=2011), rtol=1e-9)
    assert float((found.sel(process="metal_market", year=2013)).min()) > 0
    assert str(stranded["region"].item()) == "A"
    assert str(stranded["product"].item()) == "ore"
    np.testing.assert_allclose(
        tree["counterfactual"]["flows"].sel(flow="magnets"),
        tree["factual"]["flows"].sel(flow="magnets"), rtol=1e-9,
    )  # fmt: skip


def test_demand_keeps_use_and_tells_what_is_missing(fit: xr.DataTree) -> None:
    """By hand: half the mine's concentrate is missing in its market, and so in the magnets."""
    tree = rb.scenario(fit, "quota")
    was, would = (tree[part]["flows"] for part in ("factual", "counterfactual"))
    np.testing.assert_allclose(would.sel(flow="magnets"), was.sel(flow="magnets"), rtol=1e-12)
    np.testing.assert_allclose(would.sel(flow="ore"), 0.5 * was.sel(flow="ore"), rtol=1e-12)
    short = tree["gaps"]["shortage"].sel(process="ore_market")
    np.testing.assert_allclose(short, 0.5 * was.sel(flow="concentrate"), rtol=1e-12)
    unmet = tree["gaps"]["unmet"].sel(use="use_magnets")
    # hidden mines are shut in 2012, so half of all that the market hands on is missing
    np.testing.assert_allclose(unmet, 0.5 * was.sel(flow="magnets"), rtol=1e-9)


def test_a_size_is_drawn_once_and_comes_about_over_the_years(fit: xr.DataTree) -> None:
    added = rb.scenario(fit, "more_ore")["difference"]["flows"].sel(flow="concentrate")
    whole = added.sel(year=2015)
    assert float(whole.std()) > 0.5
    for number, year in enumerate((2012, 2013, 2014, 2015), 1):
        np.testing.assert_allclose(added.sel(year=year), whole * number / 4, rtol=1e-9)
    again = rb.scenario(fit, "more_ore")["difference"]["flows"].sel(flow="concentrate")
    xr.testing.assert_equal(added, again)
    other = rb.scenario(fit, "more_ore", seed=1)["difference"]["flows"].sel(flow="concentrate")
    assert not np.allclose(added, other)


def test_scenarios_are_combined_each_in_its_years(fit: xr.DataTree) -> None:
    both = rb.scenario(fit, "both")
    assert both["factual"]["year"].values.tolist() == [2011, 2012, 2013, 2014, 2015]
    for name in ("no_export", "more_ore"):
        alone = rb.scenario(fit, name)["counterfactual"]["flows"]
        together = both["counterfactual"]["flows"].sel(year=alone["year"])
        xr.testing.assert_allclose(together, alone, rtol=1e-12)


SIZES = st.tuples(st.floats(0.01, 0.3), st.floats(0.31, 0.6), st.floats(0.61, 0.99))


@given(SIZES, st.sampled_from(("lognormal", "normal", "share")))
def test_sizes_have_the_quantiles_they_were_given(
    quantiles: tuple[float, float, float], distribution: str
) -> None:
    draws = draw_size(Size(*quantiles, distribution), (4000,), "s.changes.1", 0)
    below = [float(np.mean(draws < q)) for q in quantiles]
    assert np.allclose(below, [0.05, 0.5, 0.95], atol=0.03)


@pytest.mark.parametrize("shape", ["step", "linear", "logistic"])
def test_shapes_end_with_the_whole_change(shape: str) -> None:
    size = Size(1, 1, 1)
    change = Change("s", "flow", "f", "add", size, tuple(range(2010, 2016)), shape)
    weights = [weight_of(change, year) for year in change.years]
    assert weights == sorted(weights)
    assert weights[-1] == pytest.approx(1.0)
    assert 0 < weights[0] <= 1


def test_a_scenario_written_since_the_fit(fit: xr.DataTree) -> None:
    table = {"label": "half", "why": "w", "source": "yearbook", "closure": "supply",
             "changes": [{"flow": "ore", "scale": 0.5, "absorbed_by": "stays"}]}  # fmt: skip
    later = replace(study(), scenarios=Settings({"half": table}))
    tree = rb.scenario(fit, "half", later)
    flows = tree["counterfactual"]["flows"].sel(flow="concentrate")
    np.testing.assert_allclose(flows, 0.5 * tree["factual"]["flows"].sel(flow="concentrate"))
    with pytest.raises(rb.ResultError, match="not a fit of the study"):
        rb.scenario(fit, "half", replace(later, unit="kt X/yr"))


def test_each_part_is_asked_like_a_fit(fit: xr.DataTree) -> None:
    tree = rb.scenario(fit, "more_ore")
    for part in ("factual", "counterfactual", "difference"):
        draws = rb.quantity(tree[part], "made")
        assert draws.dims == ("chain", "draw", "year")
        assert draws.attrs["units"] == "kt REO/yr"
        assert float(rb.bands(rb.cumulative(draws))["median"]) == pytest.approx(
            float(draws.sum("year").median())
        )
    assert rb.draw_sankey(tree["counterfactual"], 2014).startswith("<svg")
    with pytest.raises(rb.ResultError, match="A difference flows nowhere"):
        rb.draw_sankey(tree["difference"], 2014)
    with pytest.raises(rb.ResultError, match="Did you mean 'made'"):
        rb.quantity(tree["difference"], "mad")


def test_differences_are_taken_draw_by_draw(fit: xr.DataTree) -> None:
    tree = rb.scenario(fit, "no_export")
    for name in ("flows", "quantities"):
        parts = [tree[part][name] for part in ("factual", "counterfactual", "difference")]
        np.testing.assert_allclose(parts[1] - parts[0], parts[2], atol=1e-12)


# --- how they are told ----------------------------------------------------------------------------


def test_an_effect_by_hand(fit: xr.DataTree) -> None:
    tree = rb.scenario(fit, "no_export")
    table = rb.effect(tree)
    used = tree["difference"]["flows"].sel(flow="magnets", year=2011).values.ravel()
    row = table.loc["use_magnets"]
    assert row["difference"] == pytest.approx(np.median(used))
    assert row["lower"] == pytest.approx(np.quantile(used, 0.05))
    assert (row["what"], row["region"], row["unit"]) == ("use", "A", "kt REO/yr")
    limit = float(np.median(-used))
    shown = rb.effect(tree, x=abs(limit) / 2)
    assert shown.loc["use", "probability"] == np.mean(-used > abs(limit) / 2)
    assert table.attrs["sentence"].startswith("No ore is exported in 2011: use rises by ")
    assert "made" in table.index


def test_the_probability_of_a_loss(fit: xr.DataTree) -> None:
    table = {"label": "half", "why": "w", "source": "yearbook", "closure": "supply", "years": 2013,
             "changes": [{"flow": "ore", "scale": 0.5, "absorbed_by": "stays"}]}  # fmt: skip
    tree = rb.scenario(fit, "half", replace(study(), scenarios=Settings({"half": table})))
    lost = -tree["difference"]["flows"].sel(flow=["magnets", "other"]).sum("flow").values.ravel()
    x = float(np.median(lost))
    found = rb.effect(tree, x=x)
    assert found.loc["use", "probability"] == 0.5
    assert f"P(loss > {x:g} kt REO/yr) is 50 %" in found.attrs["sentence"]
    assert found.loc["unmet:use_magnets", "probability"] >= 0.0


def test_use_of_a_region_is_labelled_by_its_name() -> None:
    contents = contents_of(fake_fit())
    told = (about for about, *_ in _use_rows([contents, contents], None))
    rows = {about["name"]: about for about in told if not about["product"]}
    assert rows["use_A"]["label"] == "use, Land A" and rows["use_A"]["region"] == "A"
    assert rows["use"]["label"] == "use, all regions"


def test_stranded_and_short_have_a_place(fit: xr.DataTree) -> None:
    table = rb.effect(rb.scenario(fit, "full_plant"), years=2013)
    row = table.loc["stranded:ore_market"]
    assert (row["region"], row["product"], row["stage"]) == ("A", "ore", "market")
    assert "Most of what is stranded: Ore market" in table.attrs["sentence"]
    short = rb.effect(rb.scenario(fit, "quota")).loc["shortage:ore_market"]
    assert short["difference"] > 0


def test_sums_over_years_leave_ratios_out(fit: xr.DataTree) -> None:
    tree = rb.scenario(fit, "full_plant")
    assert "share_hidden" not in rb.effect(tree).index
    assert rb.effect(tree).loc["use", "unit"] == "kt REO"
    assert rb.effect(tree, years=2014).loc["share_hidden", "unit"] == "ratio"
    with pytest.raises(rb.ResultError, match="ratios are not added up"):
        rb.effect(tree, ["share_hidden"])
    with pytest.raises(rb.ResultError, match="not one of the scenario's"):
        rb.effect(tree, years=2012)
    with pytest.raises(rb.ResultError, match="no scenario"):
        rb.effect(fit)


def test_effects_are_drawn(fit: xr.DataTree) -> None:
    table = rb.effect(rb.scenario(fit, "full_plant"))
    labels = [text.get_text() for text in rb.plot_effect(table).get_yticklabels()]
    assert labels[0] == "use, all regions"
    assert rb.plot_effect(table, what="stranded").get_xlabel().startswith("stranded, kt REO")
    with pytest.raises(rb.ResultError, match="Nothing of this scenario is short"):
        rb.plot_effect(table, what="shortage")


@pytest.fixture
def file(fit: xr.DataTree, tmp_path: Path) -> Path:
    return rb.save_fit(fit, tmp_path / "fit.nc")


def test_the_command_prints_and_writes(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["scenario", str(file), "no_export", "full_plant", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "No ore is exported in 2011: use rises by" in said
    assert "stranded:ore_market" in said
    page = (out / "scenarios.html").read_text("utf-8")
    assert page.count("<section") == 2
    # factual and counterfactual in one drawing
    assert outside_pictures(page).count("<svg") == 2
    assert "Authors' judgement: a small country" in page.replace("&#39;", "'")
    own = page.replace("http://www.w3.org", "").replace("http-equiv", "")
    assert "http" not in own
    effect = pd.read_csv(out / "effect_full_plant.csv")
    assert {"use", "stranded:ore_market"} <= {*effect["name"]}
    by_year = pd.read_csv(out / "bands_full_plant.csv")
    assert {*by_year["kind"]} == {"flow", "quantity"}
    assert {*by_year["year"]} == {2011, 2013, 2014}


def test_the_command_lists_scenarios_and_refuses_others(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scenario", str(file)]) == 0
    assert "full_plant: no ore is exported and the plant is full" in capsys.readouterr().out
    out = tmp_path / "out"
    assert main(["scenario", str(file), "no_exprt", "--out", str(out)]) == 2
    assert "Did you mean 'no_export'" in capsys.readouterr().err
    assert main(["scenario", str(file), "no_export", "--years", "2012"]) == 2
    assert "not one of the scenario's" in capsys.readouterr().err
    assert not out.exists()


def test_the_command_takes_scenarios_of_the_study_as_it_is_now(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ONE + f"closure = 'supply'\nchanges = [{{ {EXPORT} }}]"
    now = write_tables(tmp_path / "now", study=STUDY + text)
    assert main(["scenario", str(file), "s", "--data", str(now), "--years", "2011-2012"]) == 0
    out = capsys.readouterr().out
    assert "stranded:ore_market" in out
    assert "probability: that use falls by more than x" in out
    records = (now / "records.csv").read_text().replace("10.5", "11.5")
    (now / "records.csv").write_text(records)
    assert main(["scenario", str(file), "s", "--data", str(now)]) == 2
    assert "not a fit of the study" in capsys.readouterr().err


def test_a_report_tells_the_scenarios_that_the_study_names(fit: xr.DataTree) -> None:
    contents = contents_of(fit)
    material = Material(contents, plan_of(contents, None))
    found = what_if(material)
    assert found is not None
    body = environment().get_template("what_if.html.j2").render(material.common | found)
    assert "<h3>No ore is exported in 2011</h3>" in body
    assert "use rises by" in body
    assert "<svg" not in outside_pictures(body)
    assert what_if(Material(contents, replace(material.plan, scenarios=()))) is None


def test_the_bundled_scenarios_are_there_and_sound() -> None:
    bundled = rb.read_study()
    assert [*bundled.scenarios] == [
        "no_trade_2022", "no_trade", "no_export_quotas", "half_quota_2022", "no_unregistered_CN",
        "no_smuggling", "mountain_pass_closed", "new_mine", "new_mine_separated",
        "mongolia_alliance", "us_separates_all", "myanmar_closed_2022",
    ]  # fmt: skip
    for name in bundled.scenarios:
        assert bundled.scenario(name).sources
