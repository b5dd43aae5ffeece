"""``indicators`` and ``origins``: what a fit says of dependence, and of where it came from."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.cli.console import DONE, say, say_written
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_fit_file,
    add_with,
    named_folder,
    opened,
    study_as_now,
    whole_number,
    year_span,
)
from reebayes.study.formulas import CONVENTIONS, TRUTH, USGS
from reebayes.wording import format_band, format_chance

if TYPE_CHECKING:
    import pandas as pd
    from xarray import DataTree

    from reebayes.results.selection import Span

SHOWN = 6  # years that are printed, where the report names none; files hold all


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"indicators": _add_indicators, "origins": _add_origins}


def indicators(
    *,
    file: Path,
    verify: bool,
    names: Sequence[str],
    convention: str,
    years: Sequence[int] | None,
    data: Path | None,
    extensions: Sequence[str],
    out: Path | None,
) -> int:
    """Tell the indicators of a fit, and published values beside them."""
    from reebayes.answers import indices
    from reebayes.results.description import study_of
    from reebayes.results.reading import contents_of

    folder = named_folder(out) if out else None
    with closing(opened(file, verify=verify)) as fit:
        contents = contents_of(fit)
        study = study_as_now(data, extensions) or study_of(contents)
        found = indices.indicators(
            contents, list(names) or None, convention, years=span_of(years), study=study
        )
        table = indices.indicator_table(found)
        shown = contents.report.get("table_years") or contents.years[:: -(-23 // SHOWN)]
        say(_indicator_text(table, shown))
        beside = indices.beside_indicators(contents, study=study)
        beside = beside[beside["indicator"].isin(found["indicator"].values)]
        if len(beside):
            say(_published_text(beside))
    if folder is not None:
        tables = {"indicators": table, "published_indicators": beside.reset_index()}
        write_tables(folder, tables)
    return DONE


def _indicator_text(table: pd.DataFrame, years: Sequence[int]) -> str:
    """One block an indicator: its label, and a band a year."""
    lines = []
    when = "year" if "year" in table else "years"
    chosen = table[table["year"].isin(years)] if when == "year" else table
    for name, rows in chosen.groupby("indicator", sort=False):
        first = rows.iloc[0]
        lines.append(f"{name}: {first['label']} [{first['unit']}]")
        lines += [f"  {row[when]}  {_value(row)}" for _, row in rows.iterrows()]
    return "\n".join(lines)


def _value(row: pd.Series) -> str:
    if row["unit"] == TRUTH:
        share = row["probability"]
        return "–" if share != share else f"P {format_chance(share)}"
    return format_band(row["median"], row["lower"], row["upper"])


def _published_text(beside: pd.DataFrame) -> str:
    lines = ["\nPublished beside it (P: that ours is at least as high, or that a bound holds)"]
    told = ""
    for name, row in beside.iterrows():
        years = (
            row["year"] if row["year"] == row["year_end"] else f"{row['year']}-{row['year_end']}"
        )
        stated = next(row[c] for c in ("value", "low", "high") if row[c] == row[c])
        sign = {"lower": "at least ", "upper": "at most "}.get(row["kind"], "")
        ours = format_band(row["median"], row["lower"], row["upper"])
        share = format_chance(row["p"])
        lines.append(f"  {name} {years}: {sign}{stated:g}; ours {ours}, P {share}")
        if row["definition"] != told:
            lines.append(f"    {row['definition']}")
        told = row["definition"]
    return "\n".join(lines)


def origins(
    *,
    file: Path,
    verify: bool,
    at: str,
    by: str,
    years: Sequence[int] | None,
    amounts: bool,
    bounds: str | None,
    draws: int,
    refined: str | None,
    data: Path | None,
    extensions: Sequence[str],
    out: Path | None,
) -> int:
    """Tell where the content at a place came from."""
    from reebayes.answers import tracing
    from reebayes.results.reading import contents_of
    from reebayes.results.summaries import bands

    folder = named_folder(out) if out else None
    with closing(opened(file, verify=verify)) as kept:
        fit = _as_now(kept, data, extensions)
        span = span_of(years)
        found = tracing.origins(fit, at, by, years=span, amounts=amounts, refined=refined)
        table = bands(found).to_dataframe().reset_index()
        shown = list(contents_of(fit).years) if span is None else None
        say(f"{found.attrs['long_name']} [{found.attrs['units']}]\n{_origin_text(table, shown)}")
        say(f"\n{tracing.MIXING}")
        tables = {"origins": table}
        if bounds is not None:
            least = tracing.origin_bounds(
                fit, at, bounds, by=by, years=span, draws=draws, refined=refined
            )
            tables["bounds"] = least.to_dataframe().reset_index()
            say(_bounds_text(tables["bounds"], bounds, at))
    if folder is not None:
        write_tables(folder, tables)
    return DONE


def _origin_text(table: pd.DataFrame, years: list[int] | None) -> str:
    lines = []
    for name, rows in table.groupby("origin", sort=False):
        origin = str(name)
        if years is None:
            row = rows.iloc[0]
            lines.append(f"  {origin}  {format_band(row['median'], row['lower'], row['upper'])}")
            continue
        label = rows["label"].iloc[0]
        lines.append(origin if label == origin else f"{origin}: {label}")
        some = rows[rows["year"].isin(years[:: max(1, len(years) // SHOWN)] + years[-1:])]
        lines += [
            f"  {row['year']}  {format_band(row['median'], row['lower'], row['upper'])}"
            for _, row in some.iterrows()
        ]
    return "\n".join(lines)


def _bounds_text(table: pd.DataFrame, origin: str, at: str) -> str:
    low, high = table["lower"].quantile(0.05), table["upper"].quantile(0.95)
    return (
        f"Without mixing, of {len(table)} draws: the share of {origin} at {at} lies between "
        f"{table['lower'].median():.2f} and {table['upper'].median():.2f} in the middle draw, and "
        f"between {low:.2f} and {high:.2f} in 9 of 10; mixed it is {table['mixed'].median():.2f}."
    )


# --- what both need -------------------------------------------------------------------------------


def _as_now(fit: DataTree, data: Path | None, extensions: Sequence[str]) -> DataTree:
    """A fit as its study describes it now, if a directory is given."""
    from reebayes.results.description import redescribed

    study = study_as_now(data, extensions)
    return fit if study is None else redescribed(fit, study)


def span_of(years: Sequence[int] | None) -> Span:
    """Return the years that were typed, as answers take them."""
    if not years:
        return None
    return years[0] if len(years) == 1 else (years[0], years[1])


def add_years(parser: argparse.ArgumentParser) -> None:
    """Add the option that names years."""
    parser.add_argument(
        "--years", type=year_span, metavar="Y[-Y]",
        help="one year, or several taken together (default: every year by itself)",
    )  # fmt: skip


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a study as it is now."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="take indicators, compositions and [report] from the study as it is now "
        "(default: as fitted)",
    )  # fmt: skip
    add_with(parser)


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a directory for tables."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the whole tables there")


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables as CSV files, and say where."""
    from reebayes.files import make_folder, sole_writer
    from reebayes.reporting.spreadsheets import write_csv

    make_folder(folder)
    with sole_writer(folder):
        paths: Iterable[Path] = write_csv(tables, folder)
    say_written(paths)


def _add_indicators(commands: Commands) -> None:
    parser = add_command(
        commands, indicators,
        brief="tell shares, concentration, import reliance and growth",
        text="Tell indicators of a fit with bands: shares, concentration (HHI), net import "
        "reliance, dependence,\ngrowth, and published values beside them. Which there are stands "
        "in indicators.csv of the study.",
        example="reebayes indicators results/fit.nc nir_US hhi_mined --convention physical",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument("names", nargs="*", metavar="NAME", help="indicators (default: all)")
    parser.add_argument(
        "--convention", choices=CONVENTIONS, default=USGS,
        help="usgs: stocks count, a net exporter has 0; eu: without stocks; physical: a net "
        "exporter is below 0 (default: usgs)",
    )  # fmt: skip
    add_years(parser)
    add_data(parser)
    add_out(parser)


def _add_origins(commands: Commands) -> None:
    parser = add_command(
        commands, origins,
        brief="tell where the content at a place came from",
        text="Trace the content of a process, flow or quantity to where it was mined or refined, "
        "through every\nloop, with bands; with --bounds, also without the assumption that what "
        "enters a process is mixed.",
        example="reebayes origins results/fit.nc --at use_US_magnets --by region --years 2022",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument("--at", required=True, metavar="PLACE", help="process, flow or quantity")
    parser.add_argument(
        "--by", choices=("source", "region", "registered", "refined_in"), default="source",
        help="how origins are told apart (default: source)",
    )  # fmt: skip
    add_years(parser)
    parser.add_argument("--amounts", action="store_true", help="amounts in place of shares")
    parser.add_argument(
        "--bounds", metavar="ORIGIN", help="bound the share of this origin without mixing"
    )
    parser.add_argument(
        "--draws", type=whole_number(1, 100_000), default=100, metavar="N",
        help="draws that are bounded (default: 100)",
    )  # fmt: skip
    parser.add_argument(
        "--refined",
        metavar="PRODUCT",
        help="product whose making is refining (default: the study's)",
    )
    add_data(parser)
    add_out(parser)
