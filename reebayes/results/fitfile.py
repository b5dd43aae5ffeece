"""Fits in netCDF files: written whole, opened lazily, and told where they are damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, NetCDF4BackendEntrypoint
from xarray.core import indexing

from reebayes.conventions import CHAIN, DRAW, FIT_FORMAT, FLOW, QUANTITY, REPORTER
from reebayes.errors import ResultError
from reebayes.files import FILE, kind_of, write_whole
from reebayes.results.contents import DRIFTING, differences
from reebayes.results.reading import fault_of

_CHUNKS = 2**20
"""Bytes of a variable that a file keeps in memory while it is written."""

_READ_ALONE = (FLOW, QUANTITY, REPORTER, DRIFTING)
"""Dimensions of draws of which a reader wants one name at a time."""

# What a damaged file makes of the libraries that read it is not only theirs to name.
_DAMAGE = (OSError, RuntimeError, ValueError, LookupError, AttributeError, TypeError)


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
        If the fit holds what no fit holds, or lacks part of what one does, or the file cannot be
        written.

    Notes
    -----
    The file holds what memory holds, flows in double precision, so mass balance closes in it too.
    Each name of a flow, quantity or record is a piece of its own, so one of them can be read
    without the rest. Draws are not compressed: they are noise to a compressor, which took eight
    times as long to save a fifth of the space.
    """
    unlisted = differences(fit)
    if unlisted:
        raise ResultError(
            f"{path}: not written; the fit and the list of what a fit holds differ in "
            f"{', '.join(unlisted)}."
        )
    encoding = {f"/{name}": _encoding(group.to_dataset()) for name, group in fit.children.items()}

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


def _encoding(group: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Checksums by which the file notices that numbers have changed, and pieces to read alone."""
    return {
        str(name): {"fletcher32": True, **_pieces(variable)}
        for name, variable in group.variables.items()
        if variable.ndim and variable.size and variable.dtype.kind in "biuf"
    }


def _pieces(variable: xr.Variable) -> dict[str, tuple[int, ...]]:
    """Draws in pieces of one name; a piece that does not divide the whole would waste space."""
    if variable.dims[:2] != (CHAIN, DRAW) or variable.dims[-1] not in _READ_ALONE:
        return {"chunksizes": variable.shape}
    return {"chunksizes": (*variable.shape[:-1], 1)}


def open_fit(path: str | Path, *, verify: bool = False) -> xr.DataTree:
    """Open a fit in a file of `save_fit`; numbers are read, and checked, when they are used.

    Parameters
    ----------
    path : str or Path
        A netCDF file.
    verify : bool
        Read and check every number now.

    Returns
    -------
    DataTree
        The fit. ``fit.load()`` reads it whole into memory, ``fit.close()`` closes the file.

    Raises
    ------
    ResultError
        If the file is missing, damaged or not a fit of this package; also later, when numbers are
        read that have been damaged.
    """
    source = Path(path)
    kind = kind_of(source)
    if kind != FILE:
        what = f"is a {kind}, not a fit" if kind else "no such file"
        raise ResultError(f"{source}: {what}. `reebayes fit --out FILE.nc` makes one.")
    try:
        fit = xr.open_datatree(source, engine=_FitBackend)
    except ResultError:
        raise
    except _DAMAGE as error:
        raise ResultError(_damaged(source, error)) from error
    try:
        _check_fit(source, fit)
        if verify:
            _read_all(fit)
    except ResultError:
        fit.close()  # or the file stays open for as long as the error is kept
        raise
    return fit


def fit_attributes(path: str | Path) -> dict[str, Any]:
    """Return what a fit's file says of itself, without reading its draws; empty if it is none."""
    if kind_of(Path(path)) != FILE:  # whoever opens a pipe waits for a writer
        return {}
    try:
        with xr.open_dataset(path, engine="netcdf4") as root:
            return dict(root.attrs)
    except _DAMAGE:
        return {}


# --- reading --------------------------------------------------------------------------------------


class _Checked(BackendArray):
    """An array of a file that tells, when it is read, if the file is damaged."""

    def __init__(self, variable: xr.Variable, source: str, name: str) -> None:
        self.variable, self.source, self.name = variable, source, name
        self.shape, self.dtype = variable.shape, variable.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read part of the array."""
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        try:
            return np.asarray(self.variable[key].values)
        except _DAMAGE as error:
            raise ResultError(_damaged(f"{self.source}{self.name}", error)) from error


class _FitBackend(NetCDF4BackendEntrypoint):
    """netCDF files, read as xarray reads them, with damage told as an error of this package."""

    def open_groups_as_dict(self, filename_or_obj: Any, **options: Any) -> dict[str, xr.Dataset]:
        """Open the groups of a file."""
        groups = super().open_groups_as_dict(filename_or_obj, **options)
        source = str(filename_or_obj)
        return {name: _checked(group, source, name) for name, group in groups.items()}


def _checked(group: xr.Dataset, source: str, title: str) -> xr.Dataset:
    arrays = {
        name: (
            variable.dims,
            indexing.LazilyIndexedArray(_Checked(variable, source, f"{title}/{name}")),
            variable.attrs,
        )
        for name, variable in group.variables.items()
        if name in group.data_vars
    }
    checked = group.assign(arrays)
    checked.set_close(group.close)
    return checked


def _damaged(source: object, error: Exception) -> str:
    return f"{source}: not a netCDF file, or a damaged one ({error}). Fit again to replace it."


def _read_all(fit: xr.DataTree) -> None:
    """Read every number once, a variable at a time, and keep none."""
    for group in fit.children.values():
        for variable in group.to_dataset().variables.values():
            variable.copy(deep=False).values  # noqa: B018


def _check_fit(source: Path, fit: xr.DataTree) -> None:
    found = fit.attrs.get("fit_format", FIT_FORMAT)
    if not isinstance(found, int) and not hasattr(found, "__index__"):
        raise ResultError(f"{source}: not a fit of reebayes; its fit_format is {found!r}.")
    if int(found) > FIT_FORMAT:
        raise ResultError(
            f"{source}: written by reebayes {fit.attrs.get('reebayes_version', '')} in a newer "
            "form than this version reads. Update reebayes, or fit again."
        )
    if int(found) < FIT_FORMAT and "fit_format" in fit.attrs:
        raise ResultError(
            f"{source}: written by reebayes {fit.attrs.get('reebayes_version', '')} in an older "
            "form than this version reads. Fit again."
        )
    fault = fault_of(fit)
    if fault:
        raise ResultError(f"{source}: {fault}")
