"""Where results are written and fits come from: pipes, links, odd file systems, odd fits."""

import copy
import errno
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from filelock import FileLock

import reebayes as rb
from reebayes import files
from reebayes.answers.drivers import driver_text
from reebayes.cli.main import main
from reebayes.errors import ResultError
from reebayes.experiments.calibration.running import read_outcomes
from reebayes.files import plain_file, plain_folder, sole_writer, write_whole
from reebayes.reporting.spreadsheets import write_csv, write_xlsx
from reebayes.reporting.tables import export_tables
from reebayes.results.fitfile import _Handle, fit_attributes, open_fit, save_fit
from reebayes.results.intervals import bands_of
from reebayes.results.reading import contents_of
from tests.fakes import fake_fit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")

ROOT = Path(__file__).parents[1]
CUSTOMS = ROOT / "tests" / "customs" / "plain.csv"
TABLE = pd.DataFrame({"flow": ["ore"]})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit that no test may change."""
    return save_fit(fake_fit(draws=20), tmp_path_factory.mktemp("saved") / "fit.nc")


@pytest.fixture(scope="module")
def sound() -> xr.DataTree:
    """The same in memory."""
    return fake_fit(draws=20)


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sampled, drawn or counted: what is refused is refused before."""

    def work(*_: object, **__: object) -> None:
        raise AssertionError("work was done")

    for name in (
        "reebayes.cli.fits._fitted",
        "reebayes.experiments.runs.RunStore.fit",
        "reebayes.experiments.calibration.calibrate",
        "reebayes.customs.harmonise",
        "reebayes.reporting.page.write_report",
        "reebayes.reporting.tables.export_tables",
        "reebayes.answers.drivers.driver_text",
        "reebayes.answers.drivers.gather_drivers",
        "reebayes.cli.studies.describe_study",
    ):
        monkeypatch.setattr(name, work)


def one_line(text: str) -> str:
    """Return a message, which must be one line and no traceback."""
    assert "Traceback" not in text
    assert text.count("\n") == 1, text
    return text


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    """Bind a socket by a short name: paths of sockets may have 100 letters."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


def make_link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("end"))
    path.symlink_to("end")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


NO_FILES = {
    "pipe": make_pipe,
    "socket": make_socket,
    "link to a pipe": make_link_to_pipe,
    "loop": make_loop,
    "folder": Path.mkdir,
}
NO_FOLDERS = {name: make for name, make in NO_FILES.items() if name != "folder"} | {
    "file": Path.touch
}

# Commands that write a file, or into a folder; OUT stands for it.
INTO_FILES = {
    "fit": ["fit", "--data", "TINY", "--out", "OUT"],
    "report": ["report", "FIT", "--out", "OUT"],
    "export": ["export", "FIT", "--to", "xlsx", "--out", "OUT"],
    "describe": ["describe", "TINY", "--out", "OUT"],
    "harmonise": ["harmonise", str(CUSTOMS), "--data", "TINY", "--out", "OUT"],
    "rejected": ["harmonise", "--data", "TINY", "--out", "BESIDE", "--rejected", "OUT"],
}
INTO_FOLDERS = {
    "run": ["run", "--data", "TINY", "--out-dir", "OUT"],
    "export": ["export", "FIT", "--to", "csv", "--out", "OUT"],
    "learnt": ["learnt", "FIT", "--csv", "OUT"],
    "compare": ["compare", "--data", "TINY", "--out", "OUT"],
    "calibrate": ["calibrate", "--data", "TINY", "--out", "OUT"],
    "study": ["study", "RUN", "--out", "OUT"],
}


def told(words: list[str], out: Path, saved: Path, tiny: Path) -> int:
    """Run a command with its output, and a fit and a study where it takes them."""
    known = {"OUT": out, "FIT": saved, "TINY": tiny, "BESIDE": out.with_name("beside.csv")}
    return main([str(known.get(word, word)) for word in words])


def standing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What stands in a folder: modes, sizes and numbers, of links themselves."""
    stats = {str(path): path.lstat() for path in folder.rglob("*")}
    return {name: (s.st_mode, s.st_size, s.st_ino) for name, s in stats.items()}


# --- outputs are plain files ----------------------------------------------------------------------


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("thing", NO_FILES)
@pytest.mark.parametrize("command", INTO_FILES)
def test_what_is_no_plain_file_is_refused_before_work(
    command: str, thing: str, saved: Path, tiny_study: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    NO_FILES[thing](out)
    before = standing(tmp_path)
    assert told(INTO_FILES[command], out, saved, tiny_study) == 2
    message = one_line(capsys.readouterr().err)
    assert str(out) in message
    assert "give the name of a file" in message
    assert standing(tmp_path) == before


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("thing", NO_FOLDERS)
@pytest.mark.parametrize("command", INTO_FOLDERS)
def test_what_is_no_folder_is_refused_before_work(
    command: str, thing: str, saved: Path, tiny_study: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    NO_FOLDERS[thing](out)
    before = standing(tmp_path)
    assert told(INTO_FOLDERS[command], out, saved, tiny_study) == 2
    message = one_line(capsys.readouterr().err)
    assert str(out) in message
    assert "give the name of a folder" in message
    assert standing(tmp_path) == before


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("run", name) for name in ("fit.nc", "report.html")),
        *(("compare", name) for name in ("base.nc", "comparison.csv")),
    ],
)
def test_pipes_inside_a_folder_are_refused_before_work(
    command: str, name: str, saved: Path, tiny_study: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A pipe under the name of a file that is looked for first would stop the run for ever."""
    out = tmp_path / "out"
    out.mkdir()
    make_pipe(out / name)
    assert told(INTO_FOLDERS[command], out, saved, tiny_study) == 2
    assert f"{name} is a pipe; give the name of a file" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("thing", NO_FILES)
def test_functions_refuse_what_is_no_plain_file(
    thing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reebayes.reporting.page._rendered", lambda material: "")
    out, fit = tmp_path / "out", fake_fit(draws=4)
    NO_FILES[thing](out)
    before = standing(tmp_path)
    writers: list[Callable[[], object]] = [
        lambda: rb.save_fit(fit, out),
        lambda: rb.write_report(fit, out),
        lambda: write_xlsx({}, out),
        lambda: write_whole(out, lambda path: path.write_text("text")),
    ]
    for write in writers:
        with pytest.raises(ResultError, match="give the name of a file"):
            write()
    assert standing(tmp_path) == before


def test_a_pipe_among_the_tables_is_refused_before_the_first_is_written(tmp_path: Path) -> None:
    make_pipe(tmp_path / "sources.csv")
    with pytest.raises(ResultError, match=r"sources.csv is a pipe"):
        write_csv({"flows": TABLE, "sources": TABLE}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["sources.csv"]


@pytest.mark.parametrize("name", ["run.json", "tasks/well_specified/0.npz"])
def test_pipes_among_finished_refits_are_told(name: str, tiny_study: Path, tmp_path: Path) -> None:
    """Whoever opens one waits for a writer, for ever."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    make_pipe(tmp_path / name)
    with pytest.raises(ResultError, match="is a pipe"):
        if name == "run.json":
            rb.calibrate(rb.read_study(tiny_study), sims=1, out=tmp_path)
        else:
            read_outcomes(tmp_path, "well_specified")


def test_a_pipe_is_no_fit(tmp_path: Path) -> None:
    make_pipe(tmp_path / "fit.nc")
    with pytest.raises(ResultError, match="is a pipe, not a fit"):
        open_fit(tmp_path / "fit.nc")
    assert fit_attributes(tmp_path / "fit.nc") == {}


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file/out.nc", "file/more/out.nc"):
        with pytest.raises(ResultError, match="file is a file; give the name of a folder"):
            plain_file(tmp_path / place)
    with pytest.raises(ResultError, match="file is a file; give the name of a folder"):
        write_csv({"flows": TABLE}, tmp_path / "file")


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "there"),
    [("report", True), ("report", False), ("export", True)],
    ids=["a page", "nothing", "a workbook"],
)
def test_links_are_written_through(
    command: str, there: bool, saved: Path, tiny_study: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What the link leads to is replaced or made, in its own folder; the link stays."""
    monkeypatch.setattr("reebayes.reporting.page._rendered", lambda material: "<html></html>")
    place, link = tmp_path / "far" / "file", tmp_path / "near" / "link"
    place.parent.mkdir()
    link.parent.mkdir()
    link.symlink_to("../far/file")
    if there:
        place.write_text("old")
    assert told(INTO_FILES[command], link, saved, tiny_study) == 0
    assert link.is_symlink()
    assert os.readlink(link) == "../far/file"
    assert place.stat().st_size > 10
    assert not place.is_symlink()
    assert {path.name for path in (*place.parent.iterdir(), *link.parent.iterdir())} == {
        "file", "link",
    }  # fmt: skip


def test_a_chain_of_links_keeps_every_link(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(tmp_path / "new" / "three")
    path = save_fit(fake_fit(draws=4), tmp_path / "one")
    assert path == tmp_path / "one"
    assert (tmp_path / "one").is_symlink()
    assert (tmp_path / "two").is_symlink()
    assert open_fit(tmp_path / "new" / "three").attrs["study_name"]


def test_the_temporary_file_lies_beside_what_a_link_leads_to(tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    (tmp_path / "link").symlink_to(far / "file")
    seen: list[Path] = []
    with sole_writer(tmp_path / "link"):
        assert [path.name for path in far.iterdir()] == [".file.lock"]
        write_whole(tmp_path / "link", lambda path: (seen.append(path), path.write_text("new")))
    assert [path.parent for path in seen] == [far.resolve()]
    assert seen[0].name.startswith(".file.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far", "link"]


def test_a_failure_leaves_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("no space")

    with pytest.raises(ResultError, match=r"link: cannot be written \(no space\)"):
        write_whole(tmp_path / "link", fail)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_a_link_and_its_file_have_one_writer(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    with (
        sole_writer(tmp_path / "file"),
        pytest.raises(ResultError, match="another run"),
        sole_writer(tmp_path / "link"),
    ):
        pass


@pytest.mark.parametrize("there", [True, False], ids=["a folder", "nothing"])
def test_folders_are_written_through_links(there: bool, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("far/tables")
    if there:
        (tmp_path / "far" / "tables").mkdir(parents=True)
    write_csv({"flows": TABLE}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "tables" / "flows.csv").is_file()
    assert plain_folder(tmp_path / "link") == (tmp_path / "far" / "tables").resolve()


def test_a_dangling_link_to_an_input_is_an_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two outputs that are one file, which is not there yet."""
    (tmp_path / "link").symlink_to("out.csv")
    words = ["harmonise", CUSTOMS, "--out", tmp_path / "out.csv", "--rejected", tmp_path / "link"]
    assert main([str(word) for word in words]) == 2
    assert "another file of this command" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out.csv").exists()


# --- odd file systems -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [NotImplementedError("no locks"), OSError(errno.ENOSYS, "no"), OSError(errno.ENOLCK, "no")],
    ids=["system", "file system", "network"],
)
def test_where_no_file_can_be_locked_a_run_goes_on_and_says_so(
    error: Exception, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FileLock, "acquire", refuse)
    monkeypatch.setattr("reebayes.reporting.page._rendered", lambda material: "<html></html>")
    with caplog.at_level(logging.WARNING):
        assert main(["report", str(saved), "--out", str(tmp_path / "out")]) == 0
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        f"{tmp_path / 'out'}: its file system has no locks"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_errors_of_a_lock_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with (
        pytest.raises(ResultError, match="out: cannot be written"),
        sole_writer(tmp_path / "out"),
    ):
        pass


def test_a_lock_is_removed_while_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other way round, the next run holds a file that this one then removes."""
    there: list[bool] = []
    release = FileLock.release

    def noted(lock: FileLock, *words: object, **more: object) -> None:
        there.append(Path(lock.lock_file).exists())
        release(lock)

    monkeypatch.setattr(FileLock, "release", noted)
    with sole_writer(tmp_path / "out"):
        assert (tmp_path / ".out.lock").exists()
    assert there and not any(there)


def test_a_lock_that_cannot_be_removed_while_it_is_open_is_closed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"open": True}
    release, unlink = FileLock.release, Path.unlink

    def closed(lock: FileLock, *words: object, **more: object) -> None:
        release(lock)
        state["open"] = False

    def refused(path: Path, *, missing_ok: bool = False) -> None:
        if state["open"]:
            raise PermissionError(errno.EACCES, "in use")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(FileLock, "release", closed)
    monkeypatch.setattr(files.Path, "unlink", refused)
    with sole_writer(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


NOWHERE = """
import sys
from numba.core import caching
caching.CacheImpl._locator_classes = []
import reebayes as rb
from reebayes.cli.main import main
study, out = sys.argv[1:]
for command in (["run", "--out-dir", out], ["compare", "--out", out], ["calibrate", "--out", out]):
    print(main([*command, "--data", study]))
try:
    rb.fit
except rb.ReebayesError as error:
    print(error, file=sys.stderr)
"""


def test_where_compiled_code_can_be_kept_nowhere(tiny_study: Path, tmp_path: Path) -> None:
    """Each command that samples, and the function, name the variable to set, in one line."""
    done = subprocess.run(
        [sys.executable, "-c", NOWHERE, str(tiny_study), str(tmp_path / "out")], cwd=ROOT,
        check=True, capture_output=True, text=True, env={**os.environ, "NUMBA_DISABLE_JIT": "0"},
    )  # fmt: skip
    assert [line for line in done.stdout.splitlines() if line.isdigit()] == ["2"] * 3
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert set(lines) == {lines[0]}
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in lines[0]


# --- fits that were cut ---------------------------------------------------------------------------


def cut(group: str, **positions: object) -> Callable[[xr.DataTree], xr.DataTree]:
    """Cut one group, and leave the others as they are."""

    def change(fit: xr.DataTree) -> xr.DataTree:
        changed = fit.copy()
        changed[group] = fit[group].to_dataset().isel(positions)
        return changed

    return change


EVEN = {
    "years": lambda fit: fit.isel(year=slice(0, 3)),
    "last year": lambda fit: fit.isel(year=[-1]),
    "chain": lambda fit: fit.isel(chain=[0]),
    "draws": lambda fit: fit.isel(draw=slice(10)),
}


@pytest.mark.parametrize("name", [*EVEN, "file"])
def test_figures_of_a_cut_fit_are_of_what_is_left(
    name: str, sound: xr.DataTree, tmp_path: Path
) -> None:
    """Bands that were made of all years and draws are not told of fewer."""
    fit = EVEN.get(name, EVEN["years"])(sound)
    if name == "file":
        fit.to_netcdf(tmp_path / "cut.nc", engine="netcdf4")
        fit = open_fit(tmp_path / "cut.nc")
    for group in ("posterior", "prior"):
        draws = fit[group]["quantities"].sel(quantity="smuggled").stack(all=("chain", "draw"))
        flows = fit[group]["flows"].sel(flow="ore_smuggled").stack(all=("chain", "draw"))
        ends = {"median": 0.5, "lower": 0.05, "upper": 0.95}
        total = bands_of(fit, "quantities", group, total=True).sel(quantity="smuggled")
        yearly = bands_of(fit, "quantities", group).sel(quantity="smuggled")
        single = bands_of(fit, "flows", group).sel(flow="ore_smuggled")
        for end, level in ends.items():
            by_hand = np.quantile(draws.sum("year").values, level)
            np.testing.assert_allclose(total[end].item(), by_hand)
            np.testing.assert_allclose(yearly[end], np.quantile(draws.values, level, axis=-1))
            np.testing.assert_allclose(single[end], np.quantile(flows.values, level, axis=-1))
    fit.close()


@pytest.mark.parametrize("name", ["chain", "draws"])
def test_all_tables_of_a_cut_fit_are_of_what_is_left(name: str, sound: xr.DataTree) -> None:
    fit = EVEN[name](sound)
    tables = export_tables(fit)
    draws = fit["posterior"]["quantities"].sel(quantity="smuggled").sum("year").values
    row = tables["cumulative"].set_index("quantity").loc["smuggled"]
    by_hand = np.quantile(draws, [0.05, 0.95])
    np.testing.assert_allclose(row[["lower", "upper"]].astype(float), by_hand)


@pytest.mark.parametrize("reader", [driver_text, export_tables, rb.record_table])
def test_records_of_years_that_were_cut_are_told(
    reader: Callable[[xr.DataTree], object], sound: xr.DataTree
) -> None:
    """What needs a year that is gone says so; what does not, works."""
    fit = sound.isel(year=slice(0, 3))
    if reader is rb.record_table:
        pd.testing.assert_frame_equal(rb.record_table(fit), rb.record_table(sound))
        return
    with pytest.raises(ResultError, match=r"lacks 2013, of which its records tell; .* 2010-2012"):
        reader(fit)


UNEVEN = {
    "years of the posterior": (cut("posterior", year=slice(3)), "year in prior"),
    "draws of the posterior": (cut("posterior", draw=slice(9)), "draw in log_likelihood"),
    "draws of the likelihood": (cut("log_likelihood", draw=slice(9)), "draw in log_likelihood"),
    "records predicted": (cut("posterior_predictive", record=slice(3)), "record in"),
    "quantities of the prior": (cut("prior", quantity=[0, 1]), "quantity in prior"),
    "years between": (lambda fit: fit.isel(year=[0, 2]), "years one after another"),
    "years turned round": (lambda fit: fit.isel(year=[2, 1]), "years one after another"),
    "one year": (lambda fit: fit.isel(year=0), "flows by chain, draw, year, flow"),
    "one chain": (lambda fit: fit.isel(chain=0), "flows by chain, draw, year, flow"),
    "no draws": (lambda fit: fit.isel(draw=[]), "a value of posterior/flows"),
    "no years": (lambda fit: fit.isel(year=[]), "years one after another"),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_a_fit_whose_parts_do_not_belong_together_is_told(
    name: str, sound: xr.DataTree, tmp_path: Path
) -> None:
    change, message = UNEVEN[name]
    fit = change(sound)
    readers: list[Callable[[xr.DataTree], object]] = [
        lambda fit: rb.quantity(fit, "smuggled"),
        lambda fit: rb.flow(fit, "ore_mined"),
        rb.learnt,
        lambda fit: rb.influence(fit, "smuggled"),
        rb.record_table,
        export_tables,
        lambda fit: rb.write_report(fit, tmp_path / "page.html"),
    ]
    for read in readers:
        with pytest.raises(ResultError, match=message) as caught:
            read(fit)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_file_whose_parts_do_not_belong_together_is_told(
    sound: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed too: nobody else could."""
    change, message = UNEVEN["years of the posterior"]
    change(sound).to_netcdf(tmp_path / "fit.nc", engine="netcdf4")
    closed: list[bool] = []
    close = xr.DataTree.close
    monkeypatch.setattr(xr.DataTree, "close", lambda fit: (closed.append(True), close(fit)))
    with pytest.raises(ResultError, match=f"fit.nc: cut in some groups only: {message}"):
        open_fit(tmp_path / "fit.nc")
    assert closed


def test_sums_and_bands_of_cut_draws(sound: xr.DataTree) -> None:
    draws = rb.quantity(sound, "smuggled")
    with pytest.raises(ResultError, match="A sum over 2010 to 2013 lacks 2011, 2012"):
        rb.cumulative(draws.isel(year=[0, 3]))
    for wrong in (draws.isel(year=0), draws.isel(year=[]), draws.isel(year=[1, 0])):
        with pytest.raises(ResultError, match="by year, in order"):
            rb.cumulative(wrong)
    for summary in (rb.bands, lambda da: rb.probability_above(da, 1.0)):
        with pytest.raises(ResultError, match="no draws"):
            summary(draws.isel(draw=[]))
    assert rb.bands(draws.isel(chain=0))["median"].sizes == {"year": 6}


def test_one_draw_moves_nothing(sound: xr.DataTree) -> None:
    with pytest.raises(ResultError, match="keep more draws"):
        rb.influence(sound.isel(chain=[0], draw=[0]), "smuggled")


def test_replicated_draws_that_were_cut_are_told(sound: xr.DataTree) -> None:
    """They need not be as many, but for what weighs each by its likelihood."""
    fit = cut("posterior_predictive", draw=slice(9))(sound)
    assert len(rb.predictive_check(fit).records) == len(rb.record_table(fit))
    with pytest.raises(ResultError, match="18 draws in posterior_predictive and 40 in log_like"):
        rb.disagreement(fit)


def test_an_estimate_of_years_that_were_cut_is_told(sound: xr.DataTree) -> None:
    estimate = rb.Estimate(
        name="e", quantity="smuggled", year=2011, year_end=2014, kind="value", value=1.0,
        low=None, high=None, unit="kt REO", source="book", note="", why="",
    )  # fmt: skip
    with pytest.raises(ResultError, match="lacks 2013, 2014"):
        rb.beside_published(sound.isel(year=slice(3)), published=[estimate])


def test_a_fit_without_records_is_read(
    sound: xr.DataTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as that of a study whose records are all recalled."""
    path = save_fit(sound.isel(record=[]), tmp_path / "fit.nc")
    for command in (["report"], ["learnt"]):
        assert main([*command, str(path)]) == 0
    assert "influence on" not in capsys.readouterr().out
    fit = open_fit(path)
    assert rb.predictive_check(fit).records.empty
    assert list(rb.disagreement(fit)) == list(rb.disagreement(sound))
    for by in ("record", "reporter"):
        none, some = (rb.influence(one, "smuggled", by=by) for one in (fit, sound))
        assert none.empty and list(none) == list(some)


# --- one file, many readers -----------------------------------------------------------------------


def test_a_file_is_opened_once_whoever_reads_it(saved: Path, tmp_path: Path) -> None:
    """The netCDF library crashes, sooner or later, when a file that it opened twice is closed."""
    path, link = tmp_path / "fit.nc", tmp_path / "link.nc"
    path.write_bytes(saved.read_bytes())
    link.symlink_to(path)
    one, other = _Handle(str(path)), _Handle(str(link))
    copied = copy.deepcopy(one)
    assert one.file is other.file is copied.file
    for handle in (one, copied):
        handle.close()
        assert other.file.isopen()
    other.close()
    assert not other.file.isopen()


def test_readers_of_one_file_are_closed_apart(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    path.write_bytes(saved.read_bytes())
    one, other = open_fit(path), open_fit(path)
    one.close()
    one.close()
    assert other["posterior"]["flows"].values.size
    with pytest.raises(ResultError, match="the fit was closed"):
        one["posterior"]["flows"].values  # noqa: B018
    save_fit(fake_fit(draws=10), path)  # another file under the same name
    third = open_fit(path)
    assert third["posterior"].sizes["draw"] == 10
    assert other["posterior"].sizes["draw"] == 20
    assert other["posterior"]["quantities"].values.size
    third.close()
    other.close()


# --- odd fits -------------------------------------------------------------------------------------


ODD = {
    "a text for a number": {"ess_tail_min": "many"},
    "a number for a text": {"unit": 7},
    "several numbers": {"converged": np.array([1, 2])},
    "no JSON": {"wall_seconds": "{"},
    "JSON of another sort": {"failing": "7"},
    "brackets without end": {"settings": "[" * 100_000},
    "a very long text": {"report": "x" * 1_000_000},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_attributes_are_told_in_one_line(
    name: str, sound: xr.DataTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = sound.copy()
    fit.attrs |= ODD[name]
    odd = next(iter(ODD[name]))
    with pytest.raises(ResultError, match=f"damaged; wrong are its attributes {odd}"):
        rb.quantity(fit, "smuggled")
    path = tmp_path / "fit.nc"
    xr.DataTree(xr.Dataset(attrs=fit.attrs)).to_netcdf(path, engine="netcdf4")
    for command in (["report"], ["export", "--to", "csv"], ["learnt"]):
        assert main([*command, str(path)]) == 2
        assert len(one_line(capsys.readouterr().err)) < 1000
    assert [entry.name for entry in tmp_path.iterdir()] == ["fit.nc"]


ODD_REPORTS = [
    '{"headline": [["a"]]}', '{"headline": "smuggled"}', '{"labels": [1]}', '{"panels": [7]}',
    '{"table_years": ["2013", 7]}', '{"smell": 1, "headline": 2}',
]  # fmt: skip


@pytest.mark.parametrize("report", ODD_REPORTS)
def test_odd_reports_are_told_in_one_line(report: str, sound: xr.DataTree, tmp_path: Path) -> None:
    fit = sound.copy()
    fit.attrs |= {"report": report}
    readers: list[Callable[[xr.DataTree], object]] = [
        driver_text,
        export_tables,
        lambda fit: rb.write_report(fit, tmp_path / "page.html"),
    ]
    for read in readers:
        with pytest.raises(ResultError, match=r"study\.toml") as caught:
            read(fit)
        assert "\n" not in str(caught.value)


def test_an_impossible_sample_size_is_told(sound: xr.DataTree) -> None:
    fit = sound.copy()
    fit.attrs |= {"ess_tail_min": -1.0}
    with pytest.raises(ResultError, match="ess_tail_min is -1"):
        rb.learnt(fit)


def test_infinite_draws_are_told(
    sound: xr.DataTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = sound.copy()
    for group in ("posterior", "prior"):
        there = fit[group].to_dataset()
        fit[group] = there.assign(quantities=there["quantities"] * np.inf)
    for read in (rb.learnt, driver_text, lambda fit: rb.quantity(fit, "smuggled")):
        with pytest.raises(ResultError, match="quantities has infinite values"):
            read(fit)
    path = save_fit(fit, tmp_path / "fit.nc")
    for command in (["export", "--to", "csv"], ["learnt"]):
        assert main([*command, str(path)]) == 2
        assert "damaged" in one_line(capsys.readouterr().err)


def test_names_of_years_that_are_no_years_are_told(sound: xr.DataTree) -> None:
    fit = sound.copy()
    for group in ("posterior", "prior", "bands"):
        there = fit[group].to_dataset()
        fit[group] = there.assign_coords(year=[f"y{year}" for year in there["year"].values])
    with pytest.raises(ResultError, match="years one after another"):
        rb.quantity(fit, "smuggled")


def test_bands_without_their_unit_are_read(sound: xr.DataTree) -> None:
    fit = sound.copy()
    fit["bands"] = fit["bands"].to_dataset().drop_attrs()
    assert bands_of(fit, "flows")["median"].sizes == bands_of(sound, "flows")["median"].sizes


def damaged(name: str, value: object) -> Callable[[xr.DataTree], xr.DataTree]:
    """Change the first value of a column of the study's tables."""

    def change(fit: xr.DataTree) -> xr.DataTree:
        changed = fit.copy()
        tables = changed["constant_data"].to_dataset()
        values = tables[name].values.astype(float if isinstance(value, float) else object)
        values[0] = value
        changed["constant_data"] = tables.assign({name: (tables[name].dims, values)})
        return changed

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damaged("record_year_end", np.inf), "year_end of record 'r01' is no year"),
        (damaged("record_year", np.nan), "year of record 'r01' is no year"),
        (damaged("record_year_end", 1e300), "year_end of record 'r01' is no year"),
        (damaged("record_quantity", "gold"), "Unknown quantity 'gold'"),
        (damaged("record_kind", "rumour"), "rumour"),
    ],
    ids=["no end", "no year", "far end", "no quantity", "no kind"],
)
def test_records_that_no_study_could_have_are_told(
    change: Callable[[xr.DataTree], xr.DataTree], message: str, sound: xr.DataTree
) -> None:
    for read in (rb.record_table, driver_text, export_tables):
        with pytest.raises(rb.ReebayesError, match=message):
            read(change(sound))


def test_flows_that_no_study_could_have_are_told(sound: xr.DataTree) -> None:
    with pytest.raises(ResultError, match="Unknown process 'moon'"):
        rb.draw_sankey(damaged("flow_source", "moon")(sound), 2013)
    odd = contents_of(damaged("quantity_terms", "gold + 2 silver")(sound))
    with pytest.raises(ResultError, match="Unknown flow 'gold'"):
        odd.terms  # noqa: B018
