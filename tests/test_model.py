"""The model against the independent simulation, and as any other model of PyMC."""

import warnings

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from pytensor.compile.mode import Mode

from reebayes.inference.datatree import quantity_draws
from reebayes.inference.sampling import fit
from reebayes.model import kernels
from reebayes.model.graph import build_model
from reebayes.model.layout import lay_out
from reebayes.model.operations import apply
from reebayes.simulation.flows import flows_from, mass_balance_error, quantities_from
from reebayes.simulation.records import record_log_likelihood
from reebayes.simulation.worlds import unknowns_from
from reebayes.study import Study, read_study
from reebayes.study.targets import STEP_GROUPS
from tests.numerics import close, differences
from tests.tiny import STUDY, gradual_tables, learnt_tables, shared_tables, write_tables

type Floats = NDArray[np.float64]

# Runs the operations in Python: nothing to compile, so the tests start at once.
PLAIN = Mode("py", None)

WHICH = ("tiny", "shared", "heavy", "gradual", "learnt", "bundled")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    folder = tmp_path_factory.mktemp("model")
    heavy = STUDY.replace('"normal"', '"student_t"')
    return {
        "tiny": read_study(write_tables(folder / "tiny")),
        "shared": read_study(write_tables(folder / "shared", **shared_tables()), recalled=True),
        "heavy": read_study(write_tables(folder / "heavy", study=heavy, **shared_tables())),
        "gradual": read_study(write_tables(folder / "gradual", **gradual_tables())),
        "learnt": read_study(write_tables(folder / "learnt", **learnt_tables())),
        "bundled": read_study(),
    }


@pytest.fixture(scope="module")
def bundled(studies: dict[str, Study]) -> Study:
    return studies["bundled"]


def evaluate(study: Study, latents: Floats, *names: str) -> list[Floats]:
    """Named variables of the model at a latent vector; `terms` are the records' likelihoods."""
    model = build_model(study)
    variables = [model[name] for name in names if name != "terms"]
    outputs = model.replace_rvs_by_values(variables)
    if "terms" in names:
        outputs += model.logp(vars=[model["value"]], sum=False)
    value = model.rvs_to_values[model["latents"]]
    function = pytensor.function([value], outputs, mode=PLAIN, on_unused_input="ignore")
    found: list[Floats] = function(latents)
    return found


def as_normals(study: Study, latents: Floats) -> dict[str, Floats]:
    """The latent vector by target, as the simulation takes its standard normals."""
    layout = lay_out(study)
    unknowns = layout.unknowns
    states = latents[: unknowns.states].reshape(unknowns.years, unknowns.varying)
    normals = dict(zip(unknowns.columns, states.T, strict=False))
    return normals | dict(
        zip(layout.latents[unknowns.states :], latents[unknowns.states :], strict=True)
    )


def targets(study: Study) -> set[str]:
    found = {prior.target for prior in study.priors}
    named = {f"{kind}:{reporter}" for kind in ("bias", "noise") for reporter in study.reporters}
    return (found | named) - {"bias:*", "noise:*"}


def labelled(values: Floats, **dims: object) -> xr.DataArray:
    coords = {name: list(found) for name, found in dims.items()}  # type: ignore[call-overload]
    return xr.DataArray(values, dims=list(dims), coords=coords)


# --- the independent simulation -------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("which", WHICH)
def test_flows_are_those_of_the_world_written_apart(
    which: str, seed: int, studies: dict[str, Study]
) -> None:
    study = studies[which]
    latents = np.random.default_rng(seed).standard_normal(lay_out(study).unknowns.size)
    names = ("flows", "bias", "noise", "shared_error", "step_scale")
    flows, bias, noise, shared, steps = evaluate(study, latents, *names)
    known = targets(study)
    normals = {name: value for name, value in as_normals(study, latents).items() if name in known}
    unknowns = unknowns_from(study, normals)
    expected = flows_from(study, {name: values.values for name, values in unknowns.items()})
    np.testing.assert_allclose(flows, expected.values, rtol=1e-9, atol=1e-300)
    for column, reporter in enumerate(study.reporters):
        np.testing.assert_allclose(bias[:, column], unknowns[f"bias:{reporter}"].values, atol=1e-12)
        both = [
            unknowns[name].values[0]
            for name in (f"noise:{reporter}", "noise:all")
            if name in unknowns
        ]
        np.testing.assert_allclose(noise[column], np.exp(sum(both)))
    assert shared.size == len(study.shared)
    for value, name in zip(shared, study.shared, strict=True):
        by_year = unknowns[f"shared:{name}"].values
        np.testing.assert_allclose(value, by_year.mean(), atol=1e-12)
    for value, group in zip(steps, STEP_GROUPS, strict=True):
        target = f"step:{group}"
        expected_step = np.exp(unknowns[target].values[0]) if target in unknowns else 1.0
        np.testing.assert_allclose(value, expected_step)


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("which", WHICH)
def test_every_record_scores_as_in_the_world_written_apart(
    which: str, seed: int, studies: dict[str, Study]
) -> None:
    study = studies[which]
    latents = 0.5 * np.random.default_rng(seed).standard_normal(lay_out(study).unknowns.size)
    names = ("flows", "bias", "noise", "terms")
    flows, bias, noise, terms = evaluate(study, latents, *names)
    expected = record_log_likelihood(
        study,
        labelled(flows, year=study.years, flow=[flow.flow for flow in study.flows]),
        labelled(bias, year=study.years, reporter=study.reporters),
        labelled(noise, reporter=study.reporters),
        shared_at(study, latents),
        freedom_at(study, latents),
    )
    np.testing.assert_allclose(terms, expected.values, rtol=1e-9, atol=1e-9)


def shared_at(study: Study, latents: Floats) -> xr.DataArray:
    """Errors in common by year at a latent vector, by the simulation."""
    normals = {name: value for name, value in as_normals(study, latents).items()
               if name in targets(study)}  # fmt: skip
    found = unknowns_from(study, normals)
    values = np.array([found[f"shared:{name}"].values for name in study.shared])
    return labelled(values.reshape(-1, len(study.years)).T, year=study.years, shared=study.shared)


def freedom_at(study: Study, latents: Floats) -> float | None:
    """Degrees of freedom at a latent vector, by the simulation; None where they are not learnt."""
    normals = {name: value for name, value in as_normals(study, latents).items()
               if name in targets(study)}  # fmt: skip
    found = unknowns_from(study, normals).get("errors:freedom")
    return None if found is None else float(np.exp(found[0]))


def test_the_studies_hold_every_sort_of_record(studies: dict[str, Study]) -> None:
    """What the tests above compare: kinds, common errors, lags, alternatives, certain zeros."""
    for which in ("shared", "bundled"):
        records = studies[which].records
        assert any(record.shared for record in records)
        assert any(record.lag for record in records)
        assert any(record.other is not None for record in records)
    kinds = {record.kind for record in studies["shared"].records}
    assert kinds == {
        *("value", "quota", "zero", "upper", "lower", "range", "cumulative", "mean"),
        *("mean_upper", "mean_lower"),
        "signed",
    }
    assert studies["heavy"].settings["error_distribution"] == "student_t"


def test_mass_balance_closes_in_every_prior_draw(bundled: Study) -> None:
    size = lay_out(bundled).unknowns.size
    model = build_model(bundled)
    function = pytensor.function([model["latents"]], model["flows"], mode=PLAIN)
    names = [flow.flow for flow in bundled.flows]
    for seed in range(20):
        flows = function(np.random.default_rng(seed).standard_normal(size))
        error = mass_balance_error(bundled, labelled(flows, year=bundled.years, flow=names))
        assert float(np.abs(error).max()) <= 1e-9


def test_quantities_are_those_of_the_world_written_apart(bundled: Study) -> None:
    layout = lay_out(bundled)
    latents = np.random.default_rng(5).standard_normal(layout.unknowns.size)
    [flows] = evaluate(bundled, latents, "flows")
    expected = quantities_from(bundled, labelled(flows, year=bundled.years, flow=layout.flows))
    np.testing.assert_allclose(quantity_draws(layout, flows), expected.values, rtol=1e-9)


# --- an ordinary model ----------------------------------------------------------------------------


def test_the_model_is_an_ordinary_one(studies: dict[str, Study]) -> None:
    study = studies["shared"]
    with build_model(study) as model:
        assert [variable.name for variable in model.free_RVs] == ["latents"]
        assert [variable.name for variable in model.observed_RVs] == ["value"]
        prior = pm.sample_prior_predictive(draws=5, random_seed=1, compile_kwargs={"mode": PLAIN})
    dims = {
        "flows": ("year", "flow"),
        "bias": ("year", "reporter"),
        "shared_error": ("shared",),
        "noise": ("reporter",),
        "step_scale": ("group",),
        "location": ("record",),
        "scale": ("record",),
        "latents": ("latent",),
    }
    for name, rest in dims.items():
        assert prior.prior[name].dims == ("chain", "draw", *rest)
    assert prior.prior["latent"].values.tolist() == list(lay_out(study).latents)
    assert np.isfinite(prior.prior_predictive["value"]).all()


def test_prior_predictive_figures_lie_around_their_locations(studies: dict[str, Study]) -> None:
    for which, heavy in (("tiny", 0), ("heavy", 5)):
        with build_model(studies[which]):
            drawn = pm.sample_prior_predictive(
                draws=500, random_seed=2, compile_kwargs={"mode": PLAIN}
            )
        gap = drawn.prior_predictive["value"] - drawn.prior["location"]
        score = (gap / drawn.prior["scale"]).values
        assert abs(score.mean()) < 0.05
        spread = np.sqrt(heavy / (heavy - 2)) if heavy else 1.0
        assert score.std() == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("which", ["tiny", "shared", "heavy"])
def test_density_and_gradient_of_the_model(which: str, studies: dict[str, Study]) -> None:
    model = build_model(studies[which])
    density = model.compile_logp(mode=PLAIN)
    slope = model.compile_dlogp(mode=PLAIN)
    point = 0.5 * np.random.default_rng(6).standard_normal(lay_out(studies[which]).unknowns.size)
    expected = differences(lambda x: float(density({"latents": x})), point)
    close(slope({"latents": point}), expected, rtol=1e-6)


def test_gradient_of_the_bundled_model_along_a_line(bundled: Study) -> None:
    model = build_model(bundled)
    density, slope = model.compile_logp(mode=PLAIN), model.compile_dlogp(mode=PLAIN)
    rng = np.random.default_rng(7)
    point, line = 0.3 * rng.standard_normal((2, lay_out(bundled).unknowns.size))
    along = differences(lambda x: float(density({"latents": point + x[0] * line})), np.zeros(1))
    assert slope({"latents": point}) @ line == pytest.approx(along[0], rel=1e-6)


@pytest.mark.parametrize("mode", [Mode("py", "fast_run"), "NUMBA"], ids=["py", "numba"])
def test_operations_alike_but_for_their_structure_keep_apart(
    mode: object, studies: dict[str, Study]
) -> None:
    """Told apart by name only, one would stand for the other in a graph or in compiled code."""
    figures = lay_out(studies["tiny"]).equations.figures
    moved = figures._replace(low=figures.low + 1.0, high=figures.high + 1.0)
    location, scale = pt.dvector("location"), pt.dvector("scale")
    terms = [apply("record_terms", one, location, scale) for one in (figures, moved)]
    function = pytensor.function([location, scale], terms, mode=mode)
    point = np.linspace(0.0, 1.0, figures.kind.size), np.full(figures.kind.size, 0.5)
    for found, one in zip(function(*point), (figures, moved), strict=True):
        np.testing.assert_allclose(found, kernels.record_terms(*point, one))


@pytest.mark.slow_ci
def test_pymc_samples_it_without_a_warning(studies: dict[str, Study]) -> None:
    """In the default mode of compilation, the operations are called back from compiled code."""
    with warnings.catch_warnings(), build_model(studies["tiny"]):
        warnings.simplefilter("error")
        found = pm.sample(
            draws=5, tune=5, chains=1, cores=1, random_seed=1, nuts_sampler="pymc",
            progressbar=False, compute_convergence_checks=False,
        )  # fmt: skip
    flows = found.posterior["flows"]
    assert flows.sizes["draw"] == 5
    names = [flow.flow for flow in studies["tiny"].flows]
    values = labelled(flows.values[0, -1], year=studies["tiny"].years, flow=names)
    assert float(np.abs(mass_balance_error(studies["tiny"], values)).max()) <= 1e-9


@pytest.mark.slow
def test_a_fit_agrees_with_the_sampler_of_pymc(studies: dict[str, Study]) -> None:
    """Two samplers in two coordinate systems: means within their errors, spreads within 5 %."""
    study = studies["shared"]
    with build_model(study):
        other = pm.sample(
            draws=4000, tune=1000, chains=4, cores=2, random_seed=1, nuts_sampler="pymc",
            target_accept=0.9, progressbar=False, compute_convergence_checks=False,
        ).posterior.to_dataset()  # fmt: skip
    own = fit(study, seed=2, draws=3000, progress=False)["posterior"].to_dataset()
    for name in ("flows", "bias", "shared_error", "noise", "step_scale"):
        one, two = (flat(draws[name].transpose(*own[name].dims).values) for draws in (own, other))
        if name in ("flows", "noise", "step_scale"):
            moves = one.std(axis=(0, 1)) > 0
            one, two = np.log(one[..., moves]), np.log(two[..., moves])
        error = np.hypot(mcse(one), mcse(two))
        gap = np.abs(one.mean(axis=(0, 1)) - two.mean(axis=(0, 1)))
        assert (gap < 4 * error + 1e-12).all(), name
        spreads = one.std(axis=(0, 1)) / two.std(axis=(0, 1))
        np.testing.assert_allclose(spreads, 1.0, atol=0.05, err_msg=name)


def flat(draws: Floats) -> Floats:
    """Draws (chain, draw, variable)."""
    return draws.reshape(*draws.shape[:2], -1)


def mcse(draws: Floats) -> Floats:
    """Monte Carlo standard error of every mean."""
    return np.array([
        array_stats.mcse(draws[..., n], chain_axis=0, draw_axis=1, method="mean")
        for n in range(draws.shape[2])
    ])  # fmt: skip
