"""What scripts of these pages write alike: a table of Markdown, and a band as text."""

from collections.abc import Iterable, Sequence

import xarray as xr

import reebayes as rb
from reebayes.wording import format_band


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Rows as a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def band(draws: xr.DataArray) -> str:
    """Median and 90 % band of draws (chain, draw)."""
    found = rb.bands(draws)
    return format_band(*(float(found[end]) for end in ("median", "lower", "upper")))
