"""Published estimates: read and checked like any table, set beside a fit, never evidence."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from reebayes.answers.literature import beside_published
from reebayes.errors import StudyError
from reebayes.model.layout import lay_out
from reebayes.results.description import constant_data
from reebayes.study import Estimate, Study, Table, read_study
from reebayes.study.schema import SCHEMA
from tests.fakes import fake_fit
from tests.tiny import SOURCES, write_tables

TABLE = "published_estimates.csv"
HEADER = "name,quantity,year,year_end,kind,value,low,high,unit,source,note,why\n"
ROWS = """\
thesis_sum,made,2010,2015,value,40,,,kt REO,thesis,All years.,They count scrap twice.
thesis_tonnes,mined,2012,,range,,8000,12000,t REO,thesis,,
thesis_share,share_hidden,2010,2015,upper,,,0.3,fraction,thesis,,
thesis_floor,made,2014,,lower,,4,,kt REO,thesis,,
"""
MORE = 'thesis,"A thesis, which is no evidence here",2020,,cited fact,\n'


def study_with(folder: Path, rows: str = ROWS, sources: str = SOURCES + MORE) -> Study:
    """Read the tiny study with published estimates."""
    write_tables(folder, sources=sources)
    (folder / "published_estimates.csv").write_text(HEADER + rows, encoding="utf-8")
    return read_study(folder)


def test_estimates_are_read_as_printed(tmp_path: Path) -> None:
    published = study_with(tmp_path).published
    assert published.names == ("thesis_sum", "thesis_tonnes", "thesis_share", "thesis_floor")
    tonnes = published["thesis_tonnes"]
    assert (tonnes.low, tonnes.high, tonnes.year_end) == (8000, 12000, 2012)
    assert tonnes.scale == 1e-3
    assert published["thesis_sum"].why == "They count scrap twice."


def test_a_study_may_have_none(tiny_study: Path) -> None:
    assert len(read_study(tiny_study).published) == 0


def evidence(study: Study) -> list[np.ndarray]:
    """Return every array that the likelihood and the priors are computed from."""
    layout = lay_out(study)
    equations = layout.equations
    names = ("steps", "centres", "graph", "errors", "figures")
    parts = [getattr(equations, name) for name in names]
    sums = (*equations.sums.above, *equations.sums.below, *equations.sums.shift)
    return [np.asarray(array) for part in (*parts, sums) for array in part]


@pytest.mark.parametrize("bundled", [False, True])
def test_what_others_concluded_is_no_evidence(tmp_path: Path, bundled: bool) -> None:
    study = read_study() if bundled else study_with(tmp_path)
    assert len(study.published) > 3
    moved = dataclasses.replace(
        study,
        published=Table(
            Estimate,
            (
                dataclasses.replace(row, value=None if row.value is None else 7 * row.value)
                for row in study.published[1:]
            ),
        ),
    )
    assert moved.hash == study.hash
    assert moved.published != study.published
    for one, other in zip(evidence(study), evidence(moved), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_source_of_an_estimate_stands_in_records_or_priors() -> None:
    study = read_study(recalled=True)
    sources = {row.source for row in study.published}
    assert "CHEN2024" in sources
    assert not sources & {row.source for row in study.records}
    assert not sources & {row.source for row in study.priors}


def test_an_estimate_cannot_become_a_record(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    used = dataclasses.replace(study.records[0], source="thesis")
    with pytest.raises(StudyError, match=r"stands in records\.csv as well"):
        study.with_records([used, *study.records[1:]])
    with pytest.raises(StudyError, match=r"stands in priors\.csv as well"):
        study.with_prior("ore", source="thesis")


CASES = [
    ("made,2010,2015", "maid,2010,2015", "quantity", "Did you mean 'made'"),
    ("thesis,All", "theses,All", "source", "Did you mean 'thesis'"),
    ("thesis,All", "yearbook,All", "source", "stands in records.csv as well"),
    ("2010,2015,value", "2010,2016,value", "year_end", "outside the study's years"),
    ("2010,2015,value", "2014,2012,value", "year_end", "is before year"),
    ("2010,2015,value,40", "2010,2015,mean,40", "kind", "unknown"),
    ("value,40", "value,-40", "value", "is not above 0"),
    ("value,40", "value,", "value", "needs a number in 'value'"),
    ("value,40,,", "value,40,3,", "low", "does not use 'low'"),
    ("8000,12000", "12000,8000", "low", "is not below high"),
    ("12000,t REO", "12000,t gross", "unit", "write one of: kt REO, t REO"),
    ("0.3,fraction", "0.3,kt REO", "unit", "write one of: "),
    ("0.3,fraction", "30,fraction", "high", "is it a percentage"),
    ("thesis_tonnes", "thesis_sum", "name", "is already given in row 2"),
]


@pytest.mark.parametrize(("old", "new", "column", "fragment"), CASES)
def test_faults(tmp_path: Path, old: str, new: str, column: str, fragment: str) -> None:
    assert old in ROWS
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, ROWS.replace(old, new, 1))
    found = [(f.table, f.column, f.message) for f in caught.value.faults]
    assert any(
        (table, where) == ("published_estimates.csv", column) and fragment in message
        for table, where, message in found
    ), found


@pytest.mark.parametrize("column", SCHEMA[TABLE].needed)
def test_a_cell_must_be_filled_where_the_description_says_so(tmp_path: Path, column: str) -> None:
    cells = ROWS.splitlines()[0].split(",")
    cells[HEADER.split(",").index(column)] = ""
    try:
        study_with(tmp_path, ",".join(cells) + "\n")
        faults = []
    except StudyError as error:
        faults = [f.column for f in error.faults if f.message.startswith("cell is empty")]
    assert (column in faults) == SCHEMA[TABLE].column(column).filled


def test_they_travel_with_the_fit(tmp_path: Path) -> None:
    constant = constant_data(study_with(tmp_path))
    low = constant["published_low"].sel(published="thesis_tonnes")
    assert float(low) == 8.0
    assert np.isnan(constant["published_value"].sel(published="thesis_tonnes"))
    assert "published" in constant_data(read_study(write_tables(tmp_path / "none"))).coords


# --- beside a fit -------------------------------------------------------------------------------


def estimate(**values: object) -> Estimate:
    """Make an estimate of the fit of random numbers."""
    plain = {"value": None, "low": None, "high": None, "unit": "kt REO", "source": "thesis"}
    return Estimate(**{"name": "e", "year": 2010, "year_end": 2015, **plain, **values})  # type: ignore[arg-type]


def row_of(item: Estimate) -> dict[str, object]:
    """Set one estimate beside the fit of random numbers."""
    return beside_published(fake_fit(), published=Table(Estimate, [item])).loc["e"].to_dict()


def test_a_sum_is_held_against_the_sum_of_every_draw() -> None:
    fit = fake_fit()
    total = fit["posterior"]["quantities"].sel(quantity="mined_world").sum("year")
    lower, median, upper = (float(q) for q in total.quantile([0.05, 0.5, 0.95]))
    found = row_of(estimate(quantity="mined_world", kind="value", value=2 * median))
    assert found["median"] == pytest.approx(median)
    assert (found["lower"], found["upper"]) == pytest.approx((lower, upper))
    assert found["unit"] == "kt REO"
    assert not found["inside"]
    assert found["ratio"] == pytest.approx(2)
    assert found["rank"] == 1.0


def test_a_share_over_years_is_a_ratio_of_sums() -> None:
    flows = fake_fit()["posterior"]["flows"]
    hidden = flows.sel(flow="ore_hidden").sum("year")
    share = hidden / (hidden + flows.sel(flow="ore_mined").sum("year"))
    item = estimate(quantity="share_hidden", kind="value", value=0.2, unit="fraction")
    assert row_of(item)["median"] == pytest.approx(float(share.median()))


def test_tonnes_are_converted() -> None:
    item = estimate(quantity="mined_world", kind="value", value=8000.0, unit="t REO")
    assert row_of(item)["value"] == 8.0


@pytest.mark.parametrize(
    ("kind", "low", "high", "inside"),
    [
        ("upper", None, 0.1, False),
        ("upper", None, 100.0, True),
        ("lower", 100.0, None, False),
        ("lower", 0.1, None, True),
        ("range", 0.1, 100.0, True),
        ("range", 50.0, 100.0, False),
    ],
)
def test_bounds_and_ranges_meet_the_band_or_not(
    kind: str, low: float | None, high: float | None, inside: bool
) -> None:
    found = row_of(estimate(quantity="mined_world", kind=kind, low=low, high=high))
    assert found["inside"] is inside


def test_nothing_published_gives_an_empty_table() -> None:
    assert beside_published(fake_fit(), published=Table(Estimate)).empty


def test_estimates_far_from_the_first_fit_are_explained() -> None:
    """Chinese unregistered mining and magnets lay outside the band of the fit when written."""
    explained = {row.name for row in read_study().published if len(row.why) > 80}
    assert {"chen_magnets", "chen_mined_CN_unregistered"} <= explained
