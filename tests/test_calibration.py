"""Calibration without sampling: data sets, test quantities, ranks, coverage, tasks, the verdict."""

import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import psutil
import pytest
from rich.console import Console
from scipy.stats import binom

from reebayes.cli.main import main
from reebayes.errors import FitError, ReebayesError, ResultError
from reebayes.experiments import calibration, engine
from reebayes.experiments.calibration import KINDS, WELL_SPECIFIED, calibrate, calibrating, running
from reebayes.experiments.calibration.assessing import (
    coverage_table,
    covered,
    envelope,
    is_inside,
    most_outside,
    stay_inside,
    uniform_ranks,
    uniformity,
)
from reebayes.experiments.calibration.datasets import (
    DRIFT,
    JUMP,
    KEPT,
    DataSet,
    Seeds,
    simulate_data_set,
)
from reebayes.experiments.calibration.drawing import draw_coverage, draw_ranks
from reebayes.experiments.calibration.estimands import (
    SUM,
    YEARLY,
    Estimand,
    estimands_of_draws,
    estimands_of_truth,
    list_estimands,
    ranks,
    stacked,
)
from reebayes.experiments.calibration.refitting import SamplerSettings, Task, refit
from reebayes.experiments.calibration.verdict import Ranks, coverage_sentences, rank_sentences
from reebayes.experiments.cases import Outcome, read_outcome
from reebayes.experiments.progress import Meter
from reebayes.experiments.workers import ThisProcess
from reebayes.model.kernels import innovations, observe, persistences, states
from reebayes.model.layout import lay_out
from reebayes.model.observations import log_noises
from reebayes.simulation.records import record_log_likelihood
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Study, read_study
from tests.tiny import write_tables

NUMBERS = range(4)


@pytest.fixture(scope="module")
def bundled() -> Study:
    return read_study()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_tables(tmp_path_factory.mktemp("calibration") / "tiny"))


# --- data sets ------------------------------------------------------------------------------------


def simulated(study: Study, kind: str, number: int) -> DataSet:
    return simulate_data_set(study, kind, Seeds.of(5, number))


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_world_is_the_same_world_but_for_the_break(bundled: Study, kind: str) -> None:
    usual, broken = simulated(bundled, WELL_SPECIFIED, 1), simulated(bundled, kind, 1)
    same = bool((usual.world.flows == broken.world.flows).all())
    assert same == (kind not in ("zero_smuggling", "structural_break"))
    again = simulated(bundled, kind, 1)
    assert list(again.study.records) == list(broken.study.records)
    assert list(simulated(bundled, kind, 2).study.records) != list(broken.study.records)


def scores(made: DataSet) -> np.ndarray:
    """Distances of printed values from what was true, in stated errors."""
    world = made.world
    terms = record_log_likelihood(made.study, world.flows, world.bias, world.noise, world.shared)
    factor = np.sqrt(0.25 + 0.75 * world.noise.to_series() ** 2)
    return np.array([
        math.sqrt(max(0.0, -2 * (float(term) + math.log(record.sd * factor[record.reporter]))
                      - math.log(2 * math.pi)))
        for record, term in zip(made.study.records, terms.values, strict=True)
        if record.kind == "value" and record.other is None
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [(WELL_SPECIFIED, 0.0, 0.008), ("heavy_tails", 0.10, 0.17), ("half_noise", 0.0, 0.008)],
)
def test_errors_are_as_heavy_as_they_should_be(
    bundled: Study, kind: str, least: float, most: float
) -> None:
    """Beyond three standard errors lie 0.3 % of normal errors and 13.4 % of those of Student."""
    normal = bundled.variant("normal_errors")
    found = np.concatenate([scores(simulated(normal, kind, n)) for n in NUMBERS])
    assert least <= np.mean(found > 3) <= most


def test_half_the_noise_is_stated(bundled: Study) -> None:
    usual, broken = simulated(bundled, WELL_SPECIFIED, 0), simulated(bundled, "half_noise", 0)
    usual_variance = 0.25 + 0.75 * usual.world.noise**2
    np.testing.assert_allclose(0.25 + 0.75 * broken.world.noise**2, 4 * usual_variance)
    sds = [record.sd for record in bundled.records]
    assert [record.sd for record in broken.study.records] == sds


def test_one_reporter_drifts(bundled: Study) -> None:
    for number in NUMBERS:
        usual, broken = (
            simulated(bundled, kind, number) for kind in (WELL_SPECIFIED, "drifting_reporter")
        )
        moved = (broken.world.bias - usual.world.bias).transpose("reporter", "year").values
        [row] = np.flatnonzero(np.abs(moved).max(axis=1) > 0)
        assert abs(moved[row, -1]) == pytest.approx(DRIFT)
        np.testing.assert_allclose(moved[row], np.linspace(0, moved[row, -1], moved.shape[1]),
                                   atol=1e-12)  # fmt: skip


def test_two_reporters_share_an_error(bundled: Study) -> None:
    usual, broken = simulated(bundled, WELL_SPECIFIED, 0), simulated(bundled, "shared_error", 0)
    moved = (broken.world.bias - usual.world.bias).transpose("reporter", "year").values
    one, other = moved[np.abs(moved).max(axis=1) > 0]
    np.testing.assert_allclose(one, other, atol=1e-12)
    assert 0.1 < one.std() < 0.35


def test_one_inflow_jumps_and_stays(bundled: Study) -> None:
    for number in NUMBERS:
        usual, broken = (
            simulated(bundled, kind, number) for kind in (WELL_SPECIFIED, "structural_break")
        )
        change = {
            target: (values - usual.world.unknowns[target]).dropna("year").values
            for target, values in broken.world.unknowns.items()
        }
        [jump] = [values for values in change.values() if np.abs(values).max() > 1e-9]
        assert abs(jump[-1]) == pytest.approx(math.log(JUMP))
        assert jump[0] == pytest.approx(0.0, abs=1e-12)
        assert np.count_nonzero(np.abs(np.diff(jump)) > 1e-9) == 1


def test_nothing_is_smuggled_and_nobody_says_so(bundled: Study) -> None:
    made = simulated(bundled, "zero_smuggling", 0)
    smuggled = made.world.quantities.sel(quantity="smuggled_CN")
    assert float(smuggled.max()) < 1e-4
    claims = {record.quantity for record in bundled.records} - {
        record.quantity for record in made.study.records
    }
    assert claims
    assert all("smuggled" in name or "unregistered" in name for name in claims)
    assert "exported_CN_registered" not in claims


def test_most_records_are_missing(bundled: Study) -> None:
    made = simulated(bundled, "missing", 0)
    kept = round(KEPT * len(bundled.records))
    # the last part of a table of shares goes when all its others have gone
    parts = len({record.composition for record in bundled.records if record.composition})
    assert kept - parts <= len(made.study.records) <= kept


def test_a_study_that_cannot_break_so_says_it(tiny: Study) -> None:
    with pytest.raises(ReebayesError, match="no unregistered flow across a border"):
        simulated(tiny, "zero_smuggling", 0)
    lonely = tiny.with_records([tiny.records["r_value"]])
    with pytest.raises(ReebayesError, match="1 reporter; 2 are needed"):
        simulated(lonely, "shared_error", 0)
    still = tiny.with_prior("ore", step=None)
    with pytest.raises(ReebayesError, match="no inflow that moves"):
        simulated(still, "structural_break", 0)


# --- test quantities ------------------------------------------------------------------------------


def test_estimands_are_named_once_and_none_is_of_a_ratio_summed(bundled: Study) -> None:
    estimands = list_estimands(bundled)
    assert len(set(estimands)) == len(estimands)
    sums = {one.name for one in estimands if one.family == SUM}
    assert "mined_CN_unregistered" in sums
    assert "share_unregistered" not in sums
    assert str(Estimand(YEARLY, "share_unregistered", 2004)) in map(str, estimands)


def test_estimands_of_a_truth_are_those_of_a_draw_at_it(bundled: Study) -> None:
    """Two ways to the same numbers: the independent simulation, and the kernels at its latents."""
    world = simulate_world(bundled, seed=2)
    layout = lay_out(bundled)
    latents = latents_of(world, layout)
    level, flow, location, scale = observe(
        states(latents, layout.equations.steps), latents, layout.equations
    )  # fmt: skip
    bias, shared = layout.rows("bias", layout.reporters), layout.rows("shared", layout.shared)
    step = latents[layout.unknowns.steps_start :]
    steps = layout.equations.steps
    noise = np.exp(log_noises(layout.equations.errors, latents))
    parts = {
        "flows": flow.T, "bias": level[bias].T, "shared_error": level[shared].mean(axis=1),
        "noise": noise[-1] * noise[:-1], "noise_of_all": noise[-1],
        "step_scale": np.exp(steps.step_mean + steps.step_sd * step),
        "location": location, "scale": scale, "latents": latents,
    }  # fmt: skip
    draws = {name: values[None, None] for name, values in parts.items()}
    estimands = list_estimands(bundled)
    drawn = stacked(estimands, estimands_of_draws(draws, layout))[0, 0]
    truth = stacked(estimands, estimands_of_truth(world, bundled, layout))
    np.testing.assert_allclose(drawn, truth, rtol=1e-9, atol=1e-12)


def latents_of(world: Any, layout: Any) -> np.ndarray:
    """Latent vector of a world: its unknowns taken back through their priors."""
    unknowns, equations = layout.unknowns, layout.equations
    centres, errors, steps = equations.centres, equations.errors, equations.steps
    given = np.stack([
        world.unknowns[name].values if name in world.unknowns else centres.mean[n]
        for n, name in enumerate(unknowns.columns)
    ])  # fmt: skip
    route = np.where(centres.on_route[:, None] > 0, given[centres.route], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        state = (given - route - centres.mean) / centres.sd
    state = np.where(np.isfinite(state), state, 0.0)
    latents = np.zeros(unknowns.size)
    own = (world.noise / world.noise_of_all).sel(reporter=list(layout.reporters)).values
    noise = np.log(np.append(own, world.noise_of_all.values)) - errors.noise_mean
    spread = errors.noise_sd.copy()
    spread[:-1] *= np.exp(world.unknowns["noise:spread"].values[0])
    known = spread == 0.0
    np.testing.assert_allclose(noise[known], 0.0, atol=1e-12)
    latents[unknowns.noise] = np.where(known, 0.0, noise / np.where(known, 1.0, spread))
    for name, (centre, sd) in (("noise:spread", errors.stretch), ("errors:freedom", errors.tail)):
        latents[layout.latents.index(name)] = (world.unknowns[name].values[0] - centre) / sd
    latents[unknowns.steps_start :] = (
        np.log(world.step_scale.values) - steps.step_mean
    ) / steps.step_sd
    table = persistences(latents, steps)
    moving = np.ascontiguousarray(state[: unknowns.varying].T)
    latents[: unknowns.states] = innovations(moving, steps.which, table).ravel()
    constants = state[unknowns.varying : unknowns.varying + unknowns.constant, 0]
    latents[unknowns.states : unknowns.scales_start] = constants
    return latents


def test_ranks_count_the_kept_draws_below() -> None:
    draws = np.arange(20.0).reshape(2, 10, 1) * np.array([1.0, 0.0, 1.0, np.nan])
    found = ranks(np.array([10.5, 0.0, np.nan, 1.0]), draws, 20)
    assert found.tolist() == [11, -1, -1, -1]
    assert ranks(np.array([-1.0, 0, 0, 0]), draws, 5)[0] == 0
    assert ranks(np.array([99.0, 0, 0, 0]), draws, 5)[0] == 5
    # five of the twenty: 0, 5, 10, 14, 19
    assert ranks(np.array([5.1, 0, 0, 0]), draws, 5)[0] == 2


# --- even ranks -----------------------------------------------------------------------------------


def test_places_are_even_and_keep_the_order_of_ranks() -> None:
    counts = np.repeat(np.arange(10), 100)
    found = uniform_ranks(counts, 9, seed=1)
    assert is_inside(found, 0.999)
    assert np.array_equal(np.floor(found * 10), counts)
    assert np.isnan(uniform_ranks(np.array([-1, 3]), 9, seed=1)).tolist() == [True, False]


def test_chance_to_stay_inside_is_exact() -> None:
    # two numbers, one point at 1/2: counts 0, 1, 2 with chances 1/4, 1/2, 1/4
    assert stay_inside(np.array([0]), np.array([2]), 2) == pytest.approx(1.0)
    assert stay_inside(np.array([1]), np.array([1]), 2) == pytest.approx(0.5)
    assert stay_inside(np.array([1]), np.array([2]), 2) == pytest.approx(0.75)
    # three numbers, one in each third: 3!/27
    assert stay_inside(np.array([1, 2]), np.array([1, 2]), 3) == pytest.approx(6 / 27)


@pytest.mark.parametrize(("size", "prob"), [(20, 0.9), (100, 0.95), (300, 0.99)])
def test_even_numbers_leave_their_envelope_as_rarely_as_said(size: int, prob: float) -> None:
    points, lower, upper = envelope(size, prob)
    trials = 6000
    rng = np.random.default_rng(size)
    counts = np.array([
        np.searchsorted(np.sort(rng.uniform(size=size)), points, side="right")
        for _ in range(trials)
    ]) / size  # fmt: skip
    inside = np.mean(((counts >= lower - 1e-9) & (counts <= upper + 1e-9)).all(axis=1))
    assert inside >= prob - 4 * math.sqrt(prob * (1 - prob) / trials)
    assert inside <= prob + 0.4 * (1 - prob) + 4 * math.sqrt(prob * (1 - prob) / trials)


BIASED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "too high": lambda u: u**1.5,
    "too narrow": lambda u: np.clip(0.5 + 1.5 * (u - 0.5), 1e-3, 1 - 1e-3),
    "too wide": lambda u: 0.5 + 0.6 * (u - 0.5),
}


@pytest.mark.parametrize("fault", BIASED)
def test_a_biased_posterior_among_fifty_is_found(fault: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.uniform(size=(500, 50))
    estimands = [Estimand("flow", f"f{n}") for n in range(50)]
    assert uniformity(estimands, values, [])["inside"].all()
    values[:, 17] = BIASED[fault](values[:, 17])
    table = uniformity(estimands, values, [])
    assert list(table.loc[~table["inside"], "figure"]) == ["f17"]


def test_of_yearly_estimands_the_headline_is_tested_and_few_data_sets_are_not() -> None:
    estimands = [Estimand(YEARLY, "a", 2000), Estimand(YEARLY, "b", 2000), Estimand("flow", "rare")]
    values = np.random.default_rng(1).uniform(size=(40, 3))
    values[10:, 2] = np.nan
    assert list(uniformity(estimands, values, ["a"])["figure"]) == ["a[2000]"]
    assert uniformity(estimands, values[:5], ["a"]).empty


def test_each_figure_has_an_envelope_of_its_own() -> None:
    """One that 99 in 100 stay in, which is narrower than that of fifty together."""
    estimands = [Estimand("flow", f"f{n}") for n in range(50)]
    values = (np.arange(200)[:, None] + 0.5) / 200 * np.ones(50)
    shifts = np.linspace(0.01, 0.6, 50)
    table = uniformity(estimands, values ** (1 + shifts), [])
    assert table["inside_own"].iloc[0]
    assert not table["inside"].iloc[-1]
    between = table["inside"] & ~table["inside_own"]
    assert between.any()
    assert not (~table["inside"] & table["inside_own"]).any()


def test_chance_outside_is_that_of_figures_that_hang_together() -> None:
    """Apart, it is the binomial's; of copies, either all leave or none; of some, between."""
    rng = np.random.default_rng(4)
    estimands = [Estimand("flow", f"f{n}") for n in range(300)]
    apart = rng.uniform(size=(100, 300))
    assert abs(most_outside(estimands, apart, []) - binom.ppf(0.95, 300, 0.01)) <= 1
    blocks = rng.uniform(size=(100, 10)).repeat(30, axis=1)
    assert most_outside(estimands, blocks, []) == 30
    copied = rng.uniform(size=(100, 1)).repeat(300, axis=1)
    assert most_outside(estimands, copied, []) == 0
    apart[::7, 3] = np.nan
    assert most_outside(estimands, apart, []) <= 8


# --- coverage -------------------------------------------------------------------------------------


def test_bands_hold_even_places_as_often_as_they_say() -> None:
    values = (np.arange(1000)[:, None] + 0.5) / 1000
    for level in (0.5, 0.8, 0.9, 0.95):
        worlds, part, lower, upper = covered(values, level)
        assert worlds == 1000
        assert part == pytest.approx(level)
        # the exact binomial interval, by and large
        half = 1.96 * math.sqrt(level * (1 - level) / 1000)
        assert (lower, upper) == pytest.approx((level - half, level + half), abs=3e-3)


def test_years_that_copy_one_another_are_no_more_evidence() -> None:
    rng = np.random.default_rng(8)
    alone = rng.uniform(size=(200, 1))
    copied, apart = alone.repeat(20, axis=1), rng.uniform(size=(200, 20))
    widths = [np.ptp(covered(values, 0.9)[2:]) for values in (alone, copied, apart)]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)
    assert widths[2] == pytest.approx(widths[0] / math.sqrt(20), rel=0.25)


@pytest.mark.parametrize(("value", "part"), [(0.5, 1.0), (0.001, 0.0)])
def test_an_interval_holds_its_own_part_at_either_end(value: float, part: float) -> None:
    _, found, lower, upper = covered(np.full((10, 3), value), 0.9)
    assert found == part
    assert 0 <= lower <= part <= upper <= 1
    assert upper - lower > 0.1


def test_coverage_is_counted_by_quantity_and_over_all() -> None:
    estimands = [
        Estimand(YEARLY, "a", 2000), Estimand(YEARLY, "a", 2001), Estimand(YEARLY, "b", 2000),
        Estimand(SUM, "a"), Estimand(YEARLY, "never", 2000),
    ]  # fmt: skip
    values = np.array([[0.5, 0.001, 0.5, 0.5, np.nan], [0.5, 0.5, np.nan, 0.999, np.nan]])
    table = coverage_table(estimands, values).set_index(["quantity", "what", "band"])["covered"]
    assert table[("all", "years", 0.9)] == pytest.approx(4 / 5)
    assert table[("a", "years", 0.9)] == pytest.approx(3 / 4)
    assert table[("b", "years", 0.9)] == 1.0
    assert table[("all", "sum", 0.9)] == 0.5
    assert "never" not in table.index.get_level_values(0)


# --- tasks and files ------------------------------------------------------------------------------


class Here(ThisProcess):
    """Works in this process, and notes what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def outcome(self, done: Any) -> Outcome:
        self.done.append(done.name)
        return super().outcome(done)


def made_up(
    task: Task, *, passed: bool = True, shift: float = 0.0, cores: int | None = None
) -> dict[str, Any]:
    """An outcome as of a calibrated refit, or of one whose posteriors are shifted."""
    rng = np.random.default_rng([task.number, *map(ord, task.kind)])
    count = len(list_estimands(task.study))
    found = (rng.uniform(size=count) ** (1 + shift) * (task.settings.kept + 1)).astype(np.int16)
    return {"ranks": found, "rhat": 1.0, "ess": 90.0, "divergences": 0, "gradients": 15.0,
            "attempts": 1, "passed": passed}  # fmt: skip


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """Made-up refits in this process, and blank pictures, which take less time."""
    executor = Here()
    for name in ("draw_ranks", "draw_coverage"):
        monkeypatch.setattr(calibrating, name, lambda *_, **__: plt.figure(figsize=(1, 1)))

    @contextmanager
    def use(workers: int, scheduler: str | None, most: int) -> Any:
        yield executor

    monkeypatch.setattr(engine, "workers_at", use)
    monkeypatch.setattr(running, "refit", made_up)
    return executor


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_finished_tasks_are_never_done_again(tiny: Study, here: Here, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = calibrate(tiny, sims=3, out=out, progress=False)
    assert here.done == [f"well_specified/0000{n}" for n in range(3)]
    times = {name: (out / name).stat().st_mtime_ns for name in files(out) if "tasks" in name}
    more = calibrate(tiny, sims=5, worlds=["well_specified", "missing"], out=out, progress=False)
    assert here.done[3:] == [
        *(f"missing/0000{n}" for n in range(3)),
        *(f"{kind}/0000{n}" for n in (3, 4) for kind in ("well_specified", "missing")),
    ]
    assert all((out / name).stat().st_mtime_ns == time for name, time in times.items())
    assert (len(first.refits), len(more.refits)) == (3, 10)
    # a shorter call counts what is there
    again = calibrate(tiny, sims=1, out=out, progress=False)
    assert len(here.done) == 10
    pd.testing.assert_frame_equal(again.coverage, more.coverage)
    assert files(out)[:3] == ["coverage.csv", "coverage.png", "ranks.csv"]
    assert {"ranks.png", "refits.csv", "run.json", "verdict.txt"} <= set(files(out))


def test_a_folder_of_another_run_is_refused(tiny: Study, here: Here, tmp_path: Path) -> None:
    calibrate(tiny, sims=1, out=tmp_path, progress=False)
    for message, study, options in (
        ("its seed differ", tiny, {"seed": 1}),
        ("its effort differ", tiny, {"settings": SamplerSettings(draws=7)}),
        ("its study_hash differ", tiny.with_prior("ore", median=30.0), {}),
    ):
        with pytest.raises(ResultError, match=message):
            calibrate(study, sims=1, out=tmp_path, progress=False, **options)  # type: ignore[arg-type]
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ResultError, match=r"run\.json: damaged"):
        calibrate(tiny, sims=1, out=tmp_path, progress=False)


def test_a_damaged_file_is_named(tiny: Study, here: Here, tmp_path: Path) -> None:
    calibrate(tiny, sims=2, out=tmp_path, progress=False)
    path = tmp_path / "tasks" / "well_specified" / "00001.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ResultError, match=r"00001\.npz: damaged.*Delete it and run again"):
        calibrate(tiny, sims=2, out=tmp_path, progress=False)


def test_a_refit_that_fails_loses_no_other(
    tiny: Study, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(task: Task, *, cores: int | None) -> dict[str, Any]:
        if task.number == 1:
            raise FitError("no curvature")
        return made_up(task)

    monkeypatch.setattr(running, "refit", some)
    with pytest.raises(FitError, match=r"1 of 3 refits failed, first well_specified/00001: no cur"):
        calibrate(tiny, sims=3, out=tmp_path, progress=False)
    monkeypatch.setattr(running, "refit", made_up)
    calibrate(tiny, sims=3, out=tmp_path, progress=False)
    assert here.done[3:] == ["well_specified/00001"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"worlds": ["well_specified", "flat"]},
            "Unknown kind of data sets: flat. Known: well_specified, ",
        ),
        ({"worlds": []}, "Unknown kind of data sets: none"),
        ({"worlds": ["missing", "missing"]}, "Give each kind once"),
        ({"sims": 0}, "sims of at least 1"),
        ({"worlds": ["zero_smuggling"]}, "Tiny has no unregistered flow across a border"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_runs(
    tiny: Study, here: Here, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ReebayesError, match=message):
        calibrate(tiny, out=tmp_path / "run", progress=False, **options)
    assert not here.done
    assert not (tmp_path / "run").exists()


def test_progress_is_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.setenv(name, "1")
    with Meter("refits", 4, 1, show=True) as meter:
        for _ in range(3):
            meter.tick()
    shown = capsys.readouterr().err
    lines = shown.splitlines()
    assert [line.partition(", about ")[0] for line in lines] == [
        f"{done} of 4 refits" for done in (2, 3, 4)
    ]
    assert lines[-1].endswith(", about 0 min left")
    assert shown.replace("\n", "").isprintable()


def on_a_terminal(ticks: int, *, show: bool = True, stop: bool = False) -> str:
    """Return what a terminal is sent while so many of four fits end."""
    terminal = Console(file=io.StringIO(), force_terminal=True, force_interactive=True, width=100)
    try:
        with Meter("refits", 4, 1, show=show, console=terminal) as meter:
            for _ in range(ticks):
                meter.tick()
            if stop:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert stop
    return terminal.file.getvalue()  # type: ignore[attr-defined]


def test_progress_on_a_terminal_is_a_bar_that_ends_full() -> None:
    shown = on_a_terminal(3)
    first, *_, last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).split("\r")
    assert re.match(r"refits \S+ +1/4 +25% in 0:00:00 left", first)
    assert re.match(r"refits \S+ +4/4 +100% in 0:00:00 left 0:00:00\n$", last)
    assert "about" not in shown


def test_progress_gives_the_cursor_back_to_who_interrupts() -> None:
    shown = on_a_terminal(1, stop=True)
    assert shown.endswith("\n\x1b[?25h")
    assert "2/4" in shown
    assert "4/4" not in shown


def test_progress_that_nobody_asked_for_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_a_terminal(3, show=False) == ""
    with Meter("refits", 1, 0, show=False) as meter:
        meter.tick()
    assert capsys.readouterr().err == ""


# --- pictures -------------------------------------------------------------------------------------


def test_pictures_show_every_family_and_every_world(tiny: Study) -> None:
    estimands = list_estimands(tiny)
    values = np.random.default_rng(2).uniform(size=(60, len(estimands)))
    values[:, estimands.index(Estimand("flow", "ore"))] **= 4
    canvas = draw_ranks(estimands, values, ["mined"], tested=40)
    colours = {line.get_color() for ax in canvas.axes for line in ax.lines}
    assert "#b5460f" in colours  # the flow that leaves its envelope
    titles = [ax.get_title() for ax in canvas.axes]
    assert titles[4] == f"Flows, summed over years ({len(tiny.flows)})"
    assert titles[5] == f"Headline quantities by year ({len(tiny.years)})"
    few = draw_ranks(estimands, values[:5], ["mined"], tested=40)
    assert few.axes[0].texts[0].get_text() == "too few data sets"
    table = coverage_table(estimands, values)
    both = pd.concat([table.assign(world=kind) for kind in (WELL_SPECIFIED, "half_noise")])
    coverage = draw_coverage(both)
    labels = [label.get_text() for label in coverage.axes[0].get_yticklabels()]
    assert labels == ["well specified", "half noise"]
    for picture in (canvas, few, coverage):
        plt.close(picture)


# --- verdict --------------------------------------------------------------------------------------


def verdict_of(
    monkeypatch: pytest.MonkeyPatch, tiny: Study, out: Path, **options: Any
) -> calibration.Calibration:
    monkeypatch.setattr(running, "refit", partial(made_up, **options))
    return calibrate(
        tiny, sims=200, worlds=["well_specified", "half_noise"], out=out, progress=False
    )


def test_a_calibrated_study_passes(
    tiny: Study, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = verdict_of(monkeypatch, tiny, tmp_path)
    assert result.passed
    assert "uniform ranks of" in result.verdict
    assert "FAILED" not in result.verdict
    assert result.verdict.startswith(f"Study {tiny.name} ({tiny.hash}).\n")
    assert "leave their own 99% envelope; by chance" in result.verdict
    assert "90% bands of each quantity cover 86% to 94%, by year and of sums: passed" in (
        result.verdict
    )
    assert "half_noise: 90% bands of each quantity cover at least 80%, by year and of sums: p" in (
        result.verdict
    )
    assert list(result.uniformity.columns[:3]) == ["world", "family", "figure"]
    assert (tmp_path / "verdict.txt").read_text() == f"{result.verdict}\n"
    pooled = result.coverage.query("quantity == 'all' and band == 0.9")
    assert list(pooled["world"]) == [WELL_SPECIFIED] * 2 + ["half_noise"] * 2
    assert ((pooled["lower"] < 0.905) & (pooled["upper"] > 0.895)).all()
    saved = pd.read_csv(tmp_path / "coverage.csv")
    np.testing.assert_allclose(saved["covered"], result.coverage["covered"], rtol=1e-3)
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert list(summary.columns[4:]) == ["50%", "80%", "90%", "95%"]
    assert set(summary["quantity"]) == {"all", "mined", "mined_registered", "mined_hidden"}
    assert summary["90%"].str.fullmatch(r"[\d.]+% \([\d.]+% to [\d.]+%\)").all()


def test_biased_posteriors_fail_and_weak_kinds_are_named(
    tiny: Study, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = verdict_of(monkeypatch, tiny, tmp_path, shift=2.0)
    assert not result.passed
    assert "FAILED for" in result.verdict
    assert "by year and of sums: FAILED by year all together" in result.verdict
    assert result.verdict.count("by year and of sums: FAILED") == 2


def coverage_of(kind: str, **shares: float) -> pd.DataFrame:
    """Coverage of 90 % bands of sums, by quantity; by year it is 90 %."""
    rows = [
        (kind, name, what, 0.9, 100, share if what == "sum" else 0.9, 0.5, 0.99)
        for what in ("years", "sum")
        for name, share in {"all": 0.9, **shares}.items()
    ]
    names = ["world", "quantity", "what", "band", "worlds", "covered", "lower", "upper"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize(
    ("kind", "named", "spared"),
    [
        (WELL_SPECIFIED, ("low", "weak", "high"), ("edge", "good")),
        ("posterior", ("low", "weak", "high"), ("edge", "good")),
        ("half_noise", ("low",), ("weak", "high", "edge", "good")),
        ("posterior_alone", ("low",), ("weak", "high", "edge", "good")),
    ],
)
def test_each_exception_of_coverage_is_named(
    kind: str, named: tuple[str, ...], spared: tuple[str, ...]
) -> None:
    shares = {"low": 0.78, "weak": 0.85, "edge": 0.86, "good": 0.93, "high": 0.95}
    _, line = coverage_sentences(coverage_of(kind, **shares))
    _, _, told = line.partition("FAILED of sums ")
    assert all(f"{name} {shares[name]:.1%} (50.0% to 99.0%)" in told for name in named)
    assert not any(name in told for name in spared)
    _, line = coverage_sentences(coverage_of(kind, good=0.9))
    assert line.endswith(": passed.")


def test_coverage_of_a_few_data_sets_is_not_judged() -> None:
    assert len(list(coverage_sentences(coverage_of("missing", low=0.1).assign(worlds=19)))) == 1


def test_more_outside_than_by_chance_fails() -> None:
    """Though all figures together stay in the joint envelope."""
    own = [False] * 4 + [True] * 96
    table = pd.DataFrame({"figure": "f", "inside": True, "inside_own": own})
    few, many = Ranks(table, limit=4), Ranks(table, limit=3)
    assert (few.passed, many.passed) == (True, False)
    _, line = rank_sentences({WELL_SPECIFIED: many})
    assert "4 of 100 test quantities leave" in line
    assert "by chance 1.0 would, and at most 3" in line
    assert line.endswith(": FAILED.")


def test_refits_that_did_not_mix_are_counted_told_and_fail_the_run(
    tiny: Study, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = verdict_of(monkeypatch, tiny, tmp_path, passed=False)
    assert not result.passed
    assert "\n400 refits, of which 400 did not mix: more than 5%" in result.verdict
    assert len(result.refits) == 400
    assert (result.coverage["worlds"] == 200).all()


def test_the_command_says_all_this(
    tiny: Study, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    command = ["calibrate", "--data", str(tiny.path), "--sims", "30", "--out", str(out)]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "uniform ranks of" in shown.out
    assert f"{out}: tables and figures written." in shown.out
    assert shown.err.endswith("30 of 30 refits, about 0 min left\n")
    monkeypatch.setattr(running, "refit", lambda task: made_up(task, shift=3.0))
    assert main([*command[:-1], str(tmp_path / "bad")]) == 3
    assert main([*command, "--world", "all"]) == 2
    assert "no unregistered flow across a border" in capsys.readouterr().err
    assert json.loads((out / "run.json").read_text())["seed"] == 0


def test_seeds_are_the_same_in_every_kind_of_world(tiny: Study) -> None:
    task = Task(tiny, WELL_SPECIFIED, 3, 7, SamplerSettings())
    assert Seeds.of(task.seed, task.number) == Seeds.of(7, 3)
    assert len({Seeds.of(seed, n) for seed in range(3) for n in range(3)}) == 9
    assert replace(task, kind="missing").name == "missing/00003"
    assert calibrating.FAILING == 0.05


# --- real runs ------------------------------------------------------------------------------------


COMMAND = "from reebayes.cli.main import main; raise SystemExit(main())"


@pytest.mark.slow_ci
def test_a_killed_run_leaves_whole_files_and_goes_on(tiny: Study, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", COMMAND, "calibrate", "--data", str(tiny.path),
               "--sims", "1000", "--out", str(out), "--workers", "1"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    done = out / "tasks" / WELL_SPECIFIED
    _wait_for(lambda: len(list(done.glob("*.npz"))) >= 2)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.kill()
    process.wait()
    psutil.wait_procs(workers, timeout=30)
    assert not [worker for worker in workers if worker.is_running()]
    kept = {path: path.stat().st_mtime_ns for path in done.glob("[0-9]*.npz")}
    assert all("ranks" in read_outcome(path).arrays for path in kept)
    result = calibrate(tiny, sims=len(kept) + 1, out=out, workers=1, progress=False)
    assert len(result.refits) == len(kept) + 1
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    # the same task gives the same ranks wherever it runs
    first = read_outcome(done / "00000.npz").arrays
    again = refit(Task(tiny, WELL_SPECIFIED, 0, 0, SamplerSettings()), cores=None)
    assert np.array_equal(first["ranks"], again["ranks"])
    assert first["gradients"] == again["gradients"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Interrupts as in a terminal, even where the tests were started in the background."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


@pytest.mark.slow_ci
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_run_says_how_to_go_on(tiny: Study, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", COMMAND, "calibrate", "--data", str(tiny.path),
               "--sims", "1000", "--out", str(out), "--workers", "1"]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    _wait_for(lambda: (out / "tasks" / WELL_SPECIFIED / "00000.npz").exists())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    try:
        _, shown = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130
    assert "Interrupted; finished refits are kept. Run it again to go on." in shown
    assert "Traceback" not in shown


def _wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds
        time.sleep(0.05)


@pytest.mark.slow_ci
def test_a_refit_that_does_not_mix_is_tried_again_and_marked(tiny: Study) -> None:
    hopeless = SamplerSettings(tune=20, draws=20, kept=9, rhat_max=0.5, attempts=2)
    outcome = refit(Task(tiny, "half_noise", 1, 0, hopeless), cores=1)
    assert (outcome["attempts"], outcome["passed"]) == (2, False)
    assert outcome["ranks"].max() <= 9


@pytest.mark.slow
def test_the_tiny_study_is_calibrated(tiny: Study, tmp_path: Path) -> None:
    result = calibrate(tiny, sims=300, out=tmp_path, progress=False)
    assert result.passed, result.verdict
    pooled = result.coverage.query("quantity == 'all'")
    assert (np.abs(pooled["covered"] - pooled["band"]) < 0.03).all()
