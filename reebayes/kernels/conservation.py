"""Mass balance: inputs and shares to flows, in stage order, all years side by side."""

import math

import numpy as np

from reebayes.kernels.compiling import jit, jit_inline


@jit_inline
def _shares(process, level, graph, share, top, total):
    """Shares of one process's throughput over its active outflows, by year."""
    column, active = graph.column, graph.active
    out_start, out_flow = graph.out_start, graph.out_flow
    years = top.size
    for t in range(years):
        top[t] = -np.inf
        total[t] = 0.0
    for n in range(out_start[process], out_start[process + 1]):
        f = out_flow[n]
        c = column[f]
        for t in range(years):
            if active[f, t]:
                top[t] = max(top[t], level[c, t] if c >= 0 else 0.0)
    for n in range(out_start[process], out_start[process + 1]):
        f = out_flow[n]
        c = column[f]
        for t in range(years):
            part = 0.0
            if active[f, t]:
                part = math.exp((level[c, t] if c >= 0 else 0.0) - top[t])
            share[f, t] = part
            total[t] += part
    for t in range(years):
        total[t] = 1.0 / total[t] if total[t] > 0.0 else 0.0
    for n in range(out_start[process], out_start[process + 1]):
        f = out_flow[n]
        for t in range(years):
            share[f, t] *= total[t]


@jit
def _solve(block, rhs, size):
    """Gaussian elimination of many small systems, one a year, in place.

    The matrices are I - S' with non-negative shares that sum to at most 1 by column, so pivots
    are positive and need no search.
    """
    years = rhs.shape[1]
    for i in range(size):
        for r in range(i + 1, size):
            for t in range(years):
                factor = block[r, i, t] / block[i, i, t]
                block[r, i, t] = factor
                rhs[r, t] -= factor * rhs[i, t]
            for c in range(i + 1, size):
                for t in range(years):
                    block[r, c, t] -= block[r, i, t] * block[i, c, t]
    for i in range(size - 1, -1, -1):
        for c in range(i + 1, size):
            for t in range(years):
                rhs[i, t] -= block[i, c, t] * rhs[c, t]
        for t in range(years):
            rhs[i, t] /= block[i, i, t]


@jit_inline
def _fill(first, last, graph, share, transpose, block):
    """I - S' (or its transpose) of one cycle of processes, by year; S holds the inner shares."""
    out_start, out_flow = graph.out_start, graph.out_flow
    size, years = last - first, block.shape[2]
    for i in range(size):
        for j in range(size):
            for t in range(years):
                block[i, j, t] = 1.0 if i == j else 0.0
    for i in range(size):
        process = graph.order[first + i]
        for n in range(out_start[process], out_start[process + 1]):
            f = out_flow[n]
            j = graph.place[graph.target[f]] - first
            if 0 <= j < size:
                row, col = (i, j) if transpose else (j, i)
                for t in range(years):
                    block[row, col, t] -= share[f, t]


@jit_inline
def _largest(stage_start):
    size = 0
    for s in range(stage_start.size - 1):
        size = max(size, stage_start[s + 1] - stage_start[s])
    return size


@jit
def balance(level, graph):
    """Flows that close the mass balance of every process exactly.

    ``level`` holds log inflows (exogenous flows) and log share ratios (all others) by column and
    year; ``column`` is -1 for the outflow that takes the remainder. Processes are visited in
    stage order; a stage of more than one process is a cycle (markets that trade with one
    another) and is solved as one small linear system.

    Returns flows (flow, year), shares (flow, year) and throughputs (process, year).
    """
    column, active, target = graph.column, graph.active, graph.target
    order, place, stage_start = graph.order, graph.place, graph.stage_start
    out_start, out_flow = graph.out_start, graph.out_flow
    flows, years = active.shape
    flow, share = np.zeros((flows, years)), np.zeros((flows, years))
    throughput = np.zeros((order.size, years))
    top, total = np.empty(years), np.empty(years)
    largest = _largest(stage_start)
    block, rhs = np.empty((largest, largest, years)), np.empty((largest, years))
    for f in range(flows):
        if graph.exogenous[f]:
            for t in range(years):
                if active[f, t]:
                    flow[f, t] = math.exp(level[column[f], t])
                    throughput[target[f], t] += flow[f, t]
    for s in range(stage_start.size - 1):
        first, last = stage_start[s], stage_start[s + 1]
        for i in range(first, last):
            _shares(order[i], level, graph, share, top, total)
        if last - first > 1:
            _fill(first, last, graph, share, False, block)
            for i in range(first, last):
                rhs[i - first] = throughput[order[i]]
            _solve(block, rhs, last - first)
            for i in range(first, last):
                throughput[order[i]] = rhs[i - first]
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


@jit
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
            _fill(first, last, graph, share, True, block)
            _solve(block, rhs, last - first)
        for i in range(first, last):
            inflow_bar[order[i]] = rhs[i - first]
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
