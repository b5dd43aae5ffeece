"""Draws that know what they are: a unit holds only for the values that it was given to.

Arithmetic in xarray keeps a unit that both operands have, so the ratio of two masses would pass for
a mass. Draws therefore carry their values a second time, as a coordinate beside them. Selection
moves both alike; arithmetic changes the values and not the coordinate, or drops the coordinate,
because that of the other operand differs. Whoever needs the unit compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from reebayes.conventions import PER_YEAR, RATIO_UNITS
from reebayes.wording import without_per_year

DRAWN = "drawn"
"""Coordinate that holds the values to which the unit was given."""

HOLDS_FOR = "units_hold_for"
"""Attribute that names this coordinate; it stays where arithmetic drops the coordinate."""

UNKNOWN_UNIT = "unknown unit"

UNIT_SEPARATOR = " or "  # between the units of several quantities in one array

UNIT = "unit"
"""Coordinate with the unit of each of several things in one array."""


LABEL = "label"
"""Coordinate with the name for readers of each of several things in one array."""


def as_drawn(da: xr.DataArray, **attrs: object) -> xr.DataArray:
    """Return draws with attributes, and bind these to the values as they are now.

    Parameters
    ----------
    da : DataArray
    **attrs
        ``units`` and ``long_name`` among them.
    """
    bound = da.drop_vars(DRAWN, errors="ignore").assign_attrs({**attrs, HOLDS_FOR: DRAWN})
    # A copy: what is changed in place must not change with it.
    return bound.assign_coords({DRAWN: (bound.dims, np.array(bound.values))})


def unit_of(da: xr.DataArray) -> str:
    """Return the unit of draws; empty if they have none, `UNKNOWN_UNIT` if they were changed.

    Values that were blanked (NaN) are no change.
    """
    if HOLDS_FOR in da.attrs and not _unchanged(da):
        return UNKNOWN_UNIT
    if UNIT in da.coords:
        return UNIT_SEPARATOR.join(sorted({str(unit) for unit in np.ravel(da[UNIT].values)}))
    return str(da.attrs.get("units", ""))


def known_attrs(da: xr.DataArray) -> Mapping[Any, Any]:
    """Return the attributes of draws that are true of their values."""
    unit = unit_of(da)
    kept = {key: value for key, value in da.attrs.items() if key != HOLDS_FOR}
    if unit == UNKNOWN_UNIT:
        kept = {key: value for key, value in kept.items() if key != "long_name"}
    elif LABEL in da.coords and not da[LABEL].dims:
        kept["long_name"] = str(da[LABEL].item())
    return kept | ({"units": unit} if unit else {})


def is_summable(unit: str) -> bool:
    """Return whether values of a unit may be added up over years: masses a year."""
    units = unit.split(UNIT_SEPARATOR)
    masses = {without_per_year(one) for one in units}
    return all(one.endswith(PER_YEAR) for one in units) and not masses & RATIO_UNITS


def _unchanged(da: xr.DataArray) -> bool:
    if DRAWN not in da.coords:
        return False
    drawn = da[DRAWN].variable
    if {*drawn.dims} != {*da.dims}:
        return False
    values, before = da.values, drawn.transpose(*da.dims).values
    return bool(np.all((values == before) | np.isnan(values)))
