"""USITC DataWeb: tables of one measure each, stacked in one sheet or in a sheet apiece."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reebayes.customs.grids import Document
from reebayes.customs.shipments import EXPORT, IMPORT, Line, Problem, Shipment
from reebayes.errors import Fault, StudyError

NEEDED = ("Data Type", "HTS Number", "Country")
DESCRIPTIVE = (*NEEDED, "Description", "Year", "Quantity Description")
QUANTITIES = ("First Unit of Quantity", "Second Unit of Quantity")
VALUES = ("Customs Value", "FAS Value", "CIF Imports Value", "Landed Duty-Paid Value")
"""The first of these that a file has is the value; its units of quantity, those in kg."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = re.compile(rf"({'|'.join(MONTHS)})[a-z]*")
_YEAR = re.compile(r"(?:Year )?(\d{4})|January (\d{4}) to December (?:\2)")
_TITLE = re.compile(r"data for (\d{4})")
_SPAN = re.compile(r"\b(19|20)\d{2}\b")
_MEASURE = re.compile(r".*(Value|Quantity|Charges|Duties)")


@dataclass(slots=True)
class _Figures:
    """Figures of one commodity, country, period and breakdown, from tables of measures."""

    row: int
    code: str
    country: str
    period: str
    part: str
    quantities: dict[tuple[str, str], str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Tables:
    """What the tables of a document add up to, and the lines that belong to no commodity."""

    figures: dict[tuple[str, str, str, str], list[_Figures]] = field(default_factory=dict)
    totals: list[tuple[int, list[str]]] = field(default_factory=list)
    trade_flow: str = ""

    def add(self, row: int, cells: Mapping[str, str], title_year: str) -> None:
        """Take the figures of one row: those in the columns that describe nothing."""
        placed = {name: _placed(name, cells, title_year) for name in cells if name}
        part = "/".join(
            cells[name]
            for name, place in placed.items()
            if place is None and name not in DESCRIPTIVE and cells[name]
        )
        for name, place in placed.items():
            if place is not None:
                self._put(row, cells, place, part, cells[name])

    def _put(
        self, row: int, cells: Mapping[str, str], place: tuple[str, str], part: str, text: str
    ) -> None:
        measure, period = place
        code, country = cells["HTS Number"], cells["Country"]
        items = self.figures.setdefault((code, country, period, part), [])
        unit = cells.get("Quantity Description", "")
        is_quantity = measure.endswith(QUANTITIES)
        taken = (measure, unit) if is_quantity else measure
        # A row that comes twice makes two shipments, for the checks of repeated rows to find.
        free = (i for i in items if taken not in i.quantities and taken not in i.values)
        item = next(free, None)
        if item is None:
            item = _Figures(row, code, country, period, part)
            items.append(item)
        if is_quantity:
            item.quantities[measure, unit] = text
        else:
            item.values[measure] = text


def read_dataweb(document: Document, given: str | None) -> Iterator[Shipment]:
    """Read a workbook or CSV export; `given` is the flow, if the user says it.

    Raises
    ------
    StudyError
        If nothing says whether the goods went in or out.
    """
    tables = _read_tables(document)
    flow = given or _flow(tables)
    if flow is None:
        message = "file does not say whether it holds imports or exports; name it with --imports "
        fault = Fault(document.name, None, "Trade Flow", "", message + "or --exports")
        raise StudyError([fault])
    for items in tables.figures.values():
        yield from (_shipment(document.name, flow, item) for item in items)
    for row, cells in tables.totals:
        text = " ".join(filter(None, cells))
        item = _Figures(row, "", "", "", "")
        advice = "nothing, if it is a total of the table"
        problem = Problem("HTS Number", text, "row without a commodity", advice)
        yield _shipment(document.name, flow, item, problem)


def _read_tables(document: Document) -> _Tables:
    tables = _Tables()
    for grid in document.grids:
        header: list[str] = []
        year = ""
        for number, cells in grid.rows:
            if set(NEEDED) <= set(cells):
                header = cells
            elif found := _TITLE.search(cells[0]):
                header, year = [], found[1]
            elif cells[0] == "Trade Flow":
                tables.trade_flow = next((cell for cell in cells[1:] if cell), "")
            elif header:
                row = dict(zip(header, cells, strict=False))
                if row.get("Data Type") and row.get("HTS Number") and row.get("Country"):
                    tables.add(number, row, year)
                elif sum(map(bool, cells)) > 1:
                    tables.totals.append((number, cells))
    return tables


def _placed(name: str, cells: Mapping[str, str], title_year: str) -> tuple[str, str] | None:
    """Return measure and period of a column of figures; None for a column of words."""
    if name in DESCRIPTIVE:
        return None
    whole, year = _YEAR.fullmatch(name), cells.get("Year", "") or title_year
    if whole:
        return cells["Data Type"], whole[1] or whole[2]
    if _SPAN.search(name):
        return cells["Data Type"], name
    if month := _MONTH.fullmatch(name):
        return cells["Data Type"], f"{year}{MONTHS.index(month[1]) + 1:02d}"
    return (name, year) if _MEASURE.fullmatch(name) else None


def _flow(tables: _Tables) -> str | None:
    values = {name for items in tables.figures.values() for item in items for name in item.values}
    words = tables.trade_flow or " ".join(sorted(values))
    if "Foreign Exports" in words:
        return "foreign exports"
    if re.search("Export|FAS", words):
        return EXPORT
    return IMPORT if re.search("Import|Customs Value|CIF|Landed", words) else None


def _shipment(file: str, flow: str, item: _Figures, problem: Problem | None = None) -> Shipment:
    measures = {f"{name} ({unit})": text for (name, unit), text in item.quantities.items()}
    line = Line({"HTS Number": item.code, **measures, **item.values})
    weights = [line.weight(f"{name} ({unit})", unit) for name, unit in sorted(item.quantities)]
    names = [name for wanted in VALUES for name in item.values if name.endswith(wanted)]
    values = [line.number(name) for name in names]
    dated = re.fullmatch(r"(\d{4})(\d{2})?", item.period)
    if not dated:
        advice = "ask for full calendar years"
        line.refuse("Year", item.period, "not a calendar year", advice)
    return Shipment(
        file=file,
        row=item.row,
        layout="usitc",
        source="",
        year=int(dated[1]) if dated else 0,
        month=int(dated[2] or 0) if dated else 0,
        flow=flow,
        reporter="United States",
        reporter_names=("USA", "United States"),
        partner=item.country,
        partner_names=(item.country,),
        code="" if problem else line.code("HTS Number"),
        weight=next((weight for weight in weights if weight), None),
        value=next((value for value in values if value is not None), None),
        part=item.part,
        problem=problem or line.problem,
    )
