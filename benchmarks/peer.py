"""The published soft-balance form of the aluminium problem beside ours, in one run.

The published form stands here as its description gives it: normal priors cut off at zero for
flows, normal ones for stock changes, normal errors, and a balance that holds up to a normal error.
"""

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import nutpie
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray

from benchmarks.aluminium import KT, Problem, build_study, read_problem
from reebayes.errors import StudyWarning
from reebayes.inference.convergence import ess_bulk, ess_tail, rhat
from reebayes.inference.sampling import DRAWS, TUNE, fit
from reebayes.study import read_study

type Floats = NDArray[np.float64]

SIGMA = 0.05
"""Error of every balance in the published form, Mt a year."""

ACCEPT = 0.95
"""The published target acceptance."""

SCENARIOS = ("A", "B")


@dataclass(frozen=True, slots=True)
class Length:
    """Chains, tuning draws and kept draws of a run."""

    chains: int
    tune: int
    draws: int


PEER = Length(chains=2, tune=1000, draws=1000)
OURS = Length(chains=4, tune=TUNE, draws=DRAWS)


def soft_balance(problem: Problem, scenario: str) -> pm.Model:
    """Return the published model of a problem.

    Parameters
    ----------
    problem : Problem
    scenario : str
        ``"A"``: data only. ``"B"``: ratio data too.

    Returns
    -------
    pymc.Model
        With ``flows`` and ``stocks`` (Mt a year) in the order of the tables.
    """
    names = [*problem.flows, *problem.stocks]
    mean, sd = np.array([problem.priors[name] for name in names]).T
    count = len(problem.flows)
    with pm.Model() as model:
        flows = pm.TruncatedNormal("flows", mean[:count], sd[:count], lower=0)
        stocks = pm.Normal("stocks", mean[count:], sd[count:])
        x = pt.concatenate([flows, stocks])
        _observe_data(problem, names, x)
        if scenario == "B":
            _observe_ratios(problem, names, x)
        pm.Normal("balance", _balances(problem, names) @ x, SIGMA,
                  observed=np.zeros(len(problem.processes)))  # fmt: skip
    return model


def _observe_data(problem: Problem, names: Sequence[str], x: Any) -> None:
    for kind, cut in (("stock", False), ("flow", True)):
        chosen = [n for n, terms in problem.terms.items() if (terms[0] in problem.flows) == cut]
        if not chosen:
            continue
        value, sd = np.array([problem.data[name][1:] for name in chosen]).T
        sums = _incidence([problem.terms[name] for name in chosen], names) @ x
        if cut:
            pm.TruncatedNormal(f"{kind}_data", sums, sd, lower=0, observed=value)
        else:
            pm.Normal(f"{kind}_data", sums, sd, observed=value)


def _observe_ratios(problem: Problem, names: Sequence[str], x: Any) -> None:
    value, sd = np.array([figure[1:] for figure in problem.ratios.values()]).T
    above, below = (
        _incidence([[v for side, v in problem.ratio_terms[r] if side == part]
                    for r in problem.ratios], names)
        for part in ("num", "den")
    )  # fmt: skip
    pm.Normal("ratio_data", (above @ x) / (below @ x), sd, observed=value)


def _incidence(terms: Sequence[Sequence[str]], names: Sequence[str]) -> Floats:
    table = np.zeros((len(terms), len(names)))
    for row, members in enumerate(terms):
        table[row, [names.index(name) for name in members]] = 1.0
    return table


def _balances(problem: Problem, names: Sequence[str]) -> Floats:
    """Inflows less outflows less stock change, a row a process."""
    row = {process: n for n, process in enumerate(problem.processes)}
    table = np.zeros((len(row), len(names)))
    for column, name in enumerate(names):
        if name in problem.flows:
            source, target = problem.flows[name]
            table[row[source], column] -= 1.0
            table[row[target], column] += 1.0
        else:
            table[row[problem.stocks[name]], column] -= 1.0
    return table


# --- runs -----------------------------------------------------------------------------------------


def run_peer(problem: Problem, scenario: str, length: Length) -> tuple[dict[str, Any], Floats]:
    """Sample the published form; return its figures and draws (chain, draw, variable) in Mt."""
    begin = time.perf_counter()
    compiled = nutpie.compile_pymc_model(soft_balance(problem, scenario))
    built = time.perf_counter()
    trace = nutpie.sample(compiled, draws=length.draws, tune=length.tune, chains=length.chains,
                          seed=1, target_accept=ACCEPT, progress_bar=False)  # fmt: skip
    taken = time.perf_counter() - built
    posterior = trace["posterior"].to_dataset()
    draws = np.concatenate([posterior["flows"].values, posterior["stocks"].values], axis=2)
    stats = trace["sample_stats"].to_dataset()
    return _figures(draws, stats, taken) | {"compile_seconds": built - begin}, draws


def run_ours(problem: Problem, folder: Path, length: Length) -> tuple[dict[str, Any], Floats]:
    """Fit our form; return its figures and draws (chain, draw, variable) in Mt.

    Seconds are those of everything after compilation that finds the draws: mode, pilot, sampling.
    """
    with warnings.catch_warnings():
        # Figures that differences are stated against are known by construction.
        warnings.simplefilter("ignore", StudyWarning)
        study = read_study(folder)
    found = fit(study, seed=1, draws=length.draws, tune=length.tune,
                chains=length.chains, progress=False)  # fmt: skip
    seconds = json.loads(found.attrs["wall_seconds"])
    flows = found["posterior"].to_dataset()["flows"].isel(year=0) / KT
    draws = np.stack([_variable(problem, name, flows) for name in
                      [*problem.flows, *problem.stocks]], axis=2)  # fmt: skip
    stats = found["sample_stats"].to_dataset()
    figures = _figures(draws, stats, seconds["pilot"] + seconds["sampling"])
    return figures | {
        "compile_seconds": seconds["compile"],
        "converged": found.attrs["converged"],
        "verdict": found.attrs["verdict"],
        "least_bulk_ess_of_all": float(found.attrs["ess_bulk_min"]),
    }, draws


def _variable(problem: Problem, name: str, flows: xr.DataArray) -> Floats:
    """Draws of a flow, or of a stock change as what goes into its process less what comes out."""
    if name in problem.flows:
        return np.asarray(flows.sel(flow=name).values)
    process = problem.stocks[name]
    into = flows.sel(flow=problem.flows_into(process)).sum("flow")
    out = flows.sel(flow=problem.flows_out_of(process)).sum("flow")
    return np.asarray((into - out).values)


def _figures(draws: Floats, stats: xr.Dataset, seconds: float) -> dict[str, Any]:
    bulk, tail = ess_bulk(draws), ess_tail(draws)
    return {
        "seconds": seconds,
        "gradients_per_draw": float(stats["n_steps"].mean()),
        "saturated": float(stats["maxdepth_reached"].mean()),
        "divergences": int(stats["diverging"].sum()),
        "rhat": float(np.nanmax(rhat(draws))),
        "least_bulk_ess": float(np.nanmin(bulk)),
        "least_tail_ess": float(np.nanmin(tail)),
        "bulk_ess_per_second": float(np.nanmin(bulk)) / seconds,
    }


# --- side by side ---------------------------------------------------------------------------------


def measure(
    tables: Path, folder: Path, *, peer: Length, ours: Length, say: Callable[[str], None],
    picture_to: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run both forms of both scenarios one after the other.

    Parameters
    ----------
    tables, folder : Path
        The problem's tables; where to write its study directories.
    peer, ours : Length
    say : callable
        Told what is going on.
    picture_to : Path, optional
        Where to draw the flows of scenario B in both forms.

    Returns
    -------
    dict
        For each scenario the figures of ``published`` and ``ours``, the ``ratio`` of their least
        bulk ESS a second, and how their bands of flows ``agree``.
    """
    problem = read_problem(tables)
    results: dict[str, Any] = {}
    for scenario in SCENARIOS:
        directory = build_study(tables, folder / scenario, scenario=scenario)
        say(f"aluminium {scenario}: exact balance")
        own, own_draws = run_ours(problem, directory, ours)
        say(f"aluminium {scenario}: published form")
        other, other_draws = run_peer(problem, scenario, peer)
        results[scenario] = {
            "published": other,
            "ours": own,
            "ratio": own["bulk_ess_per_second"] / other["bulk_ess_per_second"],
            "agree": agreement(problem, own_draws, other_draws),
        }
    if picture_to is not None:
        picture(problem, own_draws, other_draws, picture_to)
    return results


def _bands(draws: Floats) -> Floats:
    return np.asarray(np.quantile(draws, (0.05, 0.5, 0.95), axis=(0, 1)))


def agreement(problem: Problem, ours: Floats, published: Floats) -> dict[str, Any]:
    """Compare medians and 90 % bands of the flows of two posteriors.

    Returns
    -------
    dict
        Share of flows whose bands overlap, whose medians lie in each other's band, the median
        factor between medians, the ratio of band widths, and the farthest flows.
    """
    count = len(problem.flows)
    own, other = _bands(ours)[:, :count], _bands(published)[:, :count]
    factor = np.abs(np.log(own[1] / other[1]))
    inside = (other[0] <= own[1]) & (own[1] <= other[2]) & (own[0] <= other[1]) & (
        other[1] <= own[2])  # fmt: skip
    names = list(problem.flows)
    return {
        "overlapping_bands": float(((own[0] <= other[2]) & (other[0] <= own[2])).mean()),
        "medians_inside": float(inside.mean()),
        "factor_between_medians": float(np.exp(np.median(factor))),
        "width_ratio": float(np.median((own[2] - own[0]) / (other[2] - other[0]))),
        "observed_factor": _observed_factor(problem, ours, published),
        "farthest": {names[n]: [own[:, n].tolist(), other[:, n].tolist()]
                     for n in np.argsort(-factor)[:8]},
    }  # fmt: skip


def _observed_factor(problem: Problem, ours: Floats, published: Floats) -> float:
    """Median factor between the posterior medians of what data observe."""
    names = [*problem.flows, *problem.stocks]
    table = _incidence(list(problem.terms.values()), names)
    own, other = (np.median(draws @ table.T, axis=(0, 1)) for draws in (ours, published))
    return float(np.exp(np.median(np.abs(np.log(own / other)))))


def picture(problem: Problem, ours: Floats, published: Floats, path: Path) -> Path:
    """Draw every flow's median and 90 % band in one form over that in the other."""
    count = len(problem.flows)
    own, other = _bands(ours)[:, :count], _bands(published)[:, :count]
    figure, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
    ax.errorbar(other[1], own[1], xerr=(other[1] - other[0], other[2] - other[1]),
                yerr=(own[1] - own[0], own[2] - own[1]), fmt="o", markersize=3, linewidth=0.6,
                color="#1f5f9e", alpha=0.6)  # fmt: skip
    ends = np.array([2e-3, 1e2])
    ax.plot(ends, ends, "--", color="#8a8a8a", linewidth=1)
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    ax.set_xlabel("balance up to 0.05 Mt, truncated normal priors: Mt Al")
    ax.set_ylabel("exact balance, lognormal priors: Mt Al")
    ax.set_title("Flows of 2009, median and 90 % band", loc="left", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
