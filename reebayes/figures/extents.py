"""How far the axis of a band goes, what records state there, and what is told of what it cuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reebayes.conventions import RATIO_UNITS, YEAR
from reebayes.figures.composing import is_fresh, note_of, put_note
from reebayes.study.kinds import SUM, RecordKind, kind_of
from reebayes.wording import format_value, listed, minus_signs

NORMAL_90 = 1.6449  # standard normal quantile that leaves 5 % in each tail

_FAR = 2.5
"""How many times as far as a band its axis goes at most, for a wide prior or a far record."""

_MISSING, _FAR_PRIOR = "records that are not drawn", "where the prior goes"

_KNOWN_BY = ("quantity", "source", "kind", "year", "year_end", "stated")


def axis_ends(
    records: pd.DataFrame | None, band: xr.Dataset, prior: xr.Dataset | None
) -> tuple[float, float]:
    """Return both ends of the axis of a band, its prior and its records.

    A wide prior or a far record must not flatten the band: the prior is cut at both ends by one
    limit, and records above it. What records state below it is held.

    Parameters
    ----------
    records : DataFrame, optional
        As in `plot_bands`; those of years without a band are not asked.
    band, prior : Dataset (year)
    """
    low, high = float(band["lower"].min()), float(band["upper"].max())
    if prior is not None:
        far = _FAR * max(abs(low), abs(high))
        low = min(low, max(float(prior["lower"].min()), -far))
        high = max(high, min(float(prior["upper"].max()), far))
    records, _ = _of_years(records, float(band[YEAR].min()), float(band[YEAR].max()))
    if records is not None and not records.empty:
        records = _stated(records)
        own = records["stated"].to_numpy(dtype=float)[~are_hollow(records)]
        far = _FAR * max(abs(low), abs(high))
        high = max(high, min(float(np.max(own, initial=0.0)), far))
        low = min([low, *_lowest(records[records["stated"] <= _above(high)])])
    return (1.1 * low if low < 0 else 0.0), _above(high)


def _above(highest: float) -> float:
    """Return an end of the axis that leaves some room, at 0 where all is negative."""
    return max(1.08 * highest, 0.0)


def ends_of(ax: Axes) -> tuple[float, float]:
    """Return the ends of the axis of values, which lies level below intervals."""
    return ax.get_xlim() if ax.yaxis_inverted() else ax.get_ylim()


def _lowest(records: pd.DataFrame) -> NDArray[np.float64]:
    """Lowest value that each record states for one of its years, or its error reaches."""
    low = records[["value", "low", "high"]].min(axis=1).where(~_spans(records), records["stated"])
    ends: NDArray[np.float64] = np.fmin(low.to_numpy(dtype=float), _bars(records)[:, 0])
    return ends


def highest(records: pd.DataFrame) -> NDArray[np.float64]:
    """Return the highest value that each record states for one year, or its error reaches."""
    stated = records["stated"].to_numpy(dtype=float)
    ends: NDArray[np.float64] = np.fmax(stated, _bars(records)[:, 1])
    return ends


def _bars(records: pd.DataFrame) -> NDArray[np.float64]:
    """Ends (record, 2) of the errors that are drawn at records; NaN where none is."""
    ends = np.full((len(records), 2), np.nan)
    for number, (row, whole) in enumerate(zip(rows_of(records), wholes_of(records), strict=True)):
        kind = kind_of(row.kind)
        if kind.is_figure and not kind.spans:
            ends[number] = error_ends(kind, row.value, row.sd, whole)
    return ends


def error_ends(kind: RecordKind, value: Any, sd: Any, whole: Any) -> tuple[Any, Any]:
    """Return the ends of the 90 % band of a figure's own error; a part stays within its whole."""
    if kind.is_signed:
        return value - NORMAL_90 * sd, value + NORMAL_90 * sd
    error = np.exp(NORMAL_90 * sd)
    rest = np.where(np.isnan(whole), np.inf, whole) - value
    part = np.isfinite(rest)
    with np.errstate(invalid="ignore"):
        low, high = (whole / (1 + rest / value * by) for by in (error, 1 / error))
    return np.where(part, low, value / error), np.where(part, high, value * error)


def fitting(records: pd.DataFrame | None, top: float) -> pd.DataFrame | None:
    """Return the records below the end of the axis, and those of the quantity above it."""
    if records is None or records.empty:
        return None
    records = _stated(records)
    below = (records["stated"] <= top).to_numpy()
    return pd.concat([records[below], records[~below & ~are_hollow(records)]])


def _stated(records: pd.DataFrame) -> pd.DataFrame:
    """Add what records state, if it is not known already."""
    return records if "stated" in records else records.assign(stated=stated_values(records))


def stated_values(records: pd.DataFrame) -> pd.Series:
    """Return the highest value that each record states, for one of its years.

    Parameters
    ----------
    records : DataFrame
        Rows of `record_table`.

    Returns
    -------
    Series
        In the unit of the records; sums over years are divided by their years.
    """
    return records[["value", "high", "low"]].max(axis=1).where(~_spans(records), _yearly(records))


def _spans(records: pd.DataFrame) -> pd.Series:
    """Whether each record is about several years taken together."""
    return records["kind"].map(lambda kind: kind_of(kind).spans).astype(bool)


def _yearly(spans: pd.DataFrame) -> pd.Series:
    """Value of a span record for each of its years: ratios and means already are, sums are not."""
    years = (spans["year_end"] - spans["year"] + 1).astype(float)
    sums = spans["kind"].map(lambda kind: kind_of(kind).years == SUM).astype(bool)
    added = sums & ~spans["unit"].isin(RATIO_UNITS)
    return spans["value"] / years.where(added, 1.0)


def are_hollow(records: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether each record is of another quantity."""
    if "hollow" in records:
        return records["hollow"].to_numpy(dtype=bool)
    return np.zeros(len(records), dtype=bool)


def wholes_of(records: pd.DataFrame) -> NDArray[np.float64]:
    """Return what the table adds up to of which a record is a part; NaN if it is none."""
    if "whole" in records:
        return records["whole"].to_numpy(dtype=float)
    return np.full(len(records), np.nan)


def rows_of(records: pd.DataFrame) -> list[Any]:
    """Return records one by one."""
    return list(records.itertuples())


# --- what is told ---------------------------------------------------------------------------------


def in_years(
    ax: Axes, records: pd.DataFrame | None, band: xr.Dataset
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Return the records of the years that axes will hold with a band, and those of others.

    They are joined by those that earlier plots into the axes have left out: wider axes may hold
    them.
    """
    return _of_years(_with_held(ax, records), *_years_of(ax, band))


def _with_held(ax: Axes, records: pd.DataFrame | None) -> pd.DataFrame | None:
    """Add the records that earlier plots into axes have left out."""
    note = note_of(ax, _MISSING)
    if note is None:
        return records
    every: list[pd.DataFrame] = [note.held, *([] if records is None else [_stated(records)])]
    together = pd.concat([table.assign(hollow=are_hollow(table)) for table in every])
    known = together[[name for name in _KNOWN_BY if name in together]].assign(name=together.index)
    return together.loc[~known.duplicated().to_numpy()]


def _years_of(ax: Axes, band: xr.Dataset) -> tuple[float, float]:
    """First and last year of a band, and of curves that axes hold already."""
    first, last = float(band[YEAR].min()), float(band[YEAR].max())
    if is_fresh(ax, "x") or ax.yaxis_inverted():
        return first, last
    return min(first, ax.get_xlim()[0]), max(last, ax.get_xlim()[1])


def _of_years(
    records: pd.DataFrame | None, first: float, last: float
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Records of the years that are drawn, and those of others."""
    if records is None or records.empty:
        return records, None
    there = (records["year"] <= last) & (records["year_end"] >= first)
    return records[there], records[~there]


def tell_left_out(
    ax: Axes,
    records: pd.DataFrame | None,
    elsewhere: pd.DataFrame | None,
    before: xr.Dataset | None,
) -> None:
    """Name in the legend what has neither mark nor arrow, and where the prior goes.

    Below intervals, which have no legend, it stands below the axis.

    Parameters
    ----------
    ax : Axes
        With all that is drawn.
    records, elsewhere : DataFrame, optional
        As `in_years` returns them.
    before : Dataset, optional
        Bands of the prior.
    """
    _tell_missing(ax, records, elsewhere)
    _tell_prior(ax, before)
    if ax.yaxis_inverted():
        notes = [note_of(ax, about) for about in (_MISSING, _FAR_PRIOR)]
        texts = [note.text for note in notes if note is not None]
        ax.set_xlabel("\n".join([ax.get_xlabel(), *filter(None, texts)]))


def _tell_missing(ax: Axes, records: pd.DataFrame | None, elsewhere: pd.DataFrame | None) -> None:
    """Name in the legend what is not drawn and has no arrow."""
    if records is None:
        return
    hollow = _stated(records[are_hollow(records)])
    above = hollow[hollow["stated"] > ends_of(ax)[1]]
    other = above[:0] if elsewhere is None else _stated(elsewhere)
    parts = [f"{len(above)} of other quantities above the axis"] if len(above) else []
    parts += [f"{len(other)} of other years"] if len(other) else []
    if parts or note_of(ax, _MISSING) is not None:
        said = f"records not drawn: {listed(parts)}" if parts else ""
        put_note(ax, _MISSING, said, pd.concat([above, other]))


def _tell_prior(ax: Axes, before: xr.Dataset | None) -> None:
    """Name in the legend where priors go that axes cut."""
    note = note_of(ax, _FAR_PRIOR)
    held = [*([] if note is None else note.held), *([] if before is None else [before])]
    if held:
        said = gone_beyond(held, *ends_of(ax))
        put_note(ax, _FAR_PRIOR, f"prior {said}" if said else "", held)


def gone_beyond(priors: Sequence[xr.Dataset], low: float, high: float) -> str:
    """Say where the bands of priors go that leave an axis: ``"goes up to 310"``.

    Parameters
    ----------
    priors : sequence of Dataset (year)
        Bands of what is drawn in the axis.
    low, high : float
        Ends of the axis.

    Returns
    -------
    str
        Empty if all stays inside.
    """
    ends = (
        min((float(prior["lower"].min()) for prior in priors), default=low),
        max((float(prior["upper"].max()) for prior in priors), default=high),
    )
    least, most = (minus_signs(format_value(end)) for end in ends)
    if ends[0] < low and ends[1] > high:
        return f"goes from {least} to {most}"
    if ends[0] < low:
        return f"goes down to {least}"
    return f"goes up to {most}" if ends[1] > high else ""
