"""Which prior is out, where most records of some quantities contradict the priors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reebayes.study.checks.context import Context
from reebayes.study.checks.prior_flows import PriorFlows, draw_flows
from reebayes.study.drafts import Draft
from reebayes.study.kinds import SUM, kind_of
from reebayes.study.reading.cells import Entry
from reebayes.study.rows import Prior, Record
from reebayes.study.targets import FLOW, ROUTE

NEAR = math.log(10.0)
"""Distance within which a figure is again near what the priors expect."""

FARTHEST = math.log(1e12)
"""How far a median is moved at most."""

MOST_TRIED = 200
"""Targets that are tried one by one; of a larger study, inflows only, which are most often out."""


@dataclass(frozen=True, slots=True)
class Blamed:
    """A prior whose median, changed, brings the records and the priors together again.

    Parameters
    ----------
    entry : Entry
        Its row, the first of a target if all of them are meant.
    median : float
        What its median would have to be, on its own scale.
    mended : Draft
        The study with that median.
    """

    entry: Entry[Prior]
    median: float
    mended: Draft


def find_prior(
    draft: Draft, context: Context, figures: Sequence[tuple[Record, float]], shift: float
) -> Blamed | None:
    """Return the prior that explains most of what is far from the priors, None if none does.

    Every prior is moved in turn, and the one with which fewest figures are far is the one that is
    out: another may bring some figures near, and takes others away.

    Parameters
    ----------
    draft : Draft
    context : Context
    figures : sequence of (Record, float)
        A figure of each series, and its distance from what the priors expect, on the log scale.
    shift : float
        How far the medians are moved, on that scale.
    """
    shift = max(-FARTHEST, min(shift, FARTHEST))
    before = draw_flows(draft, context, draws=1)

    def tried(rows: Sequence[Entry[Prior]]) -> tuple[tuple[int, float], Blamed]:
        changed = _changed(draft, rows, shift)
        return _far_after(figures, before, draw_flows(changed.mended, context, draws=1)), changed

    by_target: dict[str, list[Entry[Prior]]] = {}
    for entry in draft.priors:
        if entry.item.about.group in (FLOW, ROUTE):
            by_target.setdefault(entry.item.target, []).append(entry)
    if len(by_target) > MOST_TRIED:
        by_target = {
            name: rows
            for name, rows in by_target.items()
            if rows[0].item.distribution == "lognormal"
        }
    if not by_target:
        return None
    found = [tried(rows) for rows in by_target.values()]
    likely = min(found, key=lambda pair: pair[0])[1].entry.item.target
    found += [tried([entry]) for entry in by_target[likely]]
    (left, _), best = min(found, key=lambda pair: pair[0])
    far = sum(abs(offset) > NEAR for _, offset in figures)
    return best if left < far and 2 * left <= far else None


def _changed(draft: Draft, rows: Sequence[Entry[Prior]], shift: float) -> Blamed:
    """Return the study with some rows of a target shifted."""
    moved = {id(entry): _moved(entry, shift) for entry in rows}
    priors = [moved.get(id(entry), entry) for entry in draft.priors]
    return Blamed(rows[0], moved[id(rows[0])].item.median, replace(draft, priors=priors))


def _moved(entry: Entry[Prior], shift: float) -> Entry[Prior]:
    prior = entry.item
    if prior.distribution == "normal":
        number = prior.median + shift
    elif prior.distribution == "share":
        odds = prior.median / (1 - prior.median) * math.exp(shift)
        number = odds / (1 + odds)
    else:
        number = prior.median * math.exp(shift)
    return replace(entry, item=replace(prior, median=number))


def _far_after(
    figures: Sequence[tuple[Record, float]], before: PriorFlows, after: PriorFlows
) -> tuple[int, float]:
    """Return how many figures are far once the priors have moved, and how far they are together."""
    distances = []
    for record, offset in figures:
        key = (record.quantity, record.year, record.year_end)
        total = kind_of(record.kind).years == SUM
        old, new = (flows.expected(*key, total=total) for flows in (before, after))
        distances.append(abs(offset - (new[0] - old[0] if old and new else 0.0)))
    return sum(distance > NEAR for distance in distances), sum(distances)
