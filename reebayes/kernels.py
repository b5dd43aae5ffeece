"""The arithmetic of the model as compiled loops: each function beside its adjoint.

Every kernel takes its structure (who flows where, which rows add up) as arrays, so one
compilation serves every study. An adjoint takes the cotangents of the outputs and returns those
of the differentiable inputs; ``operations`` pairs them and ``tests/test_kernels.py`` holds each
pair against finite differences.
"""

import math

import numba
import numpy as np

# Loops over years and series are short: one thread per chain is the faster choice.
_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

# Helpers of the inner loops: a call that passes arrays costs more than what they do.
_jit_inline = numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")

# Sums may be reordered where that lets them run in vector registers.
_jit_sums = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"}
)

POINT, UPPER, LOWER, RANGE, CERTAIN = 0, 1, 2, 3, 4
"""Codes of the terms in :func:`record_terms`; a certain record carries no information."""

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_TAIL = -30.0  # below this many standard deviations erfc underflows


# --- years: unit-variance AR(1) states from independent innovations ---------------------------


@_jit
def autoregress(innovation, persistence):
    """Unit AR(1) states s_t = p_t s_{t-1} + sqrt(1 - p_t^2) e_t, with s_0 = e_0."""
    years, series = innovation.shape
    state = np.empty((years, series))
    for k in range(series):
        state[0, k] = innovation[0, k]
    for t in range(1, years):
        for k in range(series):
            p = persistence[t, k]
            state[t, k] = p * state[t - 1, k] + math.sqrt(1.0 - p * p) * innovation[t, k]
    return state


@_jit
def autoregress_adjoint(innovation, persistence, state, state_bar):
    """Cotangents of innovation and persistence."""
    years, series = innovation.shape
    innovation_bar = np.empty((years, series))
    persistence_bar = np.zeros((years, series))
    carry = np.zeros(series)
    for t in range(years - 1, 0, -1):
        for k in range(series):
            p = persistence[t, k]
            root = math.sqrt(1.0 - p * p)
            g = state_bar[t, k] + carry[k]
            innovation_bar[t, k] = root * g
            persistence_bar[t, k] = g * (state[t - 1, k] - p / root * innovation[t, k])
            carry[k] = p * g
    for k in range(series):
        innovation_bar[0, k] = state_bar[0, k] + carry[k]
    return innovation_bar, persistence_bar


# --- levels: what drives the balance, from the latent vector -------------------------------------


@_jit
def persistences(vector, step_mean, step_sd, step, sd, group, ceiling):
    """AR(1) coefficients (year, series), from the step multipliers in the tail of a vector."""
    years, series = step.shape
    begin = vector.size - step_mean.size
    persistence = np.empty((years, series))
    for k in range(series):
        g = group[k]
        multiplier = math.exp(step_mean[g] + step_sd[g] * vector[begin + g])
        for t in range(years):
            ratio = multiplier * step[t, k] / sd[t, k]
            persistence[t, k] = min(math.exp(-0.5 * ratio * ratio), ceiling[0])
    return persistence


@_jit
def persistences_adjoint(
    vector, step_mean, step_sd, step, sd, group, ceiling, persistence, persistence_bar
):
    """Cotangent of ``vector``."""
    years, series = step.shape
    begin = vector.size - step_mean.size
    vector_bar = np.zeros(vector.size)
    for k in range(series):
        g = group[k]
        multiplier = math.exp(step_mean[g] + step_sd[g] * vector[begin + g])
        for t in range(years):
            if persistence[t, k] < ceiling[0]:
                ratio = multiplier * step[t, k] / sd[t, k]
                slope = -persistence[t, k] * ratio * ratio
                vector_bar[begin + g] += persistence_bar[t, k] * slope * step_sd[g]
    return vector_bar


@_jit
def _own_levels(latent, persistence, mean, sd, constants):
    """Levels before routes and yields: prior mean plus spread times standardised unknown."""
    years = mean.shape[0]
    series = persistence.shape[1]
    state = autoregress(latent[: years * series].reshape((years, series)), persistence)
    own = mean.copy()
    for t in range(years):
        for k in range(series):
            own[t, k] += sd[t, k] * state[t, k]
        for k in range(series, series + constants[0]):
            own[t, k] += sd[t, k] * latent[years * series + k - series]
    return own, state


@_jit
def levels(latent, persistence, mean, sd, constants, route, on_route, driven, loss):
    """Log inflows, log share ratios and biases (year, column).

    A column adds what its trade route does; the inflow that a product needs is the product over
    the yield, and -log(yield) is log(1 + odds of the loss).
    """
    own, _ = _own_levels(latent, persistence, mean, sd, constants)
    years, columns = mean.shape
    level = own.copy()
    for t in range(years):
        for k in range(columns):
            if on_route[k] != 0.0:
                level[t, k] += on_route[k] * own[t, route[k]]
        for n in range(driven.size):
            odds = own[t, loss[n]]
            level[t, driven[n]] += max(odds, 0.0) + math.log1p(math.exp(-abs(odds)))
    return level


@_jit
def levels_adjoint(
    latent, persistence, mean, sd, constants, route, on_route, driven, loss, level_bar
):
    """Cotangents of latent vector and persistence."""
    own, state = _own_levels(latent, persistence, mean, sd, constants)
    years, columns = mean.shape
    series = persistence.shape[1]
    states = years * series
    own_bar = level_bar.copy()
    for t in range(years):
        for k in range(columns):
            if on_route[k] != 0.0:
                own_bar[t, route[k]] += on_route[k] * level_bar[t, k]
        for n in range(driven.size):
            share = 1.0 / (1.0 + math.exp(-own[t, loss[n]]))
            own_bar[t, loss[n]] += level_bar[t, driven[n]] * share
    latent_bar = np.zeros(latent.size)
    state_bar = np.empty((years, series))
    for t in range(years):
        for k in range(series):
            state_bar[t, k] = sd[t, k] * own_bar[t, k]
        for k in range(series, series + constants[0]):
            latent_bar[states + k - series] += sd[t, k] * own_bar[t, k]
    innovation = latent[:states].reshape((years, series))
    innovation_bar, persistence_bar = autoregress_adjoint(innovation, persistence, state, state_bar)
    latent_bar[:states] = innovation_bar.ravel()
    return latent_bar, persistence_bar


# --- mass balance: inputs and shares to flows, in stage order ---------------------------------


@_jit_inline
def _softmax_outflows(process, t, level, column, active, out_start, out_flow, share):
    """Shares of one process's throughput over the outflows active in year t."""
    top = -np.inf
    for n in range(out_start[process], out_start[process + 1]):
        f = out_flow[n]
        if active[t, f]:
            c = column[f]
            value = level[t, c] if c >= 0 else 0.0
            top = max(top, value)
    total = 0.0
    for n in range(out_start[process], out_start[process + 1]):
        f = out_flow[n]
        share[t, f] = 0.0
        if active[t, f]:
            c = column[f]
            share[t, f] = math.exp((level[t, c] if c >= 0 else 0.0) - top)
            total += share[t, f]
    if total > 0.0:
        for n in range(out_start[process], out_start[process + 1]):
            share[t, out_flow[n]] /= total


@_jit_inline
def _solve_in_place(matrix, rhs, size):
    """Gaussian elimination with partial pivoting of a small dense system."""
    for i in range(size):
        pivot = i
        for r in range(i + 1, size):
            if abs(matrix[r, i]) > abs(matrix[pivot, i]):
                pivot = r
        if pivot != i:
            for c in range(i, size):
                matrix[i, c], matrix[pivot, c] = matrix[pivot, c], matrix[i, c]
            rhs[i], rhs[pivot] = rhs[pivot], rhs[i]
        for r in range(i + 1, size):
            factor = matrix[r, i] / matrix[i, i]
            if factor != 0.0:
                for c in range(i, size):
                    matrix[r, c] -= factor * matrix[i, c]
                rhs[r] -= factor * rhs[i]
    for i in range(size - 1, -1, -1):
        for c in range(i + 1, size):
            rhs[i] -= matrix[i, c] * rhs[c]
        rhs[i] /= matrix[i, i]


@_jit_inline
def _fill_block(t, first, last, order, place, target, out_start, out_flow, share, transpose, block):
    """I - S' (or its transpose) of one cyclic block of processes; S holds the inner shares."""
    size = last - first
    for i in range(size):
        for j in range(size):
            block[i, j] = 1.0 if i == j else 0.0
    for i in range(size):
        process = order[first + i]
        for n in range(out_start[process], out_start[process + 1]):
            f = out_flow[n]
            j = place[target[f]] - first
            if 0 <= j < size:
                if transpose:
                    block[i, j] -= share[t, f]
                else:
                    block[j, i] -= share[t, f]


@_jit
def balance(
    level, column, exogenous, active, target, order, place, stage_start, out_start, out_flow
):
    """Flows that close the mass balance of every process exactly.

    ``level`` holds log inflows (exogenous flows) and log share ratios (all others) by year and
    column; ``column`` is -1 for the outflow that takes the remainder. Processes are visited in
    stage order; a stage of more than one process is a cycle (markets that trade with one
    another) and is solved as one small linear system.

    Returns flows, shares and throughputs.
    """
    years, flows = active.shape
    processes = order.size
    flow = np.zeros((years, flows))
    share = np.zeros((years, flows))
    throughput = np.zeros((years, processes))
    largest = 0
    for s in range(stage_start.size - 1):
        largest = max(largest, stage_start[s + 1] - stage_start[s])
    block = np.empty((largest, largest))
    rhs = np.empty(largest)
    for t in range(years):
        for f in range(flows):
            if exogenous[f] and active[t, f]:
                flow[t, f] = math.exp(level[t, column[f]])
                throughput[t, target[f]] += flow[t, f]
        for s in range(stage_start.size - 1):
            first, last = stage_start[s], stage_start[s + 1]
            for i in range(first, last):
                _softmax_outflows(order[i], t, level, column, active, out_start, out_flow, share)
            if last - first > 1:
                _fill_block(
                    t, first, last, order, place, target, out_start, out_flow, share, False, block
                )
                for i in range(first, last):
                    rhs[i - first] = throughput[t, order[i]]
                _solve_in_place(block, rhs, last - first)
                for i in range(first, last):
                    throughput[t, order[i]] = rhs[i - first]
            for i in range(first, last):
                process = order[i]
                for n in range(out_start[process], out_start[process + 1]):
                    f = out_flow[n]
                    flow[t, f] = share[t, f] * throughput[t, process]
                    inner = first <= place[target[f]] < last
                    if not inner:
                        throughput[t, target[f]] += flow[t, f]
    return flow, share, throughput


@_jit
def balance_adjoint(
    level,
    column,
    exogenous,
    active,
    target,
    order,
    place,
    stage_start,
    out_start,
    out_flow,
    flow,
    share,
    throughput,
    flow_bar,
):
    """Cotangent of ``level``: the stages backwards, each block with its transposed system."""
    years, flows = active.shape
    processes = order.size
    level_bar = np.zeros(level.shape)
    inflow_bar = np.zeros(processes)  # cotangent of what enters a process from outside its stage
    share_bar = np.zeros(flows)
    largest = 0
    for s in range(stage_start.size - 1):
        largest = max(largest, stage_start[s + 1] - stage_start[s])
    block = np.empty((largest, largest))
    rhs = np.empty(largest)
    for t in range(years):
        for i in range(processes):
            inflow_bar[i] = 0.0
        for s in range(stage_start.size - 2, -1, -1):
            first, last = stage_start[s], stage_start[s + 1]
            for i in range(first, last):
                process = order[i]
                rhs[i - first] = 0.0
                for n in range(out_start[process], out_start[process + 1]):
                    f = out_flow[n]
                    g = flow_bar[t, f]
                    inner = first <= place[target[f]] < last
                    if not inner:
                        g += inflow_bar[target[f]]
                    share_bar[f] = g * throughput[t, process]
                    rhs[i - first] += g * share[t, f]
            if last - first > 1:
                _fill_block(
                    t, first, last, order, place, target, out_start, out_flow, share, True, block
                )
                _solve_in_place(block, rhs, last - first)
            for i in range(first, last):
                inflow_bar[order[i]] = rhs[i - first]
            for i in range(first, last):
                process = order[i]
                mean = 0.0
                for n in range(out_start[process], out_start[process + 1]):
                    f = out_flow[n]
                    if first <= place[target[f]] < last and last - first > 1:
                        share_bar[f] += inflow_bar[target[f]] * throughput[t, process]
                    mean += share_bar[f] * share[t, f]
                for n in range(out_start[process], out_start[process + 1]):
                    f = out_flow[n]
                    if column[f] >= 0:
                        level_bar[t, column[f]] += share[t, f] * (share_bar[f] - mean)
        for f in range(flows):
            if exogenous[f] and active[t, f]:
                g = flow_bar[t, f] + inflow_bar[target[f]]
                level_bar[t, column[f]] += g * flow[t, f]
    return level_bar


# --- sums of flows: quantities, spans of years, numerators and denominators --------------------


@_jit
def weigh(values, start, index, weight):
    """Weighted sums of selected values: row r adds weight[n] * values[index[n]]."""
    total = np.zeros(start.size - 1)
    for r in range(start.size - 1):
        for n in range(start[r], start[r + 1]):
            total[r] += weight[n] * values[index[n]]
    return total


@_jit
def weigh_adjoint(values, start, index, weight, total_bar):
    """Cotangent of ``values``."""
    values_bar = np.zeros(values.size)
    for r in range(start.size - 1):
        for n in range(start[r], start[r + 1]):
            values_bar[index[n]] += weight[n] * total_bar[r]
    return values_bar


@_jit
def locate(
    flow, level, numerator_start, numerator_index, numerator_weight, denominator_start,
    denominator_index, denominator_weight, bias_start, bias_index, bias_weight, offset, over
):  # fmt: skip
    """Log of what every record observes, the reporter's bias included."""
    flows, levels_ = flow.ravel(), level.ravel()
    above = weigh(flows, numerator_start, numerator_index, numerator_weight)
    below = weigh(flows, denominator_start, denominator_index, denominator_weight)
    location = weigh(levels_, bias_start, bias_index, bias_weight)
    for r in range(location.size):
        location[r] += math.log(above[r] + offset[r]) - math.log(below[r] + over[r])
    return location


@_jit
def locate_adjoint(
    flow, level, numerator_start, numerator_index, numerator_weight, denominator_start,
    denominator_index, denominator_weight, bias_start, bias_index, bias_weight, offset, over,
    location_bar
):  # fmt: skip
    """Cotangents of flow and level."""
    flows, levels_ = flow.ravel(), level.ravel()
    above = weigh(flows, numerator_start, numerator_index, numerator_weight)
    below = weigh(flows, denominator_start, denominator_index, denominator_weight)
    for r in range(location_bar.size):
        above[r] = location_bar[r] / (above[r] + offset[r])
        below[r] = -location_bar[r] / (below[r] + over[r])
    flow_bar = weigh_adjoint(flows, numerator_start, numerator_index, numerator_weight, above)
    flow_bar += weigh_adjoint(
        flows, denominator_start, denominator_index, denominator_weight, below
    )
    level_bar = weigh_adjoint(levels_, bias_start, bias_index, bias_weight, location_bar)
    return flow_bar.reshape(flow.shape), level_bar.reshape(level.shape)


# --- records: one log-likelihood term per published figure --------------------------------------


@_jit
def _log_normal_cdf(z):
    if z < _TAIL:
        inverse = 1.0 / (z * z)
        return -0.5 * z * z - math.log(-z) - _LOG_SQRT_2PI + math.log1p(-inverse + 3 * inverse**2)
    return math.log(0.5 * math.erfc(-z / math.sqrt(2.0)))


@_jit
def _log_normal_pdf(z):
    return -0.5 * z * z - _LOG_SQRT_2PI


@_jit
def _log_interval(a, b):
    """log(Phi(b) - Phi(a)), from the tail in which the interval lies."""
    if a > 0.0:
        a, b = -b, -a
    log_b = _log_normal_cdf(b)
    return log_b + math.log1p(-math.exp(_log_normal_cdf(a) - log_b))


@_jit
def record_terms(location, scale, kind, low, high, freedom):
    """Log-likelihood of every record; ``low`` and ``high`` are logs of printed figures.

    A point term is normal, or Student-t where ``freedom`` > 0. Bounds are the probability that a
    figure drawn around ``location`` with ``scale`` lies on the stated side.
    """
    term = np.empty(location.size)
    for i in range(location.size):
        if kind[i] == POINT:
            z = (low[i] - location[i]) / scale[i]
            if freedom > 0.0:
                constant = (
                    math.lgamma(0.5 * (freedom + 1.0))
                    - math.lgamma(0.5 * freedom)
                    - 0.5 * math.log(freedom * math.pi)
                )
                term[i] = constant - 0.5 * (freedom + 1.0) * math.log1p(z * z / freedom)
            else:
                term[i] = _log_normal_pdf(z)
            term[i] -= math.log(scale[i])
        elif kind[i] == UPPER:
            term[i] = _log_normal_cdf((high[i] - location[i]) / scale[i])
        elif kind[i] == LOWER:
            term[i] = _log_normal_cdf((location[i] - low[i]) / scale[i])
        elif kind[i] == RANGE:
            a = (low[i] - location[i]) / scale[i]
            b = (high[i] - location[i]) / scale[i]
            term[i] = _log_interval(a, b)
        else:
            term[i] = 0.0
    return term


@_jit
def record_terms_adjoint(location, scale, kind, low, high, freedom, term_bar):
    """Cotangents of location and scale."""
    location_bar = np.empty(location.size)
    scale_bar = np.empty(location.size)
    for i in range(location.size):
        s = scale[i]
        if kind[i] == POINT:
            z = (low[i] - location[i]) / s
            pull = (freedom + 1.0) * z / (freedom + z * z) if freedom > 0.0 else z
            d_location = pull / s
            d_scale = (pull * z - 1.0) / s
        elif kind[i] == UPPER:
            z = (high[i] - location[i]) / s
            ratio = math.exp(_log_normal_pdf(z) - _log_normal_cdf(z))
            d_location = -ratio / s
            d_scale = -ratio * z / s
        elif kind[i] == LOWER:
            z = (location[i] - low[i]) / s
            ratio = math.exp(_log_normal_pdf(z) - _log_normal_cdf(z))
            d_location = ratio / s
            d_scale = -ratio * z / s
        elif kind[i] == RANGE:
            a = (low[i] - location[i]) / s
            b = (high[i] - location[i]) / s
            log_mass = _log_interval(a, b)
            at_a = math.exp(_log_normal_pdf(a) - log_mass)
            at_b = math.exp(_log_normal_pdf(b) - log_mass)
            d_location = (at_a - at_b) / s
            d_scale = (at_a * a - at_b * b) / s
        else:
            d_location = 0.0
            d_scale = 0.0
        location_bar[i] = term_bar[i] * d_location
        scale_bar[i] = term_bar[i] * d_scale
    return location_bar, scale_bar


# --- geometry: the posterior's own coordinates --------------------------------------------------


@_jit
def origin(mode, diagonal, below, curvature, pull, first, start, factor, log_volume):
    """Zeros of the latent vector's length: the prior mean, whatever the coordinates."""
    return np.zeros(mode.size)


@_jit
def unwhiten(white, first, start, factor):
    """Displacement L'^-1 z from white coordinates.

    The precision at the mode, in states by year and then constants, is L L' with L stored by
    rows from column ``first[i]`` to the diagonal (a year only touches the year before it, so
    rows are short).
    """
    shift = white.copy()
    for i in range(white.size - 1, -1, -1):
        # slices, so that the inner loop runs in vector registers
        row = factor[start[i] : start[i] + i - first[i]]
        earlier = shift[first[i] : i]
        value = shift[i] / factor[start[i] + i - first[i]]
        shift[i] = value
        for j in range(row.size):
            earlier[j] -= row[j] * value
    return shift


@_jit_sums
def unwhiten_adjoint(white, first, start, factor, shift_bar):
    """Cotangent of ``white``."""
    bar = shift_bar.copy()
    for i in range(bar.size):
        row = factor[start[i] : start[i] + i - first[i]]
        earlier = bar[first[i] : i]
        total = 0.0
        for j in range(row.size):
            total += row[j] * earlier[j]
        bar[i] = (bar[i] - total) / factor[start[i] + i - first[i]]
    return bar


@_jit
def whiten(shift, first, start, factor):
    """White coordinates of a displacement: the inverse of :func:`unwhiten`."""
    white = np.zeros(shift.size)
    for i in range(shift.size):
        row = start[i] - first[i]
        for j in range(first[i], i + 1):
            white[j] += factor[row + j] * shift[i]
    return white


@_jit
def _conditional_factor(persistence, curvature, k, diagonal, below):
    """Cholesky factor (two bands) of one series' AR(1) precision plus the records' curvature."""
    years = persistence.shape[0]
    for t in range(years):
        p = persistence[t, k]
        precision = curvature[t, k] + (1.0 if t == 0 else 1.0 / (1.0 - p * p))
        if t + 1 < years:
            q = persistence[t + 1, k]
            precision += q * q / (1.0 - q * q)
        if t > 0:
            below[t] = -p / (1.0 - p * p) / diagonal[t - 1]
            precision -= below[t] * below[t]
        diagonal[t] = math.sqrt(precision)


@_jit
def conditional_factors(persistence, curvature):
    """Diagonal and lower band of the Cholesky factor of every series' conditional precision."""
    years, series = persistence.shape
    diagonals, belows = np.empty((years, series)), np.zeros((years, series))
    diagonal, below = np.empty(years), np.zeros(years)
    for k in range(series):
        _conditional_factor(persistence, curvature, k, diagonal, below)
        diagonals[:, k] = diagonal
        belows[:, k] = below
    return diagonals, belows


@_jit
def smooth(shift, persistence, diagonal0, below0, curvature, pull):
    """Innovations and log volume of each series drawn through its own conditional smoother.

    With P = AR(1) precision + ``curvature`` (of the records at the mode) = C C', the state is
    C'^-1 (C^-1 pull + C0' shift): the prior's path where records are weak, the records' where
    they are strong, at every persistence. C0 (``diagonal0``, ``below0``) is C at the reference
    persistence, where the state is just mode + shift.

    The last entry of the result is the log volume of the map from shift to innovations (up to a
    constant); the others are the innovations in the order of ``shift``, constants and scales
    untouched.
    """
    years, series = persistence.shape
    result = np.empty(shift.size + 1)
    result[:-1] = shift
    volume = 0.0
    diagonal, below, state = np.empty(years), np.zeros(years), np.empty(years)
    for k in range(series):
        stretch = 1.0
        _conditional_factor(persistence, curvature, k, diagonal, below)
        for t in range(years):
            state[t] = pull[t, k] - (below[t] * state[t - 1] if t > 0 else 0.0)
            state[t] /= diagonal[t]
            stretch *= diagonal0[t, k] / diagonal[t]
        for t in range(years - 1, -1, -1):
            state[t] += diagonal0[t, k] * shift[t * series + k]
            if t + 1 < years:
                state[t] += below0[t + 1, k] * shift[(t + 1) * series + k]
                state[t] -= below[t + 1] * state[t + 1]
            state[t] /= diagonal[t]
        result[k] = state[0]
        for t in range(1, years):
            p = persistence[t, k]
            root = math.sqrt(1.0 - p * p)
            result[t * series + k] = (state[t] - p * state[t - 1]) / root
            stretch /= root
            if not 1e-100 < stretch < 1e100:
                volume += math.log(stretch)
                stretch = 1.0
        volume += math.log(stretch)
    result[-1] = volume
    return result


@_jit
def smooth_adjoint(shift, persistence, diagonal0, below0, curvature, pull, result_bar):
    """Cotangents of shift and persistence."""
    years, series = persistence.shape
    shift_bar = result_bar[:-1].copy()
    persistence_bar = np.zeros((years, series))
    volume_bar = result_bar[-1]
    diagonal, below = np.empty(years), np.zeros(years)
    ahead, state = np.empty(years), np.empty(years)
    state_bar, ahead_bar = np.empty(years), np.empty(years)
    diagonal_bar, below_bar, precision_bar = np.empty(years), np.empty(years), np.empty(years)
    for k in range(series):
        _conditional_factor(persistence, curvature, k, diagonal, below)
        for t in range(years):
            ahead[t] = pull[t, k] - (below[t] * ahead[t - 1] if t > 0 else 0.0)
            ahead[t] /= diagonal[t]
        for t in range(years - 1, -1, -1):
            state[t] = ahead[t] + diagonal0[t, k] * shift[t * series + k]
            if t + 1 < years:
                state[t] += below0[t + 1, k] * shift[(t + 1) * series + k]
                state[t] -= below[t + 1] * state[t + 1]
            state[t] /= diagonal[t]
        # innovations and volume
        for t in range(years):
            state_bar[t] = 0.0
            below_bar[t] = 0.0
            diagonal_bar[t] = -volume_bar / diagonal[t]
        state_bar[0] = result_bar[k]
        for t in range(1, years):
            p = persistence[t, k]
            root = math.sqrt(1.0 - p * p)
            g = result_bar[t * series + k] / root
            innovation = (state[t] - p * state[t - 1]) / root
            state_bar[t] += g
            state_bar[t - 1] -= p * g
            root_bar = -innovation * g - volume_bar / root
            persistence_bar[t, k] = -state[t - 1] * g - root_bar * p / root
        # backward substitution, from its last step to its first
        for t in range(years):
            g = state_bar[t] / diagonal[t]
            diagonal_bar[t] -= state[t] * g
            if t + 1 < years:
                below_bar[t + 1] -= state[t + 1] * g
                state_bar[t + 1] -= below[t + 1] * g
            ahead_bar[t] = g
            shift_bar[t * series + k] = diagonal0[t, k] * g
        for t in range(1, years):
            shift_bar[t * series + k] += below0[t, k] * ahead_bar[t - 1]
        # forward substitution
        for t in range(years - 1, -1, -1):
            g = ahead_bar[t] / diagonal[t]
            diagonal_bar[t] -= ahead[t] * g
            if t > 0:
                below_bar[t] -= ahead[t - 1] * g
                ahead_bar[t - 1] -= below[t] * g
        # factorisation
        for t in range(years - 1, -1, -1):
            precision_bar[t] = 0.5 * diagonal_bar[t] / diagonal[t]
            if t > 0:
                below_bar[t] -= 2.0 * below[t] * precision_bar[t]
                p = persistence[t, k]
                rate = 1.0 / (1.0 - p * p)
                off_bar = below_bar[t] / diagonal[t - 1]
                diagonal_bar[t - 1] -= below[t] * off_bar
                persistence_bar[t, k] -= rate * off_bar
                persistence_bar[t, k] -= 2.0 * p * p * rate * rate * off_bar
        for t in range(1, years):
            p = persistence[t, k]
            rate = 1.0 / (1.0 - p * p)
            rate_bar = precision_bar[t] + precision_bar[t - 1]
            persistence_bar[t, k] += 2.0 * p * rate * rate * rate_bar
    return shift_bar, persistence_bar


@_jit
def displace(innovation, persistence, diagonal0, below0, curvature, pull):
    """Displacement from innovations: the inverse of :func:`smooth` without its volume."""
    years, series = persistence.shape
    shift = innovation.copy()
    diagonal, below = np.empty(years), np.zeros(years)
    ahead, state = np.empty(years), np.empty(years)
    for k in range(series):
        _conditional_factor(persistence, curvature, k, diagonal, below)
        for t in range(years):
            p = persistence[t, k]
            here = innovation[t * series + k]
            state[t] = here if t == 0 else p * state[t - 1] + math.sqrt(1.0 - p * p) * here
            ahead[t] = pull[t, k] - (below[t] * ahead[t - 1] if t > 0 else 0.0)
            ahead[t] /= diagonal[t]
        for t in range(years - 1, -1, -1):
            move = diagonal[t] * state[t] - ahead[t]
            if t + 1 < years:
                move += below[t + 1] * state[t + 1]
                move -= below0[t + 1, k] * shift[(t + 1) * series + k]
            shift[t * series + k] = move / diagonal0[t, k]
    return shift
