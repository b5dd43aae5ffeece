"""Tidy tables of a fit, its records and its sources; CSV files and workbooks of them."""

import numpy as np
import pandas as pd

from reebayes.answers.drivers import driver_tables
from reebayes.answers.partners import has_lanes, mirror_table, trade_table
from reebayes.conventions import (
    CI_PROB,
    FLOW,
    POSTERIOR,
    QUANTITY,
    YEAR,
)
from reebayes.results.contents import PREDICTIVE
from reebayes.results.description import study_of
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents, Fit, contents_of, off_scale, stated_ends
from reebayes.results.summaries import bands
from reebayes.wording import without_per_year


def record_table(fit: Fit, *, ci_prob: float = CI_PROB) -> pd.DataFrame:
    """List the records of a fit beside their posterior predictive bands.

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
        ``composition`` names the printed table of which a record is a part; the band is then that
        of the part given the other parts, as a share of the ``whole`` to which they add up.
    """
    contents = contents_of(fit)
    return contents.records.join(_predicted(contents, ci_prob))


def _predicted(contents: Contents, ci_prob: float) -> pd.DataFrame:
    table, ends = contents.records, ("median", "lower", "upper")
    band = pd.DataFrame(np.nan, index=table.index, columns=[f"predicted_{end}" for end in ends])
    if contents.has(PREDICTIVE):
        predicted = bands(contents.group(PREDICTIVE)["value"], ci_prob=ci_prob)
        for end in ends:
            band[f"predicted_{end}"] = off_scale(
                predicted[end].values, table["kind"], table["whole"]
            )
    low, high = stated_ends(table)
    band["outside"] = (band["predicted_lower"] > high) | (band["predicted_upper"] < low)
    return band


def export_tables(fit: Fit, *, ci_prob: float = CI_PROB) -> dict[str, pd.DataFrame]:
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
        ``records`` and ``sources``; ``about`` (the attributes of the fit). Of a study that tells
        partners apart also ``trade`` and ``mirror``, see `trade_table` and `mirror_table`.
    """
    contents = contents_of(fit)
    units = {
        QUANTITY: contents.units,
        FLOW: pd.Series(contents.unit, index=contents.flows.index),
    }
    totals = _band_table(contents, "quantities", units[QUANTITY], ci_prob, total=True)
    totals.insert(1, "first_year", contents.years[0])
    totals.insert(2, "last_year", contents.years[-1])
    attributes = {"key": list(contents.attrs), "value": list(contents.attrs.values())}
    return {
        "quantities": _band_table(contents, "quantities", units[QUANTITY], ci_prob),
        "flows": _band_table(contents, "flows", units[FLOW], ci_prob),
        "cumulative": totals,
        **driver_tables(contents),
        **_partner_tables(contents, ci_prob),
        "records": record_table(contents, ci_prob=ci_prob).reset_index(),
        "sources": contents.sources.reset_index(),
        "about": pd.DataFrame(attributes),
    }


def _partner_tables(contents: Contents, ci_prob: float) -> dict[str, pd.DataFrame]:
    """Trade between partners by year, where the study has lanes."""
    if not has_lanes(contents):
        return {}
    study = study_of(contents)
    goods = dict.fromkeys(lane.goods for lane in study.lanes)
    tables = (trade_table(contents, None, one, study=study, ci_prob=ci_prob) for one in goods)
    return {
        "trade": pd.concat(tables, ignore_index=True),
        "mirror": mirror_table(contents, study=study, ci_prob=ci_prob),
    }


def source_table(fit: Fit) -> pd.DataFrame:
    """List the data sources of a fit: citation, year, url and licence by source key."""
    return contents_of(fit).sources


def _band_table(
    contents: Contents, what: str, units: pd.Series, ci_prob: float, *, total: bool = False
) -> pd.DataFrame:
    """Median and band of everything, posterior and prior side by side."""
    tables = []
    for group in contents.distributions:
        band = bands_of(contents, what, group, total=total, ci_prob=ci_prob).drop_attrs()
        dim = str(band["median"].dims[-1])
        order = [dim] if total else [dim, YEAR]
        table = band.to_dataframe(dim_order=order)[["median", "lower", "upper"]]
        tables.append(table if group == POSTERIOR else table.add_prefix(f"{group}_"))
    tables[0].insert(3, "ci_prob", ci_prob)
    joined = pd.concat(tables, axis=1).reset_index()
    unit = joined[dim].astype(str).map(units.map(without_per_year) if total else units)
    joined.insert(list(joined.columns).index("median"), "unit", unit)
    return joined
