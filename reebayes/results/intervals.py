"""The credible intervals that a fit's file holds, so that it answers without its draws."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import (
    CHAIN,
    CI_PROB,
    DRAW,
    FLOW,
    POSTERIOR,
    PRIOR,
    QUANTITY,
    RATIO_UNITS,
    YEAR,
    parse_terms,
)
from reebayes.results.contents import BAND_PROBS, BANDS, DISTRIBUTION, RATIO, dataset
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.summaries import bands, cumulative

type Floats = NDArray[np.float64]

_LEVELS = (0.5, *(level for p in BAND_PROBS for level in ((1 - p) / 2, (1 + p) / 2)))
_ENDS = ("median", *(f"{end}_{round(100 * p)}" for p in BAND_PROBS for end in ("lower", "upper")))
_BLOCK = 256  # columns at a time
_READ = 2**26  # bytes of draws read at a time, whatever a fit holds


def interval_group(
    draws: Mapping[str, xr.Dataset], terms: Mapping[str, str], units: Mapping[str, str], unit: str
) -> xr.Dataset:
    """Return medians and bands of everything in a fit, by year and over all years.

    Parameters
    ----------
    draws : mapping of ``"prior"`` and ``"posterior"`` to Dataset
        With ``flows`` (chain, draw, year, flow) and ``quantities`` (chain, draw, year, quantity).
    terms, units : mapping of quantity to text
        Which flows it adds up, and its unit.
    unit : str
        Unit of the study.

    Returns
    -------
    Dataset
        The group ``bands`` of a fit: equal-tailed, each variable with its unit and probability.
        Over all years masses are summed, and of a ratio it is the ratio of the sums.
    """
    names = [name for name in (PRIOR, POSTERIOR) if name in draws]
    ratios = [name for name in units if units[name] in RATIO_UNITS]
    masses = [name for name in units if units[name] not in RATIO_UNITS]
    first = draws[names[0]]
    labels = {
        DISTRIBUTION: names,
        YEAR: first[YEAR].values,
        FLOW: first[FLOW].values,
        QUANTITY: np.array(masses, dtype=object),
        RATIO: np.array(ratios, dtype=object),
    }
    parts: dict[str, list[Floats]] = {}
    for name in names:
        for what, found in _all_quantiles(draws[name], masses, ratios, terms).items():
            parts.setdefault(what, []).append(found)
    arrays = {
        f"{what}_{end}": np.stack([part[n] for part in found])
        for what, found in parts.items()
        for n, end in enumerate(_ENDS)
    }
    return dataset(BANDS, unit, arrays, labels).assign_attrs(_made_of(draws))


def stored_bands(
    contents: Contents, what: str, distribution: str, ci_prob: float
) -> xr.Dataset | None:
    """Return the bands that a fit's file holds, None if it holds none of that probability.

    Parameters
    ----------
    contents : Contents
    what : str
        ``flows``, ``quantities`` or ``ratios``, or one of these with ``_sum``.
    distribution : str
        ``"posterior"`` or ``"prior"``.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    Dataset or None
        ``median``, ``lower``, ``upper`` by year and name, or by name for sums.
    """
    if ci_prob not in BAND_PROBS or not contents.has(BANDS):
        return None
    group = contents.group(BANDS)
    if distribution not in group[DISTRIBUTION].values or not _is_of_these(contents, group):
        return None
    percent = round(100 * ci_prob)
    ends = {"median": "median", "lower": f"lower_{percent}", "upper": f"upper_{percent}"}
    chosen = group.sel({DISTRIBUTION: distribution}, drop=True)
    found = xr.Dataset({name: chosen[f"{what}_{end}"] for name, end in ends.items()})
    return found.rename({RATIO: QUANTITY} if RATIO in found.dims else {}).assign_attrs(
        ci_prob=ci_prob, ci_kind="eti", units=chosen[f"{what}_median"].attrs.get("units", "")
    )


def _made_of(draws: Mapping[str, xr.Dataset]) -> dict[str, int]:
    """Years and numbers of draws that bands are made of, by which they are told from cut ones."""
    years = next(iter(draws.values()))[YEAR].values
    counts = {f"{name}_draws": one.sizes[CHAIN] * one.sizes[DRAW] for name, one in draws.items()}
    return {"first_year": int(years[0]), "last_year": int(years[-1]), **counts}


def _is_of_these(contents: Contents, group: xr.Dataset) -> bool:
    """Return whether stored bands are of the draws beside them: not so if years or draws were cut.

    Sums over all years would be those of years that are gone.
    """
    draws = {name: contents.group(name) for name in contents.distributions}
    made = {name: group.attrs.get(name) for name in _made_of(draws)}
    first = next(iter(draws.values()))
    known = {*group[QUANTITY].values, *group[RATIO].values} == {*first[QUANTITY].values}
    alike = all(group.indexes[dim].equals(first.indexes[dim]) for dim in (YEAR, FLOW))
    return made == _made_of(draws) and known and alike


def _all_quantiles(
    draws: xr.Dataset, masses: Sequence[str], ratios: Sequence[str], terms: Mapping[str, str]
) -> dict[str, Floats]:
    """Quantiles (level, ...) of all that has bands."""
    position = {str(name): n for n, name in enumerate(draws[QUANTITY].values)}
    mass, ratio = ([position[name] for name in names] for names in (masses, ratios))
    flows, total = _by_name(draws["flows"])
    quantities, sums = _by_name(draws["quantities"])
    of_sums = _ratios_of_sums(total, [terms[n] for n in ratios], list(draws[FLOW].values))
    return {
        "flows": flows,
        "flows_sum": _quantiles(total),
        "quantities": quantities[..., mass],
        "quantities_sum": _quantiles(sums[:, mass]),
        "ratios": quantities[..., ratio],
        "ratios_sum": _quantiles(of_sums),
    }


def _by_name(da: xr.DataArray) -> tuple[Floats, Floats]:
    """Quantiles (level, year, name) and sums over the years (sample, name), some names at a time.

    Draws that stay in a file are so never read whole.
    """
    ordered = da.transpose("chain", "draw", "year", ...)
    chains, length, years, count = ordered.shape
    quantiles = np.empty((len(_LEVELS), years, count))
    sums = np.empty((chains * length, count), dtype=ordered.dtype)
    step = max(_READ // (ordered.dtype.itemsize * chains * length * years), 1)
    for begin in range(0, count, step):
        part = slice(begin, begin + step)
        values = ordered.isel({ordered.dims[-1]: part}).values
        values = values.reshape(-1, *values.shape[2:])
        quantiles[..., part] = _quantiles(values)
        sums[:, part] = 0.0
        for year in range(years):
            sums[:, part] += values[:, year]
    return quantiles, sums


def _ratios_of_sums(total: Floats, terms: Sequence[str], flows: Sequence[str]) -> Floats:
    """Ratios (sample, ratio) of flows summed over the years."""
    position = {str(name): n for n, name in enumerate(flows)}
    sides = []
    for side in range(2):
        found = np.zeros((len(total), len(terms)))
        for column, text in enumerate(terms):
            for name, weight in parse_terms(text)[side].items():
                found[:, column] += weight * total[:, position[name]]
        sides.append(found)
    above, below = sides
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _quantiles(values: Floats) -> Floats:
    """Quantiles (level, ...) of draws (sample, ...)."""
    columns = values.reshape(len(values), -1)
    found = np.empty((len(_LEVELS), columns.shape[1]))

    def fill(begin: int) -> None:
        block = columns[:, begin : begin + _BLOCK].astype(np.float64)
        found[:, begin : begin + _BLOCK] = np.quantile(block, _LEVELS, axis=0)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # sorting runs outside the GIL
        list(pool.map(fill, range(0, columns.shape[1], _BLOCK)))
    return found.reshape(len(_LEVELS), *values.shape[1:])


def bands_of(
    fit: Fit,
    what: str,
    distribution: str = POSTERIOR,
    *,
    total: bool = False,
    ci_prob: float = CI_PROB,
) -> xr.Dataset:
    """Return median and band of every flow or quantity: from the file, or from the draws.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    what : str
        ``"flows"`` or ``"quantities"``.
    distribution : str
        ``"posterior"`` or ``"prior"``.
    total : bool
        Sums over all years in place of years; quantities that are ratios have none.
    ci_prob : float
        Probability inside the bands. Those of `BAND_PROBS` stand in the file.

    Returns
    -------
    Dataset
        ``median``, ``lower``, ``upper`` by year and name, or by name for sums.
    """
    contents = contents_of(fit)
    names = [what] if total or what == "flows" else [what, "ratios"]
    parts = [
        stored_bands(contents, f"{name}_sum" if total else name, distribution, ci_prob)
        for name in names
    ]
    dim = FLOW if what == "flows" else QUANTITY
    if all(part is not None for part in parts):
        found = xr.concat([part for part in parts if part is not None], dim=dim)
        if len(parts) == 1:
            return found
        known = set(found[dim].values)
        return found.sel({dim: [n for n in contents.group(distribution)[dim].values if n in known]})
    draws = contents.group(distribution)[what]
    if not total:
        return bands(draws, ci_prob=ci_prob)
    if what == "quantities":
        masses = [name for name in draws[QUANTITY].values if name not in contents.ratios]
        draws = draws.sel({QUANTITY: masses})
    # The group tells the unit of each name apart; these all have that of the study.
    summable = draws.assign_attrs(units=contents.unit)
    return bands(cumulative(summable), ci_prob=ci_prob)
