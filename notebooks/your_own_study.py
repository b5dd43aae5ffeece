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
# # Your own study
#
# A study is a directory of tables. This notebook takes one that comes along, the zinc cycle of
# China in 1994, changes it, writes it into a directory of its own, reads it back, fits it and asks
# it. `reebayes init DIR` writes a small study to begin with; the page "A study of your own" goes
# through every table.

# %%
from pathlib import Path

from IPython.display import SVG

import reebayes as rb

# %% [markdown]
# Settings of the sampler; leave them empty for the ordinary ones.

# %% tags=["parameters"]
settings = {}

# %%
study = rb.read_study("zinc")
study

# %% [markdown]
# ## Its tables
#
# Processes and flows are the system. Stocks and other countries are environments: arrows at a box.

# %%
study.processes

# %%
SVG(rb.draw_system(study))

# %% [markdown]
# Quantities are what one asks for and what records observe; records are what was printed.

# %%
rb.catalogue(study)[["label", "unit", "records"]]

# %%
study.records

# %% [markdown]
# ## A change is a copy
#
# A wider prior. Everything is checked again; a fault names its table, row, column and value, and
# the nearest name that there is.

# %%
mine = study.with_prior("mined", sd=1.2)
mine.priors.frame.query("target == 'mined'")

# %% [markdown]
# ## A directory again
#
# `save` writes the tables, which any editor or spreadsheet opens; `reebayes check my_zinc` lists
# all that is wrong with them. It never overwrites a study: to save anew, remove the folder first.

# %%
folder = Path("my_zinc")
if not folder.exists():
    mine.save(folder)
again = rb.read_study(folder)
{"written": mine.hash, "read": again.hash}

# %% [markdown]
# ## Fit and ask
#
# A fit of one year takes a few seconds.

# %%
fit = rb.fit(again, seed=1, **settings)
fit.attrs["verdict"]

# %%
rb.plot_panel(fit, ["stock_change_use", "recycled"]);

# %% [markdown]
# Did the records teach it, and which of them?

# %%
rb.learnt(fit, "stock_change_use")["label"].to_series()

# %%
rb.influence(fit, "recycled").head()

# %% [markdown]
# ## The page and the figures

# %%
SVG(rb.draw_sankey(fit, None))

# %%
rb.latex_table(fit, ["stock_change_use", "recycled"], years=[1994]).splitlines()
