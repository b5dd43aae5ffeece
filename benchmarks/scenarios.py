"""Time 20,000 systems of a scenario on one core: ``python -m benchmarks.scenarios FIT.nc``.

The target is 5 seconds for systems of the size of the bundled study. Set ``OMP_NUM_THREADS=1`` and
``OPENBLAS_NUM_THREADS=1``, so that the linear algebra takes one core.
"""

import sys
from collections.abc import Sequence
from time import process_time

import numpy as np

from reebayes.answers.scenarios.setup import Graph, Setup
from reebayes.results.fitfile import open_fit
from reebayes.results.selection import flow
from reebayes.study import Study, read_study

SYSTEMS = 20_000
NAMES = ("no_trade_2022", "no_smuggling", "new_mine_separated")


def seconds(study: Study, name: str, flows: np.ndarray) -> float:
    """Return the processor time of so many systems of one scenario, in its last year."""
    asked = study.scenario(name)
    uses = tuple(p.process for p in study.processes if p.kind == "use")
    limited = uses if any(change.kind == "process" for change in asked.changes) else ()
    sizes = {change.place: np.full(len(flows), change.size.middle) for change in asked.changes}
    if asked.capacity is not None:
        sizes["capacity"] = np.full(len(flows), asked.capacity.middle)
    start = process_time()
    Setup(Graph(study, limited), asked, asked.years[-1:], flows[:, None], sizes).solved()
    return process_time() - start


def main(argv: Sequence[str]) -> int:
    """Print the seconds of each scenario."""
    study, fit = read_study(), open_fit(argv[0])
    draws = flow(fit, list(study.flows.names)).sel(year=study.last_year)
    known = draws.values.reshape(-1, draws.sizes["flow"]).astype(float)
    flows = np.resize(known, (SYSTEMS, known.shape[1]))
    for name in NAMES:
        sys.stdout.write(f"{name}: {SYSTEMS:,} systems in {seconds(study, name, flows):.2f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
