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
# # Elements and partners
#
# A fit balances the sum of all rare earths. Which elements are in it follows from where they were
# mined and from what ores hold: every draw of the flows meets a draw of the compositions, and
# nothing is fitted again. Amounts are oxides.
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
years = [2005, 2010, 2015, 2019, 2022]
fit.attrs.get("verdict")

# %% [markdown]
# ## What ores hold
#
# Two analyses of the largest deposit differ by a fifth in neodymium. Where a deposit was analysed
# twice the error of analyses is learnt, and from all deposits how much they differ.

# %%
nd = study.assays.frame.query("element == 'Nd'")
nd[["deposit", "share", "source"]][nd["deposit"].isin(["Bayan Obo", "Mountain Pass", "Longnan"])]

# %% [markdown]
# ## China's share of neodymium and praseodymium
#
# Of what is mined in the world, and of what is refined; and how wide the band would be if flows or
# compositions were known.

# %%
mined = rb.elements(fit, "Nd+Pr", "mined_CN", over="mined_world", study=study)
rb.bands(mined).sel(year=years, element="Nd+Pr").to_dataframe().round(2)

# %%
refined = "refined_CN + refined_US + refined_RW"
share = rb.elements(fit, "Nd+Pr", "refined_CN", over=refined, study=study)
rb.bands(share).sel(year=years, element="Nd+Pr").to_dataframe().round(2)

# %%
alone = {
    held: rb.elements(fit, "Nd+Pr", "mined_CN", over="mined_world", held=held, study=study)
    for held in ("flows", "compositions")
}
{
    f"{held} at their mean": rb.bands(draws).sel(year=2022, element="Nd+Pr").to_pandas().round(2)
    for held, draws in alone.items()
}

# %% [markdown]
# ## Heavy elements that no register counts
#
# Clays hold dysprosium and terbium, and unregistered mines dig clays above all.

# %%
heavy = rb.elements(fit, ["Dy", "Tb"], by="registered", years=(2000, 2022), study=study)
rb.bands(heavy).to_dataframe().round(1)

# %% [markdown]
# ## Does supply meet demand?
#
# What goes into all uses, as it was mined, beside what they are made of. Recipes are those of about
# 2008; where the ratio stays away from 1, recipes, uses or the balance of the sum are wrong.

# %%
balance = rb.element_balance(fit, ["La", "Ce", "Nd+Pr", "Dy"], study=study)
rb.bands(balance["ratio"])["median"].sel(year=years).to_pandas().round(2)

# %% [markdown]
# ## Published figures beside
#
# None of them is fitted. `p` is the probability that ours is at least as high, or that a bound
# holds.

# %%
beside = rb.beside_elements(fit, study=study)
beside[["elements", "at", "year", "value", "low", "median", "lower", "upper", "unit", "p"]].round(2)

# %% [markdown]
# # Partners
#
# The extension `partners` parts the trade of China and the United States over Japan, South Korea,
# Europe, Southeast Asia, India, Africa and others. With it the study is another one, with more
# unknowns, and is fitted as such:
# `reebayes fit --with partners --out results/partners.nc --seed 2022`.

# %%
parted = rb.read_study(extensions=["partners"])
file = results / "partners.nc"
trade = rb.open_fit(file) if file.exists() else rb.fit(parted, seed=2022)
trade.attrs.get("verdict")

# %% [markdown]
# ## Who trades what with whom
#
# `seen` says how records of the year see a value; what none sees is the prior's.

# %%
rb.trade_table(trade, 2022, study=parted)

# %% [markdown]
# What left China and what arrived, beside both customs' figures where a customs has one:

# %%
mirror = rb.mirror_table(trade, [2010, 2022], study=parted)
columns = ["destination", "year", "declared_median", "arrived_median", "exporter", "importer"]
mirror.loc[mirror["origin"] == "CN", columns].round(2)

# %% [markdown]
# ## A map
#
# Widths are medians. Stripes, and a star behind a number, are what no record of the year sees.

# %%
SVG(rb.draw_map(trade, 2022, study=parted))

# %% [markdown]
# ## How concentrated it is

# %%
names = ["hhi_partners_imports_US"]
rb.bands(rb.indicators(trade, names, study=parted)["value"]).to_dataframe().round(2)

# %% [markdown]
# # A balance of each group
#
# The extension `elements` fits three balances in place of one: of La and Ce, of Nd and Pr, and of
# all other rare earths. What is in a place then is what its own flows are, behind separation too.
# It is a study of its own: `reebayes fit --with elements --out results/elements.nc --seed 2022`.

# %%
grouped = rb.read_study(extensions=["elements"])
file = results / "elements.nc"
layered = rb.open_fit(file) if file.exists() else rb.fit(grouped, seed=2022)
layered.attrs.get("verdict")

# %% [markdown]
# ## China's share again
#
# Of neodymium and praseodymium mined, as above, and of those refined, which no ore tells.

# %%
mined = rb.elements(layered, "Nd+Pr", "mined_CN", over="mined_world", study=grouped)
rb.bands(mined).sel(year=years, element="Nd+Pr").to_dataframe().round(2)

# %%
share = rb.elements(layered, "Nd+Pr", "refined_CN", over=refined, study=grouped)
rb.bands(share).sel(year=years, element="Nd+Pr").to_dataframe().round(2)

# %% [markdown]
# ## What magnets hold
#
# A quantity of one group has its name at the end.

# %%
names = [f"consumed_world_magnets{end}" for end in ("", "_lace", "_ndpr", "_heavy")]
bands = {name: rb.bands(rb.quantity(layered, name)).sel(year=2022) for name in names}
{name: band.to_pandas().round(1).to_dict() for name, band in bands.items()}

# %% [markdown]
# ## Does supply meet demand now?
#
# What found no use counts as supply. Each group balances, so uses had to give way where recipes ask
# for more than there is.

# %%
balance = rb.element_balance(layered, study=grouped)
rb.bands(balance["ratio"])["median"].sel(year=years).to_pandas().round(2)

# %% [markdown]
# ## The whole system
#
# A diagram draws the sum over the groups.

# %%
SVG(rb.draw_sankey(layered, 2022))
