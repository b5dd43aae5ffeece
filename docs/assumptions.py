"""Print which priors move the headline sums most: python docs/assumptions.py results/fit.nc.

Moving a prior's centre by one of its standard deviations moves the posterior mean of a quantity by
the posterior covariance of the quantity with the score of that centre, to first order.
"""

import sys

import numpy as np
import pandas as pd

import reebayes as rb
from reebayes.model.kernels import persistences
from reebayes.model.layout import Layout, lay_out

MOST = 10


def scores(layout: Layout, latents: np.ndarray) -> pd.DataFrame:
    """Score of every prior's centre, in its standard deviations, by draw and target."""
    unknowns, steps = layout.unknowns, layout.equations.steps
    found = {}
    constants = slice(unknowns.states, unknowns.steps_start)
    for name, values in zip(layout.latents[constants], latents[:, constants].T, strict=True):
        found[name] = values
    moves = np.empty((len(latents), unknowns.varying))
    for draw, latent in enumerate(latents):
        persistence, innovation, _ = persistences(latent, steps)
        weight = (1.0 - persistence) / np.sqrt(innovation)
        shocks = latent[: unknowns.states].reshape(unknowns.years, unknowns.varying)
        moves[draw] = shocks[0] + (shocks[1:] * weight[steps.which[1:]]).sum(axis=0)
    found |= dict(zip(unknowns.columns[: unknowns.varying], moves.T, strict=True))
    for name, values in zip(
        layout.latents[unknowns.steps_start :], latents[:, unknowns.steps_start :].T, strict=True
    ):
        found[name] = values
    return pd.DataFrame(found)


def main(fit_file: str) -> None:
    """Print the most influential priors of every headline quantity."""
    study, fit = rb.read_study(), rb.open_fit(fit_file)
    if fit.attrs["study_hash"] != study.hash:
        raise SystemExit(f"{fit_file} is a fit of another study than the bundled one")
    latents = fit["posterior"]["latents"].stack(sample=("chain", "draw")).transpose("sample", ...)
    table = scores(lay_out(study), latents.values.astype(np.float64))
    for name in study.report["headline"]:
        total = rb.cumulative(rb.quantity(fit, name)).stack(sample=("chain", "draw")).values
        moved = table.apply(lambda score, q=total: np.cov(score, q)[0, 1])
        moved = moved[moved.abs().sort_values(ascending=False).index][:MOST]
        unit = study.unit.removesuffix("/yr")
        sys.stdout.write(
            f"\n{name}: {unit} by which the mean sum moves if a prior's centre moves by one of its "
            f"standard deviations\n{moved.round(1).to_string()}\n"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
