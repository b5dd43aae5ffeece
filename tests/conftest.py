"""Fixtures shared by the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny import write_tables

# Wall time depends on the machine; a slow one must not fail a property.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


LONGEST = ("test_notebook", "test_faults", "test_prior_worlds", "test_hostile", "test_calibration",
           "test_cli", "test_harmonisation", "test_simulation", "test_kernels", "test_runs",
           "test_density")  # fmt: skip
"""Files of tests that take longest: two workers that start with them end at the same time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have cases done in this process, whoever is asked for: stand-ins are not in others."""
    from reebayes.experiments import engine
    from reebayes.experiments.workers import ThisProcess

    @contextmanager
    def use(workers: int | None, scheduler: str | None, most: int) -> Iterator[ThisProcess]:
        yield ThisProcess()

    monkeypatch.setattr(engine, "workers_at", use)


@pytest.fixture
def tiny_study(tmp_path: Path) -> Path:
    """Return the directory of a small sound study, free to be corrupted."""
    return write_tables(tmp_path / "tiny")
