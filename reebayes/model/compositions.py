"""Printed tables of shares: their parts as independent contrasts, and each given the others.

Every part is printed with a relative error of its own, and the table is then closed to its whole,
so that the logs of its parts are known up to one unknown constant. What they say of one another
does not depend on it: the likelihood of a table is an additive logistic normal one, whichever part
is the reference. Written part after part it is a product of independent terms: each part is seen
against the weighted mean of the parts before it, and the first is seen against nothing.

References
----------
Aitchison (1986), The Statistical Analysis of Compositional Data, chapter 6.
Bürkner, Gabry, Vehtari (2021), Computational Statistics 36, 1243-1261: what a record says given
the others, where records are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from reebayes.model.unknowns import Floats, Integers
from reebayes.study import Study
from reebayes.study.compositions import sd_against_rest, tables_of_parts

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class Contrasts:
    """What every record is seen against: nothing, but for parts of a composition.

    Parameters
    ----------
    against : list of dict
        By record: positions of the parts before it in its table, and their weights.
    sd : array (record)
        Stated standard error of what is seen; of a first part that of the part itself.
    first : array of int
        Positions of the first parts, which say nothing by themselves.
    parts : array of int
        Positions of all parts.
    """

    against: Sequence[dict[int, float]]
    sd: Floats
    first: Integers
    parts: Integers


def contrasts_of(study: Study, last: Collection[str] = ()) -> Contrasts:
    """Return what the records of a study are seen against.

    Parameters
    ----------
    study : Study
    last : collection of str
        Records that are to stand behind the other parts of their tables: without their terms, what
        is left is the likelihood of the tables without them.

    Returns
    -------
    Contrasts
    """
    against: list[dict[int, float]] = [{} for _ in study.records]
    sd = np.array([record.error for record in study.records], dtype=float)
    first, parts = [], []
    for order in _orders(study, last):
        weights = 1.0 / np.square(sd[order])
        first.append(order[0])
        parts += order
        for number in range(1, len(order)):
            before = weights[:number].sum()
            shares = (weights[:number] / before).tolist()
            against[order[number]] = dict(zip(order[:number], shares, strict=True))
            sd[order[number]] = math.sqrt(1.0 / weights[number] + 1.0 / before)
    return Contrasts(against, sd, np.array(first, dtype=np.int64), np.array(parts, dtype=np.int64))


def _orders(study: Study, last: Collection[str]) -> list[list[int]]:
    """Positions of the parts of every table, those of the records named at the end."""
    names = [record.record for record in study.records]
    tables = tables_of_parts(study.records).values()
    return [sorted(parts, key=lambda at: (names[at] in last, at)) for parts in tables]


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of compositions, each given the other parts of its table.

    A part is then seen as the log of its ratio to the rest of the table as that is printed.

    Parameters
    ----------
    at : array of int
        Positions of the parts among the records.
    contrast : array (part, record)
        Takes what the records are expected to show to the log of each part less the weighted mean
        of the logs of the others.
    printed : array (part)
        The same of the printed figures.
    log_ratio : array (part)
        Log of the printed part over the rest of its printed table.
    stretch : array (part)
        Standard error of what is seen of a part given the others, over the one it has as a record.
    """

    at: Integers
    contrast: csr_array
    printed: Floats
    log_ratio: Floats
    stretch: Floats

    def given_rest(self, location: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Return centre and scale (..., part) of the log ratio that would be printed.

        Parameters
        ----------
        location, scale : array (..., record)
            Of what the records show.
        """
        flat = location.reshape(-1, location.shape[-1])
        expected = (self.contrast @ flat.T).T.reshape(*location.shape[:-1], self.at.size)
        centre = self.log_ratio + expected - self.printed
        return np.asarray(centre), np.asarray(scale[..., self.at] * self.stretch)

    def log_likelihood(self, location: Floats, scale: Floats) -> Floats:
        """Return log densities (..., part) of the printed parts given the others."""
        centre, spread = self.given_rest(location, scale)
        z = (self.log_ratio - centre) / spread
        return np.asarray(-0.5 * np.square(z) - _LOG_SQRT_2PI - np.log(spread))


def parts_given_rest(study: Study, contrasts: Contrasts) -> Parts:
    """Return the parts of a study, each given the others.

    Parameters
    ----------
    study : Study
    contrasts : Contrasts
        What its records are seen against.
    """
    entries: list[tuple[int, int, float]] = []
    found: dict[int, tuple[float, float, float]] = {}
    for order in tables_of_parts(study.records).values():
        shares = np.array([study.records[at].value or math.nan for at in order])
        stated = [study.records[at].error for at in order]
        others, spread = _against_others(stated), sd_against_rest(stated)
        seen = np.eye(len(order))
        for row, at in enumerate(order):
            for other, weight in contrasts.against[at].items():
                seen[row, order.index(other)] -= weight
        by_record, printed = others @ np.linalg.inv(seen), others @ np.log(shares)
        rest = shares.sum() - shares
        for row, at in enumerate(order):
            log_ratio = math.log(shares[row] / rest[row])
            found[at] = (printed[row], log_ratio, spread[row] / contrasts.sd[at])
            entries += [(at, one, by_record[row, n]) for n, one in enumerate(order)]
    places = np.array(sorted(found), dtype=np.int64)
    part, record, values = np.array(entries, dtype=float).reshape(-1, 3).T
    ends = np.searchsorted(places, part), record.astype(np.int64)
    contrast = csr_array(coo_array((values, ends), shape=(places.size, len(study.records))))
    columns = np.array([found[n] for n in sorted(found)], dtype=float).reshape(-1, 3).T
    return Parts(places, contrast, *columns)


def _against_others(sds: Sequence[float]) -> Floats:
    """Rows that take the logs of parts to each less the weighted mean of the others."""
    weights = 1.0 / np.square(sds)
    own = np.eye(weights.size)
    return np.asarray(own - (1.0 - own) * weights / (weights.sum() - weights[:, None]))
