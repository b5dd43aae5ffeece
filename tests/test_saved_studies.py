"""A study changed in Python, written as tables and read again: it is the same study."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reebayes as rb
from reebayes.errors import StudyError
from reebayes.study import Estimate, Prior, Study, read_study
from reebayes.study.hashing import tables_of
from tests.tiny import STUDY, shared_tables, write_tables

VARIANTS = """
[variants.quiet]
label = "no journalist"
why = "Nobody believes them."
without_reporters = ["journalist"]

[variants.bookless]
label = "no yearbook article"
why = "An article of no source."
without_sources = ["article"]

[variants.wide]
label = "wide ore"
why = "Nothing is known."
priors = [{target = "ore", sd = 1.5}]

[variants.both]
label = "both"
why = "Taken together."
combines = ["quiet", "wide"]

[report]
headline = ["mined", "made"]
limits = ["Nobody saw \\"it\\"."]
"""

pytestmark = pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")
"""What hands change may be told as hardly meant; these tests are of saving it."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("saved") / "tiny"
    text = STUDY + VARIANTS
    return read_study(write_tables(folder, study=text, **shared_tables()), recalled=True)


def again(study: Study) -> Study:
    """Save and read."""
    with TemporaryDirectory() as folder:
        return read_study(study.save(Path(folder) / "copy"), recalled=True)


def same(found: Study, study: Study) -> None:
    assert found.hash == study.hash
    assert found.description_hash == study.description_hash
    for title, table in tables_of(study).items():
        assert tuple(getattr(found, title)) == tuple(table), title
    assert replace(found, path=study.path) == study


def test_a_saved_study_reads_as_itself(study: Study) -> None:
    same(again(study), study)
    assert again(study).texts == study.texts


def test_the_bundled_study_reads_as_itself() -> None:
    study = read_study(recalled=True)
    same(again(study), study)
    without = read_study()
    assert without.hash != study.hash
    same(again(without), without)


def test_texts_with_everything_awkward_in_them(study: Study) -> None:
    changed = study.with_source(
        "odd", citation='Line one\nline "two"; three, é 稀土', url="https://e.org/?a=1&b=2"
    )
    record = study.records["r_value"]
    note = 'said "so", and\r\nmore'
    changed = changed.with_record("r_value", note=note).with_record(
        "r_new", quantity="made", year=2014, reporter="new office", source="odd", sd=0.1,
        value=1 / 3,
    )  # fmt: skip
    found = again(changed)
    assert found.records["r_new"].value == 1 / 3
    assert found.sources["odd"].citation.splitlines() == ["Line one", 'line "two"; three, é 稀土']
    assert found.records["r_value"].year == record.year
    assert found.hash == changed.hash


def test_a_copy_leaves_variants_out_that_name_what_is_gone(study: Study) -> None:
    copy = study.without_source("article")
    found = again(copy)
    # quiet names a reporter who has no record left, bookless the source; both combines one of them
    assert set(found.variants) == {"wide"}
    assert set(copy.variants) == set(study.variants)
    assert found.hash == copy.hash
    assert found.variant("wide").hash == copy.variant("wide").hash
    assert set(again(study.without_reporter("ministry")).variants) == set(study.variants)


def test_a_variant_is_saved_as_a_study_of_its_own(study: Study) -> None:
    made = study.variant("both")
    same(again(made), made)
    assert not made.variants


def test_variants_of_the_bundled_study_can_be_saved() -> None:
    study = read_study()
    for name in list(study.variants)[:3]:
        made = study.variant(name)
        found = again(made)
        assert found.hash == made.hash


def test_a_directory_that_holds_a_study_is_left_alone(study: Study, tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "there")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(StudyError, match="holds a study; give an empty directory"):
        study.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_study_without_records_is_not_saved(study: Study, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="a study without records cannot be read"):
        study.with_records([]).save(tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


# --- any change -----------------------------------------------------------------------------------

NUMBERS = st.floats(0.01, 100.0, allow_nan=False)
SPREADS = st.floats(0.01, 3.0, allow_nan=False)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30
).map(str.strip)  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """One change of the tiny study, by the name of its method."""
    kind = draw(st.sampled_from([
        "prior", "shift", "factor", "period", "record", "figure", "source", "settings",
        "without_source", "without_reporter", "records", "flow",
    ]))  # fmt: skip
    return kind, {
        "number": draw(NUMBERS), "spread": draw(SPREADS), "text": draw(TEXTS),
        "shift": draw(st.floats(-3, 3)), "count": draw(st.integers(1, 12)),
        "source": draw(st.sampled_from(["article", "notice"])),
        "reporter": draw(st.sampled_from(["customs", "journalist", "ministry", "uncle"])),
        "heavy": draw(st.booleans()), "year": draw(st.sampled_from([2010, 2014])),
    }  # fmt: skip


def edited(study: Study, kind: str, by: dict[str, Any]) -> Study:
    """Make one change; where it would not be sound, none."""
    made: dict[str, Any] = {
        "prior": lambda: study.with_prior("ore", median=by["number"], sd=by["spread"]),
        "shift": lambda: study.with_prior("export_ore", shift=by["shift"]),
        "factor": lambda: study.with_prior("hidden_ore", factor=by["number"]),
        "period": lambda: study.with_prior("hidden_ore", year=by["year"], sd=by["spread"]),
        "record": lambda: study.with_record("r_value", value=by["number"], note=by["text"]),
        "figure": lambda: study.with_record(
            "r_more", quantity="made", year=2013, reporter="survey", source="yearbook",
            sd=by["spread"], value=by["number"], note=by["text"],
        ),
        "source": lambda: study.with_source("new", citation=f"A {by['text']}", year=2000),
        "settings": lambda: study.with_settings(
            error_distribution="student_t" if by["heavy"] else "normal"
        ),
        "without_source": lambda: study.without_source(by["source"]),
        "without_reporter": lambda: study.without_reporter(by["reporter"]),
        "records": lambda: study.with_records(study.records[: by["count"]]),
        "flow": lambda: study.with_flow("magnets", label=by["text"] or "Magnets"),
    }  # fmt: skip
    try:
        found: Study = made[kind]()
    except StudyError:
        return study
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(edits(), min_size=1, max_size=4))
def test_any_changed_study_reads_as_itself(
    study: Study, changes: list[tuple[str, dict[str, Any]]]
) -> None:
    for kind, by in changes:
        study = edited(study, kind, by)
    found = again(study)
    assert found.hash == study.hash
    for title, table in tables_of(study).items():
        assert tuple(getattr(found, title)) == tuple(table), title


# --- changes by hand ------------------------------------------------------------------------------


def test_a_year_names_one_row(study: Study) -> None:
    changed = study.with_prior("hidden_ore", year=2014, median=5.0)
    assert [row.median for row in changed.priors.rows("hidden_ore")] == [1.0, 5.0]
    for year in study.years, np.array(study.years):
        assert study.with_prior("hidden_ore", year=year[4], median=5.0).hash == changed.hash
    with pytest.raises(StudyError, match="no row of 'hidden_ore' covers 2012"):
        study.with_prior("hidden_ore", year=2012, median=5.0)


def test_one_value_for_rows_that_differ_is_refused(study: Study) -> None:
    with pytest.raises(StudyError, match="median of 'hidden_ore' differs between 2010-2011"):
        study.with_prior("hidden_ore", median=5.0)
    both = study.with_prior("hidden_ore", factor=2.0)
    assert [row.median for row in both.priors.rows("hidden_ore")] == [2.0, 6.0]


def test_a_shift_moves_by_the_rows_own_spread(study: Study) -> None:
    ore = study.with_prior("ore", shift=1.0).priors["ore"]
    assert ore.median == pytest.approx(20 * 2.718281828**0.5)
    bias = study.with_prior("bias:customs", year=2013, shift=-2.0).priors.rows("bias:customs")
    assert [row.median for row in bias] == pytest.approx([-0.2, -0.2])
    share = study.with_prior("export_ore", shift=1.0).priors["export_ore"].median
    assert share / (1 - share) == pytest.approx(0.3 / 0.7 * 2.718281828**0.8)
    back = study.with_prior("export_ore", shift=1.0).with_prior("export_ore", shift=-1.0)
    assert back.priors["export_ore"].median == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "oree", "sd": 1.0}, "Did you mean 'ore'"),
        ({"target": "ore", "median": 1.0, "factor": 2.0}, "give one of median, factor and shift"),
        ({"target": "ore", "factor": 0.0}, "factor is 0.0, not a number above 0"),
        ({"target": "ore", "factor": float("inf")}, "not a finite number"),
        ({"target": "ore", "shift": "much"}, "shift is 'much', not a number"),
        ({"target": "ore", "year": 2010.5, "sd": 1.0}, "not a whole number or None"),
        ({"target": "ore", "spread": 1.0}, "a prior has no 'spread'"),
    ],
    ids=["target", "two ways", "factor", "infinite", "text", "year", "field"],
)
def test_bad_changes_of_priors_are_refused(
    study: Study, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        study.with_prior(change.pop("target"), **change)


def test_rows_are_added_with_defaults(study: Study) -> None:
    found = study.with_record(
        "r_ratio_new", quantity="share_hidden", year=2014, reporter="survey", source="yearbook",
        sd=0.3, value=0.1,
    ).records["r_ratio_new"]  # fmt: skip
    assert (found.unit, found.kind, found.year_end) == ("ratio", "value", 2014)
    with pytest.raises(StudyError, match="a new row needs 'reporter'"):
        study.with_record("r_x", quantity="made", year=2013, source="yearbook", sd=0.3, value=1.0)
    with pytest.raises(StudyError, match="a new row needs 'citation'"):
        study.with_source("new")
    with pytest.raises(StudyError, match="a source has no 'cite'"):
        study.with_source("yearbook", cite="x")


def test_a_flow_comes_with_its_priors(study: Study) -> None:
    prior = replace(study.priors["scrap"], target="stock", year=None, year_end=None, median=0.05)
    assert isinstance(prior, Prior)
    grown = study.with_flow(
        "stock", source="metal_market", target="abroad", product="metal", priors=[prior]
    )
    assert grown.flows["stock"].active == ((2010, 2015),)
    same(again(grown), grown)
    with pytest.raises(StudyError):
        study.with_flow("stock", source="metal_market", target="nowhere", product="metal")


def test_published_estimates_travel(study: Study) -> None:
    assert rb.Estimate is Estimate
    bundled = read_study()
    assert len(again(bundled).published) == len(bundled.published) > 0
