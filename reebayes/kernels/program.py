"""The log density of a study and its gradient in white coordinates: all kernels in one call."""

import numpy as np

from reebayes.kernels.compiling import jit
from reebayes.kernels.conservation import balance, balance_adjoint
from reebayes.kernels.evidence import (
    locate,
    locate_adjoint,
    record_terms,
    record_terms_adjoint,
    spreads,
    spreads_adjoint,
)
from reebayes.kernels.whitening import smooth, smooth_adjoint, unwhiten, unwhiten_adjoint
from reebayes.kernels.years import innovations, levels, levels_adjoint, persistences


@jit
def density(white, steps, centres, graph, sums, errors, figures, whitening):
    """Log density (up to a constant) and its gradient at a point in white coordinates."""
    shift = unwhiten(white, whitening) + whitening.mode
    table = persistences(shift, steps)
    path = smooth(shift, steps.which, table, whitening)
    state, state_slope, own, own_slope = path[0], path[1], path[2], path[3]
    level = levels(state, shift, centres)
    flow, share, throughput = balance(level, graph)
    location = locate(flow, level, sums)
    scale = spreads(shift, errors)
    term = record_terms(location, scale, figures)
    years, series = state.shape
    free = years * series
    total = own + whitening.volume[0] + term.sum() - 0.5 * np.square(shift[free:]).sum()

    location_bar, scale_bar = record_terms_adjoint(location, scale, figures, np.ones(term.size))
    flow_bar, level_bar = locate_adjoint(flow, level, sums, location_bar)
    level_bar += balance_adjoint(level, graph, flow, share, throughput, flow_bar)
    state_bar, shift_bar = levels_adjoint(state, shift, centres, level, level_bar)
    shift_bar += spreads_adjoint(shift, errors, scale, scale_bar)
    shift_bar[free:] -= shift[free:]
    shift_bar[:free] = smooth_adjoint(path, state_bar, whitening).ravel()
    if years > 1:
        begin = shift.size - steps.step_mean.size
        for k in range(series):
            # a series belongs to one group in all its years
            at = begin + steps.group[steps.which[1, k]]
            shift_bar[at] += own_slope[k]
            for t in range(years):
                shift_bar[at] += state_bar[t, k] * state_slope[t, k]
    return total, unwhiten_adjoint(shift_bar, whitening)


@jit
def unfold(white, steps, whitening):
    """States (year, series) and latent vector of a point in white coordinates."""
    shift = unwhiten(white, whitening) + whitening.mode
    table = persistences(shift, steps)
    state = smooth(shift, steps.which, table, whitening)[0]
    latent = shift.copy()
    latent[: state.size] = innovations(state, steps.which, table).ravel()
    return state, latent


@jit
def observe(state, latent, centres, graph, sums, errors):
    """Levels (column, year), flows (flow, year), and location and scale of every record."""
    level = levels(state, latent, centres)
    flow = balance(level, graph)[0]
    return level, flow, locate(flow, level, sums), spreads(latent, errors)
