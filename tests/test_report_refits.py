"""Refits for a report: what they say, how they are kept, and what a page shows without them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.answers.drivers import expected_text, signed, z_text
from reebayes.answers.hangs import ReportRefits
from reebayes.cli.main import main
from reebayes.errors import ResultError
from reebayes.experiments import engine, reported
from reebayes.experiments import refits as warm
from reebayes.experiments.refits import Refit
from reebayes.inference.sampling import Run
from reebayes.model.kernels import CERTAIN
from reebayes.model.layout import Layout
from reebayes.study import Study
from tests.fakes import fake_fit, save_fake
from tests.linear import LOGS, NAMES, OBSERVED, STATED, Priors, linear_fit, linear_study, posterior
from tests.test_sensitivity_commands import written

CONFLICTS = ("a12", "c12", "b10")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return linear_study(tmp_path_factory.mktemp("linear") / "study")


@pytest.fixture(scope="module")
def fit(study: Study) -> xr.DataTree:
    """The linear fit, with what conflicts are read from."""
    found = linear_fit(study)
    found.attrs["digest"] = "5" * 16
    record = {"record": list(NAMES)}
    found["observed_data"] = xr.DataTree(xr.Dataset({"value": ("record", LOGS)}, coords=record))
    found["posterior_predictive"] = found["log_likelihood"].copy()
    return found


class Sampler:
    """Stands in for the sampler: exact draws of records' locations, without those held out."""

    def __init__(self) -> None:
        self.held: list[str] = []
        self.stuck: set[str] = set()

    def draw(
        self, layout: Layout, run: Run, whitening: object
    ) -> tuple[dict[str, Any], xr.Dataset]:
        silent = layout.equations.figures.kind == CERTAIN
        (held,) = np.array(layout.records)[silent]
        self.held.append(str(held))
        mean, factor = Priors().levels()
        at, cov = posterior(Priors(), ~silent)
        rng = np.random.default_rng(run.seed)
        shape = (run.chains, run.draws)
        states = rng.multivariate_normal(at, cov, size=shape)
        location = (mean + states @ factor.T) @ OBSERVED.T
        if held in self.stuck:
            location += np.arange(run.chains)[:, None, None]
        stats = {"diverging": np.zeros(shape, bool), "energy": rng.standard_normal(shape),
                 "maxdepth_reached": np.zeros(shape, bool)}  # fmt: skip
        found = {"location": location, "scale": np.broadcast_to(STATED, location.shape),
                 "latents": states}  # fmt: skip
        return found, xr.Dataset({n: (("chain", "draw"), v) for n, v in stats.items()})


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sampler]:
    found = Sampler()
    screen = pd.DataFrame({"z": [9.4, -3.0, 1.0]}, index=list(CONFLICTS))
    monkeypatch.setattr(warm, "draw", found.draw)
    monkeypatch.setattr(warm, "coordinates", lambda *given: None)
    monkeypatch.setattr(reported, "disagreement", lambda fit: screen)
    settings = reported.RefitSettings(draws=1000)
    monkeypatch.setattr(reported, "RefitSettings", lambda: settings)
    yield found


@pytest.fixture
def left_out(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reporters without which it is fitted again; what is then drawn is known."""
    asked: list[str] = []

    def refits(cases: dict[str, Study], *given: Any, **options: Any) -> dict[str, Refit]:
        asked.extend(cases)
        draws = np.random.default_rng(1).normal(80.0, 1.0, (4, 4000))
        return {name: Refit({"total": draws}, 1.0, 400.0, 0, 1) for name in cases}

    monkeypatch.setattr(warm, "refits", refits)
    return asked


def rest(record: str) -> tuple[float, float]:
    """Mean and standard deviation of the log figure that the others expect, by algebra."""
    n = NAMES.index(record)
    mean, factor = Priors().levels()
    at, cov = posterior(Priors(), np.arange(len(NAMES)) != n)
    row = OBSERVED[n] @ factor
    return float(OBSERVED[n] @ mean + row @ at), float(np.sqrt(row @ cov @ row + STATED[n] ** 2))


# --- what they say --------------------------------------------------------------------------------


def test_a_record_held_out_is_held_against_what_the_rest_expects(
    fit: xr.DataTree, sampler: Sampler, left_out: list[str]
) -> None:
    found = rb.report_refits(fit).conflicts
    assert sampler.held == list(CONFLICTS)
    assert set(found.index) == set(CONFLICTS)
    assert found["z"].abs().is_monotonic_decreasing
    for name, row in found.iterrows():
        centre, spread = rest(str(name))
        stated = LOGS[NAMES.index(str(name))]
        assert row["z"] == pytest.approx((stated - centre) / spread, abs=0.08)
        assert row["stated"] == pytest.approx(np.exp(stated))
        assert row["expected"] == pytest.approx(np.exp(centre), rel=0.01)
        assert row["expected_upper"] == pytest.approx(np.exp(centre + 1.645 * spread), rel=0.01)
        assert row["verdict"].startswith("passed")
    assert found.loc["a12", "z_screen"] == 9.4


def test_a_refit_that_did_not_pass_says_nothing_of_its_record(
    fit: xr.DataTree, sampler: Sampler, left_out: list[str]
) -> None:
    sampler.stuck = {"c12"}
    found = rb.report_refits(fit).conflicts
    assert sampler.held.count("c12") == 2  # once more with smaller steps
    assert found.loc["c12", "verdict"].startswith("did not pass")
    assert np.isnan(found.loc["c12", "z"])
    assert found["z"].notna().sum() == 2


def test_finished_refits_are_found_again(
    fit: xr.DataTree, sampler: Sampler, left_out: list[str], tmp_path: Path
) -> None:
    first = rb.report_refits(fit, out=tmp_path).conflicts
    sampler.held.clear()
    again = rb.report_refits(fit, out=tmp_path).conflicts
    assert sampler.held == []
    pd.testing.assert_frame_equal(first, again)
    rb.report_refits(fit, out=tmp_path, seed=1)
    assert len(sampler.held) == 3


def test_only_the_strongest_are_fitted_again_whatever_their_weights(
    fit: xr.DataTree, left_out: list[str]
) -> None:
    screen = rb.influence(fit, "total", by="record")
    table = rb.leave_out(fit, "total", by="record", strongest=2)
    assert left_out == list(screen.index[:2])
    mean = float(fit["posterior"]["quantities"].sel(quantity="total").sum("year").mean())
    for name in left_out:
        row = table.loc[name]
        assert row["by"] == "refit"
        assert row["change"] == pytest.approx(80 - mean, abs=0.1)
        found = [row[end] for end in ("median", "lower", "upper")]
        assert found == pytest.approx([80, 80 - 1.645, 80 + 1.645], abs=0.1)
    assert set(table["by"].drop(left_out)) <= {"weights", ""}
    assert not table["verdict"].drop(left_out).str.contains("pass").any()
    with pytest.raises(ResultError, match="strongest must be at least 1"):
        rb.leave_out(fit, "total", strongest=0)


# --- how they are kept ----------------------------------------------------------------------------


def test_refits_are_kept_for_their_fit_and_no_other(
    fit: xr.DataTree, sampler: Sampler, left_out: list[str], tmp_path: Path
) -> None:
    made, path = rb.report_refits(fit), tmp_path / "fit.refits.json"
    assert ReportRefits.kept(path, fit) is None
    made.keep(path)
    again = ReportRefits.kept(path, fit)
    assert again is not None
    pd.testing.assert_frame_equal(again.conflicts, made.conflicts, check_dtype=False)
    pd.testing.assert_frame_equal(again.without["total"], made.without["total"], check_dtype=False)
    other = fit.copy()
    other.attrs["digest"] = "6" * 16
    nameless = fit.copy()
    nameless.attrs["digest"] = ""
    for wrong in (other, nameless, fit.isel(draw=slice(0, 100))):
        assert ReportRefits.kept(path, wrong) is None
    path.write_text(path.read_text("utf-8")[:-20], "utf-8")
    assert ReportRefits.kept(path, fit) is None


def test_the_command_keeps_them_beside_the_fit(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked: list[dict[str, Any]] = []

    def made(contents: Any, names: list[str], **options: Any) -> ReportRefits:
        asked.append({"names": names, **options})
        return by_hand(contents.attrs["digest"], "total")

    monkeypatch.setattr(reported, "report_refits", made)
    whole = linear_fit(study)
    whole.attrs["digest"] = "5" * 16
    path = written(whole, tmp_path / "fit.nc")
    assert main(["sensitivity", str(path), "--refits", "3", "--workers", "1"]) == 0
    assert (asked[0]["names"], asked[0]["reporters"]) == (["total"], 3)
    assert asked[0]["out"] == tmp_path / "fit_refits"
    assert (tmp_path / "fit.refits.json").is_file()
    said = capsys.readouterr().out
    assert "total: fitted again without each strong reporter" in said
    assert "survey" in said
    assert "1 row did not pass, or could not be fitted:\n  police: did not pass: R-hat 1.4" in said
    assert "Predictive conflict of records that a refit was not shown" in said


# --- what a page shows ----------------------------------------------------------------------------

BAND = r"\(\S+ to \S+\)"
SECTION = ('id="learnt"', 'id="years"')


def by_hand(digest: str, name: str) -> ReportRefits:
    """Refits of the fake fit: one reporter passed, one did not; two records."""
    about = {"unit": "kt REO", "records": 4, "khat": 1.2, "without": 2.0, "sd_ratio": 1.0}
    without = pd.DataFrame([
        {**about, "median": 1.91, "lower": 1.21, "upper": 2.71, "change": 0.52, "error": 0.03,
         "change_sd": 1.0, "by": "refit", "verdict": "passed: R-hat 1.001"},
        {**about, "median": np.nan, "lower": np.nan, "upper": np.nan, "change": np.nan,
         "error": np.nan, "change_sd": np.nan, "by": "", "verdict": "did not pass: R-hat 1.4"},
        {**about, "median": 1.3, "lower": 1.1, "upper": 1.5, "change": -0.1, "error": 0.01,
         "change_sd": 0.1, "by": "weights", "verdict": ""},
        {**about, "median": np.nan, "lower": np.nan, "upper": np.nan, "change": np.nan,
         "error": np.nan, "change_sd": np.nan, "by": "", "verdict": "weights fail (k-hat 1.2)"},
    ], index=pd.Index(["survey", "police", "office", "weak"], name="reporter"))  # fmt: skip
    conflicts = pd.DataFrame({
        "z": [2.5, np.nan], "z_screen": [9.4, 3.3], "stated": [1.2, np.nan],
        "expected": [0.81, np.nan], "expected_lower": [0.61, np.nan],
        "expected_upper": [1.01, np.nan], "verdict": ["passed", "did not pass"],
        "quantity": ["mined_world", np.nan], "year": [2010, np.nan], "year_end": [2010, np.nan],
        "kind": ["value", np.nan], "reporter": ["survey", np.nan],
    }, index=pd.Index(["r01", "r03"], name="record"))  # fmt: skip
    sizes = {"chain": 2, "draw": 50, "year": 6}
    return ReportRefits(digest, sizes, {name: without}, conflicts)


def section_of(path: Path, refits: ReportRefits | None) -> str:
    text = rb.write_report(fake_fit(), path, refits=refits).read_text("utf-8")
    assert text.count("<caption>") == text.count("<table")
    return text[text.index(SECTION[0]) : text.index(SECTION[1])]


def table_in(section: str, words: str) -> str:
    start = section.index(words)
    return section[start : section.index("</table>", start)]


def test_a_page_shows_refits_with_their_bands(tmp_path: Path) -> None:
    section = section_of(tmp_path / "a.html", by_hand("2" * 16, "mined_A_hidden"))
    table = table_in(section, "Without a reporter: the study fitted again")
    assert table.count("Hidden mining in A") == 1
    rows = re.findall(r"<td>(\w+)<small>4 records</small>(.*?)<(?:tr|/tbody)>", table, re.DOTALL)
    assert [name for name, _ in rows] == ["survey", "police"]  # not what weights alone say
    assert "1.91 (1.21 to 2.71)" in rows[0][1] and "+0.520 ± 0.030" in rows[0][1]
    assert "did not pass: R-hat 1.4" in rows[1][1] and "±" not in rows[1][1]
    conflict = table_in(section, "Leave-one-out predictive conflict")
    assert conflict.count("<td>r0") == 1  # the other did not pass
    assert "0.810 (0.610 to 1.01)" in conflict and ">+2.5<" in conflict
    assert "refit; screen +9.4" in conflict
    assert "first order" not in table + conflict


def test_a_page_without_refits_names_the_command_and_has_no_errors(tmp_path: Path) -> None:
    section = section_of(tmp_path / "a.html", None)
    table = table_in(section, "Without a reporter, <strong>to first order only</strong>")
    assert "reebayes sensitivity FIT.nc --refits" in table
    body = table[table.index("<tbody>") :]
    assert "±" not in body
    assert not re.search(BAND, re.sub(r"<small>.*?</small>", "", body))
    screen = rb.influence(fake_fit(), "mined_A_hidden", by="reporter")
    rows = re.findall(r'<td>(\w+)<small>.*?<td class="number">(\S+?)<', body, re.DOTALL)
    assert [name for name, _ in rows[: len(screen)]] == list(screen.index)
    without = [signed(-pull) for pull in screen["pull"]]  # what goes if the reporter goes
    assert [change for _, change in rows[: len(screen)]] == without
    conflict = table_in(section, "Leave-one-out predictive conflict")
    assert "reebayes sensitivity FIT.nc --refits" in conflict


def test_what_is_to_first_order_has_no_band() -> None:
    row = pd.Series({"expected": 0.81, "expected_lower": 0.6, "expected_upper": 1.1, "z": 9.4,
                     "stated": 3.0, "reliable": False})  # fmt: skip
    assert (expected_text(row), z_text(row)) == ("0.810 (first order)", "+9.4 (first order)")
    row["reliable"] = True
    assert (expected_text(row), z_text(row)) == ("0.810 (0.600 to 1.10)", "+9.4")


def test_refits_of_another_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="refits are of another fit"):
        rb.write_report(fake_fit(), tmp_path / "a.html", refits=by_hand("3" * 16, "smuggled"))


def test_the_report_command_shows_what_is_kept_and_fits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*given: Any, **options: Any) -> None:
        raise AssertionError("a report started a refit")

    monkeypatch.setattr(engine, "run_cases", never)
    monkeypatch.setattr(reported, "run_cases", never)
    monkeypatch.setattr(warm, "run_cases", never)
    path = save_fake(tmp_path / "fit.nc")
    kept, page = tmp_path / "fit.refits.json", path.with_suffix(".html")
    assert main(["report", str(path)]) == 0
    assert "to first order only" in page.read_text("utf-8")
    sizes = {str(k): v for k, v in fake_fit()["posterior"].sizes.items()}
    replace(by_hand("2" * 16, "mined_A_hidden"), sizes=sizes).keep(kept)
    capsys.readouterr()
    assert main(["report", str(path)]) == 0
    assert "1.91 (1.21 to 2.71)" in page.read_text("utf-8")
    assert "of another fit" not in capsys.readouterr().err
    replace(by_hand("4" * 16, "mined_A_hidden"), sizes=sizes).keep(kept)
    assert main(["report", str(path)]) == 0
    assert "to first order only" in page.read_text("utf-8")
    assert "is damaged or of another fit" in capsys.readouterr().err
