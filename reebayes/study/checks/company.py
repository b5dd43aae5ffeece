"""Rows beside other rows that speak of the same: entered twice, of another year, nobody's bias."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, place
from reebayes.study.checks.limits import FIRST_PRINT
from reebayes.study.checks.priors import ANCHOR_SD
from reebayes.study.drafts import Draft
from reebayes.study.kinds import FIGURE, kind_of
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import GROSS, Prior, Record
from reebayes.study.targets import BIAS, EVERY
from reebayes.wording import listed, years_text

TABLE = "records.csv"

DIGITS, MANY_DIGITS = 3, 4
"""Significant digits from which a figure is no round number: two reporters of one year rarely
agree in three, and one reporter in two years rarely in four."""

ERROR_RATIO = 8.0
"""Ratio of a stated error to all others of its series: a displaced point is ten."""

CONTENT_RATIO, ONE_CONTENT_RATIO = 2.0, 1.3
"""Ratio of the content of a gross tonne to all others of a quantity: grades vary by less; and to
several others that are all one, where an inverted factor is 1.4."""

FEWEST, MANY = 2, 4
"""Other rows of a series that make a rule, and that make it a firm one."""

LONE_SD = 0.5
"""Bias of a reporter that nobody else can be held against: wider is a factor of 2.3 either way."""

SHORT_NAME = 4
"""Letters of a reporter below which a name that differs by one is another: US and UK."""

YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)")

type Records = Sequence[Entry[Record]]


def check_company(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield rows that do not go with others."""
    yield from _check_names(draft, context)
    yield from _check_series_years(draft)
    yield from _check_copies(draft)
    yield from _check_errors(draft)
    yield from _check_contents(draft)
    yield from _check_units(draft)
    yield from _check_common_errors(draft)
    yield from _check_reporters(draft)
    yield from _check_holes(draft)
    yield from _check_shares(draft, context)
    yield from _check_printed(draft)
    yield from _check_silent_biases(draft)
    yield from _check_lone_biases(draft)
    yield from _check_anchors(draft, context)


def _gathered(entries: Iterable[Entry[Record]], *columns: str) -> Iterator[Records]:
    """Yield the records that agree in some columns."""
    groups: dict[Hashable, list[Entry[Record]]] = defaultdict(list)
    for entry in entries:
        groups[tuple(getattr(entry.item, column) for column in columns)].append(entry)
    yield from groups.values()


def _fault(entry: Entry[Record], column: str, message: str) -> Fault:
    return table_fault(TABLE, entry, column, getattr(entry.item, column), message)


def _check_names(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield records whose name holds years of the study, and not the one that they are of."""
    for entry in draft.records:
        record = entry.item
        named = {int(year) for year in YEAR.findall(record.record)} & {*context.years}
        if named and not any(record.year <= year <= record.year_end for year in named):
            message = (
                f"year {record.year} is not in the name of {record.record!r}, which holds "
                f"{years_text(named)}; write one year in both"
            )
            yield _fault(entry, "year", message)


def _check_series_years(draft: Draft) -> Iterator[Fault]:
    """Yield second figures of a reporter for one quantity and year, from whatever source."""
    for group in _gathered(draft.records, "quantity", "year", "year_end", "kind", "reporter"):
        first = group[0]
        for entry in group[1:]:
            message = (
                f"{entry.item.reporter!r} already has a {entry.item.kind} of "
                f"{entry.item.quantity!r} for {entry.item.year} in "
                f"{place(first, first.item.record)}; check the year, or keep one of two editions"
            )
            yield _fault(entry, "year", message)


def _check_copies(draft: Draft) -> Iterator[Fault]:
    """Yield figures that stand in two rows to the last digit."""
    figures = [entry for entry in draft.records if _is_measured(entry.item)]
    for group in _gathered(figures, "quantity", "value", "unit"):
        for number, entry in enumerate(group):
            found = [other for other in group[:number] if _is_copy(entry.item, other.item)]
            if found:
                where = place(found[0], found[0].item.record)
                message = (
                    f"value {entry.item.value:g} {entry.item.unit} is to the last digit that of "
                    f"{found[0].item.year} by {found[0].item.reporter!r} in {where}; keep one, or "
                    "name the error that both share in 'shared'"
                )
                yield _fault(entry, "value", message)


def _is_measured(record: Record) -> bool:
    kind = kind_of(record.kind)
    return kind.is_figure and not kind.is_target


def _is_copy(one: Record, other: Record) -> bool:
    # Of gross weights, what is shared is the content, and explains no figure.
    shared = {*one.common} & {*other.common}
    if shared and one.factor is None and one.reporter != other.reporter:
        return False
    digits = _digits(one.value or 0.0)
    if (one.year, one.year_end) == (other.year, other.year_end):
        return digits >= DIGITS and one.reporter != other.reporter
    return digits >= MANY_DIGITS and one.reporter == other.reporter


def _digits(number: float) -> int:
    """Return how many significant digits a number is written with."""
    return len(f"{number:.12g}".partition("e")[0].replace(".", "").strip("0"))


def _check_errors(draft: Draft) -> Iterator[Fault]:
    for group in _gathered(draft.records, "quantity", "reporter"):
        for entry, others in _each(group):
            errors = [other.item.sd for other in others]
            if len(errors) >= FEWEST and _is_off(entry.item.sd, errors, ERROR_RATIO):
                message = (
                    f"sd {entry.item.sd:g} is unlike all others of {entry.item.reporter!r} for "
                    f"{entry.item.quantity!r}, {_span(errors)}; check the decimal point"
                )
                yield _fault(entry, "sd", message)


def _check_contents(draft: Draft) -> Iterator[Fault]:
    gross = [entry for entry in draft.records if entry.item.factor is not None]
    for group in _gathered(gross, "quantity"):
        for entry, others in _each(group):
            contents = [other.item.factor or 1.0 for other in others]
            content = entry.item.factor or 1.0
            one = len(contents) >= MANY and len({*contents}) == 1
            ratio = ONE_CONTENT_RATIO if one else CONTENT_RATIO
            if len(contents) >= FEWEST and _is_off(content, contents, ratio):
                message = (
                    f"factor {content:g} is unlike all others of {entry.item.quantity!r}, "
                    f"{_span(contents)}; write the content of one gross tonne"
                )
                yield _fault(entry, "factor", message)


def _check_units(draft: Draft) -> Iterator[Fault]:
    """Yield figures of content in a series of gross weights, and the reverse."""
    for group in _gathered(draft.records, "quantity", "reporter"):
        for entry, others in _each(group):
            units = {other.item.unit.endswith(f" {GROSS}") for other in others}
            own = entry.item.unit.endswith(f" {GROSS}")
            if len(others) >= MANY and units == {not own}:
                other = others[0].item
                message = (
                    f"unit {entry.item.unit!r} is not that of the {len(others)} others of "
                    f"{other.reporter!r} for {other.quantity!r}, such as {other.unit!r} in "
                    f"{place(others[0], other.record)}; is the figure gross weight or content?"
                )
                yield _fault(entry, "unit", message)


def _check_common_errors(draft: Draft) -> Iterator[Fault]:
    """Yield figures without an error in common that the figures before and after name."""
    for group in _gathered(draft.records, "quantity", "reporter", "kind", "unit"):
        ordered = sorted(group, key=lambda entry: entry.item.year)
        for before, entry, after in zip(ordered, ordered[1:], ordered[2:], strict=False):
            missing = {*before.item.shared} & {*after.item.shared} - {*entry.item.shared}
            for name in sorted(missing):
                message = (
                    f"common error {name!r} is named in {place(before, before.item.record)} and "
                    f"{place(after, after.item.record)}, before and after, and not here; name it"
                )
                yield table_fault(TABLE, entry, "shared", ";".join(entry.item.shared), message)


def _check_reporters(draft: Draft) -> Iterator[Fault]:
    """Yield reporters written almost alike, which the model takes for two."""
    seen: dict[str, Entry[Record]] = {}
    for entry in draft.records:
        name = entry.item.reporter
        near = [] if name in seen else [other for other in seen if _one_slip(name, other)]
        if near:
            first = seen[near[0]]
            message = (
                f"reporter {name!r} is written almost as {near[0]!r} in "
                f"{place(first, first.item.record)}; write one name, or tell them apart"
            )
            yield _fault(entry, "reporter", message)
        seen.setdefault(name, entry)


def _check_holes(draft: Draft) -> Iterator[Fault]:
    """Yield the only figure of a reporter where another's series of the same source has a hole."""
    for group in _gathered(draft.records, "quantity", "source", "kind", "unit"):
        series: dict[str, dict[int, Entry[Record]]] = defaultdict(dict)
        for entry in group:
            series[entry.item.reporter][entry.item.year] = entry
        for reporter, rows in series.items():
            if len(rows) > 1:
                continue
            (year,) = rows
            for other, years in series.items():
                if year not in years and {year - 1, year + 1} <= years.keys():
                    message = (
                        f"{reporter!r} reports {rows[year].item.quantity!r} in {year} only, where "
                        f"{other!r}, of the same source, has {year - 1} and {year + 1}; is it a "
                        "figure of theirs?"
                    )
                    yield _fault(rows[year], "reporter", message)


def _one_slip(one: str, other: str) -> bool:
    """Return whether two names differ by one letter: put in, left out, changed or swapped."""
    if min(len(one), len(other)) < SHORT_NAME:
        return False
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if same is None:
        return abs(len(one) - len(other)) == 1
    a, b = one[same:], other[same:]
    if a[0].isdigit() or b[0].isdigit():  # parts and editions are numbered
        return False
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or swapped


def _each(group: Records) -> Iterator[tuple[Entry[Record], list[Entry[Record]]]]:
    """Yield each of a group with the others."""
    for entry in group:
        yield entry, [other for other in group if other is not entry]


def _is_off(number: float, others: Sequence[float], ratio: float) -> bool:
    return all(max(number / other, other / number) >= ratio for other in others)


def _span(numbers: Sequence[float]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


# --- parts of a whole -----------------------------------------------------------------------------


def _check_shares(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield shares above one, and shares of one whole that add up to more."""
    shares = [entry for entry in draft.records if _is_share(entry.item.quantity, context)]
    for entry in shares:
        column = _least_column(entry.item)
        if column and (getattr(entry.item, column) or 0.0) > 1:
            message = (
                f"{column} {getattr(entry.item, column):g} is more than the whole of which "
                f"{entry.item.quantity!r} is a share; is it a percentage?"
            )
            yield _fault(entry, column, message)
    for group in _gathered(shares, "year", "year_end", "reporter", "source"):
        wholes: dict[Any, list[Entry[Record]]] = defaultdict(list)
        for entry in group:
            if _least_column(entry.item):
                wholes[_flows(entry.item.quantity, "den", context)].append(entry)
        yield from (_told_sum(parts) for parts in wholes.values() if _exceeds(parts, context))


def _is_share(quantity: str, context: Context) -> bool:
    """Return whether a ratio is a part of a whole: its numerator stands in its denominator."""
    parts, whole = (_flows(quantity, part, context) for part in ("num", "den"))
    return bool(whole) and parts <= whole


def _flows(quantity: str, part: str, context: Context) -> frozenset[tuple[str, float]]:
    terms = (entry.item for entry in context.terms[quantity])
    return frozenset((term.flow, term.weight) for term in terms if term.part == part)


def _least_column(record: Record) -> str:
    """Return the column that a share is at least, empty for an upper bound."""
    kind = kind_of(record.kind)
    return "value" if kind.states == FIGURE else "low" if "low" in kind.needs else ""


def _exceeds(parts: Records, context: Context) -> bool:
    """Return whether shares that have nothing in common add up to more than one, errors allowed."""
    flows = [_flows(entry.item.quantity, "num", context) for entry in parts]
    if len(parts) < 2 or sum(map(len, flows)) > len(frozenset().union(*flows)):
        return False
    numbers = [float(getattr(entry.item, _least_column(entry.item))) for entry in parts]
    error = math.hypot(*(n * e.item.sd for n, e in zip(numbers, parts, strict=True)))
    return sum(numbers) - 2 * error > 1


def _told_sum(parts: Records) -> Fault:
    entry = max(parts, key=lambda entry: getattr(entry.item, _least_column(entry.item)))
    column = _least_column(entry.item)
    total = sum(getattr(part.item, _least_column(part.item)) for part in parts)
    names = listed(repr(part.item.quantity) for part in parts)
    message = f"shares {names} of {entry.item.year} add up to {total:.3g}, more than the whole"
    return _fault(entry, column, message)


# --- sources and biases ---------------------------------------------------------------------------


def _check_printed(draft: Draft) -> Iterator[Fault]:
    """Yield records of years that had not begun when their source appeared; quotas come before."""
    printed = {
        entry.item.source: entry.item.year
        for entry in draft.sources
        if entry.item.year is not None and entry.item.year >= FIRST_PRINT
    }
    for entry in draft.records:
        year, record = printed.get(entry.item.source), entry.item
        ahead = int(kind_of(record.kind).is_target)
        if year is not None and record.year_end > year + ahead:
            message = (
                f"source {record.source!r} is of {year}, and the record of {record.year_end}; "
                "check both years, and the edition"
            )
            yield _fault(entry, "source", message)
    for estimate in draft.published:
        year = printed.get(estimate.item.source)
        if year is not None and estimate.item.year_end > year:
            message = (
                f"source {estimate.item.source!r} is of {year}, before {estimate.item.year_end}"
            )
            table = "published_estimates.csv"
            yield table_fault(table, estimate, "source", estimate.item.source, message)


def _check_silent_biases(draft: Draft) -> Iterator[Fault]:
    """Yield periods of a bias in which its reporter, who has many records, has none."""
    years: dict[str, set[int]] = defaultdict(set)
    count = Counter(entry.item.reporter for entry in draft.records)
    for entry in draft.records:
        years[entry.item.reporter] |= {*range(entry.item.year, entry.item.year_end + 1)}
    for prior_entry in draft.priors:
        row, about = prior_entry.item, prior_entry.item.about
        if about.group != BIAS or count[about.name] < MANY or row.year is None:
            continue
        last = row.year if row.year_end is None else row.year_end
        if not years[about.name] & {*range(row.year, last + 1)}:
            message = (
                f"{about.name!r} has no record in {row.year}-{last}, only in "
                f"{years_text(years[about.name])}; check the year of the break"
            )
            yield table_fault("priors.csv", prior_entry, "year", row.year, message)


def _biases(draft: Draft) -> dict[str, list[Entry[Prior]]]:
    """Return the rows of each reporter's bias."""
    rows: dict[str, list[Entry[Prior]]] = defaultdict(list)
    for entry in draft.priors:
        if entry.item.about.group == BIAS:
            rows[entry.item.about.name].append(entry)
    reporters = {entry.item.reporter for entry in draft.records}
    return {name: rows.get(name, rows.get(EVERY, [])) for name in sorted(reporters)}


def _check_lone_biases(draft: Draft) -> Iterator[Fault]:
    """Yield wide biases of reporters with no quantity that another reports as well."""
    reporters: dict[str, set[str]] = defaultdict(set)
    for entry in draft.records:
        reporters[entry.item.quantity].add(entry.item.reporter)
    alone = {name for found in reporters.values() for name in found}
    alone -= {name for found in reporters.values() if len(found) > 1 for name in found}
    for name, rows in _biases(draft).items():
        for row in rows:
            if name in alone and row.item.sd > LONE_SD:
                message = (
                    f"nothing ties down the bias of {name!r}: sd is {row.item.sd:g} and nobody "
                    f"else reports what it does; write {LONE_SD:g} or less, or record another"
                )
                yield table_fault("priors.csv", row, "sd", row.item.sd, message)


def _check_anchors(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield a warning if no anchored reporter states a figure of a mass, which sets the scale."""
    anchored = {
        name for name, rows in _biases(draft).items()
        if rows and all(entry.item.sd <= ANCHOR_SD for entry in rows)
    }  # fmt: skip
    figures = [
        entry.item
        for entry in draft.records
        if kind_of(entry.item.kind).is_figure and not context.is_ratio(entry.item.quantity)
    ]
    if anchored and figures and not any(record.reporter in anchored for record in figures):
        message = (
            f"the anchored reporters ({listed(sorted(anchored))}) state no figure of a mass, so "
            "the level of all flows rests on biases; anchor a reporter of masses"
        )
        yield Fault("priors.csv", None, "sd", "", message)
