"""How much memory a fit needs at its peak, and whether the machine has it."""

from __future__ import annotations

from pathlib import Path

import psutil

from reebayes.errors import ReebayesError
from reebayes.inference.assembly import PRIOR_DRAWS
from reebayes.inference.precision import parts_of
from reebayes.model.layout import Layout
from reebayes.results.fitfile import PIECE, even_piece

PROGRAM = 500_000_000
"""Libraries and compiled code, with what they keep; measured."""

_TABLES = 10_000
"""The study, its layout and coordinates for each unknown; measured."""

_READ = 2**28
"""What reads draws back for bands and the gate, some names at a time; measured."""

_CONTROL_GROUPS = Path("/sys/fs/cgroup")


def memory_needed(
    layout: Layout, *, transitions: int, draws: int, chains: int, in_file: bool
) -> dict[str, int]:
    """Estimate the memory that each stage of a fit needs at its peak.

    Parameters
    ----------
    layout : Layout
    transitions : int
        Transitions of a chain, tuning included.
    draws : int
        Draws of a chain that are kept.
    chains : int
    in_file : bool
        Whether the fit is put together in a file, and not in memory.

    Returns
    -------
    dict of str to int
        Bytes by stage, the program included: ``coordinates``, ``sampling``, ``assembly`` and
        ``directions``.
    """
    unknowns, years = layout.unknowns, len(layout.years)
    parts = parts_of(layout)
    blocks = [part.block_bytes(years) for part in parts]
    white = 4 * chains * draws * unknowns.size
    piece = even_piece(draws, PIECE)
    whole = 0 if in_file else (chains * draws + PRIOR_DRAWS) * _stored_bytes(layout)
    records = max((part.records.size for part in parts), default=0)
    tied = sum(8 * part.records.size * (years * part.series.size + part.constants.size)
               for part in parts)  # fmt: skip
    stages = {
        # the mean curvature, then the largest factor beside it, a blend of it, and its entries
        "coordinates": sum(blocks) + 3 * max(blocks, default=0),
        # the sampler stores every transition, four bytes a coordinate
        "sampling": 4 * chains * transitions * unknowns.size + white,
        "assembly": white + 8 * PRIOR_DRAWS * unknowns.size + whole + _READ
        + piece * _computed_bytes(layout) + 4 * chains * draws * len(layout.records),
        "directions": white + whole + tied + 3 * 8 * records**2,
    }  # fmt: skip
    tables = PROGRAM + _TABLES * unknowns.size
    return {name: tables + need for name, need in stages.items()}


def _stored_bytes(layout: Layout) -> int:
    """Bytes of one draw as a fit holds it."""
    years, reporters = len(layout.years), len(layout.reporters)
    by_year = 8 * len(layout.flows) + 4 * len(layout.quantities)
    return years * by_year + 16 * reporters + 4 * layout.unknowns.size + 8 * len(layout.records)


def _computed_bytes(layout: Layout) -> int:
    """Bytes of one draw while it is computed: with biases of all years, locations and scales."""
    years, reporters = len(layout.years), len(layout.reporters)
    by_year = 8 * len(layout.flows) + 5 * len(layout.quantities) + 16 * reporters
    return years * by_year + 4 * layout.unknowns.size + 40 * len(layout.records)


def available_memory() -> int:
    """Return the bytes that this process may still take: of the machine, or of its container."""
    free = int(psutil.virtual_memory().available)
    return min([free, *_left_in_groups()])


def _left_in_groups() -> list[int]:
    """Bytes left under the limit of each control group that this process is in."""
    left = []
    for folder in _groups_of_process():
        try:
            most = (folder / "memory.max").read_text("ascii").strip()
            used = int((folder / "memory.current").read_text("ascii"))
            counts = dict(
                line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines()
            )
        except (OSError, ValueError):
            continue
        if most.isdigit():
            # what of files lies in memory makes room where it is needed
            left.append(int(most) - used + int(counts.get("inactive_file", 0)))
    return left


def _groups_of_process() -> list[Path]:
    """Folders of the control groups of this process, from its own up to the top."""
    try:
        lines = Path("/proc/self/cgroup").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return []
    own = next((line[3:].strip("/") for line in lines if line.startswith("0::")), None)
    if own is None:
        return []
    folder = _CONTROL_GROUPS / own
    return [folder, *(p for p in folder.parents if p.is_relative_to(_CONTROL_GROUPS))]


def refuse_what_does_not_fit(
    layout: Layout, *, transitions: int, draws: int, chains: int, in_file: bool
) -> None:
    """Refuse a fit that needs more memory than there is, before it starts.

    Raises
    ------
    ReebayesError
        With what is needed, what there is, and what to do.
    """
    stages = memory_needed(
        layout, transitions=transitions, draws=draws, chains=chains, in_file=in_file
    )
    stage = max(stages, key=lambda name: stages[name])
    needed, free = stages[stage], available_memory() + psutil.Process().memory_info().rss
    if needed <= free:
        return
    advice = {
        "sampling": "Ask for fewer draws or chains",
        "assembly": "Ask for fewer draws or chains"
        + ("" if in_file else ", or give `out`, a file that is written piece by piece"),
    }.get(stage, "Split the study where few records tie its parts together")
    raise ReebayesError(
        f"This fit needs about {needed / 1e9:.1f} GB of memory ({stage} of "
        f"{layout.unknowns.size:,} unknowns, {chains} chains of {draws:,} draws), and "
        f"{free / 1e9:.1f} GB are free. {advice}, or leave years out."
    )
