"""What machines do to a run: kills, interrupts, full disks, damaged files, two runs at once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from reebayes import files
from reebayes.cli.main import main
from reebayes.conventions import FIT_FORMAT
from reebayes.errors import ResultError
from reebayes.files import sole_writer, write_whole
from reebayes.inference.sampling import CHAINS, DRAWS, TUNE
from reebayes.results.fitfile import open_fit, save_fit
from tests.fakes import fake_fit, save_fake
from tests.tiny import write_tables

ROOT = Path(__file__).parents[1]
CUSTOMS = ROOT / "tests" / "customs" / "comtrade_plus_china_exports_2019.csv"
PROGRAM = [sys.executable, "-m", "reebayes"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


@pytest.fixture
def fit_file(tmp_path: Path) -> Path:
    return save_fake(tmp_path / "fit.nc")


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in for the sampler; `calls` counts fits, `answer` makes them."""
    seen: dict[str, Any] = {"calls": 0, "answer": fake_fit}

    def fit(study: Any, **given: Any) -> xr.DataTree:
        seen["calls"] += 1
        tree = seen["answer"]()
        settings = {"draws": DRAWS, "tune": TUNE, "chains": CHAINS, "target_accept": 0.87, **given}
        settings.pop("progress")
        out = settings.pop("out")
        tree.attrs |= settings | {
            "study_hash": study.hash, "description_hash": study.description_hash,
        }  # fmt: skip
        return open_fit(save_fit(tree, out))

    module = ModuleType("reebayes.inference.sampling")
    module.__dict__.update(fit=fit, DRAWS=DRAWS, TUNE=TUNE, CHAINS=CHAINS, TARGET_ACCEPT=0.87)
    monkeypatch.setitem(sys.modules, "reebayes.inference.sampling", module)
    return seen


def one_line(text: str) -> str:
    """Return a message, which must be one line and no traceback."""
    assert "Traceback" not in text
    # the fits of these tests hold no sound study, which is a word of its own
    lines = [line for line in text.splitlines() if not line.startswith("The page does not say")]
    assert len(lines) == 1, text
    return lines[0]


def program(*arguments: object, limit: str = "", out: Any = subprocess.PIPE) -> Any:
    """Run a command in a process of its own, under a limit of the shell."""
    words = [*PROGRAM, *map(str, arguments)]
    if limit:
        words = ["bash", "-c", f'{limit}; exec "$@"', "bash", *words]
    return subprocess.run(words, cwd=ROOT, check=False, stdout=out, stderr=subprocess.PIPE,
                          text=True)  # fmt: skip


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- kill -9 --------------------------------------------------------------------------------------

# A process of one thread that forks writers and kills each after a while: starting anew would
# take seconds, and reach few moments.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from reebayes.cli.main import main
from reebayes.results.fitfile import save_fit
from tests.fakes import fake_fit

folder = Path(sys.argv[1])
fits = [fake_fit(seed=n) for n in (1, 2)]
study, customs = folder / "tiny", "tests/customs/plain.csv"
sys.stdout = sys.stderr = open(os.devnull, "w")
import reebayes.customs, reebayes.reporting.page, reebayes.reporting.tables
save_fit(fits[0], folder / "fit.nc")  # so that what is loaded by it is there before anyone forks

def write():
    for n in range(1000):
        save_fit(fits[n % 2], folder / "fit.nc")
        main(["export", str(folder / "fit.nc"), "--to", "csv", "--out", str(folder / "csv")])
        main(["export", str(folder / "fit.nc"), "--to", "xlsx", "--out", str(folder / "fit.xlsx")])
        main(["describe", str(study)])
        main(["harmonise", customs, "--out", str(folder / "mine.csv")])
        main(["report", str(folder / "fit.nc")])

wait = random.Random(int(sys.argv[2]))
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    child = os.fork()
    if child == 0:
        write()
        os._exit(0)
    time.sleep(wait.uniform(0.0, 2.0))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_kills_leave_whole_files(tmp_path: Path) -> None:
    write_tables(tmp_path / "tiny")
    subprocess.run([sys.executable, "-W", "ignore", "-c", KILLER, str(tmp_path), "1", "8"],
                   cwd=ROOT, check=True)  # fmt: skip
    found = [name for name in names(tmp_path) if not name.startswith("tiny/")]
    whole = [name for name in found if not Path(name).name.startswith(".")]
    assert "fit.nc" in whole
    open_fit(tmp_path / "fit.nc")
    for name in whole:
        content = (tmp_path / name).read_bytes()
        assert content.endswith((b"\n", b"</html>")) or name in ("fit.nc", "fit.xlsx"), name
    for name in set(found) - set(whole):
        assert name.endswith((".part", ".lock")), name
    # what a killed run held does not stand in the way of the next
    assert main(["export", str(tmp_path / "fit.nc"), "--to", "csv"]) == 0
    assert main(["report", str(tmp_path / "fit.nc")]) == 0


def test_what_a_killed_run_left_is_removed_once_it_is_old(fit_file: Path) -> None:
    old = fit_file.with_name(".fit.html.1234-abcdef.part")
    new = fit_file.with_name(".fit.html.1235-abcdef.part")
    other = fit_file.with_name(".page.html.1234-abcdef.part")
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (0, time.time() - 2 * files.LEFTOVER_SECONDS))
    assert main(["report", str(fit_file)]) == 0
    assert not old.exists()
    assert new.exists()  # perhaps of a run that is writing now
    assert other.exists()  # of another file


def test_run_again_makes_nothing_twice(
    tiny_study: Path, tmp_path: Path, sampler: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "results"
    command = ["run", "--data", str(tiny_study), "--out-dir", str(folder)]
    assert main(command) == 0
    fit = (folder / "fit.nc").read_bytes()
    (folder / "report.html").unlink()  # as if killed between the two
    assert main(command) == 0
    assert sampler["calls"] == 1
    assert (folder / "fit.nc").read_bytes() == fit
    assert "is not made again" in capsys.readouterr().out
    assert (folder / "report.html").is_file()


def test_another_run_is_made(
    tiny_study: Path, tmp_path: Path, sampler: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["run", "--data", str(tiny_study), "--out-dir", str(tmp_path / "results")]
    assert main(command) == 0
    for calls, more in enumerate((["--seed", "1"], ["--draws", "7"], ["--again"]), 2):
        assert main([*command, *more]) == 0
        assert sampler["calls"] == calls
    assert main(command) == 0  # the one with --again was asked for with the same settings
    assert sampler["calls"] == 4
    records = tiny_study / "records.csv"
    records.write_text(records.read_text("utf-8").replace("10.5", "10.6"), "utf-8")
    assert main(command) == 0
    assert sampler["calls"] == 5
    monkeypatch.setattr("reebayes.provenance.code_hash", lambda: "new")
    assert main(command) == 0
    assert sampler["calls"] == 6


def test_an_unconverged_fit_is_not_made_again_either(
    tiny_study: Path, tmp_path: Path, sampler: dict[str, Any]
) -> None:
    sampler["answer"] = lambda: fake_fit(converged=False)
    for _ in range(2):
        command = ["run", "--data", str(tiny_study), "--out-dir", str(tmp_path / "results")]
        assert main(command) == 3
    assert sampler["calls"] == 1
    assert not (tmp_path / "results" / "report.html").exists()


def test_a_damaged_fit_is_made_again(
    tiny_study: Path, tmp_path: Path, sampler: dict[str, Any]
) -> None:
    command = ["run", "--data", str(tiny_study), "--out-dir", str(tmp_path)]
    assert main(command) == 0
    path = tmp_path / "fit.nc"
    path.write_bytes(path.read_bytes()[:5000])
    assert main(command) == 0
    assert sampler["calls"] == 2


# --- interrupts -----------------------------------------------------------------------------------


def interrupting(after: int = 0) -> Callable[..., Any]:
    """Return a function that is interrupted, or one that writes so often before."""
    left = iter(range(after))

    def stopped(target: Path, write: Callable[[Path], object]) -> Path:
        if next(left, None) is not None:
            return write_whole(target, write)
        raise KeyboardInterrupt

    return stopped


def test_interrupt_while_sampling(
    tiny_study: Path, tmp_path: Path, sampler: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> xr.DataTree:
        raise KeyboardInterrupt

    sampler["answer"] = interrupt
    out = tmp_path / "results"
    assert main(["run", "--data", str(tiny_study), "--out-dir", str(out)]) == 130
    assert one_line(capsys.readouterr().err).startswith("Interrupted.")
    assert names(out) == []


def test_interrupt_while_a_file_is_written_keeps_those_before(
    tiny_study: Path, tmp_path: Path, sampler: dict[str, Any],
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("reebayes.reporting.page.write_whole", interrupting())
    command = ["run", "--data", str(tiny_study), "--out-dir", str(tmp_path / "results")]
    assert main(command) == 130
    assert "stay" in one_line(capsys.readouterr().err)
    assert names(tmp_path / "results") == ["fit.nc"]
    monkeypatch.undo()


def test_interrupt_of_an_export_keeps_the_tables_before(
    fit_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reebayes.reporting.spreadsheets.write_whole", interrupting(after=2))
    assert (
        main(["export", str(fit_file), "--to", "csv", "--out", str(fit_file.parent / "t")]) == 130
    )
    one_line(capsys.readouterr().err)
    assert names(fit_file.parent) == ["fit.nc", "t/flows.csv", "t/quantities.csv"]


def test_interrupt_within_a_write_leaves_nothing(tmp_path: Path) -> None:
    def half(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "page.html", half)
    assert names(tmp_path) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_interrupts_of_a_real_run(fit_file: Path, seed: int) -> None:
    """A signal at any moment: no traceback, and what is there is whole."""
    for wait in (0.25, 0.6, random.Random(seed).uniform(0.5, 3.0)):
        run = subprocess.Popen([*PROGRAM, "report", str(fit_file)], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        time.sleep(wait)
        run.send_signal(signal.SIGINT)
        _, error = run.communicate()
        if run.returncode == 130:
            assert one_line(error).startswith("Interrupted.")
        else:  # had ended, or was about to; or had not yet begun
            assert run.returncode in (0, -signal.SIGINT), error
        assert set(names(fit_file.parent)) <= {"fit.nc", "fit.html"}
        if fit_file.with_suffix(".html").exists():
            assert fit_file.with_suffix(".html").read_text("utf-8").rstrip().endswith("</html>")


# --- full disks and folders that cannot be written ------------------------------------------------


def writers(folder: Path) -> Iterator[tuple[list[object], Path]]:
    """Yield commands that write, with what they write."""
    fit = folder / "fit.nc"
    yield ["report", fit], folder / "fit.html"
    yield ["export", fit, "--to", "csv"], folder / "fit_tables" / "quantities.csv"
    yield ["export", fit, "--to", "xlsx"], folder / "fit.xlsx"
    yield ["describe", folder / "tiny"], folder / "tiny" / "datapackage.json"
    yield ["harmonise", CUSTOMS, "--out", folder / "mine.csv"], folder / "mine.csv"


@pytest.mark.parametrize("which", range(5), ids=["report", "csv", "xlsx", "describe", "harmonise"])
def test_no_space_left(fit_file: Path, tiny_study: Path, which: int) -> None:
    """A limit on the size of files stands for a disk that is full: writing fails half-way."""
    command, target = list(writers(fit_file.parent))[which]
    before = names(fit_file.parent)
    done = program(*command, limit="trap '' XFSZ; ulimit -f 1")
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in one_line(done.stderr) or "too large" in done.stderr
    assert not target.exists()
    assert names(fit_file.parent) == before


def test_no_space_left_for_a_fit(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from pathlib import Path
from reebayes.errors import ResultError
from reebayes.results.fitfile import save_fit
from tests.fakes import fake_fit
path = save_fit(fake_fit(), Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_fit(fake_fit(seed=2), path)
except ResultError as error:
    print(error)
"""
    path = tmp_path / "fit.nc"
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert "fit.nc: cannot be written" in done.stdout
    assert done.stderr == ""
    xr.testing.assert_equal(open_fit(path), fake_fit())  # the old one is still there
    assert names(tmp_path) == ["fit.nc"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no file system that is read-only")
def test_a_folder_that_cannot_be_written(
    fit_file: Path, tiny_study: Path, sampler: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["run", "--data", str(tiny_study), "--out-dir", "/proc/results"],
        ["fit", "--data", str(tiny_study), "--out", "/proc/fit.nc"],
        ["report", str(fit_file), "--out", "/proc/page.html"],
        ["export", str(fit_file), "--to", "csv", "--out", "/proc/tables"],
        ["describe", str(tiny_study), "--out", f"{tiny_study}/../../../../proc/x.json"],
        ["harmonise", str(CUSTOMS), "--out", "/proc/mine.csv"],
    ):
        assert main(command) == 2, command
        assert "Traceback" not in capsys.readouterr().err
    assert sampler["calls"] == 0  # a fit that cannot be saved is not worth starting


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
@pytest.mark.parametrize("command", ["report", "harmonise", "fit"])
def test_an_output_that_is_no_file(
    fit_file: Path, tiny_study: Path, sampler: dict[str, Any], command: str, name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = {
        "report": ["report", str(fit_file)],
        "harmonise": ["harmonise", str(CUSTOMS)],
        "fit": ["fit", "--data", str(tiny_study)],
    }
    assert main([*words[command], "--out", name]) == 2
    assert "give the name of a file" in one_line(capsys.readouterr().err)
    assert sampler["calls"] == 0


def test_an_output_that_is_a_folder_is_told_before_sampling(
    tiny_study: Path, sampler: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "--data", str(tiny_study), "--out", str(tiny_study)]) == 2
    assert "is a folder" in one_line(capsys.readouterr().err)
    assert sampler["calls"] == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_printed(tiny_study: Path) -> None:
    with open("/dev/full", "w") as full:
        done = program("check", tiny_study, out=full)
    assert done.returncode == 2
    assert "No space left" in one_line(done.stderr)


def test_output_that_nobody_reads(tiny_study: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = program("check", tiny_study, out=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


# --- damaged and foreign files --------------------------------------------------------------------


OPEN_EACH = """
import os, sys, xarray as xr
from reebayes.errors import ResultError
from reebayes.results.fitfile import open_fit
sound = open_fit(sys.argv[1])
def outcome(path):
    try:
        found = open_fit(path, verify=True)
    except ResultError as error:
        return 10 if path in str(error) else 12
    for group in ("posterior", "prior"):
        xr.testing.assert_equal(found[group].to_dataset(), sound[group].to_dataset())
    return 11
for path in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        code = 13
        try:
            code = outcome(path)
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    """Numbers have checksums: a file either opens with the numbers it was saved with, or not.

    Each is opened in a process of its own: the C library that reads them may not survive dozens
    of damaged files in one.
    """
    # so many draws that numbers are most of the file, as of a real fit
    sound = save_fit(fake_fit(draws=500), tmp_path / "fit.nc")
    data = sound.read_bytes()
    rng = random.Random(1)
    paths = [tmp_path / f"damaged{n}.nc" for n in range(60)]
    for path in paths:
        at = rng.randrange(len(data))
        changed = bytes([data[at] ^ 1 << rng.randrange(8)])
        path.write_bytes(data[:at] + changed + data[at + 1 :])
    done = subprocess.run(
        [sys.executable, "-c", OPEN_EACH, str(sound), *map(str, paths)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    outcomes = [int(line) for line in done.stdout.split()]
    refused, opened = outcomes.count(10), outcomes.count(11)
    assert refused + opened == len(paths), outcomes
    assert opened < 30


def test_a_file_of_any_length_but_its_own_is_refused(fit_file: Path) -> None:
    data = fit_file.read_bytes()
    for length in (0, 1, 8, 100, 4096, len(data) // 2, len(data) - 1):
        fit_file.write_bytes(data[:length])
        with pytest.raises(ResultError, match="damaged"):
            open_fit(fit_file)


def _newer(tree: xr.DataTree) -> None:
    tree.attrs["fit_format"] = FIT_FORMAT + 1


def _unreadable_format(tree: xr.DataTree) -> None:
    tree.attrs["fit_format"] = "two"


def _no_records(tree: xr.DataTree) -> None:
    tree["constant_data"] = tree["constant_data"].to_dataset().drop_vars("record_kind")


def _flat(tree: xr.DataTree) -> None:
    tree["posterior"] = tree["posterior"].to_dataset().isel(year=0, drop=True)


def _flat_prior(tree: xr.DataTree) -> None:
    tree["prior"] = tree["prior"].to_dataset().drop_vars("quantities")


def _no_draws(tree: xr.DataTree) -> None:
    tree["posterior"] = tree["posterior"].to_dataset().isel(draw=[])


def _bad_report(tree: xr.DataTree) -> None:
    tree.attrs["report"] = "{"


def _report_list(tree: xr.DataTree) -> None:
    tree.attrs["report"] = "[1]"


@pytest.mark.parametrize("command", [["report"], ["export", "--to", "csv"]])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_newer, "newer form"),
        (_unreadable_format, "not a fit"),
        (_no_records, "lacks constant_data/record_kind"),
        (_flat, "posterior/flows by chain, draw, year, flow"),
        (_flat_prior, "prior/quantities"),
        (_no_draws, "a value of posterior/flows"),
        (_bad_report, "report, which must be JSON"),
        (_report_list, "report, which must be JSON"),
    ],
)
def test_a_file_that_is_no_fit_of_ours(
    tmp_path: Path, command: list[str], change: Callable[[xr.DataTree], None], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tree = fake_fit()
    change(tree)
    path = tmp_path / "fit.nc"
    tree.to_netcdf(path, engine="netcdf4")
    assert main([*command, str(path)]) == 2
    assert message in one_line(capsys.readouterr().err)
    assert names(tmp_path) == ["fit.nc"]


def test_hdf5_of_another_sort(tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createGroup("posterior").createDimension("chain", 0)
    with pytest.raises(ResultError, match="not a fit of reebayes"):
        open_fit(path)
    classic = tmp_path / "classic.nc"
    with netCDF4.Dataset(classic, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("day", 1)
    with pytest.raises(ResultError, match="not a fit of reebayes"):
        open_fit(classic)
    with pytest.raises(ResultError, match="is a folder"):
        open_fit(tmp_path)


def test_a_fit_of_before_the_form_had_a_number_opens(tmp_path: Path) -> None:
    tree = fake_fit()
    del tree.attrs["fit_format"]
    assert open_fit(save_fit(tree, tmp_path / "fit.nc")).attrs["converged"] == "yes"


# --- two runs at once -----------------------------------------------------------------------------


def test_two_runs_into_one_folder(
    tiny_study: Path, tmp_path: Path, sampler: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "results"
    command = ["run", "--data", str(tiny_study), "--out-dir", str(folder)]
    with sole_writer(folder / "fit.nc"):
        assert main(command) == 2
        assert "another run is writing it" in one_line(capsys.readouterr().err)
        assert sampler["calls"] == 0
        # another file in the same folder is nobody's business
        assert main(["fit", "--data", str(tiny_study), "--out", str(folder / "other.nc")]) == 0
    assert main(command) == 0
    assert names(folder) == ["fit.nc", "other.nc", "report.html"]


def test_a_folder_that_another_run_fills(
    fit_file: Path, tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = fit_file.parent / "out"
    with sole_writer(out):
        for command in (
            ["export", fit_file, "--to", "csv", "--out", out],
            ["compare", "--data", tiny_study, "--out", out],
            ["calibrate", "--data", tiny_study, "--out", out],
        ):
            assert main([str(word) for word in command]) == 2, command
            assert "another run is writing it" in one_line(capsys.readouterr().err)


def test_tables_may_go_into_the_folder_one_stands_in(
    fit_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fit_file.parent / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert main(["export", str(fit_file), "--to", "csv", "--out", "."]) == 0
    assert "flows.csv" in names(folder)


def test_a_run_that_was_killed_holds_nothing(fit_file: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from reebayes.files import sole_writer\n"
        "with sole_writer(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    page = fit_file.with_suffix(".html")
    other = subprocess.Popen([sys.executable, "-c", code, str(page)], cwd=ROOT,
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    assert main(["report", str(fit_file)]) == 2
    other.kill()
    other.communicate()
    assert main(["report", str(fit_file)]) == 0
    assert names(fit_file.parent) == ["fit.html", "fit.nc"]


# --- writing over what is read --------------------------------------------------------------------


def test_inputs_are_never_written_over(
    fit_file: Path, tiny_study: Path, sampler: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    mine = fit_file.parent / "mine.csv"
    mine.write_bytes(CUSTOMS.read_bytes())
    link = fit_file.parent / "link.nc"
    link.symlink_to(fit_file)
    contents = {path: path.read_bytes() for path in fit_file.parent.rglob("*") if path.is_file()}
    for command in (
        ["report", fit_file, "--out", fit_file],
        ["report", fit_file, "--out", link],
        ["export", fit_file, "--to", "xlsx", "--out", fit_file],
        ["export", fit_file, "--to", "csv", "--out", fit_file],
        ["fit", "--data", tiny_study, "--out", tiny_study / "records.csv"],
        ["describe", tiny_study, "--out", tiny_study / "study.toml"],
        ["harmonise", mine, "--out", mine],
        ["harmonise", mine, "--out", "out.csv", "--rejected", mine],
        ["harmonise", mine, "--out", "out.csv", "--rejected", "out.csv"],
    ):
        assert main([str(word) for word in command]) == 2, command
        assert "write elsewhere" in one_line(capsys.readouterr().err)
    assert {path: path.read_bytes() for path in contents} == contents
    assert sampler["calls"] == 0


# --- real runs ------------------------------------------------------------------------------------


def test_an_interrupt_after_the_last_word_changes_nothing(tiny_study: Path) -> None:
    """The interpreter takes a while to end, and by then the command has succeeded."""
    late = "import atexit, os, signal, sys; from reebayes.__main__ import main; " \
           "atexit.register(os.kill, os.getpid(), signal.SIGINT); sys.exit(main())"  # fmt: skip
    run = subprocess.run([sys.executable, "-c", late, "check", str(tiny_study)], cwd=ROOT,
                         check=False, capture_output=True, text=True)  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert "9 processes" in run.stdout


@pytest.mark.slow
def test_a_fit_killed_and_interrupted_and_run_again(tmp_path: Path) -> None:
    study, out = write_tables(tmp_path / "tiny"), tmp_path / "results"
    command = ["run", "--data", str(study), "--out-dir", str(out), "--draws", "600"]
    begin = time.monotonic()
    assert program(*command).returncode in (0, 3)
    whole = time.monotonic() - begin
    for part in (0.3, 0.6, 0.8, 0.95):
        for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
            for path in out.glob("*"):
                path.unlink()
            run = subprocess.Popen([*PROGRAM, *command], cwd=ROOT, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
            time.sleep(part * whole)
            run.send_signal(number)
            _, error = run.communicate()
            assert run.returncode in (code, 0, 3)
            if run.returncode == 130:
                one_line(error)
            if (out / "fit.nc").exists():
                assert open_fit(out / "fit.nc").attrs["draws"] == 600
    first = program(*command)
    fitted = (out / "fit.nc").read_bytes()
    again = program(*command)
    assert first.returncode == again.returncode
    assert "is not made again" in again.stdout
    assert (out / "fit.nc").read_bytes() == fitted
    clock = json.loads(open_fit(out / "fit.nc").attrs["wall_seconds"])
    assert np.isfinite(clock["total"])
