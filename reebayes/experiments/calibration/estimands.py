"""The numbers whose ranks are taken: parameters, flows, quantities, sums, the log-likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from reebayes.conventions import FLOW, QUANTITY, REPORTER, SHARED, YEAR
from reebayes.inference.datatree import quantity_draws
from reebayes.model.kernels import record_terms
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats
from reebayes.simulation.records import record_log_likelihood
from reebayes.simulation.worlds import World
from reebayes.study import Study
from reebayes.study.targets import ALL, STEP_GROUPS

NOISE, BIAS, SHARED_ERROR, STEP = "noise", "bias", "shared error", "step"
FLOW_SUM, YEARLY, SUM, LIKELIHOOD = "flow", "quantity", "sum", "log-likelihood"
FAMILIES = (NOISE, BIAS, SHARED_ERROR, STEP, FLOW_SUM, YEARLY, SUM, LIKELIHOOD)
"""Families of figures: multipliers and errors, flows summed over the years, quantities by year and
summed over the years, and the joint log-likelihood of all records. A bias is its mean over years.
"""

ALL_RECORDS = "all records"
_STILL = 1e-9


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a world: a family of `FAMILIES`, a name in it, a year where it has one."""

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
    return list(dict.fromkeys([*headline_quantities(study), *table]))


def headline_quantities(study: Study) -> list[str]:
    """The quantities that a reader looks at first."""
    names = [quantity.quantity for quantity in study.quantities]
    return list(study.report.get("headline", names[:3]))


def list_figures(study: Study) -> tuple[Figure, ...]:
    """Every figure of a study that calibration looks at.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of Figure
    """
    quantities = reported_quantities(study)
    ratios = {quantity.quantity for quantity in study.quantities if quantity.is_ratio}
    return (
        *(Figure(NOISE, name) for name in (*study.reporters, ALL)),
        *(Figure(BIAS, name) for name in study.reporters),
        *(Figure(SHARED_ERROR, name) for name in study.shared),
        *(Figure(STEP, name) for name in STEP_GROUPS),
        *(Figure(FLOW_SUM, flow.flow) for flow in study.flows),
        *(Figure(YEARLY, name, year) for name, year in product(quantities, study.years)),
        *(Figure(SUM, name) for name in quantities if name not in ratios),
        Figure(LIKELIHOOD, ALL_RECORDS),
    )


def figures_of_world(world: World, study: Study, layout: Layout) -> dict[Figure, Floats]:
    """Figures of the planted truth.

    Parameters
    ----------
    world : World
    study : Study
        With the records that this world printed.
    layout : Layout
        Of that study; fixes which reporters and shared errors there are.

    Returns
    -------
    dict of Figure -> array ()
    """
    reporters, shared = list(layout.reporters), list(layout.shared)
    terms = record_log_likelihood(study, world.flows, world.bias, world.noise, world.shared)
    flows = world.flows.transpose(YEAR, FLOW).sel({FLOW: list(layout.flows)}).values
    return _labelled(layout, {
        "flows": flows,
        "quantities": world.quantities.transpose(YEAR, QUANTITY)
        .sel({QUANTITY: list(layout.quantities)}).values,
        "bias": world.bias.transpose(YEAR, REPORTER).sel({REPORTER: reporters}).values,
        "noise": world.noise.sel({REPORTER: reporters}).values,
        "noise_of_all": world.noise_of_all.values,
        "shared_error": world.shared.sel({SHARED: shared}).values,
        "step_scale": world.step_scale.values,
        "log_likelihood": np.asarray(terms.sum()),
    })  # fmt: skip


def figures_of_draws(draws: Mapping[str, Floats], layout: Layout) -> dict[Figure, Floats]:
    """Figures of every draw.

    Parameters
    ----------
    draws : mapping of name -> array (chain, draw, ...)
        As `sampling.draw` returns them.
    layout : Layout

    Returns
    -------
    dict of Figure -> array (chain, draw)
    """
    location, scale = draws["location"], draws["scale"]
    likelihood = np.empty(location.shape[:2])
    for at in np.ndindex(likelihood.shape):
        likelihood[at] = record_terms(location[at], scale[at], layout.equations.figures).sum()
    quantities = quantity_draws(layout, draws["flows"])
    return _labelled(layout, {**draws, "quantities": quantities, "log_likelihood": likelihood})


def _labelled(layout: Layout, parts: Mapping[str, Any]) -> dict[Figure, Floats]:
    flows, quantities = parts["flows"], parts["quantities"]
    found = {Figure(LIKELIHOOD, ALL_RECORDS): parts["log_likelihood"]}
    for family, names, values in (
        (NOISE, layout.reporters, parts["noise"]),
        (NOISE, (ALL,), parts["noise_of_all"][..., None]),
        (BIAS, layout.reporters, parts["bias"].mean(axis=-2)),
        (SHARED_ERROR, layout.shared, parts["shared_error"]),
        (STEP, STEP_GROUPS, parts["step_scale"]),
        (FLOW_SUM, layout.flows, flows.sum(axis=-2)),
        (SUM, layout.quantities, quantities.sum(axis=-2)),
    ):
        found |= {Figure(family, name): values[..., n] for n, name in enumerate(names)}
    for t, year in enumerate(layout.years):
        for n, name in enumerate(layout.quantities):
            found[Figure(YEARLY, name, year)] = quantities[..., t, n]
    return found


def stacked(figures: Sequence[Figure], found: Mapping[Figure, Floats]) -> Floats:
    """Values (..., figure) in the order of `figures`; NaN for a figure that is not there."""
    shape = next(iter(found.values())).shape
    absent = np.full(shape, np.nan)
    return np.stack([found.get(figure, absent) for figure in figures], axis=-1)


def ranks(truth: Floats, draws: Floats, kept: int) -> np.ndarray:
    """Rank of every true figure among draws thinned to as many as are told.

    Parameters
    ----------
    truth : array (figure)
    draws : array (chain, draw, figure)
    kept : int
        Draws to rank among, spread evenly over each chain.

    Returns
    -------
    array (figure) of int
        Number of kept draws below the truth, 0 to `kept`; -1 where a figure does not move, or
        does not exist.
    """
    pooled = draws.reshape(-1, draws.shape[-1])
    spread = np.ptp(pooled, axis=0)
    sound = np.isfinite(spread) & np.isfinite(truth)
    sound &= spread > _STILL * np.maximum(np.abs(truth), 1e-6)
    chosen = np.linspace(0, len(pooled) - 1, kept).round().astype(int)
    below = (pooled[chosen] < truth).sum(axis=0)
    return np.where(sound, below, -1)
