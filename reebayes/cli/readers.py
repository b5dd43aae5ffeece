"""``report``, ``export`` and ``learnt``: a saved fit as a page, tables and text."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reebayes.cli.console import DONE, complain, say, say_written
from reebayes.cli.options import (
    REFITS,
    Adder,
    Commands,
    add_command,
    add_data,
    add_fit_file,
    add_recalled,
    add_with,
    file_name,
    named_folder,
    opened,
    spare,
    spare_folder,
    study_as_now,
    year_number,
)
from reebayes.conventions import CI_PROB
from reebayes.results.multiverse import FILE, SUFFIX

if TYPE_CHECKING:
    import pandas as pd
    from xarray import DataTree

    from reebayes.answers.hangs import ReportRefits, SensitivitySummary
    from reebayes.elicitation.pooling import Pooled
    from reebayes.elicitation.surveys import Surveyed
    from reebayes.results.multiverse import Multiverse


SINGLE = {"xlsx": ".xlsx", "iamc": "_iamc.csv"}
"""Kinds of tables that are one file, and how its name ends; the others are folders."""


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"report": _add_report, "export": _add_export, "learnt": _add_learnt}


def report(
    *,
    file: Path,
    verify: bool,
    out: Path | None,
    year: int | None,
    force: bool,
    compare: Path | None,
    outlook: int | None,
    multiverse: Path | None,
    survey: Sequence[Path],
    judgement: Sequence[Path],
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
) -> int:
    """Write a saved fit as one HTML page."""
    from reebayes.files import sole_writer
    from reebayes.reporting.page import write_report
    from reebayes.results.description import redescribed
    from reebayes.results.fitfile import open_fit

    out = out or file.with_suffix(".html")
    spare(out, [file])
    comparison = None
    if compare is not None:
        from reebayes.answers.scores import read_comparison

        comparison = read_comparison(compare)
    with closing(open_fit(file, verify=verify)) as opened, sole_writer(out):
        fit, study = opened, study_as_now(data, extensions, recalled=recalled)
        if study is not None:
            fit = redescribed(opened, study)
        written = write_report(
            fit, out, year=year, force=force, comparison=comparison,
            sensitivity=_hangs(fit, file), refits=_refits(fit, file),
            **_ahead(fit, outlook),
            multiverse=_multiverse(fit, file, multiverse),
            surveys=_surveys(survey), judgements=_judgements(judgement),
        )  # fmt: skip
        say(f"{written}: report written.")
    return DONE


def _ahead(fit: DataTree, to: int | None) -> dict[str, Any]:
    """Years to come up to one, what uses lack in it and of elements; nothing if not asked for."""
    if to is None:
        return {}
    # imported here: the model is loaded for it, which a page needs for nothing else
    from reebayes.forecasting.elemental import deficits_of_groups
    from reebayes.forecasting.running import outlook
    from reebayes.forecasting.telling import deficits

    tree = outlook(fit, to)
    return {"outlook": (tree, deficits(tree, to)), "elements": deficits_of_groups(tree)}


def _surveys(files: Sequence[Path]) -> list[Surveyed]:
    """What the surveys that were given say."""
    if not files:
        return []
    from reebayes.elicitation.surveys import survey

    return [survey(file) for file in files]


def _judgements(files: Sequence[Path]) -> Pooled | None:
    """What experts judged in the forms that were given, pooled."""
    if not files:
        return None
    from reebayes.elicitation.pooling import pool

    return pool(files)


def _hangs(fit: DataTree, file: Path) -> SensitivitySummary | None:
    """What the answers of a fit hang on; nothing, with a word, where the fit does not say it.

    It is kept beside the fit, so that no page waits for it again.
    """
    from reebayes.errors import ResultError
    from reebayes.results.description import study_of

    try:
        study = study_of(fit)
        # imported here: a fit that does not hold its study is read without the model
        from reebayes.experiments.overview import kept_summary

        kept = file.with_suffix(".sensitivity.json")
        if not kept.is_file():  # a minute of silence otherwise
            say(f"Working out what the answers hang on; {kept} keeps it for the next page.")
        return kept_summary(fit, kept, study=study)
    except ResultError as error:
        complain(f"The page does not say what the answers hang on: {str(error).splitlines()[0]}")
        return None


def _refits(fit: DataTree, file: Path) -> ReportRefits | None:
    """Refits that were kept beside a fit; a word on those of another one, and nothing is fitted."""
    from reebayes.answers.hangs import ReportRefits

    path = file.with_suffix(REFITS)
    found = ReportRefits.kept(path, fit)
    if found is None and path.is_file():
        complain(f"{path} is damaged or of another fit, and not shown: make it again with "
                 f"`reebayes sensitivity {file} --refits`.")  # fmt: skip
    return found


def _multiverse(fit: DataTree, file: Path, given: Path | None) -> Multiverse | None:
    """The multiverse that was made of the study of a fit; a word on one of another study.

    It is the one that is given, lies beside the fit, or comes with the bundled study.
    """
    from reebayes.results.multiverse import read_multiverse
    from reebayes.study import study_folder

    path = given or file.with_suffix(SUFFIX)
    bundled = study_folder() / FILE
    if not given and not path.is_file():
        return read_multiverse(bundled) if bundled.is_file() else None
    found = read_multiverse(path)
    if found.study_hash != fit.attrs.get("study_hash"):
        complain(f"{path} is of another study, and not shown.")
    return found


def _add_report(commands: Commands) -> None:
    parser = add_command(
        commands, report,
        brief="write a saved fit as one HTML page",
        text="Write one self-contained HTML page: figures with bands, a Sankey diagram, records "
        "and sources.",
        example="reebayes report results/fit.nc --year 2010 --out report_2010.html",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html", help="page to write (default: beside the fit)"
    )
    parser.add_argument(
        "--year", type=year_number, metavar="Y",
        help="year of the Sankey diagram (default: the study's)",
    )  # fmt: skip
    parser.add_argument(
        "--force", action="store_true", help="report a fit that did not converge, with a banner"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="DIR", help="show the scores that `reebayes compare` wrote"
    )
    parser.add_argument("--outlook", type=year_number, metavar="YEAR",
                        help="show an outlook up to a year")  # fmt: skip
    parser.add_argument(
        "--survey", action="append", type=Path, default=[], metavar="FILE",
        help="show a survey, a file or one that comes along, as `reebayes survey` reads it",
    )  # fmt: skip
    parser.add_argument(
        "--judgement", action="append", type=Path, default=[], metavar="FORM.csv",
        help="show what experts judged in forms, as `reebayes elicit` reads them",
    )  # fmt: skip
    parser.add_argument(
        "--multiverse", type=file_name, metavar="FILE.json",
        help="show the multiverse that `reebayes study` wrote, if it is of this study (default: "
        "FIT.multiverse.json, or what comes with the bundled study)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="take labels, notes and [report] from the study as it is now (default: as fitted)",
    )  # fmt: skip
    add_with(parser)
    add_recalled(parser)


def export(
    *, file: Path, verify: bool, to: str, out: Path | None, probability: float = CI_PROB
) -> int:
    """Write the bands of a saved fit as tables."""
    from reebayes.files import sole_writer
    from reebayes.reporting.tables import export_tables

    single = SINGLE.get(to)
    beside = file.with_name(f"{file.stem}_tables")
    if single is not None:
        beside = file.with_name(f"{file.stem}{single}")
    out = out or beside
    if single is not None:
        spare(out, [file])
    else:
        out = named_folder(out)
        spare_folder(out, [file])
    with closing(opened(file, verify=verify)) as fit, sole_writer(out):
        if to == "iamc":
            paths = _iamc(fit, out, probability)
        elif to == "latex":
            paths = _latex(fit, out, probability)
        else:
            tables = export_tables(fit, ci_prob=probability, means=True)
            paths = _written(tables, to, out)
    say_written(paths)
    return DONE


def _written(tables: Mapping[str, pd.DataFrame], to: str, out: Path) -> list[Path]:
    from reebayes.reporting.spreadsheets import write_csv, write_parquet, write_xlsx

    if to == "xlsx":
        return [write_xlsx(tables, out)]
    return write_parquet(tables, out) if to == "parquet" else write_csv(tables, out)


def _iamc(fit: DataTree, out: Path, probability: float) -> list[Path]:
    """One table in the layout of the IAMC: a workbook, if the file's ending says so, or CSV."""
    from reebayes.files import write_whole
    from reebayes.reporting.iamc import iamc_table
    from reebayes.reporting.spreadsheets import write_table, write_xlsx

    table = iamc_table(fit, ci_prob=probability)
    if out.suffix.lower() == ".xlsx":
        return [write_xlsx({"data": table}, out)]  # the sheet that pyam looks for
    return [write_whole(out, lambda path: write_table(table, path, digits=6))]


def _latex(fit: DataTree, out: Path, probability: float) -> list[Path]:
    from reebayes.files import plain_file, write_text_whole
    from reebayes.reporting.latex import latex_tables

    found = latex_tables(fit, ci_prob=probability)
    paths = {out / f"{name}.tex": text for name, text in found.items()}
    for path in paths:
        plain_file(path)
    return [write_text_whole(path, text) for path, text in paths.items()]


def _add_export(commands: Commands) -> None:
    parser = add_command(
        commands, export,
        brief="write the bands of a saved fit as tables",
        text="Write means, medians and bands of all quantities and flows, their sums over the "
        "years, records and\nsources as CSV or Parquet files in a folder or as one Excel "
        "workbook. latex writes the headline\nquantities for a manuscript (booktabs), iamc one "
        "table that pyam reads, with quantiles as variables.",
        example="reebayes export results/fit.nc --to xlsx --out bands.xlsx",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument(
        "--to", choices=("csv", "xlsx", "parquet", "latex", "iamc"), required=True,
        help="kind of table",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="PATH",
        help="folder (csv, parquet, latex), workbook (xlsx) or file (iamc, .csv or .xlsx) to write "
        "(default: beside the fit)",
    )  # fmt: skip
    parser.add_argument(
        "--probability", type=_probability, default=CI_PROB, metavar="P",
        help="probability inside the bands (default: 0.9)",
    )  # fmt: skip


def _probability(text: str) -> float:
    """Read a probability between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise ArgumentTypeError(f"{text!r} is no probability between 0 and 1, such as 0.9")
    return value


def learnt(
    *,
    file: Path,
    verify: bool,
    csv: str | None,
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
) -> int:
    """Print contraction, influence and conflict of a fit; write the tables if given a folder."""
    from reebayes.answers.drivers import driver_tables, driver_text
    from reebayes.files import sole_writer
    from reebayes.reporting.spreadsheets import write_csv

    out = named_folder(Path(csv) if csv else file.with_name(f"{file.stem}_learnt"))
    if csv is not None:
        spare_folder(out, [file])
    with closing(opened(file, verify=verify)) as fit:
        say(f"{driver_text(fit)}\n\n{_directions(fit, data, extensions, recalled=recalled)}")
        if csv is None:
            return DONE
        with sole_writer(out):
            paths = write_csv(driver_tables(fit), out)
    say_written(paths)
    return DONE


def _add_learnt(commands: Commands) -> None:
    parser = add_command(
        commands, learnt,
        brief="tell posterior contraction and influence of records",
        text="Tell by how much the records narrow the prior of the headline quantities (posterior "
        "contraction),\nwhich records and reporters move them most (PSIS-LOO influence), which "
        "records conflict with the\nrest (leave-one-out predictive conflict), and how many "
        "directions of the unknowns the records\ninform (local identifiability).",
        example="reebayes learnt results/fit.nc --csv tables",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument(
        "--csv", nargs="?", const="", metavar="DIR",
        help="write the whole tables into a folder too (default: beside the fit)",
    )  # fmt: skip
    add_data(parser, of="the study that was fitted", default="as fitted")
    add_recalled(parser)


def _directions(
    fit: DataTree, directory: Path | None, extensions: Sequence[str], *, recalled: bool
) -> str:
    """Local identifiability, as the fit has it; or of another study at the same unknowns."""
    from reebayes.results.reading import contents_of
    from reebayes.results.summaries import directions_text

    study = study_as_now(directory, extensions, recalled=recalled)
    if study is None:
        counts = contents_of(fit).directions
        return (
            directions_text(counts)
            if counts
            else "The fit does not say which directions its records inform."
        )
    from reebayes.inference.identifiability import identify

    return directions_text(identify(study, fit).attrs)
