"""Where a result comes from: versions, code and what was asked for."""

from __future__ import annotations

import hashlib
import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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


def package_version(name: str = "reebayes") -> str:
    """Return the installed version of a distribution, or ``"unknown"``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def code_hash() -> str:
    """Return a digest of the package's own files: a version number says less in a clone."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
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
    versions = {"python": platform.python_version()}
    versions |= {name: package_version(name) for name in PROVENANCE_PACKAGES}
    return {
        "reebayes_version": package_version(),
        "code_hash": code_hash(),
        "fit_format": FIT_FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": json.dumps(versions, sort_keys=True),
    }
