"""The page's comparison of predictions with refits: what is drawn, predicted and told."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import reebayes as rb
from reebayes.experiments.refits import Refit
from reebayes.study import Study
from tests.linear import linear_fit, linear_study
from tests.test_sensitivity_commands import written

mpl.use("agg")

PREDICTED: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "predicted.py"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return linear_study(tmp_path_factory.mktemp("linear") / "study")


@pytest.fixture(scope="module")
def file(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(linear_fit(study), tmp_path_factory.mktemp("fit") / "fit.nc")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a run in which the first case moves the answer by far and the last one failed."""

    def refits(cases: Mapping[str, Study], *given: Any, **options: Any) -> dict[str, Refit]:
        rng = np.random.default_rng(1)
        found = {}
        for n, name in enumerate(cases):
            draws = {"total": rng.normal(500.0 if n == 0 else 53.0, 1.0, (4, 100))}
            found[name] = Refit(draws, 2.0 if n == len(cases) - 1 else 1.0, 400.0, 0, 1)
        return found

    monkeypatch.setitem(PREDICTED["main"].__globals__, "refits", refits)
    return tmp_path


def test_the_worst_case_is_named_and_a_refit_that_failed_is_told(file: Path, folder: Path) -> None:
    PREDICTED["main"]([str(file), "--refits", str(folder / "r"), "--cases", "5", "--out",
                       str(folder)])  # fmt: skip
    text = (folder / "predicted_table.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 5
    first = rows[0].split(" | ")[0].removeprefix("| ")
    assert f"Furthest off, in posterior standard deviations: {first}, on `total`" in text
    assert "did not pass: R-hat 2.000" in rows[-1]
    assert "5 changes drawn with seed 0; 4 refits passed their gate." in text
    assert (folder / "predicted.png").stat().st_size > 1000


def test_predictions_are_those_of_the_changes_that_are_fitted_again(
    file: Path, study: Study
) -> None:
    with rb.open_fit(file) as fit:
        slopes = rb.sensitivity(fit, "total")
        pulls = rb.influence(fit, "total", by="source")
        contents = PREDICTED["contents_of"](fit)
        asked = (contents, study, {"total": None}, 8, 3)
        studies, predicted, unsound = PREDICTED["drawn_cases"](*asked)
        assert list(PREDICTED["drawn_cases"](*asked)[1]) == list(predicted)
    assert unsound == []
    assert len(studies) == 8
    for name, of_case in predicted.items():
        what, _, move = name.replace("without ", "").replace("`", "").partition(", ")
        one = of_case["total"]
        if not move:
            row = pulls.loc[what]
            assert one.change == -row["pull"]
            assert np.isnan(one.error) != row["reliable"]
            assert studies[name].hash == study.without_source(what).hash
            continue
        column = PREDICTED["COLUMNS"][move]
        assert one.change == slopes.loc[what, column]
        sure = slopes.loc[what, "by_spread" if column in ("halved", "doubled") else "by"]
        assert np.isfinite(one.error) == (sure == "weights")
        changed = [p for p in studies[name].priors if p not in study.priors]
        assert [prior.label for prior in changed] == [what]
