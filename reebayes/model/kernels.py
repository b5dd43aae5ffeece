"""The arithmetic of the model as compiled loops: each function beside its adjoint.

Every kernel takes its structure (who flows where, which rows add up) as arrays, so one
compilation serves every study. An adjoint takes the cotangents of the outputs and returns those
of the differentiable inputs; ``tests/test_kernels.py`` holds each pair against finite differences.

All kernels stand in one file on purpose: numba keeps compiled code by file, and would not notice
that a kernel calls another one that has changed elsewhere.
"""

import functools
import math
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

# One thread per chain is the faster choice: loops over years and series are short.
_jit = numba.njit(cache=True, nogil=True, error_model="numpy")

# Arrays are copied and added in loops: slices and array expressions take seconds more to compile.

# Helpers of inner loops: a call that passes arrays costs more than what they do.
_jit_inline = numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")


# --- exponentials ---------------------------------------------------------------------------------

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: added, it leaves the nearest integer in the last bits
_LARGEST, _SMALLEST = 709.0, -708.0
_TAYLOR = tuple(1.0 / math.factorial(n) for n in range(14))


@_jit_inline
def _exponentials(values, scale):
    """Replace values by their exponentials; ``scale`` is room for as many.

    The same arithmetic for every value, so that several are done at once, unlike ``math.exp``:
    2**n times a polynomial of what is left, right to the last digit. Values are cut to where
    the result is a normal number; one that is not a number stays so.
    """
    power = scale.view(np.int64)
    for t in range(values.size):
        x = values[t]
        x = _LARGEST if x > _LARGEST else x
        x = _SMALLEST if x < _SMALLEST else x
        turned = x * _LOG2_E + _ROUND
        whole = turned - _ROUND
        r = x - whole * _LN2_HIGH - whole * _LN2_LOW
        part = _TAYLOR[13]
        part = part * r + _TAYLOR[12]
        part = part * r + _TAYLOR[11]
        part = part * r + _TAYLOR[10]
        part = part * r + _TAYLOR[9]
        part = part * r + _TAYLOR[8]
        part = part * r + _TAYLOR[7]
        part = part * r + _TAYLOR[6]
        part = part * r + _TAYLOR[5]
        part = part * r + _TAYLOR[4]
        part = part * r + _TAYLOR[3]
        part = part * r + _TAYLOR[2]
        values[t] = (part * r + 1.0) * r + 1.0
        scale[t] = turned
    for t in range(values.size):
        power[t] = (power[t] + 1023) << 52
    for t in range(values.size):
        values[t] *= scale[t]


# --- what kernels take beside the unknowns --------------------------------------------------------

# The compiler's types stand in the annotations: compiled code is kept for these and no others.
Wholes = Annotated[Any, types.int64[::1]]
WholeTable = Annotated[Any, types.int64[:, ::1]]
Reals = Annotated[Any, types.float64[::1]]
RealTable = Annotated[Any, types.float64[:, ::1]]
Flags = Annotated[Any, types.bool_[::1]]
FlagTable = Annotated[Any, types.bool_[:, ::1]]
Real = Annotated[Any, types.float64]


class Steps(NamedTuple):
    """How series move: which table row holds a (year, series), and what the rows say.

    ``ratio`` is the step over the spread, which a multiplier makes larger or smaller; ``jump`` what
    a transition from one period to the next adds to it, in squares.
    """

    which: WholeTable
    step_mean: Reals
    step_sd: Reals
    ratio: Reals
    jump: Reals
    group: Wholes
    ceiling: Reals


class Centres(NamedTuple):
    """Prior mean and spread of every column, what else moves it, and products that drive an inflow.

    ``route`` is the column that a column adds to its own level where ``on_route`` is not 0: that of
    its trade route, or of the flow to whose log ratio it is tied.
    """

    mean: RealTable
    sd: RealTable
    constants: Wholes
    route: Wholes
    on_route: Reals
    driven: Wholes
    loss: Wholes


class Graph(NamedTuple):
    """Who flows where, in the order in which the mass balance is solved.

    ``stage_start`` cuts ``order`` (positions of processes) into stages: single processes, or
    cycles that are solved together. ``column`` gives the level that drives a flow, -1 for the
    outflow that takes the remainder. ``active`` is (flow, year).
    """

    column: Wholes
    exogenous: Flags
    active: FlagTable
    target: Wholes
    order: Wholes
    place: Wholes
    stage_start: Wholes
    out_start: Wholes
    out_flow: Wholes


class Rows(NamedTuple):
    """Weighted sums of a flat array: row r adds ``weight[n] * values[index[n]]``."""

    start: Wholes
    index: Wholes
    weight: Reals


class Sums(NamedTuple):
    """What records observe: flows over flows, and the levels that shift them.

    ``above`` and ``below`` add up (flow, year), ``shift`` adds biases and shared errors of the
    levels (column, year). ``offset`` and ``over`` are 1 where there is nothing to add up.
    ``plain`` marks what is seen as it is, and may be negative, where others are seen as logs.
    ``against`` are weighted sums of records: a part of a composition is seen as its log less the
    weighted mean of the logs of parts before it, so that what all have in common drops out.
    """

    above: Rows
    below: Rows
    shift: Rows
    offset: Reals
    over: Reals
    plain: Flags
    against: Rows


class Errors(NamedTuple):
    """Scales of records: where noise stands in the latent vector, and its priors.

    ``floor`` is the share of a stated variance that noise leaves as it is. Priors of noise are
    those of every reporter, then that of what all of them have in common. ``stretch`` and ``tail``
    hold centre and spread of the logs of what multiplies the spreads of reporters, and of the
    degrees of freedom of figures; ``stretch_at`` and ``tail_at`` where they stand in the latent
    vector: nowhere if they are not learnt.
    """

    floor: Reals
    noise_start: Wholes
    noise_mean: Reals
    noise_sd: Reals
    record_sd: Reals
    reporter: Wholes
    stretch: Reals
    stretch_at: Wholes
    tail: Reals
    tail_at: Wholes


class Figures(NamedTuple):
    """Printed figures on the scale of what they observe, and how they are scored.

    ``low`` holds the figure itself where there is one, ``high`` its second reading. ``freedom`` is
    0 where errors are normal; where it is learnt, `freedom_of` gives that of a latent vector.
    """

    kind: Wholes
    low: Reals
    high: Reals
    freedom: Real


class Equations(NamedTuple):
    """A study as the kernels compute with it: all that its log density depends on."""

    steps: Steps
    centres: Centres
    graph: Graph
    sums: Sums
    errors: Errors
    figures: Figures


class Pairs(NamedTuple):
    """Pairs of states of one year whose flows records see as a sum; see `split`.

    ``first`` and ``second`` are their places among the states, ``series`` the series that have any.
    Where two states stand at their centres, the log of the second flow over the first is
    ``log_ratio``; a unit of a state moves the log of its flow by its slope.
    """

    first: Wholes
    second: Wholes
    series: Wholes
    first_centre: Reals
    second_centre: Reals
    first_slope: Reals
    second_slope: Reals
    log_ratio: Reals


class Whitening(NamedTuple):
    """White coordinates; see `reebayes.model.kernels.whitening`.

    The factor L is stored below its diagonal, by rows and by columns, and as the ``inverse`` of
    its diagonal. ``diagonal0`` and ``below0`` are the bands of every series' own factor at the
    reference, ``volume`` the constant part of the log volume.
    """

    mode: Reals
    inverse: Reals
    rows: Rows
    columns: Rows
    diagonal0: RealTable
    below0: RealTable
    curvature: RealTable
    pull: RealTable
    volume: Reals
    pairs: Pairs


class Structure(NamedTuple):
    """All that the log density of a point in white coordinates depends on beside the point."""

    equations: Equations
    whitening: Whitening


def compiled_type(kind: Any) -> types.Type:
    """The compiler's type of an annotation or of a tuple of annotated fields."""
    if isinstance(kind, type) and issubclass(kind, tuple):
        fields = get_type_hints(kind, include_extras=True).values()
        return types.NamedTuple([compiled_type(field) for field in fields], kind)
    return get_args(kind)[1]


# --- years: from the latent vector to levels ------------------------------------------------------

# States have unit variance in every year; how fast they move is their persistence, which follows
# from a group's step multiplier. Few (series, year) pairs differ in step and spread, so the
# persistences are a short table, and ``which`` (year, series) points into it.


@_jit
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
        square = move * move + steps.jump[r] * steps.jump[r]
        persistence[r] = math.exp(-0.5 * square)
        innovation[r] = -math.expm1(-square)
        slope[r] = -persistence[r] * move * move * step_sd[g]
        if persistence[r] > ceiling:
            persistence[r] = ceiling
            innovation[r] = 1.0 - ceiling * ceiling
            slope[r] = 0.0
    return persistence, innovation, slope


@_jit
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


@_jit
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


@_jit
def innovations(state, which, table):
    """Innovations (year, series) of states: the inverse of `states`."""
    persistence, innovation, _ = table
    years, series = state.shape
    result = state.copy()
    for t in range(1, years):
        for k in range(series):
            r = which[t, k]
            gap = state[t, k] - persistence[r] * state[t - 1, k]
            result[t, k] = gap / math.sqrt(innovation[r])
    return result


@_jit
def levels(state, latent, centres):
    """Log inflows, log share ratios and biases (column, year).

    A level is its prior mean plus its spread times the standardised unknown. A column adds what
    its trade route does, or the level of the flow that it is tied to, which may have a route; the
    inflow that a product needs is the product over the yield, and
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
    for chained in range(2):  # what is tied to a flow on a route comes after that flow
        for k in range(level.shape[0]):
            if on_route[k] != 0.0 and (on_route[route[k]] != 0.0) == (chained == 1):
                for t in range(years):
                    level[k, t] += on_route[k] * level[route[k], t]
    for n in range(driven.size):
        for t in range(years):
            odds = level[loss[n], t]
            level[driven[n], t] += max(odds, 0.0) + math.log1p(math.exp(-abs(odds)))
    return level


@_jit
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
    for chained in range(2):
        for k in range(level.shape[0]):
            if on_route[k] != 0.0 and (on_route[route[k]] != 0.0) == (chained == 0):
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


# --- mass balance: inputs and shares to flows -----------------------------------------------------


@_jit
def _shares(level, graph, flow, share):
    """Fill in the inflows, and the shares of every process's throughput over its active outflows.

    All exponentials are taken in one go: until then ``flow`` holds exponents, and ``share`` is
    room for `_exponentials`.
    """
    column, active = graph.column, graph.active
    out_start, out_flow = graph.out_start, graph.out_flow
    flows, years = active.shape
    top, total = np.empty(years), np.empty(years)
    for f in range(flows):
        c = column[f]
        for t in range(years):
            flow[f, t] = level[c, t] if c >= 0 else 0.0
    for process in range(out_start.size - 1):
        for t in range(years):
            top[t] = -np.inf
        for n in range(out_start[process], out_start[process + 1]):
            f = out_flow[n]
            for t in range(years):
                here = flow[f, t] if active[f, t] else -np.inf
                top[t] = here if here > top[t] else top[t]
        for n in range(out_start[process], out_start[process + 1]):
            f = out_flow[n]
            for t in range(years):
                flow[f, t] -= top[t]
    _exponentials(flow.ravel(), share.ravel())
    for f in range(flows):
        for t in range(years):
            share[f, t] = 0.0
            flow[f, t] = flow[f, t] if active[f, t] else 0.0
    for process in range(out_start.size - 1):
        for t in range(years):
            total[t] = 0.0
        for n in range(out_start[process], out_start[process + 1]):
            f = out_flow[n]
            for t in range(years):
                total[t] += flow[f, t]
        for t in range(years):
            total[t] = 1.0 / total[t] if total[t] > 0.0 else 0.0
        for n in range(out_start[process], out_start[process + 1]):
            f = out_flow[n]
            for t in range(years):
                share[f, t] = flow[f, t] * total[t]


@_jit_inline
def _any(values):
    found = False
    for t in range(values.size):
        if values[t] != 0.0:
            found = True
            break
    return found


@_jit
def _solve(block, rhs, leak, size, transpose):
    """Gaussian elimination of many small systems, one a year, in place.

    The matrices are I - S' (or its transpose) of processes that pass on ``block`` to one another
    and ``leak`` to others. What a process passes on adds up to 1, so a pivot is the sum of what
    goes to processes not yet eliminated and to others. Nothing is subtracted: however little
    leaves a cycle, it keeps its digits, and pivots are positive and need no search. Most pairs of
    processes in a large cycle pass nothing on to one another, and are passed over.
    """
    years = rhs.shape[1]
    pivot = np.empty((size, years))
    columns = np.empty(size, dtype=np.int64)
    for i in range(size):
        for t in range(years):
            pivot[i, t] = leak[i, t]
        for k in range(i + 1, size):
            row, col = (i, k) if transpose else (k, i)
            for t in range(years):
                pivot[i, t] += block[row, col, t]
        count = 0
        for c in range(i + 1, size):
            if _any(block[i, c]):
                columns[count] = c
                count += 1
        for r in range(i + 1, size):
            row, col = (r, i) if transpose else (i, r)
            if _any(block[row, col]):
                for t in range(years):
                    leak[r, t] += block[row, col, t] * leak[i, t] / pivot[i, t]
            if not _any(block[r, i]):
                continue
            for t in range(years):
                factor = block[r, i, t] / pivot[i, t]
                block[r, i, t] = factor
                rhs[r, t] += factor * rhs[i, t]
            for n in range(count):
                for t in range(years):
                    block[r, columns[n], t] += block[r, i, t] * block[i, columns[n], t]
    for i in range(size - 1, -1, -1):
        for c in range(i + 1, size):
            if _any(block[i, c]):
                for t in range(years):
                    rhs[i, t] += block[i, c, t] * rhs[c, t]
        for t in range(years):
            rhs[i, t] /= pivot[i, t]


@_jit_inline
def _fill(first, last, graph, share, transpose, block, leak):
    """Shares within one cycle of processes (row: who receives; transposed: who gives), by year.

    ``leak`` is what a process passes on to others.
    """
    out_start, out_flow = graph.out_start, graph.out_flow
    size, years = last - first, block.shape[2]
    for i in range(size):
        for j in range(size):
            for t in range(years):
                block[i, j, t] = 0.0
    for i in range(size):
        process = graph.order[first + i]
        for t in range(years):
            leak[i, t] = 1.0  # what goes nowhere stays out of the cycle too
        for n in range(out_start[process], out_start[process + 1]):
            for t in range(years):
                if share[out_flow[n], t] > 0.0:
                    leak[i, t] = 0.0
        for n in range(out_start[process], out_start[process + 1]):
            f = out_flow[n]
            j = graph.place[graph.target[f]] - first
            if 0 <= j < size:
                row, col = (i, j) if transpose else (j, i)
                for t in range(years):
                    block[row, col, t] += share[f, t]
            else:
                for t in range(years):
                    leak[i, t] += share[f, t]


@_jit_inline
def _largest(stage_start):
    size = 0
    for s in range(stage_start.size - 1):
        size = max(size, stage_start[s + 1] - stage_start[s])
    return size


@_jit
def balance(level, graph):
    """Flows that close the mass balance of every process exactly.

    ``level`` holds log inflows (exogenous flows) and log share ratios (all others) by column and
    year; ``column`` is -1 for the outflow that takes the remainder. Processes are visited in
    stage order; a stage of more than one process is a cycle (markets that trade with one
    another) and is solved as one small linear system.

    Returns flows (flow, year), shares (flow, year) and throughputs (process, year).
    """
    active, target = graph.active, graph.target
    order, place, stage_start = graph.order, graph.place, graph.stage_start
    out_start, out_flow = graph.out_start, graph.out_flow
    flows, years = active.shape
    flow, share = np.empty((flows, years)), np.empty((flows, years))
    _shares(level, graph, flow, share)
    throughput = np.zeros((order.size, years))
    largest = _largest(stage_start)
    block, rhs = np.empty((largest, largest, years)), np.empty((largest, years))
    leak = np.empty((largest, years))
    for f in range(flows):
        if graph.exogenous[f]:
            for t in range(years):
                throughput[target[f], t] += flow[f, t]
    for s in range(stage_start.size - 1):
        first, last = stage_start[s], stage_start[s + 1]
        if last - first > 1:
            _fill(first, last, graph, share, False, block, leak)
            for i in range(first, last):
                for t in range(years):
                    rhs[i - first, t] = throughput[order[i], t]
            _solve(block, rhs, leak, last - first, False)
            for i in range(first, last):
                for t in range(years):
                    throughput[order[i], t] = rhs[i - first, t]
        for i in range(first, last):
            process = order[i]
            for n in range(out_start[process], out_start[process + 1]):
                f = out_flow[n]
                into = target[f]
                inner = first <= place[into] < last
                for t in range(years):
                    flow[f, t] = share[f, t] * throughput[process, t]
                if not inner:
                    for t in range(years):
                        throughput[into, t] += flow[f, t]
    return flow, share, throughput


@_jit
def balance_adjoint(level, graph, flow, share, throughput, flow_bar):
    """Cotangent of ``level``: the stages backwards, each cycle with its transposed system."""
    column, active, target = graph.column, graph.active, graph.target
    order, place, stage_start = graph.order, graph.place, graph.stage_start
    out_start, out_flow = graph.out_start, graph.out_flow
    flows, years = active.shape
    level_bar = np.zeros(level.shape)
    # of what enters a process from outside its stage, and of what leaves it by one flow
    inflow_bar = np.zeros((order.size, years))
    share_bar = np.zeros((flows, years))
    mean = np.empty(years)
    largest = _largest(stage_start)
    block, rhs = np.empty((largest, largest, years)), np.empty((largest, years))
    leak = np.empty((largest, years))
    for s in range(stage_start.size - 2, -1, -1):
        first, last = stage_start[s], stage_start[s + 1]
        for i in range(first, last):
            process = order[i]
            for t in range(years):
                rhs[i - first, t] = 0.0
            for n in range(out_start[process], out_start[process + 1]):
                f = out_flow[n]
                into = target[f]
                outer = 0.0 if first <= place[into] < last else 1.0
                for t in range(years):
                    g = flow_bar[f, t] + outer * inflow_bar[into, t]
                    share_bar[f, t] = g
                    rhs[i - first, t] += g * share[f, t]
        if last - first > 1:
            _fill(first, last, graph, share, True, block, leak)
            _solve(block, rhs, leak, last - first, True)
        for i in range(first, last):
            for t in range(years):
                inflow_bar[order[i], t] = rhs[i - first, t]
        for i in range(first, last):
            process = order[i]
            for t in range(years):
                mean[t] = 0.0
            for n in range(out_start[process], out_start[process + 1]):
                f = out_flow[n]
                into = target[f]
                inner = 1.0 if first <= place[into] < last and last - first > 1 else 0.0
                for t in range(years):
                    share_bar[f, t] += inner * inflow_bar[into, t]
                    mean[t] += share_bar[f, t] * share[f, t]
            for n in range(out_start[process], out_start[process + 1]):
                f = out_flow[n]
                c = column[f]
                if c >= 0:
                    for t in range(years):
                        pull = flow[f, t] * (share_bar[f, t] - mean[t])
                        level_bar[c, t] += pull
    for f in range(flows):
        if graph.exogenous[f]:
            for t in range(years):
                if active[f, t]:
                    g = flow_bar[f, t] + inflow_bar[target[f], t]
                    level_bar[column[f], t] += g * flow[f, t]
    return level_bar


# --- records: what each observes, and its log-likelihood ------------------------------------------


POINT, UPPER, LOWER, RANGE, CERTAIN, EITHER, PART = 0, 1, 2, 3, 4, 5, 6
"""Codes of the terms in `record_terms`; a certain record carries no information, and a part of a
composition is normal whatever the errors of others are."""

PRINTED = (POINT, EITHER, PART)
"""Terms of records that print a figure and not a bound."""

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_LOG_2 = math.log(2.0)
_TAIL = -30.0  # below this many standard deviations erfc underflows


@_jit
def weigh(values, rows):
    """Weighted sums of selected values: row r adds weight[n] * values[index[n]]."""
    start, index, weight = rows.start, rows.index, rows.weight
    total = np.zeros(start.size - 1)
    for r in range(start.size - 1):
        for n in range(start[r], start[r + 1]):
            total[r] += weight[n] * values[index[n]]
    return total


@_jit
def weigh_adjoint(rows, total_bar, values_bar):
    """Add to ``values_bar`` the cotangent of the values."""
    start, index, weight = rows.start, rows.index, rows.weight
    for r in range(start.size - 1):
        for n in range(start[r], start[r + 1]):
            values_bar[index[n]] += weight[n] * total_bar[r]


@_jit
def locate(flow, level, sums):
    """What every record observes, the reporter's bias and shared errors included.

    It is a log but for plain records, on which bias and errors act as factors; of a part of a
    composition it is a log ratio to the parts before it.
    """
    return _located(totals(flow, sums), level, sums)


@_jit
def totals(flow, sums):
    """What every record adds up: above the line and below it, 1 where there is nothing."""
    above = weigh(flow.ravel(), sums.above)
    below = weigh(flow.ravel(), sums.below)
    for r in range(above.size):
        above[r] += sums.offset[r]
        below[r] += sums.over[r]
    return above, below


@_jit
def _located(total, level, sums):
    above, below = total
    location = weigh(level.ravel(), sums.shift)
    for r in range(location.size):
        if sums.plain[r]:
            location[r] = math.exp(location[r]) * above[r] / below[r]
        else:
            location[r] += math.log(above[r] / below[r])
    against = sums.against
    if against.index.size > 0:
        own = location.copy()
        for r in range(location.size):
            for n in range(against.start[r], against.start[r + 1]):
                location[r] -= against.weight[n] * own[against.index[n]]
    return location


@_jit
def locate_adjoint(flow, level, sums, location_bar):
    """Cotangents of flow and level."""
    return _located_adjoint(totals(flow, sums), flow.shape, level, sums, location_bar)


@_jit
def _located_adjoint(total, flows, level, sums, location_bar):
    above, below = total
    above_bar, below_bar = np.empty(above.size), np.empty(above.size)
    shift_bar = location_bar.copy()
    against = sums.against
    for r in range(above.size):
        for n in range(against.start[r], against.start[r + 1]):
            shift_bar[against.index[n]] -= against.weight[n] * location_bar[r]
    for r in range(above.size):
        own_bar = shift_bar[r]
        if sums.plain[r]:
            factor = math.exp(_sum_of(r, level.ravel(), sums.shift))
            above_bar[r] = own_bar * factor / below[r]
            below_bar[r] = -above_bar[r] * above[r] / below[r]
            shift_bar[r] = above_bar[r] * above[r]
        else:
            above_bar[r] = own_bar / above[r]
            below_bar[r] = -own_bar / below[r]
    flow_bar, level_bar = np.zeros(flows), np.zeros(level.shape)
    weigh_adjoint(sums.above, above_bar, flow_bar.ravel())
    weigh_adjoint(sums.below, below_bar, flow_bar.ravel())
    weigh_adjoint(sums.shift, shift_bar, level_bar.ravel())
    return flow_bar, level_bar


@_jit
def _sum_of(r, values, rows):
    """One of the sums that `weigh` gives."""
    total = 0.0
    for n in range(rows.start[r], rows.start[r + 1]):
        total += rows.weight[n] * values[rows.index[n]]
    return total


@_jit
def stretch_of(latent, errors):
    """What multiplies the spread of the noise of reporters: 1 unless a prior says otherwise."""
    if errors.stretch_at.size == 0:
        return math.exp(errors.stretch[0])
    return math.exp(errors.stretch[0] + errors.stretch[1] * latent[errors.stretch_at[0]])


@_jit
def spreads(latent, errors):
    """Scale of every record: its stated error, the most of it times its reporter's noise.

    A scale can grow without limit but not shrink to nothing, where a few figures matched exactly
    would hold the sampler.
    """
    noise_mean, noise_sd, begin = errors.noise_mean, errors.noise_sd, errors.noise_start[0]
    floor, reporters = errors.floor[0], noise_mean.size - 1
    common = noise_mean[reporters] + noise_sd[reporters] * latent[begin + reporters]
    factor, stretch = np.empty(reporters), stretch_of(latent, errors)
    for r in range(reporters):
        own = stretch * noise_sd[r] * latent[begin + r]
        noise = math.exp(common + noise_mean[r] + own)
        factor[r] = math.sqrt(floor + (1.0 - floor) * noise * noise)
    scale = np.empty(errors.record_sd.size)
    for i in range(scale.size):
        scale[i] = errors.record_sd[i] * factor[errors.reporter[i]]
    return scale


@_jit
def spreads_adjoint(latent, errors, scale, scale_bar):
    """Cotangent of ``latent``."""
    latent_bar = np.zeros(latent.size)
    begin, common = errors.noise_start[0], errors.noise_sd.size - 1
    stretch = stretch_of(latent, errors)
    for i in range(scale.size):
        r = errors.reporter[i]
        fixed = errors.floor[0] * errors.record_sd[i] * errors.record_sd[i]
        pull = scale_bar[i] * (scale[i] - fixed / scale[i])
        own = stretch * errors.noise_sd[r]
        latent_bar[begin + r] += pull * own
        latent_bar[begin + common] += pull * errors.noise_sd[common]
        if errors.stretch_at.size > 0:
            by_stretch = pull * own * latent[begin + r] * errors.stretch[1]
            latent_bar[errors.stretch_at[0]] += by_stretch
    return latent_bar


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
def _point_constant(freedom):
    if freedom > 0.0:
        return (
            math.lgamma(0.5 * (freedom + 1.0))
            - math.lgamma(0.5 * freedom)
            - 0.5 * math.log(freedom * math.pi)
        )
    return -_LOG_SQRT_2PI


@_jit
def _point(z, freedom):
    """Log density of a standardised figure without its constant, and minus its slope."""
    if freedom > 0.0:
        heavy = freedom + z * z
        return -0.5 * (freedom + 1.0) * math.log(heavy / freedom), (freedom + 1.0) * z / heavy
    return -0.5 * z * z, z


@_jit
def _either(first, second, freedom):
    """Log density of two equally probable readings, and the first one's share of it."""
    one, other = _point(first, freedom)[0], _point(second, freedom)[0]
    top = max(one, other)
    share, rest = math.exp(one - top), math.exp(other - top)
    return top + math.log(share + rest) - _LOG_2, share / (share + rest)


@_jit
def record_terms(location, scale, figures):
    """Log-likelihood of every record.

    A point term is normal, or Student-t where ``freedom`` > 0; one with two readings is the mean
    of two such densities, and a part of a composition is normal. Bounds are the probability that a
    figure drawn around ``location`` with ``scale`` lies on the stated side.
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
        elif kind[i] == PART:
            term[i] = _log_normal_pdf((low[i] - location[i]) / scale[i]) - math.log(scale[i])
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


@_jit
def freedom_of(latent, errors, figures):
    """Degrees of freedom of the errors of figures; 0 where they are normal."""
    if errors.tail_at.size == 0:
        return figures.freedom
    return math.exp(errors.tail[0] + errors.tail[1] * latent[errors.tail_at[0]])


@_jit
def with_freedom(figures, freedom):
    """The same figures with errors of other degrees of freedom."""
    return Figures(figures.kind, figures.low, figures.high, freedom)


@_jit
def _digamma_step(x):
    """Digamma function of x + 1/2 less that of x: up the recurrence, then its asymptotic series."""
    total = 0.0
    while x < 10.0:
        total += 1.0 / x - 1.0 / (x + 0.5)
        x += 1.0
    for sign, at in ((1.0, x + 0.5), (-1.0, x)):
        square = 1.0 / (at * at)
        rest = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0))
        total += sign * (math.log(at) - 0.5 / at - rest)
    return total


@_jit
def _tail_slope(z, freedom):
    """Slope of the log density that `_point` gives in the degrees of freedom."""
    square = z * z
    bent = (freedom + 1.0) * square / (freedom * (freedom + square))
    return 0.5 * (bent - math.log1p(square / freedom))


@_jit
def freedom_adjoint(location, scale, figures, term_bar):
    """Cotangent of the degrees of freedom; 0 where errors are normal."""
    kind, low, high, freedom = figures.kind, figures.low, figures.high, figures.freedom
    total = 0.0
    if freedom > 0.0:
        constant = 0.5 * (_digamma_step(0.5 * freedom) - 1.0 / freedom)
        for i in range(location.size):
            a, b = (low[i] - location[i]) / scale[i], (high[i] - location[i]) / scale[i]
            if kind[i] == POINT:
                total += term_bar[i] * (constant + _tail_slope(a, freedom))
            elif kind[i] == EITHER:
                share = _either(a, b, freedom)[1]
                slope = share * _tail_slope(a, freedom) + (1.0 - share) * _tail_slope(b, freedom)
                total += term_bar[i] * (constant + slope)
    return total


@_jit
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
        elif kind[i] == PART:
            d_location = (low[i] - location[i]) / s
            d_scale = d_location * d_location - 1.0
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


# --- the posterior's own coordinates --------------------------------------------------------------

# White coordinates z become a displacement L'^-1 z from the mode, with L L' the precision there;
# the displacement of each series is then carried through that series' own conditional smoother,
# which keeps it straight when its step multiplier changes.


@_jit
def unwhiten(white, whitening):
    """Displacement L'^-1 z from white coordinates."""
    columns = whitening.columns
    start, index, value = columns.start, columns.index, columns.weight
    shift = np.empty(white.size)
    for i in range(white.size - 1, -1, -1):
        rest = white[i]
        for n in range(start[i], start[i + 1]):
            rest -= value[n] * shift[index[n]]
        shift[i] = rest * whitening.inverse[i]
    return shift


@_jit
def _shift(white, whitening):
    shift = unwhiten(white, whitening)
    for i in range(shift.size):
        shift[i] += whitening.mode[i]
    return shift


@_jit
def unwhiten_adjoint(shift_bar, whitening):
    """Cotangent of the white coordinates: the same system transposed, so by rows."""
    start, index, value = whitening.rows.start, whitening.rows.index, whitening.rows.weight
    bar = np.empty(shift_bar.size)
    for i in range(bar.size):
        rest = shift_bar[i]
        for n in range(start[i], start[i + 1]):
            rest -= value[n] * bar[index[n]]
        bar[i] = rest * whitening.inverse[i]
    return bar


@_jit
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


@_jit
def _prior_bands(which, table):
    """Bands of every series' AR(1) precision (year, series), and their slopes in the multiplier.

    ``rate`` is the precision of an innovation, ``coupling`` the entry below the diagonal; both
    belong to the step into a year. In the first year there is none: rate 1, coupling 0.
    """
    persistence, innovation, slope = table
    rows = persistence.size
    rates, rate_slopes = np.empty(rows), np.empty(rows)
    couplings, coupling_slopes = np.empty(rows), np.empty(rows)
    for r in range(rows):
        p, q = persistence[r], innovation[r]
        rates[r], couplings[r] = 1.0 / q, -p / q
        rate_slopes[r] = 2.0 * p * slope[r] / (q * q)
        coupling_slopes[r] = -(1.0 + p * p) * slope[r] / (q * q)
    years, series = which.shape
    rate, rate_slope = np.ones((years + 1, series)), np.zeros((years + 1, series))
    coupling, coupling_slope = np.zeros((years, series)), np.zeros((years, series))
    density, density_slope = np.zeros(series), np.zeros(series)
    log_rates = np.log(rates)
    for t in range(1, years):
        for k in range(series):
            r = which[t, k]
            rate[t, k], rate_slope[t, k] = rates[r], rate_slopes[r]
            coupling[t, k], coupling_slope[t, k] = couplings[r], coupling_slopes[r]
            density[k] += 0.5 * log_rates[r]
            density_slope[k] += 0.5 * rate_slopes[r] * innovation[r]
    return rate, rate_slope, coupling, coupling_slope, density, density_slope


@_jit
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
    diagonal0, below0 = whitening.diagonal0, whitening.below0
    curvature, pull = whitening.curvature, whitening.pull
    years, series = which.shape
    rate, rate_slope, coupling, coupling_slope, density, density_slope = _prior_bands(which, table)
    moved = shift[: years * series].reshape((years, series))
    inverse, below = np.empty((years, series)), np.zeros((years + 1, series))
    inverse_slope, below_slope = np.empty((years, series)), np.zeros((years + 1, series))
    target, target_slope = np.empty((years, series)), np.empty((years, series))
    last, last_slope = np.zeros(series), np.zeros(series)
    ahead, ahead_slope = np.zeros(series), np.zeros(series)
    volume = 0.0
    for t in range(years):
        for k in range(series):
            edge = coupling[t, k] * last[k]
            edge_slope = coupling_slope[t, k] * last[k] + coupling[t, k] * last_slope[k]
            square = curvature[t, k] + rate[t, k] + rate[t + 1, k] - 1.0 - edge * edge
            bent = rate_slope[t, k] + rate_slope[t + 1, k] - 2.0 * edge * edge_slope
            root = 1.0 / math.sqrt(square)
            below[t, k], below_slope[t, k] = edge, edge_slope
            last[k], last_slope[k] = root, -0.5 * bent * root * root * root
        for k in range(series):
            inverse[t, k], inverse_slope[t, k] = last[k], last_slope[k]
            lead = pull[t, k] - below[t, k] * ahead[k]
            lead_slope = -below_slope[t, k] * ahead[k] - below[t, k] * ahead_slope[k]
            ahead[k] = lead * last[k]
            ahead_slope[k] = lead_slope * last[k] + lead * last_slope[k]
            target[t, k] = ahead[k] + diagonal0[t, k] * moved[t, k]
            target_slope[t, k] = ahead_slope[k]
        if t + 1 < years:
            for k in range(series):
                target[t, k] += below0[t + 1, k] * moved[t + 1, k]
    state, state_slope = np.empty((years, series)), np.empty((years, series))
    here, here_slope = np.zeros(series), np.zeros(series)
    for t in range(years - 1, -1, -1):
        for k in range(series):
            rest = target[t, k] - below[t + 1, k] * here[k]
            rest_slope = target_slope[t, k] - below_slope[t + 1, k] * here[k]
            rest_slope -= below[t + 1, k] * here_slope[k]
            here[k] = rest * inverse[t, k]
            here_slope[k] = rest_slope * inverse[t, k] + rest * inverse_slope[t, k]
        for k in range(series):
            state[t, k], state_slope[t, k] = here[k], here_slope[k]
            # s'Qs = |C's|^2 - s'Ws
            density[k] += 0.5 * (curvature[t, k] * here[k] * here[k] - target[t, k] ** 2)
            density_slope[k] += curvature[t, k] * here[k] * here_slope[k]
            density_slope[k] += inverse_slope[t, k] / inverse[t, k]
            density_slope[k] -= target[t, k] * target_slope[t, k]
    for k in range(series):
        product = 1.0
        for t in range(years):
            product *= inverse[t, k]
            if not 1e-200 < product < 1e200 or t + 1 == years:
                volume += math.log(product)
                product = 1.0
    total = density.sum() + volume
    bands = rate, rate_slope, coupling, coupling_slope
    return state, state_slope, total, density_slope, inverse, below, target, bands


@_jit
def smooth_adjoint(path, state_bar, whitening):
    """Cotangent of ``shift`` (year, series) at unit cotangent of the density.

    ``path`` is what `smooth` returned.
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


# --- sums and ratios ------------------------------------------------------------------------------

# Where a record sees a sum of two flows, the posterior is a ridge that is bent in the logs of the
# flows and straight in the log of their sum and that of their ratio. The map between them has a
# Jacobian of determinant 1, so the density of one is that of the other.


@_jit_inline
def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@_jit
def split(paired, pairs):
    """States (year, series) of which pairs stand as sum and ratio in ``paired``."""
    state = paired.copy()
    moved, flat = paired.ravel(), state.ravel()
    for n in range(pairs.first.size):
        a, b = pairs.first[n], pairs.second[n]
        by_a, by_b, centre = pairs.first_slope[n], pairs.second_slope[n], pairs.log_ratio[n]
        ratio = centre + by_b * (moved[b] - pairs.second_centre[n])
        flat[a] = moved[a] - (_softplus(ratio) - _softplus(centre)) / by_a
        flat[b] = moved[b] + (flat[a] - pairs.first_centre[n]) * by_a / by_b
    return state


@_jit
def join(state, pairs):
    """States of which pairs are put as sum and ratio: the inverse of `split`."""
    paired = state.copy()
    moved, flat = paired.ravel(), state.ravel()
    for n in range(pairs.first.size):
        a, b = pairs.first[n], pairs.second[n]
        by_a, by_b, centre = pairs.first_slope[n], pairs.second_slope[n], pairs.log_ratio[n]
        moved[b] = flat[b] - (flat[a] - pairs.first_centre[n]) * by_a / by_b
        ratio = centre + by_b * (moved[b] - pairs.second_centre[n])
        moved[a] = flat[a] + (_softplus(ratio) - _softplus(centre)) / by_a
    return paired


@_jit
def split_adjoint(paired, state_bar, pairs):
    """Cotangent of ``paired``."""
    paired_bar = state_bar.copy()
    moved, bar, result = paired.ravel(), state_bar.ravel(), paired_bar.ravel()
    for n in range(pairs.first.size):
        a, b = pairs.first[n], pairs.second[n]
        by_a, by_b = pairs.first_slope[n], pairs.second_slope[n]
        ratio = pairs.log_ratio[n] + by_b * (moved[b] - pairs.second_centre[n])
        result[a] = bar[a] + bar[b] * by_a / by_b
        result[b] = bar[b] - result[a] * by_b / by_a / (1.0 + math.exp(-ratio))
    return paired_bar


@_jit
def change_of_prior(paired, state, bands, pairs):
    """Log prior density of states less what `smooth` took it for, as if ``paired`` were states.

    Returns the difference, and its slopes in ``state``, in ``paired``, and by series in the step
    multiplier of its group.
    """
    rate, rate_slope, coupling, coupling_slope = bands
    years, series = state.shape
    by_state, by_paired = np.zeros((years, series)), np.zeros((years, series))
    change, slope = 0.0, np.zeros(series)
    for k in pairs.series:
        for t in range(years):
            s, u = state[t, k], paired[t, k]
            diagonal = rate[t, k] + rate[t + 1, k] - 1.0
            by_state[t, k] -= diagonal * s
            by_paired[t, k] += diagonal * u
            change -= 0.5 * diagonal * (s * s - u * u)
            slope[k] -= 0.5 * (rate_slope[t, k] + rate_slope[t + 1, k]) * (s * s - u * u)
            if t > 0:
                s_before, u_before = state[t - 1, k], paired[t - 1, k]
                by_state[t, k] -= coupling[t, k] * s_before
                by_state[t - 1, k] -= coupling[t, k] * s
                by_paired[t, k] += coupling[t, k] * u_before
                by_paired[t - 1, k] += coupling[t, k] * u
                change -= coupling[t, k] * (s * s_before - u * u_before)
                slope[k] -= coupling_slope[t, k] * (s * s_before - u * u_before)
    return change, by_state, by_paired, slope


# --- the log density and its gradient, all in one call --------------------------------------------


# A sampler in another language calls the density by its address, from several threads at once,
# and hands over one more address, of data: a structure as compiled code holds it.

_STRUCTURE = compiled_type(Structure)
_VALUES = types.CPointer(types.float64)
_DENSITY = types.int64(types.uint64, _VALUES, _VALUES, _VALUES, types.voidptr)
_KEEP = types.int64(types.uint64, types.uint64, _VALUES, _VALUES, types.voidptr)

SOUND, UNSOUND = 0, 1
"""What `density_at` answers: every figure is finite, or not."""


def pack(structure: Structure):
    """A structure as compiled code holds it in memory.

    Parameters
    ----------
    structure : Structure
        Must live as long as what is made of it, which points to its arrays.

    Returns
    -------
    array of int64
        Its address is what `density_at` takes.

    Raises
    ------
    TypeError
        If an array is not of the type that its field declares.
    """
    found = numba.typeof(structure)
    if found != _STRUCTURE:
        raise TypeError(f"compiled for {_STRUCTURE}, not for {found}")
    return np.array(list(_words(structure)), dtype=np.int64)


def _words(value):
    """A number as it is; of an array no owner, no parent, then what describes it."""
    if isinstance(value, tuple):
        for field in value:
            yield from _words(field)
    elif isinstance(value, float):
        yield np.float64(value).view(np.int64)
    else:
        yield from (0, 0, value.size, value.itemsize, value.ctypes.data)
        yield from (*value.shape, *value.strides)


@intrinsic
def _unpacked(typing_context, address):
    """The structure at an address."""

    def generate(context, builder, signature, arguments):
        pointer = context.get_data_type(_STRUCTURE).as_pointer()
        return context.unpack_value(builder, _STRUCTURE, builder.bitcast(arguments[0], pointer))

    return _STRUCTURE(address), generate


def _density(size, white_at, slope_at, value_at, packed):
    white, slope = numba.carray(white_at, size), numba.carray(slope_at, size)
    value = numba.carray(value_at, 1)
    equations, whitening = _unpacked(packed)
    steps, centres, graph, sums, errors, figures = equations
    shift = _shift(white, whitening)
    table = persistences(shift, steps)
    path = smooth(shift, steps.which, table, whitening)
    paired, paired_slope, own, own_slope = path[0], path[1], path[2], path[3]
    state = split(paired, whitening.pairs)
    change, by_prior, by_paired, change_slope = change_of_prior(
        paired, state, path[7], whitening.pairs
    )
    level = levels(state, shift, centres)
    flow, share, throughput = balance(level, graph)
    observed = totals(flow, sums)
    location = _located(observed, level, sums)
    scale = spreads(shift, errors)
    seen = with_freedom(figures, freedom_of(shift, errors, figures))
    term = record_terms(location, scale, seen)
    years, series = state.shape
    free = years * series
    total = own + change + whitening.volume[0]
    for i in range(term.size):
        total += term[i]
    for i in range(free, shift.size):
        total -= 0.5 * shift[i] * shift[i]

    ones = np.ones(term.size)
    location_bar, scale_bar = record_terms_adjoint(location, scale, seen, ones)
    flow_bar, level_bar = _located_adjoint(observed, flow.shape, level, sums, location_bar)
    by_flow = balance_adjoint(level, graph, flow, share, throughput, flow_bar)
    for k in range(level.shape[0]):
        for t in range(years):
            level_bar[k, t] += by_flow[k, t]
    state_bar, shift_bar = levels_adjoint(state, shift, centres, level, level_bar)
    spread_bar = spreads_adjoint(shift, errors, scale, scale_bar)
    if errors.tail_at.size > 0:
        tail_bar = freedom_adjoint(location, scale, seen, ones)
        spread_bar[errors.tail_at[0]] += tail_bar * seen.freedom * errors.tail[1]
    for i in range(free, shift.size):
        shift_bar[i] += spread_bar[i] - shift[i]
    for t in range(years):
        for k in range(series):
            state_bar[t, k] += by_prior[t, k]
    paired_bar = split_adjoint(paired, state_bar, whitening.pairs)
    for t in range(years):
        for k in range(series):
            paired_bar[t, k] += by_paired[t, k]
    by_state = smooth_adjoint(path, paired_bar, whitening)
    for t in range(years):
        for k in range(series):
            shift_bar[t * series + k] = by_state[t, k]
    if years > 1:
        begin = shift.size - steps.step_mean.size
        for k in range(series):
            # a series belongs to one group in all its years
            at = begin + steps.group[steps.which[1, k]]
            shift_bar[at] += own_slope[k] + change_slope[k]
            for t in range(years):
                shift_bar[at] += paired_bar[t, k] * paired_slope[t, k]
    bar = unwhiten_adjoint(shift_bar, whitening)
    sound = math.isfinite(total)
    for i in range(bar.size):
        slope[i] = bar[i]
        sound &= math.isfinite(bar[i])
    value[0] = total
    return SOUND if sound else UNSOUND


def _keep(size, room, white_at, kept_at, packed):
    white, kept = numba.carray(white_at, size), numba.carray(kept_at, room).view(np.float32)
    for i in range(size):
        kept[i] = white[i]
    return SOUND


@functools.cache
def density_at():
    """Log density (up to a constant) and gradient at a point, as a function with an address.

    It takes the size of the point; the addresses of the point in white coordinates, of room for
    the gradient and for the value; and that of a packed structure. It answers `SOUND` or
    `UNSOUND`.
    """
    return numba.cfunc(_DENSITY, cache=True, error_model="numpy")(_density)


@functools.cache
def keep_at():
    """What a sampler stores of a point, seven digits of each coordinate: likewise.

    It takes the sizes of the point and of the room in doubles, each of which holds two coordinates.
    """
    return numba.cfunc(_KEEP, cache=True, error_model="numpy")(_keep)


@_jit
def unfold(white, steps, whitening):
    """States (year, series) and latent vector of a point in white coordinates."""
    shift = _shift(white, whitening)
    table = persistences(shift, steps)
    state = split(smooth(shift, steps.which, table, whitening)[0], whitening.pairs)
    latent = shift.copy()
    step = innovations(state, steps.which, table)
    for t in range(state.shape[0]):
        for k in range(state.shape[1]):
            latent[t * state.shape[1] + k] = step[t, k]
    return state, latent


@_jit
def observe(state, latent, equations):
    """Levels (column, year), flows (flow, year), and location and scale of every record."""
    level = levels(state, latent, equations.centres)
    flow = balance(level, equations.graph)[0]
    return level, flow, locate(flow, level, equations.sums), spreads(latent, equations.errors)


@_jit
def observe_draws(latents, equations, flows, location, scale):
    """Fill in flows (draw, flow, year), locations and scales (draw, record) of latent vectors."""
    for n in range(latents.shape[0]):
        latent = latents[n]
        state = states(latent, equations.steps)
        _, flow, at, spread = observe(state, latent, equations)
        for f in range(flow.shape[0]):
            for t in range(flow.shape[1]):
                flows[n, f, t] = flow[f, t]
        for r in range(at.size):
            location[n, r] = at[r]
            scale[n, r] = spread[r]
