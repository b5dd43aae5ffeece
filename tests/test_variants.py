"""Declared variants: what they may say, what they change, and that the study itself stays."""

from pathlib import Path

import pytest

from reebayes.errors import StudyError
from reebayes.model.layout import lay_out
from reebayes.study import Study, read_study
from tests.tiny import STUDY, write_tables

VARIANTS = """
[variants.heavy]
label = "heavy tails"
why = "Outliers."
settings = { error_distribution = "student_t", degrees_of_freedom = 4 }

[variants.steady]
label = "a constant bias"
why = "Does it move?"
priors = [{ target = "bias:customs", step = 0, median = 0 }]

[variants.early]
label = "another early bias"
why = "The first period only."
priors = [{ target = "bias:customs", year = 2010, median = -0.5, sd = 0.3 }]

[variants.quiet]
label = "no journalist"
why = "Hearsay."
without_reporters = ["journalist"]

[variants.plain]
label = "default noise"
why = "One default for all."
without_targets = ["noise:journalist"]

[variants.both]
label = "heavy and quiet"
why = "Together."
combines = ["heavy", "quiet"]
without_sources = ["notice"]
"""


def study_with(folder: Path, text: str = VARIANTS) -> Study:
    """Read the tiny study with variants."""
    return read_study(write_tables(folder, study=STUDY + text))


def test_a_setting_changes(tmp_path: Path) -> None:
    base = study_with(tmp_path)
    heavy = base.variant("heavy")
    assert heavy.settings["error_distribution"] == "student_t"
    assert lay_out(heavy).equations.figures.freedom == 4
    assert lay_out(base).equations.figures.freedom == 0
    assert heavy.name == "Tiny: heavy tails"


def test_a_step_of_zero_is_a_prior_that_stands_still(tmp_path: Path) -> None:
    base = study_with(tmp_path)
    assert [prior.step for prior in base.priors.rows("bias:customs")] == [0.05, 0.05]
    rows = base.variant("steady").priors.rows("bias:customs")
    assert [(row.step, row.median, row.sd) for row in rows] == [(None, 0, 0.2), (None, 0, 0.1)]


def test_a_year_chooses_one_row(tmp_path: Path) -> None:
    rows = study_with(tmp_path).variant("early").priors.rows("bias:customs")
    assert [(row.median, row.sd) for row in rows] == [(-0.5, 0.3), (0, 0.1)]


def test_records_and_priors_are_left_out(tmp_path: Path) -> None:
    base = study_with(tmp_path)
    quiet = base.variant("quiet")
    assert "journalist" not in quiet.reporters
    assert "noise:journalist" not in quiet.priors
    plain = base.variant("plain")
    assert "noise:journalist" not in plain.priors
    assert plain.records == base.records


def test_variants_combine(tmp_path: Path) -> None:
    both = study_with(tmp_path).variant("both")
    assert both.settings["error_distribution"] == "student_t"
    assert not {"journalist", "ministry"} & set(both.reporters)


def test_a_variant_is_another_study_and_declaring_it_is_not(tmp_path: Path) -> None:
    bare = read_study(write_tables(tmp_path / "bare"))
    base = study_with(tmp_path / "full")
    assert base.hash == bare.hash
    found = {base.variant(name).hash for name in base.variants}
    assert len(found | {base.hash}) == len(base.variants) + 1


def test_a_copy_keeps_its_variants_even_where_they_no_longer_fit(tmp_path: Path) -> None:
    copy = study_with(tmp_path).without_reporter("journalist")
    assert copy.variant("heavy").settings["degrees_of_freedom"] == 4
    with pytest.raises(StudyError, match=r"variants\.quiet\.without_reporters.*'journalist'"):
        copy.variant("quiet")
    with pytest.raises(StudyError, match=r"variants\.quiet"):
        copy.variant("both")


def test_an_unknown_variant(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="Did you mean 'heavy'"):
        study_with(tmp_path).variant("heavvy")


CASES = [
    ("[variants.heavy]", "[variants.base]", "base", "is the study itself"),
    ("[variants.heavy]", '[variants."a b"]', "a b", "no name for a variant"),
    ('label = "heavy tails"', "", "heavy.label", "missing"),
    ('why = "Outliers."', "", "heavy.why", "missing"),
    ('why = "Outliers."', 'way = "Outliers."', "heavy.way", "Did you mean 'why'?"),
    ('"student_t"', '"student"', "heavy.settings.error_distribution", "Did you mean 'student_t'"),
    ("degrees_of_freedom = 4", "degrees_of_freedom = 0", "heavy.settings.degrees_of_freedom", "1"),
    ('"bias:customs", step', '"bias:custom", step', "steady.priors", "Did you mean 'bias:customs'"),
    ("year = 2010", "year = 2012", "early.priors", "its rows begin in 2010, 2013"),
    ("step = 0, median = 0 ", "year = 2010 ", "steady.priors", "nothing of 'bias:customs' changes"),
    ("median = -0.5", 'median = "low"', "early.priors", "is not a list of {target"),
    ("sd = 0.3", "sdd = 0.3", "early.priors", "is not a list of {target"),
    ("sd = 0.3", "sd = -0.3", "early", "sd -0.3 is not 0 or more"),
    ("year = 2010, median", "year = 2010, step = 0, median", "early", "give one to all of them"),
    ('["journalist"]', '["journalists"]', "quiet.without_reporters", "Did you mean 'journalist'"),
    ('["noise:journalist"]', '["noise:jurnalist"]', "plain.without_targets", "Did you mean"),
    ('["noise:journalist"]', '["scrap"]', "plain", "priors.csv"),
    ('"quiet"]', '"quite"]', "both.combines", "Did you mean 'quiet'"),
    ('"quiet"]', '"both"]', "both.combines", "combines others itself"),
    ('["notice"]', '["notices"]', "both.without_sources", "Did you mean 'notice'"),
]


@pytest.mark.parametrize(("old", "new", "key", "fragment"), CASES)
def test_faults_of_variants(tmp_path: Path, old: str, new: str, key: str, fragment: str) -> None:
    assert old in VARIANTS
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, VARIANTS.replace(old, new, 1))
    found = [(fault.table, fault.column, fault.message) for fault in caught.value.faults]
    assert any(
        (table, column) == ("study.toml", f"variants.{key}") and fragment in message
        for table, column, message in found
    ), found


def test_every_fault_at_once(tmp_path: Path) -> None:
    text = VARIANTS.replace('["notice"]', '["notices"]').replace("year = 2010", "year = 2012")
    text = text.replace('["journalist"]', '["journalists"]')
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, text)
    assert len(caught.value.faults) == 3


def test_a_variant_that_changes_nothing(tmp_path: Path) -> None:
    text = '\n[variants.same]\nlabel = "the same"\nwhy = "No reason."\n'
    with pytest.raises(StudyError, match="changes nothing"):
        study_with(tmp_path, text)


def test_the_bundled_study_declares_what_can_be_switched_off() -> None:
    study = read_study()
    wanted = {"no_smuggling", "constant_bias", "no_breaks", "student_t"}
    assert wanted <= set(study.variants)
    assert set(study.variants["no_breaks"]["combines"]) <= set(study.variants)
    steady = study.variant("constant_bias")
    assert {p.step for p in steady.priors if p.target.startswith("bias:")} == {None}
    assert any(p.step for p in study.priors if p.target.startswith("bias:"))


def test_without_breaks_no_target_of_a_break_has_two_centres() -> None:
    study = read_study()
    flat = study.variant("no_breaks")
    for change in (c for part in flat_parts(study) for c in study.variants[part]["priors"]):
        assert len({p.median for p in flat.priors.rows(change["target"])}) == 1
        assert len({p.median for p in study.priors.rows(change["target"])}) > 1


def flat_parts(study: Study) -> tuple[str, ...]:
    """Return the names of the breaks that can be taken out one by one."""
    return tuple(study.variants["no_breaks"]["combines"])
