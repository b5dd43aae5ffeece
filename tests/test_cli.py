"""Commands from the outside: exit codes, messages and files, with a stand-in for the sampler."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import xarray as xr

from reebayes.cli import main
from reebayes.errors import FitError
from reebayes.results import open_fit, save_fit
from tests.fakes import fake_fit
from tests.tiny import shared_tables, write_tables

ROOT = Path(__file__).parents[1]


@pytest.fixture
def fit_file(tmp_path: Path) -> Path:
    return save_fit(fake_fit(), tmp_path / "fit.nc")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the sampler; return the arguments that it was asked with."""
    seen: dict[str, Any] = {"answer": fake_fit}

    def fit(study: object, **given: object) -> xr.DataTree:
        seen.update(given, study=study)
        answer: Callable[[], xr.DataTree] = seen["answer"]
        return answer()

    module = ModuleType("reebayes.sampling")
    module.__dict__.update(fit=fit, DRAWS=2000, TUNE=250, CHAINS=4)
    monkeypatch.setitem(sys.modules, "reebayes.sampling", module)
    return seen


def _unconverged() -> xr.DataTree:
    return fake_fit(converged=False)


def _failing() -> xr.DataTree:
    raise FitError("The sampler could not start.")


def test_check_describes_a_sound_study(
    tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tiny_study)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Tiny (2010-2015): 9 processes, ")
    assert "No faults found." in out


def test_check_lists_every_fault(tiny_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("flows.csv", "records.csv"):
        path = tiny_study / name
        path.write_text(path.read_text().replace("\n", "\nrubbish,,\n", 1))
    assert main(["check", str(tiny_study)]) == 2
    captured = capsys.readouterr()
    assert "flows.csv" in captured.err
    assert "records.csv" in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_recalled_records_are_kept_on_request(
    tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_tables(tmp_path / "sharing", **shared_tables())
    for options, count in (([], 11), (["--recalled"], 13)):
        assert main(["check", str(folder), *options]) == 0
        assert f" {count} records" in capsys.readouterr().out
        out = ["--out", str(tmp_path / f"{count}.nc")]
        assert main(["fit", "--data", str(folder), *out, *options]) == 0
        assert len(asked["study"].records) == count


def test_check_of_a_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_fit_passes_its_options_on_and_saves(
    tiny_study: Path, tmp_path: Path, asked: dict[str, Any]
) -> None:
    out = tmp_path / "sub" / "my.nc"
    arguments = ["fit", "--data", str(tiny_study), "--out", str(out), "--seed", "7"]
    assert main([*arguments, "--draws", "10", "--chains", "2"]) == 0
    assert (asked["seed"], asked["draws"], asked["chains"]) == (7, 10, 2)
    assert "tune" not in asked  # the sampler's own default stands
    assert asked["study"].name == "Tiny"
    assert open_fit(out).attrs["converged"] == "yes"


def test_fit_that_did_not_converge_is_saved_and_marked(
    tiny_study: Path, tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked["answer"] = _unconverged
    out = tmp_path / "fit.nc"
    assert main(["fit", "--data", str(tiny_study), "--out", str(out)]) == 3
    assert open_fit(out).attrs["converged"] == "no"
    assert "did not converge" in capsys.readouterr().err


def test_fit_that_failed(
    tiny_study: Path, tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked["answer"] = _failing
    assert main(["fit", "--data", str(tiny_study), "--out", str(tmp_path / "fit.nc")]) == 3
    assert capsys.readouterr().err == "The sampler could not start.\n"


def test_fit_stops_before_sampling_if_it_cannot_save(
    tiny_study: Path, tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "fit.nc"
    assert main(["fit", "--data", str(tiny_study), "--out", str(out)]) == 2
    assert "cannot be made" in capsys.readouterr().err
    assert "study" not in asked


def test_run_writes_fit_and_report(tiny_study: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    folder = tmp_path / "results"
    assert main(["run", "--data", str(tiny_study), "--out-dir", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["fit.nc", "report.html"]
    assert asked["seed"] == 0


def test_run_without_convergence_leaves_no_report(
    tiny_study: Path, tmp_path: Path, asked: dict[str, Any]
) -> None:
    asked["answer"] = _unconverged
    folder = tmp_path / "results"
    assert main(["run", "--data", str(tiny_study), "--out-dir", str(folder)]) == 3
    assert [path.name for path in folder.iterdir()] == ["fit.nc"]


def test_interrupted_fit(
    tiny_study: Path, tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> xr.DataTree:
        raise KeyboardInterrupt

    asked["answer"] = interrupt
    assert main(["fit", "--data", str(tiny_study), "--out", str(tmp_path / "fit.nc")]) == 130
    assert not (tmp_path / "fit.nc").exists()
    assert "Interrupted" in capsys.readouterr().err


def test_report_goes_beside_the_fit(fit_file: Path) -> None:
    assert main(["report", str(fit_file), "--year", "2011"]) == 0
    assert "flows of 2011" in fit_file.with_suffix(".html").read_text(encoding="utf-8")


def test_report_needs_force_without_convergence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_fit(_unconverged(), tmp_path / "fit.nc")
    out = tmp_path / "page.html"
    assert main(["report", str(path), "--out", str(out)]) == 3
    assert "did not converge" in capsys.readouterr().err
    assert not out.exists()
    assert main(["report", str(path), "--out", str(out), "--force"]) == 0
    assert "Do not use or cite" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [["report"], ["export", "--to", "csv"]])
def test_a_file_that_is_no_fit(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fit.nc"
    assert main([*command, str(path)]) == 2
    path.write_text("nothing")
    assert main([*command, str(path)]) == 2
    assert "no such file" in capsys.readouterr().err


def test_export_csv_and_xlsx(fit_file: Path) -> None:
    assert main(["export", str(fit_file), "--to", "csv"]) == 0
    assert (fit_file.parent / "fit_tables" / "cumulative.csv").is_file()
    assert main(["export", str(fit_file), "--to", "xlsx"]) == 0
    assert fit_file.with_suffix(".xlsx").is_file()


def test_export_warns_of_a_fit_that_did_not_converge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_fit(_unconverged(), tmp_path / "fit.nc")
    assert main(["export", str(path), "--to", "csv", "--out", str(tmp_path / "tables")]) == 0
    assert "Warning: this fit did not converge." in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "check", "fit", "report", "export"])
def test_help_gives_an_example_and_the_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  reebayes {command}" in text
    assert "exit codes:" in text


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["fit", "--draws", "0"], ["fit", "--seed", "x"], ["export", "f.nc"]]
)
def test_wrong_arguments_exit_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: reebayes" in capsys.readouterr().err


def test_the_sampler_is_not_loaded_for_help() -> None:
    code = (
        "import sys\nfrom reebayes.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "raise SystemExit(bool({'pymc', 'nutpie', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Bayesian material flow analysis" in done.stdout
