"""Checks of indicators, and of published values that are set beside them."""

from collections.abc import Iterator, Mapping, Sequence

from reebayes.conventions import parse_terms
from reebayes.errors import Fault
from reebayes.study.checks.context import Context, place, unknown_name
from reebayes.study.checks.published import check_numbers, check_years
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.formulas import (
    INDICATOR_KINDS,
    INDICATORS,
    STUDY_UNIT,
    SUMS,
    IndicatorKind,
    criterion,
    names_in,
)
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import Indicator
from reebayes.wording import listed, quoted, suggestion

TABLE = "indicators.csv"
PUBLISHED = "published_indicators.csv"


def check_indicators(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of indicators."""
    sources = [entry.item.source for entry in draft.sources]
    yield from _check_once(draft.indicators)
    for entry in draft.indicators:
        if entry.item.reference:
            fault = unknown_name(TABLE, entry, "reference", sources, noun="source")
            yield from [fault] if fault else []
        if entry.item.indicator in (*context.terms, *context.flows):
            message = f"{entry.item.indicator!r} is a quantity or flow; give it another name"
            yield _fault(entry, "indicator", message)
        if not unreadable(entry, "kind"):
            kind = INDICATOR_KINDS[entry.item.kind]
            yield from _check_unit(entry, kind, draft.header.unit)
            yield from _check_members(entry, kind, draft, context)
    yield from _check_circles(draft.indicators)


def _fault(entry: Entry[Indicator], column: str, message: str) -> Fault:
    value = getattr(entry.item, column)
    text = ";".join(value) if isinstance(value, tuple) else value
    return table_fault(TABLE, entry, column, text, message)


def _check_once(entries: Sequence[Entry[Indicator]]) -> Iterator[Fault]:
    """Yield names that are given twice for one convention, or for one and for all."""
    seen: dict[str, dict[str, Entry[Indicator]]] = {}
    for entry in entries:
        name, convention = entry.item.indicator, entry.item.convention
        others = seen.setdefault(name, {})
        clash = others.get(convention) or others.get("") or (not convention and [*others.values()])
        if clash and not unreadable(entry, "indicator", "convention"):
            first = clash[0] if isinstance(clash, list) else clash
            message = (
                f"indicator {name!r} is already given in {place(first, name)}; names must differ, "
                "or each row name another convention"
            )
            yield _fault(entry, "indicator", message)
        others.setdefault(convention, entry)


def _check_unit(
    entry: Entry[Indicator], kind: IndicatorKind, study_unit: str | None
) -> Iterator[Fault]:
    valid = [study_unit or "" if unit == STUDY_UNIT else unit for unit in kind.units]
    if study_unit and not unreadable(entry, "unit") and entry.item.unit not in valid:
        message = f"unit {quoted(entry.item.unit)} does not fit {kind.name!r}; write one of: "
        yield _fault(entry, "unit", message + ", ".join(valid))


def _check_members(
    entry: Entry[Indicator], kind: IndicatorKind, draft: Draft, context: Context
) -> Iterator[Fault]:
    members = entry.item.members
    if unreadable(entry, "members"):
        return
    if not kind.least <= len(members) <= kind.most:
        count = f"{kind.least}" if kind.least == kind.most else f"{kind.least} or more"
        count = (
            f"{kind.least} to {kind.most}" if kind.least < kind.most <= len(kind.roles) else count
        )
        message = (
            f"{kind.name!r} needs {count} members ({'; '.join(kind.roles)}), not {len(members)}"
        )
        yield _fault(entry, "members", message)
    indicators = [other.item.indicator for other in draft.indicators]
    ratios = [name for name in context.terms if context.is_ratio(name)]
    masses = [name for name in (*context.terms, *context.flows) if name not in ratios]
    known = {SUMS: masses, INDICATORS: [*indicators, *ratios]}.get(
        kind.members, [*masses, *ratios, *indicators]
    )
    for name in names_in(kind, members):
        if name in known:
            continue
        if name in ratios or name in indicators:
            message = f"{name!r} is a ratio or indicator, and {kind.name!r} needs sums of masses"
        elif name in masses:
            message = f"{name!r} is a mass, and {kind.name!r} needs indicators"
        else:
            message = f"unknown name {quoted(name)}. {suggestion(name, known)}"
        yield _fault(entry, "members", message)
    yield from _check_forms(entry, kind, {*ratios, *indicators})


def _check_forms(entry: Entry[Indicator], kind: IndicatorKind, ratios: set[str]) -> Iterator[Fault]:
    """Yield members that are not in the form that their kind needs."""
    for member in entry.item.members:
        if kind.name == "criteria":
            if criterion(member) is None:
                message = f"{quoted(member)} is no criterion; write it like hhi_imports > 0.4"
                yield _fault(entry, "members", message)
            continue
        if kind.members == INDICATORS:
            continue
        weights, below = parse_terms(member)
        if below or not weights:
            message = f"{quoted(member)} is no sum; write it like a + 0.5 b - c"
            yield _fault(entry, "members", message)
        elif kind.members != SUMS and len(weights) > 1 and ratios & weights.keys():
            message = f"{quoted(member)} adds a ratio or indicator; name it alone"
            yield _fault(entry, "members", message)


def _check_circles(entries: Sequence[Entry[Indicator]]) -> Iterator[Fault]:
    """Yield indicators that are computed from themselves."""
    needs: dict[str, set[str]] = {}
    for entry in entries:
        if not unreadable(entry, "kind", "members"):
            item = entry.item
            names = names_in(INDICATOR_KINDS[item.kind], item.members)
            needs.setdefault(item.indicator, set()).update(names)
    for entry in entries:
        name = entry.item.indicator
        if name in _reached(needs.get(name, set()), needs):
            message = f"{name!r} is computed from itself; name other members"
            yield _fault(entry, "members", message)


def _reached(names: set[str], needs: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs.get(name, ())
    return found


def check_published_indicators(draft: Draft) -> Iterator[Fault]:
    """Yield the faults of published values of indicators."""
    sources = [entry.item.source for entry in draft.sources]
    rows: dict[str, list[Indicator]] = {}
    for known in draft.indicators:
        rows.setdefault(known.item.indicator, []).append(known.item)
    for entry in draft.published_indicators:
        for column, names in (("indicator", [*rows]), ("source", sources)):
            fault = unknown_name(PUBLISHED, entry, column, names, noun=column)
            yield from [fault] if fault else []
        item = entry.item
        of = rows.get(item.indicator, [])
        conventions = {row.convention for row in of}
        if of and "" not in conventions and item.convention not in conventions:
            message = f"{item.indicator!r} is given for {listed(sorted(conventions))} only"
            yield table_fault(PUBLISHED, entry, "convention", item.convention, message)
        units = sorted({row.unit for row in of})
        if of and not unreadable(entry, "unit") and item.unit not in units:
            message = (
                f"unit {quoted(item.unit)} does not fit; {item.indicator!r} is in {units[0]!r}"
            )
            yield table_fault(PUBLISHED, entry, "unit", item.unit, message)
        if not of and not rows and not unreadable(entry, "indicator"):
            message = f"unknown indicator {quoted(item.indicator)}; there is no {TABLE}"
            yield table_fault(PUBLISHED, entry, "indicator", item.indicator, message)
        yield from check_years(PUBLISHED, entry, draft.header.years)
        yield from check_numbers(PUBLISHED, entry, signed=True)
