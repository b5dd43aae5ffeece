"""The engine: the same whoever works, nothing done twice, and who dies takes little along."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reebayes.errors import ReebayesError, ResultError
from reebayes.experiments import workers
from reebayes.experiments.cases import Case, Outcome, read_outcome, write_outcome
from reebayes.experiments.engine import run_cases
from reebayes.experiments.workers import TRIES, Processes
from tests.casework import cases, deadly, failing
from tests.clusters import DaskCluster, Scene, free_port, undisturbed


def outcomes(run: Iterator[tuple[Case, Outcome]]) -> dict[str, Outcome]:
    return {case.name: outcome for case, outcome in run}


def same(one: dict[str, Outcome], other: dict[str, Outcome]) -> bool:
    """Whether outcomes are the same, bit for bit."""
    return one.keys() == other.keys() and all(
        outcome.arrays.keys() == other[name].arrays.keys()
        and all(np.array_equal(values, other[name].arrays[key])
                for key, values in outcome.arrays.items())
        for name, outcome in one.items()
    )  # fmt: skip


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskCluster]:
    """A scheduler and two workers, as processes of their own."""
    with DaskCluster(workers=2) as running:
        yield running


# --- who works ------------------------------------------------------------------------------------


def test_it_is_the_same_whoever_works(cluster: DaskCluster) -> None:
    serial = outcomes(run_cases(cases(30), None))
    assert same(serial, outcomes(run_cases(cases(30), None, workers=2)))
    assert same(serial, outcomes(run_cases(cases(30), None, scheduler=cluster.address)))
    assert list(serial) == [case.name for case in cases(30)]
    assert all(outcome.seconds > 0 for outcome in serial.values())


def test_what_matters_most_is_done_first() -> None:
    ended = [case.name for case, _ in run_cases(cases(6, 0.05), None, workers=1)]
    assert ended == [case.name for case in cases(6)]


def test_cases_that_ask_for_the_same_are_done_once(tmp_path: Path) -> None:
    (one,) = cases(1)
    twin = Case("twin", one.asked, one.work, one.arguments)
    found = outcomes(run_cases([one, twin], tmp_path))
    assert found["case 0"] is found["twin"]
    assert len(list(tmp_path.iterdir())) == 1


# --- files ----------------------------------------------------------------------------------------


def test_a_finished_case_is_never_done_again(tmp_path: Path) -> None:
    first = outcomes(run_cases(cases(4), tmp_path))
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    more = outcomes(run_cases(cases(6), tmp_path, workers=1))
    assert same(first, {name: more[name] for name in first})
    assert [more[name].seconds for name in first] == [one.seconds for one in first.values()]
    assert all(path.stat().st_mtime_ns == was for path, was in times.items())
    assert len(list(tmp_path.iterdir())) == 6


def test_every_outcome_is_written_before_the_next_case_begins_here(tmp_path: Path) -> None:
    """Whoever is killed in this process's own work loses that case alone."""
    run = run_cases(cases(3), tmp_path)
    for done, _ in enumerate(run, 1):
        assert len(list(tmp_path.iterdir())) == done


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        lambda path: path.write_text("nothing"),
        lambda path: np.savez(path.open("wb"), figures=np.zeros(3)),
    ],
    ids=["empty", "cut", "text", "other"],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_file_is_told(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    path = tmp_path / "one.npz"
    write_outcome(path, Outcome({"total": np.ones((4, 9))}, 1.0))
    spoil(path)
    with pytest.raises(ResultError, match=r"damaged .* Delete it and run again"):
        read_outcome(path)


def test_a_damaged_file_stops_a_run_before_it_begins(tmp_path: Path) -> None:
    case, other = cases(2)
    list(run_cases([case], tmp_path))
    case.file(tmp_path).write_bytes(b"PK")
    with pytest.raises(ResultError, match="Delete it and run again"):
        list(run_cases([case, other], tmp_path))
    assert len(list(tmp_path.iterdir())) == 1


# --- what fails -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1])
def test_a_case_that_fails_stops_no_other_and_is_tried_again(tmp_path: Path, count: int) -> None:
    wrong = [Case(f"wrong {n}", {"wrong": n}, failing, (n,)) for n in range(2)]
    found = outcomes(run_cases([*wrong, *cases(2)], tmp_path, workers=count))
    assert found["wrong 0"].fault == "LinAlgError: Singular matrix"
    assert found["wrong 1"].fault == "The density has no usable curvature."
    assert not found["case 1"].fault
    assert len(list(tmp_path.iterdir())) == 2


def test_a_case_whose_worker_dies_is_tried_again_and_one_that_kills_it_is_given_up(
    tmp_path: Path,
) -> None:
    for name in ("hard", "deadly"):
        (tmp_path / name).mkdir()
    hard = Case("hard", {"n": -1}, deadly, (tmp_path / "hard", TRIES - 1))
    worse = Case("deadly", {"n": -2}, deadly, (tmp_path / "deadly", 2 * TRIES))
    found = outcomes(run_cases([worse, hard, *cases(4)], tmp_path / "out", workers=2))
    assert found["hard"].arrays == {"died": TRIES - 1}
    assert found["deadly"].fault == "every worker that tried it died, perhaps for want of memory"
    assert len(list((tmp_path / "deadly").iterdir())) == TRIES
    assert not any(outcome.fault for name, outcome in found.items() if name != "deadly")


def test_a_worker_that_died_while_it_was_idle_is_replaced() -> None:
    these = Processes(1)
    try:
        process = these._idle[0]._process
        process.kill()
        process.join()
        (case,) = cases(1)
        doing = these.submit(case, 0)
        (done,) = these.wait([doing])
        assert "draws" in these.outcome(done).arrays
    finally:
        these.close()


def test_a_script_that_starts_itself_again_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.casework import cases\n"
        "from reebayes.experiments.engine import run_cases\n"
        "list(run_cases(cases(2), None, workers=1))\n"
    )
    with Scene(tmp_path) as scene:
        process = scene.start([sys.executable, str(script)])
        _, shown = process.communicate(timeout=60)
    assert "stand below `if __name__ == '__main__':`" in shown
    assert process.returncode == 1


def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        caller = scene.caller(cases=200, seconds=0.05, workers=2)
        scene.wait_for_files(2)
        processes = scene.workers_of(caller)
        assert len(processes) == 2
        caller.kill()
        caller.wait()
        scene.wait_for(lambda: not any(process.is_running() for process in processes))


def test_a_case_takes_one_core_of_a_worker_and_all_of_this_process() -> None:
    case = Case("cores", {}, _cores, ())
    assert outcomes(run_cases([case], None))["cores"].arrays == {"cores": -1}
    assert outcomes(run_cases([case], None, workers=1))["cores"].arrays == {"cores": 1}


def _cores(*, cores: int | None) -> dict[str, int]:
    return {"cores": -1 if cores is None else cores}


# --- a cluster ------------------------------------------------------------------------------------


def test_a_cluster_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ReebayesError, match=r"pip install '.\[distributed\]'"):
        list(run_cases(cases(1), None, scheduler="tcp://127.0.0.1:9"))


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_PATIENCE", "200ms")
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ReebayesError, match=f"No Dask scheduler answers at {address} "):
        list(run_cases(cases(1), None, scheduler=address))


def test_a_worker_with_other_code_does_nothing() -> None:
    (case,) = cases(1)
    same_code = workers.done_there(workers._code(), case.work, case.arguments)
    assert "draws" in same_code.arrays
    other = {**workers._code(), "code_hash": "of another commit", "versions": "others"}
    found = workers.done_there(other, case.work, case.arguments)
    assert found.fault == "the worker's code_hash and versions differ; install the same there"
    assert not found.arrays


# --- whatever is killed ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_killed_the_table_is_that_of_an_undisturbed_run(
    tmp_path: Path, seed: int
) -> None:
    _killed(tmp_path, seed, ["worker", "caller"] if seed % 2 else ["scheduler", "worker"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_killed_twenty_times(tmp_path: Path, seed: int) -> None:
    last = ["caller"] if seed % 2 else ["scheduler"]
    _killed(tmp_path, 100 + seed, ["worker", "worker", "caller", *last])


def _killed(folder: Path, seed: int, victims: list[str]) -> None:
    """Kill in a random order at random times, and begin again what ended, until all is done.

    Odd seeds have processes of this machine, even ones a cluster.
    """
    rng = np.random.default_rng(seed)
    with Scene(folder) as scene:
        scene.run_and_kill(
            rng.permutation(victims).tolist(), rng, cases=40, seconds=0.03, clustered=seed % 2 == 0
        )
        assert scene.killed == len(victims)
        assert scene.table() == undisturbed(cases(40, 0.03))
