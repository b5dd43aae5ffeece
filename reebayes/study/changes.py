"""Variants of a study: what each changes, and whether what it names is there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reebayes.errors import Fault, StudyError
from reebayes.study.drafts import Draft, Extension
from reebayes.study.edits import edited_priors, rest_of_shares
from reebayes.study.extensions import extended, unknown_text
from reebayes.study.header.frozen import Settings
from reebayes.study.header.settings import TABLE
from reebayes.study.header.variants import ALL_YEARS, CHANGES, MOVES
from reebayes.study.reading.cells import Entry
from reebayes.study.rows import RECALLED, Flow, Prior, Record
from reebayes.study.targets import BIAS, NOISE, SHARED, targets_in
from reebayes.wording import listed, quoted, suggestion


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
    for change in variant.get("priors", ()):
        if not change.keys() & {*CHANGES, *MOVES}:
            target = change["target"]
            message = f"nothing of {target!r} changes; give one of {listed((*CHANGES, *MOVES))}"
            yield "priors", target, message
    after = draft
    for part in variant.get("combines", ()):
        one = variants.get(part, {"combines": ()})
        # what is wrong with a part by itself, or with a flow that two add, is told elsewhere
        twice = _flow_faults(after, one.get("flows", ()))
        if "combines" not in one and not [*_faults(draft, variants, one), *twice]:
            yield from (("combines", part, message) for _, message in _refused(after, one))
            after = _changed_once(after, one)
    yield from (("priors", *told) for told in _refused(after, variant))
    if not variant.keys() - {"label", "why"}:
        yield "label", variant.get("label", ""), "variant changes nothing; give it a change"


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
    priors, _ = _edited(draft, priors, variant)
    settings = draft.header.settings.plain | dict(variant.get("settings", {}))
    header = replace(draft.header, settings=Settings(settings))
    return replace(draft, header=header, records=records, priors=priors)


def _edited(
    draft: Draft, priors: Sequence[Entry[Prior]], variant: Mapping[str, Any]
) -> tuple[list[Entry[Prior]], list[tuple[str, str]]]:
    """Return the rows as a variant's ``priors`` make them; of what cannot be, target and why."""
    entries, told = list(priors), []
    flows = [entry.item for entry in draft.flows]
    first, last = draft.header.years or (0, -1)
    for change in variant.get("priors", ()):
        before = [entry.item for entry in entries]
        moves = {name: change.get(name) for name in MOVES}
        # only a share is moved against its siblings, and only by a shift
        rest = rest_of_shares(flows, before, range(first, last + 1)) if "shift" in change else {}
        try:
            after = edited_priors(
                before, change["target"], rest, year=change.get("year"), **moves,
                changes=_numbers(change),
            )  # fmt: skip
        except StudyError as error:
            told += [(change["target"], fault.message) for fault in error.faults]
            continue
        entries = [
            entry if entry.item is item else replace(entry, item=item)
            for entry, item in zip(entries, after, strict=True)
        ]
    return entries, told


def _refused(draft: Draft, variant: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the targets of a variant's ``priors`` that cannot be changed so, and why."""
    added = [entry for one in variant.get("flows", ()) for entry in _priors_like(draft, one)]
    return _edited(draft, [*draft.priors, *added], variant)[1]


def _with_numbers(prior: Prior, change: Mapping[str, Any]) -> Prior:
    return replace(prior, **_numbers(change))


def of_all_years(variants: Mapping[str, Any]) -> dict[str, Any]:
    """Return variants whose numbers without a year are meant for all rows of a target.

    So they were in studies of a time before they had to say it.
    """
    return {
        name: {
            **variant,
            "priors": [
                {"year": ALL_YEARS, **change} if change.keys() & {*CHANGES} else change
                for change in variant["priors"]
            ],
        }
        if "priors" in variant
        else variant
        for name, variant in variants.items()
    }


def _numbers(change: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: change[name] for name in CHANGES if name in change}
    return {
        name: None if name in ("step", "transition") and value == 0 else value
        for name, value in values.items()
    }
