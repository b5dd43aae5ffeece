"""Where records stand: counted by hand for the small study, and drawn as text and picture."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from reebayes.answers.availability import coverage, coverage_text, stage_marks
from reebayes.cli.main import main
from reebayes.figures.heatmaps import plot_coverage
from reebayes.study import Study, read_study
from reebayes.study.kinds import RECORD_KINDS
from tests.tiny import FLOWS, PRIORS, PROCESSES, QUANTITIES, RECORDS, write_tables


@pytest.fixture
def study(tiny_study: Path) -> Study:
    return read_study(tiny_study)


def row(text: str, name: str) -> str:
    """Return the line of a map that begins with a name."""
    return next(line for line in text.splitlines() if line.startswith(f"{name} "))


def test_records_are_counted_by_quantity_year_and_kind(study: Study) -> None:
    records = coverage(study)["records"]
    made = records.sel(quantity="made")
    assert made.sel(kind="cumulative").values.tolist() == [1, 1, 1, 0, 0, 0]
    assert made.sel(kind="lower").values.tolist() == [0, 0, 0, 1, 0, 0]
    assert int(records.sel(quantity="share_hidden", year=2011, kind="mean")) == 1
    # Seven records of one year each, and spans of three, six and two years.
    assert int(records.sum()) == 9 + 3 + 6 + 2


def test_quantities_without_a_record_are_left_out(study: Study) -> None:
    names = coverage(study)["quantity"].values.tolist()
    assert names == [q.quantity for q in study.quantities if q.quantity != "net_export"]


def test_a_quantity_is_possible_when_each_of_its_parts_is(study: Study) -> None:
    possible = coverage(study)["possible"]
    assert possible.sel(quantity="mined_hidden").values.tolist() == [1, 1, 0, 0, 1, 1]
    assert possible.sel(quantity="share_hidden").values.tolist() == [1, 1, 0, 0, 1, 1]
    assert possible.sel(quantity="used_other").values.tolist() == [0, 0, 0, 1, 0, 0]


def test_stages_are_what_conversions_make_and_uses(study: Study) -> None:
    counted = coverage(study)
    assert counted["region"].values.tolist() == ["A"]
    assert counted["stage"].values.tolist() == ["ore", "metal", "use"]
    # The mean of `mined`, 2010-2015, covers ore from the mine; its other flow is of no stage.
    assert (counted["own"].sel(stage="ore") > 0).all()
    assert counted["own"].sel(stage="use").values.tolist() == [[0, 0, 1, 0, 0, 0]]


def test_a_record_of_two_regions_is_shared_and_trade_belongs_to_both(tmp_path: Path) -> None:
    processes = PROCESSES.replace("abroad,environment,,", "abroad,use,B,")
    quantities = QUANTITIES + "all_uses,num,magnets,1\nall_uses,num,export_ore,1\n"
    records = RECORDS + "r_all,all_uses,2014,,value,9,,,kt REO,,0.1,survey,yearbook,\n"
    folder = write_tables(tmp_path, processes=processes, quantities=quantities, records=records)
    counted = coverage(read_study(folder))
    assert counted["stage"].values.tolist() == ["ore", "metal", "trade", "use"]
    both = counted.sel(year=2014, stage="use")
    assert both["shared"].values.tolist() == [1, 1]
    assert both["own"].values.tolist() == [0, 0]
    traded = counted["own"].sel(stage="trade").transpose("year", "region").values.tolist()
    assert traded == [[0, 0], [1, 1], [0, 0], [1, 1], [0, 0], [0, 0]]


def test_a_product_between_markets_of_its_region_is_of_the_stage_that_made_it(
    tmp_path: Path,
) -> None:
    processes = PROCESSES + "gate,market,A,Gate\n"
    flows = FLOWS.replace("concentrate,mine,ore_market", "concentrate,mine,gate")
    flows += "gate_big,gate,ore_market,ore,true,2010-2015,Of the big mine\n"
    flows += "gate_small,gate,ore_market,ore,true,2010-2015,Of the small mines\n"
    quantities = QUANTITIES + "mined_big,num,gate_big,1\n"
    records = "".join(line for line in RECORDS.splitlines(True) if "mined" not in line)
    records += "r_big,mined_big,2014,,value,9,,,kt REO,,0.1,survey,yearbook,\n"
    priors = PRIORS + "gate_big,,,share,0.8,0.5,,share,judgement-split,\n"
    folder = write_tables(
        tmp_path, processes=processes, flows=flows, quantities=quantities, records=records,
        priors=priors,
    )  # fmt: skip
    # Shares of hidden ore stand in 2010, 2011 and 2015; the new record adds 2014.
    assert stage_marks(coverage(read_study(folder)))["A ore"] == "ooppoo"


def test_years_without_record_and_prior_are_listed(study: Study) -> None:
    # To 2011 the metal has one way to go, and no table says how sure that is.
    assert stage_marks(coverage(study))["A use"] == "!!oppp"
    assert coverage_text(study).endswith("Neither a record nor a prior: A use 2010-2011.")


def test_text_tells_kinds_apart_and_absence_from_impossibility(study: Study) -> None:
    text = coverage_text(study)
    assert row(text, "made") == "made              +++>..        2"
    assert row(text, "mined_registered").split()[1] == "ooq..."
    assert "used_other          0.  " in row(text, "used_other")
    assert row(text, "mined_hidden")[18:24] == "..  ~."
    assert "1 of 8 quantities have no record" in text


def test_every_kind_of_record_has_its_own_mark() -> None:
    marks = [kind.mark for kind in RECORD_KINDS.values()]
    assert all(len(mark) == 1 for mark in marks)
    assert len(set(marks)) == len(marks)


def test_check_prints_the_map(tiny_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tiny_study)]) == 0
    assert "Records by quantity" not in capsys.readouterr().out
    assert main(["check", str(tiny_study), "--coverage"]) == 0
    assert "Records by quantity: 12 records of 7 quantities" in capsys.readouterr().out


def test_bundled_study_has_evidence_in_every_stage_of_every_region() -> None:
    study = read_study()
    text = coverage_text(study)
    assert "Neither a record nor a prior: nowhere." in text
    assert max(map(len, text.splitlines())) <= 110
    assert set(stage_marks(coverage(study))) >= {f"{p.region} use" for p in study.processes
                                                 if p.kind == "use"}  # fmt: skip


def test_picture_shows_every_row_of_the_maps(study: Study) -> None:
    figure = plot_coverage(study)
    assert isinstance(figure, Figure)
    upper, lower = figure.axes
    shown = [text.get_text() for text in upper.get_yticklabels()]
    assert shown == coverage(study)["quantity"].values.tolist()
    assert [text.get_text() for text in lower.get_yticklabels()] == ["A ore", "A metal", "A use"]
    # Numbers are written only where a cell holds several records.
    counts = coverage(study)["records"].sum("kind").values
    assert len(upper.texts) == int(np.sum(counts > 1))
