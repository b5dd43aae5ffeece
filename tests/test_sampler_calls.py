"""What a fit asks of the sampler and makes of its answer, with a stand-in that draws nothing."""

import numpy as np
import pytest
import xarray as xr

from reebayes.errors import FitError
from reebayes.inference.sampling import PILOT, SECOND_ACCEPT, TARGET_ACCEPT, THIN, Run, fit
from reebayes.model.layout import lay_out
from reebayes.study import Study, read_study
from tests.standin import CHAINS, DRAWS, StandIn
from tests.tiny import shared_tables, write_tables

KEPT = DRAWS // THIN


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("calls") / "tiny"
    return read_study(write_tables(folder, **shared_tables()))


@pytest.fixture
def sampler(study: Study, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn(lay_out(study).unknowns.size)
    monkeypatch.setattr("nutpie.sample", stand_in.sample)
    return stand_in


def short(study: Study, seed: int) -> xr.DataTree:
    return fit(study, seed=seed, draws=KEPT, tune=10, chains=CHAINS, progress=False)


def test_the_seed_reaches_the_sampler(study: Study, sampler: StandIn) -> None:
    """The pilot and the run are both made with the seed that was asked for."""
    assert PILOT.seed != 7
    short(study, 7)
    assert sampler.seeds == [7, 7]


def test_the_seed_rules_all_that_is_drawn_beside(study: Study, sampler: StandIn) -> None:
    """Prior draws and replicated figures: the same with a seed, others with another."""
    first, again, other = (short(study, seed) for seed in (5, 5, 6))
    for group, name in (("prior", "flows"), ("prior_predictive", "value"),
                        ("posterior_predictive", "value")):  # fmt: skip
        xr.testing.assert_equal(first[group].to_dataset(), again[group].to_dataset())
        assert not np.array_equal(first[group][name], other[group][name], equal_nan=True)
    xr.testing.assert_equal(first["posterior"].to_dataset(), other["posterior"].to_dataset())


def test_an_interrupt_ends_a_fit_and_its_threads(study: Study, sampler: StandIn) -> None:
    """The draws so far are no fit: nobody asked for so few."""
    sampler.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        short(study, 1)
    assert sampler.cancelled


def test_a_divergence_on_the_way_to_a_kept_draw_counts(study: Study, sampler: StandIn) -> None:
    """Only every THIN-th transition is kept, but the gate hears of all of them."""
    stats = sampler.stats
    stats["diverging"][0, 0] = 1
    stats["maxdepth_reached"][1, THIN * KEPT - 2] = 1
    stats["n_steps"][0, :THIN] = 7 + 8 * np.arange(THIN)
    found = short(study, 1)
    assert found.attrs["divergences"] == 1
    assert found.attrs["saturated_fraction"] == pytest.approx(1 / (CHAINS * THIN * KEPT))
    kept = found["sample_stats"].to_dataset()
    assert kept["diverging"].values.tolist()[0][0] == 1
    assert kept["maxdepth_reached"].values.tolist()[1][-1] == 1
    assert kept["n_steps"][0, 0] == pytest.approx(stats["n_steps"][0, :THIN].mean())
    assert found["posterior"].sizes["draw"] == KEPT


def test_a_divergence_is_cured_by_smaller_steps_once(study: Study, sampler: StandIn) -> None:
    """The verdict tells of both tries: how many diverged, what share that is, and where."""
    sampler.stats["diverging"][0, 1] = True
    latents = lay_out(study).latents
    sampler.start[latents.index("ore[2011]")] = 3.0
    twice = short(study, 7)
    assert sampler.seeds == [7, 7, 8]
    assert sampler.accepts == [TARGET_ACCEPT, TARGET_ACCEPT, SECOND_ACCEPT]
    assert (twice.attrs["divergences"], twice.attrs["tries"], twice.attrs["converged"]) == (
        1, 2, "no")  # fmt: skip
    count = f"1 of {CHAINS * THIN * KEPT} transitions diverged (0.025), around ore[2011]"
    assert count in twice.attrs["verdict"]
    second = "This is the second try, with smaller steps; of the first:"
    assert second in twice.attrs["verdict"]
    assert twice.attrs["verdict"].count(count) == 2
    sampler.heals = True
    cured = short(study, 7)
    assert (cured.attrs["divergences"], cured.attrs["tries"]) == (0, 2)
    assert second in cured.attrs["verdict"]
    assert cured.attrs["verdict"].count(count) == 1
    assert short(study, 7).attrs["tries"] == 1
    assert "second try" not in short(study, 7).attrs["verdict"]


def told(**figures: float) -> dict[str, float]:
    """What a gate says of a run: all is well but for the figures given."""
    return {"divergences": 0, "rhat_max": 1.0, "ess_bulk_min": 900, "ess_tail_min": 900} | figures


LONG = Run(seed=3, draws=1000, tune=250, chains=4, progress=False, thin=THIN)


@pytest.mark.parametrize(
    ("figures", "times"),
    [
        ({"ess_bulk_min": 399}, 2),
        ({"ess_tail_min": 200}, 3),
        ({"ess_bulk_min": 213, "rhat_max": 1.028}, 3),
        ({"ess_bulk_min": 93}, 7),
        ({"rhat_max": 1.02}, 2),
        ({"ess_bulk_min": 5, "rhat_max": 2.0}, 2),  # no number of transitions would do
        ({"divergences": 2}, 1),
    ],
)
def test_a_second_try_is_as_long_as_effective_draws_ask(
    figures: dict[str, float], times: int
) -> None:
    again = LONG.second(told(**figures), size=2000)
    assert again.thin == times * THIN
    assert again.seed == 4
    assert again.accept == (SECOND_ACCEPT if "divergences" in figures else TARGET_ACCEPT)


@pytest.mark.parametrize(
    ("figures", "times"),
    [
        ({"ess_bulk_min": 399}, 2),
        ({"ess_tail_min": 200}, 3),
        ({"ess_bulk_min": 213, "rhat_max": 1.028}, 3),
        ({"ess_bulk_min": 251}, 2),
        ({"rhat_max": 1.02}, 2),
        ({"ess_bulk_min": 199}, 1),  # other coordinates do better
        ({"ess_bulk_min": 5, "rhat_max": 2.0}, 1),
        ({"ess_bulk_min": 300, "divergences": 2}, 1),
        ({}, 1),  # such as trees that are cut off
    ],
)
def test_a_run_goes_on_where_its_draws_are_good_and_too_few(
    figures: dict[str, float], times: int
) -> None:
    rest = LONG.rest(told(**figures), size=2000)
    assert (0 if rest is None else rest.draws) == (times - 1) * LONG.draws
    assert rest is None or (rest.seed, rest.thin, rest.accept) == (4, THIN, TARGET_ACCEPT)


def test_a_second_try_is_no_longer_than_memory_has_room_for() -> None:
    assert LONG.second(told(ess_bulk_min=93), size=20_000).thin == 3 * THIN
    assert LONG.second(told(ess_bulk_min=93), size=10**6).thin == THIN


def test_what_mixed_badly_is_sampled_again_in_coordinates_over_its_draws(
    study: Study, sampler: StandIn
) -> None:
    """The same 21 draws again and again are never as good as independent ones."""
    found = fit(study, seed=7, draws=400, tune=10, chains=CHAINS, progress=False)
    assert sampler.seeds == [7, 7, 8]
    assert sampler.draws > THIN * 400
    assert found.attrs["tries"] == 2
    assert "coordinates over the draws of the first and " in found.attrs["verdict"]
    assert found["posterior"].sizes["draw"] == 400
    # the sampler gave the same point for both, which stands for other flows now
    thin = sampler.draws // 400
    before = short(study, 7)["posterior"]["flows"][:, thin // THIN - 1]
    assert not np.allclose(before, found["posterior"]["flows"][:, 0], rtol=1e-3)


def test_both_parts_of_a_run_that_went_on_are_one_fit(
    study: Study, sampler: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sample(density: object, **given: int) -> StandIn:
        if given["seed"] == 8:
            sampler.stats["n_steps"][:] = 15
        return sampler.sample(density, **given)

    sampler.stats["n_steps"][:] = 7
    monkeypatch.setattr("nutpie.sample", sample)
    monkeypatch.setattr("reebayes.inference.sampling._GOOD", np.inf)
    found = fit(study, seed=7, draws=400, tune=10, chains=CHAINS, progress=False)
    assert sampler.seeds == [7, 7, 8]
    assert found.attrs["gradients_per_draw"] == pytest.approx(11)
    assert found.attrs["tries"] == 2
    told_of_it = "which went on to 2 times as many transitions; of the first part: "
    assert told_of_it in found.attrs["verdict"]
    # the sampler gives the same draws again and again, of which every fourth transition is kept
    once = short(study, 7)["posterior"]["flows"].values
    at = (np.arange(100) * 2 * THIN + 2 * THIN - 1) % DRAWS
    seen = found["posterior"]["flows"].values[:, :100]
    for n in np.flatnonzero(at % THIN == THIN - 1):
        np.testing.assert_allclose(seen[:, n], once[:, at[n] // THIN], rtol=1e-6)
    assert found["posterior"].sizes["draw"] == found["sample_stats"].sizes["draw"] == 400


def test_too_few_draws_are_not_sampled_again(study: Study, sampler: StandIn) -> None:
    assert short(study, 7).attrs["converged"] == "no"
    assert sampler.seeds == [7, 7]


def test_the_acceptance_asked_for_is_the_sampler_s(study: Study, sampler: StandIn) -> None:
    settings = {"draws": KEPT, "tune": 10, "chains": CHAINS, "progress": False}
    sampler.stats["diverging"][0, 1] = True
    found = fit(study, seed=3, target_accept=0.96, **settings)
    assert sampler.accepts == [PILOT.accept, 0.96, 0.98]
    assert found.attrs["target_accept"] == 0.96
    for wrong in (0.2, 1.0, float("nan")):
        with pytest.raises(FitError, match="target_accept must be at least"):
            fit(study, target_accept=wrong, **settings)
