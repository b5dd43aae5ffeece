"""Against what is known otherwise: a closed form, the priors, the order of rows, a long run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from reebayes.inference.convergence import ess_bulk
from reebayes.inference.coordinates import identity
from reebayes.inference.density import gradients
from reebayes.inference.sampling import fit
from reebayes.model.layout import lay_out
from reebayes.study import Study, read_study
from tests.golden.make import FILE, HEADLINE, golden_table, read_golden
from tests.tiny import RECORDS, TABLES, write_tables

CHAINS, DRAWS, TUNE = 4, 1000, 300

# --- a study whose posterior is Gaussian on the log scale -----------------------------------------

YEARS = range(2010, 2018)
MEDIAN, SPREAD, STEP = 20.0, 0.5, 0.25
BIAS = {"survey": (0.0, 0.0), "customs": (-0.2, 0.3)}
FIGURES = (
    *((year, "survey", 17.0 + 3 * (year % 3), 0.15) for year in YEARS if year not in (2012, 2013)),
    *((year, "customs", 14.0 + 2 * (year % 4), 0.1) for year in range(2012, 2017)),
)

LINE = {
    "study": 'name = "Line"\nunit = "kt REO/yr"\nfirst_year = 2010\nlast_year = 2017\n',
    "processes": "process,kind,region,label\nnature,environment,,\nmarket,market,A,\nuse,use,A,\n",
    "flows": (
        "flow,source,target,product,registered,active,label\n"
        "ore,nature,market,ore,true,2010-2017,\nused,market,use,ore,true,2010-2017,\n"
    ),
    "quantities": "quantity,part,flow,weight\nmined,num,ore,1\n",
    "records": "\n".join([
        "record,quantity,year,year_end,kind,value,low,high,unit,factor,sd,reporter,source,note",
        *(f"{who}{year},mined,{year},,value,{value},,,kt REO,,{sd},{who},book,"
          for year, who, value, sd in FIGURES),
    ]) + "\n",
    "priors": (
        "target,year,year_end,distribution,median,sd,step,unit,source,note\n"
        f"ore,,,lognormal,{MEDIAN},{SPREAD},{STEP},kt REO/yr,book,\n"
        "bias:survey,,,normal,0,0,,log scale,book,anchor\n"
        "bias:customs,,,normal,-0.2,0.3,,log scale,book,\n"
        "noise:*,,,lognormal,1,0,,multiplier,book,\n"
    ),
    "sources": "source,citation,year,url,licence,note\nbook,A book,2018,,CC0-1.0,\n",
}  # fmt: skip


def closed_form() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the log flow of every year, then of the bias of customs."""
    count = len(YEARS)
    gap = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    prior = np.zeros((count + 1, count + 1))
    prior[:count, :count] = SPREAD**2 * np.exp(-0.5 * (STEP / SPREAD) ** 2) ** gap
    prior[count, count] = BIAS["customs"][1] ** 2
    mean = np.append(np.full(count, np.log(MEDIAN)), BIAS["customs"][0])
    design = np.zeros((len(FIGURES), count + 1))
    for row, (year, who, _, _) in enumerate(FIGURES):
        design[row, year - YEARS[0]] = 1.0
        design[row, count] = float(who == "customs")
    printed = np.log([value for _, _, value, _ in FIGURES])
    weight = np.diag([sd**-2.0 for *_, sd in FIGURES])
    covariance = np.linalg.inv(np.linalg.inv(prior) + design.T @ weight @ design)
    return mean + covariance @ design.T @ weight @ (printed - design @ mean), covariance


@pytest.mark.slow_ci
def test_the_gaussian_case_is_its_closed_form(tmp_path: Path) -> None:
    study = read_study(write_tables(tmp_path / "line", **LINE))
    tree = fit(study, seed=4, draws=3 * DRAWS // 2, tune=TUNE, chains=CHAINS, progress=False)
    assert tree.attrs["converged"] == "yes"
    posterior = tree["posterior"]
    flows = np.log(posterior["flows"].sel(flow="ore").values)
    bias = posterior["bias"].sel(reporter=["customs"]).values
    draws = np.concatenate([flows, bias], axis=2)
    mean, covariance = closed_form()
    sd = np.sqrt(np.diag(covariance))
    error = sd / np.sqrt(ess_bulk(draws))
    assert (np.abs(draws.mean(axis=(0, 1)) - mean) < 4 * error).all()
    np.testing.assert_allclose(draws.std(axis=(0, 1)) / sd, 1.0, atol=0.05)
    found = np.corrcoef(draws.reshape(-1, draws.shape[2]).T)
    np.testing.assert_allclose(found, covariance / np.outer(sd, sd), atol=0.06)


# --- no records -----------------------------------------------------------------------------------


@pytest.mark.slow_ci
def test_without_information_the_posterior_is_the_prior(tmp_path: Path) -> None:
    """The one record says that a flow is zero in a year in which it cannot exist."""
    study = read_study(write_tables(tmp_path / "tiny"))
    silent = study.with_records([study.records["r_zero"]])
    tree = fit(silent, seed=5, draws=500, tune=TUNE, chains=CHAINS, progress=False)
    draws = tree["posterior"]["latents"].values.astype(float)
    count = ess_bulk(draws)
    # of some 60 latents, the furthest lie about three errors out
    assert (np.abs(draws.mean(axis=(0, 1))) < 4.5 / np.sqrt(count)).all()
    assert (np.abs(draws.var(axis=(0, 1)) - 1) < 4.5 * np.sqrt(2 / count) + 0.05).all()
    prior = np.log(tree["prior"]["quantities"].sel(quantity="made").values.ravel())
    posterior = np.log(tree["posterior"]["quantities"].sel(quantity="made").values[:, ::8].ravel())
    assert stats.ks_2samp(prior[::6], posterior[::6]).pvalue > 0.001


# --- what must not matter -------------------------------------------------------------------------


def shuffled(text: str, seed: int) -> str:
    head, *rows = text.splitlines()
    order = np.random.default_rng(seed).permutation(len(rows))
    return "\n".join([head, *(rows[n] for n in order)]) + "\n"


def in_other_units(text: str) -> str:
    """Records in t where they were in kt and the other way round; ratios and gross as they are."""
    lines = []
    for line in text.splitlines():
        cells = line.split(",")
        for unit, other, factor in (("kt REO", "t REO", 1000.0), ("t REO", "kt REO", 0.001)):
            if cells[8] == unit:
                numbers = [repr(float(c) * factor) if c else "" for c in cells[5:8]]
                cells[5:8] = [number if number != "0.0" else "0" for number in numbers]
                cells[8] = other
                break
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def log_density(study: Study, values: Callable[[str], float]) -> tuple[float, dict[str, float]]:
    """Log density and gradient by latent, at latents given by name."""
    layout = lay_out(study)
    point = np.array([values(name) for name in layout.latents])
    density, gradient = gradients(layout)(identity(layout))(point)
    return density, dict(zip(layout.latents, gradient, strict=True))


def by_name(name: str) -> float:
    """A standard normal for every name of a latent."""
    return float(np.random.default_rng([*map(ord, name)]).standard_normal())


CHANGES = {
    f"rows shuffled, {seed}": {
        name.partition(".")[0]: shuffled(text, seed)
        for name, text in TABLES.items() if name.endswith(".csv")
    }
    for seed in (1, 2)
} | {"t for kt": {"records": in_other_units(RECORDS)}}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_order_of_rows_and_units_change_no_density(tmp_path: Path, change: str) -> None:
    before = read_study(write_tables(tmp_path / "one"))
    after = read_study(write_tables(tmp_path / "other", **CHANGES[change]))
    expected, slopes = log_density(before, by_name)
    density, gradient = log_density(after, by_name)
    assert density == pytest.approx(expected, rel=1e-12)
    assert set(gradient) == set(slopes)
    for name, slope in slopes.items():
        assert gradient[name] == pytest.approx(slope, rel=1e-9, abs=1e-9), name


def test_order_of_rows_of_the_bundled_study_changes_no_density() -> None:
    before = read_study()
    tables = {
        name: type(table)(kind, reversed(list(table)))
        for name, kind in (("flows", type(next(iter(before.flows)))),
                           ("records", type(next(iter(before.records)))),
                           ("priors", type(next(iter(before.priors)))),
                           ("processes", type(next(iter(before.processes)))))
        for table in [getattr(before, name)]
    }  # fmt: skip
    after = replace(before, **tables)
    expected, slopes = log_density(before, lambda name: 0.3 * by_name(name))
    density, gradient = log_density(after, lambda name: 0.3 * by_name(name))
    assert density == pytest.approx(expected, rel=1e-11)
    worst = max(abs(gradient[name] - slope) for name, slope in slopes.items())
    assert worst < 1e-8 * max(map(abs, slopes.values()))


def test_figures_changed_in_their_last_digit_change_no_density(tmp_path: Path) -> None:
    before = read_study(write_tables(tmp_path / "tiny"))
    after = before.with_records(
        replace(record, value=np.nextafter(record.value, np.inf)) if record.value else record
        for record in before.records
    )
    expected, slopes = log_density(before, by_name)
    density, gradient = log_density(after, by_name)
    assert density == pytest.approx(expected, rel=1e-12)
    assert gradient == pytest.approx(slopes, rel=1e-9, abs=1e-9)


@pytest.mark.slow_ci
def test_seeds_change_no_more_than_chance(tmp_path: Path) -> None:
    study = read_study(write_tables(tmp_path / "tiny"))
    trees = [
        fit(study, seed=seed, draws=500, tune=TUNE, chains=CHAINS, progress=False)
        for seed in (11, 12)
    ]
    draws = [_log_flows(tree) for tree in trees]
    difference = draws[0].mean(axis=(0, 1)) - draws[1].mean(axis=(0, 1))
    variance = sum(d.var(axis=(0, 1)) / ess_bulk(d) for d in draws)
    assert (np.abs(difference) < 4.5 * np.sqrt(variance)).all()


def _log_flows(tree: xr.DataTree) -> np.ndarray:
    flows = tree["posterior"]["flows"].values
    flat = flows.reshape(*flows.shape[:2], -1)
    return np.log(np.ascontiguousarray(flat[..., np.ptp(flat, axis=(0, 1)) > 0]))


# --- the posterior as it was ----------------------------------------------------------------------


@pytest.mark.slow
def test_the_bundled_posterior_is_that_of_the_long_run() -> None:
    golden = read_golden()
    study = read_study()
    assert golden.attrs["study_hash"] == study.hash, f"the study has changed: remake {FILE.name}"
    found = golden_table(fit(study, seed=77, progress=False))
    assert list(found.index) == list(golden.index)
    assert len(found) == len(HEADLINE) * len(study.years)
    distance = ((found["mean"] - golden["mean"]) / golden["sd"]).abs()
    assert distance.max() < 0.25, distance.idxmax()
    assert ((found["sd"] / golden["sd"]) - 1).abs().max() < 0.25
