"""Variants of one study, scored by the held-out log predictive density of its records.

Refits that left records out score all of them, and come first. Leave-one-out scores by
Pareto-smoothed importance sampling stand beside them: they are of those records alone for which
its diagnostic allows them. Nothing here needs the sampler.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.utils import ELPDDataLOO

from reebayes.answers.scores_text import (
    LEFT_OUT,
    LOO,
    NAMED_SET,
    READ_OTHERWISE,
    UNSCORED,
    comparison_text,
)
from reebayes.answers.uniformity import HeldOutCheck, read_held_out_check
from reebayes.conventions import CI_PROB, RATIO_UNITS, RECORD, REPORTER
from reebayes.errors import FitError, ResultError
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands, cumulative
from reebayes.study.kinds import kind_of
from reebayes.wording import quoted, suggestion

FILES = ("comparison", "pointwise", "quantities", "groups")

_FIGURES = ("value", "low", "high", "other")

type Refits = Mapping[str, Mapping[str, pd.Series]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Fits side by side.

    Parameters
    ----------
    table : DataFrame
        One row per ``score`` and ``variant``, the first fit first and scores by refits before the
        one by importance sampling: ``label``, ``study_hash``, ``converged``; ``records`` compared,
        in all fits the same. What is not compared: ``left_out``, records that some
        fit does not have; ``read_otherwise``, those that some fit reads as another figure or as a
        bound; ``unscored``, those that have no score to be trusted in some fit. ``refitted``
        counts records whose score is of a refit; ``elpd`` is the sum of log predictive densities
        and ``se`` its standard error; ``weight`` that in a stacked prediction, empty where a fit
        does not have the records of the first, read alike. ``elpd_diff`` is the difference to the
        first fit and ``se_diff`` its standard error, from the differences of the ``diff_records``
        that this fit and the first both score, and that all fits read alike. ``high_k`` counts
        records whose Pareto k is too high in this fit; ``k_max`` is the largest.
    pointwise : DataFrame
        One row per score, variant and record: ``elpd``, ``pareto_k``, ``refitted``, ``used``, and
        ``why`` it is not.
    quantities : DataFrame
        One row per headline quantity, or part of one, and variant: median and band, of the sum over
        all years (of the last year, for a ratio), and the share of draws below the first fit's
        median.
    groups : DataFrame
        One row per score, variant and group of records: that of a reporter or, of ``kind``
        ``set``, one asked for; ``records``, ``elpd_diff`` to the first fit, and ``se_diff``.
    places : HeldOutCheck, optional
        Where records of the first study lie in what was predicted without them; of a comparison
        that was read from a folder with such a check.
    """

    table: pd.DataFrame
    pointwise: pd.DataFrame
    quantities: pd.DataFrame
    groups: pd.DataFrame
    places: HeldOutCheck | None = None

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by the name of their file."""
        tables = (self.table, self.pointwise, self.quantities, self.groups)
        return dict(zip(FILES, tables, strict=True))

    def __str__(self) -> str:
        """Scores with the reporters that tell most, then headline quantities, as text."""
        return comparison_text(self.table, self.groups, self.quantities)


def compare(
    fits: Mapping[str, xr.DataTree],
    *,
    refits: Refits | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    force: bool = False,
) -> Comparison:
    """Score fits of one study by the held-out log predictive density of its records.

    Parameters
    ----------
    fits : mapping of name to DataTree
        Fits as `fit` returns them; differences are to the first. They are looked at one after the
        other, so that a mapping may open each when asked.
    refits : mapping of score to mapping of name to Series, optional
        Log predictive densities of records (index) under refits that left them out, such as those
        of K folds, or of the future. Those of score ``"loo"`` stand in where importance sampling
        fails; any other score is reported by itself, before it.
    groups : mapping of name to sequence of str, optional
        Sets of reporters whose records are compared by themselves too: names, or patterns such as
        ``mirror_*``. The records of each reporter always are.
    force : bool
        Compare fits that did not converge.

    Returns
    -------
    Comparison

    Raises
    ------
    FitError
        If a fit did not converge and `force` is false.
    ResultError
        If there is nothing to compare, no record that all fits have, or a group without a reporter.

    References
    ----------
    Vehtari, Gelman, Gabry (2017), Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC, Statistics and Computing 27.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/zinc.nc")
    >>> found = rb.compare({"base": fit, "the same again": fit})
    >>> found.table[["variant", "elpd_diff"]].values.tolist()
    [['base', 0.0], ['the same again', 0.0]]
    """
    about, scores, draws, read = {}, {}, {}, {}
    reporters: dict[str, str] = {}
    for name, fit in fits.items():
        contents = contents_of(fit)
        about[name] = _about(fit)
        scores[name] = record_scores(contents)
        draws[name] = _headline_draws(contents)
        read[name] = _readings(contents)
        who = contents.records[REPORTER]
        reporters = {str(record): str(name) for record, name in who.items()} | reporters
    _require_comparable(about, force=force)
    sets = group_members(groups or {}, dict.fromkeys(reporters.values()))
    given = dict(refits or {})
    exact = given.pop(LOO, {})
    rows = []
    for score, found in given.items():
        tables = {name: _refitted(found[name]) for name in scores if name in found}
        rows.append(_score_rows(score, tables, about, found, read))
    rows.append(_score_rows(LOO, scores, about, exact, read))
    points = pd.concat([points for _, points in rows], ignore_index=True)
    return Comparison(
        table=pd.concat([table for table, _ in rows], ignore_index=True),
        pointwise=points,
        quantities=_quantity_rows(draws),
        groups=_group_rows(points, reporters, sets),
    )


def group_members(
    groups: Mapping[str, Sequence[str]], reporters: Iterable[str]
) -> dict[str, set[str]]:
    """Return the reporters of each group.

    Parameters
    ----------
    groups : mapping of name to sequence of str
        Names of reporters, or patterns with ``*``.
    reporters : iterable of str
        Those that there are.

    Raises
    ------
    ResultError
        If a name or pattern is of no reporter.
    """
    known = list(reporters)
    found: dict[str, set[str]] = {}
    for name, patterns in groups.items():
        found[name] = set()
        for pattern in patterns:
            these = {reporter for reporter in known if fnmatchcase(reporter, pattern)}
            if not these:
                near = suggestion(pattern, known)
                raise ResultError(f"Group {quoted(name)}: no reporter {quoted(pattern)}. {near}")
            found[name] |= these
    return found


def record_scores(fit: Fit) -> pd.DataFrame:
    """Return leave-one-out scores of every record by importance sampling.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.

    Returns
    -------
    DataFrame
        One row per record: ``elpd``, ``pareto_k``, ``trusted`` (whether k is low enough for this
        number of draws). Records that carry no information are left out. A part of a composition
        is scored given the other parts of its table.
    """
    value = contents_of(fit).lost_log_likelihood.astype(np.float64)
    informative = (value.std(("chain", "draw")) > 0).values
    value = value.isel({RECORD: informative})
    tree = xr.DataTree.from_dict({"log_likelihood": value.to_dataset(name="value")})
    size = value.sizes["chain"] * value.sizes["draw"]
    efficiency = float(arviz_stats.ess(value, method="mean").mean()) / size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of high k, which the table tells record by record
        found = arviz_stats.loo(tree, pointwise=True, var_name="value", reff=min(efficiency, 1.0))
    table = pd.DataFrame(
        {"elpd": found.elpd_i.values, "pareto_k": found.pareto_k.values},
        index=pd.Index(value[RECORD].values.astype(str), name=RECORD),
    )
    return table.assign(trusted=table["pareto_k"] <= found.good_k)


def read_comparison(folder: str | Path) -> Comparison:
    """Read what `reebayes compare` wrote into a folder.

    Raises
    ------
    ResultError
        If a file is missing or is not one of a comparison.

    Examples
    --------
    >>> import reebayes as rb
    >>> found = rb.read_comparison("comparison")
    >>> found.table["variant"][0]
    'base'
    """
    tables = {}
    for name in FILES:
        path = Path(folder) / f"{name}.csv"
        if not path.is_file():
            raise ResultError(f"{path}: no such file. `reebayes compare --out {folder}` makes it.")
        try:
            tables[name] = pd.read_csv(path, dtype={"study_hash": str})
        except (ValueError, OSError) as error:
            raise ResultError(f"{path}: cannot be read as a table ({error}).") from error
        if "variant" not in tables[name]:
            raise ResultError(f"{path}: not a table of `reebayes compare`; it has no 'variant'.")
    table, points, quantities, groups = tables.values()
    return Comparison(table, points, quantities, groups, read_held_out_check(Path(folder)))


# --- scores -------------------------------------------------------------------------------------


def _about(fit: xr.DataTree) -> dict[str, str]:
    return {
        "label": str(fit.attrs.get("study_name", "")),
        "study_hash": str(fit.attrs.get("study_hash", "")),
        "converged": str(fit.attrs.get("converged", "no")),
    }


def _require_comparable(about: Mapping[str, Mapping[str, str]], *, force: bool) -> None:
    if not about:
        raise ResultError("There is no fit to compare.")
    failed = [name for name, found in about.items() if found["converged"] != "yes"]
    if failed and not force:
        raise FitError(
            f"Did not converge: {', '.join(failed)}. Nothing was compared. Draw longer, or ask "
            "for the comparison by force."
        )


def _with_refits(
    scores: Mapping[str, pd.DataFrame], refits: Mapping[str, pd.Series]
) -> dict[str, pd.DataFrame]:
    """Scores by importance sampling, with exact ones wherever any fit needs them.

    A record is scored one way in all fits, so that their differences compare like with like.
    """
    doubtful = {record for table in scores.values() for record in table.index[~table["trusted"]]}
    tables = {}
    for name, table in scores.items():
        exact = refits.get(name, pd.Series(dtype=float)).reindex(table.index)
        swapped = table.index.isin(doubtful) & exact.notna()
        tables[name] = table.assign(
            elpd=table["elpd"].mask(swapped, exact),
            refitted=swapped | table.get("refitted", np.zeros(len(table), dtype=bool)),
            usable=swapped | ~table.index.isin(doubtful),
        )
    return tables


def _refitted(densities: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {"elpd": densities, "pareto_k": np.nan, "trusted": True, "refitted": True, "usable": True}
    )


def _readings(contents: Contents) -> dict[str, tuple[object, ...]]:
    """What each record states, by name: two of one reading have one density to compare."""
    table = contents.records
    figures = table[list(_FIGURES)].astype(object).where(table[list(_FIGURES)].notna(), None)
    states = [kind_of(kind).states for kind in table["kind"]]
    rows = zip(table.index.astype(str), states, figures.itertuples(index=False), strict=True)
    return {name: (stated, *row) for name, stated, row in rows}


def _barred(read: Mapping[str, Mapping[str, tuple[object, ...]]]) -> dict[str, tuple[str, str]]:
    """Records that are not to be compared: which count they are of, and why in words."""
    found: dict[str, tuple[str, str]] = {}
    every = {name: row for rows in reversed([*read.values()]) for name, row in rows.items()}
    for record, first in every.items():
        without = [name for name, rows in read.items() if record not in rows]
        other = [name for name, rows in read.items() if rows.get(record, first) != first]
        if without:
            found[record] = LEFT_OUT, f"left out by {', '.join(without)}"
        elif other:
            found[record] = READ_OTHERWISE, f"read otherwise by {', '.join(other)}"
    return found


def _score_rows(
    score: str,
    scores: Mapping[str, pd.DataFrame],
    about: Mapping[str, Mapping[str, str]],
    exact: Mapping[str, pd.Series],
    read: Mapping[str, Mapping[str, tuple[object, ...]]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of one score: sums over what all fits score, differences over what a pair does."""
    tables = _with_refits(scores, exact)
    barred = _barred({name: read[name] for name in scores})
    used = _used(tables, score, barred)
    why = _reasons(tables, used, barred)
    elpds = {name: _as_elpd(table.loc[used, "elpd"]) for name, table in tables.items()}
    weights = _weights(score, scores, exact, read)
    refitted = int(np.any([table.loc[used, "refitted"] for table in tables.values()], axis=0).sum())
    first = next(iter(scores))
    rows: list[dict[str, object]] = []
    for name, table in tables.items():
        pair = _with_refits({first: scores[first], name: scores[name]}, exact)
        rows.append({
            "score": score,
            "variant": name,
            **about[name],
            "records": len(used),
            "refitted": refitted,
            **{cause: sum(one == cause for one, _ in why.values())
               for cause in (LEFT_OUT, READ_OTHERWISE, UNSCORED)},
            "elpd": elpds[name].elpd,
            "se": elpds[name].se,
            "weight": weights.get(name, np.nan),
            **_difference(pair[first], pair[name], _used(pair, score, barred)),
            "high_k": int((~table["trusted"]).sum()),
            "k_max": float(table["pareto_k"].max()),
        })  # fmt: skip
    return pd.DataFrame(rows), _points(score, tables, used, why)


def _used(
    tables: Mapping[str, pd.DataFrame], score: str, barred: Mapping[str, tuple[str, str]]
) -> list[str]:
    """Records that every fit scores and all fits read alike."""
    used = _in_all([list(table.index[table["usable"]]) for table in tables.values()])
    used = [name for name in used if name not in barred]
    if not used:
        raise ResultError(f"No record is scored in all fits (score {score!r}).")
    return used


def _reasons(
    tables: Mapping[str, pd.DataFrame], used: Sequence[str], barred: Mapping[str, tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """Why each record that some fit scores is not compared."""
    held = dict.fromkeys(record for table in tables.values() for record in table.index)
    reasons = {}
    for record in held.keys() - set(used):
        # one that is not there was not refitted, or says nothing of the study
        doubted = [name for name, table in tables.items()
                   if not table["trusted"].get(record, False)]  # fmt: skip
        reasons[record] = barred.get(record, (UNSCORED, f"no score in {', '.join(doubted)}"))
    return reasons


def _difference(
    first: pd.DataFrame, other: pd.DataFrame, used: Sequence[str]
) -> dict[str, float | int]:
    gap = (other["elpd"].loc[list(used)] - first["elpd"].loc[list(used)]).to_numpy()
    return {
        "elpd_diff": float(gap.sum()),
        "se_diff": float(np.sqrt(gap.size * gap.var())),
        "diff_records": gap.size,
    }


def _in_all(lists: Sequence[Sequence[str]]) -> list[str]:
    """Names that stand in every list, in the order of the first."""
    others = set.intersection(*(set(names) for names in lists))
    return [name for name in lists[0] if name in others]


def _weights(
    score: str,
    scores: Mapping[str, pd.DataFrame],
    exact: Mapping[str, pd.Series],
    read: Mapping[str, Mapping[str, tuple[object, ...]]],
) -> dict[str, float]:
    """Weights in a stacked prediction of those that have the records of the first, read alike.

    Over part of the records a fit without the others, or with more, would be weighed by how well
    it does what is not its task.
    """
    first = next(iter(scores))
    alike = {name: table for name, table in scores.items() if read[name] == read[first]}
    if len(alike) == 1:
        return {first: 1.0}
    tables = _with_refits(alike, exact)
    used = _used(tables, score, {})
    data = {name: _as_elpd(table.loc[used, "elpd"]) for name, table in tables.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a hopeless variant underflows while weights are sought
        found = arviz_stats.compare(data, reference=first, round_to="none")
    return {str(name): float(weight) for name, weight in found["weight"].items()}


def _as_elpd(points: pd.Series) -> ELPDDataLOO:
    values = xr.DataArray(points.to_numpy(dtype=float), dims=[RECORD])
    return ELPDDataLOO(
        elpd=float(values.sum()),
        se=float(np.sqrt(values.size * values.var())),
        p=np.nan,
        n_samples=0,
        n_data_points=values.size,
        scale="log",
        warning=False,
        good_k=np.inf,
        elpd_i=values,
        pareto_k=xr.zeros_like(values),
    )


def _points(
    score: str,
    tables: Mapping[str, pd.DataFrame],
    used: Sequence[str],
    why: Mapping[str, tuple[str, str]],
) -> pd.DataFrame:
    columns = ["elpd", "pareto_k", "refitted"]
    words = {record: text for record, (_, text) in why.items()}
    parts = [
        table[columns].assign(
            used=table.index.isin(used), why=[words.get(name, "") for name in table.index],
            score=score, variant=name,
        )
        for name, table in tables.items()
    ]  # fmt: skip
    points = pd.concat(parts).rename_axis(RECORD).reset_index()
    return points[["score", "variant", RECORD, *columns, "used", "why"]]


# --- groups of records ----------------------------------------------------------------------------


def _group_rows(
    points: pd.DataFrame, reporters: Mapping[str, str], sets: Mapping[str, set[str]]
) -> pd.DataFrame:
    """Differences to the first fit over the records of each reporter, and of each set of them."""
    rows: list[dict[str, Any]] = []
    for score, found in points[points["used"]].groupby("score", sort=False):
        wide = found.pivot(index=RECORD, columns="variant", values="elpd")
        who = np.array([reporters.get(str(record), "") for record in wide.index], dtype=str)
        members = [(REPORTER, name, who == name) for name in sorted(set(who))]
        members += [(NAMED_SET, name, np.isin(who, list(of))) for name, of in sets.items()]
        first, *others = dict.fromkeys(found["variant"])
        for variant in others:
            gap = (wide[variant] - wide[first]).to_numpy(dtype=float)
            for kind, name, here in members:
                label = {"score": score, "variant": variant, "kind": kind, "group": name}
                rows.append(label | _summed(gap[here]))
    columns = ["score", "variant", "kind", "group", "records", "elpd_diff", "se_diff"]
    return pd.DataFrame(rows, columns=columns)


def _summed(gap: np.ndarray) -> dict[str, float | int]:
    """Sum of differences; its standard error, which one record cannot tell."""
    error = float(np.sqrt(gap.size * gap.var())) if gap.size > 1 else np.nan
    return {"records": gap.size, "elpd_diff": float(gap.sum()), "se_diff": error}


# --- headline quantities --------------------------------------------------------------------------


def _headline_draws(contents: Contents) -> dict[str, xr.DataArray]:
    names = contents.with_parts(contents.headline())
    return {name: _total(quantity(contents, name)).load() for name in names}


def _total(draws: xr.DataArray) -> xr.DataArray:
    if str(draws.attrs["units"]) in RATIO_UNITS:
        return draws.isel(year=-1)
    return cumulative(draws)


def _quantity_rows(draws: Mapping[str, Mapping[str, xr.DataArray]]) -> pd.DataFrame:
    first = next(iter(draws.values()))
    rows = []
    for name in first:
        middle = float(first[name].median())
        for variant, found in draws.items():
            if name in found:
                rows.append({"quantity": name, "variant": variant, **_summary(found[name], middle)})
    return pd.DataFrame(rows)


def _summary(total: xr.DataArray, middle: float) -> dict[str, object]:
    band = bands(total)
    return {
        "unit": str(total.attrs["units"]),
        **{key: float(band[key]) for key in ("median", "lower", "upper")},
        "ci_prob": CI_PROB,
        "below_first_median": float((total < middle).mean()),
    }
