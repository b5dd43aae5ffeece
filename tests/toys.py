"""Fits whose answers are known in closed form: draws of quantities, and a linear normal model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.stats import norm

from reebayes.results.contents import DRAWS, GROUPS
from tests.fakes import complete

CHAINS = 4
NOISE = 1.5
UNIT = "kt REO/yr"


def draws_fit(
    prior: Mapping[str, np.ndarray],
    posterior: Mapping[str, np.ndarray],
    *,
    ratios: tuple[str, ...] = (),
    **attrs: float,
) -> xr.DataTree:
    """Build a fit of quantities whose draws (draw, year) are given."""
    names = list(prior)
    groups = {
        group: _quantities(values, 1 if group == "prior" else CHAINS)
        for group, values in (("prior", prior), ("posterior", posterior))
    }
    units = np.array(["ratio" if name in ratios else UNIT for name in names], dtype=object)
    constant = xr.Dataset({"quantity_unit": ("quantity", units)}, coords={"quantity": names})
    fit = xr.DataTree.from_dict(groups | {"constant_data": complete(constant)})
    fit.attrs = {"study_name": "Toy", **attrs}
    return fit


def _quantities(values: Mapping[str, np.ndarray], chains: int) -> xr.Dataset:
    stacked = np.stack(list(values.values()), axis=-1)
    shaped = stacked.reshape(chains, -1, *stacked.shape[1:])
    given = xr.Dataset(
        {"quantities": (("chain", "draw", "year", "quantity"), shaped)},
        coords={"year": 2010 + np.arange(shaped.shape[2]), "quantity": list(values)},
    )
    return complete(given, DRAWS)


@dataclass(frozen=True)
class Linear:
    """Standard normal unknowns; quantities and records that are linear in them.

    ``rows`` (record, unknown), printed ``logs`` and ``sd`` are the records; quantity ``q`` is
    10 + ``weights`` @ unknowns.
    """

    rows: np.ndarray
    logs: np.ndarray
    sd: np.ndarray
    weights: np.ndarray

    def posterior(self, *left_out: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the unknowns, without some records."""
        kept = np.delete(np.arange(len(self.logs)), left_out)
        rows, precision = self.rows[kept], self.sd[kept] ** -2.0
        cov = np.linalg.inv(np.eye(rows.shape[1]) + (rows.T * precision) @ rows)
        return cov @ (rows.T * precision) @ self.logs[kept], cov

    def mean(self, *left_out: int) -> float:
        """Posterior mean of the quantity, without some records."""
        return float(10 + self.weights @ self.posterior(*left_out)[0])

    def slope(self, record: int) -> float:
        """Derivative of the posterior mean in the weight of one record."""
        mean, cov = self.posterior()
        row, precision = self.rows[record], self.sd[record] ** -2.0
        return float(self.weights @ cov @ row * precision * (self.logs[record] - row @ mean))

    def rest(self, record: int) -> tuple[float, float]:
        """Mean and standard deviation of one printed log, expected from the other records."""
        mean, cov = self.posterior(record)
        row = self.rows[record]
        return float(row @ mean), float(np.sqrt(row @ cov @ row + self.sd[record] ** 2))

    def fit(self, *, draws: int = 5000, seed: int = 1) -> xr.DataTree:
        """Exact posterior draws, laid out as a fit; each pair of records has one reporter."""
        rng = np.random.default_rng(seed)
        mean, cov = self.posterior()
        unknowns = rng.multivariate_normal(mean, cov, size=CHAINS * draws)
        located = unknowns @ self.rows.T
        values = (10 + unknowns @ self.weights)[:, None]
        replicates = located + self.sd * rng.standard_normal(located.shape)
        terms = norm.logpdf(self.logs, located, self.sd)
        return record_fit(values, terms, replicates, self.logs, self.sd)


def record_fit(
    values: np.ndarray,
    terms: np.ndarray,
    replicates: np.ndarray,
    logs: np.ndarray,
    sd: np.ndarray,
    **columns: list[object],
) -> xr.DataTree:
    """Build a fit of one quantity ``q`` (draw, year) and of records (draw, record).

    Errors are of standard deviation ``sd``; less is stated, and the noise of reporters makes it up.
    """
    stated = sd / np.sqrt(0.25 + 0.75 * NOISE**2)
    fit = draws_fit({"q": values}, {"q": values})
    count = len(logs)
    names = [f"r{n}" for n in range(count)]
    reporters = [f"office{n // 2}" for n in range(count)]
    described: dict[str, list[object]] = {
        "quantity": ["q"] * count, "year": [2010] * count, "year_end": [2010] * count,
        "kind": ["value"] * count, "reporter": list(reporters), "source": ["book"] * count,
        "low": [np.nan] * count, "high": [np.nan] * count, "sd": stated.tolist(),
    }  # fmt: skip
    constant = {
        f"record_{name}": ("record", np.array(column, dtype=_kind(column)))
        for name, column in (described | columns).items()
    }
    offices = list(dict.fromkeys(reporters))
    shape = (CHAINS, len(values) // CHAINS)
    dims = ("chain", "draw", "record")
    of_records = {"record": names}
    tables = fit["constant_data"].to_dataset().drop_dims("record")
    fit["constant_data"] = complete(tables.assign(constant).assign_coords(of_records))
    for group in ("prior", "posterior"):
        named = fit[group].to_dataset().drop_dims("reporter").assign_coords(reporter=offices)
        fit[group] = complete(named, DRAWS).assign(noise=lambda d: d["noise"].fillna(NOISE))
    for group, draws in (("log_likelihood", terms), ("posterior_predictive", replicates)):
        shaped = draws.reshape(*shape, count)
        given = xr.Dataset({"value": (dims, shaped)}, coords=of_records)
        fit[group] = complete(given, GROUPS[group].variables)
    fit["observed_data"] = xr.Dataset({"value": ("record", logs)}, coords=of_records)
    return fit


def _kind(column: list[object]) -> type:
    return object if isinstance(column[0], str) else float if None in column else type(column[0])
