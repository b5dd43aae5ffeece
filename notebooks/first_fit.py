# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first fit
#
# How much rare earth was mined and smuggled without being registered? This notebook reads the
# bundled study, looks at its records, fits the model and asks what the answer rests on.

# %%
import reebayes as rb

study = rb.read_study()
study

# %% [markdown]
# ## What the registers say
#
# Every published figure is one record: what it observes, in which year, in which unit, how far to
# trust it, who reported it and where it stands.

# %%
study.records

# %% [markdown]
# Who reports how much, and which kinds of figure there are (a quota is a target, not a
# measurement; an upper bound is not a value):

# %%
study.records.frame.groupby(["reporter", "kind"]).size().unstack(fill_value=0)

# %% [markdown]
# Two registers of one thing rarely agree. These are all records of China's official mine output:

# %%
records = study.records.frame
columns = ["year", "kind", "value", "unit", "sd", "reporter", "source"]
records.loc[records["quantity"] == "mined_CN_official", columns].head(12)

# %% [markdown]
# ## Fit
#
# This takes a few minutes on two cores. The same seed gives the same numbers. The verdict of the
# convergence gate travels with the fit; a fit that fails it should not be read any further.

# %% tags=["parameters"]
settings = {"seed": 2022}

# %%
fit = rb.fit(study, **settings)
fit.attrs["verdict"]

# %% tags=["whole"]
assert fit.attrs["converged"] == "yes"

# %% [markdown]
# ## The answer, with its uncertainty
#
# A quantity is an array of draws with labelled dimensions. `bands` turns draws into the median and
# the 90 % credible band.

# %%
hidden = rb.quantity(fit, "mined_CN_unregistered")
rb.bands(hidden).to_dataframe().round(1)

# %% [markdown]
# Sums over years are taken draw by draw. Adding up the ends of yearly bands would be wrong: years
# go together.

# %%
rb.bands(rb.cumulative(hidden, 2000, 2022)).to_pandas().round(0)

# %% [markdown]
# Official output counted part of it to 2009. What it counted and what it did not are quantities of
# their own, which add up to it in every draw; a total of what no register holds is the second.

# %%
parts = ["mined_CN_unregistered_counted", "mined_CN_unregistered_uncounted"]
rb.bands(rb.cumulative(rb.quantity(fit, parts))).to_dataframe().round(0)

# %% [markdown]
# "Is there unregistered mining?" cannot be answered by the band, which never holds zero. "Is there
# more than so much?" can:

# %%
total = rb.cumulative(hidden)
{x: float(rb.probability_above(total, x)) for x in (100, 200, 400, 800)}

# %% [markdown]
# ## Beside its records and its prior
#
# Grey is what was assumed before any record, blue is what is believed after all of them.

# %%
table = rb.record_table(fit)
direct = table[table["quantity"] == "mined_CN_unregistered"]
before = rb.quantity(fit, "mined_CN_unregistered", group="prior")
rb.plot_bands(hidden, direct, prior=before, title="China: unregistered mining");

# %% [markdown]
# ## What to believe
#
# Two questions before citing a figure.
#
# *Did the records teach it?* `contraction` is 1 less the width of the band after over that before,
# here of sums over all years. It is taken on a log scale, where the width of a band is the ratio of
# its ends. Near 0, the band is the assumption handed back, and the label says `prior only`.

# %%
names = ["mined_CN_unregistered", "mined_RW_unregistered", "smuggled_CN", "mined_CN_registered"]
rb.learnt(fit, names, total=True)[["contraction", "label"]].to_dataframe().round(2)

# %% [markdown]
# *Do the records agree with one another?* A record outside the band of what the fitted model
# expects it to say is at odds with the rest: a misprint, another definition, or a wrong model.

# %%
table.loc[table["outside"], ["quantity", "year", "printed", "unit", "predicted_median", "source"]]

# %% [markdown]
# A route that is not in the study is in no band, and where no register looks, the prior speaks.
# Change a prior (`study.with_prior(...)`) or leave out a source (`study.without_source(...)`), fit
# again, and see whether your conclusion stays.
#
# `rb.save_fit(fit, "../results/fit.nc")` keeps all draws where the other notebooks look for them,
# `rb.write_report(fit, "report.html")` writes the page to send around.
