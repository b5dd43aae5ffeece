"""The system as a Sankey diagram: one year or a sum over years, of a fit or of a scenario.

The columns follow from the graph: each conversion (a mine, a plant) moves material one column to
the right, and trade to and fro between regions stays within its column. A process that only passes
on is no box but part of a ribbon. What enters from outside, goes into or comes out of stock and is
lost is drawn as an arrow at its box.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import CI_PROB, FLOW, POSTERIOR, PROCESS, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.figures.canvas import FORMATS, Drawing, Line, Shape
from reebayes.figures.columns import (
    BOX,
    EDGE,
    FEW_COLUMNS,
    LETTER,
    LINE,
    Layout,
    Link,
    Node,
    Stub,
    Widths,
    box_height,
    place,
    ribbon,
    stub_path,
    touching,
)
from reebayes.figures.lettering import NO_BREAK, width_of, wrapped
from reebayes.files import write_whole
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span
from reebayes.results.summaries import bands
from reebayes.wording import format_band, without_per_year

REGISTERED, UNREGISTERED = "registered", "unregistered"
INPUT, STOCK, LOSS = "from outside", "to and from stocks and other places outside", "lost"
COLOURS: Mapping[str, tuple[str, float]] = {
    REGISTERED: ("#5b84b1", 0.42),
    UNREGISTERED: ("#d9822b", 0.68),
    INPUT: ("#3f8f5b", 0.75),
    STOCK: ("#8a5fae", 0.75),
    LOSS: ("#8c8c8c", 0.75),
}
"""Colour and opacity of what is drawn, by its name in the key."""

ENDS = ("median", "lower", "upper")
SMALLEST = 0.001  # share of the largest box below which a ribbon or arrow is not drawn
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
    """
    path = Path(path)
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ResultError(
            f"{path.name!r} must end in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}."
        )
    drawing = sankey_drawing(fit, years, ci_prob=ci_prob)
    return write_whole(path, lambda temporary: drawing.write(temporary, form))


def sankey_drawing(fit: Fit, years: Span, *, ci_prob: float = CI_PROB) -> Drawing:
    """Lay out the flows of one year or span; see `draw_sankey`."""
    parts = [_part(one, years, ci_prob) for one in _asked(fit)]
    study = str(fit.attrs.get("study_name", fit.attrs.get("study", "")))
    system = _system(parts)
    if not system.paths and not system.outside:
        raise ResultError(f"There are no {parts[0].what}; there is nothing to draw.")
    return _drawn(parts, system, study, ci_prob)


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


# --- from flows to boxes and ribbons ----------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """What is drawn of one fit, or of one side of a scenario."""

    contents: Contents
    draws: xr.DataArray  # (chain, draw, flow), of the year or sum
    table: pd.DataFrame  # flows with median, lower, upper, mean
    what: str
    unit: str


def _part(contents: Contents, years: Span, ci_prob: float) -> _Part:
    known = contents.years
    first, last = (
        (known[0], known[-1]) if years is None
        else (years, years) if isinstance(years, int)
        else years
    )  # fmt: skip
    for year in (first, last):
        if year not in known or first > last:
            raise ResultError(f"Year {year} is not inside the study ({known[0]} to {known[-1]}).")
    draws = contents.group(POSTERIOR)["flows"].sel({YEAR: slice(first, last)}).load()
    if draws.sizes[YEAR] < last - first + 1:
        raise ResultError(f"The fit lacks years between {first} and {last}; draw each by itself.")
    one = first == last
    draws = draws.isel({YEAR: 0}) if one else draws.sum(YEAR)
    return _Part(
        contents,
        draws,
        _flow_table(contents, draws, ci_prob),
        f"flows of {first}" if one else f"flows of {first}-{last} together",
        contents.unit if one else without_per_year(contents.unit),
    )


def _flow_table(contents: Contents, draws: xr.DataArray, ci_prob: float) -> pd.DataFrame:
    """Flows with their ends and labels, and what they carry in what is drawn."""
    band = bands(draws, ci_prob=ci_prob)
    table = contents.flows.reindex(draws[FLOW].values.astype(str))
    columns = {name: band[name].values for name in ("median", "lower", "upper")}
    mean = draws.mean([dim for dim in draws.dims if dim != FLOW]).values
    return table.assign(**columns, mean=mean)


@dataclass(frozen=True)
class _System:
    """Which flows make which ribbons and arrows, whatever they carry."""

    boxes: Sequence[str]  # in the order of the study's table
    processes: pd.DataFrame
    paths: Sequence[tuple[str, ...]]  # flows of each ribbon, from its source to its target
    outside: Sequence[tuple[str, bool, str, str]]  # box, outward, kind, flow
    lost: Mapping[int, Sequence[str]]  # losses on the way of a ribbon


def _system(parts: Sequence[_Part]) -> _System:
    """Fold the graph of all flows that carry something in any part."""
    processes = parts[0].contents.processes
    most = pd.concat([part.table["mean"] for part in parts], axis=1).max(axis=1)
    table = parts[0].table
    table = table[(most > 0).to_numpy()]
    kind = processes["kind"].to_dict()
    beyond = _beyond(table, processes["kind"])
    inner = _passing(table, processes["kind"], beyond)
    onward = {
        row.source: str(row.Index) for row in _rows(table)
        if row.source in inner and row.target not in beyond
    }  # fmt: skip
    target = table["target"].to_dict()
    paths: list[tuple[str, ...]] = []
    lost: dict[int, Sequence[str]] = {}
    outside: list[tuple[str, bool, str, str]] = []
    for row in _rows(table):
        flow = str(row.Index)
        if row.source in beyond:
            takes = (table["target"] == row.source).any()
            outside.append((row.target, False, STOCK if takes else INPUT, flow))
        elif row.source in inner:
            continue
        elif row.target in beyond:
            outside.append((row.source, True, LOSS if kind[row.target] == "loss" else STOCK, flow))
        else:
            path = [flow]
            while target[path[-1]] in inner:
                path.append(onward[target[path[-1]]])
            passed = {target[step] for step in path[:-1]}
            aside = table[table["source"].isin(passed) & table["target"].isin(beyond)]
            lost[len(paths)] = [str(name) for name in aside.index]
            paths.append(tuple(path))
    used = {table["source"][path[0]] for path in paths} | {target[path[-1]] for path in paths}
    used |= {box for box, *_ in outside}
    boxes = [str(name) for name in processes.index if name in used]
    return _System(boxes, processes, paths, outside, lost)


def _rows(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


def _beyond(table: pd.DataFrame, kind: pd.Series) -> set[str]:
    """Losses and environments, which are no boxes; but one that deals with another is."""
    beyond = {str(name) for name in kind.index[kind.isin(["environment", "loss"])]}
    for row in _rows(table):
        if row.source in beyond and row.target in beyond:
            beyond.discard(row.target if kind[row.target] != "loss" else row.source)
    return beyond


def _passing(table: pd.DataFrame, kind: pd.Series, beyond: set[str]) -> set[str]:
    """Processes with one inflow, not from outside, and one outflow beside what is lost."""
    inflow = table.groupby("target")["source"]
    outflow = table[~table["target"].map(kind).eq("loss")].groupby("source")["target"]
    single = set(inflow.size()[lambda size: size == 1].index)
    single &= set(outflow.size()[lambda size: size == 1].index)
    origin, goal = inflow.first(), outflow.first()
    return {
        name
        for name in single - beyond
        if origin[name] not in beyond and goal[name] not in beyond and kind[name] != "environment"
    }


def _ribbons(part: _Part, system: _System) -> list[tuple[Link, float]]:
    """What each ribbon carries, and what is lost on its way, which leaves its source as well."""
    table, mean = part.table, part.table["mean"]
    found = []
    for number, path in enumerate(system.paths):
        lost = float(sum(mean[flow] for flow in system.lost[number]))
        start, end = float(mean[path[0]]), float(mean[path[-1]])
        source, target = str(table["source"][path[0]]), str(table["target"][path[-1]])
        found.append((Link(source, target, max(start - lost, 0.0), end), min(lost, start)))
    return found


def _widths(part: _Part, system: _System, kept: _Kept | None = None) -> Widths:
    """Values of ribbons and arrows; of those that are kept, if it is given."""
    pairs = _ribbons(part, system)
    links = [link for link, _ in pairs]
    stubs = [
        Stub(box, outward, float(part.table["mean"][flow]), outward)
        for box, outward, _, flow in system.outside
    ]
    stubs += [Stub(link.source, True, lost, True) for link, lost in pairs]
    if kept is None:
        return Widths(links, stubs)
    return Widths([links[n] for n in kept.links], [stubs[n] for n in kept.stubs])


@dataclass(frozen=True, slots=True)
class _Kept:
    """Ribbons and arrows that are not too thin, by their numbers."""

    links: Sequence[int]
    stubs: Sequence[int]


def _kept(widths: Sequence[Widths], boxes: Sequence[str]) -> tuple[_Kept, Widths]:
    """Leave out what is too thin in every part; return what is kept, and how wide it ever is."""
    links = [
        Link(same[0].source, same[0].target, max(s.start for s in same), max(s.end for s in same))
        for same in zip(*(one.links for one in widths), strict=True)
    ]
    stubs = [
        Stub(same[0].node, same[0].outward, max(s.value for s in same), same[0].last)
        for same in zip(*(one.stubs for one in widths), strict=True)
    ]
    inward, outward = dict.fromkeys(boxes, 0.0), dict.fromkeys(boxes, 0.0)
    for link in links:
        outward[link.source] += link.start
        inward[link.target] += link.end
    for stub in stubs:
        (outward if stub.outward else inward)[stub.node] += stub.value
    least = SMALLEST * max(*inward.values(), *outward.values())
    kept = _Kept(
        [n for n, link in enumerate(links) if max(link.start, link.end) >= least],
        [n for n, stub in enumerate(stubs) if stub.value >= least],
    )
    return kept, Widths([links[n] for n in kept.links], [stubs[n] for n in kept.stubs])


# --- columns and labels -----------------------------------------------------------------------


def _columns(system: _System, links: Sequence[Link]) -> dict[str, int]:
    """Longest path from the mines: conversions and one-way trade count one; uses stand last.

    What goes to and fro between regions is trade, and stays in a column; within one it is
    recycling.
    """
    kind, region = system.processes["kind"], system.processes["region"]
    source = {name: kind[name] == "conversion" for name in system.boxes}
    converted = {}
    trade: dict[str, set[str]] = defaultdict(set)
    for number, (path, link) in enumerate(zip(system.paths, links, strict=True)):
        converted[number] = len(path) > 1 or source[link.source]
        if not converted[number]:
            trade[link.source].add(link.target)
    steps: dict[tuple[str, str], int] = {}
    onward: dict[str, set[str]] = defaultdict(set)
    for number in sorted(converted, key=lambda n: (converted[n], -links[n].end)):
        link = links[number]
        abroad = region[link.source] != region[link.target]
        there = not converted[number] and link.source in _reachable(link.target, trade)
        mutual = abroad and there
        # A step that would close a circle (recycling) is drawn, but cannot order the columns.
        if link.source not in _reachable(link.target, onward):
            onward[link.source].add(link.target)
            steps[link.source, link.target] = 0 if mutual else 1
    columns = dict.fromkeys(system.boxes, 0)
    for _ in columns:
        for (begin, end), step in steps.items():
            columns[end] = max(columns[end], columns[begin] + step)
    last = 1 + max((c for name, c in columns.items() if kind[name] != "use"), default=-1)
    columns |= {name: last for name in columns if kind[name] == "use"}
    number_of = {column: n for n, column in enumerate(sorted(set(columns.values())))}
    return {name: number_of[column] for name, column in columns.items()}


def _reachable(start: str, onward: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for name in onward.get(waiting.pop(), set()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def _labels(
    part: _Part, system: _System, widths: Mapping[str, float], ci_prob: float, *, arrows: bool
) -> dict[str, list[tuple[str, bool]]]:
    """Lines of the label of every box: its name, what passes through, and what its arrows are."""
    band = bands(_throughputs(part, system), ci_prob=ci_prob)
    ends = zip(*(band[key].values for key in ("median", "lower", "upper")), strict=True)
    found = {}
    for name, text in zip(system.boxes, ends, strict=True):
        label = str(system.processes["label"][name])
        lines = [(line, True) for line in wrapped(label, widths[name], LETTER, bold=True)]
        for told in (_unbroken(*text), *(_arrows(part, system, name) if arrows else ())):
            lines += [(line, False) for line in wrapped(told, widths[name], LETTER)]
        found[name] = lines
    return found


def _arrows(part: _Part, system: _System, name: str) -> Iterator[str]:
    for box, outward, _, flow in system.outside:
        if box == name:
            row = part.table.loc[flow]
            other = str(system.processes["label"][row["target" if outward else "source"]])
            value = _unbroken(row["median"], row["lower"], row["upper"])
            yield f"{'to' if outward else 'from'} {other}: {value}"


def _unbroken(median: Any, lower: Any, upper: Any) -> str:
    return format_band(median, lower, upper).replace(" ", NO_BREAK)


def _throughputs(part: _Part, system: _System) -> xr.DataArray:
    """Draws of what enters each box; of one that nothing enters, of what leaves it."""
    draws, table = part.draws, part.table
    flows, values = draws.indexes[FLOW], draws.transpose(*SAMPLE_DIMS, FLOW).values
    sides = {side: table[side].groupby(table[side]).groups for side in ("source", "target")}
    found = []
    for name in system.boxes:
        side = "target" if name in sides["target"] else "source"
        found.append(values[..., flows.get_indexer(sides[side][name])].sum(axis=-1))
    return xr.DataArray(np.stack(found, axis=-1), dims=(*SAMPLE_DIMS, PROCESS))


# --- drawing ----------------------------------------------------------------------------------


def _drawn(parts: Sequence[_Part], system: _System, study: str, ci_prob: float) -> Drawing:
    """Draw every part with the same places and scale, beside one another or one below the other."""
    all_widths = [_widths(part, system) for part in parts]
    columns = _columns(system, [max(same, key=lambda link: link.end) for same in
                                zip(*(w.links for w in all_widths), strict=True)])  # fmt: skip
    kept, widest = _kept(all_widths, system.boxes)
    last = max(columns.values())
    arrows = last < FEW_COLUMNS  # with more columns there is no room to write what each arrow is
    room = {name: LABEL_BESIDE if arrows or column == last else LABEL_WIDTH
            for name, column in columns.items()}  # fmt: skip
    labels = [_labels(part, system, room, ci_prob, arrows=arrows) for part in parts]
    shown = {stub.node for stub in widest.stubs}
    shown |= {name for link in widest.links for name in (link.source, link.target)}
    nodes = [
        _roomy(name, columns[name], [found[name] for found in labels])
        for name in _ordered(system)
        if name in shown
    ]
    layout = place(nodes, widest)
    panels = []
    for part, found in zip(parts, labels, strict=True):
        shapes, lines = _panel(part, system, kept, layout, found)
        panels.append((part, shapes, lines))
    return _sheet(panels, layout, study, ci_prob)


def _roomy(name: str, column: int, variants: Sequence[Sequence[tuple[str, bool]]]) -> Node:
    """A node whose label is as wide and as high as the largest of its variants."""
    longest = max(variants, key=len)
    widest = max(
        (line for variant in variants for line in variant),
        key=lambda line: width_of(line[0], LETTER, bold=line[1]),
    )
    return Node(name, [widest, *longest[1:]], column)


def _ordered(system: _System) -> list[str]:
    """Boxes region by region, as the study's table names them."""
    regions = list(dict.fromkeys(system.processes["region"][name] for name in system.boxes))
    return sorted(system.boxes, key=lambda name: regions.index(system.processes["region"][name]))


def _panel(
    part: _Part, system: _System, kept: _Kept, layout: Layout,
    labels: Mapping[str, Sequence[tuple[str, bool]]],
) -> tuple[list[Shape], list[Line]]:  # fmt: skip
    """Shapes and labels of one part."""
    widths = _widths(part, system, kept)
    ends = touching(layout, widths)
    shapes = []
    for number, link in enumerate(widths.links):
        if max(link.start, link.end) > 0:
            path = system.paths[kept.links[number]]
            registered = bool(part.table["registered"][list(path)].all())
            colour = COLOURS[REGISTERED if registered else UNREGISTERED]
            steps = ribbon(layout, number, widths, ends)
            touches = (link.source, link.target)
            shapes.append(Shape("ribbon", steps, *colour, _told(part, path), touches))
    for number, stub in enumerate(widths.stubs):
        if stub.value > 0:
            kind, flows = _arrow(system, kept.stubs[number])
            steps = stub_path(layout, number, widths, ends)
            shapes.append(Shape("stub", steps, *COLOURS[kind], _told(part, flows), (stub.node,)))
    lines: list[Line] = []
    for name in layout.nodes:
        height = box_height(layout, name, widths)
        x, y = layout.box_left(name), layout.box_top(name)
        shapes.append(Shape("box", _rectangle(x, y, BOX, height), "#333", touches=(name,)))
        lines += _label(layout, name, labels[name], x, y)
    return shapes, lines


def _arrow(system: _System, number: int) -> tuple[str, Sequence[str]]:
    """Kind and flows of an arrow."""
    if number < len(system.outside):
        _, _, kind, flow = system.outside[number]
        return kind, [flow]
    return LOSS, system.lost[number - len(system.outside)]


def _told(part: _Part, flows: Sequence[str]) -> str:
    rows: list[Any] = [part.table.loc[flow] for flow in flows]
    return "; ".join(
        f"{row['label']}: {format_band(*(float(row[end]) for end in ENDS))}" for row in rows
    )


def _label(
    layout: Layout, name: str, label: Sequence[tuple[str, bool]], x: float, y: float
) -> Iterator[Line]:
    """Lines above a box, the last just over it; or on the right of it."""
    if layout.nodes[name].lines:
        x, first = layout.lefts[layout.nodes[name].column], y - LINE * len(label) + LETTER - 2.0
    else:
        x, first = x + BOX + 5.0, y + LETTER - 1.0
    for number, (text, bold) in enumerate(label):
        yield Line(x, first + LINE * number, text, LETTER, bold, of=name)


def _rectangle(x: float, y: float, width: float, height: float) -> list[Any]:
    corners = [(x + width, y), (x + width, y + height), (x, y + height)]
    return [("M", [(x, y)]), *(("L", [corner]) for corner in corners)]


def _sheet(
    panels: Sequence[tuple[_Part, list[Shape], list[Line]]], layout: Layout, study: str,
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
        "what passes through. "
        f"Not drawn: below {100 * SMALLEST:g} % of the largest."
    )
    if any(one.contents.attrs.get("part") == "counterfactual" for one, *_ in panels):
        explained += " What is stranded or lost in the scenario does not leave its box."
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
            for line in wrapped(_heading(one), layout.width - 2 * EDGE, SMALL + 2, bold=True):
                head += SMALL + 6.0
                lines.append(Line(x + EDGE, top + head, line, SMALL + 2, bold=True))
            head += 8.0
        shapes += [shape.shifted(x, top + head, number) for shape in some]
        lines += [line.shifted(x, top + head) for line in texts]
        if not beside:
            top += head + layout.height + EDGE
    height = top + head + layout.height + EDGE if beside else top
    return Drawing(width, height, title, shapes, lines)


def _heading(part: _Part) -> str:
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
        shapes.append(Shape("key", _rectangle(x, y, 14.0, 10.0), *COLOURS[name]))
        lines.append(Line(x + 19.0, y + 9.0, name, SMALL))
        x += needed + 18.0
    return y + (SMALL if names else 0.0)
