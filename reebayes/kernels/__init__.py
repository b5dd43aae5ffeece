"""The arithmetic of the model as compiled loops: each function beside its adjoint.

Every kernel takes its structure (who flows where, which rows add up) as arrays, so one
compilation serves every study. An adjoint takes the cotangents of the outputs and returns those
of the differentiable inputs; ``tests/test_kernels.py`` holds each pair against finite differences.

``years`` goes from the latent vector to levels, ``conservation`` from levels to flows and
``evidence`` from flows to the likelihood; ``whitening`` holds the sampler's coordinates, and
``program`` joins all of it.
"""

from reebayes.kernels.conservation import balance, balance_adjoint
from reebayes.kernels.evidence import (
    CERTAIN,
    EITHER,
    LOWER,
    POINT,
    RANGE,
    UPPER,
    locate,
    locate_adjoint,
    record_terms,
    record_terms_adjoint,
    spreads,
    spreads_adjoint,
    weigh,
    weigh_adjoint,
)
from reebayes.kernels.program import density, observe, unfold
from reebayes.kernels.structures import (
    Centres,
    Errors,
    Figures,
    Graph,
    Rows,
    Steps,
    Sums,
    Whitening,
)
from reebayes.kernels.whitening import (
    conditional_factors,
    smooth,
    smooth_adjoint,
    unwhiten,
    unwhiten_adjoint,
)
from reebayes.kernels.years import levels, levels_adjoint, persistences, states, states_adjoint

__all__ = [
    "CERTAIN",
    "EITHER",
    "LOWER",
    "POINT",
    "RANGE",
    "UPPER",
    "Centres",
    "Errors",
    "Figures",
    "Graph",
    "Rows",
    "Steps",
    "Sums",
    "Whitening",
    "balance",
    "balance_adjoint",
    "conditional_factors",
    "density",
    "levels",
    "levels_adjoint",
    "locate",
    "locate_adjoint",
    "observe",
    "persistences",
    "record_terms",
    "record_terms_adjoint",
    "smooth",
    "smooth_adjoint",
    "spreads",
    "spreads_adjoint",
    "states",
    "states_adjoint",
    "unfold",
    "unwhiten",
    "unwhiten_adjoint",
    "weigh",
    "weigh_adjoint",
]
