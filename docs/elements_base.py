"""Write the tables of the study by element: python docs/elements_base.py ELEMENTS.nc BASE.nc.

The first is a fit of the study with the extension elements, the second one of the study alone.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from writing import band, headline, table

import reebayes as rb

YEARS = (2005, 2010, 2015, 2019, 2022)
OUT = Path(__file__).with_name("elements_base_tables.md")
REFINED = "refined_CN + refined_US + refined_RW"
MOVED = 8
GROUPS = {"lace": "La and Ce", "ndpr": "Nd and Pr", "heavy": "all others"}


def main(elements: str, base: str) -> None:
    """Write how sums and shares differ between the two, and what the groups do."""
    fit, alone = rb.open_fit(elements), rb.open_fit(base)
    blocks = [
        "Sums 2000-2022, kt REO, before and after the records:",
        table(
            ("", "alone, prior", "alone", "by element, prior", "by element"), sums(fit, alone)
        ),
        "What records of one group do to these sums, to first order, in standard deviations:",
        table(("", *(name for name, _ in new_records(fit))), pulls(fit)),
        "Quantities whose sums moved most, in standard deviations of the study alone:",
        table(("", "alone", "by element", "moved"), moved(fit, alone)),
        "China's share of Nd and Pr, beside that of [compositions and origins](#how):",
        table(("", "compositions and origins", "by element, prior", "by element", "P > 0.9"),
              shares(fit, alone)),
        "Groups in the world, kt of oxides a year:",
        table(("", *(f"{label}, {year}" for label in GROUPS.values() for year in (2010, 2022))),
              stages(fit)),
        "Supply of all uses over what they are made of, what found no use counted as supply:",
        table(("", *GROUPS.values()), balance(fit)),
    ]  # fmt: skip
    OUT.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def total(fit: xr.DataTree, name: str, group: str = "posterior") -> xr.DataArray:
    """Draws of the sum of a quantity over all years."""
    return rb.cumulative(rb.quantity(fit, name, group=group))


def sums(fit: xr.DataTree, alone: xr.DataTree) -> Iterator[list[str]]:
    """Headline sums of both, prior and posterior."""
    for name in headline(alone):
        cells = [band(total(one, name, g)) for one in (alone, fit) for g in ("prior", "posterior")]
        yield [f"`{name}`", *cells]


def new_records(fit: xr.DataTree) -> list[tuple[str, list[str]]]:
    """Records that the study alone has not, by what they are about."""
    own = {record.record for record in rb.read_study().records}
    found: dict[str, list[str]] = {}
    for record in rb.study_of(fit).records:
        if record.record not in own:
            found.setdefault(f"{record.reporter} ({record.kind})", []).append(record.record)
    return [(f"{name}: {len(records)}", records) for name, records in found.items()]


def pulls(fit: xr.DataTree) -> Iterator[list[str]]:
    """Covariance of a sum with what some records say, over its standard deviation."""
    scores = fit["log_likelihood"].dataset.to_dataarray("part").sum("part")
    for name in headline(fit):
        draws = total(fit, name).values.ravel()
        cells = []
        for _, records in new_records(fit):
            said = scores.sel(record=records).sum("record").values.ravel()
            cells.append(f"{np.cov(draws, said)[0, 1] / draws.std():+.2f}")
        yield [f"`{name}`", *cells]


def moved(fit: xr.DataTree, alone: xr.DataTree) -> Iterator[list[str]]:
    """Sums of the study alone that are elsewhere by element, the farthest first."""
    names = [
        quantity.quantity
        for quantity in rb.study_of(alone).quantities
        if not quantity.is_ratio and min(dict(quantity.numerator).values()) > 0
    ]
    one, other = (
        f["posterior"]
        .dataset["quantities"]
        .sel(quantity=names)
        .sum("year")
        .stack(draws=["chain", "draw"])
        for f in (alone, fit)
    )
    far = (other.median("draws") - one.median("draws")) / one.std("draws")
    for name in far.quantity.values[np.argsort(-np.abs(far.values))][:MOVED]:
        cells = [band(total(f, str(name))) for f in (alone, fit)]
        yield [f"`{name}`", *cells, f"{float(far.sel(quantity=name)):+.1f}"]


def shares(fit: xr.DataTree, alone: xr.DataTree) -> Iterator[list[str]]:
    """China's share of neodymium and praseodymium by stage and year."""
    study = rb.read_study()
    for what, at, over in (
        ("mined", "mined_CN", "mined_world"),
        ("refined", "refined_CN", REFINED),
    ):
        told = [
            rb.elements(alone, "Nd+Pr", at, over=over, study=study),
            rb.elements(fit, "Nd+Pr", at, over=over, group="prior"),
            rb.elements(fit, "Nd+Pr", at, over=over),
        ]
        for year in YEARS:
            draws = [one.isel(element=0).sel(year=year) for one in told]
            above = f"{float((draws[-1] > 0.9).mean()):.2f}"
            yield [f"{what}, {year}", *(band(one) for one in draws), above]


def stages(fit: xr.DataTree) -> Iterator[list[str]]:
    """Amounts of the groups at every stage in two years."""
    uses = ("magnets", "catalysts", "metallurgy", "glass_ceramics", "other")
    places = {
        "mined": ["mined_world"], "refined": ["refined_CN", "refined_US", "refined_RW"],
        **{f"used: {use.replace('_', ' and ')}": [f"consumed_world_{use}"] for use in uses},
        "found no use": ["unsold_CN", "unsold_RW"],
    }  # fmt: skip
    for label, names in places.items():
        cells = []
        for group in GROUPS:
            draws = sum(rb.quantity(fit, f"{name}_{group}") for name in names)
            cells += [band(draws.sel(year=year)) for year in (2010, 2022)]  # type: ignore[union-attr]
        yield [label, *cells]


def balance(fit: xr.DataTree) -> Iterator[list[str]]:
    """Supply of the groups over demand by recipes."""
    found = rb.element_balance(fit)["ratio"]
    for year in YEARS:
        here = found.sel(year=year)
        yield [str(year), *(band(here.isel(element=n)) for n in range(len(GROUPS)))]


if __name__ == "__main__":
    main(*sys.argv[1:])
