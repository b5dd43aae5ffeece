"""Scores of variants and the check of held-out records: python docs/comparison.py DIR.

Writes the tables of the pages on the model and on validation (comparison_tables.md,
held_out_tables.md, and the picture validation/pit.png) from a folder that
`reebayes compare --folds K --future Y --out DIR` has filled. Takes seconds.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from writing import table

import reebayes as rb
from reebayes.answers.predictive import ALL
from reebayes.answers.scores import Comparison
from reebayes.answers.scores_text import LOO, NAMED_SET, missing_text, telling_groups
from reebayes.answers.uniformity import shown_rows
from reebayes.results.reading import contents_of
from reebayes.wording import format_band

HERE = Path(__file__).parent

SMUGGLED, MINED = "smuggled_CN", "mined_CN_unregistered"
MANY = 10
"""Reporters with so many records stand in the table of noise."""


def scores_text(found: Comparison) -> str:
    """Scores of every variant, those of refits first."""
    parts = []
    for score, rows in found.table.groupby("score", sort=False):
        first = rows.iloc[0]
        title = (
            "Beside them, leave-one-out by importance sampling (PSIS), of the records that it can "
            "score alone" if score == LOO else f"Left out together: {score}"
        )  # fmt: skip
        cells = [
            (label_of(row), *(("", "") if row["variant"] == first["variant"] else
                              (f"{row['elpd_diff']:+.1f}", f"{row['se_diff']:.1f}")),
             f"{row['weight']:.2f}" if row["weight"] >= 0 else "")
            for _, row in rows.iterrows()
        ]  # fmt: skip
        head = ("variant", "difference in log score", "standard error", "weight")
        parts.append(f"**{title}**, {first['records']} records. {missing_text(first)}\n\n"
                     + table(head, cells))  # fmt: skip
    return "\n\n".join(parts)


def label_of(row: pd.Series) -> str:
    """What a variant is, in words: the name of its study without that of the first."""
    return f"`{row['variant']}`: {str(row['label']).rpartition(': ')[2]}"


def groups_text(found: Comparison) -> str:
    """Sets of records that were asked for and the most telling reporters, of the first score."""
    told = telling_groups(found.groups, str(found.table["score"].iloc[0]))
    rows = [
        (f"`{row['variant']}`",
         row["group"] if row["kind"] == NAMED_SET else f"`{row['group']}`", row["records"],
         f"{row['elpd_diff']:+.1f}", "" if np.isnan(row["se_diff"]) else f"{row['se_diff']:.1f}")
        for _, row in told.iterrows()
    ]  # fmt: skip
    head = ("variant", "records of", "records", "difference", "standard error")
    title = "Differences over sets of records, and over the reporters that tell each variant most"
    return f"{title}.\n\n{table(head, rows)}"


def sums_text(found: Comparison) -> str:
    """Headline sums of every variant."""
    rows = found.quantities
    names = list(dict.fromkeys(rows["quantity"]))
    bands = {
        (str(row["variant"]), str(row["quantity"])):
            format_band(float(row["median"]), float(row["lower"]), float(row["upper"]))
        for _, row in rows.iterrows()
    }  # fmt: skip
    lines = [(f"`{variant}`", *(bands.get((variant, name), "") for name in names))
             for variant in dict.fromkeys(rows["variant"].astype(str))]  # fmt: skip
    head = ("variant", *(f"`{name}`" for name in names))
    return f"Sums over all years, median and 90 % band.\n\n{table(head, lines)}"


def share_text(fit: xr.DataTree, smuggled: str = SMUGGLED, mined: str = MINED) -> str:
    """Smuggled share of unregistered mining, before and after the records."""
    years = contents_of(fit).years
    shares = {group: rb.ratio(fit, smuggled, mined, years=(years[0], years[-1]), group=group)
              for group in ("prior", "posterior")}  # fmt: skip
    lines = [(group, *(f"{float(q):.3f}" for q in draws.quantile([0.5, 0.05, 0.95])))
             for group, draws in shares.items()]  # fmt: skip
    head = ("", "median", "5 %", "95 %")
    return (
        f"Smuggled share of unregistered mining in China, {years[0]}-{years[-1]} "
        f"(`{smuggled}` over `{mined}`, of sums).\n\n{table(head, lines)}"
    )


def places_text(summary: pd.DataFrame) -> str:
    """PIT of held-out records, of all and of each reporter with enough of them."""
    rows = [
        (f"all {row['what']}" if row["reporter"] == ALL else f"`{row['reporter']}`",
         row["records"], f"{row['mean']:.2f}", f"{row['sd_z']:.2f}", f"{row['inside_50']:.0%}",
         f"{row['inside_90']:.0%}", "" if np.isnan(row["p"]) else f"{row['p']:.3f}")
        for _, row in shown_rows(summary).iterrows()
    ]  # fmt: skip
    head = ("records of", "records", "mean PIT", "sd of z", "inside 50 %", "inside 90 %", "p")
    return table(head, rows)


def noise_text(fit: xr.DataTree, many: int = MANY) -> str:
    """What multiplies the stated errors of the reporters with most records."""
    contents = contents_of(fit)
    counts = contents.records["reporter"].value_counts()
    floor, noise = contents.variance_floor, fit["posterior"]["noise"]
    rows = []
    for name, count in counts[counts >= many].items():
        multiplier = noise.sel(reporter=name)
        whole = np.sqrt(floor + (1 - floor) * multiplier**2)
        cells = [format_band(*(float(q) for q in draws.quantile([0.5, 0.05, 0.95])))
                 for draws in (multiplier, whole)]  # fmt: skip
        rows.append((f"`{name}`", count, *cells))
    head = ("reporter", "records", "noise", "error over the stated one")
    return (
        f"Reporters with {many} records or more: their noise, and by how much their errors exceed "
        f"what is stated once the floor is counted, median and 90 % band.\n\n{table(head, rows)}"
    )


def main(folder: str) -> None:
    """Write the tables of the two pages, and the picture."""
    place = Path(folder)
    found, fit = rb.read_comparison(place), rb.open_fit(place / "base.nc")
    parts = [scores_text(found), groups_text(found), sums_text(found), share_text(fit)]
    (HERE / "comparison_tables.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    summary = pd.read_csv(place / "pit_summary.csv")
    picture = "![PIT of held-out records](validation/pit.png)"
    parts = [picture, places_text(summary), noise_text(fit)]
    (HERE / "held_out_tables.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    shutil.copyfile(place / "pit.png", HERE / "validation" / "pit.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
