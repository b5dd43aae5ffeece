"""Write the table of the declared multiverse: python docs/multiverse.py [COMPARISON].

Reads `data/multiverse.json`, which `reebayes study multiverse.toml --out DIR` left as
`DIR/multiverse.json`, and writes multiverse_tables.md: what comes of all choices together, and of
each by itself. Nothing is written for a file of another study than the bundled one. COMPARISON is
a folder that `reebayes compare --folds K` filled: the weights by which its scores would stack the
members that are among its variants, and have the records of the study, stand beside the declared.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from writing import table

import reebayes as rb
from reebayes.results.multiverse import Member, Multiverse
from reebayes.wording import format_band, format_value

HERE = Path(__file__).parent
KEPT = HERE.parent / "data" / "multiverse.json"


def main(comparison: str | None = None) -> None:
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
    stacked = stacking(comparison) if comparison else {}
    columns = ("choice", "weight", *(["stacked by K-fold"] if stacked else []), *names)
    text = [table(head, together), table(columns, members(found, names, stacked))]
    (HERE / "multiverse_tables.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def stacking(folder: str) -> dict[str, float]:
    """Stacking weights of the first score of a comparison, by the hash of the study."""
    scores = rb.read_comparison(folder).table
    first = scores[scores["score"] == scores["score"].iloc[0]].dropna(subset="weight")
    return dict(zip(first["study_hash"], first["weight"], strict=True))


def members(
    found: Multiverse, names: Sequence[str], stacked: Mapping[str, float]
) -> Iterator[Sequence[str]]:
    """Every member, in its first group; the study by itself, which is in all, before them."""
    rest = dict(found.members)
    base = rest.pop("base")

    def row(name: str, one: Member) -> list[str]:
        weight = stacked.get(one.hash)
        beside = ["" if weight is None else f"{weight:.2f}"] if stacked else []
        bands = (format_band(*one.answers[quantity]) for quantity in names)
        return [name, f"{one.weight:.3f}", *beside, *bands]

    yield row("*the study by itself*", base)
    for key, group in found.groups.items():
        yield [f"*{group['label']}*", *[""] * (len(names) + 1 + bool(stacked))]
        for name in [name for name, one in rest.items() if key in one.groups]:
            yield row(f"`{name}`", rest.pop(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
