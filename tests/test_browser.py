"""The page in a browser: what a reader does with it. Fails where there is no Chromium."""

import base64
import json
import re
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

import reebayes as rb
from reebayes.figures.canvas import outline_text
from reebayes.figures.columns import box_height, ribbon, stub_path, touching
from reebayes.figures.yearly import YearlySankey, yearly_sankey
from reebayes.reporting.page import write_report
from reebayes.reporting.vectors import slimmed
from reebayes.results.reading import contents_of
from tests.browser import WAIT, Browser
from tests.fakes import fake_fit
from tests.standin import stand_in_fit
from tests.test_hostile import hostile_fit
from tests.test_one_year import of_one_year
from tests.test_page import written_by_matplotlib

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MOST_BYTES = 1_500_000
RECORD_ROWS = (
    "[...document.querySelectorAll('#record-table tbody tr')].filter(row => row.cells.length > 1)"
)
BUNDLED, PARTED = "rare earths", "rare earths by partner, with an outlook and a survey"


def fit_of(name: str) -> xr.DataTree:
    if name == BUNDLED:
        return stand_in_fit(rb.read_study())
    if name == PARTED:
        return stand_in_fit(rb.read_study(extensions=["partners"]))
    if name == "zinc":
        return stand_in_fit(rb.read_study(ROOT / "data" / "examples" / "zinc"))
    return {"made up": fake_fit, "hostile": hostile_fit, "one year": lambda: of_one_year(None),
            "not converged": lambda: fake_fit(converged=False)}[name]()  # fmt: skip


def shown_with(name: str, fit: xr.DataTree) -> dict[str, Any]:
    """What a page of a fit is given beside it."""
    if name != PARTED:
        return {}
    tree = rb.outlook(fit, 2035)
    with pytest.warns(rb.StudyWarning, match="how many answered"):
        asked = rb.survey("reevolution")
    return {"outlook": (tree, rb.deficits(tree, 2035)), "surveys": [asked]}


class Opened:
    """A page in a browser, with the diagram that it should show."""

    def __init__(self, browser: Browser, path: Path, drawn: YearlySankey) -> None:
        self.browser, self.path, self.drawn = browser, path, drawn

    def moved(self, script: str) -> None:
        self.browser.ask(f"(() => {{{script}}})()")


@pytest.fixture(
    scope="module",
    params=["made up", BUNDLED, PARTED, "zinc", "one year", "hostile", "not converged"],
)
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    fit = fit_of(request.param)
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_report(fit, path, force=True, **shown_with(request.param, fit))
    drawn = yearly_sankey(contents_of(fit))
    assert drawn is not None
    with Browser() as browser:
        browser.open(path)
        end = time.monotonic() + WAIT
        while browser.ask("document.querySelector('.controls').hidden"):
            assert time.monotonic() < end, f"the script did not start: {browser.complaints}"
            time.sleep(0.05)
        yield Opened(browser, path, drawn)
        asked = [url for url in browser.requests if not url.startswith("data:")]
        assert asked == [path.resolve().as_uri()], "the page asked for something"
        assert browser.complaints == []
        told = f"{len(asked)} file, itself, {len(browser.requests) - 1} data addresses"
        sys.stdout.write(f"\n{request.param}: {path.stat().st_size:,} bytes; asked for {told}\n")


def data_of(page: Opened) -> dict[str, Any]:
    """What the script chooses from."""
    written = page.browser.ask("document.getElementById('data').textContent")
    return json.loads(zlib.decompress(base64.b64decode(written)))


def span(page: Opened) -> str:
    return str(page.browser.ask("document.querySelector('#sankey .span').textContent"))


def outlines(page: Opened) -> list[str]:
    """What the browser shows, ribbons first."""
    return list(page.browser.ask(
        "[...document.querySelectorAll('.sankey .ribbon'), ...document.querySelectorAll('.sankey "
        ".stub')].map(shape => shape.getAttribute('d'))"
    ))  # fmt: skip


def expected(drawn: YearlySankey, number: int) -> list[str]:
    layout, widths = drawn.layouts[number], drawn.widths[number]
    ends = touching(layout, widths)
    return [
        *(outline_text(ribbon(layout, n, widths, ends)) if max(link.start, link.end) > 0 else ""
          for n, link in enumerate(widths.links)),
        *(outline_text(stub_path(layout, n, widths, ends)) if stub.value > 0 else ""
          for n, stub in enumerate(widths.stubs)),
    ]  # fmt: skip


def apart(one: str, other: str) -> float:
    """How far two outlines of the same steps lie from one another."""
    number = r"-?\d+\.?\d*"
    assert re.sub(number, "", one) == re.sub(number, "", other)
    pairs = zip(re.findall(number, one), re.findall(number, other), strict=True)
    return max((abs(float(a) - float(b)) for a, b in pairs), default=0.0)


def test_the_script_draws_every_year_as_python_does(opened: Opened) -> None:
    """Each year and the sum: the same outlines, to a third of a pixel, and the same heights."""
    for number in range(len(opened.drawn.parts)):
        opened.moved(
            "const all = document.querySelector('input.together'); if (!all) return;"
            f"if (all.checked !== {str(number == len(opened.drawn.years)).lower()}) all.click();"
            f"const s = document.querySelector('input.year'); if (all.checked) return;"
            f"s.value = {number}; s.dispatchEvent(new Event('input'));"
        )
        shown, wanted = outlines(opened), expected(opened.drawn, number)
        assert max(apart(*pair) for pair in zip(shown, wanted, strict=True)) < 0.35
        heights = opened.browser.ask(
            "[...document.querySelectorAll('.sankey .box')].map(box => +box.getAttribute('height'))"
        )
        layout, widths = opened.drawn.layouts[number], opened.drawn.widths[number]
        told = [box_height(layout, name, widths) for name in layout.nodes]
        assert heights == pytest.approx(told, abs=0.35)
    opened.moved("const all = document.querySelector('input.together'); "
                 "if (all && all.checked) all.click();")  # fmt: skip


def test_the_slider_is_moved_by_the_keyboard(opened: Opened) -> None:
    """Diagram, table of flows and table of quantities follow it."""
    if len(opened.drawn.years) == 1:
        assert opened.browser.ask("document.querySelectorAll('input.year').length") == 0
        return
    browser, years = opened.browser, opened.drawn.years
    browser.ask("document.querySelector('#year-system').focus()")
    browser.press("Home", 36)
    assert span(opened) == str(years[0])
    before = outlines(opened)
    browser.press("ArrowRight", 39)
    assert span(opened) == str(years[1])
    assert outlines(opened) != before
    for place in ("#year-table", "#year-system"):
        assert browser.ask(f"document.querySelector('{place}').value") == "1"
        told = browser.ask(f"document.querySelector('{place}').getAttribute('aria-valuetext')")
        assert told == str(years[1])
    heads = "[...document.querySelectorAll('#quantities thead th')].map(head => head.textContent)"
    assert browser.ask(heads)[1] == str(years[1])
    browser.ask("document.querySelector('input.together').click()")
    assert span(opened) == f"{years[0]}–{years[-1]} together"
    unit = browser.ask("document.querySelector('#sankey .unit').textContent")
    assert "/yr" not in unit
    browser.ask("document.querySelector('input.together').click()")


def test_a_flow_is_clicked(opened: Opened) -> None:
    """Its band, its records and its rows: with the mouse, at the middle of a ribbon."""
    browser = opened.browser
    flows = data_of(opened)["flows"]
    place = browser.ask("""(() => {
      document.querySelector('#sankey').scrollIntoView();
      window.scrollBy(0, -80);
      const shapes = [...document.querySelectorAll('.sankey .ribbon')]
        .filter(one => one.getAttribute('d'));
      const area = one => (box => box.width * box.height)(one.getBoundingClientRect());
      // a ribbon that a hand can meet, or else a hairline
      for (const thick of [3, 0])
        for (const shape of shapes.sort((a, b) => area(b) - area(a))) {
          const at = (x, y) => document.elementFromPoint(x, y) === shape;
          const length = shape.getTotalLength(), matrix = shape.getScreenCTM();
          for (let part = 0.02; part < 0.48; part += 0.02) {
            // between a point of its upper edge and the one of its lower edge
            const [a, b] = [part, 1 - part].map(
              there => shape.getPointAtLength(there * length).matrixTransform(matrix));
            const x = (a.x + b.x) / 2, y = (a.y + b.y) / 2;
            if (at(x, y) && at(x - 1, y) && at(x + 1, y) && at(x, y - thick) && at(x, y + thick))
              return [x, y, shape.dataset.flows];
          }
        }
    })()""")
    browser.click(place[0], place[1])
    number = int(place[2].split()[0])
    # a large page takes its time to hear of a click
    waited = time.monotonic()
    while browser.ask("document.getElementById('detail').hidden"):
        assert time.monotonic() < waited + 5
        time.sleep(0.05)
    told = browser.ask("document.getElementById('detail').textContent")
    assert flows[number]["label"] in told
    assert "Records" in told
    assert browser.ask("document.activeElement.id") == "detail-title"
    marked = browser.ask("[...document.querySelectorAll('tr.chosen')].map(row => row.id)")
    assert f"flow-{number}" in marked
    assert browser.ask("document.querySelectorAll('.sankey path.chosen').length") >= 1
    band = browser.ask(f"document.getElementById('flow-{number}').cells[3].textContent")
    assert band in told
    if len(opened.drawn.years) > 1:
        assert browser.ask("document.querySelectorAll('#detail .chart path').length") >= 2
        rows = browser.ask("document.querySelectorAll('#detail details tbody tr').length")
        assert rows >= 1
    browser.press("Escape", 27)
    assert browser.ask("document.getElementById('detail').hidden") is True
    assert browser.ask("document.querySelectorAll('tr.chosen').length") == 0


def test_records_of_what_is_chosen_are_shown_alone(opened: Opened) -> None:
    browser = opened.browser
    data = data_of(opened)
    number = data["records"][0][0]
    rows = sum(record[0] == number for record in data["records"])
    browser.ask(f"document.querySelector('#quantity-{number} button').click()")
    browser.ask("[...document.querySelectorAll('#detail button')].find(one => "
                "one.textContent.startsWith('Show these')).click()")  # fmt: skip
    shown = f"{RECORD_ROWS}.filter(row => !row.hidden).length"
    assert browser.ask(shown) == rows
    heads = "[...document.querySelectorAll('#record-table tbody th')]"
    assert browser.ask(f"{heads}.filter(head => head.checkVisibility()).length") == 1
    browser.ask("document.getElementById('all-records').click()")
    assert browser.ask(shown) == len(data["records"])
    browser.press("Escape", 27)


def test_a_filter_is_typed(opened: Opened) -> None:
    browser = opened.browser
    browser.ask("document.getElementById('filter-quantities').focus()")
    browser.type("share")
    rows = "[...document.querySelectorAll('table.values tbody tr')]"
    for shown, hidden in browser.ask(f"{rows}.map(row => [!row.hidden && row.textContent, "
                                     "row.hidden && row.textContent])"):  # fmt: skip
        assert not shown or "share" in shown.lower()
        assert not hidden or "share" not in hidden.lower()
    browser.ask("document.getElementById('filter-quantities').value = ''")
    browser.type(" ")
    assert browser.ask(f"{rows}.every(row => !row.hidden)")


def test_records_are_found_by_label_and_by_key(opened: Opened) -> None:
    """Both stand once above the records of a quantity, and go when none of them is shown."""
    browser, data = opened.browser, data_of(opened)
    number = data["records"][-1][0]
    quantity = data["quantities"][number]
    rows = [n for n, record in enumerate(data["records"]) if record[0] == number]
    for words in (quantity["label"], quantity["name"]):
        browser.ask("document.getElementById('filter-records').value = ''")
        browser.ask("document.getElementById('filter-records').focus()")
        browser.type(words)
        shown = browser.ask(f"{RECORD_ROWS}.map((row, n) => row.hidden ? -1 : n)")
        assert {*rows} <= {*shown}
        found = browser.ask("""[...document.querySelectorAll('#record-table tbody')]
            .map(body => [...body.rows].filter(row => !row.hidden).map(row => row.cells.length))""")
        assert all(cells == [] or (cells[0] == 1 and len(cells) > 1) for cells in found)
    told = browser.ask("document.querySelector('output[for=filter-records]').textContent")
    some = sum(n >= 0 for n in shown)
    assert told == (f"{some} of {len(shown)}" if some < len(shown) else f"{some}")
    browser.ask("document.getElementById('filter-records').value = ''")
    browser.type(" ")
    assert browser.ask(f"{RECORD_ROWS}.every(row => !row.hidden)")


def test_a_long_list_of_records_says_that_it_is_cut(opened: Opened) -> None:
    browser, data = opened.browser, data_of(opened)
    held = [{n for n, row in enumerate(data["quantities"]) if flow in row["flows"]}
            for flow in range(len(data["flows"]))]  # fmt: skip
    counts = [sum(number in those for number, *_ in data["records"]) for those in held]
    most = max(counts)
    together = "const all = document.querySelector('input.together'); if (all) all.click();"
    opened.moved(together)
    opened.moved(f"document.querySelector('#flow-{counts.index(most)} button').click();")
    told = browser.ask("document.getElementById('detail').textContent")
    listed = browser.ask("document.querySelectorAll('#detail .scroll tbody tr').length")
    assert listed == min(most, 60)
    assert f"{most} of quantities that hold it" in told
    assert (f"the first 60 of {most}" in told) == (most > 60)
    browser.press("Escape", 27)
    opened.moved(together)


def test_keys_that_have_labels_stand_in_code_alone(opened: Opened) -> None:
    """In all tables: the label first, and the key in small letters after it."""
    pairs = {row["name"]: row["label"] for row in data_of(opened)["quantities"]}
    keys = [name for name, label in pairs.items() if name != label and "_" in name]
    words = opened.browser.ask("""[...document.querySelectorAll('main th, main td')].map(cell => {
        const copy = cell.cloneNode(true);
        copy.querySelectorAll('code').forEach(code => code.remove());
        return copy.textContent;
    })""")
    found = {word for text in words for word in re.findall(r"\w+", text)}
    assert found & {*keys} == set()


@pytest.mark.parametrize("width", [390, 1400])
def test_the_page_is_as_wide_as_its_window(opened: Opened, width: int) -> None:
    """Only regions that say so scroll sideways."""
    opened.browser.resize(width, 900)
    wide = opened.browser.ask("document.documentElement.scrollWidth")
    opened.browser.resize(1400, 1000)
    assert wide <= width + 1


def test_print_is_no_wider_than_a_page(opened: Opened) -> None:
    """What is wider makes a browser print all of the page in smaller letters."""
    still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    opened.browser.call("Emulation.setEmulatedMedia", media="print", features=still)
    opened.browser.resize(688, 900)  # A4 within margins of 14 mm
    wide = opened.browser.ask("document.documentElement.scrollWidth")
    opened.browser.call("Emulation.setEmulatedMedia", media="", features=still)
    opened.browser.resize(1400, 1000)
    assert wide <= 688


def test_nothing_of_the_tables_runs(opened: Opened) -> None:
    assert opened.browser.ask("typeof globalThis.alerted") == "undefined"
    assert opened.browser.ask("document.scripts.length") == 2


def test_the_page_is_small(opened: Opened) -> None:
    assert opened.path.stat().st_size <= MOST_BYTES


def test_without_script_everything_is_there(opened: Opened) -> None:
    """What the script moves is hidden without it, and no table or figure waits for it."""
    with Browser() as browser:
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(opened.path)
        nodes = browser.call("DOM.getFlattenedDocument", depth=-1)["nodes"]
        names = [node["nodeName"].lower() for node in nodes]
        assert names.count("table") > 5
        assert names.count("img") > 1
        paths = [node for node in nodes if node["nodeName"] == "path" and "attributes" in node]
        assert any("ribbon" in node["attributes"] for node in paths)
        assert "th" in names
        assert browser.complaints == []


def test_a_slimmed_picture_looks_as_matplotlib_wrote_it(tmp_path: Path) -> None:
    """Lengths are rounded, so edges may be a shade apart; no mark, line or fill is elsewhere."""
    seen = []
    written = written_by_matplotlib()
    with Browser() as browser:
        for name, svg in (("was", written), ("now", slimmed(written))):
            (tmp_path / f"{name}.svg").write_text(svg)
            page = tmp_path / f"{name}.html"
            page.write_text(f'<body style="margin:0"><img src="{name}.svg">')
            browser.open(page, width=700, height=500, scale=2)
            browser.picture(tmp_path / f"{name}.png")
            seen.append(imread(tmp_path / f"{name}.png"))
    apart = np.abs(seen[0] - seen[1]).max(axis=-1)
    assert (seen[0].min(axis=-1) < 0.5).mean() > 0.01, "something is drawn"
    assert (apart > 0.4).sum() < 100
