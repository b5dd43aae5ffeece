"""Customs files that once gave a wrong figure, each as a kind: other numbers, years and names."""

import csv
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reebayes.customs import Harmonised
from reebayes.customs.codebooks import AREAS, read_areas
from reebayes.customs.formats import read_shipments
from reebayes.customs.grids import read_document
from tests.test_harmonisation import (
    PLUS_HEADER,
    assert_conserved,
    harmonise,
    plus_row,
    reasons,
    record,
    refused,
    write_plain,
    write_plus,
)

METAL_US, METAL_RW = "exported_CN_US_metal_registered", "exported_CN_RW_metal_registered"
SOURCE = "WITS_CHN_X"


def plain_rows(year: object, lines: Sequence[tuple[str, float, float]], code: str) -> list[str]:
    """Return rows of a plain table: Chinese exports to partners, in kg and USD."""
    return [f'{year},China,"{who}",export,{code},{kg},{usd},{SOURCE}' for who, kg, usd in lines]


def exports(
    path: Path, year: object, lines: Sequence[tuple[str, float, float]], code: str = "280530"
) -> Path:
    return write_plain(path, plain_rows(year, lines, code))


def kinds(result: Harmonised) -> list[str]:
    """Return what the summary lists of reasons."""
    return [line.strip() for line in result.summary.splitlines() if line.startswith("  ")]


# --- periods ------------------------------------------------------------------------------------

MONTHS = {
    "figures": lambda year, month: f"{year}{month:02d}",
    "floats": lambda year, month: f"{year}{month:02d}.0",
    "dashed": lambda year, month: f"{year}-{month:02d}",
    "dates": lambda year, month: f"{year}-{month:02d}-01",
    "slashed": lambda year, month: f"{year}/{month}",
    "American": lambda year, month: f"{month}/1/{year}",
    "Chinese": lambda year, month: f"{year}年{month}月",
    "named": lambda year, month: (
        f"{'JanFebMarAprMayJunJulAugSepOctNovDec'[3 * month - 3 :][:3]}-{year % 100:02d}"
    ),
}


def test_a_month_is_no_year_and_twelve_add_up(tmp_path: Path) -> None:
    """Each spelling in a file of its own: a month of one year, and all twelve of another."""
    files = []
    for number, (name, spell) in enumerate(MONTHS.items()):
        dates = [spell(2001 + number, 8), *(spell(2011 + number, m) for m in range(1, 13))]
        rows = [f"{d},China,United States,export,280530,7000,,{SOURCE}" for d in dates]
        files.append(write_plain(tmp_path / f"{name}.csv", rows))
    result = harmonise(files)
    assert dict(zip(result.records["year"], result.records["value"], strict=True)) == {
        2011 + number: 84.0 for number in range(len(MONTHS))
    }
    assert set(refused(result)["reason"]) == {"year is not complete: months are missing"}
    assert refused(result)["row"].tolist() == [2] * len(MONTHS)
    assert_conserved(result)


def test_comtrade_of_less_than_a_year(tmp_path: Path) -> None:
    columns = ("freqCode", "refMonth", "period")
    cells = [("Monthly", "8", "201808"), ("m", "August", "2018"), ("", "", "201808.0"),
             ("", "8", ""), ("Q", "", "2018"), ("FY", "52", "2018"), ("A", "52", "2018-08"),
             ("M", "52", "2018")]  # fmt: skip
    rows = [plus_row(f"Land {n}", 500, partnerISO="", refYear="2018",
                     **dict(zip(columns, some, strict=True)))
            for n, some in enumerate(cells)]  # fmt: skip
    result = harmonise([write_plus(tmp_path / "a.csv", rows)], all_partners=True)
    assert result.records.empty
    assert kinds(result) == [f"year is not complete: {len(cells)} lines, 4.0 t"]


def test_a_partner_given_by_months_that_lacks_some_is_missed_in_the_sum(tmp_path: Path) -> None:
    rows = [plus_row("Japan", 70), plus_row("Germany", 5, freqCode="M", refMonth="2")]
    result = harmonise([write_plus(tmp_path / "a.csv", rows)], all_partners=True)
    assert result.records.empty
    assert "1 of its lines cannot be used" in reasons(result)["a.csv", 2]


def test_a_period_stands_for_the_year(tmp_path: Path) -> None:
    names = [name for name in PLUS_HEADER if name not in ("refYear", "freqCode", "refMonth")]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names, extrasaction="ignore")
        writer.writeheader()
        for period in ("2015.0", "2016", "2017年", "Jan-Dec 2018"):
            writer.writerow(plus_row("USA", 41_000, period=period))
    result = harmonise([path])
    assert result.records["year"].tolist() == [2015, 2016, 2017, 2018]
    assert set(result.records["value"]) == {41.0}


# --- weights that cannot be ---------------------------------------------------------------------

PARTNERS = ("Japan", "Germany", "India", "Italy", "Spain", "Brazil", "Thailand", "Netherlands",
            "Austria", "Korea, Rep.", "United States", "Other Asia, nes")  # fmt: skip


def test_weights_made_from_values_are_refused(tmp_path: Path) -> None:
    files = []
    for year, unit_value, code in ((2014, 27.316, "280530"), (2009, 9.84, "284690")):
        values = [round(10 ** (7.5 - number / 3), -1) for number in range(len(PARTNERS))]
        lines = [(who, float(f"{usd / unit_value:.6g}"), usd)
                 for who, usd in zip(PARTNERS, values, strict=True)]  # fmt: skip
        lines.append(("World", sum(kg for _, kg, _ in lines), sum(values)))
        files.append(exports(tmp_path / f"{year}.csv", year, lines, code))
    result = harmonise(files, incomplete="bound")
    assert result.records.empty
    computed = f"weight was computed from value, not weighed: {2 * len(PARTNERS)} lines"
    assert any(kind.startswith(computed) for kind in kinds(result))
    assert_conserved(result)


def test_some_partners_of_one_unit_value_are_no_sign_of_it(tmp_path: Path) -> None:
    chosen = random.Random(7)
    lines = [(who, kg := chosen.randint(1_000, 900_000), round(kg * chosen.uniform(4, 60)))
             for who in PARTNERS]  # fmt: skip
    lines[1:4] = [(who, kg, 8 * kg) for who, kg, _ in lines[1:4]]
    result = harmonise([exports(tmp_path / "a.csv", 2018, lines)], all_partners=True)
    assert len(result.records) == 2
    assert not any("computed" in kind for kind in kinds(result))


def test_the_largest_partner_may_buy_the_dearest_goods(tmp_path: Path) -> None:
    cheap = [(who, 20_000.0 * n, 20_000.0 * n * (6 + n / 9)) for n, who in enumerate(PARTNERS)]
    files = [
        exports(tmp_path / f"{year}.csv", year, [("Japan", 4.1e6, 4.1e6 * dear), *cheap[1:]])
        for year, dear in ((2021, 55.0), (2013, 140.0), (2006, 40.0))
    ]
    result = harmonise(files, all_partners=True)
    tonnes = 4100 + 20 * (sum(range(1, len(PARTNERS))) - PARTNERS.index("United States"))
    for year in (2021, 2013, 2006):
        assert record(result, METAL_RW, year)["value"] == pytest.approx(tonnes)
    assert refused(result).empty


def test_a_unit_value_below_any_price_is_left_out_however_heavy(tmp_path: Path) -> None:
    lines = [(who, 9_000.0 + 700 * n, 10.0 ** (5 + n / 12)) for n, who in enumerate(PARTNERS[:9])]
    lines += [("United States", 8.0e6, 88_000.0), ("Mexico", 40.0, 40.0 * 900)]
    result = harmonise([exports(tmp_path / "a.csv", 2018, lines)], all_partners=True)
    assert result.records["quantity"].tolist() == [METAL_RW]
    assert reasons(result)["a.csv", 11].startswith("unit value 0.011 USD/kg, prices")
    # The other is dear, and small: it is counted, and told in the line of its kind.
    assert [k for k in kinds(result) if "unit value" in k] == [
        "unit value: 1 lines, 8,000.0 t; 1 more are counted"
    ]
    assert_conserved(result)


def test_a_code_of_one_element_is_held_against_its_own_price(tmp_path: Path) -> None:
    rows = [f"2018,China,United States,export,{code},5000,{usd},{SOURCE}"
            for code, usd in (("28469015", 5000 * 4), ("28469019", 5000 * 4.1))]  # fmt: skip
    result = harmonise([write_plain(tmp_path / "a.csv", rows)])
    assert reasons(result)["a.csv", 2].startswith("unit value 4 USD/kg, prices")
    # The other code holds any element; its line is refused for what the sum lacks.
    assert reasons(result)["a.csv", 3].startswith("sum is not complete")


def test_reasons_that_differ_in_figures_are_one_kind(tmp_path: Path) -> None:
    lines = [(who, 1000.0, usd) for who, usd in
             zip(PARTNERS, (1.25e7, 2.88e8, 3.1e6, 40.0, 7.5, 2e4, 3e4, 2e4, 2e4, 3e4, 4e4, 2e4),
                 strict=True)]  # fmt: skip
    result = harmonise([exports(tmp_path / "a.csv", 2018, lines)], all_partners=True)
    assert len([kind for kind in kinds(result) if "unit value" in kind]) == 1
    assert len({r for r in refused(result)["reason"] if r.startswith("unit value")}) >= 4


def test_an_estimated_weight_is_told_and_wider(tmp_path: Path) -> None:
    flags = ("True", "1", "1.0", "Yes", "TRUE", "是", "False")
    rows = [plus_row("USA", 900_000, isNetWgtEstimated=flag, refYear=2012 + n)
            for n, flag in enumerate(flags)]  # fmt: skip
    result = harmonise([write_plus(tmp_path / "a.csv", rows)])
    sds = result.records["sd"].tolist()
    assert all(sd > 0.5 for sd in sds[:-1]) and sds[-1] < 0.1
    told = f"counted, but: weight was estimated by the office from values, not weighed: {6} lines"
    assert told in result.summary


def test_estimates_widen_a_sum_by_their_share(tmp_path: Path) -> None:
    rows = [plus_row("Japan", 300_000, isNetWgtEstimated="1"), plus_row("Italy", 900_000)]
    path = write_plus(tmp_path / "a.csv", rows)
    one = record(harmonise([path], all_partners=True, misbooked=0, sd=0), METAL_RW)
    content = math.log(1.27 / 1.1) / (2 * 1.6448536)
    assert one["sd"] == pytest.approx(math.hypot(0.5 / 4, content), abs=6e-4)


# --- columns ------------------------------------------------------------------------------------


def decimal(path: Path, year: int, cells: Sequence[str], separator: str) -> Path:
    rows = [plus_row(f"Land {n}", cell, cmdDesc="rare", refYear=year)
            for n, cell in enumerate(cells)]  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, PLUS_HEADER, delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_numbers_of_a_column_are_read_in_one_way_or_refused(tmp_path: Path) -> None:
    columns = [
        (["0,125", "81.600", "4029200,5"], ";", 4110.800625),
        (["81.600", "1.250.000", "7"], ";", 1331.607),
        (["81,600", "1,250.5"], ",", 82.8505),
        (["81.600", "7"], ";", None),
        (["0,125", "0.5"], ";", None),
    ]
    files = [decimal(tmp_path / f"{2014 + n}.csv", 2014 + n, cells, separator)
             for n, (cells, separator, _) in enumerate(columns)]  # fmt: skip
    result = harmonise(files, all_partners=True)
    found = dict(zip(result.records["year"], result.records["value"], strict=True))
    assert found == pytest.approx(
        {2014 + n: tonnes for n, (_, _, tonnes) in enumerate(columns) if tonnes}, abs=1e-6
    )
    assert len(refused(result)) == 4
    assert refused(result)["reason"].str.startswith("numbers of the column").all()


def test_codes_of_nine_digits_begin_with_their_heading(tmp_path: Path) -> None:
    rows = [f"2017,Japan,China,import,{code},61000,,{SOURCE}"
            for code in ("284690210", "280530000", "284610000")]  # fmt: skip
    result = harmonise([write_plain(tmp_path / "a.csv", rows)], incomplete="bound")
    assert record(result, "exported_CN_RW", 2017)["low"] == 183.0
    assert refused(result).empty


def test_words_for_flows(tmp_path: Path) -> None:
    good = [("Exports", ""), ("E", ""), ("2", ""), ("2.0", "Export"), ("", "出口")]
    bad = [("RX", "Export"), ("net", ""), ("", "")]
    rows = [plus_row("USA", 70, flowCode=code, flowDesc=word, refYear=2010 + n)
            for n, (code, word) in enumerate([*good, *bad])]  # fmt: skip
    result = harmonise([write_plus(tmp_path / "a.csv", rows)])
    assert result.records["year"].tolist() == [2010 + n for n in range(len(good))]
    assert [reason[:9] for reason in refused(result)["reason"]] == [
        "re-export", "flow is n", "flow is n",
    ]  # fmt: skip


# --- areas --------------------------------------------------------------------------------------


def test_groups_totals_and_what_is_unknown_are_no_countries(tmp_path: Path) -> None:
    names = ["Asia", "ASEAN", "Rest of the world", "EU-27 (excludes UK)", "Grand total",
             "Total all countries", "Unknown", "Confidential", "Asia, nes", "Secret countries",
             "OECD", "Middle East", "Other countries", "Not allocated"]  # fmt: skip
    lines = [(name, 61_000.0 + n, 0.0) for n, name in enumerate(names)]
    result = harmonise([exports(tmp_path / "a.csv", 2017, lines)], all_partners=True,
                       incomplete="bound")  # fmt: skip
    assert result.records.empty
    assert len(refused(result)) == len(names)
    assert_conserved(result)


def test_every_usual_name_of_the_two_countries(tmp_path: Path) -> None:
    pairs = [("PRC", "U.S."), ("China (mainland)", "U.S.A."), ("CN", "US"), ("156.0", "842.0"),
             ("Mainland China", "America"), ("中国", "美国")]  # fmt: skip
    rows = [f'{2011 + n},"{one}","{other}",Exports,280530,61000,,{SOURCE}'
            for n, (one, other) in enumerate(pairs)]  # fmt: skip
    result = harmonise([write_plain(tmp_path / "a.csv", rows)])
    assert set(result.records["quantity"]) == {METAL_US}
    assert set(result.records["reporter"]) == {"wits_chn_x_CN_exports"}
    assert len(result.records) == len(pairs)


def test_a_country_that_is_not_listed_is_counted_and_told(tmp_path: Path) -> None:
    lines = [("Atlantis", 61_000.0, 0.0), ("Japan", 5000.0, 0.0)]
    result = harmonise([exports(tmp_path / "a.csv", 2017, lines)], all_partners=True)
    assert record(result, METAL_RW, 2017)["value"] == 66.0
    told = result.rejected[result.rejected["reason"].str.contains("not in the table of areas")]
    assert (told["value"].tolist(), told["outcome"].tolist()) == (["Atlantis"], ["kept"])


def test_names_of_areas_that_are_one_name_are_a_fault(tmp_path: Path) -> None:
    path = tmp_path / AREAS
    text = "area,region,role,names\n*,RW,area,\nA,CN,area,P.R.C.\nB,US,area,PRC\n"
    path.write_text(text, "utf-8")
    with pytest.raises(Exception, match="is that of 'A' too"):
        read_areas(path)


# --- files --------------------------------------------------------------------------------------


def test_offices_of_two_countries_do_not_stand_in_for_one_another(tmp_path: Path) -> None:
    one = [f"2017,Japan,China,import,280530,61000,,{SOURCE}"]
    two = ["2017,Germany,China,import,280530,9000,,USGS_MYB2022"]
    files = [write_plain(tmp_path / "a.csv", one), write_plain(tmp_path / "b.csv", two)]
    result = harmonise(files, incomplete="bound")
    assert result.records["low"].tolist() == [9.0, 61.0]
    files.append(write_plain(tmp_path / "c.csv", [two[0].replace("USGS_MYB2022", "COMTRADE_IMP")]))
    again = harmonise(files, incomplete="bound")
    assert len(again.records) == 2
    assert "the same customs stand in another file too" in again.summary


# --- properties ---------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["United States", "U.S.A.", "Japan", "World", "Asia", "Areas, nes", "Atlantis", "PRC", ""]
)
PERIODS = st.sampled_from(
    ["2017", "2017.0", "201703", "2017-03", "Mar-17", "2017Q1", "FY2017", "2017年", "soon", ""]
)
WEIGHTS = st.sampled_from(["1000", "0,125", "256.600", "1,250", "5.5", "(S)", "many", "", "0"])
FLOWS = st.sampled_from(["export", "Exports", "X", "2", "RX", "net", "import"])
WORDS = st.sampled_from(["280530", "280530.0", "2805.3", "284690210", "28461", "2.8E+09", "TOTAL"])


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(PERIODS, NAMES, NAMES, FLOWS, WORDS, WEIGHTS, st.sampled_from(["", "1e5"])),
        min_size=1,
        max_size=14,
    ),
    separator=st.sampled_from([",", ";", "\t"]),
    shift=st.sampled_from([0, 0, 1]),
    incomplete=st.sampled_from(["reject", "bound"]),
)
def test_whatever_a_table_holds_each_line_is_counted_or_told(
    rows: list[tuple[str, ...]], separator: str, shift: int, incomplete: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=separator)
        names = "year,reporter,partner,flow,code,weight_kg,value_usd,source"
        writer.writerow(names.split(","))
        for number, row in enumerate(rows):
            moved = ["moved"] if shift and number % 2 else []
            writer.writerow([*moved, *row, SOURCE])
    result = harmonise([path], all_partners=True, incomplete=incomplete)
    shipments = read_shipments(read_document(path), None).shipments
    assert [shipment.row for shipment in shipments] == list(range(2, len(rows) + 2))
    assert result.files["lines"].tolist() == [len(rows)]
    told = refused(result)
    assert not told["row"].duplicated().any()
    assert (told["reason"] != "").all() and (told["what_to_do"] != "").all()
    counted = set(range(2, len(rows) + 2)) - set(told["row"])
    assert bool(counted) == bool(len(result.records))
    assert_conserved(result)
    assert result.records["year"].isin([2017]).all()
