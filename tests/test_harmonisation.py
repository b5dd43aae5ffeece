"""Customs files as downloaded: their layouts, their faults, and the records they become."""

import csv
import inspect
import math
import random
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import NormalDist
from types import ModuleType

import comtradeapicall
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import reebayes
from reebayes import read_study
from reebayes.cli.main import main
from reebayes.customs import Harmonised, fetch_comtrade
from reebayes.customs.shipments import Line
from reebayes.errors import ReebayesError, StudyError, StudyWarning

CUSTOMS = Path(__file__).parent / "customs"
PLUS = CUSTOMS / "comtrade_plus_china_exports_2019.csv"
CERIUM = CUSTOMS / "comtrade_plus_china_cerium_2019.csv"
DOUBLED = CUSTOMS / "comtrade_plus_doubled_2017.csv"
LEGACY = CUSTOMS / "comtrade_legacy_china_imports_2019.csv"
WIDE = CUSTOMS / "dataweb_us_imports_wide.csv"
BOOK = CUSTOMS / "dataweb_us_imports_2022.xlsx"
GACC = CUSTOMS / "gacc_imports_2019.csv"
GACC_ENGLISH = CUSTOMS / "gacc_english_2019.csv"
PLAIN = CUSTOMS / "plain.csv"

STUDY = read_study()
harmonise = partial(reebayes.harmonise, study=STUDY)

PLUS_HEADER = PLUS.read_text("utf-8").splitlines()[0].split(",")
FIRST = dict(
    zip(PLUS_HEADER, next(csv.reader(PLUS.read_text("utf-8").splitlines()[1:])), strict=False)
)


def plus_row(
    partner: str = "Japan", weight: object = 100_000, **cells: object
) -> dict[str, object]:
    """Return a line of a Comtrade Plus download: Chinese exports of 280530 in 2019."""
    row = dict(FIRST) | {"partnerISO": "", "partnerCode": "", "cmdCode": "280530", "qty": ""}
    if partner == "World":
        row |= {"partnerISO": "W00", "partnerCode": "0"}
    return row | {"partnerDesc": partner, "netWgt": weight} | cells


def write_plus(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, PLUS_HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_plain(path: Path, rows: Sequence[str]) -> Path:
    header = "year,reporter,partner,flow,code,weight_kg,value_usd,source"
    path.write_text("\n".join([header, *rows, ""]), "utf-8")
    return path


def record(result: Harmonised, quantity: str, year: int = 2019) -> pd.Series:
    table = result.records
    found = table[(table["quantity"] == quantity) & (table["year"] == year)]
    assert len(found) == 1
    return found.iloc[0]


def reasons(result: Harmonised) -> dict[tuple[str, int], str]:
    rows = result.rejected
    keys = zip(rows["file"].map(lambda f: Path(f).name), rows["row"], strict=True)
    return dict(zip(keys, rows["reason"], strict=True))


def refused(result: Harmonised) -> pd.DataFrame:
    return result.rejected[result.rejected["outcome"] == "rejected"]


def assert_conserved(result: Harmonised) -> None:
    counted = result.records[["value", "low"]].sum().sum()
    lost = result.rejected["tonnes"].sum()
    assert counted + lost == pytest.approx(result.files["tonnes"].sum(), rel=1e-12, abs=1e-6)


# --- layouts ------------------------------------------------------------------------------------


def test_plus_gives_both_sides_of_the_world() -> None:
    result = harmonise([PLUS, CERIUM])
    metal = record(result, "exported_CN_US_metal_registered")
    assert metal["value"] == 256.6  # as the source prints it
    assert record(result, "exported_CN_RW_metal_registered")["value"] == pytest.approx(6593.3)
    compounds = record(result, "exported_CN_US_compounds_registered")
    assert compounds["value"] == pytest.approx(13210.5 + 1416.1)
    assert set(result.records["reporter"]) == {"comtrade_CN_exports"}
    assert set(result.records["unit"]) == {"t gross"}
    assert_conserved(result)


def test_legacy_keeps_a_country_with_a_quantity_of_its_own_apart() -> None:
    result = harmonise([LEGACY])
    assert record(result, "shipped_RW_CN_unregistered")["value"] == 28740.9
    rest = record(result, "imported_CN_from_RW_compounds")
    assert rest["value"] == pytest.approx(41084.1 - 28740.9 - 44.1, abs=0.3)
    assert rest["reporter"] == "comtrade_CN_imports"
    assert_conserved(result)


def test_dataweb_in_columns_of_years() -> None:
    result = harmonise([WIDE])
    assert record(result, "exported_CN_US", 2022)["value"] == pytest.approx(12519.02)
    assert record(result, "exported_CN_US", 2021)["value"] == pytest.approx(8493.305)
    assert set(result.records["reporter"]) == {"usitc_US_imports"}
    total = reasons(result)["dataweb_us_imports_wide.csv", 21]
    assert total == "row without a commodity"
    assert_conserved(result)


def test_dataweb_workbook_says_its_flow_on_the_page_of_the_query() -> None:
    wide, book = harmonise([WIDE]), harmonise([BOOK])
    same = ["quantity", "value", "factor", "sd", "reporter"]
    pd.testing.assert_frame_equal(
        book.records[same],
        wide.records.loc[wide.records["year"] == 2022, same].reset_index(drop=True),
    )


def test_dataweb_tables_of_two_measures_meet(tmp_path: Path) -> None:
    path = tmp_path / "stacked.csv"
    path.write_text(
        "Customs Value | Annual data for 2022,\nObservations,1\n"
        "Data Type,HTS Number,Country,Year,Customs Value\n"
        'Customs Value,2846908070,China,2022,"1,000,000"\n'
        "First Unit of Quantity | Annual data for 2022,\nObservations,1\n"
        "Data Type,HTS Number,Country,Year,Quantity Description,First Unit of Quantity\n"
        'First Unit of Quantity,2846908070,China,2022,kilograms,"134,000"\n',
        "utf-8",
    )
    result = harmonise([path], incomplete="bound")
    assert record(result, "exported_CN_US", 2022)["low"] == 134.0
    assert refused(result).empty


def test_dataweb_of_another_unit_has_no_weight(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text(
        "Data Type,HTS Number,Country,Quantity Description,2022,January 2023 to July 2023\n"
        "First Unit of Quantity,2846908070,China,component kilograms,134,5\n",
        "utf-8",
    )
    found = harmonise([path], imports=[path]).rejected.set_index("value")["reason"]
    assert found["January 2023 to July 2023"] == "not a calendar year"
    assert "no weight" in set(found)


def test_chinese_customs_in_both_languages() -> None:
    chinese = harmonise([], imports=[GACC])
    english = harmonise([], imports=[GACC_ENGLISH])
    for result in (chinese, english):
        ore = record(result, "exported_US_CN_concentrate")
        assert (ore["value"], ore["reporter"]) == (46149.0, "gacc_CN_imports")
    myanmar = record(chinese, "shipped_RW_CN_unregistered")
    assert (myanmar["value"], myanmar["factor"]) == (13079.0, 0.45)  # the 8-digit line, not the HS
    assert_conserved(chinese)


def test_chinese_customs_must_be_told_the_flow() -> None:
    with pytest.raises(StudyError, match="name it with --imports or --exports"):
        harmonise([GACC])


def test_plain_table() -> None:
    result = harmonise([PLAIN])
    row = record(result, "exported_US_CN_ores_compounds", 2022)
    assert (row["value"], row["source"]) == (74837.6, "USGS_MYB2022")
    assert row["reporter"] == "usgs_myb2022_US_exports"
    assert_conserved(result)


def test_without_a_row_of_its_own_each_side_sees_what_it_can(tmp_path: Path) -> None:
    """Exporters' customs see what was declared; importers' see what arrives, smuggled or not."""
    other = "exporter,importer,side,product,quantity\nUS,CN,exporter,metal,exported_US_CN_metal\n"
    quantities = tmp_path / "quantities.csv"
    quantities.write_text(other, "utf-8")
    rows = [
        "2019,China,United States,export,280530,90000,,USGS_MYB2022",
        "2019,United States,China,import,280530,99000,,USGS_MYB2022",
    ]
    result = harmonise([write_plain(tmp_path / "mine.csv", rows)], quantities=quantities)
    seen = dict(zip(result.records["reporter"], result.records["quantity"], strict=True))
    assert seen == {
        "usgs_myb2022_CN_exports": "exported_CN_US_metal_registered",
        "usgs_myb2022_US_imports": "exported_CN_US_metal",
    }


def test_the_bundled_table_books_arrivals_from_china_with_what_is_smuggled() -> None:
    with (STUDY.path / "customs_quantities.csv").open(encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["exporter"] == "CN"]
    assert {row["side"] for row in rows} == {"exporter", "importer"}
    for row in rows:
        flows = (STUDY.flows[flow] for flow, _ in STUDY.quantities[row["quantity"]].numerator)
        hidden = any(not flow.registered for flow in flows)
        assert hidden == (row["side"] == "importer" and row["product"] != "concentrate"), row


@pytest.mark.parametrize(
    ("unit", "kilograms"),
    [("kg", 1500), ("Kilograms", 1500), ("千克", 1500), ("g", 1.5), ("克", 1.5),
     ("metric tons", 1.5e6), ("吨", 1.5e6), ("No.", None), ("", None)],
)  # fmt: skip
def test_units_of_weight(unit: str, kilograms: float | None) -> None:
    assert Line({"Quantity": "1,500"}).weight("Quantity", unit) == kilograms


@pytest.mark.parametrize("cell", ["1e999", "nan", "inf", "١٢٣", "１２３", "1_000", "1 000", "0x1F"])
def test_what_is_no_number_is_told(tmp_path: Path, cell: str) -> None:
    row = f"2019,China,United States,export,280530,{cell},,USGS_MYB2022"
    result = harmonise([write_plain(tmp_path / "mine.csv", [row])])
    assert result.records.empty
    (reason,) = refused(result)["reason"]
    assert reason in {"not a number", "number is too large", "no weight"}


def test_unknown_layouts_are_told_together(tmp_path: Path) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_text("when,who\n2019,me\n", "utf-8")
    month = tmp_path / "month.csv"
    month.write_bytes(
        "商品编码,贸易伙伴名称,第一数量,第一计量单位,\n28469048,缅甸,1,千克,\n".encode("gb18030")
    )
    with pytest.raises(StudyError) as raised:
        harmonise([odd, month, PLUS])
    text = str(raised.value)
    assert "Columns found: 'when', 'who'." in text
    for name in ("UN Comtrade:", "USITC DataWeb:", "Chinese customs:", "plain table:"):
        assert name in text
    assert "has no 'Date of data'" in text
    assert len(raised.value.faults) == 2


# --- content and error --------------------------------------------------------------------------


def test_sd_joins_weight_content_and_small_consignments(tmp_path: Path) -> None:
    rows = [plus_row("USA", 1_000_000)]
    result = harmonise([write_plus(tmp_path / "a.csv", rows)], sd=0.1, misbooked=50.0)
    one = record(result, "exported_CN_US_metal_registered")
    content = math.log(1.27 / 1.1) / (2 * NormalDist().inv_cdf(0.95))
    assert one["factor"] == 1.18
    assert one["sd"] == pytest.approx(math.hypot(0.1, content, 50 / 1180), abs=5e-4)


def test_sd_of_a_tiny_flow_is_capped(tmp_path: Path) -> None:
    result = harmonise([write_plus(tmp_path / "a.csv", [plus_row("USA", 1_000)])])
    assert record(result, "exported_CN_US_metal_registered")["sd"] == 0.6


def test_code_is_read_with_the_years_in_which_it_holds(tmp_path: Path) -> None:
    rows = [
        f"{year},China,United States,import,28469030,1000,,USGS_MYB2022" for year in (2010, 2019)
    ]
    result = harmonise([write_plain(tmp_path / "a.csv", rows)], incomplete="bound")
    table = result.records.set_index("year")["factor"]
    # The line of fluorides, then nothing finer than the heading that all countries share.
    assert table.to_dict() == {2010: 0.83, 2019: 0.75}


def test_user_tables_override(tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text(
        "code,jurisdiction,product,used,reo_per_gross,low,high\n280530,HS,metal,true,1,0.9,1.1\n"
    )
    targets = tmp_path / "targets.csv"
    targets.write_text(
        "exporter,importer,side,product,quantity\nCN,US,exporter,metal,exported_CN_US_metal\n"
    )
    path = write_plus(tmp_path / "a.csv", [plus_row("USA")])
    result = harmonise([path], codes, quantities=targets)
    assert record(result, "exported_CN_US_metal")["factor"] == 1.0


def test_faults_of_tables_are_told_together(tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text(
        "code,jurisdiction,product,used,reo_per_gross,low,high\n2805.30,HS,,true,1,1.1,1.2\n"
    )
    with pytest.raises(StudyError) as raised:
        harmonise([PLUS], codes)
    assert [fault.column for fault in raised.value.faults] == ["code", "reo_per_gross", "product"]


def test_bundled_tables_agree_with_the_study() -> None:
    study = read_study()
    codes = pd.read_csv(study.path / "hs_codes.csv", dtype=str)
    assert set(codes["source"]) <= set(study.sources.names)
    targets = pd.read_csv(study.path / "customs_quantities.csv", dtype=str)
    assert set(targets["quantity"]) <= set(study.quantities.names)
    regions = {process.region for process in study.processes} - {""}
    areas = pd.read_csv(study.path / "customs_areas.csv", dtype=str, keep_default_na=False)
    assert set(areas["region"]) - {""} == regions
    names = [name for text in areas["names"] for name in text.split(";") if name]
    assert len(names) == len(set(names))


# --- faults -------------------------------------------------------------------------------------

FAULTS = {
    "code is not in the table of codes": plus_row("USA", cmdCode="391000"),
    "code is not used, says the table of codes": plus_row("USA", cmdCode="850511"),
    "no weight": plus_row("USA", 0),
    "not a number": plus_row("USA", "many"),
    "no year": plus_row("USA", refYear="", period=""),
    "partner is not specified": plus_row("Areas, nes"),
    "partner is a group of countries": plus_row("EU27"),
    "partner is no listed area, and almost the name of one": plus_row("Untied States"),
    "re-import: a country's trade with itself": plus_row("China"),
    "re-export, re-import or another part of all exports or imports": plus_row(
        "USA", flowCode="RX", flowDesc="Re-export"
    ),
    "part of a total line that is not in the files": plus_row("USA", customsCode="C04"),
    "year is outside the study's years 2000-2022": plus_row("USA", refYear="1999"),
    "year is not complete: months are missing": plus_row("USA", freqCode="M", refMonth="3"),
    "trade within one region": plus_row(
        "France", reporterISO="JPN", reporterCode="392", reporterDesc="Japan"
    ),
    "no quantity for concentrate from CN to RW, exporter's side": plus_row(cmdCode="261220"),
    "no flow of the quantity is active in the year": plus_row(
        "USA", cmdCode="261220", refYear="2010"
    ),
    "total of all partners": plus_row("World"),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_each_fault_is_reported_and_nothing_is_lost(reason: str, tmp_path: Path) -> None:
    result = harmonise([write_plus(tmp_path / "a.csv", [FAULTS[reason]])])
    assert result.records.empty
    (row,) = result.rejected.itertuples()
    assert (row.row, row.reason, row.outcome) == (2, reason, "rejected")
    assert row.what_to_do
    assert reason.split(":")[0].split(" (")[0][:6] in result.summary
    assert_conserved(result)


def test_doubling_is_undone_and_its_factor_told() -> None:
    result = harmonise([DOUBLED])
    assert record(result, "shipped_RW_CN_unregistered", 2017)["value"] == 19957.7
    texts = result.rejected["reason"][result.rejected["reason"].str.startswith("part of")]
    assert texts.str.contains("China imports 2017 would be x3").all()
    assert {"customs procedure", "mode of transport"} == {
        text.split("by ")[1].split(";")[0] for text in texts
    }
    assert "x3" in result.summary
    assert_conserved(result)


def test_repeated_lines_count_once_and_contradictions_not_at_all(tmp_path: Path) -> None:
    rows = [plus_row("USA", 500), plus_row("USA", 500)]
    result = harmonise([write_plus(tmp_path / "a.csv", rows)])
    assert record(result, "exported_CN_US_metal_registered")["value"] == 0.5
    assert "would be x2" in reasons(result)["a.csv", 3]
    result = harmonise([write_plus(tmp_path / "b.csv", [*rows, plus_row("USA", 700)])])
    assert result.records.empty
    assert "contradict" in reasons(result)["b.csv", 4]
    assert_conserved(result)


def test_a_copied_file_counts_once(tmp_path: Path) -> None:
    copy = shutil.copy(PLUS, tmp_path / "zz_again.csv")
    once, twice = harmonise([PLUS]), harmonise([PLUS, copy])
    pd.testing.assert_frame_equal(once.records, twice.records)
    assert twice.rejected["reason"].str.startswith("file is a copy").sum() == 25
    assert_conserved(twice)


def test_heading_and_subheadings_count_once(tmp_path: Path) -> None:
    parts = [plus_row("USA", 40, cmdCode="284610"), plus_row("USA", 60, cmdCode="284690")]
    result = harmonise(
        [write_plus(tmp_path / "a.csv", [plus_row("USA", 100, cmdCode="2846"), *parts])]
    )
    assert record(result, "exported_CN_US_compounds_registered")["value"] == 0.1
    assert refused(result)["reason"].tolist() == ["heading beside its own subheadings"]
    # A heading that holds more than the subheadings given is the better figure.
    result = harmonise(
        [write_plus(tmp_path / "b.csv", [plus_row("USA", 200, cmdCode="2846"), *parts])]
    )
    assert record(result, "exported_CN_US_compounds_registered")["value"] == 0.2
    assert len(refused(result)) == 2


def test_months_of_a_whole_year_add_up_and_give_way_to_the_year(tmp_path: Path) -> None:
    months = [plus_row("USA", 10, freqCode="M", refMonth=str(m)) for m in range(1, 13)]
    result = harmonise([write_plus(tmp_path / "a.csv", months)])
    assert record(result, "exported_CN_US_metal_registered")["value"] == 0.12
    result = harmonise([write_plus(tmp_path / "b.csv", [*months, plus_row("USA", 130)])])
    assert record(result, "exported_CN_US_metal_registered")["value"] == 0.13
    assert set(refused(result)["reason"]) == {"a month beside the figure of the year"}


def test_unit_value_far_from_the_median_is_left_out(tmp_path: Path) -> None:
    rows = [plus_row(f"Land {i}", 1_000, primaryValue=20_000 + 1_000 * i) for i in range(6)]
    rows.append(plus_row("USA", 1_000_000, primaryValue=25_000))  # grams, it seems
    path = write_plus(tmp_path / "a.csv", rows)
    result = harmonise([path], all_partners=True)
    assert set(result.records["quantity"]) == {"exported_CN_RW_metal_registered"}
    assert "unit value 0.025 USD/kg" in reasons(result)["a.csv", 8]
    assert_conserved(result)
    assert len(harmonise([path], all_partners=True, outlier=100).records) == 2


def test_estimated_weights_are_counted_with_a_remark(tmp_path: Path) -> None:
    path = write_plus(tmp_path / "a.csv", [plus_row("USA", isNetWgtEstimated="True")])
    result = harmonise([path])
    assert len(result.records) == 1
    assert result.rejected["outcome"].tolist() == ["kept", "kept"]  # the study has the figure too
    assert "counted, but: weight was estimated" in result.summary
    assert_conserved(result)


def test_a_figure_in_two_editions_of_the_classification_counts_once(tmp_path: Path) -> None:
    rows = [
        plus_row("USA", 70, classificationCode="H4"),
        plus_row("USA", 80, classificationCode="H6", isOriginalClassification="False"),
        plus_row("USA", 90, classificationCode="H5"),
    ]
    result = harmonise([write_plus(tmp_path / "a.csv", rows)])
    assert record(result, "exported_CN_US_metal_registered")["value"] == 0.09
    assert refused(result)["reason"].str.contains("classification").tolist() == [True, True]
    alone = harmonise([write_plus(tmp_path / "b.csv", rows[1:2])])
    assert record(alone, "exported_CN_US_metal_registered")["value"] == 0.08


def test_a_download_as_long_as_the_site_allows_is_suspected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reebayes.customs.gacc.MOST_ROWS", 12)
    result = harmonise([], imports=[GACC_ENGLISH])
    assert result.rejected["reason"].str.contains("may be cut").sum() == 12
    assert len(result.records) == 1


def test_a_record_that_the_study_has_is_told(tmp_path: Path) -> None:
    result = harmonise([write_plus(tmp_path / "a.csv", [plus_row("USA")])])
    told = result.rejected[result.rejected["reason"].str.startswith("the study has a record")]
    assert told["value"].tolist() == ["exported_CN_US_metal_registered"]
    assert set(told["outcome"]) == {"kept"}


@pytest.mark.parametrize(
    ("encoding", "separator"), [("utf-8-sig", ","), ("latin-1", ";"), ("utf-16", "\t")]
)
def test_files_saved_again_in_another_form(encoding: str, separator: str, tmp_path: Path) -> None:
    rows = [plus_row("USA", 70), plus_row("Côte d'Ivoire", 80)]
    lines = [PLUS_HEADER, *([str(row[name]) for name in PLUS_HEADER] for row in rows)]
    text = "\n".join(separator.join(f'"{cell}"' for cell in line) for line in lines)
    path = tmp_path / "a.csv"
    path.write_text(text + "\n", encoding)
    result = harmonise([path], all_partners=True)
    assert result.records["value"].tolist() == [0.08, 0.07]
    assert "Côte d'Ivoire" in result.records["note"][0]


def test_areas_are_known_by_their_codes_alone(tmp_path: Path) -> None:
    nameless = {"reporterDesc": "", "reporterISO": "", "partnerISO": ""}
    row = plus_row("", 70, partnerCode="842", **nameless)
    result = harmonise([write_plus(tmp_path / "a.csv", [row])])
    assert record(result, "exported_CN_US_metal_registered")["value"] == 0.07


def test_an_office_in_two_files_counts_once() -> None:
    result = harmonise([LEGACY], imports=[GACC])
    assert record(result, "shipped_RW_CN_unregistered")["value"] == 28740.9  # the fuller one
    assert "the same customs stand in another file too (comtrade)" in set(result.rejected["reason"])
    assert_conserved(result)


# --- sums over the rest of the world ------------------------------------------------------------


def test_sum_must_agree_with_the_total(tmp_path: Path) -> None:
    rows = [plus_row("Japan", 70), plus_row("Germany", 20), plus_row("World", 100)]
    result = harmonise([write_plus(tmp_path / "a.csv", rows)])
    assert result.records.empty
    assert "sum is not complete: partners of 280530 add up to 90.0%" in reasons(result)["a.csv", 2]
    bound = harmonise([write_plus(tmp_path / "b.csv", rows)], incomplete="bound")
    row = record(bound, "exported_CN_RW_metal_registered")
    assert (row["kind"], row["low"]) == ("lower", 0.09)
    assert math.isnan(row["value"])
    whole = harmonise([write_plus(tmp_path / "c.csv", [*rows, plus_row("India", 10)])])
    assert record(whole, "exported_CN_RW_metal_registered")["value"] == 0.1


def test_without_a_total_the_user_must_say_that_all_partners_are_there(tmp_path: Path) -> None:
    path = write_plus(tmp_path / "a.csv", [plus_row("Japan", 70), plus_row("Germany", 20)])
    assert harmonise([path]).records.empty
    whole = harmonise([path], all_partners=True)
    assert record(whole, "exported_CN_RW_metal_registered")["value"] == 0.09
    lacking = write_plus(tmp_path / "b.csv", [plus_row("Japan", 70), plus_row("Germany", "")])
    result = harmonise([lacking], all_partners=True)
    assert result.records.empty
    assert "1 of its lines cannot be used (no weight)" in reasons(result)["b.csv", 2]


def test_a_heading_that_no_file_holds_makes_a_sum_incomplete() -> None:
    result = harmonise([PLUS])
    assert not result.records["quantity"].str.contains("compounds").any()
    assert result.rejected["reason"].str.contains("no line of 284610 in the files").any()
    assert_conserved(result)


def test_importers_of_the_rest_of_the_world_are_never_all_there() -> None:
    result = harmonise([PLAIN])
    assert "exported_CN_RW" not in set(result.records["quantity"])
    assert record(harmonise([PLAIN], incomplete="bound"), "exported_CN_RW")["kind"] == "lower"


# --- properties ---------------------------------------------------------------------------------


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, object]]:
    partners = st.sampled_from(
        ["USA", "Japan", "Germany", "World", "China", "Areas, nes", "Myanmar"]
    )
    codes = st.sampled_from(["280530", "284610", "284690", "2846", "850511", "391000"])
    weights = st.one_of(st.just(""), st.integers(0, 10**7))
    return draw(
        st.lists(
            st.builds(
                plus_row, partners, weights, cmdCode=codes,
                flowCode=st.sampled_from(["X", "M", "RX"]),
                refYear=st.sampled_from(["2019", "2020"]),
                customsCode=st.sampled_from(["C00", "C00", "C04"]),
                primaryValue=st.one_of(st.just(""), st.integers(1, 10**8)),
            ),
            min_size=1, max_size=12,
        )
    )  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables(), seed=st.integers(0, 99), incomplete=st.sampled_from(["reject", "bound"]))
def test_order_changes_nothing_and_tonnes_are_conserved(
    rows: list[dict[str, object]], seed: int, incomplete: str, tmp_path: Path
) -> None:
    names = [tmp_path / "a.csv", tmp_path / "b.csv"]
    shuffled = random.Random(seed).sample(rows, len(rows))
    results = []
    cut = len(rows) // 2
    # two files that are the same are told as copies
    assume(all(some[:cut] != some[cut:] for some in (rows, shuffled)))
    for some in (rows, shuffled):
        write_plus(names[0], some[:cut])
        write_plus(names[1], some[cut:])
        results.append(harmonise(names, incomplete=incomplete))
        assert_conserved(results[-1])
    pd.testing.assert_frame_equal(results[0].records, results[1].records)
    told = [
        result.rejected.drop(columns=["file", "row"]).sort_values(
            ["column", "value", "reason", "tonnes"], ignore_index=True
        )
        for result in results
    ]
    pd.testing.assert_frame_equal(told[0], told[1])


def test_order_of_files_changes_nothing() -> None:
    files = [PLUS, CERIUM, LEGACY, WIDE, PLAIN, DOUBLED]
    one = reebayes.harmonise(files, imports=[GACC])  # the bundled study is the default
    two = harmonise(files[::-1], imports=[GACC])
    pd.testing.assert_frame_equal(one.records, two.records)
    pd.testing.assert_frame_equal(one.rejected, two.rejected)
    assert_conserved(one)


# --- command ------------------------------------------------------------------------------------


def test_rows_appended_to_the_bundled_study_pass_its_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "mine.csv"
    files = [str(path) for path in (PLUS, CERIUM, LEGACY, WIDE, PLAIN)]
    assert main(["harmonise", *files, "--imports", str(GACC), "--out", str(out),
                 "--incomplete", "bound"]) == 0  # fmt: skip
    study = tmp_path / "study"
    shutil.copytree(read_study().path, study)
    header, *rows = out.read_text("utf-8").splitlines()
    records = study / "records.csv"
    assert records.read_text("utf-8").splitlines()[0] == header
    assert len(rows) > 8
    records.write_text(records.read_text("utf-8") + "\n".join(rows) + "\n", "utf-8")
    assert main(["check", str(study)]) == 0, capsys.readouterr().err
    with pytest.warns(StudyWarning, match="to the last digit that of 2019 by"):
        longer = read_study(study)  # which has some of them already
    assert len(longer.records) == len(read_study().records) + len(rows)
    rejected = pd.read_csv(out.with_name("mine_rejected.csv"))
    assert list(rejected) == [
        *("file", "row", "column", "value", "reason", "what_to_do", "tonnes", "outcome"),
    ]


def test_strict_writes_the_reasons_and_no_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, told = tmp_path / "mine.csv", tmp_path / "why.csv"
    command = ["harmonise", str(PLUS), "--out", str(out), "--rejected", str(told), "--strict"]
    assert main(command) == 2
    assert not out.exists()
    assert len(pd.read_csv(told)) > 0
    assert "--strict" in capsys.readouterr().err
    assert main(["harmonise", "--imports", str(GACC), "--out", str(out), "--strict"]) == 0


def test_no_layout_no_files_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out" / "mine.csv"
    assert main(["harmonise", str(CUSTOMS / "README.md"), "--out", str(out)]) == 2
    assert "layout is not recognised" in capsys.readouterr().err
    assert main(["harmonise", "--out", str(out)]) == 2
    assert main(["harmonise", str(tmp_path / "none.csv"), "--out", str(out)]) == 2
    assert not out.parent.exists()


def test_the_records_of_the_study_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(STUDY.path, tmp_path / "study")
    out = tmp_path / "study" / "records.csv"
    before = out.read_bytes()
    assert main(["harmonise", str(PLUS), "--data", str(out.parent), "--out", str(out)]) == 2
    assert "write elsewhere" in capsys.readouterr().err
    assert out.read_bytes() == before


# --- fetching -----------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, object]]]:
    """Replace the call of the library; the parameters must be those that it has."""
    calls: list[dict[str, object]] = []
    signature = inspect.signature(comtradeapicall.getFinalData)

    def reply(*args: object, **kwargs: object) -> pd.DataFrame:
        calls.append(dict(signature.bind(*args, **kwargs).arguments))
        return pd.read_csv(PLUS, dtype=str, index_col=False)

    monkeypatch.setattr(comtradeapicall, "getFinalData", reply)
    yield calls


def test_fetch_saves_the_reply_and_makes_records(
    tmp_path: Path, asked: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMTRADE_API_KEY", "secret")
    out = tmp_path / "out" / "mine.csv"
    assert main(["harmonise", "--fetch", "156", "--years", "2019", "--out", str(out)]) == 0
    (call,) = asked
    assert (call["subscription_key"], call["period"], call["reporterCode"]) == (
        "secret",
        "2019",
        "156",
    )
    assert (call["customsCode"], call["motCode"], call["partner2Code"]) == ("C00", "0", "0")
    assert call["cmdCode"] == "261220,280530,284610,284690"
    assert len(pd.read_csv(tmp_path / "out" / "comtrade_156_2019.csv")) == 25
    assert "exported_CN_US_metal_registered" in set(pd.read_csv(out)["quantity"])


def test_a_reply_is_saved_though_nothing_can_be_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = pd.DataFrame({"message": ["hello"]})
    monkeypatch.setattr(comtradeapicall, "getFinalData", lambda *a, **k: strange)
    out = tmp_path / "mine.csv"
    assert main(["harmonise", "--fetch", "156", "--key", "k", "--out", str(out)]) == 2
    assert (tmp_path / "comtrade_156_2022.csv").read_text() == "message\nhello\n"
    assert not out.exists()


def test_a_failed_call_tells_why_and_not_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(key: str, **_: object) -> None:
        sys.stdout.write(f"Request error: no route, subscription-key={key}\n")

    monkeypatch.setattr(comtradeapicall, "getFinalData", refuse)
    with pytest.raises(ReebayesError, match="reporter 156, 2019: Request error") as raised:
        fetch_comtrade(["156"], [2019], codes=["2846"], folder=tmp_path, key="s3")
    assert "s3" not in str(raised.value) + capsys.readouterr().out


def test_fetch_without_key_or_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COMTRADE_API_KEY", raising=False)
    out = str(tmp_path / "mine.csv")
    assert main(["harmonise", "--fetch", "156", "--out", out]) == 2
    assert "COMTRADE_API_KEY" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "comtradeapicall", ModuleType("comtradeapicall"))
    assert main(["harmonise", "--fetch", "156", "--key", "k", "--out", out]) == 2
    assert "pip install '.[comtrade]'" in capsys.readouterr().err
