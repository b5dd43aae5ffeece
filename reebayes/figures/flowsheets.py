"""The system diagram of a study: its processes and flows, whatever they carry.

Places are those of a Sankey diagram whose ribbons are all of one width, so that no line crosses a
box or a label. Markets, conversions and uses are boxes; what comes from outside, goes into or comes
out of stock, and is lost is an arrow at its box, with a word at the box.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reebayes.errors import ResultError
from reebayes.figures.canvas import Drawing, Line, Shape, save_drawing
from reebayes.figures.columns import (
    BOX,
    EDGE,
    LETTER,
    LINE,
    Layout,
    Link,
    Node,
    Step,
    Stub,
    Widths,
    box_height,
    place,
    ribbon,
    stub_path,
    touching,
)
from reebayes.figures.folding import INPUT, LOSS, STOCK
from reebayes.figures.lettering import width_of, wrapped
from reebayes.figures.sankey import COLOURS, REGISTERED, UNREGISTERED
from reebayes.study import Flow, Process, Study

WIDTH = 3.0  # pixels of a line
LABEL = 118.0  # pixels of a label
TITLE, SMALL = 15.0, 11.0
INKS = ("#1c1f23", "#1f5f9e", "#8a3f8f", "#0b7a5c", "#8a5a00", "#a3243b", "#4b5b00")
"""Letters of the regions, in the order of the study; cycled where there are more."""

USE_COLOUR, CONVERSION_COLOUR, MARKET_COLOUR = "#7a3b12", "#333333", "#9aa0a6"
KINDS: Mapping[str, str] = {
    "market": MARKET_COLOUR, "conversion": CONVERSION_COLOUR, "use": USE_COLOUR,
    "environment": COLOURS[STOCK][0],
}  # fmt: skip
WORDS: Mapping[str, str] = {
    "market": "market", "conversion": "mine or plant", "use": "use", "environment": "environment",
}  # fmt: skip


def draw_system(study: Study, *, year: int | None = None, title: str | None = None) -> str:
    """Draw processes and flows of a study as a diagram.

    Parameters
    ----------
    study : Study
        As `read_study` returns it.
    year : int, optional
        Draws the flows that can exist in this year; all flows if left out.
    title : str, optional
        The name of the study if left out.

    Returns
    -------
    str
        An ``<svg>`` element. Every flow is a line whose title names it; regions stand one below the
        other within each column.

    Raises
    ------
    ResultError
        If the study has no such year, or no flow in it.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.draw_system(rb.read_study("zinc"))[:4]
    '<svg'
    """
    return system_drawing(study, year=year, title=title).svg()


def save_system(
    study: Study, path: str | Path, *, year: int | None = None, title: str | None = None
) -> Path:
    """Write the system diagram of a study as a picture.

    Parameters
    ----------
    study, year, title
        As in `draw_system`.
    path : str or Path
        File to write, whose ending says what it is: ``.svg``, ``.pdf`` or ``.png``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        If the study has no such year, or no flow in it, or the ending is another.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.save_system(rb.read_study("zinc"), "system.svg").name
    'system.svg'
    """
    return save_drawing(path, lambda: system_drawing(study, year=year, title=title))


def system_drawing(study: Study, *, year: int | None = None, title: str | None = None) -> Drawing:
    """Lay out the diagram; see `draw_system`."""
    if year is not None and year not in study.years:
        raise ResultError(
            f"Year {year} is not inside the study ({study.first_year} to {study.last_year})."
        )
    flows = [flow for flow in study.flows if year is None or flow.is_active(year)]
    if not flows:
        raise ResultError("There are no flows; there is nothing to draw.")
    kinds = {process.process: process.kind for process in study.processes}
    beyond = _beyond(flows, kinds)
    inner = [flow for flow in flows if flow.source not in beyond and flow.target not in beyond]
    arrows = [flow for flow in flows if (flow.source in beyond) != (flow.target in beyond)]
    shown = {end for flow in inner for end in (flow.source, flow.target)}
    shown |= {flow.target if flow.source in beyond else flow.source for flow in arrows}
    boxes = [process for process in study.processes if process.process in shown]
    regions = list(dict.fromkeys(process.region for process in boxes))
    boxes = sorted(boxes, key=lambda process: regions.index(process.region))
    takes = {flow.target for flow in flows}
    fed = {flow.target for flow in arrows if flow.source in beyond - takes}
    columns = _columns(boxes, inner, fed)
    words = _words(study, arrows, beyond)
    nodes = [
        Node(name, _label(text or name, words[name]), columns[name])
        for name, text in ((box.process, box.label) for box in boxes)
    ]
    inks = _inks(boxes)
    links = [Link(flow.source, flow.target, 1.0, 1.0) for flow in inner]
    stubs = [_stub(flow, beyond) for flow in arrows]
    widths = Widths(links, stubs)
    layout = place(nodes, widths, scale=WIDTH)
    shapes = list(_shapes(layout, widths, inner, arrows, beyond, takes, kinds))
    lines = [line for node in nodes for line in _lines(layout, node, inks[node.name][1])]
    heading = study.name if title is None else title
    key = [(WORDS[kind], KINDS[kind]) for kind in KINDS
           if kind in {kinds[box.process] for box in boxes}]  # fmt: skip
    key += dict.fromkeys(inks.values()) if len({*inks.values()}) > 1 else ()
    return _sheet(shapes, lines, layout, heading, key, year)


def _beyond(flows: Sequence[Flow], kinds: Mapping[str, str]) -> set[str]:
    """Losses and environments, which are no boxes; but one that deals with another is."""
    beyond = {name for name, kind in kinds.items() if kind in ("environment", "loss")}
    for flow in flows:
        if flow.source in beyond and flow.target in beyond:
            beyond.discard(flow.target if kinds[flow.target] != "loss" else flow.source)
    return beyond


def _stub(flow: Flow, beyond: set[str]) -> Stub:
    outward = flow.target in beyond
    return Stub(flow.source if outward else flow.target, outward, 1.0, outward)


def _inks(boxes: Sequence[Process]) -> dict[str, tuple[str, str]]:
    """Name of the region of every box, and the colour of its letters."""
    regions = list(dict.fromkeys(box.region for box in boxes))
    colours = {region: INKS[number % len(INKS)] for number, region in enumerate(regions)}
    heads: dict[str, set[str]] = defaultdict(set)
    for box in boxes:
        heads[box.region].add(box.label.partition(": ")[0] if ": " in box.label else "")
    names = {
        region: next(iter(found)) if len(found) == 1 and "" not in found else region
        for region, found in heads.items()
    }
    return {box.process: (names[box.region] or "no region", colours[box.region]) for box in boxes}


def _columns(processes: Sequence[Process], flows: Sequence[Flow], fed: set[str]) -> dict[str, int]:
    """Column of every box: the longest way to it, without the flows that close a circle.

    What regions trade to and fro stands in one column; uses stand last. Of another circle the flow
    goes back that is farthest from what enters the system.
    """
    boxes = [process.process for process in processes]
    group = _trading(processes, flows)
    pairs = {(group[flow.source], group[flow.target]) for flow in flows}
    pairs = {pair for pair in pairs if pair[0] != pair[1]}
    depth = _depths(list(dict.fromkeys(group.values())), pairs, {group[name] for name in fed})
    onward: dict[str, set[str]] = defaultdict(set)
    for source, target in sorted(pairs, key=lambda pair: (depth[pair[0]], depth[pair[1]], pair)):
        if source not in _reached(target, onward):
            onward[source].add(target)
    column = dict.fromkeys(depth, 0)
    for _ in column:
        for source, targets in onward.items():
            for target in targets:
                column[target] = max(column[target], column[source] + 1)
    reached = {target for targets in onward.values() for target in targets}
    for source in onward.keys() - reached:  # what nothing holds stands just before what it feeds
        column[source] = min(column[target] for target in onward[source]) - 1
    placed = {name: column[group[name]] for name in boxes}
    kinds = {process.process: process.kind for process in processes}
    last = 1 + max((c for name, c in placed.items() if kinds[name] != "use"), default=-1)
    placed |= {name: last for name in placed if kinds[name] == "use"}
    number_of = {one: n for n, one in enumerate(sorted(set(placed.values())))}
    return {name: number_of[one] for name, one in placed.items()}


def _trading(processes: Sequence[Process], flows: Sequence[Flow]) -> dict[str, str]:
    """For every box one that stands for all that trade to and fro with it between regions."""
    region = {process.process: process.region for process in processes}
    pairs = {(flow.source, flow.target) for flow in flows}
    group = {name: name for name in region}
    for source, target in sorted(pairs):
        if (target, source) in pairs and region[source] != region[target]:
            first, second = sorted((group[source], group[target]))
            group = {name: first if one == second else one for name, one in group.items()}
    return group


def _depths(boxes: Sequence[str], pairs: set[tuple[str, str]], fed: set[str]) -> dict[str, int]:
    """How many flows lie between each box and what enters the system."""
    found: dict[str, int] = {}
    edge = [box for box in boxes if box in fed] or list(boxes[:1])
    while edge:
        found |= dict.fromkeys(edge, len({*found.values()}))
        edge = [box for box in boxes if box not in found
                and any(a in found and b == box for a, b in pairs)]  # fmt: skip
    return {box: found.get(box, 0) for box in boxes}


def _reached(start: str, onward: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for name in onward.get(waiting.pop(), set()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def _words(study: Study, arrows: Sequence[Flow], beyond: set[str]) -> dict[str, list[str]]:
    """What is said at each box of its arrows."""
    labels = {process.process: process.label or process.process for process in study.processes}
    kinds = {process.process: process.kind for process in study.processes}
    ways: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for flow in arrows:
        outward = flow.target in beyond
        box, other = (flow.source, flow.target) if outward else (flow.target, flow.source)
        ways[box][other].add("to" if outward else "from")
    found: dict[str, list[str]] = defaultdict(list)
    for box, others in ways.items():
        for other, both in others.items():
            way = "to and from" if len(both) > 1 else next(iter(both))
            text = "lost" if kinds[other] == "loss" else f"{way} {labels[other]}"
            found[box] += [text] if text not in found[box] else []
    return found


def _label(name: str, words: Sequence[str]) -> list[tuple[str, bool]]:
    lines = [(line, True) for line in wrapped(name, LABEL, LETTER, bold=True)]
    return lines + [(line, False) for text in words for line in wrapped(text, LABEL, LETTER)]


def _shapes(
    layout: Layout,
    widths: Widths,
    inner: Sequence[Flow],
    arrows: Sequence[Flow],
    beyond: set[str],
    takes: set[str],
    kinds: Mapping[str, str],
) -> Iterator[Shape]:
    ends = touching(layout, widths)
    for number, flow in enumerate(inner):
        colour = COLOURS[REGISTERED if flow.registered else UNREGISTERED]
        steps = ribbon(layout, number, widths, ends)
        yield Shape("ribbon", steps, *colour, _told(flow), (flow.source, flow.target))
    for number, flow in enumerate(arrows):
        outward = flow.target in beyond
        if outward:
            kind = LOSS if kinds[flow.target] == "loss" else STOCK
        else:
            kind = STOCK if flow.source in takes else INPUT
        box = flow.source if outward else flow.target
        yield Shape(
            "stub", stub_path(layout, number, widths, ends), *COLOURS[kind], _told(flow), (box,)
        )
    for name in layout.nodes:
        x, y = layout.box_left(name), layout.box_top(name)
        height = box_height(layout, name, widths)
        yield Shape("box", _rectangle(x, y, BOX, height), KINDS[kinds[name]], touches=(name,))


def _told(flow: Flow) -> str:
    return f"{flow.label or flow.flow} ({flow.product})"


def _rectangle(x: float, y: float, width: float, height: float) -> list[Step]:
    corners = [(x + width, y), (x + width, y + height), (x, y + height)]
    return [("M", [(x, y)]), *(("L", [corner]) for corner in corners)]


def _lines(layout: Layout, node: Node, ink: str) -> Iterator[Line]:
    """Label of a box: above it, or on its right in the last column."""
    x, y = layout.box_left(node.name), layout.box_top(node.name)
    if layout.nodes[node.name].lines:
        x, first = layout.lefts[node.column], y - LINE * len(node.lines) + LETTER - 2.0
    else:
        x, first = x + BOX + 5.0, y + LETTER - 1.0
    for number, (text, bold) in enumerate(node.lines):
        yield Line(x, first + LINE * number, text, LETTER, bold, ink, node.name)


def _sheet(
    shapes: Sequence[Shape], texts: Sequence[Line], layout: Layout, title: str,
    named: Sequence[tuple[str, str]], year: int | None,
) -> Drawing:  # fmt: skip
    """Set the diagram below its title and a key of its colours."""
    lines, y, width = [], EDGE, layout.width
    said = "Every line is a flow; its width says nothing. Letters have the colour of their region."
    if not any(colour in INKS for _, colour in named):
        said = "Every line is a flow; its width says nothing."
    if year is not None:
        said = f"Flows that can exist in {year}. {said}"
    for text, size, bold in ((title, TITLE, True), (said, SMALL, False)):
        for line in wrapped(text, layout.width - 2 * EDGE, size, bold=bold):
            y += size + 3.0
            lines.append(Line(EDGE, y, line, size, bold))
    found = {shape.colour for shape in shapes}
    key = [(name, colour) for name, colour in COLOURS.items() if colour[0] in found]
    if UNREGISTERED not in dict(key):
        key = [("flow" if name == REGISTERED else name, colour) for name, colour in key]
    key += [(name, (colour, 1.0)) for name, colour in named]
    width = max(width, *(2 * EDGE + 20.0 + width_of(name, SMALL) for name, _ in key))
    marks: list[Shape] = []
    x, y = EDGE, y + 6.0
    for name, colour in key:
        needed = 20.0 + width_of(name, SMALL)
        if x > EDGE and x + needed > width - EDGE:
            x, y = EDGE, y + SMALL + 5.0
        marks.append(Shape("key", _rectangle(x, y, 14.0, 10.0), *colour))
        lines.append(Line(x + 19.0, y + 9.0, name, SMALL))
        x += needed + 18.0
    top = y + SMALL + 12.0
    drawn = [*marks, *(shape.shifted(0.0, top, 0) for shape in shapes)]
    texts = [*lines, *(line.shifted(0.0, top) for line in texts)]
    about = f"System diagram: {title}"
    return Drawing(width, top + layout.height + EDGE, about, drawn, texts)
