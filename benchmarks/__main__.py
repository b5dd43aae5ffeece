"""Measure the package against its targets: ``uv run python -m benchmarks``.

Prints the table, writes ``results.json``, and with ``--write-docs`` the tables and pictures of the
page on speed. Every part runs in a process of its own, one after the other.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import readers, refits, scaling, size, studies, targets
from benchmarks.floor import count_operations, floor
from benchmarks.timing import best, machine, run_command, run_process
from reebayes.inference.density import gradients
from reebayes.inference.sampling import DRAWS, find_coordinates
from reebayes.model.layout import lay_out
from reebayes.results.fitfile import open_fit
from reebayes.study import read_study

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
SAVED = ("rhat_max", "ess_bulk_min", "ess_tail_min", "divergences", "saturated_fraction",
         "gradients_per_draw", "bfmi_min", "converged")  # fmt: skip
REFITS = 500


def measure_fit(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run ``reebayes fit`` twice, with empty caches and with those the first run filled."""
    out = folder / "fit.nc"
    fresh = {"NUMBA_CACHE_DIR": str(folder / "numba"),
             "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}"}  # fmt: skip
    short = ["--draws", "200"] if options.quick else []
    found: dict[str, Any] = {}
    for name in ("cold", "warm"):
        _say(f"fit, {name}")
        found[name] = asdict(run_command(["fit", "--out", str(out), "--seed", "1", *short], fresh))
        attributes = open_fit(out).attrs
        found[name]["wall_seconds"] = json.loads(attributes["wall_seconds"])
    found["saved"] = {name: _plain(attributes[name]) for name in SAVED}
    return found


def measure_readers(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run the commands that read a fit, in turn with those of an earlier checkout if given."""
    return readers.measure(folder, options.earlier, quick=options.quick, say=_say)


def measure_gradient(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Time one gradient in the coordinates of a fit, its floor, and as many copies as asked."""
    layout = lay_out(read_study())
    whitening = find_coordinates(layout, seed=1)
    gradient = gradients(layout)(whitening)
    point = np.random.default_rng(0).normal(size=layout.unknowns.size)
    counts = count_operations(layout, whitening)
    seconds = 0.5 if options.quick else 3.0
    taken = best(lambda: gradient(point), seconds=seconds)
    least = best(floor(counts), seconds=seconds)
    _say("scaling")
    times = scaling.TIMES[:3] if options.quick else scaling.TIMES
    grown = scaling.measure(layout, whitening, times=times, seconds=seconds)
    return {
        "seconds": taken,
        "floor_seconds": least,
        "ratio": taken / least,
        "operations": asdict(counts),
        "factor_entries": whitening.rows.index.size,
        "latents": layout.unknowns.size,
        "scaling": grown,
    }


def measure_refit(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Fit changed copies of the bundled study in one process."""
    return refits.measure(read_study(), draws=100 if options.quick else DRAWS, say=_say)


def measure_calibration(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Refit a few simulated worlds, and from the time of one more draw on to 500."""
    if importlib.util.find_spec("reebayes.experiments.calibration") is None:
        return {}
    few, many = (1, 2) if options.quick else (4, 20)
    seconds = [
        run_command(["calibrate", "--sims", str(sims), "--out", str(folder / "calibration")], {})
        for sims in (few, few + many)
    ]
    # The second run keeps what the first has finished; starting the program takes both equally.
    each = (seconds[1].seconds - seconds[0].seconds) / many
    return {"refits": many, "seconds_each": each, "minutes": REFITS * each / 60}


def measure_aluminium(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run the aluminium problem in the published form and in ours."""
    if options.tables is None:
        return {}
    # Imported here: no other part needs PyMC.
    from benchmarks import peer

    short = peer.Length(chains=2, tune=100, draws=100)
    return peer.measure(
        options.tables,
        folder,
        peer=short if options.quick else peer.PEER,
        ours=short if options.quick else peer.OURS,
        say=_say,
        picture_to=DOCS / "aluminium.png" if options.write_docs else None,
    )


def measure_size(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Fit copies of the bundled study side by side."""
    return size.measure(
        folder, options.copies, linked=options.linked, quick=options.quick, say=_say
    )


def measure_studies(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Refit many copies of a small study, by one and by two workers."""
    return studies.measure(folder, quick=options.quick, say=_say)


PARTS: Mapping[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "fit": measure_fit,
    "readers": measure_readers,
    "gradient": measure_gradient,
    "refit": measure_refit,
    "calibration": measure_calibration,
    "studies": measure_studies,
    "size": measure_size,
    "aluminium": measure_aluminium,
}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _say(text: str) -> None:
    sys.stderr.write(f"{text} ...\n")


# --- the whole of it ------------------------------------------------------------------------------


def run_part(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one part in a process of its own; add the memory it took."""
    _say(name)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        out = Path(folder) / "part.json"
        flags = ["--part", name, "--out", str(out)]
        flags += ["--quick"] if options.quick else []
        flags += ["--write-docs"] if options.write_docs else []
        flags += ["--tables", str(options.tables)] if options.tables else []
        flags += ["--earlier", str(options.earlier.resolve())] if options.earlier else []
        flags += ["--copies", *map(str, options.copies)] + ["--linked"] * options.linked
        taken = run_process([sys.executable, "-m", "benchmarks", *flags], {}, HERE.parent)
        if taken.code:
            sys.exit(f"{name} failed; see above.")
        found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return {**found, "gigabytes": taken.gigabytes} if found else {}


def measure_parts(options: argparse.Namespace, known: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the parts asked for, and name the machine.

    The parts left out were measured on the machine of the last whole run, or on one noted under
    ``apart``; so are those that are measured by themselves.
    """
    where = {"machine": machine(), "quick": options.quick}
    apart: dict[str, Any] = {}
    if "machine" in known and set(options.only) != set(PARTS):
        apart = known.get("apart", {}) | dict.fromkeys(options.only, where)
        where = {key: known[key] for key in where}
    return {**where, "apart": apart, **{name: run_part(name, options) for name in options.only}}


def write_docs(results: Mapping[str, Any]) -> None:
    """Write the tables and the picture of the page on speed."""
    text = targets.page(results)
    (DOCS / "speed_tables.md").write_text(text, encoding="utf-8")
    scaling.picture(results["gradient"]["scaling"], DOCS / "scaling.png")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs: figures mean little")
    parser.add_argument("--tables", type=Path, help="folder of the aluminium problem's tables")
    parser.add_argument("--earlier", type=Path, help="checkout whose readers of a fit run in turn")
    parser.add_argument("--copies", nargs="+", type=int, default=list(size.COPIES), metavar="N",
                        help="copies of the study that `size` fits; first transitions from "
                        f"{size.SHORT_FROM} on")  # fmt: skip
    parser.add_argument("--linked", action="store_true", help="copies trade with one another")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what the arguments ask for; parts left out keep their figures of the last run."""
    options = _options(argv)
    if options.part:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            found = PARTS[options.part](Path(folder), options)
        options.out.write_text(json.dumps(found), encoding="utf-8")
        return
    known = json.loads(options.out.read_text("utf-8")) if options.out.is_file() else {}
    results = {name: known.get(name, {}) for name in PARTS}
    results |= measure_parts(options, known)
    options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(targets.page(results))
    if options.write_docs:
        write_docs(results)


if __name__ == "__main__":
    main()
