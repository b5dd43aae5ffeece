"""Kinds of records: what each states of its quantity, and who reads them.

A kind is one row of `RECORD_KINDS`. Whoever treats kinds differently keeps a `KindReader`, a table
of what it does by statement; the readers stand in `READERS`, so that a test can send every kind
through all of them. A kind or statement that a reader does not know is an error, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from reebayes.errors import ReebayesError

FIGURE, AT_MOST, AT_LEAST, BETWEEN = "a figure", "at most", "at least", "between"
SIGNED = "a figure of either sign"
STATEMENTS = (FIGURE, AT_MOST, AT_LEAST, BETWEEN, SIGNED)
"""What a record may state of its quantity; all but figures are censored observations."""

ONE_YEAR, SUM, MEAN = "one year", "sum over years", "mean over years"

_ENDS: Mapping[str, tuple[str | None, str | None]] = {
    FIGURE: ("value", "value"),
    AT_MOST: (None, "high"),
    AT_LEAST: ("low", None),
    BETWEEN: ("low", "high"),
    SIGNED: ("value", "value"),
}
"""Columns that hold the lower and the upper end of what is stated; None where it is open."""


class UnknownKindError(ReebayesError):
    """A kind of record, or what it states, that a reader does not know."""


class Stated(Protocol):
    """Anything with the figures of a record: a row of a study, or of a table of a fit."""

    @property
    def kind(self) -> str:
        """Name of its kind."""


@dataclass(frozen=True, slots=True)
class RecordKind:
    """One kind of record.

    Parameters
    ----------
    name : str
        As column ``kind`` has it.
    meaning : str
        What such a record says, as a sentence.
    states : str
        One of `STATEMENTS`.
    needs : tuple of str
        Those of ``value``, ``low`` and ``high`` that must be given; another may not.
    mark : str
        One character, for maps in text.
    years : str
        Which years it is about: one, or a sum or mean from ``year`` to ``year_end``.
    is_zero : bool
        Whether the source prints 0: ``high`` is then what would still print as 0, and a quantity
        that does not exist agrees with it.
    is_target : bool
        Whether it is set, and known, before the year, and may be the same year after year.
    may_be_second : bool
        Whether an ambiguous figure may have an alternative value in ``other``.
    of_estimates : bool
        Whether published estimates may be of this kind.
    """

    name: str
    meaning: str
    states: str
    needs: tuple[str, ...]
    mark: str
    years: str = ONE_YEAR
    is_zero: bool = False
    is_target: bool = False
    may_be_second: bool = False
    of_estimates: bool = False

    @property
    def is_figure(self) -> bool:
        """Whether it states one figure, and not a bound."""
        return self.states in (FIGURE, SIGNED)

    @property
    def is_signed(self) -> bool:
        """Whether its error is normal, in the unit of the figure, and not on the log scale."""
        return self.states == SIGNED

    @property
    def spans(self) -> bool:
        """Whether it is about several years taken together."""
        return self.years != ONE_YEAR


RECORD_KINDS: dict[str, RecordKind] = {
    kind.name: kind
    for kind in (
        RecordKind(
            "value", "A figure for one year.", FIGURE, ("value",), "o",
            may_be_second=True, of_estimates=True,
        ),
        RecordKind(
            "zero", "A published zero: less than what would still print as 0.", AT_MOST, ("high",),
            "0", is_zero=True,
        ),
        RecordKind("quota", "A target for one year, which may be exceeded.", FIGURE, ("value",),
                   "q", is_target=True),
        RecordKind("upper", "An upper bound.", AT_MOST, ("high",), "<", of_estimates=True),
        RecordKind("lower", "A lower bound.", AT_LEAST, ("low",), ">", of_estimates=True),
        RecordKind("range", "An interval.", BETWEEN, ("low", "high"), "~", of_estimates=True),
        RecordKind("cumulative", "A sum from year to year_end.", FIGURE, ("value",), "+",
                   years=SUM),
        RecordKind("mean", "A mean from year to year_end.", FIGURE, ("value",), "=", years=MEAN),
        RecordKind("mean_upper", "An upper bound of a mean from year to year_end.", AT_MOST,
                   ("high",), "(", years=MEAN),
        RecordKind("mean_lower", "A lower bound of a mean from year to year_end.", AT_LEAST,
                   ("low",), ")", years=MEAN),
        RecordKind(
            "signed",
            "A figure that may be negative or zero, such as net trade or a stock change; "
            "its error is normal, and `sd` is in the unit of the figure.",
            SIGNED, ("value",), "s",
        ),
    )
}  # fmt: skip
"""Every kind of record by its name; column ``kind`` of records.csv holds one of them."""

ESTIMATE_KINDS = tuple(kind.name for kind in RECORD_KINDS.values() if kind.of_estimates)
"""Kinds of published estimates."""


def bound_of(states: str, years: str) -> RecordKind:
    """Return the kind that bounds one year, or a sum or mean of several, on one side."""
    return next(
        kind for kind in RECORD_KINDS.values()
        if (kind.states, kind.years, kind.is_zero) == (states, years, False)
    )  # fmt: skip


def kind_of(name: str) -> RecordKind:
    """Return a kind by its name.

    Raises
    ------
    UnknownKindError
        If there is no such kind.
    """
    if name not in RECORD_KINDS:
        raise UnknownKindError(
            f"Unknown kind of record {name!r}; known: {', '.join(RECORD_KINDS)}."
        )
    return RECORD_KINDS[name]


READERS: dict[str, KindReader[Any]] = {}
"""Every reader of kinds by what it does; filled as modules are loaded."""


@dataclass(frozen=True, slots=True)
class KindReader[T]:
    """What one reader of records does with each kind.

    Parameters
    ----------
    does : str
        What is read, in words.
    by_statement : mapping
        What it does, by statement.
    by_kind : mapping, optional
        What it does with single kinds in place of that.
    """

    does: str
    by_statement: Mapping[str, T]
    by_kind: Mapping[str, T] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Enter the reader into `READERS`."""
        READERS[self.does] = self

    def __call__(self, name: str) -> T:
        """Return what is done with a kind.

        Raises
        ------
        UnknownKindError
            If the kind, or what it states, is not known to this reader.
        """
        kind = kind_of(name)
        if name in self.by_kind:
            return self.by_kind[name]
        if kind.states not in self.by_statement:
            raise UnknownKindError(f"{self.does}: nothing is known of kind {name!r}.")
        return self.by_statement[kind.states]


_stated_ends = KindReader("ends of what is stated", _ENDS)


def stated_columns(name: str) -> tuple[str | None, str | None]:
    """Return the columns that hold the lower and the upper end of what a kind states."""
    return _stated_ends(name)


def stated_interval(record: Stated) -> tuple[float, float]:
    """Return the interval that a record states: from 0 or to infinity where it is open.

    Parameters
    ----------
    record : object with ``kind``, ``value``, ``low`` and ``high``
        A figure is an interval of no width.

    Returns
    -------
    tuple of float
        In the unit of the figures; NaN where one is missing.
    """
    low, high = stated_columns(record.kind)
    return (
        0.0 if low is None else _number(record, low),
        math.inf if high is None else _number(record, high),
    )


def _number(record: Stated, column: str) -> float:
    value = getattr(record, column)
    return math.nan if value is None else float(value)
