"""Japanese customs: tables by commodity and country, a column for each month and the year."""

from collections.abc import Iterator, Sequence

from reebayes.customs.flows import EXPORT, IMPORT, read_flow
from reebayes.customs.shipments import Line, Shipment
from reebayes.customs.tables import Columns, Table

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
QUANTITIES = ("Quantity1-Year", "Quantity2-Year")
MONTHLY = tuple(
    f"{name}-{month}" for month in MONTHS for name in ("Quantity1", "Quantity2", "Value")
)

COLUMNS = Columns(
    names=("Exp or Imp", "Year", "HS", "Country", "Unit1", "Unit2", *QUANTITIES, *MONTHLY),
    needed=("Exp or Imp", "Year", "HS", "Country", "Quantity1-Year|Quantity2-Year"),
    numbers=(*QUANTITIES, *MONTHLY),
    periods=("Year",),
    aliases={},
)
"""Values are in thousands of yen, which no other layout has; they are not read."""

WAYS = {"1": EXPORT, "2": IMPORT}
"""Codes of this site alone: Comtrade and Eurostat number the other way round."""


def read_japan(table: Table) -> Iterator[Shipment]:
    """Read a table of the statistics of trade of Japan."""
    last = _last_month(table.lines)
    for line in table.lines:
        way = line.key("Exp or Imp")
        flow = WAYS.get(way) or read_flow(way)
        if not flow:
            line.refuse("Exp or Imp", way, "flow is not known", "write 1 (export) or 2 (import)")
        period = line.period(("Year",))
        if last < len(MONTHS):
            reason = f"year is not complete: nothing after {MONTHS[last - 1]}"
            line.refuse("Year", line.text("Year"), reason, "wait for the figures of the year")
        country = line.key("Country")
        yield Shipment(
            file=table.file,
            row=line.row,
            layout="japan",
            source="",
            year=period.year,
            month=0,
            flow=flow,
            reporter="Japan",
            reporter_names=("JPN", "Japan"),
            partner=country,
            partner_names=(f"japan:{country}" if country.isdecimal() else country,),
            code=line.code("HS"),
            weight=_weight(line),
            value=None,
            sheet=table.sheet,
            withheld=line.withheld,
            problem=line.problem,
        )


def _weight(line: Line) -> float | None:
    weights = [line.weight(f"Quantity{n}-Year", line.text(f"Unit{n}")) for n in (1, 2)]
    return next((weight for weight in weights if weight), None)


def _last_month(lines: Sequence[Line]) -> int:
    """Return the last month in which any line has a figure; the file of a year grows by months."""
    columns = [[f"{n}-{m}" for n in ("Quantity1", "Quantity2", "Value")] for m in MONTHS]
    filled = [any(line.key(name) not in ("", "0") for line in lines for name in names)
              for names in columns]  # fmt: skip
    last = max((number for number, found in enumerate(filled, 1) if found), default=0)
    return last or len(MONTHS)
