"""Extensions: directories of tables that add rows to a study, or replace them."""

import csv
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import xarray as xr
from frictionless import Package
from hypothesis import given, settings
from hypothesis import strategies as st

import reebayes as rb
from reebayes.cli.main import main
from reebayes.elicitation.rewriting import main as elicit
from reebayes.errors import ResultError, StudyError
from reebayes.inference.coordinates import identity
from reebayes.inference.density import gradients
from reebayes.model.layout import Layout, lay_out
from reebayes.results.description import redescribed, study_of
from reebayes.study import Study, describe_study, is_study_file, read_study
from reebayes.study.hashing import tables_of
from reebayes.study.runfile import read_run_file
from reebayes.study.schema import SCHEMA
from tests.fakes import fake_fit
from tests.tiny import STUDY, TABLES, write_tables
from tests.worlds import fit_of_worlds

pytestmark = pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")
"""Figures of made-up extensions may be told as hardly meant."""

MORE = {
    "records.csv": (
        "record,quantity,year,kind,value,unit,sd,reporter,source\n"
        "r_value,mined_registered,2010,value,10.9,kt REO,0.1,survey,yearbook\n"
        "r_new,made,2014,value,7,kt REO,0.1,survey,diary\n"
    ),
    "sources.csv": "source,citation\ndiary,The diary of a smelter\n",
}
"""One record replaced, one added, with its source."""

STOCKS = {
    "processes.csv": "process,kind,region\nstocks,environment,A\n",
    "flows.csv": (
        "flow,source,target,product,registered,active\n"
        "stocked,metal_market,stocks,metal,true,2010-2015\n"
    ),
    "quantities.csv": "quantity,part,flow,weight\nstocked,num,stocked,1\n",
    "priors.csv": (
        "target,distribution,median,sd,unit,source\nstocked,share,0.05,0.8,share,judgement-split\n"
    ),
}
"""A flow with its end, its prior and a quantity."""


def extension(study: Path, name: str, files: Mapping[str, str], header: str = "") -> Path:
    """Write an extension into a study."""
    folder = study / "extensions" / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text, "utf-8")
    if header:
        (folder / "study.toml").write_text(header, "utf-8")
    return folder


def told(study: Path, *names: str | Path) -> list[str]:
    """Return the faults of a study with extensions: file, row and column, then the message."""
    with pytest.raises(StudyError) as caught:
        read_study(study, extensions=names)
    return [
        f"{fault.table}, {fault.row}, {fault.column}: {fault.message}"
        for fault in caught.value.faults
    ]


def fit_made(study: Study) -> xr.DataTree:
    """Return a small fit of a study."""
    return fit_of_worlds(study, chains=1, draws=2)


def same(one: Study, other: Study) -> None:
    """Check that two studies hold the same rows and hashes."""
    assert one.hash == other.hash
    for title, table in tables_of(one).items():
        assert set(getattr(other, title)) == set(table), title


# --- rows -----------------------------------------------------------------------------------------


def test_rows_are_added_or_replaced(tiny_study: Path) -> None:
    extension(tiny_study, "more", MORE)
    base, grown = read_study(tiny_study), read_study(tiny_study, extensions=["more"])
    assert grown.records["r_value"].value == 10.9
    assert grown.records["r_new"].source == "diary"
    # in place of what they replace, others at the end
    assert grown.records.names == (*base.records.names, "r_new")
    assert set(grown.records[1:-1]) == set(base.records[1:])
    assert grown.hash != base.hash
    assert dict(grown.extensions) == {"more": tiny_study / "extensions" / "more"}
    assert not base.extensions


def test_an_extension_may_lie_anywhere(tiny_study: Path, tmp_path: Path) -> None:
    folder = extension(tiny_study, "more", MORE)
    inside = read_study(tiny_study, extensions="more")
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    for asked in (moved, [str(moved)], [moved, moved]):
        assert read_study(tiny_study, extensions=asked).hash == inside.hash
    # the study comes first, and a Path is a path
    shutil.copytree(moved, tiny_study / "extensions" / "elsewhere")
    assert read_study(tiny_study, extensions=["elsewhere"]).hash == inside.hash


def test_a_quantity_is_given_anew_as_a_whole(tiny_study: Path) -> None:
    extension(tiny_study, "less", {
        "quantities.csv": "quantity,part,flow,weight\nmined,num,concentrate,1\n",
    })  # fmt: skip
    grown = read_study(tiny_study, extensions=["less"])
    assert grown.quantities["mined"].numerator == (("concentrate", 1.0),)
    assert grown.quantities.names == read_study(tiny_study).quantities.names


HEAD = "target,year,year_end,distribution,median,sd,unit,source\n"


def period(first: str, last: str, median: float, target: str = "hidden_ore") -> str:
    """Return a row of priors.csv."""
    unit = "share" if target == "export_ore" else "kt REO/yr"
    form = "share" if target == "export_ore" else "lognormal"
    return f"{target},{first},{last},{form},{median},1,{unit},judgement-scale\n"


@pytest.mark.parametrize(
    ("rows", "medians"),
    [
        ([period("2014", "2015", 5)], [1, 5]),
        ([period("", "", 5)], [5]),
        ([period("2010", "2011", 5), period("2014", "2015", 6)], [5, 6]),
    ],
    ids=["one period", "all years", "every period"],
)
def test_priors_are_replaced_by_period(
    tiny_study: Path, rows: list[str], medians: list[float]
) -> None:
    extension(tiny_study, "other", {"priors.csv": HEAD + "".join(rows)})
    grown = read_study(tiny_study, extensions=["other"])
    assert [row.median for row in grown.priors.rows("hidden_ore")] == medians


def test_periods_take_the_place_of_one_prior_for_all_years(tiny_study: Path) -> None:
    rows = (period("2010", "2012", 0.2, "export_ore"), period("2013", "2015", 0.4, "export_ore"))
    extension(tiny_study, "other", {"priors.csv": HEAD + "".join(rows)})
    grown = read_study(tiny_study, extensions=["other"])
    assert [row.median for row in grown.priors.rows("export_ore")] == [0.2, 0.4]
    assert len(grown.priors) == len(read_study(tiny_study).priors) + 1


def test_periods_that_overlap_are_told_with_both_places(tiny_study: Path) -> None:
    extension(tiny_study, "other", {"priors.csv": HEAD + period("2011", "2014", 5)})
    faults = told(tiny_study, "other")
    assert faults[0] == (
        "extensions/other/priors.csv, 2, year: 'hidden_ore' already has a prior for 2011;2014 in "
        "row 3 of priors.csv"
    )


def test_several_are_added_together_in_any_order(tiny_study: Path) -> None:
    extension(tiny_study, "more", MORE, 'label = "a diary"\n')
    stocks = {**STOCKS, "sources.csv": MORE["sources.csv"]}  # a row that both give alike
    extension(tiny_study, "stocks", stocks, 'label = "stocks"\n')
    one = read_study(tiny_study, extensions=["more", "stocks"])
    other = read_study(tiny_study, extensions=["stocks", "more"])
    assert one.hash == other.hash
    assert one.description_hash == other.description_hash
    assert one.name == other.name == "Tiny, with a diary and stocks"
    # the order of flows and records, too, on which random numbers depend
    assert [tuple(table) for table in tables_of(one).values()] == [
        tuple(table) for table in tables_of(other).values()
    ]
    assert {"stocked", "metal"} <= {*one.flows.names}
    assert "r_new" in one.records
    assert list(one.extensions) == ["more", "stocks"]


def test_one_may_lean_on_another(tiny_study: Path) -> None:
    extension(tiny_study, "stocks", STOCKS)
    extension(tiny_study, "figures", {"records.csv": (
        "record,quantity,year,kind,value,unit,sd,reporter,source\n"
        "r_stock,stocked,2014,value,0.3,kt REO,0.1,survey,yearbook\n"
    )})  # fmt: skip
    assert "r_stock" in read_study(tiny_study, extensions=["figures", "stocks"]).records
    (fault,) = told(tiny_study, "figures")
    assert fault.startswith("extensions/figures/records.csv, 2, quantity: unknown quantity")


def test_unverified_records_stay_out_unless_asked_for(tiny_study: Path) -> None:
    text = "record,quantity,year,kind,value,unit,sd,reporter,source,status\n"
    text += "r_gossip,made,2014,value,7,kt REO,0.1,uncle,article,recalled\n"
    priors = HEAD + "bias:uncle,,,normal,0,0.3,log scale,judgement-reporters\n"
    extension(tiny_study, "gossip", {"records.csv": text, "priors.csv": priors})
    without = read_study(tiny_study, extensions=["gossip"])
    assert "r_gossip" not in without.records
    assert "bias:uncle" not in without.priors
    assert "r_gossip" in read_study(tiny_study, extensions=["gossip"], recalled=True).records


# --- header ---------------------------------------------------------------------------------------

REPORT = """
[report]
headline = ["mined"]
sankey_year = 2012
labels = { mined = "Ore", made = "Metal" }
panels = [{ title = "Ore", quantities = ["mined"] }]
"""

ADDED = """
label = "magnets"
why = "Somebody asked."

[report]
headline = ["mined", "made"]
sankey_year = 2014
labels = { made = "Metal made", exported = "Exports" }
panels = [{ title = "Metal", quantities = ["made"] }]

[variants.calm]
label = "no journalist"
why = "Hearsay."
without_reporters = ["journalist"]
"""


def test_a_header_adds_to_that_of_the_study(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tiny", study=STUDY + REPORT)
    extension(folder, "magnets", {}, ADDED)
    base, grown = read_study(folder), read_study(folder, extensions=["magnets"])
    assert grown.name == "Tiny, with magnets"
    assert grown.report.plain == {
        "headline": ["mined", "made"],
        "sankey_year": 2014,
        "labels": {"mined": "Ore", "made": "Metal made", "exported": "Exports"},
        "panels": [
            {"title": "Ore", "quantities": ["mined"]},
            {"title": "Metal", "quantities": ["made"]},
        ],
    }
    assert grown.hash == base.hash
    assert grown.description_hash != base.description_hash
    assert "journalist" not in grown.variant("calm").reporters


def test_faults_of_a_header_are_told_of_the_extension(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tiny", study=STUDY + REPORT)
    extension(folder, "magnets", {}, """
unit = "kt Nd/yr"
[report]
labels = { maid = "Metal made" }
panels = [{ title = "Metal", quantities = ["mad"] }]
[variants.calm]
label = "no journalist"
why = "Hearsay."
without_reporters = ["jurnalist"]
""")  # fmt: skip
    at = "extensions/magnets/study.toml, None, "
    assert told(folder, "magnets") == [
        f"{at}unit: unknown key 'unit'. Valid: label, why, joins, report, variants, scenarios.",
        f"{at}report.labels: unknown quantity 'maid'. Did you mean 'made'?",
        f"{at}report.panels: unknown quantity 'mad'. Did you mean 'made'?",
        f"{at}variants.calm.without_reporters: unknown reporter 'jurnalist'. "
        "Did you mean 'journalist'?",
    ]


def test_headers_that_contradict_one_another(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tiny", study=STUDY + REPORT)
    extension(folder, "a", {}, "[report]\nsankey_year = 2013\nlabels = { made = 'One' }\n")
    extension(folder, "b", {}, "[report]\nsankey_year = 2014\nlabels = { made = 'One' }\n")
    (fault,) = told(folder, "b", "a")
    assert fault.startswith("extensions/b/study.toml, None, report.sankey_year: is given otherwise "
                            "in extensions/a/study.toml")  # fmt: skip


# --- faults ---------------------------------------------------------------------------------------


def test_an_unknown_extension_names_the_nearest_and_all(tiny_study: Path) -> None:
    extension(tiny_study, "elements", MORE)
    extension(tiny_study, "partners", STOCKS)
    (fault,) = told(tiny_study, "element")
    assert fault.startswith("extensions, None, : unknown extension 'element'. Did you mean "
                            "'elements'? There are elements and partners.")  # fmt: skip
    bare = write_tables(tiny_study.parent / "bare")
    assert "The study has none." in told(bare, "elements")[0]
    assert "There are elements and partners." in told(tiny_study, "")[0]


def test_all_faults_are_told_at_once_with_their_files(tiny_study: Path) -> None:
    records = MORE["records.csv"].replace("made,2014", "maid,2014")
    extension(tiny_study, "more", {"records.csv": records, "sources.csv": MORE["sources.csv"]})
    path = tiny_study / "records.csv"
    path.write_text(path.read_text("utf-8").replace("r_range,mined_hidden", "r_range,mined_hid"))
    assert told(tiny_study, "more", "none") == [
        "records.csv, 9, quantity: unknown quantity 'mined_hid'. Did you mean 'mined_hidden'?",
        "extensions, None, : unknown extension 'none'. There is more. Or give the path of a "
        "directory; 'none' is none.",
        "extensions/more/records.csv, 3, quantity: unknown quantity 'maid'. Did you mean 'made'?",
    ]


BAD = {
    "unknown column": (
        {"sources.csv": "source,citation,colour\nx,A diary,red\n"},
        "sources.csv, 1, colour: column 'colour' is unknown. Valid: source, citation",
    ),
    "misspelt column": (
        {"sources.csv": "source,citation,licenc\nx,A diary,red\n"},
        "sources.csv, 1, licence: column 'licenc' is unknown; write 'licence'",
    ),
    "record twice": (
        {"records.csv": MORE["records.csv"].replace("diary", "article")
         + "r_new,made,2015,value,7,kt REO,0.1,survey,article\n"},
        "records.csv, 4, record: record 'r_new' is already given in row 3 of "
        "extensions/bad/records.csv",
    ),
    "term twice": (
        {"quantities.csv": "quantity,part,flow,weight\nx,num,ore,1\nx,num,ore,1\n"},
        "quantities.csv, 3, flow: flow 'ore' is already a term of 'x' in row 2 of "
        "extensions/bad/quantities.csv",
    ),
    "prior twice": (
        {"priors.csv": HEAD + period("", "", 5, "ore") * 2},
        "priors.csv, 3, year: 'ore' already has a prior for 2010-2015 in row 2 of "
        "extensions/bad/priors.csv",
    ),
    "process twice": (
        {"processes.csv": "process,kind,region\nplant,conversion,A\nplant,conversion,A\n"},
        "processes.csv, 3, process: process 'plant' is already given in row 2 of "
        "extensions/bad/processes.csv",
    ),
    "indicator twice": (
        {"indicators.csv": "indicator,kind,members,unit\n" + "x,share,exported;made,ratio\n" * 2},
        "indicators.csv, 3, indicator: indicator 'x' is already given in row 2 of "
        "extensions/bad/indicators.csv",
    ),
    "label of nothing": (
        {"catalogue.csv": "quantity,label\nmade,Metal\nmaid,Metal\n"},
        "catalogue.csv, 3, quantity: unknown quantity 'maid'",
    ),
    "number": (
        {"records.csv": MORE["records.csv"].replace(",7,", ",seven,")},
        "records.csv, 3, value: 'seven' is not a number",
    ),
    "short row": (
        {"sources.csv": "source,citation,url\ny,\nx,A diary,\n"},
        "sources.csv, 2, : row has 2 cells, the header 3",
    ),
    "header alone": (
        {"sources.csv": "source,citation\n"}, "sources.csv, None, : file has a header",
    ),
    "misnamed table": (
        {"record.csv": MORE["records.csv"]},
        "record.csv, None, : no table has this name; write 'records.csv'",
    ),
    "toml": ({"study.toml": "label = \n"}, "study.toml, None, : file cannot be read as TOML"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_faults_carry_file_and_row_of_the_extension(tiny_study: Path, kind: str) -> None:
    files, expected = BAD[kind]
    extension(tiny_study, "bad", files)
    faults = told(tiny_study, "bad")
    assert f"extensions/bad/{expected}" in "\n".join(faults)
    assert not [fault for fault in faults if not fault.startswith("extensions")]


def test_a_directory_without_a_table_is_none(tiny_study: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (fault,) = told(tiny_study, tmp_path / "results")
    assert "holds no table of a study" in fault


def test_two_of_one_name_are_refused(tiny_study: Path, tmp_path: Path) -> None:
    folder = extension(tiny_study, "more", MORE)
    other = shutil.copytree(folder, tmp_path / "there" / "more")
    (fault,) = told(tiny_study, "more", other)
    assert "extensions/more has the name 'more', too; rename one of them" in fault


@pytest.mark.parametrize("file", ["records.csv", "sources.csv", "quantities.csv", "priors.csv"])
def test_two_that_replace_a_row_in_different_ways(tiny_study: Path, file: str) -> None:
    rows = {
        "records.csv": MORE["records.csv"].replace("diary", "article"),
        "sources.csv": "source,citation\nyearbook,Yearbook 7\n",
        "quantities.csv": "quantity,part,flow,weight\nmined,num,concentrate,7\n",
        "priors.csv": HEAD + period("2014", "2015", 7),
    }[file]
    extension(tiny_study, "a", {file: rows})
    extension(tiny_study, "b", {file: rows})
    assert read_study(tiny_study, extensions=["a", "b"]).hash  # alike: counted once
    (tiny_study / "extensions" / "b" / file).write_text(rows.replace("7", "8"), "utf-8")
    (fault,) = told(tiny_study, "b", "a")
    row = 3 if file == "records.csv" else 2
    column = SCHEMA[file].key[0]
    assert fault.startswith(f"extensions/b/{file}, {row}, {column}: ")
    assert f"is given otherwise in row {row} of extensions/a/{file}" in fault


def test_a_row_of_the_study_is_named_with_its_table(tiny_study: Path) -> None:
    """A second figure of one series and year, far from the first."""
    extension(tiny_study, "more", {"records.csv": (
        "record,quantity,year,kind,value,unit,sd,reporter,source\n"
        "r_again,mined_registered,2010,value,10.5,kt REO,0.1,survey,yearbook\n"
    )})  # fmt: skip
    (fault,) = told(tiny_study, "more")
    assert "as row 2 of records.csv" in fault


# --- the whole ------------------------------------------------------------------------------------


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def written(rows: Iterable[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def split(folder: Path, taken: Mapping[str, set[str]]) -> Path:
    """Write the tiny study with the rows whose first cell is taken in an extension ``rest``."""
    texts, rest = dict(TABLES), {}
    for file, names in taken.items():
        head, *rows = rows_of(TABLES[file])
        kept = [row for row in rows if row[0] not in names]
        gone = [row for row in rows if row[0] in names]
        if kept and gone:
            texts[file], rest[file] = written([head, *kept]), written([head, *gone])
    write_tables(folder, **{file.partition(".")[0]: text for file, text in texts.items()})
    extension(folder, "rest", rest, 'why = "Rows of their own."\n')
    return folder


def density(layout: Layout, values: Mapping[str, float]) -> float:
    """Log density where each unknown has the value of its name."""
    at = np.array([values[name] for name in layout.latents])
    return gradients(layout)(identity(layout))(at)[0]


NAMES = {file: sorted({row[0] for row in rows_of(TABLES[file])[1:]}) for file in (
    "flows.csv", "quantities.csv", "records.csv", "priors.csv", "sources.csv", "processes.csv",
)}  # fmt: skip


@settings(max_examples=15)
@given(
    taken=st.fixed_dictionaries({file: st.sets(st.sampled_from(names), max_size=6)
                                 for file, names in NAMES.items()}),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_study_in_two_parts_is_the_study(taken: dict[str, set[str]], seed: int) -> None:
    with TemporaryDirectory() as place:
        whole = read_study(write_tables(Path(place) / "whole"))
        parts = read_study(split(Path(place) / "parts", taken), extensions=["rest"])
    same(whole, parts)
    layouts = lay_out(whole), lay_out(parts)
    numbers = np.random.default_rng(seed).standard_normal(len(layouts[0].latents))
    values = dict(zip(layouts[0].latents, numbers.tolist(), strict=True))
    assert sorted(layouts[1].latents) == sorted(values)
    one, other = (density(layout, values) for layout in layouts)
    assert np.isfinite(one)
    assert other == pytest.approx(one, rel=1e-12)


def test_an_extension_that_adds_nothing_changes_nothing(tiny_study: Path) -> None:
    extension(tiny_study, "nothing", {}, 'why = "To see."\n')
    base, grown = read_study(tiny_study), read_study(tiny_study, extensions=["nothing"])
    assert (grown.hash, grown.description_hash) == (base.hash, base.description_hash)
    assert [tuple(table) for table in tables_of(base).values()] == [
        tuple(table) for table in tables_of(grown).values()
    ]
    layouts = lay_out(base), lay_out(grown)
    assert layouts[0].latents == layouts[1].latents
    values = dict.fromkeys(layouts[0].latents, 0.3)
    assert density(layouts[0], values) == density(layouts[1], values)


# --- a fit, a copy --------------------------------------------------------------------------------


@pytest.fixture
def grown(tiny_study: Path) -> Study:
    extension(tiny_study, "more", MORE)
    extension(tiny_study, "stocks", STOCKS)
    return read_study(tiny_study, extensions=["more", "stocks"])


def test_a_fit_carries_the_extended_study(grown: Study, tmp_path: Path) -> None:
    fit = fit_made(grown)
    assert json.loads(fit.attrs["extensions"]) == ["more", "stocks"]
    assert fit.attrs["study_hash"] == grown.hash
    back = study_of(fit)
    same(grown, back)
    assert list(back.extensions) == ["more", "stocks"]
    assert back.records["r_value"].value == 10.9
    assert redescribed(fit, grown).attrs["extensions"] == fit.attrs["extensions"]


def test_a_fit_says_with_what_it_was_made(grown: Study) -> None:
    base = read_study(grown.path)
    with pytest.raises(ResultError, match="It was fitted with more and stocks; add them"):
        redescribed(fit_made(grown), base)


def test_a_page_says_with_what_a_fit_was_made(tmp_path: Path) -> None:
    fit = fake_fit()
    plain = rb.write_report(fit, tmp_path / "plain.html").read_text("utf-8")
    fit.attrs["extensions"] = '["more", "stocks"]'
    page = rb.write_report(fit, tmp_path / "page.html").read_text("utf-8")
    assert "Extensions of the study" not in plain
    assert "Extensions of the study" in page
    assert "more, stocks" in page


def test_an_extended_study_is_saved_whole(grown: Study, tmp_path: Path) -> None:
    found = read_study(grown.save(tmp_path / "saved"))
    same(grown, found)
    assert found.description_hash == grown.description_hash
    assert not (tmp_path / "saved" / "extensions").exists()


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("records.csv", True),
        ("study.toml", True),
        ("extensions/more/records.csv", True),
        ("extensions/more/notes.txt", False),
        ("extensions/../records.csv", False),
        ("extensions//records.csv", False),
        ("../more/records.csv", False),
        ("extensions/more/../records.csv", False),
        ("extensions/C:/records.csv", False),
        ("extensions/a\\b/records.csv", False),
        ("/records.csv", False),
        ("notes.txt", False),
    ],
)
def test_a_file_of_a_fit_is_written_only_where_a_study_has_one(name: str, belongs: bool) -> None:
    assert is_study_file(name) == belongs


def test_bundled_extensions_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel holds the whole of data/, so extensions lie where the study does."""
    folder = write_tables(tmp_path / "reebayes" / "_data")
    extension(folder, "more", MORE)
    monkeypatch.setattr("reebayes.study.examples.PACKAGE", tmp_path / "reebayes")
    assert "r_new" in rb.read_study(extensions=["more"]).records


def test_a_description_holds_the_tables_of_extensions(grown: Study) -> None:
    described = describe_study(grown)
    found = {resource["name"]: resource for resource in described["resources"]}
    assert found["more-records"]["path"] == "extensions/more/records.csv"
    assert {"stocks-flows", "stocks-priors", "more-sources", "records"} <= found.keys()
    assert "foreignKeys" not in found["more-records"]["schema"]
    assert "The diary of a smelter" in [source["title"] for source in described["sources"]]
    base = {resource["name"] for resource in describe_study(read_study(grown.path))["resources"]}
    assert found.keys() - base == {name for name in found if name.startswith(("more-", "stocks-"))}


def test_a_description_with_extensions_is_valid(grown: Study) -> None:
    path = grown.path / "datapackage.json"
    path.write_text(json.dumps(describe_study(grown)), "utf-8")
    report = Package(path).validate()
    assert report.valid, report.flatten(["type", "message"])[:5]
    (grown.path / "extensions" / "more" / "records.csv").write_text(
        MORE["records.csv"].replace(",7,", ",seven,"), "utf-8"
    )
    assert not Package(path).validate().valid


def test_an_extension_beside_the_study_is_not_described(tiny_study: Path, tmp_path: Path) -> None:
    folder = extension(tiny_study, "more", MORE)
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    study = read_study(tiny_study, extensions=[moved])
    with pytest.raises(StudyError, match="paths in a description lead downwards"):
        describe_study(study)
    assert describe_study(study, tmp_path)["resources"][-1]["path"] == "elsewhere/sources.csv"


# --- commands -------------------------------------------------------------------------------------


def test_commands_take_any_number_of_extensions(
    tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extension(tiny_study, "more", MORE)
    extension(tiny_study, "stocks", STOCKS)
    assert main(["check", str(tiny_study), "--with", "more", "--with", "stocks"]) == 0
    said = capsys.readouterr().out
    assert "12 flows, 9 quantities, 13 records" in said
    assert "With more and stocks." in said
    assert main(["check", str(tiny_study), "--with", "mor"]) == 2
    assert "Did you mean 'more'?" in capsys.readouterr().err
    out = tiny_study / "described.json"
    command = ["describe", str(tiny_study), "--with", "more", "--out", str(out)]
    assert main(command) == 0
    assert "extensions/more/records.csv" in out.read_text("utf-8")
    table = tiny_study / "extensions" / "more" / "records.csv"
    assert main([*command[:-1], str(table)]) == 2  # what is read is not written over
    assert table.read_text("utf-8") == MORE["records.csv"]


@pytest.mark.parametrize("command", ["fit", "run", "compare", "calibrate", "harmonise", "report",
                                     "learnt", "scenario", "figures", "indicators", "origins",
                                     "check", "describe"])  # fmt: skip
def test_every_command_that_reads_a_study_takes_them(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--with NAME" in capsys.readouterr().out


def test_a_run_file_names_extensions(tiny_study: Path, tmp_path: Path) -> None:
    extension(tiny_study, "more", MORE)
    extension(tiny_study, "stocks", STOCKS)
    path = tmp_path / "run.toml"
    path.write_text(
        f'base = "{tiny_study.name}"\nwith = ["more"]\n[cases.stocked]\nextensions = ["stocks"]\n'
    )
    studies = read_run_file(path).studies
    assert "r_new" in studies["base"].records
    assert {"stocked", "ore"} <= {*studies["stocked"].flows.names}
    assert "r_new" in studies["stocked"].records
    path.write_text(path.read_text().replace('["stocks"]', '["stock"]').replace("more", "mor"))
    with pytest.raises(StudyError, match="unknown extension 'mor'"):
        read_run_file(path)
    path.write_text(path.read_text().replace('"mor"', '"tiny/extensions/more"'))
    with pytest.raises(StudyError) as caught:
        read_run_file(path)
    (fault,) = caught.value.faults
    assert (fault.table, fault.column) == ("run.toml", "cases.stocked.extensions")
    assert "Did you mean 'stocks'?" in fault.message


# --- variants -------------------------------------------------------------------------------------

VARIANTS = """
[variants.diary]
label = "with a diary"
why = "Somebody kept one."
extensions = ["more"]

[variants.sceptic]
label = "with a diary that errs"
why = "Somebody kept one."
extensions = ["more"]
without_reporters = ["journalist"]
priors = [{ target = "ore", sd = 0.9 }]

[variants.stocked]
label = "with stocks"
why = "They are built."
extensions = ["stocks"]
priors = [{ target = "stocked", median = 0.1 }]

[variants.both]
label = "all"
why = "Together."
combines = ["diary", "stocked"]
"""


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    """Return the directory of the tiny study with variants that add extensions."""
    folder = write_tables(tmp_path / "tiny", study=STUDY + VARIANTS)
    extension(folder, "more", MORE, 'label = "a diary"\n')
    extension(folder, "stocks", STOCKS)
    return folder


def test_a_variant_adds_the_rows_of_an_extension(varied: Path) -> None:
    study = read_study(varied)
    loaded = read_study(varied, extensions=["more"])
    made = study.variant("diary")
    assert made.hash == loaded.hash
    assert made.name == "Tiny: with a diary"
    assert list(made.extensions) == ["more"]
    assert study.hash == read_study(write_tables(varied.parent / "plain")).hash
    sceptic = study.variant("sceptic")
    assert "journalist" not in sceptic.reporters
    assert sceptic.priors["ore"].sd == 0.9
    stocked = study.variant("stocked")
    assert stocked.priors["stocked"].median == 0.1
    assert stocked.quantities["stocked"].numerator == (("stocked", 1.0),)
    both = study.variant("both")
    assert "r_new" in both.records
    assert "stocked" in both.flows


def test_variants_of_an_extended_study_travel(varied: Path, tmp_path: Path) -> None:
    study = read_study(varied)
    copies = (read_study(study.save(tmp_path / "saved")), study_of(fit_made(study)))
    for copy in copies:
        assert copy.description_hash == study.description_hash
        for name in study.variants:
            assert copy.variant(name).hash == study.variant(name).hash
    changed = study.with_prior("ore", sd=0.7).variant("diary")
    assert changed.priors["ore"].sd == 0.7
    assert "r_new" in changed.records


def test_what_a_variant_adds_is_described(varied: Path) -> None:
    before = read_study(varied)
    path = varied / "extensions" / "more" / "records.csv"
    path.write_text(path.read_text("utf-8").replace("10.9", "10.8"), "utf-8")
    after = read_study(varied)
    assert after.hash == before.hash
    assert after.description_hash != before.description_hash


def test_faults_of_what_a_variant_adds(varied: Path) -> None:
    path = varied / "extensions" / "more" / "records.csv"
    path.write_text(path.read_text("utf-8").replace("made,2014", "maid,2014"), "utf-8")
    header = varied / "study.toml"
    faults = told(varied)
    assert faults[0] == (
        "study.toml, None, variants.diary: makes a study that is not sound: "
        "extensions/more/records.csv, row 3, quantity: unknown quantity 'maid'. "
        "Did you mean 'made'?"
    )
    assert len(faults) == 3  # in every variant that adds it
    path.write_text(path.read_text("utf-8").replace("maid,2014", "made,zero"), "utf-8")
    assert told(varied)[0].startswith("extensions/more/records.csv, 3, year: 'zero' is not a year")
    path.write_text(MORE["records.csv"], "utf-8")
    header.write_text(header.read_text("utf-8").replace('["stocks"]', '["stock"]'), "utf-8")
    assert told(varied)[0] == (
        "study.toml, None, variants.stocked.extensions: unknown extension 'stock'. Did you mean "
        "'stocks'? There are more and stocks."
    )


def test_extensions_of_one_variant_that_contradict_one_another(varied: Path) -> None:
    extension(varied, "rival", {"sources.csv": "source,citation\ndiary,Another diary\n"})
    header = varied / "study.toml"
    text = header.read_text("utf-8").replace('["stocks"]\n', '["stocks", "rival"]\n')
    header.write_text(text, "utf-8")
    (fault,) = told(varied)
    assert fault.startswith("study.toml, None, variants.both.extensions: "
                            "extensions/rival/sources.csv, row 2, source: 'diary' is given "
                            "otherwise in row 2 of extensions/more/sources.csv")  # fmt: skip


def test_a_variant_leaves_unverified_records_out_unless_asked_for(varied: Path) -> None:
    text = "record,quantity,year,kind,value,unit,sd,reporter,source,status\n"
    text += "r_gossip,made,2014,value,7,kt REO,0.1,uncle,article,recalled\n"
    priors = HEAD + "bias:uncle,,,normal,0,0.3,log scale,judgement-reporters\n"
    extension(varied, "gossip", {"records.csv": text, "priors.csv": priors})
    header = varied / "study.toml"
    header.write_text(header.read_text("utf-8").replace('["stocks"]', '["stocks", "gossip"]'))
    made = read_study(varied).variant("stocked")
    assert "r_gossip" not in made.records
    assert "bias:uncle" not in made.priors
    assert "stocked" in made.flows
    assert study_of(fit_made(read_study(varied))).variant("stocked").hash == made.hash
    asked = read_study(varied, recalled=True).variant("stocked")
    assert "r_gossip" in asked.records
    assert "bias:uncle" in asked.priors


# --- elicitation ----------------------------------------------------------------------------------


def test_priors_of_an_extension_are_made_of_its_statements(
    tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = extension(tiny_study, "stocks", STOCKS)
    assert elicit([str(folder), "--missing"]) == 0
    text = capsys.readouterr().out
    assert [row[0] for row in rows_of(text)] == ["target", "stocked"]
    (folder / "elicitation.csv").write_text(text, "utf-8")
    assert elicit([str(folder)]) == 0
    row = "stocked,,,share,0.02,0.05,0.12,,share,authors,judgement-split,\n"
    (folder / "elicitation.csv").write_text(text.splitlines()[0] + "\n" + row, "utf-8")
    assert elicit([str(folder)]) == 1
    assert elicit([str(folder), "--write"]) == 0
    capsys.readouterr()
    assert elicit([str(folder)]) == 0
    assert read_study(tiny_study, extensions=["stocks"]).priors["stocked"].median == 0.05
    bad = row.replace("judgement-split", "judgement-spit")
    (folder / "elicitation.csv").write_text(text.splitlines()[0] + "\n" + bad, "utf-8")
    before = (folder / "priors.csv").read_bytes()
    assert elicit([str(folder), "--write"]) == 2
    assert f"{folder.as_posix()}/priors.csv" in capsys.readouterr().err
    assert (folder / "priors.csv").read_bytes() == before


def test_an_extension_elsewhere_says_of_which_study_it_is(
    tiny_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.move(extension(tiny_study, "stocks", STOCKS), tmp_path / "elsewhere"))
    assert elicit([str(folder), "--missing"]) == 2
    capsys.readouterr()
    assert elicit([str(folder), "--missing", "--study", str(tiny_study)]) == 0
    assert "stocked" in capsys.readouterr().out
