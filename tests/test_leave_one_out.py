"""A record taken out by weights against the same in closed form, in a linear normal model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm

from reebayes.answers.leave_one_out import LeftOut, disagreement, influence, influences
from reebayes.errors import ResultError
from reebayes.results.description import constant_data
from reebayes.results.reading import contents_of
from reebayes.study import read_study
from tests.fakes import fake_fit
from tests.tiny import shared_tables, write_tables
from tests.toys import Linear, record_fit


@pytest.fixture(scope="module")
def model() -> Linear:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(12, 5))
    logs = rows @ rng.normal(size=5) + rng.normal(size=12)
    return Linear(rows, logs, np.full(12, 1.0), np.array([1.0, -0.5, 0.3, 0.0, 0.2]))


@pytest.fixture(scope="module")
def fit(model: Linear) -> xr.DataTree:
    return model.fit()


# --- influence ------------------------------------------------------------------------------------


def test_first_order_is_the_derivative_in_the_weight_of_the_record(
    model: Linear, fit: xr.DataTree
) -> None:
    found = influence(fit, "q")
    for record in range(12):
        row = found.loc[f"r{record}"]
        assert abs(row["first_order"] - model.slope(record)) < 4.5 * row["first_order_error"]
        assert row["first_order_error"] < 0.02


def test_left_out_is_what_the_posterior_mean_changes_by(model: Linear, fit: xr.DataTree) -> None:
    found = influence(fit, "q")
    reliable = found[found["reliable"]]
    assert len(reliable) > 6
    for name, row in reliable.iterrows():
        exact = model.mean() - model.mean(int(str(name)[1:]))
        assert row["left_out"] == pytest.approx(exact, abs=4.5 * row["left_out_error"] + 0.01)
        assert row["pull"] == row["left_out"]


def test_first_order_is_too_small_by_what_the_record_tells_of_itself(model: Linear) -> None:
    for record in range(12):
        row = model.rows[record]
        rest = 1 - row @ model.posterior()[1] @ row / model.sd[record] ** 2
        exact = model.mean() - model.mean(record)
        assert model.slope(record) == pytest.approx(rest * exact)


def test_those_that_move_most_come_first(model: Linear, fit: xr.DataTree) -> None:
    found = influence(fit, "q")
    assert found["pull"].abs().is_monotonic_decreasing
    exact = np.array([model.mean() - model.mean(int(name[1:])) for name in found.index])
    assert abs(exact[:4]).min() > abs(exact[-4:]).max()
    assert set(found["unit"]) == {"kt REO"}


def test_reporters_are_taken_out_whole(model: Linear, fit: xr.DataTree) -> None:
    records, reporters = influence(fit, "q"), influence(fit, "q", by="reporter")
    for n in range(6):
        row = reporters.loc[f"office{n}"]
        pair = [f"r{2 * n}", f"r{2 * n + 1}"]
        assert row["first_order"] == pytest.approx(records.loc[pair, "first_order"].sum())
        assert row["records"] == 2
        if row["reliable"]:
            exact = model.mean() - model.mean(2 * n, 2 * n + 1)
            assert row["left_out"] == pytest.approx(exact, abs=4.5 * row["left_out_error"] + 0.02)
    assert reporters["reliable"].sum() >= 2


def test_weights_that_a_few_draws_dominate_are_not_trusted() -> None:
    """A record ten times sharper than the prior, alone: nothing else says where it would be."""
    rows, logs = np.eye(2), np.array([2.0, 0.5])
    model = Linear(rows, logs, np.array([0.1, 1.0]), np.array([1.0, 1.0]))
    row = influence(model.fit(), "q").loc["r0"]
    assert row["khat"] > 0.7
    assert not row["reliable"]
    assert row["pull"] == row["first_order"]
    assert row["error"] == row["first_order_error"]


def test_the_error_is_the_spread_over_other_draws(model: Linear) -> None:
    runs = [influence(model.fit(draws=500, seed=seed), "q").loc["r3"] for seed in range(40)]
    for name in ("first_order", "left_out"):
        spread = np.std([run[name] for run in runs])
        assert np.mean([run[f"{name}_error"] for run in runs]) == pytest.approx(spread, rel=0.35)


def test_a_record_that_tells_nothing_moves_nothing(model: Linear, fit: xr.DataTree) -> None:
    silent = fit.copy()
    terms = fit["log_likelihood"]["value"].copy()
    terms[..., 4] = 0.0
    silent["log_likelihood"] = xr.Dataset({"value": terms})
    row = influence(silent, "q").loc["r4"]
    assert row["pull"] == pytest.approx(0.0, abs=1e-12)
    assert row["reliable"]


def test_years_may_be_one_or_several() -> None:
    fit = fake_fit()
    sums = influence(fit, "mined_world")
    assert set(sums["unit"]) == {"kt REO"}
    one = influence(fit, "mined_world", 2012)
    assert set(one["unit"]) == {"kt REO/yr"}
    by_year = [influence(fit, "mined_world", y)["first_order"] for y in range(2010, 2016)]
    added = pd.concat(by_year, axis=1).sum(axis=1)
    pd.testing.assert_series_equal(added, sums["first_order"], check_like=True, check_names=False)
    part = influence(fit, "mined_world", (2010, 2011))["first_order"]
    added = pd.concat(by_year[:2], axis=1).sum(axis=1)
    pd.testing.assert_series_equal(added, part, check_like=True, check_names=False)
    both = influences(fit, {"mined_world": 2012, "smuggled": None})
    pd.testing.assert_frame_equal(both["mined_world"], one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("smugled",), "Did you mean 'smuggled'"),
        (("smuggled", 1999), "Year 1999 is not inside 2010 to 2015"),
        (("smuggled", (2009, 2012)), "not inside 2010 to 2015"),
        (("share_hidden",), "is a ratio"),
    ],
)
def test_what_cannot_be_asked(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ResultError, match=message):
        influence(fake_fit(), *arguments)  # type: ignore[arg-type]
    with pytest.raises(ResultError, match="must be 'record' or 'reporter'"):
        influence(fake_fit(), "smuggled", by="source")


def test_a_quantity_that_does_not_exist_in_a_year_is_refused() -> None:
    fit = fake_fit()
    gone = fit["posterior"].to_dataset()
    draws = gone["quantities"].copy()
    draws.loc[{"quantity": "share_hidden", "year": 2012}] = np.nan
    fit["posterior"] = gone.assign(quantities=draws)
    with pytest.raises(ResultError, match="does not exist in 2012"):
        influence(fit, "share_hidden", 2012)


# --- disagreement ---------------------------------------------------------------------------------


def test_z_is_that_of_the_rest_of_the_records(model: Linear, fit: xr.DataTree) -> None:
    found = disagreement(fit)
    assert sorted(found.index) == sorted(f"r{n}" for n in range(12))
    for name, row in found.iterrows():
        centre, spread = model.rest(int(str(name)[1:]))
        z = (model.logs[int(str(name)[1:])] - centre) / spread
        assert row["z"] == pytest.approx(z, abs=0.1)
        assert row["tail"] == pytest.approx(2 * norm.sf(abs(row["z"])))
        assert np.log(row["expected"]) == pytest.approx(centre, abs=0.12)
        width = np.log(row["expected_upper"] / row["expected_lower"]) / (2 * 1.6449)
        assert width == pytest.approx(spread, rel=0.1)


def test_without_weights_to_trust_the_rest_is_found_in_closed_form(
    model: Linear, fit: xr.DataTree
) -> None:
    known = LeftOut.of(contents_of(fit))
    weighed = disagreement(fit, left_out=known)
    found = disagreement(fit, left_out=replace(known, table=known.table.assign(reliable=False)))
    for name, row in found.iterrows():
        centre, spread = model.rest(int(str(name)[1:]))
        assert np.log(row["expected"]) == pytest.approx(centre, abs=0.2)
        width = np.log(row["expected_upper"] / row["expected_lower"]) / (2 * 1.6449)
        assert width == pytest.approx(spread, rel=0.1)
    trusted = weighed.index[weighed["reliable"].to_numpy(dtype=bool)]
    assert not (found.loc[trusted, "z"] == weighed.loc[trusted, "z"]).any()


def test_a_planted_gross_error_comes_first(model: Linear) -> None:
    """In every place, whether or not its weights can be trusted."""
    trusted = []
    for record in range(12):
        logs = model.rows @ np.array([0.3, -0.2, 0.1, 0.4, 0.0])
        logs[record] += 8.0
        found = disagreement(Linear(model.rows, logs, model.sd, model.weights).fit(draws=1000))
        assert found.index[0] == f"r{record}"
        assert found["z"].iloc[0] > 3
        trusted.append(bool(found["reliable"].iloc[0]))
    assert not all(trusted)


def test_a_record_that_stands_alone_is_held_against_the_prior() -> None:
    model = Linear(np.eye(2), np.array([2.0, 0.5]), np.array([0.5, 1.0]), np.ones(2))
    row = disagreement(model.fit()).loc["r0"]
    assert row["z"] == pytest.approx(2.0 / np.sqrt(1.25), rel=0.15)


def test_bounds_are_held_against_the_probability_of_their_side() -> None:
    rng = np.random.default_rng(3)
    mean, spread, sd, high = 0.4, 0.2, 0.2, 0.2
    located = rng.normal(mean, spread, 200_000)
    chance = norm.cdf((high - located) / sd)
    located = located[rng.uniform(size=located.size) < chance][:12_000]
    terms = norm.logcdf((high - located) / sd)[:, None]
    replicates = (located + sd * rng.standard_normal(located.size))[:, None]
    columns: dict[str, list[object]] = {"kind": ["upper"], "high": [np.exp(high)]}
    fit = record_fit(
        np.exp(located)[:, None], terms, replicates, np.array([np.nan]), np.array([sd]), **columns
    )
    row = disagreement(fit).loc["r0"]
    exact = norm.cdf((high - mean) / np.hypot(spread, sd))
    assert row["tail"] == pytest.approx(exact, rel=0.08)
    assert row["z"] == pytest.approx(norm.ppf(exact / 2), rel=0.05)
    assert np.isnan(row["stated"])


@pytest.mark.parametrize(
    ("kind", "low", "high", "sign"),
    [("lower", 2.0, np.nan, 1), ("range", 2.0, 3.0, 1), ("range", 0.3, 0.5, -1)],
)
def test_a_bound_on_the_wrong_side_has_the_sign_of_the_gap(
    kind: str, low: float, high: float, sign: int
) -> None:
    rng = np.random.default_rng(4)
    located = rng.normal(0.0, 0.2, 4000)
    terms = norm.logsf((np.log(low) - located) / 0.2)[:, None]
    if kind == "range":
        cdf = norm.cdf((np.log([[low], [high]]) - located) / 0.2)
        terms = np.log(cdf[1] - cdf[0])[:, None]
    columns: dict[str, list[object]] = {"kind": [kind], "low": [low], "high": [high]}
    fit = record_fit(
        np.exp(located)[:, None], terms, (located + 0.2 * rng.standard_normal(4000))[:, None],
        np.array([np.nan]), np.array([0.2]), **columns,
    )  # fmt: skip
    z = disagreement(fit).loc["r0", "z"]
    assert np.sign(z) == sign
    assert abs(z) > 2


def test_of_two_alternative_values_the_nearer_one_counts(model: Linear, fit: xr.DataTree) -> None:
    first = disagreement(fit)
    name = str(first.index[0])
    twice = fit.copy()
    nearer = np.full(12, np.nan)
    nearer[int(name[1:])] = first.loc[name, "expected"]
    constant = fit["constant_data"].to_dataset().assign(record_other=("record", nearer))
    twice["constant_data"] = constant
    found = disagreement(twice)
    assert abs(found.loc[name, "z"]) < 0.1
    others = [other for other in first.index if other != name]
    np.testing.assert_allclose(found.loc[others, "z"], first.loc[others, "z"])


def test_a_fit_keeps_alternative_values(tmp_path: Path) -> None:
    study = read_study(write_tables(tmp_path / "tiny", **shared_tables()))
    constant = constant_data(study)
    assert constant["record_other"].sel(record="r_share") == 0.4
    assert np.isnan(constant["record_other"].sel(record="r_value"))


def test_records_that_say_nothing_are_left_out(fit: xr.DataTree) -> None:
    certain = fit.copy()
    replicates = fit["posterior_predictive"]["value"].copy()
    replicates[..., 4] = np.nan
    certain["posterior_predictive"] = xr.Dataset({"value": replicates})
    assert "r4" not in disagreement(certain).index


def test_few_draws_are_never_trusted(model: Linear) -> None:
    fit = model.fit(draws=5)
    assert not influence(fit, "q")["reliable"].any()
    assert np.isfinite(disagreement(fit)["z"]).all()
