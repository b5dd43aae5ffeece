"""Variants of one study, scored by the held-out log predictive density of its records.

Leave-one-out scores come from Pareto-smoothed importance sampling where its diagnostic allows,
and from refits that left the record out where it does not. Nothing here needs the sampler.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.utils import ELPDDataLOO

from reebayes.conventions import CI_PROB, RATIO_UNITS, RECORD
from reebayes.errors import FitError, ResultError
from reebayes.results.reading import Fit, contents_of
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands, cumulative
from reebayes.wording import format_band

LOO = "loo"
"""Name of the score that leaves out one record at a time; others leave out whole groups."""

FILES = ("comparison", "pointwise", "quantities")

type Refits = Mapping[str, Mapping[str, pd.Series]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Fits side by side.

    Parameters
    ----------
    table : DataFrame
        One row per ``score`` and ``variant``, the first fit first: ``label``, ``study_hash``,
        ``converged``; ``records`` scored, in all fits the same; ``refitted``, those of them whose
        score needed a refit in some fit; ``unscored``, those that no score can be trusted for;
        ``elpd`` (sum of log predictive densities) and its ``se``; ``weight`` in a stacked
        prediction. ``elpd_diff`` is the difference to the first fit and ``se_diff`` its standard
        error, from the differences of the ``diff_records`` that this fit and the first both score.
        ``high_k`` counts records whose Pareto k is too high in this fit; ``k_max`` is the largest.
    pointwise : DataFrame
        One row per score, variant and record: ``elpd``, ``pareto_k``, ``refitted``, ``used``.
    quantities : DataFrame
        One row per headline quantity and variant: median and band, of the sum over all years
        (of the last year, for a ratio), and the share of draws below the first fit's median.
    """

    table: pd.DataFrame
    pointwise: pd.DataFrame
    quantities: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The three tables by the name of their file."""
        return dict(zip(FILES, (self.table, self.pointwise, self.quantities), strict=True))

    def __str__(self) -> str:
        """Scores, then headline quantities, as text."""
        parts = [f"{_heading(score)}\n{_score_text(rows)}"
                 for score, rows in self.table.groupby("score", sort=False)]  # fmt: skip
        return "\n\n".join([*parts, _quantity_text(self.quantities)])


def compare(
    fits: Mapping[str, xr.DataTree], *, refits: Refits | None = None, force: bool = False
) -> Comparison:
    """Score fits of one study by the held-out log predictive density of its records.

    Parameters
    ----------
    fits : mapping of name to DataTree
        Fits as `fit` returns them; differences are to the first. They are looked at one after the
        other, so that a mapping may open each when asked.
    refits : mapping of score to mapping of name to Series, optional
        Log predictive densities of records (index) under refits that left them out. Those of
        score ``"loo"`` stand in where importance sampling fails; any other score is reported by
        itself, over the records that all fits have in it.
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
        If there is nothing to compare, or no record that all fits have.

    References
    ----------
    Vehtari, Gelman, Gabry (2017), Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC, Statistics and Computing 27.
    """
    about, scores, draws = {}, {}, {}
    for name, fit in fits.items():
        about[name] = _about(fit)
        scores[name] = record_scores(fit)
        draws[name] = _headline_draws(fit)
    _require_comparable(about, force=force)
    given = dict(refits or {})
    exact = given.pop(LOO, {})
    rows = [_score_rows(LOO, scores, about, exact)]
    for score, found in given.items():
        tables = {name: _refitted(found[name]) for name in scores if name in found}
        rows.append(_score_rows(score, tables, about, found))
    return Comparison(
        table=pd.concat([table for table, _ in rows], ignore_index=True),
        pointwise=pd.concat([points for _, points in rows], ignore_index=True),
        quantities=_quantity_rows(draws),
    )


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
        number of draws). Records that carry no information are left out.
    """
    value = contents_of(fit).log_likelihood.astype(np.float64)
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


def untrusted(fits: Mapping[str, xr.DataTree]) -> list[str]:
    """Return the records that importance sampling cannot score in at least one of the fits."""
    found: dict[str, None] = {}
    for fit in fits.values():
        table = record_scores(fit)
        found |= dict.fromkeys(table.index[~table["trusted"]])
    return list(found)


def read_comparison(folder: str | Path) -> Comparison:
    """Read what `reebayes compare` wrote into a folder.

    Raises
    ------
    ResultError
        If a file is missing or is not one of a comparison.
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
    return Comparison(*tables.values())


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
            refitted=swapped,
            usable=swapped | ~table.index.isin(doubtful),
        )
    return tables


def _refitted(densities: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {"elpd": densities, "pareto_k": np.nan, "trusted": True, "refitted": True, "usable": True}
    )


def _score_rows(
    score: str,
    scores: Mapping[str, pd.DataFrame],
    about: Mapping[str, Mapping[str, str]],
    exact: Mapping[str, pd.Series],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of one score: sums over what all fits score, differences over what a pair does."""
    tables = _with_refits(scores, exact)
    shared = _in_all([list(table.index) for table in tables.values()])
    used = _used(tables, score)
    sums = _sums({name: table.loc[used] for name, table in tables.items()})
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
            "unscored": len(shared) - len(used),
            **{column: sums.loc[name, column] for column in ("elpd", "se", "weight")},
            **_difference(pair[first], pair[name], _used(pair, score)),
            "high_k": int((~table["trusted"]).sum()),
            "k_max": float(table["pareto_k"].max()),
        })  # fmt: skip
    return pd.DataFrame(rows), _points(score, tables, used)


def _used(tables: Mapping[str, pd.DataFrame], score: str) -> list[str]:
    """Records that every fit scores."""
    used = _in_all([list(table.index[table["usable"]]) for table in tables.values()])
    if not used:
        raise ResultError(f"No record is scored in all fits (score {score!r}).")
    return used


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


def _sums(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Sums of scores with their standard errors, and stacking weights, by name."""
    data = {name: _as_elpd(table["elpd"]) for name, table in tables.items()}
    first = next(iter(data))
    if len(data) == 1:
        row = {"elpd": data[first].elpd, "se": data[first].se, "weight": 1.0}
        return pd.DataFrame([row], index=[first])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a hopeless variant underflows while weights are sought
        found = arviz_stats.compare(data, reference=first, round_to="none")
    return pd.DataFrame(found[["elpd", "se", "weight"]].astype(float))


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


def _points(score: str, tables: Mapping[str, pd.DataFrame], used: Sequence[str]) -> pd.DataFrame:
    columns = ["elpd", "pareto_k", "refitted"]
    parts = [
        table[columns].assign(used=table.index.isin(used), score=score, variant=name)
        for name, table in tables.items()
    ]
    points = pd.concat(parts).rename_axis(RECORD).reset_index()
    return points[["score", "variant", RECORD, *columns, "used"]]


# --- headline quantities --------------------------------------------------------------------------


def _headline_draws(fit: xr.DataTree) -> dict[str, xr.DataArray]:
    contents = contents_of(fit)
    return {name: _total(quantity(contents, name)).load() for name in contents.headline()}


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


# --- text -----------------------------------------------------------------------------------------


def _heading(score: object) -> str:
    if score == LOO:
        return "Held-out log predictive density, one record left out at a time (PSIS-LOO)"
    return f"Held-out log predictive density, records left out together: {score}"


def _score_text(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    lines = [
        f"{first['records']} records scored in all fits, {first['refitted']} of them by refits; "
        f"{first['unscored']} left out, their Pareto k being too high in some fit. A difference is "
        "over the records that the variant and the first both score."
    ]
    table = pd.DataFrame(
        {
            "variant": rows["variant"],
            "elpd": rows["elpd"].map("{:.1f}".format),
            "se": rows["se"].map("{:.1f}".format),
            "difference": rows["elpd_diff"].map("{:+.1f}".format),
            "se of it": rows["se_diff"].map("{:.1f}".format),
            "over": rows["diff_records"],
            "weight": rows["weight"].map("{:.2f}".format),
            "high k": rows["high_k"],
            "largest k": rows["k_max"].map("{:.2f}".format),
            "converged": rows["converged"],
        }
    )
    return "\n".join([*lines, table.to_string(index=False)])


def _quantity_text(rows: pd.DataFrame) -> str:
    text = [format_band(*values) for values in _band_values(rows)]
    table = rows.assign(band=text).pivot(index="variant", columns="quantity", values="band")
    order = list(dict.fromkeys(rows["variant"]))
    table = table.loc[order, list(dict.fromkeys(rows["quantity"]))].rename_axis(None, axis=1)
    unit = " or ".join(dict.fromkeys(rows["unit"]))
    return f"Headline quantities, median and {100 * CI_PROB:g} % band, {unit}\n{table.to_string()}"


def _band_values(rows: pd.DataFrame) -> Iterable[tuple[float, float, float]]:
    return rows[["median", "lower", "upper"]].itertuples(index=False, name=None)
