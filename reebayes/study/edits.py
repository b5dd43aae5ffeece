"""Rows changed or added by hand: what ``with_prior`` and its siblings do to the tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from numbers import Integral
from typing import Any

from reebayes.errors import Fault, StudyError
from reebayes.study.header.variants import ALL_YEARS
from reebayes.study.rows import Flow, Prior
from reebayes.wording import suggestion

_PRIORS = "priors.csv"
_FIXED = ("target", "year", "year_end")
"""Fields of a prior that say which row it is."""


def edited_priors(
    priors: Sequence[Prior],
    target: str,
    rest: Mapping[Prior, float],
    *,
    year: int | str | None,
    factor: float | None,
    shift: float | None,
    changes: Mapping[str, Any],
) -> list[Prior]:
    """Return prior rows with those of a target changed.

    Parameters
    ----------
    priors : sequence of Prior
    target : str
    rest : mapping of Prior to float
        What the other shares of its process leave to a share and the reference category.
    year : int or str, optional
        A year of the one row that changes; all rows of the target if left out, which must be
        alike in what changes unless `ALL_YEARS` stands in its place.
    factor, shift, changes
        As `Study.with_prior` takes them.

    Raises
    ------
    StudyError
        If there is no such row or field, or one value would replace different ones.
    """
    named = year not in (None, ALL_YEARS)
    if named and (isinstance(year, bool) or not isinstance(year, Integral)):
        _refuse("year", str(year), f"year is {year!r}, not a whole number or None, nor "
                f"{ALL_YEARS!r}")  # fmt: skip
    changes = {field: _as_read(value) for field, value in changes.items()}
    meant = [row for row in priors if row.target == target and _covers(row, year)]
    _check(priors, target, meant, year=year, factor=factor, shift=shift, changes=changes)
    edits = {
        id(row): replace(
            moved_prior(row, rest.get(row, 1.0), factor=factor, shift=shift), **changes
        )
        for row in meant
    }
    return [edits.get(id(row), row) for row in priors]


def rest_of_shares(
    flows: Iterable[Flow], priors: Sequence[Prior], years: Sequence[int]
) -> dict[Prior, float]:
    """Return what siblings leave to every share and the reference category: the least in any year.

    Parameters
    ----------
    flows : iterable of Flow
    priors : sequence of Prior
    years : sequence of int
        Years of the study.
    """
    known = {flow.flow: flow for flow in flows}
    shares = [row for row in priors if row.distribution == "share" and row.target in known]
    source = {row.target: known[row.target].source for row in shares}
    by_source: dict[str, list[Prior]] = {}
    for row in shares:
        by_source.setdefault(source[row.target], []).append(row)
    rest = {}
    for row in shares:
        siblings = [one for one in by_source[source[row.target]] if one.target != row.target]
        taken = [
            sum(s.median for s in siblings if _covers(s, y) and known[s.target].is_active(y))
            for y in years
            if _covers(row, y) and known[row.target].is_active(y)
        ]
        rest[row] = 1.0 - max(taken, default=0.0)
    return rest


def edited_rows[R](rows: Iterable[R], key: str, name: str, make: Any, values: Mapping[str, Any],
                   file: str) -> list[R]:  # fmt: skip
    """Return the rows of a table with one of them changed, or added if there is none.

    Parameters
    ----------
    rows : iterable of rows
    key : str
        Field that identifies a row.
    name : str
        Its value in the row.
    make : callable
        Makes a row of `values` where there is none.
    values : mapping
        Fields and what they become.
    file : str
        Name of the table.

    Raises
    ------
    StudyError
        If a field does not exist, or a new row lacks one.
    """
    values = {field: _as_read(value) for field, value in values.items()}
    rows = list(rows)
    found = [row for row in rows if getattr(row, key) == name]
    if not found:
        return [*rows, make(values)]
    _check_fields(file, type(found[0]), values)
    return [replace(row, **values) if row in found else row for row in rows]  # type: ignore[type-var]


def new_row[R](row_type: type[R], file: str, defaults: Mapping[str, Any]) -> Any:
    """Return a function that makes a row of given values over defaults, or says what it lacks."""

    def make(values: Mapping[str, Any]) -> R:
        _check_fields(file, row_type, values)
        known: Any = row_type
        lacking = [f.name for f in fields(known) if f.name not in {*defaults, *values}
                   and f.default is f.default_factory]  # fmt: skip
        if lacking:
            raise StudyError(
                [Fault(file, None, name, "", f"a new row needs {name!r}") for name in lacking]
            )
        return row_type(**{**defaults, **values})

    return make


def _check(
    priors: Sequence[Prior],
    target: str,
    meant: Sequence[Prior],
    *,
    year: int | str | None,
    factor: float | None,
    shift: float | None,
    changes: Mapping[str, Any],
) -> None:
    rows = [row for row in priors if row.target == target]
    if not rows:
        names = {row.target for row in priors}
        _refuse("target", target, f"no prior for {target!r}. {suggestion(target, names)}")
    if not meant:
        _refuse("year", str(year), f"no row of {target!r} covers {year}; its rows are of "
                f"{_periods(rows)}")  # fmt: skip
    _check_fields(_PRIORS, Prior, changes, fixed=_FIXED)
    if (factor is not None) + (shift is not None) + ("median" in changes) > 1:
        _refuse("median", "", "give one of median, factor and shift")
    _check_number("factor", factor, least=0.0)
    _check_number("shift", shift, least=-math.inf)
    for name in changes:
        values = {getattr(row, name) for row in meant}
        if len(values) > 1 and year != ALL_YEARS:
            _refuse(name, "", f"{name} of {target!r} differs between {_periods(meant)}; name one "
                    f'of them with year = {meant[0].year}, give it to all with year = "all", or '
                    "move all medians with factor or shift")  # fmt: skip


def _as_read(value: Any) -> Any:
    """Return a value as it would be if it stood in a table: text without spaces around it."""
    return value.strip() if isinstance(value, str) else value


def _check_number(name: str, value: Any, *, least: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > least:
        above = " above 0" if least == 0 else ""
        _refuse(name, str(value), f"{name} is {value!r}, not a number{above}")
    if not math.isfinite(value):
        _refuse(name, str(value), f"{name} is {value!r}, not a finite number")


def _check_fields(
    file: str, row_type: Any, values: Iterable[str], *, fixed: Sequence[str] = ()
) -> None:
    known = [f.name for f in fields(row_type) if f.name not in fixed]
    noun = row_type.__name__.lower()
    for name in values:
        if name not in known:
            _refuse(name, name, f"a {noun} has no {name!r}. {suggestion(name, known, show=20)}",
                    file=file)  # fmt: skip


def _refuse(column: str, value: str, message: str, *, file: str = _PRIORS) -> None:
    raise StudyError([Fault(file, None, column, value, message.strip())])


def _covers(row: Prior, year: int | str | None) -> bool:
    if row.year is None or year is None or isinstance(year, str):
        return True
    return row.year <= year <= (row.year_end or row.year)


def _periods(rows: Iterable[Prior]) -> str:
    return ", ".join(row.period or "all years" for row in rows)


def moved_prior(
    row: Prior, rest: float, *, factor: float | None = None, shift: float | None = None
) -> Prior:
    """Return a prior row with its median multiplied, or moved by its own standard deviations.

    Parameters
    ----------
    row : Prior
    rest : float
        What its siblings leave to a share and the reference category. It moves on their odds.
    factor, shift : float, optional
        One of them, as in `Study.with_prior`.
    """
    if factor is None and shift is None:
        return row
    if row.distribution == "normal":
        by = math.log(factor) if factor is not None else (shift or 0.0) * row.sd
        return replace(row, median=row.median + by)
    if factor is not None:
        return replace(row, median=row.median * factor)
    grown = math.exp((shift or 0.0) * row.sd)
    if row.distribution == "lognormal":
        return replace(row, median=row.median * grown)
    odds = row.median / (rest - row.median) * grown
    return replace(row, median=rest * odds / (1.0 + odds))
