"""A fit in pieces is the fit, needs less memory, and is refused where there is not enough."""

import tracemalloc
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import psutil
import pytest
import xarray as xr

from reebayes.cli.main import main
from reebayes.errors import ReebayesError, ResultError
from reebayes.inference import assembly, convergence, memory, sampling
from reebayes.inference.datatree import informative
from reebayes.inference.memory import available_memory, memory_needed
from reebayes.inference.sampling import THIN, fit
from reebayes.model.layout import Layout, lay_out
from reebayes.results import fitfile, intervals
from reebayes.results.fitfile import open_fit, pieces_of, save_fit
from reebayes.results.reading import contents_of
from reebayes.study import Study, read_study
from tests.standin import CHAINS, DRAWS, StandIn, stand_in_fit, statistics
from tests.tiny import RECORDS, shared_tables, write_tables


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("memory") / "tiny"
    return read_study(write_tables(folder, **shared_tables()))


@pytest.fixture(scope="module")
def layout(study: Study) -> Layout:
    return lay_out(study)


@pytest.fixture
def sampler(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn(layout.unknowns.size)
    monkeypatch.setattr("nutpie.sample", stand_in.sample)
    return stand_in


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three draws at a time, and one name at a time."""
    for module in (assembly, fitfile):
        monkeypatch.setattr(module, "PIECE", 3)
    for module in (convergence, intervals):
        monkeypatch.setattr(module, "_READ", 1)


def short(study: Study, **more: Any) -> xr.DataTree:
    return fit(study, seed=4, draws=DRAWS // THIN, tune=10, chains=CHAINS, progress=False, **more)


TIMED = ("created", "wall_seconds")


def assert_same(one: xr.DataTree, other: xr.DataTree) -> None:
    assert set(one.children) == set(other.children)
    for name in one.children:
        xr.testing.assert_identical(one[name].to_dataset(), other[name].to_dataset().load())
    for attrs in (one.attrs, other.attrs):
        assert set(TIMED) <= set(attrs)
    left = {name: value for name, value in one.attrs.items() if name not in TIMED}
    assert left == {name: value for name, value in other.attrs.items() if name not in TIMED}


# --- pieces ---------------------------------------------------------------------------------------


def test_a_fit_in_pieces_is_the_whole_fit_bit_for_bit(
    study: Study, sampler: StandIn, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    whole = short(study)
    request.getfixturevalue("small_pieces")
    assert_same(whole, short(study))
    filed = short(study, out=tmp_path / "fit.nc")
    assert_same(whole, filed)
    filed.close()
    saved = save_fit(whole, tmp_path / "saved.nc")
    assert_same(whole, open_fit(saved))
    assert lying(tmp_path / "fit.nc") == lying(saved)


def test_a_record_that_no_draw_makes_more_probable_has_no_log_likelihood(
    tmp_path: Path,
) -> None:
    """Whether one says something is known when all draws are: a bound far from them is silent."""
    far = "r_far,made,2014,,upper,,,300,kt REO,,0.1,survey,yearbook,\n"
    near = "r_near,exported,2014,,upper,,,3,kt REO,,0.1,survey,yearbook,\n"
    rows = RECORDS + far + near
    found = stand_in_fit(read_study(write_tables(tmp_path / "far", records=rows)))
    heard = found["log_likelihood"]["record"].values.tolist()
    names = [line.partition(",")[0] for line in rows.splitlines()[1:]]
    assert heard == [name for name in names if name not in ("r_zero", "r_far")]
    terms = contents_of(found).log_likelihood
    assert terms["record"].values.tolist() == names
    assert (terms.sel(record=["r_zero", "r_far"]) == 0).all()


@pytest.mark.parametrize("size", [0.0, 1e-16, 1e-7])
def test_terms_that_are_the_same_to_the_last_digits_say_nothing(size: float) -> None:
    terms = np.zeros((2, 50, 3), dtype=np.float32)
    terms[1, 7, 0] = -size
    terms[..., 1] = np.random.default_rng(1).normal(size=(2, 50))
    terms[0, 3, 2] = np.nan  # what is damaged is not hidden
    assert informative(terms).tolist() == [False, True, True]


def lying(path: Path) -> dict[str, tuple[object, object]]:
    """Pieces and checksums of every variable in a file."""
    with netCDF4.Dataset(path) as file:
        return {
            f"{name}/{variable.name}": (variable.chunking(), variable.filters()["fletcher32"])
            for name, group in file.groups.items()
            for variable in group.variables.values()
        }


def test_a_fit_into_a_file_holds_a_part_of_it_in_memory(
    study: Study, sampler: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Draws that are computed and read back, and the sampler's own, are what it takes."""
    for module in (convergence, intervals):
        monkeypatch.setattr(module, "_READ", 2**16)
    monkeypatch.setattr(assembly, "PIECE", 100)
    monkeypatch.setattr(fitfile, "PIECE", 100)
    settings = {"seed": 1, "draws": 3_000, "tune": 1, "chains": 1, "progress": False}
    short(study)  # compiled, and loaded
    monkeypatch.setattr(sampling, "_sample", _many_draws(sampling._sample))
    tracemalloc.start()
    try:
        with_file = fit(study, **settings, out=tmp_path / "fit.nc")
        in_file = tracemalloc.get_traced_memory()[1]
        size = sum(group.nbytes for group in with_file.children.values())
        with_file.close()
        tracemalloc.reset_peak()
        whole = fit(study, **settings)
        in_memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert whole["posterior"].sizes["draw"] == 3_000
    assert in_memory > size
    assert in_file < 0.7 * size


def _many_draws(sample: Any) -> Any:
    """Draws near the mode, as many as asked for, without a sampler that stores them."""

    def drawn(layout: Layout, whitening: Any, run: Any) -> Any:
        if run.thin == 1:
            return sample(layout, whitening, run)
        rng = np.random.default_rng(3)
        points = rng.standard_normal((1, run.draws, layout.unknowns.size), dtype=np.float32)
        stats = statistics((1, run.draws * run.thin))
        told = xr.Dataset({name: (("chain", "draw"), v) for name, v in stats.items()})
        return sampling.Outcome(points, told, np.empty((0, layout.unknowns.size)))

    return drawn


def test_pieces_waste_little_and_are_never_empty() -> None:
    dims = ("chain", "draw", "year", "flow")
    assert pieces_of(dims, (4, 1000, 23, 121)) == (1, 500, 23, 1)
    assert pieces_of(dims, (2, 7, 6, 11)) == (1, 7, 6, 1)
    _, draws, _, _ = pieces_of(dims, (1, 997, 2, 3))
    assert -(-997 // draws) * draws <= 1.01 * 997
    assert pieces_of(("chain", "draw", "latent"), (4, 1000, 57_000))[2] <= 512
    assert pieces_of(("chain", "draw"), (4, 1000)) == (1, 500)
    assert pieces_of(("distribution", "year"), (2, 23)) == (2, 23)


@pytest.mark.parametrize("there_before", [False, True])
def test_a_fit_that_fails_while_it_is_put_together_leaves_no_file(
    study: Study,
    sampler: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there_before: bool,
) -> None:
    out = tmp_path / "results" / "fit.nc"
    if there_before:
        short(study, out=out).close()
    before = out.read_bytes() if there_before else None

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assembly, "diagnose", no_space)
    with pytest.raises(ResultError, match="cannot be written"):
        short(study, out=out)
    assert [path.name for path in out.parent.iterdir()] == ["fit.nc"] * there_before
    assert (out.read_bytes() if there_before else None) == before


# --- what is needed, and what there is ------------------------------------------------------------


def little() -> int:
    """So much that, with what this process holds, 10 MB are free: it holds more by every test."""
    return 10**7 - psutil.Process().memory_info().rss


def test_a_fit_that_does_not_fit_is_refused_before_it_starts(
    study: Study, sampler: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", little)
    with pytest.raises(ReebayesError) as told:
        short(study)
    text = str(told.value)
    assert "\n" not in text
    assert "needs about 0." in text
    assert "GB are free" in text
    assert "Ask for fewer draws or chains, or give `out`" in text
    assert "leave years out" in text
    assert sampler.seeds == []


def test_the_command_refuses_with_its_exit_code(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(memory, "available_memory", little)
    out = tmp_path / "fit.nc"
    assert main(["fit", "--data", str(study.path), "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "GB of memory" in told
    assert "`out`" not in told  # it is written in pieces already
    assert not out.exists()


def test_the_estimate_grows_with_what_is_asked_for(layout: Layout) -> None:
    usual: dict[str, Any] = {"transitions": 3_000, "draws": 1_000, "chains": 4, "in_file": False}

    def need(**more: Any) -> dict[str, int]:
        return memory_needed(layout, **(usual | more))

    assert need(chains=8)["sampling"] > need()["sampling"]
    assert need(transitions=9_000)["sampling"] > need()["sampling"]
    assert need(draws=9_000)["assembly"] > need()["assembly"]
    assert need(in_file=True)["assembly"] < need()["assembly"]
    assert need(chains=8)["coordinates"] == need()["coordinates"]
    each = 8_000 * layout.unknowns.size * 4
    assert need(transitions=5_000)["sampling"] - need()["sampling"] == each


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    for folder, most in ((tmp_path, "max\n"), (inner, "2000000\n")):
        (folder / "memory.max").write_text(most)
        (folder / "memory.current").write_text("1500000\n")
        (folder / "memory.stat").write_text("anon 900000\ninactive_file 300000\n")
    monkeypatch.setattr(memory, "_groups_of_process", lambda: [inner, tmp_path, tmp_path / "no"])
    assert available_memory() == 800_000
    (inner / "memory.max").write_text("max\n")
    assert available_memory() > 10**7


def test_control_groups_are_those_of_the_process_up_to_the_top() -> None:
    folders = memory._groups_of_process()
    assert all(folder.is_relative_to(memory._CONTROL_GROUPS) for folder in folders)
    assert len(set(folders)) == len(folders)
