"""Posterior contraction: by how much the records narrow the prior of each quantity and year."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import CI_PROB, POSTERIOR, PRIOR, QUANTITY, REPORTER, YEAR
from reebayes.errors import ResultError
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.wording import listed

LEARNT, PARTLY, PRIOR_ONLY, ABSENT = "learnt", "partly", "prior only", "absent"
LABELS = (LEARNT, PARTLY, PRIOR_ONLY)
"""Labels of a value: data-informed (learnt), between (partly), prior-dominated (prior only).

Beside them, ``absent`` is a value that the study fixes, mostly at zero."""

LEARNT_FROM = 0.5
"""Posterior contraction from which a value is data-informed (learnt): its band is half as wide as
in the prior, so the records weigh at least three times as much as the prior (precisions add up:
4 = 1 + 3)."""

PARTLY_FROM = 0.15
"""Posterior contraction from which a value is partly learnt: below it the records weigh less than
four tenths of the prior, and the value is prior-dominated (prior only)."""

SHIFTED_FROM = 1.0
"""Shift, in prior standard deviations, from which a value is partly learnt though its band is not
narrower: what weighs too little to contract it by 0.15 shifts it less in 19 of 20 cases."""

NOISE = 2.0
"""Standard errors that a contraction must exceed to count: draws are finite."""

CONFOUNDED, ANCHORED = "confounded", "anchored"
"""States of a bias and its quantity: confounded with one another, or anchored by a prior."""

CONFOUNDED_FROM = -0.8
"""Correlation of a bias with the flow it distorts from which the two are confounded: two thirds of
the variance of the one is then explained by the other."""

type Floats = NDArray[np.float64]

_EDGE = 1e-6  # shares closer to 0 or 1 are taken as that close: their log odds stay finite


def learnt(
    fit: Fit,
    quantities: str | Sequence[str] | None = None,
    *,
    total: bool = False,
    ci_prob: float = CI_PROB,
) -> xr.Dataset:
    """Compute the posterior contraction of every value, and label it by what informs it.

    A value is data-informed (``learnt``) where the records at least halve the width of its band,
    prior-dominated (``prior only``) where they narrow it by less than 15 %.

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
        unit of the quantity. ``contraction``: posterior contraction, 1 less the width of the
        posterior band over that of the prior band, on the ``scale`` of the quantity (``log``;
        ``logit`` for shares; ``plain`` for what may be negative); ``contraction_error``:
        its Monte Carlo standard error. ``shift``: the move of the median on that scale, in prior
        standard deviations. ``label``: ``learnt``, ``partly``, ``prior only``, or ``absent`` where
        the study fixes the value.

    Raises
    ------
    ResultError
        If a name is unknown, the fit has no prior draws, or a ratio is to be summed.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.learnt(rb.open_fit("results/fit.nc"), "smuggled_CN")
    >>> table["label"].dims, table["contraction"].sizes["year"]
    (('quantity', 'year'), 23)
    """
    contents = contents_of(fit)
    names = _names(contents, quantities, total=total)
    compared = [_compare(contents, name, total=total, ci_prob=ci_prob) for name in names]
    years = [] if total else [YEAR]
    coordinates: dict[str, Any] = {QUANTITY: names} | ({} if total else {YEAR: contents.years})
    columns = {
        key: ((QUANTITY, *years), np.stack([columns[key] for columns, _ in compared]))
        for key in compared[0][0]
    }
    scales = np.array([scale for _, scale in compared], dtype=object)
    units = contents.units[names].to_numpy(dtype=object)
    about = {"scale": (QUANTITY, scales), "unit": (QUANTITY, units)}
    attrs = {"ci_prob": ci_prob, "ci_kind": "eti"}
    return xr.Dataset({**columns, **about}, coords=coordinates, attrs=attrs)


def _names(contents: Contents, quantities: str | Sequence[str] | None, *, total: bool) -> list[str]:
    """Quantities to compare."""
    if quantities is None:
        names = [str(n) for n in contents.units.index if not (total and n in contents.ratios)]
    else:
        names = [quantities] if isinstance(quantities, str) else list(quantities)
    if not names:
        raise ResultError("No quantity to compare; name one, or leave the names out for all.")
    return names


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
        For example ``"47"``, or ``"-2↓"``; empty where the study fixes the value.
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
    contents: Contents, name: str, *, total: bool, ci_prob: float
) -> tuple[dict[str, NDArray[Any]], str]:
    """Columns of one quantity, by year or of the sum, and the scale on which it is compared."""
    _require_summable(contents, name, total=total)
    draws = (contents.array(group, "quantities", name) for group in (PRIOR, POSTERIOR))
    before, after = (_sorted(values.sum(axis=-1) if total else values) for values in draws)
    # A value that never changes, or never exists, has no contraction.
    absent = ~(before[-1] - before[0] > 0)
    scale = _scale(before[:, ~absent], after[:, ~absent], name in contents.ratios)
    plain = {"prior": before, "posterior": after}
    columns: dict[str, NDArray[Any]] = {
        f"{group}_{key}": values
        for group, values_of in plain.items()
        for key, values in zip(
            ("median", "lower", "upper"), _quantiles(values_of, _ends(ci_prob), "plain"),
            strict=True,
        )
    }  # fmt: skip
    effective = min(contents.effective_draws, len(after))
    columns |= _figures(
        _band(before, scale, ci_prob, len(before)), _band(after, scale, ci_prob, effective),
        absent, ci_prob,
    )  # fmt: skip
    if total:
        columns = {key: values[0] for key, values in columns.items()}
    return columns, scale


def _figures(
    prior: _Band, posterior: _Band, absent: NDArray[np.bool_], ci_prob: float
) -> dict[str, NDArray[Any]]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = posterior.width / prior.width
        sd = prior.width / (2 * NormalDist().inv_cdf((1 + ci_prob) / 2))
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


def _require_summable(contents: Contents, name: str, *, total: bool) -> None:
    if total and name in contents.ratios:
        raise ResultError(
            f"{name} is a ratio, and ratios of different years cannot be added. "
            "Add up its numerator and its denominator instead."
        )


def _sorted(draws: Floats) -> Floats:
    """Draws (draw, value), each value's in rising order; undefined ones stand last."""
    return np.sort(_flat(draws), axis=0)


def _flat(draws: Floats) -> Floats:
    """Draws (chain, draw, ...) as (draw, value)."""
    return draws.reshape(draws.shape[0] * draws.shape[1], -1).astype(np.float64)


def _scale(before: Floats, after: Floats, share: bool) -> str:
    """Scale on which a quantity is compared: one for all its years."""
    least = min(before[:1].min(initial=np.inf), after[:1].min(initial=np.inf))
    most = max(before[-1:].max(initial=-np.inf), after[-1:].max(initial=-np.inf))
    if share and least >= 0 and most <= 1:
        return "logit"
    return "log" if least > 0 else "plain"


def _on_scale(draws: Floats, scale: str) -> Floats:
    if scale == "plain":
        return draws
    if scale == "logit":
        share = np.clip(draws, _EDGE, 1 - _EDGE)
        return np.asarray(np.log(share) - np.log1p(-share))
    return np.log(np.where(draws > 0, draws, np.nan))


def _ends(ci_prob: float) -> list[float]:
    tail = (1 - ci_prob) / 2
    return [0.5, tail, 1 - tail]


def _quantiles(ordered: Floats, levels: Sequence[float], scale: str) -> list[Floats]:
    """Quantiles of draws (draw, value) in rising order, on a scale that keeps their order.

    Only the draws beside a quantile need to be taken to the scale.
    """
    found = []
    for level in levels:
        place = (len(ordered) - 1) * level
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        low, high = (_on_scale(ordered[n], scale) for n in (below, above))
        found.append(np.where(np.isnan(ordered[-1]), np.nan, low + (high - low) * (place - below)))
    return found


def _band(ordered: Floats, scale: str, ci_prob: float, effective: float) -> _Band:
    """Band with the error of its width from the order statistics around its ends.

    The share of so many independent draws below an end is known to `reach`; draws that far to
    either side of the end are one standard error away from it, whatever the distribution.
    """
    tail = (1 - ci_prob) / 2
    reach = min(np.sqrt(tail * (1 - tail) / effective), tail)
    around = [tail - reach, tail + reach, 1 - tail - reach, 1 - tail + reach]
    median, lower, upper, *ends = _quantiles(ordered, [*_ends(ci_prob), *around], scale)
    errors = np.hypot(ends[1] - ends[0], ends[3] - ends[2]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Band(median, lower, upper, errors / (upper - lower))


# --- biases ---------------------------------------------------------------------------------------


def confounding(fit: Fit) -> pd.DataFrame:
    """List reporters whose bias is confounded with what they report.

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
        ``correlation`` of bias and log quantity; where it is below `CONFOUNDED_FROM`,
        ``bias_contraction``, ``quantity_contraction``, ``bias_label`` and ``quantity_label`` as in
        `learnt`, and a ``state`` if the bias is not learnt: ``confounded`` if the quantity is not
        either, ``anchored`` if it is, by the prior of the bias. Sorted by correlation.
    """
    contents = contents_of(fit)

    @cache  # most quantities have several reporters
    def read(group: str, name: str) -> Floats:
        return contents.array(group, "quantities", name)

    rows = [
        {"reporter": reporter, "quantity": name, **_joint(contents, read, reporter, name, years)}
        for (reporter, name), years in _reported(contents).items()
    ]
    table = pd.DataFrame(rows, columns=_PAIR_COLUMNS).dropna(subset=["correlation"])
    tied = (table["correlation"] <= CONFOUNDED_FROM) & (table["bias_label"] != LEARNT)
    state = np.where(table["quantity_label"] == LEARNT, ANCHORED, CONFOUNDED)
    table["state"] = np.where(tied, state, "")
    return table.sort_values("correlation", ignore_index=True)


def confounding_sentences(table: pd.DataFrame) -> str:
    """Say in words which biases are confounded with what their reporters report.

    Parameters
    ----------
    table : DataFrame
        As `confounding` returns it.
    """
    confounded, anchored = _pairs(table, CONFOUNDED), _pairs(table, ANCHORED)
    sentences = [
        f"The records fix only the product of bias and quantity for {confounded}: how it divides "
        "rests on the priors."
        if confounded
        else "No reporter's bias is confounded with the flow it reports."
    ]
    if anchored:
        sentences.append(
            f"The prior of the reporter's bias limits the posterior contraction of {anchored}."
        )
    return " ".join(sentences)


def _pairs(table: pd.DataFrame, state: str) -> str:
    found = table[table["state"] == state].groupby(REPORTER)["quantity"]
    return listed(f"{reporter} ({listed(names)})" for reporter, names in found)


def _reported(contents: Contents) -> dict[tuple[str, str], list[int]]:
    """Years of the records of every quantity and reporter that has a bias.

    Parts of compositions are not among them: a bias that all parts have in common moves none.
    """
    biased = {str(name) for name in contents.group(POSTERIOR)[REPORTER].values}
    years: dict[tuple[str, str], set[int]] = {}
    rows: Iterable[Any] = contents.records.itertuples()
    for row in rows:
        if row.reporter in biased and not row.composition:
            span = range(int(row.year), int(row.year_end) + 1)
            years.setdefault((str(row.reporter), str(row.quantity)), set()).update(span)
    return {pair: sorted(found) for pair, found in years.items()}


_PAIR_COLUMNS = [
    REPORTER, QUANTITY, "correlation", "bias_contraction", "bias_label", "quantity_contraction",
    "quantity_label",
]  # fmt: skip


type _Read = Callable[[str, str], Floats]


def _joint(
    contents: Contents, read: _Read, reporter: str, name: str, years: list[int]
) -> dict[str, float | str]:
    """Mean bias beside mean log quantity over some years."""
    after = _means(contents, read, POSTERIOR, reporter, name, years)
    if not all(np.ptp(values) > 0 for values in after):  # not so where undefined
        return {"correlation": np.nan}
    row: dict[str, float | str] = {"correlation": float(np.corrcoef(*after)[0, 1])}
    if float(row["correlation"]) > CONFOUNDED_FROM:
        return row
    before = _means(contents, read, PRIOR, reporter, name, years)
    for what, *pair in zip(("bias", "quantity"), before, after, strict=True):
        first, second = (np.sort(values)[:, None] for values in pair)
        effective = min(contents.effective_draws, len(second))
        figures = _figures(
            _band(first, "plain", CI_PROB, len(first)), _band(second, "plain", CI_PROB, effective),
            np.array([not np.ptp(first) > 0]), CI_PROB,
        )  # fmt: skip
        row[f"{what}_contraction"] = float(figures["contraction"][0])
        row[f"{what}_label"] = str(figures["label"][0])
    return row


def _means(
    contents: Contents, read: _Read, group: str, reporter: str, name: str, years: list[int]
) -> tuple[Floats, Floats]:
    """Draws of the mean bias, and of the mean log quantity where it exists."""
    level = read(group, name)[..., contents.positions(years)]
    level = _flat(level[..., (level > 0).all(axis=(0, 1))])
    bias = _flat(contents.bias(group, reporter, years))[:, 0]
    undefined = np.full(len(level), np.nan)
    return bias, np.log(level).mean(axis=1) if level.shape[1] else undefined
