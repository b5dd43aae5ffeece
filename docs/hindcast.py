"""Outlooks from 2010 and 2015 against what came: python docs/hindcast.py FIT.nc FOLDER.

Writes the tables of the page on outlooks (hindcast_tables.md) and its figure (hindcast.png). FIT.nc
is a fit of the bundled study, as `reebayes fit --out FIT.nc` saves it. FOLDER keeps the fits of the
cut studies, `cut_2010.nc` and `cut_2015.nc`, which take a few minutes each and are not made again;
years after it ask for these cuts only. How what is mined goes on was chosen on the cut of 2010
alone; that of 2015 was looked at once.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd

mpl.use("agg")

import matplotlib.pyplot as plt
from writing import table

import reebayes as rb
from reebayes.forecasting.judging import cut_fit
from reebayes.forecasting.running import Course

HERE = Path(__file__).parent
THINNED = {"draw": slice(None, None, 4)}

CUTS = (2010, 2015)
CHOSEN_ON = CUTS[0]
QUANTITIES = {
    "mined_world": "mining, world",
    "mined_CN": "mining, China",
    "mined_CN_registered": "mining, China, registered",
    "mined_CN_unregistered": "mining, China, unregistered",
    "mined_US + mined_RW": "mining outside China",
    "mined_US": "mining, United States",
    "mined_RW": "mining, rest of world",
    "refined_CN": "oxides, China",
    "refined_RW": "oxides, rest of world",
    "consumed_world": "use, world",
    "consumed_CN": "use, China",
    "consumed_US": "use, United States",
    "consumed_RW": "use, rest of world",
    "consumed_CN_magnets": "magnets, China",
    "exported_CN": "exports of China",
    "consumed_US + consumed_RW": "use outside China",
}
SHOWN = ("mined_world", "mined_CN_registered", "mined_US + mined_RW", "consumed_world")
COURSES = {
    "mines follow demand, states revert": Course(1.0, reverting=True),
    "mines stay, states revert": Course(0.0, reverting=True),
    "mines follow demand, states wander": Course(1.0, reverting=False),
    "mines stay, states wander": Course(0.0, reverting=False),
}


def number(value: float, digits: int = 1) -> str:
    """A number, or a dash where there is none."""
    return "–" if value != value else f"{value:.{digits}f}"


def by_quantity(found: pd.DataFrame) -> str:
    """Coverage and scores of every quantity."""
    head = ["quantity", "coverage", "of the walk", "CRPS", "of the walk", "ratio",
            "projections", "their CRPS", "ours then"]  # fmt: skip
    rows = []
    for name, row in found.iterrows():
        rows.append([
            QUANTITIES.get(str(name), "**all**"), f"{100 * row['coverage']:.0f} %",
            f"{100 * row['walk_coverage']:.0f} %", number(row["crps"]), number(row["walk_crps"]),
            number(row["ratio"], 2), str(int(row["published_years"])),
            number(row["published_crps"]), number(row["crps_then"]),
        ])  # fmt: skip
    return table(head, rows)


def by_course(scored: dict[str, pd.DataFrame]) -> str:
    """What was tried on the first cut."""
    rows = []
    for name, found in scored.items():
        row = found.loc["all"]
        rows.append([name, f"{100 * row['coverage']:.0f} %", number(row["crps"]),
                     number(row["ratio"], 2)])  # fmt: skip
    return table(["course", "coverage", "CRPS", "ratio to the walk"], rows)


def main(file: str, folder: str, *years: str) -> None:
    """Fit what is not there, score, and write tables and figure."""
    truth, study = rb.open_fit(file).isel(THINNED), rb.read_study()
    cuts = [int(year) for year in years] or [*CUTS]
    shape = (len(cuts), len(SHOWN))
    figure, axes = plt.subplots(*shape, figsize=(13.5, 3.2 * len(cuts)), layout="constrained",
                                squeeze=False)  # fmt: skip
    text = ["<!-- Made by docs/hindcast.py -->"]
    for cut_at, row in zip(cuts, axes, strict=True):
        shorter = rb.cut(study, cut_at)
        fit = cut_fit(shorter, Path(folder)).isel(THINNED)
        courses = COURSES if cut_at == CHOSEN_ON else dict(list(COURSES.items())[:1])
        scored, scores = {}, {}
        for name, course in courses.items():
            ahead = rb.outlook(fit, study.last_year, shorter, course=course)
            scores[name] = rb.hindcast(fit, ahead, truth, quantities=list(QUANTITIES),
                                       projections=study.projections)  # fmt: skip
            scored[name] = rb.hindcast_summary(scores[name])
        usual = next(iter(COURSES))
        listed = len([one for one in shorter.projects if one.flow])
        text += [
            f"### From {cut_at}",
            f"{len(shorter.records)} records, {len(shorter.planned_cases)} closed cases, {listed} "
            f"readings of projects. The fit: {fit.attrs['verdict']}",
            by_quantity(scored[usual]),
        ]
        if cut_at == CHOSEN_ON:
            text += ["What was tried on this cut; the first row is what an outlook does:",
                     by_course(scored)]  # fmt: skip
        for name, ax in zip(SHOWN, row, strict=True):
            rb.plot_hindcast(scores[usual], name, legend=False, ax=ax)
            ax.set_title(f"{QUANTITIES[name]}, from {cut_at}", fontsize=9, loc="left",
                         weight="bold")  # fmt: skip
    for row in axes:
        row[0].set_ylabel(study.unit)
    handles = {label: handle for ax in axes.ravel()
               for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}  # fmt: skip
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4,
                  frameon=False, fontsize=9)  # fmt: skip
    figure.savefig(HERE / "hindcast.png", dpi=110)
    (HERE / "hindcast_tables.md").write_text("\n\n".join(text) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
