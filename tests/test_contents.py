"""What a fit holds: one list, by which it is written, checked and read."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import reebayes as rb
from reebayes.answers.drivers import driver_text
from reebayes.cli import fits
from reebayes.cli.main import main
from reebayes.errors import ResultError
from reebayes.reporting.tables import export_tables
from reebayes.results import fitfile
from reebayes.results.contents import (
    ATTRIBUTES,
    BAND_PROBS,
    BANDS,
    CONSTANT,
    GROUPS,
    PREDICTIVE,
    differences,
    missing,
)
from reebayes.results.fitfile import open_fit, save_fit
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents, contents_of
from reebayes.study import Study, read_study
from tests.fakes import SUMS, fake_fit
from tests.tiny import write_tables

EVERY = [(group.name, variable) for group in GROUPS.values() for variable in group.variables]


@pytest.fixture(scope="module")
def fit() -> xr.DataTree:
    return fake_fit()


@pytest.fixture(scope="module")
def file(fit: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_fit(fit, tmp_path_factory.mktemp("contents") / "fit.nc")


# --- written by it --------------------------------------------------------------------------------


def test_names_are_given_once_and_told_in_a_sentence() -> None:
    names = [f"{group}/{variable.name}" for group, variable in EVERY]
    assert len(set(names)) == len(names)
    assert all(variable.meaning.endswith(".") for _, variable in EVERY)
    assert all(meaning.endswith(".") for _, meaning in ATTRIBUTES.values())


def test_a_fit_is_what_the_list_says(fit: xr.DataTree) -> None:
    assert differences(fit) == missing(fit) == []
    assert set(fit.attrs) <= set(ATTRIBUTES)


@pytest.mark.parametrize("group", GROUPS)
def test_a_variable_that_the_list_does_not_name_is_not_written(
    group: str, fit: xr.DataTree, tmp_path: Path
) -> None:
    changed = fit.copy()
    changed[group] = fit[group].to_dataset().assign(smell=1.0)
    with pytest.raises(ResultError, match=f"{group}/smell"):
        save_fit(changed, tmp_path / "fit.nc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("group", "name"), [(group, variable.name) for group, variable in EVERY if group != BANDS]
)
def test_a_variable_that_only_the_list_names_fails_at_writing(
    group: str, name: str, fit: xr.DataTree, tmp_path: Path
) -> None:
    changed = fit.copy()
    changed[group] = fit[group].to_dataset().drop_vars(name)
    with pytest.raises(ResultError, match=f"{group}/{name}"):
        save_fit(changed, tmp_path / "fit.nc")


def test_a_group_that_nobody_knows_is_not_written(fit: xr.DataTree, tmp_path: Path) -> None:
    changed = fit.copy()
    changed["gossip"] = xr.Dataset({"value": 1.0})
    with pytest.raises(ResultError, match="group gossip"):
        save_fit(changed, tmp_path / "fit.nc")


def test_a_fit_without_its_predictions_can_be_saved_again(fit: xr.DataTree, tmp_path: Path) -> None:
    less = fit.copy()
    del less[PREDICTIVE]
    opened = open_fit(save_fit(less, tmp_path / "fit.nc"))
    assert PREDICTIVE not in opened.children


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.assign(flows=d["flows"].astype(str)), "flows as number"),
        (lambda d: d.assign(flows=d["flows"].astype("M8[ns]")), "flows as number"),
        (lambda d: d.isel(year=[0, 0, 1]), "with each name once"),
        (lambda d: d.drop_vars("year"), "flows by chain, draw, year, flow"),
        (lambda d: d.transpose("draw", "chain", ...), "flows by chain, draw, year, flow"),
    ],
    ids=["text", "dates", "doubled", "nameless", "turned"],
)
def test_wrong_forms_are_told(spoil: Any, message: str, fit: xr.DataTree, tmp_path: Path) -> None:
    changed = fit.copy()
    changed["posterior"] = spoil(fit["posterior"].to_dataset())
    with pytest.raises(ResultError, match=message):
        save_fit(changed, tmp_path / "fit.nc")


# --- read by it -----------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """Names and numbers of values of all that is read from files."""
    found: list[tuple[str, int]] = []
    usual = fitfile._Checked._read

    def noted(self: Any, key: tuple[Any, ...]) -> Any:
        values = usual(self, key)
        found.append((self.name, int(np.size(values))))
        return values

    monkeypatch.setattr(fitfile._Checked, "_read", noted)
    yield found


def test_opening_a_fit_reads_no_draws(file: Path, read: list[tuple[str, int]]) -> None:
    opened = open_fit(file)
    assert read == []
    assert opened["posterior"]["flows"].shape == fake_fit()["posterior"]["flows"].shape


def test_one_quantity_is_read_by_itself(file: Path, read: list[tuple[str, int]]) -> None:
    draws = rb.quantity(open_fit(file), "smuggled")
    assert draws.values.size == draws.size
    names = dict(read)
    assert names.pop("/posterior/quantities") == draws.size
    assert all(name.startswith("/constant_data/") for name in names)


def test_what_was_learnt_is_told_without_draws_of_flows(
    file: Path, read: list[tuple[str, int]]
) -> None:
    driver_text(open_fit(file))
    assert read
    assert not [name for name, _ in read if name.endswith("/flows") or "latents" in name]


def test_tables_are_made_without_draws_of_flows(file: Path, read: list[tuple[str, int]]) -> None:
    tables = export_tables(open_fit(file))
    assert len(tables["flows"]) > 0
    assert "/posterior/flows" not in {name for name, _ in read}


def test_tables_of_the_study_are_read_once(fit: xr.DataTree) -> None:
    contents = contents_of(fit)
    assert contents_of(contents) is contents
    assert contents.records is contents.records
    assert isinstance(contents, Contents)


def test_damage_is_told_when_it_is_read(file: Path, tmp_path: Path) -> None:
    """Numbers are checked where they are used; `verify` checks all of them."""
    code = """
import sys
from pathlib import Path
from reebayes.errors import ResultError
from reebayes.results.fitfile import open_fit
path = Path(sys.argv[1])
fit = open_fit(path)
try:
    fit["posterior"]["flows"].values
except ResultError as error:
    print("used:", error)
try:
    open_fit(path, verify=True)
except ResultError as error:
    print("verified:", error)
"""
    damaged = tmp_path / "damaged.nc"
    data = bytearray(file.read_bytes())
    values = fake_fit()["posterior"]["flows"].values
    piece = np.ascontiguousarray(values[0, ..., 3]).tobytes()  # of one chain, and one name
    at = bytes(data).find(piece)
    assert at > 0
    data[at + 40] ^= 0xFF
    damaged.write_bytes(data)
    done = subprocess.run([sys.executable, "-c", code, str(damaged)], capture_output=True,
                          text=True, check=True)  # fmt: skip
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["used", "verified"]
    assert all("damaged" in line and "Fit again" in line for line in lines)


# --- bands ----------------------------------------------------------------------------------------


ALONE = """
import json, sys
import netCDF4
with netCDF4.Dataset(sys.argv[1]) as root:
    group = root["bands"]
    found = {
        name: {"values": variable[:].tolist(),
               "attributes": {key: variable.getncattr(key) for key in variable.ncattrs()}}
        for name, variable in group.variables.items()
    }
assert not {"reebayes", "xarray", "pandas"} & set(sys.modules)
print(json.dumps(found, default=float))
"""


@pytest.fixture(scope="module")
def alone(file: Path) -> dict[str, Any]:
    """The group of bands as another program reads it, without this package or xarray."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(file)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("what", "dim", "unit"),
    [
        ("flows", "flow", "kt REO/yr"),
        ("quantities", "quantity", "kt REO/yr"),
        ("ratios", "ratio", "ratio"),
    ],
)
def test_bands_answer_to_anyone_who_reads_netcdf(
    what: str, dim: str, unit: str, alone: dict[str, Any], fit: xr.DataTree
) -> None:
    """Medians and bands by year, each with its unit and probability."""
    names = alone[dim]["values"]
    assert alone["distribution"]["values"] == ["prior", "posterior"]
    for number, distribution in enumerate(alone["distribution"]["values"]):
        draws = fit[distribution].to_dataset()["flows" if what == "flows" else "quantities"]
        chosen = draws.sel({draws.dims[-1]: names})
        flat = chosen.values.reshape(-1, *chosen.shape[2:]).astype(float)
        ends = {f"{what}_median": (0.5, None)}
        for prob in BAND_PROBS:
            ends[f"{what}_lower_{round(100 * prob)}"] = ((1 - prob) / 2, prob)
            ends[f"{what}_upper_{round(100 * prob)}"] = ((1 + prob) / 2, prob)
        for name, (level, probability) in ends.items():
            attributes = alone[name]["attributes"]
            assert attributes["units"] == unit
            assert attributes.get("probability") == probability
            assert attributes.get("interval") == (probability and "equal-tailed")
            expected = np.quantile(flat, level, axis=0)
            np.testing.assert_allclose(alone[name]["values"][number], expected, rtol=1e-6)


def test_sums_in_the_file_are_sums_draw_by_draw(alone: dict[str, Any], fit: xr.DataTree) -> None:
    flows = fit["posterior"].to_dataset()["flows"].values.sum(axis=2)
    flat = flows.reshape(-1, flows.shape[-1])
    at = alone["distribution"]["values"].index("posterior")
    assert alone["flows_sum_upper_95"]["attributes"]["units"] == "kt REO"
    assert alone["flows_sum_upper_95"]["attributes"]["probability"] == 0.95
    expected = np.quantile(flat, 0.975, axis=0)
    np.testing.assert_allclose(alone["flows_sum_upper_95"]["values"][at], expected, rtol=1e-9)
    names = alone["flow"]["values"]
    above, below = (
        flat[:, [names.index(name) for name in chosen]].sum(axis=1)
        for chosen in (["ore_hidden"], ["ore_mined", "ore_hidden"])
    )
    ratio = alone["ratios_sum_median"]
    assert ratio["attributes"]["units"] == "ratio"
    np.testing.assert_allclose(ratio["values"][at], [np.median(above / below)], rtol=1e-9)


def test_every_quantity_has_bands(alone: dict[str, Any]) -> None:
    names = alone["quantity"]["values"] + alone["ratio"]["values"]
    assert sorted(names) == sorted(SUMS)


@pytest.mark.parametrize("prob", BAND_PROBS)
def test_stored_bands_are_those_of_the_draws(prob: float, fit: xr.DataTree) -> None:
    for what in ("flows", "quantities"):
        stored = bands_of(fit, what, ci_prob=prob)
        drawn = rb.bands(fit["posterior"][what], ci_prob=prob)
        assert stored.attrs["ci_prob"] == prob
        for end in ("median", "lower", "upper"):
            np.testing.assert_allclose(stored[end], drawn[end], rtol=1e-5)


def test_bands_of_another_probability_come_from_the_draws(fit: xr.DataTree) -> None:
    drawn = bands_of(fit, "quantities", ci_prob=0.66)
    assert drawn.attrs["ci_prob"] == 0.66
    np.testing.assert_allclose(
        drawn["upper"], fit["posterior"]["quantities"].quantile(0.83, ("chain", "draw")), rtol=1e-5
    )
    sums = bands_of(fit, "quantities", total=True, ci_prob=0.66)
    assert "share_hidden" not in sums["quantity"].values


# --- the study's words are renewed without a fit --------------------------------------------------


def test_labels_are_renewed_in_a_finished_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed label asks for no fit: the one that is there is given the new words."""
    from reebayes.inference import sampling
    from reebayes.provenance import asked_for, digest_of

    folder = write_tables(tmp_path / "tiny")

    def stand_in(study: Study, **settings: Any) -> xr.DataTree:
        made.append(study)
        usual = {"seed": 0, "draws": sampling.DRAWS, "tune": sampling.TUNE,
                 "chains": sampling.CHAINS, "target_accept": sampling.TARGET_ACCEPT}  # fmt: skip
        given = {name: value for name, value in settings.items() if name in usual}
        asked = asked_for(study.hash, **{**usual, **given})
        tree = fake_fit(report=None)
        tree.attrs |= asked | {
            "digest": digest_of(asked), "description_hash": study.description_hash,
            "study_name": study.name,
        }  # fmt: skip
        return open_fit(save_fit(tree, settings["out"]))

    made: list[Study] = []
    monkeypatch.setattr(sampling, "fit", stand_in)
    monkeypatch.setattr(fits, "report", lambda **given: 0)  # the made-up fit has other flows
    command = ["run", "--data", str(folder), "--out-dir", str(tmp_path / "out")]
    assert main(command) == 0
    path = folder / "processes.csv"
    path.write_text(path.read_text("utf-8").replace("Plant", "Works"), "utf-8")
    assert "Works" in path.read_text("utf-8")
    assert main(command) == 0
    assert len(made) == 1
    assert "those of the study as it is now" in capsys.readouterr().out
    # tables of one study beside draws of another are no fit, so it is opened by other means
    with xr.open_datatree(tmp_path / "out" / "fit.nc", engine="netcdf4") as found:
        labels = found[CONSTANT]["process_label"].values
        assert any("Works" in str(label) for label in labels)
        assert json.loads(found.attrs["report"]) == {}


def test_the_report_shows_both_hashes(fit: xr.DataTree, tmp_path: Path) -> None:
    text = rb.write_report(fit, tmp_path / "report.html").read_text("utf-8")
    assert fit.attrs["study_hash"] in text
    assert fit.attrs["description_hash"] in text


def test_the_bundled_study_has_a_sourced_floor() -> None:
    study = read_study()
    (row,) = study.priors.rows("noise:floor")
    assert row.median == study.variance_floor == 0.25
    assert row.source in study.sources
