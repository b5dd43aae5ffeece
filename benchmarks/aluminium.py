"""The published aluminium problem of 2009 as a study directory.

    python benchmarks/aluminium.py --tables DIR --out STUDYDIR [--scenario A]

DIR holds the problem's neutral tables (README of this folder). What is the same in both forms and
what only nearly is stands in the README as well; the rules are in the functions below.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import norm, truncnorm

YEAR = 2009
KT = 1000.0
"""The tables count in Mt; flows of a study are in kt."""

STOCKS = "stocks"
GROUND = "Reserves"
REPORTER = "accounts"
STUDY = f"""\
name = "Global aluminium {YEAR}"
unit = "kt Al/yr"
first_year = {YEAR}
last_year = {YEAR}
notes = "A published problem with soft balances, as a study that closes exactly."

[settings]
error_distribution = "normal"
"""

COLUMNS = {
    "processes.csv": ("process", "kind", "label"),
    "flows.csv": ("flow", "source", "target", "product", "registered", "active", "label"),
    "quantities.csv": ("quantity", "part", "flow", "weight"),
    "records.csv": (
        *("record", "quantity", "year", "kind", "value", "unit"),
        *("sd", "reporter", "source", "note"),
    ),
    "priors.csv": ("target", "distribution", "median", "sd", "unit", "source"),
    "sources.csv": ("source", "citation", "year", "licence"),
}

type Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Problem:
    """The tables of the problem, as text; see `read_problem`."""

    processes: tuple[str, ...]
    flows: dict[str, tuple[str, str]]
    stocks: dict[str, str]
    priors: dict[str, tuple[float, float]]
    data: dict[str, tuple[str, float, float]]
    terms: dict[str, list[str]]
    ratios: dict[str, tuple[str, float, float]]
    ratio_terms: dict[str, list[tuple[str, str]]]

    def flows_out_of(self, process: str) -> list[str]:
        """Flows that leave a process."""
        return [name for name, (source, _) in self.flows.items() if source == process]

    def flows_into(self, process: str) -> list[str]:
        """Flows that enter a process."""
        return [name for name, (_, target) in self.flows.items() if target == process]

    def changing(self) -> dict[str, str]:
        """Stock changes of processes that material also passes through, with their process."""
        return {
            name: process
            for name, process in self.stocks.items()
            if self.flows_out_of(process) and self.flows_into(process)
        }


def read_problem(folder: Path) -> Problem:
    """Read the tables.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Problem
        Priors, data and ratios in the tables' unit (Mt Al a year, or none).
    """
    terms: dict[str, list[str]] = {}
    for row in _rows(folder / "data_terms.csv"):
        terms.setdefault(row["datum"], []).append(row["variable"])
    ratio_terms: dict[str, list[tuple[str, str]]] = {}
    for row in _rows(folder / "ratio_terms.csv"):
        ratio_terms.setdefault(row["ratio"], []).append((row["part"], row["variable"]))
    return Problem(
        processes=tuple(row["process"] for row in _rows(folder / "processes.csv")),
        flows={r["flow"]: (r["source"], r["target"]) for r in _rows(folder / "flows.csv")},
        stocks={r["stock_change"]: r["process"] for r in _rows(folder / "stock_changes.csv")},
        priors={
            r["variable"]: (float(r["prior_mean"]), float(r["prior_sd"]))
            for r in _rows(folder / "priors.csv")
        },
        data={r["datum"]: _figure(r) for r in _rows(folder / "data.csv")},
        terms=terms,
        ratios={r["ratio"]: _figure(r) for r in _rows(folder / "ratios.csv")},
        ratio_terms=ratio_terms,
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _figure(row: Mapping[str, str]) -> tuple[str, float, float]:
    return row["label"], float(row["value"]), float(row["sd"])


# --- processes and flows --------------------------------------------------------------------------


def _processes(problem: Problem) -> Iterator[Row]:
    for name in problem.processes:
        yield {"process": name, "kind": _kind(problem, name), "label": name}
    if problem.changing():
        yield {"process": STOCKS, "kind": "environment", "label": "Stocks"}


def _kind(problem: Problem, process: str) -> str:
    if not problem.flows_into(process):
        return "environment"
    return "market" if problem.flows_out_of(process) else "loss"


def _flows(problem: Problem) -> Iterator[Row]:
    for name, ends in problem.flows.items():
        yield _flow(name, *ends)
    for process in problem.changing().values():
        yield _flow(f"build_{process}", process, STOCKS)
        yield _flow(f"draw_{process}", STOCKS, process)


def _flow(name: str, source: str, target: str) -> Row:
    return {"flow": name, "source": source, "target": target, "product": "aluminium",
            "registered": "true", "active": str(YEAR), "label": name}  # fmt: skip


# --- priors ---------------------------------------------------------------------------------------


def positive(mean: float, sd: float) -> tuple[float, float]:
    """Median, and sd of the log, of a normal cut off at zero."""
    grid = (np.arange(2000) + 0.5) / 2000
    values = truncnorm.ppf(grid, -mean / sd, np.inf, mean, sd)
    return float(np.median(values)), float(np.log(values).std())


def one_side(mean: float, sd: float) -> float:
    """Mean of the positive part of a normal, zero elsewhere."""
    return float(mean * norm.cdf(mean / sd) + sd * norm.pdf(mean / sd))


def beliefs(problem: Problem) -> dict[str, tuple[float, float]]:
    """Median (Mt) and log sd of every flow, builds and draws included.

    A stock change of either sign is what goes in less what comes out: the two sides of its normal
    prior are their medians, and they are as wide as a flow of that size.
    """
    found = {name: positive(*problem.priors[name]) for name in problem.flows}
    for name, process in problem.changing().items():
        mean, sd = problem.priors[name]
        wide = positive(abs(mean), sd)[1]
        found[f"build_{process}"] = one_side(mean, sd), wide
        found[f"draw_{process}"] = one_side(-mean, sd), wide
    return found


def _priors(problem: Problem) -> Iterator[Row]:
    believed = beliefs(problem)
    changing = set(problem.changing().values())
    for process in problem.processes:
        outflows = problem.flows_out_of(process)
        if _kind(problem, process) == "environment":
            yield from (_input(name, *believed[name]) for name in outflows)
        elif outflows:
            outflows += [f"build_{process}"] if process in changing else []
            yield from _split(outflows, believed)
    for process in sorted(changing):
        yield _input(f"draw_{process}", *believed[f"draw_{process}"])
    for group, form, median in (("bias", "normal", 0), ("noise", "lognormal", 1)):
        yield {"target": f"{group}:{REPORTER}", "distribution": form, "median": median, "sd": 0,
               "unit": "log scale", "source": "judgement-exact"}  # fmt: skip


def _input(name: str, median: float, sd: float) -> Row:
    return {"target": name, "distribution": "lognormal", "median": f"{median:.6g}",
            "sd": f"{sd:.4g}", "unit": "Mt Al/yr", "source": "prior-tables"}  # fmt: skip


def _split(outflows: Sequence[str], believed: Mapping[str, tuple[float, float]]) -> Iterator[Row]:
    """Yield shares in proportion to the medians; the largest outflow takes the remainder.

    Flows of log sd s have ratios of log sd s times the root of two. Independent ratios to one
    remainder of sd s give that to every other pair, and less to pairs with the remainder.
    """
    total = sum(believed[name][0] for name in outflows)
    rest = max(outflows, key=lambda name: believed[name][0])
    for name in outflows:
        if name != rest:
            median, sd = believed[name]
            yield {"target": name, "distribution": "share", "median": f"{median / total:.6g}",
                   "sd": f"{sd:.4g}", "unit": "share", "source": "prior-tables"}  # fmt: skip


# --- quantities and records -----------------------------------------------------------------------


def _observed(problem: Problem, datum: str) -> dict[str, int]:
    """Flows that a datum adds up (1), and those that it takes off (-1)."""
    weights: dict[str, int] = {}
    for variable in problem.terms[datum]:
        process = problem.stocks.get(variable)
        if process is None:
            weights[variable] = 1
        else:
            weights |= dict.fromkeys(problem.flows_into(process), 1)
            weights |= dict.fromkeys(problem.flows_out_of(process), -1)
    return weights


def _quantities(problem: Problem, scenario: str) -> Iterator[Row]:
    for name in problem.data:
        for flow, weight in _observed(problem, name).items():
            yield {"quantity": name, "part": "num", "flow": flow, "weight": weight}
    for name, terms in problem.ratio_terms.items():
        if scenario == "B":
            for part, flow in terms:
                yield {"quantity": name, "part": part, "flow": flow, "weight": 1}


def _records(problem: Problem, scenario: str) -> Iterator[Row]:
    for name, (label, value, sd) in problem.data.items():
        yield _record(name, label, value, sd, "Mt Al")
    if scenario == "B":
        for name, (label, value, sd) in problem.ratios.items():
            yield _record(name, label, value, sd, "ratio")


def _record(name: str, label: str, value: float, sd: float, unit: str) -> Row:
    """A figure with a normal error in its own unit, as published."""
    return {"record": name, "quantity": name, "year": YEAR, "kind": "signed",
            "value": f"{value:.6g}", "unit": unit, "sd": f"{sd:.6g}", "reporter": REPORTER,
            "source": "tables", "note": label}  # fmt: skip


def _sources() -> Iterator[Row]:
    yield {
        "source": "tables",
        "citation": "Tables of the aluminium problem (jiec.13550)",
        "year": 2024,
        "licence": "MIT",
    }
    yield {
        "source": "prior-tables",
        "year": 2024,
        "licence": "MIT",
        "citation": "Prior means and variances of the same tables",
    }
    yield {
        "source": "judgement-exact",
        "licence": "MIT",
        "citation": "No biases, and no noise beyond the stated errors, as in the published form",
    }


# --- the directory --------------------------------------------------------------------------------


def build_study(tables: Path, out: Path, *, scenario: str = "B") -> Path:
    """Write the problem as a study directory.

    Parameters
    ----------
    tables, out : Path
        The problem's tables; the directory to write.
    scenario : str
        ``"A"``: data only. ``"B"``: ratio data too.

    Returns
    -------
    Path
        The directory.
    """
    problem = read_problem(tables)
    written: dict[str, Iterator[Row]] = {
        "processes.csv": _processes(problem),
        "flows.csv": _flows(problem),
        "quantities.csv": _quantities(problem, scenario),
        "records.csv": _records(problem, scenario),
        "priors.csv": _priors(problem),
        "sources.csv": _sources(),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "study.toml").write_text(STUDY, encoding="utf-8")
    for name, rows in written.items():
        with (out / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS[name], restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return out


def main(argv: Sequence[str] | None = None) -> None:
    """Build the study that the arguments ask for."""
    parser = argparse.ArgumentParser(description="Write the aluminium problem as a study.")
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenario", choices=("A", "B"), default="B")
    given = parser.parse_args(argv)
    sys.stdout.write(f"{build_study(given.tables, given.out, scenario=given.scenario)}: written.\n")


if __name__ == "__main__":
    main()
