"""What a report shows: the ``[report]`` table of ``study.toml``, or its fallback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reebayes.errors import ResultError
from reebayes.results.reading import Contents, require_known

MOST_ANSWERS, MOST_PLOTS = 4, 12
"""Quantities that a study without settings shows first, and as small plots."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a report shows: the ``[report]`` table of ``study.toml``, or its fallback.

    Parameters
    ----------
    headline : list of str
        Quantities of the first table and of the large plots (fallback: up to four that no record
        observes, and so are answers; the first three if all are observed).
    labels : mapping of quantity to text
        Readable names (fallback: the quantity's own name).
    exceeds : mapping of quantity to list of float
        Thresholds x of P(sum over all years > x), in the unit of the sum (fallback: round numbers
        about the prior median).
    beside : mapping of quantity to list of quantity
        Other quantities whose records are drawn, hollow, beside a headline quantity; larger totals
        of which it is a part always are.
    parts : mapping of quantity to list of quantity
        Quantities that add up to a headline quantity, shown under it.
    panels : list of {title, quantities}
        Small plots side by side (fallback: the other quantities that records observe).
    table, table_years : list
        Rows and columns of the table of yearly values (fallback: all quantities, six years).
    sankey_year : int
        Year of the Sankey diagram (fallback: the last).
    scenarios : list of str
        Scenarios whose effect is told.
    indicators : list of str
        Indicators that are told in the years of the table.
    origins : list of {at, by, title}
        Places whose content is traced to where it came from.
    refined : str
        Product whose making counts as refining.
    groups : mapping of group to elements
        Groups of elements that have flows of their own.
    limits : list of str
        Paragraphs on the limitations of the study.
    one_year : int, optional
        The year of a study of one.
    """

    headline: Sequence[str]
    sankey_year: int
    table: Sequence[str]
    table_years: Sequence[int]
    labels: Mapping[str, str] = field(default_factory=dict)
    exceeds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    panels: Sequence[Mapping[str, Any]] = ()
    scenarios: Sequence[str] = ()
    indicators: Sequence[str] = ()
    origins: Sequence[Mapping[str, str]] = ()
    refined: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    limits: Sequence[str] = ()
    one_year: int | None = None

    def label(self, name: str) -> str:
        """Readable name of a quantity."""
        return self.labels.get(name) or name


def plan_of(contents: Contents, year: int | None) -> Plan:
    """Return what a report of a fit shows, and in which year its Sankey diagram is.

    Raises
    ------
    ResultError
        If the ``[report]`` table that the fit carries, or `year`, names what is not there.
    """
    settings, names, years = contents.report, list(contents.units.index), contents.years
    spread = np.linspace(0, len(years) - 1, min(6, len(years))).round().astype(int)
    fallback: dict[str, Any] = {
        "headline": _answers(contents, names),
        "sankey_year": years[-1],
        "table": names,
        "table_years": [years[i] for i in spread],
    }
    if year is not None and year not in years:
        raise ResultError(f"{year} is not a year of this fit, {years[0]}-{years[-1]}.")
    chosen = fallback | settings
    if "panels" not in settings and "headline" not in settings:
        chosen |= {"panels": _panels(contents, names, chosen["headline"])}
    chosen |= {"one_year": years[0]} if len(years) == 1 else {}
    plan = Plan(**(chosen if year is None else chosen | {"sankey_year": year}))
    require_known(_named(plan), names, "quantity in study.toml, [report]:")
    require_known(map(str, plan.table_years), map(str, years), "year in study.toml, [report]:")
    return plan


def _answers(contents: Contents, names: Sequence[str]) -> Sequence[str]:
    """Quantities that a study without settings puts first: what is inferred and not printed."""
    observed = {*contents.records["quantity"]}
    return [name for name in names if name not in observed][:MOST_ANSWERS] or names[:3]


def _panels(
    contents: Contents, names: Sequence[str], headline: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    """Plots of what records observe, for a study without settings."""
    observed = {*contents.records["quantity"]}
    rest = [name for name in names if name in observed and name not in headline][:MOST_PLOTS]
    return [{"title": "What records observe", "quantities": rest}] if rest else []


def _named(plan: Plan) -> Iterable[str]:
    """Every quantity that a plan names."""
    lists = [plan.headline, plan.table, plan.labels, plan.exceeds, plan.beside]
    lists += [plan.parts, *plan.parts.values(), *plan.beside.values()]
    lists += [*(panel["quantities"] for panel in plan.panels)]
    return (name for names in lists for name in names)
