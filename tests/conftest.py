"""Fixtures shared by the tests."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny import write_tables

# Wall time depends on the machine; a slow one must not fail a property.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture
def tiny_study(tmp_path: Path) -> Path:
    """Return the directory of a small sound study, free to be corrupted."""
    return write_tables(tmp_path / "tiny")
