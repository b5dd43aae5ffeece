"""From the latent vector to levels: AR(1) states, priors, trade routes, yields.

States have unit variance in every year; how fast they move is their persistence, which follows
from a group's step multiplier. Few (series, year) pairs differ in step and spread, so the
persistences are a short table, and ``which`` (year, series) points into it.
"""

import math

import numpy as np

from reebayes.kernels.compiling import jit


@jit
def persistences(latent, steps):
    """Persistence of every table row, its variance of innovation, and its slope in the latent.

    The multipliers' latents stand in the tail of ``latent``.
    """
    ratio, group, ceiling = steps.ratio, steps.group, steps.ceiling[0]
    step_mean, step_sd = steps.step_mean, steps.step_sd
    begin = latent.size - step_mean.size
    rows = ratio.size
    persistence, innovation, slope = np.empty(rows), np.empty(rows), np.empty(rows)
    for r in range(rows):
        g = group[r]
        move = ratio[r] * math.exp(step_mean[g] + step_sd[g] * latent[begin + g])
        square = move * move
        persistence[r] = math.exp(-0.5 * square)
        innovation[r] = -math.expm1(-square)
        slope[r] = -persistence[r] * square * step_sd[g]
        if persistence[r] > ceiling:
            persistence[r] = ceiling
            innovation[r] = 1.0 - ceiling * ceiling
            slope[r] = 0.0
    return persistence, innovation, slope


@jit
def states(latent, steps):
    """Unit AR(1) states s_t = p_t s_{t-1} + sqrt(1 - p_t^2) e_t of innovations e, s_0 = e_0.

    Innovations stand at the head of ``latent``, year by year.
    """
    which = steps.which
    years, series = which.shape
    persistence, innovation, _ = persistences(latent, steps)
    state = np.empty((years, series))
    for k in range(series):
        state[0, k] = latent[k]
    for t in range(1, years):
        for k in range(series):
            r = which[t, k]
            here = latent[t * series + k]
            state[t, k] = persistence[r] * state[t - 1, k] + math.sqrt(innovation[r]) * here
    return state


@jit
def states_adjoint(latent, steps, state, state_bar):
    """Cotangent of ``latent``."""
    which = steps.which
    years, series = which.shape
    persistence, innovation, slope = persistences(latent, steps)
    begin = latent.size - steps.step_mean.size
    latent_bar = np.zeros(latent.size)
    carry = state_bar[years - 1].copy()
    for t in range(years - 1, 0, -1):
        for k in range(series):
            r = which[t, k]
            p, root = persistence[r], math.sqrt(innovation[r])
            at = t * series + k
            latent_bar[at] = root * carry[k]
            pull = state[t - 1, k] - p / root * latent[at]
            latent_bar[begin + steps.group[r]] += carry[k] * pull * slope[r]
            carry[k] = state_bar[t - 1, k] + p * carry[k]
    for k in range(series):
        latent_bar[k] = carry[k]
    return latent_bar


@jit
def innovations(state, which, table):
    """Innovations (year, series) of states: the inverse of :func:`states`."""
    persistence, innovation, _ = table
    years, series = state.shape
    result = state.copy()
    for t in range(1, years):
        for k in range(series):
            r = which[t, k]
            gap = state[t, k] - persistence[r] * state[t - 1, k]
            result[t, k] = gap / math.sqrt(innovation[r])
    return result


@jit
def levels(state, latent, centres):
    """Log inflows, log share ratios and biases (column, year).

    A level is its prior mean plus its spread times the standardised unknown. A column adds what
    its trade route does; the inflow that a product needs is the product over the yield, and
    -log(yield) is log(1 + odds of the loss).
    """
    sd, route, on_route = centres.sd, centres.route, centres.on_route
    driven, loss = centres.driven, centres.loss
    years, series = state.shape
    level = centres.mean.copy()
    for k in range(series):
        for t in range(years):
            level[k, t] += sd[k, t] * state[t, k]
    for k in range(series, series + centres.constants[0]):
        value = latent[years * series + k - series]
        for t in range(years):
            level[k, t] += sd[k, t] * value
    for k in range(level.shape[0]):
        if on_route[k] != 0.0:
            for t in range(years):
                level[k, t] += on_route[k] * level[route[k], t]
    for n in range(driven.size):
        for t in range(years):
            odds = level[loss[n], t]
            level[driven[n], t] += max(odds, 0.0) + math.log1p(math.exp(-abs(odds)))
    return level


@jit
def levels_adjoint(state, latent, centres, level, level_bar):
    """Cotangents of states and of the latent vector (its constants)."""
    sd, route, on_route = centres.sd, centres.route, centres.on_route
    driven, loss = centres.driven, centres.loss
    years, series = state.shape
    own_bar = level_bar.copy()
    for n in range(driven.size):
        for t in range(years):
            share = 1.0 / (1.0 + math.exp(-level[loss[n], t]))
            own_bar[loss[n], t] += level_bar[driven[n], t] * share
    for k in range(level.shape[0]):
        if on_route[k] != 0.0:
            for t in range(years):
                own_bar[route[k], t] += on_route[k] * own_bar[k, t]
    state_bar = np.empty((years, series))
    for t in range(years):
        for k in range(series):
            state_bar[t, k] = sd[k, t] * own_bar[k, t]
    latent_bar = np.zeros(latent.size)
    for k in range(series, series + centres.constants[0]):
        for t in range(years):
            latent_bar[years * series + k - series] += sd[k, t] * own_bar[k, t]
    return state_bar, latent_bar
