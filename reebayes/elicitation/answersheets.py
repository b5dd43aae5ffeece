"""Files of a survey as rows: answer sheets, percentages that were printed, and the population."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reebayes.elicitation.proportions import counted_band
from reebayes.errors import Fault, StudyError
from reebayes.study import Cells, FaultList, Line, read_lines

YES, NO = "yes", "no"
AFFIRMED = {"yes": YES, "true": YES, "1": YES, "no": NO, "false": NO, "0": NO}
"""Words of an answer to a statement that is affirmed or not, in small letters."""

SHEET = ("respondent", "statement", "answer")
SHEET_EXTRA = ("group", "weight")
PRINTED = ("statement", "share")
PRINTED_EXTRA = ("heading", "rounding", "n", "indicators", "source", "note")
POPULATION = ("group", "count")

MOST_RESPONDENTS = 100_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What one respondent said of one statement."""

    respondent: str
    statement: str
    answer: str
    group: str
    weight: float


@dataclass(frozen=True, slots=True)
class PrintedShare:
    """A share as a publication prints it; ``n`` is None where it does not say how many answered."""

    statement: str
    share: float
    heading: str
    rounding: float
    n: int | None
    indicators: tuple[str, ...]
    source: str
    note: str


def is_printed(path: Path) -> bool:
    """Return whether a file holds printed shares, by the names of its columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, ValueError, csv.Error):
        return False  # reading it as a sheet tells why
    return "share" in header and "respondent" not in header


# --- answer sheets --------------------------------------------------------------------------------


def read_answers(path: Path) -> list[Answer]:
    """Read an answer sheet, or raise every fault of it at once.

    Raises
    ------
    StudyError
    """
    found = FaultList(path.name)
    lines = [line for line in read_lines(path, SHEET, SHEET_EXTRA, found) if not line.broken]
    grouped = any(line.cells.get("group") for line in lines)
    weighted = any(line.cells.get("weight") for line in lines)
    rows = [_answer(line, found, grouped=grouped, weighted=weighted) for line in lines]
    told = [(row, answer) for row, answer in rows if answer is not None]
    _tell_contradictions(told, found)
    _tell_mixed_words(told, found)
    _raise(found)
    answers = [answer for _, answer in told if answer.answer]
    if not answers:
        found.add(None, "answer", "", "no cell has an answer; write yes or no, or one of options")
        _raise(found)
    return _in_one_word(answers)


def _answer(
    line: Line, found: FaultList, *, grouped: bool, weighted: bool
) -> tuple[int, Answer | None]:
    cells = Cells(line, found)
    answer = Answer(
        respondent=cells.name("respondent"),
        statement=cells.key("statement"),
        answer=cells.key("answer", needed=False),
        group=cells.key("group", needed=False),
        weight=(cells.needed_number("weight", 1.0) if weighted else 1.0),
    )
    if grouped and not answer.group and "group" not in cells.bad:
        found.add(line.row, "group", "", "cell is empty and others are not; write the group")
    if answer.weight <= 0:
        message = f"weight {answer.weight:g} is not above 0; leave the row out if it does not count"
        found.add(line.row, "weight", line.cells["weight"], message)
    return line.row, None if cells.bad else answer


def _tell_contradictions(rows: Sequence[tuple[int, Answer]], found: FaultList) -> None:
    """A respondent answers once, and has one group and one weight."""
    first: dict[str, tuple[int, Answer]] = {}
    said: dict[tuple[str, str], int] = {}
    for row, answer in rows:
        begun, before = first.setdefault(answer.respondent, (row, answer))
        for column in ("group", "weight"):
            new, old = getattr(answer, column), getattr(before, column)
            if new != old:
                message = (
                    f"respondent {answer.respondent!r} has {column} {_text(old)} in row {begun}; "
                    "write the same, or another respondent"
                )
                found.add(row, column, _text(new), message)
        key = (answer.respondent, answer.statement)
        if key in said:
            message = (
                f"respondent {answer.respondent!r} answers this statement in row {said[key]} too; "
                "keep one row (for several options, make each a statement of its own)"
            )
            found.add(row, "statement", answer.statement, message)
        said.setdefault(key, row)


def _tell_mixed_words(rows: Sequence[tuple[int, Answer]], found: FaultList) -> None:
    """Answers to a statement are yes or no, or options; and an option is spelt one way."""
    of: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row, answer in rows:
        if answer.answer:
            of[answer.statement].append((row, answer.answer))
    for given in of.values():
        if all(text.casefold() in AFFIRMED for _, text in given):
            continue
        affirmed = [text.casefold() in AFFIRMED and not text.isdigit() for _, text in given]
        for (row, text), is_yes_or_no in zip(given, affirmed, strict=True):
            if any(affirmed) and (not is_yes_or_no) == (sum(affirmed) * 2 >= len(given)):
                message = (
                    f"answer {text!r} is beside {_others(given, affirmed)}; write yes or no in all "
                    "rows of a statement, or options in all; leave the cell empty for no answer"
                )
                found.add(row, "answer", text, message)
        spelt: dict[str, str] = {}
        for row, text in given:
            usual = spelt.setdefault(" ".join(text.casefold().split()), text)
            if text != usual:
                message = f"option {text!r} is also written {usual!r}; write one of them"
                found.add(row, "answer", text, message)


def _others(given: Sequence[tuple[int, str]], affirmed: Sequence[bool]) -> str:
    """Words of the kind that most rows of a statement have."""
    most = sum(affirmed) * 2 >= len(given)
    words = [text for (_, text), one in zip(given, affirmed, strict=True) if one == most]
    return " and ".join(repr(word) for word, _ in Counter(words).most_common(2))


def _in_one_word(answers: Iterable[Answer]) -> list[Answer]:
    """Answers with yes and no in these words, where all of a statement say so."""
    answers = list(answers)
    optional = {a.statement for a in answers if a.answer.casefold() not in AFFIRMED}
    return [
        a
        if a.statement in optional
        else Answer(a.respondent, a.statement, AFFIRMED[a.answer.casefold()], a.group, a.weight)
        for a in answers
    ]


# --- printed shares -------------------------------------------------------------------------------


def read_printed(path: Path) -> list[PrintedShare]:
    """Read shares that were printed, or raise every fault of them at once.

    Raises
    ------
    StudyError
    """
    found = FaultList(path.name)
    shares = []
    seen: dict[str, int] = {}
    for line in read_lines(path, PRINTED, PRINTED_EXTRA, found):
        if line.broken:
            continue
        cells = Cells(line, found)
        one = _printed(cells)
        for column, message in [] if cells.bad else _printed_faults(one):
            found.add(line.row, column, line.cells.get(column, ""), message)
        if one.statement in seen:
            message = f"statement is in row {seen[one.statement]} too; write each once"
            found.add(line.row, "statement", one.statement, message)
        seen.setdefault(one.statement, line.row)
        shares.append(one)
    _raise(found)
    return shares


def _printed(cells: Cells) -> PrintedShare:
    n = cells.number("n")
    if n is not None and not (n == math.floor(n) and 1 <= n <= MOST_RESPONDENTS):
        text = cells.line.cells["n"]
        message = f"{text} is no number of respondents; write a whole one, or leave the cell empty"
        cells.faults.add(cells.line.row, "n", text, message)
        cells.bad.add("n")
        n = None
    return PrintedShare(
        statement=cells.key("statement"),
        share=cells.needed_number("share", 0.5),
        heading=cells.text("heading"),
        rounding=cells.number("rounding") or 0.0,
        n=None if n is None else int(n),
        indicators=cells.names("indicators"),
        source=cells.text("source"),
        note=cells.text("note"),
    )


def _printed_faults(one: PrintedShare) -> Iterator[tuple[str, str]]:
    if not 0 <= one.share <= 1:
        yield "share", f"{one.share:g} is no share; write a fraction, such as 0.65 for 65 %"
    elif not 0 <= one.rounding <= 0.5:
        yield "rounding", f"{one.rounding:g} is no step of rounding; write 0.01 for whole per cent"
    elif one.n is not None and counted_band(one.share, one.n, one.rounding) is None:
        nearest = round(one.share * one.n) / one.n
        yield (
            "share",
            f"no number of {one.n} respondents is {one.share:g}; the nearest is {nearest:.4g}. "
            "Write the step of rounding in `rounding`, or another n",
        )


# --- population -----------------------------------------------------------------------------------


def read_population(path: Path, asked: Iterable[str]) -> dict[str, float]:
    """Read how many there are of each group, or raise every fault at once.

    Parameters
    ----------
    path : Path
    asked : iterable of str
        Groups of the answer sheet; each must be listed.

    Raises
    ------
    StudyError
    """
    found = FaultList(path.name)
    counts: dict[str, float] = {}
    for line in read_lines(path, POPULATION, (), found):
        if line.broken:
            continue
        cells = Cells(line, found)
        group, count = cells.name("group"), cells.needed_number("count", 1.0)
        if count <= 0:
            message = f"{count:g} is not above 0; leave out a group that there is none of"
            found.add(line.row, "count", line.cells["count"], message)
        if group in counts:
            found.add(line.row, "group", group, f"group {group!r} is given twice; keep one row")
        counts[group] = count
    lacking = sorted(set(asked) - set(counts)) if not found.faults else []
    for group in lacking:
        message = (
            f"group {group!r} of the answers is not listed; add its row"
            if group
            else (
                "the answers have no groups; fill their column 'group', or leave the population out"
            )
        )
        found.add(None, "group", group, message)
    _raise(found)
    return counts


def _raise(found: FaultList) -> None:
    if found.faults:
        faults = dict.fromkeys(found.faults)
        raise StudyError(sorted(faults, key=lambda fault: (fault.row or 0, fault.column)))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


# --- what is told and not refused -----------------------------------------------------------------


def hardly_meant(
    file: str, answers: Sequence[Answer], population: Mapping[str, float] | None
) -> list[Fault]:
    """Return what is possible in an answer sheet and hardly meant, or must be known."""
    weights = {answer.respondent: answer.weight for answer in answers}
    groups = Counter({a.respondent: a.group for a in answers}.values())
    told = []
    heaviest = max(weights, key=lambda name: weights[name])
    share = weights[heaviest] / sum(weights.values())
    if len(weights) >= 4 and share > 0.25:
        message = (
            f"respondent {heaviest!r} has {share:.0%} of all weight; check the unit of weights"
        )
        told.append(Fault(file, None, "weight", f"{weights[heaviest]:g}", message))
    for group, count in groups.items():
        if group and count < 5:
            message = (
                f"group {group!r} has {count} respondent{'' if count == 1 else 's'}; its shares "
                "rest mostly on the other groups"
            )
            told.append(Fault(file, None, "group", group, message))
    for group in population or ():
        if group not in groups:
            message = (
                f"nobody of group {group!r} answered; it counts in the population as a group "
                "about which only the spread of the others is known"
            )
            told.append(Fault(file, None, "group", group, message))
    return told
