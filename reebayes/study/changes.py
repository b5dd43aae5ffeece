"""Variants of a study: what each changes, and whether what it names is there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reebayes.errors import Fault
from reebayes.study.drafts import Draft, Extension
from reebayes.study.extensions import extended, unknown_text
from reebayes.study.header.frozen import Settings
from reebayes.study.header.settings import TABLE
from reebayes.study.header.variants import CHANGES
from reebayes.study.reading.cells import Entry
from reebayes.study.rows import RECALLED, Flow, Prior, Record
from reebayes.study.targets import BIAS, NOISE, SHARED, targets_in
from reebayes.wording import quoted, suggestion


def changed(draft: Draft, variants: Mapping[str, Any], name: str) -> Draft:
    """Return the draft that a variant makes of a draft.

    Rows of extensions, its own and of what it combines, come before all changes. A step of 0
    stands for a prior that does not move, a transition of 0 for one whose median jumps.
    """
    draft = _grown(draft, variants, name)
    for part in (*variants[name].get("combines", ()), name):
        draft = _changed_once(draft, variants[part])
    label = variants[name]["label"]
    header = replace(draft.header, name=f"{draft.header.name}: {label}", variants=Settings())
    return replace(draft, header=header, faults=[])


def unheard(before: Iterable[Record], after: Iterable[Record]) -> set[str]:
    """Return the prior targets of reporters and common errors that have no record left."""
    before, after = list(before), list(after)
    gone = {name for record in before for name in record.reporters}
    gone -= {name for record in after for name in record.reporters}
    unshared = {name for record in before for name in record.common_errors}
    unshared -= {name for record in after for name in record.common_errors}
    return {*targets_in(BIAS, gone), *targets_in(NOISE, gone), *targets_in(SHARED, unshared)}


def verified_additions(draft: Draft) -> tuple[Extension, ...]:
    """Return what variants add without unverified records.

    Priors of reporters and common errors that are left without a record go too.
    """
    return tuple(_verified(draft, one) for one in draft.additions)


def _verified(draft: Draft, addition: Extension) -> Extension:
    records = [entry.item for entry in extended(draft, [addition]).records]
    gone = unheard(records, (record for record in records if record.status != RECALLED))

    def stays(item: Any) -> bool:
        if isinstance(item, Record):
            return item.status != RECALLED
        return not (isinstance(item, Prior) and item.target in gone)

    kept = ((file, tuple(e for e in rows if stays(e.item))) for file, rows in addition.tables)
    return replace(addition, tables=tuple((file, rows) for file, rows in kept if rows))


def check_variants(
    draft: Draft, variants: Mapping[str, Any], wanted: Iterable[str]
) -> Iterator[Fault]:
    """Yield what is wrong with the wanted variants: names of nothing, changes of nothing."""
    for name in wanted:
        grown = _grown(replace(draft, faults=[]), variants, name)
        for column, value, message in (*_addition_faults(grown, variants, name),
                                       *_faults(grown, variants, variants[name])):  # fmt: skip
            yield Fault(TABLE, None, f"variants.{name}.{column}", value, message)


def _grown(draft: Draft, variants: Mapping[str, Any], name: str) -> Draft:
    """Return the draft with the rows of all extensions that a variant adds, as far as known."""
    names = _added_by(variants, name)
    return extended(draft, [one for one in draft.additions if one.name in names])


def _added_by(variants: Mapping[str, Any], name: str) -> set[str]:
    parts = (*variants[name].get("combines", ()), name)
    return {one for part in parts for one in variants.get(part, {}).get("extensions", ())}


def _addition_faults(
    grown: Draft, variants: Mapping[str, Any], name: str
) -> Iterator[tuple[str, str, str]]:
    known = [one.name for one in grown.additions]
    for one in variants[name].get("extensions", ()):
        if one not in known:
            yield "extensions", one, unknown_text(one, known=grown.shelf or known)
    for fault in grown.faults:
        yield "extensions", fault.value, f"{fault.table}, {fault}"


def _faults(
    draft: Draft, variants: Mapping[str, Any], variant: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    targets = {entry.item.target for entry in draft.priors}
    records = [entry.item for entry in draft.records]
    known: Mapping[str, tuple[str, set[str]]] = {
        "combines": ("variant", set(variants)),
        "without_targets": ("target", targets),
        "without_sources": ("source of records", {record.source for record in records}),
        "without_reporters": ("reporter", {record.reporter for record in records}),
    }
    for column, (noun, names) in known.items():
        for name in variant.get(column, ()):
            if name not in names:
                yield column, name, f"unknown {noun} {quoted(name)}. {_near(name, names)}"
            elif column == "combines" and "combines" in variants[name]:
                yield column, name, f"{name!r} combines others itself; name those"
    added = variant.get("flows", ())
    yield from _flow_faults(draft, added)
    targets |= {one["flow"] for one in added}
    priors = [*draft.priors, *(entry for one in added for entry in _priors_like(draft, one))]
    for change in variant.get("priors", ()):
        yield from _change_faults(priors, change, targets)
    if not variant.keys() - {"label", "why"}:
        yield "label", variant.get("label", ""), "variant changes nothing; give it a change"


def _change_faults(
    priors: Sequence[Entry[Prior]], change: Mapping[str, Any], targets: set[str]
) -> Iterator[tuple[str, str, str]]:
    target = change["target"]
    if target not in targets:
        yield "priors", target, f"unknown target {quoted(target)}. {_near(target, targets)}"
    elif not any(_is_meant(entry.item, change) for entry in priors):
        rows = [entry.item for entry in priors if entry.item.target == target]
        begins = ", ".join(str(row.year) for row in rows if row.year is not None)
        advice = f"its rows begin in {begins}" if begins else "leave year out, it has one row"
        yield "priors", target, f"no row of {target!r} begins in {change['year']}; {advice}"
    if not change.keys() & {*CHANGES}:
        yield (
            "priors",
            target,
            f"nothing of {target!r} changes; give median, sd, step or transition",
        )


def _flow_faults(
    draft: Draft, added: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str, str]]:
    flows = {entry.item.flow for entry in draft.flows}
    processes = {entry.item.process for entry in draft.processes}
    for one in added:
        name, like = one["flow"], one["like"]
        if name in flows:
            yield "flows", name, f"flow {quoted(name)} is there already; choose another name"
        if like not in flows:
            yield "flows", like, f"unknown flow {quoted(like)}. {_near(like, flows)}"
        elif not _priors_like(draft, one):
            yield "flows", like, f"flow {quoted(like)} has no prior to take over; name one that has"
        for end in ("source", "target"):
            if end in one and one[end] not in processes:
                message = f"unknown process {quoted(one[end])}. {_near(one[end], processes)}"
                yield "flows", one[end], message
        tied = one.get("tied", name)
        if tied not in flows | {name}:
            yield "flows", tied, f"unknown flow {quoted(tied)}. {_near(tied, flows)}"
        flows = flows | {name}


def _near(name: str, names: set[str]) -> str:
    return suggestion(name, sorted(names))


def _with_flow(draft: Draft, one: Mapping[str, Any]) -> Draft:
    """Return a draft with a flow like another: a term of the same quantities, of like prior."""
    like = next(entry.item for entry in draft.flows if entry.item.flow == one["like"])
    ends = {end: one[end] for end in ("source", "target", "tied") if end in one}
    flow = replace(like, flow=one["flow"], label=one.get("label", one["flow"]), **ends)
    terms = [entry for entry in draft.terms if entry.item.flow == like.flow]
    return replace(
        draft,
        flows=[*draft.flows, Entry[Flow](None, flow)],
        terms=[*draft.terms, *(Entry(None, replace(e.item, flow=flow.flow)) for e in terms)],
        priors=[*draft.priors, *_priors_like(draft, one)],
    )


def _priors_like(draft: Draft, one: Mapping[str, Any]) -> list[Entry[Prior]]:
    """Rows of the prior of an added flow: those of the flow that it is like, with its numbers."""
    return [
        Entry(None, replace(_with_numbers(entry.item, one), target=one["flow"]))
        for entry in draft.priors
        if entry.item.target == one["like"]
    ]


def _changed_once(draft: Draft, variant: Mapping[str, Any]) -> Draft:
    for one in variant.get("flows", ()):
        draft = _with_flow(draft, one)
    sources, reporters = variant.get("without_sources", ()), variant.get("without_reporters", ())
    records = [
        entry
        for entry in draft.records
        if entry.item.source not in sources and entry.item.reporter not in reporters
    ]
    gone = unheard((e.item for e in draft.records), (e.item for e in records))
    gone |= {*variant.get("without_targets", ())}
    priors = [entry for entry in draft.priors if entry.item.target not in gone]
    for change in variant.get("priors", ()):
        priors = [_changed_prior(entry, change) for entry in priors]
    settings = draft.header.settings.plain | dict(variant.get("settings", {}))
    header = replace(draft.header, settings=Settings(settings))
    return replace(draft, header=header, records=records, priors=priors)


def _changed_prior(entry: Entry[Prior], change: Mapping[str, Any]) -> Entry[Prior]:
    if not _is_meant(entry.item, change):
        return entry
    return replace(entry, item=_with_numbers(entry.item, change))


def _with_numbers(prior: Prior, change: Mapping[str, Any]) -> Prior:
    values = {name: change[name] for name in CHANGES if name in change}
    for name in ("step", "transition"):
        if values.get(name) == 0:
            values[name] = None
    return replace(prior, **values)


def _is_meant(prior: Prior, change: Mapping[str, Any]) -> bool:
    return bool(prior.target == change["target"] and change.get("year", prior.year) == prior.year)
