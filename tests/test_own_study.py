"""A study of one's own: begun by `init`, its catalogue, the examples, changed copies."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

import reebayes as rb
from reebayes.cli.main import main
from reebayes.errors import ResultError, StudyError
from reebayes.study import start_study
from reebayes.study.examples import EXAMPLES, study_folder
from reebayes.study.header.frozen import Settings
from reebayes.study.schema import SCHEMA
from tests.fakes import fake_fit
from tests.tiny import write_tables


@pytest.mark.parametrize(("years", "unit"), [("2015-2020", "kt Co/yr"), ("1994", "kt Zn/yr")])
def test_init_writes_a_study_that_checks(
    tmp_path: Path, years: str, unit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a fault and, as warnings are errors, without anything that is hardly meant."""
    assert main(["init", str(tmp_path / "own"), "--years", years, "--unit", unit]) == 0
    assert main(["check", str(tmp_path / "own")]) == 0
    assert "No faults found." in capsys.readouterr().out
    study = rb.read_study(tmp_path / "own")
    assert (study.unit, f"{study.first_year}") == (unit, years[:4])
    assert {"value", "signed", "range", "lower"} <= {record.kind for record in study.records}
    assert set(study.labels.names) == set(study.quantities.names)


@pytest.mark.parametrize(
    ("years", "unit", "fragment"),
    [
        ("2015-2020", "t Co/yr", "write 'kt CONTENT/yr'"),
        ("2015-2020", "kt", "write 'kt CONTENT/yr'"),
        ("2015-2020", "kt /yr", "write 'kt CONTENT/yr'"),
        ("1000-2020", "kt Co/yr", "write them like 2015-2020"),
    ],
)
def test_init_refuses_units_and_years(
    tmp_path: Path, years: str, unit: str, fragment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "own"), "--years", years, "--unit", unit]) == 2
    assert fragment in capsys.readouterr().err
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize("years", ["2020-2015", "20-21", "soon"])
def test_init_refuses_what_are_no_years(tmp_path: Path, years: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["init", str(tmp_path / "own"), "--years", years, "--unit", "kt Co/yr"])


def test_init_leaves_what_is_there_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_tables(tmp_path / "tiny")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    arguments = ["init", str(folder), "--years", "2015", "--unit", "t"]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert "is not empty" in told
    assert "unit 't' is unknown" in told  # all of it in one go
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    arguments[1] = str(folder / "flows.csv")
    assert main(arguments) == 2
    assert "is a file" in capsys.readouterr().err


# --- the catalogue --------------------------------------------------------------------------------


def test_the_catalogue_lists_every_quantity(tmp_path: Path) -> None:
    study = rb.read_study(start_study(tmp_path / "own", 2015, 2016, "kt Co/yr"))
    table = rb.catalogue(study)
    assert list(table.index) == list(study.quantities.names)
    row = table.loc["net_import_metal"]
    assert (row["label"], row["unit"], row["records"]) == ("Net imports of metal", "kt Co/yr", 2)
    assert "metal_imported" in row["flows"]
    assert table.loc["recovery", "unit"] == "ratio"
    own = dataclasses.replace(study, report=Settings({"labels": {"loss": "Gone"}}))
    assert rb.catalogue(own).loc["loss", "label"] == "Gone"


def test_labels_move_no_posterior_and_travel_with_the_study(tmp_path: Path) -> None:
    study = rb.read_study(start_study(tmp_path / "own", 2015, 2016, "kt Co/yr"))
    (tmp_path / "own" / "catalogue.csv").unlink()
    bare = rb.read_study(tmp_path / "own")
    assert study.hash == bare.hash
    assert study.description_hash != bare.description_hash
    again = rb.read_study(study.save(tmp_path / "copy"))
    assert (again.hash, again.labels) == (study.hash, study.labels)


def test_labels_of_the_catalogue_are_shown(tmp_path: Path) -> None:
    from reebayes.results.description import descriptive_attributes

    study = rb.read_study(start_study(tmp_path / "own", 2015, 2016, "kt Co/yr"))
    assert '"consumption": "Consumption"' in descriptive_attributes(study)["report"]


def test_asking_for_a_quantity_that_is_a_flow_says_so(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"'used_A' is a flow and no quantity; ask flow\(fit"):
        rb.quantity(fake_fit(draws=50), "used_A")
    folder = write_tables(tmp_path)
    (folder / "catalogue.csv").write_text("quantity,label\nmetal,Metal\nmined,All\nmined,Twice\n")
    text = (folder / "records.csv").read_text().replace("r_lower,made", "r_lower,metal")
    (folder / "records.csv").write_text(text)
    with pytest.raises(StudyError) as error:
        rb.read_study(folder)
    told = [(fault.table, fault.row) for fault in error.value.faults]
    assert told == [("catalogue.csv", 2), ("catalogue.csv", 4), ("records.csv", 8)]
    message = error.value.faults[-1].message
    assert message == (
        "'metal' is a flow and no quantity; write a row 'metal,num,metal,1' into quantities.csv"
    )


# --- the examples ---------------------------------------------------------------------------------


def test_a_directory_wins_over_an_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert rb.read_study("zinc").name == rb.read_study(Path("zinc")).name
    write_tables(tmp_path / "zinc")
    assert rb.read_study("zinc").name == "Tiny"


def test_the_zinc_example_is_sound_and_saves_as_it_is(tmp_path: Path) -> None:
    study = rb.read_study("zinc")
    assert rb.read_study(study.save(tmp_path / "copy")).hash == study.hash
    assert {path.name for path in study_folder("zinc").glob("*.csv")} <= set(SCHEMA)
    assert {record.kind for record in study.records} == {"value", "signed"}
    assert study_folder() == study_folder("rare_earths")


def test_what_enters_leaves_in_the_figures_of_the_zinc_example_too() -> None:
    """As published: within the rounding of the figures, process by process."""
    study = rb.read_study("zinc")
    printed = {record.quantity: record.value or 0.0 for record in study.records}
    known = {
        quantity.numerator[0][0]: printed[quantity.quantity]
        for quantity in study.quantities
        if len(quantity.numerator) == 1 and quantity.numerator[0][1] == 1 and not quantity.is_ratio
    }
    for process in study.processes:
        if process.kind == "market":
            inward = sum(known.get(f.flow, 0.0) for f in study.flows if f.target == process.process)
            outward = sum(
                known.get(f.flow, 0.0) for f in study.flows if f.source == process.process
            )
            assert inward == pytest.approx(outward, abs=5)


def test_a_wheel_holds_every_example_where_it_is_looked_for() -> None:
    root = Path(__file__).parents[1]
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    included = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for packed, cloned in EXAMPLES.values():
        (source, target), *_ = [item for item in included.items() if cloned.startswith(item[0])]
        assert f"reebayes/{packed}" == cloned.replace(source, target, 1)
        assert (root / cloned / "study.toml").is_file()


def test_an_example_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(StudyError, match="the examples are rare_earths and zinc"):
        rb.read_study("copper")


def test_the_starting_study_changes_by_copy(tmp_path: Path) -> None:
    study = rb.read_study(start_study(tmp_path / "own", 2015, 2020, "kt Co/yr"))
    values = {"quantity": "net_import_metal", "year": 2016, "value": -1800, "unit": "t Co"}
    more = study.with_record(
        "second", kind="signed", sd=300, reporter="survey", source="made_up", **values
    )
    assert more.records["second"].error == 0.3
    assert dataclasses.replace(more, records=study.records).hash == study.hash
