"""Chinese customs: the CSV export of the online query of trade statistics."""

from collections.abc import Iterator, Mapping

from reebayes.customs.grids import Rows
from reebayes.customs.shipments import Line, Shipment, rows_below

ENGLISH: Mapping[str, str] = {
    "数据年月": "Date of data",
    "商品编码": "Commodity code",
    "商品名称": "Commodity",
    "贸易伙伴编码": "Trading partner code",
    "贸易伙伴名称": "Trading partner",
    "贸易方式编码": "Customs Regime code",
    "贸易方式名称": "Customs Regime",
    "注册地编码": "Locations of importers and exporters code",
    "注册地名称": "Locations of importers and exporters",
    "第一数量": "Quantity",
    "第一计量单位": "Unit",
    "第二数量": "Supplementary Quantity",
    "第二计量单位": "Supplementary Unit",
    "美元": "US dollar",
    "人民币": "Renminbi Yuan",
    # The site's own spelling of some years.
    "Supplimentary Quantity": "Supplementary Quantity",
    "Supplimentary Unit": "Supplementary Unit",
}
"""Chinese and older headers as the English ones of today."""

NEEDED = ("Date of data", "Commodity code", "Trading partner", "Quantity", "Unit")
PARTS = (
    *("Customs Regime code", "Customs Regime", "Locations of importers and exporters code"),
    "Locations of importers and exporters",
)
MOST_ROWS = 10_000
"""The site cuts a download at so many rows and does not say so."""


def translated(header: list[str]) -> list[str]:
    """Return a header in the site's English of today."""
    return [ENGLISH.get(name, name) for name in header]


def read_export(file: str, header: list[str], rows: Rows, flow: str) -> Iterator[Shipment]:
    """Read an export of the statistics site; the file does not say which way the goods went."""
    for number, cells in rows_below(rows, translated(header)):
        line = Line(cells)
        date, partner = line.text("Date of data"), line.text("Trading partner")
        code = line.text("Trading partner code")
        first = line.weight("Quantity", line.text("Unit"))
        weight = first or line.weight("Supplementary Quantity", line.text("Supplementary Unit"))
        yield Shipment(
            file=file,
            row=number,
            layout="gacc",
            source="",
            year=line.year(date, "Date of data"),
            month=int(date[4:6]) if len(date) == 6 and date.isdecimal() else 0,
            flow=flow,
            reporter="China",
            reporter_names=("CHN", "China"),
            partner=partner,
            partner_names=(partner, f"gacc:{code}") if code else (partner,),
            code=line.code("Commodity code"),
            weight=weight,
            value=line.number("US dollar"),
            part="/".join(filter(None, (line.text(column) for column in PARTS))),
            problem=line.problem,
        )
