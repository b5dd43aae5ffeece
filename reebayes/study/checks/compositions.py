"""Checks of printed tables of shares, whose parts are records."""

from collections.abc import Iterator, Sequence

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, place
from reebayes.study.compositions import TableKey, tables_of_parts
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.kinds import FIGURE, RECORD_KINDS, SUM, kind_of
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import RATIO_UNITS, Record
from reebayes.wording import quoted, years_text

TABLE = "records.csv"

ROUNDING = 0.005
"""By how much a printed share may be rounded: shares are printed to the per cent."""

KINDS = tuple(
    kind.name
    for kind in RECORD_KINDS.values()
    if kind.states == FIGURE and kind.years != SUM and not kind.is_target
)
"""Kinds that a part may be of."""

_ALIKE = {"reporter": "reporter", "source": "source", "kind": "kind"}


def check_compositions(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of parts, and of the tables that they make."""
    for entry in draft.records:
        if entry.item.composition and not unreadable(entry, "composition"):
            yield from _check_part(entry, context)
    found = tables_of_parts(entry.item for entry in draft.records)
    for key, positions in found.items():
        entries = [draft.records[position] for position in positions]
        if not any(unreadable(entry, "composition", "year", "year_end") for entry in entries):
            yield from _check_table(key, entries, context)


def _fault(entry: Entry[Record], column: str, message: str) -> Fault:
    return table_fault(TABLE, entry, column, getattr(entry.item, column), message)


def _check_part(entry: Entry[Record], context: Context) -> Iterator[Fault]:
    record = entry.item
    if not unreadable(entry, "kind") and record.kind not in KINDS:
        kinds = " or ".join(repr(name) for name in KINDS)
        zero = "; a printed zero stands outside its table" if kind_of(record.kind).is_zero else ""
        message = (
            f"kind {record.kind!r} is no part of a composition{zero}; leave composition empty, or "
            f"use kind {kinds}"
        )
        yield _fault(entry, "kind", message)
    if record.other is not None and not unreadable(entry, "other"):
        message = "a part of a composition has no second reading; leave 'other' empty"
        yield _fault(entry, "other", message)
    if record.lag and not unreadable(entry, "lag"):
        yield _fault(entry, "lag", "a part of a composition takes no lag; leave it empty")
    known = record.quantity in context.terms and context.has_parts(record.quantity)
    if known and not context.is_ratio(record.quantity):
        message = (
            f"{record.quantity!r} is no ratio, and a part of a composition is a share of a whole; "
            "record the share, or leave composition empty"
        )
        yield _fault(entry, "quantity", message)


def _check_table(
    key: TableKey, entries: Sequence[Entry[Record]], context: Context
) -> Iterator[Fault]:
    name, first_year, last_year = key
    what = f"composition {quoted(name)} of {years_text(range(first_year, last_year + 1))}"
    if len(entries) == 1:
        message = (
            f"{what} has this one part, and one part says nothing of the shares; give the other "
            "parts of the printed table, or leave composition empty"
        )
        yield _fault(entries[0], "composition", message)
        return
    head = entries[0]
    for column, noun in _ALIKE.items():
        known = [entry for entry in entries if not unreadable(entry, column)]
        for entry in known[1:]:
            mine, theirs = (getattr(one.item, column) for one in (entry, known[0]))
            if mine != theirs:
                message = (
                    f"{what} has {noun} {quoted(theirs)} in {place(known[0], known[0].item.record)}"
                    f"; a printed table has one {noun}: write it, or another composition"
                )
                yield _fault(entry, column, message)
    yield from _check_whole(what, entries, context)
    yield from _check_sum(what, head, entries)


def _check_whole(what: str, entries: Sequence[Entry[Record]], context: Context) -> Iterator[Fault]:
    """Yield parts of another whole than the first part's, and parts that share a flow."""
    known = [
        entry
        for entry in entries
        if entry.item.quantity in context.terms
        and not unreadable(entry, "quantity")
        and context.is_ratio(entry.item.quantity)
        and context.has_parts(entry.item.quantity)
    ]
    counted: dict[str, Entry[Record]] = {}
    for entry in known:
        terms = [term.item for term in context.terms[entry.item.quantity]]
        twin = next((one for one in known if one.item.quantity == entry.item.quantity), entry)
        if twin is not entry:
            where = place(twin, twin.item.record)
            message = f"{what} has {entry.item.quantity!r} in {where} too; keep one"
            yield _fault(entry, "quantity", message)
            continue
        if _below(known[0], context) != _below(entry, context):
            message = (
                f"{entry.item.quantity!r} has another denominator than {known[0].item.quantity!r} "
                f"in {place(known[0], known[0].item.record)}; parts of one composition are shares "
                "of one whole"
            )
            yield _fault(entry, "quantity", message)
        for term in terms:
            if term.part != "num":
                continue
            before = counted.setdefault(term.flow, entry)
            if before is not entry:
                message = (
                    f"flow {term.flow!r} of {entry.item.quantity!r} is counted in "
                    f"{before.item.quantity!r} too ({place(before, before.item.record)}); parts of "
                    "one composition have no flow in common"
                )
                yield _fault(entry, "quantity", message)
                break


def _below(entry: Entry[Record], context: Context) -> list[tuple[str, float]]:
    terms = (term.item for term in context.terms[entry.item.quantity])
    return sorted((term.flow, term.weight) for term in terms if term.part == "den")


def _check_sum(what: str, head: Entry[Record], entries: Sequence[Entry[Record]]) -> Iterator[Fault]:
    shares = [
        entry.item.value
        for entry in entries
        if entry.item.value is not None
        and not unreadable(entry, "value", "unit")
        and entry.item.unit in RATIO_UNITS
    ]
    total, most = sum(shares), 1 + ROUNDING * len(entries)
    if len(shares) == len(entries) and total > most:
        message = (
            f"the parts of {what} add up to {total:.4g}, and shares of one whole to at most "
            f"{most:.4g} as rounded; check the figures"
        )
        yield _fault(head, "value", message)
