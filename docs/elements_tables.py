"""Write the tables of the page on elements: ``python docs/elements_tables.py FIT.nc``."""

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import xarray as xr
from writing import table

import reebayes as rb

PAGE = Path(__file__).parent / "elements_tables.md"
YEARS = (2005, 2010, 2015, 2019, 2022)
REFINED = "refined_CN + refined_US + refined_RW"
WHOLE = (2000, 2022)


def figure(value: float) -> str:
    """A number in three figures, or whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def band(draws: xr.DataArray) -> str:
    """Median and 90 % band."""
    found = rb.bands(draws)
    middle, low, high = (figure(float(found[name])) for name in ("median", "lower", "upper"))
    return f"{middle} ({low}–{high})"


def shares(fit: xr.DataTree, study: rb.Study) -> Iterator[list[str]]:
    """China's share of neodymium and praseodymium mined and refined, by what is uncertain."""
    stages = (("mined", "mined_CN", "mined_world"), ("refined", "refined_CN", REFINED))
    for what, at, over in stages:
        found = {
            held: rb.elements(fit, "Nd+Pr", at, over=over, held=held, study=study)
            for held in ("", "compositions", "flows")
        }
        for year in YEARS:
            draws = [da.isel(element=0).sel(year=year) for da in found.values()]
            above = f"{float((draws[0] > 0.9).mean()):.2f}"
            whole, *alone = (band(one) for one in draws)
            ends = (text.partition(" ")[2].strip("()") for text in alone)
            yield [f"{what}, {year}", whole, above, *ends]


def contents(fit: xr.DataTree, study: rb.Study) -> Iterator[list[str]]:
    """Elements of what no register counts, and of what was smuggled, all years together."""
    for label, at in (
        ("China: unregistered mining", "mined_CN_unregistered"),
        ("Rest of world: unregistered mining", "mined_RW_unregistered"),
        ("China: registered clays and rock", "mined_CN_registered"),
        ("Smuggling out of China, as mined", "smuggled_CN"),
    ):
        found = rb.elements(
            fit, ["Nd+Pr", "Dy", "Tb"], at, years=WHOLE, separated=True, study=study
        )
        yield [label, *(band(found.sel(element=name)) for name in found["element"].values)]


def magnet_heavies(fit: xr.DataTree, study: rb.Study) -> Iterator[list[str]]:
    """Dysprosium and terbium from unregistered mines, as a share of all that is mined."""
    for year in YEARS:
        row = [str(year)]
        for name in ("Dy", "Tb"):
            for at in ("mined_CN_unregistered", "mined_RW_unregistered"):
                found = rb.elements(fit, name, at, over="mined_world", years=year, study=study)
                row.append(band(found.isel(element=0)))
        yield row


def balance(fit: xr.DataTree, study: rb.Study) -> Iterator[list[str]]:
    """Supply over demand of applications."""
    names = ["La", "Ce", "Nd+Pr", "Dy", "Tb", "Y"]
    found = rb.element_balance(fit, names, study=study)["ratio"]
    for year in YEARS:
        yield [str(year), *(band(found.sel(year=year, element=name)) for name in names)]


def published(fit: xr.DataTree, study: rb.Study) -> Iterator[list[str]]:
    """Published figures beside ours."""
    for _, row in rb.beside_elements(fit, study=study).iterrows():
        stated = next(row[c] for c in ("value", "low", "high") if row[c] == row[c])
        place = f"{row['at']} / ({row['over']})" if row["over"] else row["at"]
        ours = f"{figure(row['median'])} ({figure(row['lower'])}–{figure(row['upper'])})"
        sign = {"lower": "at least "}.get(row["kind"], "")
        theirs = f"{sign}{figure(stated)} {row['unit']}"
        yield [
            f"{row['elements']} in `{place}`, {row['year']}", theirs,
            ours, f"{row['p']:.2f}", row["source"],
        ]  # fmt: skip


def main(file: str) -> None:
    """Write the page's tables."""
    study = rb.read_study()
    with closing(rb.open_fit(file)) as fit:
        parts = [
            "China's share of Nd + Pr, the probability that it is above 0.9, and the band that "
            "flows or compositions alone would leave:\n",
            table(
                ("", "share", "P > 0.9", "flows alone", "compositions alone"),
                [*shares(fit, study)],
            ),
            "\nElements 2000-2022, kt of oxides:\n",
            table(("", "Nd + Pr", "Dy", "Tb"), [*contents(fit, study)]),
            "\nShare of all Dy and Tb mined in the world:\n",
            table(
                ("", "Dy, China unregistered", "Dy, rest of world unregistered",
                 "Tb, China unregistered", "Tb, rest of world unregistered"),
                [*magnet_heavies(fit, study)],
            ),
            "\nSupply of all uses over what they are made of:\n",
            table(("", "La", "Ce", "Nd + Pr", "Dy", "Tb", "Y"), [*balance(fit, study)]),
            "\nPublished beside (P: that ours is at least as high, or that a bound holds):\n",
            table(("", "published", "ours", "P", "source"), [*published(fit, study)]),
        ]  # fmt: skip
    PAGE.write_text("\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
