"""A fit made of simulated data sets: flows that balance, of any study, without a sampler."""

import numpy as np
import xarray as xr

import reebayes as rb
from reebayes.results.contents import DRAWS
from reebayes.results.description import constant_data, descriptive_attributes
from tests.fakes import complete


def fit_of_worlds(study: rb.Study, *, chains: int, draws: int) -> xr.DataTree:
    """Return a fit whose draws are those of the priors: all that readers of draws need."""
    worlds = [rb.simulate_world(study, seed=seed) for seed in range(chains * draws)]
    dims = ("chain", "draw", "year")
    variables = {}
    for name, dim in (("flows", "flow"), ("quantities", "quantity")):
        values = np.stack([getattr(world, name).values for world in worlds])
        variables[name] = ((*dims, dim), values.reshape(chains, draws, *values.shape[1:]))
    names = {"reporter": ["survey"], "group": ["input"], "latent": ["a"]}
    empty = {"drifting": np.array([], object), "shared": np.array([], object)}
    posterior = xr.Dataset(
        variables,
        coords={"chain": range(chains), "draw": range(draws), "year": list(study.years),
                "flow": worlds[0].flows["flow"].values,
                "quantity": worlds[0].quantities["quantity"].values, **names, **empty},
    )  # fmt: skip
    posterior = complete(posterior, DRAWS).fillna(1.0)
    fit = xr.DataTree.from_dict({"posterior": posterior, "constant_data": constant_data(study)})
    fit.attrs = {"study_hash": study.hash, "unit": study.unit, "converged": "yes",
                 "fit_format": 3, **descriptive_attributes(study)}  # fmt: skip
    return fit
