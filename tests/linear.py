"""A study that is linear and Gaussian but for an exponential: what a fit of it says is algebra.

Three inflows of a market: ``a`` is a series, ``b`` a constant, ``c`` a constant of two periods.
Records see one flow each, so their logs are linear in the unknowns. Nothing here calls the model:
the states' covariance, the records' rows and the posterior are written a second time, by matrices.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from reebayes.model.layout import lay_out
from reebayes.results.description import constant_data, descriptive_attributes
from reebayes.study import Study, read_study
from tests.numerics import ar1_covariance

YEARS = (2010, 2011, 2012)
CHAINS, DRAWS = 4, 1500

TABLES = {
    "study.toml": """\
name = "Linear"
unit = "kt REO/yr"
first_year = 2010
last_year = 2012

[report]
headline = ["total"]
limits = ["Nobody counted stocks."]
""",
    "processes.csv": """\
process,kind,region,label
nature,environment,,Ore in the ground
market,market,A,Market
use,use,A,Use
""",
    "flows.csv": """\
flow,source,target,product,registered,active,label
a,nature,market,ore,true,2010-2012,First
b,nature,market,ore,true,2010-2012,Second
c,nature,market,ore,true,2010-2012,Third
used,market,use,ore,true,2010-2012,Used
""",
    "quantities.csv": """\
quantity,part,flow,weight
total,num,a,1
total,num,b,1
total,num,c,1
a,num,a,1
b,num,b,1
c,num,c,1
""",
    "records.csv": """\
record,quantity,year,year_end,kind,value,low,high,unit,factor,sd,reporter,source,note,shared
a10,a,2010,,value,10.3,,,kt REO,,0.05,office,book,,copied
a11,a,2011,,value,10.1,,,kt REO,,0.05,office,book,,
a12,a,2012,,value,9.6,,,kt REO,,0.05,customs,letter,,
b10,b,2010,,value,5.2,,,kt REO,,0.06,office,book,,copied
b11,b,2011,,value,4.9,,,kt REO,,0.06,customs,letter,,
c10,c,2010,,value,4.1,,,kt REO,,0.05,customs,letter,,
c12,c,2012,,value,2.9,,,kt REO,,0.05,office,book,,copied
""",
    "priors.csv": """\
target,year,year_end,distribution,median,sd,step,unit,source,note
a,,,lognormal,10,0.06,0.04,kt REO/yr,guess,
b,,,lognormal,5,0.07,,kt REO/yr,guess,
c,2010,2010,lognormal,4,0.05,,kt REO/yr,guess,
c,2011,2012,lognormal,3,0.08,,kt REO/yr,guess,
bias:office,,,normal,0,0.03,,log scale,guess,
bias:customs,,,normal,0.01,0.05,,log scale,guess,
shared:copied,,,normal,0,0.04,,log scale,guess,
noise:*,,,lognormal,1,0,,multiplier,guess,
""",
    "sources.csv": """\
source,citation,year,url,licence,note
book,A Book,2016,,public domain,
letter,A Letter,2017,,public domain,
guess,Authors' judgement,,,CC0-1.0,
""",
}

UNKNOWNS = ("a[2010]", "a[2011]", "a[2012]", "b", "c",
            "bias:customs", "bias:office", "shared:copied")  # fmt: skip
"""The standard normals of the algebra, as the model names them."""


@dataclass
class Priors:
    """Centres and spreads of the priors; the tests move them."""

    centre: dict[str, float] = field(default_factory=lambda: {
        "a": np.log(10), "b": np.log(5), "c": np.log(4), "c 2011-2012": np.log(3),
        "bias:office": 0.0, "bias:customs": 0.01, "shared:copied": 0.0,
    })  # fmt: skip
    sd: dict[str, float] = field(default_factory=lambda: {
        "a": 0.06, "b": 0.07, "c": 0.05, "c 2011-2012": 0.08,
        "bias:office": 0.03, "bias:customs": 0.05, "shared:copied": 0.04,
    })  # fmt: skip

    def moved(self, row: str, *, shift: float = 0.0, stretch: float = 1.0) -> "Priors":
        """Return them with one row's centre moved by its spreads, its spread stretched."""
        centre, sd = dict(self.centre), dict(self.sd)
        centre[row] += shift * sd[row]
        sd[row] *= stretch
        return Priors(centre, sd)

    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and factor of the levels: a, b, c by year, then biases and the common error.

        Factor times standard normals is their deviation from the mean. A series keeps its step
        when its spread changes, so its persistence follows.
        """
        persistence = np.exp(-0.5 * (0.04 / self.sd["a"]) ** 2)
        series = self.sd["a"] * np.linalg.cholesky(
            ar1_covariance(np.array([0, *2 * [persistence]]))
        )
        factor = np.zeros((12, 8))
        factor[:3, :3] = series
        factor[3:6, 3] = self.sd["b"]
        factor[6:9, 4] = [self.sd["c"], self.sd["c 2011-2012"], self.sd["c 2011-2012"]]
        for n, name in enumerate(("bias:customs", "bias:office", "shared:copied")):
            factor[9 + n, 5 + n] = self.sd[name]
        mean = np.array([
            *3 * [self.centre["a"]], *3 * [self.centre["b"]], self.centre["c"],
            *2 * [self.centre["c 2011-2012"]],
            *(self.centre[name] for name in ("bias:customs", "bias:office", "shared:copied")),
        ])  # fmt: skip
        return mean, factor


CUSTOMS, OFFICE, COPIED = 9, 10, 11
SEEN = [(0, OFFICE, COPIED), (1, OFFICE), (2, CUSTOMS), (3, OFFICE, COPIED), (4, CUSTOMS),
        (6, CUSTOMS), (8, OFFICE, COPIED)]  # fmt: skip
NAMES = ("a10", "a11", "a12", "b10", "b11", "c10", "c12")
LOGS = np.log([10.3, 10.1, 9.6, 5.2, 4.9, 4.1, 2.9])
STATED = np.array([0.05, 0.05, 0.05, 0.06, 0.06, 0.05, 0.05])
OBSERVED = np.array([[float(column in seen) for column in range(12)] for seen in SEEN])


def posterior(priors: Priors, kept: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the standard normals after (some of) the records."""
    kept = np.ones(7, dtype=bool) if kept is None else kept
    mean, factor = priors.levels()
    rows, precision = (OBSERVED @ factor)[kept], STATED[kept] ** -2.0
    cov = np.linalg.inv(np.eye(8) + (rows.T * precision) @ rows)
    return cov @ (rows.T * precision) @ (LOGS - OBSERVED @ mean)[kept], cov


GRADIENT = np.repeat([10.0, 5.0, 4.0, 0.0], 3) * np.array([1] * 6 + [1, 0.75, 0.75] + [0] * 3)
"""What an answer adds for each level: the flow at its prior median."""


def answer(priors: Priors, kept: np.ndarray | None = None) -> tuple[float, float]:
    """Posterior mean and standard deviation of the total, linear in the levels."""
    mean, factor = priors.levels()
    at, cov = posterior(priors, kept)
    weights = GRADIENT @ factor
    return float(GRADIENT @ (mean + factor @ at)), float(np.sqrt(weights @ cov @ weights))


def linear_study(folder: Path) -> Study:
    """Write and read the study."""
    folder.mkdir(parents=True)
    for name, text in TABLES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return read_study(folder)


def even_draws(size: int, dims: int, seed: int = 1) -> np.ndarray:
    """Normal draws whose mean is 0 and covariance 1 exactly, in mirrored pairs."""
    half = np.random.default_rng(seed).standard_normal((size // 2, dims))
    draws = np.concatenate([half, -half])[np.random.default_rng(seed + 1).permutation(size)]
    root = np.linalg.cholesky(draws.T @ draws / (size - 1))
    return draws @ np.linalg.inv(root).T


def linear_fit(study: Study) -> xr.DataTree:
    """A fit of it whose draws are those of the closed form, and whose total is linear in them."""
    layout = lay_out(study)
    priors = Priors()
    mean, factor = priors.levels()
    at, cov = posterior(priors)
    latents = even_draws(CHAINS * DRAWS, layout.unknowns.size)  # the rest moves nothing
    draws = latents[:, :8] = at + latents[:, :8] @ np.linalg.cholesky(cov).T
    levels = mean + draws @ factor.T
    names = ("total", "a", "b", "c")
    by_flow = np.exp(levels[:, :9]).reshape(-1, 3, 3).swapaxes(1, 2)
    linear = (levels[:, :9] * GRADIENT[:9]).reshape(-1, 3, 3).sum(axis=1)
    values = np.concatenate([linear[..., None], by_flow], axis=2)
    assert layout.latents[:8] == UNKNOWNS
    shape = (CHAINS, DRAWS)
    by_draw = ("chain", "draw")
    location = levels @ OBSERVED.T
    terms = -0.5 * np.square((LOGS - location) / STATED) - np.log(STATED * np.sqrt(2 * np.pi))
    fit = xr.DataTree.from_dict({
        "posterior": xr.Dataset(
            {"quantities": ((*by_draw, "year", "quantity"), values.reshape(*shape, 3, 4)),
             "latents": ((*by_draw, "latent"), latents.reshape(*shape, -1))},
            coords={"year": list(YEARS), "quantity": list(names),
                    "latent": list(layout.latents), "chain": range(CHAINS), "draw": range(DRAWS)},
        ),
        "log_likelihood": xr.Dataset(
            {"value": ((*by_draw, "record"), terms.reshape(*shape, 7))},
            coords={"record": list(NAMES), "chain": range(CHAINS), "draw": range(DRAWS)},
        ),
        "constant_data": constant_data(study),
    })  # fmt: skip
    fit.attrs = {"study_hash": study.hash, "unit": study.unit, "converged": "yes",
                 **descriptive_attributes(study)}  # fmt: skip
    return fit
