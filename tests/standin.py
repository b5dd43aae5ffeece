"""A stand-in for the sampler, which draws nothing."""

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import xarray as xr

from reebayes.inference.coordinates import identity
from reebayes.inference.sampling import THIN, WHITE, fit
from reebayes.model.layout import lay_out
from reebayes.study import Study

CHAINS, DRAWS = 2, 21


def statistics(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """What the sampler tells of every transition, nothing of it remarkable."""
    rng = np.random.default_rng(2)
    names = ("n_steps", "depth", "energy", "logp", "step_size", "mean_tree_accept")
    return {name: rng.standard_normal(shape) for name in names} | {
        name: np.zeros(shape, dtype=bool) for name in ("diverging", "maxdepth_reached")
    }


class StandIn:
    """A sampler that always returns the same draws, or is interrupted while waiting for them."""

    def __init__(self, size: int) -> None:
        self.seeds: list[int] = []
        self.accepts: list[float] = []
        self.interrupted = False
        self.heals = False  # smaller steps do not diverge
        self.cancelled = False
        rng = np.random.default_rng(1)
        self.white = np.zeros((CHAINS, DRAWS, size + size % 2), dtype=np.float32)
        self.white[..., :size] = 0.1 * rng.standard_normal((CHAINS, DRAWS, size))
        self.stats = statistics((CHAINS, DRAWS))
        self.start = np.zeros(size)  # of transitions that diverge
        self.tune = self.draws = self.chains = 0

    def sample(self, _: object, **given: Any) -> "StandIn":
        self.seeds.append(given["seed"])
        self.accepts.append(given["target_accept"])
        if self.heals and given["target_accept"] > 0.9:
            self.stats["diverging"][:] = False
        self.tune, self.draws, self.chains = given["tune"], given["draws"], given["chains"]
        return self

    def wait(self) -> "StandIn":
        if self.interrupted:
            raise KeyboardInterrupt
        return self

    def abort(self) -> "StandIn":
        return self

    def get_arrow_trace(self) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
        """Batches of every chain as the sampler stores them, tuning first, as often as it takes."""
        rows = np.concatenate([np.zeros(self.tune, dtype=int), np.arange(self.draws) % DRAWS])
        chains = [chain % CHAINS for chain in range(self.chains)]
        draws = [
            pa.record_batch({WHITE: pa.array(list(self.white[chain].view(np.float64)[rows]))})
            for chain in chains
        ]
        stats = [
            _batch({name: values[chain][rows] for name, values in self.stats.items()}, self.start)
            for chain in chains
        ]
        return draws, stats

    def cancel(self) -> None:
        self.cancelled = True


def _batch(stats: Mapping[str, np.ndarray], start: np.ndarray) -> pa.RecordBatch:
    """Statistics of a chain, and where each of its divergent transitions began."""
    starts = [start.tolist() if diverging else None for diverging in stats["diverging"]]
    kind = pa.large_list(pa.float64())
    return pa.record_batch({**stats, "divergence_start": pa.array(starts, type=kind)})


def stand_in_fit(study: Study, draws: int = DRAWS // THIN) -> xr.DataTree:
    """Return a fit of any study, whole but for its draws, which lie about the start of a sampler.

    Nothing is sampled, in coordinates that nothing is worked out for; it says that it converged, so
    that all that reads a fit can be tried.
    """
    layout = lay_out(study)
    stand_in = StandIn(layout.unknowns.size)
    as_they_are = identity(layout)
    with (
        patch("nutpie.sample", stand_in.sample),
        patch("reebayes.inference.sampling.find_coordinates", lambda *_, **__: as_they_are),
    ):
        tree = fit(study, seed=1, draws=draws, tune=10, chains=CHAINS, progress=False)
    tree.attrs |= {"converged": "yes", "verdict": "Nothing was sampled.", "failing": "[]"}
    return tree
