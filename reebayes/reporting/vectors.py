"""Vector pictures as small as they can be without looking other than they did."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from string import ascii_lowercase
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import Markup

from reebayes.figures.lettering import FONTS

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ADDRESS = "data:image/svg+xml,"
DIGITS = 1  # of lengths behind the point: a tenth of a point is not seen at twice the size
MANY = 3  # marks from which on they are told as the corners of one line; one end of two is twice

_PATH, _USE, _TEXT, _GROUP, _DEFS, _STYLE = (
    f"{{{SVG}}}{name}" for name in ("path", "use", "text", "g", "defs", "style")
)
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_USED = re.compile(r"(url\(#|^#)([^)\"']+)")
_REFERRING = ("clip-path", f"{{{LINK}}}href", "mask", "style")
_STEP = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_LAST = re.compile(r"[\d.]*$")  # the number at the end, if there is one
_KNOWN_STEPS = frozenset("MLQCz")
_SIZES = ("x", "y", "width", "height", "transform", "points", "viewBox", "cx", "cy", "r")
_FAMILY = re.compile(r"font-family: [^;]*;? ?")
_COLOUR = re.compile(r"#([0-9a-f])\1([0-9a-f])\2([0-9a-f])\3\b")
_TAG = re.compile(r"<[^>]*>")
_MARKS = re.compile(r"[%#&\"\x00-\x20\x7f]")
_NO_TURN = re.compile(r"rotate\(-?0 [^)]*\)")


def slimmed(text: str) -> str:
    """Return an SVG document that matplotlib wrote, without what draws nothing.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        One line: no metadata, no names that nobody refers to and short ones for others, no groups
        that say nothing, every style and mark once, marks in a row as the corners of one line,
        lengths to a tenth of a point, outlines in steps.
    """
    root = ElementTree.fromstring(text)
    for name in root.findall(f"{{{SVG}}}metadata"):
        root.remove(name)
    root.attrib.pop("version", None)
    used = dict.fromkeys(name for element in root.iter() for name in _named(element))
    short = {name: f"i{number}" for number, name in enumerate(used)}
    for element in root.iter():
        _shorten(element, short)
    _unwrap(root)
    shared, style = Element(_DEFS), Element(_STYLE)
    _draw_marks(root, shared, _taken_marks(root))
    for parent in list(root.iter()):
        _clip_together(parent)
    root.insert(0, shared)
    # said of the whole, so that a mark inherits from each use of it what that says itself
    style.text = f"svg{{stroke-linejoin:round}}text{{font-family:{FONTS}}}{_classes(root)}"
    shared.insert(0, style)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def address_of(picture: str) -> Markup:
    """Write a picture as a data address, for an attribute in double quotation marks.

    Parameters
    ----------
    picture : str
        An SVG document as `slimmed` returns it.

    Returns
    -------
    Markup
        The picture as text, a quarter shorter than in base64. What ends an attribute, an address
        or a reference of HTML is written as percent signs and digits.
    """
    # no bare bracket stands within a tag, and a mark of either kind may enclose a value
    quoted = _TAG.sub(lambda tag: tag[0].replace("'", "&#39;").replace('"', "'"), picture)
    return Markup(ADDRESS + _MARKS.sub(_percent, quoted))


def _percent(found: re.Match[str]) -> str:
    return " " if found[0] == " " else f"%{ord(found[0]):02X}"


# --- each element by itself -----------------------------------------------------------------------


def _named(element: Element) -> Iterator[str]:
    """Names of others that an element refers to."""
    for key, value in element.attrib.items():
        if key in _REFERRING:
            yield from (name for _, name in _USED.findall(value))


def _shorten(element: Element, short: Mapping[str, str]) -> None:
    name = element.attrib.pop("id", None)
    if name is not None and name in short:
        element.set("id", short[name])
    for key in _REFERRING:
        if key in element.attrib:
            found = _USED.sub(lambda one: one[1] + short[one[2]], element.attrib.pop(key))
            element.set("href" if key.endswith("href") else key, found)
    for name in _SIZES:
        if name in element.attrib:
            element.set(name, " ".join(_NUMBER.sub(_rounded, element.get(name, "")).split()))
    if "d" in element.attrib:
        element.set("d", _outline(element.get("d", "")))
    if element.tag == _TEXT and _NO_TURN.fullmatch(element.get("transform", "")):
        del element.attrib["transform"]
    if "style" in element.attrib:
        words = _COLOUR.sub(r"#\1\2\3", _FAMILY.sub("", element.get("style", "")))
        element.set("style", words.strip().rstrip(";").replace("; ", ";").replace(": ", ":"))
    if element.tag not in (_TEXT, f"{{{SVG}}}tspan"):
        element.text = None
    if element.tag != f"{{{SVG}}}tspan":
        element.tail = None


def _rounded(found: re.Match[str]) -> str:
    return _length(round(10**DIGITS * float(found[0])))


def _length(units: int) -> str:
    """Write a length that is given in units of its last digit."""
    text = f"{units / 10**DIGITS:.{DIGITS}f}".rstrip("0").rstrip(".")
    return text.replace("0.", ".", 1) if abs(units) < 10**DIGITS and units else text


# --- outlines -------------------------------------------------------------------------------------


def _outline(text: str) -> str:
    """Write an outline in steps from point to point, which are shorter than places."""
    steps = _STEP.findall(text)
    if {letter for letter, _ in steps} - _KNOWN_STEPS:
        return text
    written, last, here, start = "", "", (0, 0), (0, 0)
    for letter, told in steps:
        points = _points(told)
        if letter == "z":
            written, last, here = written + "z", "z", start
            continue
        way = [points[0]] if letter == "M" else [_less(point, here) for point in points]
        here = points[-1]
        start = here if letter == "M" else start
        sign, numbers = _step(letter, way)
        written = _joined(written, "" if sign == last else sign, map(_length, numbers))
        last = sign
    return written


def _points(text: str) -> list[tuple[int, int]]:
    numbers = [round(10**DIGITS * float(number)) for number in text.split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _less(point: tuple[int, int], here: tuple[int, int]) -> tuple[int, int]:
    return point[0] - here[0], point[1] - here[1]


def _step(letter: str, way: Sequence[tuple[int, int]]) -> tuple[str, list[int]]:
    """Letter and numbers of a step; of a level or an upright line one number."""
    x, y = way[-1]
    if letter == "L" and y == 0:
        return "h", [x]
    if letter == "L" and x == 0:
        return "v", [y]
    numbers = [number for point in way for number in point]
    return letter if letter == "M" else letter.lower(), numbers


def _joined(written: str, sign: str, numbers: Iterator[str]) -> str:
    """Put numbers behind what is written, with a blank only where two would be read as one."""
    written += sign
    for number in numbers:
        before = _LAST.findall(written)[0]
        apart = not before or number[0] == "-" or (number[0] == "." and "." in before)
        written += number if apart else f" {number}"
    return written


# --- groups and marks -----------------------------------------------------------------------------


def _unwrap(parent: Element) -> None:
    """Put what stands in a group that only clips, or says nothing, in its place."""
    for child in list(parent):
        _unwrap(child)
        free = not any({"clip-path", "transform"} & {*one.attrib} for one in child)
        if child.tag != _GROUP or set(child.attrib) - ({"clip-path"} if free else set()):
            continue
        place = list(parent).index(child)
        parent.remove(child)
        for number, one in enumerate(child):
            one.attrib.update(child.attrib)
            parent.insert(place + number, one)


def _taken_marks(root: Element) -> dict[str, Element]:
    """Take the outlines of marks out of a picture, by the names that uses call them."""
    taken: dict[str, Element] = {}
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag != _DEFS:
                continue
            for one in list(child):
                if one.tag == _PATH and "id" in one.attrib:
                    taken[one.attrib["id"]] = one
                if one.tag == _STYLE or one.get("id") in taken:
                    child.remove(one)
            if not len(child):
                parent.remove(child)
    return taken


def _draw_marks(root: Element, shared: Element, marks: Mapping[str, Element]) -> None:
    """Say of each use how it looks, draw runs of many as lines, and share what is left."""
    for use in root.iter(_USE):
        mark = marks[use.get("href", "")[1:]]
        use.set("style", _over(use.get("style", ""), mark.get("style", "")))
    first: dict[str, str] = {}
    for name, mark in marks.items():
        first.setdefault(mark.get("d", ""), name)
    for use in root.iter(_USE):
        use.set("href", f"#{first[marks[use.get('href', '')[1:]].get('d', '')]}")
    markers: dict[tuple[str, str], Element] = {}
    for parent in list(root.iter()):
        _in_lines(parent, markers)
    shared.extend(markers.values())
    called = Counter(use.get("href", "")[1:] for tree in (root, shared) for use in tree.iter(_USE))
    shared.extend(Element(_PATH, {"id": name, "d": outline}) for outline, name in first.items()
                  if called[name])  # fmt: skip


def _over(style: str, above: str) -> str:
    """Write a style with another over it."""
    words = dict(word.split(":", 1) for part in (style, above) for word in part.split(";") if word)
    return ";".join(f"{name}:{word}" for name, word in words.items())


def _in_lines(parent: Element, markers: dict[tuple[str, str], Element]) -> None:
    """Write many neighbours that look alike as one line with a mark at every corner."""

    def alike(one: Element) -> object:
        return (_mark_of(one), one.get("clip-path")) if one.tag == _USE else id(one)

    for _, run in groupby(list(parent), key=alike):
        uses = list(run)
        if len(uses) < MANY or uses[0].tag != _USE:
            continue
        new = _marker(f"m{len(markers)}", *_mark_of(uses[0]))
        name = markers.setdefault(_mark_of(uses[0]), new).get("id")
        corners = "L".join(f"{use.get('x', '0')} {use.get('y', '0')}" for use in uses)
        line = Element(_PATH, {"d": _outline(f"M{corners}")})
        line.set("style", f"fill:none;marker:url(#{name})")
        if "clip-path" in uses[0].attrib:
            line.set("clip-path", uses[0].get("clip-path", ""))
        parent.insert(list(parent).index(uses[0]), line)
        for use in uses:
            parent.remove(use)


def _mark_of(use: Element) -> tuple[str, str]:
    """Which outline a use draws, and how that looks."""
    return use.get("href", ""), use.get("style", "")


def _marker(name: str, href: str, style: str) -> Element:
    """Return what stands at the corners of lines that name it."""
    about = {"id": name, "overflow": "visible", "markerUnits": "userSpaceOnUse"}
    marker = Element(f"{{{SVG}}}marker", about)
    marker.append(Element(_USE, {"href": href, "style": style}))
    return marker


def _clip_together(parent: Element) -> None:
    """Put neighbours that are clipped alike into a group, where a use is among them.

    A use that is clipped by itself takes the clip along to where it stands.
    """
    for clip, run in groupby(list(parent), key=lambda one: one.get("clip-path")):
        some = list(run)
        if clip is None or not any(one.tag == _USE for one in some):
            continue
        group = Element(_GROUP, {"clip-path": clip})
        parent.insert(list(parent).index(some[0]), group)
        for one in some:
            parent.remove(one)
            del one.attrib["clip-path"]
            group.append(one)


def _classes(root: Element) -> str:
    """Say once how elements look that look alike, and return the rules that say it."""
    names: dict[str, str] = {}
    for element in root.iter():
        look = element.attrib.pop("style", "")
        if "clip-path" in element.attrib:
            look = ";".join(filter(None, (look, f"clip-path:{element.attrib.pop('clip-path')}")))
        if look:
            element.set("class", names.setdefault(look, _letters(len(names))))
    return "".join(f".{name}{{{look}}}" for look, name in names.items())


def _letters(number: int) -> str:
    """Return a name of one letter, or of more if those are taken."""
    more, last = divmod(number, len(ascii_lowercase))
    return (_letters(more - 1) if more else "") + ascii_lowercase[last]
