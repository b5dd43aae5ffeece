"""The ``[report]`` table of ``study.toml``: what a report of the study shows."""

from collections.abc import Iterator, Mapping
from typing import Any

from reebayes.conventions import BY_REFINED, ORIGINS
from reebayes.study.header.forms import (
    Form,
    is_number,
    is_text,
    is_year,
    list_of,
    read_forms,
    table_of,
    table_with,
)
from reebayes.study.reading.csvfiles import FaultList

FORMS: Mapping[str, Form] = {
    "headline": ("a list of quantities, each once", list_of(is_text)),
    "sankey_year": ("a year", is_year),
    "table": ("a list of quantities, each once", list_of(is_text)),
    "table_years": ("a list of years, each once", list_of(is_year)),
    "limits": ("a list of texts, each once", list_of(is_text)),
    "labels": ("a table of quantity = text", table_of(is_text)),
    "exceeds": (
        "a table of quantity = list of numbers, each once",
        table_of(list_of(is_number)),
    ),
    "beside": (
        "a table of quantity = list of quantities, each once",
        table_of(list_of(is_text)),
    ),
    "parts": (
        "a table of quantity = list of two or more quantities, each once",
        table_of(lambda value: list_of(is_text)(value) and len(value) > 1),
    ),
    "refined": ("a product, such as oxide", is_text),
    "groups": ("a table of group = elements, such as La+Ce", table_of(is_text)),
    "scenarios": ("a list of scenarios, each once", list_of(is_text)),
    "indicators": ("a list of indicators, each once", list_of(is_text)),
    "origins": (
        f"a list of {{at = place, by = {' or '.join(ORIGINS)}, title = text}}, `at` at least",
        list_of(table_with({"at": is_text}, {"by": lambda by: by in ORIGINS, "title": is_text})),
    ),
    "panels": (
        "a list of {title = text, quantities = list}",
        list_of(table_with({"title": is_text, "quantities": list_of(is_text)})),
    ),
}
"""Keys of the table, each with the form of its value in words and as a test."""

MEANINGS: Mapping[str, str] = {
    "headline": "Quantities of the first table and of the large plots. Left out: up to four that "
    "no record observes, or the first three.",
    "sankey_year": "Year of the Sankey diagram. Left out: the last.",
    "table": "Quantities of the table of all values. Left out: all.",
    "table_years": "Years of that table. Left out: up to six.",
    "limits": "Paragraphs on what the study cannot say.",
    "labels": "Readable names of quantities, before those of `catalogue.csv`.",
    "exceeds": "Thresholds x of the probability that the sum over all years (of a study of one "
    "year, its value) is above x. Left out: round numbers about the prior median.",
    "beside": "Other quantities whose records are drawn, hollow, beside a headline quantity.",
    "parts": "Quantities that add up to a quantity, each shown under it wherever it is a headline. "
    "Their terms must add up to its terms, or differ by the balance of markets and conversions.",
    "refined": "Product whose making counts as refining, where content is traced or counted.",
    "groups": "Groups of elements that flow in layers of their own, each with its elements: "
    "quantities of a group have its name at their end, after those of all.",
    "scenarios": "Scenarios whose effect is told.",
    "indicators": "Indicators of `indicators.csv` that are told, in the years of the table, beside "
    "published values of them.",
    "origins": "Processes, flows or quantities whose content is traced to where it came from, in "
    "the years of the table. `by` left out: `region`.",
    "panels": "Small plots side by side. Left out, with `headline`: what records observe.",
}
"""What each key makes the report show."""


def read_report(values: Mapping[str, Any], found: FaultList) -> dict[str, Any]:
    """Return the keys that have the right form; note those that are unknown or have not."""
    return read_forms("report", FORMS, values, found)


def named_quantities(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Iterate over every place in a report that names a quantity: its key and the name."""
    for key in ("headline", "table", "labels", "exceeds", "beside", "parts"):
        yield from ((key, name) for name in report.get(key, ()))
    for key in ("beside", "parts"):
        for name, others in report.get(key, {}).items():
            yield from ((f"{key}.{name}", other) for other in others)
    for number, panel in enumerate(report.get("panels", ()), 1):
        yield from ((f"panels.{number}", name) for name in panel["quantities"])


def named_years(report: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Iterate over every place in a report that names a year: its key and the year."""
    if "sankey_year" in report:
        yield "sankey_year", report["sankey_year"]
    yield from (("table_years", year) for year in report.get("table_years", ()))


def named_places(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Iterate over every place whose origins are asked: its key and the name."""
    for number, asked in enumerate(report.get("origins", ()), 1):
        yield f"origins.{number}", asked["at"]


def asks_for_refining(report: Mapping[str, Any]) -> bool:
    """Return whether origins are told apart by where they were refined."""
    return any(asked.get("by") == BY_REFINED for asked in report.get("origins", ()))
