"""``outlook``, ``hindcast`` and ``projects``: years to come, and what is planned for them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.cli.console import DONE, say, say_written
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_data,
    add_fit_file,
    add_recalled,
    add_seed,
    add_with,
    comma_separated,
    file_name,
    fit_and_study,
    named_folder,
    opened,
    positive,
    spare,
    spare_folder,
    study_files,
    year_number,
)
from reebayes.errors import ReebayesError
from reebayes.wording import format_band, format_value

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from reebayes.study import Study

HELD_ALONE = {"": "all", "flows": "compositions alone", "compositions": "flows alone"}
"""What is held at its mean, and what a band tells then."""

PAGE = "outlook.html"
"""Name of the page in the folder that is written."""


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"outlook": _add_outlook, "hindcast": _add_hindcast, "projects": _add_projects}


def outlook(
    *,
    file: Path,
    verify: bool,
    to: int,
    scenario: Sequence[str],
    begin: int | None,
    element: Sequence[str],
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
    above: float | None,
    out: Path | None,
    seed: int,
) -> int:
    """Look ahead from a fit: supply with projects against demand, with bands."""
    from reebayes.files import make_folder, sole_writer
    from reebayes.forecasting.running import outlook as look_ahead
    from reebayes.forecasting.telling import deficits

    folder = named_folder(out) if out else None
    if folder is not None:
        spare_folder(folder, [file])
    asked = fit_and_study(file, data, extensions, verify=verify, recalled=recalled)
    with asked as (fit, study):
        for name in scenario:  # all of them, before anything is worked out
            study.scenario(name)
        plain = look_ahead(fit, to, study, seed=seed)
        trees = [plain]
        if scenario:
            names = list(dict.fromkeys(scenario))
            trees.append(look_ahead(fit, to, study, scenarios=names, begin=begin, seed=seed))
        tables = [deficits(tree, to, x=above) for tree in trees]
        held = [_elements(tree, study, element, x=above, seed=seed) for tree in trees]
        for tree, table, found in zip(trees, tables, held, strict=True):
            say(_told(tree, table) + _elements_told(found))
        if folder is None:
            return DONE
        from reebayes.reporting.outlooks import outlook_tables, write_outlook
        from reebayes.reporting.spreadsheets import write_csv

        make_folder(folder)
        with sole_writer(folder):
            page = folder / PAGE
            paths = [write_outlook(fit, study, trees, page, tables=tables, elements=held)]
            for tree, table, found in zip(trees, tables, held, strict=True):
                paths += write_csv(outlook_tables(tree, table, found), folder)
    say_written(paths)
    return DONE


def _told(tree: xr.DataTree, table: pd.DataFrame) -> str:
    """Bands of what is mined and used, and what uses lack, in words and rows."""
    from reebayes.forecasting.telling import sentence

    shown = table[table["by"] == "region"]
    text = shown.drop(columns=["by", "name", "unit", "ci_prob"]).to_string(
        index=False, float_format=format_value
    )
    return f"\n{sentence(tree, table)}\n{text}"


def _elements(
    tree: xr.DataTree, study: Study, names: Sequence[str], *, x: float | None, seed: int
) -> pd.DataFrame | None:
    """What uses lack of elements, every fifth year and in the last one; in that, held alone too."""
    if not names:
        return None
    import pandas as pd

    from reebayes.answers.layers import has_layers
    from reebayes.forecasting.elemental import element_deficits, years_told
    from reebayes.forecasting.running import LAST
    from reebayes.results.reading import contents_of

    # groups that are balanced have no uncertainty of one thing alone
    alone = [""] if has_layers(contents_of(tree.children[LAST])) else HELD_ALONE
    *years, last = years_told(tree)
    tables = []
    for name in dict.fromkeys(names):
        for held in alone:
            found = element_deficits(
                tree, last if held else [*years, last], name, x=x, held=held, seed=seed, study=study
            )
            found.insert(0, "element", name)
            found.insert(1, "held", held)
            tables.append(found)
    table = pd.concat(tables, ignore_index=True)
    table.attrs = {"assumption": tables[0].attrs["assumption"]}
    return table


def _elements_told(table: pd.DataFrame | None) -> str:
    """Probabilities by year, and bands of the last year with what each uncertainty alone leaves."""
    if table is None:
        return ""
    import pandas as pd

    from reebayes.forecasting.elemental import WHOLE

    keys = ["region", "supply", "asked"]
    parts = []
    # a terminal shows the world and what is outside each region; files hold the regions, too
    shown = table[table["region"].str.match(WHOLE)]
    for name, rows in shown.groupby("element", sort=False):
        plain = rows[rows["held"] == ""]
        chances = plain.pivot_table("probability", keys, "year", sort=False)
        rows_of = chances.to_string(float_format="{:.2f}".format)
        parts.append(
            f"\n{name}: P(deficit > x), x a tenth of what is asked for or --above\n{rows_of}"
        )
        last = rows[rows["year"] == rows["year"].max()].set_index(keys)
        bands = {
            told: [format_band(row.deficit, row.lower, row.upper) for row in part.itertuples()]
            for held, told in HELD_ALONE.items()
            for part in [last[last["held"] == held]]
            if len(part)
        }
        where = last[last["held"] == ""].index
        lines = pd.DataFrame(bands, index=where).to_string()
        parts.append(f"Deficit of {name} in {rows['year'].max()}, {rows['unit'].iloc[0]}\n{lines}")
    parts.append(
        "As before: as much as arrived in the last year of the fit, grown as uses do; recipes of "
        "applications are those\nof materials.csv. What is refined there is before losses of what "
        f"follows. {table.attrs['assumption']}"
    )
    return "\n" + "\n\n".join(parts)


def hindcast(
    *,
    file: Path,
    verify: bool,
    at: int,
    quantities: Sequence[str],
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
    out: Path,
    seed: int,
) -> int:
    """Cut a study at a past year, fit that, look ahead from there, and score it by what came."""
    from reebayes.files import make_folder, sole_writer
    from reebayes.forecasting.judging import cut_fit, hindcast_summary
    from reebayes.forecasting.judging import hindcast as score
    from reebayes.forecasting.running import outlook as look_ahead
    from reebayes.reporting.spreadsheets import write_csv
    from reebayes.study.periods import cut

    folder = named_folder(out)
    spare_folder(folder, [file])
    asked = fit_and_study(file, data, extensions, verify=verify, recalled=recalled)
    with asked as (truth, study):
        shorter = cut(study, at)
        make_folder(folder)
        with sole_writer(folder), closing(cut_fit(shorter, folder, seed=seed)) as fit:
            ahead = look_ahead(fit, study.last_year, shorter, seed=seed)
            names = list(quantities) or list(study.headline)
            table = score(fit, ahead, truth, quantities=names, projections=study.projections)
            found = hindcast_summary(table)
            say(found.to_string(float_format=format_value, na_rep="-"))
            name = f"hindcast_{at}"
            paths = write_csv({name: table, f"{name}_summary": found.reset_index()}, folder)
    say_written(paths)
    return DONE


def projects(
    *,
    data: Path | None,
    extensions: Sequence[str],
    at: int | None,
    picture: Path | None,
    fit: Path | None,
    years: Sequence[tuple[str, str]],
    out: Path | None,
) -> int:
    """Count projects by country and status, and list reserves by edition with their jumps."""
    if bool(years) != bool(fit):
        raise ReebayesError("--years and --fit go together: reserves over use need a fit.")
    from reebayes.answers.deposits import (
        deposit_shares,
        project_table,
        projects_by_country,
        reserve_table,
    )
    from reebayes.files import make_folder, sole_writer
    from reebayes.reporting.spreadsheets import write_csv
    from reebayes.study import read_study

    folder = named_folder(out) if out else None
    if folder is not None:
        spare_folder(folder)
    study = read_study(data, extensions=extensions)
    if picture is not None:
        spare(picture, study_files(study))
    sites = project_table(study, as_of=at)
    tables = {
        "projects_by_country": projects_by_country(study, as_of=at).reset_index(),
        "projects": sites.reset_index(),
        "reserves": reserve_table(study),
        "deposit_shares": deposit_shares(study),
    }
    if fit is not None:
        tables["reserve_years"] = _reserve_years(fit, study, years)
    say(_counted(study, tables))
    if picture is not None:
        from reebayes.figures.sites import save_projects

        say_written([save_projects(sites, picture)])
    if folder is None:
        return DONE
    make_folder(folder)
    with sole_writer(folder):
        paths = write_csv(tables, folder)
    say_written(paths)
    return DONE


def _reserve_years(
    file: Path, study: Study, years: Sequence[tuple[str, str]]
) -> pd.DataFrame:  # fmt: skip
    """Reserves of some countries over their use, in years, by edition."""
    import pandas as pd

    from reebayes.answers.deposits import reserve_years

    with closing(opened(file, verify=False)) as fit:
        found = [reserve_years(fit, study, country, used=used).assign(country=country, used=used)
                 for country, used in years]  # fmt: skip
    return pd.concat(found, ignore_index=True)


def _pair(text: str) -> tuple[str, str]:
    """Read a country and the quantity of its use."""
    country, equals, used = text.partition("=")
    if not (equals and country.strip() and used.strip()):
        raise argparse.ArgumentTypeError(f"must be COUNTRY=QUANTITY, got {text!r}")
    return country.strip(), used.strip()


def _counted(study: Study, tables: dict[str, pd.DataFrame]) -> str:
    """Projects by country, jumps of reserves and shares of deposits, or that there are none."""
    if not study.projects and not study.reserves:
        return "The study has no projects.csv and no reserves.csv."
    unit = study.unit
    parts = [
        f"Projects by country (capacity of those under construction or planned in {unit}, "
        "resource in Mt; no reserve and no forecast)",
        tables["projects_by_country"].to_string(index=False, float_format="{:.4g}".format),
    ]
    jumps = tables["reserves"][tables["reserves"]["jump"]]
    if len(jumps):
        columns = ["country", "edition", "before", "reserves", "recalled"]
        parts += [
            "\nJumps of reserves between editions (Mt): definitions, not depletion",
            jumps[columns].to_string(index=False, float_format="{:.4g}".format),
        ]
    if "reserve_years" in tables:
        rows = tables["reserve_years"][
            ["country", "edition", "reserves", "median", "lower", "upper"]
        ]
        parts += [
            "\nReserves (Mt) over the use of the year before, in years: no forecast",
            rows.to_string(index=False, float_format="{:.4g}".format),
        ]
    if len(tables["deposit_shares"]):
        parts += [
            "\nDeposits in the reserves of their country, by edition",
            tables["deposit_shares"].to_string(index=False, float_format=format_value),
        ]
    return "\n".join(parts)


def _add_outlook(commands: Commands) -> None:
    parser = add_command(
        commands, outlook,
        brief="look ahead: supply with projects against demand, with bands",
        text="Let the states of every draw of a fit go on, add projects as plans of the past came "
        "about,\nand set supply against demand by application, in balance. Nothing is fitted "
        "again. Projects\nand growth written since the fit are read from --data.",
        example="reebayes outlook results/fit.nc --to 2035 --element Nd+Pr --out ahead",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument("--to", type=year_number, default=2035, metavar="YEAR",
                        help="last year (default: 2035)")  # fmt: skip
    parser.add_argument(
        "--scenario", action="append", default=[], metavar="NAME",
        help="a scenario of the study on top; may be given several times",
    )  # fmt: skip
    parser.add_argument("--begin", type=year_number, metavar="YEAR",
                        help="year in which scenarios begin (default: the first)")  # fmt: skip
    parser.add_argument(
        "--element", action="append", default=[], metavar="NAME",
        help="tell what uses lack of an element or a sum such as Nd+Pr, too; may be given several "
        "times",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="take projects, growth and scenarios from the study as it is now (default: as fitted)",
    )  # fmt: skip
    add_with(parser)
    add_recalled(parser)
    parser.add_argument(
        "--above", type=positive, metavar="X",
        help="tell the probability of a deficit above X, in the unit (default: a tenth of demand)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write a page and the whole tables there"
    )
    add_seed(parser)


def _add_hindcast(commands: Commands) -> None:
    parser = add_command(
        commands, hindcast,
        brief="score an outlook from a past year against what came",
        text="Cut a study at a year, as if nothing later were known, fit what is left (kept in "
        "--out and not\nmade twice), look ahead from there, and score that against the fit of all "
        "records: coverage, and\nranked probability scores beside a random walk with drift and "
        "projections of the time.",
        example="reebayes hindcast results/fit.nc --at 2015 --out hindcast mined_world",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument("quantities", type=comma_separated, nargs="?", default=[],
                        metavar="NAME,...",
                        help="quantities or sums (default: those of the report)")  # fmt: skip
    parser.add_argument("--at", type=year_number, required=True, metavar="YEAR",
                        help="last year that is known")  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="take projects and projections from the study as it is now (default: as fitted)",
    )  # fmt: skip
    add_with(parser)
    add_recalled(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="write the fit of the cut study and the tables there")  # fmt: skip
    add_seed(parser)


def _add_projects(commands: Commands) -> None:
    parser = add_command(
        commands, projects,
        brief="count projects by country and status, and list reserves by edition",
        text="Count the projects of a study by country and status, and list reserves by edition "
        "with their\njumps. What is in the ground is no forecast.",
        example="reebayes projects --at 2015 --map projects.svg",
    )  # fmt: skip
    add_data(parser)
    parser.add_argument("--at", type=year_number, metavar="YEAR",
                        help="as known in a year (default: as known last)")  # fmt: skip
    parser.add_argument("--years", action="append", type=_pair, default=[],
                        metavar="COUNTRY=QUANTITY",
                        help="divide reserves of a country by its use, a quantity of --fit; may be "
                        "given several times")  # fmt: skip
    parser.add_argument("--fit", type=Path, metavar="FIT.nc", help="a fit, for --years")
    parser.add_argument("--map", dest="picture", type=file_name, metavar="FILE",
                        help="draw them on a map: .svg, .pdf or .png")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the tables there")
