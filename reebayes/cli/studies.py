"""``init``, ``check``, ``describe``, ``harmonise``: tables of a study, and records for them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from reebayes.cli.console import DONE, WRONG_INPUT, complain, say, say_written
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_data,
    add_directory,
    add_recalled,
    add_with,
    comma_separated,
    described,
    positive,
    spare,
    study_files,
    year_span,
)
from reebayes.study import describe_study, read_study, start_study
from reebayes.study.targets import NOISE_FLOOR
from reebayes.wording import install_line


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {
        "init": _add_init,
        "check": _add_check,
        "describe": _add_describe,
        "harmonise": _add_harmonise,
    }


def init(*, directory: Path, years: Sequence[int], unit: str) -> int:
    """Write a small study to begin with."""
    start_study(directory, years[0], years[-1], unit)
    say(
        f"{directory}: a small study with made-up figures, to be changed table by table.\n"
        f"study.toml says what each table is. Next: reebayes check {directory}; then\n"
        f"reebayes run --data {directory} --out-dir {directory}_results"
    )
    return DONE


def _add_init(commands: Commands) -> None:
    parser = add_command(
        commands, init,
        brief="write a small study to begin with",
        text="Write a small commented study into a new folder. It can be checked, fitted and "
        "reported as it\nis; its figures are made up, and are to be replaced table by table.",
        example='reebayes init cobalt --years 2015-2020 --unit "kt Co/yr"',
    )  # fmt: skip
    add_directory(parser, "folder to write, empty or new")
    parser.add_argument(
        "--years", type=year_span, required=True, metavar="Y-Y", help="a year, or first and last"
    )
    parser.add_argument(
        "--unit", required=True, metavar="UNIT",
        help="thousand tonnes of content a year, such as 'kt Co/yr'",
    )  # fmt: skip


def check(
    *, directory: Path, extensions: Sequence[str], recalled: bool, coverage: bool
) -> int:  # fmt: skip
    """Read the tables of a study, and list every fault."""
    study = read_study(directory, recalled=recalled, extensions=extensions)
    say(f"{described(study)}\nNo faults found.")
    if not study.priors.rows(str(NOISE_FLOOR)):
        say(
            f"priors.csv has no row '{NOISE_FLOOR}', so the variance floor is "
            f"{study.variance_floor:g}: noise leaves that share of every stated variance as it is."
        )
    if coverage:
        from reebayes.answers.availability import coverage_text

        say(f"\n{coverage_text(study)}")
    return DONE


def _add_check(commands: Commands) -> None:
    parser = add_command(
        commands, check,
        brief="check the tables of a study",
        text="Read all tables of a study and list every fault with its file, row, column and "
        "value.",
        example="reebayes check my_study --coverage",
    )  # fmt: skip
    add_directory(parser)
    add_with(parser)
    add_recalled(parser)
    parser.add_argument(
        "--coverage", action="store_true",
        help="print data availability, by quantity and by stage of each region",
    )  # fmt: skip


def describe(*, directory: Path, extensions: Sequence[str], out: Path | None) -> int:
    """Write a Data Package description of a study."""
    from reebayes.files import write_whole

    study = read_study(directory, extensions=extensions)
    out = out or study.path / "datapackage.json"
    spare(out, study_files(study))
    text = json.dumps(describe_study(study, out.parent), indent=2, ensure_ascii=False) + "\n"
    say_written([write_whole(out, lambda path: path.write_bytes(text.encode()))])
    return DONE


def _add_describe(commands: Commands) -> None:
    parser = add_command(
        commands, describe,
        brief="describe the tables of a study for other programs",
        text="Write a Data Package description of a study directory: the columns of every table "
        "with their\ntypes, constraints and keys, licences and sources.",
        example="reebayes describe my_study",
    )  # fmt: skip
    add_directory(parser)
    add_with(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.json",
        help="file to write, in DIR or a folder above it (default: datapackage.json in DIR)",
    )  # fmt: skip


def harmonise(
    *,
    files: Sequence[Path],
    imports: Sequence[Path],
    exports: Sequence[Path],
    codes: Path | None,
    areas: Path | None,
    quantities: Path | None,
    data: Path | None,
    extensions: Sequence[str],
    out: Path,
    rejected: Path | None,
    sd: float,
    misbooked: float,
    outlier: float,
    all_partners: bool,
    incomplete: Literal["reject", "bound"],
    strict: bool,
    fetch: Sequence[str] | None,
    years: Sequence[int],
    fetch_codes: Sequence[str] | None,
    key: str | None,
) -> int:
    """Turn customs files into records, and list every line that is not counted."""
    # Imported here: data frames take a while to load.
    from reebayes import customs
    from reebayes.files import sole_writer, write_whole
    from reebayes.reporting.spreadsheets import write_table

    study = read_study(data, extensions=extensions)
    given = [*files, *imports, *exports, *filter(None, (codes, areas, quantities))]
    spare(out, [*given, *study_files(study)])
    rejected = rejected or out.with_name(f"{out.stem}_rejected.csv")
    spare(rejected, [*given, *study_files(study), out])
    if fetch:
        span = range(years[0], years[-1] + 1)
        wanted = fetch_codes or customs.common_codes(codes, study)
        fetched = customs.fetch_comtrade(fetch, span, codes=wanted, folder=out.parent, key=key)
        files = [*files, *fetched]
    result = customs.harmonise(
        files, codes, study=study, areas=areas, quantities=quantities, imports=imports,
        exports=exports, sd=sd, misbooked=misbooked, outlier=outlier, all_partners=all_partners,
        incomplete=incomplete,
    )  # fmt: skip
    with sole_writer(out):
        write_whole(rejected, partial(write_table, result.rejected))
        say(f"{result.summary}\n{rejected}: written.")
        if strict and (result.rejected["outcome"] == "rejected").any():
            complain(f"Lines were not counted, so {out} was not written (--strict).")
            return WRONG_INPUT
        write_whole(out, partial(write_table, result.records))
    say_written([out])
    return DONE


def _add_harmonise(commands: Commands) -> None:
    parser = add_command(
        commands, harmonise,
        brief="turn customs files into records",
        text="Turn customs files, as downloaded from UN Comtrade, USITC DataWeb, Chinese "
        "customs,\nEurostat Comext or Japanese customs, or a plain table, into rows of "
        "records.csv; they may\nbe text, .xlsx, .gz or .zip. Every line that is not counted is "
        "listed with the reason.",
        example="reebayes harmonise comtrade.csv --imports gacc.csv --out my_records.csv",
    )  # fmt: skip
    _add_harmonise_files(parser)
    _add_harmonise_rules(parser)
    _add_fetching(parser)


def _add_harmonise_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="files as downloaded")
    for name in ("imports", "exports"):
        parser.add_argument(
            f"--{name}", nargs="+", type=Path, metavar="FILE", default=[],
            help=f"files of {name} that do not say so",
        )  # fmt: skip
    for name, default in (("codes", "hs_codes.csv"), ("areas", "customs_areas.csv"),
                          ("quantities", "customs_quantities.csv")):  # fmt: skip
        parser.add_argument(
            f"--{name}", type=Path, metavar="FILE", help=f"table to use (default: {default})"
        )
    add_data(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("customs_records.csv"), metavar="FILE.csv",
        help="rows for records.csv of a study (default: customs_records.csv)",
    )  # fmt: skip
    parser.add_argument(
        "--rejected", type=Path, metavar="FILE.csv",
        help="lines that are not counted, and why (default: beside the rows)",
    )  # fmt: skip


def _add_harmonise_rules(parser: argparse.ArgumentParser) -> None:
    for name, default, text in (
        ("sd", 0.05, "relative error of the weights themselves"),
        ("misbooked", 30.0, "error of any sum, in t of content"),
        (
            "outlier",
            4.0,
            "distance (z) of a unit value from the prices of what its code holds, "
            "beyond which a line is left out",
        ),
    ):
        parser.add_argument(
            f"--{name}", type=positive, default=default, metavar="X",
            help=f"{text} (default: {default:g})",
        )  # fmt: skip
    parser.add_argument(
        "--all-partners", action="store_true",
        help="the files hold every partner, though no total says so",
    )  # fmt: skip
    parser.add_argument(
        "--incomplete", choices=("reject", "bound"), default="reject",
        help="sums that lack partners, reporters or codes are left out, or lower bounds",
    )  # fmt: skip
    parser.add_argument(
        "--strict", action="store_true", help="exit 2 and write no rows if a line is not counted"
    )


def _add_fetching(parser: argparse.ArgumentParser) -> None:
    fetching = parser.add_argument_group(
        "fetching from UN Comtrade",
        f"needs: {install_line('comtrade')} in the clone, and your own key",
    )
    fetching.add_argument(
        "--fetch", type=comma_separated, metavar="REPORTERS",
        help="reporters by code, such as 156,842",
    )  # fmt: skip
    fetching.add_argument(
        "--years", type=year_span, default=[2022], metavar="Y-Y", help="years (default: 2022)"
    )
    fetching.add_argument(
        "--fetch-codes", type=comma_separated, metavar="CODES",
        help="codes (default: those of --codes)",
    )  # fmt: skip
    fetching.add_argument("--key", help="your key (default: $COMTRADE_API_KEY)")
