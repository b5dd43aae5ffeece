"""A fit with what its tables say, read once and handed down."""

from __future__ import annotations

import json
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
from reebayes.results.contents import CONSTANT, DRIFTING, LIKELIHOOD, TABLES
from reebayes.study.kinds import kind_of, stated_interval


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


@dataclass(frozen=True)
class Contents:
    """A fit with what its tables say, read once and handed down.

    Parameters
    ----------
    fit : DataTree
        As `fit` or `open_fit` returns it.
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

        Raises
        ------
        UnknownKindError
            If a record is of a kind that this version does not know.
        """
        table = self._table(RECORD)
        for name in dict.fromkeys(table["kind"]):
            kind_of(name)
        return table

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
        """Flows by name: ``source, target, product, registered, label``."""
        return self._table(FLOW)

    @cached_property
    def published(self) -> pd.DataFrame:
        """Literature estimates by name, in the unit of the study."""
        return self._table(PUBLISHED)

    @cached_property
    def units(self) -> pd.Series:
        """Unit of every quantity."""
        return self._quantities["unit"]

    @cached_property
    def ratios(self) -> set[str]:
        """Quantities that are ratios."""
        return {str(name) for name, unit in self.units.items() if unit in RATIO_UNITS}

    @cached_property
    def terms(self) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
        """Weights by flow of every quantity: of its numerator, and of its denominator if any."""
        return {str(name): parse_terms(text) for name, text in self._quantities["terms"].items()}

    @cached_property
    def _quantities(self) -> pd.DataFrame:
        return self._table(QUANTITY)

    @cached_property
    def report(self) -> dict[str, Any]:
        """The study's ``[report]`` table; empty if it has none."""
        return self._json_table("report")

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

    @property
    def effective_draws(self) -> float:
        """Smallest tail effective sample size that the gate found; infinite if it found none."""
        return float(self.fit.attrs.get("ess_tail_min", np.inf))

    def headline(self, fallback: int = 3) -> list[str]:
        """Return the quantities that the study's report puts first, or its first few."""
        names = self.units.index[:fallback]
        return list(self.report.get("headline") or map(str, names))

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

    def array(self, group: str, variable: str, name: str) -> np.ndarray:
        """Draws (chain, draw, ...) of one name of a variable, read by themselves.

        Raises
        ------
        ResultError
            If the fit has no such group, or the group no such name.
        """
        draws = self.group(group)
        found = draws.variables[variable]
        dim = str(found.dims[-1])
        if name not in draws.indexes[dim]:
            require_known([name], draws.indexes[dim], dim)
        return np.asarray(found[..., draws.indexes[dim].get_loc(name)].values)

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
        """Where years stand among those of the fit."""
        return [self.years.index(year) for year in years]

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
    """Return a fit with its tables read once."""
    return fit if isinstance(fit, Contents) else Contents(fit)
