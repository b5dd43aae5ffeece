"""Eurostat Comext: the bulk files of the trade of the European Union, of either generation."""

from collections.abc import Iterator

from reebayes.customs.flows import IMPORT, read_flow
from reebayes.customs.shipments import Line, Shipment
from reebayes.customs.tables import Columns, Table

COLUMNS = Columns(
    names=(
        *("REPORTER", "REPORTER_ISO", "PARTNER", "PARTNER_ISO", "PRODUCT_NC", "FLOW"),
        *("STAT_REGIME", "PERIOD", "QUANTITY_IN_KG"),
    ),
    needed=(
        *("REPORTER|REPORTER_ISO", "PARTNER|PARTNER_ISO", "PRODUCT_NC", "FLOW", "PERIOD"),
        "QUANTITY_IN_KG",
    ),
    numbers=("QUANTITY_IN_KG",),
    periods=("PERIOD",),
    aliases={
        "DECLARANT": "REPORTER",
        "DECLARANT_ISO": "REPORTER_ISO",
        "PRODUCT": "PRODUCT_NC",
        "STAT_PROCEDURE": "STAT_REGIME",
        "QUANTITY_KG": "QUANTITY_IN_KG",
        "TIME_PERIOD": "PERIOD",
    },
)
"""Values are in euros, which no other layout has; they are not read."""

ALL_REGIMES = "4"
"""Code of the statistical regime that is the total of the others."""


def read_comext(table: Table) -> Iterator[Shipment]:
    """Read a bulk file; the year's total is the month 52 of its period."""
    has_total = any(line.key("STAT_REGIME") == ALL_REGIMES for line in table.lines)
    for line in table.lines:
        flow = read_flow(line.key("FLOW"))
        if not flow:
            line.refuse("FLOW", line.text("FLOW"), "flow is not known", f"write 1 ({IMPORT}) or 2")
        year, month = _period(line)
        regime = line.key("STAT_REGIME")
        part = f"statistical regime {regime}" if regime not in ("", ALL_REGIMES) else ""
        yield Shipment(
            file=table.file,
            row=line.row,
            layout="comext",
            source="",
            year=year,
            month=month,
            flow=flow,
            reporter=line.text("REPORTER_ISO", "REPORTER"),
            reporter_names=_names(line, "REPORTER_ISO", "REPORTER"),
            partner=line.text("PARTNER_ISO", "PARTNER"),
            partner_names=_names(line, "PARTNER_ISO", "PARTNER"),
            code=line.code("PRODUCT_NC"),
            weight=line.number("QUANTITY_IN_KG"),
            value=None,
            sheet=table.sheet,
            breakdown=(part,) if part and has_total else (),
            part="" if has_total else part,
            withheld=line.withheld,
            problem=line.problem,
        )


def _period(line: Line) -> tuple[int, int]:
    text = line.key("PERIOD")
    if len(text) == 6 and text.endswith("52"):
        return int(text[:4]), 0
    period = line.period(("PERIOD",), ("month",), "frequency")
    return period.year, period.month


def _names(line: Line, *columns: str) -> tuple[str, ...]:
    """Return the names of an area; numbers are Eurostat's own, not those of other sites."""
    texts = line.names(*columns)
    return tuple(f"eurostat:{text}" if text.isdecimal() else text for text in texts)
