"""``survey``: what those who were asked say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from reebayes.cli.console import DONE, say, say_written
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_seed,
    named_folder,
    spare_folder,
)

FORMATS = ("png", "svg", "pdf")


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"survey": _add_survey}


# --- survey ---------------------------------------------------------------------------------------


def survey(*, file: Path, population: Path | None, out: Path | None, format: str, seed: int) -> int:
    """Tell the shares of a survey, and write them as tables and a figure."""
    from reebayes.elicitation.surveys import survey as survey_of
    from reebayes.files import make_folder, sole_writer

    folder = named_folder(out) if out else None
    if folder is not None:
        spare_folder(folder, [file])
    result = survey_of(file, population, seed=seed)
    say(result.summary)
    if folder is None:
        return DONE
    from reebayes.figures.shares import plot_survey
    from reebayes.files import write_whole
    from reebayes.reporting.spreadsheets import write_csv

    tables = {"shares": result.shares, "ahead": result.ahead, "curve": result.curve}
    make_folder(folder)
    with sole_writer(folder):
        paths = write_csv({name: table for name, table in tables.items() if len(table)}, folder)
        save: Callable[[Path], None] = partial(plot_survey(result).savefig, format=format, dpi=150)
        paths.append(write_whole(folder / f"survey.{format}", save))
    say_written(paths)
    return DONE


def _add_survey(commands: Commands) -> None:
    parser = add_command(
        commands, survey,
        brief="tell the shares of a survey with bands, or what printed ones leave open",
        text="Compute the shares of an answer sheet (respondent, statement, answer; group and "
        "weight where known)\nwith bands, groups pooled as far as they are alike. Of printed "
        "percentages (statement, share) without\na number of respondents there is no band: the "
        "curve tells what it would be for any number.",
        example="reebayes survey simulated_answers --population simulated_population --out survey",
    )  # fmt: skip
    parser.add_argument(
        "file", type=Path, metavar="FILE",
        help="answer sheet or printed shares as CSV, or one that comes along: reevolution, "
        "simulated_answers",
    )  # fmt: skip
    parser.add_argument(
        "--population", type=Path, metavar="FILE",
        help="how many there are of each group (group, count), for poststratification",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="write tables and a figure there")
    parser.add_argument(
        "--format", choices=FORMATS, default="png", help="of the figure (default: png)"
    )
    add_seed(parser)
