"""Vector pictures as small as they can be without looking other than they did."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import Markup

from reebayes.figures.lettering import FONTS

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ADDRESS = "data:image/svg+xml,"
DIGITS = 1  # of lengths behind the point: a tenth of a point is not seen at twice the size

_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_USED = re.compile(r"(url\(#|^#)([^)\"']+)")
_REFERRING = ("clip-path", f"{{{LINK}}}href", "mask", "style")
_STEP = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_SIZES = ("d", "x", "y", "width", "height", "transform", "points", "viewBox", "cx", "cy", "r")
_FAMILY = re.compile(r"font-family: [^;]*;? ?")
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
        that say nothing, the fonts once, lengths to a tenth of a point.
    """
    root = ElementTree.fromstring(text)
    for name in root.findall(f"{{{SVG}}}metadata"):
        root.remove(name)
    used = dict.fromkeys(name for element in root.iter() for name in _named(element))
    short = {name: f"i{number}" for number, name in enumerate(used)}
    for element in root.iter():
        _shorten(element, short)
    _unwrap(root)
    style = root.find(f".//{{{SVG}}}style")
    if style is not None:
        style.text = f"*{{stroke-linejoin:round;stroke-linecap:butt}}text{{font-family:{FONTS}}}"
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


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
    if element.tag == f"{{{SVG}}}text" and _NO_TURN.fullmatch(element.get("transform", "")):
        del element.attrib["transform"]
    if "style" in element.attrib:
        words = _FAMILY.sub("", element.get("style", "")).strip().rstrip(";")
        element.set("style", words.replace("; ", ";").replace(": ", ":"))
    if element.tag not in (f"{{{SVG}}}text", f"{{{SVG}}}tspan", f"{{{SVG}}}style"):
        element.text = None
    if element.tag != f"{{{SVG}}}tspan":
        element.tail = None


def _outline(text: str) -> str:
    """Write an outline without blanks and letters that need not be; a line may follow any point."""
    written, last = "", ""
    for letter, numbers in _STEP.findall(text):
        written += (" " if letter == last else letter) + numbers.strip().replace(" -", "-")
        last = "L" if letter == "M" else letter
    return written.replace(" -", "-")


def _rounded(found: re.Match[str]) -> str:
    text = f"{float(found[0]):.{DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _unwrap(parent: Element) -> None:
    """Put what stands in a group that says nothing in its place, and styles in common above."""
    for child in list(parent):
        _unwrap(child)
        if child.tag != f"{{{SVG}}}g":
            continue
        styles = {one.get("style") for one in child}
        if {one.tag for one in child} == {f"{{{SVG}}}use"} and len(child) > 1 and len(styles) == 1:
            child.set("style", styles.pop() or "")
            for one in child:
                one.attrib.pop("style", None)
        if not child.attrib:
            place = list(parent).index(child)
            parent.remove(child)
            for number, one in enumerate(child):
                parent.insert(place + number, one)
