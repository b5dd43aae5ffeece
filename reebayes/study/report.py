"""The ``[report]`` table of ``study.toml``: what a report of the study shows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reebayes.study.csvfiles import FaultList
from reebayes.study.wording import quoted, suggestion

type Form = tuple[str, Callable[[Any], bool]]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_year(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < float("inf")


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def fits_all(value: Any) -> bool:
        return (
            isinstance(value, list)
            and bool(value)
            and all(fits(item) and value.count(item) == 1 for item in value)
        )

    return fits_all


def _table_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _is_panel(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"title", "quantities"}
        and _is_text(value["title"])
        and _list_of(_is_text)(value["quantities"])
    )


FORMS: Mapping[str, Form] = {
    "headline": ("a list of quantities, each once", _list_of(_is_text)),
    "sankey_year": ("a year", _is_year),
    "table": ("a list of quantities, each once", _list_of(_is_text)),
    "table_years": ("a list of years, each once", _list_of(_is_year)),
    "limits": ("a list of texts, each once", _list_of(_is_text)),
    "labels": ("a table of quantity = text", _table_of(_is_text)),
    "exceeds": (
        "a table of quantity = list of numbers, each once",
        _table_of(_list_of(_is_number)),
    ),
    "beside": (
        "a table of quantity = list of quantities, each once",
        _table_of(_list_of(_is_text)),
    ),
    "panels": ("a list of {title = text, quantities = list}", _list_of(_is_panel)),
}
"""Keys of the table, each with the form of its value in words and as a test."""


def read_report(values: Mapping[str, Any], found: FaultList) -> dict[str, Any]:
    """Return the keys that have the right form; note those that are unknown or have not."""
    for key, value in values.items():
        if key not in FORMS:
            message = f"unknown key {quoted(key)}. {suggestion(key, FORMS, show=len(FORMS))}"
            found.add(None, f"report.{key}", key, message)
        elif not FORMS[key][1](value):
            message = f"{quoted(str(value))} is not {FORMS[key][0]}"
            found.add(None, f"report.{key}", str(value), message)
    return {key: values[key] for key, (_, fits) in FORMS.items() if fits(values.get(key))}


def named_quantities(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Iterate over every place in a report that names a quantity: its key and the name."""
    for key in ("headline", "table", "labels", "exceeds", "beside"):
        yield from ((key, name) for name in report.get(key, ()))
    for name, others in report.get("beside", {}).items():
        yield from ((f"beside.{name}", other) for other in others)
    for number, panel in enumerate(report.get("panels", ()), 1):
        yield from ((f"panels.{number}", name) for name in panel["quantities"])


def named_years(report: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Iterate over every place in a report that names a year: its key and the year."""
    if "sankey_year" in report:
        yield "sankey_year", report["sankey_year"]
    yield from (("table_years", year) for year in report.get("table_years", ()))
