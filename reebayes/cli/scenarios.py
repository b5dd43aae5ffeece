"""``scenario``: what would have been, from the draws of one fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.cli.console import DONE, say, say_written
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_fit_file,
    add_recalled,
    add_seed,
    add_with,
    fit_and_study,
    named_folder,
    positive,
    spare_folder,
    year_span,
)
from reebayes.wording import format_value

if TYPE_CHECKING:
    import pandas as pd

    from reebayes.results.selection import Span
    from reebayes.study import Study

_COLUMNS = ["factual", "counterfactual", "difference", "lower", "upper", "x", "probability"]

_PROBABILITY = "probability: that use falls by more than x, or more than x is stranded or short"

PAGE = "scenarios.html"
"""Name of the page in the folder that is written."""


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"scenario": _add_scenario}


def scenario(
    *,
    file: Path,
    verify: bool,
    names: Sequence[str],
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
    years: Sequence[int] | None,
    above: float | None,
    out: Path | None,
    seed: int,
) -> int:
    """Tell what would have been in one or several scenarios of a study."""
    from reebayes.answers.scenarios.effects import effect
    from reebayes.answers.scenarios.running import scenario as run_scenario
    from reebayes.files import make_folder, sole_writer

    folder = named_folder(out) if out else None
    if folder is not None:
        spare_folder(folder, [file])
    asked = fit_and_study(file, data, extensions, verify=verify, recalled=recalled)
    with asked as (fit, study):
        if not names:
            say(_listed(study))
            return DONE
        for name in names:  # all of them, before the first is worked out
            study.scenario(name)
        span = _span(years)
        trees = [run_scenario(fit, name, study, seed=seed) for name in dict.fromkeys(names)]
        tables = [effect(tree, years=span, x=above) for tree in trees]
        for table in tables:
            say(_told(table))
        if folder is None:
            return DONE
        from reebayes.reporting.scenarios import scenario_tables, write_scenarios
        from reebayes.reporting.spreadsheets import write_csv

        make_folder(folder)
        with sole_writer(folder):
            paths = [write_scenarios(fit, trees, folder / PAGE, years=span, x=above)]
            for tree, table in zip(trees, tables, strict=True):
                paths += write_csv(scenario_tables(tree, table), folder)
    say_written(paths)
    return DONE


def _span(years: Sequence[int] | None) -> Span:
    if not years:
        return None
    return years[0] if len(years) == 1 else (years[0], years[1])


def _listed(study: Study) -> str:
    """Scenarios of a study, for who named none."""
    if not study.scenarios:
        return "The study has no scenario; write one in [scenarios] of study.toml."
    return "\n".join(f"{name}: {table['label']}" for name, table in study.scenarios.items())


def _told(table: pd.DataFrame) -> str:
    """The sentence, and the rows of use and of what finds no place."""
    shown = table[table["what"] != "unmet"]
    shown = shown[(shown["what"] == "use") | (shown["difference"] != 0)]
    text = shown[["unit", *_COLUMNS]].to_string(float_format=format_value)
    return f"\n{table.attrs['sentence']}\n{text}\n{_PROBABILITY}"


def _add_scenario(commands: Commands) -> None:
    parser = add_command(
        commands, scenario,
        brief="tell what would have been: trade shut, a mine opened, a quota",
        text="Solve the mass balance of every draw of a fit again with what a scenario of "
        "study.toml changes,\nand tell what that does to use, what it strands and what is missing. "
        "Nothing is fitted again; a\nscenario written since the fit is read from --data. Without a "
        "name the scenarios are listed.",
        example="reebayes scenario results/fit.nc no_trade_2022 new_mine --data data --out what_if",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios of the study")
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="take scenarios from the study as it is now (default: as fitted)",
    )  # fmt: skip
    add_with(parser)
    add_recalled(parser)
    parser.add_argument(
        "--years", type=year_span, metavar="YEARS",
        help="a year of the scenario or a span, summed (default: all its years)",
    )  # fmt: skip
    parser.add_argument(
        "--above", type=positive, metavar="X",
        help="tell the probability of a loss above X, in the unit (default: a tenth of what was)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write a page and the whole tables there"
    )
    add_seed(parser)
