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

import lazy_loader

from reebayes.provenance import package_version

__version__ = package_version(__name__)

# ``__init__.pyi`` names every public name once, with the module that it stands in.
__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*__all__, "__version__"])


def __dir__() -> list[str]:
    return __all__
