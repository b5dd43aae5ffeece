"""The tables that the pages show of a comparison: what leads, what is missing, shares and noise."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from reebayes.answers.scores import Comparison, compare
from tests.fakes import RECORDS, fake_fit
from tests.test_scores import scored_fit

PAGE: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "comparison.py"))
NAMES = [str(name) for name in RECORDS.index]


@pytest.fixture(scope="module")
def found() -> Comparison:
    other = scored_fit(0.5)
    other.attrs["study_name"] = "Two lands: nothing hidden"
    gaps = pd.Series(np.arange(len(NAMES)) / 10, index=NAMES)
    refits = {"4 folds of all records": {"base": 0 * gaps - 1, "off": gaps - 1}}
    groups = {"police and office": ["police", "office"]}
    return compare({"base": scored_fit(), "off": other}, refits=refits, groups=groups)


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit()


def cells(text: str, first: str) -> list[str]:
    """Return the cells of the first row of a table that begins with a text."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {first}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_refits_lead_and_a_variant_is_named_as_it_differs(found: Comparison) -> None:
    text = PAGE["scores_text"](found)
    assert text.index("4 folds of all records") < text.index("PSIS")
    assert cells(text, "`off`")[0] == "`off`: nothing hidden"
    total = float(np.arange(len(NAMES)).sum() / 10)
    assert cells(text, "`off`")[1] == f"{total:+.1f}"
    assert f"{len(NAMES)} records. No record is missing." in text
    assert cells(text, "`base`")[1:] == ["", "", "0.00"]
    assert cells(text, "`off`")[3] == "1.00"


def test_sets_and_reporters_are_of_the_first_score(found: Comparison) -> None:
    text = PAGE["groups_text"](found)
    own = RECORDS["reporter"].isin(["police", "office"]).to_numpy()
    line = next(line for line in text.splitlines() if "police and office" in line)
    assert f"| {own.sum()} | {np.arange(len(NAMES))[own].sum() / 10:+.1f} |" in line
    assert "`survey`" in text


def test_sums_stand_side_by_side(found: Comparison) -> None:
    text = PAGE["sums_text"](found)
    assert cells(text, "variant")[1:] == ["`mined_A_hidden`", "`smuggled`"]
    assert re.match(r"[0-9.]+ \([0-9.]+ to [0-9.]+\)", cells(text, "`off`")[2])


def test_the_share_is_a_ratio_of_sums_before_and_after(fit: xr.DataTree) -> None:
    text = PAGE["share_text"](fit, "smuggled", "mined_A_hidden")
    for group in ("prior", "posterior"):
        sums = fit[group]["quantities"].sum("year")
        share = sums.sel(quantity="smuggled") / sums.sel(quantity="mined_A_hidden")
        assert cells(text, group)[1] == f"{float(share.median()):.3f}"


def test_noise_counts_the_floor(fit: xr.DataTree) -> None:
    fit = fit.copy()
    fit["posterior"]["noise"] = 2 * fit["posterior"]["noise"]  # at 1 the floor makes no difference
    text = PAGE["noise_text"](fit, 2)
    counts = RECORDS["reporter"].value_counts()
    floor = float(fit["constant_data"]["variance_floor"])
    for name in counts[counts >= 2].index:
        noise = fit["posterior"]["noise"].sel(reporter=name).values
        found = cells(text, f"`{name}`")
        assert int(found[1]) == counts[name]
        whole = float(np.quantile(np.sqrt(floor + (1 - floor) * noise**2), 0.5))
        assert float(found[3].split()[0]) == pytest.approx(whole, rel=0.01)


def test_places_are_told_of_reporters_with_enough_records() -> None:
    summary = pd.DataFrame({
        "reporter": ["all", "all", "survey", "police"],
        "what": ["figures", "bounds", "figures", "figures"],
        "records": [20, 3, 16, 4], "mean": 0.5, "sd_z": 1.25, "inside_50": 0.4, "inside_90": 0.8,
        "distance": 0.1, "p": [0.03, np.nan, 0.2, np.nan],
    })  # fmt: skip
    text = PAGE["places_text"](summary)
    assert cells(text, "all figures")[1:] == ["20", "0.50", "1.25", "40%", "80%", "0.030"]
    assert cells(text, "all bounds")[-1] == ""
    assert "`survey`" in text
    assert "police" not in text


def test_pages_and_picture_are_written(
    found: Comparison, fit: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, pages = tmp_path / "comparison", tmp_path / "docs"
    folder.mkdir()
    (pages / "validation").mkdir(parents=True)
    (folder / "pit.png").write_bytes(b"a picture")
    pd.DataFrame({
        "reporter": ["all"], "what": "figures", "records": 9, "mean": 0.5, "sd_z": 1.0,
        "inside_50": 0.5, "inside_90": 0.9, "distance": 0.1, "p": 0.5,
    }).to_csv(folder / "pit_summary.csv")  # fmt: skip
    names = PAGE["main"].__globals__
    monkeypatch.setitem(names, "HERE", pages)
    monkeypatch.setattr(names["rb"], "read_comparison", lambda folder: found)
    monkeypatch.setattr(names["rb"], "open_fit", lambda file: fit)
    share = names["share_text"]
    monkeypatch.setitem(names, "share_text", lambda fit: share(fit, "smuggled", "mined_A_hidden"))
    PAGE["main"](str(folder))
    assert "4 folds of all records" in (pages / "comparison_tables.md").read_text("utf-8")
    assert "validation/pit.png" in (pages / "held_out_tables.md").read_text("utf-8")
    assert (pages / "validation" / "pit.png").read_bytes() == b"a picture"
