"""Posterior contraction: contraction, shift and labels of draws whose distribution is known."""

import numpy as np
import pytest
import xarray as xr

from reebayes.answers.contraction import (
    ABSENT,
    ANCHORED,
    CONFOUNDED,
    LABELS,
    LEARNT,
    PARTLY,
    PRIOR_ONLY,
    confounding,
    confounding_sentences,
    contraction_text,
    label_shares,
    label_spans,
    learnt,
)
from reebayes.errors import ResultError
from tests.fakes import RECORDS, fake_fit
from tests.toys import draws_fit

RNG = np.random.default_rng(11)
BEFORE, AFTER = 2000, 8000


def lognormal(mean: float, sd: float, count: int, years: int = 4) -> np.ndarray:
    return np.exp(RNG.normal(mean, sd, (count, years)))


def one(sd: float, mean: float = 0.0, *, before: int = BEFORE, after: int = AFTER) -> xr.Dataset:
    """Compare a prior of sd 1 about 0 with a posterior, on the log scale."""
    fit = draws_fit({"q": lognormal(0, 1, before)}, {"q": lognormal(mean, sd, after)})
    return learnt(fit, "q")


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sd", "mean"), [(0.3, 0.0), (0.7, -0.6), (1.0, 2.0), (1.4, 0.0)])
def test_contraction_and_shift_are_those_of_the_distributions(sd: float, mean: float) -> None:
    found = one(sd, mean)
    np.testing.assert_allclose(found["contraction"], 1 - sd, atol=0.08)
    np.testing.assert_allclose(found["shift"], mean, atol=0.12)
    assert (abs(found["contraction"] - (1 - sd)) < 4.5 * found["contraction_error"]).all()
    np.testing.assert_allclose(found["posterior_upper"], np.exp(mean + 1.645 * sd), rtol=0.1)
    np.testing.assert_allclose(found["prior_median"], 1.0, rtol=0.12)
    assert found["scale"].item() == "log"
    assert found["unit"].item() == "kt REO/yr"
    assert found.attrs["ci_prob"] == 0.9


@pytest.mark.parametrize(
    ("sd", "mean", "label"),
    [
        (0.4, 0.0, LEARNT), (0.6, 0.0, PARTLY), (0.95, 0.0, PRIOR_ONLY), (0.95, 1.3, PARTLY),
        (0.95, -1.3, PARTLY), (1.3, 0.0, PRIOR_ONLY),
    ],
)  # fmt: skip
def test_labels(sd: float, mean: float, label: str) -> None:
    assert set(one(sd, mean)["label"].values.ravel()) == {label}


def test_the_error_of_the_contraction_is_its_spread_over_other_draws() -> None:
    fit = draws_fit({"q": lognormal(0, 1, 500, 300)}, {"q": lognormal(0, 0.6, 1000, 300)})
    found = learnt(fit)
    spread = float(found["contraction"].std())
    assert float(found["contraction_error"].mean()) == pytest.approx(spread, rel=0.15)


def test_noise_of_few_draws_is_no_learning() -> None:
    """Without the error, one value in eight would be partly learnt."""
    fit = draws_fit({"q": lognormal(0, 1, 60, 400)}, {"q": lognormal(0, 1, 60, 400)})
    found = learnt(fit)
    assert float((found["contraction"] >= 0.15).mean()) > 0.1
    assert label_shares(found)[PRIOR_ONLY] > 0.95


def test_draws_count_as_far_as_they_are_effective() -> None:
    draws = {"q": lognormal(0, 1, 400)}, {"q": lognormal(0, 0.8, 4000)}
    free, tied = (learnt(draws_fit(*draws, **extra)) for extra in ({}, {"ess_tail_min": 40.0}))
    np.testing.assert_allclose(free["contraction"], tied["contraction"])
    assert (tied["contraction_error"] > 1.5 * free["contraction_error"]).all()


def test_shares_are_compared_as_log_odds_and_ratios_as_logs() -> None:
    def draws(sd: float, count: int) -> dict[str, np.ndarray]:
        normal = RNG.normal(0, sd, (count, 4))
        return {"share": 1 / (1 + np.exp(-3 - normal)), "ratio": np.exp(1 + normal), "net": normal}

    fit = draws_fit(draws(1.0, BEFORE), draws(0.5, AFTER), ratios=("share", "ratio"))
    found = learnt(fit)
    scales = dict(zip(found["quantity"].values, found["scale"].values, strict=True))
    assert scales == {"share": "logit", "ratio": "log", "net": "plain"}
    np.testing.assert_allclose(found["contraction"], 0.5, atol=0.07)
    assert learnt(fit, total=True)["quantity"].values.tolist() == ["net"]
    with pytest.raises(ResultError, match="is a ratio"):
        learnt(fit, ["share"], total=True)


def test_sums_are_summed_draw_by_draw() -> None:
    fit = draws_fit({"q": lognormal(0, 1, BEFORE)}, {"q": lognormal(1, 0.2, AFTER)})
    found = learnt(fit, "q", total=True)
    assert "year" not in found.dims
    assert found["unit"].item() == "kt REO/yr"
    sums = fit["posterior"]["quantities"].sum("year").values.ravel()
    assert float(found["posterior_median"].item()) == pytest.approx(np.median(sums))


def test_what_the_study_fixes_is_absent() -> None:
    before, after = lognormal(0, 1, BEFORE), lognormal(0, 0.2, AFTER)
    before[:, 1], after[:, 1] = 0.0, 0.0
    before[:, 2], after[:, 2] = np.nan, np.nan
    found = learnt(draws_fit({"q": before}, {"q": after}))
    assert found["label"].values.ravel().tolist() == [LEARNT, ABSENT, ABSENT, LEARNT]
    assert found["contraction"].isnull().values.ravel().tolist() == [False, True, True, False]
    assert label_shares(found) == {LEARNT: 1.0, PARTLY: 0.0, PRIOR_ONLY: 0.0}


def test_labels_as_spans_and_shares() -> None:
    labels = xr.DataArray([PRIOR_ONLY, PRIOR_ONLY, PARTLY, LEARNT], coords={"year": range(4)})
    assert label_spans(labels) == "0-1 prior only; 2 partly; 3 learnt"
    table = xr.Dataset({"label": labels})
    assert label_shares(table) == {LEARNT: 0.25, PARTLY: 0.25, PRIOR_ONLY: 0.5}
    assert tuple(label_shares(table)) == LABELS


@pytest.mark.parametrize(
    ("contraction", "shift", "text"),
    [(0.474, 0.9, "47"), (-0.004, -1.2, "0↓"), (0.2, 1.0, "20↑"), (np.nan, np.nan, "")],
)
def test_contraction_as_text(contraction: float, shift: float, text: str) -> None:
    assert contraction_text(contraction, shift) == text


def test_what_cannot_be_compared() -> None:
    fit = fake_fit()
    with pytest.raises(ResultError, match="Did you mean 'smuggled'"):
        learnt(fit, "smugled")
    with pytest.raises(ResultError, match="No quantity to compare"):
        learnt(fit, [])
    del fit["prior"]
    with pytest.raises(ResultError, match="no group 'prior'"):
        learnt(fit)


# --- biases ---------------------------------------------------------------------------------------


def biased_fit(corrected: float, bias: float) -> xr.DataTree:
    """A fit whose records fix bias + log flow; prior sds are 0.5 (log flow) and `bias`.

    `corrected` is the sd of the bias after the records, along the ridge.
    """
    fit = fake_fit(draws=2000)
    rng = np.random.default_rng(5)
    for group, chains in (("prior", 1), ("posterior", 2)):
        draws = fit[group].to_dataset()
        shape = (chains, 2000)
        bend = rng.normal(0, bias if group == "prior" else corrected, shape)
        flow = rng.normal(0, 0.5, shape) if group == "prior" else -bend
        flow = flow + rng.normal(0, 0.03, shape)
        level = draws["quantities"].copy()
        level.loc[{"quantity": "mined_world"}] = np.exp(flow)[..., None]
        biases = draws["drifting_bias"].copy()
        biases.loc[{"drifting": "survey"}] = bend[..., None]
        fit[group] = draws.assign(quantities=level, drifting_bias=biases)
    return fit


def test_a_ridge_is_found_and_told() -> None:
    table = confounding(biased_fit(corrected=0.35, bias=0.5))
    row = table.iloc[0]
    assert (row["reporter"], row["quantity"], row["state"]) == ("survey", "mined_world", CONFOUNDED)
    assert row["correlation"] < -0.98
    assert row["bias_contraction"] == pytest.approx(0.3, abs=0.05)
    assert row["quantity_contraction"] == pytest.approx(0.3, abs=0.05)
    assert set(table["state"].iloc[1:]) == {""}
    text = confounding_sentences(table)
    assert "only the product of bias and quantity for survey (mined_world)" in text


def test_a_bias_that_its_prior_holds_anchors_the_quantity() -> None:
    table = confounding(biased_fit(corrected=0.1, bias=0.1))
    row = table.iloc[0]
    assert row["state"] == ANCHORED
    assert row["quantity_label"] == LEARNT
    text = confounding_sentences(table)
    assert text.startswith("No reporter's bias is confounded with the flow it reports")
    assert "limits the posterior contraction of survey (mined_world)." in text


def test_reporters_without_a_bias_have_no_ridge() -> None:
    fit = fake_fit()
    fit["constant_data"]["record_reporter"][:] = "nobody"
    assert confounding(fit).empty
    assert confounding_sentences(confounding(fit)).startswith("No reporter")


def test_independent_draws_have_no_ridge() -> None:
    table = confounding(fake_fit(draws=500))
    pairs = {(row.reporter, row.quantity) for row in RECORDS.itertuples()}
    assert set(zip(table["reporter"], table["quantity"], strict=True)) == pairs
    assert set(table["state"]) == {""}
    assert "bias allows" not in confounding_sentences(table)
