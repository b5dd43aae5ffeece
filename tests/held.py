"""What a refit without some records might say of them, for tests that must not sample."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reebayes.experiments.runs import HeldOut
from reebayes.inference.pit import REPLICAS


def held_out(records: Sequence[str], elpd: float) -> HeldOut:
    """Return records of one density, in places at random."""
    rng = np.random.default_rng(len(records))
    pit = rng.uniform(size=len(records))
    table = pd.DataFrame(
        {"elpd": elpd, "pit_low": pit, "pit_high": pit, "pit": pit},
        index=pd.Index(list(records), name="record"),
    )
    return HeldOut(table, rng.uniform(size=(REPLICAS, len(records))))
