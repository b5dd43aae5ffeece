"""The model graph: a study as an ordinary ``pm.Model``.

Every unknown is a standard normal pushed through its prior: log inflows, log share ratios,
reporter biases, noise and step multipliers. They stand in one vector, ``latents``, so that one
change of coordinates (`Geometry`) can straighten all of them together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

from reebayes.conventions import FLOW, GROUP, LATENT, RECORD, REPORTER, YEAR
from reebayes.geometry import Coordinates
from reebayes.kernels import POINT
from reebayes.layout import PERSISTENCE_CEILING, Graph, Layout, lay_out
from reebayes.operations import Store, apply
from reebayes.study import STEP_GROUPS, Study

PRIOR_ARRAYS = ("mean", "sd", "step", "noise_mean", "noise_sd", "step_mean", "step_sd")

# Arrays in the order in which the kernels of the same names take them.
PERSISTENCE = ("step_mean", "step_sd", "step", "varying_sd", "step_group", "ceiling")
LEVELS = ("mean", "sd", "constants", "route", "on_route", "driven", "loss")
SUMS = ("numerator", "denominator", "bias")
OBSERVED = (*(f"{name}_{part}" for name in SUMS for part in ("start", "index", "weight")),
            "offset", "over")  # fmt: skip


class Geometry(Transform):  # type: ignore[misc]
    """White coordinates of the latent vector; see `reebayes.geometry`.

    The coordinates are data of the model, so finding them and sampling in them share one
    compilation. They start as an isometry of the latent vector.
    """

    name = "white"
    ndim_supp = 1

    def __init__(self, arrays: dict[str, Any]) -> None:
        self._arrays = arrays

    def forward(self, value: Any, *inputs: Any) -> Any:
        """White coordinates of a latent vector."""
        arrays = self._arrays
        shift = apply("displace", value, _persistence(value, arrays), *self._smoother())
        return apply("whiten", shift - arrays["mode"], *self._band())

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Latent vector of white coordinates."""
        return self._smoothed(value)[:-1]

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log volume of the map."""
        return self._smoothed(value)[-1] + self._arrays["log_volume"]

    def origin(self) -> Any:
        """Zero, as a function of the data: PyMC only finds data that a variable depends on."""
        arrays = self._arrays
        names = ("mode", "diagonal", "below", "curvature", "pull", "first", "start", "factor")
        return apply("origin", *(arrays[name] for name in names), arrays["log_volume"])

    def _smoothed(self, white: Any) -> Any:
        shift = apply("unwhiten", white, *self._band()) + self._arrays["mode"]
        # the smoother leaves noise and step multipliers as they are
        return apply("smooth", shift, _persistence(shift, self._arrays), *self._smoother())

    def _band(self) -> tuple[Any, ...]:
        return tuple(self._arrays[name] for name in ("first", "start", "factor"))

    def _smoother(self) -> tuple[Any, ...]:
        return tuple(self._arrays[name] for name in ("diagonal", "below", "curvature", "pull"))


def build_model(study: Study, *, layout: Layout | None = None) -> pm.Model:
    """Build the model of a study.

    Parameters
    ----------
    study : Study
    layout : Layout, optional
        The study as arrays, if the caller has it already.

    Returns
    -------
    pymc.Model
        Free variable ``latents``; deterministics ``flows`` (year, flow) in the unit of the study,
        ``bias`` (year, reporter), ``noise`` (reporter), ``step_scale`` (group), and the
        ``location`` and ``scale`` of every record on the log scale; observed ``value``.
        What may vary without recompiling (figures, priors, geometry) stands in two shared
        vectors; see `store`.
    """
    layout = layout or lay_out(study)
    unknowns = layout.unknowns
    arrays = store(layout).symbols()
    with pm.Model(coords=_coordinates(layout)) as model:
        geometry = Geometry(arrays)
        latent = pm.Normal("latents", geometry.origin(), 1.0, dims=LATENT, transform=geometry)
        scales = latent[unknowns.scales_start :]
        reporters = len(layout.reporters)
        noise = pm.Deterministic(
            "noise",
            pt.exp(arrays["noise_mean"] + arrays["noise_sd"] * scales[:reporters]),
            dims=REPORTER,
        )
        multiplier = pt.exp(arrays["step_mean"] + arrays["step_sd"] * scales[reporters:])
        pm.Deterministic("step_scale", multiplier, dims=GROUP)
        level = apply("levels", latent, _persistence(latent, arrays), *_named(arrays, LEVELS))
        flows = pm.Deterministic("flows", _balance(arrays, level), dims=(YEAR, FLOW))
        pm.Deterministic("bias", level[:, arrays["bias_column"]], dims=(YEAR, REPORTER))
        location = apply("locate", flows, level, *_named(arrays, OBSERVED))
        location = pm.Deterministic("location", location, dims=RECORD)
        scale = pm.Deterministic(
            "scale", arrays["record_sd"] * noise[arrays["reporter"]], dims=RECORD
        )
        _observe(layout, arrays, location, scale)
    return model


def store(layout: Layout) -> Store:
    """Every array the compiled program reads, under the names `Store.replace` takes."""
    unknowns, evidence = layout.unknowns, layout.evidence
    sums = {
        f"{name}_{part}": array
        for name in SUMS
        for part, array in getattr(evidence, name).parts().items()
    }
    columns = [unknowns.columns.index(f"bias:{name}") for name in layout.reporters]
    return Store.pack({
        **layout.graph.parts(),
        **sums,
        **{name: getattr(unknowns, name) for name in PRIOR_ARRAYS},
        "step_group": unknowns.group,
        "varying_sd": unknowns.sd[:, : unknowns.varying],
        "ceiling": np.array([PERSISTENCE_CEILING]),
        "constants": np.array([unknowns.constant]),
        "route": unknowns.route,
        "on_route": unknowns.on_route,
        "loss": unknowns.loss,
        "driven": unknowns.driven,
        "bias_column": np.array(columns, dtype=np.int64),
        "offset": evidence.offset,
        "over": evidence.over,
        "reporter": evidence.reporter,
        "record_kind": evidence.kind,
        "record_value": evidence.value,
        "record_low": evidence.low,
        "record_high": evidence.high,
        "record_sd": evidence.sd,
        **Coordinates.identity(unknowns).data(),
    })  # fmt: skip


def _coordinates(layout: Layout) -> dict[str, Any]:
    return {
        YEAR: list(layout.years),
        FLOW: list(layout.flows),
        REPORTER: list(layout.reporters),
        GROUP: list(STEP_GROUPS),
        RECORD: list(layout.records),
        LATENT: list(layout.latents),
    }


def _persistence(vector: Any, arrays: dict[str, Any]) -> Any:
    """AR(1) coefficients (year, varying column) for the step multipliers in a vector's tail."""
    return apply("persistences", vector, *_named(arrays, PERSISTENCE))


def _balance(arrays: dict[str, Any], level: Any) -> Any:
    return apply("balance", level, *_named(arrays, Graph.names()))


def _named(arrays: dict[str, Any], names: Iterable[str]) -> list[Any]:
    return [arrays[name] for name in names]


def _observe(layout: Layout, arrays: dict[str, Any], location: Any, scale: Any) -> None:
    """One likelihood over all records, whatever their kind."""
    freedom = layout.freedom

    def logp(value: Any, location: Any, scale: Any) -> Any:
        kind = arrays["record_kind"]
        low = pt.switch(pt.eq(kind, POINT), value, arrays["record_low"])
        return apply("record_terms", location, scale, kind, low, arrays["record_high"], freedom)

    def random(location: Any, scale: Any, rng: Any = None, size: Any = None) -> Any:
        draw = rng.standard_t(freedom, size) if freedom else rng.standard_normal(size)
        return location + scale * draw

    pm.CustomDist(
        "value", location, scale, logp=logp, random=random, observed=arrays["record_value"],
        dims=RECORD, signature="(),()->()",
    )  # fmt: skip
