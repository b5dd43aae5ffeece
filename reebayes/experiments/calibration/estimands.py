"""Test quantities, whose truth is ranked: parameters, flows, sums, the log-likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from reebayes.conventions import FLOW, QUANTITY, REPORTER, SHARED, YEAR
from reebayes.inference.datatree import log_likelihood, quantity_draws
from reebayes.model.layout import Layout
from reebayes.model.observations import learnt_logs
from reebayes.model.unknowns import Floats, learnt_of
from reebayes.simulation.records import record_log_likelihood
from reebayes.simulation.worlds import World
from reebayes.study import Study
from reebayes.study.targets import ALL, STEP_GROUPS

NOISE, BIAS, SHARED_ERROR, STEP = "noise", "bias", "shared error", "step"
FLOW_SUM, YEARLY, SUM, LIKELIHOOD = "flow", "quantity", "sum", "log-likelihood"
FAMILIES = (NOISE, BIAS, SHARED_ERROR, STEP, FLOW_SUM, YEARLY, SUM, LIKELIHOOD)
"""Families of test quantities: multipliers and errors, flows summed over the years, quantities by
year and summed over the years, and the joint log-likelihood of all records. A bias is its mean over
the years; the logs of what else is learnt of errors stand with the noise."""

ALL_RECORDS = "all records"
_STILL = 1e-9


@dataclass(frozen=True, slots=True)
class Estimand:
    """One test quantity: a family of `FAMILIES`, a name in it, a year where it has one."""

    family: str
    name: str
    year: int = 0

    def __str__(self) -> str:
        """Name, and year where there is one."""
        return f"{self.name}[{self.year}]" if self.year else self.name


def reported_quantities(study: Study) -> list[str]:
    """Quantities of the study's report, headline first; all of them where it names none."""
    names = [quantity.quantity for quantity in study.quantities]
    table = study.report.get("table", names)
    return list(dict.fromkeys([*study.headline, *table]))


def list_estimands(study: Study) -> tuple[Estimand, ...]:
    """Every test quantity of a study.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of Estimand
    """
    quantities = reported_quantities(study)
    ratios = {quantity.quantity for quantity in study.quantities if quantity.is_ratio}
    return (
        *(Estimand(NOISE, name) for name in (*study.reporters, ALL)),
        *(Estimand(NOISE, name) for name in learnt_of(study)),
        *(Estimand(BIAS, name) for name in study.reporters),
        *(Estimand(SHARED_ERROR, name) for name in study.shared),
        *(Estimand(STEP, name) for name in STEP_GROUPS),
        *(Estimand(FLOW_SUM, flow.flow) for flow in study.flows),
        *(Estimand(YEARLY, name, year) for name, year in product(quantities, study.years)),
        *(Estimand(SUM, name) for name in quantities if name not in ratios),
        Estimand(LIKELIHOOD, ALL_RECORDS),
    )


def estimands_of_truth(world: World, study: Study, layout: Layout) -> dict[Estimand, Floats]:
    """Test quantities of the simulated truth.

    Parameters
    ----------
    world : World
    study : Study
        With the records simulated from this truth.
    layout : Layout
        Of that study; fixes which reporters and common systematic errors there are.

    Returns
    -------
    dict of Estimand -> array ()
    """
    reporters, shared = list(layout.reporters), list(layout.shared)
    terms = record_log_likelihood(
        study, world.flows, world.bias, world.noise, world.shared, world.freedom
    )
    flows = world.flows.transpose(YEAR, FLOW).sel({FLOW: list(layout.flows)}).values
    return _labelled(layout, {
        "flows": flows,
        "quantities": world.quantities.transpose(YEAR, QUANTITY)
        .sel({QUANTITY: list(layout.quantities)}).values,
        "bias": world.bias.transpose(YEAR, REPORTER).sel({REPORTER: reporters}).values,
        "noise": world.noise.sel({REPORTER: reporters}).values,
        "noise_of_all": world.noise_of_all.values,
        "shared_error": over_years(world.shared).sel({SHARED: shared}).values,
        "step_scale": world.step_scale.values,
        "learnt": {
            name: np.asarray(world.unknowns[name].values[0]) for name in layout.unknowns.learnt
        },
        "log_likelihood": np.asarray(terms.sum()),
    })  # fmt: skip


def over_years(errors: xr.DataArray) -> xr.DataArray:
    """Errors in common (shared); of those that move, the mean over the years."""
    return errors.mean(YEAR) if YEAR in errors.dims else errors


def estimands_of_draws(draws: Mapping[str, Floats], layout: Layout) -> dict[Estimand, Floats]:
    """Test quantities of every draw.

    Parameters
    ----------
    draws : mapping of name -> array (chain, draw, ...)
        As `sampling.draw` returns them.
    layout : Layout

    Returns
    -------
    dict of Estimand -> array (chain, draw)
    """
    likelihood = log_likelihood(layout, draws).sum(axis=-1)
    quantities = quantity_draws(layout, draws["flows"])
    found = {"quantities": quantities, "log_likelihood": likelihood}
    learnt = {"learnt": learnt_logs(layout.equations.errors, draws["latents"])}
    return _labelled(layout, {**draws, **found, **learnt})


def _labelled(layout: Layout, parts: Mapping[str, Any]) -> dict[Estimand, Floats]:
    flows, quantities = parts["flows"], parts["quantities"]
    found = {Estimand(LIKELIHOOD, ALL_RECORDS): parts["log_likelihood"]}
    for family, names, values in (
        (NOISE, layout.reporters, parts["noise"]),
        (NOISE, (ALL,), parts["noise_of_all"][..., None]),
        (BIAS, layout.reporters, parts["bias"].mean(axis=-2)),
        (SHARED_ERROR, layout.shared, parts["shared_error"]),
        (STEP, STEP_GROUPS, parts["step_scale"]),
        (FLOW_SUM, layout.flows, flows.sum(axis=-2)),
        (SUM, layout.quantities, quantities.sum(axis=-2)),
    ):
        found |= {Estimand(family, name): values[..., n] for n, name in enumerate(names)}
    found |= {Estimand(NOISE, name): values for name, values in parts["learnt"].items()}
    for t, year in enumerate(layout.years):
        for n, name in enumerate(layout.quantities):
            found[Estimand(YEARLY, name, year)] = quantities[..., t, n]
    return found


def stacked(estimands: Sequence[Estimand], found: Mapping[Estimand, Floats]) -> Floats:
    """Values (..., estimand) in the order of `estimands`; NaN for one that is not there."""
    shape = next(iter(found.values())).shape
    absent = np.full(shape, np.nan)
    return np.stack([found.get(estimand, absent) for estimand in estimands], axis=-1)


def ranks(truth: Floats, draws: Floats, kept: int) -> np.ndarray:
    """SBC rank of the truth of every test quantity among thinned posterior draws.

    Parameters
    ----------
    truth : array (estimand)
    draws : array (chain, draw, estimand)
    kept : int
        Draws to rank among, spread evenly over each chain.

    Returns
    -------
    array (estimand) of int
        Number of kept draws below the truth, 0 to `kept`; -1 where a test quantity does not
        vary, or does not exist.
    """
    pooled = draws.reshape(-1, draws.shape[-1])
    spread = np.ptp(pooled, axis=0)
    sound = np.isfinite(spread) & np.isfinite(truth)
    sound &= spread > _STILL * np.maximum(np.abs(truth), 1e-6)
    chosen = np.linspace(0, len(pooled) - 1, kept).round().astype(int)
    below = (pooled[chosen] < truth).sum(axis=0)
    return np.where(sound, below, -1)
