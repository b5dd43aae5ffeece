"""UN Comtrade: the layout of today's downloads, and the one of the older site.

Columns are known by their names without case and signs, so that frames of the R package comtradr
(``ref_year``) and of the Python package comtradeapicall, and the bulk files, are read as well.
"""

from collections.abc import Iterator

from reebayes.customs.flows import IMPORT, read_flow
from reebayes.customs.shipments import Line, Shipment
from reebayes.customs.tables import Columns, Table

PLUS = Columns(
    names=(
        *("freqCode", "refYear", "refMonth", "period", "reporterCode", "reporterISO"),
        *("reporterDesc", "flowCode", "flowDesc", "partnerCode", "partnerISO", "partnerDesc"),
        *("partner2Code", "classificationCode", "isOriginalClassification", "cmdCode"),
        *("customsCode", "mosCode", "motCode", "qtyUnitCode", "qtyUnitAbbr", "qty"),
        *("isQtyEstimated", "netWgt", "isNetWgtEstimated", "primaryValue", "legacyEstimationFlag"),
    ),
    needed=(
        *("refYear|period", "reporterCode|reporterISO|reporterDesc", "flowCode|flowDesc"),
        *("partnerCode|partnerISO|partnerDesc", "cmdCode", "netWgt|qty"),
    ),
    numbers=("netWgt", "qty", "primaryValue"),
    periods=("refYear", "period"),
    aliases={"frequency": "freqCode", "freq": "freqCode", "month": "refMonth"},
)
LEGACY = Columns(
    names=(
        *("Classification", "Year", "Period", "Trade Flow Code", "Trade Flow", "Reporter Code"),
        *("Reporter", "Reporter ISO", "Partner Code", "Partner", "Partner ISO", "Commodity Code"),
        *("2nd Partner Code", "Customs Proc. Code", "Mode of Transport Code", "Qty Unit", "Qty"),
        *("Netweight (kg)", "Trade Value (US$)", "Flag"),
    ),
    needed=(
        *("Year|Period", "Trade Flow|Trade Flow Code", "Reporter|Reporter Code|Reporter ISO"),
        *("Partner|Partner Code|Partner ISO", "Commodity Code", "Netweight (kg)|Qty"),
    ),
    numbers=("Netweight (kg)", "Qty", "Trade Value (US$)"),
    periods=("Year", "Period"),
    aliases={
        "trade_value_usd": "Trade Value (US$)",
        "second_partner_code": "2nd Partner Code",
        "X2nd.Partner.Code": "2nd Partner Code",
        "customs_proc_code": "Customs Proc. Code",
    },
)

DIMENSIONS = (
    ("customs procedure", ("customsCode", "Customs Proc. Code"), ("C00",)),
    ("mode of supply", ("mosCode",), ("0",)),
    ("mode of transport", ("motCode", "Mode of Transport Code"), ("0",)),
    ("second partner", ("partner2Code", "2nd Partner Code"), ("0", "W00")),
)
"""What a line may be broken down by: name, its column in either layout, the code of its total."""

ESTIMATED_WEIGHT, ESTIMATED_QUANTITY = ("4", "6"), ("2", "6")
"""Flags of the older layout that say that the weight, or the quantity, was estimated."""

KILOGRAMS = {"8": "kg"}
"""Code of the unit, in files that do not name it."""


def read_plus(table: Table) -> Iterator[Shipment]:
    """Read a download of Comtrade Plus."""
    for line in table.lines:
        period = line.period(("refYear", "period"), ("refMonth",), "freqCode")
        weight, estimated = _plus_weight(line)
        original = line.text("isOriginalClassification") == "" or line.truth(
            "isOriginalClassification"
        )
        yield Shipment(
            file=table.file,
            row=line.row,
            layout="comtrade",
            source="",
            year=period.year,
            month=period.month,
            flow=_flow(line, "flowCode", "flowDesc"),
            reporter=line.text("reporterDesc", "reporterISO", "reporterCode"),
            reporter_names=line.names("reporterISO", "reporterCode", "reporterDesc"),
            partner=line.text("partnerDesc", "partnerISO", "partnerCode"),
            partner_names=line.names("partnerISO", "partnerCode", "partnerDesc"),
            code=line.code("cmdCode"),
            weight=weight,
            value=line.number("primaryValue"),
            sheet=table.sheet,
            breakdown=_breakdown(line),
            classification=line.key("classificationCode"),
            original=original,
            estimated=estimated,
            withheld=line.withheld,
            problem=line.problem,
        )


def _plus_weight(line: Line) -> tuple[float | None, bool]:
    """Return the weight, and whether the office estimated it."""
    flag = line.key("legacyEstimationFlag")
    if weight := line.number("netWgt"):
        return weight, line.truth("isNetWgtEstimated") or flag in ESTIMATED_WEIGHT
    unit = line.text("qtyUnitAbbr") or KILOGRAMS.get(line.key("qtyUnitCode"), "")
    if quantity := line.weight("qty", unit):
        return quantity, line.truth("isQtyEstimated") or flag in ESTIMATED_QUANTITY
    return weight, False


def read_legacy(table: Table) -> Iterator[Shipment]:
    """Read a download of the site that Comtrade had until 2023."""
    for line in table.lines:
        period = line.period(("Year", "Period"), ("month",), "frequency")
        weight, estimated = _legacy_weight(line)
        yield Shipment(
            file=table.file,
            row=line.row,
            layout="comtrade",
            source="",
            year=period.year,
            month=period.month,
            flow=_flow(line, "Trade Flow", "Trade Flow Code"),
            reporter=line.text("Reporter", "Reporter ISO", "Reporter Code"),
            reporter_names=line.names("Reporter ISO", "Reporter Code", "Reporter"),
            partner=line.text("Partner", "Partner ISO", "Partner Code"),
            partner_names=line.names("Partner ISO", "Partner Code", "Partner"),
            code=line.code("Commodity Code"),
            weight=weight,
            value=line.number("Trade Value (US$)"),
            sheet=table.sheet,
            breakdown=_breakdown(line),
            classification=line.text("Classification"),
            estimated=estimated,
            withheld=line.withheld,
            problem=line.problem,
        )


def _legacy_weight(line: Line) -> tuple[float | None, bool]:
    flag = line.key("Flag")
    if weight := line.number("Netweight (kg)"):
        return weight, flag in ESTIMATED_WEIGHT
    quantity = line.weight("Qty", line.text("Qty Unit"))
    return (quantity, flag in ESTIMATED_QUANTITY) if quantity else (weight, False)


def _flow(line: Line, *columns: str) -> str:
    """Return the flow that the first column that can be read names."""
    named = [read_flow(line.key(column)) for column in columns]
    found = next(filter(None, named), "")
    if not found:
        line.refuse(
            columns[0], line.text(*columns), "flow is not known", f"write '{IMPORT}' or 'export'"
        )
    return found


def _breakdown(line: Line) -> tuple[str, ...]:
    """Name what the line is a part of: a dimension whose code is not that of the total."""
    codes = ((name, _digits(line.key(*columns)), totals) for name, columns, totals in DIMENSIONS)
    return tuple(f"{name} {code}" for name, code, totals in codes if code not in ("", *totals))


def _digits(code: str) -> str:
    return str(int(code)) if code.isdecimal() else code.upper()
