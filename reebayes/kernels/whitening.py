"""The posterior's own coordinates: a sparse factor across series, a smoother along each.

White coordinates z become a displacement L'^-1 z from the mode, with L L' the precision there;
the displacement of each series is then carried through that series' own conditional smoother,
which keeps it straight when its step multiplier changes.
"""

import math

import numpy as np

from reebayes.kernels.compiling import jit


@jit
def unwhiten(white, whitening):
    """Displacement L'^-1 z from white coordinates."""
    start, index, value = whitening.rows.start, whitening.rows.index, whitening.rows.weight
    shift = white.copy()
    for i in range(white.size - 1, -1, -1):
        moved = shift[i] * whitening.inverse[i]
        shift[i] = moved
        for n in range(start[i], start[i + 1]):
            shift[index[n]] -= value[n] * moved
    return shift


@jit
def unwhiten_adjoint(shift_bar, whitening):
    """Cotangent of the white coordinates: the same system transposed, so by columns."""
    columns = whitening.columns
    start, index, value = columns.start, columns.index, columns.weight
    bar = shift_bar.copy()
    for i in range(bar.size):
        moved = bar[i] * whitening.inverse[i]
        bar[i] = moved
        for n in range(start[i], start[i + 1]):
            bar[index[n]] -= value[n] * moved
    return bar


@jit
def conditional_factors(precision, coupling):
    """Inverse diagonal and lower band of the Cholesky factor of tridiagonal precisions.

    ``precision`` (year, series) is the diagonal; ``coupling`` ties a year to the year before.
    """
    years, series = precision.shape
    inverse, below = np.empty((years, series)), np.zeros((years, series))
    for t in range(years):
        for k in range(series):
            if t > 0:
                below[t, k] = coupling[t, k] * inverse[t - 1, k]
            inverse[t, k] = 1.0 / math.sqrt(precision[t, k] - below[t, k] * below[t, k])
    return inverse, below


@jit
def smooth(shift, which, table, whitening):
    """States of each series, drawn through its own conditional smoother.

    With P = AR(1) precision + ``curvature`` (of the records at the mode) = C C', the state is
    C'^-1 (C^-1 pull + C0' shift): the prior's path where records are weak, the records' where
    they are strong, at every persistence. C0 (``diagonal0``, ``below0``) is C at the reference
    persistence, where the state is just mode + shift.

    Returns the states (year, series), their slopes in the step multiplier of their group, the
    log density of the states plus the log volume of the map (without the constants of C0), the
    slope of that by series, and what the adjoint needs again: inverse diagonal and lower band
    of C, and C' times the states.
    """
    persistence, innovation, slope = table
    diagonal0, below0 = whitening.diagonal0, whitening.below0
    curvature, pull = whitening.curvature, whitening.pull
    years, series = which.shape
    density, density_slope = np.zeros(series), np.zeros(series)
    inverse, below = np.empty((years, series)), np.zeros((years, series))
    inverse_slope, below_slope = np.empty((years, series)), np.zeros((years, series))
    target, target_slope = np.empty((years, series)), np.empty((years, series))
    ahead, ahead_slope = np.empty(series), np.empty(series)
    rows = persistence.size
    rate, rate_slope = np.empty(rows), np.empty(rows)
    coupling, coupling_slope = np.empty(rows), np.empty(rows)
    for r in range(rows):
        p, q = persistence[r], innovation[r]
        rate[r], coupling[r] = 1.0 / q, -p / q
        rate_slope[r] = 2.0 * p * slope[r] / (q * q)
        coupling_slope[r] = -(1.0 + p * p) * slope[r] / (q * q)
    log_rate = np.log(rate)
    for t in range(years):
        for k in range(series):
            precision, bent = curvature[t, k] + 1.0, 0.0
            if t > 0:
                r = which[t, k]
                precision += rate[r] - 1.0
                bent += rate_slope[r]
                density[k] += 0.5 * log_rate[r]
                density_slope[k] += 0.5 * rate_slope[r] * innovation[r]
                below[t, k] = coupling[r] * inverse[t - 1, k]
                below_slope[t, k] = (
                    coupling_slope[r] * inverse[t - 1, k] + coupling[r] * inverse_slope[t - 1, k]
                )
            if t + 1 < years:
                r = which[t + 1, k]
                precision += rate[r] - 1.0
                bent += rate_slope[r]
            square = precision - below[t, k] * below[t, k]
            bent -= 2.0 * below[t, k] * below_slope[t, k]
            inverse[t, k] = 1.0 / math.sqrt(square)
            inverse_slope[t, k] = -0.5 * bent * inverse[t, k] / square
    for t in range(years):
        for k in range(series):
            lead, lead_slope = pull[t, k], 0.0
            if t > 0:
                lead -= below[t, k] * ahead[k]
                lead_slope -= below_slope[t, k] * ahead[k] + below[t, k] * ahead_slope[k]
            ahead_slope[k] = lead_slope * inverse[t, k] + lead * inverse_slope[t, k]
            ahead[k] = lead * inverse[t, k]
            target[t, k] = ahead[k] + diagonal0[t, k] * shift[t * series + k]
            target_slope[t, k] = ahead_slope[k]
            if t + 1 < years:
                target[t, k] += below0[t + 1, k] * shift[(t + 1) * series + k]
    state, state_slope = np.empty((years, series)), np.empty((years, series))
    for t in range(years - 1, -1, -1):
        for k in range(series):
            rest, rest_slope = target[t, k], target_slope[t, k]
            if t + 1 < years:
                rest -= below[t + 1, k] * state[t + 1, k]
                rest_slope -= below_slope[t + 1, k] * state[t + 1, k]
                rest_slope -= below[t + 1, k] * state_slope[t + 1, k]
            state[t, k] = rest * inverse[t, k]
            state_slope[t, k] = rest_slope * inverse[t, k] + rest * inverse_slope[t, k]
            # s'Qs = |C's|^2 - s'Ws
            density[k] += 0.5 * curvature[t, k] * state[t, k] * state[t, k]
            density[k] -= 0.5 * target[t, k] * target[t, k]
            density_slope[k] += curvature[t, k] * state[t, k] * state_slope[t, k]
            density_slope[k] -= target[t, k] * target_slope[t, k]
            density_slope[k] += inverse_slope[t, k] / inverse[t, k]
    volume = np.log(inverse).sum()
    return state, state_slope, density.sum() + volume, density_slope, inverse, below, target


@jit
def smooth_adjoint(path, state_bar, whitening):
    """Cotangent of ``shift`` (year, series) at unit cotangent of the density.

    ``path`` is what :func:`smooth` returned.
    """
    state, inverse, below, target = path[0], path[4], path[5], path[6]
    diagonal0, below0, curvature = whitening.diagonal0, whitening.below0, whitening.curvature
    years, series = state.shape
    shift_bar = np.empty((years, series))
    carry, before = np.zeros(series), np.zeros(series)
    for t in range(years):
        for k in range(series):
            here = state_bar[t, k] + curvature[t, k] * state[t, k]
            carry[k] = (here - below[t, k] * carry[k]) * inverse[t, k]
            pulled = carry[k] - target[t, k]
            shift_bar[t, k] = diagonal0[t, k] * pulled + below0[t, k] * before[k]
            before[k] = pulled
    return shift_bar
