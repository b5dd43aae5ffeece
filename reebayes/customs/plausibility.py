"""Weights that cannot be: those that were made from values, and those that no price allows."""

import numpy as np
import pandas as pd

from reebayes.customs.exclusions import included, mark

OFFICE = ["series", "flow", "reporter_area", "code", "year"]
"""What partners are compared within: a code of an office in a year."""

LEAST_COMPARED = 5
"""Unit values are compared where an office names so many partners of a code in a year."""

SAME, MOST_ROUNDED = 5e-4, 5e-3
"""Relative difference of unit values that are one and the same: if nothing is rounded, and at most
if values and weights are."""

MAD_TO_SD = 1.4826
SPREAD = 0.3
"""Scale of log unit values of one product: no group is taken to lie closer together, and no price
to tell more of a consignment."""

ALIKE = 2.0
"""Goods whose unit values lie within this factor may be one product."""

LEAST_SHARE = 0.02
"""Share of an office's tonnage in a code from which goods that are alike are a product."""


def mark_imputed(frame: pd.DataFrame) -> None:
    """Mark weights that were computed from values: many partners of one identical unit value."""
    hit = pd.Series(False, frame.index)
    text = pd.Series("", frame.index)
    for _, group in _priced(frame).groupby(OFFICE):
        partners = group.groupby("partner_area")[["weight_kg", "value_usd"]].sum()
        same = _same_unit_value(partners)
        count = int(same.sum())
        if count < max(LEAST_COMPARED, len(partners) / 2):
            continue
        rows = group.index[group["partner_area"].isin(partners.index[same])]
        some = partners[same].sum()
        hit[rows] = True
        text[rows] = (
            f"weight was computed from value, not weighed: {count} of {len(partners)} partners "
            f"have one unit value ({some['value_usd'] / some['weight_kg']:.4g} USD/kg)"
        )
    advice = "use another year or source; the value alone tells no weight"
    mark(frame, hit, "weight_kg", text, advice, loses=True)


def _same_unit_value(partners: pd.DataFrame) -> pd.Series:
    """Return which partners share the unit value of most, as far as rounding lets it be seen."""
    values, weights = partners["value_usd"], partners["weight_kg"]
    logs = (values / weights).map(np.log)
    near = (logs - logs.median()).abs() < 0.02
    if not near.any() or weights.nunique() < LEAST_COMPARED:
        return pd.Series(False, partners.index)
    # The largest value is rounded least.
    centre = logs[values == values[near].max()].iloc[0]
    rounded = 0.5 * (_rounding(values) / values + _rounding(weights) / weights)
    same: pd.Series = (logs - centre).abs() <= (SAME + rounded).clip(upper=MOST_ROUNDED)
    return same


def _rounding(values: pd.Series) -> float:
    """Return the power of ten that all values are multiples of."""
    for power in range(6, -3, -1):
        scaled = values / 10.0**power
        if np.allclose(scaled, scaled.round(), rtol=1e-9, atol=1e-6):
            return 10.0**power
    return 0.0


def _priced(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[included(frame) & (frame["value_usd"] > 0) & ~frame["is_world"]]


def mark_outliers(frame: pd.DataFrame, threshold: float) -> None:
    """Mark unit values that no price of what the code holds comes near, on a log scale.

    A code holds products of many prices, and the largest partner may buy the dearest of them, so
    that distance from the other partners alone leaves no line out.
    """
    priced = _priced(frame)
    unit = priced["value_usd"] / priced["weight_kg"]
    low, high = priced["price_low"], priced["price_high"]
    beyond = (unit / unit.clip(low, high)).map(np.log) / SPREAD
    far = beyond.abs() > threshold
    text = pd.Series("", frame.index)
    for row in priced.index[far]:
        text[row] = (
            f"unit value {unit[row]:.3g} USD/kg, prices of what the code holds {low[row]:.3g} to "
            f"{high[row]:.3g} (z {beyond[row]:+.1f})"
        )
    advice = "check weight and value at the source"
    mark(frame, text != "", "value_usd", text, advice, loses=True)


def lonely(frame: pd.DataFrame, threshold: float) -> pd.Series:
    """Return counted rows far from the median of code and year and from any product of weight."""
    rows = pd.Series(False, frame.index)
    for _, group in _priced(frame).groupby(["code", "year"]):
        if len(group) < LEAST_COMPARED:
            continue
        logs = (group["value_usd"] / group["weight_kg"]).map(np.log)
        away = (logs - logs.median()).abs()
        z = away / max(MAD_TO_SD * away.median(), SPREAD)
        share = _share_alike(logs.to_numpy(), group["weight_kg"].to_numpy())
        rows[group.index] = (z > threshold) & (share < LEAST_SHARE)
    return rows


def _share_alike(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return, for each line, the share of all weight that is booked at a unit value like its."""
    alike = np.abs(logs[:, None] - logs) < np.log(ALIKE)
    share: np.ndarray = alike @ weights / weights.sum()
    return share
