"""Tidy tables of a fit, its records and its sources; CSV files and workbooks of them."""

import gc
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

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
from reebayes.files import write_whole
from reebayes.lessons import lesson_tables
from reebayes.results.contents import group_of
from reebayes.results.summaries import bands, cumulative
from reebayes.wording import without_per_year

POINT_KINDS = frozenset({"value", "quota", "cumulative", "mean"})
"""Kinds of record that print one figure (the others print a bound or an interval)."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take text for a formula; it takes the wide forms in some languages."""

MOST_IN_CELL = 32_767


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


def write_csv(tables: Mapping[str, pd.DataFrame], folder: str | Path) -> list[Path]:
    """Write each table to ``<name>.csv`` in a folder.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Such as `export_tables` returns.
    folder : str or Path
        Made if missing.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ResultError
        If a file cannot be written.
    """
    return [
        write_whole(Path(folder) / f"{name}.csv", partial(write_table, table, digits=6))
        for name, table in tables.items()
    ]


def write_table(table: pd.DataFrame, path: Path, *, digits: int | None = None) -> None:
    """Write one table as a CSV file; text that a spreadsheet would run gets an apostrophe.

    Parameters
    ----------
    table : DataFrame
    path : Path
        The file.
    digits : int, optional
        Significant digits of numbers; all of them if left out.
    """
    inert = table.map(_inert_text).rename(columns=_inert_text)
    text = inert.to_csv(index=False, float_format=None if digits is None else f"%.{digits}g")
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _inert_text(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def write_xlsx(tables: Mapping[str, pd.DataFrame], path: str | Path) -> Path:
    """Write tables to one workbook, a sheet each.

    Text is stored as text: a citation that begins with ``=`` is never a formula.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Such as `export_tables` returns.
    path : str or Path
        The workbook.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        If the file cannot be written.
    """
    return write_whole(Path(path), partial(_save_book, tables))


def _save_book(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Save a workbook; if that fails, what the library left open is closed without a word."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        problem = _book_problem(tables, path)
        if problem:
            gc.collect()
    finally:
        sys.unraisablehook = hook
    if problem:
        raise OSError(problem)


def _book_problem(tables: Mapping[str, pd.DataFrame], path: Path) -> str:
    try:
        book = Workbook(write_only=True)
        for name, table in tables.items():
            sheet = book.create_sheet(name)
            sheet.freeze_panes = "A2"
            for row in _plain_rows(table):
                sheet.append([_inert_cell(sheet, value) for value in row])
        book.save(path)
    except OSError as error:
        return str(error)
    return ""


def _plain_rows(table: pd.DataFrame) -> Iterable[Sequence[object]]:
    yield [str(column) for column in table.columns]
    yield from table.astype(object).itertuples(index=False, name=None)


def _inert_cell(sheet: Any, value: object) -> object:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if not isinstance(value, str):
        return value
    text = ILLEGAL_CHARACTERS_RE.sub("", value)
    if len(text) > MOST_IN_CELL:
        text = f"{text[: MOST_IN_CELL - 6]} [cut]"
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    if value.startswith(FORMULA_STARTS):
        cell.quotePrefix = True
    return cell
