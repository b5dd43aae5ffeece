"""``compare``, ``calibrate`` and ``study``: many fits, each kept when it is finished."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.cli.console import DONE, NOT_CONVERGED, complain, say, say_written
from reebayes.cli.options import (
    MOST_DRAWS,
    Adder,
    Commands,
    add_command,
    add_data,
    add_recalled,
    add_sampling,
    add_seed,
    add_workers,
    described,
    file_name,
    named_folder,
    opened,
    spare,
    spare_folder,
    whole_number,
    year_number,
)
from reebayes.study import Study, read_study
from reebayes.study.runfile import BASE, read_run_file

if TYPE_CHECKING:
    import pandas as pd

    from reebayes.experiments.runs import FitFiles, RunStore


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"compare": _add_compare, "calibrate": _add_calibrate, "study": _add_study}


def compare(
    *,
    variants: Sequence[str],
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
    out: Path,
    folds: str | None,
    future: int | None,
    force: bool,
    seed: int,
    draws: int | None,
    tune: int | None,
    chains: int | None,
    target_accept: float | None,
    workers: int | None,
    scheduler: str | None,
) -> int:
    """Fit a study and its variants, and score them by held-out log predictive density."""
    folder = named_folder(out)
    spare_folder(folder)
    study = read_study(data, recalled=recalled, extensions=extensions)
    names = variants or list(study.variants)
    # Imported here: the sampler takes seconds to load.
    from reebayes.answers import scores
    from reebayes.experiments.runs import RunStore, variants_of
    from reebayes.files import make_folder, sole_writer
    from reebayes.inference.sampling import CHAINS, DRAWS, TARGET_ACCEPT, THIN, TUNE, Run
    from reebayes.reporting.spreadsheets import write_csv

    chosen = variants_of(study, names)
    for name in (*(f"{name}.nc" for name in chosen), *(f"{name}.csv" for name in scores.FILES)):
        spare(folder / name, ())
    say(described(study))
    make_folder(folder)
    run = Run(
        seed=seed, draws=draws or DRAWS, tune=tune or TUNE, chains=chains or CHAINS,
        progress=sys.stderr.isatty(), accept=target_accept or TARGET_ACCEPT, thin=THIN,
    )  # fmt: skip
    with sole_writer(folder):
        store = RunStore(out, run, say, workers, scheduler)
        fits = store.fit(chosen)
        refits = _refits(store, chosen, fits, folds=folds, future=future)
        result = scores.compare(fits, refits=refits, force=force)
        paths = write_csv(result.tables, out)
    say_written(paths)
    say(f"\n{result}")
    failed = sorted(set(result.table.loc[result.table["converged"] != "yes", "variant"]))
    if failed:
        complain(f"Did not converge, and is compared by force: {', '.join(failed)}.")
    return NOT_CONVERGED if failed else DONE


def _refits(
    store: RunStore,
    variants: Mapping[str, Study],
    fits: FitFiles,
    *,
    folds: str | None,
    future: int | None,
) -> dict[str, dict[str, pd.Series]]:
    """Refit what is asked for: by score, by variant."""
    from reebayes.answers.scores import LOO, untrusted
    from reebayes.experiments.runs import folds_at_random, folds_by_reporter, future_fold

    study = next(iter(variants.values()))
    refits = {}
    if folds == "reporter":
        refits["one reporter at a time"] = store.score(variants, folds_by_reporter(study))
    elif folds:
        doubtful = folds_at_random(untrusted(fits), int(folds), seed=store.run.seed)
        if doubtful:
            refits[LOO] = store.score(variants, doubtful)
    if future is not None:
        fold = future_fold(study, future)
        refits[next(iter(fold))] = store.score(variants, fold)
    return refits


def _add_compare(commands: Commands) -> None:
    parser = add_command(
        commands, compare,
        brief="fit a study and its variants, and score them by prediction",
        text="Fit a study and the variants that its study.toml declares, one file each, and print "
        "the\nheld-out log predictive density of each, with differences, and the headline "
        "quantities side by\nside. What is finished is never fitted again.",
        example="reebayes compare no_smuggling student_t --out comparison --future 2017",
    )  # fmt: skip
    parser.add_argument(
        "variants", nargs="*", metavar="VARIANT", help="variants to fit (default: all declared)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("comparison"), metavar="DIR",
        help="folder for fits and tables (default: comparison)",
    )  # fmt: skip
    parser.add_argument(
        "--folds", type=_kind_of_folds, metavar="reporter|K",
        help="refit without each reporter in turn, or, in K folds, without the records that "
        "importance sampling cannot score (default: no refits)",
    )  # fmt: skip
    parser.add_argument(
        "--future", type=year_number, metavar="Y",
        help="refit without all records of years after Y",
    )  # fmt: skip
    parser.add_argument(
        "--force", action="store_true", help="compare fits that did not converge as well"
    )
    add_sampling(parser)
    add_workers(parser)


def _kind_of_folds(text: str) -> str:
    if not re.fullmatch("reporter|[2-9]|[1-9][0-9]{1,3}", text):
        raise argparse.ArgumentTypeError(f"must be 'reporter' or a number from 2 up, got {text}")
    return text


def calibrate(
    *,
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
    sims: int,
    world: Sequence[str],
    out: Path,
    seed: int,
    workers: int | None,
    scheduler: str | None,
) -> int:
    """Run simulation-based calibration: refit simulated data sets, and rank their truth."""
    folder = named_folder(out)
    spare_folder(folder)
    from reebayes.experiments import calibration
    from reebayes.files import sole_writer

    study = read_study(data, recalled=recalled, extensions=extensions)
    say(described(study))
    worlds = list(calibration.KINDS) if world == ["all"] else world
    with sole_writer(folder):
        result = calibration.calibrate(
            study, sims=sims, worlds=worlds, out=out, workers=workers, scheduler=scheduler,
            seed=seed,
        )  # fmt: skip
    say(f"{result.verdict}\n{out}: tables and figures written.")
    return DONE if result.passed else NOT_CONVERGED


def _add_calibrate(commands: Commands) -> None:
    parser = add_command(
        commands, calibrate,
        brief="run simulation-based calibration: refit simulated data sets, rank their truth",
        text="Draw true flows from a study's own priors, simulate its records from them, refit "
        "these\ndata sets, and rank the truth among the draws. What is finished is kept: run the "
        "command again\nto go on after an interruption, or with more --sims. Exit code 3 if the "
        "ranks are not uniform or\nrefits did not mix.",
        example="reebayes calibrate --sims 500 --world well_specified half_noise",
        interrupted="Interrupted; finished refits are kept. Run it again to go on.",
    )  # fmt: skip
    add_data(parser)
    add_recalled(parser)
    parser.add_argument(
        "--sims", type=whole_number(1, MOST_DRAWS), default=100, metavar="N",
        help="simulated data sets of each kind (default: 100)",
    )  # fmt: skip
    parser.add_argument(
        "--world", nargs="+", default=["well_specified"], metavar="NAME",
        help="kinds of data sets: well_specified (default), heavy_tails, drifting_reporter, "
        "zero_smuggling, structural_break, shared_error, half_noise, missing, or all",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("calibration"), metavar="DIR",
        help="folder for refits, tables and figures (default: calibration)",
    )  # fmt: skip
    add_seed(parser)
    add_workers(parser)


def study(
    *,
    file: Path,
    out: Path,
    verify: bool,
    workers: int | None,
    scheduler: str | None,
) -> int:
    """Fit the cases that a run file declares, and put what became of them into one table."""
    folder = named_folder(out)
    spare_folder(folder)
    run = read_run_file(file)
    # Imported here: the sampler takes seconds to load.
    from reebayes.experiments.studies import TABLE, run_studies
    from reebayes.files import make_folder, sole_writer

    spare(folder / TABLE, [file, *([run.near] if run.near else [])])
    say(f"{run.name}: {len(run.studies)} cases.")
    make_folder(folder)
    with ExitStack() as stack:
        near = stack.enter_context(closing(opened(run.near, verify=verify))) if run.near else None
        stack.enter_context(sole_writer(folder))
        found = run_studies(
            run.studies, out=out, near=near, base=BASE, quantities=run.quantities or None,
            seed=run.seed, draws=run.draws, workers=workers, scheduler=scheduler,
        )  # fmt: skip
    say(_shown(found.table))
    say_written([out / TABLE])
    failed = found.table.index[found.table["converged"] != "yes"]
    for case, verdict in found.table.loc[failed, "verdict"].items():
        complain(f"{case}: {verdict}.")
    return NOT_CONVERGED if len(failed) else DONE


def _shown(table: pd.DataFrame) -> str:
    """Median, band and shift of every answer, a line a case."""
    parts = []
    for name, unit in table.attrs["units"].items():
        shown = table[[f"{name}_{what}" for what in ("median", "lower", "upper", "shift")]]
        text = shown.set_axis(["median", "lower", "upper", "shift (sd)"], axis=1).to_string(
            float_format=lambda value: f"{value:.3g}", na_rep=""
        )
        parts.append(f"\n{name} ({unit})\n{text}")
    return "\n".join(parts)


def _add_study(commands: Commands) -> None:
    parser = add_command(
        commands, study,
        brief="fit many changed copies of a study, and put their answers into one table",
        text="Fit the study and the cases that a run file declares, each as changed as a variant "
        "of study.toml\nis, and print median, 90 % band and shift of each answer. What is finished "
        "is kept: run the command\nagain to go on after an interruption, or with more cases. Exit "
        "code 3 if a case did not pass.",
        example="reebayes study run.toml --out many",
        interrupted="Interrupted; finished cases are kept. Run it again to go on.",
    )  # fmt: skip
    parser.add_argument(
        "file", type=file_name, metavar="RUN.toml", help="what to fit; see docs/sensitivity.md"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for cases and table"
    )
    parser.add_argument(
        "--verify", action="store_true",
        help="check every number of the fit that cases start from, not only those that are used",
    )  # fmt: skip
    add_workers(parser)
