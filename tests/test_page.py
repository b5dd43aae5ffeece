"""The page as a document: nothing from outside, labels, headings, tables, contrast, inert text."""

import base64
import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import reebayes as rb
from reebayes.figures.canvas import Drawing, Shape, outline_text
from reebayes.figures.columns import ribbon, stub_path, touching
from reebayes.figures.yearly import yearly_sankey
from reebayes.reporting.interactive import script_data
from reebayes.reporting.page import write_report
from reebayes.reporting.vectors import SVG, address_of, slimmed
from reebayes.results.intervals import bands_of
from reebayes.results.reading import contents_of
from reebayes.wording import format_band
from tests.fakes import RECORDS, REPORT, YEARS, fake_fit
from tests.pictures import ADDRESS, picture_in
from tests.test_hostile import hostile_fit
from tests.test_one_year import of_one_year
from tests.test_sankey import outline
from tests.worlds import fit_of_worlds

VOID = {"meta", "img", "br", "link", "input", "rect", "path", "line"}
LOADING = ("src", "srcset", "data", "poster", "action", "formaction", "background", "ping")
HOSTS = re.compile(r"https?:|//|@import|url\(", re.IGNORECASE)


class Element:
    """A tag with what it holds."""

    def __init__(self, tag: str, attrs: dict[str, str], parent: "Element | None") -> None:
        self.tag, self.attrs, self.parent = tag, attrs, parent
        self.children: list[Element] = []
        self.own = ""

    def walk(self) -> Iterator["Element"]:
        """It and all within, in the order of the page."""
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, *tags: str) -> list["Element"]:
        """All within of some tags."""
        return [one for one in self.walk() if one.tag in tags]

    @property
    def text(self) -> str:
        """Its words, and those within."""
        return self.own + "".join(child.text for child in self.children)

    @property
    def above(self) -> Iterator["Element"]:
        """What it stands in."""
        here = self.parent
        while here is not None:
            yield here
            here = here.parent


ROW = ("td", "th", "tr")


def open_cells(tag: str, here: Element) -> int:
    """How many elements end where another begins: HTML needs no word for ends of cells and rows."""
    if tag in ("td", "th"):
        return int(here.tag in ("td", "th"))
    if tag == "tr":
        return {"tr": 1, "td": 2, "th": 2}.get(here.tag, 0)
    return 0


class Tree(HTMLParser):
    """A page as elements; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = self.here = Element("", {}, None)
        self.feed(text)
        assert self.here is self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        for _ in range(open_cells(tag, self.here)):
            assert self.here.parent is not None
            self.here = self.here.parent
        made = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(made)
        if tag not in VOID:
            self.here = made

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        while self.here.tag in ROW and tag in ("tbody", "thead"):
            assert self.here.parent is not None
            self.here = self.here.parent
        assert self.here.tag == tag, (self.here.tag, tag)
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.own += data


def bare_fit() -> xr.DataTree:
    fit = fake_fit(report=None)
    for group in ("prior", "posterior_predictive", "prior_predictive"):
        if group in fit.children:
            del fit[group]
    return fit


FITS = {
    "several years": lambda: fake_fit(),
    "one year": lambda: of_one_year({"headline": ["smuggled"], "panels": [
        {"title": "More", "quantities": ["mined_world", "share_hidden"]}]}),
    "no settings": lambda: fake_fit(report=None),
    "no prior": bare_fit,
    "not converged": lambda: fake_fit(converged=False),
    "hostile": hostile_fit,
}  # fmt: skip


@pytest.fixture(scope="module", params=list(FITS))
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    return write_report(FITS[request.param](), path, force=True).read_text("utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Element:
    return Tree(text).root


# --- nothing from outside -------------------------------------------------------------------------


def test_the_page_asks_nobody_for_anything(page: Element) -> None:
    for one in page.walk():
        assert one.tag not in (
            "link",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
            "video",
            "audio",
        )
        for name in LOADING:
            address = one.attrs.get(name, "")
            assert not address or address.startswith(ADDRESS), (one.tag, name)
        assert not HOSTS.search(one.attrs.get("style", ""))
        assert not any(name.startswith("on") for name in one.attrs), one.attrs
        if one.tag in ("style", "script"):
            assert not re.search(r"@import|url\(|fetch\(|XMLHttp|WebSocket|import\(", one.own)


def test_the_browser_is_told_to_ask_nobody(page: Element) -> None:
    """Only the script that the policy names may run, and nothing may be loaded."""
    (policy,) = (one.attrs["content"] for one in page.all("meta") if "http-equiv" in one.attrs)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    (code,) = (one.own for one in page.all("script") if "type" not in one.attrs)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"


def test_pictures_within_ask_nobody_either(page: Element) -> None:
    for one in page.all("img"):
        for part in ElementTree.fromstring(picture_in(one.attrs["src"])).iter():
            for name, value in part.attrib.items():
                assert not re.search("https?:|javascript:", value), (name, value)
                assert name.rpartition("}")[2] != "href" or value.startswith("#")


# --- for all readers ------------------------------------------------------------------------------


def test_headings_are_in_order_and_sections_are_named(page: Element) -> None:
    levels = [int(one.tag[1]) for one in page.walk() if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = {one.attrs["id"] for one in page.walk() if "id" in one.attrs}
    for section in page.all("section"):
        assert section.attrs["aria-labelledby"] in ids
    assert len(page.all("main")) == 1
    assert page.all("html")[0].attrs["lang"] == "en"
    assert page.all("title")[0].text.strip()


def test_names_are_used_once_and_links_lead_somewhere(page: Element) -> None:
    ids = [one.attrs["id"] for one in page.walk() if "id" in one.attrs]
    assert len(ids) == len(set(ids))
    pointing = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
    for one in page.walk():
        for name in pointing:
            assert not one.attrs.get(name) or one.attrs[name] in {*ids, "detail-title"}
        address = one.attrs.get("href", "#")
        assert address[1:] in {*ids, ""} if address[0] == "#" else address.startswith("http")


def test_everything_that_is_operated_has_a_name(page: Element) -> None:
    labelled = {one.attrs.get("for") for one in page.all("label")}
    for one in page.all("input", "select"):
        within = any(above.tag == "label" for above in one.above)
        assert within or one.attrs["id"] in labelled, one.attrs
    for one in page.all("button", "summary", "a"):
        assert one.text.strip() or one.attrs.get("aria-label"), one.attrs
    for one in page.walk():
        assert int(one.attrs.get("tabindex", "0")) <= 0
        if one.attrs.get("role") == "region":
            assert one.attrs.get("aria-label") or one.attrs.get("aria-labelledby")
        if "scroll" in one.attrs.get("class", "").split():
            assert one.attrs.get("tabindex") == "0", "what scrolls is reached by the keyboard"
            assert one.attrs.get("role") == "region"


def test_tables_have_captions_and_heads(page: Element) -> None:
    for table in page.all("table"):
        (caption,) = table.all("caption")
        assert caption.text.strip()
        assert all(
            head.attrs.get("scope") in ("row", "col", "rowgroup") for head in table.all("th")
        )
        heads = table.all("thead")
        if heads:
            width = len(heads[0].all("th"))
            spans = bool([cell for cell in table.all("th", "td") if
                          {"rowspan", "colspan"} & {*cell.attrs}])  # fmt: skip
            rows = table.all("tbody")[0].all("tr")
            assert spans or {len(row.children) for row in rows} <= {width}


def test_every_figure_has_title_unit_probability_words_and_numbers(page: Element) -> None:
    assert len(page.all("figure")) >= 3
    ids = {one.attrs["id"]: one for one in page.walk() if "id" in one.attrs}
    for figure in page.all("figure"):
        (caption,) = figure.all("figcaption")
        assert caption.all("strong")[0].text.strip(" .")
        assert len(caption.text) > 60
        unit = any(word in caption.text for word in ("kt REO", "ratio", "share", "PIT", "Rank"))
        assert unit, caption.text
        assert re.search(r"\d+ %|Rank", caption.text), caption.text
        for image in figure.all("img"):
            assert len(image.attrs["alt"]) > 40
        for drawing in figure.all("svg"):
            assert drawing.attrs.get("aria-label") or drawing.attrs.get("aria-hidden") == "true"
        linked = [one.attrs["href"][1:] for one in caption.all("a") if "term" not in one.attrs.get(
            "class", "")]  # fmt: skip
        told = any(ids[name].tag == "table" for name in linked)
        assert figure.all("table") or told or figure.attrs.get("id") == "sankey", caption.text
    assert ids["flow-values"].tag == "table"


# --- contrast -------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def styles(page: Element) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Variables of the page, and the declarations of each of its selectors."""
    css = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", page.all("style")[0].own)
    names = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{3,6})", css))
    rules: dict[str, dict[str, str]] = {}
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        told = dict(re.findall(r"([a-z-]+): ([^;]+);?", body))
        for selector in selectors.split(","):
            rules.setdefault(selector.strip(), {}).update(told)
    return names, rules


def solid(value: str, names: dict[str, str]) -> str | None:
    found = re.search(r"var\(--([a-z]+)\)", value)
    if found:
        return names[found[1]]
    hexadecimal = re.search(r"#[0-9a-f]{3,6}\b", value)
    return hexadecimal[0] if hexadecimal else None


def test_words_stand_out_from_every_ground(page: Element) -> None:
    """4.5 to 1: every colour of text on every ground of the page that says no colour of its own."""
    names, rules = styles(page)
    grounds, inks = {"#fff"}, {names["ink"], names["soft"], names["link"]}
    for rule in rules.values():
        colour, ground = rule.get("color"), rule.get("background")
        ink, back = solid(colour or "", names), solid(ground or "", names)
        if ink and back:
            assert contrast(ink, back) >= 4.5, rule
        elif ink:
            inks.add(ink)
        elif back:
            grounds.add(back)
    assert len(grounds) > 4
    assert len(inks) > 3
    faint = [(a, b) for a in inks for b in grounds if contrast(a, b) < 4.5]
    assert faint == []


def test_shapes_and_focus_stand_out(page: Element) -> None:
    """3 to 1: outlines of ribbons and arrows, lines of the chart, borders, the ring of focus."""
    names, rules = styles(page)
    strokes = {one.attrs["stroke"] for one in page.walk() if one.attrs.get("stroke", "")[:1] == "#"}
    assert {one for one in strokes if contrast(one, "#fff") < 2.7} == set()
    for selector in (".chart .now", ".chart .median.posterior", ".chart .median.prior"):
        assert contrast(rules[selector]["stroke"], "#fff") >= 3
    assert contrast(solid(rules[":focus-visible"]["outline"], names) or "#fff", "#fff") >= 3
    assert contrast(solid(rules["button"]["border"], names) or "#fff", "#fff") >= 3


# --- what the script is given ---------------------------------------------------------------------


def data_of(page: Element) -> dict[str, Any]:
    (found,) = (one.own for one in page.all("script") if one.attrs.get("type"))
    return unpacked(found)


def unpacked(written: str) -> dict[str, Any]:
    return json.loads(zlib.decompress(base64.b64decode(written, validate=True)))


def test_what_the_script_is_given_is_inert(text: str, page: Element) -> None:
    """Nothing in it can end its element or begin another, whatever the tables say."""
    inside = text[text.index('id="data">') + 10 :]
    inside = inside[: inside.index("</script>")]
    assert not re.search("[<>&\u2028\u2029]", inside)
    assert len(page.all("script")) == 2
    assert data_of(page)["flows"]


@pytest.mark.parametrize("evil", [
    "</script><script>alert(1)</script>", "<!--<script>", "]]>", "\u2028\u2029", '"\\',
    "&lt;/script&gt;", "\x00",
])  # fmt: skip
def test_any_text_comes_back_as_itself(evil: str) -> None:
    written = script_data({evil: [evil]})
    assert not re.search("[<>&\u2028\u2029]", written)
    assert unpacked(written) == {evil: [evil]}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Element:
    path = tmp_path_factory.mktemp("usual") / "page.html"
    return Tree(write_report(fake_fit(), path).read_text("utf-8")).root


def test_the_script_is_given_the_bands_of_every_year_and_of_all(usual: Element) -> None:
    data, contents = data_of(usual), contents_of(fake_fit())
    assert data["spans"] == [*map(str, YEARS), "2010–2015 together"]
    for group in ("posterior", "prior"):
        for what, dim, key in (("flows", "flow", "label"), ("quantities", "quantity", "name")):
            years = bands_of(contents, what, group)
            sums = bands_of(contents, what, group, total=True)
            names = list(contents.flows.index) if what == "flows" else None
            for n, row in enumerate(data[what]):
                name = names[n] if names else row[key]
                told = row[group]
                told = data["flows"][int(told[1:])][group] if told.startswith("=") else told
                cells = told.split(";")
                for year, cell in zip(YEARS, cells, strict=False):
                    one = years.sel({dim: name, "year": year})
                    ends = [float(one[end]) for end in ("median", "lower", "upper")]
                    parts = cell.split("|")
                    assert f"{parts[0]} ({parts[1]} to {parts[2]})" == format_band(*ends)
                if name in sums[dim].values:
                    one = sums.sel({dim: name})
                    ends = [float(one[end]) for end in ("median", "lower", "upper")]
                    assert cells[-1] == "|".join(format_band(*ends).replace("(", "").replace(
                        ")", "").replace(" to ", " ").split())  # fmt: skip
                else:
                    assert cells[-1] == ""


def test_records_and_terms_are_those_of_the_tables(usual: Element) -> None:
    data, contents = data_of(usual), contents_of(fake_fit())
    place = {row["name"]: n for n, row in enumerate(data["quantities"])}
    told = [[place[row["quantity"]], row["year"], row["year_end"]] for _, row in RECORDS.iterrows()]
    assert data["records"] == sorted(told, key=lambda row: row[0])
    names = list(contents.flows.index)
    for row in data["quantities"]:
        above, below = contents.terms[row["name"]]
        assert {names[n] for n in row["flows"]} == {*above, *below}


def rows_of(page: Element, *tables: str) -> list[Element]:
    """Rows of tables in the order of the page."""
    found = [one for one in page.all("table") if one.attrs.get("id") in tables]
    return [row for table in found for row in table.all("tbody")[0].all("tr")]


def test_rows_stand_in_the_order_in_which_the_script_counts_them(usual: Element) -> None:
    data = data_of(usual)
    for what, tables in (("flows", ("flow-values",)), ("quantities", ("quantities", "further"))):
        for written, row in zip(rows_of(usual, *tables), data[what], strict=True):
            assert row["label"] in written.text
    (records,) = [one for one in usual.all("table") if one.attrs.get("id") == "record-table"]
    written = [
        (head.text, row)
        for body in records.all("tbody")
        for head, *rows in [body.all("tr")]
        for row in rows
    ]
    for (head, row), (number, first, _) in zip(written, data["records"], strict=True):
        quantity = data["quantities"][number]
        assert head.strip().startswith(quantity["label"])
        assert quantity["name"] in head
        assert row.all("td")[1].text.startswith(str(first))


def test_further_quantities_are_told_without_a_script(tmp_path: Path) -> None:
    """Their sums, or the last year of a ratio, and where all years are."""
    fit = fake_fit(report={**REPORT, "table": ["mined_world"]})
    page = Tree(write_report(fit, tmp_path / "page.html").read_text("utf-8")).root
    sums = bands_of(contents_of(fit), "quantities", total=True)
    last = bands_of(contents_of(fit), "quantities").sel(year=YEARS[-1])
    rows = rows_of(page, "further")
    assert len(rows) == len(fit["posterior"]["quantity"]) - 1
    kinds = set()
    for row in rows:
        label = row.all("th")[0]
        (name,) = [one["name"] for one in data_of(page)["quantities"] if one["label"] == label.own]
        kinds.add(ratio := name not in sums["quantity"].values)
        band = (last if ratio else sums).sel(quantity=name)
        (cell,) = row.all("td")
        told = f"{cell.own} ({cell.all('small')[0].text})"
        assert told == format_band(*(float(band[end]) for end in ("median", "lower", "upper")))
    assert kinds == {True, False}
    (caption,) = [one.all("caption")[0].text for one in page.all("table")
                  if one.attrs.get("id") == "further"]  # fmt: skip
    assert "sum over all years in kt REO or, of a ratio, the value of 2015" in caption
    assert "reebayes export" in caption


def test_a_picture_takes_few_bytes_for_what_it_draws(usual: Element) -> None:
    """90 for each line, mark and word: pages of large studies hang on it (`test_browser`)."""
    found = [picture_in(one.attrs["src"]) for one in usual.all("img")]
    assert len(found) > 4
    for picture in found:
        drawn = len(re.findall("<(?:path|use|text)[ >]", picture))
        assert len(picture.encode()) < 90 * drawn


# --- the diagram of all years ---------------------------------------------------------------------


@pytest.mark.parametrize("make", [fake_fit, lambda: fit_of_worlds(
    rb.read_study(Path("data/examples/zinc")), chains=2, draws=6)])  # fmt: skip
def test_boxes_stand_still_and_nothing_overlaps_in_any_year(make: Any) -> None:
    """Every ribbon lies where the widest of its years has room, so no year covers another's place.

    What is drawn of a year lies within the outline of the widest, box by box.
    """
    drawn = yearly_sankey(contents_of(make()))
    assert drawn is not None
    for layout, widths in zip(drawn.layouts, drawn.widths, strict=True):
        ends = touching(layout, widths)
        for n, link in enumerate(widths.links):
            if max(link.start, link.end) > 0:
                found = [point for _, points in ribbon(layout, n, widths, ends) for point in points]
                assert np.isfinite(found).all()
                assert layout.thickness(link.start) <= drawn.layout.thickness(
                    drawn._widest.links[n].start) + 0.7  # fmt: skip
        for n, stub in enumerate(widths.stubs):
            if stub.value > 0:
                stub_path(layout, n, widths, ends)
    assert outline  # the geometry of one drawing is tested in test_sankey


def test_the_picture_without_script_is_of_the_year_that_is_asked_for(tmp_path: Path) -> None:
    fit = fake_fit()
    path = write_report(fit, tmp_path / "page.html", year=2012)
    page = Tree(path.read_text("utf-8")).root
    drawn = yearly_sankey(contents_of(fit))
    assert drawn is not None
    layout, widths = drawn.layouts[2], drawn.widths[2]
    ends = touching(layout, widths)
    shown = [one.attrs["d"] for one in page.walk() if one.attrs.get("class") == "ribbon"]
    assert shown == [
        outline_text(ribbon(layout, n, widths, ends)) if max(link.start, link.end) > 0 else ""
        for n, link in enumerate(widths.links)
    ]
    assert data_of(page)["start"] == 2


def test_every_flow_is_in_the_diagram(usual: Element) -> None:
    seen = {int(n) for one in usual.walk() for n in one.attrs.get("data-flows", "").split()}
    assert seen == set(range(len(data_of(usual)["flows"])))


def written_by_matplotlib() -> str:
    """Lines, marks by themselves and in rows, bands, clips and words, as matplotlib writes them."""
    figure = Figure()
    ax = figure.subplots()
    ax.plot([1, 2, 3], [1.23456789, 4, 2], "o-", label="<b> & more")
    ax.plot([1, 2, 2], [4, 1, 1], "D", color="#b5460f", alpha=0.5, clip_on=False)
    ax.plot([1, 3], [2, 2], "o", color="#000000")
    ax.scatter([1.5, 2.5, 2.9], [1, 3, 9], marker="s", alpha=0.4)
    ax.fill_between([1, 2, 3], [1, 2, 3], [2, 3, 4], alpha=0.3, hatch="//")
    ax.set_ylim(1, 4)
    ax.legend()
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg")
    return buffer.getvalue().decode()


def places_of(outline: str) -> list[tuple[float, float]]:
    """Corners of an outline that is written in steps of straight lines."""
    x, y, found = 0.0, 0.0, []
    for letter, told in re.findall(r"([Mlhv])([^Mlhv]*)", outline):
        numbers = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", told)]
        steps = {"h": [(n, 0.0) for n in numbers], "v": [(0.0, n) for n in numbers]}.get(
            letter, list(zip(numbers[::2], numbers[1::2], strict=False)))  # fmt: skip
        for across, down in steps:
            x, y = (across, down) if letter == "M" else (x + across, y + down)
            found.append((x, y))
    return found


def marks_in(svg: str) -> list[tuple[float, float]]:
    """Where a picture has marks, by themselves or at the corners of lines."""
    lines = re.findall(r"\.(\w+)\{fill:none;marker:url", svg)
    found = []
    for one in ElementTree.fromstring(svg).iter():
        if one.tag.endswith("}use") and "x" in one.attrib:
            found.append((float(one.attrib["x"]), float(one.attrib["y"])))
        elif one.get("class") in lines:
            found += places_of(one.attrib["d"])
    return sorted((round(x, 1), round(y, 1)) for x, y in found)


def test_pictures_are_slimmed_and_say_the_same() -> None:
    was = written_by_matplotlib()
    now = slimmed(was)
    assert len(now) < 0.4 * len(was)

    def words(svg: str) -> list[str]:
        return [one.text or "" for one in ElementTree.fromstring(svg).iter() if one.text and
                one.tag.endswith("}text")]  # fmt: skip

    assert words(now) == words(was)
    assert "<b> & more" in words(now)
    assert marks_in(now) == marks_in(was)
    assert now.count("marker:url") == 3, "two marks are drawn by themselves"
    used = re.findall(r'(?:url\(#|href="#)([^)"]+)', now)
    assert used
    assert all(f'id="{name}"' in now for name in used)
    named = [name for one in ElementTree.fromstring(now).iter() if (name := one.get("id"))]
    assert len(named) == len({*named})
    assert {*named} == {*used}


def test_a_use_that_is_clipped_stands_in_a_group_that_is() -> None:
    """By itself it would take the clip along to its place."""
    rules = dict(re.findall(r"\.(\w+)\{([^}]*)\}", now := slimmed(written_by_matplotlib())))
    root = ElementTree.fromstring(now)
    above = {child: one for one in root.iter() for child in one}
    held = 0
    for one in root.iter(f"{{{SVG}}}use"):
        assert "clip-path" not in rules[one.attrib["class"]]
        held += "clip-path" in rules.get(above[one].get("class", ""), "")
    assert held == 2


@pytest.mark.parametrize("text", [
    "a 'b' \"c\" <d> & &lt; 100 % #5", "'\"><script>alert(1)</script>", "\n\t x", "é–\U0001d11e",
    "%22%3C",
])  # fmt: skip
def test_a_picture_comes_back_from_its_address_and_stays_in_its_attribute(text: str) -> None:
    root = ElementTree.Element("svg", {"title": text, "fill": "#fff"})
    ElementTree.SubElement(root, "text").text = text
    address = address_of(ElementTree.tostring(root, encoding="unicode"))
    assert not re.search('["&#\\x00-\\x1f]', address)
    (read,) = Tree(f'<img src="{address}">').root.all("img")
    (svg,) = ElementTree.fromstring(f"<all>{picture_in(read.attrs['src'])}</all>")
    assert svg.attrib == {"title": text, "fill": "#fff"}
    assert svg[0].text == text


@pytest.mark.parametrize(("was", "now"), [
    ("M 0 10.04 L 5 -3.26 L 6.5 7 z", "M0 10l5-13.3 1.5 10.3z"),
    ("M 1 2 L 3 4 M 5 6 L 7 8", "M1 2l2 2M5 6l2 2"),
    ("M 0 0 C 1 2 3 4 5 6 C 7 8 9 10 11 12", "M0 0c1 2 3 4 5 6 2 2 4 4 6 6"),
    ("M 0 0 L 1 1 C 1 2 3 4 5 6 L 2 2", "M0 0l1 1c0 1 2 3 4 5l-3-4"),
    ("M 1 1 L 5.5 1 L 5.5 0.25 L 5.6 0.55 L 5.9 0.75 z L 1 9", "M1 1h4.5v-.8l.1.4.3.2zv8"),
    ("M 0.04 0.96 L 0.34 -0.04 A 1 1 0 0 0 2 2", "M 0.04 0.96 L 0.34 -0.04 A 1 1 0 0 0 2 2"),
])  # fmt: skip
def test_outlines_of_pictures_are_written_short(was: str, now: str) -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{was}"/></svg>'
    assert f'd="{now}"' in slimmed(svg)


def test_land_of_a_map_is_one_outline_and_lies_where_it_lay() -> None:
    rings = [
        [(1.26, 2.04), (10.0, 2.04), (10.0, -3.3)],
        [(500.5, 7.0), (500.54, 7.0), (480.1, 9.9)],
    ]
    shapes = [Shape("land", [("M", ring[:1]), *(("L", [p]) for p in ring[1:])], "#aaa")
              for ring in rings]  # fmt: skip
    (path,) = ElementTree.fromstring(Drawing(600, 20, "", shapes, []).svg())
    assert path.attrib["transform"] == "scale(.1)"
    found = []
    for ring in path.attrib["d"].removesuffix("z").split("z"):
        start, steps = ([int(n) for n in re.findall(r"-?\d+", part)] for part in ring.split("l"))
        places = np.cumsum([start, *zip(steps[::2], steps[1::2], strict=True)], axis=0) / 10
        found.append(places.tolist())
    assert found == [
        [[1.3, 2.0], [10.0, 2.0], [10.0, -3.3]], [[500.5, 7.0], [480.1, 9.9]],
    ]  # fmt: skip
