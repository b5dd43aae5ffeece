"""Surveys and judgements as a section of the report."""

import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import reebayes as rb
from reebayes.cli.main import main
from reebayes.elicitation.pooling import Pooled
from reebayes.reporting.asked import judgement_block, survey_block
from reebayes.reporting.material import Material
from reebayes.reporting.plan import plan_of
from reebayes.reporting.sections import asked as asked_section
from reebayes.results.reading import contents_of
from tests.ahead import fit_of_priors
from tests.fakes import fake_fit, save_fake
from tests.tiny import write_tables

PRINTED = """\
statement,share,heading,rounding,n,indicators,source,note
mines are hidden,0.65,1. Mines,0.05,,growth,A paper,
trade is free,0.5,2. Trade,,40,,A paper,nothing speaks to it
"""
SHEET = "respondent,statement,answer\na,likes <b>,yes\nb,likes <b>,no\nc,likes <b>,yes\n"
FORM = """\
expert,target,year,year_end,question,unit,low,middle,high,chips,change,reason
{name},ore,,,,kt REO/yr,{values},,,
"""


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def judged(folder: Path) -> list[Path]:
    return [file(folder, f"{name}.csv", FORM.format(name=name, values=values))
            for name, values in (("A", "5,10,20"), ("B", "25,35,60"))]  # fmt: skip


@pytest.mark.filterwarnings("ignore::reebayes.StudyWarning")
def test_a_share_without_n_has_no_band_and_the_indicator_beside_it(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "tiny")
    header = "indicator,kind,members,region,stage,convention,unit,reference,label\n"
    row = "growth,growth,mined,A,,,factor,,Growth\n"
    file(folder, "indicators.csv", header + row)
    study = rb.read_study(folder)
    fit = fit_of_priors(study)
    block = survey_block(contents_of(fit), rb.survey(file(tmp_path, "printed.csv", PRINTED)))
    first, second = block["rows"]
    assert first["band"] == "none: n is not known" and second["band"].endswith("of 40")
    assert block["without_n"] and block["printed"]
    (beside,) = first["beside"]
    draws = rb.indicators(fit, "growth")["value"].sel(year=2015)
    assert beside["year"] == "2015"
    shown = float(beside["band"].split(" ")[0])
    assert shown == pytest.approx(float(np.median(draws)), rel=0.01)
    assert not second["beside"] and second["note"] == "nothing speaks to it"


def test_judgements_are_shown_with_pool_and_prior(tmp_path: Path) -> None:
    pooled: Pooled = rb.pool(judged(tmp_path))
    (block,) = judgement_block(pooled)["targets"]
    assert [row["whose"] for row in block["rows"]] == ["A", "B", "pool", "prior"]
    assert block["rows"][0]["cells"] == ["5.00", "10.0", "20.0"]
    assert block["apart"] == "A and B" and block["loss"].endswith("%")
    (alone,) = judgement_block(rb.pool(judged(tmp_path)[:1]))["targets"]
    assert alone["loss"] == "" and len(alone["rows"]) == 2


def test_the_report_shows_what_it_is_given(tmp_path: Path) -> None:
    fit, out = save_fake(tmp_path / "fit.nc"), tmp_path / "page.html"
    sheet = file(tmp_path, "sheet.csv", SHEET)
    forms = [word for path in judged(tmp_path) for word in ("--judgement", str(path))]
    asked = ["report", str(fit), "--out", str(out)]
    assert main([*asked, "--survey", str(sheet), *forms]) == 0
    text = out.read_text("utf-8")
    section = text[text.index('id="asked"') : text.index('id="checks"')]
    assert "likes &lt;b&gt;" in section and "<b>" not in section
    words = unescape(re.sub(r"<[^>]+>", " ", section))
    assert "lies between experts" in words and "linear pool" in words
    contents = contents_of(fake_fit())
    assert asked_section(Material(contents, plan_of(contents, None))) is None
    assert main([*asked, "--survey", str(tmp_path / "none.csv")]) == 2
