"""Single cells that are possible and hardly meant: errors, spreads, medians, weights and dates."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

from reebayes.errors import Fault
from reebayes.study.checks.context import Context
from reebayes.study.drafts import Draft
from reebayes.study.header.settings import TABLE
from reebayes.study.kinds import kind_of
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import Prior
from reebayes.study.targets import BIAS, ERRORS, FLOW, NOISE, NOISE_FLOOR, ROUTE, SHARED, STEP
from reebayes.wording import format_value

LEAST_ERROR, MOST_ERROR = 0.005, 1.0
"""Relative standard errors of figures: no survey, scale or customs office knows a total to half a
per cent, definitions differ by more; one that errs by a factor of 7 either way tells nothing."""

WIDEST_RANGE = 100.0
"""Ratio of the ends of a range, above which it tells less than most priors."""

OTHER_FACTOR = 10.0
"""Ratio of the two values of an ambiguous figure: content and gross weight differ by less."""


class Limits(NamedTuple):
    """What the rows of one group of priors are within, on their log scale."""

    least_sd: float
    most_sd: float
    most_median: float
    why: str


_FLOW_LIMITS = Limits(
    0.01, 3.0, float("inf"), "between being known to 2 % and a factor of 140 either way"
)
PRIOR_LIMITS = {
    FLOW: _FLOW_LIMITS,
    ROUTE: _FLOW_LIMITS,
    # Nought is allowed where a number may be fixed; then it is nought, and nothing near it.
    BIAS: Limits(0.005, 1.0, 0.9, "0 if it is fixed; and who errs by a factor of 5 tells nothing"),
    SHARED: Limits(0.005, 1.0, 0.9, "between half a per cent and a factor of 5 either way"),
    NOISE: Limits(0.005, 1.5, 1.6, "stated errors are not out by a factor of 12 either way"),
    ERRORS: Limits(0.005, 1.5, 3.5, "degrees of freedom are not out by a factor of 12 either way"),
    STEP: Limits(0.005, 1.5, 1.6, "stated steps are not out by a factor of 12 either way"),
}
"""Limits of spread and median by group. A bias of 0.9 is a factor of 2.5: a larger median is a
factor that was meant, and not its log; multipliers of noise and steps are within a factor of 5, and
what has 33 degrees of freedom is all but normal."""

MOST_STEP = 1.4142
"""Ratio of step to spread: independent years change by this, and no series moves faster."""

FIRST_PRINT = 1800
"""Statistics of production are not older."""

MOST_YEARS, MOST_BLANK = 150, 5
"""Years of a study, and years at either end of it without a record."""

WEIGHTS = (0.1, 10.0)
"""Weights of flows lie between: a tenth or ten times is a displaced point, or a unit."""


def check_limits(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield cells beyond what is ever met."""
    yield from _check_errors(draft)
    yield from _check_widths(draft)
    yield from _check_spreads(draft)
    yield from _check_steps(draft)
    yield from _check_weights(draft)
    yield from _check_publication(draft)
    yield from _check_ends(draft, context)


def _check_errors(draft: Draft) -> Iterator[Fault]:
    for entry in draft.records:
        sd = entry.item.sd
        if kind_of(entry.item.kind).is_signed:
            continue
        if not LEAST_ERROR <= sd <= MOST_ERROR:
            small = sd < LEAST_ERROR
            what = "less than any survey reaches" if small else "so wide that it says nothing"
            message = f"sd {sd:g} is {what}; write it as a fraction, such as 0.05 for 5%"
            yield table_fault("records.csv", entry, "sd", sd, message)


def _check_widths(draft: Draft) -> Iterator[Fault]:
    """Yield ranges, and pairs of values of one figure, that are too far apart to be one."""
    for entry in draft.records:
        low, high, value, other = (
            getattr(entry.item, name) for name in ("low", "high", "value", "other")
        )
        if low and high and high > WIDEST_RANGE * low:
            ratio = format_value(high / low)
            message = f"low {low:g} is {ratio} times below high {high:g}; check both and the unit"
            yield table_fault("records.csv", entry, "low", low, message)
        if value and other and max(value / other, other / value) >= OTHER_FACTOR:
            message = (
                f"other {other:g} is far from value {value:g}; check both, or make two records"
            )
            yield table_fault("records.csv", entry, "other", other, message)


def _check_spreads(draft: Draft) -> Iterator[Fault]:
    for entry in draft.priors:
        prior = entry.item
        if prior.about == NOISE_FLOOR:
            continue
        limits = PRIOR_LIMITS[prior.about.group]
        if prior.sd > 0 and not limits.least_sd <= prior.sd <= limits.most_sd:
            span = f"{limits.least_sd:g} to {limits.most_sd:g}"
            message = f"sd {prior.sd:g} of {prior.target!r} is not within {span}: {limits.why}"
            yield _prior_fault(entry, "sd", prior.sd, message)
        if not _is_usual(prior, limits):
            message = (
                f"median {prior.median:g} of {prior.target!r} is beyond what is ever met; it is "
                f"{'a multiplier' if prior.distribution == 'lognormal' else 'on the log scale'}"
            )
            yield _prior_fault(entry, "median", prior.median, message)


def _is_usual(prior: Prior, limits: Limits) -> bool:
    if prior.about.group in (FLOW, ROUTE):
        return True
    middle = math.log(prior.median) if prior.distribution == "lognormal" else prior.median
    return abs(middle) <= limits.most_median


def _check_steps(draft: Draft) -> Iterator[Fault]:
    for entry in draft.priors:
        prior = entry.item
        if prior.step is not None and prior.sd > 0 and prior.step > MOST_STEP * prior.sd:
            message = (
                f"step {prior.step:g} is more than {MOST_STEP:.2f} times sd {prior.sd:g}: nothing "
                "changes more from year to year than it varies; write a smaller step or a wider sd"
            )
            yield _prior_fault(entry, "step", prior.step, message)


def _prior_fault(entry: Entry[Prior], column: str, value: float, message: str) -> Fault:
    return table_fault("priors.csv", entry, column, value, message)


def _check_weights(draft: Draft) -> Iterator[Fault]:
    least, most = WEIGHTS
    for entry in draft.terms:
        weight = entry.item.weight
        if not least < abs(weight) < most:
            message = (
                f"weight {weight:g} is not between {least:g} and {most:g}; records are converted "
                "by their unit, and a flow usually counts once"
            )
            yield table_fault("quantities.csv", entry, "weight", weight, message)


def _check_publication(draft: Draft) -> Iterator[Fault]:
    """Yield sources that are not printed yet, or from before there were statistics."""
    this_year = today().year
    for entry in draft.sources:
        year = entry.item.year
        if year is not None and not FIRST_PRINT <= year <= this_year:
            when = "still to come" if year > this_year else "before there were such statistics"
            message = f"year of publication {year} is {when}; write the year in which it appeared"
            yield table_fault("sources.csv", entry, "year", year, message)


def today() -> date:
    """Return the day, by which publications have appeared."""
    return datetime.now(UTC).date()


def _check_ends(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield years of a study that no record reaches, at its ends."""
    first, last = context.years[0], context.years[-1]
    if last - first + 1 > MOST_YEARS:
        message = f"{last - first + 1} years are more than any register covers; check both ends"
        yield Fault(TABLE, None, "last_year", str(last), message)
    if not draft.records:
        return
    begin = min(entry.item.year for entry in draft.records)
    end = max(entry.item.year_end for entry in draft.records)
    for key, year, blank in (("first_year", first, begin - first), ("last_year", last, last - end)):
        if blank > MOST_BLANK:
            near = begin if key == "first_year" else end
            message = (
                f"no record is within {blank - 1} years of {key} {year}; the nearest is of {near}: "
                "check the years of the study"
            )
            yield Fault(TABLE, None, key, str(year), message)
