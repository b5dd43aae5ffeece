"""Write a fit as one self-contained HTML page.

What the page shows beyond the generic parts comes from the study's ``[report]`` table (see
`Plan`), so nothing here knows which material is being reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from reebayes.errors import FitError, ResultError
from reebayes.files import write_whole
from reebayes.reporting.interactive import script, script_data, script_hash
from reebayes.reporting.material import Material
from reebayes.reporting.plan import plan_of
from reebayes.reporting.sections import SECTIONS
from reebayes.reporting.templating import environment
from reebayes.results.reading import Fit, contents_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from reebayes.answers.hangs import ReportRefits, SensitivitySummary
    from reebayes.answers.scores import Comparison
    from reebayes.elicitation.pooling import Pooled
    from reebayes.elicitation.surveys import Surveyed
    from reebayes.results.multiverse import Multiverse


def write_report(
    fit: Fit,
    path: str | Path,
    *,
    year: int | None = None,
    force: bool = False,
    comparison: Comparison | None = None,
    sensitivity: SensitivitySummary | None = None,
    refits: ReportRefits | None = None,
    outlook: tuple[xr.DataTree, pd.DataFrame] | None = None,
    multiverse: Multiverse | None = None,
    surveys: Sequence[Surveyed] = (),
    judgements: Pooled | None = None,
    elements: pd.DataFrame | None = None,
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
    sensitivity : SensitivitySummary, optional
        What the headline quantities of this fit hang on, as `sensitivity_summary` returns it.
    refits : ReportRefits, optional
        What they become without reporters, and what the rest expects of records in conflict with
        it, as `report_refits` returns it. A report fits nothing itself: without them it shows the
        screens by weights and to first order, and says so.
    outlook : (DataTree, DataFrame), optional
        Years to come as `outlook` returns them, and what uses lack as `deficits` does.
    multiverse : Multiverse, optional
        What the answers are under every declared choice, as `reebayes study` writes it. It is shown
        if it is of the study that was fitted; otherwise the page says that none was run.
    surveys : sequence of Surveyed
        What people answered, as `survey` returns it, beside the indicators that speak to it.
    judgements : Pooled, optional
        What experts judged, as `pool` returns it.
    elements : DataFrame, optional
        What uses lack of elements in the years of `outlook`, in columns as
        `element_deficits` returns, with ``element`` and ``held`` before.

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
        study, the comparison or outlook is of another study, the summary or refits are of another
        fit, or the file cannot be written.

    Examples
    --------
    >>> import reebayes as rb
    >>> rb.write_report(rb.open_fit("results/zinc.nc"), "report.html").name
    'report.html'
    """
    contents = contents_of(fit)
    if not contents.converged and not force:
        raise FitError(
            f"The fit did not converge: {contents.attrs.get('verdict', 'no verdict in the file')} "
            "No report was written. Draw longer, or ask for the report by force."
        )
    if sensitivity is not None and sensitivity.digest != str(contents.attrs.get("digest", "")):
        raise ResultError("The sensitivity summary is of another fit.")
    if refits is not None and refits.digest != str(contents.attrs.get("digest", "")):
        raise ResultError("The refits are of another fit.")
    if outlook and outlook[0].attrs.get("study_hash") != contents.attrs.get("study_hash"):
        raise ResultError("The outlook is of another study.")
    plan = plan_of(contents, year)
    material = Material(
        contents, plan, comparison, sensitivity, refits, outlook, multiverse, tuple(surveys),
        judgements, elements,
    )  # fmt: skip
    page = _rendered(material).encode()
    return write_whole(Path(path), lambda temporary: temporary.write_bytes(page))


def _rendered(material: Material) -> str:
    templates = environment()
    common, blocks = material.common, []
    for section in SECTIONS:
        context = section.gather(material)
        if context is not None:
            partial = templates.get_template(f"{section.name}.html.j2")
            body = Markup(partial.render(common | context))
            title = section.title(material.plan)
            blocks.append({"name": section.name, "title": title, "body": body})
    context = common | {"sections": blocks, **_moving(material)}
    return templates.get_template("page.html.j2").render(context)


def _moving(material: Material) -> dict[str, Any]:
    """What makes a page move, if it can."""
    data = material.moving
    if data is None:
        return {}
    return {"data": script_data(data), "script": script(), "script_hash": script_hash()}
