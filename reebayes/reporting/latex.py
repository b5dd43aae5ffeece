"""Tables of a fit as LaTeX, for manuscripts: booktabs rules, a median with its band a cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import xarray as xr

from reebayes.conventions import CI_PROB, POSTERIOR, QUANTITY, YEAR
from reebayes.errors import ResultError
from reebayes.reporting.plan import plan_of
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents, Fit, contents_of, require_known
from reebayes.wording import format_interval, listed, without_per_year

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "\u2013": "--", "\u2212": "$-$",
    "\n": " ",
}  # fmt: skip


def latex_table(
    fit: Fit,
    names: Sequence[str] | None = None,
    *,
    years: Sequence[int] | None = None,
    ci_prob: float = CI_PROB,
    caption: str = "",
    label: str = "",
) -> str:
    r"""Write quantities as a LaTeX table: a median with its band, such as ``845 (598--1,174)``.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    names : sequence of str, optional
        Quantities; those that the study's report puts first, with their parts, if left out.
    years : sequence of int, optional
        A column each; sums over all years, posterior beside prior, if left out.
    ci_prob : float
        Probability inside the bands.
    caption, label : str
        If a caption is given, the table stands in a ``table`` environment with both.

    Returns
    -------
    str
        A ``tabular``, which needs ``\usepackage{booktabs}``. All text of the study is escaped.

    Raises
    ------
    ResultError
        If a quantity or year is unknown, or a ratio is asked for and no years.

    Examples
    --------
    >>> import reebayes as rb
    >>> text = rb.latex_table(rb.open_fit("results/zinc.nc"), ["mined", "recycled"])
    >>> "Mining" in text, "toprule" in text
    (True, True)
    """
    contents = contents_of(fit)
    chosen = list(names) if names is not None else _first(contents, ratios=years is not None)
    require_known(chosen, contents.units.index, QUANTITY)
    ratios = [name for name in chosen if name in contents.ratios]
    if years is None and ratios:
        raise ResultError(f"{listed(ratios)}: a ratio has no sum over the years; name years.")
    columns = _sums(contents, ci_prob) if years is None else _by_year(contents, years, ci_prob)
    units = [str(contents.units[name]) for name in chosen]
    if years is None:
        units = [without_per_year(unit) for unit in units]
    one = len(set(units)) == 1
    head = [f"Quantity, {units[0]}" if one else "Quantity", *([] if one else ["Unit"]), *columns]
    rows = []
    for name, unit in zip(chosen, units, strict=True):
        cells = [_cell(band.sel({QUANTITY: name})) for band in columns.values()]
        rows.append([contents.label_of(name), *([] if one else [unit]), *cells])
    said = f"median ({100 * ci_prob:g} % band), equal-tailed"
    return _table(head, rows, left=1 if one else 2, said=said, caption=caption, label=label)


def latex_tables(fit: Fit, *, ci_prob: float = CI_PROB) -> dict[str, str]:
    """Write the tables of a fit that a report shows first.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    dict of str
        ``sums`` over all years, posterior beside prior, and ``years``, those of the report's
        table. Of one year there are no sums.
    """
    contents = contents_of(fit)
    span = f"{contents.years[0]}--{contents.years[-1]}"
    found = {}
    masses = _first(contents, ratios=False)
    if len(contents.years) > 1 and masses:
        caption = f"Sums {span}, median and {100 * ci_prob:g} % band."
        found["sums"] = latex_table(
            contents, masses, ci_prob=ci_prob, caption=caption, label="tab:sums"
        )
    found["years"] = latex_table(
        contents, _first(contents, ratios=True), ci_prob=ci_prob, label="tab:years",
        years=[int(year) for year in plan_of(contents, None).table_years],
        caption=f"Median and {100 * ci_prob:g} % band of each year.",
    )  # fmt: skip
    return found


def _first(contents: Contents, *, ratios: bool) -> list[str]:
    names = contents.with_parts(plan_of(contents, None).headline)
    return [name for name in names if ratios or name not in contents.ratios]


def _sums(contents: Contents, ci_prob: float) -> dict[str, xr.Dataset]:
    names = {POSTERIOR: "Posterior"}
    return {
        names.get(group, group.capitalize()): bands_of(
            contents, "quantities", group, total=True, ci_prob=ci_prob
        )
        for group in contents.distributions
    }


def _by_year(contents: Contents, years: Sequence[int], ci_prob: float) -> dict[str, xr.Dataset]:
    require_known(map(str, years), map(str, contents.years), YEAR)
    band = bands_of(contents, "quantities", ci_prob=ci_prob)
    return {str(year): band.sel({YEAR: year}) for year in years}


def _cell(band: xr.Dataset) -> str:
    values = [float(band[end]) for end in ("median", "lower", "upper")]
    if values[1] == values[2] == 0:
        return "0"  # it does not exist in that year
    return format_interval(*values) if all(map(math.isfinite, values)) else "\u2013"


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int, said: str, caption: str,
    label: str,
) -> str:  # fmt: skip
    columns = "l" * left + "r" * (len(head) - left)
    lines = [
        f"% {said}; needs \\usepackage{{booktabs}}",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        _row(head),
        "\\midrule",
        *map(_row, rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    if caption:
        named = [f"\\label{{{label}}}"] if label else []
        lines = [
            "\\begin{table}",
            "\\centering",
            f"\\caption{{{escaped(caption)}}}",
            *named,
            *lines,
            "\\end{table}",
        ]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + r" \\"


def escaped(text: str, special: Mapping[str, str] = _SPECIAL) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(special.get(letter, letter) for letter in text)
