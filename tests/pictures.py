"""Pictures of a page, read as a browser reads them."""

import re
from urllib.parse import unquote

ADDRESS = "data:image/svg+xml,"


def outside_pictures(page: str) -> str:
    """Return a page without what its images hold."""
    return re.sub(r'<img src="[^"]*"', "", page)


def picture_in(address: str) -> str:
    """Return the SVG document that a data address holds."""
    assert address.startswith(ADDRESS), address[:60]
    return unquote(address.removeprefix(ADDRESS), errors="strict")


def pictures_in(page: str) -> list[str]:
    """Return the SVG documents of all images of a page."""
    return [picture_in(address) for address in re.findall(r'<img src="([^"]*)"', page)]
