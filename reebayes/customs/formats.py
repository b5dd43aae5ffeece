"""Which layout a file has, from the columns it has; every line of it as a `Shipment`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from reebayes.customs import comext, comtrade, dataweb, gacc, japan, plain
from reebayes.customs.grids import Document, Grid
from reebayes.customs.shipments import Problem, Shipment
from reebayes.customs.tables import Columns, Table, plain_name, read_table
from reebayes.errors import Fault, StudyError
from reebayes.wording import quoted

LINES_SEARCHED = 40
"""How far down a header is looked for; DataWeb puts its query above it."""

MOST_SHOWN = 40
"""How many columns of a file of no known layout are named."""

DATAWEB = "USITC DataWeb"


@dataclass(frozen=True)
class Layout:
    """A layout: what it is called, the columns it is recognised by, and what reads it."""

    title: str
    columns: Columns
    read: Callable[[Table], Iterator[Shipment]]


LAYOUTS = (
    Layout("UN Comtrade", comtrade.PLUS, comtrade.read_plus),
    Layout("UN Comtrade, older site", comtrade.LEGACY, comtrade.read_legacy),
    Layout("Chinese customs", gacc.COLUMNS, gacc.read_export),
    Layout("Eurostat Comext", comext.COLUMNS, comext.read_comext),
    Layout("Japanese customs", japan.COLUMNS, japan.read_japan),
    Layout("plain table", plain.COLUMNS, plain.read_plain),
)

REFUSED: Sequence[tuple[tuple[str, ...], str, str]] = (
    (("t", "i", "j", "k", "v", "q"), "BACI of CEPII",
     "its figures are reconciled from what both sides reported, and no customs' own; download what "
     "the reporters themselves say from UN Comtrade"),
    (("flow", "indicators", "TIME_PERIOD", "OBS_VALUE"),
     "a table of Eurostat's Comext in long form",
     "it has no column of kilograms; take the bulk files (QUANTITY_IN_KG or QUANTITY_KG), or write "
     "a plain table"),
    (("ProductCode", "TradeFlow", "Partner", "Quantity", "Quantity Unit"), "a table of WITS",
     "download the same figures from UN Comtrade, or write a plain table"),
    (("DataSource", "Commodity", "Year"), "a data release of the U.S. Geological Survey",
     "it has no partners and no codes; enter its figures as records, or as a plain table"),
    (("Source", "Country", "Type"), "a data release of the U.S. Geological Survey",
     "it holds production, not trade; enter its figures as records"),
    (("Section", "Commodity", "Statistics", "Unit", "Value"),
     "a data release of the U.S. Geological Survey",
     "it has no partners and no codes; enter its figures as records, or as a plain table"),
)  # fmt: skip
"""Tables that are known and not read: their columns, what they are, and what to do instead."""


@dataclass
class Reading:
    """What the sheets of a file hold: lines, and sheets of no known layout, with the reason."""

    shipments: list[Shipment] = field(default_factory=list)
    unread: list[tuple[str, int, Problem]] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)


def read_shipments(document: Document, flow: str | None) -> Reading:
    """Return every line of every sheet of a file.

    Parameters
    ----------
    document : Document
        The file as text.
    flow : str or None
        ``import`` or ``export``, if the user says what a file holds that does not say it.

    Raises
    ------
    StudyError
        If the layout is not recognised, or a file does not say what it must.
    """
    reading = Reading()
    dataweb_grids = []
    for grid in filter(lambda grid: grid.rows, document.grids):
        found = _recognised(grid)
        if found is not None:
            layout, top = found
            table = read_table(document.name, grid, top, layout.columns, flow)
            reading.shipments += layout.read(table)
            reading.layouts.append(layout.title)
        elif dataweb.belongs(grid):
            dataweb_grids.append(grid)
        else:
            reading.unread.append((grid.sheet, grid.rows[0][0], _no_layout(grid)))
    if any(dataweb.has_header(grid) for grid in dataweb_grids):
        # Its sheets belong together: one tells the flow, the others a measure each.
        sheets = Document(document.name, dataweb_grids, document.digest)
        reading.shipments += dataweb.read_dataweb(sheets, flow)
        reading.layouts.append(DATAWEB)
    if not reading.layouts:
        raise StudyError([_unknown(document)])
    return reading


def _recognised(grid: Grid) -> tuple[Layout, int] | None:
    for top, (_, cells) in enumerate(grid.rows[:LINES_SEARCHED]):
        for layout in LAYOUTS:
            if layout.columns.header(cells) is not None:
                return layout, top
    return None


def _no_layout(grid: Grid) -> Problem:
    text = f"{len(grid.rows)} rows"
    reason = "sheet has no columns of a known layout"
    return Problem("sheet", text, reason, "nothing, if it holds no trade")


def _unknown(document: Document) -> Fault:
    """Return the fault of a file of no known layout: what it has, what each layout needs."""
    rows = [cells for grid in document.grids for _, cells in grid.rows[:LINES_SEARCHED]]
    if named := next(filter(None, map(_refusal, rows)), ""):
        return Fault(document.name, None, "", "", named)
    widest = max(rows, key=lambda cells: sum(map(bool, cells)), default=[])
    names = (quoted(name, limit=40) for name in widest if name)
    found = ", ".join(islice(names, MOST_SHOWN)) or "none"
    layouts = [(layout.title, layout.columns.needed) for layout in LAYOUTS]
    needs = "; ".join(
        f"{title}: {', '.join(needed).replace('|', ' or ')}"
        for title, needed in [*layouts, (DATAWEB, dataweb.NEEDED)]
    )
    message = f"layout is not recognised. Columns found: {found}. Needed by {needs}."
    if gacc.lacks_date(widest):
        message += (
            " A download of Chinese customs for one month has no 'Date of data'; add that column."
        )
    return Fault(document.name, None, "", "", message)


def _refusal(cells: Sequence[str]) -> str:
    names = {plain_name(cell) for cell in cells}
    for columns, what, advice in REFUSED:
        if names.issuperset(map(plain_name, columns)):
            return f"file is {what}, which is not read: {advice}"
    return ""
