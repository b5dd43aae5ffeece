"""A fit made of random numbers: the layout of a real one, for tests that must not sample."""

import json
from collections.abc import Iterable
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import format_terms
from reebayes.provenance import provenance
from reebayes.results.contents import NUMBER, TABLES, TEXT, TRUTH, Variable
from reebayes.results.fitfile import save_fit
from reebayes.results.intervals import interval_group

YEARS = np.arange(2010, 2016)

PROCESSES = {
    "nature": ("environment", "", "Ore in the ground"),
    "mine_A": ("conversion", "A", "Land A: mine"),
    "mine_A_hidden": ("conversion", "A", "Land A: hidden mine"),
    "ore_A": ("market", "A", "Land A: ore"),
    "ore_A_hidden": ("market", "A", "Land A: hidden ore"),
    "plant_A": ("conversion", "A", "Land A: plant"),
    "metal_A": ("market", "A", "Land A: metal"),
    "metal_B": ("market", "B", "Land B: metal"),
    "use_A": ("use", "A", "Land A: magnets"),
    "use_B": ("use", "B", "Land B: <magnets> & more"),
    "residues": ("loss", "", "Tailings"),
}

FLOWS = {
    "dig_A": ("nature", "mine_A", "ore", True, "Land A: ore mined"),
    "dig_A_hidden": ("nature", "mine_A_hidden", "ore", False, "Land A: ore mined, hidden"),
    "ore_mined": ("mine_A", "ore_A", "ore", True, "Land A: ore"),
    "ore_hidden": ("mine_A_hidden", "ore_A_hidden", "ore", False, "Land A: ore, hidden"),
    "mine_loss": ("mine_A", "residues", "loss", True, "Land A: mine losses"),
    "mine_loss_hidden": ("mine_A_hidden", "residues", "loss", False, "Land A: hidden losses"),
    "ore_absorbed": ("ore_A_hidden", "ore_A", "ore", False, "Land A: ore absorbed"),
    "ore_smuggled": ("ore_A_hidden", "metal_B", "ore", False, "A to B: ore smuggled"),
    "ore_to_plant": ("ore_A", "plant_A", "ore", True, "Land A: ore to the plant"),
    "metal_made": ("plant_A", "metal_A", "metal", True, "Land A: metal made"),
    "plant_loss": ("plant_A", "residues", "loss", True, "Land A: plant losses"),
    "metal_A_B": ("metal_A", "metal_B", "metal", True, "A to B: metal"),
    "metal_B_A": ("metal_B", "metal_A", "metal", True, "B to A: metal"),
    "used_A": ("metal_A", "use_A", "metal", True, "Land A: metal used"),
    "used_B": ("metal_B", "use_B", "metal", True, "Land B: metal used"),
}

SUMS = {
    "mined_world": ((("ore_mined", 1.0), ("ore_hidden", 1.0)), ()),
    "mined_A_hidden": ((("ore_hidden", 1.0),), ()),
    "smuggled": ((("ore_smuggled", 1.0),), ()),
    "consumed_A": ((("used_A", 1.0),), ()),
    "net_export_A": ((("metal_A_B", 1.0), ("metal_B_A", -1.0)), ()),
    "share_hidden": ((("ore_hidden", 1.0),), (("ore_mined", 1.0), ("ore_hidden", 1.0))),
}

RECORDS = pd.read_csv(
    StringIO("""\
quantity,year,year_end,kind,value,low,high,unit,printed,sd,reporter,source,note,other
mined_world,2010,2010,value,1.2,,,kt REO,1.2,0.1,survey,book,
mined_world,2011,2011,quota,1.3,,,t REO,1300,0.1,office,decree,
mined_world,2010,2012,mean,1.25,,,kt REO,1.25,0.1,survey,book,
smuggled,2012,2012,upper,,,0.4,kt REO,,0.3,police,news,at most
smuggled,2013,2013,range,,0.05,0.3,kt REO,,0.3,police,news,
smuggled,2014,2014,zero,,,0.01,kt REO,0,0.3,office,decree,
mined_A_hidden,2014,2014,lower,,0.02,,kt REO,,0.3,police,evil,
mined_A_hidden,2011,2015,cumulative,1.0,,,kt REO,1.0,0.3,survey,book,
mined_A_hidden,2013,2013,value,90.0,,,t gross,100000,0.1,police,evil,odd
share_hidden,2013,2013,value,0.2,,,ratio,0.2,0.2,survey,book,
net_export_A,2013,2013,signed,-0.2,,,t REO,-200,0.3,office,decree,
share_hidden,2011,2012,mean_upper,,,0.4,ratio,,0.2,survey,book,
smuggled,2011,2012,mean_lower,,0.01,,kt REO,,0.3,police,news,
"""),
    dtype={"note": str},
).fillna({"note": ""})
RECORDS.index = [f"r{number:02d}" for number in range(1, len(RECORDS) + 1)]

PARTS = {"r10": ("uses", 1.0, 0.25)}
"""Parts of compositions: the table, what it adds up to, the error of the log ratio to its rest."""

SOURCES = {
    "book": ("A Book of <Minerals>, 2nd edition", 2016, "https://example.org/book", "CC BY 4.0"),
    "decree": ("Decree on Ore", 2011, "", "public domain"),
    "news": ("A Newspaper", 2014, "http://example.org/news ; http://example.org/two", "quoted"),
    "evil": ("=cmd|' /C calc'!A0", 2015, "javascript:alert(1)", "none"),
}

PRIORS = {
    "target": ["dig_A", "bias:office"],
    "years": ["", ""],
    "distribution": ["lognormal", "normal"],
    "median": [1.2, 0.0],
    "sd": [0.5, 0.1],
    "step": [0.1, np.nan],
    "unit": ["kt REO/yr", "log scale"],
    "source": ["book", "book"],
}

REPORT = {
    "headline": ["mined_A_hidden", "smuggled"],
    "labels": {"mined_A_hidden": "Hidden mining in A", "smuggled": "Smuggling from A to B"},
    "beside": {"smuggled": ["consumed_A"]},
    "exceeds": {"smuggled": [0.5, 1.0]},
    "panels": [{"title": "Mining & use", "quantities": ["mined_world", "consumed_A"]}],
    "limits": ["Nobody saw the <hidden> mine."],
    "sankey_year": 2013,
}


def fake_fit(
    *,
    chains: int = 2,
    draws: int = 50,
    seed: int = 1,
    converged: bool = True,
    report: dict[str, Any] | None = REPORT,
) -> xr.DataTree:
    """Return a fit whose flows balance exactly and whose other numbers are random."""
    # made once for all tests that ask for the same: each gets a copy to change as it likes
    settings = None if report is None else json.dumps(report)
    return _made(chains, draws, seed, converged, settings).copy(deep=True)


def save_fake(path: Path) -> Path:
    """Write the file that `save_fit` makes of `fake_fit`."""
    path.write_bytes(_saved())
    return path


@cache
def _saved() -> bytes:
    with TemporaryDirectory() as folder:
        return save_fit(fake_fit(), Path(folder) / "fit.nc").read_bytes()


@cache
def _made(chains: int, draws: int, seed: int, converged: bool, settings: str | None) -> xr.DataTree:
    rng = np.random.default_rng(seed)
    posterior = _draws(rng, (chains, draws), spread=0.1)
    prior = _draws(rng, (1, draws), spread=0.6)
    terms, units = (
        dict(zip(SUMS, _constant()[f"quantity_{name}"].values, strict=True))
        for name in ("terms", "unit")
    )
    draws_of = {"posterior": posterior, "prior": prior}
    fit = xr.DataTree.from_dict(
        {
            **draws_of,
            "sample_stats": _statistics(chains, draws),
            "posterior_predictive": _replicates(rng, posterior),
            "prior_predictive": _replicates(rng, prior),
            "log_likelihood": (likelihood := _replicates(rng, posterior)),
            "log_likelihood_of_parts": likelihood.sel(record=list(PARTS)) - 0.5,
            "compositions": _compositions(),
            "log_prior": _log_prior(rng, posterior),
            "observed_data": _observed(),
            "constant_data": _constant(),
            "bands": interval_group(draws_of, terms, units, "kt REO/yr"),
        }
    )
    fit.attrs = _attrs(chains, draws, converged) | (
        {} if settings is None else {"report": settings}
    )
    return fit


def complete(group: xr.Dataset, variables: Iterable[Variable] = TABLES) -> xr.Dataset:
    """Add the variables that a group of a fit has beside those given, empty or unknown."""
    blank: dict[str, Any] = {TEXT: "", NUMBER: np.nan, TRUTH: 1}
    found = group.copy()
    for variable in variables:
        for dim in variable.dims:
            if dim not in found.coords:
                size = found.sizes.get(dim, 0)
                names = np.arange(size) if size or dim == "prior_row" else np.array([], object)
                found = found.assign_coords({dim: (dim, names)})
        if variable.name in found:
            continue
        kind = object if variable.holds == TEXT else type(blank[variable.holds])
        empty = 0.25 if variable.name == "variance_floor" else blank[variable.holds]
        shape = [found.sizes[dim] for dim in variable.dims]
        found[variable.name] = (variable.dims, np.full(shape, empty, dtype=kind))
    return found


def _draws(rng: np.random.Generator, shape: tuple[int, int], *, spread: float) -> xr.Dataset:
    size = (*shape, len(YEARS))
    flows = _balanced(rng, size, spread)
    values = np.stack([flows[name] for name in FLOWS], axis=-1)
    dims = ("chain", "draw", "year")
    coords = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1]), "year": YEARS}
    return xr.Dataset(
        {
            "flows": ((*dims, "flow"), values),
            "quantities": ((*dims, "quantity"), _quantities(flows)),
            "bias": (("chain", "draw", "reporter"), rng.normal(0, 0.1, (*shape, 3))),
            "drifting_bias": ((*dims, "drifting"), rng.normal(0, 0.1, (*size, 1))),
            "shared_error": (("chain", "draw", "shared"), rng.normal(0, 0.1, (*shape, 1))),
            "noise": (("chain", "draw", "reporter"), rng.lognormal(0, 0.1, (*shape, 3))),
            "noise_of_all": (("chain", "draw"), rng.lognormal(0, 0.1, shape)),
            "step_scale": (("chain", "draw", "group"), rng.lognormal(0, 0.1, (*shape, 2))),
            "latents": (("chain", "draw", "latent"), rng.normal(size=(*shape, 4))),
        },
        coords=coords
        | {
            "flow": list(FLOWS),
            "quantity": list(SUMS),
            "reporter": ["office", "police", "survey"],
            "drifting": ["survey"],
            "shared": ["copied"],
            "group": ["input", "market"],
            "latent": ["a", "b", "c", "d"],
        },
    )


def _statistics(chains: int, draws: int) -> xr.Dataset:
    whether = np.zeros((chains, draws), dtype=bool)
    names = ("n_steps", "depth", "energy", "logp", "step_size", "mean_tree_accept")
    variables = {name: (("chain", "draw"), np.zeros((chains, draws))) for name in names}
    for name in ("diverging", "maxdepth_reached"):
        variables[name] = (("chain", "draw"), whether)
    return xr.Dataset(variables, coords={"chain": np.arange(chains), "draw": np.arange(draws)})


def _balanced(
    rng: np.random.Generator, size: tuple[int, ...], spread: float
) -> dict[str, np.ndarray]:
    def around(centre: float) -> np.ndarray:
        return centre * np.exp(rng.normal(0, spread, size))

    def share(centre: float) -> np.ndarray:
        return 1 / (1 + np.exp(-(np.log(centre / (1 - centre)) + rng.normal(0, spread, size))))

    flows = {"dig_A": around(1.2), "dig_A_hidden": around(0.3)}
    for tail in ("", "_hidden"):
        made = "ore_hidden" if tail else "ore_mined"
        flows[made] = share(0.8) * flows[f"dig_A{tail}"]
        flows[f"mine_loss{tail}"] = flows[f"dig_A{tail}"] - flows[made]
    flows["ore_absorbed"] = share(0.5) * flows["ore_hidden"]
    flows["ore_smuggled"] = flows["ore_hidden"] - flows["ore_absorbed"]
    flows["ore_to_plant"] = flows["ore_mined"] + flows["ore_absorbed"]
    flows["metal_made"] = share(0.9) * flows["ore_to_plant"]
    flows["plant_loss"] = flows["ore_to_plant"] - flows["metal_made"]
    out, back = share(0.4), share(0.2)
    metal_a = (flows["metal_made"] + back * flows["ore_smuggled"]) / (1 - out * back)
    metal_b = flows["ore_smuggled"] + out * metal_a
    flows |= {"metal_A_B": out * metal_a, "metal_B_A": back * metal_b}
    return flows | {"used_A": (1 - out) * metal_a, "used_B": (1 - back) * metal_b}


def _quantities(flows: dict[str, np.ndarray]) -> np.ndarray:
    columns = []
    for numerator, denominator in SUMS.values():
        total = sum(weight * flows[name] for name, weight in numerator)
        below = sum(weight * flows[name] for name, weight in denominator) if denominator else 1.0
        columns.append(total / below)
    return np.stack(columns, axis=-1)


def _replicates(rng: np.random.Generator, draws: xr.Dataset) -> xr.Dataset:
    columns = []
    for record in RECORDS.itertuples():
        span = draws["quantities"].sel(
            quantity=record.quantity, year=slice(record.year, record.year_end)
        )
        value = span.sum("year") if record.kind == "cumulative" else span.mean("year")
        about = value.values if record.kind == "signed" else np.log(value.values)
        if record.Index in PARTS:
            about = about - np.log(PARTS[str(record.Index)][1] - value.values)
        columns.append(about + rng.normal(0, 0.1, value.shape))
    return xr.Dataset(
        {"value": (("chain", "draw", "record"), np.stack(columns, axis=-1))},
        coords={"chain": draws["chain"], "draw": draws["draw"], "record": _names()},
    )


def _log_prior(rng: np.random.Generator, draws: xr.Dataset) -> xr.Dataset:
    shape = (draws.sizes["chain"], draws.sizes["draw"], len(PRIORS["target"]))
    return xr.Dataset(
        {"value": (("chain", "draw", "prior_row"), rng.normal(size=shape))},
        coords={"chain": draws["chain"], "draw": draws["draw"], "prior_row": PRIORS["target"]},
    )


def _observed() -> xr.Dataset:
    return xr.Dataset({"value": ("record", seen(RECORDS["value"]))}, coords={"record": _names()})


def seen(figures: pd.Series) -> np.ndarray:
    """Figures of the records on the scale of their errors: logs, but of a signed one.

    A part of a composition is the log of its ratio to the rest.
    """
    signed = RECORDS["kind"] == "signed"
    whole = pd.Series({name: part[1] for name, part in PARTS.items()})
    rest = whole.reindex(RECORDS.index) - figures
    logs = np.log(figures.where(~signed, 1.0)) - np.log(rest).fillna(0.0)
    return np.where(signed, figures, logs)


def _compositions() -> xr.Dataset:
    table, whole, sd = zip(*PARTS.values(), strict=True)
    columns = {"composition": np.array(table, dtype=object), "whole": whole, "sd": sd}
    variables = {name: ("record", np.asarray(values)) for name, values in columns.items()}
    return xr.Dataset(variables, coords={"record": list(PARTS)})


def _names() -> list[str]:
    return [str(name) for name in RECORDS.index]


def _constant() -> xr.Dataset:
    variables: dict[str, Any] = {
        f"record_{name}": ("record", _plain(RECORDS[name].to_numpy())) for name in RECORDS
    }
    flows = pd.DataFrame.from_dict(
        FLOWS, orient="index", columns=["source", "target", "product", "registered", "label"]
    ).assign(registered=lambda table: table["registered"].astype("int8"))
    processes = pd.DataFrame.from_dict(
        PROCESSES, orient="index", columns=["kind", "region", "label"]
    )
    sources = pd.DataFrame.from_dict(
        SOURCES, orient="index", columns=["citation", "year", "url", "licence"]
    )
    for dim, table in (("flow", flows), ("process", processes), ("source", sources)):
        variables |= {
            f"{dim}_{name}": (dim, _plain(table[name].to_numpy())) for name in table.columns
        }
    units = ["ratio" if below else "kt REO/yr" for _, below in SUMS.values()]
    variables["quantity_unit"] = ("quantity", np.array(units, dtype=object))
    terms = [format_terms(*pair) for pair in SUMS.values()]
    variables["quantity_terms"] = ("quantity", np.array(terms, dtype=object))
    for name, values in PRIORS.items():
        variables[f"prior_{name}"] = ("prior_row", _plain(np.array(values)))
    for name in ("quantity", "kind", "source", "note", "why"):
        variables[f"published_{name}"] = ("published", np.array([], dtype=object))
    for name in ("year", "year_end", "value", "low", "high"):
        variables[f"published_{name}"] = ("published", np.array([]))
    variables["variance_floor"] = ((), 0.25)
    variables["study_text"] = ("study_file", np.array([], dtype=object))
    coords = {
        "study_file": np.array([], dtype=object),
        "prior_row": PRIORS["target"],
        "published": np.array([], dtype=object),
        "record": _names(),
        "flow": list(FLOWS),
        "process": list(PROCESSES),
    }
    return xr.Dataset(variables, coords=coords | {"source": list(SOURCES), "quantity": list(SUMS)})


def _plain(values: np.ndarray) -> np.ndarray:
    return values.astype(object) if values.dtype.kind not in "if" else values


def _attrs(chains: int, draws: int, converged: bool) -> dict[str, Any]:
    failing = [] if converged else ["smuggled[2011]", "smuggled[2012]"]
    return provenance() | {
        "study_name": "A study of two <lands>",
        "study_hash": "0" * 64,
        "description_hash": "1" * 64,
        "digest": "2" * 16,
        "unit": "kt REO/yr",
        "seed": 1,
        "draws": draws,
        "tune": 100,
        "chains": chains,
        "ci_prob": 0.9,
        "settings": json.dumps({"error_distribution": "normal"}),
        "wall_seconds": json.dumps({"compile": 1.0, "pilot": 2.0, "sampling": 3.0, "total": 6.5}),
        "converged": "yes" if converged else "no",
        "verdict": "Converged." if converged else "2 of 90 quantities did not converge.",
        "rhat_max": 1.004 if converged else 1.2,
        "ess_bulk_min": 812.0,
        "ess_tail_min": 640.0,
        "divergences": 0,
        "bfmi_min": 0.81,
        "saturated_fraction": 0.0,
        "gradients_per_draw": 15.0,
        "failing": json.dumps(failing),
    }
