"""Scenarios of a study: what each changes, when, and which flows and processes that means."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from reebayes.study.header.scenarios import (
    ADD,
    CAPACITY,
    DEMAND,
    ENDS,
    FACTUAL,
    FLOW,
    KINDS,
    PROCESS,
    QUANTITY,
    ROUTE,
    SCALE,
    SET,
    SHAPES,
    SIZE_FORMS,
    WAYS,
)
from reebayes.study.reading.cells import PERIOD

__all__ = ["ADD", "CAPACITY", "DEMAND", "PROCESS", "SCALE", "SET", "Change", "Scenario", "Size",
           "flows_meant", "names_meant", "processes_meant", "scenario_of", "sources_of",
           "years_of"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """How large a change is: a number, or one that is drawn.

    Parameters
    ----------
    low, middle, high : float
        Quantiles of 5, 50 and 95 %; all the same if it is certain.
    distribution : str
        One of `SIZE_FORMS`, the scale on which it is normal.
    """

    low: float
    middle: float
    high: float
    distribution: str = SIZE_FORMS[1]

    @property
    def is_certain(self) -> bool:
        """Whether it is one number."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a scenario.

    Parameters
    ----------
    place : str
        Where it stands: scenario and number, such as ``no_trade.changes.1``.
    kind, name : str
        What is changed: one of `KINDS`, and which.
    way : str
        One of `WAYS`.
    size : Size
    years : tuple of int
    shape : str
        One of `SHAPES`.
    absorbed_by : str
        One of `ABSORBERS`, or a flow; empty if not given.
    relative : bool
        Whether the size is a multiple of what was.
    """

    place: str
    kind: str
    name: str
    way: str
    size: Size
    years: tuple[int, ...]
    shape: str = SHAPES[0]
    absorbed_by: str = ""
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario with all that it combines.

    Parameters
    ----------
    name, label, why : str
    sources : tuple of str
        Keys of ``sources.csv``.
    years : tuple of int
    closure : str
        One of `CLOSURES`, empty if none is given.
    capacity : Size, optional
        Multiple of its factual throughput that each plant can pass.
    changes : tuple of Change
    """

    name: str
    label: str
    why: str
    sources: tuple[str, ...]
    years: tuple[int, ...]
    closure: str
    capacity: Size | None
    changes: tuple[Change, ...]


def size_of(value: Any) -> Size:
    """Return the size that a number or a table of quantiles states."""
    if not isinstance(value, Mapping):
        return Size(float(value), float(value), float(value))
    low, middle, high = (float(value[end]) for end in ENDS)
    given = SIZE_FORMS[0] if low > 0 else SIZE_FORMS[1]
    return Size(low, middle, high, str(value.get("distribution", given)))


def years_of(value: Any, every: Iterable[int]) -> tuple[int, ...]:
    """Return the years that a year or text such as ``2010-2014;2018`` states; all if None."""
    if value is None:
        return tuple(every)
    if isinstance(value, int):
        return (value,)
    found = [PERIOD.fullmatch(part.strip()) for part in value.split(";")]
    spans = [(int(m[1]), int(m[2] or m[1])) for m in found if m]
    return tuple(year for first, last in spans for year in range(first, last + 1))


def scenario_of(scenarios: Mapping[str, Any], name: str, every: Iterable[int]) -> Scenario:
    """Return a scenario with what it combines.

    Parameters
    ----------
    scenarios : mapping
        The ``[scenarios]`` table, sound.
    name : str
    every : iterable of int
        Years of the study.
    """
    own, every = scenarios[name], tuple(every)
    parts = {part: scenarios[part] for part in (*own.get("combines", ()), name)}
    changes = [
        _change(f"{part}.changes.{number}", change, years_of(table.get("years"), every))
        for part, table in parts.items()
        for number, change in enumerate(table.get("changes", ()), 1)
    ]
    given = {table["closure"]: None for table in parts.values() if "closure" in table}
    capacities = [table["capacity"] for table in parts.values() if "capacity" in table]
    years = {
        year
        for part, table in parts.items()
        if part != name or "years" in table or not own.get("combines")
        for year in years_of(table.get("years"), every)
    }
    return Scenario(
        name=name,
        label=own.get("label", name),
        why=own.get("why", ""),
        sources=tuple(dict.fromkeys(key for table in parts.values() for key in sources_of(table))),
        years=tuple(sorted(years)),
        closure=own.get("closure", next(iter(given), "") if len(given) < 2 else ""),
        capacity=size_of(capacities[-1]) if capacities else None,
        changes=tuple(changes),
    )


def sources_of(table: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of the sources of one scenario."""
    given = table.get("source", ())
    return (given,) if isinstance(given, str) else tuple(given)


def _change(place: str, change: Mapping[str, Any], years: tuple[int, ...]) -> Change:
    kind = next(key for key in KINDS if key in change)
    way = next(key for key in WAYS if key in change)
    return Change(
        place=place,
        kind=kind,
        name=change[kind],
        way=way,
        size=size_of(change[way]),
        years=years_of(change["years"], ()) if "years" in change else years,
        shape=change.get("shape", SHAPES[0]),
        absorbed_by=change.get("absorbed_by", ""),
        relative=change.get("unit") == FACTUAL,
    )


def names_meant(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that a name with ``*`` for any text stands for."""
    return [other for other in known if fnmatchcase(other, name)]


def flows_meant(
    change: Change, routes: Mapping[str, str | None], terms: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the flows that a change is about, none if it is about processes.

    Parameters
    ----------
    change : Change
    routes : mapping of flow to route
        Of every flow; None where it takes none.
    terms : mapping of quantity to flows
    """
    if change.kind == FLOW:
        return [change.name] if change.name in routes else []
    if change.kind == QUANTITY:
        return list(terms.get(change.name, ()))
    if change.kind == ROUTE:
        taken = dict.fromkeys(route for route in routes.values() if route)
        meant = {*names_meant(change.name, taken)}
        return [flow for flow, route in routes.items() if route in meant]
    return []


def processes_meant(change: Change, processes: Iterable[str]) -> list[str]:
    """Return the processes that a change is about."""
    return names_meant(change.name, processes) if change.kind == PROCESS else []
