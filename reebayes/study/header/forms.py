"""Forms of the values in a table of ``study.toml``, in words and as tests."""

from collections.abc import Callable, Mapping
from typing import Any

from reebayes.study.reading.csvfiles import FaultList, hidden_characters
from reebayes.wording import quoted, suggestion

type Fits = Callable[[Any], bool]
type Form = tuple[str, Fits]


def read_forms(
    title: str, forms: Mapping[str, Form], values: Mapping[str, Any], found: FaultList
) -> dict[str, Any]:
    """Return the keys of table `title` that have the right form; note the other ones.

    The title of the file itself is empty.
    """
    for key, value in values.items():
        column = f"{title}.{key}".removeprefix(".")
        if key not in forms:
            message = f"unknown key {quoted(key)}. {suggestion(key, forms, show=len(forms))}"
            found.add(None, column, key, message)
        elif not forms[key][1](value):
            message = f"{quoted(str(value))} is not {forms[key][0]}"
            found.add(None, column, str(value), message)
    return {key: values[key] for key, (_, fits) in forms.items() if fits(values.get(key))}


def is_text(value: Any) -> bool:
    """Return whether a value is text that says something, all of it to be seen."""
    return isinstance(value, str) and bool(value.strip()) and not hidden_characters(value)


def is_table(value: Any) -> bool:
    """Return whether a value is a table."""
    return isinstance(value, dict)


def is_year(value: Any) -> bool:
    """Return whether a value is a whole number."""
    return type(value) is int


def is_from(least: int) -> Fits:
    """Return the test for a whole number that is not below another."""
    return lambda value: type(value) is int and value >= least


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return type(value) in (int, float) and abs(value) < float("inf")


def list_of(fits: Fits) -> Fits:
    """Return the test for a list that is not empty and holds each item once."""

    def fits_all(value: Any) -> bool:
        return (
            isinstance(value, list)
            and bool(value)
            and all(fits(item) and value.count(item) == 1 for item in value)
        )

    return fits_all


def table_of(fits: Fits) -> Fits:
    """Return the test for a table whose every value passes."""
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def table_with(needed: Mapping[str, Fits], optional: Mapping[str, Fits] | None = None) -> Fits:
    """Return the test for a table of given keys, each with its own test."""
    known = {**needed, **(optional or {})}

    def fits_each(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and needed.keys() <= value.keys() <= known.keys()
            and all(known[key](item) for key, item in value.items())
        )

    return fits_each
