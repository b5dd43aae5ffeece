"""The table of targets: met, missed and not measured are told apart."""

from benchmarks.targets import MET, MISSED, TARGETS, UNKNOWN, find, judge, table

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
