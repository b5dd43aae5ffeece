"""The study as an object: what is read, how it shows itself, and that it changes by copy only."""

import copy
import csv
import io
import pickle
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, fields, replace
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reebayes.errors import Fault, FitError, ReebayesError, ResultError, StudyError
from reebayes.study import Flow, Prior, Quantity, Record, Source, Study, Table, read_study
from reebayes.study.hashing import PROSPECTS
from tests.tiny import PRIORS, RECORDS, TABLES, shared_tables, write_tables

# Every example writes and reads a directory.
few = settings(max_examples=40)

FILES = [name for name in TABLES if name.endswith(".csv")]


@pytest.fixture
def tiny(tiny_study: Path) -> Study:
    """Return the small study as read."""
    return read_study(tiny_study)


@contextmanager
def folder_with(**texts: str) -> Iterator[Path]:
    """Make a directory with the tiny study, some of its tables replaced."""
    with tempfile.TemporaryDirectory() as name:
        yield write_tables(Path(name), **texts)


def hash_with(**texts: str) -> str:
    """Return the hash of the tiny study with some of its tables replaced."""
    with folder_with(**texts) as folder:
        return read_study(folder).hash


# ---- what is read ----


def test_reads_every_row(tiny: Study) -> None:
    """Names, years and rows are those of the files."""
    assert (tiny.name, tiny.unit, tiny.first_year, tiny.last_year) == (
        "Tiny",
        "kt REO/yr",
        2010,
        2015,
    )
    assert tiny.years == (2010, 2011, 2012, 2013, 2014, 2015)
    assert dict(tiny.settings) == {"error_distribution": "normal", "degrees_of_freedom": 5}
    assert tiny.notes == "Small enough to check by hand."
    assert tiny.reporters == ("customs", "journalist", "ministry", "survey")
    for table in (tiny.processes, tiny.flows, tiny.records, tiny.priors, tiny.sources):
        name = {"Process": "processes"}.get(table.row_type.__name__)
        name = name or f"{table.row_type.__name__.lower()}s"
        assert len(table) == TABLES[f"{name}.csv"].count("\n") - 1
    assert tiny.processes["use_other"].label == "Other uses, all together"


def test_activity_of_a_flow(tiny: Study) -> None:
    """A flow is active in its periods, ends included, and in no other year."""
    hidden = tiny.flows["hidden_ore"]
    assert hidden.active == ((2010, 2011), (2014, 2015))
    active = [year for year in range(2005, 2020) if hidden.is_active(year)]
    assert active == [2010, 2011, 2014, 2015]
    assert tiny.flows["other"].active == ((2013, 2013),)
    assert not hidden.registered


def test_quantities_are_gathered_from_terms(tiny: Study) -> None:
    """Terms of one name make one quantity, with signs and denominators."""
    assert tiny.quantities["net_export"] == Quantity(
        "net_export", (("export_ore", 1.0), ("scrap", -0.5)), ()
    )
    share = tiny.quantities["share_hidden"]
    assert share.is_ratio
    assert share.denominator == (("concentrate", 1.0), ("hidden_ore", 1.0))
    assert not tiny.quantities["mined"].is_ratio


def test_empty_cells(tiny: Study) -> None:
    """A blank year_end is the year, a blank number is None, and no blank is ever zero."""
    value = tiny.records["r_value"]
    assert (value.year_end, value.low, value.high, value.factor) == (2010, None, None, None)
    assert tiny.records["r_zero"].value == 0.0
    assert tiny.records["r_upper"].value is None
    prior = tiny.priors["ore"]
    assert (prior.year, prior.year_end, prior.step) == (None, None, 0.1)
    assert tiny.sources["judgement-split"].year is None


@pytest.mark.parametrize(
    ("record", "scale"),
    [("r_value", 1.0), ("r_tonnes", 1e-3), ("r_gross", 0.5e-3), ("r_share", 1.0), ("r_ratio", 1.0)],
)
def test_scale(tiny: Study, record: str, scale: float) -> None:
    """The scale of a record turns what was printed into the study's unit."""
    assert tiny.records[record].scale == pytest.approx(scale, rel=1e-15)


@pytest.mark.parametrize("change", [{"unit": "lb"}, {"unit": "t"}, {"factor": None}])
def test_no_scale(tiny: Study, change: dict[str, Any]) -> None:
    """A record without a unit to go by has no scale, rather than a wrong one."""
    with pytest.raises(StudyError, match="no scale"):
        _ = replace(tiny.records["r_gross"], **change).scale


def test_bundled_study() -> None:
    """The bundled study is sound and holds the quantities every report shows."""
    study = read_study()
    assert study.years == tuple(range(2000, 2023))
    assert study.unit == "kt REO/yr"
    named = set(study.quantities.names)
    regions, uses = ("CN", "US", "RW"), ("magnets", "catalysts", "metallurgy", "glass_ceramics")
    expected = {"mined_world", "mined_CN_registered", "mined_CN_unregistered", "mined_US"}
    expected |= {"mined_RW_registered", "mined_RW_unregistered", "refined_CN", "refined_US"}
    expected |= {"refined_CN_unregistered", "refined_RW", "smuggled_CN_US", "smuggled_CN_RW"}
    expected |= {"smuggled_CN", "consumed_world", "net_export_CN", "net_export_US"}
    expected |= {"share_mined_CN", "share_unregistered", "share_RW_unregistered_of_CN_origin"}
    expected |= {f"consumed_{region}" for region in regions}
    expected |= {f"consumed_{region}_{use}" for region in regions for use in (*uses, "other")}
    expected |= {
        f"exported_{a}_{b}_{product}"
        for a in regions
        for b in regions
        for product in ("concentrate", "salt", "oxide", "metal")
        if a != b
    }
    assert not expected - named


# What touches the mines of a region and its trade; names of quantities begin so.
TOUCHED = {
    "mines of CN": ("mined_CN",),
    "mines of US": ("mined_US",),
    "mines of RW": ("mined_RW", "shipped_RW", "refined_RW_lynas"),
    "trade of CN": ("exported_CN", "imported_CN", "mirror_CN"),
    "trade of US": ("exported_US", "imported_US"),
    "trade of RW": ("exported_CN_RW", "imported_CN_from_RW", "mirror_CN_RW"),
}


@pytest.mark.parametrize("what", list(TOUCHED))
def test_bundled_records_touch_every_year(what: str) -> None:
    """Mines and trade of every region have a record in every year."""
    records = [r for r in read_study().records if r.quantity.startswith(TOUCHED[what])]
    covered = {year for record in records for year in range(record.year, record.year_end + 1)}
    assert covered == set(range(2000, 2023))


def test_bundled_records_are_many_and_from_named_sources() -> None:
    """Counts that the data card promises; no source is listed for nothing."""
    study, everything = read_study(), read_study(recalled=True)
    assert len(study.records) >= 500
    assert len({record.quantity for record in study.records}) >= 75
    assert len(everything.records) - len(study.records) >= 70
    tables = (everything.records, everything.priors, everything.published)
    used = {row.source for table in tables for row in table}
    used |= {row.source for row in everything.published_indicators}
    told = (everything.assays, everything.materials, everything.published_elements)
    used |= {row.source for table in told for row in table}
    used |= {row.source for name in PROSPECTS for row in getattr(everything, name)}
    used |= {row.outcome_source for row in everything.planned_cases}
    used |= {row.reference for row in everything.indicators if row.reference}
    for name in ("hs_codes.csv", "unit_values.csv"):
        with (everything.path / name).open(encoding="utf-8") as rows:
            used |= {row["source"] for row in csv.DictReader(rows)}
    # for rows that `reebayes harmonise` makes of a user's own downloads
    used |= {"UN_COMTRADE", "USITC_DATAWEB", "GACC_STATISTICS"}
    used |= {"EUROSTAT_COMEXT", "JAPAN_CUSTOMS"}
    for name in everything.scenarios:
        used |= set(everything.scenario(name).sources)
    assert used == set(everything.sources.names)


def test_bundled_trade_counts_every_flow_between_two_regions() -> None:
    """``exported_<A>_<B>_<product>`` is what goes from A to B: declared and smuggled together."""
    study = read_study()
    regions, products = ("CN", "US", "RW"), ("concentrate", "salt", "oxide", "metal")
    for origin, destination in permutations(regions, 2):
        for product in products:
            crossing = {
                flow.flow
                for flow in study.flows
                if study.route(flow) is not None
                and study.processes[flow.source].region == origin
                and study.processes[flow.target].region == destination
                and flow.product == product
            }
            trade = study.quantities[f"exported_{origin}_{destination}_{product}"]
            assert dict(trade.numerator) == dict.fromkeys(crossing, 1.0), trade.quantity


def test_bundled_traps_are_in_the_model() -> None:
    """The known traps of the figures stand in the columns that the model reads."""
    study = read_study()
    records = study.records
    paper = records["mirror-cn-2011-white-paper"]
    assert (paper.value, paper.other) == (1.2, 2.2)
    assert {"adamas", "kingsnorth"} <= set(study.reporters)
    shares = {record.record: record.kind for record in records if record.reporter == "kingsnorth"}
    assert "lower" in shares.values()
    contents = [name for name in study.shared if name.startswith("content_")]
    assert len(contents) >= 8
    gross = [r for r in records if r.unit == "t gross" and r.reporter.startswith("us_customs")]
    assert gross and all(record.shared for record in gross)
    # What the survey estimates from Chinese imports never stands alone.
    survey = [record for record in records if record.reporter == "usgs_from_imports"]
    assert survey and all("usgs_from_imports" in record.shared for record in survey)
    arrivals = [r for r in records if r.reporter in ("mirror_japan", "us_customs_china")]
    assert all(r.lag > 0 for r in arrivals if not r.quantity.startswith("share_"))
    # Apparent consumption is production plus imports less exports, and no measurement.
    assert not [r for r in records if r.quantity == "apparent_consumption_US"]
    # Official output to 2009 counts part of what was mined above quota; the quota counts none.
    ends = {r.quantity: r.year for r in records if r.reporter == "china_official_output"}
    assert ends == {"mined_CN_official": 2009, "mined_CN": 2010}
    assert records["mined-cn-2010-china-official-output-lower"].kind == "lower"
    quotas = [r.year for r in records if r.reporter == "china_mining_quota"]
    assert min(quotas) == 2010


def test_bundled_study_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a wheel the bundled study lies inside the package; in a clone beside it."""
    monkeypatch.setattr("reebayes.study.examples.PACKAGE", tmp_path / "reebayes")
    write_tables(tmp_path / "data", study=TABLES["study.toml"].replace("Tiny", "Beside"))
    assert read_study().name == "Beside"
    write_tables(tmp_path / "reebayes" / "_data")
    assert read_study().name == "Tiny"


# ---- what records have in common, arrive late, or may be read in two ways ----


@pytest.fixture
def sharing(tmp_path: Path) -> Path:
    """Return the directory of the small study with all optional columns of records."""
    return write_tables(tmp_path / "sharing", **shared_tables())


def test_reads_shared_lag_other_and_status(sharing: Path) -> None:
    """Names are split, blanks are nothing, and a prior goes with every name."""
    study = read_study(sharing, recalled=True)
    gross = study.records["r_gross"]
    assert (gross.shared, gross.lag, gross.other, gross.status) == (
        ("grade", "copied"),
        0.08,
        None,
        "",
    )
    plain = study.records["r_value"]
    assert (plain.shared, plain.lag, plain.other, plain.status) == ((), 0.0, None, "")
    memory = study.records["r_memory"]
    assert (memory.shared, memory.other, memory.status) == (("hearsay", "grade"), 8.0, "recalled")
    assert study.shared == ("copied", "grade", "hearsay")
    prior = study.priors["shared:copied"]
    assert (prior.median, prior.sd, prior.step, prior.unit) == (-0.1, 0.2, None, "log scale")
    assert study.records.frame.set_index("record").shared["r_gross"] == "grade;copied"


def test_recalled_records_stay_out_unless_asked_for(sharing: Path) -> None:
    """What was never read is left out, with the priors that only it needed."""
    study = read_study(sharing)
    everything = read_study(sharing, recalled=True)
    gone = set(everything.records.names) - set(study.records.names)
    assert gone == {"r_upper", "r_memory"}
    assert study.reporters == ("customs", "journalist", "ministry", "survey")
    assert study.shared == ("copied", "grade")
    missing = set(everything.priors.names) - set(study.priors.names)
    assert missing == {"shared:hearsay", "bias:uncle"}
    assert study.hash != everything.hash
    kept = [record for record in everything.records if not record.status]
    assert everything.with_records(kept) == study


def test_recalled_records_are_checked_all_the_same(sharing: Path) -> None:
    """A fault of a record that is left out is a fault of the file."""
    path = sharing / "records.csv"
    path.write_text(path.read_text("utf-8").replace("made,2014", "maed,2014"), "utf-8")
    with pytest.raises(StudyError, match="Did you mean 'made'"):
        read_study(sharing)


def test_copies_drop_shared_priors_that_are_left_over(sharing: Path) -> None:
    """A common error goes with the last record that has it."""
    study = read_study(sharing)
    kept = study.with_records(r for r in study.records if "copied" not in r.common_errors)
    assert kept.shared == ("grade",)
    assert not kept.priors.rows("shared:copied")
    assert kept.priors.rows("shared:grade")


@pytest.mark.parametrize(
    "change",
    [
        {"shared": ()},
        {"shared": ("grade",)},
        {"lag": 0.1},
        {"lag": 0.0},
    ],
)
def test_hash_sees_what_a_record_says(sharing: Path, change: dict[str, Any]) -> None:
    """What a record shares and lags by is part of what it says; the order of names is not."""
    study = read_study(sharing, recalled=True)
    gross = study.records["r_gross"]
    others = [record for record in study.records if record != gross]
    assert study.with_records([*others, replace(gross, **change)]).hash != study.hash
    turned = replace(gross, shared=gross.shared[::-1])
    assert study.with_records([*others, turned]).hash == study.hash


def test_lag_reaches_into_the_year_before(tiny: Study) -> None:
    """A flow that stopped last year may still arrive; the base of a ratio may not."""
    late = replace(tiny.records["r_range"], year=2012, year_end=2012, lag=0.1)
    assert tiny.with_records([*tiny.records, replace(late, record="late")]).records["late"]
    base = replace(tiny.records["r_share"], record="base", year=2012, year_end=2012, lag=0.1)
    assert tiny.with_records([*tiny.records, base]).records["base"]
    with pytest.raises(StudyError, match="no flow of 'mined_hidden' is active in 2013"):
        tiny.with_records([replace(late, year=2013, year_end=2013), *tiny.records[:1]])


# ---- what is accepted ----

ACCEPTED: dict[str, Callable[[str], str]] = {
    "byte order mark": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "both": lambda text: "\ufeff" + text.replace("\n", "\r\n"),
    "no final line break": lambda text: text.rstrip("\n"),
    "blank lines": lambda text: text.replace("\n", "\n\n") + "\n",
    "spaces": lambda text: text.replace(",", " , ") if '"' not in text else text,
    "quotes": lambda text: _quoted(text),
    "trailing commas": lambda text: text.replace("\n", ",\n"),
    "rows of commas": lambda text: text + "," * text.splitlines()[0].count(",") + "\n",
    "extra column": lambda text: "\n".join(
        f"{'mine' if i == 0 else 'x'},{line}" for i, line in enumerate(text.splitlines())
    ),
}


def _quoted(text: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows(csv.reader(io.StringIO(text)))
    return out.getvalue()


@pytest.mark.parametrize("table", FILES)
@pytest.mark.parametrize("form", list(ACCEPTED))
def test_forms_of_a_file(table: str, form: str) -> None:
    """Spreadsheets write the same table in many ways; all of them read the same."""
    text = ACCEPTED[form](TABLES[table])
    assert hash_with(**{table.removesuffix(".csv"): text}) == hash_with()


def test_forms_of_settings() -> None:
    """The same holds for the settings."""
    text = "\ufeff" + TABLES["study.toml"].replace("\n", "\r\n")
    assert hash_with(study=text) == hash_with()


def test_columns_in_another_order_and_without_optional_ones(tiny: Study) -> None:
    """Columns go by name; those the contract does not ask for may be absent."""
    rows = list(csv.DictReader(io.StringIO(PRIORS)))
    columns = [name for name in reversed(rows[0]) if name != "note"]
    lines = [",".join(columns), *(",".join(row[name] for name in columns) for row in rows)]
    with folder_with(priors="\n".join(lines)) as folder:
        priors = read_study(folder).priors
    assert priors == tuple(replace(prior, note="") for prior in tiny.priors)


def test_names_in_other_scripts() -> None:
    """Names may be written in any script, composed or not."""
    text = RECORDS.replace("journalist", "Zeitungsnotiz Mu\u0308nchen")
    priors = PRIORS.replace("journalist", "Zeitungsnotiz M\u00fcnchen")
    with folder_with(records=text, priors=priors) as folder:
        assert "Zeitungsnotiz M\u00fcnchen" in read_study(folder).reporters


# ---- tables ----


def test_table_looks_up_by_name(tiny: Study) -> None:
    """A table is a tuple whose rows can also be had by name."""
    flows = tiny.flows
    assert flows["metal"] is flows[6]
    assert isinstance(flows[1:3], Table)
    assert flows[1:3].names == ("concentrate", "mine_loss")
    assert "metal" in flows and flows[0] in flows and "gold" not in flows
    with pytest.raises(KeyError, match="Did you mean 'metal'"):
        flows["metl"]


def test_table_with_several_rows_of_a_name(tiny: Study) -> None:
    """A target with several rows has no single row, and the message says what to ask for."""
    assert [prior.year for prior in tiny.priors.rows("bias:customs")] == [2010, 2013]
    with pytest.raises(KeyError, match=r"has 2 rows; use \.rows"):
        tiny.priors["bias:customs"]


def test_table_frame(tiny: Study) -> None:
    """A frame has a column per field, whole years, and text where the files have text."""
    frame = tiny.records.frame
    assert list(frame.columns) == [field.name for field in fields(Record)]
    assert str(frame["year"].dtype) == "Int64"
    assert frame["value"].isna().sum() == 3
    assert tiny.flows.frame.set_index("flow").active["hidden_ore"] == "2010-2011;2014-2015"
    quantities = tiny.quantities.frame.set_index("quantity")
    assert quantities.numerator["mined"] == "concentrate + hidden_ore"
    assert str(tiny.priors.frame["year"].dtype) == "Int64"
    assert list(Table(Flow).frame.columns) == [field.name for field in fields(Flow)]


def test_everything_shows_itself(tiny: Study) -> None:
    """In a notebook a study and its tables say what they are."""
    assert repr(tiny).startswith("Study 'Tiny', 2010-2015, kt REO/yr: 9 processes, 11 flows")
    assert "12 records" in repr(tiny)
    assert "<td>priors</td><td>17</td>" in tiny._repr_html_()
    assert repr(tiny.records).startswith("Record table, 12 rows")
    assert "<table" in tiny.records._repr_html_()
    assert repr(Table(Record)) == "Record table, 0 rows"
    hostile = replace(tiny, name="<script>")
    assert "<script>" not in hostile._repr_html_()


# ---- frozen, and changed by copy ----


def test_frozen(tiny: Study) -> None:
    """Nothing in a study can be assigned."""
    for thing, name in [(tiny, "name"), (tiny.records[0], "value"), (tiny.priors[0], "sd")]:
        with pytest.raises(FrozenInstanceError):
            setattr(thing, name, "other")
        assert not hasattr(thing, "__dict__")
    with pytest.raises(TypeError):
        tiny.settings["error_distribution"] = "student_t"  # type: ignore[index]


def test_pickle_and_copy(tiny: Study) -> None:
    """A study survives the way to another process, tables and settings included."""
    for clone in (pickle.loads(pickle.dumps(tiny)), copy.deepcopy(tiny)):
        assert clone == tiny
        assert clone.hash == tiny.hash
        assert clone.records["r_value"] == tiny.records["r_value"]
    assert hash(tiny) == hash(pickle.loads(pickle.dumps(tiny)))


COPIES: dict[str, Callable[[Study], Study]] = {
    "with_prior": lambda study: study.with_prior("ore", median=30.0, sd=0.2),
    "with_prior, several rows": lambda study: study.with_prior("bias:customs", factor=2.0),
    "without_source": lambda study: study.without_source("article"),
    "without_reporter": lambda study: study.without_reporter("customs"),
    "with_records": lambda study: study.with_records(study.records[:3]),
    "with no records": lambda study: study.with_records([]),
}


@pytest.mark.parametrize("name", list(COPIES))
def test_copies_leave_the_original(tiny: Study, tiny_study: Path, name: str) -> None:
    """Every change is a copy with another hash, and the original stays as read."""
    changed = COPIES[name](tiny)
    assert changed.hash != tiny.hash
    assert tiny == read_study(tiny_study)
    assert type(changed) is Study


def test_with_prior(tiny: Study) -> None:
    """All rows of the target change, and no other."""
    changed = tiny.with_prior("bias:customs", step=0.1)
    assert [prior.step for prior in changed.priors.rows("bias:customs")] == [0.1, 0.1]
    others = [prior for prior in changed.priors if prior.target != "bias:customs"]
    assert others == [prior for prior in tiny.priors if prior.target != "bias:customs"]


def test_without_source_drops_what_is_left_over(tiny: Study) -> None:
    """Records of the source go, and the priors of reporters that have none left."""
    changed = tiny.without_source("article")
    assert set(tiny.records) - set(changed.records) == {
        record for record in tiny.records if record.source == "article"
    }
    assert "journalist" not in changed.reporters
    assert set(tiny.priors) - set(changed.priors) == {tiny.priors["noise:journalist"]}
    assert changed.sources == tiny.sources


def test_without_reporter(tiny: Study) -> None:
    """Records and priors of the reporter go."""
    changed = tiny.without_reporter("customs")
    assert changed.reporters == ("journalist", "ministry", "survey")
    assert not changed.priors.rows("bias:customs")


def test_with_records(tiny: Study) -> None:
    """The records given take the place of those there were."""
    twice = replace(tiny.records["r_value"], value=21.0)
    assert tiny.with_records([twice]).records == (twice,)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda s: s.with_prior("orre", sd=1.0), "no prior for 'orre'. Did you mean 'ore'?"),
        (lambda s: s.with_prior("ore", medain=1.0), "no 'medain'. Did you mean 'median'?"),
        (lambda s: s.with_prior("ore", sd=-1.0), "sd -1 is not above 0"),
        (lambda s: s.with_prior("ore", sd=float("nan")), "sd is nan, not a finite number"),
        (lambda s: s.with_prior("ore", sd="1"), "sd is '1', not a finite number"),
        (lambda s: s.with_prior("ore", sd=None), "sd is None, not a finite number"),
        (lambda s: s.with_prior("ore", year=2010.0), "not a whole number or None"),
        (lambda s: s.with_prior("ore", unit=1), "unit is 1, not text"),
        (lambda s: s.with_prior("ore", source="me"), "unknown source 'me'"),
        (lambda s: s.with_prior("export_ore", median=1.0), "not between 0 and 1"),
        (lambda s: s.without_source("article7"), "Did you mean 'article'?"),
        (lambda s: s.without_reporter("costums"), "Did you mean 'customs'?"),
        (lambda s: s.without_reporter("survey"), "no reporter is anchored"),
        (lambda s: s.with_records([*s.records, s.records[0]]), "already given in 'r_value'"),
        (lambda s: s.with_records([replace(s.records[0], year=True)]), "not a whole number"),
        (lambda s: s.with_records([replace(s.records[0], quantity="x")]), "unknown quantity 'x'"),
        (lambda s: s.with_records([replace(s.records[0], shared=("x",))]), "'x' has no prior"),
        (lambda s: s.with_records([replace(s.records[0], shared="x")]), "not a tuple of texts"),
        (lambda s: s.with_records([replace(s.records[0], lag=0.5)]), "lag 0.5 is not from 0"),
        (lambda s: s.with_records([replace(s.records[0], lag=None)]), "not a finite number"),
    ],
)
def test_copies_are_checked(tiny: Study, change: Callable[[Study], Study], fragment: str) -> None:
    """A copy that would not be sound is refused, with the same messages as a file."""
    with pytest.raises(StudyError) as caught:
        change(tiny)
    assert fragment in str(caught.value)
    assert all(fault.row is None for fault in caught.value.faults)


# ---- errors ----


def test_error_tree() -> None:
    """Every error of the package can be caught as one, and carries its faults over processes."""
    assert {StudyError, FitError, ResultError} <= set(ReebayesError.__subclasses__())
    error = StudyError([Fault("a.csv", 2, "x", "1", "bad"), Fault("a.csv", None, "", "", "worse")])
    clone = pickle.loads(pickle.dumps(error))
    assert clone.faults == error.faults
    assert str(clone) == "2 problems in a.csv\n  * row 2, x: bad\n  * worse"


def test_rows_with_one_fault_share_a_line() -> None:
    """A name that is wrong in many rows is told once, with the rows."""
    faults = [Fault("a.csv", row, "x", "1", "bad") for row in (2, 3, 5)]
    text = str(StudyError([*faults, Fault("a.csv", 7, "x", "2", "worse")]))
    assert text == "4 problems in a.csv\n  * rows 2, 3, 5, x: bad\n  * row 7, x: worse"
    many = StudyError(Fault("a.csv", row, "", "", "bad") for row in range(2, 102))
    assert "15, 16 and 85 more: bad" in str(many)


# ---- properties ----


@few
@given(st.randoms(use_true_random=False))
def test_hash_ignores_order_of_rows(shuffle: random.Random) -> None:
    """Rows in any order are the same study."""
    texts = {}
    for name in FILES:
        head, *rows = TABLES[name].splitlines()
        shuffle.shuffle(rows)
        texts[name.removesuffix(".csv")] = "\n".join([head, *rows])
    assert hash_with(**texts) == hash_with()


@few
@given(
    st.floats(1e-3, 1e6),
    st.sampled_from(["{:.17g}", "{!r}", "{:.17e}", "+{:.17g}", " {:.17g} ", "0{:.17g}"]),
)
@pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")
def test_hash_ignores_form_of_numbers(value: float, form: str) -> None:
    """A number is the same however it is written, and another number is another study."""
    text = RECORDS.replace("10.5", repr(value))
    assert hash_with(records=RECORDS.replace("10.5", form.format(value))) == hash_with(records=text)
    assert (hash_with(records=text) == hash_with()) == (value == 10.5)


spans = st.lists(st.tuples(st.integers(1000, 9000), st.integers(0, 30)), min_size=1, max_size=6)


@few
@given(spans, st.randoms(use_true_random=False))
def test_periods(starts: list[tuple[int, int]], shuffle: random.Random) -> None:
    """Periods in any order read as the years they name, in order, none touching another."""
    years: set[int] = set()
    parts = []
    for first, length in starts:
        period = set(range(first, first + length + 1))
        if not years & period:
            years |= period
            parts.append(f"{first}-{first + length}" if length else str(first))
    shuffle.shuffle(parts)
    active = _active_of(";".join(parts))
    flow = Flow("f", "a", "b", "", True, active, "")
    assert {year for year in range(min(years) - 2, max(years) + 3) if flow.is_active(year)} == years
    assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(active))


def _active_of(text: str) -> tuple[tuple[int, int], ...]:
    """Read a cell of periods through a study that lasts long enough for all of them."""
    study = TABLES["study.toml"].replace("2010", "1000").replace("2015", "9999")
    flows = TABLES["flows.csv"].replace(
        "other,metal_market,use_other,metal,true,2013",
        f"other,metal_market,use_other,m,true,{text}",
    )
    with folder_with(study=study, flows=flows) as folder:
        return _flows_as_read(folder)["other"].active


def _flows_as_read(folder: Path) -> dict[str, Flow]:
    from reebayes.study.drafts import read_draft

    draft = read_draft(folder)
    assert not draft.faults, draft.faults
    return {entry.item.flow: entry.item for entry in draft.flows}


words = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="*"), min_size=1, max_size=12
).map(lambda text: normalize("NFC", text))
free_text = st.text(st.characters(exclude_categories=["C"]), max_size=30).map(str.strip)


@few
@given(
    values=st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=6),
    note=free_text,
    reporter=words,
    citation=free_text.filter(bool),
)
@pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")
def test_round_trip(values: list[float], note: str, reporter: str, citation: str) -> None:
    """What is written to a file is read again, whatever names, notes and numbers it holds."""
    with folder_with() as folder:
        tiny = read_study(folder)
    first = replace(tiny.records["r_value"], reporter=reporter, note=note)
    years = range(tiny.first_year, tiny.last_year + 1)
    records = [
        replace(first, record=f"n{year}", year=year, year_end=year, value=value)
        for year, value in zip(years, values, strict=False)
    ]
    anchor = replace(tiny.priors["bias:survey"], target=f"bias:{reporter}")
    flows = [prior for prior in tiny.priors if ":" not in prior.target]
    priors = [*flows, anchor, tiny.priors["noise:*"]]
    sources = [replace(source, citation=citation) for source in tiny.sources]
    texts = {"records": _text(records), "sources": _text(sources), "priors": _text(priors)}
    with folder_with(**texts) as folder:
        again = read_study(folder)
    assert (again.records, again.priors) == (tuple(records), tuple(priors))
    assert again.sources == tuple(sources)
    assert again.reporters == (reporter,)


def _text(rows: Sequence[Record] | Sequence[Prior] | Sequence[Source]) -> str:
    """Write rows as their file would have them."""
    out = io.StringIO()
    columns = [field.name for field in fields(rows[0])]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = [getattr(row, name) for name in columns]
        texts = (";".join(cell) if isinstance(cell, tuple) else cell for cell in cells)
        writer.writerow(["" if cell is None else cell for cell in texts])
    return out.getvalue()


@pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")  # it may be implausible
@few
@given(st.dictionaries(st.sampled_from(list(TABLES)), st.binary(max_size=200)))
def test_anything_in_a_file_gives_faults_or_a_study(contents: dict[str, bytes]) -> None:
    """Whatever bytes a file holds, the reader either reads it or says what is wrong."""
    with folder_with() as folder:
        for name, data in contents.items():
            (folder / name).write_bytes(data)
        try:
            read_study(folder)
        except StudyError as error:
            assert error.faults


@pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")  # it may be implausible
@given(st.sampled_from(FILES), st.data())
def test_any_cell_gives_faults_or_a_study(table: str, data: st.DataObject) -> None:
    """Whatever a cell holds, the reader either reads it or names a fault in some table."""
    rows = list(csv.reader(io.StringIO(TABLES[table])))
    row = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, len(rows[0]) - 1))
    rows[row][column] = data.draw(
        st.text(max_size=8)
        | st.sampled_from(["", "0", "-1", "9999", "1e999", "true", "nature", "bias:*", "use"])
        | st.floats().map(str)
    )
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    text = out.getvalue().encode("utf-8", "surrogatepass")
    with folder_with() as folder:
        (folder / table).write_bytes(text)
        try:
            read_study(folder)
        except StudyError as error:
            assert str(error)
