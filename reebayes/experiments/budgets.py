"""The uncertainty budget of an answer: which inputs its variance comes from.

In a linear-Gaussian study the error of a posterior mean is a sum over independent inputs: how far
each unknown lies from the centre of its prior, and how far each record from what it observes. The
part of an input is the square of its covariance with the answer, over the input's own variance.
These parts add up to the variance, and are the Shapley values of the inputs.

References
----------
JCGM 100:2008 (GUM), the law of propagation of uncertainty.
Owen (2014), SIAM/ASA Journal on Uncertainty Quantification 2, 245-251: Shapley effects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from reebayes.answers.montecarlo import covariances
from reebayes.experiments.sensitivities import study_in
from reebayes.inference.reweighting import located
from reebayes.model.kernels import PART, PRINTED
from reebayes.model.layout import Layout, lay_out
from reebayes.model.observations import freedoms
from reebayes.model.unknowns import Floats, Integers
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span, answer_draws
from reebayes.study import Study
from reebayes.study.targets import BIAS, ERRORS, FLOW, NOISE, ROUTE, SHARED, STEP, Target

UNKNOWN, RECORDS, REST = "unknown", "errors of records", "not linear"
"""What an input is: an unknown, the errors of what a reporter printed, or what is left over."""

NOT_QUANTIFIED = "not quantified"
"""What stands beside the inputs where a budget is written: limits of the study, without numbers."""

KINDS: Mapping[str, str] = {
    FLOW: "prior of a flow",
    ROUTE: "prior of a trade route",
    BIAS: "bias of a reporter",
    SHARED: "correlated error",
    NOISE: "noise",
    ERRORS: "tails of errors",
    STEP: "steps between years",
}
"""What unknowns of each group are, in the words of a budget."""


def uncertainty_budget(
    fit: Fit, quantity: str, years: Span = None, *, study: Study | None = None
) -> pd.DataFrame:
    """Part the variance of a quantity over its inputs: priors, biases, common errors, records.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantity : str
        Quantity.
    years : int or (int, int), optional
        One year, or first and last year of a sum; the sum over all years if left out.
    study : Study, optional
        The study that was fitted; taken from the fit if left out.

    Returns
    -------
    DataFrame
        One row per input, the largest first. ``kind``: what it is; ``share``: its part of the
        posterior variance, with its standard ``error``; shares add up to 1, in the linear-Gaussian
        approximation in which they are Shapley values. ``removed``: share of the variance that
        would go if the input were known, through all that it is tied to; these do not add up. It
        is empty for the errors of records: to know how far a figure is off would be to know what it
        observes, which is no input.
        ``sd``: what the input alone contributes, in the quantity's ``unit``. The last row holds
        what is not linear, and what records of bounds contribute. ``attrs["not_quantified"]``
        names what the study does not put into numbers.

    Raises
    ------
    ResultError
        If a name is unknown, the years are not those of the fit, a ratio is to be summed, or the
        fit is of another study.

    Notes
    -----
    Squares of estimated covariances are larger than those of the true ones by the variance of the
    estimate, which is taken off; a share of nothing may therefore come out a little below 0.

    References
    ----------
    JCGM 100:2008 (GUM). EFSA (2018), EFSA Journal 16(1), 5123: name what is not quantified.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.uncertainty_budget(rb.open_fit("results/zinc.nc"), "recycled")
    >>> round(float(table["share"].sum()), 6)
    1.0
    """
    return uncertainty_budgets(fit, {quantity: years}, study=study)[quantity]


def uncertainty_budgets(
    fit: Fit, years: Mapping[str, Span], *, study: Study | None = None
) -> dict[str, pd.DataFrame]:
    """Return `uncertainty_budget` for several quantities at little more than the cost of one.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    years : mapping of quantity to years
        The years of each quantity, as in `uncertainty_budget`.
    study : Study, optional
        As in `uncertainty_budget`.

    Returns
    -------
    dict of DataFrame

    Raises
    ------
    ResultError
        As `uncertainty_budget`.
    """
    contents = contents_of(fit)
    study = study_in(contents, study)
    answers = {name: answer_draws(contents, name, span) for name, span in years.items()}
    layout = lay_out(study)
    latents = contents.latents
    inputs, pulls = list(_inputs(layout)), _record_pulls(layout, latents)
    limits = tuple(contents.report.get("limits", ()))
    asked = np.column_stack([draws for draws, _ in answers.values()])
    removed = [_removed(asked, latents[:, at], contents) for _, at in inputs]
    tables = {}
    for number, (name, (draws, unit)) in enumerate(answers.items()):
        total = float(draws.var(ddof=1))
        rows: list[dict[str, object]] = [
            {
                "input": target,
                "kind": KINDS[Target.parse(target).group],
                **_part(draws, latents[:, at], total),
                "removed": explained[number],
            }
            for (target, at), explained in zip(inputs, removed, strict=True)
        ]
        rows += [
            {"input": reporter, "kind": RECORDS, **_part(draws, errors, total), "removed": np.nan}
            for reporter, errors in pulls.items()
        ]
        tables[name] = _table(rows, total, unit)
        tables[name].attrs["not_quantified"] = limits
    return tables


def with_limits(budget: pd.DataFrame) -> pd.DataFrame:
    """Return a budget for a file: below its inputs a row for each limit that has no number.

    Parameters
    ----------
    budget : DataFrame
        As `uncertainty_budget` returns it, whose ``attrs`` a file of figures does not keep.
    """
    limits = pd.Index(budget.attrs["not_quantified"], dtype=object, name=budget.index.name)
    return pd.concat([budget, pd.DataFrame({"kind": NOT_QUANTIFIED}, index=limits)])


def _table(rows: list[dict[str, object]], total: float, unit: str) -> pd.DataFrame:
    """Rows of a budget, the largest first, and what they leave over."""
    table = pd.DataFrame(rows).set_index("input").sort_values("share", ascending=False)
    left = 1.0 - float(table["share"].sum())
    error = float(np.sqrt(np.square(table["error"]).sum()))
    table.loc[REST] = {"kind": REST, "share": left, "error": error, "removed": np.nan}
    table["sd"] = np.sqrt(np.clip(table["share"], 0.0, None) * total)
    table["unit"] = unit
    return table


def _inputs(layout: Layout) -> Iterator[tuple[str, Integers]]:
    """Targets, and the entries of the latent vector that are theirs."""
    unknowns = layout.unknowns
    years = np.arange(unknowns.years, dtype=np.int64) * unknowns.varying
    for column in range(unknowns.varying):
        yield unknowns.columns[column], years + column
    names = layout.latents
    for position in range(unknowns.states, unknowns.size):
        yield names[position], np.array([position], dtype=np.int64)


def _part(draws: Floats, inputs: Floats, total: float) -> dict[str, float]:
    """Share of the variance that independent standard normals contribute."""
    cov, error = covariances(draws, inputs)
    square, noise = np.square(cov), np.square(error)
    return {
        "share": float((square - noise).sum()) / total,
        "error": float(np.sqrt((4 * square * noise + 2 * np.square(noise)).sum())) / total,
    }


def _removed(draws: Floats, inputs: Floats, contents: Contents) -> Floats:
    """Share of each column's variance that a regression on the inputs explains, less chance."""
    moved = draws - draws.mean(axis=0)
    centred = inputs - inputs.mean(axis=0)
    rest = moved - centred @ np.linalg.lstsq(centred, moved, rcond=None)[0]
    unexplained = np.square(rest).sum(axis=0) / np.square(moved).sum(axis=0)
    size = min(contents.effective_draws, len(draws))
    freedom = max(size - 1 - inputs.shape[1], 1.0)
    return np.asarray(np.maximum(1.0 - unexplained * (size - 1) / freedom, 0.0))


def _record_pulls(layout: Layout, latents: Floats) -> dict[str, Floats]:
    """Standardised errors (draw, record) of the figures that each reporter printed."""
    location, scale = located(layout, latents)
    printed = np.isin(layout.equations.figures.kind, PRINTED)
    freedom = float(np.median(freedoms(layout.equations, latents)))
    heavy = np.sqrt(freedom / (freedom - 2.0)) if freedom > 2 else 1.0
    spread = scale * np.where(layout.equations.figures.kind == PART, 1.0, heavy)
    pulls = location / np.sqrt(np.square(spread).mean(axis=0))
    of = layout.equations.errors.reporter
    found = {
        reporter: pulls[:, np.flatnonzero(printed & (of == n))]
        for n, reporter in enumerate(layout.reporters)
    }
    return {reporter: errors for reporter, errors in found.items() if errors.size}
