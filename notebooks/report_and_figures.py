# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Report and figures
#
# From a fit to a page to send around, to figures and tables of a manuscript, and to other programs,
# each in one call.
#
# This notebook reads `results/fit.nc`, the fit that `reebayes run` writes, here or in the folder
# above. If there is none, it fits, which takes a few minutes.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import SVG

import reebayes as rb

results = Path("results") if Path("results").is_dir() else Path("../results")
file = results / "fit.nc"
fit = rb.open_fit(file) if file.exists() else rb.fit(rb.read_study(), seed=2022)
study = rb.study_of(fit)
fit.attrs.get("verdict")

# %% [markdown]
# ## The system
#
# What the study is made of, before any number: boxes are markets, mines, plants and uses, lines are
# flows.

# %%
SVG(rb.draw_system(study))

# %% [markdown]
# ## One quantity
#
# A plot takes `label`, `color`, `legend`, `title` and `ax`, and returns what it was drawn in.

# %%
records = rb.record_table(fit)
name = "smuggled_CN"
ax = rb.plot_bands(
    rb.quantity(fit, name),
    records[records["quantity"] == name],
    prior=rb.quantity(fit, name, group="prior"),
    title=rb.catalogue(study).loc[name, "label"],
)

# %% [markdown]
# Several curves in one axes have a colour each, and nothing cuts the axis.

# %%
_, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for name in ("mined_CN_unregistered", "mined_RW_unregistered", "smuggled_CN"):
    rb.plot_bands(
        rb.quantity(fit, name), label=rb.catalogue(study).loc[name, "label"],
        title="What no register counts", ax=ax,
    )

# %% [markdown]
# ## Several quantities on a page
#
# `plot_panel` draws them beside their records, at the width of a page (183 mm) or a column (89 mm).

# %%
rb.plot_panel(fit, study.headline);

# %% [markdown]
# ## The whole system
#
# Use by application, net exports, and flows of a year or of all years as a Sankey diagram.

# %%
rb.plot_consumption(fit, ["CN", "US", "RW"]);

# %%
_, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for region, ax in zip(("CN", "US"), axes, strict=True):
    rb.plot_net_exports(fit, region, ax=ax)

# %%
SVG(rb.draw_sankey(fit, study.last_year))

# %% [markdown]
# ## All figures for a manuscript
#
# `rb.save_figures(fit, "figures")` writes quantities, panels, sums, use, net exports, what is
# unregistered and quotas, at the width of a column or page, each with its data (CSV) and a caption;
# text in SVG and PDF stays text. It takes half a minute. The two diagrams are written by
# `rb.save_system(study, "system.svg")` and `rb.save_sankey(fit, "flows.svg", 2020)`.

# %% [markdown]
# ## Tables
#
# A table for LaTeX, with booktabs rules, and one in the layout of the IAMC, which pyam reads.
# `rb.export_tables(fit, means=True)` returns all tables as data frames.

# %%
rb.latex_table(fit).splitlines()

# %%
rb.iamc_table(fit, flows=False).head(3)

# %% [markdown]
# ## The page
#
# `rb.write_report(fit, "report.html")` writes one file that needs no network, of a fit that passed
# its gate. From the command line: `reebayes report results/fit.nc`,
# `reebayes figures results/fit.nc --out figures` and `reebayes export results/fit.nc --to latex`.
