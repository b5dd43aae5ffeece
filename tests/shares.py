"""A market that is split among four uses, of which one reporter prints the shares as a table."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from reebayes.study import Study, read_study
from tests.tiny import write_tables

USES = ("a", "b", "c", "d")
TRUE = (0.55, 0.25, 0.15, 0.05)
SD = (0.2, 0.3, 0.15, 0.4)

STUDY = """\
name = "Shares"
unit = "kt REO/yr"
first_year = 2010
last_year = 2012

[settings]
error_distribution = "normal"
degrees_of_freedom = 4
"""

PROCESSES = (
    "process,kind,region,label\nnature,environment,,Ore\nmarket,market,A,Market\n"
    + "".join(f"use_{use},use,A,Use {use}\n" for use in USES)
)
FLOWS = (
    "flow,source,target,product,registered,active,label\n"
    "supply,nature,market,metal,true,2010-2012,Supply\n"
) + "".join(f"to_{use},market,use_{use},metal,true,2010-2012,To {use}\n" for use in USES)
QUANTITIES = "quantity,part,flow,weight\nsupplied,num,supply,1\n" + "".join(
    f"share_{use},num,to_{use},1\n" + "".join(f"share_{use},den,to_{den},1\n" for den in USES)
    for use in USES
)
HEAD = (
    "record,quantity,year,year_end,kind,value,low,high,unit,factor,sd,reporter,source,note,"
    "shared,composition\n"
)
TOTALS = "".join(
    f"total_{year},supplied,{year},,value,10,,,kt REO,,0.05,survey,book,,,\n"
    for year in (2010, 2011, 2012)
)
PRIORS = """\
target,year,year_end,distribution,median,sd,step,unit,source,note
supply,,,lognormal,10,0.5,0.2,kt REO/yr,judgement,
to_a,,,share,0.4,1.0,0.2,share,judgement,
to_b,,,share,0.2,1.0,0.2,share,judgement,
to_c,,,share,0.2,1.0,0.2,share,judgement,
bias:survey,,,normal,0,0.02,,log scale,judgement,
bias:office,,,normal,0,0.5,,log scale,judgement,
shared:line_a,,,normal,0,0.3,,log scale,judgement,
noise:*,,,lognormal,1,0.3,,multiplier,judgement,
"""
SOURCES = """\
source,citation,year,url,licence,note
book,A Book of Uses,2016,https://example.org/book,public domain,
judgement,"Authors' judgement: wide",,,CC0-1.0,
"""


def part(
    use: str, value: float, sd: float, *, year: int = 2010, shared: str = "", table: str = "uses"
) -> str:
    """A row of records.csv: the share of a use in a printed table."""
    return (
        f"{use}_{year},share_{use},{year},,value,{value},,,fraction,,{sd},office,book,,"
        f"{shared},{table}\n"
    )


def rows(
    shares: Sequence[float] = TRUE,
    sds: Sequence[float] = SD,
    *,
    years: Iterable[int] = (2010,),
    order: Sequence[int] | None = None,
) -> str:
    """Rows of whole tables, one a year; the first use shares an error over the years."""
    places = range(len(shares)) if order is None else order
    return "".join(
        part(USES[n], shares[n], sds[n], year=year, shared="line_a" if n == 0 else "")
        for year in years
        for n in places
    )


def shares_study(folder: Path, parts: str, *, priors: str = PRIORS) -> Study:
    """The study with some rows of parts, read from its tables."""
    if "line_a" not in parts:
        priors = "".join(line for line in priors.splitlines(True) if "line_a" not in line)
    if "office" not in parts:
        priors = "".join(line for line in priors.splitlines(True) if "office" not in line)
    return read_study(write_shares(folder, parts, priors=priors))


def write_shares(folder: Path, parts: str, *, priors: str = PRIORS) -> Path:
    """Write the tables of the study."""
    return write_tables(
        folder, study=STUDY, processes=PROCESSES, flows=FLOWS, quantities=QUANTITIES,
        records=HEAD + TOTALS + parts, priors=priors, sources=SOURCES,
    )  # fmt: skip
