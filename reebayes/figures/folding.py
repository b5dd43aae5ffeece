"""Flows of a fit folded into the boxes, ribbons and arrows of a Sankey diagram.

Groups of elements that have flows of their own are drawn as their sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.answers.layers import Layers, has_layers
from reebayes.conventions import FLOW, POSTERIOR, PROCESS, SAMPLE_DIMS, YEAR
from reebayes.errors import ResultError
from reebayes.figures.columns import LETTER, Link, Stub, Widths
from reebayes.figures.lettering import NO_BREAK, wrapped
from reebayes.results.reading import Contents
from reebayes.results.selection import Span
from reebayes.results.summaries import bands
from reebayes.wording import format_band, without_per_year

INPUT, STOCK, LOSS = "from outside", "to and from stocks and other places outside", "lost"

SMALLEST = 0.001  # share of the largest box below which a ribbon or arrow is not drawn


@dataclass(frozen=True)
class Part:
    """What is drawn of one fit, or of one side of a scenario."""

    contents: Contents
    draws: xr.DataArray  # (chain, draw, flow), of the year or sum
    table: pd.DataFrame  # flows with median, lower, upper, mean
    processes: pd.DataFrame
    what: str
    unit: str
    groups: Mapping[str, Sequence[str]]  # flows of all groups of elements that one stands for


def part_of(contents: Contents, years: Span, ci_prob: float) -> Part:
    """Read what is drawn of one fit: one year, or several together."""
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
    flows, processes = contents.flows.reindex(draws[FLOW].values.astype(str)), contents.processes
    groups: Mapping[str, Sequence[str]] = {}
    if has_layers(contents):
        layers = Layers.of(contents)
        draws = draws.transpose(..., FLOW).sel({FLOW: list(layers.flows)})
        draws = draws.copy(data=layers.summed(draws.values))
        groups = _by_first(layers.ties)
        flows, processes = _in_one(contents.flows, processes, layers)
        draws = draws.sel({FLOW: list(flows.index)})
    return Part(
        contents,
        draws,
        _flow_table(flows, processes, draws, ci_prob),
        processes,
        f"flows of {first}" if one else f"flows of {first}-{last} together",
        contents.unit if one else without_per_year(contents.unit),
        groups,
    )


def _flow_table(
    table: pd.DataFrame, processes: pd.DataFrame, draws: xr.DataArray, ci_prob: float
) -> pd.DataFrame:
    """Flows with their ends and labels, and what they carry in what is drawn."""
    band = bands(draws, ci_prob=ci_prob)
    kept = rejoined(table, processes)
    columns = {name: band[name].values for name in ("median", "lower", "upper")}
    mean = draws.mean([dim for dim in draws.dims if dim != FLOW]).values
    return table.assign(**columns, mean=mean, target=kept["target"]).loc[kept.index]


def _in_one(
    flows: pd.DataFrame, processes: pd.DataFrame, layers: Layers
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flows and processes as if no group had its own: those of the first stand for all.

    What enters a gate that parts groups goes where the first of them goes.
    """
    parting = [flow for gate in layers.gates for flow in layers.leaving[gate]]
    flows = flows.assign(
        target=flows["target"].replace(layers.behind_gates),
        label=_common_labels(flows["label"], _by_first(layers.ties)),
    )
    processes = processes.assign(label=_common_labels(processes["label"], layers.places))
    return flows.drop(index=[*layers.ties, *parting]), processes


def _by_first(ties: Mapping[str, str]) -> dict[str, list[str]]:
    """Flows of all groups, by that of the first."""
    found: dict[str, list[str]] = {}
    for flow, other in ties.items():
        found.setdefault(other, [other]).append(flow)
    return found


def _common_labels(labels: pd.Series, groups: Mapping[str, Sequence[str]]) -> pd.Series:
    """Labels of which those of several groups lose the name of the group, after the last comma."""
    found = labels.copy()
    for first, names in groups.items():
        common, *others = {str(labels[name]).rpartition(", ")[0] for name in names}
        if common and not others:
            found[first] = common
    return found


def rejoined(table: pd.DataFrame, processes: pd.DataFrame) -> pd.DataFrame:
    """Return flows without those that part trade at a border and join again behind it.

    What enters such a gate, its one inflow from another region, goes where all parts of it go.

    Parameters
    ----------
    table : DataFrame
        Flows with ``source`` and ``target``.
    processes : DataFrame
        Processes with ``kind`` and ``region``.
    """
    target, parts = table["target"].copy(), set()
    for gate in processes.index[processes["kind"] == "market"]:
        into, out = table[table["target"] == gate], table[table["source"] == gate]
        if len(into) != 1 or len(out) < 2 or out["target"].nunique() != 1:
            continue
        if processes["region"][into["source"].iloc[0]] != processes["region"][gate]:
            target[into.index[0]] = out["target"].iloc[0]
            parts |= {*out.index}
    return table.assign(target=target).drop(index=list(parts))


@dataclass(frozen=True)
class System:
    """Which flows make which ribbons and arrows, whatever they carry."""

    boxes: Sequence[str]  # in the order of the study's table
    processes: pd.DataFrame
    paths: Sequence[tuple[str, ...]]  # flows of each ribbon, from its source to its target
    outside: Sequence[tuple[str, bool, str, str]]  # box, outward, kind, flow
    lost: Mapping[int, Sequence[str]]  # losses on the way of a ribbon


def fold(parts: Sequence[Part]) -> System:
    """Fold the graph of all flows that carry something in any part."""
    processes = parts[0].processes
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
    return System(boxes, processes, paths, outside, lost)


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


def _ribbons(part: Part, system: System) -> list[tuple[Link, float]]:
    """What each ribbon carries, and what is lost on its way, which leaves its source as well."""
    table, mean = part.table, part.table["mean"]
    found = []
    for number, path in enumerate(system.paths):
        lost = float(sum(mean[flow] for flow in system.lost[number]))
        start, end = float(mean[path[0]]), float(mean[path[-1]])
        source, target = str(table["source"][path[0]]), str(table["target"][path[-1]])
        found.append((Link(source, target, max(start - lost, 0.0), end), min(lost, start)))
    return found


def widths_of(part: Part, system: System, kept: Kept | None = None) -> Widths:
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
class Kept:
    """Ribbons and arrows that are not too thin, by their numbers."""

    links: Sequence[int]
    stubs: Sequence[int]


def kept_of(widths: Sequence[Widths], boxes: Sequence[str]) -> tuple[Kept, Widths]:
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
    kept = Kept(
        [n for n, link in enumerate(links) if max(link.start, link.end) >= least],
        [n for n, stub in enumerate(stubs) if stub.value >= least],
    )
    return kept, Widths([links[n] for n in kept.links], [stubs[n] for n in kept.stubs])


# --- columns and labels -----------------------------------------------------------------------


def columns_of(system: System, links: Sequence[Link]) -> dict[str, int]:
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
    abroad = [region[link.source] != region[link.target] for link in links]
    # Trade first, then the largest: of a circle within a region the smallest goes back.
    passed = {number: done or not abroad[number] for number, done in converted.items()}
    for number in sorted(converted, key=lambda n: (passed[n], -links[n].end)):
        link = links[number]
        there = not converted[number] and link.source in _reachable(link.target, trade)
        mutual = abroad[number] and there
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


def labels_of(
    part: Part, system: System, widths: Mapping[str, float], ci_prob: float, *, arrows: bool
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


def _arrows(part: Part, system: System, name: str) -> Iterator[str]:
    for box, outward, _, flow in system.outside:
        if box == name:
            row = part.table.loc[flow]
            other = str(system.processes["label"][row["target" if outward else "source"]])
            value = _unbroken(row["median"], row["lower"], row["upper"])
            yield f"{'to' if outward else 'from'} {other}: {value}"


def _unbroken(median: Any, lower: Any, upper: Any) -> str:
    return format_band(median, lower, upper).replace(" ", NO_BREAK)


def _throughputs(part: Part, system: System) -> xr.DataArray:
    """Draws of what enters each box; of one that nothing enters, of what leaves it."""
    draws, table = part.draws, part.table
    flows, values = draws.indexes[FLOW], draws.transpose(*SAMPLE_DIMS, FLOW).values
    sides = {side: table[side].groupby(table[side]).groups for side in ("source", "target")}
    found = []
    for name in system.boxes:
        side = "target" if name in sides["target"] else "source"
        found.append(values[..., flows.get_indexer(sides[side][name])].sum(axis=-1))
    return xr.DataArray(np.stack(found, axis=-1), dims=(*SAMPLE_DIMS, PROCESS))
