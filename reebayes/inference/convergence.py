"""The convergence gate: rank-normalised R-hat, bulk and tail ESS, energy, trees.

ArviZ computes the same figures one variable at a time, which takes minutes for the thousands of
flow-years of a fit; here a variable is sorted once, and what follows from the order is compiled.
The tests hold these functions against ArviZ's.

References
----------
Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021), Bayesian Analysis 16(2), 667-718.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import product
from typing import Any

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from reebayes.conventions import CI_PROB, GATE
from reebayes.wording import format_beside, listed

type Floats = NDArray[np.float64]

_BLOCK = 128  # variables at a time: keeps the working set in cache
_READ = 2**26  # bytes of draws read at a time, whatever a fit holds
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
    return _block_figures(draws)[0]


def ess_bulk(draws: Floats) -> Floats:
    """Bulk effective sample size of draws (chain, draw, variable)."""
    return _block_figures(draws)[1]


def ess_tail(draws: Floats) -> Floats:
    """Effective sample size at the ends of the default band, for draws (chain, draw, variable)."""
    return _block_figures(draws)[2]


def bfmi(energy: Floats) -> Floats:
    """Estimated Bayesian fraction of missing information of energies (chain, draw)."""
    return np.asarray(np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1))


def diagnose(
    posterior: xr.Dataset, stats: xr.Dataset, *, places: Sequence[str] = (), first_try: str = ""
) -> dict[str, str | float | int]:
    """Put a fit through the convergence gate.

    Parameters
    ----------
    posterior : Dataset
        Variables with dimensions chain and draw; those that never change are left out.
    stats : Dataset
        ``diverging``, ``energy``, ``maxdepth_reached`` and ``n_steps`` (chain, draw).
    places : sequence of str
        Names of the unknowns around which transitions diverged.
    first_try : str
        What there is to say of an earlier run, "" if there was none.

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
        "verdict": _verdict(
            figures,
            broken,
            len(failing),
            names.size,
            divergences=told_divergences(stats, places),
            first_try=first_try,
        ),
        "tries": 1 + bool(first_try),
        "failing": json.dumps(failing[:_NAMED]),
        "gradients_per_draw": float(stats["n_steps"].mean()),
        **figures,
    }


def _figures(posterior: xr.Dataset) -> tuple[NDArray[np.str_], dict[str, Floats]]:
    """Names and figures of everything that changes, and of what has gaps, as the worst there is."""
    names: list[str] = []
    parts: list[Floats] = []
    broken: list[str] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # sorting runs outside the GIL
        for variable in posterior.data_vars.values():
            labels = np.array(_labels(variable), dtype=object)
            moves, bad = np.zeros((2, labels.size), dtype=bool)
            figures = np.empty((3, labels.size))
            for places, draws in _slices(variable):
                starts = range(0, places.size, _BLOCK)
                blocks = (draws[:, :, begin : begin + _BLOCK] for begin in starts)
                # a ratio of inactive flows does not exist; any other gap is a failure
                diagnosed = pool.map(partial(_diagnosed, gaps=variable.name == QUANTITIES), blocks)
                for begin, (moving, gone, found) in zip(starts, diagnosed, strict=True):
                    here = places[begin : begin + _BLOCK]
                    moves[here], bad[here] = moving, gone
                    figures[:, here[moving]] = found
            names += labels[moves].tolist()
            broken += labels[bad].tolist()
            parts.append(figures[:, moves])
    worst = np.repeat([[np.inf], [0.0], [0.0]], len(broken), axis=1)
    table = np.concatenate([*parts, worst], axis=1)
    return np.array(names + broken), dict(zip(("rhat", "ess_bulk", "ess_tail"), table, strict=True))


def _slices(variable: xr.DataArray) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Places among the flat variables, and draws (chain, draw, variable), some names at a time.

    A variable that stays in a file is so never read whole.
    """
    ordered = variable.transpose("chain", "draw", ...)
    shape = ordered.shape[2:]
    places = np.arange(math.prod(shape)).reshape(shape)
    if not shape:
        yield places.ravel(), ordered.values[..., None]
        return
    each = ordered.dtype.itemsize * math.prod(ordered.shape[:-1])
    step = max(_READ // max(each, 1), 1)
    for begin in range(0, shape[-1], step):
        part = slice(begin, begin + step)
        draws = ordered.isel({ordered.dims[-1]: part}).values
        yield places[..., part].ravel(), draws.reshape(*draws.shape[:2], -1)


def _diagnosed(block: Floats, *, gaps: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """Which variables of draws (chain, draw, variable) change, which are broken; R-hat and ESS.

    Only what changes has figures (3, variable). Where ``gaps`` are allowed, a variable that is
    nowhere defined is not broken.
    """
    sound = np.isfinite(block).all(axis=(0, 1))
    absent = np.isnan(block).all(axis=(0, 1)) & gaps
    moves = sound & (np.ptp(np.where(sound, block, 0.0), axis=(0, 1)) > 0)
    if not moves.any():
        return moves, ~sound & ~absent, np.empty((3, 0))
    return moves, ~sound & ~absent, np.stack(_block_figures(block[:, :, moves]))


def _block_figures(draws: Floats) -> tuple[Floats, Floats, Floats]:
    """R-hat, bulk and tail ESS of draws (chain, draw, variable)."""
    half = draws.shape[1] // 2
    split = np.concatenate([draws[:, :half], draws[:, -half:]]).astype(np.float64, copy=False)
    rows = np.ascontiguousarray(split.reshape(2 * draws.shape[0] * half, -1).T)
    order = np.argsort(rows, axis=1)
    # An odd count leaves one draw of each chain out of the halves, but not out of the quantiles.
    whole = draws.shape[1] % 2 == 0
    ends = np.empty((2, 0)) if whole else np.quantile(draws, _TAIL, axis=(0, 1))
    figures = _all_figures(rows, order, ends, np.array(_TAIL), _scores(rows.shape[1]), half)
    return figures[0], figures[1], figures[2]


@lru_cache(maxsize=4)
def _scores(size: int) -> Floats:
    """Normal scores of ranks 1, 1.5, 2, ... among so many draws; ties share their mean rank."""
    rank = 1.0 + 0.5 * np.arange(2 * size - 1)
    return np.asarray(ndtri((rank - 0.375) / (size + 0.25)))


def _labels(variable: xr.DataArray) -> list[str]:
    """Labels such as ``smuggled_CN[2011]``, in the order of the flat variables."""
    ordered = variable.transpose("chain", "draw", ...)
    others = [str(dim) for dim in ordered.dims[2:]]
    if not others:
        return [str(variable.name)]
    labels = []
    for values in product(*(ordered[dim].values for dim in others)):
        named = dict(zip(others, values, strict=True))
        # the thing comes before its year
        first, *rest = (named[dim] for dim in sorted(others, key=lambda dim: dim == "year"))
        labels.append(str(first) + "".join(f"[{value}]" for value in rest))
    return labels


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


def told_divergences(stats: xr.Dataset, places: Sequence[str] = ()) -> str:
    """Say how many transitions diverged, what share of all that is, and where.

    Parameters
    ----------
    stats : Dataset
        ``diverging`` (chain, draw).
    places : sequence of str
        Names of the unknowns around which they diverged.

    Returns
    -------
    str
        Such as "2 of 8,000 transitions diverged (0.00025), around smuggled_CN[2003]".
    """
    count, total = int(stats["diverging"].sum()), stats["diverging"].size
    around = f", around {listed(places)}" if places else ""
    return f"{count:,} of {total:,} transitions diverged ({count / max(total, 1):.2g}){around}"


def _verdict(
    figures: Mapping[str, float],
    broken: list[str],
    failing: int,
    total: int,
    *,
    divergences: str,
    first_try: str,
) -> str:
    after = f" {first_try}" if first_try else ""
    if not broken:
        return f"All {total:,} unknowns, flows and quantities converged.{after}"
    reasons = [
        f"{name} is {format_beside(figures[name], bound)}, must be {relation} {bound}"
        for name, (relation, bound) in ((name, GATE[name]) for name in broken)
        if name != "divergences"
    ]
    reasons += [divergences] if "divergences" in broken else []
    return f"{failing:,} of {total:,} figures did not converge: {'; '.join(reasons)}.{after}"


# --- arithmetic ---------------------------------------------------------------------------------

# The compiler has no use for annotations.
_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
# Sums may be reordered where that lets them run in vector registers.
_jit_sums: Any = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"}
)


@_jit
def _all_figures(rows, order, ends, tail, scores, length):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """R-hat, bulk and tail ESS (3, variable) of draws (variable, half chains one by one)."""
    count, size = rows.shape
    figures = np.empty((3, count))
    value, near = np.empty(size), np.empty(size, dtype=np.int64)
    chains = np.empty((size // length, length))
    normal = chains.ravel()
    for v in range(count):
        for i in range(size):
            value[i] = rows[v, order[v, i]]
        _scatter(value, order[v], scores, normal)
        figures[0, v] = _plain_rhat(chains)
        figures[1, v] = _ess(chains)
        low = ends[0, v] if ends.size else _quantile(value, tail[0])
        high = ends[1, v] if ends.size else _quantile(value, tail[1])
        middle = _quantile(value, 0.5)
        _outwards(value, middle, near)
        for i in range(size):
            value[i] = abs(rows[v, order[v, near[i]]] - middle)
            near[i] = order[v, near[i]]
        _scatter(value, near, scores, normal)
        figures[0, v] = max(figures[0, v], _plain_rhat(chains))
        for i in range(size):
            normal[i] = 1.0 if rows[v, i] <= low else 0.0
        figures[2, v] = _ess(chains)
        for i in range(size):
            normal[i] = 1.0 if rows[v, i] <= high else 0.0
        figures[2, v] = min(figures[2, v], _ess(chains))
    return figures


@_jit
def _quantile(value, share):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Quantile of sorted values, by linear interpolation as NumPy has it."""
    place = (value.size - 1) * share
    before = int(place)
    after = min(before + 1, value.size - 1)
    return value[before] + (value[after] - value[before]) * (place - before)


@_jit
def _scatter(value, order, scores, normal):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Write the normal score of every sorted value to the place it came from."""
    begin = 0
    while begin < value.size:
        end = begin + 1
        while end < value.size and value[end] == value[begin]:
            end += 1
        for i in range(begin, end):
            normal[order[i]] = scores[begin + end - 1]
        begin = end


@_jit
def _outwards(value, middle, near):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Positions of sorted values by their distance from the middle."""
    right = 0
    while right < value.size and value[right] < middle:
        right += 1
    left = right - 1
    for i in range(value.size):
        if right >= value.size or (left >= 0 and middle - value[left] <= value[right] - middle):
            near[i] = left
            left -= 1
        else:
            near[i] = right
            right += 1


@_jit
def _means(chains):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Mean of every chain, and the variance of these means."""
    count, length = chains.shape
    means, grand, between = np.empty(count), 0.0, 0.0
    for c in range(count):
        total = 0.0
        for i in range(length):
            total += chains[c, i]
        means[c] = total / length
        grand += means[c] / count
    for c in range(count):
        between += (means[c] - grand) ** 2 / max(count - 1.0, 1.0)
    return means, between


@_jit
def _plain_rhat(chains):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    count, length = chains.shape
    means, between = _means(chains)
    within = 0.0
    for c in range(count):
        for i in range(length):
            within += (chains[c, i] - means[c]) ** 2
    within /= (length - 1) * count
    return math.sqrt((length * between / within + length - 1) / length)


@_jit
def _ess(chains):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Effective sample size by Geyer's initial monotone sequence."""
    count, length = chains.shape
    total = float(count * length)
    means, between = _means(chains)
    centred = np.empty((count, length))
    for c in range(count):
        for i in range(length):
            centred[c, i] = chains[c, i] - means[c]
    within = _autocovariance(centred, 0) * length / (length - 1.0)
    pooled = within * (length - 1.0) / length + between
    if pooled == 0.0:  # an indicator that never changes carries no autocorrelation
        return total
    even, least, time = 1.0, np.inf, -1.0
    for pair in range(length // 2):
        if pair > 0:
            even = 1.0 - (within - _autocovariance(centred, 2 * pair)) / pooled
        both = even + 1.0 - (within - _autocovariance(centred, 2 * pair + 1)) / pooled
        if both > 0.0:
            least = min(least, both)
            time += 2.0 * least
        if both <= 0.0 or pair + 1 == length // 2:
            time += max(even, 0.0)
            break
    return total / max(time, 1.0 / math.log10(total))


@_jit_sums
def _autocovariance(centred, lag):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Autocovariance at one lag, averaged over chains."""
    count, length = centred.shape
    total = 0.0
    for c in range(count):
        for i in range(length - lag):
            total += centred[c, i] * centred[c, i + lag]
    return total / (count * length)
