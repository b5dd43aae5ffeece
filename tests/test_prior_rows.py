"""Rows of the priors among the unknowns, and draws reweighted to priors that are moved."""

from pathlib import Path

import numpy as np
import pytest

from reebayes.inference.reweighting import PriorDraws
from reebayes.model.kernels import innovations, persistences, states
from reebayes.model.layout import Layout, lay_out
from reebayes.model.prior_rows import CONSTANT, MOVING, PARTED, SCALE, TOGETHER, prior_rows
from reebayes.study import Study, read_study
from tests.linear import linear_study
from tests.shares import PRIORS as SHARES
from tests.shares import shares_study
from tests.tiny import PRIORS, gradual_tables, shared_tables, write_tables


@pytest.fixture(
    scope="module", params=["tiny", "shared", "mixed", "gradual", "linear", "still", "bundled"]
)
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("rows") / "study"
    if request.param == "linear":
        return linear_study(folder)
    if request.param == "still":  # shares of a market that never change
        return shares_study(folder, "", priors=SHARES.replace(",1.0,0.2,share", ",1.0,,share"))
    if request.param == "bundled":
        return read_study()
    texts = shared_tables() if request.param == "shared" else {}
    texts = gradual_tables() if request.param == "gradual" else texts
    if request.param == "mixed":  # a share that moves beside one that does not
        texts = {
            "priors": PRIORS.replace(
                "scrap,2012,2015,share,0.1,0.8,,", "scrap,,,share,0.1,0.8,0.2,"
            )
        }
    return read_study(write_tables(folder, **texts), recalled=True)


def test_every_unknown_has_its_prior_from_one_row(study: Study) -> None:
    layout = lay_out(study)
    rows = prior_rows(study, layout)
    assert [row.prior for row in rows] == list(study.priors)
    entries = np.concatenate([row.latents for row in rows])
    assert len(set(entries.tolist())) == entries.size
    idle = sorted(set(range(layout.unknowns.size)) - set(entries.tolist()))
    # the rest is multiplied by a spread of 0: it moves nothing
    steps, errors = layout.equations.steps, layout.equations.errors
    scales = np.concatenate([errors.noise_sd, steps.step_sd])
    assert all(scales[n - layout.unknowns.scales_start] == 0 for n in idle)


def test_a_year_is_governed_by_one_row_of_each_target(study: Study) -> None:
    rows = prior_rows(study, lay_out(study))
    for target in {row.prior.target for row in rows}:
        years = np.concatenate([row.years for row in rows if row.prior.target == target])
        assert sorted(years.tolist()) == list(range(len(study.years)))


# --- densities ------------------------------------------------------------------------------------


def log_density(study: Study, levels: np.ndarray, latents: np.ndarray) -> np.ndarray:
    """Log density of levels (draw, year, column) as the model of a study has it."""
    layout = lay_out(study)
    centres, steps, count = layout.equations.centres, layout.equations.steps, levels.shape[2]
    found = []
    for level, latent in zip(levels, latents, strict=True):
        state = np.ascontiguousarray(((level.T - centres.mean[:count]) / centres.sd[:count]).T)
        table = persistences(latent, steps)
        shocks = innovations(state, steps.which, table)
        spread = 0.5 * np.log(table[1])[steps.which][1:].sum() + np.log(centres.sd[:count]).sum()
        found.append(-0.5 * np.square(shocks).sum() - spread)
    return np.array(found)


def levels_of(layout: Layout, latents: np.ndarray) -> np.ndarray:
    """Levels (draw, year, column) of what changes over the years."""
    count, centres = layout.unknowns.varying, layout.equations.centres
    return np.array([
        (centres.mean[:count] + centres.sd[:count] * states(one, layout.equations.steps).T).T
        for one in latents
    ])  # fmt: skip


CHANGES = ({"shift": 1.0}, {"shift": -1.0}, {"stretch": 2.0}, {"stretch": 0.5})


def test_ratios_of_priors_are_those_of_the_changed_study(study: Study) -> None:
    layout = lay_out(study)
    latents = 0.7 * np.random.default_rng(0).standard_normal((3, layout.unknowns.size))
    draws = PriorDraws(study, layout, latents)
    levels = levels_of(layout, latents)
    base = log_density(study, levels, latents)
    moving = [row for row in prior_rows(study, layout) if row.kind == MOVING]
    # of the bundled study every tenth: all of them are minutes
    for row in moving[:: 10 if len(moving) > 60 else 1]:
        for change in CHANGES:
            edit = {"sd": row.prior.sd * change["stretch"]} if "stretch" in change else change
            other = study.with_prior(row.prior.target, year=row.prior.year, **edit)
            expected = log_density(other, levels, latents) - base
            found = draws.log_ratio(row, **change)
            np.testing.assert_allclose(
                found, expected, rtol=1e-8, atol=1e-8, err_msg=str(row.prior)
            )


def test_ratios_of_constants_are_those_of_two_normals(study: Study) -> None:
    from scipy.stats import norm

    layout = lay_out(study)
    latents = np.random.default_rng(1).standard_normal((5, layout.unknowns.size))
    draws = PriorDraws(study, layout, latents)
    for row in prior_rows(study, layout):
        if row.kind not in (CONSTANT, SCALE):
            continue
        for change in CHANGES:
            shift, stretch = change.get("shift", 0.0), change.get("stretch", 1.0)
            value = latents[:, row.latents]
            expected = norm.logpdf(value, shift, stretch) - norm.logpdf(value)
            found = draws.log_ratio(row, **change)
            np.testing.assert_allclose(found, expected.sum(axis=1), atol=1e-10)


def test_ratios_of_shares_that_never_change_are_those_of_the_changed_study(study: Study) -> None:
    """The centres of all shares of a process move if one of them does."""
    from scipy.stats import norm

    layout = lay_out(study)
    unknowns = layout.unknowns
    latents = np.random.default_rng(3).standard_normal((5, unknowns.size))
    draws = PriorDraws(study, layout, latents)
    still = slice(unknowns.varying, unknowns.varying + unknowns.constant)
    mean, sd = (table[still, -1] for table in layout.equations.centres[:2])
    levels = mean + sd * latents[:, unknowns.states : unknowns.states + unknowns.constant]
    rows = [row for row in prior_rows(study, layout) if row.kind == TOGETHER]
    assert len(rows) == (3 if study.name == "Shares" else 0)
    for row in rows:
        for change in CHANGES:
            edit = {"sd": row.prior.sd * change["stretch"]} if "stretch" in change else change
            other = study.with_prior(row.prior.target, **edit)
            centre, spread = (table[still, -1] for table in lay_out(other).equations.centres[:2])
            expected = norm.logpdf(levels, centre, spread) - norm.logpdf(levels, mean, sd)
            found = draws.log_ratio(row, **change)
            np.testing.assert_allclose(found, expected.sum(axis=1), atol=1e-9)


def test_scores_are_derivatives_of_the_ratio(study: Study) -> None:
    layout = lay_out(study)
    latents = 0.7 * np.random.default_rng(2).standard_normal((3, layout.unknowns.size))
    draws = PriorDraws(study, layout, latents)
    step = 1e-5
    for row in prior_rows(study, layout):
        if row.kind not in (MOVING, CONSTANT, SCALE, TOGETHER):
            continue
        shift, spread = draws.scores(row)
        by_shift = draws.log_ratio(row, shift=step) - draws.log_ratio(row, shift=-step)
        by_spread = draws.log_ratio(row, stretch=np.exp(step)) - draws.log_ratio(
            row, stretch=np.exp(-step)
        )
        for found, ends in ((shift, by_shift), (spread, by_spread)):
            np.testing.assert_allclose(found, ends / (2 * step), rtol=1e-3, atol=1e-3)


def test_equations_with_a_row_changed_are_those_of_the_changed_study(study: Study) -> None:
    layout = lay_out(study)
    draws = PriorDraws(study, layout, np.zeros((1, layout.unknowns.size)))
    for row in [row for row in prior_rows(study, layout) if row.kind == PARTED][:3]:
        for change in CHANGES:
            edit = {"sd": row.prior.sd * change["stretch"]} if "stretch" in change else change
            other = study.with_prior(row.prior.target, year=row.prior.year, **edit)
            expected, found = lay_out(other).equations, draws.changed(row, **change)
            for name in ("mean", "sd"):
                wanted, got = getattr(expected.centres, name), getattr(found.centres, name)
                np.testing.assert_allclose(got, wanted, atol=1e-10)
            for name in ("ratio", "jump", "group"):
                wanted, got = (
                    getattr(one.steps, name)[one.steps.which] for one in (expected, found)
                )
                np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_rows_that_the_density_does_not_settle_are_refused(tmp_path: Path) -> None:
    study = linear_study(tmp_path / "study")
    layout = lay_out(study)
    draws = PriorDraws(study, layout, np.zeros((1, layout.unknowns.size)))
    row = next(row for row in prior_rows(study, layout) if row.kind == PARTED)
    with pytest.raises(ValueError, match="is parted"):
        draws.scores(row)
    with pytest.raises(ValueError, match="is parted"):
        draws.log_ratio(row, shift=1.0)
