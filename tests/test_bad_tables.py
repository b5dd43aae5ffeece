"""Corrupted tables: each fault is named with its place and a way out, and all at once."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reebayes.errors import Fault, ReebayesError, StudyError
from reebayes.study import read_study
from reebayes.study.schema import SCHEMA
from tests.tiny import TABLES, shared_tables, write_tables

FILES = [name for name in TABLES if name.endswith(".csv")]


def faults_of(folder: Path) -> tuple[Fault, ...]:
    """Return what is wrong with a study directory."""
    with pytest.raises(StudyError) as caught:
        read_study(folder)
    return caught.value.faults


def line_of(text: str, start: str) -> int:
    """Return the number of the one line that starts with `start`."""
    found = [i for i, line in enumerate(text.splitlines(), 1) if line.startswith(start)]
    assert len(found) == 1, (start, found)
    return found[0]


def set_cell(text: str, start: str, column: str, value: str) -> str:
    """Return a table with one cell changed, in the line that starts with `start`."""
    rows = list(csv.reader(io.StringIO(text)))
    rows[line_of(text, start) - 1][rows[0].index(column)] = value
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def corrupt(folder: Path, table: str, change: Callable[[str], str]) -> None:
    """Change the text of one table of a study directory."""
    path = folder / table
    path.write_text(change(path.read_text("utf-8")), "utf-8", newline="")


# table, line that starts with, column, new cell, (column of the fault,) fragment of the message
CELLS = [
    ("processes.csv", "mine,", "kind", "conversoin", "Did you mean 'conversion'?"),
    ("processes.csv", "mine,", "kind", "", "cell is empty"),
    ("flows.csv", "magnets,", "source", "metal_markt", "Did you mean 'metal_market'?"),
    ("flows.csv", "magnets,", "target", "use_magnet", "Did you mean 'use_magnets'?"),
    ("flows.csv", "magnets,", "target", "", "cell is empty"),
    ("flows.csv", "magnets,", "product", "", "cell is empty"),
    ("flows.csv", "magnets,", "registered", "yes", "neither 'true' nor 'false'"),
    ("flows.csv", "ore,", "active", "", "cell is empty"),
    ("flows.csv", "ore,", "active", "2010-2O15", "write it like 2000-2002;2012-2015"),
    ("flows.csv", "ore,", "active", "2015-2010", "ends before it begins"),
    ("flows.csv", "ore,", "active", "2010-2013;2012-2015", "overlap"),
    ("flows.csv", "ore,", "active", "2010-2016", "outside the study's years 2010-2015"),
    ("quantities.csv", "made,", "flow", "metl", "Did you mean 'metal'?"),
    ("quantities.csv", "made,", "part", "numerator", "Valid: num, den."),
    ("quantities.csv", "made,", "weight", "", "write a number"),
    ("quantities.csv", "made,", "weight", "0", "no effect"),
    ("quantities.csv", "made,", "weight", "1,5", "no thousands separator"),
    ("records.csv", "r_value,", "record", "", "cell is empty"),
    ("records.csv", "r_value,", "record", "r_tonnes", "already given in row 2"),
    ("records.csv", "r_value,", "record", "r\u200bvalue", "invisible characters (U+200B)"),
    ("records.csv", "r_value,", "record", "r\x07value", "invisible characters (U+0007)"),
    ("records.csv", "r_value,", "record", "r\nvalue", "invisible characters (U+000A)"),
    ("records.csv", "r_value,", "quantity", "mined_registred", "Did you mean 'mined_registered'?"),
    ("records.csv", "r_value,", "quantity", "net_export", "subtracts flows"),
    ("records.csv", "r_value,", "year", "20O5", "write four digits"),
    ("records.csv", "r_value,", "year", "2010.0", "write four digits"),
    ("records.csv", "r_value,", "year", "", "cell is empty"),
    ("records.csv", "r_value,", "year", "1999", "outside the study's years 2010-2015"),
    ("records.csv", "r_value,", "year_end", "2011", "use kind 'cumulative' or 'mean'"),
    ("records.csv", "r_sum,", "year_end", "", "covers several years"),
    ("records.csv", "r_sum,", "year_end", "2009", "before year 2010"),
    ("records.csv", "r_sum,", "year_end", "2016", "outside the study's years 2010-2015"),
    ("records.csv", "r_value,", "kind", "vlaue", "Did you mean 'value'?"),
    ("records.csv", "r_value,", "value", "", "kind 'value' needs a number in 'value'"),
    ("records.csv", "r_value,", "value", "0", "for a published zero use kind 'zero'"),
    ("records.csv", "r_value,", "value", "-3", "not above 0"),
    ("records.csv", "r_value,", "value", "nan", "leave the cell empty"),
    ("records.csv", "r_value,", "value", "inf", "leave the cell empty"),
    ("records.csv", "r_value,", "value", "1e400", "too large"),
    ("records.csv", "r_value,", "value", "1e-400", "not above 0"),
    ("records.csv", "r_tonnes,", "value", "5e-324", "too small"),
    ("records.csv", "r_value,", "value", "1e13", "too large"),
    ("records.csv", "r_value,", "sd", "1e-300", "too small"),
    ("quantities.csv", "made,", "weight", "1e300", "too large"),
    ("priors.csv", "ore,", "median", "1e300", "too large"),
    ("priors.csv", "ore,", "sd", "1e9", "more than 20, on a log scale"),
    ("priors.csv", "ore,", "step", "21", "more than 20, on a log scale"),
    ("records.csv", "r_value,", "value", "10,500", "no thousands separator"),
    ("records.csv", "r_value,", "value", "10 500", "no thousands separator"),
    ("records.csv", "r_value,", "value", "10_500", "no thousands separator"),
    ("records.csv", "r_value,", "value", "١٢", "write digits"),
    ("records.csv", "r_value,", "value", "0x1F", "write digits"),
    ("records.csv", "r_value,", "value", "<5", "kind 'upper' or 'lower'"),
    ("records.csv", "r_value,", "value", "15%", "0.15 for 15%"),
    ("records.csv", "r_value,", "low", "1", "kind 'value' does not use 'low'"),
    ("records.csv", "r_upper,", "high", "", "kind 'upper' needs a number in 'high'"),
    ("records.csv", "r_upper,", "value", "2", "kind 'upper' does not use 'value'"),
    ("records.csv", "r_lower,", "low", "", "kind 'lower' needs a number in 'low'"),
    ("records.csv", "r_lower,", "low", "0", "not above 0"),
    ("records.csv", "r_range,", "low", "", "kind 'range' needs a number in 'low'"),
    ("records.csv", "r_range,", "low", "5", "low 5 is not below high 5"),
    ("records.csv", "r_zero,", "high", "", "the unit below which the source prints 0"),
    ("records.csv", "r_zero,", "value", "0.01", "kind 'zero' does not use 'value'"),
    ("records.csv", "r_value,", "unit", "t", "give 't REO', or 't gross' with a factor"),
    ("records.csv", "r_value,", "unit", "tonnes", "is ambiguous"),
    (
        "records.csv",
        "r_value,",
        "unit",
        "lb REO",
        "Valid: kt REO, t REO, Mt REO, kt gross",
    ),
    ("records.csv", "r_value,", "unit", "", "cell is empty"),
    ("records.csv", "r_value,", "unit", "ratio", "'mined_registered' is no ratio"),
    ("records.csv", "r_share,", "unit", "kt REO", "'share_hidden' is a ratio"),
    ("records.csv", "r_share,", "value", "20", "is it a percentage?"),
    ("records.csv", "r_value,", "factor", "0.5", "takes no factor"),
    ("records.csv", "r_gross,", "factor", "", "needs a factor"),
    ("records.csv", "r_gross,", "factor", "1.6", "up to 1.5"),
    ("records.csv", "r_gross,", "factor", "0", "not above 0"),
    ("records.csv", "r_value,", "sd", "", "write a number"),
    ("records.csv", "r_value,", "sd", "0", "above 0 and up to 2"),
    ("records.csv", "r_value,", "sd", "10", "such as 0.1 for 10%"),
    ("records.csv", "r_value,", "reporter", "", "cell is empty"),
    ("records.csv", "r_tonnes,", "reporter", "Survey", "is written 'survey' before"),
    ("records.csv", "r_value,", "reporter", "*", "write a name"),
    ("records.csv", "r_value,", "source", "yearboook", "Did you mean 'yearbook'?"),
    ("priors.csv", "ore,", "target", "oree", "Did you mean 'ore'?"),
    ("priors.csv", "ore,", "target", "", "cell is empty"),
    ("priors.csv", "step:bias", "target", "step:noise", "Did you mean 'step:bias'?"),
    ("priors.csv", "bias:*", "target", "bais:*", "Did you mean 'bias:*'?"),
    ("priors.csv", "noise:journ", "target", "noise:jurnalist", "Did you mean 'journalist'?"),
    ("priors.csv", "ore,", "distribution", "normal", "is lognormal, not normal"),
    ("priors.csv", "export_ore,", "distribution", "lognormal", "is share, not lognormal"),
    ("priors.csv", "bias:survey", "distribution", "lognormal", "is normal, not lognormal"),
    ("priors.csv", "noise:*", "distribution", "normal", "is lognormal, not normal"),
    ("priors.csv", "noise:journ", "target", "noise:alll", "Did you mean 'all'?"),
    ("priors.csv", "step:input", "distribution", "share", "is lognormal, not share"),
    ("priors.csv", "ore,", "distribution", "gamma", "distribution 'gamma' is unknown"),
    ("priors.csv", "ore,", "median", "0", "not above 0"),
    ("priors.csv", "ore,", "median", "", "write a number"),
    ("priors.csv", "metal,", "median", "1", "not between 0 and 1"),
    ("priors.csv", "noise:*", "median", "-1", "not above 0"),
    ("priors.csv", "bias:survey", "median", "-21", "is beyond 20, on a log scale"),
    ("priors.csv", "ore,", "sd", "0", "not above 0"),
    ("priors.csv", "bias:*", "sd", "-0.1", "not 0 or more"),
    ("priors.csv", "ore,", "step", "0", "leave it empty if nothing changes"),
    ("priors.csv", "noise:*", "step", "0.1", "one number for the whole study"),
    ("priors.csv", "noise:*", "year", "2010", "one number for the whole study"),
    ("priors.csv", "ore,", "unit", "lb REO/yr", "convert to 'kt REO/yr'"),
    ("priors.csv", "ore,", "unit", "", "cell is empty"),
    ("priors.csv", "ore,", "source", "", "cell is empty"),
    ("priors.csv", "ore,", "source", "judgment-scale", "Did you mean 'judgement-scale'?"),
    ("priors.csv", "bias:customs,2010", "year_end", "2009", "before year 2010"),
    ("priors.csv", "bias:customs,2013", "year_end", "2016", "outside the study's years"),
    ("priors.csv", "bias:customs,2013", "year", "2012", "already has a prior for 2012 in row 12"),
    ("priors.csv", "bias:customs,2013", "step", "", "give one to all of them or to none"),
    ("priors.csv", "ore,", "year_end", "2015", "give both or neither"),
    ("sources.csv", "article,", "source", "notice", "already given in row 3"),
    ("sources.csv", "article,", "citation", "", "cell is empty"),
    ("sources.csv", "article,", "year", "about 2015", "write four digits"),
]
COLUMN_TO_BLAME = {
    "kind 'value' needs a number in 'value'": "value",
    "give both or neither": "year",
}
# A name that cannot be guessed is missed elsewhere too.
OTHERS_FOLLOW = {
    ("flows.csv", "magnets,", "target", ""),
    ("priors.csv", "ore,", "target", ""),
    ("priors.csv", "bias:*", "target", "bais:*"),
    ("sources.csv", "article,", "source", "notice"),
}


def place_of(table: str, start: str, column: str, cell: str, fragment: str) -> tuple[str, int, str]:
    """Return table, row and column that a fault in a cell should name."""
    row = line_of(TABLES[table], start)
    if (table, start, column, cell) == ("records.csv", "r_value,", "record", "r_tonnes"):
        row += 1  # of two rows of one name the later is to blame
    return table, row, COLUMN_TO_BLAME.get(fragment, column)


@pytest.mark.parametrize(
    ("table", "start", "column", "cell", "fragment"),
    CELLS,
    ids=[f"{t.removesuffix('.csv')}-{s.strip(',')}-{c}-{v!a}" for t, s, c, v, _ in CELLS],
)
def test_bad_cell(
    tiny_study: Path, table: str, start: str, column: str, cell: str, fragment: str
) -> None:
    """A bad cell gives a fault with its place, its value and advice, and blames no other row."""
    corrupt(tiny_study, table, lambda text: set_cell(text, start, column, cell))
    faults = faults_of(tiny_study)
    where = place_of(table, start, column, cell, fragment)
    found = [f for f in faults if (f.table, f.row, f.column) == where and fragment in f.message]
    assert len(found) == 1, "\n".join(map(str, faults))
    if (table, start, column, cell) not in OTHERS_FOLLOW:
        assert len(faults) == 1, "\n".join(map(str, faults))


# table, old text, new text, (row, column) to blame, fragment of the message
TEXTS = [
    (
        "processes.csv",
        "residues,loss",
        "island,market,A,Nowhere\nresidues,loss",
        (10, "process"),
        "no flow enters or leaves process 'island'",
    ),
    (
        "processes.csv",
        "use_magnets,use",
        "use_magnets,market",
        (8, "process"),
        "market 'use_magnets' has no way out (2010-2015): magnets active and no flow that leaves",
    ),
    (
        "flows.csv",
        "metal_market,metal,true,2010-2015",
        "metal_market,metal,true,2010-2012;2014-2015",
        (7, "process"),
        "market 'metal_market' has no way in (2013): scrap, magnets, other active",
    ),
    (
        "flows.csv",
        "ore,nature,mine,ore,true,2010-2015",
        "ore,nature,mine,ore,true,2010-2012",
        (4, "process"),
        "conversion 'mine' has no way in (2013-2015): concentrate, mine_loss active",
    ),
    (
        "flows.csv",
        "metal,plant,metal_market",
        "metal,plant,plant",
        (8, "target"),
        "flow leaves and enters the same process 'plant'",
    ),
    (
        "flows.csv",
        "scrap,metal_market",
        "scrap,use_magnets",
        (10, "source"),
        "flow leaves 'use_magnets', of kind use, where every flow ends",
    ),
    (
        "flows.csv",
        "other,metal_market",
        "scrap,metal_market",
        (12, "flow"),
        "flow 'scrap' is already given in row 10",
    ),
    (
        "processes.csv",
        "abroad,environment",
        "nature,environment",
        (3, "process"),
        "process 'nature' is already given in row 2",
    ),
    (
        "quantities.csv",
        "share_hidden,num",
        "share_hidden,den",
        (13, "flow"),
        "flow 'hidden_ore' is already a term of 'share_hidden' in row 11",
    ),
    (
        "quantities.csv",
        "share_hidden,num",
        "share_other,num",
        (12, "part"),
        "'share_hidden' has a denominator but no term of part 'num'",
    ),
    (
        "records.csv",
        "r_tonnes,mined_registered,2011",
        "r_tonnes,mined_registered,2010",
        (3, "quantity"),
        "same quantity, years, kind, reporter and source as row 2 (10.5 kt REO and 9800 t REO)",
    ),
    (
        "records.csv",
        "r_range,mined_hidden,2014",
        "r_range,mined_hidden,2012",
        (9, "quantity"),
        "no flow of 'mined_hidden' is active in 2012, so only a record of kind 'zero' fits",
    ),
    (
        "records.csv",
        "r_share,share_hidden,2015",
        "r_share,share_hidden,2013",
        (12, "quantity"),
        "no flow of 'share_hidden' is active in 2013",
    ),
    (
        "priors.csv",
        "scrap,2012,2015",
        "scrap,2012,2014",
        (8, "year_end"),
        "'scrap' has no prior for 2015",
    ),
    (
        "priors.csv",
        "bias:customs,2013,",
        "bias:customs,2014,",
        (13, "year_end"),
        "'bias:customs' has no prior for 2013",
    ),
    (
        "priors.csv",
        "hidden_ore,2010,2011,lognormal,1,1,,kt REO/yr,judgement-scale,\n"
        "hidden_ore,2014,2015,lognormal,3,1,,kt REO/yr,judgement-scale,\n",
        "",
        (None, "target"),
        "flow 'hidden_ore' leaves 'nature' and needs a lognormal prior",
    ),
    (
        "priors.csv",
        "concentrate,,,share,0.6",
        "mine_loss,,,share,0.3,0.4,,share,judgement-yield,\nconcentrate,,,share,0.6",
        (6, "target"),
        "every flow that leaves 'mine' has a share prior",
    ),
    (
        "priors.csv",
        "metal,,,share,0.8,0.4,,share,judgement-yield,\n",
        "",
        (None, "target"),
        "flows metal, plant_loss leave 'plant' without a share prior; only one may",
    ),
    (
        "priors.csv",
        "other,2013,",
        "magnets,,",
        (None, "target"),
        "flow 'other' is the reference category of 'metal_market' but not active in "
        "2010-2012;2014-2015",
    ),
    (
        "priors.csv",
        "scrap,2012,2015,share,0.1",
        "scrap,2012,2015,share,0.8",
        (8, "median"),
        "median shares of 'metal_market' add up to 1 in 2013",
    ),
    (
        "priors.csv",
        "export_ore,,,share",
        "metal_market,,,share",
        (6, "target"),
        "'metal_market' is a process; give a row to each flow that leaves it but one",
    ),
    (
        "priors.csv",
        "bias:survey,",
        "bias:press,",
        (11, "target"),
        "reporter 'press' has a bias prior but no record",
    ),
    (
        "priors.csv",
        "bias:survey,,,normal,0,0.02",
        "bias:survey,,,normal,0,0.06",
        (None, "sd"),
        "no reporter is anchored",
    ),
    (
        "priors.csv",
        "noise:*,,,lognormal,1,0.3,,multiplier,judgement-reporters,\n",
        "",
        (None, "target"),
        "no noise prior for customs, ministry, survey; add 'noise:*' or one for each",
    ),
]


@pytest.mark.parametrize(
    ("table", "old", "new", "where", "fragment"), TEXTS, ids=[t[-1][:50] for t in TEXTS]
)
def test_bad_system(
    tiny_study: Path,
    table: str,
    old: str,
    new: str,
    where: tuple[int | None, str],
    fragment: str,
) -> None:
    """Tables that are well formed but do not fit together are faults of a row and column."""
    assert TABLES[table].count(old) == 1
    corrupt(tiny_study, table, lambda text: text.replace(old, new))
    faults = faults_of(tiny_study)
    found = [f for f in faults if (f.row, f.column) == where and fragment in f.message]
    assert len(found) == 1, "\n".join(map(str, faults))


def test_flow_alone_needs_no_prior(tiny_study: Path) -> None:
    """The only flow out of a process takes everything, so a share prior on it is a fault."""
    row = "ore_to_plant,,,share,0.5,0.4,,share,judgement-split,\n"
    corrupt(tiny_study, "flows.csv", lambda text: text.replace(_line(text, "export_ore,"), ""))
    corrupt(tiny_study, "priors.csv", lambda text: text.replace(_line(text, "export_ore,"), row))
    messages = [f.message for f in faults_of(tiny_study) if f.table == "priors.csv"]
    assert messages == [
        "flow is the only one that leaves 'ore_market', so it takes all; remove its prior"
    ]


def _line(text: str, start: str) -> str:
    return text.splitlines(keepends=True)[line_of(text, start) - 1]


def _add(folder: Path, table: str, rows: str) -> None:
    corrupt(folder, table, lambda text: text + rows)


def test_cycle_with_no_exit(tiny_study: Path) -> None:
    """Markets that feed only one another are named, with the years; with an exit they are fine."""
    _add(tiny_study, "processes.csv", "left,market,A,Left\nright,market,A,Right\n")
    _add(
        tiny_study,
        "flows.csv",
        "into,nature,left,ore,true,2011-2013,In\n"
        "there,left,right,ore,true,2011-2013,There\n"
        "back,right,left,ore,true,2011-2013,Back\n",
    )
    _add(tiny_study, "priors.csv", "into,,,lognormal,1,1,,kt REO/yr,judgement-scale,\n")
    (fault,) = faults_of(tiny_study)
    assert (fault.table, fault.row, fault.column) == ("flows.csv", 14, "target")
    assert "processes left, right form a cycle with no exit in 2011-2013" in fault.message
    _add(tiny_study, "flows.csv", "out,right,use_other,ore,true,2011-2013,Out\n")
    _add(tiny_study, "priors.csv", "back,,,share,0.5,1,,share,judgement-split,\n")
    read_study(tiny_study)


def test_cycle_that_nothing_feeds(tiny_study: Path) -> None:
    """A cycle with an exit but no entry would carry exactly nothing, so it is a fault."""
    _add(tiny_study, "processes.csv", "left,market,A,Left\nright,market,A,Right\n")
    _add(
        tiny_study,
        "flows.csv",
        "there,left,right,ore,true,2011-2013,There\n"
        "back,right,left,ore,true,2011-2013,Back\n"
        "out,right,use_other,ore,true,2011-2013,Out\n",
    )
    _add(tiny_study, "priors.csv", "back,,,share,0.5,1,,share,judgement-split,\n")
    (fault,) = faults_of(tiny_study)
    assert "processes left, right form a cycle that nothing feeds in 2011-2013" in fault.message


# ---- trade routes ----

ROUTE = "route:A:B,,,normal,-0.5,0.5,0.2,log odds,judgement-split,\n"
HIDDEN_ROUTE = (
    "route:A:unregistered,2010,2012,normal,0,0.5,0.2,log odds,judgement-split,\n"
    "route:A:unregistered,2013,2015,normal,-1.2,0.8,0.3,log odds,judgement-split,\n"
)


def add_trade(folder: Path, routes: str = ROUTE + HIDDEN_ROUTE) -> Path:
    """Add a second region, to which ore goes declared and not, and priors of both routes."""
    _add(folder, "processes.csv", "ore_market_B,market,B,Ore market\nuse_B,use,B,Use\n")
    _add(
        folder,
        "flows.csv",
        "ship,ore_market,ore_market_B,ore,true,2010-2015,Ore shipped\n"
        "smuggle,ore_market,ore_market_B,ore,false,2010-2015,Ore smuggled\n"
        "used_B,ore_market_B,use_B,ore,true,2010-2015,Ore used\n",
    )
    shares = "{},,,share,0.1,0.5,0.2,share,judgement-split,\n"
    _add(folder, "priors.csv", shares.format("ship") + shares.format("smuggle") + routes)
    return folder


def test_routes_are_read(tiny_study: Path) -> None:
    """A route is named by its ends if declared, by its origin if not, and may vary by period."""
    study = read_study(add_trade(tiny_study))
    routes = {flow.flow: study.route(flow) for flow in study.flows}
    assert {name: route for name, route in routes.items() if route is not None} == {
        "ship": "A:B",
        "smuggle": "A:unregistered",
    }
    assert [row.median for row in study.priors.rows("route:A:B")] == [-0.5]
    assert [row.median for row in study.priors.rows("route:A:unregistered")] == [0, -1.2]
    _add(tiny_study, "priors.csv", "step:trade,,,lognormal,1,0.3,,multiplier,judgement-split,\n")
    read_study(tiny_study)


@pytest.mark.parametrize(
    ("column", "cell", "blamed", "fragment"),
    [
        ("target", "route:A:C", "target", "Did you mean 'route:A:B'?"),
        ("target", "route:B:A", "target", "unknown target 'route:B:A'. Did you mean 'route:A:B'?"),
        ("target", "route:A:A", "target", "Did you mean 'route:A:B'?"),
        ("target", "route:B:unregistered", "target", "Did you mean 'route:A:unregistered'?"),
        ("target", "route:", "target", "unknown target 'route:'"),
        ("target", "rout:A:B", "target", "Did you mean 'route:A:B'?"),
        ("distribution", "lognormal", "distribution", "is normal, not lognormal"),
        ("distribution", "share", "distribution", "is normal, not share"),
        ("sd", "0", "sd", "sd 0 is not above 0"),
        ("sd", "-1", "sd", "sd -1 is not above 0"),
        ("step", "0", "step", "leave it empty if nothing changes"),
        ("year_end", "2015", "year", "give both or neither"),
    ],
)
def test_bad_route(tiny_study: Path, column: str, cell: str, blamed: str, fragment: str) -> None:
    """A route that no flow takes, or a prior of another form, is named with its row and column."""
    add_trade(tiny_study)
    corrupt(tiny_study, "priors.csv", lambda text: set_cell(text, "route:A:B", column, cell))
    row = TABLES["priors.csv"].count("\n") + 3
    (fault,) = faults_of(tiny_study)
    assert (fault.table, fault.row, fault.column) == ("priors.csv", row, blamed)
    assert fragment in fault.message


@pytest.mark.parametrize(
    ("years", "missing"),
    [("2010,2014", "2015"), ("2011,2015", "2010"), ("2012,2013", "2010-2011;2014-2015")],
)
def test_route_without_all_years(tiny_study: Path, years: str, missing: str) -> None:
    """The flows of a route are active by themselves; its prior holds for the whole study."""
    add_trade(tiny_study, ROUTE.replace(",,,", f",{years},"))
    (fault,) = faults_of(tiny_study)
    assert (fault.table, fault.column) == ("priors.csv", "year_end")
    assert fault.message == f"'route:A:B' has no prior for {missing}"


def test_route_whose_flow_stays_at_home(tiny_study: Path) -> None:
    """Without trade there is no route to have a prior."""
    _add(tiny_study, "priors.csv", ROUTE)
    (fault,) = faults_of(tiny_study)
    assert (fault.table, fault.column) == ("priors.csv", "target")
    assert "unknown target 'route:A:B'" in fault.message


# ---- what records have in common, arrive late, or may be read in two ways ----

# table, line that starts with, column, new cell, fragment of the message
OPTIONAL_CELLS = [
    ("records", "r_gross,", "shared", "grade;;copied", "has an empty name"),
    ("records", "r_gross,", "shared", "grade;copied;", "has an empty name"),
    ("records", "r_gross,", "shared", "grade;grade;copied", "names one thing twice"),
    ("records", "r_gross,", "shared", "grade, copied", "is no list of names"),
    ("records", "r_gross,", "shared", "grade;shared:copied", "is no list of names"),
    ("records", "r_gross,", "shared", "*", "is no list of names"),
    ("records", "r_gross,", "shared", "grade;-grade;copied", "names one thing twice"),
    (
        "records",
        "r_gross,",
        "shared",
        "grade;copied;bias:srvey",
        "'srvey' is no other reporter. Did you mean 'survey'?",
    ),
    (
        "records",
        "r_gross,",
        "shared",
        "grade;copied;bias:customs",
        "'customs' is no other reporter",
    ),
    ("records", "r_gross,", "shared", "grade;copied;-", "has an empty name"),
    ("records", "r_gross,", "shared", "gr\u200bade;copied", "invisible characters (U+200B)"),
    ("records", "r_gross,", "shared", "graed;copied", "'graed' has no prior. Did you mean 'grade'"),
    ("records", "r_memory,", "shared", "hearsya", "'hearsya' has no prior. Did you mean 'hearsay'"),
    ("records", "r_gross,", "lag", "0.5", "lag 0.5 is not from 0 to below 0.5"),
    ("records", "r_gross,", "lag", "-0.1", "such as 0.08 for a month at sea"),
    ("records", "r_gross,", "lag", "1 month", "not a number"),
    ("records", "r_sum,", "lag", "0.08", "kind 'cumulative' covers several years and takes no lag"),
    ("records", "r_mean,", "lag", "0.08", "kind 'mean' covers several years and takes no lag"),
    ("records", "r_quota,", "other", "12", "kind 'quota' does not use 'other'"),
    ("records", "r_upper,", "other", "12", "kind 'upper' does not use 'other'"),
    ("records", "r_value,", "other", "10.5", "other 10.5 is the value itself"),
    ("records", "r_value,", "other", "0", "other 0 is not above 0"),
    ("records", "r_share,", "other", "40", "is it a percentage?"),
    ("records", "r_value,", "other", "1.2 or 2.2", "not a number"),
    ("records", "r_upper,", "status", "recaled", "Did you mean 'recalled'?"),
    ("records", "r_upper,", "status", "unsure", "Valid: recalled."),
    ("priors", "shared:grade,", "target", "shared:ore", "'ore' has a prior but no record"),
    ("priors", "shared:grade,", "distribution", "lognormal", "is normal, not lognormal"),
    ("priors", "shared:grade,", "unit", "multiplier", "does not fit an error; write 'log scale'"),
    ("priors", "shared:grade,", "sd", "0", "sd 0 is not above 0"),
    ("priors", "shared:grade,", "sd", "-1", "sd -1 is not above 0"),
    ("priors", "shared:grade,", "step", "-0.1", "step -0.1 is not above 0"),
    ("priors", "shared:grade,", "target", "share:grade", "Did you mean 'shared:grade'?"),
    ("priors", "shared:grade,", "target", "shared:", "unknown target 'shared:'"),
]
# A name in priors that no record has leaves the records' name without a prior.
RECORDS_FOLLOW = ("shared:ore", "share:grade", "shared:")


@pytest.mark.parametrize(
    ("table", "start", "column", "cell", "fragment"),
    OPTIONAL_CELLS,
    ids=[f"{s.strip(',')}-{c}-{v!a}" for _, s, c, v, _ in OPTIONAL_CELLS],
)
def test_bad_optional_cell(
    tmp_path: Path, table: str, start: str, column: str, cell: str, fragment: str
) -> None:
    """A bad cell of an optional column is told like any other, with its place and advice."""
    folder = write_tables(tmp_path / "sharing", **shared_tables())
    corrupt(folder, f"{table}.csv", lambda text: set_cell(text, start, column, cell))
    faults = faults_of(folder)
    where = (f"{table}.csv", line_of(shared_tables()[table], start), column)
    found = [f for f in faults if (f.table, f.row, f.column) == where and fragment in f.message]
    assert len(found) == 1, "\n".join(map(str, faults))
    others = [fault for fault in faults if fault not in found]
    if cell in RECORDS_FOLLOW:
        assert {(f.table, f.column) for f in others} == {("records.csv", "shared")}
    else:
        assert not others, "\n".join(map(str, faults))


def test_noise_of_all_is_no_reporter(tiny_study: Path) -> None:
    row = "noise:all,,,lognormal,1,0.4,,multiplier,judgement-reporters,\n"
    corrupt(tiny_study, "priors.csv", lambda text: text + row)
    assert read_study(tiny_study).priors["noise:all"].sd == 0.4
    for table in ("records.csv", "priors.csv"):
        corrupt(tiny_study, table, lambda text: text.replace("ministry", "all"))
    faults = faults_of(tiny_study)
    assert {(f.table, f.row, f.column, f.value) for f in faults} == {
        ("records.csv", 6, "reporter", "all")
    }
    assert "give this one another name" in faults[0].message


def test_misspelt_shared_error_is_told_once(tmp_path: Path) -> None:
    """Where the name in priors is near the one in records, the records are told, not both."""
    folder = write_tables(tmp_path / "sharing", **shared_tables())
    corrupt(folder, "priors.csv", lambda text: text.replace("shared:grade", "shared:grad"))
    faults = faults_of(folder)
    assert {(f.table, f.column, f.value) for f in faults} == {("records.csv", "shared", "grade")}
    assert "Did you mean 'grad'?" in faults[0].message


def test_shared_error_with_two_priors(tmp_path: Path) -> None:
    """An error is one number, so it has one row."""
    folder = write_tables(tmp_path / "sharing", **shared_tables())
    row = "shared:grade,,,normal,0,0.3,,log scale,judgement-reporters,\n"
    _add(folder, "priors.csv", row)
    (fault,) = faults_of(folder)
    assert (fault.table, fault.column) == ("priors.csv", "year")
    assert "'shared:grade' already has a prior for 2010-2015 in row" in fault.message


@pytest.mark.parametrize("table", ["records.csv", "priors.csv"])
def test_missing_table_does_not_blame_shared_errors(tmp_path: Path, table: str) -> None:
    """Names cannot be compared with a table that is not there."""
    folder = write_tables(tmp_path / "sharing", **shared_tables())
    (folder / table).unlink()
    (fault,) = faults_of(folder)
    assert fault.table == table


# ---- conversions whose output has the prior ----

DRIVEN = (
    "concentrate,,,lognormal,12,0.5,0.1,kt REO/yr,judgement-scale,\n"
    "mine_loss,,,share,0.3,0.4,,share,judgement-yield,\n"
)


def drive(folder: Path, rows: str = DRIVEN, *, keep_inflow: bool = False) -> Path:
    """Put the prior of the mine on its product: the ore that it needs follows."""

    def change(text: str) -> str:
        text = text.replace(_line(text, "concentrate,"), "")
        return (text if keep_inflow else text.replace(_line(text, "ore,"), "")) + rows

    corrupt(folder, "priors.csv", change)
    return folder


def test_product_driven_conversion_is_read(tiny_study: Path) -> None:
    study = read_study(drive(tiny_study))
    (prior,) = study.priors.rows("concentrate")
    assert (prior.distribution, prior.median, prior.unit) == ("lognormal", 12, "kt REO/yr")
    assert not study.priors.rows("ore")


@pytest.mark.parametrize(
    ("column", "cell", "fragment"),
    [
        ("unit", "share", "unit 'share' is not the study's; convert to 'kt REO/yr'"),
        ("unit", "lb REO/yr", "unit 'lb REO/yr' is not the study's; convert to 'kt REO/yr'"),
        ("median", "0", "median 0 is not above 0"),
        ("sd", "0", "sd 0 is not above 0"),
    ],
)
def test_bad_product_prior(tiny_study: Path, column: str, cell: str, fragment: str) -> None:
    drive(tiny_study)
    corrupt(tiny_study, "priors.csv", lambda text: set_cell(text, "concentrate,", column, cell))
    (fault,) = faults_of(tiny_study)
    line = line_of((tiny_study / "priors.csv").read_text("utf-8"), "concentrate,")
    assert (fault.table, fault.row, fault.column) == ("priors.csv", line, column)
    assert fragment in fault.message


def blame(folder: Path, start: str, column: str) -> str:
    """Return the message of the one fault, which must be that of a row of priors."""
    (fault,) = faults_of(folder)
    line = line_of((folder / "priors.csv").read_text("utf-8"), start)
    assert (fault.table, fault.row, fault.column) == ("priors.csv", line, column)
    return fault.message


def test_driven_conversion_with_a_prior_on_its_inflow_too(tiny_study: Path) -> None:
    drive(tiny_study, keep_inflow=True)
    message = blame(tiny_study, "ore,", "target")
    assert message == "flow follows from 'concentrate' and its yield; remove its prior"


def test_driven_conversion_with_two_inflows(tiny_study: Path) -> None:
    drive(tiny_study)
    _add(tiny_study, "flows.csv", "ore_2,nature,mine,ore,true,2010-2015,More ore\n")
    message = blame(tiny_study, "concentrate,", "distribution")
    assert "so 'mine' needs exactly one inflow, from an environment" in message


def test_driven_conversion_fed_by_a_market(tiny_study: Path) -> None:
    """What a market sends is a share of what it has, so it cannot follow from a yield."""
    rows = (
        "metal,,,lognormal,5,0.4,,kt REO/yr,judgement-yield,\n"
        "plant_loss,,,share,0.2,0.4,,share,judgement-yield,\n"
    )
    corrupt(tiny_study, "flows.csv", lambda text: text.replace(_line(text, "scrap,"), ""))
    corrupt(tiny_study, "priors.csv", lambda text: text.replace(_line(text, "scrap,"), ""))
    corrupt(
        tiny_study, "quantities.csv", lambda text: text.replace("net_export,num,scrap,-0.5\n", "")
    )
    corrupt(tiny_study, "priors.csv", lambda text: text.replace(_line(text, "metal,"), rows))
    message = blame(tiny_study, "metal,", "distribution")
    assert "so 'plant' needs exactly one inflow, from an environment" in message


def test_driven_conversion_with_three_outflows(tiny_study: Path) -> None:
    drive(tiny_study)
    _add(tiny_study, "flows.csv", "dust,mine,residues,loss,true,2010-2015,Dust\n")
    _add(tiny_study, "priors.csv", "dust,,,share,0.05,0.4,,share,judgement-yield,\n")
    message = blame(tiny_study, "concentrate,", "distribution")
    assert "so 'mine' needs exactly two outflows, the product and its loss" in message


def test_driven_conversion_without_a_share_of_its_loss(tiny_study: Path) -> None:
    drive(tiny_study, DRIVEN.splitlines(keepends=True)[0])
    (fault,) = faults_of(tiny_study)
    assert (fault.table, fault.row, fault.column) == ("priors.csv", None, "target")
    assert "without a share prior" in fault.message


FILE_CHANGES: list[tuple[str, Callable[[bytes], bytes], int | None, str]] = [
    ("empty", lambda data: b"", None, "file is empty; its first line must be"),
    ("blank", lambda data: b"\r\n \n\n", None, "file is empty; its first line must be"),
    ("header only", lambda data: data[: data.index(b"\n") + 1], None, "header but no rows"),
    ("latin-1", lambda data: data + b"caf\xe9", -1, "byte 0xe9 is not UTF-8"),
    ("utf-16", lambda data: data.decode().encode("utf-16"), 1, "not plain text"),
    ("zip", lambda data: b"PK\x03\x04" + bytes(9) + data, 1, "not plain text"),
    ("semicolons", lambda data: data.replace(b",", b";"), 1, "separated by semicolons; use commas"),
    ("tabs", lambda data: data.replace(b",", b"\t"), 1, "separated by tabs; use commas"),
    ("open quote", lambda data: data + b'"open,', -1, "stray or unclosed quote"),
    ("extra cell", lambda data: data + b",".join([b"x"] * 40), -1, "row has 40 cells, the header"),
    ("missing cells", lambda data: data + b"x,y", -1, "row has 2 cells, the header"),
]


@pytest.mark.parametrize("table", FILES)
@pytest.mark.parametrize(
    ("change", "row", "fragment"),
    [case[1:] for case in FILE_CHANGES],
    ids=[case[0] for case in FILE_CHANGES],
)
def test_bad_file(
    tiny_study: Path,
    table: str,
    change: Callable[[bytes], bytes],
    row: int | None,
    fragment: str,
) -> None:
    """A file that cannot be read as a table gives one fault, and the others are still checked."""
    path = tiny_study / table
    path.write_bytes(change(path.read_bytes()))
    if row == -1:
        row = TABLES[table].count("\n") + 1
    found = [f for f in faults_of(tiny_study) if f.table == table]
    if (table, fragment) == ("priors.csv", "header but no rows"):
        return  # which rows it needs is told as well; see below
    assert [(f.row, f.column) for f in found if fragment in f.message] == [(row, "")]
    assert len(found) == 1


@pytest.mark.parametrize("table", list(TABLES))
def test_missing_file(tiny_study: Path, table: str) -> None:
    """A missing file is one fault; rows of other tables that name its rows are not blamed."""
    (tiny_study / table).unlink()
    (fault,) = faults_of(tiny_study)
    assert fault.table == table
    assert "file is missing from" in fault.message


def test_missing_files(tmp_path: Path) -> None:
    """An empty directory is told every file it lacks."""
    assert {fault.table for fault in faults_of(tmp_path)} == set(TABLES)


def test_no_directory(tmp_path: Path) -> None:
    """A path that is no directory is said to be so."""
    (fault,) = faults_of(tmp_path / "nowhere")
    assert "nowhere does not exist" in fault.message
    (fault,) = faults_of(write_tables(tmp_path) / "flows.csv")
    assert "is a file; give its directory" in fault.message


@pytest.mark.parametrize("table", FILES)
def test_bad_header(tiny_study: Path, table: str) -> None:
    """Missing, misspelt, oddly cased and repeated columns are named."""
    text = TABLES[table]
    head, _, body = text.partition("\n")
    name, *rest = head.split(",")
    for header, fragment in [
        (",".join(["extra", *rest]), f"column '{name}' is missing"),
        (",".join([name + "s", *rest]), f"is it the one headed '{name}s'?"),
        (",".join([name.upper(), *rest]), f"headed '{name.upper()}'; write '{name}'"),
        (",".join([name, name, *rest[1:]]), f"column '{name}' is given 2 times"),
    ]:
        corrupt(tiny_study, table, lambda _, header=header: f"{header}\n{body}")
        faults = faults_of(tiny_study)
        assert {f.table for f in faults} == {table}, "\n".join(map(str, faults))
        assert [f.row for f in faults if fragment in f.message] == [1]


@pytest.mark.parametrize(
    ("old", "new", "column", "fragment"),
    [
        ('name = "Tiny"\n', "", "name", "key 'name' is missing"),
        ('name = "Tiny"', "name = 3", "name", "'3' is not text"),
        ("kt REO/yr", "t REO/yr", "unit", "such as 'kt REO/yr'"),
        ("kt REO/yr", "kt REO", "unit", "such as 'kt REO/yr'"),
        ("first_year = 2010", 'first_year = "2010"', "first_year", "not a whole number"),
        ("first_year = 2010", "first_year = true", "first_year", "not a whole number"),
        ("first_year = 2010", "first_year = 10", "first_year", "not a year of four digits"),
        ("first_year = 2010", "first_year = 2016", "last_year", "before first_year 2016"),
        ("first_year", "first_yaer", "first_yaer", "Did you mean 'first_year'?"),
        ("last_year = 2015", "last_year = ", "", "cannot be read as TOML"),
        ('"normal"', '"norml"', "settings.error_distribution", "Did you mean 'normal'?"),
        ("error_dist", "eror_dist", "settings.eror_distribution", "Did you mean"),
        ("freedom = 5", "freedom = 0", "settings.degrees_of_freedom", "not a number from 1 up"),
        ("[settings]", "[setings]", "setings", "Did you mean 'settings'?"),
    ],
)
def test_bad_settings(tiny_study: Path, old: str, new: str, column: str, fragment: str) -> None:
    """A bad key of study.toml is named, with what to write."""
    assert old in TABLES["study.toml"]
    corrupt(tiny_study, "study.toml", lambda text: text.replace(old, new, 1))
    faults = [f for f in faults_of(tiny_study) if f.table == "study.toml"]
    assert [f.column for f in faults if fragment in f.message] == [column]


@pytest.mark.parametrize("name", ["rare earth", "bias:ore"])
def test_names_that_cannot_be_written_elsewhere(tiny_study: Path, name: str) -> None:
    """Spaces and colons mean something in formulas and targets, so names may not hold them."""
    row = f"{name},mine,residues,loss,true,2010-2015,More losses\n"
    _add(tiny_study, "flows.csv", row)
    found = [f for f in faults_of(tiny_study) if f.table == "flows.csv"]
    assert [(f.row, f.column, f.value) for f in found] == [(13, "flow", name)]
    assert f"write '{name.replace(' ', '_').replace(':', '_')}'" in found[0].message


def test_all_at_once(tiny_study: Path) -> None:
    """Every fault of every table is in one message, grouped by table and in order of rows."""
    (tiny_study / "sources.csv").unlink()
    for table, start, column, cell in [
        ("study.toml", "", "", ""),
        ("processes.csv", "mine,", "kind", "mill"),
        ("flows.csv", "ore,", "active", "always"),
        ("quantities.csv", "made,", "flow", "metl"),
        ("records.csv", "r_ratio,", "sd", "-1"),
        ("records.csv", "r_value,", "quantity", "mined_reg"),
        ("records.csv", "r_value,", "value", "12,3"),
        ("priors.csv", "metal,", "median", "80%"),
    ]:
        if table == "study.toml":
            corrupt(tiny_study, table, lambda text: text.replace("name =", "nmae ="))
        else:
            corrupt(
                tiny_study,
                table,
                lambda text, start=start, column=column, cell=cell: set_cell(
                    text, start, column, cell
                ),
            )
    with pytest.raises(ReebayesError) as caught:
        read_study(tiny_study)
    expected = f"""\
1 problem in study.toml
  * nmae: unknown key 'nmae'. Did you mean 'name'?
1 problem in processes.csv
  * row 4, kind: kind 'mill' is unknown. Valid: market, conversion, use, loss, environment.
1 problem in flows.csv
  * row 2, active: 'always' is not a list of years; write it like 2000-2002;2012-2015
1 problem in quantities.csv
  * row 9, flow: unknown flow 'metl'. Did you mean 'metal'?
3 problems in records.csv
  * row 2, value: '12,3' is not a number; write a decimal point and no thousands separator
  * row 2, quantity: unknown quantity 'mined_reg'. Did you mean 'mined_registered'?
  * row 13, sd: sd -1 is not above 0 and up to 2; write a fraction, such as 0.1 for 10%
1 problem in priors.csv
  * row 7, median: '80%' is not a number; write a fraction, such as 0.15 for 15%
1 problem in sources.csv
  * file is missing from {tiny_study}"""
    assert str(caught.value) == expected


# --- all of it in one go --------------------------------------------------------------------------


SLIPS = {"kind": "?", "registered": "?", "weight": "?", "sd": "?", "median": "?", "citation": "",
         "process": "a b", "active": "?", "part": "?", "year": "?"}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "column"),
    [(name, column.name) for name in FILES for column in SCHEMA[name].columns if column.filled],
)
def test_a_missing_column_hides_no_other_fault(tiny_study: Path, table: str, column: str) -> None:
    """It is told once, no cell that depends on it is blamed, and the rest is checked as ever."""
    other = "sources.csv" if table != "sources.csv" else "flows.csv"
    with (tiny_study / table).open("a", encoding="utf-8") as file:
        file.write("\n")
    rows = list(csv.reader((tiny_study / table).read_text(encoding="utf-8").splitlines()))
    at = rows[0].index(column)
    slip = next(name for name in SLIPS if name in rows[0] and name != column)
    rows[1][rows[0].index(slip)] = SLIPS[slip]
    kept = [[cell for n, cell in enumerate(row) if n != at] for row in rows if row]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(kept)
    (tiny_study / table).write_text(text.getvalue(), encoding="utf-8")
    corrupt(tiny_study, other, lambda text: text + "x,y\n")
    found = {(fault.table, fault.row, fault.column) for fault in faults_of(tiny_study)}
    last = TABLES[other].count("\n") + 1
    assert {(table, 1, column), (table, 2, slip), (other, last, "")} <= found
    blamed = {fault for fault in found if fault[0] == table and fault[2] not in ("", slip, column)}
    assert not blamed


def test_columns_that_may_be_empty_may_be_left_out(tiny_study: Path) -> None:
    """Without labels, notes and addresses a study is the same."""
    before = read_study(tiny_study)
    for table in FILES:
        rows = list(csv.DictReader((tiny_study / table).read_text(encoding="utf-8").splitlines()))
        names = [
            column.name for column in SCHEMA[table].columns
            if column.name in rows[0] and (column.filled or any(row[column.name] for row in rows))
            and (column.filled or column.name not in ("label", "note", "url", "licence", "region"))
        ]  # fmt: skip
        text = io.StringIO()
        writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        (tiny_study / table).write_text(text.getvalue(), encoding="utf-8")
    after = read_study(tiny_study)
    assert (after.flows["ore"].label, after.processes["mine"].region) == ("", "")
    assert len(after.records) == len(before.records)
    assert [replace(row, note="") for row in before.priors] == list(after.priors)


def test_a_slip_in_the_name_of_a_column_that_may_be_left_out_is_told(tiny_study: Path) -> None:
    corrupt(tiny_study, "records.csv", lambda text: text.replace("year_end", "year_ends", 1))
    (fault,) = [f for f in faults_of(tiny_study) if f.row == 1]
    assert fault.message == "column 'year_ends' is unknown; write 'year_end', or another name"


def test_priors_that_are_missing_are_told_though_there_is_none_yet(tiny_study: Path) -> None:
    corrupt(tiny_study, "priors.csv", lambda text: text.partition("\n")[0] + "\n")
    text = "\n".join(fault.message for fault in faults_of(tiny_study))
    assert "flow 'ore' leaves 'nature' and needs a lognormal prior" in text
    assert "no bias prior for customs" in text
    assert "a row of target bias:customs, bias:journalist, bias:ministry and 1 more" in text
