"""``sensitivity`` and ``information``: what the answers of a fit hang on, and what would help."""

from __future__ import annotations

import argparse
import math
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reebayes.cli.console import DONE, say, say_written
from reebayes.cli.options import (
    REFITS,
    Adder,
    Commands,
    add_command,
    add_fit_file,
    add_seed,
    add_workers,
    named_folder,
    opened,
    positive,
    whole_number,
)
from reebayes.wording import rank_text

if TYPE_CHECKING:
    import pandas as pd
    from xarray import DataTree

    from reebayes.results.reading import Contents
    from reebayes.results.selection import Span

SHOWN = 10
"""Rows of each table that are printed; files hold all."""

# Those that a narrow terminal has no room for are last.
_SLOPES = ["down", "up", "rank", "by", "slope", "khat"]
_BUDGET = ["share", "error", "removed", "kind", "sd"]
_LEFT_OUT = ["change", "error", "by", "without", "records", "sd_ratio", "khat"]
_FEWEST = ["records", "share", "first_order", "refitted", "error"]
_WITHOUT = ["records", "median", "lower", "upper", "change", "error"]
_HELD = ["stated", "expected", "expected_lower", "expected_upper", "z", "z_screen", "verdict"]
_CONFLICTS = ["year", "prior", "posterior", "shift", "years"]
_FIGURES = ["quantity", "years", "alone", "error", "together", "perfect", "after"]


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"sensitivity": _add_sensitivity, "information": _add_information}


def sensitivity(
    *,
    file: Path,
    verify: bool,
    quantity: Sequence[str] | None,
    confirm: bool,
    budget: bool,
    leave_out: str | None,
    weights_only: bool,
    fewest: bool,
    refits: int | None,
    out: Path | None,
    seed: int,
    workers: int | None,
    scheduler: str | None,
) -> int:
    """Tell on which priors, errors and records the answers of a fit hang."""
    from reebayes.experiments.sensitivities import sensitivities
    from reebayes.files import make_folder, sole_writer

    folder = named_folder(out) if out else None
    kept = folder / "refits" if folder else file.with_name(f"{file.stem}_refits")
    refitting: dict[str, Any] = {"seed": seed, "workers": workers, "scheduler": scheduler,
                                 "out": kept, "progress": True}  # fmt: skip
    with closing(opened(file, verify=verify)) as fit, ExitStack() as stack:
        contents, years = _asked(fit, quantity)
        fits = confirm or fewest or refits is not None or (leave_out and not weights_only)
        for place in (folder, kept if fits else None):
            if place is not None:
                make_folder(place)
                stack.enter_context(sole_writer(place))
        slopes = sensitivities(contents, years, confirm=confirm, **refitting)
        tables = _tell_slopes(slopes, confirm=confirm)
        tables["prior_conflict"] = _tell_conflicts(contents)
        if budget:
            tables |= _tell_budgets(contents, years)
        if leave_out:
            tables |= _tell_left_out(contents, years, leave_out, refitting, refit=not weights_only)
        if fewest:
            tables |= _tell_fewest(contents, years, refitting)
        if folder is not None:
            _write(tables, slopes, folder)
        if refits is not None:
            _refit_for_report(contents, years, file, refits, refitting)
    return DONE


def _refit_for_report(
    contents: Contents,
    years: Mapping[str, Span],
    file: Path,
    reporters: int,
    refitting: Mapping[str, Any],
) -> None:
    """Fit again what a report of a fit shows, tell it, and keep it beside the fit."""
    from reebayes.experiments.reported import report_refits

    found = report_refits(contents, list(years), reporters=reporters, **refitting)
    for name, table in found.without.items():
        say(_headed(f"{name}: fitted again without each strong reporter",
                    table[table["by"] == "refit"], _WITHOUT))  # fmt: skip
        _tell_unanswered(_NO_REFIT, _without_refit(table))
    if len(found.conflicts):
        say(_headed("Predictive conflict of records that a refit was not shown", found.conflicts,
                    _HELD))  # fmt: skip
    path = file.with_suffix(REFITS)
    found.keep(path)
    say_written([path])


def _tell_slopes(slopes: Mapping[str, pd.DataFrame], *, confirm: bool) -> dict[str, pd.DataFrame]:
    """Print on which priors and settings each answer hangs most; return the whole tables."""
    from reebayes.experiments.sensitivities import SETTING

    for name, table in slopes.items():
        setting = table["target"] == SETTING
        say(_headed(f"{name} ({table['unit'].iloc[0]}): change of the mean if a prior's centre "
                    "moves by one of its standard deviations (~: to first order only, without an "
                    "error; rank: places that the errors leave open)",
                    _slope_cells(table[~setting].head(SHOWN)), _SLOPES))  # fmt: skip
        say("Settings, change of the mean under another one:")
        for label, row in table[setting].iterrows():
            say(_wrapped(f"{label}: {_setting_text(row, confirm=confirm)}"))
        _tell_unanswered(_NO_REFIT, table.loc[~setting & (table["verdict"] != ""), "verdict"])
    return {f"sensitivity_{name}": table for name, table in slopes.items()}


_NO_REFIT = "did not pass, or could not be fitted"


def _slope_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Changes with their errors, and ranks, as text."""
    cells = {
        column: [_with_error(row[column], row[error], first_order=row["by"] == "slope")
                 for _, row in table.iterrows()]
        for column, error in (("down", "down_error"), ("up", "up_error"))
    }  # fmt: skip
    slopes = [_with_error(*pair) for pair in zip(table["slope"], table["error"], strict=True)]
    return table[["by", "khat"]].assign(rank=list(map(rank_text, table["rank_from"],
                                                      table["rank_to"])),
                                        slope=slopes, **cells)  # fmt: skip


def _setting_text(row: pd.Series, *, confirm: bool) -> str:
    """What an answer would be under another setting, or why nobody knows."""
    if math.isfinite(row["up"]):
        rank = rank_text(row["rank_from"], row["rank_to"])
        return f"{_with_error(row['up'], row['up_error'])} by {row['by']} (rank {rank})"
    return f"{row['verdict']}{'' if confirm else '; --confirm fits again with it'}"


def _with_error(value: float, error: float, *, first_order: bool = False) -> str:
    """A change with its standard error; marked where it is to first order and has none."""
    if not math.isfinite(value):
        return ""
    beside = f" ± {_number(error, digits=2)}" if math.isfinite(error) else ""
    return f"{'~' if first_order else ''}{_number(value)}{beside}"


def _tell_conflicts(contents: Contents) -> pd.DataFrame:
    """Print what the records moved beyond what was assumed; return the whole table."""
    from reebayes.experiments.conflicts import prior_conflict

    table = prior_conflict(contents)
    beyond = table[table["conflict"]]
    title = (f"Prior-data conflict: {len(beyond)} of {len(table)} unknowns lie, in some year, more "
             "than 1.5 standard deviations of their prior from its median")  # fmt: skip
    if beyond.empty:
        say(_title(title))
        return table
    shown = beyond.head(SHOWN).set_index("unknown")
    say(_headed(title, shown, _CONFLICTS))
    say("Pulled there by, with what each record adds to the shift (~: to first order):")
    for unknown, row in shown.iterrows():
        say(_wrapped(f"{unknown} {row['year']}".rstrip() + f": {row['pulled_by']}"))
    return table


def _tell_budgets(contents: Contents, years: Mapping[str, Span]) -> dict[str, pd.DataFrame]:
    """Print from which inputs the variance of each answer comes; return the whole tables."""
    from reebayes.experiments.budgets import uncertainty_budget, with_limits

    tables = {}
    for name, span in years.items():
        table = uncertainty_budget(contents, name, span)
        say(_headed(f"{name}: uncertainty budget, shares of the variance", table, _BUDGET))
        tables[f"budget_{name}"] = with_limits(table)
    limits = contents.report.get("limits", ())
    if limits:
        say("\n".join(["Not quantified:", *(_wrapped(f"* {limit}") for limit in limits)]))
    return tables


def _tell_left_out(
    contents: Contents,
    years: Mapping[str, Span],
    by: str,
    refitting: Mapping[str, Any],
    *,
    refit: bool,
) -> dict[str, pd.DataFrame]:
    """Print each answer without each of something; return the whole tables."""
    from reebayes.experiments.leaving_out import leaving_out

    tables = leaving_out(contents, years, by=by, refit=refit, **refitting)
    title = _NO_REFIT if refit else "have no answer by weights, and were not fitted again"
    for name, table in tables.items():
        say(_headed(f"{name}: without each {by}", table, _LEFT_OUT))
        _tell_unanswered(title, table.loc[table["by"] == "", "verdict"])
    return {f"without_{by}_{name}": table for name, table in tables.items()}


def _tell_fewest(
    contents: Contents, years: Mapping[str, Span], refitting: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    """Print the fewest records that move each answer; return the whole tables."""
    from reebayes.experiments.leaving_out import fewest_records

    tables = {}
    for name, span in years.items():
        table = fewest_records(contents, name, span, **refitting)
        say(_headed(f"{name}: fewest records that move it by one standard deviation", table,
                    _FEWEST))  # fmt: skip
        wanted = (table["verdict"] != "") & table["refitted"].isna()
        _tell_unanswered(_NO_REFIT, table.loc[wanted, "verdict"])
        tables[f"fewest_{name}"] = table.assign(names=table["names"].map(";".join))
    return tables


def _without_refit(table: pd.DataFrame) -> pd.Series:
    """Verdicts on rows that were to be fitted again and have no refit."""
    from reebayes.experiments.sensitivities import WEIGHTS_FAIL

    wanted = (table["verdict"] != "") & ~table["verdict"].str.startswith(WEIGHTS_FAIL)
    return table.loc[wanted & (table["by"] != "refit"), "verdict"]


def _tell_unanswered(title: str, verdicts: pd.Series) -> None:
    """Print the verdicts on rows that a table has no answer for, or not the one asked for."""
    if verdicts.empty:
        return
    count = len(verdicts)
    say(f"{count} row{'' if count == 1 else 's'} {title}:")
    for label, verdict in verdicts.head(SHOWN).items():
        say(_wrapped(f"{label}: {verdict}"))
    if count > SHOWN:
        say(f"  and {count - SHOWN} more; the files that --out writes hold all")


def _write(
    tables: Mapping[str, pd.DataFrame], slopes: Mapping[str, pd.DataFrame], folder: Path
) -> None:
    """Write the whole tables, and a tornado of each answer."""
    from reebayes.figures.tornado import plot_tornado
    from reebayes.files import write_whole
    from reebayes.reporting.spreadsheets import write_csv

    paths = write_csv({key: table.reset_index() for key, table in tables.items()}, folder)
    for name, table in slopes.items():
        figure = plot_tornado(table, title=name).get_figure(root=True)
        if figure is not None:
            save = partial(figure.savefig, dpi=150, format="png")
            paths.append(write_whole(folder / f"tornado_{name}.png", save))
    say_written(paths)


def information(
    *,
    file: Path,
    verify: bool,
    quantity: Sequence[str] | None,
    sd: float,
    reporter: str | None,
    count: int,
    out: Path | None,
) -> int:
    """Tell which new figures would narrow the bands of the answers most."""
    from reebayes.answers.information import value_of_information
    from reebayes.files import make_folder, sole_writer
    from reebayes.reporting.spreadsheets import write_csv

    folder = named_folder(out) if out else None
    with closing(opened(file, verify=verify)) as fit:
        contents, years = _asked(fit, quantity)
        if folder is not None:
            make_folder(folder)
        tables = {}
        for name, span in years.items():
            table = value_of_information(contents, name, span, sd=sd, reporter=reporter,
                                         count=count)  # fmt: skip
            before, unit = table["before"].iloc[0], table["unit"].iloc[0]
            say(_headed(f"{name}: figures worth finding; the 90 % band is {before:.4g} {unit} wide "
                        "now", table, _FIGURES))  # fmt: skip
            tables[f"information_{name}"] = table
    if folder is not None:
        with sole_writer(folder):
            say_written(write_csv({key: t.reset_index() for key, t in tables.items()}, folder))
    return DONE


def _add_sensitivity(commands: Commands) -> None:
    parser = add_command(
        commands, sensitivity,
        brief="tell on which priors, errors and records the answers hang",
        text="Tell by how much each answer moves with every prior, correlated error, noise scale "
        "and setting,\nfrom the draws of one fit; with --confirm, fit again where the draws do not "
        "settle it.",
        example="reebayes sensitivity results/fit.nc --budget --leave-out source --out sensitivity",
    )  # fmt: skip
    add_fit_file(parser)
    _add_quantity(parser)
    parser.add_argument(
        "--confirm", action="store_true",
        help="fit again the rows on which an answer hangs and whose weights fail",
    )  # fmt: skip
    parser.add_argument(
        "--budget", action="store_true", help="print the uncertainty budget of each answer"
    )
    parser.add_argument(
        "--leave-out", choices=("source", "reporter", "record", "kind"),
        help="tell what each answer would be without each of these (fits again where needed)",
    )  # fmt: skip
    parser.add_argument(
        "--weights-only", action="store_true",
        help="with --leave-out, fit nothing again: rows whose weights fail stay empty",
    )  # fmt: skip
    parser.add_argument(
        "--fewest", action="store_true",
        help="find the fewest records that move an answer by a standard deviation, and fit again",
    )  # fmt: skip
    parser.add_argument(
        "--refits", nargs="?", const=10, type=whole_number(1, 100), metavar="N",
        help="fit again what a report shows: without each of the N reporters that move an answer "
        "most (default: 10), and without each record in conflict with the rest; kept beside the "
        "fit, where `reebayes report` finds it",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="write the whole tables and figures there, and keep refits there (default: nothing is "
        "written but refits, in FIT_refits beside the fit)",
    )  # fmt: skip
    add_seed(parser)
    add_workers(parser)


def _add_information(commands: Commands) -> None:
    parser = add_command(
        commands, information,
        brief="tell which new figures would narrow the bands most",
        text="Tell which figures, if somebody found them, would narrow the band of each answer "
        "most: the best\none, the best beside it, and so on, from the draws of one fit.",
        example="reebayes information results/fit.nc --quantity smuggled_CN --count 3",
    )  # fmt: skip
    add_fit_file(parser)
    _add_quantity(parser)
    parser.add_argument(
        "--sd", type=positive, default=0.1, metavar="X",
        help="standard error of a new figure, on the log scale (default: 0.1)",
    )  # fmt: skip
    parser.add_argument(
        "--reporter", metavar="NAME", help="who would print it (default: a new reporter)"
    )
    parser.add_argument(
        "--count", type=whole_number(1, 100), default=5, metavar="N",
        help="figures to choose (default: 5)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the whole tables there")


def _add_quantity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quantity", action="append", metavar="NAME",
        help="an answer, summed over all years, or a ratio in the last; may be given several times "
        "(default: the headline quantities)",
    )  # fmt: skip


def _asked(fit: DataTree, quantities: Sequence[str] | None) -> tuple[Contents, dict[str, Span]]:
    """The fit with its tables read once, and the sums that are asked of it; of a ratio a year."""
    from reebayes.experiments.overview import asked_years
    from reebayes.results.reading import contents_of, require_known

    contents = contents_of(fit)
    names = list(quantities or contents.headline())
    require_known(names, contents.units.index, "quantity")
    return contents, asked_years(contents, names)


def _headed(title: str, table: pd.DataFrame, columns: Sequence[str]) -> str:
    """The first rows of a table under a title, with the columns for which there is room."""
    shown, dropped = [name for name in columns if name in table], list[str]()
    while True:
        text = table[shown].head(SHOWN).to_string(float_format=_number, na_rep="")
        if len(shown) == 1 or max(len(line.rstrip()) for line in text.splitlines()) <= _room():
            break
        dropped.insert(0, shown.pop())
    beside = f"\n(no room for: {', '.join(dropped)})" if dropped else ""
    return f"{_title(title)}\n{text}{beside}"


def _title(words: str) -> str:
    return "\n" + textwrap.fill(words, _room(), break_long_words=False, break_on_hyphens=False)


def _room() -> int:
    """Columns of the terminal, or as COLUMNS says; a file has room enough."""
    return shutil.get_terminal_size((10_000, 24)).columns


def _wrapped(text: str) -> str:
    """A line of a list, in as many lines as the terminal needs."""
    return textwrap.fill(text, _room(), initial_indent="  ", subsequent_indent="      ",
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _number(value: float, *, digits: int = 3) -> str:
    """A few digits, and no exponent of what is large."""
    return f"{value:,.0f}" if abs(value) >= 10**digits - 0.5 else f"{value:.{digits}g}"
