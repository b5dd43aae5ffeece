"""What the checks need to know of a study: its names, its years and what is active when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from reebayes.errors import Fault
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.reading.cells import Entry
from reebayes.study.rows import PARTS, Flow, Process, Term, route_name
from reebayes.wording import nearest, quoted, suggestion


@dataclass(frozen=True, slots=True)
class Edge:
    """A flow between processes that exist, with the study years in which it is active."""

    entry: Entry[Flow]
    source: str
    target: str
    years: frozenset[int]

    @property
    def name(self) -> str:
        """Name of the flow."""
        return self.entry.item.flow


@dataclass(frozen=True)
class Context:
    """Names and activity of a study, built from whatever could be read.

    ``edges`` lacks flows whose ends are no processes; ``flows`` has them all. Where a name is
    misspelt the nearest valid one stands in, so that one slip gives one fault. ``linked`` is false
    where a whole column of flows is missing, so that nobody knows what enters or leaves.
    """

    years: tuple[int, ...]
    processes: dict[str, Entry[Process]]
    flows: tuple[str, ...]
    edges: dict[str, Edge]
    terms: dict[str, list[Entry[Term]]]
    linked: bool = True

    def kind(self, process: str) -> str:
        """Return the kind of a process, empty if it could not be read."""
        entry = self.processes[process]
        return "" if unreadable(entry, "kind") else entry.item.kind

    def outflows(self, process: str) -> list[Edge]:
        """Return the flows that leave a process."""
        return [edge for edge in self.edges.values() if edge.source == process]

    def inflows(self, process: str) -> list[Edge]:
        """Return the flows that enter a process."""
        return [edge for edge in self.edges.values() if edge.target == process]

    @cached_property
    def routes(self) -> tuple[str, ...]:
        """Return the trade routes that flows take between regions."""
        found = (self.route(edge) for edge in self.edges.values())
        return tuple(dict.fromkeys(name for name in found if name is not None))

    def route(self, edge: Edge) -> str | None:
        """Return the route of a flow out of a market into another region, None for any other."""
        if self.kind(edge.source) != "market":
            return None
        ends = (self.processes[edge.source].item.region, self.processes[edge.target].item.region)
        return route_name(*ends, registered=edge.entry.item.registered)

    def is_ratio(self, quantity: str) -> bool:
        """Return whether a quantity has a denominator."""
        return any(entry.item.part == "den" for entry in self.terms[quantity])

    def has_parts(self, quantity: str) -> bool:
        """Return whether it is known of every term of a quantity to which part it belongs."""
        return not any(unreadable(entry, "part") for entry in self.terms[quantity])

    def has_negative(self, quantity: str, *parts: str) -> bool:
        """Return whether a quantity subtracts a flow, in some of its parts or in any."""
        terms = (entry.item for entry in self.terms[quantity])
        return any(term.weight < 0 and term.part in (parts or PARTS) for term in terms)

    def quantity_years(self, quantity: str) -> set[int]:
        """Return the years in which a quantity can be positive (every part has an active flow)."""
        return set.intersection(*self.part_years(quantity).values())

    def part_years(self, quantity: str) -> dict[str, set[int]]:
        """Return the years in which each part of a quantity has an active flow."""
        active: dict[str, set[int]] = {}
        for entry in self.terms[quantity]:
            term = entry.item
            flow = term.flow if term.flow in self.edges else nearest(term.flow, self.edges)
            years = self.edges[flow].years if flow is not None else frozenset(self.years)
            active.setdefault(term.part, set()).update(years)
        return active


def build_context(draft: Draft) -> Context:
    """Return the names and activity of a draft."""
    processes = _first(draft.processes, "process")
    first, last = draft.header.years or _span(draft.flows)
    years = tuple(range(first, last + 1))
    edges = {}
    for name, entry in _first(draft.flows, "flow").items():
        flow = entry.item
        source = flow.source if flow.source in processes else nearest(flow.source, processes)
        target = flow.target if flow.target in processes else nearest(flow.target, processes)
        if source is not None and target is not None:
            edges[name] = Edge(entry, source, target, _active(entry, years))
    terms: dict[str, list[Entry[Term]]] = {}
    for term in draft.terms:
        if term.item.quantity:
            terms.setdefault(term.item.quantity, []).append(term)
    flows = tuple(entry.item.flow for entry in draft.flows if entry.item.flow)
    linked = draft.has("flows.csv", "flow", "source", "target")
    return Context(years, processes, flows, edges, terms, linked)


def unknown_name(
    table: str, entry: Entry[Any], column: str, names: Iterable[str], *, noun: str
) -> Fault | None:
    """Return the fault of a cell that should name a `noun` and does not, None if it does."""
    name = getattr(entry.item, column)
    known = [name for name in names if name]
    if unreadable(entry, column) or name in known or not known:
        return None
    message = f"unknown {noun} {quoted(name)}. {suggestion(name, known)}"
    return Fault(entry.file or table, entry.row, column, name, message)


def unknown_quantity(table: str, entry: Entry[Any], context: Context) -> Fault | None:
    """Return the fault of a cell that should name a quantity and does not, None if it does."""
    fault = unknown_name(table, entry, "quantity", context.terms, noun="quantity")
    if fault is None:
        return None
    return replace(fault, message=unknown_text(fault.value, context))


def unknown_text(name: str, context: Context) -> str:
    """Return what is said of a name that is no quantity, and what to write if it is a flow."""
    if name in context.flows:
        return (
            f"{quoted(name)} is a flow and no quantity; write a row '{name},num,{name},1' into "
            "quantities.csv"
        )
    return f"unknown quantity {quoted(name)}. {suggestion(name, context.terms)}"


def place(entry: Entry[Any], name: str) -> str:
    """Return how a message refers to another row: by its line, or by name if it has none."""
    if entry.row is None:
        return quoted(name)
    return f"row {entry.row} of {entry.file}" if entry.file else f"row {entry.row}"


def listing(names: Sequence[str], *, show: int = 6) -> str:
    """Return names in a row, the tail of a long list cut."""
    more = f" and {len(names) - show} more" if len(names) > show else ""
    return ", ".join(names[:show]) + more


def _first[T](entries: Iterable[Entry[T]], key: str) -> dict[str, Entry[T]]:
    """Return the first entry of every name; later ones are faults of their own."""
    found: dict[str, Entry[T]] = {}
    for entry in entries:
        if name := getattr(entry.item, key):
            found.setdefault(name, entry)
    return found


def _active(entry: Entry[Flow], years: tuple[int, ...]) -> frozenset[int]:
    if unreadable(entry, "active"):
        return frozenset(years)
    return frozenset(year for year in years if entry.item.is_active(year))


def _span(flows: Iterable[Entry[Flow]]) -> tuple[int, int]:
    """Return first and last active year, to stand in for unreadable years of the study."""
    years = [year for entry in flows for span in entry.item.active for year in span]
    return (min(years), max(years)) if years else (0, 0)
