"""The model against the same world written apart: flows, likelihood, coordinates."""

from pathlib import Path

import numpy as np
import pymc as pm
import pytensor
import pytest
from pytensor.compile.mode import Mode

from reebayes.assembly import quantity_draws
from reebayes.geometry import Coordinates
from reebayes.layout import lay_out
from reebayes.model import Geometry, build_model, store
from reebayes.simulation import (
    flows_from,
    mass_balance_error,
    quantities_from,
    record_log_likelihood,
    unknowns_from,
)
from reebayes.study import Study, read_study

# Runs the operations in Python: nothing to compile, so the tests start at once.
PLAIN = Mode("py", None)


@pytest.fixture(scope="module")
def bundled() -> Study:
    return read_study()


def evaluate(study: Study, latents: np.ndarray, *names: str) -> list[np.ndarray]:
    model = build_model(study)
    function = pytensor.function([model["latents"]], [model[name] for name in names], mode=PLAIN)
    return function(latents)


def as_normals(study: Study, latents: np.ndarray) -> dict[str, np.ndarray]:
    """The latent vector by target, as the simulation takes its standard normals."""
    unknowns = lay_out(study).unknowns
    normals = {}
    states = latents[: unknowns.states].reshape(unknowns.years, unknowns.varying)
    for column in range(unknowns.varying):
        normals[unknowns.columns[column]] = states[:, column]
    for offset, name in enumerate(lay_out(study).latents[unknowns.states :]):
        normals[name] = latents[unknowns.states + offset]
    return normals


def targets(study: Study) -> set[str]:
    found = {prior.target for prior in study.priors}
    named = {f"{kind}:{reporter}" for kind in ("bias", "noise") for reporter in study.reporters}
    return (found | named) - {"bias:*", "noise:*"}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("which", ["tiny", "bundled"])
def test_flows_are_those_of_the_world_written_apart(
    which: str, seed: int, bundled: Study, tiny_study: Path
) -> None:
    study = bundled if which == "bundled" else read_study(tiny_study)
    latents = np.random.default_rng(seed).standard_normal(lay_out(study).unknowns.size)
    flows, bias, noise = evaluate(study, latents, "flows", "bias", "noise")
    known = targets(study)
    normals = {name: value for name, value in as_normals(study, latents).items() if name in known}
    unknowns = unknowns_from(study, normals)
    expected = flows_from(study, {name: values.values for name, values in unknowns.items()})
    np.testing.assert_allclose(flows, expected.values, rtol=1e-10, atol=1e-300)
    for column, reporter in enumerate(study.reporters):
        np.testing.assert_allclose(bias[:, column], unknowns[f"bias:{reporter}"].values, atol=1e-12)
        np.testing.assert_allclose(noise[column], np.exp(unknowns[f"noise:{reporter}"].values[0]))


@pytest.mark.parametrize("which", ["tiny", "bundled"])
def test_every_record_scores_as_in_the_world_written_apart(
    which: str, bundled: Study, tiny_study: Path
) -> None:
    study = bundled if which == "bundled" else read_study(tiny_study)
    latents = 0.5 * np.random.default_rng(3).standard_normal(lay_out(study).unknowns.size)
    model = build_model(study)
    [terms] = model.logp(vars=[model["value"]], sum=False)
    names = ["flows", "bias", "noise"]
    inputs = [model.rvs_to_values[model["latents"]]]
    # at the starting coordinates the map is an isometry; the identity needs persistence 0
    outputs = [terms, *model.replace_rvs_by_values([model[name] for name in names])]
    function = pytensor.function(inputs, outputs, mode=PLAIN, on_unused_input="ignore")
    terms, flows, bias, noise = function(latents)
    expected = record_log_likelihood(
        study, _labelled(study, flows), *_reporters(study, bias, noise)
    )
    np.testing.assert_allclose(terms, expected.values, rtol=1e-9, atol=1e-9)


def _labelled(study: Study, flows: np.ndarray):
    import xarray as xr

    names = [flow.flow for flow in study.flows]
    return xr.DataArray(
        flows, dims=("year", "flow"), coords={"year": list(study.years), "flow": names}
    )


def _reporters(study: Study, bias: np.ndarray, noise: np.ndarray):
    import xarray as xr

    years, reporters = list(study.years), list(study.reporters)
    return (
        xr.DataArray(
            bias, dims=("year", "reporter"), coords={"year": years, "reporter": reporters}
        ),
        xr.DataArray(noise, dims="reporter", coords={"reporter": reporters}),
    )


def test_mass_balance_closes_in_every_prior_draw(bundled: Study) -> None:
    size = lay_out(bundled).unknowns.size
    model = build_model(bundled)
    function = pytensor.function([model["latents"]], model["flows"], mode=PLAIN)
    for seed in range(20):
        flows = function(np.random.default_rng(seed).standard_normal(size))
        error = mass_balance_error(bundled, _labelled(bundled, flows))
        assert float(np.abs(error).max()) <= 1e-9


def test_quantities_are_those_of_the_world_written_apart(bundled: Study) -> None:
    layout = lay_out(bundled)
    latents = np.random.default_rng(5).standard_normal(layout.unknowns.size)
    [flows] = evaluate(bundled, latents, "flows")
    expected = quantities_from(bundled, _labelled(bundled, flows))
    np.testing.assert_allclose(quantity_draws(layout, flows), expected.values, rtol=1e-9)


def geometry_functions(study: Study, coordinates: Coordinates):
    layout = lay_out(study)
    arrays = store(layout).replace(**coordinates.data()).symbols()
    geometry = Geometry(arrays)
    point = pytensor.tensor.dvector()
    back, volume = geometry.backward(point), geometry.log_jac_det(point)
    function = pytensor.function([point], [back, volume, geometry.forward(back)], mode=PLAIN)
    return function, layout.unknowns.size


def some_coordinates(study: Study) -> Coordinates:
    rng = np.random.default_rng(7)
    unknowns = lay_out(study).unknowns
    identity = Coordinates.identity(unknowns)
    shape = (unknowns.years, unknowns.varying)
    return Coordinates(
        mode=np.where(np.arange(unknowns.size) < unknowns.states, 0.0, 0.3),
        reference=unknowns.persistence(np.ones(4)),
        curvature=rng.uniform(0, 20, shape),
        pull=rng.normal(size=shape),
        first=identity.first,
        start=identity.start,
        factor=identity.factor * rng.uniform(0.5, 2, identity.factor.size)
        + 0.05 * (identity.factor == 0) * rng.normal(size=identity.factor.size),
    )


@pytest.mark.parametrize("bent", [False, True])
def test_coordinates_are_invertible_and_know_their_volume(tiny_study: Path, bent: bool) -> None:
    study = read_study(tiny_study)
    straight = Coordinates.identity(lay_out(study).unknowns)
    function, size = geometry_functions(study, some_coordinates(study) if bent else straight)
    point = 0.5 * np.random.default_rng(1).standard_normal(size)
    _, volume, again = function(point)
    np.testing.assert_allclose(again, point, atol=1e-9)
    width = 1e-6
    columns = [
        (function(point + width * unit)[0] - function(point - width * unit)[0]) / (2 * width)
        for unit in np.eye(size)
    ]
    np.testing.assert_allclose(np.linalg.slogdet(np.array(columns))[1], volume, atol=1e-4)


def test_the_model_is_an_ordinary_one(tiny_study: Path) -> None:
    with build_model(read_study(tiny_study)) as model:
        assert [variable.name for variable in model.free_RVs] == ["latents"]
        assert [variable.name for variable in model.observed_RVs] == ["value"]
        prior = pm.sample_prior_predictive(draws=5, random_seed=1, compile_kwargs={"mode": PLAIN})
    assert prior.prior["flows"].dims == ("chain", "draw", "year", "flow")
    assert np.isfinite(prior.prior_predictive["value"]).all()
