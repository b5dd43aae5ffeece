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
# # Years to come
#
# A fit ends with the last year of its records. Here every draw goes on: what is mined moves as it
# did and follows demand, projects start, are late or never come as plans of the past did, and uses
# ask for what they used, grown as people think. Each year and draw balances, every answer comes
# with a band, and nothing is fitted again. There is no price in it.
#
# This notebook reads `results/fit.nc`, the fit that `reebayes run` writes, here or in the folder
# above. If there is none, it fits, which takes a few minutes.

# %%
from pathlib import Path

from IPython.display import SVG

import reebayes as rb

study = rb.read_study()
results = Path("results") if Path("results").is_dir() else Path("../results")
file = results / "fit.nc"
fit = rb.open_fit(file) if file.exists() else rb.fit(study, seed=2022)

# %% [markdown]
# ## What is planned, and what is in the ground
#
# Projects stand in a table of the study, each as it stood when somebody looked. This counts them by
# country; the capacity is of those under construction or planned.

# %%
rb.projects_by_country(study).head(8)

# %%
SVG(rb.draw_projects(rb.project_table(study)))

# %% [markdown]
# Reserves jump when a country restates them. They are no forecast.

# %%
reserves = rb.reserve_table(study)
reserves[reserves["jump"]][["country", "edition", "before", "reserves", "recalled"]]

# %% [markdown]
# ## The outlook

# %%
ahead = rb.outlook(fit, 2035, study)
outside = rb.quantity(ahead["outlook"], "mined_US + mined_RW")
rb.bands(outside.sel(year=[2025, 2030, 2035])).to_dataframe()[["median", "lower", "upper"]].round(0)

# %% [markdown]
# What plans of the past taught: the chance of a status to start at all, how late, and how much of a
# capacity is reached.

# %%
learnt = ahead["learnt"].to_dataset()
rb.bands(learnt["chance"]).to_dataframe()[["median", "lower", "upper"]].round(2)

# %%
{name: rb.bands(learnt[name])["median"].round(2).item() for name in ("delay", "reached")}

# %% [markdown]
# History, our bands, and what others projected, by the year in which they did. Nothing here was
# fitted to them.

# %%
use = "consumed_world"
axes = rb.plot_outlook(
    rb.quantity(fit, use),
    rb.quantity(ahead["outlook"], use),
    projections=rb.published_projections(study, use),
    demand=ahead["uses"]["demand"].sum("use"),
    title="World: consumption",
)

# %% [markdown]
# ## What is lacking
#
# A deficit is what uses ask for, less what reaches them. `x` is a tenth of what is asked for unless
# given.

# %%
lacking = rb.deficits(ahead, 2030)
lacking[lacking["by"] == "region"][["region", "demand", "supplied", "deficit", "x", "probability"]]

# %% [markdown]
# Magnets want neodymium and praseodymium. What arrives is told by where it was mined and what is
# mined there; what is mined or refined there is what a place has of its own. Asked for is what
# arrived in the last year of the fit, grown as uses do.

# %%
elements = rb.element_deficits(ahead, [2025, 2030, 2035], "Nd+Pr", study=study)
elements = elements[(elements["region"] == "outside CN") & (elements["asked"] == "as before")]
elements.pivot_table("probability", "supply", "year", sort=False).round(2)

# %% [markdown]
# ## An alliance on top
#
# Scenarios of the study begin in a year to come, take as long as they are written to take, and
# stay. The seed is the same, so that differences are taken draw by draw.

# %%
alliance = rb.outlook(fit, 2035, study, scenarios=["mongolia_alliance"], begin=2026)
change = rb.quantity(alliance["outlook"], "consumed_RW") - rb.quantity(
    ahead["outlook"], "consumed_RW"
)
rb.bands(change.sel(year=[2026, 2030, 2035])).to_dataframe()[["median", "lower", "upper"]].round(1)

# %% [markdown]
# ## Would it have been right?
#
# A cut study knows nothing of later years. Fitted, it gives the outlook of that time, and
# `hindcast` scores it against what came; that takes another fit, so here is only what would be
# left. The page on outlooks has the scores.

# %%
rb.cut(study, 2015)

# %% [markdown]
# The same answers come from the command line: `reebayes outlook`, `reebayes projects` and
# `reebayes hindcast`.
