"""Printed tables of shares: which records are parts of one whole.

The parts of a table stand in several records. Their shares add up to what the table prints, so that
their errors are not independent: a part that is printed too large makes all others too small.

References
----------
Aitchison (1986), The Statistical Analysis of Compositional Data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from reebayes.study.rows import Record

type TableKey = tuple[str, int, int]
"""Name of a table, and the first and last year of which it is printed."""


def table_of(record: Record) -> TableKey | None:
    """Return the table of which a record is a part; None if of none."""
    if not record.composition:
        return None
    return record.composition, record.year, record.year_end


def tables_of_parts(records: Iterable[Record]) -> dict[TableKey, list[int]]:
    """Return the positions of the parts of every table, tables and parts as they first appear."""
    tables: dict[TableKey, list[int]] = {}
    for position, record in enumerate(records):
        key = table_of(record)
        if key is not None:
            tables.setdefault(key, []).append(position)
    return tables


def without_lone_parts(before: Iterable[Record], after: Iterable[Record]) -> list[Record]:
    """Return records without parts that have lost all other parts of their table.

    A part says something of the others' shares only, so one that is left alone says nothing.

    Parameters
    ----------
    before : iterable of Record
        The records when the tables were whole.
    after : iterable of Record
        Those that are left.
    """
    records: Sequence[Record] = list(after)
    whole = tables_of_parts(before)
    lone = {
        parts[0]
        for key, parts in tables_of_parts(records).items()
        if len(parts) == 1 and len(whole.get(key, ())) > 1
    }
    return [record for position, record in enumerate(records) if position not in lone]


def sd_against_rest(sds: Sequence[float]) -> list[float]:
    """Return the standard error of each part's log ratio to the other parts of its table.

    The others' scale is their weighted mean, with weights 1 / sd squared, so that its variance is
    one over the sum of these.

    Parameters
    ----------
    sds : sequence of float
        Of two parts or more, before the table is closed.
    """
    weights = [1.0 / sd**2 for sd in sds]
    total = sum(weights)
    pairs = zip(sds, weights, strict=True)
    return [math.sqrt(sd**2 + 1.0 / (total - weight)) for sd, weight in pairs]
