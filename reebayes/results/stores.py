"""Where a fit is put together: in memory, or in a file of which only a piece is in memory.

Draws are computed some at a time and stored as they come; what is asked of them (bands, the
convergence gate) is read back some names at a time. Both stores take and give the same, so an
answer does not depend on where the draws are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import xarray as xr

from reebayes.conventions import CHAIN, DRAW
from reebayes.errors import ResultError
from reebayes.results.contents import GROUPS, dataset, differences
from reebayes.results.fitfile import (
    UNCACHED,
    encoding_of,
    pieces_of,
    unlike_the_list,
    written_through,
)

type Arrays = Mapping[str, np.ndarray]


class Store(Protocol):
    """What a fit is put into, group by group."""

    def write(self, group: str, names: Mapping[str, Any], start: int, arrays: Arrays) -> None:
        """Put draws of one chain into a group.

        Parameters
        ----------
        group : str
        names : mapping of dim to labels
            Of the whole group, however few of the draws these are.
        start : int
            Number of the first of these draws, counted through all chains one after the other.
        arrays : mapping of name to array (1, draw, ...)
        """

    def opened(self, *groups: str) -> Any:
        """Context in which groups can be read; gives a Dataset for each name."""

    def add(self, group: str, data: xr.Dataset) -> None:
        """Put in a whole group."""


class MemoryStore:
    """A fit in memory.

    Parameters
    ----------
    unit : str
        Unit of the study.
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self._arrays: dict[str, dict[str, np.ndarray]] = {}
        self._groups: dict[str, xr.Dataset] = {}

    def write(self, group: str, names: Mapping[str, Any], start: int, arrays: Arrays) -> None:
        """Put draws of one chain into a group; see `Store`."""
        if group not in self._arrays:
            whole = (len(names[CHAIN]), len(names[DRAW]))
            self._arrays[group] = {
                name: np.empty((*whole, *values.shape[2:]), dtype=values.dtype)
                for name, values in arrays.items()
            }
            self._groups[group] = dataset(group, self.unit, self._arrays[group], names)
        chain, first = divmod(start, len(names[DRAW]))
        for name, values in arrays.items():
            self._arrays[group][name][chain, first : first + values.shape[1]] = values[0]

    @contextmanager
    def opened(self, *groups: str) -> Iterator[dict[str, xr.Dataset]]:
        """Give groups to read."""
        yield {name: self._groups[name] for name in groups}

    def add(self, group: str, data: xr.Dataset) -> None:
        """Put in a whole group."""
        self._groups[group] = data

    def tree(self, attrs: Mapping[str, Any]) -> xr.DataTree:
        """Return the fit, with its attributes."""
        tree = xr.DataTree.from_dict(self._groups)
        tree.attrs = dict(attrs)
        return tree


class FileStore:
    """A fit in a netCDF file, in memory only what is being written or read; a context.

    Parameters
    ----------
    path : Path
        A new file, which is a fit once `finish` has returned.
    unit : str
        Unit of the study.
    """

    def __init__(self, path: Path, unit: str) -> None:
        self.path = path
        self.unit = unit
        self._file: Any = None  # while draws are written
        xr.Dataset().to_netcdf(path, mode="w", engine="netcdf4")

    def __enter__(self) -> Self:
        """Begin the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file, however that came."""
        self._release()

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, group: str, names: Mapping[str, Any], start: int, arrays: Arrays) -> None:
        """Put draws of one chain into a group; see `Store`."""
        import netCDF4

        chain, first = divmod(start, len(names[DRAW]))
        if start == 0:
            self.add(group, xr.Dataset(coords=dict(names)))
        if self._file is None:
            self._file = netCDF4.Dataset(self.path, "a")
        there = self._file[group]
        for name, values in arrays.items():
            variable = there.variables.get(name)
            if variable is None:
                variable = self._created(there, group, name, names, values)
            if values.size:
                variable[chain, first : first + values.shape[1]] = values[0]

    def _created(
        self, there: Any, group: str, name: str, names: Mapping[str, Any], values: np.ndarray
    ) -> Any:
        (known,) = (v for v in GROUPS[group].variables if v.name == name)
        shape = tuple(len(names[dim]) for dim in known.dims)
        variable = there.createVariable(
            name, values.dtype, known.dims, fletcher32=bool(np.prod(shape)),
            chunksizes=pieces_of(known.dims, shape) if np.prod(shape) else None,
            fill_value=np.nan, chunk_cache=UNCACHED,
        )  # fmt: skip
        variable.setncatts(known.attributes(self.unit))
        return variable

    @contextmanager
    def opened(self, *groups: str) -> Iterator[dict[str, xr.Dataset]]:
        """Give groups to read, whose numbers stay in the file."""
        self._release()
        with ExitStack() as stack:
            yield {
                name: stack.enter_context(
                    xr.open_dataset(self.path, group=name, engine="netcdf4", cache=False)
                )
                for name in groups
            }

    def add(self, group: str, data: xr.Dataset) -> None:
        """Put in a whole group, or the labels of one that comes in pieces."""
        self._release()
        with written_through():
            data.to_netcdf(
                self.path, mode="a", group=group, engine="netcdf4", encoding=encoding_of(data)
            )

    def finish(self, attrs: Mapping[str, Any]) -> None:
        """Write the attributes of the fit, and hold it against the list of what a fit holds."""
        self._release()
        xr.Dataset(attrs=dict(attrs)).to_netcdf(self.path, mode="a", engine="netcdf4")
        with closing(xr.open_datatree(self.path, engine="netcdf4")) as tree:
            unlisted = differences(tree)
        if unlisted:
            raise ResultError(unlike_the_list(self.path, unlisted))
