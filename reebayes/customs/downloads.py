"""Downloads from UN Comtrade with the user's own key; the reply is kept as it came."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reebayes.errors import ReebayesError
from reebayes.files import write_whole
from reebayes.wording import install_line

if TYPE_CHECKING:
    import pandas as pd

KEY_VARIABLE = "COMTRADE_API_KEY"
MOST_ROWS = 250_000
"""A reply holds no more rows, and does not say that it was cut."""


def fetch_comtrade(
    reporters: Sequence[str],
    years: Sequence[int],
    *,
    codes: Sequence[str],
    folder: Path,
    key: str | None = None,
) -> list[Path]:
    """Fetch trade of some reporters and years from UN Comtrade, one file for each.

    Every reply is saved before the next is asked for and before anything is made of it.

    Parameters
    ----------
    reporters : sequence of str
        Codes of UN Comtrade, such as ``"156"`` for China.
    years : sequence of int
        Calendar years.
    codes : sequence of str
        Commodity codes of two, four or six digits.
    folder : Path
        Where the replies go.
    key : str, optional
        The user's key; by default that of the environment variable ``COMTRADE_API_KEY``.

    Returns
    -------
    list of Path
        The files, in the layout of a download of UN Comtrade.

    Raises
    ------
    ReebayesError
        If there is no key, the library is not installed, or a reply is empty or cut.
    """
    key = key or os.environ.get(KEY_VARIABLE, "")
    if not key:
        raise ReebayesError(f"UN Comtrade needs a key; give --key, or set {KEY_VARIABLE}.")
    ask = _library()
    return list(_replies(ask, key, reporters, years, codes, folder))


def _library() -> "Callable[..., pd.DataFrame | None]":
    try:
        from comtradeapicall import getFinalData
    except ImportError as error:
        message = f"Fetching needs a library; install it in the clone: {install_line('comtrade')}"
        raise ReebayesError(message) from error
    function: Callable[..., pd.DataFrame | None] = getFinalData
    return function


def _replies(
    ask: "Callable[..., pd.DataFrame | None]",
    key: str,
    reporters: Sequence[str],
    years: Sequence[int],
    codes: Sequence[str],
    folder: Path,
) -> Iterator[Path]:
    for reporter in reporters:
        for year in years:
            table = _reply(ask, key, reporter, year, codes)
            target = folder / f"comtrade_{reporter}_{year}.csv"
            yield write_whole(target, partial(table.to_csv, index=False))
            if len(table) >= MOST_ROWS:
                message = f"{target}: the reply was cut at {MOST_ROWS:,} rows; ask for fewer codes."
                raise ReebayesError(message)


def _reply(
    ask: "Callable[..., pd.DataFrame | None]",
    key: str,
    reporter: str,
    year: int,
    codes: Sequence[str],
) -> "pd.DataFrame":
    # The library prints its errors and returns nothing; an address in them holds the key.
    printed = io.StringIO()
    with redirect_stdout(printed):
        table = ask(
            key,
            typeCode="C",
            freqCode="A",
            clCode="HS",
            period=str(year),
            reporterCode=reporter,
            cmdCode=",".join(codes),
            flowCode="M,X",
            partnerCode=None,
            partner2Code="0",
            customsCode="C00",
            motCode="0",
            maxRecords=MOST_ROWS,
            format_output="JSON",
            includeDesc=True,
        )
    if table is None or table.empty:
        said = printed.getvalue().replace(key, "***").strip() or "no rows"
        raise ReebayesError(f"UN Comtrade, reporter {reporter}, {year}: {said}")
    return table
