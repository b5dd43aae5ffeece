"""Which states are moved as sum and ratio, and that doing so straightens what is bent."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import reebayes as rb
from reebayes.inference.pairs import find_pairs
from reebayes.model.kernels import join, split, states
from reebayes.model.layout import Layout, lay_out
from tests.tiny import write_tables

type Floats = NDArray[np.float64]

SIZE = 400
HIDDEN, MINED = "hidden_ore", "mined"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A study in which a record sees what is mined with and without licence as one sum."""
    study = rb.read_study(write_tables(tmp_path_factory.mktemp("pairs") / "tiny"))
    moving = [replace(prior, step=0.3) if prior.target in (HIDDEN, "concentrate") else prior
              for prior in study.priors]  # fmt: skip
    study = study.with_record("r_mean", quantity=MINED, year=2010, year_end=2010, kind="value")
    return lay_out(replace(study, priors=rb.Table(rb.Prior, moving)))


@pytest.fixture(scope="module")
def pooled(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The same, but the record sees what goes abroad from where both kinds of ore come together."""
    study = rb.read_study(write_tables(tmp_path_factory.mktemp("pooled") / "tiny"))
    moving = [replace(prior, step=0.3) if prior.target in (HIDDEN, "concentrate") else prior
              for prior in study.priors]  # fmt: skip
    study = study.with_record("r_mean", quantity="exported", year=2010, year_end=2010, kind="value")
    return lay_out(replace(study, priors=rb.Table(rb.Prior, moving)))


def drawn(layout: Layout, *, known: str, by: str = "ore") -> tuple[Floats, Floats]:
    """States and latent vectors: of 2010 the ore's sum is known, or its larger part.

    What is mined with a licence varies with the ore, or with the yield of the mine.
    """
    rng = np.random.default_rng(5)
    latents = 0.3 * rng.standard_normal((SIZE, layout.unknowns.size))
    paths = np.array([states(latent, layout.equations.steps) for latent in latents])
    columns, means = layout.unknowns.columns, layout.equations.centres.mean
    sds = layout.equations.centres.sd
    ore, hidden = columns.index("ore"), columns.index(HIDDEN)
    yields = means[columns.index("concentrate"), 0]
    licensed = np.log(1.0 / (1.0 + np.exp(-yields)))
    ratio = np.log(0.4) + 0.8 * rng.standard_normal(SIZE)
    first = np.log(20.0) + 0.05 * rng.standard_normal(SIZE)
    if known == "sum":
        first -= np.logaddexp(0.0, ratio)
    second = first + ratio
    paths[:, 0, hidden] = (second - means[hidden, 0]) / sds[hidden, 0]
    if by == "ore":
        paths[:, 0, ore] = (first - licensed - means[ore, 0]) / sds[ore, 0]
        return paths, latents
    paths[:, 0, ore] = (np.log(60.0) - means[ore, 0]) / sds[ore, 0]
    at, part = columns.index("concentrate"), np.exp(first) / 60.0
    paths[:, 0, at] = (np.log(part / (1 - part)) - means[at, 0]) / sds[at, 0]
    return paths, latents


def in_2010(layout: Layout, places: NDArray[np.int64]) -> list[str]:
    """Names of the series among states that are of the first year."""
    return [layout.unknowns.columns[n] for n in places if n < layout.unknowns.varying]


def test_a_sum_that_is_known_better_than_its_terms_is_paired(layout: Layout) -> None:
    paths, latents = drawn(layout, known="sum")
    pairs = find_pairs(layout, paths, latents)
    columns = layout.unknowns.columns
    assert in_2010(layout, pairs.first) == ["ore"]
    assert in_2010(layout, pairs.second) == [HIDDEN]
    assert {columns.index("ore"), columns.index(HIDDEN)} <= set(pairs.series)
    paired = np.array([join(path, pairs).ravel() for path in paths])
    bent, straight = (abs(stats.skew(values[:, columns.index("ore")]))
                      for values in (paths.reshape(SIZE, -1), paired))  # fmt: skip
    assert straight < 0.3 < bent
    np.testing.assert_allclose(split(paired[0].reshape(paths[0].shape), pairs), paths[0])


def test_a_flow_out_of_a_pool_is_the_sum_of_what_flows_into_it(pooled: Layout) -> None:
    pairs = find_pairs(pooled, *drawn(pooled, known="sum"))
    assert in_2010(pooled, pairs.first) == ["ore"]
    assert in_2010(pooled, pairs.second) == [HIDDEN]
    assert find_pairs(pooled, *drawn(pooled, known="first")).first.size == 0


def test_a_term_is_led_by_what_moves_it_over_the_draws(layout: Layout) -> None:
    """And not by what would move it most if it were unknown: the ore here, which is known."""
    pairs = find_pairs(layout, *drawn(layout, known="sum", by="yield"))
    assert in_2010(layout, pairs.first) == ["concentrate"]
    assert in_2010(layout, pairs.second) == [HIDDEN]


def test_terms_that_are_known_themselves_are_left_alone(layout: Layout) -> None:
    assert find_pairs(layout, *drawn(layout, known="first")).first.size == 0


def test_without_draws_that_differ_there_is_no_pair(layout: Layout) -> None:
    paths, latents = drawn(layout, known="sum")
    assert find_pairs(layout, paths[:1], latents[:1]).first.size == 0


def test_a_study_in_which_nothing_varies_has_no_pair() -> None:
    """The example of zinc is of one year, and some of its figures are of what leaves a pool."""
    zinc = lay_out(rb.read_study("zinc"))
    rng = np.random.default_rng(1)
    latents = 0.3 * rng.standard_normal((40, zinc.unknowns.size))
    paths = np.array([states(latent, zinc.equations.steps) for latent in latents])
    assert find_pairs(zinc, paths, latents).first.size == 0
