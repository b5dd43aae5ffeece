"""The templates of pages, in which text from tables stays text."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """Return where templates are found and how they are filled in."""
    return Environment(
        loader=PackageLoader("reebayes.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
