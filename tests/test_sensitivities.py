"""What an answer hangs on, held against linear algebra where the study is linear and Gaussian."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.errors import Fault, ResultError, StudyError
from reebayes.experiments import refits as warm
from reebayes.experiments import sensitivities as slopes
from reebayes.experiments.budgets import RECORDS, REST, with_limits
from reebayes.experiments.leaving_out import leaving_out
from reebayes.experiments.refits import Refit
from reebayes.inference.datatree import log_prior
from reebayes.model.layout import lay_out
from reebayes.model.prior_rows import prior_rows
from reebayes.study import Study, read_study
from reebayes.wording import rank_text
from tests.linear import GRADIENT as GAINS
from tests.linear import (
    NAMES,
    OBSERVED,
    STATED,
    Priors,
    answer,
    linear_fit,
    linear_study,
    posterior,
)
from tests.standin import stand_in_fit
from tests.tiny import RECORDS as RECORD_ROWS
from tests.tiny import write_tables

mpl.use("agg")

ROWS = {
    "a": "a", "b": "b", "bias:office": "bias:office", "bias:customs": "bias:customs",
    "shared:copied": "shared:copied",
}  # fmt: skip
"""Rows that the density of the prior settles, under their names in the algebra."""
PARTED = {"c[2010-2010]": "c", "c[2011-2012]": "c 2011-2012"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return linear_study(tmp_path_factory.mktemp("linear") / "study")


@pytest.fixture(scope="module")
def fit(study: Study) -> xr.DataTree:
    return linear_fit(study)


@pytest.fixture(scope="module")
def table(fit: xr.DataTree) -> pd.DataFrame:
    return rb.sensitivity(fit, "total")


def derivative(row: str, change: str) -> float:
    """Derivative of the posterior mean in a shift of a prior, or in the log of its spread."""
    step = 1e-4
    ends = [
        Priors().moved(row, shift=by) if change == "shift" else
        Priors().moved(row, stretch=float(np.exp(by)))
        for by in (step, -step)
    ]  # fmt: skip
    up, down = (answer(one)[0] for one in ends)
    return (up - down) / (2 * step)


# --- slopes ---------------------------------------------------------------------------------------


def test_slopes_are_the_derivatives_of_the_posterior_mean(table: pd.DataFrame) -> None:
    sd = answer(Priors())[1]
    for label, row in ROWS.items():
        found = table.loc[label]
        assert found["slope"] == pytest.approx(derivative(row, "shift") / sd, abs=1e-6)
        assert found["effect"] == pytest.approx(derivative(row, "shift"), abs=1e-6)
        assert found["slope_spread"] == pytest.approx(derivative(row, "spread") / sd, abs=1e-5)
    assert set(table["unit"]) == {"kt REO"}


def test_slopes_of_a_constant_of_several_periods(
    fit: xr.DataTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slopes, "_THINNED", 6000)
    table = rb.sensitivity(fit, "total")
    sd = answer(Priors())[1]
    for label, row in PARTED.items():
        found = table.loc[label]
        for column, error, change in (
            ("slope", "error", "shift"), ("slope_spread", "error_spread", "spread")
        ):  # fmt: skip
            exact = derivative(row, change) / sd
            assert found[column] == pytest.approx(exact, abs=4 * found[error] + 0.02), label
            assert found[error] < 0.05


def test_changes_by_weights_are_those_of_the_other_posterior(table: pd.DataFrame) -> None:
    mean = answer(Priors())[0]
    for label, row in (ROWS | PARTED).items():
        found = table.loc[label]
        for column, change in {
            "down": {"shift": -1.0}, "up": {"shift": 1.0},
            "halved": {"stretch": 0.5}, "doubled": {"stretch": 2.0},
        }.items():  # fmt: skip
            exact = answer(Priors().moved(row, **change))[0] - mean
            assert found[column] == pytest.approx(exact, abs=4 * found[f"{column}_error"]), label
        assert (found["by"], found["by_spread"]) == ("weights", "weights")


def test_a_row_without_spread_has_no_slope_and_the_steepest_come_first(
    table: pd.DataFrame,
) -> None:
    numbers = table.loc["noise:*"].drop(["target", "years", "source", "unit", "verdict"])
    assert numbers.isna().all()
    sizes = table[["down", "up"]].abs().max(axis=1)
    assert sizes.dropna().is_monotonic_decreasing
    assert sizes.iloc[-1:].isna().all()
    assert table.loc["c[2010-2010]", "years"] == "2010-2010"
    assert table.loc["a", "source"] == "guess"


def test_the_form_of_errors_is_a_row(table: pd.DataFrame) -> None:
    row = table.loc["error_distribution = student_t"]
    assert row["by"] == "weights"
    assert abs(row["up"]) > 0
    assert row["target"] == "setting"


def test_degrees_of_freedom_that_are_set_are_rows(study: Study) -> None:
    """Halved and doubled; where they are learnt their prior is a row as any."""
    heavy = study.with_settings(error_distribution="student_t", degrees_of_freedom=5)
    table = rb.sensitivity(linear_fit(heavy), "total")
    rows = table.index[table["target"] == "setting"]
    assert set(rows) == {
        "error_distribution = normal", "degrees_of_freedom = 2.5", "degrees_of_freedom = 10",
    }  # fmt: skip
    for label, freedom in slopes._other_settings(heavy).items():
        setting = slopes._setting(label)
        changed = heavy.with_settings(**setting)
        assert slopes.has_heavy_tails(changed) == (freedom > 0)
        assert not freedom or slopes.freedom_of_study(changed) == freedom
    assert set(slopes._other_settings(heavy.with_settings(degrees_of_freedom=1))) == {
        "error_distribution = normal", "degrees_of_freedom = 2",
    }  # fmt: skip


def test_a_setting_whose_weights_fail_says_so(fit: xr.DataTree) -> None:
    row = rb.sensitivity(fit.isel(draw=slice(6)), "total").loc["error_distribution = student_t"]
    assert row["by"] == ""
    assert np.isnan(row["up"])
    assert row["verdict"].startswith("weights fail")


def effects(*, by: str = "weights", **columns: list[float]) -> pd.DataFrame:
    """A table of effects as weights or first order give them, up and down alike."""
    sizes, errors = np.array(columns["sizes"]), np.array(columns["errors"])
    return pd.DataFrame(
        {"slope": sizes, "error": errors, "effect": 2 * sizes, "down": -2 * sizes,
         "down_error": 2 * errors, "up": 2 * sizes, "up_error": 2 * errors, "by": by},
        index=list("abcde"[: len(sizes)]),
    )  # fmt: skip


@pytest.mark.parametrize("by", ["weights", "slope"])
def test_ranks_are_held_against_all_rows(by: str) -> None:
    """The third may be first: its error is wide, however clear the order of its neighbours is."""
    table = effects(sizes=[1, 0.9, 0.8], errors=[0.01, 0.01, 0.5], by=by)
    if by == "slope":  # which has an error of the slope alone
        table[["down_error", "up_error"]] = np.nan
    ranked = slopes._ranked(table, "kt", 2.0)
    assert ranked["rank_from"].tolist() == [1, 2, 1]
    assert ranked["rank_to"].tolist() == [2, 3, 3]
    clear = slopes._ranked(effects(sizes=[0.1, 0.5, 0.3], errors=[0.01] * 3), "kt", 2.0)
    assert clear.index.tolist() == ["b", "c", "a"]
    assert clear["rank_from"].tolist() == clear["rank_to"].tolist() == [1, 2, 3]


def test_rows_are_ranked_by_the_effect_that_is_shown() -> None:
    table = effects(sizes=[0.5, 0.1], errors=[0.01, 0.01])
    table.loc["b", ["up", "up_error", "by"]] = [7.0, 0.2, "refit"]
    table.loc["c"] = np.nan
    ranked = slopes._ranked(table, "kt", 2.0)
    assert ranked.index.tolist() == ["b", "a", "c"]
    assert ranked["rank_from"].tolist()[:2] == [1, 2]
    assert ranked.loc["c", ["rank_from", "rank_to"]].isna().all()


def test_several_answers_are_asked_at_once(fit: xr.DataTree, table: pd.DataFrame) -> None:
    both = slopes.sensitivities(fit, {"total": None, "b": 2011})
    pd.testing.assert_frame_equal(both["total"], table)
    pd.testing.assert_frame_equal(both["b"], rb.sensitivity(fit, "b", 2011))
    assert both["b"]["unit"].iloc[0] == "kt REO/yr"


def test_weights_that_fail_leave_the_slope_alone(fit: xr.DataTree) -> None:
    """With 25 draws hardly any weights can be trusted: a change is then to first order only."""
    few = fit.isel(draw=slice(6))
    table = rb.sensitivity(few, "total").dropna(subset=["slope"])
    failing = table[table["by"] == "slope"]
    assert len(failing)
    np.testing.assert_allclose(failing["up"], failing["effect"])
    np.testing.assert_allclose(failing["down"], -failing["effect"])
    assert failing[["up_error", "down_error"]].isna().all(axis=None)


def test_questions_that_a_fit_cannot_answer(fit: xr.DataTree, study: Study) -> None:
    with pytest.raises(ResultError, match="Did you mean 'total'"):
        rb.sensitivity(fit, "totel")
    with pytest.raises(ResultError, match="Year 1999 is not inside"):
        rb.sensitivity(fit, "total", 1999)
    other = study.with_prior("a", sd=0.5)
    for ask in (rb.sensitivity, rb.uncertainty_budget):
        with pytest.raises(ResultError, match="not a fit of the study 'Linear'"):
            ask(fit, "total", study=other)


def test_a_study_that_is_given_is_that_of_the_fit(
    fit: xr.DataTree, study: Study, table: pd.DataFrame
) -> None:
    pd.testing.assert_frame_equal(rb.sensitivity(fit, "total", study=study), table)


# --- refits that confirm --------------------------------------------------------------------------


def refit_of(values: np.ndarray, *, rhat: float = 1.0) -> Refit:
    return Refit({"total": values.reshape(4, -1)}, rhat, 900.0, 0, 1)


@pytest.fixture
def refitted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Answer refits of a study by algebra; keep what was asked."""
    asked: dict[str, Any] = {"rhat": 1.0}

    def refits(cases: dict[str, Study], *given: Any, **options: Any) -> dict[str, Refit]:
        asked["cases"] = cases
        rng = np.random.default_rng(3)
        return {
            name: refit_of(rng.normal(200.0, 1.0, 400),
                           rhat=1.5 if name.endswith(asked.get("failing", "-")) else asked["rhat"])
            for name in cases
        }  # fmt: skip

    monkeypatch.setattr(warm, "refits", refits)
    return asked


def test_rows_that_weights_do_not_settle_are_fitted_again(
    fit: xr.DataTree, study: Study, refitted: dict[str, Any]
) -> None:
    few = fit.isel(draw=slice(6))
    before = rb.sensitivity(few, "total")
    table = rb.sensitivity(few, "total", confirm=True)
    steep = before.index[(before["by"] == "slope") & (before["slope"].abs() > slopes.STEEP)]
    assert len(steep)
    assert set(table.index[table["by"] == "refit"]) >= set(steep)
    mean = float(few["posterior"]["quantities"].sel(quantity="total").sum("year").mean())
    assert table.loc[steep[0], "up"] == pytest.approx(200 - mean, abs=0.3)
    assert table.loc[steep[0], "up_error"] > 0
    up = refitted["cases"][f"{steep[0]} up"]
    row = before.loc[steep[0]]
    year = int(row["years"][:4]) if row["years"] else None
    assert up.hash == study.with_prior(row["target"], year=year, shift=1.0).hash
    heavy = refitted["cases"]["error_distribution = student_t up"]
    assert heavy.settings["error_distribution"] == "student_t"


def test_a_refit_that_did_not_pass_is_told_and_never_cited(
    fit: xr.DataTree, refitted: dict[str, Any]
) -> None:
    few = fit.isel(draw=slice(6))
    refitted["rhat"] = 1.5
    before, table = rb.sensitivity(few, "total"), rb.sensitivity(few, "total", confirm=True)
    told = table[table["verdict"] != ""]
    assert len(told)
    assert told["verdict"].str.contains("did not pass: R-hat 1.500").all()
    assert not (table["by"] == "refit").any()
    same = before.columns.drop("verdict")
    pd.testing.assert_frame_equal(table[same], before[same])
    left = rb.leave_out(few, "total")
    failed = left[left["by"] == ""]
    assert len(failed)
    assert failed[["without", "change", "error", "sd_ratio"]].isna().all(axis=None)


def test_a_row_of_which_one_change_did_not_pass_is_no_refit(
    fit: xr.DataTree, refitted: dict[str, Any]
) -> None:
    """A refit on one side and first order on the other would look like an answer."""
    few = fit.isel(draw=slice(6))
    refitted["failing"] = " up"
    before, table = rb.sensitivity(few, "total"), rb.sensitivity(few, "total", confirm=True)
    half = [label for label in before.index if f"{label} down" in refitted["cases"]]
    assert half
    shown = ["down", "up", "down_error", "up_error", "by"]
    pd.testing.assert_frame_equal(table.loc[half, shown], before.loc[half, shown])
    for verdict in table.loc[half, "verdict"]:
        assert "up: did not pass: R-hat 1.500" in verdict
        assert re.search(r"down: \+[\d.]+ ± [\d.]+ by a refit that passed", verdict)


def test_verdicts_on_all_changes_of_a_row_are_kept(
    fit: xr.DataTree, refitted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slopes, "SPREADS", 100)
    refitted["rhat"] = 1.5
    table = rb.sensitivity(fit.isel(draw=slice(6)), "total", confirm=True)
    all_four = [label for label in table.index
                if {f"{label} down", f"{label} halved"} <= set(refitted["cases"])]  # fmt: skip
    assert all_four
    for label in all_four:
        said = table.loc[label, "verdict"]
        assert [part.partition(":")[0] for part in said.split("; ")] == list(slopes.CHANGES)


def test_a_change_that_no_sound_study_has_says_so(
    fit: xr.DataTree, refitted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = slopes._changed

    def unsound(study: Study, prior: Any, name: str) -> Study:
        if name == "up":
            raise StudyError([Fault("priors.csv", None, "median", "", "the shares exceed 1")])
        return changed(study, prior, name)

    monkeypatch.setattr(slopes, "_changed", unsound)
    few = fit.isel(draw=slice(6))
    table = rb.sensitivity(few, "total", confirm=True)
    asked = [label for label in table.index if f"{label} down" in refitted["cases"]]
    assert asked
    assert table.loc[asked, "verdict"].str.contains("up: no study to fit: the shares exc").all()
    assert (table.loc[asked, "by"] == "slope").all()


def test_of_spreads_only_those_that_move_an_answer_far_are_fitted_again() -> None:
    """One that moves it less than the tenth of the centres is not worth two refits."""
    count = 12
    table = pd.DataFrame({
        "slope": 0.05, "down": -np.arange(count, 0.0, -1), "up": np.arange(count, 0.0, -1),
        "by": "weights", "slope_spread": 0.2, "halved": 0.5, "doubled": -2.9,
        "by_spread": "slope",
    }, index=[f"row {n}" for n in range(count)])  # fmt: skip
    table.loc["row 4", "doubled"] = 3.1
    table.loc["row 5", ["doubled", "by_spread"]] = [9.0, "weights"]
    table.loc["row 6", ["doubled", "slope_spread"]] = [9.0, 0.09]
    table.loc["row 11", ["slope", "by"]] = [0.11, "slope"]
    assert slopes._hanging(table) == {("row 4", "_spread"), ("row 11", "")}


# --- budget ---------------------------------------------------------------------------------------


def test_shares_of_a_budget_are_those_of_algebra_and_add_up(fit: xr.DataTree, study: Study) -> None:
    budget = rb.uncertainty_budget(fit, "total")
    _, factor = Priors().levels()
    _, cov = posterior(Priors())
    weights = GAINS @ factor
    total = weights @ cov @ weights
    inputs = np.square(cov @ weights) / total
    errors = np.square((OBSERVED @ factor) @ cov @ weights / STATED) / total
    assert inputs.sum() + errors.sum() == pytest.approx(1.0)  # the algebra itself
    exact = {
        "a": inputs[:3].sum(), "b": inputs[3], "c": inputs[4], "bias:customs": inputs[5],
        "bias:office": inputs[6], "shared:copied": inputs[7],
        "office": errors[[0, 1, 3, 6]].sum(), "customs": errors[[2, 4, 5]].sum(),
    }  # fmt: skip
    for name, share in exact.items():
        row = budget.loc[name]
        assert row["share"] == pytest.approx(share, abs=3 * row["error"] ** 2 + 1e-3), name
        assert row["sd"] == pytest.approx(np.sqrt(row["share"] * total), rel=1e-6)
    assert budget["share"].sum() == pytest.approx(1.0)
    assert abs(budget.loc[REST, "share"]) < 0.01
    idle = budget.drop([*exact, REST])
    assert (idle["share"].abs() < 1e-3).all()
    assert set(budget.loc[["office", "customs"], "kind"]) == {RECORDS}
    assert budget.attrs["not_quantified"] == ("Nobody counted stocks.",)


def test_a_written_budget_names_what_is_in_no_number(fit: xr.DataTree) -> None:
    budget = rb.uncertainty_budget(fit, "total")
    written = with_limits(budget)
    pd.testing.assert_frame_equal(written.iloc[:-1], budget)
    assert written.index[-1] == "Nobody counted stocks."
    assert written["kind"].iloc[-1] == "not quantified"
    assert written.iloc[-1].drop("kind").isna().all()
    silent = budget.copy()
    silent.attrs = {"not_quantified": ()}
    pd.testing.assert_frame_equal(with_limits(silent), budget)


def test_what_knowing_an_input_removes_is_a_regression(fit: xr.DataTree) -> None:
    budget = rb.uncertainty_budget(fit, "total")
    _, cov = posterior(Priors())
    _, factor = Priors().levels()
    weights = GAINS @ factor
    across = cov @ weights
    total = weights @ across
    for name, at in {"a": [0, 1, 2], "bias:customs": [5], "shared:copied": [7]}.items():
        exact = across[at] @ np.linalg.solve(cov[np.ix_(at, at)], across[at]) / total
        assert budget.loc[name, "removed"] == pytest.approx(exact, abs=2e-3)


# --- leaving out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["record", "reporter", "source", "kind"])
def test_leaving_out_by_weights_is_the_posterior_without(fit: xr.DataTree, by: str) -> None:
    columns = rb.study_of(fit).records
    groups = np.array([getattr(record, by) for record in columns])
    table = rb.leave_out(fit, "total", by=by, refit=False)
    assert set(table.index) == set(groups)
    mean, sd = answer(Priors())
    sure = table[table["by"] == "weights"]
    if by == "record":
        assert len(sure) > 3
    for name, row in sure.iterrows():
        without, spread = answer(Priors(), groups != name)
        assert row["change"] == pytest.approx(without - mean, abs=4 * row["error"] + 0.01)
        assert row["without"] == pytest.approx(row["change"] + mean, abs=0.01)
        assert row["sd_ratio"] == pytest.approx(spread / sd, rel=0.12)
        assert row["change_sd"] == pytest.approx(row["change"] / sd, rel=0.01)
    assert list(table["records"]) == [int((groups == name).sum()) for name in table.index]
    rest = table[table["by"] == ""]
    assert rest[["without", "change", "error"]].isna().all(axis=None)
    assert rest["verdict"].str.fullmatch(r"weights fail( \(k-hat [\d.]+\))?").all()
    assert (sure["verdict"] == "").all()


def test_what_cannot_be_left_out_says_why(fit: xr.DataTree, refitted: dict[str, Any]) -> None:
    few = fit.isel(draw=slice(6))
    found = leaving_out(few, {"total": None}, by="kind")["total"]
    assert list(found.index) == ["value"]
    with pytest.raises(ResultError, match="by must be one of record, reporter, source, kind"):
        rb.leave_out(fit, "total", by="year")


def test_the_fewest_records_are_those_of_the_largest_slopes(
    fit: xr.DataTree, refitted: dict[str, Any]
) -> None:
    table = rb.fewest_records(fit, "total", move=0.1)
    mean, sd = answer(Priors())
    _, factor = Priors().levels()
    at, cov = posterior(Priors())
    rows = OBSERVED @ factor
    logs = np.log([10.3, 10.1, 9.6, 5.2, 4.9, 4.1, 2.9]) - OBSERVED @ Priors().levels()[0]
    pulls = (GAINS @ factor) @ cov @ (rows.T * STATED**-2.0) * (logs - rows @ at)
    for direction, sign in (("down", -1), ("up", 1)):
        gains = -sign * pulls
        order = [n for n in np.argsort(-gains) if gains[n] > 0]
        reach = np.cumsum(gains[order])
        enough = int(np.searchsorted(reach, 0.1 * sd) + 1)
        row = table.loc[direction]
        assert enough <= len(order)
        assert row["names"] == tuple(NAMES[n] for n in order[:enough])
        assert row["first_order"] == pytest.approx(sign * reach[enough - 1], abs=0.05)
        kept = refitted["cases"][direction].records.names
        assert set(kept) == set(NAMES) - set(row["names"])
        assert row["refitted"] == pytest.approx(200 - mean, abs=0.3)
        assert row["verdict"].startswith("passed")
    with pytest.raises(ResultError, match="move must be above 0"):
        rb.fewest_records(fit, "total", move=0)


def test_refits_without_the_fewest_records_are_kept(
    fit: xr.DataTree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def refits(cases: dict[str, Study], *given: Any, **options: Any) -> dict[str, Refit]:
        asked.append(options)
        return {}

    monkeypatch.setattr(warm, "refits", refits)
    rb.fewest_records(fit, "total", move=0.1, out=tmp_path, progress=True)
    assert (asked[0]["folder"], asked[0]["progress"]) == (tmp_path, True)


def test_fewest_records_that_leave_no_sound_study_say_so(
    fit: xr.DataTree, refitted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsound(study: Study, kept: Any) -> Study:
        raise StudyError([Fault("records.csv", None, "shared", "", "a group of one record")])

    monkeypatch.setattr(Study, "with_records", unsound)
    table = rb.fewest_records(fit, "total", move=0.1)
    assert (table["verdict"] == "no study to fit: a group of one record").all()
    assert table["refitted"].isna().all()
    assert table["first_order"].notna().all()


def test_no_refit_is_made_where_none_is_wanted(fit: xr.DataTree, refitted: dict[str, Any]) -> None:
    table = rb.fewest_records(fit, "total", move=0.2, confirm=False)
    assert "cases" not in refitted
    assert table["refitted"].isna().all()
    out_of_reach = rb.fewest_records(fit, "total", move=50.0)
    assert list(out_of_reach["records"]) == [0, 0]
    assert out_of_reach["first_order"].isna().all()


# --- the tornado ----------------------------------------------------------------------------------


def test_a_tornado_has_a_bar_to_either_side(table: pd.DataFrame) -> None:
    ax = rb.plot_tornado(table, count=3, title="total")
    labels = [text.get_text() for text in ax.get_yticklabels()]
    sizes = table[["down", "up"]].abs().max(axis=1).sort_values(ascending=False)
    assert labels == list(sizes.index[:3])  # from above
    widths = [bar.get_width() for bar in ax.patches]
    assert sorted(widths) == pytest.approx(sorted(table.loc[labels, ["down", "up"]].stack()))
    assert "kt REO" in ax.get_xlabel()
    assert not any(bar.get_hatch() for bar in ax.patches)
    texts = [text.get_text() for text in ax.texts]
    ranks = [rank_text(*table.loc[label, ["rank_from", "rank_to"]]) for label in labels]
    assert texts == [*ranks, "rank"]
    first_order = rb.plot_tornado(table.assign(by="slope"), count=3)
    assert all(bar.get_hatch() for bar in first_order.patches)
    with pytest.raises(ResultError, match="No row of the table moves the answer"):
        rb.plot_tornado(table.assign(down=0.0, up=np.nan))


# --- a fit carries its study ----------------------------------------------------------------------


def test_the_study_of_a_fit_is_the_one_that_was_fitted(fit: xr.DataTree, study: Study) -> None:
    found = rb.study_of(fit)
    assert (found.hash, found.description_hash) == (study.hash, study.description_hash)
    assert found.texts == study.texts


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("a10,a,", "a10,gold,"), "no sound study"),
        (lambda text: text.replace("10.3", "10.4"), "not those of the study that it names"),
        (lambda text: "", "no sound study"),
        (lambda text: text[: len(text) // 2], "no sound study"),
    ],
    ids=["unknown quantity", "another figure", "empty", "cut"],
)
def test_damaged_tables_in_a_fit_are_told(
    fit: xr.DataTree, spoil: Callable[[str], str], message: str
) -> None:
    damaged = fit.copy()
    tables = fit["constant_data"].to_dataset()
    texts = tables["study_text"].copy()
    texts.loc[{"study_file": "records.csv"}] = spoil(
        str(texts.sel(study_file="records.csv").item())
    )
    damaged["constant_data"] = xr.DataTree(tables.assign(study_text=texts))
    with pytest.raises(ResultError, match=message):
        rb.study_of(damaged)


def test_a_fit_without_the_text_of_its_study_is_told(fit: xr.DataTree) -> None:
    bare = fit.copy()
    tables = fit["constant_data"].to_dataset().isel(study_file=slice(0))
    bare["constant_data"] = xr.DataTree(tables)
    with pytest.raises(ResultError, match="no sound study"):
        rb.study_of(bare)


@dataclass(frozen=True)
class Real:
    """A study that was sampled."""

    study: Study
    fit: xr.DataTree


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    far = "r_far,made,2014,,upper,,,300,kt REO,,0.1,survey,yearbook,\n"  # of no draw's concern
    folder = tmp_path_factory.mktemp("real") / "tiny"
    study = read_study(write_tables(folder, records=RECORD_ROWS + far))
    return Real(study, rb.fit(study, seed=3, draws=500, tune=250, chains=4, progress=False))


@pytest.mark.slow_ci
@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_arviz_works_on_a_fit_as_it_is(real: Real) -> None:
    import arviz_stats

    found = arviz_stats.loo(real.fit, pointwise=True)
    assert np.isfinite(found.elpd)
    names = real.fit["log_likelihood"]["record"].values.tolist()
    assert set(real.study.records.names) - set(names) == {"r_zero", "r_far"}
    summary = arviz_stats.psense_summary(real.fit, var_names=["bias", "noise"])
    assert np.isfinite(summary[["prior", "likelihood"]]).all(axis=None)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_arviz_weighs_records_where_bounds_are_far_from_all_draws(tmp_path: Path) -> None:
    import arviz_stats

    far = "r_far,made,2014,,upper,,,300,kt REO,,0.1,survey,yearbook,\n"
    study = read_study(write_tables(tmp_path / "tiny", records=RECORD_ROWS + far))
    found = arviz_stats.loo(stand_in_fit(study, 60), pointwise=True, reff=1.0)
    assert np.isfinite(found.elpd_i).all()
    assert set(study.records.names) - {*found.elpd_i["record"].values} == {"r_zero", "r_far"}


@pytest.mark.slow_ci
def test_the_log_prior_of_a_fit_is_that_of_its_latents(real: Real) -> None:
    from scipy.stats import norm

    group = real.fit["log_prior"]["value"]
    assert group["prior_row"].values.tolist() == [prior.label for prior in real.study.priors]
    latents = real.fit["posterior"]["latents"]
    for row in prior_rows(real.study, lay_out(real.study)):
        expected = norm.logpdf(latents.values[..., row.latents].astype(float)).sum(axis=-1)
        found = group.sel(prior_row=row.prior.label)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_log_prior_is_that_of_the_unknowns_of_its_row(tmp_path: Path) -> None:
    """Which these are is written out: a moving row has its years, a constant its first period."""
    from scipy.stats import norm

    study = read_study(write_tables(tmp_path / "tiny"))
    layout = lay_out(study)
    latents = np.random.default_rng(1).normal(size=(2, 3, layout.unknowns.size))
    found = log_prior(prior_rows(study, layout), latents)["value"]
    assert found.shape == (2, 3, len(study.priors))
    by_label = {prior.label: found[..., n] for n, prior in enumerate(study.priors)}
    governed = {
        "ore": [f"ore[{year}]" for year in study.years],
        "bias:customs[2013-2015]": [f"bias:customs[{year}]" for year in (2013, 2014, 2015)],
        "hidden_ore[2010-2011]": ["hidden_ore"],
        "hidden_ore[2014-2015]": [],
        "metal": ["metal"],
        "bias:*": ["bias:journalist", "bias:ministry"],
        "noise:*": ["noise:customs", "noise:ministry", "noise:survey"],
        "step:market": ["step:market"],
    }
    for label, names in governed.items():
        at = [layout.latents.index(name) for name in names]
        expected = norm.logpdf(latents[..., at]).sum(axis=-1)
        np.testing.assert_allclose(by_label[label], expected, rtol=1e-5, err_msg=label)


@pytest.mark.slow
def test_weights_and_a_refit_agree_on_a_row_with_a_small_khat(real: Real) -> None:
    from reebayes.results.reading import contents_of

    table = rb.sensitivity(real.fit, "mined")
    sure = table[(table["by"] == "weights") & (table["khat"] < 0.4) & (table["slope"].abs() > 0.05)]
    assert len(sure)
    for label, row in list(sure.iterrows())[:2]:
        year = int(row["years"][:4]) if row["years"] else None
        cases = {"up": real.study.with_prior(row["target"], year=year, shift=1.0)}
        found = warm.refits(cases, contents_of(real.fit), {"mined": None}, seed=1)["up"]
        assert found.passed, (label, found.verdict)
        mean = float(real.fit["posterior"]["quantities"].sel(quantity="mined").sum("year").mean())
        other, error = found.mean("mined")
        own = warm.mean_error(
            real.fit["posterior"]["quantities"].sel(quantity="mined").sum("year").values
        )
        limit = 4 * np.hypot(np.hypot(error, own), row["up_error"])
        assert row["up"] == pytest.approx(other - mean, abs=limit), label
