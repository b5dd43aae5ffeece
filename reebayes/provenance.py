"""Where a result comes from, and whether a file is the one that is asked for."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reebayes.conventions import FIT_FORMAT

PROVENANCE_PACKAGES = (
    "arviz",
    "matplotlib",
    "netCDF4",
    "numba",
    "numpy",
    "nutpie",
    "pandas",
    "pymc",
    "pytensor",
    "scipy",
    "xarray",
)

READERS = ("answers", "cli", "customs", "elicitation", "figures", "reporting")
"""Folders that no draw depends on: their code may change without asking for another fit."""


def package_version(name: str = "reebayes") -> str:
    """Return the installed version of a distribution, or ``"unknown"``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


@cache
def code_hash(spared: tuple[str, ...] = READERS) -> str:
    """Return a digest of the code that draws depend on: a version number says less in a clone.

    Parameters
    ----------
    spared : tuple of str
        Folders left out; none for what answers depend on, which readers compute.
    """
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).parts[0] not in spared:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def provenance() -> dict[str, str | int]:
    """Return the attributes that say when, and with which packages, a result was made.

    Returns
    -------
    dict
        ``reebayes_version``, ``code_hash``, ``fit_format``, ``created`` (UTC, ISO 8601) and
        ``versions`` (JSON object).
    """
    return {
        "reebayes_version": package_version(),
        "code_hash": code_hash(),
        "fit_format": FIT_FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
    }


def asked_for(study_hash: str, **settings: Any) -> dict[str, Any]:
    """Return all that a result depends on, as attributes that its file bears.

    Parameters
    ----------
    study_hash : str
        `Study.hash` of what is fitted.
    **settings
        Seed and settings of the sampler, and whatever else tells one result from another.

    Returns
    -------
    dict
        The settings, ``study_hash``, ``code_hash`` and ``versions``.
    """
    return {
        **settings,
        "study_hash": study_hash,
        "code_hash": code_hash(),
        "versions": _versions(),
    }


def differing(found: Mapping[Any, Any], asked: Mapping[str, Any]) -> list[str]:
    """Return in what a file is not the one asked for; nothing if it is.

    This is the one answer to "was this made before?", whatever is made.

    Parameters
    ----------
    found : mapping
        Attributes of the file.
    asked : mapping
        As `asked_for` returns them.

    Returns
    -------
    list of str
        Names of what differs, such as ``["seed", "code_hash"]``.
    """
    return [name for name, value in asked.items() if _plain(found.get(name)) != _plain(value)]


def is_asked_for(found: Mapping[Any, Any], asked: Mapping[str, Any]) -> bool:
    """Return whether a file is the very one asked for; see `differing`."""
    return bool(found) and not differing(found, asked)


def digest_of(asked: Mapping[str, Any], names: Iterable[str] | None = None) -> str:
    """Return a short digest of what is asked for, or of part of it, to name a file by.

    Parameters
    ----------
    asked : mapping
        As `asked_for` returns them.
    names : iterable of str, optional
        What to look at; everything if left out.
    """
    chosen = {name: _plain(asked[name]) for name in (asked if names is None else names)}
    text = json.dumps(chosen, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _versions() -> str:
    versions = {"python": platform.python_version()}
    versions |= {name: package_version(name) for name in PROVENANCE_PACKAGES}
    return json.dumps(versions, sort_keys=True)


def _plain(value: Any) -> Any:
    """A number as Python has it, whatever library read it from a file."""
    return value.item() if hasattr(value, "item") else value
