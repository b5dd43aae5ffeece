"""What registers and quotas say beside what the fit says: quotas exceeded, and the unregistered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import CHAIN, CI_PROB, DRAW, POSTERIOR, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.results.identity import as_drawn
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands
from reebayes.study.kinds import kind_of

REGISTERED = "_registered"
"""Ending of the name of a quantity that a register is meant to count; without it, all of it."""

WORLD = "world"


def quota_table(fit: Fit, *, ci_prob: float = CI_PROB) -> pd.DataFrame:
    """Set quotas beside declared and true flows, with the probability that they were exceeded.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        One row a quota (index: its record): ``quantity`` that it is about and ``true_quantity``,
        which holds the unregistered part too; ``year``, ``unit``, ``quota``; ``declared_median,
        declared_lower, declared_upper`` and ``p_declared``, the probability that what registers
        are meant to count exceeded it; the same with ``true``. Where no quantity holds the
        unregistered part the two are the same.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.quota_table(rb.open_fit("results/fit.nc"))
    >>> table.filter(like="p_").columns.tolist()
    ['p_declared', 'p_true']
    """
    contents = contents_of(fit)
    records = contents.records
    targets = records[[kind_of(kind).is_target for kind in records["kind"]]]
    rows = []
    for name, record in targets.sort_values(["quantity", "year"]).iterrows():
        of, limit = str(record["quantity"]), float(record["value"])
        row: dict[str, Any] = {
            "record": name,
            "quantity": of,
            "true_quantity": true_quantity(contents, of),
            "year": int(record["year"]),
            "unit": contents.units[of],
            "quota": limit,
        }
        for prefix, key in (("declared", of), ("true", row["true_quantity"])):
            draws = quantity(contents, key).sel({YEAR: row["year"]})
            band = bands(draws, ci_prob=ci_prob)
            row |= {f"{prefix}_{end}": float(band[end]) for end in ("median", "lower", "upper")}
            row[f"p_{prefix}"] = float((draws > limit).mean())
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["record"]).set_index("record")


def true_quantity(contents: Contents, name: str) -> str:
    """Return the quantity that holds the unregistered part of one too; itself if there is none."""
    whole = name.removesuffix(REGISTERED)
    return whole if whole in contents.units.index and whole not in contents.ratios else name


def unregistered_table(
    fit: Fit, *, refined: str | None = None, ci_prob: float = CI_PROB
) -> pd.DataFrame:
    """Tabulate unregistered mining and refining by year, with their shares of all.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    refined : str, optional
        Product whose making counts as refining; ``[report].refined`` of the study if left out.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        One row a stage, region (``world`` for all) and year: ``stage, region, part, year, unit,
        median, lower, upper`` of what no register counts, and ``share_median, share_lower,
        share_upper`` of it in all that is mined or refined there. Regions without any are left
        out. What the study's ``[report.parts]`` shows apart has rows of its own, with the name of
        the quantity as ``part``, which is empty for the whole.

    Raises
    ------
    ResultError
        If no product of the study counts as refined.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.unregistered_table(rb.open_fit("results/fit.nc"))
    >>> sorted({*table["stage"]}), sorted({*table["region"]})
    (['mining', 'refining'], ['CN', 'RW', 'world'])
    """
    contents = contents_of(fit)
    tables = []
    for stage in ("mining", "refining"):
        parts = unregistered_parts(contents, stage, refined)
        for region, pair in unregistered(contents, stage, refined).items():
            for part, (hidden, share) in {"": pair, **parts.get(region, {})}.items():
                about = {"stage": stage, "region": region, "part": part}
                tables.append(_yearly_bands(contents, about, hidden, share, ci_prob))
    return pd.concat(tables, ignore_index=True)


def _yearly_bands(
    contents: Contents,
    about: Mapping[str, str],
    hidden: xr.DataArray,
    share: xr.DataArray,
    ci_prob: float,
) -> pd.DataFrame:
    """Rows of one amount and its share, by year."""
    columns: dict[str, Any] = {**about, "year": hidden[YEAR].values, "unit": contents.unit}
    for prefix, draws in (("", hidden), ("share_", share)):
        found = bands(draws, ci_prob=ci_prob)
        columns |= {f"{prefix}{end}": found[end].values for end in ("median", "lower", "upper")}
    return pd.DataFrame(columns).assign(ci_prob=ci_prob)


def unregistered(
    contents: Contents, stage: str, refined: str | None = None
) -> dict[str, tuple[xr.DataArray, xr.DataArray]]:
    """Draws (chain, draw, year) of what no register counts, and of its share, by region."""
    return {
        region: _amount_and_share(contents, dict.fromkeys(hidden, 1.0), names, stage, region)
        for region, (hidden, names) in _hidden_flows(contents, stage, refined).items()
    }


def unregistered_parts(
    contents: Contents, stage: str, refined: str | None = None
) -> dict[str, dict[str, tuple[xr.DataArray, xr.DataArray]]]:
    """Draws of the parts of what no register counts that the study's report shows, by region.

    A quantity with parts is that of a region if it adds up the region's unregistered flows.
    """
    shown = contents.report.get("parts", {})
    found = {}
    for region, (hidden, names) in _hidden_flows(contents, stage, refined).items():
        found[region] = {
            part: _amount_and_share(contents, contents.terms[part][0], names, stage, part)
            for whole, parts in shown.items()
            if contents.terms[whole] == (dict.fromkeys(hidden, 1.0), {})
            for part in parts
        }
    return found


def _hidden_flows(
    contents: Contents, stage: str, refined: str | None
) -> dict[str, tuple[list[str], list[str]]]:
    """Unregistered flows of a stage, and all of its flows, by region with any unregistered."""
    made = mine_output(contents) if stage == "mining" else refinery_output(contents, refined)
    registered = contents.flows["registered"].astype(bool)
    found = {}
    for region in (WORLD, *sorted({region for region in made.values() if region})):
        names = [name for name, of in made.items() if region in (WORLD, of)]
        hidden = [name for name in names if not registered[name]]
        if hidden:
            found[region] = (hidden, names)
    return found


def _amount_and_share(
    contents: Contents, weights: Mapping[str, float], names: Sequence[str], stage: str, of: str
) -> tuple[xr.DataArray, xr.DataArray]:
    amount, whole = flow_sum(contents, weights), flow_sum(contents, names)
    share = np.where(whole > 0, amount / np.where(whole > 0, whole, 1.0), np.nan)
    return (
        named(contents, amount, f"unregistered {stage}, {of}", contents.unit),
        named(contents, share, f"unregistered share of {stage}, {of}", "fraction"),
    )


def flow_sum(
    contents: Contents, weights: Sequence[str] | Mapping[str, float]
) -> NDArray[np.float64]:
    """Draws (chain, draw, year) of a sum of flows."""
    factors = weights if isinstance(weights, Mapping) else dict.fromkeys(weights, 1.0)
    sizes = contents.group(POSTERIOR).sizes
    total = np.zeros((sizes[CHAIN], sizes[DRAW], sizes[YEAR]))
    for name, factor in factors.items():
        total += factor * contents.array(POSTERIOR, "flows", name)
    return total


def named(
    contents: Contents, values: NDArray[np.float64], long_name: str, units: str
) -> xr.DataArray:
    """Draws (chain, draw, year) with coordinates, name and unit."""
    draws = contents.group(POSTERIOR)
    coords = {dim: draws[dim].values for dim in (*SAMPLE_DIMS, YEAR)}
    array = xr.DataArray(values, coords, (*SAMPLE_DIMS, YEAR))
    return as_drawn(array, long_name=long_name, units=units)


def region_labels(contents: Contents) -> dict[str, str]:
    """Names of regions for readers: what stands before the colon in most labels of a region.

    Routes between regions are labelled by both ends, and are the fewer.
    """
    found: dict[str, str] = {}
    for region, rows in contents.processes.groupby("region"):
        heads = Counter(label.partition(": ")[0] for label in rows["label"] if ": " in label)
        ((head, count),) = heads.most_common(1) or [("", 0)]
        found[str(region)] = head if 2 * count > heads.total() else str(region)
    return {name: label for name, label in found.items() if name}


def refined_product(contents: Contents, refined: str | None) -> str:
    """Return the product whose making counts as refining.

    Raises
    ------
    ResultError
        If neither caller nor study says, or there is no such product.
    """
    product = refined or str(contents.report.get("refined", ""))
    made = sorted({*contents.flows["product"]})
    if not product:
        raise ResultError(
            "The study does not say whose making counts as refining; give refined= one of "
            f"{', '.join(made)}, or write [report] refined in study.toml."
        )
    require_known([product], made, "product")
    return product


def mine_output(contents: Contents) -> dict[str, str]:
    """Flows that mines put out, or that come straight out of the ground, by region."""
    table, processes = contents.flows, contents.processes
    kinds, regions = processes["kind"], processes["region"]
    ground = {*kinds.index[kinds == "environment"]} - {*table["target"]}  # no stocks
    mines = {
        target
        for source, target in zip(table["source"], table["target"], strict=True)
        if source in ground and kinds[target] == "conversion"
    }
    found = {}
    for name, row in table.iterrows():
        if row["source"] in mines and kinds[row["target"]] != "loss":
            found[str(name)] = str(regions[row["source"]])
        elif row["source"] in ground and row["target"] not in mines:
            found[str(name)] = str(regions[row["target"]])
    return found


def refinery_output(contents: Contents, refined: str | None) -> dict[str, str]:
    """Flows that refineries put out, by region."""
    product = refined_product(contents, refined)
    table, processes = contents.flows, contents.processes
    return {
        str(name): str(processes["region"][row["source"]])
        for name, row in table.iterrows()
        if row["product"] == product and processes["kind"][row["source"]] == "conversion"
    }
