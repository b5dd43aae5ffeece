"""priors.csv made of elicitation.csv: differences, statements that are lacking, the table anew.

Without ``--write``, differences from the present priors.csv are listed, and the exit code is 1 if
there are any. With ``--missing``, rows of priors.csv that elicitation.csv lacks are printed as
statements, to be judged and added.
"""

import argparse
import csv
import io
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from reebayes.elicitation.pooling import pooled_priors
from reebayes.elicitation.quantiles import (
    COLUMNS,
    POOLS,
    TABLE,
    TRANSITION,
    Pool,
    Statement,
    read_statements,
    statement_of,
)
from reebayes.errors import ReebayesError, StudyError
from reebayes.files import write_whole
from reebayes.study import EXTENSIONS, TABLE_FILES, Prior, own_priors, read_study, study_around

PRIOR_COLUMNS = tuple(field.name for field in fields(Prior))


def table_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table as the study's files are written."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_text(value) for value in row] for row in rows)
    return out.getvalue()


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def differences(old: Sequence[Prior], new: Sequence[Prior]) -> list[str]:
    """List what changes from one set of priors to the other."""
    before = {(prior.target, prior.year): prior for prior in old}
    after = {(prior.target, prior.year): prior for prior in new}
    lines = [f"- {_named(before[key])}" for key in before if key not in after]
    lines += [f"+ {_named(after[key])}" for key in after if key not in before]
    for key in before.keys() & after.keys():
        changed = [
            f"{name} {_text(getattr(before[key], name))} -> {_text(getattr(after[key], name))}"
            for name in PRIOR_COLUMNS
            if getattr(before[key], name) != getattr(after[key], name)
        ]
        if changed:
            lines.append(f"  {_named(after[key])}: {', '.join(changed)}")
    return sorted(lines, key=lambda line: line[2:])


def _named(prior: Prior) -> str:
    years = "" if prior.year is None else f" {prior.year}-{prior.year_end or prior.year}"
    return f"{prior.target}{years}"


def missing(statements: Iterable[Statement], priors: Iterable[Prior]) -> list[Statement]:
    """Return the priors that no statement is about, as statements."""
    stated = {(item.target, item.year) for item in statements}
    return [statement_of(prior) for prior in priors if (prior.target, prior.year) not in stated]


def main(argv: Sequence[str] | None = None) -> int:
    """Compare or rewrite; return 0 if priors.csv agrees or was written, 1 if not, 2 on a fault."""
    parser = argparse.ArgumentParser(
        prog="python -m reebayes.elicitation", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("directory", nargs="?", type=Path, help="of a study or an extension")
    parser.add_argument(
        "--study", type=Path, metavar="DIR",
        help="study that the directory adds to (default: for DIR/extensions/NAME, DIR)",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help="rewrite priors.csv whole")
    parser.add_argument("--missing", action="store_true", help="print statements that are lacking")
    parser.add_argument(
        "--pool", choices=POOLS, default=POOLS[0],
        help=f"how several experts are joined (default: {POOLS[0]})",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    try:
        folder = arguments.directory or read_study().path
        study = arguments.study or study_around(folder)
        return _run(
            folder, write=arguments.write, lacking=arguments.missing, study=study,
            how=arguments.pool,
        )  # fmt: skip
    except ReebayesError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _run(
    folder: Path, *, write: bool, lacking: bool, study: Path | None = None, how: Pool = "linear"
) -> int:
    path = folder / TABLE
    if lacking:
        statements = read_statements(path) if path.exists() else []
        lacked = missing(statements, _present(folder, study))
        columns = (*COLUMNS, TRANSITION)
        rows = [[getattr(item, name) for name in columns] for item in lacked]
        sys.stdout.write(_filled_text(columns, rows))
        return 0
    priors = pooled_priors(read_statements(path), how)
    try:
        found = differences(_present(folder, study), priors)
        sys.stdout.write("".join(f"{line}\n" for line in found) or "priors.csv agrees.\n")
    except StudyError:
        if not write:  # a study may lack just those priors that are about to be written
            raise
    if not write:
        return int(bool(found))
    data = _filled_text(PRIOR_COLUMNS, list(map(astuple, priors))).encode()
    _check(folder, study, data)
    write_whole(folder / "priors.csv", lambda part: part.write_bytes(data))
    return 0


def _filled_text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a table, without its last column where no row has it."""
    if any(row[-1] is not None for row in rows):
        return table_text(header, rows)
    return table_text(header[:-1], [row[:-1] for row in rows])


def _present(folder: Path, study: Path | None) -> Sequence[Prior]:
    """Priors that stand in a directory: all of a study, or those of an extension alone."""
    return read_study(folder).priors if study is None else own_priors(folder)


def _check(folder: Path, study: Path | None, priors: bytes) -> None:
    """Raise every fault that a study would have with these priors."""
    with TemporaryDirectory() as trial:
        for name in TABLE_FILES:
            if (folder / name).exists():  # some tables may be left out
                shutil.copy(folder / name, trial)
        if (folder / EXTENSIONS).is_dir():  # variants may add them
            shutil.copytree(folder / EXTENSIONS, Path(trial) / EXTENSIONS)
        Path(trial, "priors.csv").write_bytes(priors)
        if study is None:
            read_study(trial)
            return
        try:
            read_study(study, extensions=[Path(trial)])
        except StudyError as error:
            # told of the directory that is there, not of the trial
            at, there = Path(trial).as_posix(), folder.as_posix()
            raise StudyError(
                replace(fault, table=fault.table.replace(at, there)) for fault in error.faults
            ) from error
