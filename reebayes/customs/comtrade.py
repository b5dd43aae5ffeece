"""UN Comtrade: the layout of today's downloads, and the one of the older site."""

from collections.abc import Iterator, Mapping

from reebayes.customs.grids import Rows
from reebayes.customs.shipments import EXPORT, IMPORT, Line, Shipment, rows_below

PLUS = ("refYear", "reporterCode", "flowCode", "partnerCode", "cmdCode", "netWgt")
LEGACY = ("Year", "Trade Flow", "Reporter", "Partner", "Commodity Code", "Netweight (kg)")

FLOWS: Mapping[str, str] = {"m": IMPORT, "x": EXPORT, "import": IMPORT, "export": EXPORT}
"""Totals of trade. Any other flow is a part of one of them, or no trade in goods."""

DIMENSIONS = (
    ("customs procedure", ("customsCode", "Customs Proc. Code"), ("C00",)),
    ("mode of supply", ("mosCode",), ("0",)),
    ("mode of transport", ("motCode", "Mode of Transport Code"), ("0",)),
    ("second partner", ("partner2Code", "2nd Partner Code"), ("0",)),
)
"""What a line may be broken down by: name, its column in either layout, the code of its total."""

ESTIMATED_WEIGHT = ("4", "6")
"""Flags of the older layout that say that the weight was estimated."""


def read_plus(file: str, header: list[str], rows: Rows) -> Iterator[Shipment]:
    """Read a download of Comtrade Plus."""
    for number, cells in rows_below(rows, header):
        line = Line(cells)
        unit = line.text("qtyUnitAbbr")
        weight = line.number("netWgt") or line.weight("qty", unit)
        flow = line.text("flowCode")
        yield Shipment(
            file=file,
            row=number,
            layout="comtrade",
            source="",
            year=line.year(line.text("refYear", "period"), "refYear"),
            month=_month(line.text("freqCode"), line.text("refMonth")),
            flow=FLOWS.get(flow.casefold(), line.text("flowDesc") or flow),
            reporter=line.text("reporterDesc", "reporterISO", "reporterCode"),
            reporter_names=_names(line, "reporterISO", "reporterCode", "reporterDesc"),
            partner=line.text("partnerDesc", "partnerISO", "partnerCode"),
            partner_names=_names(line, "partnerISO", "partnerCode", "partnerDesc"),
            code=line.code("cmdCode"),
            weight=weight,
            value=line.number("primaryValue"),
            breakdown=_breakdown(line),
            classification=line.text("classificationCode"),
            original=line.text("isOriginalClassification").casefold() != "false",
            estimated=line.text("isNetWgtEstimated").casefold() == "true",
            problem=line.problem,
        )


def read_legacy(file: str, header: list[str], rows: Rows) -> Iterator[Shipment]:
    """Read a download of the site that Comtrade had until 2023."""
    for number, cells in rows_below(rows, header):
        line = Line(cells)
        weight = line.number("Netweight (kg)") or line.weight("Qty", line.text("Qty Unit"))
        period, flow = line.text("Period", "Year"), line.text("Trade Flow")
        yield Shipment(
            file=file,
            row=number,
            layout="comtrade",
            source="",
            year=line.year(line.text("Year"), "Year"),
            month=int(period[4:6]) if len(period) == 6 and period.isdecimal() else 0,
            flow=FLOWS.get(flow.casefold().rstrip("s"), flow),
            reporter=line.text("Reporter", "Reporter ISO"),
            reporter_names=_names(line, "Reporter ISO", "Reporter Code", "Reporter"),
            partner=line.text("Partner", "Partner ISO"),
            partner_names=_names(line, "Partner ISO", "Partner Code", "Partner"),
            code=line.code("Commodity Code"),
            weight=weight,
            value=line.number("Trade Value (US$)"),
            breakdown=_breakdown(line),
            classification=line.text("Classification"),
            estimated=line.text("Flag") in ESTIMATED_WEIGHT,
            problem=line.problem,
        )


def _month(frequency: str, month: str) -> int:
    # A year has the month 52.
    return int(month) if frequency == "M" and month.isdecimal() else 0


def _names(line: Line, *columns: str) -> tuple[str, ...]:
    return tuple(name for name in map(line.text, columns) if name)


def _breakdown(line: Line) -> tuple[str, ...]:
    """Name what the line is a part of: a dimension whose code is not that of the total."""
    codes = ((name, line.text(*columns), totals) for name, columns, totals in DIMENSIONS)
    return tuple(f"{name} {code}" for name, code, totals in codes if code not in ("", *totals))
