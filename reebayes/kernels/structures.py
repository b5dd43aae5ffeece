"""What kernels take beside the unknowns: a study and its coordinates as named arrays."""

from typing import Any, NamedTuple


class Steps(NamedTuple):
    """How series move: which table row holds a (year, series), and what the rows say."""

    which: Any
    step_mean: Any
    step_sd: Any
    ratio: Any
    group: Any
    ceiling: Any


class Centres(NamedTuple):
    """Prior mean and spread of every column, trade routes, and products that drive an inflow."""

    mean: Any
    sd: Any
    constants: Any
    route: Any
    on_route: Any
    driven: Any
    loss: Any


class Graph(NamedTuple):
    """Who flows where, in the order in which the mass balance is solved.

    ``stage_start`` cuts ``order`` (positions of processes) into stages: single processes, or
    cycles that are solved together. ``column`` gives the level that drives a flow, -1 for the
    outflow that takes the remainder. ``active`` is (flow, year).
    """

    column: Any
    exogenous: Any
    active: Any
    target: Any
    order: Any
    place: Any
    stage_start: Any
    out_start: Any
    out_flow: Any


class Rows(NamedTuple):
    """Weighted sums of a flat array: row r adds ``weight[n] * values[index[n]]``."""

    start: Any
    index: Any
    weight: Any


class Sums(NamedTuple):
    """What records observe: flows over flows, and the levels that shift them.

    ``above`` and ``below`` add up (flow, year), ``shift`` adds biases and shared errors of the
    levels (column, year). ``offset`` and ``over`` are 1 where there is nothing to add up.
    """

    above: Any
    below: Any
    shift: Any
    offset: Any
    over: Any


class Errors(NamedTuple):
    """Scales of records: where noise stands in the latent vector, and its priors."""

    noise_start: Any
    noise_mean: Any
    noise_sd: Any
    record_sd: Any
    reporter: Any


class Figures(NamedTuple):
    """Printed figures on the log scale, and how they are scored.

    ``low`` holds the figure itself where there is one, ``high`` its second reading.
    """

    kind: Any
    low: Any
    high: Any
    freedom: Any


class Whitening(NamedTuple):
    """White coordinates; see `reebayes.kernels.whitening`.

    The factor L is stored below its diagonal, by rows and by columns, and as the ``inverse`` of
    its diagonal. ``diagonal0`` and ``below0`` are the bands of every series' own factor at the
    reference, ``volume`` the constant part of the log volume.
    """

    mode: Any
    inverse: Any
    rows: Any
    columns: Any
    diagonal0: Any
    below0: Any
    curvature: Any
    pull: Any
    volume: Any
