"""Fits in netCDF files: written whole, opened lazily, and told where they are damaged."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xarray as xr
from xarray.backends import (
    BackendArray,
    BackendEntrypoint,
    NetCDF4DataStore,
    StoreBackendEntrypoint,
)
from xarray.core import indexing

from reebayes.conventions import CHAIN, DRAW, FIT_FORMAT, FLOW, QUANTITY, REPORTER
from reebayes.errors import ResultError
from reebayes.files import FILE, kind_of, write_whole
from reebayes.results.contents import DRIFTING, differences
from reebayes.results.reading import fault_of

if TYPE_CHECKING:
    from netCDF4 import Dataset

UNCACHED = 2**20
"""Bytes of a variable that a file keeps in memory while it is written."""

_READ_ALONE = (FLOW, QUANTITY, REPORTER, DRIFTING)
"""Dimensions of draws of which a reader wants one name at a time."""

type _Identity = tuple[int, int]  # of a file, whatever its name: its device and number

PIECE = 500
"""Draws of one chain that are computed, written and read together, or a few less."""

_TOGETHER = 512
"""Names of other dimensions that are read together."""

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

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/zinc.nc")
    >>> rb.save_fit(fit, "kept/zinc.nc").name
    'zinc.nc'
    """
    unlisted = differences(fit)
    if unlisted:
        raise ResultError(unlike_the_list(path, unlisted))
    encoding = {f"/{name}": encoding_of(group.to_dataset()) for name, group in fit.children.items()}

    def write(temporary: Path) -> None:
        with written_through():
            fit.to_netcdf(temporary, engine="netcdf4", encoding=encoding)

    return write_whole(Path(path), write)


def unlike_the_list(path: str | Path, unlisted: Sequence[str]) -> str:
    """Say in what a fit and the list of what a fit holds differ."""
    return (
        f"{path}: not written; the fit and the list of what a fit holds differ in "
        f"{', '.join(unlisted)}."
    )


@contextmanager
def written_through() -> Iterator[None]:
    """Keep no chunks of variables in memory: each is written once, and its cache is of 64 MB."""
    import netCDF4

    usual = netCDF4.get_chunk_cache()
    netCDF4.set_chunk_cache(UNCACHED)
    try:
        yield
    finally:
        netCDF4.set_chunk_cache(*usual)


def encoding_of(group: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Checksums by which the file notices that numbers have changed, and pieces to read alone."""
    return {
        str(name): {
            "fletcher32": True,
            "chunksizes": pieces_of([str(dim) for dim in variable.dims], variable.shape),
        }
        for name, variable in group.variables.items()
        if variable.ndim and variable.size and variable.dtype.kind in "biuf"
    }


def pieces_of(dims: Sequence[str], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of the pieces in which a variable lies in a file, none of them empty.

    Draws lie by chain and some draws at a time, each name of what is read alone by itself: what
    is written at once, and what is read at once, need not hold the rest.
    """
    if tuple(dims[:2]) != (CHAIN, DRAW):
        return tuple(shape)
    draws = even_piece(shape[1], PIECE)
    if len(dims) == 2:
        return 1, draws
    names = 1 if dims[-1] in _READ_ALONE else even_piece(shape[-1], _TOGETHER)
    return (1, draws, *shape[2:-1], names)


def even_piece(size: int, most: int) -> int:
    """Return the size of the fewest even pieces, each of at most so many."""
    return -(-size // max(-(-size // most), 1))


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

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/zinc.nc")
    >>> fit.attrs["study_name"], fit.attrs["unit"]
    ('Zinc in China 1994', 'kt Zn/yr')
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
        with closing(_Handle(str(path))) as handle:
            return dict(_checked(handle, "/").attrs)
    except _DAMAGE:
        return {}


# --- reading --------------------------------------------------------------------------------------


class _Handle:
    """A file that is open for reading, for as long as anyone holds this.

    The netCDF library crashes when a file that it opened twice is closed in the order of opening,
    so a file is opened once, whoever asks for it. Files are closed here and not by the collector
    of garbage, which keeps no order: those that nobody holds, before the next is opened.
    """

    _open: dict[weakref.ref[_Handle], tuple[_Identity, Dataset]] = {}  # noqa: RUF012

    def __init__(self, source: str) -> None:
        import netCDF4

        self.close_abandoned()
        self.source = source
        found = os.stat(source)
        identity = found.st_dev, found.st_ino
        there = dict(self._open.values())
        self.file = there[identity] if identity in there else netCDF4.Dataset(source)
        self._open[weakref.ref(self)] = identity, self.file

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        """Open the file again where a copy of this is made."""
        return type(self), (self.source,)

    @property
    def is_open(self) -> bool:
        """Whether this has not been closed."""
        return weakref.ref(self) in self._open

    def close(self) -> None:
        """Close the file, unless it is closed or another reads it too."""
        self._let_go([weakref.ref(self)])

    @classmethod
    def close_abandoned(cls) -> None:
        """Close the files that nobody holds."""
        cls._let_go([held for held in cls._open if held() is None])

    @classmethod
    def close_all(cls) -> None:
        """Close every file."""
        cls._let_go(list(cls._open))

    @classmethod
    def _let_go(cls, handles: Iterable[weakref.ref[_Handle]]) -> None:
        for held in handles:
            identity, file = cls._open.pop(held, (None, None))
            if file is not None and identity not in dict(cls._open.values()):
                file.close()


atexit.register(_Handle.close_all)


class _Checked(BackendArray):
    """An array of a file that tells, when it is read, if the file is damaged."""

    def __init__(self, variable: xr.Variable, handle: _Handle, name: str) -> None:
        self.variable, self.handle, self.name = variable, handle, name
        self.shape, self.dtype = variable.shape, variable.dtype

    def __deepcopy__(self, memo: object) -> Self:
        """Return itself: what is in a file is not changed through it."""
        return self

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read part of the array."""
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        source = self.handle.source
        if not self.handle.is_open:
            raise ResultError(f"{source}: the fit was closed; open it again to read {self.name}.")
        try:
            return np.asarray(self.variable[key].values)
        except _DAMAGE as error:
            raise ResultError(_damaged(f"{source}{self.name}", error)) from error


class _FitBackend(BackendEntrypoint):
    """netCDF files, read as xarray reads them, with damage told as an error of this package."""

    def open_datatree(self, filename_or_obj: Any, **options: Any) -> xr.DataTree:
        """Open a file as a tree, whose numbers stay in the file."""
        handle = _Handle(str(filename_or_obj))
        try:
            names = ("/", *handle.file.groups)
            tree = xr.DataTree.from_dict({name: _checked(handle, name) for name in names})
        except BaseException:
            handle.close()
            raise
        tree.set_close(handle.close)
        return tree


def _checked(handle: _Handle, title: str) -> xr.Dataset:
    store = NetCDF4DataStore(handle.file, group=title)  # type: ignore[no-untyped-call]
    group = StoreBackendEntrypoint().open_dataset(store)
    arrays = {
        name: (
            variable.dims,
            indexing.LazilyIndexedArray(_Checked(variable, handle, f"/{title}/{name}")),
            variable.attrs,
        )
        for name, variable in group.variables.items()
        if name in group.data_vars
    }
    return group.assign(arrays)


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
    if int(found) != FIT_FORMAT:
        newer = int(found) > FIT_FORMAT
        age, advice = ("a newer", "Update reebayes, or fit") if newer else ("an older", "Fit")
        raise ResultError(
            f"{source}: written by reebayes {fit.attrs.get('reebayes_version', '')} in {age} form "
            f"than this version reads. {advice} again."
        )
    fault = fault_of(fit)
    if fault:
        raise ResultError(f"{source}: {fault}")
