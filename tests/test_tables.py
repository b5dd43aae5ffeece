"""Tidy tables of a fit, and their files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from openpyxl import load_workbook

from reebayes.cli.main import main
from reebayes.errors import ResultError
from reebayes.reporting import tables
from reebayes.reporting.iamc import INDEX, iamc_table
from reebayes.reporting.latex import escaped, latex_table
from reebayes.reporting.spreadsheets import write_csv, write_parquet, write_xlsx
from reebayes.results.selection import flow, quantity
from reebayes.results.summaries import bands
from reebayes.wording import format_interval
from tests.fakes import FLOWS, RECORDS, SUMS, YEARS, fake_fit, save_fake


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit()


@pytest.fixture(scope="module")
def exported(fit: xr.DataTree) -> dict[str, pd.DataFrame]:
    return tables.export_tables(fit)


def test_yearly_tables_hold_every_name_and_year(exported: dict[str, pd.DataFrame]) -> None:
    columns = ["year", "unit", "median", "lower", "upper", "ci_prob"]
    columns += ["prior_median", "prior_lower", "prior_upper"]
    assert list(exported["quantities"]) == ["quantity", *columns, "label"]
    ends = ["source", "target", "product", "registered", "label"]
    assert list(exported["flows"]) == ["flow", *columns, *ends]
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


# --- tables for papers and other programs ---------------------------------------------------------


def test_flows_carry_their_ends_sums_and_means(fit: xr.DataTree) -> None:
    found = tables.export_tables(fit, means=True)
    row = found["flow_sums"].set_index("flow").loc["ore_smuggled"]
    draws = flow(fit, "ore_smuggled").sum("year").values
    assert row["mean"] == pytest.approx(draws.mean())
    np.testing.assert_allclose(
        row[["lower", "upper"]].astype(float), np.quantile(draws, [0.05, 0.95])
    )
    assert (row["source"], row["target"], row["label"]) == (
        FLOWS["ore_smuggled"][0], FLOWS["ore_smuggled"][1], FLOWS["ore_smuggled"][4],
    )  # fmt: skip
    yearly = found["flows"].set_index(["flow", "year"])["mean"]
    for name in ("dig_A", "used_B"):
        np.testing.assert_allclose(yearly[name], flow(fit, name).mean(("chain", "draw")))
    named = found["quantities"].set_index("quantity")["label"]
    assert set(named["smuggled"]) == {"Smuggling from A to B"}
    assert set(named["consumed_A"]) == {""}
    means = found["cumulative"].set_index("quantity")["mean"]
    assert means["mined_world"] == pytest.approx(
        quantity(fit, "mined_world").sum("year").mean().item()
    )


def test_means_balance(fit: xr.DataTree) -> None:
    """What enters a process leaves it, in the means of the table as in every draw."""
    sums = tables.export_tables(fit, means=True)["flow_sums"]
    for name in ("ore_A", "mine_A", "metal_A"):
        entering = sums.loc[sums["target"] == name, "mean"].sum()
        assert entering == pytest.approx(sums.loc[sums["source"] == name, "mean"].sum())


def test_intervals_are_printed_with_a_dash_or_in_words() -> None:
    assert format_interval(845, 598, 1174) == "845 (598\u20131,174)"
    assert format_interval(-0.2, -1.96, 2.23) == "\u22120.200 (\u22121.96 to 2.23)"


def test_latex_is_escaped_and_ruled_by_booktabs(fit: xr.DataTree) -> None:
    sums = latex_table(fit, ["mined_A_hidden", "smuggled"], caption="What & when", label="tab:x")
    values = quantity(fit, "smuggled").sum("year").values
    median, low, high = np.quantile(values, (0.5, 0.05, 0.95))
    cell = format_interval(median, low, high).replace("\u2013", "--")
    assert f"Smuggling from A to B & {cell} & " in sums
    for rule in ("toprule", "midrule", "bottomrule", "caption{What \\& when}", "label{tab:x}"):
        assert f"\\{rule}" in sums
    assert "Quantity, kt REO & Posterior & Prior" in sums
    mixed = latex_table(fit, ["share_hidden", "mined_A_hidden"], years=[2010, 2013])
    assert "\\begin{tabular}{llrr}" in mixed
    assert "share\\_hidden & ratio & " in mixed
    assert mixed.count("\\\\\n") == 3
    assert escaped("50 % of $a_1$ & <b>") == r"50 \% of \$a\_1\$ \& \textless{}b\textgreater{}"


@pytest.mark.parametrize(
    ("names", "years", "fault"),
    [
        (["share_hidden"], None, "a ratio has no sum"),
        (["smugled"], None, "Did you mean 'smuggled'"),
        (["smuggled"], [1999], "Unknown year '1999'"),
    ],
)
def test_latex_refuses_what_is_not_there(
    fit: xr.DataTree, names: list[str], years: list[int] | None, fault: str
) -> None:
    with pytest.raises(ResultError, match=fault):
        latex_table(fit, names, years=years)


def test_iamc_layout_is_one_that_pyam_reads(fit: xr.DataTree) -> None:
    """Five columns of text, then years as integers; one row a variable, and no text with a gap."""
    table = iamc_table(fit)
    years = YEARS.tolist()
    assert list(table.columns) == [*INDEX, *years]
    assert all(isinstance(year, int) for year in table.columns[5:])
    texts = table[list(INDEX)]
    assert not texts.duplicated().any()
    assert (texts == texts.map(str.strip)).all(axis=None)
    assert (texts != "").all(axis=None)
    assert table[years].map(np.isfinite).all(axis=None)
    assert table[years].dtypes.map(lambda kind: kind.kind == "f").all()
    assert len(table) == 3 * (len(SUMS) + len(FLOWS))
    row = table[table["variable"] == "Smuggling from A to B|95.0th Percentile"].iloc[0]
    np.testing.assert_allclose(row[years].astype(float), bands(quantity(fit, "smuggled"))["upper"])
    assert row["region"] == "A>Land B" or row["region"] == "Land A>Land B"
    assert row["scenario"] == "A study of two <lands>"


def test_iamc_regions_are_those_of_the_flows(fit: xr.DataTree) -> None:
    table = iamc_table(fit, scenario="mine | yours").set_index("variable")["region"]
    assert table["net_export_A|50.0th Percentile"] == "World"  # of one border only, both ways
    assert table["Hidden mining in A|50.0th Percentile"] == "Land A"
    assert table["Flow|metal|A to B: metal|50.0th Percentile"] == "Land A>Land B"
    assert table["Flow|ore|Land A: ore mined|5.0th Percentile"] == "Land A"
    assert set(iamc_table(fit, scenario="mine | yours", flows=False)["scenario"]) == {
        "mine / yours"
    }


def test_two_quantities_of_one_label_are_two_variables(fit: xr.DataTree) -> None:
    named = fit.copy()
    named.attrs["report"] = '{"labels": {"smuggled": "One", "mined_world": "One"}}'
    variables = set(iamc_table(named, flows=False)["variable"])
    assert {"One (smuggled)|50.0th Percentile", "One (mined_world)|50.0th Percentile"} <= variables


def test_parquet_keeps_types(exported: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    paths = write_parquet(exported, tmp_path / "tables")
    assert {path.stem for path in paths} == set(exported)
    back = pd.read_parquet(tmp_path / "tables" / "flows.parquet")
    pd.testing.assert_frame_equal(back, exported["flows"], check_dtype=False)
    assert back["year"].dtype == exported["flows"]["year"].dtype


@pytest.mark.parametrize(
    ("to", "written"),
    [
        ("latex", {"out/sums.tex", "out/years.tex"}),
        ("iamc", {"out"}),
        ("parquet", {"out/flows.parquet", "out/flow_sums.parquet", "out/about.parquet"}),
    ],
)
def test_the_command_writes_each_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, written: set[str]
) -> None:
    file, out = save_fake(tmp_path / "fit.nc"), tmp_path / "out"
    assert main(["export", str(file), "--to", to, "--out", str(out), "--probability", "0.8"]) == 0
    files = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert written <= files
    if to == "iamc":
        table = pd.read_csv(out)
        assert {"model", "2010"} <= set(table.columns)
        assert table["variable"].str.endswith("|10.0th Percentile").sum() == len(table) / 3
        book = tmp_path / "book.xlsx"
        assert main(["export", str(file), "--to", "iamc", "--out", str(book)]) == 0
        assert load_workbook(book).sheetnames == ["data"]
    with pytest.raises(SystemExit, match="2"):
        main(["export", str(file), "--to", to, "--probability", "90"])
    assert "'90' is no probability between 0 and 1" in capsys.readouterr().err
