"""Short refits from a related fit: their gate, their second try, and their files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from reebayes import provenance
from reebayes.errors import FitError
from reebayes.experiments import refits as warm
from reebayes.experiments.cases import read_outcome
from reebayes.experiments.refits import Refit, RefitSettings, refits
from reebayes.inference.sampling import Run
from reebayes.model.layout import Layout
from reebayes.results.reading import Contents, contents_of
from reebayes.study import Study
from tests.linear import Priors, linear_fit, linear_study, posterior

YEARS = {"total": None, "a": 2011}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return linear_study(tmp_path_factory.mktemp("linear") / "study")


@pytest.fixture(scope="module")
def near(study: Study) -> Contents:
    fit = linear_fit(study)
    fit.attrs["digest"] = "of the fit"
    return contents_of(fit)


type Draws = tuple[dict[str, np.ndarray], xr.Dataset]


class Sampler:
    """Stands in for the sampler: draws that are right, or wrong as often as it is told."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.fail = 0
        self.diverging = 0
        self.cut = False
        self.error: FitError | None = None

    @classmethod
    def in_place(cls, monkeypatch: pytest.MonkeyPatch) -> "Sampler":
        """Put a stand-in where refits sample and look for coordinates."""
        found = cls()
        monkeypatch.setattr(warm, "draw", found.draw)
        monkeypatch.setattr(warm, "over_draws", lambda *given: None)
        monkeypatch.setattr(warm, "gradients", lambda layout: None)
        return found

    def draw(self, layout: Layout, run: Run, whitening: object) -> Draws:
        if self.error:
            raise self.error
        self.runs.append(run)
        rng = np.random.default_rng(run.seed)
        shape = (run.chains, run.draws, len(layout.years), len(layout.flows))
        flows = rng.lognormal(0.0, 0.1, shape)
        if self.fail:
            self.fail -= 1
            flows += np.arange(run.chains)[:, None, None, None]  # chains that never meet
        diverging = np.zeros(shape[:2], dtype=bool)
        diverging.ravel()[: self.diverging] = True
        energy = rng.standard_normal(shape[:2])
        cut = np.full(shape[:2], self.cut)
        stats = {"diverging": diverging, "energy": energy, "maxdepth_reached": cut}
        latents = rng.standard_normal((*shape[:2], len(layout.latents)))
        found = {"flows": flows, "latents": latents}
        return found, xr.Dataset({n: (("chain", "draw"), v) for n, v in stats.items()})


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Sampler:
    return Sampler.in_place(monkeypatch)


def cases(study: Study) -> dict[str, Study]:
    return {"up": study.with_prior("a", shift=1.0), "wide": study.with_prior("b", sd=0.3)}


def same(one: Refit, other: Refit) -> bool:
    return all(np.array_equal(one.draws[name], other.draws[name]) for name in YEARS)


# --- files ----------------------------------------------------------------------------------------


def test_a_case_is_fitted_once_and_found_again(
    study: Study, near: Contents, sampler: Sampler, tmp_path: Path
) -> None:
    first = refits(cases(study), near, YEARS, folder=tmp_path)
    assert len(sampler.runs) == len(list(tmp_path.iterdir())) == 2
    again = refits(cases(study), near, YEARS, folder=tmp_path)
    assert len(sampler.runs) == 2
    assert all(same(first[name], again[name]) for name in first)
    assert (again["up"].rhat, again["up"].ess) == (first["up"].rhat, first["up"].ess)


def test_another_question_seed_or_fit_is_another_file(
    study: Study, near: Contents, sampler: Sampler, tmp_path: Path
) -> None:
    one = {"up": cases(study)["up"]}
    refits(one, near, YEARS, folder=tmp_path)
    refits(one, near, YEARS, folder=tmp_path, seed=1)
    refits(one, near, {"total": None}, folder=tmp_path)
    refits(one, near, YEARS, folder=tmp_path, settings=RefitSettings(draws=600))
    other = near.fit.copy()
    other.attrs["digest"] = "of another fit"
    refits(one, contents_of(other), YEARS, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(sampler.runs) == 5


def test_other_code_is_another_file(
    study: Study, near: Contents, sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"up": cases(study)["up"]}
    before = refits(one, near, YEARS, folder=tmp_path)
    monkeypatch.setattr(provenance, "code_hash", lambda: "new")
    after = refits(one, near, YEARS, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(sampler.runs) == 2
    assert same(before["up"], after["up"])  # the seed is that of the case


def test_a_case_gives_the_same_with_and_without_others_beside_it(
    study: Study, near: Contents, sampler: Sampler
) -> None:
    both = refits(cases(study), near, YEARS, seed=4)
    for name, one in cases(study).items():
        assert same(refits({name: one}, near, YEARS, seed=4)[name], both[name])
    turned = refits(dict(reversed(cases(study).items())), near, YEARS, seed=4)
    assert same(turned["up"], both["up"])
    assert not same(both["up"], both["wide"])
    assert not same(refits(cases(study), near, YEARS, seed=5)["up"], both["up"])


def test_files_say_nothing_of_when_or_where(
    study: Study, near: Contents, sampler: Sampler, tmp_path: Path
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        refits(cases(study), near, YEARS, folder=tmp_path / folder)
    one, two = (
        {path.name: read_outcome(path).arrays for path in (tmp_path / folder).iterdir()}
        for folder in ("one", "two")
    )
    assert one.keys() == two.keys()
    for name, arrays in one.items():
        assert arrays.keys() == two[name].keys()
        assert all(np.array_equal(values, two[name][key]) for key, values in arrays.items())


# --- the gate -------------------------------------------------------------------------------------


def test_what_passes_is_tried_once(study: Study, near: Contents, sampler: Sampler) -> None:
    found = refits({"up": cases(study)["up"]}, near, YEARS)["up"]
    assert found.passed
    assert (found.attempts, len(sampler.runs)) == (1, 1)
    assert found.verdict.startswith("passed: R-hat 1.0")
    mean, error = found.mean("total")
    assert mean == pytest.approx(found.draws["total"].mean())
    assert 0 < error < found.draws["total"].std()


def test_a_second_try_comes_after_a_failure_only_with_smaller_steps(
    study: Study, near: Contents, sampler: Sampler
) -> None:
    sampler.fail = 1
    found = refits({"up": cases(study)["up"]}, near, YEARS)["up"]
    assert found.passed
    assert found.attempts == 2
    first, second = sampler.runs
    assert second.accept > first.accept
    assert second.seed != first.seed
    assert second.tune > first.tune
    assert second.thin == 2 * first.thin  # chains that never meet are not cured by patience


def test_a_second_try_is_as_long_as_wanted_in_coordinates_over_the_first(
    study: Study, near: Contents, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    over: list[np.ndarray] = []
    monkeypatch.setattr(warm, "over_draws", lambda gradient, layout, latents: over.append(latents))
    usual = warm.gate_figures

    def figures(*given: Any) -> dict[str, Any]:
        return usual(*given) | ({"ess": 61.0} if len(over) == 1 else {})

    monkeypatch.setattr(warm, "gate_figures", figures)
    assert refits({"up": cases(study)["up"]}, near, YEARS)["up"].passed
    first, second = sampler.runs
    assert second.thin == 5 * first.thin
    assert second.draws == first.draws
    assert len(over) == 2
    assert over[0].shape[1] == over[1].shape[1]
    assert not np.array_equal(over[0], over[1])


def test_a_second_try_adds_to_a_first_that_is_only_too_short(
    study: Study, near: Contents, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, asked = warm.gate_figures, []

    def figures(answers: Any, *given: Any) -> dict[str, Any]:
        asked.append(answers["total"])
        return usual(answers, *given) | ({"ess": 120.0} if len(asked) == 1 else {})

    monkeypatch.setattr(warm, "gate_figures", figures)
    found = refits({"up": cases(study)["up"]}, near, YEARS)["up"]
    assert found.passed
    first, second = sampler.runs
    assert (second.draws, second.thin, second.tune) == (2 * first.draws, first.thin, first.tune)
    assert second.accept == first.accept
    # every third of all is kept, those of the first try among them
    both, old = asked[1], first.draws // 3
    assert both.shape == asked[0].shape
    assert np.array_equal(both[:, :old], asked[0][:, 2::3])
    assert np.isin(both[:, old:], asked[0]).mean() < 0.01  # of so many numbers some are alike


def test_chains_that_differ_by_chance_go_on_until_they_agree_but_not_for_ever(
    study: Study, near: Contents, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, asked, patient = warm.gate_figures, [], [2]

    def figures(answers: Any, *given: Any) -> dict[str, Any]:
        asked.append(answers["total"])
        return usual(answers, *given) | ({"rhat": 1.021} if len(asked) <= patient[0] else {})

    monkeypatch.setattr(warm, "gate_figures", figures)
    one = {"up": cases(study)["up"]}
    found = refits(one, near, YEARS)["up"]
    assert (found.passed, found.attempts, len(sampler.runs)) == (True, 2, 3)
    assert len({run.seed for run in sampler.runs}) == 3
    assert asked[2].shape == asked[0].shape
    kept = asked[0].shape[1] // 3  # every third of three runs of one length
    assert np.array_equal(asked[2][:, :kept], asked[0][:, 2::3])
    sampler.runs.clear()
    asked.clear()
    patient[0] = 99
    assert not refits(one, near, YEARS)["up"].passed
    assert len(sampler.runs) == 4


def test_a_gate_that_fails_twice_is_told(
    study: Study, near: Contents, sampler: Sampler, tmp_path: Path
) -> None:
    sampler.fail = 99
    lines: list[str] = []
    found = refits(cases(study), near, YEARS, log=lines.append, folder=tmp_path)
    assert not found["up"].passed
    assert found["up"].attempts == 2
    assert found["up"].verdict.startswith("did not pass: R-hat")
    assert [line.partition(":")[0] for line in lines] == ["up", "wide"]
    again = refits(cases(study), near, YEARS, folder=tmp_path)
    assert len(sampler.runs) == 4
    assert not again["up"].passed


@pytest.mark.parametrize(
    ("rhat", "ess", "divergences", "passed"),
    [(1.02, 200.0, 0, True), (1.021, 900.0, 0, False), (1.0, 199.0, 0, False),
     (1.0, 900.0, 1, False), (float("nan"), 900.0, 0, False), (1.0, float("nan"), 0, False)],
)  # fmt: skip
def test_what_the_gate_asks(rhat: float, ess: float, divergences: int, passed: bool) -> None:
    assert Refit({}, rhat, ess, divergences, 1).passed is passed


def test_a_divergence_fails_the_gate(study: Study, near: Contents, sampler: Sampler) -> None:
    sampler.diverging = 1
    found = refits({"up": cases(study)["up"]}, near, YEARS)["up"]
    assert not found.passed
    assert (found.divergences, found.attempts) == (1, 2)


def test_trees_that_are_cut_off_fail_the_gate(
    study: Study, near: Contents, sampler: Sampler
) -> None:
    sampler.cut = True
    found = refits({"up": cases(study)["up"]}, near, YEARS)["up"]
    assert not found.passed
    assert "cut-off trees 100.0%" in found.verdict


def test_one_case_that_cannot_be_sampled_does_not_stop_the_others(
    study: Study, near: Contents, sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = warm.refit

    def one(study: Study, *given: Any, **options: Any) -> Refit:
        if study.priors["b"].sd == 0.3:
            raise FitError("The density has no usable curvature.")
        return usual(study, *given, **options)

    monkeypatch.setattr(warm, "refit", one)
    lines: list[str] = []
    found = refits(cases(study), near, YEARS, log=lines.append, folder=tmp_path)
    assert found["up"].passed
    assert not found["wide"].passed
    assert found["wide"].verdict == "could not be sampled: The density has no usable curvature."
    assert lines == [f"wide: {found['wide'].verdict}"]
    assert len(list(tmp_path.iterdir())) == 1  # it is tried again the next time


def test_starting_points_are_taken_by_name(study: Study, near: Contents) -> None:
    """What the related fit does not have is drawn from the prior; the rest is its draws."""
    from reebayes.model.layout import lay_out

    fewer = study.without_reporter("customs")
    layout = lay_out(fewer)
    assert "bias:customs" not in layout.latents
    starts = warm.Starts.of(near).of_layout(layout, seed=1)
    latents = near.group("posterior")["latents"]
    known = latents.values.reshape(-1, latents.shape[-1])
    names = latents["latent"].values.tolist()
    for name in ("a[2011]", "bias:office"):
        column = starts[:, layout.latents.index(name)]
        assert np.isin(column, known[:, names.index(name)]).all()


def test_seeds_are_those_of_cases(study: Study, near: Contents, sampler: Sampler) -> None:
    refits(cases(study), near, YEARS, seed=2**32 - 1)
    seeds = [run.seed for run in sampler.runs]
    assert len(set(seeds)) == 2
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.slow_ci
def test_a_refit_of_the_same_study_gives_the_same_answer(study: Study, near: Contents) -> None:
    """The sampler itself, in coordinates over the draws of the closed form."""
    spans: Mapping[str, Any] = {"total": None}
    moved = refits({"up": study.with_prior("a", shift=1.0)}, near, spans, seed=3)["up"]
    assert moved.passed, moved.verdict
    mean, error = moved.mean("total")
    priors = Priors().moved("a", shift=1.0)
    centre, factor = priors.levels()
    at, cov = posterior(priors)
    levels, variances = centre + factor @ at, np.diag(factor @ cov @ factor.T)
    exact = np.exp(levels[:9] + variances[:9] / 2).sum()
    assert mean == pytest.approx(exact, abs=4 * error)
