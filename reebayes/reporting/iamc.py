"""A fit in the layout of the Integrated Assessment Modeling Consortium (IAMC), which pyam reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from reebayes.answers.contraction import PRIOR_ONLY
from reebayes.answers.partners import has_lanes
from reebayes.answers.registers import region_labels
from reebayes.answers.seeing import seen
from reebayes.conventions import CI_PROB, FLOW, POSTERIOR, QUANTITY, YEAR
from reebayes.provenance import package_version
from reebayes.results.description import study_of
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents, Fit, contents_of

INDEX = ("model", "scenario", "region", "variable", "unit")
"""Columns before those of the years."""

EVERYWHERE = "World"


def iamc_table(
    fit: Fit, *, scenario: str | None = None, ci_prob: float = CI_PROB, flows: bool = True
) -> pd.DataFrame:
    """Return a fit as a wide table of the IAMC: a row a variable, a column a year.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`, or a part of what `scenario` returns.
    scenario : str, optional
        Name of the scenario; that of the study, or of the scenario, if left out.
    ci_prob : float
        Probability inside the bands.
    flows : bool
        Whether every flow is a variable too, beside the quantities.

    Returns
    -------
    DataFrame
        ``model, scenario, region, variable, unit`` and a column for each year (an integer).
        Quantiles are variables: ``Smuggling out of China|50.0th Percentile``, and the ends of the
        band. A flow is ``Flow|product|label``. Its region is that of its ends, and ``A>B`` where
        it goes from one to another; a quantity is of the region that all of its flows begin or end
        in. What is of several or of none is of the ``World``. Of a study that tells partners apart
        a quantity that no record sees in some year has a row ``...|Prior only``, 1 in such years.

    References
    ----------
    Huppmann et al. (2021), pyam: Analysis and visualisation of integrated assessment and
    macro-energy scenarios, Open Research Europe 1:74.

    Examples
    --------
    >>> import reebayes as rb
    >>> table = rb.iamc_table(rb.open_fit("results/zinc.nc"), flows=False)
    >>> table.columns.tolist(), table["variable"][0]
    (['model', 'scenario', 'region', 'variable', 'unit', 1994], 'Mining|5.0th Percentile')
    """
    contents = contents_of(fit)
    if scenario is None:
        name = contents.attrs.get("label") if "part" in contents.attrs else ""
        scenario = str(name or contents.attrs.get("study_name") or "study")
    quantities = [str(name) for name in contents.units.index]
    tables = [
        _rows(
            contents, "quantities", ci_prob,
            _variables({name: contents.label_of(name) for name in quantities}),
            {name: _region_of(contents, name) for name in quantities},
            {name: str(contents.units[name]) for name in quantities},
        )
    ]  # fmt: skip
    if has_lanes(contents):
        tables.append(_unseen(contents, quantities))
    if flows:
        table = contents.flows
        named = {
            str(name): f"Flow|{_plain(row['product'])}|{_plain(row['label'] or name)}"
            for name, row in table.iterrows()
        }
        tables.append(
            _rows(
                contents, "flows", ci_prob, _unique(named),
                {name: _regions(contents, [name]) for name in named},
                dict.fromkeys(named, contents.unit),
            )
        )  # fmt: skip
    joined = pd.concat(tables, ignore_index=True)
    joined.insert(0, "model", f"reebayes {package_version('reebayes')}")
    joined.insert(1, "scenario", _plain(scenario))
    return joined


def _rows(
    contents: Contents,
    what: str,
    ci_prob: float,
    variables: Mapping[str, str],
    regions: Mapping[str, str],
    units: Mapping[str, str],
) -> pd.DataFrame:
    """Rows of everything of one sort: three quantiles of each."""
    band = bands_of(contents, what, POSTERIOR, ci_prob=ci_prob)
    dim = FLOW if what == "flows" else QUANTITY
    names = [str(name) for name in band[dim].values]
    tail = 50.0 * (1.0 - ci_prob)
    parts = []
    for end, percent in (("lower", tail), ("median", 50.0), ("upper", 100.0 - tail)):
        values = band[end].transpose(dim, YEAR).values
        part = pd.DataFrame(values, columns=[int(year) for year in band[YEAR].values])
        part.insert(0, "region", [regions[name] for name in names])
        part.insert(1, "variable", [f"{variables[n]}|{percent:.1f}th Percentile" for n in names])
        part.insert(2, "unit", [units[name] for name in names])
        parts.append(part)
    joined = pd.concat(parts, ignore_index=True)
    return joined.iloc[np.argsort(np.tile(np.arange(len(names)), 3), kind="stable")]


def _unseen(contents: Contents, quantities: Sequence[str]) -> pd.DataFrame:
    """Rows that are 1 in years in which no record sees a quantity, and 0 in others; none if never.

    A variable has them behind its name: ``China to Africa: smuggled|Prior only``.
    """
    where = seen(study_of(contents), quantities) == PRIOR_ONLY
    columns = [int(year) for year in where[YEAR].values]
    unseen = pd.DataFrame(where.values, index=where[QUANTITY].values, columns=columns)
    unseen = unseen[unseen.any(axis=1)].astype(float)
    variables = _variables({name: contents.label_of(name) for name in quantities})
    about = {
        "region": [_region_of(contents, str(name)) for name in unseen.index],
        "variable": [f"{variables[str(name)]}|{PRIOR_ONLY.capitalize()}" for name in unseen.index],
        "unit": "1",
    }
    return pd.DataFrame(about, index=unseen.index).join(unseen).reset_index(drop=True)


def _variables(labels: Mapping[str, str]) -> dict[str, str]:
    return _unique({name: _plain(label) for name, label in labels.items()})


def _unique(variables: Mapping[str, str]) -> dict[str, str]:
    """Set the name of a thing behind what several are called."""
    counts = Counter(variables.values())
    return {
        name: f"{variable} ({name})" if counts[variable] > 1 else variable
        for name, variable in variables.items()
    }


def _plain(text: object) -> str:
    """Text in one line, without the sign that parts levels of a variable."""
    return " ".join(str(text).replace("|", "/").split()) or "-"


def _region_of(contents: Contents, name: str) -> str:
    above, below = contents.terms[name]
    return _regions(contents, {**above, **below})


def _regions(contents: Contents, flows: Iterable[str]) -> str:
    """Region that all flows begin or end in; of one that crosses a border, from where to where."""
    table = contents.flows.loc[list(flows)]
    known, labels = contents.processes["region"], region_labels(contents)
    ends = {
        tuple(str(known[row[end]] or "") for end in ("source", "target"))
        for _, row in table.iterrows()
    }
    crossing = [pair for pair in ends if all(pair) and len({*pair}) == 2]
    if len(ends) == len(crossing) == 1:
        return ">".join(_plain(labels.get(region, region)) for region in crossing[0])
    common = set.intersection(*({region for region in pair if region} for pair in ends))
    if len(common) == 1:
        (region,) = common
        return _plain(labels.get(region, region))
    return EVERYWHERE
