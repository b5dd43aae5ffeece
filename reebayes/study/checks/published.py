"""Checks of literature estimates, which no fit may use as records or priors."""

from collections.abc import Iterator
from typing import Any

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, unknown_name
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.kinds import kind_of
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import (
    MASS_SCALES,
    RATIO_UNITS,
    Estimate,
    PublishedElement,
    PublishedIndicator,
)
from reebayes.wording import quoted

type Printed = Estimate | PublishedIndicator | PublishedElement

TABLE = "published_estimates.csv"


def check_published(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of published estimates."""
    sources = [entry.item.source for entry in draft.sources]
    for entry in draft.published:
        for column, known in (("quantity", context.terms), ("source", sources)):
            fault = unknown_name(TABLE, entry, column, known, noun=column)
            if fault:
                yield fault
        yield from check_years(TABLE, entry, draft.header.years)
        yield from check_numbers(TABLE, entry)
        yield from _check_unit(entry, context, draft.header.content)
        yield from _check_apart(entry, draft)


def _fault(entry: Entry[Estimate], column: str, message: str) -> Fault:
    return _fault_in(TABLE, entry, column, message)


def _fault_in(table: str, entry: Entry[Any], column: str, message: str) -> Fault:
    return table_fault(table, entry, column, getattr(entry.item, column), message)


def check_years(
    table: str, entry: Entry[Printed], years: tuple[int, int] | None
) -> Iterator[Fault]:
    """Yield what is wrong with the years of a value that others printed."""
    item = entry.item
    if unreadable(entry, "year", "year_end"):
        return
    if item.year_end < item.year:
        message = f"year_end {item.year_end} is before year {item.year}"
        yield _fault_in(table, entry, "year_end", message)
    elif years and not years[0] <= item.year <= item.year_end <= years[1]:
        column = "year_end" if item.year >= years[0] else "year"
        span = f"{years[0]}-{years[1]}"
        message = f"{getattr(item, column)} is outside the study's years {span}"
        yield _fault_in(table, entry, column, message)


def check_numbers(table: str, entry: Entry[Printed], *, signed: bool = False) -> Iterator[Fault]:
    """Yield what is wrong with the figures of a value that others printed.

    Parameters
    ----------
    table : str
    entry : Entry
    signed : bool
        Whether they may be zero or below.
    """
    item = entry.item
    if unreadable(entry, "kind"):
        return
    needs = kind_of(item.kind).needs
    for column in ("value", "low", "high"):
        number, needed = getattr(item, column), column in needs
        if unreadable(entry, column) or (number is None and not needed):
            continue
        if number is None:
            message = f"kind {item.kind!r} needs a number in {column!r}"
            yield _fault_in(table, entry, column, message)
        elif not needed:
            message = f"kind {item.kind!r} does not use {column!r}; leave it empty"
            yield _fault_in(table, entry, column, message)
        elif number <= 0 and not signed:
            yield _fault_in(table, entry, column, f"{column} {number:g} is not above 0")
        elif item.unit == "fraction" and number > 1:
            message = f"{column} {number:g} is more than 1, as no fraction is; is it a percentage?"
            yield _fault_in(table, entry, column, message)
    both = item.low is not None and item.high is not None
    if {"low", "high"} <= {*needs} and both and (item.low or 0) >= (item.high or 0):
        message = f"low {item.low:g} is not below high {item.high:g}"
        yield _fault_in(table, entry, "low", message)


def _check_unit(entry: Entry[Estimate], context: Context, content: str | None) -> Iterator[Fault]:
    item = entry.item
    if unreadable(entry, "unit") or content is None or item.quantity not in context.terms:
        return
    if context.is_ratio(item.quantity):
        valid = [*RATIO_UNITS]
    else:
        valid = [f"{mass} {content}" for mass in MASS_SCALES]
    if item.unit not in valid:
        message = f"unit {quoted(item.unit)} does not fit {item.quantity!r}; write one of: "
        yield _fault(entry, "unit", message + ", ".join(valid))


def _check_apart(entry: Entry[Estimate], draft: Draft) -> Iterator[Fault]:
    """Yield a fault if a record or prior has the same source: the comparison would be circular."""
    users = {
        "records.csv": {row.item.source for row in draft.records},
        "priors.csv": {row.item.source for row in draft.priors},
    }
    for table, sources in users.items():
        if not unreadable(entry, "source") and entry.item.source in sources:
            message = (
                f"source {entry.item.source!r} stands in {table} as well; a literature estimate "
                "may not inform the fit that it is compared with. Remove one of the two"
            )
            yield _fault(entry, "source", message)
