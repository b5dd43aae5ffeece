"""Scores of fits: what importance sampling may say, what refits must, and differences."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import logsumexp

from reebayes.answers.scores import LOO, compare, read_comparison, record_scores, untrusted
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
    assert untrusted(fits) == [WILD]
    result = compare(fits)
    assert list(result.table["records"]) == [len(NAMES) - 1] * 2
    assert list(result.table["unscored"]) == [1, 1]
    assert list(result.table["high_k"]) == [0, 1]
    points = result.pointwise.set_index(["variant", "record"])
    assert not points.loc[("base", WILD), "used"]
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
    assert "left out together: years after 2012" in str(result)


def test_a_variant_with_fewer_records_is_compared_on_what_both_have() -> None:
    fewer = scored_fit(0.5).isel(record=slice(2, None))
    result = compare({"base": scored_fit(), "fewer": fewer})
    assert list(result.table["records"]) == [len(NAMES) - 2] * 2


def test_headline_quantities_stand_side_by_side() -> None:
    result = compare({"base": scored_fit(), "off": scored_fit(0.5)})
    rows = result.quantities.set_index(["quantity", "variant"])
    assert set(rows.index.get_level_values(0)) == {"mined_A_hidden", "smuggled"}
    total = fake_fit(chains=2, draws=500)["posterior"]["quantities"].sel(quantity="smuggled")
    assert rows.loc[("smuggled", "base"), "median"] == pytest.approx(
        float(total.sum("year").median())
    )
    assert rows.loc[("smuggled", "base"), "below_first_median"] == pytest.approx(0.5)


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
