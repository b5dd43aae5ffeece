"""The convergence gate: rank-normalised R-hat, bulk and tail ESS, energy, trees.

ArviZ computes the same figures one variable at a time, which takes minutes for the thousands of
flow-years of a fit; here all of them go through one sort and one Fourier transform. The tests
hold these functions against ArviZ's.

References
----------
Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), Bayesian Analysis 16(2), 667-718.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri
from scipy.stats import rankdata

from reebayes.conventions import CI_PROB, GATE

type Floats = NDArray[np.float64]

_BLOCK = 256  # variables at a time: keeps the working set in cache
_FEW_TIES = 0.01  # share of ties, from rounding to single precision, too small to matter
QUANTITIES = "quantities"
_NAMED = 20  # failing variables named in a verdict
_TAIL = ((1 - CI_PROB) / 2, (1 + CI_PROB) / 2)


def rhat(draws: Floats) -> Floats:
    """Rank-normalised split R-hat, the larger of bulk and folded.

    Parameters
    ----------
    draws : array (chain, draw, variable)

    Returns
    -------
    array (variable)
        NaN for a variable that never changes.
    """
    split = _split(draws)
    return _rhat_of(split, _rank_normal(split))


def ess_bulk(draws: Floats) -> Floats:
    """Bulk effective sample size of draws (chain, draw, variable)."""
    return _ess(_rank_normal(_split(draws)))


def ess_tail(draws: Floats) -> Floats:
    """Effective sample size at the ends of the default band, for draws (chain, draw, variable)."""
    low, high = np.quantile(draws, _TAIL, axis=(0, 1))
    below = _ess(_split((draws <= low).astype(np.float64)))
    above = _ess(_split((draws <= high).astype(np.float64)))
    return np.minimum(below, above)


def bfmi(energy: Floats) -> Floats:
    """Estimated Bayesian fraction of missing information of energies (chain, draw)."""
    return np.asarray(np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1))


def judge(posterior: xr.Dataset, stats: xr.Dataset) -> dict[str, str | float | int]:
    """Put a fit through the convergence gate.

    Parameters
    ----------
    posterior : Dataset
        Variables with dimensions chain and draw; those that never change are left out.
    stats : Dataset
        ``diverging``, ``energy``, ``maxdepth_reached`` and ``n_steps`` (chain, draw).

    Returns
    -------
    dict
        The attributes of a fit that say whether it converged: ``converged``, ``verdict``,
        ``failing`` and the figures of `conventions.GATE`.
    """
    names, table = _figures(posterior)
    figures: dict[str, float] = {
        "rhat_max": float(table["rhat"].max(initial=0.0)),
        "ess_bulk_min": float(table["ess_bulk"].min(initial=np.inf)),
        "ess_tail_min": float(table["ess_tail"].min(initial=np.inf)),
        "divergences": int(stats["diverging"].sum()),
        "bfmi_min": float(bfmi(stats["energy"].transpose("chain", "draw").values).min()),
        "saturated_fraction": float(stats["maxdepth_reached"].mean()),
    }
    failing = _failing(names, table)
    broken = [name for name, figure in figures.items() if not _passes(name, figure)]
    return {
        "converged": "no" if broken else "yes",
        "verdict": _sentence(figures, broken, len(failing), names.size),
        "failing": json.dumps(failing[:_NAMED]),
        "gradients_per_draw": float(stats["n_steps"].mean()),
        **figures,
    }


def _figures(posterior: xr.Dataset) -> tuple[NDArray[np.str_], dict[str, Floats]]:
    names: list[str] = []
    parts: dict[str, list[Floats]] = {"rhat": [], "ess_bulk": [], "ess_tail": []}
    blocks: list[Floats] = []
    broken: list[str] = []
    for variable in posterior.data_vars.values():
        labels, draws = _flat(variable)
        for begin in range(0, draws.shape[2], _BLOCK):
            block = draws[:, :, begin : begin + _BLOCK]
            # a ratio of inactive flows does not exist; any other gap is a failure
            absent = np.isnan(block).all(axis=(0, 1)) & (variable.name == QUANTITIES)
            sound = np.isfinite(block).all(axis=(0, 1))
            broken += [label for label, bad in zip(labels[begin:], ~sound & ~absent, strict=False)
                       if bad]  # fmt: skip
            moves = sound & (np.ptp(np.where(sound, block, 0.0), axis=(0, 1)) > 0)
            block = np.ascontiguousarray(block[:, :, moves])
            names += [label for label, kept in zip(labels[begin:], moves, strict=False) if kept]
            if block.shape[2]:
                blocks.append(block)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # sorting and FFT run outside the GIL
        for figures in pool.map(_block_figures, blocks):
            for key, values in zip(parts, figures, strict=True):
                parts[key].append(values)
    worst = {"rhat": np.inf, "ess_bulk": 0.0, "ess_tail": 0.0}
    return np.array(names + broken), {
        key: np.concatenate([*value, np.full(len(broken), worst[key])])
        for key, value in parts.items()
    }


def _block_figures(draws: Floats) -> tuple[Floats, Floats, Floats]:
    """R-hat, bulk and tail ESS, with the ranks computed once."""
    split = _split(draws)
    normal = _rank_normal(split)
    return _rhat_of(split, normal), _ess(normal), ess_tail(draws)


def _flat(variable: xr.DataArray) -> tuple[list[str], Floats]:
    """Labels such as ``smuggled_CN[2011]``, and draws (chain, draw, variable)."""
    others = [str(dim) for dim in variable.dims if dim not in ("chain", "draw")]
    # the thing comes before its year
    others.sort(key=lambda dim: dim == "year")
    ordered = variable.transpose("chain", "draw", *others)
    draws = ordered.values.reshape(*ordered.shape[:2], -1)
    if not others:
        return [str(variable.name)], draws
    index = [ordered[dim].values for dim in others]
    labels = [""]
    for position, values in enumerate(index):
        labels = [
            f"{label}{value}" if position == 0 else f"{label}[{value}]"
            for label in labels
            for value in values
        ]
    return labels, draws


def _failing(names: NDArray[np.str_], table: Mapping[str, Floats]) -> list[str]:
    """Names of what did not converge, worst R-hat first."""
    bad = (
        ~(table["rhat"] <= GATE["rhat_max"][1])
        | ~(table["ess_bulk"] >= GATE["ess_bulk_min"][1])
        | ~(table["ess_tail"] >= GATE["ess_tail_min"][1])
    )
    order = np.argsort(-table["rhat"][bad])
    return [str(name) for name in names[bad][order]]


def _passes(name: str, figure: float) -> bool:
    relation, bound = GATE[name]
    return {
        "at most": figure <= bound,
        "at least": figure >= bound,
        "less than": figure < bound,
    }[relation]


def _sentence(figures: Mapping[str, float], broken: list[str], failing: int, total: int) -> str:
    if not broken:
        return f"All {total:,} unknowns, flows and quantities converged."
    reasons = [f"{name} is {figures[name]:.4g}, must be {' '.join(map(str, GATE[name]))}"
               for name in broken]  # fmt: skip
    return f"{failing:,} of {total:,} figures did not converge: {'; '.join(reasons)}."


# --- arithmetic ---------------------------------------------------------------------------------


def _split(draws: Floats) -> Floats:
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _rhat_of(split: Floats, normal: Floats) -> Floats:
    folded = np.abs(split - np.median(split, axis=(0, 1)))
    return np.maximum(_plain_rhat(normal), _plain_rhat(_rank_normal(folded)))


def _rank_normal(draws: Floats) -> Floats:
    """Normal scores of the ranks among all draws of a variable; ties share their mean rank."""
    size = draws.shape[0] * draws.shape[1]
    rows = np.ascontiguousarray(draws.reshape(size, -1).T)
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    tied = (ordered[:, 1:] == ordered[:, :-1]).mean(axis=1) > _FEW_TIES
    scores = np.empty_like(rows)
    np.put_along_axis(scores, order, _normal_score(np.arange(1.0, size + 1), size)[None], axis=1)
    scores[tied] = _normal_score(rankdata(rows[tied], axis=1), size)
    return scores.T.reshape(draws.shape)


def _normal_score(rank: Floats, size: int) -> Floats:
    return np.asarray(ndtri((rank - 0.375) / (size + 0.25)))


def _plain_rhat(draws: Floats) -> Floats:
    length = draws.shape[1]
    within = draws.var(axis=1, ddof=1).mean(axis=0)
    between = length * draws.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt((between / within + length - 1) / length))


def _ess(draws: Floats) -> Floats:
    """Effective sample size by Geyer's initial monotone sequence."""
    chains, length, _ = draws.shape
    total = chains * length
    covariance = _mean_autocovariance(draws)
    within = covariance[0] * length / (length - 1.0)
    pooled = within * (length - 1.0) / length + draws.mean(axis=1).var(axis=0, ddof=1)
    constant = pooled == 0  # an indicator that never changes carries no autocorrelation
    correlation = 1.0 - (within - covariance) / np.where(constant, 1.0, pooled)
    correlation[0] = 1.0
    pairs = correlation[: length - length % 2].reshape(length // 2, 2, -1).sum(axis=1)
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    count = np.minimum(positive.sum(axis=0), pairs.shape[0] - 1)
    monotone = np.where(positive, np.minimum.accumulate(pairs, axis=0), 0.0)
    following = np.take_along_axis(correlation, 2 * count[None], axis=0)[0]
    time = -1.0 + 2.0 * monotone.sum(axis=0) + np.maximum(following, 0.0)
    effective = total / np.maximum(time, 1.0 / np.log10(total))
    return np.where(constant, float(total), effective)


def _mean_autocovariance(draws: Floats) -> Floats:
    """Autocovariance (lag, variable), averaged over chains."""
    length = draws.shape[1]
    size = next_fast_len(2 * length, real=True)
    spectrum = rfft(draws - draws.mean(axis=1, keepdims=True), n=size, axis=1)
    power = np.square(spectrum.real).mean(axis=0) + np.square(spectrum.imag).mean(axis=0)
    return np.asarray(irfft(power, n=size, axis=0)[:length] / length)
