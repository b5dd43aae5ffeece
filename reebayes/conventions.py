"""Names, units and defaults that every other module shares.

A dimension is spelt in one place, the default credible interval is set in one place, and the text
form of a quantity (which flows it adds up) is written and read in one place.
"""

from collections.abc import Mapping, Sequence

CHAIN = "chain"
DRAW = "draw"
SAMPLE_DIMS = (CHAIN, DRAW)
YEAR = "year"
FLOW = "flow"
QUANTITY = "quantity"
PROCESS = "process"
RECORD = "record"
REPORTER = "reporter"
SOURCE = "source"
LATENT = "latent"
GROUP = "group"
SHARED = "shared"
PUBLISHED = "published"
KIND = "kind"
REGION = "region"
STAGE = "stage"

POSTERIOR = "posterior"
PRIOR = "prior"

CI_PROB = 0.9
"""Probability inside every credible band unless a caller asks for another."""

RATIO_UNITS = frozenset({"ratio", "fraction"})
"""Units of quantities that are one sum of flows divided by another."""

BY_SOURCE, BY_REGION, BY_REGISTERED, BY_REFINED = "source", "region", "registered", "refined_in"
ORIGINS = (BY_SOURCE, BY_REGION, BY_REGISTERED, BY_REFINED)
"""How origins of content are told apart."""

PER_YEAR = "/yr"

FIT_FORMAT = 3
"""Form of the file of a fit; raised when older versions cannot read it any more."""

GATE: Mapping[str, tuple[str, float]] = {
    "rhat_max": ("at most", 1.01),
    "ess_bulk_min": ("at least", 400),
    "ess_tail_min": ("at least", 400),
    "divergences": ("at most", 0),
    "bfmi_min": ("at least", 0.3),
    "saturated_fraction": ("less than", 0.01),
}
"""What a fit must satisfy to count as converged, by attribute of the fit."""


type Terms = Sequence[tuple[str, float]]


def format_terms(numerator: Terms, denominator: Terms = ()) -> str:
    """Write a quantity as text: ``"a + 0.5 b"``, or ``"a / a + b"`` for a ratio.

    Parameters
    ----------
    numerator, denominator : sequence of (flow name, weight)
        The flows that are added up. An empty denominator means a plain sum.

    Returns
    -------
    str
        Text that `parse_terms` reads back.
    """
    text = _format_sum(numerator)
    return f"{text} / {_format_sum(denominator)}" if denominator else text


def parse_terms(text: str) -> tuple[dict[str, float], dict[str, float]]:
    """Read the text of `format_terms` back into weights by flow.

    Parameters
    ----------
    text : str
        For example ``"a + 0.5 b - c"``.

    Returns
    -------
    tuple of dict
        Weights of the numerator and of the denominator (empty for a plain sum).
    """
    numerator, _, denominator = text.partition(" / ")
    return _parse_sum(numerator), _parse_sum(denominator)


def _format_sum(terms: Terms) -> str:
    pieces: list[str] = []
    for flow, weight in terms:
        sign = "-" if weight < 0 else "+"
        factor = "" if abs(weight) == 1 else f"{abs(weight):.12g} "
        pieces.append(f"{sign} {factor}{flow}")
    return " ".join(pieces).removeprefix("+ ")


def _parse_sum(text: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    sign, factor = 1.0, 1.0
    for word in text.split():
        if word in {"+", "-"}:
            sign, factor = (1.0 if word == "+" else -1.0), 1.0
        elif _is_number(word):
            factor = float(word)
        else:
            weights[word] = weights.get(word, 0.0) + sign * factor
    return weights


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
