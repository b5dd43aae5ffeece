"""Quotas and the unregistered: tables by hand, and the figures that draw them."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.text import Text

import reebayes as rb
from reebayes.answers.registers import quota_table, unregistered, unregistered_table
from reebayes.errors import ResultError
from reebayes.results.reading import Contents, contents_of
from reebayes.results.selection import quantity
from reebayes.study import read_study
from reebayes.wording import format_value
from tests.fakes import fake_fit


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    """The fake fit, with labels of applications and a quota on what registers count."""
    found = fake_fit(draws=20)
    constant = found["constant_data"].to_dataset()
    labels = constant["process_label"].values.copy()
    labels[list(constant["process"].values).index("use_B")] = "Land B: magnets"
    found["constant_data"] = xr.DataTree(
        constant.assign(process_label=(constant["process_label"].dims, labels))
    )
    return found


def test_quotas_beside_what_flowed(fit: xr.DataTree) -> None:
    table = quota_table(fit)
    assert table.index.tolist() == ["r02"]
    row = table.loc["r02"]
    draws = quantity(fit, "mined_world").sel(year=2011)
    assert row["quota"] == 1.3
    assert row["p_declared"] == pytest.approx(float((draws > 1.3).mean()))
    assert row["declared_median"] == pytest.approx(float(draws.median()))
    assert row["true_quantity"] == "mined_world"


def test_the_quantity_with_the_unregistered_part_is_found_by_name() -> None:
    """In the bundled study a quota on registered mining is held against all mining too."""
    from reebayes.answers.registers import true_quantity

    names = read_study().quantities.names
    contents = type("C", (), {"units": type("U", (), {"index": names}), "ratios": ()})
    for name in ("mined_CN", "refined_CN", "exported_CN"):
        assert true_quantity(contents, f"{name}_registered") == name  # type: ignore[arg-type]
    assert true_quantity(contents, "mined_CN_clay") == "mined_CN_clay"  # type: ignore[arg-type]


def test_the_unregistered_by_hand(fit: xr.DataTree) -> None:
    flows = fit["posterior"]["flows"]
    hidden = flows.sel(flow="ore_hidden")
    share = hidden / (hidden + flows.sel(flow="ore_mined"))
    found = unregistered(contents_of(fit), "mining")
    assert [*found] == ["world", "A"]  # losses of mining are no mining
    np.testing.assert_allclose(found["A"][0], hidden)
    np.testing.assert_allclose(found["world"][1], share)
    table = unregistered_table(fit, refined="metal").set_index(["stage", "region", "year"])
    assert table.loc[("mining", "A", 2012), "share_median"] == pytest.approx(
        float(share.sel(year=2012).median())
    )
    assert "refining" not in table.index.get_level_values("stage")  # all of it is registered
    with pytest.raises(ResultError, match="write \\[report\\] refined"):
        unregistered_table(fit)


def test_parts_of_the_unregistered_have_rows_and_lines_of_their_own(fit: xr.DataTree) -> None:
    """Where a quantity with parts is what no register of a region counts."""
    parted = fit.copy()
    parts = {
        "mined_A_hidden": ["smuggled", "consumed_A"],
        "mined_world": ["smuggled", "net_export_A"],
    }
    parted.attrs["report"] = json.dumps({"parts": parts, "labels": {"smuggled": "Sold abroad"}})
    flows = fit["posterior"]["flows"]
    table = unregistered_table(parted, refined="metal").set_index(["region", "part", "year"])
    plain = unregistered_table(fit, refined="metal")
    assert set(plain["part"]) == {""}
    assert len(table) == 3 * len(plain) == 6 * 6  # all that is hidden in the world is of A
    found = table.loc[("A", "smuggled", 2012)]
    sold = flows.sel(flow="ore_smuggled", year=2012)
    mined = flows.sel(flow=["ore_mined", "ore_hidden"], year=2012).sum("flow")
    assert found["median"] == pytest.approx(float(sold.median()))
    assert found["share_median"] == pytest.approx(float((sold / mined).median()))
    figure = rb.plot_unregistered(parted, refined="metal")
    lines = lines_of(figure.axes[0])
    assert len(lines) == 4
    np.testing.assert_allclose(lines[2], flows.sel(flow="ore_smuggled").median(["chain", "draw"]))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [name.split(",")[0] for name in names[:4]] == [
        "World", "Land A", "Sold abroad", "Land A: metal used",
    ]  # fmt: skip
    keys = figure.legends[0].legend_handles
    assert [getattr(key, "get_linestyle", str)() for key in keys[2:4]] == ["--", "--"]


def test_bundled_mines_and_refineries_are_those_of_the_quantities() -> None:
    """What the graph calls mining and refining is what the study's own sums hold."""
    from reebayes.answers.registers import mine_output, refinery_output
    from reebayes.results.description import constant_data

    study = read_study()
    tree = xr.DataTree.from_dict({"constant_data": constant_data(study)})
    tree.attrs = {"study_name": "x", "report": '{"refined": "oxide"}', "unit": study.unit}
    contents = Contents(tree)
    mined = {flow for flow, _ in study.quantities["mined_world"].numerator}
    assert {*mine_output(contents)} == mined
    refined = {
        flow for name in ("refined_CN", "refined_US", "refined_RW")
        for flow, _ in study.quantities[name].numerator
    }  # fmt: skip
    assert {*refinery_output(contents, None)} == refined


# --- figures --------------------------------------------------------------------------------------


def lines_of(ax: object) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata()) for line in ax.get_lines()]  # type: ignore[attr-defined]


def test_use_by_application_adds_up_over_regions(fit: xr.DataTree) -> None:
    figure = rb.plot_consumption(fit)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["World: use", "Land A: use", "Land B: use"]
    flows = fit["posterior"]["flows"]
    world = (flows.sel(flow="used_A") + flows.sel(flow="used_B")).median(["chain", "draw"])
    np.testing.assert_allclose(lines_of(figure.axes[0])[0], world)
    assert len(figure.axes[0].get_lines()) == 1  # magnets of both regions are one application
    assert all(ax.get_ylabel() == "kt REO/yr" for ax in figure.axes)
    with pytest.raises(ResultError, match="Unknown region 'C'"):
        rb.plot_consumption(fit, ["C"])


def test_net_exports_are_exports_less_imports(fit: xr.DataTree) -> None:
    ax = rb.plot_net_exports(fit, "A", ax=Figure().subplots())
    flows = fit["posterior"]["flows"]
    net = (flows.sel(flow="metal_A_B") - flows.sel(flow="metal_B_A")).median(["chain", "draw"])
    smuggled = flows.sel(flow="ore_smuggled").median(["chain", "draw"])
    found = lines_of(ax)
    assert any(np.allclose(line, net) for line in found)
    assert any(np.allclose(line, smuggled) for line in found if len(line) == len(smuggled))
    other = rb.plot_net_exports(fit, "B", "partner", ax=Figure().subplots())
    total = -(net + smuggled)
    both = (flows.sel(flow="metal_B_A") - flows.sel(flow="metal_A_B")
            - flows.sel(flow="ore_smuggled")).median(["chain", "draw"])  # fmt: skip
    assert np.allclose(lines_of(other)[0], both)
    assert total.shape == both.shape
    with pytest.raises(ResultError, match="Did you mean 'product'"):
        rb.plot_net_exports(fit, "A", "products")


def test_the_triangle_tells_band_and_probability(fit: xr.DataTree) -> None:
    figure = rb.plot_triangle(fit, [2010, 2013])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["2010", "2013"]
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    flows = fit["posterior"]["flows"].sel(year=2010)
    net = flows.sel(flow="metal_A_B") + flows.sel(flow="ore_smuggled") - flows.sel(flow="metal_B_A")
    assert format_value(float(net.median())) in texts
    assert "P >99 %" in texts and "P 1.00" not in texts and "(-" not in texts
    ore = rb.plot_triangle(fit, [2010], "ore")
    assert "ore" in ore.get_suptitle()
    with pytest.raises(ResultError):
        rb.plot_triangle(fit, [1999])
    with pytest.raises(ResultError, match="traded product"):
        rb.plot_triangle(fit, [2010], "loss")


def test_bars_are_the_probabilities_of_the_table(fit: xr.DataTree) -> None:
    figure = rb.plot_quotas(fit)
    bars = figure.axes[1].patches
    assert [bar.get_height() for bar in bars] == quota_table(fit)["p_declared"].tolist()  # type: ignore[attr-defined]
    assert figure.axes[0].get_ylabel() == "kt REO/yr"
    with pytest.raises(ResultError, match="quantity with a quota"):
        rb.plot_quotas(fit, ["smuggled"])


def test_the_unregistered_is_drawn_with_its_share(fit: xr.DataTree) -> None:
    figure = rb.plot_unregistered(fit, refined="metal")
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "Unregistered mining", "Unregistered refining", "Its share of refining",
    ]  # fmt: skip
    hidden = fit["posterior"]["flows"].sel(flow="ore_hidden").median(["chain", "draw"])
    np.testing.assert_allclose(lines_of(figure.axes[0])[0], hidden)


def test_a_long_title_stays_above_its_panel(fit: xr.DataTree) -> None:
    named = fit.copy()
    named.attrs["report"] = '{"labels": {"mined_world": "%s"}}' % ("All that is mined, " * 5)
    figure = rb.plot_quotas(named)
    figure.canvas.draw()
    ax = figure.axes[0]
    assert len(ax.get_title(loc="left").splitlines()) > 1
    (title,) = [text for text in ax.get_children()
                if isinstance(text, Text) and text.get_text().startswith("All that")]  # fmt: skip
    assert title.get_window_extent().x1 <= figure.bbox.x1


def test_text_of_figures_stays_inside(fit: xr.DataTree) -> None:
    figures = [
        rb.plot_consumption(fit, ["world", "A"]), rb.plot_quotas(fit),
        rb.plot_triangle(fit, [2010]),
    ]  # fmt: skip
    for figure in figures:
        figure.canvas.draw()
        box = figure.bbox
        legends = [text for legend in figure.legends for text in legend.get_texts()]
        for text in (
            *legends,
            *(text for ax in figure.axes for text in (*ax.texts, ax.yaxis.label)),
        ):
            if not text.get_text():
                continue
            extent = text.get_window_extent()
            assert box.x0 - 2 <= extent.x0 <= extent.x1 <= box.x1 + 2, text
            assert box.y0 - 2 <= extent.y0 <= extent.y1 <= box.y1 + 2, text
