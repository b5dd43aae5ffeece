"""Figures and the Sankey drawing: what is drawn, not how it looks."""

import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import reebayes as rb
from reebayes.answers.contraction import contraction_text, learnt
from reebayes.errors import ResultError
from reebayes.figures.composing import ABOVE, AboveAxis, Note
from reebayes.figures.curves import plot_bands, plot_totals
from reebayes.figures.extents import (
    axis_ends,
    error_ends,
    gone_beyond,
    stated_values,
    wholes_of,
)
from reebayes.figures.heatmaps import plot_learnt
from reebayes.figures.sankey import draw_sankey
from reebayes.reporting.pictures import band_text
from reebayes.reporting.tables import record_table
from reebayes.results.reading import contents_of
from reebayes.results.selection import flow, quantity
from reebayes.results.summaries import bands, cumulative
from reebayes.study import Projection
from reebayes.study.kinds import kind_of
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
    return [" ".join(text.get_text().split()) for text in legend.get_texts()]


def test_a_wide_legend_leaves_no_room_beside_the_axes(fit: xr.DataTree) -> None:
    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    rest = "Unregistered mining in the rest of the world"
    for name in ("Unregistered mining in China", rest, "Smuggling out of China"):
        plot_bands(quantity(fit, "smuggled"), label=name, ax=ax)
    figure.savefig(io.BytesIO())
    assert ax.get_window_extent().width > 0.88 * figure.bbox.width


def test_plot_bands_draws_median_band_and_prior(fit: xr.DataTree) -> None:
    draws = quantity(fit, "smuggled")
    axes = plot_bands(draws, prior=quantity(fit, "smuggled", group="prior"))
    assert _legend(axes)[:2] == ["prior, median and 90 % band", "posterior, median and 90 % band"]
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
    whole = wholes_of(records)
    ends = [error_ends(kind_of(row.kind), row.value, row.sd, each)[1]
            for row, each in zip(records.itertuples(), whole, strict=True)]  # fmt: skip
    high = np.fmax(stated_values(records), np.where(records["year"] < records["year_end"], 0, ends))
    told = {ABOVE} if (high > axes.get_ylim()[1]).any() else set()
    assert set(_legend(axes)[1:]) == set(records["source"]) | told


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


# --- figures that compose -------------------------------------------------------------------------


def test_curves_in_one_axes_have_their_own_colours_and_none_is_cut(fit: xr.DataTree) -> None:
    names = ["smuggled", "mined_world", "consumed_A"]
    for order in (names, names[::-1]):
        _, axes = plt.subplots()
        for name in order:
            rb.plot_bands(quantity(fit, name), label=name, ax=axes)
        assert _legend(axes) == [f"{name}, median and 90 % band" for name in order]
        assert len({line.get_color() for line in axes.lines}) == 3
        low, high = axes.get_ylim()
        for name in names:
            band = bands(quantity(fit, name))
            assert low <= float(band["lower"].min()) <= float(band["upper"].max()) <= high
        assert axes.get_title(loc="left") == order[0]


def test_what_is_asked_for_is_drawn(fit: xr.DataTree) -> None:
    draws = quantity(fit, "smuggled")
    axes = rb.plot_bands(draws, label="tried", color="#ff0000", title="Mine", legend=False)
    assert axes.get_legend() is None
    assert axes.get_title(loc="left") == "Mine"
    assert axes.lines[0].get_color() == "#ff0000"
    assert axes.get_legend_handles_labels()[1] == ["tried, median and 90 % band"]
    rb.plot_bands(draws, color="#00ff00", ax=axes)
    assert axes.get_title(loc="left") == "Mine"  # a further curve renames nothing
    assert rb.plot_bands(draws, title="").get_title(loc="left") == ""


def test_axes_that_share_their_scale_cut_nothing(fit: xr.DataTree) -> None:
    _, (left, right) = plt.subplots(1, 2, sharey=True)
    rb.plot_bands(quantity(fit, "mined_world"), ax=left)
    rb.plot_bands(quantity(fit, "smuggled"), ax=right)
    assert left.get_ylim()[1] >= float(bands(quantity(fit, "mined_world"))["upper"].max())


def test_axes_hold_one_unit_and_years_or_intervals(fit: xr.DataTree) -> None:
    axes = rb.plot_bands(quantity(fit, "smuggled"))
    with pytest.raises(ResultError, match="show kt REO/yr; draw what is in ratio"):
        rb.plot_bands(quantity(fit, "share_hidden"), ax=axes)
    one = rb.plot_bands(quantity(fit, "smuggled").sel(year=[2013]))
    rb.plot_bands(quantity(fit, "mined_world").sel(year=[2013]), label="more", ax=one)
    assert [text.get_text() for text in one.get_yticklabels()] == [
        "posterior, 90 %", "more, 90 %",
    ]  # fmt: skip
    assert one.get_xlim()[1] > float(bands(quantity(fit, "mined_world"))["upper"].sel(year=2013))
    with pytest.raises(ResultError, match="intervals of one year"):
        rb.plot_bands(quantity(fit, "smuggled"), ax=one)


def _panel(draw: Callable[[plt.Axes], object], *, columns: int) -> list[plt.Axes]:
    figure, grid = plt.subplots(2, columns, figsize=(7.2, 5), layout="constrained")
    for axes in grid.flat:
        draw(axes)
    figure.canvas.draw()
    return list(grid.flat)


def test_legends_take_no_width_of_a_panel(fit: xr.DataTree) -> None:
    """Six plots with every source keep the width that they have without legends."""
    records = record_table(fit)
    records = records[records["quantity"] == "smuggled"].assign(source="a source of a long name")

    def draw(legend: bool) -> Callable[[plt.Axes], object]:
        return lambda axes: rb.plot_bands(
            quantity(fit, "smuggled"), records, legend=legend, ax=axes
        )

    bare = [axes.get_position().width for axes in _panel(draw(False), columns=3)]
    full = _panel(draw(True), columns=3)
    for axes, width in zip(full, bare, strict=True):
        assert axes.get_position().width > 0.9 * width
        legend = axes.get_legend()
        assert legend is not None
        assert legend.get_window_extent().x1 <= axes.figure.bbox.x1


def test_arrows_tell_of_records_above_the_axis_as_it_is_then(fit: xr.DataTree) -> None:
    records = record_table(fit)
    records = records[records["quantity"] == "mined_A_hidden"]
    axes = rb.plot_bands(quantity(fit, "mined_A_hidden"), records)
    (marks,) = [artist for artist in axes.get_children() if isinstance(artist, AboveAxis)]
    assert marks.above() == 1
    axes.figure.canvas.draw()
    assert np.asarray(marks.get_xdata()).tolist() == [2013.0]
    assert ABOVE in _legend(axes)
    axes.set_ylim(0, 200)
    axes.figure.canvas.draw()
    assert marks.above() == 0 == len(np.asarray(marks.get_xdata()))


def test_records_that_have_no_mark_are_counted(fit: xr.DataTree) -> None:
    records = record_table(fit)
    records = records.assign(hollow=records["quantity"] != "smuggled")
    draws = quantity(fit, "smuggled").sel(year=slice(2011, 2012))
    axes = rb.plot_bands(draws, records)
    told = _legend(axes)[-1]
    inside = records[(records["year"] <= 2012) & (records["year_end"] >= 2011)]
    far = int((stated_values(inside[inside["hollow"]]) > axes.get_ylim()[1]).sum())
    other = len(records) - len(inside)
    said = f"{far} of other quantities above the axis and {other} of other years"
    assert " ".join(told.split()) == f"records not drawn: {said}"


def test_an_error_that_leaves_the_axis_has_an_arrow(fit: xr.DataTree) -> None:
    """The mark lies below the end of the axis, and the bar of its error does not."""
    draws = quantity(fit, "mined_world")
    records = record_table(fit).loc[["r01"]].assign(sd=1.5)
    axes = rb.plot_bands(draws, records)
    assert float(records["value"].iloc[0]) < axes.get_ylim()[1]
    (marks,) = [artist for artist in axes.get_children() if isinstance(artist, AboveAxis)]
    assert marks.above() == 1 and _legend(axes)[-1] == "record or error above the axis"
    axes.set_ylim(0, 1.2 * np.exp(1.6449 * 1.5) + 0.1)
    assert marks.above() == 0
    calm = rb.plot_bands(draws, records.assign(sd=0.01))
    assert ABOVE not in _legend(calm)


def test_an_error_of_a_signed_figure_stays_in_view_below(fit: xr.DataTree) -> None:
    records = record_table(fit).loc[["r11"]]
    axes = rb.plot_bands(quantity(fit, "mined_world"), records)
    assert axes.get_ylim()[0] < -0.2 - 1.6449 * 0.3


def test_a_record_above_the_axis_is_drawn_once_the_axis_holds_it(fit: xr.DataTree) -> None:
    records = record_table(fit).loc[["r09"]]
    axes = rb.plot_bands(quantity(fit, "mined_A_hidden"), records)
    assert axes.get_ylim()[1] < 90
    assert [90.0] in [np.asarray(line.get_ydata()).tolist() for line in axes.lines]


def _noted(axes: plt.Axes) -> list[str]:
    """What legends say without a mark, as it stands there."""
    texts = [line.text for line in axes.lines if isinstance(line, Note)]
    assert [text for text in texts if text] == [
        text for text in _legend(axes) if text.startswith(("prior goes", "records not"))
    ]
    return [text for text in texts if text]


def _around(fit: xr.DataTree, low: float, high: float) -> xr.Dataset:
    """A band from one end to the other in all years."""
    band = bands(quantity(fit, "mined_world"))
    same = xr.ones_like(band["median"])
    return band.assign(lower=low * same, median=0.5 * (low + high) * same, upper=high * same)


@pytest.mark.parametrize(
    ("prior", "ends", "said"),
    [
        ((0.5, 2.0), (0.0, 2.16), ""),
        ((0.5, 7.0), (0.0, 5.4), "prior goes up to 7.00"),
        ((-3.0, 2.0), (-3.3, 2.16), ""),
        ((-8.0, 2.0), (-5.5, 2.16), "prior goes down to −8.00"),
        ((-8.0, 7.0), (-5.5, 5.4), "prior goes from −8.00 to 7.00"),
    ],
    ids=["inside", "above", "held below", "below", "both"],
)
def test_a_legend_says_where_a_prior_goes_that_the_axis_cuts(
    prior: tuple[float, float], ends: tuple[float, float], said: str, fit: xr.DataTree
) -> None:
    """Both ends are held as far as 2.5 times the band, whose largest value is 2."""
    band, before = _around(fit, 1.0, 2.0), _around(fit, *prior)
    axes = rb.plot_bands(band, prior=before)
    assert axes.get_ylim() == pytest.approx(ends)
    assert axes.get_ylim() == pytest.approx(axis_ends(None, band, before))
    assert _noted(axes) == ([said] if said else [])
    assert gone_beyond([before], *axes.get_ylim()) == said.removeprefix("prior ")
    one = {"year": [2013]}
    level = rb.plot_bands(band.sel(one), prior=before.sel(one))
    assert level.get_xlim() == pytest.approx(ends)
    assert level.get_xlabel().split("\n")[1:] == ([said] if said else [])


def test_a_panel_says_where_its_prior_goes(fit: xr.DataTree) -> None:
    figure = rb.plot_panel(fit, ["smuggled"])
    assert _legend(figure.axes[0])[-1].startswith("prior goes up to")


def test_a_further_curve_that_widens_the_axis_takes_the_word_back(fit: xr.DataTree) -> None:
    axes = rb.plot_bands(_around(fit, 1.0, 2.0), prior=_around(fit, 0.5, 7.0))
    assert _noted(axes) == ["prior goes up to 7.00"]
    rb.plot_bands(_around(fit, 1.0, 4.0), label="more", ax=axes)
    assert _noted(axes) == ["prior goes up to 7.00"]
    rb.plot_bands(_around(fit, 1.0, 9.0), label="most", prior=_around(fit, 0.5, 40.0), ax=axes)
    assert _noted(axes) == ["prior goes up to 40.0"]
    rb.plot_bands(_around(fit, 1.0, 50.0), label="all", ax=axes)
    assert _noted(axes) == []


def test_records_that_are_not_drawn_are_counted_anew(fit: xr.DataTree) -> None:
    """Of each record once; what wider axes hold is drawn and no longer told."""
    records = record_table(fit).loc[["r01", "r12", "r04"]]
    records = records.assign(hollow=[True, False, False], source=["large", "later", "own"])
    band = _around(fit, 0.1, 0.2)
    narrow = band.sel(year=slice(2010, 2011))
    axes = rb.plot_bands(narrow, records.assign(year=[2010, 2012, 2010], year_end=2012))
    assert _noted(axes) == ["records not drawn: 1 of other quantities above the axis and 1 of "
                            "other years"]  # fmt: skip
    rb.plot_bands(narrow, records.assign(year=[2010, 2012, 2010], year_end=2012), ax=axes)
    assert len(_noted(axes)) == 1 and _noted(axes)[0].count("1 of") == 2  # each once
    assert "later" not in _legend(axes)
    rb.plot_bands(band, label="longer", ax=axes)
    assert _noted(axes) == ["records not drawn: 1 of other quantities above the axis"]
    assert "later" in _legend(axes) and "large" not in _legend(axes)
    rb.plot_bands(_around(fit, 0.1, 2.0), label="higher", ax=axes)
    assert _noted(axes) == [] and "large" in _legend(axes)


def test_a_further_curve_draws_what_the_axis_holds_already(fit: xr.DataTree) -> None:
    """Records of other quantities fit into the axis as it is, not as the curve alone needs it."""
    axes = rb.plot_bands(_around(fit, 1.0, 5.0))
    hollow = record_table(fit).loc[["r01"]].assign(hollow=True, source="large")
    rb.plot_bands(_around(fit, 0.1, 0.2), hollow, label="small", ax=axes)
    assert "large" in _legend(axes) and _noted(axes) == []


def test_totals_of_two_fits_share_their_lines(fit: xr.DataTree) -> None:
    totals = {name: bands(cumulative(quantity(fit, name))) for name in ("smuggled", "mined_world")}
    more = {"mined_world": totals["mined_world"] * 3, "both": totals["mined_world"]}
    axes = rb.plot_totals(totals, unit="kt REO", label="as it is")
    rb.plot_totals(more, label="as it might be", ax=axes)
    lines = [text.get_text() for text in axes.get_yticklabels()]
    assert lines == ["smuggled", "mined_world", "both"]
    assert _legend(axes) == ["as it is band", "as it might be band"]
    assert axes.get_xlim()[1] > float(more["mined_world"]["upper"])
    assert len({to_hex(part.get_edgecolor()[0][:3]) for part in axes.collections}) == 2


MANY: dict[str, Callable[[xr.DataTree, object], Figure]] = {
    "consumption": lambda fit, ax: rb.plot_consumption(fit, ["A", "B"], ax=ax, title="T"),
    "triangle": lambda fit, ax: rb.plot_triangle(fit, [2010, 2012], ax=ax, title="T"),
    "quotas": lambda fit, ax: rb.plot_quotas(fit, ax=ax, title="T"),
}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_several_panels_are_drawn_in_axes_of_a_caller(fit: xr.DataTree, name: str) -> None:
    figure, axes = plt.subplots(1, 2)
    assert MANY[name](fit, axes) is figure
    assert len(figure.axes) == 2
    assert len(figure.legends) <= 1  # across, as all axes are of the plot
    assert axes[0].get_title(loc="left").startswith("T: ")
    assert MANY[name](fit, None).get_suptitle() == "T"
    with pytest.raises(ResultError, match="2 panels and needs as many axes, got 1"):
        MANY[name](fit, axes[0])


COMPOSE = ("label", "color", "legend", "title", "ax")
Drawn = plt.Axes | Figure


def _hindcast() -> pd.DataFrame:
    rows = {
        "quantity": "mined", "year": [2011, 2012], "median": 2.0, "lower": 1.0, "upper": 3.0,
        "walk_lower": 0.5, "walk_upper": 4.0, "truth": 2.5, "truth_lower": 2.0, "truth_upper": 2.7,
        "published": [np.nan, 2.2],
    }  # fmt: skip
    return pd.DataFrame(rows)


def _tornado() -> pd.DataFrame:
    rows = {"down": [-1.0, 0.5], "up": [1.0, -0.4], "down_error": 0.1, "up_error": np.nan,
            "by": ["refit", "slope"], "unit": "kt REO"}  # fmt: skip
    return pd.DataFrame(rows, index=["one prior", "another"])


def _effect() -> pd.DataFrame:
    rows = {"what": "use", "label": ["here", "there"], "difference": [-1.0, 2.0], "unit": "kt REO",
            "lower": [-2.0, 1.0], "upper": [0.0, 3.0], "ci_prob": 0.9}  # fmt: skip
    return pd.DataFrame(rows)


def _ranks() -> pd.DataFrame:
    return pd.DataFrame({"reporter": ["customs"] * 4 + ["firm"], "pit": np.linspace(0.1, 0.9, 5)})


def _outlook(fit: xr.DataTree, **given: Any) -> plt.Axes:
    was = quantity(fit, "smuggled")
    return rb.plot_outlook(was, was.assign_coords(year=was["year"] + was.sizes["year"]), **given)


def _held(axes: plt.Axes, *values: Any) -> bool:
    """Whether the axis holds values, with room below those that are negative."""
    low, high = axes.get_ylim()
    found = np.concatenate([np.ravel(value) for value in values]).astype(float)
    found = found[np.isfinite(found)]
    return bool(low < found.min() or low == 0 <= found.min()) and bool(found.max() < high)


def test_an_outlook_of_a_net_quantity_is_not_cut(fit: xr.DataTree) -> None:
    """Nor are the projections, what is asked for, and bands of another probability."""
    was = quantity(fit, "mined_world")
    ahead = was.assign_coords(year=was["year"] + 6) - 3.0
    ends = [bands(draws, ci_prob=0.99)[end] for draws in (was, ahead) for end in ("lower", "upper")]
    rows = [_projection(2017, -9.0), _projection(2018, 4.0)]
    asked = 9.0 * ahead
    axes = rb.plot_outlook(was, ahead, ci_prob=0.99)
    assert _held(axes, *ends) and axes.get_ylim()[0] < 0
    axes = rb.plot_outlook(was, ahead, projections=rows, demand=asked)
    assert _held(axes, [-9.0, 4.0], bands(asked)["lower"], bands(asked)["upper"])
    axes = rb.plot_outlook(was, was.assign_coords(year=was["year"] + 6), demand=3.0 * was)
    assert axes.get_ylim()[0] == 0 and _held(axes, bands(3.0 * was)["upper"])


def _projection(year: int, value: float, source: str = "A list") -> Projection:
    return Projection("p", "supply", "world", "mined_world", 2012, year, value, None, None,
                      "kt REO", source)  # fmt: skip


def test_projections_that_are_not_drawn_are_counted(fit: xr.DataTree) -> None:
    was = quantity(fit, "mined_world")  # 2010 to 2015
    ahead = was.assign_coords(year=was["year"] + 6)  # to 2021
    rows = [_projection(year, 1.0) for year in (2009, 2016, 2022, 2023, 2024)]
    rows += [_projection(2016, 2.0)]  # of one house, twice of one year
    rows += [_projection(2024, 1.5, "Others")]
    axes = rb.plot_outlook(was, ahead, projections=rows)
    told = "projections not drawn: 1 of years before 2010 and 3 of years after 2022"
    assert _legend(axes)[-1] == told and "Others, 2012" not in _legend(axes)
    assert axes.get_xlim()[1] > 2022  # the one after the outlook is in view
    rb.plot_outlook(was, ahead, projections=rows, label="other", ax=axes)
    assert _legend(axes).count(told) == 1
    longer = was.assign_coords(year=was["year"] + 9)  # to 2024
    rb.plot_outlook(was, longer, projections=rows, label="longer", ax=axes)
    assert _legend(axes)[-1] == "projections not drawn: 1 of years before 2010"
    shown = {str(line.get_label()): line for line in axes.lines}
    years = [2016, 2016, 2022, 2023, 2024]
    assert np.asarray(shown["A list, 2012"].get_xdata()).tolist() == years
    assert shown["Others, 2012"].get_color() != shown["A list, 2012"].get_color()
    assert all("not drawn" not in name for name in _legend(rb.plot_outlook(was, ahead)))


@pytest.mark.parametrize("column", ["lower", "walk_lower", "walk_upper", "published"])
@pytest.mark.parametrize("value", [-7.0, 30.0])
def test_a_hindcast_is_not_cut(column: str, value: float) -> None:
    table = _hindcast()
    table.loc[1, column] = value
    assert _held(rb.plot_hindcast(table, "mined"), [value, 0.0 if value < 0 else 3.0])


def _survey(name: str) -> Callable[..., Figure]:
    def draw(fit: xr.DataTree, **given: Any) -> Figure:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rb.StudyWarning)
            return rb.plot_survey(rb.survey(name), **given)

    return draw


def _sums(fit: xr.DataTree) -> dict[str, xr.Dataset]:
    return {name: bands(cumulative(quantity(fit, name))) for name in ("smuggled", "mined_world")}


PLOTS: dict[str, tuple[Callable[..., Drawn], int, Any]] = {
    "plot_bands": (lambda fit, **k: plot_bands(quantity(fit, "smuggled"), **k), 1, "#123456"),
    "plot_consumption": (lambda fit, **k: rb.plot_consumption(fit, ["A"], **k), 1, "#123456"),
    "plot_coverage": (
        lambda fit, **k: rb.plot_coverage(rb.read_study("zinc"), **k), 2, {"value": "#123456"},
    ),
    "plot_effect": (lambda fit, **k: rb.plot_effect(_effect(), **k), 1, "#123456"),
    "plot_hindcast": (lambda fit, **k: rb.plot_hindcast(_hindcast(), "mined", **k), 1, "#123456"),
    "plot_learnt": (
        lambda fit, **k: plot_learnt(learnt(fit), **k), 1, {"learnt": "#123456"},
    ),
    "plot_net_exports": (lambda fit, **k: rb.plot_net_exports(fit, "A", **k), 1, "#123456"),
    "plot_outlook": (_outlook, 1, "#123456"),
    "plot_panel": (lambda fit, **k: rb.plot_panel(fit, ["smuggled"], **k), 1, "#123456"),
    "plot_predictive": (lambda fit, **k: rb.plot_predictive(_ranks(), **k), 1, "#123456"),
    "plot_quotas": (lambda fit, **k: rb.plot_quotas(fit, **k), 2, "#123456"),
    "plot_survey": (_survey("simulated_answers"), 1, "#123456"),
    "plot_survey, printed": (_survey("reevolution"), 5, "#123456"),
    "plot_tornado": (lambda fit, **k: rb.plot_tornado(_tornado(), **k), 1, ("#123456", "#654321")),
    "plot_totals": (lambda fit, **k: rb.plot_totals(_sums(fit), unit="kt REO", **k), 1, "#123456"),
    "plot_triangle": (lambda fit, **k: rb.plot_triangle(fit, [2010], **k), 1, "#123456"),
    "plot_unregistered": (
        lambda fit, **k: rb.plot_unregistered(fit, refined="metal", **k), 3, "#123456",
    ),
}  # fmt: skip


def test_every_plot_takes_what_composes() -> None:
    """Each by its name, with a line that says what it is."""
    plots = {name for name in rb.__all__ if name.startswith("plot_")}
    assert {name.split(",")[0] for name in PLOTS} == plots
    for name in plots:
        given = inspect.signature(getattr(rb, name)).parameters
        assert {*COMPOSE} <= {*given}, name
        assert all(given[one].kind is inspect.Parameter.KEYWORD_ONLY for one in COMPOSE), name
        for one in COMPOSE:
            assert f"\n{one} : " in (inspect.getdoc(getattr(rb, name)) or ""), (name, one)


@pytest.mark.parametrize("name", PLOTS)
def test_plots_compose(name: str, fit: xr.DataTree) -> None:
    """Twice in the same axes of a caller: label, colour, legend and title are there, once each."""
    draw, count, color = PLOTS[name]
    wide = (4 * (count + 1), 6)
    figure, grid = plt.subplots(1, count + 1, squeeze=False, layout="constrained", figsize=wide)
    axes = list(grid.flat)[:count]
    place = axes if count > 1 else axes[0]
    draw(fit, ax=place, label="Mine", color=color, title="Title of all")
    assert "Mine" in _words(figure) and "Title of all" in _words(figure)
    assert "#123456" in _shades(figure)
    draw(fit, ax=place, label="Theirs")
    assert "Theirs" in _words(figure)
    assert figure.axes == list(grid.flat) and not grid.flat[-1].has_data()
    assert len(figure.legends) == 0  # axes of others stand beside them
    figure.draw_without_rendering()

    bare, grid = plt.subplots(1, count, squeeze=False)
    draw(fit, ax=list(grid.flat) if count > 1 else grid.flat[0], legend=False)
    assert not bare.legends and not any(one.get_legend() for one in bare.axes)


def _words(figure: Figure) -> str:
    texts = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
    return " ".join(" ".join(texts).split())


def _shades(figure: Figure) -> set[str]:
    found = set()
    for axes in figure.axes:
        found |= {to_hex(line.get_color()) for line in axes.lines}
        found |= {to_hex(patch.get_facecolor()) for patch in axes.patches}
        found |= {to_hex(one[:3]) for part in axes.collections for one in part.get_facecolor()}
        found |= {
            to_hex(cell) for image in axes.images
            for cell in np.unique(np.asarray(image.get_array()).reshape(-1, 3), axis=0)
        }  # fmt: skip
    return found


def test_net_exports_of_two_fits_have_colours_of_their_own(fit: xr.DataTree) -> None:
    axes = rb.plot_net_exports(fit, "A", label="one")
    rb.plot_net_exports(fit, "A", label="two", color={"two: metal": "#123456"}, ax=axes)
    shown = axes.get_legend_handles_labels()[1]
    assert [text.partition(":")[0] for text in shown].count("two") == len(shown) / 2
    rb.plot_net_exports(fit, "A", label="three", ax=axes)
    assert len(axes.get_legend_handles_labels()[1]) == 1.5 * len(shown)
