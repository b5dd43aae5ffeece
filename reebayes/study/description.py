"""A study directory described for other programs: Data Package and Table Schema, version 2."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from reebayes.errors import Fault, StudyError
from reebayes.study.header.settings import TABLE
from reebayes.study.reading.csvfiles import FaultList, read_text
from reebayes.study.rows import Source
from reebayes.study.schema import SCHEMA
from reebayes.study.study import Study
from reebayes.wording import quoted, suggestion

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"

WITHIN_STUDY = ("records.csv", "priors.csv")
"""Tables whose years lie within those of the study."""

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
        name for name, table in SCHEMA.items() if not table.optional or (study.path / name).exists()
    ]
    names = [*there, *(name for name in tables if name not in there)]
    resources = [_resource(study, name, tables.get(name, {}), prefix, found) for name in names]
    for name, added in study.extensions.items():
        resources += _added_resources(study, name, added, _prefix(added, folder or study.path))
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


def _added_resources(
    study: Study, name: str, directory: Path, prefix: PurePosixPath
) -> Iterator[dict[str, Any]]:
    """Describe the files of an extension; its rows may name rows of the study, so no key is told.

    What Table Schema calls a foreign key leads into one table only.
    """
    if (directory / TABLE).exists():
        yield {**_header_file(prefix), "name": f"{_slug(name)}-study",
               "description": f"What the extension {name} adds to the study."}  # fmt: skip
    for file in SCHEMA:
        if (directory / file).exists():
            described = _resource(
                replace(study, path=directory), file, {}, prefix, FaultList(TABLE)
            )
            described["name"] = f"{_slug(name)}-{described['name']}"
            described["schema"].pop("foreignKeys", None)
            yield described


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
        **_key(name),
        "foreignKeys": list(_foreign_keys(study, name, columns, found)),
    }
    resource = {
        "name": _slug(Path(name).stem),
        "type": "table",
        "path": str(prefix / name),
        "title": described.get("title", ""),
        "description": described.get("description", _contents(name)),
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


def _contents(name: str) -> str:
    return SCHEMA[name].contents if name in SCHEMA else ""


def _key(name: str) -> dict[str, Any]:
    """Columns that identify a row; a key that may be empty is no primary key."""
    if name not in SCHEMA:
        return {}
    key = list(SCHEMA[name].key)
    filled = {column.name for column in SCHEMA[name].columns if column.filled}
    return {"primaryKey": key} if {*key} <= filled else {"uniqueKeys": [key]}


def _field(study: Study, table: str, column: str, described: Mapping[str, Any]) -> dict[str, Any]:
    known = SCHEMA[table].column(column) if table in SCHEMA else None
    kind = described.get("type", SCHEMA[table].type_of(column) if table in SCHEMA else "string")
    constraints: dict[str, Any] = {}
    if known is not None:
        constraints = {**({"required": True} if known.filled else {}), **known.constraint}
    if kind == "year" and table in WITHIN_STUDY:
        constraints |= {"minimum": study.first_year, "maximum": study.last_year}
    field = {
        "name": column,
        "type": kind,
        "description": described.get("description", "" if known is None else known.meaning),
        **(TRUTH if kind == "boolean" else {}),
        "constraints": constraints,
    }
    return {key: value for key, value in field.items() if value}


def _foreign_keys(
    study: Study, table: str, columns: Mapping[str, Any], found: FaultList
) -> Iterator[dict[str, Any]]:
    references = {
        column.name: column.refers
        for column in (SCHEMA[table].columns if table in SCHEMA else ())
        if column.refers is not None
    }
    for column, described in columns.items():
        if "refers" in described:
            name = described["refers"]
            if name not in SCHEMA:
                message = f"unknown table {quoted(name)}. {suggestion(name, SCHEMA)}"
                found.add(None, f"package.tables.{table}.columns.{column}.refers", name, message)
                continue
            references[column] = (Path(name).stem, SCHEMA[name].columns[0].name)
    for column, (resource, field) in references.items():
        yield {"fields": [column], "reference": {"resource": resource, "fields": [field]}}
