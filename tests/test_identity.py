"""Draws know what they are: no arithmetic passes a ratio off as a mass."""

import operator
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import reebayes as rb
from reebayes.errors import ResultError
from reebayes.figures.curves import plot_bands
from reebayes.results.identity import UNKNOWN_UNIT
from reebayes.results.selection import flow, quantity
from reebayes.results.summaries import bands, cumulative, probability_above
from tests.fakes import fake_fit

type Change = Callable[[xr.DataArray, xr.DataArray], xr.DataArray]

PAIRED = (operator.truediv, operator.mul, operator.floordiv, operator.mod, operator.pow,
          operator.add, operator.sub, np.divide, np.maximum, np.arctan2)  # fmt: skip


def in_place(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    a = a.copy()
    a /= b
    return a


def into_its_values(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    a = a.copy()
    a[:] = (a / b).values
    return a


def with_bare_values(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    return a / b.values


def bare(a: xr.DataArray) -> xr.DataArray:
    return a.drop_vars(["quantity", "drawn"])


CHANGES: dict[str, Change] = {
    **{f"a {way.__name__} b": lambda a, b, way=way: way(a, b) for way in PAIRED},  # type: ignore[misc]
    "a /= b": in_place,
    "a[:] = a / b": into_its_values,
    "a / b.values": with_bare_values,
    "a.values / b": lambda a, b: a.values / b,
    "a.copy(data)": lambda a, b: a.copy(data=(a / b).values),
    "a / a": lambda a, _: a / a,
    "a / b.mean(draw)": lambda a, b: a / b.mean("draw"),
    "a / b in one year": lambda a, b: a / b.sel(year=2010),
    "a / its sum": lambda a, _: a / a.sum("year"),
    "a / a float": lambda a, _: a / 1000.0,
    "a float / a": lambda a, _: 1.0 / a,
    "1 - a": lambda a, _: 1 - a,
    "-a": lambda a, _: -a,
    "a ** 2": lambda a, _: a**2,
    "log": lambda a, _: np.log(a),
    "apply_ufunc": lambda a, b: xr.apply_ufunc(np.divide, a, b),
    "apply_ufunc, attributes kept": lambda a, b: xr.apply_ufunc(np.divide, a, b, keep_attrs=True),
    "diff": lambda a, _: a.diff("year"),
    "shift": lambda a, _: a.shift(year=1, fill_value=0.0),
    "cumsum": lambda a, _: a.cumsum("year"),
    "rolling": lambda a, _: a.rolling(year=2, min_periods=1).mean(),
    "where": lambda a, _: a.where(a > a.median(), 0.0),
    "fillna": lambda a, _: a.where(a > a.median()).fillna(1.0),
    "map": lambda a, b: a.to_dataset(name="x").map(lambda x: x / b)["x"],
    "in a data set": lambda a, b: (a.to_dataset(name="x") / b.drop_vars("quantity"))["x"],
    "in a data set, by names": lambda a, b: (
        xr.Dataset({"a": bare(a), "b": bare(b)}).pipe(lambda found: found["a"] / found["b"])
    ),
}  # fmt: skip

SELECTIONS: dict[str, Callable[[xr.DataArray], xr.DataArray]] = {
    "all": lambda a: a,
    "sel": lambda a: a.sel(year=slice(2011, 2013)),
    "isel": lambda a: a.isel(draw=slice(0, 7), chain=[1]),
    "transpose": lambda a: a.transpose("year", "draw", "chain"),
    "sortby": lambda a: a.sortby("draw", ascending=False),
    "copy": lambda a: a.copy(deep=True),
    "astype": lambda a: a.astype("float64"),
    "blanked": lambda a: a.where(a["draw"] != 3),
    "stacked and back": lambda a: a.stack(sample=("chain", "draw")).unstack("sample"),
    "load": lambda a: a.load(),
    "pickled": lambda a: __import__("pickle").loads(__import__("pickle").dumps(a)),
    "one year kept": lambda a: a.sel(year=[2012]),
    "times one": lambda a: a * 1.0,
    "through a data set": lambda a: a.to_dataset(name="x")["x"],
}


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit(draws=12)


@pytest.mark.parametrize("name", CHANGES)
def test_what_arithmetic_makes_has_no_unit(fit: xr.DataTree, name: str) -> None:
    """Whatever xarray does with attributes, nothing changed is added up or labelled."""
    a, b = quantity(fit, "mined_A_hidden"), quantity(fit, "mined_world")
    for keep in (True, False, "default"):
        with xr.set_options(keep_attrs=keep):  # type: ignore[no-untyped-call]
            made = CHANGES[name](a, b)
            with pytest.raises(ResultError, match="nobody knows"):
                cumulative(made)
            band = bands(made)
            assert band["median"].attrs.get("units") in (None, UNKNOWN_UNIT)
            assert "mined" not in str(probability_above(made, 0.5).attrs["long_name"])


@pytest.mark.parametrize("name", ["a truediv b", "a / a float", "-a", "where"])
def test_what_arithmetic_makes_is_drawn_without_a_unit(fit: xr.DataTree, name: str) -> None:
    made = CHANGES[name](quantity(fit, "mined_A_hidden"), quantity(fit, "mined_world"))
    axes = plot_bands(made, ax=Figure().subplots())
    assert "kt" not in axes.get_ylabel()
    assert "mined" not in axes.get_title(loc="left")


@pytest.mark.parametrize("name", SELECTIONS)
def test_what_is_selected_keeps_its_unit(fit: xr.DataTree, name: str) -> None:
    chosen = SELECTIONS[name](quantity(fit, "mined_world"))
    assert cumulative(chosen).attrs["units"] == "kt REO"
    assert bands(chosen)["median"].attrs["units"] == "kt REO/yr"


def test_a_sum_over_years_is_a_quantity_too(fit: xr.DataTree) -> None:
    total = cumulative(quantity(fit, "mined_world"))
    assert bands(total)["median"].attrs["units"] == "kt REO"
    assert bands(total / 2)["median"].attrs["units"] == UNKNOWN_UNIT


def test_several_quantities_are_joined_and_taken_apart(fit: xr.DataTree) -> None:
    both = xr.concat([quantity(fit, "mined_world"), quantity(fit, "smuggled")], dim="quantity",
                     coords="different", compat="equals")  # fmt: skip
    assert cumulative(both.sel(quantity="smuggled")).attrs["units"] == "kt REO"
    several = quantity(fit, ["mined_world", "smuggled"])
    one = several.sel(quantity="smuggled")
    np.testing.assert_array_equal(cumulative(one), cumulative(quantity(fit, "smuggled")))
    with pytest.raises(ResultError, match="nobody knows"):
        cumulative(several / several.sel(quantity="mined_world"))


def test_a_file_keeps_what_draws_are(fit: xr.DataTree, tmp_path: Path) -> None:
    quantity(fit, "mined_world").to_dataset(name="x").to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as opened:
        assert cumulative(opened["x"]).attrs["units"] == "kt REO"
        with pytest.raises(ResultError, match="nobody knows"):
            cumulative(opened["x"] / 3)


def test_flows_are_bound_alike(fit: xr.DataTree) -> None:
    assert cumulative(flow(fit, "used_A")).attrs["units"] == "kt REO"
    with pytest.raises(ResultError, match=r"ratio\(fit"):
        cumulative(flow(fit, "used_A") / flow(fit, "used_B"))


def test_an_array_of_ones_own_says_its_unit() -> None:
    own = xr.DataArray(np.ones((1, 4, 3)), {"year": [2010, 2011, 2012]}, ["chain", "draw", "year"])
    with pytest.raises(ResultError, match="have no unit"):
        cumulative(own)
    assert cumulative(own.assign_attrs(units="kt/yr")).attrs["units"] == "kt"
    for unit in ("ratio", "fraction", "fraction/yr", "index 0-1"):
        with pytest.raises(ResultError, match="cannot be added"):
            cumulative(own.assign_attrs(units=unit))


def test_sums_and_differences_have_names(fit: xr.DataTree) -> None:
    made = quantity(fit, "mined_world - 0.5 smuggled")
    by_hand = quantity(fit, "mined_world") - 0.5 * quantity(fit, "smuggled")
    np.testing.assert_allclose(made, by_hand)
    assert cumulative(made).attrs["units"] == "kt REO"
    assert rb.bands(made).attrs["long_name"] == "mined_world - 0.5 smuggled"
    for wrong in ("mined_world / smuggled", "mined_world + share_hidden"):
        with pytest.raises(ResultError, match="no sum of masses"):
            quantity(fit, wrong)
    with pytest.raises(ResultError, match="Did you mean 'mined_world'"):
        quantity(fit, "mined_worl + smuggled")


def test_what_is_changed_in_place_is_changed() -> None:
    """The coordinate is a copy: nothing that is done to the values is done to it."""
    own = fake_fit(draws=5)
    whole = quantity(own, "mined_world")
    whole.values[...] = whole.values / 2
    with pytest.raises(ResultError, match="nobody knows"):
        cumulative(whole)
