"""A run file: changed copies of one study that are to be fitted together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reebayes.errors import Fault, StudyError
from reebayes.study.changes import verified_additions
from reebayes.study.drafts import Extension, draft_of
from reebayes.study.extensions import names_in, read_additions, unknown_text
from reebayes.study.header.forms import Form, is_from, is_table, is_text, list_of, read_forms
from reebayes.study.header.frozen import Settings
from reebayes.study.header.settings import Header, check_settings, read_toml
from reebayes.study.header.variants import BASE, read_variants
from reebayes.study.reading.csvfiles import FaultList
from reebayes.study.study import Study, read_study
from reebayes.wording import quoted, suggestion

__all__ = ["BASE", "Group", "RunFile", "read_run_file"]

BUNDLED = "bundled"
CASES, GROUPS = "cases", "groups"

FORMS: Mapping[str, Form] = {
    "name": ("text", is_text),
    "base": (f"the folder of a study, or {BUNDLED!r}", is_text),
    "with": ("a list of extensions, each once", list_of(is_text)),
    "seed": ("a whole number from 0 up", is_from(0)),
    "draws": ("a whole number from 4 up", is_from(4)),
    "near": ("the file of a fit", is_text),
    "quantities": ("a list of quantities, each once", list_of(is_text)),
    CASES: ("a table of cases", is_table),
    GROUPS: ("a table of groups of alternatives", is_table),
}
"""Keys of the file, each with the form of its value in words and as a test."""

GROUP_FORMS: Mapping[str, Form] = {
    "label": ("text", is_text),
    "why": ("text", is_text),
    "members": (f"a list of cases, each once, {BASE!r} being the study itself", list_of(is_text)),
}
"""Keys of one group of alternatives."""


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives of which any could have been chosen, equal in weight.

    Parameters
    ----------
    label, why : str
    members : tuple of str
        Cases, or ``base`` for the study as it stands.
    """

    label: str
    why: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunFile:
    """What a run file asks for.

    Parameters
    ----------
    name : str
    studies : mapping of name to Study
        The study itself, as ``base``, then the cases in the order of the file.
    seed : int
    draws : int or None
    near : Path or None
        File of the fit that all cases start from.
    quantities : tuple of str
        What is asked; the headline of the study if empty.
    groups : mapping of name to Group
        Groups of alternatives of a multiverse; empty if the file declares none.
    """

    name: str
    studies: Mapping[str, Study]
    seed: int
    draws: int | None
    near: Path | None
    quantities: tuple[str, ...]
    groups: Mapping[str, Group] = field(default_factory=dict)


def read_run_file(path: Path) -> RunFile:
    """Read a run file, and the study that it changes; paths in it are relative to its folder.

    Raises
    ------
    StudyError
        With every fault of the file, of the study, and of what the cases make of it.
    """
    found = FaultList(path.name)
    values = read_toml(path, found)
    if values is None:
        raise StudyError(found.faults)
    values = read_forms("", FORMS, values, found)
    cases = _read_cases(values.get(CASES, {}), found)
    groups = _read_groups(values.get(GROUPS, {}), cases, found)
    near = path.parent / values["near"] if "near" in values else None
    if near is not None and not near.is_file():
        found.add(None, "near", values["near"], f"there is no file {quoted(str(near))}")
    faults, studies = [], {}
    try:
        base = _read_base(path.parent, values.get("base", BUNDLED), values.get("with", ()))
    except StudyError as error:
        faults = list(error.faults)
    else:
        _check_quantities(base, values.get("quantities", ()), found)
        studies = {BASE: base, **_changed(base, cases, found)}
    if found.faults or faults:
        raise StudyError([*found.faults, *faults])
    return RunFile(
        values.get("name", path.stem), studies, values.get("seed", 0), values.get("draws"), near,
        tuple(values.get("quantities", ())), groups,
    )  # fmt: skip


def _read_cases(values: Mapping[str, Any], found: FaultList) -> dict[str, Any]:
    """Return the cases as far as they can be read; a case is named as it is labelled."""
    cases = read_variants(values, found, table=CASES, needed=())
    for name, case in cases.items():
        check_settings(case.get("settings", {}), found, title=f"{CASES}.{name}.settings")
    if not values:
        found.add(None, CASES, "", "there is no case; write [cases.NAME] and what it changes")
    return {name: {"label": name, **case} for name, case in cases.items()}


def _read_groups(
    values: Mapping[str, Any], cases: Mapping[str, Any], found: FaultList
) -> dict[str, Group]:
    """Return the groups of alternatives; note names of no case, and cases without a weight."""
    groups, known = {}, (BASE, *cases)
    for name, value in values.items():
        title = f"{GROUPS}.{name}"
        if not isinstance(value, dict):
            found.add(None, title, str(value), f"{quoted(str(value))} is not a table")
            continue
        group = read_forms(title, GROUP_FORMS, value, found)
        for key in GROUP_FORMS:
            if key not in value:
                found.add(None, f"{title}.{key}", "", f"key {key!r} is missing")
        members = group.get("members", [])
        for member in members:
            if member not in known:
                message = f"unknown case {quoted(member)}. {suggestion(member, known)}"
                found.add(None, f"{title}.members", member, message)
        if len(members) == 1:
            message = "one member is no alternative; name two or more"
            found.add(None, f"{title}.members", members[0], message)
        groups[name] = Group(group.get("label", name), group.get("why", ""), tuple(members))
    placed = {member for group in groups.values() for member in group.members}
    for name in cases:
        if groups and name not in placed:
            message = f"case {name!r} is in no group and would have no weight; put it into one"
            found.add(None, f"{CASES}.{name}", name, message)
    return groups


def _read_base(folder: Path, base: str, extensions: Sequence[str]) -> Study:
    """Read the study and what is added to it; a path is relative to the folder of the file."""
    given = [folder / name if "/" in name else name for name in extensions]
    return read_study(None if base == BUNDLED else folder / base, extensions=given)


def _check_quantities(base: Study, names: tuple[str, ...], found: FaultList) -> None:
    known = base.quantities.names
    for name in names:
        if name not in known:
            message = f"unknown quantity {quoted(name)}. {suggestion(name, known)}"
            found.add(None, "quantities", name, message)
        elif base.quantities[name].is_ratio:
            message = f"{name!r} is a ratio, which has no sum over the years; name its parts"
            found.add(None, "quantities", name, message)


def _changed(base: Study, cases: Mapping[str, Any], found: FaultList) -> dict[str, Study]:
    """Make the cases that can be made, which may combine variants of the study; note the rest."""
    variants = Settings({**base.variants.plain, **cases})
    declared = replace(base, variants=variants, additions=_additions(base, cases, found))
    studies = {}
    for name in cases:
        if name in base.variants:
            message = f"the study has a variant {name!r}; choose another name, or combine it"
            found.add(None, f"{CASES}.{name}", name, message)
            continue
        if unknown := _unknown(base, cases[name]):
            for one in unknown:
                message = unknown_text(one, known=names_in(base.path))
                found.add(None, f"{CASES}.{name}.extensions", one, message)
            continue
        try:
            studies[name] = declared.variant(name)
        except StudyError as error:
            found.faults += _of_case(name, error, found.table)
    return studies


def _unknown(base: Study, case: Mapping[str, Any]) -> list[str]:
    return [one for one in case.get("extensions", ()) if one not in names_in(base.path)]


def _additions(
    base: Study, cases: Mapping[str, Any], found: FaultList
) -> tuple[Extension, ...]:  # fmt: skip
    """Read the extensions that cases add, beside those that variants of the study do."""
    names = [one for case in cases.values() for one in case.get("extensions", ())]
    draft = draft_of(Header(), base, base.additions)
    read_additions(base.path, names, draft)
    found.faults += draft.faults
    return verified_additions(draft)


def _of_case(name: str, error: StudyError, file: str) -> Iterator[Fault]:
    """Faults of a case, told of the file that holds it."""
    for fault in error.faults:
        column = fault.column.removeprefix(f"variants.{name}")
        if column != fault.column:
            yield replace(fault, table=file, column=f"{CASES}.{name}{column}")
        else:
            message = f"makes a study that is not sound: {fault.table}, {fault}"
            yield Fault(file, None, f"{CASES}.{name}", fault.value, message)
