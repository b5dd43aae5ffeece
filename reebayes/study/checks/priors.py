"""Checks of priors: every split, input and reporter has one, in the form its target needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reebayes.errors import Fault
from reebayes.study.checks.context import Context, Edge, listing, place, unknown_name
from reebayes.study.drafts import Draft, unreadable
from reebayes.study.reading.cells import Entry, table_fault
from reebayes.study.rows import Prior
from reebayes.study.targets import (
    BIAS,
    CONSTANT_GROUPS,
    ERRORS,
    EVERY,
    FLOOR,
    FREEDOM,
    GROUPS,
    NOISE,
    NOISE_FLOOR,
    RESERVED,
    ROUTE,
    SHARED,
    STEP,
    STEP_GROUPS,
    Target,
    targets_in,
)
from reebayes.study.transitions import values as values_by_year
from reebayes.wording import nearest, quoted, suggestion, years_text

TABLE = "priors.csv"
ANCHOR_SD = 0.05
MAX_SD = 20.0
# What each sort of target is drawn from.
DISTRIBUTION = {
    "input": "lognormal",
    "product": "lognormal",
    "share": "share",
    "tied": "normal",
    "bias": "normal",
    "noise": "lognormal",
    "errors": "lognormal",
    "floor": "lognormal",
    "route": "normal",
    "shared": "normal",
    "step": "lognormal",
}
LOG_SCALE = "log scale"

type Rows = Mapping[str, list[Entry[Prior]]]


@dataclass(frozen=True, slots=True)
class Believed:
    """What priors are about: the system, and who reports."""

    context: Context
    rows: Rows
    reporters: frozenset[str]
    shared: frozenset[str]
    unit: str
    years: tuple[int, int] | None


def check_priors(draft: Draft, context: Context) -> Iterator[Fault]:
    """Yield the faults of priors."""
    rows = _rows_by_target(draft, context)
    reporters = frozenset(name for entry in draft.records for name in entry.item.reporters if name)
    shared = frozenset(name for entry in draft.records for name in entry.item.common_errors)
    believed = Believed(context, rows, reporters, shared, draft.header.unit, draft.header.years)
    sources = [entry.item.source for entry in draft.sources]
    for entry in draft.priors:
        fault = unknown_name(TABLE, entry, "source", sources, noun="source")
        if fault:
            yield fault
        yield from _check_row(entry, believed)
    for target, entries in rows.items():
        yield from _check_target(target, entries, believed)
    for name in RESERVED:
        for record in [entry for entry in draft.records if entry.item.reporter == name][:1]:
            message = f"'{Target(NOISE, name)}' is about every reporter; give this one another name"
            yield table_fault("records.csv", record, "reporter", name, message)
    if draft.has(TABLE, "target", "distribution"):
        if context.linked:
            yield from _check_splits(believed)
        yield from _check_reporters(believed, anchors=draft.has(TABLE, "sd"))


def _rows_by_target(draft: Draft, context: Context) -> Rows:
    """Return the rows of every target; a misspelt flow counts for the one it must mean."""
    targets = {entry.item.target for entry in draft.priors}
    free = [flow for flow in context.flows if flow not in targets]
    rows: dict[str, list[Entry[Prior]]] = {}
    for entry in draft.priors:
        target = entry.item.target
        if not target:
            continue
        if entry.item.about.is_flow and target not in context.flows:
            target = nearest(target, free) or target
        rows.setdefault(target, []).append(entry)
    return rows


def _fault(entry: Entry[Prior], column: str, message: str) -> Fault:
    return table_fault(TABLE, entry, column, getattr(entry.item, column), message)


def _sort_of(target: str, context: Context) -> str | None:
    """Return what it is about: input, share, route, bias, shared, noise, floor, errors or step.

    A share that is tied to another is ``"tied"``: its prior says how far its log ratio is from it.

    The product of a conversion counts as a share here, whichever prior it has.
    None if it is about nothing, ``"unclear"`` if another table has to be mended first.
    """
    about = Target.parse(target)
    if about == NOISE_FLOOR:
        return FLOOR
    if not about.is_flow:
        names = {STEP: STEP_GROUPS, ROUTE: context.routes, ERRORS: (FREEDOM,)}.get(about.group)
        known = about.is_known and (names is None or about.name in names)
        return about.group if known else None
    if target not in context.edges:
        return "unclear" if target in context.flows or not context.flows else None
    if context.edges[target].entry.item.tied:
        return "tied"
    kind = context.kind(context.edges[target].source)
    return {"environment": "input", "market": "share", "conversion": "share"}.get(kind, "unclear")


def _is_product(entry: Entry[Prior], context: Context) -> bool:
    """Return whether a prior is about the output of a conversion rather than about a share."""
    edge = context.edges.get(entry.item.target)
    is_output = (
        edge is not None and context.kind(edge.source) == "conversion" and not edge.entry.item.tied
    )
    return is_output and entry.item.distribution == "lognormal"


def _check_row(entry: Entry[Prior], believed: Believed) -> Iterator[Fault]:
    prior = entry.item
    yield from _check_years(entry, believed.years)
    if unreadable(entry, "target"):
        return
    sort = _sort_of(prior.target, believed.context)
    if _is_product(entry, believed.context):
        sort = "product"
    if sort is None:
        yield _fault(entry, "target", _unknown_target(prior.target, believed))
        return
    wanted = DISTRIBUTION.get(sort, prior.distribution)
    if not unreadable(entry, "distribution") and prior.distribution != wanted:
        message = f"prior of {prior.target!r} is {wanted}, not {prior.distribution}"
        yield _fault(entry, "distribution", message)
    elif not unreadable(entry, "distribution") and sort != "unclear":
        yield from _check_numbers(entry, sort)
    if sort in ("input", "product") and believed.unit and not unreadable(entry, "unit"):
        if prior.unit != believed.unit:
            message = f"unit {quoted(prior.unit)} is not the study's; convert to {believed.unit!r}"
            yield _fault(entry, "unit", message)
    if sort == SHARED and not unreadable(entry, "unit") and prior.unit != LOG_SCALE:
        message = f"unit {quoted(prior.unit)} does not fit an error; write {LOG_SCALE!r}"
        yield _fault(entry, "unit", message)
    if (
        sort in (*CONSTANT_GROUPS, FLOOR)
        and (prior.year, prior.year_end, prior.step, prior.transition) != (None,) * 4
    ):
        stated = [name for name in ("step", "transition") if getattr(prior, name) is not None]
        column = stated[0] if stated else "year"
        message = f"{prior.target!r} is one number for the whole study; leave {column} empty"
        yield _fault(entry, column, message)


def _check_floor(entry: Entry[Prior]) -> Iterator[Fault]:
    """Yield the faults of the variance that noise leaves as it is: a share, and not learnt."""
    prior = entry.item
    if not unreadable(entry, "median") and not 0 <= prior.median < 1:
        message = (
            f"median {prior.median:g} is not from 0 to below 1; write the share of every stated "
            "variance that noise leaves as it is"
        )
        yield _fault(entry, "median", message)
    if not unreadable(entry, "sd") and prior.sd != 0:
        yield _fault(entry, "sd", f"sd {prior.sd:g} is not 0; the floor is set and not learnt")


def _check_numbers(entry: Entry[Prior], sort: str) -> Iterator[Fault]:
    prior = entry.item
    if sort == FLOOR:
        yield from _check_floor(entry)
        return
    if not unreadable(entry, "median"):
        if sort == "share" and not 0 < prior.median < 1:
            yield _fault(entry, "median", f"share {prior.median:g} is not between 0 and 1")
        elif sort not in ("bias", "route", "shared", "tied") and prior.median <= 0:
            yield _fault(entry, "median", f"median {prior.median:g} is not above 0")
        elif sort == ERRORS and prior.median < 1:
            yield _fault(entry, "median", f"median {prior.median:g} is not a number from 1 up")
        elif sort in ("bias", "shared", "tied") and abs(prior.median) > MAX_SD:
            message = f"median {prior.median:g} is beyond {MAX_SD:g}, on a log scale; write less"
            yield _fault(entry, "median", message)
    # A reporter may be unbiased by definition; flows and shares are never known for sure.
    may_be_fixed = sort not in ("input", "product", "share", "route", "shared", "tied")
    if not unreadable(entry, "sd") and (prior.sd < 0 or (prior.sd == 0 and not may_be_fixed)):
        bound = "0 or more" if may_be_fixed else "above 0"
        yield _fault(entry, "sd", f"sd {prior.sd:g} is not {bound}")
    if prior.transition is not None and prior.transition <= 0:
        message = f"transition {prior.transition:g} is not above 0; leave it empty for a jump"
        yield _fault(entry, "transition", message)
    stated = (
        ("sd", prior.sd),
        ("step", prior.step or 0.0),
        ("transition", prior.transition or 0.0),
    )
    for column, number in stated:
        if not unreadable(entry, column) and number > MAX_SD:
            message = f"{column} {number:g} is more than {MAX_SD:g}, on a log scale; write less"
            yield _fault(entry, column, message)
    if prior.step is not None and prior.step <= 0:
        message = f"step {prior.step:g} is not above 0; leave it empty if nothing changes"
        yield _fault(entry, "step", message)


def _check_years(entry: Entry[Prior], years: tuple[int, int] | None) -> Iterator[Fault]:
    prior = entry.item
    if unreadable(entry, "year", "year_end"):
        return
    if prior.year is None:
        if prior.year_end is not None:
            yield _fault(entry, "year", "year is empty but year_end is not; give both or neither")
        return
    last = prior.year if prior.year_end is None else prior.year_end
    if last < prior.year:
        message = f"year_end {last} is before year {prior.year}"
        yield _fault(entry, "year_end", message)
    elif years and (prior.year < years[0] or last > years[1]):
        column = "year" if prior.year < years[0] else "year_end"
        span = f"{prior.year}-{last}"
        message = f"period {span} is outside the study's years {years[0]}-{years[1]}"
        yield _fault(entry, column, message)


def _unknown_target(target: str, believed: Believed) -> str:
    context = believed.context
    if target in context.processes:
        flows = listing([edge.name for edge in context.outflows(target)])
        return f"{target!r} is a process; give a row to each flow that leaves it but one ({flows})"
    about = Target.parse(target)
    names = [*context.edges, *targets_in(BIAS, believed.reporters)]
    names += targets_in(NOISE, (*believed.reporters, *RESERVED))
    names += [*targets_in(STEP, STEP_GROUPS), *targets_in(SHARED, believed.shared)]
    names += targets_in(ERRORS, (FREEDOM,))
    if about.group == STEP:
        names = targets_in(STEP, STEP_GROUPS)
    elif about.group == ERRORS:
        names = targets_in(ERRORS, (FREEDOM,))
    elif about.group == ROUTE:
        names = targets_in(ROUTE, context.routes)
    elif not about.is_flow and about.group not in GROUPS:
        names = [str(Target(group, about.name)) for group in GROUPS]
    return f"unknown target {quoted(target)}. {suggestion(target, sorted(names))}"


def _check_target(target: str, entries: list[Entry[Prior]], believed: Believed) -> Iterator[Fault]:
    """Yield the faults of the rows of one target taken together."""
    taken: dict[int, Entry[Prior]] = {}
    for entry in entries:
        if unreadable(entry, "year", "year_end") or _is_reversed(entry.item):
            return
        both = [year for year in _covered(entry, believed) if year in taken]
        if both:
            first = taken[both[0]]
            where = f" in {place(first, target)}" if first.row is not None else ""
            message = f"{target!r} already has a prior for {years_text(both)}{where}"
            yield _fault(entry, "year", message)
        taken |= dict.fromkeys(_covered(entry, believed), entry)
    stepless = [e for e in entries if e.item.step is None and not unreadable(e, "step")]
    if stepless and len(stepless) < len(entries):
        message = f"other rows of {target!r} have a step; give one to all of them or to none"
        yield _fault(stepless[0], "step", message)
    yield from _check_transitions(target, entries, believed)
    sort = _sort_of(target, believed.context)
    group, name = Target.parse(target).group, Target.parse(target).name
    known = {EVERY, *believed.reporters, *(RESERVED if group == NOISE else ())}
    if sort in (BIAS, NOISE) and believed.reporters and name not in known:
        near = suggestion(name, sorted(known - {EVERY}))
        message = f"reporter {quoted(name)} has a {group} prior but no record. {near}".strip()
        yield _fault(entries[0], "target", message)
    if sort == SHARED and believed.reporters and name not in _meant(believed):
        near = suggestion(name, sorted(believed.shared))
        message = f"common error {quoted(name)} has a prior but no record. {near}".strip()
        yield _fault(entries[0], "target", message)
    needed: set[int] = set()
    if sort in ("input", "share", "tied"):
        needed = set(believed.context.edges[target].years)
    elif sort in (BIAS, ROUTE, SHARED):
        needed = set(believed.context.years)
    if needed - set(taken):
        message = f"{target!r} has no prior for {years_text(needed - set(taken))}"
        yield _fault(entries[-1], "year_end", message)


def _check_transitions(
    target: str, entries: list[Entry[Prior]], believed: Believed
) -> Iterator[Fault]:
    """Yield transitions into no period, and those of what never changes."""
    first = min((entry.item.year or 0 for entry in entries), default=0)
    for entry in entries:
        prior = entry.item
        if prior.transition is None or _sort_of(target, believed.context) in CONSTANT_GROUPS:
            continue
        if prior.year is None or prior.year == first:
            message = f"{target!r} has no period before this one; leave transition empty"
            yield _fault(entry, "transition", message)
        elif prior.step is None and not unreadable(entry, "step"):
            message = f"{target!r} never changes; give it a step, or leave transition empty"
            yield _fault(entry, "transition", message)


def _meant(believed: Believed) -> set[str]:
    """Return the common errors that records name; a misspelt one stands for the nearest known."""
    targets = map(Target.parse, believed.rows)
    known = [target.name for target in targets if target.group == SHARED]
    return {name if name in known else nearest(name, known) or name for name in believed.shared}


def _is_reversed(prior: Prior) -> bool:
    return prior.year is not None and prior.year_end is not None and prior.year_end < prior.year


def _covered(entry: Entry[Prior], believed: Believed) -> list[int]:
    """Return the study years a row is about."""
    prior, years = entry.item, believed.context.years
    if prior.year is None:
        return list(years)
    last = prior.year if prior.year_end is None else prior.year_end
    return [year for year in years if prior.year <= year <= last]


def _check_splits(believed: Believed) -> Iterator[Fault]:
    context = believed.context
    for process in context.processes:
        kind, outflows = context.kind(process), context.outflows(process)
        if kind == "environment":
            for edge in outflows:
                driver = _driver(edge.target, believed)
                if driver is not None and edge.name in believed.rows:
                    entry = believed.rows[edge.name][0]
                    message = f"flow follows from {driver!r} and its yield; remove its prior"
                    yield _fault(entry, "target", message)
                elif driver is None and edge.name not in believed.rows:
                    message = f"flow {edge.name!r} leaves {process!r} and needs a lognormal prior"
                    yield Fault(TABLE, None, "target", edge.name, message)
        elif kind in ("market", "conversion"):
            # what is tied has the shares of another process, as checks.ties sees to
            free = [edge for edge in outflows if not edge.entry.item.tied]
            yield from _check_split(process, free, believed)


def _driver(process: str, believed: Believed) -> str | None:
    """Return the product whose prior sets the throughput of a conversion, None if there is none."""
    for edge in believed.context.outflows(process):
        entries = believed.rows.get(edge.name, [])
        if any(_is_product(entry, believed.context) for entry in entries):
            return edge.name
    return None


def _check_driven(process: str, driver: str, believed: Believed) -> Iterator[Fault]:
    """Yield the faults of a conversion whose product, not its inflow, has the prior."""
    context = believed.context
    inflows = context.inflows(process)
    if len(inflows) != 1 or context.kind(inflows[0].source) != "environment":
        message = (
            f"{driver!r} has a lognormal prior, so {process!r} needs exactly one inflow, from an "
            "environment; give a share prior instead"
        )
        yield _fault(believed.rows[driver][0], "distribution", message)
    yield from _check_one_distribution(driver, believed)
    outflows = {edge.name: edge.years for edge in context.outflows(process)}
    gone = outflows.pop(driver) - frozenset().union(*outflows.values())
    if len(outflows) == 1 and gone:
        message = (
            f"{driver!r} is made in {years_text(gone)}, when the loss beside it is not active; "
            "give both the same years"
        )
        yield _fault(believed.rows[driver][0], "target", message)
    if len(outflows) != 1:
        message = (
            f"{driver!r} has a lognormal prior, so {process!r} needs exactly two outflows, the "
            "product and its loss"
        )
        yield _fault(believed.rows[driver][0], "distribution", message)


def _check_one_distribution(driver: str, believed: Believed) -> Iterator[Fault]:
    """Yield a fault if a product has a lognormal prior in some years and a share in others."""
    shares = [e for e in believed.rows[driver] if not _is_product(e, believed.context)]
    if shares:
        message = f"other rows of {driver!r} are lognormal; give all rows one distribution"
        yield _fault(shares[0], "distribution", message)


def _check_split(process: str, outflows: list[Edge], believed: Believed) -> Iterator[Fault]:
    driver = _driver(process, believed)
    if driver is not None:
        yield from _check_driven(process, driver, believed)
    given = [edge for edge in outflows if edge.name in believed.rows and edge.name != driver]
    rest = [edge for edge in outflows if edge not in given]
    if len(outflows) == 1 and given:
        entry = believed.rows[given[0].name][0]
        message = f"flow is the only one that leaves {process!r}, so it takes all; remove its prior"
        yield _fault(entry, "target", message)
    elif outflows and not rest:
        message = (
            f"every flow that leaves {process!r} has a share prior; remove that of the flow which "
            "is the reference category (the remainder)"
        )
        yield _fault(believed.rows[given[0].name][0], "target", message)
    elif len(rest) > 1:
        message = (
            f"flows {listing([edge.name for edge in rest])} leave {process!r} without a share "
            "prior; only one may: the reference category (the remainder)"
        )
        yield Fault(TABLE, None, "target", rest[0].name, message)
    elif rest and len(outflows) > 1:
        gone = {year for edge in given for year in edge.years} - rest[0].years
        if gone:
            message = (
                f"flow {rest[0].name!r} is the reference category of {process!r} but not active in "
                f"{years_text(gone)}; give it share priors and leave an always active flow without"
            )
            yield Fault(TABLE, None, "target", rest[0].name, message)
    if len(outflows) > 1:
        yield from _check_sum(process, given, believed)


def _check_sum(process: str, given: list[Edge], believed: Believed) -> Iterator[Fault]:
    """Yield a fault if the median shares of a process leave nothing to its reference category."""
    full: dict[int, float] = {}
    for year in believed.context.years:
        total = sum(_median(edge.name, year, believed) for edge in given if year in edge.years)
        if total >= 1:
            full[year] = total
    if full:
        message = (
            f"median shares of {process!r} add up to {max(full.values()):.3g} in "
            f"{years_text(full)}; they must stay below 1, with the rest for the remaining flow"
        )
        active = [edge for edge in given if edge.years & set(full)]
        yield _fault(believed.rows[active[0].name][0], "median", message)


def _median(flow: str, year: int, believed: Believed) -> float:
    if smooth := _going_over(flow, believed):
        years = believed.context.years
        return float(values_by_year(smooth, years, "median")[years.index(year)])
    rows = (entry for entry in believed.rows[flow] if not unreadable(entry, "median"))
    # Medians outside (0, 1) are faults of their own.
    medians = [e.item.median for e in rows if year in _covered(e, believed) and e.item.median < 1]
    return max(0.0, medians[0]) if medians else 0.0


def _going_over(flow: str, believed: Believed) -> list[Prior]:
    """Return the rows of a share whose periods go over into one another, if all are sound."""
    entries, years = believed.rows[flow], believed.context.years
    sound = all(
        not unreadable(entry, "median", "transition", "year")
        and 0 < entry.item.median < 1
        and (entry.item.year or years[0]) in years
        for entry in entries
    )
    return [e.item for e in entries] if sound and any(e.item.transition for e in entries) else []


def _check_reporters(believed: Believed, *, anchors: bool) -> Iterator[Fault]:
    for group in (BIAS, NOISE):
        every = str(Target(group, EVERY))
        if every in believed.rows:
            continue
        reporters = sorted(believed.reporters)
        missing = [r for r in reporters if str(Target(group, r)) not in believed.rows]
        if missing:
            message = f"no {group} prior for {listing(missing)}; add {every!r} or one for each"
            yield Fault(TABLE, None, "target", str(Target(group, missing[0])), message)
    anchored = any(
        entry.item.sd <= ANCHOR_SD
        for reporter in believed.reporters
        for entry in believed.rows.get(str(Target(BIAS, reporter)), [])
    )
    if anchors and believed.reporters and not anchored:
        rows = listing(targets_in(BIAS, sorted(believed.reporters)), show=3)
        message = (
            "no reporter is anchored, so every bias is confounded with the flows; give the one "
            "whose figures are nearest to the truth, by its name, a bias prior with sd "
            f"{ANCHOR_SD} or less: a row of target {rows} ({str(Target(BIAS, EVERY))!r} does not "
            "count)"
        )
        yield Fault(TABLE, None, "sd", "", message)
