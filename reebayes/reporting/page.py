"""Write a fit as one self-contained HTML page.

What the page shows beyond the generic parts comes from the study's ``[report]`` table (see
`Plan`), so nothing here knows which material is being reported.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined

from reebayes.answers.drivers import (
    gather_lessons,
)
from reebayes.conventions import (
    CI_PROB,
    POSTERIOR,
    YEAR,
)
from reebayes.errors import FitError
from reebayes.figures.sankey import draw_sankey
from reebayes.files import write_whole
from reebayes.reporting.checking import predictive_block, published_rows, score_blocks
from reebayes.reporting.pictures import band_figure, embedded, totals_figure
from reebayes.reporting.plan import Plan, plan_of
from reebayes.reporting.sections import (
    _convergence,
    _exceeding,
    _headline_row,
    _lessons,
    _provenance,
    _ratios,
    _record_rows,
    _source_rows,
    _yearly_table,
)
from reebayes.reporting.tables import record_table, source_table
from reebayes.results.contents import group_of

if TYPE_CHECKING:
    from reebayes.answers.scores import Comparison


def write_report(
    fit: xr.DataTree,
    path: str | Path,
    *,
    year: int | None = None,
    force: bool = False,
    comparison: "Comparison | None" = None,
) -> Path:
    """Write a fit as one HTML page that needs neither network nor scripts.

    Parameters
    ----------
    fit : DataTree
        A fit as returned by `fit` or `open_fit`.
    path : str or Path
        The page to write.
    year : int, optional
        Year of the Sankey diagram; the study's choice if left out.
    force : bool
        Report a fit that did not converge, under a banner that says so.
    comparison : Comparison, optional
        Scores of this fit and of variants of its study, as `compare` returns them.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    FitError
        If the fit did not converge and `force` is false.
    ResultError
        If the study's ``[report]`` table names an unknown quantity or key, the year is not in the
        study, the comparison is of another study, or the file cannot be written.
    """
    if fit.attrs.get("converged") != "yes" and not force:
        raise FitError(
            f"The fit did not converge: {fit.attrs.get('verdict', 'no verdict in the file')} "
            "No report was written. Draw longer, or ask for the report by force."
        )
    plan = plan_of(fit, year)
    environment = Environment(
        loader=PackageLoader("reebayes.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    page = template.render(_context(fit, plan) | _checking(fit, comparison)).encode()
    return write_whole(Path(path), lambda temporary: temporary.write_bytes(page))


def _context(fit: xr.DataTree, plan: Plan) -> dict[str, Any]:
    records = record_table(fit)
    sources = source_table(fit)
    years = group_of(fit, POSTERIOR)[YEAR].values
    ratios = _ratios(fit)
    return {
        "study": fit.attrs["study_name"],
        "unit": fit.attrs.get("unit", ""),
        "first": int(years[0]),
        "last": int(years[-1]),
        "years": years.tolist(),
        "percent": f"{100 * CI_PROB:g} %",
        "convergence": _convergence(fit),
        "lessons": _lessons(gather_lessons(fit, plan.headline), plan),
        "headline": [_headline_row(fit, plan, name, name in ratios) for name in plan.headline],
        "exceeding": [
            row
            for name in plan.headline
            if name not in ratios
            for row in _exceeding(fit, plan, name)
        ],
        "totals": totals_figure(fit, plan, ratios),
        "headline_figures": [
            band_figure(fit, plan, [name], records, others=True) for name in plan.headline
        ],
        "panels": [
            {
                "title": panel["title"],
                "figure": band_figure(fit, plan, panel["quantities"], records, others=False),
            }
            for panel in plan.panels
        ],
        "sankey": draw_sankey(fit, plan.sankey_year),
        "sankey_year": plan.sankey_year,
        "table": _yearly_table(fit, plan),
        "table_years": plan.table_years,
        "limits": plan.limits,
        "records": _record_rows(records, list(sources.index), str(fit.attrs.get("unit", ""))),
        "outside": int(records["outside"].sum()),
        "sources": _source_rows(sources, records),
        "provenance": _provenance(fit),
    }


def _checking(fit: xr.DataTree, comparison: "Comparison | None") -> dict[str, Any]:
    """What was done to test the model: predictive checks, variants, published estimates."""
    context: dict[str, Any] = {
        "check": predictive_block(fit),
        "published": published_rows(fit),
        "scores": [] if comparison is None else score_blocks(fit, comparison),
    }
    if context["check"] is not None:
        check = context["check"]
        check["plot"] = embedded(check["figure"], check["alternative"])
    return context
