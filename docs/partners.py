"""Make the tables and the map of the page on partners: python docs/partners.py PARTNERS.nc BASE.nc.

The first is a fit of the study with the extension partners, the second one of the study alone.
"""

import sys
from pathlib import Path

from writing import band, headline, table

import reebayes as rb
from reebayes.results.reading import Fit
from reebayes.wording import format_band

YEARS = (2005, 2010, 2015, 2022)
OUT = Path(__file__).with_name("partners_tables.md")


def main(parted: str, base: str) -> None:
    """Write what China sends to each partner, and how the headline sums move."""
    fit, alone = rb.open_fit(parted), rb.open_fit(base)
    tables = [_exports(fit), _headline(fit, alone)]
    OUT.write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    rb.save_map(fit, OUT.with_name("partners_map.svg"), YEARS[-1])


def _exports(fit: Fit) -> str:
    study = rb.study_of(fit)
    labels = {one.partner: one.label for one in study.partners}
    found = rb.mirror_table(fit, YEARS, study=study)
    found = found[(found["origin"] == "CN") & (found["goods"] == "")]
    rows = []
    for partner, years in found.groupby("destination", sort=False):
        cells = []
        for row in years.itertuples():
            arrived = format_band(row.arrived_median, row.arrived_lower, row.arrived_upper)
            sides = {"China": row.exporter, "partner": row.importer}
            said = [f"{who} {value:.2f}" for who, value in sides.items() if value == value]
            cells.append(f"{arrived}; {', '.join(said) or row.seen}")
        rows.append([labels[str(partner)], *cells])
    return table(["China to", *YEARS], rows)


def _headline(fit: Fit, alone: Fit) -> str:
    rows = [
        [f"`{name}`", *(band(rb.cumulative(rb.quantity(one, name))) for one in (alone, fit))]
        for name in headline(fit)
    ]
    return table(["sum 2000-2022, kt REO", "study alone", "with partners"], rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
