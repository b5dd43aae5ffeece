"""The convergence gate: its figures against ArviZ's, and what it refuses."""

import json

import numpy as np
import pytest
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from scipy.signal import lfilter

from reebayes.conventions import GATE
from reebayes.inference import convergence as diagnostics

type Floats = NDArray[np.float64]

VARIABLES = 12
TAIL = (0.05, 0.95)  # the ends of the default band, not ArviZ's own


def noise(seed: int, chains: int = 4, draws: int = 500) -> Floats:
    return np.random.default_rng(seed).standard_normal((chains, draws, VARIABLES))


def autoregressive(persistence: float, **size: int) -> Floats:
    return lfilter([1.0], [1.0, -persistence], noise(2, **size), axis=1)


def apart(distance: float) -> Floats:
    return noise(3) + distance * np.arange(4)[:, None, None]


def heavy() -> Floats:
    return np.random.default_rng(4).standard_cauchy((4, 500, VARIABLES))


CASES = {
    "white noise": noise(1),
    "persistent": autoregressive(0.9),
    "very persistent": autoregressive(0.99),
    "alternating": autoregressive(-0.6),
    "strongly alternating": autoregressive(-0.95),
    "different means": apart(0.3),
    "far apart": apart(5.0),
    "different spreads": noise(5) * np.array([1.0, 1.0, 1.0, 4.0])[:, None, None],
    "drift": noise(6) + np.linspace(0, 3, 500)[None, :, None],
    "heavy tails": heavy(),
    "ties": np.round(noise(7)),
    "mostly zero": np.maximum(noise(8) - 1.0, 0.0),
    "odd": noise(9, draws=501),
    "odd and persistent": autoregressive(0.7, draws=333),
    "two chains": noise(10, chains=2),
    "one chain": noise(11, chains=1),
    "few draws": noise(12, draws=100),
}


# Where the autocorrelation has not died out at the last lag, ArviZ leaves the last few lags out of
# the sum and gets more; here they count.
UNSETTLED = {
    "persistent": 0.99,
    "very persistent": 0.98,
    "different means": 0.98,
    "far apart": 0.98,
    "different spreads": 0.98,
    "drift": 0.98,
}


def same_size(case: str, actual: Floats, expected: Floats) -> None:
    """Compare effective sample sizes: equal, and never above ArviZ's."""
    assert (actual <= expected * (1 + 1e-10)).all()
    assert (actual >= expected * UNSETTLED.get(case, 1 - 1e-10)).all()


def arviz(name: str, draws: Floats, **options: object) -> Floats:
    """One ArviZ figure of every variable."""
    function = getattr(array_stats, name)
    return np.array([
        function(draws[..., n], chain_axis=0, draw_axis=1, **options)
        for n in range(draws.shape[2])
    ])  # fmt: skip


@pytest.mark.parametrize("case", sorted(set(CASES) - {"one chain"}))  # ArviZ wants two
def test_rhat_is_that_of_arviz(case: str) -> None:
    expected = arviz("rhat", CASES[case], method="rank")
    # Folding makes a few ties, which are ranked as they come; the gate looks at 0.01.
    np.testing.assert_allclose(diagnostics.rhat(CASES[case]), expected, rtol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_ess_bulk_is_that_of_arviz(case: str) -> None:
    expected = arviz("ess", CASES[case], method="bulk")
    same_size(case, diagnostics.ess_bulk(CASES[case]), expected)


@pytest.mark.parametrize("case", CASES)
def test_ess_tail_is_that_of_arviz_at_the_ends_of_the_band(case: str) -> None:
    expected = arviz("ess", CASES[case], method="tail", prob=TAIL)
    same_size(case, diagnostics.ess_tail(CASES[case]), expected)


def test_bfmi_is_that_of_arviz() -> None:
    energy = np.moveaxis(autoregressive(0.8), 2, 0)
    for chains in energy:
        expected = array_stats.bfmi(chains, chain_axis=0, draw_axis=1)
        np.testing.assert_allclose(diagnostics.bfmi(chains), expected, rtol=0.01)


def test_a_constant_has_no_rhat_and_all_its_draws() -> None:
    still = np.full((4, 100, 2), 3.0)
    assert np.isnan(diagnostics.rhat(still)).all()
    assert (diagnostics.ess_bulk(still) == 400).all()
    assert (diagnostics.ess_tail(still) == 400).all()


# --- the gate -------------------------------------------------------------------------------------

YEARS = [2010, 2011, 2012]
FLOWS = ["mined_CN", "smuggled_CN", "exported_CN"]


def posterior(draws: int = 500) -> xr.Dataset:
    rng = np.random.default_rng(20)
    flows = np.exp(rng.standard_normal((4, draws, len(YEARS), len(FLOWS))))
    flows[..., 0, 2] = 0.0  # a structural zero
    noises = rng.standard_normal((4, draws, 2))
    return xr.Dataset(
        {
            "flows": (("chain", "draw", "year", "flow"), flows),
            "noise": (("chain", "draw", "reporter"), noises),
            "alone": (("chain", "draw"), rng.standard_normal((4, draws))),
        },
        coords={"year": YEARS, "flow": FLOWS, "reporter": ["survey", "customs"]},
    )


def statistics(draws: int = 500) -> xr.Dataset:
    shape = (4, draws)
    values = {
        "diverging": np.zeros(shape, dtype=bool),
        "energy": np.random.default_rng(21).standard_normal(shape),
        "maxdepth_reached": np.zeros(shape, dtype=bool),
        "n_steps": np.full(shape, 15),
    }
    return xr.Dataset({name: (("chain", "draw"), value) for name, value in values.items()})


AT = {"flow": "smuggled_CN", "year": 2011}


def test_white_noise_passes() -> None:
    figures = diagnostics.diagnose(posterior(), statistics())
    assert figures["converged"] == "yes"
    assert json.loads(str(figures["failing"])) == []
    # 9 flow-years less the structural zero, 2 noises, 1 number
    assert figures["verdict"] == "All 11 unknowns, flows and quantities converged."
    assert figures["gradients_per_draw"] == 15
    assert set(GATE) <= set(figures)


@pytest.mark.parametrize("order", [("chain", "draw", "year", "flow"),
                                   ("flow", "draw", "year", "chain")])  # fmt: skip
def test_a_stuck_chain_is_refused_and_named(order: tuple[str, ...]) -> None:
    draws = posterior()
    draws["flows"].loc[{"chain": 2, **AT}] = 1.0
    draws["flows"] = draws["flows"].transpose(*order)
    figures = diagnostics.diagnose(draws, statistics())
    assert figures["converged"] == "no"
    assert json.loads(str(figures["failing"])) == ["smuggled_CN[2011]"]
    assert str(figures["verdict"]).startswith("1 of 11 figures did not converge: rhat_max is ")


def test_chains_that_are_all_stuck_are_refused() -> None:
    draws = posterior()
    draws["flows"].loc[AT] = xr.DataArray([1.0, 2.0, 3.0, 4.0], dims="chain")
    figures = diagnostics.diagnose(draws, statistics())
    assert figures["converged"] == "no"
    assert json.loads(str(figures["failing"])) == ["smuggled_CN[2011]"]


def test_chains_in_different_modes_are_refused() -> None:
    draws = posterior()
    modes = xr.DataArray([0.0, 0.0, 0.0, 8.0], dims="chain")
    draws["alone"] = draws["alone"] + modes
    draws["noise"].loc[{"reporter": "customs"}] += 0.5 * modes
    figures = diagnostics.diagnose(draws, statistics())
    assert figures["converged"] == "no"
    # the worst first
    assert json.loads(str(figures["failing"])) == ["alone", "customs"]


def test_chains_of_one_centre_and_different_spread_are_refused() -> None:
    draws = posterior()
    draws["alone"] = draws["alone"] * xr.DataArray([1.0, 1.0, 1.0, 6.0], dims="chain")
    figures = diagnostics.diagnose(draws, statistics())
    assert figures["converged"] == "no"
    assert "alone" in json.loads(str(figures["failing"]))


def test_slow_mixing_is_refused_for_its_sample_size() -> None:
    draws = posterior(4000)
    slow = lfilter([1.0], [1.0, -0.98], draws["alone"].values, axis=1)
    draws["alone"] = (("chain", "draw"), slow)
    figures = diagnostics.diagnose(draws, statistics(4000))
    assert figures["converged"] == "no"
    assert figures["ess_bulk_min"] < GATE["ess_bulk_min"][1]
    assert json.loads(str(figures["failing"])) == ["alone"]


@pytest.mark.parametrize(
    ("name", "figure"),
    [("diverging", "20 of 2,000 transitions diverged (0.01)"),
     ("maxdepth_reached", "saturated_fraction")],
)  # fmt: skip
def test_one_divergence_or_one_full_tree_in_a_hundred_is_refused(name: str, figure: str) -> None:
    stats = statistics()
    stats[name][0, :20] = True
    figures = diagnostics.diagnose(posterior(), stats)
    assert figures["converged"] == "no"
    assert figure in str(figures["verdict"])
    assert json.loads(str(figures["failing"])) == []


def test_a_single_divergence_is_refused_and_a_single_full_tree_is_not() -> None:
    stats = statistics()
    stats["maxdepth_reached"][0, 0] = True
    assert diagnostics.diagnose(posterior(), stats)["converged"] == "yes"
    stats["diverging"][3, 499] = True
    figures = diagnostics.diagnose(posterior(), stats)
    assert (figures["converged"], figures["divergences"]) == ("no", 1)


def test_energy_that_hardly_moves_is_refused() -> None:
    stats = statistics()
    slow = lfilter([1.0], [1.0, -0.95], stats["energy"].values, axis=1)
    stats["energy"][3] = slow[3]
    figures = diagnostics.diagnose(posterior(), stats)
    assert figures["converged"] == "no"
    assert figures["bfmi_min"] < 0.3
    assert "bfmi_min" in str(figures["verdict"])


def test_at_most_twenty_failing_figures_are_named() -> None:
    many = xr.Dataset(
        {"latents": (("chain", "draw", "latent"), apart(3.0).repeat(3, axis=2))},
        coords={"latent": [f"x{n}" for n in range(3 * VARIABLES)]},
    )
    figures = diagnostics.diagnose(many, statistics())
    assert len(json.loads(str(figures["failing"]))) == 20
    assert str(figures["verdict"]).startswith("36 of 36 figures did not converge")
