"""What priors say of an answer before any fit."""

import numpy as np
import pytest

import reebayes as rb
from reebayes.errors import ResultError
from tests.tiny import write_tables

SEED = 3


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> rb.Study:
    return rb.read_study(write_tables(tmp_path_factory.mktemp("prior") / "tiny"))


def test_a_prior_of_an_answer_is_that_of_simulated_worlds(study: rb.Study) -> None:
    """The worlds are drawn by a second writing of the model."""
    drawn = rb.cumulative(rb.prior_of(study, "mined", draws=1500, seed=SEED)).values.ravel()
    worlds = [rb.simulate_world(study, seed=n).quantities for n in range(300)]
    summed = [float(world.sel(quantity="mined").sum()) for world in worlds]
    for probability in (0.1, 0.5, 0.9):
        one, other = (
            np.quantile(np.log(drawn), probability),
            np.quantile(np.log(summed), probability),
        )
        assert one == pytest.approx(other, abs=0.2)


def test_a_change_of_a_prior_shows_draw_by_draw(study: rb.Study) -> None:
    """Both studies are drawn with the same random numbers."""
    before = rb.prior_of(study, "mined_hidden", draws=40, seed=SEED)
    after = rb.prior_of(study.with_prior("hidden_ore", year=2014, factor=2.0), "mined_hidden",
                        draws=40, seed=SEED)  # fmt: skip
    ratio = (after / before).sel(draw=slice(None)).values[0]
    np.testing.assert_allclose(ratio[:, [0, 1]], 1.0)
    np.testing.assert_allclose(ratio[:, [4, 5]], 2.0)
    assert before.attrs["units"] == "kt REO/yr"
    assert rb.bands(before).attrs["units"] == "kt REO/yr"


def test_a_quantity_that_is_not_there_is_told_with_the_nearest(study: rb.Study) -> None:
    with pytest.raises(ResultError, match="Did you mean 'mined_hidden'"):
        rb.prior_of(study, "mined_hiden")
    with pytest.raises(ResultError, match="at least 1"):
        rb.prior_of(study, "mined", draws=0)


def test_draws_in_pieces_are_the_same(study: rb.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rb.prior_of(study, "share_hidden", draws=11, seed=SEED)
    monkeypatch.setattr("reebayes.experiments.prior_answers._TOGETHER", 4)
    np.testing.assert_array_equal(whole, rb.prior_of(study, "share_hidden", draws=11, seed=SEED))
