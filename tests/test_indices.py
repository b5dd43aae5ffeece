"""Indicators: every kind by hand, conventions, spans, tables with faults, published values."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reebayes as rb
from reebayes.answers.indices import beside_indicators, indicator_table, indicators, ratio
from reebayes.cli.main import main
from reebayes.errors import ResultError, StudyError
from reebayes.model.layout import lay_out
from reebayes.reporting.plan import plan_of
from reebayes.reporting.sections import Material
from reebayes.reporting.sections import indicators as indicators_section
from reebayes.reporting.sections import origins as origins_section
from reebayes.reporting.templating import environment
from reebayes.results.description import study_of
from reebayes.results.identity import unit_of
from reebayes.results.reading import contents_of
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands, cumulative
from reebayes.study import Indicator, PublishedIndicator, Study, Table, read_study
from reebayes.study.formulas import INDICATOR_KINDS
from reebayes.study.schema import INDICATORS, SCHEMA
from reebayes.wording import format_band
from tests.fakes import FLOWS, fake_fit, save_fake
from tests.tiny import SOURCES, write_tables

YEARS = 6

# Flows of the fake study by year, in kt REO; those that are not named are 0.
BY_HAND = {
    "ore_mined": [10.0, 10, 20, 20, 40, 0],
    "ore_hidden": [30.0, 10, 0, 20, 10, 0],
    "metal_made": [6.0, 6, 6, 6, 6, 0],
    "metal_A_B": [1.0, 8, 0, 2, 1, 0],
    "metal_B_A": [3.0, 2, 4, 2, 1, 0],
    "used_A": [8.0, 1, 9, 4, 5, 0],
    "ore_smuggled": [1.0, 0, 1, 0, 0, 0],
}


def row(name: str, kind: str, members: str, unit: str, convention: str = "") -> Indicator:
    parts = tuple(part.strip() for part in members.split(";"))
    return Indicator(name, kind, parts, "A", "", convention, unit, "", f"{name}, in words")


ROWS = (
    row("hidden_over_mined", "ratio", "ore_hidden; ore_mined", "ratio"),
    row("hidden", "share", "ore_hidden; ore_mined", "fraction"),
    row("largest", "largest_share", "ore_hidden; ore_mined; metal_B_A", "fraction"),
    row("hhi", "hhi", "ore_hidden; ore_mined", "index 0-1"),
    row("hhi_large", "hhi", "ore_hidden; ore_mined", "index 0-10000"),
    row("from_B", "dependence", "ore_smuggled; ore_smuggled + metal_B_A", "fraction"),
    row("nir", "net_import_reliance", "metal_made; metal_B_A; metal_A_B; ore_smuggled", "fraction"),
    row("nir_own", "net_import_reliance", "metal_made; metal_B_A; metal_A_B", "fraction", "eu"),
    row("self", "self_sufficiency", "metal_made; metal_B_A; metal_A_B; ore_smuggled", "ratio"),
    row("net", "net_export", "metal_A_B; metal_B_A", "kt REO/yr"),
    row("product", "product", "hhi; hidden", "fraction"),
    row("risk", "supply_risk", "hhi; hidden; nir", "index 0-1"),
    row("both", "criteria", "hhi > 0.5; hidden > 0.4", "true or false"),
    row("more", "change", "mined_world", "kt REO/yr"),
    row("more_hidden", "change", "hidden", "fraction"),
    row("growth", "growth", "mined_world", "factor"),
    row("rate", "growth_rate", "mined_world", "fraction/yr"),
    row("ramp", "ramp", "ore_mined; mined_world", "fraction/yr"),
    row("share_of_a_ratio", "product", "share_hidden; share_hidden", "fraction"),
)  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    plain = read_study(write_tables(tmp_path_factory.mktemp("indices") / "tiny"))
    return dataclasses.replace(plain, indicators=Table(Indicator, ROWS))


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    """The fake fit with flows as in `BY_HAND`, the same in every draw but the last, twice that."""
    found = fake_fit(chains=1, draws=3)
    flows = np.zeros((1, 3, YEARS, len(FLOWS)))
    for name, values in BY_HAND.items():
        flows[..., list(FLOWS).index(name)] = values
    flows[:, -1] *= 2
    posterior = found["posterior"].to_dataset()
    found["posterior"] = xr.DataTree(
        posterior.assign(flows=(posterior["flows"].dims, flows, posterior["flows"].attrs))
    )
    return found


def computed(
    fit: xr.DataTree, study: Study, name: str, convention: str = "usgs", years: Any = None
) -> np.ndarray:
    found = indicators(fit, name, convention, study=study, years=years)["value"]
    return np.asarray(found.isel(chain=0, draw=0, indicator=0).values)


NAN = float("nan")

# Worked by hand: year by year, and over 2010-2012 taken together.
EXPECTED: dict[str, tuple[list[float], float]] = {
    "hidden_over_mined": ([3, 1, 0, 1, 0.25, NAN], 40 / 40),
    "hidden": ([0.75, 0.5, 0, 0.5, 0.2, NAN], 40 / 80),
    "largest": ([30 / 43, 10 / 22, 20 / 24, 20 / 42, 40 / 51, NAN], 40 / 89),
    "hhi": ([0.625, 0.5, 1, 0.5, 0.68, NAN], 0.5),
    "hhi_large": ([6250, 5000, 10_000, 5000, 6800, NAN], 5000),
    "from_B": ([1 / 4, 0, 1 / 5, 0, 0, NAN], 2 / 11),
    # net imports less stocks 1, -6, 3, 0, 0, over 6 + those; none below 0
    "nir": ([1 / 7, 0, 3 / 9, 0, 0, NAN], 0.0),
    "self": ([6 / 7, NAN, 6 / 9, 1, 1, NAN], 18 / 16),
    "net": ([-2, 6, -4, 0, 0, 0], 0),
    "product": ([0.625 * 0.75, 0.25, 0, 0.25, 0.68 * 0.2, NAN], 0.25),
    "risk": ([0.625 / 14 + 0.75 * (1 - 1 / 14), 0.5, 1 / 6, 0.5, 0.2, NAN], 0.5),
    "both": ([1, 0, 0, 0, 0, NAN], 0),
    "more": ([NAN, -20, 0, 20, 10, -50], -20),
    "more_hidden": ([NAN, -0.25, -0.5, 0.5, -0.3, NAN], -0.75),
    "growth": ([NAN, 0.5, 1, 2, 1.25, 0], 0.5),
    "rate": ([NAN, -0.5, 0, 1, 0.25, NAN], 0.5**0.5 - 1),
    "ramp": ([NAN, 0, 0.5, 0, 0.4, NAN], (10 / 2) / (80 / 3)),
    "share_of_a_ratio": ([0.75**2, 0.25, 0, 0.25, 0.04, NAN], 0.25),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_by_hand(fit: xr.DataTree, study: Study, name: str) -> None:
    by_year, together = EXPECTED[name]
    np.testing.assert_allclose(computed(fit, study, name), by_year, rtol=1e-12, atol=1e-12)
    over = computed(fit, study, name, years=(2010, 2012))
    np.testing.assert_allclose(over, together, rtol=1e-12, atol=1e-12)
    one = computed(fit, study, name, years=2014)
    np.testing.assert_allclose(one, by_year[4], rtol=1e-12)


def test_every_kind_is_worked_by_hand() -> None:
    assert {item.kind for item in ROWS if item.indicator in EXPECTED} == {*INDICATOR_KINDS}


def test_conventions_of_net_import_reliance(fit: xr.DataTree, study: Study) -> None:
    """Stocks took 1 in 2010; in 2011 more left than came in, and than was made beside."""
    usgs, eu, physical = (computed(fit, study, "nir", c) for c in ("usgs", "eu", "physical"))
    np.testing.assert_allclose(usgs[:4], [1 / 7, 0, 3 / 9, 0])
    np.testing.assert_allclose(eu[:4], [2 / 8, 0, 4 / 10, 0])
    np.testing.assert_allclose(physical[:4], [1 / 7, NAN, 3 / 9, 0])
    own = computed(fit, study, "nir_own", "eu")
    np.testing.assert_allclose(own[:4], [2 / 8, 0, 4 / 10, 0])
    with pytest.raises(ResultError, match="'nir_own' is given for eu, not for 'usgs'"):
        indicators(fit, "nir_own", study=study)
    assert "nir_own" not in indicators(fit, study=study)["indicator"].values


def test_a_net_exporter_is_below_zero_in_the_physical_convention(study: Study) -> None:
    found = fake_fit(chains=1, draws=3)
    flows = found["posterior"]["flows"]
    loc = {"year": 2010}
    for name, value in {
        "metal_made": 10.0,
        "metal_B_A": 1,
        "metal_A_B": 5,
        "ore_smuggled": 0,
    }.items():
        flows.loc[loc | {"flow": name}] = value
    physical = indicators(found, "nir", "physical", study=study, years=2010)["value"]
    np.testing.assert_allclose(physical, -4 / 6)


def test_draws_stay_apart_and_units_too(fit: xr.DataTree, study: Study) -> None:
    found = indicators(fit, ["net", "hidden", "hhi_large"], study=study)
    value = found["value"]
    assert value.dims == ("chain", "draw", "year", "indicator")
    assert float(value.sel(indicator="net", year=2011)[0, 2]) == 12  # twice the flows
    assert float(value.sel(indicator="hidden", year=2011)[0, 2]) == 0.5
    units = [unit_of(value.sel(indicator=name)) for name in ("net", "hidden", "hhi_large")]
    assert units == ["kt REO/yr", "fraction", "index 0-10000"]
    band = bands(value.sel(indicator="hidden"))
    assert band.attrs["units"] == "fraction"
    assert band.attrs["long_name"] == "hidden, in words"
    assert cumulative(value.sel(indicator="net")).attrs["units"] == "kt REO"
    for name in ("hidden", "hhi_large"):
        with pytest.raises(ResultError, match="cannot be added"):
            cumulative(value.sel(indicator=name))
    span = indicators(fit, "net", study=study, years=(2010, 2012))["value"]
    assert unit_of(span.isel(indicator=0)) == "kt REO"


def test_a_ratio_over_years_is_a_ratio_of_sums(fit: xr.DataTree) -> None:
    by_year = ratio(fit, "ore_hidden", "mined_world")
    assert by_year.attrs["units"] == "ratio"
    np.testing.assert_allclose(by_year[0, 0], [0.75, 0.5, 0, 0.5, 0.2, NAN])
    over = ratio(fit, "ore_hidden", "mined_world", years=(2010, 2011))
    np.testing.assert_allclose(over, np.full((1, 3), 40 / 60))
    mixed = ratio(fit, "metal_made - 0.5 metal_A_B", "metal_made + metal_B_A", years=2010)
    np.testing.assert_allclose(mixed, np.full((1, 3), 5.5 / 9))
    with pytest.raises(ResultError, match="cannot be added"):
        cumulative(by_year)
    with pytest.raises(ResultError, match="Did you mean 'ore_hidden'"):
        ratio(fit, "ore_hiden", "mined_world")
    with pytest.raises(ResultError, match="no ratio is part of a sum"):
        ratio(fit, "share_hidden", "mined_world")
    with pytest.raises(ResultError, match="not inside 2010 to 2015"):
        ratio(fit, "ore_hidden", "mined_world", years=(2010, 2030))


def test_a_ratio_of_the_study_is_the_same() -> None:
    random = fake_fit()
    ours = ratio(random, "ore_hidden", "ore_mined + ore_hidden")
    np.testing.assert_allclose(ours, quantity(random, "share_hidden"), rtol=1e-9)


def test_shares_are_shares_and_concentration_lies_between_its_ends(study: Study) -> None:
    found = indicators(fake_fit(), ["hidden", "hhi", "largest"], study=study)["value"]
    hidden, hhi, largest = (found.sel(indicator=n).values for n in ("hidden", "hhi", "largest"))
    assert ((hidden > 0) & (hidden < 1)).all()
    np.testing.assert_allclose(hhi, hidden**2 + (1 - hidden) ** 2)
    assert (largest >= 1 / 3).all()


def test_names_conventions_and_years_that_are_not_there(fit: xr.DataTree, study: Study) -> None:
    with pytest.raises(ResultError, match="Did you mean 'hhi'"):
        indicators(fit, "hh", study=study)
    with pytest.raises(ResultError, match="Unknown convention 'usg'"):
        indicators(fit, "hhi", "usg", study=study)
    with pytest.raises(ResultError, match="not inside"):
        indicators(fit, "hhi", study=study, years=1999)
    with pytest.raises(ResultError, match="needs two years"):
        indicators(fit, "growth", study=study, years=(2011, 2011))
    bare = dataclasses.replace(study, indicators=Table(Indicator))
    with pytest.raises(ResultError, match="no indicators"):
        indicators(fit, study=bare)


def test_the_table_says_the_probability_of_criteria(study: Study) -> None:
    found = indicators(fake_fit(), ["both", "hidden"], study=study)
    table = indicator_table(found).set_index(["indicator", "year"])
    draws = found["value"].sel(indicator="both", year=2012)
    assert table.loc[("both", 2012), "probability"] == pytest.approx(float(draws.mean()))
    assert np.isnan(table.loc[("hidden", 2012), "probability"])
    assert np.isnan(table.loc[("both", 2012), "median"])
    over = indicator_table(indicators(fake_fit(), "hidden", study=study, years=(2010, 2012)))
    assert over["years"].tolist() == ["2010-2012"]


# --- published values -----------------------------------------------------------------------------


def printed(**values: Any) -> PublishedIndicator:
    plain = {"convention": "", "value": None, "low": None, "high": None, "unit": "fraction"}
    plain |= {"source": "article", "definition": "Theirs.", "name": "p", "indicator": "hidden"}
    return PublishedIndicator(**{**plain, "year": 2010, "year_end": 2012, **values})


@pytest.mark.parametrize(
    ("values", "probability"),
    [
        ({"kind": "value", "value": 0.01}, 1.0),
        ({"kind": "value", "value": 0.99}, 0.0),
        ({"kind": "lower", "low": 0.01}, 1.0),
        ({"kind": "upper", "high": 0.01}, 0.0),
        ({"kind": "range", "low": 0.01, "high": 0.99}, 1.0),
    ],
)
def test_published_values_beside_ours(
    study: Study, values: dict[str, Any], probability: float
) -> None:
    fit = fake_fit()
    given = dataclasses.replace(
        study, published_indicators=Table(PublishedIndicator, [printed(**values)])
    )
    found = beside_indicators(fit, study=given).loc["p"]
    draws = ratio(fit, "ore_hidden", "ore_hidden + ore_mined", years=(2010, 2012))
    assert found["p"] == probability
    assert found["median"] == pytest.approx(float(draws.median()))
    assert found["informed"]  # the article gave the tiny study a record
    assert found["definition"] == "Theirs."


def test_nothing_published_gives_an_empty_table(study: Study) -> None:
    assert beside_indicators(fake_fit(), study=study).empty


# --- tables ---------------------------------------------------------------------------------------

HEADER = ",".join(column.name for column in INDICATORS.columns) + "\n"
GOOD = """\
hhi,hhi,mined_registered; hidden_ore,A,mining,,index 0-1,article,Concentration
reliance,net_import_reliance,made; used_other; exported,A,,usgs,fraction,,Reliance
reliance,net_import_reliance,made; used_other; exported + 0 made,A,,physical,fraction,,Reliance
risk,product,hhi; reliance,A,,,fraction,,Risk
tight,criteria,hhi > 0.4; share_hidden > 1e-1,A,,,true or false,,Tight
growth,growth,mined,A,,,factor,,Growth
"""
PUBLISHED = """\
name,indicator,convention,year,year_end,kind,value,low,high,unit,source,definition,note
p_hhi,hhi,,2010,2012,value,0.6,,,index 0-1,thesis,Registered mines only.,
p_reliance,reliance,usgs,2011,,lower,,0.95,,fraction,yearbook,Theirs.,Printed as a bound.
"""
MORE = 'thesis,"A thesis, which is no evidence here",2020,,cited fact,\n'


def tables(folder: Path, rows: str = GOOD, published: str = PUBLISHED) -> Path:
    write_tables(folder, sources=SOURCES + MORE)
    (folder / "indicators.csv").write_text(HEADER + rows, encoding="utf-8")
    (folder / "published_indicators.csv").write_text(published, encoding="utf-8")
    return folder


def test_tables_are_read_and_may_be_left_out(tmp_path: Path, tiny_study: Path) -> None:
    found = read_study(tables(tmp_path / "with"))
    assert found.indicators.names == ("hhi", "reliance", "reliance", "risk", "tight", "growth")
    assert found.indicators["tight"].members == ("hhi > 0.4", "share_hidden > 1e-1")
    assert found.published_indicators["p_hhi"].year_end == 2012
    bare = read_study(tiny_study)
    assert not bare.indicators
    assert bare.hash == found.hash
    assert bare.description_hash != found.description_hash


def test_a_saved_study_has_them(tmp_path: Path) -> None:
    study = read_study(tables(tmp_path / "with"))
    again = read_study(study.save(tmp_path / "again"))
    assert again.indicators == study.indicators
    assert again.published_indicators == study.published_indicators
    assert again.description_hash == study.description_hash


CASES = [
    ("hhi,hhi,", "hhi,hh,", "kind", "Did you mean 'hhi'"),
    ("mined_registered; hidden_ore", "mined_registerd; hidden_ore", "members", "Did you mean"),
    ("mined_registered; hidden_ore", "mined_registered", "members", "needs 2 or more members"),
    ("mined_registered; hidden_ore", "mined_registered; ; made", "members", "empty part"),
    ("mined_registered; hidden_ore", "share_hidden; made", "members", "needs sums of masses"),
    ("mined_registered; hidden_ore", "made / mined; made", "members", "is no sum"),
    ("made; used_other; exported,", "made; used_other,", "members", "needs 3 to 4 members"),
    ("hhi; reliance", "hhi; made", "members", "needs indicators"),
    ("hhi; reliance", "hhi; risk", "members", "computed from itself"),
    ("hhi > 0.4", "hhi = 0.4", "members", "write it like hhi_imports > 0.4"),
    ("growth,mined,", "growth,mined + share_hidden,", "members", "name it alone"),
    ("index 0-1,article", "kt REO/yr,article", "unit", "write one of: index 0-1, index 0-10000"),
    ("index 0-1,article", "index 0-1,articel", "reference", "Did you mean 'article'"),
    (",usgs,", ",us,", "convention", "Did you mean 'usgs'"),
    (",physical,", ",usgs,", "indicator", "already given in row 3"),
    (",physical,", ",,", "indicator", "already given in row 3"),
    ("risk,product", "made,product", "indicator", "is a quantity"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "column", "fragment"), CASES)
def test_faults(tmp_path: Path, old: str, new: str, column: str, fragment: str) -> None:
    assert old in GOOD
    with pytest.raises(StudyError) as caught:
        read_study(tables(tmp_path / "bad", GOOD.replace(old, new, 1)))
    found = [(f.table, f.column, f.message) for f in caught.value.faults]
    assert any(
        (table, where) == ("indicators.csv", column) and fragment in message
        for table, where, message in found
    ), found
    assert all(fault.row for fault in caught.value.faults)


PUBLISHED_CASES = [
    ("p_hhi,hhi", "p_hhi,hh", "indicator", "Did you mean 'hhi'"),
    ("thesis,Reg", "theses,Reg", "source", "Did you mean 'thesis'"),
    ("2010,2012", "2010,2030", "year_end", "outside the study's years"),
    ("2010,2012", "2012,2010", "year_end", "is before year"),
    ("0.6,,,index 0-1", "0.6,,,fraction", "unit", "is in 'index 0-1'"),
    ("value,0.6", "value,", "value", "needs a number"),
    ("reliance,usgs", "reliance,eu", "convention", "is given for physical and usgs only"),
    ("Registered mines only.", "", "definition", "cell is empty"),
    ("p_reliance", "p_hhi", "name", "already given in row 2"),
]


@pytest.mark.parametrize(("old", "new", "column", "fragment"), PUBLISHED_CASES)
def test_faults_of_published(
    tmp_path: Path, old: str, new: str, column: str, fragment: str
) -> None:
    assert old in PUBLISHED
    with pytest.raises(StudyError) as caught:
        read_study(tables(tmp_path / "bad", published=PUBLISHED.replace(old, new, 1)))
    found = [(f.table, f.column, f.message) for f in caught.value.faults]
    assert any(
        (table, where) == ("published_indicators.csv", column) and fragment in message
        for table, where, message in found
    ), found


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    rows = GOOD.replace("index 0-1", "kt", 1).replace("mined,A", "mind,A", 1)
    published = PUBLISHED.replace("2010,2012", "2010,2030").replace("thesis", "theses")
    with pytest.raises(StudyError) as caught:
        read_study(tables(tmp_path / "bad", rows, published))
    assert {f.column for f in caught.value.faults} >= {"unit", "members", "year_end", "source"}


@pytest.mark.parametrize("file", ["indicators.csv", "published_indicators.csv"])
def test_a_cell_must_be_filled_where_the_description_says_so(tmp_path: Path, file: str) -> None:
    text = {"indicators.csv": HEADER + GOOD, "published_indicators.csv": PUBLISHED}[file]
    head, first, *rest = text.splitlines()
    for column in SCHEMA[file].columns:
        cells = first.split(",")
        cells[head.split(",").index(column.name)] = ""
        folder = tables(tmp_path / column.name)
        (folder / file).write_text("\n".join([head, ",".join(cells), *rest]) + "\n", "utf-8")
        try:
            read_study(folder)
            faults = []
        except StudyError as error:
            faults = [f.column for f in error.faults if f.message.startswith("cell is empty")]
        assert (column.name in faults) == column.filled, column.name


# --- never evidence -------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["indicators", "published_indicators"])
def test_no_fit_hash_or_prior_depends_on_them(table: str) -> None:
    """Also where the same source gave a record: the value is shown beside, with a mark."""
    study = read_study()
    rows = getattr(study, table)
    assert len(rows) > 20
    figure = {"indicators": "label", "published_indicators": "value"}[table]
    moved = dataclasses.replace(
        study,
        **{
            table: Table(
                type(rows[0]), (dataclasses.replace(r, **{figure: None}) for r in rows[3:])
            )
        },
    )
    assert moved.hash == study.hash
    assert (moved.records, moved.priors) == (study.records, study.priors)
    before, after = lay_out(study).equations, lay_out(moved).equations
    for one, other in zip(flat(before), flat(after), strict=True):
        np.testing.assert_array_equal(one, other)


def flat(value: Any) -> list[np.ndarray]:
    if isinstance(value, tuple):
        return [array for part in value for array in flat(part)]
    return [np.asarray(value)]


# --- with a fit, and on the command line ----------------------------------------------------------


def carried(folder: Path) -> xr.DataTree:
    """The fake fit with the texts of its own small study, indicators among them."""
    from reebayes.results.description import constant_data

    fit = fake_fit()
    study = read_study(tables(folder))
    extra = constant_data(study)[["study_text"]]
    constant = fit["constant_data"].to_dataset().drop_dims("study_file")
    fit["constant_data"] = xr.DataTree(constant.assign(extra))
    fit.attrs["study_hash"] = study.hash
    return fit


def test_they_travel_with_the_fit(tmp_path: Path) -> None:
    fit = carried(tmp_path / "tiny")
    assert study_of(fit).indicators.names[0] == "hhi"
    with pytest.raises(ResultError, match="Unknown quantity 'mined_registered'"):
        indicators(fit)  # the fake fit is of another study than its texts


def test_bundled_indicators_are_sound_and_labelled() -> None:
    study = read_study()
    assert {row.kind for row in study.indicators} == {*INDICATOR_KINDS}
    assert all(row.label for row in study.indicators)
    assert len({row.name for row in study.published_indicators}) >= 25
    assert rb.Indicator is Indicator
    assert isinstance(study.indicators.frame, pd.DataFrame)
    assert main(["check", str(study.path)]) == 0


def own_tables(folder: Path) -> Path:
    """A directory whose indicators are about flows of the fake fit; nothing else of it is asked."""
    write_tables(folder, sources=SOURCES + MORE)
    flows = folder / "flows.csv"
    more = [f"{name},abroad,ore_market,ore,true,2010-2015," for name in ("ore_hidden", "ore_mined")]
    flows.write_text(flows.read_text("utf-8") + "\n".join(more) + "\n", "utf-8")
    priors = folder / "priors.csv"
    rows = [
        f"{name},,,lognormal,1,1,,kt REO/yr,judgement-scale,"
        for name in ("ore_hidden", "ore_mined")
    ]
    priors.write_text(priors.read_text("utf-8") + "\n".join(rows) + "\n", "utf-8")
    lines = [
        "hidden,share,ore_hidden; ore_mined,A,,,fraction,,Hidden share",
        "much,criteria,hidden > 0.1,A,,,true or false,,Much is hidden",
    ]
    (folder / "indicators.csv").write_text(HEADER + "\n".join(lines) + "\n", "utf-8")
    published = (
        PUBLISHED.splitlines()[0] + "\np,hidden,,2012,,lower,,0.1,,fraction,thesis,Theirs.,\n"
    )
    (folder / "published_indicators.csv").write_text(published, "utf-8")
    return folder


def test_the_command_tells_bands_and_published_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, data = save_fake(tmp_path / "fit.nc"), own_tables(tmp_path / "own")
    out = tmp_path / "out"
    assert main(["indicators", str(file), "--data", str(data), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "hidden: Hidden share [fraction]" in text
    assert "much: Much is hidden [true or false]\n  2010  P " in text
    assert "p 2012: at least 0.1; ours" in text
    assert "Theirs." in text
    table = pd.read_csv(out / "indicators.csv")
    assert len(table) == 2 * YEARS
    assert pd.read_csv(out / "published_indicators.csv")["name"].tolist() == ["p"]
    one = ["indicators", str(file), "hidden", "--data", str(data), "--years", "2010-2012"]
    assert main([*one, "--convention", "physical"]) == 0
    assert "\n  2010-2012  0." in capsys.readouterr().out
    assert main(["indicators", str(file), "hiden", "--data", str(data)]) == 2
    assert "Did you mean 'hidden'" in capsys.readouterr().err


def test_the_command_traces_origins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = save_fake(tmp_path / "fit.nc")
    plain = ["origins", str(file), "--at", "use_B"]
    assert main([*plain, "--years", "2012", "--bounds", "dig_A_hidden", "--draws", "5"]) == 0
    text = capsys.readouterr().out
    assert "share by origin of use_B [fraction]" in text
    assert "Without mixing, of 5 draws" in text
    assert "is mixed there" in text
    assert main([*plain, "--by", "region", "--amounts", "--out", str(tmp_path / "out")]) == 0
    assert len(pd.read_csv(tmp_path / "out" / "origins.csv")) == YEARS
    assert main(["origins", str(file), "--at", "use_C"]) == 2
    assert "Did you mean" in capsys.readouterr().err
    assert main([*plain, "--by", "refined_in"]) == 2
    assert main([*plain, "--by", "refined_in", "--refined", "metal"]) == 0


def test_a_report_tells_indicators_and_origins(tmp_path: Path) -> None:
    study = read_study(own_tables(tmp_path))
    report = {
        "table_years": [2011, 2014], "indicators": ["hidden", "much"],
        "origins": [{"at": "use_B", "by": "registered", "title": "Into <magnets>"},
                    {"at": "smuggled", "by": "source"}],
    }  # fmt: skip
    fit = fake_fit(report=report)
    contents = contents_of(fit)
    material = Material(contents, plan_of(contents, None))
    material.__dict__["study"] = study
    found = indicators_section(material)
    assert found is not None
    hidden, much = found["indicators"]
    band = rb.bands(rb.indicators(fit, "hidden", study=study)["value"].sel(year=2014)[..., 0])
    values = [float(band[end]) for end in ("median", "lower", "upper")]
    middle, ends = hidden["cells"][1]
    assert f"{middle} ({ends})" == format_band(*values)
    assert much["cells"][0] == ("P >99 %", "")
    assert [(row["stated"], row["years"]) for row in found["beside"]] == [("at least 0.1", "2012")]
    places = origins_section(material)
    assert places is not None
    registered, unregistered = places["places"][0]["rows"]
    shares = rb.origins(fit, "use_B", "registered", years=2014).sel(origin="registered")
    values = [float(rb.bands(shares)[end]) for end in ("median", "lower", "upper")]
    assert "{} ({})".format(*registered["cells"][1]) == format_band(*values)
    assert unregistered["name"] == "unregistered"
    assert places["places"][1]["title"] == "smuggled"
    body = environment().get_template("origins.html.j2").render(material.common | places)
    assert "Into &lt;magnets&gt;" in body
    body = environment().get_template("indicators.html.j2").render(material.common | found)
    assert "Theirs." in body
    plain = fake_fit()
    nothing = Material(contents_of(plain), plan_of(contents_of(plain), None))
    assert indicators_section(nothing) is None
    assert origins_section(nothing) is None
