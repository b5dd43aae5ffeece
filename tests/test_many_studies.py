"""Many studies as one run: the table, the draws, the run file, and the command."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.cli.main import main
from reebayes.errors import ResultError, StudyError
from reebayes.experiments import refits as warm
from reebayes.experiments import studies
from reebayes.experiments.refits import AS_A_FIT, RefitSettings, Starts, refit
from reebayes.inference.sampling import DRAWS, THIN, TUNE
from reebayes.results.reading import contents_of
from reebayes.study import Study
from reebayes.study.runfile import read_run_file
from tests.clusters import DaskCluster
from tests.linear import linear_fit, linear_study
from tests.test_refits import Sampler
from tests.test_sensitivity_commands import written
from tests.test_variants import VARIANTS, study_with

COSTS = ["seconds"]
"""What is not the same in every run."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return linear_study(tmp_path_factory.mktemp("linear") / "study")


@pytest.fixture(scope="module")
def near(study: Study) -> xr.DataTree:
    fit = linear_fit(study)
    fit.attrs["digest"] = "of the fit"
    return fit


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Sampler:
    return Sampler.in_place(monkeypatch)


def cases(study: Study) -> dict[str, Study]:
    return {"base": study, "up": study.with_prior("a", shift=1.0),
            "wide": study.with_prior("b", sd=0.3)}  # fmt: skip


def run(study: Study, near: xr.DataTree | None, out: Path, **options: Any) -> studies.StudyRuns:
    options = {"base": "base", "workers": 0, "progress": False, **options}
    return rb.run_studies(cases(study), out=out, near=near, **options)


# --- table and draws ------------------------------------------------------------------------------


def test_a_row_holds_the_answer_of_a_case(
    study: Study, near: xr.DataTree, sampler: Sampler, tmp_path: Path
) -> None:
    found = run(study, near, tmp_path)
    assert found.passed
    assert list(found.table.index) == list(found.draws["case"].values) == ["base", "up", "wide"]
    assert list(found.table["hash"]) == [one.hash for one in cases(study).values()]
    assert found.table.attrs["units"] == {"total": "kt REO"}
    sums = rb.cumulative(found.draws["total"])
    bands = rb.bands(sums)
    for end in ("median", "lower", "upper"):
        np.testing.assert_allclose(found.table[f"total_{end}"], bands[end], rtol=1e-5)
    base, up = (sums.sel(case=case).values for case in ("base", "up"))
    shift = (up.mean() - base.mean()) / base.std(ddof=1)
    assert found.table.at["up", "total_shift"] == pytest.approx(shift, rel=1e-3)
    assert found.table.at["base", "total_shift"] == found.table.at["base", "total_shift_error"] == 0
    error = np.sqrt(2 / base.size)  # of two means of independent draws
    assert found.table.at["up", "total_shift_error"] == pytest.approx(error, rel=0.5)


def test_without_a_base_nothing_shifts(
    study: Study, near: xr.DataTree, sampler: Sampler, tmp_path: Path
) -> None:
    table = run(study, near, tmp_path, base=None, quantities=["a", "total"]).table
    assert table["a_shift"].isna().all()
    assert table["a_median"].notna().all()


def test_a_finished_case_is_found_again_and_a_later_call_has_more(
    study: Study, near: xr.DataTree, sampler: Sampler, tmp_path: Path
) -> None:
    first = run(study, near, tmp_path)
    count = len(sampler.runs)
    pd.testing.assert_frame_equal(first.table, run(study, near, tmp_path).table)
    assert len(sampler.runs) == count == 3
    more = {**cases(study), "low": study.with_prior("a", shift=-1.0)}
    again = rb.run_studies(more, out=tmp_path, near=near, workers=0, progress=False)
    assert len(sampler.runs) == count + 1
    assert list(pd.read_csv(tmp_path / "cases.csv")["case"]) == list(again.table.index)
    assert len(list((tmp_path / "cases").iterdir())) == 4


def test_the_table_can_be_read_while_it_grows(
    study: Study,
    near: xr.DataTree,
    sampler: Sampler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    usual = sampler.draw

    def draw(*given: Any) -> Any:
        path = tmp_path / "cases.csv"
        seen.append(len(pd.read_csv(path)) if path.exists() else 0)
        return usual(*given)

    monkeypatch.setattr(warm, "draw", draw)
    monkeypatch.setattr(studies, "_SECONDS", -1.0)
    run(study, near, tmp_path)
    assert seen == [0, 1, 2]


def test_a_case_that_fails_is_a_row_without_figures(
    study: Study, near: xr.DataTree, sampler: Sampler, tmp_path: Path
) -> None:
    sampler.diverging = 1
    found = run(study, near, tmp_path)
    assert not found.passed
    assert set(found.table["converged"]) == {"no"}
    assert found.table["divergences"].tolist() == [1, 1, 1]
    assert found.table["tries"].tolist() == [2, 2, 2]
    assert found.table["total_median"].isna().all()
    assert found.table.at["up", "verdict"].startswith("did not pass: R-hat")
    sampler.error = rb.FitError("no curvature")
    worse = run(study, near, tmp_path, seed=1)
    assert worse.table.at["up", "verdict"] == "could not be sampled: no curvature"
    assert not worse.draws


def test_without_a_fit_to_start_from_a_case_is_as_long_as_a_fit(
    study: Study, sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(warm, "find_coordinates", lambda layout, seed, cores: seeds.append(seed))
    found = run(study, None, tmp_path)
    assert len(set(seeds)) == 3
    assert {(one.tune, one.draws, one.thin) for one in sampler.runs} == {(TUNE, DRAWS, THIN)}
    assert found.passed
    sampler.fail = 6
    assert not run(study, None, tmp_path, seed=1).passed
    assert (AS_A_FIT.gate.rhat_max, AS_A_FIT.gate.ess_min, AS_A_FIT.gate.tails) == (1.01, 400, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"base": "bse"}, r"case 'bse'.*'base'"),
        ({"quantities": ["totl"]}, r"quantity 'totl'.*'total'"),
        ({"quantities": []}, "Nothing is asked"),
    ],
)
def test_what_cannot_be_asked_is_said_first(
    study: Study, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResultError, match=message):
        run(study, None, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_no_case_and_no_sum_are_refused(tiny_study: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="There is no case"):
        rb.run_studies({}, out=tmp_path)
    with pytest.raises(ResultError, match="share_hidden: a ratio has no sum"):
        rb.run_studies({"base": rb.read_study(tiny_study)}, out=tmp_path,
                       quantities=["share_hidden"])  # fmt: skip


@pytest.mark.slow_ci
def test_the_table_is_the_same_whoever_works(
    study: Study, near: xr.DataTree, tmp_path: Path
) -> None:
    """The sampler itself, bit for bit: in this process, by two others, and on a cluster."""
    options: dict[str, Any] = {"draws": 200}
    one = run(study, near, tmp_path / "one", **options)
    two = run(study, near, tmp_path / "two", workers=2, **options)
    with DaskCluster(workers=2) as cluster:
        three = run(study, near, tmp_path / "three", scheduler=cluster.address, **options)
    assert one.passed, one.table["verdict"].tolist()
    for other in (two, three):
        pd.testing.assert_frame_equal(
            one.table.drop(columns=COSTS), other.table.drop(columns=COSTS), check_exact=True
        )
        xr.testing.assert_identical(one.draws, other.draws)


@pytest.mark.slow_ci
def test_a_worker_that_samples_still_answers(study: Study, near: xr.DataTree) -> None:
    """Or a cluster takes it for dead: no thread waits long for another while a refit runs."""
    arguments = (study, Starts.of(contents_of(near)), {"total": None}, 1, RefitSettings())
    refit(*arguments, cores=1)  # loads what was compiled before
    gaps: list[float] = []
    ended = threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not ended.wait(0.01):
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    ticking = threading.Thread(target=tick)
    ticking.start()
    refit(*arguments, cores=1)
    ended.set()
    ticking.join()
    assert len(gaps) > 5
    assert max(gaps) < 1.0


# --- run files ------------------------------------------------------------------------------------

RUN = """
name = "What if"
base = "study"
seed = 3
draws = 500
quantities = ["made"]

[cases.hidden]
why = "Was there more?"
priors = [{ target = "hidden_ore", year = 2010, median = 2 }]

[cases.few]
combines = ["heavy"]
without_reporters = ["journalist"]
"""


def run_file(folder: Path, text: str = RUN) -> Path:
    study_with(folder / "study", VARIANTS)
    path = folder / "run.toml"
    path.write_text(text)
    return path


def test_a_run_file_declares_changed_copies(tmp_path: Path) -> None:
    found = read_run_file(run_file(tmp_path))
    assert (found.name, found.seed, found.draws, found.near) == ("What if", 3, 500, None)
    assert found.quantities == ("made",)
    assert list(found.studies) == ["base", "hidden", "few"]
    base = rb.read_study(tmp_path / "study")
    changed = base.with_prior("hidden_ore", year=2010, median=2)
    assert found.studies["hidden"].hash == changed.hash
    quiet = base.variant("heavy").without_reporter("journalist")
    assert found.studies["few"].hash == quiet.hash


def test_the_bundled_study_is_the_base_unless_another_is_named(tmp_path: Path) -> None:
    path = tmp_path / "few.toml"
    path.write_text("[cases.quiet]\ncombines = ['no_smuggling']\n")
    found = read_run_file(path)
    assert found.name == "few"
    assert found.studies["base"].hash == rb.read_study().hash


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = """
name = ""
base = "study"
seeds = 3
draws = 2
near = "nowhere.nc"
quantities = ["mde", "share_hidden"]
[cases.base]
settings = { error_distribution = "normal" }
[cases.heavy]
settings = { error_distribution = "student_t" }
[cases.one]
settings = { error_distribution = "cauchy" }
[cases.two]
priors = [{ target = "hiden_ore", median = 2 }]
[cases.three]
[cases.four]
priors = [{ target = "metal", median = 1.5 }]
"""
    with pytest.raises(StudyError) as raised:
        read_run_file(run_file(tmp_path, text))
    told = {(fault.table, fault.column): fault.message for fault in raised.value.faults}
    assert {table for table, _ in told} == {"run.toml"}
    messages = {column: message for (_, column), message in told.items()}
    assert messages["name"] == "'' is not text"
    assert "Did you mean 'seed'?" in messages["seeds"]
    assert messages["draws"] == "'2' is not a whole number from 4 up"
    assert messages["near"].startswith("there is no file")
    assert "'base' is the study itself" in messages["cases.base"]
    assert "the study has a variant 'heavy'" in messages["cases.heavy"]
    assert "Did you mean" in messages["cases.one.settings.error_distribution"] or (
        "Valid: normal, student_t" in messages["cases.one.settings.error_distribution"]
    )
    assert "Did you mean 'hidden_ore'?" in messages["cases.two.priors"]
    assert "changes nothing" in messages["cases.three.label"]
    assert "makes a study that is not sound: priors.csv" in messages["cases.four"]
    named = [fault.message for fault in raised.value.faults if fault.column == "quantities"]
    assert "Did you mean 'made'?" in named[0]
    assert "'share_hidden' is a ratio" in named[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [("base = 3\n", "'3' is not the folder of a study"), ("[cases\n", "cannot be read as TOML"),
     ("", "there is no case; write \\[cases.NAME\\]"), ("base = 'no'\n", "no does not exist")],
)  # fmt: skip
def test_a_file_that_says_nothing_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        read_run_file(run_file(tmp_path, text))


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def file(study: Study, near: xr.DataTree, tmp_path: Path) -> Path:
    written(near.copy(), tmp_path / "fit.nc")
    path = tmp_path / "run.toml"
    path.write_text(
        f"name = 'Linear run'\nbase = '{study.path}'\nnear = 'fit.nc'\n"
        "[cases.up]\npriors = [{ target = 'a', median = 11 }]\n"
    )
    return path


@pytest.mark.usefixtures("in_this_process")
def test_the_command_prints_and_keeps_the_table(
    file: Path, sampler: Sampler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", str(file), "--out", str(tmp_path / "many")]) == 0
    shown = capsys.readouterr()
    assert "Linear run: 2 cases." in shown.out
    assert "total (kt REO)" in shown.out
    assert "2 of 2 cases" in shown.err
    assert list(pd.read_csv(tmp_path / "many" / "cases.csv")["case"]) == ["base", "up"]
    assert len(sampler.runs) == 2
    assert main(["study", str(file), "--out", str(tmp_path / "many"), "--workers", "2"]) == 0
    assert len(sampler.runs) == 2


@pytest.mark.usefixtures("in_this_process")
def test_the_command_ends_with_3_if_a_case_did_not_pass(
    file: Path, sampler: Sampler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sampler.fail = 2
    assert main(["study", str(file), "--out", str(tmp_path / "many")]) == 3
    assert "base: did not pass: R-hat" in capsys.readouterr().err


def test_the_command_ends_with_2_if_the_file_is_wrong(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text() + "[cases.none]\n")
    assert main(["study", str(file), "--out", str(tmp_path / "many")]) == 2
    assert "1 problem in run.toml\n  * cases.none.label:" in capsys.readouterr().err
    assert main(["study", str(tmp_path / "no.toml"), "--out", str(tmp_path / "many")]) == 2
    assert "file is missing" in capsys.readouterr().err
    assert not (tmp_path / "many").exists()
