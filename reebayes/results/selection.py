"""Draws of quantities and flows, selected by name."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from reebayes.conventions import FLOW, POSTERIOR, QUANTITY
from reebayes.results.reading import Fit, contents_of, require_finite, require_known
from reebayes.results.summaries import UNIT_SEPARATOR


def quantity(fit: Fit, name: str | Sequence[str], *, group: str = POSTERIOR) -> xr.DataArray:
    """Select a named quantity (or several) of a fit.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    name : str or sequence of str
        Quantity; a sequence keeps the quantity dimension.
    group : str
        ``"posterior"`` or ``"prior"``.

    Returns
    -------
    DataArray (chain, draw, year) or (chain, draw, year, quantity)
        In the unit of its ``units`` attribute.

    Raises
    ------
    ResultError
        If the name is unknown (the nearest one is offered), the group is missing, or a draw is
        infinite.
    """
    contents = contents_of(fit)
    draws = _select(contents.group(group)["quantities"], QUANTITY, name)
    distinct = sorted({*contents.units[[name] if isinstance(name, str) else list(name)]})
    return draws.assign_attrs(
        long_name=name if isinstance(name, str) else "quantities",
        units=UNIT_SEPARATOR.join(distinct),
    )


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
    """
    contents = contents_of(fit)
    draws = _select(contents.group(group)["flows"], FLOW, name)
    long_name = name if isinstance(name, str) else "flows"
    return draws.assign_attrs(long_name=long_name, units=contents.unit)


def _select(draws: xr.DataArray, dim: str, name: str | Sequence[str]) -> xr.DataArray:
    require_known([name] if isinstance(name, str) else name, draws[dim].values, dim)
    chosen = draws.sel({dim: name if isinstance(name, str) else list(name)})
    require_finite(chosen.values, str(draws.name))
    return chosen
