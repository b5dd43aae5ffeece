"""Records simulated from true flows, and the likelihood of records given true flows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from reebayes.conventions import (
    FLOW,
    RECORD,
    REPORTER,
    SHARED,
    YEAR,
)
from reebayes.simulation.compositions import closed, table_log_densities
from reebayes.simulation.flows import (
    columns_of,
    parts_of,
)
from reebayes.simulation.worlds import World
from reebayes.study import Record, Study
from reebayes.study.compositions import tables_of_parts
from reebayes.study.kinds import (
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    FIGURE,
    SIGNED,
    SUM,
    KindReader,
    bound_of,
    kind_of,
)

# Printed bounds lie up to a factor of ten from the figure they bound (see simulate_records).
_BOUND_SLACK = math.log(10.0)
# Below this many standard deviations erfc loses its digits and then underflows.
_TAIL = -30.0


# --- records ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Printing:
    """How a record's figure is spread: centre and scale of its log, or of a signed one itself."""

    location: float
    scale: float


def _printings(
    study: Study,
    records: Iterable[Record],
    flows: xr.DataArray,
    bias: xr.DataArray,
    noise: xr.DataArray,
    shared: xr.DataArray | None,
) -> list[_Printing]:
    ratios = {quantity.quantity for quantity in study.quantities if quantity.is_ratio}
    flow_columns = columns_of(study, flows, FLOW)
    parts = {quantity.quantity: parts_of(quantity, flow_columns) for quantity in study.quantities}
    bias_columns = columns_of(study, bias, REPORTER)
    floor = study.variance_floor
    factors = {
        str(name): math.sqrt(floor + (1 - floor) * float(value) ** 2)
        for name, value in noise.to_series().items()
    }
    errors = _errors(study, shared)
    printings = []
    for record in records:
        first, last = record.year - study.first_year, record.year_end - study.first_year
        span = slice(first, last + 1)
        numerator, denominator = parts[record.quantity]
        # The ones below a plain sum add up to the number of years, which makes it a mean.
        is_total = kind_of(record.kind).years == SUM and record.quantity not in ratios
        below = 1.0 if is_total else float(denominator[span].sum())
        above = float(numerator[span].sum())
        if record.lag and first > 0:
            # What left last year and was counted on arrival; before the study, nothing is known.
            above = (1 - record.lag) * above + record.lag * float(numerator[first - 1])
        figure = above / below if below != 0 else math.nan
        shift = float(bias_columns[record.reporter][span].mean())
        for error in record.shared:
            sign, name = (-1, error[1:]) if error.startswith("-") else (1, error)
            other = name.startswith("bias:")
            found = bias_columns[name[5:]][span].mean() if other else errors[name][span].mean()
            shift += sign * float(found)
        if kind_of(record.kind).is_signed:
            # What shifts the log of other figures multiplies a signed one.
            spread = record.sd * record.scale * factors[record.reporter]
            printings.append(_Printing(figure * math.exp(shift), spread))
        else:
            spread = record.sd * factors[record.reporter]
            printings.append(_Printing(_log(figure) + shift, spread))
    return printings


def _errors(study: Study, shared: xr.DataArray | None) -> dict[str, np.ndarray]:
    """Values by year of each common systematic error, by name."""
    if shared is None:
        return {}
    if YEAR not in shared.dims:
        shared = shared.expand_dims({YEAR: list(study.years)})
    return columns_of(study, shared, SHARED)


def _log(value: float) -> float:
    """Logarithm that takes zero to minus infinity and keeps NaN."""
    return -math.inf if value == 0 else math.log(value)


def _degrees_of_freedom(study: Study) -> float | None:
    """Degrees of freedom of the declared Student-t errors, or the median of their prior.

    None for normal errors.
    """
    if study.settings.get("error_distribution", "normal") != "student_t":
        return None
    for row in study.priors.rows("errors:freedom"):
        return float(row.median)
    return float(study.settings.get("degrees_of_freedom", 5))


def record_log_likelihood(
    study: Study,
    flows: xr.DataArray,
    bias: xr.DataArray,
    noise: xr.DataArray,
    shared: xr.DataArray | None = None,
    freedom: float | None = None,
) -> xr.DataArray:
    """Log-likelihood of every record of a study given true flows and errors.

    Figures (value, quota, cumulative, mean) have the density of their *logarithm*: normal, or
    Student-t if the study's settings say so, around log quantity plus the reporter's mean bias
    over the record's years plus the errors it shares with other records. A signed figure has the
    density of the figure itself in the study's unit, around the quantity times the exponential of
    that bias and those errors. A figure with an
    alternative value has the mean of the two densities. A record with a lag observes part of the
    year before in place of as much of its own; in the first year of the study, its own alone.
    Bounds are censored observations: the normal probability of a figure on the stated side or
    inside the stated range, also where figures are Student-t. A zero is a figure
    below the printing unit, and says nothing where the quantity itself is zero or undefined.
    Parts of a composition have the density of their log ratios, each given the parts before it;
    their errors are normal, also where others are Student-t.

    Parameters
    ----------
    study : Study
    flows : DataArray (year, flow), study unit
    bias : DataArray (year, reporter), log scale
    noise : DataArray (reporter), multiplier
    shared : DataArray (shared) or (year, shared), log scale, optional
        Needed if records share errors.
    freedom : float, optional
        Degrees of freedom of Student-t errors, in place of those that the study sets or the
        median of their prior.

    Returns
    -------
    DataArray (record)

    Raises
    ------
    KeyError
        If a record's reporter or common error has no value.
    """
    freedom = freedom or _degrees_of_freedom(study)
    printings = _printings(study, study.records, flows, bias, noise, shared)
    values = [
        _log_likelihood(record, printing, freedom)
        for record, printing in zip(study.records, printings, strict=True)
    ]
    for positions in tables_of_parts(study.records).values():
        parts = [(study.records[at], printings[at]) for at in positions]
        densities = table_log_densities(
            [math.log(record.value or 0.0) for record, _ in parts],
            [printing.location for _, printing in parts],
            [printing.scale for _, printing in parts],
        )
        for at, density in zip(positions, densities, strict=True):
            values[at] = density
    names = np.array([record.record for record in study.records], dtype=object)
    return xr.DataArray(np.array(values), dims=RECORD, coords={RECORD: names})


def _log_likelihood(record: Record, printing: _Printing, freedom: float | None) -> float:
    kind = kind_of(record.kind)
    if kind.is_zero and math.isnan(printing.location):
        return 0.0
    scores = {
        name: (_seen(record, getattr(record, name)) - printing.location) / printing.scale
        for name in (*kind.needs, *(["other"] if record.other is not None else []))
    }
    return _density_of(record.kind)(scores, printing.scale, freedom)


def _seen(record: Record, printed: float) -> float:
    """A printed figure in the study's unit, on the scale on which the record errs."""
    figure = printed * record.scale
    return figure if kind_of(record.kind).is_signed else math.log(figure)


def _figure_density(z: Mapping[str, float], scale: float, freedom: float | None) -> float:
    first = _log_density(z["value"], freedom)
    if "other" not in z:
        return first - math.log(scale)
    return float(np.logaddexp(first, _log_density(z["other"], freedom))) - math.log(2 * scale)


_density_of: KindReader[Callable[[Mapping[str, float], float, float | None], float]] = KindReader(
    "score of a record in the simulation",
    {
        FIGURE: _figure_density,
        SIGNED: _figure_density,
        AT_MOST: lambda z, scale, freedom: _log_phi(z["high"]),
        AT_LEAST: lambda z, scale, freedom: _log_phi(-z["low"]),
        BETWEEN: lambda z, scale, freedom: _log_phi_between(z["low"], z["high"]),
    },
)


def _log_density(z: float, freedom: float | None) -> float:
    """Log density of a standard normal, or of a standard Student-t."""
    if freedom is None:
        return -0.5 * z * z - 0.5 * math.log(2 * math.pi)
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    constant -= 0.5 * math.log(freedom * math.pi)
    return constant - (freedom + 1) / 2 * math.log1p(z * z / freedom)


def _log_phi(z: float) -> float:
    """Log of the standard normal distribution function, exact far into both tails."""
    if z == -math.inf:
        return -math.inf
    if z > 0:
        return math.log1p(-0.5 * math.erfc(z / math.sqrt(2)))
    if z > _TAIL:
        return math.log(0.5 * math.erfc(-z / math.sqrt(2)))
    # erfc underflows further out; here the first terms of its asymptotic series are exact.
    series = -1 / z**2 + 3 / z**4 - 15 / z**6
    return -0.5 * z * z - math.log(-z) - 0.5 * math.log(2 * math.pi) + math.log1p(series)


def _log_phi_between(low: float, high: float) -> float:
    """Log of Phi(high) - Phi(low), taken in the lower tail where both are small."""
    if low > 0:
        low, high = -high, -low
    log_low, log_high = _log_phi(low), _log_phi(high)
    if log_high == -math.inf:
        return -math.inf
    return log_high + math.log(-math.expm1(log_low - log_high))


def simulate_records(
    study: Study,
    world: World,
    *,
    seed: int,
    design: Iterable[Record] | None = None,
    exact: bool = False,
    freedom: float | None = None,
) -> Study:
    """Simulate the records of a study from true flows: a copy of it with other figures.

    Every record keeps its quantity, years, lag, kind, scale, standard error, reporter, common
    errors and source; its figures are new. A replicated figure ``y`` is drawn around log quantity
    plus bias and common errors, with the record's standard error; the reporter's noise multiplies
    its variance above the variance floor. Then

    - value, quota, cumulative, mean print ``y`` (normal, or Student-t by the settings); an
      alternative value keeps its ratio to the first;
    - signed prints ``y`` around the quantity itself, times bias and common errors as factors;
    - range prints an interval as wide as the original, as a ratio, with ``log y`` at a uniform
      position inside it: the likelihood of the printed range is then exactly the model's;
    - upper prints ``y * exp(delta)`` and lower ``y * exp(-delta)``, delta uniform between 0 and
      the larger of log 10 and four standard errors. The model's likelihood is the limit of a
      wide delta; how loose the original bound was cannot be known, so it is not kept;
    - zero stays zero where ``y`` is not above the printing unit (or the quantity is zero or
      undefined that year), and else becomes a record of kind value with ``y``;
    - the parts of a composition print their ``y``, always normal, and are then closed: multiplied
      so that they add up to what the printed parts add up to.

    Replicates of bounds and zeros are normal, as in the likelihood. Figures are not rounded. A
    fraction whose replicate exceeds one is printed in unit ratio, as a study refuses it otherwise.

    Parameters
    ----------
    study : Study
    world : World
        Drawn from this study or from one with the same flows, years, reporters and common errors.
    seed : int
        Seed of ``numpy.random.default_rng``.
    design : iterable of Record, optional
        Records to simulate instead of the study's own; their reporters and common errors must be
        in `world`.
    exact : bool
        Print by rules under which the likelihood is exactly the probability of what is printed,
        as calibration needs: an upper or lower bound keeps its figure and becomes the one or the
        other by the side on which ``y`` falls; of two alternative values either is ``y``, at even
        odds.
    freedom : float, optional
        Degrees of freedom of Student-t errors, in place of the study's own errors or of those
        that `world` drew.

    Returns
    -------
    Study

    Raises
    ------
    KeyError
        If a record's quantity, reporter or common error is not in `world`.
    ValueError
        If the true value of a value record is zero or undefined.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study("zinc")
    >>> made = rb.simulate_records(study, rb.simulate_world(study, seed=1), seed=2)
    >>> made.records.names == study.records.names, made.records == study.records
    (True, False)
    """
    rng = np.random.default_rng(seed)
    freedom = freedom or world.freedom or _degrees_of_freedom(study)
    records = list(study.records if design is None else design)
    printings = _printings(study, records, world.flows, world.bias, world.noise, world.shared)
    printed = []
    for record, printing in zip(records, printings, strict=True):
        normal, position = float(rng.standard_normal()), float(rng.uniform())
        is_normal = freedom is None or bool(record.composition)
        if kind_of(record.kind).is_figure and not is_normal:
            normal = float(rng.standard_t(freedom or math.inf))
        drawn = printing.location + printing.scale * normal
        if kind_of(record.kind).is_signed:
            printed.append(_printing_of(record.kind)(record, drawn / record.scale, position))
            continue
        write = _print_exactly if exact else _print_record
        printed.append(_allow_above_one(write(record, drawn, position)))
    return study.with_records(closed(printed, records))


def _print_record(record: Record, log_figure: float, position: float) -> Record:
    """The record as it would print ``exp(log_figure)``; `position` is uniform on (0, 1)."""
    if kind_of(record.kind).is_zero and not log_figure > _log((record.high or 0.0) * record.scale):
        return record  # also where the figure is undefined, for NaN is above nothing
    if not math.isfinite(log_figure):
        raise ValueError(f"{record.record}: true {record.quantity} is zero or undefined")
    figure = math.exp(log_figure) / record.scale
    return _printing_of(record.kind)(record, figure, position)


def _print_figure(record: Record, figure: float, position: float) -> Record:
    if record.other is None or record.value is None:
        return replace(record, value=figure)
    return replace(record, value=figure, other=figure * record.other / record.value)


def _print_bound(record: Record, figure: float, position: float) -> Record:
    slack = position * max(_BOUND_SLACK, 4 * record.sd)
    if kind_of(record.kind).states == AT_LEAST:
        return replace(record, low=figure * math.exp(-slack))
    return replace(record, high=figure * math.exp(slack))


def _print_range(record: Record, figure: float, position: float) -> Record:
    assert record.low is not None
    assert record.high is not None
    width = math.log(record.high / record.low)
    low = figure * math.exp(-position * width)
    return replace(record, low=low, high=low * math.exp(width))


def _print_above_zero(record: Record, figure: float, position: float) -> Record:
    return replace(record, kind="value", value=figure, low=None, high=None)


_printing_of: KindReader[Callable[[Record, float, float], Record]] = KindReader(
    "print of a record in the simulation",
    {
        FIGURE: _print_figure,
        SIGNED: _print_figure,
        AT_MOST: _print_bound,
        AT_LEAST: _print_bound,
        BETWEEN: _print_range,
    },
    {"zero": _print_above_zero},
)


def _print_exactly(record: Record, log_figure: float, position: float) -> Record:
    """The record as printed by a rule that the likelihood knows."""
    kind = kind_of(record.kind)
    if kind.states in (AT_MOST, AT_LEAST) and not kind.is_zero:
        bound = record.high if kind.states == AT_MOST else record.low
        assert bound is not None
        side = AT_MOST if log_figure <= math.log(bound * record.scale) else AT_LEAST
        turned = replace(record, kind=bound_of(side, kind.years).name)
        high, low = (bound, None) if side == AT_MOST else (None, bound)
        return replace(turned, low=low, high=high)
    if record.other is not None and record.value is not None and position < 0.5:
        swapped = replace(record, value=record.other, other=record.value)
        printed = _print_record(swapped, log_figure, position)
        return replace(printed, value=printed.other, other=printed.value)
    return _print_record(record, log_figure, position)


def _allow_above_one(record: Record) -> Record:
    figures = (record.value, record.low, record.high, record.other)
    above = any(figure is not None and figure > 1 for figure in figures)
    return replace(record, unit="ratio") if above and record.unit == "fraction" else record
