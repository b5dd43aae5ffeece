"""Leave-one-out influence and predictive conflict of records, by PSIS: no fit is repeated.

Pareto-smoothed importance sampling leaves a record out: it weights the draws with the reciprocal of
its likelihood, and its k-hat says whether the draws suffice for that. A closed form stands beside
every such number.

References
----------
Vehtari, Simpson, Gelman, Yao, Gabry (2024), Journal of Machine Learning Research 25(72), 1-58.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from reebayes.answers.importance import reliable, smoothed_weights
from reebayes.answers.montecarlo import covariances, weighted_shifts
from reebayes.conventions import CI_PROB, POSTERIOR, RECORD, REPORTER
from reebayes.errors import ResultError
from reebayes.results.contents import LIKELIHOOD, OBSERVED, PREDICTIVE
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span, answer_draws
from reebayes.study.kinds import AT_LEAST, AT_MOST, BETWEEN, FIGURE, KindReader

SMALLEST_REST = 0.2
"""Least part of a record's own precision that the closed form leaves to it. Thousands of draws give
that part to about 0.03; of a record that fixes its quantity nearly alone it says no more than that,
and its z is then too small rather than noise."""

type Floats = NDArray[np.float64]

_KEYS = ("quantity", "year", "year_end", "kind", "reporter", "source")


# --- influence ------------------------------------------------------------------------------------


def influence(
    fit: Fit,
    quantity: str,
    years: Span = None,
    *,
    by: str = RECORD,
) -> pd.DataFrame:
    """List the records, or reporters, by their leave-one-out (PSIS-LOO) influence on a quantity.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantity : str
        Quantity.
    years : int or (int, int), optional
        One year, or first and last year of a sum; the sum over all years if left out.
    by : {"record", "reporter"}
        What is left out at a time.

    Returns
    -------
    DataFrame
        One row per record (or reporter), the most influential first. ``pull``: posterior mean
        with it less posterior mean without it, in the unit of the quantity (``unit``), positive if
        it pulls up; ``error``: its standard error, for draws are finite. They are ``left_out``
        where that is ``reliable``, otherwise ``first_order``. ``left_out``: by weighting the
        draws, with the ``khat`` of the weights. ``first_order``: the covariance of quantity and
        log-likelihood over the draws, which is the change of the mean for a small change of the
        record's weight. It is too small, by the share of what is known about the record's own
        quantity that the record itself provides.

    Raises
    ------
    ResultError
        If a name is unknown, the years are not those of the fit, the quantity does not exist in
        them, or a ratio is to be summed.
    """
    return influences(fit, {quantity: years}, by=by)[quantity]


def influences(
    fit: Fit,
    years: Mapping[str, Span],
    *,
    by: str = RECORD,
    left_out: LeftOut | None = None,
) -> dict[str, pd.DataFrame]:
    """Return `influence` for several quantities at the cost of one.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    years : mapping of quantity to years
        The years of each quantity, as in `influence`.
    by : {"record", "reporter"}
        What is taken out at a time.
    left_out : LeftOut, optional
        The same, if the weights are known already.

    Returns
    -------
    dict of DataFrame

    Raises
    ------
    ResultError
        As `influence`.
    """
    contents = contents_of(fit)
    draws = {name: answer_draws(contents, name, span) for name, span in years.items()}
    known = left_out or LeftOut.of(contents, by)
    return {name: _pulls(values, known).assign(unit=unit) for name, (values, unit) in draws.items()}


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """Leave-one-out weights of the draws, for one record or all records of one reporter at a time.

    Parameters
    ----------
    terms : array (draw, record or reporter)
        Log-likelihoods.
    weights : array of the same shape
        Normalised weights of the draws without each of them.
    table : DataFrame
        What is known of each, with the ``khat`` of its weights and whether they are ``reliable``.
    """

    terms: Floats
    weights: Floats
    table: pd.DataFrame

    @classmethod
    def of(cls, contents: Contents, by: str = RECORD) -> LeftOut:
        """Weigh the draws of a fit.

        Raises
        ------
        ResultError
            If `by` is neither record nor reporter.
        """
        if by not in (RECORD, REPORTER):
            raise ResultError(f"by must be 'record' or 'reporter', not {by!r}.")
        terms, table = _terms(contents, by)
        weights, khat = smoothed_weights(terms)
        table["khat"], table["reliable"] = khat, reliable(khat, len(terms))
        return cls(terms, weights, table)


def _pulls(draws: Floats, known: LeftOut) -> pd.DataFrame:
    """Rows of `influence`, by the size of the pull."""
    first_order, first_order_error = covariances(draws, known.terms)
    shift, left_out_error = weighted_shifts(draws, known.weights)
    reliable = known.table["reliable"].to_numpy()
    found = pd.DataFrame(
        {
            "first_order": first_order,
            "first_order_error": first_order_error,
            "left_out": -shift,
            "left_out_error": left_out_error,
        },
        index=known.table.index,
    )
    for column, name in enumerate(("pull", "error")):
        end = "_error" if name == "error" else ""
        chosen = np.where(reliable, found[f"left_out{end}"], found[f"first_order{end}"])
        found.insert(column, name, chosen)
    found = found.join(known.table)
    return found.sort_values("pull", key=abs, ascending=False, kind="stable")


def _terms(contents: Contents, by: str) -> tuple[Floats, pd.DataFrame]:
    """Log-likelihoods (draw, record or reporter), and what is known of each."""
    terms = _flat(contents.group(LIKELIHOOD)["value"])
    records = contents.records
    if by == RECORD:
        return terms, records[list(_KEYS)].copy()
    reporters = records[REPORTER]
    counts = reporters.value_counts(sort=False).sort_index()
    summed = [terms[:, (reporters == name).to_numpy()].sum(axis=1) for name in counts.index]
    return np.stack(summed, axis=1), pd.DataFrame({"records": counts})


def _flat(da: xr.DataArray) -> Floats:
    """Draws (draw, record)."""
    ordered = da.transpose("chain", "draw", ...).values
    return ordered.reshape(-1, ordered.shape[-1]).astype(np.float64)


# --- predictive conflict --------------------------------------------------------------------------


def disagreement(
    fit: Fit, *, ci_prob: float = CI_PROB, left_out: LeftOut | None = None
) -> pd.DataFrame:
    """List the records by their leave-one-out predictive conflict with the rest.

    This is the gross-error test of data reconciliation, for a posterior instead of a least-squares
    solution.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    ci_prob : float
        Probability inside the leave-one-out predictive band.
    left_out : LeftOut, optional
        Draws without each record, if their weights are known already.

    Returns
    -------
    DataFrame
        One row per record, the largest conflict first; records that carry no information are left
        out. ``z``: the printed figure less what the rest of the records expects such a
        record to say, its own error included, in standard deviations on the log scale; for bounds
        and ranges, the normal deviate whose two tails hold as little as the stated side.
        ``tail``: the probability of a conflict at least as large. ``stated`` and
        ``expected``, ``expected_lower``, ``expected_upper`` in the unit of the study (NaN
        ``stated`` for bounds). ``khat`` of the weights; where it is not ``reliable`` the rest is
        found by taking a figure out of a normal posterior; the conflict of bounds is then too
        small.

    Notes
    -----
    Of an ambiguous figure, the value or the alternative value that lies nearer is compared.
    """
    contents = contents_of(fit)
    terms, weights, replicates, table = _observable(contents, left_out or LeftOut.of(contents))
    noise = _noise_variance(contents, table)
    rows = []
    for column, (_, record) in enumerate(table.iterrows()):
        centre, spread = _rest(record, replicates[:, column], weights[:, column], noise[column])
        score = _score(record, terms[:, column], weights[:, column], centre, spread)
        rows.append(score | _expected(centre, spread, ci_prob))
    found = pd.DataFrame(rows, index=table.index)
    columns = [*_KEYS, "khat", "reliable"]
    table = pd.concat([found, table[columns]], axis=1)
    return table.sort_values("z", key=abs, ascending=False, kind="stable")


def _observable(contents: Contents, known: LeftOut) -> tuple[Floats, Floats, Floats, pd.DataFrame]:
    """Log-likelihoods, weights and replicates (draw, record) of records that carry information."""
    replicates = _flat(contents.group(PREDICTIVE)["value"])
    table = contents.records.join(known.table[["khat", "reliable"]])
    table["stated"] = contents.group(OBSERVED)["value"].values
    table["other"] = np.log(table["other"])
    kept = np.isfinite(replicates).all(axis=0)
    return known.terms[:, kept], known.weights[:, kept], replicates[:, kept], table[kept]


def _noise_variance(contents: Contents, table: pd.DataFrame) -> Floats:
    """Posterior mean of the variance of each record's own error."""
    noise, floor = contents.group(POSTERIOR)["noise"], contents.variance_floor
    square = floor + (1 - floor) * (noise**2).mean(("chain", "draw"))
    settings = contents.settings
    # a reporter without a multiplier has its errors as stated
    variance = table[REPORTER].map(square.to_series()).fillna(1.0).to_numpy() * np.square(
        table["sd"].to_numpy()
    )
    if settings.get("error_distribution") == "student_t":
        freedom = float(settings.get("degrees_of_freedom", 5))
        variance *= freedom / (freedom - 2) if freedom > 2 else 1.0
    return np.asarray(variance, dtype=np.float64)


def _rest(
    record: pd.Series, replicates: Floats, weights: Floats, noise: float
) -> tuple[float, float]:
    """Mean and standard deviation of what the rest expects of a record, on the log scale."""
    if record["reliable"] or not np.isfinite(record["stated"]):
        centre = float(replicates @ weights)
        return centre, float(np.sqrt(np.square(replicates - centre) @ weights))
    centre, variance = float(replicates.mean()), float(replicates.var())
    rest = min(max(2 - variance / noise, SMALLEST_REST), 1.0)
    stated = _nearest(record, centre)
    return stated - (stated - centre) / rest, float(np.sqrt(noise / rest))


def _nearest(record: pd.Series, centre: float) -> float:
    """The printed figure, or its alternative value if that is nearer."""
    values = [record["stated"], record["other"]]
    return float(min(values, key=lambda r: np.inf if np.isnan(r) else abs(r - centre)))


def _score(
    record: pd.Series, term: Floats, weights: Floats, centre: float, spread: float
) -> dict[str, float]:
    if np.isfinite(record["stated"]):
        stated = _nearest(record, centre)
        z = (stated - centre) / spread
        return {"z": z, "tail": 2 * float(ndtr(-abs(z))), "stated": float(np.exp(stated))}
    # the probability that such a figure lies on the stated side, without the record
    tail = float(np.exp(term) @ weights)
    above = _side_of(record["kind"])(record, centre)
    z = -above * float(ndtri(max(tail, np.finfo(float).tiny) / 2))
    return {"z": z, "tail": tail, "stated": float("nan")}


def _no_side(record: pd.Series, centre: float) -> float:
    """Side of a figure without a value: it has none."""
    return 0.0


_side_of: KindReader[Callable[[pd.Series, float], float]] = KindReader(
    "side of what the rest expects on which a record lies",
    {
        FIGURE: _no_side,
        AT_MOST: lambda record, centre: -1.0,
        AT_LEAST: lambda record, centre: 1.0,
        BETWEEN: lambda record, centre: float(
            np.sign(np.log(record["low"] * record["high"]) / 2 - centre)
        ),
    },
)


def _expected(centre: float, spread: float, ci_prob: float) -> dict[str, float]:
    reach = float(ndtri((1 + ci_prob) / 2)) * spread
    return {
        "expected": float(np.exp(centre)),
        "expected_lower": float(np.exp(centre - reach)),
        "expected_upper": float(np.exp(centre + reach)),
    }
