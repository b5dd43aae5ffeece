"""The section on what the answers hang on: what the tables say, and what nobody knows."""

import json
import re
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.answers.hangs import SensitivitySummary
from reebayes.cli.main import main
from reebayes.errors import ResultError, StudyWarning
from reebayes.experiments import overview
from reebayes.reporting.hanging import first_sentences
from reebayes.wording import rank_text
from tests.fakes import fake_fit, save_fake
from tests.linear import linear_fit, linear_study
from tests.test_sensitivity_commands import written

mpl.use("agg")

NAME, LABEL = "mined_A_hidden", "Hidden mining in A"


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    return linear_fit(linear_study(tmp_path_factory.mktemp("linear") / "study"))


@pytest.fixture(scope="module")
def found(fit: xr.DataTree) -> SensitivitySummary:
    return rb.sensitivity_summary(fit)


@pytest.fixture(scope="module")
def summary(found: SensitivitySummary) -> SensitivitySummary:
    """Tables of the linear study as if of the fake fit, one row of them to first order."""
    slopes = found.slopes["total"].copy()
    first = slopes.index[0]
    slopes.loc[first, ["down_error", "up_error"]] = np.nan
    slopes.loc[first, "khat"] = 1.31
    slopes.loc[first, "by"] = "slope"
    slopes.loc[first, ["rank_from", "rank_to"]] = 1, 4
    setting = slopes.index[slopes["target"] == "setting"]
    slopes.loc[setting, ["up", "up_error", "by"]] = np.nan, np.nan, ""
    slopes.loc[setting, "verdict"] = "weights fail (k-hat 5.8)"
    return replace(
        found, digest="2" * 16, years={NAME: None, "smuggled": None}, slopes={NAME: slopes},
        budgets={NAME: found.budgets["total"]}, figures={NAME: found.figures["total"]},
        not_quantified=["Nobody saw the <hidden> mine. It may be large."],
    )  # fmt: skip


@pytest.fixture(scope="module")
def section(summary: SensitivitySummary, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    text = rb.write_report(fake_fit(), path, sensitivity=summary).read_text("utf-8")
    assert 'href="#hangs"' in text
    return text[text.index('id="hangs"') : text.index('id="years"')]


def row_of(section: str, label: str) -> str:
    start = section.index(f'<th scope="row">{label}')
    return re.split("<tr>|</tbody>", section[start:], maxsplit=1)[0]


def test_what_is_to_first_order_only_says_so_and_has_no_error(
    section: str, summary: SensitivitySummary
) -> None:
    first, second = summary.slopes[NAME].index[:2]
    row = row_of(section, first)
    assert "first order only: the weights are unreliable (k-hat 1.31)" in row
    assert "±" not in row
    assert row_of(section, second).count(" ± ") == 2
    assert "by weights (k-hat" in row_of(section, second)


def test_the_places_that_errors_leave_open_are_told(
    section: str, summary: SensitivitySummary
) -> None:
    first, second = summary.slopes[NAME].index[:2]
    assert '<td class="number">1–4<' in row_of(section, first)
    places = summary.slopes[NAME].loc[second, ["rank_from", "rank_to"]]
    assert f'<td class="number">{rank_text(*places)}<' in row_of(section, second)


def test_a_setting_of_which_nothing_is_known_is_told(section: str) -> None:
    said = "Setting error_distribution = student_t: weights fail (k-hat 5.8); only a refit tells"
    assert said in section


def test_the_tornado_is_told_in_words(section: str) -> None:
    (words,) = re.findall(r'<img src="data:image/svg[^"]*" alt="([^"]*)"', section)
    assert words.startswith(f"Tornado diagram of {LABEL}, sum 2010–2015.")
    assert section.count("<caption>") == section.count("<table") == 3


def test_the_budget_adds_up_to_the_whole_and_names_what_is_in_no_number(section: str) -> None:
    start = section.index("Uncertainty budget")
    table = section[start : section.index("</table>", start)]
    shares = re.findall(r'<td class="number">(−?[\d.]+) ± [\d.]+ %<', table)
    assert sum(float(share.replace("−", "-")) for share in shares) == pytest.approx(100, abs=0.6)
    assert "not linear, and records of bounds" in table
    assert "<li>Nobody saw the &lt;hidden&gt; mine.</li>" in section


def test_the_figures_worth_finding_are_on_the_page(
    section: str, summary: SensitivitySummary
) -> None:
    start = section.index("The five figures worth finding")
    table = section[start : section.index("</table>", start)]
    figures = summary.figures[NAME]
    assert table.count('<th scope="row">') == len(figures) == 5
    after = re.findall(r'<td class="number">([\d.]+)<', table)
    assert [float(text) for text in after] == pytest.approx(figures["after"].tolist(), rel=5e-3)


def test_an_answer_that_does_not_move_hangs_on_nothing(section: str) -> None:
    assert "Smuggling from A to B, sum 2010–2015</h3>\n<p>This is the same in every draw" in section


def test_a_summary_of_another_fit_is_refused(found: SensitivitySummary, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="of another fit"):
        rb.write_report(fake_fit(), tmp_path / "a.html", sensitivity=found)
    assert not list(tmp_path.iterdir())


def test_the_summary_holds_what_each_function_says(
    fit: xr.DataTree, found: SensitivitySummary
) -> None:
    whole, slopes = rb.sensitivity(fit, "total"), found.slopes["total"]
    shown = [name for name in whole if not re.search("halved|doubled|spread", name)]
    pd.testing.assert_frame_equal(slopes[shown], whole[shown])
    pd.testing.assert_frame_equal(found.budgets["total"], rb.uncertainty_budget(fit, "total"))
    pd.testing.assert_frame_equal(found.figures["total"], rb.value_of_information(fit, "total"))
    assert found.not_quantified == ("Nobody counted stocks.",)
    with pytest.raises(ResultError, match="Did you mean 'total'"):
        rb.sensitivity_summary(fit, ["totel"])


def test_the_command_writes_the_section(
    fit: xr.DataTree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`report` asks the fit and hands the answer on; what else a page holds is tested apart."""
    given: list[SensitivitySummary] = []

    def write(fit: xr.DataTree, path: Path, **options: SensitivitySummary) -> Path:
        given.append(options["sensitivity"])
        return path

    monkeypatch.setattr("reebayes.reporting.page.write_report", write)
    path = written(fit.copy(deep=True), tmp_path / "fit.nc")
    assert main(["report", str(path)]) == 0
    assert list(given[0].slopes) == ["total"]
    assert "Working out what the answers hang on" in capsys.readouterr().out  # it takes a minute


def test_a_fit_without_its_study_gets_a_page_and_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_fake(tmp_path / "fit.nc")
    assert main(["report", str(path)]) == 0
    assert "does not say what the answers hang on" in capsys.readouterr().err
    assert 'id="hangs"' not in path.with_suffix(".html").read_text("utf-8")


def test_what_is_hardly_meant_is_told_once_and_not_of_every_page(tmp_path: Path) -> None:
    linear_study(tmp_path / "study")
    table = tmp_path / "study" / "records.csv"
    table.write_text(table.read_text().replace("a10,a,2010,,value,10.3", "a10,a,2010,,value,10300"))
    with pytest.warns(StudyWarning):
        study = rb.read_study(tmp_path / "study")
    assert rb.study_of(linear_fit(study)).hash == study.hash


def test_a_limit_is_named_by_its_first_sentence() -> None:
    assert first_sentences(["No 2.5 kt is counted. More.", "One alone"]) == [
        "No 2.5 kt is counted.", "One alone",
    ]  # fmt: skip


# --- kept beside the fit --------------------------------------------------------------------------


def named_as(fit: xr.DataTree, digest: str) -> xr.DataTree:
    """A fit under another digest."""
    copy = fit.copy()
    copy.attrs["digest"] = digest
    return copy


def test_a_summary_is_made_once_and_found_again(
    fit: xr.DataTree, found: SensitivitySummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same fit by the same code; what is damaged or of something else is made anew."""
    study, path = rb.study_of(fit), tmp_path / "fit.sensitivity.json"
    named = named_as(fit, "3" * 16)
    made = overview.kept_summary(named, path, study=study)
    assert path.is_file()
    again = SensitivitySummary.kept(path, json.loads(path.read_text("utf-8"))["key"])
    assert again is not None
    for name in ("slopes", "budgets", "figures"):
        for quantity, table in getattr(made, name).items():
            pd.testing.assert_frame_equal(getattr(again, name)[quantity], table, check_dtype=False)
    pd.testing.assert_frame_equal(again.conflicts, made.conflicts, check_dtype=False)
    calls: list[str] = []

    def made_again(*_: object, **__: object) -> SensitivitySummary:
        calls.append("made")
        return found

    monkeypatch.setattr(overview, "sensitivity_summary", made_again)
    kept = overview.kept_summary(named, path, study=study)
    assert (calls, kept.digest) == ([], "3" * 16)
    assert kept.not_quantified == made.not_quantified
    overview.kept_summary(named_as(fit, "4" * 16), path, study=study)
    assert calls == ["made"]
    path.write_text('{"key": ', "utf-8")
    overview.kept_summary(named, path, study=study)
    assert calls == ["made", "made"]
    with monkeypatch.context() as patched:
        patched.setattr(overview, "code_hash", lambda spared: "other code")
        overview.kept_summary(named, path, study=study)
    assert len(calls) == 3
    cut = named.isel(draw=slice(0, 100))
    overview.kept_summary(cut, path, study=study)
    assert len(calls) == 4


def test_where_nothing_can_be_written_nothing_is_kept(
    fit: xr.DataTree, found: SensitivitySummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(overview, "sensitivity_summary", lambda *_, **__: found)
    made = overview.kept_summary(fit, tmp_path / "folder", study=rb.study_of(fit))
    assert made is found
