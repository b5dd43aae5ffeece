"""A fit with what its tables say, read once and handed down."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import (
    CHAIN,
    DRAW,
    FLOW,
    LATENT,
    POSTERIOR,
    PRIOR,
    PROCESS,
    PUBLISHED,
    QUANTITY,
    RATIO_UNITS,
    RECORD,
    REPORTER,
    SOURCE,
    YEAR,
    parse_terms,
)
from reebayes.errors import ResultError
from reebayes.results.contents import (
    COMPOSITIONS,
    CONSTANT,
    DRIFTING,
    GROUPS,
    LIKELIHOOD,
    PART_LIKELIHOOD,
    TABLES,
    cut_unevenly,
    missing,
    odd_attributes,
)
from reebayes.study import FaultList, read_report
from reebayes.study.kinds import kind_of, stated_interval
from reebayes.study.targets import ERROR_FREEDOM

_LAST_YEAR = 9999
_SHOWN = 5  # things that are wrong with a fit, named in a message


def stated_ends(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval that each row of a table of records or estimates states.

    Parameters
    ----------
    table : DataFrame
        With ``kind, value, low, high``.

    Returns
    -------
    tuple of array
        Lower ends (0 where open) and upper ends (infinity), in the unit of the figures; a figure
        is an interval of no width.

    Raises
    ------
    UnknownKindError
        If a kind is unknown.
    """
    rows: Iterable[Any] = table.itertuples()
    ends = [stated_interval(row) for row in rows]
    low, high = zip(*ends, strict=True) if ends else ((), ())
    return np.array(low, dtype=float), np.array(high, dtype=float)


def on_scale(
    figures: pd.Series | np.ndarray, kinds: Iterable[str], whole: pd.Series | None = None
) -> np.ndarray:
    """Return figures on the scale of their records' errors; NaN where there is none.

    Parameters
    ----------
    figures : array (record)
        In the unit of the study.
    kinds : iterable of str
        Kind of every record: of a signed one the figure itself is compared, of others its log.
    whole : Series, optional
        Of parts of compositions, what their table adds up to, NaN for other records, as
        `Contents.records` has it: of a part, the log of its ratio to the rest is compared.
    """
    values = np.asarray(figures, dtype=float)
    logs = np.log(np.where(values > 0, values, np.nan))
    if whole is not None:
        rest = whole.to_numpy(dtype=float) - values
        part = (values > 0) & (rest > 0)
        logs = logs - np.where(whole.notna(), np.log(np.where(part, rest, np.nan)), 0.0)
    return np.where(_are_signed(kinds), values, logs)


def off_scale(
    values: np.ndarray, kinds: Iterable[str], whole: pd.Series | None = None
) -> np.ndarray:
    """Return figures in the unit of the study for values (record) on the scale of their errors.

    A part of a composition comes back as a share of the ``whole`` that its table adds up to; see
    `on_scale`.
    """
    signed = _are_signed(kinds)
    if whole is None:
        return np.where(signed, values, np.exp(np.where(signed, 0.0, values)))
    part = whole.notna().to_numpy()
    figures = np.exp(np.where(signed | part, 0.0, values))
    shares = 0.5 + 0.5 * np.tanh(0.5 * np.asarray(values, dtype=float))
    figures = np.where(part, whole.to_numpy(dtype=float) * shares, figures)
    return np.where(signed, values, figures)


def _are_signed(kinds: Iterable[str]) -> np.ndarray:
    return np.array([kind_of(kind).is_signed for kind in kinds], dtype=bool)


@dataclass(frozen=True)
class Contents:
    """A fit with what its tables say, read once and handed down.

    Parameters
    ----------
    fit : DataTree
        As `fit` or `open_fit` returns it, or ``factual``, ``counterfactual`` or ``difference`` of
        what `scenario` returns.
    """

    fit: xr.DataTree

    def has(self, group: str) -> bool:
        """Return whether the fit has a group."""
        return group in self.fit.children

    def group(self, name: str) -> xr.Dataset:
        """Return one group.

        Raises
        ------
        ResultError
            If the fit has no such group.
        """
        if name not in self.fit.children:
            there = ", ".join(self.fit.children)
            raise ResultError(f"The fit has no group {name!r}; it has {there}.")
        if name not in self._groups:
            self._groups[name] = self.fit.children[name].to_dataset()
        return self._groups[name]

    @cached_property
    def _groups(self) -> dict[str, xr.Dataset]:
        """Groups that were asked for; their numbers stay in the file."""
        return {}

    @property
    def attrs(self) -> Mapping[Any, Any]:
        """The attributes of the fit."""
        return self.fit.attrs

    @property
    def unit(self) -> str:
        """Unit of flows."""
        return str(self.fit.attrs.get("unit", ""))

    @property
    def converged(self) -> bool:
        """Whether the fit passed its gate."""
        return self.fit.attrs.get("converged") == "yes"

    @cached_property
    def years(self) -> list[int]:
        """Years of the fit."""
        return [int(year) for year in self.group(POSTERIOR)[YEAR].values]

    @cached_property
    def distributions(self) -> list[str]:
        """Groups of draws: the posterior, then the prior if the fit has one."""
        return [name for name in (POSTERIOR, PRIOR) if self.has(name)]

    @cached_property
    def records(self) -> pd.DataFrame:
        """Records by name: ``quantity, year, year_end, kind, value, low, high, other, ...``.

        ``composition`` names the table of which one is a part (empty if of none), and ``whole`` is
        what the printed parts of that add up to (NaN if of none).

        Raises
        ------
        UnknownKindError
            If a record is of a kind that this version does not know.
        ResultError
            If one is of a quantity that the fit does not have, or of no year.
        """
        parts = self.parts[["composition", "whole"]]
        table = self._stated(RECORD).join(parts)
        return table.fillna({"composition": ""})

    @cached_property
    def parts(self) -> pd.DataFrame:
        """Parts of compositions by record: ``composition``, ``whole`` and ``sd``.

        ``sd`` is the stated standard error of the log of a part's ratio to the rest of its table.
        """
        columns = [variable.name for variable in GROUPS[COMPOSITIONS].variables]
        if not self.has(COMPOSITIONS):
            empty = {"composition": object, "whole": float, "sd": float}
            return pd.DataFrame({name: pd.Series(dtype=empty[name]) for name in columns})
        there = self.group(COMPOSITIONS)
        index = pd.Index(there[RECORD].values.astype(str), name=RECORD)
        return pd.DataFrame({name: there[name].values for name in columns}, index=index)

    @cached_property
    def sources(self) -> pd.DataFrame:
        """Sources by key: ``citation, url, licence, year``."""
        return self._table(SOURCE)

    @cached_property
    def processes(self) -> pd.DataFrame:
        """Processes by name: ``kind, region, label``."""
        return self._table(PROCESS)

    @cached_property
    def flows(self) -> pd.DataFrame:
        """Flows by name: ``source, target, product, registered, label``.

        Raises
        ------
        ResultError
            If one begins or ends in a process that the fit does not have.
        """
        table = self._table(FLOW)
        for end in ("source", "target"):
            require_known(table[end], self.processes.index, PROCESS)
        return table

    @cached_property
    def published(self) -> pd.DataFrame:
        """Literature estimates by name, in the unit of the study; see `records`."""
        return self._stated(PUBLISHED)

    @cached_property
    def units(self) -> pd.Series:
        """Unit of every quantity."""
        return self._quantities["unit"]

    def label_of(self, name: str) -> str:
        """Name of a quantity for readers."""
        return str(self.report.get("labels", {}).get(name) or name)

    @cached_property
    def ratios(self) -> set[str]:
        """Quantities that are ratios."""
        return {str(name) for name, unit in self.units.items() if unit in RATIO_UNITS}

    @cached_property
    def terms(self) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
        """Weights by flow of every quantity: of its numerator, and of its denominator if any."""
        found = {str(name): parse_terms(text) for name, text in self._quantities["terms"].items()}
        for sums in found.values():
            require_known((name for weights in sums for name in weights), self.flows.index, FLOW)
        return found

    @cached_property
    def _quantities(self) -> pd.DataFrame:
        return self._table(QUANTITY)

    @cached_property
    def report(self) -> dict[str, Any]:
        """The study's ``[report]`` table; empty if it has none.

        Raises
        ------
        ResultError
            If it is not one that a study may have.
        """
        settings = self._json_table("report")
        found = FaultList("study.toml")
        read_report(settings, found)
        if found.faults:
            raise ResultError("; ".join(f"study.toml, {fault}" for fault in found.faults))
        return settings

    @cached_property
    def descriptions(self) -> dict[str, str]:
        """What each quantity counts, by its name, where the study says it."""
        return {name: str(text) for name, text in self._json_table("descriptions").items()}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The study's ``[settings]``."""
        return self._json_table("settings")

    @cached_property
    def directions(self) -> dict[str, Any]:
        """Counts of local identifiability, see `identify`; empty if nobody counted."""
        return self._json_table("directions")

    @cached_property
    def variance_floor(self) -> float:
        """Variance floor: share of every stated variance that noise leaves as it is."""
        return float(self.group(CONSTANT)["variance_floor"])

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the errors of figures, the median if learnt; 0 if normal."""
        if self.settings.get("error_distribution", "normal") != "student_t":
            return 0.0
        target = str(ERROR_FREEDOM)
        rows = self.group(CONSTANT)
        at = np.flatnonzero(rows["prior_target"].values == target)
        if not at.size:
            return float(self.settings.get("degrees_of_freedom", 5))
        median, sd = (float(rows[f"prior_{name}"][at[0]]) for name in ("median", "sd"))
        if not sd:
            return median
        return median * math.exp(sd * float(np.median(self.array(POSTERIOR, "latents", target))))

    @property
    def effective_draws(self) -> float:
        """Smallest tail effective sample size that the gate found; infinite if it found none."""
        found = float(self.fit.attrs.get("ess_tail_min", np.inf))
        if found <= 0:
            raise ResultError(f"The fit is damaged: its ess_tail_min is {found:g}; fit again.")
        return found

    def headline(self, fallback: int = 3) -> list[str]:
        """Return the quantities that the study's report puts first, or its first few."""
        names = self.units.index[:fallback]
        return list(self.report.get("headline") or map(str, names))

    def with_parts(self, names: Iterable[str]) -> list[str]:
        """Return quantities, each followed by the parts that the study's report shows under it."""
        parts = self.report.get("parts", {})
        return list(dict.fromkeys(each for name in names for each in (name, *parts.get(name, ()))))

    @cached_property
    def log_likelihood(self) -> xr.DataArray:
        """Log-likelihoods (chain, draw, record) of all records, in the order of their table.

        The group holds only records that some draw makes more or less probable; others have 0.

        Raises
        ------
        ResultError
            If the fit has no log-likelihoods.
        """
        there = self.group(LIKELIHOOD)["value"].transpose(CHAIN, DRAW, RECORD)
        return there.reindex({RECORD: self.records.index.to_numpy(object)}, fill_value=0.0)

    @cached_property
    def lost_log_likelihood(self) -> xr.DataArray:
        """What the log-likelihood (chain, draw, record) of all loses where a record is left out.

        That of the record itself; of a part of a composition, that of the part given all others of
        its table, since the table without it is one of the others. These do not add up to the
        log-likelihood of the records, as those of `log_likelihood` do.
        """
        terms = self.log_likelihood
        if not self.has(PART_LIKELIHOOD):
            return terms
        given = self.group(PART_LIKELIHOOD)["value"].transpose(CHAIN, DRAW, RECORD)
        given = given.reindex({RECORD: terms[RECORD]})
        return given.fillna(terms)

    @property
    def latents(self) -> np.ndarray:
        """Posterior draws (draw, latent) of the unknowns, chain after chain."""
        values = self.group(POSTERIOR)["latents"].transpose(CHAIN, DRAW, LATENT).values
        return np.asarray(values.reshape(-1, values.shape[-1]), dtype=np.float64)

    def array(self, group: str, variable: str, name: str) -> np.ndarray:
        """Draws (chain, draw, ...) of one name of a variable, read by themselves.

        Raises
        ------
        ResultError
            If the fit has no such group, or the group no such name, or a draw is infinite.
        """
        draws = self.group(group)
        found = draws.variables[variable]
        dim = str(found.dims[-1])
        if name not in draws.indexes[dim]:
            require_known([name], draws.indexes[dim], dim)
        values = np.asarray(found[..., draws.indexes[dim].get_loc(name)].values)
        require_finite(values, f"{group}/{variable}")
        return values

    def bias(self, group: str, reporter: str, years: Sequence[int]) -> np.ndarray:
        """Draws (chain, draw) of the mean bias of a reporter over some years, log scale."""
        drifting = self.group(group).indexes[DRIFTING]
        if reporter not in drifting:
            position = self.group(group).indexes[REPORTER].get_loc(reporter)
            return np.asarray(self._biases(group, "bias")[..., position])
        moving = self._biases(group, "drifting_bias")[..., drifting.get_loc(reporter)]
        return np.asarray(moving[..., self.positions(years)].mean(axis=-1))

    def _biases(self, group: str, variable: str) -> np.ndarray:
        """Draws of all biases: few, and asked for by every reporter in turn."""
        if (group, variable) not in self._read:
            self._read[group, variable] = self.group(group)[variable].values
        return self._read[group, variable]

    @cached_property
    def _read(self) -> dict[tuple[str, str], np.ndarray]:
        """Draws that are kept in memory once read."""
        return {}

    def bias_by_year(self, group: str) -> xr.DataArray:
        """Draws (chain, draw, year, reporter) of all biases, log scale."""
        draws = self.group(group)
        still = draws["bias"].expand_dims({YEAR: self.years}, axis=2).copy()
        moving = draws["drifting_bias"].rename({DRIFTING: REPORTER})
        still.loc[{REPORTER: moving[REPORTER]}] = moving
        return still

    def positions(self, years: Sequence[int]) -> list[int]:
        """Where years stand among those of the fit.

        Raises
        ------
        ResultError
            If the fit does not have one of them, such as one that was cut.
        """
        lacking = [str(year) for year in years if year not in self.years]
        if lacking:
            first, last = self.years[0], self.years[-1]
            raise ResultError(
                f"The fit lacks {_some(lacking)}, of which its records tell; it is of "
                f"{first}-{last}."
            )
        return [self.years.index(year) for year in years]

    def _stated(self, dim: str) -> pd.DataFrame:
        """A table of what is stated of quantities and years."""
        table = self._table(dim)
        for name in dict.fromkeys(table["kind"]):
            kind_of(name)
        require_known(dict.fromkeys(table["quantity"]), self.units.index, QUANTITY)
        for column in ("year", "year_end"):
            odd = table.index[~table[column].between(1, _LAST_YEAR)]
            if len(odd):
                raise ResultError(f"The fit is damaged: {column} of {dim} {odd[0]!r} is no year.")
        return table

    def _json_table(self, name: str) -> dict[str, Any]:
        """One attribute of the root that holds a JSON object; empty if it is missing or none."""
        found = json.loads(str(self.fit.attrs.get(name, "{}")))
        return found if isinstance(found, dict) else {}

    def _table(self, dim: str) -> pd.DataFrame:
        """One table of the study, by the names of its rows."""
        constant = self.group(CONSTANT)
        prefix = f"{dim}_"
        columns = {
            variable.name.removeprefix(prefix): constant[variable.name].values
            for variable in TABLES
            if variable.dims == (dim,)
        }
        index = pd.Index(constant[dim].values.astype(str), name=dim)
        table = pd.DataFrame(columns, index=index)
        texts = [name for name in table if table[name].dtype.kind in "OUT"]
        return table.astype(dict.fromkeys(texts, str))


def require_known(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise a `ResultError` that offers the nearest name unless all names are known."""
    known = {str(name) for name in known}
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ResultError(f"Unknown {what} {name!r}.{hint}")


type Fit = xr.DataTree | Contents


def contents_of(fit: Fit) -> Contents:
    """Return a fit with its tables read once.

    Raises
    ------
    ResultError
        If what it holds is not in the form of a fit, or was cut so that its groups do not belong
        together any more.
    """
    if isinstance(fit, Contents):
        return fit
    fit = _as_fit(fit)
    fault = fault_of(fit, whole=False)
    if fault:
        raise ResultError(f"The fit cannot be read: {fault}")
    return Contents(fit)


def _as_fit(fit: xr.DataTree) -> xr.DataTree:
    """Return one part of a scenario, which holds its draws itself, in the form of a fit."""
    if POSTERIOR in fit.children or not {"flows", "quantities"} <= {*fit.data_vars}:
        return fit
    if CONSTANT not in fit.children:
        raise ResultError("This part of a scenario lacks the tables of its study; take it whole.")
    draws, tables = fit.to_dataset(), fit.children[CONSTANT].to_dataset()
    tables = tables.drop_vars([CHAIN, DRAW, YEAR], errors="ignore")
    found = xr.DataTree.from_dict({POSTERIOR: draws, CONSTANT: tables})
    found.attrs = dict(fit.attrs)
    return found


def fault_of(fit: xr.DataTree, *, whole: bool = True) -> str:
    """Say why no reader could go by a fit, from names and types alone; empty if all could.

    One in memory need not be whole: a reader asks for the groups that it needs.
    """
    lacking = missing(fit, whole=whole) if whole or "study_name" in fit.attrs else []
    if lacking:
        return f"not a fit of reebayes; it lacks {_some(lacking)}."
    odd = odd_attributes(fit)
    if odd:
        return f"damaged; wrong are its attributes {_some(odd)}."
    uneven = cut_unevenly(fit)
    if uneven:
        return f"cut in some groups only: {_some(uneven)}. Cut all of it alike, or fit again."
    return ""


def require_finite(draws: np.ndarray, what: str) -> None:
    """Refuse draws that no fit has; NaN is what a ratio of nothing to nothing is.

    Raises
    ------
    ResultError
        If one is infinite.
    """
    if np.isinf(draws).any():
        raise ResultError(f"The fit is damaged: {what} has infinite values; fit again.")


def _some(names: Sequence[str]) -> str:
    """Names as a list, cut where nobody reads on."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
