"""Bayesian material-flow analysis from published records.

A study is read, fitted and asked; each verb is a function and each result a labelled array.

Study
    `read_study` returns a `Study`: tables of `Process`, `Flow`, `Quantity`, `Record`, `Prior` and
    `Source`, each literature `Estimate` that it is compared with, and each `Indicator` with
    values of it that others printed (`PublishedIndicator`). It changes by copy
    (``with_prior``, ``without_source``, ``variant``, ...). `catalogue` lists its quantities in
    words; `coverage` counts its records by quantity and by stage of each region (data
    availability).
Customs
    `harmonise` turns customs files into records.
Fit
    `fit` samples the posterior and returns an ArviZ DataTree; `build_model` returns the model
    itself, a ``pymc.Model``. `save_fit` and `open_fit` keep a fit in a netCDF file; `study_of`
    returns the study that travels with it.
Answers
    `quantity` and `flow` select draws, `ratio` divides them; `cumulative`, `bands` and
    `probability_above` summarise them; `record_table`, `source_table` and `export_tables` are data
    frames.
    `latex_table` writes them for a manuscript, `iamc_table` for pyam.
Indicators and origins
    `indicators` computes shares, concentration, import reliance and growth, and `beside_indicators`
    sets published values beside them; `quota_table` and `unregistered_table` tell what exceeded
    its quota, and what no register counts. `origins` and `destinations` trace content through the
    flows, `reliance` sets direct imports beside what was traced, and `origin_bounds` tells what
    holds if nothing is mixed.
Elements
    An `Assay` says what an ore or a good holds, and a `Material` of which of them a flow is;
    `elements` carries that along the flows, `element_balance` sets supply beside what applications
    are made of, and `beside_elements` sets figures that others printed (`PublishedElement`) beside
    it.
Partners
    `trade_table` tells the trade between partners with bands, `mirror_table` what exporter and
    importer recorded of it, `seen` which values records see at all; `draw_map` and `save_map` draw
    it on a map.
Tests of the model
    `predictive_check` runs a posterior predictive check; `compare` scores fits of several variants
    by held-out log predictive density, and `read_comparison` opens what ``reebayes compare``
    wrote; `beside_published` compares literature estimates with a fit.
Sensitivity to the records
    `learnt` computes posterior contraction, and labels every value as learnt (data-informed),
    partly or prior only (prior-dominated); `influence` lists the records that move a quantity
    (PSIS-LOO influence), `disagreement` those in leave-one-out predictive conflict with the rest;
    `identify` assesses local identifiability.
Sensitivity to the assumptions
    `sensitivity` tells how an answer moves with every prior, error and setting, and `plot_tornado`
    draws it; `uncertainty_budget` parts its variance over the inputs; `leave_out` tells it without
    each source, reporter, record or kind, and `fewest_records` which few records would move it;
    `value_of_information` lists the new figures that would narrow its band most, and
    `sensitivity_summary` gathers these for a report; `report_refits` fits again for one, without
    strong reporters and records in conflict. `prior_conflict` names what the records moved beyond
    what was assumed, `prior_of` shows what priors say before any fit, and `run_studies` fits any
    list of changed studies, on many processes, into one table. `read_multiverse` opens what
    ``reebayes study`` wrote of declared groups of alternatives.
What if
    `scenario` solves the balance of every draw again with what a scenario of the study changes;
    `effect` tells what that does, and `plot_effect` draws it.
Years to come
    `outlook` goes on with every draw: supply with projects against demand, in balance; `deficits`
    tells what uses lack, `element_deficits` what of an element, and `plot_outlook` draws it. `cut`
    is a study as it stood in a past year; `hindcast` and `hindcast_summary` score an outlook from
    there against what came, and `plot_hindcast` draws that. `project_table` and
    `projects_by_country` list what is planned (`Project`), `draw_projects` and `save_projects` show
    it on a map, `reserve_table`, `deposit_shares` and `reserve_years` what is called a reserve
    (`Reserve`); an outlook learns from plans of the past (`PlannedCase`), takes growth from
    `DemandGrowth`, and is set beside every published `Projection` (`published_projections`).
Surveys and judgements
    `survey` computes shares with bands from an answer sheet, or tells what printed percentages
    without a number of respondents leave open; `plot_survey` draws either. `write_form` writes a
    form for experts, and `pool` joins what several judged into priors.
Figures and pages
    `plot_bands`, `plot_predictive`, `plot_totals`, `plot_coverage`, `plot_learnt`, `draw_sankey`,
    `save_sankey`, `write_report`; of a whole fit `plot_consumption`, `plot_net_exports`,
    `plot_triangle`, `plot_unregistered` and `plot_quotas`.
    `draw_system` and `save_system` draw the system diagram of a study.
    `plot_panel` draws several quantities; `save_figures` writes all for a manuscript.
Simulation
    `simulate_world` draws true flows and `simulate_records` their records, to test whether a fit
    recovers them; `calibrate` is simulation-based calibration.
Errors
    `ReebayesError`, above `StudyError`, `FitError` and `ResultError`; `StudyWarning` tells what is
    possible in a study and hardly meant.

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
