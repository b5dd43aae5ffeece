"""Summaries, selection and files of a fit, without sampling."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from reebayes.conventions import CI_PROB, format_terms, parse_terms
from reebayes.errors import ResultError
from reebayes.results.fitfile import open_fit, save_fit
from reebayes.results.selection import flow, quantity
from reebayes.results.summaries import bands, cumulative, probability_above
from reebayes.wording import format_band, format_value
from tests.fakes import PROCESSES, fake_fit


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit()


def test_bands_are_equal_tailed_quantiles_over_chains_and_draws(fit: xr.DataTree) -> None:
    draws = quantity(fit, "smuggled")
    band = bands(draws, ci_prob=0.5)
    flat = draws.values.reshape(-1, draws.sizes["year"])
    np.testing.assert_allclose(band["lower"], np.quantile(flat, 0.25, axis=0))
    np.testing.assert_allclose(band["median"], np.quantile(flat, 0.5, axis=0))
    np.testing.assert_allclose(band["upper"], np.quantile(flat, 0.75, axis=0))
    assert band["median"].dims == ("year",)
    assert band.attrs["ci_prob"] == 0.5


def test_bands_carry_the_default_probability_and_the_unit(fit: xr.DataTree) -> None:
    band = bands(quantity(fit, "smuggled"))
    assert band.attrs["ci_prob"] == CI_PROB == 0.9
    assert band["median"].attrs["units"] == "kt REO/yr"


def test_bands_keep_undefined_values_undefined(fit: xr.DataTree) -> None:
    draws = quantity(fit, "share_hidden")
    band = bands(draws.where(draws["year"] != 2012))
    assert band["median"].isnull().sel(year=2012)
    assert band["median"].notnull().sum() == draws.sizes["year"] - 1


@pytest.mark.parametrize("ci_prob", [0.0, 1.0, 90.0])
def test_bands_refuse_a_probability_that_is_none(fit: xr.DataTree, ci_prob: float) -> None:
    with pytest.raises(ResultError, match="between 0 and 1"):
        bands(quantity(fit, "smuggled"), ci_prob=ci_prob)


def test_summaries_refuse_arrays_without_draws() -> None:
    with pytest.raises(ResultError, match="chain and draw"):
        bands(xr.DataArray([1.0], dims="year"))


def test_quantity_offers_the_nearest_name(fit: xr.DataTree) -> None:
    with pytest.raises(ResultError, match="Did you mean 'mined_world'"):
        quantity(fit, "mined_word")
    with pytest.raises(ResultError, match="Unknown flow 'ore_hiden'"):
        flow(fit, ["ore_mined", "ore_hiden"])


def test_quantity_selects_one_or_several_from_either_group(fit: xr.DataTree) -> None:
    assert quantity(fit, "smuggled").dims == ("chain", "draw", "year")
    several = quantity(fit, ["smuggled", "share_hidden"], group="prior")
    assert several.dims == ("chain", "draw", "year", "quantity")
    assert several.attrs["units"] == "kt REO/yr or ratio"
    with pytest.raises(ResultError, match="no group 'priors'"):
        quantity(fit, "smuggled", group="priors")


def test_flow_is_in_the_unit_of_the_study(fit: xr.DataTree) -> None:
    draws = flow(fit, "ore_smuggled")
    assert draws.attrs["units"] == "kt REO/yr"
    np.testing.assert_array_equal(draws, quantity(fit, "smuggled"))


def test_cumulative_adds_up_draw_by_draw(fit: xr.DataTree) -> None:
    draws = quantity(fit, "smuggled")
    total = cumulative(draws, 2011, 2013)
    np.testing.assert_allclose(total, draws.values[:, :, 1:4].sum(axis=2))
    assert total.attrs["units"] == "kt REO"
    assert (total.attrs["first_year"], total.attrs["last_year"]) == (2011, 2013)
    assert cumulative(draws).attrs["last_year"] == 2015


def test_cumulative_refuses_ratios(fit: xr.DataTree) -> None:
    with pytest.raises(ResultError, match="share_hidden is a ratio"):
        cumulative(quantity(fit, "share_hidden"))


def test_cumulative_refuses_a_mixture_that_holds_a_ratio(fit: xr.DataTree) -> None:
    with pytest.raises(ResultError, match="ratio"):
        cumulative(quantity(fit, ["smuggled", "share_hidden"]))


@pytest.mark.parametrize("span", [(2009, 2012), (2011, 2016), (2013, 2012)])
def test_cumulative_refuses_years_outside_the_study(
    fit: xr.DataTree, span: tuple[int, int]
) -> None:
    with pytest.raises(ResultError, match="not inside 2010 to 2015"):
        cumulative(quantity(fit, "smuggled"), *span)


def test_probability_above_is_the_share_of_draws(fit: xr.DataTree) -> None:
    draws = quantity(fit, "smuggled")
    share = probability_above(draws, 0.1)
    np.testing.assert_allclose(share, (draws.values > 0.1).mean(axis=(0, 1)))
    assert probability_above(draws, -1.0).values == pytest.approx(1.0)
    undefined = probability_above(draws.where(draws["year"] > 2010), 0.1)
    assert np.isnan(undefined.sel(year=2010))


def test_a_saved_fit_opens_identical(fit: xr.DataTree, tmp_path: Path) -> None:
    path = save_fit(fit, tmp_path / "new" / "fit.nc")
    opened = open_fit(path)
    xr.testing.assert_equal(opened, fit)
    assert opened.attrs == fit.attrs
    assert [entry.name for entry in path.parent.iterdir()] == ["fit.nc"]


def test_mass_balance_closes_in_the_file(fit: xr.DataTree, tmp_path: Path) -> None:
    opened = open_fit(save_fit(fit, tmp_path / "fit.nc"))
    flows = opened["posterior"].to_dataset()["flows"]
    ends = opened["constant_data"].to_dataset()
    for process, (kind, *_) in PROCESSES.items():
        if kind in {"market", "conversion"}:
            inflow = flows.isel(flow=np.flatnonzero(ends["flow_target"] == process)).sum("flow")
            outflow = flows.isel(flow=np.flatnonzero(ends["flow_source"] == process)).sum("flow")
            np.testing.assert_allclose(inflow, outflow, rtol=1e-9)


def test_a_failed_save_keeps_the_old_file(fit: xr.DataTree, tmp_path: Path) -> None:
    path = save_fit(fit, tmp_path / "fit.nc")
    before = path.read_bytes()
    broken = fit.copy()
    broken.attrs["broken"] = {"not": "writable"}
    with pytest.raises((ResultError, TypeError)):
        save_fit(broken, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["fit.nc"]


def test_save_says_where_it_cannot_write(fit: xr.DataTree, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="give the name of a folder"):
        save_fit(fit, tmp_path / "file" / "fit.nc")
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(ResultError, match="give the name of a file in it"):
        save_fit(fit, tmp_path / "folder.nc")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.nc"]


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _text(path: Path) -> None:
    path.write_text("quantity,year\n")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncated, _text, _empty])
def test_open_refuses_damaged_files(
    fit: xr.DataTree, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = save_fit(fit, tmp_path / "fit.nc")
    damage(path)
    with pytest.raises(ResultError, match="damaged"):
        open_fit(path)


def test_open_refuses_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no such file"):
        open_fit(tmp_path / "fit.nc")
    path = tmp_path / "foreign.nc"
    xr.Dataset({"rain": ("day", [1.0])}).to_netcdf(path, engine="netcdf4")
    with pytest.raises(ResultError, match="not a fit of reebayes; it lacks the attribute"):
        open_fit(path)


@pytest.mark.parametrize(
    ("numerator", "denominator", "text"),
    [
        ((("a", 1.0),), (), "a"),
        ((("a", 1.0), ("b", -0.5)), (), "a - 0.5 b"),
        ((("a", -1.0),), (("b", 2.0), ("c", 1.0)), "- a / 2 b + c"),
    ],
)
def test_terms_are_read_back_as_written(
    numerator: tuple[tuple[str, float], ...],
    denominator: tuple[tuple[str, float], ...],
    text: str,
) -> None:
    assert format_terms(numerator, denominator) == text
    assert parse_terms(text) == (dict(numerator), dict(denominator))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0001, "<0.001"),
        (-0.0001, ">-0.001"),
        (0.01234, "0.012"),
        (1.2345, "1.23"),
        (45.67, "45.7"),
        (1234.5, "1,234"),
        (float("nan"), "–"),
    ],
)
def test_values_are_written_without_exponents(value: float, text: str) -> None:
    assert format_value(value) == text


def test_bands_are_written_with_both_ends() -> None:
    assert format_band(2, 1, 3) == "2.00 (1.00 to 3.00)"


def test_reading_results_needs_no_sampler() -> None:
    code = (
        "import sys, reebayes.results.fitfile, reebayes.reporting.tables, reebayes.reporting.page\n"
        "raise SystemExit(bool({'pymc', 'pytensor', 'nutpie', 'numba'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
