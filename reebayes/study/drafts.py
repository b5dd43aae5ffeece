"""A study as read, before it is known to be sound."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reebayes.errors import Fault
from reebayes.study.columns import TableSchema, read_row
from reebayes.study.hashing import SCHEMAS
from reebayes.study.header.frozen import Settings
from reebayes.study.header.settings import TABLE, Header, read_header
from reebayes.study.prospects import DemandGrowth, PlannedCase, Project, Projection, Reserve
from reebayes.study.reading.cells import Cells, Entry
from reebayes.study.reading.csvfiles import FaultList, is_bare, read_lines
from reebayes.study.rows import (
    Assay,
    Estimate,
    Flow,
    Indicator,
    Label,
    Lane,
    Material,
    Partner,
    Prior,
    Process,
    PublishedElement,
    PublishedIndicator,
    Quantity,
    Record,
    Source,
    Term,
    quantities_of,
)
from reebayes.study.schema import SCHEMA
from reebayes.study.table import Table

FIELDS: Mapping[str, str] = {
    **dict.fromkeys(SCHEMA, "terms"),
    **{schema.file: title for title, schema in SCHEMAS.items()},
}
"""Field of a draft that holds a table, by the name of its file."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A directory of tables that adds to a study, as far as it could be read.

    ``at`` is how faults name the directory; ``tables`` holds file and rows of every table that it
    has, ``header`` what its ``study.toml`` says.
    """

    name: str
    folder: Path = field(compare=False)
    at: str
    tables: tuple[tuple[str, tuple[Entry[Any], ...]], ...] = ()
    header: Settings = field(default_factory=Settings)

    def rows(self, file: str) -> tuple[Entry[Any], ...]:
        """Return the rows of a table, none if it has no such table."""
        return dict(self.tables).get(file, ())


@dataclass(slots=True)
class Draft:
    """Rows of every table as far as they could be read, and the faults met so far.

    ``broken`` holds table and line of rows of the wrong length, whose cells cannot be trusted.
    ``lacking`` holds the columns that a table should have and has not; of a table that could not
    be read at all, every one. ``loaded`` are the extensions whose rows are in the tables,
    ``additions`` those that variants add, and ``shelf`` names all that there are.
    """

    header: Header
    processes: list[Entry[Process]] = field(default_factory=list)
    flows: list[Entry[Flow]] = field(default_factory=list)
    terms: list[Entry[Term]] = field(default_factory=list)
    records: list[Entry[Record]] = field(default_factory=list)
    priors: list[Entry[Prior]] = field(default_factory=list)
    sources: list[Entry[Source]] = field(default_factory=list)
    published: list[Entry[Estimate]] = field(default_factory=list)
    indicators: list[Entry[Indicator]] = field(default_factory=list)
    published_indicators: list[Entry[PublishedIndicator]] = field(default_factory=list)
    labels: list[Entry[Label]] = field(default_factory=list)
    assays: list[Entry[Assay]] = field(default_factory=list)
    materials: list[Entry[Material]] = field(default_factory=list)
    published_elements: list[Entry[PublishedElement]] = field(default_factory=list)
    partners: list[Entry[Partner]] = field(default_factory=list)
    lanes: list[Entry[Lane]] = field(default_factory=list)
    projects: list[Entry[Project]] = field(default_factory=list)
    planned_cases: list[Entry[PlannedCase]] = field(default_factory=list)
    reserves: list[Entry[Reserve]] = field(default_factory=list)
    demand_growth: list[Entry[DemandGrowth]] = field(default_factory=list)
    projections: list[Entry[Projection]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    broken: set[tuple[str, int | None]] = field(default_factory=set)
    lacking: dict[str, frozenset[str]] = field(default_factory=dict)
    loaded: tuple[Extension, ...] = ()
    additions: tuple[Extension, ...] = ()
    shelf: tuple[str, ...] = ()

    def has(self, table: str, *columns: str) -> bool:
        """Return whether a table has some columns, so that what is missing in them is missing."""
        return self.lacking.get(table, frozenset()).isdisjoint(columns)

    def rows(self, file: str) -> list[Entry[Any]]:
        """Return the rows of a table by the name of its file."""
        rows: list[Entry[Any]] = getattr(self, FIELDS[file])
        return rows

    @property
    def tables(self) -> dict[str, Table[Any]]:
        """Tables of a study with these rows, by the names of its fields."""
        found: dict[str, Table[Any]] = {
            title: Table(schema.row, (entry.item for entry in self.rows(schema.file)))
            for title, schema in SCHEMAS.items()
        }
        return found | {
            "quantities": Table(Quantity, quantities_of(entry.item for entry in self.terms))
        }


def draft_of(header: Header, study: Any, additions: Iterable[Extension] = ()) -> Draft:
    """Return the rows of a study as a draft to check; they have no line in any file."""
    draft = Draft(header, additions=tuple(additions))
    for title, schema in SCHEMAS.items():
        draft.rows(schema.file).extend(Entry(None, row) for row in getattr(study, title))
    draft.terms += [Entry(None, term) for one in study.quantities for term in one.terms]
    return draft


def read_draft(path: Path) -> Draft:
    """Read every table of the study directory `path`, noting what cannot be read."""
    header, faults = read_header(path / TABLE)
    draft = Draft(header, faults=faults)
    for table in SCHEMA.values():
        if not table.optional or (path / table.file).exists():
            draft.rows(table.file).extend(read_table(path, table, draft))
    return draft


def read_table(
    path: Path, table: TableSchema, draft: Draft, at: str | None = None
) -> list[Entry[Any]]:
    """Read one table of a study, or of an extension whose faults are told as those of `at`.

    What is wrong with it is noted in the draft.
    """
    file = table.file if at is None else f"{at}/{table.file}"
    found, ignored = FaultList(file), FaultList(file)
    lines = read_lines(path / table.file, table.needed, table.extra, found, only=at is not None)
    unread = bool(found.faults) and not lines and not is_bare(found.faults)
    every = frozenset(column.name for column in table.columns)
    lacking = every if unread else lines[0].lacking if lines else frozenset()
    draft.lacking[table.file] = draft.lacking.get(table.file, frozenset()) | lacking
    draft.broken |= {(file, line.row) for line in lines if line.broken}
    entries = [read_row(table, Cells(line, ignored if line.broken else found)) for line in lines]
    draft.faults += found.faults
    return entries if at is None else [replace(entry, file=file) for entry in entries]


def unreadable(entry: Entry[Any], *columns: str) -> bool:
    """Return whether any of `columns` could not be read."""
    return not entry.bad.isdisjoint(columns)
