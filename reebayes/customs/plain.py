"""A plain table with documented columns, for figures from anywhere else."""

from collections.abc import Iterator

from reebayes.customs.flows import EXPORT, IMPORT, PART, read_flow
from reebayes.customs.shipments import Line, Shipment
from reebayes.customs.tables import Columns, Table

COLUMNS = Columns(
    names=(
        *("year", "period", "reporter", "partner", "flow", "code", "weight_kg", "value_usd"),
        *("source", "estimated", "suppressed"),
    ),
    needed=("year|period", "reporter", "partner", "flow", "code", "weight_kg", "source"),
    numbers=("weight_kg", "value_usd"),
    periods=("year", "period"),
    aliases={"freq": "frequency"},
)


def read_plain(table: Table) -> Iterator[Shipment]:
    """Read a plain table: one row a year, reporter, partner, flow and code."""
    for line in table.lines:
        flow = _flow(line)
        period = line.period(("year", "period"), ("month",), "frequency")
        yield Shipment(
            file=table.file,
            row=line.row,
            layout="own",
            source=line.text("source"),
            year=period.year,
            month=period.month,
            flow=flow,
            reporter=line.text("reporter"),
            reporter_names=line.names("reporter"),
            partner=line.text("partner"),
            partner_names=line.names("partner"),
            code=line.code("code"),
            weight=line.number("weight_kg"),
            value=line.number("value_usd"),
            sheet=table.sheet,
            estimated=line.truth("estimated"),
            withheld=line.truth("suppressed") or line.withheld,
            problem=line.problem,
        )


def _flow(line: Line) -> str:
    flow = read_flow(line.key("flow"))
    if flow not in (EXPORT, IMPORT, PART):
        advice = "write 'import' or 'export'"
        line.refuse("flow", line.text("flow"), "flow is neither import nor export", advice)
    return flow
