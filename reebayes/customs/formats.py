"""Which layout a file has, from the columns it has; every line of it as a `Shipment`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from reebayes.customs import comtrade, dataweb, gacc, plain
from reebayes.customs.grids import Document, Rows
from reebayes.customs.shipments import Shipment
from reebayes.errors import Fault, StudyError
from reebayes.wording import quoted

LINES_SEARCHED = 40
"""How far down a header is looked for; DataWeb puts its query above it."""

MOST_SHOWN = 40
"""How many columns of a file of no known layout are named."""

type Reader = Callable[[str, list[str], Rows], Iterator[Shipment]]


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: what it is called, and the columns it is recognised by."""

    name: str
    title: str
    needed: tuple[str, ...]
    read: Reader | None = None


LAYOUTS = (
    Layout("comtrade", "UN Comtrade", comtrade.PLUS, comtrade.read_plus),
    Layout("comtrade", "UN Comtrade, older site", comtrade.LEGACY, comtrade.read_legacy),
    Layout("usitc", "USITC DataWeb", dataweb.NEEDED),
    Layout("gacc", "Chinese customs", gacc.NEEDED),
    Layout("own", "plain table", plain.NEEDED, plain.read_plain),
)


def read_shipments(document: Document, flow: str | None) -> list[Shipment]:
    """Return every line of a file.

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
    layout, rows, top = _recognised(document)
    header, body = rows[top][1], rows[top + 1 :]
    if layout.name == "usitc":
        return list(dataweb.read_dataweb(document, flow))
    if layout.read is not None:
        return list(layout.read(document.name, header, body))
    if flow is None:
        message = (
            "a download of Chinese customs does not say whether it holds imports or exports; "
            "name it with --imports or --exports"
        )
        raise StudyError([Fault(document.name, None, "", "", message)])
    return list(gacc.read_export(document.name, header, body, flow))


def _recognised(document: Document) -> tuple[Layout, Rows, int]:
    for grid in document.grids:
        for top, (_, cells) in enumerate(grid.rows[:LINES_SEARCHED]):
            names = {*cells, *gacc.translated(cells)}
            for layout in LAYOUTS:
                if names.issuperset(layout.needed):
                    return layout, grid.rows, top
    raise StudyError([_unknown(document)])


def _unknown(document: Document) -> Fault:
    """Return the fault of a file of no known layout: what it has, what each layout needs."""
    rows = [cells for grid in document.grids for _, cells in grid.rows[:LINES_SEARCHED]]
    widest = max(rows, key=lambda cells: sum(map(bool, cells)), default=[])
    names = (quoted(name, limit=40) for name in widest if name)
    found = ", ".join(islice(names, MOST_SHOWN)) or "none"
    needs = "; ".join(f"{layout.title}: {', '.join(layout.needed)}" for layout in LAYOUTS)
    message = f"layout is not recognised. Columns found: {found}. Needed by {needs}."
    if {"Commodity code", "Trading partner"} <= set(gacc.translated(widest)):
        message += (
            " A download of Chinese customs for one month has no 'Date of data'; add that column."
        )
    return Fault(document.name, None, "", "", message)
