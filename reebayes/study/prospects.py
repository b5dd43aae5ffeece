"""The nouns of what is to come: projects, plans and what became of them, reserves, projections.

Nothing that is fitted depends on them; an outlook does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reebayes.study.rows import MASS_SCALES

OPERATING, CONSTRUCTION, PLANNED = "operating", "construction", "planned"
BLOCKED, RESOURCE = "blocked", "resource only"
PROJECT_STATUSES = (OPERATING, CONSTRUCTION, PLANNED, BLOCKED, RESOURCE)
"""Statuses of projects, the surest first."""

COMING = (CONSTRUCTION, PLANNED)
"""Statuses of projects that may start."""

DEMAND_OF, SUPPLY_OF = "demand", "supply"
PROJECTED = (DEMAND_OF, SUPPLY_OF)
"""What a published projection is of."""


def _scale(unit: str) -> float:
    return MASS_SCALES.get(unit.partition(" ")[0], 1.0)


@dataclass(frozen=True, slots=True)
class Project:
    """A mine or deposit as it stood in some year: one row for each time that it was looked at.

    ``flow`` is the flow of the study that its output adds to; a project without one, or without a
    ``capacity``, is listed and takes no part in an outlook. ``start`` is the year in which it
    started, or is said to.

    Examples
    --------
    >>> import reebayes as rb
    >>> project = rb.read_study().projects[0]
    >>> project.project, project.country, project.status
    ('Araxa', 'Brazil', 'resource only')
    """

    project: str
    as_of: int
    country: str
    region: str
    flow: str
    ore_class: str
    status: str
    capacity: float | None
    unit: str
    start: int | None
    product: str
    resource: float | None
    latitude: float | None
    longitude: float | None
    source: str
    note: str = ""

    @property
    def output(self) -> float:
        """Capacity in the unit of the study; 0 if none is stated."""
        return 0.0 if self.capacity is None else self.capacity * _scale(self.unit)


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A plan of the past and what became of it.

    ``status`` is that of the project when its start was planned. ``started`` is empty if it had not
    by ``observed``, the last year for which that is known. ``reached`` is what it yielded in
    ``reached_year``.

    Examples
    --------
    >>> import reebayes as rb
    >>> case = rb.read_study().planned_cases["mountain_pass_2012"]
    >>> case.project, case.planned_start, case.planned, case.reached
    ('Mountain Pass', 2012, 40.0, 5.4)
    """

    case: str
    project: str
    as_of: int
    status: str
    planned_start: int
    planned: float | None
    unit: str
    started: int | None
    reached: float | None
    reached_year: int | None
    observed: int
    source: str
    outcome_source: str
    note: str = ""

    @property
    def closed(self) -> int:
        """Year in which all that the row tells was known."""
        return max(self.observed, self.reached_year or self.observed)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Reserves of a country, or of a deposit in it, as one edition of a survey states them.

    Examples
    --------
    >>> import reebayes as rb
    >>> reserve = rb.read_study().reserves[0]
    >>> reserve.country, reserve.edition, reserve.value, reserve.unit
    ('Australia', 2004, 5.2, 'Mt REO')
    """

    country: str
    edition: int
    value: float
    unit: str
    status: str
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class DemandGrowth:
    """How fast some uses are thought to grow, as quantiles of the rate a year.

    ``uses`` is the name of a use, or a pattern such as ``use_*_magnets``. ``as_of`` is the year in
    which it was, or could have been, thought.

    Examples
    --------
    >>> import reebayes as rb
    >>> growth = rb.read_study().demand_growth[0]
    >>> growth.uses, growth.as_of, growth.middle
    ('use_*', 2010, 0.05)
    """

    uses: str
    as_of: int
    low: float
    middle: float
    high: float
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Projection:
    """A published projection: set beside an outlook, never used in one.

    ``quantity`` is what of the study it is about; empty if nothing in it is counted alike. It has a
    ``value``, or a range from ``low`` to ``high``.

    Examples
    --------
    >>> import reebayes as rb
    >>> one = rb.read_study().projections[0]
    >>> one.quantity, one.vintage, one.year, one.unit
    ('consumed_world', 2010, 2010, 't REO')
    """

    projection: str
    what: str
    scope: str
    quantity: str
    vintage: int
    year: int
    value: float | None
    low: float | None
    high: float | None
    unit: str
    source: str
    note: str = ""

    @property
    def stated(self) -> tuple[float, ...]:
        """Its value in the unit of the study, or the two ends of its range."""
        numbers = (self.value, self.low, self.high)
        return tuple(number * _scale(self.unit) for number in numbers if number is not None)


def newest(projects: Iterable[Project]) -> list[Project]:
    """Return how each project stood when it was last looked at."""
    found: dict[str, Project] = {}
    for project in projects:
        if project.project not in found or found[project.project].as_of < project.as_of:
            found[project.project] = project
    return list(found.values())
