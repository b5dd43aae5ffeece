"""``run`` and ``fit``: a study fitted once, saved and marked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from reebayes.cli.console import DONE, NOT_CONVERGED, complain, say
from reebayes.cli.options import (
    Adder,
    Commands,
    add_command,
    add_sampling,
    described,
    spare,
    study_files,
    year_number,
)
from reebayes.cli.readers import report
from reebayes.provenance import asked_for, is_asked_for
from reebayes.study import Study, read_study


def adders() -> dict[str, Adder]:
    """Return what adds each of these commands, by name."""
    return {"run": _add_run, "fit": _add_fit}


def run(
    *,
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
    out_dir: Path,
    again: bool,
    outlook: int | None,
    seed: int,
    draws: int | None,
    tune: int | None,
    chains: int | None,
    target_accept: float | None,
) -> int:
    """Check a study, fit it unless that very fit is there, and write the report."""
    from reebayes.files import sole_writer

    out, page = out_dir / "fit.nc", out_dir / "report.html"
    settings = _given(seed=seed, draws=draws, tune=tune, chains=chains, target_accept=target_accept)
    study = _announced(data, extensions, out, page, recalled=recalled)
    if outlook is not None:
        # imported here, since it loads the model; said before minutes of a fit
        from reebayes.forecasting.running import require_year_to_come

        require_year_to_come(study, outlook)
    with sole_writer(out):
        code = None if again else _finished(study, out, settings)
        if code is None:
            code = _fitted(study, out, settings)
        if code != DONE:
            return code
        return report(
            file=out, out=page, year=None, force=False, compare=None, outlook=outlook,
            multiverse=None, survey=(), judgement=(), data=None, extensions=(), recalled=recalled,
            verify=False,
        )  # fmt: skip


def _add_run(commands: Commands) -> None:
    parser = add_command(
        commands, run,
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
    parser.add_argument("--outlook", type=year_number, metavar="YEAR",
                        help="show an outlook up to a year in the report")  # fmt: skip
    add_sampling(parser)


def fit(
    *,
    data: Path | None,
    extensions: Sequence[str],
    recalled: bool,
    out: Path,
    seed: int,
    draws: int | None,
    tune: int | None,
    chains: int | None,
    target_accept: float | None,
) -> int:
    """Fit a study and save the draws."""
    from reebayes.files import sole_writer

    settings = _given(seed=seed, draws=draws, tune=tune, chains=chains, target_accept=target_accept)
    study = _announced(data, extensions, out, recalled=recalled)
    with sole_writer(out):  # a fit that cannot be saved is not worth starting
        return _fitted(study, out, settings)


def _add_fit(commands: Commands) -> None:
    parser = add_command(
        commands, fit,
        brief="fit a study and save the draws",
        text="Sample the posterior of every flow and save it as netCDF. Numbers are the same "
        "for the\nsame study, seed and packages.",
        example="reebayes fit --data my_study --out my_fit.nc --seed 1",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("fit.nc"), metavar="FILE.nc",
        help="file to write (default: fit.nc)",
    )  # fmt: skip
    add_sampling(parser)


def _given(**settings: float | None) -> dict[str, Any]:
    """Settings of the sampler that were given; its own defaults stand for the others."""
    return {name: value for name, value in settings.items() if value is not None}


def _announced(
    data: Path | None, extensions: Sequence[str], *outs: Path, recalled: bool
) -> Study:  # fmt: skip
    study = read_study(data, recalled=recalled, extensions=extensions)
    for out in outs:
        spare(out, study_files(study))
    say(described(study))
    return study


def _fitted(study: Study, out: Path, settings: Mapping[str, Any]) -> int:
    with closing(
        _sampling().fit(study, **settings, progress=sys.stderr.isatty(), out=out)
    ) as result:
        return _told(out, result.attrs)


def _finished(study: Study, out: Path, settings: Mapping[str, Any]) -> int | None:
    """Tell of the very fit that is asked for, if it is there: it is not made twice."""
    from reebayes.results.description import redescribed
    from reebayes.results.fitfile import fit_attributes, open_fit, save_fit

    found, sampling = fit_attributes(out), _sampling()
    names = ("draws", "tune", "chains", "target_accept")
    usual = {name: getattr(sampling, name.upper()) for name in names}
    if not is_asked_for(found, asked_for(study.hash, **{**usual, **settings})):
        return None
    say(f"{out} is the fit asked for; it is not made again (unless with --again).")
    if found.get("description_hash") != study.description_hash:
        with closing(open_fit(out)) as opened:
            save_fit(redescribed(opened, study), out)
        say(f"{out}: labels, notes and report settings are those of the study as it is now.")
    return _told(out, found)


def _told(out: Path, attrs: Mapping[Any, Any]) -> int:
    say(f"{out}: {attrs.get('verdict', '')}")
    if attrs.get("converged") == "yes":
        return DONE
    complain(
        f"The fit did not converge. {out} is marked as such, and no report was written. "
        f"Draw or tune longer, or inspect it with `reebayes report {out} --force`."
    )
    return NOT_CONVERGED


def _sampling() -> ModuleType:
    """Load the sampler, which takes seconds and which no other command needs."""
    return import_module("reebayes.inference.sampling")
