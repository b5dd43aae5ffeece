"""Checks of records: what kind needs which numbers, in which unit, of which quantity."""

from collections.abc import Iterator
from typing import Any

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, place, unknown_name, unknown_quantity
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.kinds import AT_LEAST, AT_MOST, RECORD_KINDS, kind_of
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import GROSS, MASS_SCALES, PERCENT, RATIO_UNITS, Record
from reebayes.study.targets import BIAS, SHARED
from reebayes.wording import quoted, suggestion, years_text

TABLE = "records.csv"
MAX_SD = 2.0
MAX_FACTOR = 1.5
# Half a year or more would belong to the year before, and be that year's record.
MAX_LAG = 0.5
ABOUT = ("quantity", "year", "year_end", "kind", "value", "low", "high", "unit", "factor",
         "reporter", "source")  # fmt: skip
_RATIOS = ", ".join(repr(unit) for unit in (*RATIO_UNITS, PERCENT))
_SPANS = " or ".join(repr(kind.name) for kind in RECORD_KINDS.values() if kind.spans)


def check_records(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of records."""
    sources = [entry.item.source for entry in draft.sources]
    for entry in draft.records:
        yield from _check_years(entry, draft.header.years)
        yield from _check_numbers(entry)
        yield from _check_lag(entry)
        yield from _check_other(entry)
        yield from _check_unit(entry, draft.header.content)
        yield from _check_quantity(entry, context)
        fault = unknown_name(TABLE, entry, "source", sources, noun="source")
        if fault:
            yield fault
    yield from _check_twice(draft)
    yield from _check_contradictions(draft)
    yield from _check_reporters(draft)
    yield from _check_shared(draft)


def _fault(entry: Entry[Record], column: str, message: str) -> Fault:
    return table_fault(TABLE, entry, column, getattr(entry.item, column), message)


def _check_years(entry: Entry[Record], years: tuple[int, int] | None) -> Iterator[Fault]:
    record = entry.item
    if unreadable(entry, "year", "year_end"):
        return
    if years and not years[0] <= record.year <= years[1]:
        message = f"year {record.year} is outside the study's years {years[0]}-{years[1]}"
        yield _fault(entry, "year", message)
    elif years and record.year_end > years[1]:
        message = f"year_end {record.year_end} is outside the study's years {years[0]}-{years[1]}"
        yield _fault(entry, "year_end", message)
    if record.year_end < record.year:
        message = f"year_end {record.year_end} is before year {record.year}"
        yield _fault(entry, "year_end", message)
    elif unreadable(entry, "kind"):
        return
    elif kind_of(record.kind).spans and record.year_end == record.year:
        message = f"kind {record.kind!r} covers several years; write the last one in year_end"
        yield _fault(entry, "year_end", message)
    elif not kind_of(record.kind).spans and record.year_end > record.year:
        message = (
            f"kind {record.kind!r} covers one year; leave year_end empty, or use kind {_SPANS}"
        )
        yield _fault(entry, "year_end", message)


def _check_numbers(entry: Entry[Record]) -> Iterator[Fault]:
    record = entry.item
    yield from _check_sd(entry)
    if unreadable(entry, "kind"):
        return
    needed = kind_of(record.kind).needs
    for column in ("value", "low", "high"):
        if not unreadable(entry, column):
            yield from _check_number(entry, column, needed=column in needed)
    low, high = record.low, record.high
    if {"low", "high"} <= {*needed} and low is not None and high is not None and low >= high:
        yield _fault(entry, "low", f"low {low:g} is not below high {high:g}")


def _check_sd(entry: Entry[Record]) -> Iterator[Fault]:
    """Yield an error that is none: a fraction of the figure, or of a signed one in its unit."""
    sd = entry.item.sd
    if unreadable(entry, "sd", "kind"):
        return
    if kind_of(entry.item.kind).is_signed:
        if sd <= 0:
            message = f"sd {sd:g} is not above 0; write the error in the unit of the figure"
            yield _fault(entry, "sd", message)
    elif not 0 < sd <= MAX_SD:
        message = (
            f"sd {sd:g} is not above 0 and up to {MAX_SD:g}; write a fraction, such as 0.1 for 10%"
        )
        yield _fault(entry, "sd", message)


def _check_number(entry: Entry[Record], column: str, *, needed: bool) -> Iterator[Fault]:
    record, number = entry.item, getattr(entry.item, column)
    kind = kind_of(record.kind)
    printed_zero = kind.is_zero and column == "value" and number == 0
    if number is None and needed:
        extra = ", the unit below which the source prints 0" if kind.is_zero else ""
        yield _fault(entry, column, f"kind {record.kind!r} needs a number in {column!r}{extra}")
    elif number is None or printed_zero:
        return
    elif not needed:
        message = f"kind {record.kind!r} does not use {column!r}; leave it empty or change the kind"
        yield _fault(entry, column, message)
    elif kind.is_signed:
        return
    elif number <= 0:
        signed = ", and for a figure of either sign kind 'signed'"
        advice = f"; for a published zero use kind 'zero'{signed}" if kind.is_figure else ""
        yield _fault(entry, column, f"{column} {number:g} is not above 0{advice}")
    elif record.unit == "fraction" and number > 1:
        message = f"{column} {number:g} is more than 1, as no fraction is; is it a percentage?"
        yield _fault(entry, column, message)


def _check_lag(entry: Entry[Record]) -> Iterator[Fault]:
    record = entry.item
    if unreadable(entry, "lag") or record.lag == 0:
        return
    if not 0 <= record.lag < MAX_LAG:
        message = (
            f"lag {record.lag:g} is not from 0 to below {MAX_LAG:g}; write the part of the figure "
            "that belongs to the year before, such as 0.08 for a month at sea"
        )
        yield _fault(entry, "lag", message)
    elif not unreadable(entry, "kind") and kind_of(record.kind).spans:
        message = f"kind {record.kind!r} covers several years and takes no lag; leave it empty"
        yield _fault(entry, "lag", message)


def _check_other(entry: Entry[Record]) -> Iterator[Fault]:
    record = entry.item
    if unreadable(entry, "other", "kind") or record.other is None:
        return
    if not kind_of(record.kind).may_be_second:
        message = f"kind {record.kind!r} does not use 'other'; leave it empty or change the kind"
        yield _fault(entry, "other", message)
    elif record.other <= 0:
        yield _fault(entry, "other", f"other {record.other:g} is not above 0")
    elif record.unit == "fraction" and record.other > 1:
        message = f"other {record.other:g} is more than 1, as no fraction is; is it a percentage?"
        yield _fault(entry, "other", message)
    elif record.other == record.value:
        message = f"other {record.other:g} is the value itself; write another, or leave it empty"
        yield _fault(entry, "other", message)


def _check_unit(entry: Entry[Record], content: str | None) -> Iterator[Fault]:
    record = entry.item
    if unreadable(entry, "unit"):
        return
    gross = record.unit.endswith(f" {GROSS}")
    if content is not None:
        masses = [f"{mass} {what}" for what in (content, GROSS) for mass in MASS_SCALES]
        if record.unit not in (*masses, *RATIO_UNITS):
            yield _fault(entry, "unit", _unit_message(record.unit, content, masses))
            return
    if unreadable(entry, "factor"):
        return
    if gross and record.factor is None:
        message = f"unit {record.unit!r} needs a factor: the content of a gross tonne"
        yield _fault(entry, "factor", message)
    elif gross and record.factor is not None and not 0 < record.factor <= MAX_FACTOR:
        message = f"factor {record.factor:g} is not above 0 and up to {MAX_FACTOR:g}"
        yield _fault(entry, "factor", message)
    elif not gross and record.factor is not None:
        message = f"unit {record.unit!r} takes no factor; leave it empty or write a gross unit"
        yield _fault(entry, "factor", message)


def _unit_message(unit: str, content: str, masses: list[str]) -> str:
    if unit.casefold() in ("t", "kt", "mt", "ton", "tons", "tonne", "tonnes", "kilotonnes"):
        return f"unit {quoted(unit)} is ambiguous; give 't {content}', or 't gross' with a factor"
    if unit.removesuffix("/yr") in masses:
        return f"unit {quoted(unit)} is of a flow; a figure of a year is in {unit[:-3]!r}"
    valid = ", ".join((*masses, *RATIO_UNITS, PERCENT))
    return f"unit {quoted(unit)} is unknown. Valid: {valid}."


def _check_quantity(entry: Entry[Record], context: Context) -> Iterator[Fault]:
    record = entry.item
    fault = unknown_quantity(TABLE, entry, context)
    if fault:
        yield fault
    if record.quantity not in context.terms:
        return
    if context.has_negative(record.quantity, "den"):
        message = (
            f"quantity {record.quantity!r} subtracts flows below the line, where it may be 0; "
            "record its terms"
        )
        yield _fault(entry, "quantity", message)
    elif context.has_negative(record.quantity) and not _may_be_signed(entry):
        message = (
            f"quantity {record.quantity!r} subtracts flows, so it may be negative and has no "
            "log; write kind 'signed', with 'sd' in the unit of the figure, or record its terms"
        )
        yield _fault(entry, "quantity", message)
    ratio = context.is_ratio(record.quantity)
    if (
        not unreadable(entry, "unit")
        and context.has_parts(record.quantity)
        and ratio != (record.unit in RATIO_UNITS)
    ):
        advice = f"a ratio; write {_RATIOS}" if ratio else "no ratio; write a mass"
        message = f"unit {quoted(record.unit)} does not fit, {record.quantity!r} is {advice}"
        yield _fault(entry, "unit", message)
    if unreadable(entry, "kind", "year", "year_end"):
        return
    if kind_of(record.kind).is_zero:
        return
    years = set(range(record.year, record.year_end + 1)) & set(context.years)
    if years and not _can_be_positive(record, years, context):
        message = (
            f"no flow of {record.quantity!r} is active in {years_text(years)}, so only a record of "
            "kind 'zero' fits; change the record or the flows' active years"
        )
        yield _fault(entry, "quantity", message)


def _may_be_signed(entry: Entry[Record]) -> bool:
    """Return whether a record is of a kind that a difference of flows may have."""
    return unreadable(entry, "kind") or kind_of(entry.item.kind).is_signed


def _can_be_positive(record: Record, years: set[int], context: Context) -> bool:
    """Return whether flows that a record counts are active; a lag reaches into the year before."""
    if not record.lag:
        return bool(years & context.quantity_years(record.quantity))
    active = context.part_years(record.quantity)
    counted = years | {year - 1 for year in years}
    return bool(counted & active["num"]) and bool(years & active.get("den", years))


def _check_twice(draft: Draft) -> Iterator[Fault]:
    seen: dict[tuple[Any, ...], Entry[Record]] = {}
    for entry in draft.records:
        record = entry.item
        if unreadable(entry, "quantity", "year", "year_end", "kind", "reporter", "source"):
            continue
        years = (record.year, record.year_end)
        key = (record.quantity, *years, record.kind, record.reporter, record.source)
        first = seen.setdefault(key, entry)
        if first is not entry:
            message = (
                "same quantity, years, kind, reporter and source as "
                f"{place(first, first.item.record)} ({_figure(first.item)} and {_figure(record)}); "
                "keep one"
            )
            yield _fault(entry, "quantity", message)


def _check_contradictions(draft: Draft) -> Iterator[Fault]:
    """Yield records with which one source says of one reporter, quantity and time what cannot be.

    A zero beside a figure, or a lower bound above an upper one. Sources may contradict one another.
    """
    said: dict[tuple[Any, ...], list[Entry[Record]]] = {}
    for entry in draft.records:
        record = entry.item
        if entry.bad.isdisjoint(ABOUT) and record.factor is None:
            key = (record.quantity, record.year, record.year_end, record.reporter, record.source)
            said.setdefault((*key, record.unit), []).append(entry)
    for entries in said.values():
        for number, entry in enumerate(entries):
            for other in entries[:number]:
                if _excludes(entry.item, other.item) or _excludes(other.item, entry.item):
                    message = (
                        f"{entry.item.kind} {_figure(entry.item)} contradicts "
                        f"{other.item.kind} {_figure(other.item)} of the same reporter and source "
                        f"in {place(other, other.item.record)}; keep one"
                    )
                    yield _fault(entry, "kind", message)


def _excludes(one: Record, other: Record) -> bool:
    """Return whether what `one` says is wholly below what `other` says."""
    most = one.high if kind_of(one.kind).states == AT_MOST else None
    bound = kind_of(other.kind).states == AT_LEAST
    if most is None or kind_of(other.kind).is_zero:
        return False
    # figures may lie above a bound by their error, but not beside a published zero
    least = other.low if bound else other.value if kind_of(one.kind).is_zero else None
    return least is not None and least > most


def _figure(record: Record) -> str:
    numbers = [record.value] if record.value is not None else [record.low, record.high]
    return f"{'-'.join(f'{n:g}' for n in numbers if n is not None)} {record.unit}"


def _check_reporters(draft: Draft) -> Iterator[Fault]:
    """Yield reporters written in two ways, which the model would take for two."""
    seen: dict[str, str] = {}
    for entry in draft.records:
        name = entry.item.reporter
        first = seen.setdefault(name.casefold(), name)
        if name == "*":
            yield _fault(entry, "reporter", "'*' stands for every reporter; write a name")
        elif name != first:
            message = f"reporter {name!r} is written {first!r} before; write one of the two"
            yield _fault(entry, "reporter", message)


def _check_shared(draft: Draft) -> Iterator[Fault]:
    """Yield common errors without a prior: their size is known from nowhere else."""
    targets = [entry.item.about for entry in draft.priors]
    known = [target.name for target in targets if target.group == SHARED]
    if not draft.priors:
        return
    # one whose own records a variant leaves out still has its bias in what was made of them
    reporters = {target.name for target in targets if target.group == BIAS}
    reporters |= {entry.item.reporter for entry in draft.records}
    for entry in draft.records:
        for name in entry.item.other_reporters:
            if name not in reporters or name == entry.item.reporter:
                message = f"{quoted(name)} is no other reporter. {suggestion(name, reporters)}"
                yield table_fault(TABLE, entry, "shared", f"{BIAS}:{name}", message.strip())
        for name in entry.item.common_errors:
            if name not in known:
                advice = suggestion(name, known) or f"Add '{SHARED}:{name}' to priors.csv."
                message = f"common error {quoted(name)} has no prior. {advice}"
                yield table_fault(TABLE, entry, "shared", name, message)
