"""``elements``: which elements flows hold, by what ores are made of."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.cli.answers import add_data, add_out, add_years, span_of, write_tables
from reebayes.cli.console import DONE, say
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_fit_file,
    named_folder,
    opened,
    study_as_now,
)
from reebayes.wording import format_band, format_chance, format_value

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SHOWN = 6  # years that are printed, where the report names none; files hold all

ALONE = (("", "all"), ("flows", "compositions alone"), ("compositions", "flows alone"))
"""What is held, and what the band tells then."""


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"elements": _add_elements}


def elements(
    *,
    file: Path,
    verify: bool,
    names: Sequence[str],
    at: str,
    over: str,
    by: str,
    years: Sequence[int] | None,
    balance: bool,
    separated: bool,
    seed: int,
    data: Path | None,
    extensions: Sequence[str],
    out: Path | None,
) -> int:
    """Tell how much of some elements flows hold, and published figures beside."""
    from reebayes.answers import contained
    from reebayes.answers.layers import has_layers
    from reebayes.results.description import study_of
    from reebayes.results.reading import contents_of

    folder = named_folder(out) if out else None
    with closing(opened(file, verify=verify)) as fit:
        contents = contents_of(fit)
        study = study_as_now(data, extensions) or study_of(contents)
        asked = list(names) or None
        span = span_of(years)
        tables = {}
        # groups that are balanced have no uncertainty of one thing alone
        for held, told in ALONE[:1] if has_layers(contents) else ALONE:
            found = contained.elements(
                contents, asked, at, over=over, by=by, years=span, held=held,
                separated=separated, seed=seed, study=study,
            )  # fmt: skip
            tables[told] = _table(found)
            title, unknown = found.attrs["long_name"], found.attrs["unknown"]
        shown = contents.report.get("table_years") or contents.years[:: -(-23 // SHOWN)]
        say(f"{title} [{found.attrs['units']}], as oxides\n{_text(tables, shown)}")
        if unknown > 0:
            say(f"\nWhat {unknown:.1%} of it holds is not known: taken to be what the rest does.")
        say(f"\n{found.attrs['assumption']}")
        whole = _joined(tables)
        written = {"elements": whole}
        if balance:
            both = contained.element_balance(contents, asked, years=span, seed=seed, study=study)
            written["element_balance"] = _table(both["ratio"])
            say("\nSupply of all uses over what they are made of")
            say(_text({"all": written["element_balance"]}, shown))
        beside = contained.beside_elements(contents, study=study, seed=seed)
        if len(beside):
            written["published_elements"] = beside.reset_index()
            say(_published_text(beside))
    if folder is not None:
        write_tables(folder, written)
    return DONE


def _table(found: xr.DataArray) -> pd.DataFrame:
    """One row an element, year and origin, with its band."""
    from reebayes.results.summaries import bands

    table = bands(found).to_dataframe().reset_index()
    kept = [name for name in ("element", "origin", "year") if name in table]
    return table[[*kept, "median", "lower", "upper"]]


def _joined(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Bands of all, and of flows and compositions alone, side by side."""
    whole = tables["all"].copy()
    for told, table in tables.items():
        if told != "all":
            for column in ("lower", "upper"):
                whole[f"{column}_{told.replace(' ', '_')}"] = table[column]
    return whole


def _text(tables: dict[str, pd.DataFrame], shown: Sequence[int]) -> str:
    """One block an element: a band a year, and what it would be of one uncertainty alone."""
    first = next(iter(tables.values()))
    keys = [name for name in ("element", "origin") if name in first]
    others = {told: table for told, table in tables.items() if table is not first}
    lines = []
    for name, rows in first.groupby(keys, sort=False):
        lines.append(" from ".join(str(part) for part in name))
        for place, row in rows.iterrows():
            if "year" in row and row["year"] not in shown:
                continue
            when = f"  {row['year']}  " if "year" in row else "  "
            text = format_band(row["median"], row["lower"], row["upper"])
            alone = [
                f"{told} {_ends(table.loc[[place]].iloc[0])}" for told, table in others.items()
            ]
            lines.append(f"{when}{text}" + (f"   {', '.join(alone)}" if alone else ""))
    return "\n".join(lines)


def _ends(row: pd.Series) -> str:
    return f"{format_value(row['lower'])} to {format_value(row['upper'])}"


def _published_text(beside: pd.DataFrame) -> str:
    lines = [
        "\nPublished beside it, never fitted (P: that ours is at least as high, or a bound holds)"
    ]
    for _, row in beside.iterrows():
        years = f"{row['year']}" + ("" if row["year"] == row["year_end"] else f"-{row['year_end']}")
        stated = next(row[c] for c in ("value", "low", "high") if row[c] == row[c])
        sign = {"lower": "at least ", "upper": "at most "}.get(row["kind"], "")
        ours = format_band(row["median"], row["lower"], row["upper"])
        place = f"{row['at']} over {row['over']}" if row["over"] else row["at"]
        lines.append(
            f"  {row['elements']} in {place}, {years} [{row['unit']}]: {sign}{stated:g}; "
            f"ours {ours}, P {format_chance(row['p'])}"
        )
    return "\n".join(lines)


def _add_elements(commands: Commands) -> None:
    parser = add_command(
        commands, elements,
        brief="tell which elements flows hold",
        text="Tell how much of some elements a place holds, from what ores hold and where they "
        "were mined: bands,\nwhat they would be if flows or compositions were known, and published "
        "figures beside.\nWhat ores hold stands in compositions.csv and materials.csv.",
        example="reebayes elements results/fit.nc Nd+Pr --at mined_CN --over mined_world",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument(
        "names", nargs="*", metavar="ELEMENT", help="elements, or sums such as Nd+Pr (default: all)"
    )
    parser.add_argument(
        "--at", default="", metavar="PLACE",
        help="process, flow, quantity or sum of them (default: all that mines make)",
    )  # fmt: skip
    parser.add_argument(
        "--over", default="", metavar="PLACE", help="tell the share of what this place holds"
    )
    parser.add_argument(
        "--by", choices=("source", "region", "registered"), default="",
        help="tell origins apart (default: do not)",
    )  # fmt: skip
    parser.add_argument(
        "--balance", action="store_true",
        help="set supply of all uses beside what they are made of, too",
    )  # fmt: skip
    parser.add_argument(
        "--separated", action="store_true",
        help="answer behind separation, too, as if elements had stayed together",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the draws of compositions (default: 0)"
    )
    add_years(parser)
    add_data(parser)
    add_out(parser)
