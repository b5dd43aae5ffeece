"""What uses lack of an element in an outlook: ores hold them together, and uses want some of them.

What arrives is told by where it was mined and what is mined there, as in `elements`. What is asked
for is told in two ways, because recipes of applications and ores do not agree on what was used in
the last year of the fit: what arrived then, grown as the recipes say; and the recipes themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from reebayes.answers.contained import (
    ASSUMPTION,
    BALANCED,
    ELEMENT,
    FLOWS,
    ORIGIN,
    elements,
    wanted_elements,
)
from reebayes.answers.layers import Layers, has_layers
from reebayes.answers.registers import refinery_output
from reebayes.conventions import BY_REGION, CI_PROB, FLOW, POSTERIOR, SAMPLE_DIMS, YEAR
from reebayes.forecasting.running import LAST, OUTLOOK, USE, USES
from reebayes.forecasting.telling import WORLD, deficit_cells, regions_told, require_outlook
from reebayes.results.description import study_of
from reebayes.results.reading import Contents, contents_of
from reebayes.study import Study

ARRIVES, MINED, REFINED = "what arrives", "mined there", "refined there"
"""What is set against what uses ask for."""

AS_LAST, BY_RECIPE = "as before", "by recipes"
"""How it is told what they ask for."""

WHOLE = rf"{WORLD}$|outside "
"""Pattern of the world and of what is outside each region."""

COLUMNS = ("year", "region", "supply", "asked", "unit", "demand", "supplied", "deficit", "lower",
           "upper", "ci_prob", "x", "probability")  # fmt: skip

type Floats = NDArray[np.float64]
type ByRegion = dict[str, Floats]


def element_deficits(
    outlook: xr.DataTree, years: int | Sequence[int], name: str, *, x: float | None = None,
    held: str = "", seed: int = 0, study: Study | None = None, ci_prob: float = CI_PROB,
) -> pd.DataFrame:  # fmt: skip
    """Tell what uses lack of an element in some years of an outlook.

    Parameters
    ----------
    outlook : DataTree
        As `outlook` returns it.
    years : int or sequence of int
    name : str
        An element of ``compositions.csv``, or a sum of them, such as ``"Nd+Pr"``.
    x : float, optional
        Deficit of which the probability is told, in the unit; a tenth of the median demand if left
        out.
    held : str
        What is held at its mean, so that the draws tell the uncertainty of the other alone:
        ``"flows"`` (and demand), ``"compositions"``, or nothing.
    seed : int
        Of the draws of compositions.
    study : Study, optional
        Study whose ``compositions.csv`` and ``materials.csv`` are asked; that of the fit if left
        out. What they say of its last year holds on.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        Rows for each year: for the world, what is outside each region, and each region; of
        ``supply``, ``"what arrives"`` in their uses with trade as it goes, ``"mined there"``, what
        arrives of that in uses anywhere, and ``"refined there"``, what their refineries make (the
        last two not of the world, and the second not of a fit in groups of elements); and of what
        is ``asked`` for, ``"as before"``, what arrived in
        the last year of the fit, grown as the recipes say, or ``"by recipes"``. Medians of
        ``demand`` and ``supplied`` as oxides, ``deficit`` with its band, and ``probability``,
        P(deficit > ``x``). What one use of a region has too much fills what another lacks.
        Attribute ``assumption``.

    Raises
    ------
    ResultError
        If it is no outlook or not of that year, or the study does not say what ores hold or what
        all uses are made of.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")
    >>> list(rb.element_balance(fit, "Nd+Pr", years=2022))  # in a year of the fit
    ['supply', 'demand', 'ratio', 'surplus']
    >>> table = rb.element_deficits(rb.outlook(fit, to=2025), 2025, "Nd+Pr")
    >>> table["supply"].unique().tolist()
    ['what arrives', 'mined there', 'refined there']
    """
    asked_years = [years] if isinstance(years, int) else list(years)
    for year in asked_years:
        require_outlook(outlook, year, x)
    parts = {part: contents_of(outlook.children[part]) for part in (LAST, OUTLOOK)}
    known = study_of(parts[LAST]) if study is None else study
    asked = _Asked(outlook, parts, name, held, seed, known)
    rows = []
    for year in asked_years:
        wanted, coming = asked.wanted(year), asked.coming(year)
        for place, those in regions_told(asked.regions):
            whole = len(those) == len(asked.regions)
            for way, demand in wanted.items():
                for supply, found in coming.items():
                    if supply == ARRIVES or not whole:
                        cells = deficit_cells(_sum(demand, those), _sum(found, those), x, ci_prob)
                        rows.append([year, place, supply, way, outlook.attrs["unit"], *cells])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs |= {"name": name, "held": held, "assumption": asked.assumption}
    return table


def deficits_of_groups(outlook: xr.DataTree, *, study: Study | None = None) -> pd.DataFrame | None:
    """Tell what uses lack of each group of elements that a fit balances, every fifth year on.

    Parameters
    ----------
    outlook : DataTree
        As `outlook` returns it.
    study : Study, optional
        As in `element_deficits`.

    Returns
    -------
    DataFrame or None
        As `element_deficits` returns it, with columns ``element`` and ``held`` before, of the
        world and of what is outside each region; None if the fit has no groups.
    """
    groups = contents_of(outlook.children[LAST]).report.get("groups")
    if not groups:
        return None
    years, tables = years_told(outlook), []
    for name in groups.values():
        found = element_deficits(outlook, years, name, study=study)
        found.insert(0, "element", name)
        found.insert(1, "held", "")
        tables.append(found)
    table = pd.concat(tables, ignore_index=True)
    table = table[table["region"].str.match(WHOLE)].reset_index(drop=True)
    table.attrs = {"assumption": tables[0].attrs["assumption"]}
    return table


def years_told(outlook: xr.DataTree) -> list[int]:
    """Return every fifth year of an outlook and its last one."""
    last = int(outlook.attrs["to"])
    first = int(outlook.attrs["first_year"])
    return [*(year for year in range(first, last) if year % 5 == 0), last]


@dataclass(frozen=True)
class _Asked:
    """Supply and demand (sample) of an element, by region."""

    tree: xr.DataTree
    parts: dict[str, Contents]
    name: str
    held: str
    seed: int
    study: Study

    @property
    def last(self) -> int:
        """Last year of the fit."""
        return self.parts[LAST].years[-1]

    @cached_property
    def layers(self) -> Layers | None:
        """Layers of a fit in groups of elements."""
        contents = self.parts[LAST]
        return Layers.of(contents, held=self.held) if has_layers(contents) else None

    @property
    def assumption(self) -> str:
        """What the answers rest on."""
        return ASSUMPTION if self.layers is None else BALANCED

    @cached_property
    def uses(self) -> Mapping[str, pd.Series]:
        """Uses of each region, by the flow into them."""
        contents = self.parts[LAST]
        kinds, regions = (contents.processes[column] for column in ("kind", "region"))
        targets = contents.flows["target"]
        into = targets[targets.map(kinds) == USE]
        return {str(region): those for region, those in into.groupby(into.map(regions), sort=False)}

    @property
    def regions(self) -> list[str]:
        """Regions that use anything."""
        return list(self.uses)

    def recipes(self, uses: pd.Series) -> pd.Series:
        """Those flows into uses that have recipes: of a fit in groups, those of the first."""
        return uses if self.layers is None else uses[~uses.index.isin([*self.layers.ties])]

    def holding(self, part: str, year: int, flows: Iterable[str], by: str = "") -> xr.DataArray:
        """The element in some flows (sample), or by origin; nothing where nothing arrives."""
        found = elements(
            self.parts[part], self.name, " + ".join(flows), by=by, years=year, held=self.held,
            separated=True,  # what is asked for is all that a region uses, or all that it refines
            seed=self.seed, study=self.study,
        )  # fmt: skip
        return found.isel({ELEMENT: 0}).fillna(0.0).stack(sample=SAMPLE_DIMS)

    @cached_property
    def then(self) -> Mapping[str, tuple[Floats, Floats]]:
        """Of the last year of the fit, what arrived (sample) and recipes (sample, flow)."""
        recipes = wanted_elements(
            self.parts[LAST], self.name, self.last, held=self.held, seed=self.seed,
            study=self.study,
        ).stack(sample=SAMPLE_DIMS)  # fmt: skip
        return {
            region: (
                self.holding(LAST, self.last, uses.index).values,
                recipes.sel({FLOW: list(self.recipes(uses).index)})
                .transpose("sample", FLOW)
                .values,
            )
            for region, uses in self.uses.items()
        }

    def wanted(self, year: int) -> dict[str, ByRegion]:
        """What uses of each region ask for, in both ways."""
        found: dict[str, ByRegion] = {AS_LAST: {}, BY_RECIPE: {}}
        for region, uses in self.uses.items():
            arrived, recipes = self.then[region]
            now, before = (recipes * self._growth(uses, year)).sum(axis=1), recipes.sum(axis=1)
            found[AS_LAST][region] = arrived * _over(now, before)
            found[BY_RECIPE][region] = now
        return found

    def _growth(self, uses: pd.Series, year: int) -> Floats:
        """What is asked for over what was used in the last year (sample, flow with a recipe)."""
        told = self.recipes(uses)
        wanted = self.tree.children[USES].to_dataset()["demand"].sel({YEAR: year})
        asked = wanted.stack(sample=SAMPLE_DIMS).sel({USE: list(told)}).transpose("sample", USE)
        flows = self.parts[LAST].group(POSTERIOR)["flows"].sel({YEAR: self.last})
        was = flows.sel({FLOW: list(uses.index)}).stack(sample=SAMPLE_DIMS)
        together = np.array([[one == other for other in told] for one in uses], dtype=float)
        now, used = asked.values, was.transpose("sample", FLOW).values.astype(float) @ together
        if self.held == FLOWS:
            now, used = now.mean(axis=0, keepdims=True), used.mean(axis=0, keepdims=True)
        return _over(now, used)

    def coming(self, year: int) -> dict[str, ByRegion]:
        """What arrives in uses of each region, and what each mines and refines."""
        found = {ARRIVES: {region: self.holding(OUTLOOK, year, uses.index).values
                           for region, uses in self.uses.items()}}  # fmt: skip
        if len(self.regions) == 1:
            return found
        none = np.zeros_like(found[ARRIVES][self.regions[0]])
        if self.layers is None:  # groups that are balanced do not tell their origins
            everywhere = [flow for uses in self.uses.values() for flow in uses.index]
            mined = self.holding(OUTLOOK, year, everywhere, by=BY_REGION)
            there = mined[ORIGIN].values.tolist()
            found[MINED] = {region: mined.sel({ORIGIN: region}).values if region in there else none
                            for region in self.regions}  # fmt: skip
        contents = self.parts[OUTLOOK]
        if contents.report.get("refined"):
            made: dict[str, list[str]] = {region: [] for region in self.regions}
            for flow, region in refinery_output(contents, None).items():
                made.setdefault(region, []).append(flow)
            found[REFINED] = {
                region: self.holding(OUTLOOK, year, made[region]).values if made[region] else none
                for region in self.regions
            }
        return found


def _sum(draws: Mapping[str, Floats], those: Sequence[str]) -> Floats:
    return np.asarray(sum(draws[region] for region in those))


def _over(above: Floats, below: Floats) -> Floats:
    """A ratio, 0 where there was nothing."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)
