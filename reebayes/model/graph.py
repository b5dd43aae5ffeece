"""The model graph: a study as an ordinary ``pm.Model``.

Every unknown is a standard normal pushed through its prior: log inflows, log ratios of
transfer coefficients to that of the reference outflow, reporter biases, common systematic errors,
noise and step multipliers. They stand in one vector, ``latents``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from reebayes.conventions import FLOW, GROUP, LATENT, RECORD, REPORTER, SHARED, YEAR
from reebayes.model.layout import Layout, lay_out
from reebayes.model.operations import apply
from reebayes.study import Study
from reebayes.study.targets import STEP_GROUPS


def build_model(study: Study) -> pm.Model:
    """Build the model of a study: priors, mass balance of every process, likelihood of the records.

    Parameters
    ----------
    study : Study

    Returns
    -------
    pymc.Model
        Free variable ``latents``; deterministics ``flows`` (year, flow) in the unit of the study,
        ``bias`` (year, reporter), ``shared_error`` (shared; of one
        that moves, its mean over the years), ``noise`` (reporter) and what
        all of them have in common of it, ``noise_of_all``, ``step_scale`` (group), ``freedom``
        and ``noise_spread`` where degrees of freedom and the spread of noise are learnt, and the
        ``location`` and ``scale`` of every record on the log scale; observed ``value``. Those of a
        part of a composition are of its log less the weighted mean of those of the parts before it.
        `reebayes.fit` samples the same density with the same kernels, in coordinates
        that suit it.

    Examples
    --------
    >>> import reebayes as rb
    >>> model = rb.build_model(rb.read_study("zinc"))
    >>> [variable.name for variable in (*model.free_RVs, *model.observed_RVs)]
    ['latents', 'value']
    """
    layout = lay_out(study)
    with pm.Model(coords=_coordinates(layout)) as model:
        latent = pm.Normal("latents", 0.0, 1.0, dims=LATENT)
        _multipliers(layout, latent)
        state = apply("states", layout.equations.steps, latent)
        level = apply("levels", layout.equations.centres, state, latent)
        flow = apply("balance", layout.equations.graph, level)
        pm.Deterministic("flows", flow.T, dims=(YEAR, FLOW))
        bias = layout.rows("bias", layout.reporters)
        shared = layout.rows("shared", layout.shared)
        pm.Deterministic("bias", level[bias].T, dims=(YEAR, REPORTER))
        pm.Deterministic("shared_error", level[shared].mean(axis=1), dims=SHARED)
        location = apply("locate", layout.equations.sums, flow, level)
        scale = apply("spreads", layout.equations.errors, latent)
        _observe(
            layout,
            pm.Deterministic("location", location, dims=RECORD),
            pm.Deterministic("scale", scale, dims=RECORD),
            _freedom(layout, latent),
        )
    return model


def _coordinates(layout: Layout) -> dict[str, Any]:
    return {
        YEAR: list(layout.years),
        FLOW: list(layout.flows),
        REPORTER: list(layout.reporters),
        SHARED: list(layout.shared),
        GROUP: list(STEP_GROUPS),
        RECORD: list(layout.records),
        LATENT: list(layout.latents),
    }


def _multipliers(layout: Layout, latent: Any) -> None:
    """Name the noise of reporters and the step multipliers of groups."""
    unknowns, errors, steps = layout.unknowns, layout.equations.errors, layout.equations.steps
    own = latent[unknowns.noise]
    step = latent[unknowns.steps_start :]
    stretch = errors.stretch[0]
    if errors.stretch_at.size:
        stretch = stretch + errors.stretch[1] * latent[int(errors.stretch_at[0])]
        pm.Deterministic("noise_spread", pt.exp(stretch))
    spread = pt.concatenate([pt.exp(stretch) * errors.noise_sd[:-1], errors.noise_sd[-1:]])
    noise = errors.noise_mean + spread * own
    pm.Deterministic("noise", pt.exp(noise[:-1] + noise[-1]), dims=REPORTER)
    pm.Deterministic("noise_of_all", pt.exp(noise[-1]))
    pm.Deterministic("step_scale", pt.exp(steps.step_mean + steps.step_sd * step), dims=GROUP)


def _freedom(layout: Layout, latent: Any) -> Any:
    """Degrees of freedom of the errors of figures: learnt, set, or 0 where they are normal."""
    errors = layout.equations.errors
    if not errors.tail_at.size:
        return pt.constant(layout.equations.figures.freedom)
    learnt = pt.exp(errors.tail[0] + errors.tail[1] * latent[int(errors.tail_at[0])])
    return pm.Deterministic("freedom", learnt)


def _observe(layout: Layout, location: Any, scale: Any, freedom: Any) -> None:
    """One likelihood over all records, whatever their kind."""
    figures = layout.equations.figures

    def logp(value: Any, location: Any, scale: Any, freedom: Any) -> Any:
        # one number for all records, whatever was made of it to fit them
        return apply("heavy_terms", figures, location, scale, pt.atleast_1d(freedom)[0])

    def random(location: Any, scale: Any, freedom: Any, rng: Any = None, size: Any = None) -> Any:
        heavy = (np.asarray(freedom) > 0).all()
        draw = rng.standard_t(freedom, size) if heavy else rng.standard_normal(size)
        return location + scale * draw

    pm.CustomDist(
        "value", location, scale, freedom, logp=logp, random=random, observed=figures.low,
        dims=RECORD, signature="(),(),()->()",
    )  # fmt: skip
