"""Write the posterior of the bundled study as a long run has it, for later fits to be held against.

    uv run python -m tests.golden.make

Remake it when the data or the model change on purpose; the difference is then the news.
"""

import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from reebayes.conventions import POSTERIOR
from reebayes.files import write_whole
from reebayes.inference.convergence import diagnose
from reebayes.inference.datatree import draws_dataset
from reebayes.inference.sampling import THIN, Run, draw, find_coordinates
from reebayes.model.layout import lay_out
from reebayes.study import read_study

FILE = Path(__file__).with_name("rare_earths.csv")
HEADLINE = ("mined_CN_unregistered", "mined_RW_unregistered", "smuggled_CN")
# Shorter steps than a fit takes: in so many transitions one would diverge now and then.
RUN = Run(seed=2022, chains=10, draws=1500, tune=250, thin=THIN, accept=0.93, progress=False)


def golden_table(tree: xr.DataTree) -> pd.DataFrame:
    """Mean and standard deviation of the log of each headline quantity, by year."""
    logs = np.log(tree["posterior"]["quantities"].sel(quantity=list(HEADLINE)).astype(float))
    parts = {"mean": logs.mean(("chain", "draw")), "sd": logs.std(("chain", "draw"))}
    columns = {name: values.to_series().rename(name) for name, values in parts.items()}
    table = pd.DataFrame(columns).reorder_levels(["quantity", "year"]).sort_index()
    return table.loc[list(HEADLINE)]


def read_golden() -> pd.DataFrame:
    """The table as written, with the hash of its study."""
    head, _, text = FILE.read_text("utf-8").partition("\n")
    table = pd.read_csv(StringIO(text), index_col=["quantity", "year"])
    table.attrs["study_hash"] = head.removeprefix("# study ").strip()
    return table


def main() -> int:
    """Fit and write; refuse a run that did not converge."""
    study = read_study()
    layout = lay_out(study)
    draws, stats = draw(layout, RUN, find_coordinates(layout, seed=RUN.seed))
    posterior = draws_dataset(layout, study.unit, POSTERIOR, draws)
    verdict = diagnose(posterior, stats)
    sys.stdout.write(f"{verdict['verdict']}\n")
    if verdict["converged"] != "yes":
        return 3
    tree = xr.DataTree.from_dict({"posterior": posterior})
    text = f"# study {study.hash}\n{golden_table(tree).to_csv(float_format='%.5f')}"
    write_whole(FILE, lambda path: path.write_text(text, encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
