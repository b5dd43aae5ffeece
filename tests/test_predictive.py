"""Predictive checks: ranks and shares of known replicas."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from reebayes.answers.predictive import ALL, predictive_check
from reebayes.errors import ResultError
from reebayes.figures.ranks import plot_predictive
from tests.fakes import RECORDS, fake_fit, seen

mpl.use("agg")

DRAWS = 4000


def known_fit(offset: float = 0.0) -> xr.DataTree:
    """Fit whose replicas are normal, a tenth wide, `offset` tenths above what was printed."""
    fit = fake_fit()
    rng = np.random.default_rng(0)
    stated = RECORDS["value"].fillna(RECORDS["high"]).fillna(RECORDS["low"])
    values = seen(stated) + 0.1 * (offset + rng.standard_normal((1, DRAWS, len(RECORDS))))
    names = fit["posterior_predictive"]["record"].values
    replicas = xr.Dataset(
        {"value": (("chain", "draw", "record"), values)},
        coords={"chain": [0], "draw": np.arange(DRAWS), "record": names},
    )
    fit["posterior_predictive"] = xr.DataTree(replicas)
    return fit


def test_ranks_are_those_of_the_normal() -> None:
    records = predictive_check(known_fit(offset=1.0)).records
    assert records.loc["r01", "pit"] == pytest.approx(norm.cdf(-1), abs=0.03)
    assert np.isnan(records.loc["r01", "chance"])


def test_a_bound_has_a_chance_and_no_rank() -> None:
    records = predictive_check(known_fit(offset=1.0)).records
    assert np.isnan(records.loc["r04", "pit"])
    assert records.loc["r04", "chance"] == pytest.approx(norm.cdf(-1), abs=0.03)
    assert records.loc["r07", "chance"] == pytest.approx(norm.cdf(1), abs=0.03)
    low, high = np.log([0.05, 0.3])
    width = norm.cdf((high - np.log(0.3)) / 0.1 - 1) - norm.cdf((low - np.log(0.3)) / 0.1 - 1)
    assert records.loc["r05", "chance"] == pytest.approx(width, abs=0.03)


@pytest.mark.parametrize(("offset", "half", "most"), [(0.5, 1, 1), (1.2, 0, 1), (2.0, 0, 0)])
def test_shares_inside_bands(offset: float, half: float, most: float) -> None:
    summary = predictive_check(known_fit(offset)).summary.set_index(["reporter", "kind"])
    assert summary.loc[("survey", "value"), "inside_50"] == half
    assert summary.loc[("survey", "value"), "inside_90"] == most
    assert summary.loc[(ALL, "value"), "records"] == (RECORDS["kind"] == "value").sum()
    assert np.isnan(summary.loc[("police", "upper"), "inside_90"])


def test_the_prior_is_checked_too() -> None:
    fit = known_fit()
    table = predictive_check(fit).summary
    assert {"prior_inside_50", "prior_inside_90", "prior_pit", "prior_chance"} <= set(table)
    bare = fit.copy()
    del bare["prior_predictive"]
    assert "prior_pit" not in predictive_check(bare).summary


def test_a_record_that_says_nothing_has_no_rank() -> None:
    fit = known_fit()
    fit["posterior_predictive"]["value"][..., 0] = np.nan
    records = predictive_check(fit).records
    assert np.isnan(records.loc["r01", "pit"])


def test_of_two_alternative_values_the_better_one_is_ranked() -> None:
    fit = known_fit(offset=4.0)
    others = np.full(len(RECORDS), np.nan)
    others[0] = RECORDS["value"].iloc[0] * np.exp(0.4)
    constant = fit["constant_data"].to_dataset().assign(record_other=("record", others))
    fit["constant_data"] = xr.DataTree(constant)
    records = predictive_check(fit).records
    assert records.loc["r01", "pit"] == pytest.approx(0.5, abs=0.03)
    assert records.loc["r02", "pit"] < 0.01


def test_a_fit_without_replicas() -> None:
    fit = fake_fit()
    del fit["posterior_predictive"]
    with pytest.raises(ResultError, match="posterior_predictive"):
        predictive_check(fit)


def test_figure_shows_every_rank_once() -> None:
    records = predictive_check(known_fit()).records
    ax = plot_predictive(records, least=2)
    (line,) = ax.lines
    assert sorted(line.get_xdata()) == pytest.approx(sorted(records["pit"].dropna()))
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels[0].startswith("survey (")
    assert labels[-1].startswith("fewer than 2 figures (")
    mpl.pyplot.close(ax.figure)
