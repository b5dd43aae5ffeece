"""The first section of a report: headline quantities, and whether the fit converged."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import xarray as xr

from reebayes.answers.indices import ratio
from reebayes.conventions import GATE, POSTERIOR, QUANTITY, YEAR
from reebayes.reporting.choices import multiverse_block
from reebayes.reporting.hanging import conflict_block
from reebayes.reporting.material import Material
from reebayes.reporting.pictures import band_text, totals_figure
from reebayes.reporting.plan import Plan
from reebayes.results.reading import Contents
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands, cumulative, probability_above
from reebayes.wording import format_beside, format_chance, without_per_year

GATE_LABELS = {
    "rhat_max": "Largest R-hat",
    "ess_bulk_min": "Smallest bulk effective sample size",
    "ess_tail_min": "Smallest tail effective sample size",
    "divergences": "Divergent transitions",
    "bfmi_min": "Smallest E-BFMI",
    "saturated_fraction": "Share of saturated trees",
}


def headline(material: Material) -> dict[str, Any]:
    """Gather headline quantities, probabilities above thresholds, and the convergence verdict."""
    contents, plan = material.contents, material.plan
    shares = _shares(contents, plan.headline)
    return {
        "rows": _headline_rows(material, shares),
        "shares": shares,
        "totals": totals_figure(contents, plan, material.sums),
        "exceeding": [
            row
            for name in contents.with_parts(plan.headline)
            if name not in contents.ratios
            for row in _exceeding(contents, plan, name)
        ],
        "multiverse": multiverse_block(contents, plan, material.multiverse),
        "conflicts": None
        if material.sensitivity is None
        else conflict_block(contents, material.sensitivity.conflicts),
        "convergence": _convergence(contents),
    }


def _shares(contents: Contents, headline: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Ratios of one headline quantity to another, with the two."""
    sums = {name: contents.terms[name][0] for name in headline if name not in contents.ratios}
    return {
        share: (one, other)
        for share in map(str, contents.units.index)
        for one, other in permutations(sums, 2)
        if contents.terms[share] == (sums[one], sums[other]) and share not in headline
    }


def _headline_rows(
    material: Material, shares: Mapping[str, tuple[str, str]]
) -> list[dict[str, str]]:
    """Headline quantities, each with its parts and with its share of another below it."""
    contents, plan = material.contents, material.plan
    below = {
        name: [share for share, (one, _) in shares.items() if one == name] for name in plan.headline
    }
    names = [
        each for name in plan.headline for each in (*contents.with_parts([name]), *below[name])
    ]
    rows, span = [], (contents.years[0], contents.years[-1])
    for name in dict.fromkeys(names):
        unit, is_ratio = str(contents.units[name]), name in contents.ratios
        row = {"label": plan.label(name), "name": name, "unit": unit}
        row |= {"unit_total": "" if is_ratio else without_per_year(unit)}
        row |= {"style": "" if name in plan.headline or name in shares else "part"}
        row |= {"description": contents.descriptions.get(name, "")}
        row |= {"prior_total": "–", "prior_last": "–"}
        for group in contents.distributions:
            one = {QUANTITY: name}
            row[f"{group}_total"] = "–"
            if not is_ratio:
                row[f"{group}_total"] = existing_band(material.sums[group].sel(one))
            elif name in shares:
                over_all = ratio(contents, *shares[name], years=span, group=group)
                row[f"{group}_total"] = existing_band(bands(over_all))
            row[f"{group}_last"] = existing_band(material.yearly[group].sel(one).isel({YEAR: -1}))
        rows.append(row)
    return rows


def existing_band(band: xr.Dataset) -> str:
    """A median with its band; a dash where the quantity does not exist."""
    exists = any(abs(float(band[end])) > 0 for end in ("median", "lower", "upper"))  # not NaN
    return band_text(band) if exists else "–"


def _exceeding(contents: Contents, plan: Plan, name: str) -> Iterable[dict[str, str]]:
    groups = contents.distributions
    one_year = len(contents.years) == 1
    draws = {group: quantity(contents, name, group=group) for group in groups}
    totals = {g: da.isel({YEAR: 0}) if one_year else cumulative(da) for g, da in draws.items()}
    thresholds = plan.exceeds.get(name) or _round_numbers(float(totals[groups[-1]].median()))
    for x in thresholds:
        shares = {g: format_chance(float(probability_above(da, x))) for g, da in totals.items()}
        yield {
            "label": plan.label(name),
            "style": "" if name in plan.headline else "part",
            "threshold": f"{x:,.10g} {totals[POSTERIOR].attrs['units']}",
            "prior": "–",
        } | shares


def _round_numbers(centre: float) -> list[float]:
    """Three numbers of the 1-2-5 series about a centre."""
    if not centre > 0:
        return [0.0]
    series = [m * 10.0**e for e in range(-6, 10) for m in (1, 2, 5)]
    nearest = int(np.argmin([abs(math.log(x / centre)) for x in series]))
    return series[max(0, nearest - 1) : nearest + 2]


def _convergence(contents: Contents) -> dict[str, Any]:
    attrs = contents.attrs
    rows = [
        (GATE_LABELS[key], format_beside(float(attrs[key]), limit), f"{sense} {limit:g}")
        for key, (sense, limit) in GATE.items()
        if key in attrs
    ]
    return {"rows": rows, "failing": json.loads(str(attrs.get("failing", "[]")))}
