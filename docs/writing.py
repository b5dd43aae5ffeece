"""What scripts of these pages write alike: tables of Markdown, bands, and what stands first."""

from collections.abc import Iterable, Sequence

import xarray as xr

import reebayes as rb
from reebayes.results.reading import contents_of
from reebayes.wording import format_band


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Rows as a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def headline(fit: xr.DataTree) -> list[str]:
    """Quantities that the study puts first, each followed by its parts."""
    contents = contents_of(fit)
    return contents.with_parts(contents.headline())


def band(draws: xr.DataArray) -> str:
    """Median and 90 % band of draws (chain, draw)."""
    found = rb.bands(draws)
    return format_band(*(float(found[end]) for end in ("median", "lower", "upper")))
