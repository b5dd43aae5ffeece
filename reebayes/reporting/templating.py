"""The templates of pages, in which text from tables stays text."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reebayes.reporting.glossary import term
from reebayes.wording import minus_signs

_NO_END_NEEDED = re.compile(r"</t[dh]>\s*(?=</?t[dhr][ >])|</tr>\s*(?=<tr[ >]|</t(?:head|body)>)")


def endless(section: Markup) -> Markup:
    """Return a section without the ends of cells and rows, which HTML does not ask for.

    They would be a tenth of a page, most of which is tables. No text of a study looks like one.
    """
    return Markup(_NO_END_NEEDED.sub("", section))


def printed(value: object) -> object:
    """Return what an expression of a template writes: its numbers with minus signs, not hyphens.

    Markup and addresses of pictures stay as they are.
    """
    if isinstance(value, Markup) or not isinstance(value, str) or value.startswith("data:"):
        return value
    return minus_signs(value)


def environment() -> Environment:
    """Return where templates are found and how they are filled in."""
    found = Environment(
        loader=PackageLoader("reebayes.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printed,
    )
    found.globals["term"] = term
    found.filters["endless"] = endless
    return found
