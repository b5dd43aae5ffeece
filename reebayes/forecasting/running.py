"""An outlook: every draw of a fit with its supply and demand of years to come, in balance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from reebayes.answers.scenarios.running import quantities_from
from reebayes.answers.scenarios.setup import Graph, Setup, draw_size
from reebayes.conventions import FLOW, POSTERIOR, QUANTITY, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.forecasting.continuation import Continuation, inputs_of
from reebayes.forecasting.demand import rates
from reebayes.forecasting.learning import Learnt, learn
from reebayes.forecasting.projects import outputs, taking_part
from reebayes.results.contents import CONSTANT
from reebayes.results.description import study_of
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.study import Project, Study
from reebayes.study.prospects import COMING
from reebayes.study.scenarios import CAPACITY, PROCESS, Scenario, names_meant

type Floats = NDArray[np.float64]

OUTLOOK, USES, PROJECTS, LEARNT, LAST = "outlook", "uses", "projects", "learnt", "last"
"""Groups of an outlook."""

_TOLD = ("study_name", "study_hash", "extensions", "report", "settings")
"""Attributes of a fit that a part of an outlook has too, so that it can be asked like one."""

USE, PROJECT, STATUS = "use", "project", "status"
LATEST = 60
"""Years beyond the last of a fit for which nobody should believe an outlook."""


@dataclass(frozen=True)
class Course:
    """How what is mined goes on; settled on one cut of the study, and judged on another.

    Parameters
    ----------
    follows : float
        Which part of the growth of the world's demand mines in operation follow, from 0 to 1.
    reverting : bool
        Whether states go back to the centres of their priors, as in the fit.
    """

    follows: float = 1.0
    reverting: bool = True


USUAL = Course()


def outlook(
    fit: Fit, to: int = 2035, study: Study | None = None, *, scenarios: Sequence[str] = (),
    begin: int | None = None, seed: int = 0, course: Course = USUAL,
) -> xr.DataTree:  # fmt: skip
    """Look ahead: supply and demand of every draw of a fit up to a year.

    Each draw's states go on with their own persistence, from where they stood in its last year;
    mines in operation grow with demand; projects add to them, late, in part or not at all, as plans
    of the past did; uses ask for what they used, grown as ``demand_growth.csv`` has it. Trade and
    the ways through plants keep their shares, which move as they did. The mass balance holds in
    every year and draw. There are no prices in it, and no stocks of goods that wait.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    to : int
        Last year.
    study : Study, optional
        The study that was fitted, with projects and growth written since; the one that the fit
        carries if left out.
    scenarios : sequence of str
        Scenarios of the study that come on top, in this order. Their changes begin in `begin`, take
        as long as they are written to take, and stay.
    begin : int, optional
        First year of the scenarios; the first of the outlook if left out.
    seed : int
        Of all that is drawn. The same seed gives the same years with and without a scenario.
    course : Course
        How what is mined goes on.

    Returns
    -------
    DataTree
        ``outlook`` holds ``flows`` (chain, draw, year, flow) and ``quantities`` and can be asked
        like a fit. ``uses`` holds ``demand`` and ``supplied`` (chain, draw, year, use),
        ``projects`` the ``output`` of each (chain, draw, year, project), ``learnt`` the draws of
        what plans of the past teach, ``last`` the last year of the fit in the form of ``outlook``.
        All masses are in the unit of the study. `deficits` and `element_deficits` tell what is
        lacking.

    Raises
    ------
    StudyError
        If there is no such scenario.
    ResultError
        If the study is not the one that was fitted, or has no use, the year is none to come,
        nothing is known of the growth of a use, or a balance has no solution.

    Examples
    --------
    >>> import reebayes as rb
    >>> ahead = rb.outlook(rb.open_fit("results/fit.nc"), to=2025)
    >>> mined = rb.quantity(ahead["outlook"], "mined_US + mined_RW")
    >>> mined["year"].values.tolist(), mined.attrs["units"]
    ([2023, 2024, 2025], 'kt REO/yr')
    """
    contents = contents_of(fit)
    study = study_of(contents) if study is None else study
    if study.hash != contents.attrs.get("study_hash"):
        raise ResultError(f"This is not a fit of the study {study.name!r} as it stands now.")
    require_year_to_come(study, to)
    first = study.last_year + 1
    asked = [study.scenario(name) for name in scenarios]
    if begin is not None and not first <= begin <= to:
        raise ResultError(f"Scenarios begin in a year from {first} to {to}, not {begin}.")
    return _Ahead(contents, study, to, seed, course).tree(asked, begin or first)


def require_year_to_come(study: Study, to: int) -> None:
    """Refuse a study that has no outlook, or a year that it does not reach.

    Parameters
    ----------
    study : Study
    to : int

    Raises
    ------
    ResultError
        If the study has no use, or the year is none to come or too far.
    """
    if not any(process.kind == USE for process in study.processes):
        raise ResultError(
            f"The study {study.name!r} has no process of kind use, and an outlook sets supply "
            "against what uses ask for."
        )
    first, last = study.last_year + 1, study.last_year + LATEST
    if not first <= to <= last:
        raise ResultError(f"An outlook of this fit is of a year from {first} to {last}, not {to}.")


class _Ahead:
    """One outlook while it is worked out; arrays are by draw, chain after chain."""

    def __init__(
        self, contents: Contents, study: Study, to: int, seed: int, course: Course
    ) -> None:
        self.contents, self.study, self.seed, self.course = contents, study, seed, course
        streams = [np.random.default_rng([seed, part]) for part in range(4)]
        self.going = Continuation(contents, study, to, streams[0], reverting=course.reverting)
        self.years = self.going.years  # the last year of the fit, and all later ones
        draws = len(self.going.states)
        self.names = list(self.going.layout.flows)
        self.learnt = learn(study.planned_cases, COMING, draws, streams[1])
        self.projects = taking_part(study)
        self.added = outputs(study, self.projects, self.learnt, self.years, streams[2])
        self.uses = [p.process for p in study.processes if p.kind == USE]
        self.rates = rates(study, self.uses, draws, streams[3])
        self.demand = self._demand()

    def _demand(self) -> Floats:
        """What each use asks for (draw, year, use)."""
        group = self.contents.group(POSTERIOR)["flows"].sel({YEAR: self.years[0]})
        was = group.sel({FLOW: self.names}).transpose(*SAMPLE_DIMS, FLOW).values
        base = self.used(was.reshape(-1, 1, was.shape[-1]).astype(float))
        ahead = np.arange(len(self.years))[:, None]
        return np.asarray(base * np.exp(self.rates[:, None, :] * ahead))

    def used(self, flows: Floats) -> Floats:
        """Sum what enters each use (draw, year, use)."""
        into = np.zeros((len(self.names), len(self.uses)))
        for at, flow in enumerate(self.study.flows):
            if flow.target in self.uses:
                into[at, self.uses.index(flow.target)] = 1.0
        return flows @ into

    def supply(self) -> Floats:
        """Flows (draw, year, flow) without any scenario."""
        world = self.demand.sum(axis=2)
        trend = self.course.follows * np.log(world / world[:, :1])
        growth: dict[str, Floats] = {}
        for name in inputs_of(self.study):
            own = [at for at, project in enumerate(self.projects) if project.flow == name]
            extra = self.added[:, :, own].sum(axis=2)
            growth[name] = trend + np.log1p(extra / np.exp(self.going.log_input(name) + trend))
        return self.going.flows(growth)

    def tree(self, asked: Sequence[Scenario], begin: int) -> xr.DataTree:
        """Return the outlook, with scenarios on top."""
        flows = self.supply()[:, 1:]
        for scenario in asked:
            flows = self._changed(flows, scenario, begin)
        return _tree(self, flows, asked, begin)

    def _changed(self, flows: Floats, asked: Scenario, begin: int) -> Floats:
        """Solve the balance of all years again with what a scenario changes, one at a time."""
        uses = {name for change in asked.changes if change.kind == PROCESS
                for name in names_meant(change.name, self.uses)}  # fmt: skip
        graph = Graph(self.going.ahead, tuple(use for use in self.uses if use in uses))
        sizes = {change.place: draw_size(change.size, (len(flows),), change.place, self.seed)
                 for change in asked.changes}  # fmt: skip
        if asked.capacity is not None:
            place = f"{asked.name}.{CAPACITY}"
            sizes[CAPACITY] = draw_size(asked.capacity, (len(flows),), place, self.seed)
        found = flows.copy()
        for at, year in enumerate(self.years[1:]):
            if year < begin:
                continue
            then = in_year(asked, year, begin)
            if then.changes or then.capacity is not None:
                part = Setup(graph, then, (year,), flows[:, [at]], sizes).solved()
                found[:, at] = part.flows
        return found


def in_year(asked: Scenario, year: int, begin: int) -> Scenario:
    """Return what of a scenario holds in a year, if it begins in another than it is written for.

    A change that takes some years takes as many, and what has come about stays.
    """
    first, changes = asked.years[0], []
    for change in asked.changes:
        span = change.years[-1] - change.years[0]
        starts = begin + change.years[0] - first
        if year < starts:
            continue
        moving = tuple(range(starts, starts + span + 1))
        if change.shape != "step" and year in moving:
            changes.append(replace(change, years=moving))
        else:
            changes.append(replace(change, years=(year,), shape="step"))
    return replace(asked, years=(year,), changes=tuple(changes))


def _tree(ahead: _Ahead, values: Floats, asked: Sequence[Scenario], begin: int) -> xr.DataTree:
    contents, study = ahead.contents, ahead.study
    group = contents.group(POSTERIOR)
    chains, draws = (group[dim].values for dim in SAMPLE_DIMS)
    years = list(ahead.years[1:])
    coords = {SAMPLE_DIMS[0]: chains, SAMPLE_DIMS[1]: draws, YEAR: years}

    def array(found: Floats, meaning: str, **last: Sequence[str]) -> xr.DataArray:
        ((dim, names),) = last.items()
        shape = (len(chains), len(draws), len(years), len(names))
        return xr.DataArray(
            found.reshape(shape), dims=(*coords, dim), coords={**coords, dim: list(names)},
            attrs={"units": contents.unit, "long_name": meaning},
        )  # fmt: skip

    flows = array(values, "Flows, in balance.", **{FLOW: ahead.names})
    quantities = quantities_from(study, flows).sel({QUANTITY: group[QUANTITY].values})
    uses = xr.Dataset({
        "demand": array(ahead.demand[:, 1:], "What uses ask for.", **{USE: ahead.uses}),
        "supplied": array(ahead.used(values), "What reaches them.", **{USE: ahead.uses}),
    }).assign_coords({
        "use_region": (USE, [study.processes[use].region for use in ahead.uses]),
        "application": (USE, [study.processes[use].label for use in ahead.uses]),
    })  # fmt: skip
    names = [project.project for project in ahead.projects]
    added = xr.Dataset({"output": array(ahead.added[:, 1:], "What projects add.",
                                        **{PROJECT: names})})  # fmt: skip
    added = added.assign_coords(_about(ahead.projects))
    tree = xr.DataTree.from_dict({
        OUTLOOK: xr.Dataset({"flows": flows, "quantities": quantities}),
        f"{OUTLOOK}/{CONSTANT}": contents.group(CONSTANT),
        USES: uses, PROJECTS: added,
        LEARNT: _learnt(ahead.learnt, chains, draws),
    })  # fmt: skip
    was = group[["flows", "quantities"]].sel({YEAR: [ahead.years[0]], FLOW: ahead.names})
    tree[LAST] = xr.DataTree.from_dict({"/": was, CONSTANT: contents.group(CONSTANT)})
    told = {key: contents.attrs[key] for key in _TOLD if key in contents.attrs}
    for part in (OUTLOOK, LAST):
        tree[part].attrs = {**told, "unit": contents.unit, "part": part}
    tree.attrs = {
        "study": study.name, "study_hash": study.hash, "unit": contents.unit, "seed": ahead.seed,
        "first_year": years[0], "to": years[-1], "begin": begin,
        "scenarios": json.dumps([one.name for one in asked]),
        "labels": json.dumps([one.label for one in asked]),
        "follows": ahead.course.follows, "reverting": int(ahead.course.reverting),
    }  # fmt: skip
    return tree


def _about(projects: Sequence[Project]) -> Mapping[str, tuple[str, list[str]]]:
    return {
        name: (PROJECT, [str(getattr(project, name)) for project in projects])
        for name in ("country", "region", STATUS, "flow")
    }


def _learnt(found: Learnt, *coords: NDArray[np.int64]) -> xr.Dataset:
    shape = tuple(len(values) for values in coords)

    def by_draw(values: Floats, meaning: str, units: str) -> xr.DataArray:
        return xr.DataArray(
            values.reshape(shape), dims=SAMPLE_DIMS,
            coords=dict(zip(SAMPLE_DIMS, coords, strict=True)),
            attrs={"long_name": meaning, "units": units},
        )  # fmt: skip

    chance = xr.concat(
        [by_draw(values, "Chance to start at all.", "probability").expand_dims({STATUS: [status]})
         for status, values in found.chance.items()], dim=STATUS,
    )  # fmt: skip
    return xr.Dataset({
        "chance": chance.transpose(*SAMPLE_DIMS, STATUS),
        "delay": by_draw(found.delay, "Mean delay of those that start.", "years"),
        "reached": by_draw(np.exp(found.log_reached), "Median part of a capacity that is reached.",
                           "fraction"),
        "spread": by_draw(found.spread, "Spread of that between projects.", "log scale"),
    })  # fmt: skip
