"""A map of projects: circles as large as what they are planned to yield, coloured by status.

Names stand beside the circles where there is room, those of large projects first, and never over
another name or circle; a thin line leads to a name that stands apart.

References
----------
Natural Earth, 1:110m Cultural Vectors (public domain): the outlines, as in `maps`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from reebayes.errors import ResultError
from reebayes.figures.canvas import GROUND, Drawing, Line, Shape, save_drawing
from reebayes.figures.columns import Point, Step
from reebayes.figures.lettering import width_of, wrapped
from reebayes.figures.maps import (
    EDGE,
    INK,
    LAND,
    MIDDLE,
    NORTH,
    SEA,
    SMALL,
    SOUTH,
    TEXT,
    TITLE,
    WIDTH,
    Sheet,
    equal_earth,
    outlines,
)
from reebayes.study.prospects import PROJECT_STATUSES
from reebayes.wording import format_value, listed

COLOURS = ("#1f5f9e", "#2a7f62", "#c2571a", "#7a1f3d", "#8a8578")
"""Of statuses, the surest first."""

LARGEST, LEAST = 26.0, 3.0  # radius in pixels of the largest capacity, and the smallest drawn
OPACITY = 0.75
LETTERS = 10.5
_RINGS = (2.0, 12.0, 24.0, 38.0, 54.0)  # pixels from a circle to its name, the nearest tried first
_TURNS = 16  # directions that are tried at each distance
_ARC = 0.5523  # of a quarter of a circle as one cubic curve


@dataclass(frozen=True)
class Site:
    """One project on the sheet."""

    name: str
    status: str
    x: float
    y: float
    radius: float
    title: str
    capacity: float  # NaN if none is stated

    @property
    def colour(self) -> str:
        """Colour of its status."""
        return COLOURS[PROJECT_STATUSES.index(self.status) % len(COLOURS)]

    def shape(self) -> Shape:
        """Return its circle."""
        return Shape("site", circle(self.x, self.y, self.radius), self.colour, OPACITY, self.title,
                     (self.name,))  # fmt: skip


def draw_projects(table: pd.DataFrame) -> str:
    """Draw projects on a map of the world.

    Parameters
    ----------
    table : DataFrame
        As `project_table` returns it.

    Returns
    -------
    str
        An ``<svg>`` element. The area of a circle is the capacity that is stated (in the unit of
        the study), its colour the status; small circles state none. Projects without coordinates
        are named below.

    Raises
    ------
    ResultError
        If no project has coordinates.

    Examples
    --------
    >>> import reebayes as rb
    >>> drawing = rb.draw_projects(rb.project_table(rb.read_study()))
    >>> drawing[:4], "Araxa" in drawing
    ('<svg', True)
    """
    return sites_drawing(table).svg()


def save_projects(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a map of projects as a picture.

    Parameters
    ----------
    table : DataFrame
        As `project_table` returns it.
    path : str or Path
        File to write, whose ending says what it is: ``.svg``, ``.pdf`` or ``.png``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        As `draw_projects`, or if the ending is another.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.project_table(rb.read_study(), as_of=2023)
    >>> rb.save_projects(table, "projects.svg").name
    'projects.svg'
    """
    return save_drawing(path, lambda: sites_drawing(table))


def sites_drawing(table: pd.DataFrame) -> Drawing:
    """Lay out the map; see `draw_projects`."""
    placed = table[table["latitude"].notna()]
    if placed.empty:
        raise ResultError("No project has coordinates; there is nothing to draw on a map.")
    unit = str(table.attrs.get("unit", ""))
    lost = table.index[table["latitude"].isna()].tolist()
    title = "Projects by status" + (f", as known in {when}" if (when := _when(table)) else "")
    lines, y = _heading(title, _explained(unit, lost, len(placed)))
    lines += (key := _key(placed, y + 26.0, unit))[1]
    top = y + 46.0
    sheet, height = _sheet(top)
    sites = list(_sites(placed, sheet, unit))
    labels = _Labels(sites, (EDGE, top, WIDTH - EDGE, top + height))
    for site in sorted(sites, key=_rank):
        labels.place(site)
    shapes = [Shape("sea", _frame(sheet, top, height), SEA), *_land(sheet, top + height), *key[0]]
    shapes += [site.shape() for site in sorted(sites, key=lambda site: -site.radius)]
    shapes += labels.leads
    told = f"{title}. {_in_words(sites, unit)}"
    return Drawing(WIDTH, top + height + EDGE, title, shapes, lines + labels.lines, told)


def circle(x: float, y: float, radius: float) -> list[Step]:
    """Return the outline of a circle as four curves."""
    arc = _ARC * radius
    return [
        ("M", [(x + radius, y)]),
        ("C", [(x + radius, y + arc), (x + arc, y + radius), (x, y + radius)]),
        ("C", [(x - arc, y + radius), (x - radius, y + arc), (x - radius, y)]),
        ("C", [(x - radius, y - arc), (x - arc, y - radius), (x, y - radius)]),
        ("C", [(x + arc, y - radius), (x + radius, y - arc), (x + radius, y)]),
    ]


def _when(table: pd.DataFrame) -> int:
    return int(table.attrs.get("as_of") or table["as_of"].max())


def _rank(site: Site) -> tuple[bool, int, float, str]:
    """Order in which names are placed: those with a capacity first, large ones before small."""
    bare = math.isnan(site.capacity)
    status = PROJECT_STATUSES.index(site.status)
    return bare, status if bare else 0, 0.0 if bare else -site.capacity, site.name


# --- ground ---------------------------------------------------------------------------------------


def _sheet(top: float) -> tuple[Sheet, float]:
    half = equal_earth(MIDDLE + 179.999, 0.0)[0]
    scale = (WIDTH - 2 * EDGE) / (2 * half)
    north, south = (equal_earth(MIDDLE, lat)[1] for lat in (NORTH, SOUTH))
    return Sheet(scale, WIDTH / 2, top + north * scale), (north - south) * scale


def _frame(sheet: Sheet, top: float, height: float) -> list[Step]:
    lats = [SOUTH + n * (NORTH - SOUTH) / 30 for n in range(31)]
    west = [sheet.at(MIDDLE - 179.999, lat) for lat in lats]
    east = [sheet.at(MIDDLE + 179.999, lat) for lat in reversed(lats)]
    return _closed([(x, min(max(y, top), top + height)) for x, y in (*west, *east)])


def _land(sheet: Sheet, bottom: float) -> Iterator[Shape]:
    cut = MIDDLE - 180.0
    for rings in outlines().values():
        for ring in rings:
            if max(lat for _, lat in ring) <= SOUTH:
                continue
            # points on the cut stay on the side of their ring
            side = 1e-6 if sum(lon for lon, _ in ring) / len(ring) > cut else -1e-6
            points = [
                sheet.at(cut + side if abs(lon - cut) <= 1e-6 else lon, max(lat, SOUTH))
                for lon, lat in ring
            ]
            yield Shape(GROUND, _closed([(x, min(y, bottom)) for x, y in points]), LAND)


def _closed(points: Sequence[Point]) -> list[Step]:
    return [("M", [points[0]]), *(("L", [point]) for point in points[1:])]


# --- circles --------------------------------------------------------------------------------------


def _radius(capacity: float, most: float) -> float:
    return LEAST if math.isnan(capacity) else max(LEAST, LARGEST * math.sqrt(capacity / most))


def _sites(placed: pd.DataFrame, sheet: Sheet, unit: str) -> Iterator[Site]:
    most = float(placed["capacity"].max())
    rows: list[Any] = list(placed.itertuples())
    for row in rows:
        x, y = sheet.at(row.longitude, row.latitude)
        yield Site(str(row.Index), row.status, x, y, _radius(row.capacity, most),
                   f"{row.Index}, {row.country}: {_about(row, unit)}", row.capacity)  # fmt: skip


def _about(row: Any, unit: str) -> str:
    parts = [str(row.status)]
    if row.capacity == row.capacity:
        parts.append(f"{format_value(row.capacity)} {unit}".strip())
    if row.start == row.start:
        parts.append(f"from {row.start:.0f}")
    if row.resource == row.resource:
        parts.append(f"resource {format_value(row.resource)} Mt")
    return ", ".join([*parts, f"as of {row.as_of}"])


@dataclass
class _Labels:
    """Names that have a place so far, inside a frame (left, top, right, bottom)."""

    sites: Sequence[Site]
    frame: tuple[float, float, float, float]
    lines: list[Line] = field(default_factory=list)
    leads: list[Shape] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    ends: list[tuple[Point, Point]] = field(default_factory=list)

    def place(self, site: Site) -> None:
        """Give a name the first place that is free; one without a capacity only right beside it."""
        wide = width_of(site.name, LETTERS)
        rings = _RINGS[:1] if math.isnan(site.capacity) else _RINGS
        for gap in rings:
            for box in _around(site, wide, gap):
                lead = (_towards(site, box), _near(box, site.x, site.y)) if gap > 4.0 else None
                if self._free(site, box, lead):
                    self._take(site, box, lead)
                    return

    def _free(
        self, site: Site, box: tuple[float, float, float, float], lead: tuple[Point, Point] | None
    ) -> bool:
        left, top, right, bottom = box
        inside = (left >= self.frame[0] and right <= self.frame[2] and top >= self.frame[1]
                  and bottom <= self.frame[3])  # fmt: skip
        return (
            inside
            and not any(_meet(box, other) for other in self.boxes)
            and not any(_covers(box, one) for one in self.sites)
            and not any(_crossed(box, *end) for end in self.ends)
            and (lead is None or self._clear(site, lead))
        )

    def _clear(self, site: Site, lead: tuple[Point, Point]) -> bool:
        """Whether a line to a name touches no other name, circle or line."""
        others = [one for one in self.sites
                  if one is not site and (one.x, one.y) != (site.x, site.y)]  # fmt: skip
        return not (
            any(_crossed(box, *lead) for box in self.boxes)
            or any(_apart(one, *lead) < one.radius for one in others)
            or any(_cross(*lead, *end) for end in self.ends)
        )

    def _take(
        self, site: Site, box: tuple[float, float, float, float], lead: tuple[Point, Point] | None
    ) -> None:
        self.boxes.append(box)
        self.lines.append(Line(box[0], box[3] - 3.0, site.name, LETTERS, of=site.name))
        if lead is not None:
            self.ends.append(lead)
            self.leads.append(Shape("lead", _thin(*lead), INK, 0.7, touches=(site.name,)))


def _around(site: Site, wide: float, gap: float) -> Iterator[tuple[float, float, float, float]]:
    """Boxes of a name about a circle, to the right first."""
    high = LETTERS + 2.0
    turns = sorted(range(_TURNS), key=lambda n: (min(n, _TURNS - n), n))
    for turn in turns:
        angle = 2 * math.pi * turn / _TURNS
        reach = site.radius + gap
        x, y = site.x + reach * math.cos(angle), site.y - reach * math.sin(angle)
        left = x - wide * (1 - math.cos(angle)) / 2
        top = y - high * (1 + math.sin(angle)) / 2
        yield left, top, left + wide, top + high


def _meet(a: tuple[float, ...], b: tuple[float, ...], room: float = 1.5) -> bool:
    return (a[0] < b[2] + room and b[0] < a[2] + room and a[1] < b[3] + room
            and b[1] < a[3] + room)  # fmt: skip


def _near(box: tuple[float, ...], x: float, y: float) -> Point:
    return min(max(x, box[0]), box[2]), min(max(y, box[1] + 2.0), box[3] - 2.0)


def _covers(box: tuple[float, ...], site: Site) -> bool:
    x, y = min(max(site.x, box[0]), box[2]), min(max(site.y, box[1]), box[3])
    return math.dist((x, y), (site.x, site.y)) < site.radius


def _towards(site: Site, box: tuple[float, ...]) -> Point:
    """The point of a circle's edge that is nearest to a box."""
    x, y = _near(box, site.x, site.y)
    size = math.dist((x, y), (site.x, site.y)) or 1.0
    return (site.x + site.radius * (x - site.x) / size, site.y + site.radius * (y - site.y) / size)


def _apart(site: Site, a: Point, b: Point) -> float:
    """Distance of a circle's middle from a line."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = ((site.x - a[0]) * dx + (site.y - a[1]) * dy) / (dx * dx + dy * dy or 1.0)
    t = min(max(t, 0.0), 1.0)
    return math.dist((a[0] + t * dx, a[1] + t * dy), (site.x, site.y))


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    def side(p: Point, q: Point, r: Point) -> bool:
        return (q[0] - p[0]) * (r[1] - p[1]) > (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)


def _crossed(box: tuple[float, ...], a: Point, b: Point) -> bool:
    """Whether a line runs through a box."""
    left, top, right, bottom = box
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    inside = any(left <= x <= right and top <= y <= bottom for x, y in (a, b))
    return inside or any(_cross(a, b, corners[n], corners[n - 1]) for n in range(4))


def _thin(a: Point, b: Point) -> list[Step]:
    size = math.dist(a, b) or 1.0
    nx, ny = -(b[1] - a[1]) / size * 0.35, (b[0] - a[0]) / size * 0.35
    return _closed([(a[0] + nx, a[1] + ny), (b[0] + nx, b[1] + ny), (b[0] - nx, b[1] - ny),
                    (a[0] - nx, a[1] - ny)])  # fmt: skip


# --- words ----------------------------------------------------------------------------------------


def _heading(title: str, explained: str) -> tuple[list[Line], float]:
    lines: list[Line] = []
    y = EDGE
    for text, size, bold in ((title, TITLE, True), (explained, SMALL, False)):
        for line in wrapped(text, WIDTH - 2 * EDGE, size, bold=bold):
            y += size + 3.0
            lines.append(Line(EDGE, y, line, size, bold))
    return lines, y


def _explained(unit: str, lost: Sequence[str], count: int) -> str:
    text = (
        f"{count} projects, each as it was last seen. Area of a circle: capacity that is stated"
        + (f" ({unit})" if unit else "")
        + "; smallest circles state none, or little. Names stand where there is room. What is in "
        "the ground is no forecast. "
    )
    if lost:
        text += f"Without coordinates: {listed(lost)}. "
    return text + "Outlines: Natural Earth; projection: Equal Earth."


def _key(placed: pd.DataFrame, y: float, unit: str) -> tuple[list[Shape], list[Line]]:
    """Colours of statuses, and circles of some capacities."""
    shapes: list[Shape] = []
    lines: list[Line] = []
    x = EDGE + LEAST + 3.0
    for status, colour in zip(PROJECT_STATUSES, COLOURS, strict=True):
        count = int((placed["status"] == status).sum())
        if not count:
            continue
        shapes.append(Shape("key", circle(x, y - 4.0, 5.5), colour, OPACITY))
        text = f"{status} ({count})"
        lines.append(Line(x + 10.0, y, text, TEXT))
        x += 34.0 + width_of(text, TEXT)
    most = float(placed["capacity"].max())
    for size in _sizes(most):
        radius = _radius(size, most)
        x += radius
        shapes.append(Shape("key", circle(x, y - 4.0, radius), INK, 0.25))
        text = f"{size:g} {unit}".strip()
        lines.append(Line(x + radius + 4.0, y, text, TEXT))
        x += radius + 18.0 + width_of(text, TEXT)
    return shapes, lines


def _sizes(most: float) -> Iterable[float]:
    """Round capacities of which circles of the key tell the size."""
    if not most > 0:
        return ()
    ten = 10.0 ** math.floor(math.log10(most / 3))
    return (ten, 5 * ten) if 5 * ten <= most else (ten,)


def _in_words(sites: Sequence[Site], unit: str) -> str:
    """What the map shows, for those who do not see it."""
    told = [
        f"{site.name} {format_value(site.capacity)} {unit} ({site.status})".replace("  ", " ")
        for site in sorted(sites, key=_rank) if not math.isnan(site.capacity)
    ]  # fmt: skip
    rest = len(sites) - len(told)
    return f"With a capacity: {listed(told) or 'none'}; without one: {rest}."
