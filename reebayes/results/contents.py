"""What a fit holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from reebayes.conventions import (
    FLOW,
    POSTERIOR,
    PRIOR,
    PROCESS,
    QUANTITY,
    RECORD,
    SAMPLE_DIMS,
    SOURCE,
    YEAR,
)
from reebayes.errors import ResultError

_TABLES: Mapping[str, tuple[str, ...]] = {
    RECORD: (
        *("quantity", "year", "year_end", "kind", "unit", "printed", "reporter", "source", "note"),
        *("sd", "value", "low", "high"),
    ),
    FLOW: ("source", "target", "product", "registered", "label"),
    PROCESS: ("kind", "region", "label"),
    SOURCE: ("citation", "year", "url", "licence"),
    QUANTITY: ("terms", "unit"),
}


_DRAWS: Mapping[str, tuple[str, ...]] = {
    "flows": (*SAMPLE_DIMS, YEAR, FLOW),
    "quantities": (*SAMPLE_DIMS, YEAR, QUANTITY),
}


REQUIRED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    POSTERIOR: _DRAWS,
    "constant_data": {f"{dim}_{name}": (dim,) for dim, names in _TABLES.items() for name in names},
}
"""Variables that a fit must hold, with their dimensions, by group."""


OPTIONAL: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    PRIOR: _DRAWS,
    "posterior_predictive": {"value": (*SAMPLE_DIMS, RECORD)},
}
"""The same of groups that may be absent."""


JSON_ATTRIBUTES: Mapping[str, type] = {
    **dict.fromkeys(("report", "settings", "versions", "wall_seconds"), dict),
    "failing": list,
}
"""Attributes that hold more than one value, and what."""


def report_settings(fit: xr.DataTree) -> dict[str, Any]:
    """Return the study's ``[report]`` table as carried by the fit (empty if it has none)."""
    settings = json.loads(str(fit.attrs.get("report", "{}")))
    return settings if isinstance(settings, dict) else {}


def group_of(fit: xr.DataTree, group: str) -> xr.Dataset:
    """Return one group of a fit as a dataset.

    Raises
    ------
    ResultError
        If the fit has no such group.
    """
    if group not in fit.children:
        raise ResultError(f"The fit has no group {group!r}; it has {', '.join(fit.children)}.")
    return fit.children[group].to_dataset()
