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
# # What an answer hangs on
#
# How much left China without being declared? A posterior answers under its priors, its reading of
# the records and its model of errors. This notebook asks what the answer would be under others,
# where its variance comes from, and which new figures would narrow it most.
#
# Everything is computed from the draws of one fit, in seconds. This notebook reads
# `results/fit.nc`, the fit that `reebayes run` writes, here or in the folder above. If there is
# none, it fits, which takes a few minutes.

# %%
from pathlib import Path

import reebayes as rb

results = Path("results") if Path("results").is_dir() else Path("../results")

# %% [markdown]
# The fit, the answer, and a prior of a flow to move. Put your own here.

# %% tags=["parameters"]
file = results / "fit.nc"
fit = rb.open_fit(file) if file.exists() else rb.fit(rb.read_study(), seed=2022)
answer = "smuggled_CN"
flow = "concentrate_CN_unregistered_absorbed"

# %%
study = rb.study_of(fit)
fit.attrs["verdict"]

# %% [markdown]
# ## Which priors move it?
#
# One row for each row of the priors. `slope` is the prior sensitivity: by how many of its standard
# deviations the answer moves for one prior standard deviation of the row's centre. `down` and `up`
# are the changes in the answer's unit, by weights of the draws where their k-hat allows that; rows
# stand in the order of the larger one, and can have any rank that the errors leave open.

# %%
slopes = rb.sensitivity(fit, answer)
slopes[["rank_from", "rank_to", "slope", "error", "down", "up", "khat", "by", "source"]].head(10)

# %% [markdown]
# Where the weights fail, `by` says `slope`: the change is to first order, has no error, and is
# hatched in the tornado. `rb.sensitivity(fit, answer, confirm=True)` fits such rows again.

# %%
rb.plot_tornado(slopes, title=answer);

# %% [markdown]
# A wider or narrower prior is another question than a higher or lower one:

# %%
spread = slopes.sort_values("slope_spread", key=abs, ascending=False)
spread[["slope_spread", "error_spread", "halved", "doubled", "khat_spread", "by_spread"]].head(5)

# %% [markdown]
# ## Where does its variance come from?
#
# `share` adds up to one over all inputs; `removed` is what knowing an input would take from the
# variance through all that it is tied to.

# %%
budget = rb.uncertainty_budget(fit, answer)
budget[["kind", "share", "error", "removed", "sd"]].head(10)

# %% [markdown]
# The last row is not linear, or comes from bounds. No number stands for the limits of the study:

# %%
budget.tail(1)

# %%
budget.attrs["not_quantified"]

# %% [markdown]
# ## What would it be without a source?
#
# By weights alone here, so sources whose weights fail are empty. Without `refit=False` they are
# fitted again, some seconds each.

# %%
without = rb.leave_out(fit, answer, by="source", refit=False)
without[["records", "without", "change", "error", "khat", "by"]].head(10)

# %%
without.loc[without["by"] == "", ["records", "verdict"]]

# %% [markdown]
# ## Which figures are worth finding?
#
# If a new reporter printed one of these with an error of 10 %, the 90 % band would shrink from
# `before` to `after`. Each is chosen beside those above it.

# %%
rb.value_of_information(fit, answer, sd=0.1, count=5)

# %% [markdown]
# ## Another belief
#
# Before any fit, `prior_of` shows what a changed prior says of the answer. The same random numbers
# are used, so the difference is that of the priors.

# %%
moved = study.with_prior(flow, shift=1)
{
    name: rb.bands(rb.cumulative(rb.prior_of(one, answer, draws=500))).to_pandas().round(2)
    for name, one in {"as it is": study, "moved": moved}.items()
}

# %% [markdown]
# What the draws predict of its posterior stands in one row of the table; `rb.fit(moved)` confirms
# it.

# %%
slopes.loc[slopes["target"] == flow, ["down", "up", "khat", "by"]]

# %% [markdown]
# The report says all this of every headline quantity:
# `rb.write_report(fit, "report.html", sensitivity=rb.sensitivity_summary(fit))`.
