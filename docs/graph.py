"""Draw the graph of the bundled study, from its tables: python docs/graph.py [DIR]."""

import sys
from collections import defaultdict
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reebayes import Study, read_study

OUT = Path(__file__).parent / "graph.png"
COLOURS = {True: "#5b84b1", False: "#d9822b"}
DRAWN = ("market", "conversion", "use")


def columns(study: Study) -> dict[str, int]:
    """Column of every process: how many conversions lie before it at least; uses stand last."""
    kind = {process.process: process.kind for process in study.processes}
    inner = [f for f in study.flows if kind[f.source] in DRAWN and kind[f.target] in DRAWN]
    fed = {flow.target for flow in inner}
    column = {process.process: len(kind) if process.process in fed else 0
              for process in study.processes}  # fmt: skip
    for _ in column:  # as often as the longest path may be
        for flow in inner:
            step = 1 if "conversion" in (kind[flow.source], kind[flow.target]) else 0
            column[flow.target] = min(column[flow.target], column[flow.source] + step)
    last = 1 + max(column[name] for name in column if kind[name] == "market")
    return {name: last if kind[name] == "use" else place for name, place in column.items()}


def places(study: Study) -> dict[str, tuple[float, float]]:
    """Place of every drawn process: its column, and a line within its region."""
    column = columns(study)
    regions = list(dict.fromkeys(p.region for p in study.processes if p.region))
    lines: dict[tuple[str, int], list[str]] = defaultdict(list)
    for process in study.processes:
        if process.kind in DRAWN:
            lines[process.region, column[process.process]].append(process.process)
    heights = {
        r: max((len(n) for (g, _), n in lines.items() if g == r), default=0) for r in regions
    }
    found, top = {}, 0.0
    for region in regions:
        for (group, place), names in lines.items():
            gap = heights[region] / max(len(names), 1)
            if group == region:
                for n, name in enumerate(names):
                    found[name] = (float(place), top + (n + 0.5) * gap)
        top += heights[region] + 1
    return found


def draw(study: Study) -> Figure:
    """Draw markets, conversions and uses as words, flows as arrows; losses and nature left out."""
    place = places(study)
    right = max(x for x, _ in place.values())
    bottom = max(y for _, y in place.values())
    figure = Figure(figsize=(2.1 * (right + 1), 0.42 * (bottom + 2)), layout="constrained")
    ax = figure.subplots()
    boxes = {}
    for process in study.processes:
        if process.process in place:
            box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "#8a8a8a"}
            box |= {"linewidth": 0.0 if process.kind == "conversion" else 0.7}
            words = ax.text(*place[process.process], process.process.replace("_", " "),
                            fontsize=6.5, ha="center", va="center", bbox=box, zorder=4)  # fmt: skip
            boxes[process.process] = words.get_bbox_patch()
    ax.set_xlim(-0.6, right + 0.6)
    ax.set_ylim(bottom + 1, -1)
    ax.axis("off")
    # Boxes know their size once they are drawn, and arrows end where the boxes do.
    FigureCanvasAgg(figure).draw()
    for flow in study.flows:
        if flow.source in place and flow.target in place:
            (x, y), (u, v) = place[flow.source], place[flow.target]
            arrow = {
                "arrowstyle": "-|>", "color": COLOURS[flow.registered], "linewidth": 0.8,
                "connectionstyle": f"arc3,rad={0.25 if x == u else 0.05}", "alpha": 0.8,
                "patchA": boxes[flow.source], "patchB": boxes[flow.target], "shrinkB": 1,
            }  # fmt: skip
            ax.annotate("", (u, v), (x, y), arrowprops=arrow)
    return figure


if __name__ == "__main__":
    study = read_study(sys.argv[1] if len(sys.argv) > 1 else None)
    draw(study).savefig(OUT, dpi=110)
