"""One year of the system as a Sankey diagram: a self-contained SVG drawing.

The columns follow from the graph: each conversion (a mine, a plant) moves material one column to
the right, and trade between markets stays within its column. Conversions are not boxes but the
ribbons between boxes, which narrow by what they lose; nature and losses are left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import CI_PROB, FLOW, POSTERIOR, PROCESS, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.summaries import bands
from reebayes.wording import format_band

REGISTERED_COLOUR = "#5b84b1"
UNREGISTERED_COLOUR = "#d9822b"
WIDTH, TOP, BOX, GAP, LINE = 1240.0, 40.0, 10.0, 34.0, 12.0
MARGIN = 175.0  # room for the labels of the last column
LABEL_LETTERS = 22
ONE_WAY = 0.75  # columns
DRAWN_HEIGHT = 460.0
REACH = 90.0  # how far a ribbon that goes back swings out
SMALLEST = 0.001  # share of the largest box below which a ribbon is not drawn


@dataclass(frozen=True, slots=True)
class Ribbon:
    """Material that goes from one box to another, with its width at both ends."""

    source: str
    target: str
    registered: bool
    converted: bool
    start: float
    end: float
    title: str


@dataclass(slots=True)
class Box:
    """A process with its place in the drawing."""

    process: str
    label: str
    band: str
    value: float
    column: float = 0.0
    x: float = 0.0
    y: float = 0.0


def draw_sankey(fit: Fit, year: int, *, ci_prob: float = CI_PROB) -> str:
    """Draw the flows of one year.

    Widths are posterior means, which balance exactly; labels are posterior medians and bands.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    year : int
        A year of the study.
    ci_prob : float
        Probability inside the bands of the labels.

    Returns
    -------
    str
        An ``<svg>`` element.

    Raises
    ------
    ResultError
        If the study has no such year, or no flow in it.
    """
    contents = contents_of(fit)
    if contents.attrs.get("part") == "difference":
        raise ResultError(
            "A difference flows nowhere; draw factual and counterfactual beside one another."
        )
    if year not in contents.years:
        first, last = contents.years[0], contents.years[-1]
        raise ResultError(f"Year {year} is not inside the study ({first} to {last}).")
    draws = contents.group(POSTERIOR)["flows"].sel({YEAR: year}).load()
    processes = contents.processes
    table = _flow_table(contents, draws, ci_prob)
    table = table[(table["mean"] > 0) & (table["target"].map(processes["kind"]) != "loss")]
    ribbons = _ribbons(table, processes)
    if not ribbons:
        raise ResultError(f"No flow is active in {year}; there is nothing to draw.")
    boxes = _boxes(ribbons, processes, draws, table, ci_prob)
    scale = _place(boxes, ribbons)
    return _svg(boxes, ribbons, scale, year, contents.unit)


# --- from flows to boxes and ribbons ----------------------------------------------------------


def _flow_table(contents: Contents, draws: xr.DataArray, ci_prob: float) -> pd.DataFrame:
    """Flows with their ends and labels, and what they carry in the year drawn."""
    band = bands(draws, ci_prob=ci_prob)
    table = contents.flows.reindex(draws[FLOW].values.astype(str))
    columns = {name: band[name].values for name in ("median", "lower", "upper")}
    mean = draws.mean([dim for dim in draws.dims if dim != FLOW]).values
    return table.assign(**columns, mean=mean)


def _ribbons(table: pd.DataFrame, processes: pd.DataFrame) -> list[Ribbon]:
    """Flows between drawn processes; a process that only passes on is part of its ribbon."""
    kind = processes["kind"].to_dict()
    inner = _passing(table, processes["kind"])
    rows: list[Any] = list(table.itertuples())
    onward = {row.source: row for row in rows if row.source in inner}
    ribbons = []
    for row in rows:
        if row.source in inner or kind[row.source] == "environment":
            continue
        path: list[Any] = [row]
        while path[-1].target in inner:
            path.append(onward[path[-1].target])
        title = "; ".join(
            f"{step.label}: {format_band(step.median, step.lower, step.upper)}" for step in path
        )
        ribbons.append(
            Ribbon(
                source=row.source,
                target=path[-1].target,
                registered=all(step.registered for step in path),
                converted=any(kind[step.source] == "conversion" for step in path),
                start=row.mean,
                end=path[-1].mean,
                title=title,
            )
        )
    return ribbons


def _passing(table: pd.DataFrame, kind: pd.Series) -> set[str]:
    """Processes with one inflow, not from nature, and one outflow that is not a loss.

    Of stocks only those that give back to the process which they take from: what a stock passes on
    to another is not what it takes in.
    """
    inflow, outflow = table.groupby("target")["source"], table.groupby("source")["target"]
    origin = inflow.first().map(kind)
    single = set(inflow.size()[lambda size: size == 1].index)
    single &= set(outflow.size()[lambda size: size == 1].index)
    back = inflow.first()[list(single)] == table.groupby("source")["target"].first()[list(single)]
    return {
        name
        for name in single
        if origin[name] != "environment" and (kind[name] != "environment" or back[name])
    }


def _boxes(
    ribbons: Sequence[Ribbon],
    processes: pd.DataFrame,
    draws: xr.DataArray,
    table: pd.DataFrame,
    ci_prob: float,
) -> dict[str, Box]:
    """Drawn processes with their throughput, in the order of the study's table."""
    used = {ribbon.source for ribbon in ribbons} | {ribbon.target for ribbon in ribbons}
    boxes = {}
    labels = processes.loc[processes.index.isin(used), "label"]
    reached = {ribbon.target for ribbon in ribbons}
    band = bands(_throughputs(labels.index, reached, draws, table), ci_prob=ci_prob)
    texts = zip(*(band[key].values for key in ("median", "lower", "upper")), strict=True)
    for (name, label), text in zip(labels.items(), texts, strict=True):
        inward = sum(ribbon.end for ribbon in ribbons if ribbon.target == name)
        outward = sum(ribbon.start for ribbon in ribbons if ribbon.source == name)
        boxes[str(name)] = Box(str(name), str(label), format_band(*text), max(inward, outward))
    _assign_columns(boxes, ribbons, processes)
    return boxes


def _throughputs(
    names: pd.Index, reached: set[str], draws: xr.DataArray, table: pd.DataFrame
) -> xr.DataArray:
    """Draws of what enters each process; of one that no ribbon reaches, of what leaves it."""
    flows, values = draws.indexes[FLOW], draws.transpose("chain", "draw", FLOW).values
    sides = {side: table[side].groupby(table[side]).groups for side in ("source", "target")}
    found = [
        values[..., flows.get_indexer(sides["target" if name in reached else "source"][name])]
        for name in names
    ]
    sums = [part.sum(axis=-1) for part in found]
    return xr.DataArray(np.stack(sums, axis=-1), dims=(*SAMPLE_DIMS, PROCESS))


def _assign_columns(
    boxes: dict[str, Box], ribbons: Sequence[Ribbon], processes: pd.DataFrame
) -> None:
    """Longest path from the mines: conversions count one, one-way trade less; uses stand last.

    What goes to and fro between regions is trade, and stays in a column; within one it is
    recycling.
    """
    kind, region = processes["kind"], processes["region"]
    trade: dict[str, set[str]] = defaultdict(set)
    for ribbon in ribbons:
        if not ribbon.converted:
            trade[ribbon.source].add(ribbon.target)
    kept: dict[tuple[str, str], float] = {}
    onward: dict[str, set[str]] = defaultdict(set)
    for ribbon in sorted(ribbons, key=lambda ribbon: (ribbon.converted, -ribbon.end)):
        abroad = region[ribbon.source] != region[ribbon.target]
        mutual = (
            abroad and not ribbon.converted and ribbon.source in _reachable(ribbon.target, trade)
        )
        # A step that would close a circle (recycling) is drawn, but cannot order the columns.
        if mutual or ribbon.source not in _reachable(ribbon.target, onward):
            onward[ribbon.source].add(ribbon.target)
            kept[ribbon.source, ribbon.target] = 0 if mutual else 1 if ribbon.converted else ONE_WAY
    for _ in boxes:
        for (source, target), step in kept.items():
            boxes[target].column = max(boxes[target].column, boxes[source].column + step)
    last = 1 + max(box.column for name, box in boxes.items() if kind[name] != "use")
    for name, box in boxes.items():
        if kind[name] == "use":
            box.column = last


def _reachable(start: str, onward: dict[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for name in onward[waiting.pop()] - seen:
            seen.add(name)
            waiting.append(name)
    return seen


# --- drawing ----------------------------------------------------------------------------------


def _place(boxes: dict[str, Box], ribbons: Sequence[Ribbon]) -> float:
    """Set x and y of every box; return the height of one unit of material."""
    columns: dict[float, list[Box]] = defaultdict(list)
    for box in boxes.values():
        columns[box.column].append(box)
    scale = DRAWN_HEIGHT / max(sum(box.value for box in column) for column in columns.values())
    bottom = TOP + max(_filled(column, scale) for column in columns.values())
    left = 10 + _room_for_loops(boxes, ribbons, scale)
    step = (WIDTH - MARGIN - left + 10) / max(1.0, *columns)
    for number in sorted(columns):
        column = columns[number]
        room = (bottom - TOP - _filled(column, scale)) / max(1, len(column) - 1)
        even = TOP
        for box in column:
            box.x = left + number * step
            centre = _centre_of_sources(box, boxes, ribbons, scale)
            box.y = even if centre is None else centre - box.value * scale / 2
            even += box.value * scale + GAP + room
        _part(column, scale, bottom)
    return scale


def _room_for_loops(boxes: dict[str, Box], ribbons: Sequence[Ribbon], scale: float) -> float:
    """Width that ribbons take which come round to the first column from the left."""
    first = [r for r in ribbons if boxes[r.target].column == 0]
    loops = [max(r.start, r.end) * scale for r in first if boxes[r.source].column >= 0]
    return REACH + max(loops) / 2 if loops else 0.0


def _filled(column: Sequence[Box], scale: float) -> float:
    return sum(box.value * scale for box in column) + GAP * (len(column) - 1)


def _centre_of_sources(
    box: Box, boxes: dict[str, Box], ribbons: Sequence[Ribbon], scale: float
) -> float | None:
    pairs = [(boxes[r.source], r.end) for r in ribbons if r.target == box.process]
    pairs = [(source, weight) for source, weight in pairs if source.column < box.column]
    if not pairs:
        return None
    total = sum(weight for _, weight in pairs)
    return sum((s.y + s.value * scale / 2) * weight for s, weight in pairs) / total


def _part(column: Sequence[Box], scale: float, bottom: float) -> None:
    """Keep the order and the gaps: push down from the top, then up from the bottom."""
    limit = TOP
    for box in column:
        box.y = max(box.y, limit)
        limit = box.y + box.value * scale + GAP
    limit = bottom
    for box in reversed(column):
        box.y = min(box.y, limit - box.value * scale)
        limit = box.y - GAP


def _svg(
    boxes: dict[str, Box], ribbons: Sequence[Ribbon], scale: float, year: int, unit: str
) -> str:
    bottom = max(box.y + box.value * scale for box in boxes.values()) + GAP
    label = f"Sankey diagram of the flows of {year} in {unit}"
    smallest = SMALLEST * max(box.value for box in boxes.values())
    drawn = [r for r in ribbons if max(r.start, r.end) >= smallest]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {bottom:.0f}" '
        f'role="img" aria-label="{escape(label)}" font-family="sans-serif" font-size="11">',
        *_key(drawn),
        *_paths(boxes, drawn, scale),
        *(line for box in boxes.values() for line in _box(box, scale)),
        "</svg>",
    ]
    return "\n".join(parts)


def _key(ribbons: Sequence[Ribbon]) -> Iterable[str]:
    """What the two colours mean, where there are two."""
    if len({ribbon.registered for ribbon in ribbons}) < 2:
        return
    pairs = ((REGISTERED_COLOUR, "registered"), (UNREGISTERED_COLOUR, "unregistered"))
    for number, (colour, text) in enumerate(pairs):
        x = 10 + 110 * number
        yield f'<rect x="{x}" y="4" width="14" height="10" fill="{colour}" fill-opacity="0.7"/>'
        yield f'<text x="{x + 19}" y="13">{text}</text>'


def _paths(boxes: dict[str, Box], ribbons: Sequence[Ribbon], scale: float) -> Iterable[str]:
    """Ribbons in order of where they end, so that they cross as little as possible."""
    starts: dict[str, float] = defaultdict(float)
    ends: dict[str, float] = defaultdict(float)
    offset = {}
    for number in sorted(
        range(len(ribbons)), key=lambda n: (boxes[ribbons[n].target].y, boxes[ribbons[n].target].x)
    ):
        ribbon = ribbons[number]
        offset[number] = starts[ribbon.source]
        starts[ribbon.source] += ribbon.start * scale
    for number in sorted(
        range(len(ribbons)), key=lambda n: (boxes[ribbons[n].source].y, boxes[ribbons[n].source].x)
    ):
        ribbon = ribbons[number]
        source, target = boxes[ribbon.source], boxes[ribbon.target]
        begin = source.y + offset[number]
        end = target.y + ends[ribbon.target]
        ends[ribbon.target] += ribbon.end * scale
        yield _path(ribbon, (source.x + BOX, begin), (target.x, end), scale)


def _path(
    ribbon: Ribbon, begin: tuple[float, float], end: tuple[float, float], scale: float
) -> str:
    (x0, y0), (x1, y1) = begin, end
    thick0, thick1 = max(ribbon.start * scale, 0.4), max(ribbon.end * scale, 0.4)
    colour = REGISTERED_COLOUR if ribbon.registered else UNREGISTERED_COLOUR
    opacity = 0.42 if ribbon.registered else 0.68
    title = f"<title>{escape(ribbon.title)}</title></path>"
    if x1 < x0:  # trade within a column: leaves to the right, comes round from the left
        y0, y1, reach = y0 + thick0 / 2, y1 + thick1 / 2, min(34 + 0.12 * abs(y1 - y0), REACH)
        shape = f"M{x0:.1f},{y0:.1f} C{x0 + reach:.1f},{y0:.1f} {x1 - reach:.1f},{y1:.1f} "
        return (
            f'<path d="{shape}{x1:.1f},{y1:.1f}" fill="none" stroke="{colour}" '
            f'stroke-opacity="{opacity}" stroke-width="{thick0:.1f}">{title}'
        )
    a = b = (x0 + x1) / 2
    shape = (
        f"M{x0:.1f},{y0:.1f} C{a:.1f},{y0:.1f} {b:.1f},{y1:.1f} {x1:.1f},{y1:.1f} "
        f"v{thick1:.1f} C{b:.1f},{y1 + thick1:.1f} {a:.1f},{y0 + thick0:.1f} "
        f"{x0:.1f},{y0 + thick0:.1f} Z"
    )
    return f'<path d="{shape}" fill="{colour}" fill-opacity="{opacity}">{title}'


def _box(box: Box, scale: float) -> Iterable[str]:
    height = max(box.value * scale, 1.0)
    name = wrap(box.label, LABEL_LETTERS)
    x, y = box.x + BOX + 4, box.y + height / 2 - LINE * (len(name) - 1) / 2
    yield (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{BOX:.0f}" height="{height:.1f}" '
        'fill="#333"/>'
    )
    for number, (line, weight) in enumerate([*((n, "bold") for n in name), (box.band, "normal")]):
        yield (
            f'<text x="{x:.1f}" y="{y + LINE * number:.1f}" font-weight="{weight}" '
            f'paint-order="stroke" stroke="#fff" stroke-width="3">{escape(line)}</text>'
        )
