"""A study as a fit keeps it, which may be older than what its tables have to say today."""

from dataclasses import replace
from pathlib import Path

from reebayes.errors import StudyError
from reebayes.study.changes import of_all_years
from reebayes.study.extensions import read_extended
from reebayes.study.header.frozen import Settings
from reebayes.study.study import Study, study_from


def read_stored(folder: Path) -> Study:
    """Read the tables that a fit keeps, unverified records too.

    Parameters
    ----------
    folder : Path
        Where they were written.

    Raises
    ------
    StudyError
        With every fault of every table.
    """
    draft = read_extended(folder)
    try:
        return study_from(draft, folder, recalled=True)
    except StudyError:
        variants = Settings(of_all_years(draft.header.variants.plain))
        meant = replace(draft, header=replace(draft.header, variants=variants))
        return study_from(meant, folder, recalled=True)
