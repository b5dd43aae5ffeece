"""The drawing of a study's graph follows from its tables."""

import runpy
from pathlib import Path
from typing import Any

from reebayes.study import read_study

SCRIPT: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "graph.py"))


def test_flows_run_to_the_right_and_trade_stays_in_its_column() -> None:
    study = read_study()
    column = SCRIPT["columns"](study)
    kind = {process.process: process.kind for process in study.processes}
    for flow in study.flows:
        ends = (kind[flow.source], kind[flow.target])
        if flow.flow == "scrap_CN_magnets":
            assert column[flow.source] > column[flow.target]  # the one loop within a region
        elif ends == ("market", "market"):
            assert column[flow.source] == column[flow.target], flow.flow
        elif "conversion" in ends and not {*ends} & {"environment", "loss"}:
            assert column[flow.source] < column[flow.target], flow.flow


def test_every_market_conversion_and_use_has_a_place_of_its_own() -> None:
    study = read_study()
    places = SCRIPT["places"](study)
    drawn = {p.process for p in study.processes if p.kind in ("market", "conversion", "use")}
    assert set(places) == drawn
    assert len(set(places.values())) == len(drawn)


def test_the_drawing_names_them(tiny_study: Path) -> None:
    (ax,) = SCRIPT["draw"](read_study(tiny_study)).axes
    words = {text.get_text() for text in ax.texts}
    assert {"mine", "ore market", "plant", "metal market", "use magnets"} <= words
    assert "residues" not in words
