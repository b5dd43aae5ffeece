"""A declared multiverse from the cases of one run: weights that were set before, and the mixture.

A careful analyst could have made other choices. They are declared in groups of alternatives before
any of them is fitted. Every group weighs as much as every other, and so do the alternatives of one
group; a case that stands in several groups has a weight from each. The band of the multiverse mixes
the draws of its members by these weights. No score weighs them: members that leave records out, or
read one as a bound, are scored on other records.

References
----------
Steegen, Tuerlinckx, Gelman, Vanpaemel (2016), Perspectives on Psychological Science 11, 702-712.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import CI_PROB, YEAR
from reebayes.errors import ResultError
from reebayes.experiments.studies import CASE, StudyRuns
from reebayes.files import plain_file, write_text_whole
from reebayes.results.multiverse import Answer, Band, Member, Multiverse
from reebayes.study import Study
from reebayes.study.runfile import BASE, Group
from reebayes.wording import listed

DECLARED = "declared.json"

_TAIL = (1 - CI_PROB) / 2


def weights_of(groups: Mapping[str, Group]) -> dict[str, float]:
    """Return the weight of every member of groups of alternatives; they add up to 1.

    Parameters
    ----------
    groups : mapping of name to Group
    """
    weights: dict[str, float] = {}
    for group in groups.values():
        for name in group.members:
            weights[name] = weights.get(name, 0.0) + 1 / (len(groups) * len(group.members))
    return weights


def declare(
    studies: Mapping[str, Study],
    groups: Mapping[str, Group],
    quantities: Sequence[str],
    folder: Path,
) -> None:
    """Note what is declared before anything is fitted, or refuse a list that has changed since.

    Parameters
    ----------
    studies : mapping of name to Study
    groups : mapping of name to Group
    quantities : sequence of str
        What is asked.
    folder : Path

    Raises
    ------
    ResultError
        If the folder holds another declaration.
    """
    weights = weights_of(groups)
    declared = {
        "members": {
            name: {"hash": studies[name].hash, "weight": weights[name]} for name in weights
        },
        "groups": {name: list(group.members) for name, group in groups.items()},
        "quantities": list(quantities),
    }
    path = folder / DECLARED
    plain_file(path)
    if path.exists():
        if _digest(_read(path)) != _digest(declared):
            raise ResultError(
                f"{path} declares other members, groups or answers. A list that is changed once "
                "members are fitted is no declaration: take it back, or choose another --out."
            )
        return
    write_text_whole(path, json.dumps(declared, indent=1) + "\n")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: damaged ({error}). Choose another --out.") from error


def _digest(declared: Any) -> str:
    return sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()


def mixed(name: str, runs: StudyRuns, groups: Mapping[str, Group]) -> Multiverse:
    """Mix the draws of the members of a multiverse by their declared weights.

    Parameters
    ----------
    name : str
    runs : StudyRuns
        Of all members, and of the study itself as ``base``.
    groups : mapping of name to Group

    Returns
    -------
    Multiverse

    Raises
    ------
    ResultError
        If a member did not pass its gate: a mixture without it would have other weights.
    """
    weights = weights_of(groups)
    table = runs.table
    failed = [
        case
        for case in dict.fromkeys((BASE, *weights))
        if case not in table.index or table.loc[case, "converged"] != "yes"
    ]
    if failed:
        raise ResultError(
            f"No multiverse was made: {listed(failed)} did not pass, and without "
            f"{'it' if len(failed) == 1 else 'them'} the weights would be others."
        )
    units: Mapping[str, str] = table.attrs["units"]
    sums = {quantity: _sums(runs.draws[quantity], weights) for quantity in units}
    return Multiverse(
        name=name,
        study_hash=str(table.loc[BASE, "hash"]),
        probability=CI_PROB,
        groups={key: {"label": one.label, "why": one.why} for key, one in groups.items()},
        members={
            case: Member(
                hash=str(table.loc[case, "hash"]),
                groups=tuple(key for key, one in groups.items() if case in one.members),
                weight=weight,
                verdict=str(table.loc[case, "verdict"]),
                answers={quantity: _stated(table, case, quantity) for quantity in units},
            )
            for case, weight in weights.items()
        },
        answers={
            quantity: Answer(
                unit=unit,
                single=_stated(table, BASE, quantity),
                mixture=mixture_band(sums[quantity], weights),
                medians=_range([_stated(table, case, quantity)[0] for case in weights]),
            )
            for quantity, unit in units.items()
        },
    )


def mixture_band(draws: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> Band:
    """Median and equal-tailed band of a mixture of draws, by weights.

    Parameters
    ----------
    draws : mapping of member to array (draw)
    weights : mapping of member to float
    """
    values = np.concatenate([draws[name] for name in weights])
    weight = np.concatenate(
        [np.full(draws[name].size, share / draws[name].size) for name, share in weights.items()]
    )
    order = np.argsort(values)
    # a draw stands in the middle of its weight
    below = np.cumsum(weight[order]) - 0.5 * weight[order]
    median, lower, upper = np.interp([0.5, _TAIL, 1 - _TAIL], below, values[order])
    return float(median), float(lower), float(upper)


def _sums(draws: xr.DataArray, weights: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Draws of the sum over all years, by member."""
    return {
        name: np.asarray(draws.sel({CASE: name}).dropna(YEAR, how="all").sum(YEAR)).ravel()
        for name in weights
    }


def _stated(table: pd.DataFrame, case: str, quantity: str) -> Band:
    names = [f"{quantity}_{what}" for what in ("median", "lower", "upper")]
    middle, lower, upper = table.loc[[case], names].to_numpy(dtype=float)[0].tolist()
    return middle, lower, upper


def _range(medians: Sequence[float]) -> tuple[float, float]:
    return min(medians), max(medians)
