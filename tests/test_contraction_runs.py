"""Real runs: ridges without an anchor, planted errors, and records really left out."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from reebayes.answers.contraction import (
    CONFOUNDED,
    LEARNT,
    confounding,
    confounding_sentences,
    learnt,
)
from reebayes.answers.leave_one_out import disagreement, influence
from reebayes.conventions import CI_PROB
from reebayes.inference.identifiability import identify
from reebayes.inference.sampling import fit
from reebayes.results.selection import quantity
from reebayes.results.summaries import cumulative
from reebayes.study import Study, read_study
from tests.tiny import without_anchor, write_tables


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_tables(tmp_path_factory.mktemp("learning") / "tiny"))


def run(study: Study, draws: int = 500, seed: int = 3) -> xr.DataTree:
    return fit(study, seed=seed, draws=draws, tune=250, chains=4, progress=False)


@pytest.fixture(scope="module")
def fitted(study: Study) -> xr.DataTree:
    return run(study)


# --- the anchor -----------------------------------------------------------------------------------


def apart(fit: xr.DataTree, group: str, sd: tuple[float, float]) -> xr.DataArray:
    """What tells bias and flow apart: uncorrelated with their sum under the prior.

    `sd` are the prior standard deviations of bias and log flow. A record sees the sum alone.
    """
    bias = fit[group]["bias"].sel(reporter="survey")
    flow = np.log(fit[group]["quantities"].sel(quantity="mined_registered", year=2010))
    return bias * sd[1] ** 2 - flow * sd[0] ** 2


@pytest.mark.slow_ci
def test_without_an_anchor_bias_and_flow_go_back_to_their_prior_ridge(study: Study) -> None:
    free = without_anchor(study)
    loose, anchored = run(free), run(free.with_prior("bias:survey", sd=0.02))
    rows = confounding(loose).set_index(["reporter", "quantity"])
    row = rows.loc[("survey", "mined_registered")]
    assert row["state"] == CONFOUNDED
    assert row["correlation"] < -0.9
    assert "survey (" in confounding_sentences(confounding(loose)).partition(":")[0]

    prior = loose["prior"]
    flow = np.log(prior["quantities"].sel(quantity="mined_registered", year=2010))
    bias = prior["bias"].sel(reporter="survey")
    sd = float(bias.std()), float(flow.std())
    left = float(apart(loose, "posterior", sd).std() / apart(loose, "prior", sd).std())
    assert left == pytest.approx(1.0, abs=0.12)  # all of the ridge is left
    after = loose["posterior"]
    total = after["bias"].sel(reporter="survey") + np.log(
        after["quantities"].sel(quantity="mined_registered", year=2010)
    )
    assert float(total.std() / (bias + flow).std()) < 0.3  # and hardly any of what crosses it

    label = learnt(anchored, "mined_registered")["label"].sel(year=2010).item()
    assert label == LEARNT
    assert set(confounding(anchored)["state"]) <= {"", "anchored"}


@pytest.mark.slow_ci
def test_contraction_is_what_the_linear_model_expects(study: Study, fitted: xr.DataTree) -> None:
    """Where the posterior is near normal; the tiny study's registered mines are."""
    expected = identify(study, fitted)["expected_contraction"].sel(quantity="mined_registered")
    found = learnt(fitted, "mined_registered")["contraction"].isel(quantity=0)
    np.testing.assert_allclose(found, expected, atol=0.12)


# --- records --------------------------------------------------------------------------------------


@pytest.mark.slow_ci
@pytest.mark.parametrize("name", ["r_tonnes", "r_gross"])
def test_a_planted_gross_error_is_the_record_that_disagrees_most(study: Study, name: str) -> None:
    wrong = study.with_records(
        replace(record, value=5 * record.value) if record.record == name else record
        for record in study.records
    )
    found = disagreement(run(wrong))
    assert found.index[0] == name
    assert found["z"].iloc[0] > 2


@pytest.mark.slow_ci
def test_sound_records_do_not_disagree(fitted: xr.DataTree) -> None:
    found = disagreement(fitted)
    assert set(found.index) == {f"r_{n}" for n in (
        "value", "tonnes", "gross", "quota", "upper", "lower", "range", "sum", "mean", "share",
        "ratio",
    )}  # fmt: skip
    assert found["z"].abs().max() < 2.5
    beyond = (found["tail"] < 1 - CI_PROB).mean()
    assert beyond < 0.3


@pytest.mark.slow
def test_a_record_left_out_by_weights_is_one_left_out_by_fitting(study: Study) -> None:
    """Wherever the weights are called reliable, which they are for most records."""
    full = run(study, draws=4000)
    found = influence(full, "mined")
    values = cumulative(quantity(full, "mined"))
    spread = float(values.std()) / np.sqrt(4000)
    names = ["r_value", "r_mean", "r_share", "r_tonnes", "r_gross", "r_quota"]
    reliable = [name for name in names if found.loc[name, "reliable"]]
    assert len(reliable) >= 4
    for name in reliable:
        rest = study.with_records(r for r in study.records if r.record != name)
        gone = cumulative(quantity(run(rest, draws=4000, seed=8), "mined"))
        exact = float(values.mean() - gone.mean())
        row = found.loc[name]
        error = np.hypot(np.sqrt(2) * spread, row["left_out_error"])
        assert row["left_out"] == pytest.approx(exact, abs=4 * error), name
        # the first order has the sign, and is too small
        if abs(exact) > 6 * error:
            assert 0.3 < row["first_order"] / exact < 1.1, name
