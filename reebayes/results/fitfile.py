"""Read a fit: select quantities, summarise them as bands, save and open them.

Nothing here needs the sampler. Every function takes labelled arrays and returns labelled
arrays; intervals are equal-tailed and carry their probability.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from reebayes.conventions import (
    FIT_FORMAT,
)
from reebayes.errors import ResultError
from reebayes.files import write_whole
from reebayes.results.contents import JSON_ATTRIBUTES, OPTIONAL, REQUIRED

_CHUNKS = 2**20
"""Bytes of a variable that a file keeps in memory while it is written."""


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
