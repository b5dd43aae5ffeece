"""Value of information, held against the conditional variances of a normal posterior."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.answers.information import value_of_information
from reebayes.errors import ResultError
from tests.linear import even_draws
from tests.toys import CHAINS, draws_fit

NAMES = ("g", "near", "far", "loose")
YEARS = 3
BIAS = 0.08


def covariance() -> np.ndarray:
    """Covariance of the answer in three years and of the logs of three other quantities."""
    rng = np.random.default_rng(11)
    factor = rng.normal(size=(12, 12)) * 0.05
    factor[9:] *= 3.0
    return factor @ factor.T


def fit_of(*, bias: float = BIAS) -> xr.DataTree:
    """A fit of an answer and of three quantities whose logs are normal with it, exactly."""
    draws = even_draws(CHAINS * 500, 12, seed=4) @ np.linalg.cholesky(covariance()).T
    by_name = draws.reshape(-1, 4, YEARS)
    values = {"g": 10.0 + by_name[:, 0]}
    values |= {name: np.exp(by_name[:, n]) for n, name in enumerate(NAMES) if n}
    fit = draws_fit({name: np.ones((CHAINS, YEARS)) for name in NAMES}, values)
    tables = fit["constant_data"].to_dataset().drop_dims("prior_row")
    rows = {
        "prior_target": ("prior_row", np.array(["bias:*"], dtype=object)),
        "prior_sd": ("prior_row", np.array([bias])),
        "prior_row": ("prior_row", np.array(["bias:*"], dtype=object)),
    }
    fit["constant_data"] = xr.DataTree(tables.assign(rows))
    fit.attrs["unit"] = "kt REO/yr"
    return fit


ANSWER = np.repeat([1.0, 0.0, 0.0, 0.0], YEARS)


def place(name: str, year: int) -> int:
    return NAMES.index(name) * YEARS + year - 2010


def width(chosen: list[list[int]], *, own: float, common: float) -> float:
    """Width of the band of the sum once figures are known, over its width without."""
    cov, at = covariance(), [n for one in chosen for n in one]
    blocks = [np.full((len(one), len(one)), common) for one in chosen]
    errors = own * np.eye(len(at))
    start = 0
    for block in blocks:
        stop = start + len(block)
        errors[start:stop, start:stop] += block
        start = stop
    known = cov[np.ix_(at, at)] + errors
    across = cov[at] @ ANSWER
    before = ANSWER @ cov @ ANSWER
    return float(np.sqrt(1 - across @ np.linalg.solve(known, across) / before))


SINGLE = [(name, year) for name in NAMES[1:] for year in range(2010, 2013)]


@pytest.mark.parametrize("sd", [0.01, 0.1, 1.0])
def test_one_figure_narrows_the_band_as_the_conditional_variance_does(sd: float) -> None:
    table = value_of_information(fit_of(), "g", sd=sd, candidates=SINGLE, count=9)
    assert len(table) == 9
    for row in table.itertuples():
        at = place(row.quantity, int(row.years))
        exact = width([[at]], own=sd**2, common=BIAS**2)
        assert row.alone == pytest.approx(exact, abs=1e-9)
        assert row.perfect == pytest.approx(width([[at]], own=0.0, common=0.0), abs=1e-9)


def test_figures_are_chosen_one_beside_another() -> None:
    """Each is the best beside those before it, and together they narrow as all of them do."""
    own = 0.1**2
    table = value_of_information(fit_of(), "g", candidates=SINGLE, count=4)
    chosen: list[list[int]] = []
    for row in table.itertuples():
        best = min(
            (width([*chosen, [place(*one)]], own=own, common=BIAS**2), one)
            for one in SINGLE
            if [place(*one)] not in chosen
        )
        assert (row.quantity, int(row.years)) == best[1]
        assert row.together == pytest.approx(best[0], abs=1e-9)
        assert row.after == pytest.approx(row.before * best[0], rel=1e-9)
        chosen.append([place(*best[1])])
    assert list(table.index) == [1, 2, 3, 4]


def test_a_series_has_one_bias_and_an_error_of_its_own_in_every_year() -> None:
    series = [("near", (2010, 2012)), ("far", (2010, 2011)), ("loose", 2012)]
    table = value_of_information(fit_of(), "g", candidates=series, count=3)
    chosen: list[list[int]] = []
    spans = {"near": [3, 4, 5], "far": [6, 7], "loose": [11]}
    for row in table.itertuples():
        alone = width([spans[row.quantity]], own=0.01, common=BIAS**2)
        assert row.alone == pytest.approx(alone, abs=1e-9)
        chosen.append(spans[row.quantity])
        exact = width(chosen, own=0.01, common=BIAS**2)
        assert row.together == pytest.approx(exact, abs=1e-9)
    assert dict(zip(table["quantity"], table["years"], strict=True))["near"] == "2010-2012"


def test_a_figure_of_the_answer_itself_in_another_form() -> None:
    """With one year, what is known of the answer's own log takes nearly all of its variance."""
    fit = fit_of(bias=0.0)
    table = value_of_information(fit, "g", 2011, sd=1e-4, candidates=[("g", 2011)])
    assert table["alone"].iloc[0] < 0.05
    assert table["unit"].iloc[0] == "kt REO/yr"


@pytest.mark.parametrize(("sd", "seed"), list(product([0.02, 0.3], range(3))))
def test_never_negative_never_above_perfect_and_monotone(sd: float, seed: int) -> None:
    """Draws that are not normal at all: skewed, tied, and some of them worthless."""
    rng = np.random.default_rng(seed)
    base = rng.gamma(2.0, 1.0, size=(CHAINS * 100, YEARS))
    values = {
        "g": base,
        "near": base * rng.lognormal(0, 0.2, base.shape),
        "far": base[:, ::-1] ** 2,
        "loose": rng.lognormal(0, 1.0, base.shape),
    }
    fit = draws_fit({name: np.ones((CHAINS, YEARS)) for name in NAMES}, values)
    candidates = [*SINGLE, ("near", (2010, 2012)), ("far", (2011, 2012))]
    table = value_of_information(fit, "g", sd=sd, candidates=candidates, count=11)
    for column in ("alone", "together", "perfect"):
        assert table[column].between(0, 1).all()
    assert (table["perfect"] <= table["alone"] + 1e-12).all()
    assert table["together"].is_monotonic_decreasing
    assert (table["together"] <= table["alone"] + 1e-9).all()
    assert (table["after"] <= table["before"]).all()
    assert not table.duplicated(["quantity", "years"]).any()


def test_the_error_is_the_spread_over_other_draws() -> None:
    rng = np.random.default_rng(5)
    root = np.linalg.cholesky(covariance())
    found = []
    for _ in range(30):
        draws = (rng.standard_normal((CHAINS * 100, 12)) @ root.T).reshape(-1, 4, YEARS)
        values = {"g": 10.0 + draws[:, 0]}
        values |= {name: np.exp(draws[:, n]) for n, name in enumerate(NAMES) if n}
        fit = draws_fit({name: np.ones((CHAINS, YEARS)) for name in NAMES}, values)
        row = value_of_information(fit, "g", candidates=[("near", 2010)]).iloc[0]
        found.append((row["alone"], row["error"]))
    widths, errors = zip(*found, strict=True)
    assert np.mean(errors) == pytest.approx(np.std(widths), rel=0.4)


def test_the_bias_of_a_new_reporter_is_the_widest_of_its_periods_or_none() -> None:
    fit = fit_of()
    tables = fit["constant_data"].to_dataset()
    one = [("near", 2010)]
    for targets, spreads, bias in (
        (["bias:*", "bias:*"], [BIAS, 0.2], 0.2), (["bias:office", "a"], [0.3, 0.3], 0.0)
    ):  # fmt: skip
        rows = {
            "prior_target": ("prior_row", np.array(targets, dtype=object)),
            "prior_sd": ("prior_row", np.array(spreads)),
            "prior_row": ("prior_row", np.array(["first", "second"], dtype=object)),
        }
        fit["constant_data"] = xr.DataTree(tables.drop_dims("prior_row").assign(rows))
        found = value_of_information(fit, "g", candidates=one)["alone"].iloc[0]
        assert found == pytest.approx(width([[3]], own=0.01, common=bias**2), abs=1e-9)


def test_costs_turn_the_order() -> None:
    fit = fit_of()
    first = value_of_information(fit, "g", candidates=SINGLE, count=1)["quantity"].iloc[0]
    dear = value_of_information(fit, "g", candidates=SINGLE, count=1, cost={first: 1e6})
    assert dear["quantity"].iloc[0] != first


def test_what_is_not_positive_in_every_draw_is_no_candidate() -> None:
    fit = fit_of()
    draws = fit["posterior"].to_dataset()
    values = draws["quantities"].copy()
    values.loc[{"quantity": "near", "year": 2011}] = 0.0
    fit["posterior"] = xr.DataTree(draws.assign(quantities=values))
    named = [*SINGLE, ("near", (2010, 2011))]
    table = value_of_information(fit, "g", candidates=named, count=20)
    assert len(table) == 8
    assert table.attrs["not_positive"] == (("near", 2011), ("near", (2010, 2011)))
    assert value_of_information(fit, "g", candidates=SINGLE[:1]).attrs["not_positive"] == ()
    assert value_of_information(fit, "g", count=1).attrs["not_positive"] == ()  # nobody named any
    with pytest.raises(ResultError, match="No candidate is positive in every draw"):
        value_of_information(fit, "g", candidates=[("near", 2011), ("near", (2010, 2011))])


def test_years_of_candidates_may_come_from_an_array() -> None:
    plain = [("near", 2010), ("far", (2010, 2011))]
    from_array = [("near", np.int64(2010)), ("far", tuple(np.array([2010, 2011])))]
    lists = [["near", np.int32(2010)], [np.str_("far"), [2010, 2011]]]
    expected = value_of_information(fit_of(), "g", candidates=plain)
    for candidates in (from_array, lists):
        found = value_of_information(fit_of(), "g", candidates=candidates)  # type: ignore[arg-type]
        pd.testing.assert_frame_equal(found, expected)


def test_everything_is_a_candidate_unless_some_are_named() -> None:
    table = rb.value_of_information(fit_of(), "g", count=100)
    assert len(table) == len(NAMES) * YEARS
    assert set(table["quantity"]) == set(NAMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sd": 0.0}, "sd must be above 0, not 0.0"),
        ({"sd": float("nan")}, "sd must be above 0"),
        ({"sd": float("inf")}, "sd must be above 0"),
        ({"count": 0}, "count must be at least 1, not 0"),
        ({"candidates": [("nearr", 2010)]}, "Did you mean 'near'"),
        (
            {"candidates": [("near", 1999)]},
            "Years 1999 to 1999 of near are not inside 2010 to 2012",
        ),
        ({"candidates": [("near", (2012, 2010))]}, "Years 2012 to 2010 of near are not inside"),
        ({"candidates": []}, "candidates is empty; leave it out to take every quantity"),
        ({"candidates": ["near"]}, "'near' is no candidate; give .quantity, year. or .quantity,"),
        ({"candidates": "near"}, "'n' is no candidate; give"),
        ({"candidates": [("near",)]}, "is no candidate; give"),
        ({"candidates": [2010]}, "2010 is no candidate; give"),
        ({"candidates": [(2010, "near")]}, "is no candidate; give"),
        ({"candidates": [("near", 2010.0)]}, "is no candidate; give"),
        ({"candidates": [("near", True)]}, "is no candidate; give"),
        ({"candidates": [("near", "2010")]}, "is no candidate; give"),
        ({"candidates": [("near", (2010, 2011, 2012))]}, "is no candidate; give"),
        ({"candidates": [("near", (2010, None))]}, "is no candidate; give"),
        ({"candidates": [("near", None)]}, "is no candidate; give"),
        ({"cost": {"neer": 2.0}}, "Did you mean 'near'"),
        ({"cost": {"near": 0.0}}, "cost of near must be above 0, not 0.0"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_bad_arguments_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ResultError, match=message):
        value_of_information(fit_of(), "g", **options)  # type: ignore[arg-type]


def test_a_known_reporter_has_the_bias_of_its_draws() -> None:
    """What a reporter's own bias is known to be, and with what it goes, counts as in the draws."""
    fit = fit_of().drop_nodes("prior")  # whose reporters would be others
    draws = fit["posterior"].to_dataset()
    shape = (draws.sizes["chain"], draws.sizes["draw"])
    logs = np.log(draws["quantities"].sel(quantity="near", year=2010).values)
    bias = np.stack([-logs, np.zeros(shape)], axis=-1)  # one that hides the quantity, one of none
    named = (
        draws.drop_dims(["reporter", "drifting"], errors="ignore")
        .assign(
            bias=(("chain", "draw", "reporter"), bias),
            drifting_bias=(("chain", "draw", "year", "drifting"), np.zeros((*shape, YEARS, 0))),
        )
        .assign_coords(reporter=["blind", "exact"], drifting=np.array([], dtype=object))
    )
    fit["posterior"] = xr.DataTree(named)
    one = [("near", 2010)]
    assert value_of_information(fit, "g", candidates=one, reporter="blind")["alone"].iloc[0] == 1.0
    exact = value_of_information(fit, "g", candidates=one, reporter="exact")["alone"].iloc[0]
    assert exact == pytest.approx(width([[3]], own=0.01, common=0.0), abs=1e-9)
    with pytest.raises(ResultError, match="Did you mean 'exact'"):
        value_of_information(fit, "g", reporter="exacct")
    assert isinstance(exact, float) and pd.notna(exact)
