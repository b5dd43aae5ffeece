"""``sensitivity`` and ``information``: what they print and write, and what they refuse."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.cli import sensitivities
from reebayes.cli.main import main
from reebayes.experiments import leaving_out
from reebayes.experiments import refits as warm
from reebayes.experiments.refits import Refit
from reebayes.files import sole_writer
from reebayes.study import Study
from reebayes.wording import rank_text
from tests.fakes import YEARS, save_fake
from tests.linear import linear_fit, linear_study

mpl.use("agg")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return linear_study(tmp_path_factory.mktemp("linear") / "study")


@pytest.fixture
def file(study: Study, tmp_path: Path) -> Path:
    return written(linear_fit(study), tmp_path / "fit.nc")


def written(fit: xr.DataTree, path: Path) -> Path:
    """Write a fit that lacks the draws which these commands do not read."""
    fit.attrs |= {"fit_format": 3, "study_name": "Linear"}
    flows = fit["constant_data"]["flow"].values.tolist()
    fit["posterior"] = xr.DataTree(_complete(fit["posterior"].to_dataset(), flows))
    return rb.save_fit(fit, path)


def _complete(draws: xr.Dataset, flows: list[str]) -> xr.Dataset:
    """Add what a posterior holds beside quantities and unknowns, as ones."""
    sizes = {"flow": flows, "reporter": ["customs", "office"], "drifting": [], "shared": ["copied"],
             "group": ["input"]}  # fmt: skip
    draws = draws.assign_coords({dim: np.array(names, object) for dim, names in sizes.items()})
    shape = (draws.sizes["chain"], draws.sizes["draw"])
    by_draw = ("chain", "draw")
    for name, rest in {
        "flows": ("year", "flow"), "bias": ("reporter",), "drifting_bias": ("year", "drifting"),
        "shared_error": ("shared",), "noise": ("reporter",), "noise_of_all": (),
        "step_scale": ("group",),
    }.items():  # fmt: skip
        whole = (*shape, *(draws.sizes[dim] for dim in rest))
        draws = draws.assign({name: ((*by_draw, *rest), np.ones(whole))})
    return draws


class Asked(list[str]):
    """Names of cases that are to be fitted again, where they are kept, and what their R-hat is."""

    rhat = 1.0
    folders: list[Path | None]


@pytest.fixture
def refitted(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Answer refits of a study with made-up draws."""
    asked = Asked()
    asked.folders = []

    def refits(cases: dict[str, Study], *given: Any, **options: Any) -> dict[str, Refit]:
        asked.extend(cases)
        asked.folders.append(options["folder"])
        draws = np.random.default_rng(1).normal(100.0, 1.0, (4, 100))
        return {name: Refit({"total": draws}, asked.rhat, 400.0, 0, 1) for name in cases}

    monkeypatch.setattr(warm, "refits", refits)
    return asked


@pytest.fixture
def few(study: Study, tmp_path: Path) -> Path:
    """A fit of so few draws that weights fail."""
    return written(linear_fit(study).isel(draw=slice(6)), tmp_path / "few.nc")


# --- sensitivity ----------------------------------------------------------------------------------


def test_slopes_are_printed_and_nothing_is_written(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(file.parent.iterdir())
    assert main(["sensitivity", str(file)]) == 0
    out = capsys.readouterr().out
    assert "total (kt REO): change of the mean if a prior's centre moves" in out
    assert "bias:office" in out
    assert "nan" not in out.lower()
    assert "Prior-data conflict: 0 of 7 unknowns lie" in out
    assert sorted(file.parent.iterdir()) == before


def test_whole_tables_and_a_figure_are_written(
    file: Path, tmp_path: Path, refitted: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--budget", "--leave-out", "record", "--fewest", "--out", str(out)]
    assert main(["sensitivity", str(file), *options]) == 0
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert names >= {
        "sensitivity_total.csv", "budget_total.csv", "without_record_total.csv",
        "fewest_total.csv", "tornado_total.png", "prior_conflict.csv",
    }  # fmt: skip
    assert not [name for name in names if name.endswith(".part")]
    slopes = pd.read_csv(out / "sensitivity_total.csv", comment=None)
    assert len(slopes) == 9
    budget = pd.read_csv(out / "budget_total.csv")
    assert budget[next(name for name in budget if name.startswith("share"))].sum() == pytest.approx(
        1.0, abs=1e-4
    )
    assert budget["input"].iloc[-1] == "Nobody counted stocks."
    printed = capsys.readouterr().out
    assert "Not quantified:\n  * Nobody counted stocks." in printed
    assert "total: without each record" in printed
    assert "fewest records that move it" in printed
    assert refitted  # the sets of the fewest records


def test_confirming_hands_the_folder_of_refits_on(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path | None] = []

    def refits(cases: dict[str, Study], *given: Any, **options: Any) -> dict[str, Refit]:
        folders.append(options["folder"])
        return {}

    monkeypatch.setattr(warm, "refits", refits)
    out = tmp_path / "out"
    assert main(["sensitivity", str(file), "--confirm", "--out", str(out)]) == 0
    assert folders == [out / "refits"]


WORK = ["--confirm", "--leave-out", "record", "--fewest"]


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have few records move an answer as far as is asked."""
    nearer = partial(leaving_out.fewest_records, move=0.02)
    monkeypatch.setattr(leaving_out, "fewest_records", nearer)


@pytest.mark.usefixtures("near")
def test_refits_are_kept_beside_the_fit_where_no_folder_is_named(
    few: Path, refitted: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is killed would lose them all."""
    assert main(["sensitivity", str(few), *WORK]) == 0
    assert set(refitted.folders) == {few.with_name("few_refits")}
    assert len(refitted.folders) == 3
    assert {path.name for path in few.parent.iterdir() if path.name[0] != "."} >= {"few_refits"}


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("columns", ["80", "10000"])
def test_refits_that_did_not_pass_are_told_under_each_table(
    few: Path, refitted: Asked, capsys: pytest.CaptureFixture[str], columns: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", columns)
    refitted.rhat = 1.5
    assert main(["sensitivity", str(few), *WORK]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    parts = re.split("total: without each record|total: fewest records", printed)
    assert len(parts) == 3
    for part in parts:
        assert re.search(r"\d rows? did not pass, or could not be fitted:", part)
        assert "did not pass: R-hat 1.500" in part
    setting = "error_distribution = student_t: up: did not pass: R-hat 1.500"
    assert setting in parts[0]


def test_a_setting_is_told_though_nothing_is_known_of_it(
    few: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = "  error_distribution = student_t: "
    assert main(["sensitivity", str(few)]) == 0
    assert re.search(
        rf"{label}weights fail.*; --confirm fits again with it", capsys.readouterr()[0]
    )
    assert main(["sensitivity", str(file)]) == 0
    assert re.search(rf"{label}\S+ ± \S+ by weights \(rank \d+", capsys.readouterr()[0])


def test_weights_alone_leave_rows_empty_and_say_so(
    few: Path, refitted: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(few.parent.iterdir())
    options = ["--leave-out", "record", "--weights-only"]
    assert main(["sensitivity", str(few), *options]) == 0
    assert refitted == []
    assert sorted(few.parent.iterdir()) == before
    printed = capsys.readouterr().out
    assert "rows have no answer by weights, and were not fitted again:" in printed
    assert ": weights fail" in printed


@pytest.mark.parametrize("columns", [80, 120])
def test_tables_fit_into_the_terminal(
    few: Path, file: Path, refitted: Asked, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, columns: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(columns))
    for path in (few, file):
        assert main(["sensitivity", str(path), *WORK, "--budget"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(len(line.rstrip()) for line in lines) <= columns


def test_what_a_narrow_table_leaves_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({name: [1.5] for name in "abcdefg"}, index=["a name of twenty lett"])
    monkeypatch.setenv("COLUMNS", "36")
    text = sensitivities._headed("Sums", table, list("abcdefg"))
    assert text.endswith("\n(no room for: d, e, f, g)")
    monkeypatch.setenv("COLUMNS", "100")
    assert "no room" not in sensitivities._headed("Sums", table, list("abcdefg"))


def test_changes_are_printed_with_their_errors_and_ranks(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["sensitivity", str(file)]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("bias:of"))
    with rb.open_fit(file) as fit:
        found = rb.sensitivity(fit, "total").loc["bias:office"]
    for end in ("down", "up"):
        assert f"{found[end]:.3g} ± {found[f'{end}_error']:.2g}" in row
    assert f" {rank_text(found['rank_from'], found['rank_to'])} " in row


def test_a_change_to_first_order_is_marked(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sensitivity", str(few)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if " slope " in line]
    rows = [row for row in rows if "rank" not in row]
    assert rows
    assert all(row.count("~") == 2 for row in rows)


# --- information ----------------------------------------------------------------------------------


def test_figures_worth_finding_are_printed_and_written(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["information", str(file), "--count", "2", "--sd", "0.05", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "figures worth finding; the 90 % band is" in printed
    table = pd.read_csv(out / "information_total.csv")
    assert len(table) == 2
    expected = rb.value_of_information(rb.open_fit(file), "total", sd=0.05, count=2)
    assert list(table["quantity"]) == list(expected["quantity"])


# --- both -----------------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize("command", ["sensitivity", "information"])


@BOTH
def test_names_that_are_wrong_are_told_in_a_line(
    command: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([command, str(file), "--quantity", "totel", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said == "Unknown quantity 'totel'. Did you mean 'total'?\n"
    assert not out.exists()


def test_a_ratio_is_asked_of_the_last_year(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the page has it: a headline that holds one is no reason to refuse the command."""
    asked: list[dict[str, object]] = []

    def enough(contents: object, years: dict[str, object], **_: object) -> None:
        asked.append(years)
        raise rb.ResultError("Enough.")

    monkeypatch.setattr("reebayes.experiments.sensitivities.sensitivities", enough)
    path = str(save_fake(tmp_path / "fit.nc"))
    words = ["sensitivity", path, "--quantity", "share_hidden", "--quantity", "smuggled"]
    assert main(words) == 2
    assert "Enough." in capsys.readouterr().err
    assert asked == [{"share_hidden": YEARS[-1], "smuggled": None}]


def test_what_is_large_is_printed_without_an_exponent() -> None:
    table = pd.DataFrame({"upper": [1155.7, 999.6, 408.2, 0.00712]})
    lines = sensitivities._headed("Sums", table, ["upper"]).split()
    assert lines[-7::2] == ["1,156", "1,000", "408", "0.00712"]


def test_a_reporter_that_nobody_knows(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["information", str(file), "--reporter", "offise"]) == 2
    assert "Did you mean 'office'" in capsys.readouterr().err


@BOTH
def test_a_folder_that_cannot_be_made_is_refused_before_work(
    command: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    worked: list[str] = []
    for place in (
        "reebayes.experiments.sensitivities.sensitivities",
        "reebayes.answers.information.value_of_information",
    ):
        monkeypatch.setattr(place, lambda *given, **options: worked.append("work"))
    (tmp_path / "there").write_text("a file")
    assert main([command, str(file), "--out", str(tmp_path / "there")]) == 2
    assert "there" in capsys.readouterr().err
    assert worked == []
    assert (tmp_path / "there").read_text() == "a file"


@BOTH
def test_two_runs_never_write_one_folder(
    command: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with sole_writer(out):
        assert main([command, str(file), "--out", str(out)]) == 2
    assert str(out) in capsys.readouterr().err


@BOTH
def test_a_fit_that_did_not_converge_is_warned_of(
    command: str, study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = linear_fit(study)
    fit.attrs |= {"converged": "no", "verdict": "One chain stands apart."}
    path = written(fit, tmp_path / "fit.nc")
    assert main([command, str(path)]) == 0
    said = capsys.readouterr().err
    assert "Warning: this fit did not converge. One chain stands apart." in said


@BOTH
def test_a_file_that_is_no_fit(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fit.nc"
    assert main([command, str(path)]) == 2
    assert "no such file" in capsys.readouterr().err
    path.write_text("nothing")
    assert main([command, str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_fit_with_other_tables_is_told_in_a_line(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = linear_fit(study)
    fit.attrs["study_hash"] = "0" * 64
    path = written(fit, tmp_path / "fit.nc")
    assert main(["sensitivity", str(path)]) == 2
    said = capsys.readouterr().err
    assert "not those of the study that it names" in said
    assert "Traceback" not in said
