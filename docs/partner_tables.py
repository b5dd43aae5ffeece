"""Make the tables of trade by partner: python docs/partner_tables.py [--check].

What is written by hand are the partners (`partners.csv`), how each flow of the study is parted over
them and with which priors (`splits.csv`), the weights that customs printed (`customs.csv`), what
they have in common (`customs_errors.csv`) and what takes the place of records of the study
(`replaced.csv`). Everything else in the directory but `study.toml` and `sources.csv` follows from
these and is written here.

A flow that is parted keeps its name, its source and its prior. It enters a gate in the region of
its arrival, and parts of it leave the gate for the market that it entered before.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from functools import cached_property, partial
from pathlib import Path

import reebayes as rb
from reebayes.elicitation.quantiles import Statement, statement_of
from reebayes.study import Flow, Prior

FOLDER = Path(__file__).parents[1] / "data" / "extensions" / "partners"

SMALLEST = 3.0  # t: a smaller weight says little more than that there is hardly any trade
MISBOOKED = 30.0  # t: error of any customs weight, whatever its size, as in the study
WIDEST = 0.9  # largest error on the log scale
ESTIMATED = 0.5  # error of the part of a weight that an office estimated, as in the study

REST = "RW"  # region that is parted
REGIONS = ("CN", "US")  # partners that are regions of the study

type Row = Mapping[str, str]


def read(name: str) -> list[dict[str, str]]:
    """Read a table that is written by hand."""
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Trade:
    """The flows of the study that are parted, and their parts."""

    def __init__(self) -> None:
        study = rb.read_study()
        self.flows = {flow.flow: flow for flow in study.flows}
        self.regions = {one.process: one.region for one in study.processes}
        self.splits = read("splits.csv")
        self.labels = {row["partner"]: row["label"] for row in read("partners.csv")}
        self.labels |= {row["part"]: row["label"] for row in read("within.csv")}
        self.whole = {row["part"]: row["partner"] for row in read("within.csv")}
        self.years = study.years

    @cached_property
    def parts(self) -> dict[str, list[str]]:
        """Parts of each parted flow."""
        found: dict[str, list[str]] = defaultdict(list)
        for row in self.splits:
            for flow in row["flows"].split(";"):
                found[flow].append(row["part"])
        return dict(found)

    def ends(self, flow: str) -> tuple[str, str]:
        """Regions that a flow leaves and enters."""
        one = self.flows[flow]
        return self.regions[one.source], self.regions[one.target]

    def of(self, trade: str, *, product: str = "", registered: bool | None = None) -> list[Flow]:
        """Parted flows of a trade such as ``CN_RW``, of some products."""
        products = product.split("+") if product else []
        return [
            self.flows[flow]
            for flow in self.parts
            if "_".join(self.ends(flow)) == trade
            and (not products or self.flows[flow].product in products)
            and registered in (None, self.flows[flow].registered)
        ]

    def partner(self, part: str) -> str:
        """Partner to which a part belongs: itself, but for parts of one that are told apart."""
        return self.whole.get(part, part)


def part_of(flow: str, part: str) -> str:
    """Name of a part of a flow."""
    return f"{flow}_{part}"


# --- the system -----------------------------------------------------------------------------------


def system(trade: Trade) -> dict[str, list[Sequence[object]]]:
    """Rows of gates, of flows into and out of them, and of their priors."""
    processes: list[Sequence[object]] = []
    flows: list[Sequence[object]] = []
    for name, parts in trade.parts.items():
        flow, gate = trade.flows[name], f"gate_{name}"
        region = trade.ends(name)[1]
        processes.append((gate, "market", region, f"{flow.label}, by partner"))
        active = ";".join(str(a) if a == b else f"{a}-{b}" for a, b in flow.active)
        rest = (flow.product, str(flow.registered).lower(), active)
        flows.append((name, flow.source, gate, *rest, flow.label))
        for part in parts:
            label = f"{flow.label}, {trade.labels[part]}"
            flows.append((part_of(name, part), gate, flow.target, *rest, label))
    return {"processes.csv": processes, "flows.csv": flows}


def priors(trade: Trade) -> list[Prior]:
    """Priors of the parts, of biases and of common errors."""
    found = [
        Prior(part_of(flow, row["part"]), None, None, "share", float(row["median"]),
              float(row["sd"]), float(row["step"]) if row["step"] else None, "share",
              row["source"], "")
        for row in trade.splits
        if row["median"]
        for flow in row["flows"].split(";")
    ]  # fmt: skip
    for row in read("customs_errors.csv"):
        found.append(
            Prior(row["target"], None, None, "normal", float(row["median"]), float(row["sd"]),
                  None, "log scale", row["source"], row["note"])
        )  # fmt: skip
    return found


# --- quantities -----------------------------------------------------------------------------------

COMPOUNDS = "salt+oxide"
GOODS = {"compounds": COMPOUNDS, "metal": "metal", "concentrate": "concentrate"}


class Quantities:
    """Quantities by partner: their terms, labels and descriptions."""

    def __init__(self, trade: Trade) -> None:
        self.trade = trade
        self.terms: list[Sequence[object]] = []
        self.about: list[Sequence[object]] = []
        self.names: set[str] = set()

    def add(
        self,
        name: str,
        flows: Iterable[str],
        label: str,
        description: str,
        *,
        below: Iterable[str] = (),
    ) -> None:
        """Add a sum of flows, or the ratio of two."""
        if name in self.names:
            return
        self.names.add(name)
        sides = (("num", flows), ("den", below))
        self.terms += [(name, side, flow, 1) for side, names in sides for flow in names]
        self.about.append((name, label, description))

    def parts(self, flows: Iterable[Flow], part: str) -> list[str]:
        """Parts of flows that belong to a part or partner."""
        return [
            part_of(flow.flow, one)
            for flow in flows
            for one in self.trade.parts[flow.flow]
            if part in (one, self.trade.partner(one))
        ]


def quantities(trade: Trade) -> Quantities:
    """Quantities of every trade that is parted."""
    found = Quantities(trade)
    for row in read("quantity_forms.csv"):
        flows = [
            flow
            for flow in trade.of(row["trade"])
            if flow.product in row["products"].split("+")
            and (not row["registered"] or str(flow.registered).lower() == row["registered"])
        ]
        declared = [flow for flow in flows if flow.registered]
        known = dict.fromkeys(part for flow in flows for part in trade.parts[flow.flow])
        if row["below"] != "whole":
            known |= dict.fromkeys(trade.partner(part) for part in known)
        for part in known:
            added = [*found.parts(flows, part)]
            if row["adds"] and part == row["adds_to"]:
                added += row["adds"].split("+")
            below = {
                "": [], "whole": [flow.flow for flow in flows],
                "declared": found.parts(declared, part),
            }[row["below"]]  # fmt: skip
            words = {"part": part, "label": trade.labels[part]}
            found.add(
                row["quantity"].format(**words), added, row["label"].format(**words),
                row["description"].format(**words), below=below,
            )  # fmt: skip
    return found


# --- records --------------------------------------------------------------------------------------


def error(row: Row, own: float) -> float:
    """Error of a weight: its own, that of what was estimated, and that of a consignment."""
    misbooked = MISBOOKED / float(row["tonnes"])
    estimated = ESTIMATED * float(row["estimated"] or 0)
    return min(round(math.sqrt(own**2 + misbooked**2 + estimated**2), 3), WIDEST)


def records(trade: Trade) -> list[Sequence[object]]:
    """Records of what customs printed: shares of a table, and weights of an importer."""
    found: list[Sequence[object]] = []
    tables: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in read("customs.csv"):
        if float(row["tonnes"]) >= SMALLEST:
            tables[row["customs"], row["trade"], row["goods"], row["year"]].append(row)
    forms = {(row["customs"], row["goods"]): row for row in read("customs_forms.csv")}
    for (customs, _, goods, _), rows in tables.items():
        form = forms[customs, goods]
        known = {part for flow in form["of"].split("+") for part in trade.parts[flow]}
        rows = [row for row in rows if not form["composition"] or row["part"] in known]
        total = sum(float(row["tonnes"]) for row in rows)
        for row in rows:
            found.append(_record(row, form, total))
    return found


def _record(row: Row, form: Row, total: float) -> Sequence[object]:
    part, year, tonnes = row["part"], row["year"], float(row["tonnes"])
    share = bool(form["composition"])
    note = form["note"].format(tonnes=f"{tonnes:,.0f}", total=f"{total:,.0f}")
    if row["estimated"]:
        note += f" {100 * float(row['estimated']):.0f} % of the weight was estimated from value."
    if row["note"]:
        note += f" {row['note']}"
    name = row["record"] or f"{form['record']}-{part}-{year}".replace("_", "-")
    value = float(f"{tonnes / total:.5g}") if share else tonnes
    return (
        name, form["quantity"].format(part=part), year, "", "value", f"{value:g}", "", "", "",
        "fraction" if share else "t gross", "" if share else row["factor"],
        error(row, float(row["sd"] or form["sd"])), form["shared"].format(part=part) if not
        row["shared"] else row["shared"], "" if share else form["lag"], form["reporter"],
        row["source"], "", form["composition"], note,
    )  # fmt: skip


RECORD_COLUMNS = (
    "record", "quantity", "year", "year_end", "kind", "value", "low", "high", "other", "unit",
    "factor", "sd", "shared", "lag", "reporter", "source", "status", "composition", "note",
)  # fmt: skip


def replaced() -> list[Sequence[object]]:
    """Records that take the place of records of the study: mirror ratios of one partner."""
    return [tuple(row[name] for name in RECORD_COLUMNS) for row in read("replaced.csv")]


def lanes() -> list[Sequence[object]]:
    """What flows from one partner to another, for maps."""
    partners = [row["partner"] for row in read("partners.csv")]
    found: list[Sequence[object]] = []
    for row in read("lane_forms.csv"):
        origin, destination = row["trade"].split("_")
        ends = {origin, destination} - {REST}
        for part in [one for one in partners if one not in REGIONS] if len(ends) == 1 else [""]:
            found.append((
                row["quantity"].format(part=part), part if origin == REST else origin,
                part if destination == REST else destination, row["goods"],
                row["declared"].format(part=part),
            ))  # fmt: skip
    return found


# --- tables ---------------------------------------------------------------------------------------

HEADERS = {
    "processes.csv": ("process", "kind", "region", "label"),
    "flows.csv": ("flow", "source", "target", "product", "registered", "active", "label"),
    "quantities.csv": ("quantity", "part", "flow", "weight"),
    "catalogue.csv": ("quantity", "label", "description"),
    "lanes.csv": ("quantity", "origin", "destination", "goods", "declared"),
    "records.csv": RECORD_COLUMNS,
    "priors.csv": tuple(field.name for field in fields(Prior)),
    "elicitation.csv": tuple(field.name for field in fields(Statement)),
}


def tables(leave_out: Container[str] = ()) -> dict[str, str]:
    """Return the text of every table that follows from those written by hand."""
    trade = Trade()
    sums, believed = quantities(trade), priors(trade)
    rows: dict[str, Callable[[], Iterable[Sequence[object]]]] = {
        **{name: partial(iter, lines) for name, lines in system(trade).items()},
        "quantities.csv": lambda: sums.terms,
        "catalogue.csv": lambda: sums.about,
        "lanes.csv": lanes,
        "records.csv": lambda: [*records(trade), *replaced()],
        "priors.csv": lambda: map(astuple, believed),
        "elicitation.csv": lambda: (astuple(statement_of(prior)) for prior in believed),
    }
    return {name: _text(HEADERS[name], make()) for name, make in rows.items()
            if name not in leave_out}  # fmt: skip


def _text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow("" if cell is None else _cell(cell) for cell in row)
    return out.getvalue()


def _cell(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables, or tell which of them are not what the sources make."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and tell what differs")
    check = parser.parse_args(argv).check
    differing = []
    for name, text in tables().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            differing.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    sys.stdout.write("".join(f"{name}\n" for name in differing))
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
