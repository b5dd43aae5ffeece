"""The system as a Sankey diagram: one year or a sum over years, of a fit or of a scenario.

The columns follow from the graph: each conversion (a mine, a plant) moves material one column to
the right, and trade to and fro between regions stays within its column. A process that only passes
on is no box but part of a ribbon. What enters from outside, goes into or comes out of stock and is
lost is drawn as an arrow at its box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from reebayes.conventions import CI_PROB
from reebayes.errors import ResultError
from reebayes.figures.canvas import Drawing, Line, Shape, save_drawing
from reebayes.figures.columns import (
    BOX,
    EDGE,
    FEW_COLUMNS,
    LETTER,
    LINE,
    Layout,
    Node,
    box_height,
    place,
    ribbon,
    stub_path,
    touching,
)
from reebayes.figures.folding import (
    INPUT,
    LOSS,
    SMALLEST,
    STOCK,
    Kept,
    Part,
    System,
    columns_of,
    fold,
    kept_of,
    labels_of,
    part_of,
    widths_of,
)
from reebayes.figures.lettering import width_of, wrapped
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span
from reebayes.wording import format_band

REGISTERED, UNREGISTERED = "registered", "unregistered"
COLOURS: Mapping[str, tuple[str, float]] = {
    REGISTERED: ("#5b84b1", 0.42),
    UNREGISTERED: ("#d9822b", 0.68),
    INPUT: ("#3f8f5b", 0.75),
    STOCK: ("#8a5fae", 0.75),
    LOSS: ("#8c8c8c", 0.75),
}
"""Colour and opacity of what is drawn, by its name in the key."""

ENDS = ("median", "lower", "upper")
LABEL_WIDTH, LABEL_BESIDE = 128.0, 225.0  # of labels; where there is room, and in the last column
TITLE, SMALL = 15.0, 11.0  # size of letters
MOST_BESIDE = 1500.0  # width up to which two diagrams stand beside and not below each other


def draw_sankey(fit: Fit, years: Span, *, ci_prob: float = CI_PROB) -> str:
    """Draw the flows of one year, or their sums over several.

    Widths are posterior means, which balance exactly; labels are posterior medians and bands.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`; or what `scenario` returns, to draw factual and
        counterfactual beside one another, in one scale; or one of the two.
    years : int or (int, int)
        A year, or the first and last of a sum; all years of the fit together if None.
    ci_prob : float
        Probability inside the bands of the labels.

    Returns
    -------
    str
        An ``<svg>`` element.

    Raises
    ------
    ResultError
        If the fit has no such years, or no flow in them.

    Examples
    --------
    >>> import reebayes as rb
    >>> drawing = rb.draw_sankey(rb.open_fit("results/zinc.nc"), 1994)
    >>> drawing[:4], "Mining and smelting" in drawing
    ('<svg', True)
    """
    return sankey_drawing(fit, years, ci_prob=ci_prob).svg()


def save_sankey(fit: Fit, path: str | Path, years: Span, *, ci_prob: float = CI_PROB) -> Path:
    """Write the flows of one year, or their sums over several, as a picture.

    Parameters
    ----------
    fit : DataTree
        As in `draw_sankey`.
    path : str or Path
        File to write, whose ending says what it is: ``.svg``, ``.pdf`` or ``.png``.
    years, ci_prob
        As in `draw_sankey`.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ResultError
        If the fit has no such years, or no flow in them, or the ending is another.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.save_sankey(rb.open_fit("results/zinc.nc"), "zinc.svg", 1994).name
    'zinc.svg'
    """
    return save_drawing(path, lambda: sankey_drawing(fit, years, ci_prob=ci_prob))


def sankey_drawing(fit: Fit, years: Span, *, ci_prob: float = CI_PROB) -> Drawing:
    """Lay out the flows of one year or span; see `draw_sankey`."""
    return drawing_of(sankey_parts(fit, years, ci_prob=ci_prob), fit.attrs, ci_prob=ci_prob)


def sankey_parts(fit: Fit, years: Span, *, ci_prob: float = CI_PROB) -> list[Part]:
    """Read what `draw_sankey` draws: one part, or factual and counterfactual of a scenario."""
    return [part_of(one, years, ci_prob) for one in _asked(fit)]


def drawing_of(parts: Sequence[Part], attrs: Mapping[Any, Any], *, ci_prob: float) -> Drawing:
    """Lay out what `sankey_parts` has read of a fit with some attributes."""
    study = str(attrs.get("study_name", attrs.get("study", "")))
    system = fold(parts)
    if not system.paths and not system.outside:
        raise ResultError(f"There are no {parts[0].what}; there is nothing to draw.")
    return _drawn(parts, system, study, ci_prob)


def sankey_table(parts: Sequence[Part]) -> pd.DataFrame:
    """Return the numbers of a Sankey diagram, a row a flow that carries something in any part.

    Parameters
    ----------
    parts : sequence of Part
        As `sankey_parts` reads them.

    Returns
    -------
    DataFrame
        ``flow, from, to, product, mean, median, lower, upper, unit``; of a scenario ``what``
        before them says of which side.
    """
    there = pd.concat([part.table["mean"] for part in parts], axis=1).max(axis=1) > 0
    ends = {"source": "from", "target": "to"}
    tables = []
    for part in parts:
        table = part.table[there.to_numpy()].rename(columns=ends).rename_axis("flow").reset_index()
        table = table[["flow", *ends.values(), "product", "mean", *ENDS]].assign(unit=part.unit)
        if len(parts) > 1:
            table.insert(0, "what", str(part.contents.attrs["part"]))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def years_of(fit: Fit) -> list[int]:
    """Return the years that `draw_sankey` can draw of a fit or scenario."""
    return _asked(fit)[0].years


def _asked(fit: Fit) -> list[Contents]:
    """The fit, or factual and counterfactual of a scenario."""
    if isinstance(fit, xr.DataTree) and {"factual", "counterfactual"} <= {*fit.children}:
        return [contents_of(fit.children[name]) for name in ("factual", "counterfactual")]
    contents = contents_of(fit)
    if contents.attrs.get("part") == "difference":
        raise ResultError(
            "A difference flows nowhere; draw factual and counterfactual beside one another."
        )
    return [contents]


# --- drawing ----------------------------------------------------------------------------------


def _drawn(parts: Sequence[Part], system: System, study: str, ci_prob: float) -> Drawing:
    """Draw every part with the same places and scale, beside one another or one below the other."""
    all_widths = [widths_of(part, system) for part in parts]
    columns = columns_of(system, [max(same, key=lambda link: link.end) for same in
                                zip(*(w.links for w in all_widths), strict=True)])  # fmt: skip
    kept, widest = kept_of(all_widths, system.boxes)
    last = max(columns.values())
    arrows = last < FEW_COLUMNS  # with more columns there is no room to write what each arrow is
    room = {name: LABEL_BESIDE if arrows or column == last else LABEL_WIDTH
            for name, column in columns.items()}  # fmt: skip
    labels = [labels_of(part, system, room, ci_prob, arrows=arrows) for part in parts]
    shown = {stub.node for stub in widest.stubs}
    shown |= {name for link in widest.links for name in (link.source, link.target)}
    nodes = [
        roomy(name, columns[name], [found[name] for found in labels])
        for name in ordered_boxes(system)
        if name in shown
    ]
    layout = place(nodes, widest)
    panels = []
    for part, found in zip(parts, labels, strict=True):
        shapes, lines = _panel(part, system, kept, layout, found)
        panels.append((part, shapes, lines))
    return _sheet(panels, layout, study, ci_prob)


def roomy(name: str, column: int, variants: Sequence[Sequence[tuple[str, bool]]]) -> Node:
    """A node whose label is as wide and as high as the largest of its variants."""
    longest = max(variants, key=len)
    widest = max(
        (line for variant in variants for line in variant),
        key=lambda line: width_of(line[0], LETTER, bold=line[1]),
    )
    return Node(name, [widest, *longest[1:]], column)


def ordered_boxes(system: System) -> list[str]:
    """Boxes region by region, as the study's table names them."""
    regions = list(dict.fromkeys(system.processes["region"][name] for name in system.boxes))
    return sorted(system.boxes, key=lambda name: regions.index(system.processes["region"][name]))


def _panel(
    part: Part, system: System, kept: Kept, layout: Layout,
    labels: Mapping[str, Sequence[tuple[str, bool]]],
) -> tuple[list[Shape], list[Line]]:  # fmt: skip
    """Shapes and labels of one part."""
    widths = widths_of(part, system, kept)
    ends = touching(layout, widths)
    shapes = []
    for number, link in enumerate(widths.links):
        if max(link.start, link.end) > 0:
            path = system.paths[kept.links[number]]
            registered = bool(part.table["registered"][list(path)].all())
            colour = COLOURS[REGISTERED if registered else UNREGISTERED]
            steps = ribbon(layout, number, widths, ends)
            touches = (link.source, link.target)
            shapes.append(Shape("ribbon", steps, *colour, told_of(part, path), touches))
    for number, stub in enumerate(widths.stubs):
        if stub.value > 0:
            kind, flows = arrow_of(system, kept.stubs[number])
            steps = stub_path(layout, number, widths, ends)
            shapes.append(Shape("stub", steps, *COLOURS[kind], told_of(part, flows), (stub.node,)))
    lines: list[Line] = []
    for name in layout.nodes:
        height = box_height(layout, name, widths)
        x, y = layout.box_left(name), layout.box_top(name)
        shapes.append(Shape("box", rectangle(x, y, BOX, height), "#333", touches=(name,)))
        lines += label_lines(layout, name, labels[name], x, y)
    return shapes, lines


def arrow_of(system: System, number: int) -> tuple[str, Sequence[str]]:
    """Kind and flows of an arrow."""
    if number < len(system.outside):
        _, _, kind, flow = system.outside[number]
        return kind, [flow]
    return LOSS, system.lost[number - len(system.outside)]


def told_of(part: Part, flows: Sequence[str]) -> str:
    """Labels of flows, with what each carries."""
    rows: list[Any] = [part.table.loc[flow] for flow in flows]
    return "; ".join(
        f"{row['label']}: {format_band(*(float(row[end]) for end in ENDS))}" for row in rows
    )


def label_lines(
    layout: Layout, name: str, label: Sequence[tuple[str, bool]], x: float, y: float
) -> Iterator[Line]:
    """Lines above a box, the last just over it; or on the right of it."""
    if layout.nodes[name].lines:
        x, first = layout.lefts[layout.nodes[name].column], y - LINE * len(label) + LETTER - 2.0
    else:
        x, first = x + BOX + 5.0, y + LETTER - 1.0
    for number, (text, bold) in enumerate(label):
        yield Line(x, first + LINE * number, text, LETTER, bold, of=name)


def rectangle(x: float, y: float, width: float, height: float) -> list[Any]:
    """Outline of a box."""
    corners = [(x + width, y), (x + width, y + height), (x, y + height)]
    return [("M", [(x, y)]), *(("L", [corner]) for corner in corners)]


def _sheet(
    panels: Sequence[tuple[Part, list[Shape], list[Line]]], layout: Layout, study: str,
    ci_prob: float,
) -> Drawing:  # fmt: skip
    """Put the panels on one sheet, below a title, what the widths are, and a key."""
    beside = len(panels) > 1 and 2 * layout.width <= MOST_BESIDE
    width = layout.width * (len(panels) if beside else 1)
    part = panels[0][0]
    heading = f"{study}: {part.what}" if study else part.what.capitalize()
    title = f"Sankey diagram of the {part.what} in {part.unit}"
    explained = (
        f"{part.unit}. Widths: posterior means. Numbers: median and {100 * ci_prob:g} % band of "
        f"what passes through. {left_out([one for one, *_ in panels])}"
    )
    lines, y = [], EDGE
    for text, size, bold in ((heading, TITLE, True), (explained, SMALL, False)):
        for line in wrapped(text, width - 2 * EDGE, size, bold=bold):
            y += size + 3.0
            lines.append(Line(EDGE, y, line, size, bold))
    shapes: list[Shape] = []
    y = _key([shape for _, some, _ in panels for shape in some], shapes, lines, width, y + 6.0)
    top = y + 10.0
    for number, (one, some, texts) in enumerate(panels):
        x = layout.width * number if beside else 0.0
        head = 0.0
        if len(panels) > 1:
            for line in wrapped(heading_of(one), layout.width - 2 * EDGE, SMALL + 2, bold=True):
                head += SMALL + 6.0
                lines.append(Line(x + EDGE, top + head, line, SMALL + 2, bold=True))
            head += 8.0
        shapes += [shape.shifted(x, top + head, number) for shape in some]
        lines += [line.shifted(x, top + head) for line in texts]
        if not beside:
            top += head + layout.height + EDGE
    height = top + head + layout.height + EDGE if beside else top
    return Drawing(width, height, title, shapes, lines)


def left_out(parts: Sequence[Part]) -> str:
    """Say what a Sankey diagram does not draw."""
    told = f"Not drawn: below {100 * SMALLEST:g} % of the largest."
    if any(part.contents.attrs.get("part") == "counterfactual" for part in parts):
        told += " What is stranded or lost in the scenario does not leave its box."
    return told


def heading_of(part: Part) -> str:
    """Return what stands above one side of a scenario."""
    if part.contents.attrs.get("part") == "factual":
        return "As it was"
    return f"Scenario: {part.contents.attrs.get('label', '')}"


def _key(
    drawn: Sequence[Shape], shapes: list[Shape], lines: list[Line], width: float, y: float
) -> float:
    """What the colours mean, of those that are there; return where it ends."""
    found = {shape.colour for shape in drawn}
    x, names = EDGE, [name for name, (colour, _) in COLOURS.items() if colour in found]
    if REGISTERED in names and UNREGISTERED not in names:
        names.remove(REGISTERED)
    for name in names:
        needed = 20.0 + width_of(name, SMALL)
        if x > EDGE and x + needed > width - EDGE:
            x, y = EDGE, y + SMALL + 5.0
        shapes.append(Shape("key", rectangle(x, y, 14.0, 10.0), *COLOURS[name]))
        lines.append(Line(x + 19.0, y + 9.0, name, SMALL))
        x += needed + 18.0
    return y + (SMALL if names else 0.0)
