"""Prior-data conflict: shifts of the unknowns from their priors, and the records that pull them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.answers.hangs import CONFLICT_FROM, SensitivitySummary
from reebayes.errors import ResultError
from reebayes.experiments.conflicts import _in_unit
from reebayes.study import Prior
from tests.fakes import fake_fit
from tests.linear import NAMES, Priors, linear_fit, linear_study, posterior
from tests.standin import stand_in_fit
from tests.test_errors import spread_rows
from tests.tiny import shared_tables, write_tables

ROWS = {"b": 3, "bias:customs": 5, "bias:office": 6, "shared:copied": 7,
        "c[2010-2010]": 4, "c[2011-2012]": 4}  # fmt: skip
"""Rows of what never changes, and the standard normal of the algebra that each governs."""

LIMIT = 0.1
"""Few records move little: shifts of this study beyond so many standard deviations are told."""


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    return linear_fit(linear_study(tmp_path_factory.mktemp("linear") / "study"))


@pytest.fixture(scope="module")
def table(fit: xr.DataTree) -> pd.DataFrame:
    return rb.prior_conflict(fit, beyond=LIMIT)


def deviations(kept: np.ndarray | None = None) -> np.ndarray:
    """Posterior means of the states of ``a`` by year, in its prior standard deviations."""
    _, factor = Priors().levels()
    return (factor @ posterior(Priors(), kept)[0])[:3] / Priors().sd["a"]


def test_shifts_are_those_of_the_algebra(table: pd.DataFrame) -> None:
    exact, series = posterior(Priors())[0], deviations()
    assert set(table.index) == {*ROWS, "a"}
    for row, n in ROWS.items():
        assert table.loc[row, "shift"] == pytest.approx(exact[n], abs=1e-9), row
        assert table.loc[row, "mean_shift"] == pytest.approx(exact[n], abs=1e-9), row
        assert table.loc[row, "conflict"] == (abs(exact[n]) > LIMIT)
        assert table.loc[row, "year"] == table.loc[row, "years"] == ""
    furthest = int(np.abs(series).argmax())
    assert table.loc["a", "shift"] == pytest.approx(series[furthest], abs=1e-9)
    assert table.loc["a", "mean_shift"] == pytest.approx(series.mean(), abs=1e-9)
    assert table.loc["a", "year"] == str(2010 + furthest)
    assert table["shift"].abs().is_monotonic_decreasing


def test_years_are_those_beyond_the_limit(fit: xr.DataTree) -> None:
    series = np.abs(deviations())
    limit = float(np.sort(series)[:2].mean())  # between the least and the middle one
    found = rb.prior_conflict(fit, beyond=limit).loc["a", "years"]
    beyond = [2010 + n for n in np.flatnonzero(series > limit)]
    pieces = [piece.split("-") for piece in found.split(";")]
    assert [y for p in pieces for y in range(int(p[0]), int(p[-1]) + 1)] == beyond


def test_prior_and_posterior_are_in_the_unit_of_the_row(
    fit: xr.DataTree, table: pd.DataFrame
) -> None:
    row = table.loc["b"]
    reach = 1.6448536269514722
    ends = [row[f"prior{end}"] for end in ("", "_lower", "_upper")]
    assert ends == pytest.approx([5, 5 * np.exp(-0.07 * reach), 5 * np.exp(0.07 * reach)])
    draws = fit["posterior"]["quantities"].sel(quantity="b", year=2010)
    found = [row[f"posterior{end}"] for end in ("", "_lower", "_upper")]
    assert found == pytest.approx(np.quantile(draws, [0.5, 0.05, 0.95]), rel=1e-6)
    assert row["unit"] == "kt REO/yr"
    assert table.loc["bias:customs", "prior"] == pytest.approx(0.01)


def test_records_that_pull_are_those_without_which_the_shift_is_smaller(
    table: pd.DataFrame,
) -> None:
    for row, n in ROWS.items():
        if not table.loc[row, "conflict"]:
            assert table.loc[row, "pulled_by"] == ""
            continue
        whole = posterior(Priors())[0][n]
        adds = {}
        for k, name in enumerate(NAMES):
            adds[name] = whole - posterior(Priors(), np.arange(len(NAMES)) != k)[0][n]
        found = re.findall(r"(\w+) \((~?)([-+][\d.]+)\)", table.loc[row, "pulled_by"])
        assert 1 <= len(found) <= 3
        for name, first_order, pull in found:
            assert float(pull) * whole > 0 < adds[name] * whole
            if first_order:  # too small, as ever
                assert abs(float(pull)) < abs(adds[name])
            else:
                assert float(pull) == pytest.approx(adds[name], abs=0.08), (row, name)


def test_a_share_is_told_as_if_the_others_stood_at_their_medians() -> None:
    share = Prior("x", None, None, "share", 0.2, 0.5, None, "share", "guess")
    weight = 0.2 * np.exp(0.5 * 1.3)
    assert _in_unit(share, 1.3) == pytest.approx(weight / (weight + 0.5 + 0.3))
    normal = replace(share, distribution="normal", median=-0.1)
    assert _in_unit(normal, -2.0) == pytest.approx(-1.1)


def test_noise_is_told_with_the_spread_that_is_learnt(tmp_path: Path) -> None:
    study = rb.read_study(
        write_tables(tmp_path / "tiny", **shared_tables() | spread_rows(2.0, 0.4))
    )
    fit = stand_in_fit(study)
    rows = rb.prior_conflict(fit)
    row = rows[rows["unknown"] == "noise:survey"].iloc[0]
    draws = fit["posterior"].to_dataset()
    alone = (draws["noise"].sel(reporter="survey") / draws["noise_of_all"]).values
    for name, level in (("posterior", 0.5), ("posterior_lower", 0.05), ("posterior_upper", 0.95)):
        assert row[name] == pytest.approx(np.quantile(alone, level), rel=1e-3)
    [sd] = (prior.sd for prior in study.priors if prior.target == "noise:*")
    z, stretch = np.random.default_rng(1).standard_normal((2, 400_000))
    drawn = np.exp(sd * 2.0 * np.exp(0.4 * stretch) * z)
    assert row["prior_upper"] == pytest.approx(np.quantile(drawn, 0.95), rel=0.01)
    assert row["prior"] == pytest.approx(1.0)


def test_nothing_is_in_conflict_without_a_shift(fit: xr.DataTree) -> None:
    table = rb.prior_conflict(fit)
    assert (table["conflict"] == (table["shift"].abs() > CONFLICT_FROM)).all()
    assert not table["conflict"].any() and set(table["pulled_by"]) == {""}
    with pytest.raises(ResultError, match="beyond must be above 0"):
        rb.prior_conflict(fit, beyond=0)


def page_of(found: pd.DataFrame, path: Path) -> str:
    summary = SensitivitySummary("2" * 16, {}, {}, {}, {}, found, ())
    text = rb.write_report(fake_fit(), path, sensitivity=summary).read_text("utf-8")
    return text[text.index('id="headline"') : text.index('id="learnt"')]


def test_conflicts_stand_under_the_first_table_of_a_report(
    fit: xr.DataTree, table: pd.DataFrame, tmp_path: Path
) -> None:
    first = page_of(table, tmp_path / "a.html")
    count = int(table["conflict"].sum())
    said = f"The records conflict with {count} of {len(table)} priors: they move each"
    caption = first[first.index("<caption>") : first.index("</caption>")]
    assert said in caption and "more than 1.5 of its standard deviations" in caption
    assert '<a href="#conflicts">' in caption
    names = re.findall('<table[^>]*id="([^"]+)"', first)
    assert names[:2] == ["headline-numbers", "conflicts"] and first.count("<table") > 2
    start = first.index("What the records moved beyond")
    rows = first[start : first.index("</table>", start)]
    assert rows.count('<th scope="row">') == count
    top = table.iloc[0]
    row = rows[rows.index('<th scope="row">') :]
    row = row.partition("<tr>")[0]
    shift = f"{top['shift']:+.1f}".replace("-", "−")
    assert f'<td class="number">{shift}<' in row
    assert top["source"] in row
    assert top["pulled_by"].split(" (")[0] in row
    none = page_of(rb.prior_conflict(fit), tmp_path / "b.html")
    assert "The records conflict with no prior: they move none by more than 1.5" in none
    assert "conflicts" not in re.findall('(?:id="|href="#)([^"]+)"', none)
