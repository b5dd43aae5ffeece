"""Panels of quantities, and figures for a manuscript with their data and captions."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt

import reebayes as rb
from reebayes.cli.main import main
from reebayes.errors import ResultError
from reebayes.figures.composing import Note
from reebayes.figures.grids import COLUMN_MM, MM, PAGE_MM, prior_beyond
from reebayes.reporting import papers
from reebayes.results.reading import contents_of
from tests.fakes import fake_fit, save_fake

INCH = 72.0


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit()


@pytest.fixture(autouse=True)
def _no_window() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg", "savefig.bbox": "tight"}):  # as some libraries set it
        yield
    plt.close("all")


def test_a_panel_shows_each_quantity_by_its_name(fit: xr.DataTree) -> None:
    names = ["mined_A_hidden", "smuggled", "share_hidden", "mined_world"]
    figure = rb.plot_panel(fit, names, title="All")
    titles = [" ".join(ax.get_title(loc="left").split()) for ax in figure.axes]
    assert titles == ["Hidden mining in A", "Smuggling from A to B", "share_hidden", "mined_world"]
    assert figure.get_suptitle() == "All"
    assert figure.get_size_inches()[0] == pytest.approx(PAGE_MM / MM)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "prior, median and 90 % band", "posterior, median and 90 % band",
    ]  # fmt: skip
    medians = rb.bands(rb.quantity(fit, "smuggled"))["median"]
    np.testing.assert_allclose(figure.axes[1].lines[1].get_ydata(), medians)
    named = figure.axes[1].get_legend()
    assert named is not None
    records = rb.record_table(fit)
    sources = set(records.loc[records["quantity"] == "smuggled", "source"])
    assert sources <= {text.get_text() for text in named.get_texts()}


def test_a_panel_in_axes_of_a_caller_and_without_records(fit: xr.DataTree) -> None:
    figure, axes = plt.subplots(1, 3)
    found = rb.plot_panel(
        fit, ["smuggled", "mined_world"], records=False, prior=False, color="#ff0000",
        legend=False, ax=axes[:2],
    )  # fmt: skip
    assert found is figure
    assert [len(ax.lines) for ax in axes] == [1, 1, 0]
    assert axes[0].lines[0].get_color() == "#ff0000"
    for names, fault in ((["smugled"], "Did you mean 'smuggled'"), ([], "at least one"),
                         (["smuggled"], "1 panels and needs as many axes, got 3")):  # fmt: skip
        with pytest.raises(ResultError, match=fault):
            rb.plot_panel(fit, names, ax=axes)


def test_panels_do_not_overlap_and_stay_inside(fit: xr.DataTree) -> None:
    names = ["mined_A_hidden", "smuggled", "share_hidden", "mined_world", "consumed_A"]
    figure = rb.plot_panel(fit, names)
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    for number, box in enumerate(boxes):
        assert box is not None
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert not [other for other in boxes[:number] if other is not None and box.overlaps(other)]
        assert figure.axes[number].get_window_extent().width > 0.6 * figure.bbox.width / 3


@pytest.fixture(scope="module")
def folder(fit: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("paper")
    with mpl.rc_context({"backend": "agg"}):
        rb.save_figures(fit, out, formats=["svg"])
    return out


def test_each_figure_has_its_data_and_caption(folder: Path) -> None:
    names = {path.stem for path in folder.iterdir()}
    assert {"headline", "bands_smuggled", "totals", "consumption", "net_exports_A", "net_flows",
            "quotas"} <= names  # fmt: skip
    for name in names:
        data = pd.read_csv(folder / f"{name}.csv")
        assert len(data) > 0, name
        caption = (folder / f"{name}.txt").read_text("utf-8")
        assert "90 % of the posterior" in caption and "A study of two <lands>" in caption
    assert {path.suffix for path in folder.iterdir()} == {".svg", ".csv", ".txt"}


def test_data_of_a_figure_are_what_it_shows(fit: xr.DataTree, folder: Path) -> None:
    data = pd.read_csv(folder / "bands_smuggled.csv")
    band = rb.bands(rb.quantity(fit, "smuggled"))
    for end in ("median", "lower", "upper"):
        shown = data.loc[data["what"] == "posterior", end]
        np.testing.assert_allclose(shown, band[end], rtol=1e-5)
    records = rb.record_table(fit)
    assert (data["what"] == "record").sum() == (records["quantity"] == "smuggled").sum()
    assert set(data["unit"]) == {"kt REO/yr"}
    used = pd.read_csv(folder / "consumption.csv")
    at_home = used[(used["region"] == "A") & (used["year"] == 2013)]["median"].item()
    assert at_home == pytest.approx(float(rb.flow(fit, "used_A").sel(year=2013).median()), rel=1e-5)
    net = pd.read_csv(folder / "net_exports_A.csv").set_index(["name", "year"])
    metal = (rb.flow(fit, "metal_A_B") - rb.flow(fit, "metal_B_A")).sel(year=2011)
    assert net.loc[("metal", 2011), "median"] == pytest.approx(float(metal.median()), rel=1e-5)


def test_figures_have_the_width_of_a_column_or_page_and_their_text_is_text(folder: Path) -> None:
    for path in folder.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        width = float(root.attrib["width"].removesuffix("pt"))
        millimetres = COLUMN_MM if path.stem.startswith(("bands", "net_exports")) else PAGE_MM
        assert width == pytest.approx(millimetres / MM * INCH, rel=1e-6), path.name
        written = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
        assert any("2010" in str(text) for text in written) or path.stem == "totals"


def test_no_letter_is_smaller_than_six_points(folder: Path) -> None:
    for path in folder.glob("*.svg"):
        sizes = re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", path.read_text("utf-8"))
        assert sizes and min(map(float, sizes)) >= 6.0, path.name


def only_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first figure stand for all."""
    every = papers._figures
    monkeypatch.setattr(papers, "_figures", lambda *asked: islice(every(*asked), 1))


def test_a_caption_tells_where_the_prior_goes_and_of_which_panel(
    fit: xr.DataTree, folder: Path, tmp_path: Path
) -> None:
    """In the words of the legend, and of no panel that holds its prior."""
    ax = rb.plot_panel(fit, ["smuggled"]).axes[0]
    (said,) = [note.text.removeprefix("prior ") for note in ax.lines if isinstance(note, Note)]
    assert said.startswith("goes up to ")
    told = f"Grey is the prior; beyond the axis it {said}."
    assert told in (folder / "bands_smuggled.txt").read_text("utf-8")
    other = fit.copy()
    other.attrs["report"] = json.dumps({"headline": ["mined_world", "smuggled"],
                                        "labels": {"smuggled": "Smuggling"}})  # fmt: skip
    rb.save_figures(other, tmp_path, formats=["svg"])
    assert "Grey is the prior. " in (tmp_path / "bands_mined_world.txt").read_text("utf-8")
    told = f"Grey is the prior; beyond the axis that of Smuggling {said}."
    assert told in (tmp_path / "headline.txt").read_text("utf-8")


def test_a_caption_asks_the_axis_as_it_is_drawn(fit: xr.DataTree) -> None:
    """With the records, which may widen it, and for the probability of the figure."""
    contents = contents_of(fit)
    for ci_prob in (0.2, 0.9, 0.999):
        for name in contents.units.index:
            ax = rb.plot_panel(fit, [name], ci_prob=ci_prob).axes[0]
            (note,) = [note.text for note in ax.lines if isinstance(note, Note)]
            said = note.removeprefix("prior ")
            assert said == prior_beyond(contents, name, ci_prob)
            told = f"; beyond the axis it {said}" if said else ""
            assert papers._beyond_axes(contents, [name], ci_prob) == told


def test_the_caption_of_a_fit_that_did_not_converge_says_so_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fake_fit(converged=False)
    page = rb.write_report(failed, tmp_path / "report.html", force=True).read_text("utf-8")
    assert f"<strong>{papers.FAILED}</strong>" in page  # in the same words
    for one in papers._figures(contents_of(failed), 0.9):
        assert one.caption.startswith(f"{papers.FAILED} "), one.name
    only_first(monkeypatch)
    rb.save_figures(failed, tmp_path, formats=["svg"])
    assert (tmp_path / "bands_mined_A_hidden.txt").read_text("utf-8").startswith(papers.FAILED)


def test_captions_speak_of_what_is_drawn(fit: xr.DataTree, folder: Path) -> None:
    said = {path.stem: path.read_text("utf-8") for path in folder.glob("*.txt")}
    assert not any(papers.FAILED in text for text in said.values())
    assert "Lines" not in said["net_flows"] and "Beside each stand" in said["net_flows"]
    assert "bars" not in said["quotas"].partition("as bars.")[2]
    assert "Upright marks are posterior medians" in said["totals"]
    assert "records, or ends of their errors, above the axis" in said["bands_smuggled"]


def test_the_caption_of_what_is_unregistered_explains_its_dashed_lines(fit: xr.DataTree) -> None:
    def caption(**more: object) -> str:
        other = fit.copy()
        other.attrs["report"] = json.dumps({"refined": "metal", "headline": ["smuggled"], **more})
        found = {one.name: one for one in papers._figures(contents_of(other), 0.9)}
        return found["unregistered"].caption

    parts = {"parts": {"mined_A_hidden": ["smuggled", "net_export_A"]},
             "labels": {"smuggled": "Smuggling", "net_export_A": "The rest"}}  # fmt: skip
    told = "Dashed lines, which have no band, are parts of mining: Smuggling; The rest."
    assert told in caption(**parts) and "ashed" not in caption()


def test_the_same_fit_gives_the_same_bytes(
    fit: xr.DataTree, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_first(monkeypatch)
    first, second = (
        {path.name: path.read_bytes() for path in rb.save_figures(fit, tmp_path / name)}
        for name in ("a", "b")
    )
    assert first == second
    assert first["bands_mined_A_hidden.pdf"].startswith(b"%PDF")
    assert first["bands_mined_A_hidden.svg"] == (folder / "bands_mined_A_hidden.svg").read_bytes()
    with pytest.raises(ResultError, match="svg, pdf, png"):
        rb.save_figures(fit, tmp_path / "c", formats=["jpeg"])


def test_figures_of_one_year_are_not_empty(fit: xr.DataTree, tmp_path: Path) -> None:
    one = rb.plot_consumption(fit.isel(year=[3]), ["A"])
    (ax,) = one.axes
    assert ax.get_xlim()[1] - ax.get_xlim()[0] < 2
    assert len(ax.get_xticks()) == 1
    low, high = ax.get_ylim()
    band = rb.bands(rb.flow(fit, "used_A").isel(year=3))
    assert low <= float(band["lower"]) <= float(band["upper"]) <= high
    spans = [part for part in ax.collections if type(part).__name__ == "LineCollection"]
    assert len(spans) == 1


def test_one_command_writes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    only_first(monkeypatch)
    file = save_fake(tmp_path / "fit.nc")
    assert main(["figures", str(file), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "bands_mined_A_hidden.svg").is_file()
    assert "bands_mined_A_hidden.txt: written." in capsys.readouterr().out
