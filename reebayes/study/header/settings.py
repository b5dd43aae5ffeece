"""``study.toml``: name, unit and years of a study, and the settings of what is made of it."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reebayes.errors import Fault
from reebayes.study.header.frozen import Settings
from reebayes.study.header.package import read_package
from reebayes.study.header.report import read_report
from reebayes.study.header.scenarios import read_scenarios
from reebayes.study.header.variants import read_variants
from reebayes.study.reading.csvfiles import FaultList, hidden_characters, read_text
from reebayes.study.rows import MASS_SCALES
from reebayes.wording import nearest, quoted, suggestion

TABLE = "study.toml"
KEYS = {"name": str, "unit": str, "first_year": int, "last_year": int}
OPTIONAL_KEYS = {"notes": str, "settings": dict, "report": dict, "package": dict,
                 "variants": dict, "scenarios": dict}  # fmt: skip
ERROR_DISTRIBUTIONS = ("normal", "student_t")
_UNIT = "unit {} is unknown; write 'kt CONTENT/yr', such as 'kt REO/yr' (records may be in t or Mt)"
TYPE_NAMES = {str: "text", int: "a whole number", dict: "a table"}


@dataclass(frozen=True, slots=True)
class Header:
    """What ``study.toml`` says; years are None if they could not be read."""

    name: str = ""
    unit: str = ""
    years: tuple[int, int] | None = None
    settings: Settings = field(default_factory=Settings)
    notes: str = ""
    report: Settings = field(default_factory=Settings)
    package: Settings = field(default_factory=Settings)
    variants: Settings = field(default_factory=Settings)
    scenarios: Settings = field(default_factory=Settings)

    @property
    def content(self) -> str | None:
        """What the unit counts: ``REO`` of ``kt REO/yr``; None if the unit is unreadable."""
        mass, _, rest = self.unit.partition(" ")
        return rest.removesuffix("/yr") or None if mass in MASS_SCALES else None


def read_header(path: Path) -> tuple[Header, list[Fault]]:
    """Read ``study.toml`` as far as it can be read, and return it with its faults."""
    found = FaultList(TABLE)
    values = read_toml(path, found) or {}
    if not found.faults:
        values = _checked_keys(values, found)
        _check_unit(values.get("unit"), found)
        check_settings(values.get("settings", {}), found)
        values["report"] = read_report(values.get("report", {}), found)
        values["package"] = read_package(values.get("package", {}), found)
        values["variants"] = checked_variants(values.get("variants", {}), found)
        values["scenarios"] = read_scenarios(values.get("scenarios", {}), found)
    header = Header(
        name=values.get("name", ""),
        unit=values.get("unit", ""),
        years=_checked_years(values, found),
        settings=Settings(values.get("settings")),
        notes=values.get("notes", "").strip(),
        report=Settings(values.get("report")),
        package=Settings(values.get("package")),
        variants=Settings(values.get("variants")),
        scenarios=Settings(values.get("scenarios")),
    )
    return header, found.faults


def read_toml(path: Path, found: FaultList) -> dict[str, Any] | None:
    """Return what a TOML file says; None, and a fault, if it cannot be read."""
    text = read_text(path, found)
    if text is None:
        return None
    try:
        return tomllib.loads(text)
    # Too many digits or brackets are errors of another kind to the library.
    except (ValueError, RecursionError) as error:
        row = getattr(error, "lineno", None)
        found.add(row, "", "", f"file cannot be read as TOML: {error}")
        return None


def _checked_keys(values: dict[str, Any], found: FaultList) -> dict[str, Any]:
    """Return the values of the right type; note those missing, misspelt or of the wrong one."""
    known = KEYS | OPTIONAL_KEYS
    meant = {key: nearest(key, set(known) - set(values)) for key in values if key not in known}
    for key, match in meant.items():
        if match is not None:
            found.add(None, key, key, f"unknown key {quoted(key)}. Did you mean {match!r}?")
    for key in KEYS:
        if key not in values and key not in meant.values():
            found.add(None, key, "", f"key {key!r} is missing")
    good = {}
    for key, wanted in known.items():
        if key not in values:
            continue
        value = values[key]
        if type(value) is not wanted or value == "":
            message = f"{quoted(str(value))} is not {TYPE_NAMES[wanted]}"
            found.add(None, key, str(value), message)
        elif wanted is str and hidden_characters(str(value)):
            message = f"{quoted(str(value))} holds invisible characters; type it again"
            found.add(None, key, str(value), message)
        else:
            good[key] = value
    return good


def _check_unit(unit: str | None, found: FaultList) -> None:
    if unit is not None and (message := unit_message(unit)):
        found.add(None, "unit", unit, message)


def unit_message(unit: str) -> str:
    """Return what is wrong with the unit of a study; empty if nothing is."""
    mass, _, content = unit.partition(" ")
    what = content.removesuffix("/yr")
    # Records are converted to thousand tonnes of content, so no other unit would be true.
    sound = mass == "kt" and what not in ("", content) and what == what.strip()
    return "" if sound and unit.isprintable() else _UNIT.format(quoted(unit))


def _checked_years(values: dict[str, Any], found: FaultList) -> tuple[int, int] | None:
    first, last = values.get("first_year"), values.get("last_year")
    for key, year in (("first_year", first), ("last_year", last)):
        if year is not None and not 1000 <= year <= 9999:
            found.add(None, key, str(year), f"{year} is not a year of four digits")
            return None
    if first is None or last is None:
        return None
    if first > last:
        message = f"last_year {last} is before first_year {first}"
        found.add(None, "last_year", str(last), message)
        return None
    return first, last


def checked_variants(values: dict[str, Any], found: FaultList) -> dict[str, Any]:
    """Return the variants as far as they can be read; note what has not the right form."""
    variants = read_variants(values, found)
    for name, variant in variants.items():
        check_settings(variant.get("settings", {}), found, title=f"variants.{name}.settings")
    return variants


def check_settings(settings: dict[str, Any], found: FaultList, *, title: str = "settings") -> None:
    """Note the settings that are misspelt or out of range."""
    known = ("error_distribution", "degrees_of_freedom")
    for key in settings:
        if key not in known:
            message = f"unknown setting {quoted(key)}. {suggestion(key, known)}"
            found.add(None, f"{title}.{key}", key, message)
    distribution = settings.get("error_distribution", "normal")
    if distribution not in ERROR_DISTRIBUTIONS:
        text = str(distribution)
        message = f"unknown error_distribution {quoted(text)}. "
        message += suggestion(text, ERROR_DISTRIBUTIONS)
        found.add(None, f"{title}.error_distribution", text, message)
    freedom = settings.get("degrees_of_freedom", 5)
    if type(freedom) not in (int, float) or not 1 <= freedom < float("inf"):
        message = f"degrees_of_freedom {freedom!r} is not a number from 1 up"
        found.add(None, f"{title}.degrees_of_freedom", str(freedom), message)
