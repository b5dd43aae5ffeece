"""The planted bugs can still be planted, and the page shows all of them as caught."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import mutations
from tests.mutations import MUTATIONS, PAGE, ROOT, Mutation, caught_by, main, misplaced, table


def test_every_bug_can_be_planted() -> None:
    """A place that has changed is an error here, not a bug that nobody plants any more."""
    assert misplaced(MUTATIONS, ROOT) == []
    assert len(MUTATIONS) >= 40
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    for mutation in MUTATIONS:
        text = (ROOT / mutation.file).read_text("utf-8")
        assert mutation.planted(text) != text
        assert (ROOT / mutation.tests[0].partition("::")[0]).is_file()


def test_the_page_shows_every_bug_as_caught() -> None:
    text = (ROOT / PAGE).read_text("utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    shown = [(name.removeprefix("| "), file.strip("`")) for name, file, _ in rows]
    assert shown == [(mutation.name, mutation.file) for mutation in MUTATIONS]
    assert "nothing" not in {caught.strip("*| ") for _, _, caught in rows}


def test_a_place_that_is_gone_or_doubtful_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    gone = Mutation("gone", "a.py", (("y = 1", "y = 2"),), ())
    twice = Mutation("twice", "a.py", (("x = 1", "x = 2"),), ())
    missing = Mutation("missing", "b.py", (("x", "y"),), ())
    found = misplaced([gone, twice, missing], tmp_path)
    assert [message.partition(":")[0] for message in found[:2]] == ["gone", "twice"]
    assert "b.py" in found[2]


def test_only_failing_tests_count_as_catching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug that keeps the tests from running at all is not caught; the file is put back."""
    (tmp_path / "a.py").write_text("x = 1\n")
    bug = Mutation("bug", "a.py", (("1", "2"),), ("tests/test_a.py",))
    said: dict[int, str] = {
        0: "1 passed",
        1: "FAILED tests/test_a.py::test_x[1] - no\nFAILED tests/test_a.py::test_x[2] - no\n",
        4: "ERROR: not found",
    }

    def python(code: int) -> object:
        def run(copy: Path, *words: str, compiled: bool = False) -> object:
            assert (copy / "a.py").read_text() == "x = 2\n"
            return subprocess.CompletedProcess(words, code, said[code], "")

        return run

    for code, caught in ((0, []), (1, ["test_a: test_x"])):
        monkeypatch.setattr(mutations, "_python", python(code))
        assert caught_by(bug, tmp_path) == caught
    monkeypatch.setattr(mutations, "_python", python(4))
    with pytest.raises(RuntimeError, match="not found"):
        caught_by(bug, tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 1\n"


def test_a_bug_that_is_not_caught_fails_the_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(*_: object) -> Sequence[str]:
        return []

    monkeypatch.setattr(mutations, "check_without", nothing)
    monkeypatch.setattr(mutations, "caught_by", nothing)
    name = MUTATIONS[0].name
    assert main([name]) == 1
    assert capsys.readouterr().out == table([(MUTATIONS[0], [])])
    assert main(["no such bug"]) == 2
