"""The table of targets: met, missed and not measured are told apart."""

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

import benchmarks.__main__ as runner
from benchmarks import readers
from benchmarks.readers import ratios
from benchmarks.targets import MET, MISSED, TARGETS, UNKNOWN, find, judge, reader_table, table
from benchmarks.timing import Command, run_process

FIT = {
    "cold": {"seconds": 61.0, "gigabytes": 0.5},
    "warm": {"seconds": 20.0, "gigabytes": 0.5},
    "saved": {"ess_bulk_min": 1500.0, "ess_tail_min": 999.0, "rhat_max": 1.01, "divergences": 0,
              "saturated_fraction": 0.0},
}  # fmt: skip
RESULTS = {"fit": FIT, "refit": {"compiled": [], "new_signatures": 1}}


def verdict(measure: str) -> str:
    return next(row["verdict"] for row in judge(RESULTS) if row["measure"].startswith(measure))


def test_every_figure_of_a_row_must_be_good() -> None:
    assert verdict("`reebayes fit`") == MISSED
    assert verdict("minimum bulk and tail ESS") == MISSED
    assert verdict("R-hat") == MET  # the bound itself is good enough
    assert verdict("divergences") == MET
    assert verdict("peak memory") == MET
    assert verdict("compilations and new signatures by these") == MISSED


def test_what_was_not_measured_says_so() -> None:
    assert verdict("500 calibration refits") == UNKNOWN
    assert verdict("mean gradients") == UNKNOWN
    assert {row["verdict"] for row in judge({})} == {UNKNOWN}


def test_lists_count_their_entries() -> None:
    assert find({"a": {"b": ["x", "y"]}}, "a.b") == 2
    assert find({"a": {}}, "a.b") is None


def test_the_table_has_a_row_for_each_target() -> None:
    lines = table(RESULTS).splitlines()
    assert len(lines) == len(TARGETS) + 2
    assert "| 1,500, 999 |" in lines[4]


def test_every_place_is_shown() -> None:
    assert all(target.text.count("{") == len(target.places) for target in TARGETS)


READERS = {
    "first_seconds": {"learnt": 9.0, "export": 9.0, "report": 9.0},
    "seconds": {"learnt": 3.0, "export": 4.0, "report": 6.0},
    "processor": {"learnt": 3.0, "export": 3.0, "report": 3.0},
    "peak": {"learnt": 0.5, "export": 0.5, "report": 0.5},
    "megabytes": 231.0,
}


def test_each_reader_is_held_against_what_it_took_earlier() -> None:
    earlier = READERS | {"seconds": {"learnt": 6.0, "export": 16.0, "report": 10.0}}
    found = READERS | {"ratio": ratios(READERS, earlier)}
    assert found["ratio"] == {"learnt": 0.5, "export": 0.25, "report": 0.6}
    rows = {row["measure"]: row["verdict"] for row in judge({"readers": found})}
    assert [v for m, v in rows.items() if m.startswith("`reebayes learnt`")] == [MISSED]
    assert rows["file of a fit"] == MISSED


def test_the_table_of_readers_stands_without_an_earlier_one() -> None:
    rows = reader_table(READERS).splitlines()
    assert rows[0] == "| | `learnt`, now | `export`, now | `report`, now |"
    assert rows[3] == "| later runs, median, s | 3.0 | 4.0 | 6.0 |"
    both = reader_table(READERS | {"earlier": READERS | {"commit": "abc"}}).splitlines()
    assert both[0].startswith("| | `learnt`, commit abc | `learnt`, now |")


def test_a_part_measured_by_itself_keeps_the_others_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "machine", lambda: "new")
    monkeypatch.setattr(runner, "run_part", lambda name, options: {})
    known = {"machine": "old", "quick": False}
    alone = runner.measure_parts(Namespace(only=["fit"], quick=True), known)
    assert (alone["machine"], alone["quick"]) == ("old", False)
    assert alone["apart"] == {"fit": {"machine": "new", "quick": True}}
    whole = runner.measure_parts(Namespace(only=list(runner.PARTS), quick=True), alone)
    assert (whole["machine"], whole["apart"]) == ("new", {})


def test_the_peak_is_that_of_the_process_alone() -> None:
    large = np.ones(40_000_000)  # 0.32 GB
    found = run_process([sys.executable, "-c", "import sys; print(1); sys.exit(4)"], {})
    assert found.code == 4
    assert found.gigabytes < 0.1 < large.nbytes / 1e9


def test_a_failed_reader_has_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "run_command", lambda *_: Command(0.1, 0.1, 0.1, 2))
    program = readers.Program(tmp_path, tmp_path)
    with pytest.raises(RuntimeError, match="export: exit code 2"):
        program.read("export", force=False)
    assert not program.runs
