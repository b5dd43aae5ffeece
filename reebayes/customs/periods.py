"""What period a figure is of: a whole calendar year, a month, or something that is neither."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

MONTHS: Mapping[int, str] = {
    1: "january jan janvier janv enero ene janeiro januar gennaio gen",
    2: "february feb février fevrier févr fevr fév febrero fevereiro fev februar febbraio",
    3: "march mar mars marzo março marco märz maerz mrz",
    4: "april apr avril avr abril abr aprile",
    5: "may mai mayo maio maggio mag",
    6: "june jun juin junio junho juni giugno giu",
    7: "july jul juillet juil julio julho juli luglio lug",
    8: "august aug août aout agosto ago",
    9: "september sep sept septembre septiembre setembro set settembre",
    10: "october oct octobre octubre outubro out oktober okt ottobre ott",
    11: "november nov novembre noviembre novembro",
    12: "december dec décembre decembre déc diciembre dic dezembro dez dezember dicembre",
}
"""Names of the months in the languages of the sites, in lower case."""

_NUMBERS = {name: number for number, names in MONTHS.items() for name in names.split()}
_NAMES = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_NAMED = re.compile(rf"(?<![^\W\d_])({_NAMES})\.?(?![^\W\d_])")

YEARLY, MONTHLY = "year", "month"
FREQUENCIES: Mapping[str, str] = {
    **dict.fromkeys(
        ("a", "an", "annual", "annually", "annuel", "anual", "y", "yr", "year", "yearly", "p1y",
         "jährlich", "年", "年报", "calendar year", "cy"), YEARLY),
    **dict.fromkeys(
        ("m", "month", "monthly", "mensuel", "mensual", "mensal", "monatlich", "p1m", "月", "月度",
         "月报"), MONTHLY),
    **dict.fromkeys(("q", "quarter", "quarterly", "trimestral", "trimestriel", "p3m", "季", "季度"),
                    "a quarter"),
    **dict.fromkeys(("s", "h", "half", "half-year", "semester", "semi-annual", "half-yearly",
                     "biannual", "半年"), "half a year"),
    **dict.fromkeys(("fy", "fiscal", "fiscal year", "financial year", "marketing year", "年度"),
                    "a fiscal year"),
    **dict.fromkeys(("ytd", "year to date", "year-to-date", "cumulative", "cumulated", "累计"),
                    "the year to date"),
    **dict.fromkeys(("w", "week", "weekly"), "a week"),
    **dict.fromkeys(("d", "day", "daily"), "a day"),
}  # fmt: skip
"""Words for how often a table is made, in lower case, and what one of its figures is of."""

WHOLE = frozenset({"", "0", "00", "52", "all", "total", "annual", "year", "全年", "合计"})
"""What stands in a column of months for the whole year; Comtrade writes 52."""

_PARTS = (
    (r"\bfy|fiscal|financial year|marketing year|crop year|年度|财年|財年", "a fiscal year"),
    (r"(?<![a-z])[qt] ?[1-4](?!\d)|(?<!\d)[1-4] ?q|quarter|trimest|季", "a quarter"),
    (r"(?<![a-z])[hs] ?[12](?!\d)|(?<!\d)[12] ?h(?![a-z])|half|semest|半年", "half a year"),
    (r"(?<![a-z])w ?\d{1,2}(?!\d)|week|周|週", "a week"),
    (r"to date|ytd|cumul|累|迄今", "the year to date"),
)
"""Words for parts of a year, and for years that do not begin in January."""

_Y = r"(?:19|20)\d{2}"
_POINT = rf"{_Y}(?:[-./]?(?:0?[1-9]|1[0-2])(?:[-./]?(?:[0-2]?[0-9]|3[01]))?)?"


@dataclass(frozen=True, slots=True)
class Period:
    """A year, with a month of 1 to 12 or 0 for the whole of it; ``gap`` says if it is neither."""

    year: int
    month: int = 0
    gap: str = ""


@lru_cache(maxsize=10_000)
def read_period(text: str) -> Period | None:
    """Return the period that a cell names; None if it names none."""
    plain = _plain(text)
    if re.fullmatch(_Y, plain):
        return Period(int(plain))
    found = next(filter(None, (reader(plain) for reader in (_numeric, _span, _named))), None)
    if found and not found.month:
        return found
    # The month to which figures of a year have been cumulated is not the month they are of.
    return _part(plain) or found


@lru_cache(maxsize=1_000)
def read_month(text: str) -> int | None:
    """Return the month that a cell names, 0 for the whole year; None if it names none."""
    plain = _plain(text)
    if plain in WHOLE:
        return 0
    marks = re.findall(r"@(\d\d)", plain)
    if len(marks) == 1 and not re.sub(r"@\d\d|[\s.日]", "", plain):
        return int(marks[0])
    number = re.fullmatch(r"0?([1-9]|1[0-2])", plain)
    return int(number[1]) if number else None


def settled(cells: Sequence[str]) -> list[str]:
    """Write dates of a column in one order, where the column tells what a single cell does not.

    ``1/7/2019`` is a day of July or of January, and a spreadsheet writes ``2019.10`` as ``2019.1``.
    """
    return _in_order(_with_zeros(cells))


def _with_zeros(cells: Sequence[str]) -> list[str]:
    if any(re.fullmatch(rf"{_Y}\.0[1-9]", cell) for cell in cells):
        return [f"{c}0" if re.fullmatch(rf"{_Y}\.1", c) else c for c in cells]
    if any(re.fullmatch(rf"{_Y}\.10", cell) for cell in cells):
        return [f"{c[:5]}01" if re.fullmatch(rf"{_Y}\.1", c) else c for c in cells]
    return list(cells)


def _in_order(cells: Sequence[str]) -> list[str]:
    pattern = re.compile(rf"(\d{{1,2}})[-./](\d{{1,2}})[-./]({_Y})(?:\D.*)?")
    dates = [pattern.fullmatch(cell) for cell in cells]
    firsts = {int(date[1]) for date in dates if date}
    seconds = {int(date[2]) for date in dates if date}
    if max(firsts, default=0) > 12 or (firsts == {1} and len(seconds) > 1):
        month = 2
    elif max(seconds, default=0) > 12 or (seconds == {1} and len(firsts) > 1):
        month = 1
    else:
        return list(cells)
    return [f"{date[3]}-{date[month]}" if date else c for date, c in zip(dates, cells, strict=True)]


def _plain(text: str) -> str:
    """Return the text in lower case with one kind of dash, months as ``@07`` and years bare."""
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    plain = re.sub(r"^(\d+)[.,]0+$", r"\1", plain)
    plain = re.sub(
        r"(?<=\d)[t ]\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[ap]m)?(z|[+-]\d\d:?\d\d)?$", "", plain
    )
    plain = re.sub(r"[‐-―−~〜至到]|\b(to|through|until|bis|au|al)\b(?! date)", "-", plain)
    plain = re.sub(r"\s*-\s*", "-", plain)
    plain = _NAMED.sub(lambda found: f"@{_NUMBERS[found[1]]:02d}", plain)
    plain = re.sub(r"(\d{1,2})月份?", lambda found: f"@{int(found[1]):02d}", plain)
    plain = re.sub(r"(?<![a-z])m ?(0?[1-9]|1[0-2])(?!\d)", lambda m: f"@{int(m[1]):02d}", plain)
    plain = re.sub(rf"({_Y})年度", r"\1 fiscal", plain)
    plain = re.sub(rf"({_Y})年(?=[\d@])", r"\1-", plain)
    plain = re.sub(rf"({_Y})年(全年)?$", r"\1", plain)
    plain = re.sub(
        rf"^(calendar year|year|annual|cy|an|año|année|jahr|a)[ :]*({_Y})$", r"\2", plain
    )
    return re.sub(rf"^({_Y})[- ]?(a|annual|cy|calendar year)$", r"\1", plain)


def _numeric(plain: str) -> Period | None:
    """Read a period in digits: 201907, 2019-07, 2019/7/1, 07/2019, 2019-20."""
    if found := re.fullmatch(rf"({_Y})(0[1-9]|1[0-2])([0-2]\d|3[01])?", plain):
        return Period(int(found[1]), int(found[2]))
    if found := re.fullmatch(rf"({_Y})[-/](\d{{1,2}})", plain):
        return _year_and(int(found[1]), int(found[2]))
    if found := re.fullmatch(rf"({_Y})[. ](\d\d|[2-9])", plain):
        return _month_of(int(found[1]), int(found[2]))
    if found := re.fullmatch(rf"({_Y})([-./])(\d{{1,2}})\2\d{{1,2}}", plain):
        return _month_of(int(found[1]), int(found[3]))
    if found := re.fullmatch(rf"(\d{{1,2}})[-./ ]({_Y})", plain):
        return _month_of(int(found[2]), int(found[1]))
    if found := re.fullmatch(rf"(\d{{1,2}})[-./](\d{{1,2}})[-./]({_Y})", plain):
        return _day_and_month(int(found[3]), int(found[1]), int(found[2]))
    return None


def _year_and(year: int, rest: int) -> Period | None:
    if rest > 12 and rest == (year + 1) % 100:
        return Period(year, gap="a fiscal year")
    return _month_of(year, rest)


def _month_of(year: int, month: int) -> Period | None:
    return Period(year, month) if 1 <= month <= 12 else None


def _day_and_month(year: int, one: int, other: int) -> Period | None:
    if one == other or one > 12:
        return _month_of(year, other)
    if other > 12:
        return _month_of(year, one)
    return Period(year, gap="a day of which it is not clear what is the month")


def _span(plain: str) -> Period | None:
    """Read from one period to another: 201901-201903, 2019.01-12, 2018-2022."""
    if found := re.fullmatch(rf"({_Y})[./](\d{{1,2}})-(\d{{1,2}})", plain):
        return _between(Period(int(found[1]), int(found[2])), Period(int(found[1]), int(found[3])))
    if found := re.match(rf"({_Y})-(\d{{1,2}})-@(\d\d)", plain):
        return _between(Period(int(found[1]), int(found[2])), Period(int(found[1]), int(found[3])))
    if found := re.fullmatch(rf"({_POINT})[-/_]({_POINT})", plain):
        ends = [_ends(part) for part in found.groups()]
        return _between(*ends)
    return None


def _ends(text: str) -> Period | None:
    return Period(int(text)) if re.fullmatch(_Y, text) else _numeric(text)


def _between(first: Period | None, last: Period | None) -> Period | None:
    if first is None or last is None:
        return None
    if first.year != last.year:
        return Period(first.year, gap="more than one year")
    if (first.month, last.month) in ((0, 0), (1, 12)):
        return Period(first.year)
    if first.month == last.month:
        return first
    return Period(first.year, gap=f"months {first.month} to {last.month}")


def _named(plain: str) -> Period | None:
    """Read months by their names: jul-19, 1 july 2019, january-march 2019, 2019-m07."""
    months = [int(mark) for mark in re.findall(r"@(\d\d)", plain)]
    rest = re.sub(r"@\d\d", " ", plain)
    years = [int(year) for year in re.findall(rf"(?<!\d){_Y}(?!\d)", rest)]
    if not years and (short := re.fullmatch(r"(?:\d{1,2}[-/. ])?@\d\d[-'’/., ]*(\d\d)", plain)):
        years = [2000 + int(short[1]) - (100 if int(short[1]) > 69 else 0)]
    if not years or not 1 <= len(months) <= 2 or len(years) > 2:
        return None
    return _between(Period(years[0], months[0]), Period(years[-1], months[-1]))


def _part(plain: str) -> Period | None:
    """Read a part of a year, or a year that is not the calendar's, from a word for it."""
    year = re.search(rf"(?<!\d){_Y}", plain)
    for words, gap in _PARTS:
        if re.search(words, plain):
            return Period(int(year[0]) if year else 0, gap=gap)
    return None


def joined(first: Period, others: Iterable[Period]) -> Period | None:
    """Return what several columns say of one period; None if they contradict one another.

    The first names the year; a month or a part of a year that another names must be of that year.
    """
    found = first
    for other in others:
        if not (other.month or other.gap):
            continue
        if other.year not in (0, first.year) or (
            found.month and other.month not in (0, found.month)
        ):
            return None
        month = found.month or other.month
        found = Period(first.year, month, found.gap or other.gap)
    return found
