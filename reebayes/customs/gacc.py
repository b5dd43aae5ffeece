"""Chinese customs: the CSV export of the online query of trade statistics."""

from collections.abc import Iterator, Mapping, Sequence

from reebayes.customs.shipments import Shipment
from reebayes.customs.tables import Columns, Table, plain_name
from reebayes.errors import Fault, StudyError

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
    "年月": "Date of data",
    "商品代码": "Commodity code",
    "贸易伙伴": "Trading partner",
    "国家(地区)": "Trading partner",
    "数量": "Quantity",
    "计量单位": "Unit",
    # The site's own spelling of some years.
    "Supplimentary Quantity": "Supplementary Quantity",
    "Supplimentary Unit": "Supplementary Unit",
}
"""Chinese and older headers as the English ones of today."""

COLUMNS = Columns(
    names=tuple(dict.fromkeys(ENGLISH.values())),
    needed=(
        "Date of data",
        "Commodity code",
        "Trading partner|Trading partner code",
        *("Quantity", "Unit"),
    ),
    numbers=("Quantity", "Supplementary Quantity", "US dollar"),
    periods=("Date of data",),
    aliases=ENGLISH,
)
PARTS = (
    *("Customs Regime code", "Customs Regime", "Locations of importers and exporters code"),
    "Locations of importers and exporters",
)
MOST_ROWS = 10_000
"""The site cuts a download at so many rows and does not say so."""


def lacks_date(cells: Sequence[str]) -> bool:
    """Return whether a header is one of the site's for a single month, which has no dates."""
    known = COLUMNS.known
    return {"Commodity code", "Trading partner"} <= {known.get(plain_name(c), "") for c in cells}


def read_export(table: Table) -> Iterator[Shipment]:
    """Read an export of the statistics site; the file does not say which way the goods went.

    Raises
    ------
    StudyError
        If the user does not say it either.
    """
    if table.flow is None and table.lines:
        message = (
            "a download of Chinese customs does not say whether it holds imports or exports; "
            "name it with --imports or --exports"
        )
        raise StudyError([Fault(table.file, None, "", "", message)])
    for line in table.lines:
        partner, code = line.text("Trading partner"), line.key("Trading partner code")
        period = line.period(("Date of data",), ("month",), "frequency")
        first = line.weight("Quantity", line.text("Unit"))
        weight = first or line.weight("Supplementary Quantity", line.text("Supplementary Unit"))
        yield Shipment(
            file=table.file,
            row=line.row,
            layout="gacc",
            source="",
            year=period.year,
            month=period.month,
            flow=table.flow or "",
            reporter="China",
            reporter_names=("CHN", "China"),
            partner=partner or code,
            partner_names=tuple(filter(None, (partner, f"gacc:{code}" if code else ""))),
            code=line.code("Commodity code"),
            weight=weight,
            value=line.number("US dollar"),
            sheet=table.sheet,
            part="/".join(filter(None, (line.text(column) for column in PARTS))),
            withheld=line.withheld,
            problem=line.problem,
        )
