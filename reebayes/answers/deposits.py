"""Projects by country and status, and reserves by edition: what is in the ground, and no forecast.

Reserves are what a survey calls so in one edition. They jump when a country restates them or a
definition changes, and are not what is left of the edition before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reebayes.conventions import CI_PROB
from reebayes.errors import ResultError
from reebayes.results.reading import Fit
from reebayes.results.selection import quantity
from reebayes.results.summaries import bands
from reebayes.study import Project, Reserve, Study
from reebayes.study.prospects import PROJECT_STATUSES, newest
from reebayes.wording import suggestion

WORLD = "World"
JUMP = 0.2
"""Change from one edition to the next, as a part of the former, that is told as a jump."""

_IN_MT = {"t": 1e-6, "kt": 1e-3, "Mt": 1.0}


def project_table(study: Study, *, as_of: int | None = None) -> pd.DataFrame:
    """List projects as they stood when they were last looked at.

    Parameters
    ----------
    study : Study
    as_of : int, optional
        Year after which nothing is known; everything counts if left out.

    Returns
    -------
    DataFrame
        One row for each project: ``as_of``, ``country``, ``region``, ``ore_class``, ``status``,
        ``capacity`` (unit of the study, NaN if none is stated), ``start``, ``resource`` (Mt),
        ``latitude`` and ``longitude`` (degrees, NaN where unknown) and ``source``.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.project_table(rb.read_study())
    >>> table.loc["Araxa", ["country", "status"]].tolist()
    ['Brazil', 'resource only']
    """
    rows = [p for p in study.projects if as_of is None or p.as_of <= as_of]
    found = pd.DataFrame([_cells(project) for project in newest(rows)], columns=_COLUMNS)
    found = found.set_index("project")
    found.attrs = {"unit": study.unit, "as_of": as_of}
    return found


_COLUMNS = ["project", "as_of", "country", "region", "ore_class", "status", "capacity", "start",
            "resource", "latitude", "longitude", "source"]  # fmt: skip


def _cells(project: Project) -> dict[str, object]:
    cells = {name: getattr(project, name) for name in _COLUMNS}
    cells["capacity"] = project.output if project.capacity is not None else np.nan
    for name in ("start", "resource", "latitude", "longitude"):
        cells[name] = np.nan if cells[name] is None else cells[name]
    return cells


def projects_by_country(study: Study, *, as_of: int | None = None) -> pd.DataFrame:
    """Count projects by country and status.

    Parameters
    ----------
    study : Study
    as_of : int, optional
        As of `project_table`.

    Returns
    -------
    DataFrame
        One row for each country, those with most projects first, and ``World``: a count for each
        status, ``projects``, ``capacity`` of those that are built or planned (unit of the study),
        and ``resource`` (Mt; no reserve, and many estimates are old or in part).

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.projects_by_country(rb.read_study())
    >>> int(table.loc["Australia", "projects"])
    19
    """
    table = project_table(study, as_of=as_of)
    counts = pd.crosstab(table["country"], table["status"]).reindex(
        columns=list(PROJECT_STATUSES), fill_value=0
    )
    coming = table[table["status"].isin(["construction", "planned"])]
    found = counts.assign(projects=counts.sum(axis=1)).join(
        pd.DataFrame({
            "capacity": coming.groupby("country")["capacity"].sum(),
            "resource": table.groupby("country")["resource"].sum(),
        })
    ).fillna({"capacity": 0.0, "resource": 0.0})  # fmt: skip
    found = found.sort_values(["projects", "resource"], ascending=False, kind="stable")
    found.columns.name = None
    return pd.concat([found, found.sum().to_frame(WORLD).T.astype(found.dtypes)]).rename_axis(
        "country"
    )


def reserve_table(study: Study, countries: Sequence[str] | None = None) -> pd.DataFrame:
    """List reserves by country and edition, with what changed and whether it is a jump.

    Parameters
    ----------
    study : Study
    countries : sequence of str, optional
        All if left out.

    Returns
    -------
    DataFrame
        ``country``, ``edition``, ``reserves`` (Mt), ``before`` and ``change`` (of the edition of
        that country before, wherever it is), ``jump`` (more than a fifth either way), ``share`` of
        the world total of the same edition (NaN where that is not there), ``recalled``, ``note``.

    Raises
    ------
    ResultError
        If a country has no reserves.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.reserve_table(rb.read_study(), ["Australia"])
    >>> table.loc[table["jump"], ["edition", "before", "reserves"]].head(2).values.tolist()
    [[2011.0, 5.4, 1.6], [2014.0, 1.6, 2.1]]
    """
    rows: dict[str, list[Reserve]] = {}
    for row in sorted(study.reserves, key=lambda one: one.edition):
        rows.setdefault(row.country, []).append(row)
    chosen = list(rows) if countries is None else list(countries)
    for name in chosen:
        if name not in rows:
            raise ResultError(f"No reserves of {name!r}. {suggestion(name, rows)}".strip())
    world = {row.edition: _mass(row) for row in rows.get(WORLD, [])}
    found = []
    for name in chosen:
        before = np.nan
        for row in rows[name]:
            mass = _mass(row)
            change = mass - before
            found.append({
                "country": name, "edition": row.edition, "reserves": mass, "before": before,
                "change": change, "jump": bool(abs(change) > JUMP * before),
                "share": mass / world.get(row.edition, np.nan), "recalled": bool(row.status),
                "note": row.note,
            })  # fmt: skip
            before = mass
    columns = ["country", "edition", "reserves", "before", "change", "jump", "share", "recalled",
               "note"]  # fmt: skip
    return pd.DataFrame(found, columns=columns)


def deposit_shares(study: Study) -> pd.DataFrame:
    """Set deposits that state reserves of their own beside each edition of their country.

    Parameters
    ----------
    study : Study

    Returns
    -------
    DataFrame
        One row for each deposit and edition from its first statement on: ``deposit``, ``country``,
        ``edition``, ``stated`` (Mt, the last statement by then), ``of_country`` and ``of_world`` as
        fractions. More than 1 means that two definitions differ, not that there is more than all.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.deposit_shares(rb.read_study())
    >>> table.columns.tolist()
    ['deposit', 'country', 'edition', 'stated', 'of_country', 'of_world']
    """
    rows = sorted(study.reserves, key=lambda one: one.edition)
    own = [row for row in rows if ": " in row.country]
    found = []
    for name in dict.fromkeys(row.country for row in own):
        country, _, deposit = name.partition(": ")
        stated = [row for row in own if row.country == name]
        for row in rows:
            known = [one for one in stated if one.edition <= row.edition]
            if row.country != country or not known:
                continue
            world = [one for one in rows if (one.country, one.edition) == (WORLD, row.edition)]
            mass = _mass(known[-1])
            found.append({
                "deposit": deposit, "country": country, "edition": row.edition, "stated": mass,
                "of_country": mass / _mass(row),
                "of_world": mass / _mass(world[0]) if world else np.nan,
            })  # fmt: skip
    columns = ["deposit", "country", "edition", "stated", "of_country", "of_world"]
    return pd.DataFrame(found, columns=columns)


def reserve_years(
    fit: Fit, study: Study, country: str, *, used: str, ci_prob: float = CI_PROB
) -> pd.DataFrame:
    """Divide a country's reserves of each edition by what it used in the year before.

    How long they would last at that pace, if all of it could be mined, separated and used at home.
    It is no forecast: reserves jump, and so does use.

    Parameters
    ----------
    fit : DataTree
    study : Study
        With its reserves.
    country : str
    used : str
        Quantity of its use.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    DataFrame
        ``edition``, ``year`` of the use, ``reserves`` (Mt), ``median``, ``lower``, ``upper`` in
        years. An edition tells of the year before it; editions about other years are left out.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit, study = rb.open_fit("results/fit.nc"), rb.read_study()
    >>> table = rb.reserve_years(fit, study, "China", used="mined_CN")
    >>> table.columns.tolist()
    ['edition', 'year', 'reserves', 'median', 'lower', 'upper']
    """
    draws = quantity(fit, used)
    table = reserve_table(study, [country])
    known = {int(year) for year in draws["year"].values}
    found = []
    for edition, reserves in zip(
        table["edition"].tolist(), table["reserves"].tolist(), strict=True
    ):
        year = edition - 1
        if year not in known:
            continue
        left = reserves / (_IN_MT[study.unit.partition(" ")[0]] * draws.sel(year=year))
        band = bands(left, ci_prob=ci_prob)
        ends = {end: float(band[end]) for end in ("median", "lower", "upper")}
        about = {"edition": edition, "year": year, "reserves": reserves}
        found.append(about | ends)
    columns = ["edition", "year", "reserves", "median", "lower", "upper"]
    return pd.DataFrame(found, columns=columns)


def _mass(row: Reserve) -> float:
    return row.value * _IN_MT[row.unit.partition(" ")[0]]
