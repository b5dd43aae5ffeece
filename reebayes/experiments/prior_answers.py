"""What priors alone say of an answer: to look at a change of them before any fit."""

from __future__ import annotations

import numpy as np
import xarray as xr

from reebayes.conventions import CHAIN, DRAW, QUANTITY, YEAR
from reebayes.errors import ResultError
from reebayes.inference.assembly import transformed_back
from reebayes.inference.datatree import quantity_draws
from reebayes.model.layout import lay_out
from reebayes.results.description import constant_data
from reebayes.results.reading import require_known
from reebayes.study import Study

DRAWS = 2000
_TOGETHER = 500
"""Draws whose flows are in memory at a time."""


def prior_of(study: Study, quantity: str, *, draws: int = DRAWS, seed: int = 0) -> xr.DataArray:
    """Draw a quantity from the priors of a study, without fitting it.

    Parameters
    ----------
    study : Study
    quantity : str
        A quantity of the study.
    draws : int
    seed : int
        Studies that differ in numbers alone are drawn with the same random numbers: the
        difference of their draws is that of their priors.

    Returns
    -------
    DataArray (chain, draw, year)
        In the unit of its ``units`` attribute, as `quantity` gives it of a fit; one chain.

    Raises
    ------
    ResultError
        If the study has no such quantity (the nearest one is offered), or no draw is asked for.

    Examples
    --------
    >>> import reebayes as rb
    >>> moved = rb.read_study("zinc").with_prior("mined", median=2000, sd=0.1)
    >>> mined = rb.prior_of(moved, "mined")
    >>> mined.dims, round(float(mined.median()), -2)
    (('chain', 'draw', 'year'), 2000.0)
    """
    if draws < 1:
        raise ResultError(f"draws must be at least 1, not {draws}")
    layout = lay_out(study)
    require_known([quantity], np.array(layout.quantities), QUANTITY)
    at = np.array([layout.quantities.index(quantity)], dtype=np.int64)
    latents = np.random.default_rng(seed).standard_normal((1, draws, layout.unknowns.size))
    pieces = np.array_split(latents, -(-draws // _TOGETHER), axis=1)
    flows = (transformed_back(layout, piece, None)["flows"] for piece in pieces)
    values = [quantity_draws(layout, piece, at)[..., 0] for piece in flows]
    units = constant_data(study)["quantity_unit"].values
    return xr.DataArray(
        np.concatenate(values, axis=1),
        {CHAIN: [0], DRAW: np.arange(draws), YEAR: list(layout.years), QUANTITY: quantity},
        (CHAIN, DRAW, YEAR),
        name="quantities",
        attrs={"long_name": quantity, "units": str(units[at[0]])},
    )
