"""A study directory described for other programs: Data Package and Table Schema, version 2."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, get_type_hints

from reebayes.errors import Fault, StudyError
from reebayes.study.drafts import COLUMNS, OPTIONAL_TABLES
from reebayes.study.header.settings import TABLE
from reebayes.study.reading.csvfiles import FaultList, read_text
from reebayes.study.rows import (
    DISTRIBUTIONS,
    ESTIMATE_KINDS,
    PARTS,
    PROCESS_KINDS,
    RECORD_KINDS,
    Estimate,
    Flow,
    Prior,
    Process,
    Record,
    Source,
    Term,
)
from reebayes.study.study import Study
from reebayes.wording import quoted, suggestion

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"

ROWS: Mapping[str, type] = {
    "processes.csv": Process,
    "flows.csv": Flow,
    "quantities.csv": Term,
    "records.csv": Record,
    "priors.csv": Prior,
    "sources.csv": Source,
    "published_estimates.csv": Estimate,
}

CONTENTS: Mapping[str, str] = {
    "processes.csv": "Nodes of the system.",
    "flows.csv": "Flows between two processes, with the years in which they can exist.",
    "quantities.csv": "Terms of named sums of flows, and of ratios of two sums.",
    "records.csv": "Published figures, each an observation of a quantity. No row is no record.",
    "priors.csv": "What is assumed before the records, target by target.",
    "sources.csv": "Where records and priors come from; a judgement says whose it is and why.",
    "published_estimates.csv": "What others concluded: set beside results, never evidence.",
}

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "processes.csv": {
        "process": "Name of the process.",
        "kind": "What the process does with what enters it.",
        "region": "Region in which it lies; empty if in none.",
        "label": "Name for readers.",
    },
    "flows.csv": {
        "flow": "Name of the flow.",
        "source": "Process that it leaves.",
        "target": "Process that it enters.",
        "product": "What flows.",
        "registered": "Whether a register is meant to count it.",
        "active": "Years in which it can exist, such as 2000-2002;2012.",
        "label": "Name for readers.",
    },
    "quantities.csv": {
        "quantity": "Name of the quantity.",
        "part": "Whether the term belongs to the numerator or the denominator.",
        "flow": "Flow that is added.",
        "weight": "Factor of the flow.",
    },
    "records.csv": {
        "record": "Name of the record.",
        "quantity": "Quantity that it observes.",
        "year": "Year, or the first of several.",
        "year_end": "Last year, if there are several.",
        "kind": "What the figure says of the quantity.",
        "value": "Figure as printed.",
        "low": "Lower bound as printed.",
        "high": "Upper bound as printed; of a zero, what would still print as zero.",
        "unit": "Unit as printed.",
        "factor": "Content of a gross tonne, where the unit is gross.",
        "sd": "Standard error on the log scale.",
        "reporter": "Series of one definition; bias and noise are learnt for each.",
        "source": "Source that printed it.",
        "note": "What a reader must know.",
        "shared": "Errors that the record has in common with others, beside its reporter's bias.",
        "lag": "Part of the figure that belongs to the year before.",
        "other": "Second reading of the value, as probable as the first.",
        "status": "Whether the figure was read in its source or recalled.",
    },
    "priors.csv": {
        "target": "Flow, route, reporter or group of steps that the prior is about.",
        "year": "First year for which it holds; empty for all years.",
        "year_end": "Last year for which it holds.",
        "distribution": "Form of the prior.",
        "median": "Median in the unit.",
        "sd": "Standard deviation on the log or log-odds scale.",
        "step": "Standard deviation of the change between years; empty if nothing changes.",
        "unit": "Unit of the median.",
        "source": "Source or judgement that it rests on.",
        "note": "What a reader must know.",
    },
    "sources.csv": {
        "source": "Key of the source.",
        "citation": "Full citation; of a judgement, whose it is and why.",
        "year": "Year of publication.",
        "url": "Address; several are set apart by ' ; '.",
        "licence": "Licence, or the ground on which the figures are used.",
        "note": "What a reader must know.",
    },
    "published_estimates.csv": {
        "name": "Name of the estimate.",
        "quantity": "Quantity that it is about.",
        "year": "Year, or the first of several.",
        "year_end": "Last year of a sum over years, or of a ratio of such sums.",
        "kind": "What the estimate says of the quantity.",
        "value": "Figure as printed.",
        "low": "Lower bound as printed.",
        "high": "Upper bound as printed.",
        "unit": "Unit as printed.",
        "source": "Source that printed it; it may have no record and no prior.",
        "note": "What a reader must know.",
        "why": "Why it differs from the fit, where it does.",
    },
}

FILLED: Mapping[str, tuple[str, ...]] = {
    "processes.csv": ("process", "kind"),
    "flows.csv": ("flow", "source", "target", "product", "registered", "active"),
    "quantities.csv": ("quantity", "part", "flow", "weight"),
    "records.csv": (*("record", "quantity", "year", "kind", "unit", "sd", "reporter", "source"),),
    "priors.csv": ("target", "distribution", "median", "sd", "unit", "source"),
    "sources.csv": ("source", "citation"),
    "published_estimates.csv": ("name", "quantity", "year", "kind", "unit", "source"),
}
"""Columns whose cells may not be empty."""

CONSTRAINTS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("processes.csv", "kind"): {"enum": list(PROCESS_KINDS)},
    ("flows.csv", "active"): {
        "pattern": r"[0-9]{4}( *- *[0-9]{4})?( *; *[0-9]{4}( *- *[0-9]{4})?)*"
    },
    ("quantities.csv", "part"): {"enum": list(PARTS)},
    ("records.csv", "kind"): {"enum": list(RECORD_KINDS)},
    ("records.csv", "sd"): {"minimum": 0},
    ("priors.csv", "distribution"): {"enum": list(DISTRIBUTIONS)},
    ("priors.csv", "sd"): {"minimum": 0},
    ("published_estimates.csv", "kind"): {"enum": list(ESTIMATE_KINDS)},
}

KEYS: Mapping[str, Mapping[str, Any]] = {
    "processes.csv": {"primaryKey": ["process"]},
    "flows.csv": {"primaryKey": ["flow"]},
    "quantities.csv": {"primaryKey": ["quantity", "part", "flow"]},
    "records.csv": {"primaryKey": ["record"]},
    "priors.csv": {"uniqueKeys": [["target", "year"]]},
    "sources.csv": {"primaryKey": ["source"]},
    "published_estimates.csv": {"primaryKey": ["name"]},
}

REFERENCES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "flows.csv": {"source": ("processes", "process"), "target": ("processes", "process")},
    "quantities.csv": {"flow": ("flows", "flow")},
    "records.csv": {"quantity": ("quantities", "quantity"), "source": ("sources", "source")},
    "priors.csv": {"source": ("sources", "source")},
    "published_estimates.csv": {
        "quantity": ("quantities", "quantity"),
        "source": ("sources", "source"),
    },
}
"""Columns that name a row of another table: table and column."""

TRUTH = {"trueValues": ["true", "True", "TRUE"], "falseValues": ["false", "False", "FALSE"]}


def describe_study(study: Study, folder: Path | None = None) -> dict[str, Any]:
    """Describe the directory of a study as a Data Package.

    Parameters
    ----------
    study : Study
        As read from its directory.
    folder : Path, optional
        Folder for which the description is meant, the study's own if omitted. Paths in a
        description lead downwards only, so the study must lie in it.

    Returns
    -------
    dict
        A Data Package (version 2): title, licences, sources, and for each table its columns with
        types, constraints and keys. The same for the same files, at any time.

    Raises
    ------
    StudyError
        If the study does not lie in `folder`, or ``[package]`` names a table or column that is not
        there.
    """
    found = FaultList(TABLE)
    prefix = _prefix(study.path, study.path if folder is None else folder)
    tables = study.package.plain.get("tables", {})
    there = [
        name for name in COLUMNS if name not in OPTIONAL_TABLES or (study.path / name).exists()
    ]
    names = [*there, *(name for name in tables if name not in there)]
    resources = [_resource(study, name, tables.get(name, {}), prefix, found) for name in names]
    if found.faults:
        raise StudyError(found.faults)
    described = {
        "$schema": PROFILE,
        "name": _slug(study.name),
        "title": study.name,
        "description": study.notes,
        "keywords": study.package.plain.get("keywords", []),
        "licenses": study.package.plain.get("licences", []),
        "sources": [_source(source) for source in study.sources],
        "resources": [_header_file(prefix), *resources],
    }
    return {key: value for key, value in described.items() if value}


def _header_file(prefix: PurePosixPath) -> dict[str, str]:
    return {
        "name": "study",
        "path": str(prefix / TABLE),
        "description": "Name, unit and years of the study, settings of its model and report.",
        "format": "toml",
        "mediatype": "application/toml",
        "encoding": "utf-8",
    }


def _prefix(directory: Path, folder: Path) -> PurePosixPath:
    try:
        inside = directory.resolve().relative_to(folder.resolve())
    except ValueError:
        message = (
            f"paths in a description lead downwards; write it into {directory} or a folder above it"
        )
        raise StudyError([Fault("study", None, "", str(folder), message)]) from None
    return PurePosixPath(inside.as_posix())


def _slug(name: str) -> str:
    words = "".join(char if char.isascii() and char.isalnum() else " " for char in name.lower())
    return "-".join(words.split()) or "study"


def _source(source: Source) -> dict[str, str]:
    address = source.url.split(" ; ")[0].strip()
    given = {"title": source.citation, "path": address, "licence": source.licence}
    return {key: text for key, text in given.items() if text}


def _resource(
    study: Study,
    name: str,
    described: Mapping[str, Any],
    prefix: PurePosixPath,
    found: FaultList,
) -> dict[str, Any]:
    header = _header(study.path / name, found)
    columns = described.get("columns", {})
    for column in columns:
        if header and column not in header:
            message = f"{name} has no column {quoted(column)}. {suggestion(column, header)}"
            found.add(None, f"package.tables.{name}.columns", column, message)
    schema = {
        "fields": [_field(study, name, column, columns.get(column, {})) for column in header],
        "missingValues": [""],
        **KEYS.get(name, {}),
        "foreignKeys": list(_foreign_keys(study, name, columns, found)),
    }
    resource = {
        "name": _slug(Path(name).stem),
        "type": "table",
        "path": str(prefix / name),
        "title": described.get("title", ""),
        "description": described.get("description", CONTENTS.get(name, "")),
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": {key: value for key, value in schema.items() if value},
    }
    return {key: value for key, value in resource.items() if value}


def _header(path: Path, found: FaultList) -> list[str]:
    """Return the columns of a table; note it if the table is not there or empty."""
    missing = FaultList(path.name)
    text = read_text(path, missing)
    header = next((row for row in csv.reader((text or "").splitlines()) if any(row)), [])
    if text is not None and not header:
        missing.add(None, "", "", "file is empty")
    for fault in missing.faults:
        found.add(None, f"package.tables.{path.name}", path.name, f"{path.name}: {fault.message}")
    return [cell.strip() for cell in header]


def _field(study: Study, table: str, column: str, described: Mapping[str, Any]) -> dict[str, Any]:
    kind = described.get("type", _type(table, column))
    constraints = dict(CONSTRAINTS.get((table, column), {}))
    if column in FILLED.get(table, ()):
        constraints = {"required": True, **constraints}
    if kind == "year" and table in ("records.csv", "priors.csv"):
        constraints |= {"minimum": study.first_year, "maximum": study.last_year}
    field = {
        "name": column,
        "type": kind,
        "description": described.get("description", MEANINGS.get(table, {}).get(column, "")),
        **(TRUTH if kind == "boolean" else {}),
        "constraints": constraints,
    }
    return {key: value for key, value in field.items() if value}


def _type(table: str, column: str) -> str:
    """Return the type of a column, which is that of the row's field."""
    annotation = get_type_hints(ROWS[table]).get(column, str) if table in ROWS else str
    if annotation is bool:
        return "boolean"
    if annotation in (int, int | None):
        return "year"
    return "number" if annotation in (float, float | None) else "string"


def _foreign_keys(
    study: Study, table: str, columns: Mapping[str, Any], found: FaultList
) -> Iterator[dict[str, Any]]:
    references = dict(REFERENCES.get(table, {}))
    for column, described in columns.items():
        if "refers" in described:
            name = described["refers"]
            if name not in ROWS:
                message = f"unknown table {quoted(name)}. {suggestion(name, ROWS)}"
                found.add(None, f"package.tables.{table}.columns.{column}.refers", name, message)
                continue
            references[column] = (Path(name).stem, COLUMNS[name][0][0])
    for column, (resource, field) in references.items():
        yield {"fields": [column], "reference": {"resource": resource, "fields": [field]}}
