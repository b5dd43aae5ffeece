"""Many fits: what is finished is not made again, and what is held out counts for nothing."""

import inspect
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes.experiments.refits as warm
import reebayes.experiments.runs as refits
from reebayes.answers.scores import record_scores
from reebayes.errors import FitError, ResultError
from reebayes.experiments.refits import Starts
from reebayes.experiments.runs import (
    RunStore,
    folds_at_random,
    folds_by_reporter,
    future_fold,
    records_of,
    score_held_out,
    variants_of,
)
from reebayes.inference import sampling
from reebayes.inference.sampling import Run
from reebayes.model.kernels import CERTAIN
from reebayes.model.layout import Layout, lay_out
from reebayes.results.fitfile import open_fit, save_fit
from reebayes.results.reading import contents_of
from reebayes.study import Study, read_study
from tests.fakes import fake_fit
from tests.shares import rows, shares_study
from tests.test_variants import study_with

ROOT = Path(__file__).parents[1]
RUN = Run(seed=5, draws=50, tune=10, chains=2, progress=False)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Replace the sampler; count what it is asked to fit."""
    counts: Counter[str] = Counter()

    def fit(study: Study, **given: Any) -> xr.DataTree:
        inspect.signature(sampling.fit).bind(study, **given)  # the stand-in takes what fit takes
        counts[study.name] += 1
        found = fake_fit(chains=2, draws=given["draws"])
        found.attrs |= {"study_hash": study.hash, "study_name": study.name}
        asked = ("seed", "draws", "tune", "chains", "target_accept")
        found.attrs |= {name: given[name] for name in asked}
        return open_fit(save_fit(found, given["out"]))

    monkeypatch.setattr(refits, "fit", fit)
    return counts


def store(folder: Path, run: Run = RUN) -> RunStore:
    """Make a store that says nothing."""
    return RunStore(folder, run, lambda text: None)


def test_every_variant_has_a_file_and_is_fitted_once(tmp_path: Path, made: Counter[str]) -> None:
    variants = variants_of(study_with(tmp_path / "study"), ["heavy", "quiet"])
    fits = store(tmp_path / "out").fit(variants)
    assert list(fits) == ["base", "heavy", "quiet"]
    again = store(tmp_path / "out").fit(variants)
    assert set(made.values()) == {1}
    assert len(made) == len(again) == 3
    assert again["quiet"].attrs["study_name"] == "Tiny: no journalist"


def test_other_settings_or_contents_are_fitted_again(tmp_path: Path, made: Counter[str]) -> None:
    study = study_with(tmp_path / "study")
    out = tmp_path / "out"
    store(out).fit({"base": study})
    for field, value in (("seed", 6), ("draws", 60), ("tune", 20), ("chains", 3)):
        changed = {**{n: getattr(RUN, n) for n in Run.__slots__}, field: value}
        store(out, Run(**changed)).fit({"base": study})
    assert made["Tiny"] == 5
    store(out).fit({"base": study.with_prior("scrap", median=0.2)})
    assert made["Tiny"] == 6


def test_a_damaged_file_is_fitted_again(tmp_path: Path, made: Counter[str]) -> None:
    study = study_with(tmp_path / "study")
    path = store(tmp_path / "out").fit({"base": study}).paths["base"]
    path.write_bytes(path.read_bytes()[:200])
    assert store(tmp_path / "out").fit({"base": study})["base"].attrs["converged"] == "yes"
    assert made["Tiny"] == 2


def test_killed_in_the_middle_it_goes_on_where_it_stopped(
    tmp_path: Path, made: Counter[str]
) -> None:
    """Kill the process, with no chance to tidy up, while it writes the second fit."""
    write = tmp_path / "study"
    study = study_with(write)
    script = f"""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(ROOT)!r})
        import reebayes.experiments.runs as refits
        from reebayes.study import read_study
        from reebayes.inference.sampling import Run
        from reebayes.results.fitfile import open_fit, save_fit
        from tests.fakes import fake_fit

        def fit(study, out, **given):
            found = fake_fit(chains=2, draws=given["draws"])
            found.attrs |= {{"study_hash": study.hash, "study_name": study.name}}
            asked = ("seed", "draws", "tune", "chains", "target_accept")
            found.attrs |= {{n: given[n] for n in asked}}
            if out.stem != "base":
                out.with_name(f".{{out.name}}.1.part").write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            return open_fit(save_fit(found, out))

        refits.fit = fit
        study = read_study({str(write)!r})
        run = Run(seed=5, draws=50, tune=10, chains=2, progress=False)
        shop = refits.RunStore(Path({str(tmp_path / "out")!r}), run, lambda text: None)
        shop.fit(refits.variants_of(study, ["heavy"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert (tmp_path / "out" / "base.nc").is_file()
    assert not (tmp_path / "out" / "heavy.nc").exists()
    fits = store(tmp_path / "out").fit(variants_of(study, ["heavy"]))
    assert made == {"Tiny: heavy tails": 1}
    assert fits["heavy"].attrs["study_name"] == "Tiny: heavy tails"


# --- what is held out ---------------------------------------------------------------------------


class Sampler:
    """Stand-in that draws from the prior and notes the layouts that it was given."""

    def __init__(self, *, converged: bool = True) -> None:
        self.layouts: list[Layout] = []
        self.runs: list[Run] = []
        self.converged = converged

    def draw(
        self, layout: Layout, run: Run, whitening: object
    ) -> tuple[dict[str, np.ndarray], xr.Dataset]:
        self.layouts.append(layout)
        self.runs.append(run)
        rng = np.random.default_rng(run.seed)
        size = (run.chains, run.draws, len(layout.records))
        found = {"location": rng.normal(2.0, 0.3, size), "scale": np.full(size, 0.2),
                 "latents": rng.standard_normal((*size[:2], len(layout.latents)))}  # fmt: skip
        return found, xr.Dataset()

    def diagnose(self, posterior: xr.Dataset, stats: xr.Dataset) -> dict[str, Any]:
        verdict = {"converged": "yes" if self.converged else "no", "verdict": "2 failed."}
        return verdict | {
            "divergences": 1,
            "rhat_max": 1.0,
            "ess_bulk_min": 500,
            "ess_tail_min": 500,
        }


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Sampler:
    stand_in = Sampler()
    monkeypatch.setattr(refits, "find_coordinates", lambda layout, **given: None)
    monkeypatch.setattr(refits, "draw", stand_in.draw)
    monkeypatch.setattr(warm, "draw", stand_in.draw)
    monkeypatch.setattr(refits, "diagnose", stand_in.diagnose)
    monkeypatch.setattr(refits, "draws_dataset", lambda *_: xr.Dataset())
    return stand_in


def test_held_out_records_count_for_nothing_in_the_fit(tiny_study: Path, sampler: Sampler) -> None:
    study = read_study(tiny_study)
    scores = score_held_out(study, ["r_value", "r_range"], RUN).records
    (layout,) = sampler.layouts
    kinds = dict(zip(layout.records, layout.equations.figures.kind, strict=True))
    before = dict(zip(layout.records, lay_out(study).equations.figures.kind, strict=True))
    assert kinds["r_value"] == kinds["r_range"] == CERTAIN
    assert all(kinds[name] == before[name] for name in kinds if name not in scores.index)
    assert list(scores.index) == ["r_value", "r_range"]


def test_parts_that_stay_are_scored_without_the_held_out_parts(
    tmp_path: Path, sampler: Sampler
) -> None:
    """The table of the fit is one of the parts that stay; those held out are scored beside them."""
    study = shares_study(tmp_path, rows())
    scores = score_held_out(study, ["a_2010", "c_2010"], RUN)
    assert list(scores.records.index) == ["a_2010", "c_2010"]
    (layout,) = sampler.layouts
    kinds = dict(zip(layout.records, layout.equations.figures.kind, strict=True))
    assert [name for name in kinds if kinds[name] == CERTAIN] == ["a_2010", "b_2010", "c_2010"]
    against = layout.equations.sums.against
    at = layout.records.index("d_2010")
    beside = against.index[against.start[at] : against.start[at + 1]]
    assert [layout.records[n] for n in beside] == ["b_2010"]


def test_the_score_is_the_log_of_the_mean_density(tiny_study: Path, sampler: Sampler) -> None:
    study = read_study(tiny_study)
    scores = score_held_out(study, ["r_value"], RUN).records
    rng = np.random.default_rng(RUN.seed)
    location = rng.normal(2.0, 0.3, (RUN.chains, RUN.draws, len(study.records)))[..., 0]
    density = np.exp(-0.5 * ((np.log(10.5) - location) / 0.2) ** 2) / (0.2 * np.sqrt(2 * np.pi))
    assert scores.loc["r_value", "elpd"] == pytest.approx(np.log(density.mean()), rel=1e-5)


def test_a_refit_that_fails_at_every_try_has_no_score(tiny_study: Path, sampler: Sampler) -> None:
    sampler.converged = False
    with pytest.raises(FitError, match=r"without 1 records failed 3 times: 2 failed\."):
        score_held_out(read_study(tiny_study), ["r_value"], RUN)
    assert sampler.runs[0] == RUN
    assert len({run.seed for run in sampler.runs}) == 3
    accepts = [run.accept for run in sampler.runs]
    assert sorted(set(accepts)) == accepts


STARTS = Starts((), np.empty((0, 0)))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_refit_near_a_fit_is_short_unless_it_predicts_badly(
    tiny_study: Path, sampler: Sampler, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    """It is asked of the held-out records alone, twice; then it is as long as without a fit."""
    asked: list[list[str]] = []
    near: list[Starts] = []

    def figures(answers: dict[str, Any], stats: object, gate: object) -> dict[str, float]:
        asked.append(list(answers))
        rhat, ess = (1.03, 50) if len(asked) <= bad else (1.01, 400)
        return {"rhat": rhat, "ess": ess, "divergences": 0, "bfmi": 1.0, "saturated": 0.0}

    monkeypatch.setattr(warm, "gate_figures", figures)
    monkeypatch.setattr(warm, "coordinates", lambda layout, starts, *_: near.append(starts))
    found = score_held_out(read_study(tiny_study), ["r_value", "r_range"], RUN, STARTS)
    assert near[0] is STARTS
    assert len(near) == min(bad + 1, 2)
    assert asked == [["r_value", "r_range"]] * min(bad + 1, 2)
    assert [run.draws for run in sampler.runs] == [500] * min(bad + 1, 2) + [RUN.draws] * (bad == 2)
    assert list(found.records.index) == ["r_value", "r_range"]
    for layout in sampler.layouts:
        kinds = dict(zip(layout.records, layout.equations.figures.kind, strict=True))
        assert kinds["r_value"] == kinds["r_range"] == CERTAIN


def test_folds_start_from_the_fit_of_their_variant_if_it_converged(
    tmp_path: Path, sampler: Sampler, made: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    study = study_with(tmp_path / "study")
    variants = variants_of(study, ["quiet"])
    shop = store(tmp_path / "out")
    shop.fit({"base": study})

    def score(study: Study, held: Any, run: Run, starts: Any) -> Any:
        given[study.name] = starts
        return score_held_out(study, held, run)

    monkeypatch.setattr(refits, "score_held_out", score)
    shop.score(variants, {"one": ["r_value"]})
    fit = shop.fit({"base": study})["base"]
    latents = fit["posterior"]["latents"]
    assert given["Tiny: no journalist"] is None
    assert given["Tiny"].names == tuple(latents["latent"].values)
    # a fit of another seed is not the one whose folds these are
    given.clear()
    (tmp_path / "other").mkdir()
    shop.fit({"base": study}).paths["base"].rename(tmp_path / "other" / "base.nc")
    store(tmp_path / "other", replace(RUN, seed=6)).score({"base": study}, {"one": ["r_value"]})
    assert given["Tiny"] is None


def test_by_force_a_failed_fold_is_told_and_left_out(tmp_path: Path, sampler: Sampler) -> None:
    sampler.converged = False
    told: list[str] = []
    shop = RunStore(tmp_path / "out", RUN, told.append)
    variants = variants_of(study_with(tmp_path / "study"), [])
    folds = {"one": ["r_value"], "two": ["r_range"]}
    with pytest.raises(FitError, match="base without one"):
        shop.score(variants, folds)
    found = shop.score(variants, folds, force=True)
    assert [line.partition(":")[0] for line in told] == ["base without one", "base without two"]
    assert found["base"].records.empty
    assert not list((tmp_path / "out" / "held_out").glob("*.npz"))


def test_finished_folds_are_not_fitted_again(tmp_path: Path, sampler: Sampler) -> None:
    study = study_with(tmp_path / "study")
    variants = variants_of(study, ["quiet"])
    folds = folds_by_reporter(study.records)
    first = store(tmp_path / "out").score(variants, folds)
    count = len(sampler.layouts)
    assert count == len(study.reporters) + len(variants["quiet"].reporters)
    second = store(tmp_path / "out").score(variants, folds)
    assert len(sampler.layouts) == count
    for name in variants:
        pd.testing.assert_frame_equal(first[name].records, second[name].records)
        np.testing.assert_allclose(first[name].replicas, second[name].replicas)
        assert first[name].replicas.shape[1] == len(first[name].records)
    lost = next((tmp_path / "out" / "held_out").glob("quiet-*.npz"))
    lost.unlink()
    store(tmp_path / "out").score(variants, folds)
    assert len(sampler.layouts) == count + 1
    assert "r_share" not in first["quiet"].records.index


def test_folds_by_reporter_hold_every_record_once(tiny_study: Path) -> None:
    study = read_study(tiny_study)
    folds = folds_by_reporter(study.records)
    assert sorted(chain.from_iterable(folds.values())) == sorted(study.records.names)
    assert folds["what ministry reports"] == ["r_quota"]


def test_folds_at_random_are_even_and_repeatable() -> None:
    records = [f"r{n}" for n in range(11)]
    folds = folds_at_random(records, 3, seed=1)
    assert sorted(map(len, folds.values())) == [3, 4, 4]
    assert sorted(chain.from_iterable(folds.values())) == sorted(records)
    assert folds == folds_at_random(records, 3, seed=1)
    assert len(folds_at_random(records[:2], 5, seed=1)) == 2


def test_records_of_variants_alone_move_no_fold_of_others() -> None:
    records = [f"r{n}" for n in range(11)]
    few = folds_at_random(records, 3, seed=1, others=["more"])
    many = folds_at_random(records, 3, seed=1, others=["less", "more"])
    for name, held in few.items():
        assert [record for record in many[name] if record != "less"] == held
    assert sorted(chain.from_iterable(many.values())) == sorted([*records, "less", "more"])


def test_folds_are_of_all_records_that_some_variant_has(tmp_path: Path) -> None:
    study = study_with(tmp_path / "study")
    more = study.with_record(
        "r_new", quantity="made", year=2014, reporter="survey", source="yearbook", sd=0.1, value=6.0
    )
    found = records_of([study.variant("quiet"), study, more])
    assert set(found) == {*study.records.names, "r_new"}
    assert list(found)[: len(study.variant("quiet").records)] == list(
        study.variant("quiet").records.names
    )
    assert "r_new" in future_fold(list(found.values()), 2013)["years after 2013"]


def test_the_future_is_what_tells_of_later_years(tiny_study: Path) -> None:
    study = read_study(tiny_study)
    (held,) = future_fold(list(study.records), 2012).values()
    assert held == ["r_upper", "r_lower", "r_range", "r_mean", "r_share"]
    with pytest.raises(ResultError, match="choose a year in 2010-2014"):
        future_fold(list(study.records), 2015)


def test_progress_is_told(tmp_path: Path, made: Counter[str]) -> None:
    told: list[str] = []
    shop = RunStore(tmp_path, RUN, told.append)
    variants = {"base": study_with(tmp_path / "study")}
    shop.fit(variants)
    shop.fit(variants)
    assert told == [
        f"{tmp_path / 'base.nc'}: Converged.",
        f"{tmp_path / 'base.nc'}: finished before.",
    ]


@pytest.mark.slow_ci
def test_a_refit_agrees_with_importance_sampling_where_that_is_trusted(tiny_study: Path) -> None:
    """Leave a record out in earnest, and by reweighting the draws that saw it."""
    study = read_study(tiny_study)
    near = sampling.fit(study, seed=1, draws=1000, progress=False)
    scores = record_scores(near)
    trusted = scores[scores["trusted"] & (scores["elpd"] < -0.1)]
    held = trusted["pareto_k"].idxmin()
    run = Run(seed=2, draws=1000, tune=250, chains=4, progress=False)
    for starts in (None, Starts.of(contents_of(near))):
        exact = score_held_out(study, [held], run, starts).records
        assert exact["elpd"].item() == pytest.approx(trusted.loc[held, "elpd"], abs=0.1)
