"""Years to come: how draws go on, what plans taught, what is lacking, and how it is judged."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import reebayes as rb
from reebayes.cli.main import main
from reebayes.forecasting import learning
from reebayes.forecasting.continuation import Continuation, inputs_of
from reebayes.forecasting.demand import growth_of, rates
from reebayes.forecasting.judging import crps
from reebayes.forecasting.learning import learn, ramp, reached_posterior
from reebayes.forecasting.projects import outputs, stated_starts, taking_part
from reebayes.forecasting.running import Course, in_year
from reebayes.model.layout import lay_out
from reebayes.results.reading import contents_of
from reebayes.study.prospects import COMING
from tests.ahead import fit_of_priors
from tests.test_prospects import PROSPECTS, SOURCES
from tests.tiny import PRIORS, STUDY, write_tables

mpl.use("agg")

SCENARIOS = """
[report]
headline = ["made", "mined"]

[scenarios.no_export]
label = "no ore is exported"
why = "What the plant would do with it."
source = "judgement-scale"
years = 2011
closure = "supply"
changes = [{ flow = "export_ore", set = 0, absorbed_by = "ore_to_plant" }]

[scenarios.more_ore]
label = "more ore"
why = "A deposit that opens over four years."
source = "judgement-scale"
years = "2012-2015"
closure = "supply"
changes = [{ flow = "concentrate", add = 4, shape = "linear", absorbed_by = "stays" }]
"""


@cache
def study() -> rb.Study:
    folder = write_tables(Path(mkdtemp()) / "tiny", study=STUDY + SCENARIOS, sources=SOURCES)
    for name, text in PROSPECTS.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    return rb.read_study(folder)


@cache
def fit() -> xr.DataTree:
    return fit_of_priors(study())


def going(to: int = 2020, *, reverting: bool = True, seed: int = 0) -> Continuation:
    rng = np.random.default_rng(seed)
    return Continuation(contents_of(fit()), study(), to, rng, reverting=reverting)


# --- how draws go on ------------------------------------------------------------------------------


def test_the_first_year_is_the_last_of_the_fit_draw_by_draw() -> None:
    was = fit()["posterior"]["flows"].sel(year=2015).values.reshape(-1, len(study().flows))
    np.testing.assert_allclose(going().flows()[:, 0], was, rtol=1e-12)


def test_inflow_equals_outflow_in_every_year_to_come() -> None:
    ahead = rb.outlook(fit(), 2024)["outlook"].to_dataset()["flows"]
    for process in study().processes:
        if process.kind not in ("market", "conversion"):
            continue
        into = [flow.flow for flow in study().flows if flow.target == process.process]
        out = [flow.flow for flow in study().flows if flow.source == process.process]
        inflow, outflow = (ahead.sel(flow=names).sum("flow") for names in (into, out))
        np.testing.assert_allclose(inflow, outflow, rtol=1e-9)


def test_states_go_on_with_their_own_persistence() -> None:
    """Mean and spread of an AR(1) given its last value, written anew in closed form."""
    one = fit_of_priors(study(), chains=1, draws=1)
    names = list(lay_out(study()).latents)
    draws = one["posterior"].to_dataset().isel(draw=np.zeros(4000, dtype=int))
    many = one.copy()
    many["posterior"] = xr.DataTree(draws.assign_coords(draw=np.arange(4000)))
    ahead = Continuation(contents_of(many), study(), 2021, np.random.default_rng(1))
    column = ahead.layout.unknowns.columns.index("ore")
    scale = np.exp(0.3 * one["posterior"]["latents"].values[0, 0, names.index("step:input")])
    persistence = np.exp(-0.5 * (0.1 / 0.5 * scale) ** 2)
    states = ahead.states[:, :, column]
    for t in (1, 3, 6):
        mean = persistence**t * states[0, 0]
        spread = np.sqrt(1 - persistence ** (2 * t))
        assert abs(states[:, t].mean() - mean) < 4 * spread / np.sqrt(4000)
        assert states[:, t].std() == pytest.approx(spread, rel=0.06)


def test_paths_that_wander_have_the_same_steps_and_no_way_back() -> None:
    back, away = going(reverting=True), going(reverting=False)
    np.testing.assert_array_equal(back.states[:, 0], away.states[:, 0])
    steps = np.diff(away.states, axis=1)
    assert abs(np.mean(steps * away.states[:, :-1])) < 0.05
    pulled = np.diff(back.states, axis=1) - steps
    np.testing.assert_array_less(pulled * back.states[:, :-1], 1e-12)


def test_growth_multiplies_what_comes_in_and_nothing_else() -> None:
    ahead = going()
    plain = ahead.flows()
    growth = np.full((len(ahead.states), len(ahead.years)), np.log(2.0))
    doubled = ahead.flows(dict.fromkeys(inputs_of(study()), growth))
    np.testing.assert_allclose(doubled, 2 * plain, rtol=1e-9)
    for name in inputs_of(study()):  # one that varies, one that is constant
        at = list(ahead.layout.flows).index(name)
        np.testing.assert_allclose(
            plain[:, :, at], np.exp(ahead.log_input(name)) + 0 * plain[:, :, at]
        )


# --- what plans of the past teach -----------------------------------------------------------------


def case(
    status: str, started: int | None, *, planned: int = 2000, seen: int = 2200
) -> rb.PlannedCase:
    plan = (planned, status, planned, 10.0, "kt REO/yr")
    return rb.PlannedCase("c", "p", *plan, started, None, None, seen, "a", "a")


@settings(max_examples=25)
@given(
    starts=st.integers(0, 6), fails=st.integers(0, 6), mean=st.sampled_from([0.25, 0.5, 0.8]),
    weight=st.sampled_from([1.0, 4.0]),
)  # fmt: skip
def test_without_censoring_the_chance_is_beta(
    starts: int, fails: int, mean: float, weight: float
) -> None:
    """Closed form: one status, its pool held fast, outcomes known for good."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "MEANS", np.array([mean]))
        patch.setattr(learning, "WEIGHTS", np.array([weight]))
        patch.setattr(learning, "DELAYS", np.array([1.0]))
        cases = [case("planned", 2000)] * starts + [case("planned", None)] * fails
        found = learn(cases, ["planned"], 4000, np.random.default_rng(0)).chance["planned"]
    exact = stats.beta(mean * weight + starts, (1 - mean) * weight + fails)
    assert found.mean() == pytest.approx(exact.mean(), abs=0.02)
    assert found.std() == pytest.approx(exact.std(), abs=0.02)


def test_statuses_learn_from_one_another_and_less_than_from_their_own() -> None:
    cases = [case("planned", None)] * 8
    rng = np.random.default_rng(0)
    known, before = learn(cases, COMING, 4000, rng), learn([], COMING, 4000, rng)
    own, other = (known.chance[status].mean() for status in ("planned", "construction"))
    prior = before.chance["construction"].mean()
    assert own < other < prior == pytest.approx(0.5, abs=0.02)


def test_a_project_that_is_not_yet_due_says_nothing() -> None:
    rng = np.random.default_rng(0)
    cases = [case("planned", None, seen=1999)] * 9
    assert learn(cases, COMING, 4000, rng).chance["planned"].mean() == pytest.approx(0.5, abs=0.03)


def test_late_starts_make_long_delays() -> None:
    rng = np.random.default_rng(0)
    late, prompt = (learn([case("planned", 2000 + d)] * 5, COMING, 2000, rng).delay for d in (6, 0))
    assert np.median(late) > 3 > 1.5 > np.median(prompt)


def test_what_is_reached_is_normal_inverse_gamma() -> None:
    """Against a grid over mean and variance, by the definition of the posterior."""
    logs = np.log([0.05, 0.1, 0.3])
    mean, weight, shape, scale = reached_posterior(logs)
    mu, v = np.meshgrid(np.linspace(-15, 12, 1500), np.geomspace(0.01, 3000, 500), indexing="ij")
    density = stats.norm.logpdf(mu, np.log(0.7), np.sqrt(v / 2)) + stats.invgamma.logpdf(
        v, 2, scale=0.25
    )
    density += sum(stats.norm.logpdf(one, mu, np.sqrt(v)) for one in logs)
    share = np.exp(density - density.max()) * v
    share /= share.sum()
    assert mean == pytest.approx(float((share * mu).sum()), abs=0.005)
    assert scale / (shape - 1) == pytest.approx(float((share * v).sum()), rel=0.03)
    assert weight == 5


def test_a_mine_grows_to_what_it_reaches() -> None:
    assert ramp(np.array([-1.0, 0.0])).tolist() == [0.0, 0.0]
    assert ramp(np.array(2.15)) == pytest.approx(1 - np.exp(-1))
    assert ramp(np.array(40.0)) == pytest.approx(1.0)


def test_projects_add_no_more_than_their_capacity_and_nothing_before_they_can() -> None:
    rng = np.random.default_rng(0)
    found = taking_part(study())
    assert [one.project for one in found] == ["North", "South", "West"]
    learnt = learn(study().planned_cases, COMING, 500, rng)
    years = range(2015, 2041)
    added = outputs(study(), found, learnt, years, rng)
    assert stated_starts(found) == {"North": 2018, "South": 2016, "West": 2018}
    for at, project in enumerate(found):
        assert added[:, :, at].max() <= project.output
        assert not added[:, [n for n, y in enumerate(years) if y <= 2016], at].any()
    assert (np.diff(added, axis=1) >= 0).all()
    assert (added[:, -1, 0] > 0).mean() == pytest.approx(learnt.chance["planned"].mean(), abs=0.05)


def test_a_project_that_was_seen_idle_after_its_start_has_less_chance() -> None:
    rng = np.random.default_rng(0)
    base = taking_part(study())[0]
    learnt = learn([], COMING, 3000, rng)
    chances = []
    for as_of in (2015, 2035):
        idle = replace(base, project="X", as_of=as_of)
        added = outputs(study(), [idle], learnt, range(2015, 2090), rng)
        chances.append((added[:, -1, 0] > 0).mean())
        assert not added[:, : as_of - 2015, 0].any()
    assert chances[1] < 0.6 * chances[0]


# --- demand and deficits --------------------------------------------------------------------------


def test_the_newest_and_most_particular_growth_holds() -> None:
    assert growth_of(study(), "use_magnets") == study().demand_growth[2]
    assert growth_of(study(), "use_other") == study().demand_growth[1]
    assert growth_of(rb.cut(study(), 2013), "use_magnets").as_of == 2012  # type: ignore[union-attr]


def test_growth_meets_its_quantiles() -> None:
    drawn = rates(study(), ["use_magnets", "use_other"], 40_000, np.random.default_rng(0))
    found = np.expm1(np.quantile(drawn[:, 0], [0.05, 0.5, 0.95]))
    np.testing.assert_allclose(found, [0.02, 0.06, 0.11], atol=0.002)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(0.5, abs=0.03)


def test_a_use_without_growth_is_an_error_that_says_so() -> None:
    bare = replace(study(), demand_growth=study().demand_growth[2:])
    with pytest.raises(rb.ResultError, match="nothing of use_other"):
        rb.outlook(fit(), 2020, bare)


def test_demand_grows_from_what_was_used() -> None:
    ahead = rb.outlook(fit(), 2018)
    used = fit()["posterior"]["flows"].sel(year=2015, flow="magnets")
    demand = ahead["uses"]["demand"].sel(use="use_magnets")
    factor = demand / used.drop_vars(["flow", "year"])
    np.testing.assert_allclose(factor.sel(year=2018), factor.sel(year=2016) ** 3, rtol=1e-9)


def test_deficits_are_what_is_asked_for_and_does_not_come() -> None:
    ahead = rb.outlook(fit(), 2018, course=Course(follows=0.0))
    table = rb.deficits(ahead, 2018, x=0.5)
    demand, supplied = (ahead["uses"][name].sel(year=2018, use="use_magnets").values.ravel()
                        for name in ("demand", "supplied"))  # fmt: skip
    lacks = np.maximum(demand - supplied, 0)
    row = table[(table["by"] == "application") & (table["name"] == "Magnets")].iloc[0]
    assert row["probability"] == np.mean(lacks > 0.5)
    assert row["deficit"] == np.median(lacks) and row["upper"] == np.quantile(lacks, 0.95)
    product = table[table["by"] == "product"].iloc[0]
    world = table[table["by"] == "region"].iloc[0]
    assert product["demand"] == pytest.approx(world["demand"]) and world["region"] == "World"
    usual = rb.deficits(rb.outlook(fit(), 2018), 2018)
    assert (usual["lower"] == 0).all()


def test_the_same_seed_gives_the_same_years() -> None:
    one, same, other = (rb.outlook(fit(), 2018, seed=seed)["outlook"]["flows"].values
                        for seed in (1, 1, 2))  # fmt: skip
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# --- scenarios on top -----------------------------------------------------------------------------


def test_a_scenario_holds_from_its_beginning_on() -> None:
    plain, changed = (
        rb.outlook(fit(), 2020, scenarios=names, begin=2018)["outlook"].to_dataset()["flows"]
        for names in ((), ("no_export",))
    )
    exports = changed.sel(flow="export_ore")
    np.testing.assert_array_equal(changed.sel(year=[2016, 2017]), plain.sel(year=[2016, 2017]))
    assert not exports.sel(year=[2018, 2019, 2020]).values.any()
    into = changed.sel(flow=["concentrate", "hidden_ore"]).sum("flow")
    np.testing.assert_allclose(changed.sel(flow="ore_to_plant", year=2020), into.sel(year=2020),
                               rtol=1e-9)  # fmt: skip


def test_a_change_that_takes_years_takes_as_many() -> None:
    plain, changed = (
        rb.outlook(fit(), 2022, scenarios=names, begin=2017)["outlook"].to_dataset()["flows"]
        for names in ((), ("more_ore",))
    )
    more = (changed - plain).sel(flow="concentrate")
    for year, much in ((2016, 0), (2017, 1), (2018, 2), (2020, 4), (2022, 4)):
        np.testing.assert_allclose(more.sel(year=year), much, atol=1e-9)
    then = in_year(study().scenario("more_ore"), 2018, 2017)
    assert then.years == (2018,) and then.changes[0].years == (2017, 2018, 2019, 2020)


def test_what_cannot_be_asked_is_told() -> None:
    for wrong, text in (({"to": 2015}, "from 2016"), ({"to": 2200}, "not 2200"),
                        ({"to": 2020, "begin": 2021}, "begin")):  # fmt: skip
        with pytest.raises(rb.ResultError, match=text):
            rb.outlook(fit(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(rb.StudyError, match="no scenario"):
        rb.outlook(fit(), 2020, scenarios=["no_exports"])
    with pytest.raises(rb.ResultError, match="not a fit of the study"):
        rb.outlook(fit(), 2020, study().with_prior("ore", median=9.0))
    with pytest.raises(rb.ResultError, match="not one of"):
        rb.deficits(rb.outlook(fit(), 2018), 2030)
    with pytest.raises(rb.ResultError, match="no outlook"):
        rb.deficits(fit(), 2018)


# --- hindcasts ------------------------------------------------------------------------------------


def test_a_study_without_a_use_has_no_outlook() -> None:
    zinc = rb.read_study("zinc")  # products go into a stock
    with pytest.raises(rb.ResultError, match="no process of kind use"):
        rb.outlook(fit_of_priors(zinc, chains=1, draws=2), 2000, zinc)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.floats(-5, 5))
def test_the_score_is_its_definition(draws: list[float], truth: float) -> None:
    """The integral of the squared difference of the distribution functions."""
    values = np.array(draws)
    ends = np.unique([*draws, truth])
    below = (values[:, None] <= ends[:-1]).mean(axis=0)
    exact = float((np.diff(ends) * (below - (truth <= ends[:-1])) ** 2).sum())
    assert crps(values, truth) == pytest.approx(exact, abs=1e-9)


def test_a_hindcast_scores_what_came() -> None:
    shorter = rb.cut(study(), 2012)
    past = fit_of_priors(shorter)
    ahead = rb.outlook(past, 2015, shorter)
    table = rb.hindcast(past, ahead, fit(), quantities=["mined", "made + mined"],
                        projections=study().projections)  # fmt: skip
    assert table["year"].tolist() == [2013, 2014, 2015] * 2
    row = table.iloc[2]
    after = rb.quantity(ahead["outlook"], "mined").sel(year=2015).values.ravel()
    truth = float(rb.quantity(fit(), "mined").sel(year=2015).median())
    assert row["truth"] == pytest.approx(truth) and row["crps"] == pytest.approx(crps(after, truth))
    assert row["covered"] == (row["lower"] <= truth <= row["upper"])
    # 11 and 13 were said in 2012 of 2015, and 99 in 2016: too late to count
    assert row["published"] == pytest.approx(12.0)
    assert row["published_crps"] == pytest.approx(crps(np.array([11.0, 13.0]), truth))
    found = rb.hindcast_summary(table)
    assert found.loc["mined", "coverage"] == table["covered"][:3].mean()
    assert found.loc["all", "years"] == 6
    assert found.loc["mined", "crps_then"] == pytest.approx(row["crps"])
    assert rb.plot_hindcast(table, "mined").get_title(loc="left") == "mined"
    with pytest.raises(rb.ResultError, match="no 'used'"):
        rb.plot_hindcast(table, "used")


def test_a_random_walk_with_drift_goes_on_as_before() -> None:
    """A series that grows by a tenth a year without noise is foretold exactly."""
    years = list(range(2010, 2016))
    values = np.tile(100 * 1.1 ** np.arange(6), (1, 50, 1))
    from reebayes.forecasting.judging import _walk

    walked = _walk(values[0], 3, np.random.default_rng(0))
    np.testing.assert_allclose(walked, 100 * 1.1 ** np.array([6, 7, 8]) * np.ones((50, 1)))
    assert len(years) == 6


# --- pages and commands ---------------------------------------------------------------------------


def test_the_figure_has_history_outlook_and_projections() -> None:
    ahead = rb.outlook(fit(), 2020)
    rows = [one for one in study().projections if one.quantity == "mined"]
    ax = rb.plot_outlook(rb.quantity(fit(), "mined"), rb.quantity(ahead["outlook"], "mined"),
                         projections=rows, demand=ahead["uses"]["demand"].sum("use"))  # fmt: skip
    assert [one.source for one in rb.published_projections(study(), "mined")] == ["A list"] * 2
    labels = [" ".join(text.get_text().split()) for text in ax.get_legend().get_texts()]
    assert labels[:3] == ["what was: median, 50 and 90 % band", "outlook: median, 50 and 90 % band",
                          "asked for: median and 90 %"]  # fmt: skip
    assert len(labels) == 3 + len({(one.source, one.vintage) for one in rows})


def test_a_report_shows_an_outlook_that_it_is_given() -> None:
    from reebayes.reporting.plan import plan_of
    from reebayes.reporting.sections import Material, ahead

    tree, contents = rb.outlook(fit(), 2018), contents_of(fit())
    plan = plan_of(contents, None)
    block = ahead(Material(contents, plan, outlook=(tree, rb.deficits(tree, 2018))))
    assert block is not None and block["block"]["year"] == 2018
    assert ahead(Material(contents, plan)) is None
    rows = {row["region"] for row in block["block"]["lacking"] if row["by"] == "region"}
    assert rows == {"World"}  # of one region there is no other
    ground = block["block"]["ground"]
    assert "<svg" in ground["map"] and ground["rows"][-1]["country"] == "World"
    assert [row["edition"] for row in ground["jumps"]] == [2014]
    assert next(row["name"] for row in block["block"]["projects"]) in ("North", "South", "West")


def test_a_sum_that_is_projected_is_named_by_its_parts() -> None:
    from reebayes.reporting.outlooks import outlook_block

    named = fit().copy()
    report = json.loads(named.attrs.get("report", "{}"))
    one, other = "mined", "made"
    named.attrs["report"] = json.dumps(report | {"labels": {one: "What is dug", other: "Metal"}})
    summed = [replace(row, quantity=f"{one} + {other}") for row in study().projections]
    tree = rb.outlook(fit(), 2018)
    block = outlook_block(contents_of(named), replace(study(), projections=summed), tree,
                          rb.deficits(tree, 2018))  # fmt: skip
    assert block["figures"][0]["title"] == "What is dug + Metal, to 2018"
    assert block["bands"]["rows"][0]["label"] == "What is dug + Metal"


def test_a_report_shows_what_uses_lack_of_elements() -> None:
    from reebayes.reporting.plan import plan_of
    from reebayes.reporting.sections import Material, ahead
    from reebayes.reporting.templating import environment

    tree, contents = rb.outlook(fit(), 2018), contents_of(fit())
    table = rb.deficits(tree, 2018)
    cells = {"element": "Nd+Pr", "held": "", "region": "World", "supply": "what arrives",
             "asked": "as before", "deficit": 3.0, "lower": 1.0, "upper": 5.0}  # fmt: skip
    found = pd.DataFrame([cells | {"year": 2017, "probability": 0.25},
                          cells | {"year": 2018, "probability": 0.5}])  # fmt: skip
    found.attrs["assumption"] = "Each has a balance of its own."
    material = Material(contents, plan_of(contents, None), outlook=(tree, table), elements=found)
    page = environment().get_template("outlook.html.j2")
    text = page.render(material.common | (ahead(material) or {}))
    part = text.partition("<h3>What uses lack of Nd+Pr</h3>")[2].partition("</table>")[0]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", part) == [
        "World", "what arrives", "as before", "25 %", "50 %", "3.00 (1.00 to 5.00)"
    ]  # fmt: skip
    assert "Each has a balance of its own." in part


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is opened as the fit of this module."""
    path = tmp_path / "fit.nc"
    path.write_bytes(b"")
    import reebayes.cli.options as commands

    monkeypatch.setattr(commands, "opened", lambda *_, **__: fit().copy())
    return path


def test_the_command_writes_page_and_tables(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ahead"
    asked = ["outlook", str(saved), "--to", "2018", "--scenario", "no_export", "--out", str(out)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "2018: uses of the world ask for" in said and "2018, with no ore is exported" in said
    names = {path.name for path in out.iterdir() if path.suffix in (".csv", ".html")}
    assert names == {"outlook.html", *(f"{name}{suffix}.csv" for suffix in ("", "_no_export")
                                       for name in ("outlook", "deficits", "added"))}  # fmt: skip
    table = pd.read_csv(out / "outlook.csv")
    band = rb.bands(rb.quantity(rb.outlook(fit(), 2018)["outlook"], "made"))
    row = table[(table["quantity"] == "made") & (table["year"] == 2018)].iloc[0]
    assert row["upper"] == pytest.approx(float(band["upper"].sel(year=2018)), rel=1e-4)
    page = (out / "outlook.html").read_text("utf-8")
    assert "What is not answered: prices" in page and "North" in page
    assert "<script" not in page


def test_the_hindcast_is_a_command_that_fits_once(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import reebayes.forecasting.judging as judging

    made: list[int] = []

    def stand_in(shorter: rb.Study, folder: Path, *, seed: int) -> xr.DataTree:
        made.append(shorter.last_year)
        return fit_of_priors(shorter)

    monkeypatch.setattr(judging, "cut_fit", stand_in)
    out = tmp_path / "past"
    assert main(["hindcast", str(saved), "made,mined", "--at", "2012", "--out", str(out)]) == 0
    assert made == [2012]
    assert "crps" in capsys.readouterr().out
    assert len(pd.read_csv(out / "hindcast_2012.csv")) == 6
    assert main(["hindcast", str(saved), "--at", "2015", "--out", str(out)]) == 2
    assert "2011 to 2014" in capsys.readouterr().err


def test_a_cut_fit_that_is_there_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import reebayes.forecasting.judging as judging

    shorter, opened_as = rb.cut(study(), 2012), {}
    made: list[Path] = []

    def sample(study: rb.Study, *, seed: int, out: Path) -> None:
        made.append(out)
        out.write_bytes(b"fit")
        opened_as[out] = {"study_hash": study.hash, "seed": seed}

    monkeypatch.setattr(judging, "sample", sample)
    monkeypatch.setattr(
        judging, "open_fit", lambda path: xr.DataTree(xr.Dataset(attrs=opened_as[path]))
    )
    for seed, times in ((0, 1), (0, 1), (1, 2)):
        judging.cut_fit(shorter, tmp_path, seed=seed)
        assert len(made) == times


def test_draws_of_other_unknowns_are_refused() -> None:
    cut_fit = fit_of_priors(rb.cut(study(), 2012))
    cut_fit.attrs["study_hash"] = study().hash
    with pytest.raises(rb.ResultError, match="unknowns"):
        rb.outlook(cut_fit, 2020, study())
    assert PRIORS
