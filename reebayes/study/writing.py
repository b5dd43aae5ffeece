"""A study as the text of its files: what reading them again gives is the same study."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import tomli_w

from reebayes.study.columns import TableSchema
from reebayes.study.drafts import Extension
from reebayes.study.extensions import FOLDER
from reebayes.study.header.settings import TABLE
from reebayes.study.schema import SCHEMA
from reebayes.wording import spans_text


def texts(header: Mapping[str, Any], tables: Mapping[str, Iterable[Any]]) -> dict[str, str]:
    """Return the text of every file of a study, by name.

    Parameters
    ----------
    header : mapping
        Keys of ``study.toml``.
    tables : mapping of file to rows
        Rows of every table in `SCHEMA`; a table that may be left out is, where it has none.

    Returns
    -------
    dict
    """
    written = {TABLE: tomli_w.dumps(header, multiline_strings=True)}
    for file, schema in SCHEMA.items():
        rows = list(tables[file])
        if rows or not schema.optional:
            written[file] = _table_text(schema, rows)
    return written


def extension_texts(extensions: Iterable[Extension]) -> dict[str, str]:
    """Return the text of every file of extensions, by its place in a study."""
    written = {}
    for one in extensions:
        if one.header or not one.tables:
            written[f"{FOLDER}/{one.name}/{TABLE}"] = tomli_w.dumps(one.header.plain)
        for file, rows in one.tables:
            text = _table_text(SCHEMA[file], (row.item for row in rows))
            written[f"{FOLDER}/{one.name}/{file}"] = text
    return written


def _table_text(schema: TableSchema, rows: Iterable[Any]) -> str:
    """Rows as CSV; a column that may be left out is, where every cell would be empty."""
    cells = [{c.name: _cell(getattr(row, c.name)) for c in schema.columns} for row in rows]
    names = [
        column.name
        for column in schema.columns
        if not column.optional or any(line[column.name] for line in cells)
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, tuple):
        return ";".join(value) if all(isinstance(v, str) for v in value) else spans_text(value)
    return str(value)
