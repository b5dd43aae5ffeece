"""Real runs: what a fit holds, that it is reproducible, and that it finds a planted truth."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from reebayes.conventions import CI_PROB, GATE
from reebayes.errors import FitError
from reebayes.inference.assembly import PRIOR_DRAWS
from reebayes.inference.density import gradients
from reebayes.inference.sampling import find_coordinates, fit
from reebayes.model import kernels
from reebayes.model.layout import lay_out
from reebayes.results.fitfile import open_fit, save_fit
from reebayes.results.reading import contents_of
from reebayes.results.summaries import bands
from reebayes.simulation.flows import mass_balance_error, quantities_from
from reebayes.simulation.records import record_log_likelihood, simulate_records
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Study, read_study
from reebayes.study.targets import STEP_GROUPS
from tests.tiny import STUDY, shared_tables, write_tables

ROOT = Path(__file__).parents[1]
CHAINS, DRAWS, TUNE, SEED = 4, 250, 250, 3
HEADLINE = ("mined_CN_unregistered", "mined_RW_unregistered", "smuggled_CN")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The tiny study with common errors, lags and alternative values."""
    folder = tmp_path_factory.mktemp("sampling") / "tiny"
    return read_study(write_tables(folder, **shared_tables()))


@pytest.fixture(scope="module")
def fitted(study: Study) -> xr.DataTree:
    return fit(study, seed=SEED, draws=DRAWS, tune=TUNE, chains=CHAINS, progress=False)


def short(study: Study, seed: int) -> xr.DataTree:
    return fit(study, seed=seed, draws=10, tune=20, chains=2, progress=False)


def dataset(tree: xr.DataTree, group: str) -> xr.Dataset:
    return tree[group].to_dataset()


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"draws": 3}, "draws must be at least 4, not 3"),
        ({"tune": -1}, "tune must be at least 0, not -1"),
        ({"chains": 0}, "chains must be at least 1, not 0"),
        ({"draws": 0, "chains": -2}, "draws must be at least 4, not 0; chains must be"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_compiled(
    study: Study, settings: dict[str, int], message: str
) -> None:
    with pytest.raises(FitError, match=message):
        fit(study, **settings)


# --- what a fit holds -----------------------------------------------------------------------------


@pytest.mark.slow_ci
def test_groups_and_dimensions(study: Study, fitted: xr.DataTree) -> None:
    layout = lay_out(study)
    assert set(fitted.children) == {
        "posterior", "prior", "sample_stats", "posterior_predictive", "prior_predictive",
        "log_likelihood", "log_prior", "observed_data", "constant_data", "bands",
    }  # fmt: skip
    dims = {
        "flows": ("year", "flow"),
        "quantities": ("year", "quantity"),
        "bias": ("reporter",),
        "drifting_bias": ("year", "drifting"),
        "shared_error": ("shared",),
        "noise": ("reporter",),
        "noise_of_all": (),
        "step_scale": ("group",),
        "latents": ("latent",),
    }
    sizes = {
        "year": len(study.years), "flow": len(study.flows), "quantity": len(study.quantities),
        "reporter": len(study.reporters), "group": len(STEP_GROUPS),
        "latent": layout.unknowns.size, "shared": len(study.shared), "drifting": 1,
    }  # fmt: skip
    for group, samples in (("posterior", (CHAINS, DRAWS)), ("prior", (1, PRIOR_DRAWS))):
        draws = dataset(fitted, group)
        assert set(draws.data_vars) == set(dims)
        for name, rest in dims.items():
            assert draws[name].dims == ("chain", "draw", *rest)
            assert draws[name].shape == (*samples, *(sizes[dim] for dim in rest))
        assert draws["year"].values.tolist() == list(study.years)
        assert draws["flow"].values.tolist() == [flow.flow for flow in study.flows]
        assert draws["group"].values.tolist() == list(STEP_GROUPS)
        assert draws["shared"].values.tolist() == list(study.shared)
        assert draws["latent"].values.tolist() == list(layout.latents)
    records = [record.record for record in study.records]
    for group in ("posterior_predictive", "prior_predictive"):
        assert fitted[group]["value"].dims == ("chain", "draw", "record")
        assert fitted[group]["record"].values.tolist() == records
    informative = set(fitted["log_likelihood"]["record"].values)
    assert informative < set(records)  # without the zero of a year in which the flow is none
    assert contents_of(fitted).log_likelihood["record"].values.tolist() == records
    assert fitted["log_prior"]["value"].dims == ("chain", "draw", "prior_row")
    assert fitted["observed_data"]["value"].sizes == {"record": len(records)}
    for name in ("diverging", "energy", "maxdepth_reached", "n_steps"):
        assert fitted["sample_stats"][name].sizes == {"chain": CHAINS, "draw": DRAWS}
    constant = dataset(fitted, "constant_data")
    assert constant["record_quantity"].values.tolist() == [r.quantity for r in study.records]
    assert constant["prior_target"].values.tolist() == [prior.target for prior in study.priors]
    assert {str(kind) for kind in constant["process_kind"].values} == {
        process.kind for process in study.processes
    }


@pytest.mark.slow_ci
def test_attributes_say_what_was_fitted_how_and_whether_it_converged(
    study: Study, fitted: xr.DataTree
) -> None:
    attrs = fitted.attrs
    expected = {
        "study_name": "Tiny", "study_hash": study.hash, "unit": "kt REO/yr", "ci_prob": CI_PROB,
        "seed": SEED, "draws": DRAWS, "tune": TUNE, "chains": CHAINS,
    }  # fmt: skip
    assert {name: attrs[name] for name in expected} == expected
    assert attrs["converged"] in ("yes", "no")
    assert set(GATE) | {"verdict", "failing", "gradients_per_draw", "created",
                        "reebayes_version"} <= set(attrs)  # fmt: skip
    assert "nutpie" in json.loads(attrs["versions"])
    assert json.loads(attrs["settings"])["error_distribution"] == "normal"
    clock = json.loads(attrs["wall_seconds"])
    assert set(clock) == {"compile", "pilot", "sampling", "assembly", "total"}
    # a tiny study has no excuse
    assert attrs["divergences"] == 0
    assert attrs["rhat_max"] < 1.05


@pytest.mark.slow_ci
def test_a_saved_fit_is_the_fit(tmp_path: Path, fitted: xr.DataTree) -> None:
    again = open_fit(save_fit(fitted, tmp_path / "fit.nc"))
    assert dict(again.attrs) == dict(fitted.attrs)
    assert set(again.children) == set(fitted.children)
    for group in fitted.children:
        xr.testing.assert_equal(dataset(again, group), dataset(fitted, group))


# --- what the draws are ---------------------------------------------------------------------------


@pytest.mark.slow_ci
@pytest.mark.parametrize("group", ["posterior", "prior"])
def test_mass_balance_closes_in_every_draw(study: Study, fitted: xr.DataTree, group: str) -> None:
    flows = fitted[group]["flows"]
    assert float(abs(mass_balance_error(study, flows)).max()) <= 1e-9
    assert (flows >= 0).all()
    for flow in study.flows:
        closed = [year for year in study.years if not flow.is_active(year)]
        assert (flows.sel(flow=flow.flow, year=closed) == 0).all()


@pytest.mark.slow_ci
def test_quantities_are_those_of_the_flows(study: Study, fitted: xr.DataTree) -> None:
    draws = dataset(fitted, "posterior").isel(chain=1, draw=7)
    expected = quantities_from(study, draws["flows"])
    np.testing.assert_allclose(draws["quantities"], expected, rtol=1e-6)  # single precision


@pytest.mark.slow_ci
@pytest.mark.parametrize(("chain", "draw"), [(0, 0), (2, 100), (3, -1)])
def test_log_likelihood_is_that_of_the_world_written_apart(
    study: Study, fitted: xr.DataTree, chain: int, draw: int
) -> None:
    at = {"chain": chain, "draw": draw}
    draws = dataset(fitted, "posterior").isel(at)
    bias = contents_of(fitted).bias_by_year("posterior").isel(at)
    worlds = (draws["flows"], bias, draws["noise"], draws["shared_error"])
    expected = record_log_likelihood(study, *worlds)
    actual = contents_of(fitted).log_likelihood.isel(at)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)  # single precision


@pytest.mark.slow_ci
def test_the_prior_group_has_the_moments_of_the_prior(fitted: xr.DataTree) -> None:
    prior = dataset(fitted, "prior")
    latents = prior["latents"]
    # of so many means and variances, the furthest lie four standard errors out
    assert float(abs(latents.mean(("chain", "draw"))).max()) < 4.5 / np.sqrt(PRIOR_DRAWS)
    assert float(abs(latents.var(("chain", "draw")) - 1).max()) < 4.5 * np.sqrt(2 / PRIOR_DRAWS)
    ore = np.log(prior["flows"].sel(flow="ore"))
    np.testing.assert_allclose(ore.mean(("chain", "draw")), np.log(20), atol=0.1)
    np.testing.assert_allclose(ore.std(("chain", "draw")), 0.5, rtol=0.15)
    noise = np.log(prior["noise"].sel(reporter="journalist"))
    assert float(noise.mean()) == pytest.approx(np.log(1.5), abs=0.06)
    assert float(noise.std()) == pytest.approx(0.3, rel=0.15)
    # the tiny study learns no multiplier of trade
    assert (prior["step_scale"].sel(group="trade") == 1).all()


@pytest.mark.slow_ci
def test_the_records_teach(fitted: xr.DataTree) -> None:
    """Registered mining is recorded with small errors, so its band is far inside the prior's."""
    where = {"quantity": "mined_registered", "year": 2011}
    width = {
        group: float(np.log(fitted[group]["quantities"].sel(where)).std())
        for group in ("prior", "posterior")
    }
    assert width["posterior"] < 0.4 * width["prior"]
    assert float(fitted["posterior"]["quantities"].sel(where).median()) == pytest.approx(
        9.8, rel=0.15
    )


@pytest.mark.slow_ci
def test_a_seed_gives_the_same_draws_and_another_seed_others(study: Study) -> None:
    first, again, other = (short(study, seed) for seed in (5, 5, 6))
    for group in first.children:
        xr.testing.assert_equal(dataset(first, group), dataset(again, group))
    for group in ("posterior", "prior", "posterior_predictive"):
        name = "value" if group == "posterior_predictive" else "flows"
        assert not np.array_equal(first[group][name], other[group][name])


@pytest.mark.slow_ci
def test_replicated_figures_lie_around_the_locations(study: Study, fitted: xr.DataTree) -> None:
    """A reporter's figure scatters by its error times the noise; certain zeros have none."""
    layout = lay_out(study)
    replicates = fitted["posterior_predictive"]["value"]
    certain = layout.equations.figures.kind == kernels.CERTAIN
    assert certain.any()
    assert np.isnan(replicates.values[..., certain]).all()
    assert np.isfinite(replicates.values[..., ~certain]).all()
    single = {"record": "r_value"}
    log_flow = np.log(fitted["posterior"]["flows"].sel(flow="concentrate", year=2010))
    draws = dataset(fitted, "posterior").sel(reporter="survey")
    score = (replicates.sel(single) - log_flow - draws["bias"]) / (0.1 * draws["noise"])
    assert float(score.mean()) == pytest.approx(0.0, abs=0.15)
    assert float(score.std()) == pytest.approx(1.0, rel=0.1)


# --- coordinates and compilation ------------------------------------------------------------------


@pytest.mark.slow_ci
def test_found_coordinates_make_the_posterior_spherical(study: Study, fitted: xr.DataTree) -> None:
    """Its trees are short, and the gradient at the centre is small."""
    layout = lay_out(study)
    whitening = find_coordinates(layout, seed=SEED)
    slope = gradients(layout)(whitening)(np.zeros(layout.unknowns.size))[1]
    assert np.abs(slope[: layout.unknowns.scales_start]).max() < 1.0
    assert float(fitted.attrs["gradients_per_draw"]) < 20


def signatures() -> dict[str, int]:
    """How often every kernel was compiled."""
    return {
        name: len(k.signatures) for name, k in vars(kernels).items() if hasattr(k, "signatures")
    }


@pytest.mark.slow_ci
def test_a_study_of_another_shape_compiles_nothing_new(fitted: xr.DataTree, tmp_path: Path) -> None:
    """Graph, records and coordinates are data: one compilation serves every study."""
    assert fitted.attrs["draws"] == DRAWS  # a study has been fitted
    before = signatures()
    assert before["unfold"] >= 1
    heavy = STUDY.replace('"normal"', '"student_t"')
    tree = short(read_study(write_tables(tmp_path / "other", study=heavy)), seed=1)
    assert tree["posterior"].sizes["latent"] != fitted["posterior"].sizes["latent"]
    assert signatures() == before


@pytest.mark.slow_ci
def test_a_fit_alone_compiles_every_kernel_once(tmp_path: Path) -> None:
    """In a process of its own, where no test has called kernels with other arrays."""
    folder = write_tables(tmp_path / "tiny")
    code = f"""
from reebayes import read_study
from reebayes.inference.sampling import fit
from reebayes.model import kernels
fit(read_study({str(folder)!r}), draws=4, tune=10, chains=1, progress=False)
print([kernels.density_at.cache_info().misses, len(kernels.unfold.signatures),
       len(kernels.observe.signatures), len(kernels.states.signatures)])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT,
                          capture_output=True, text=True)  # fmt: skip
    assert done.stdout.strip() == "[1, 1, 1, 1]"


# --- a planted truth ------------------------------------------------------------------------------


@pytest.mark.slow
def test_bands_hold_a_planted_truth() -> None:
    bundled = read_study()
    held: list[xr.DataArray] = []
    for seed in (1, 2, 3):
        world = simulate_world(bundled, seed=seed)
        printed = simulate_records(bundled, world, seed=100 + seed)
        tree = fit(printed, seed=seed, progress=False)
        band = bands(tree["posterior"]["quantities"].sel(quantity=list(HEADLINE)))
        truth = world.quantities.sel(quantity=list(HEADLINE))
        held.append((band["lower"] <= truth) & (truth <= band["upper"]))
    assert float(xr.concat(held, "world").mean()) >= 0.8
