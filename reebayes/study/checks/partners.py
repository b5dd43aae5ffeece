"""Checks of partners in trade and of the lanes between them, which maps draw."""

from collections.abc import Iterator
from typing import Any

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, place, unknown_name, unknown_text
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import Lane, Partner
from reebayes.wording import quoted

PARTNERS, LANES = "partners.csv", "lanes.csv"

_DEGREES = {"lon": 180.0, "label_lon": 180.0, "lat": 90.0, "label_lat": 90.0}


def check_partners(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of partners and lanes."""
    yield from _check_once(PARTNERS, draft.partners, "partner")
    yield from _check_once(LANES, draft.lanes, "quantity", "goods")
    yield from _check_members(draft)
    for entry in draft.partners:
        yield from _check_places(entry)
    known = [entry.item.partner for entry in draft.partners]
    for lane in draft.lanes:
        yield from _check_lane(lane, known, context)


def _fault(table: str, entry: Entry[Any], column: str, value: object, message: str) -> Fault:
    return table_fault(table, entry, column, str(value), message)


def _check_once(table: str, entries: list[Entry[Any]], *key: str) -> Iterator[Fault]:
    seen: dict[tuple[str, ...], Entry[Any]] = {}
    for entry in entries:
        name = tuple(getattr(entry.item, column) for column in key)
        first = seen.setdefault(name, entry)
        if first is not entry and not unreadable(entry, *key):
            message = f"{name[0]!r} is already given in {place(first, name[0])}; keep one"
            yield _fault(table, entry, key[0], name[0], message)


def _check_members(draft: Draft) -> Iterator[Fault]:
    """Yield countries that belong to two partners, or are no three letters."""
    owner: dict[str, Entry[Partner]] = {}
    for entry in draft.partners:
        if unreadable(entry, "members"):
            continue
        for member in entry.item.members or ("",):
            if not member:
                first = owner.setdefault(member, entry)
                if first is not entry:
                    message = f"{first.item.partner!r} is every other country already; name some"
                    yield _fault(PARTNERS, entry, "members", "", message)
                continue
            if not (len(member) == 3 and member.isupper()):
                message = f"{quoted(member)} is no country; write three letters, such as 'JPN'"
                yield _fault(PARTNERS, entry, "members", member, message)
            first = owner.setdefault(member, entry)
            if first is not entry:
                where = place(first, first.item.partner)
                message = f"{quoted(member)} belongs to {first.item.partner!r} too ({where})"
                yield _fault(PARTNERS, entry, "members", member, message)


def _check_places(entry: Entry[Partner]) -> Iterator[Fault]:
    for column, most in _DEGREES.items():
        value = getattr(entry.item, column)
        if value is not None and abs(value) > most and not unreadable(entry, column):
            message = f"{value:g} degrees lie beyond {-most:g} to {most:g}"
            yield _fault(PARTNERS, entry, column, f"{value:g}", message)
    if (entry.item.label_lon is None) != (entry.item.label_lat is None):
        message = "a label has both label_lon and label_lat, or neither"
        yield _fault(PARTNERS, entry, "label_lon", entry.item.label_lon or "", message)


def _check_lane(entry: Entry[Lane], partners: list[str], context: Context) -> Iterator[Fault]:
    lane = entry.item
    for column in ("origin", "destination"):
        fault = unknown_name(LANES, entry, column, partners, noun="partner")
        yield from [fault] if fault else []
    if not partners:
        message = f"there is no partner {quoted(lane.origin)}; name it in {PARTNERS}"
        yield _fault(LANES, entry, "origin", lane.origin, message)
    for column in ("quantity", "declared"):
        name = getattr(lane, column)
        if not name or unreadable(entry, column):
            continue
        if name not in context.terms:
            yield _fault(LANES, entry, column, name, unknown_text(name, context))
        elif context.has_parts(name) and context.is_ratio(name):
            message = f"{name!r} is a ratio, and no amount flows; name a sum of flows"
            yield _fault(LANES, entry, column, name, message)
    if lane.origin == lane.destination:
        message = f"{lane.origin!r} trades with itself; name another destination"
        yield _fault(LANES, entry, "destination", lane.destination, message)
