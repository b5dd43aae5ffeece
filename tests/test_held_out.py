"""Where held-out records lie in what was predicted of them: PIT, and whether they are uniform."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reebayes.answers.scores import Comparison, compare, read_comparison
from reebayes.answers.uniformity import (
    BINS,
    BOUND_ROWS,
    CHANCE,
    FIGURE_ROWS,
    HeldOutCheck,
    held_out_check,
)
from reebayes.errors import ResultError
from reebayes.experiments.runs import score_held_out
from reebayes.figures.ranks import plot_pit
from reebayes.inference.pit import HIGH, LOW, PIT, REPLICAS, REPLICATED, transforms
from reebayes.inference.sampling import Run
from reebayes.model.kernels import CERTAIN, EITHER, LOWER, PART, POINT, RANGE, UPPER, Figures
from reebayes.reporting.page import write_report
from reebayes.reporting.spreadsheets import write_csv
from reebayes.results.reading import contents_of
from reebayes.study import read_study
from tests.fakes import fake_fit
from tests.test_reference import BIAS, FIGURES, LINE, MEDIAN, SPREAD, STEP, YEARS
from tests.tiny import write_tables

# --- transforms of draws --------------------------------------------------------------------------

SPREAD_OF_DRAWS, SCALE = 0.3, 0.4
"""Spread of locations and scale of errors: the predictive is normal, of their Euclidean sum."""
WIDE = 0.5

KINDS = (POINT, UPPER, LOWER, RANGE, CERTAIN, EITHER)
LOWS, HIGHS = (0.7, 0.0, -0.2, -0.4, 0.0, 0.3), (0.0, 0.6, 0.0, 0.9, 0.0, 4.0)


def drawn(figures: Figures, seed: int = 1, draws: int = 4000) -> dict[str, np.ndarray]:
    """Transforms of records whose locations are normal around 0, of quantiles at even steps."""
    even = stats.norm(0, SPREAD_OF_DRAWS).ppf((np.arange(draws) + 0.5) / draws)
    rng = np.random.default_rng(seed)
    count = len(figures.kind)
    location = np.stack([rng.permutation(even) for _ in range(count)], axis=1)
    return transforms(location, np.full((draws, count), SCALE), figures, rng)


def figures_of(kinds: tuple[int, ...], freedom: float = 0.0) -> Figures:
    at = [KINDS.index(kind) for kind in kinds]
    return Figures(
        np.array(kinds), np.array([LOWS[n] for n in at]), np.array([HIGHS[n] for n in at]), freedom
    )


def test_ends_are_those_of_the_normal_closed_form() -> None:
    found = drawn(figures_of(KINDS))
    below = stats.norm(0, WIDE).cdf
    wanted = {
        POINT: (below(0.7), below(0.7)), UPPER: (0, below(0.6)), LOWER: (below(-0.2), 1),
        RANGE: (below(-0.4), below(0.9)), CERTAIN: (np.nan, np.nan),
        EITHER: (below(0.3), below(0.3)),  # the other value is eight standard deviations off
    }  # fmt: skip
    for n, kind in enumerate(KINDS):
        assert found[LOW][n] == pytest.approx(wanted[kind][0], abs=2e-3, nan_ok=True)
        assert found[HIGH][n] == pytest.approx(wanted[kind][1], abs=2e-3, nan_ok=True)
    said = [n for n, kind in enumerate(KINDS) if kind != CERTAIN]
    assert (found[PIT][said] >= found[LOW][said]).all()
    assert (found[PIT][said] <= found[HIGH][said]).all()


def test_heavy_tails_are_of_figures_and_not_of_bounds_or_parts() -> None:
    found = drawn(Figures(np.array((POINT, UPPER, PART)), np.array((0.7, 0.0, 0.7)),
                          np.array((0.0, 0.6, 0.0)), 3.0))  # fmt: skip
    even = stats.norm(0, SPREAD_OF_DRAWS).ppf((np.arange(4000) + 0.5) / 4000)
    assert found[LOW][0] == pytest.approx(stats.t(3).cdf((0.7 - even) / SCALE).mean(), abs=1e-3)
    assert found[HIGH][1] == pytest.approx(stats.norm(0, WIDE).cdf(0.6), abs=2e-3)
    assert found[LOW][2] == pytest.approx(stats.norm(0, WIDE).cdf(0.7), abs=2e-3)


@pytest.mark.parametrize("freedom", [0.0, 5.0])
def test_a_reading_is_taken_as_often_as_it_is_probable(freedom: float) -> None:
    count = 150
    figures = Figures(np.full(count, EITHER), np.full(count, 0.2), np.full(count, 0.8), freedom)
    taken = drawn(figures, draws=500)[PIT]
    law = stats.t(freedom) if freedom else stats.norm()
    even = stats.norm(0, SPREAD_OF_DRAWS).ppf((np.arange(500) + 0.5) / 500)
    dense = [law.pdf((value - even) / SCALE).mean() for value in (0.2, 0.8)]
    share = dense[0] / sum(dense)
    lower = (taken < 0.8).mean()
    assert lower == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / count))


def test_records_drawn_from_the_prediction_have_a_uniform_pit() -> None:
    """Figures, and bounds that are an upper or a lower one by the side on which a figure falls."""
    rng = np.random.default_rng(8)
    truth = rng.normal(0, WIDE, 600)
    limit = rng.normal(0, WIDE, 600)
    kind = np.where(np.arange(600) % 2 == 0, POINT, np.where(truth <= limit, UPPER, LOWER))
    stated = np.where(kind == POINT, truth, limit)
    found = drawn(Figures(kind, stated, stated, 0.0), draws=300)[PIT]
    for half in (found[::2], found[1::2]):
        assert stats.kstest(half, "uniform").pvalue > 0.01


def test_replicas_are_uniform_and_share_what_records_share() -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(0, 0.3, (1000, 1)) + np.zeros(2)
    figures = Figures(np.full(2, POINT), np.zeros(2), np.zeros(2), 0.0)
    found = transforms(common, np.full((1000, 2), 0.4), figures, rng)[REPLICATED]
    assert found.shape == (REPLICAS, 2)
    assert stats.kstest(found[:, 0], "uniform").pvalue > 0.01
    # correlation of two figures with one location: 0.3^2 / 0.5^2
    normal = stats.norm.ppf(found)
    assert np.corrcoef(normal.T)[0, 1] == pytest.approx(0.36, abs=0.13)


def test_replicas_of_heavy_tails_are_uniform() -> None:
    figures = Figures(np.full(3, POINT), np.zeros(3), np.zeros(3), 3.0)
    found = drawn(figures, draws=500)[REPLICATED]
    assert stats.kstest(found.ravel(), "uniform").pvalue > 0.01


# --- against a closed form ------------------------------------------------------------------------


def predicted(held: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and sd of held-out figures of the line, given all others, and the figures.

    Written apart from `closed_form`: by conditioning the joint normal of all figures.
    """
    count = len(FIGURES)
    year = np.array([year for year, *_ in FIGURES])
    customs = np.array([who == "customs" for _, who, *_ in FIGURES])
    sd = np.array([sd for *_, sd in FIGURES])
    series = SPREAD**2 * np.exp(-0.5 * (STEP / SPREAD) ** 2) ** np.abs(year[:, None] - year)
    bias = BIAS["customs"][1] ** 2 * np.outer(customs, customs)
    joint = series + bias + np.diag(sd**2)
    mean = np.log(MEDIAN) + BIAS["customs"][0] * customs
    printed = np.log([value for _, _, value, _ in FIGURES])
    seen = [n for n in range(count) if n not in held]
    slope = joint[np.ix_(held, seen)] @ np.linalg.inv(joint[np.ix_(seen, seen)])
    spread = joint[np.ix_(held, held)] - slope @ joint[np.ix_(seen, held)]
    at = mean[held] + slope @ (printed[seen] - mean[seen])
    return at, np.sqrt(np.diag(spread)), printed[held]


def names_of(held: list[int]) -> list[str]:
    return [f"{FIGURES[n][1]}{FIGURES[n][0]}" for n in held]


CUSTOMS = [n for n, (_, who, *_) in enumerate(FIGURES) if who == "customs"]


@pytest.mark.slow_ci
@pytest.mark.parametrize("held", [[1, 4, 8], CUSTOMS], ids=["some", "a whole reporter"])
def test_a_held_out_figure_is_predicted_as_the_closed_form_does(
    tmp_path: Path, held: list[int]
) -> None:
    """With its reporter's bias, from the prior alone where no other figure tells it."""
    assert len(YEARS) == 8
    study = read_study(write_tables(tmp_path / "line", **LINE))
    run = Run(seed=3, draws=1500, tune=300, chains=4, progress=False, cores=1)
    found = score_held_out(study, names_of(held), run)
    at, sd, printed = predicted(held)
    records = found.records.loc[names_of(held)]
    wanted = stats.norm(at, sd)
    np.testing.assert_allclose(records["pit"], wanted.cdf(printed), atol=0.02)
    np.testing.assert_allclose(records["elpd"], wanted.logpdf(printed), atol=0.06)


# --- uniformity -----------------------------------------------------------------------------------


def checked(
    pit: np.ndarray, replicas: np.ndarray, *, bounds: int = 0, reporters: int = 2
) -> HeldOutCheck:
    names = [f"r{n:03d}" for n in range(pit.size)]
    places = pd.DataFrame({"pit_low": pit, "pit_high": pit, "pit": pit}, index=names)
    kinds = ["upper" if n < bounds else "value" for n in range(pit.size)]
    about = pd.DataFrame({
        "reporter": [f"office {n % reporters}" for n in range(pit.size)],
        "kind": kinds, "quantity": "mined", "year": 2010,
    }, index=names)  # fmt: skip
    return held_out_check(places, replicas, about.iloc[::-1])


def even(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation((np.arange(count) + 0.5) / count)


def replicas_of(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(REPLICAS, count))


def first(check: HeldOutCheck) -> pd.Series:
    return check.summary.iloc[0]


def test_uniform_places_pass() -> None:
    row = first(checked(even(200), replicas_of(200)))
    assert row["p"] > 0.9
    assert (row["records"], row["mean"]) == (200, pytest.approx(0.5))
    assert row["sd_z"] == pytest.approx(1, abs=0.02)
    assert row["inside_50"] == pytest.approx(0.5, abs=0.01)
    assert row["inside_90"] == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(("shift", "width"), [(0.0, 0.57), (0.0, 1.7), (0.4, 1.0)])
def test_too_narrow_too_wide_and_shifted_places_fail(shift: float, width: float) -> None:
    z = shift + width * stats.norm.ppf(even(300))
    row = first(checked(stats.norm.cdf(z), replicas_of(300)))
    assert row["p"] < 0.01
    assert row["sd_z"] == pytest.approx(np.hypot(shift, width), abs=0.03)


def test_the_distance_is_kolmogorov_s() -> None:
    pit = np.random.default_rng(4).beta(2, 1, 40)
    row = first(checked(pit, replicas_of(40)))
    assert row["distance"] == pytest.approx(stats.kstest(pit, "uniform").statistic)


def test_p_is_of_sets_that_lie_together() -> None:
    """Where all records share one error, a common shift of all is nothing to wonder at."""
    pit = stats.norm.cdf(0.6 + 0.8 * stats.norm.ppf(even(100)))
    rng = np.random.default_rng(2)
    common = 0.6 * rng.normal(size=(REPLICAS, 1)) + 0.8 * rng.normal(size=(REPLICAS, 100))
    assert first(checked(pit, replicas_of(100)))["p"] < 0.01
    assert first(checked(pit, stats.norm.cdf(common)))["p"] > 0.1


def test_bounds_stand_apart_and_reporters_by_themselves() -> None:
    pit = even(60)
    pit[:20] = 0.01
    check = checked(pit, replicas_of(60), bounds=20)
    rows = check.summary.set_index(["reporter", "what"])
    assert rows.loc[("all", BOUND_ROWS), "records"] == 20
    assert rows.loc[("all", BOUND_ROWS), "p"] < 0.01
    assert rows.loc[("all", FIGURE_ROWS), "p"] > 0.01
    assert rows.loc[("office 0", FIGURE_ROWS), "records"] == 20
    assert check.records.loc["r003", "reporter"] == "office 1"
    assert "office 1" in str(check)
    few = checked(even(4), replicas_of(4), reporters=1)
    assert np.isnan(first(few)["p"])
    assert "nan" not in str(few)


def test_whole_replicas_lie_in_the_envelope() -> None:
    replicas = replicas_of(150)
    rows = checked(even(150), replicas).histogram
    assert len(rows) == BINS
    assert rows["records"].sum() == 150
    drawn_counts = np.array([np.histogram(row, BINS, (0, 1))[0] for row in replicas_of(150, 9)])
    inside = (drawn_counts >= rows["least"].to_numpy()) & (drawn_counts <= rows["most"].to_numpy())
    assert inside.all(axis=1).mean() > CHANCE - 0.06
    assert (rows["most"] - rows["least"]).max() < 30


def test_the_picture_shows_figures_and_bounds() -> None:
    drawn_figure = plot_pit(checked(even(60), replicas_of(60), bounds=20))
    titles = [ax.get_title() for ax in drawn_figure.axes]
    assert any(title.startswith("40 printed figures, p = ") for title in titles)
    assert any(title.startswith("20 bounds") for title in titles)
    plt.close(drawn_figure)


# --- on the page ----------------------------------------------------------------------------------


def written(folder: Path, study_hash: str) -> Comparison:
    """Write a comparison with a check of held-out records, and read it."""
    fit = fake_fit()
    names = fit["constant_data"]["record"].values.astype(str)
    places = pd.DataFrame(dict.fromkeys(("pit_low", "pit_high", "pit"), even(names.size)), names)
    about = contents_of(fit).records[["reporter", "kind", "quantity", "year"]]
    check = held_out_check(places, replicas_of(names.size), about, study_hash=study_hash)
    write_csv(compare({"base": fit}).tables | check.tables, folder)
    return read_comparison(folder)


def test_the_page_shows_held_out_records(tmp_path: Path) -> None:
    fit = fake_fit()
    found = written(tmp_path, str(fit.attrs["study_hash"]))
    assert found.places is not None
    text = write_report(fit, tmp_path / "report.html", comparison=found).read_text("utf-8")
    section = text[text.index('id="places"') : text.index('id="variants"')]
    assert "PIT of held-out records" in section
    row = found.places.summary.iloc[0]
    assert f"{row['sd_z']:.2f}" in section
    assert f"{row['p']:.3f}" in section
    with pytest.raises(ResultError, match=r"of another study.*--folds"):
        write_report(fit, tmp_path / "other.html", comparison=written(tmp_path / "o", "1" * 64))


def test_a_comparison_without_folds_has_no_places(tmp_path: Path) -> None:
    fit = fake_fit()
    write_csv(compare({"base": fit}).tables, tmp_path)
    found = read_comparison(tmp_path)
    assert found.places is None
    text = write_report(fit, tmp_path / "report.html", comparison=found).read_text("utf-8")
    assert 'id="places"' not in text


def test_a_damaged_check_is_told(tmp_path: Path) -> None:
    written(tmp_path, "0" * 64)
    (tmp_path / "pit_summary.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ResultError, match="has no 'study_hash'"):
        read_comparison(tmp_path)
