"""Scores of fits: what importance sampling may say, what refits must, and differences."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import logsumexp

from reebayes.answers.scores import compare, read_comparison, record_scores
from reebayes.answers.scores_text import LOO
from reebayes.errors import FitError, ResultError
from reebayes.reporting.spreadsheets import write_csv
from tests.fakes import RECORDS, fake_fit

NAMES = [str(name) for name in RECORDS.index]
WILD = NAMES[3]


def scored_fit(shift: float = 0.0, *, spread: float = 0.1, wild: bool = False) -> xr.DataTree:
    """Fit of random numbers whose log-likelihood is that of a normal mean, known exactly."""
    rng = np.random.default_rng(3)
    fit = fake_fit(chains=2, draws=500)
    size = (2, 500, len(NAMES))
    mean = rng.normal(shift, spread, size)
    if wild:
        # weights of exp(mean^2 / 2) have a Pareto tail of shape 1.2^2
        mean[..., NAMES.index(WILD)] = rng.normal(0.0, 1.2, size[:2])
    terms = -0.5 * np.log(2 * np.pi) - 0.5 * mean**2
    fit["log_likelihood"] = xr.DataTree(
        xr.Dataset(
            {"value": (("chain", "draw", "record"), terms.astype(np.float32))},
            coords=fit["log_likelihood"].coords,
        )
    )
    del fit["log_likelihood_of_parts"]  # no record is a part here
    return fit


def test_scores_are_those_of_exact_leave_one_out() -> None:
    """Harmonic means of the density are exact for so mild a likelihood."""
    fit = scored_fit(0.3)
    table = record_scores(fit)
    terms = fit["log_likelihood"]["value"].values.astype(float).reshape(-1, len(NAMES))
    exact = np.log(len(terms)) - logsumexp(-terms, axis=0)
    assert list(table.index) == NAMES
    assert table["trusted"].all()
    np.testing.assert_allclose(table["elpd"], exact, atol=5e-3)


def test_records_without_information_are_not_scored() -> None:
    fit = scored_fit()
    fit["log_likelihood"]["value"][..., 2] = 0.0
    assert NAMES[2] not in record_scores(fit).index


def test_differences_are_record_by_record() -> None:
    result = compare({"base": scored_fit(0.0), "off": scored_fit(0.5)})
    base, off = (table["elpd"].to_numpy() for table in map(record_scores, two_fits()))
    row = result.table.set_index("variant").loc["off"]
    assert row["elpd_diff"] == pytest.approx((off - base).sum())
    assert row["se_diff"] == pytest.approx(np.sqrt(len(NAMES) * np.var(off - base)))
    assert row["elpd"] == pytest.approx(off.sum())
    assert result.table["elpd_diff"].iloc[0] == 0
    assert result.table["weight"].sum() == pytest.approx(1, abs=1e-4)
    assert list(result.table["records"]) == [len(NAMES)] * 2


def two_fits() -> list[xr.DataTree]:
    """Return the fits of the test of differences."""
    return [scored_fit(0.0), scored_fit(0.5)]


def test_a_record_that_one_fit_cannot_score_is_scored_in_none() -> None:
    fits = {"base": scored_fit(), "wild": scored_fit(wild=True)}
    result = compare(fits)
    assert list(result.table["records"]) == [len(NAMES) - 1] * 2
    assert list(result.table["unscored"]) == [1, 1]
    assert list(result.table["high_k"]) == [0, 1]
    points = result.pointwise.set_index(["variant", "record"])
    assert not points.loc[("base", WILD), "used"]
    assert points.loc[("base", WILD), "why"] == "no score in wild"
    assert points.loc[("wild", WILD), "pareto_k"] > 0.7


def test_a_third_fit_does_not_change_the_difference_of_two() -> None:
    pair = compare({"base": scored_fit(), "off": scored_fit(0.5)}).table.set_index("variant")
    fits = {"base": scored_fit(), "off": scored_fit(0.5), "wild": scored_fit(wild=True)}
    three = compare(fits).table.set_index("variant")
    for column in ("elpd_diff", "se_diff", "diff_records"):
        assert three.loc["off", column] == pair.loc["off", column]
    assert three.loc["wild", "diff_records"] == three.loc["off", "records"] == len(NAMES) - 1


def test_refits_stand_in_for_it_in_every_fit() -> None:
    fits = {"base": scored_fit(), "wild": scored_fit(wild=True)}
    exact = {
        "base": pd.Series({WILD: -1.5, NAMES[0]: -99.0}),
        "wild": pd.Series({WILD: -2.5, NAMES[0]: -99.0}),
    }
    result = compare(fits, refits={LOO: exact})
    assert list(result.table["records"]) == [len(NAMES)] * 2
    assert list(result.table["refitted"]) == [1, 1]
    points = result.pointwise.set_index(["variant", "record"])["elpd"]
    assert points["base", WILD] == -1.5
    assert points["wild", WILD] == -2.5
    assert points["base", NAMES[0]] > -99
    plain = compare(fits).table
    extra = result.table["elpd"] - plain["elpd"]
    np.testing.assert_allclose(extra, [-1.5, -2.5])


def test_other_scores_are_reported_by_themselves() -> None:
    refits = {
        "years after 2012": {
            "base": pd.Series({"r05": -1.0, "r06": -2.0}),
            "off": pd.Series({"r05": -1.5, "r06": -2.25, "r07": -3.0}),
        }
    }
    result = compare({"base": scored_fit(), "off": scored_fit(0.5)}, refits=refits)
    rows = result.table.set_index(["score", "variant"]).loc["years after 2012"]
    assert rows.loc["off", "elpd_diff"] == pytest.approx(-0.75)
    assert list(rows["records"]) == [2, 2]
    assert list(rows["unscored"]) == [1, 1]
    points = result.pointwise.set_index(["score", "variant", "record"])["why"]
    assert points["years after 2012", "off", "r07"] == "no score in base"
    text = str(result)
    refitted, sampled = (text.index(part) for part in ("years after 2012", "PSIS"))
    assert refitted < sampled


def test_a_variant_with_fewer_records_is_compared_on_what_both_have() -> None:
    fewer = scored_fit(0.5).isel(record=slice(2, None))
    result = compare({"base": scored_fit(), "fewer": fewer})
    assert list(result.table["records"]) == [len(NAMES) - 2] * 2
    assert "No record is missing" in str(compare({"base": scored_fit()}))


def held(names: list[str], *gaps: float) -> dict[str, dict[str, pd.Series]]:
    """Return scores of folds: those of the first fit at -1, of others that much beyond."""
    fits = {"base": 0.0, **{f"v{n}": gap for n, gap in enumerate(gaps)}}
    return {"folds": {name: pd.Series(-1.0 + gap, index=names) for name, gap in fits.items()}}


def test_records_that_a_variant_leaves_out_or_reads_otherwise_are_told() -> None:
    fewer = scored_fit(0.5).isel(record=slice(1, None))
    bound = scored_fit(0.2)
    stated = bound["constant_data"].to_dataset()
    kinds, low = (stated[f"record_{name}"].values.copy() for name in ("kind", "low"))
    kinds[NAMES.index("r10")], low[NAMES.index("r10")] = "lower", 0.2
    stated = stated.assign(record_kind=("record", kinds), record_low=("record", low))
    bound["constant_data"] = xr.DataTree(stated)
    refits = held(NAMES, 0.5, 0.25)
    refits["folds"]["v0"] = refits["folds"]["v0"].drop(NAMES[0])
    result = compare({"base": scored_fit(), "v0": fewer, "v1": bound}, refits=refits)
    rows = result.table.set_index(["score", "variant"]).loc["folds"]
    count = len(NAMES) - 2
    assert list(rows["records"]) == list(rows["diff_records"]) == [count] * 3
    assert list(rows["left_out"]) == list(rows["read_otherwise"]) == [1] * 3
    assert rows.loc["v1", "elpd_diff"] == pytest.approx(0.25 * count)
    why = result.pointwise.set_index(["score", "variant", "record"])["why"]
    assert why["folds", "base", NAMES[0]] == "left out by v0"
    assert why["folds", "v1", "r10"] == "read otherwise by v1"
    told = "Not compared: 1 left out by some variant; 1 read otherwise by some variant."
    assert told in str(result)


def test_only_fits_with_the_records_of_the_first_have_weights() -> None:
    turns = pd.Series(np.where(np.arange(len(NAMES)) % 3, 0.0, 1.0), index=NAMES)
    folds = {"base": -1.0 - turns, "off": -1.5 + turns, "fewer": -1.0 - 0.1 * turns}
    fits = {"base": scored_fit(), "off": scored_fit(0.5)}
    pair = compare(fits, refits={"folds": {name: folds[name] for name in fits}}).table
    fits["fewer"] = scored_fit(0.1).isel(record=slice(1, None))
    folds["fewer"] = folds["fewer"].drop(NAMES[0])
    result = compare(fits, refits={"folds": folds})
    known, found = (
        table[table["score"] == "folds"].set_index("variant")["weight"]
        for table in (pair, result.table)
    )
    assert 0.1 < known["off"] < 0.9
    assert np.isnan(found["fewer"])
    # of all records: the one that another fit has not is no reason to weigh without it
    pd.testing.assert_series_equal(found.drop("fewer"), known)
    assert "nan" not in str(result)


def test_differences_by_reporter_and_over_sets() -> None:
    reporters = RECORDS["reporter"]
    gaps = pd.Series(np.arange(len(NAMES), dtype=float), index=NAMES)
    refits = {"folds": {"base": 0 * gaps, "off": gaps}}
    groups = {"some": ["poli*", "office"]}
    fits = {"base": scored_fit(), "off": scored_fit(0.5)}
    found = compare(fits, refits=refits, groups=groups).groups
    rows = found.set_index(["score", "variant", "kind", "group"]).loc["folds", "off"]
    for name in reporters.unique():
        own = gaps[(reporters == name).to_numpy()]
        row = rows.loc["reporter", name]
        assert row["elpd_diff"] == pytest.approx(own.sum())
        assert row["se_diff"] == pytest.approx(np.sqrt(own.size * own.var(ddof=0)))
    both = gaps[reporters.isin(["police", "office"]).to_numpy()]
    row = rows.loc["set", "some"]
    assert row["records"] == both.size
    assert row["elpd_diff"] == pytest.approx(both.sum())
    assert rows.loc["reporter", "elpd_diff"].sum() == pytest.approx(gaps.sum())
    with pytest.raises(ResultError, match="Did you mean 'police'"):
        compare(fits, groups={"some": ["polise"]})


def test_headline_quantities_stand_side_by_side() -> None:
    result = compare({"base": scored_fit(), "off": scored_fit(0.5)})
    rows = result.quantities.set_index(["quantity", "variant"])
    assert set(rows.index.get_level_values(0)) == {"mined_A_hidden", "smuggled"}
    total = fake_fit(chains=2, draws=500)["posterior"]["quantities"].sel(quantity="smuggled")
    assert rows.loc[("smuggled", "base"), "median"] == pytest.approx(
        float(total.sum("year").median())
    )
    assert rows.loc[("smuggled", "base"), "below_first_median"] == pytest.approx(0.5)


def test_parts_stand_beside_their_headline_quantity() -> None:
    fit = scored_fit()
    fit.attrs["report"] = json.dumps(
        {"headline": ["smuggled"], "parts": {"smuggled": ["mined_A_hidden", "consumed_A"]}}
    )
    rows = compare({"base": fit, "off": fit}).quantities
    assert list(dict.fromkeys(rows["quantity"])) == ["smuggled", "mined_A_hidden", "consumed_A"]


def test_what_did_not_converge_is_not_compared() -> None:
    fit = scored_fit()
    fit.attrs["converged"] = "no"
    with pytest.raises(FitError, match=r"Did not converge: off\."):
        compare({"base": scored_fit(), "off": fit})
    forced = compare({"base": scored_fit(), "off": fit}, force=True)
    assert list(forced.table["converged"]) == ["yes", "no"]


def test_nothing_to_compare() -> None:
    with pytest.raises(ResultError, match="no fit to compare"):
        compare({})


def test_one_fit_is_scored_alone() -> None:
    table = compare({"base": scored_fit()}).table
    assert table["elpd_diff"].item() == 0
    assert table["weight"].item() == 1


def test_tables_are_read_back(tmp_path: Path) -> None:
    result = compare({"base": scored_fit(), "wild": scored_fit(wild=True)})
    write_csv(result.tables, tmp_path)
    again = read_comparison(tmp_path)
    assert str(again) == str(result)
    pd.testing.assert_frame_equal(again.table, result.table, rtol=1e-5, check_dtype=False)


def test_a_folder_without_a_comparison(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"comparison\.csv: no such file"):
        read_comparison(tmp_path)
    (tmp_path / "comparison.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ResultError, match="has no 'variant'"):
        read_comparison(tmp_path)
