"""Figures of either sign, and units: read, checked, scored, fitted and shown."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from reebayes.errors import StudyError
from reebayes.model.layout import lay_out
from reebayes.reporting.tables import record_table
from reebayes.results.reading import off_scale, on_scale
from reebayes.simulation.records import record_log_likelihood, simulate_records
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Study, read_study
from tests.fakes import fake_fit
from tests.tiny import PRIORS, RECORDS, write_tables

NET = "net,net_export,2013,,signed,{},,,{},,{},customs,yearbook,\n"


def with_net(folder: Path, value: object, unit: str = "kt REO", sd: float = 0.5) -> Study:
    row = NET.format(value, unit, sd)
    return read_study(write_tables(folder, records=RECORDS + row))


def test_a_signed_figure_has_a_normal_error_in_its_unit(tmp_path: Path) -> None:
    """By hand: the density of a normal about the difference, which the bias multiplies."""
    study = with_net(tmp_path, -400, "t REO", 250)
    assert study.records["net"].error == lay_out(study).equations.errors.record_sd[-1] == 0.25
    world = simulate_world(study, seed=3)
    flows = world.flows.sel(year=2013)
    net = float(flows.sel(flow="export_ore") - 0.5 * flows.sel(flow="scrap"))
    bias = float(world.bias.sel(year=2013, reporter="customs"))
    noise = float(world.noise.sel(reporter="customs"))
    scale = 0.25 * np.sqrt(study.variance_floor + (1 - study.variance_floor) * noise**2)
    found = record_log_likelihood(study, world.flows, world.bias, world.noise, world.shared)
    expected = norm.logpdf(-0.4, net * np.exp(bias), scale)
    assert float(found.sel(record="net")) == pytest.approx(expected)
    heavy = study.with_settings(error_distribution="student_t", degrees_of_freedom=4)
    found = record_log_likelihood(heavy, world.flows, world.bias, world.noise, world.shared)
    expected = student.logpdf(-0.4, 4, net * np.exp(bias), scale)
    assert float(found.sel(record="net")) == pytest.approx(expected)


def test_simulated_figures_have_the_stated_error(tmp_path: Path) -> None:
    study = with_net(tmp_path, 0, "t REO", 300)
    world = simulate_world(study, seed=5)
    drawn = [simulate_records(study, world, seed=n).records["net"] for n in range(50)]
    values = np.array([record.value for record in drawn], dtype=float)
    flows = world.flows.sel(year=2013)
    net = float(flows.sel(flow="export_ore") - 0.5 * flows.sel(flow="scrap"))
    net *= float(np.exp(world.bias.sel(year=2013, reporter="customs")))
    noise = float(world.noise.sel(reporter="customs"))
    scale = 300 * np.sqrt(study.variance_floor + (1 - study.variance_floor) * noise**2)
    assert values.mean() == pytest.approx(1000 * net, abs=5 * scale / np.sqrt(50))
    assert values.std() == pytest.approx(scale, rel=0.4)
    assert {record.unit for record in drawn} == {"t REO"}


UNITS = [("9.8", "kt REO"), ("9800", "t REO"), ("0.0098", "Mt REO")]


def test_units_of_mass_make_one_study(tmp_path: Path) -> None:
    figures = []
    for n, (value, unit) in enumerate(UNITS):
        records = RECORDS.replace("9800,,,t REO", f"{value},,,{unit}")
        study = read_study(write_tables(tmp_path / str(n), records=records))
        figures.append(lay_out(study).equations.figures.low)
    np.testing.assert_allclose(figures[1], figures[0])
    np.testing.assert_allclose(figures[2], figures[0])


def test_shares_in_per_cent_and_priors_in_other_masses(tmp_path: Path) -> None:
    plain = read_study(write_tables(tmp_path / "plain"))
    records = RECORDS.replace("value,0.2,,,fraction", "value,20,,,%")
    priors = PRIORS.replace("ore,,,lognormal,20,0.5,0.1,kt", "ore,,,lognormal,0.02,0.5,0.1,Mt", 1)
    priors = priors.replace(
        "scrap,2012,2015,share,0.1,0.8,,share", "scrap,2012,2015,share,10,0.8,,%"
    )
    other = read_study(write_tables(tmp_path / "other", records=records, priors=priors))
    assert other.priors == plain.priors
    assert other.records["r_share"].value == 0.2
    assert other.records["r_share"].sd == plain.records["r_share"].sd
    one, two = (lay_out(study).equations.figures.low for study in (plain, other))
    np.testing.assert_allclose(one, two)


def test_the_error_of_a_signed_share_is_in_per_cent_too(tmp_path: Path) -> None:
    quantities = "quantity,part,flow,weight\n" + "".join(
        f"reliance,{part},{flow},{weight}\n"
        for part, flow, weight in (
            ("num", "export_ore", -1), ("num", "scrap", 1), ("den", "concentrate", 1),
        )
    )  # fmt: skip
    folder = write_tables(tmp_path)
    text = (folder / "quantities.csv").read_text().partition("\n")[2]
    (folder / "quantities.csv").write_text(quantities + text)
    row = "net,reliance,2013,,signed,-12,,,%,,5,customs,yearbook,\n"
    (folder / "records.csv").write_text(RECORDS + row)
    record = read_study(folder).records["net"]
    assert (record.value, record.sd, record.unit, record.error) == (-0.12, 0.05, "ratio", 0.05)


@pytest.mark.parametrize(
    ("row", "column", "fragment"),
    [
        (NET.format(1, "kt REO", 0), "sd", "in the unit of the figure"),
        (NET.format("", "kt REO", 0.5), "value", "needs a number in 'value'"),
        (
            NET.format(1, "kt REO", 0.5).replace("signed", "value"),
            "quantity",
            "write kind 'signed'",
        ),
        (NET.format(1, "kt REO/yr", 0.5), "unit", "a figure of a year is in 'kt REO'"),
        (NET.format(1, "ratio", 0.5), "unit", "no ratio; write a mass"),
    ],
)
def test_bad_signed_records(tmp_path: Path, row: str, column: str, fragment: str) -> None:
    with pytest.raises(StudyError) as error:
        read_study(write_tables(tmp_path, records=RECORDS + row))
    (fault,) = error.value.faults
    assert (fault.column, fault.row) == (column, RECORDS.count("\n") + 1)
    assert fragment in fault.message


def test_what_may_vanish_below_the_line_is_not_recorded(tmp_path: Path) -> None:
    folder = write_tables(tmp_path)
    with (folder / "quantities.csv").open("a") as file:
        file.write("share_hidden,den,scrap,-1\n")
    with pytest.raises(StudyError, match="subtracts flows below the line"):
        read_study(folder)


def test_signed_figures_are_shown_as_they_are() -> None:
    table = record_table(fake_fit(draws=300))
    row = table[table["kind"] == "signed"].iloc[0]
    assert row["value"] == -0.2
    assert row["predicted_lower"] < row["predicted_median"] < row["predicted_upper"]
    kinds = ["value", "signed", "upper"]
    seen = on_scale(np.array([2.0, -3.0, np.nan]), kinds)
    np.testing.assert_allclose(seen, [np.log(2), -3, np.nan])
    np.testing.assert_allclose(off_scale(seen, kinds), [2, -3, np.nan])
