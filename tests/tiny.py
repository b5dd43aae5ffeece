"""A small sound study as text: every kind of process, record and prior; a cycle with an exit."""

from pathlib import Path

from reebayes.study import Study

STUDY = """\
name = "Tiny"
unit = "kt REO/yr"
first_year = 2010
last_year = 2015
notes = "Small enough to check by hand."

[settings]
error_distribution = "normal"
degrees_of_freedom = 5
"""

PROCESSES = """\
process,kind,region,label
nature,environment,,Ore in the ground
abroad,environment,,Other countries
mine,conversion,A,Mine
ore_market,market,A,Ore market
plant,conversion,A,Plant
metal_market,market,A,Metal market
use_magnets,use,A,Magnets
use_other,use,A,"Other uses, all together"
residues,loss,A,Residues
"""

FLOWS = """\
flow,source,target,product,registered,active,label
ore,nature,mine,ore,true,2010-2015,Ore mined
concentrate,mine,ore_market,ore,true,2010-2015,Concentrate
mine_loss,mine,residues,loss,true,2010-2015,Mining losses
hidden_ore,nature,ore_market,ore,false,2010-2011;2014-2015,Ore mined without licence
export_ore,ore_market,abroad,ore,true,2010-2015,Ore exported
ore_to_plant,ore_market,plant,ore,true,2010-2015,Ore to the plant
metal,plant,metal_market,metal,true,2010-2015,Metal made
plant_loss,plant,residues,loss,true,2010-2015,Plant losses
scrap,metal_market,plant,metal,true,2012-2015,Scrap back to the plant
magnets,metal_market,use_magnets,metal,true,2010-2015,Metal to magnets
other,metal_market,use_other,metal,true,2013,Metal to other uses
"""

QUANTITIES = """\
quantity,part,flow,weight
mined,num,concentrate,1
mined,num,hidden_ore,1
mined_registered,num,concentrate,1
mined_hidden,num,hidden_ore,1
exported,num,export_ore,1
net_export,num,export_ore,1
net_export,num,scrap,-0.5
made,num,metal,1
used_other,num,other,1
share_hidden,num,hidden_ore,1
share_hidden,den,concentrate,1
share_hidden,den,hidden_ore,1
"""

RECORDS = """\
record,quantity,year,year_end,kind,value,low,high,unit,factor,sd,reporter,source,note
r_value,mined_registered,2010,,value,10.5,,,kt REO,,0.1,survey,yearbook,
r_tonnes,mined_registered,2011,,value,9800,,,t REO,,0.1,survey,yearbook,
r_gross,exported,2011,,value,4000,,,t gross,0.5,0.2,customs,yearbook,"gross weight, half oxide"
r_zero,used_other,2012,,zero,0,,0.05,kt REO,,0.1,survey,yearbook,
r_quota,mined_registered,2012,,quota,11,,,kt REO,,0.2,ministry,notice,
r_upper,exported,2013,,upper,,,3,kt REO,,0.3,customs,yearbook,
r_lower,made,2013,,lower,,4,,kt REO,,0.3,survey,yearbook,
r_range,mined_hidden,2014,,range,,0.5,5,kt REO,,0.5,journalist,article,
r_sum,made,2010,2012,cumulative,21,,,kt REO,,0.2,survey,yearbook,
r_mean,mined,2010,2015,mean,12,,,kt REO,,0.3,journalist,article,
r_share,share_hidden,2015,,value,0.2,,,fraction,,0.5,journalist,article,
r_ratio,share_hidden,2010,2011,mean,0.1,,,ratio,,0.5,journalist,article,
"""

PRIORS = """\
target,year,year_end,distribution,median,sd,step,unit,source,note
ore,,,lognormal,20,0.5,0.1,kt REO/yr,judgement-scale,
hidden_ore,2010,2011,lognormal,1,1,,kt REO/yr,judgement-scale,
hidden_ore,2014,2015,lognormal,3,1,,kt REO/yr,judgement-scale,
concentrate,,,share,0.6,0.4,,share,judgement-yield,
export_ore,,,share,0.3,0.8,0.2,share,judgement-split,
metal,,,share,0.8,0.4,,share,judgement-yield,
scrap,2012,2015,share,0.1,0.8,,share,judgement-split,
other,2013,,share,0.2,0.8,,share,judgement-split,
bias:*,,,normal,0,0.2,,log scale,judgement-reporters,
bias:survey,,,normal,0,0.02,,log scale,judgement-reporters,anchor
bias:customs,2010,2012,normal,-0.2,0.2,0.05,log scale,judgement-reporters,
bias:customs,2013,2015,normal,0,0.1,0.05,log scale,judgement-reporters,
noise:*,,,lognormal,1,0.3,,multiplier,judgement-reporters,
noise:journalist,,,lognormal,1.5,0.3,,multiplier,judgement-reporters,
step:input,,,lognormal,1,0.3,,multiplier,judgement-reporters,
step:market,,,lognormal,1,0.3,,multiplier,judgement-reporters,
step:bias,,,lognormal,1,0.3,,multiplier,judgement-reporters,
"""

SOURCES = """\
source,citation,year,url,licence,note
yearbook,Mineral Yearbook,2016,https://example.org/yearbook,public domain,
notice,Notice of the ministry,2012,https://example.org/notice,cited fact,
article,Newspaper article,2015,https://example.org/article,cited fact,
judgement-scale,"Authors' judgement: a small country",,,CC0-1.0,
judgement-yield,Authors' judgement: ordinary plants,,,CC0-1.0,
judgement-split,"Authors' judgement: wide, nothing is known",,,CC0-1.0,
judgement-reporters,Authors' judgement: the survey counts every mine,,,CC0-1.0,
"""

TABLES = {
    "study.toml": STUDY,
    "processes.csv": PROCESSES,
    "flows.csv": FLOWS,
    "quantities.csv": QUANTITIES,
    "records.csv": RECORDS,
    "priors.csv": PRIORS,
    "sources.csv": SOURCES,
}


def write_tables(folder: Path, **texts: str) -> Path:
    """Write the tiny study into `folder`, with some tables (named without suffix) replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TABLES.items():
        text = texts.get(name.partition(".")[0], text)
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


def shared_tables() -> dict[str, str]:
    """Return records and priors with errors in common, lags, second readings, recalled figures."""
    head, *rows = RECORDS.splitlines()
    more = {
        "r_tonnes": "grade,,,",
        "r_gross": "grade;copied,0.08,,",
        "r_ratio": "-copied;-bias:customs,,,",
        "r_share": ",,0.4,",
        "r_zero": ",0.25,,",
        "r_upper": ",,,recalled",
    }
    extra = (
        "r_memory,made,2014,,value,7,,,kt REO,,0.2,uncle,article,Heard.,hearsay;grade,,8,recalled"
    )
    extra += (
        "\nr_net,net_export,2014,,signed,-0.4,,,kt REO,,0.5,customs,yearbook,,grade,,,"
        "\nr_net_t,net_export,2012,,signed,1500,,,t REO,,900,customs,yearbook,,,0.1,,"
        "\nr_net_gross,net_export,2013,,signed,0,,,t gross,0.5,900,survey,yearbook,,copied,,,"
    )
    lines = [f"{row},{more.get(row.partition(',')[0], ',,,')}" for row in rows]
    extra += (
        "\nr_at_most,mined_hidden,2014,2015,mean_upper,,,4,kt REO,,0.5,journalist,article,,,,,"
        "\nr_at_least,made,2011,2014,mean_lower,,3,,kt REO,,0.3,survey,yearbook,,bias:customs,,,"
    )
    shared = "shared:{},,,normal,{},0.2,,log scale,judgement-reporters,\n"
    priors = PRIORS + "".join(
        shared.format(*pair) for pair in (("grade", 0), ("copied", -0.1), ("hearsay", 0))
    )
    priors += "bias:uncle,,,normal,0,0.5,,log scale,judgement-reporters,\n"
    records = "\n".join([f"{head},shared,lag,other,status", *lines, extra]) + "\n"
    return {"records": records, "priors": priors}


LEARNT_FREEDOM = "errors:freedom,,,lognormal,4,0.7,,degrees of freedom,judgement-reporters,\n"


def learnt_tables(*rows: str) -> dict[str, str]:
    """Return tables with heavy tails whose degrees of freedom are learnt, or with other rows."""
    texts = shared_tables()
    heavy = STUDY.replace('"normal"', '"student_t"')
    more = "".join(rows or (LEARNT_FREEDOM, LEARNT_SPREAD))
    return texts | {"study": heavy, "priors": texts["priors"] + more}


LEARNT_SPREAD = "noise:spread,,,lognormal,1,0.4,,multiplier,judgement-reporters,\n"

GOING_OVER = {
    "ore,,,lognormal,20,0.5,0.1,kt REO/yr,judgement-scale,": (
        "ore,2010,2011,lognormal,20,0.5,0.1,kt REO/yr,judgement-scale,,",
        "ore,2012,2015,lognormal,30,0.8,0.2,kt REO/yr,judgement-scale,,0.4",
    ),
    "metal,,,share,0.8,0.4,,share,judgement-yield,": (
        "metal,2010,2012,share,0.8,0.4,0.1,share,judgement-yield,,",
        "metal,2013,2014,share,0.6,0.6,0.1,share,judgement-yield,,0.5",
        "metal,2015,,share,0.7,0.6,0.1,share,judgement-yield,,",
    ),
    "bias:customs,2013,2015,normal,0,0.1,0.05,log scale,judgement-reporters,": (
        "bias:customs,2013,2015,normal,0,0.1,0.05,log scale,judgement-reporters,,0.2",
    ),
    "shared:grade,,,normal,0,0.2,,log scale,judgement-reporters,": (
        "shared:grade,,,normal,0.1,0.2,0.08,log scale,judgement-reporters,,",
    ),
}
"""Rows of priors whose periods go over into one another, and one of an error that moves."""


def gradual_tables() -> dict[str, str]:
    """Return tables with transitions between periods, and an error in common that moves."""
    texts = shared_tables()
    head, *rows = texts["priors"].splitlines()
    lines = [line for row in rows for line in GOING_OVER.get(row, (f"{row},",))]
    return texts | {"priors": "\n".join([f"{head},transition", *lines]) + "\n"}


def without_anchor(study: Study) -> Study:
    """Return the tiny study with one reporter of mines and metal, whose bias is free.

    Customs, which give an upper bound of exports only, are anchored in its place.
    """
    kept = study.with_records(
        record for record in study.records
        if record.reporter == "survey" or record.record == "r_upper"
    )  # fmt: skip
    for year in (2010, 2013):
        kept = kept.with_prior("bias:customs", year=year, sd=0.02)
    return kept.with_prior("bias:survey", sd=0.5)
