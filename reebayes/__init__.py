"""Bayesian material-flow analysis from published records.

A study is read, fitted and asked; each verb is a function and each result a labelled array.

Study
    `read_study` returns a `Study`: tables of `Process`, `Flow`, `Quantity`, `Record`, `Prior` and
    `Source`, and each published `Estimate` that it is held against. It changes by copy
    (``with_prior``, ``without_source``, ``variant``, ...). `coverage` counts its records by
    quantity and by stage of each region.
Customs
    `harmonise` turns customs files into records.
Fit
    `fit` samples the posterior and returns an ArviZ DataTree; `build_model` returns the model
    itself, a ``pymc.Model``. `save_fit` and `open_fit` keep a fit in a netCDF file.
Answers
    `quantity` and `flow` select draws; `cumulative`, `bands` and `probability_above` summarise
    them; `record_table`, `source_table` and `export_tables` are data frames.
Tests of the model
    `predictive_check` asks whether records look like what the model expects; `compare` scores
    fits of several variants by prediction, and `read_comparison` opens what ``reebayes compare``
    wrote; `beside_published` sets what others concluded beside a fit.
What they rest on
    `learnt` labels every value as learnt, partly learnt or prior only; `influence` lists the
    records that move a quantity, `disagreement` those that the rest would have put elsewhere;
    `identify` counts the directions of a study that its records see.
Figures and pages
    `plot_bands`, `plot_predictive`, `plot_totals`, `plot_coverage`, `plot_learnt`, `draw_sankey`,
    `write_report`.
Trials
    `simulate_world` and `simulate_records` plant a known truth, to see whether a fit finds it;
    `calibrate` does so many times, and counts.
Errors
    `ReebayesError`, above `StudyError`, `FitError` and `ResultError`.

Importing the package loads nothing beyond the standard library; a name that needs more loads it
when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from reebayes.conventions import package_version
from reebayes.errors import FitError, ReebayesError, ResultError, StudyError
from reebayes.study import (
    Estimate,
    Flow,
    Prior,
    Process,
    Quantity,
    Record,
    Source,
    Study,
    Table,
    read_study,
)

if TYPE_CHECKING:
    from reebayes.calibration import calibrate
    from reebayes.comparison import compare, read_comparison
    from reebayes.deletion import disagreement, influence
    from reebayes.evidence import coverage
    from reebayes.harmonisation import harmonise
    from reebayes.identification import identify
    from reebayes.learning import learnt
    from reebayes.mirror import beside_published
    from reebayes.model import build_model
    from reebayes.plots import (
        plot_bands,
        plot_coverage,
        plot_learnt,
        plot_predictive,
        plot_totals,
    )
    from reebayes.prediction import predictive_check
    from reebayes.reporting import write_report
    from reebayes.results import (
        bands,
        cumulative,
        flow,
        open_fit,
        probability_above,
        quantity,
        save_fit,
    )
    from reebayes.sampling import fit
    from reebayes.sankey import draw_sankey
    from reebayes.simulation import simulate_records, simulate_world
    from reebayes.tables import export_tables, record_table, source_table
else:
    # Hidden from type checkers, which would take any name for a name of the package.

    def __getattr__(name: str) -> object:
        """Load the module that a public name stands in, when it is first asked for."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
        globals()[name] = value
        return value


__all__ = [
    "Estimate",
    "FitError",
    "Flow",
    "Prior",
    "Process",
    "Quantity",
    "Record",
    "ReebayesError",
    "ResultError",
    "Source",
    "Study",
    "StudyError",
    "Table",
    "__version__",
    "bands",
    "beside_published",
    "build_model",
    "calibrate",
    "compare",
    "coverage",
    "cumulative",
    "disagreement",
    "draw_sankey",
    "export_tables",
    "fit",
    "flow",
    "harmonise",
    "identify",
    "influence",
    "learnt",
    "open_fit",
    "plot_bands",
    "plot_coverage",
    "plot_learnt",
    "plot_predictive",
    "plot_totals",
    "predictive_check",
    "probability_above",
    "quantity",
    "read_comparison",
    "read_study",
    "record_table",
    "save_fit",
    "simulate_records",
    "simulate_world",
    "source_table",
    "write_report",
]

__version__ = package_version(__name__)

_PLACES = {
    "bands": "results",
    "beside_published": "mirror",
    "build_model": "model",
    "calibrate": "calibration",
    "compare": "comparison",
    "coverage": "evidence",
    "cumulative": "results",
    "disagreement": "deletion",
    "draw_sankey": "sankey",
    "export_tables": "tables",
    "fit": "sampling",
    "flow": "results",
    "harmonise": "harmonisation",
    "identify": "identification",
    "influence": "deletion",
    "learnt": "learning",
    "open_fit": "results",
    "plot_bands": "plots",
    "plot_coverage": "plots",
    "plot_learnt": "plots",
    "plot_predictive": "plots",
    "plot_totals": "plots",
    "predictive_check": "prediction",
    "probability_above": "results",
    "quantity": "results",
    "read_comparison": "comparison",
    "record_table": "tables",
    "save_fit": "results",
    "simulate_records": "simulation",
    "simulate_world": "simulation",
    "source_table": "tables",
    "write_report": "reporting",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
