"""Smoothed weights are those of the library, on tails of every kind."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import example, given
from hypothesis import strategies as st

from reebayes.answers.importance import HARMLESS, reliable, smoothed_weights


@example(1198, 1.1015625, 1.0625, 2794)  # ratios that vanish beside the largest
@given(st.integers(25, 5000), st.floats(1.1, 30.0), st.floats(0.01, 20.0), st.integers(0, 2**32))
def test_weights_and_khat_are_those_of_the_library(
    draws: int, freedom: float, scale: float, seed: int
) -> None:
    term = scale * np.random.default_rng(seed).standard_t(freedom, draws)
    weights, khat = smoothed_weights(term[:, None])
    with np.errstate(all="ignore"):
        expected, expected_khat = array_stats.psislw(term)
    assert weights.sum() == pytest.approx(1.0)
    if np.isnan(expected).any():  # where the library has no answer, ours is not trusted
        assert not reliable(khat, draws).any()
        return
    np.testing.assert_allclose(weights[:, 0], np.exp(expected), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(khat[0], expected_khat, rtol=1e-9)


def test_a_term_that_tells_nothing_apart_weighs_all_draws_alike() -> None:
    weights, khat = smoothed_weights(np.full((100, 1), -3.0))
    assert khat[0] == -np.inf
    np.testing.assert_allclose(weights, 0.01)


@pytest.mark.parametrize("size", [1e-16, 1e-9, 0.9 * HARMLESS])
@pytest.mark.parametrize("draws", [20, 4000])
def test_terms_that_hardly_differ_weigh_all_draws_alike(size: float, draws: int) -> None:
    """A bound far from all draws: a few of them have something to say, and no tail to fit."""
    terms = np.zeros((draws, 1))
    terms[3] = -size
    weights, khat = smoothed_weights(terms)
    assert khat[0] == -np.inf
    assert reliable(khat, draws).all()
    np.testing.assert_array_equal(weights, 1 / draws)


def test_weights_that_are_taken_for_alike_could_not_move_a_mean() -> None:
    """The worst there is: half of the draws have all of the range, and the answer goes with it."""
    half = np.repeat([0.5, -0.5], 2000)
    weights = np.exp(-HARMLESS * half) / np.exp(-HARMLESS * half).sum()
    assert abs(weights @ half - half.mean()) < 6e-4 * half.std()
    terms = 3 * HARMLESS * np.random.default_rng(2).normal(size=(4000, 1))
    assert np.isfinite(smoothed_weights(terms)[1]).all()


def test_few_draws_have_no_tail_and_are_never_trusted() -> None:
    terms = np.random.default_rng(1).normal(size=(20, 1))
    weights, khat = smoothed_weights(terms)
    assert np.isnan(khat[0])
    np.testing.assert_allclose(weights[:, 0], np.exp(-terms[:, 0]) / np.exp(-terms[:, 0]).sum())
    assert not reliable(khat, 20).any()


def test_ratios_of_two_values_have_no_tail_to_fit() -> None:
    """The largest ones are all the same."""
    terms = np.where(np.arange(1000) % 2, 0.0, -1.0)[:, None]
    weights, khat = smoothed_weights(terms)
    assert np.isnan(khat[0])
    assert weights.sum() == pytest.approx(1.0)


def test_a_tail_that_is_too_heavy_is_not_trusted() -> None:
    terms = np.random.default_rng(3).standard_cauchy((4000, 1))
    khat = smoothed_weights(terms)[1]
    assert khat[0] > 0.7
    assert not reliable(khat, 4000).any()
