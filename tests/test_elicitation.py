"""Priors from elicited quantiles: the bundled table is reproduced, and the arithmetic is right."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from reebayes.elicitation.quantiles import (
    _only_spread,
    prior_of,
    read_statements,
    spread,
    statement_of,
)
from reebayes.elicitation.rewriting import _run, main
from reebayes.errors import StudyError
from reebayes.study import Prior, read_study

DATA = Path(__file__).parents[1] / "data"
LOG_ODDS = stats.logistic.ppf

SHARE = Prior("salt", None, None, "share", 0.9, 0.4, None, "share", "judgement-a")
MINE = Prior("mine", 2000, 2010, "lognormal", 12, 1.1, 0.3, "kt REO/yr", "judgement-a", "a note")
BIAS = Prior("bias:a", None, None, "normal", -0.1, 0.2, 0.08, "log scale", "judgement-a")
NARROW = replace(BIAS, target="bias:c", median=0.0, sd=0.02)
ANCHOR = Prior("bias:b", None, None, "normal", 0, 0, None, "log scale", "judgement-a")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the bundled study."""
    return Path(shutil.copytree(DATA, tmp_path / "data"))


def edit(path: Path, old: str, new: str) -> None:
    """Replace one passage of a file."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def test_every_prior_follows_from_its_statement() -> None:
    statements = read_statements(DATA / "elicitation.csv")
    found = [prior_of(statement) for statement in statements]
    assert found == list(read_study().priors), "run `python -m reebayes.elicitation`"


def test_every_statement_says_whose_it_is_and_what_it_rests_on() -> None:
    statements = read_statements(DATA / "elicitation.csv")
    sources = read_study().sources
    for statement in statements:
        assert statement.whose
        citation = sources[statement.source].citation
        is_judgement = statement.source.startswith("judgement-")
        assert is_judgement == citation.startswith("Authors' judgement")
        assert is_judgement == (statement.whose == "authors")


@pytest.mark.parametrize(
    "prior", [SHARE, MINE, BIAS, NARROW, ANCHOR], ids=lambda prior: prior.target
)
def test_a_prior_as_statement_leads_back_to_it(prior: Prior) -> None:
    statement = statement_of(prior)
    assert prior_of(statement) == prior


@pytest.mark.parametrize(
    ("prior", "scale"), [(SHARE, LOG_ODDS), (MINE, np.log)], ids=["share", "lognormal"]
)
def test_a_statement_holds_nine_tenths_of_its_prior(prior: Prior, scale: Any) -> None:
    statement = statement_of(prior)
    found = spread(statement)
    normal = stats.norm(scale(statement.middle), found)
    inside = normal.cdf(scale(statement.high)) - normal.cdf(scale(statement.low))
    assert inside == pytest.approx(0.9, abs=1e-3)
    assert found == pytest.approx(prior.sd, abs=0.005)


def test_a_lopsided_statement_keeps_its_median_and_its_mass() -> None:
    statement = replace(statement_of(SHARE), low=0.70, middle=0.92, high=0.95)
    found = spread(statement)
    normal = stats.norm(LOG_ODDS(0.92), found)
    assert normal.cdf(LOG_ODDS(0.95)) - normal.cdf(LOG_ODDS(0.70)) == pytest.approx(0.9, abs=1e-3)
    assert prior_of(statement).median == 0.92


@given(below=st.floats(0.02, 4), above=st.floats(0.02, 4))
@settings(max_examples=25, deadline=None)
def test_however_lopsided_the_mass_is_kept(below: float, above: float) -> None:
    """The one spread with that mass, by SciPy; also where the search of the library fails."""
    stated = replace(
        statement_of(MINE), low=10 * np.exp(-below), middle=10, high=10 * np.exp(above)
    )

    def missing(sd: float) -> float:
        return float(stats.norm.cdf(above / sd) - stats.norm.cdf(-below / sd)) - 0.9

    wanted = optimize.brentq(missing, 1e-4, 50)
    assert spread(stated) == pytest.approx(wanted, rel=2e-3)
    assert _only_spread(-below, above) == pytest.approx(wanted, rel=1e-6)


def test_a_yearly_change_is_nine_tenths_of_the_steps() -> None:
    statement = statement_of(MINE)
    assert stats.norm(0, 0.3).cdf(np.log(statement.change)) == pytest.approx(0.95, abs=2e-3)


def test_differences_are_listed_and_written_when_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "priors.csv").read_bytes()
    edit(folder / "elicitation.csv", "\nmine_loss_US,,,share,0.255,", "\nmine_loss_US,,,share,0.2,")
    assert main([str(folder)]) == 1
    assert "mine_loss_US: sd 0.25 -> 0.31" in capsys.readouterr().out
    assert (folder / "priors.csv").read_bytes() == before
    assert main([str(folder), "--write"]) == 0
    assert read_study(folder).priors["mine_loss_US"].sd == 0.31
    changed = set((folder / "priors.csv").read_text().splitlines()) - set(
        before.decode().split("\n")
    )
    assert len(changed) == 1
    capsys.readouterr()
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == "priors.csv agrees.\n"


def test_lacking_statements_are_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "elicitation.csv"
    kept = [line for line in path.read_text().splitlines(True) if not line.startswith("salt_US,")]
    path.write_text("".join(kept))
    assert main([str(folder)]) == 1
    assert "- salt_US\n" in capsys.readouterr().out
    assert main([str(folder), "--missing"]) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (row["target"], row["middle"], row["whose"]) == ("salt_US", "0.9", "authors")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\nsalt_US,,,share,0.798,0.9,", "\nsalt_US,,,share,0.91,0.9,", "0.9 is not between"),
        ("\nsalt_US,,,share,0.798,0.9,0.953", "\nsalt_US,,,share,0.798,0.9,1.2", "not below 1"),
        ("\nsalt_US,,,share,0.798,", "\nsalt_US,,,share,0,", "0 is not above 0"),
        ("\nsalt_US,,,share,", "\nsalt_US,,,shares,", "Did you mean 'share'?"),
        ("\nbias:us_customs,,,normal,0.952,1,1.05,,factor,",
         "\nbias:us_customs,,,normal,0.952,1,1.05,,log scale,", "factor, factor of odds"),
        ("\nroute:US:RW,,,normal,0.32,1,3.2,1.78", "\nroute:US:RW,,,normal,0.32,1,3.2,0.9",
         "0.9 is not above 1"),
        ("\nsalt_US,,,share,0.798,0.9,0.953,,share,authors,",
         "\nsalt_US,,,share,0.798,0.9,0.953,,share,,", "cell is empty"),
    ],
)  # fmt: skip
def test_faults_of_statements_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    edit(folder / "elicitation.csv", old, new)
    assert main([str(folder), "--write"]) == 2
    assert message in capsys.readouterr().err


def test_priors_that_make_no_study_are_not_written(folder: Path) -> None:
    before = (folder / "priors.csv").read_bytes()
    edit(folder / "elicitation.csv", "\nsalt_US,", "\nsalt_UK,")
    with pytest.raises(StudyError, match="salt_UK"):
        _run(folder, write=True, lacking=False)
    assert (folder / "priors.csv").read_bytes() == before
