"""Tidy tables of a fit, and their files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from openpyxl import load_workbook

from reebayes.reporting import tables
from reebayes.reporting.spreadsheets import write_csv, write_xlsx
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands
from tests.fakes import FLOWS, RECORDS, SUMS, YEARS, fake_fit


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit()


@pytest.fixture(scope="module")
def exported(fit: xr.DataTree) -> dict[str, pd.DataFrame]:
    return tables.export_tables(fit)


def test_yearly_tables_hold_every_name_and_year(exported: dict[str, pd.DataFrame]) -> None:
    columns = ["year", "unit", "median", "lower", "upper", "ci_prob"]
    columns += ["prior_median", "prior_lower", "prior_upper"]
    assert list(exported["quantities"]) == ["quantity", *columns]
    assert list(exported["flows"]) == ["flow", *columns]
    assert len(exported["quantities"]) == len(SUMS) * len(YEARS)
    assert len(exported["flows"]) == len(FLOWS) * len(YEARS)


def test_tables_agree_with_the_bands(fit: xr.DataTree, exported: dict[str, pd.DataFrame]) -> None:
    table = exported["quantities"].set_index(["quantity", "year"]).loc["smuggled"]
    band = bands(quantity(fit, "smuggled"))
    np.testing.assert_allclose(table["upper"], band["upper"])
    prior = bands(quantity(fit, "smuggled", group="prior"))
    np.testing.assert_allclose(table["prior_lower"], prior["lower"])


def test_sums_leave_ratios_out(exported: dict[str, pd.DataFrame]) -> None:
    totals = exported["cumulative"].set_index("quantity")
    assert set(totals.index) == set(SUMS) - {"share_hidden"}
    assert set(totals["unit"]) == {"kt REO"}
    assert (totals["last_year"] == 2015).all()


def test_tables_tell_what_the_fit_rests_on(exported: dict[str, pd.DataFrame]) -> None:
    assert {"learnt", "learnt_sums", "influence", "disagreement"} < set(exported)
    assert len(exported["learnt"]) == len(SUMS) * len(YEARS)
    assert set(exported["learnt"]["label"]) <= {"learnt", "partly", "prior only", "absent"}
    assert len(exported["disagreement"]) == len(RECORDS)


def test_tables_of_a_fit_without_prior(fit: xr.DataTree) -> None:
    bare = fit.copy()
    del bare["prior"]
    assert "prior_median" not in tables.export_tables(bare)["flows"]


def test_records_beside_what_the_fit_expects(fit: xr.DataTree) -> None:
    table = tables.record_table(fit)
    assert list(table.index) == list(RECORDS.index)
    assert table["outside"].to_dict()["r09"]  # 90 kt where the fit expects 0.2
    assert not table["outside"].to_dict()["r01"]
    assert table["outside"].to_dict()["r06"]  # a published zero where the fit expects 0.1
    assert (table["predicted_lower"] < table["predicted_upper"]).all()


def test_records_without_predictions_flag_nothing(fit: xr.DataTree) -> None:
    bare = fit.copy()
    del bare["posterior_predictive"]
    table = tables.record_table(bare)
    assert table["predicted_median"].isna().all()
    assert not table["outside"].any()


def test_csv_files_read_back(exported: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    paths = write_csv(exported, tmp_path / "tables")
    assert {path.stem for path in paths} == set(exported)
    back = pd.read_csv(tmp_path / "tables" / "flows.csv")
    np.testing.assert_allclose(back["median"], exported["flows"]["median"], rtol=1e-5)


def test_workbook_text_is_never_a_formula(
    exported: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    book = load_workbook(write_xlsx(exported, tmp_path / "tables.xlsx"))
    assert set(book.sheetnames) == set(exported)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    evil = [cell for cell in cells if str(cell.value).startswith("=cmd")]
    assert evil
    assert all(cell.quotePrefix for cell in evil)
    numbers = [cell.value for cell in book["flows"]["D"][1:]]
    np.testing.assert_allclose(numbers, exported["flows"]["median"])


def test_control_characters_do_not_break_a_workbook(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": ["a\x00b"], "number": [np.nan]})
    book = load_workbook(write_xlsx({"odd": table}, tmp_path / "odd.xlsx"))
    assert [cell.value for cell in book["odd"][2]] == ["ab", None]
