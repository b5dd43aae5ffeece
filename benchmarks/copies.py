"""Larger studies to measure with: the bundled one several times side by side, as a directory.

``python -m benchmarks.copies 10 DIR`` writes ten copies, each with regions, flows, records and
priors of its own. With ``--linked`` every copy sends oxides to the next, the last one to the first,
so that no copy can be taken for a study by itself.
"""

import argparse
import csv
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from reebayes.study import read_study
from reebayes.study.targets import BIAS, EVERY, NOISE, RESERVED, ROUTE, SHARED, Target

type Row = dict[str, str]

LINK_MARKET, LINK_PRODUCT = "market_RW_oxide", "oxide"
LINK_SHARE, LINK_SOURCE = "0.02", "judgement-trade-steps"
_LISTS = ("shared",)
_NAMES = {
    "processes.csv": ("process", "region"),
    "flows.csv": ("flow", "source", "target"),
    "quantities.csv": ("quantity", "flow"),
    "records.csv": ("record", "quantity", "reporter", "shared", "composition"),
    "priors.csv": ("target",),
}
"""Columns of each table that hold names of a copy's own."""


def write_copies(
    times: int, folder: Path, *, linked: bool = False, study: Path | None = None
) -> Path:
    """Write a study several times side by side as one study directory.

    Parameters
    ----------
    times : int
        Number of copies.
    folder : Path
        Where to write; made if missing.
    linked : bool
        Whether the copies trade oxides in a ring.
    study : Path, optional
        The directory to copy, the bundled study by default.

    Returns
    -------
    Path
        The folder.
    """
    source = study or read_study().path
    folder.mkdir(parents=True, exist_ok=True)
    for table in _NAMES:
        fields, rows = _read(source / table)
        copied = list(_copied(table, rows, times))
        if linked and times > 1:
            copied += [dict.fromkeys(fields, "") | row for row in _links(table, times)]
        _write(folder / table, fields, copied)
    shutil.copy(source / "sources.csv", folder)
    header = (source / "study.toml").read_text("utf-8")
    # what follows the settings names flows and quantities of the one study
    head = re.split(r"^# What|^\[(?:package|report|variants)", header, maxsplit=1, flags=re.M)[0]
    (folder / "study.toml").write_text(head, encoding="utf-8")
    return folder


def _copied(table: str, rows: Sequence[Row], times: int) -> Iterator[Row]:
    for copy in range(times):
        for row in rows:
            if table == "priors.csv":
                target = _target(row["target"], copy)
                if copy and target == row["target"]:
                    continue  # what all copies have in common stands once
                yield row | {"target": target}
            else:
                own = [name for name in _NAMES[table] if name in row]
                yield row | {name: _renamed(name, row[name], copy) for name in own}


def _renamed(column: str, text: str, copy: int) -> str:
    if column in _LISTS:
        return ";".join(_shared(name.strip(), copy) for name in text.split(";") if name.strip())
    return _own(text, copy)


def _shared(name: str, copy: int) -> str:
    """A common error, or the bias of a reporter, that enters as it is or the other way round."""
    plain, bias = name.removeprefix("-"), f"{BIAS}:"
    sign = "-" if plain != name else ""
    if plain.startswith(bias):
        return f"{sign}{bias}{_own(plain.removeprefix(bias), copy)}"
    return f"{sign}{_own(plain, copy)}"


def _own(name: str, copy: int) -> str:
    return f"w{copy}_{name}" if name else ""


def _target(text: str, copy: int) -> str:
    """Target of a prior in a copy; what is no copy's own stays as it is."""
    target = Target.parse(text)
    if target.is_flow:
        return _own(text, copy)
    if target.group in (BIAS, NOISE, SHARED):
        return (
            text
            if target.name in (EVERY, *RESERVED)
            else str(Target(target.group, _own(target.name, copy)))
        )
    if target.group == ROUTE:
        regions = target.name.split(":")
        own = [name if name == "unregistered" else _own(name, copy) for name in regions]
        return str(Target(ROUTE, ":".join(own)))
    return text


def _links(table: str, times: int) -> Iterator[Row]:
    """Rows of the flows that tie each copy to the next."""
    for copy in range(times):
        name, following = f"link_{copy}", (copy + 1) % times
        if table == "flows.csv":
            yield {
                "flow": name, "source": _own(LINK_MARKET, copy),
                "target": _own(LINK_MARKET, following), "product": LINK_PRODUCT,
                "registered": "true", "active": "2000-2022", "label": f"Oxides of copy {copy}",
            }  # fmt: skip
        elif table == "priors.csv":
            yield {
                "target": name, "distribution": "share", "median": LINK_SHARE, "sd": "0.5",
                "step": "0.1", "unit": "share", "source": LINK_SOURCE,
            }  # fmt: skip


def _read(path: Path) -> tuple[list[str], list[Row]]:
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows


def _write(path: Path, fields: Sequence[str], rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the copies that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="benchmarks.copies", description=__doc__)
    parser.add_argument("times", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--linked", action="store_true", help="copies trade with one another")
    options = parser.parse_args(argv)
    write_copies(options.times, options.folder, linked=options.linked)


if __name__ == "__main__":
    main()
