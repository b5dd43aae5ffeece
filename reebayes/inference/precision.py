"""Precision of states and constants in blocks, and its Cholesky factor: no matrix of all unknowns.

Records tie some columns of unknowns together and leave others alone, so the precision falls into
parts. Within a part it is banded in years: a year's states touch one another and those of the year
before, constants touch every year. Eliminated in the order of the latent vector (years, then
constants), the factor fills the same blocks, so work and memory grow with the years, and with the
square (the memory) or the cube (the work) of the series in one part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from reebayes.model.kernels import Equations, Graph, Rows
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats, Integers, Unknowns


@dataclass(frozen=True, slots=True)
class Part:
    """Columns of unknowns that records tie together: positions of its series and constants.

    ``records`` are those that do.
    """

    series: Integers
    constants: Integers
    records: Integers

    def places(self, unknowns: Unknowns) -> tuple[Integers, Integers]:
        """Where its states (year, series) and constants stand in the latent vector."""
        years = np.arange(unknowns.years)[:, None] * unknowns.varying
        return years + self.series, unknowns.states + self.constants

    def block_bytes(self, years: int) -> int:
        """Memory of one `Block` of it."""
        series, constants = self.series.size, self.constants.size
        return 8 * (years * series * (2 * series + constants) + constants * constants)


@dataclass(frozen=True, slots=True)
class Block:
    """Precision of one part, or its lower Cholesky factor.

    ``within`` (year, series, series) is among the states of a year, ``before`` (year, series,
    series) of a year (rows) with the year before, 0 in the first; ``border`` (year, constant,
    series) of constants with states, ``corner`` (constant, constant) among constants.
    """

    within: Floats
    before: Floats
    border: Floats
    corner: Floats

    @classmethod
    def zeros(cls, part: Part, years: int) -> Self:
        """Return the block of a part with nothing in it."""
        series, constants = part.series.size, part.constants.size
        square = (years, series, series)
        return cls(np.zeros(square), np.zeros(square), np.zeros((years, constants, series)),
                   np.zeros((constants, constants)))  # fmt: skip

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Its four arrays."""
        return self.within, self.before, self.border, self.corner

    @property
    def diagonals(self) -> tuple[Floats, Floats]:
        """Diagonal entries of states (year, series) and of constants."""
        return np.einsum("tkk->tk", self.within), np.diag(self.corner)

    def blended(self, weight: float, stand_in: Block) -> Block:
        """Return a mean with another precision, whose diagonal is raised to this one's."""
        blend = Block(*(
            (1.0 - weight) * own + weight * other
            for own, other in zip(self.arrays, stand_in.arrays, strict=True)
        ))  # fmt: skip
        own, other = self.diagonals, stand_in.diagonals
        floors = [weight * np.maximum(a - b, 0.0) for a, b in zip(own, other, strict=True)]
        series, constants = np.arange(self.within.shape[1]), np.arange(self.corner.shape[0])
        blend.within[:, series, series] += floors[0]
        blend.corner[constants, constants] += floors[1]
        return blend

    def factor(self) -> Block:
        """Return the lower Cholesky factor.

        Raises
        ------
        LinAlgError
            If the precision is not positive definite.
        """
        lower = Block(*(np.zeros_like(array) for array in self.arrays))
        corner = self.corner.copy()
        for t, here in enumerate(self.within):
            edge = self.border[t]
            if t:
                tied = _right_solved(self.before[t], lower.within[t - 1])
                here = here - tied @ tied.T
                edge = edge - lower.border[t - 1] @ tied.T
                lower.before[t] = tied
            lower.within[t] = cholesky(here, lower=True)
            lower.border[t] = _right_solved(edge, lower.within[t])
            corner -= lower.border[t] @ lower.border[t].T
        lower.corner[:] = cholesky(corner, lower=True) if corner.size else corner
        return lower

    def solve(self, states: Floats, constants: Floats) -> tuple[Floats, Floats]:
        """Return x of L L' x = (states (year, series), constants), where this is the factor L."""
        ahead, rest = np.empty_like(states), constants.copy()
        for t, slope in enumerate(states):
            carried = self.before[t] @ ahead[t - 1] if t else 0.0
            ahead[t] = _solved(self.within[t], slope - carried)
            rest -= self.border[t] @ ahead[t]
        fixed = _solved(self.corner, _solved(self.corner, rest), transposed=True)
        for t in range(len(states) - 1, -1, -1):
            pull = ahead[t] - self.border[t].T @ fixed
            if t + 1 < len(states):
                pull -= self.before[t + 1].T @ ahead[t + 1]
            ahead[t] = _solved(self.within[t], pull, transposed=True)
        return ahead, fixed


def _right_solved(right: Floats, lower: Floats) -> Floats:
    """``right`` times the inverse of the transposed ``lower``."""
    return _solved(lower, right.T).T


def _solved(lower: Floats, right: Floats, *, transposed: bool = False) -> Floats:
    if not right.size:
        return right
    return np.asarray(solve_triangular(lower, right, lower=True, trans=int(transposed)))


@dataclass(frozen=True, slots=True)
class SparseFactor:
    """What a factor holds of any weight: its diagonal, and what is below it by rows and columns."""

    diagonal: Floats
    rows: Rows
    columns: Rows


def nothing_kept(size: int) -> SparseFactor:
    """Return the factor that leaves everything as it is."""
    table = csr_array((size, size), dtype=np.float64)
    return SparseFactor(np.ones(size), _rows(table), _rows(table.tocsc()))


def kept(
    factors: Iterable[tuple[Part, Block]], scales: Floats, unknowns: Unknowns, negligible: float
) -> SparseFactor:
    """Return what factors of all parts hold of any weight.

    Parameters
    ----------
    factors : iterable of (Part, Block)
    scales : array
        Diagonal of the unknowns behind states and constants, which are tied to nothing.
    unknowns : Unknowns
    negligible : float
        Entries that are smaller, over the lesser of the two diagonal ones, are left out.

    Returns
    -------
    SparseFactor
    """
    diagonal = np.concatenate([np.ones(unknowns.scales_start), scales])
    found: list[tuple[Integers, Integers, Floats]] = []
    for part, lower in factors:
        states, constants = part.places(unknowns)
        diagonal[states], diagonal[constants] = lower.diagonals
        for t, place in enumerate(states):
            tables = [(place, place, np.tril(lower.within[t], -1)),
                      (constants, place, lower.border[t])]  # fmt: skip
            if t:
                tables.append((place, states[t - 1], lower.before[t]))
            found += [_weighing(*table, diagonal, negligible) for table in tables]
        found.append(
            _weighing(constants, constants, np.tril(lower.corner, -1), diagonal, negligible)
        )
    empty = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    row, column, weight = (np.concatenate(arrays) for arrays in zip(*found, empty, strict=True))
    table = coo_array((weight, (row, column)), shape=(unknowns.size, unknowns.size))
    return SparseFactor(diagonal, _rows(table.tocsr()), _rows(table.tocsc()))


def _weighing(
    rows: Integers, columns: Integers, table: Floats, diagonal: Floats, negligible: float
) -> tuple[Integers, Integers, Floats]:
    """Rows, columns and values of the entries of a table that are not negligible."""
    smaller = np.minimum(diagonal[rows][:, None], diagonal[columns])
    row, column = np.nonzero(np.abs(table) > negligible * smaller)
    return rows[row], columns[column], table[row, column]


def _rows(table: csr_array) -> Rows:
    """Return a sparse table as the kernels take it, each row (or column) in ascending order."""
    table.sort_indices()
    return Rows(table.indptr.astype(np.int64), table.indices.astype(np.int64), table.data)


# --- which unknowns records tie together ----------------------------------------------------------


def parts_of(layout: Layout) -> tuple[Part, ...]:
    """Return the parts of a study: columns that no record ties to those of another part.

    A record depends on every input and every split on the way to the flows that it adds up, and on
    the biases and common errors that shift it. Noise and step multipliers, which touch all, are
    no part of any.

    Parameters
    ----------
    layout : Layout

    Returns
    -------
    tuple of Part
        Together they hold every column that is not fixed, once.
    """
    unknowns, equations = layout.unknowns, layout.equations
    free = unknowns.varying + unknowns.constant
    edges = [*_ties_of_flows(equations, len(layout.years)), *_ties_of_columns(equations)]
    columns = len(unknowns.columns)
    size = columns + equations.graph.order.size + len(layout.records)
    tail, head = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    # a fixed column is no unknown, and ties nothing
    live = ~((tail < columns) & (tail >= free) | (head < columns) & (head >= free))
    links = coo_array((np.ones(live.sum()), (tail[live], head[live])), shape=(size, size))
    label = connected_components(links, directed=False)[1]
    owner = label[size - len(layout.records) :]
    parts = []
    for part in dict.fromkeys(label[:free].tolist()):
        column = np.flatnonzero(label[:free] == part)
        series, constants = column[column < unknowns.varying], column[column >= unknowns.varying]
        parts.append(Part(series, constants - unknowns.varying, np.flatnonzero(owner == part)))
    return tuple(parts)


type Ties = tuple[Integers, Integers]
"""Pairs of nodes that belong together: columns, then processes, then records."""


def _ties_of_columns(equations: Equations) -> Iterable[Ties]:
    """Columns that move with a trade route, and inflows with the yield of what they become."""
    centres = equations.centres
    routed = np.flatnonzero(centres.on_route)
    return (routed, centres.route[routed]), (centres.driven, centres.loss)


def _ties_of_flows(equations: Equations, years: int) -> Iterable[Ties]:
    """Records with what they add up, and processes on the way to a record with what moves them."""
    graph, sums = equations.graph, equations.sums
    columns, processes = equations.centres.mean.shape[0], graph.order.size
    source = _sources(graph)
    for rows in (sums.above, sums.below):
        record = np.repeat(np.arange(rows.start.size - 1), np.diff(rows.start))
        flow = rows.index // years
        entering = graph.exogenous[flow]
        node = np.where(entering, graph.column[flow], columns + source[flow])
        yield node, columns + processes + record
    record = np.repeat(np.arange(sums.shift.start.size - 1), np.diff(sums.shift.start))
    yield sums.shift.index // years, columns + processes + record
    seen = _observed(graph, source, sums.above.index // years, sums.below.index // years)
    into = np.flatnonzero(graph.exogenous & seen[graph.target])
    yield graph.column[into], columns + graph.target[into]
    inner = np.flatnonzero(~graph.exogenous)
    ahead = inner[seen[graph.target[inner]]]
    yield columns + source[ahead], columns + graph.target[ahead]
    split = inner[seen[source[inner]] & (graph.column[inner] >= 0)]
    yield graph.column[split], columns + source[split]


def _sources(graph: Graph) -> Integers:
    """Process that each flow leaves; -1 for one that enters the system."""
    source = np.full(graph.column.size, -1, dtype=np.int64)
    source[graph.out_flow] = np.repeat(
        np.arange(graph.out_start.size - 1), np.diff(graph.out_start)
    )
    return source


def _observed(graph: Graph, source: Integers, *flows: Integers) -> np.ndarray:
    """Whether a record adds up flows out of a process, or of any that it passes on to."""
    seen = np.zeros(graph.order.size, dtype=bool)
    recorded = np.concatenate(flows)
    seen[source[recorded[~graph.exogenous[recorded]]]] = True
    inner = np.flatnonzero(~graph.exogenous)
    while True:
        back = source[inner[seen[graph.target[inner]]]]
        if seen[back].all():
            return seen
        seen[back] = True
