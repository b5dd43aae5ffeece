"""Files as they come from customs sites and spreadsheets: each read whole, or told what it is."""

import csv
import gzip
import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from reebayes import read_study
from reebayes.customs.formats import Reading, read_shipments
from reebayes.customs.grids import read_document
from reebayes.errors import StudyError
from tests.test_harmonisation import (
    CUSTOMS,
    PLUS_HEADER,
    harmonise,
    plus_row,
    record,
    refused,
    write_plus,
)

type Sheet = Sequence[Sequence[object]]


def read(path: Path, flow: str | None = None) -> Reading:
    return read_shipments(read_document(path), flow)


def weights(reading: Reading) -> list[float | None]:
    return [shipment.weight for shipment in reading.shipments]


def reasons_of(reading: Reading) -> list[str]:
    return [s.problem.reason if s.problem else "" for s in reading.shipments]


def write_book(path: Path, sheets: Mapping[str, Sheet], dimension: str | None = None) -> Path:
    """Write a workbook; with `dimension`, each sheet declares that it is so large."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    if dimension is not None:
        change_sheets(path, lambda xml: re.sub(r"<dimension [^>]*/>", dimension, xml))
    return path


def change_sheets(path: Path, change: Callable[[str], str]) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            is_sheet = name.startswith("xl/worksheets/")
            archive.writestr(name, change(data.decode()).encode() if is_sheet else data)


def plus_sheet(rows: Iterable[Mapping[str, object]]) -> list[list[object]]:
    return [list(PLUS_HEADER), *([row[name] for name in PLUS_HEADER] for row in rows)]


def dataweb_sheet(measure: str, rows: Iterable[Sequence[object]], *extra: str) -> Sheet:
    header = ["Data Type", "Country", "Year", "HTS Number", "Description", "Quantity Description"]
    unit = "kilograms" if measure.startswith("First") else "Value for: kilograms"
    body = [[measure, "China", 2018, code, "x", unit, *figures] for code, *figures in rows]
    return [[*header, measure, *extra], *body]


QUERY = [["Download Date", "May 2, 2024"], ["Trade Flow", "Imports For Consumption"],
         ["Classification System", "HTS Items"]]  # fmt: skip
CODES = ("2805300090", "2846100050", "2846902005")

# --- files that are no tables -------------------------------------------------------------------

NO_TABLES = {
    "old workbook.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)), "old Excel"),
    "page.xls": (b"\n<!DOCTYPE html><HTML><table><tr><td>2016</td></tr></table>", "HTML page"),
    "table.xls": (b"\xef\xbb\xbf<table><tr><th>Year</th></tr></table>", "HTML page"),
    "sheet.xml": (b'<?xml version="1.0"?><Workbook/>', "XML document"),
    "reply.json": (b' {"count": 1, "data": [{"refYear": 2016}]}', "JSON"),
    "list.csv": (b'[{"refYear": 2016}]', "JSON"),
    "report.pdf": (b"%PDF-1.7\n\xe2\xe3", "PDF"),
    "frame.parquet": (b"PAR1\x15\x04", "Parquet"),
    "frame.rds": (gzip.compress(b"X\n\x00\x00\x00\x03"), "R object"),
    "frame.pkl": (b"\x80\x04\x95\x00", "Python object"),
    "packed.7z": (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    "cut.csv.gz": (gzip.compress(b"year,reporter\n" * 99)[:-20], "damaged gzip"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n", "picture"),
    "letters.csv": (bytes(range(161, 256)) * 3, "no known encoding"),
    "any.csv": (b"year,rep\x00orter\x01\x02\n", "binary"),
}


@pytest.mark.parametrize("name", NO_TABLES)
def test_a_file_that_is_no_table_is_told_what_it_is(name: str, tmp_path: Path) -> None:
    data, what = NO_TABLES[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(StudyError) as raised:
        read_document(path)
    (fault,) = raised.value.faults
    assert what in fault.message and "; " in fault.message
    assert fault.message.isprintable() and fault.message.isascii()


@pytest.mark.parametrize(
    ("members", "what"),
    [({"content.xml": "", "mimetype": ""}, "OpenDocument"), ({"xl/workbook.bin": ""}, "xlsb"),
     ({"a.csv": "x", "b.csv": "y"}, "ZIP archive of 2 files"), ({"word/document.xml": ""}, "Word")],
)  # fmt: skip
def test_archives_that_are_no_workbook(
    members: Mapping[str, str], what: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    with pytest.raises(StudyError, match=what):
        read_document(path)


def test_nothing_at_all_is_said_to_be_nothing(tmp_path: Path) -> None:
    for name, data in (("a.csv", b""), ("b.csv", b"\n \n"), ("c.gz", gzip.compress(b""))):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(StudyError, match="file is empty"):
            read_document(path)


HEADERS = {
    "plus.csv": ",".join(PLUS_HEADER),
    "legacy.csv": (CUSTOMS / "comtrade_legacy_china_imports_2019.csv").read_text().splitlines()[0],
    "dataweb.csv": "Data Type,HTS Number,Country,Year,Quantity Description,First Unit of Quantity",
    "gacc.csv": (CUSTOMS / "gacc_english_2019.csv").read_text().splitlines()[0],
    "plain.csv": "year,reporter,partner,flow,code,weight_kg,value_usd,source",
    "comext.csv": "DECLARANT,PARTNER,PRODUCT_NC,FLOW,PERIOD,QUANTITY_IN_KG",
}


def test_a_header_without_lines_is_told(tmp_path: Path) -> None:
    paths = []
    for name, header in HEADERS.items():
        paths.append(tmp_path / name)
        paths[-1].write_text(header + "\n", "utf-8")
    paths.append(write_book(tmp_path / "book.xlsx", {"a": [PLUS_HEADER]}))
    result = harmonise(paths)
    assert result.records.empty and result.rejected.empty
    assert result.summary.count("no lines below the header") == len(paths)
    beside = harmonise([*paths, CUSTOMS / "dataweb_us_imports_wide.csv"])
    assert not beside.records.empty


@pytest.mark.parametrize("separator", [",", "\t"])
def test_packed_files_are_read_as_they_are(separator: str, tmp_path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerows(plus_sheet([plus_row("USA", 70), plus_row("Japan", 80)]))
    gz, zipped = tmp_path / "COMTRADE-FINAL-CA156201900H5.gz", tmp_path / "a.zip"
    gz.write_bytes(gzip.compress(text.getvalue().encode()))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("data.csv", text.getvalue())
    for path in (gz, zipped):
        assert weights(read(path)) == [70, 80]


# --- workbooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dimension", ['<dimension ref="A1"/>', '<dimension ref="A1:C2"/>', "", '<dimension ref="B9"/>',
                  '<dimension ref="A1:XFD1048576"/>'],
)  # fmt: skip
def test_a_sheet_is_read_whole_whatever_it_declares(dimension: str, tmp_path: Path) -> None:
    quantities = dataweb_sheet(
        "First Unit of Quantity", zip(CODES, (5100, 640000, 2750000), strict=True)
    )
    sheets = {"Query Parameters": QUERY, "First Unit of Quantity": quantities}
    reading = read(write_book(tmp_path / "a.xlsx", sheets, dimension))
    assert weights(reading) == [5100, 640000, 2750000]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sheets=st.lists(st.lists(st.integers(1, 10**7), max_size=5), min_size=1, max_size=4),
    dimension=st.sampled_from([None, '<dimension ref="A1"/>', '<dimension ref="A1:B3"/>', ""]),
    blanks=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    notes=st.booleans(),
)
def test_every_row_of_every_sheet_is_read_or_told(
    sheets: list[list[int]],
    dimension: str | None,
    blanks: list[int],
    notes: bool,
    tmp_path: Path,
) -> None:
    """Sheets of one layout or none, with titles and blank rows above: no weight is lost."""
    book: dict[str, Sheet] = {}
    for number, (kilograms, blank) in enumerate(zip(sheets, blanks, strict=False)):
        lines = plus_sheet(plus_row("Japan", kg, refYear=2010 + number) for kg in kilograms)
        book[f"S{number}"] = [*[[] for _ in range(blank)], ["a title"], *lines]
    if notes:
        book["Notes"] = [["who", "when"], ["me", "2016"]]
    reading = read(write_book(tmp_path / "a.xlsx", book, dimension))
    assert weights(reading) == [float(kg) for kilograms in sheets for kg in kilograms]
    assert [sheet for sheet, _, _ in reading.unread] == (["Notes"] if notes else [])
    rows = [(shipment.sheet, shipment.row) for shipment in reading.shipments]
    assert rows == [(f"S{n}", blanks[n] + 3 + k) for n, some in enumerate(sheets)
                    for k in range(len(some))]  # fmt: skip


def test_two_sheets_are_both_counted_and_a_third_is_told(tmp_path: Path) -> None:
    sheets = {
        str(year): plus_sheet([plus_row("USA", kg, refYear=year, period=year)])
        for year, kg in ((2017, 410_000), (2018, 520_000))
    }
    path = write_book(tmp_path / "years.xlsx", {**sheets, "Notes": [["a", "b"], ["c", "d"]]})
    result = harmonise([path])
    assert record(result, "exported_CN_US_metal_registered", 2017)["value"] == 410
    assert record(result, "exported_CN_US_metal_registered", 2018)["value"] == 520
    assert result.files["lines"].tolist() == [2]
    told = refused(result)
    assert told["reason"].tolist() == ["sheet has no columns of a known layout"]
    assert told["file"].tolist() == [f"{path}, sheet 'Notes'"]


def test_a_formula_without_its_result_is_no_blank_cell(tmp_path: Path) -> None:
    rows = plus_sheet([plus_row("USA", "=2*35"), plus_row("Japan", 80)])
    reading = read(write_book(tmp_path / "a.xlsx", {"a": rows}))
    assert weights(reading) == [None, 80]
    assert reasons_of(reading) == ["not a number", ""]


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"a": plus_sheet([plus_row("USA", 5)] * 3)})
    change_sheets(path, lambda xml: xml.replace('<row r="3"', '<row r="9"'))
    with pytest.raises(StudyError, match="rows of a sheet are not in order"):
        read_document(path)


def test_numbers_and_dates_typed_in_a_sheet(tmp_path: Path) -> None:
    dates = [pd.Timestamp(2018, month, 1).to_pydatetime() for month in range(1, 13)]
    rows = plus_sheet(
        plus_row("USA", 10.5, refYear=2018.0, period=date, freqCode="M", partnerCode=842.0)
        for date in dates
    )
    reading = read(write_book(tmp_path / "a.xlsx", {"a": rows}))
    assert [shipment.month for shipment in reading.shipments] == list(range(1, 13))
    assert {shipment.year for shipment in reading.shipments} == {2018}
    assert weights(reading) == [10.5] * 12


# --- DataWeb ------------------------------------------------------------------------------------


def dataweb(tmp_path: Path, *tables: Sheet) -> Path:
    sheets = {f"S{number}": table for number, table in enumerate(tables)}
    return write_book(tmp_path / "dw.xlsx", {"Query Parameters": QUERY, **sheets})


def test_a_column_that_only_one_measure_has_does_not_part_them(tmp_path: Path) -> None:
    values = dataweb_sheet("Customs Value", zip(CODES, (51_000, 1_280_000, 4_000_000), strict=True))
    quantities = dataweb_sheet(
        "First Unit of Quantity", [(code, 1000 * n, 0) for n, code in enumerate(CODES, 1)],
        "Suppressed",
    )  # fmt: skip
    reading = read(dataweb(tmp_path, values, quantities))
    assert weights(reading) == [1000, 2000, 3000]
    assert [shipment.value for shipment in reading.shipments] == [51_000, 1_280_000, 4_000_000]
    assert not any(shipment.withheld for shipment in reading.shipments)


def test_a_suppressed_quantity_makes_a_lower_bound(tmp_path: Path) -> None:
    for flag in (1, "Y", "Yes", "True", "X", 0, "", "No"):
        rows = [(code, 1000 * n, flag if n == 2 else 0) for n, code in enumerate(CODES, 1)]
        table = dataweb_sheet("First Unit of Quantity", rows, "Quantity Suppressed")
        held = [shipment.withheld for shipment in read(dataweb(tmp_path, table)).shipments]
        assert held == [False, flag not in (0, "", "No"), False]
    rows = [(code, 1000 * n, int(n == 2)) for n, code in enumerate(CODES, 1)]
    table = dataweb_sheet("First Unit of Quantity", rows, "Suppressed")
    result = harmonise([dataweb(tmp_path, table)])
    row = record(result, "exported_CN_US", 2018)
    assert (row["kind"], row["low"]) == ("lower", 6.0)
    assert "withheld in part" in result.summary


def test_a_quantity_that_is_withheld_whole_bounds_the_sum_of_the_others(tmp_path: Path) -> None:
    rows = [(CODES[0], 4000), (CODES[1], "(S)"), (CODES[2], 6000)]
    result = harmonise([dataweb(tmp_path, dataweb_sheet("First Unit of Quantity", rows))])
    row = record(result, "exported_CN_US", 2018)
    assert (row["kind"], row["low"]) == ("lower", 10.0)
    assert refused(result)["reason"].tolist() == ["no weight"]


@pytest.mark.parametrize("months", [12, 7])
def test_months_in_a_column_of_their_own(months: int, tmp_path: Path) -> None:
    header = ["Data Type", "HTS Number", "Country", "Year", "Month", "Quantity Description",
              "First Unit of Quantity"]  # fmt: skip
    body = [["First Unit of Quantity", CODES[0], "China", 2018, month, "kilograms", 500]
            for month in range(1, months + 1)]  # fmt: skip
    result = harmonise([dataweb(tmp_path, [header, *body])], incomplete="bound")
    if months == 12:
        assert record(result, "exported_CN_US", 2018)["low"] == 6.0
    else:
        assert set(refused(result)["reason"]) == {"year is not complete: months are missing"}


def test_the_title_of_a_table_may_say_that_it_is_of_less_than_a_year(tmp_path: Path) -> None:
    header = [
        "Data Type",
        "HTS Number",
        "Country",
        "Quantity Description",
        "First Unit of Quantity",
    ]
    row = ["First Unit of Quantity", CODES[0], "China", "kilograms", 500]
    for title, year in (("Annual", 2018), ("Year To Date", 0), ("Quarterly", 0)):
        table = [[f"First Unit of Quantity | {title} data for 2018"], header, row]
        (shipment,) = read(dataweb(tmp_path, table)).shipments
        assert (shipment.problem is None) == bool(year)


# --- other layouts ------------------------------------------------------------------------------


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("rename", [snake, str.upper, str.lower, lambda name: f" {name} "])
def test_columns_are_known_whatever_their_case(
    rename: Callable[[str], str], tmp_path: Path
) -> None:
    frame = pd.DataFrame(plus_sheet([plus_row("USA", 70)])[1:], columns=PLUS_HEADER)
    path = tmp_path / "comtradr.csv"
    frame.rename(columns=rename).to_csv(path, index=False)
    (shipment,) = read(path).shipments
    assert (shipment.weight, shipment.flow, shipment.year) == (70, "export", 2019)
    assert "USA" in shipment.partner_names


def test_a_bulk_file_has_codes_alone(tmp_path: Path) -> None:
    names = [name for name in PLUS_HEADER if not name.endswith(("Desc", "ISO", "Abbr"))]
    rows = [plus_row("", "", partnerCode=code, qty=kg, qtyUnitCode="8", reporterISO="")
            for code, kg in (("842", 70), ("392", 80))]  # fmt: skip
    path = tmp_path / "bulk.txt"
    pd.DataFrame(rows)[names].to_csv(path, index=False, sep="\t")
    result = harmonise([path], all_partners=True)
    assert record(result, "exported_CN_US_metal_registered")["value"] == 0.07
    assert record(result, "exported_CN_RW_metal_registered")["value"] == 0.08


def test_codes_saved_as_floats_are_codes(tmp_path: Path) -> None:
    rows = [plus_row("USA", 70), plus_row("Japan", 80), plus_row("World", 150)]
    numbers = ["refYear", "refMonth", "period", "reporterCode", "partnerCode", "partner2Code",
               "cmdCode", "motCode", "mosCode"]  # fmt: skip
    rows[1]["partnerCode"] = "392"
    rows[0]["partnerCode"] = "842"
    frame = pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))
    whole, nameless = tmp_path / "a.csv", tmp_path / "b.csv"
    frame.to_csv(whole, index=False)
    frame.drop(columns=[n for n in PLUS_HEADER if n.endswith(("ISO", "Desc"))]).to_csv(
        nameless, index=False
    )
    assert [shipment.breakdown for shipment in read(whole).shipments] == [()] * 3
    result = harmonise([nameless])
    assert record(result, "exported_CN_US_metal_registered")["value"] == 0.07
    assert record(result, "exported_CN_RW_metal_registered")["value"] == 0.08


def test_row_names_of_r_move_no_column(tmp_path: Path) -> None:
    rows = plus_sheet([plus_row("USA", 70), plus_row("Japan", 80)])
    path = tmp_path / "r.csv"
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL)
        writer.writerow(rows[0])
        writer.writerows([str(n), *row] for n, row in enumerate(rows[1:], 1))
    assert weights(read(path)) == [70, 80]


def test_a_row_whose_cells_have_moved_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "year,reporter,partner,flow,code,weight_kg,value_usd,source\n"
        "2018,China,Korea, Rep.,export,280530,70000,,WITS_CHN_X\n"
        "2018,China,United States,export,280530,90000,,WITS_CHN_X,\n"
        "2018,China,United States,280530,90000,,WITS_CHN_X\n",
        "utf-8",
    )
    reading = read(path)
    assert reasons_of(reading)[0] == "row has more cells than the header"
    assert reasons_of(reading)[1] == ""
    assert reasons_of(reading)[2] != ""
    assert weights(reading)[:2] == [None, 90000]


def test_files_put_one_below_the_other_are_read_by_the_header_above(tmp_path: Path) -> None:
    one, two = ["year", "reporter", "partner", "flow", "code", "weight_kg", "source"], []
    two = [*one[:5], "source", "weight_kg"]
    rows = [one, [2018, "China", "Japan", "export", "280530", 70, "A"],
            two, [2019, "China", "Japan", "export", "280530", "A", 80]]  # fmt: skip
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows), "utf-8")
    assert weights(read(path)) == [70, 80]


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("year,reporter,partner,flow,code,weight_kg,Weight_kg,source\n", "utf-8")
    with pytest.raises(StudyError, match="column stands twice"):
        read(path)


COMEXT = (
    "DECLARANT,DECLARANT_ISO,PARTNER,PARTNER_ISO,TRADE_TYPE,PRODUCT_NC,FLOW,STAT_REGIME,PERIOD,"
    "VALUE_IN_EUROS,QUANTITY_IN_KG\n"
    "004,DE,0720,CN,E,28053010,1,1,201852,900,5000\n"
    "004,DE,0720,CN,E,28053010,1,2,201852,100,700\n"
    "004,DE,0400,US,E,28053010,2,1,201806,100,30\n"
    "004,DE,0720,CN,E,28SSSSSS,1,1,201852,100,9\n"
)


def test_eurostat_bulk_files_of_either_generation(tmp_path: Path) -> None:
    new = COMEXT.replace("DECLARANT_ISO", "REPORTER_ISO").replace("DECLARANT", "REPORTER")
    new = new.replace("QUANTITY_IN_KG", "QUANTITY_KG").replace("STAT_REGIME", "STAT_PROCEDURE")
    for name, text in (("old.dat", COMEXT), ("new.csv", new)):
        path = tmp_path / name
        path.write_text(text)
        reading = read(path)
        assert [(s.year, s.month, s.flow, s.weight) for s in reading.shipments] == [
            (2018, 0, "import", 5000), (2018, 0, "import", 700), (2018, 6, "export", 30),
            (2018, 0, "import", 9),
        ]  # fmt: skip
        assert reasons_of(reading)[3] == "no commodity code"


def test_eurostat_and_japan_count_if_their_sources_are_in_the_study(tmp_path: Path) -> None:
    path, japan = tmp_path / "comext.csv", tmp_path / "japan.csv"
    path.write_text(COMEXT)
    japan.write_text(japanese(range(1, 13)))
    result = harmonise([path, japan], incomplete="bound")
    table = result.records.set_index("reporter")
    assert table.loc["comext_RW_imports", "low"] == 5.7
    assert table.loc["japan_RW_imports", "low"] == 12 * 0.5
    folder = tmp_path / "study"
    shutil.copytree(read_study().path, folder)
    rows = (folder / "sources.csv").read_text("utf-8").splitlines(keepends=True)
    kept = [row for row in rows if not row.startswith(("EUROSTAT_COMEXT,", "JAPAN_CUSTOMS,"))]
    (folder / "sources.csv").write_text("".join(kept), encoding="utf-8")
    without = harmonise([path, japan], study=read_study(folder), incomplete="bound")
    assert without.records.empty and "source is not in the study" in without.summary


def japanese(months: Iterable[int]) -> str:
    names = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    header = ["Exp or Imp", "Year", "HS", "Country", "Unit1", "Unit2", "Quantity1-Year",
              "Quantity2-Year", "Value-Year"]  # fmt: skip
    header += [f"{part}-{name}" for name in names for part in ("Quantity1", "Quantity2", "Value")]
    some = set(months)
    row = ["2", "2018", "'284690210'", "105", "", "KG", "0", str(500 * len(some)), "9"]
    for month in range(1, 13):
        row += ["0", "500", "9"] if month in some else ["0", "0", "0"]
    return "\n".join([",".join(header), ",".join(row), ""])


def test_japanese_tables_have_codes_of_nine_digits_and_grow_by_months(tmp_path: Path) -> None:
    path = tmp_path / "japan.csv"
    path.write_text(japanese(range(1, 13)))
    (shipment,) = read(path).shipments
    assert (shipment.code, shipment.flow, shipment.weight) == ("284690210", "import", 6000)
    assert shipment.partner_names == ("japan:105",)
    path.write_text(japanese(range(1, 9)))
    assert reasons_of(read(path)) == ["year is not complete: nothing after Aug"]


KNOWN_AND_REFUSED = {
    "BACI": "t,i,j,k,v,q\n2018,156,842,280530,9.5,0.6\n",
    "Comext in long form": "freq,reporter,partner,product,flow,indicators,TIME_PERIOD,OBS_VALUE\n",
    "WITS": "Reporter,TradeFlow,ProductCode,Year,Partner,Quantity,Quantity Unit\n",
    "Geological Survey": "DataSource,Commodity,Year,Imports_compounds_t\nMCS,Rare earths,2018,1\n",
}


@pytest.mark.parametrize("what", KNOWN_AND_REFUSED)
def test_a_table_that_is_not_read_is_refused_by_name(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(KNOWN_AND_REFUSED[what])
    with pytest.raises(StudyError, match=what) as raised:
        read(path)
    assert "which is not read: " in str(raised.value)


@pytest.mark.parametrize("text", ['="280530"', "'280530", "2805.30", "280530.0"])
def test_cells_that_a_spreadsheet_was_kept_from_changing(text: str, tmp_path: Path) -> None:
    path = write_plus(tmp_path / "a.csv", [plus_row("USA", 70, cmdCode=text)])
    (shipment,) = read(path).shipments
    assert (shipment.code, shipment.problem) == ("280530", None)


def test_a_separator_named_in_the_first_line_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = ["sep=;", "year;reporter;partner;flow;code;weight_kg;source",
            "2018;China;United States;export;280530;1.234,5;A", ""]  # fmt: skip
    path.write_text("\n".join(rows))
    assert weights(read(path)) == [1234.5]


def test_windows_text_and_japanese_text_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    header = "year,reporter,partner,flow,code,weight_kg,source"
    rows = f"{header}\n2018,China,Côte d’Ivoire,出口,280530,5,A\n"
    path.write_bytes(rows.replace("出口", "export").encode("cp1252"))
    assert read(path).shipments[0].partner == "Côte d’Ivoire"
    path.write_bytes(rows.replace("出口", "輸出").replace("Côte d’Ivoire", "米国").encode("cp932"))
    assert read(path).shipments[0].flow == "export"
