"""Value of information: which figures, if someone found them, would narrow a band most.

A figure that nobody has printed yet would read y = log f + e, with f the quantity that it is of
and e the error of who prints it. To first order it takes Cov(g, y)^2 / Var(y) from the variance of
an answer g. All is taken from the draws of one fit; nothing is fitted again.

References
----------
Raiffa, Schlaifer (1961), Applied Statistical Decision Theory.
Strong, Oakley, Brennan (2014), Medical Decision Making 34, 311-326: EVPPI by regression.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reebayes.conventions import CI_PROB, POSTERIOR, REPORTER
from reebayes.errors import ResultError
from reebayes.results.contents import CONSTANT
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.results.selection import Span, answer_draws
from reebayes.study.targets import BIAS, EVERY, Target
from reebayes.wording import years_text

FIGURE_SD = 0.1
"""Standard error of a figure that somebody looks for, on the log scale, unless given."""

SETS = 40
"""Parts of the draws whose results, each left out once, give the errors."""

type Floats = NDArray[np.float64]
type Candidate = tuple[str, int | tuple[int, int]]
"""A quantity in one year, or a series of it from a first to a last year."""
type _Series = tuple[str, tuple[int, int]]


def value_of_information(
    fit: Fit,
    quantity: str,
    years: Span = None,
    *,
    sd: float = FIGURE_SD,
    reporter: str | None = None,
    count: int = 5,
    candidates: Iterable[Candidate] | None = None,
    cost: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """List the figures that would narrow the band of a quantity most, the best set first.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantity : str
        Quantity whose band is to become narrower.
    years : int or (int, int), optional
        One year, or first and last year of a sum; the sum over all years if left out.
    sd : float
        Standard error of each figure that is found, on the log scale.
    reporter : str, optional
        Who would print it. A new reporter if left out, whose bias has the prior of ``bias:*``
        (none where the study has no such row); each figure is then of a reporter of its own.
    count : int
        Figures to choose, each beside those before it.
    candidates : sequence of (quantity, year or (first, last)), optional
        What might be found; every quantity in every year if left out. Of a series, every year has
        its own error, and all have one bias. What is not positive in every draw has no log and is
        left out.
    cost : mapping of quantity to float, optional
        Cost of a figure of each quantity, 1 unless named: the set then takes what removes most
        variance for its cost.

    Returns
    -------
    DataFrame
        One row per chosen figure, in the order in which they are worth finding: ``quantity`` and
        ``years``; ``alone``: width of the band with this figure alone, over its width now, with
        its standard ``error``; ``together``: the same with it and all above it. ``before`` and
        ``after``: widths of the 90 % band without any and with all figures up to the row, in
        ``unit``. ``perfect``: ``alone`` if the figure had no error. ``attrs["not_positive"]``
        names those of the given ``candidates`` that were left out.

    Raises
    ------
    ResultError
        If a name is unknown, the years are not those of the fit, a ratio is to be summed, a
        candidate has another form, none is positive in every draw, or a number is out of range.

    Notes
    -----
    To first order in the logs of the candidates; a figure never widens a band here. Which value
    is found does not matter to the width, as it would not in a normal posterior.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.value_of_information(rb.open_fit("results/zinc.nc"), "recycled", count=2)
    >>> table[["quantity", "together", "unit"]].shape
    (2, 3)
    """
    asked = {quantity: years}
    return values_of_information(fit, asked, sd=sd, reporter=reporter, count=count,
                                 candidates=candidates, cost=cost)[quantity]  # fmt: skip


def values_of_information(
    fit: Fit,
    years: Mapping[str, Span],
    *,
    sd: float = FIGURE_SD,
    reporter: str | None = None,
    count: int = 5,
    candidates: Iterable[Candidate] | None = None,
    cost: Mapping[str, float] | None = None,
) -> dict[str, pd.DataFrame]:
    """Return `value_of_information` for several quantities at little more than the cost of one.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    years : mapping of quantity to years
        The years of each quantity, as in `value_of_information`.
    sd, reporter, count, candidates, cost
        As in `value_of_information`.

    Returns
    -------
    dict of DataFrame

    Raises
    ------
    ResultError
        As `value_of_information`.
    """
    contents = contents_of(fit)
    _check(contents, sd=sd, count=count, reporter=reporter, cost=cost or {})
    answers = {name: answer_draws(contents, name, span) for name, span in years.items()}
    named = None if candidates is None else _named(candidates)
    found = _Figures.of(contents, named or _every(contents), sd, reporter)
    prices = np.array([(cost or {}).get(name, 1.0) for name, _ in found.names])
    tables = {name: _table(found, *answer, count, prices) for name, answer in answers.items()}
    kept = {*found.names}
    for table in tables.values():
        table.attrs["not_positive"] = tuple(
            (name, first if first == last else (first, last))
            for name, (first, last) in named or () if (name, (first, last)) not in kept
        )  # fmt: skip
    return tables


def _named(candidates: Iterable[object]) -> list[_Series]:
    """Candidates as series, whatever their years came from.

    Raises
    ------
    ResultError
        If there are none, or one is not of the form that is asked for.
    """
    found = [_series(one) for one in candidates]
    if not found:
        raise ResultError("candidates is empty; leave it out to take every quantity in every year.")
    return found


def _series(candidate: object) -> _Series:
    match candidate:
        case [str(name), [first, last]] if _whole(first) and _whole(last):
            return str(name), (int(first), int(last))
        case [str(name), at] if _whole(at):
            return str(name), (int(at), int(at))
    raise ResultError(
        f"{candidate!r} is no candidate; give (quantity, year) or (quantity, (first, last)), "
        "with whole years."
    )


def _whole(year: object) -> TypeGuard[int]:
    return isinstance(year, Integral) and not isinstance(year, bool)


def _every(contents: Contents) -> list[_Series]:
    """Every quantity in every year."""
    return [(str(name), (year, year)) for name in contents.units.index for year in contents.years]


def _table(found: _Figures, draws: Floats, unit: str, count: int, prices: Floats) -> pd.DataFrame:
    tail = (1 - CI_PROB) / 2
    width = float(np.subtract(*np.quantile(draws, [1 - tail, tail])))
    order, together = found.best(draws, count, prices)
    alone, perfect = found.alone(draws, order)
    rows = [
        {
            "quantity": found.names[n][0],
            "years": years_text(range(found.names[n][1][0], found.names[n][1][1] + 1)),
            "alone": alone[k],
            "error": found.error(draws, n),
            "together": together[k],
            "perfect": perfect[k],
            "before": width,
            "after": width * together[k],
            "unit": unit,
        }
        for k, n in enumerate(order)
    ]
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="order"))


def _check(
    contents: Contents, *, sd: float, count: int, reporter: str | None, cost: Mapping[str, float]
) -> None:
    if not 0 < sd < np.inf:
        raise ResultError(f"sd must be above 0, not {sd}.")
    if count < 1:
        raise ResultError(f"count must be at least 1, not {count}.")
    if reporter is not None:
        known = contents.group(POSTERIOR)[REPORTER].values.astype(str).tolist()
        require_known([reporter], known, REPORTER)
    require_known(cost, contents.units.index, "quantity")
    for name, price in cost.items():
        if not 0 < price < np.inf:
            raise ResultError(f"cost of {name} must be above 0, not {price}.")


@dataclass(frozen=True, eq=False)
class _Figures:
    """What might be found: readings without their own errors, and the variances of these.

    Parameters
    ----------
    names : list of (quantity, (first, last))
    readings : array (draw, column)
        Log of every quantity and year, with the reporter's bias where its draws are known.
    columns : list of array of int
        Columns of each candidate: several of a series.
    own : float
        Variance of the error of one figure.
    common : float
        Variance of what the figures of a series have in common beside that.
    """

    names: list[_Series]
    readings: Floats
    columns: list[NDArray[np.int64]]
    own: float
    common: float

    @classmethod
    def of(
        cls,
        contents: Contents,
        spans: Sequence[_Series],
        sd: float,
        reporter: str | None,
    ) -> _Figures:
        """Gather the candidates that are positive in every draw."""
        require_known((name for name, _ in spans), contents.units.index, "quantity")
        names: list[_Series] = []
        readings: list[Floats] = []
        columns: list[NDArray[np.int64]] = []
        common = 0.0 if reporter is not None else _new_bias(contents)
        at: dict[tuple[str, int], int] = {}
        logs: dict[str, Floats] = {}
        for name, (first, last) in spans:
            if not (first in contents.years and last in contents.years and first <= last):
                known = f"{contents.years[0]} to {contents.years[-1]}"
                raise ResultError(f"Years {first} to {last} of {name} are not inside {known}.")
            if name not in logs:
                logs[name] = _logs(contents, name, reporter)
            span = contents.positions(range(first, last + 1))
            if not np.isfinite(logs[name][:, span]).all():
                continue
            for k in span:
                if (name, k) not in at:
                    at[name, k] = len(readings)
                    readings.append(logs[name][:, k])
            names.append((name, (first, last)))
            columns.append(np.array([at[name, k] for k in span], dtype=np.int64))
        if not names:
            raise ResultError("No candidate is positive in every draw.")
        values = np.stack(readings, axis=1)
        return cls(names, values - values.mean(axis=0), columns, sd**2, common)

    def best(self, draws: Floats, count: int, prices: Floats) -> tuple[list[int], list[float]]:
        """Candidates chosen one after another, and the width of the band after each."""
        chosen: list[int] = []
        widths: list[float] = []
        rest = draws - draws.mean()
        readings, total = _Readings(self.readings), float(rest @ rest) / (rest.size - 1)
        left = total
        for _ in range(min(count, len(self.names))):
            gains = self._gains(rest, readings)
            gains[chosen] = -np.inf
            n = int(np.argmax(gains / prices))
            chosen.append(n)
            left = max(left - float(gains[n]), 0.0)
            widths.append(float(np.sqrt(left / total)))
            rest = self._known(rest, readings, n)
        return chosen, widths

    def alone(self, draws: Floats, order: Sequence[int]) -> tuple[list[float], list[float]]:
        """Widths with each candidate alone: with its errors, and without any."""
        rest = draws - draws.mean()
        total = float(rest @ rest) / (rest.size - 1)
        pairs = []
        for errors in (1.0, 0.0):
            gains = [self._gain(rest, self.readings[:, self.columns[n]], errors) for n in order]
            pairs.append([float(np.sqrt(max(1 - gain / total, 0.0))) for gain in gains])
        return pairs[0], pairs[1]

    def error(self, draws: Floats, n: int) -> float:
        """Standard error of the width with one candidate alone, by leaving out parts of draws."""
        parts = np.array_split(np.arange(draws.size), min(SETS, draws.size))
        known, widths = self.readings[:, self.columns[n]], []
        for part in parts:
            kept = np.delete(np.arange(draws.size), part)
            rest = draws[kept] - draws[kept].mean()
            readings = known[kept]
            gain = self._gain(rest, readings - readings.mean(axis=0), 1.0)
            widths.append(np.sqrt(max(1 - gain * (rest.size - 1) / float(rest @ rest), 0.0)))
        return float(np.sqrt((len(parts) - 1) * np.var(widths)))

    def _gains(self, rest: Floats, readings: _Readings) -> Floats:
        """Variance that each candidate takes from the answer."""
        size = rest.size - 1
        single = all(len(columns) == 1 for columns in self.columns)
        if single:
            at = np.concatenate(self.columns)
            cov = (readings.products(rest) / size)[at]
            variance = (readings.squares / size)[at] + self.own + self.common
            return np.asarray(np.square(cov) / variance)
        return np.array([self._gain(rest, readings.at(columns), 1.0) for columns in self.columns])

    def _gain(self, rest: Floats, readings: Floats, errors: float) -> float:
        size = rest.size - 1
        cov = rest @ readings / size
        return float(cov @ np.linalg.lstsq(self._spread(readings, errors), cov, rcond=None)[0])

    def _spread(self, readings: Floats, errors: float) -> Floats:
        """Covariance of the figures of one candidate, errors included."""
        columns = readings.shape[1]
        own = errors * (self.own * np.eye(columns) + self.common)
        return np.asarray(readings.T @ readings / (len(readings) - 1) + own)

    def _known(self, rest: Floats, readings: _Readings, n: int) -> Floats:
        """Answer once a candidate is known; the readings learn of it.

        What is known is taken out by less than a regression would, for a figure has an error: the
        factor makes the covariances of what is left those of the normal posterior.
        """
        known = readings.at(self.columns[n])
        size = len(known) - 1
        taken = _shrunk(known.T @ known / size, self._spread(known, 1.0)) / size
        readings.take_out(known, taken)
        return rest - known @ (taken @ (known.T @ rest))


class _Readings:
    """Readings from which those that are known are taken out, without a copy of all of them.

    Parameters
    ----------
    first : array (draw, column)
        As they are before anything is known.
    """

    def __init__(self, first: Floats) -> None:
        self._first = first
        self._out: list[tuple[Floats, Floats]] = []  # what to take off: a factor times rows
        self.squares: Floats = np.einsum("dc,dc->c", first, first)

    def at(self, columns: NDArray[np.int64]) -> Floats:
        """Some columns (draw, column) as they are now."""
        found = self._first[:, columns]
        for known, rows in self._out:
            found = found - known @ rows[:, columns]
        return found

    def products(self, values: Floats) -> Floats:
        """Products of values (draw) or (draw, row) with every column as it is now."""
        found = values.T @ self._first
        for known, rows in self._out:
            found = found - (values.T @ known) @ rows
        return np.asarray(found)

    def take_out(self, known: Floats, taken: Floats) -> None:
        """Subtract known (draw, row), times taken (row, row), times their products with all."""
        products = self.products(known)
        rows = taken @ products
        self.squares = self.squares - 2 * np.einsum("rc,rc->c", rows, products)
        self.squares = self.squares + np.einsum("rc,rc->c", rows, (known.T @ known) @ rows)
        self._out.append((known, rows))


def _shrunk(inside: Floats, spread: Floats) -> Floats:
    """K for which x - y K Cov(y, x) has covariance Cov(x) - Cov(x, y) spread^-1 Cov(y, x).

    With C the covariance of what is known without its errors, K solves 2K - K C K = spread^-1.
    """
    values, vectors = np.linalg.eigh(inside)
    values = np.clip(values, 0.0, None)
    root = vectors * np.sqrt(values)
    middle = root.T @ np.linalg.solve(spread, root)
    inner, turned = np.linalg.eigh(np.eye(len(values)) - (middle + middle.T) / 2)
    left = (turned * np.sqrt(np.clip(inner, 0.0, None))) @ turned.T
    inverse = vectors / np.sqrt(np.where(values > 1e-14, values, np.inf))
    return np.asarray(inverse @ (np.eye(len(values)) - left) @ inverse.T)


def _logs(contents: Contents, name: str, reporter: str | None) -> Floats:
    """Logs (draw, year) of a quantity as a reporter would read it; NaN where it is not positive."""
    values = contents.array(POSTERIOR, "quantities", name).astype(np.float64)
    values = values.reshape(-1, values.shape[-1])
    logs = np.log(np.where((values > 0).all(axis=0), values, np.nan))
    if reporter is not None:
        bias = [contents.bias(POSTERIOR, reporter, [year]).ravel() for year in contents.years]
        logs = logs + np.stack(bias, axis=1)
    return np.asarray(logs)


def _new_bias(contents: Contents) -> float:
    """Variance of the bias of a reporter unknown to the study; of several periods, the widest."""
    constant = contents.group(CONSTANT)
    rows = constant["prior_target"].values.astype(str) == str(Target(BIAS, EVERY))
    return float(np.square(constant["prior_sd"].values[rows]).max(initial=0.0))
