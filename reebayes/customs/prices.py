"""Prices of oxides by element and year, against which unit values of customs are held."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reebayes.errors import StudyError
from reebayes.study import Cells, FaultList, read_lines

PRICES = "unit_values.csv"


@dataclass(frozen=True, slots=True)
class Price:
    """What a kilogram of the oxide of an element cost in a year, in USD."""

    element: str
    year: int
    usd_per_kg: float


class PriceTable:
    """Prices, looked up by elements and year."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._prices = list(prices)

    def span(self, elements: tuple[str, ...], year: int) -> tuple[float, float]:
        """Return the lowest and the highest price of a year; of all years, if it has none.

        Without elements, goods may hold any of them.
        """
        named = [p for p in self._prices if not elements or p.element in elements]
        found = [p.usd_per_kg for p in named if p.year == year] or [p.usd_per_kg for p in named]
        return (min(found), max(found)) if found else (0.0, math.inf)


def read_prices(path: Path) -> PriceTable:
    """Read a table of prices.

    Raises
    ------
    StudyError
        With every fault of the table.
    """
    faults = FaultList(str(path))
    lines = read_lines(path, ("element", "year", "usd_per_kg"), ("source", "note"), faults)
    prices: list[Price] = []
    for cells in (Cells(line, faults) for line in lines if not line.broken):
        price = Price(
            cells.needed("element"), cells.year("year") or 0, cells.needed_number("usd_per_kg", 1.0)
        )
        row = cells.line.row
        if not 0 < price.usd_per_kg < math.inf:
            faults.add(row, "usd_per_kg", f"{price.usd_per_kg:g}", "price must be above 0")
        if not price.year:
            faults.add(row, "year", "", "cell is empty; write the year of the price")
        if any((p.element, p.year) == (price.element, price.year) for p in prices):
            message = "element and year are given twice; keep one row"
            faults.add(row, "year", str(price.year), message)
        prices.append(price)
    if faults.faults:
        raise StudyError(faults.faults)
    return PriceTable(prices)
