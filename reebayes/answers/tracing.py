"""Where it came from and where it goes: content traced through the flows of every draw.

What enters a process is taken to be mixed there: every flow out of it holds the same share of each
origin as all that goes in. With M the shares of a process's inflow by the process they come from,
and B those that enter from outside, the origins C of all processes obey C = M C + B, so
C = (I - M)^-1 B, whatever loops there are. Destinations are the same with every flow turned round.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from reebayes.answers.mixing import Floats, Programme, System
from reebayes.answers.registers import region_labels
from reebayes.conventions import (
    BY_REFINED,
    BY_REGION,
    BY_SOURCE,
    CHAIN,
    DRAW,
    FLOW,
    POSTERIOR,
    SAMPLE_DIMS,
    YEAR,
)
from reebayes.errors import ResultError
from reebayes.results.identity import as_drawn
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.results.selection import Span
from reebayes.wording import suggestion, without_per_year

ORIGIN, DESTINATION = "origin", "destination"

MIXING = (
    "What enters a process is mixed there: every flow out of it has the same origins as all that "
    "goes in."
)


def origins(
    fit: Fit,
    at: str,
    by: str = BY_SOURCE,
    *,
    years: Span = None,
    amounts: bool = False,
    refined: str | None = None,
    group: str = POSTERIOR,
) -> xr.DataArray:
    """Trace where the content at a place came from, in every draw.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    at : str
        A process (all that enters it), a flow, or a quantity that adds flows.
    by : str
        ``"source"`` (every flow out of an environment), ``"region"`` (where it was mined),
        ``"registered"`` (whether a register is meant to count it where it was mined) or
        ``"refined_in"`` (region in which it was last refined). What comes out of stock is an
        origin of its own: nobody knows when it went in.
    years : int or (int, int), optional
        One year, or first and last of several taken together; every year if left out.
    amounts : bool
        Whether to return amounts in place of shares.
    refined : str, optional
        Product whose making counts as refining; ``[report].refined`` of the study if left out.
    group : str
        ``"posterior"`` or ``"prior"``.

    Returns
    -------
    DataArray (chain, draw, year, origin)
        Shares (unit ``fraction``) that add up to 1, NaN where nothing arrives; or amounts in the
        unit of the study. Without year where `years` are given.

    Notes
    -----
    What enters a process is taken to be mixed there. `origin_bounds` tells what holds without that.

    Raises
    ------
    ResultError
        If a name or year is unknown, or the quantity subtracts flows.

    Examples
    --------
    >>> import reebayes as rb
    >>> found = rb.origins(rb.open_fit("results/zinc.nc"), "put_to_use", years=1994)
    >>> found["origin"].values[:3].tolist(), found.attrs["units"]
    (['mined', 'stock_drawn', 'discarded'], 'fraction')
    """
    contents = contents_of(fit)
    system = System.of(contents, by, refined)
    return _traced(contents, system, at, ORIGIN, years, group, amounts=amounts)


def destinations(
    fit: Fit,
    of: str,
    by: str = "process",
    *,
    years: Span = None,
    amounts: bool = False,
    group: str = POSTERIOR,
) -> xr.DataArray:
    """Trace where the content of a place ends: in which use, loss or stock.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    of : str
        A process (all that leaves it), a flow, or a quantity that adds flows.
    by : str
        ``"process"`` (each use, loss or stock), ``"region"`` or ``"kind"`` of it.
    years, amounts, group
        As in `origins`.

    Returns
    -------
    DataArray (chain, draw, year, destination)
        Shares that add up to 1, or amounts; see `origins`.

    Raises
    ------
    ResultError
        If a name or year is unknown, or the quantity subtracts flows.

    Examples
    --------
    >>> import reebayes as rb
    >>> found = rb.destinations(rb.open_fit("results/zinc.nc"), "mined", years=1994)
    >>> found.dims, round(float(found.sum("destination").mean()), 6)
    (('chain', 'draw', 'destination'), 1.0)
    """
    contents = contents_of(fit)
    system = System.ends(contents, by)
    return _traced(contents, system, of, DESTINATION, years, group, amounts=amounts)


def reliance(
    fit: Fit,
    region: str,
    *,
    on: str,
    at: str = "mined",
    years: Span = None,
    refined: str | None = None,
    group: str = POSTERIOR,
) -> xr.Dataset:
    """Tell how much of a region's use comes from another: directly, and traced to its beginning.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    region : str
        Region whose uses are supplied.
    on : str
        Region that they are traced to; it may be the same.
    at : str
        ``"mined"`` or ``"refined"``: which beginning is meant.
    years, refined, group
        As in `origins`.

    Returns
    -------
    Dataset (chain, draw, year)
        ``direct``, the share of the use that crossed the region's border last from `on` (of the
        region itself, the share that was mined there and never left), and ``traced``, the share
        that was mined or refined in `on`, whatever way it took.

    Raises
    ------
    ResultError
        If a region or year is unknown, or the region has no uses.

    Examples
    --------
    >>> import reebayes as rb
    >>> found = rb.reliance(rb.open_fit("results/fit.nc"), "US", on="CN", years=2022)
    >>> list(found)
    ['direct', 'traced']
    """
    contents = contents_of(fit)
    regions = sorted({*contents.processes["region"]} - {""})
    require_known([region, on], regions, "region")
    beginnings = {"mined": BY_REGION, "refined": BY_REFINED}
    require_known([at], beginnings, "beginning")
    uses = contents.processes.index[
        (contents.processes["kind"] == "use") & (contents.processes["region"] == region)
    ]
    into = contents.flows.index[contents.flows["target"].isin(uses)]
    if not len(into):
        raise ResultError(f"Nothing is used in {region!r}.")
    weights = dict.fromkeys(into, 1.0)
    systems = {
        "direct": System.borders(contents, region),
        "traced": System.of(contents, beginnings[at], refined),
    }
    found = {}
    for name, system in systems.items():
        shares = _mixed(contents, system, weights, ORIGIN, years, group, amounts=False)
        there = on in system.names
        share = shares.sel({ORIGIN: on}, drop=True) if there else shares.isel({ORIGIN: 0}) * 0
        found[name] = share.drop_vars([ORIGIN, "label", "drawn"], errors="ignore").assign_attrs(
            units="fraction", long_name=f"{region}: {name} share of {on}"
        )
    return xr.Dataset(found, attrs={"assumption": MIXING})


def origin_bounds(
    fit: Fit,
    at: str,
    origin: str,
    *,
    by: str = BY_SOURCE,
    years: Span = None,
    draws: int = 100,
    refined: str | None = None,
) -> xr.Dataset:
    """Bound the share of an origin without assuming that anything is mixed.

    Of each draw the least and the most of the origin that could be at a place is found by a linear
    programme: of every flow any part may be of the origin, as long as what enters a process leaves
    it.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    at, by, refined
        As in `origins`.
    origin : str
        One of the origins that `origins` tells apart.
    years : int or (int, int), optional
        One year, or first and last of several; all years together if left out.
    draws : int
        Posterior draws that are bounded, evenly spaced; a programme a draw and year takes about
        5 ms.

    Returns
    -------
    Dataset (draw)
        ``lower`` and ``upper`` bound of the share, and ``mixed``, the share under mixing, of the
        same draws; attribute ``draws``.

    Raises
    ------
    ResultError
        If a name or year is unknown.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")
    >>> found = rb.origin_bounds(fit, "consumed_CN", "ore_CN_registered", years=2022, draws=2)
    >>> bool((found["lower"] <= found["mixed"]).all())
    True
    """
    contents = contents_of(fit)
    system = System.of(contents, by, refined)
    require_known([origin], system.names, ORIGIN)
    weights = weights_at(contents, at, "target")
    flows, _ = flow_draws(contents, POSTERIOR, years if years is not None else _all(contents))
    every = flows.reshape(-1, *flows.shape[2:])
    chosen = np.unique(np.linspace(0, len(every) - 1, draws).round().astype(int))
    programme = Programme.of(system, weights, system.names.index(origin))
    ends = np.array([[programme.ends(year) for year in draw] for draw in every[chosen]])
    mixed = system.amounts(every[chosen].reshape(-1, every.shape[-1]), weights)
    mixed = mixed.reshape(len(chosen), -1, len(system.names)).sum(axis=1)
    total = mixed.sum(axis=-1)
    values = {
        "lower": ends[..., 0].sum(axis=1),
        "upper": ends[..., 1].sum(axis=1),
        "mixed": mixed[:, system.names.index(origin)],
    }
    about = {"units": "fraction", "long_name": f"share of {origin} at {at}"}
    return xr.Dataset(
        {name: (DRAW, _over(value, total), about) for name, value in values.items()},
        coords={DRAW: chosen},
        attrs={"draws": len(chosen), "of_draws": len(every), "origin": origin, "at": at},
    )


# --- what is traced -------------------------------------------------------------------------------


def weights_at(contents: Contents, place: str, end: str) -> dict[str, float]:
    """Flows that a place stands for: a flow, those of a quantity, or those at a process."""
    if place in contents.flows.index:
        return {place: 1.0}
    if place in contents.processes.index:
        there = contents.flows.index[contents.flows[end] == place]
        if not len(there):
            what = "enters" if end == "target" else "leaves"
            raise ResultError(f"Nothing {what} {place!r}.")
        return {str(name): 1.0 for name in there}
    if place not in contents.terms:
        known = [*contents.processes.index, *contents.flows.index, *contents.terms]
        raise ResultError(
            f"Unknown process, flow or quantity {place!r}. {suggestion(place, known)}"
        )
    above, below = contents.terms[place]
    if below or min(above.values()) < 0:
        raise ResultError(f"{place!r} is a ratio or subtracts flows; it has no origins as a whole.")
    return dict(above)


def _traced(
    contents: Contents,
    system: System,
    place: str,
    dim: str,
    years: Span,
    group: str,
    *,
    amounts: bool,
) -> xr.DataArray:
    weights = weights_at(contents, place, "target" if dim == ORIGIN else "source")
    found = _mixed(contents, system, weights, dim, years, group, amounts=amounts)
    what = "amount" if amounts else "share"
    return found.assign_attrs(long_name=f"{what} by {dim} of {place}")


def _mixed(
    contents: Contents,
    system: System,
    weights: Mapping[str, float],
    dim: str,
    years: Span,
    group: str,
    *,
    amounts: bool,
) -> xr.DataArray:
    """Shares or amounts by origin of a weighted sum of flows."""
    flows, known = flow_draws(contents, group, years)
    found = system.amounts(flows.reshape(-1, flows.shape[-1]), weights)
    found = found.reshape(*flows.shape[:-1], -1)
    unit = contents.unit
    if isinstance(years, tuple):
        found, unit = found.sum(axis=2, keepdims=True), without_per_year(unit)
    if not amounts:
        found = _over(found, np.broadcast_to(found.sum(axis=-1, keepdims=True), found.shape))
        unit = "fraction"
    draws = contents.group(group)
    coords = {
        **{name: draws[name].values for name in SAMPLE_DIMS},
        YEAR: known[:1] if years is not None else known,
        dim: list(system.names),
        "label": (dim, _named(contents, system)),
    }
    array = xr.DataArray(found, coords, (CHAIN, DRAW, YEAR, dim))
    if years is not None:
        array = array.isel({YEAR: 0}, drop=True)
        array.attrs |= {"first_year": known[0], "last_year": known[-1]}
    return as_drawn(array, units=unit, assumption=MIXING)


def _named(contents: Contents, system: System) -> list[str]:
    """Names of origins for readers: of a region, what stands before the colon in labels."""
    regions = region_labels(contents)
    return [
        regions.get(name, label) if label == name else label
        for name, label in zip(system.names, system.labels, strict=True)
    ]


def _all(contents: Contents) -> tuple[int, int]:
    return contents.years[0], contents.years[-1]


def flow_draws(contents: Contents, group: str, years: Span) -> tuple[Floats, list[int]]:
    """Draws (chain, draw, year, flow) of all flows in some years, and these years."""
    known = contents.years
    first, last = (years, years) if isinstance(years, int) else years or _all(contents)
    if first not in known or last not in known or first > last:
        raise ResultError(f"Years {first} to {last} are not inside {known[0]} to {known[-1]}.")
    wanted = known[known.index(first) : known.index(last) + 1]
    draws = contents.group(group)["flows"].sel({YEAR: wanted, FLOW: contents.flows.index.tolist()})
    return draws.transpose(CHAIN, DRAW, YEAR, FLOW).values.astype(np.float64), wanted


def _over(above: Floats, below: Floats) -> Floats:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)
