"""Draws summarised: credible bands, sums over years, probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from reebayes.conventions import CI_PROB, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.results.identity import (
    HOLDS_FOR,
    UNKNOWN_UNIT,
    as_drawn,
    is_summable,
    known_attrs,
    unit_of,
)
from reebayes.wording import without_per_year


def bands(da: xr.DataArray, *, ci_prob: float = CI_PROB) -> xr.Dataset:
    """Return median and equal-tailed credible band over chains and draws.

    Parameters
    ----------
    da : DataArray (chain, draw, ...)
        Draws of anything, in any unit.
    ci_prob : float
        Probability inside the band.

    Returns
    -------
    Dataset
        ``median``, ``lower``, ``upper`` with the remaining dims, in the unit of `da`; attribute
        ``ci_prob``. Undefined (NaN) wherever a draw is undefined. Of draws that were changed after
        they were drawn, such as a ratio of two quantities by hand, the unit is not known.

    Raises
    ------
    ResultError
        If `da` has no chain or draw dimension, or `ci_prob` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> import reebayes as rb
    >>> import xarray as xr
    >>> draws = xr.DataArray(np.arange(101.0).reshape(1, 101), dims=("chain", "draw"))
    >>> band = rb.bands(draws)
    >>> [round(float(band[end]), 6) for end in ("lower", "median", "upper")]
    [5.0, 50.0, 95.0]
    """
    if not 0 < ci_prob < 1:
        raise ResultError(f"ci_prob must lie between 0 and 1, got {ci_prob}.")
    dims = _sample_dims(da)
    about = known_attrs(da)
    tail = (1 - ci_prob) / 2
    quantiles = da.quantile([0.5, tail, 1 - tail], dim=dims, skipna=False)
    columns = {
        name: _with(quantiles.isel(quantile=i, drop=True), about)
        for i, name in enumerate(("median", "lower", "upper"))
    }
    attrs = {**about, "ci_prob": ci_prob, "ci_kind": "eti"}
    return xr.Dataset(columns, attrs=attrs)


def cumulative(da: xr.DataArray, first: int | None = None, last: int | None = None) -> xr.DataArray:
    """Sum yearly values over a span of years, draw by draw.

    Parameters
    ----------
    da : DataArray (..., year, ...)
        Yearly values such as `quantity` returns, in a unit per year. Sums and differences of
        quantities have names of their own: ``quantity(fit, "mined_CN + mined_US")``.
    first, last : int, optional
        First and last year of the span, both included; the whole period if left out.

    Returns
    -------
    DataArray
        The same dims without year; attributes ``first_year`` and ``last_year``.

    Raises
    ------
    ResultError
        If `da` is a ratio (a sum of ratios means nothing), was changed after it was drawn, so
        that nobody knows what it is, or the span is not inside its years.

    Examples
    --------
    >>> import numpy as np
    >>> import reebayes as rb
    >>> import xarray as xr
    >>> years = {"year": [2010, 2011, 2012]}
    >>> draws = xr.DataArray(np.ones((1, 50, 3)), years, ("chain", "draw", "year"))
    >>> total = rb.cumulative(draws.assign_attrs(units="kt REO/yr"), 2011)
    >>> total.attrs["units"], float(total.mean())
    ('kt REO', 2.0)
    >>> ax = rb.plot_totals({"ones": rb.bands(total)}, unit="kt REO")
    """
    _require_summable(da)
    years = _years_of(da)
    first = years[0] if first is None else first
    last = years[-1] if last is None else last
    if first not in years or last not in years or first > last:
        raise ResultError(f"Years {first} to {last} are not inside {years[0]} to {years[-1]}.")
    lacking = sorted({*range(first, last + 1)} - {*years})
    if lacking:
        raise ResultError(f"A sum over {first} to {last} lacks {', '.join(map(str, lacking))}.")
    total = da.sel({YEAR: slice(first, last)}).sum(YEAR, skipna=False)
    units = without_per_year(unit_of(da))
    about = {**da.attrs, "units": units, "first_year": first, "last_year": last}
    return as_drawn(total, **about) if HOLDS_FOR in da.attrs else total.assign_attrs(about)


def _require_summable(da: xr.DataArray) -> None:
    unit = unit_of(da)
    name = da.attrs.get("long_name", da.name)
    if unit == UNKNOWN_UNIT:
        raise ResultError(
            "These values were changed after they were drawn, so nobody knows whether they may be "
            "added up over years. Ask for sums and differences by name, "
            "quantity(fit, 'a + b'), and for ratios by ratio(fit, 'a', 'b', years=(first, last))."
        )
    if not unit:
        raise ResultError(
            "These values have no unit, so nobody knows whether they may be added up over years. "
            "Give them one, such as da.assign_attrs(units='kt REO/yr')."
        )
    if not is_summable(unit):
        raise ResultError(
            f"{name} is a ratio or holds one, and ratios of different years cannot be added. "
            "Add up its numerator and its denominator instead: "
            "ratio(fit, 'a', 'b', years=(first, last))."
        )


def probability_above(da: xr.DataArray, x: float) -> xr.DataArray:
    """Return the probability that a value exceeds `x`.

    Parameters
    ----------
    da : DataArray (chain, draw, ...)
        Draws, in any unit.
    x : float
        Threshold in the unit of `da`.

    Returns
    -------
    DataArray
        Share of draws above `x`, between 0 and 1; NaN where a draw is undefined.

    Raises
    ------
    ResultError
        If `da` has no chain or draw dimension.

    Examples
    --------
    >>> import numpy as np
    >>> import reebayes as rb
    >>> import xarray as xr
    >>> years = {"year": [2010, 2011, 2012]}
    >>> draws = xr.DataArray(np.ones((1, 50, 3)), years, ("chain", "draw", "year"))
    >>> rb.probability_above(draws, 0.5).values
    array([1., 1., 1.])
    """
    dims = _sample_dims(da)
    share = (da > x).where(da.notnull()).mean(dims, skipna=False)
    attrs = {
        "long_name": f"P({known_attrs(da).get('long_name', da.name)} > {x:g})",
        "units": "probability",
    }
    return _with(share, {**attrs, "threshold": x})


def _with(da: xr.DataArray, attrs: Mapping[Any, Any]) -> xr.DataArray:
    """Return an array with these attributes and no others."""
    found = da.copy(deep=False)
    found.attrs = dict(attrs)
    return found


def directions_text(counts: Mapping[str, Any]) -> str:
    """Say in words which directions of the unknowns the records inform: local identifiability.

    Parameters
    ----------
    counts : mapping
        Attributes of what `identify` returns, or `Contents.directions`.
    """
    return (
        f"Local identifiability at the {counts['at']}: {counts['records']:,} records inform "
        f"{counts['seen']:,} of {counts['directions']:,} directions of the unknowns more than the "
        f"prior does, {counts['faint']:,} less, and {counts['unseen']:,} not at all: only the "
        "prior informs those."
    )


def _years_of(da: xr.DataArray) -> list[int]:
    """Years of an array, which must ascend."""
    years = [int(year) for year in da[YEAR].values] if YEAR in da.dims else []
    if not years or years != sorted(set(years)):
        raise ResultError(f"Expected values by year, in order; got dims {tuple(da.dims)}.")
    return years


def _sample_dims(da: xr.DataArray) -> list[str]:
    dims = [dim for dim in SAMPLE_DIMS if dim in da.dims]
    if not dims:
        raise ResultError(
            f"Expected draws with dims {' and '.join(SAMPLE_DIMS)}; got dims {tuple(da.dims)}."
        )
    if not all(da.sizes[dim] for dim in dims):
        raise ResultError("There are no draws to summarise; keep at least one.")
    return dims
