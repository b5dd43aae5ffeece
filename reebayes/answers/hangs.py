"""What the headline answers of a fit hang on, as tables: what a report shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reebayes.results.selection import Span


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
    not_quantified : list of str
        What the study names as its limits: no number stands for them.
    """

    digest: str
    years: Mapping[str, Span]
    slopes: Mapping[str, pd.DataFrame]
    budgets: Mapping[str, pd.DataFrame]
    figures: Mapping[str, pd.DataFrame]
    not_quantified: Sequence[str]
