"""Read a fit: select quantities, summarise them as bands, save and open them.

Nothing here needs the sampler. Every function takes labelled arrays and returns labelled
arrays; intervals are equal-tailed and carry their probability.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import xarray as xr

from reebayes.conventions import (
    CI_PROB,
    FIT_FORMAT,
    FLOW,
    POSTERIOR,
    PRIOR,
    PROCESS,
    QUANTITY,
    RATIO_UNITS,
    RECORD,
    SAMPLE_DIMS,
    SOURCE,
    YEAR,
)
from reebayes.errors import ResultError
from reebayes.files import write_whole
from reebayes.wording import without_per_year

_CHUNKS = 2**20
"""Bytes of a variable that a file keeps in memory while it is written."""

UNIT_SEPARATOR = " or "  # between the units of several quantities in one array

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


# --- summaries ----------------------------------------------------------------------------------


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
    years = [int(year) for year in da[YEAR].values]
    first = years[0] if first is None else first
    last = years[-1] if last is None else last
    if first not in years or last not in years or first > last:
        raise ResultError(f"Years {first} to {last} are not inside {years[0]} to {years[-1]}.")
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


def _sample_dims(da: xr.DataArray) -> list[str]:
    dims = [dim for dim in SAMPLE_DIMS if dim in da.dims]
    if not dims:
        raise ResultError(
            f"Expected draws with dims {' and '.join(SAMPLE_DIMS)}; got dims {tuple(da.dims)}."
        )
    return dims


# --- selection ----------------------------------------------------------------------------------


def quantity(
    fit: xr.DataTree, name: str | Sequence[str], *, group: str = POSTERIOR
) -> xr.DataArray:
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
        If the name is unknown (the nearest one is offered) or the group is missing.
    """
    draws = _select(group_of(fit, group)["quantities"], QUANTITY, name)
    units = group_of(fit, "constant_data")["quantity_unit"].sel({QUANTITY: draws[QUANTITY]})
    distinct = sorted({str(unit) for unit in units.values.ravel()})
    return draws.assign_attrs(
        long_name=name if isinstance(name, str) else "quantities",
        units=UNIT_SEPARATOR.join(distinct),
    )


def flow(fit: xr.DataTree, name: str | Sequence[str], *, group: str = POSTERIOR) -> xr.DataArray:
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
        If the name is unknown (the nearest one is offered) or the group is missing.
    """
    draws = _select(group_of(fit, group)["flows"], FLOW, name)
    long_name = name if isinstance(name, str) else "flows"
    return draws.assign_attrs(long_name=long_name, units=str(fit.attrs.get("unit", "")))


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


def require_known(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise a `ResultError` that offers the nearest name unless all names are known."""
    known = {str(name) for name in known}
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ResultError(f"Unknown {what} {name!r}.{hint}")


def _select(draws: xr.DataArray, dim: str, name: str | Sequence[str]) -> xr.DataArray:
    require_known([name] if isinstance(name, str) else name, draws[dim].values, dim)
    return draws.sel({dim: name if isinstance(name, str) else list(name)})


# --- files --------------------------------------------------------------------------------------


def save_fit(fit: xr.DataTree, path: str | Path) -> Path:
    """Write a fit to a netCDF file, whole or not at all.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit`.
    path : str or Path
        File to write; an older file of that name is replaced only once the new one is complete.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        If the file cannot be written.

    Notes
    -----
    The file holds what memory holds, in double precision, so mass balance closes in it too.
    It is not compressed: draws are noise to a compressor, which took eight times as long to
    save a fifth of the space.
    """
    encoding = {f"/{name}": _checksums(group.to_dataset()) for name, group in fit.children.items()}

    def write(temporary: Path) -> None:
        with _written_through():
            fit.to_netcdf(temporary, engine="netcdf4", encoding=encoding)

    return write_whole(Path(path), write)


@contextmanager
def _written_through() -> Iterator[None]:
    """Keep no chunks of variables in memory: each is written once, and its cache is of 64 MB."""
    import netCDF4

    usual = netCDF4.get_chunk_cache()
    netCDF4.set_chunk_cache(_CHUNKS)
    try:
        yield
    finally:
        netCDF4.set_chunk_cache(*usual)


def _checksums(group: xr.Dataset) -> dict[str, dict[str, bool]]:
    """Encoding by which the file notices itself that numbers in it have changed."""
    numeric = (name for name, variable in group.variables.items()
               if variable.ndim and variable.size and variable.dtype.kind in "biuf")  # fmt: skip
    return {str(name): {"fletcher32": True} for name in numeric}


def open_fit(path: str | Path) -> xr.DataTree:
    """Read a fit from a file of `save_fit` into memory.

    Parameters
    ----------
    path : str or Path
        A netCDF file.

    Returns
    -------
    DataTree
        The fit.

    Raises
    ------
    ResultError
        If the file is missing, damaged or not a fit of this package.
    """
    source = Path(path)
    if not source.is_file():
        what = "is a folder, not a fit" if source.is_dir() else "no such file"
        raise ResultError(f"{source}: {what}. `reebayes fit --out FILE.nc` makes one.")
    try:
        with xr.open_datatree(source, engine="netcdf4") as tree:
            fit = tree.load()
    # What a damaged file makes of the libraries that read it is not only theirs to name.
    except (OSError, RuntimeError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ResultError(
            f"{source}: not a netCDF file, or a damaged one ({error}). Fit again to replace it."
        ) from error
    _check_fit(source, fit)
    return fit


def fit_attributes(path: str | Path) -> dict[str, Any]:
    """Return what a fit's file says of itself, without reading its draws; empty if it is none."""
    try:
        with xr.open_dataset(path, engine="netcdf4") as root:
            return dict(root.attrs)
    except (OSError, RuntimeError, ValueError, LookupError, AttributeError, TypeError):
        return {}


def _check_fit(source: Path, fit: xr.DataTree) -> None:
    found = fit.attrs.get("fit_format", FIT_FORMAT)
    if not isinstance(found, int) and not hasattr(found, "__index__"):
        raise ResultError(f"{source}: not a fit of reebayes; its fit_format is {found!r}.")
    if int(found) > FIT_FORMAT:
        raise ResultError(
            f"{source}: written by reebayes {fit.attrs.get('reebayes_version', '')} in a newer "
            "form than this version reads. Update reebayes, or fit again."
        )
    missing = _missing(fit)
    if missing:
        raise ResultError(f"{source}: not a fit of reebayes; it lacks {', '.join(missing)}.")
    for name, kind in JSON_ATTRIBUTES.items():
        if name in fit.attrs and not isinstance(_json(fit.attrs[name]), kind):
            raise ResultError(
                f"{source}: damaged; its attribute {name} is no JSON {kind.__name__}."
            )


def _json(text: object) -> object:
    try:
        return json.loads(str(text))
    except ValueError:
        return None


def _missing(fit: xr.DataTree) -> list[str]:
    """Return what a fit should hold and does not, or not by the right dimensions."""
    groups = {**REQUIRED, **{name: OPTIONAL[name] for name in OPTIONAL if name in fit.children}}
    missing = [] if "study_name" in fit.attrs else ["the attribute study_name"]
    for group, variables in groups.items():
        there = fit.children[group].to_dataset() if group in fit.children else xr.Dataset()
        for name, dims in variables.items():
            if name not in there:
                missing.append(f"{group}/{name}")
            elif there[name].dims != dims or any(dim not in there.coords for dim in dims):
                missing.append(f"{group}/{name} by {', '.join(dims)}")
            elif group != "constant_data" and not there[name].size:
                missing.append(f"a value of {group}/{name}")
    return missing
