"""The simulated world against hand-computed figures, scipy and its own specification."""

from __future__ import annotations

import ast
import csv
import math
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from reebayes.simulation import records as simulation
from reebayes.simulation.flows import flows_from, mass_balance_error, quantities_from
from reebayes.simulation.records import record_log_likelihood, simulate_records
from reebayes.simulation.worlds import simulate_world, unknowns_from
from reebayes.study import Record, Study, read_study

FIRST, LAST = 2000, 2005
YEARS = range(FIRST, LAST + 1)

HEADERS = {
    "processes": "process kind region label",
    "flows": "flow source target product registered active label",
    "quantities": "quantity part flow weight",
    "records": "record quantity year year_end kind value low high unit factor sd reporter "
    "source note shared lag other",
    "priors": "target year year_end distribution median sd step unit source",
    "sources": "source citation year url licence",
}

# A mine with a loss, a market, and works that send part of their output back to the market.
WORKS_YEARS = "2000-2002;2004-2005"
PROCESSES = [
    ("nature", "environment", "", "Ground"),
    ("mine", "conversion", "CN", "Mine"),
    ("market", "market", "CN", "Market"),
    ("works", "conversion", "CN", "Works"),
    ("buyers", "use", "CN", "Buyers"),
    ("makers", "use", "CN", "Makers"),
    ("tailings", "loss", "CN", "Tailings"),
]
FLOWS = [
    ("ore", "nature", "mine", "ore", "true", "2000-2005", "Ore"),
    ("concentrate", "mine", "market", "concentrate", "true", "2000-2005", "Concentrate"),
    ("waste", "mine", "tailings", "loss", "true", "2000-2005", "Waste"),
    ("sale", "market", "buyers", "concentrate", "true", "2000-2005", "Sold"),
    ("feed", "market", "works", "concentrate", "true", WORKS_YEARS, "Fed"),
    ("product", "works", "makers", "oxide", "true", WORKS_YEARS, "Product"),
    ("returned", "works", "market", "concentrate", "false", WORKS_YEARS, "Returned"),
]
QUANTITIES = [
    ("mined", "num", "concentrate", 1),
    ("used", "num", "sale", 1),
    ("used", "num", "product", 2),
    ("made", "num", "product", 1),
    ("net", "num", "concentrate", 1),
    ("net", "num", "sale", -1),
    ("fed_share", "num", "feed", 1),
    ("fed_share", "den", "concentrate", 1),
    ("product_share", "num", "product", 1),
    ("product_share", "den", "product", 1),
    ("product_share", "den", "returned", 1),
]
PRIORS = [
    ("ore", "", "", "lognormal", 100, 0.4, 0.2, "kt REO/yr", "judgement-us"),
    ("waste", "", "", "share", 0.2, 0.3, "", "share", "judgement-us"),
    ("feed", 2000, 2002, "share", 0.5, 0.5, 0.25, "share", "judgement-us"),
    ("feed", 2003, 2005, "share", 0.3, 0.8, 0.1, "share", "judgement-us"),
    ("returned", "", "", "share", 0.25, 0.6, 0.6, "share", "judgement-us"),
    ("bias:survey", "", "", "normal", 0, 0, "", "log", "judgement-us"),
    ("bias:*", "", "", "normal", 0.2, 0.3, 0.1, "log", "judgement-us"),
    ("noise:*", "", "", "lognormal", 1.5, 0.25, "", "multiplier", "judgement-us"),
    ("step:market", "", "", "lognormal", 1, 0.3, "", "multiplier", "judgement-us"),
]
SOURCES = [
    ("yearbook", "A yearbook", 2010, "https://example.org", "public"),
    ("judgement-us", "Reasoned by the authors", 2024, "", ""),
]
# record, quantity, year, year_end, kind, value, low, high, unit, factor, sd, reporter
RECORDS = [
    ("value", "mined", 2000, "", "value", 85, "", "", "kt REO", "", 0.1, "survey"),
    ("tonnes", "mined", 2001, "", "value", 90000, "", "", "t REO", "", 0.1, "customs"),
    ("gross", "used", 2001, "", "value", 170000, "", "", "t gross", 0.6, 0.2, "customs"),
    ("quota", "mined", 2002, "", "quota", 70, "", "", "kt REO", "", 0.3, "customs"),
    ("upper", "made", 2001, "", "upper", "", "", 30, "kt REO", "", 0.2, "survey"),
    ("lower", "made", 2002, "", "lower", "", 30, "", "kt REO", "", 0.2, "customs"),
    ("range", "mined", 2003, "", "range", "", 60, 100, "kt REO", "", 0.15, "survey"),
    ("zero", "made", 2004, "", "zero", "", "", 10, "kt REO", "", 0.5, "survey"),
    ("nothing", "made", 2003, "", "zero", 0, "", 10, "kt REO", "", 0.5, "survey"),
    ("cumulative", "made", 2000, 2002, "cumulative", 95, "", "", "kt REO", "", 0.1, "customs"),
    ("mean", "made", 2004, 2005, "mean", 31, "", "", "kt REO", "", 0.1, "customs"),
    ("ratio", "fed_share", 2001, "", "value", 0.5, "", "", "ratio", "", 0.1, "survey"),
    ("ratios", "fed_share", 2000, 2002, "mean", 0.5, "", "", "fraction", "", 0.1, "survey"),
]
PLANTED = {
    "ore": [100.0, 110.0, 120.0, 130.0, 140.0, 150.0],
    "waste": 0.2,
    "feed": 0.5,
    "returned": 0.25,
    "bias:customs": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    "noise:customs": math.sqrt(5),  # a quarter of a variance stands: errors twice as stated
    "noise:survey": 1.0,
}


def write_study(folder: Path, error: str = "normal", years=YEARS, **tables) -> Study:
    """Write the tables, each the small study's own unless given, and read them back."""
    rows = {
        "processes": PROCESSES,
        "flows": FLOWS,
        "quantities": QUANTITIES,
        "records": [
            (*record, "yearbook", *[""] * 4) for record in tables.pop("short_records", RECORDS)
        ],
        "priors": PRIORS,
        "sources": SOURCES,
    } | tables
    for name, lines in rows.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADERS[name].split(), *lines])
    (folder / "study.toml").write_text(
        f'name = "Small"\nunit = "kt REO/yr"\nfirst_year = {years[0]}\nlast_year = {years[-1]}\n'
        f'[settings]\nerror_distribution = "{error}"\ndegrees_of_freedom = 5\n',
        encoding="utf-8",
    )
    return read_study(folder)


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path)


@pytest.fixture
def planted(study):
    return simulate_world(study, seed=1, overrides=PLANTED)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Many draws of the small study from its prior."""
    return draws(write_study(tmp_path_factory.mktemp("many")), 600)


def draws(study, count, **overrides):
    return [simulate_world(study, seed=seed, overrides=overrides) for seed in range(count)]


def of_target(worlds, target):
    """(world, year) array of one unknown."""
    return np.array([world.unknowns[target].values for world in worlds])


# --- flows ------------------------------------------------------------------------------------


def test_flows_and_quantities_match_figures_worked_out_by_hand(planted):
    # 100 mined, 80 to the market, which also receives a quarter of the half it sends to the works.
    market = 80 / (1 - 0.5 * 0.25)
    year = planted.flows.sel(year=2000)
    expected = {
        "ore": 100,
        "waste": 20,
        "concentrate": 80,
        "sale": market / 2,
        "feed": market / 2,
        "product": 0.75 * market / 2,
        "returned": 0.25 * market / 2,
    }
    for flow, amount in expected.items():
        assert float(year.sel(flow=flow)) == pytest.approx(amount, rel=1e-13)
    assert float(planted.throughput.sel(year=2000, process="market")) == pytest.approx(market)
    quantities = planted.quantities.sel(year=2000)
    assert float(quantities.sel(quantity="used")) == pytest.approx(market / 2 * 2.5)
    assert float(quantities.sel(quantity="net")) == pytest.approx(80 - market / 2)
    assert float(quantities.sel(quantity="fed_share")) == pytest.approx(market / 160)
    assert float(quantities.sel(quantity="product_share")) == pytest.approx(0.75)


def test_inactive_flows_are_exactly_zero(planted):
    closed = planted.flows.sel(year=2003)
    assert (closed.sel(flow=["feed", "product", "returned"]) == 0).all()
    assert float(closed.sel(flow="sale")) == pytest.approx(0.8 * 130, rel=1e-14)
    assert float(planted.quantities.sel(year=2003, quantity="made")) == 0
    assert np.isnan(planted.quantities.sel(year=2003, quantity="product_share"))
    assert np.isnan(planted.unknowns["feed"].sel(year=2003))
    others = planted.flows.drop_sel(year=2003)
    assert (others > 0).all()


def test_every_market_and_conversion_closes_and_its_shares_sum_to_one(study):
    for world in draws(study, 20):
        assert float(abs(mass_balance_error(study, world.flows)).max()) <= 1e-12
        for process in ("mine", "market", "works"):
            out = [flow.flow for flow in study.flows if flow.source == process]
            sent = world.flows.sel(flow=out).sum("flow")
            np.testing.assert_allclose(sent, world.throughput.sel(process=process), rtol=1e-12)


def test_balance_error_names_the_process_and_keeps_sample_dims(study, planted):
    flows = xr.concat([planted.flows, planted.flows], "draw").copy()
    flows.loc[{"draw": 1, "year": 2001, "flow": "ore"}] *= 2
    error = mass_balance_error(study, flows)
    assert set(error["process"].values) == {"mine", "market", "works"}
    assert float(error.sel(draw=1, year=2001, process="mine")) == pytest.approx(0.5)
    error.loc[{"draw": 1, "year": 2001, "process": "mine"}] = 0
    assert float(abs(error).max()) <= 1e-12


def test_all_at_their_medians_gives_the_shares_of_the_priors(study):
    unknowns = unknowns_from(study, {})
    flows = flows_from(study, unknowns)
    market = flows.sel(flow=["concentrate", "returned"]).sum("flow")
    expected = [0.5, 0.5, 0.5, 0.0, 0.3, 0.3]
    np.testing.assert_allclose(flows.sel(flow="feed") / market, expected, rtol=1e-13)
    np.testing.assert_allclose(flows.sel(flow="ore"), 100, rtol=1e-13)
    np.testing.assert_allclose(flows.sel(flow="waste"), 20, rtol=1e-13)
    np.testing.assert_allclose(unknowns["bias:customs"], 0.2)
    np.testing.assert_allclose(unknowns["noise:survey"], math.log(1.5))


def test_flows_from_takes_what_world_holds_and_plain_numbers(study, planted):
    xr.testing.assert_identical(flows_from(study, planted.unknowns), planted.flows)
    plain = flows_from(study, {"ore": math.log(100), "waste": -math.inf})
    assert (plain.sel(flow="waste") == 0).all()
    np.testing.assert_allclose(plain.sel(flow="concentrate"), 100)
    xr.testing.assert_identical(quantities_from(study, planted.flows), planted.quantities)
    with pytest.raises(KeyError, match="ore"):
        flows_from(study, {})


def test_medians_in_a_ratio_count_only_outflows_active_that_year(tmp_path):
    process = ("stock", "use", "CN", "Stock")
    flow = ("hoard", "market", "stock", "concentrate", "true", "2000-2001", "Hoarded")
    prior = ("hoard", "", "", "share", 0.25, 0.2, "", "share", "judgement-us")
    study = write_study(
        tmp_path, processes=[*PROCESSES, process], flows=[*FLOWS, flow], priors=[*PRIORS, prior]
    )
    feed = unknowns_from(study, {})["feed"]
    assert float(feed.sel(year=2000)) == pytest.approx(math.log(0.5 / 0.25))
    assert float(feed.sel(year=2002)) == pytest.approx(math.log(0.5 / 0.5))


# --- priors -----------------------------------------------------------------------------------


def test_draws_follow_the_means_and_sds_of_the_priors(worlds):
    expected = {
        "ore": (math.log(100), 0.4),
        "waste": (math.log(0.2 / 0.8), 0.3),
        "returned": (math.log(0.25 / 0.75), 0.6),
        "bias:customs": (0.2, 0.3),
        "noise:customs": (math.log(1.5), 0.25),
        "step:market": (0.0, 0.3),
    }
    for target, (mean, sd) in expected.items():
        x = of_target(worlds, target)
        x = x[:, ~np.isnan(x[0])]
        np.testing.assert_allclose(x.mean(axis=0), mean, atol=4 * sd / math.sqrt(len(worlds)))
        np.testing.assert_allclose(x.std(axis=0), sd, rtol=0.12)
    feed = of_target(worlds, "feed")
    np.testing.assert_allclose(feed[:, :3].std(axis=0), 0.5, rtol=0.1)
    np.testing.assert_allclose(feed[:, 4:].std(axis=0), 0.8, rtol=0.1)
    np.testing.assert_allclose(
        feed[:, 4].mean(), math.log(0.3 / 0.7), atol=4 * 0.8 / math.sqrt(len(worlds))
    )


def test_zero_sd_fixes_a_bias_and_unnamed_reporters_take_the_default(study):
    world = simulate_world(study, seed=3)
    assert (world.bias.sel(reporter="survey") == 0).all()
    assert (world.bias.sel(reporter="customs") != 0).all()
    assert len(set(world.noise.values)) == 2
    assert float(world.step_scale.sel(group="market")) != 1
    assert (world.step_scale.sel(group=["input", "bias"]) == 1).all()


def test_noise_that_all_have_in_common_multiplies_every_reporter(tmp_path):
    common = ("noise:all", "", "", "lognormal", 1, 0.4, "", "multiplier", "judgement-us")
    study = write_study(tmp_path, priors=[*PRIORS, common])
    planted = {name: value for name, value in PLANTED.items() if name.startswith("noise")}
    world = simulate_world(study, seed=1, overrides={**planted, "noise:all": 3.0})
    assert float(world.noise_of_all) == pytest.approx(3.0)
    assert float(world.noise.sel(reporter="survey")) == pytest.approx(3.0)
    assert float(world.noise.sel(reporter="customs")) == pytest.approx(3.0 * math.sqrt(5))
    # a survey of ordinary noise, all of it tripled, but for the quarter that stands
    terms = record_log_likelihood(study, world.flows, world.bias, world.noise, world.shared)
    mined = math.log(float(world.quantities.sel(year=2000, quantity="mined")))
    law = stats.norm(mined, 0.1 * math.sqrt(0.25 + 0.75 * 9))
    assert float(terms.sel(record="value")) == pytest.approx(law.logpdf(math.log(85)), rel=1e-12)


def test_without_a_prior_reporters_have_no_noise_in_common(study):
    assert float(simulate_world(study, seed=1).noise_of_all) == 1.0


def test_series_move_by_their_step_and_constants_not_at_all(worlds):
    for target, sd, step in [("ore", 0.4, 0.2), ("bias:customs", 0.3, 0.1)]:
        phi = math.exp(-0.5 * (step / sd) ** 2)
        moved = np.diff(of_target(worlds, target), axis=1)
        np.testing.assert_allclose(moved.std(axis=0), sd * math.sqrt(2 * (1 - phi)), rtol=0.1)
        assert moved.std() == pytest.approx(step, rel=0.15)
    for target in ("waste", "noise:customs", "step:market"):
        assert np.ptp(of_target(worlds, target), axis=1).max() == 0


def test_a_learnt_multiplier_stretches_the_steps_of_its_group(study):
    worlds = draws(study, 200, **{"step:market": 2.0})
    phi = math.exp(-0.5 * (2 * 0.25 / 0.5) ** 2)
    moved = np.diff(of_target(worlds, "feed")[:, :3], axis=1)
    np.testing.assert_allclose(moved.std(axis=0), 0.5 * math.sqrt(2 * (1 - phi)), rtol=0.2)


def test_splits_of_markets_and_conversions_share_a_multiplier(study):
    calm = simulate_world(study, seed=5, overrides={"step:market": 0.5})
    rough = simulate_world(study, seed=5, overrides={"step:market": 3.0})
    for target in ("returned", "feed"):
        assert not calm.unknowns[target].equals(rough.unknowns[target])


def test_unknowns_follow_the_recursion_from_given_normals(study):
    e = np.array([0.5, -1.0, 2.0, 0.1, 0.3, -0.7])
    phi = math.exp(-0.5 * (0.2 / 0.4) ** 2)
    state = [e[0]]
    for innovation in e[1:]:
        state.append(phi * state[-1] + math.sqrt(1 - phi**2) * innovation)
    unknowns = unknowns_from(study, {"ore": e, "waste": e})
    np.testing.assert_allclose(unknowns["ore"], math.log(100) + 0.4 * np.array(state))
    np.testing.assert_allclose(unknowns["waste"], math.log(0.25) + 0.3 * 0.5)


def test_a_seed_gives_the_same_world_whatever_the_order_of_rows(tmp_path, study):
    folder = tmp_path / "reversed"
    folder.mkdir()
    turned = write_study(folder, priors=PRIORS[::-1], flows=FLOWS[::-1], processes=PROCESSES[::-1])
    first, again, other = (
        simulate_world(study, seed=7),
        simulate_world(study, seed=7),
        simulate_world(turned, seed=7),
    )
    xr.testing.assert_identical(first.flows, again.flows)
    np.testing.assert_allclose(other.flows.sel(flow=first.flows["flow"]), first.flows, rtol=1e-12)
    assert not first.flows.equals(simulate_world(study, seed=8).flows)


# --- planted values ---------------------------------------------------------------------------


def test_planted_values_come_out_exactly(study, planted):
    np.testing.assert_allclose(planted.flows.sel(flow="ore"), PLANTED["ore"], rtol=1e-15)
    np.testing.assert_array_equal(planted.bias.sel(reporter="customs"), PLANTED["bias:customs"])
    assert float(planted.noise.sel(reporter="customs")) == pytest.approx(math.sqrt(5), rel=1e-15)
    by_year = xr.DataArray(
        np.linspace(0.2, 0.7, 8), dims="year", coords={"year": range(FIRST - 1, LAST + 2)}
    )
    world = simulate_world(study, seed=2, overrides={"feed": by_year, "step:market": 3.0})
    share = world.flows.sel(flow="feed") / world.throughput.sel(process="market")
    expected = by_year.sel(year=list(YEARS)).where(world.flows["year"] != 2003, 0.0)
    np.testing.assert_allclose(share, expected, rtol=1e-13)
    assert float(world.step_scale.sel(group="market")) == pytest.approx(3.0)


def test_planting_leaves_the_other_draws_alone(study):
    free = simulate_world(study, seed=4)
    world = simulate_world(study, seed=4, overrides={"feed": 0.9, "noise:survey": 1.0})
    for target in set(free.unknowns) - {"feed", "noise:survey"}:
        xr.testing.assert_identical(free.unknowns[target], world.unknowns[target])


def test_free_outflows_keep_their_proportions(tmp_path):
    process = ("stock", "use", "CN", "Stock")
    flow = ("hoard", "market", "stock", "concentrate", "true", "2000-2005", "Hoarded")
    prior = ("hoard", "", "", "share", 0.2, 0.2, "", "share", "judgement-us")
    study = write_study(
        tmp_path, processes=[*PROCESSES, process], flows=[*FLOWS, flow], priors=[*PRIORS, prior]
    )
    free = simulate_world(study, seed=4).flows
    world = simulate_world(study, seed=4, overrides={"feed": 0.7})
    share = world.flows.sel(flow="feed") / world.throughput.sel(process="market")
    np.testing.assert_allclose(share.drop_sel(year=2003), 0.7, rtol=1e-13)
    ratio = [f.sel(flow="hoard") / f.sel(flow="sale") for f in (free, world.flows)]
    np.testing.assert_allclose(*ratio, rtol=1e-12)
    with pytest.raises(ValueError, match="leave nothing"):
        simulate_world(study, seed=4, overrides={"feed": 0.7, "hoard": 0.3})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"orr": 1.0}, "Not an unknown of this study: orr"),
        ({"sale": 0.5}, "Not an unknown"),
        ({"bias:*": 0.5}, "Not an unknown"),
        ({"ore": 0.0}, "positive"),
        ({"ore": math.nan}, "finite"),
        ({"ore": [1.0, 2.0]}, "6 values"),
        ({"feed": 1.0}, "leave nothing"),
        ({"noise:customs": [1.0, 2, 3, 4, 5, 6]}, "one number"),
    ],
)
def test_impossible_plants_are_refused(study, overrides, message):
    with pytest.raises(ValueError, match=message):
        simulate_world(study, seed=1, overrides=overrides)


# --- trade routes -----------------------------------------------------------------------------

ABROAD = [
    ("market_US", "market", "US", "Market abroad"),
    ("market_RW", "market", "RW", "Market further abroad"),
    ("buyers_US", "use", "US", "Buyers abroad"),
    ("buyers_RW", "use", "RW", "Buyers further abroad"),
]
# to whom, declared, route
TRADE = {
    "ship_US": ("market_US", "true", "CN:US"),
    "ship_US_makers": ("buyers_US", "true", "CN:US"),
    "ship_RW": ("market_RW", "true", "CN:RW"),
    "smuggle_US": ("market_US", "false", "CN:unregistered"),
    "smuggle_RW": ("market_RW", "false", "CN:unregistered"),
}
ROUTES = [
    ("route:CN:US", "", "", "normal", 0, 0.7, 0.35, "log odds", "judgement-us"),
    ("route:CN:RW", "", "", "normal", 0, 0.7, "", "log odds", "judgement-us"),
    ("route:CN:unregistered", 2000, 2002, "normal", 0, 0.8, 0.3, "log odds", "judgement-us"),
    ("route:CN:unregistered", 2003, 2005, "normal", -1.2, 0.8, 0.3, "log odds", "judgement-us"),
]


def trade_tables(routes=ROUTES):
    flows = [
        (name, "market", target, "concentrate", registered, "2000-2005", name)
        for name, (target, registered, _) in TRADE.items()
    ]
    flows += [
        (f"bought_{region}", f"market_{region}", f"buyers_{region}", "concentrate", "true",
         "2000-2005", "Bought")
        for region in ("US", "RW")
    ]  # fmt: skip
    shares = [(name, "", "", "share", 0.05, 0.5, 0.2, "share", "judgement-us") for name in TRADE]
    step = ("step:trade", "", "", "lognormal", 1, 0.3, "", "multiplier", "judgement-us")
    return {
        "processes": [*PROCESSES, *ABROAD],
        "flows": [*FLOWS, *flows],
        "priors": [*PRIORS, *shares, *routes, step],
    }


@pytest.fixture
def trading(tmp_path):
    return write_study(tmp_path, **trade_tables())


def test_routes_are_named_by_both_ends_if_declared_and_by_the_origin_if_not(trading):
    expected = {flow.flow: None for flow in trading.flows}
    expected |= {name: route for name, (_, _, route) in TRADE.items()}
    assert {flow.flow: trading.route(flow) for flow in trading.flows} == expected


@pytest.mark.parametrize("route", ["CN:US", "CN:RW", "CN:unregistered"])
def test_a_route_moves_all_its_flows_and_no_others(trading, route):
    still = unknowns_from(trading, {})
    moved = unknowns_from(trading, {f"route:{route}": 1.0})
    shift = moved[f"route:{route}"] - still[f"route:{route}"]
    assert (shift[0] != 0) and np.isfinite(shift).all()
    for flow in trading.flows:
        if flow.flow not in still:
            continue
        by = shift if trading.route(flow) == route else xr.zeros_like(shift)
        gap = (moved[flow.flow] - still[flow.flow]).fillna(by)  # NaN while inactive
        np.testing.assert_allclose(gap, by, atol=1e-14)
    # against the reference outflow of its process, the flows of the route grow by one factor
    before, after = flows_from(trading, still), flows_from(trading, moved)
    growth = (after / after.sel(flow="sale")) / (before / before.sel(flow="sale"))
    for name, (_, _, taken) in TRADE.items():
        expected = np.exp(shift) if taken == route else xr.ones_like(shift)
        np.testing.assert_allclose(growth.sel(flow=name), expected, rtol=1e-12)


def test_the_median_of_a_route_may_differ_between_periods(trading):
    unknowns = unknowns_from(trading, {})
    smuggled = unknowns["smuggle_US"] - unknowns["ship_US"]
    # Before the break the shares alone decide; after it the route's median does too.
    np.testing.assert_allclose(unknowns["route:CN:unregistered"], [0, 0, 0, -1.2, -1.2, -1.2])
    np.testing.assert_allclose(smuggled, [0, 0, 0, -1.2, -1.2, -1.2], atol=1e-14)


def test_a_route_without_a_prior_moves_nothing(tmp_path):
    study = write_study(tmp_path, **trade_tables(routes=[]))
    world = simulate_world(study, seed=1)
    assert not [target for target in world.unknowns if target.startswith("route:")]
    assert float(abs(mass_balance_error(study, world.flows)).max()) <= 1e-12


def test_a_planted_route_comes_out_and_leaves_the_other_draws_alone(trading):
    free = simulate_world(trading, seed=2)
    planted = simulate_world(trading, seed=2, overrides={"route:CN:US": -2.0})
    np.testing.assert_array_equal(planted.unknowns["route:CN:US"], -2.0)
    gap = planted.unknowns["ship_US"] - free.unknowns["ship_US"]
    np.testing.assert_allclose(gap, -2.0 - free.unknowns["route:CN:US"], atol=1e-13)
    for target in ("ore", "feed", "ship_RW", "smuggle_US", "route:CN:RW", "bias:customs"):
        xr.testing.assert_identical(planted.unknowns[target], free.unknowns[target])


def test_what_crosses_a_border_moves_by_the_multiplier_of_trade(trading):
    calm, rough = (
        simulate_world(trading, seed=5, overrides={"step:trade": multiplier})
        for multiplier in (0.5, 3.0)
    )
    for target in ("ship_US", "smuggle_RW", "route:CN:US"):
        assert not calm.unknowns[target].equals(rough.unknowns[target])
    for target in ("ore", "feed", "returned"):
        xr.testing.assert_identical(calm.unknowns[target], rough.unknowns[target])


# --- conversions whose product has the prior ----------------------------------------------------


@pytest.fixture
def driven(tmp_path):
    product = ("concentrate", "", "", "lognormal", 80, 0.4, 0.2, "kt REO/yr", "judgement-us")
    return write_study(tmp_path, priors=[product, *(row for row in PRIORS if row[0] != "ore")])


def test_a_driven_conversion_makes_the_planted_output_and_takes_what_it_needs(driven):
    output = [80.0, 90.0, 100.0, 110.0, 120.0, 130.0]
    for seed in range(5):
        flows = simulate_world(driven, seed=seed, overrides={"concentrate": output}).flows
        np.testing.assert_allclose(flows.sel(flow="concentrate"), output, rtol=1e-13)
        waste = flows.sel(flow="waste")
        assert (waste > 0).all()
        np.testing.assert_allclose(flows.sel(flow="ore"), output + waste, rtol=1e-13)


def test_the_yield_of_a_driven_conversion_is_that_of_its_loss(driven):
    flows = flows_from(driven, unknowns_from(driven, {}))
    np.testing.assert_allclose(flows.sel(flow="concentrate"), 80, rtol=1e-13)
    np.testing.assert_allclose(flows.sel(flow="waste"), 80 * 0.2 / 0.8, rtol=1e-13)
    np.testing.assert_allclose(flows.sel(flow="ore"), 100, rtol=1e-13)
    # a poorer yield takes more from the ground and delivers the same
    poor = flows_from(driven, unknowns_from(driven, {"waste": 2.0}))
    np.testing.assert_allclose(poor.sel(flow="concentrate"), 80, rtol=1e-13)
    assert (poor.sel(flow="ore") > 110).all()


def test_the_prior_of_a_product_is_that_of_an_input(driven):
    worlds = draws(driven, 300)
    logs = of_target(worlds, "concentrate")
    np.testing.assert_allclose(logs.mean(axis=0), math.log(80), atol=0.1)
    np.testing.assert_allclose(logs.std(axis=0), 0.4, rtol=0.15)
    assert "ore" not in worlds[0].unknowns
    with pytest.raises(ValueError, match="Not an unknown of this study: ore"):
        simulate_world(driven, seed=1, overrides={"ore": 100.0})
    with pytest.raises(KeyError, match="concentrate"):
        flows_from(driven, {})


# --- likelihood -------------------------------------------------------------------------------


def expected_log_likelihood(planted, error):
    """Each record's term, from scipy and the figures of the planted world."""
    q = planted.quantities.to_series().unstack()

    def density(log_figure, location, scale):
        if error == "student_t":
            return stats.t(5, location, scale).logpdf(log_figure)
        return stats.norm(location, scale).logpdf(log_figure)

    log = math.log
    made = q["made"]
    flows = planted.flows.sel(year=[2000, 2001, 2002])
    fed = float(flows.sel(flow="feed").sum() / flows.sel(flow="concentrate").sum())
    inside = stats.norm(log(q.loc[2003, "mined"]), 0.15)
    return {
        "value": density(log(85), log(80), 0.1),
        "tonnes": density(log(90), log(88) + 0.2, 0.2),
        "gross": density(log(170 * 0.6), log(q.loc[2001, "used"]) + 0.2, 0.4),
        "quota": density(log(70), log(96) + 0.3, 0.6),
        "upper": stats.norm.logcdf((log(30) - log(made[2001])) / 0.2),
        "lower": stats.norm.logsf((log(30) - log(made[2002]) - 0.3) / 0.4),
        "range": log(inside.cdf(log(100)) - inside.cdf(log(60))),
        "zero": stats.norm.logcdf((log(10) - log(made[2004])) / 0.5),
        "nothing": 0.0,
        "cumulative": density(log(95), log(made[[2000, 2001, 2002]].sum()) + 0.2, 0.2),
        "mean": density(log(31), log(made[[2004, 2005]].mean()) + 0.55, 0.2),
        "ratio": density(log(0.5), log(q.loc[2001, "fed_share"]), 0.1),
        "ratios": density(log(0.5), log(fed), 0.1),
    }


@pytest.mark.parametrize("error", ["normal", "student_t"])
def test_every_kind_of_record_has_the_likelihood_scipy_gives(tmp_path, error):
    study = write_study(tmp_path, error)
    world = simulate_world(study, seed=1, overrides=PLANTED)
    result = record_log_likelihood(study, world.flows, world.bias, world.noise)
    for name, expected in expected_log_likelihood(world, error).items():
        assert float(result.sel(record=name)) == pytest.approx(expected, rel=1e-12), name


@pytest.mark.parametrize("factor", [1e-6, 1e-2, 1e2, 1e6])
def test_bounds_stay_exact_far_into_the_tails(study, planted, factor):
    names = ["upper", "lower", "range"]
    kept = study.with_records([study.records[name] for name in names])
    flows = planted.flows * factor
    result = record_log_likelihood(kept, flows, planted.bias, planted.noise)
    upper, lower, inside = (float(result.sel(record=name)) for name in names)
    made = quantities_from(study, flows).sel(quantity="made")
    mined = float(quantities_from(study, flows).sel(quantity="mined", year=2003))
    z = math.log(30 / float(made.sel(year=2001))) / 0.2
    assert upper == pytest.approx(stats.norm.logcdf(z), rel=1e-10)
    z = (math.log(30 / float(made.sel(year=2002))) - 0.3) / 0.4
    assert lower == pytest.approx(stats.norm.logsf(z), rel=1e-10)
    # Far out, the nearer end of a range is all that matters.
    near = math.log((60 if factor < 1 else 100) / mined) / 0.15
    assert inside == pytest.approx(stats.norm.logsf(abs(near)), rel=1e-9)


def test_a_zero_says_nothing_of_a_ratio_that_is_undefined(tmp_path):
    record = ("none", "product_share", 2003, "", "zero", "", "", 0.01, "ratio", "", 0.5, "survey")
    study = write_study(tmp_path, short_records=[*RECORDS, record])
    world = simulate_world(study, seed=1)
    result = record_log_likelihood(study, world.flows, world.bias, world.noise)
    assert float(result.sel(record="none")) == 0
    assert simulate_records(study, world, seed=1).records["none"] == study.records["none"]


# --- common errors, lags and alternative values ---------------------------------------------------

SHARED_PRIORS = [
    ("shared:grade", "", "", "normal", 0.1, 0.3, "", "log scale", "judgement-us"),
    ("shared:copied", "", "", "normal", 0, 0.2, "", "log scale", "judgement-us"),
]
ERRORS = {"shared:grade": 0.25, "shared:copied": -0.5}


def changed(study: Study, name: str, **changes: object) -> Record:
    """A record of the small study, changed and printed by another source."""
    return replace(study.records[name], **({"source": "judgement-us"} | changes))


@pytest.fixture
def sharing(tmp_path):
    """The small study with two common errors, one late record and one ambiguous figure."""
    more = {"value": ("grade", "", 60), "gross": ("grade;copied", 0.25, "")}
    rows = [(*row, "yearbook", "", *more.get(row[0], ("", "", ""))) for row in RECORDS]
    return write_study(tmp_path, records=rows, priors=[*PRIORS, *SHARED_PRIORS])


def likelihood(study: Study, world, records) -> list[float]:
    """Log-likelihood of some records in a world."""
    anchors = [study.records[name] for name in ("value", "gross")]
    unique = {record.record: record for record in [*anchors, *records]}
    result = record_log_likelihood(
        study.with_records(unique.values()), world.flows, world.bias, world.noise, world.shared
    )
    return [float(result.sel(record=record.record)) for record in records]


def test_shared_errors_are_unknowns_constant_over_the_years(sharing):
    worlds = draws(sharing, 400)
    for target, (mean, sd) in {"shared:grade": (0.1, 0.3), "shared:copied": (0.0, 0.2)}.items():
        drawn = of_target(worlds, target)
        assert np.ptp(drawn, axis=1).max() == 0
        assert drawn[:, 0].mean() == pytest.approx(mean, abs=4 * sd / 20)
        assert drawn[:, 0].std() == pytest.approx(sd, rel=0.15)
    world = worlds[0]
    assert list(world.shared["shared"].values) == ["copied", "grade"]
    assert float(world.shared.sel(shared="grade")) == world.unknowns["shared:grade"][0]
    moved = unknowns_from(sharing, {"shared:grade": 2.0})
    np.testing.assert_allclose(moved["shared:grade"], 0.1 + 0.3 * 2)
    np.testing.assert_allclose(moved["shared:copied"], 0.0)


def test_planted_errors_may_be_negative_but_not_vary(sharing):
    world = simulate_world(sharing, seed=1, overrides=ERRORS)
    assert dict(zip(world.shared["shared"].values, world.shared.values, strict=True)) == {
        "copied": -0.5,
        "grade": 0.25,
    }
    free = simulate_world(sharing, seed=1)
    xr.testing.assert_identical(free.flows, world.flows)
    with pytest.raises(ValueError, match="one number for all years"):
        simulate_world(sharing, seed=1, overrides={"shared:grade": [0.1, 0, 0, 0, 0, 0]})


def test_shared_errors_lag_and_second_reading_have_the_likelihood_scipy_gives(sharing):
    world = simulate_world(sharing, seed=1, overrides=PLANTED | ERRORS)
    q = world.quantities.to_series().unstack()
    used = 0.75 * q.loc[2001, "used"] + 0.25 * q.loc[2000, "used"]
    value, gross = likelihood(sharing, world, [sharing.records[n] for n in ("value", "gross")])
    centre = math.log(used) + 0.2 + 0.25 - 0.5
    expected = stats.norm(centre, 0.4).logpdf(math.log(170 * 0.6))
    assert gross == pytest.approx(expected, rel=1e-12)
    law = stats.norm(math.log(80) + 0.25, 0.1)
    both = 0.5 * (law.pdf(math.log(85)) + law.pdf(math.log(60)))
    assert value == pytest.approx(math.log(both), rel=1e-12)


def test_errors_may_enter_the_other_way_round_and_be_the_bias_of_another(sharing):
    world = simulate_world(sharing, seed=1, overrides=PLANTED | ERRORS)
    over = changed(sharing, "ratio", record="over", shared=("-grade", "-bias:customs"))
    (found,) = likelihood(sharing, world, [over])
    share = float(world.quantities.sel(quantity="fed_share", year=2001))
    bias = float(world.bias.sel(reporter="customs", year=2001))
    assert bias != 0
    expected = stats.norm(math.log(share) - 0.25 - bias, 0.1).logpdf(math.log(0.5))
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_bound_of_a_mean_is_of_all_its_years(study, planted):
    made = planted.quantities.sel(quantity="made", year=[2000, 2001, 2002]).values
    years = {"year": 2000, "year_end": 2002}
    upper = changed(study, "upper", record="most", kind="mean_upper", **years)
    lower = changed(study, "lower", record="least", kind="mean_lower", **years)
    terms = likelihood(study, planted, [upper, lower])
    bias = float(planted.bias.sel(reporter=lower.reporter, year=[2000, 2001, 2002]).mean())
    other = float(planted.bias.sel(reporter=upper.reporter, year=[2000, 2001, 2002]).mean())
    mean = math.log(made.mean())
    scale = 0.4  # noise of the reporter doubles the stated error
    assert terms[1] == pytest.approx(
        stats.norm.logsf((math.log(30) - mean - bias) / scale), rel=1e-10
    )
    assert terms[0] == pytest.approx(
        stats.norm.logcdf((math.log(30) - mean - other) / 0.2), rel=1e-10
    )


def test_second_reading_has_heavy_tails_too(tmp_path):
    study = write_study(tmp_path, "student_t")
    record = changed(study, "value", other=1e-6)
    world = simulate_world(study, seed=1, overrides=PLANTED)
    (value,) = likelihood(study, world, [record])
    law = stats.t(5, math.log(80), 0.1)
    both = 0.5 * (law.pdf(math.log(85)) + law.pdf(math.log(1e-6)))
    assert value == pytest.approx(math.log(both), rel=1e-12)


def test_lag_takes_as_much_from_the_year_before(study, planted):
    q = planted.quantities.to_series().unstack()
    fed = planted.flows.sel(flow="feed").to_series()
    mined = planted.flows.sel(flow="concentrate").to_series()
    late = [
        changed(study, "value", record="first", lag=0.4, year=2000, year_end=2000),
        changed(study, "value", record="next", lag=0.4, year=2001, year_end=2001),
        changed(study, "ratio", record="share", lag=0.4),
        # the works stand still in 2003: last year's part arrives, and next year's is missing
        changed(
            study, "value", record="stopped", lag=0.4, quantity="made", year=2003, year_end=2003
        ),
        changed(
            study, "value", record="restart", lag=0.4, quantity="made", year=2004, year_end=2004
        ),
        changed(study, "upper", record="bound", lag=0.4, year=2004, year_end=2004),
        changed(
            study,
            "zero",
            record="none",
            lag=0.4,
            year=2003,
            year_end=2003,
            source=study.records["zero"].source,
        ),
    ]
    anchored = math.log(85)
    expected = [
        stats.norm(math.log(q.loc[2000, "mined"]), 0.1).logpdf(anchored),
        stats.norm(math.log(0.6 * q.loc[2001, "mined"] + 0.4 * q.loc[2000, "mined"]), 0.1).logpdf(
            anchored
        ),
        stats.norm(math.log((0.6 * fed[2001] + 0.4 * fed[2000]) / mined[2001]), 0.1).logpdf(
            math.log(0.5)
        ),
        stats.norm(math.log(0.4 * q.loc[2002, "made"]), 0.1).logpdf(anchored),
        stats.norm(math.log(0.6 * q.loc[2004, "made"]), 0.1).logpdf(anchored),
        stats.norm.logcdf((math.log(30) - math.log(0.6 * q.loc[2004, "made"])) / 0.2),
        stats.norm.logcdf((math.log(10) - math.log(0.4 * q.loc[2002, "made"])) / 0.5),
    ]
    np.testing.assert_allclose(likelihood(study, planted, late), expected, rtol=1e-12)


def test_a_record_whose_shared_error_has_no_value_is_refused(sharing):
    world = simulate_world(sharing, seed=1)
    with pytest.raises(KeyError, match="grade"):
        record_log_likelihood(sharing, world.flows, world.bias, world.noise)


def test_shared_errors_move_all_figures_that_have_them(sharing):
    calm = simulate_world(sharing, seed=3, overrides={"shared:grade": 0.0, "shared:copied": 0.0})
    moved = simulate_world(sharing, seed=3, overrides=ERRORS)
    before, after = (simulate_records(sharing, world, seed=4) for world in (calm, moved))
    shift = {
        record.record: math.log(after.records[record.record].value / record.value)
        for record in before.records
        if record.value
    }
    assert shift.pop("value") == pytest.approx(0.25, abs=1e-12)
    assert shift.pop("gross") == pytest.approx(-0.25, abs=1e-12)
    assert max(map(abs, shift.values())) < 1e-12


def test_a_printed_second_reading_keeps_its_ratio(sharing):
    world = simulate_world(sharing, seed=1, overrides=PLANTED | ERRORS)
    printed = [simulate_records(sharing, world, seed=seed).records["value"] for seed in range(200)]
    np.testing.assert_allclose([r.other / r.value for r in printed], 60 / 85)
    scores = (np.log([r.value for r in printed]) - math.log(80) - 0.25) / 0.1
    assert stats.kstest(scores, stats.norm().cdf).pvalue > 0.01


# --- simulated records ------------------------------------------------------------------------

COPIES = 400


def write_copies(folder: Path, error: str = "normal") -> Study:
    """The small study with enough sources to print the same figure many times."""
    names = [f"s{i}" for i in range(COPIES)]
    return write_study(folder, error, sources=[*SOURCES, *((s, s, 2000, "", "") for s in names)])


def replicates(study: Study, world, record: Record) -> list[Record]:
    """One record as printed over and over, under the name of another source each time."""
    design = [replace(record, record=f"copy-{i}", source=f"s{i}") for i in range(COPIES)]
    # The anchored reporter must have a record.
    printed = simulate_records(study, world, seed=6, design=[study.records["value"], *design])
    return list(printed.records)[1:]


@pytest.fixture
def copies(tmp_path):
    return write_copies(tmp_path)


def test_simulated_records_keep_the_design(study, planted):
    copy = simulate_records(study, planted, seed=1)
    figures = {"value": None, "low": None, "high": None}
    assert [record.record for record in copy.records] == [r.record for r in study.records]
    for old, new in zip(study.records, copy.records, strict=True):
        kind = "value" if old.kind == "zero" else old.kind
        assert new.kind in (old.kind, kind)
        assert replace(new, kind=old.kind, **figures) == replace(old, **figures)
    again = simulate_records(study, planted, seed=1)
    assert list(again.records) == list(copy.records)
    other = simulate_records(study, planted, seed=2)
    assert other.records["value"].value != copy.records["value"].value
    assert copy.priors == study.priors


@pytest.mark.parametrize("error", ["normal", "student_t"])
@pytest.mark.parametrize("name", ["gross", "cumulative", "mean", "ratios"])
def test_printed_figures_scatter_as_the_likelihood_says(tmp_path, error, name):
    study = write_copies(tmp_path, error)
    world = simulate_world(study, seed=1, overrides=PLANTED)
    record = study.records[name]
    logs = np.log([r.value * r.scale for r in replicates(study, world, record)])
    centre = {
        "gross": math.log(float(world.quantities.sel(year=2001, quantity="used"))) + 0.2,
        "cumulative": math.log(float(world.quantities.sel(quantity="made")[:3].sum())) + 0.2,
        "mean": math.log(float(world.quantities.sel(quantity="made")[4:].mean())) + 0.55,
        "ratios": math.log(float(world.quantities.sel(year=2000, quantity="fed_share"))),
    }[name]
    scale = record.sd * {"customs": 2.0, "survey": 1.0}[record.reporter]
    law = stats.t(5) if error == "student_t" else stats.norm()
    assert stats.kstest((logs - centre) / scale, law.cdf).pvalue > 0.01


def test_ranges_keep_their_width_and_hold_the_replicate_uniformly(copies, planted):
    ranges = replicates(copies, planted, copies.records["range"])
    widths = [r.high / r.low for r in ranges]
    np.testing.assert_allclose(widths, 100 / 60)
    # Density of the middle: a normal replicate plus a uniform offset within half the width.
    half = math.log(100 / 60) / 2
    middle = np.log([r.low for r in ranges]) + half - math.log(0.8 * 130)
    assert middle.mean() == pytest.approx(0, abs=4 * 0.21 / 20)
    assert middle.std() == pytest.approx(math.hypot(0.15, 2 * half / math.sqrt(12)), rel=0.1)


def test_bounds_lie_on_their_side_of_a_replicate(copies, planted):
    upper = np.log([r.high for r in replicates(copies, planted, copies.records["upper"])])
    truth = math.log(float(planted.quantities.sel(year=2001, quantity="made")))
    slack = math.log(10)
    assert (upper - truth).mean() == pytest.approx(slack / 2, abs=4 * 0.7 / 20)
    assert (upper < truth).mean() < 0.1
    lower = np.log([r.low for r in replicates(copies, planted, copies.records["lower"])])
    truth = math.log(float(planted.quantities.sel(year=2002, quantity="made"))) + 0.3
    assert (lower - truth).mean() == pytest.approx(-slack / 2, abs=4 * 0.8 / 20)


def test_a_zero_stays_below_the_printing_unit_and_else_becomes_a_figure(copies):
    zero, nothing = copies.records["zero"], copies.records["nothing"]
    world = simulate_world(copies, seed=1, overrides={**PLANTED, "ore": 40.0})
    printed = replicates(copies, world, zero)
    made = float(world.quantities.sel(year=2004, quantity="made"))
    stays = stats.norm.cdf(math.log(10 / made) / 0.5)
    zeros = [r for r in printed if r.kind == "zero"]
    figures = [r for r in printed if r.kind == "value"]
    assert len(zeros) / COPIES == pytest.approx(stays, abs=4 * 0.5 / math.sqrt(COPIES))
    assert len(figures) == COPIES - len(zeros)
    assert all((r.value, r.high) == (zero.value, zero.high) for r in zeros)
    assert all(r.value > 10 and r.high is None and r.low is None for r in figures)
    assert {r.kind for r in replicates(copies, world, nothing)} == {"zero"}


def test_a_fraction_above_one_is_printed_as_a_ratio(copies):
    record = replace(copies.records["ratios"], sd=0.5)
    world = simulate_world(copies, seed=1, overrides={**PLANTED, "feed": 0.9})
    printed = replicates(copies, world, record)
    assert {r.unit for r in printed} == {"fraction", "ratio"}
    assert all((r.unit == "ratio") == (r.value > 1) for r in printed)


def test_a_figure_of_nothing_cannot_be_printed(study, planted):
    design = [replace(study.records["value"], quantity="made", year=2003, year_end=2003)]
    with pytest.raises(ValueError, match="made is zero or undefined"):
        simulate_records(study, planted, seed=1, design=design)


# --- the bundled study, and what the oracle rests on ------------------------------------------


def test_the_bundled_study_closes_and_prints_records_its_own_likelihood_accepts():
    study = read_study(recalled=True)
    world = simulate_world(study, seed=2022)
    assert float(abs(mass_balance_error(study, world.flows)).max()) <= 1e-12
    printed = simulate_records(study, world, seed=2022)
    result = record_log_likelihood(printed, world.flows, world.bias, world.noise, world.shared)
    assert result.sizes["record"] == len(study.records)
    assert np.isfinite(result).all()


def test_the_oracle_does_not_know_the_model():
    folder = Path(simulation.__file__).parent
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    own = {name.split(".")[1] for name in imported if name and name.startswith("reebayes")}
    assert own <= {"conventions", "errors", "study", "simulation"}
    assert not {"pymc", "pytensor", "numba", "scipy"} & imported


# --- any graph --------------------------------------------------------------------------------


@st.composite
def graphs(draw):
    """A chain of markets, each with a use, and extra routes between any two, cycles included."""
    count = draw(st.integers(2, 5))
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    routes = draw(st.lists(ends.filter(lambda e: e[0] != e[1]), unique=True, max_size=8))
    processes = [("nature", "environment", "", "Ground")]
    flows, priors = [], []

    def add(name, source, target, years=(FIRST, LAST), share=None):
        active = f"{years[0]}-{years[1]}"
        flows.append((name, source, target, "ore", "true", active, name))
        if share is not None:
            kind = "lognormal" if source == "nature" else "share"
            sd = draw(st.sampled_from([0.05, 0.4, 1.5]))
            step = draw(st.sampled_from(["", 0.1, 2.0]))
            priors.append((name, "", "", kind, share, sd, step, "kt REO/yr", "judgement-us"))

    for i in range(count):
        processes += [(f"m{i}", "market", "", ""), (f"u{i}", "use", "", "")]
        add(f"end{i}", f"m{i}", f"u{i}")
        add(f"in{i}", "nature" if i == 0 else f"m{i - 1}", f"m{i}", share=10 if i == 0 else 0.05)
    for i, (a, b) in enumerate(routes):
        first = draw(st.integers(FIRST, LAST))
        add(f"r{i}", f"m{a}", f"m{b}", (first, draw(st.integers(first, LAST))), share=0.1)
    return processes, flows, priors


@pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")  # its record is made up
@settings(
    max_examples=30, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(graph=graphs(), seed=st.integers(0, 2**32 - 1))
def test_any_graph_closes(graph, seed):
    processes, flows, priors = graph
    record = ("one", "out", 2000, "", "value", 1, "", "", "kt REO", "", 0.1, "survey")
    with tempfile.TemporaryDirectory() as folder:
        study = write_study(
            Path(folder),
            processes=processes,
            flows=flows,
            priors=[*priors, *(row for row in PRIORS if row[0] in ("bias:survey", "noise:*"))],
            quantities=[("out", "num", "end0", 1)],
            short_records=[record],
        )
    world = simulate_world(study, seed=seed)
    assert float(abs(mass_balance_error(study, world.flows)).max()) <= 1e-12
    active = np.array([[flow.is_active(year) for flow in study.flows] for year in study.years])
    np.testing.assert_array_equal(world.flows.values > 0, active)
    mined = world.flows.sel(flow="in0")
    used = world.flows.sel(flow=[flow.flow for flow in study.flows if flow.flow[:3] == "end"])
    np.testing.assert_allclose(used.sum("flow"), mined, rtol=1e-12)


# --- printing by rules that the likelihood knows --------------------------------------------------


def printed_exactly(study: Study, world, name: str, seeds: int = 400) -> list[Record]:
    design = [study.records[n] for n in dict.fromkeys(["value", name])]
    return [
        simulate_records(study, world, seed=seed, design=design, exact=True).records[name]
        for seed in range(seeds)
    ]


@pytest.mark.parametrize(("name", "limit"), [("upper", "high"), ("lower", "low")])
def test_an_exact_bound_keeps_its_figure_and_takes_the_side_it_is_on(study, name, limit):
    world = simulate_world(study, seed=1)
    record = study.records[name]
    bound = getattr(record, limit)
    printed = printed_exactly(study, world, name)
    assert {r.high if r.kind == "upper" else r.low for r in printed} == {bound}
    assert {(r.low is None, r.high is None) for r in printed} <= {(True, False), (False, True)}
    as_upper = replace(record, kind="upper", low=None, high=bound)
    (log_chance,) = likelihood(study, world, [as_upper])
    share = np.mean([r.kind == "upper" for r in printed])
    chance = math.exp(log_chance)
    assert share == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 400) + 0.003)


def test_either_of_two_exact_alternatives_is_the_figure(sharing):
    world = simulate_world(sharing, seed=1, overrides=PLANTED | ERRORS)
    printed = printed_exactly(sharing, world, "value")
    np.testing.assert_allclose([r.other / r.value for r in printed], 60 / 85)
    first = (np.log([r.value for r in printed]) - math.log(80) - 0.25) / 0.1
    second = (np.log([r.other for r in printed]) - math.log(80) - 0.25) / 0.1
    near = np.abs(first) < np.abs(second)  # the values lie 3.5 errors apart
    assert near.mean() == pytest.approx(0.5, abs=0.1)
    scores = np.where(near, first, second)
    assert stats.kstest(scores, stats.norm().cdf).pvalue > 0.01


def test_freedom_makes_errors_heavy_and_leaves_bounds_alone(copies):
    world = simulate_world(copies, seed=1, overrides=PLANTED)
    design = [copies.records["value"]] + [
        replace(copies.records["value"], record=f"copy-{i}", source=f"s{i}") for i in range(COPIES)
    ]
    printed = simulate_records(copies, world, seed=6, design=design, freedom=2.0)
    scores = (np.log([r.value for r in printed.records]) - math.log(80)) / 0.1
    assert stats.kstest(scores, stats.t(2).cdf).pvalue > 0.01
    assert stats.kstest(scores, stats.norm().cdf).pvalue < 0.01
