"""Which values of which quantities records see, and which rest on priors and the balance alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from reebayes.answers.contraction import ABSENT, PRIOR_ONLY
from reebayes.conventions import QUANTITY, YEAR
from reebayes.results.description import study_of
from reebayes.results.reading import Fit, require_known
from reebayes.study import Study

RECORDED, WITHIN, IN_PART = "recorded", "within a sum", "in part"
SIGHTS: Mapping[str, str] = {
    RECORDED: "a record of the year is about this sum of flows, or about its share",
    WITHIN: "every flow of it is in a record of the year, with others",
    IN_PART: "some flows of it are in records of the year",
    PRIOR_ONLY: "no record of the year holds any flow of it: prior and mass balance alone",
    ABSENT: "the study fixes it at zero in this year",
}
"""How records of a year see a quantity, from best to not at all, and what each word means."""


def seen(given: Study | Fit, quantities: str | Iterable[str] | None = None) -> xr.DataArray:
    """Tell of every quantity and year how records see it.

    This asks what there is to see with, and not how much was learnt from it, which `learnt` tells:
    what no record sees may still follow from the mass balance, and what a record sees may be
    learnt little about.

    Parameters
    ----------
    given : Study or DataTree
        A study, or a fit of one.
    quantities : str or iterable of str, optional
        Quantities; all if left out.

    Returns
    -------
    DataArray (quantity, year)
        ``recorded``, ``within a sum``, ``in part``, ``prior only`` or ``absent``, see `SIGHTS`. Of
        a ratio its numerator is asked; records of several years are records of each of them.

    Raises
    ------
    ResultError
        If a quantity is unknown, or a fit does not hold its study.

    Examples
    --------
    >>> import reebayes as rb
    >>> study = rb.read_study(extensions=["partners"])
    >>> rb.seen(study, "smuggled_CN_africa").sel(year=2010).item()
    'prior only'
    """
    study = given if isinstance(given, Study) else study_of(given)
    known = study.quantities.names
    names = [quantities] if isinstance(quantities, str) else list(quantities or known)
    require_known(names, known, "quantity")
    active = {flow.flow: {y for y in study.years if flow.is_active(y)} for flow in study.flows}
    flows = {one.quantity: tuple(name for name, _ in one.numerator) for one in study.quantities}
    looks = _looks(study, flows)
    told = [[_sight(flows[name], year, active, looks[year]) for year in study.years]
            for name in names]  # fmt: skip
    coords = {QUANTITY: names, YEAR: list(study.years)}
    return xr.DataArray(np.array(told, dtype=object), coords, (QUANTITY, YEAR), name="seen")


def _looks(study: Study, flows: Mapping[str, Sequence[str]]) -> dict[int, list[frozenset[str]]]:
    """Flows that each record of a year adds up."""
    found: dict[int, list[frozenset[str]]] = defaultdict(list)
    for record in study.records:
        for year in range(record.year, record.year_end + 1):
            found[year].append(frozenset(flows[record.quantity]))
    return found


def _sight(
    flows: Sequence[str],
    year: int,
    active: Mapping[str, Collection[int]],
    looks: Iterable[frozenset[str]],
) -> str:
    there = {flow for flow in flows if year in active[flow]}
    if not there:
        return ABSENT
    sums = [{flow for flow in look if year in active[flow]} for look in looks if look & there]
    if there in sums:
        return RECORDED
    held = set().union(*sums) & there
    return WITHIN if held == there else IN_PART if held else PRIOR_ONLY
