"""What is learnt of errors beside their size: degrees of freedom of heavy tails."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from reebayes.errors import StudyError
from reebayes.experiments.calibration.estimands import (
    NOISE,
    Estimand,
    estimands_of_draws,
    list_estimands,
)
from reebayes.inference.datatree import log_likelihood, replicate
from reebayes.inference.pit import HIGH, LOW, REPLICATED, transforms
from reebayes.inference.reweighting import observed
from reebayes.inference.sampling import fit
from reebayes.model import kernels
from reebayes.model.kernels import CERTAIN, EITHER, LOWER, PART, POINT, RANGE, UPPER, Figures
from reebayes.model.layout import Layout, lay_out
from reebayes.model.observations import freedoms, log_noises
from reebayes.model.prior_rows import FIXED, SCALE, prior_rows
from reebayes.results.reading import contents_of
from reebayes.simulation.records import simulate_records
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Study, read_study
from reebayes.study.targets import NOISE_SPREAD
from tests.numerics import differences
from tests.tiny import (
    LEARNT_FREEDOM,
    LEARNT_SPREAD,
    STUDY,
    learnt_tables,
    shared_tables,
    write_tables,
)

type Floats = NDArray[np.float64]

MEDIAN, SD = 4.0, 0.7
TARGET = "errors:freedom"
FREEDOM = LEARNT_FREEDOM


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("errors")


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return read_study(write_tables(folder / "learnt", **learnt_tables(FREEDOM)))


def point(layout: Layout, seed: int, size: float = 0.5) -> Floats:
    return size * np.random.default_rng(seed).standard_normal(layout.unknowns.size)


def at(layout: Layout, latents: Floats) -> tuple[Floats, Floats]:
    """Location and scale of every record."""
    state = kernels.states(latents, layout.equations.steps)
    location, scale = kernels.observe(state, latents, layout.equations)[2:]
    return location, scale


def drawn(layout: Layout, latents: Floats) -> dict[str, Floats]:
    """Draws (chain, draw, ...) of latent vectors."""
    pairs = [at(layout, one) for one in latents]
    return {
        "latents": latents[None],
        "location": np.stack([one[0] for one in pairs])[None],
        "scale": np.stack([one[1] for one in pairs])[None],
    }


# --- degrees of freedom ---------------------------------------------------------------------------


def test_degrees_of_freedom_are_one_more_unknown(study: Study, folder: Path) -> None:
    layout = lay_out(study)
    without = lay_out(read_study(write_tables(folder / "set", **learnt_tables("\n"))))
    assert layout.unknowns.size == without.unknowns.size + 1
    assert [name for name in layout.latents if name not in without.latents] == [TARGET]
    assert layout.unknowns.noise == without.unknowns.noise
    [row] = [row for row in prior_rows(study, layout) if row.prior.target == TARGET]
    assert row.kind == SCALE
    assert [layout.latents[n] for n in row.latents] == [TARGET]
    latents = np.zeros((2, layout.unknowns.size))
    latents[1, row.latents] = 1.5
    expected = [MEDIAN, MEDIAN * np.exp(1.5 * SD)]
    np.testing.assert_allclose(freedoms(layout.equations, latents), expected)
    parts = layout.equations.errors, layout.equations.figures
    assert kernels.freedom_of(latents[1], *parts) == pytest.approx(expected[1])
    np.testing.assert_allclose(freedoms(without.equations, latents[:, 1:]), 5.0)


def test_they_are_not_learnt_where_errors_are_normal_or_the_prior_has_no_spread(
    folder: Path,
) -> None:
    plain = lay_out(read_study(write_tables(folder / "plain", **shared_tables())))
    idle = read_study(write_tables(folder / "idle", **learnt_tables(FREEDOM) | {"study": STUDY}))
    assert lay_out(idle).latents == plain.latents
    assert lay_out(idle).equations.figures.freedom == 0.0
    [row] = [row for row in prior_rows(idle, lay_out(idle)) if row.prior.target == TARGET]
    assert row.kind == FIXED
    fixed = read_study(
        write_tables(folder / "fixed", **learnt_tables(FREEDOM.replace(",0.7,", ",0,")))
    )
    assert lay_out(fixed).latents == plain.latents
    assert lay_out(fixed).equations.figures.freedom == MEDIAN


KINDS = [POINT, UPPER, LOWER, RANGE, CERTAIN, EITHER, PART]


@given(
    st.integers(0, 2**32 - 1),
    st.floats(1.0, 300.0),
    st.sampled_from([0.0, 3.0, -40.0]),
)
def test_slope_in_the_degrees_of_freedom(seed: int, freedom: float, distance: float) -> None:
    """By differences of scipy's density; bounds and parts of compositions have none."""
    rng = np.random.default_rng(seed)
    kind = np.tile(KINDS, 3)
    low = rng.normal(size=kind.size)
    high = low + rng.uniform(0.1, 3, size=kind.size)
    location, scale = rng.normal(size=kind.size) + distance, rng.uniform(0.5, 2, size=kind.size)
    weight = rng.normal(size=kind.size)

    def law(value: Floats, heavy: Floats) -> Floats:
        return np.asarray(stats.t.logpdf(value, heavy[0], location, scale))

    def total(heavy: Floats) -> float:
        one, both = law(low, heavy), np.logaddexp(law(low, heavy), law(high, heavy))
        return float(weight @ np.where(kind == POINT, one, np.where(kind == EITHER, both, 0.0)))

    figures = Figures(kind, low, high, freedom)
    slope = kernels.freedom_adjoint(location, scale, figures, weight)
    expected = differences(total, np.array([freedom]), 1e-4 * freedom)[0]
    assert slope == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert kernels.freedom_adjoint(location, scale, figures._replace(freedom=0.0), weight) == 0.0


def test_simulated_figures_have_the_tails_of_their_world(study: Study) -> None:
    record = next(record for record in study.records if record.record == "r_value")
    planted = {TARGET: 1.2, "noise:survey": 1.0, "bias:survey": 0.0}
    world = simulate_world(study, seed=1, overrides=planted)
    printed = [
        simulate_records(study, world, seed=seed, design=[record]).records[0].value
        for seed in range(150)
    ]
    true = float(world.quantities.sel(year=record.year, quantity=record.quantity))
    z = (np.log(np.array(printed, dtype=float)) - np.log(true)) / record.sd
    assert stats.kstest(z, stats.t(1.2).cdf).pvalue > 1e-3
    # nine in a hundred lie so far out; of four degrees of freedom it is one
    assert (np.abs(z) > 5).mean() > 0.03
    with pytest.raises(ValueError, match="one number for all years"):
        simulate_world(study, seed=1, overrides={TARGET: [2.0] * 5 + [3.0]})


def test_every_draw_scores_and_prints_with_its_own_tails(study: Study) -> None:
    layout = lay_out(study)
    latents = np.stack([point(layout, seed) for seed in range(3)])
    latents[:, layout.latents.index(TARGET)] = [-2.0, 0.0, 3.0]
    draws = drawn(layout, latents)
    terms = log_likelihood(layout, draws)[0]
    own = MEDIAN * np.exp(SD * np.array([-2.0, 0.0, 3.0]))
    n = layout.records.index("r_value")
    low = layout.equations.figures.low[n]
    expected = stats.t.logpdf(low, own, draws["location"][0, :, n], draws["scale"][0, :, n])
    np.testing.assert_allclose(terms[:, n], expected)
    found = estimands_of_draws(everything(layout, draws), layout)
    whole = found[Estimand("log-likelihood", "all records")][0]
    np.testing.assert_allclose(whole, terms.sum(axis=1))
    np.testing.assert_allclose(found[Estimand(NOISE, TARGET)][0], np.log(own))
    assert Estimand(NOISE, TARGET) in list_estimands(study)
    many = {name: np.repeat(values[:, :1], 4000, axis=1) for name, values in draws.items()}
    printed = replicate(layout, many, np.random.default_rng(0))[0, :, n]
    z = (printed - many["location"][0, 0, n]) / many["scale"][0, 0, n]
    assert stats.kstest(z, stats.t(own[0]).cdf).pvalue > 1e-3


def everything(layout: Layout, draws: dict[str, Floats]) -> dict[str, Floats]:
    """Draws with what test quantities need beside records."""
    shape, years = draws["location"].shape[:2], len(layout.years)
    return draws | {
        "flows": np.ones((*shape, years, len(layout.flows))),
        "bias": np.zeros((*shape, years, len(layout.reporters))),
        "noise": np.ones((*shape, len(layout.reporters))),
        "noise_of_all": np.ones(shape),
        "shared_error": np.zeros((*shape, len(layout.shared))),
        "step_scale": np.ones((*shape, 4)),
    }


def test_held_out_figures_are_placed_in_the_mixture_of_their_draws() -> None:
    rng = np.random.default_rng(1)
    freedom = np.exp(rng.normal(1.0, 0.5, 300))
    location, scale = rng.normal(size=(300, 3)), np.full((300, 3), 0.7)
    figures = Figures(
        np.array([POINT, UPPER, EITHER]),
        np.array([1.0, 0.0, -4.0]),
        np.array([0.0, 2.0, 4.0]),
        float(np.median(freedom)),
    )
    found = transforms(location, scale, figures, np.random.default_rng(2), freedom)
    z = (1.0 - location[:, 0]) / 0.7
    assert found[LOW][0] == pytest.approx(stats.t.cdf(z, freedom).mean())
    # a bound is normal whatever figures are
    assert found[HIGH][1] == pytest.approx(stats.norm.cdf((2.0 - location[:, 1]) / 0.7).mean())
    places = [
        float(stats.t.cdf((value - location[:, 2]) / 0.7, freedom).mean()) for value in (-4.0, 4.0)
    ]
    assert min(abs(found[LOW][2] - place) for place in places) < 1e-9
    replicas = found[REPLICATED][:, 0]
    assert stats.kstest(replicas, "uniform").pvalue > 1e-3


@pytest.fixture(scope="module")
def fitted(study: Study) -> xr.DataTree:
    return fit(study, seed=1, draws=100, tune=150, chains=2, progress=False)


def test_a_fit_holds_what_it_learnt_of_tails(study: Study, fitted: xr.DataTree) -> None:
    contents = contents_of(fitted)
    latents = fitted["posterior"]["latents"].sel(latent=TARGET).values
    assert contents.freedom == pytest.approx(MEDIAN * np.exp(SD * np.median(latents)), rel=1e-6)
    layout = lay_out(study)
    all_of_them = fitted["posterior"]["latents"].values[0, ::40].astype(float)
    terms = observed(layout, layout.equations, all_of_them, np.array([], dtype=int))[1]
    kept = contents.log_likelihood.values[0, ::40]
    np.testing.assert_allclose(terms, kept, rtol=2e-3, atol=2e-3)


@pytest.mark.slow
def test_the_posterior_of_the_degrees_of_freedom_is_that_of_a_grid(folder: Path) -> None:
    """Of a study whose flows are known: one number is left, whose posterior a grid settles."""
    rng = np.random.default_rng(4)
    records = known_flow_records(rng.standard_t(2.0, 60))
    known = read_study(write_tables(folder / "known", **known_tables(records)))
    posterior = fit(known, seed=2, draws=1000, tune=500, chains=4, progress=False)["posterior"]
    logs = np.log(MEDIAN) + SD * posterior["latents"].sel(latent=TARGET).values.ravel()
    grid = np.linspace(-1.5, 5.0, 400)
    errors = np.array([float(line.split(",")[5]) for line in records])
    z = np.log(errors / 10.0) / 0.2
    density = stats.norm.logpdf(grid, np.log(MEDIAN), SD) + np.array([
        stats.t.logpdf(z, np.exp(one)).sum() for one in grid
    ])  # fmt: skip
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    mean = weight @ grid
    assert logs.mean() == pytest.approx(mean, abs=0.08)
    assert logs.std() == pytest.approx(np.sqrt(weight @ (grid - mean) ** 2), rel=0.15)


def known_flow_records(errors: Floats) -> list[str]:
    return [
        f"k_{n},mined_registered,{2010 + n % 6},,value,{10 * np.exp(0.2 * error)!r},,,kt REO,,0.2,"
        "survey,yearbook,"
        for n, error in enumerate(errors)
    ]


def known_tables(records: list[str]) -> dict[str, str]:
    """Return tables in which concentrate is 10 kt, and the survey has neither bias nor noise."""
    head = shared_tables()["records"].splitlines()[0].removesuffix(",shared,lag,other,status")
    narrow = shared_tables()["priors"].replace(
        "ore,,,lognormal,20,0.5,0.1,", "ore,,,lognormal,20,0.0001,,"
    ).replace("concentrate,,,share,0.6,0.4,", "concentrate,,,share,0.5,0.0001,")  # fmt: skip
    kept = [
        line for line in narrow.splitlines()
        if not line.startswith(("bias:", "noise:", "shared:", "step:"))
    ]  # fmt: skip
    kept += [
        "bias:survey,,,normal,0,0,,log scale,judgement-reporters,",
        "noise:survey,,,lognormal,1,0,,multiplier,judgement-reporters,",
        FREEDOM.strip(),
    ]
    return {
        "study": learnt_tables()["study"],
        "records": "\n".join([head, *records]) + "\n",
        "priors": "\n".join(kept) + "\n",
    }


# --- the spread of noise over reporters -----------------------------------------------------------


def test_the_spread_of_noise_is_one_more_unknown(folder: Path) -> None:
    study = read_study(write_tables(folder / "spread", **shared_tables() | spread_rows(1.5, 0.4)))
    layout = lay_out(study)
    at = layout.latents.index(SPREAD)
    assert layout.unknowns.learnt_at(NOISE_SPREAD).tolist() == [at]
    [row] = [row for row in prior_rows(study, layout) if row.prior.target == SPREAD]
    assert (row.kind, row.latents.tolist()) == (SCALE, [at])
    latents = np.zeros((2, layout.unknowns.size))
    first = layout.unknowns.scales_start
    latents[:, first : first + len(layout.reporters) + 1] = 1.0
    latents[1, at] = 2.0
    errors = layout.equations.errors
    found = log_noises(errors, latents) - errors.noise_mean
    stretch = np.array([1.5, 1.5 * np.exp(0.8)])
    np.testing.assert_allclose(found[:, :-1], stretch[:, None] * errors.noise_sd[:-1])
    np.testing.assert_allclose(found[:, -1], 0.5)  # what all have in common


def test_a_spread_of_noise_may_be_set(folder: Path) -> None:
    plain = read_study(write_tables(folder / "before", **shared_tables() | spread_rows(1.0, 0.0)))
    study = read_study(write_tables(folder / "twice", **shared_tables() | spread_rows(2.0, 0.0)))
    assert lay_out(study).latents == lay_out(plain).latents
    latent = point(lay_out(plain), 4)
    twice = latent.copy()
    unknowns = lay_out(plain).unknowns
    twice[unknowns.scales_start : unknowns.steps_start - 1] *= 2
    np.testing.assert_allclose(
        kernels.spreads(latent, lay_out(study).equations.errors),
        kernels.spreads(twice, lay_out(plain).equations.errors),
    )


def test_worlds_differ_by_the_spread_that_they_drew(folder: Path) -> None:
    study = read_study(write_tables(folder / "worlds", **shared_tables() | spread_rows(1.0, 0.4)))
    usual, wide = (
        simulate_world(study, seed=2, overrides={SPREAD: factor}) for factor in (1.0, 3.0)
    )
    assert float(usual.noise_of_all) == float(wide.noise_of_all) != 1.0
    own, wider = (
        float(np.log(one.noise.sel(reporter="survey") / one.noise_of_all)) for one in (usual, wide)
    )
    assert wider == pytest.approx(3 * own)


SPREAD = "noise:spread"


def spread_rows(median: float, sd: float) -> dict[str, str]:
    """Return priors with a spread of noise, and noise that all reporters have in common."""
    row = LEARNT_SPREAD.replace(",1,0.4,", f",{median:g},{sd:g},")
    both = "noise:all,,,lognormal,1,0.5,,multiplier,judgement-reporters,\n" + row
    return {"priors": shared_tables()["priors"] + both}


BAD = (
    (LEARNT_SPREAD.replace(",1,0.4,", ",0,0.4,"), "median", "0 is not above 0"),
    (LEARNT_SPREAD.replace("noise:spread,", "noise:spred,"), "target", "Did you mean 'spread'"),
    (FREEDOM.replace(",4,", ",0.5,"), "median", "0.5 is not a number from 1 up"),
    (FREEDOM.replace(",0.7,,", ",0.7,0.1,"), "step", "one number for the whole study"),
    (FREEDOM.replace("freedom,", "freedoms,", 1), "target", "Did you mean 'errors:freedom'"),
    (FREEDOM.replace("lognormal", "normal"), "distribution", "is lognormal, not normal"),
    (FREEDOM.replace(",0.7,", ",-1,"), "sd", "sd -1 is not 0 or more"),
)


@pytest.mark.parametrize(("row", "column", "message"), BAD)
def test_a_bad_row_is_told_with_its_place(
    tmp_path: Path, row: str, column: str, message: str
) -> None:
    with pytest.raises(StudyError) as caught:
        read_study(write_tables(tmp_path / "bad", **learnt_tables(row)))
    [fault] = caught.value.faults
    assert (fault.table, fault.column) == ("priors.csv", column)
    assert message in fault.message
