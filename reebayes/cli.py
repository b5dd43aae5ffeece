"""The command line: load, call, save; every message is one that a user can act on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.conventions import package_version
from reebayes.errors import FitError, ReebayesError
from reebayes.study import Study, describe_study, read_study

if TYPE_CHECKING:
    import pandas as pd
    from xarray import DataTree

    from reebayes.refits import FitFiles, Workshop

DONE, WRONG_INPUT, NOT_CONVERGED, INTERRUPTED = 0, 2, 3, 130

_EXIT_CODES = """
exit codes:
  0  done
  2  the input is wrong; every fault is listed with its file, row and column
  3  the fit did not converge; it is saved and marked, and there is no report
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process if left out.

    Returns
    -------
    int
        Exit code: 0 done, 2 wrong input, 3 not converged, 130 interrupted.
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except FitError as error:
        _complain(str(error))
        return NOT_CONVERGED
    except ReebayesError as error:
        _complain(str(error))
        return WRONG_INPUT
    except KeyboardInterrupt:
        _complain(getattr(arguments, "interrupted", "Interrupted; nothing was written."))
        return INTERRUPTED


# --- commands -----------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.out_dir
    arguments.out = folder / "fit.nc"
    code = _fit(arguments)
    if code != DONE:
        return code
    return _report_file(arguments.out, folder / "report.html", year=None, force=False)


def _check(arguments: argparse.Namespace) -> int:
    study = read_study(arguments.directory, recalled=arguments.recalled)
    _say(f"{_described(study)}\nNo faults found.")
    if arguments.coverage:
        from reebayes.evidence import coverage_text

        _say(f"\n{coverage_text(study)}")
    return DONE


def _describe(arguments: argparse.Namespace) -> int:
    from reebayes.results import write_whole

    study = read_study(arguments.directory)
    out: Path = arguments.out or study.path / "datapackage.json"
    text = json.dumps(describe_study(study, out.parent), indent=2, ensure_ascii=False) + "\n"
    _say(f"{write_whole(out, lambda path: path.write_bytes(text.encode()))}: written.")
    return DONE


def _fit(arguments: argparse.Namespace) -> int:
    study = read_study(arguments.data, recalled=arguments.recalled)
    _say(_described(study))
    out: Path = arguments.out
    # Imported here: the sampler takes seconds to load, and no other command needs it.
    from reebayes.results import make_folder, save_fit
    from reebayes.sampling import fit

    make_folder(out.parent)  # a fit that cannot be saved is not worth starting
    given = {name: getattr(arguments, name) for name in ("draws", "tune", "chains")}
    chosen = {name: value for name, value in given.items() if value is not None}
    result = fit(study, seed=arguments.seed, progress=sys.stderr.isatty(), **chosen)
    save_fit(result, out)
    _say(f"{out}: {result.attrs.get('verdict', '')}")
    if result.attrs.get("converged") == "yes":
        return DONE
    _complain(
        f"The fit did not converge. {out} is marked as such, and no report was written. "
        f"Draw or tune longer, or inspect it with `reebayes report {out} --force`."
    )
    return NOT_CONVERGED


def _compare(arguments: argparse.Namespace) -> int:
    study = read_study(arguments.data, recalled=arguments.recalled)
    names = arguments.variants or list(study.variants)
    # Imported here: the sampler takes seconds to load.
    from reebayes.comparison import compare
    from reebayes.refits import Workshop, variants_of
    from reebayes.results import make_folder
    from reebayes.sampling import CHAINS, DRAWS, TUNE, Run
    from reebayes.tables import write_csv

    variants = variants_of(study, names)
    _say(_described(study))
    make_folder(arguments.out)
    run = Run(
        seed=arguments.seed, draws=arguments.draws or DRAWS, tune=arguments.tune or TUNE,
        chains=arguments.chains or CHAINS, progress=sys.stderr.isatty(),
    )  # fmt: skip
    workshop = Workshop(arguments.out, run, _say)
    fits = workshop.fit(variants)
    refits = _refits(arguments, workshop, variants, fits)
    result = compare(fits, refits=refits, force=arguments.force)
    paths = write_csv(result.tables, arguments.out)
    _say("\n".join(f"{path}: written." for path in paths))
    _say(f"\n{result}")
    failed = sorted(set(result.table.loc[result.table["converged"] != "yes", "variant"]))
    if failed:
        _complain(f"Did not converge, and is compared by force: {', '.join(failed)}.")
    return NOT_CONVERGED if failed else DONE


def _refits(
    arguments: argparse.Namespace,
    workshop: Workshop,
    variants: Mapping[str, Study],
    fits: FitFiles,
) -> dict[str, dict[str, pd.Series]]:
    """Refit what the arguments ask for: by score, by variant."""
    from reebayes.comparison import LOO, untrusted
    from reebayes.refits import folds_at_random, folds_by_reporter, future_fold

    study = next(iter(variants.values()))
    refits = {}
    if arguments.folds == "reporter":
        refits["one reporter at a time"] = workshop.score(variants, folds_by_reporter(study))
    elif arguments.folds:
        doubtful = untrusted(fits)
        folds = folds_at_random(doubtful, int(arguments.folds), seed=arguments.seed)
        if folds:
            refits[LOO] = workshop.score(variants, folds)
    if arguments.future is not None:
        fold = future_fold(study, arguments.future)
        refits[next(iter(fold))] = workshop.score(variants, fold)
    return refits


def _report(arguments: argparse.Namespace) -> int:
    out = arguments.out or arguments.file.with_suffix(".html")
    return _report_file(arguments.file, out, year=arguments.year, force=arguments.force,
                        compared=arguments.compare)  # fmt: skip


def _report_file(
    file: Path, out: Path, *, year: int | None, force: bool, compared: Path | None = None
) -> int:
    from reebayes.comparison import read_comparison
    from reebayes.reporting import write_report
    from reebayes.results import open_fit

    comparison = None if compared is None else read_comparison(compared)
    written = write_report(open_fit(file), out, year=year, force=force, comparison=comparison)
    _say(f"{written}: report written.")
    return DONE


def _export(arguments: argparse.Namespace) -> int:
    from reebayes.results import open_fit
    from reebayes.tables import export_tables, write_csv, write_xlsx

    fit = open_fit(arguments.file)
    if fit.attrs.get("converged") != "yes":
        _complain(f"Warning: this fit did not converge. {fit.attrs.get('verdict', '')}")
    tables = export_tables(fit)
    if arguments.to == "xlsx":
        paths = [write_xlsx(tables, arguments.out or arguments.file.with_suffix(".xlsx"))]
    else:
        folder = arguments.out or arguments.file.with_name(f"{arguments.file.stem}_tables")
        paths = write_csv(tables, folder)
    _say("\n".join(f"{path}: written." for path in paths))
    return DONE


def _learnt(arguments: argparse.Namespace) -> int:
    from reebayes.lessons import lesson_tables, lesson_text
    from reebayes.results import open_fit
    from reebayes.tables import write_csv

    fit = open_fit(arguments.file)
    if fit.attrs.get("converged") != "yes":
        _complain(f"Warning: this fit did not converge. {fit.attrs.get('verdict', '')}")
    _say(f"{lesson_text(fit)}\n\n{_rank(arguments.data, fit, recalled=arguments.recalled)}")
    if arguments.csv is not None:
        beside = arguments.file.with_name(f"{arguments.file.stem}_learnt")
        paths = write_csv(lesson_tables(fit), arguments.csv or beside)
        _say("\n".join(f"{path}: written." for path in paths))
    return DONE


def _rank(directory: Path | None, fit: DataTree, *, recalled: bool) -> str:
    """What the records of the study see; the fit holds no priors to tell it from."""
    study = read_study(directory, recalled=recalled)
    if directory is None and study.hash != fit.attrs.get("study_hash"):
        return "Give the study that was fitted (--data) to count what its records see."
    from reebayes.identification import identify, rank_sentence

    return rank_sentence(identify(study, fit))


def _harmonise(arguments: argparse.Namespace) -> int:
    # Imported here: data frames take a while to load.
    from reebayes.harmonisation import common_codes, fetch_comtrade, harmonise
    from reebayes.results import write_whole

    study = read_study(arguments.data)
    out: Path = arguments.out
    if out.resolve() == (study.path / "records.csv").resolve():
        raise ReebayesError(f"{out} holds the study's records; write elsewhere, then append.")
    files = list(arguments.files)
    if arguments.fetch:
        codes = arguments.fetch_codes or common_codes(arguments.codes, study)
        years = range(arguments.years[0], arguments.years[-1] + 1)
        files += fetch_comtrade(arguments.fetch, years, codes=codes, folder=out.parent,
                                save=write_whole, key=arguments.key)  # fmt: skip
    names = ("areas", "quantities", "imports", "exports", "sd", "misbooked", "outlier",
             "all_partners", "incomplete")  # fmt: skip
    given = {name: getattr(arguments, name) for name in names}
    result = harmonise(files, arguments.codes, study=study, **given)
    rejected: Path = arguments.rejected or out.with_name(f"{out.stem}_rejected.csv")
    write_whole(rejected, lambda path: result.rejected.to_csv(path, index=False))
    _say(f"{result.summary}\n{rejected}: written.")
    if arguments.strict and (result.rejected["outcome"] == "rejected").any():
        _complain(f"Lines were not counted, so {out} was not written (--strict).")
        return WRONG_INPUT
    write_whole(out, lambda path: result.records.to_csv(path, index=False))
    _say(f"{out}: written.")
    return DONE


def _calibrate(arguments: argparse.Namespace) -> int:
    from reebayes.calibration import WORLDS, calibrate

    study = read_study(arguments.data, recalled=arguments.recalled)
    _say(_described(study))
    worlds = list(WORLDS) if arguments.world == ["all"] else arguments.world
    out: Path = arguments.out
    result = calibrate(
        study, sims=arguments.sims, worlds=worlds, out=out, workers=arguments.workers,
        scheduler=arguments.scheduler, seed=arguments.seed,
    )  # fmt: skip
    _say(f"{result.verdict}\n{out}: tables and figures written.")
    return DONE if result.passed else NOT_CONVERGED


def _described(study: Study) -> str:
    counts = {
        "processes": len(study.processes),
        "flows": len(study.flows),
        "quantities": len(study.quantities),
        "records": len(study.records),
        "priors": len(study.priors),
        "sources": len(study.sources),
    }
    numbers = ", ".join(f"{count} {noun}" for noun, count in counts.items())
    return f"{study.name} ({study.first_year}-{study.last_year}): {numbers}."


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


# --- arguments ----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reebayes",
        description="Bayesian material flow analysis: infer every flow of a system, year by year "
        "and with credible bands, from published records that are incomplete and contradict one "
        "another. Without --data, commands use the bundled study of rare earths.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"reebayes {package_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_check(commands)
    _add_describe(commands)
    _add_fit(commands)
    _add_compare(commands)
    _add_report(commands)
    _add_export(commands)
    _add_learnt(commands)
    _add_harmonise(commands)
    _add_calibrate(commands)
    return parser


type Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add(
    commands: Commands,
    name: str,
    command: Callable[[argparse.Namespace], int],
    *,
    brief: str,
    text: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=brief,
        description=text,
        epilog=f"example:\n  {example}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser


def _add_run(commands: Commands) -> None:
    parser = _add(
        commands, "run", _run,
        brief="check a study, fit it and write the report",
        text="Check a study, fit it, and write fit.nc (all draws) and report.html (one page to "
        "read)\ninto a folder.",
        example="reebayes run --out-dir results --seed 1",
    )  # fmt: skip
    parser.add_argument(
        "--out-dir", type=Path, default=Path("results"), metavar="DIR",
        help="folder for fit.nc and report.html (default: results)",
    )  # fmt: skip
    _add_sampling(parser)


def _add_check(commands: Commands) -> None:
    parser = _add(
        commands, "check", _check,
        brief="check the tables of a study",
        text="Read all tables of a study and list every fault with its file, row, column and "
        "value.",
        example="reebayes check my_study --coverage",
    )  # fmt: skip
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder with study.toml")
    _add_recalled(parser)
    parser.add_argument(
        "--coverage", action="store_true",
        help="print where records stand, by quantity and by stage of each region",
    )  # fmt: skip


def _add_describe(commands: Commands) -> None:
    parser = _add(
        commands, "describe", _describe,
        brief="describe the tables of a study for other programs",
        text="Write a Data Package description of a study directory: the columns of every table "
        "with their\ntypes, constraints and keys, licences and sources.",
        example="reebayes describe my_study",
    )  # fmt: skip
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder with study.toml")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.json",
        help="file to write, in DIR or a folder above it (default: datapackage.json in DIR)",
    )  # fmt: skip


def _add_fit(commands: Commands) -> None:
    parser = _add(
        commands, "fit", _fit,
        brief="fit a study and save the draws",
        text="Sample the posterior of every flow and save it as netCDF. Numbers are the same "
        "for the\nsame study, seed and packages.",
        example="reebayes fit --data my_study --out my_fit.nc --seed 1",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("fit.nc"), metavar="FILE.nc",
        help="file to write (default: fit.nc)",
    )  # fmt: skip
    _add_sampling(parser)


def _add_recalled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recalled", action="store_true",
        help="keep records of status 'recalled', which nobody read in their source",
    )  # fmt: skip


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    _add_recalled(parser)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of a study (default: the bundled one)"
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="N", help="random seed (default: 0)"
    )
    for name, least, text in (
        ("draws", 1, "draws a chain that are kept"),
        ("tune", 1, "draws a chain that tune the sampler and are dropped"),
        ("chains", 1, "independent chains"),
    ):
        parser.add_argument(f"--{name}", type=_at_least(least), metavar="N", help=text)


def _add_compare(commands: Commands) -> None:
    parser = _add(
        commands, "compare", _compare,
        brief="fit a study and its variants, and score them by prediction",
        text="Fit a study and the variants that its study.toml declares, one file each, and print "
        "how well each\npredicts the records, with differences, and the headline quantities side "
        "by side. What is finished\nis never fitted again.",
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
        "--folds", type=_folds, metavar="reporter|K",
        help="refit without each reporter in turn, or, in K folds, without the records that "
        "importance sampling cannot score (default: no refits)",
    )  # fmt: skip
    parser.add_argument(
        "--future", type=int, metavar="Y", help="refit without all records of years after Y"
    )
    parser.add_argument(
        "--force", action="store_true", help="compare fits that did not converge as well"
    )
    _add_sampling(parser)


def _folds(text: str) -> str:
    if text != "reporter" and (not text.isdecimal() or int(text) < 2):
        raise argparse.ArgumentTypeError(f"must be 'reporter' or a number from 2 up, got {text}")
    return text


def _add_report(commands: Commands) -> None:
    parser = _add(
        commands, "report", _report,
        brief="write a saved fit as one HTML page",
        text="Write one self-contained HTML page: figures with bands, a Sankey diagram, records "
        "and sources.",
        example="reebayes report results/fit.nc --year 2010 --out report_2010.html",
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE.nc", help="a fit of `reebayes fit`")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html", help="page to write (default: beside the fit)"
    )
    parser.add_argument(
        "--year", type=int, metavar="Y", help="year of the Sankey diagram (default: the study's)"
    )
    parser.add_argument(
        "--force", action="store_true", help="report a fit that did not converge, with a banner"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="DIR", help="show the scores that `reebayes compare` wrote"
    )


def _add_export(commands: Commands) -> None:
    parser = _add(
        commands, "export", _export,
        brief="write the bands of a saved fit as tables",
        text="Write medians and bands of all quantities and flows, their sums over the years, "
        "records and\nsources as CSV files in a folder or as one Excel workbook.",
        example="reebayes export results/fit.nc --to xlsx --out bands.xlsx",
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE.nc", help="a fit of `reebayes fit`")
    parser.add_argument("--to", choices=("csv", "xlsx"), required=True, help="kind of table")
    parser.add_argument(
        "--out", type=Path, metavar="PATH",
        help="folder (csv) or workbook (xlsx) to write (default: beside the fit)",
    )  # fmt: skip


def _add_learnt(commands: Commands) -> None:
    parser = _add(
        commands, "learnt", _learnt,
        brief="tell what a saved fit rests on",
        text="Tell what the records taught of the headline quantities and what rests on priors, "
        "which\nrecords and reporters move them most, which records the rest disagrees with, and "
        "how many\ndirections of the unknowns the records see.",
        example="reebayes learnt results/fit.nc --csv tables",
    )  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE.nc", help="a fit of `reebayes fit`")
    parser.add_argument(
        "--csv", nargs="?", const="", metavar="DIR",
        help="write the whole tables into a folder too (default: beside the fit)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="folder of the study that was fitted (default: the bundled one)",
    )  # fmt: skip
    _add_recalled(parser)


def _add_harmonise(commands: Commands) -> None:
    parser = _add(
        commands, "harmonise", _harmonise,
        brief="turn customs files into records",
        text="Turn customs files, as downloaded from UN Comtrade, USITC DataWeb or Chinese "
        "customs, or a\nplain table, into rows of records.csv. Every line that is not counted is "
        "listed with the reason.",
        example="reebayes harmonise comtrade.csv --imports gacc.csv --out my_records.csv",
    )  # fmt: skip
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="files as downloaded")
    for name in ("imports", "exports"):
        parser.add_argument(
            f"--{name}", nargs="+", type=Path, metavar="FILE", default=[],
            help=f"files of {name} that do not say so",
        )  # fmt: skip
    for name, default in (("codes", "hs_codes.csv"), ("areas", "customs_areas.csv"),
                          ("quantities", "customs_quantities.csv")):  # fmt: skip
        parser.add_argument(
            f"--{name}", type=Path, metavar="FILE", help=f"table to use (default: {default})"
        )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of a study (default: the bundled one)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("customs_records.csv"), metavar="FILE.csv",
        help="rows for records.csv of a study (default: customs_records.csv)",
    )  # fmt: skip
    parser.add_argument(
        "--rejected", type=Path, metavar="FILE.csv",
        help="lines that are not counted, and why (default: beside the rows)",
    )  # fmt: skip
    _add_harmonise_rules(parser)
    _add_fetching(parser)


def _add_harmonise_rules(parser: argparse.ArgumentParser) -> None:
    for name, default, text in (
        ("sd", 0.05, "relative error of the weights themselves"),
        ("misbooked", 30.0, "error of any sum, in t of content"),
        ("outlier", 4.0, "robust z of log unit values beyond which a line is left out"),
    ):
        parser.add_argument(
            f"--{name}", type=_positive, default=default, metavar="X",
            help=f"{text} (default: {default:g})",
        )  # fmt: skip
    parser.add_argument(
        "--all-partners", action="store_true",
        help="the files hold every partner, though no total says so",
    )  # fmt: skip
    parser.add_argument(
        "--incomplete", choices=("reject", "bound"), default="reject",
        help="sums that lack partners, reporters or codes are left out, or lower bounds",
    )  # fmt: skip
    parser.add_argument(
        "--strict", action="store_true", help="exit 2 and write no rows if a line is not counted"
    )


def _add_fetching(parser: argparse.ArgumentParser) -> None:
    fetching = parser.add_argument_group(
        "fetching from UN Comtrade", "needs: pip install 'reebayes[comtrade]', and your own key"
    )
    fetching.add_argument(
        "--fetch", type=_listed, metavar="REPORTERS", help="reporters by code, such as 156,842"
    )
    fetching.add_argument(
        "--years", type=_span, default=[2022], metavar="Y-Y", help="years (default: 2022)"
    )
    fetching.add_argument(
        "--fetch-codes", type=_listed, metavar="CODES", help="codes (default: those of --codes)"
    )
    fetching.add_argument("--key", help="your key (default: $COMTRADE_API_KEY)")


def _add_calibrate(commands: Commands) -> None:
    parser = _add(
        commands, "calibrate", _calibrate,
        brief="fit simulated worlds and count how often bands hold the truth",
        text="Draw worlds from a study's own priors, print its records anew in each, refit them, "
        "and count how\noften the bands hold the truth. What is finished is kept: run the command "
        "again to go on after\nan interruption, or with more --sims. Exit code 3 if the ranks are "
        "uneven or refits did not mix.",
        example="reebayes calibrate --sims 500 --world well_specified half_noise",
    )  # fmt: skip
    parser.set_defaults(interrupted="Interrupted; finished refits are kept. Run it again to go on.")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of a study (default: the bundled one)"
    )
    _add_recalled(parser)
    parser.add_argument(
        "--sims", type=_at_least(1), default=100, metavar="N",
        help="worlds of each kind (default: 100)",
    )  # fmt: skip
    parser.add_argument(
        "--world", nargs="+", default=["well_specified"], metavar="NAME",
        help="kinds of worlds: well_specified (default), heavy_tails, drifting_reporter, "
        "zero_smuggling, structural_break, shared_error, half_noise, missing, or all",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("calibration"), metavar="DIR",
        help="folder for refits, tables and figures (default: calibration)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="N", help="random seed (default: 0)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=_at_least(1), metavar="N", help="processes (default: one a core)"
    )
    where.add_argument(
        "--scheduler", metavar="tcp://...",
        help="Dask cluster to use instead; needs: pip install 'reebayes[distributed]'",
    )  # fmt: skip


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _span(text: str) -> list[int]:
    years = [int(year) for year in text.split("-")]
    if len(years) > 2 or years[0] > years[-1]:
        raise argparse.ArgumentTypeError(f"must be a year or a span such as 2018-2020, got {text}")
    return years


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def _at_least(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {value}")
        return value

    return whole_number
