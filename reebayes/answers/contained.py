"""Elements in flows: what each origin holds, carried along the flows of every draw.

A fit balances the sum of all elements. Where a flow came from it tells, and what was mined there
analyses of ores tell: the two together are the elements in it, up to where they are separated. No
flow is fitted again, and elements are taken to be lost alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.answers.assaying import Compositions, Floats, draw_compositions, generator
from reebayes.answers.indices import agrees_of
from reebayes.answers.layers import Layers, has_layers, weighed
from reebayes.answers.mixing import System
from reebayes.answers.registers import mine_output
from reebayes.answers.separation import place_flows, require_mixed
from reebayes.answers.tracing import MIXING, flow_draws
from reebayes.conventions import (
    BY_REGION,
    BY_REGISTERED,
    BY_SOURCE,
    CHAIN,
    CI_PROB,
    DRAW,
    FLOW,
    POSTERIOR,
    SAMPLE_DIMS,
    YEAR,
)
from reebayes.errors import ResultError
from reebayes.results.description import study_of
from reebayes.results.identity import as_drawn
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.results.selection import Span
from reebayes.results.summaries import bands
from reebayes.study import Assay, Material, Study
from reebayes.study.kinds import stated_interval
from reebayes.wording import listed, suggestion, without_per_year

ELEMENT, ORIGIN = "element", "origin"
FLOWS, COMPOSITIONS = "flows", "compositions"
HELD = ("", FLOWS, COMPOSITIONS)
WAYS = ("", BY_SOURCE, BY_REGION, BY_REGISTERED)

ASSUMPTION = (
    f"{MIXING} Elements are lost alike, and what comes out of stock holds what else arrives."
)

BALANCED = "Groups of elements have flows of their own in the fit, each with a balance of its own."

_UNKNOWN = ""


def elements(
    fit: Fit,
    names: str | Sequence[str] | None = None,
    at: str = "",
    *,
    over: str = "",
    by: str = "",
    years: Span = None,
    held: str = "",
    separated: bool = False,
    seed: int = 0,
    study: Study | None = None,
    group: str = POSTERIOR,
) -> xr.DataArray:
    """Tell how much of some elements is in a place, in every draw.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    names : str or sequence of str, optional
        Elements of ``compositions.csv``, each by itself or added, such as ``"Nd+Pr"``; all of them
        if left out.
    at : str
        A process (all that enters it), a flow, a quantity that adds flows, or a sum of these. All
        that mines make if left out.
    over : str
        Another place: the result is the share of what it holds of the same elements.
    by : str
        Empty, or how origins are told apart: ``"source"``, ``"region"`` or ``"registered"``.
    years : int or (int, int), optional
        One year, or first and last of several taken together; every year if left out.
    held : str
        What is held at its mean, so that the draws tell the uncertainty of the other alone:
        ``"flows"``, ``"compositions"``, or nothing.
    separated : bool
        Whether to answer where elements have been separated, too, as if they had not been.
    seed : int
        Of the draws of compositions. With one seed they are the same in every call.
    study : Study, optional
        Study whose ``compositions.csv`` and ``materials.csv`` are asked; that of the fit if left
        out.
    group : str
        ``"posterior"`` or ``"prior"``.

    Returns
    -------
    DataArray (chain, draw, year, element)
        Amounts as oxides, in the unit of the study, or shares (unit ``fraction``); with a
        dimension ``origin`` at the end if `by` is given, and without year if `years` are. NaN
        where nothing arrives of which it is known what it holds. Attribute ``unknown``: mean share
        of what arrives of which that is not known, stocks above all, taken to hold what the rest
        does.

    Raises
    ------
    ResultError
        If a name or year is unknown, the study does not say what ores hold, or elements have been
        separated before the place.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")
    >>> rb.elements(fit, "Nd+Pr", "mined_CN", over="mined_world").dims
    ('chain', 'draw', 'year', 'element')
    """
    require_known([by], WAYS, "way of telling origins apart")
    held_in = _Held.of(contents_of(fit), study, years, group, seed, held)
    return _elements(held_in, names, at, over, by, separated=separated)


def _elements(
    held_in: _Held,
    names: str | Sequence[str] | None,
    at: str,
    over: str,
    by: str,
    *,
    separated: bool,
) -> xr.DataArray:
    contents, groups = held_in.contents, held_in.groups(names)
    places = {text: place_flows(contents, text) for text in (at, over) if text}
    if not separated and held_in.layers is None:
        for text, weights in places.items():
            require_mixed(contents, text, weights)
    there = places[at] if at else dict.fromkeys(mine_output(contents), 1.0)
    found, unknown = held_in.amounts(there, groups, by, at or "all that is mined")
    unit, what = held_in.unit, "amount"
    if over:
        whole, _ = held_in.amounts(places[over], groups, "", over)
        found, unit, what = _over(found, whole), "fraction", "share"
    array = held_in.array(found if by else found[..., 0], groups, held_in.names(by) if by else ())
    name = f"{what} of elements in {at or 'all that is mined'}" + (f" over {over}" if over else "")
    array = array.assign_attrs(long_name=name, unknown=unknown, held=held_in.held)
    return as_drawn(array, units=unit, assumption=held_in.assumption)


def element_balance(
    fit: Fit,
    names: str | Sequence[str] | None = None,
    *,
    years: Span = None,
    held: str = "",
    seed: int = 0,
    study: Study | None = None,
    group: str = POSTERIOR,
) -> xr.Dataset:
    """Set what is supplied of each element beside what the applications are made of.

    Ores hold elements together, and applications want some of them: where supply is above demand
    the element is in surplus, stocked or thrown away; where it is below, applications must have
    used less of it than their recipes say, or the flows are wrong.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    names, years, held, seed, study, group
        As in `elements`.

    Returns
    -------
    Dataset (chain, draw, year, element)
        ``supply``, what goes into all applications as it was mined; ``demand``, what they are made
        of; ``ratio`` of the two, and ``surplus``, supply less demand. Both add up to the same
        total, so some ratios are above 1 and others below.

    Raises
    ------
    ResultError
        As `elements`; or if nothing is said of what applications are made of.
    """
    held_in = _Held.of(contents_of(fit), study, years, group, seed, held)
    groups, uses = held_in.groups(names), held_in.uses
    if not uses:
        raise ResultError(
            "materials.csv does not say what applications are made of; give rows of flows into "
            "uses."
        )
    supply, unknown = held_in.supply(groups)
    demand = held_in.demand(groups)
    found = {
        "supply": (supply, held_in.unit),
        "demand": (demand, held_in.unit),
        "ratio": (_over(supply, demand), "fraction"),
        "surplus": (supply - demand, held_in.unit),
    }
    arrays = {
        name: held_in.array(value, groups, ()).assign_attrs(units=units, long_name=name)
        for name, (value, units) in found.items()
    }
    about = {"assumption": held_in.assumption, "unknown": unknown, "held": held}
    return xr.Dataset(arrays, attrs=about)


def wanted_elements(
    fit: Fit, name: str, year: int, *, held: str = "", seed: int = 0, study: Study | None = None
) -> xr.DataArray:
    """Tell what applications hold of some elements by their recipes, by the flow into them.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    name : str
        An element, or a sum of them such as ``"Nd+Pr"``.
    year : int
    held, seed, study
        As in `elements`.

    Returns
    -------
    DataArray (chain, draw, flow)
        Amounts as oxides, in the unit of the study. It is an error if it is not said of every flow
        into a use what it is made into. Of a fit in groups of elements: flows of the first group,
        with what is asked for of all that enters a use.
    """
    held_in = _Held.of(contents_of(fit), study, year, POSTERIOR, seed, held)
    ((_, chosen),) = held_in.groups(name).items()
    targets = held_in.contents.flows["target"]
    layers = held_in.layers.ties if held_in.layers else {}
    into = [str(flow) for flow, target in targets.items()
            if held_in._kinds[str(target)] == "use" and flow not in layers]  # fmt: skip
    lacking = [flow for flow in into if flow not in held_in.uses]
    if lacking or not into:
        raise ResultError(
            f"materials.csv does not say what {listed(lacking) or 'uses'} are made into; give rows "
            "of all flows into uses."
        )
    found: list[Floats] = [held_in.content(flow, chosen) * held_in.flow(flow) for flow in into]
    full = [np.broadcast_to(values, (held_in.samples, 1))[:, 0] for values in found]
    draws = held_in.contents.group(POSTERIOR)
    coords = {name: draws[name].values for name in SAMPLE_DIMS}
    shape = tuple(len(values) for values in coords.values())
    array = xr.DataArray(
        np.stack(full, axis=1).reshape(*shape, len(into)), {**coords, FLOW: into}, (*coords, FLOW)
    )
    return as_drawn(array, units=held_in.unit, assumption=ASSUMPTION)


def beside_elements(
    fit: Fit, *, study: Study | None = None, seed: int = 0, ci_prob: float = CI_PROB
) -> pd.DataFrame:
    """Set published figures about elements beside ours.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    study : Study, optional
        Study whose ``published_elements.csv`` is asked; that of the fit if left out.
    seed : int
        Of the draws of compositions.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        One row a figure, of a fit in groups of elements those about a group (index: its name):
        ``elements, at, over, year, year_end, unit, kind, value,
        low, high``; our ``median, lower, upper`` in the unit of the figure; ``p``, the probability
        that ours is at least the printed figure, or that a printed bound or range holds;
        ``inside``, whether what is printed and our band meet; ``source``, ``definition``, ``note``.

    Raises
    ------
    ResultError
        If the study does not say what ores hold, or the fit lacks a place that a row names.
    """
    contents = contents_of(fit)
    known = study or study_of(contents)
    rows = []
    held_in: dict[Span, _Held] = {}
    for item in known.published_elements:
        years = item.year if item.year_end == item.year else (item.year, item.year_end)
        if years not in held_in:
            held_in[years] = _Held.of(contents, known, years, POSTERIOR, seed, "")
        layers = held_in[years].layers
        if layers is not None and not layers.tells(item.elements):
            continue
        found = _elements(held_in[years], item.elements, item.at, item.over, "", separated=True)
        draws = found.isel({ELEMENT: 0}, drop=True) / item.scale
        band = bands(as_drawn(draws, units=item.unit), ci_prob=ci_prob)
        low, high = stated_interval(item)
        rows.append({
            "name": item.name,
            **{key: getattr(item, key) for key in (
                "elements", "at", "over", "year", "year_end", "unit", "kind")},
            **{key: _figure(getattr(item, key)) for key in ("value", "low", "high")},
            **{key: float(band[key]) for key in ("median", "lower", "upper")},
            "p": float(agrees_of(item.kind)(draws.values, low, high)),
            "inside": bool(low <= float(band["upper"]) and high >= float(band["lower"])),
            **{key: getattr(item, key) for key in ("source", "definition", "note")},
        })  # fmt: skip
    return pd.DataFrame(rows, columns=None if rows else ["name"]).set_index("name")


def _figure(value: float | None) -> float:
    return float("nan") if value is None else value


# --- what it holds --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Held:
    """What flows hold: draws (sample, year) of flows, and of what is in those of known content."""

    contents: Contents
    assays: Sequence[Assay]
    materials: Mapping[str, Sequence[Material]]
    group: str
    years: list[int]
    together: bool
    draws: Floats  # (sample or 1, year, flow)
    compositions: Compositions
    samples: int
    seed: int
    held: str
    last: int  # of the study: what was dug then is dug in years after it, too
    layers: Layers | None = None
    _contents_of: dict[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        contents: Contents,
        study: Study | None,
        years: Span,
        group: str,
        seed: int,
        held: str,
    ) -> _Held:
        known = study or study_of(contents)
        if not (known.assays and known.materials):
            raise ResultError(
                "The study does not say what ores hold: it has no compositions.csv or no "
                "materials.csv. Give a study that has them (study=, --data)."
            )
        require_known([held], HELD, "thing to hold")
        materials: dict[str, list[Material]] = {}
        for row in known.materials:
            materials.setdefault(row.flow, []).append(row)
        for row in known.materials:
            require_known([row.flow, *([row.by] if row.by else [])], contents.flows.index, "flow")
        flows, wanted = flow_draws(contents, group, years)
        samples = flows.shape[0] * flows.shape[1]
        draws = flows.reshape(samples, *flows.shape[2:])
        layers = Layers.of(contents, held=held) if has_layers(contents) else None
        if held == FLOWS:
            draws = draws.mean(axis=0, keepdims=True)
        keys = {(row.material, row.deposits) for row in known.materials}
        compositions = draw_compositions(known.assays, keys, samples, seed)
        if held == COMPOSITIONS:
            compositions = compositions.held
        return cls(
            contents, known.assays, materials, group, wanted, years is not None, draws,
            compositions, samples, seed, held, known.last_year, layers,
        )  # fmt: skip

    @property
    def assumption(self) -> str:
        """What the answers rest on."""
        return ASSUMPTION if self.layers is None else BALANCED

    def groups(self, names: str | Sequence[str] | None) -> dict[str, list[int]]:
        """Positions of the elements of each name."""
        every = self.compositions.elements
        known = every if self.layers is None else tuple(self.layers.groups.values())
        asked = [names] if isinstance(names, str) else list(known if names is None else names)
        if self.layers is not None:
            asked = [self.layers.groups[self.layers.named(name)] for name in asked]
        found = {}
        for name in asked:
            parts = [part.strip() for part in name.split("+")]
            for part in parts:
                if part not in every:
                    raise ResultError(f"Unknown element {part!r}. {suggestion(part, every)}")
            if len({*parts}) < len(parts):
                raise ResultError(f"{name!r} adds an element twice.")
            found[name] = [every.index(part) for part in parts]
        return found

    @property
    def unit(self) -> str:
        """Unit of amounts: of several years together, without "a year"."""
        several = self.together and len(self.years) > 1
        return without_per_year(self.contents.unit) if several else self.contents.unit

    @cached_property
    def _kinds(self) -> Mapping[str, str]:
        return dict(self.contents.processes["kind"])

    @cached_property
    def uses(self) -> list[str]:
        """Flows into uses of which it is said what they are made of."""
        targets = self.contents.flows["target"]
        return [flow for flow in self.materials if self._kinds[str(targets[flow])] == "use"]

    @cached_property
    def _sources(self) -> list[str]:
        """Flows out of environments of known content."""
        sources = self.contents.flows["source"]
        return [flow for flow in self.materials if self._kinds[str(sources[flow])] == "environment"]

    @cached_property
    def system(self) -> System:
        """Flows out of environments as origins, those of unknown content as one."""
        table = self.contents.flows
        stops = {}
        for name, source in table["source"].items():
            if self._kinds[source] == "environment":
                stops[str(name)] = str(name) if name in self._sources else _UNKNOWN
        return System.stopping(self.contents, stops)

    def names(self, by: str) -> list[str]:
        """Names of origins told apart in some way."""
        return list(dict.fromkeys(self._told(flow, by) for flow in self._known))

    @cached_property
    def _known(self) -> list[str]:
        return [name for name in self.system.names if name != _UNKNOWN]

    def _told(self, flow: str, by: str) -> str:
        row = self.contents.flows.loc[flow]
        region = str(self.contents.processes["region"][row["target"]])
        return {
            "": "",
            BY_SOURCE: flow,
            BY_REGION: region or str(row["source"]),
            BY_REGISTERED: "registered" if row["registered"] else "unregistered",
        }[by]

    def supply(self, groups: Mapping[str, list[int]]) -> tuple[Floats, float]:
        """Amounts (sample, year, group) for all uses, and the share of them that is unknown.

        Of groups that are balanced, what found no use is in it.
        """
        weights = dict.fromkeys(self.uses, 1.0)
        if self.layers is None:
            found, unknown = self.amounts(weights, groups, "", "all uses")
            return found[..., 0], unknown
        supplied = self.layers.supplied(weights)
        return self._balanced(self.layers, supplied, groups, "all uses")[..., 0], 0.0

    def _balanced(
        self, layers: Layers, weights: Mapping[str, float], groups: Iterable[str], place: str
    ) -> Floats:
        """Amounts (sample, year, group, 1) in a sum of flows, of groups with flows of their own."""
        chosen = [layers.in_group(place, weights, layers.named(name)) for name in groups]
        found = [weighed(self.draws, layers.flows, flows) for flows in chosen]
        return self._summed(np.stack(found, axis=-1)[..., None])

    def amounts(
        self, weights: Mapping[str, float], groups: Mapping[str, list[int]], by: str, place: str
    ) -> tuple[Floats, float]:
        """Amounts (sample, year, group, origin) in a sum of flows, and the share that is unknown.

        What comes from where it is not known what it holds is taken to hold what the rest does.
        """
        if self.layers is not None:
            if by:
                raise ResultError("Origins of groups that are balanced are not told; leave out by.")
            return self._balanced(self.layers, weights, groups, place), 0.0
        size = self.draws.shape[:2]
        parts = self.system.amounts(self.draws.reshape(-1, self.draws.shape[-1]), weights)
        parts = parts.reshape(*size, -1)
        names = list(self.system.names)
        total = parts.sum(axis=-1)
        known = total - (parts[..., names.index(_UNKNOWN)] if _UNKNOWN in names else 0.0)
        scale = np.where(known > 0, total / np.where(known > 0, known, 1.0), np.nan)
        told = self.names(by)
        rows = max(size[0], self._rows)
        found = np.zeros((rows, size[1], len(groups), len(told)))
        for flow in self._known:
            amount = scale * parts[..., names.index(flow)]
            column = told.index(self._told(flow, by))
            for number, chosen in enumerate(groups.values()):
                found[..., number, column] += amount * self.content(flow, chosen)
        sums = float(total.sum())
        unknown = float((total - known).sum()) / sums if sums else 0.0
        return self._summed(found), unknown

    def demand(self, groups: Mapping[str, list[int]]) -> Floats:
        """Amounts (sample, year, group) in all uses, as they are made of them."""
        found = np.zeros((max(len(self.draws), self._rows), len(self.years), len(groups)))
        for flow in self.uses:
            for number, chosen in enumerate(groups.values()):
                found[..., number] += self.content(flow, chosen) * self.flow(flow)
        return self._summed(found)

    def _summed(self, amounts: Floats) -> Floats:
        return amounts.sum(axis=1, keepdims=True) if self.together else amounts

    @cached_property
    def _rows(self) -> int:
        return len(next(iter(self.compositions.shares.values())))

    def flow(self, name: str) -> Floats:
        """Draws (sample, year) of a flow."""
        return np.asarray(self._total[..., self.contents.flows.index.get_loc(name)])

    @cached_property
    def _total(self) -> Floats:
        """Draws (sample, year, flow) of all elements together."""
        return self.draws if self.layers is None else self.layers.summed(self.draws)

    def content(self, flow: str, chosen: Sequence[int]) -> Floats:
        """Share (sample, year) of some elements in a flow of known content."""
        if flow not in self._contents_of:
            self._contents_of[flow] = self._content(flow)
        return np.asarray(self._contents_of[flow][..., list(chosen)].sum(axis=-1))

    def _content(self, flow: str) -> Floats:
        """Shares (sample, year, element) in a flow: its parts by other flows, and their ores."""
        rows = self.materials[flow]
        parts = list(dict.fromkeys(row.by for row in rows))
        ores = {part: self._ores(flow, part) for part in parts}
        if parts == [""]:
            return ores[""]
        sizes = np.stack([self.flow(part) for part in parts])
        whole = sizes.sum(axis=0)
        # where none of the parts flows, all are taken alike: nothing of it counts
        shares = np.where(whole > 0, sizes / np.where(whole > 0, whole, 1.0), 1 / len(parts))
        return np.asarray(sum(shares[k][..., None] * ores[part] for k, part in enumerate(parts)))

    def _ores(self, flow: str, by: str) -> Floats:
        """Shares (sample, year, element) in a part of a flow, from the materials that it mixes."""
        rows = [row for row in self.materials[flow] if row.by == by]
        total = np.zeros((self._rows, len(self.years), len(self.compositions.elements)))
        weights = np.zeros((self._rows, len(self.years)))
        for row in rows:
            draw = self._weight(row)
            there = [k for k, year in enumerate(self.years) if _holds(row, min(year, self.last))]
            shares = self.compositions.shares[row.material, row.deposits]
            for k in there:
                total[:, k] += draw[:, None] * shares
                weights[:, k] += draw
        return _over(total, weights)

    def _weight(self, row: Material) -> Floats:
        """Draws of the weight of a material; periods of one flow go up and down together."""
        rng = generator(self.seed, row.flow, row.material, row.by, row.deposits)
        draws = row.share * np.exp(row.spread * rng.standard_normal(self.samples))
        return np.full(self._rows, row.share) if self.held == COMPOSITIONS else draws

    def array(
        self, values: Floats, groups: Mapping[str, object], origins: Iterable[str]
    ) -> xr.DataArray:
        """Values (sample, year, group[, origin]) with their names."""
        draws = self.contents.group(self.group)
        sizes = tuple(draws.sizes[dim] for dim in SAMPLE_DIMS)
        full = np.broadcast_to(values, (self.samples, *values.shape[1:]))
        origins = list(origins)
        dims = (CHAIN, DRAW, YEAR, ELEMENT, *((ORIGIN,) if origins else ()))
        years = self.years[:1] if self.together else self.years
        coords = {
            **{name: draws[name].values for name in SAMPLE_DIMS},
            YEAR: years,
            ELEMENT: list(groups),
            **({ORIGIN: origins} if origins else {}),
        }
        array = xr.DataArray(full.reshape(sizes + values.shape[1:]), coords, dims)
        if self.together:
            array = array.isel({YEAR: 0}, drop=True)
            array.attrs |= {"first_year": self.years[0], "last_year": self.years[-1]}
        return array


def _holds(row: Material, year: int) -> bool:
    last = row.year if row.year_end is None else row.year_end
    return row.year is None or (last is not None and row.year <= year <= last)


def _over(above: Floats, below: Floats) -> Floats:
    below = below[..., None] if below.ndim < above.ndim else below
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)
