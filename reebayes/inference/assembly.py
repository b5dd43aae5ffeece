"""From draws in white coordinates to a fit: computed, stored and judged piece by piece."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from reebayes.conventions import POSTERIOR, PRIOR
from reebayes.inference.convergence import diagnose
from reebayes.inference.datatree import (
    by_record,
    draw_arrays,
    draw_names,
    informative,
    log_likelihood,
    log_prior,
    observed_data,
    part_log_likelihood,
    prior_names,
    record_names,
    replicate,
)
from reebayes.inference.identifiability import count_directions
from reebayes.model.kernels import Whitening, observe, states, unfold
from reebayes.model.layout import Layout
from reebayes.model.observations import log_noises
from reebayes.model.prior_rows import PriorRow, prior_rows
from reebayes.model.unknowns import Floats
from reebayes.results.contents import (
    BANDS,
    COMPOSITIONS,
    CONSTANT,
    LIKELIHOOD,
    LOG_PRIOR,
    OBSERVED,
    PART_LIKELIHOOD,
    PREDICTIVE,
    PRIOR_PREDICTIVE,
    STATS,
    dataset,
)
from reebayes.results.description import composition_data, constant_data
from reebayes.results.fitfile import PIECE, even_piece
from reebayes.results.intervals import interval_group
from reebayes.results.stores import Store
from reebayes.study import Study

PRIOR_DRAWS = 500

type Kept = NDArray[np.float32] | Floats
"""Draws (chain, draw, latent), in white coordinates or as latent vectors."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the sampler leaves: draws in white coordinates, and statistics.

    ``stats`` are of all transitions, ``kept`` those of the draws. ``places`` names the unknowns
    where transitions diverged; ``first_try`` says how an earlier run went, "" if there was none.
    """

    white: Kept
    whitening: Whitening
    stats: xr.Dataset
    kept: Mapping[str, Any]
    places: Sequence[str] = ()
    first_try: str = ""


def assemble(
    study: Study, layout: Layout, sampled: Sampled, rng: np.random.Generator, store: Store
) -> dict[str, Any]:
    """Put a fit together in a store.

    Parameters
    ----------
    study : Study
    layout : Layout
    sampled : Sampled
    rng : Generator
        Of the prior's draws and of all replicated figures.
    store : Store
        Memory, or a file.

    Returns
    -------
    dict
        The convergence verdict and the directions that the records see, as attributes.
    """
    prior = rng.standard_normal((1, PRIOR_DRAWS, layout.unknowns.size))
    rows = prior_rows(study, layout)
    mean = _stored(layout, rows, sampled.white, sampled.whitening, rng, store, POSTERIOR)
    _stored(layout, rows, prior, None, rng, store, PRIOR)
    del prior
    store.add(OBSERVED, observed_data(layout, study.unit))
    constant = constant_data(study)
    store.add(CONSTANT, constant)
    if layout.parts.at.size:
        store.add(COMPOSITIONS, composition_data(study))
    store.add(STATS, dataset(STATS, study.unit, **sampled.kept))
    terms, units = (
        dict(zip(layout.quantities, constant[f"quantity_{name}"].values, strict=True))
        for name in ("terms", "unit")
    )
    with store.opened(POSTERIOR, PRIOR) as draws:
        bands = interval_group(draws, terms, units, study.unit)
        verdict = diagnose(
            draws[POSTERIOR], sampled.stats, places=sampled.places, first_try=sampled.first_try
        )
    store.add(BANDS, bands)
    directions = count_directions(layout, mean) | {"at": "posterior mean"}
    return {**verdict, "directions": json.dumps(directions)}


def _stored(
    layout: Layout,
    rows: Sequence[PriorRow],
    points: Kept,
    whitening: Whitening | None,
    rng: np.random.Generator,
    store: Store,
    group: str,
) -> Floats:
    """Store a group of draws and what goes with it; return the mean of the latent vectors."""
    chains, draws, size = points.shape
    names, records = draw_names(layout, chains, draws), record_names(layout, chains, draws)
    parts = layout.parts.at
    shares = record_names(layout, chains, draws, parts)
    priors = prior_names(rows, chains, draws)
    total = np.zeros(size)
    heard = len(layout.records) if group == POSTERIOR else 0
    terms = np.empty((chains, draws, heard), np.float32)
    for start, piece in _pieces(points):
        found = transformed_back(layout, piece, whitening)
        total += found["latents"].sum(axis=(0, 1), dtype=np.float64)
        store.write(group, names, start, draw_arrays(layout, found))
        replicated = by_record(replicate(layout, found, rng))
        if group == POSTERIOR:
            store.write(PREDICTIVE, records, start, replicated)
            chain, first = divmod(start, draws)
            terms[chain, first : first + piece.shape[1]] = log_likelihood(layout, found)[0]
            if parts.size:
                given = part_log_likelihood(layout, found)
                store.write(PART_LIKELIHOOD, shares, start, by_record(given))
            store.write(LOG_PRIOR, priors, start, log_prior(rows, found["latents"]))
        else:
            store.write(PRIOR_PREDICTIVE, records, start, replicated)
    if group == POSTERIOR:
        _store_likelihood(layout, terms, store)
    return np.asarray(total / (chains * draws))


def _store_likelihood(layout: Layout, terms: NDArray[np.float32], store: Store) -> None:
    """Store the terms of records that say something, which only all draws together tell."""
    chains, draws = terms.shape[:2]
    telling = informative(terms)
    names = record_names(layout, chains, draws, telling)
    for chain in range(chains):
        heard = by_record(terms[chain : chain + 1, :, telling])
        store.write(LIKELIHOOD, names, chain * draws, heard)


def _pieces(points: Kept) -> Iterator[tuple[int, Kept]]:
    """Pieces (1, draw, latent) of one chain, each with its number among all draws."""
    chains, draws = points.shape[:2]
    step = even_piece(draws, PIECE)
    for chain in range(chains):
        for begin in range(0, draws, step):
            yield chain * draws + begin, points[chain : chain + 1, begin : begin + step]


def transformed_back(
    layout: Layout, points: Kept, whitening: Whitening | None
) -> dict[str, Floats]:
    """Every stored variable (chain, draw, ...) of draws (chain, draw, latent).

    Draws are in white coordinates, or are latent vectors where no coordinates are given.
    """
    shape, years = points.shape[:2], len(layout.years)
    unknowns = layout.unknowns
    stored = {
        "latents": np.empty((*shape, unknowns.size), dtype=np.float32),
        "flows": np.empty((*shape, years, len(layout.flows))),
        "bias": np.empty((*shape, years, len(layout.reporters))),
        "shared_error": np.empty((*shape, len(layout.shared))),
        "location": np.empty((*shape, len(layout.records))),
        "scale": np.empty((*shape, len(layout.records))),
        "noise": np.empty((*shape, len(layout.reporters))),
        "noise_of_all": np.empty(shape),
        "step_scale": np.empty((*shape, layout.equations.steps.step_mean.size)),
    }
    cores = os.cpu_count() or 1
    runs = [
        (chain, part)
        for chain in range(shape[0])
        for part in np.array_split(np.arange(shape[1]), cores)
        if part.size
    ]

    def fill(run: tuple[int, Any]) -> None:
        chain, part = run
        here = slice(part[0], part[-1] + 1)
        room = {name: values[chain, here] for name, values in stored.items()}
        _transform_run(layout, points[chain, here], whitening, room)

    with ThreadPoolExecutor(cores) as pool:  # kernels run outside the GIL
        list(pool.map(fill, runs))
    return stored


def _transform_run(
    layout: Layout, points: Kept, whitening: Whitening | None, room: Mapping[str, Floats]
) -> None:
    steps, errors, unknowns = layout.equations.steps, layout.equations.errors, layout.unknowns
    moving = unknowns.steps_start
    bias, shared = layout.rows("bias", layout.reporters), layout.rows("shared", layout.shared)
    for n, kept in enumerate(points):
        white = kept.astype(np.float64)
        if whitening is None:
            state, latent = states(white, steps), white
        else:
            state, latent = unfold(white, steps, whitening)
        level, flow, location, scale = observe(state, latent, layout.equations)
        noise = log_noises(errors, latent)
        step = np.exp(steps.step_mean + steps.step_sd * latent[moving:])
        found = (
            latent, flow.T, level[bias].T, level[shared].mean(axis=1), location, scale,
            np.exp(noise[:-1] + noise[-1]), np.exp(noise[-1]), step,
        )  # fmt: skip
        for values, value in zip(room.values(), found, strict=True):
            values[n] = value
