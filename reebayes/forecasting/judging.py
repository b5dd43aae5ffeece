"""Whether outlooks were right: an outlook of a past year against what came.

What came is what a fit of all records says of it, its median. Beside the outlook stand a random
walk with drift, which knows nothing but the past of the one quantity, and the projections that were
published at the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import CI_PROB, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.forecasting.running import OUTLOOK
from reebayes.inference.sampling import fit as sample
from reebayes.results.fitfile import open_fit
from reebayes.results.reading import Fit
from reebayes.results.selection import quantity
from reebayes.study import Projection, Study

COLUMNS = ("quantity", "year", "ahead", "truth", "truth_lower", "truth_upper", "median", "lower",
           "upper", "covered", "crps", "walk_lower", "walk_upper", "walk_covered", "walk_crps",
           "published", "published_crps")  # fmt: skip

LATE = 2
"""Years after a cut up to which a projection counts as one of the time."""


type Floats = NDArray[np.float64]


def cut_fit(shorter: Study, folder: Path, *, seed: int = 0) -> xr.DataTree:
    """Return the fit of a cut study, from a folder if it is there.

    Parameters
    ----------
    shorter : Study
        As `cut` returns it.
    folder : Path
        Where the fit is kept, as ``cut_YEAR.nc``.
    seed : int
    """
    path = folder / f"cut_{shorter.last_year}.nc"
    if path.exists():
        there = open_fit(path)
        if there.attrs.get("study_hash") == shorter.hash and there.attrs.get("seed") == seed:
            return there
        there.close()
    sample(shorter, seed=seed, out=path)
    return open_fit(path)


def hindcast(
    fit: Fit, ahead: xr.DataTree, truth: Fit, *, quantities: Sequence[str],
    projections: Iterable[Projection] = (), ci_prob: float = CI_PROB, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Score an outlook of a past year against what came.

    Parameters
    ----------
    fit : DataTree
        A fit of a study that was cut at a year, see `cut`.
    ahead : DataTree
        Its `outlook`.
    truth : DataTree
        A fit of the whole study.
    quantities : sequence of str
        Quantities, or sums such as ``"mined_US + mined_RW"``.
    projections : iterable of Projection
        Those published up to two years after the cut are scored where they are about one of the
        quantities and a year of the outlook; several of one year are taken as equally probable.
    ci_prob : float
        Probability inside the bands.
    seed : int
        Of the random walk.

    Returns
    -------
    DataFrame
        One row for each quantity and year of both: the truth with its own band, the band of the
        outlook, whether it covers the median of the truth, and the continuous ranked probability
        scores (in the unit, smaller is better) of outlook, random walk with drift and published
        projections (NaN where there are none; ``published`` is their mean).

    Raises
    ------
    ResultError
        If there is no year that both the outlook and the truth have.

    Examples
    --------
    >>> import reebayes as rb
    >>> then, now = rb.open_fit("results/to_2010.nc"), rb.open_fit("results/fit.nc")
    >>> ahead = rb.outlook(then, to=2012)
    >>> table = rb.hindcast(then, ahead, now, quantities=["mined_world"])
    >>> table[["quantity", "year"]].values.tolist()
    [['mined_world', 2011], ['mined_world', 2012]]
    """
    cut_at = int(ahead.attrs["first_year"]) - 1
    rng, rows = np.random.default_rng(seed), []
    for name in quantities:
        past, after = quantity(fit, name), quantity(ahead.children[OUTLOOK], name)
        came = quantity(truth, name)
        years = [int(year) for year in after[YEAR].values if year in came[YEAR].values]
        walked = _walk(_samples(past), len(years), rng)
        for at, year in enumerate(years):
            true = _samples(came.sel({YEAR: [year]}))[:, 0]
            ours = _samples(after.sel({YEAR: [year]}))[:, 0]
            said = _published(projections, name, year, cut_at)
            rows.append(_row(name, year, year - cut_at, true, ours, walked[:, at], said, ci_prob))
    if not rows:
        raise ResultError("The outlook and the fit that it is judged by have no year in common.")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def hindcast_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Sum up a hindcast by quantity, and over all of them.

    Parameters
    ----------
    table : DataFrame
        As `hindcast` returns it.

    Returns
    -------
    DataFrame
        ``years``, ``coverage`` of the bands and ``walk_coverage``; mean scores ``crps`` and
        ``walk_crps`` with their ``ratio`` (below 1 the outlook is the better one);
        ``published_years``, and mean scores of those years only, ``published_crps`` and
        ``crps_then``. Over all quantities ratios are geometric means of those of the quantities.

    Examples
    --------
    >>> import reebayes as rb
    >>> then, now = rb.open_fit("results/to_2010.nc"), rb.open_fit("results/fit.nc")
    >>> names = ["mined_world", "consumed_world"]
    >>> table = rb.hindcast(then, rb.outlook(then, to=2012), now, quantities=names)
    >>> rb.hindcast_summary(table)["years"].to_dict()
    {'mined_world': 2, 'consumed_world': 2, 'all': 4}
    """
    rows = {name: _summary(part) for name, part in table.groupby("quantity", sort=False)}
    found = pd.DataFrame.from_dict(rows, orient="index")
    total = _summary(table)
    total["ratio"] = float(np.exp(np.log(found["ratio"]).mean()))
    found.loc["all"] = pd.Series(total)
    return found.rename_axis("quantity").astype({"years": int, "published_years": int})


def _summary(part: pd.DataFrame) -> dict[str, float]:
    said = part[part["published_crps"].notna()]
    return {
        "years": len(part),
        "coverage": float(part["covered"].mean()),
        "walk_coverage": float(part["walk_covered"].mean()),
        "crps": float(part["crps"].mean()),
        "walk_crps": float(part["walk_crps"].mean()),
        "ratio": float(part["crps"].mean() / part["walk_crps"].mean()),
        "published_years": len(said),
        "published_crps": float(said["published_crps"].mean()) if len(said) else np.nan,
        "crps_then": float(said["crps"].mean()) if len(said) else np.nan,
    }


def crps(draws: Floats, truth: float) -> float:
    """Return the continuous ranked probability score of equally probable draws.

    Parameters
    ----------
    draws : array (draw)
    truth : float

    References
    ----------
    Gneiting & Raftery (2007), Strictly proper scoring rules, prediction, and estimation, eq. 21.
    """
    ordered = np.sort(draws)
    count = len(ordered)
    # Half the mean distance of all pairs, by the ranks of the draws.
    weights = 2 * np.arange(1, count + 1) - count - 1
    spread = float(np.dot(weights, ordered)) / count**2
    return float(np.mean(np.abs(ordered - truth))) - spread


def _row(
    name: str, year: int, ahead: int, true: Floats, ours: Floats, walked: Floats, said: Floats,
    ci_prob: float,
) -> list[object]:  # fmt: skip
    tails = [(1 - ci_prob) / 2, 1 - (1 - ci_prob) / 2]
    middle = float(np.median(true))
    low, high = (float(end) for end in np.quantile(ours, tails))
    walk_low, walk_high = (float(end) for end in np.quantile(walked, tails))
    return [
        name, year, ahead, middle, *(float(end) for end in np.quantile(true, tails)),
        float(np.median(ours)), low, high, low <= middle <= high, crps(ours, middle),
        walk_low, walk_high, walk_low <= middle <= walk_high, crps(walked, middle),
        float(said.mean()) if len(said) else np.nan,
        crps(said, middle) if len(said) else np.nan,
    ]  # fmt: skip


def _samples(draws: xr.DataArray) -> Floats:
    """Draws (sample, year)."""
    values = draws.transpose(*SAMPLE_DIMS, YEAR).values
    return np.asarray(values.reshape(-1, values.shape[-1]), dtype=float)


def _walk(past: Floats, years: int, rng: np.random.Generator) -> Floats:
    """Let each draw of the last year walk on with drift (sample, year).

    Steps are normal with the mean and spread of those of the median so far, on the log scale, or on
    the plain one where there was nothing in some year; the drift is as uncertain as its mean is.
    """
    middle = np.median(past, axis=0)
    logs = bool((past > 0).all())
    steps = np.diff(np.log(middle) if logs else middle)
    drift, spread = float(steps.mean()), float(steps.std(ddof=1))
    count = len(past)
    slopes = drift + spread / np.sqrt(len(steps)) * rng.standard_normal(count)
    moves = slopes[:, None] + spread * rng.standard_normal((count, years))
    paths = np.cumsum(moves, axis=1)
    last = past[:, -1:]
    return np.asarray(last * np.exp(paths) if logs else np.maximum(last + paths, 0.0))


def _published(projections: Iterable[Projection], name: str, year: int, cut_at: int) -> Floats:
    found = [
        number for one in projections for number in one.stated
        if (one.quantity, one.year) == (name, year) and one.vintage <= cut_at + LATE
    ]  # fmt: skip
    return np.array(found, dtype=float)
