"""What the bundled scenarios change: python docs/scenarios.py FIT.nc.

Writes the table of the page on scenarios (scenarios_tables.md): use by region, use by application
without trade, and what mines and an alliance add outside China by stage. The fit is one of the
bundled study, as `reebayes fit --out FIT.nc` saves it. Takes half a minute.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from writing import table

import reebayes as rb
from reebayes.wording import format_band, format_value

HERE = Path(__file__).parent

type Draws = NDArray[np.float64]

YEAR = 2022
REGIONS = {"CN": "China", "US": "United States", "RW": "rest of the world"}
BY_REGION = (
    *("no_trade_2022", "half_quota_2022", "myanmar_closed_2022", "mountain_pass_closed"),
    *("new_mine", "new_mine_separated", "mongolia_alliance"),
)
BY_STAGE = ("new_mine", "new_mine_separated", "mongolia_alliance")
STAGES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "mined": {
        "CN": ("concentrate_CN_registered", "concentrate_CN_unregistered"),
        "US": ("concentrate_US",),
        "RW": ("concentrate_RW_registered", "concentrate_RW_unregistered"),
    },
    "leached": {"CN": ("salt_CN", "salt_CN_unregistered"), "US": ("salt_US",), "RW": ("salt_RW",)},
    "refined": {"CN": ("oxide_CN", "oxide_CN_unregistered"), "US": ("oxide_US",),
                "RW": ("oxide_RW",)},
    "reduced to metal": {"CN": ("metal_CN", "metal_CN_unregistered"), "US": ("metal_US",),
                         "RW": ("metal_RW",)},
}  # fmt: skip
"""Flows that leave the plants of each stage, by region."""


def band(draws: Draws) -> str:
    """Median and 90 % band."""
    middle, low, high = np.quantile(draws, [0.5, 0.05, 0.95])
    return format_band(middle, low, high)


def uses(scenario: xr.DataTree) -> pd.DataFrame:
    """Rows of `effect` on use in the year of this page."""
    effect = rb.effect(scenario, years=YEAR)
    return effect[effect["what"] == "use"]


def by_region(scenarios: Mapping[str, xr.DataTree]) -> str:
    """Use as it was, and its change in all regions and in each."""
    names = ["use", *(f"use_{region}" for region in REGIONS)]
    found = {name: uses(scenarios[name]) for name in BY_REGION}
    was = found[BY_REGION[0]]["factual"]
    rows = [["as it was", *(format_value(was[name]) for name in names)]]
    rows += [[f"`{name}`", *(difference(effect, use) for use in names)]
             for name, effect in found.items()]  # fmt: skip
    return table(("scenario", f"use in {YEAR}", *REGIONS.values()), rows)


def by_application(scenario: xr.DataTree) -> str:
    """Change of use of each application in each region."""
    found = uses(scenario)
    found = found[found["product"] != ""]
    rows = [[label, difference(found, use)] for use, label in found["label"].items()]
    return table(("use", "change"), rows)


def difference(effect: pd.DataFrame, use: str) -> str:
    """Change of one use with its band."""
    row = effect.loc[use]
    return format_band(row["difference"], row["lower"], row["upper"])


def by_stage(scenarios: Mapping[str, xr.DataTree]) -> str:
    """What is available outside China at each stage, and how concentrated that stage is."""
    rows = [[f"`{name}`", *line] for name in BY_STAGE for line in _stages(scenarios[name])]
    head = ("scenario", "stage", "outside China as it was", "in the scenario", "HHI as it was",
            "in the scenario", "change of HHI")  # fmt: skip
    return table(head, rows)


def _stages(scenario: xr.DataTree) -> Iterator[list[str]]:
    for stage, regions in STAGES.items():
        outside, hhi = [], []
        for side in ("factual", "counterfactual"):
            flows = scenario[side]["flows"].sel(year=YEAR)
            made = {region: flows.sel(flow=list(names)).sum("flow").values.ravel()
                    for region, names in regions.items()}  # fmt: skip
            total = sum(made.values())
            outside.append(made["US"] + made["RW"])
            hhi.append(sum((part / total) ** 2 for part in made.values()))
        yield [stage, *map(band, outside), *map(band, hhi), band(hhi[1] - hhi[0])]


def main(file: str) -> None:
    """Write the tables of a fit."""
    fit = rb.open_fit(file)
    scenarios = {name: rb.scenario(fit, name) for name in BY_REGION}
    parts = [
        by_region(scenarios),
        "Without trade in 2022, by application:",
        by_application(scenarios["no_trade_2022"]),
        "Available outside China in 2022, and concentration (HHI) of each stage by region:",
        by_stage(scenarios),
    ]
    (HERE / "scenarios_tables.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
