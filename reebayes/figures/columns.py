"""Where boxes, labels and ribbons of a Sankey diagram stand: numbers, and no drawing.

Boxes stand in columns. A ribbon that passes a column has a slot of its own there, as a box has,
and one that goes back or stays in its column turns round and runs to the left through such slots.
Within a column everything is level, and only between columns ribbons bend: so no ribbon crosses a
box or a label, whatever loops there are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reebayes.figures.lettering import width_of

type Point = tuple[float, float]
type Step = tuple[str, Sequence[Point]]
"""M, L or C with its points, as SVG and matplotlib name them."""

BOX = 10.0  # width of a box
STUB = 24.0  # length of what comes from or goes to the outside
LETTER, LINE = 11.0, 13.0  # size of the letters of labels, and height of their lines
BETWEEN, WIDE = 46.0, 100.0  # between columns, where ribbons bend, and where there is room
FEW_COLUMNS = 5
INNER, OUTER = 5.0, 36.0  # how far a bend of a ribbon that turns round swings out
APART = 7.0  # between what stands in one column
HAIRLINE = 0.6
FILLED = 460.0  # height of the fullest column without labels
EDGE = 12.0
ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Node:
    """A box to be placed.

    Parameters
    ----------
    name : str
    lines : sequence of (str, bool)
        Its label, line by line, and whether a line is bold; the longest of all variants.
    column : int
        From 0.
    """

    name: str
    lines: Sequence[tuple[str, bool]]
    column: int

    @property
    def width(self) -> float:
        """Width of its label."""
        return max((width_of(text, LETTER, bold=bold) for text, bold in self.lines), default=0.0)

    @property
    def height(self) -> float:
        """Height of its label."""
        return LINE * len(self.lines)


@dataclass(frozen=True, slots=True)
class Link:
    """A ribbon to be placed: what leaves its source, and what arrives, in the unit of the study."""

    source: str
    target: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Stub:
    """What a box takes from outside or gives to it, which is drawn at the box alone."""

    node: str
    outward: bool
    value: float
    last: bool  # whether it stands below the ribbons of its side, and not above them


@dataclass(frozen=True, slots=True)
class Widths:
    """What is drawn: values of links and stubs, in the order of the graph."""

    links: Sequence[Link]
    stubs: Sequence[Stub]


@dataclass(slots=True)
class Item:
    """What takes height in a column: a box with its label, or the slot of a ribbon."""

    height: float
    weight: float
    wanted: float = 0.0  # where its upper end should be
    y: float = 0.0
    node: Node | None = None
    link: int = -1

    @property
    def label(self) -> float:
        """Height of what stands above its box."""
        return 0.0 if self.node is None else self.node.height

    @property
    def centre(self) -> float:
        """Middle of its box, or of its slot."""
        return self.y + self.label + (self.height - self.label) / 2


@dataclass(frozen=True)
class Layout:
    """Places of a graph, which several sets of widths may share."""

    nodes: Mapping[str, Node]
    scale: float
    lefts: Sequence[float]  # of the columns
    rights: Sequence[float]
    boxes: Mapping[str, Item]
    slots: Mapping[tuple[int, int], Item]  # by link and column
    beside: bool  # whether labels of the last column stand beside their boxes
    width: float
    height: float

    def thickness(self, value: float) -> float:
        """Height of a value; a hairline if it is thinner."""
        return max(value * self.scale, HAIRLINE) if value > 0 else 0.0

    def box_left(self, name: str) -> float:
        """Left side of a box."""
        return self.lefts[self.nodes[name].column] + STUB

    def box_top(self, name: str) -> float:
        """Upper side of a box, below its label."""
        item = self.boxes[name]
        return item.y + item.label


# --- placing --------------------------------------------------------------------------------------


def place(
    nodes: Sequence[Node], widest: Widths, *, filled: float = FILLED, scale: float | None = None
) -> Layout:
    """Place boxes and slots for ribbons that are as wide as they ever are.

    Parameters
    ----------
    nodes : sequence of Node
        In the order in which they stand in their columns, from above.
    widest : Widths
        Of each link and stub the largest value that is drawn.
    filled : float
        Height of the fullest column without labels.
    scale : float, optional
        Pixels of a value of one; such that the fullest column is filled if left out.
    """
    known = {node.name: node for node in nodes}
    columns = range(max(node.column for node in nodes) + 1)
    passing = {
        (number, column)
        for number, link in enumerate(widest.links)
        for column in passed(known[link.source].column, known[link.target].column)
    }
    scale = _scale(nodes, widest, passing, filled) if scale is None else scale
    beside = _labels_beside(nodes, widest, passing, len(columns) - 1)
    if beside:
        known = {
            name: node if node.column < len(columns) - 1 else Node(name, (), node.column)
            for name, node in known.items()
        }
    lefts, rights, width = _horizontal(nodes, len(columns), beside=beside)
    plan = Layout(known, scale, lefts, rights, {}, {}, beside, width, 0.0)
    boxes = {
        node.name: Item(_body(plan, node, widest, nodes[n]) + node.height, 1.0, node=node)
        for n, node in enumerate(known.values())
    }
    slots = {}
    for number, column in sorted(passing):
        link = widest.links[number]
        thick = plan.thickness(max(link.start, link.end))
        slots[number, column] = Item(thick, 0.2 + thick / FILLED, link=number)
    height = _vertical(known, boxes, slots, widest, len(columns))
    return Layout(known, scale, lefts, rights, boxes, slots, beside, width, height)


def passed(source: int, target: int) -> range:
    """Columns in which a ribbon needs a slot: those between, or all if it turns round."""
    return range(source + 1, target) if target > source else range(target, source + 1)


def _scale(
    nodes: Sequence[Node], widest: Widths, passing: set[tuple[int, int]], height: float
) -> float:
    filled: dict[int, float] = defaultdict(float)
    for node in nodes:
        filled[node.column] += max(_sides(node.name, widest, lambda value: value))
    for number, column in passing:
        filled[column] += max(widest.links[number].start, widest.links[number].end)
    return height / max(filled.values())


def _sides(name: str, widths: Widths, of: object) -> tuple[float, float]:
    """Sums of what enters and of what leaves a box, each made a height first."""
    assert callable(of)
    inward = sum(of(link.end) for link in widths.links if link.target == name)
    outward = sum(of(link.start) for link in widths.links if link.source == name)
    inward += sum(of(s.value) for s in widths.stubs if s.node == name and not s.outward)
    outward += sum(of(s.value) for s in widths.stubs if s.node == name and s.outward)
    return inward, outward


def box_height(layout: Layout, name: str, widths: Widths) -> float:
    """Height of a box: of its fuller side."""
    return max(1.0, *_sides(name, widths, layout.thickness))


def _body(layout: Layout, node: Node, widest: Widths, labelled: Node) -> float:
    """Height that a box needs, with the label that stands beside it."""
    height = box_height(layout, node.name, widest)
    return max(height, labelled.height) if not node.lines else height


def _labels_beside(
    nodes: Sequence[Node], widest: Widths, passing: set[tuple[int, int]], last: int
) -> bool:
    """Whether nothing leaves the last column, so that its labels may stand on the right."""
    names = {node.name for node in nodes if node.column == last}
    leaves = any(link.source in names for link in widest.links)
    leaves |= any(stub.node in names and stub.outward for stub in widest.stubs)
    return last > 0 and not leaves and not any(column == last for _, column in passing)


def _horizontal(
    nodes: Sequence[Node], count: int, *, beside: bool
) -> tuple[list[float], list[float], float]:
    """Left and right ends of the columns, and the width of all."""
    lefts, rights, x = [], [], EDGE + OUTER + INNER
    for column in range(count):
        widest = max((node.width for node in nodes if node.column == column), default=0.0)
        aside = beside and column == count - 1
        needed = STUB + BOX + 5.0 + widest if aside else max(2 * STUB + BOX, widest)
        lefts.append(x)
        rights.append(x + needed)
        x += needed + (WIDE if count <= FEW_COLUMNS else BETWEEN)
    return lefts, rights, rights[-1] + (EDGE if beside else EDGE + OUTER + INNER)


def _vertical(
    nodes: Mapping[str, Node],
    boxes: Mapping[str, Item],
    slots: Mapping[tuple[int, int], Item],
    widest: Widths,
    count: int,
) -> float:
    """Set the places of all items from above; return the height of the fullest column."""
    standing: list[list[Item]] = [[] for _ in range(count)]
    for name, item in boxes.items():
        standing[nodes[name].column].append(item)
    for (_, column), item in slots.items():
        standing[column].append(item)
    height = max(_filled(items) for items in standing)
    for items in standing:
        _spread([item for item in items if item.node is not None], height)
    for turn in range(ROUNDS):
        _want(nodes, boxes, slots, widest, height)
        for items in standing if turn % 2 == 0 else standing[::-1]:
            _settle(sorted(items, key=_rank), height)
    return height


def _rank(item: Item) -> float:
    """Boxes keep their order, and slots go between them where they should be."""
    return (item.y if item.node else item.wanted) + item.label + (item.height - item.label) / 2


def _filled(items: Sequence[Item]) -> float:
    return sum(item.height for item in items) + APART * (len(items) - 1)


def _spread(items: Sequence[Item], height: float) -> None:
    """Boxes of a column at even distances."""
    room = (height - _filled(items)) / max(1, len(items) - 1)
    y = 0.0 if len(items) > 1 else room / 2
    for item in items:
        item.y = y
        y += item.height + APART + room


def _want(
    nodes: Mapping[str, Node],
    boxes: Mapping[str, Item],
    slots: Mapping[tuple[int, int], Item],
    widest: Widths,
    height: float,
) -> None:
    """Set where each item would stand if nothing was in its way: level with what it is tied to.

    A ribbon that goes back over several columns would wind between the boxes; it is sent along the
    nearer edge.
    """
    pulls: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number, link in enumerate(widest.links):
        source, target = boxes[link.source], boxes[link.target]
        a, b = nodes[link.source].column, nodes[link.target].column
        for column in passed(a, b):
            way = (column - a) / (b - a) if b > a else 0.5
            slot = slots[number, column]
            centre = source.centre + way * (target.centre - source.centre)
            if a > b:
                centre = 0.0 if centre < height / 2 else height
            slot.wanted = centre - slot.height / 2
        if b > a:
            pulls[link.source].append((target.centre, link.start))
            pulls[link.target].append((source.centre, 2 * link.end))
    for name, item in boxes.items():
        weight = sum(w for _, w in pulls[name])
        middle = sum(y * w for y, w in pulls[name]) / weight if weight else item.centre
        item.wanted = middle - item.label - (item.height - item.label) / 2


def _settle(items: Sequence[Item], height: float) -> None:
    """Bring items as near as can be to where they should stand, in their order and apart.

    Neighbours that would overlap are pooled, and each pool stands where it is best for all in it
    (isotonic regression by pooling adjacent violators).
    """
    before, total = [], 0.0
    for item in items:
        before.append(total)
        total += item.height + APART
    pools: list[list[float]] = []  # weight, weighted mean, count
    for item, offset in zip(items, before, strict=True):
        pools.append([item.weight, item.wanted - offset, 1])
        while len(pools) > 1 and pools[-2][1] >= pools[-1][1]:
            weight, mean, count = pools.pop()
            last = pools[-1]
            last[1] = (last[0] * last[1] + weight * mean) / (last[0] + weight)
            last[0], last[2] = last[0] + weight, last[2] + count
    most = height - (total - APART)
    places = [min(max(mean, 0.0), most) for _, mean, count in pools for _ in range(int(count))]
    for item, offset, place_ in zip(items, before, places, strict=True):
        item.y = offset + place_


# --- ribbons --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ends:
    """Where ribbons and stubs touch their boxes: upper ends, in the order of the graph."""

    starts: Sequence[float]
    ends: Sequence[float]
    stubs: Sequence[float]


def touching(layout: Layout, widths: Widths) -> Ends:
    """Stack ribbons and stubs on both sides of every box, in the order of where they go."""
    starts, ends = [0.0] * len(widths.links), [0.0] * len(widths.links)
    stubs = [0.0] * len(widths.stubs)
    for name in layout.nodes:
        for outward in (True, False):
            stack: list[tuple[float, int, bool]] = []
            for number, link in enumerate(widths.links):
                if (link.source if outward else link.target) == name:
                    stack.append((_next(layout, number, link, outward=outward), number, False))
            for number, stub in enumerate(widths.stubs):
                if stub.node == name and stub.outward == outward:
                    stack.append((math.inf if stub.last else -math.inf, number, True))
            y = layout.box_top(name)
            for _, number, is_stub in sorted(stack):
                place_in = stubs if is_stub else starts if outward else ends
                place_in[number] = y
                value = (
                    widths.stubs[number].value if is_stub
                    else widths.links[number].start if outward
                    else widths.links[number].end
                )  # fmt: skip
                y += layout.thickness(value)
    return Ends(starts, ends, stubs)


def _next(layout: Layout, number: int, link: Link, *, outward: bool) -> float:
    """Height of the place that a ribbon goes to from its box, or comes from."""
    a, b = layout.nodes[link.source].column, layout.nodes[link.target].column
    way = passed(a, b)
    if not way:
        return layout.boxes[link.target if outward else link.source].centre
    first = (way[0] if outward else way[-1]) if b > a else (a if outward else b)
    return layout.slots[number, first].centre


def ribbon(layout: Layout, number: int, widths: Widths, ends: Ends) -> list[Step]:
    """Return the outline of a ribbon as a closed path."""
    link = widths.links[number]
    a, b = layout.nodes[link.source].column, layout.nodes[link.target].column
    thick = layout.thickness(link.start), layout.thickness(link.end)
    start = layout.box_left(link.source) + BOX, ends.starts[number]
    end = layout.box_left(link.target), ends.ends[number]
    slots = {column: layout.slots[number, column].y for column in passed(a, b)}
    if b > a:
        return _closed(list(_forward(layout, a, b, start, end, slots, thick)))
    return _closed(list(_backward(layout, a, b, start, end, slots, thick)))


type _Station = tuple[float, float, float]
"""x, and y of both edges of a ribbon; the first edge is the upper one where it leaves its box."""
type _Piece = tuple[str, _Station, _Station]
"""How a ribbon goes on from one station to the next: level, bent, or round to the right or left."""


def _forward(
    layout: Layout, a: int, b: int, start: Point, end: Point, slots: Mapping[int, float],
    thick: Point,
) -> Iterator[_Piece]:  # fmt: skip
    here = (start[0], start[1], start[1] + thick[0])
    right = (layout.rights[a], here[1], here[2])
    yield "level", here, right
    for column in range(a + 1, b):
        y = slots[column]
        there = (layout.lefts[column], y, y + thick[0])
        yield "bent", right, there
        right = (layout.rights[column], y, y + thick[0])
        yield "level", there, right
    there = (layout.lefts[b], end[1], end[1] + thick[1])
    yield "bent", right, there
    yield "level", there, (end[0], *there[1:])


def _backward(
    layout: Layout, a: int, b: int, start: Point, end: Point, slots: Mapping[int, float],
    thick: Point,
) -> Iterator[_Piece]:  # fmt: skip
    """To the right, round, to the left through the slots (upside down), and round again."""
    here = (start[0], start[1], start[1] + thick[0])
    right = (layout.rights[a], here[1], here[2])
    yield "level", here, right
    turned = (layout.rights[a], slots[a] + thick[0], slots[a])
    yield "right", right, turned
    for column in range(a, b - 1, -1):
        left = (layout.lefts[column], turned[1], turned[2])
        yield "level", turned, left
        if column > b:
            y = slots[column - 1]
            turned = (layout.rights[column - 1], y + thick[0], y)
            yield "bent", left, turned
    there = (layout.lefts[b], end[1], end[1] + thick[1])
    yield "left", left, there
    yield "level", there, (end[0], *there[1:])


def _closed(pieces: Sequence[_Piece]) -> list[Step]:
    """Go along one edge of all pieces, and back along the other."""
    first = pieces[0][1]
    steps: list[Step] = [("M", [(first[0], first[1])])]
    steps += [_edge(kind, a, b, 1) for kind, a, b in pieces]
    last = pieces[-1][2]
    steps.append(("L", [(last[0], last[2])]))
    steps += [_edge(kind, b, a, 2) for kind, a, b in reversed(pieces)]
    return steps


def _edge(kind: str, a: _Station, b: _Station, side: int) -> Step:
    (x0, y0), (x1, y1) = (a[0], a[side]), (b[0], b[side])
    if kind == "level":
        return "L", [(x1, y1)]
    if kind == "bent":
        middle = (x0 + x1) / 2
        return "C", [(middle, y0), (middle, y1), (x1, y1)]
    # The edge with more way to go runs on the outside of the bend.
    outside = abs(y1 - y0) > abs(b[3 - side] - a[3 - side])
    swing = INNER + (min(abs(a[2] - a[1]), OUTER - INNER) if outside else 0.0)
    reach = swing / 0.75 * (1 if kind == "right" else -1)
    return "C", [(x0 + reach, y0), (x1 + reach, y1), (x1, y1)]


def stub_path(layout: Layout, number: int, widths: Widths, ends: Ends) -> list[Step]:
    """Return the outline of a stub: an arrow into its box or out of it."""
    stub, y = widths.stubs[number], ends.stubs[number]
    thick = layout.thickness(stub.value)
    tip = min(thick / 2, 7.0)
    left = layout.box_left(stub.node)
    if stub.outward:
        x0, x1 = left + BOX, left + BOX + STUB - 2.0
        points = [
            (x0, y),
            (x1 - tip, y),
            (x1, y + thick / 2),
            (x1 - tip, y + thick),
            (x0, y + thick),
        ]
    else:
        x0, x1 = left - STUB + 2.0, left
        points = [(x0, y), (x1, y), (x1, y + thick), (x0, y + thick), (x0 + tip, y + thick / 2)]
    return [("M", points[:1]), *(("L", [point]) for point in points[1:])]
