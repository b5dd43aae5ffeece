"""Literature estimates and projections beside a fit that did not use them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import CI_PROB, POSTERIOR, SAMPLE_DIMS
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.summaries import bands
from reebayes.study import Estimate, Projection, Study, Table
from reebayes.study.kinds import (
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    FIGURE,
    SIGNED,
    KindReader,
    stated_interval,
)
from reebayes.wording import author_of, without_per_year

NUMBERS = ("value", "low", "high")
TEXTS = ("quantity", "kind", "source", "note", "why")


def beside_published(
    fit: Fit, *, published: Table[Estimate] | None = None, ci_prob: float = CI_PROB
) -> pd.DataFrame:
    """Compare literature estimates with a fit.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    published : Table of Estimate, optional
        Estimates, such as ``study.published``; those that the fit carries if left out.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        One row per estimate (index: its name): ``quantity``, ``year``, ``year_end``, ``unit``,
        ``kind``, ``value``, ``low``, ``high``; our ``median``, ``lower``, ``upper`` and the same
        of the prior; ``inside``, whether what the estimate states and our band meet; ``ratio`` of
        the stated figure (the geometric middle of a range, a bound itself) to our median; ``rank``,
        the share of our draws below that figure; ``source``, ``note`` and ``why`` they differ.
        Over several years masses are sums, ratios the ratio of sums.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")
    >>> table = rb.beside_published(fit)
    >>> float(table.loc["chen_consumed_world_2022", "value"])
    286.0
    >>> rb.beside_elements(fit).loc["pe_mountain_pass_2019", ["elements", "at"]].tolist()
    ['Nd+Pr', 'mined_US']
    """
    contents = contents_of(fit)
    table = contents.published if published is None else _listed(published)

    @cache  # estimates of one quantity, and of parts of it, add up the same flows
    def flow(group: str, name: str) -> np.ndarray:
        return contents.array(group, "flows", name)

    rows = []
    for name, item in table.iterrows():
        years = (int(item["year"]), int(item["year_end"]))
        draws = {
            group: _over_years(contents, partial(flow, group), str(item["quantity"]), years)
            for group in contents.distributions
        }
        unit = contents.units[item["quantity"]]
        row = {"name": name, **item.to_dict()}
        row["unit"] = without_per_year(unit) if years[1] > years[0] else unit
        rows.append(row | _beside(item, draws, ci_prob))
    columns = ["name", *TEXTS, "year", "year_end", *NUMBERS]
    return pd.DataFrame(rows, columns=None if rows else columns).set_index("name")


def _listed(published: Iterable[Estimate]) -> pd.DataFrame:
    rows = [
        {
            **{name: getattr(item, name) for name in (*TEXTS, "year", "year_end")},
            **{name: _scaled(getattr(item, name), item.scale) for name in NUMBERS},
            "name": item.name,
        }
        for item in published
    ]
    names = ["name", *TEXTS, "year", "year_end", *NUMBERS]
    return pd.DataFrame(rows, columns=names).set_index("name")


def _scaled(figure: float | None, scale: float) -> float:
    return float("nan") if figure is None else figure * scale


def _over_years(
    contents: Contents, flow: Callable[[str], np.ndarray], quantity: str, years: tuple[int, int]
) -> xr.DataArray:
    """Sum of a quantity over years, draw by draw; of a ratio, the ratio of sums."""
    above, below = contents.terms[quantity]
    span = contents.positions(range(years[0], years[1] + 1))

    def total(terms: Mapping[str, float]) -> np.ndarray:
        return sum(
            (weight * flow(name)[..., span].sum(axis=-1) for name, weight in terms.items()),
            start=np.zeros(()),
        )

    values = total(above) / total(below) if below else total(above)
    return xr.DataArray(values, dims=SAMPLE_DIMS)


def _beside(item: pd.Series, draws: Mapping[str, xr.DataArray], ci_prob: float) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for group, total in draws.items():
        band = bands(total, ci_prob=ci_prob)
        prefix = "" if group == POSTERIOR else f"{group}_"
        columns |= {f"{prefix}{key}": float(band[key]) for key in ("median", "lower", "upper")}
    low, high = stated_interval(item)
    figure = _figure_of(item["kind"])(item)
    return columns | {
        "ci_prob": ci_prob,
        "inside": bool(low <= columns["upper"] and high >= columns["lower"]),
        "ratio": figure / columns["median"],
        "rank": float((draws[POSTERIOR] < figure).mean()),
    }


_figure_of: KindReader[Callable[[pd.Series], float]] = KindReader(
    "one figure of what an estimate states",
    {
        FIGURE: lambda item: float(item["value"]),
        SIGNED: lambda item: float(item["value"]),
        AT_MOST: lambda item: float(item["high"]),
        AT_LEAST: lambda item: float(item["low"]),
        BETWEEN: lambda item: float(np.sqrt(item["low"] * item["high"])),
    },
)


def published_projections(study: Study, quantity: str) -> tuple[Projection, ...]:
    """Return what others projected of a quantity, with their names in place of keys of sources.

    Parameters
    ----------
    study : Study
    quantity : str
        As ``projections.csv`` has it.

    Returns
    -------
    tuple of Projection
        In the order of the table, to draw with `plot_outlook`; ``source`` is the author.

    Examples
    --------
    >>> import reebayes as rb
    >>> found = rb.published_projections(rb.read_study(), "mined_world")
    >>> found[0].source, found[0].year, found[0].value
    ('Kingsnorth', 2015, 190000.0)
    """
    names = {source.source: author_of(source.citation) for source in study.sources}
    return tuple(
        replace(one, source=names.get(one.source, one.source))
        for one in study.projections if one.quantity == quantity
    )  # fmt: skip
