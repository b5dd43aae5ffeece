"""What the headline answers of a fit hang on, as tables: what a report shows of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pandas as pd

from reebayes.conventions import POSTERIOR
from reebayes.files import write_text_whole
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span

CONFLICT_FROM = 1.5
"""Prior standard deviations from its prior median from which a posterior mean is in conflict.

Where priors are right and the records fix everything, 13 of 100 unknowns lie as far away."""

_TABLES = ("slopes", "budgets", "figures")


@dataclass(frozen=True, slots=True, eq=False)
class SensitivitySummary:
    """Sensitivity, uncertainty budget and value of information of several answers.

    Parameters
    ----------
    digest : str
        Of the fit that was asked.
    years : mapping of quantity to years
        Of each answer; None where it is the sum over all years.
    slopes, budgets, figures : mapping of quantity to DataFrame
        What `sensitivity`, `uncertainty_budget` and `value_of_information` return of each, without
        the changes that halve or double the spread of a prior. A quantity whose draws are all the
        same hangs on nothing and is in none of them; one for which no figure could be looked for
        is not in `figures`.
    conflicts : DataFrame
        What `prior_conflict` returns of the fit.
    not_quantified : list of str
        What the study names as its limits: no number stands for them.
    """

    digest: str
    years: Mapping[str, Span]
    slopes: Mapping[str, pd.DataFrame]
    budgets: Mapping[str, pd.DataFrame]
    figures: Mapping[str, pd.DataFrame]
    conflicts: pd.DataFrame
    not_quantified: Sequence[str]

    def keep(self, path: Path, key: str) -> None:
        """Write the tables to a file, with what they were asked of.

        Raises
        ------
        ResultError
            If the file cannot be written.
        """
        tables = {
            name: {quantity: _plain(table) for quantity, table in getattr(self, name).items()}
            for name in _TABLES
        }
        text = json.dumps({"key": key, "digest": self.digest, "years": self.years,
                           "conflicts": _plain(self.conflicts), **tables})  # fmt: skip
        write_text_whole(path, text)

    @classmethod
    def kept(cls, path: Path, key: str) -> Self | None:
        """Read the tables of a file; nothing if it is not there, damaged, or of something else.

        What is not quantified is not kept: it is the study's to say.
        """
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["key"] != key:
                return None
            tables = {
                name: {quantity: _table(plain) for quantity, plain in found[name].items()}
                for name in _TABLES
            }
            return cls(found["digest"], found["years"], **tables, not_quantified=(),
                       conflicts=_table(found["conflicts"]))  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def with_limits(self, limits: Sequence[str]) -> Self:
        """Return the same tables beside other words on what is not quantified."""
        return replace(self, not_quantified=tuple(limits))


def sizes_of(contents: Contents) -> dict[str, int]:
    """Return the sizes of the draws of a fit: one that was cut keeps its digest."""
    return {str(dim): size for dim, size in contents.group(POSTERIOR).sizes.items()}


@dataclass(frozen=True, slots=True, eq=False)
class ReportRefits:
    """What was found by fitting again: answers without reporters, and records that were held out.

    Parameters
    ----------
    digest : str
        Of the fit that they start from.
    sizes : mapping of dimension to int
        Of its draws: a fit that was cut keeps its digest.
    without : mapping of quantity to DataFrame
        What `leave_out` by reporter returns of each answer, the strongest fitted again.
    conflicts : DataFrame
        Rows of `disagreement` of records that a refit was not shown (NaN where it did not pass its
        gate), with its ``verdict`` and ``z_screen``, the conflict without a refit.
    """

    digest: str
    sizes: Mapping[str, int]
    without: Mapping[str, pd.DataFrame]
    conflicts: pd.DataFrame

    def keep(self, path: Path) -> None:
        """Write the tables to a file.

        Raises
        ------
        ResultError
            If the file cannot be written.
        """
        without = {quantity: _plain(table) for quantity, table in self.without.items()}
        content = {"digest": self.digest, "sizes": self.sizes, "without": without,
                   "conflicts": _plain(self.conflicts)}  # fmt: skip
        write_text_whole(path, json.dumps(content))

    @classmethod
    def kept(cls, path: Path, fit: Fit) -> Self | None:
        """Read the tables of a file; nothing if it is not there, damaged, or of another fit."""
        contents = contents_of(fit)
        digest = str(contents.attrs.get("digest", ""))
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not digest or found["digest"] != digest or found["sizes"] != sizes_of(contents):
                return None
            without = {quantity: _table(plain) for quantity, plain in found["without"].items()}
            return cls(digest, found["sizes"], without, _table(found["conflicts"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _plain(table: pd.DataFrame) -> dict[str, Any]:
    return {"name": table.index.name, **table.to_dict("split")}


def _table(plain: Mapping[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame(plain["data"], index=plain["index"], columns=plain["columns"])
    return table.rename_axis(plain["name"])
