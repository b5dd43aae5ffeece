"""Contraction, influence and conflict, as tables and as text."""

import json

import pytest

from reebayes.answers.drivers import driver_tables, driver_text, gather_drivers
from reebayes.results.reading import contents_of
from tests.fakes import RECORDS, SUMS, YEARS, fake_fit


def test_drivers_are_about_the_headline_quantities() -> None:
    fit = fake_fit()
    drivers = gather_drivers(fit)
    settings = json.loads(fit.attrs["report"])
    assert list(drivers.names) == settings["headline"] == contents_of(fit).headline()
    assert drivers.yearly is not None
    assert drivers.yearly["quantity"].values.tolist() == settings["headline"]
    assert sum(drivers.shares.values()) == pytest.approx(1.0)
    assert set(drivers.records) == set(settings["headline"])
    assert contents_of(fake_fit(report=None)).headline() == list(SUMS)[:3]


def test_tables_hold_every_quantity_and_year_and_name_what_moves() -> None:
    tables = driver_tables(fake_fit())
    assert len(tables["learnt"]) == len(SUMS) * len(YEARS)
    assert set(tables["learnt_sums"]["quantity"]) == set(SUMS) - {"share_hidden"}
    influence = tables["influence"]
    assert set(influence["by"]) == {"record", "reporter"}
    assert set(influence["quantity"]) == set(contents_of(fake_fit()).headline())
    assert set(influence.loc[influence["by"] == "record", "name"]) == set(RECORDS.index)
    assert {"z", "tail", "record", "khat"} <= set(tables["disagreement"])


def test_text_tells_labels_pulls_and_disagreements() -> None:
    text = driver_text(fake_fit())
    assert "Of the headline quantities and years: " in text
    assert "smuggled: 2010-2015 learnt" in text
    assert "Leave-one-out influence on smuggled (mean with it less mean without it, kt REO)" in text
    assert "Leave-one-out predictive conflict" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_ratio_is_moved_in_its_last_year_and_has_no_sum() -> None:
    fit = fake_fit(report={"headline": ["share_hidden"]})
    drivers = gather_drivers(fit)
    assert drivers.sums is None
    assert set(drivers.records["share_hidden"]["unit"]) == {"ratio"}
    assert "sum over" not in driver_text(fit)


def test_without_prior_or_predictions_the_rest_is_told() -> None:
    fit = fake_fit()
    for group in ("prior", "posterior_predictive"):
        del fit[group]
    assert set(driver_tables(fit)) == {"influence"}
    text = driver_text(fit)
    assert "holds no prior draws" in text
    assert "Leave-one-out influence on smuggled" in text


def test_parts_of_a_headline_are_told_apart_and_counted_once() -> None:
    """Their contraction is told; shares of labels and influence are of the headline itself."""
    settings = {
        "headline": ["mined_A_hidden"],
        "parts": {"mined_A_hidden": ["smuggled", "consumed_A"]},
    }
    fit = fake_fit(report=settings)
    drivers = gather_drivers(fit)
    assert drivers.yearly is not None and drivers.sums is not None
    names = ["mined_A_hidden", "smuggled", "consumed_A"]
    assert drivers.yearly["quantity"].values.tolist() == names
    assert drivers.sums["quantity"].values.tolist() == names
    assert list(drivers.records) == ["mined_A_hidden"]
    lone = gather_drivers(fake_fit(report={"headline": ["mined_A_hidden"]}))
    assert drivers.shares == lone.shares
    assert "\nsmuggled: " in driver_text(fit)
