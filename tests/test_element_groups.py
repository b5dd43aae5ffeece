"""Groups of elements that a fit balances: what is in a place is what its draws say."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from reebayes.answers.contained import beside_elements, element_balance, elements
from reebayes.cli import contained
from reebayes.cli.main import main
from reebayes.errors import ResultError
from reebayes.figures.folding import fold, part_of, widths_of
from reebayes.figures.sankey import sankey_drawing
from reebayes.figures.yearly import yearly_sankey
from reebayes.reporting.groups import group_block
from reebayes.reporting.templating import environment
from reebayes.results.reading import contents_of
from tests.test_elements import ROCKS, material, printed, told
from tests.test_tracing import graph_fit

KINDS = {
    "ground": "environment", "mine": "conversion", "tailings": "loss", "use_magnets": "use",
    "use_other": "use", "unwanted": "loss",
}  # fmt: skip

EDGES = [
    ("ore", "ground", "mine", 20.0),
    ("lost", "mine", "tailings", 10.0),
    ("concentrate", "mine", "yard", 10.0),
    ("open", "yard", "gate", 7.0),
    ("hidden", "yard", "gate", 3.0),
    ("concentrate_light", "gate", "market", 6.0),
    ("concentrate_dear", "gate", "market_dear", 4.0),
    ("magnets", "market", "use_magnets", 1.0),
    ("other", "market", "use_other", 3.0),
    ("waste", "market", "unwanted", 2.0),
    ("magnets_dear", "market_dear", "use_magnets", 3.0),
    ("other_dear", "market_dear", "use_other", 0.75),
    ("waste_dear", "market_dear", "unwanted", 0.25),
]


def layered(**report: object) -> xr.DataTree:
    """A fit in two groups, of which two kinds of concentrate are one mixture."""
    fit = graph_fit(EDGES, KINDS)
    groups = {"light": "Ce", "dear": "Nd+Dy"}
    fit.attrs["report"] = json.dumps({"groups": groups, **report})
    return fit


STUDY = told(
    [*ROCKS],
    [material("magnets", "east"), material("other", "west")],
    [
        printed(elements="Dy+Nd", at="concentrate", year=2010, year_end=2010, value=3900.0),
        replace(
            printed(elements="Dy", at="concentrate", year=2010, year_end=2010, value=100.0),
            name="q",
        ),
    ],
)


def amounts(**asked: object) -> list[float]:
    found = elements(layered(), study=STUDY, **asked)  # type: ignore[arg-type]
    return [float(value) for value in found.isel(chain=0, draw=0, year=0)]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("concentrate", [6.0, 4.0]),
        ("open + hidden", [6.0, 4.0]),
        ("use_magnets", [1.0, 3.0]),
        ("magnets", [1.0, 0.0]),
        ("market_dear", [0.0, 4.0]),
        ("use_other + use_magnets", [4.0, 3.75]),
        ("concentrate_dear", [0.0, 4.0]),
    ],
)
def test_what_is_in_a_place_is_what_its_flows_of_a_group_are(
    at: str, expected: list[float]
) -> None:
    assert amounts(at=at) == pytest.approx(expected)
    shares = [expected[0] / 6, expected[1] / 4]
    assert amounts(at=at, over="concentrate") == pytest.approx(shares)


def test_groups_are_meant_by_their_elements_or_their_name() -> None:
    assert amounts(names=["dear"], at="concentrate") == [4.0]
    assert amounts(names="Dy+Nd", at="concentrate") == [4.0]


BAD: list[tuple[Mapping[str, object], str]] = [
    ({"names": "Nd", "at": "concentrate"}, "'Nd' is none"),
    ({"at": "open"}, "groups of 'open' are not told apart"),
    ({"at": "ore"}, "groups of 'ore' are not told apart"),
    ({"at": "lost"}, "groups of 'lost' are not told apart"),
    ({"at": "concentrate", "held": "flows"}, "leave `held` out"),
    ({"at": "concentrate", "by": "source"}, "leave out by"),
]


@pytest.mark.parametrize(("asked", "fragment"), BAD)
def test_what_is_not_balanced_by_group_is_told(asked: Mapping[str, object], fragment: str) -> None:
    with pytest.raises(ResultError, match=fragment):
        amounts(**asked)


def test_supply_has_what_finds_no_use_and_demand_is_that_of_all_groups_together() -> None:
    found = element_balance(layered(), study=STUDY).isel(chain=0, draw=0, year=0)
    assert found["supply"].values == pytest.approx([6.0, 4.0])
    # 4 of magnets and 3.75 of others, as the recipes of east and west say
    assert float(found["demand"].sum()) == pytest.approx(7.75)
    dear = float(found["demand"].sel(element="Nd+Dy"))
    assert dear == pytest.approx(4 * 0.3 + 3.75 * 0.15, rel=0.3)
    assert np.isfinite(found["ratio"]).all()


def test_published_figures_of_other_elements_are_left_out() -> None:
    found = beside_elements(layered(), study=STUDY)
    assert list(found.index) == ["p"]
    assert found.loc["p", "median"] == pytest.approx(4000)


# The sum over the groups, of which no gate parts anything.
SUMS = [
    *EDGES[:3],
    ("open", "yard", "market", 7.0),
    ("hidden", "yard", "market", 3.0),
    ("magnets", "market", "use_magnets", 4.0),
    ("other", "market", "use_other", 3.75),
    ("waste", "market", "unwanted", 2.25),
]


def test_a_diagram_draws_groups_as_their_sum() -> None:
    ours, whole = (
        part_of(contents_of(one), 2010, 0.9) for one in (layered(), graph_fit(SUMS, KINDS))
    )
    systems = [fold([part]) for part in (ours, whole)]
    assert {"market", "use_magnets"} <= {*systems[0].boxes}
    for name in ("boxes", "paths", "outside", "lost"):
        assert getattr(systems[0], name) == getattr(systems[1], name), name
    assert widths_of(ours, systems[0]) == widths_of(whole, systems[1])


def test_a_shape_of_the_page_tells_the_flows_of_every_group() -> None:
    contents = contents_of(layered())
    found = yearly_sankey(contents)
    assert found is not None
    names = {name: number for number, name in enumerate(contents.flows.index)}
    text = found.svg(0, "All", names)
    assert f'data-flows="{names["magnets"]} {names["magnets_dear"]}"' in text
    assert f'data-flows="{names["open"]}"' in text


def test_a_diagram_names_no_group() -> None:
    """Of a label that only the end tells from those of other groups, the end is left out."""
    fit = layered()
    constant = fit["constant_data"].to_dataset()
    for kind, name in (("flow", "magnets"), ("process", "market")):
        labels = constant[f"{kind}_label"].astype(object)
        labels.loc[{kind: name}] = f"Some {name}, registered, Ce"
        labels.loc[{kind: f"{name}_dear"}] = f"Some {name}, registered, Nd and Dy"
        constant[f"{kind}_label"] = labels
    fit["constant_data"] = constant
    drawing = sankey_drawing(fit, 2010)
    text = " ".join(line.text for line in drawing.lines)
    assert "Some market, registered 10.0" in text
    titles = [shape.title for shape in drawing.shapes]
    assert any(title.startswith("Some magnets, registered: 4.00") for title in titles)
    assert not [title for title in titles if "Nd and Dy" in title or "dear" in title]


def test_the_report_tells_every_group_at_every_stage() -> None:
    plan = SimpleNamespace(table_years=[2010, 2050])
    block = group_block(contents_of(layered()), plan)  # type: ignore[arg-type]
    assert block["group_years"] == [2010]
    told = {
        one["title"]: {row["label"]: row["cells"][0][0] for row in one["rows"]}
        for one in block["groups"]
    }
    assert told == {
        "Ce": {"mined": "6.00", "used": "4.00", "found no use": "2.00"},
        "Nd, Dy": {"mined": "4.00", "used": "3.75", "found no use": "0.250"},
    }
    page = environment().get_template("groups.html.j2")
    text = page.render(**block, percent="90 %", unit="kt REO/yr")
    assert text.count("<table>") == 2
    assert "Nd, Dy in the world" in text


def test_the_command_tells_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(contained, "opened", lambda *_, **__: layered())
    monkeypatch.setattr(contained, "study_as_now", lambda *_, **__: STUDY)
    file = tmp_path / "fit.nc"
    file.touch()
    assert main(["elements", str(file), "Nd+Dy", "--at", "concentrate", "--balance"]) == 0
    text = capsys.readouterr().out
    assert "2010  4.00" in text
    assert "each with a balance of its own" in text
    assert "alone" not in text
