"""World mining bounded by a record of its sum, in place of margins narrowed to meet it."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from reebayes.simulation.worlds import World, simulate_world
from reebayes.study import Study, read_study

WORLDS = 12
PRIORS: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "priors.py"))


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study()


@pytest.fixture(scope="module")
def worlds(study: Study) -> list[World]:
    return [simulate_world(study, seed=seed) for seed in range(WORLDS)]


def mined(worlds: list[World]) -> xr.DataArray:
    return xr.concat([world.quantities.sel(quantity="mined_world") for world in worlds], "draw")


def judged(study: Study) -> list[str]:
    return [r.record for r in study.records if r.source == "judgement-world-mining"]


def test_margins_are_as_wide_as_they_were_judged(study: Study) -> None:
    assert study.priors.rows("concentrate_CN_registered")[0].sd == 0.6
    assert {row.sd for row in study.priors.rows("concentrate_RW_unregistered")} == {1.2}
    assert len(judged(study)) == len(study.years)


def test_the_bound_is_a_normal_tail_of_the_sum(study: Study, worlds: list[World]) -> None:
    for world in worlds[:3]:
        found = PRIORS["log_probability"](study, world, judged(study))
        assert found == pytest.approx(closed_form(world), rel=1e-6)


def closed_form(world: World) -> float:
    """Log of the probability that the bound holds in all years of a world."""
    factor = np.sqrt(0.25 + 0.75 * float(world.noise_of_all) ** 2)
    z = (np.log(700.0) - np.log(mined([world]).values)) / (0.15 * factor)
    return float(stats.norm.logcdf(z).sum())


@pytest.mark.slow
def test_few_worlds_go_because_of_it_and_none_of_those_that_stay_mine_beyond_reason(
    study: Study,
) -> None:
    worlds = [simulate_world(study, seed=seed) for seed in range(1500)]
    chance = np.exp([closed_form(world) for world in worlds])
    most = mined(worlds).max("year").values
    assert chance.mean() > 0.95
    beyond = most > PRIORS["MINED_LIMIT"]
    assert (chance * beyond).sum() / chance.sum() <= PRIORS["TAIL"]
    # in a world far above the bound in one year it says so, and in the others it says nothing
    # errors that are all larger than stated make it softer
    assert chance[most > 1200].max(initial=0.0) < 0.1
    assert np.quantile(chance[most < 350], 0.05) > 0.95


def test_a_world_far_above_the_bound_is_not_kept(study: Study) -> None:
    wild = study.with_prior("concentrate_CN_registered", median=3000.0)
    assert closed_form(simulate_world(wild, seed=1)) < -10


def test_worlds_are_kept_as_often_as_they_are_probable(study: Study) -> None:
    wild = study.with_prior("concentrate_CN_registered", median=600.0)
    names = judged(wild)
    kept = PRIORS["kept_worlds"](wild, 0)
    first = next(kept)
    assert np.exp(PRIORS["log_probability"](wild, first, names)) > 0
    without = study.without_reporter("world_bound")
    assert not [r for r in without.records if r.source.startswith(PRIORS["JUDGEMENT"])]
