"""Tidy tables of a fit, its records and its sources; CSV files and workbooks of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.answers.drivers import lesson_tables
from reebayes.conventions import (
    CI_PROB,
    FLOW,
    POSTERIOR,
    PRIOR,
    QUANTITY,
    RATIO_UNITS,
    RECORD,
    SOURCE,
    YEAR,
)
from reebayes.results.contents import group_of
from reebayes.results.summaries import bands, cumulative
from reebayes.wording import without_per_year

POINT_KINDS = frozenset({"value", "quota", "cumulative", "mean"})
"""Kinds of record that print one figure (the others print a bound or an interval)."""


def record_table(fit: xr.DataTree, *, ci_prob: float = CI_PROB) -> pd.DataFrame:
    """List the records of a fit beside what the model expects them to say.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    ci_prob : float
        Probability inside the posterior predictive band.

    Returns
    -------
    DataFrame
        One row per record (index: record name): quantity, year, year_end, kind, unit, printed,
        reporter, source, note, sd; value, low, high and the band ``predicted_median``,
        ``predicted_lower``, ``predicted_upper`` in the study's unit; ``outside`` where the
        record and the band do not meet. Without posterior predictive draws the band is NaN.
    """
    constant = group_of(fit, "constant_data")
    prefix = f"{RECORD}_"
    columns = {
        str(name).removeprefix(prefix): constant[name].values
        for name in constant.data_vars
        if str(name).startswith(prefix)
    }
    table = pd.DataFrame(columns, index=pd.Index(constant[RECORD].values.astype(str), name=RECORD))
    return table.join(_predicted(fit, table, ci_prob))


def _predicted(fit: xr.DataTree, table: pd.DataFrame, ci_prob: float) -> pd.DataFrame:
    names = ["predicted_median", "predicted_lower", "predicted_upper"]
    band = pd.DataFrame(np.nan, index=table.index, columns=names)
    if "posterior_predictive" in fit.children:
        predicted = bands(group_of(fit, "posterior_predictive")["value"], ci_prob=ci_prob)
        for name in names:
            band[name] = np.exp(predicted[name.removeprefix("predicted_")].values)
    low, high = _printed_interval(table)
    band["outside"] = (band["predicted_lower"] > high) | (band["predicted_upper"] < low)
    return band


def _printed_interval(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Interval that a record states, in the study's unit: a figure is an interval of no width."""
    point = table["kind"].isin(POINT_KINDS)
    low = table["low"].where(table["kind"].isin({"lower", "range"}), 0.0)
    high = table["high"].where(table["kind"].isin({"upper", "range", "zero"}), np.inf)
    return low.mask(point, table["value"]), high.mask(point, table["value"])


def export_tables(fit: xr.DataTree, *, ci_prob: float = CI_PROB) -> dict[str, pd.DataFrame]:
    """Return the results of a fit as tidy tables.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    ci_prob : float
        Probability inside every band.

    Returns
    -------
    dict of DataFrame
        ``quantities`` and ``flows`` (one row per name and year), ``cumulative`` (one row per
        quantity that can be added up), each with unit, posterior and prior median and band;
        ``records`` and ``sources``; ``about`` (the attributes of the fit).
    """
    both = {name: group_of(fit, name) for name in (POSTERIOR, PRIOR) if name in fit.children}
    units = group_of(fit, "constant_data")["quantity_unit"].to_series().astype(str)
    flow_units = pd.Series(str(fit.attrs.get("unit", "")), index=both[POSTERIOR][FLOW].values)
    yearly = {group: data["quantities"] for group, data in both.items()}
    summable = [str(name) for name, unit in units.items() if unit not in RATIO_UNITS]
    sums = {group: cumulative(da.sel({QUANTITY: summable})) for group, da in yearly.items()}
    years = both[POSTERIOR][YEAR].values
    totals = _band_table(sums, QUANTITY, units.map(without_per_year), ci_prob)
    totals.insert(1, "first_year", int(years[0]))
    totals.insert(2, "last_year", int(years[-1]))
    flows = {group: data["flows"] for group, data in both.items()}
    return {
        "quantities": _band_table(yearly, QUANTITY, units, ci_prob),
        "flows": _band_table(flows, FLOW, flow_units, ci_prob),
        "cumulative": totals,
        **lesson_tables(fit),
        "records": record_table(fit, ci_prob=ci_prob).reset_index(),
        "sources": source_table(fit).reset_index(),
        "about": pd.DataFrame({"key": list(fit.attrs), "value": list(fit.attrs.values())}),
    }


def source_table(fit: xr.DataTree) -> pd.DataFrame:
    """List the sources of a fit: citation, year, url and licence by source key."""
    constant = group_of(fit, "constant_data")
    columns = [name for name in constant.data_vars if str(name).startswith(f"{SOURCE}_")]
    table = constant[columns].to_dataframe()
    return table.rename(columns=lambda name: str(name).removeprefix(f"{SOURCE}_"))


def _band_table(
    draws: Mapping[str, xr.DataArray], dim: str, units: pd.Series, ci_prob: float
) -> pd.DataFrame:
    tables = []
    for group, da in draws.items():
        band = bands(da, ci_prob=ci_prob).drop_attrs()
        order = [dim, YEAR] if YEAR in da.dims else [dim]
        table = band.to_dataframe(dim_order=order)[["median", "lower", "upper"]]
        tables.append(table if group == POSTERIOR else table.add_prefix(f"{group}_"))
    tables[0].insert(3, "ci_prob", ci_prob)
    joined = pd.concat(tables, axis=1).reset_index()
    joined.insert(list(joined.columns).index("median"), "unit", joined[dim].map(units))
    return joined
