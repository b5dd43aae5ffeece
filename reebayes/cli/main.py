"""The command line: load, call, save; every message is one that a user can act on."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO

from reebayes.errors import FitError, ReebayesError
from reebayes.provenance import package_version, provenance
from reebayes.study import TABLE_FILES, Study, describe_study, read_study

if TYPE_CHECKING:
    import pandas as pd
    from xarray import DataTree

    from reebayes.experiments.runs import FitFiles, RunStore

DONE, WRONG_INPUT, NOT_CONVERGED, INTERRUPTED, UNREAD = 0, 2, 3, 130, 141

MOST_SEED = 2**32 - 1
MOST_DRAWS = 1_000_000

_EXIT_CODES = """
exit codes:
  0  done
  2  the input is wrong, and every fault is listed with its file, row and column; or a file
     cannot be read or written
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
        Exit code: 0 done, 2 wrong input or a file that cannot be read or written, 3 not
        converged, 130 interrupted, 141 if nobody reads what is printed.
    """
    arguments = argparse.Namespace()
    try:
        arguments = _parser().parse_args(argv)
        command: Callable[[argparse.Namespace], int] = arguments.command
        code = command(arguments)
        sys.stdout.flush()
        return code
    except FitError as error:
        _complain(str(error))
        return NOT_CONVERGED
    except ReebayesError as error:
        _complain(str(error))
        return WRONG_INPUT
    except BrokenPipeError:
        return _unread()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else "cannot be written: "
        _complain(f"{where}{error.strerror or error}")
        return _unread(WRONG_INPUT)
    except MemoryError:
        _complain("There is not enough memory for this. Ask for fewer draws or chains.")
        return WRONG_INPUT
    except KeyboardInterrupt:
        _complain(getattr(
            arguments, "interrupted",
            "Interrupted. Files that were finished are whole and stay; run it again to go on.",
        ))  # fmt: skip
        return INTERRUPTED


def _unread(code: int = UNREAD) -> int:
    """Drop what could not be printed, which Python would try, and fail, to print on its way out."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


# --- commands -----------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.out_dir
    arguments.out = folder / "fit.nc"
    from reebayes.files import sole_writer

    study = _announced(arguments)
    with sole_writer(arguments.out):
        code = _finished(study, arguments)
        if code is None:
            code = _fitted(study, arguments)
        if code != DONE:
            return code
        return _report_file(arguments.out, folder / "report.html", year=None, force=False)


def _check(arguments: argparse.Namespace) -> int:
    study = read_study(arguments.directory, recalled=arguments.recalled)
    _say(f"{_described(study)}\nNo faults found.")
    if arguments.coverage:
        from reebayes.answers.availability import coverage_text

        _say(f"\n{coverage_text(study)}")
    return DONE


def _describe(arguments: argparse.Namespace) -> int:
    from reebayes.files import write_whole

    study = read_study(arguments.directory)
    out: Path = arguments.out or study.path / "datapackage.json"
    _spare(out, (study.path / name for name in TABLE_FILES))
    text = json.dumps(describe_study(study, out.parent), indent=2, ensure_ascii=False) + "\n"
    _say(f"{write_whole(out, lambda path: path.write_bytes(text.encode()))}: written.")
    return DONE


def _fit(arguments: argparse.Namespace) -> int:
    from reebayes.files import sole_writer

    study = _announced(arguments)
    with sole_writer(arguments.out):  # a fit that cannot be saved is not worth starting
        return _fitted(study, arguments)


def _announced(arguments: argparse.Namespace) -> Study:
    study = read_study(arguments.data, recalled=arguments.recalled)
    if arguments.out.is_dir():
        raise ReebayesError(f"{arguments.out} is a folder; give the name of a file in it.")
    _spare(arguments.out, (study.path / name for name in TABLE_FILES))
    _say(_described(study))
    return study


def _fitted(study: Study, arguments: argparse.Namespace) -> int:
    from reebayes.results.fitfile import save_fit

    out: Path = arguments.out
    result = _sampling().fit(
        study, seed=arguments.seed, progress=sys.stderr.isatty(), **_asked(arguments)
    )
    save_fit(result, out)
    return _told(out, result.attrs)


def _sampling() -> ModuleType:
    """Load the sampler, which takes seconds and which no other command needs."""
    try:
        return import_module("reebayes.inference.sampling")
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        raise ReebayesError(
            "Compiled code can be kept neither beside the package nor in your home folder; set "
            "NUMBA_CACHE_DIR to a folder that can be written."
        ) from error


def _asked(arguments: argparse.Namespace) -> dict[str, int]:
    given = {name: getattr(arguments, name) for name in ("draws", "tune", "chains")}
    return {name: value for name, value in given.items() if value is not None}


def _told(out: Path, attrs: Mapping[Any, Any]) -> int:
    _say(f"{out}: {attrs.get('verdict', '')}")
    if attrs.get("converged") == "yes":
        return DONE
    _complain(
        f"The fit did not converge. {out} is marked as such, and no report was written. "
        f"Draw or tune longer, or inspect it with `reebayes report {out} --force`."
    )
    return NOT_CONVERGED


def _finished(study: Study, arguments: argparse.Namespace) -> int | None:
    """Tell of the very fit that is asked for, if it is there: it is not made twice."""
    from reebayes.results.fitfile import fit_attributes

    found = {} if arguments.again else fit_attributes(arguments.out)
    made_by = provenance()
    sampling = _sampling()
    defaults = {name: getattr(sampling, name.upper()) for name in ("draws", "tune", "chains")}
    wanted: dict[str, object] = defaults | _asked(arguments)
    wanted |= {"seed": arguments.seed, "study_hash": study.hash}
    wanted |= {name: made_by[name] for name in ("code_hash", "versions")}
    if any(found.get(name) != value for name, value in wanted.items()):
        return None
    _say(f"{arguments.out} is the fit asked for; it is not made again (unless with --again).")
    return _told(arguments.out, found)


def _compare(arguments: argparse.Namespace) -> int:
    study = read_study(arguments.data, recalled=arguments.recalled)
    names = arguments.variants or list(study.variants)
    # Imported here: the sampler takes seconds to load.
    from reebayes.answers.scores import compare
    from reebayes.experiments.runs import RunStore, variants_of
    from reebayes.files import make_folder, sole_writer
    from reebayes.inference.sampling import CHAINS, DRAWS, THIN, TUNE, Run
    from reebayes.reporting.spreadsheets import write_csv

    variants = variants_of(study, names)
    _say(_described(study))
    out = _folder(arguments.out)
    make_folder(out)
    run = Run(
        seed=arguments.seed, draws=arguments.draws or DRAWS, tune=arguments.tune or TUNE,
        chains=arguments.chains or CHAINS, progress=sys.stderr.isatty(), thin=THIN,
    )  # fmt: skip
    with sole_writer(out):
        store = RunStore(arguments.out, run, _say)
        fits = store.fit(variants)
        refits = _refits(arguments, store, variants, fits)
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
    store: RunStore,
    variants: Mapping[str, Study],
    fits: FitFiles,
) -> dict[str, dict[str, pd.Series]]:
    """Refit what the arguments ask for: by score, by variant."""
    from reebayes.answers.scores import LOO, untrusted
    from reebayes.experiments.runs import folds_at_random, folds_by_reporter, future_fold

    study = next(iter(variants.values()))
    refits = {}
    if arguments.folds == "reporter":
        refits["one reporter at a time"] = store.score(variants, folds_by_reporter(study))
    elif arguments.folds:
        doubtful = untrusted(fits)
        folds = folds_at_random(doubtful, int(arguments.folds), seed=arguments.seed)
        if folds:
            refits[LOO] = store.score(variants, folds)
    if arguments.future is not None:
        fold = future_fold(study, arguments.future)
        refits[next(iter(fold))] = store.score(variants, fold)
    return refits


def _report(arguments: argparse.Namespace) -> int:
    out = arguments.out or arguments.file.with_suffix(".html")
    return _report_file(arguments.file, out, year=arguments.year, force=arguments.force,
                        compared=arguments.compare)  # fmt: skip


def _report_file(
    file: Path, out: Path, *, year: int | None, force: bool, compared: Path | None = None
) -> int:
    from reebayes.answers.scores import read_comparison
    from reebayes.files import sole_writer
    from reebayes.reporting.page import write_report
    from reebayes.results.fitfile import open_fit

    _spare(out, [file])
    comparison = None if compared is None else read_comparison(compared)
    with sole_writer(out):
        written = write_report(open_fit(file), out, year=year, force=force, comparison=comparison)
        _say(f"{written}: report written.")
    return DONE


def _export(arguments: argparse.Namespace) -> int:
    from reebayes.files import sole_writer
    from reebayes.reporting.spreadsheets import write_csv, write_xlsx
    from reebayes.reporting.tables import export_tables
    from reebayes.results.fitfile import open_fit

    file: Path = arguments.file
    workbook = arguments.to == "xlsx"
    beside = file.with_suffix(".xlsx") if workbook else file.with_name(f"{file.stem}_tables")
    out: Path = arguments.out or beside
    if not workbook:
        out = _folder(out)
    _spare(out, [file])
    fit = open_fit(file)
    if fit.attrs.get("converged") != "yes":
        _complain(f"Warning: this fit did not converge. {fit.attrs.get('verdict', '')}")
    with sole_writer(out):
        tables = export_tables(fit)
        paths = [write_xlsx(tables, out)] if workbook else write_csv(tables, out)
    _say("\n".join(f"{path}: written." for path in paths))
    return DONE


def _learnt(arguments: argparse.Namespace) -> int:
    from reebayes.answers.drivers import driver_tables, driver_text
    from reebayes.files import sole_writer
    from reebayes.reporting.spreadsheets import write_csv
    from reebayes.results.fitfile import open_fit

    fit = open_fit(arguments.file)
    if fit.attrs.get("converged") != "yes":
        _complain(f"Warning: this fit did not converge. {fit.attrs.get('verdict', '')}")
    _say(f"{driver_text(fit)}\n\n{_rank(arguments.data, fit, recalled=arguments.recalled)}")
    if arguments.csv is not None:
        beside = arguments.file.with_name(f"{arguments.file.stem}_learnt")
        out = _folder(Path(arguments.csv) if arguments.csv else beside)
        _spare(out, [arguments.file])
        with sole_writer(out):
            paths = write_csv(driver_tables(fit), out)
        _say("\n".join(f"{path}: written." for path in paths))
    return DONE


def _rank(directory: Path | None, fit: DataTree, *, recalled: bool) -> str:
    """What the records of the study see; the fit holds no priors to tell it from."""
    study = read_study(directory, recalled=recalled)
    if directory is None and study.hash != fit.attrs.get("study_hash"):
        return "Give the study that was fitted (--data) to count what its records see."
    from reebayes.inference.identifiability import identify, rank_sentence

    return rank_sentence(identify(study, fit))


def _harmonise(arguments: argparse.Namespace) -> int:
    # Imported here: data frames take a while to load.
    from reebayes.customs import harmonise
    from reebayes.files import sole_writer, write_whole
    from reebayes.reporting.spreadsheets import write_table

    study = read_study(arguments.data)
    out: Path = arguments.out
    inputs = _inputs(arguments, study)
    _spare(out, inputs)
    rejected: Path = arguments.rejected or out.with_name(f"{out.stem}_rejected.csv")
    _spare(rejected, [*inputs, out])
    files = list(arguments.files)
    if arguments.fetch:
        files += _fetched(arguments, study)
    names = ("areas", "quantities", "imports", "exports", "sd", "misbooked", "outlier",
             "all_partners", "incomplete")  # fmt: skip
    given = {name: getattr(arguments, name) for name in names}
    result = harmonise(files, arguments.codes, study=study, **given)
    with sole_writer(out):
        write_whole(rejected, partial(write_table, result.rejected))
        _say(f"{result.summary}\n{rejected}: written.")
        if arguments.strict and (result.rejected["outcome"] == "rejected").any():
            _complain(f"Lines were not counted, so {out} was not written (--strict).")
            return WRONG_INPUT
        write_whole(out, partial(write_table, result.records))
    _say(f"{out}: written.")
    return DONE


def _calibrate(arguments: argparse.Namespace) -> int:
    from reebayes.experiments.calibration import WORLDS, calibrate
    from reebayes.files import sole_writer

    study = read_study(arguments.data, recalled=arguments.recalled)
    _say(_described(study))
    worlds = list(WORLDS) if arguments.world == ["all"] else arguments.world
    out: Path = arguments.out
    with sole_writer(_folder(out)):
        result = calibrate(
            study, sims=arguments.sims, worlds=worlds, out=out, workers=arguments.workers,
            scheduler=arguments.scheduler, seed=arguments.seed,
        )  # fmt: skip
    _say(f"{result.verdict}\n{out}: tables and figures written.")
    return DONE if result.passed else NOT_CONVERGED


def _inputs(arguments: argparse.Namespace, study: Study) -> list[Path]:
    tables = (getattr(arguments, name) for name in ("codes", "areas", "quantities"))
    files = [*arguments.files, *arguments.imports, *arguments.exports, *filter(None, tables)]
    return [*files, *(study.path / name for name in TABLE_FILES)]


def _fetched(arguments: argparse.Namespace, study: Study) -> list[Path]:
    from reebayes.customs import common_codes, fetch_comtrade

    codes = arguments.fetch_codes or common_codes(arguments.codes, study)
    years = range(arguments.years[0], arguments.years[-1] + 1)
    return fetch_comtrade(
        arguments.fetch, years, codes=codes, folder=arguments.out.parent, key=arguments.key
    )


def _folder(out: Path) -> Path:
    """Return a folder by its name, where it is given as ``.`` or ``..``."""
    return out if out.name not in ("", "..") else out.resolve()


def _spare(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over what is read or written already."""
    if out.name in ("", ".."):
        raise ReebayesError(f"'{out}': give the name of a file, not of a folder.")
    for path in inputs:
        if out.absolute() == path.absolute() or (
            out.exists() and path.exists() and out.samefile(path)
        ):
            raise ReebayesError(f"{out} is another file of this command; write elsewhere.")


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
    _print(sys.stdout, text)


def _complain(text: str) -> None:
    _print(sys.stderr, text)


def _print(stream: TextIO, text: str) -> None:
    """Print text that may come from a file: what a terminal would obey, or lacks, is spelt out."""
    shown = (char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)
    coding = stream.encoding or "utf-8"
    stream.write("".join(shown).encode(coding, "backslashreplace").decode(coding) + "\n")


# --- arguments ----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reebayes",
        description="Bayesian material flow analysis: infer every flow of a system, year by year "
        "and with credible bands, from published records that are incomplete and contradict one "
        "another. Without --data, commands use the bundled study of rare earths.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
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
        allow_abbrev=False,
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
    parser.add_argument(
        "--again", action="store_true", help="fit again though DIR holds the very fit asked for"
    )
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
        "--seed",
        type=_whole(0, MOST_SEED),
        default=0,
        metavar="N",
        help="random seed (default: 0)",
    )
    for name, least, text in (
        ("draws", 4, "draws a chain that are kept"),
        ("tune", 1, "draws a chain that tune the sampler and are dropped"),
        ("chains", 1, "independent chains"),
    ):
        parser.add_argument(f"--{name}", type=_whole(least, MOST_DRAWS), metavar="N", help=text)


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
        "--future", type=_year, metavar="Y", help="refit without all records of years after Y"
    )
    parser.add_argument(
        "--force", action="store_true", help="compare fits that did not converge as well"
    )
    _add_sampling(parser)


def _folds(text: str) -> str:
    if not re.fullmatch("reporter|[2-9]|[1-9][0-9]{1,3}", text):
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
    parser.add_argument("file", type=_file, metavar="FILE.nc", help="a fit of `reebayes fit`")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html", help="page to write (default: beside the fit)"
    )
    parser.add_argument(
        "--year", type=_year, metavar="Y", help="year of the Sankey diagram (default: the study's)"
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
    parser.add_argument("file", type=_file, metavar="FILE.nc", help="a fit of `reebayes fit`")
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
    parser.add_argument("file", type=_file, metavar="FILE.nc", help="a fit of `reebayes fit`")
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
        "--sims", type=_whole(1, MOST_DRAWS), default=100, metavar="N",
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
        "--seed", type=_whole(0, MOST_SEED), default=0, metavar="N", help="random seed (default: 0)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=_whole(1, MOST_DRAWS), metavar="N", help="processes (default: one a core)"
    )
    where.add_argument(
        "--scheduler", metavar="tcp://...",
        help="Dask cluster to use instead; needs: pip install 'reebayes[distributed]'",
    )  # fmt: skip


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _year(text: str) -> int:
    if not re.fullmatch("[0-9]{4}", text):
        raise argparse.ArgumentTypeError(f"must be a year such as 2012, got {text!r}")
    return int(text)


def _span(text: str) -> list[int]:
    years = re.fullmatch("([0-9]{4})(?:-([0-9]{4}))?", text)
    if not years or (years[2] and years[1] > years[2]):
        raise argparse.ArgumentTypeError(
            f"must be a year or a span such as 2018-2020, got {text!r}"
        )
    return [int(year) for year in years.groups() if year]


def _positive(text: str) -> float:
    try:
        value = float(text) if text.isascii() else -1.0
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def _file(text: str) -> Path:
    """A path with a name, which what is written beside the file is named after."""
    path = Path(text)
    if not path.name:
        raise argparse.ArgumentTypeError(f"{text!r}: give the name of a file, not of a folder")
    return path


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        # No number that is allowed has more digits, and very long ones take long to read.
        value = int(text) if re.fullmatch("[+-]?[0-9]{1,12}", text) else -1
        if not least <= value <= most:
            message = f"must be a whole number from {least} to {most}, got {text!r}"
            raise argparse.ArgumentTypeError(message)
        return value

    return whole_number
