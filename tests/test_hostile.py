"""Hostile and odd input: labels that would run, files of other sorts, options of other types."""

import codecs
import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from reebayes.cli.main import main
from reebayes.customs import harmonise
from reebayes.errors import ResultError, StudyError
from reebayes.inference.coordinates import identity
from reebayes.inference.density import gradients
from reebayes.model.layout import lay_out
from reebayes.reporting.page import write_report
from reebayes.reporting.spreadsheets import write_csv, write_table, write_xlsx
from reebayes.reporting.tables import export_tables
from reebayes.results.fitfile import save_fit
from reebayes.study import read_study
from reebayes.study.reading import csvfiles
from tests.fakes import REPORT, fake_fit, save_fake
from tests.pictures import pictures_in
from tests.tiny import RECORDS, STUDY, TABLES, shared_tables, write_tables

ROOT = Path(__file__).parents[1]
CUSTOMS = ROOT / "tests" / "customs"
FILES = [name for name in TABLES if name.endswith(".csv")]

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE flows; --",
    "</title></svg><script>alert(1)</script>",
    "{{ 7 * 7 }}{% for x in y %}",
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    '＝HYPERLINK("http://x")',
    r"$\frac{1}{$ and $x^",
    r"costs $5 to $10 \$",
    "_hidden from legends",
    "&amp; ]]> <!-- -->",
    "e\u0301 \u4e2d\u6587 \U0001f4a3 \u200f",
)


def hostile_fit() -> xr.DataTree:
    """Return a fit whose free texts are all hostile: labels, sources, notes, units of records."""
    fit = fake_fit()
    tables = fit["constant_data"].to_dataset()
    for number, name in enumerate(sorted(map(str, tables.data_vars))):
        if name.endswith(("_label", "_note", "_citation", "_url", "_licence")):
            size = tables[name].size
            texts = [EVIL[(number + n) % len(EVIL)] for n in range(size)]
            tables[name] = (tables[name].dims, np.array(texts, dtype=object))
    old = [str(source) for source in tables["source"].values]
    evil = dict(zip(old, EVIL[: len(old) - 2] + EVIL[-6:-4], strict=False))
    evil |= {old[-1]: EVIL[10], old[-2]: EVIL[12]}
    tables = tables.assign_coords(source=[evil[source] for source in old])
    sources = [evil[str(source)] for source in tables["record_source"].values]
    tables["record_source"] = (("record",), np.array(sources, dtype=object))
    reporters = [str(name) for name in fit["posterior"]["reporter"].values]
    renamed = dict(zip(reporters, EVIL, strict=False))
    told = [renamed[str(name)] for name in tables["record_reporter"].values]
    tables["record_reporter"] = (("record",), np.array(told, dtype=object))
    fit["constant_data"] = tables
    for group in ("posterior", "prior"):
        draws = fit[group].to_dataset()
        fit[group] = draws.assign_coords(reporter=[renamed[name] for name in reporters])
    labels = dict(zip(("mined_A_hidden", "smuggled"), (EVIL[10], EVIL[0]), strict=True))
    labels |= {"mined_world": EVIL[3], "consumed_A": EVIL[12]}
    report = {**REPORT, "labels": labels, "limits": list(EVIL)}
    report["panels"] = [{"title": EVIL[1], "quantities": ["mined_world", "consumed_A"]}]
    fit.attrs |= {"study_name": EVIL[0], "report": json.dumps(report), "verdict": EVIL[4]}
    return fit


@pytest.mark.parametrize(
    "report",
    [{"headline": 3}, {"labels": ["x"]}, {"exceeds": {"smuggled": ["x"]}}, {"panels": [{}]},
     {"sankey_year": "2013"}, {"limits": [1]}, {"beside": []}, {"table_years": [2013.5]}],
)  # fmt: skip
def test_a_report_table_of_another_form_is_told(tmp_path: Path, report: dict[str, Any]) -> None:
    with pytest.raises(ResultError, match=rf"study\.toml, report\.{next(iter(report))}: "):
        write_report(fake_fit(report=report), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, str(value)) for name, value in attrs]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    return write_report(hostile_fit(), path).read_text("utf-8")


def test_hostile_labels_are_inert_in_the_report(page: str) -> None:
    found = _Tags(page)
    assert not {"iframe", "object", "embed", "form"} & found.tags
    assert page.count("<script") == 2  # the page's own, and what it reads
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    schemes = {value.split(":")[0] for name, value in found.attributes if name in ("href", "src")}
    assert {scheme for scheme in schemes if not scheme.startswith("#")} <= {"http", "https", "data"}
    assert "{{ 7 * 7 }}" in page  # a template's marks are text
    assert page.count("&lt;script&gt;alert(1)") >= 3


def test_hostile_labels_are_text_in_the_figures(page: str) -> None:
    """Figures are well formed, and a dollar sign is a dollar sign."""
    pictures = pictures_in(page)
    assert len(pictures) == 5
    texts = []
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert not [e for e in root.iter() if e.tag.endswith(("script", "foreignObject"))]
        texts += ["".join(element.itertext()) for element in root.iter() if "text" in element.tag]
    assert EVIL[10] in texts
    assert any(EVIL[12] in text for text in texts)


def test_hostile_labels_are_inert_in_tables(tmp_path: Path) -> None:
    tables = export_tables(hostile_fit())
    for path in write_csv(tables, tmp_path / "csv"):
        with path.open(encoding="utf-8", newline="") as handle:
            for row in csv.reader(handle):
                for cell in row:
                    number = re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?", cell)
                    assert number or cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "＝"), cell
    book = load_workbook(write_xlsx(tables, tmp_path / "tables.xlsx"))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    texts = {str(cell.value) for cell in cells}
    assert set(EVIL[5:9]) <= texts  # as written, and marked as text
    assert all(cell.quotePrefix for cell in cells if str(cell.value) in EVIL[5:10])


def test_a_cell_beyond_what_a_workbook_holds_says_that_it_is_cut(tmp_path: Path) -> None:
    import pandas as pd

    table = pd.DataFrame({"text": ["x" * 40_000]})
    book = load_workbook(write_xlsx({"long": table}, tmp_path / "long.xlsx"))
    value = book["long"]["A2"].value
    assert len(value) == 32_767
    assert value.endswith("x [cut]")


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(["=1", "+1", "-1", "@x"])
def test_any_text_in_a_table_is_inert_and_comes_back(tmp_path: Path, texts: list[str]) -> None:
    import pandas as pd

    path = tmp_path / "table.csv"
    write_table(pd.DataFrame({"text": texts, "number": 1.0}), path)
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for text, row in zip(texts, rows, strict=True):
        given = text.encode("utf-8", "backslashreplace").decode()
        assert row["text"] in (given, f"'{given}")
        assert not row["text"].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_what_harmonise_writes_is_inert(tmp_path: Path) -> None:
    rows = [
        "year,reporter,partner,flow,code,weight_kg,value_usd,source",
        "2019,=cmd|' /C calc'!A0,China,export,280530,1000,,USGS_MYB2022",
        "2019,China,+cmd,export,280530,@1000,,USGS_MYB2022",
    ]
    mine = tmp_path / "=mine.csv"
    mine.write_text("\n".join([*rows, ""]), "utf-8")
    out = tmp_path / "out.csv"
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert main(["harmonise", "=mine.csv", "--out", str(out)]) == 0
    finally:
        os.chdir(here)
    text = (tmp_path / "out_rejected.csv").read_text("utf-8")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert any("=mine.csv" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_a_terminal_obeys_no_label(tiny_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences from a file never reach the terminal as such."""
    path = tiny_study / "study.toml"
    path.write_text(STUDY.replace('"Tiny"', '"Ti\\u001b[31mny"'), "utf-8")
    assert main(["check", str(tiny_study)]) == 2
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "invisible characters" in captured.err
    assert main(["check", str(tiny_study / "\x1b[2Jnowhere")]) == 2
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("coding", ["ascii", "latin-1", "cp1252"])
def test_a_narrow_terminal_spells_out_what_it_lacks(tmp_path: Path, coding: str) -> None:
    folder = write_tables(tmp_path / "tiny", study=STUDY.replace('"Tiny"', '"\u4e2d\u6587"'))
    environment = {**os.environ, "PYTHONIOENCODING": coding}
    done = subprocess.run([sys.executable, "-m", "reebayes", "check", str(folder)], cwd=ROOT,
                          env=environment, check=False, capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert rb"\u4e2d\u6587 (2010-2015)" in done.stdout


# --- files of other sorts -------------------------------------------------------------------------


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    assert caught.value.faults
    return [f"{fault.table}: {fault}" for fault in caught.value.faults]


ODD: dict[str, Callable[[bytes], bytes]] = {
    "utf-16 le": lambda data: codecs.BOM_UTF16_LE + data.decode().encode("utf-16-le"),
    "utf-16 be": lambda data: codecs.BOM_UTF16_BE + data.decode().encode("utf-16-be"),
    "utf-32": lambda data: data.decode().encode("utf-32"),
    "gb18030": lambda data: data + "稀土".encode("gb18030"),
    "shift-jis": lambda data: data + "レアアース".encode("shift-jis"),
    "half a character": lambda data: data + "稀".encode()[:2],
    "nul": lambda data: data.replace(b",", b"\0", 1),
    "semicolons": lambda data: data.replace(b",", b";"),
    "tabs": lambda data: data.replace(b",", b"\t"),
    "bars": lambda data: data.replace(b",", b"|"),
    "html": lambda data: b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "json": lambda data: b'{"records": []}',
    "pdf": lambda data: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "git-lfs pointer": lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "merge conflict": lambda data: b"<<<<<<< HEAD\n" + data + b"=======\n>>>>>>> other\n",
    "huge cell": lambda data: data + b'"' + b"x" * 200_000 + b'"\n',
    "open quote": lambda data: data.replace(b",", b',"', 1),
    "old mac line ends": lambda data: data.replace(b"\n", b"\r") + b"x",
}  # fmt: skip


@pytest.mark.parametrize("table", FILES)
@pytest.mark.parametrize("form", list(ODD))
def test_a_table_of_another_sort_is_told(tiny_study: Path, table: str, form: str) -> None:
    path = tiny_study / table
    path.write_bytes(ODD[form](path.read_bytes()))
    assert any(fault.startswith(f"{table}: ") for fault in faults_of(tiny_study))


def _directory(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of POSIX")
@pytest.mark.parametrize("make", [_directory, _pipe, _endless, _circle, _nowhere])
@pytest.mark.parametrize("table", ["records.csv", "study.toml"])
def test_a_name_that_is_no_file(tiny_study: Path, make: Callable[[Path], None], table: str) -> None:
    """No waiting for a pipe that nobody fills, no reading of what never ends."""
    path = tiny_study / table
    path.unlink()
    make(path)
    (fault,) = faults_of(tiny_study)
    assert fault.startswith(table)
    assert "cannot be read" in fault or "is missing" in fault


def test_a_file_far_too_large_is_not_read(
    tiny_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tiny_study / "records.csv").open("ab") as handle:
        handle.truncate(csvfiles.MOST_BYTES + 1)  # holes take no space
    (fault,) = faults_of(tiny_study)
    assert "it has 200 MB, and a table at most 200" in fault


def test_many_rows_are_read_in_time(tmp_path: Path) -> None:
    """A fault in every one of 20,000 rows is told in one line."""
    head = RECORDS.partition("\n")[0]
    rows = [f"r{n},mined,2010,,value,-1,,,kt REO,,0.1,s{n},yearbook," for n in range(20_000)]
    folder = write_tables(tmp_path / "many", records="\n".join([head, *rows, ""]))
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    text = str(caught.value)
    assert "and 19985 more, value: value -1 is not above 0" in text
    assert text.count("value -1") == 1


def test_two_byte_order_marks_are_told(tiny_study: Path) -> None:
    path = tiny_study / "records.csv"
    path.write_bytes(codecs.BOM_UTF8 * 2 + path.read_bytes())
    assert any("column 'record' is missing" in fault for fault in faults_of(tiny_study))


# --- contradictions -------------------------------------------------------------------------------

# rows added to the records, fragment of the message
CONTRADICTIONS = [
    ("r_none,mined_registered,2010,,zero,0,,0.1,kt REO,,0.1,survey,yearbook,",
     "value 10.5 kt REO contradicts zero 0 kt REO"),
    ("r_least,exported,2013,,lower,,4,,kt REO,,0.3,customs,yearbook,", "contradicts upper"),
    ("r_none,made,2013,,zero,,,0.1,kt REO,,0.3,survey,yearbook,", "contradicts lower 4 kt REO"),
    ("r_most,made,2013,,upper,,,3,kt REO,,0.3,survey,yearbook,", "contradicts lower 4 kt REO"),
    ("r_twice,mined_registered,2010,,value,10.5,,,kt REO,,0.1,survey,yearbook,", "keep one"),
    ("r_value,mined_registered,2011,,value,10.5,,,kt REO,,0.1,press,yearbook,", "already given"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "fragment"), CONTRADICTIONS)
def test_records_of_one_source_that_contradict_one_another(
    tmp_path: Path, row: str, fragment: str
) -> None:
    folder = write_tables(tmp_path / "tiny", records=f"{RECORDS}{row}\n")
    faults = faults_of(folder)
    words = fragment.removeprefix("value 10.5 kt REO ").split(" zero")[0]
    assert [fault for fault in faults if words in fault], faults


@pytest.mark.parametrize(
    "row",
    [
        "r_other,mined_registered,2010,,zero,0,,0.1,kt REO,,0.1,survey,notice,",  # another source
        "r_other,exported,2013,,lower,,1,,kt REO,,0.3,customs,yearbook,",  # below the upper bound
        "r_other,exported,2012,,lower,,9,,kt REO,,0.3,customs,yearbook,",  # another year
    ],
)
@pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")  # a zero beside ten is doubtful
def test_records_that_may_stand_side_by_side(tmp_path: Path, row: str) -> None:
    read_study(write_tables(tmp_path / "tiny", records=f"{RECORDS}{row}\n"))


@pytest.mark.parametrize(
    ("table", "old", "new", "fragment"),
    [
        ("processes", "ore_market,market,A", "ore_market,market,a", "is written"),
        ("processes", "ore_market,market,A", "ore_market,market,A\u200b", "U+200B"),
        ("processes", "Ore market", "Ore\u202emarket", "U+202E"),
        ("flows", "mine_loss,mine,residues,loss", "mine_loss,mine,residues,lo\u00adss", "U+00AD"),
        ("sources", "Mineral Yearbook", "Mineral\x1b[2JYearbook", "U+001B"),
        ("study", 'name = "Tiny"', 'name = "Ti\\u0000ny"', "invisible"),
        ("study", 'name = "Tiny"', f"name = {'9' * 5000}", "cannot be read as TOML"),
        ("study", 'name = "Tiny"', f"name = {'[' * 5000}", "cannot be read as TOML"),
        ("study", "first_year = 2010", "first_year = 0x7fffffffffffffffff", "four digits"),
        ("study", "degrees_of_freedom = 5", "degrees_of_freedom = nan", "not a number"),
        ("study", "degrees_of_freedom = 5", "made_on = 2020-01-01", "unknown setting 'made_on'"),
    ],
)
def test_one_thing_written_in_two_ways_or_not_to_be_seen(
    tmp_path: Path, table: str, old: str, new: str, fragment: str
) -> None:
    text = TABLES[f"{table}.toml" if table == "study" else f"{table}.csv"]
    assert old in text
    folder = write_tables(tmp_path / "tiny", **{table: text.replace(old, new, 1)})
    assert any(fragment in fault for fault in faults_of(folder))


def test_tables_of_harmonise_that_contradict_themselves(tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text(
        "code,jurisdiction,product,used,reo_per_gross,low,high,valid_from,valid_to\n"
        "280530,HS,metal,true,1,0.9,1.1,2000,2010\n"
        "280530,HS,metal,true,1.1,0.9,1.2,2010,2022\n"
        "284690,HS,salt,true,1,0.9,1.1,2015,2010\n"
        "２８４６,HS,salt,true,1,0.9,1.1,,\n",
        "utf-8",
    )
    with pytest.raises(StudyError) as caught:
        harmonise([CUSTOMS / "plain.csv"], codes)
    found = [(fault.row, fault.column) for fault in caught.value.faults]
    assert found == [(3, "code"), (4, "valid_to"), (5, "code")]
    areas = tmp_path / "areas.csv"
    areas.write_text(
        "area,region,role,jurisdiction,names\n*,RW,area,,\nChina,CN,area,,CHN\n"
        "Hong Kong,RW,area,,HKG;chn\nChina,RW,area,,\n",
        "utf-8",
    )
    with pytest.raises(StudyError) as caught:
        harmonise([CUSTOMS / "plain.csv"], areas=areas)
    assert [(f.row, f.column) for f in caught.value.faults] == [(4, "names"), (5, "area")]
    quantities = tmp_path / "quantities.csv"
    row = "CN,US,exporter,metal,exported_CN_US_metal\n"
    quantities.write_text(f"exporter,importer,side,product,quantity\n{row}{row}", "utf-8")
    with pytest.raises(StudyError) as caught:
        harmonise([CUSTOMS / "plain.csv"], quantities=quantities)
    assert [(f.row, f.column) for f in caught.value.faults] == [(3, "quantity")]


# --- customs files --------------------------------------------------------------------------------

BOOK = (CUSTOMS / "dataweb_us_imports_2022.xlsx").read_bytes()
BUNDLED = read_study()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(BOOK) - 1), st.binary(min_size=1, max_size=40))
def test_a_damaged_workbook_is_told(tmp_path: Path, at: int, data: bytes) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(BOOK[:at] + data + BOOK[at + len(data) :])
    try:
        harmonise([path], study=BUNDLED)
    except StudyError as error:
        assert error.faults


def _archive(**entries: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"PK\x03\x04", BOOK[:3000], b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
     _archive(word="<document/>"), codecs.BOM_UTF16_LE + b"a", b"\0" * 100, b'"' * 99,
     b"year,reporter\n" + b'"' + b"x" * 200_000],
    ids=["empty", "PK", "zip head", "cut", "xls", "zip", "odd utf-16", "nul", "quotes", "huge"],
)  # fmt: skip
def test_a_customs_file_of_another_sort_is_told(
    tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(data)
    assert main(["harmonise", str(path), "--out", str(tmp_path / "out.csv")]) == 2
    assert "problem in" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_workbook_that_would_fill_memory_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as handle:
            for _ in range(51):
                handle.write(bytes(10_000_000))
    with pytest.raises(StudyError, match="unpacks to 510 MB"):
        harmonise([path])


# --- the command line -----------------------------------------------------------------------------

BAD_OPTIONS = [
    ["fit", "--seed", "-1"], ["fit", "--seed", "1.5"], ["fit", "--seed", "１２"],
    ["fit", "--seed", "99999999999999999999"], ["fit", "--seed", "9" * 5000],
    ["fit", "--seed", ""], ["fit", "--seed", "1_0"], ["fit", "--seed", "nan"],
    ["fit", "--draws", "3"], ["fit", "--draws", "1e3"], ["fit", "--draws", "99999999"],
    ["fit", "--chains", "0"], ["fit", "--tune", "-5"], ["fit", "--sed", "1"],
    ["fit", "--dat", "x"], ["fit", "--unknown"], ["fit", "stray"],
    ["run", "--draws", "ten"], ["report"], ["report", "f.nc", "--year", "20O5"],
    ["report", "f.nc", "--year", "２０１０"], ["export", "f.nc", "--to", "pdf"],
    ["harmonise", "--sd", "nan"], ["harmonise", "--sd", "inf"], ["harmonise", "--sd", "-1"],
    ["harmonise", "--sd", "five"], ["harmonise", "--years", "2018-"], ["harmonise", "--years", "x"],
    ["harmonise", "--years", "2020-2018"], ["harmonise", "--incomplete", "maybe"], ["check"],
    ["report", ""], ["export", "."], ["export", "/", "--to", "xlsx"], ["learnt", "./"],
]  # fmt: skip


@pytest.mark.parametrize("words", BAD_OPTIONS, ids=lambda words: " ".join(words)[:40])
def test_bad_options(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "usage: reebayes" in error
    assert "Traceback" not in error
    assert not re.search(r"invalid _?\w+ value", error)  # names of functions say nothing


WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
) | st.sampled_from(["", ".", "..", "-", "--", "-1", "--seed", "--out", "--to", "csv"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["check", "report", "export", "describe", "harmonise"]), st.lists(WORDS))
def test_any_words_give_a_message(tmp_path: Path, command: str, words: list[str]) -> None:
    """Whatever stands on the command line: an exit code of ours, and no exception."""
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        code: Any = main([command, *words])
    except SystemExit as stop:
        code = stop.code
    finally:
        os.chdir(here)
    assert code in (0, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="names of files are bytes on POSIX")
def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    with pytest.raises(ResultError, match="is no text in UTF-8"):
        save_fit(fake_fit(), Path(folder) / "fit.nc")
    path = save_fake(tmp_path / "fit.nc")
    words = [sys.executable, "-m", "reebayes", "report", str(path), "--out", f"{folder}/page.html"]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 2
    assert rb"\udcff/page.html: the name is no text" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("path", ["../tiny", "./", "../tiny/../tiny"])
def test_a_study_may_be_named_by_any_path(
    tiny_study: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_study)
    assert main(["check", path]) == 0


def test_names_in_tables_are_no_paths(tiny_study: Path, tmp_path: Path) -> None:
    """A label or a source that looks like a path stays a text: nothing is read or written there."""
    fit = fake_fit()
    tables = fit["constant_data"].to_dataset()
    tables = tables.assign_coords(source=["../../etc/passwd", "/etc/passwd", "C:\\x", "~"])
    old = dict(zip(map(str, fit["constant_data"]["source"].values), tables["source"].values,
                   strict=True))  # fmt: skip
    sources = [str(old[str(source)]) for source in tables["record_source"].values]
    tables["record_source"] = (("record",), np.array(sources, dtype=object))
    fit["constant_data"] = tables
    out = tmp_path / "out"
    tables = export_tables(fit)
    write_csv(tables, out)
    write_report(fit, out / "page.html")
    found = {path.name for path in out.iterdir()}
    assert found == {"page.html", *(f"{name}.csv" for name in tables)}


# --- numbers at the ends of what is accepted ------------------------------------------------------


@pytest.mark.parametrize("number", ["1e-12", "1e12", "20"])
@pytest.mark.parametrize(
    ("table", "column"),
    [("records", "value"), ("records", "high"), ("records", "low"), ("records", "factor"),
     ("records", "sd"), ("priors", "median"), ("priors", "sd"), ("priors", "step"),
     ("quantities", "weight")],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::reebayes.errors.StudyWarning")
def test_what_is_accepted_has_a_density(
    tmp_path: Path, table: str, column: str, number: str
) -> None:
    """A number that the reader takes never ends in a failure of the arithmetic."""
    base = shared_tables()
    rows = list(csv.reader(io.StringIO(base.get(table, TABLES[f"{table}.csv"]))))
    place = rows[0].index(column)
    accepted = 0
    for n in range(1, len(rows)):
        if not rows[n][place]:
            continue
        changed = [[*row] for row in rows]
        changed[n][place] = number
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(changed)
        try:
            study = read_study(write_tables(tmp_path / str(n), **{**base, table: out.getvalue()}))
        except StudyError:
            continue
        layout = lay_out(study)
        density, slope = gradients(layout)(identity(layout))(np.zeros(layout.unknowns.size))
        assert np.isfinite(density), rows[n]
        assert np.isfinite(slope).all(), rows[n]
        accepted += 1
    assert accepted or (column, number) in {
        *((name, "1e12") for name in ("factor", "sd", "step")),
        *(("factor", "20"), ("sd", "20")),
    }
