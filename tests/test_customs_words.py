"""Words of customs files: periods, months, numbers, codes, flows, flags, units and areas."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reebayes import read_study
from reebayes.customs.areanames import area_key
from reebayes.customs.codebooks import AREAS, read_areas
from reebayes.customs.flows import read_flow
from reebayes.customs.numerals import Notation, notations, read_number
from reebayes.customs.periods import MONTHS, Period, read_month, read_period, settled
from reebayes.customs.prices import PRICES, read_prices
from reebayes.customs.shipments import Line, read_code
from reebayes.errors import StudyError

BUNDLED = read_study().path
AREA_TABLE = read_areas(BUNDLED / AREAS)

# --- periods ------------------------------------------------------------------------------------

YEARS = (
    "2016 2016.0 2016,0 2016年 2016年全年 CY2016 2016A 201601-201612 2016-01/2016-12 2016.01-12 "
    "2016-01-01/2016-12-31 2016年1-12月"
).split()
YEARS += ["Year 2016", "Annual 2016", "Jan-Dec 2016", "January 2016 to December 2016",
          "Jan. – Dec. 2016 (cumulative)", " 2016 "]  # fmt: skip
JUNE = (
    "201606 201606.0 2016-06 2016-6 2016/06 2016/6 2016.06 2016.6 20160630 2016-06-01 2016/6/1 "
    "06/2016 6-2016 6.2016 30/06/2016 06/30/2016 6/6/2016 2016年6月 2016年06月 2016年6月份 Jun-16 "
    "Jun-2016 2016-Jun 2016Jun JUN2016 1-Jun-16 2016M06 2016-M06 juin-2016 2016-06-01T00:00:00Z "
    "２０１６年６月 201606-201606"
).split()
JUNE += ["June 2016", "june, 2016", "Jun 16", "01 June 2016", "junio 2016", "Juni 2016", "M06 2016",
         "2016-06-01 00:00:00", "6/6/2016 0:00", "2016 06"]  # fmt: skip
PARTS = (
    "2016Q2 2016-Q2 2Q2016 Q2/2016 2016T2 2016H1 2016S2 2016W05 FY2016 FY2016-17 2016-17 2016/17 "
    "2016-2017 2016/2017 2014-2018 201601-201603 2016-01/2016-06 2016年1-3月 2016年1月至6月 "
    "2016年第二季度 2016年上半年 2016年1-6月累计 2016年6月累计 2016年度 2016.01-06"
).split()
PARTS += ["Q2 2016", "2nd quarter 2016", "first half of 2016", "Fiscal year 2016", "2016 YTD",
          "Year to date 2016", "Jan-Jun 2016", "January to June 2016", "July 2015 to June 2016",
          "YTD June 2016", "03/04/2016"]  # fmt: skip
NOTHING = ["", "52", "201613", "2016-13", "2016-00", "19-Jul", "June", "soon", "156", "2016.1",
           "2846", "201652", "1/2/3"]  # fmt: skip


@pytest.mark.parametrize("text", YEARS)
def test_a_whole_calendar_year(text: str) -> None:
    assert read_period(text) == Period(2016)


@pytest.mark.parametrize("text", JUNE)
def test_a_month(text: str) -> None:
    assert read_period(text) == Period(2016, 6)


@pytest.mark.parametrize("text", PARTS)
def test_what_is_neither_a_year_nor_a_month_says_what_it_is(text: str) -> None:
    found = read_period(text)
    assert found is not None and found.gap and found.month == 0


@pytest.mark.parametrize("text", NOTHING)
def test_what_names_no_period(text: str) -> None:
    assert read_period(text) is None


def test_each_month_in_each_language() -> None:
    for month, names in MONTHS.items():
        for name in names.split():
            assert read_period(f"{name} 2013") == Period(2013, month), name
            assert read_month(name.upper()) == month, name


@pytest.mark.parametrize(
    ("text", "month"),
    [("7", 7), ("07", 7), ("7.0", 7), ("July", 7), ("7月", 7), ("M07", 7), ("52", 0), ("52.0", 0),
     ("All", 0), ("", 0), ("13", None), ("Q1", None), ("Jan-Mar", None), ("2016", None)],
)  # fmt: skip
def test_columns_of_months(text: str, month: int | None) -> None:
    assert read_month(text) == month


def test_dates_are_read_by_the_order_that_their_column_shows() -> None:
    american = [f"{month}/1/2016" for month in range(1, 13)]
    european = [f"01.{month:02d}.2016" for month in range(1, 13)]
    dotted = ["2016.08", "2016.09", "2016.1", "2016.11"]
    for column, months in ((american, range(1, 13)), (european, range(1, 13)),
                           (dotted, (8, 9, 10, 11)), (["2016.10", "2016.1"], (10, 1))):  # fmt: skip
        assert [read_period(cell) for cell in settled(column)] == [Period(2016, m) for m in months]
    assert settled(["03/04/2016", "05/04/2016"]) == ["03/04/2016", "05/04/2016"]


@pytest.mark.parametrize(
    ("cells", "period", "reason"),
    [
        ({"year": "2016"}, Period(2016), ""),
        ({"year": "2016", "month": "6"}, Period(2016, 6), ""),
        ({"year": "2016", "often": "Monthly", "month": "June"}, Period(2016, 6), ""),
        ({"year": "2016", "often": "A", "month": "52"}, Period(2016), ""),
        ({"year": "201606", "often": "M"}, Period(2016, 6), ""),
        ({"year": "2016", "period": "201606"}, Period(2016, 6), ""),
        ({"year": "2016", "often": "M"}, None, "year is not complete"),
        ({"year": "201606", "often": "Annual"}, None, "year is not complete"),
        ({"year": "2016", "often": "Quarterly"}, None, "year is not complete"),
        ({"year": "2016", "often": "FY"}, None, "year is not complete"),
        ({"year": "2016", "quarter": "1"}, None, "year is not complete"),
        ({"year": "2016", "period": "Q1 2016"}, None, "year is not complete"),
        ({"year": "2016", "often": "often"}, None, "frequency is not known"),
        ({"year": "2016", "month": "Jan-Mar"}, None, "month is not known"),
        ({"year": "2016", "period": "201706"}, None, "columns name different periods"),
        ({"year": "201606", "month": "7"}, None, "columns name different months"),
        ({"year": "soon"}, None, "no year"),
        ({}, None, "no year"),
    ],
)
def test_columns_of_a_period_must_agree(
    cells: dict[str, str], period: Period | None, reason: str
) -> None:
    line = Line(cells)
    found = line.period(("year", "period"), ("month",), "often")
    if period is not None:
        assert (found, line.problem) == (period, None)
    else:
        assert line.problem is not None and line.problem.reason.startswith(reason)


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "separator", "numbers"),
    [
        (["0,125", "256.600", "1.234,5"], ";", [0.125, 256600, 1234.5]),
        (["0.125", "256,600", "1,234.5"], ";", [0.125, 256600, 1234.5]),
        (["1.234.567", "12"], ",", [1234567, 12]),
        (["0,5", "1e3"], "\t", [0.5, 1000]),
        (["256.600", "12"], ",", [256.6, 12]),
        (["256,600"], "", [256600]),
        (["12", "7"], ";", [12, 7]),
    ],
)
def test_a_column_of_numbers_is_read_by_one_rule(
    cells: list[str], separator: str, numbers: list[float]
) -> None:
    how = notations({"weight": cells}, separator)["weight"]
    assert [read_number(cell, how) for cell in cells] == numbers


def test_a_column_that_is_not_clear_is_read_as_the_others_are_or_not_at_all() -> None:
    told = notations({"weight": ["256.600"], "value": ["0,5"]}, ";")
    assert set(told.values()) == {Notation.COMMA}
    assert notations({"weight": ["256.600"]}, ";")["weight"] is Notation.UNCLEAR
    assert notations({"weight": ["0,5", "0.5"]}, ",")["weight"] is Notation.MIXED
    for how in (Notation.UNCLEAR, Notation.MIXED):
        line = Line({"weight": "12"}, 1, {"weight": how})
        assert line.number("weight") is None
        assert line.problem is not None and line.problem.reason.startswith("numbers of the column")


@settings(max_examples=60)
@given(
    numbers=st.lists(st.integers(0, 10**9), min_size=1, max_size=8),
    decimals=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    comma=st.booleans(),
    thousands=st.booleans(),
)
def test_no_number_is_read_as_another(
    numbers: list[int], decimals: list[int], comma: bool, thousands: bool
) -> None:
    """Whatever way a spreadsheet writes a column, its cells come back as they were."""
    values = [*map(float, numbers), *(number + 0.5 for number in decimals)]
    cells = [f"{value:,.1f}" if thousands else f"{value:.1f}" for value in values]
    cells += [f"{number:,}" if thousands else f"{number}" for number in numbers]
    if comma:
        cells = [cell.translate(str.maketrans(",.", ".,")) for cell in cells]
    how = notations({"weight": cells}, ";" if comma else ",")["weight"]
    assert [read_number(cell, how) for cell in cells] == [*values, *map(float, numbers)]


# --- codes, flows, flags, units -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [("280530", "280530"), ("280530.0", "280530"), ("2805.30", "280530"), ("2805.3", "280530"),
     ("2846.90.20.05", "2846902005"), ("284690210", "284690210"), ("'284690210'", "284690210"),
     ("28469020104", "28469020104"), ("101210010", "0101210010"), ("10121", "010121"),
     ("280530 - Rare-earth metals", "280530"), ("TOTAL", "TOTAL"), ("2846,0", "2846"),
     ("2.8469E+09", ""), ("28461", ""), ("2846XX", ""), ("2846 902", ""), ("二八四六", "")],
)  # fmt: skip
def test_codes(text: str, code: str) -> None:
    assert read_code(text) == code


@pytest.mark.parametrize(
    ("flow", "words"),
    [("export", "X x 2 2.0 E Exports EXPORT export Exp 出口 Exportación Ausfuhr Dispatches"),
     ("import", "M 1 1.0 I Imports IMPORT imp 进口 Importations Einfuhr Arrivals"),
     ("part", "RX RM DX 3 4.0 Re-export Re-imports reexports MIP"),
     ("", "net both 5 Trade Xx")],
)  # fmt: skip
def test_flows(flow: str, words: str) -> None:
    assert {read_flow(word) for word in words.split()} == {flow}


def test_flags_and_what_is_withheld() -> None:
    for text in ("True", "TRUE", "1", "1.0", "Yes", "y", "是", "Vrai", "estimated"):
        assert Line({"flag": text}).truth("flag")
    for text in ("", "False", "0", "0.0", "No", "nan", "否"):
        assert not Line({"flag": text}).truth("flag")
    line = Line({"flag": "perhaps", "weight": "(S)"})
    line.truth("flag")
    assert line.problem is not None and line.problem.reason == "flag is not known"
    assert line.number("weight") is None and line.withheld


@pytest.mark.parametrize(
    ("unit", "kilograms"),
    [("KG", 2), ("kgs.", 2), ("ＫＧ", 2), ("公斤", 2), ("Kilogramme", 2), ("公吨", 2000),
     ("MT", 2000), ("g", 0.002), ("100 KG", 200), ("pounds", 0.90718474),
     ("component kilograms", None), ("No.", None), ("千个", None)],
)  # fmt: skip
def test_units(unit: str, kilograms: float | None) -> None:
    assert Line({"Quantity": "2"}).weight("Quantity", unit) == kilograms


# --- areas --------------------------------------------------------------------------------------

CHINA = ["PRC", "P.R.C.", "P.R. China", "PR China", "China (mainland)", "Mainland China", "CN",
         "China, mainland", "CHINA", "CHN", "156", "156.0", "0156", "People's Republic of China",
         "People’s Republic of China", "Peoples Republic of China", "China, People's Rep. of",
         "The People's Republic of China", "China, P.R.: Mainland", "中国", "中华人民共和国",
         "Chine", "China  (Mainland)"]  # fmt: skip
AMERICA = ["U.S.", "U.S.A.", "USA", "US", "u.s", "America", "United States", "UNITED STATES",
           "United States of America", "United States (USA)", "the United States", "842", "842.0",
           "840", "美国", "United States of America (the)", "Etats-Unis", "États-Unis", "EE.UU.",
           "USA, Puerto Rico and US Virgin Islands", "Vereinigte Staaten"]  # fmt: skip
ABROAD = ["Hong Kong, China", "China, Hong Kong SAR", "Taiwan, China", "Macao, China", "Japan",
          "Other Asia, nes", "Korea, Rep.", "United Kingdom", "United Arab Emirates",
          "South Africa", "Central African Rep.", "392", "392.0", "036", "American Samoa",
          "Viet Nam", "缅甸", "North Macedonia", "St. Kitts and Nevis"]  # fmt: skip
GROUPS = ["Asia", "East Asia & Pacific", "Rest of the world", "Rest of World", "Others", "Other",
          "Other countries", "EU-27 (excludes UK)", "European Union - 27 Countries", "ASEAN",
          "European Union (27)", "EU28", "North America", "Middle East", "OECD", "G7", "BRICS",
          "Latin America & Caribbean", "Sub-Saharan Africa", "Extra-EU27", "Developing economies",
          "Low & middle income", "Total EU", "World excluding China", "东盟", "其他国家",
          "Americas", "Southeast Asia", "CIS"]  # fmt: skip
TOTALS = ["World", "WORLD", "W00", "0", "0.0", "Grand total", "Total", "Total all countries",
          "All countries", "Total, all partners", "The World", "全球", "合计", "Monde"]  # fmt: skip
UNKNOWN = ["Unknown", "Unspecified", "Not specified", "Not allocated", "Confidential", "Asia, nes",
           "Secret countries", "Confidential trade", "Areas, nes", "Areas n.e.s.", "Bunkers", "899",
           "Areas not elsewhere specified", "Free zones", "国别(地区)不详", "Europe, n.e.s.",
           "Withheld", "Stores and provisions"]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "role", "area"),
    [(CHINA, "area", "China"), (AMERICA, "area", "United States"), (ABROAD, "area", ""),
     (GROUPS, "group", ""), (TOTALS, "total", ""), (UNKNOWN, "unknown", "")],
    ids=["China", "United States", "abroad", "groups", "totals", "unknown"],
)  # fmt: skip
def test_names_of_areas(names: list[str], role: str, area: str) -> None:
    for name in names:
        found = AREA_TABLE.find((name,))
        assert found is not None and found.role == role, name
        if area:
            assert found.area == area, name
        elif role == "area":
            assert (found.region, found.listed) == ("RW", True), name


def test_no_listed_country_has_a_name_that_is_taken_for_a_group() -> None:
    from reebayes.customs.areanames import vague_role

    text = (BUNDLED / AREAS).read_text("utf-8")
    assert vague_role("Atlantis") == ""
    assert AREA_TABLE.find(("Atlantis",)).listed is False  # type: ignore[union-attr]
    assert len(text.splitlines()) > 240
    assert area_key("CÔTE D’IVOIRE") == area_key("Cote d'Ivoire")


# --- prices -------------------------------------------------------------------------------------


def test_prices_span_what_a_code_may_hold() -> None:
    prices = read_prices(BUNDLED / PRICES)
    low, high = prices.span((), 2022)
    assert low < 2 < 1000 < high
    assert prices.span(("Nd",), 2022) == (134, 134)
    assert prices.span((), 2005) == (prices.span((), 1990))  # no price: those of all years
    assert prices.span(("Xx",), 2022) == (0.0, float("inf"))


def test_faults_of_prices_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / PRICES
    path.write_text("element,year,usd_per_kg\nNd,2016,0\nNd,2016,4\nDy,,5\n", "utf-8")
    with pytest.raises(StudyError) as raised:
        read_prices(path)
    assert {fault.column for fault in raised.value.faults} >= {"usd_per_kg", "year"}
