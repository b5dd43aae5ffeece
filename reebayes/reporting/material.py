"""What the sections of a report are made of, each part computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from reebayes.answers.drivers import Drivers, gather_drivers
from reebayes.conventions import CI_PROB
from reebayes.figures.yearly import YearlySankey, yearly_sankey
from reebayes.reporting.interactive import page_data
from reebayes.reporting.plan import Plan
from reebayes.reporting.tables import record_table
from reebayes.results.description import study_of
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents

if TYPE_CHECKING:
    from reebayes.answers.hangs import ReportRefits, SensitivitySummary
    from reebayes.answers.scores import Comparison
    from reebayes.elicitation.pooling import Pooled
    from reebayes.elicitation.surveys import Surveyed
    from reebayes.results.multiverse import Multiverse
    from reebayes.study import Study


@dataclass(frozen=True)
class Material:
    """What sections are made of, each part computed once.

    Parameters
    ----------
    contents : Contents
    plan : Plan
    comparison : Comparison, optional
        Scores of this fit and of variants of its study.
    sensitivity : SensitivitySummary, optional
        What the headline quantities hang on.
    refits : ReportRefits, optional
        What they become without reporters, and what refits expect of records.
    outlook : (DataTree, DataFrame), optional
        Years to come, and what uses lack in the last of them.
    multiverse : Multiverse, optional
        What the headline quantities are under every declared choice.
    surveys : sequence of Surveyed
        What people answered.
    judgements : Pooled, optional
        What experts judged.
    elements : DataFrame, optional
        What uses lack of elements in years to come.
    """

    contents: Contents
    plan: Plan
    comparison: Comparison | None = None
    sensitivity: SensitivitySummary | None = None
    refits: ReportRefits | None = None
    outlook: tuple[xr.DataTree, pd.DataFrame] | None = None
    multiverse: Multiverse | None = None
    surveys: Sequence[Surveyed] = ()
    judgements: Pooled | None = None
    elements: pd.DataFrame | None = None

    @cached_property
    def records(self) -> pd.DataFrame:
        """Records beside their posterior predictive bands."""
        return record_table(self.contents)

    @cached_property
    def yearly(self) -> dict[str, xr.Dataset]:
        """Bands of every quantity by year, of the posterior and of the prior."""
        contents = self.contents
        return {group: bands_of(contents, "quantities", group) for group in contents.distributions}

    @cached_property
    def sums(self) -> dict[str, xr.Dataset]:
        """Bands of the sums over all years of every quantity that can be added up."""
        contents = self.contents
        return {
            group: bands_of(contents, "quantities", group, total=True)
            for group in contents.distributions
        }

    @cached_property
    def sankey(self) -> YearlySankey | None:
        """The diagrams of all years in one layout; None if there is none, or too much to move."""
        return yearly_sankey(self.contents)

    @property
    def moving(self) -> dict[str, Any] | None:
        """What the script of the page chooses from."""
        if self.sankey is None:
            return None
        return page_data(self.contents, self.plan, self.sankey)

    @cached_property
    def drivers(self) -> Drivers:
        """Contraction, influence and conflict of the headline quantities."""
        return gather_drivers(self.contents, self.plan.headline)

    @cached_property
    def study(self) -> Study:
        """The study that travels with the fit."""
        return study_of(self.contents)

    @property
    def common(self) -> dict[str, Any]:
        """What every section may name."""
        contents = self.contents
        return {
            "study": contents.attrs["study_name"],
            "unit": contents.unit,
            "span": span_of(contents.years),
            "last": contents.years[-1],
            "one_year": len(contents.years) == 1,
            "years": contents.years,
            "percent": f"{100 * CI_PROB:g} %",
            "notes": str(contents.attrs.get("notes", "")),
            "converged": contents.converged,
            "verdict": contents.attrs.get("verdict", ""),
            "compared": self.comparison is not None,
            "moving": self.sankey is not None,
            "start": contents.years.index(self.plan.sankey_year),
        }


def span_of(years: Sequence[int]) -> str:
    """First and last year, or the only one."""
    return f"{years[0]}–{years[-1]}" if len(years) > 1 else str(years[0])
