"""What is possible in a study and hardly meant is told with its place, and nothing else is."""

import csv
import math
import random
import shutil
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reebayes.cli.main import main
from reebayes.errors import Fault, StudyWarning
from reebayes.simulation.flows import flows_from, quantities_from
from reebayes.simulation.records import simulate_records
from reebayes.simulation.worlds import simulate_world, unknowns_from
from reebayes.study import Study, read_study
from reebayes.study.changes import unheard
from reebayes.study.checks.blame import find_prior
from reebayes.study.checks.context import build_context
from reebayes.study.checks.plausible import implausible
from reebayes.study.checks.prior_flows import draw_flows
from reebayes.study.drafts import Draft, read_draft
from reebayes.study.kinds import kind_of
from tests.tiny import shared_tables, write_tables

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that there is nothing to tell is a test of its own
    BUNDLED = read_study(recalled=True)
DRAFT = read_draft(BUNDLED.path)

type Rows = list[dict[str, str]]


def rows_of(table: str) -> Rows:
    with (BUNDLED.path / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def key_of(row: dict[str, str]) -> str:
    """Return the name of a row: its first cell, with the first year of a prior."""
    first = next(iter(row.values()))
    return f"{first} {row['year']}" if "distribution" in row and row["year"] else first


def told(folder: Path, table: str, change: Callable[[Rows], object]) -> tuple[Fault, ...]:
    """Return what is told of the bundled study with one table changed."""
    shutil.copytree(BUNDLED.path, folder, dirs_exist_ok=True)
    rows = rows_of(table)
    change(rows)
    with (folder / table).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with pytest.warns(StudyWarning) as caught:
        read_study(folder)
    (warning,) = caught
    assert isinstance(warning.message, StudyWarning)
    assert warning.filename == __file__
    return warning.message.faults


QUOTA = "mined-cn-registered-2015-china-mining-quota-quota"
MAGNETS = "magnet-feed-cn-2008-china-magnet-industry"
COMPOUNDS = "exported-cn-us-compounds-registered-2014-china-customs-exports"
METAL = "exported-cn-us-metal-registered-2014-china-customs-exports"
CATALYSTS = "share-world-catalysts-2020-nkiawete"
ALONE = "bias:xitucn"

# table, row, new cells, column of the warning, fragment of its message
CELLS = [
    # figures that nothing comes near
    ("records.csv", QUOTA, {"value": "105000000"}, "value", "near 1000: t or kg where kt"),
    ("records.csv", QUOTA, {"value": "105"}, "value", "893 times below that of"),
    ("records.csv", QUOTA, {"value": "1050000"}, "value", "near 10: a decimal place?"),
    ("records.csv", QUOTA, {"unit": "kt REO"}, "value", "t or kg where kt or t is meant?"),
    ("records.csv", CATALYSTS, {"value": "0.002"}, "value", "near 100: a percentage"),
    ("records.csv", "consumed-cn-2015-china-association", {"value": "98000000"}, "value", "above"),
    # with nothing to compare with; the last of a series; between others that agree
    ("records.csv", "mined-cn-2010-trade-press-output", {"value": "130000000"}, "value", "above"),
    ("records.csv", "mined-cn-registered-2022-china-mining-quota-quota", {"value": "2100000"},
     "value", "near 10: a decimal place?"),
    ("records.csv", "imported-us-metal-2018-us-customs", {"value": "8240"}, "value",
     "near 10: a decimal place?"),
    ("records.csv", "refined-cn-2022-trade-press-output-lower", {"low": "343400000"}, "low",
     "times above what the priors expect"),
    ("records.csv", "smuggled-cn-rw-2010-smuggling-claims-upper", {"high": "90000000"}, "high",
     "times above what the priors expect"),
    ("records.csv", "mined-rw-registered-2000-usgs-rest-of-world-range",
     {"low": "3500000", "high": "12900000"}, "low", "above"),
    ("published_estimates.csv", "chen_mined", {"value": "3899000"}, "value", "near 1000"),
    # stated errors
    ("records.csv", QUOTA, {"sd": "0.0005"}, "sd", "less than any survey reaches"),
    ("records.csv", QUOTA, {"sd": "1.5"}, "sd", "says nothing; write it as a fraction"),
    ("records.csv", QUOTA, {"sd": "0.8"}, "sd", "unlike all others of 'china_mining_quota'"),
    # contents and units
    ("records.csv", METAL, {"factor": "0.118"}, "factor", "unlike all others of"),
    ("records.csv", METAL, {"factor": "0.847"}, "factor", "1.18; write the content"),
    ("records.csv", METAL, {"factor": "", "unit": "t REO"}, "unit", "gross weight or content?"),
    ("records.csv", METAL, {"shared": ""}, "shared", "'content_metal' is named in row"),
    ("records.csv", "mirror-cn-2011-white-paper", {"other": "22"}, "other", "far from value 1.2"),
    ("records.csv", "mined-rw-registered-2000-usgs-rest-of-world-range", {"high": "12900000"},
     "low", "3,686 times below high"),
    # years, names and sources
    ("records.csv", MAGNETS, {"record": MAGNETS.replace("2008", "2018") + "-b"}, "year",
     "which holds 2018; write one year in both"),
    ("records.csv", QUOTA, {"reporter": "china_mining_quotas"}, "reporter",
     "written almost as 'china_mining_quota'"),
    ("records.csv", METAL, {"reporter": "partner_customs"}, "reporter", "a figure of theirs?"),
    ("records.csv", "mined-us-2014-usgs-mine", {"source": "USGS_MCS2003"}, "source",
     "is of 2003, and the record of 2014"),
    ("published_estimates.csv", "chen_mined", {"source": "US_2018_JETRO"}, "source", "before 2022"),
    ("sources.csv", "ABR_2011", {"year": "2912"}, "year", "still to come"),
    ("sources.csv", "ABR_2011", {"year": "1012"}, "year", "before there were such statistics"),
    # shares
    ("records.csv", CATALYSTS, {"unit": "ratio", "value": "2"}, "value", "is it a percentage?"),
    ("records.csv", "share-cn-magnets-2015-roskill", {"value": "0.98", "sd": "0.03"},
     "value", "of 2015 add up to 1.31, more than the whole"),
    # priors
    ("priors.csv", "concentrate_CN_registered", {"sd": "0.001"}, "sd", "known to 2 %"),
    ("priors.csv", "concentrate_CN_registered", {"sd": "5"}, "sd", "not within 0.01 to 3"),
    ("priors.csv", "bias:kmza", {"sd": "1.5"}, "sd", "a factor of 5 tells nothing"),
    ("priors.csv", "bias:kmza", {"median": "1"}, "median", "it is on the log scale"),
    ("priors.csv", "bias:kmza", {"sd": "0.001"}, "sd", "0 if it is fixed"),
    ("priors.csv", "step:trade", {"median": "35"}, "median", "it is a multiplier"),
    ("priors.csv", "noise:all", {"sd": "4"}, "sd", "not out by a factor of 12"),
    ("priors.csv", "shared:content_metal", {"sd": "0.002"}, "sd", "half a per cent"),
    ("priors.csv", "concentrate_CN_registered", {"step": "1.4"}, "step", "times sd 0.6"),
    ("priors.csv", "concentrate_CN_registered", {"median": "100000"}, "median",
     "a median of"),
    ("priors.csv", "concentrate_CN_registered", {"median": "0.1"}, "median", "near 1000"),
    ("priors.csv", ALONE, {"sd": "0.8"}, "sd", "nothing ties down the bias"),
    # weights
    ("quantities.csv", "mined_world", {"weight": "10"}, "weight", "not between 0.1 and 10"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "name", "cells", "column", "fragment"), CELLS, ids=[f"{c[1]}-{c[2]}" for c in CELLS]
)
def test_a_slip_is_told_with_its_place(
    tmp_path: Path, table: str, name: str, cells: dict[str, str], column: str, fragment: str
) -> None:
    number = [key_of(row) for row in rows_of(table)].index(name)
    found = told(tmp_path, table, lambda rows: rows[number].update(cells))
    fitting = [fault for fault in found if fault.table == table and fragment in fault.message]
    assert [(fault.row, fault.column) for fault in fitting] == [(number + 2, column)]
    assert len(found) <= 3


def again(**cells: str) -> Callable[[Rows], object]:
    """Return what adds a record again with some cells changed."""

    def change(rows: Rows) -> None:
        row = next(row for row in rows if row["record"] == COMPOUNDS)
        rows.append({**row, "record": "again", **cells})

    return change


# what another row of one record is, column of the warning, fragment of its message
COPIES = [
    ({"source": "GITI_2022"}, "year", "already has a value of"),
    ({"reporter": "us_customs_china"}, "value", "to the last digit that of 2014 by"),
    ({"year": "2015", "source": "GITI_2022"}, "value", "to the last digit that of 2014 by"),
]


@pytest.mark.parametrize(("cells", "column", "fragment"), COPIES)
def test_a_figure_entered_twice_is_told(
    tmp_path: Path, cells: dict[str, str], column: str, fragment: str
) -> None:
    found = told(tmp_path, "records.csv", again(**cells))
    row = len(rows_of("records.csv")) + 2
    assert (row, column) in [(f.row, f.column) for f in found if fragment in f.message]


def test_a_series_in_another_unit_is_told_once(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        for row in rows:
            if (row["quantity"], row["reporter"]) == ("mined_RW_asia", "usgs_from_imports"):
                row["unit"] = row["unit"].replace("t ", "kt ")

    found = told(tmp_path, "records.csv", change)
    (fault,) = (fault for fault in found if "check their unit" in fault.message)
    assert fault.column == "unit"
    assert "figures of 'usgs_from_imports' for 'mined_RW_asia' are" in fault.message
    assert "and others are not" in fault.message


def test_a_break_beyond_the_records_of_its_reporter_is_told(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        kmza = next(row for row in rows if row["target"] == "bias:kmza")
        rows += [{**kmza, "target": "bias:lynas", "year": "2000", "year_end": "2005"},
                 {**kmza, "target": "bias:lynas", "year": "2006", "year_end": "2022"}]  # fmt: skip

    (fault,) = told(tmp_path, "priors.csv", change)
    assert (fault.row, fault.column) == (len(rows_of("priors.csv")) + 2, "year")
    assert "'lynas' has no record in 2000-2005" in fault.message


def test_anchors_that_state_no_mass_are_told(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        for row in rows:
            if row["target"].startswith("bias:") and float(row["sd"]) <= 0.05:
                row["sd"] = "0.2"
        rows.append({**rows[0], "target": "bias:usgs_end_use", "distribution": "normal",
                     "median": "0", "sd": "0.02", "step": "", "unit": "log scale"})  # fmt: skip

    (fault,) = told(tmp_path, "priors.csv", change)
    assert "(usgs_end_use) state no figure of a mass" in fault.message


def test_years_without_a_record_are_told() -> None:
    late = replace(DRAFT, records=[e for e in DRAFT.records if e.item.year > 2008])
    (fault,) = (f for f in implausible(late) if f.table == "study.toml")
    assert (fault.column, fault.value) == ("first_year", "2000")
    early = replace(DRAFT, records=[e for e in DRAFT.records if e.item.year < 2014])
    assert "last_year" in {fault.column for fault in implausible(early)}


def test_more_years_than_any_register_covers_are_told(tmp_path: Path) -> None:
    draft = read_draft(write_tables(tmp_path / "tiny"))
    long = replace(draft, header=replace(draft.header, years=(1850, 2015)), records=[])
    assert {f.column for f in implausible(long)} == {"last_year"}


def test_a_study_of_little_is_looked_at_as_well(tmp_path: Path) -> None:
    draft = read_draft(write_tables(tmp_path / "tiny"))
    assert implausible(replace(draft, terms=[], records=[])) == []
    assert implausible(replace(draft, flows=[], terms=[], records=[], priors=[])) == []
    assert implausible(replace(draft, priors=[])) == []


def test_of_a_large_study_inflows_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reebayes.study.checks.blame.MOST_TRIED", 20)
    (fault,) = implausible(with_median("concentrate_CN_registered", 1e5))
    assert fault.row == 2


# --- no false alarms ------------------------------------------------------------------------------


def is_true_of(draft: Draft, fault: Fault) -> bool:
    """Return whether a warning says of a thinned study what is so: a period without records,
    or a content that the others that are left have not."""
    if fault.table == "study.toml":
        return fault.column in ("first_year", "last_year")
    if fault.column == "factor":  # one year's cargo of a low grade, among those of one content
        return fault.value == "0.45" and "'shipped_RW_CN_unregistered', 0.7;" in fault.message
    if fault.column == "reporter":  # the one year that is left of a series
        whole = [e.item for e in DRAFT.records if e.item.reporter == fault.value]
        return "is it a figure of theirs?" in fault.message and len(whole) > 1
    return fault.column == "year" and "has no record in" in fault.message


def thinned(draft: Draft, kept: Callable[[str], bool]) -> Draft:
    records = [entry for entry in draft.records if kept(entry.item.record)]
    gone = unheard((e.item for e in draft.records), (e.item for e in records))
    priors = [entry for entry in draft.priors if entry.item.target not in gone]
    return replace(draft, records=records, priors=priors)


def test_nothing_is_told_of_the_studies_at_hand(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_study(recalled=True)
        read_study(write_tables(tmp_path / "tiny"))
        read_study(write_tables(tmp_path / "shared", **shared_tables()))


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), part=st.floats(0.05, 1))
def test_nothing_is_told_of_any_part_of_the_records(seed: int, part: float) -> None:
    draw = random.Random(seed)
    some = thinned(DRAFT, lambda _: draw.random() < part)
    assert [fault for fault in implausible(some) if not is_true_of(some, fault)] == []


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_told_of_records_that_the_priors_themselves_print(seed: int) -> None:
    world = simulate_world(BUNDLED, seed=seed)
    if world.freedom < 1.5:  # tails nearly Cauchy's or beyond print what anybody doubts
        assert seed == 0
        return
    printed = simulate_records(BUNDLED, world, seed=seed)
    found = implausible(printed._draft())
    assert [fault for fault in found if "priors expect" in fault.message] == []


# --- figures that nothing comes near --------------------------------------------------------------


FIGURES = [
    number for number, entry in enumerate(DRAFT.records)
    if kind_of(entry.item.kind).is_figure and entry.item.sd <= 0.15
]  # fmt: skip


@settings(max_examples=60)
@given(
    number=st.sampled_from(FIGURES),
    power=st.floats(3, 6),
    up=st.booleans(),
)
def test_any_figure_out_by_a_thousand_is_told(number: int, power: float, up: bool) -> None:
    entry = DRAFT.records[number]
    factor = 10.0 ** (power if up else -power)
    wrong = replace(entry.item, value=entry.item.value * factor)
    records = [*DRAFT.records[:number], replace(entry, item=wrong), *DRAFT.records[number + 1 :]]
    found = implausible(replace(DRAFT, records=records))
    # of an ambiguous figure, the two readings are told apart instead
    assert {(fault.row, fault.column) for fault in found} & {
        (entry.row, "value"), (entry.row, "other")
    }  # fmt: skip
    assert all(fault.row == entry.row for fault in found)


def test_a_jump_that_the_priors_know_is_not_told() -> None:
    """Mines close and open: neighbours alone do not speak against a figure."""
    years = (2011, 2012, 2017, 2018)
    ends = [e for e in DRAFT.records if e.item.quantity == "mined_US" and e.item.year in years]
    assert {e.item.kind for e in ends} == {"zero", "value"}
    names = {entry.item.record for entry in ends}
    few = thinned(DRAFT, lambda name: name in names)
    assert [fault for fault in implausible(few) if not is_true_of(few, fault)] == []


def with_median(target: str, median: float) -> Draft:
    priors = [
        replace(entry, item=replace(entry.item, median=median))
        if entry.item.target == target else entry
        for entry in DRAFT.priors
    ]  # fmt: skip
    return replace(DRAFT, priors=priors)


@pytest.mark.parametrize("median", [1e5, 0.1])
def test_the_prior_that_is_out_is_named_and_no_record_is(median: float) -> None:
    (fault,) = implausible(with_median("concentrate_CN_registered", median))
    assert (fault.table, fault.row, fault.column) == ("priors.csv", 2, "median")


def test_a_prior_is_named_where_series_are_short(tmp_path: Path) -> None:
    draft = read_draft(write_tables(tmp_path / "tiny"))
    entry = draft.priors[0]
    wrong = replace(entry, item=replace(entry.item, median=20e6))
    (fault,) = implausible(replace(draft, priors=[wrong, *draft.priors[1:]]))
    assert (fault.table, fault.row) == ("priors.csv", entry.row)


def test_a_share_that_is_out_is_named_though_an_inflow_would_fit_as_well() -> None:
    """More mined would give as much oxide, and be far from what is said of mines."""
    (fault,) = (f for f in implausible(with_median("oxide_RW", 0.0095)) if f.table == "priors.csv")
    assert fault.row == next(e.row for e in DRAFT.priors if e.item.target == "oxide_RW")


def test_no_prior_is_named_that_explains_nothing() -> None:
    """One figure too large and two too small are no matter of a median."""
    figures = [(BUNDLED.records[QUOTA], offset) for offset in (7.0, -7.0, -7.0)]
    assert find_prior(DRAFT, build_context(DRAFT), figures, 7.0) is None


# --- what the priors expect -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bundled", "tiny"])
def test_the_median_of_all_priors_is_that_of_the_simulation(name: str, tmp_path: Path) -> None:
    study = BUNDLED if name == "bundled" else read_study(write_tables(tmp_path / "tiny"))
    draft = study._draft()
    drawn = draw_flows(draft, build_context(draft), draws=1)
    exact = quantities_from(study, flows_from(study, unknowns_from(study, {})))
    for quantity in study.quantities:
        expected = exact.sel(quantity=quantity.quantity).values
        found = drawn.amounts[quantity.quantity][0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_draws_of_the_priors_spread_as_worlds_do() -> None:
    drawn = draw_flows(DRAFT, build_context(DRAFT))
    worlds = [simulate_world(BUNDLED, seed=seed).quantities for seed in range(60)]
    names = [q.quantity for q in BUNDLED.quantities if not np.isnan(drawn.centres[q.quantity][8])]
    drawn_worlds = np.array([world.sel(quantity=names, year=2008).values for world in worlds])
    positive = np.all(drawn_worlds > 0, axis=0)  # a change of stocks may be of either sign
    names = [name for name, kept in zip(names, positive, strict=True) if kept]
    logs = np.log(drawn_worlds[:, positive])
    spread = np.array([drawn.spreads[name][8] for name in names])
    centre = np.array([drawn.centres[name][8] for name in names])
    assert len(names) > 80
    # Few of 60 worlds and 32 draws differ by three standard errors; ratios have long tails.
    ratios = np.abs(np.log(spread / logs.std(axis=0)))
    assert np.quantile(ratios, 0.95) < 3 * math.hypot(1 / 11, 1 / 8)
    assert np.median(ratios) < 0.15
    assert np.all(np.abs(centre - np.median(logs, axis=0)) < spread)


# --- how it is told -------------------------------------------------------------------------------


def corrupted(folder: Path) -> Path:
    """Return the tiny study with a stated error that no survey has."""
    write_tables(folder)
    path = folder / "records.csv"
    text = path.read_text("utf-8")
    assert "kt REO,,0.2,survey" in text
    path.write_text(text.replace("kt REO,,0.2,survey", "kt REO,,0.0002,survey", 1), "utf-8")
    return folder


def test_the_command_line_tells_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(corrupted(tmp_path / "tiny"))]) == 0
    printed = capsys.readouterr()
    assert "No faults found." in printed.out
    assert printed.err.startswith("1 warning in records.csv\n  * row ")
    assert "sd 0.0002 is less than any survey reaches" in printed.err
    assert "StudyWarning" not in printed.err


def test_the_command_line_leaves_other_warnings_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*_: object, **__: object) -> Study:
        warnings.warn("something else", RuntimeWarning, stacklevel=1)
        return BUNDLED

    monkeypatch.setattr("reebayes.cli.studies.read_study", other)
    with pytest.warns(RuntimeWarning, match="something else"):
        main(["check", str(tmp_path)])
    assert "something else" not in capsys.readouterr().err


def test_a_warning_can_be_silenced_by_its_class(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StudyWarning)
        study = read_study(corrupted(tmp_path / "tiny"))
    assert len(study.records) > 5


def test_faults_come_before_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = corrupted(tmp_path / "tiny")
    path = folder / "priors.csv"
    path.write_text(path.read_text("utf-8").replace("lognormal,20,", "lognormal,-20,"), "utf-8")
    assert main(["check", str(folder)]) == 2
    assert "warning" not in capsys.readouterr().err


def test_copies_are_not_looked_at_again() -> None:
    """A record of a copy may be simulated, left out or weighed; it is not typed."""
    records: Iterable[object] = [replace(BUNDLED.records[0], sd=0.0001), *list(BUNDLED.records)[1:]]
    assert BUNDLED.with_records(records)  # type: ignore[arg-type]


def test_what_is_expected_of_several_years(tmp_path: Path) -> None:
    draft = read_draft(write_tables(tmp_path / "tiny"))
    flows = draw_flows(draft, build_context(draft), draws=1)
    years = flows.amounts["made"][0]
    mean = flows.expected("made", 2010, 2012)
    total = flows.expected("made", 2010, 2012, total=True)
    assert mean is not None
    assert total is not None
    assert math.exp(mean[0]) == pytest.approx(years[:3].mean())
    assert math.exp(total[0]) == pytest.approx(years[:3].sum())
    assert flows.expected("mined_hidden", 2012, 2013) is None  # not active
