"""How many fits pass the gate: the bundled study by seed, and studies changed by chance.

``python -m benchmarks.acceptance --seeds 30 --changes 50 --out FILE`` fits each and adds a line
to a file of JSON lines; what has a line is not fitted again. It prints a table of them all.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reebayes.errors import FitError
from reebayes.inference.sampling import fit
from reebayes.model.layout import lay_out
from reebayes.model.prior_rows import FIXED, prior_rows
from reebayes.study import Prior, Study, read_study

LEFT_OUT = 0.4
"""Share of changed studies that leave out a source; the others move or widen a prior."""

MOVES: dict[str, dict[str, float]] = {
    "lower by 1 prior sd": {"shift": -1.0},
    "higher by 1 prior sd": {"shift": 1.0},
    "spread halved": {"factor": 0.5},
    "spread doubled": {"factor": 2.0},
}
_SAVED = ("converged", "tries", "verdict", "rhat_max", "ess_bulk_min", "ess_tail_min",
          "divergences", "gradients_per_draw", "bfmi_min")  # fmt: skip


def drawn_changes(
    study: Study, count: int, *, seed: int = 0
) -> tuple[list[tuple[Prior, str]], list[str]]:
    """Choose by chance rows of the priors, each with a move, and sources to leave out.

    Parameters
    ----------
    study : Study
    count : int
        Of both together.
    seed : int

    Returns
    -------
    moves : list of (Prior, text)
        The text is a key of `MOVES`.
    sources : list of str
    """
    rng = np.random.default_rng(seed)
    rows = [row.prior for row in prior_rows(study, lay_out(study)) if row.kind != FIXED]
    sources = sorted({record.source for record in study.records})
    without = rng.permutation(np.array(sources, dtype=object))[: round(LEFT_OUT * count)]
    chosen = rng.choice(len(rows), count - len(without), replace=False)
    return [(rows[n], str(rng.choice(list(MOVES)))) for n in chosen], [str(s) for s in without]


def changed_studies(study: Study, count: int, *, seed: int = 0) -> Iterator[tuple[str, Study]]:
    """Yield studies with one prior row or one source changed, chosen by chance.

    Parameters
    ----------
    study : Study
    count : int
    seed : int
    """
    moves, sources = drawn_changes(study, count, seed=seed)
    for prior, move in moves:
        years = "" if prior.year is None else f" from {prior.year}"
        yield f"{prior.target}{years}, {move}", _moved(study, prior, MOVES[move])
    for source in sources:
        yield f"without {source}", study.without_source(source)


def _moved(study: Study, prior: Prior, move: dict[str, float]) -> Study:
    factor = move.get("factor")
    if factor is None:
        return study.with_prior(prior.target, year=prior.year, **move)
    # a series moves on as it did, in other proportions
    spread = {name: factor * value for name in ("sd", "step") if (value := getattr(prior, name))}
    return study.with_prior(prior.target, year=prior.year, **spread)


def measure(cases: Iterator[tuple[str, Study, int]], out: Path) -> None:
    """Fit every case that has no line in the file yet, and add one for it."""
    known = {line["case"] for line in read(out)}
    for name, study, seed in cases:
        if name in known:
            continue
        sys.stderr.write(f"{name} ...\n")
        begin, used = time.perf_counter(), time.process_time()
        try:
            found = fit(study, seed=seed, progress=False).attrs
            line = {key: _plain(found[key]) for key in _SAVED}
        except FitError as error:
            line = {"converged": "no", "verdict": str(error)}
        line |= {"case": name, "seconds": time.perf_counter() - begin,
                 "processor": time.process_time() - used}  # fmt: skip
        with out.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")


def read(out: Path) -> list[dict[str, Any]]:
    """Read the lines of a file of this benchmark; none if it is not there."""
    if not out.is_file():
        return []
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Count what passed at the first and at the second try, and name the rest."""
    passed = [line for line in lines if line["converged"] == "yes"]
    second = sum(line["tries"] == 2 for line in passed)
    text = [f"{len(passed)} of {len(lines)} passed, {second} of them at the second try."]
    if passed:
        for name in ("ess_bulk_min", "ess_tail_min", "seconds", "processor"):
            low, middle, high = np.quantile([line[name] for line in passed], [0, 0.5, 1])
            text.append(f"{name}: {low:,.0f} to {high:,.0f}, median {middle:,.0f}")
    text += [f"{line['case']}: {line['verdict']}" for line in lines if line["converged"] != "yes"
             or line["tries"] == 2]  # fmt: skip
    return "\n".join(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Fit what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="benchmarks.acceptance", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, metavar="N", help="seeds of the study")
    parser.add_argument("--changes", type=int, default=0, metavar="N", help="changed studies")
    parser.add_argument("--out", type=Path, default=Path("acceptance.jsonl"))
    options = parser.parse_args(argv)
    study = read_study()
    measure(((f"seed {n}", study, n) for n in range(options.seeds)), options.out)
    changed = changed_studies(study, options.changes)
    measure(((name, one, 0) for name, one in changed), options.out)
    lines = read(options.out)
    for kind in ("seed ", ""):
        chosen = [line for line in lines if line["case"].startswith("seed ") == bool(kind)]
        if chosen:
            sys.stdout.write(f"{'Seeds' if kind else 'Changed studies'}: {table(chosen)}\n\n")


if __name__ == "__main__":
    main()
