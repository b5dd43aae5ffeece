"""Prior-data conflict: what the records moved beyond what was assumed."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from reebayes.answers.hangs import CONFLICT_FROM
from reebayes.answers.leave_one_out import LeftOut, pulls
from reebayes.conventions import CI_PROB
from reebayes.errors import ResultError
from reebayes.experiments.sensitivities import study_in
from reebayes.inference.reweighting import PriorDraws
from reebayes.model.layout import lay_out
from reebayes.model.observations import learnt_logs
from reebayes.model.prior_rows import prior_rows
from reebayes.model.unknowns import Floats
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.study import Prior, Study
from reebayes.study.targets import NOISE, NOISE_SPREAD, RESERVED, Target
from reebayes.wording import years_text

PULLING = 3
"""Records that are named as pulling an unknown away from its prior."""

type _Found = tuple[dict[str, Any], Floats]


def prior_conflict(
    fit: Fit, *, beyond: float = CONFLICT_FROM, study: Study | None = None
) -> pd.DataFrame:
    """Tell how far every unknown was moved from its prior, and which records pull it away.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    beyond : float
        Prior standard deviations of the shift from which prior and data are in conflict.
    study : Study, optional
        The study that was fitted; taken from the fit if left out.

    Returns
    -------
    DataFrame
        One row for each unknown that a row of the priors governs (index ``row``: its target and
        years), the largest shift first. ``unknown``; ``year`` in which it lies furthest from its
        prior median, empty if it never changes; ``shift`` there: posterior mean less prior median
        in standard deviations of the prior, on its scale (logs; log odds of shares);
        ``mean_shift``: the same, averaged over the row's years. ``prior, prior_lower,
        prior_upper`` and ``posterior, posterior_lower, posterior_upper``: median and 90 % band in
        ``unit`` in that year, of a share as if the others stood at their medians. ``conflict``:
        whether the shift is beyond the limit in any year; ``years`` in which it is, and
        ``pulled_by``: up to three records with the largest leave-one-out influence in the direction
        of the shift, each with what it adds to it in prior standard deviations (``~`` where it is
        to first order only). ``source`` of the prior.

    Raises
    ------
    ResultError
        If `beyond` is not above 0, or the fit does not hold its study, or is of another one.

    References
    ----------
    Evans, Moshonov (2006), Checking for prior-data conflict, Bayesian Analysis 1, 893-914.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.prior_conflict(rb.open_fit("results/zinc.nc"))
    >>> table.loc["mined", "unit"], table.columns[:3].tolist()
    ('kt Zn/yr', ['unknown', 'year', 'shift'])
    """
    if not beyond > 0:
        raise ResultError(f"beyond must be above 0, not {beyond}.")
    contents = contents_of(fit)
    found = list(_unknowns(contents, study_in(contents, study), beyond))
    if any(row["conflict"] for row, _ in found):
        left_out = LeftOut.of(contents)
        for row, draws in found:
            if row["conflict"]:
                row["pulled_by"] = _pulling(draws, row["shift"], left_out)
    table = pd.DataFrame([row for row, _ in found], columns=_COLUMNS).set_index("row")
    return table.sort_values("shift", key=abs, ascending=False, kind="stable")


_COLUMNS = (
    "row", "unknown", "year", "shift", "mean_shift", "prior", "prior_lower", "prior_upper",
    "posterior", "posterior_lower", "posterior_upper", "unit", "conflict", "years", "pulled_by",
    "source",
)  # fmt: skip


def _unknowns(contents: Contents, study: Study, beyond: float) -> Iterator[_Found]:
    """Rows of the table, each with the draws of its unknown in the year that it is about."""
    layout = lay_out(study)
    draws = PriorDraws(study, layout, contents.latents)
    tail = (1 - CI_PROB) / 2
    levels = (0.5, tail, 1 - tail)
    assumed = [NormalDist().inv_cdf(level) for level in levels]
    errors = layout.equations.errors
    stretch = learnt_logs(errors, contents.latents).get(str(NOISE_SPREAD))
    # the same of every reporter
    of_noise = [_stretched(level, *errors.stretch) for level in levels]
    for row in prior_rows(study, layout):
        prior = row.prior
        for name, years, values in draws.standardised(row):
            means = values.mean(axis=1)
            furthest = int(np.abs(means).argmax())
            far = np.abs(means) > beyond
            shown, stated = values[furthest], assumed
            if stretch is not None and _differs_by_reporter(prior):
                shown = shown * np.exp(stretch).reshape(shown.shape)
                stated = of_noise
            found = {
                "row": prior.label, "unknown": name, "shift": float(means[furthest]),
                "year": str(study.years[years[furthest]]) if len(years) else "",
                "mean_shift": float(means.mean()), "conflict": bool(far.any()),
                "years": years_text([study.years[n] for n in years[far]]) if len(years) else "",
                "unit": prior.unit, "pulled_by": "", "source": prior.source,
            }  # fmt: skip
            for title, ends in (("prior", stated), ("posterior", np.quantile(shown, levels))):
                names = (title, f"{title}_lower", f"{title}_upper")
                found |= {
                    key: _in_unit(prior, float(end)) for key, end in zip(names, ends, strict=True)
                }
            yield found, values[furthest]


def _differs_by_reporter(prior: Prior) -> bool:
    """Whether a row is of the noise of reporters, whose spread may be learnt."""
    target = Target.parse(prior.target)
    return target.group == NOISE and target.name not in RESERVED


def _stretched(level: float, centre: float, sd: float) -> float:
    """Quantile of a standard normal times a lognormal, by its average over the latter."""
    sizes = np.exp(centre + sd * ndtri((np.arange(200) + 0.5) / 200))
    return float(brentq(lambda end: float(ndtr(end / sizes).mean()) - level, -1e3, 1e3))


def _in_unit(prior: Prior, deviation: float) -> float:
    """Value so many standard deviations from the median of a prior."""
    moved = prior.sd * deviation
    if prior.distribution == "normal":
        return prior.median + moved
    if prior.distribution == "share":
        odds = prior.median / (1 - prior.median) * np.exp(moved)
        return float(odds / (1 + odds))
    return float(prior.median * np.exp(moved))


def _pulling(draws: Floats, shift: float, left_out: LeftOut) -> str:
    """Name the records that pull an unknown furthest from its prior."""
    table = pulls(draws, left_out)
    same = table[table["pull"] * np.sign(shift) > 0].head(PULLING)
    return "; ".join(
        f"{name} ({'' if row['reliable'] else '~'}{row['pull']:+.2f})"
        for name, row in same.iterrows()
    )
