"""What is typed after a command: kinds of arguments, options of several commands, paths."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.cli.console import EXIT_CODES, complain
from reebayes.errors import ReebayesError
from reebayes.study import TABLE_FILES, Study, read_study
from reebayes.wording import install_line, listed, years_text

if TYPE_CHECKING:
    from xarray import DataTree

MOST_SEED = 2**32 - 1
MOST_DRAWS = 1_000_000

REFITS = ".refits.json"
"""Ending of the file beside a fit that holds the refits which a report shows."""

RUN_AGAIN = "Interrupted. Files that were finished are whole and stay; run it again to go on."

type Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"
type Adder = Callable[[Commands], None]


def add_command(
    commands: Commands,
    command: Callable[..., int],
    *,
    brief: str,
    text: str,
    example: str,
    interrupted: str = RUN_AGAIN,
) -> argparse.ArgumentParser:
    """Add a command under the name of its function.

    Parameters
    ----------
    commands : Commands
    command : callable
        Takes every option as a keyword, and returns an exit code.
    brief, text : str
        What it does, in the list of commands and in its own help.
    example : str
    interrupted : str
        What is said if it is interrupted.

    Returns
    -------
    ArgumentParser
        Where its arguments are to be added.
    """
    parser = commands.add_parser(
        command.__name__,
        help=brief,
        description=text,
        epilog=f"example:\n  {example}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=command, interrupted=interrupted)
    return parser


# --- options of several commands ------------------------------------------------------------------


def add_directory(
    parser: argparse.ArgumentParser,
    text: str = "folder with study.toml, or an example: rare_earths, zinc",
) -> None:
    """Add the folder of a study as an argument."""
    parser.add_argument("directory", type=Path, metavar="DIR", help=text)


def add_fit_file(parser: argparse.ArgumentParser) -> None:
    """Add the file of a fit as an argument."""
    parser.add_argument("file", type=file_name, metavar="FILE.nc", help="a fit of `reebayes fit`")
    parser.add_argument(
        "--verify", action="store_true",
        help="check every number of the file first, not only those that are used",
    )  # fmt: skip


def add_data(
    parser: argparse.ArgumentParser, of: str = "a study", default: str = "rare_earths"
) -> None:
    """Add the folder of a study as an option."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help=f"folder of {of}, or an example: rare_earths, zinc (default: {default})",
    )  # fmt: skip
    add_with(parser)


def add_with(parser: argparse.ArgumentParser) -> None:
    """Add the extensions of a study, any number of them."""
    parser.add_argument(
        "--with", dest="extensions", action="append", default=[], metavar="NAME",
        help="add an extension: its tables in extensions/NAME of the study, or in the folder NAME; "
        "may be given several times",
    )  # fmt: skip


def study_as_now(
    data: Path | None, extensions: Sequence[str], *, recalled: bool = False
) -> Study | None:
    """Read the study that a fit is to be told by, if one is given; None where its own will do."""
    if data is None and not extensions:
        return None
    return read_study(data, recalled=recalled, extensions=extensions)


def add_recalled(parser: argparse.ArgumentParser) -> None:
    """Add whether records count that nobody read in their source."""
    parser.add_argument(
        "--recalled", action="store_true",
        help="keep records of status 'recalled', which nobody read in their source",
    )  # fmt: skip


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add the random seed."""
    parser.add_argument(
        "--seed", type=whole_number(0, MOST_SEED), default=0, metavar="N",
        help="random seed (default: 0)",
    )  # fmt: skip


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Add the study that is fitted, and how it is sampled."""
    add_recalled(parser)
    add_data(parser)
    add_seed(parser)
    for name, least, text in (
        ("draws", 4, "draws a chain that are kept"),
        ("tune", 1, "draws a chain that tune the sampler and are dropped"),
        ("chains", 1, "independent chains"),
    ):
        kind = whole_number(least, MOST_DRAWS)
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=text)
    parser.add_argument(
        "--target-accept", type=acceptance, metavar="P",
        help="acceptance that steps are tuned for, such as 0.95 for smaller ones (default: 0.87)",
    )  # fmt: skip


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add who does the cases of a run."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=whole_number(1, MOST_DRAWS), metavar="N",
        help="processes (default: one a core)",
    )  # fmt: skip
    where.add_argument(
        "--scheduler", metavar="tcp://...",
        help=f"Dask cluster to use instead; needs: {install_line('distributed')} in the clone",
    )  # fmt: skip


# --- fits ----------------------------------------------------------------------------------------


def opened(file: Path, *, verify: bool) -> DataTree:
    """Open a fit, and warn of one that did not converge."""
    from reebayes.results.fitfile import open_fit

    fit = open_fit(file, verify=verify)
    if fit.attrs.get("converged") != "yes":
        complain(f"Warning: this fit did not converge. {fit.attrs.get('verdict', '')}")
    return fit


@contextmanager
def fit_and_study(
    file: Path, data: Path | None, extensions: Sequence[str], *, verify: bool, recalled: bool
) -> Iterator[tuple[DataTree, Study]]:
    """Open a fit with the study that it is to be told by: as it is now if given, or as fitted."""
    from reebayes.results.description import study_of

    with closing(opened(file, verify=verify)) as fit:
        study = study_as_now(data, extensions, recalled=recalled)
        yield fit, study_of(fit) if study is None else study


# --- kinds of arguments ---------------------------------------------------------------------------


def comma_separated(text: str) -> list[str]:
    """Split at commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def year_number(text: str) -> int:
    """Read a year of four digits."""
    if not re.fullmatch("[0-9]{4}", text):
        raise argparse.ArgumentTypeError(f"must be a year such as 2012, got {text!r}")
    return int(text)


def year_span(text: str) -> list[int]:
    """Read a year, or the first and last of several."""
    years = re.fullmatch("([0-9]{4})(?:-([0-9]{4}))?", text)
    if not years or (years[2] and years[1] > years[2]):
        raise argparse.ArgumentTypeError(
            f"must be a year or a span such as 2018-2020, got {text!r}"
        )
    return [int(year) for year in years.groups() if year]


def positive(text: str) -> float:
    """Read a number above 0."""
    try:
        value = float(text) if text.isascii() else -1.0
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def acceptance(text: str) -> float:
    """Read a mean acceptance of the sampler."""
    value = positive(text)
    if not 0.5 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"must be at least 0.5 and less than 1, got {text!r}")
    return value


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number within limits."""

    def read(text: str) -> int:
        # No number that is allowed has more digits, and very long ones take long to read.
        value = int(text) if re.fullmatch("[+-]?[0-9]{1,12}", text) else -1
        if not least <= value <= most:
            message = f"must be a whole number from {least} to {most}, got {text!r}"
            raise argparse.ArgumentTypeError(message)
        return value

    return read


def file_name(text: str) -> Path:
    """Read a path with a name, which what is written beside the file is named after."""
    path = Path(text)
    if not path.name:
        raise argparse.ArgumentTypeError(f"{text!r}: give the name of a file, not of a folder")
    return path


# --- paths and studies ----------------------------------------------------------------------------


def named_folder(out: Path) -> Path:
    """Return a folder by its name, where it is given as ``.`` or ``..``."""
    return out if out.name not in ("", "..") else out.resolve()


def spare(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write what is no plain file, or is read or written already."""
    from reebayes.files import plain_file

    _require_other(out, inputs)
    plain_file(out)


def spare_folder(out: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse to write into what is no folder, or is read already."""
    from reebayes.files import plain_folder

    _require_other(out, inputs)
    plain_folder(out)


def _require_other(out: Path, inputs: Iterable[Path]) -> None:
    if out.name in ("", ".."):
        raise ReebayesError(f"'{out}': give the name of a file, not of a folder.")
    for path in inputs:
        if os.path.realpath(out) == os.path.realpath(path) or (
            out.exists() and path.exists() and out.samefile(path)
        ):
            raise ReebayesError(f"{out} is another file of this command; write elsewhere.")


def study_files(study: Study) -> list[Path]:
    """Return the files that a study was read from, which nothing may be written over."""
    folders = (study.path, *study.extensions.values())
    return [folder / name for folder in folders for name in TABLE_FILES]


def described(study: Study) -> str:
    """Return the size of a study as a sentence."""
    counts = {
        "processes": len(study.processes),
        "flows": len(study.flows),
        "quantities": len(study.quantities),
        "records": len(study.records),
        "priors": len(study.priors),
        "sources": len(study.sources),
    }
    numbers = ", ".join(f"{count} {noun}" for noun, count in counts.items())
    added = f" With {listed(study.extensions)}." if study.extensions else ""
    return f"{study.name} ({years_text(study.years)}): {numbers}.{added}"
