"""Trade between partners: bands of every lane, and what exporter and importer recorded of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reebayes.answers.seeing import seen
from reebayes.conventions import CI_PROB, YEAR
from reebayes.errors import ResultError
from reebayes.results.contents import CONSTANT, STUDY_FILE
from reebayes.results.description import study_of
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands
from reebayes.study import Lane, Record, Study
from reebayes.study.schema import LANES
from reebayes.wording import listed

_ENDS = ("median", "lower", "upper")


def trade_table(
    fit: Fit,
    years: int | Sequence[int] | None = None,
    goods: str | None = None,
    *,
    study: Study | None = None,
    ci_prob: float = CI_PROB,
) -> pd.DataFrame:
    """Tabulate the trade between partners, with bands.

    Parameters
    ----------
    fit : DataTree
        A fit of a study with ``lanes.csv``, such as the bundled one with the extension
        ``partners``.
    years : int or sequence of int, optional
        Years; all if left out.
    goods : str, optional
        Goods of ``lanes.csv``; all together if left out.
    study : Study, optional
        The study that was fitted, if it is at hand; read out of the fit if left out.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        One row a lane and year: ``quantity, origin, destination, goods, year, unit, median, lower,
        upper``, and ``seen``: how records of the year see it, as `seen` tells.

    Raises
    ------
    ResultError
        If the study has no lanes, or goods or a year are unknown.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study(extensions=["partners"])
    >>> table = rb.trade_table(rb.open_fit("results/partners.nc"), 2001, study=study)
    >>> table.columns[:4].tolist()
    ['quantity', 'origin', 'destination', 'goods']
    """
    contents = contents_of(fit)
    study = study_of(contents) if study is None else study
    lanes, asked = lanes_of(study, goods), _years(contents, years)
    sights = seen(study, dict.fromkeys(lane.quantity for lane in lanes))
    rows = []
    for lane in lanes:
        band = bands(quantity(contents, lane.quantity), ci_prob=ci_prob)
        for year in asked:
            rows.append({
                "quantity": lane.quantity, "origin": lane.origin, "destination": lane.destination,
                "goods": lane.goods, "year": year, "unit": contents.units[lane.quantity],
                **{end: float(band[end].sel({YEAR: year})) for end in _ENDS},
                "seen": str(sights.sel(quantity=lane.quantity, year=year).item()),
            })  # fmt: skip
    return pd.DataFrame(rows)


def has_lanes(contents: Contents) -> bool:
    """Return whether the study that was fitted has lanes, without reading it."""
    if CONSTANT not in contents.fit.children:
        return False
    constant = contents.group(CONSTANT)
    names = constant[STUDY_FILE].values.tolist() if STUDY_FILE in constant.coords else []
    return any(str(name).rpartition("/")[2] == LANES.file for name in names)


def lanes_of(study: Study, goods: str | None = None) -> list[Lane]:
    """Return the lanes of a study for some goods, or for all together.

    Raises
    ------
    ResultError
        If it has none of these.
    """
    if not len(study.lanes):
        raise ResultError(
            "The study tells no partners apart: it has no lanes.csv. Add an extension that does, "
            "such as extensions=['partners'], or --with partners, and fit it."
        )
    known = list(dict.fromkeys(lane.goods for lane in study.lanes))
    if (goods or "") not in known:
        named = listed([name for name in known if name])
        raise ResultError(f"{goods!r} are no goods of lanes.csv; it has {named}.")
    return [lane for lane in study.lanes if lane.goods == (goods or "")]


def _years(contents: Contents, years: int | Sequence[int] | None) -> list[int]:
    asked = contents.years if years is None else [years] if isinstance(years, int) else list(years)
    for year in asked:
        if year not in contents.years:
            first, last = contents.years[0], contents.years[-1]
            raise ResultError(f"Year {year} is not inside the study ({first} to {last}).")
    return asked


def mirror_table(
    fit: Fit,
    years: int | Sequence[int] | None = None,
    *,
    study: Study | None = None,
    ci_prob: float = CI_PROB,
) -> pd.DataFrame:
    """Set what arrived beside what was declared, lane by lane, and both customs' figures.

    Parameters
    ----------
    fit : DataTree
        As in `trade_table`.
    years, study, ci_prob
        As in `trade_table`.

    Returns
    -------
    DataFrame
        One row a lane with a ``declared`` quantity, and year: ``quantity, declared, origin,
        destination, goods, year, unit``; ``arrived_median, arrived_lower, arrived_upper``, the
        same with ``declared`` and with ``gap``, arrivals less declarations; ``ratio_median``,
        ``ratio_lower`` and ``ratio_upper`` of the two. ``importer`` and ``exporter`` are what
        records say of them, in the unit of the study, NaN where there is none: of a share, times
        the median of what it is a share of. ``importer_misses`` and ``exporter_misses`` are the
        probabilities that the true value is above the figure. ``seen`` and ``gap_seen`` tell how
        records see the arrivals, and whether any sees both sides of the gap.

    Raises
    ------
    ResultError
        As in `trade_table`.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study(extensions=["partners"])
    >>> table = rb.mirror_table(rb.open_fit("results/partners.nc"), 2001, study=study)
    >>> table.columns[:4].tolist()
    ['quantity', 'declared', 'origin', 'destination']
    """
    contents = contents_of(fit)
    study = study_of(contents) if study is None else study
    lanes_of(study)
    asked = _years(contents, years)
    lanes = [lane for lane in study.lanes if lane.declared]
    sights = seen(study, dict.fromkeys(lane.quantity for lane in lanes))
    rows = [row for lane in lanes for row in _mirror(contents, study, lane, asked, ci_prob)]
    for row in rows:
        row["seen"] = str(sights.sel(quantity=row["quantity"], year=row["year"]).item())
        row["gap_seen"] = not (np.isnan(row["importer"]) or np.isnan(row["exporter"]))
    return pd.DataFrame(rows)


def _mirror(
    contents: Contents, study: Study, lane: Lane, years: Sequence[int], ci_prob: float
) -> Iterator[dict[str, Any]]:
    arrived, declared = (quantity(contents, name) for name in (lane.quantity, lane.declared))
    sides = {"arrived": arrived, "declared": declared, "gap": arrived - declared,
             "ratio": arrived / declared}  # fmt: skip
    band = {side: bands(draws, ci_prob=ci_prob) for side, draws in sides.items()}
    figures = {"importer": (lane.quantity, arrived), "exporter": (lane.declared, declared)}
    for year in years:
        row: dict[str, Any] = {
            "quantity": lane.quantity, "declared": lane.declared, "origin": lane.origin,
            "destination": lane.destination, "goods": lane.goods, "year": year,
            "unit": contents.units[lane.quantity],
        }  # fmt: skip
        for side, found in band.items():
            row |= {f"{side}_{end}": float(found[end].sel({YEAR: year})) for end in _ENDS}
        for who, (name, draws) in figures.items():
            figure = printed(contents, study, name, year)
            row[who] = figure
            above = float((draws.sel({YEAR: year}) > figure).mean())
            row[f"{who}_misses"] = np.nan if np.isnan(figure) else above
        yield row


def printed(contents: Contents, study: Study, name: str, year: int) -> float:
    """Return what records of a year say of a quantity, in the unit of the study; NaN if nothing.

    A sum of quantities of which shares are printed is the sum of what these say.
    """
    target = {flow for flow, _ in study.quantities[name].numerator}
    found: dict[frozenset[str], float] = {}
    for record in study.records:
        if record.year == record.year_end == year and record.kind == "value":
            flows = frozenset(flow for flow, _ in study.quantities[record.quantity].numerator)
            if flows <= target:
                found[flows] = found.get(flows) or _figure(contents, study, record)
    if frozenset(target) in found:
        return found[frozenset(target)]
    return sum(found.values()) if set().union(*found) == target and _apart(found) else np.nan


def _apart(found: dict[frozenset[str], float]) -> bool:
    return sum(len(flows) for flows in found) == len(set().union(*found))


def _figure(contents: Contents, study: Study, record: Record) -> float:
    value = record.value or np.nan
    about = study.quantities[record.quantity]
    if not about.is_ratio:
        return value * record.scale
    below = [name for name, _ in about.denominator]
    draws = contents.group("posterior")["flows"].sel({YEAR: record.year, "flow": below})
    return float(value * draws.sum("flow").median())
