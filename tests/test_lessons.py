"""What the headline figures rest on, as tables and as text."""

import json

import pytest

from reebayes.answers.drivers import gather_lessons, headline, lesson_tables, lesson_text
from tests.fakes import RECORDS, SUMS, YEARS, fake_fit


def test_lessons_are_about_the_headline_quantities() -> None:
    fit = fake_fit()
    lessons = gather_lessons(fit)
    settings = json.loads(fit.attrs["report"])
    assert list(lessons.names) == settings["headline"] == headline(fit)
    assert lessons.yearly is not None
    assert lessons.yearly["quantity"].values.tolist() == settings["headline"]
    assert sum(lessons.shares.values()) == pytest.approx(1.0)
    assert set(lessons.records) == set(lessons.reporters) == set(settings["headline"])
    assert headline(fake_fit(report=None)) == list(SUMS)[:3]


def test_tables_hold_every_quantity_and_year_and_name_what_moves() -> None:
    tables = lesson_tables(fake_fit())
    assert len(tables["learnt"]) == len(SUMS) * len(YEARS)
    assert set(tables["learnt_sums"]["quantity"]) == set(SUMS) - {"share_hidden"}
    influence = tables["influence"]
    assert set(influence["by"]) == {"record", "reporter"}
    assert set(influence["quantity"]) == set(headline(fake_fit()))
    assert set(influence.loc[influence["by"] == "record", "name"]) == set(RECORDS.index)
    assert {"z", "tail", "record", "khat"} <= set(tables["disagreement"])


def test_text_tells_labels_pulls_and_disagreements() -> None:
    text = lesson_text(fake_fit())
    assert "Of the headline quantities and years: " in text
    assert "smuggled: 2010-2015 learnt" in text
    assert "What moves smuggled most (mean with it less mean without it, kt REO)" in text
    assert "Records that the rest would have put elsewhere" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_ratio_is_moved_in_its_last_year_and_has_no_sum() -> None:
    fit = fake_fit(report={"headline": ["share_hidden"]})
    lessons = gather_lessons(fit)
    assert lessons.sums is None
    assert set(lessons.records["share_hidden"]["unit"]) == {"ratio"}
    assert "sum over" not in lesson_text(fit)


def test_without_prior_or_predictions_the_rest_is_told() -> None:
    fit = fake_fit()
    for group in ("prior", "posterior_predictive"):
        del fit[group]
    assert set(lesson_tables(fit)) == {"influence"}
    text = lesson_text(fit)
    assert "holds no prior draws" in text
    assert "What moves smuggled most" in text
