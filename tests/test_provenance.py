"""What asks for another fit, and what does not: one answer for every command."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reebayes import provenance
from reebayes.cli.main import main
from reebayes.errors import ResultError, StudyError
from reebayes.experiments.calibration.refitting import SamplerSettings, Task
from reebayes.experiments.calibration.running import run_tasks
from reebayes.experiments.cases import Outcome, write_outcome
from reebayes.experiments.runs import RunStore
from reebayes.inference.sampling import Run
from reebayes.model.layout import lay_out
from reebayes.provenance import asked_for, differing, digest_of, is_asked_for
from reebayes.results.fitfile import open_fit, save_fit
from reebayes.simulation.worlds import simulate_world
from reebayes.study import Quantity, Study, Table, read_study
from reebayes.study.hashing import SHOWN_ONLY
from reebayes.study.header.frozen import Settings
from reebayes.study.rows import Label, Lane, Partner
from reebayes.study.schema import (
    ASSAYS,
    CATALOGUE,
    DEMAND_GROWTH,
    ESTIMATES,
    FLOWS,
    INDICATORS,
    LANES,
    MATERIALS,
    PARTNERS,
    PLANNED_CASES,
    PRIORS,
    PROCESSES,
    PROJECTIONS,
    PROJECTS,
    PUBLISHED_ELEMENTS,
    PUBLISHED_INDICATORS,
    RECORDS,
    RESERVES,
    SOURCES,
)
from tests.fakes import fake_fit
from tests.held import held_out
from tests.tiny import PRIORS as PRIOR_ROWS
from tests.tiny import write_tables

TABLES = {
    "processes": PROCESSES,
    "flows": FLOWS,
    "records": RECORDS,
    "priors": PRIORS,
    "sources": SOURCES,
    "published": ESTIMATES,
    "indicators": INDICATORS,
    "published_indicators": PUBLISHED_INDICATORS,
    "labels": CATALOGUE,
    "assays": ASSAYS,
    "materials": MATERIALS,
    "published_elements": PUBLISHED_ELEMENTS,
    "partners": PARTNERS,
    "lanes": LANES,
    "projects": PROJECTS,
    "planned_cases": PLANNED_CASES,
    "reserves": RESERVES,
    "demand_growth": DEMAND_GROWTH,
    "projections": PROJECTIONS,
}
STAND_INS = {
    "labels": Label("mined_US", "Mines", "All of them"),
    "partners": Partner("US", "United States", -98.5, 39.5, -98.0, 50.0, ("USA",)),
    "lanes": Lane("exported_CN_US", "CN", "US", "compounds", "exported_CN_US_registered"),
}
ESTIMATE = """\
name,quantity,year,year_end,kind,value,low,high,unit,source,note,why
thesis,mined,2010,2012,range,,50,90,kt REO,other,A note,A reason
"""
FLOOR = "noise:floor,,,lognormal,0.4,0,,share of variance,judgement-reporters,\n"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = write_tables(tmp_path_factory.mktemp("asked") / "tiny")
    (folder / "published_estimates.csv").write_text(ESTIMATE, "utf-8")
    (folder / "catalogue.csv").write_text("quantity,label,description\nmined,Mined,All\n", "utf-8")
    sources = folder / "sources.csv"
    sources.write_text(f"{sources.read_text('utf-8')}other,Another book,2020,,,\n", "utf-8")
    return read_study(folder)


def other(value: Any) -> Any:
    """A value of the same type that says something else."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value} changed"
    if isinstance(value, tuple):
        return (*value, *value[-1:]) if value and isinstance(value[0], str) else value[:-1]
    return 1.0


def changes(study: Study) -> Iterator[Any]:
    """Every column of every table with one cell changed, and whether that moves the posterior."""
    for title, schema in TABLES.items():
        table = getattr(study, title)
        for column in schema.columns:
            row = next(
                (n for n, item in enumerate(table) if getattr(item, column.name) not in (None, ())),
                0,
            )
            yield pytest.param(title, column.name, row, column.moves, id=f"{title}-{column.name}")


def changed(study: Study, title: str, column: str, row: int) -> Study:
    """A copy with one cell changed, unchecked: it is only asked for its hash."""
    rows = list(getattr(study, title)) or [STAND_INS[title]]
    rows[row] = replace(rows[row], **{column: other(getattr(rows[row], column))})
    return replace(study, **{title: Table(type(rows[0]), rows)})


def every_change() -> list[Any]:
    """The changes of the bundled study, which has every column filled somewhere."""
    bundled = read_study()
    return list(changes(bundled))


@pytest.fixture(scope="module")
def bundled() -> Study:
    return read_study()


@pytest.mark.parametrize(("title", "column", "row", "moves"), every_change())
def test_a_refit_is_asked_for_by_what_moves_the_posterior_only(
    title: str, column: str, row: int, moves: bool, bundled: Study
) -> None:
    after = changed(bundled, title, column, row)
    asked = asked_for(bundled.hash, seed=0)
    assert is_asked_for(asked, asked_for(after.hash, seed=0)) == (not moves)
    assert (after.hash != bundled.hash) == moves
    if not moves:
        assert after.description_hash != bundled.description_hash


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"name": "Another name"}, False),
        ({"notes": "Other notes"}, False),
        ({"report": Settings({"sankey_year": 2001})}, False),
        ({"package": Settings({"keywords": ["ore"]})}, False),
        ({"variants": Settings({})}, False),
        ({"published": Table(ESTIMATES.row)}, False),
        ({"indicators": Table(INDICATORS.row)}, False),
        ({"published_indicators": Table(PUBLISHED_INDICATORS.row)}, False),
        ({"unit": "kt Nd/yr"}, True),
        ({"first_year": 1999}, True),
        ({"last_year": 2023}, True),
        ({"settings": Settings({"error_distribution": "normal"})}, True),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_header_likewise(change: dict[str, Any], moves: bool, bundled: Study) -> None:
    after = replace(bundled, **change)
    assert (after.hash != bundled.hash) == moves
    assert (after.description_hash != bundled.description_hash) == (not moves)


def test_a_term_of_a_quantity_moves(bundled: Study) -> None:
    first, *rest = bundled.quantities
    term = (first.numerator[0][0], 2.0)
    twice = replace(first, numerator=(term, *first.numerator[1:]))
    assert replace(bundled, quantities=Table(Quantity, [twice, *rest])).hash != bundled.hash


def test_every_part_of_a_study_is_in_one_of_the_hashes() -> None:
    """A new field of a study has to be put on one of the two sides."""
    known = {"name", "notes", "report", "package", "variants", "scenarios", "unit", "first_year",
             "last_year", "settings", "quantities", "path", "extensions", "additions",
             *TABLES}  # fmt: skip
    assert {field.name for field in fields(Study)} == known


def arrays(value: Any) -> Iterator[np.ndarray]:
    """Every array in nested tuples."""
    if isinstance(value, tuple):
        for part in value:
            yield from arrays(part)
    else:
        yield np.asarray(value)


@pytest.mark.parametrize(
    ("title", "column", "row"),
    [pytest.param(*param.values[:3], id=param.id) for param in every_change()
     if not param.values[3] and param.values[0] not in ("sources", "published", *SHOWN_ONLY)],
)  # fmt: skip
def test_what_moves_nothing_reaches_no_array_of_the_model(
    title: str, column: str, row: int, bundled: Study
) -> None:
    after = lay_out(changed(bundled, title, column, row)).equations
    for found, expected in zip(arrays(after), arrays(lay_out(bundled).equations), strict=True):
        np.testing.assert_array_equal(found, expected)


# --- code and packages ----------------------------------------------------------------------------


def test_other_code_packages_seeds_and_settings_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = asked_for("0" * 64, seed=1, draws=10)
    assert differing(asked, asked) == []
    assert differing(asked | {"seed": np.int64(1)}, asked) == []  # as a file returns it
    assert differing(asked | {"seed": 2, "draws": 11}, asked) == ["seed", "draws"]
    assert differing({}, asked) == list(asked)
    assert not is_asked_for({}, {})
    monkeypatch.setattr(provenance, "code_hash", lambda: "new")
    assert differing(asked, asked_for("0" * 64, seed=1, draws=10)) == ["code_hash"]
    monkeypatch.setattr(provenance, "_versions", lambda: "{}")
    assert differing(asked, asked_for("0" * 64, seed=1, draws=10)) == ["code_hash", "versions"]


def test_a_digest_names_what_was_asked_for() -> None:
    asked = asked_for("0" * 64, seed=1)
    assert digest_of(asked) == digest_of(dict(reversed(asked.items())))
    assert digest_of(asked) != digest_of(asked_for("0" * 64, seed=2))
    assert digest_of(asked, ["study_hash"]) == digest_of(asked_for("0" * 64), ["study_hash"])


def test_code_that_only_reads_is_no_part_of_what_draws_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("inference", "reporting"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "code.py").write_text("x = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    usual = provenance.code_hash.__wrapped__()
    everything = provenance.code_hash.__wrapped__(spared=())
    (tmp_path / "reporting" / "code.py").write_text("x = 2\n")
    assert provenance.code_hash.__wrapped__() == usual
    assert provenance.code_hash.__wrapped__(spared=()) != everything
    (tmp_path / "inference" / "code.py").write_text("x = 2\n")
    assert provenance.code_hash.__wrapped__() != usual


# --- who asks -------------------------------------------------------------------------------------

RUN = Run(seed=3, draws=20, tune=10, chains=2, progress=False)


def stored(
    study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[RunStore, list[Any]]:
    """A store whose fits are made up, and what it was asked to make."""
    from reebayes.experiments import runs

    made: list[Any] = []

    def fit(study: Study, *, progress: bool, out: Path, **settings: int) -> Any:
        made.append(study)
        tree = fake_fit()
        tree.attrs |= asked_for(study.hash, **settings)
        return open_fit(save_fit(tree, out))

    def score(study: Study, held: Any, run: Run, starts: Any) -> Any:
        made.append(tuple(held))
        return held_out(held, 0.0)

    monkeypatch.setattr(runs, "fit", fit)
    monkeypatch.setattr(runs, "score_held_out", score)
    return RunStore(folder, RUN, lambda text: None), made


def compare_once(study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    store, made = stored(study, folder, monkeypatch)
    store.fit({"base": study})
    return made


def hold_out_once(study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    store, made = stored(study, folder, monkeypatch)
    store.score({"base": study}, {"fold": ["r_value"]})
    return made


@pytest.mark.parametrize("ask", [compare_once, hold_out_once])
def test_fits_of_other_code_are_made_again(
    ask: Callable[..., list[Any]], study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(ask(study, tmp_path, monkeypatch)) == 1
    assert ask(study, tmp_path, monkeypatch) == []
    told = replace(study, name="Another name", notes="Other notes")
    assert ask(told, tmp_path, monkeypatch) == []
    monkeypatch.setattr(provenance, "code_hash", lambda: "new")
    assert len(ask(study, tmp_path, monkeypatch)) == 1


def test_a_calibration_of_other_code_is_another_run(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(study, "well_specified", 0, 0, SamplerSettings())
    write_outcome(tmp_path / "tasks" / f"{task.name}.npz", Outcome({"ranks": np.zeros(1)}, 1.0))

    def run(study: Study) -> None:
        again = replace(task, study=study)
        run_tasks([again], tmp_path, workers=1, scheduler=None, progress=False)

    run(study)
    run(replace(study, name="Another name"))
    found = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert found["study_hash"] == study.hash
    monkeypatch.setattr(provenance, "code_hash", lambda: "new")
    with pytest.raises(ResultError, match="holds another run: its code_hash differ"):
        run(study)


# --- the variance floor ---------------------------------------------------------------------------


def test_a_floor_in_the_tables_is_used_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = read_study(write_tables(tmp_path / "plain"))
    floored = read_study(write_tables(tmp_path / "floor", priors=PRIOR_ROWS + FLOOR))
    assert (plain.variance_floor, floored.variance_floor) == (0.25, 0.4)
    assert plain.hash != floored.hash
    for study, floor in ((plain, 0.25), (floored, 0.4)):
        layout = lay_out(study)
        np.testing.assert_array_equal(layout.equations.errors.floor, [floor])
        assert "noise:floor" not in simulate_world(study, seed=1).unknowns
    assert main(["check", str(tmp_path / "plain")]) == 0
    assert "noise:floor" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "floor")]) == 0
    assert "noise:floor" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.4,0,", "1,0,", "median 1 is not from 0 to below 1"),
        ("0.4,0,", "-0.1,0,", "median -0.1 is not from 0 to below 1"),
        ("0.4,0,", "0.4,0.1,", "sd 0.1 is not 0; the floor is set and not learnt"),
        ("lognormal", "normal", "'noise:floor' is lognormal, not normal"),
        (",,,lognormal", ",2010,,lognormal", "one number for the whole study; leave year empty"),
        ("noise:floor", "noise:flor", "Did you mean 'floor'"),
    ],
    ids=["one", "below", "learnt", "form", "year", "misspelt"],
)
def test_faults_of_a_floor(tmp_path: Path, old: str, new: str, message: str) -> None:
    row = FLOOR.replace(old, new)
    assert row != FLOOR
    with pytest.raises(StudyError, match=message):
        read_study(write_tables(tmp_path / "tiny", priors=PRIOR_ROWS + row))


def test_a_fit_carries_its_floor(tmp_path: Path) -> None:
    from reebayes.results.description import constant_data

    study = read_study(write_tables(tmp_path / "floor", priors=PRIOR_ROWS + FLOOR))
    assert float(constant_data(study)["variance_floor"]) == 0.4
    assert float(fake_fit()["constant_data"]["variance_floor"]) == 0.25
    assert save_fit(fake_fit(), tmp_path / "fit.nc").is_file()
