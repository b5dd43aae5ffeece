"""The templates of pages, in which text from tables stays text."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from reebayes.reporting.glossary import term


def environment() -> Environment:
    """Return where templates are found and how they are filled in."""
    found = Environment(
        loader=PackageLoader("reebayes.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["term"] = term
    return found
