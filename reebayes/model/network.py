"""Who flows where, in the order in which the mass balance is solved."""

from __future__ import annotations

import graphlib
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from reebayes.model.kernels import Graph
from reebayes.model.unknowns import Integers, drivers_of, is_exogenous
from reebayes.study import Study


def graph_of(study: Study, columns: Sequence[str]) -> Graph:
    """Return who flows where, in stage order; a flow that a product drives has its column.

    A flow that is tied to another has its column, too, or is a reference category like it; one that
    has a prior of its own has a column of its own, which adds to that.
    """
    position = {process.process: n for n, process in enumerate(study.processes)}
    column = {name: n for n, name in enumerate(columns)}
    for inflow, product in drivers_of(study).items():
        column[inflow] = column.pop(product)
    tied = [flow for flow in study.flows if flow.tied in column and flow.flow not in column]
    column |= {flow.flow: column[flow.tied] for flow in tied}
    source = np.array([position[flow.source] for flow in study.flows], dtype=np.int64)
    target = np.array([position[flow.target] for flow in study.flows], dtype=np.int64)
    exogenous = np.array([is_exogenous(study, flow) for flow in study.flows])
    order, stage_start = _stages(source[~exogenous], target[~exogenous], len(position))
    inner = np.flatnonzero(~exogenous)
    out_flow = inner[np.argsort(source[inner], kind="stable")]
    counts = np.bincount(source[inner], minlength=len(position))
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return Graph(
        column=np.array([column.get(flow.flow, -1) for flow in study.flows], dtype=np.int64),
        exogenous=exogenous,
        active=np.array([[flow.is_active(y) for y in study.years] for flow in study.flows]),
        target=target,
        order=order,
        place=place,
        stage_start=stage_start,
        out_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        out_flow=out_flow.astype(np.int64),
    )


def _stages(source: Integers, target: Integers, size: int) -> tuple[Integers, Integers]:
    """Order processes so that flows run forward between stages; a stage is a process or a cycle."""
    links = csr_array((np.ones(source.size), (source, target)), shape=(size, size))
    count, label = connected_components(links, directed=True, connection="strong")
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    for stage in range(count):
        sorter.add(stage)
    for tail, head in zip(label[source], label[target], strict=True):
        if tail != head:
            sorter.add(int(head), int(tail))
    stages = [_eliminated(np.flatnonzero(label == stage), links) for stage in sorter.static_order()]
    order = np.concatenate(stages).astype(np.int64)
    start = np.cumsum([0, *(stage.size for stage in stages)])
    return order, start.astype(np.int64)


def _eliminated(members: Integers, links: csr_array) -> Integers:
    """Order a cycle's processes so that solving it fills few gaps: the least linked one first."""
    linked = links[members][:, members].toarray() > 0
    np.fill_diagonal(linked, val=False)
    left, order = list(range(members.size)), []
    while left:
        inner = linked[np.ix_(left, left)]
        least = left[int(np.argmin(inner.sum(axis=0) * inner.sum(axis=1)))]
        left.remove(least)
        order.append(least)
        linked |= np.outer(linked[:, least], linked[least])
        np.fill_diagonal(linked, val=False)
    return members[order]
