"""The ``[package]`` table of ``study.toml``: what a description of the directory says of it."""

from collections.abc import Mapping
from typing import Any

from reebayes.study.header.forms import Form, is_text, list_of, read_forms, table_of, table_with
from reebayes.study.reading.csvfiles import FaultList

COLUMN_TYPES = ("string", "number", "year", "boolean")
"""What the cells of a column hold, as Table Schema calls it."""


def _is_type(value: Any) -> bool:
    return value in COLUMN_TYPES


_IS_COLUMN = table_with({}, {"description": is_text, "type": _is_type, "refers": is_text})
_IS_TABLE = table_with(
    {}, {"title": is_text, "description": is_text, "columns": table_of(_IS_COLUMN)}
)

FORMS: Mapping[str, Form] = {
    "licences": (
        "a list of {name = text, path = address, title = text if wanted}",
        list_of(table_with({"name": is_text, "path": is_text}, {"title": is_text})),
    ),
    "keywords": ("a list of texts, each once", list_of(is_text)),
    "tables": (
        "a table of file = {title = text, description = text, columns = table}, where columns is "
        "a table of column = {description = text, type = "
        f"one of {', '.join(COLUMN_TYPES)}, refers = a table}}",
        table_of(_IS_TABLE),
    ),
}
"""Keys of the table, each with the form of its value in words and as a test."""


def read_package(values: Mapping[str, Any], found: FaultList) -> dict[str, Any]:
    """Return the keys that have the right form; note those that are unknown or have not."""
    return read_forms("package", FORMS, values, found)
