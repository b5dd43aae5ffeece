"""Make the tables and the map of the page on partners: python docs/partners.py PARTNERS.nc BASE.nc.

The first is a fit of the study with the extension partners, the second one of the study alone.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import reebayes as rb
from reebayes.results.reading import Fit
from reebayes.wording import format_band

YEARS = (2005, 2010, 2015, 2022)
OUT = Path(__file__).with_name("partners_tables.md")


def main(parted: str, base: str) -> None:
    """Write what China sends to each partner, and how the headline sums move."""
    fit, alone = rb.open_fit(parted), rb.open_fit(base)
    lines = [*_exports(fit), "", *_headline(fit, alone)]
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rb.save_map(fit, OUT.with_name("partners_map.svg"), YEARS[-1])


def _exports(fit: Fit) -> Iterator[str]:
    study = rb.study_of(fit)
    labels = {one.partner: one.label for one in study.partners}
    table = rb.mirror_table(fit, YEARS, study=study)
    table = table[(table["origin"] == "CN") & (table["goods"] == "")]
    yield "| China to | " + " | ".join(map(str, YEARS)) + " |"
    yield "|---" * (len(YEARS) + 1) + "|"
    for partner, rows in table.groupby("destination", sort=False):
        cells = []
        for row in rows.itertuples():
            band = format_band(row.arrived_median, row.arrived_lower, row.arrived_upper)
            sides = {"China": row.exporter, "partner": row.importer}
            told = [f"{who} {value:.2f}" for who, value in sides.items() if value == value]
            cells.append(f"{band}; {', '.join(told) or row.seen}")
        yield f"| {labels[str(partner)]} | " + " | ".join(cells) + " |"


def _headline(fit: Fit, alone: Fit) -> Iterator[str]:
    yield "| sum 2000-2022, kt REO | study alone | with partners |"
    yield "|---|---|---|"
    for name in rb.study_of(fit).headline:
        cells = []
        for one in (alone, fit):
            band = rb.bands(rb.cumulative(rb.quantity(one, name)))
            cells.append(format_band(*(float(band[end]) for end in ("median", "lower", "upper"))))
        yield f"| `{name}` | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main(*sys.argv[1:])
