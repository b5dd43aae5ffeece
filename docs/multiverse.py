"""Write the table of the declared multiverse: python docs/multiverse.py.

Reads `data/multiverse.json`, which `reebayes study multiverse.toml --out DIR` left as
`DIR/multiverse.json`, and writes multiverse_tables.md: what comes of all choices together, and of
each by itself. Nothing is written for a file of another study than the bundled one.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from writing import table

import reebayes as rb
from reebayes.results.multiverse import Multiverse
from reebayes.wording import format_band, format_value

HERE = Path(__file__).parent
KEPT = HERE.parent / "data" / "multiverse.json"


def main() -> None:
    """Write the table, if it is of the study as it stands."""
    found, study = rb.read_multiverse(KEPT), rb.read_study()
    if found.study_hash != study.hash:
        sys.exit(f"{KEPT} is of another study: run `reebayes study multiverse.toml` again.")
    names = list(found.answers)
    together = (
        [f"`{name}`", format_band(*one.single), format_band(*one.mixture),
         " to ".join(map(format_value, one.medians))]
        for name, one in found.answers.items()
    )  # fmt: skip
    head = ("sum 2000-2022, kt REO", "the study by itself", "all choices", "medians")
    text = [table(head, together), table(("choice", "weight", *names), members(found, names))]
    (HERE / "multiverse_tables.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def members(found: Multiverse, names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Every member by itself, in its first group."""
    for key, group in found.groups.items():
        yield [f"*{group['label']}*", *[""] * (len(names) + 1)]
        for name, one in found.members.items():
            if key in one.groups and name != "base":
                bands = (format_band(*one.answers[quantity]) for quantity in names)
                yield [f"`{name}`", f"{one.weight:.3f}", *bands]


if __name__ == "__main__":
    main()
