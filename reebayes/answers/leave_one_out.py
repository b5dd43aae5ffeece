"""Leave-one-out influence and predictive conflict of records, by PSIS: no fit is repeated.

Pareto-smoothed importance sampling leaves a record out: it weights the draws with the reciprocal of
its likelihood, and its k-hat says whether the draws suffice for that. A closed form stands beside
every such number.

References
----------
Vehtari, Simpson, Gelman, Yao, Gabry (2024), Journal of Machine Learning Research 25(72), 1-58.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from reebayes.answers.importance import reliable, smoothed_weights
from reebayes.answers.montecarlo import covariances, weighted_shifts
from reebayes.conventions import CI_PROB, KIND, POSTERIOR, RECORD, REPORTER, SOURCE
from reebayes.errors import ResultError
from reebayes.results.contents import LIKELIHOOD, OBSERVED, PREDICTIVE
from reebayes.results.reading import Contents, Fit, contents_of, off_scale, on_scale
from reebayes.results.selection import Span, answer_draws
from reebayes.study.kinds import AT_LEAST, AT_MOST, BETWEEN, FIGURE, SIGNED, KindReader

SMALLEST_REST = 0.2
"""Least part of a record's own precision that the closed form leaves to it. Thousands of draws give
that part to about 0.03; of a record that fixes its quantity nearly alone it says no more than that,
and its z is then too small rather than noise."""

LEFT_OUT = (RECORD, REPORTER, SOURCE, KIND)
"""What may be left out at a time."""

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
    by : {"record", "reporter", "source", "kind"}
        What is left out at a time.

    Returns
    -------
    DataFrame
        One row per record (or reporter), the most influential first. ``pull``: posterior mean
        with it less posterior mean without it, in the unit of the quantity (``unit``), positive if
        it pulls up. It is ``left_out`` where that is ``reliable``, with the standard ``error``
        of the draws; otherwise ``first_order``, whose error nobody knows without a refit
        (`leave_out` makes one). ``left_out``: by weighting the
        draws, with the ``khat`` of the weights. ``first_order``: the covariance of quantity and
        log-likelihood over the draws, which is the change of the mean for a small change of the
        record's weight. It is too small, by the share of what is known about the record's own
        quantity that the record itself provides.

    Raises
    ------
    ResultError
        If a name is unknown, the years are not those of the fit, the quantity does not exist in
        them, or a ratio is to be summed.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.influence(rb.open_fit("results/zinc.nc"), "recycled")
    >>> table.columns[:4].tolist(), table["unit"].unique().tolist()
    (['pull', 'error', 'first_order', 'first_order_error'], ['kt Zn'])
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
    by : {"record", "reporter", "source", "kind"}
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
    return {name: pulls(values, known).assign(unit=unit) for name, (values, unit) in draws.items()}


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """Leave-one-out weights of the draws, for one record, or all of one reporter, source or kind.

    Parameters
    ----------
    terms : array (draw, what is left out)
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
            If `by` is none of `LEFT_OUT`.
        """
        if by not in LEFT_OUT:
            raise ResultError(f"by must be one of {', '.join(LEFT_OUT)}, not {by!r}.")
        terms, table = _terms(contents, by)
        if len(terms) < 2:
            raise ResultError("One draw alone does not show what records move; keep more draws.")
        weights, khat = smoothed_weights(terms)
        table["khat"], table["reliable"] = khat, reliable(khat, len(terms))
        return cls(terms, weights, table)


def pulls(draws: Floats, known: LeftOut) -> pd.DataFrame:
    """Return the rows of `influence` for any draws (draw), by the size of the pull."""
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
    found.insert(0, "pull", np.where(reliable, -shift, first_order))
    # what a first order leaves out is not in the noise of its draws
    found.insert(1, "error", np.where(reliable, left_out_error, np.nan))
    found = found.join(known.table)
    return found.sort_values("pull", key=abs, ascending=False, kind="stable")


def _terms(contents: Contents, by: str) -> tuple[Floats, pd.DataFrame]:
    """Log-likelihoods (draw, what is left out), and what is known of each."""
    records = contents.records
    if by == RECORD:
        return _flat(contents.lost_log_likelihood), records[list(_KEYS)].copy()
    # a composition is all of one reporter, source and kind
    terms = _flat(contents.log_likelihood)
    names = records[by]
    counts = names.value_counts(sort=False).sort_index()
    summed = np.empty((len(terms), len(counts)))
    for column, name in enumerate(counts.index):
        summed[:, column] = terms[:, (names == name).to_numpy()].sum(axis=1)
    return summed, pd.DataFrame({"records": counts})


def _flat(da: xr.DataArray) -> Floats:
    """Draws (draw, record), those of a record one after the other in memory."""
    ordered = da.transpose("chain", "draw", ...).values
    draws = da.sizes["chain"] * da.sizes["draw"]  # not -1: a study may have no records
    return ordered.reshape(draws, ordered.shape[-1]).astype(np.float64, order="F")


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
        record to say, its own error included, in standard deviations on the scale of its
        error (logs, but for signed figures; of a part of a composition the log of its ratio to the
        rest of its table, which is among what the rest says); for bounds and ranges, the normal
        deviate whose two tails hold as little as the stated side.
        ``tail``: the probability of a conflict at least as large. ``stated`` and
        ``expected``, ``expected_lower``, ``expected_upper`` in the unit of the study (NaN
        ``stated`` for bounds). ``khat`` of the weights; where it is not ``reliable`` the rest is
        found by taking a figure out of a normal posterior; the conflict of bounds is then too
        small.

    Notes
    -----
    Of an ambiguous figure, the value or the alternative value that lies nearer is compared.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.disagreement(rb.open_fit("results/zinc.nc"))
    >>> table.columns[:4].tolist()
    ['z', 'tail', 'stated', 'expected']
    """
    contents = contents_of(fit)
    known = left_out or LeftOut.of(contents)
    replicates = _flat(contents.group(PREDICTIVE)["value"])
    if len(replicates) != len(known.terms):
        raise ResultError(
            f"The fit has {len(replicates):,} draws in {PREDICTIVE} and {len(known.terms):,} in "
            f"{LIKELIHOOD}; cut both alike."
        )
    kept = np.isfinite(replicates).all(axis=0)  # records that carry information
    table = _observed(contents).join(known.table[["khat", "reliable"]])
    moments = _moments(replicates, known.weights)
    centre, spread = _rest(table, moments, _noise_variance(contents, table))
    # the probability that such a figure lies on the stated side, without the record
    inside = np.einsum("ij,ij->j", np.exp(known.terms), known.weights)
    table, centre, spread = table[kept], centre[kept], spread[kept]
    scores = _scores(table, centre, spread, inside[kept])
    scores |= _expected(table, centre, spread, ci_prob)
    columns = [*scores, *_KEYS, "khat", "reliable"]
    found = table.assign(**scores)[columns]
    return found.sort_values("z", key=abs, ascending=False, kind="stable")


def held_out_conflict(
    fit: Fit, replicates: Mapping[str, Floats], inside: Mapping[str, float]
) -> pd.DataFrame:
    """Return the rows of `disagreement` of records that refits were not shown.

    Parameters
    ----------
    fit : DataTree
        The fit with all records.
    replicates : mapping of record to array (draw)
        Figures that the refit without a record expects of it, on the scale of its error.
    inside : mapping of record to float
        Mean likelihood of each record under its refit, which is the probability of the side that a
        bound states.
    """
    contents = contents_of(fit)
    names = list(replicates)
    table = _observed(contents).loc[names]
    centre = np.array([replicates[name].mean() for name in names])
    spread = np.array([replicates[name].std(ddof=1) for name in names])
    scores = _scores(table, centre, spread, np.array([inside[name] for name in names]))
    scores |= _expected(table, centre, spread, CI_PROB)
    found = table.assign(**scores)[[*scores, *_KEYS]]
    return found.sort_values("z", key=abs, ascending=False, kind="stable")


def _observed(contents: Contents) -> pd.DataFrame:
    """Records with the logs of what is compared."""
    table = contents.records.copy()
    table["stated"] = contents.group(OBSERVED)["value"].values
    table["other"] = on_scale(table["other"], table["kind"])
    return table


def _noise_variance(contents: Contents, table: pd.DataFrame) -> Floats:
    """Posterior mean of the variance of each record's own error."""
    noise, floor = contents.group(POSTERIOR)["noise"], contents.variance_floor
    square = floor + (1 - floor) * (noise**2).mean(("chain", "draw"))
    # a reporter without a multiplier has its errors as stated
    stated = contents.parts["sd"].reindex(table.index).fillna(table["sd"])
    variance = table[REPORTER].map(square.to_series()).fillna(1.0).to_numpy() * np.square(
        stated.to_numpy(dtype=float)
    )
    if freedom := contents.freedom:
        part = table.index.isin(contents.parts.index)  # normal whatever others are
        variance *= np.where(part, 1.0, freedom / (freedom - 2) if freedom > 2 else 1.0)
    return np.asarray(variance, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Means and variances (record) of replicates: of all draws, and without the record itself."""

    mean: Floats
    variance: Floats
    mean_without: Floats
    variance_without: Floats


def _moments(replicates: Floats, weights: Floats) -> _Moments:
    with np.errstate(invalid="ignore"):  # records without information
        without = np.einsum("ij,ij->j", replicates, weights)
        apart = np.square(replicates - without)
        return _Moments(
            replicates.mean(axis=0), replicates.var(axis=0),
            without, np.einsum("ij,ij->j", apart, weights),
        )  # fmt: skip


def _rest(table: pd.DataFrame, moments: _Moments, noise: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of what the rest expects of each record, on the log scale."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = np.clip(2 - moments.variance / noise, SMALLEST_REST, 1.0)
        stated = _nearest(table, moments.mean)
        closed = stated - (stated - moments.mean) / rest, np.sqrt(noise / rest)
    weighed = moments.mean_without, np.sqrt(moments.variance_without)
    by_weights = table["reliable"].to_numpy() | ~np.isfinite(table["stated"].to_numpy())
    centre, spread = (np.where(by_weights, *pair) for pair in zip(weighed, closed, strict=True))
    return centre, spread


def _nearest(table: pd.DataFrame, centre: Floats) -> Floats:
    """The printed figures, or their alternative values where those are nearer."""
    stated, other = (table[name].to_numpy(dtype=np.float64) for name in ("stated", "other"))
    return np.where(np.abs(other - centre) < np.abs(stated - centre), other, stated)


def _scores(
    table: pd.DataFrame, centre: Floats, spread: Floats, inside: Floats
) -> dict[str, Floats]:
    """Conflict of each record with the rest, its probability, and the figure compared."""
    stated = _nearest(table, centre)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (stated - centre) / spread
    tail = np.array([math.erfc(abs(value) / math.sqrt(2)) for value in z])
    rows: Iterable[Any] = table.itertuples()
    for n, row in enumerate(rows):
        if not np.isfinite(row.stated):
            least = max(float(inside[n]), np.finfo(float).tiny)
            z[n] = -_side_of(row.kind)(row, centre[n]) * NormalDist().inv_cdf(least / 2)
            tail[n] = inside[n]
    return {"z": z, "tail": tail, "stated": off_scale(stated, table["kind"], table["whole"])}


def _no_side(record: Any, centre: float) -> float:
    """Side of a figure without a value: it has none."""
    return 0.0


_side_of: KindReader[Callable[[Any, float], float]] = KindReader(
    "side of what the rest expects on which a record lies",
    {
        FIGURE: _no_side,
        SIGNED: _no_side,
        AT_MOST: lambda record, centre: -1.0,
        AT_LEAST: lambda record, centre: 1.0,
        BETWEEN: lambda record, centre: float(
            np.sign(np.log(record.low * record.high) / 2 - centre)
        ),
    },
)


def _expected(
    table: pd.DataFrame, centre: Floats, spread: Floats, ci_prob: float
) -> dict[str, Floats]:
    reach = NormalDist().inv_cdf((1 + ci_prob) / 2) * spread
    ends = {"expected": centre, "expected_lower": centre - reach, "expected_upper": centre + reach}
    kinds, whole = table["kind"], table["whole"]
    return {name: off_scale(values, kinds, whole) for name, values in ends.items()}
