"""Judgements as quantiles, and the priors that they amount to.

elicitation.csv states what is believed as quantiles that a person can judge: the target lies
below ``low``, ``middle`` and ``high`` with 5, 50 and 95 % probability, in ``unit``. A bias or a
route is a factor, of the figure or of the odds. ``change`` is the factor within which flow, odds
or figure stay from one year to the next, nine times in ten; it is empty where nothing changes.
``transition`` is likewise the factor within which the change with which a period begins differs
from what the medians say of it; the column may be left out, and is empty where the medians jump.
The quantiles of a share hold while the flows beside it keep their proportions to one another.
``expert`` names who judged where several did: the rows of one target and year are then pooled.

Each row becomes a row of priors.csv: the normal distribution of maximum entropy with that median
and 90 % between the outer quantiles, on the log scale, or on the log odds of a share.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Literal

from reebayes.errors import ReebayesError, StudyError
from reebayes.study import DISTRIBUTIONS, Cells, FaultList, Line, Prior, read_lines
from reebayes.wording import install_line

type Pool = Literal["linear", "log"]

POOLS: tuple[Pool, ...] = ("linear", "log")
"""How several experts are joined, the default first."""

TABLE = "elicitation.csv"
FACTORS = {"factor": "log scale", "factor of odds": "log odds"}
"""Units of statements about factors, and those of their logarithms in priors.csv."""

MASS = 0.9
MISSED = 1e-4
"""How far a fitted distribution may miss the mass."""

NORMAL_95 = 1.6449  # standard normal quantile of 95 %


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody believes of one target, as quantiles."""

    target: str
    year: int | None
    year_end: int | None
    distribution: str
    low: float
    middle: float
    high: float
    change: float | None
    unit: str
    whose: str
    source: str
    note: str = ""
    expert: str = ""
    transition: float | None = None


EXPERT, TRANSITION = "expert", "transition"
"""Columns that may be left out: where every target has one judgement, and where medians jump."""

COLUMNS = tuple(field.name for field in fields(Statement) if field.name not in (EXPERT, TRANSITION))


# --- statements -----------------------------------------------------------------------------------


def read_statements(path: Path) -> list[Statement]:
    """Read elicitation.csv, or raise every fault of it at once."""
    found = FaultList(path.name)
    read = read_lines(path, COLUMNS, (EXPERT, TRANSITION), found)
    lines = [line for line in read if not line.broken]
    statements = [_statement(line, found) for line in lines]
    if not found.faults:
        tell_of_panels(list(zip((line.row for line in lines), statements, strict=True)), found)
    if found.faults:
        raise StudyError(sorted(found.faults, key=lambda fault: fault.row or 0))
    return statements


def _statement(line: Line, found: FaultList) -> Statement:
    cells = Cells(line, found)
    stated = Statement(
        target=cells.name("target"),
        year=cells.year("year"),
        year_end=cells.year("year_end"),
        distribution=cells.choice("distribution", DISTRIBUTIONS),
        low=cells.needed_number("low", 0.4),
        middle=cells.needed_number("middle", 0.5),
        high=cells.needed_number("high", 0.6),
        change=cells.number("change"),
        unit=cells.needed("unit"),
        whose=cells.needed("whose"),
        source=cells.name("source"),
        note=cells.text("note"),
        expert=cells.key(EXPERT, needed=False),
        transition=cells.number(TRANSITION),
    )
    if not cells.bad:
        for column, message in faults_of(stated):
            found.add(line.row, column, line.cells[column], message)
    return stated


def tell_of_panels(rows: Sequence[tuple[int, Statement]], found: FaultList) -> None:
    """Note where judgements of one target and year cannot be pooled.

    Parameters
    ----------
    rows : sequence of (int, Statement)
        Statements with their line.
    found : FaultList
    """
    panels: dict[tuple[str, int | None], list[tuple[int, Statement]]] = {}
    for row, stated in rows:
        panels.setdefault((stated.target, stated.year), []).append((row, stated))
    for panel in panels.values():
        (begun, first), *others = panel
        if others and not all(stated.expert for _, stated in panel):
            for row, stated in panel:
                if not stated.expert:
                    message = "several rows are about this target and year; name who judged each"
                    found.add(row, EXPERT, "", message)
        seen: dict[str, int] = {}
        for row, stated in panel:
            if stated.expert and stated.expert in seen:
                message = (
                    f"{stated.expert!r} judged this in row {seen[stated.expert]} too; keep one"
                )
                found.add(row, EXPERT, stated.expert, message)
            seen.setdefault(stated.expert, row)
            if others and stated.low == stated.high:
                message = "a value that is known for certain cannot be pooled; write a band"
                found.add(row, "low", f"{stated.low:g}", message)
        for row, stated in others:
            for column in ("year_end", "distribution", "unit", "source"):
                new, old = getattr(stated, column), getattr(first, column)
                if new != old:
                    message = (
                        f"{column} of the same target is {_said(old)} in row {begun}; all who "
                        "judge one target write the same"
                    )
                    found.add(row, column, "" if new is None else str(new), message)


def _said(value: object) -> str:
    return "empty" if value in (None, "") else repr(value)


def faults_of(stated: Statement) -> Iterable[tuple[str, str]]:
    """Yield column and message of everything wrong with a statement."""
    low, middle, high = stated.low, stated.middle, stated.high
    known = low == middle == high
    if not known and not low < middle < high:
        yield "middle", f"{middle:g} is not between {low:g} and {high:g}"
    if low <= 0:
        yield "low", f"{low:g} is not above 0"
    if stated.distribution == "share" and high >= 1:
        yield "high", f"share {high:g} is not below 1"
    if (stated.distribution == "normal") != (stated.unit in FACTORS):
        yield "unit", f"a normal prior is stated in one of {', '.join(FACTORS)}, others are not"
    if stated.change is not None and stated.change <= 1:
        yield "change", f"{stated.change:g} is not above 1; leave it empty if nothing changes"
    if stated.transition is not None and stated.transition <= 1:
        yield "transition", f"{stated.transition:g} is not above 1; leave it empty for a jump"


# --- priors ---------------------------------------------------------------------------------------


def prior_of(stated: Statement) -> Prior:
    """Return the prior that a statement amounts to, rounded as priors.csv is."""
    on_log = stated.distribution == "normal"
    return Prior(
        target=stated.target,
        year=stated.year,
        year_end=stated.year_end,
        distribution=stated.distribution,
        median=round(math.log(stated.middle), 2) + 0.0 if on_log else stated.middle,
        sd=round(spread(stated), 2),
        step=_rounded(stated.change),
        unit=FACTORS.get(stated.unit, stated.unit),
        source=stated.source,
        note=stated.note,
        transition=_rounded(stated.transition),
    )


def _rounded(factor: float | None) -> float | None:
    """Return the standard deviation of changes nine in ten of which stay within a factor."""
    return None if factor is None else round(math.log(factor) / NORMAL_95, 2)


def _factor(sd: float | None) -> float | None:
    return None if sd is None else float(f"{math.exp(NORMAL_95 * sd):.3g}")


def spread(stated: Statement) -> float:
    """Return the standard deviation, on the log or log-odds scale, that fits the quantiles."""
    scale = scale_of(stated.distribution)
    low, middle, high = (scale(value) for value in (stated.low, stated.middle, stated.high))
    return 0.0 if low == high else _fitted_spread(low, middle, high)


@cache
def _fitted_spread(low: float, middle: float, high: float) -> float:
    try:
        import preliz as pz  # takes seconds to load
    except ImportError as error:
        raise ReebayesError(
            f"Quantiles need a library; install it in the clone: {install_line('elicitation')}"
        ) from error
    # The median is given as a parameter: maxent's fixed_stat only penalises it, and may miss it.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of steps that its search tries and leaves
            fitted = pz.maxent(pz.Normal(mu=middle), lower=low, upper=high, mass=MASS, plot=False)
        found = float(fitted.sigma)
    except IndexError:  # no step of its search succeeded
        found = math.nan
    missed = abs(_inside(found, low - middle, high - middle) - MASS)
    return found if missed < MISSED else _only_spread(low - middle, high - middle)


def _inside(spread: float, below: float, above: float) -> float:
    """Return the probability of a normal distribution between two distances from its mean."""
    if not spread > 0:
        return math.nan
    return NormalDist(0, spread).cdf(above) - NormalDist(0, spread).cdf(below)


def _only_spread(below: float, above: float) -> float:
    """Return the one spread with the wanted mass; the search of the library can miss it.

    The mass falls as the spread grows, so halving finds it.
    """
    least, most = 0.0, 10 * max(-below, above)
    for _ in range(80):
        spread = (least + most) / 2
        least, most = (spread, most) if _inside(spread, below, above) > MASS else (least, spread)
    return (least + most) / 2


def scale_of(distribution: str) -> Callable[[float], float]:
    """Return what takes a quantile to the scale on which the prior is normal."""
    return _log_odds if distribution == "share" else math.log


def value_of(distribution: str) -> Callable[[float], float]:
    """Return what takes a number on the scale of the prior back to a quantile."""
    return _share if distribution == "share" else math.exp


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def statement_of(prior: Prior) -> Statement:
    """Return a prior as quantiles, with as few digits as lead back to it."""
    inverse = value_of(prior.distribution)
    scale = scale_of(prior.distribution)
    middle = prior.median if prior.distribution == "normal" else scale(prior.median)
    exact = [inverse(middle + shift * prior.sd) for shift in (-NORMAL_95, 0, NORMAL_95)]
    backward = {unit: factor for factor, unit in FACTORS.items()}
    for digits in range(2, 8):
        low, median, high = (float(f"{value:.{digits}g}") for value in exact)
        if prior.distribution != "normal":
            median = prior.median
        if prior.sd > 0 and not low < median < high:
            continue
        stated = Statement(
            target=prior.target,
            year=prior.year,
            year_end=prior.year_end,
            distribution=prior.distribution,
            low=low,
            middle=median,
            high=high,
            change=_factor(prior.step),
            unit=backward.get(prior.unit, prior.unit),
            whose="authors",
            source=prior.source,
            note=prior.note,
            transition=_factor(prior.transition),
        )
        if prior_of(stated) == prior:
            return stated
    raise ValueError(f"prior of {prior.target!r} has more digits than a statement")


def _share(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
