"""Faults of a study as they are raised, and what is hardly meant as it is told, in one order."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from reebayes.errors import Fault, StudyError, StudyWarning
from reebayes.study.drafts import Draft
from reebayes.study.header.settings import TABLE
from reebayes.study.schema import SCHEMA


def refuse(faults: Iterable[Fault]) -> None:
    """Raise all faults at once, if there are any.

    Raises
    ------
    StudyError
    """
    found = _in_order(faults)
    if found:
        raise StudyError(found)


def tell_implausible(draft: Draft) -> None:
    """Warn the caller of `read_study` of what is hardly meant."""
    # Imported here: arrays take a while to load, and no other command needs them to begin with.
    from reebayes.study.checks.plausible import implausible

    found = _in_order(implausible(draft))
    if found:
        warnings.warn(StudyWarning(found), stacklevel=3)


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    return sorted(dict.fromkeys(faults), key=_place)


def _place(fault: Fault) -> tuple[str, int, str, int]:
    """Where a fault stands: tables of the study first, then those of each extension."""
    order = (TABLE, *SCHEMA)
    folder, _, file = fault.table.rpartition("/")
    known = order.index(file) if file in order else len(order)
    return folder, known, fault.table, fault.row or 0
