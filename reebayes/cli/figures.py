"""``figures``: the figures of a saved fit as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.cli.console import DONE, say_written
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_fit_file,
    add_recalled,
    add_seed,
    add_with,
    named_folder,
    opened,
    spare_folder,
    study_as_now,
    year_span,
)
from reebayes.errors import ReebayesError

if TYPE_CHECKING:
    from xarray import DataTree

    from reebayes.results.reading import Fit
    from reebayes.study import Study

FORMATS = ("svg", "pdf", "png")


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"figures": _add_figures}


def figures(
    *,
    file: Path,
    verify: bool,
    sankey: bool,
    scenario: Sequence[str],
    years: Sequence[Sequence[int]] | None,
    format: Sequence[str],  # the option's name
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
    out: Path,
    seed: int,
) -> int:
    """Write the figures of a saved fit for a manuscript, or its Sankey diagrams."""
    from reebayes.files import make_folder, sole_writer
    from reebayes.reporting.papers import save_figures, save_sankey_figure
    from reebayes.results.description import redescribed

    if not sankey and (scenario or years):
        raise ReebayesError("--scenario and --years are of Sankey diagrams: add --sankey.")
    folder = named_folder(out)
    spare_folder(folder, [file])
    with closing(opened(file, verify=verify)) as fit:
        paths = []
        make_folder(folder)
        with sole_writer(folder):
            study = study_as_now(data, extensions, recalled=recalled)
            formats = list(dict.fromkeys(format))
            if not sankey:
                shown = fit if study is None else redescribed(fit, study)
                paths += save_figures(shown, folder, formats=formats)
            for name, asked in _asked(fit, scenario, study, seed=seed) if sankey else ():
                for span in _spans(asked, years):
                    stem = "_".join([*filter(None, ("sankey", name)), _span_text(span)])
                    ends = (span[0], span[-1])
                    of = fit if scenario else asked
                    paths += save_sankey_figure(asked, folder, stem, ends, of=of, formats=formats)
    say_written(paths)
    return DONE


def _asked(
    fit: DataTree, scenarios: Sequence[str], study: Study | None, *, seed: int
) -> Iterator[tuple[str, Fit]]:
    """Yield the fit, or each scenario asked for with its name."""
    from reebayes.answers.scenarios.running import scenario as run_scenario
    from reebayes.results.description import redescribed, study_of
    from reebayes.results.reading import contents_of

    if not scenarios:
        # read once: its tables serve every year
        yield "", contents_of(fit if study is None else redescribed(fit, study))
        return
    study = study_of(fit) if study is None else study
    for name in scenarios:  # all of them, before the first is worked out
        study.scenario(name)
    for name in dict.fromkeys(scenarios):
        yield name, run_scenario(fit, name, study, seed=seed)


def _spans(fit: Fit, asked: Sequence[Sequence[int]] | None) -> Sequence[Sequence[int]]:
    """Years and spans to draw: every year and all together, unless some are asked for."""
    from reebayes.figures.sankey import years_of

    if asked:
        return asked
    years = years_of(fit)
    spans = [[year] for year in years]
    whole = years == list(range(years[0], years[-1] + 1)) and len(years) > 1
    return [*spans, [years[0], years[-1]]] if whole else spans


def _span_text(span: Sequence[int]) -> str:
    return "-".join(str(year) for year in span)


def _add_figures(commands: Commands) -> None:
    parser = add_command(
        commands, figures,
        brief="write figures of a saved fit for a manuscript, or its Sankey diagrams",
        text="Write figures as files, 89 or 183 mm wide, text kept as text, with the data (CSV) "
        "and a caption beside\neach. --sankey draws Sankey diagrams in their place, likewise, of "
        "the flows of every year and of all years\ntogether, or of those that --years names; with "
        "--scenario what was beside what would have been, in one scale.",
        example="reebayes figures results/fit.nc --out pictures --format svg pdf",
    )  # fmt: skip
    add_fit_file(parser)
    parser.add_argument("--sankey", action="store_true", help="Sankey diagrams alone")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--format", nargs="+", choices=FORMATS, default=["svg"], metavar="FORMAT",
        help="svg, pdf, png: one or several (default: svg)",
    )  # fmt: skip
    parser.add_argument(
        "--years", nargs="+", type=year_span, metavar="Y[-Y]",
        help="years, and spans of years taken together (default: every year, and all together)",
    )  # fmt: skip
    parser.add_argument(
        "--scenario", nargs="+", default=[], metavar="NAME",
        help="scenarios of the study, beside what was (default: the fit alone)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="take labels and scenarios from the study as it is now (default: as fitted)",
    )  # fmt: skip
    add_with(parser)
    add_recalled(parser)
    add_seed(parser)
