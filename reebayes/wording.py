"""Words shared by the messages: the nearest name, lists of years, quoted values."""

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches

from reebayes.conventions import PER_YEAR


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the valid name most like `name`, or None if none is alike."""
    known = {other.casefold(): other for other in names}
    found = get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None


def suggestion(name: str, names: Iterable[str], *, show: int = 6) -> str:
    """Return a sentence that names the nearest valid name, or lists the choices."""
    choices = list(names)
    match = nearest(name, choices)
    if match is not None:
        return f"Did you mean {match!r}?"
    if not choices:
        return ""
    more = f" and {len(choices) - show} more" if len(choices) > show else ""
    return f"Valid: {', '.join(choices[:show])}{more}."


def spans_text(spans: Iterable[tuple[int, int]]) -> str:
    """Write periods as the tables do: ``2000-2002;2012``."""
    return ";".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def years_text(years: Iterable[int]) -> str:
    """Write years as periods: 2000, 2001, 2005 becomes ``2000-2001;2005``."""
    spans: list[tuple[int, int]] = []
    for year in sorted(set(years)):
        if spans and spans[-1][1] == year - 1:
            spans[-1] = (spans[-1][0], year)
        else:
            spans.append((year, year))
    return spans_text(spans)


def rank_text(first: float, last: float) -> str:
    """Return the places that a row can have, such as ``2–9``; empty where it has none."""
    if not math.isfinite(first):
        return ""
    return f"{first:.0f}" if first == last else f"{first:.0f}–{last:.0f}"


def quoted(value: str, *, limit: int = 60) -> str:
    """Quote a value for a message: control characters escaped, long text cut."""
    return repr(value if len(value) <= limit else value[: limit - 3] + "...")


def without_per_year(unit: str) -> str:
    """Return the unit of a sum over years: ``"kt REO/yr"`` becomes ``"kt REO"``."""
    return unit.removesuffix(PER_YEAR).strip()


def format_value(value: float) -> str:
    """Write a number with three significant digits and no exponent."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) < 0.0005:
        return "<0.001" if value > 0 else ">-0.001"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 3)}f}"


def format_beside(value: float, bound: float) -> str:
    """Write a figure with as many digits as tell it from its bound, four at least."""
    digits = 4
    while digits < 17 and value != bound and float(f"{value:.{digits}g}") == bound:
        digits += 1
    return f"{value:.{digits}g}"


def install_line(extra: str) -> str:
    """Write what installs an extra: the package is installed from its clone."""
    return f"pip install '.[{extra}]'"


def minus_signs(text: str) -> str:
    """Write hyphens before numbers as minus signs, as print has them."""
    return re.sub(r"(?<![^\s(~>])-(?=\d)", "\u2212", text)


def format_band(median: float, lower: float, upper: float) -> str:
    """Write a median with its band: ``"12.3 (8.1 to 17.9)"``."""
    return f"{format_value(median)} ({format_value(lower)} to {format_value(upper)})"


def format_interval(median: float, lower: float, upper: float) -> str:
    """Write a median with its band as print has it: ``"845 (598\u20131,174)"``, by an en dash.

    Where an end is negative it is ``"\u22120.2 (\u22121.9 to 2.2)"``, with minus signs.
    """
    signed = min(median, lower, upper) < 0
    texts = [minus_signs(format_value(value)) for value in (median, lower, upper)]
    return f"{texts[0]} ({texts[1]}{' to ' if signed else chr(0x2013)}{texts[2]})"


def format_share(share: float | None, *, digits: int = 0) -> str:
    """Write a share in per cent with so many digits, such as ``"12 %"``; a dash if none."""
    if share is None or not math.isfinite(share):
        return "–"
    text = f"{100 * share:.{digits}f}"
    return f"{text.lstrip('-') if float(text) == 0 else text.replace('-', chr(0x2212))} %"


def format_chance(share: float) -> str:
    """Write a share of draws in per cent; no finite number of them shows that it is certain."""
    if share < 0.01:
        return "<1 %"
    return ">99 %" if share > 0.99 else format_share(share)


def listed(names: Iterable[str]) -> str:
    """Join names for a sentence: ``"a"``, ``"a and b"``, ``"a, b and c"``."""
    *head, last = list(names) or [""]
    return f"{', '.join(head)} and {last}" if head else last


def author_of(citation: str) -> str:
    """Return who wrote what a citation names, in a few words: ``"Zhou et al."``, ``"Roskill"``.

    The first author, without initials; or the house, up to what it published.
    """
    head = re.split(r"[:(\d]| in ", citation, maxsplit=1)[0]
    first, _, rest = head.partition(",")
    name = re.sub(r"( [A-Z]\.)+([A-Z]\.)*$", "", first.strip())
    person = re.match(r" *[A-Z][\w'-]+( [A-Z]\.[A-Z.]*)?(,| +$|$)", rest)
    return f"{name} et al." if person and rest.strip() else name
