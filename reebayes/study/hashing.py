"""Which rows and columns of a study its digests cover, in a form that order does not change."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from reebayes.study.columns import TableSchema
from reebayes.study.schema import (
    ASSAYS,
    CATALOGUE,
    DEMAND_GROWTH,
    ESTIMATES,
    FLOWS,
    INDICATORS,
    LANES,
    MATERIALS,
    PARTNERS,
    PLANNED_CASES,
    PRIORS,
    PROCESSES,
    PROJECTIONS,
    PROJECTS,
    PUBLISHED_ELEMENTS,
    PUBLISHED_INDICATORS,
    RECORDS,
    RESERVES,
    SOURCES,
)
from reebayes.study.table import Table

SCHEMAS: Mapping[str, TableSchema] = {
    "processes": PROCESSES,
    "flows": FLOWS,
    "records": RECORDS,
    "priors": PRIORS,
    "sources": SOURCES,
    "published": ESTIMATES,
    "indicators": INDICATORS,
    "published_indicators": PUBLISHED_INDICATORS,
    "labels": CATALOGUE,
    "assays": ASSAYS,
    "materials": MATERIALS,
    "published_elements": PUBLISHED_ELEMENTS,
    "partners": PARTNERS,
    "lanes": LANES,
    "projects": PROJECTS,
    "planned_cases": PLANNED_CASES,
    "reserves": RESERVES,
    "demand_growth": DEMAND_GROWTH,
    "projections": PROJECTIONS,
}
"""Columns of the tables of a study; those of its quantities are gathered from several rows."""

PROSPECTS = ("projects", "planned_cases", "reserves", "demand_growth", "projections")
"""Tables of what is to come, which an outlook reads."""

LATER_TABLES = frozenset(
    {"assays", "materials", "published_elements", "partners", "lanes", *PROSPECTS}
)
"""Tables of which digests hold nothing where they are empty: studies of a time before there were
such tables keep their description."""

SHOWN_ONLY = frozenset({"labels", "indicators", "published_indicators"}) | LATER_TABLES
"""Tables of which the posterior's digest holds nothing, not even that they are there: studies that
were fitted before there were such tables keep their digest."""

LATER = ("composition", "tied", "transition")
"""Columns of which digests hold nothing where a row leaves them empty: studies that were fitted
before there were such columns keep their digest."""


def tables_of(study: Any) -> dict[str, Table[Any]]:
    """Return the tables of a study, by the names of its fields."""
    return {
        item.name: getattr(study, item.name)
        for item in fields(study)
        if isinstance(getattr(study, item.name), Table)
    }


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values, whatever the order of their names."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def rows_of(study: Any, title: str, *, moving: bool) -> list[str]:
    """Rows of a table, sorted, with the columns that move the posterior, or its key and the rest.

    Quantities are what records observe, so all of them moves.
    """
    table: Table[Any] = getattr(study, title)
    if title not in SCHEMAS:
        return sorted(_canonical(row) for row in table) if moving else []
    schema = SCHEMAS[title]
    rest = [column.name for column in schema.columns if not column.moves]
    names = schema.moving if moving else (*schema.key, *rest)
    return sorted(_canonical(row, names) for row in table) if names else []


def moving_rows(study: Any) -> dict[str, list[str]]:
    """Rows of every table on which the posterior depends."""
    titles = (title for title in tables_of(study) if title not in SHOWN_ONLY)
    return {title: rows_of(study, title, moving=True) for title in titles}


def shown_rows(study: Any) -> dict[str, list[str]]:
    """Rows of every table, with what does not move the posterior."""
    tables = tables_of(study)
    titles = (title for title in tables if tables[title] or title not in LATER_TABLES)
    return {title: rows_of(study, title, moving=False) for title in titles}


def added_rows(extensions: Iterable[Any]) -> dict[str, Any]:
    """Rows of extensions that are kept for variants, sorted, by extension and table.

    Of none there is nothing: studies of a time without them keep their digest.
    """
    return {
        f"extensions/{one.name}/{file}": sorted(_canonical(row.item) for row in rows)
        for one in extensions
        for file, rows in one.tables
    }


def _canonical(row: Any, names: Iterable[str] | None = None) -> str:
    values: dict[str, Any] = {
        # 1 and 1.0 are the same number.
        name: float(value) if type(value) is int else value
        for name, value in asdict(row).items()
        if (names is None or name in names) and (value or name not in LATER)
    }
    for part in ("numerator", "denominator", "shared"):
        if part in values:
            values[part] = sorted(values[part])
    return json.dumps(values, sort_keys=True)
