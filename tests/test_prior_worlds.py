"""What the priors of the bundled study say before any record, on some worlds."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from reebayes.study import Study, read_study

WORLDS = 120

PRIORS: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "priors.py"))


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study()


@pytest.fixture(scope="module")
def draws(study: Study) -> xr.DataArray:
    drawn: xr.DataArray = PRIORS["prior_worlds"](study, WORLDS)
    return drawn


def test_no_world_mines_beyond_reason(draws: xr.DataArray) -> None:
    # So few worlds cannot show one in a thousand; they show whether many stray.
    assert PRIORS["worlds_above"](draws) <= 2 / WORLDS
    assert PRIORS["years_above"](draws) <= PRIORS["TAIL"]


def test_no_use_vanishes_or_takes_everything(study: Study, draws: xr.DataArray) -> None:
    low, high = PRIORS["share_range"](study, draws)
    assert PRIORS["SHARE_LIMITS"][0] <= low < high <= PRIORS["SHARE_LIMITS"][1]


def test_shares_of_uses_add_up(study: Study, draws: xr.DataArray) -> None:
    names = PRIORS["use_shares"](study)
    regions = {process.region for process in study.processes if process.kind == "use"}
    uses = sum(process.kind == "use" for process in study.processes)
    # One share for each use of a region, one for each kind of use in the world, and one for each
    # region's part of the world's use that the study names.
    assert len(names) >= uses + uses // len(regions)
    target = {flow.flow: flow.target for flow in study.flows}
    single = {
        item.quantity
        for item in study.quantities
        if len({target[flow] for flow, _ in item.numerator}) == 1
    }
    for region in regions:
        own = [n for n in names if n.startswith(f"share_{region}_") and n in single]
        total = draws.sel(quantity=own)
        assert total.sum("quantity").min() == pytest.approx(1)
        assert total.sum("quantity").max() == pytest.approx(1)


def test_a_prior_beyond_reason_is_found(study: Study) -> None:
    wild = study.variant("narrow_margins").with_prior("concentrate_CN_registered", median=900.0)
    few = PRIORS["prior_worlds"](wild, 20)
    assert not PRIORS["within_reason"](wild, few)


def test_tables_show_every_quantity_of_the_report(study: Study, draws: xr.DataArray) -> None:
    text = PRIORS["tables_text"](study, draws)
    missing = [name for name in study.report["table"] if f"`{name}`" not in text]
    assert not missing
    assert f"on {WORLDS:,} worlds" in text
    row = next(line for line in text.splitlines() if line.startswith("| `mined_US` |"))
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    years = study.report["table_years"]
    idle = [year for year, text in zip(years, cells, strict=True) if not text]
    assert idle == [year for year in years if not study.flows["concentrate_US"].is_active(year)]
