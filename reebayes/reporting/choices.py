"""What the answers are under every declared choice, beside what they are in the study by itself."""

from __future__ import annotations

from typing import Any

from reebayes.reporting.plan import Plan
from reebayes.results.multiverse import Multiverse
from reebayes.results.reading import Contents
from reebayes.wording import format_band, format_value


def multiverse_block(
    contents: Contents, plan: Plan, multiverse: Multiverse | None
) -> dict[str, Any] | None:
    """Return what the page shows of a multiverse; None if none is of the study that was fitted.

    Parameters
    ----------
    contents : Contents
    plan : Plan
    multiverse : Multiverse, optional
    """
    if multiverse is None or multiverse.study_hash != contents.attrs.get("study_hash"):
        return None
    parts = {part for name in multiverse.answers for part in plan.parts.get(name, ())}
    rows = [
        {
            "label": plan.label(name),
            "style": "part" if name in parts else "",
            "unit": one.unit,
            "single": format_band(*one.single),
            "mixture": format_band(*one.mixture),
            "medians": " to ".join(map(format_value, one.medians)),
        }
        for name, one in multiverse.answers.items()
    ]
    members = {
        key: [name for name, one in multiverse.members.items() if key in one.groups]
        for key in multiverse.groups
    }
    groups = [
        f"{group['label']} ({', '.join(members[key])})" for key, group in multiverse.groups.items()
    ]
    return {"rows": rows, "groups": groups, "members": len(multiverse.members)}
