"""The study directory: what it holds, how it is read, and everything that can be wrong with it."""

from reebayes.study.priors import STEP_GROUPS
from reebayes.study.rows import Flow, Prior, Process, Quantity, Record, Source, Term
from reebayes.study.study import Study, read_study
from reebayes.study.table import Table

__all__ = [
    "STEP_GROUPS",
    "Flow",
    "Prior",
    "Process",
    "Quantity",
    "Record",
    "Source",
    "Study",
    "Table",
    "Term",
    "read_study",
]
