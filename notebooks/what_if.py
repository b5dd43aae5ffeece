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
# # What if, how dependent, and from where
#
# A fit answers more than "how much". Each of its draws is a whole system that balances, so one can
# change something in it and solve the balance again (scenarios), divide its sums (indicators), or
# follow content back to where it was mined (origins). Every answer comes with a band, and nothing
# is fitted again.
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
fit.attrs.get("verdict")

# %% [markdown]
# ## What if: no trade in 2022
#
# A scenario stands in `study.toml`: what changes, in which years, what becomes of what is not
# traded, and by which closure the balance is solved again.

# %%
{name: table["label"] for name, table in study.scenarios.items()}

# %%
no_trade = rb.scenario(fit, "no_trade_2022", study)
effects = rb.effect(no_trade)
effects.attrs["sentence"]

# %%
effects.loc[effects["what"] == "use", ["label", "factual", "counterfactual", "difference"]].round(2)

# %% [markdown]
# Plants pass no more than they did, give or take; what they cannot pass is told as stranded.

# %%
effects.loc[effects["what"] == "stranded", ["label", "difference", "lower", "upper"]].round(2)

# %%
rb.plot_effect(effects);

# %% [markdown]
# What was and what would have been, in one scale and at the same places:

# %%
SVG(rb.draw_sankey(no_trade, 2022))

# %% [markdown]
# Either side of a scenario can be asked like a fit.

# %%
rb.bands(rb.quantity(no_trade["counterfactual"], ["consumed_US", "consumed_RW"])).to_dataframe()

# %% [markdown]
# ## How dependent
#
# Indicators stand in `indicators.csv`. Net import reliance, the share of China in mining, and the
# concentration (HHI) of mining and refining, with bands:

# %%
names = ["nir_US", "mined_share_CN", "hhi_mined", "hhi_refined"]
found = rb.indicators(fit, names, study=study)
rb.bands(found["value"].sel(year=[2000, 2010, 2022]))["median"].to_pandas().round(2)

# %% [markdown]
# Published values stand beside them, with the definition that makes them differ. None of them was
# used in the fit.

# %%
beside = rb.beside_indicators(fit, names, study=study)
beside[["indicator", "year", "value", "median", "lower", "upper", "definition"]].head(6)

# %% [markdown]
# A ratio of one's own is a ratio of sums over the years, and has the unit of one:

# %%
rb.bands(rb.ratio(fit, "mined_CN_unregistered", "mined_CN", years=(2005, 2010)))

# %% [markdown]
# ## From where
#
# What enters a process is taken to be mixed there, so every use has the origins of all that went
# into it, through every loop of trade.

# %%
magnets = rb.origins(fit, "use_US_magnets", "region", years=2022)
rb.bands(magnets).to_dataframe()[["median", "lower", "upper"]].round(2)

# %% [markdown]
# Customs see where a good crossed the border last. Traced to the mine, the share of China differs:

# %%
reliance = rb.reliance(fit, "US", on="CN", years=2022)
{name: rb.bands(reliance[name])["median"].round(2).item() for name in ("direct", "traced")}

# %% [markdown]
# Mixing is an assumption. Without it only bounds hold; here for a few draws:

# %%
bounds = rb.origin_bounds(fit, "consumed_RW", "CN", by="region", years=2022, draws=10)
bounds.to_dataframe().median().round(2)

# %% [markdown]
# The same answers come from the command line: `reebayes scenario`, `reebayes indicators`,
# `reebayes origins`, and `reebayes figures --sankey` for pictures of every year.
