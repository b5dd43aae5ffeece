"""The system diagram: every process and flow of any study, and nothing covers anything."""

from dataclasses import replace
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reebayes as rb
from reebayes.errors import ResultError
from reebayes.figures.flowsheets import system_drawing
from reebayes.figures.folding import INPUT, LOSS, STOCK
from reebayes.figures.sankey import COLOURS
from reebayes.study import Flow, Process, Study, Table
from tests.systems import random_system
from tests.test_sankey import faults, frame, label

YEARS = ((2020, 2020),)
BASE = random_system(1).study


def wild_study(seed: int) -> Study:
    """Return a study without order: loops, stocks, losses, pairs to and fro, flows to oneself."""
    rng = Random(seed)
    kinds = ["market", "conversion", "conversion", "use", "loss", "environment"]
    rows = [Process("in", "environment", "", "Nature"), Process("one", "market", "A", label(rng))]
    rows += [
        Process(f"p{n}", rng.choice(kinds), rng.choice(("", "A", "B", "C")), label(rng))
        for n in range(rng.randint(2, 14))
    ]
    kind = {row.process: row.kind for row in rows}
    flows = [Flow("f", "in", "one", "ore", True, YEARS, "Flow f")]
    for number in range(rng.randint(1, 40)):
        source, target = rng.choice([*kind]), rng.choice([*kind])
        if kind[source] not in ("loss", "use") and (source != target or number % 5 == 0):
            flow = f"f{number}"
            registered = rng.random() < 0.5
            flows.append(Flow(flow, source, target, "ore", registered, YEARS, f"Flow {flow}"))
    return replace(BASE, processes=Table(Process, rows), flows=Table(Flow, flows))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_nothing_leaves_the_diagram_or_covers_a_box_or_label(seed: int) -> None:
    assert not list(faults(system_drawing(wild_study(seed))))


@pytest.mark.parametrize("seed", range(4))
def test_every_process_and_flow_of_a_system_is_drawn(seed: int) -> None:
    study = random_system(seed).study
    drawing = system_drawing(study)
    assert not list(faults(drawing))
    boxes = {shape.touches[0] for shape in drawing.shapes if shape.kind == "box"}
    kinds = {process.process: process.kind for process in study.processes}
    assert boxes == {name for name, kind in kinds.items() if kind not in ("environment", "loss")}
    told = [shape.title for shape in drawing.shapes if shape.kind in ("ribbon", "stub")]
    assert sorted(told) == sorted(f"{flow.label} ({flow.product})" for flow in study.flows)
    places = {s.touches[0]: frame(s).x0 for s in drawing.shapes if s.kind == "box"}
    for flow in study.flows:  # what is mined and made goes to the right
        if flow.flow.startswith(("mined", "made", "to_plant", "magnets")):
            assert places[flow.source] < places[flow.target]


@pytest.mark.parametrize("name", [None, "zinc"])
def test_studies_that_come_along_are_drawn(name: str | None) -> None:
    study = rb.read_study(name)
    drawing = system_drawing(study)
    assert not list(faults(drawing))
    assert len([s for s in drawing.shapes if s.kind in ("ribbon", "stub")]) == len(study.flows)
    ElementTree.fromstring(rb.draw_system(study, title="Mine <& yours>"))


def test_inputs_stocks_and_losses_are_told_apart() -> None:
    study = rb.read_study("zinc")
    colours = [shape.colour for shape in system_drawing(study).shapes if shape.kind == "stub"]
    assert {COLOURS[kind][0] for kind in (INPUT, STOCK, LOSS)} == {*colours}
    words = {line.text for line in system_drawing(study).lines}
    assert "lost" in words
    assert any(word.startswith("from Ore") for word in words)


def test_a_year_leaves_out_what_cannot_exist_in_it() -> None:
    study = rb.read_study()
    flows = [flow for flow in study.flows if flow.is_active(2001)]
    drawn = [s for s in system_drawing(study, year=2001).shapes if s.kind in ("ribbon", "stub")]
    assert len(drawn) == len(flows) < len(study.flows)
    with pytest.raises(ResultError, match="not inside the study"):
        rb.draw_system(study, year=1900)


@pytest.mark.parametrize(
    ("form", "start"), [("svg", b"<svg"), ("pdf", b"%PDF"), ("png", b"\x89PNG")]
)
def test_pictures_are_written_in_every_format(tmp_path: Path, form: str, start: bytes) -> None:
    path = rb.save_system(rb.read_study("zinc"), tmp_path / f"system.{form}")
    assert path.read_bytes().startswith(start)
    with pytest.raises(ResultError, match="must end in"):
        rb.save_system(rb.read_study("zinc"), tmp_path / "system.gif")
