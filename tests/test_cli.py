"""Commands from the outside: exit codes, messages and files, with a stand-in for the sampler."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from reebayes.cli import fits, readers, studies
from reebayes.cli.main import COMMANDS, main, make_parser
from reebayes.errors import FitError
from reebayes.experiments.runs import HeldOut
from reebayes.model.layout import lay_out
from reebayes.results.fitfile import open_fit, save_fit
from reebayes.study import Study, read_study
from tests.fakes import fake_fit, save_fake
from tests.held import held_out
from tests.test_variants import study_with
from tests.tiny import PRIORS, STUDY, shared_tables, write_tables

ROOT = Path(__file__).parents[1]


@pytest.fixture
def fit_file(tmp_path: Path) -> Path:
    return save_fake(tmp_path / "fit.nc")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the sampler; return the arguments that it was asked with."""
    seen: dict[str, Any] = {"answer": fake_fit}

    def fit(study: object, **given: object) -> xr.DataTree:
        seen.update(given, study=study)
        answer: Callable[[], xr.DataTree] = seen["answer"]
        return open_fit(save_fit(answer(), str(given["out"])))

    module = ModuleType("reebayes.inference.sampling")
    module.__dict__.update(fit=fit, DRAWS=1000, TUNE=250, CHAINS=4, TARGET_ACCEPT=0.87)
    monkeypatch.setitem(sys.modules, "reebayes.inference.sampling", module)
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
    for options, count in (([], 16), (["--recalled"], 18)):
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
    assert "is a file; give the name of a folder" in capsys.readouterr().err
    assert "study" not in asked


def test_run_writes_fit_and_report(tiny_study: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    folder = tmp_path / "results"
    assert main(["run", "--data", str(tiny_study), "--out-dir", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["fit.nc", "report.html"]
    assert asked["seed"] == 0


def test_run_passes_the_year_of_an_outlook_on_to_the_report(
    tiny_study: Path, tmp_path: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reebayes.cli import fits

    told: dict[str, Any] = {}
    monkeypatch.setattr(fits, "report", lambda **given: told.update(given) or 0)
    folder = tmp_path / "results"
    command = ["run", "--data", str(tiny_study), "--out-dir", str(folder), "--outlook", "2020"]
    assert main(command) == 0
    assert told["outlook"] == 2020 and told["file"] == folder / "fit.nc"


def test_run_says_before_the_fit_that_there_is_no_outlook(
    tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "results"
    assert main(["run", "--data", "zinc", "--out-dir", str(folder), "--outlook", "2000"]) == 2
    assert "no process of kind use" in capsys.readouterr().err
    assert "study" not in asked


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


@pytest.mark.parametrize("command", [["report"], ["export", "--to", "csv"], ["learnt"]])
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


def test_learnt_prints_and_writes_what_a_fit_rests_on(
    fit_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["learnt", str(fit_file)]) == 0
    out = capsys.readouterr().out
    assert "Leave-one-out influence on smuggled" in out
    assert "The fit does not say which directions its records inform." in out
    assert not (fit_file.parent / "fit_learnt").exists()
    assert main(["learnt", str(fit_file), "--csv"]) == 0
    beside = {path.name for path in (fit_file.parent / "fit_learnt").iterdir()}
    assert beside == {"learnt.csv", "learnt_sums.csv", "influence.csv", "disagreement.csv"}
    folder = fit_file.parent / "here"
    assert main(["learnt", str(fit_file), "--csv", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == beside


def test_learnt_counts_what_the_records_of_the_fitted_study_see(
    tiny_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = read_study(tiny_study)
    fit = fake_fit()
    fit.attrs["study_hash"] = study.hash
    layout = lay_out(study)
    for group in ("posterior", "prior"):
        draws = fit[group].to_dataset().drop_dims("latent")
        shape = (draws.sizes["chain"], draws.sizes["draw"], layout.unknowns.size)
        zeros = (("chain", "draw", "latent"), np.zeros(shape))
        fit[group] = draws.assign(latents=zeros).assign_coords(latent=list(layout.latents))
    fit.attrs["directions"] = json.dumps(
        {"directions": 9, "seen": 4, "faint": 3, "unseen": 2, "records": 12, "at": "mean"}
    )
    path = save_fit(fit, tmp_path / "fit.nc")
    assert main(["learnt", str(path)]) == 0
    assert "inform 4 of 9 directions of the unknowns more than the prior" in capsys.readouterr().out
    assert main(["learnt", str(path), "--data", str(tiny_study)]) == 0
    assert "at the posterior mean: 12 records inform" in capsys.readouterr().out
    small = STUDY.replace("Tiny", "Small")
    other = write_tables(tmp_path / "other", study=small, priors=PRIORS.replace("0.4", "0.3"))
    assert main(["learnt", str(path), "--data", str(other)]) == 2
    assert "not a fit of the study 'Small'" in capsys.readouterr().err


def test_export_warns_of_a_fit_that_did_not_converge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_fit(_unconverged(), tmp_path / "fit.nc")
    export = ["export", str(path), "--to", "csv", "--out", str(tmp_path / "tables")]
    for command in (export, ["learnt", str(path)]):
        assert main(command) == 0
        assert "Warning: this fit did not converge." in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
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


SHORTEST = {
    **{name: [name] for name in COMMANDS},
    **{name: [name, "DIR"] for name in ("check", "describe")},
    **{name: [name, "FILE.nc"] for name in ("report", "learnt", "sensitivity", "information")},
    "indicators": ["indicators", "FILE.nc"],
    "elements": ["elements", "FILE.nc"],
    "origins": ["origins", "FILE.nc", "--at", "use_A"],
    "scenario": ["scenario", "FILE.nc"],
    "figures": ["figures", "FILE.nc", "--sankey", "--out", "DIR"],
    "map": ["map", "FILE.nc", "--out", "DIR"],
    "partners": ["partners", "FILE.nc"],
    "outlook": ["outlook", "FILE.nc"],
    "hindcast": ["hindcast", "FILE.nc", "--at", "2015", "--out", "DIR"],
    "export": ["export", "FILE.nc", "--to", "csv"],
    "survey": ["survey", "FILE.csv"],
    "study": ["study", "RUN.toml", "--out", "DIR"],
    "init": ["init", "DIR", "--years", "2015", "--unit", "kt Co/yr"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_by_keyword_what_its_parser_gives(name: str) -> None:
    values = vars(make_parser().parse_args(SHORTEST[name]))
    command: Callable[..., int] = values.pop("command")
    assert command.__name__ == name
    assert "Interrupted" in values.pop("interrupted")
    parameters = inspect.signature(command).parameters.values()
    assert {parameter.name for parameter in parameters} == set(values)
    assert {parameter.kind for parameter in parameters} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", ["map", "partners"])
def test_years_of_partners_say_how_they_are_written(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        make_parser().parse_args([*SHORTEST[name], "--years", "2010-2015"])
    assert "must be a year such as 2012, got '2010-2015'" in capsys.readouterr().err


def test_commands_are_functions_that_need_no_command_line(
    tiny_study: Path, tmp_path: Path, asked: dict[str, Any]
) -> None:
    out, tables = tmp_path / "fit.nc", tmp_path / "tables"
    study = {"recalled": False, "extensions": []}
    assert studies.check(directory=tiny_study, coverage=True, **study) == 0
    settings = {"seed": 7, "draws": 10, "tune": None, "chains": None, "target_accept": None}
    assert fits.fit(data=tiny_study, out=out, **study, **settings) == 0
    assert (asked["seed"], asked["draws"]) == (7, 10)
    assert readers.export(file=out, verify=True, to="csv", out=tables) == 0
    assert (tables / "flows.csv").is_file()
    with pytest.raises(FitError, match="did not converge"):
        readers.report(
            file=save_fit(_unconverged(), out), verify=False, out=None, year=None, force=False,
            compare=None, outlook=None, multiverse=None, survey=None, judgement=None, data=None,
            **study,
        )  # fmt: skip


def test_the_sampler_is_not_loaded_for_help() -> None:
    code = (
        "import sys\nfrom reebayes.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pymc', 'nutpie', 'matplotlib', 'numpy', 'pandas', 'xarray', 'rich'}\n"
        "raise SystemExit(bool(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Bayesian material flow analysis" in done.stdout


def test_reading_a_fit_loads_neither_dask_nor_scipy(fit_file: Path) -> None:
    pytest.importorskip("dask")
    words = [sys.executable, "-X", "importtime", "-m", "reebayes", "report", str(fit_file)]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "xarray" in loaded
    assert not {"dask", "scipy", "matplotlib.pyplot"} & loaded


# --- compare ------------------------------------------------------------------------------------


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None) -> Path:
    """Replace the sampler where variants are fitted; return a study with variants."""
    import reebayes.experiments.runs as refits

    def fit(study: Study, **given: Any) -> xr.DataTree:
        found = fake_fit(chains=2, draws=given["draws"], seed=len(study.name))
        found.attrs |= {"study_hash": study.hash, "study_name": study.name}
        found.attrs |= {name: given[name] for name in ("seed", "draws", "tune", "chains")}
        return open_fit(save_fit(found, given["out"]))

    def score(study: Study, held: list[str], run: object, starts: object) -> HeldOut:
        return held_out(held, -1.0 - 0.1 * len(study.name))

    monkeypatch.setattr(refits, "fit", fit)
    monkeypatch.setattr(refits, "score_held_out", score)
    return study_with(tmp_path / "study").path


SHORT = ["--draws", "60", "--chains", "2", "--tune", "10"]


def test_compare_fits_scores_and_writes_tables(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compare", "heavy", "--data", str(compared), "--out", str(out), *SHORT]) == 0
    assert {path.name for path in out.iterdir()} == {
        *("base.nc", "heavy.nc", "comparison.csv", "pointwise.csv", "quantities.csv"),
        "groups.csv",
    }
    text = capsys.readouterr().out
    assert "records scored in all fits" in text
    assert "heavy" in text.partition("one record left out at a time")[2]
    assert not (out / "pit.csv").exists()
    page = out / "report.html"
    arguments = ["report", str(out / "base.nc"), "--compare", str(out), "--out", str(page)]
    assert main(arguments) == 0
    assert "Tiny: heavy tails" in page.read_text("utf-8")


def test_compare_takes_every_variant_unless_told(compared: Path, tmp_path: Path) -> None:
    assert main(["compare", "--data", str(compared), "--out", str(tmp_path / "out"), *SHORT]) == 0
    assert len(list((tmp_path / "out").glob("*.nc"))) == 7


def test_compare_by_reporter_and_future(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--folds", "reporter", "--future", "2012"]
    arguments = [
        "compare",
        "quiet",
        "--data",
        str(compared),
        "--out",
        str(tmp_path),
        *SHORT,
        *asked,
    ]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "left out together: one reporter at a time" in text
    assert "left out together: years after 2012" in text
    table = pd.read_csv(tmp_path / "comparison.csv").set_index(["score", "variant"])
    study = read_study(compared)
    quiet = study.variant("quiet")
    row = table.loc[("one reporter at a time", "quiet")]
    assert row["records"] == len(quiet.records)
    gap = 0.1 * (len(quiet.name) - len(study.name))
    assert row["elpd_diff"] == pytest.approx(-gap * len(quiet.records))


def test_compare_in_folds_holds_out_every_record(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--folds", "3", "--group", "counts=surv*"]
    arguments = ["compare", "quiet", "heavy", "--data", str(compared), "--out", str(tmp_path)]
    assert main([*arguments, *SHORT, *asked]) == 0
    study = read_study(compared)
    quiet = study.variant("quiet")
    table = pd.read_csv(tmp_path / "comparison.csv").set_index(["score", "variant"])
    score = "3 folds of all records"
    assert table.index[0] == (score, "base")  # it leads, and importance sampling comes last
    assert table.index[-1][0] == "loo"
    row = table.loc[(score, "heavy")]
    assert row["records"] == row["refitted"] == len(quiet.records)
    assert row["unscored"] == len(study.records) - len(quiet.records)
    points = pd.read_csv(tmp_path / "pointwise.csv", keep_default_na=False)
    points = points[(points["score"] == score) & (points["variant"] == "base")]
    why = points.set_index("record")["why"]
    assert set(why.index) == set(study.records.names)
    assert why["r_share"] == "no score in quiet"
    assert why["r_value"] == ""
    text = capsys.readouterr().out
    assert "counts" in text.partition("Difference over sets of records")[2]
    pit = pd.read_csv(tmp_path / "pit.csv").set_index("record")
    assert set(pit.index) == set(study.records.names)
    assert pit.loc["r_share", "reporter"] == "journalist"
    assert (tmp_path / "pit.png").stat().st_size > 1000
    assert (tmp_path / "pit_summary.csv").is_file()


@pytest.mark.parametrize(("group", "fragment"), [
    ("press=jurnalist", "Did you mean 'journalist'"), ("press", "must be NAME=REPORTER"),
])  # fmt: skip
def test_groups_are_of_reporters(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], group: str, fragment: str
) -> None:
    arguments = ["compare", "heavy", "--data", str(compared), "--out", str(tmp_path / "out")]
    try:
        code = main([*arguments, "--group", group])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert fragment in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_compare_refuses_what_is_no_variant(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compare", "heavvy", "--data", str(compared), "--out", str(out)]) == 2
    assert "Did you mean 'heavy'?" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("folds", ["1", "0", "people", "2.5"])
def test_folds_are_reporter_or_a_number(folds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["compare", "--folds", folds])
    assert stopped.value.code == 2
    assert "'reporter' or a number from 2 up" in capsys.readouterr().err


def test_report_with_a_folder_that_holds_no_comparison(
    fit_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(fit_file), "--compare", str(tmp_path)]) == 2
    assert "comparison.csv: no such file" in capsys.readouterr().err
