"""Many studies as one run: whether more workers change anything, and what they cost beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from xarray import DataTree

from reebayes.experiments.studies import StudyRuns, run_studies
from reebayes.inference.sampling import fit
from reebayes.study import Study, read_study

CASES, RUNS, WORKERS = 200, 3, 2

YEARS = range(2000, 2015)
FLOWS = ("rock", "clay", "sand")

_HEADER = """\
name = "Three mines"
unit = "kt REO/yr"
first_year = {first}
last_year = {last}

[report]
headline = ["total"]
"""

_PROCESSES = """\
process,kind,region,label
nature,environment,,Ore in the ground
market,market,A,Market
use,use,A,Use
"""

_SOURCES = """\
source,citation,year,url,licence
book,A Book,2016,,public domain
guess,Authors' judgement,,,CC0-1.0
"""


def write_study(folder: Path) -> Study:
    """Write a study whose refits take about a second: three mines that supply one use."""
    span = f"{YEARS[0]}-{YEARS[-1]}"
    flows = ["flow,source,target,product,registered,active,label",
             *(f"{name},nature,market,ore,true,{span},{name}" for name in FLOWS),
             f"used,market,use,ore,true,{span},Used"]  # fmt: skip
    priors = ["target,year,year_end,distribution,median,sd,step,unit,source",
              *(f"{name},,,lognormal,5,0.5,0.2,kt REO/yr,guess" for name in FLOWS),
              "bias:office,,,normal,0,0.02,,log scale,guess",
              "noise:*,,,lognormal,1,0.3,,multiplier,guess",
              "step:input,,,lognormal,1,0.3,,multiplier,guess"]  # fmt: skip
    figures = np.random.default_rng(0).lognormal(np.log(5), 0.2, (len(YEARS), len(FLOWS)))
    records = ["record,quantity,year,year_end,kind,value,low,high,unit,sd,reporter,source,note"]
    records += [f"{name}{year},{name},{year},,value,{value:.3g},,,kt REO,0.1,office,book,"
                for year, row in zip(YEARS, figures, strict=True)
                for name, value in zip(FLOWS, row, strict=True)]  # fmt: skip
    quantities = ["quantity,part,flow,weight", *(f"total,num,{name},1" for name in FLOWS),
                  *(f"{name},num,{name},1" for name in FLOWS)]  # fmt: skip
    texts = {
        "study.toml": _HEADER.format(first=YEARS[0], last=YEARS[-1]),
        "processes.csv": _PROCESSES,
        "sources.csv": _SOURCES,
        "flows.csv": "\n".join(flows) + "\n",
        "priors.csv": "\n".join(priors) + "\n",
        "records.csv": "\n".join(records) + "\n",
        "quantities.csv": "\n".join(quantities) + "\n",
    }
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return read_study(folder)


def changed(study: Study, count: int) -> dict[str, Study]:
    """Copies whose first prior is shifted, from two of its spreads down to two up."""
    shifts = np.linspace(-2.0, 2.0, count)
    return {f"shift {n}": study.with_prior(FLOWS[0], shift=float(shift))
            for n, shift in enumerate(shifts)}  # fmt: skip


def measure(folder: Path, *, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Refit copies of a study one after another, then several times by two workers.

    Parameters
    ----------
    folder : Path
    quick : bool
        Few copies and one run.
    say : callable
        Told what is going on.

    Returns
    -------
    dict
        ``cases``; ``seconds_each``, the median of the serial run; ``overhead`` of each parallel
        run: wall time times workers over the sum of the cases' own seconds, less 1, from the call
        to the table, the start of the workers included; ``overhead_median``; ``differing`` figures
        of the tables from those of the serial run.
    """
    study = write_study(folder / "study")
    near = fit(study, seed=1, progress=False)
    cases = changed(study, 20 if quick else CASES)
    say(f"studies: {len(cases)} cases, serial")
    serial, _ = _timed(cases, near, folder / "serial", workers=0)
    overhead, differing = [], 0
    for n in range(1 if quick else RUNS):
        say(f"studies: {WORKERS} workers, run {n + 1}")
        found, wall = _timed(cases, near, folder / f"run{n}", workers=WORKERS)
        overhead.append(wall * WORKERS / float(found.table["seconds"].sum()) - 1)
        differing += _differing(serial.table, found.table)
    return {
        "cases": len(cases),
        "seconds_each": float(serial.table["seconds"].median()),
        "overhead": overhead,
        "overhead_median": median(overhead),
        "differing": differing,
    }


def _timed(
    cases: dict[str, Study], near: DataTree, out: Path, *, workers: int
) -> tuple[StudyRuns, float]:
    begin = perf_counter()
    found = run_studies(cases, out=out, near=near, workers=workers, progress=False)
    return found, perf_counter() - begin


def _differing(one: pd.DataFrame, other: pd.DataFrame) -> int:
    """Figures and words of two tables that are not the same to the last bit, seconds apart."""
    first, second = (table.drop(columns="seconds") for table in (one, other))
    same = (first == second) | (first.isna() & second.isna())
    return int((~same).to_numpy().sum())
