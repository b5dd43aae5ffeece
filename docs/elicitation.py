"""Tables of the page on expert judgement, and the forms of its example: python docs/elicitation.py.

``--fill`` writes the forms of three experts in data/panel, who are invented: their answers stand
here. Without it the forms are pooled both ways, and what that gives is written to
elicitation_tables.md. Takes 10 seconds.
"""

import csv
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import reebayes as rb
from reebayes.elicitation.pooling import FEEDBACK, THE_POOL, THE_PRIOR
from reebayes.elicitation.quantiles import POOLS
from reebayes.wording import format_value

HERE = Path(__file__).parent
FORMS = HERE.parent / "data" / "panel"

HIDDEN, LOSS, REPORTER = "concentrate_CN_unregistered", "mine_loss_CN_registered", "bias:imcoa"

ANSWERS = {
    "invented expert A": {
        (HIDDEN, "2000"): {"low": "4", "middle": "11", "high": "26", "change": "1.5",
                           "reason": "invented: a count of pits"},
        (HIDDEN, "2018"): {"low": "5", "middle": "14", "high": "40", "change": "1.4"},
        (LOSS, ""): {"low": "0.4", "middle": "0.55", "high": "0.7"},
        (REPORTER, ""): {"low": "0.85", "middle": "1", "high": "1.2"},
    },
    "invented expert B": {
        (HIDDEN, "2000"): {"low": "12", "middle": "30", "high": "60", "change": "1.8",
                           "reason": "invented: what buyers say"},
        (HIDDEN, "2018"): {"low": "50", "middle": "70", "high": "110", "change": "1.3",
                           "reason": "invented: a trader's view"},
        (LOSS, ""): {"low": "0.5", "middle": "0.7", "high": "0.8"},
    },
    "invented expert C": {
        (HIDDEN, "2000"): {"chips": "5-10: 3; 10-20: 9; 20-40: 6; 40-80: 2",
                           "reason": "invented: twenty chips"},
        (HIDDEN, "2018"): {"chips": "2-5: 2; 5-10: 6; 10-20: 8; 20-40: 3; 40-80: 1"},
        (LOSS, ""): {"chips": "0.4-0.5: 3; 0.5-0.6: 6; 0.6-0.7: 7; 0.7-0.8: 4"},
    },
}  # fmt: skip


def filled(expert: str, study: rb.Study) -> list[list[str]]:
    """Return the rows of the form of an invented expert, header included."""
    with TemporaryDirectory() as folder:
        path, _ = rb.write_form(
            Path(folder) / "form.csv", study, [HIDDEN, LOSS, REPORTER], expert=expert
        )
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    for row in rows:
        row.update(ANSWERS[expert].get((row["target"], row["year"]), {}))
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def form_of(expert: str) -> Path:
    """Return where the form of an expert lies."""
    return FORMS / f"{expert.replace(' ', '_').lower()}.csv"


def pool_text(how: str) -> str:
    """What each expert, the pool and the prior say, and what is lost; experts are told once."""
    result = rb.pool([form_of(expert) for expert in ANSWERS], how)
    lines = [
        f"### {how.capitalize()} pool\n",
        "| target | whose | " + " | ".join(f"{100 * p:.0f} %" for p in FEEDBACK)
        + " | prior holds of the 90 % band |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    told = result.feedback
    if how != POOLS[0]:
        told = told[told["whose"].isin([THE_POOL, THE_PRIOR])]
    for _, row in told.iterrows():
        cells = [format_value(row[f"p{round(100 * p):02}"]) for p in FEEDBACK]
        held = "" if row["held"] != row["held"] else f"{100 * row['held']:.0f} %"
        about = f"`{row['target']}`, {row['unit']}"
        lines.append(f"| {about} | {row['whose']} | {' | '.join(cells)} | {held} |")
    lines += ["", "| target | between experts | bands that do not meet | loss of the prior |",
              "|---|---|---|---|"]  # fmt: skip
    for _, row in result.targets.iterrows():
        apart = row["apart"] or "none"
        lines.append(
            f"| `{row['target']}` | {100 * row['between']:.0f} % | {apart} | "
            f"{100 * row['loss']:.1f} % |"
        )
    return "\n".join([*lines, ""])


def main(*arguments: str) -> None:
    """Write the forms, or the tables of the page."""
    if "--fill" in arguments:
        study = rb.read_study()
        for expert in ANSWERS:
            with form_of(expert).open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(filled(expert, study))
        return
    text = "\n".join(pool_text(how) for how in POOLS)
    (HERE / "elicitation_tables.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
