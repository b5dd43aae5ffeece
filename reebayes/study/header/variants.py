"""The ``[variants]`` tables of ``study.toml``: the study with something switched off or changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from reebayes.study.header.forms import (
    Form,
    is_number,
    is_table,
    is_text,
    is_year,
    list_of,
    read_forms,
    table_with,
)
from reebayes.study.reading.csvfiles import FaultList
from reebayes.wording import quoted

CHANGES = ("median", "sd", "step", "transition")
MOVES = ("factor", "shift")
ENDS = ("source", "target", "tied", "label")
ALL_YEARS = "all"
"""Says in place of a year that all rows of a target become alike where they differ."""
BASE = "base"
"""Name of the study as it stands, which no variant may take."""


def _is_years(value: Any) -> bool:
    return is_year(value) or value == ALL_YEARS


_IS_CHANGE = table_with(
    {"target": is_text}, {"year": _is_years, **dict.fromkeys((*CHANGES, *MOVES), is_number)}
)

_IS_FLOW = table_with(
    {"flow": is_text, "like": is_text},
    {**dict.fromkeys(ENDS, is_text), **dict.fromkeys(CHANGES, is_number)},
)

FORMS: Mapping[str, Form] = {
    "label": ("text", is_text),
    "why": ("text", is_text),
    "combines": ("a list of variants, each once", list_of(is_text)),
    "extensions": ("a list of extensions, each once", list_of(is_text)),
    "settings": ("a table of settings", is_table),
    "priors": (
        "a list of {target = text, median, sd, step, transition, factor, shift = numbers, "
        'year = year or "all" if wanted}, each once',
        list_of(_IS_CHANGE),
    ),
    "flows": (
        "a list of {flow, like = text, source, target, tied, label = text if wanted, median, sd, "
        "step, transition = numbers if wanted}, each once",
        list_of(_IS_FLOW),
    ),
    "without_targets": ("a list of targets, each once", list_of(is_text)),
    "without_sources": ("a list of sources, each once", list_of(is_text)),
    "without_reporters": ("a list of reporters, each once", list_of(is_text)),
}
"""Keys of one variant, each with the form of its value in words and as a test."""

NEEDED = ("label", "why")


def read_variants(
    values: Mapping[str, Any],
    found: FaultList,
    *,
    table: str = "variants",
    needed: Sequence[str] = NEEDED,
) -> dict[str, Any]:
    """Return the variants as far as they can be read; note what has not the right form.

    Parameters
    ----------
    values : mapping
        Of name to changes.
    found : FaultList
    table : str
        Name of the table that holds them.
    needed : sequence of str
        Keys that every one has.
    """
    variants = {}
    for name, value in values.items():
        title = f"{table}.{name}"
        if not name.isidentifier() or name == BASE:
            noun = table.removesuffix("s")
            message = f"{quoted(name)} is no name for a {noun}; write letters, digits and _"
            message = f"{quoted(name)} is the study itself" if name == BASE else message
            found.add(None, title, name, message)
        elif not isinstance(value, dict):
            found.add(None, title, str(value), f"{quoted(str(value))} is not a table")
        else:
            variants[name] = read_forms(title, FORMS, value, found)
            for key in needed:
                if key not in value:
                    message = f"key {key!r} is missing; say in words what changes, and why"
                    found.add(None, f"{title}.{key}", "", message)
    return variants
