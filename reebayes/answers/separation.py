"""Where elements are still mixed as they were mined, and where they have been separated."""

from __future__ import annotations

from collections.abc import Mapping

from reebayes.answers.registers import refinery_output
from reebayes.answers.tracing import weights_at
from reebayes.conventions import parse_terms
from reebayes.errors import ResultError
from reebayes.results.reading import Contents
from reebayes.wording import listed


def place_flows(contents: Contents, text: str) -> dict[str, float]:
    """Weights of the flows of a place, or of a sum of places."""
    terms, below = parse_terms(text)
    if below or not terms or min(terms.values()) < 0:
        raise ResultError(f"{text!r} is no sum of places; write it like 'a + b'.")
    found: dict[str, float] = {}
    for name, factor in terms.items():
        for flow, weight in weights_at(contents, name, "target").items():
            found[flow] = found.get(flow, 0.0) + factor * weight
    return found


def require_mixed(contents: Contents, place: str, weights: Mapping[str, float]) -> None:
    """Refuse places beyond separation, but for all uses of a region together."""
    targets = {str(flow): str(target) for flow, target in contents.flows["target"].items()}
    kinds, regions = (dict(contents.processes[name]) for name in ("kind", "region"))
    beyond = separated_flows(contents)
    into_use = {flow for flow, target in targets.items() if kinds[target] == "use"}
    odd = []
    for flow in weights:
        if flow in into_use:
            region = regions[targets[flow]]
            whole = {f for f in into_use if regions[targets[f]] == region}
            if len({weights.get(f, 0.0) for f in whole}) > 1:
                odd.append(flow)
        elif flow in beyond:
            odd.append(flow)
    if odd:
        raise ResultError(
            f"In {place!r} elements have been separated ({listed(odd[:3])}), and no ore tells "
            "which is where. Ask for what is mined or refined, or for all uses of a region; or "
            "take it as if they had not been, with separated=True (--separated)."
        )


def separated_flows(contents: Contents) -> set[str]:
    """Flows behind the making of the product that counts as refined."""
    table = contents.flows
    if not contents.report.get("refined"):
        return set()
    made = refinery_output(contents, None)
    reached: set[str] = set()
    waiting = [str(table.at[flow, "target"]) for flow in made]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += list(table["target"][table["source"] == node])
    return {str(flow) for flow in table.index[table["source"].isin(reached)]} - {*made}
