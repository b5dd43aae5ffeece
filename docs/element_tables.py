"""Make the tables of the study by element: python docs/element_tables.py [--check].

What is written by hand are the groups of elements (`groups.csv`), where what is mined or drawn from
stock is parted by group (`gates.csv`), which markets part groups otherwise than a mixture
(`markets.csv`) and how far (`apart.csv`), what finds no use (`unsold.csv`), which quantities are
told by group (`quantity_forms.csv`, `ratio_forms.csv`), records of groups, sources, `study.toml`.
Everything else in the directory follows from these, from the tables of the study and from what
analyses and recipes say (`compositions.csv`, `materials.csv`), and is written here.

The first group keeps the names of flows and processes of the study, and with them its unknowns;
each other group has a layer of its own, of the same names with the group at their end, tied to the
first. Where the study adds flows up, tables add them up over the groups.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reebayes as rb
from reebayes.answers.assaying import draw_compositions
from reebayes.study import Flow, Material, Prior, Process, Study
from reebayes.study.rows import Label, Term
from reebayes.wording import listed

FOLDER = Path(__file__).parents[1] / "data" / "extensions" / "elements"
WITH_PARTNERS = FOLDER.with_name("elements_partners")

DRAWS = 20_000
CLOSE = 0.03  # relative change of a share that makes no period of its own
LEAST = 0.003  # share of a group where a recipe has none of it
PASSING = ("market", "conversion")
STOCK = "stock_build"

type Row = Mapping[str, str]
type Shares = NDArray[np.float64]


def read(name: str) -> list[dict[str, str]]:
    """Read a table that is written by hand."""
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Groups:
    """Groups of elements, the first of which keeps the names of the study."""

    rows: Sequence[Row]

    @property
    def names(self) -> list[str]:
        """Names of the groups."""
        return [row["group"] for row in self.rows]

    @property
    def others(self) -> list[str]:
        """Names of all groups but the first."""
        return self.names[1:]

    def label(self, group: str) -> str:
        """Name of a group as readers see it."""
        return next(row["label"] for row in self.rows if row["group"] == group)

    def elements(self, group: str) -> list[str]:
        """Elements of a group."""
        return next(row["elements"] for row in self.rows if row["group"] == group).split("+")

    def alone(self, group: str) -> str:
        """Which elements of a sum are those of a group, named by the fewer."""
        own = self.elements(group)
        rest = [one for other in self.names if other != group for one in self.elements(other)]
        if len(own) <= len(rest):
            return f"{listed(own)} alone."
        return f"All rare earths but {listed(rest)}."


EVERYTHING = Groups([{"group": "all", "label": "all rare earths", "elements": ""}])
"""One group of all elements: the study itself, with gates that part nothing."""


class Layers:
    """A study in layers of groups: which flows and processes there are, and what each is called."""

    def __init__(self, study: Study, groups: Groups) -> None:
        self.study, self.groups = study, groups
        self.flows = {flow.flow: flow for flow in study.flows}
        self.kinds = {one.process: one.kind for one in study.processes}
        self.regions = {one.process: one.region for one in study.processes}
        self.gates = read("gates.csv")
        self.gate_of = {flow: row for row in self.gates for flow in row["flows"].split(";")}
        self.layered = self._layered()

    def _layered(self) -> set[str]:
        """Processes behind a gate, of which each group has one of its own."""
        waiting = [self.flows[flow].target for flow in self.gate_of]
        found: set[str] = set()
        while waiting:
            process = waiting.pop()
            if process not in found and self.kinds[process] in PASSING:
                found.add(process)
                waiting += [f.target for f in self.flows.values() if f.source == process]
        return found

    def name(self, thing: str, group: str) -> str:
        """Name of a flow or process in the layer of a group."""
        return thing if group == self.groups.names[0] else f"{thing}_{group}"

    def process(self, process: str, group: str) -> str:
        """Process of a group: one of its own behind the gates, and one of all elsewhere."""
        return self.name(process, group) if process in self.layered else process

    def part(self, gate: Row, group: str) -> str:
        """Name of the flow of a group out of a gate."""
        return f"{gate['part']}_{group}"

    def is_layered(self, flow: str) -> bool:
        """Whether a flow is behind the gates."""
        return self.flows[flow].source in self.layered

    def in_group(self, flow: str, group: str) -> str:
        """Flow behind the gates, as the layer of a group has it."""
        return self.name(flow, group)

    def labelled(self, label: str, group: str) -> str:
        """Label of a flow or process in the layer of a group."""
        return label if len(self.groups.names) == 1 else f"{label}, {self.groups.label(group)}"


# --- the system -----------------------------------------------------------------------------------


def processes(layers: Layers) -> Iterator[Process]:
    """Gates, and the layers of processes behind them."""
    for gate in layers.gates:
        flow = layers.flows[gate["flows"].split(";")[0]]
        yield Process(gate["gate"], "market", layers.regions[flow.target], gate["label"])
    for one in layers.study.processes:
        if one.process in layers.layered:
            for group in layers.groups.names:
                yield replace(
                    one, process=layers.name(one.process, group),
                    label=layers.labelled(one.label, group),
                )  # fmt: skip
    for row in unsold(layers):
        yield Process(row["process"], "loss", layers.regions[row["market"]], row["process_label"])


def unsold(layers: Layers) -> list[dict[str, str]]:
    """What finds no use, where there are groups to tell apart."""
    return read("unsold.csv") if layers.groups.others else []


def flows(layers: Layers) -> Iterator[Flow]:
    """Flows into gates, out of gates, and the layers of flows behind them."""
    for gate in layers.gates:
        into = [layers.flows[flow] for flow in gate["flows"].split(";")]
        for flow in into:
            yield replace(flow, target=gate["gate"])
        for group in layers.groups.names:
            yield replace(
                into[0], flow=layers.part(gate, group), source=gate["gate"],
                target=layers.process(into[0].target, group), active=_together(into),
                label=layers.labelled(into[0].label if len(into) == 1 else gate["label"], group),
            )  # fmt: skip
    for flow in behind(layers):
        for group in layers.groups.names:
            yield replace(
                flow, flow=layers.in_group(flow.flow, group),
                source=layers.process(flow.source, group),
                target=layers.process(flow.target, group),
                label=layers.labelled(flow.label, group),
                tied=(flow.tied or flow.flow) if group in layers.groups.others else flow.tied,
            )  # fmt: skip


def behind(layers: Layers) -> Iterator[Flow]:
    """Flows behind the gates, and those of what finds no use."""
    for flow in layers.study.flows:
        if layers.is_layered(flow.flow):
            yield flow
    for row in unsold(layers):
        years = ((layers.study.first_year, layers.study.last_year),)
        yield Flow(row["flow"], row["market"], row["process"], "oxide", True, years, row["label"])


def _together(into: Sequence[Flow]) -> tuple[tuple[int, int], ...]:
    """Years in which any of some flows can exist, which those of one of them are."""
    years = [{y for a, b in f.active for y in range(a, b + 1)} for f in into]
    return next(f.active for f, own in zip(into, years, strict=True) if own == set().union(*years))


# --- quantities -----------------------------------------------------------------------------------


def quantities(layers: Layers) -> Iterator[Term]:
    """Quantities of the study as sums over the groups, those that are otherwise than in it."""
    for quantity in layers.study.quantities:
        if any(layers.is_layered(term.flow) for term in quantity.terms):
            for term in quantity.terms:
                split = layers.groups.names if layers.is_layered(term.flow) else [""]
                for group in split:
                    name = layers.in_group(term.flow, group) if group else term.flow
                    yield replace(term, flow=name)


def by_group(layers: Layers) -> tuple[list[Term], list[Label]]:
    """Quantities of one group, and shares of them."""
    terms: list[Term] = []
    labels: list[Label] = []
    about = {one.quantity: one for one in layers.study.labels}
    sums = {one.quantity: dict(one.numerator) for one in layers.study.quantities}
    of_groups: dict[str, dict[str, float]] = {}
    for group in layers.groups.names if layers.groups.others else ():
        for row in read("quantity_forms.csv"):
            name = f"{row['quantity']}_{group}"
            of_groups[name] = found = _of_group(layers, sums[row["quantity"]], group)
            terms += [Term(name, "num", flow, weight) for flow, weight in found.items()]
            of_sum = about.get(row["quantity"], Label(row["quantity"], row["quantity"], ""))
            labels.append(
                _told(layers, name, row["label"] or of_sum.label, of_sum.description, group)
            )
        for row in unsold(layers):
            name = f"{row['flow']}_{group}"
            of_groups[name] = {layers.in_group(row["flow"], group): 1.0}
            terms.append(Term(name, "num", layers.in_group(row["flow"], group), 1.0))
            labels.append(_told(layers, name, row["label"], f"{row['process_label']}.", group))
        for row in read("ratio_forms.csv"):
            if row["group"] in ("", group):
                words = {"group": group, "elements": layers.groups.label(group)}
                name = row["quantity"].format(**words)
                for part, column in (("num", "above"), ("den", "below")):
                    for one in row[column].format(**words).split("+"):
                        found = of_groups.get(one) or _summed(layers, sums[one])
                        terms += [Term(name, part, flow, weight) for flow, weight in found.items()]
                told = (row[column].format(**words) for column in ("label", "description"))
                labels.append(Label(name, *told))
    return terms, labels


def _told(layers: Layers, name: str, label: str, of_sum: str, group: str) -> Label:
    """Label and description of a quantity of a group, from those of the sum over all groups."""
    description = f"{layers.groups.alone(group)} {of_sum}".strip()
    return Label(name, layers.labelled(label, group), description)


def _summed(layers: Layers, terms: Mapping[str, float]) -> dict[str, float]:
    """Terms of a quantity of the study as a sum over the groups."""
    found: dict[str, float] = {}
    for flow, weight in terms.items():
        behind_gates = layers.is_layered(flow)
        names = [layers.in_group(flow, g) for g in layers.groups.names] if behind_gates else [flow]
        found |= dict.fromkeys(names, weight)
    return found


def _of_group(layers: Layers, terms: Mapping[str, float], group: str) -> dict[str, float]:
    """Terms of a group: its layer behind the gates, and what leaves the gates before them."""
    found: dict[str, float] = {}
    waiting = dict(terms)
    while waiting:
        flow, weight = waiting.popitem()
        if layers.is_layered(flow):
            found[layers.in_group(flow, group)] = weight
            continue
        gate = layers.gate_of.get(flow)
        if gate is None:  # parted further on
            target = layers.flows[flow].target
            waiting |= {f.flow: weight for f in layers.study.flows if f.source == target}
            continue
        beside = set(gate["flows"].split(";")) - {flow}
        if any(waiting.pop(one, None) != weight for one in beside):
            raise SystemExit(f"{flow} is a part only of what {gate['gate']} parts")
        found[layers.part(gate, group)] = weight
    return dict(sorted(found.items()))


# --- what ores, stocks and uses hold --------------------------------------------------------------


class Contents:
    """Shares of groups in what is mined, and in what each flow behind the gates is for."""

    def __init__(self, layers: Layers) -> None:
        self.layers, self.study = layers, layers.study
        keys = {(row.material, row.deposits) for row in self.study.materials}
        drawn = draw_compositions(self.study.assays, keys, DRAWS)
        every = drawn.elements
        self.at = [
            [every.index(e) for e in layers.groups.elements(group)]
            for group in layers.groups.names
        ]  # fmt: skip
        self.drawn = drawn.shares
        self.rows: dict[str, list[Material]] = {}
        for row in self.study.materials:
            self.rows.setdefault(row.flow, []).append(row)

    def of_ore(self, flow: str, by: str, year: int) -> Shares:
        """Draws (draw, group) of what is mined, parted by a flow or not, in a year."""
        return self._mixed([
            row for row in self.rows[flow]
            if row.by == by and (row.year or 0) <= year <= (row.year_end or 9999)
        ])  # fmt: skip

    def _mixed(self, rows: Sequence[Material]) -> Shares:
        rng = np.random.default_rng(1)
        total, weight = np.zeros((DRAWS, len(self.at))), np.zeros((DRAWS, 1))
        for row in rows:
            share = row.share * np.exp(row.spread * rng.standard_normal((DRAWS, 1)))
            held = self.drawn[row.material, row.deposits]
            total += share * np.stack([held[:, at].sum(axis=1) for at in self.at], axis=1)
            weight += share
        total /= total.sum(axis=1, keepdims=True)
        return total

    def periods(self, flow: str) -> list[int]:
        """First years of the periods that materials tell apart."""
        return sorted({row.year or self.study.first_year for row in self.rows[flow]})

    @cached_property
    def _shares(self) -> dict[str, float]:
        """Median share of every flow behind the gates in what leaves its process, in the middle."""
        year = (self.study.first_year + self.study.last_year) // 2
        found = {}
        for flow in behind(self.layers):
            rows = [row for row in self.study.priors if row.target == flow.flow]
            none = 0.0 if self.way(flow) == "unsold" else math.nan
            found[flow.flow] = _at(rows, year).median if rows else none
        for process in self.layers.layered:
            out = [f.flow for f in behind(self.layers) if f.source == process]
            rest = next((flow for flow in out if math.isnan(found[flow])), "")
            if rest:
                found[rest] = 1 - sum(found[flow] for flow in out if flow != rest)
        return found

    def of_process(self, process: str) -> Shares:
        """What passes through a process would hold if it were just what uses are made of."""
        total = np.zeros(len(self.at))
        for flow in behind(self.layers):
            if flow.source == process and self.way(flow) in ("use", "process", "plant"):
                total += self._shares[flow.flow] * self.of_flow(flow)
        return np.asarray(total / total.sum())

    def of_flow(self, flow: Flow) -> Shares:
        """What a flow holds: a recipe, what is behind it, or what its market holds."""
        way = self.way(flow)
        if way == "use":
            shares = self._mixed(self.rows[flow.flow]).mean(axis=0)
            shares = np.maximum(shares, LEAST)
            return np.asarray(shares / shares.sum())
        if way in ("process", "plant"):
            return self.of_process(flow.target)
        return self.of_process(flow.source)

    def way(self, flow: Flow) -> str:
        """What becomes of a flow: a use, further processing, a plant's, trade, stock or none."""
        layers = self.layers
        if flow.flow in {row["flow"] for row in unsold(layers)}:
            return "unsold"
        if flow.flow.startswith("scrap"):
            return "back"
        if layers.study.route(flow) is not None:
            return "trade"
        kind = layers.kinds[flow.target]
        if kind in PASSING:
            return "plant" if flow.source.startswith("gate") else "process"
        return {"use": "use", "environment": "stock"}.get(kind, kind)


def _at(rows: Sequence[Prior], year: int) -> Prior:
    begun = [row for row in rows if (row.year or 0) <= year]
    return max(begun or rows, key=lambda row: row.year or 0)


# --- priors ---------------------------------------------------------------------------------------


def priors(layers: Layers) -> Iterator[Prior]:
    """Shares of groups out of gates, shares of the first group, and how far others are from it."""
    if not layers.groups.others:
        return
    contents = Contents(layers)
    for gate in layers.gates:
        yield from _gate_priors(layers, contents, gate)
    for row in read("markets.csv"):
        yield from _market_priors(layers, contents, row["market"])


def _gate_priors(layers: Layers, contents: Contents, gate: Row) -> Iterator[Prior]:
    """Shares of all groups but the first in what a gate parts; the rest is the first."""
    found = _gate_periods(contents, gate)
    own = float(gate["sd"] or 0)
    for number, group in enumerate(layers.groups.others, 1):
        for n, (year, middle, sd) in enumerate(found):
            last = found[n + 1][0] - 1 if n + 1 < len(found) else layers.study.last_year
            several = len(found) > 1
            source = "judgement-element-stocks" if own else "judgement-element-ores"
            yield Prior(
                layers.part(gate, group), year if several else None, last if several else None,
                "share", _round(middle[number]), _round(math.hypot(sd[number], own)), None, "share",
                source, "",
            )  # fmt: skip


def _gate_periods(contents: Contents, gate: Row) -> list[tuple[int, Shares, Shares]]:
    """First year of every period that differs from the one before; median shares, and spreads."""
    if gate["median_from"] == "recipes":
        middle = contents.of_process(gate["holds"])
        return [(contents.study.first_year, middle, np.zeros(len(middle)))]
    found: list[tuple[int, Shares, Shares]] = []
    for year in contents.periods(gate["holds"]):
        draws = contents.of_ore(gate["holds"], gate["by"], year)
        logs = np.log(draws / draws[:, :1])
        middle = np.exp(np.median(logs, axis=0))
        middle /= middle.sum()
        if not found or not np.allclose(middle, found[-1][1], rtol=CLOSE):
            found.append((year, middle, logs.std(axis=0)))
    return found


def _market_priors(layers: Layers, contents: Contents, market: str) -> Iterator[Prior]:
    """Shares of the first group out of a market, and how far those of others are from them."""
    apart = {row["what"]: row for row in read("apart.csv")}
    lost = {row["flow"]: row for row in unsold(layers)}
    out = [flow for flow in behind(layers) if flow.source == market]
    rows = {
        flow.flow: [row for row in layers.study.priors if row.target == flow.flow] for flow in out
    }
    rest = next(flow for flow in out if not rows[flow.flow] and flow.flow not in lost)
    given = [flow for flow in out if rows[flow.flow]]
    held = {flow.flow: contents.of_flow(flow) for flow in out if flow.flow not in lost}
    ratio = {flow.flow: held[flow.flow] / held[rest.flow] for flow in given}
    starts = sorted({row.year or layers.study.first_year for f in given for row in rows[f.flow]})
    medians: dict[str, list[tuple[int, float, Prior]]] = {flow.flow: [] for flow in given}
    ends = [*(year - 1 for year in starts[1:]), layers.study.last_year]
    for year, end in zip(starts, ends, strict=True):
        there = [f for f in given if any(f.is_active(y) for y in range(year, end + 1))]
        here = {f.flow: _at(rows[f.flow], year) for f in there}
        base = {name: row.median for name, row in here.items()}
        odds = {n: base[n] / (1 - sum(base.values())) * ratio[n][0] for n in base}
        taken = sum(float(row["median"]) for row in lost.values() if row["market"] == market)
        for name, value in odds.items():
            share = value / (1 + sum(odds.values())) * (1 - taken)
            medians[name].append((year, share, here[name]))
    for name, found in medians.items():
        found = [
            one for n, one in enumerate(found)
            if not n or not math.isclose(one[1], found[n - 1][1], rel_tol=1e-9)
            or (one[2].sd, one[2].step) != (found[n - 1][2].sd, found[n - 1][2].step)
        ]  # fmt: skip
        last_year = layers.flows[name].active[-1][1]
        for n, (year, share, row) in enumerate(found):
            several = len(found) > 1 or row.year is not None
            last = found[n + 1][0] - 1 if n + 1 < len(found) else last_year
            yield replace(
                row, year=year if several else None, year_end=last if several else None,
                median=_round(share),
            )  # fmt: skip
    for one in lost.values():
        if one["market"] == market:
            yield Prior(
                one["flow"], None, None, "share", float(one["median"]), float(one["sd"]),
                float(one["step"]), "share", apart["unsold"]["source"], "",
            )  # fmt: skip
    for number, group in enumerate(layers.groups.names):
        for flow in (*given, *(f for f in out if f.flow in lost)) if number else ():
            what = apart[contents.way(flow)]
            middle = (
                float(lost[flow.flow][group])
                if flow.flow in lost
                else math.log(ratio[flow.flow][number] / ratio[flow.flow][0])
            )
            yield Prior(
                layers.in_group(flow.flow, group), None, None, "normal", round(middle, 2),
                float(what["sd"]), float(what["step"]) if what["step"] else None, "log odds",
                what["source"], "",
            )  # fmt: skip


def _round(value: float) -> float:
    return float(f"{value:.3g}")


# --- tables ---------------------------------------------------------------------------------------


def tables(study: Study, groups: Groups | None = None) -> dict[str, list[Any]]:
    """Rows of every table that follows from those written by hand, beside those of a study."""
    layers = Layers(study, groups or Groups(read("groups.csv")))
    terms, labels = by_group(layers)
    return {
        "processes.csv": [*processes(layers)],
        "flows.csv": [*flows(layers)],
        "quantities.csv": [*quantities(layers), *terms],
        "catalogue.csv": [*labels],
        "priors.csv": [*priors(layers)],
    }


def texts(made: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """Tables as they stand in files."""
    return {name: _text(rows) for name, rows in made.items() if rows}


def _text(rows: Sequence[Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    kind = type(rows[0])
    skipped = {"transition"} if kind is Prior else set()
    names = [field.name for field in fields(kind) if field.name not in skipped]
    writer.writerow(names)
    for row in rows:
        cells = dict(zip([field.name for field in fields(kind)], astuple(row), strict=True))
        writer.writerow(_cell(cells[name]) for name in names)
    return out.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ";".join(str(a) if a == b else f"{a}-{b}" for a, b in value)
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_partners() -> dict[str, list[Any]]:
    """Rows that the study by element and by partner has beside those of both.

    Gates that part trade over partners are tied over the groups: of every group a partner has the
    same share.
    """
    alone = tables(rb.read_study())
    parted = tables(rb.read_study(extensions=["partners"]))
    found = {}
    for name, rows in parted.items():
        own = _by_name(alone[name])
        found[name] = [
            row for key, of in _by_name(rows).items() for row in of if own.get(key) != of
        ]  # fmt: skip
    return found


def _by_name(rows: Sequence[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(getattr(row, fields(row)[0].name), []).append(row)
    return found


def files(study: Study | None = None, *, partners: bool = True) -> dict[Path, str]:
    """Texts of all files that are made, or of those of the study without partners."""
    made = tables(study or rb.read_study())
    found = {FOLDER / name: text for name, text in texts(made).items()}
    if partners:
        found |= {WITH_PARTNERS / name: text for name, text in texts(with_partners()).items()}
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables, or tell which of them are not what the sources make."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and tell what differs")
    check = parser.parse_args(argv).check
    differing = []
    for path, text in files().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            differing.append(path)
            if not check:
                path.write_text(text, encoding="utf-8")
    sys.stdout.write("".join(f"{path.parent.name}/{path.name}\n" for path in differing))
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
