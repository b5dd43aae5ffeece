"""The Sankey diagrams of every year, and of all together, in one layout that the eye can follow.

Boxes, labels and the slots of ribbons stand in the same places in every year: only widths and
numbers change. Whoever has `YearlySankey.geometry` can draw any year without measuring anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Any

import xarray as xr

from reebayes.conventions import CI_PROB, POSTERIOR
from reebayes.figures.canvas import outline_text
from reebayes.figures.columns import (
    BOX,
    EDGE,
    FEW_COLUMNS,
    HAIRLINE,
    INNER,
    LETTER,
    LINE,
    OUTER,
    STUB,
    Layout,
    Link,
    Stub,
    Widths,
    box_height,
    passed,
    place,
    ribbon,
    stub_path,
    touching,
)
from reebayes.figures.folding import (
    Part,
    System,
    columns_of,
    fold,
    labels_of,
    part_of,
    widths_of,
)
from reebayes.figures.lettering import FONTS
from reebayes.figures.sankey import (
    COLOURS,
    LABEL_BESIDE,
    LABEL_WIDTH,
    REGISTERED,
    UNREGISTERED,
    arrow_of,
    label_lines,
    ordered_boxes,
    roomy,
    told_of,
)
from reebayes.results.contents import CONSTANT
from reebayes.results.reading import Contents
from reebayes.results.selection import Span

MOST_FLOWS = 400
"""Flows of the largest system whose years are drawn in one layout, in a page of ordinary size."""

TALLEST = 620.0  # of the fullest column if every ribbon was as wide as it ever is
NOTHING = "none"
"""What stands in the place of a band where nothing flows."""

type Labels = Mapping[str, Sequence[tuple[str, bool]]]
"""Lines of the label of every box, and whether each is bold."""


@dataclass(frozen=True)
class YearlySankey:
    """Diagrams of several years, and of their sum, in one layout.

    Parameters
    ----------
    years : list of int
    parts : sequence of Part
        What flows in each year and, of several years, in all together (the last).
    system : System
    layout : Layout
    widths : sequence of Widths
        Of each part, in the order of the system.
    labels : sequence of mapping
        Of each part, the lines of the label of each box.
    """

    years: Sequence[int]
    parts: Sequence[Part]
    system: System
    layout: Layout
    widths: Sequence[Widths]
    labels: Sequence[Labels]

    @cached_property
    def layouts(self) -> list[Layout]:
        """The layout with the scale of each part: that of the sum is as large as finds room."""
        found = [self.layout] * len(self.years)
        if len(self.parts) > len(self.years):
            ratios = [
                year / total
                for year, total in zip(*map(_values, (self._widest, self.widths[-1])), strict=True)
                if total > 0
            ]
            found.append(replace(self.layout, scale=self.layout.scale * min(ratios)))
        return found

    @property
    def _widest(self) -> Widths:
        return widest_of(self.widths[: len(self.years)])

    @property
    def kinds(self) -> set[str]:
        """What is drawn in some part, by its name in the key."""
        found = {self._ribbon_colour(n) for n in range(len(self.system.paths))}
        found |= {arrow_of(self.system, n)[0] for n in range(len(self.widths[0].stubs))}
        return found if UNREGISTERED in found else found - {REGISTERED}

    def svg(self, number: int, title: str, names: Mapping[str, int]) -> str:
        """Return the diagram of one part as an ``<svg>`` element whose shapes a script can move.

        Parameters
        ----------
        number : int
            Position of the part.
        title : str
            What it shows.
        names : mapping of flow to int
            Numbers of the flows, which shapes carry (``data-flows``) as their identity.
        """
        return "\n".join(self._svg_lines(number, title, names))

    def _svg_lines(self, number: int, title: str, names: Mapping[str, int]) -> Iterator[str]:
        layout, widths, part = self.layouts[number], self.widths[number], self.parts[number]
        ends = touching(layout, widths)
        yield (
            f'<svg class="sankey" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 '
            f'{layout.width:.0f} {layout.height + 2 * EDGE:.0f}" role="img" '
            f'aria-label="{escape(title)}" '
            f'font-family="{FONTS}">'
        )
        for n, link in enumerate(widths.links):
            there = max(link.start, link.end) > 0
            path = outline_text(ribbon(layout, n, widths, ends)) if there else ""
            yield _shape("ribbon", n, path, self._ribbon_colour(n), part, self._flows(n), names)
        for n, stub in enumerate(widths.stubs):
            kind, flows = arrow_of(self.system, n)
            path = outline_text(stub_path(layout, n, widths, ends)) if stub.value > 0 else ""
            yield _shape("stub", n, path, kind, part, flows, names)
        for name in layout.nodes:
            x, y = layout.box_left(name), layout.box_top(name)
            height = box_height(layout, name, widths)
            yield (
                f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{BOX:g}" '
                f'height="{height:.1f}" fill="#333"/>'
            )
            label = self.labels[number][name]
            for line in label_lines(layout, name, label, x, y):
                weight = ' font-weight="bold"' if line.bold else ' class="value"'
                yield (
                    f'<text x="{line.x:.1f}" y="{line.y:.1f}" font-size="{line.size:g}"{weight} '
                    f'fill="{line.colour}">{escape(line.text)}</text>'
                )
        yield "</svg>"

    def _flows(self, number: int) -> Sequence[str]:
        """Flows of a ribbon, with what is lost on its way."""
        return [*self.system.paths[number], *self.system.lost[number]]

    def _ribbon_colour(self, number: int) -> str:
        registered = self.parts[0].table["registered"][list(self.system.paths[number])].all()
        return REGISTERED if registered else UNREGISTERED

    def geometry(self) -> dict[str, Any]:
        """Return all that is needed to draw every part: places, orders, values, labels.

        Returns
        -------
        dict
            ``scales`` by part; ``boxes``, each with its place, the order of ribbons and stubs on
            both of its sides and the lines of its label by part; ``links`` and ``stubs`` with
            values by part; ``lefts`` and ``rights`` of columns; ``sizes``, lengths that the shapes
            are made of. Everything is in pixels of the drawing or in the unit of the study.
        """
        layout, numbers = self.layout, {name: n for n, name in enumerate(self.layout.nodes)}
        stacks = _stacks(layout, self._widest)
        return {
            "scales": _digits([one.scale for one in self.layouts], 7),
            "lefts": _short(layout.lefts),
            "rights": _short(layout.rights),
            "sizes": {
                "box": BOX, "stub": STUB, "inner": INNER, "outer": OUTER, "hair": HAIRLINE,
                "line": LINE, "letter": LETTER,
            },
            "boxes": [self._box(name, stacks[name]) for name in layout.nodes],
            "links": [self._link(n, numbers) for n in range(len(self.system.paths))],
            "stubs": [self._stub(n, numbers) for n in range(len(self.widths[0].stubs))],
        }  # fmt: skip

    def _box(self, name: str, stacks: Sequence[Sequence[int]]) -> dict[str, Any]:
        layout = self.layout
        above = bool(layout.nodes[name].lines)
        x, y = layout.box_left(name), layout.box_top(name)
        values = [[text for text, bold in label[name] if not bold] for label in self.labels]
        return {
            "x": round(x, 1),
            "y": round(y, 1),
            "above": int(above),
            "bold": [text for text, bold in self.labels[0][name] if bold],
            "values": ["\n".join(lines) for lines in values],
            "out": list(stacks[0]),
            "in": list(stacks[1]),
        }

    def _link(self, number: int, numbers: Mapping[str, int]) -> dict[str, Any]:
        layout, link = self.layout, self.widths[0].links[number]
        a, b = layout.nodes[link.source].column, layout.nodes[link.target].column
        slots = {column: layout.slots[number, column].y for column in passed(a, b)}
        starts = [widths.links[number].start for widths in self.widths]
        ends = [widths.links[number].end for widths in self.widths]
        return {
            "ends": [numbers[link.source], numbers[link.target]],
            "columns": [a, b],
            "slots": _short([slots[column] for column in sorted(slots)]),
            "start": _digits(starts),
            **({} if starts == ends else {"end": _digits(ends)}),
        }

    def _stub(self, number: int, numbers: Mapping[str, int]) -> dict[str, Any]:
        stub = self.widths[0].stubs[number]
        return {
            "box": numbers[stub.node],
            "outward": int(stub.outward),
            "value": _digits([widths.stubs[number].value for widths in self.widths]),
        }


def yearly_sankey(contents: Contents, *, ci_prob: float = CI_PROB) -> YearlySankey | None:
    """Lay out the flows of all years, and of all together, in one layout.

    Nothing is left out: what is too thin to be seen is a hairline.

    Parameters
    ----------
    contents : Contents
    ci_prob : float
        Probability inside the bands of the labels.

    Returns
    -------
    YearlySankey or None
        None if nothing flows, or if there are more than `MOST_FLOWS` flows.
    """
    years = contents.years
    if len(contents.flows) > MOST_FLOWS or not len(contents.flows):
        return None
    spans: list[Span] = [*years, *([None] if len(years) > 1 else [])]
    held = _held(contents)
    parts = [part_of(held, span, ci_prob) for span in spans]
    system = fold(parts)
    if not system.paths:
        return None
    widths = [widths_of(part, system) for part in parts]
    widest = widest_of(widths[: len(years)])
    columns = columns_of(system, widest.links)
    last = max(columns.values())
    arrows = last < FEW_COLUMNS
    room = {name: LABEL_BESIDE if arrows or column == last else LABEL_WIDTH
            for name, column in columns.items()}  # fmt: skip
    labels = [_plain(labels_of(part, system, room, ci_prob, arrows=arrows)) for part in parts]
    nodes = [
        roomy(name, columns[name], [found[name] for found in labels])
        for name in ordered_boxes(system)
    ]
    return YearlySankey(years, parts, system, place(nodes, widest, filled=TALLEST), widths, labels)


def widest_of(widths: Sequence[Widths]) -> Widths:
    """Return of every ribbon and arrow the largest value that it has in any part."""
    return Widths(
        [
            Link(same[0].source, same[0].target, max(s.start for s in same),
                 max(s.end for s in same))
            for same in zip(*(one.links for one in widths), strict=True)
        ],
        [
            Stub(same[0].node, same[0].outward, max(s.value for s in same), same[0].last)
            for same in zip(*(one.stubs for one in widths), strict=True)
        ],
    )  # fmt: skip


def _held(contents: Contents) -> Contents:
    """The flows of a fit in memory: to read each year by itself would read the file as often."""
    flows = contents.group(POSTERIOR)[["flows"]].load()
    groups = {POSTERIOR: flows, CONSTANT: contents.group(CONSTANT)}
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in groups.items()})
    tree.attrs = dict(contents.attrs)
    return Contents(tree)


def _plain(labels: Labels) -> Labels:
    """Labels in which nothing is called so."""
    empty = "0 (0 to 0)"
    return {
        name: [(NOTHING if text == empty else text, bold) for text, bold in lines]
        for name, lines in labels.items()
    }


def _values(widths: Widths) -> list[float]:
    ends = [value for link in widths.links for value in (link.start, link.end)]
    return ends + [stub.value for stub in widths.stubs]


def _stacks(layout: Layout, widest: Widths) -> dict[str, tuple[list[int], list[int]]]:
    """Ribbons and arrows on the right and on the left of every box, from above.

    A ribbon is its number, an arrow -1 less its number. As the layout is one, so is the order.
    """
    ends = touching(layout, widest)
    found: dict[str, tuple[list[tuple[float, int]], list[tuple[float, int]]]]
    found = {name: ([], []) for name in layout.nodes}
    for n, link in enumerate(widest.links):
        found[link.source][0].append((ends.starts[n], n))
        found[link.target][1].append((ends.ends[n], n))
    for n, stub in enumerate(widest.stubs):
        found[stub.node][0 if stub.outward else 1].append((ends.stubs[n], -1 - n))
    return {
        name: ([n for _, n in sorted(right)], [n for _, n in sorted(left)])
        for name, (right, left) in found.items()
    }


def _shape(
    what: str, number: int, path: str, kind: str, part: Part, flows: Sequence[str],
    names: Mapping[str, int],
) -> str:  # fmt: skip
    colour, opacity = COLOURS[kind]
    title = f"<title>{escape(told_of(part, flows))}</title>"
    every = [one for flow in flows for one in part.groups.get(flow, [flow])]
    known = " ".join(str(names[flow]) for flow in every)
    return (
        f'<path class="{what}" data-shape="{number}" data-flows="{known}" d="{path}" '
        f'fill="{colour}" fill-opacity="{opacity:g}" stroke="{colour}">{title}</path>'
    )


def _short(values: Sequence[float]) -> list[float]:
    return [round(value, 1) for value in values]


def _digits(values: Sequence[float], count: int = 4) -> list[float]:
    """Numbers that make the same picture."""
    return [float(f"{value:.{count}g}") if value else 0 for value in values]
