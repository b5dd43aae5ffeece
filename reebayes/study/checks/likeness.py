"""Figures beside what is near them: their own series, other reporters, and what the priors expect.

A figure is told when nothing comes near it. Priors alone must be far beyond their own spread to
speak against a figure; with neighbours that are far from it as well, less will do.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from reebayes.errors import Fault
from reebayes.study.checks.blame import Blamed, find_prior
from reebayes.study.checks.context import Context, place
from reebayes.study.checks.prior_flows import PriorFlows, draw_flows
from reebayes.study.drafts import Draft
from reebayes.study.kinds import AT_LEAST, AT_MOST, SUM, kind_of, stated_columns
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import Estimate, Prior, Record
from reebayes.study.targets import BIAS, EVERY, NOISE, NOISE_OF_ALL, SHARED, Target
from reebayes.study.transitions import values as values_by_year
from reebayes.wording import format_value, listed

FACTOR = 4.0
"""What a figure may differ by, beyond twice the stated errors, before it counts as far."""

LOOSE = 100.0
"""What a bound may leave open: one that is looser bounds nothing, or is in another unit."""

REACH = 3
"""Years before and after in which a record of the same series is a neighbour."""

ALONE, BESIDE, BETWEEN = 4.5, 2.75, 2.0
"""Standard deviations from what the priors expect: with nothing near to compare with, with a
neighbour or other reporter that is far as well, and with several that agree with one another."""

SERIES = 4.0
"""Standard deviations from the priors at which half of a series speaks against them, or they
against it."""

FEWEST = 3
"""Records that make a series, and what speaks for a prior that is far from most of them."""

SLIPS = {10.0: "a decimal place", 100.0: "a percentage, or two decimal places",
         1000.0: "t or kg where kt or t is meant"}  # fmt: skip
"""Factors by which figures are often wrong, and what is then to be looked at."""

MILLION = math.log(1e6)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """What a row states, on the log scale of the study's unit, and what the priors expect.

    Parameters
    ----------
    entry : Entry
    low, high : float
        Ends of what is stated; of a bound, both are the bound.
    error : float
        Standard error, as large as the prior of noise may well make it.
    centre, spread : float
        What the priors expect the reporter to print, and its standard deviation without the
        stated error.
    """

    entry: Entry[Record]
    low: float
    high: float
    error: float
    centre: float
    spread: float

    @property
    def offset(self) -> float:
        """Distance from what the priors expect; negative below."""
        return _apart((self.low, self.high), (self.centre, self.centre))

    @property
    def surprise(self) -> float:
        """Distance from what the priors expect in standard deviations."""
        return abs(self.offset) / math.hypot(self.spread, self.error)

    @property
    def is_loose(self) -> bool:
        """Whether it is a bound that allows all that the priors expect."""
        states = kind_of(self.entry.item.kind).states
        return (states == AT_MOST and self.offset > 0) or (states == AT_LEAST and self.offset < 0)

    @property
    def is_figure(self) -> bool:
        """Whether it states a figure, and no bound or range."""
        return kind_of(self.entry.item.kind).is_figure


type Series = Mapping[tuple[str, str], list[Statement]]


def check_likeness(draft: Draft, context: Context, flows: PriorFlows) -> Iterator[Fault]:
    """Yield figures, series, priors and literature estimates that nothing comes near."""
    found, against = _compared(draft, flows)
    if against:
        blamed = find_prior(draft, context, _middles(found), _shift(against))
        yield _told_prior(against, blamed)
        if blamed:
            flows = draw_flows(blamed.mended, context)
            found, against = _compared(blamed.mended, flows)
    yield from _check_estimates(draft, flows)
    for name, statements in found.items():
        if name in against:
            continue
        series = _far_series(statements)
        yield from map(_told_series, series)
        told = {id(statement) for rows in series for statement in rows}
        for statement in statements:
            if id(statement) not in told and _is_far(statement, statements):
                yield _told_figure(statement, statements)


def _compared(
    draft: Draft, flows: PriorFlows
) -> tuple[dict[str, list[Statement]], dict[str, list[list[Statement]]]]:
    """Return what is stated of each quantity, and the series of those that speak against priors."""
    found: dict[str, list[Statement]] = {}
    for statement in _statements(draft, flows):
        found.setdefault(statement.entry.item.quantity, []).append(statement)
    far = {name: _far_series(statements) for name, statements in found.items()}
    against = {name: series for name, series in far.items() if _most(found[name], series)}
    return found, against or _all_far(found)


def _all_far(found: Mapping[str, Iterable[Statement]]) -> dict[str, list[list[Statement]]]:
    """Return the figures that are far, where most of all are, though no series is long enough."""
    figures = {name: [s for s in rows if s.is_figure] for name, rows in found.items()}
    far = {
        name: [s for s in rows if abs(s.offset) > math.log(FACTOR) and s.surprise > ALONE]
        for name, rows in figures.items()
    }
    count = sum(map(len, far.values()))
    if count < FEWEST or 2 * count <= sum(map(len, figures.values())):
        return {}
    return {name: [rows] for name, rows in far.items() if rows}


def _middles(found: Mapping[str, Iterable[Statement]]) -> list[tuple[Record, float]]:
    """Return the middle figure of each series, with its distance from what the priors expect."""
    rows = (series for statements in found.values() for series in _series(statements))
    middle = (sorted(row, key=lambda statement: statement.offset)[len(row) // 2] for row in rows)
    return [(statement.entry.item, statement.offset) for statement in middle]


def _shift(against: Mapping[str, Sequence[Sequence[Statement]]]) -> float:
    """Return how far the series that contradict the priors are from what they expect."""
    offsets = [s.offset for found in against.values() for series in found for s in series]
    return median(offsets)


def _check_estimates(draft: Draft, flows: PriorFlows) -> Iterator[Fault]:
    """Yield literature estimates that are far from anything the priors allow."""
    for entry in draft.published:
        item = entry.item
        total = item.year_end > item.year and not flows.context.is_ratio(item.quantity)
        expected = flows.expected(item.quantity, item.year, item.year_end, total=total)
        ends = _ends(item)
        if expected is None:
            continue
        offset = _apart(ends, (expected[0], expected[0]))
        if abs(offset) > max(ALONE * expected[1], math.log(FACTOR**2)):
            column = stated_columns(item.kind)[0] or "high"
            message = (
                f"{column} {getattr(item, column):g} {item.unit} is {_times(offset)} what the "
                f"priors expect{_hint(offset)}; check the number, its unit and the years"
            )
            number = getattr(item, column)
            yield table_fault("published_estimates.csv", entry, column, number, message)


def _statements(draft: Draft, flows: PriorFlows) -> Iterator[Statement]:
    """Yield what records of positive quantities state."""
    rows: dict[str, list[Prior]] = {}
    for entry in draft.priors:
        rows.setdefault(entry.item.target, []).append(entry.item)
    known: dict[tuple[str, int, int, bool], tuple[float, float] | None] = {}
    for record_entry in draft.records:
        record = record_entry.item
        if kind_of(record.kind).is_signed:
            continue  # distances are ratios here, and a difference of flows has none
        key = (record.quantity, record.year, record.year_end, kind_of(record.kind).years == SUM)
        if key not in known:
            known[key] = flows.expected(*key[:3], total=key[3])
        expected = known[key]
        if expected is None:
            continue
        bias = rows.get(str(Target(BIAS, record.reporter)), rows.get(str(Target(BIAS, EVERY)), []))
        shift, width = (_of_year(bias, record, flows, column) for column in ("median", "sd"))
        shared = [rows[str(Target(SHARED, name))][0].sd for name in record.common_errors]
        yield Statement(
            record_entry, *_ends(record), record.sd * _noise(rows, record.reporter),
            expected[0] + shift, math.hypot(expected[1], width, *shared),
        )  # fmt: skip


def _of_year(rows: Sequence[Prior], record: Record, flows: PriorFlows, column: str) -> float:
    if not rows:
        return 0.0
    years = flows.context.years
    return float(values_by_year(rows, years, column)[record.year - years[0]])


def _noise(rows: Mapping[str, Sequence[Prior]], reporter: str) -> float:
    """Return the multiplier of stated errors one standard deviation above the prior's median."""
    own = rows.get(str(Target(NOISE, reporter)), rows.get(str(Target(NOISE, EVERY)), ()))
    found = [*own[:1], *rows.get(str(NOISE_OF_ALL), ())[:1]]
    middle = math.prod(row.median for row in found)
    return max(1.0, middle * math.exp(math.hypot(*(row.sd for row in found))))


def _ends(item: Record | Estimate) -> tuple[float, float]:
    """Return the logs of what is stated; an alternative value widens it."""
    columns = [name for name in stated_columns(item.kind) if name is not None]
    numbers = [getattr(item, name) for name in (*columns, "other")
               if getattr(item, name, None) is not None]  # fmt: skip
    logs = [math.log(number * item.scale) for number in numbers]
    return min(logs), max(logs)


def _apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the signed distance of two intervals, 0 where they overlap."""
    return max(one[0] - other[1], 0.0) - max(other[0] - one[1], 0.0)


# --- single figures -------------------------------------------------------------------------------


def _is_far(statement: Statement, others: Iterable[Statement]) -> bool:
    """Return whether no neighbour, other reporter or prior comes near a statement."""
    near = list(_comparable(statement, others))
    distances = [_beyond_errors(statement, other) for other in near]
    if any(distance <= math.log(FACTOR) for distance in (abs(statement.offset), *distances)):
        return False
    if statement.is_loose and abs(statement.offset) <= math.log(LOOSE):
        return False
    if not near:
        return statement.surprise > ALONE
    if statement.surprise > BESIDE:
        return True
    closest = _closest(statement, near)
    spread = max(abs(_distance(one, other)) for one in closest for other in closest)
    agree = len(closest) > 1 and min(distances) > math.log(FACTOR) + spread
    return agree and statement.surprise > BETWEEN


def _comparable(statement: Statement, others: Iterable[Statement]) -> Iterator[Statement]:
    """Yield the neighbours of a statement in its series, and other reporters of its years.

    A bound is compared with bounds of its kind; what it leaves open cannot come near.
    """
    record = statement.entry.item
    closed = len(kind_of(record.kind).needs) > 1 or statement.is_figure
    for other in others:
        item = other.entry.item
        own = item.reporter == record.reporter
        alike = item.kind == record.kind or (
            closed and (len(kind_of(item.kind).needs) > 1 or other.is_figure)
        )
        gap = abs(_gap(record, item))
        if other is not statement and alike and (gap == 0 or (own and gap <= REACH)):
            yield other


def _gap(one: Record, other: Record) -> int:
    """Return the years from one record to another, 0 if they have a year in common."""
    return max(other.year - one.year_end, 0) - max(one.year - other.year_end, 0)


def _distance(one: Statement, other: Statement) -> float:
    return _apart((one.low, one.high), (other.low, other.high))


def _beyond_errors(one: Statement, other: Statement) -> float:
    return abs(_distance(one, other)) - 2 * math.hypot(one.error, other.error)


def _closest(statement: Statement, near: Sequence[Statement]) -> list[Statement]:
    """Return the neighbours just before and after, and all of the same years."""
    gaps = {id(other): _gap(statement.entry.item, other.entry.item) for other in near}
    sides = ([o for o in near if gaps[id(o)] < 0], [o for o in near if gaps[id(o)] > 0])
    beside = [min(side, key=lambda other: abs(gaps[id(other)])) for side in sides if side]
    return [*beside, *(other for other in near if not gaps[id(other)])]


def _told_figure(statement: Statement, others: Iterable[Statement]) -> Fault:
    near = list(_comparable(statement, others))
    said = [f"{_times(statement.offset)} what the priors expect"]
    if near:
        other = min(near, key=lambda other: _beyond_errors(statement, other))
        where = place(other.entry, other.entry.item.record)
        year = other.entry.item.year
        said.insert(0, f"{_times(_distance(statement, other))} that of {year} in {where}")
    column, text = _figure(statement.entry.item)
    message = (
        f"{column} {text} is {listed(said)}{_hint(statement.offset)}; check the number, its unit "
        "and the year, then the priors"
    )
    number = getattr(statement.entry.item, column)
    return table_fault("records.csv", statement.entry, column, number, message)


def _figure(record: Record) -> tuple[str, str]:
    columns = [name for name in stated_columns(record.kind) if name is not None]
    return columns[0], f"{getattr(record, columns[0]):g} {record.unit}"


def _times(offset: float) -> str:
    side = "below" if offset < 0 else "above"
    if abs(offset) > MILLION:
        return f"more than a million times {side}"
    return f"{format_value(math.exp(abs(offset)))} times {side}"


def _hint(offset: float) -> str:
    """Return what a factor looks like, if it is near one by which figures are often wrong."""
    for factor, what in SLIPS.items():
        if abs(abs(offset) - math.log(factor)) < math.log(2.5):
            return f" (near {factor:g}: {what}?)"
    return ""


# --- series and priors ----------------------------------------------------------------------------


def _series(found: Iterable[Statement]) -> list[list[Statement]]:
    """Return the figures of a quantity by reporter."""
    series: dict[str, list[Statement]] = {}
    for statement in found:
        if statement.is_figure:
            series.setdefault(statement.entry.item.reporter, []).append(statement)
    return [*series.values()]


def _far_series(found: Iterable[Statement]) -> list[list[Statement]]:
    """Return the series of a quantity that lie far from what the priors expect."""
    return [rows for rows in _series(found) if len(rows) >= FEWEST and _is_far_series(rows)]


def _is_far_series(rows: Sequence[Statement]) -> bool:
    offset = median(row.offset for row in rows)
    spread = median(row.spread for row in rows)
    return abs(offset) > max(math.log(FACTOR), SERIES * spread)


def _most(found: Sequence[Statement], far: Sequence[Sequence[Statement]]) -> bool:
    """Return whether most figures of a quantity are in series that are far."""
    figures = sum(statement.is_figure for statement in found)
    return 2 * sum(map(len, far)) > figures


def _told_series(rows: Sequence[Statement]) -> Fault:
    first, offset = rows[0], median(row.offset for row in rows)
    item = first.entry.item
    message = (
        f"the {len(rows)} figures of {item.reporter!r} for {item.quantity!r} are {_times(offset)} "
        f"what the priors expect, and others are not{_hint(offset)}; check their unit"
    )
    return table_fault("records.csv", first.entry, "unit", item.unit, message)


def _told_prior(
    against: Mapping[str, Sequence[Sequence[Statement]]], blamed: Blamed | None
) -> Fault:
    """Return the fault of the priors that most records of some quantities contradict."""
    offsets = {
        name: median(statement.offset for rows in series for statement in rows)
        for name, series in against.items()
    }
    name = max(offsets, key=lambda name: abs(offsets[name]))
    count = len(offsets) - 1
    more = f", and those of {count} other {'quantity' if count == 1 else 'quantities'} are far"
    message = (
        f"most figures of {name!r} are {_times(offsets[name])} what the priors expect"
        f"{more if count else ''}{_hint(offsets[name])}; "
    )
    if blamed is None:
        message += "check the priors that it follows from, and the unit of the records"
        return Fault("priors.csv", None, "median", "", message)
    item = blamed.entry.item
    message += (
        f"a median of {format_value(blamed.median)} for {item.target!r} would fit: check it and "
        "its unit, and the unit of the records"
    )
    return table_fault("priors.csv", blamed.entry, "median", item.median, message)
