"""Words of a report for readers from outside the field; `docs/glossary.md` has their literature."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup, escape

TERMS: Mapping[str, tuple[str, str]] = {
    "record": (
        "record",
        "A published figure, bound or range of one quantity in one or several years, with the "
        "source that printed it and the reporter who counted.",
    ),
    "reporter": (
        "reporter",
        "Who counted: a customs office, a survey, a ministry. The model gives each reporter a "
        "bias, which shifts all its records, and a noise, which widens their errors.",
    ),
    "flow": (
        "flow",
        "An amount a year that goes from one process to another, such as the oxides that plants "
        "sell to magnet makers.",
    ),
    "quantity": (
        "quantity",
        "A sum of flows, or a ratio of two sums, that records observe and this page shows.",
    ),
    "balance": (
        "mass balance",
        "What enters a market or plant leaves it, as product, loss or stock. It holds in every "
        "draw, which is how a record of one flow informs the others.",
    ),
    "prior": (
        "prior",
        "What is assumed before the records are read: a median and a spread for every flow that "
        "enters, every share, every bias, each with its source.",
    ),
    "posterior": (
        "posterior",
        "What is believed once prior, mass balance and all records are put together.",
    ),
    "draw": (
        "draw",
        "One complete set of flows, all years, that agrees with the mass balance. A fit holds "
        "some thousands of them, and every number of this page is counted over them.",
    ),
    "median": ("median", "The middle value: half of the draws lie above it, half below."),
    "band": (
        "band",
        "A credible interval with equal tails. Of a 90 % band, given records, priors and model, "
        "1 in 20 draws lies below and 1 in 20 above.",
    ),
    "contraction": (
        "posterior contraction",
        "By how much the records narrow the band of the prior. A quantity is learnt "
        "(data-informed) or prior-dominated (prior only) according to it.",
    ),
    "prior-dominated": (
        "prior-dominated",
        "The records hardly narrow the prior band nor move its median: the answer is what was "
        "assumed.",
    ),
    "conflict": (
        "prior-data conflict",
        "The records moved an assumption further than its own spread makes plausible. Either the "
        "assumption is wrong or the records that pull are.",
    ),
    "influence": (
        "influence",
        "By how much an answer moves if one record, or all records of one reporter, are left out.",
    ),
    "khat": (
        "k-hat",
        "How far the weights of the draws can be trusted when a record is left out without a new "
        "fit (Pareto-smoothed importance sampling): up to 0.7 they can.",
    ),
    "first-order": (
        "to first order",
        "Estimated as if small changes simply added up. It tells a direction and an order of "
        "size, and has no error; only a refit tells the true size.",
    ),
    "leave-one-out": (
        "leave-one-out predictive conflict",
        "A record set beside what all other records predict for it, in standard deviations (z).",
    ),
    "expected": (
        "posterior predictive band",
        "Where the fitted model expects the figure of a record, with the bias and noise of its "
        "reporter. The page calls it what is expected.",
    ),
    "converged": (
        "converged",
        "Independent chains of draws agree (R-hat near 1), are long enough (effective sample "
        "size) and ran without numerical trouble (divergences, E-BFMI, saturated trees).",
    ),
    "budget": (
        "uncertainty budget",
        "Shares of the variance of an answer by the input from which they come.",
    ),
    "information": (
        "value of information",
        "By how much a figure that nobody has yet would narrow a band.",
    ),
    "scenario": (
        "scenario",
        "What would have been: in every draw something is changed and the mass balance is solved "
        "again. It is accounting, without prices and behaviour.",
    ),
    "origin": (
        "origin",
        "Where content was mined or made, traced through markets that mix what they take in.",
    ),
    "pit": (
        "rank, PIT",
        "The share of figures expected by the model that lie below the printed one. If the model "
        "is right these shares are uniform between 0 and 1.",
    ),
    "score": (
        "log predictive density",
        "How probable held-out records are under a fit that did not see them; higher is better.",
    ),
}
"""Anchor of each term, with the term itself and what it means."""


def term(key: str, words: str = "") -> Markup:
    """Return a link to the glossary of the page.

    Parameters
    ----------
    key : str
        A key of `TERMS`.
    words : str
        Words of the link, if they are other than the term.
    """
    return Markup(f'<a class="term" href="#term-{key}">{escape(words or TERMS[key][0])}</a>')


def glossary_rows() -> list[dict[str, str]]:
    """Terms in the order of the alphabet, each with its anchor and meaning."""
    rows = [{"key": key, "term": name, "text": text} for key, (name, text) in TERMS.items()]
    return sorted(rows, key=lambda row: row["term"])
