"""``compare``, ``calibrate`` and ``study``: many fits, each kept when it is finished."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
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
from reebayes.results.multiverse import FILE
from reebayes.study import Study, read_study
from reebayes.study.runfile import BASE, read_run_file
from reebayes.wording import format_band, format_value

if TYPE_CHECKING:
    import pandas as pd

    from reebayes.experiments.runs import HeldOut, RunStore
    from reebayes.results.multiverse import Multiverse

REPORTER_FOLDS = "reporter"
PIT_PICTURE = "pit.png"


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
    group: Sequence[tuple[str, list[str]]],
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
    from reebayes.answers import scores, uniformity
    from reebayes.experiments.runs import RunStore, variants_of
    from reebayes.files import make_folder, sole_writer
    from reebayes.inference.sampling import CHAINS, DRAWS, TARGET_ACCEPT, THIN, TUNE, Run
    from reebayes.reporting.spreadsheets import write_csv

    chosen = variants_of(study, names)
    groups = dict(group)
    scores.group_members(groups, study.reporters)
    pages = [f"{name}.csv" for name in (*scores.FILES, *uniformity.FILES)]
    for name in (*(f"{name}.nc" for name in chosen), *pages, PIT_PICTURE):
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
        held = _held_out(store, chosen, folds=folds, future=future, force=force)
        refits = {score: {name: one.records["elpd"] for name, one in found.items()}
                  for score, found in held.items()}  # fmt: skip
        result = scores.compare(fits, refits=refits, groups=groups, force=force)
        paths = write_csv(result.tables, out)
        say(f"\n{result}")
        if folds and folds != REPORTER_FOLDS:
            paths += _told_places(study, next(iter(held.values()))[BASE], out)
    say_written(paths)
    failed = sorted(set(result.table.loc[result.table["converged"] != "yes", "variant"]))
    if failed:
        complain(f"Did not converge, and is compared by force: {', '.join(failed)}.")
    return NOT_CONVERGED if failed else DONE


def _held_out(
    store: RunStore,
    variants: Mapping[str, Study],
    *,
    folds: str | None,
    future: int | None,
    force: bool,
) -> dict[str, dict[str, HeldOut]]:
    """Refit what is asked for: by score, by variant."""
    from reebayes.experiments.runs import (
        folds_at_random,
        folds_by_reporter,
        future_fold,
        records_of,
    )

    records = records_of(variants.values())
    own = next(iter(variants.values())).records.names
    asked = {}
    if folds == REPORTER_FOLDS:
        asked["one reporter at a time"] = folds_by_reporter(records.values())
    elif folds:
        others = [name for name in records if name not in set(own)]
        dealt = folds_at_random(own, int(folds), seed=store.run.seed, others=others)
        asked[f"{len(dealt)} folds of all records"] = dealt
    if future is not None:
        fold = future_fold(list(records.values()), future)
        asked[next(iter(fold))] = fold
    return {score: store.score(variants, parts, force=force) for score, parts in asked.items()}


def _told_places(study: Study, held: HeldOut, out: Path) -> list[Path]:
    """Tell where records lie in what was predicted without them; write tables and picture."""
    import pandas as pd

    from reebayes.answers.uniformity import held_out_check
    from reebayes.figures.ranks import plot_pit
    from reebayes.files import write_whole
    from reebayes.reporting.spreadsheets import write_csv

    columns = ["reporter", "kind", "quantity", "year"]
    about = pd.DataFrame(
        [[getattr(record, name) for name in columns] for record in study.records],
        index=list(study.records.names), columns=columns,
    )  # fmt: skip
    check = held_out_check(held.records, held.replicas, about, study_hash=study.hash)
    say(f"\n{check}")
    save = partial(plot_pit(check).savefig, dpi=130, format="png")
    return [*write_csv(check.tables, out), write_whole(out / PIT_PICTURE, save)]


def _add_compare(commands: Commands) -> None:
    parser = add_command(
        commands, compare,
        brief="fit a study and its variants, and score them by prediction",
        text="Fit a study and the variants that its study.toml declares, one file each, and print "
        "the\nheld-out log predictive density of each, with differences, also by reporter, and the "
        "headline\nquantities side by side. With --folds K every record is predicted without its "
        "fold: those scores\ncome first, and pit.csv, pit_summary.csv and pit.png tell where the "
        "study's records lie in what\nwas predicted of them. What is finished is never fitted "
        "again.",
        example="reebayes compare no_smuggling normal_errors --out scores --folds 10 --future 2017",
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
        help="refit without each of K folds of all records, the same of all variants, or without "
        "each reporter in turn (default: no refits)",
    )  # fmt: skip
    parser.add_argument(
        "--future", type=year_number, metavar="Y",
        help="refit without all records of years after Y",
    )  # fmt: skip
    parser.add_argument(
        "--group", type=_group_of_reporters, action="append", default=[],
        metavar="NAME=REPORTER,...",
        help="tell the difference over the records of these reporters too; * stands for any "
        "letters; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--force", action="store_true",
        help="compare fits that did not converge as well, and go on without folds whose refit "
        "did not",
    )  # fmt: skip
    add_sampling(parser)
    add_workers(parser)


def _group_of_reporters(text: str) -> tuple[str, list[str]]:
    name, _, reporters = text.partition("=")
    found = [part.strip() for part in reporters.split(",") if part.strip()]
    if not name.strip() or not found:
        raise argparse.ArgumentTypeError(f"must be NAME=REPORTER,REPORTER, got {text!r}")
    return name.strip(), found


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
    posterior: Path | None,
    verify: bool,
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
    worlds = list(calibration.KINDS) if world == ["all"] else world or None
    with ExitStack() as stack:
        fit = stack.enter_context(closing(opened(posterior, verify=verify))) if posterior else None
        stack.enter_context(sole_writer(folder))
        result = calibration.calibrate(
            study, sims=sims, worlds=worlds, out=out, workers=workers, scheduler=scheduler,
            seed=seed, posterior=fit,
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
        "--world", nargs="+", default=[], metavar="NAME",
        help="kinds of data sets: well_specified (default), heavy_tails, drifting_reporter, "
        "zero_smuggling, structural_break, shared_error, half_noise, missing, or all; with "
        "--posterior also posterior and posterior_alone (default: both)",
    )  # fmt: skip
    parser.add_argument(
        "--posterior", type=file_name, metavar="FIT",
        help="draw true flows from this fit of the study, and print its records again, beside "
        "those that are there and in their place",
    )  # fmt: skip
    parser.add_argument(
        "--verify", action="store_true",
        help="check every number of that fit, not only those that are used",
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
    from reebayes.experiments import multiverse
    from reebayes.experiments.studies import TABLE, run_studies
    from reebayes.files import make_folder, sole_writer

    for name in (TABLE, *((multiverse.DECLARED, FILE) if run.groups else ())):
        spare(folder / name, [file, *([run.near] if run.near else [])])
    say(f"{run.name}: {len(run.studies)} cases.")
    make_folder(folder)
    with ExitStack() as stack:
        near = stack.enter_context(closing(opened(run.near, verify=verify))) if run.near else None
        stack.enter_context(sole_writer(folder))
        if run.groups:
            asked = run.quantities or run.studies[BASE].headline
            multiverse.declare(run.studies, run.groups, asked, out)
        found = run_studies(
            run.studies, out=out, near=near, base=BASE, quantities=run.quantities or None,
            seed=run.seed, draws=run.draws, workers=workers, scheduler=scheduler,
        )  # fmt: skip
    say(_shown(found.table))
    say_written([out / TABLE])
    failed = found.table.index[found.table["converged"] != "yes"]
    for case, verdict in found.table.loc[failed, "verdict"].items():
        complain(f"{case}: {verdict}.")
    if run.groups and len(failed):
        complain("No multiverse was made: without a member the weights would be others.")
    elif run.groups:
        made = multiverse.mixed(run.name, found, run.groups)
        made.write(out / FILE)
        say(_mixture(made))
        say_written([out / FILE])
    return NOT_CONVERGED if len(failed) else DONE


def _mixture(found: Multiverse) -> str:
    """Bands of the study by itself and of the multiverse, a line an answer."""
    lines = [f"\n{len(found.members)} members in {len(found.groups)} groups, mixed by weight:"]
    for name, one in found.answers.items():
        low, high = map(format_value, one.medians)
        lines.append(
            f"{name} ({one.unit}): {format_band(*one.mixture)}; by itself "
            f"{format_band(*one.single)}; medians from {low} to {high}"
        )
    return "\n".join(lines)


def _shown(table: pd.DataFrame) -> str:
    """Median, band and shift of every answer, a line a case."""
    parts = []
    for name, unit in table.attrs["units"].items():
        shown = table[[f"{name}_{what}" for what in ("median", "lower", "upper", "shift")]]
        text = shown.set_axis(["median", "lower", "upper", "shift (sd)"], axis=1).to_string(
            float_format=format_value, na_rep=""
        )
        parts.append(f"\n{name} ({unit})\n{text}")
    return "\n".join(parts)


def _add_study(commands: Commands) -> None:
    parser = add_command(
        commands, study,
        brief="fit many changed copies of a study, and put their answers into one table",
        text="Fit the study and the cases that a run file declares, each as changed as a variant "
        "of study.toml\nis, and print median, 90 % band and shift of each answer. What is finished "
        "is kept: run the command\nagain to go on after an interruption, or with more cases. With "
        "groups of alternatives the cases are\nmixed by the weights that these declare. Exit "
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
