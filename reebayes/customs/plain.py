"""A plain table with documented columns, for figures from anywhere else."""

from collections.abc import Iterator

from reebayes.customs.grids import Rows
from reebayes.customs.shipments import EXPORT, IMPORT, Line, Shipment, rows_below

NEEDED = ("year", "reporter", "partner", "flow", "code", "weight_kg", "source")
OPTIONAL = ("value_usd",)


def read_plain(file: str, header: list[str], rows: Rows) -> Iterator[Shipment]:
    """Read a plain table: one row a year, reporter, partner, flow and code."""
    for number, cells in rows_below(rows, header):
        line = Line(cells)
        flow = line.text("flow").casefold().rstrip("s")
        if flow not in (EXPORT, IMPORT):
            advice = "write 'import' or 'export'"
            line.refuse("flow", line.text("flow"), "flow is neither import nor export", advice)
        year = line.year(line.text("year"), "year")
        yield Shipment(
            file=file,
            row=number,
            layout="own",
            source=line.text("source"),
            year=year,
            month=0,
            flow=flow,
            reporter=line.text("reporter"),
            reporter_names=(line.text("reporter"),),
            partner=line.text("partner"),
            partner_names=(line.text("partner"),),
            code=line.code("code"),
            weight=line.number("weight_kg"),
            value=line.number("value_usd"),
            problem=line.problem,
        )
