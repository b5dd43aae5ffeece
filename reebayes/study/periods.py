"""A study of other years: cut at a year as if nothing later were known, or with years to come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reebayes.errors import Fault, StudyError
from reebayes.study.changes import unheard
from reebayes.study.checks.whole import check_draft
from reebayes.study.compositions import without_lone_parts
from reebayes.study.drafts import draft_of
from reebayes.study.hashing import SCHEMAS
from reebayes.study.header.frozen import Settings
from reebayes.study.header.settings import Header
from reebayes.study.prospects import DemandGrowth, PlannedCase, Project, Projection, Reserve
from reebayes.study.rows import Flow, Prior, Process, Quantity, Record
from reebayes.study.study import Study
from reebayes.study.table import Table
from reebayes.study.targets import ROUTE
from reebayes.study.telling import refuse

_SHOWN = (
    *("published", "published_indicators", "indicators", "labels"),
    *("assays", "materials", "published_elements", "partners", "lanes"),
)
"""Tables about results, which a cut study has none of."""


def cut(study: Study, last: int) -> Study:
    """Return a study as it would stand with `last` as its last year.

    Records of years after it are left out, and flows, periods of priors, plants and quantities
    that only exist after it; of projects, cases and projections what was known by then stays. What
    was published later of the years before stays: this is a cut by the year that a figure is about,
    not by the day it was printed. The copy has no report, variant or scenario.

    Parameters
    ----------
    study : Study
    last : int

    Returns
    -------
    Study
        A checked copy.

    Raises
    ------
    StudyError
        If `last` is not a year of the study before its last one, or what is left is not sound.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.cut(rb.read_study(), 2010).last_year
    2010
    """
    if last not in study.years[1:-1]:
        may = study.years[1:-1]
        way = f"give a year from {may[0]} to {may[-1]}" if may else "it has too few years"
        message = f"cannot be cut at {last}; {way}"
        raise StudyError([Fault("study", None, "last_year", str(last), message)])
    flows = [flow for flow in map(lambda one: _until(one, last), study.flows) if flow.active]
    kept = {flow.flow for flow in flows}
    ends = {end for flow in flows for end in (flow.source, flow.target)}
    quantities = [q for q in (_with_flows(q, kept) for q in study.quantities) if q is not None]
    known = {quantity.quantity for quantity in quantities}
    records = without_lone_parts(
        study.records, (r for r in study.records if r.year_end <= last and r.quantity in known)
    )
    shown: Any = {name: Table(SCHEMAS[name].row) for name in _SHOWN}
    shorter = replace(
        study, name=f"{study.name}, cut at {last}", last_year=last,
        report=Settings(), variants=Settings(), scenarios=Settings(),
        additions=(), extensions=Settings(),
        processes=Table(Process, (p for p in study.processes if p.process in ends)),
        flows=Table(Flow, flows), quantities=Table(Quantity, quantities),
        records=Table(Record, records),
        **shown,
    )  # fmt: skip
    known_then: Any = _known_by(study, last)
    shorter = replace(shorter, **known_then)
    shorter = replace(shorter, priors=Table(Prior, _priors(study, shorter)))
    header = Header(shorter.name, shorter.unit, (shorter.first_year, last),
                    settings=shorter.settings)  # fmt: skip
    refuse(check_draft(draft_of(header, shorter)))
    return shorter


def onward(study: Study, last: int) -> Study:
    """Return a study with years up to `last`, in which what was there in its last year goes on.

    Flows that can exist in its last year can exist in all later ones. It has the same records and
    priors, those of the last period holding on, and is meant to be computed with, not read: nothing
    is known of its last years.

    Parameters
    ----------
    study : Study
    last : int
        A year after its last one.
    """
    if last <= study.last_year:
        message = f"{last} is not after the last year of the study, {study.last_year}"
        raise StudyError([Fault("study", None, "last_year", str(last), message)])
    flows = [
        replace(flow, active=(*flow.active, (study.last_year + 1, last)))
        if flow.is_active(study.last_year) else flow
        for flow in study.flows
    ]  # fmt: skip
    return replace(study, last_year=last, flows=Table(Flow, flows))


def _known_by(study: Study, last: int) -> dict[str, Table[Any]]:
    """Return what was known in a year of years to come; cases of which all was known by then."""
    return {
        "projects": Table(Project, (p for p in study.projects if p.as_of <= last)),
        "planned_cases": Table(PlannedCase, (c for c in study.planned_cases if c.closed <= last)),
        "reserves": Table(Reserve, (r for r in study.reserves if r.edition <= last)),
        "demand_growth": Table(DemandGrowth, (g for g in study.demand_growth if g.as_of <= last)),
        "projections": Table(Projection, (p for p in study.projections if p.vintage <= last)),
    }


def _until(flow: Flow, last: int) -> Flow:
    return replace(flow, active=tuple(_cut_spans(flow, last)))


def _cut_spans(flow: Flow, last: int) -> Iterator[tuple[int, int]]:
    for begin, end in flow.active:
        if begin <= last:
            yield begin, min(end, last)


def _with_flows(quantity: Quantity, kept: set[str]) -> Quantity | None:
    """Return a quantity without flows that are gone; None if a side of it is gone with them."""
    sides = [tuple(pair for pair in side if pair[0] in kept)
             for side in (quantity.numerator, quantity.denominator)]  # fmt: skip
    if not sides[0] or (quantity.denominator and not sides[1]):
        return None
    return Quantity(quantity.quantity, *sides)


def _priors(study: Study, shorter: Study) -> Iterator[Prior]:
    """Priors of what is left, with the periods that have begun, ended by the last year."""
    gone = unheard(study.records, shorter.records)
    gone |= {flow.flow for flow in study.flows} - {flow.flow for flow in shorter.flows}
    routes = {route for flow in shorter.flows if (route := shorter.route(flow))}
    for prior in study.priors:
        lost = prior.about.group == ROUTE and str(prior.about.name) not in routes
        if prior.target in gone or lost or (prior.year or 0) > shorter.last_year:
            continue
        if prior.year is None:
            yield prior
        else:
            end = min(prior.year_end or prior.year, shorter.last_year)
            yield replace(prior, year_end=end)
