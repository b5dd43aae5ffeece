"""Data sets whose truth is drawn from a posterior, and whose records are printed again from it.

Calibration over the prior says that bands hold the truth on average over all worlds that the prior
allows. Where the records have ruled most of these out, there are two more questions.

- Do sampler and model agree where the records have led? The study is fitted to its records and to
  their replicates together. Then the rank of the truth is uniform among the draws, whatever the
  records are: posterior SBC.
- Would bands hold such a truth, had it printed these records for the first time? The study is
  fitted to the replicates alone, under the prior as it stands. Ranks need not be uniform: a prior
  that is centred elsewhere pulls, and how far is seen from where the truth lies in its bands.

References
----------
Säilynoja, Schmitt, Bürkner, Vehtari (2025), Posterior SBC: simulation-based calibration checking
conditional on data, arXiv:2502.03279.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from reebayes.conventions import FLOW, GROUP, QUANTITY, REPORTER, SHARED, YEAR
from reebayes.errors import ResultError
from reebayes.experiments.calibration.datasets import DataSet, Seeds
from reebayes.inference.datatree import quantity_draws
from reebayes.model.kernels import observe, states
from reebayes.model.layout import Layout, lay_out
from reebayes.model.observations import learnt_logs, log_noises
from reebayes.model.unknowns import Floats
from reebayes.results.reading import Contents
from reebayes.simulation.records import simulate_records
from reebayes.simulation.worlds import World
from reebayes.study import Record, Study, Table
from reebayes.study.targets import STEP_GROUPS

BESIDE, ALONE = "posterior", "posterior_alone"
AGAIN: Mapping[str, str] = {
    BESIDE: "drawn from a fit, its records printed again beside those that are there",
    ALONE: "drawn from a fit, its records printed again in place of those that are there",
}
"""Kinds of data sets that are drawn from a fit, and what each is, in words."""

NEAR = 64
"""Draws of the fit in whose coordinates refits start."""

_AGAIN = "~again"


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a fit knows: a truth for every data set, and draws near which all refits start.

    Parameters
    ----------
    digest : str
        Of the fit.
    truths : array (data set, latent)
    near : array (draw, latent)
    """

    digest: str
    truths: Floats
    near: Floats


def known_from(contents: Contents, study: Study, sims: int) -> Known:
    """Take truths from a fit, evenly over its draws.

    Parameters
    ----------
    contents : Contents
        Of the fit.
    study : Study
        The study that was fitted.
    sims : int
        How many truths.

    Raises
    ------
    ResultError
        If the fit is of another study, or has fewer draws than truths are wanted.
    """
    if contents.fit.attrs.get("study_hash") != study.hash:
        raise ResultError(
            f"This is not a fit of the study {study.name!r} as it stands now; read the study that "
            "was fitted, or fit again."
        )
    latents = contents.latents
    if len(latents) < sims:
        raise ResultError(f"The fit has {len(latents)} draws; give sims of at most that.")
    chosen, near = (
        np.linspace(0, len(latents) - 1, count).round().astype(int)
        for count in (sims, min(NEAR, len(latents)))
    )
    return Known(str(contents.fit.attrs.get("digest", "")), latents[chosen], latents[near])


def printed_again(study: Study, kind: str, latent: Floats, seeds: Seeds) -> DataSet:
    """Print all records of a study again from a truth.

    Parameters
    ----------
    study : Study
    kind : str
        One of `AGAIN`.
    latent : array (latent)
        The truth.
    seeds : Seeds
    """
    world = world_at(lay_out(study), study, latent)
    printed = simulate_records(study, world, seed=seeds.printing, exact=True)
    if kind == ALONE:
        return DataSet(world, printed)
    # of one figure there are now two of the same reporter, which a study is otherwise asked about
    rows = Table(Record, (*study.records, *_renamed(printed.records)))
    return DataSet(world, replace(study, records=rows))


def _renamed(records: Table[Record]) -> Iterator[Record]:
    for record in records:
        table = f"{record.composition}{_AGAIN}" if record.composition else record.composition
        yield replace(record, record=f"{record.record}{_AGAIN}", composition=table)


def world_at(layout: Layout, study: Study, latent: Floats) -> World:
    """Return the true flows and errors that a latent vector stands for.

    Parameters
    ----------
    layout : Layout
        Of the study.
    study : Study
    latent : array (latent)
    """
    equations, years = layout.equations, {YEAR: list(layout.years)}
    level, flow, *_ = observe(states(latent, equations.steps), latent, equations)
    noise, steps = log_noises(equations.errors, latent), equations.steps
    moved = steps.step_mean + steps.step_sd * latent[layout.unknowns.steps_start :]
    learnt = {
        name: xr.DataArray(np.full(len(layout.years), value), dims=YEAR, coords=years)
        for name, value in learnt_logs(equations.errors, latent).items()
    }

    def labelled(values: Floats, dim: str, names: tuple[str, ...]) -> xr.DataArray:
        coords = {**years, dim: np.array(names, dtype=object)}
        return xr.DataArray(values, dims=(YEAR, dim), coords=coords)

    def named(values: Floats, dim: str, names: tuple[str, ...]) -> xr.DataArray:
        return xr.DataArray(values, dims=dim, coords={dim: np.array(names, dtype=object)})

    return World(
        flows=labelled(flow.T, FLOW, layout.flows),
        quantities=labelled(quantity_draws(layout, flow.T), QUANTITY, layout.quantities),
        throughput=xr.DataArray(),
        bias=labelled(level[layout.rows("bias", layout.reporters)].T, REPORTER, layout.reporters),
        noise=named(np.exp(noise[:-1] + noise[-1]), REPORTER, layout.reporters),
        noise_of_all=xr.DataArray(float(np.exp(noise[-1]))),
        shared=labelled(level[layout.rows("shared", layout.shared)].T, SHARED, layout.shared),
        step_scale=named(np.exp(moved), GROUP, STEP_GROUPS),
        unknowns=learnt,
    )
