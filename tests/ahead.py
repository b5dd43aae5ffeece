"""A fit whose draws are those of the priors, with the unknowns that made them: no sampler."""

import numpy as np
import xarray as xr

import reebayes as rb
from reebayes.answers.scenarios.running import quantities_from
from reebayes.model import kernels
from reebayes.model.layout import lay_out
from reebayes.results.contents import DRAWS
from reebayes.results.description import constant_data, descriptive_attributes
from tests.fakes import complete


def fit_of_priors(
    study: rb.Study, *, chains: int = 2, draws: int = 30, seed: int = 3
) -> xr.DataTree:
    """Return a fit of which each draw has unknowns, flows and quantities."""
    layout = lay_out(study)
    rng = np.random.default_rng(seed)
    latents = rng.standard_normal((chains * draws, layout.unknowns.size))
    shape = (len(latents), len(layout.flows), len(layout.years))
    flows, size = np.empty(shape), (len(latents), len(layout.records))
    kernels.observe_draws(latents, layout.equations, flows, np.empty(size), np.empty(size))
    coords = {"chain": range(chains), "draw": range(draws), "year": list(layout.years)}
    array = xr.DataArray(
        flows.transpose(0, 2, 1).reshape(chains, draws, len(layout.years), -1),
        dims=(*coords, "flow"), coords={**coords, "flow": list(layout.flows)},
    )  # fmt: skip
    posterior = xr.Dataset({"flows": array, "quantities": quantities_from(study, array)})
    posterior["latents"] = (("chain", "draw", "latent"), latents.reshape(chains, draws, -1))
    names = {"reporter": ["survey"], "group": ["input"], "latent": list(layout.latents)}
    empty = {"drifting": np.array([], object), "shared": np.array([], object)}
    posterior = complete(posterior.assign_coords({**names, **empty}), DRAWS)
    fit = xr.DataTree.from_dict({"posterior": posterior, "constant_data": constant_data(study)})
    fit.attrs = {"study_hash": study.hash, "unit": study.unit, "converged": "yes",
                 "fit_format": 3, **descriptive_attributes(study)}  # fmt: skip
    return fit
