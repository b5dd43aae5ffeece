"""Records: what each observes, and its log-likelihood."""

import math

import numpy as np

from reebayes.kernels.compiling import jit

POINT, UPPER, LOWER, RANGE, CERTAIN, EITHER = 0, 1, 2, 3, 4, 5
"""Codes of the terms in :func:`record_terms`; a certain record carries no information."""

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_LOG_2 = math.log(2.0)
_TAIL = -30.0  # below this many standard deviations erfc underflows


@jit
def weigh(values, rows):
    """Weighted sums of selected values: row r adds weight[n] * values[index[n]]."""
    start, index, weight = rows.start, rows.index, rows.weight
    total = np.zeros(start.size - 1)
    for r in range(start.size - 1):
        for n in range(start[r], start[r + 1]):
            total[r] += weight[n] * values[index[n]]
    return total


@jit
def weigh_adjoint(values, rows, total_bar):
    """Cotangent of ``values``."""
    start, index, weight = rows.start, rows.index, rows.weight
    values_bar = np.zeros(values.size)
    for r in range(start.size - 1):
        for n in range(start[r], start[r + 1]):
            values_bar[index[n]] += weight[n] * total_bar[r]
    return values_bar


@jit
def locate(flow, level, sums):
    """Log of what every record observes, the reporter's bias and shared errors included."""
    above = weigh(flow.ravel(), sums.above)
    below = weigh(flow.ravel(), sums.below)
    location = weigh(level.ravel(), sums.shift)
    for r in range(location.size):
        location[r] += math.log((above[r] + sums.offset[r]) / (below[r] + sums.over[r]))
    return location


@jit
def locate_adjoint(flow, level, sums, location_bar):
    """Cotangents of flow and level."""
    above = weigh(flow.ravel(), sums.above)
    below = weigh(flow.ravel(), sums.below)
    for r in range(location_bar.size):
        above[r] = location_bar[r] / (above[r] + sums.offset[r])
        below[r] = -location_bar[r] / (below[r] + sums.over[r])
    flow_bar = weigh_adjoint(flow.ravel(), sums.above, above)
    flow_bar += weigh_adjoint(flow.ravel(), sums.below, below)
    level_bar = weigh_adjoint(level.ravel(), sums.shift, location_bar)
    return flow_bar.reshape(flow.shape), level_bar.reshape(level.shape)


@jit
def spreads(latent, errors):
    """Scale of every record: its stated error times its reporter's noise."""
    noise_mean, noise_sd, begin = errors.noise_mean, errors.noise_sd, errors.noise_start[0]
    noise = np.empty(noise_mean.size)
    for r in range(noise.size):
        noise[r] = math.exp(noise_mean[r] + noise_sd[r] * latent[begin + r])
    scale = np.empty(errors.record_sd.size)
    for i in range(scale.size):
        scale[i] = errors.record_sd[i] * noise[errors.reporter[i]]
    return scale


@jit
def spreads_adjoint(latent, errors, scale, scale_bar):
    """Cotangent of ``latent``."""
    latent_bar = np.zeros(latent.size)
    for i in range(scale.size):
        r = errors.reporter[i]
        pull = scale_bar[i] * scale[i] * errors.noise_sd[r]
        latent_bar[errors.noise_start[0] + r] += pull
    return latent_bar


@jit
def _log_normal_cdf(z):
    if z < _TAIL:
        inverse = 1.0 / (z * z)
        return -0.5 * z * z - math.log(-z) - _LOG_SQRT_2PI + math.log1p(-inverse + 3 * inverse**2)
    return math.log(0.5 * math.erfc(-z / math.sqrt(2.0)))


@jit
def _log_normal_pdf(z):
    return -0.5 * z * z - _LOG_SQRT_2PI


@jit
def _log_interval(a, b):
    """log(Phi(b) - Phi(a)), from the tail in which the interval lies."""
    if a > 0.0:
        a, b = -b, -a
    log_b = _log_normal_cdf(b)
    return log_b + math.log1p(-math.exp(_log_normal_cdf(a) - log_b))


@jit
def _point_constant(freedom):
    if freedom > 0.0:
        return (
            math.lgamma(0.5 * (freedom + 1.0))
            - math.lgamma(0.5 * freedom)
            - 0.5 * math.log(freedom * math.pi)
        )
    return -_LOG_SQRT_2PI


@jit
def _point(z, freedom):
    """Log density of a standardised figure without its constant, and minus its slope."""
    if freedom > 0.0:
        heavy = freedom + z * z
        return -0.5 * (freedom + 1.0) * math.log(heavy / freedom), (freedom + 1.0) * z / heavy
    return -0.5 * z * z, z


@jit
def _either(first, second, freedom):
    """Log density of two equally probable readings, and the first one's share of it."""
    one, other = _point(first, freedom)[0], _point(second, freedom)[0]
    top = max(one, other)
    share, rest = math.exp(one - top), math.exp(other - top)
    return top + math.log(share + rest) - _LOG_2, share / (share + rest)


@jit
def record_terms(location, scale, figures):
    """Log-likelihood of every record.

    A point term is normal, or Student-t where ``freedom`` > 0; one with two readings is the mean
    of two such densities. Bounds are the probability that a figure drawn around ``location`` with
    ``scale`` lies on the stated side.
    """
    kind, low, high, freedom = figures.kind, figures.low, figures.high, figures.freedom
    term = np.empty(location.size)
    constant = _point_constant(freedom)
    for i in range(location.size):
        if kind[i] == POINT:
            z = (low[i] - location[i]) / scale[i]
            term[i] = constant + _point(z, freedom)[0] - math.log(scale[i])
        elif kind[i] == EITHER:
            a, b = (low[i] - location[i]) / scale[i], (high[i] - location[i]) / scale[i]
            term[i] = constant + _either(a, b, freedom)[0] - math.log(scale[i])
        elif kind[i] == UPPER:
            term[i] = _log_normal_cdf((high[i] - location[i]) / scale[i])
        elif kind[i] == LOWER:
            term[i] = _log_normal_cdf((location[i] - low[i]) / scale[i])
        elif kind[i] == RANGE:
            a, b = (low[i] - location[i]) / scale[i], (high[i] - location[i]) / scale[i]
            term[i] = _log_interval(a, b)
        else:
            term[i] = 0.0
    return term


@jit
def record_terms_adjoint(location, scale, figures, term_bar):
    """Cotangents of location and scale."""
    kind, low, high, freedom = figures.kind, figures.low, figures.high, figures.freedom
    location_bar = np.empty(location.size)
    scale_bar = np.empty(location.size)
    for i in range(location.size):
        s = scale[i]
        d_location, d_scale = 0.0, 0.0
        if kind[i] == POINT:
            z = (low[i] - location[i]) / s
            d_location = _point(z, freedom)[1]
            d_scale = d_location * z - 1.0
        elif kind[i] == EITHER:
            a, b = (low[i] - location[i]) / s, (high[i] - location[i]) / s
            share = _either(a, b, freedom)[1]
            at_a, at_b = share * _point(a, freedom)[1], (1.0 - share) * _point(b, freedom)[1]
            d_location = at_a + at_b
            d_scale = at_a * a + at_b * b - 1.0
        elif kind[i] == UPPER:
            z = (high[i] - location[i]) / s
            ratio = math.exp(_log_normal_pdf(z) - _log_normal_cdf(z))
            d_location = -ratio
            d_scale = -ratio * z
        elif kind[i] == LOWER:
            z = (location[i] - low[i]) / s
            ratio = math.exp(_log_normal_pdf(z) - _log_normal_cdf(z))
            d_location = ratio
            d_scale = -ratio * z
        elif kind[i] == RANGE:
            a, b = (low[i] - location[i]) / s, (high[i] - location[i]) / s
            log_mass = _log_interval(a, b)
            at_a = math.exp(_log_normal_pdf(a) - log_mass)
            at_b = math.exp(_log_normal_pdf(b) - log_mass)
            d_location = at_a - at_b
            d_scale = at_a * a - at_b * b
        location_bar[i] = term_bar[i] * d_location / s
        scale_bar[i] = term_bar[i] * d_scale / s
    return location_bar, scale_bar
