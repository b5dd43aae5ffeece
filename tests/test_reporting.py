"""The report: one page, self-contained, honest about what it rests on."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import xarray as xr

from reebayes.answers.scores import compare
from reebayes.errors import FitError, ResultError
from reebayes.reporting.page import write_report
from reebayes.reporting.pictures import band_text
from reebayes.reporting.templating import environment
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands, cumulative
from reebayes.wording import format_band, format_value
from tests.fakes import RECORDS, REPORT, SOURCES, YEARS, fake_fit
from tests.pictures import ADDRESS, outside_pictures, pictures_in

VOID = {"meta", "img", "br", "link", "input"}


class _Page(HTMLParser):
    """Tags, addresses and identifiers of a page; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in ("thead", "tbody") and self.open[-1] in ("td", "th", "tr"):
            self.open.pop()  # HTML needs no word for ends of cells and rows
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, attribute: str) -> list[str]:
        return [str(attrs[attribute]) for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = write_report(fake_fit(), tmp_path_factory.mktemp("report") / "report.html")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> _Page:
    return _Page(text)


def test_page_loads_nothing(page: _Page, text: str) -> None:
    assert not {"link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert all(address.startswith(ADDRESS) for address in page.values("src"))
    outside = outside_pictures(text)
    assert "@import" not in text
    assert "url(" not in outside
    for picture in pictures_in(text):
        assert all(one.startswith("#") for one in re.findall(r"url\(([^)]*)", picture))


def test_links_lead_somewhere_harmless(page: _Page) -> None:
    identifiers = page.values("id")
    assert len(identifiers) == len(set(identifiers))
    for address in page.values("href"):
        inside = address.startswith("#") and address[1:] in identifiers
        assert inside or address.startswith(("https://", "http://"))


def test_every_address_of_a_source_is_a_link_of_its_own(page: _Page) -> None:
    links = {"https://example.org/book", "http://example.org/news", "http://example.org/two"}
    assert links == {address for address in page.values("href") if address.startswith("http")}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (format_band(-1.2, -3.4, 0.5), "−1.20 (−3.40 to 0.500)"),
        ("pulled (~-0.3)", "pulled (~−0.3)"),
        ("2000-2022, route-7, v1.0-3", "2000-2022, route-7, v1.0-3"),
        ("data:image/svg+xml,M 1 -2", "data:image/svg+xml,M 1 -2"),
        (-3, "-3"),
    ],
)
def test_numbers_below_zero_have_minus_signs(written: object, shown: str) -> None:
    assert environment().from_string("{{ text }}").render(text=written) == shown


def test_text_from_the_tables_is_escaped(text: str) -> None:
    assert "two &lt;lands&gt;" in text
    assert "A Book of &lt;Minerals&gt;" in text
    assert "Nobody saw the &lt;hidden&gt; mine." in text
    assert "<lands>" not in text


def test_every_record_and_source_is_listed(text: str) -> None:
    assert len(re.findall(r'href="#s\d+"', text)) == len(RECORDS)
    for name in SOURCES:
        assert name in text
    assert "1,300 t REO" in text  # as printed, not converted
    assert "at most 0.400 kt REO" in text
    assert "0.050 to 0.300 kt REO" in text
    assert "0 (less than 0.010 kt REO)" in text
    assert "2010–2012" in text


def test_records_that_disagree_are_flagged(text: str) -> None:
    assert '<span class="flag">outside</span>' in text


def test_headline_shows_posterior_prior_and_probabilities(text: str) -> None:
    assert "Hidden mining in A" in text
    assert "Sum 2010–2015" in text
    assert "0.5 kt REO" in text
    assert re.search(r"[<>]\d+ %|&[lg]t;\d+ %|\d+ %", text)
    assert "90 %" in text


def test_columns_of_the_headline_hold_what_they_say(text: str) -> None:
    """Posterior sum, prior sum, posterior and prior of the last year, in this order."""
    fit = fake_fit()
    for name in REPORT["headline"]:
        cells = []
        for value in (cumulative, lambda draws: draws.isel(year=-1)):
            for group in ("posterior", "prior"):
                band = bands(value(quantity(fit, name, group=group)))
                figures = [float(band[end]) for end in ("median", "lower", "upper")]
                cells.append(format_band(*figures))
        row = text[text.index(f'<th scope="row">{REPORT["labels"][name]}<small>') :]
        found = re.findall(r'class="number">(?:<strong>)?([^<]+)<', row)
        assert found[:4] == cells


def test_contraction_is_told_in_colour_and_in_words(page: _Page, text: str) -> None:
    cells = [attrs for tag, attrs in page.tags if tag == "td" and "title" in attrs]
    assert len(cells) == len(REPORT["headline"]) * (len(YEARS) + 1)
    assert {(str(cell["class"]), str(cell["title"])) for cell in cells} <= {
        (label.replace(" ", "-"), label) for label in ("learnt", "partly", "prior only", "absent")
    }
    assert "Of the headline quantities and years: " in text
    assert "2010-2015 learnt; sum learnt" in text
    assert "bias is confounded with the flow it reports" in text
    assert "the records that move the headline quantities most" in text
    assert "Leave-one-out predictive conflict" in text
    assert re.search(r"[+−][\d.]+ ± [\d.<]+ kt REO<", text.replace("&lt;", "<"))


def test_names_of_records_and_reporters_are_escaped(tmp_path: Path) -> None:
    fit = fake_fit()
    for group in fit.children:
        if "record" not in fit[group].dims:
            continue
        data = fit[group].to_dataset()
        names = data["record"].values
        fit[group] = data.assign_coords(record=[f"<b>{name}</b>" for name in names])
    page = write_report(fit, tmp_path / "a.html").read_text(encoding="utf-8")
    assert re.search(r"&lt;b&gt;r\d\d&lt;/b&gt;", page)
    assert "<b>" not in page


def test_a_prior_that_goes_above_the_scale_is_told(text: str) -> None:
    highest = bands(quantity(fake_fit(), "smuggled", group="prior"))["upper"].max()
    assert f"the band of the prior goes up to {format_value(float(highest))}." in text
    assert text.count("the band of the prior goes up to") == 1


def test_figures_have_alternative_text(page: _Page) -> None:
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 2 + len(REPORT["headline"]) + len(REPORT["panels"])
    assert all(len(str(image["alt"])) > 40 for image in images)
    assert "Sankey diagram of the flows of 2013" in str(page.values("aria-label"))


def test_tables_have_captions_and_headings_are_in_order(page: _Page, text: str) -> None:
    assert text.count("<caption>") == text.count("<table")
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_same_fit_gives_the_same_page(tmp_path: Path) -> None:
    fit = fake_fit()
    first = write_report(fit, tmp_path / "a.html").read_bytes()
    assert write_report(fit, tmp_path / "b.html").read_bytes() == first


def test_year_of_the_sankey_can_be_chosen(tmp_path: Path) -> None:
    text = write_report(fake_fit(), tmp_path / "a.html", year=2011).read_text(encoding="utf-8")
    assert "Sankey diagram of the flows of 2011" in text
    with pytest.raises(ResultError, match="1999"):
        write_report(fake_fit(), tmp_path / "b.html", year=1999)
    assert not (tmp_path / "b.html").exists()


def test_a_study_without_report_table_gets_a_report(tmp_path: Path) -> None:
    text = write_report(fake_fit(report=None), tmp_path / "a.html").read_text(encoding="utf-8")
    assert "mined_world" in text
    assert "Sankey diagram of the flows of 2015" in text


def test_a_ratio_can_be_a_headline_but_is_not_added_up(tmp_path: Path) -> None:
    fit = fake_fit(report={"headline": ["share_hidden"]})
    text = write_report(fit, tmp_path / "a.html").read_text(encoding="utf-8")
    assert "Probability that the sum" not in text
    assert "; sum " not in text


def test_parts_of_a_headline_stand_under_it(tmp_path: Path) -> None:
    """In the first table, its picture, the contraction and the pictures by year."""
    settings = REPORT | {"parts": {"mined_A_hidden": ["net_export_A", "consumed_A"]}}
    text = write_report(fake_fit(report=settings), tmp_path / "a.html").read_text("utf-8")
    _Page(text)
    first = text[text.index('id="headline"') : text.index('id="learnt"')]
    heads = re.findall(r'<th scope="row"( class="part")?>([^<]*)<small>', first)
    assert heads == [
        ("", "Hidden mining in A"), (' class="part"', "– net_export_A"),
        (' class="part"', "– consumed_A"), ("", "Smuggling from A to B"),
    ]  # fmt: skip
    sums = cumulative(quantity(fake_fit(), "consumed_A"))
    row = first[first.index("– consumed_A") :]
    assert f"<strong>{band_text(bands(sums))}</strong>" in row[: row.index("<tr>")]
    contraction = text[text.index('id="learnt"') : text.index("Leave-one-out (PSIS) ")]
    assert contraction.count('class="part"') == 2
    years = text[text.index('id="years"') : text.index('id="system"')]
    pictures = re.findall(r'alt="([^"]*)"', years)
    assert [words.split(",")[0] for words in pictures] == [
        "Hidden mining in A", "net_export_A", "Smuggling from A to B", "mined_world",
    ]  # fmt: skip


def test_the_share_of_one_headline_in_another_stands_under_it(tmp_path: Path) -> None:
    """Over all years it is the sum of the one over that of the other, draw by draw."""
    fit = fake_fit(report={"headline": ["mined_A_hidden", "mined_world"]})
    text = write_report(fit, tmp_path / "a.html").read_text("utf-8")
    first = text[text.index('id="headline-numbers"') : text.index("</table>")]
    heads = re.findall(r'<th scope="row"( class="part")?>([^<]*)<small>', first)
    assert heads == [("", "mined_A_hidden"), ("", "share_hidden"), ("", "mined_world")]
    assert "the sum of the one over that of the other" in first
    above, below = (cumulative(quantity(fit, name)) for name in ("mined_A_hidden", "mined_world"))
    last = quantity(fit, "share_hidden").isel(year=-1)
    row = first[first.index("share_hidden") : first.index("mined_world")]
    for values in (above / below, last):
        assert f"<strong>{band_text(bands(values))}</strong>" in row
    other = write_report(fake_fit(), tmp_path / "b.html").read_text("utf-8")
    assert "the sum of the one over that of the other" not in other


def test_thresholds_are_told_of_parts_too(tmp_path: Path) -> None:
    parts = {"mined_A_hidden": ["net_export_A", "consumed_A"]}
    settings = REPORT | {"parts": parts, "exceeds": {"consumed_A": [2.5]}}
    text = write_report(fake_fit(report=settings), tmp_path / "a.html").read_text("utf-8")
    table = text[text.index('aria-label="Probabilities above thresholds"') :]
    table = table[: table.index("</table>")]
    assert 'class="part">– consumed_A<td class="number">2.5 kt REO' in table


def test_a_part_that_ended_has_a_dash(tmp_path: Path) -> None:
    fit = fake_fit(report=REPORT | {"parts": {"mined_A_hidden": ["net_export_A", "consumed_A"]}})
    for group in ("posterior", "prior"):
        values = fit[group]["quantities"].values
        values[:, :, -1, fit[group].indexes["quantity"].get_loc("consumed_A")] = 0.0
    del fit["bands"]
    text = write_report(fit, tmp_path / "a.html").read_text("utf-8")
    row = text[text.index("– consumed_A<small>") :]
    assert row[row.index("<td") : row.index("<tr>")].count("–") == 2


def test_report_table_with_a_wrong_name_or_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="Did you mean 'smuggled'"):
        write_report(fake_fit(report={"headline": ["smugled"]}), tmp_path / "a.html")
    with pytest.raises(ResultError, match=r"Unknown quantity in study\.toml"):
        write_report(fake_fit(report={"beside": {"smuggled": ["x"]}}), tmp_path / "a.html")
    with pytest.raises(ResultError, match=r"Unknown year in study\.toml"):
        write_report(fake_fit(report={"table_years": [1999]}), tmp_path / "a.html")
    with pytest.raises(ResultError, match=r"unknown key 'headlines'\. Did you mean 'headline'"):
        write_report(fake_fit(report={"headlines": []}), tmp_path / "a.html")


def test_no_report_of_a_fit_that_did_not_converge(tmp_path: Path) -> None:
    fit = fake_fit(converged=False)
    with pytest.raises(FitError, match=r"2 of 90 quantities did not converge\."):
        write_report(fit, tmp_path / "a.html")
    assert not list(tmp_path.iterdir())
    text = write_report(fit, tmp_path / "a.html", force=True).read_text(encoding="utf-8")
    assert "This fit did not converge. Do not use or cite its results." in text
    assert "smuggled[2011], smuggled[2012]" in text


def test_a_fit_without_prior_or_predictions_gets_a_report(tmp_path: Path) -> None:
    fit: xr.DataTree = fake_fit()
    for group in ("prior", "posterior_predictive"):
        del fit[group]
    text = write_report(fit, tmp_path / "a.html").read_text("utf-8")
    assert "Hidden mining in A" in text
    assert "so it gives no posterior contraction" in text
    assert "Leave-one-out predictive conflict" not in text


# --- tests of the model ---------------------------------------------------------------------------


def published_fit() -> xr.DataTree:
    """Fit that carries two published estimates, one inside the band and one far from it."""
    fit = fake_fit()
    constant = fit["constant_data"].to_dataset().drop_dims("published")
    names = ["near", "far"]
    columns = {
        "quantity": ["mined_world", "mined_world"],
        "kind": ["upper", "value"],
        "source": ["thesis", "thesis"],
        "note": ["A <note>", ""],
        "why": ["Not shown.", "They count <scrap> twice."],
        "year": [2010, 2012],
        "year_end": [2015, 2012],
        "value": [float("nan"), 77.0],
        "low": [float("nan")] * 2,
        "high": [99.0, float("nan")],
    }
    constant = constant.assign({f"published_{k}": ("published", v) for k, v in columns.items()})
    fit["constant_data"] = xr.DataTree(constant.assign_coords(published=names))
    return fit


def test_estimates_outside_the_band_are_explained(tmp_path: Path) -> None:
    text = write_report(published_fit(), tmp_path / "p.html").read_text("utf-8")
    _Page(text)
    section = text[text.index('id="published"') : text.index('id="limits"')]
    assert "They count &lt;scrap&gt; twice." in section
    assert "Not shown." not in section
    assert "at most 99.0 kt REO" in section
    assert section.count('class="flag">outside') == 1


def test_an_unexplained_difference_says_so(tmp_path: Path) -> None:
    fit = published_fit()
    fit["constant_data"]["published_why"][1] = ""
    text = write_report(fit, tmp_path / "p.html").read_text("utf-8")
    assert "Nobody has explained this difference." in text


def test_predictive_check_is_on_the_page(text: str) -> None:
    section = text[text.index('id="checks"') : text.index('id="limits"')]
    assert "Posterior predictive check" in section
    assert "survey" in section
    assert "Variants of the study" not in section


def test_scores_of_variants_are_on_the_page(tmp_path: Path) -> None:
    fit, other = fake_fit(), fake_fit(seed=2)
    other.attrs |= {"study_hash": "1" * 64, "study_name": "Two <lands>: no smuggling"}
    result = compare({"base": fit, "no_smuggling": other}, force=True)
    text = write_report(fit, tmp_path / "c.html", comparison=result).read_text("utf-8")
    _Page(text)
    section = text[text.index('id="variants"') : text.index('id="predictions"')]
    row = result.table.set_index("variant").loc["no_smuggling"]
    assert f"{row['elpd_diff']:+.1f}" in section
    assert f"{row['se_diff']:.1f}" in section
    assert "Two &lt;lands&gt;: no smuggling" in section
    assert 'href="#variants"' in text


def test_a_comparison_of_another_study_is_refused(tmp_path: Path) -> None:
    other = fake_fit(seed=2)
    other.attrs["study_hash"] = "1" * 64
    with pytest.raises(ResultError, match="of another study"):
        write_report(fake_fit(), tmp_path / "c.html", comparison=compare({"base": other}))
