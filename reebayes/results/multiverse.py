"""A declared multiverse: what an answer is under every defensible choice, mixed by set weights.

It is kept as a small file: who its members are, by the hashes of their studies, and what came of
them. Nothing of it is shown for a study of another hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reebayes.errors import ResultError
from reebayes.files import write_text_whole

FILE = "multiverse.json"
SUFFIX = ".multiverse.json"
"""What a report looks for beside a fit: the name of the fit's file with this end."""

type Band = tuple[float, float, float]
"""Median, lower and upper end."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: a study, its weight, and what came of it.

    Parameters
    ----------
    hash : str
        Of its study.
    groups : tuple of str
        Groups of alternatives that it stands in.
    weight : float
    verdict : str
    answers : mapping of quantity to Band
    """

    hash: str
    groups: tuple[str, ...]
    weight: float
    verdict: str
    answers: Mapping[str, Band]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: the band of the study by itself, that of the mixture, and how far medians lie.

    Parameters
    ----------
    unit : str
    single, mixture : Band
    medians : tuple of float
        Least and greatest median of the members.
    """

    unit: str
    single: Band
    mixture: Band
    medians: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Multiverse:
    """What a declared multiverse found.

    Parameters
    ----------
    name : str
    study_hash : str
        Of the study by itself, for which alone it is shown.
    probability : float
        Of the bands.
    groups : mapping of name to {label, why}
    members : mapping of name to Member
    answers : mapping of quantity to Answer
        Sums over all years.
    """

    name: str
    study_hash: str
    probability: float
    groups: Mapping[str, Mapping[str, str]]
    members: Mapping[str, Member]
    answers: Mapping[str, Answer]

    def write(self, path: Path) -> None:
        """Write it as a small file."""
        write_text_whole(path, json.dumps(asdict(self), indent=1, allow_nan=False) + "\n")


def read_multiverse(path: str | Path) -> Multiverse:
    """Read a multiverse that `reebayes study` wrote.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ResultError
        If it cannot be read, or is none.

    Examples
    --------
    >>> import reebayes as rb
    >>> found = rb.read_multiverse("data/multiverse.json")
    >>> found.name, found.probability
    ('Rare earths: declared choices', 0.9)
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        return _multiverse(values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ResultError(f"{path}: not a multiverse, or damaged ({error}).") from error


def _multiverse(values: dict[str, Any]) -> Multiverse:
    members = {
        name: Member(
            hash=str(one["hash"]),
            groups=tuple(map(str, one["groups"])),
            weight=float(one["weight"]),
            verdict=str(one["verdict"]),
            answers={quantity: _numbers(band, 3) for quantity, band in one["answers"].items()},
        )
        for name, one in values["members"].items()
    }
    answers = {
        name: Answer(
            unit=str(one["unit"]),
            single=_numbers(one["single"], 3),
            mixture=_numbers(one["mixture"], 3),
            medians=_numbers(one["medians"], 2),
        )
        for name, one in values["answers"].items()
    }
    return Multiverse(
        name=str(values["name"]),
        study_hash=str(values["study_hash"]),
        probability=float(values["probability"]),
        groups={name: dict(one) for name, one in values["groups"].items()},
        members=members,
        answers=answers,
    )


def _numbers(values: Any, count: int) -> Any:
    if len(values) != count:
        raise ValueError(f"{len(values)} numbers where {count} are needed")
    return tuple(float(value) for value in values)
