"""A first study of one's own: small, sound and commented, to be changed table by table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reebayes.errors import Fault, StudyError
from reebayes.files import write_text_whole
from reebayes.study.header.settings import TABLE, unit_message
from reebayes.study.schema import (
    CATALOGUE,
    FLOWS,
    PRIORS,
    PROCESSES,
    QUANTITIES,
    RECORDS,
    SOURCES,
)
from reebayes.wording import spans_text

MOST_YEARS = 150
"""Years of a study that anybody starts with; more are a slip."""

HEADER = """\
# A study is a directory: this file and the tables beside it. All figures in them are made up, so
# that it can be checked, fitted and reported as it is. Change one table at a time and check again:
#
#   reebayes check DIR                          every fault at once, and what to write instead
#   reebayes run --data DIR --out-dir results   check, fit, report
#
# processes.csv   nodes. market: material comes together and is split again; conversion: a mine or
#                 plant, whose outputs are products and losses; use, loss: where flows end;
#                 environment: nature, stocks, other countries: where flows begin, or end
# flows.csv       flows between two processes, with the years in which they can exist
# quantities.csv  sums of flows, or ratios of two sums: what figures are about
# catalogue.csv   readable names of quantities, and what they count
# records.csv     published figures; a row each, none where nobody published any
# priors.csv      what is assumed before the records: of every flow out of an environment, of all
#                 flows but one out of each market and conversion, of every reporter
# sources.csv     where records and priors come from; a judgement is a source too

name = "{name}"
unit = "{unit}"
first_year = {first}
last_year = {last}
notes = "Made-up figures of `reebayes init`, to be replaced."

# What the report shows; every key may be left out. docs/study_directory.md lists them all.
[report]
headline = ["consumption", "loss", "net_import_metal"]
limits = ["All figures of this study are made up."]
"""

FLOW_ROWS = (
    ("mined", "nature", "ore", "ore", "Ore mined"),
    ("ore_imported", "abroad", "ore", "ore", "Ore imported"),
    ("ore_exported", "ore", "abroad", "ore", "Ore exported"),
    ("ore_to_plant", "ore", "plant", "ore", "Ore to the plant"),
    ("refined", "plant", "metal", "metal", "Metal refined"),
    ("plant_loss", "plant", "residues", "residues", "Lost in refining"),
    ("metal_imported", "abroad", "metal", "metal", "Metal imported"),
    ("scrap_recycled", "old_products", "metal", "metal", "Metal from old scrap"),
    ("metal_exported", "metal", "abroad", "metal", "Metal exported"),
    ("metal_used", "metal", "use", "metal", "Metal used"),
)

PROCESS_ROWS = (
    ("nature", "environment", "Ore in the ground"),
    ("abroad", "environment", "Other countries"),
    ("old_products", "environment", "Products in use"),
    ("ore", "market", "Ore"),
    ("plant", "conversion", "Refining"),
    ("metal", "market", "Metal"),
    ("use", "use", "Use"),
    ("residues", "loss", "Residues"),
)

QUANTITY_ROWS = (
    ("mine_production", "num", "mined", 1),
    ("ore_imports", "num", "ore_imported", 1),
    ("metal_imports", "num", "metal_imported", 1),
    ("refinery_production", "num", "refined", 1),
    ("net_import_metal", "num", "metal_imported", 1),
    ("net_import_metal", "num", "metal_exported", -1),
    ("consumption", "num", "metal_used", 1),
    ("loss", "num", "plant_loss", 1),
    ("recovery", "num", "refined", 1),
    ("recovery", "den", "ore_to_plant", 1),
    ("share_recycled", "num", "scrap_recycled", 1),
    ("share_recycled", "den", "refined", 1),
    ("share_recycled", "den", "metal_imported", 1),
    ("share_recycled", "den", "scrap_recycled", 1),
)

LABELS = (
    ("mine_production", "Mine production", "Content of the ore mined, before any loss."),
    ("ore_imports", "Imports of ore", ""),
    ("metal_imports", "Imports of metal", ""),
    ("refinery_production", "Refinery production", "Metal from ore; without scrap."),
    ("net_import_metal", "Net imports of metal", "Imports less exports; negative if exports lead."),
    ("consumption", "Consumption", "Metal that goes to first use."),
    ("loss", "Losses of refining", "No record counts them: they follow from the balance."),
    ("recovery", "Recovery of refining", "Metal out of the ore that a plant takes in."),
    ("share_recycled", "Recycled share", "Old scrap in the metal that comes to market."),
)

SOURCE_ROWS = (
    ("made_up", "Made-up figures of `reebayes init`; replace each by a figure and its source"),
    ("judgement_scale", "Judgement of NAME: the size of the flow, give or take a factor of 3"),
    ("judgement_shares", "Judgement of NAME: shares, with odds that may be out by a factor of 2"),
    ("judgement_reporters", "Judgement of NAME: the survey counts all; customs err by 10 %"),
)


def start_study(folder: str | Path, first: int, last: int, unit: str) -> Path:
    """Write a small commented study that can be checked, fitted and reported as it is.

    Parameters
    ----------
    folder : str or Path
        Directory, made if missing. It may hold nothing.
    first, last : int
        First and last year.
    unit : str
        Unit of flows, such as ``"kt Co/yr"``.

    Returns
    -------
    Path
        The directory.

    Raises
    ------
    StudyError
        If the directory is not empty, or the years or the unit are none; nothing is written then.
    ResultError
        If a file cannot be written.
    """
    folder = Path(folder)
    faults = [*_faults(folder, first, last, unit)]
    if faults:
        raise StudyError(faults)
    for name, text in _texts(first, last, unit).items():
        write_text_whole(folder / name, text)
    return folder


def _faults(folder: Path, first: int, last: int, unit: str) -> Iterator[Fault]:
    if folder.exists() and not folder.is_dir():
        yield Fault("study", None, "", str(folder), f"{folder} is a file; give a new directory")
    elif folder.is_dir() and any(folder.iterdir()):
        yield Fault("study", None, "", str(folder), f"{folder} is not empty; give a new directory")
    if not 1000 <= first <= last <= 9999 or last - first >= MOST_YEARS:
        message = f"years {first}-{last} are none of a study; write them like 2015-2020"
        yield Fault("study", None, "years", f"{first}-{last}", message)
    if message := unit_message(unit):
        yield Fault("study", None, "unit", unit, message)


def _texts(first: int, last: int, unit: str) -> dict[str, str]:
    """Return the text of every file, by name."""
    content = unit.removeprefix("kt ").removesuffix("/yr")
    span = spans_text([(first, last)])
    header = HEADER.format(name=f"{content}, a first study", unit=unit, first=first, last=last)
    flows = [(*row[:4], "true", span, row[4]) for row in FLOW_ROWS]
    return {
        TABLE: header,
        PROCESSES.file: _table(("process", "kind", "label"), PROCESS_ROWS),
        FLOWS.file: _table(
            ("flow", "source", "target", "product", "registered", "active", "label"), flows
        ),
        QUANTITIES.file: _table(("quantity", "part", "flow", "weight"), QUANTITY_ROWS),
        CATALOGUE.file: _table(("quantity", "label", "description"), LABELS),
        RECORDS.file: _table(
            ("record", "quantity", "year", "kind", "value", "low", "high", "unit", "sd", "reporter",
             "source", "note"),
            _records(range(first, last + 1), f"kt {content}", f"t {content}"),
        ),
        PRIORS.file: _table(
            ("target", "distribution", "median", "sd", "step", "unit", "source", "note"),
            _priors(unit, moving=last > first),
        ),
        SOURCES.file: _table(("source", "citation"), SOURCE_ROWS),
    }  # fmt: skip


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as CSV; text with a comma is quoted."""
    lines = [header, *rows]
    return "".join(",".join(map(_cell, line)) + "\n" for line in lines)


def _cell(value: object) -> str:
    text = str(value)
    return f'"{text}"' if "," in text else text


def _records(years: range, kt: str, t: str) -> list[tuple[object, ...]]:
    """Figures that rise slowly, and one of each kind that a beginner meets."""
    rows: list[tuple[object, ...]] = []
    for n, year in enumerate(years):
        grown = 1 + 0.03 * n
        wiggle = 1 + 0.04 * ((7 * n) % 5 - 2) / 2
        figures: Mapping[str, tuple[str, object, str, object, str, str]] = {
            "mine": ("mine_production", f"{10 * grown * wiggle:.3g}", kt, 0.05, "survey",
                     "sd is a fraction: 0.05 is 5 %"),
            "ore": ("ore_imports", f"{3.1 * grown / wiggle:.3g}", kt, 0.1, "customs", ""),
            "imports": ("metal_imports", f"{2100 * grown / wiggle:.3g}", t, 0.1, "customs",
                        "printed in tonnes"),
            "refinery": ("refinery_production", f"{10.5 * grown:.3g}", kt, 0.05, "survey", ""),
            "net": ("net_import_metal", f"{-1500 - 250 * n}", t, 400, "customs",
                    "may be negative: kind signed, and sd in the unit of the figure"),
        }  # fmt: skip
        for name, (quantity, value, unit, sd, reporter, note) in figures.items():
            kind = "signed" if name == "net" else "value"
            rows.append((f"{name}_{year}", quantity, year, kind, value, "", "", unit, sd, reporter,
                         "made_up", note if n == 0 else ""))  # fmt: skip
    first = years[0]
    rows.append(("recycled", "share_recycled", first, "range", "", 10, 25, "%", 0.2, "expert",
                 "made_up", "a range in per cent"))  # fmt: skip
    rows.append(("recovery", "recovery", first, "lower", "", 0.8, "", "fraction", 0.05, "expert",
                 "made_up", "a lower bound"))  # fmt: skip
    return rows


def _priors(unit: str, *, moving: bool) -> list[tuple[object, ...]]:
    step = 0.15 if moving else ""
    inputs = (("mined", 10, 0.7), ("ore_imported", 3, 1), ("metal_imported", 2, 1),
              ("scrap_recycled", 2, 1))  # fmt: skip
    shares = (("ore_exported", 10, 0.5), ("refined", 90, 0.5), ("metal_exported", 25, 0.5))
    rows: list[tuple[object, ...]] = [
        (name, "lognormal", median, sd, step, unit, "judgement_scale",
         "sd of the log; step: of the change between years" if name == "mined" else "")
        for name, median, sd in inputs
    ]  # fmt: skip
    rows += [
        (name, "share", median, sd, "", "%", "judgement_shares",
         "of what leaves its process; the flow without a row takes the rest"
         if name == "ore_exported" else "")
        for name, median, sd in shares
    ]  # fmt: skip
    log, source = "log scale", "judgement_reporters"
    rows += [
        ("bias:*", "normal", 0, 0.1, "", log, source, "of every reporter without a row"),
        ("bias:survey", "normal", 0, 0.02, "", log, source, "the anchor: a named reporter"),
        ("noise:*", "lognormal", 1, 0.3, "", "multiplier", source, "of all stated errors"),
        (
            "noise:floor",
            "lognormal",
            0.25,
            0,
            "",
            "share of variance",
            source,
            "what of a stated error stays, however well the figures agree",
        ),
    ]
    return rows
