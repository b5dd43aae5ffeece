"""Maps of the trade between partners: arrows as wide as what flows, on outlines that come along.

Every origin that trades with all others has a panel of its own, with what it sends in one colour
and what it receives in another. An arrow is three ribbons of one course: as wide as the upper end
of the band, faint; as wide as the median; and, dark, as wide as the lower end.

References
----------
Šavrič, Patterson, Jenny (2018), The Equal Earth map projection, International Journal of
Geographical Information Science 33, 454-465.

Natural Earth, 1:110m Cultural Vectors (public domain): the outlines, reduced.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from reebayes.answers.contraction import PRIOR_ONLY
from reebayes.answers.partners import trade_table
from reebayes.conventions import CI_PROB
from reebayes.errors import ResultError
from reebayes.figures.canvas import GROUND, Drawing, Line, Shape, save_drawing
from reebayes.figures.columns import Point, Step
from reebayes.figures.lettering import width_of, wrapped
from reebayes.figures.placing import Label, led, placed
from reebayes.results.description import study_of
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.study import Partner, Study
from reebayes.wording import format_band, listed

OUTLINES = "outlines.json"
"""Outlines of countries by ISO 3166-1 letters: rings of tenths of degrees, longitude and latitude
in turns, cut at the meridian opposite to `MIDDLE`."""

MIDDLE = 150.0  # degrees east of the middle of the map: the Pacific, which most trade crosses
NORTH, SOUTH = 78.0, -48.0  # degrees that are shown

WIDTH = 1000.0
EDGE = 16.0
TITLE, TEXT, SMALL = 16.0, 12.0, 11.0
LINE = 14.0

WIDEST = 22.0  # pixels of the widest median of a drawing
THINNEST = 1.0  # pixels of an arrow that would be thinner, so that it is seen at all
HEAD = 2.1  # width of an arrowhead over that of its arrow
STRIPE = 5.0  # pixels of a stripe, and of the gap behind it, where no record sees what flows

BESIDE = 14.0  # pixels that a label lies at most from what it names without a line between them
CLOSE = 5.0  # pixels between the points of an arrow that labels keep off

_OFF = 0.15  # pixels that a course of straight lines is at most off its curve

SENT, RECEIVED = "#1f5f9e", "#b5460f"
FAINT, PLAIN = 0.28, 0.72
LAND, PARTNER_LAND, OWN_LAND, SEA, INK = "#e6e4de", "#d3dac9", "#c2b89a", "#f7fafc", "#1c1f23"
LEADER = "#555c64"


def draw_map(
    fit: Fit,
    year: int,
    product: str | None = None,
    *,
    study: Study | None = None,
    ci_prob: float = CI_PROB,
) -> str:
    """Draw the trade between partners in one year as a map.

    Parameters
    ----------
    fit : DataTree
        A fit of a study with ``partners.csv`` and ``lanes.csv``, such as the bundled one with the
        extension ``partners``.
    year : int
    product : str, optional
        Goods of ``lanes.csv``, such as ``"compounds"``; all together if left out.
    study : Study, optional
        The study that was fitted, if it is at hand; read out of the fit if left out.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    str
        An ``<svg>`` element. Widths are posterior medians, faint and dark edges the ends of the
        band, stripes what no record of the year sees; labels hold medians and bands.

    Raises
    ------
    ResultError
        If the study has no lanes, or the year or goods are unknown.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study(extensions=["partners"])
    >>> rb.draw_map(rb.open_fit("results/partners.nc"), 2001, "compounds", study=study)[:4]
    '<svg'
    """
    return map_drawing(fit, year, product, study=study, ci_prob=ci_prob).svg()


def save_map(
    fit: Fit,
    path: str | Path,
    year: int,
    *,
    product: str | None = None,
    study: Study | None = None,
    ci_prob: float = CI_PROB,
) -> Path:
    """Write a map of the trade between partners as a picture.

    Parameters
    ----------
    fit : DataTree
        As in `draw_map`.
    path : str or Path
        File to write, whose ending says what it is: ``.svg``, ``.pdf`` or ``.png``.
    year, product, study, ci_prob
        As in `draw_map`.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        As in `draw_map`, or if the ending is another.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study(extensions=["partners"])
    >>> rb.save_map(rb.open_fit("results/partners.nc"), "trade.svg", 2001, study=study).name
    'trade.svg'
    """
    return save_drawing(path, lambda: map_drawing(fit, year, product, study=study, ci_prob=ci_prob))


def map_drawing(
    fit: Fit,
    year: int,
    product: str | None = None,
    *,
    study: Study | None = None,
    ci_prob: float = CI_PROB,
) -> Drawing:
    """Lay out the map of one year; see `draw_map`."""
    contents = contents_of(fit)
    study = study_of(contents) if study is None else study
    table = trade_table(contents, year, product, study=study, ci_prob=ci_prob)
    table = table[table["median"] > 0]
    if table.empty:
        raise ResultError(f"Nothing flows between partners in {year}; there is nothing to draw.")
    return _sheet(contents, study, table, year, product, ci_prob)


# --- projection and land --------------------------------------------------------------------------

_A = (1.340264, -0.081106, 0.000893, 0.003796)
_M = math.sqrt(3.0) / 2.0


def equal_earth(lon: float, lat: float) -> Point:
    """Project degrees onto the plane of the Equal Earth map, whose middle is at `MIDDLE`."""
    east = math.radians((lon - MIDDLE + 180.0) % 360.0 - 180.0)
    theta = math.asin(_M * math.sin(math.radians(lat)))
    t2 = theta * theta
    t6 = t2**3
    slope = _A[0] + 3 * _A[1] * t2 + t6 * (7 * _A[2] + 9 * _A[3] * t2)
    x = east * math.cos(theta) / (_M * slope)
    return x, theta * (_A[0] + _A[1] * t2 + t6 * (_A[2] + _A[3] * t2))


@dataclass(frozen=True)
class Sheet:
    """Where degrees lie on a panel, in pixels."""

    scale: float
    left: float
    top: float

    def at(self, lon: float, lat: float) -> Point:
        """Return the place of a point."""
        x, y = equal_earth(lon, lat)
        return self.left + x * self.scale, self.top - y * self.scale


def _panel_sheet() -> tuple[Sheet, float]:
    """Return the sheet of a panel, and its height."""
    half = equal_earth(MIDDLE + 179.999, 0.0)[0]
    scale = (WIDTH - 2 * EDGE) / (2 * half)
    north, south = (equal_earth(MIDDLE, lat)[1] for lat in (NORTH, SOUTH))
    return Sheet(scale, WIDTH / 2, north * scale), (north - south) * scale


@cache
def outlines() -> Mapping[str, Sequence[Sequence[Point]]]:
    """Return rings of degrees by country."""
    text = files("reebayes.figures").joinpath(OUTLINES).read_text(encoding="utf-8")
    return {
        country: [
            [(x / 10.0, y / 10.0) for x, y in zip(ring[::2], ring[1::2], strict=True)]
            for ring in rings
        ]
        for country, rings in json.loads(text).items()
    }


def _land(sheet: Sheet, study: Study, own: str) -> list[Shape]:
    """Countries, those of partners darker than others, and those of the panel's own darkest."""
    return sorted(_countries(sheet, study, own), key=lambda shape: shape.colour)


def _countries(sheet: Sheet, study: Study, own: str) -> Iterator[Shape]:
    owner = {member: one.partner for one in study.partners for member in one.members}
    for country, rings in outlines().items():
        partner = owner.get(country, "")
        colour = OWN_LAND if partner == own else PARTNER_LAND if partner else LAND
        for ring in rings:
            if max(lat for _, lat in ring) > SOUTH:
                points = [sheet.at(_inside(lon, ring), max(lat, SOUTH)) for lon, lat in ring]
                yield Shape(GROUND, _closed(points), colour)


def _inside(lon: float, ring: Sequence[Point]) -> float:
    """Keep points on the cut on the side of their ring."""
    cut = MIDDLE - 180.0
    if abs(lon - cut) > 1e-6:
        return lon
    middle = sum(one for one, _ in ring) / len(ring)
    return cut + 1e-6 if middle > cut else cut - 1e-6


def _closed(points: Sequence[Point]) -> list[Step]:
    return [("M", [points[0]]), *(("L", [point]) for point in points[1:])]


# --- arrows ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrow:
    """One arrow: its course, its widths in pixels, and what is told of it."""

    course: Sequence[Point]
    widths: tuple[float, float, float]  # lower, median, upper
    colour: str
    striped: bool
    title: str
    touches: tuple[str, str]

    def covers(self) -> Iterator[Point]:
        """Return points of its course that are no further apart than letters are wide."""
        for (x1, y1), (x2, y2) in pairwise(self.course):
            count = max(int(math.dist((x1, y1), (x2, y2)) / CLOSE), 1)
            for n in range(count):
                yield x1 + n / count * (x2 - x1), y1 + n / count * (y2 - y1)
        yield self.course[-1]

    def shapes(self) -> Iterator[Shape]:
        """Return its ribbons, faint first, and its head."""
        lower, median, upper = (max(width, THINNEST) for width in self.widths)
        back = HEAD * median
        body = _cut_end(self.course, 0.8 * max(back, 5.0))
        for kind, width, opacity in (
            ("band", upper, FAINT), ("arrow", median, PLAIN), ("core", lower, PLAIN),
        ):  # fmt: skip
            if kind == "band" and upper <= median:
                continue  # both are as thin as an arrow may be, and one hides the other
            runs = _stripes(body) if self.striped else [body]
            for run in runs:
                title = self.title if kind == "arrow" else ""
                yield Shape(kind, _ribbon(run, width), self.colour, opacity, title, self.touches)
        tip, before = self.course[-1], body[-1]
        yield Shape("head", _head(before, tip, max(back, 5.0)), self.colour, 0.95, self.title,
                    self.touches)  # fmt: skip


def _course(start: Point, end: Point, bend: float, *, short: tuple[float, float]) -> list[Point]:
    """Points on a curve from start to end, bent to the left by a share of its length."""
    (x1, y1), (x2, y2) = start, end
    control = ((x1 + x2) / 2 + bend * (y2 - y1), (y1 + y2) / 2 - bend * (x2 - x1))
    lines = max(math.ceil(math.sqrt(abs(bend) * math.dist(start, end) / (2 * _OFF))), 4)
    points = []
    for n in range(lines + 1):
        t = n / lines
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        points.append((a * x1 + b * control[0] + c * x2, a * y1 + b * control[1] + c * y2))
    points = _cut_end(points, short[1])
    return _cut_end(points[::-1], short[0])[::-1]


def _cut_end(points: Sequence[Point], length: float) -> list[Point]:
    """Return a course without its last pixels, but never without its first half."""
    total = sum(math.dist(a, b) for a, b in pairwise(points))
    left, kept = min(length, total / 2), list(points)
    while len(kept) > 2 and math.dist(kept[-1], kept[-2]) <= left:
        left -= math.dist(kept[-1], kept[-2])
        kept.pop()
    (x1, y1), (x2, y2) = kept[-2], kept[-1]
    part = 1.0 - left / max(math.dist(kept[-1], kept[-2]), 1e-9)
    return [*kept[:-1], (x1 + part * (x2 - x1), y1 + part * (y2 - y1))]


def _stripes(points: Sequence[Point]) -> list[list[Point]]:
    """Pieces of a course, with gaps as long as they are."""
    runs: list[list[Point]] = [[points[0]]]
    passed, drawing = 0.0, True
    for a, b in pairwise(points):
        length = math.dist(a, b)
        done = 0.0
        while passed + length - done >= STRIPE:
            done += STRIPE - passed
            point = (a[0] + done / length * (b[0] - a[0]), a[1] + done / length * (b[1] - a[1]))
            if drawing:
                runs[-1].append(point)
            else:
                runs.append([point])
            drawing, passed = not drawing, 0.0
        passed += length - done
        if drawing:
            runs[-1].append(b)
    return [run for run in runs if len(run) > 1]


def _ribbon(points: Sequence[Point], width: float) -> list[Step]:
    """Outline of a course of some width."""
    left, right = [], []
    for n, (x, y) in enumerate(points):
        before, after = points[max(n - 1, 0)], points[min(n + 1, len(points) - 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        size = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / size * width / 2, dx / size * width / 2
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return _closed([*left, *right[::-1]])


def _head(before: Point, tip: Point, width: float) -> list[Step]:
    dx, dy = tip[0] - before[0], tip[1] - before[1]
    size = math.hypot(dx, dy) or 1.0
    nx, ny = -dy / size * width / 2, dx / size * width / 2
    return _closed([(before[0] + nx, before[1] + ny), tip, (before[0] - nx, before[1] - ny)])


# --- panels and sheet -----------------------------------------------------------------------------


def _panels(study: Study, table: pd.DataFrame) -> list[str]:
    """Partners that have a panel: those that send to or receive from more than one other."""
    ends = pd.concat(
        [
            table[["origin", "destination"]],
            table[["destination", "origin"]].set_axis(["origin", "destination"], axis=1),
        ]
    )
    others = ends.groupby("origin")["destination"].nunique()
    most = max(others)
    return [one.partner for one in study.partners if others.get(one.partner, 0) == most]


def _panel(
    study: Study, table: pd.DataFrame, own: str, scale: float, unit: str
) -> tuple[list[Shape], list[Line], float]:
    """Land, arrows and labels of what one partner sends and receives."""
    sheet, height = _panel_sheet()
    partners = {one.partner: one for one in study.partners}
    shapes = [Shape("sea", _frame(sheet, height), SEA), *_land(sheet, study, own)]
    arrows: list[Arrow] = []
    told: dict[str, dict[str, Any]] = {}
    rows: list[Any] = list(table.itertuples())
    for row in rows:
        if own not in (row.origin, row.destination):
            continue
        other = row.destination if row.origin == own else row.origin
        sent = row.origin == own
        told.setdefault(other, {})["to" if sent else "from"] = row
        start, end = (sheet.at(partners[name].lon, partners[name].lat)
                      for name in (row.origin, row.destination))  # fmt: skip
        widths = (row.lower * scale, row.median * scale, row.upper * scale)
        far = min(1.0, math.dist(start, end) / 60.0)
        course = _course(start, end, 0.22 if sent else 0.12, short=(5.0 * far, 6.0 * far))
        band = format_band(row.median, row.lower, row.upper)
        only = f" ({PRIOR_ONLY})" if row.seen == PRIOR_ONLY else ""
        title = f"{partners[row.origin].label} to {partners[row.destination].label}: {band} {unit}"
        arrows.append(Arrow(course, widths, SENT if sent else RECEIVED, row.seen == PRIOR_ONLY,
                            title + only, (row.origin, row.destination)))  # fmt: skip
    for arrow in sorted(arrows, key=lambda arrow: -arrow.widths[1]):
        shapes += arrow.shapes()
    labels = [_name(sheet, partners[own]), *(
        _label(sheet, partners[name], found) for name, found in told.items()
    )]  # fmt: skip
    home = labels[0].place.named
    labels.sort(key=lambda one: math.dist(one.place.named, home))  # the crowded ones first
    around = [(x, y, arrow.widths[2] / 2) for arrow in arrows for x, y in arrow.covers()]
    corners = placed([one.place for one in labels], around, WIDTH, height, EDGE)
    lines: list[Line] = []
    for label, corner in zip(labels, corners, strict=True):
        shapes += label.shapes(corner)
        lines += label.lines(corner)
    return shapes, lines, height


def _frame(sheet: Sheet, height: float) -> list[Step]:
    """Outline of what the map shows of the world."""
    lats = [SOUTH + n * (NORTH - SOUTH) / 30 for n in range(31)]
    west = [sheet.at(MIDDLE - 179.999, lat) for lat in lats]
    east = [sheet.at(MIDDLE + 179.999, lat) for lat in reversed(lats)]
    return _closed([(x, min(y, height)) for x, y in (*west, *east)])


@dataclass(frozen=True)
class Text:
    """A label: its lines with their weight and colour, where it is wanted, and what it is of."""

    texts: Sequence[tuple[str, bool, str]]
    size: float
    place: Label
    of: str
    led: bool = True  # whether a line leads to what it names, where that is not beside it

    def lines(self, corner: Point) -> Iterator[Line]:
        """Return its lines, with its left upper corner at a point."""
        for number, (text, bold, colour) in enumerate(self.texts):
            y = corner[1] + LINE * (number + 1) - 3
            yield Line(corner[0], y, text, self.size, bold, colour, self.of)

    def shapes(self, corner: Point) -> Iterator[Shape]:
        """Return the plate below it, and the line to what it names."""
        left, top = corner
        right, bottom = left + self.place.wide, top + self.place.high
        course = led((left, top, right, bottom), self.place.named)
        if self.led and math.dist(course[0], course[-1]) > BESIDE:
            yield Shape("leader", _ribbon([course[0], course[-1]], 0.8), LEADER)
        box = [(left - 3, top - 1), (right + 3, top - 1), (right + 3, bottom + 2),
               (left - 3, bottom + 2)]  # fmt: skip
        yield Shape("plate", _closed(box), "#ffffff", 0.78)


def _text(
    sheet: Sheet, partner: Partner, texts: Sequence[tuple[str, bool, str]], size: float, *,
    led: bool = True,
) -> Text:  # fmt: skip
    wide = max(width_of(text, size, bold=bold) for text, bold, _ in texts)
    named = sheet.at(partner.lon, partner.lat)
    wanted = sheet.at(_or(partner.label_lon, partner.lon), _or(partner.label_lat, partner.lat))
    return Text(texts, size, Label(wide, LINE * len(texts), named, wanted), partner.partner, led)


def _name(sheet: Sheet, own: Partner) -> Text:
    return _text(sheet, own, [(own.label, True, INK)], TEXT, led=False)


def _label(sheet: Sheet, partner: Partner, told: Mapping[str, Any]) -> Text:
    """Name of a partner, and the bands of what goes there and comes from there."""
    texts = [(partner.label, True, INK)]
    for way, colour in (("to", SENT), ("from", RECEIVED)):
        if way in told:
            row = told[way]
            mark = "*" if row.seen == PRIOR_ONLY else ""
            text = f"{way} {format_band(row.median, row.lower, row.upper)}{mark}"
            texts.append((text, False, colour))
    return _text(sheet, partner, texts, SMALL)


def _or(value: float | None, stand_in: float) -> float:
    return stand_in if value is None else value


def _sheet(
    contents: Contents, study: Study, table: pd.DataFrame, year: int, product: str | None,
    ci_prob: float,
) -> Drawing:  # fmt: skip
    goods = product or "all goods"
    unit = str(table["unit"].iloc[0])
    labels = {one.partner: one.label for one in study.partners}
    title = f"Trade in {goods} between partners, {year}, in {unit}"
    heading = f"{study.name}: trade in {goods}, {year}" if study.name else title
    explained = (
        f"{unit}. Width of an arrow: posterior median; faint and dark edges: {100 * ci_prob:g} % "
        f"band. Striped, and * behind a number: no record of the year sees it, {PRIOR_ONLY}. "
        "Outlines: Natural Earth; projection: Equal Earth."
    )
    lines: list[Line] = []
    y = EDGE
    for text, size, bold in ((heading, TITLE, True), (explained, SMALL, False)):
        for line in wrapped(text, WIDTH - 2 * EDGE, size, bold=bold):
            y += size + 3.0
            lines.append(Line(EDGE, y, line, size, bold))
    scale = WIDEST / float(table["median"].max())
    shapes: list[Shape] = []
    top = y + 12.0
    for number, own in enumerate(_panels(study, table)):
        some, texts, height = _panel(study, table, own, scale, unit)
        _key(labels[own], top, shapes, lines)
        top += LINE + 10.0
        shapes += [shape.shifted(0.0, top, number) for shape in some]
        lines += [line.shifted(0.0, top) for line in texts]
        top += height + EDGE
    return Drawing(WIDTH, top, title, shapes, lines, _in_words(table, labels, unit, ci_prob))


def _key(own: str, y: float, shapes: list[Shape], lines: list[Line]) -> None:
    x = EDGE
    lines.append(Line(x, y + LINE, own, TEXT + 1, bold=True))
    x += width_of(own, TEXT + 1, bold=True) + 20.0
    for text, colour in (("sends", SENT), ("receives", RECEIVED)):
        box = [(x, y + LINE - 9), (x + 16, y + LINE - 9), (x + 16, y + LINE), (x, y + LINE)]
        shapes.append(Shape("key", _closed(box), colour, PLAIN))
        lines.append(Line(x + 21, y + LINE, text, SMALL))
        x += 40.0 + width_of(text, SMALL)


def _in_words(
    table: pd.DataFrame, labels: Mapping[str, str], unit: str, ci_prob: float
) -> str:  # fmt: skip
    """What the map shows, for those who do not see it."""
    rows: list[Any] = list(table.sort_values("median", ascending=False).itertuples())
    told = [
        f"{labels[row.origin]} to {labels[row.destination]} "
        f"{format_band(row.median, row.lower, row.upper)}"
        + (f" ({PRIOR_ONLY})" if row.seen == PRIOR_ONLY else "")
        for row in rows
    ]
    return f"Medians and {100 * ci_prob:g} % bands in {unit}: {listed(told)}."
