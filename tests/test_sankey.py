"""The Sankey diagram: what is drawn, and that nothing leaves the sheet or covers a label."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from matplotlib.transforms import Bbox

import reebayes as rb
from reebayes.cli.main import main
from reebayes.errors import ResultError
from reebayes.figures.canvas import Drawing, Line, Shape
from reebayes.figures.columns import Link
from reebayes.figures.folding import INPUT, LOSS, STOCK, System, columns_of
from reebayes.figures.lettering import width_of, wrapped
from reebayes.figures.sankey import COLOURS, sankey_drawing
from reebayes.reporting.papers import FAILED, save_sankey_figure
from tests.fakes import FLOWS, complete, fake_fit, save_fake
from tests.tiny import write_tables

YEARS = (2010, 2011, 2012)
WORDS = "ore Donaudampfschifffahrtsgesellschaft of the United States, registered 矿石 W"
HAIR = 0.7  # a hairline may be that much beside its place


# --- random systems ---------------------------------------------------------------------------


def random_part(seed: int) -> xr.DataTree:
    """Return a system without order: loops, stocks, losses, pairs to and fro, whatever amounts.

    It need not balance: the geometry has to hold for whatever is drawn.
    """
    rng = Random(seed)
    kinds = ["market", "conversion", "conversion", "use", "loss", "environment"]
    names = [f"p{n}" for n in range(rng.randint(2, 14))]
    processes = {
        name: (rng.choice(kinds), rng.choice(("", "A", "B")), label(rng)) for name in names
    }
    processes |= {"in": ("environment", "", "Nature"), "one": ("market", "A", label(rng))}
    names = [*processes]
    flows = {"f": ("in", "one")}
    for number in range(rng.randint(1, 40)):
        source, target = rng.choice(names), rng.choice(names)
        if processes[source][0] not in ("loss", "use") and (source != target or number % 5 == 0):
            flows[f"f{number}"] = (source, target)
    return part_of(processes, flows, rng, wild=True)


def label(rng: Random) -> str:
    return " ".join(rng.choices(WORDS.split(), k=rng.randint(1, 7)))


def part_of(
    processes: dict[str, tuple[str, str, str]], flows: dict[str, tuple[str, str]], rng: Random,
    *, wild: bool = False,
) -> xr.DataTree:  # fmt: skip
    size = [10 ** rng.uniform(-4, 3) if wild and rng.random() < 0.9 else 0.0 for _ in flows]
    size = [1.0, *size[1:]] if wild else [1.0] * len(flows)
    numbers = np.random.default_rng(rng.randint(0, 10**6)).lognormal(0, 0.2, (1, 5, 3, len(flows)))
    dims = ("chain", "draw", "year")
    coords = {"chain": [0], "draw": range(5), "year": list(YEARS)}
    draws = xr.Dataset(
        {
            "flows": ((*dims, "flow"), numbers * size),
            "quantities": ((*dims, "quantity"), numbers[..., :1]),
        },
        coords=coords | {"flow": list(flows), "quantity": ["q"]},
    )
    columns = {
        "flow_source": ("flow", [a for a, _ in flows.values()]),
        "flow_target": ("flow", [b for _, b in flows.values()]),
        "flow_product": ("flow", ["ore"] * len(flows)),
        "flow_registered": ("flow", [rng.randint(0, 1) for _ in flows]),
        "flow_label": ("flow", [f"Flow {name}" for name in flows]),
        **{f"process_{what}": ("process", [row[n] for row in processes.values()])
           for n, what in enumerate(("kind", "region", "label"))},
    }  # fmt: skip
    columns = {
        name: (dim, np.array(values, dtype=object if isinstance(values[0], str) else "int8"))
        for name, (dim, values) in columns.items()
    }
    constant = xr.Dataset(
        columns, coords={"flow": list(flows), "process": list(processes), "quantity": ["q"]}
    )
    tree = xr.DataTree.from_dict({"/": draws, "constant_data": complete(constant)})
    tree.attrs = {"unit": "kt X/yr"}
    return tree


def beside(seed: int) -> xr.DataTree:
    """Return a system as it was, and with other amounts and some flows gone."""
    rng, was = Random(seed), random_part(seed)
    after = was.copy(deep=True)
    count = was.sizes["flow"]
    after["flows"] = after["flows"] * [rng.choice((0.0, 0.1, 1.0, 3.0)) for _ in range(count)]
    tree = xr.DataTree.from_dict({"factual": was, "counterfactual": after})
    for name in ("factual", "counterfactual"):
        tree[name].attrs = {"unit": "kt X/yr", "part": name, "label": "a scenario " * 30}
    tree.attrs = {"study": "A made-up study"}
    return tree


# --- geometry ---------------------------------------------------------------------------------


def outline(shape: Shape) -> np.ndarray:
    """Points of an outline, its curves followed in steps."""
    points: list[tuple[float, float]] = []
    for code, some in shape.path:
        if code != "C":
            points += some
            continue
        a, (b, c, d) = np.array(points[-1]), map(np.array, some)
        for t in np.linspace(0, 1, 17)[1:]:
            at = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
            points.append((float(at[0]), float(at[1])))
    return np.array(points)


def frame(shape: Shape) -> Bbox:
    points = outline(shape)
    return Bbox([points.min(axis=0), points.max(axis=0)])


def written(line: Line) -> Bbox:
    """Where a line of text is, from the tops of its capitals to below its longest letters."""
    end = line.x + width_of(line.text, line.size, bold=line.bold)
    return Bbox([[line.x, line.y - 0.76 * line.size], [end, line.y + 0.2 * line.size]])


def smaller(box: Bbox) -> Bbox:
    by = min(HAIR, box.width / 3, box.height / 3)
    return Bbox([[box.x0 + by, box.y0 + by], [box.x1 - by, box.y1 - by]])


def faults(drawing: Drawing) -> Iterator[str]:
    """What leaves the drawing, and what overlaps a box or something written."""
    sheet = Bbox([[0, 0], [drawing.width, drawing.height]])
    texts = [(line.text, written(line)) for line in drawing.lines]
    boxes = [(shape, frame(shape)) for shape in drawing.shapes if shape.kind == "box"]
    for what, box in [*texts, *((shape.touches[0], box) for shape, box in boxes)]:
        if not (sheet.contains(box.x0, box.y0) and sheet.contains(box.x1, box.y1)):
            yield f"{what} leaves the drawing"
    solid = [*texts, *((f"{s.touches[0]} {s.panel}", box) for s, box in boxes)]
    for number, (what, box) in enumerate(solid):
        for other, another in solid[:number]:
            if smaller(box).overlaps(smaller(another)):
                yield f"{what} overlaps {other}"
    for shape in drawing.shapes:
        if shape.kind not in ("ribbon", "stub", "key"):
            continue
        points = outline(shape)
        if not (sheet.contains(*points.min(axis=0)) and sheet.contains(*points.max(axis=0))):
            yield f"{shape.kind} {shape.title} leaves the drawing"
        path, around = Outline(points), Bbox([points.min(axis=0), points.max(axis=0)])
        own = [box for other, box in boxes
               if other.panel == shape.panel and other.touches[0] in shape.touches]  # fmt: skip
        for what, box in [*texts, *((other.touches[0], box) for other, box in boxes)]:
            near = around.overlaps(box) and box not in own
            if near and path.intersects_bbox(smaller(box), filled=True):
                yield f"{shape.kind} {shape.title} overlaps {what}"


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_nothing_leaves_the_drawing_or_covers_a_box_or_label(seed: int) -> None:
    assert not list(faults(sankey_drawing(random_part(seed), 2010)))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_nor_where_two_diagrams_share_their_places(seed: int) -> None:
    drawing = sankey_drawing(beside(seed), (2010, 2012))
    assert not list(faults(drawing))
    places = [
        {s.touches[0]: round(frame(s).x0, 6) for s in drawing.shapes
         if s.kind == "box" and s.panel == panel}
        for panel in (0, 1)
    ]  # fmt: skip
    moved = [places[1][name] - x for name, x in places[0].items()]
    np.testing.assert_allclose(moved, moved[0], atol=1e-5)  # the same places, beside or below


# --- what is drawn ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit()


def heights(drawing: Drawing, kind: str) -> dict[str, float]:
    """Height of what touches boxes, by the label of its first flow."""
    return {
        shape.title.split(":")[0] + shape.title.split(":")[1]: frame(shape).height
        for shape in drawing.shapes if shape.kind == kind
    }  # fmt: skip


def test_inputs_losses_and_ribbons_are_as_high_as_their_means(fit: xr.DataTree) -> None:
    drawing = sankey_drawing(fit, 2013)
    means = fit["posterior"]["flows"].sel(year=2013).mean(("chain", "draw"))
    found = heights(drawing, "stub")
    assert len(found) == 2 + 2 + 1  # dug, lost at the mines, lost on the way through the plant
    ratios = [
        height / float(means.sel(flow=name))
        for label, height in found.items()
        for name, row in FLOWS.items()
        if label == "".join(row[4].split(":")[:2])
    ]
    assert len(ratios) == 5
    np.testing.assert_allclose(ratios, ratios[0])
    colours = [shape.colour for shape in drawing.shapes if shape.kind == "stub"]
    assert colours.count(COLOURS[INPUT][0]) == 2
    assert colours.count(COLOURS[LOSS][0]) == 3


def test_a_span_is_the_sum_of_its_years_in_a_unit_without_a_year(fit: xr.DataTree) -> None:
    drawing = sankey_drawing(fit, (2011, 2013))
    text = [line.text for line in drawing.lines]
    assert text[0] == "A study of two <lands>: flows of 2011-2013 together"
    assert text[1].startswith("kt REO. Widths: posterior means. Numbers: median and 90 % band")
    used = rb.cumulative(rb.flow(fit, "used_A"), 2011, 2013)
    middle, low, high = np.quantile(used, (0.5, 0.05, 0.95))
    from reebayes.wording import format_band

    assert format_band(middle, low, high) in text
    assert rb.draw_sankey(fit, None) == rb.draw_sankey(fit, (2010, 2015))
    assert sankey_drawing(fit, 2013).lines[1].text.startswith("kt REO/yr.")


def test_what_is_given_to_stock_and_taken_from_it_is_drawn() -> None:
    processes = {
        "nature": ("environment", "", "Ground"), "mine": ("conversion", "", "Mine"),
        "metal": ("market", "", "Metal"), "store": ("environment", "", "Store"),
        "use": ("use", "", "Use"),
    }  # fmt: skip
    flows = {
        "dug": ("nature", "mine"), "made": ("mine", "metal"), "used": ("metal", "use"),
        "build": ("metal", "store"), "draw": ("store", "metal"),
    }  # fmt: skip
    drawing = sankey_drawing(part_of(processes, flows, Random(3)), 2010)
    stubs = [shape for shape in drawing.shapes if shape.kind == "stub"]
    assert sorted(shape.colour for shape in stubs) == sorted(
        [COLOURS[STOCK][0], COLOURS[STOCK][0], COLOURS[INPUT][0]]
    )
    metal = next(s for s in drawing.shapes if s.kind == "box" and s.touches == ("metal",))
    by_flow = {shape.title.split(":")[0]: frame(shape) for shape in stubs}
    assert by_flow["Flow draw"].x1 == pytest.approx(frame(metal).x0)
    assert by_flow["Flow build"].x0 == pytest.approx(frame(metal).x1)
    told = " ".join(line.text for line in drawing.lines)
    assert "to Store:" in told and "from Store:" in told


def test_of_a_circle_within_a_region_the_smallest_flow_goes_back() -> None:
    """Scrap that is passed on, and not converted, orders no column before what is made of it."""
    names = ["oxide", "metal", "magnets"]
    processes = pd.DataFrame({"kind": "market", "region": "A"}, index=names)
    paths = [("reduced", "made"), ("sold",), ("scrap",)]
    ends = [("oxide", "metal", 54.0), ("metal", "magnets", 35.0), ("magnets", "oxide", 9.0)]
    system = System(names, processes, paths, [], {})
    links = [Link(begin, end, size, size) for begin, end, size in ends]
    column = columns_of(system, links)
    assert column["oxide"] < column["metal"] < column["magnets"]


def test_recycling_runs_back_below_or_above_the_boxes_between() -> None:
    processes = {
        "nature": ("environment", "", "Ground"), "mine": ("conversion", "", "Mine"),
        "metal": ("market", "", "Metal"), "goods": ("conversion", "", "Goods"),
        "scrap": ("market", "", "Scrap"), "use": ("use", "", "Use"),
    }  # fmt: skip
    flows = {
        "dug": ("nature", "mine"), "made": ("mine", "metal"), "worked": ("metal", "goods"),
        "cut": ("goods", "scrap"), "molten": ("scrap", "metal"), "kept": ("goods", "use"),
        "sold": ("metal", "use"), "spent": ("scrap", "use"),
    }  # fmt: skip
    drawing = sankey_drawing(part_of(processes, flows, Random(1)), 2010)
    (back,) = [s for s in drawing.shapes if s.title.startswith("Flow molten")]
    boxes = {s.touches[0]: frame(s) for s in drawing.shapes if s.kind == "box"}
    assert frame(back).x0 < boxes["metal"].x0
    assert frame(back).x1 > boxes["scrap"].x1
    assert not list(faults(drawing))


def test_a_difference_flows_nowhere_and_years_are_those_of_the_fit(fit: xr.DataTree) -> None:
    for years, fault in (((2013, 2011), "not inside"), ((2013, 2020), "not inside"),
                         (1999, "not inside")):  # fmt: skip
        with pytest.raises(ResultError, match=fault):
            sankey_drawing(fit, years)


@pytest.mark.parametrize(
    ("form", "start"), [("svg", b"<svg"), ("pdf", b"%PDF"), ("png", b"\x89PNG")]
)
def test_pictures_are_written_in_every_format(
    fit: xr.DataTree, tmp_path: Path, form: str, start: bytes
) -> None:
    path = rb.save_sankey(fit, tmp_path / f"picture.{form}", 2013)
    assert path.read_bytes().startswith(start)
    assert rb.save_sankey(fit, tmp_path / f"again.{form}", 2013).read_bytes() == path.read_bytes()


def test_another_ending_is_refused(fit: xr.DataTree, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"must end in \.svg, \.pdf or \.png"):
        rb.save_sankey(fit, tmp_path / "picture.jpeg", 2013)


def test_svg_is_sound_and_its_text_inert(fit: xr.DataTree) -> None:
    drawing = rb.draw_sankey(fit, 2013)
    ElementTree.fromstring(drawing)
    assert "<magnets>" not in drawing


@given(st.text(alphabet="abc defgh-", max_size=60), st.floats(20, 200))
def test_lines_are_no_wider_than_asked_and_lose_nothing(text: str, width: float) -> None:
    lines = wrapped(text, width, 11.0)
    assert all(width_of(line, 11.0) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


# --- the command ------------------------------------------------------------------------------


def test_one_command_writes_every_year_and_all_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = save_fake(tmp_path / "fit.nc"), tmp_path / "out"
    assert main(["figures", str(file), "--sankey", "--out", str(out)]) == 0
    spans = (*range(2010, 2016), "2010-2015")
    names = [f"sankey_{year}.{form}" for form in ("svg", "csv", "txt") for year in spans]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    assert "sankey_2010-2015.svg: written." in capsys.readouterr().out
    assert (out / names[3]).read_text("utf-8") == rb.draw_sankey(fake_fit(), 2013)
    chosen = tmp_path / "chosen"
    words = ["--years", "2012", "2011-2013", "--format", "png", "svg", "--out", str(chosen)]
    assert main(["figures", str(file), "--sankey", *words]) == 0
    assert {path.name for path in chosen.iterdir()} == {
        f"sankey_{span}.{form}"
        for span in ("2012", "2011-2013")
        for form in ("png", "svg", "csv", "txt")
    }


def test_a_diagram_stands_beside_its_numbers_and_its_caption(tmp_path: Path) -> None:
    file, out = save_fake(tmp_path / "fit.nc"), tmp_path / "out"
    assert main(["figures", str(file), "--sankey", "--out", str(out)]) == 0
    draws = fake_fit()["posterior"]["flows"]
    for stem, chosen, unit in (
        ("sankey_2013", draws.sel(year=2013), "kt REO/yr"),
        ("sankey_2010-2015", draws.sum("year"), "kt REO"),
    ):
        table = pd.read_csv(out / f"{stem}.csv")
        assert list(table) == ["flow", "from", "to", "product", "mean", "median", "lower",
                               "upper", "unit"]  # fmt: skip
        assert set(table["flow"]) == set(FLOWS) and set(table["unit"]) == {unit}
        row = table.set_index("flow").loc["ore_smuggled"]
        assert tuple(row[["from", "to", "product"]]) == FLOWS["ore_smuggled"][:3]
        about = chosen.sel(flow="ore_smuggled").stack(all=("chain", "draw"))
        assert row["mean"] == pytest.approx(float(about.mean()), rel=1e-5)
        ends = np.quantile(about, [0.5, 0.05, 0.95])
        np.testing.assert_allclose(row[["median", "lower", "upper"]].astype(float), ends, rtol=1e-5)
        said = (out / f"{stem}.txt").read_text("utf-8")
        assert said.startswith("Flows of 201") and f", {unit}. Widths are posterior means" in said
        assert "Not drawn: below 0.1 % of the largest." in said
        assert "A study of two <lands> (000000000000)" in said and "converge" not in said


def test_numbers_and_caption_of_a_scenario_tell_both_sides(tmp_path: Path) -> None:
    """And that the fit which it was worked out of did not converge."""
    fit = fake_fit(converged=False)
    twice = fit["posterior"].to_dataset()
    constant = fit["constant_data"].to_dataset()
    sides = {"factual": twice, "counterfactual": twice.assign(flows=2 * twice["flows"])}
    tree = xr.DataTree.from_dict({**sides, **{f"{name}/constant_data": constant for name in sides}})
    for name in sides:
        tree[name].attrs = {"unit": "kt REO/yr", "part": name, "label": "Twice as much"}
    files = save_sankey_figure(tree, tmp_path, "two", 2013, of=fit, formats=["svg"])
    assert [file.name for file in files] == ["two.svg", "two.csv", "two.txt"]
    table = pd.read_csv(files[1]).set_index(["what", "flow"])
    for end in ("mean", "upper"):
        one, two = (table.loc[name][end] for name in sides)
        np.testing.assert_allclose(two, 2 * one, rtol=1e-4)
    said = files[2].read_text("utf-8")
    assert said.startswith(f"{FAILED} Flows of 2013, kt REO/yr. As it was; Scenario: Twice as much")
    assert "What is stranded or lost in the scenario does not leave its box." in said
    save_sankey_figure(tree, tmp_path, "two", 2013, of=fake_fit(), formats=["svg"])
    assert FAILED not in files[2].read_text("utf-8")


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = save_fake(tmp_path / "fit.nc"), str(tmp_path / "out")
    for words, fault in (
        (["--years", "2012"], "--scenario and --years are of Sankey diagrams: add --sankey."),
        (["--sankey", "--years", "1999"], "Year 1999 is not inside the study (2010 to 2015)"),
        (["--sankey", "--scenario", "no_trade"], "no scenario 'no_trade'"),
    ):
        arguments = ["figures", str(file), "--out", out, *words]
        if "--scenario" in words:
            arguments += ["--data", str(write_tables(tmp_path / "study"))]
        assert main(arguments) == 2
        assert fault in capsys.readouterr().err
