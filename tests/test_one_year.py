"""A study of one year: intervals in place of lines, and nothing said twice."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from reebayes.answers.drivers import driver_text
from reebayes.figures.curves import plot_bands
from reebayes.figures.sankey import draw_sankey, sankey_drawing
from reebayes.reporting.page import write_report
from reebayes.reporting.plan import plan_of
from reebayes.reporting.tables import record_table
from reebayes.results.reading import contents_of
from reebayes.results.selection import quantity
from tests.fakes import RECORDS, REPORT, fake_fit
from tests.pictures import pictures_in
from tests.test_sankey import faults

YEAR = 2013
KEPT = [str(name) for name, row in RECORDS.iterrows() if row["year"] == row["year_end"] == YEAR]


def of_one_year(report: dict[str, object] | None) -> xr.DataTree:
    """The made-up fit of a study of 2013 alone, with the records of that year."""
    fit = fake_fit(draws=100, report=report)
    for name in list(fit.children):
        data = fit[name].to_dataset()
        if "year" in data.dims:
            data = data.sel(year=[YEAR])
        if "record" in data.dims:
            data = data.sel(record=[name for name in KEPT if name in data["record"]])
        fit[name] = xr.DataTree(data)
    return fit


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return of_one_year(REPORT)


def test_a_page_of_one_year_says_nothing_twice(fit: xr.DataTree, tmp_path: Path) -> None:
    text = write_report(fit, tmp_path / "report.html").read_text("utf-8")
    assert "2013–2013" not in text
    assert not re.search(r">Sum\b|\bsum over\b|Sums over|sum in", text)
    assert "Values of 2013" in text
    assert "Probability that the value of 2013 exceeds" in text
    head = text[text.index("<thead>") : text.index("</thead>")]
    assert head.count("<th ") == 3  # quantity, posterior, prior
    drawn = [picture for picture in pictures_in(text) if "posterior, 90 %" in picture]
    assert len(drawn) == len(REPORT["headline"]) + len(REPORT["panels"])
    assert not any(re.search(r"2012\.[0-9]|2013\.[0-9]", picture) for picture in drawn)


def test_text_on_what_was_learnt_likewise(fit: xr.DataTree) -> None:
    text = driver_text(fit)
    assert "over all years" not in text
    assert "the records" in text


def test_intervals_are_those_of_the_draws_beside_every_record(fit: xr.DataTree) -> None:
    draws = quantity(fit, "net_export_A")
    table = record_table(fit)
    records = table[table["quantity"] == "net_export_A"]
    prior = quantity(fit, "net_export_A", group="prior")
    ax = plot_bands(draws, records, prior=prior)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["posterior, 90 %", "prior, 90 %", "signed: decree"]
    posterior, _, signed = (
        collection.get_segments()[0][:, 0]  # type: ignore[attr-defined]
        for collection in ax.collections
    )
    np.testing.assert_allclose(posterior, np.quantile(draws.values, [0.05, 0.95]), rtol=1e-6)
    np.testing.assert_allclose(signed, -0.2 + 1.6449 * 0.3 * np.array([-1, 1]), rtol=1e-6)
    assert ax.get_xlim()[0] < -0.2
    assert ax.get_legend() is None
    plt.close("all")


def test_an_error_that_leaves_the_axis_is_told_as_a_number(fit: xr.DataTree) -> None:
    records = record_table(fit)
    records = records[records["quantity"] == "share_hidden"].assign(kind="quota", sd=4.0)
    ax = plot_bands(quantity(fit, "smuggled"), records.assign(value=0.2, whole=np.nan))
    assert [text.get_text() for text in ax.texts] == ["144 \u2192"]
    assert ax.get_xlim()[1] < 1
    plt.close("all")


@pytest.mark.parametrize("name", ["smuggled", "share_hidden", "mined_A_hidden"])
def test_ranges_bounds_and_shares_are_drawn(fit: xr.DataTree, name: str) -> None:
    records = record_table(fit).assign(quantity=name)
    ax = plot_bands(quantity(fit, name), records)
    assert len(ax.get_yticklabels()) > 1
    plt.close("all")


def test_a_study_without_settings_shows_answers_and_what_records_observe() -> None:
    for fit in (fake_fit(report=None), of_one_year(None)):
        contents = contents_of(fit)
        plan = plan_of(contents, None)
        observed = set(contents.records["quantity"])
        assert "consumed_A" in plan.headline
        assert not observed & set(plan.headline)
        (panel,) = plan.panels
        assert set(panel["quantities"]) == observed
    settings = {"headline": ["smuggled"]}
    assert not plan_of(contents_of(fake_fit(report=settings)), None).panels


def test_recycling_stays_inside_the_picture(fit: xr.DataTree) -> None:
    """Without regions what goes to and fro is recycling: columns, and room for loops."""
    loose = fit.copy(deep=True)
    constant = loose["constant_data"].to_dataset()
    empty = np.full(constant.sizes["process"], "", dtype=object)
    loose["constant_data"] = constant.assign(process_region=("process", empty))
    drawing = sankey_drawing(loose, YEAR)
    boxes = [shape for shape in drawing.shapes if shape.kind == "box"]
    assert len({shape.path[0][1][0][0] for shape in boxes}) > 2
    assert not list(faults(drawing))
    assert "unregistered" in drawing.svg()
    flows = loose["constant_data"].to_dataset()
    shown = flows.assign(flow_registered=xr.ones_like(flows["flow_registered"]))
    loose["constant_data"] = shown
    assert "unregistered" not in draw_sankey(loose, YEAR)
