"""What a scenario does, as a table and as a sentence: use, what is stranded and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor, log10
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from reebayes.answers.registers import region_labels
from reebayes.answers.scenarios.running import (
    COUNTERFACTUAL,
    FACTUAL,
    GAPS,
    USE,
)
from reebayes.conventions import CI_PROB, FLOW, PROCESS, QUANTITY, RATIO_UNITS, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.results.reading import Contents, contents_of, require_known
from reebayes.results.selection import Span, over_years
from reebayes.wording import format_band, format_chance, format_value, without_per_year

WORLD = "all regions"

SMALLEST = 1e-9
"""What is less than this everywhere, in the unit of the study, is nothing but rounding."""

COLUMNS = ("what", "region", "stage", "product", "label", "unit", "factual", "counterfactual",
           "difference", "lower", "upper", "ci_prob", "x", "probability")  # fmt: skip

type Floats = NDArray[np.float64]
type _Row = tuple[dict[str, str], Floats, Floats]
"""What a row is about, with its draws as they were and as they would have been."""


def effect(
    scenario: xr.DataTree,
    quantities: Sequence[str] | None = None,
    years: Span = None,
    *,
    x: float | None = None,
    ci_prob: float = CI_PROB,
) -> pd.DataFrame:
    """Tell what a scenario does to use, and what it strands and leaves missing.

    Parameters
    ----------
    scenario : DataTree
        As `scenario` returns it.
    quantities : sequence of str, optional
        Quantities that are told too; those that the report of the study puts first if left out.
    years : int or (int, int), optional
        One year of the scenario, or first and last of a sum; the sum over all of them if left out.
    x : float, optional
        Loss of which the probability is told, in the unit; a tenth of what was if left out.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        One row for each use by region and application, their sums, and every process where
        something is stranded, lost or short, and every use that lacks something: ``what`` (use,
        quantity, stranded, lost, shortage, unmet), ``region``, ``stage``, ``product`` (of a use
        its application), medians ``factual`` and ``counterfactual``, and ``difference`` with its
        band; ``probability`` is P(loss > ``x``). ``attrs["sentence"]`` says the same in words.

    Raises
    ------
    ResultError
        If it is no scenario, or lacks a year or quantity that is asked for.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.effect(rb.scenario(rb.open_fit("results/fit.nc"), "no_trade_2022"))
    >>> table.columns[:4].tolist(), table.attrs["sentence"][:37]
    (['what', 'region', 'stage', 'product'], 'No trade between the regions in 2022:')
    """
    if GAPS not in scenario.children:
        raise ResultError("This is no scenario; give what `scenario` returns.")
    if x is not None and not x >= 0:
        raise ResultError(f"x must be a loss from 0 up, got {x}.")
    parts = [contents_of(scenario.children[name]) for name in (FACTUAL, COUNTERFACTUAL)]
    known = parts[0].years
    for year in (years,) if isinstance(years, int) else years or ():
        if year not in known:
            raise ResultError(f"Year {year} is not one of the scenario's, {known[0]}-{known[-1]}.")
    rows = [
        *_use_rows(parts, years),
        *_quantity_rows(parts, quantities, years),
        *_gap_rows(scenario, years),
    ]
    single = isinstance(years, int) or len(known) == 1
    unit = parts[0].unit if single else without_per_year(parts[0].unit)
    table = pd.DataFrame(
        [_cells(*row, unit=unit, x=x, ci_prob=ci_prob) for row in rows],
        columns=["name", *COLUMNS],
    ).set_index("name")
    table.attrs["sentence"] = _sentence(scenario, table, years, known)
    return table


def _use_rows(parts: Sequence[Contents], years: Span) -> Iterator[_Row]:
    """Use by region and application, by region and of all regions."""
    processes, flows = parts[0].processes, parts[0].flows
    into = flows["target"].map(processes["kind"]) == USE
    entering = flows.index[into]
    draws = [_flows(part, entering, years) for part in parts]
    region = flows.loc[into, "target"].map(processes["region"]).to_numpy()
    target = flows.loc[into, "target"].to_numpy()
    regions, known = list(dict.fromkeys(region)), region_labels(parts[0])
    everything = np.ones(len(entering), dtype=bool)
    sums: list[tuple[str, str, str, NDArray[np.bool_]]] = [("use", WORLD, "", everything)]
    if len(regions) > 1:
        sums += [(f"use_{name}", name, "", region == name) for name in regions]
    sums += [(use, processes["region"][use], processes["label"][use], target == use)
             for use in processes.index if use in {*target}]  # fmt: skip
    for name, where, label, chosen in sums:
        about = {"name": name, "what": USE, "region": where, "stage": USE, "product": label,
                 "label": label or f"use, {known.get(where, where)}"}  # fmt: skip
        yield about, draws[0][:, chosen].sum(axis=1), draws[1][:, chosen].sum(axis=1)


def _flows(part: Contents, names: pd.Index, years: Span) -> Floats:
    """Draws (sample, flow) of flows in a year, or summed over several."""
    values = part.group("posterior")["flows"].sel({FLOW: list(names)})
    values = values.transpose(*SAMPLE_DIMS, FLOW, YEAR)
    found = over_years(values.values, part.years, years)
    return found.reshape(-1, found.shape[-1])


def _quantity_rows(
    parts: Sequence[Contents], names: Sequence[str] | None, years: Span
) -> Iterator[_Row]:
    contents = parts[0]
    single = isinstance(years, int) or len(contents.years) == 1
    chosen = names if names is not None else contents.headline()
    require_known(chosen, contents.units.index, QUANTITY)
    for name in chosen:
        ratio = contents.units[name] in RATIO_UNITS
        if ratio and not single:
            if names is None:
                continue
            raise ResultError(f"{name} is a ratio, and ratios are not added up; give one year.")
        draws = []
        for part in parts:
            values = part.group("posterior")["quantities"].sel({QUANTITY: name})
            values = values.transpose(*SAMPLE_DIMS, YEAR)
            draws.append(over_years(values.values, part.years, years).ravel())
        about = {"name": name, "what": QUANTITY, "region": "", "stage": "", "product": "",
                 "label": contents.label_of(str(name))}  # fmt: skip
        yield about | ({"unit": "ratio"} if ratio else {}), draws[0], draws[1]


def _gap_rows(scenario: xr.DataTree, years: Span) -> Iterator[_Row]:
    """What is stranded, lost, short and unmet, wherever it is more than rounding."""
    gaps = scenario.children[GAPS].to_dataset()
    known = [int(year) for year in gaps[YEAR].values]
    for what, values in gaps.data_vars.items():
        dim = USE if what == "unmet" else PROCESS
        draws = over_years(values.transpose(*SAMPLE_DIMS, dim, YEAR).values, known, years)
        draws = draws.reshape(-1, draws.shape[-1])
        for at in np.flatnonzero(draws.max(axis=0) > SMALLEST):
            place = gaps.isel({dim: at})
            names = ("use_region", "", "application", "application") if dim == USE else (
                "region", "stage", "product", "label")  # fmt: skip
            region, stage, product, label = (str(place[n].item()) if n else USE for n in names)
            name = str(place[dim].item())
            about = {"name": f"{what}:{name}", "what": str(what), "region": region, "stage": stage,
                     "product": product, "label": label}  # fmt: skip
            yield about, np.zeros(len(draws)), draws[:, at]


def _cells(
    about: dict[str, str], before: Floats, after: Floats, *, unit: str, x: float | None,
    ci_prob: float,
) -> dict[str, Any]:  # fmt: skip
    tail = (1 - ci_prob) / 2
    change = np.where(np.abs(after - before) < SMALLEST, 0.0, after - before)
    middle, lower, upper = (float(v) for v in np.quantile(change, [0.5, tail, 1 - tail]))
    was = float(np.median(before))
    gap = about["what"] in ("stranded", "lost", "shortage", "unmet")
    # What is stranded or missing is itself the loss.
    loss = after if gap else -change
    limit = x if x is not None else 0.0 if gap else _rounded(0.1 * abs(was))
    numbers = {
        "factual": was, "counterfactual": float(np.median(after)), "difference": middle,
        "lower": lower, "upper": upper, "ci_prob": ci_prob, "x": limit,
        "probability": float(np.mean(loss > max(limit, SMALLEST))),
    }  # fmt: skip
    return {"unit": unit, **about, **numbers}


def _rounded(value: float) -> float:
    """Round to two significant digits."""
    return round(value, 1 - floor(log10(value))) if value > 0 else 0.0


def _sentence(scenario: xr.DataTree, table: pd.DataFrame, years: Span, known: list[int]) -> str:
    """Say how much is used less, where most, and what is stranded."""
    first, last = (years, years) if isinstance(years, int) else years or (known[0], known[-1])
    when = f"in {first}" if first == last else f"over {first}-{last}"
    label = str(scenario.attrs.get("label", scenario.attrs.get("scenario", "")))
    pieces = []
    for _, total in table[table.index == USE].iterrows():
        unit, percent = total["unit"], f"{100 * total['ci_prob']:g} %"
        band = _sized(total)
        change = "falls by" if total["difference"] < 0 else "rises by"
        risk = f"; P(loss > {total['x']:g} {unit}) is {format_chance(total['probability'])}"
        pieces.append(
            f"{_capital(label)}: use {change} {band} {unit} {when} (median and {percent} band), "
            f"of {format_value(total['factual'])}{risk if total['difference'] < 0 else ''}."
        )
        regions = table[(table["what"] == USE) & (table["product"] == "")].drop("use")
        if len(regions):
            parts = [f"{row['label'].removeprefix('use, ')} {_signed(row)}"
                     for _, row in regions.iterrows()]  # fmt: skip
            pieces.append(f"By region: {'; '.join(parts)}.")
    for what in ("stranded", "shortage"):
        rows = table[table["what"] == what]
        if len(rows):
            most = rows.sort_values("difference").iloc[-1]
            pieces.append(f"Most of what is {'short' if what == 'shortage' else what}: "
                          f"{most['label']}, {_signed(most)} {most['unit']}.")  # fmt: skip
    return " ".join(pieces)


def _sized(row: pd.Series) -> str:
    """Size of a difference with its band, whatever its sign."""
    ends = [row["difference"], row["lower"], row["upper"]]
    if row["difference"] < 0:
        ends = [-row["difference"], -row["upper"], -row["lower"]]
    return format_band(*ends)


def _signed(row: pd.Series) -> str:
    return format_band(row["difference"], row["lower"], row["upper"])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
