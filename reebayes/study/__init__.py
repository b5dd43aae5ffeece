"""The study directory: what it holds, how it is read, and everything that can be wrong with it."""

from reebayes.study.description import describe_study
from reebayes.study.examples import study_folder
from reebayes.study.extensions import FOLDER as EXTENSIONS
from reebayes.study.extensions import is_study_file, own_priors, study_around
from reebayes.study.header.frozen import Settings
from reebayes.study.header.report import read_report
from reebayes.study.header.settings import TABLE
from reebayes.study.prospects import DemandGrowth, PlannedCase, Project, Projection, Reserve
from reebayes.study.reading.cells import Cells
from reebayes.study.reading.csvfiles import FaultList, Line, read_bytes, read_lines
from reebayes.study.rows import (
    DISTRIBUTIONS,
    Assay,
    Estimate,
    Flow,
    Indicator,
    Lane,
    Material,
    Partner,
    Prior,
    Process,
    PublishedElement,
    PublishedIndicator,
    Quantity,
    Record,
    Source,
    Term,
)
from reebayes.study.schema import SCHEMA
from reebayes.study.starting import start_study
from reebayes.study.stored import read_stored
from reebayes.study.study import Study, read_study
from reebayes.study.table import Table

TABLE_FILES = (TABLE, *SCHEMA)
"""Names of the files of a study directory."""

__all__ = [
    "DISTRIBUTIONS",
    "EXTENSIONS",
    "TABLE_FILES",
    "Assay",
    "Cells",
    "DemandGrowth",
    "Estimate",
    "FaultList",
    "Flow",
    "Indicator",
    "Lane",
    "Line",
    "Material",
    "Partner",
    "PlannedCase",
    "Prior",
    "Process",
    "Project",
    "Projection",
    "PublishedElement",
    "PublishedIndicator",
    "Quantity",
    "Record",
    "Reserve",
    "Settings",
    "Source",
    "Study",
    "Table",
    "Term",
    "describe_study",
    "is_study_file",
    "own_priors",
    "read_bytes",
    "read_lines",
    "read_report",
    "read_stored",
    "read_study",
    "start_study",
    "study_around",
    "study_folder",
]
