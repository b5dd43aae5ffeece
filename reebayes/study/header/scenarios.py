"""The ``[scenarios]`` tables of ``study.toml``: what if something else happened in the world."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from reebayes.study.header.forms import Form, is_number, is_text, list_of, read_forms
from reebayes.study.reading.cells import PERIOD
from reebayes.study.reading.csvfiles import FaultList
from reebayes.wording import listed, quoted

SUPPLY, CAPACITY, DEMAND = "supply", "capacity", "demand"
CLOSURES = (SUPPLY, CAPACITY, DEMAND)
"""What gives way when something changes: use; use and plants that are full; or what is mined."""

FLOW, ROUTE, PROCESS, QUANTITY = "flow", "route", "process", "quantity"
KINDS = (FLOW, ROUTE, PROCESS, QUANTITY)
"""What a change may name."""

SET, SCALE, ADD, CAP = "set", "scale", "add", "cap"
WAYS = (SET, SCALE, ADD, CAP)
"""What a change may do."""

SHAPES = ("step", "linear", "logistic")
"""How a change comes over its years."""

OTHERS, STAYS, LOST = "others", "stays", "lost"
ABSORBERS = (OTHERS, STAYS, LOST)
"""Where the difference goes, beside a flow that is named."""

FACTUAL = "factual"
"""Unit of a size that is a multiple of what was."""

SIZE_FORMS = ("lognormal", "normal", "share")
"""Scales on which an uncertain size is normal, each side of its middle with a spread of its own."""

NEEDED = ("label", "why", "source")

ENDS = ("low", "middle", "high")
"""Quantiles of 5, 50 and 95 % of an uncertain size."""


def _is_years(value: Any) -> bool:
    if type(value) is int:
        return 1000 <= value <= 9999
    if not is_text(value):
        return False
    found = [PERIOD.fullmatch(part.strip()) for part in value.split(";")]
    spans = [(int(m[1]), int(m[2] or m[1])) for m in found if m]
    return (
        len(spans) == len(found)
        and all(first <= last for first, last in spans)
        and all(earlier[1] < later[0] for earlier, later in pairwise(spans))
    )


def _is_size(value: Any) -> bool:
    if is_number(value):
        return True
    if not isinstance(value, dict) or not {*ENDS} <= value.keys() <= {*ENDS, "distribution"}:
        return False
    if not all(is_number(value[end]) for end in ENDS):
        return False
    low, middle, high = (value[end] for end in ENDS)
    form = value.get("distribution", SIZE_FORMS[1])
    within = {"lognormal": low > 0, "normal": True, "share": 0 < low and high < 1}
    return bool(low < middle < high and form in SIZE_FORMS and within[form])


def _is_named(value: Any) -> bool:
    return is_text(value) or list_of(is_text)(value)


def _one_of(choices: Iterable[str]) -> Form:
    known = tuple(choices)
    return f"one of {', '.join(known)}", lambda value: value in known


_YEARS: Form = ('a year such as 2014, or text such as "2010-2014;2018", in order', _is_years)
_SIZE: Form = (
    "a number, or {low, middle, high = quantiles of 5, 50 and 95 %, each above the one before, "
    f"distribution = one of {', '.join(SIZE_FORMS)} if wanted}}; lognormal lies above 0, share "
    "between 0 and 1",
    _is_size,
)

FORMS: Mapping[str, Form] = {
    "label": ("text", is_text),
    "why": ("text", is_text),
    "source": ("a source, or a list of sources, each once", _is_named),
    "years": _YEARS,
    "combines": ("a list of scenarios, each once", list_of(is_text)),
    "closure": _one_of(CLOSURES),
    "capacity": _SIZE,
    "changes": (
        "a list of tables, each with one of flow, route, process or quantity, one of set, scale, "
        "add or cap, and absorbed_by",
        lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
    ),
}
"""Keys of one scenario, each with the form of its value in words and as a test."""

CHANGE_FORMS: Mapping[str, Form] = {
    **{key: ("text", is_text) for key in KINDS},
    **dict.fromkeys(WAYS, _SIZE),
    "years": _YEARS,
    "shape": _one_of(SHAPES),
    "absorbed_by": (f"{', '.join(ABSORBERS)} or a flow", is_text),
    "unit": (f'"{FACTUAL}", for multiples of what was; left out for the unit of the study',
             lambda value: value == FACTUAL),
}  # fmt: skip
"""Keys of one change, likewise."""


def read_scenarios(values: Mapping[str, Any], found: FaultList) -> dict[str, Any]:
    """Return the scenarios as far as they can be read; note what has not the right form.

    One that cannot be used as it stands is left out, so that one slip gives one fault.
    """
    scenarios = {}
    for name, value in values.items():
        title, before = f"scenarios.{name}", len(found.faults)
        if not name.isidentifier():
            message = f"{quoted(name)} is no name for a scenario; write letters, digits and _"
            found.add(None, title, name, message)
        elif not isinstance(value, dict):
            found.add(None, title, str(value), f"{quoted(str(value))} is not a table")
        else:
            table = read_forms(title, FORMS, value, found)
            _note_missing(title, value, found)
            changes = table.get("changes", [])
            for number, change in enumerate(changes, 1):
                _read_change(f"{title}.changes.{number}", change, found)
            if len(found.faults) == before:
                scenarios[name] = table
    return scenarios


def _note_missing(title: str, value: Mapping[str, Any], found: FaultList) -> None:
    """Note the keys that a scenario cannot do without."""
    advice = dict.fromkeys(("label", "why"), "say in words what changes, and why")
    advice["source"] = "name a row of sources.csv; a judgement is one too"
    for key in NEEDED:
        if key not in value:
            found.add(None, f"{title}.{key}", "", f"key {key!r} is missing; {advice[key]}")
    if "closure" not in value and not value.get("combines"):
        message = f"key 'closure' is missing; write one of {', '.join(CLOSURES)}"
        found.add(None, f"{title}.closure", "", message)


def _read_change(title: str, change: Mapping[str, Any], found: FaultList) -> None:
    read_forms(title, CHANGE_FORMS, change, found)
    named = [key for key in KINDS if key in change]
    done = [key for key in WAYS if key in change]
    for given, choices, noun in ((named, KINDS, "names"), (done, WAYS, "does")):
        if len(given) != 1 and not (not given and _has_slip(change)):
            what = f"both {listed(given)}" if given else "nothing"
            message = f"the change {noun} {what}; give exactly one of {', '.join(choices)}"
            found.add(None, title, ", ".join(given), message)
    if PROCESS not in change and "absorbed_by" not in change and not _has_slip(change):
        message = (
            "key 'absorbed_by' is missing: say where the difference goes, "
            f"{', '.join(ABSORBERS)} or a flow"
        )
        found.add(None, f"{title}.absorbed_by", "", message)
    if SCALE in change and "unit" in change:
        message = "scale multiplies what was as it is; leave unit out"
        found.add(None, f"{title}.unit", str(change["unit"]), message)


def _has_slip(change: Mapping[str, Any]) -> bool:
    """Whether a key of a change is misspelt, which is a fault of its own."""
    return any(key not in CHANGE_FORMS for key in change)
