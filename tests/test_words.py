"""Words of the bundled study and of the page: every quantity says what it counts."""

import json
import re
from pathlib import Path

import pytest

import reebayes as rb
from reebayes.cli import readers
from reebayes.cli.main import main
from reebayes.reporting.glossary import TERMS
from reebayes.reporting.page import write_report
from reebayes.wording import author_of, format_beside
from tests.fakes import fake_fit
from tests.standin import stand_in_fit
from tests.tiny import write_tables
from tests.worlds import fit_of_worlds

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def study() -> rb.Study:
    return rb.read_study()


@pytest.mark.parametrize(("path", "extensions"), [
    (None, []), (None, ["elements"]), (None, ["partners"]), ("zinc", []),
])  # fmt: skip
def test_every_quantity_of_the_studies_has_a_label_and_a_description(
    path: str | None, extensions: list[str]
) -> None:
    table = rb.catalogue(rb.read_study(path, extensions=extensions))
    lacking = table[(table["label"] == "") | (table["description"] == "")]
    assert list(lacking.index) == []
    assert table["label"].is_unique
    assert table["description"].str.endswith(".").all()
    assert table["description"].str.len().between(15, 240).all()


def test_the_catalogue_names_regions_and_registers_as_its_flows_do(study: rb.Study) -> None:
    """A label says no region, and no smuggling, that the flows of its quantity do not have."""
    named = {"China": "CN", "United States": "US"}
    flows, processes = study.flows, study.processes
    region = {row.process: row.region for row in processes}
    smuggled = {row.flow for row in flows if "smuggled" in row.label}
    ends = {row.flow: {region[row.source], region[row.target]} for row in flows}
    for item in study.quantities:
        label = rb.catalogue(study).loc[item.quantity, "label"]
        terms = {flow for flow, _ in (*item.numerator, *item.denominator)}
        seen = set().union(*(ends[flow] for flow in terms))
        assert {code for words, code in named.items() if words in label} <= seen, item.quantity
        if re.search("declared", label) and "all exports" not in label and "smug" not in label:
            assert not terms & smuggled, item.quantity


def test_headline_figures_say_what_they_count_and_what_nobody_counted(
    study: rb.Study,
) -> None:
    table, report = rb.catalogue(study), study.report.plain
    parts = report["parts"]["mined_CN_unregistered"]
    assert "counted" in table.loc[parts[0], "description"]
    assert "on top of the published figures" in table.loc[parts[1], "description"]
    for name in report["headline"]:
        assert len(table.loc[name, "description"]) > 60


def test_descriptions_stand_under_the_labels_of_the_page(tmp_path: Path) -> None:
    fit = fake_fit()
    fit.attrs["descriptions"] = json.dumps({"smuggled": "Ore <undeclared>."})
    fit.attrs["notes"] = "Two <countries> trade."
    text = write_report(fit, tmp_path / "a.html").read_text("utf-8")
    assert text.count("Ore &lt;undeclared&gt;.") >= 2
    assert "Two &lt;countries&gt; trade." in text


def test_words_link_to_the_glossary_of_the_page(tmp_path: Path) -> None:
    text = write_report(fake_fit(), tmp_path / "a.html").read_text("utf-8")
    targets = set(re.findall(r'href="#(term-[^"]+)"', text))
    assert {"term-prior", "term-band", "term-record", "term-contraction"} <= targets
    assert targets <= set(re.findall(r'id="([^"]+)"', text))
    assert all(f'id="term-{key}"' in text for key in TERMS)


def test_the_words_of_the_page_stand_in_the_glossary_of_the_docs() -> None:
    told = (ROOT / "docs" / "glossary.md").read_text("utf-8").lower()
    missing = [name for _, (name, _) in TERMS.items() if name.split(",")[0] not in told]
    assert missing == []


def test_an_old_fit_shows_the_words_and_panels_of_its_study_as_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reebayes report FIT.nc --data DIR`: no refit, and the file of the fit stays as it is."""
    monkeypatch.setattr(readers, "_hangs", lambda *_: None)  # not asked here
    folder = write_tables(tmp_path / "tiny")
    fit = stand_in_fit(rb.read_study(folder))
    for name in ("notes", "descriptions"):
        del fit.attrs[name]  # as in files that were written before there were such
    file = rb.save_fit(fit, tmp_path / "fit.nc")
    before = file.read_bytes()
    words = "quantity,label,description\nmade,Metal made here,What plants make.\n"
    (folder / "catalogue.csv").write_text(words, "utf-8")
    shown = (
        (folder / "study.toml").read_text("utf-8")
        + """
[report]
headline = ["made"]
panels = [{ title = "A new panel", quantities = ["mined", "exported"] }]
"""
    )
    (folder / "study.toml").write_text(shown, "utf-8")
    pages = []
    for options in ([], ["--data", str(folder)]):
        out = tmp_path / f"page{len(options)}.html"
        assert main(["report", str(file), "--out", str(out), *options]) == 0
        pages.append(out.read_text("utf-8"))
    for text in ("Metal made here", "What plants make.", "A new panel"):
        assert text not in pages[0]
        assert text in pages[1]
    assert file.read_bytes() == before


@pytest.mark.parametrize(("citation", "author"), [
    ("Zhou, Li, Chen 2017, Minerals 7, 203", "Zhou et al."),
    ("Alonso E., Sherman A.M., Wallington T.J., 2012. Evaluating", "Alonso et al."),
    ("Kingsnorth D. (IMCOA / Curtin), presentations", "Kingsnorth"),
    ("Roskill, Rare earths 14th edition 2011 (press)", "Roskill"),
    ("Adamas Intelligence in Investment Monitor (2021-22)", "Adamas Intelligence"),
    ("BCC Research: rare earths worldwide markets", "BCC Research"),
    ("", ""),
])  # fmt: skip
def test_a_citation_is_named_by_who_wrote_it(citation: str, author: str) -> None:
    assert author_of(citation) == author


def test_words_of_another_study_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = fit_of_worlds(rb.read_study(write_tables(tmp_path / "tiny")), chains=2, draws=6)
    file = rb.save_fit(fit, tmp_path / "fit.nc")
    command = ["report", str(file), "--out", str(tmp_path / "page.html")]
    assert main([*command, "--data", str(ROOT / "data")]) == 2
    assert "not a fit of the study" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("value", "bound", "text"),
    [
        (1.010004, 1.01, "1.010004"),
        (1.0261, 1.01, "1.026"),
        (1.01, 1.01, "1.01"),
        (399.99, 400, "399.99"),
        (3.0, 0.0, "3"),
        (float("nan"), 1.01, "nan"),
        (1.01 + 2e-16, 1.01, "1.0100000000000002"),
    ],
)
def test_a_figure_has_the_digits_that_tell_it_from_its_bound(
    value: float, bound: float, text: str
) -> None:
    assert format_beside(value, bound) == text
