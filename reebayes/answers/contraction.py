"""What the records taught: prior beside posterior, and which parts of it only the prior holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logit, ndtri

from reebayes.conventions import CI_PROB, POSTERIOR, PRIOR, QUANTITY, RATIO_UNITS, REPORTER, YEAR
from reebayes.errors import ResultError
from reebayes.results.contents import group_of
from reebayes.results.selection import quantity
from reebayes.results.summaries import cumulative
from reebayes.wording import listed

LEARNT, PARTLY, PRIOR_ONLY, ABSENT = "learnt", "partly", "prior only", "absent"
LABELS = (LEARNT, PARTLY, PRIOR_ONLY)
"""What a value may be; beside them, ``absent`` is one that the study fixes, mostly at zero."""

LEARNT_FROM = 0.5
"""Contraction from which a value is learnt: the band is half as wide as before, so the records
weigh at least three times as much as the prior (precisions add up: 4 = 1 + 3)."""

PARTLY_FROM = 0.15
"""Contraction from which a value is partly learnt: below it the records weigh less than four
tenths of the prior, and a reader hardly sees the one band inside the other."""

SHIFTED_FROM = 1.0
"""Shift, in prior standard deviations, from which a value is partly learnt though its band is not
narrower: what weighs too little to contract it by 0.15 shifts it less in 19 of 20 cases."""

NOISE = 2.0
"""Standard errors that a contraction must exceed to count: draws are finite."""

RIDGE, ANCHORED = "ridge", "anchored"
"""What a bias and its quantity may be: both unlearnt, or the one fixed by the other's prior."""

RIDGE_CORRELATION = -0.8
"""Correlation of a bias with what it distorts from which the two are known together only: two
thirds of what is uncertain about the one is then the other."""

type Floats = NDArray[np.float64]

_EDGE = 1e-6  # shares closer to 0 or 1 are taken as that close: their log odds stay finite


def learnt(
    fit: xr.DataTree,
    quantities: str | Sequence[str] | None = None,
    *,
    total: bool = False,
    ci_prob: float = CI_PROB,
) -> xr.Dataset:
    """Set prior beside posterior and say of every value whether the records taught it.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantities : str or sequence of str, optional
        Quantities; all if left out.
    total : bool
        Whether to compare sums over all years instead of years. Ratios have none, and are left
        out unless they are asked for, which is an error.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    Dataset (quantity, year), or (quantity) for sums
        ``prior_median``, ``prior_lower``, ``prior_upper`` and the same for ``posterior``, in the
        unit of the quantity. ``contraction``: 1 less the width of the posterior band over that of
        the prior band, on the ``scale`` of the quantity (``log``; ``logit`` for shares; ``plain``
        for what may be negative); ``contraction_error``: its standard error, for draws are finite.
        ``shift``: the move of the median on that scale, in prior standard deviations. ``label``:
        ``learnt``, ``partly``, ``prior only``, or ``absent`` where the study leaves nothing to
        learn.

    Raises
    ------
    ResultError
        If a name is unknown, the fit has no prior draws, or a ratio is to be summed.

    Examples
    --------
    >>> import reebayes as rb
    >>> taught = rb.learnt(rb.open_fit("results/fit.nc"))  # doctest: +SKIP
    >>> taught["label"].sel(quantity="smuggled_CN", year=2014).item()  # doctest: +SKIP
    'learnt'
    """
    units = group_of(fit, "constant_data")["quantity_unit"].to_series().astype(str)
    if quantities is None:
        names = [str(name) for name in units.index if not (total and units[name] in RATIO_UNITS)]
    else:
        names = [quantities] if isinstance(quantities, str) else list(quantities)
    if not names:
        raise ResultError("No quantity to compare; name one, or leave the names out for all.")
    draws = {group: quantity(fit, names, group=group) for group in (PRIOR, POSTERIOR)}
    if total:
        draws = {group: cumulative(da) for group, da in draws.items()}
    effective = float(fit.attrs.get("ess_tail_min", np.inf))
    parts = [
        _compare(
            *(draws[group].sel({QUANTITY: [name]}) for group in (PRIOR, POSTERIOR)),
            share=units[name] in RATIO_UNITS, effective=effective, ci_prob=ci_prob,
        )
        for name in names
    ]  # fmt: skip
    table = xr.concat(parts, dim=QUANTITY).transpose(QUANTITY, ...)
    table["unit"] = (QUANTITY, units[names].to_numpy(dtype=object))
    return table.assign_attrs(ci_prob=ci_prob, ci_kind="eti")


def label_shares(table: xr.Dataset) -> dict[str, float]:
    """Return the share of values with each label, of those that are not absent.

    Parameters
    ----------
    table : Dataset
        As `learnt` returns it.

    Returns
    -------
    dict
        Shares between 0 and 1 by label; NaN where every value is absent.
    """
    counts = Counter(table["label"].values.ravel().tolist())
    values = sum(counts[label] for label in LABELS)
    return {label: counts[label] / values if values else float("nan") for label in LABELS}


def label_spans(labels: xr.DataArray) -> str:
    """Write the labels of one quantity as spans of years.

    Parameters
    ----------
    labels : DataArray (year)

    Returns
    -------
    str
        For example ``"2000-2003 prior only; 2004 partly; 2005-2022 learnt"``.
    """
    spans: list[tuple[int, int, str]] = []
    for year, label in zip(labels[YEAR].values.tolist(), labels.values.tolist(), strict=True):
        if spans and spans[-1][2] == label:
            spans[-1] = (spans[-1][0], year, label)
        else:
            spans.append((year, year, label))
    return "; ".join(
        f"{first} {label}" if first == last else f"{first}-{last} {label}"
        for first, last, label in spans
    )


def contraction_text(contraction: float, shift: float) -> str:
    """Write a contraction in per cent, with an arrow where the median moved far.

    Parameters
    ----------
    contraction, shift : float
        As `learnt` returns them.

    Returns
    -------
    str
        For example ``"47"``, or ``"-2↓"``; empty where there is nothing to learn.
    """
    if np.isnan(contraction):
        return ""
    arrow = "" if abs(shift) < SHIFTED_FROM else "↑" if shift > 0 else "↓"
    return f"{round(100 * contraction)}{arrow}"


# --- one quantity ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Band:
    """Median, ends and width of draws, and the relative standard error of the width."""

    median: Floats
    lower: Floats
    upper: Floats
    error: Floats

    @property
    def width(self) -> Floats:
        return self.upper - self.lower


def _compare(
    prior: xr.DataArray, posterior: xr.DataArray, *, share: bool, effective: float, ci_prob: float
) -> xr.Dataset:
    before, after = _flat(prior), _flat(posterior)
    # A value that never changes, or never exists, has nothing to be learnt.
    absent = ~(np.ptp(before, axis=0) > 0)
    scale = _scale(before[:, ~absent], after[:, ~absent], share)
    plain = {"prior": before, "posterior": after}
    columns = {
        f"{group}_{name}": values
        for group, draws in plain.items()
        for name, values in zip(
            ("median", "lower", "upper"), _quantiles(draws, ci_prob), strict=True
        )
    }
    columns |= _figures(
        _band(_on_scale(before, scale), ci_prob, len(before)),
        _band(_on_scale(after, scale), ci_prob, min(effective, len(after))),
        absent, ci_prob,
    )  # fmt: skip
    like = posterior.isel({dim: 0 for dim in ("chain", "draw")}, drop=True)
    data = {name: like.copy(data=values.reshape(like.shape)) for name, values in columns.items()}
    return xr.Dataset(data).drop_attrs().assign(scale=(QUANTITY, np.array([scale], dtype=object)))


def _figures(
    prior: _Band, posterior: _Band, absent: NDArray[np.bool_], ci_prob: float
) -> dict[str, NDArray[Any]]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = posterior.width / prior.width
        sd = prior.width / (2 * ndtri((1 + ci_prob) / 2))
        shift = (posterior.median - prior.median) / sd
    contraction = np.where(absent, np.nan, 1 - ratio)
    shift = np.where(absent, np.nan, shift)
    error = np.where(absent, np.nan, ratio * np.hypot(prior.error, posterior.error))
    return {
        "contraction": contraction,
        "contraction_error": error,
        "shift": shift,
        "label": np.where(absent, ABSENT, _labels(contraction, error, shift)).astype(object),
    }


def _labels(contraction: Floats, error: Floats, shift: Floats) -> NDArray[np.str_]:
    sure = contraction > NOISE * error
    some = (sure & (contraction >= PARTLY_FROM)) | (np.abs(shift) >= SHIFTED_FROM)
    return np.where(sure & (contraction >= LEARNT_FROM), LEARNT, np.where(some, PARTLY, PRIOR_ONLY))


def _flat(da: xr.DataArray) -> Floats:
    """Draws (draw, value)."""
    ordered = da.transpose("chain", "draw", ...).values
    return ordered.reshape(ordered.shape[0] * ordered.shape[1], -1).astype(np.float64)


def _scale(before: Floats, after: Floats, share: bool) -> str:
    """Scale on which a quantity is compared: one for all its years."""
    least = min(before.min(initial=np.inf), after.min(initial=np.inf))
    most = max(before.max(initial=-np.inf), after.max(initial=-np.inf))
    if share and least >= 0 and most <= 1:
        return "logit"
    return "log" if least > 0 else "plain"


def _on_scale(draws: Floats, scale: str) -> Floats:
    if scale == "plain":
        return draws
    if scale == "logit":
        return np.asarray(logit(np.clip(draws, _EDGE, 1 - _EDGE)))
    return np.log(np.where(draws > 0, draws, np.nan))


def _quantiles(draws: Floats, ci_prob: float) -> Floats:
    tail = (1 - ci_prob) / 2
    return np.asarray(np.quantile(draws, [0.5, tail, 1 - tail], axis=0))


def _band(draws: Floats, ci_prob: float, effective: float) -> _Band:
    """Band with the error of its width from the order statistics around its ends.

    The share of so many independent draws below an end is known to `reach`; draws that far to
    either side of the end are one standard error away from it, whatever the distribution.
    """
    tail = (1 - ci_prob) / 2
    reach = min(np.sqrt(tail * (1 - tail) / effective), tail)
    levels = [0.5, tail, 1 - tail, tail - reach, tail + reach, 1 - tail - reach, 1 - tail + reach]
    median, lower, upper, *around = np.quantile(draws, levels, axis=0)
    errors = np.hypot(around[1] - around[0], around[3] - around[2]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Band(median, lower, upper, errors / (upper - lower))


# --- biases ---------------------------------------------------------------------------------------


def ridges(fit: xr.DataTree) -> pd.DataFrame:
    """List reporters whose bias is known only together with what they report.

    A record fixes the product of a flow and its reporter's bias. If neither is fixed by anything
    else, the posterior keeps a ridge: the one can be larger if the other is smaller, as far as
    the priors allow.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.

    Returns
    -------
    DataFrame
        One row per reporter and quantity, means over the years of its records: posterior
        ``correlation`` of bias and log quantity, ``bias_contraction``, ``quantity_contraction``,
        ``bias_label`` and ``quantity_label`` as in `learnt`, and a ``state`` where the correlation
        is below `RIDGE_CORRELATION` and the bias is not learnt: ``ridge`` if the quantity is not
        either, ``anchored`` if it is, by the prior of the bias. Sorted by correlation.
    """
    effective = float(fit.attrs.get("ess_tail_min", np.inf))
    rows = [
        {"reporter": reporter, "quantity": name, **_joint(fit, reporter, name, years, effective)}
        for (reporter, name), years in _reported(fit).items()
    ]
    columns = ["correlation", "bias_label", "quantity_label"]  # also where no reporter is left
    table = pd.DataFrame(rows, columns=None if rows else [REPORTER, QUANTITY, *columns])
    table = table.dropna(subset=["correlation"])
    tied = (table["correlation"] <= RIDGE_CORRELATION) & (table["bias_label"] != LEARNT)
    state = np.where(table["quantity_label"] == LEARNT, ANCHORED, RIDGE)
    table["state"] = np.where(tied, state, "")
    return table.sort_values("correlation", ignore_index=True)


def ridge_sentences(table: pd.DataFrame) -> str:
    """Say in words which biases are known only together with what their reporters report.

    Parameters
    ----------
    table : DataFrame
        As `ridges` returns it.
    """
    ridge, anchored = _pairs(table, RIDGE), _pairs(table, ANCHORED)
    sentences = [
        f"Neither bias nor quantity is learnt of {ridge}: the records fix the product of the two, "
        "and how it divides rests on their priors."
        if ridge
        else "Of no reporter are bias and quantity both unlearnt and known only together."
    ]
    if anchored:
        sentences.append(
            f"Learnt, but only as far as the prior of the reporter's bias allows: {anchored}."
        )
    return " ".join(sentences)


def _pairs(table: pd.DataFrame, state: str) -> str:
    found = table[table["state"] == state].groupby(REPORTER)["quantity"]
    return listed(f"{reporter} ({listed(names)})" for reporter, names in found)


def _reported(fit: xr.DataTree) -> dict[tuple[str, str], list[int]]:
    """Years of the records of every quantity and reporter that has a bias."""
    biased = set(group_of(fit, POSTERIOR)[REPORTER].values.tolist())
    constant = group_of(fit, "constant_data")
    columns = ("record_reporter", "record_quantity", "record_year", "record_year_end")
    years: dict[tuple[str, str], set[int]] = {}
    for reporter, name, first, last in zip(*(constant[c].values for c in columns), strict=True):
        if reporter in biased:
            years.setdefault((str(reporter), str(name)), set()).update(range(first, last + 1))
    return {pair: sorted(found) for pair, found in years.items()}


def _joint(
    fit: xr.DataTree, reporter: str, name: str, years: list[int], effective: float
) -> dict[str, float | str]:
    """Mean bias beside mean log quantity over some years."""
    (bias_before, before), (bias, after) = (
        _means(group_of(fit, group), reporter, name, years) for group in (PRIOR, POSTERIOR)
    )
    moves = np.ptp(bias) > 0 and np.ptp(after) > 0  # not so where undefined
    row: dict[str, float | str] = {
        "correlation": float(np.corrcoef(bias, after)[0, 1]) if moves else np.nan
    }
    for what, pair in (("bias", (bias_before, bias)), ("quantity", (before, after))):
        figures = _figures(
            _band(pair[0][:, None], CI_PROB, len(pair[0])),
            _band(pair[1][:, None], CI_PROB, min(effective, len(pair[1]))),
            np.array([not np.ptp(pair[0]) > 0]), CI_PROB,
        )  # fmt: skip
        row[f"{what}_contraction"] = float(figures["contraction"][0])
        row[f"{what}_label"] = str(figures["label"][0])
    return row


def _means(draws: xr.Dataset, reporter: str, name: str, years: list[int]) -> tuple[Floats, Floats]:
    """Draws of the mean bias, and of the mean log quantity where it exists."""
    level = _flat(draws["quantities"].sel({QUANTITY: name, YEAR: years}))
    level = level[:, (level > 0).all(axis=0)]
    bias = _flat(draws["bias"].sel({REPORTER: reporter, YEAR: years})).mean(axis=1)
    undefined = np.full(len(level), np.nan)
    return bias, np.log(level).mean(axis=1) if level.shape[1] else undefined
