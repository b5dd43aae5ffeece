"""Indicators of a fit: shares, concentration, reliance, growth; and ratios of any two sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import (
    CHAIN,
    CI_PROB,
    DRAW,
    POSTERIOR,
    SAMPLE_DIMS,
    YEAR,
    parse_terms,
)
from reebayes.errors import ResultError
from reebayes.results.description import study_of
from reebayes.results.identity import UNIT_SEPARATOR, as_drawn
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.results.selection import Span
from reebayes.results.summaries import bands
from reebayes.study import Indicator, Study
from reebayes.study.formulas import (
    CONVENTIONS,
    EU,
    INDEX_10000,
    PHYSICAL,
    TRUTH,
    USGS,
    criterion,
)
from reebayes.study.kinds import (
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    FIGURE,
    SIGNED,
    KindReader,
    stated_interval,
)
from reebayes.wording import listed, without_per_year

INDICATOR = "indicator"

type Draws = NDArray[np.float64]


def indicators(
    fit: Fit,
    names: str | Sequence[str] | None = None,
    convention: str = USGS,
    *,
    years: Span = None,
    study: Study | None = None,
    group: str = POSTERIOR,
) -> xr.Dataset:
    """Compute indicators, such as net import reliance or concentration, in every draw.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    names : str or sequence of str, optional
        Indicators of ``indicators.csv``; all that the convention has if left out.
    convention : str
        ``"usgs"`` (stocks count, a net exporter has 0), ``"eu"`` (stocks do not count, a net
        exporter has 0) or ``"physical"`` (stocks count, a net exporter is below 0). Rows that name
        another convention are left out.
    years : int or (int, int), optional
        One year, or first and last of several taken together: sums before any share or ratio is
        taken of them. Every year by itself if left out.
    study : Study, optional
        Study whose ``indicators.csv`` is asked; the one that travels with the fit if left out.
    group : str
        ``"posterior"`` or ``"prior"``.

    Returns
    -------
    Dataset
        ``value`` (chain, draw, year, indicator), without year where `years` are given; each
        indicator has its ``unit`` as a coordinate, beside ``label``, ``kind`` and ``convention``.
        NaN where it does not exist, such as a share of nothing.

    Raises
    ------
    ResultError
        If there are no indicators, a name, convention or year is unknown.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")
    >>> found = rb.indicators(fit, ["nir_US", "hhi_mined"], "physical")
    >>> found["value"].dims, found["unit"].values.tolist()
    (('chain', 'draw', 'year', 'indicator'), ['fraction', 'index 0-1'])
    """
    contents = contents_of(fit)
    rows = _rows(study or study_of(contents), names, convention)
    return _indicators(rows, _Computed(contents, group, convention, rows.known, years))


def _indicators(rows: _Rows, draws: _Computed) -> xr.Dataset:
    contents, convention, years = draws.contents, draws.convention, draws.years
    # In order, so that the last index is the indicator's.
    values = np.stack([draws.indicator(row.indicator) for row in rows.chosen], axis=-1)
    units = [draws.unit(row) for row in rows.chosen]
    coords = {
        INDICATOR: [row.indicator for row in rows.chosen],
        **_named_samples(contents, draws.group),
        YEAR: contents.years if years is None else [0],
        "unit": (INDICATOR, units),
        **{
            name: (INDICATOR, [getattr(row, name) for row in rows.chosen])
            for name in ("label", "kind", "region", "stage")
        },
        "convention": (INDICATOR, [row.convention or convention for row in rows.chosen]),
    }
    found = xr.DataArray(values, coords, (CHAIN, DRAW, YEAR, INDICATOR), name="value")
    if years is not None:
        found = found.isel({YEAR: 0}, drop=True).assign_attrs(_span_attrs(years))
    unit = UNIT_SEPARATOR.join(sorted({*units}))
    return as_drawn(found, long_name="indicators", units=unit).to_dataset()


def ratio(
    fit: Fit,
    numerator: str,
    denominator: str,
    *,
    years: Span = None,
    group: str = POSTERIOR,
) -> xr.DataArray:
    """Return the ratio of two sums of quantities or flows, in every draw.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    numerator, denominator : str
        A quantity or flow, or a sum such as ``"mined_CN - 0.5 mined_US"``.
    years : int or (int, int), optional
        One year, or first and last of several: the ratio of the sums over them, which is not the
        sum of the ratios. Every year by itself if left out.
    group : str
        ``"posterior"`` or ``"prior"``.

    Returns
    -------
    DataArray (chain, draw, year) or (chain, draw)
        Unit ``ratio``; NaN where the denominator is 0.

    Raises
    ------
    ResultError
        If a name or year is unknown, or a sum holds a ratio.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")
    >>> share = rb.ratio(fit, "smuggled_CN", "exported_CN", years=(2010, 2014))
    >>> share.dims, share.attrs["units"]
    (('chain', 'draw'), 'ratio')
    """
    contents = contents_of(fit)
    draws = _Computed(contents, group, USGS, {}, years)
    values = _over(draws.total(numerator), draws.total(denominator))
    coords = {**_named_samples(contents, group), YEAR: contents.years if years is None else [0]}
    found = xr.DataArray(values, coords, (CHAIN, DRAW, YEAR))
    if years is not None:
        found = found.isel({YEAR: 0}, drop=True).assign_attrs(_span_attrs(years))
    return as_drawn(found, long_name=f"{numerator} / {denominator}", units="ratio")


def indicator_table(found: xr.Dataset, *, ci_prob: float = CI_PROB) -> pd.DataFrame:
    """Return medians and bands of what `indicators` returns, one row an indicator and year.

    Parameters
    ----------
    found : Dataset
        As `indicators` returns it.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        ``indicator, label, convention, year`` (or ``years``), ``unit, median, lower, upper,
        probability``; the last is P(all hold) of criteria, and NaN of others.
    """
    value = found["value"]
    band = bands(value, ci_prob=ci_prob)
    holds = value.mean(SAMPLE_DIMS, skipna=False).where(found["unit"] == TRUTH)
    band = band.assign(probability=holds)
    by_year = YEAR in value.dims
    if not by_year:
        band = band.expand_dims("years").assign_coords(years=[_span_text(value.attrs)])
    when = YEAR if by_year else "years"
    table = band.to_dataframe(dim_order=[INDICATOR, when]).reset_index()
    is_truth = table["unit"] == TRUTH
    table[["median", "lower", "upper"]] = table[["median", "lower", "upper"]].mask(is_truth)
    columns = [INDICATOR, "label", "convention", when, "unit", "median", "lower", "upper"]
    return table[[*columns, "probability"]].assign(ci_prob=ci_prob)


def beside_indicators(
    fit: Fit,
    names: str | Sequence[str] | None = None,
    *,
    study: Study | None = None,
    ci_prob: float = CI_PROB,
) -> pd.DataFrame:
    """Set published values of indicators beside those of a fit, which did not use them.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    names : str or sequence of str, optional
        Indicators of which published values are set beside; all if left out.
    study : Study, optional
        Study whose ``published_indicators.csv`` is asked; that of the fit if left out.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        One row a published value (index: its name): ``indicator, convention, year, year_end, unit,
        kind, value, low, high``; our ``median, lower, upper``; ``p``, the probability that ours is
        at least the printed figure, or that a printed bound or range holds; ``inside``, whether
        what is printed and our band meet; ``informed``, whether the same source gave the fit a
        record or prior, so that the two are not independent; ``source``, ``definition``, ``note``.

    Raises
    ------
    ResultError
        If the study has no indicators, or the fit lacks what they name.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.beside_indicators(rb.open_fit("results/fit.nc"), "nir_US")
    >>> float(table.loc["usgs_nir_US_2014", "value"])
    0.56
    >>> {"median", "lower", "upper", "inside"} <= {*table.columns}
    True
    """
    contents = contents_of(fit)
    known = study or study_of(contents)
    evidence = {row.source for table in (known.records, known.priors) for row in table}
    asked = [names] if isinstance(names, str) else names
    if asked is not None:
        require_known(asked, known.indicators.names, INDICATOR)
    rows = []
    flows: dict[str, Draws] = {}  # read once for all rows
    for item in known.published_indicators:
        if asked is not None and item.indicator not in asked:
            continue
        convention = item.convention or USGS
        years = item.year if item.year_end == item.year else (item.year, item.year_end)
        meant = _rows(known, item.indicator, convention)
        found = _indicators(
            meant, _Computed(contents, POSTERIOR, convention, meant.known, years, flows)
        )
        draws = found["value"].isel({INDICATOR: 0})
        band = bands(draws, ci_prob=ci_prob)
        low, high = stated_interval(item)
        rows.append({
            "name": item.name,
            INDICATOR: item.indicator,
            "convention": item.convention,
            **{key: getattr(item, key) for key in ("year", "year_end", "unit", "kind")},
            **{key: _figure(getattr(item, key)) for key in ("value", "low", "high")},
            **{key: float(band[key]) for key in ("median", "lower", "upper")},
            "p": float(agrees_of(item.kind)(draws.values, low, high)),
            "inside": bool(low <= float(band["upper"]) and high >= float(band["lower"])),
            "informed": item.source in evidence,
            **{key: getattr(item, key) for key in ("source", "definition", "note")},
        })  # fmt: skip
    return pd.DataFrame(rows, columns=None if rows else ["name"]).set_index("name")


agrees_of: KindReader[Callable[[Draws, float, float], Any]] = KindReader(
    "probability of what a published indicator states",
    {
        FIGURE: lambda draws, low, high: (draws >= low).mean(),
        SIGNED: lambda draws, low, high: (draws >= low).mean(),
        AT_MOST: lambda draws, low, high: (draws <= high).mean(),
        AT_LEAST: lambda draws, low, high: (draws >= low).mean(),
        BETWEEN: lambda draws, low, high: ((draws >= low) & (draws <= high)).mean(),
    },
)


def _figure(value: float | None) -> float:
    return float("nan") if value is None else value


# --- which rows -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rows:
    chosen: Sequence[Indicator]
    known: Mapping[str, Indicator]


def _rows(study: Study, names: str | Sequence[str] | None, convention: str) -> _Rows:
    if convention not in CONVENTIONS:
        require_known([convention], CONVENTIONS, "convention")
    if not study.indicators:
        raise ResultError(
            f"The study {study.name!r} has no indicators.csv; give one that has, by study= or "
            "--data."
        )
    known = {row.indicator: row for row in study.indicators if row.convention in ("", convention)}
    asked = [names] if isinstance(names, str) else list(known if names is None else names)
    require_known(asked, study.indicators.names, INDICATOR)
    for name in asked:
        if name not in known:
            others = sorted({row.convention for row in study.indicators.rows(name)})
            raise ResultError(
                f"Indicator {name!r} is given for {listed(others)}, not for {convention!r}."
            )
    if not asked:
        raise ResultError(f"No indicator is given for {convention!r}.")
    return _Rows([known[name] for name in asked], known)


def _named_samples(contents: Contents, group: str) -> dict[str, Any]:
    draws = contents.group(group)
    return {dim: draws[dim].values for dim in SAMPLE_DIMS}


def _span_attrs(years: int | tuple[int, int]) -> dict[str, int]:
    first, last = (years, years) if isinstance(years, int) else years
    return {"first_year": first, "last_year": last}


def _span_text(attrs: Mapping[Any, Any]) -> str:
    first, last = attrs["first_year"], attrs["last_year"]
    return f"{first}" if first == last else f"{first}-{last}"


# --- what is computed -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Computed:
    """Draws (chain, draw, year or 1) of sums and indicators of one fit, each computed once."""

    contents: Contents
    group: str
    convention: str
    rows: Mapping[str, Indicator]
    years: Span
    _sums: dict[str, Draws] = field(default_factory=dict)
    _found: dict[tuple[str, Span], Draws] = field(default_factory=dict)

    def unit(self, row: Indicator) -> str:
        """Unit of what comes out: of masses, without "a year" where several years are added."""
        adds = row.kind == "net_export" and isinstance(self.years, tuple)
        return without_per_year(row.unit) if adds else row.unit

    def indicator(self, name: str, years: Any = ...) -> Draws:
        """Draws of an indicator or ratio, of the years asked for unless others are given."""
        span: Span = self.years if years is ... else years
        if (name, span) not in self._found:
            self._found[name, span] = self._new(name, span)
        return self._found[name, span]

    def _new(self, name: str, span: Span) -> Draws:
        if name not in self.rows:
            if name not in self.contents.ratios:
                require_known([name], {*self.rows, *self.contents.ratios}, INDICATOR)
            above, below = self.contents.terms[name]
            return _over(self._weighted(above, span), self._weighted(below, span))
        row = self.rows[name]
        if row.kind in _OVER_TIME:
            return _OVER_TIME[row.kind](self, row, span)
        if row.kind in _OF_INDICATORS:
            return _OF_INDICATORS[row.kind](self, row, span)
        found = _OF_SUMS[row.kind](self, row, [self.total(m, span) for m in row.members])
        return found * 10_000 if row.unit == INDEX_10000 else found

    def either(self, member: str, span: Span) -> Draws:
        """Draws of a sum of masses, or of an indicator or ratio."""
        if member in self.rows or member in self.contents.ratios:
            return self.indicator(member, span)
        return self.total(member, span)

    def total(self, formula: str, years: Any = ...) -> Draws:
        """Draws of a sum of quantities and flows."""
        span: Span = self.years if years is ... else years
        weights, below = parse_terms(formula)
        if below or not weights:
            raise ResultError(f"{formula!r} is no sum; write it like 'a + 0.5 b - c'.")
        flows: dict[str, float] = {}
        for name, weight in weights.items():
            for flow, factor in self._terms(name).items():
                flows[flow] = flows.get(flow, 0.0) + weight * factor
        return self._weighted(flows, span)

    def _terms(self, name: str) -> Mapping[str, float]:
        """Weights by flow of a quantity, or of a flow by itself."""
        if name in self.contents.terms:
            above, below = self.contents.terms[name]
            if below:
                raise ResultError(f"{name!r} is a ratio, and no ratio is part of a sum.")
            return above
        require_known([name], [*self.contents.terms, *self.contents.flows.index], "quantity")
        return {name: 1.0}

    def _weighted(self, weights: Mapping[str, float], span: Span) -> Draws:
        draws = self.contents.group(self.group)
        size = tuple(draws.sizes[dim] for dim in (CHAIN, DRAW, YEAR))
        total = np.zeros(size)
        for name, weight in weights.items():
            total += weight * self._flow(name)
        if span is None:
            return total
        first, last = (span, span) if isinstance(span, int) else span
        years = self.contents.years
        if first not in years or last not in years or first > last:
            raise ResultError(f"Years {first} to {last} are not inside {years[0]} to {years[-1]}.")
        chosen = total[..., years.index(first) : years.index(last) + 1]
        return np.asarray(chosen.sum(axis=-1, keepdims=True))

    def _flow(self, name: str) -> Draws:
        if name not in self._sums:
            self._sums[name] = self.contents.array(self.group, "flows", name).astype(np.float64)
        return self._sums[name]


def _over(above: Draws, below: Draws) -> Draws:
    """Ratio; NaN of anything over nothing."""
    return np.where(below != 0, above / np.where(below != 0, below, 1.0), np.nan)


def _shares(parts: Sequence[Draws]) -> Draws:
    """Shares (part, chain, draw, year) of the sum of all."""
    stacked = np.stack(parts)
    return _over(stacked, np.broadcast_to(stacked.sum(axis=0), stacked.shape))


def _apparent(parts: Sequence[Draws], convention: str) -> tuple[Draws, Draws]:
    """Net imports, less what went into stock, and apparent consumption."""
    production, imports, exports, *stocks = parts
    net = imports - exports
    if stocks and convention != EU:
        net = net - stocks[0]
    return net, production + net


def _reliance(draws: _Computed, row: Indicator, parts: Sequence[Draws]) -> Draws:
    convention = row.convention or draws.convention
    net, consumed = _apparent(parts, convention)
    found = np.where(consumed > 0, _over(net, consumed), np.nan)
    # A net exporter has 0 whatever it consumes; who trades and makes nothing has none.
    exporter = (net <= 0) & (sum(parts[:3]) > 0)
    return found if convention == PHYSICAL else np.where(exporter, 0.0, found)


def _sufficiency(draws: _Computed, row: Indicator, parts: Sequence[Draws]) -> Draws:
    _, consumed = _apparent(parts, row.convention or draws.convention)
    return np.where(consumed > 0, _over(parts[0], consumed), np.nan)


_OF_SUMS: Mapping[str, Callable[[_Computed, Indicator, Sequence[Draws]], Draws]] = {
    "ratio": lambda draws, row, parts: _over(parts[0], parts[1]),
    "dependence": lambda draws, row, parts: _over(parts[0], parts[1]),
    "share": lambda draws, row, parts: _shares(parts)[0],
    "largest_share": lambda draws, row, parts: _shares(parts).max(axis=0),
    "hhi": lambda draws, row, parts: (_shares(parts) ** 2).sum(axis=0),
    "net_import_reliance": _reliance,
    "self_sufficiency": _sufficiency,
    "net_export": lambda draws, row, parts: parts[0] - parts[1],
}


def _product(draws: _Computed, row: Indicator, span: Span) -> Draws:
    return np.asarray(np.prod([draws.indicator(name, span) for name in row.members], axis=0))


def _supply_risk(draws: _Computed, row: Indicator, span: Span) -> Draws:
    world, sources, reliance = (draws.indicator(name, span) for name in row.members)
    return world * reliance / 2 + sources * (1 - reliance / 2)


def _criteria(draws: _Computed, row: Indicator, span: Span) -> Draws:
    pairs = [criterion(member) for member in row.members]
    values = [(draws.indicator(name, span), least) for name, least in filter(None, pairs)]
    known = np.all([np.isfinite(value) for value, _ in values], axis=0)
    return np.where(known, np.all([value > least for value, least in values], axis=0), np.nan)


_OF_INDICATORS: Mapping[str, Callable[[_Computed, Indicator, Span], Draws]] = {
    "product": _product,
    "supply_risk": _supply_risk,
    "criteria": _criteria,
}


def _ends(draws: _Computed, member: str, span: Span) -> tuple[Draws, Draws, int]:
    """Values before and after, and the years between: neighbours, or the ends of a span."""
    by_year = draws.either(member, None)
    if isinstance(span, tuple):
        first, last = (draws.contents.positions([year])[0] for year in span)
        if last <= first:
            raise ResultError(f"A change needs two years; got {span[0]} to {span[1]}.")
        return by_year[..., [first]], by_year[..., [last]], last - first
    blank = np.full_like(by_year[..., :1], np.nan)
    before = np.concatenate([blank, by_year[..., :-1]], axis=-1)
    if span is None:
        return before, by_year, 1
    position = draws.contents.positions([span])
    return before[..., position], by_year[..., position], 1


def _change(draws: _Computed, row: Indicator, span: Span) -> Draws:
    before, after, _ = _ends(draws, row.members[0], span)
    return after - before


def _growth(draws: _Computed, row: Indicator, span: Span) -> Draws:
    before, after, _ = _ends(draws, row.members[0], span)
    return _over(after, before)


def _growth_rate(draws: _Computed, row: Indicator, span: Span) -> Draws:
    before, after, years = _ends(draws, row.members[0], span)
    factor = _over(after, before)
    return np.where(factor > 0, np.abs(factor) ** (1 / years) - 1, np.nan)


def _ramp(draws: _Computed, row: Indicator, span: Span) -> Draws:
    before, after, years = _ends(draws, row.members[0], span)
    if isinstance(span, tuple):
        count = span[1] - span[0] + 1
        whole = draws.total(row.members[1], span) / count
    else:
        whole = draws.total(row.members[1], span)
    return _over((after - before) / years, whole)


_OVER_TIME: Mapping[str, Callable[[_Computed, Indicator, Span], Draws]] = {
    "change": _change,
    "growth": _growth,
    "growth_rate": _growth_rate,
    "ramp": _ramp,
}
