"""Draws summarised: credible bands, sums over years, probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from reebayes.conventions import CI_PROB, RATIO_UNITS, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.wording import without_per_year

UNIT_SEPARATOR = " or "  # between the units of several quantities in one array


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
        ``ci_prob``. Undefined (NaN) wherever a draw is undefined.

    Raises
    ------
    ResultError
        If `da` has no chain or draw dimension, or `ci_prob` is not between 0 and 1.
    """
    if not 0 < ci_prob < 1:
        raise ResultError(f"ci_prob must lie between 0 and 1, got {ci_prob}.")
    dims = _sample_dims(da)
    tail = (1 - ci_prob) / 2
    quantiles = da.quantile([0.5, tail, 1 - tail], dim=dims, skipna=False)
    columns = {
        name: quantiles.isel(quantile=i, drop=True).assign_attrs(da.attrs)
        for i, name in enumerate(("median", "lower", "upper"))
    }
    attrs = {**da.attrs, "ci_prob": ci_prob, "ci_kind": "eti"}
    return xr.Dataset(columns, attrs=attrs)


def cumulative(da: xr.DataArray, first: int | None = None, last: int | None = None) -> xr.DataArray:
    """Sum yearly values over a span of years, draw by draw.

    Parameters
    ----------
    da : DataArray (..., year, ...)
        Yearly values such as `quantity` returns, in a unit per year.
    first, last : int, optional
        First and last year of the span, both included; the whole period if left out.

    Returns
    -------
    DataArray
        The same dims without year; attributes ``first_year`` and ``last_year``.

    Raises
    ------
    ResultError
        If `da` is a ratio (a sum of ratios means nothing) or the span is not inside its years.
    """
    if RATIO_UNITS & set(str(da.attrs.get("units", "")).split(UNIT_SEPARATOR)):
        name = da.attrs.get("long_name", da.name)
        raise ResultError(
            f"{name} is a ratio or holds one, and ratios of different years cannot be added. "
            "Add up its numerator and its denominator instead."
        )
    years = _years_of(da)
    first = years[0] if first is None else first
    last = years[-1] if last is None else last
    if first not in years or last not in years or first > last:
        raise ResultError(f"Years {first} to {last} are not inside {years[0]} to {years[-1]}.")
    lacking = sorted({*range(first, last + 1)} - {*years})
    if lacking:
        raise ResultError(f"A sum over {first} to {last} lacks {', '.join(map(str, lacking))}.")
    total = da.sel({YEAR: slice(first, last)}).sum(YEAR, skipna=False)
    units = without_per_year(str(da.attrs.get("units", "")))
    return total.assign_attrs({**da.attrs, "units": units, "first_year": first, "last_year": last})


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
    """
    dims = _sample_dims(da)
    share = (da > x).where(da.notnull()).mean(dims, skipna=False)
    attrs = {
        "long_name": f"P({da.attrs.get('long_name', da.name)} > {x:g})",
        "units": "probability",
    }
    return share.assign_attrs({**attrs, "threshold": x})


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
