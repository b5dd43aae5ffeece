"""Kinds of indicators: what each is computed from, and in which units it is told.

A kind is one row of `INDICATOR_KINDS`. Its members are sums of quantities and flows, or indicators,
in the order of its roles; what is done with their draws stands in `answers.indices`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reebayes.conventions import parse_terms

USGS, EU, PHYSICAL = "usgs", "eu", "physical"
CONVENTIONS = (USGS, EU, PHYSICAL)
"""Conventions of net import reliance: with stocks and not below 0, without stocks and not below 0,
with stocks and below 0 for a net exporter."""

STUDY_UNIT = "unit of the study"
FRACTION, RATIO = "fraction", "ratio"
INDEX, INDEX_10000 = "index 0-1", "index 0-10000"
FACTOR, RATE, TRUTH = "factor", "fraction/yr", "true or false"

SUMS, INDICATORS, EITHER = "sums", "indicators", "either"
"""What the members of a kind are: sums of quantities and flows, indicators, or one of the two."""

_CRITERION = re.compile(r"(\S+) *> *([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)")


@dataclass(frozen=True, slots=True)
class IndicatorKind:
    """One kind of indicator.

    Parameters
    ----------
    name : str
        As column ``kind`` has it.
    meaning : str
        What it is, as a sentence.
    roles : tuple of str
        What its members are, in order.
    least, most : int
        How many members it may have.
    units : tuple of str
        Units in which it may be told.
    members : str
        Whether they are sums, indicators or either.
    """

    name: str
    meaning: str
    roles: tuple[str, ...]
    least: int
    most: int
    units: tuple[str, ...]
    members: str = SUMS


_MANY = 99
_TRADE = ("production", "imports", "exports", "addition to stocks")

INDICATOR_KINDS: Mapping[str, IndicatorKind] = {
    kind.name: kind
    for kind in (
        IndicatorKind("ratio", "The first sum over the second.", ("above", "below"), 2, 2,
                      (FRACTION, RATIO)),
        IndicatorKind("share", "The first sum over the sum of all.", ("part", "others"), 2, _MANY,
                      (FRACTION,)),
        IndicatorKind("largest_share", "The largest share of the sum of all.", ("parts",), 2, _MANY,
                      (FRACTION,)),
        IndicatorKind("hhi", "Herfindahl-Hirschman index: sum of the squared shares.", ("parts",),
                      2, _MANY, (INDEX, INDEX_10000)),
        IndicatorKind("dependence", "Share of one partner in imports.",
                      ("imports from the partner", "all imports"), 2, 2, (FRACTION,)),
        IndicatorKind("net_import_reliance", "Net imports over apparent consumption.", _TRADE, 3, 4,
                      (FRACTION,)),
        IndicatorKind("self_sufficiency", "Production over apparent consumption.", _TRADE, 3, 4,
                      (FRACTION, RATIO)),
        IndicatorKind("net_export", "Exports less imports.", ("exports", "imports"), 2, 2,
                      (STUDY_UNIT,)),
        IndicatorKind("product", "Product of its members.", ("factors",), 2, _MANY,
                      (FRACTION, RATIO, INDEX), INDICATORS),
        IndicatorKind("supply_risk",
                      "Concentration of world supply and of a region's own sources, weighted by "
                      "its import reliance R: world R/2 + sources (1 - R/2).",
                      ("index of world supply", "index of sources", "import reliance"), 3, 3,
                      (INDEX,), INDICATORS),
        IndicatorKind("criteria", "Whether all hold: 1 or 0 in each draw, so its mean is P(all).",
                      ("indicator > number",), 1, _MANY, (TRUTH,), INDICATORS),
        IndicatorKind("change", "Less that of the year before; over a span, last year less first.",
                      ("of what",), 1, 1, (STUDY_UNIT, FRACTION, INDEX), EITHER),
        IndicatorKind("growth", "Over that of the year before; over a span, last year over first.",
                      ("of what",), 1, 1, (FACTOR,), EITHER),
        IndicatorKind("growth_rate", "Compound rate a year of its growth.", ("of what",), 1, 1,
                      (RATE,), EITHER),
        IndicatorKind("ramp", "Change a year of the first sum, as a share of the second.",
                      ("what grows", "whole"), 2, 2, (RATE,)),
    )
}  # fmt: skip
"""Every kind of indicator by its name; column ``kind`` of indicators.csv holds one of them."""


def criterion(member: str) -> tuple[str, float] | None:
    """Return indicator and threshold of ``name > number``; None if it is none."""
    found = _CRITERION.fullmatch(member.strip())
    try:
        return (found[1], float(found[2])) if found else None
    except ValueError:
        return None


def names_in(kind: IndicatorKind, members: tuple[str, ...]) -> Iterator[str]:
    """Iterate over the quantities, flows and indicators that members name."""
    for member in members:
        if kind.name == "criteria":
            found = criterion(member)
            yield from () if found is None else (found[0],)
        elif kind.members == INDICATORS:
            yield member
        else:
            yield from parse_terms(member)[0]
