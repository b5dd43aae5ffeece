"""Turn elicited quantiles into priors.csv: python data/elicit_priors.py [--write] [DIR].

elicitation.csv states what is believed as quantiles that a person can judge: the target lies
below ``low``, ``middle`` and ``high`` with 5, 50 and 95 % probability, in ``unit``. A bias or a
route is a factor, of the figure or of the odds. ``change`` is the factor within which flow, odds
or figure stay from one year to the next, nine times in ten; it is empty where nothing changes.
The quantiles of a share hold while the flows beside it keep their proportions to one another.

Each row becomes a row of priors.csv: the normal distribution of maximum entropy with that median
and 90 % between the outer quantiles, on the log scale, or on the log odds of a share. Without
--write, differences from the present priors.csv are listed, and the exit code is 1 if there are
any. With --missing, rows of priors.csv that elicitation.csv lacks are printed as statements, to
be judged and added.
"""

import argparse
import csv
import io
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import preliz as pz

from reebayes.errors import StudyError
from reebayes.files import write_whole
from reebayes.study import Prior, read_study
from reebayes.study.drafts import COLUMNS
from reebayes.study.reading.cells import Cells
from reebayes.study.reading.csvfiles import FaultList, Line, read_lines
from reebayes.study.rows import DISTRIBUTIONS

TABLE = "elicitation.csv"
PRIOR_COLUMNS = tuple(field.name for field in fields(Prior))
FACTORS = {"factor": "log scale", "factor of odds": "log odds"}
"""Units of statements about factors, and those of their logarithms in priors.csv."""

MASS = 0.9
NORMAL_95 = 1.6449  # standard normal quantile of 95 %


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody believes of one target, as quantiles."""

    target: str
    year: int | None
    year_end: int | None
    distribution: str
    low: float
    middle: float
    high: float
    change: float | None
    unit: str
    whose: str
    source: str
    note: str = ""


# --- statements -----------------------------------------------------------------------------------


def read_statements(path: Path) -> list[Statement]:
    """Read elicitation.csv, or raise every fault of it at once."""
    found = FaultList(path.name)
    columns = [field.name for field in fields(Statement)]
    lines = read_lines(path, columns, (), found)
    statements = [_statement(line, found) for line in lines if not line.broken]
    if found.faults:
        raise StudyError(sorted(found.faults, key=lambda fault: fault.row or 0))
    return statements


def _statement(line: Line, found: FaultList) -> Statement:
    cells = Cells(line, found)
    stated = Statement(
        target=cells.name("target"),
        year=cells.year("year"),
        year_end=cells.year("year_end"),
        distribution=cells.choice("distribution", DISTRIBUTIONS),
        low=cells.needed_number("low", 0.4),
        middle=cells.needed_number("middle", 0.5),
        high=cells.needed_number("high", 0.6),
        change=cells.number("change"),
        unit=cells.needed("unit"),
        whose=cells.needed("whose"),
        source=cells.name("source"),
        note=cells.text("note"),
    )
    if not cells.bad:
        for column, message in _faults(stated):
            found.add(line.row, column, line.cells[column], message)
    return stated


def _faults(stated: Statement) -> Iterable[tuple[str, str]]:
    low, middle, high = stated.low, stated.middle, stated.high
    known = low == middle == high
    if not known and not low < middle < high:
        yield "middle", f"{middle:g} is not between {low:g} and {high:g}"
    if low <= 0:
        yield "low", f"{low:g} is not above 0"
    if stated.distribution == "share" and high >= 1:
        yield "high", f"share {high:g} is not below 1"
    if (stated.distribution == "normal") != (stated.unit in FACTORS):
        yield "unit", f"a normal prior is stated in one of {', '.join(FACTORS)}, others are not"
    if stated.change is not None and stated.change <= 1:
        yield "change", f"{stated.change:g} is not above 1; leave it empty if nothing changes"


# --- priors ---------------------------------------------------------------------------------------


def prior_of(stated: Statement) -> Prior:
    """Return the prior that a statement amounts to, rounded as priors.csv is."""
    on_log = stated.distribution == "normal"
    return Prior(
        target=stated.target,
        year=stated.year,
        year_end=stated.year_end,
        distribution=stated.distribution,
        median=round(math.log(stated.middle), 2) + 0.0 if on_log else stated.middle,
        sd=round(spread(stated), 2),
        step=None if stated.change is None else round(math.log(stated.change) / NORMAL_95, 2),
        unit=FACTORS.get(stated.unit, stated.unit),
        source=stated.source,
        note=stated.note,
    )


def spread(stated: Statement) -> float:
    """Return the standard deviation, on the log or log-odds scale, that fits the quantiles."""
    scale = scale_of(stated.distribution)
    low, middle, high = (scale(value) for value in (stated.low, stated.middle, stated.high))
    return 0.0 if low == high else _fitted_spread(low, middle, high)


@cache
def _fitted_spread(low: float, middle: float, high: float) -> float:
    # The median is given as a parameter: maxent's fixed_stat only penalises it, and may miss it.
    fitted = pz.maxent(pz.Normal(mu=middle), lower=low, upper=high, mass=MASS, plot=False)
    return float(fitted.sigma)


def scale_of(distribution: str) -> Callable[[float], float]:
    """Return what takes a quantile to the scale on which the prior is normal."""
    return _log_odds if distribution == "share" else math.log


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def statement_of(prior: Prior) -> Statement:
    """Return a prior as quantiles, with as few digits as lead back to it."""
    inverse = _share if prior.distribution == "share" else math.exp
    scale = scale_of(prior.distribution)
    middle = prior.median if prior.distribution == "normal" else scale(prior.median)
    exact = [inverse(middle + shift * prior.sd) for shift in (-NORMAL_95, 0, NORMAL_95)]
    step = None if prior.step is None else math.exp(NORMAL_95 * prior.step)
    backward = {unit: factor for factor, unit in FACTORS.items()}
    for digits in range(2, 8):
        low, median, high = (float(f"{value:.{digits}g}") for value in exact)
        if prior.distribution != "normal":
            median = prior.median
        if prior.sd > 0 and not low < median < high:
            continue
        stated = Statement(
            target=prior.target,
            year=prior.year,
            year_end=prior.year_end,
            distribution=prior.distribution,
            low=low,
            middle=median,
            high=high,
            change=None if step is None else float(f"{step:.3g}"),
            unit=backward.get(prior.unit, prior.unit),
            whose="authors",
            source=prior.source,
            note=prior.note,
        )
        if prior_of(stated) == prior:
            return stated
    raise ValueError(f"prior of {prior.target!r} has more digits than a statement")


def _share(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


# --- files and differences ------------------------------------------------------------------------


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
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--write", action="store_true", help="rewrite priors.csv whole")
    parser.add_argument("--missing", action="store_true", help="print statements that are lacking")
    arguments = parser.parse_args(argv)
    try:
        return _run(arguments.directory, write=arguments.write, lacking=arguments.missing)
    except StudyError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _run(folder: Path, *, write: bool, lacking: bool) -> int:
    path = folder / TABLE
    if lacking:
        statements = read_statements(path) if path.exists() else []
        rows = [astuple(item) for item in missing(statements, read_study(folder).priors)]
        sys.stdout.write(table_text([field.name for field in fields(Statement)], rows))
        return 0
    priors = [prior_of(item) for item in read_statements(path)]
    found = differences(read_study(folder).priors, priors)
    sys.stdout.write("".join(f"{line}\n" for line in found) or "priors.csv agrees.\n")
    if not write:
        return int(bool(found))
    data = table_text(PRIOR_COLUMNS, map(astuple, priors)).encode()
    _check(folder, data)
    write_whole(folder / "priors.csv", lambda part: part.write_bytes(data))
    return 0


def _check(folder: Path, priors: bytes) -> None:
    """Raise every fault that a study would have with these priors."""
    with TemporaryDirectory() as trial:
        for name in ("study.toml", *COLUMNS):
            shutil.copy(folder / name, trial)
        Path(trial, "priors.csv").write_bytes(priors)
        read_study(trial)


if __name__ == "__main__":
    sys.exit(main())
