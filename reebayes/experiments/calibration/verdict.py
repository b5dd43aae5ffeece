"""What a calibration says in words: each criterion in one sentence, each exception by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reebayes.conventions import CI_PROB
from reebayes.experiments.calibration.again import AGAIN, BESIDE
from reebayes.experiments.calibration.assessing import FEW, OWN, SIZE, most_outside, uniformity
from reebayes.experiments.calibration.datasets import DESCRIPTIONS, WELL_SPECIFIED
from reebayes.experiments.calibration.estimands import SUM, Estimand
from reebayes.model.unknowns import Floats
from reebayes.study import Study
from reebayes.wording import listed

EVEN = (WELL_SPECIFIED, BESIDE)
"""Kinds of data sets whose ranks are uniform if model and sampler are right."""

WELL = (0.86, 0.94)
"""What 90 % bands of a quantity cover in such data sets."""

WEAK = 0.8
"""What they cover at least in data sets of any other kind."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """Uniformity of the ranks of one kind of data sets.

    Attributes
    ----------
    table : DataFrame
        As `uniformity` returns it.
    limit : int
        How many test quantities may leave their own envelope by chance, as `most_outside` finds.
    """

    table: pd.DataFrame
    limit: int

    @property
    def outside(self) -> int:
        """How many test quantities leave their own envelope."""
        return int((~self.table["inside_own"].astype(bool)).sum())

    @property
    def passed(self) -> bool:
        """Whether all stay inside together, and no more than by chance leave their own."""
        return bool(self.table["inside"].all()) and self.outside <= self.limit


def ranks_of(estimands: Sequence[Estimand], values: Floats, headline: Sequence[str]) -> Ranks:
    """Judge the ranks of one kind of data sets; parameters as of `uniformity`."""
    table = uniformity(estimands, values, headline)
    return Ranks(table, most_outside(estimands, values, headline) if len(table) else 0)


def mixing(refits: pd.DataFrame, failing: float) -> str:
    """Say how many refits did not mix; more than a share of `failing` fails."""
    failed = int((refits["passed"] == 0).sum())
    told = f"{len(refits)} refits, of which {failed} did not mix"
    limit = "" if failed <= failing * len(refits) else f": more than {failing:.0%}, so FAILED"
    return f"{told}{limit}; they are counted like the others."


def rank_sentences(even: Mapping[str, Ranks]) -> Iterator[str]:
    """Say whether ranks are uniform, for each kind of data sets of `EVEN` that there is."""
    if not any(len(ranks.table) for ranks in even.values()):
        yield f"Ranks are tested from {FEW} well-specified data sets on."
    for kind, ranks in even.items():
        table, count = ranks.table, len(ranks.table)
        if not count:
            continue
        uneven = list(table.loc[~table["inside"], "figure"])
        outcome = f"FAILED for {listed(uneven[:10])}" if uneven else "passed"
        yield f"{kind}: uniform ranks of {count} test quantities ({SIZE:.0%} over all): {outcome}."
        yield (
            f"{kind}: {ranks.outside} of {count} test quantities leave their own {OWN:.0%} "
            f"envelope; by chance {(1 - OWN) * count:.1f} would, and at most {ranks.limit} with a "
            f"probability of {1 - SIZE:.0%}, since they hang together: "
            f"{'passed' if ranks.outside <= ranks.limit else 'FAILED'}."
        )


def coverage_sentences(coverage: pd.DataFrame) -> Iterator[str]:
    """Say what 90 % bands of each kind of data sets cover, and which quantities are exceptions.

    Parameters
    ----------
    coverage : DataFrame
        ``world`` beside the columns of `coverage_table`.
    """
    described = {**DESCRIPTIONS, **AGAIN}
    bands = coverage[coverage["band"] == CI_PROB]
    for kind, rows in bands.groupby("world", sort=False):
        pooled = rows[rows["quantity"] == "all"]
        parts = [
            f"{_BANDS[what]} {_share(covered, lower, upper)}"
            for what, covered, lower, upper in _figures(pooled)
        ]
        yield (
            f"{kind} ({described[str(kind)]}; {int(pooled['worlds'].iloc[0])} data sets): "
            f"{CI_PROB:.0%} bands cover the truth {' and '.join(parts)}."
        )
        if pooled["worlds"].iloc[0] >= FEW:
            yield _exceptions(str(kind), rows)


_BANDS = {"years": "by year", "sum": "of sums"}


def _exceptions(kind: str, rows: pd.DataFrame) -> str:
    """Say whether the bands of every quantity cover as much as they should, and which do not."""
    low, high = WELL if kind in EVEN else (WEAK, 1.0)
    asked = f"{low:.0%} to {high:.0%}" if kind in EVEN else f"at least {low:.0%}"
    said = f"{kind}: {CI_PROB:.0%} bands of each quantity cover {asked}, by year and of sums"
    wide = rows[(rows["covered"] < low) | (rows["covered"] > high)]
    if wide.empty:
        return f"{said}: passed."
    named = []
    for what, words in _BANDS.items():
        found = wide[wide["what"] == what]
        ones = [
            f"{'all together' if name == 'all' else name} {_share(*figures)}"
            for name, (_, *figures) in zip(found["quantity"], _figures(found), strict=True)
        ]
        named += [f"{words} {listed(ones)}"] if ones else []
    return f"{said}: FAILED {'; '.join(named)}."


def _figures(rows: pd.DataFrame) -> Iterator[tuple[str, float, float, float]]:
    yield from rows[["what", "covered", "lower", "upper"]].itertuples(index=False, name=None)


def _share(covered: float, lower: float, upper: float) -> str:
    return f"{covered:.1%} ({lower:.1%} to {upper:.1%})"


def places(
    study: Study, estimands: Sequence[Estimand], kind: str, values: Mapping[str, Floats]
) -> Iterator[str]:
    """Say where truths drawn from a fit lie in their bands, in the mean.

    Parameters
    ----------
    study : Study
    estimands : sequence of Estimand
    kind : str
        One of `AGAIN`; nothing is said if there is none of it.
    values : mapping of kind -> array (world, estimand)
        As `uniform_ranks` returns them.
    """
    if kind not in values:
        return
    for name in study.headline:
        at = [n for n, one in enumerate(estimands) if (one.family, one.name) == (SUM, name)]
        ranked = values[kind][:, at]
        found = ranked[np.isfinite(ranked)]
        if not found.size:
            continue
        middle, error = float(found.mean()), 1.96 / math.sqrt(12 * found.size)
        side = "as often above as below their middle"
        if abs(middle - 0.5) > error:
            # a truth of low rank has most draws above it
            side = "bands lie too high" if middle < 0.5 else "bands lie too low"
        yield (
            f"{kind}: the true sum of {name} has a mean rank of {middle:.2f}, which is 0.50 "
            f"give or take {error:.2f} if it lies as often on either side: {side}."
        )
