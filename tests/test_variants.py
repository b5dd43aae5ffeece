"""Declared variants: what they may say, what they change, and that the study itself stays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import reebayes as rb
from reebayes.errors import StudyError
from reebayes.model.layout import lay_out
from reebayes.study import Study, read_study
from tests.tiny import STUDY, write_tables
from tests.worlds import fit_of_worlds

VARIANTS = """
[variants.heavy]
label = "heavy tails"
why = "Outliers."
settings = { error_distribution = "student_t", degrees_of_freedom = 4 }

[variants.steady]
label = "a constant bias"
why = "Does it move?"
priors = [{ target = "bias:customs", year = "all", step = 0, median = 0 }]

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


# --- flows that a variant adds --------------------------------------------------------------------

ADDED = """
[variants.more]
label = "metal goes abroad too"
why = "Nobody counts it."
flows = [
  { flow = "export_metal", like = "export_ore", source = "metal_market", median = 0.05, step = 0 },
  { flow = "more_scrap", like = "scrap", label = "More scrap" },
]
priors = [{ target = "more_scrap", sd = 0.3 }]
"""


def test_a_variant_adds_flows_like_others(tmp_path: Path) -> None:
    base = study_with(tmp_path, ADDED)
    more = base.variant("more")
    flow = more.flows["export_metal"]
    like = base.flows["export_ore"]
    assert (flow.source, flow.target) == ("metal_market", like.target)
    assert (flow.product, flow.registered, flow.active) == (
        like.product, like.registered, like.active,
    )  # fmt: skip
    assert more.flows["more_scrap"].label == "More scrap"
    assert more.flows["more_scrap"].active == base.flows["scrap"].active
    (prior,) = more.priors.rows("export_metal")
    (of_like,) = base.priors.rows("export_ore")
    assert (prior.median, prior.sd, prior.step) == (0.05, of_like.sd, None)
    assert more.priors.rows("more_scrap")[0].sd == 0.3
    assert base.priors.rows("scrap") == more.priors.rows("scrap")


def test_an_added_flow_is_a_term_of_every_quantity_of_the_other(tmp_path: Path) -> None:
    base = study_with(tmp_path, ADDED)
    more = base.variant("more")
    for quantity in base.quantities:
        for side in ("numerator", "denominator"):
            before = dict(getattr(quantity, side))
            after = dict(getattr(more.quantities[quantity.quantity], side))
            wanted = dict(before)
            for new, like in (("export_metal", "export_ore"), ("more_scrap", "scrap")):
                wanted |= {new: before[like]} if like in before else {}
            assert after == wanted
    assert lay_out(more).flows != lay_out(base).flows
    assert more.hash != base.hash


ADDED_CASES = [
    ('"export_metal"', '"metal"', "more.flows", "is there already"),
    ('"more_scrap", like', '"export_metal", like', "more.flows", "is there already"),
    ('like = "export_ore"', 'like = "export_or"', "more.flows", "Did you mean 'export_ore'"),
    ('like = "export_ore"', 'like = "magnets"', "more.flows", "has no prior to take over"),
    ('"metal_market"', '"metal_markets"', "more.flows", "Did you mean 'metal_market'"),
    ('"metal_market"', '"use_magnets"', "more", "where every flow ends"),
    ("median = 0.05", "median = 1.5", "more", "priors.csv"),
    ("median = 0.05", 'median = "little"', "more.flows", "is not a list of {flow, like"),
    ('like = "scrap", ', "", "more.flows", "is not a list of {flow, like"),
    ('target = "more_scrap"', 'target = "moer_scrap"', "more.priors", "Did you mean 'more_scrap'"),
]


@pytest.mark.parametrize(("old", "new", "key", "fragment"), ADDED_CASES)
def test_faults_of_added_flows(tmp_path: Path, old: str, new: str, key: str, fragment: str) -> None:
    assert ADDED.count(old) == 1
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, ADDED.replace(old, new))
    found = [(fault.table, fault.column, fault.message) for fault in caught.value.faults]
    assert any(
        (table, column) == ("study.toml", f"variants.{key}") and fragment in message
        for table, column, message in found
    ), found


def test_variants_that_add_the_same_flow_do_not_combine(tmp_path: Path) -> None:
    both = ADDED.replace("more]", "again]") + "\n[variants.two]\nlabel = 'both'\nwhy = 'No.'\n"
    both += 'combines = ["more", "again"]\n'
    with pytest.raises(StudyError, match=r"variants\.two.*already given"):
        study_with(tmp_path, ADDED + both)


def test_smuggling_is_shut_alone_and_opened_to_licensed_plants() -> None:
    study = read_study()
    shut, wide = study.variant("no_smuggling"), study.variant("licensed_smuggling")
    terms = dict(study.quantities["smuggled_CN"].numerator)
    changed = {p.target for p in shut.priors if p not in set(study.priors)}
    assert changed == set(terms)  # and not unregistered concentrate that goes abroad
    assert all(p.median <= 1e-5 for p in shut.priors if p.target in changed)
    more = set(dict(wide.quantities["smuggled_CN"].numerator)) - set(terms)
    assert len(more) == len(terms)
    for name in more:
        assert wide.flows[name].source in {"market_CN_salt", "market_CN_oxide", "market_CN_metal"}
        assert wide.route(wide.flows[name]) == "CN:unregistered"
    declared = study.quantities["exported_CN_registered"]
    assert wide.quantities["exported_CN_registered"] == declared


CASES = [
    ("[variants.heavy]", "[variants.base]", "base", "is the study itself"),
    ("[variants.heavy]", '[variants."a b"]', "a b", "no name for a variant"),
    ('label = "heavy tails"', "", "heavy.label", "missing"),
    ('why = "Outliers."', "", "heavy.why", "missing"),
    ('why = "Outliers."', 'way = "Outliers."', "heavy.way", "Did you mean 'why'?"),
    ('"student_t"', '"student"', "heavy.settings.error_distribution", "Did you mean 'student_t'"),
    ("degrees_of_freedom = 4", "degrees_of_freedom = 0", "heavy.settings.degrees_of_freedom", "1"),
    (
        '"bias:customs", year = "all", step',
        '"bias:custom", step',
        "steady.priors",
        "Did you mean 'bias:customs'",
    ),
    ("year = 2010", "year = 2009", "early.priors", "covers 2009; its rows are of 2010-2012, "),
    (
        'year = "all", step = 0, median = 0 ',
        "year = 2010 ",
        "steady.priors",
        "nothing of 'bias:customs' changes",
    ),
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
    text = VARIANTS.replace('["notice"]', '["notices"]').replace("year = 2010", "year = 2009")
    text = text.replace('["journalist"]', '["journalists"]')
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, text)
    assert len(caught.value.faults) == 3


def case(rows: str, name: str = "one", more: str = "") -> str:
    return f"\n[variants.{name}]\nlabel = '{name}'\nwhy = 'w'\n{more}\npriors = [{rows}]\n"


def test_a_row_without_a_year_never_wipes_a_period(tmp_path: Path) -> None:
    """Neither in one list nor in variants that are combined, unless it says so."""
    one, flat = (
        '{target = "bias:customs", year = 2010, sd = 0.9}',
        '{target = "bias:customs", sd = 1}',
    )
    for number, text in enumerate((case(f"{one}, {flat}"), case(one, "a") + case(
        '{target = "bias:customs", sd = 1}', "b", 'combines = ["a"]'))):  # fmt: skip
        with pytest.raises(StudyError) as caught:
            study_with(tmp_path / str(number), text)
        (fault,) = caught.value.faults
        assert fault.table == "study.toml"
        assert fault.column.endswith(".priors")
        assert "sd of 'bias:customs' differs between" in fault.message
        assert 'year = 2010, give it to all with year = "all", or move' in fault.message
    said = flat.replace("sd = 1", 'year = "all", sd = 1')
    made = study_with(tmp_path / "said", case(f"{one}, {said}")).variant("one")
    assert {row.sd for row in made.priors.rows("bias:customs")} == {1}


@pytest.mark.parametrize(
    ("row", "change"),
    [
        ("year = 2011, median = 0.3", {"year": 2011, "median": 0.3}),
        ("factor = 1.2", {"factor": 1.2}),
        ("year = 2014, shift = -1", {"year": 2014, "shift": -1}),
        ("shift = 0.5, step = 0.02", {"shift": 0.5, "step": 0.02}),
        ('year = "all", median = 0.3', {"year": "all", "median": 0.3}),
    ],
)
def test_tables_and_python_change_priors_alike(
    tmp_path: Path, row: str, change: dict[str, Any]
) -> None:
    study = study_with(tmp_path, case(f'{{target = "bias:customs", {row}}}'))
    assert study.variant("one").hash == study.with_prior("bias:customs", **change).hash


def test_a_table_gives_one_new_centre(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="give one of median, factor and shift"):
        study_with(tmp_path, case('{target = "ore", median = 3, shift = 1}'))
    with pytest.raises(StudyError, match=r"variants\.one\.priors.*is not a list of"):
        study_with(tmp_path, case('{target = "ore", year = "every", median = 3}'))


def test_a_variant_that_changes_nothing(tmp_path: Path) -> None:
    text = '\n[variants.same]\nlabel = "the same"\nwhy = "No reason."\n'
    with pytest.raises(StudyError, match="changes nothing"):
        study_with(tmp_path, text)


def test_the_bundled_study_declares_what_can_be_switched_off() -> None:
    study = read_study()
    wanted = {"no_smuggling", "constant_bias", "no_breaks", "normal_errors"}
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


def test_a_fit_of_a_time_before_rows_had_to_say_it_still_has_its_study(tmp_path: Path) -> None:
    study = study_with(tmp_path, VARIANTS)
    fit = fit_of_worlds(study, chains=1, draws=2)
    constant = fit["constant_data"].to_dataset()
    texts = [text.replace('year = "all", ', "") for text in constant["study_text"].values.tolist()]
    assert texts != constant["study_text"].values.tolist()
    fit["constant_data"] = xr.DataTree(
        constant.assign(study_text=("study_file", np.array(texts, dtype=object)))
    )
    found = rb.study_of(fit)
    assert found.hash == study.hash
    assert found.variant("steady").hash == study.variant("steady").hash
