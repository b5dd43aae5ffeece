"""The log density of a study in given coordinates, ready to be called."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from reebayes.model import kernels
from reebayes.model.kernels import Structure, Whitening
from reebayes.model.layout import Layout
from reebayes.model.unknowns import Floats

_CALL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)


class Density:
    """Log density (up to a constant) and its gradient.

    Parameters
    ----------
    structure : Structure

    Attributes
    ----------
    size : int
        Number of coordinates.
    packed : array of int64
        What the compiled function takes beside the point, for a sampler that calls it itself.
    """

    def __init__(self, structure: Structure) -> None:
        self.size = structure.whitening.mode.size
        self.packed = kernels.pack(structure)
        self._structure = structure  # ``packed`` points to its arrays
        self._call = _CALL(kernels.density_at().address)

    def __call__(self, white: Floats) -> tuple[float, Floats]:
        """Value and gradient at a point (coordinate)."""
        white = np.ascontiguousarray(white, dtype=np.float64)
        if white.shape != (self.size,):
            raise ValueError(f"a point has {self.size} coordinates, not {white.shape}")
        slope, value = np.empty(self.size), np.empty(1)
        addresses = (array.ctypes.data for array in (white, slope, value, self.packed))
        self._call(self.size, *addresses)
        return float(value[0]), slope


def gradients(layout: Layout) -> Callable[[Whitening], Density]:
    """Return a function that gives the density of a study in the coordinates it is told.

    Parameters
    ----------
    layout : Layout

    Returns
    -------
    callable
    """

    def density_in(whitening: Whitening) -> Density:
        return Density(Structure(layout.equations, whitening))

    return density_in
