"""Prior and posterior predictive checks of the records."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reebayes.conventions import PRIOR, RECORD, REPORTER
from reebayes.results.contents import PREDICTIVE, PRIOR_PREDICTIVE
from reebayes.results.reading import Fit, contents_of, on_scale, stated_ends
from reebayes.study.kinds import kind_of

LEVELS = (0.5, 0.9)
ALL = "all"
FIGURES = ("value", "low", "high", "other")


@dataclass(frozen=True, slots=True)
class PredictiveCheck:
    """Records beside their posterior predictive replicates.

    Parameters
    ----------
    records : DataFrame
        One row per record: ``reporter``, ``kind``, and for posterior and prior (prefix ``prior_``)
        the ``pit`` of a printed figure, that is the share of replicated figures below it (below
        the alternative value where that fits better); and
        the ``chance`` that a replicated figure obeys a bound or range.
    summary : DataFrame
        One row per reporter and kind, and one per kind over all reporters: how many ``records``,
        the share of figures ``inside_50`` and ``inside_90`` of their bands, their mean ``pit``,
        the mean ``chance`` of bounds; the same before the records, with prefix ``prior_``.
    """

    records: pd.DataFrame
    summary: pd.DataFrame


def predictive_check(fit: Fit) -> PredictiveCheck:
    """Run a posterior predictive check, and a prior one: compare records with replicated figures.

    A fit has seen its records, so that posterior shares somewhat above 50 and 90 % are ordinary;
    far below, the errors of a reporter are set too small, and near 100 % at 50 too large.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.

    Returns
    -------
    PredictiveCheck

    Raises
    ------
    ResultError
        If the fit holds no replicated figures.

    Examples
    --------
    >>> import reebayes as rb
    >>> check = rb.predictive_check(rb.open_fit("results/zinc.nc"))
    >>> check.summary.columns[:4].tolist()
    ['reporter', 'kind', 'records', 'inside_50']
    """
    contents = contents_of(fit)
    table = contents.records[[REPORTER, "kind", "quantity", "year", "whole", *FIGURES]]
    for group, prefix in ((PREDICTIVE, ""), (PRIOR_PREDICTIVE, f"{PRIOR}_")):
        if group == PRIOR_PREDICTIVE and not contents.has(group):
            continue
        replicas = contents.group(group)["value"].transpose(RECORD, "chain", "draw").values
        draws = replicas.shape[1] * replicas.shape[2]  # not -1: a study may have no records
        found = _ranks(replicas.reshape(len(table), draws), table)
        table = table.join(found.add_prefix(prefix))
    kept = [name for name in table if name not in (*FIGURES, "whole")]
    return PredictiveCheck(table[kept], _summary(table))


def _ranks(replicas: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    """Rank of each figure among its replicas, and how many replicas obey each bound."""
    # Half of what is exactly equal counts as below; a record that says nothing has no replicas.
    point = np.array([kind_of(kind).is_figure for kind in table["kind"]], dtype=bool)
    silent = np.isnan(replicas).all(axis=1)
    low, high = (
        on_scale(ends, table["kind"], table["whole"])[:, None] for ends in stated_ends(table)
    )
    pit, other = (_rank(replicas, table[name], table) for name in ("value", "other"))
    pit = np.where(np.abs(other - 0.5) < np.abs(pit - 0.5), other, pit)
    obeyed = ~(replicas < low) & ~(replicas > high)
    return pd.DataFrame(
        {
            "pit": np.where(point & ~silent, pit, np.nan),
            "chance": np.where(~point & ~silent, obeyed.mean(axis=1), np.nan),
        },
        index=table.index,
    )


def _rank(replicas: np.ndarray, figures: pd.Series, table: pd.DataFrame) -> np.ndarray:
    """Share of replicas below each figure; NaN where there is none."""
    figure = on_scale(figures, table["kind"], table["whole"])[:, None]
    rank = (replicas < figure).mean(axis=1) + 0.5 * (replicas == figure).mean(axis=1)
    return np.where(np.isnan(figure[:, 0]), np.nan, rank)


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    ranks = table[[name for name in table if str(name).endswith(("pit", "chance"))]]
    kinds = table["kind"]
    groups = [*ranks.groupby([table[REPORTER], kinds], sort=True)]
    groups += [((ALL, kind), rows) for kind, rows in ranks.groupby(kinds, sort=True)]
    return pd.DataFrame(
        [{REPORTER: reporter, "kind": kind, **_shares(rows)} for (reporter, kind), rows in groups]
    )


def _shares(rows: pd.DataFrame) -> dict[str, Any]:
    shares: dict[str, Any] = {"records": len(rows)}
    for prefix in ("", f"{PRIOR}_"):
        if f"{prefix}pit" not in rows:
            continue
        pit, chance = (rows[f"{prefix}{name}"].to_numpy(dtype=float) for name in ("pit", "chance"))
        pit = pit[~np.isnan(pit)]
        for level in LEVELS:
            shares[f"{prefix}inside_{100 * level:.0f}"] = _mean(np.abs(pit - 0.5) <= level / 2)
        shares[f"{prefix}pit"] = _mean(pit)
        shares[f"{prefix}chance"] = _mean(chance[~np.isnan(chance)])
    return shares


def _mean(values: np.ndarray) -> float:
    """Mean; NaN of nothing."""
    return float(values.mean()) if values.size else np.nan
