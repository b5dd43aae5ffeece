"""``map`` and ``partners``: trade between partners as a picture, and as tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reebayes.cli.console import DONE, say, say_written
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_fit_file,
    add_with,
    named_folder,
    opened,
    spare_folder,
    study_as_now,
    year_number,
)
from reebayes.wording import format_band

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("svg", "pdf", "png")


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"map": _add_map, "partners": _add_partners}


def map(
    *,
    file: Path,
    verify: bool,
    years: Sequence[int] | None,
    goods: Sequence[str],
    format: Sequence[str],  # the option's name
    data: Path | None,
    extensions: Sequence[str],
    out: Path,
) -> int:
    """Write maps of the trade between partners."""
    from reebayes.figures.maps import save_map
    from reebayes.files import make_folder, sole_writer
    from reebayes.results.description import study_of
    from reebayes.results.reading import contents_of

    folder = named_folder(out)
    spare_folder(folder, [file])
    with closing(opened(file, verify=verify)) as fit:
        contents = contents_of(fit)
        study = study_as_now(data, extensions) or study_of(contents)
        make_folder(folder)
        with sole_writer(folder):
            paths = []
            for name in dict.fromkeys(goods or [""]):
                for year in dict.fromkeys(years or contents.years):
                    for form in dict.fromkeys(format):
                        path = folder / f"{_stem(year, name)}.{form}"
                        paths.append(save_map(contents, path, year, product=name, study=study))
    say_written(paths)
    return DONE


def _stem(year: int, goods: str) -> str:
    return "_".join(filter(None, ("map", goods.replace("/", "-"), str(year))))


def partners(
    *,
    file: Path,
    verify: bool,
    years: Sequence[int] | None,
    goods: str | None,
    data: Path | None,
    extensions: Sequence[str],
    out: Path | None,
) -> int:
    """Tell the trade between partners, and what exporter and importer recorded of it."""
    from reebayes.answers.partners import mirror_table, trade_table
    from reebayes.files import make_folder, sole_writer
    from reebayes.reporting.spreadsheets import write_csv
    from reebayes.results.description import study_of
    from reebayes.results.reading import contents_of

    folder = named_folder(out) if out else None
    with closing(opened(file, verify=verify)) as fit:
        contents = contents_of(fit)
        study = study_as_now(data, extensions) or study_of(contents)
        trade = trade_table(contents, years, goods, study=study)
        mirror = mirror_table(contents, years, study=study)
        mirror = mirror[mirror["goods"] == (goods or "")]
    shown = list(years or contents.report.get("table_years") or contents.years[:1])
    say(_text(trade, mirror, shown))
    if folder is not None:
        make_folder(folder)
        with sole_writer(folder):
            say_written(write_csv({"trade": trade, "mirror": mirror}, folder))
    return DONE


def _text(trade: pd.DataFrame, mirror: pd.DataFrame, years: Sequence[int]) -> str:
    """One line a lane and year: band, how records see it, and both customs' figures."""
    figures = {(row.quantity, row.year): row for row in _rows(mirror)}
    lines = []
    for year in years:
        lines.append(f"{year} [{trade['unit'].iloc[0]}]")
        for row in _rows(trade[trade["year"] == year]):
            band = format_band(row.median, row.lower, row.upper)
            line = f"  {row.origin} to {row.destination}: {band}, {row.seen}"
            told = figures.get((row.quantity, year))
            for who in ("exporter", "importer") if told else ():
                value = getattr(told, who)
                line += f"; {who} {value:.3g}" if value == value else ""
            lines.append(line)
    return "\n".join(lines)


def _rows(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


def _add_map(commands: Commands) -> None:
    parser = add_command(
        commands, map,
        brief="draw maps of the trade between partners",
        text="Draw the trade between partners of a year as a map: arrows as wide as what flows, "
        "with bands, on\noutlines that come along. The study must tell partners apart, as the "
        "bundled one does with the\nextension partners.",
        example="reebayes map results/partners.nc --years 2005 2022 --out maps --format svg png",
    )  # fmt: skip
    add_fit_file(parser)
    _add_years(parser)
    parser.add_argument(
        "--goods", nargs="+", default=[], metavar="NAME",
        help="goods of lanes.csv, such as compounds (default: all together)",
    )  # fmt: skip
    parser.add_argument(
        "--format", nargs="+", choices=FORMATS, default=["svg"], metavar="FORMAT",
        help="svg, pdf, png: one or several (default: svg)",
    )  # fmt: skip
    _add_data(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")


def _add_partners(commands: Commands) -> None:
    parser = add_command(
        commands, partners,
        brief="tell the trade between partners, beside both customs' figures",
        text="Tell what flows between partners, with bands, how records see it, and what the "
        "customs of both sides\nrecorded.",
        example="reebayes partners results/partners.nc --years 2010 2022 --out tables",
    )  # fmt: skip
    add_fit_file(parser)
    _add_years(parser)
    parser.add_argument("--goods", metavar="NAME", help="goods of lanes.csv (default: all)")
    _add_data(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the whole tables there")


def _add_years(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--years", nargs="+", type=year_number, metavar="Y", help="years (default: all)"
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="take partners and labels from the study as it is now (default: as fitted)",
    )  # fmt: skip
    add_with(parser)
