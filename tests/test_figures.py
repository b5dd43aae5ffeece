"""Figures and the Sankey drawing: what is drawn, not how it looks."""

from collections.abc import Iterator
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from reebayes.answers.contraction import contraction_text, learnt
from reebayes.errors import ResultError
from reebayes.figures.curves import plot_bands, plot_totals, stated_values
from reebayes.figures.heatmaps import plot_learnt
from reebayes.figures.sankey import draw_sankey
from reebayes.reporting.pictures import band_text
from reebayes.reporting.tables import record_table
from reebayes.results.reading import contents_of
from reebayes.results.selection import flow, quantity
from reebayes.results.summaries import bands, cumulative
from tests.fakes import FLOWS, fake_fit


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit()


@pytest.fixture(autouse=True)
def _no_window() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def _legend(axes: plt.Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_plot_bands_draws_median_band_and_prior(fit: xr.DataTree) -> None:
    draws = quantity(fit, "smuggled")
    axes = plot_bands(draws, prior=quantity(fit, "smuggled", group="prior"))
    assert _legend(axes) == ["prior, median and 90 % band", "posterior, median and 90 % band"]
    assert axes.get_ylabel() == "kt REO/yr"
    np.testing.assert_allclose(axes.lines[1].get_ydata(), bands(draws)["median"])


def test_plot_bands_states_the_probability_it_was_given(fit: xr.DataTree) -> None:
    axes = plot_bands(quantity(fit, "smuggled"), ci_prob=0.5)
    assert _legend(axes) == ["posterior, median and 50 % band"]
    axes = plot_bands(bands(quantity(fit, "smuggled"), ci_prob=0.8))
    assert _legend(axes) == ["posterior, median and 80 % band"]


@pytest.mark.parametrize("name", ["mined_world", "smuggled", "mined_A_hidden", "share_hidden"])
def test_plot_bands_draws_every_kind_of_record(fit: xr.DataTree, name: str) -> None:
    records = record_table(fit)
    records = records[records["quantity"] == name]
    axes = plot_bands(quantity(fit, name), records, ax=Figure().subplots())
    seen = stated_values(records) <= axes.get_ylim()[1]
    assert set(_legend(axes)[1:]) == set(records.loc[seen, "source"])


def test_a_far_record_does_not_flatten_the_band(fit: xr.DataTree) -> None:
    records = record_table(fit)
    draws = quantity(fit, "mined_A_hidden")
    axes = plot_bands(draws, records[records["quantity"] == "mined_A_hidden"])
    assert axes.get_ylim()[1] < 4 * float(bands(draws)["upper"].max())


def test_years_without_the_flow_are_gaps(fit: xr.DataTree) -> None:
    draws = quantity(fit, "smuggled")
    axes = plot_bands(draws.where(draws["year"] > 2012, 0.0))
    medians = np.asarray(axes.lines[0].get_ydata(), dtype=float)
    assert np.isnan(medians).tolist() == [True] * 3 + [False] * 3


def test_negative_values_stay_in_view(fit: xr.DataTree) -> None:
    axes = plot_bands(-quantity(fit, "net_export_A"))
    assert axes.get_ylim()[0] < 0


def test_a_sum_over_years_is_a_level_line_at_its_yearly_mean(fit: xr.DataTree) -> None:
    records = record_table(fit).loc[["r08"]]
    axes = plot_bands(quantity(fit, "mined_A_hidden"), records)
    lines = [path.vertices.tolist() for part in axes.collections for path in part.get_paths()]
    assert [[2010.6, 0.2], [2015.4, 0.2]] in lines


def test_sums_are_stated_for_one_year(fit: xr.DataTree) -> None:
    stated = stated_values(record_table(fit))
    assert stated["r08"] == pytest.approx(1.0 / 5)  # cumulative over five years
    assert stated["r03"] == pytest.approx(1.25)  # mean
    assert stated["r05"] == pytest.approx(0.3)  # upper end of a range


@pytest.mark.parametrize("names", [["smuggled"], ["smuggled", "mined_world"]])
def test_plot_totals_draws_a_row_a_label(fit: xr.DataTree, names: list[str]) -> None:
    totals = {name: bands(cumulative(quantity(fit, name))) for name in names}
    axes = plot_totals(totals, totals, unit="kt REO")
    assert [text.get_text() for text in axes.get_yticklabels()] == names
    assert axes.get_xlabel().startswith("kt REO")


def test_sankey_draws_every_flow_that_is_not_a_loss(fit: xr.DataTree) -> None:
    drawing = draw_sankey(fit, 2013)
    ElementTree.fromstring(drawing)
    drawn = {name for name, flow in FLOWS.items() if flow[0] != "nature" and flow[2] != "loss"}
    for name in drawn:
        assert FLOWS[name][4] in drawing


@pytest.mark.parametrize(
    "flows", [["ore_mined", "ore_absorbed"], ["used_B"], ["ore_hidden"]],
    ids=["what enters a market", "what is used", "what leaves a mine"],
)  # fmt: skip
def test_sankey_boxes_say_what_passes_through(fit: xr.DataTree, flows: list[str]) -> None:
    draws = flow(fit, flows).sel(year=2013).sum("flow")
    assert f">{band_text(bands(draws))}</text>" in draw_sankey(fit, 2013)


def test_sankey_escapes_labels_and_writes_bands(fit: xr.DataTree) -> None:
    drawing = draw_sankey(fit, 2013)
    assert "<magnets>" not in drawing
    assert "&lt;magnets&gt;" in drawing
    assert " to " in drawing


def test_sankey_ribbons_fill_their_boxes(fit: xr.DataTree) -> None:
    """What enters and what leaves a market box is equally wide."""
    from reebayes.figures.folding import fold, part_of, widths_of

    part = part_of(contents_of(fit), 2013, 0.9)
    widths = widths_of(part, fold([part]))
    for box in ("ore_A", "metal_A", "metal_B"):
        entering = sum(link.end for link in widths.links if link.target == box)
        leaving = sum(link.start for link in widths.links if link.source == box)
        leaving += sum(stub.value for stub in widths.stubs if stub.node == box and stub.outward)
        assert entering == pytest.approx(leaving, rel=1e-9)


def test_sankey_survives_recycling(fit: xr.DataTree) -> None:
    looped = fit.copy(deep=True)
    targets = looped["constant_data"].to_dataset()["flow_target"].copy(deep=True)
    targets.loc[{"flow": "used_B"}] = "mine_A"
    looped["constant_data"] = looped["constant_data"].to_dataset().assign(flow_target=targets)
    ElementTree.fromstring(draw_sankey(looped, 2013))


def test_sankey_refuses_a_year_outside_the_study(fit: xr.DataTree) -> None:
    with pytest.raises(ResultError, match="not inside the study"):
        draw_sankey(fit, 1999)


def test_plot_learnt_writes_every_contraction_and_names_the_colours(fit: xr.DataTree) -> None:
    table = learnt(fit, ["smuggled", "mined_world"])
    table["contraction"][{"quantity": 0, "year": 0}] = np.nan
    axes = plot_learnt(table, labels={"smuggled": "Smuggling"})
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Smuggling", "mined_world"]
    figures = zip(table["contraction"].values.flat, table["shift"].values.flat, strict=True)
    texts = [contraction_text(*pair) for pair in figures]
    assert texts[0] == ""
    assert [text.get_text() for text in axes.texts] == texts[1:]
    assert _legend(axes) == ["learnt", "partly", "prior only", "absent"]
    assert plot_learnt(table, ax=Figure().subplots()).get_yticklabels()
