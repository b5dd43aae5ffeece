"""The form that an expert fills in: written with a question for each target, and read back.

A row asks about one target: for three quantiles, or for chips laid into bins (roulette). Chips
become the normal distribution, on the scale of the prior, whose probabilities at the edges of the
bins are nearest to the shares of chips below them (least squares).

References: Oakley and O'Hagan, *SHELF: the Sheffield Elicitation Framework*, 2019 (both methods);
Johnson and others, *Journal of Clinical Epidemiology* 63, 2010 (chips and bins).
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from reebayes.elicitation.quantiles import (
    FACTORS,
    NORMAL_95,
    Statement,
    faults_of,
    scale_of,
    tell_of_panels,
    value_of,
)
from reebayes.errors import Fault, ResultError, StudyError
from reebayes.files import write_text_whole
from reebayes.study import Cells, FaultList, Line, Prior, Study, read_lines
from reebayes.study.targets import BIAS, FLOW, ROUTE, SHARED, Target
from reebayes.wording import suggestion

COLUMNS = ("expert", "target", "year", "year_end", "question", "unit", "low", "middle", "high",
           "chips", "change", "reason")  # fmt: skip
NEEDED, EXTRA = COLUMNS[:2] + COLUMNS[5:9], COLUMNS[2:5] + COLUMNS[9:]

SOURCE = "judgement-panel"
"""Key under which ``sources.csv`` names a panel."""

LEAST_CHIPS = 5
MOST_CHIPS = 1000
ASKED = (FLOW, BIAS)
"""Groups of targets that a form asks about where none is named: what an expert can judge."""

_NUMBER = r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?"
_BIN = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})\s*:\s*([0-9]+)")

GUIDE = """\
How to fill in the form

One row asks about one number. Leave a row empty if you cannot judge it; that says nothing, and is
better than a guess of nobody.

expert      your name, in the first row; rows below may stay empty
low         you would be surprised by less: only once in twenty would it be below
high        you would be surprised by more: only once in twenty would it be above
middle      as often above as below. Write low and high first, then the middle.
chips       instead of the three: lay some 20 chips into bins, as many into each as you believe in
            it, such as   5-10: 3; 10-20: 9; 20-40: 6; 40-80: 2
            each bin begins where the one before it ends
change      optional: from one year to the next it changes by less than this factor, nine times in
            ten, such as 1.3; empty if it stays or you cannot tell
reason      what you base it on; papers, visits, figures that you saw

Numbers have a decimal point and no thousands separators. A share is a fraction: 0.4 for 40 %.
A factor above 1 means more than what was, below 1 less.

Leave target, years, question and unit as they are, and save the file as CSV with commas.
"""


# --- writing --------------------------------------------------------------------------------------


def write_form(
    path: str | Path, study: Study, targets: Sequence[str] = (), *, expert: str = ""
) -> list[Path]:
    """Write an empty form for an expert, and beside it how to fill it in.

    Parameters
    ----------
    path : str or Path
        CSV file; the guide has the same name and the ending ``.txt``.
    study : Study
        Whose priors are asked for. The form does not show them: who sees a number stays near it.
    targets : sequence of str, optional
        Targets of ``priors.csv``; if left out all flows and all biases of reporters.
    expert : str
        Name to write into the form.

    Returns
    -------
    list of Path
        The form and the guide.

    Raises
    ------
    ResultError
        If the study has no prior of a target, or a file cannot be written.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study("zinc")
    >>> [path.name for path in rb.write_form("form.csv", study, ["mined"], expert="A. Expert")]
    ['form.csv', 'form.txt']
    """
    path = Path(path)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for prior in _asked(study, targets):
        unit = {log: factor for factor, log in FACTORS.items()}.get(prior.unit, prior.unit)
        years = ("" if year is None else year for year in (prior.year, prior.year_end))
        question = question_of(prior, study)
        writer.writerow([expert, prior.target, *years, question, unit, *[""] * 6])
        expert = ""
    guide = path.with_suffix(".txt")
    if guide == path:
        raise ResultError(
            f"{path}: give the form the ending .csv; the guide is the .txt beside it."
        )
    return [write_text_whole(path, out.getvalue()), write_text_whole(guide, GUIDE)]


def _asked(study: Study, targets: Sequence[str]) -> list[Prior]:
    known = list(dict.fromkeys(prior.target for prior in study.priors))
    for target in targets:
        if target not in known:
            raise ResultError(f"No prior of {target!r} in the study. {suggestion(target, known)}")
    return [
        prior
        for prior in study.priors
        if prior.sd > 0 and (prior.target in targets if targets else prior.about.group in ASKED)
    ]


def question_of(prior: Prior, study: Study) -> str:
    """Return what an expert is asked about a target, in words."""
    about = prior.about
    when = f" in a year of {prior.period}" if prior.period else " in a usual year"
    if prior.year is not None and prior.year == (prior.year_end or prior.year):
        when = f" in {prior.year}"
    if about.is_flow:
        flow = study.flows[about.name]
        what = flow.label or flow.flow.replace("_", " ")
        if prior.distribution == "share":
            node = study.processes[flow.source]
            origin = node.label or node.process
            return f"Of all that leaves '{origin}', which share goes to '{what}'{when}?"
        return f"How much is '{what}'{when}?"
    return _question_of_group(about, when)


def _question_of_group(about: Target, when: str) -> str:
    name = about.name
    whom = "a reporter without a row of its own" if name == "*" else f"'{name}'"
    if about.group == BIAS:
        return f"A figure of {whom} is which multiple of the truth{when}?"
    if about.group == ROUTE:
        return f"By which factor does the route {name} move the odds of trade{when}?"
    if about.group == SHARED:
        return f"By which factor are all figures that share the error '{name}' off?"
    return f"What is {about}?"


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """A filled row: its file and line, and the statement."""

    file: str
    row: int
    stated: Statement


def read_forms(paths: Iterable[Path], source: str = SOURCE) -> list[Statement]:
    """Read the forms of several experts, or raise every fault of all of them at once.

    Parameters
    ----------
    paths : iterable of Path
    source : str
        Key of ``sources.csv`` under which the panel is named.

    Returns
    -------
    list of Statement
        In the order of the forms; rows that were left empty say nothing.

    Raises
    ------
    StudyError
    """
    faults: list[Fault] = []
    rows: list[_Row] = []
    for path in dict.fromkeys(paths):
        found = FaultList(str(path))
        rows += _form_rows(path, found, source)
        faults += sorted(found.faults, key=lambda fault: fault.row or 0)
    if not faults:
        faults = _faults_of_panel(rows)
    if faults:
        raise StudyError(faults)
    return [row.stated for row in rows]


def _form_rows(path: Path, found: FaultList, source: str) -> list[_Row]:
    lines = [line for line in read_lines(path, NEEDED, EXTRA, found) if not line.broken]
    expert, rows = "", []
    for line in lines:
        cells = Cells(line, found)
        expert = cells.key("expert", needed=False) or expert
        if not _is_filled(line):
            continue
        if not expert and "expert" not in cells.bad:
            found.add(line.row, "expert", "", "nobody is named; write your name in the first row")
        stated = _stated(cells, found, expert, source)
        if stated is not None:
            rows.append(_Row(str(path), line.row, stated))
    if not rows and not found.faults:
        found.add(None, "", "", "no row is filled in; write low, middle and high, or chips")
    return rows


def _is_filled(line: Line) -> bool:
    return any(line.cells.get(column) for column in ("low", "middle", "high", "chips"))


def _stated(cells: Cells, found: FaultList, expert: str, source: str) -> Statement | None:
    """Return the statement of a filled row; None if it cannot be read."""
    target, unit = cells.name("target"), cells.needed("unit")
    distribution = "share" if unit == "share" else "normal" if unit in FACTORS else "lognormal"
    chips = cells.text("chips")
    years = cells.year("year"), cells.year("year_end")
    change, reason = cells.number("change"), cells.text("reason")
    note = "; ".join(filter(None, (reason, chips and f"chips {chips}")))
    if chips:
        three = _of_chips(cells, found, chips, distribution)
    else:
        three = (
            cells.needed_number("low", 0.4),
            cells.needed_number("middle", 0.5),
            cells.needed_number("high", 0.6),
        )
    if cells.bad or three is None:
        return None
    stated = Statement(
        target, *years, distribution, *three, change, unit, expert, source,
        note=note, expert=expert,
    )  # fmt: skip
    wrong = list(faults_of(stated))
    for column, message in wrong:
        found.add(cells.line.row, column, cells.line.cells.get(column, ""), message)
    return None if wrong else stated


def _of_chips(
    cells: Cells, found: FaultList, chips: str, distribution: str
) -> tuple[float, float, float] | None:
    """Return the quantiles that chips in bins amount to; None if they are no such bins."""
    row = cells.line.row
    filled = [name for name in ("low", "middle", "high") if cells.line.cells.get(name)]
    if filled:
        message = f"{' and '.join(filled)} and chips are both filled in; leave one of the two empty"
        found.add(row, "chips", chips, message)
        return None
    parts = [_BIN.fullmatch(part.strip()) for part in chips.split(";") if part.strip()]
    if not all(parts):
        message = f"{chips!r} are no bins; write them like 5-10: 3; 10-20: 9; 20-40: 6"
        found.add(row, "chips", chips, message)
        return None
    bins = [(float(m[1]), float(m[2]), int(m[3])) for m in parts if m]
    message = _fault_of_bins(bins, distribution)
    if message:
        found.add(row, "chips", chips, message)
        return None
    return quantiles_of_chips(bins, distribution)


def _fault_of_bins(bins: Sequence[tuple[float, float, int]], distribution: str) -> str:
    most = 1.0 if distribution == "share" else math.inf
    total = sum(chips for _, _, chips in bins)
    for low, high, _ in bins:
        if not low < high:
            return f"bin {low:g}-{high:g} has no width; write the lower edge first"
        if high > most:
            return f"bin {low:g}-{high:g} reaches beyond a share of 1"
    for (_, end, _), (begin, _, _) in pairwise(bins):
        if begin != end:
            return f"a bin ends at {end:g} and the next begins at {begin:g}; bins must touch"
    if not LEAST_CHIPS <= total <= MOST_CHIPS:
        return f"{total} chips are laid; lay some 20, at least {LEAST_CHIPS}"
    if len(_edges(bins)) < 2:
        return "chips lie in fewer than three bins; make bins narrower, so that they spread"
    return ""


def _edges(bins: Sequence[tuple[float, float, int]]) -> list[tuple[float, float]]:
    """Edges between bins with the share of chips below, where there are chips on both sides."""
    total, below, edges = sum(chips for _, _, chips in bins), 0, []
    for _, high, chips in bins[:-1]:
        below += chips
        if 0 < below < total:
            edges.append((high, below / total))
    return edges


def quantiles_of_chips(
    bins: Sequence[tuple[float, float, int]], distribution: str
) -> tuple[float, float, float]:
    """Return 5, 50 and 95 % quantiles of the normal distribution nearest to chips in bins.

    Parameters
    ----------
    bins : sequence of (low, high, chips)
        In order, each beginning where the one before it ends.
    distribution : str
        Form of the prior, which says on which scale the distribution is normal.

    Returns
    -------
    tuple of float
        With four significant digits.
    """
    from scipy import optimize, special

    scale, back = scale_of(distribution), value_of(distribution)
    edges, below = zip(*_edges(bins), strict=True)
    x, p = np.array([scale(edge) for edge in edges]), np.array(below)
    slope, start = np.polyfit(special.ndtri(p), x, 1)

    def residuals(at: np.ndarray) -> np.ndarray:
        miss: np.ndarray = special.ndtr((x - at[0]) / np.exp(at[1])) - p
        return miss

    begin = [start, math.log(max(slope, 1e-6))]
    middle, spread = optimize.least_squares(residuals, begin).x
    ends = (middle + shift * math.exp(spread) for shift in (-NORMAL_95, 0.0, NORMAL_95))
    low, median, high = (float(f"{back(end):.4g}") for end in ends)
    return low, median, high


def _faults_of_panel(rows: Sequence[_Row]) -> list[Fault]:
    """Faults of forms against each other, each told of its own file."""
    found = FaultList("")
    tell_of_panels([(place, row.stated) for place, row in enumerate(rows)], found)
    told = []
    for fault in found.faults:
        at = rows[fault.row or 0]
        message = re.sub(r"\bin row ([0-9]+)", lambda m: _place_of(rows[int(m[1])]), fault.message)
        told.append(Fault(at.file, at.row, fault.column, fault.value, message))
    return told


def _place_of(row: _Row) -> str:
    return f"in {row.file}, row {row.row},"
