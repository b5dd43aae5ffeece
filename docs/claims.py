"""What the REEvolution article says, held against a fit: python docs/claims.py FIT.nc.

Writes the tables of the pages on claims, indicators and origins (claims_tables.md,
indicators_tables.md, origins_tables.md). The fit is one of the bundled study, as
`reebayes fit --out FIT.nc` saves it. Takes half a minute.
"""

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

import reebayes as rb
from reebayes.results.description import redescribed
from reebayes.wording import format_band

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Claim:
    """A number of the article, and what can be said of it.

    ``answers`` holds rows of definition, draws and the figure that they are held against; ``why``
    says why it cannot be answered, or what the rows leave open.
    """

    says: str
    answers: Sequence[tuple[str, Callable[["Asked"], xr.DataArray], float]]
    why: str


@dataclass(frozen=True)
class Asked:
    """A fit and its study."""

    fit: xr.DataTree
    study: rb.Study

    def indicator(
        self, name: str, years: int | tuple[int, int], convention: str = "usgs"
    ) -> xr.DataArray:
        """Draws of an indicator in some years."""
        found = rb.indicators(self.fit, name, convention, years=years, study=self.study)
        return found["value"].isel(indicator=0)

    def quota_share(self, year: int, whole: str) -> xr.DataArray:
        """The mining quota of a year over a sum of quantities."""
        quotas = rb.quota_table(self.fit)
        of = quotas[(quotas["quantity"] == "mined_CN_registered") & (quotas["year"] == year)]
        mined = rb.quantity(self.fit, whole).sel(year=year)
        return float(of["quota"].iloc[0]) / mined


def of(
    name: str, years: int | tuple[int, int], convention: str = "usgs"
) -> Callable[[Asked], xr.DataArray]:
    """Ask for an indicator."""
    return lambda asked: asked.indicator(name, years, convention)


IMPORTS, MINED = "import_share_US_from_CN", "mined_share_CN"
COUNTED = "mined_CN_official + mined_US + mined_RW"
REGISTERED = "mined_CN_official + mined_US + mined_RW_registered"
ROCK = "concentrate_CN_rock"
BURMA = "official output over world output, Burma included"

CLAIMS = (
    Claim(
        "78 % of United States imports of rare earths came from China in 2019",
        (
            ("compounds and metals, weight of oxide, 2019", of(IMPORTS, 2019), 0.78),
            ("all products, weight of oxide, 2019", of(IMPORTS, 2019, "physical"), 0.78),
            ("compounds and metals, 2016-2019", of(IMPORTS, (2016, 2019)), 0.78),
            ("compounds and metals, 2013-2016", of(IMPORTS, (2013, 2016)), 0.78),
            (
                "traced: mined in China, of what the United States used in 2019",
                lambda asked: rb.reliance(asked.fit, "US", on="CN", years=2019)["traced"],
                0.78,
            ),
        ),
        "The United States survey prints 78 % for the four years 2013-2016 together, by value. The "
        "study has no values, so that basis cannot be answered; by weight of one year the customs "
        "download gives 79 % and by value 61 %, listed partners only.",
    ),
    Claim(
        "63 % of the mine production of 2019 was Chinese",
        (
            (f"{BURMA}, 2019", of(MINED, 2019), 0.63),
            ("registered output everywhere, 2019", of("mined_registered_share_CN", 2019), 0.63),
            ("all mining, registered or not, 2019", of(MINED, 2019, "physical"), 0.63),
        ),
        "132 of 210 kt in the survey's first printing; its revised figures give 59 %.",
    ),
    Claim(
        "China supplies more than 90 % of neodymium and praseodymium",
        (
            (
                "nearest: share of refining to oxides of all elements, 2022",
                of("refined_share_CN", 2022),
                0.90,
            ),
        ),
        "The study by itself counts rare-earth oxide as a whole. Fitted by element, it tells the "
        "share of these two: see the page on elements.",
    ),
    Claim(
        "The Chinese quota was about 70 % of world production in 2023",
        (
            (
                f"mining quota of 2022 over {BURMA.split(' over ')[1]}",
                lambda asked: asked.quota_share(2022, COUNTED),
                0.70,
            ),
            (
                "mining quota of 2022 over all mining",
                lambda asked: asked.quota_share(2022, "mined_world"),
                0.70,
            ),
        ),
        "The study ends in 2022, so 2023 cannot be answered.",
    ),
    Claim(
        "China has more than 80 % of production",
        (
            *(
                (f"mining, registered or not, {year}", of(MINED, year, "physical"), 0.80)
                for year in (2000, 2010, 2019, 2022)
            ),
            *(
                (f"refining, {year}", of("refined_share_CN", year), 0.80)
                for year in (2000, 2010, 2019, 2022)
            ),
        ),
        "Neither year nor stage is said. P tells of each where it holds.",
    ),
    Claim(
        "Bayan Obo holds more than 40 % of the world's reserves",
        (),
        "Reserves are printed, not inferred: 40 to 43 % of the world by edition, as claimed, but "
        "109 to 119 % of what China is said to have. Definitions differ: see the page on the "
        "outlook.",
    ),
    Claim(
        "Bayan Obo yields nearly half of production",
        (
            (
                "Chinese rock ores over all mining, 2019: an upper bound",
                lambda asked: rb.ratio(asked.fit, ROCK, "mined_world", years=2019),
                0.50,
            ),
            (
                "Chinese rock ores over registered mining, 2019: an upper bound",
                lambda asked: rb.ratio(asked.fit, ROCK, REGISTERED, years=2019),
                0.50,
            ),
            (
                "Chinese rock ores over all mining, 2010: an upper bound",
                lambda asked: rb.ratio(asked.fit, ROCK, "mined_world", years=2010),
                0.50,
            ),
        ),
        "The study knows rock ores of all Chinese deposits together, of which Bayan Obo is a part: "
        "P is an upper bound of the probability. Of whose production, and when, is not said.",
    ),
)


def claims_text(asked: Asked) -> str:
    """Every claim with its definitions, bands and probabilities."""
    parts = ["## The article's numbers\n"]
    for claim in CLAIMS:
        parts.append(f"### {claim.says}\n")
        if claim.answers:
            parts.append("| definition | ours | P(at least as much) |\n|---|---|---|")
            for definition, draws, figure in claim.answers:
                values = draws(asked)
                chance = float((values >= figure).mean())
                parts.append(f"| {definition} | {band_of(values)} | {chance:.2f} |")
            parts.append("")
        parts.append(f"{claim.why}\n")
    return "\n".join([*parts, survey_text()])


def survey_text() -> str:
    """What can be said of percentages without the number of respondents."""
    lines = [
        "### Shares of those surveyed\n",
        "| statement | printed | respondents that ± 5 points would need |",
        "|---|---|---|",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rb.StudyWarning)  # the page says it
        shares = rb.survey("reevolution").shares
    for _, row in shares.iterrows():
        lines.append(f"| {row['statement']} | {100 * row['share']:.0f} % | {row['needed']} |")
    lines.append(
        "\nCannot be answered: the article does not say how many were asked, nor how they were "
        "chosen, so no band can be given. The last column is\nthe number of a simple random sample "
        "whose 90 % band would be 5 points wide to either side; [](survey.md) has the curve.\n"
    )
    return "\n".join(lines)


# --- indicators and origins -----------------------------------------------------------------------


def headline_text(asked: Asked) -> str:
    """Tables of the page on indicators."""
    rows = [
        ("mined_share_CN", "usgs", 2010), ("mined_share_CN", "usgs", 2019),
        ("mined_share_CN", "usgs", 2022), ("mined_share_CN", "physical", 2010),
        ("mined_share_CN", "physical", 2019), ("mined_share_CN", "physical", 2022),
        *(("nir_US", convention, year) for convention in ("usgs", "eu", "physical")
          for year in (2000, 2010, 2022)),
        *((name, "usgs", year) for name in ("hhi_mined", "hhi_refined")
          for year in (2000, 2010, 2019, 2022)),
        ("import_share_US_from_CN", "usgs", 2019),
        ("import_share_US_from_CN", "physical", 2019),
    ]  # fmt: skip
    labels = {(row.indicator, row.convention): row.label for row in asked.study.indicators}
    lines = ["## Some of them\n", "| indicator | convention | year | median and 90 % band |",
             "|---|---|---|---|"]  # fmt: skip
    for name, convention, year in rows:
        value = asked.indicator(name, year, convention)
        label = labels.get((name, convention)) or labels[name, ""]
        lines.append(f"| `{name}`: {label} | {convention} | {year} | {band_of(value)} |")
    return "\n".join([*lines, "", published_text(asked)])


def published_text(asked: Asked) -> str:
    """Published values beside ours."""
    table = rb.beside_indicators(asked.fit, study=asked.study)
    lines = ["## Published values beside ours\n",
             "| value | years | printed | ours | P | same source in the fit | definition |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, row in table.iterrows():
        years = (
            row["year"] if row["year"] == row["year_end"] else f"{row['year']}-{row['year_end']}"
        )
        printed = next(row[c] for c in ("value", "low", "high") if row[c] == row[c])
        sign = {"lower": "≥ ", "upper": "≤ "}.get(row["kind"], "")
        ours = format_band(row["median"], row["lower"], row["upper"])
        cells = (
            f"`{name}`", f"{years}", f"{sign}{printed:g}", ours, f"{row['p']:.2f}",
            "yes" if row["informed"] else "no", row["definition"],
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def origins_text(asked: Asked) -> str:
    """What the page on origins tells."""
    fit = asked.fit
    begin = time.perf_counter()
    magnets = {
        region: rb.origins(fit, f"use_{region}_magnets", amounts=True) for region in ("US", "RW")
    }
    seconds = time.perf_counter() - begin
    outside = magnets["US"].drop_vars("drawn") + magnets["RW"].drop_vars("drawn")
    share = outside.sel(origin="ore_CN_unregistered") / outside.sum("origin")
    lines = [
        "Share of unregistered Chinese ore in magnets used outside China, by year; and of ore "
        "mined in the United\nStates in Chinese exports to the United States.\n",
        "| year | magnets outside China | magnets in the United States | "
        "United States ore in exports to it |",
        "|---|---|---|---|",
    ]
    us = rb.origins(fit, "use_US_magnets").sel(origin="ore_CN_unregistered")
    back = rb.origins(fit, "exported_CN_US").sel(origin="ore_US")
    for year in asked.study.years:
        cells = [band_of(draws.sel(year=year)) for draws in (share, us, back)]
        lines.append(f"| {year} | {' | '.join(cells)} |")
    lines += ["", "What the United States used, and how much of it came from China.\n",
              "| year | directly over the border | mined in China | refined in China |",
              "|---|---|---|---|"]  # fmt: skip
    mined = rb.reliance(fit, "US", on="CN")
    refined = rb.reliance(fit, "US", on="CN", at="refined")
    for year in (2000, 2005, 2010, 2015, 2019, 2022):
        draws = (mined["direct"], mined["traced"], refined["traced"])
        lines.append(f"| {year} | {' | '.join(band_of(d.sel(year=year)) for d in draws)} |")
    lines += ["", bounds_text(fit)]
    systems = 2 * fit["posterior"]["flows"].isel(flow=0).size
    lines.append(f"{systems:,} systems were solved in {seconds:.1f} s on one core for this page.\n")
    return "\n".join(lines)


def bounds_text(fit: xr.DataTree) -> str:
    """Bounds without mixing, of a few headline shares."""
    hidden = "ore_CN_unregistered"
    asked = (
        (hidden, "use_US_magnets", 2010),
        (hidden, "use_RW_magnets", 2010),
        (hidden, "consumed_world", 2010),
        (hidden, "consumed_CN", 2010),
        ("ore_CN_registered", "consumed_CN", 2022),
        ("ore_US", "exported_CN_US", 2022),
    )
    lines = [
        "Bounds of a share where nothing is assumed to be mixed: medians over 100 draws.\n",
        "| origin | at | year | least | mixed | most |",
        "|---|---|---|---|---|---|",
    ]
    for origin, at, year in asked:
        found = rb.origin_bounds(fit, at, origin, years=year).median("draw")
        numbers = " | ".join(f"{float(found[end]):.2f}" for end in ("lower", "mixed", "upper"))
        lines.append(f"| `{origin}` | `{at}` | {year} | {numbers} |")
    return "\n".join([*lines, ""])


def band_of(draws: xr.DataArray) -> str:
    """Median and band of one number."""
    band = rb.bands(draws)
    numbers = [float(band[end]) for end in ("median", "lower", "upper")]
    return format_band(*numbers) if np.isfinite(numbers[0]) else "none"


def main(file: str) -> None:
    """Write the tables of the three pages."""
    study = rb.read_study()
    asked = Asked(redescribed(rb.open_fit(file), study), study)
    (HERE / "claims_tables.md").write_text(claims_text(asked), encoding="utf-8")
    (HERE / "indicators_tables.md").write_text(headline_text(asked), encoding="utf-8")
    (HERE / "origins_tables.md").write_text(origins_text(asked), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
