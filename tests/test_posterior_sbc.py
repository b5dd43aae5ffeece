"""Calibration with truths from a fit: data sets, refits, the verdict, the command."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.cli.main import main
from reebayes.errors import ReebayesError, ResultError
from reebayes.experiments.calibration import calibrate, calibrating
from reebayes.experiments.calibration.again import (
    AGAIN,
    ALONE,
    BESIDE,
    known_from,
    printed_again,
    world_at,
)
from reebayes.experiments.calibration.datasets import WELL_SPECIFIED, Seeds
from reebayes.experiments.calibration.estimands import (
    SUM,
    Estimand,
    estimands_of_truth,
    list_estimands,
    stacked,
)
from reebayes.experiments.calibration.refitting import SamplerSettings
from reebayes.experiments.calibration.verdict import places
from reebayes.inference.sampling import fit
from reebayes.model.layout import lay_out
from reebayes.results.reading import contents_of
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Study, read_study
from tests.test_calibration import latents_of
from tests.tiny import LEARNT_FREEDOM, learnt_tables, shared_tables, write_tables

SHORT = SamplerSettings(tune=60, draws=100, attempts=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("again")


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return read_study(write_tables(folder / "study", **shared_tables()))


@pytest.fixture(scope="module")
def fitted(study: Study) -> xr.DataTree:
    return fit(study, seed=1, draws=100, tune=120, chains=2, progress=False)


# --- data sets ------------------------------------------------------------------------------------


def test_a_truth_of_latents_is_the_world_written_apart() -> None:
    """The kernels at the latents of a simulated world give that world again."""
    study = rb.read_study()
    world, layout = simulate_world(study, seed=3), lay_out(study)
    found = world_at(layout, study, latents_of(world, layout))
    for name in ("flows", "quantities", "bias", "noise", "step_scale"):
        one, other = getattr(found, name), getattr(world, name)
        xr.testing.assert_allclose(one, other.transpose(*one.dims), rtol=1e-8)
    assert float(found.noise_of_all) == pytest.approx(float(world.noise_of_all))
    xr.testing.assert_allclose(found.shared, world.shared)
    estimands = list_estimands(study)
    truth, again = (
        stacked(estimands, estimands_of_truth(one, study, layout)) for one in (world, found)
    )
    np.testing.assert_allclose(again, truth, rtol=1e-7)


def test_learnt_errors_are_part_of_a_truth(folder: Path) -> None:
    study = read_study(write_tables(folder / "learnt", **learnt_tables()))
    layout = lay_out(study)
    latent = np.zeros(layout.unknowns.size)
    latent[layout.latents.index("errors:freedom")] = 1.0
    latent[layout.latents.index("noise:spread")] = -1.0
    world = world_at(layout, study, latent)
    assert world.freedom == pytest.approx(4 * np.exp(0.7))
    assert float(world.unknowns["noise:spread"][0]) == pytest.approx(-0.4)
    assert LEARNT_FREEDOM.startswith("errors:freedom,,,lognormal,4,0.7")


def test_records_are_printed_again_beside_those_that_are_there(study: Study) -> None:
    latent = np.zeros(lay_out(study).unknowns.size)
    beside = printed_again(study, BESIDE, latent, Seeds.of(1, 0)).study
    alone = printed_again(study, ALONE, latent, Seeds.of(1, 0)).study
    count = len(study.records)
    assert list(beside.records)[:count] == list(study.records)
    again = list(beside.records)[count:]
    assert [one.value for one in again] == [one.value for one in alone.records]
    assert [one.record for one in alone.records] == [one.record for one in study.records]
    assert len({one.record for one in beside.records}) == 2 * count
    assert lay_out(beside).latents == lay_out(study).latents
    both, one = lay_out(beside).equations, lay_out(study).equations
    np.testing.assert_array_equal(both.errors.reporter[:count], one.errors.reporter)
    np.testing.assert_array_equal(both.errors.record_sd[:count], one.errors.record_sd)


def test_parts_printed_again_are_a_table_of_their_own() -> None:
    study = rb.read_study()
    latent = np.zeros(lay_out(study).unknowns.size)
    beside = printed_again(study, BESIDE, latent, Seeds.of(1, 0)).study
    tables = [record.composition for record in beside.records if record.composition]
    before = [record.composition for record in study.records if record.composition]
    assert len(set(tables)) == 2 * len(set(before)) > 0


def test_truths_are_draws_of_the_fit(study: Study, fitted: xr.DataTree) -> None:
    known = known_from(contents_of(fitted), study, 5)
    latents = contents_of(fitted).latents
    np.testing.assert_array_equal(known.truths[[0, -1]], latents[[0, -1]])
    assert len(known.near) == 64
    with pytest.raises(ResultError, match="has 200 draws"):
        known_from(contents_of(fitted), study, 201)
    with pytest.raises(ResultError, match="not a fit of the study"):
        known_from(contents_of(fitted), study.with_prior("ore", median=21.0), 5)


# --- the run --------------------------------------------------------------------------------------


def test_a_run_ranks_truths_and_says_where_they_lie(
    study: Study, fitted: xr.DataTree, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = {"out": out, "workers": 0, "progress": False, "settings": SHORT}
    found = calibrate(study, sims=2, posterior=fitted, **options)
    assert set(found.refits["world"]) == set(AGAIN)
    assert set(found.coverage["world"]) == set(AGAIN)
    assert "posterior_alone: the true sum of" in found.verdict
    assert "printed again beside those that are there" in found.verdict
    more = calibrate(study, sims=3, posterior=fitted, worlds=[BESIDE], **options)
    assert dict(more.refits["world"].value_counts()) == {BESIDE: 3, ALONE: 2}
    other = fitted.copy()
    other.attrs["digest"] = "another"
    with pytest.raises(ResultError, match="its fit differ"):
        calibrate(study, sims=2, posterior=other, **options)


@pytest.mark.parametrize(
    ("rank", "side"),
    [(0.3, "bands lie too high"), (0.7, "bands lie too low"), (0.5, "as often above as below")],
)
def test_a_truth_of_low_rank_has_bands_too_high(study: Study, rank: float, side: str) -> None:
    estimands = list_estimands(study)
    name = study.headline[0]
    values = np.full((50, len(estimands)), np.nan)
    values[:, estimands.index(Estimand(SUM, name))] = rank
    (line,) = places(study, estimands, ALONE, {ALONE: values})
    assert f"the true sum of {name} has a mean rank of {rank:.2f}" in line
    assert side in line


def test_ranks_beside_the_records_are_tested_whatever_else_there_is(study: Study) -> None:
    """Ranks of both kinds are judged, so that neither hides the other."""
    estimands = list_estimands(study)
    sound = np.random.default_rng(5).uniform(size=(100, len(estimands)))
    refits = pd.DataFrame({"passed": [1, 1]})
    for values, passed in (
        ({WELL_SPECIFIED: sound, BESIDE: sound}, True),
        ({WELL_SPECIFIED: sound, BESIDE: sound**3}, False),
        ({WELL_SPECIFIED: sound**3, BESIDE: sound}, False),
        ({WELL_SPECIFIED: sound, ALONE: sound**3}, True),
    ):
        found = calibrating._assess(study, estimands, values, refits)
        assert found.passed == passed, found.verdict
        judged = [kind for kind in values if kind != ALONE]
        assert list(dict.fromkeys(found.uniformity["world"])) == judged
        assert all(f"{kind}: uniform ranks of" in found.verdict for kind in judged)


def test_truths_need_a_fit_and_a_fit_needs_a_kind(
    study: Study, fitted: xr.DataTree, tmp_path: Path
) -> None:
    with pytest.raises(ReebayesError, match="posterior_alone: give a fit"):
        calibrate(study, sims=2, worlds=[ALONE], out=tmp_path)
    with pytest.raises(ReebayesError, match="A fit is for data sets of kind"):
        calibrate(study, sims=2, worlds=["missing"], posterior=fitted, out=tmp_path)


def test_the_command_takes_the_fit_of_a_file(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["calibrate", "--data", str(study.path), "--out", str(tmp_path / "c"), "--sims", "1"]
    assert main([*call, "--world", "posterior"]) == 2
    assert "give a fit" in capsys.readouterr().err
    assert main([*call, "--posterior", str(tmp_path / "no.nc")]) == 2
    assert "no.nc" in capsys.readouterr().err


@pytest.mark.slow
def test_ranks_beside_the_records_are_uniform(study: Study, tmp_path: Path) -> None:
    posterior = fit(study, seed=1, draws=1000, tune=500, chains=4, progress=False)
    found = calibrate(study, sims=200, posterior=posterior, worlds=[BESIDE], out=tmp_path,
                      progress=False)  # fmt: skip
    assert found.passed, found.verdict
