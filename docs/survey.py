"""Tables and figures of the page on surveys: python docs/survey.py FIT.nc.

The fit is one of the bundled study; its indicators stand beside the printed shares that they speak
to. ``--simulate`` writes the simulated answer sheet and its population instead, from shares that
are given here. Takes 5 seconds.
"""

import csv
import sys
import warnings
from pathlib import Path

import numpy as np

import reebayes as rb
from reebayes.results.description import redescribed
from reebayes.wording import format_band

HERE = Path(__file__).parent
SHEET = HERE.parent / "data" / "surveys"

GROUPS = {"industry": (70, 600), "research": (50, 300), "government": (30, 100)}
"""Groups of the simulated survey: how many answer, and how many there are."""

TRUTH = {
    "diversification of supply": {"industry": 0.72, "research": 0.60, "government": 0.66},
    "international collaboration": {"industry": 0.42, "research": 0.58, "government": 0.55},
    "sustainable practices": {"industry": 0.52, "research": 0.74, "government": 0.62},
}
"""Shares that say yes, by group, from which answers are drawn."""

CHOICE = "first measure"
OPTIONS = {
    "industry": {"mines abroad": 0.2, "separation abroad": 0.45, "recycling": 0.2, "stocks": 0.15},
    "research": {"mines abroad": 0.15, "separation abroad": 0.35, "recycling": 0.4, "stocks": 0.1},
    "government": {"mines abroad": 0.25, "separation abroad": 0.35, "recycling": 0.15,
                   "stocks": 0.25},
}  # fmt: skip

SILENT = 0.06  # of answers that are left out


def simulated() -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of the answer sheet and of its population, headers included."""
    rng = np.random.default_rng(2024)
    rows = [["respondent", "group", "statement", "answer", "weight"]]
    number = 0
    for group, (asked, _) in GROUPS.items():
        for _ in range(asked):
            number += 1
            weight = f"{rng.choice([0.8, 1.0, 1.5])}"
            for statement, shares in TRUTH.items():
                said = "yes" if rng.random() < shares[group] else "no"
                said = "" if rng.random() < SILENT else said
                rows.append([f"simulated_{number:03}", group, statement, said, weight])
            options = OPTIONS[group]
            chosen = str(rng.choice(list(options), p=list(options.values())))
            rows.append([f"simulated_{number:03}", group, CHOICE, chosen, weight])
    return rows, [["group", "count"], *([name, str(n)] for name, (_, n) in GROUPS.items())]


def write_simulated() -> None:
    """Write the simulated answer sheet and its population."""
    for name, rows in zip(("answers", "population"), simulated(), strict=True):
        with (SHEET / f"simulated_{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def truth_of(statement: str, answer: str) -> float:
    """Return the share of the whole simulated population that gives an answer."""
    whole = sum(count for _, count in GROUPS.values())
    if statement == CHOICE:
        return sum(OPTIONS[g][answer] * count for g, (_, count) in GROUPS.items()) / whole
    return sum(TRUTH[statement][g] * count for g, (_, count) in GROUPS.items()) / whole


def printed_text(result: object, fit: object, study: rb.Study) -> str:
    """Printed shares by heading, each with what the fit says of the same subject."""
    lines = []
    for heading, rows in result.shares.groupby("heading", sort=False):
        lines.append(f"\n**{heading}**\n")
        for _, row in rows.iterrows():
            lines.append(
                f"- *{row['statement']}*: {100 * row['share']:.0f} % printed, no band: n is not "
                f"known (± 5 points would need {row['needed']})"
            )
            names = [name for name in row["indicators"].split("; ") if name]
            lines += [f"  - {value_of(fit, study, name)}" for name in names]
            lines += [f"  - {row['note']}"] if row["note"] else []
    return "\n".join([*lines, ""])


def value_of(fit: object, study: rb.Study, name: str) -> str:
    """Return name, label and band of an indicator, in 2022 or from 2010 to 2022."""
    grows = name.startswith(("growth_", "ramp_"))
    found = rb.indicators(fit, name, years=(2010, 2022) if grows else 2022, study=study)
    one = found["value"].isel(indicator=0)
    band = rb.bands(one)
    text = format_band(*(float(band[end]) for end in ("median", "lower", "upper")))
    when = "2010-2022" if grows else "2022"
    return f"`{name}`, {when}: {text}. {one['label'].item()}."


def simulated_text(result: object) -> str:
    """Bands of the simulated survey beside the shares it was drawn from."""
    lines = ["| statement | answer | n | effective n | found | band | drawn from |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for _, row in result.shares[result.shares["group"] == "all"].iterrows():
        band = f"{100 * row['median']:.0f} ({100 * row['lower']:.0f} to {100 * row['upper']:.0f}) %"
        cells = (
            row["statement"], row["answer"], f"{row['n']:.0f}", f"{row['n_effective']:.0f}",
            f"{100 * row['share']:.0f} %", band,
            f"{100 * truth_of(row['statement'], row['answer']):.0f} %",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| first | second | P(first above second) | tell them apart |",
        "|---|---|---|---|",
    ]
    for _, row in result.ahead.iterrows():
        cells = (
            row["first"], row["second"], f"{row['p_first_above']:.2f}",
            f"{row['differ']} of {row['n']}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main(file: str) -> None:
    """Write the tables and figures of the page."""
    if file == "--simulate":
        write_simulated()
        return
    study = rb.read_study()
    fit = redescribed(rb.open_fit(file), study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rb.StudyWarning)  # the page says it
        printed = rb.survey("reevolution")
    answers = rb.survey("simulated_answers", "simulated_population")
    (HERE / "survey_tables.md").write_text(printed_text(printed, fit, study), encoding="utf-8")
    (HERE / "survey_simulated.md").write_text(simulated_text(answers), encoding="utf-8")
    rb.plot_survey(printed).savefig(HERE / "survey_printed.png", dpi=110)
    rb.plot_survey(answers, title="Simulated answers").savefig(HERE / "survey_bands.png", dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
