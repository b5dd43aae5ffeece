"""Published estimates beside a fit that has never seen them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import CI_PROB, FLOW, POSTERIOR, PRIOR, PUBLISHED, YEAR, parse_terms
from reebayes.results.contents import group_of
from reebayes.results.summaries import bands
from reebayes.study import Estimate, Table
from reebayes.wording import without_per_year

NUMBERS = ("value", "low", "high")
TEXTS = ("quantity", "kind", "source", "note", "why")


def beside_published(
    fit: xr.DataTree, *, published: Table[Estimate] | None = None, ci_prob: float = CI_PROB
) -> pd.DataFrame:
    """Set what others concluded beside what a fit concludes.

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
    """
    table = _carried(fit) if published is None else _listed(published)
    units = group_of(fit, "constant_data")["quantity_unit"].to_series().astype(str)
    rows = []
    for name, item in table.iterrows():
        years = (int(item["year"]), int(item["year_end"]))
        draws = {
            group: _over_years(fit, str(item["quantity"]), years, group)
            for group in (POSTERIOR, PRIOR)
            if group in fit.children
        }
        unit = units[item["quantity"]]
        row = {"name": name, **item.to_dict()}
        row["unit"] = without_per_year(unit) if years[1] > years[0] else unit
        rows.append(row | _beside(item, draws, ci_prob))
    columns = ["name", *TEXTS, "year", "year_end", *NUMBERS]
    return pd.DataFrame(rows, columns=None if rows else columns).set_index("name")


def _carried(fit: xr.DataTree) -> pd.DataFrame:
    constant = group_of(fit, "constant_data")
    names = [*TEXTS, "year", "year_end", *NUMBERS]
    if PUBLISHED not in constant.coords:
        return pd.DataFrame(columns=names)
    columns = {name: constant[f"{PUBLISHED}_{name}"].values for name in names}
    return pd.DataFrame(columns, index=constant[PUBLISHED].values.astype(str))


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
    fit: xr.DataTree, quantity: str, years: tuple[int, int], group: str
) -> xr.DataArray:
    """Sum of a quantity over years, draw by draw; of a ratio, the ratio of sums."""
    terms = group_of(fit, "constant_data")["quantity_terms"].to_series().astype(str)
    above, below = parse_terms(terms[quantity])
    flows = group_of(fit, group)["flows"].sel({YEAR: slice(*years)})
    total = _weighted(flows, above)
    return total / _weighted(flows, below) if below else total


def _weighted(flows: xr.DataArray, terms: Mapping[str, float]) -> xr.DataArray:
    weights = xr.DataArray(list(terms.values()), dims=[FLOW], coords={FLOW: list(terms)})
    return (flows.sel({FLOW: list(terms)}) * weights).sum([FLOW, YEAR])


def _beside(item: pd.Series, draws: Mapping[str, xr.DataArray], ci_prob: float) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for group, total in draws.items():
        band = bands(total, ci_prob=ci_prob)
        prefix = "" if group == POSTERIOR else f"{group}_"
        columns |= {f"{prefix}{key}": float(band[key]) for key in ("median", "lower", "upper")}
    low, high = _stated(item)
    figure = _figure(item)
    return columns | {
        "ci_prob": ci_prob,
        "inside": bool(low <= columns["upper"] and high >= columns["lower"]),
        "ratio": figure / columns["median"],
        "rank": float((draws[POSTERIOR] < figure).mean()),
    }


def _stated(item: pd.Series) -> tuple[float, float]:
    """Interval that an estimate states: a figure is an interval of no width."""
    if item["kind"] == "value":
        return float(item["value"]), float(item["value"])
    low = float(item["low"]) if item["kind"] in ("range", "lower") else 0.0
    high = float(item["high"]) if item["kind"] in ("range", "upper") else float("inf")
    return low, high


def _figure(item: pd.Series) -> float:
    if item["kind"] == "value":
        return float(item["value"])
    if item["kind"] == "range":
        return float(np.sqrt(item["low"] * item["high"]))
    return float(item["high"] if item["kind"] == "upper" else item["low"])
