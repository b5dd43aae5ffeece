"""``study.toml`` of an extension: what it adds to the header of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reebayes.errors import Fault
from reebayes.study.header.forms import Form, is_table, is_text, list_of, read_forms
from reebayes.study.header.frozen import Settings
from reebayes.study.header.report import read_report
from reebayes.study.header.scenarios import read_scenarios
from reebayes.study.header.settings import checked_variants, read_toml
from reebayes.study.reading.csvfiles import FaultList

REPORT, VARIANTS, SCENARIOS = "report", "variants", "scenarios"
JOINS = "joins"

FORMS: Mapping[str, Form] = {
    "label": ("text", is_text),
    "why": ("text", is_text),
    JOINS: ("a list of extensions, each once", list_of(is_text)),
    REPORT: ("a table", is_table),
    VARIANTS: ("a table", is_table),
    SCENARIOS: ("a table", is_table),
}
"""Keys of the file, each with the form of its value in words and as a test."""


def read_extension_header(path: Path, name: str) -> tuple[Settings, list[Fault]]:
    """Read ``study.toml`` of an extension as far as it can be read, and return it with its faults.

    Parameters
    ----------
    path : Path
    name : str
        How faults name the file.
    """
    found = FaultList(name)
    values = read_forms("", FORMS, read_toml(path, found) or {}, found)
    readers = {REPORT: read_report, VARIANTS: checked_variants, SCENARIOS: read_scenarios}
    for key, read in readers.items():
        if key in values:
            values[key] = read(values[key], found)
    return Settings(values), found.faults
