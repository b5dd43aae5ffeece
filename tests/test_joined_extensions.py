"""Extensions that join others: they are there where these are, and settle what these give twice."""

from pathlib import Path

import pytest

from reebayes.errors import StudyError
from reebayes.study import read_study
from tests.test_extensions import extension

HEAD = "record,quantity,year,kind,value,unit,sd,reporter,source\n"


def record(value: float, name: str = "r_value") -> dict[str, str]:
    row = f"{name},mined_registered,2010,value,{value},kt REO,0.1,survey,yearbook\n"
    return {"records.csv": HEAD + row}


@pytest.fixture
def study(tiny_study: Path) -> Path:
    extension(tiny_study, "east", record(10.1))
    extension(tiny_study, "west", record(10.2))
    return tiny_study


def test_what_joins_two_is_there_with_both_and_settles_their_rows(study: Path) -> None:
    extension(study, "both", record(10.3), 'joins = ["east", "west"]\n')
    for names in (["east", "west"], ["west", "east"], ["both"], ["both", "west"]):
        found = read_study(study, extensions=names)
        assert found.records["r_value"].value == 10.3, names
        assert {*found.extensions} == {"both", "east", "west"}
    for name, value in (("east", 10.1), ("west", 10.2)):
        alone = read_study(study, extensions=[name])
        assert alone.records["r_value"].value == value
        assert {*alone.extensions} == {name}


def test_what_nothing_settles_is_told(study: Path) -> None:
    extension(study, "both", record(9.0, "r_other"), 'joins = ["east", "west"]\n')
    with pytest.raises(StudyError, match="is given otherwise"):
        read_study(study, extensions=["east", "west"])


def test_what_joins_one_that_is_not_there_is_told(study: Path) -> None:
    extension(study, "both", record(9.0), 'joins = ["east", "north"]\n')
    assert {*read_study(study, extensions=["east"]).extensions} == {"east"}
    with pytest.raises(StudyError, match="unknown extension 'north'"):
        read_study(study, extensions=["both"])
    extension(study, "other", record(9.0), 'joins = "east"\n')
    with pytest.raises(StudyError, match="a list of extensions, each once"):
        read_study(study, extensions=["other"])
