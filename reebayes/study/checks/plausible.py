"""What is possible and hardly meant in a study that is sound: told, and the study is used."""

from reebayes.errors import Fault
from reebayes.study.checks.company import check_company
from reebayes.study.checks.context import build_context
from reebayes.study.checks.likeness import check_likeness
from reebayes.study.checks.limits import MOST_YEARS, check_limits
from reebayes.study.checks.prior_flows import draw_flows
from reebayes.study.drafts import Draft


def implausible(draft: Draft) -> list[Fault]:
    """Return what is hardly meant in a sound study, each with its place and what to check."""
    context = build_context(draft)
    found = [*check_limits(draft, context), *check_company(draft, context)]
    # Of more years, the years are wrong, and flows would take long.
    if draft.priors and len(context.years) <= MOST_YEARS:
        found += check_likeness(draft, context, draw_flows(draft, context))
    return found
