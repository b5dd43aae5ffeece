"""Bands of the bundled outlook: python docs/outlook.py FIT.nc.

Writes the tables of the page on outlooks (outlook_tables.md) and its figures (outlook.png,
projects_map.svg): what is mined and used in years to come, what uses lack, of two elements, too,
what an alliance, a mine in Mongolia and a quota change, and what plans of the past taught. FIT.nc
is a fit of the bundled study.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr

mpl.use("agg")

import matplotlib.pyplot as plt
from writing import band, table

import reebayes as rb
from reebayes.wording import format_band

HERE = Path(__file__).parent
THINNED = {"draw": slice(None, None, 4)}
"""Every fourth draw: bands move by less than their last digit."""

YEARS = (2025, 2030, 2035)
TO, MIDDLE = YEARS[-1], YEARS[1]
ELEMENT, PLACES = "Nd+Pr", ("World", "outside CN", "CN")
OUTSIDE = (("World", "what arrives"), ("outside CN", "what arrives"), ("outside CN", "mined there"),
           ("outside CN", "refined there"))  # fmt: skip
QUANTITIES = {
    "mined_US + mined_RW": "mining outside China",
    "mined_CN": "mining in China",
    "refined_US + refined_RW": "oxides made outside China",
    "consumed_world": "use of the world",
    "consumed_US + consumed_RW": "use outside China",
    "consumed_CN": "use of China",
}
SCENARIOS = ("mongolia_alliance", "new_mine_separated", "half_quota_2022")


def bands_of(tree: xr.DataTree) -> str:
    """Bands of all quantities by year."""
    ahead = tree["outlook"]
    rows = [[label, *(band(rb.quantity(ahead, name).sel(year=year)) for year in YEARS)]
            for name, label in QUANTITIES.items()]  # fmt: skip
    demand = tree["uses"]["demand"].sum("use")
    rows.append(["asked for by uses of the world", *(band(demand.sel(year=y)) for y in YEARS)])
    return table(["kt REO/yr", *map(str, YEARS)], rows)


def lacking(tree: xr.DataTree) -> str:
    """Probabilities of deficits by region and of magnets."""
    rows = []
    for year in YEARS[1:]:
        found = rb.deficits(tree, year)
        region = found[found["by"] == "region"]
        magnets = found[(found["by"] == "application") & found["name"].str.contains("agnet")]
        for _, row in [*region.iterrows(), *magnets.iterrows()]:
            where = row["region"] if row["by"] == "region" else f"{row['name']}"
            lack = format_band(row["deficit"], row["lower"], row["upper"])
            rows.append([str(year), where, lack, f"{row['x']:.2g}", f"{row['probability']:.2f}"])
    head = ["year", "where", "deficit", "x", "P(deficit > x)"]
    return table(head, rows)


def changed(plain: xr.DataTree, tree: xr.DataTree) -> list[str]:
    """Difference that a scenario makes in 2030 and 2035, draw by draw."""
    cells = []
    for name in ("mined_US + mined_RW", "consumed_US + consumed_RW", "consumed_CN"):
        after, before = (rb.quantity(one["outlook"], name) for one in (tree, plain))
        cells += [band((after - before).sel(year=year)) for year in YEARS[1:]]
    return cells


def outside(tree: xr.DataTree, year: int) -> str:
    """Probability of a deficit above a tenth of what is asked for outside China."""
    found = rb.deficits(tree, year)
    row = found[(found["by"] == "region") & (found["region"] == "outside CN")].iloc[0]
    return f"{row['probability']:.2f}"


def elements(trees: dict[str, xr.DataTree], study: rb.Study) -> tuple[str, str]:
    """Deficits of the element by place and year, each uncertainty alone, and with scenarios."""
    plain = trees["none"]
    found = rb.element_deficits(plain, list(YEARS), ELEMENT, study=study)
    keys = ["region", "supply", "asked"]
    alone = [rb.element_deficits(plain, MIDDLE, ELEMENT, study=study, held=held).set_index(keys)
             for held in ("flows", "compositions")]  # fmt: skip
    rows = []
    for key, part in found[found["region"].isin(PLACES)].groupby(keys, sort=False):
        chances = part.set_index("year")["probability"]
        cells = [part[part["year"] == MIDDLE].iloc[0], *(one.loc[key] for one in alone)]
        bands = [format_band(cell["deficit"], cell["lower"], cell["upper"]) for cell in cells]
        rows.append([*key, *(f"{chances[year]:.2f}" for year in YEARS), *bands])
    head = ["where", "what is counted", "asked for", *(f"P {year}" for year in YEARS),
            f"deficit {MIDDLE}", "compositions alone", "flows alone"]  # fmt: skip
    changed = []
    for name, tree in trees.items():
        table_of = rb.element_deficits(tree, [MIDDLE, TO], ELEMENT, study=study)
        then = table_of[table_of["asked"] == "as before"].set_index(["year", "region", "supply"])
        chances = [then.loc[(year, *place), "probability"] for place in OUTSIDE
                   for year in (MIDDLE, TO)]  # fmt: skip
        changed.append([f"`{name}`", *(f"{chance:.2f}" for chance in chances)])
    told_of = ["scenario, from 2026", *(f"{', '.join(place)}, {year}" for place in OUTSIDE
                                         for year in (MIDDLE, TO))]  # fmt: skip
    return table(head, rows), table(told_of, changed)


def learnt(tree: xr.DataTree) -> str:
    """What plans of the past taught."""
    found = tree["learnt"].to_dataset()
    rows = [[f"chance to start, {status}", band(found["chance"].sel(status=status))]
            for status in found["status"].values.tolist()]  # fmt: skip
    rows += [["mean delay of those that start, years", band(found["delay"])],
             ["median part of a capacity that is reached", band(found["reached"])]]  # fmt: skip
    added = tree["projects"]["output"].sum("project")
    rows += [[f"all projects together in {year}, kt REO/yr", band(added.sel(year=year))]
             for year in YEARS]  # fmt: skip
    return table(["what", "median and 90 % band"], rows)


def main(file: str) -> None:
    """Work out outlooks and write tables and figure."""
    fit, study = rb.open_fit(file).isel(THINNED), rb.read_study()
    plain = rb.outlook(fit, TO, study)
    trees = {name: rb.outlook(fit, TO, study, scenarios=[name], begin=2026) for name in SCENARIOS}
    names = ("mining outside China", "use outside China", "use of China")
    head = ["scenario, from 2026", *(f"{name} {year}" for name in names for year in YEARS[1:]),
            *(f"P(deficit outside China) {year}" for year in YEARS[1:])]  # fmt: skip
    rows = [["none", *[""] * 6, *(outside(plain, year) for year in YEARS[1:])]]
    rows += [[f"`{name}`", *changed(plain, tree), *(outside(tree, year) for year in YEARS[1:])]
             for name, tree in trees.items()]  # fmt: skip
    history = "consumed_US"
    years = rb.reserve_years(fit, study, "United States", used=history)
    reserves = [[str(row.edition), f"{row.reserves:.2g}", format_band(row.median, row.lower,
                 row.upper)] for row in years.itertuples()]  # fmt: skip
    shares = rb.deposit_shares(study)
    bayan = [[str(row.edition), f"{row.stated:.3g}", f"{100 * row.of_country:.0f} %",
              "–" if np.isnan(row.of_world) else f"{100 * row.of_world:.0f} %"]
             for row in shares.itertuples()]  # fmt: skip
    of_element, with_scenarios = elements({"none": plain, **trees}, study)
    text = [
        "<!-- Made by docs/outlook.py -->", "### What is mined and used", bands_of(plain),
        "### What uses lack", lacking(plain), "### What scenarios change", table(head, rows),
        f"### What uses lack of {ELEMENT}", of_element, with_scenarios,
        "### What plans of the past taught", learnt(plain),
        "### Reserves of the United States over their use",
        table(["edition", "reserves, Mt", "years of use"], reserves),
        "### Bayan Obo in the reserves of China and of the world",
        table(["edition", "stated, Mt", "of China", "of the world"], bayan),
    ]  # fmt: skip
    (HERE / "outlook_tables.md").write_text("\n\n".join(text) + "\n", "utf-8")
    figure, axes = plt.subplots(1, 2, figsize=(13, 6.6), layout="constrained")
    for ax, name, demand in zip(axes, ("consumed_world", "mined_US + mined_RW"), (True, False),
                                strict=True):  # fmt: skip
        rb.plot_outlook(
            rb.quantity(fit, name), rb.quantity(plain["outlook"], name),
            projections=rb.published_projections(study, name),
            demand=plain["uses"]["demand"].sum("use") if demand else None, ax=ax,
        )  # fmt: skip
        ax.set_title(QUANTITIES[name][0].upper() + QUANTITIES[name][1:], fontsize=11, loc="left",
                     weight="bold")  # fmt: skip
        ax.set_ylabel(study.unit)
    figure.savefig(HERE / "outlook.png", dpi=110)
    rb.save_projects(rb.project_table(study), HERE / "projects_map.svg")


if __name__ == "__main__":
    main(sys.argv[1])
