"""The description of a study directory: current, valid, and as strict as the reader."""

import csv
import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from frictionless import Package

from reebayes.cli.main import main
from reebayes.errors import StudyError
from reebayes.study import describe_study, read_study
from reebayes.study.columns import TableSchema
from reebayes.study.schema import SCHEMA
from tests.tiny import STUDY, TABLES, write_tables

ROOT = Path(__file__).parents[1]

PACKAGE = """
[package]
licences = [{ name = "CC0-1.0", path = "https://example.org/cc0" }]
keywords = ["small"]

[package.tables."grades.csv"]
title = "Grades of ore"
columns.source = { description = "Who measured it.", refers = "sources.csv" }
columns.grade = { type = "number" }
"""


def field(described: dict[str, Any], resource: str, name: str) -> dict[str, Any]:
    """Return a column of a described table."""
    (table,) = (item for item in described["resources"] if item["name"] == resource)
    (found,) = (item for item in table["schema"]["fields"] if item["name"] == name)
    return found


def blank(text: str, column: str) -> str:
    """Return a table with the cell of one column emptied in its first row."""
    rows = list(csv.reader(io.StringIO(text)))
    rows[1][rows[0].index(column)] = ""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def faults_of(folder: Path) -> list[str]:
    """Return what the reader says of a study."""
    try:
        read_study(folder)
    except StudyError as error:
        return [f"{fault.table} {fault.column}: {fault.message}" for fault in error.faults]
    return []


def errors_of(folder: Path) -> set[str]:
    """Return the kinds of error that Frictionless finds in a described directory."""
    report = Package(folder / "datapackage.json").validate()
    return {error.type for task in report.tasks for error in task.errors}


def test_bundled_description_is_current() -> None:
    written = json.loads((ROOT / "data" / "datapackage.json").read_text("utf-8"))
    assert written == describe_study(read_study()), "run `reebayes describe data`"


def test_bundled_description_validates() -> None:
    report = Package(ROOT / "data" / "datapackage.json").validate()
    assert report.valid, report.flatten(["type", "message"])[:5]
    assert {task.name for task in report.tasks} >= {
        Path(name).stem.replace("_", "-") for name in SCHEMA if (ROOT / "data" / name).exists()
    }


@pytest.mark.parametrize(
    ("table", "old", "new", "error"),
    [
        ("processes", "mine,conversion", "mine,mill", "constraint-error"),
        ("processes", "abroad,environment", "mine,environment", "primary-key"),
        ("flows", "ore,nature,mine", "ore,natura,mine", "foreign-key"),
        ("flows", "2010-2011;2014-2015", "from 2010", "constraint-error"),
        ("quantities", "mined,num,hidden_ore", "mined,num,ore_hidden", "foreign-key"),
        ("records", "r_value,mined_registered,2010", "r_value,mined_registered,1910",
         "constraint-error"),
        ("records", "value,10.5", "value,ten", "type-error"),
        ("priors", "0.8,0.4,,share", "0.8,-0.4,,share", "constraint-error"),
        ("sources", "notice,Notice of the ministry", "notice,", "constraint-error"),
    ],
)  # fmt: skip
def test_a_broken_table_fails_the_description_and_the_reader(
    tmp_path: Path, table: str, old: str, new: str, error: str
) -> None:
    folder = write_tables(tmp_path / "tiny")
    assert main(["describe", str(folder)]) == 0
    assert errors_of(folder) == set()
    path = folder / f"{table}.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    assert error in errors_of(folder)
    assert faults_of(folder)


@pytest.mark.parametrize(
    ("table", "column"),
    [(t, c) for t in TABLES if t in SCHEMA for c in SCHEMA[t].needed],
)
def test_a_cell_must_be_filled_where_the_reader_wants_it(
    tmp_path: Path, table: str, column: str
) -> None:
    emptied = {table.partition(".")[0]: blank(TABLES[table], column)}
    faults = faults_of(write_tables(tmp_path / "tiny", **emptied))
    is_wanted = any(fault.startswith(f"{table} {column}: cell is empty") for fault in faults)
    found = SCHEMA[table].column(column)
    assert found is not None
    assert is_wanted == found.filled


@pytest.mark.parametrize("table", SCHEMA.values(), ids=SCHEMA)
def test_every_field_of_a_row_is_a_column_with_a_meaning(table: TableSchema) -> None:
    names = [column.name for column in table.columns]
    assert sorted(names) == sorted(field.name for field in fields(table.row))
    assert all(column.meaning.endswith(".") for column in table.columns)
    assert {*table.key} <= {*names}


def test_types_follow_the_rows(tiny_study: Path) -> None:
    described = describe_study(read_study(tiny_study))
    assert field(described, "records", "year")["type"] == "year"
    assert field(described, "records", "value")["type"] == "number"
    assert field(described, "flows", "registered")["type"] == "boolean"
    assert field(described, "flows", "active")["type"] == "string"
    bounds = field(described, "records", "year_end")["constraints"]
    assert bounds == {"minimum": 2010, "maximum": 2015}


def test_a_further_table_is_described_by_the_study(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tiny", study=STUDY + PACKAGE)
    (folder / "grades.csv").write_text("mine,grade,source\nA,0.06,yearbook\n")
    assert main(["describe", str(folder)]) == 0
    described = json.loads((folder / "datapackage.json").read_text())
    assert described["licenses"][0]["name"] == "CC0-1.0"
    assert field(described, "grades", "grade")["type"] == "number"
    assert field(described, "grades", "mine")["type"] == "string"
    (key,) = described["resources"][-1]["schema"]["foreignKeys"]
    assert key["reference"] == {"resource": "sources", "fields": ["source"]}
    assert errors_of(folder) == set()
    (folder / "grades.csv").write_text("mine,grade,source\nA,0.06,nobody\n")
    assert errors_of(folder) == {"foreign-key"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("mine,grade\nA,0.06\n", "grades.csv has no column 'source'. Valid: mine, grade."),
        ("", "grades.csv: file is empty"),
        (None, "grades.csv: file is missing from"),
    ],
)
def test_a_described_table_must_be_there(tmp_path: Path, table: str | None, message: str) -> None:
    folder = write_tables(tmp_path / "tiny", study=STUDY + PACKAGE)
    if table is not None:
        (folder / "grades.csv").write_text(table)
    with pytest.raises(StudyError) as caught:
        describe_study(read_study(folder))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("keywords", "keyword", "unknown key 'keyword'. Did you mean 'keywords'?"),
        ('["small"]', '"small"', "'small' is not a list of texts"),
        ('"number"', '"figure"', "one of string, number, year, boolean"),
        ("sources.csv", "source.csv", "unknown table 'source.csv'. Did you mean 'sources.csv'?"),
    ],
)
def test_faults_of_the_package_table(tmp_path: Path, old: str, new: str, message: str) -> None:
    package = PACKAGE.replace(old, new)
    folder = write_tables(tmp_path / "tiny", study=STUDY + package)
    (folder / "grades.csv").write_text("mine,grade,source\nA,0.06,yearbook\n")
    with pytest.raises(StudyError) as caught:
        describe_study(read_study(folder))
    assert message in str(caught.value)


def test_a_description_lies_at_or_above_its_tables(
    tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    above = tiny_study.parent / "package.json"
    assert main(["describe", str(tiny_study), "--out", str(above)]) == 0
    paths = {item["path"] for item in json.loads(above.read_text())["resources"]}
    assert paths == {f"tiny/{name}" for name in TABLES}
    beside = tiny_study.parent / "other" / "package.json"
    assert main(["describe", str(tiny_study), "--out", str(beside)]) == 2
    assert "write it into" in capsys.readouterr().err
    assert not beside.exists()
