"""``survey`` and ``elicit``: what those who were asked say, and what experts judge."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from reebayes.cli.console import DONE, say, say_written
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_data,
    add_seed,
    comma_separated,
    file_name,
    named_folder,
    positive,
    spare,
    spare_folder,
    study_files,
)
from reebayes.elicitation.quantiles import POOLS, Pool
from reebayes.errors import ReebayesError
from reebayes.study import read_study

FORMATS = ("png", "svg", "pdf")


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"survey": _add_survey, "elicit": _add_elicit}


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


# --- elicit ---------------------------------------------------------------------------------------


def elicit(
    *,
    files: Sequence[Path],
    form: Path | None,
    targets: Sequence[str],
    pool: Pool,
    weight: Sequence[tuple[str, float]],
    data: Path | None,
    extensions: Sequence[str],
    out: Path | None,
) -> int:
    """Write an empty form for experts, or pool the forms that they filled in."""
    from reebayes.elicitation.pooling import pool as pool_of

    if form is not None:
        return _write_form(form, files, targets, data, extensions)
    if not files:
        raise ReebayesError(
            "Give the forms that experts filled in, or --form FILE.csv to write an empty one."
        )
    folder = named_folder(out) if out else None
    if folder is not None:
        spare_folder(folder, files)
    result = pool_of(files, pool, weights=dict(weight))
    say(result.summary)
    if folder is None:
        return DONE
    from reebayes.elicitation.panels import check_panel, write_panel
    from reebayes.files import make_folder, sole_writer
    from reebayes.reporting.spreadsheets import write_csv

    if data is not None:
        check_panel(result, data, folder, extensions)
    make_folder(folder)
    with sole_writer(folder):
        paths = write_panel(result, folder, weights=dict(weight))
        told = {"feedback": result.feedback, "pooled": result.targets}
        paths += write_csv({name: table for name, table in told.items() if len(table)}, folder)
    say_written(paths)
    return DONE


def _write_form(
    form: Path,
    files: Sequence[Path],
    targets: Sequence[str],
    data: Path | None,
    extensions: Sequence[str],
) -> int:
    from reebayes.elicitation.forms import write_form
    from reebayes.files import sole_writer

    if files:
        raise ReebayesError("--form writes an empty form; give no filled ones with it.")
    study = read_study(data, extensions=extensions)
    spare(form, study_files(study))
    with sole_writer(form):
        paths = write_form(form, study, targets)
    say_written(paths)
    return DONE


def _weight(text: str) -> tuple[str, float]:
    """Read the weight of an expert."""
    expert, equals, number = text.rpartition("=")
    if not equals or not expert.strip():
        raise argparse.ArgumentTypeError(f"must be NAME=WEIGHT, got {text!r}")
    return expert.strip(), positive(number)


def _add_elicit(commands: Commands) -> None:
    parser = add_command(
        commands, elicit,
        brief="write a form for experts, or pool what several judged into priors",
        text="With --form, write an empty form that asks experts about priors of a study. Of forms "
        "that were filled\nin, tell what each expert, the pool and the prior that follows say, and "
        "where they disagree; --out\nwrites priors.csv with its sources as a folder that --with "
        "adds to a study.",
        example="reebayes elicit expert_a.csv expert_b.csv --pool linear --out panel",
    )  # fmt: skip
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FORM.csv",
        help="filled forms, or one elicitation.csv with a column expert",
    )  # fmt: skip
    parser.add_argument(
        "--form", type=file_name, metavar="FILE.csv", help="write an empty form and its guide"
    )
    parser.add_argument(
        "--targets", type=comma_separated, default=[], metavar="NAMES",
        help="what the form asks about, separated by commas (default: all flows and biases)",
    )  # fmt: skip
    parser.add_argument(
        "--pool", choices=POOLS, default=POOLS[0],
        help="mixture of the experts, or their geometric mean (default: linear)",
    )  # fmt: skip
    parser.add_argument(
        "--weight", action="append", type=_weight, default=[], metavar="NAME=X",
        help="weight of an expert; may be given several times (default: 1 each)",
    )  # fmt: skip
    add_data(parser, "the study that is asked about, and that pooled priors must fit")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the extension there")
