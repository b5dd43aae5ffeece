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

from reebayes.results import write_whole
from reebayes.sampling import fit
from reebayes.study import read_study

FILE = Path(__file__).with_name("rare_earths.csv")
HEADLINE = ("mined_CN_unregistered", "mined_RW_unregistered", "smuggled_CN")
SEED, CHAINS, DRAWS, TUNE = 2022, 10, 2000, 250


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
    tree = fit(study, seed=SEED, chains=CHAINS, draws=DRAWS, tune=TUNE, progress=False)
    sys.stdout.write(f"{tree.attrs['verdict']}\n")
    if tree.attrs["converged"] != "yes":
        return 3
    text = f"# study {study.hash}\n{golden_table(tree).to_csv(float_format='%.5f')}"
    write_whole(FILE, lambda path: path.write_text(text, encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
