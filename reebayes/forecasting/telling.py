"""What uses lack in an outlook, by region, application and product."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import CI_PROB, FLOW, POSTERIOR, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.forecasting.running import OUTLOOK, USE, USES
from reebayes.results.reading import Contents, contents_of
from reebayes.wording import format_band, format_chance, format_value

WORLD = "World"
COLUMNS = ("by", "region", "name", "unit", "demand", "supplied", "deficit", "lower", "upper",
           "ci_prob", "x", "probability")  # fmt: skip

type Floats = NDArray[np.float64]


def deficits(
    outlook: xr.DataTree, year: int, *, x: float | None = None, ci_prob: float = CI_PROB
) -> pd.DataFrame:
    """Tell what uses lack in a year: what they ask for, less what reaches them, if that is less.

    Parameters
    ----------
    outlook : DataTree
        As `outlook` returns it.
    year : int
    x : float, optional
        Deficit of which the probability is told, in the unit; a tenth of the median demand if left
        out.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        Rows ``by`` region (the world, what is outside each region, each region), ``application``
        and ``product`` (as it enters a use), the last two within each region: medians of
        ``demand`` and ``supplied``, ``deficit`` with its band, and ``probability``, P(deficit >
        ``x``). What one use of a sum has too much fills what another lacks.

    Raises
    ------
    ResultError
        If it is no outlook, or not of that year.

    Examples
    --------
    >>> import reebayes as rb
    >>> ahead = rb.outlook(rb.open_fit("results/fit.nc"), to=2025)
    >>> table = rb.deficits(ahead, 2025)
    >>> table["by"].unique().tolist(), table["unit"].unique().tolist()
    (['region', 'application', 'product'], ['kt REO/yr'])
    """
    require_outlook(outlook, year, x)
    rows = [
        [by, region, name, outlook.attrs["unit"], *deficit_cells(demand, supplied, x, ci_prob)]
        for by, region, name, demand, supplied in _sums(outlook, year)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs["year"] = year
    return table


def require_outlook(outlook: xr.DataTree, year: int, x: float | None) -> None:
    """Raise ResultError if it is no outlook of a year, or `x` no deficit."""
    if USES not in outlook.children:
        raise ResultError("This is no outlook; give what `outlook` returns.")
    if x is not None and not x >= 0:
        raise ResultError(f"x must be a deficit from 0 up, got {x}.")
    years = [int(one) for one in outlook.children[USES].to_dataset()[YEAR].values]
    if year not in years:
        raise ResultError(f"Year {year} is not one of the outlook's, {years[0]}-{years[-1]}.")


def deficit_cells(
    demand: Floats, supplied: Floats, x: float | None, ci_prob: float
) -> list[float]:  # fmt: skip
    """Return the last eight columns of a table of deficits, of draws of demand and supply."""
    lacks = np.maximum(demand - supplied, 0.0)
    threshold = 0.1 * float(np.median(demand)) if x is None else x
    tail = (1 - ci_prob) / 2
    low, middle, high = (float(end) for end in np.quantile(lacks, [tail, 0.5, 1 - tail]))
    return [
        float(np.median(demand)), float(np.median(supplied)), middle, low, high, ci_prob, threshold,
        float(np.mean(lacks > threshold)),
    ]  # fmt: skip


def regions_told(regions: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return places and their regions: the world, what is outside each region, and each region."""
    chosen = [(WORLD, list(regions))]
    if len(regions) > 1:
        chosen += [(f"outside {name}", [o for o in regions if o != name]) for name in regions]
        chosen += [(name, [name]) for name in regions]
    return chosen


def sentence(outlook: xr.DataTree, table: pd.DataFrame) -> str:
    """Say what an outlook says of the world in one sentence.

    Parameters
    ----------
    outlook : DataTree
    table : DataFrame
        As `deficits` returns it.
    """
    row = table[table["by"] == "region"].iloc[0]
    year, unit = table.attrs["year"], outlook.attrs["unit"]
    uses = outlook.children[USES].to_dataset().sel({YEAR: year}).sum(USE)
    ends = [(1 - row["ci_prob"]) / 2, 0.5, 1 - (1 - row["ci_prob"]) / 2]
    low, middle, high = np.quantile(uses["supplied"].values, ends)
    labels = json.loads(str(outlook.attrs["labels"]))
    with_ = f", with {'; '.join(labels)}" if labels else ""
    return (
        f"{year}{with_}: uses of the world ask for {format_value(row['demand'])} {unit} and get "
        f"{format_band(middle, low, high)}; a deficit above {format_value(row['x'])} has "
        f"probability {format_chance(row['probability'])}."
    )


def _sums(outlook: xr.DataTree, year: int) -> Iterator[tuple[str, str, str, Floats, Floats]]:
    """Yield what rows are about, with draws of what is asked for and of what comes."""
    uses = outlook.children[USES].to_dataset().sel({YEAR: year}).stack(sample=SAMPLE_DIMS)
    uses = uses.transpose("sample", USE)
    demand, supplied = uses["demand"].values, uses["supplied"].values
    region = uses["use_region"].values.astype(str)
    applications = uses["application"].values.astype(str)
    for name, places in regions_told(list(dict.fromkeys(region.tolist()))):
        those = np.isin(region, places)
        yield "region", name, "all uses", demand[:, those].sum(1), supplied[:, those].sum(1)
    for at in range(len(region)):
        yield "application", region[at], applications[at], demand[:, at], supplied[:, at]
    yield from _by_product(outlook, year, uses[USE].values.tolist(), region.tolist(), demand)


def _by_product(
    outlook: xr.DataTree, year: int, uses: list[str], region: list[str], demand: Floats
) -> Iterator[tuple[str, str, str, Floats, Floats]]:
    """Demand by product has the products of each use in the proportions in which they reach it."""
    contents: Contents = contents_of(outlook.children[OUTLOOK])
    flows = contents.flows
    into = flows[flows["target"].isin(uses)]
    draws = contents.group(POSTERIOR)["flows"].sel({YEAR: year, FLOW: list(into.index)})
    values = draws.stack(sample=SAMPLE_DIMS).transpose("sample", FLOW).values
    target = np.array([uses.index(name) for name in into["target"]])
    reaching = np.zeros_like(demand)
    np.add.at(reaching.T, target, values.T)
    asked = values / np.where(reaching > 0, reaching, 1.0)[:, target] * demand[:, target]
    where = np.array(region)[target]
    products = into["product"].to_numpy().astype(str)
    for place in dict.fromkeys(region):
        for product in dict.fromkeys(products.tolist()):
            those = (where == place) & (products == product)
            if those.any():
                yield "product", place, product, asked[:, those].sum(1), values[:, those].sum(1)
