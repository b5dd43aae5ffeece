"""Draws of quantities and flows, selected by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import FLOW, POSTERIOR, QUANTITY, SAMPLE_DIMS, YEAR, parse_terms
from reebayes.errors import ResultError
from reebayes.results.identity import UNIT_SEPARATOR, as_drawn
from reebayes.results.reading import Contents, Fit, contents_of, require_finite, require_known
from reebayes.results.summaries import cumulative

type Span = int | tuple[int, int] | None
"""One year, first and last year of a sum, or all years."""


def quantity(fit: Fit, name: str | Sequence[str], *, group: str = POSTERIOR) -> xr.DataArray:
    """Select a named quantity (or several) of a fit.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    name : str or sequence of str
        Quantity, or a sum of several with weights, such as ``"mined_CN - 0.5 mined_US"``; a
        sequence keeps the quantity dimension.
    group : str
        ``"posterior"`` or ``"prior"``.

    Returns
    -------
    DataArray (chain, draw, year) or (chain, draw, year, quantity)
        In the unit of its ``units`` attribute, which holds for these values: what arithmetic
        makes of them has no unit for `cumulative`, `bands` and `plot_bands`.

    Raises
    ------
    ResultError
        If the name is unknown (the nearest one is offered), a ratio is to be added, the group is
        missing, or a draw is infinite.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")
    >>> smuggled = rb.quantity(fit, "smuggled_CN")
    >>> smuggled.dims, smuggled.attrs["units"]
    (('chain', 'draw', 'year'), 'kt REO/yr')
    >>> rb.quantity(fit, "mined_CN + mined_US").attrs["units"]
    'kt REO/yr'
    """
    contents = contents_of(fit)
    if isinstance(name, str) and " " in name.strip():
        return _combined(contents, name, group)
    _require_no_flow([name] if isinstance(name, str) else name, contents)
    draws = _select(contents.group(group)["quantities"], QUANTITY, name)
    distinct = sorted({*contents.units[[name] if isinstance(name, str) else list(name)]})
    return as_drawn(
        draws,
        long_name=name if isinstance(name, str) else "quantities",
        units=UNIT_SEPARATOR.join(distinct),
    )


def _combined(contents: Contents, formula: str, group: str) -> xr.DataArray:
    """Sum of quantities with weights, as a formula says."""
    weights, below = parse_terms(formula)
    require_known([*weights, *below], contents.units.index, QUANTITY)
    ratios = [name for name in weights if name in contents.ratios]
    if below or ratios or not weights:
        raise ResultError(
            f"{formula!r} is no sum of masses; write it like 'a + 0.5 b - c', or ask for "
            "ratio(fit, 'a', 'b')."
        )
    draws = contents.group(group)["quantities"]
    chosen = _select(draws, QUANTITY, list(weights)).astype(np.float64)
    factors = xr.DataArray(list(weights.values()), {QUANTITY: list(weights)}, [QUANTITY])
    total = (chosen * factors).sum(QUANTITY, skipna=False).assign_coords({QUANTITY: formula})
    return as_drawn(total.drop_attrs(), long_name=formula, units=contents.unit)


def flow(fit: Fit, name: str | Sequence[str], *, group: str = POSTERIOR) -> xr.DataArray:
    """Select a flow (or several) of a fit.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    name : str or sequence of str
        Flow; a sequence keeps the flow dimension.
    group : str
        ``"posterior"`` or ``"prior"``.

    Returns
    -------
    DataArray (chain, draw, year) or (chain, draw, year, flow)
        In the unit of its ``units`` attribute.

    Raises
    ------
    ResultError
        If the name is unknown (the nearest one is offered), the group is missing, or a draw is
        infinite.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/zinc.nc")
    >>> exports = rb.flow(fit, ["metal_exported", "products_imported"])
    >>> exports.dims, exports.attrs["units"]
    (('chain', 'draw', 'year', 'flow'), 'kt Zn/yr')
    """
    contents = contents_of(fit)
    draws = _select(contents.group(group)["flows"], FLOW, name)
    long_name = name if isinstance(name, str) else "flows"
    return as_drawn(draws, long_name=long_name, units=contents.unit)


def _require_no_flow(names: Sequence[str], contents: Contents) -> None:
    """Say of a name that is no quantity, but a flow, that it is one."""
    for name in names:
        if name not in contents.units.index and name in contents.flows.index:
            raise ResultError(
                f"{name!r} is a flow and no quantity; ask flow(fit, {name!r}), or make it a "
                f"quantity: a row '{name},num,{name},1' of quantities.csv."
            )


def _select(draws: xr.DataArray, dim: str, name: str | Sequence[str]) -> xr.DataArray:
    require_known([name] if isinstance(name, str) else name, draws[dim].values, dim)
    chosen = draws.sel({dim: name if isinstance(name, str) else list(name)})
    require_finite(chosen.values, str(draws.name))
    return chosen


def over_years(
    values: NDArray[np.float64], known: Sequence[int], span: Span
) -> NDArray[np.float64]:
    """Draws (..., year) in one year, or summed over several.

    Parameters
    ----------
    values : array (..., year)
    known : sequence of int
        The years.
    span : int or (int, int), optional
        One year, or first and last year of a sum; all years if left out.
    """
    years = list(known)
    if isinstance(span, int):
        return np.asarray(values[..., years.index(span)])
    first, last = span or (years[0], years[-1])
    return np.asarray(values[..., years.index(first) : years.index(last) + 1].sum(axis=-1))


def answer_draws(fit: Fit, name: str, years: Span = None) -> tuple[NDArray[np.float64], str]:
    """Draws of one quantity in one year, or summed over several, one after another.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    name : str
        Quantity.
    years : int or (int, int), optional
        One year, or first and last year of a sum; the sum over all years if left out.

    Returns
    -------
    draws : array (draw)
        Chain after chain.
    unit : str

    Raises
    ------
    ResultError
        If a name is unknown, the years are not those of the fit, the quantity does not exist in
        them, or a ratio is to be summed.
    """
    values = quantity(fit, name)
    if isinstance(years, int):
        known = values[YEAR].values.tolist()
        if years not in known:
            raise ResultError(f"Year {years} is not inside {known[0]} to {known[-1]}.")
        values = values.sel({YEAR: years})
    else:
        values = cumulative(values, *(years or ()))
    draws = values.transpose(*SAMPLE_DIMS).values.ravel().astype(np.float64)
    if not np.isfinite(draws).all():
        raise ResultError(f"{name} does not exist in {years or 'all draws of every year'}.")
    return draws, str(values.attrs["units"])
