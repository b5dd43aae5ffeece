"""The user's tables: commodity codes, areas of the world, and what customs figures observe."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from reebayes.customs.areanames import area_key, vague_role
from reebayes.errors import Fault, StudyError
from reebayes.study import Cells, FaultList, read_lines
from reebayes.wording import quoted

ANYWHERE = "HS"
"""Jurisdiction of the codes that all countries share."""

REST = "*"
SIDES = ("exporter", "importer")
ROLES = ("area", "group", "total", "unknown")
ALIKE = 0.85
"""From how like a listed name an unlisted one is taken for a misspelling of it."""

CODES, AREAS, QUANTITIES = "hs_codes.csv", "customs_areas.csv", "customs_quantities.csv"


@dataclass(frozen=True, slots=True)
class Code:
    """A commodity code of one jurisdiction, and the content of a gross tonne booked under it."""

    code: str
    jurisdiction: str
    product: str
    used: bool
    factor: float
    low: float
    high: float
    first: int
    last: int
    note: str
    elements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """A country or other partner: its region in the study and the codes that it uses.

    ``listed`` is false for one that the table of areas does not name.
    """

    area: str
    region: str
    jurisdiction: str
    role: str
    names: tuple[str, ...]
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """What the customs of one side observe of a product that goes from one area to another."""

    exporter: str
    importer: str
    side: str
    product: str
    quantity: str
    headings: tuple[str, ...]


def product_key(product: str) -> str:
    """Return products joined by + in one order."""
    return "+".join(sorted(part.strip() for part in product.split("+")))


class CodeTable:
    """Codes, looked up by the longest prefix that is valid in a year."""

    def __init__(self, codes: Iterable[Code]) -> None:
        self._codes = sorted(codes, key=lambda entry: len(entry.code), reverse=True)

    @property
    def common(self) -> list[str]:
        """The codes of six digits, shared by all countries, that are used."""
        entries = (entry for entry in self._codes if entry.jurisdiction == ANYWHERE)
        return sorted({entry.code for entry in entries if entry.used and len(entry.code) == 6})

    def find(self, code: str, jurisdiction: str, year: int) -> Code | None:
        """Return the entry of the longest prefix of `code`: the reporter's own, or the common."""
        for entry in self._codes:
            if (
                code.startswith(entry.code)
                and entry.jurisdiction in (jurisdiction, ANYWHERE)
                and entry.first <= year <= entry.last
            ):
                return entry
        return None


class AreaTable:
    """Areas, looked up by any of their names; an unlisted one lies in the rest of the world."""

    def __init__(self, areas: Iterable[Area]) -> None:
        listed = list(areas)
        self._rest = next(area for area in listed if area.area == REST)
        self._areas = {area_key(name): area for area in listed for name in (area.area, *area.names)}
        # Taking one of these for a country of the rest of the world would move its trade.
        self._weighty = [
            name
            for name, area in self._areas.items()
            if area.region not in ("", self._rest.region) and ":" not in name
        ]

    @property
    def rest(self) -> str:
        """Region of all areas that are not listed."""
        return self._rest.region

    def find(self, names: Sequence[str]) -> Area | None:
        """Return the area that goes by one of `names`; None if they look like a misspelling.

        Names of groups and totals, and for what is not known, need not be listed.
        """
        for name in names:
            if found := self._areas.get(area_key(name)):
                return found
        label = names[-1] if names else ""
        role = next(filter(None, map(vague_role, names)), "")
        if not label or (not role and any(self._misspelt(area_key(name)) for name in names)):
            return None
        rest = self._rest
        return Area(label, rest.region, rest.jurisdiction, role or "area", (), listed=False)

    def _misspelt(self, name: str) -> bool:
        ratios = (SequenceMatcher(None, name, other).ratio() for other in self._weighty)
        # Codes of three letters are all alike.
        return len(name) > 4 and max(ratios, default=0.0) >= ALIKE


class TargetTable:
    """What is observed, by exporter, importer, side and product; areas before regions."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._targets = {(t.exporter, t.importer, t.side, t.product): t for t in targets}

    def find(
        self, exporter: Sequence[str], importer: Sequence[str], side: str, product: str
    ) -> Target | None:
        """Return the row for the first of the `exporter` and `importer` names that has one."""
        for origin in exporter:
            for destination in importer:
                key = (origin, destination, side, product_key(product))
                if key in self._targets:
                    return self._targets[key]
        return None


def read_codes(path: Path) -> CodeTable:
    """Read a table of codes.

    Raises
    ------
    StudyError
        With every fault of the table.
    """
    required = ("code", "jurisdiction", "product", "used", "reo_per_gross", "low", "high")
    lines, faults = _lines(path, required, ("valid_from", "valid_to", "note", "elements"))
    codes: list[Code] = []
    for cells in lines:
        code = Code(
            code=cells.needed("code"),
            jurisdiction=cells.needed("jurisdiction"),
            product=cells.text("product"),
            used=cells.truth("used"),
            factor=cells.needed_number("reo_per_gross", 1.0),
            low=cells.needed_number("low", 1.0),
            high=cells.needed_number("high", 1.0),
            first=cells.year("valid_from") or 0,
            last=cells.year("valid_to") or 9999,
            note=cells.text("note"),
            elements=tuple(filter(None, map(str.strip, cells.text("elements").split(";")))),
        )
        row = cells.line.row
        if not (code.code.isascii() and code.code.isdecimal()):
            faults.add(row, "code", code.code, "code must be digits, without dots")
        if not 0 < code.low <= code.factor <= code.high:
            message = "low, reo_per_gross and high must be above 0 and in this order"
            faults.add(row, "reo_per_gross", f"{code.factor:g}", message)
        if code.used and not code.product:
            message = "product is empty; write one, or 'false' in column 'used'"
            faults.add(row, "product", "", message)
        if code.first > code.last:
            message = f"valid_to {code.last} is before valid_from {code.first}"
            faults.add(row, "valid_to", str(code.last), message)
        if any(_overlap(code, other) for other in codes):
            message = "code and jurisdiction are given twice for the same years; keep one"
            faults.add(row, "code", code.code, message)
        codes.append(code)
    _raise(faults)
    return CodeTable(codes)


def _overlap(one: Code, other: Code) -> bool:
    same = (one.code, one.jurisdiction) == (other.code, other.jurisdiction)
    return same and one.first <= other.last and other.first <= one.last


def read_areas(path: Path) -> AreaTable:
    """Read a table of areas.

    Raises
    ------
    StudyError
        With every fault of the table.
    """
    lines, faults = _lines(path, ("area", "region", "role"), ("jurisdiction", "names"))
    areas: list[Area] = []
    known: dict[str, str] = {}
    for cells in lines:
        names = tuple(name.strip() for name in cells.text("names").split(";") if name.strip())
        area, role = cells.needed("area"), cells.choice("role", ROLES)
        region, jurisdiction = cells.text("region"), cells.text("jurisdiction")
        if role in ("area", "group") and not region:
            faults.add(cells.line.row, "region", "", "cell is empty; write the study's region")
        for name in dict.fromkeys(area_key(text) for text in (area, *names)):
            if known.setdefault(name, area) != area:
                message = f"name {quoted(name)} is that of {quoted(known[name])} too; keep one"
                faults.add(cells.line.row, "names", name, message)
        if any(other.area == area for other in areas):
            faults.add(cells.line.row, "area", area, f"area {quoted(area)} is given twice")
        areas.append(Area(area, region, jurisdiction, role, names))
    if not any(area.area == REST for area in areas):
        faults.add(None, "area", "", f"no row {REST!r}: the region of areas that are not listed")
    _raise(faults)
    return AreaTable(areas)


def read_targets(path: Path) -> TargetTable:
    """Read a table of observed quantities.

    Raises
    ------
    StudyError
        With every fault of the table.
    """
    required = ("exporter", "importer", "side", "product", "quantity")
    lines, faults = _lines(path, required, ("headings",))
    targets = [
        Target(
            exporter=cells.needed("exporter"),
            importer=cells.needed("importer"),
            side=cells.choice("side", SIDES),
            product=product_key(cells.needed("product")),
            quantity=cells.needed("quantity"),
            headings=tuple(part.strip() for part in cells.text("headings").split(";") if part),
        )
        for cells in lines
    ]
    seen: set[tuple[str, ...]] = set()
    for cells, target in zip(lines, targets, strict=True):
        key = (target.exporter, target.importer, target.side, target.product)
        if key in seen:
            message = "exporter, importer, side and product are given twice; keep one row"
            faults.add(cells.line.row, "quantity", target.quantity, message)
        seen.add(key)
    _raise(faults)
    return TargetTable(targets)


def _lines(
    path: Path, required: Sequence[str], optional: Sequence[str]
) -> tuple[list[Cells], FaultList]:
    faults = FaultList(str(path))
    lines = read_lines(path, required, optional, faults)
    return [Cells(line, faults) for line in lines if not line.broken], faults


def _raise(faults: FaultList) -> None:
    found: list[Fault] = faults.faults
    if found:
        raise StudyError(found)
