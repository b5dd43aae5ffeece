"""USITC DataWeb: tables of one measure each, stacked in one sheet or in a sheet apiece."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reebayes.customs.flows import EXPORT, IMPORT, PART
from reebayes.customs.grids import Document, Grid
from reebayes.customs.numerals import Notation, notations
from reebayes.customs.periods import WHOLE, read_month, read_period
from reebayes.customs.shipments import BLANKS, FALSE, Line, Problem, Shipment
from reebayes.customs.tables import plain_name
from reebayes.errors import Fault, StudyError

NEEDED = ("Data Type", "HTS Number", "Country")
DESCRIPTIVE = (
    *(*NEEDED, "Description", "Year", "Month", "Quarter", "Quantity Description", "Suppressed"),
)
_KNOWN = {plain_name(name): name for name in DESCRIPTIVE} | {
    "schedulebnumber": "HTS Number",
    "htsno": "HTS Number",
}
QUANTITIES = ("First Unit of Quantity", "Second Unit of Quantity")
VALUES = ("Customs Value", "FAS Value", "CIF Imports Value", "Landed Duty-Paid Value")
"""The first of these that a file has is the value; its units of quantity, those in kg."""

QUERY = ("trade flow", "classification system", "download date")
"""First cells, in lower case, of the sheet that says what was asked for."""

_TITLE = re.compile(r"([\w -]*?)\s*\bdata for (\d{4})")
_MEASURE = re.compile(r".*(Value|Quantity|Charges|Duties)")


@dataclass(slots=True)
class _Figures:
    """Figures of one commodity, country, period and breakdown, from tables of measures."""

    row: int
    sheet: str
    code: str
    country: str
    period: str
    part: str
    withheld: bool = False
    quantities: dict[tuple[str, str], str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Block:
    """The rows below one header: their columns, and what the title above says of the period."""

    sheet: str
    header: list[str]
    title: str
    year: str
    rows: list[tuple[int, list[str]]]

    @property
    def words(self) -> set[str]:
        """Columns that neither describe a line in a known way nor hold figures."""
        names = (name for name in self.header if name and name not in DESCRIPTIVE)
        return {name for name in names if not _holds_figures(name)}


@dataclass(slots=True)
class _Tables:
    """What the tables of a document add up to, and the lines that belong to no commodity."""

    figures: dict[tuple[str, str, str, str], list[_Figures]] = field(default_factory=dict)
    totals: list[tuple[_Figures, Problem]] = field(default_factory=list)
    trade_flow: str = ""

    def add(self, block: _Block, row: int, cells: Mapping[str, str], parts: list[str]) -> None:
        """Take the figures of one row: those in the columns that describe nothing."""
        part = "/".join(cells[name] for name in parts if cells.get(name))
        for name in cells:
            if name not in DESCRIPTIVE and _holds_figures(name):
                measure, period = _placed(name, cells, block)
                item = _Figures(
                    row, block.sheet, cells["HTS Number"], cells["Country"], period, part
                )
                self._put(item, measure, cells, cells[name])

    def _put(self, new: _Figures, measure: str, cells: Mapping[str, str], text: str) -> None:
        unit = cells.get("Quantity Description", "")
        is_quantity = measure.endswith(QUANTITIES)
        taken = (measure, unit) if is_quantity else measure
        items = self.figures.setdefault((new.code, new.country, new.period, new.part), [])
        # A row that comes twice makes two shipments, for the checks of repeated rows to find.
        free = (i for i in items if taken not in i.quantities and taken not in i.values)
        item = next(free, None)
        if item is None:
            item = new
            items.append(item)
        if is_quantity:
            item.quantities[measure, unit] = text
            item.withheld |= cells.get("Suppressed", "").casefold().removesuffix(".0") not in FALSE
        else:
            item.values[measure] = text


def header_of(cells: list[str]) -> list[str] | None:
    """Return a row as a header, known columns under their names; None if it is none."""
    names = [_name(cell) if cell else "" for cell in cells]
    return names if set(NEEDED) <= set(names) else None


def _name(cell: str) -> str:
    plain = plain_name(cell)
    return "Suppressed" if "suppress" in plain else _KNOWN.get(plain, cell)


def has_header(grid: Grid) -> bool:
    """Return whether a sheet holds a table of the site."""
    return any(header_of(cells) for _, cells in grid.rows)


def belongs(grid: Grid) -> bool:
    """Return whether a sheet holds a table of the site, or the query that it was made by."""
    firsts = {cells[0].casefold() for _, cells in grid.rows}
    return has_header(grid) or not firsts.isdisjoint(QUERY)


def read_dataweb(document: Document, given: str | None) -> Iterator[Shipment]:
    """Read a workbook or CSV export; `given` is the flow, if the user says it.

    Raises
    ------
    StudyError
        If nothing says whether the goods went in or out.
    """
    tables, figures = _read_tables(document)
    flow = given or _flow(tables)
    if flow is None and (figures or tables.totals):
        message = "file does not say whether it holds imports or exports; name it with --imports "
        fault = Fault(document.name, None, "Trade Flow", "", message + "or --exports")
        raise StudyError([fault])
    separator = document.grids[0].separator if document.grids else ""
    how = notations({"": [text for text in figures if text not in BLANKS]}, separator)[""]
    for items in tables.figures.values():
        yield from (_shipment(document.name, flow or "", item, how) for item in items)
    for item, problem in tables.totals:
        yield _shipment(document.name, flow or "", item, how, problem)


def _read_tables(document: Document) -> tuple[_Tables, list[str]]:
    """Return the tables of all sheets, and their figures as text."""
    tables = _Tables()
    blocks = [block for grid in document.grids for block in _blocks(grid, tables)]
    # A column that only the quantities have, or only the values, does not tell lines apart.
    parts = sorted(set.intersection(*(b.words for b in blocks))) if blocks else []
    figures: list[str] = []
    for block in blocks:
        for number, cells in block.rows:
            row = _row(block.header, cells)
            beyond = next(filter(None, cells[len(block.header) :]), "")
            if not beyond and all(row.get(name) for name in NEEDED):
                tables.add(block, number, row, parts)
                figures += [row[n] for n in row if n not in DESCRIPTIVE and _holds_figures(n)]
            elif sum(map(bool, cells)) > 1:
                tables.totals.append(_left_over(block, number, cells, beyond))
    return tables, figures


def _row(header: list[str], cells: list[str]) -> dict[str, str]:
    """Return cells by column; of several flags, one that is set."""
    row: dict[str, str] = {}
    for name, cell in zip(header, cells, strict=False):
        if name != "Suppressed" or row.get(name, "").casefold().removesuffix(".0") in FALSE:
            row[name] = cell
    return row


def _left_over(block: _Block, row: int, cells: list[str], beyond: str) -> tuple[_Figures, Problem]:
    item = _Figures(row, block.sheet, "", "", "", "")
    if beyond:
        advice = "put text with commas in quotes; the cells of the row have moved"
        return item, Problem("", beyond, "row has more cells than the header", advice)
    text, advice = " ".join(filter(None, cells)), "nothing, if it is a total of the table"
    return item, Problem("HTS Number", text, "row without a commodity", advice)


def _blocks(grid: Grid, tables: _Tables) -> Iterator[_Block]:
    block: _Block | None = None
    title = year = ""
    for number, cells in grid.rows:
        if header := header_of(cells):
            block = _Block(grid.sheet, header, title, year, [])
            yield block
        elif found := _TITLE.search(cells[0]):
            title, year, block = found[1].strip().casefold(), found[2], None
        elif cells[0] == "Trade Flow":
            tables.trade_flow = next((cell for cell in cells[1:] if cell), "")
        elif block is not None:
            block.rows.append((number, cells))


def _holds_figures(name: str) -> bool:
    """Return whether a column is of a measure or of a period, so that it holds figures."""
    if _MEASURE.fullmatch(name):
        return True
    return read_period(name) is not None or (
        name.casefold() not in WHOLE and bool(read_month(name))
    )


def _placed(name: str, cells: Mapping[str, str], block: _Block) -> tuple[str, str]:
    """Return measure and period of a column of figures."""
    year = cells.get("Year", "") or block.year
    if _MEASURE.fullmatch(name):
        return name, _period_of_row(cells, block, year)
    return cells["Data Type"], name if read_period(name) else f"{name} {year}"


def _period_of_row(cells: Mapping[str, str], block: _Block, year: str) -> str:
    if quarter := cells.get("Quarter", ""):
        return f"quarter {quarter} of {year}"
    month = cells.get("Month", "")
    if month.casefold() not in WHOLE:
        return f"{month} {year}"
    return year if block.title in ("", "annual") else f"{block.title} {year}"


def _flow(tables: _Tables) -> str | None:
    values = {name for items in tables.figures.values() for item in items for name in item.values}
    words = tables.trade_flow or " ".join(sorted(values))
    if re.search("(Foreign|Domestic) Exports", words):
        return PART
    if re.search("Export|FAS", words):
        return EXPORT
    return IMPORT if re.search("Import|Customs Value|CIF|Landed", words) else None


def _shipment(
    file: str, flow: str, item: _Figures, how: Notation, problem: Problem | None = None
) -> Shipment:
    measures = {f"{name} ({unit})": text for (name, unit), text in item.quantities.items()}
    texts = {**measures, **item.values}
    line = Line({"HTS Number": item.code, **texts}, item.row, dict.fromkeys(texts, how))
    weights = [line.weight(f"{name} ({unit})", unit) for name, unit in sorted(item.quantities)]
    names = [name for wanted in VALUES for name in item.values if name.endswith(wanted)]
    values = [line.number(name) for name in names]
    period = read_period(item.period)
    if period is None or period.gap:
        line.refuse("Year", item.period, "not a calendar year", "ask for full calendar years")
    return Shipment(
        file=file,
        row=item.row,
        layout="usitc",
        source="",
        year=period.year if period else 0,
        month=period.month if period else 0,
        flow=flow,
        reporter="United States",
        reporter_names=("USA", "United States"),
        partner=item.country,
        partner_names=(item.country,),
        code="" if problem else line.code("HTS Number"),
        weight=next((weight for weight in weights if weight), None),
        value=next((value for value in values if value is not None), None),
        sheet=item.sheet,
        part=item.part,
        withheld=item.withheld or line.withheld,
        problem=problem or line.problem,
    )
