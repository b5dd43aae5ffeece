"""Tidy tables of a fit, its records and its sources; CSV files and workbooks of them."""

import numpy as np
import pandas as pd

from reebayes.answers.drivers import driver_tables
from reebayes.answers.partners import has_lanes, mirror_table, trade_table
from reebayes.answers.seeing import seen
from reebayes.conventions import (
    CI_PROB,
    FLOW,
    POSTERIOR,
    QUANTITY,
    SAMPLE_DIMS,
    YEAR,
)
from reebayes.results.contents import PREDICTIVE
from reebayes.results.description import study_of
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents, Fit, contents_of, off_scale, stated_ends
from reebayes.results.summaries import bands
from reebayes.wording import without_per_year

FLOW_COLUMNS = ["source", "target", "product", "registered", "label"]


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

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.record_table(rb.open_fit("results/zinc.nc"))
    >>> table.loc["mined", ["unit", "kind", "reporter"]].tolist()
    ['kt Zn', 'value', 'cycle']
    >>> table.filter(like="predicted").columns.tolist()
    ['predicted_median', 'predicted_lower', 'predicted_upper']
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


def export_tables(
    fit: Fit, *, ci_prob: float = CI_PROB, means: bool = False
) -> dict[str, pd.DataFrame]:
    """Return the results of a fit as tidy tables.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    ci_prob : float
        Probability inside every band.
    means : bool
        Whether posterior means stand beside the medians, for which all draws are read. Means
        balance exactly, as medians do not.

    Returns
    -------
    dict of DataFrame
        ``quantities`` and ``flows`` (one row per name and year), ``cumulative`` (one row per
        quantity that can be added up) and ``flow_sums``, each with label, unit, posterior and prior
        median and band; flows with ``source``, ``target``, ``product`` and ``registered`` as well;
        ``records`` and ``sources``; ``about`` (the attributes of the fit). Of a study that tells
        partners apart also ``trade`` and ``mirror``, see `trade_table` and `mirror_table`, and in
        ``quantities`` a column ``seen``, which says where no record sees a value (`seen`).

    Examples
    --------
    >>> import reebayes as rb
    >>> tables = rb.export_tables(rb.open_fit("results/zinc.nc"))
    >>> list(tables)[:4]
    ['quantities', 'flows', 'cumulative', 'flow_sums']
    >>> tables["quantities"].columns[:6].tolist()
    ['quantity', 'year', 'unit', 'median', 'lower', 'upper']
    """
    contents = contents_of(fit)
    units = {
        QUANTITY: contents.units,
        FLOW: pd.Series(contents.unit, index=contents.flows.index),
    }
    totals = {
        what: _band_table(contents, what, units[dim], ci_prob, total=True, means=means)
        for what, dim in (("quantities", QUANTITY), ("flows", FLOW))
    }
    for total in totals.values():
        total.insert(1, "first_year", contents.years[0])
        total.insert(2, "last_year", contents.years[-1])
    attributes = {"key": list(contents.attrs), "value": list(contents.attrs.values())}
    return {
        "quantities": sighted(
            contents,
            _band_table(contents, "quantities", units[QUANTITY], ci_prob, means=means),
        ),
        "flows": _band_table(contents, "flows", units[FLOW], ci_prob, means=means),
        "cumulative": totals["quantities"],
        "flow_sums": totals["flows"],
        **driver_tables(contents),
        **_partner_tables(contents, ci_prob),
        "records": record_table(contents, ci_prob=ci_prob).reset_index(),
        "sources": contents.sources.reset_index(),
        "about": pd.DataFrame(attributes),
    }


def sighted(contents: Contents, table: pd.DataFrame) -> pd.DataFrame:
    """Add how records see each quantity and year of a table, where the study has lanes.

    Parameters
    ----------
    contents : Contents
    table : DataFrame
        With columns ``quantity`` and ``year``.
    """
    if not has_lanes(contents):
        return table
    return table.join(seen(study_of(contents)).to_series(), on=[QUANTITY, YEAR])


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
    """List the data sources of a fit: citation, year, url and licence by source key.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.source_table(rb.open_fit("results/zinc.nc"))
    >>> int(table.loc["wang2024", "year"])
    2024
    """
    return contents_of(fit).sources


def _band_table(
    contents: Contents, what: str, units: pd.Series, ci_prob: float, *, total: bool = False,
    means: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Median and band of everything, posterior and prior side by side."""
    tables = []
    for group in contents.distributions:
        band = bands_of(contents, what, group, total=total, ci_prob=ci_prob).drop_attrs()
        dim = str(band["median"].dims[-1])
        order = [dim] if total else [dim, YEAR]
        table = band.to_dataframe(dim_order=order)[["median", "lower", "upper"]]
        tables.append(table if group == POSTERIOR else table.add_prefix(f"{group}_"))
    tables[0].insert(3, "ci_prob", ci_prob)
    if means:
        tables[0].insert(0, "mean", _means(contents, what, tables[0].index, total=total))
    joined = pd.concat(tables, axis=1).reset_index()
    unit = joined[dim].astype(str).map(units.map(without_per_year) if total else units)
    joined.insert(list(joined.columns).index("mean" if means else "median"), "unit", unit)
    about = contents.flows[FLOW_COLUMNS] if what == "flows" else _labels(contents)
    return joined.join(about, on=dim)


def _labels(contents: Contents) -> pd.DataFrame:
    """Names of quantities for readers; empty where the study has none."""
    labels = contents.report.get("labels", {})
    names = [str(name) for name in contents.units.index]
    return pd.DataFrame({"label": [labels.get(name, "") for name in names]}, index=names)


def _means(contents: Contents, what: str, index: pd.Index, *, total: bool) -> np.ndarray:
    """Posterior means of everything of one sort, read a year at a time."""
    draws = contents.group(POSTERIOR)[what]
    years = [
        draws.isel({YEAR: number}).mean(SAMPLE_DIMS).values for number in range(draws.sizes[YEAR])
    ]
    dim = str(draws.dims[-1])
    found = pd.DataFrame(np.array(years).T, index=[str(name) for name in draws[dim].values])
    names = list(dict.fromkeys(index if total else index.get_level_values(dim)))
    chosen = found.loc[[str(name) for name in names]]
    return chosen.sum(axis=1).to_numpy() if total else chosen.to_numpy().ravel()
