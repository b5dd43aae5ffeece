"""``sensitivity`` and ``information``: what the answers of a fit hang on, and what would help."""

from __future__ import annotations

import argparse
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

if TYPE_CHECKING:
    import pandas as pd
    from xarray import DataTree

    from reebayes.results.reading import Contents
    from reebayes.results.selection import Span

SHOWN = 10
"""Rows of each table that are printed; files hold all."""

_SLOPES = ["slope", "error", "effect", "down", "up", "khat", "by"]
_BUDGET = ["kind", "share", "error", "removed", "sd"]
_LEFT_OUT = ["records", "without", "change", "error", "sd_ratio", "khat", "by"]
_FEWEST = ["records", "share", "first_order", "refitted", "error", "verdict"]
_WITHOUT = ["records", "median", "lower", "upper", "change", "error"]
_HELD = ["stated", "expected", "expected_lower", "expected_upper", "z", "z_screen", "verdict"]
_CONFLICTS = ["unknown", "year", "prior", "posterior", "shift", "years", "pulled_by"]
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
    refitting: dict[str, Any] = {"seed": seed, "workers": workers, "scheduler": scheduler}
    with closing(opened(file, verify=verify)) as fit, ExitStack() as stack:
        contents, years = _asked(fit, quantity)
        if folder is not None:
            make_folder(folder)
            stack.enter_context(sole_writer(folder))
        tables = sensitivities(
            contents, years, confirm=confirm, progress=True, **refitting,
            out=folder / "refits" if folder else None,
        )  # fmt: skip
        _tell(contents, years, tables, budget=budget, leave_out=leave_out, fewest=fewest,
              refitting=refitting, folder=folder)  # fmt: skip
        if refits is not None:
            kept = folder / "refits" if folder else file.with_name(f"{file.stem}_refits")
            _refit_for_report(contents, years, file, refits, kept, refitting)
    return DONE


def _refit_for_report(
    contents: Contents,
    years: Mapping[str, Span],
    file: Path,
    reporters: int,
    kept: Path,
    refitting: Mapping[str, Any],
) -> None:
    """Fit again what a report of a fit shows, tell it, and keep it beside the fit."""
    from reebayes.experiments.reported import report_refits
    from reebayes.files import make_folder, sole_writer

    make_folder(kept)
    with sole_writer(kept):
        found = report_refits(contents, list(years), reporters=reporters, out=kept, progress=True,
                              **refitting)  # fmt: skip
    for name, table in found.without.items():
        say(_headed(f"{name}: fitted again without each strong reporter",
                    table[table["by"] == "refit"], _WITHOUT))  # fmt: skip
    if len(found.conflicts):
        say(_headed("Predictive conflict of records that a refit was not shown", found.conflicts,
                    _HELD))  # fmt: skip
    path = file.with_suffix(REFITS)
    found.keep(path)
    say_written([path])


def _tell(
    contents: Contents,
    years: Mapping[str, Span],
    slopes: Mapping[str, pd.DataFrame],
    *,
    budget: bool,
    leave_out: str | None,
    fewest: bool,
    refitting: Mapping[str, Any],
    folder: Path | None,
) -> None:
    """Print the heads of all tables that are asked for, and write the whole ones."""
    tables: dict[str, pd.DataFrame] = {}
    for name, table in slopes.items():
        unit = table["unit"].iloc[0]
        say(_headed(f"{name} ({unit}): change of the mean if a prior's centre moves by one of its "
                    "standard deviations", table, _SLOPES))  # fmt: skip
        tables[f"sensitivity_{name}"] = table
    tables["prior_conflict"] = _tell_conflicts(contents)
    if budget:
        from reebayes.experiments.budgets import uncertainty_budget

        for name, span in years.items():
            table = uncertainty_budget(contents, name, span)
            say(_headed(f"{name}: uncertainty budget, shares of the variance", table, _BUDGET))
            tables[f"budget_{name}"] = table
        limits = contents.report.get("limits", ())
        if limits:
            say("Not quantified:\n" + "\n".join(f"  * {limit}" for limit in limits))
    if leave_out:
        from reebayes.experiments.leaving_out import leaving_out

        found = leaving_out(contents, years, by=leave_out, progress=True, **refitting,
                            out=folder / "refits" if folder else None)  # fmt: skip
        for name, table in found.items():
            say(_headed(f"{name}: without each {leave_out}", table, _LEFT_OUT))
            tables[f"without_{leave_out}_{name}"] = table
    if fewest:
        from reebayes.experiments.leaving_out import fewest_records

        for name, span in years.items():
            table = fewest_records(contents, name, span, **refitting)
            say(_headed(f"{name}: fewest records that move it by one standard deviation", table,
                        _FEWEST))  # fmt: skip
            tables[f"fewest_{name}"] = table.assign(names=table["names"].map(";".join))
    if folder is not None:
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


def _tell_conflicts(contents: Contents) -> pd.DataFrame:
    """Print what the records moved beyond what was assumed; return the whole table."""
    from reebayes.experiments.conflicts import prior_conflict

    table = prior_conflict(contents)
    beyond = table[table["conflict"]]
    title = (f"Prior-data conflict: {len(beyond)} of {len(table)} unknowns lie, in some year, more "
             "than 1.5 standard deviations of their prior from its median")  # fmt: skip
    say(_headed(title, beyond, _CONFLICTS) if len(beyond) else f"\n{title}")
    return table


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
        help="write the whole tables and figures there, and keep refits there",
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
    """The first rows of a table under a title."""
    shown = table[[name for name in columns if name in table]].head(SHOWN)
    text = shown.to_string(float_format=_number, na_rep="")
    return f"\n{title}\n{text}"


def _number(value: float) -> str:
    """Three digits, and no exponent of what is large."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
