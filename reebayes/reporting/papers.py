"""Figures of a fit for a manuscript: at the width of a column or page, with data and caption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from reebayes.answers.registers import quota_table, region_labels, unregistered_table
from reebayes.conventions import CI_PROB, POSTERIOR, PRIOR, QUANTITY, YEAR
from reebayes.errors import ResultError
from reebayes.figures.canvas import save_drawing
from reebayes.figures.curves import plot_totals
from reebayes.figures.grids import COLUMN_MM, MM, PAGE_MM, plot_panel, prior_beyond
from reebayes.figures.panels import (
    consumption_lines,
    net_export_lines,
    plot_consumption,
    plot_net_exports,
    plot_quotas,
    plot_unregistered,
    unregistered_part_lines,
)
from reebayes.figures.sankey import (
    drawing_of,
    heading_of,
    left_out,
    sankey_parts,
    sankey_table,
)
from reebayes.figures.style import new_axes, new_figure
from reebayes.figures.triangle import net_pairs, plot_triangle
from reebayes.files import make_folder, plain_file, write_text_whole, write_whole
from reebayes.provenance import package_version
from reebayes.reporting.plan import plan_of
from reebayes.reporting.spreadsheets import write_table
from reebayes.results.intervals import bands_of
from reebayes.results.reading import Contents, Fit, contents_of
from reebayes.results.selection import Span
from reebayes.results.summaries import bands
from reebayes.wording import listed, without_per_year

FORMATS = ("svg", "pdf", "png")
PAPER: dict[Any, Any] = {
    "font.size": 7.5, "xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "axes.labelsize": 7.0,
    "axes.linewidth": 0.6, "svg.fonttype": "none", "svg.hashsalt": "reebayes", "pdf.fonttype": 42,
    "savefig.bbox": "standard",  # whatever else was loaded says, a column is as wide as it is
}  # fmt: skip
"""Letters of 6 points and more, and thin axes; text in SVG and PDF stays text."""

DPI = 300
MARKS = (
    "Circles are printed values and diamonds quotas, with their own 90 % error; triangles are "
    "bounds, upright lines ranges, level lines means or sums over years; arrows at the upper edge "
    "stand for records, or ends of their errors, above the axis."
)
LINES = "Lines are posterior medians, bands and bars hold {share} of the posterior, equal-tailed."
CURVES = "Lines are posterior medians, bands hold {share} of the posterior, equal-tailed."
TICKS = "Upright marks are posterior medians, bars hold {share} of the posterior, equal-tailed."
NUMBERS = (
    "Beside each stand the posterior median and the band that holds {share} of the posterior, "
    "equal-tailed."
)
WIDTHS = (
    "Widths are posterior means, which balance. Numbers are the median of what passes through, and "
    "the band that holds {share} of the posterior, equal-tailed."
)
FAILED = "This fit did not converge. Do not use or cite its results."
"""As the report has it, before all else that is said of a figure."""


@dataclass(frozen=True)
class PaperFigure:
    """A figure with its data and what is said of it.

    Parameters
    ----------
    name : str
        Of its files, without their ending.
    draw : callable
        Returns the figure.
    data : DataFrame
        What is drawn.
    caption : str
    """

    name: str
    draw: Callable[[], Figure]
    data: pd.DataFrame
    caption: str


def save_figures(
    fit: Fit,
    folder: str | Path,
    *,
    formats: Sequence[str] = ("svg", "pdf"),
    ci_prob: float = CI_PROB,
) -> list[Path]:
    """Write the figures of a fit for a manuscript, each with its data and caption.

    Figures are 89 or 183 mm wide, letters 6 to 9 points, and text stays text. They are the
    quantities that the study's report puts first, each by itself and together, its panels, sums
    over the years, and where the study has them use by application, net exports, net flows between
    regions, what is unregistered, and quotas.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    folder : str or Path
        Made if missing.
    formats : sequence of str
        ``"svg"``, ``"pdf"``, ``"png"`` (300 dots per inch).
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    list of Path
        The files written: of each figure ``NAME.svg`` and so on, ``NAME.csv`` with the numbers
        that are drawn, and ``NAME.txt`` with a caption.

    Raises
    ------
    ResultError
        If a format is unknown, or a file cannot be written.

    Examples
    --------
    >>> import reebayes as rb
    >>> fit = rb.open_fit("results/fit.nc")  # doctest: +SKIP
    >>> files = rb.save_figures(fit, "figures", formats=["svg"])  # doctest: +SKIP
    """
    from matplotlib import pyplot

    unknown = [form for form in formats if form not in FORMATS]
    if unknown or not formats:
        raise ResultError(f"formats must be of {', '.join(FORMATS)}, got {list(formats)}.")
    contents, folder = contents_of(fit), Path(folder)
    make_folder(folder)
    paths: list[Path] = []
    with mpl.rc_context(PAPER):
        for one in _figures(contents, ci_prob):
            figure = one.draw()
            paths += [_save(figure, folder / f"{one.name}.{form}", form) for form in formats]
            pyplot.close(figure)
            paths += _write_beside(folder, one.name, one.data, one.caption)
    return paths


def save_sankey_figure(
    fit: Fit, folder: Path, name: str, years: Span, *, of: Fit, formats: Sequence[str],
    ci_prob: float = CI_PROB,
) -> list[Path]:  # fmt: skip
    """Write a Sankey diagram with its data and caption, as `save_figures` does its figures.

    Parameters
    ----------
    fit : DataTree
        As `draw_sankey` takes it.
    folder : Path
    name : str
        Of the files, without their ending.
    years : int or (int, int)
        As `draw_sankey` takes them.
    of : DataTree
        The fit itself, also where a scenario of it is drawn.
    formats : sequence of str
        As `save_figures` takes them.
    ci_prob : float
        Probability inside the bands.

    Returns
    -------
    list of Path
        The files written.
    """
    parts = sankey_parts(fit, years, ci_prob=ci_prob)
    drawing = drawing_of(parts, fit.attrs, ci_prob=ci_prob)
    paths = [save_drawing(folder / f"{name}.{form}", lambda: drawing) for form in formats]
    what = f"{parts[0].what.capitalize()}, {parts[0].unit}."
    if len(parts) > 1:
        what += f" {'; '.join(heading_of(part) for part in parts)}."
    caption = _said(contents_of(of), what, ci_prob, f"{WIDTHS} {left_out(parts)}")
    return [*paths, *_write_beside(folder, name, sankey_table(parts), caption)]


def _write_beside(folder: Path, name: str, data: pd.DataFrame, caption: str) -> list[Path]:
    """Write what stands beside a figure: its numbers and its caption."""
    numbers, text = (plain_file(folder / f"{name}.{ending}") for ending in ("csv", "txt"))
    write = partial(write_table, data, digits=6)
    return [write_whole(numbers, write), write_text_whole(text, f"{caption}\n")]


def _save(figure: Figure, path: Path, form: str) -> Path:
    """Write a figure; the same fit gives the same bytes."""
    about = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
    save = partial(figure.savefig, format=form, dpi=DPI, metadata=about[form])
    return write_whole(plain_file(path), save)


def _figures(contents: Contents, ci_prob: float) -> Iterator[PaperFigure]:
    """Yield the figures that a fit has."""
    plan = plan_of(contents, None)
    headline = contents.with_parts(plan.headline)
    for name in headline:
        yield _bands_figure(contents, f"bands_{name}", [name], COLUMN_MM, "", ci_prob)
    yield _bands_figure(contents, "headline", headline, PAGE_MM, "", ci_prob)
    for number, panel in enumerate(plan.panels, 1):
        yield _bands_figure(
            contents, f"panel_{number}", panel["quantities"], PAGE_MM, str(panel["title"]), ci_prob
        )
    masses = [name for name in headline if name not in contents.ratios]
    if masses and len(contents.years) > 1:
        yield _totals_figure(contents, masses, ci_prob)
    if (contents.processes["kind"] == "use").any():
        yield _consumption_figure(contents, ci_prob)
    pairs = net_pairs(contents)
    if pairs:
        for region in dict.fromkeys(region for pair in pairs for region in pair):
            yield _net_export_figure(contents, region, ci_prob)
        yield _triangle_figure(contents, ci_prob)
    if contents.report.get("refined"):
        yield _unregistered_figure(contents, ci_prob)
    quotas = quota_table(contents, ci_prob=ci_prob)
    if len(quotas):
        yield _quota_figure(contents, quotas, ci_prob)


def _said(contents: Contents, what: str, ci_prob: float, drawn: str = LINES) -> str:
    """Caption: what is drawn and how, and of what it is made."""
    attrs = contents.attrs
    hashed = str(attrs.get("study_hash", ""))[:12]
    about = f"Study: {attrs.get('study_name', '')}" + (f" ({hashed})" if hashed else "")
    how = drawn.format(share=f"{100 * ci_prob:g} %")
    made = f"{about}; reebayes {package_version('reebayes')}."
    return " ".join([*([] if contents.converged else [FAILED]), what, how, made])


# --- each figure ------------------------------------------------------------------------------


def _bands_figure(
    contents: Contents, name: str, names: Sequence[str], width: float, title: str, ci_prob: float
) -> PaperFigure:
    labels = [f"{contents.label_of(each)} ({contents.units[each]})" for each in names]
    what = f"{title or 'Quantities of the study'}: {'; '.join(labels)}."
    if len(names) == 1:
        what = f"{labels[0]}."
    if PRIOR in contents.distributions:
        what += f" Grey is the prior{_beyond_axes(contents, names, ci_prob)}."
    if contents.records["quantity"].isin(names).any():
        what += f" {MARKS}"
    if len(names) == 1:
        width = COLUMN_MM
    draw = partial(plot_panel, contents, names, width=width, ci_prob=ci_prob, title=title)
    data = _band_rows(contents, names, ci_prob)
    return PaperFigure(name, draw, data, _said(contents, what, ci_prob))


def _beyond_axes(contents: Contents, names: Sequence[str], ci_prob: float) -> str:
    """Say where the priors of quantities go that their panels cut, and of which."""
    found = {name: prior_beyond(contents, name, ci_prob) for name in names}
    told = [
        f"{f'that of {contents.label_of(name)}' if len(names) > 1 else 'it'} {said}"
        for name, said in found.items()
        if said
    ]
    return f"; beyond the axis {listed(told)}" if told else ""


def _band_rows(contents: Contents, names: Sequence[str], ci_prob: float) -> pd.DataFrame:
    """Posterior, prior and records of quantities, a row each and year."""
    parts = []
    for group in contents.distributions:
        found = bands_of(contents, "quantities", group, ci_prob=ci_prob).sel({QUANTITY: names})
        table = found[["median", "lower", "upper"]].drop_attrs().to_dataframe()
        parts.append(table.reset_index().assign(what=group))
    records = contents.records[contents.records["quantity"].isin(names)]
    shown = ["quantity", "year", "year_end", "kind", "value", "low", "high", "sd", "source"]
    parts.append(records[shown].assign(what="record"))
    joined = pd.concat(parts, ignore_index=True)
    joined.insert(1, "label", [contents.label_of(str(name)) for name in joined[QUANTITY]])
    joined.insert(2, "unit", [str(contents.units[str(name)]) for name in joined[QUANTITY]])
    return joined[["what", *(column for column in joined if column != "what")]]


def _totals_figure(contents: Contents, names: Sequence[str], ci_prob: float) -> PaperFigure:
    strips: dict[str, dict[str, xr.Dataset]] = {}
    parts = []
    for group in contents.distributions:
        found = bands_of(contents, "quantities", group, total=True, ci_prob=ci_prob)
        strips[group] = {contents.label_of(name): found.sel({QUANTITY: name}) for name in names}
        table = found.sel({QUANTITY: list(names)})[["median", "lower", "upper"]].drop_attrs()
        parts.append(table.to_dataframe().reset_index().assign(what=group))
    unit = without_per_year(str(contents.units[names[0]]))

    def draw() -> Figure:
        ax = new_axes(PAGE_MM / MM, 0.7 + 0.34 * len(names))
        plot_totals(strips[POSTERIOR], strips.get(PRIOR), unit=unit, ax=ax)
        return _of(ax)

    years = f"{contents.years[0]}-{contents.years[-1]}"
    data = pd.concat(parts, ignore_index=True).assign(unit=unit, years=years)
    what = f"Sums {years}, {unit}" + ("; grey is the prior." if PRIOR in strips else ".")
    return PaperFigure("totals", draw, data, _said(contents, what, ci_prob, TICKS))


def _consumption_figure(contents: Contents, ci_prob: float) -> PaperFigure:
    drawn = consumption_lines(contents)

    def draw() -> Figure:
        return _gridded(partial(plot_consumption, contents, ci_prob=ci_prob), len(drawn))

    data = _line_rows(drawn, "region", ci_prob)
    what = f"Use by application and region, {contents.unit}."
    return PaperFigure("consumption", draw, data, _said(contents, what, ci_prob))


def _net_export_figure(contents: Contents, region: str, ci_prob: float) -> PaperFigure:
    drawn = {region: net_export_lines(contents, region)}

    def draw() -> Figure:
        ax = new_axes(COLUMN_MM / MM, 2.7)
        return _of(plot_net_exports(contents, region, ci_prob=ci_prob, ax=ax))

    label = region_labels(contents).get(region, region)
    what = f"{label}: net exports by product, {contents.unit}; below 0 more comes in than goes out."
    data = _line_rows(drawn, "region", ci_prob)
    return PaperFigure(f"net_exports_{region}", draw, data, _said(contents, what, ci_prob))


def _triangle_figure(contents: Contents, ci_prob: float) -> PaperFigure:
    known = contents.years
    years = list(dict.fromkeys([known[0], known[len(known) // 2], known[-1]]))

    def draw() -> Figure:
        inches = PAGE_MM / MM
        figure, grid = new_figure(1, len(years), width=inches, height=0.95 * inches / len(years))
        plot_triangle(contents, years, ci_prob=ci_prob, ax=list(grid.flat), title="Net flows")
        return figure

    rows = []
    for (one, other), values in net_pairs(contents).items():
        for year in years:
            draws = values[..., known.index(year)]
            tail = (1 - ci_prob) / 2
            low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail])
            rows.append((one, other, year, middle, low, high, float((draws > 0).mean())))
    columns = ["from", "to", "year", "median", "lower", "upper", "p_positive"]
    what = (
        f"Net flows between regions, {contents.unit}: arrows point the way of the median and are "
        "as wide as it; P is the probability that it went that way."
    )
    data = pd.DataFrame(rows, columns=columns).assign(unit=contents.unit)
    return PaperFigure("net_flows", draw, data, _said(contents, what, ci_prob, NUMBERS))


def _unregistered_figure(contents: Contents, ci_prob: float) -> PaperFigure:
    def draw() -> Figure:
        return _gridded(partial(plot_unregistered, contents, ci_prob=ci_prob), 3)

    what = f"Unregistered mining and refining ({contents.unit}), and the share of refining."
    parts = unregistered_part_lines(contents)
    if parts:
        what += f" Dashed lines, which have no band, are parts of mining: {'; '.join(parts)}."
    data = unregistered_table(contents, ci_prob=ci_prob)
    return PaperFigure("unregistered", draw, data, _said(contents, what, ci_prob))


def _quota_figure(contents: Contents, table: pd.DataFrame, ci_prob: float) -> PaperFigure:
    count = table["quantity"].nunique()

    def draw() -> Figure:
        inches = PAGE_MM / MM
        figure, grid = new_figure(2, count, width=inches, height=3.4, heights=(3, 1), sharex="col")
        plot_quotas(contents, ci_prob=ci_prob, ax=list(grid.flat))
        return figure

    what = (
        "Above: what registers are meant to count, all that flowed, and quotas (diamonds). Below: "
        "the probability that each exceeded the quota of the year, as bars."
    )
    return PaperFigure("quotas", draw, table, _said(contents, what, ci_prob, CURVES))


def _gridded(draw: Callable[..., Figure], count: int) -> Figure:
    """Draw panels at the width of a page, two in a row where there are more than three."""
    across = count if count <= 3 else 2
    rows = -(-count // across)
    inches = PAGE_MM / MM
    height = rows * 0.72 * inches / across + 0.35
    _, grid = new_figure(rows, across, width=inches, height=height)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.remove()
    return draw(ax=axes[:count])


def _of(ax: Any) -> Figure:
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def _line_rows(
    drawn: Mapping[str, Mapping[str, xr.DataArray]], dim: str, ci_prob: float
) -> pd.DataFrame:
    """Bands of curves by panel and name, a row each and year."""
    parts = []
    for panel, lines in drawn.items():
        for name, draws in lines.items():
            band = bands(draws, ci_prob=ci_prob)
            ends = {end: band[end].values for end in ("median", "lower", "upper")}
            part = pd.DataFrame({"year": band[YEAR].values, **ends})
            unit = str(draws.attrs.get("units", ""))
            parts.append(part.assign(**{dim: panel, "name": name, "unit": unit}))
    joined = pd.concat(parts, ignore_index=True)
    return joined[[dim, "name", "unit", "year", "median", "lower", "upper"]]
