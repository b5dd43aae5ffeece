"""A panel of experts as an extension of a study: statements, priors, source, the other pool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import tomli_w

from reebayes.elicitation.pooling import POOL_NAMES, Pooled, pool_statements, variant_of
from reebayes.elicitation.quantiles import COLUMNS, EXPERT, POOLS, TABLE
from reebayes.elicitation.rewriting import PRIOR_COLUMNS, table_text
from reebayes.errors import StudyError
from reebayes.files import write_text_whole
from reebayes.study import read_study
from reebayes.wording import listed


def write_panel(
    result: Pooled, folder: str | Path, *, weights: dict[str, float] | None = None
) -> list[Path]:
    """Write pooled judgements as a directory that adds them to a study.

    Parameters
    ----------
    result : Pooled
        As `pool` returns it, of forms.
    folder : str or Path
        Made if missing: ``elicitation.csv`` with the column ``expert``, ``priors.csv``,
        ``sources.csv``, and ``study.toml`` with the other pool as a variant.
    weights : dict, optional
        As given to `pool`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ResultError
        If a file cannot be written.
    """
    texts = {
        TABLE: _statements_text(result),
        "priors.csv": table_text(PRIOR_COLUMNS, map(astuple, result.priors)),
        "sources.csv": table_text(("source", "citation", "licence"), _sources(result)),
        "study.toml": _header(result, weights),
    }
    return [write_text_whole(Path(folder) / name, text) for name, text in texts.items()]


def check_panel(
    result: Pooled, study: str | Path, folder: Path, extensions: Sequence[str] = ()
) -> None:
    """Raise every fault that a study would have with pooled judgements, before they are written.

    Parameters
    ----------
    result : Pooled
    study : str or Path
        Directory of the study that they add to.
    folder : Path
        Where they will be written, which faults name.
    extensions : sequence of str
        Others of the study that are added too.

    Raises
    ------
    StudyError
    """
    with TemporaryDirectory() as trial:
        write_panel(result, trial)
        try:
            read_study(study, extensions=[*extensions, Path(trial)])
        except StudyError as error:
            at, there = Path(trial).as_posix(), folder.as_posix()
            raise StudyError(
                replace(fault, table=fault.table.replace(at, there)) for fault in error.faults
            ) from error


def _statements_text(result: Pooled) -> str:
    rows = [
        [*(getattr(stated, name) for name in COLUMNS), stated.expert]
        for stated in result.statements
    ]
    return table_text((*COLUMNS, EXPERT), rows)


def _sources(result: Pooled) -> Iterable[Sequence[str]]:
    for source in dict.fromkeys(stated.source for stated in result.statements):
        names = listed(
            dict.fromkeys(s.expert for s in result.statements if s.source == source and s.expert)
        )
        text = f"Judgement of {names}, elicited as quantiles or chips; {POOL_NAMES[result.how]}"
        yield source, text, "as agreed with the experts"


def _header(result: Pooled, weights: dict[str, float] | None) -> str:
    """Label and why of the extension, and the other pool as a variant."""
    names = listed(dict.fromkeys(s.expert for s in result.statements if s.expert))
    header: dict[str, object] = {
        "label": "judgements of a panel",
        "why": f"Priors judged by {names}, joined by a {POOL_NAMES[result.how]}.",
    }
    if len(result.targets):
        others = [how for how in POOLS if how != result.how]
        made = {how: pool_statements(result.statements, how, weights=weights) for how in others}
        header["variants"] = {f"{how}_pool": variant_of(other) for how, other in made.items()}
    return tomli_w.dumps(header)
