"""The studies that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

DEFAULT = "rare_earths"
EXAMPLES = {DEFAULT: ("_data", "data"), "zinc": ("_data/examples/zinc", "data/examples/zinc")}
"""Studies that come with the package: their directories in a wheel, and in a clone."""


def study_folder(path: str | Path | None = None) -> Path:
    """Return the directory of a study: one that is given, or an example in a wheel or a clone.

    Parameters
    ----------
    path : str or Path, optional
        As `read_study` takes it.
    """
    name = DEFAULT if path is None else str(path)
    if path is not None and (name not in EXAMPLES or Path(path).exists()):
        return Path(path)
    packed, cloned = EXAMPLES[name]
    return PACKAGE / packed if (PACKAGE / packed).is_dir() else PACKAGE.parent / cloned
