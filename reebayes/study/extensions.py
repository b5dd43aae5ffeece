"""Extensions of a study: directories of the same tables, whose rows add to its own or replace them.

Rows of a key that the study has take the place of its rows; all others are added. Extensions are
taken in the order of their names, so that the order in which they are asked for changes nothing.
One may join others: it is there wherever all of these are, and what it gives goes before theirs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reebayes.errors import Fault, StudyError
from reebayes.study.drafts import FIELDS, Draft, Extension, read_draft, read_table
from reebayes.study.header.extension import (
    JOINS,
    REPORT,
    SCENARIOS,
    VARIANTS,
    read_extension_header,
)
from reebayes.study.header.frozen import Settings
from reebayes.study.header.settings import TABLE, Header
from reebayes.study.reading.cells import Entry
from reebayes.study.reading.csvfiles import MISSPELT
from reebayes.study.rows import Prior
from reebayes.study.schema import PRIORS, QUANTITIES, SCHEMA
from reebayes.wording import listed, nearest, quoted

FOLDER = "extensions"
"""Directory of a study in which its extensions lie."""

FOUND = "extensions"
"""What faults of an extension that is not there are told of."""

NO_NAME = frozenset("\\/:\0")
"""Characters that no name of an extension holds: it is part of names of files, on any machine."""

type Given = Iterable[str | Path] | str | Path
type Key = tuple[Any, ...]


def read_extended(folder: Path, given: Given = ()) -> Draft:
    """Read the tables of a study and of extensions as those of one study.

    Parameters
    ----------
    folder : Path
        Directory of the study.
    given : iterable of str or Path
        Names of extensions of the study, or paths.
    """
    draft = read_draft(folder)
    wanted = [given] if isinstance(given, str | Path) else list(given)
    wanted = _with_joining(folder, wanted)
    draft = extended(draft, _read_all(folder, wanted, draft), header=True)
    draft.shelf = names_in(folder)
    added = {name for one in draft.header.variants.values() for name in one.get("extensions", ())}
    read_additions(folder, added, draft)
    return draft


def folders_of(draft: Draft, known: Mapping[str, Path] = MappingProxyType({})) -> Settings:
    """Directories of the extensions whose rows are in a draft, by name, sorted."""
    found = {**known, **{one.name: one.folder for one in draft.loaded}}
    return Settings({name: found[name] for name in sorted(found)})


def names_in(folder: Path) -> tuple[str, ...]:
    """Return the names of the extensions that lie in the directory of a study."""
    shelf = folder / FOLDER
    if not shelf.is_dir():
        return ()
    return tuple(sorted(path.name for path in shelf.iterdir() if _is_shown(path)))


def _is_shown(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and not {*path.name} & NO_NAME


def read_additions(folder: Path, names: Iterable[str], draft: Draft) -> None:
    """Read extensions that variants add; what a study has not is a fault of the variant."""
    there = {one.name for one in draft.additions}
    for name in sorted({*names} - there):
        if name in names_in(folder):
            one = read_extension(folder / FOLDER / name, f"{FOLDER}/{name}", draft)
            draft.additions += (one,)


def _read_all(study: Path, given: Sequence[str | Path], draft: Draft) -> list[Extension]:
    """Read every extension that is asked for, each once."""
    found: dict[Path, Extension] = {}
    for name in given:
        folder = _folder_of(study, name)
        if folder is None:
            draft.faults.append(Fault(FOUND, None, "", str(name), unknown_text(str(name), study)))
        elif folder.resolve() not in found:
            found[folder.resolve()] = read_extension(folder, _at(study, folder), draft)
    by_name: dict[str, Extension] = {}
    for one in found.values():
        first = by_name.setdefault(one.name, one)
        if first is not one:
            message = f"{first.at} has the name {one.name!r}, too; rename one of them"
            draft.faults.append(Fault(FOUND, None, "", one.at, message))
    return list(by_name.values())


def _with_joining(study: Path, given: Sequence[str | Path]) -> list[str | Path]:
    """Names of extensions, with those that join some of them and those that they join."""
    joins = {name: _joined_by(study / FOLDER / name) for name in names_in(study)}
    wanted = [*given, *(other for name in given for other in joins.get(str(name), ()))]
    asked = {str(name) for name in wanted}
    return [*wanted, *(name for name, others in joins.items() if others and others <= asked)]


def _joined_by(folder: Path) -> frozenset[str]:
    """Names of the extensions that one joins; faults of its header are told where it is read."""
    if not (folder / TABLE).exists():
        return frozenset()
    header, _ = read_extension_header(folder / TABLE, folder.name)
    return frozenset(header.get(JOINS, ()))


def _folder_of(study: Path, given: str | Path) -> Path | None:
    """Return where an extension lies: in the study, if it is a name of one; or where a path is."""
    if isinstance(given, str) and given in names_in(study):
        return study / FOLDER / given
    path = Path(given)
    return path if str(given) and path.is_dir() else None


def _at(study: Path, folder: Path) -> str:
    path = folder.parent.resolve() / _name_of(folder)
    inside = path.parent == (study / FOLDER).resolve()
    return f"{FOLDER}/{path.name}" if inside else folder.as_posix()


def _name_of(folder: Path) -> str:
    """Return the name of a directory as it was given, but for one such as ``..``."""
    return folder.name if folder.name not in ("", os.pardir) else folder.resolve().name


def unknown_text(name: str, study: Path | None = None, known: Sequence[str] = ()) -> str:
    """Say that there is no such extension, which is nearest, and which there are."""
    known = names_in(study) if study is not None else known
    match = nearest(name, known)
    near = f" Did you mean {match!r}?" if match else ""
    there = f"There are {listed(known)}" if len(known) > 1 else f"There is {listed(known)}"
    there = f"{there}." if known else "The study has none."
    path = "" if study is None else f" Or give the path of a directory; {quoted(name)} is none."
    return f"unknown extension {quoted(name)}.{near} {there}{path}"


def read_extension(folder: Path, at: str, draft: Draft) -> Extension:
    """Read the tables of an extension, noting in the draft of the study what cannot be read.

    Parameters
    ----------
    folder : Path
    at : str
        How faults name it.
    draft : Draft
    """
    files = [file for file in SCHEMA if (folder / file).exists()]
    header = Settings()
    if (folder / TABLE).exists():
        header, faults = read_extension_header(folder / TABLE, f"{at}/{TABLE}")
        draft.faults += faults
    elif not files:
        message = f"{folder} holds no table of a study, such as {listed(list(SCHEMA)[:5])}"
        draft.faults.append(Fault(FOUND, None, "", at, message))
    draft.faults += _misnamed(folder, at)
    tables = tuple((file, tuple(read_table(folder, SCHEMA[file], draft, at))) for file in files)
    return Extension(_name_of(folder), folder, at, tables, header)


def _misnamed(folder: Path, at: str) -> Iterator[Fault]:
    for path in sorted(folder.glob("*.csv")):
        meant = get_close_matches(path.name, SCHEMA, n=1, cutoff=MISSPELT)
        if path.name not in SCHEMA and meant:
            message = f"no table has this name; write {meant[0]!r}, or another name"
            yield Fault(f"{at}/{path.name}", None, "", path.name, message)


# --- rows ---------------------------------------------------------------------------------------


def extended(draft: Draft, added: Sequence[Extension], *, header: bool = False) -> Draft:
    """Return a draft with the rows of extensions, and with what their headers add if asked for."""
    if not added:
        return draft
    added = sorted(added, key=lambda one: one.name)
    grown = replace(draft, loaded=(*draft.loaded, *added), faults=list(draft.faults))
    if header:
        grown.header = _joined_header(draft.header, added, grown.faults)
    for file in SCHEMA:
        # set, not changed: drafts that were copied share their lists
        setattr(grown, FIELDS[file], _joined(file, grown.rows(file), added, grown.faults))
    return grown


def _key_of(file: str, entry: Entry[Any]) -> Key:
    """What identifies a row in its table; one whose key cannot be read is like no other."""
    columns = ("quantity",) if file == QUANTITIES.file else SCHEMA[file].key
    if not entry.bad.isdisjoint(columns):
        return (object(),)
    return tuple(getattr(entry.item, column) for column in columns)


def _joined(
    file: str, rows: list[Entry[Any]], added: Iterable[Extension], faults: list[Fault]
) -> list[Entry[Any]]:
    """Return the rows of a table with those of extensions, each where the row was that it replaces.

    Two rows of one key that differ are faults if two extensions give them; if one does, they are
    left to the checks of the whole. What joins two goes before them.
    """
    added = sorted(added, key=lambda one: not one.header.get(JOINS))
    joined: dict[str, set[Key]] = {}  # keys that an extension leaves to what joins it
    given: dict[Any, dict[Key, list[Entry[Any]]]] = {}  # by name of a row, then by key
    for one in added:
        for key, entries in _by_key(file, one.rows(file)).items():
            if key in joined.get(one.name, ()):
                continue
            for other in one.header.get(JOINS, ()):
                joined.setdefault(other, set()).add(key)
            first = given.setdefault(key[0], {}).setdefault(key, entries)
            if first is not entries and _items(first) != _items(entries):
                faults.append(_clash(file, key, first[0], entries[0]))
    if not given:
        return rows
    placed: set[Any] = set()
    found: list[Entry[Any]] = []
    for entry in rows:
        key = _key_of(file, entry)
        keys = given.get(key[0], {})
        if not _is_replaced(file, key, keys):
            # messages about rows of other files say which file this is
            found.append(replace(entry, file=entry.file or file) if entry.row else entry)
        elif key[0] not in placed:
            placed.add(key[0])
            found += [row for entries in keys.values() for row in entries]
    return found + [
        row
        for name, keys in given.items()
        if name not in placed
        for entries in keys.values()
        for row in entries
    ]


def _by_key(file: str, entries: Iterable[Entry[Any]]) -> dict[Key, list[Entry[Any]]]:
    found: dict[Key, list[Entry[Any]]] = {}
    for entry in entries:
        found.setdefault(_key_of(file, entry), []).append(entry)
    return found


def _is_replaced(file: str, key: Key, keys: Mapping[Key, object]) -> bool:
    """Return whether extensions that give rows of this name replace the one of this key."""
    if file != PRIORS.file:
        return key in keys
    # a prior for all years leaves no room for one of some years, and the reverse
    target, year = key
    return key in keys or (target, None) in keys or (year is None and bool(keys))


def _items(entries: Iterable[Entry[Any]]) -> Counter[Any]:
    return Counter(entry.item for entry in entries)


def _clash(file: str, key: Key, first: Entry[Any], second: Entry[Any]) -> Fault:
    name = next(str(part) for part in key if part is not None)
    message = (
        f"{name!r} is given otherwise in row {first.row} of {first.file}; two extensions that are "
        "added together must agree, so leave one out"
    )
    return Fault(second.file or file, second.row, SCHEMA[file].key[0], name, message)


# --- headers ------------------------------------------------------------------------------------


def _joined_header(header: Header, added: Sequence[Extension], faults: list[Fault]) -> Header:
    """Return the header of a study with what those of extensions add."""
    parts: dict[str, dict[str, Any]] = {
        REPORT: header.report.plain,
        VARIANTS: header.variants.plain,
        SCENARIOS: header.scenarios.plain,
    }
    by: dict[tuple[str, ...], tuple[Extension, Any]] = {}
    for one in added:
        for place, value in _entries(one.header.plain):
            first, same = by.setdefault(place, (one, value))
            if first is not one and same != value:
                message = f"is given otherwise in {first.at}/{TABLE}; leave one extension out"
                column = ".".join(place)
                faults.append(Fault(f"{one.at}/{TABLE}", None, column, place[-1], message))
            _put(parts[place[0]], place[1:], value)
        for key, items in _lists(one.header.plain.get(REPORT, {})):
            there = parts[REPORT].get(key, [])
            parts[REPORT][key] = [*there, *(item for item in items if item not in there)]
    labels = [one.header["label"] for one in added if "label" in one.header]
    return replace(
        header,
        name=f"{header.name}, with {listed(labels)}" if labels and header.name else header.name,
        report=Settings(parts[REPORT]),
        variants=Settings(parts[VARIANTS]),
        scenarios=Settings(parts[SCENARIOS]),
    )


def _entries(header: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Iterate over what takes the place of an entry of the study: where it stands, and its value.

    Lists of a report are none of it: they are added to those of the study.
    """
    for part in (VARIANTS, SCENARIOS):
        yield from (((part, name), value) for name, value in header.get(part, {}).items())
    for key, value in header.get(REPORT, {}).items():
        if isinstance(value, dict):
            yield from (((REPORT, key, name), item) for name, item in value.items())
        elif not isinstance(value, list):
            yield (REPORT, key), value


def _lists(report: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    yield from ((key, value) for key, value in report.items() if isinstance(value, list))


def _put(table: dict[str, Any], place: Sequence[str], value: Any) -> None:
    *above, name = place
    for key in above:
        table = table.setdefault(key, {})
    table[name] = value


def placed(faults: Iterable[Fault], loaded: Sequence[Extension]) -> list[Fault]:
    """Return faults, those of the header told of the extension whose header holds what is wrong."""
    return [_placed(fault, loaded) if fault.table == TABLE else fault for fault in faults]


def _placed(fault: Fault, loaded: Sequence[Extension]) -> Fault:
    part, *rest = fault.column.split(".")
    for one in loaded:
        held = one.header.plain.get(part, {})
        if part in (VARIANTS, SCENARIOS) and rest and rest[0] in held:
            return replace(fault, table=f"{one.at}/{TABLE}")
        if part == REPORT and rest and _holds(held.get(rest[0]), fault.value):
            # a number counts the lists of the study, too
            column = ".".join((part, *(name for name in rest if not name.isdigit())))
            return replace(fault, table=f"{one.at}/{TABLE}", column=column)
    return fault


def _holds(values: Any, value: str) -> bool:
    """Return whether a value is somewhere in a part of a header."""
    if isinstance(values, dict):
        return value in values or any(_holds(item, value) for item in values.values())
    if isinstance(values, list):
        return any(_holds(item, value) for item in values)
    return values is not None and str(values) == value


# --- files --------------------------------------------------------------------------------------


def is_study_file(name: str) -> bool:
    """Return whether a file of that name, as `Study.texts` names it, belongs to a study."""
    *folders, file = name.split("/")
    if file not in (TABLE, *SCHEMA):
        return False
    if not folders:
        return True
    plain = len(folders) == 2 and folders[0] == FOLDER and folders[1] not in ("", os.curdir)
    return plain and os.pardir not in folders and not {*folders[1]} & NO_NAME


def study_around(folder: Path) -> Path | None:
    """Return the directory of the study in which an extension lies; None if it lies in none."""
    shelf = folder.resolve().parent
    return shelf.parent if shelf.name == FOLDER and (shelf.parent / TABLE).is_file() else None


def own_priors(folder: Path) -> list[Prior]:
    """Return the priors that an extension holds itself.

    Raises
    ------
    StudyError
        If they cannot be read.
    """
    if not (folder / PRIORS.file).exists():
        return []
    draft = Draft(Header())
    entries = read_table(folder, PRIORS, draft, folder.name)
    if draft.faults:
        raise StudyError(draft.faults)
    return [entry.item for entry in entries]
