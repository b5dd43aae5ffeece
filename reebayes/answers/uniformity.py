"""Whether held-out records lie where they were predicted: uniformity of their PIT.

A fit has seen its records, so that what it predicts of them lies too near for any test to fail.
The probability integral transforms (PIT) here are of refits that did not see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reebayes.answers.predictive import ALL
from reebayes.conventions import RECORD, REPORTER
from reebayes.errors import ResultError
from reebayes.study.kinds import kind_of

FIGURE_ROWS, BOUND_ROWS = "figures", "bounds"
"""A bound has a random place on its stated side, and is kept apart from figures."""

BINS, CHANCE = 10, 0.95
FEWEST = 5
"""Fewer records than these are not tested by themselves."""

FILES = ("pit", "pit_summary", "pit_histogram")
_EDGE = 1e-9
"""What a PIT counts as at the least, so that its normal score is finite."""


@dataclass(frozen=True, slots=True)
class HeldOutCheck:
    """Held-out records beside what refits predicted of them.

    Parameters
    ----------
    records : DataFrame
        One row per record: ``reporter, kind, quantity, year``; ``pit_low`` and ``pit_high``, the
        predictive probability below the lower and the upper end of what is stated; ``pit``,
        which is both for a figure and a random place between them for a bound; ``z``, its normal
        score.
    summary : DataFrame
        One row per reporter, and two first ones of all: of ``figures`` and of ``bounds``
        (``what``). How many ``records``; ``mean`` of the PIT, 0.5 if predictions are not shifted;
        ``sd_z`` of the normal scores about 0, 1 if predictions are as wide as they should be;
        shares ``inside_50`` and ``inside_90`` of the predictive bands; the largest ``distance``
        between the distribution of the PIT and the uniform one (Kolmogorov), and ``p``, the share
        of replicated records that lie as far from it or farther. ``study_hash`` says of what study.
    histogram : DataFrame
        One row per bin of figures and of bounds: ``what, low, high, records``, and the envelope
        ``least`` to ``most`` in which all bins of replicated records lie with 95 % probability.
    """

    records: pd.DataFrame
    summary: pd.DataFrame
    histogram: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The three tables by the name of their file."""
        tables = (self.records.reset_index(), self.summary, self.histogram)
        return dict(zip(FILES, tables, strict=True))

    def __str__(self) -> str:
        """The summary as text: of all records, and of reporters with enough of them."""
        shown = shown_rows(self.summary).drop(columns="study_hash")
        formats = {"mean": "{:.2f}", "sd_z": "{:.2f}", "inside_50": "{:.0%}", "inside_90": "{:.0%}",
                   "distance": "{:.3f}", "p": "{:.3f}"}  # fmt: skip
        text = {name: shown[name].map(form.format) for name, form in formats.items()}
        return (
            "Held-out records among what was predicted of them (PIT); p of uniform, from replicas\n"
            + shown.assign(**text).replace("nan", "").to_string(index=False)
        )


def read_held_out_check(folder: Path) -> HeldOutCheck | None:
    """Read the check that ``reebayes compare --folds`` wrote into a folder; None if there is none.

    Raises
    ------
    ResultError
        If a file is damaged or lacks a column.
    """
    paths = [folder / f"{name}.csv" for name in FILES]
    if not all(path.is_file() for path in paths):
        return None
    needed = ("pit", "study_hash", "most")
    tables = []
    for path, column in zip(paths, needed, strict=True):
        try:
            tables.append(pd.read_csv(path, dtype={"study_hash": str}))
        except (ValueError, OSError) as error:
            raise ResultError(f"{path}: cannot be read as a table ({error}).") from error
        if column not in tables[-1]:
            raise ResultError(f"{path}: not a table of `reebayes compare`; it has no {column!r}.")
    records, summary, histogram = tables
    return HeldOutCheck(records.set_index(RECORD), summary, histogram)


def shown_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all records, and of reporters with enough of them to be tested."""
    return summary[(summary[REPORTER] == ALL) | (summary["records"] >= FEWEST)]


def held_out_check(
    places: pd.DataFrame, replicas: np.ndarray, about: pd.DataFrame, *, study_hash: str = ""
) -> HeldOutCheck:
    """Test whether the PIT of held-out records are uniform.

    Parameters
    ----------
    places : DataFrame
        By record: ``pit_low, pit_high, pit``.
    replicas : array (replica, record)
        The PIT of replicated records, each set drawn together, so that what records share (a
        bias, an error, a flow) makes replicas lie as far from uniform as it may make records.
    about : DataFrame
        By record: ``reporter, kind, quantity, year``.
    study_hash : str
        Of the study whose records they are.

    Returns
    -------
    HeldOutCheck
    """
    table = about.reindex(places.index).join(places[["pit_low", "pit_high", "pit"]])
    from scipy.stats import norm  # a page that shows a finished check does without

    table = table.assign(z=norm.ppf(table["pit"].clip(_EDGE, 1 - _EDGE)))
    figure = np.array([kind_of(kind).is_figure for kind in table["kind"]], dtype=bool)
    reporter = table[REPORTER].to_numpy(dtype=str)
    rows = [_row(ALL, FIGURE_ROWS, table[figure], replicas[:, figure]),
            _row(ALL, BOUND_ROWS, table[~figure], replicas[:, ~figure])]  # fmt: skip
    for name in sorted(set(reporter[figure])):
        here = figure & (reporter == name)
        rows.append(_row(name, FIGURE_ROWS, table[here], replicas[:, here]))
    kinds = ((FIGURE_ROWS, figure), (BOUND_ROWS, ~figure))
    bins = [_bins(what, table[these], replicas[:, these]) for what, these in kinds if these.any()]
    summary = pd.DataFrame([row for row in rows if row["records"]]).assign(study_hash=study_hash)
    return HeldOutCheck(table.rename_axis(RECORD), summary, pd.concat(bins, ignore_index=True))


def _row(reporter: str, what: str, table: pd.DataFrame, replicas: np.ndarray) -> dict[str, object]:
    pit = table["pit"].to_numpy(dtype=float)
    row: dict[str, object] = {REPORTER: reporter, "what": what, "records": pit.size}
    if not pit.size:
        return row
    distance, enough = _distance(pit[None])[0], pit.size >= FEWEST
    beyond = int((_distance(replicas) >= distance).sum())
    return row | {
        "mean": pit.mean(),
        "sd_z": float(np.sqrt(np.mean(table["z"] ** 2))),
        "inside_50": float((np.abs(pit - 0.5) <= 0.25).mean()),
        "inside_90": float((np.abs(pit - 0.5) <= 0.45).mean()),
        "distance": distance,
        "p": (1 + beyond) / (1 + len(replicas)) if enough else np.nan,
    }


def _distance(pit: np.ndarray) -> np.ndarray:
    """Kolmogorov distance of each row (set, record) from the uniform distribution."""
    ordered = np.sort(pit, axis=1)
    steps = np.arange(pit.shape[1] + 1) / pit.shape[1]
    return np.asarray(np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max(axis=1))


def _bins(what: str, table: pd.DataFrame, replicas: np.ndarray) -> pd.DataFrame:
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.histogram(table["pit"], edges)[0]
    drawn = np.array([np.histogram(row, edges)[0] for row in replicas]).reshape(-1, BINS)
    least, most = _envelope(drawn) if len(drawn) else (counts, counts)
    return pd.DataFrame({
        "what": what, "low": edges[:-1], "high": edges[1:], "records": counts,
        "least": least, "most": most,
    })  # fmt: skip


def _envelope(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The narrowest bounds, of one tail in every bin, that hold whole replicas often enough."""
    for tail in np.linspace((1 - CHANCE) / 2, 0, 51):
        least = np.quantile(counts, tail, axis=0, method="lower")
        most = np.quantile(counts, 1 - tail, axis=0, method="higher")
        if ((counts >= least) & (counts <= most)).all(axis=1).mean() >= CHANCE:
            break
    return least, most
