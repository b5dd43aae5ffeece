"""What an answer hangs on: how it moves if a prior, an error or a setting is another one.

One fit is asked, not repeated: slopes are covariances with the score of a change, and changes of a
whole standard deviation are the same draws with other weights, where their k-hat allows that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reebayes.answers.drivers import signed
from reebayes.answers.importance import reliable, smoothed_weights
from reebayes.answers.montecarlo import covariances, mean_error, weighted_shifts
from reebayes.errors import ResultError, StudyError
from reebayes.inference.reweighting import PriorDraws, observed
from reebayes.model.kernels import Equations
from reebayes.model.layout import Layout, lay_out
from reebayes.model.observations import freedom_of_study, with_errors
from reebayes.model.prior_rows import FIXED, PARTED, PriorRow, prior_rows
from reebayes.model.unknowns import Floats, has_heavy_tails
from reebayes.results.description import study_of
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span, answer_draws, over_years
from reebayes.study import Prior, Study
from reebayes.study.targets import ERROR_FREEDOM
from reebayes.wording import format_value

if TYPE_CHECKING:
    from reebayes.experiments.refits import Refit

SLOPE, WEIGHTS, REFIT = "slope", "weights", "refit"
"""How a change was found: to first order, by weights of the draws, by fitting again."""

SETTING = "setting"

STEEP = 0.1
"""Slope, in standard deviations, from which a row that weights do not settle is fitted again."""

DOWN, UP, HALVED, DOUBLED = "down", "up", "halved", "doubled"
CHANGES: Mapping[str, tuple[float, float]] = {
    DOWN: (-1.0, 1.0),
    UP: (1.0, 1.0),
    HALVED: (0.0, 0.5),
    DOUBLED: (0.0, 2.0),
}
"""Changes of a prior row: by how many of its spreads its centre moves, and its spread's factor."""

SETTLED = 1.645
"""Standard errors of their difference by which two effects differ if their order is settled."""

SPREADS = 10
"""Rank among the changes of centres that a spread must reach to first order to be fitted again."""

WEIGHTS_FAIL = "weights fail"
"""What is said where neither weights nor a refit gave an answer."""

_THINNED = 1000
"""Draws for rows that need the records computed again under each change."""
type _Observed = tuple[dict[str, Floats], Floats]
"""Answers by name, and the log-likelihood of all records, by draw."""

_NEAR = 0.05
"""Standard deviations over which their slopes are differenced."""


def sensitivity(
    fit: Fit,
    quantity: str,
    years: Span = None,
    *,
    confirm: bool = False,
    study: Study | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
    workers: int | None = 0,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """Tell how a quantity moves with every prior, correlated error, noise scale and setting.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    quantity : str
        Quantity.
    years : int or (int, int), optional
        One year, or first and last year of a sum; the sum over all years if left out.
    confirm : bool
        Whether to fit again where weights fail: a centre with a slope above `STEEP`, a spread that
        also moves the quantity as far to first order as the largest `SPREADS` changes of centres,
        and every setting.
    study : Study, optional
        The study that was fitted; taken from the fit if left out.
    out : str or Path, optional
        Directory in which finished refits are kept, and found again.
    seed : int
        Seed of the refits.
    progress : bool
        Tell on standard error how many refits are done.
    workers : int, optional
        Processes for refits, each with one core; as many as there are cores if None, and 0 for this
        process itself.
    scheduler : str, optional
        Address of a Dask cluster to use instead.

    Returns
    -------
    DataFrame
        One row for each row of the priors and each setting, the largest effect first: the larger
        of ``down`` and ``up``.

        ``slope``: posterior standard deviations by which the mean of the quantity moves for each
        prior standard deviation by which the centre of the row moves, with its standard
        ``error``; ``effect``: the same in the unit of the quantity (``unit``).

        ``rank_from`` and ``rank_to``: places that the row can have among all rows for what the
        standard errors settle. They do not know how far off a change to first order is.

        ``down`` and ``up``: change of the mean, in the unit, if the centre moves by -1 and +1
        prior standard deviations (of a setting, ``up``: if it is the one named), with their
        standard errors; ``khat`` of the weights, and ``by``: ``weights``, ``refit`` (both
        changes were fitted and passed), or ``slope`` where the weights fail and the change is to
        first order only, without an error; empty of a setting whose weights fail.

        ``verdict``: what there is to say of each change that was to be fitted again and was not,
        or did not pass its gate: the row then stays as it was. Of a setting, that its weights
        fail.

        ``slope_spread``: posterior standard deviations for each unit of the log of the prior's
        standard deviation, with ``error_spread``; ``halved`` and ``doubled``: change of the mean
        if that is half or twice as large, with ``khat_spread`` and ``by_spread``.

        ``target``, ``years`` and ``source`` of the row. A row without spread has no slope.

    Raises
    ------
    ResultError
        If a name is unknown, the years are not those of the fit, a ratio is to be summed, or the
        fit is of another study.

    References
    ----------
    Gustafson (2000), Local robustness in Bayesian analysis. Kallioinen, Paananen, Bürkner, Vehtari
    (2024), Statistics and Computing 34, 57: power-scaling of priors.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.sensitivity(rb.open_fit("results/zinc.nc"), "recycled")
    >>> table.loc["scrap_smelted", ["target", "unit"]].tolist()
    ['scrap_smelted', 'kt Zn']
    >>> ax = rb.plot_tornado(table, title="Recycled zinc")
    """
    tables = sensitivities(fit, {quantity: years}, confirm=confirm, study=study, out=out,
                           seed=seed, progress=progress, workers=workers,
                           scheduler=scheduler)  # fmt: skip
    return tables[quantity]


def sensitivities(
    fit: Fit,
    years: Mapping[str, Span],
    *,
    confirm: bool = False,
    spreads: bool = True,
    study: Study | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
    workers: int | None = 0,
    scheduler: str | None = None,
) -> dict[str, pd.DataFrame]:
    """Return `sensitivity` for several quantities at the cost of one.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    years : mapping of quantity to years
        The years of each quantity, as in `sensitivity`.
    confirm, study, out, seed, progress, workers, scheduler
        As in `sensitivity`.
    spreads : bool
        Whether to tell what other spreads of the priors do, which takes half of the time; NaN in
        these columns otherwise. Refits ask for them.

    Returns
    -------
    dict of DataFrame

    Raises
    ------
    ResultError
        As `sensitivity`.
    """
    contents = contents_of(fit)
    answers = {name: answer_draws(contents, name, span) for name, span in years.items()}
    asked = _Asked(contents, years, {name: draws for name, (draws, _) in answers.items()},
                   study_in(contents, study), spreads or confirm)  # fmt: skip
    tables = asked.tables()
    if confirm:
        # imported here: slopes need no sampler, which takes seconds to load
        from reebayes.experiments.refits import refits

        cases, unsound = _cases_to_confirm(asked.study, tables)
        folder = Path(out) if out is not None else None
        found = refits(cases, contents, years, seed=seed, folder=folder, progress=progress,
                       workers=workers, scheduler=scheduler)  # fmt: skip
        for name, table in tables.items():
            _put_in(table, name, answers[name][0], found, unsound)
    return {
        name: _ranked(table, answers[name][1], float(asked.answers[name].std(ddof=1)))
        for name, table in tables.items()
    }


def _cases_to_confirm(
    study: Study, tables: Mapping[str, pd.DataFrame]
) -> tuple[dict[str, Study], dict[str, str]]:
    """Studies to fit again: rows that weights do not settle and on which some answer hangs.

    Those on which most hangs come first. Of changes that no sound study has, the reasons.
    """
    hanging = [_hanging(table) for table in tables.values()]
    studies, unsound = {}, {}
    for prior in sorted(study.priors, key=lambda prior: -_steepest(tables, prior.label)):
        for end, _, pair in _ENDS:
            for name in pair if any((prior.label, end) in rows for rows in hanging) else ():
                case = _case(prior.label, name)
                try:
                    studies[case] = _changed(study, prior, name)
                except StudyError as error:
                    unsound[case] = no_study(error)
    table = next(iter(tables.values()))
    for label in table.index[(table["target"] == SETTING) & (table["by"] == "")]:
        studies[_case(str(label), UP)] = study.with_settings(**_setting(str(label)))
    return studies, unsound


_ENDS = (("", "slope", (DOWN, UP)), ("_spread", "slope_spread", (HALVED, DOUBLED)))


def no_study(error: StudyError) -> str:
    """Say why a changed study cannot be fitted."""
    return f"no study to fit: {error.faults[0].message}"


def _steepest(tables: Mapping[str, pd.DataFrame], label: str) -> float:
    slopes = [table.loc[label, [slope for _, slope, _ in _ENDS]] for table in tables.values()]
    return float(np.nan_to_num(np.abs(np.array(slopes, dtype=float))).max())


def _hanging(table: pd.DataFrame) -> set[tuple[str, str]]:
    """Rows and ends of one answer to fit again: few spreads, of which most move it little."""
    centres = _sizes(table, (DOWN, UP)).nlargest(SPREADS)
    least = {"": 0.0, "_spread": float(centres.min())}
    return {
        (str(label), end)
        for end, slope, pair in _ENDS
        for label in table.index[
            (table[f"by{end}"] == SLOPE)
            & (table[slope].abs() > STEEP)
            & (_sizes(table, pair) >= least[end])
        ]
    }


def _sizes(table: pd.DataFrame, pair: Iterable[str]) -> pd.Series:
    """Larger change of two, by row."""
    return table[list(pair)].abs().max(axis=1)


def _changed(study: Study, prior: Prior, name: str) -> Study:
    shift, stretch = CHANGES[name]
    if shift:
        return study.with_prior(prior.target, year=prior.year, shift=shift)
    return study.with_prior(prior.target, year=prior.year, sd=prior.sd * stretch)


def _case(label: str, change: str) -> str:
    return f"{label} {change}"


def _put_in(
    table: pd.DataFrame,
    name: str,
    draws: Floats,
    found: Mapping[str, Refit],
    unsound: Mapping[str, str],
) -> None:
    """Put the answers of refits into a table where all of a row passed, and why others did not."""
    mean, own = float(draws.mean()), mean_error(draws[None])
    for label in table.index:
        said = []
        for end, _, pair in _ENDS:
            cases = {change: _case(label, change) for change in pair}
            wrong = {change: unsound[case] for change, case in cases.items() if case in unsound}
            fitted = {change: found[case] for change, case in cases.items() if case in found}
            wrong |= {change: one.verdict for change, one in fitted.items() if not one.passed}
            said += [f"{change}: {why}" for change, why in wrong.items()]
            changes = {
                change: (one.mean(name)[0] - mean, float(np.hypot(one.mean(name)[1], own)))
                for change, one in fitted.items()
                if one.passed
            }
            if wrong:  # one change refitted beside one to first order is no refit of the row
                said += [f"{change}: {signed(value)} ± {format_value(error)} by a refit that passed"
                         for change, (value, error) in changes.items()]  # fmt: skip
            elif changes:
                table.loc[label, list(changes)] = [value for value, _ in changes.values()]
                table.loc[label, [f"{change}_error" for change in changes]] = [
                    error for _, error in changes.values()
                ]
                table.at[label, f"by{end}"] = REFIT
        if said or table.at[label, "by"] == REFIT:
            table.at[label, "verdict"] = "; ".join(said)


def study_in(contents: Contents, study: Study | None) -> Study:
    """Return the study of a fit: the one given, if it is that, or the one in the fit.

    Raises
    ------
    ResultError
        If the study given is another one, or the fit does not hold its own.
    """
    if study is None:
        return study_of(contents)
    if study.hash != contents.attrs.get("study_hash"):
        raise ResultError(f"This is not a fit of the study {study.name!r}.")
    return study


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is asked of one fit: the draws of each answer, and those of the unknowns."""

    contents: Contents
    years: Mapping[str, Span]
    answers: Mapping[str, Floats]
    study: Study
    spreads: bool = True

    @property
    def changes(self) -> list[tuple[float, float]]:
        """Changes that are computed, in the order of `CHANGES`."""
        return list(CHANGES.values())[: 4 if self.spreads else 2]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by answer, in the order of the priors, then the settings."""
        layout = lay_out(self.study)
        latents = self.contents.latents
        rows = prior_rows(self.study, layout)
        draws = PriorDraws(self.study, layout, latents)
        by_density = [row for row in rows if row.kind not in (PARTED, FIXED)]
        found = self._by_density(draws, by_density)
        found |= self._by_records(draws, [row for row in rows if row.kind == PARTED])
        names = [row.prior.label for row in rows]
        tables = {
            name: pd.DataFrame(
                [found.get(label, {}).get(name, {}) for label in names],
                index=pd.Index(names, name="row"),
                columns=_COLUMNS,
            )
            for name in self.answers
        }
        setting = self._settings(layout, latents)
        described = _described(row.prior for row in rows)
        return {
            name: pd.concat([table.join(described).assign(verdict=""), setting[name]])
            for name, table in tables.items()
        }

    def _by_density(
        self, draws: PriorDraws, rows: Iterable[PriorRow]
    ) -> dict[str, dict[str, dict[str, float]]]:
        """Columns of rows of which the prior density settles everything, by row and answer."""
        rows = list(rows)
        scores = [draws.scores(row, spread=self.spreads) for row in rows]
        shift, spread = (np.stack(part, axis=1) for part in zip(*scores, strict=True))
        slopes = {
            name: (*covariances(values, shift), *covariances(values, spread))
            for name, values in self.answers.items()
        }
        found: dict[str, dict[str, dict[str, float]]] = {}
        for n, row in enumerate(rows):
            logs = np.stack(
                [draws.log_ratio(row, shift=by, stretch=to) for by, to in self.changes], axis=1
            )
            weights, khat = smoothed_weights(-logs)
            found[row.prior.label] = {
                name: _columns(values, [part[n] for part in slopes[name]], weights, khat)
                for name, values in self.answers.items()
            }
        return found

    def _by_records(
        self, draws: PriorDraws, rows: Iterable[PriorRow]
    ) -> dict[str, dict[str, dict[str, float]]]:
        """Columns of rows that move one number otherwise in some years than in others.

        The standard normals stay as drawn; answers and likelihoods are computed again.
        """
        thin = max(1, len(draws.latents) // _THINNED)
        latents, layout = draws.latents[::thin], draws.layout
        at = np.array([self.study.quantities.names.index(name) for name in self.answers], np.int64)

        def under(equations: Equations) -> _Observed:
            values, terms = observed(layout, equations, latents, at)
            summed = [
                over_years(values[:, :, n], self.study.years, self.years[name])
                for n, name in enumerate(self.answers)
            ]
            return dict(zip(self.answers, summed, strict=True)), terms.sum(axis=1)

        base = under(layout.equations) if rows else ({}, np.empty(0))
        return {row.prior.label: self._parted(draws, row, base, under) for row in rows}

    def _parted(
        self,
        draws: PriorDraws,
        row: PriorRow,
        base: _Observed,
        under: Callable[[Equations], _Observed],
    ) -> dict[str, dict[str, float]]:
        """Columns of one such row, by answer."""
        near = [[under(draws.changed(row, shift=by * _NEAR)) for by in (1.0, -1.0)]]
        if self.spreads:
            near.append([under(draws.changed(row, stretch=float(np.exp(by * _NEAR))))
                         for by in (1.0, -1.0)])  # fmt: skip
        far = [under(draws.changed(row, shift=by, stretch=to)) for by, to in self.changes]
        logs = np.stack([terms - base[1] for _, terms in far], axis=1)
        weights, khat = smoothed_weights(-logs)
        found = {}
        for name, values in base[0].items():
            slopes: list[float] = []
            for (up, plus), (down, minus) in near:
                slope = (up[name] - down[name]) / (2 * _NEAR)
                score = (plus - minus) / (2 * _NEAR)
                cov, error = covariances(values, score[:, None])
                slopes += [float(cov[0] + slope.mean()), float(error[0])]
            slopes += [float("nan")] * (4 - len(slopes))
            moved = [
                weighted_shifts(other[name], weights[:, [k]]) for k, (other, _) in enumerate(far)
            ]
            offset = [other[name].mean() - values.mean() for other, _ in far]
            shifts = np.array([shift[0] for shift, _ in moved]) + offset
            errors = np.array([error[0] for _, error in moved])
            found[name] = _columns_of(values, slopes, shifts, errors, khat, len(values))
        return found

    def _settings(self, layout: Layout, latents: Floats) -> dict[str, pd.DataFrame]:
        """One row for each other form of errors: what the answers would be under it."""
        before = self.contents.log_likelihood.values.reshape(len(latents), -1).astype(np.float64)
        others = _other_settings(self.study)
        logs = []
        for freedom in others.values():
            equations = with_errors(layout.equations, freedom)
            _, terms = observed(layout, equations, latents, np.array([], int))
            logs.append(terms.sum(axis=1) - before.sum(axis=1))
        weights, khat = smoothed_weights(-np.stack(logs, axis=1))
        sure = reliable(khat, len(latents))
        about = pd.DataFrame(
            {"khat": khat, "by": np.where(sure, WEIGHTS, ""), "target": SETTING, "years": "",
             "source": "", "verdict": ["" if ok else weights_fail(k)
                                       for k, ok in zip(khat, sure, strict=True)]},
            index=pd.Index(others, name="row"),
        )  # fmt: skip
        found = {}
        for name, values in self.answers.items():
            shift, error = (np.where(sure, part, np.nan)
                            for part in weighted_shifts(values, weights))  # fmt: skip
            found[name] = about.assign(up=shift, up_error=error)
        return found


def _other_settings(study: Study) -> dict[str, float]:
    """Other forms of errors by their setting, with their degrees of freedom (0 if normal).

    Degrees of freedom that are set, and not learnt, are halved and doubled.
    """
    freedom = freedom_of_study(study)
    if not has_heavy_tails(study):
        return {"error_distribution = student_t": freedom}
    others = {"error_distribution = normal": 0.0}
    if not any(prior.target == str(ERROR_FREEDOM) for prior in study.priors):
        near = (max(1.0, freedom / 2), 2 * freedom)
        others |= {f"degrees_of_freedom = {other:g}": other for other in near if other != freedom}
    return others


def _setting(label: str) -> dict[str, str | float]:
    """Setting that a row is of."""
    name, _, value = label.partition(" = ")
    return {name: float(value) if name == "degrees_of_freedom" else value}


def weights_fail(khat: float) -> str:
    """Say that weights of draws give no answer."""
    return f"{WEIGHTS_FAIL} (k-hat {khat:.2f})" if np.isfinite(khat) else WEIGHTS_FAIL


_COLUMNS = (
    "slope", "error", "effect", "down", "down_error", "up", "up_error", "khat", "by",
    "slope_spread", "error_spread", "halved", "halved_error", "doubled", "doubled_error",
    "khat_spread", "by_spread",
)  # fmt: skip


def _columns(
    values: Floats, slopes: list[float], weights: Floats, khat: Floats
) -> dict[str, float]:
    shifts, errors = weighted_shifts(values, weights)
    return _columns_of(values, slopes, shifts, errors, khat, len(values))


def _columns_of(
    values: Floats, slopes: list[float], shifts: Floats, errors: Floats, khat: Floats, draws: int
) -> dict[str, float]:
    """One row of the table: slopes, then what moves by weights where these can be trusted."""
    sd = float(values.std(ddof=1))
    slope, error, slope_spread, error_spread = slopes
    sure = reliable(khat, draws)
    row: dict[str, float] = {
        "slope": slope / sd, "error": error / sd, "effect": slope,
        "slope_spread": slope_spread / sd, "error_spread": error_spread / sd,
    }  # fmt: skip
    first_order = (-slope, slope, slope_spread * np.log(0.5), slope_spread * np.log(2.0))
    for end, pair in (("", (0, 1)), ("_spread", (2, 3)))[: len(khat) // 2]:
        both = bool(sure[list(pair)].all())
        row[f"khat{end}"] = float(khat[list(pair)].max())
        row[f"by{end}"] = WEIGHTS if both else SLOPE  # type: ignore[assignment]
        for k in pair:
            name = list(CHANGES)[k]
            row[name] = float(shifts[k] if both else first_order[k])
            row[f"{name}_error"] = float(errors[k]) if both else float("nan")
    return row


def _described(priors: Iterable[Prior]) -> pd.DataFrame:
    rows = [
        {
            "row": prior.label,
            "target": prior.target,
            "years": prior.period,
            "source": prior.source,
        }
        for prior in priors
    ]
    return pd.DataFrame(rows).set_index("row")


def _ranked(table: pd.DataFrame, unit: str, sd: float) -> pd.DataFrame:
    """Rows by the size of their effects, with the places that errors leave to each."""
    size = _sizes(table, (DOWN, UP)).to_numpy(float)
    down = table[DOWN].abs().to_numpy(float) >= size
    error = np.where(down, table["down_error"], table["up_error"]).astype(float)
    error = np.where(table["by"] == SLOPE, table["error"] * sd, error)
    table = table.assign(unit=unit)
    for place, (column, ranks) in enumerate(_places(size, error).items()):
        table.insert(3 + place, column, ranks)
    return table.iloc[np.argsort(-np.nan_to_num(size, nan=-1.0), kind="stable")]


def _places(size: Floats, error: Floats) -> dict[str, Floats]:
    """First and last place that each effect can have among all; NaN where there is none."""
    known = np.isfinite(size)
    clear = size[:, None] - size > SETTLED * np.hypot(error[:, None], error)
    return {
        "rank_from": np.where(known, 1.0 + clear.sum(axis=0), np.nan),
        "rank_to": np.where(known, known.sum() - clear.sum(axis=1), np.nan),
    }
