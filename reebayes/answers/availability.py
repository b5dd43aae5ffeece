"""Data availability of a study: its records by quantity, year, stage and region, and its gaps.

The records are counted twice. By quantity: how many records of each kind touch each year. By stage
of each region: which years have a record, which have a sourced prior at least, and which neither.
Stages follow from the tables. Every flow that enters or leaves a conversion belongs to the stage
named by what the conversion makes, and so does its product on the way from market to market within
the region; flows between regions are ``trade``, flows to a use are ``use``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from reebayes.conventions import KIND, QUANTITY, REGION, STAGE, YEAR, format_terms
from reebayes.study import Flow, Prior, Quantity, Record, Study
from reebayes.study.kinds import RECORD_KINDS, kind_of
from reebayes.wording import years_text

if TYPE_CHECKING:
    import pandas as pd

TRADE, USE = "trade", "use"

LINE = 100
"""Characters in a line of the key."""

SEVERAL, ABSENT, IMPOSSIBLE = "*", ".", " "
OWN, SHARED, PRIOR_ONLY, NEITHER = "o", "+", "p", "!"
STAGE_MARKS: Mapping[str, str] = {
    OWN: "a record",
    SHARED: "a record that covers other stages or regions too",
    PRIOR_ONLY: "a sourced prior only",
    NEITHER: "neither",
}
"""How each state of a stage is drawn, and what it means."""

type RegionStage = tuple[str, str]


def catalogue(study: Study) -> pd.DataFrame:
    """List the quantities of a study: what each is called, counts, and is recorded by.

    Parameters
    ----------
    study : Study

    Returns
    -------
    DataFrame
        One row per quantity, in the order of ``quantities.csv``: ``label`` and ``description`` of
        ``catalogue.csv`` (or ``[report.labels]`` of ``study.toml``, which comes first), ``unit``,
        the ``flows`` that it adds up, and how many ``records`` observe it.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.catalogue(rb.read_study()).loc["mined_US", "label"]
    'United States: mining'
    """
    # pandas is slow to import and only needed for this table.
    import pandas as pd

    told = {row.quantity: row for row in study.labels}
    own = study.report.plain.get("labels", {})
    counts = Counter(record.quantity for record in study.records)
    rows = [
        {
            "quantity": item.quantity,
            "label": own.get(item.quantity)
            or (told[item.quantity].label if item.quantity in told else ""),
            "description": told[item.quantity].description if item.quantity in told else "",
            "unit": "ratio" if item.is_ratio else study.unit,
            "flows": format_terms(item.numerator, item.denominator),
            "records": counts[item.quantity],
        }
        for item in study.quantities
    ]
    return pd.DataFrame(rows).set_index(QUANTITY)


def coverage(study: Study) -> xr.Dataset:
    """Count the records of every quantity, and of every stage of every region: data availability.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Dataset
        ``records`` (quantity, year, kind): records of each kind; one that spans years counts in
        each of them. ``possible`` (quantity, year): whether the quantity can be other than zero.
        By region, stage and year: ``own``, records about this stage of this region alone;
        ``shared``, records about other stages or regions too; ``prior``, whether a prior is about
        one of its flows; ``active``, whether one of its flows can exist. Quantities without a
        record are left out.

    Examples
    --------
    >>> import reebayes as rb
    >>> counted = rb.coverage(rb.read_study())
    >>> int(counted["records"].sel(quantity="mined_US", year=2003, kind="zero"))
    1
    """
    return xr.merge([_by_quantity(study), _by_stage(study)], join="exact")


def coverage_text(study: Study) -> str:
    """Draw data availability (`coverage`) as two maps in text, one character for a year.

    Parameters
    ----------
    study : Study

    Returns
    -------
    str
        Lines for a terminal: quantity by year, stage of each region by year, their legends, and
        the stages and years that have neither a record nor a prior.
    """
    counted = coverage(study)
    marks, years = stage_marks(counted), study.years
    blocks = [_quantity_block(study, counted), _stage_block(years, marks), _gap_line(years, marks)]
    return "\n\n".join(blocks)


# --- counting -------------------------------------------------------------------------------------


def _by_quantity(study: Study) -> xr.Dataset:
    observed = {record.quantity for record in study.records}
    quantities = [item for item in study.quantities if item.quantity in observed]
    names = [item.quantity for item in quantities]
    kinds = list(RECORD_KINDS)
    counts = np.zeros((len(names), len(study.years), len(kinds)), dtype=int)
    for record in study.records:
        row, kind = names.index(record.quantity), kinds.index(kind_of(record.kind).name)
        counts[row, _span(study, record), kind] += 1
    possible = np.array([_possible(study, item) for item in quantities], dtype=bool)
    return xr.Dataset(
        {
            "records": ((QUANTITY, YEAR, KIND), counts),
            "possible": ((QUANTITY, YEAR), possible.reshape(counts.shape[:2])),
        },
        coords={QUANTITY: names, YEAR: list(study.years), KIND: kinds},
    )


def _by_stage(study: Study) -> xr.Dataset:
    located = _region_stages(study)
    regions = list(dict.fromkeys(p.region for p in study.processes if p.region))
    stages = _stages(located)
    shape = (len(regions), len(stages), len(study.years))
    own, shared = np.zeros(shape, dtype=int), np.zeros(shape, dtype=int)
    prior, active = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)

    def index(where: RegionStage) -> tuple[int, int]:
        return regions.index(where[0]), stages.index(where[1])

    for flow in study.flows:
        for where in located[flow.flow]:
            active[index(where)] |= _active(study, flow)
    for target, years in _believed(study):
        for where in located.get(target, ()):
            prior[index(where)] |= years
    for record in study.records:
        for where, alone in _observed(study.quantities[record.quantity], located):
            (own if alone else shared)[(*index(where), _span(study, record))] += 1
    dims = (REGION, STAGE, YEAR)
    found = {"own": own, "shared": shared, "prior": prior & active, "active": active}
    return xr.Dataset(
        {name: (dims, values) for name, values in found.items()},
        coords={REGION: regions, STAGE: stages, YEAR: list(study.years)},
    )


def _region_stages(study: Study) -> dict[str, frozenset[RegionStage]]:
    """Return the region-stages of every flow; a few have none, such as those into stock."""
    making = _making(study)
    return {flow.flow: frozenset(_region_stages_of(flow, study, making)) for flow in study.flows}


def _making(study: Study) -> dict[str, str]:
    """Return the stage of every conversion: the products it makes, its losses apart."""
    kinds = {process.process: process.kind for process in study.processes}
    made: dict[str, list[str]] = {name: [] for name, kind in kinds.items() if kind == "conversion"}
    for flow in study.flows:
        if flow.source in made and kinds[flow.target] != "loss":
            made[flow.source].append(flow.product)
    return {name: "+".join(dict.fromkeys(products)) for name, products in made.items() if products}


def _region_stages_of(flow: Flow, study: Study, making: Mapping[str, str]) -> Iterator[RegionStage]:
    source, target = study.processes[flow.source], study.processes[flow.target]
    for end in (source, target):
        if end.region and end.process in making:
            yield end.region, making[end.process]
    if source.kind == target.kind == "market" and source.region == target.region:
        for process, stage in making.items():
            near = study.processes[process].region == source.region
            if source.region and near and flow.product in stage.split("+"):
                yield source.region, stage
    if target.kind == "use" and target.region:
        yield target.region, USE
    if source.region and target.region and source.region != target.region:
        yield source.region, TRADE
        yield target.region, TRADE


def _stages(located: Mapping[str, Iterable[RegionStage]]) -> list[str]:
    """Return the stages in the order of the flows, trade and use last."""
    found = {stage: None for some in located.values() for _, stage in sorted(some)}
    last = [stage for stage in (TRADE, USE) if stage in found]
    return [*(stage for stage in found if stage not in last), *last]


def _observed(
    quantity: Quantity, located: Mapping[str, frozenset[RegionStage]]
) -> Iterator[tuple[RegionStage, bool]]:
    """Return the region-stages that a quantity is about, and whether about each of them alone."""
    flows = [flow for flow, _ in (*quantity.numerator, *quantity.denominator)]
    found = [located[flow] for flow in flows if located[flow]]
    if found:
        common = frozenset.intersection(*found)
        for where in sorted(frozenset.union(*found)):
            yield where, where in common


def _believed(study: Study) -> Iterator[tuple[str, np.ndarray]]:
    """Iterate over the flows that a prior is about, with the years that it is about.

    The reference outflow of a split has its prior through the transfer coefficients beside it.
    """
    flows = {flow.flow: flow for flow in study.flows}
    split = {flow.source: np.zeros(len(study.years), dtype=bool) for flow in study.flows}
    for prior in study.priors:
        if prior.target in flows:
            split[flows[prior.target].source] |= _believed_years(study, prior)
            yield prior.target, _believed_years(study, prior)
    for flow in study.flows:
        if study.processes[flow.source].kind != "environment":
            yield flow.flow, split[flow.source]


def _believed_years(study: Study, prior: Prior) -> np.ndarray:
    years = np.array(study.years)
    if prior.year is None:
        return np.ones(years.size, dtype=bool)
    last = prior.year if prior.year_end is None else prior.year_end
    return (years >= prior.year) & (years <= last)


def _active(study: Study, flow: Flow) -> np.ndarray:
    return np.array([flow.is_active(year) for year in study.years])


def _possible(study: Study, quantity: Quantity) -> np.ndarray:
    """Return the years in which every part of a quantity has a flow that can exist."""
    parts = [part for part in (quantity.numerator, quantity.denominator) if part]
    active = {flow.flow: _active(study, flow) for flow in study.flows}
    found = [np.any([active[flow] for flow, _ in part], axis=0) for part in parts]
    return np.all(found, axis=0)


def _span(study: Study, record: Record) -> slice:
    return slice(record.year - study.first_year, record.year_end - study.first_year + 1)


# --- drawing --------------------------------------------------------------------------------------


def _quantity_block(study: Study, counted: xr.Dataset) -> str:
    records = counted["records"]
    rows = [
        (name, _kind_row(cells, may), _number_of(study, name))
        for name, cells, may in zip(
            records[QUANTITY].values.tolist(),
            records.values,
            counted["possible"].values,
            strict=True,
        )
    ]
    title = f"Records by quantity: {len(study.records)} records of {len(rows)} quantities"
    kinds = {record.kind for record in study.records}
    legend = [f"{kind.mark} {kind.name}" for kind in RECORD_KINDS.values() if kind.name in kinds]
    legend += [f"{SEVERAL} several kinds", f"{ABSENT} none", "blank: cannot exist"]
    silent = len(study.quantities) - len(rows)
    below = f"{silent} of {len(study.quantities)} quantities have no record of their own."
    key = fill(", ".join(legend), LINE, break_on_hyphens=False)
    return "\n".join([title, *_chart("quantity", study.years, rows), key, below])


def _number_of(study: Study, quantity: str) -> int:
    return sum(record.quantity == quantity for record in study.records)


def _kind_row(cells: np.ndarray, possible: np.ndarray) -> str:
    return "".join(_kind_mark(cell, bool(may)) for cell, may in zip(cells, possible, strict=True))


def _kind_mark(counts: np.ndarray, possible: bool) -> str:
    kinds = [kind for kind, count in zip(RECORD_KINDS, counts, strict=True) if count]
    if not kinds:
        return ABSENT if possible else IMPOSSIBLE
    return kind_of(kinds[0]).mark if len(kinds) == 1 else SEVERAL


def stage_marks(counted: xr.Dataset) -> dict[str, str]:
    """Return one character for each year of every stage of a region that ever exists.

    Parameters
    ----------
    counted : Dataset
        As `coverage` returns it.

    Returns
    -------
    dict of region and stage -> characters
        One of `STAGE_MARKS`, or a blank where the stage cannot exist.
    """
    rows = {}
    for row, region in enumerate(counted[REGION].values.tolist()):
        for column, stage in enumerate(counted[STAGE].values.tolist()):
            cell = {name: values.values[row, column] for name, values in _by_region_stage(counted)}
            marks = "".join(_stage_mark(cell, year) for year in range(counted.sizes[YEAR]))
            if marks.strip():
                rows[f"{region} {stage}"] = marks
    return rows


def _by_region_stage(counted: xr.Dataset) -> Iterator[tuple[str, xr.DataArray]]:
    yield from ((name, counted[name]) for name in ("own", "shared", "prior", "active"))


def _stage_mark(cell: Mapping[str, np.ndarray], year: int) -> str:
    if cell["own"][year]:
        return OWN
    if not cell["active"][year]:
        return IMPOSSIBLE
    if cell["shared"][year]:
        return SHARED
    return PRIOR_ONLY if cell["prior"][year] else NEITHER


def _stage_block(years: Sequence[int], marks: Mapping[str, str]) -> str:
    rows = [(name, row, sum(mark in (OWN, SHARED) for mark in row)) for name, row in marks.items()]
    title = "Data availability by region and stage (a stage is what its conversions make)"
    legend = ", ".join(f"{mark} {meaning}" for mark, meaning in STAGE_MARKS.items())
    return "\n".join([title, *_chart("region, stage", years, rows, last="years"), legend])


def _gap_line(years: Sequence[int], marks: Mapping[str, str]) -> str:
    bare = {
        name: [year for year, mark in zip(years, row, strict=True) if mark == NEITHER]
        for name, row in marks.items()
    }
    gaps = [f"{name} {years_text(found)}" for name, found in bare.items() if found]
    return f"Neither a record nor a prior: {', '.join(gaps) or 'nowhere'}."


def _chart(
    head: str, years: Sequence[int], rows: Sequence[tuple[str, str, int]], *, last: str = "records"
) -> list[str]:
    """Return the lines of a map: names, one character for a year, a number."""
    width = max((len(name) for name, _, _ in rows), default=0)
    width = max(width, len(head))
    lines = [f"{head:<{width}}  {_ruler(years)}{last}"]
    lines += [f"{name:<{width}}  {marks}  {number:>{len(last)}}" for name, marks, number in rows]
    return lines


def _ruler(years: Sequence[int]) -> str:
    """Write years above their columns: the first, then those that end in 0 and have room."""
    text = [" "] * (len(years) + 2)
    free = 0
    for column, year in enumerate(years):
        label = str(year)
        is_shown = column >= free and (column == 0 or year % 10 == 0)
        # One column further than the map, so that the last decade is named.
        if is_shown and column + len(label) <= len(years) + 1:
            text[column : column + len(label)] = label
            free = column + len(label) + 1
    return "".join(text)
