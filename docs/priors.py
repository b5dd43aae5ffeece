"""What the priors say before any record: python docs/priors.py [number of worlds [EXTENSION ...]].

Draws whole worlds of the bundled study from its priors, checks that they stay within reason, and
writes the tables (priors_tables.md) and the picture (priors.png) of the page on priors. Takes many
minutes. With extensions it checks the study with these and writes nothing.

A record whose source is a judgement says what the priors of single flows mean together. It belongs
to the priors: a world is kept as often as it is probable under such records.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

import reebayes as rb
from reebayes.simulation.records import record_log_likelihood
from reebayes.simulation.worlds import World
from reebayes.wording import format_band

HERE = Path(__file__).parent
WORLDS = 4000

MINED, MINED_LIMIT = "mined_world", 1000.0  # kt REO/yr
"""All that is mined, and what it may not exceed: three times any total that was published."""

TAIL = 0.001
"""Share of the worlds that may go beyond a limit in any year."""

SHARE_LIMITS = (0.0005, 0.95)
"""A use that takes less or more of a region's supply than this is no use, or the only one."""

SHOWN = ("mined_world", "refined_CN", "consumed_world")

JUDGEMENT = "judgement-"
"""How the keys of sources that are judgements begin."""


def prior_worlds(study: rb.Study, worlds: int, *, seed: int = 0) -> xr.DataArray:
    """Draw worlds from the priors; return their quantities (chain, draw, year, quantity)."""
    drawn = [world.quantities for world in islice(kept_worlds(study, seed), worlds)]
    return xr.concat(drawn, dim="draw").expand_dims("chain")


def kept_worlds(study: rb.Study, seed: int) -> Iterator[World]:
    """Draw worlds one by one, and keep each as often as judgements of sums say it is probable."""
    rng = np.random.default_rng(seed)
    judged = [record.record for record in study.records if record.source.startswith(JUDGEMENT)]
    for number in count(seed):
        world = rb.simulate_world(study, seed=number)
        if not judged or np.log(rng.uniform()) < log_probability(study, world, judged):
            yield world


def log_probability(study: rb.Study, world: World, judged: Sequence[str]) -> float:
    """Return the log of the probability that judgements hold in a world; they are bounds."""
    errors = (world.bias, world.noise, world.shared)
    terms = record_log_likelihood(study, world.flows, *errors)
    return float(terms.sel(record=list(judged)).sum())


def years_above(draws: xr.DataArray) -> float:
    """Return the share of all drawn years in which mining exceeds the limit."""
    return float((draws.sel(quantity=MINED) > MINED_LIMIT).mean())


def worlds_above(draws: xr.DataArray) -> float:
    """Return the share of the worlds in which mining exceeds the limit in any year."""
    return float((draws.sel(quantity=MINED).max("year") > MINED_LIMIT).mean())


def use_shares(study: rb.Study) -> list[str]:
    """Return the quantities that are shares of what goes to use."""
    uses = {process.process for process in study.processes if process.kind == "use"}
    to_use = {flow.flow for flow in study.flows if flow.target in uses}
    return [
        item.quantity
        for item in study.quantities
        if item.is_ratio and {flow for flow, _ in (*item.numerator, *item.denominator)} <= to_use
    ]


def share_range(study: rb.Study, draws: xr.DataArray) -> tuple[float, float]:
    """Return the lowest and highest share of any use in any year, the tails left out."""
    shares = draws.sel(quantity=use_shares(study))
    tails = shares.quantile([TAIL, 1 - TAIL], dim=["chain", "draw"])
    return float(tails[0].min()), float(tails[1].max())


# --- tables ---------------------------------------------------------------------------------------


def tables_text(study: rb.Study, draws: xr.DataArray) -> str:
    """Write checks and bands as Markdown."""
    headline = [MINED, *study.report["headline"]]
    others = [name for name in study.report["table"] if name not in headline]
    by_year = rb.bands(draws.sel(quantity=headline))
    some = rb.bands(draws.sel(quantity=others, year=list(study.report["table_years"])))
    parts = [
        _checks(study, draws),
        "## By year\n\nMedian and 90 % band before the records, kt REO/yr.\n",
        _table("year", headline, list(study.years), by_year, rows="year"),
        "## Every quantity of the report\n\nMedian and 90 % band before any record; kt REO/yr or a "
        "ratio. Blank where the\nquantity cannot exist.\n",
        _table("quantity", list(study.report["table_years"]), others, some, rows="quantity"),
    ]
    return "\n".join(parts)


def _checks(study: rb.Study, draws: xr.DataArray) -> str:
    mined = draws.sel(quantity=MINED)
    low, high = share_range(study, draws)
    beyond, tail = f"above {MINED_LIMIT:,.0f} kt", f"{100 * TAIL:g} %"
    rows = [
        (f"Drawn years with `{MINED}` {beyond}", f"{100 * years_above(draws):.3f} %", tail),
        (f"`{MINED}` exceeded in {tail} of the drawn years",
         f"{float(mined.quantile(1 - TAIL)):,.0f} kt", f"{MINED_LIMIT:,.0f} kt"),
        (f"Worlds with `{MINED}` {beyond} in any of {len(study.years)} years",
         f"{100 * worlds_above(draws):.3f} %", tail),
        (f"Share of a use in a region, lowest and highest year, tails of {tail} left out",
         f"{low:.4f} to {high:.2f}", f"{SHARE_LIMITS[0]} to {SHARE_LIMITS[1]}"),
    ]  # fmt: skip
    lines = [f"| check, on {draws.sizes['draw']:,} worlds | found | limit |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _table(
    corner: str, columns: Sequence[object], names: Sequence[object], band: xr.Dataset, *, rows: str
) -> str:
    across = "quantity" if rows == "year" else "year"
    lines = [f"| {corner} | {' | '.join(map(_code, columns))} |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = [_cell(band.sel({rows: name, across: column})) for column in columns]
        lines.append(f"| {_code(name)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _code(name: object) -> str:
    return f"`{name}`" if isinstance(name, str) else str(name)


def _cell(band: xr.Dataset) -> str:
    low, middle, high = (float(band[name]) for name in ("lower", "median", "upper"))
    if not np.isfinite(middle) or low == high == 0:
        return ""
    return format_band(middle, low, high)


# --- picture --------------------------------------------------------------------------------------


def picture(study: rb.Study, draws: xr.DataArray) -> Figure:
    """Draw the bands of a few quantities over the years, each with five of its worlds."""
    names = [*SHOWN[:1], *study.report["headline"], *SHOWN[1:]]
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.2), layout="constrained")
    for ax, name in zip(axes.flat, names, strict=True):
        chosen = draws.sel(quantity=name)
        band = rb.bands(chosen)
        ax.fill_between(band.year, band["lower"], band["upper"], color="#8a8a8a", alpha=0.25)
        ax.plot(band.year, chosen[0, :5].T, color="#1f5f9e", linewidth=0.7)
        ax.plot(band.year, band["median"], "--", color="#35353a", linewidth=1.6)
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set_title(f"{name}, {study.unit}", loc="left", fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def within_reason(study: rb.Study, draws: xr.DataArray) -> bool:
    """Return whether mining and the shares of uses stay within their limits."""
    low, high = share_range(study, draws)
    return worlds_above(draws) <= TAIL and SHARE_LIMITS[0] <= low <= high <= SHARE_LIMITS[1]


def main(worlds: int = WORLDS, *extensions: str) -> None:
    """Draw the worlds, write tables and picture, and fail if a check does."""
    study = rb.read_study(extensions=extensions)
    draws = prior_worlds(study, worlds)
    if extensions:
        sys.stdout.write(_checks(study, draws))
    else:
        (HERE / "priors_tables.md").write_text(tables_text(study, draws), encoding="utf-8")
        picture(study, draws).savefig(HERE / "priors.png", dpi=110)
    if not within_reason(study, draws):
        sys.exit("The priors reach beyond reason: see the checks in docs/priors_tables.md.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
