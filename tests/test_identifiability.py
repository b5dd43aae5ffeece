"""Local identifiability, held against finite differences and dense algebra."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from reebayes.errors import ResultError
from reebayes.inference.identifiability import identify
from reebayes.model.kernels import observe, record_terms, states
from reebayes.model.layout import Layout, lay_out
from reebayes.results.summaries import directions_text
from reebayes.study import Study, read_study
from tests.tiny import without_anchor

WIDTH = 1e-5


@pytest.fixture
def study(tiny_study: Path) -> Study:
    return read_study(tiny_study)


def expected_of(layout: Layout, latent: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Locations and scales of records, and quantities (year, quantity), of one latent vector."""
    state = states(latent, layout.equations.steps)
    _, flow, location, scale = observe(state, latent, layout.equations)
    total = flow.T @ layout.numerators
    below = flow.T @ layout.denominators
    return location, scale, np.where(layout.ratio, total / np.where(below > 0, below, 1), total)


def slopes(layout: Layout, latent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of locations and quantities in all unknowns but the noise, by differences."""
    unknowns = layout.unknowns
    free = [n for n in range(unknowns.size)
            if not unknowns.scales_start <= n < unknowns.steps_start]  # fmt: skip
    rows = []
    for n in free:
        shift = np.zeros(unknowns.size)
        shift[n] = WIDTH
        after, before = expected_of(layout, latent + shift), expected_of(layout, latent - shift)
        rows.append([(a - b) / (2 * WIDTH) for a, b in zip(after, before, strict=True)])
    return np.array([row[0] for row in rows]).T, np.array([row[2] for row in rows])


def precisions(layout: Layout, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Curvature of every record's log-likelihood about its location, by second differences."""
    step = 1e-3 * scale
    ends = [
        record_terms(location + sign * step, scale, layout.equations.figures) for sign in (-1, 0, 1)
    ]
    return np.maximum((2 * ends[1] - ends[0] - ends[2]) / step**2, 0)


@pytest.mark.parametrize("seed", [None, 3])
def test_spectrum_and_shares_are_those_of_dense_algebra(study: Study, seed: int | None) -> None:
    layout = lay_out(study)
    latent = np.zeros(layout.unknowns.size)
    if seed is not None:
        latent = 0.5 * np.random.default_rng(seed).standard_normal(latent.size)
    located, quantities = slopes(layout, latent)
    location, scale, _ = expected_of(layout, latent)
    told = located * np.sqrt(precisions(layout, location, scale))[:, None]
    rank = identify(study, None if seed is None else fit_at(study, latent))
    values = np.linalg.svd(told, compute_uv=False)
    np.testing.assert_allclose(rank["singular_value"][: values.size], values, rtol=1e-3, atol=1e-3)
    assert (rank["singular_value"][values.size :] == 0).all()

    posterior = np.linalg.inv(np.eye(told.shape[1]) + told.T @ told)
    value, vectors = np.linalg.eigh(told.T @ told)
    seen = vectors[:, value > 1]
    for year, quantity in np.ndindex(quantities.shape[1:]):
        slope = quantities[:, year, quantity]
        at = {"year": layout.years[year], "quantity": layout.quantities[quantity]}
        found = rank.sel(at)
        if not slope.any():
            assert np.isnan(found["expected_contraction"])
            continue
        prior = slope @ slope
        left = np.sqrt(slope @ posterior @ slope / prior)
        assert float(found["expected_contraction"]) == pytest.approx(1 - left, abs=2e-3)
        share = np.square(seen.T @ slope).sum() / prior
        assert float(found["seen_share"]) == pytest.approx(share, abs=2e-3)


def fit_at(study: Study, latent: np.ndarray) -> xr.DataTree:
    """A fit whose posterior mean of the unknowns is a given vector."""
    pair = np.stack([latent - 0.1, latent + 0.1])[None]
    draws = xr.Dataset({"latents": (("chain", "draw", "latent"), pair)})
    fit = xr.DataTree.from_dict({"posterior": draws})
    fit.attrs = {"study_hash": study.hash}
    return fit


def test_every_direction_is_counted_once(study: Study) -> None:
    rank = identify(study)
    counts = rank.attrs
    unknowns = lay_out(study).unknowns
    assert counts["directions"] == unknowns.size - unknowns.reporters - 1
    assert counts["seen"] + counts["faint"] + counts["unseen"] == counts["directions"]
    assert counts["seen"] + counts["faint"] <= counts["informative_records"] <= counts["records"]
    # r_zero is of a year in which the flow cannot be, so it tells nothing
    assert counts["informative_records"] == len(study.records) - 1
    assert (np.diff(rank["singular_value"]) <= 0).all()


def test_more_records_see_no_less(study: Study) -> None:
    more, fewer = identify(study), identify(study.without_source("article"))
    gain = more["expected_contraction"] - fewer["expected_contraction"]
    assert float(gain.min()) > -1e-9
    assert float(gain.max()) > 0.1
    assert more.attrs["seen"] >= fewer.attrs["seen"]
    assert more.attrs["unseen"] < fewer.attrs["unseen"]


def test_a_second_record_of_the_same_adds_no_direction(study: Study) -> None:
    record = study.records["r_value"]
    twice = study.with_records(
        [*study.records, replace(record, record="r_again", source="article")]
    )
    one, two = identify(study), identify(twice)
    assert two.attrs["unseen"] == one.attrs["unseen"]
    assert two["singular_value"].max() > one["singular_value"].max()


def test_without_the_anchor_bias_and_flow_are_seen_together_only(study: Study) -> None:
    """The direction of their sum stays seen; what tells them apart is left to the prior."""
    free = without_anchor(study)
    anchored = free.with_prior("bias:survey", sd=0.02)
    at = {"quantity": "mined_registered", "year": 2010}
    known, loose = (float(identify(s)["expected_contraction"].sel(at)) for s in (anchored, free))
    assert known > 0.7
    assert loose < 0.4
    assert identify(free)["singular_value"].max() > identify(anchored)["singular_value"].max()


def test_the_fit_must_be_of_the_study(study: Study) -> None:
    other = study.with_prior("ore", median=21.0)
    fit = fit_at(other, np.zeros(lay_out(study).unknowns.size))
    with pytest.raises(ResultError, match="not a fit of the study 'Tiny'"):
        identify(study, fit)
    assert identify(other, fit).attrs["at"] == "posterior mean"


def test_the_sentence_tells_the_counts(study: Study) -> None:
    rank = identify(study)
    text = directions_text(rank.attrs)
    for name in ("records", "seen", "faint", "unseen", "directions"):
        assert f" {rank.attrs[name]:,}" in text
    assert text.startswith("Local identifiability at the centre of the priors: ")
