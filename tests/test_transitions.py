"""Periods of a prior that go over into one another, in place of a median that jumps."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from reebayes.elicitation.quantiles import Statement, prior_of, statement_of
from reebayes.elicitation.rewriting import main
from reebayes.errors import StudyError
from reebayes.model.kernels import persistences, states
from reebayes.model.layout import lay_out
from reebayes.model.prior_rows import MOVING, prior_rows
from reebayes.simulation.worlds import unknowns_from
from reebayes.study import Prior, Study, read_study
from reebayes.study.transitions import in_order, values, variances, weights
from tests.tiny import FLOWS, GOING_OVER, gradual_tables, shared_tables, write_tables

type Floats = NDArray[np.float64]

YEARS = list(range(2010, 2016))


def row(year: int, median: float, sd: float = 0.5, transition: float | None = None) -> Prior:
    """Return a row of a flow's prior that begins in a year."""
    return Prior("ore", year, None, "lognormal", median, sd, 0.1, "kt REO/yr", "guess",
                 transition=transition)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transitions")


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return read_study(write_tables(folder / "gradual", **gradual_tables()))


@pytest.fixture(scope="module")
def sharp(folder: Path) -> Study:
    """The same periods without transitions."""
    texts = gradual_tables()
    lines = [line.rpartition(",")[0] for line in texts["priors"].splitlines()]
    return read_study(write_tables(folder / "sharp", **texts | {"priors": "\n".join(lines) + "\n"}))


# --- what a year has of each period ---------------------------------------------------------------


def test_a_quarter_of_the_change_lies_before_the_period_and_a_quarter_after() -> None:
    rows = [row(2010, 10.0), row(2013, 40.0, 0.9, 0.6)]
    part = weights(rows, YEARS)
    np.testing.assert_allclose(part[1], [0, 0, 0.25, 0.75, 1, 1])
    np.testing.assert_allclose(part.sum(axis=0), 1)
    logs = np.log(values(rows, YEARS, "median") / 10) / np.log(4)
    np.testing.assert_allclose(logs, part[1], atol=1e-12)
    np.testing.assert_allclose(values(rows, YEARS, "sd"), 0.5 + 0.4 * part[1])
    np.testing.assert_allclose(variances(rows, YEARS), 0.36 * np.array([0, 0, 1, 2, 1, 0]) / 4)


def test_that_is_the_mean_of_years_over_dates_within_a_year_of_the_first_of_january() -> None:
    rng = np.random.default_rng(1)
    dates = 2013 + rng.uniform(-1, 1, 200_000)
    after = [np.clip(year + 1 - dates, 0, 1).mean() for year in YEARS]
    part = weights([row(2010, 1), row(2013, 2, transition=1.0)], YEARS)[1]
    np.testing.assert_allclose(part, after, atol=5e-3)


@pytest.mark.parametrize("begin", [2011, 2014, 2015])
def test_the_whole_variance_of_a_change_lies_inside_the_study(begin: int) -> None:
    rows = [row(2010, 1.0), row(begin, 2.0, transition=0.5)]
    assert variances(rows, YEARS)[0] == 0
    assert variances(rows, YEARS).sum() == pytest.approx(0.25)
    assert (weights(rows, YEARS) >= 0).all()


def test_periods_of_one_year_share_their_transitions() -> None:
    rows = [row(2010, 1.0), row(2012, 2.0, transition=0.5), row(2013, 5.0, transition=0.5)]
    part = weights(rows, YEARS)
    np.testing.assert_allclose(part[1], [0, 0.25, 0.5, 0.25, 0, 0])
    np.testing.assert_allclose(part.sum(axis=0), 1)
    mixed = [row(2010, 1.0), row(2012, 2.0), row(2013, 5.0, transition=0.5)]
    np.testing.assert_allclose(weights(mixed, YEARS)[1], [0, 0, 0.75, 0.25, 0, 0])


@pytest.mark.parametrize("transition", [None, 0.5])
def test_years_may_begin_after_periods_and_end_before_them(transition: float | None) -> None:
    """An outlook asks for years to come, a study that was cut for fewer."""
    rows = [row(2010, 1.0), row(2013, 2.0, transition=transition), row(2030, 9.0)]
    np.testing.assert_array_equal(weights(rows, range(2022, 2026))[1], 1)
    np.testing.assert_array_equal(weights(rows, range(2010, 2012))[0], 1)
    np.testing.assert_array_equal(variances(rows, range(2022, 2026))[1:], 0)


def test_without_a_transition_everything_is_as_it_was() -> None:
    rows = [row(2012, 3.0, 0.7), row(2010, 0.1, 0.2)]
    np.testing.assert_array_equal(values(rows, YEARS, "median"), [0.1, 0.1, 3, 3, 3, 3])
    np.testing.assert_array_equal(values(rows, YEARS, "sd"), [0.2, 0.2, 0.7, 0.7, 0.7, 0.7])
    assert not variances(rows, YEARS).any()
    assert in_order(rows, YEARS)[0].year == 2010


def test_shares_leave_something_to_the_reference_in_between() -> None:
    """By Hölder's inequality; means of the shares' odds would not."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        before, after = rng.dirichlet(np.full(4, 0.3), 2)
        sums = np.zeros(len(YEARS))
        for one, other in zip(before[:3], after[:3], strict=True):
            pair = [row(2010, max(one, 1e-12)), row(2013, max(other, 1e-12), transition=0.3)]
            sums += values(pair, YEARS, "median")
        assert (sums < 1).all()


# --- the model ------------------------------------------------------------------------------------


def test_marginals_stay_those_of_the_rows_and_less_is_carried_over(
    study: Study, sharp: Study
) -> None:
    """A stationary series of unit variance in every year; only what ties years is weaker."""
    found, before = lay_out(study), lay_out(sharp)
    column = found.unknowns.columns.index("ore")
    assert found.latents == before.latents
    still = np.zeros(found.unknowns.size)
    kept, lost = (
        persistences(still, one.equations.steps)[0][one.equations.steps.which[:, column]]
        for one in (before, found)
    )
    changed = kept != lost
    np.testing.assert_array_equal(np.flatnonzero(changed), [1, 2, 3])
    assert (lost[changed] < kept[changed]).all()
    rng = np.random.default_rng(0)
    drawn = np.array([
        states(rng.standard_normal(found.unknowns.size), found.equations.steps)[:, column]
        for _ in range(4000)
    ])  # fmt: skip
    np.testing.assert_allclose(drawn.std(axis=0), 1.0, atol=0.05)


def test_the_change_is_as_uncertain_as_it_says(study: Study) -> None:
    """Where a series hardly moves by itself, the change over the years about the break is that."""
    quiet = study
    for year in (2010, 2012):
        quiet = quiet.with_prior("ore", year=year, sd=1.5, step=1e-4)
    layout = lay_out(quiet)
    steps, centres = layout.equations.steps, layout.equations.centres
    column = layout.unknowns.columns.index("ore")
    rng = np.random.default_rng(5)
    logs = np.array([
        centres.mean[column]
        + centres.sd[column] * states(rng.standard_normal(layout.unknowns.size), steps)[:, column]
        for _ in range(4000)
    ])  # fmt: skip
    change = logs[:, 3] - logs[:, 0]
    assert change.mean() == pytest.approx(np.log(1.5), abs=0.05)
    # of a stationary series, which returns a little to its median
    whole = 1.5 * np.sqrt(2 * (1 - np.exp(-0.5 * (0.4 / 1.5) ** 2)))
    assert change.std() == pytest.approx(whole, rel=0.08)
    assert whole == pytest.approx(0.4, rel=0.05)
    assert np.abs(logs[:, 5] - logs[:, 3]).max() < 0.01


def test_rows_govern_the_years_of_their_period(study: Study) -> None:
    rows = {one.prior.label: one for one in prior_rows(study, lay_out(study))}
    later = rows["ore[2012-2015]"]
    assert later.smooth
    assert later.kind == MOVING
    assert later.years.tolist() == [2, 3, 4, 5]
    spread = np.array([0, 0.25, 0.75, 1, 1, 1]) * 0.8
    expected = spread / (spread + 0.5 * np.array([1, 0.75, 0.25, 0, 0, 0]))
    np.testing.assert_allclose(later.parts, expected)
    assert not rows["concentrate"].smooth


def test_a_fit_of_a_study_without_transitions_is_the_one_that_it_was(folder: Path) -> None:
    texts = shared_tables()
    head, *lines = texts["priors"].splitlines()
    empty = "\n".join([f"{head},transition", *(f"{line}," for line in lines)]) + "\n"
    plain = read_study(write_tables(folder / "plain", **texts))
    same = read_study(write_tables(folder / "empty", **texts | {"priors": empty}))
    assert plain.hash == same.hash
    assert plain.hash != plain.with_prior("bias:customs", year=2013, transition=0.1).hash


def test_a_variant_takes_a_transition_away(folder: Path, sharp: Study) -> None:
    texts = gradual_tables()
    jumps = '\n[variants.jumps]\nlabel = "jumps"\nwhy = "w"\npriors = [\n'
    for target, year in (("ore", 2012), ("metal", 2013), ("bias:customs", 2013)):
        jumps += f'  {{ target = "{target}", year = {year}, transition = 0 }},\n'
    from tests.tiny import STUDY

    declared = read_study(
        write_tables(folder / "declared", **texts | {"study": f"{STUDY}{jumps}]\n"})
    )
    assert list(declared.variant("jumps").priors) == list(sharp.priors)


# --- tables ---------------------------------------------------------------------------------------

BAD = (
    ("ore,2012,", ",0.4", ",0", "transition 0 is not above 0"),
    ("ore,2012,", ",0.4", ",-1", "transition -1 is not above 0"),
    ("ore,2012,", ",0.4", ",21", "transition 21 is more than 20"),
    ("ore,2010,", ",,", ",,0.3", "no period before this one"),
    ("noise:*,", ",", ",0.3", "is one number for the whole study"),
    ("hidden_ore,2014,", ",", ",0.3", "never changes; give it a step"),
    ("concentrate,", ",", ",0.3", "no period before this one"),
)


@pytest.mark.parametrize(("begins", "old", "new", "message"), BAD)
def test_a_bad_transition_is_told_with_its_place(
    tmp_path: Path, begins: str, old: str, new: str, message: str
) -> None:
    texts = gradual_tables()
    lines = [
        line.removesuffix(old) + new if line.startswith(begins) else line
        for line in texts["priors"].splitlines()
    ]
    with pytest.raises(StudyError) as caught:
        read_study(write_tables(tmp_path / "bad", **texts | {"priors": "\n".join(lines) + "\n"}))
    [fault] = caught.value.faults
    assert (fault.table, fault.column) == ("priors.csv", "transition")
    assert message in fault.message


def test_shares_that_leave_nothing_while_they_go_over_are_told(tmp_path: Path) -> None:
    """One that jumps beside one that goes over: a quarter early, when the first is not yet gone."""
    texts = gradual_tables()
    rows = {
        "scrap,": ("2012,2012,share,0.9,0.8,0.1,", "2013,2015,share,0.05,0.8,0.1,"),
        "other,": ("2012,2012,share,0.05,0.8,0.1,", "2013,,share,0.9,0.8,0.1,"),
    }
    lines = [x for x in texts["priors"].splitlines() if not x.startswith((*rows,))]
    for target, (before, after) in rows.items():
        end = "0.5" if target == "other," else ""
        lines += [f"{target}{before}share,judgement-split,,",
                  f"{target}{after}share,judgement-split,,{end}"]  # fmt: skip
    flows = FLOWS.replace("metal,true,2013,", "metal,true,2012-2013,")
    tables = texts | {"priors": "\n".join(lines) + "\n", "flows": flows}
    with pytest.raises(StudyError, match=r"add up to 1 in 2012|add up to 1\.00 in 2012"):
        read_study(write_tables(tmp_path / "full", **tables))


def test_a_transition_is_elicited_as_a_factor(tmp_path: Path) -> None:
    stated = Statement("ore", 2012, 2015, "lognormal", 8.0, 30.0, 112.0, 1.4, "kt REO/yr",
                       "authors", "judgement-scale", transition=2.0)  # fmt: skip
    prior = prior_of(stated)
    assert prior.transition == pytest.approx(np.log(2.0) / 1.6449, abs=5e-3)
    assert statement_of(prior).transition == pytest.approx(2.0, rel=0.02)
    study = write_tables(tmp_path / "tiny", **gradual_tables())
    lines = gradual_tables()["priors"].splitlines()
    assert any(line.endswith(",0.4") for line in lines)
    assert main([str(study), "--missing"]) == 0


def test_a_normal_at_zero_is_the_smoothed_median(study: Study) -> None:
    still = unknowns_from(study, {})
    layout = lay_out(study)
    centres = layout.equations.centres.mean
    for name in ("ore", "metal", "bias:customs", "shared:grade"):
        at = layout.unknowns.columns.index(name)
        np.testing.assert_allclose(centres[at], still[name].values, err_msg=name)
    assert len(GOING_OVER) == 4
