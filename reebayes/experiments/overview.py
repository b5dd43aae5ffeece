"""What the headline answers of a fit hang on, all at the cost of little more than one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from reebayes.answers.hangs import SensitivitySummary
from reebayes.answers.information import values_of_information
from reebayes.conventions import POSTERIOR, QUANTITY
from reebayes.errors import ResultError
from reebayes.experiments.budgets import uncertainty_budgets
from reebayes.experiments.conflicts import prior_conflict
from reebayes.experiments.sensitivities import sensitivities, study_in
from reebayes.provenance import code_hash, digest_of
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.results.selection import Span, answer_draws
from reebayes.study import Study


def sensitivity_summary(
    fit: Fit, quantities: Sequence[str] | None = None, *, study: Study | None = None
) -> SensitivitySummary:
    """Tell what several answers hang on, from the draws of one fit: for a report.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantities : list of str, optional
        The headline quantities of the study's report, or its first three, if left out. Each is
        summed over all years; a ratio is taken in the last.
    study : Study, optional
        The study that was fitted; taken from the fit if left out.

    Returns
    -------
    SensitivitySummary
        Tables as of `sensitivity`, `uncertainty_budget`, `value_of_information` and
        `prior_conflict`, which `write_report` takes as ``sensitivity``.

    Raises
    ------
    ResultError
        If a name is unknown, or the fit does not hold its study, or is of another one.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/zinc.nc")
    >>> found = rb.sensitivity_summary(fit, ["recycled"])
    >>> found.years
    {'recycled': None}
    >>> rb.write_report(fit, "report.html", sensitivity=found)  # doctest: +SKIP
    """
    contents = contents_of(fit)
    study = study_in(contents, study)
    years = asked_years(contents, quantities)
    require_known(years, contents.units.index, QUANTITY)
    moving = {name: span for name, span in years.items() if _moves(contents, name, span)}
    figures = {}
    with suppress(ResultError):  # where nothing is positive in every draw, no figure has a log
        figures = values_of_information(contents, moving)
    return SensitivitySummary(
        digest=str(contents.attrs.get("digest", "")),
        years=years,
        slopes=sensitivities(contents, moving, spreads=False, study=study) if moving else {},
        budgets=uncertainty_budgets(contents, moving, study=study) if moving else {},
        figures=figures,
        conflicts=prior_conflict(contents, study=study),
        not_quantified=tuple(contents.report.get("limits", ())),
    )


def kept_summary(fit: Fit, path: Path, *, study: Study) -> SensitivitySummary:
    """Return the summary of the headline answers, made once and kept in a file beside the fit.

    Parameters
    ----------
    fit : DataTree
    path : Path
        Found again if it is of this fit, these answers and this code, and written otherwise. Where
        nothing can be written, nothing is kept.
    study : Study
        The study that was fitted.
    """
    contents = contents_of(fit)
    digest = contents.attrs.get("digest", "")
    # a fit from which draws were cut has the digest of the whole
    sizes = dict(contents.group(POSTERIOR).sizes)
    asked = {"answers": asked_years(contents, None), "sizes": sizes}
    # readers compute the answers, so their code counts too
    key = digest_of({"fit": digest, "code": code_hash(spared=()), **asked})
    if digest and (kept := SensitivitySummary.kept(path, key)):
        return kept.with_limits(contents.report.get("limits", ()))
    made = sensitivity_summary(fit, study=study)
    with suppress(ResultError):
        made.keep(path, key)
    return made


def asked_years(contents: Contents, quantities: Sequence[str] | None) -> dict[str, Span]:
    """Return answers and their years: a ratio is of the last one, all others are sums."""
    return {
        name: contents.years[-1] if name in contents.ratios else None
        for name in (contents.headline() if quantities is None else quantities)
    }


def _moves(contents: Contents, name: str, span: Span) -> bool:
    """Whether an answer exists in every draw and is not the same in all."""
    with suppress(ResultError):
        return bool(np.ptp(answer_draws(contents, name, span)[0]) > 0)
    return False
