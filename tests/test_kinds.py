"""Kinds of records: one row each, every reader knows all of them, and none guesses."""

import ast
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes
from reebayes.answers.availability import coverage, coverage_text
from reebayes.answers.leave_one_out import disagreement
from reebayes.answers.literature import beside_published
from reebayes.answers.predictive import predictive_check
from reebayes.figures.curves import plot_bands
from reebayes.figures.extents import stated_values
from reebayes.figures.heatmaps import plot_coverage
from reebayes.model.layout import lay_out
from reebayes.reporting.checking import stated_text
from reebayes.reporting.page import write_report
from reebayes.reporting.tables import record_table
from reebayes.results.selection import quantity
from reebayes.simulation.records import record_log_likelihood, simulate_records
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Estimate, Record, Study, Table, read_study
from reebayes.study import kinds as module
from reebayes.study.kinds import (
    AT_MOST,
    FIGURE,
    READERS,
    RECORD_KINDS,
    STATEMENTS,
    KindReader,
    RecordKind,
    UnknownKindError,
    kind_of,
    stated_interval,
)
from tests.fakes import RECORDS, fake_fit
from tests.tiny import write_tables

PACKAGE = Path(reebayes.__file__).parent

# Every reader stands in a module, and enters itself when that is loaded.
for found in pkgutil.walk_packages([str(PACKAGE)], "reebayes."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)

NEW = RecordKind("difference", "A change between years.", "a difference", ("value",), "d")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> RecordKind:
    """A kind that states what nobody knows yet."""
    monkeypatch.setitem(RECORD_KINDS, NEW.name, NEW)
    return NEW


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit(draws=300)


# --- the rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RECORD_KINDS.values(), ids=RECORD_KINDS)
def test_a_kind_says_what_it_needs_and_what_it_states(kind: RecordKind) -> None:
    assert kind.states in STATEMENTS
    assert kind.meaning.endswith(".")
    record = sample(kind)
    low, high = stated_interval(record)
    assert 0 <= low <= high
    assert (low == high) == kind.is_figure
    assert {name for name in ("value", "low", "high") if getattr(record, name)} == {*kind.needs}


def sample(kind: RecordKind) -> Record:
    """A record of a kind, with the figures that it needs."""
    figures: dict[str, Any] = dict.fromkeys(("value", "low", "high"))
    figures |= {name: {"value": 1.5, "low": 1.0, "high": 2.0}[name] for name in kind.needs}
    return Record("r", "mined", 2010, 2011 if kind.spans else 2010, kind.name, **figures,
                  unit="kt REO", factor=None, sd=0.1, reporter="survey", source="book")  # fmt: skip


# --- the readers ----------------------------------------------------------------------------------


def test_readers_find_themselves() -> None:
    """One for each place that treats kinds differently; the count only ever grows on purpose."""
    assert len(READERS) >= 9
    assert all(isinstance(reader, KindReader) for reader in READERS.values())


@pytest.mark.parametrize("does", READERS)
@pytest.mark.parametrize("name", RECORD_KINDS)
def test_every_reader_knows_every_kind(does: str, name: str) -> None:
    assert READERS[does](name) is not None


@pytest.mark.parametrize("does", READERS)
def test_a_planted_kind_breaks_every_reader_until_it_is_handled(
    does: str, planted: RecordKind
) -> None:
    with pytest.raises(UnknownKindError, match=planted.name):
        READERS[does](planted.name)
    reader = READERS[does]
    handled = replace(reader, by_kind={**reader.by_kind, planted.name: "handled"})
    READERS[does] = reader  # the copy entered itself
    assert handled(planted.name) == "handled"


@pytest.mark.parametrize("does", READERS)
def test_a_kind_that_does_not_exist_raises_in_every_reader(does: str) -> None:
    with pytest.raises(UnknownKindError, match="Unknown kind of record 'rumour'"):
        READERS[does]("rumour")


# --- what readers are called by -------------------------------------------------------------------


def checked(table: pd.DataFrame, fit: xr.DataTree) -> None:
    """Send a fit whose records are `table` through everything that reads them."""
    record_table(fit)
    predictive_check(fit)
    disagreement(fit)
    stated_values(table)
    _, ax = plt.subplots()
    plot_bands(quantity(fit, "mined_world"), table.assign(quantity="mined_world"), ax=ax)
    plt.close("all")
    for row in table.itertuples():
        stated_text(row, "kt REO")


def with_kind(fit: xr.DataTree, kind: str) -> xr.DataTree:
    """A fit whose first record is of another kind, with all figures that one may need."""
    changed = fit.copy()
    constant = fit["constant_data"].to_dataset()
    columns = {"value": 1.2, "low": 1.0, "high": 1.5}
    kinds = constant["record_kind"].values.copy()
    kinds[0] = kind
    variables: dict[str, Any] = {"record_kind": ("record", kinds)}
    for name, figure in columns.items():
        values = constant[f"record_{name}"].values.copy()
        values[0] = figure
        variables[f"record_{name}"] = ("record", values)
    changed["constant_data"] = constant.assign(variables)
    return changed


@pytest.mark.parametrize("name", RECORD_KINDS)
def test_every_kind_goes_through_every_reader_of_a_fit(
    name: str, fit: xr.DataTree, tmp_path: Path
) -> None:
    changed = with_kind(fit, name)
    checked(record_table(changed), changed)
    write_report(changed, tmp_path / "report.html")


READS: dict[str, Callable[[xr.DataTree, Path], object]] = {
    "record_table": lambda fit, path: record_table(fit),
    "predictive_check": lambda fit, path: predictive_check(fit),
    "disagreement": lambda fit, path: disagreement(fit),
    "write_report": lambda fit, path: write_report(fit, path / "report.html"),
}


@pytest.mark.parametrize("reader", READS)
def test_an_unknown_kind_in_a_fit_raises_and_nothing_is_written(
    reader: str, fit: xr.DataTree, tmp_path: Path
) -> None:
    with pytest.raises(UnknownKindError, match="rumour"):
        READS[reader](with_kind(fit, "rumour"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_tables(tmp_path_factory.mktemp("kinds") / "tiny"))


def of_kind(study: Study, name: str) -> Study:
    """The study with its first record of another kind, unchecked."""
    kind = kind_of(name)
    first = study.records["r_value"]
    figures: dict[str, Any] = dict.fromkeys(("value", "low", "high"))
    figures |= {column: {"value": 10.5, "low": 9.0, "high": 12.0}[column] for column in kind.needs}
    end = first.year + 1 if kind.spans else first.year
    record = replace(first, kind=name, year_end=end, **figures)
    return replace(study, records=Table(Record, [record, *study.records[1:]]))


@pytest.mark.parametrize("name", RECORD_KINDS)
def test_every_kind_goes_through_every_reader_of_a_study(name: str, study: Study) -> None:
    changed = of_kind(study, name)
    world = simulate_world(changed, seed=1)
    assert lay_out(changed).equations.figures.kind.size == len(study.records)
    likelihood = record_log_likelihood(changed, world.flows, world.bias, world.noise, world.shared)
    assert np.isfinite(likelihood.values[0])
    simulate_records(changed, world, seed=1)
    coverage(changed)
    coverage_text(changed)
    plt.close(plot_coverage(changed))
    assert changed.with_records(changed.records).records["r_value"].kind == name  # it is sound


def test_a_planted_kind_raises_wherever_a_study_is_read(planted: RecordKind, study: Study) -> None:
    changed = of_kind(study, planted.name)
    world = simulate_world(study, seed=1)
    readers: list[Callable[[], object]] = [
        lambda: lay_out(changed),
        lambda: record_log_likelihood(changed, world.flows, world.bias, world.noise, world.shared),
        lambda: simulate_records(changed, world, seed=1),
        lambda: plot_coverage(changed),
    ]
    for read in readers:
        with pytest.raises(UnknownKindError, match=planted.name):
            read()


@pytest.mark.parametrize("name", [n for n, kind in RECORD_KINDS.items() if kind.of_estimates])
def test_every_kind_of_estimate_is_set_beside_a_fit(name: str, fit: xr.DataTree) -> None:
    estimate = Estimate("e", "mined_world", 2010, 2010, name, 1.2, 1.0, 1.5, "kt REO", "book")
    row = beside_published(fit, published=Table(Estimate, [estimate])).loc["e"]
    assert np.isfinite(row["ratio"])


# --- one place ------------------------------------------------------------------------------------

WORDS = {name for name in RECORD_KINDS if name not in ("value", "range", "lower", "upper", "mean")}


def compared(tree: ast.AST) -> Iterator[str]:
    """Iterate over texts that code compares with, matches against, or looks up by."""
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "isin":
            parts = list(node.args)
        for part in parts:
            for inner in ast.walk(part):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_no_module_but_that_of_kinds_tells_them_apart_by_name(path: Path) -> None:
    if path == Path(module.__file__):
        return
    assert not WORDS & set(compared(ast.parse(path.read_text("utf-8"))))


def test_kinds_of_a_statement_are_told_apart_from_figures() -> None:
    assert {kind.name for kind in RECORD_KINDS.values() if kind.states == AT_MOST} == {
        "zero", "upper", "mean_upper",
    }  # fmt: skip
    assert {kind.name for kind in RECORD_KINDS.values() if kind.states == FIGURE} == {
        "value", "quota", "cumulative", "mean",
    }  # fmt: skip
    assert set(RECORDS["kind"]) == set(RECORD_KINDS)  # the made-up fit holds all of them
