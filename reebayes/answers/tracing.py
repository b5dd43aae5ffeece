"""Where it came from and where it goes: content traced through the flows of every draw.

What enters a process is taken to be mixed there: every flow out of it holds the same share of each
origin as all that goes in. With M the shares of a process's inflow by the process they come from,
and B those that enter from outside, the origins C of all processes obey C = M C + B, so
C = (I - M)^-1 B, whatever loops there are. Destinations are the same with every flow turned round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

from reebayes.answers.registers import refined_product
from reebayes.conventions import CHAIN, DRAW, FLOW, POSTERIOR, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.results.identity import as_drawn
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.results.selection import Span
from reebayes.wording import suggestion, without_per_year

ORIGIN, DESTINATION = "origin", "destination"

BY_SOURCE, BY_REGION, BY_REGISTERED, BY_REFINED = "source", "region", "registered", "refined_in"
ORIGINS = (BY_SOURCE, BY_REGION, BY_REGISTERED, BY_REFINED)
DESTINATIONS = ("process", "region", "kind")

STOCKS = "stocks"
"""Origin of what comes out of stock: whatever went in years before."""

NOT_REFINED = "not refined"

MIXING = (
    "What enters a process is mixed there: every flow out of it has the same origins as all that "
    "goes in."
)

_AT_ONCE = 8192  # systems that are solved together
_ENDS = ("use", "loss", "environment")

type Floats = NDArray[np.float64]
type Indexes = NDArray[np.int64]


def origins(
    fit: Fit,
    at: str,
    by: str = BY_SOURCE,
    *,
    years: Span = None,
    amounts: bool = False,
    refined: str | None = None,
    group: str = POSTERIOR,
) -> xr.DataArray:
    """Trace where the content at a place came from, in every draw.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    at : str
        A process (all that enters it), a flow, or a quantity that adds flows.
    by : str
        ``"source"`` (every flow out of an environment), ``"region"`` (where it was mined),
        ``"registered"`` (whether a register is meant to count it where it was mined) or
        ``"refined_in"`` (region in which it was last refined). What comes out of stock is an
        origin of its own: nobody knows when it went in.
    years : int or (int, int), optional
        One year, or first and last of several taken together; every year if left out.
    amounts : bool
        Whether to return amounts in place of shares.
    refined : str, optional
        Product whose making counts as refining; ``[report].refined`` of the study if left out.
    group : str
        ``"posterior"`` or ``"prior"``.

    Returns
    -------
    DataArray (chain, draw, year, origin)
        Shares (unit ``fraction``) that add up to 1, NaN where nothing arrives; or amounts in the
        unit of the study. Without year where `years` are given.

    Notes
    -----
    What enters a process is taken to be mixed there. `origin_bounds` tells what holds without that.

    Raises
    ------
    ResultError
        If a name or year is unknown, or the quantity subtracts flows.
    """
    contents = contents_of(fit)
    system = _System.of(contents, by, refined)
    return _traced(contents, system, at, ORIGIN, years, group, amounts=amounts)


def destinations(
    fit: Fit,
    of: str,
    by: str = "process",
    *,
    years: Span = None,
    amounts: bool = False,
    group: str = POSTERIOR,
) -> xr.DataArray:
    """Trace where the content of a place ends: in which use, loss or stock.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    of : str
        A process (all that leaves it), a flow, or a quantity that adds flows.
    by : str
        ``"process"`` (each use, loss or stock), ``"region"`` or ``"kind"`` of it.
    years, amounts, group
        As in `origins`.

    Returns
    -------
    DataArray (chain, draw, year, destination)
        Shares that add up to 1, or amounts; see `origins`.

    Raises
    ------
    ResultError
        If a name or year is unknown, or the quantity subtracts flows.
    """
    contents = contents_of(fit)
    system = _System.ends(contents, by)
    return _traced(contents, system, of, DESTINATION, years, group, amounts=amounts)


def reliance(
    fit: Fit,
    region: str,
    *,
    on: str,
    at: str = "mined",
    years: Span = None,
    refined: str | None = None,
    group: str = POSTERIOR,
) -> xr.Dataset:
    """Tell how much of a region's use comes from another: directly, and traced to its beginning.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    region : str
        Region whose uses are supplied.
    on : str
        Region that they are traced to; it may be the same.
    at : str
        ``"mined"`` or ``"refined"``: which beginning is meant.
    years, refined, group
        As in `origins`.

    Returns
    -------
    Dataset (chain, draw, year)
        ``direct``, the share of the use that crossed the region's border last from `on` (of the
        region itself, the share that was mined there and never left), and ``traced``, the share
        that was mined or refined in `on`, whatever way it took.

    Raises
    ------
    ResultError
        If a region or year is unknown, or the region has no uses.
    """
    contents = contents_of(fit)
    regions = sorted({*contents.processes["region"]} - {""})
    require_known([region, on], regions, "region")
    beginnings = {"mined": BY_REGION, "refined": BY_REFINED}
    require_known([at], beginnings, "beginning")
    uses = contents.processes.index[
        (contents.processes["kind"] == "use") & (contents.processes["region"] == region)
    ]
    into = contents.flows.index[contents.flows["target"].isin(uses)]
    if not len(into):
        raise ResultError(f"Nothing is used in {region!r}.")
    weights = dict.fromkeys(into, 1.0)
    systems = {
        "direct": _System.borders(contents, region),
        "traced": _System.of(contents, beginnings[at], refined),
    }
    found = {}
    for name, system in systems.items():
        shares = _mixed(contents, system, weights, ORIGIN, years, group, amounts=False)
        there = on in system.names
        share = shares.sel({ORIGIN: on}, drop=True) if there else shares.isel({ORIGIN: 0}) * 0
        found[name] = share.drop_vars([ORIGIN, "label", "drawn"], errors="ignore").assign_attrs(
            units="fraction", long_name=f"{region}: {name} share of {on}"
        )
    return xr.Dataset(found, attrs={"assumption": MIXING})


def origin_bounds(
    fit: Fit,
    at: str,
    origin: str,
    *,
    by: str = BY_SOURCE,
    years: Span = None,
    draws: int = 100,
    refined: str | None = None,
) -> xr.Dataset:
    """Bound the share of an origin without assuming that anything is mixed.

    Of each draw the least and the most of the origin that could be at a place is found by a linear
    programme: of every flow any part may be of the origin, as long as what enters a process leaves
    it.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    at, by, refined
        As in `origins`.
    origin : str
        One of the origins that `origins` tells apart.
    years : int or (int, int), optional
        One year, or first and last of several; all years together if left out.
    draws : int
        Posterior draws that are bounded, evenly spaced; a programme a draw and year takes about
        5 ms.

    Returns
    -------
    Dataset (draw)
        ``lower`` and ``upper`` bound of the share, and ``mixed``, the share under mixing, of the
        same draws; attribute ``draws``.

    Raises
    ------
    ResultError
        If a name or year is unknown.
    """
    contents = contents_of(fit)
    system = _System.of(contents, by, refined)
    require_known([origin], system.names, ORIGIN)
    weights = _weights(contents, at, "target")
    flows, _ = _flow_draws(contents, POSTERIOR, years if years is not None else _all(contents))
    every = flows.reshape(-1, *flows.shape[2:])
    chosen = np.unique(np.linspace(0, len(every) - 1, draws).round().astype(int))
    programme = _Programme.of(system, weights, system.names.index(origin))
    ends = np.array([[programme.ends(year) for year in draw] for draw in every[chosen]])
    mixed = system.amounts(every[chosen].reshape(-1, every.shape[-1]), weights)
    mixed = mixed.reshape(len(chosen), -1, len(system.names)).sum(axis=1)
    total = mixed.sum(axis=-1)
    values = {
        "lower": ends[..., 0].sum(axis=1),
        "upper": ends[..., 1].sum(axis=1),
        "mixed": mixed[:, system.names.index(origin)],
    }
    about = {"units": "fraction", "long_name": f"share of {origin} at {at}"}
    return xr.Dataset(
        {name: (DRAW, _over(value, total), about) for name, value in values.items()},
        coords={DRAW: chosen},
        attrs={"draws": len(chosen), "of_draws": len(every), "origin": origin, "at": at},
    )


# --- what is traced -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _System:
    """A graph of flows with an end: flows at which tracing stops, each with the name of its origin.

    ``source`` and ``target`` are those of the direction of tracing: content is followed from the
    target of a flow to its source. ``stops`` holds the origin of each flow, -1 where tracing goes
    on.
    """

    flows: Sequence[str]
    source: Indexes
    target: Indexes
    stops: Indexes
    names: Sequence[str]
    labels: Sequence[str]

    @classmethod
    def of(cls, contents: Contents, by: str, refined: str | None = None) -> _System:
        """Flows out of environments as origins; or, by region of refining, out of refineries."""
        require_known([by], ORIGINS, "way of telling origins apart")
        table, processes = contents.flows, contents.processes
        kinds = processes["kind"]
        stocks = {*table["target"]} & {*kinds.index[kinds == "environment"]}
        product = refined_product(contents, refined) if by == BY_REFINED else ""
        found: dict[str, str] = {}
        for name, row in table.iterrows():
            source, target = str(row["source"]), str(row["target"])
            if kinds[source] == "environment":
                plain = {
                    BY_SOURCE: str(name),
                    BY_REGION: str(processes["region"][target]) or source,
                    BY_REGISTERED: "registered" if row["registered"] else "unregistered",
                    BY_REFINED: NOT_REFINED,
                }[by]
                found[str(name)] = STOCKS if source in stocks and by != BY_SOURCE else plain
            elif by == BY_REFINED and kinds[source] == "conversion" and row["product"] == product:
                found[str(name)] = str(processes["region"][source]) or source
        labels = {str(name): str(row["label"]) for name, row in table.iterrows()}
        return cls._made(contents, found, labels if by == BY_SOURCE else {})

    @classmethod
    def borders(cls, contents: Contents, region: str) -> _System:
        """What crosses the border of a region as origins, by where it comes from."""
        table, processes = contents.flows, contents.processes
        inside = cls.of(contents, BY_REGION)
        found = {
            n: inside.names[k] for n, k in zip(inside.flows, inside.stops, strict=True) if k >= 0
        }
        for name, row in table.iterrows():
            source, target = (str(processes["region"][row[end]]) for end in ("source", "target"))
            crosses = source not in ("", region) and target == region
            if crosses and processes["kind"][row["source"]] != "environment":
                found[str(name)] = source
        return cls._made(contents, found, {})

    @classmethod
    def ends(cls, contents: Contents, by: str) -> _System:
        """Flows into uses, losses and stocks as destinations; content is followed onwards."""
        require_known([by], DESTINATIONS, "way of telling destinations apart")
        processes = contents.processes
        found = {}
        for name, target in contents.flows["target"].items():
            if processes["kind"][target] in _ENDS:
                plain = str(target) if by == "process" else str(processes[by][target])
                found[str(name)] = plain or str(target)
        labels = {str(name): str(label) for name, label in processes["label"].items()}
        return cls._made(contents, found, labels if by == "process" else {}, onwards=True)

    @classmethod
    def _made(
        cls,
        contents: Contents,
        stops: Mapping[str, str],
        labels: Mapping[str, str],
        *,
        onwards: bool = False,
    ) -> _System:
        table = contents.flows
        position = {str(name): number for number, name in enumerate(contents.processes.index)}
        names = list(dict.fromkeys(stops.values()))
        number = {name: k for k, name in enumerate(names)}
        ends = [
            np.array([position[str(name)] for name in table[end]], dtype=np.int64)
            for end in ("source", "target")
        ]
        source, target = ends[::-1] if onwards else ends
        return cls(
            [str(name) for name in table.index],
            source,
            target,
            np.array([number[stops[n]] if n in stops else -1 for n in table.index], dtype=np.int64),
            names,
            [labels.get(name, name) for name in names],
        )

    def inflows(self, node: int) -> Indexes:
        """Flows into a node."""
        return np.flatnonzero(self.target == node)

    @cached_property
    def roots(self) -> Sequence[tuple[int, int]]:
        """Where the origins of each flow are decided: (node, -1) of a mix, or (-1, origin).

        A process with one inflow has the origins of that, so only mixes have to be solved.
        """
        return [self._root(flow) for flow in range(len(self.flows))]

    def _root(self, flow: int) -> tuple[int, int]:
        seen: set[int] = set()
        while self.stops[flow] < 0:
            node = int(self.source[flow])
            into = self.inflows(node)
            if len(into) != 1 or node in seen:  # a mix, a node that nothing enters, or a ring
                return node, -1
            seen.add(node)
            flow = int(into[0])
        return -1, int(self.stops[flow])

    def upstream(self, flows: Sequence[int]) -> list[int]:
        """Nodes that have to be solved for the origins of some flows."""
        found: dict[int, None] = {}
        waiting = [node for flow in flows if (node := self.roots[flow][0]) >= 0]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found[node] = None
                above = (self.roots[flow][0] for flow in self.inflows(node))
                waiting += [other for other in above if other >= 0]
        return sorted(found)

    def amounts(self, flows: Floats, weights: Mapping[str, float]) -> Floats:
        """Amounts (sample, origin) in a weighted sum of flows.

        Parameters
        ----------
        flows : array (sample, flow)
        weights : mapping of flow to weight
        """
        position = {name: number for number, name in enumerate(self.flows)}
        chosen = [position[name] for name in weights]
        nodes = self.upstream(chosen)
        found = np.empty((len(flows), len(self.names)))
        for begin in range(0, len(flows), _AT_ONCE):
            part = flows[begin : begin + _AT_ONCE]
            mixes = self._mixes(part, nodes)
            found[begin : begin + _AT_ONCE] = sum(
                weight * part[:, [flow]] * self._origins(flow, mixes, nodes)
                for flow, weight in zip(chosen, weights.values(), strict=True)
            )
        return found

    def _origins(self, flow: int, mixes: Floats, nodes: Sequence[int]) -> Floats:
        """Shares (sample or 1, origin) of one flow."""
        node, origin = self.roots[flow]
        if node < 0:
            return np.eye(len(self.names))[[origin]]
        return np.asarray(mixes[:, nodes.index(node)])

    def _mixes(self, flows: Floats, nodes: Sequence[int]) -> Floats:
        """Shares (sample, node, origin) of the mixes, each system solved at once."""
        size = len(nodes)
        left = np.zeros((len(flows), size, size))
        right = np.zeros((len(flows), size, len(self.names)))
        row_of = {node: row for row, node in enumerate(nodes)}
        for row, node in enumerate(nodes):
            into = self.inflows(node)
            total = flows[:, into].sum(axis=1)
            scale = np.where(total > 0, total, 1.0)
            for flow in into:
                root, origin = self.roots[flow]
                share = flows[:, flow] / scale
                if root < 0:
                    right[:, row, origin] += share
                else:
                    left[:, row, row_of[root]] -= share
            left[:, row, row] += 1.0
        return np.linalg.solve(left, right)


def _weights(contents: Contents, place: str, end: str) -> dict[str, float]:
    """Flows that a place stands for: a flow, those of a quantity, or those at a process."""
    if place in contents.flows.index:
        return {place: 1.0}
    if place in contents.processes.index:
        there = contents.flows.index[contents.flows[end] == place]
        if not len(there):
            what = "enters" if end == "target" else "leaves"
            raise ResultError(f"Nothing {what} {place!r}.")
        return {str(name): 1.0 for name in there}
    if place not in contents.terms:
        known = [*contents.processes.index, *contents.flows.index, *contents.terms]
        raise ResultError(
            f"Unknown process, flow or quantity {place!r}. {suggestion(place, known)}"
        )
    above, below = contents.terms[place]
    if below or min(above.values()) < 0:
        raise ResultError(f"{place!r} is a ratio or subtracts flows; it has no origins as a whole.")
    return dict(above)


def _traced(
    contents: Contents,
    system: _System,
    place: str,
    dim: str,
    years: Span,
    group: str,
    *,
    amounts: bool,
) -> xr.DataArray:
    weights = _weights(contents, place, "target" if dim == ORIGIN else "source")
    found = _mixed(contents, system, weights, dim, years, group, amounts=amounts)
    what = "amount" if amounts else "share"
    return found.assign_attrs(long_name=f"{what} by {dim} of {place}")


def _mixed(
    contents: Contents,
    system: _System,
    weights: Mapping[str, float],
    dim: str,
    years: Span,
    group: str,
    *,
    amounts: bool,
) -> xr.DataArray:
    """Shares or amounts by origin of a weighted sum of flows."""
    flows, known = _flow_draws(contents, group, years)
    found = system.amounts(flows.reshape(-1, flows.shape[-1]), weights)
    found = found.reshape(*flows.shape[:-1], -1)
    unit = contents.unit
    if isinstance(years, tuple):
        found, unit = found.sum(axis=2, keepdims=True), without_per_year(unit)
    if not amounts:
        found = _over(found, np.broadcast_to(found.sum(axis=-1, keepdims=True), found.shape))
        unit = "fraction"
    draws = contents.group(group)
    coords = {
        **{name: draws[name].values for name in SAMPLE_DIMS},
        YEAR: known[:1] if years is not None else known,
        dim: list(system.names),
        "label": (dim, list(system.labels)),
    }
    array = xr.DataArray(found, coords, (CHAIN, DRAW, YEAR, dim))
    if years is not None:
        array = array.isel({YEAR: 0}, drop=True)
        array.attrs |= {"first_year": known[0], "last_year": known[-1]}
    return as_drawn(array, units=unit, assumption=MIXING)


def _all(contents: Contents) -> tuple[int, int]:
    return contents.years[0], contents.years[-1]


def _flow_draws(contents: Contents, group: str, years: Span) -> tuple[Floats, list[int]]:
    """Draws (chain, draw, year, flow) of all flows in some years, and these years."""
    known = contents.years
    first, last = (years, years) if isinstance(years, int) else years or _all(contents)
    if first not in known or last not in known or first > last:
        raise ResultError(f"Years {first} to {last} are not inside {known[0]} to {known[-1]}.")
    wanted = known[known.index(first) : known.index(last) + 1]
    draws = contents.group(group)["flows"].sel({YEAR: wanted, FLOW: contents.flows.index.tolist()})
    return draws.transpose(CHAIN, DRAW, YEAR, FLOW).values.astype(np.float64), wanted


def _over(above: Floats, below: Floats) -> Floats:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


# --- without mixing -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Programme:
    """Linear programmes for the most and the least of one origin in a sum of flows."""

    variables: Indexes  # flows that matter
    balance: csr_array
    objective: Floats
    fixed: Indexes  # for each variable: 1 of the origin, 0 of another, -1 free

    @classmethod
    def of(cls, system: _System, weights: Mapping[str, float], origin: int) -> _Programme:
        """Balance of the nodes upstream, over the flows that enter or leave them."""
        position = {name: number for number, name in enumerate(system.flows)}
        chosen = [position[name] for name in weights]
        nodes = cls._above(system, chosen)
        into, out = (np.isin(end, nodes) for end in (system.target, system.source))
        # What leaves a node over a stop begins anew beyond it, so there it is a variable twice.
        renewed = np.flatnonzero(out & (system.stops >= 0))
        variables = np.flatnonzero(into | (out & (system.stops < 0)) | _one_of(chosen, into.size))
        column = {int(flow): number for number, flow in enumerate(variables)}
        rows, columns, signs = [], [], []
        for row, node in enumerate(nodes):
            for flow in variables:
                sign = int(system.target[flow] == node)
                sign -= int(system.source[flow] == node and system.stops[flow] < 0)
                if sign:
                    rows.append(row)
                    columns.append(column[int(flow)])
                    signs.append(sign)
        for number, flow in enumerate(renewed):
            rows.append(nodes.index(int(system.source[flow])))
            columns.append(len(variables) + number)
            signs.append(-1)
        size = len(variables) + len(renewed)
        balance = csr_array((signs, (rows, columns)), shape=(len(nodes), size), dtype=float)
        objective = np.zeros(size)
        for name, weight in weights.items():
            objective[column[position[name]]] = weight
        stops = system.stops[variables]
        fixed = np.where(stops < 0, -1, (stops == origin).astype(np.int64))
        fixed = np.concatenate([fixed, np.full(len(renewed), -1)])
        return cls(np.concatenate([variables, renewed]), balance, objective, fixed)

    @staticmethod
    def _above(system: _System, flows: Sequence[int]) -> list[int]:
        """Nodes that content in some flows may have passed."""
        found: set[int] = set()
        waiting = [int(system.source[flow]) for flow in flows if system.stops[flow] < 0]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += [
                    int(system.source[f]) for f in system.inflows(node) if system.stops[f] < 0
                ]
        return sorted(found)

    def ends(self, flows: Floats) -> tuple[float, float]:
        """Least and most of the origin, of the flows of one draw and year."""
        most = flows[self.variables]
        lower = np.where(self.fixed == 1, most, 0.0)
        upper = np.where(self.fixed == 0, 0.0, most)
        scale = max(float(most.max()), 1e-300)
        bounds = np.stack([lower, upper], axis=1) / scale
        found = []
        for sign in (1.0, -1.0):
            answer = linprog(
                sign * self.objective,
                A_eq=self.balance,
                b_eq=np.zeros(self.balance.shape[0]),
                bounds=bounds,
                method="highs",
            )
            if answer.status != 0:
                raise ResultError(f"No bound was found: {answer.message}")
            found.append(sign * float(answer.fun) * scale)
        return found[0], found[1]


def _one_of(chosen: Sequence[int], size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, dtype=bool)
    found[list(chosen)] = True
    return found
