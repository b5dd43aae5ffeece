"""Errors a user can act on, and what is told of input that is used all the same.

ReebayesError
├── StudyError    the study directory, or a change made to a study
├── FitError      a fit that failed, or did not converge
└── ResultError   a fit file, or a question it cannot answer
UserWarning
└── StudyWarning  what is possible in a study and hardly meant
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

ROWS_SHOWN = 15
"""How many rows with one and the same fault a message lists."""


class ReebayesError(Exception):
    """Base of every error raised on purpose by the package.

    Examples
    --------
    >>> import reebayes as rb
    >>> try:
    ...     rb.open_fit("nothing.nc")
    ... except rb.ReebayesError as error:
    ...     print(type(error).__name__)
    ResultError
    """


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in one table of a study.

    Parameters
    ----------
    table : str
        File name, such as ``"records.csv"``.
    row : int or None
        Line of the file on which the row begins (the header is 1); None if no line is to blame.
    column : str
        Column (or key of ``study.toml``), empty if the fault is of the whole row or file.
    value : str
        The offending text as read.
    message : str
        What is wrong and what to write instead.
    """

    table: str
    row: int | None
    column: str
    value: str
    message: str

    def __str__(self) -> str:
        """Place and message in one line."""
        row = "" if self.row is None else f"row {self.row}"
        place = ", ".join(part for part in (row, self.column) if part)
        return f"{place}: {self.message}" if place else self.message


class StudyError(ReebayesError):
    """Everything wrong with a study, at once.

    Parameters
    ----------
    faults : iterable of Fault
        Kept in the order given; faults of one table should stand together.

    Examples
    --------
    >>> import reebayes as rb
    >>> try:
    ...     rb.cut(rb.read_study(), 1990)
    ... except rb.StudyError as error:
    ...     print(len(error.faults), error.faults[0].column)
    1 last_year
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        """Faults as a list, grouped by table."""
        return _by_table(self.faults, "problem")


class StudyWarning(UserWarning):
    """Everything in a study that is possible and hardly meant; the study is used all the same.

    Parameters
    ----------
    faults : iterable of Fault
        Kept in the order given; those of one table should stand together.

    Examples
    --------
    >>> import warnings
    >>> import reebayes as rb
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     printed = rb.survey("data/surveys/reevolution.csv")
    >>> told[0].message.faults[0].column
    'n'
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        """Warnings as a list, grouped by table."""
        return _by_table(self.faults, "warning")


def _by_table(found: Iterable[Fault], noun: str) -> str:
    lines: list[str] = []
    for table, group in groupby(found, key=lambda fault: fault.table):
        faults = list(group)
        plural = "" if len(faults) == 1 else "s"
        lines += [f"{len(faults)} {noun}{plural} in {table}", *_bullets(faults)]
    return "\n".join(lines)


def _bullets(faults: Iterable[Fault]) -> list[str]:
    """Return a line for each fault; rows with one and the same fault share a line."""
    rows: dict[Fault, list[int]] = {}
    for fault in faults:
        rows.setdefault(replace(fault, row=None), []).extend([fault.row] if fault.row else [])
    lines = []
    for fault, numbers in rows.items():
        if len(numbers) > 1:
            listed = ", ".join(str(number) for number in numbers[:ROWS_SHOWN])
            if len(numbers) > ROWS_SHOWN:
                listed += f" and {len(numbers) - ROWS_SHOWN} more"
            column = f", {fault.column}" if fault.column else ""
            lines.append(f"  * rows {listed}{column}: {fault.message}")
        else:
            lines.append(f"  * {replace(fault, row=numbers[0] if numbers else None)}")
    return lines


class FitError(ReebayesError):
    """A fit that failed, or that did not pass the convergence gate.

    Examples
    --------
    >>> import reebayes as rb
    >>> try:
    ...     rb.fit(rb.read_study("zinc"), chains=0)
    ... except rb.FitError as error:
    ...     print(error)
    chains must be at least 1, not 0
    """


class ResultError(ReebayesError):
    """A fit file that cannot be read, or does not hold what was asked for.

    Examples
    --------
    >>> import reebayes as rb
    >>> try:
    ...     rb.quantity(rb.open_fit("results/zinc.nc"), "minde")
    ... except rb.ResultError as error:
    ...     print(error)
    Unknown quantity 'minde'. Did you mean 'mined'?
    """
