"""A declared multiverse: weights, the mixture, its file, the declaration, the command, the page."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

import reebayes as rb
from reebayes.cli.main import main
from reebayes.errors import ResultError, StudyError
from reebayes.experiments.multiverse import DECLARED, declare, mixed, mixture_band, weights_of
from reebayes.reporting.page import write_report
from reebayes.results.multiverse import FILE, SUFFIX, Multiverse, read_multiverse
from reebayes.study import Study
from reebayes.study.runfile import Group, read_run_file
from tests.fakes import REPORT, fake_fit
from tests.linear import linear_fit, linear_study
from tests.test_refits import Sampler
from tests.test_sensitivity_commands import written

GROUPS = {
    "level": Group("level", "which centre", ("base", "up", "down")),
    "width": Group("width", "how sure", ("base", "wide")),
}

RUN = """
name = "choices"
base = "study"
near = "fit.nc"
quantities = ["total"]
[cases.up]
priors = [{ target = "a", median = 12 }]
[cases.down]
priors = [{ target = "a", median = 8 }]
[cases.wide]
priors = [{ target = "b", sd = 0.3 }]
[groups.level]
label = "level"
why = "which centre"
members = ["base", "up", "down"]
[groups.width]
label = "width"
why = "how sure"
members = ["base", "wide"]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return linear_study(tmp_path_factory.mktemp("multiverse") / "study")


@pytest.fixture(scope="module")
def near(study: Study) -> xr.DataTree:
    fit = linear_fit(study)
    fit.attrs["digest"] = "of the fit"
    return fit


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Sampler:
    return Sampler.in_place(monkeypatch)


def cases(study: Study) -> dict[str, Study]:
    return {
        "base": study,
        "up": study.with_prior("a", shift=1.0),
        "down": study.with_prior("a", shift=-1.0),
        "wide": study.with_prior("b", sd=0.3),
    }


# --- weights and mixture --------------------------------------------------------------------------


LIST = Path(__file__).parents[1] / "multiverse.toml"


def test_variants_that_the_bundled_list_combines_are_declared() -> None:
    declared = tomllib.loads((LIST.with_name("data") / "study.toml").read_text("utf-8"))["variants"]
    cases = tomllib.loads(LIST.read_text("utf-8"))["cases"].values()
    assert {name for case in cases for name in case.get("combines", ())} <= set(declared)


@pytest.mark.slow  # every member is checked whole
def test_the_bundled_list_is_without_fault_and_no_two_members_are_one_study() -> None:
    run = read_run_file(LIST)
    assert len({study.hash for study in run.studies.values()}) == len(run.studies)
    assert {name for group in run.groups.values() for name in group.members} == set(run.studies)


def test_groups_weigh_alike_and_so_do_their_members() -> None:
    weights = weights_of(GROUPS)
    assert weights == pytest.approx(
        {"base": 1 / 6 + 1 / 4, "up": 1 / 6, "down": 1 / 6, "wide": 1 / 4}
    )
    assert sum(weights.values()) == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.2, 2), st.floats(0.05, 1)),
                min_size=1, max_size=5))  # fmt: skip
def test_the_band_is_that_of_the_mixture_whatever_the_numbers_of_draws(
    parts: list[tuple[float, float, float]],
) -> None:
    total = sum(part[2] for part in parts)
    points = [(np.arange(size) + 0.5) / size for size in (4000, 1000, 2000, 500, 3000)]
    draws, weights = {}, {}
    for n, (centre, sd, weight) in enumerate(parts):
        draws[str(n)] = stats.norm.ppf(points[n], centre, sd)
        weights[str(n)] = weight / total

    def below(value: float) -> float:
        return sum(w / total * stats.norm.cdf(value, c, s) for c, s, w in parts)

    found = mixture_band(draws, weights)
    for prob, value in zip((0.5, 0.05, 0.95), found, strict=True):
        assert below(value) == pytest.approx(prob, abs=2e-3)
    exact = optimize.brentq(lambda x: below(x) - 0.5, -20, 20)
    assert below(exact) == pytest.approx(0.5)


def test_members_are_mixed_by_weight_beside_the_range_of_their_medians(
    study: Study, near: xr.DataTree, sampler: Sampler, tmp_path: Path
) -> None:
    runs = rb.run_studies(cases(study), out=tmp_path, near=near, base="base", workers=0,
                          progress=False)  # fmt: skip
    found = mixed("choices", runs, GROUPS)
    answer = found.answers["total"]
    table = runs.table
    assert found.study_hash == study.hash
    assert {name: one.hash for name, one in found.members.items()} == dict(table["hash"])
    assert found.members["base"].groups == ("level", "width")
    medians = table["total_median"]
    assert answer.medians == (medians.min(), medians.max())
    assert answer.single == tuple(
        table.loc["base", f"total_{e}"] for e in ("median", "lower", "upper")
    )
    sums = rb.cumulative(runs.draws["total"])
    weights = weights_of(GROUPS)
    draws = {name: sums.sel(case=name).values.ravel() for name in weights}
    assert answer.mixture == pytest.approx(mixture_band(draws, weights))
    table.loc["up", "converged"] = "no"
    with pytest.raises(ResultError, match="up did not pass"):
        mixed("choices", runs, GROUPS)


# --- file and declaration -------------------------------------------------------------------------


def some(study_hash: str) -> Multiverse:
    return read_back(
        {
            "name": "<b>choices</b>",
            "study_hash": study_hash,
            "probability": 0.9,
            "groups": {"level": {"label": "<i>level</i>", "why": "w"}},
            "members": {"base": {"hash": "h", "groups": ["level"], "weight": 1.0, "verdict": "v",
                                 "answers": {"smuggled": [1.0, 0.5, 2.0]}}},
            "answers": {"smuggled": {"unit": "kt REO", "single": [123.0, 100.0, 150.0],
                                     "mixture": [130.0, 80.0, 199.0], "medians": [90.0, 170.0]}},
        }
    )  # fmt: skip


def read_back(values: dict[str, object], folder: Path | None = None) -> Multiverse:
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        path = (folder or Path(made)) / FILE
        path.write_text(json.dumps(values))
        return read_multiverse(path)


def test_a_file_reads_as_it_was_written(tmp_path: Path) -> None:
    one = some("abc")
    one.write(tmp_path / FILE)
    assert read_multiverse(tmp_path / FILE) == one
    assert (tmp_path / FILE).stat().st_size < 5000


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"members": 3}'])
def test_what_is_no_multiverse_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ResultError, match="not a multiverse"):
        read_multiverse(tmp_path / FILE)
    with pytest.raises(ResultError, match="not a multiverse"):
        read_multiverse(tmp_path / "none.json")


def test_a_list_is_declared_before_and_does_not_change(study: Study, tmp_path: Path) -> None:
    declare(cases(study), GROUPS, ["total"], tmp_path)
    text = (tmp_path / DECLARED).read_text()
    assert json.loads(text)["members"]["up"]["hash"] == cases(study)["up"].hash
    declare(cases(study), GROUPS, ["total"], tmp_path)
    assert (tmp_path / DECLARED).read_text() == text
    fewer = {"level": Group("level", "w", ("base", "up")), "width": GROUPS["width"]}
    other = cases(study) | {"up": study.with_prior("a", shift=2.0)}
    for studies, groups, asked in (
        (cases(study), fewer, ["total"]),
        (other, GROUPS, ["total"]),
        (cases(study), GROUPS, ["a"]),
    ):
        with pytest.raises(ResultError, match="is no declaration"):
            declare(studies, groups, asked, tmp_path)
    (tmp_path / DECLARED).write_text("{")
    with pytest.raises(ResultError, match="damaged"):
        declare(cases(study), GROUPS, ["total"], tmp_path)


BAD = (
    ('"up", "down"]', '"up", "dwon"]', "groups.level.members", "Did you mean 'down'"),
    ('["base", "wide"]', '["wide"]', "groups.width.members", "one member is no alternative"),
    ('["base", "wide"]', '["base", "up"]', "cases.wide", "is in no group"),
    ('why = "how sure"\n', "", "groups.width.why", "key 'why' is missing"),
    ('why = "how sure"', "weight = 3", "groups.width.weight", "unknown key 'weight'"),
)


@pytest.mark.parametrize(("old", "new", "column", "message"), BAD)
def test_a_bad_group_is_told_with_its_place(
    study: Study, near: xr.DataTree, tmp_path: Path, old: str, new: str, column: str, message: str
) -> None:
    linear_study(tmp_path / "study")
    written(near.copy(), tmp_path / "fit.nc")
    (tmp_path / "run.toml").write_text(RUN.replace(old, new))
    with pytest.raises(StudyError) as caught:
        read_run_file(tmp_path / "run.toml")
    told = {(fault.column, fault.message) for fault in caught.value.faults}
    assert any(one == column and message in text for one, text in told), told


# --- the command and the page ---------------------------------------------------------------------


@pytest.mark.usefixtures("in_this_process")
def test_the_command_declares_fits_mixes_and_keeps_a_small_file(
    near: xr.DataTree, study: Study, sampler: Sampler, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    linear_study(tmp_path / "study")
    written(near.copy(), tmp_path / "fit.nc")
    (tmp_path / "run.toml").write_text(RUN)
    call = ["study", str(tmp_path / "run.toml"), "--out", str(tmp_path / "out")]
    assert main(call) == 0
    said = capsys.readouterr().out
    assert "4 members in 2 groups, mixed by weight" in said
    found = read_multiverse(tmp_path / "out" / FILE)
    assert set(found.members) == {"base", "up", "down", "wide"}
    assert main(call) == 0
    (tmp_path / "run.toml").write_text(RUN.replace("median = 12", "median = 13"))
    assert main(call) == 2
    assert "is no declaration" in capsys.readouterr().err


@pytest.mark.usefixtures("in_this_process")
def test_a_member_that_fails_stops_the_mixture_and_the_command_says_so(
    near: xr.DataTree, sampler: Sampler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    linear_study(tmp_path / "study")
    written(near.copy(), tmp_path / "fit.nc")
    (tmp_path / "run.toml").write_text(RUN)
    sampler.fail = 2
    assert main(["study", str(tmp_path / "run.toml"), "--out", str(tmp_path / "out")]) == 3
    assert "No multiverse was made" in capsys.readouterr().err
    assert not (tmp_path / "out" / FILE).exists()


def test_the_page_shows_the_multiverse_of_its_study_and_no_other(tmp_path: Path) -> None:
    fit = fake_fit()
    mine = some(str(fit.attrs["study_hash"]))
    shown = write_report(fit, tmp_path / "a.html", multiverse=mine).read_text("utf-8")
    assert "Mixture of all" in shown
    assert "123 (100 to 150)" in shown
    assert "130 (80.0 to 199)" in shown
    assert "&lt;i&gt;level&lt;/i&gt; (base)" in shown
    for other in (None, some("of another study")):
        text = write_report(fit, tmp_path / "b.html", multiverse=other).read_text("utf-8")
        assert "No multiverse of other defensible choices was run" in text
        assert "Mixture of all" not in text
    assert SUFFIX.endswith(FILE)


def test_parts_in_a_multiverse_are_set_in_under_their_whole(tmp_path: Path) -> None:
    fit = fake_fit(report=REPORT | {"parts": {"mined_A_hidden": ["consumed_A", "net_export_A"]}})
    mine = some(str(fit.attrs["study_hash"]))
    (band,) = mine.answers.values()
    answers = {"mined_A_hidden": band, "consumed_A": band}
    path = write_report(fit, tmp_path / "a.html", multiverse=replace(mine, answers=answers))
    text = path.read_text("utf-8")
    table = text[text.index('aria-label="Multiverse of declared choices"') :]
    heads = re.findall('<th scope="row"( class="part")?>([^<]*)<', table[: table.index("</table>")])
    assert heads == [("", "Hidden mining in A"), (' class="part"', "– consumed_A")]
