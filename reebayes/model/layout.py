"""A study as arrays: the unknowns, the graph in stage order, the records as sums of flows.

Everything the compiled model, the geometry and the results need to agree on is fixed here once.
No PyMC, no randomness.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from reebayes.model.compositions import Parts, contrasts_of, parts_given_rest
from reebayes.model.kernels import Equations
from reebayes.model.network import graph_of
from reebayes.model.observations import errors_of, figures_of, quantity_weights, sums_of
from reebayes.model.unknowns import (
    Integers,
    Unknowns,
    centres_of,
    learnt_of,
    series_of,
    sorted_columns,
    steps_of,
)
from reebayes.study import Study
from reebayes.study.targets import ALL, NOISE, STEP, STEP_GROUPS, targets_in


@dataclass(frozen=True, slots=True)
class Layout:
    """A study as arrays, with the names that label them.

    ``equations`` are what the kernels take; ``numerators``, ``denominators`` (flow, quantity) and
    ``ratio`` make quantities of flows. ``parts`` are the parts of compositions, each given the
    others.
    """

    years: tuple[int, ...]
    flows: tuple[str, ...]
    quantities: tuple[str, ...]
    reporters: tuple[str, ...]
    shared: tuple[str, ...]
    records: tuple[str, ...]
    unknowns: Unknowns
    equations: Equations
    numerators: csc_array
    denominators: csc_array
    ratio: NDArray[np.bool_]
    parts: Parts

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of the entries of the latent vector."""
        unknowns = self.unknowns
        varying = unknowns.columns[: unknowns.varying]
        constant = unknowns.columns[unknowns.varying : unknowns.varying + unknowns.constant]
        return (
            *(f"{name}[{year}]" for year in self.years for name in varying),
            *constant,
            *targets_in(NOISE, (*self.reporters, ALL)),
            *unknowns.learnt,
            *targets_in(STEP, STEP_GROUPS),
        )

    def rows(self, group: str, names: Sequence[str]) -> Integers:
        """Rows of the levels that hold targets of a group, such as the biases of reporters."""
        columns = self.unknowns.columns
        return np.array([columns.index(t) for t in targets_in(group, names)], dtype=np.int64)


def lay_out(study: Study, *, last: Collection[str] = ()) -> Layout:
    """Arrange a study for computing.

    Parameters
    ----------
    study : Study
        A checked study, as `read_study` returns it.
    last : collection of str, optional
        Records whose terms are to be those given the other parts of their compositions: those that
        are held out.

    Returns
    -------
    Layout
    """
    series = series_of(study)
    columns, varying, constant = sorted_columns(series)
    flows = tuple(flow.flow for flow in study.flows)
    numerators, denominators = quantity_weights(study, flows)
    reporters = len(study.reporters)
    learnt = learnt_of(study)
    unknowns = Unknowns(columns, len(study.years), varying, constant, reporters, learnt)
    contrasts = contrasts_of(study, last)
    sums = sums_of(study, columns, contrasts)
    return Layout(
        years=tuple(study.years),
        flows=flows,
        quantities=tuple(quantity.quantity for quantity in study.quantities),
        reporters=tuple(study.reporters),
        shared=tuple(study.shared),
        records=tuple(record.record for record in study.records),
        unknowns=unknowns,
        equations=Equations(
            steps=steps_of(study, series, columns[:varying]),
            centres=centres_of(study, series, unknowns),
            graph=graph_of(study, columns),
            sums=sums,
            errors=errors_of(study, unknowns, contrasts),
            figures=figures_of(study, sums.offset == 1.0, contrasts),
        ),
        numerators=numerators,
        denominators=denominators,
        ratio=np.array([quantity.is_ratio for quantity in study.quantities]),
        parts=parts_given_rest(study, contrasts),
    )
