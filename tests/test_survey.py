"""Surveys: posteriors against integration by hand, coverage, printed shares, faults of files."""

import csv
import importlib.util
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

import reebayes as rb
from reebayes.cli.main import main
from reebayes.elicitation.proportions import (
    JEFFREYS,
    SPREAD,
    beta_band,
    counted_band,
    effective_size,
    log_likelihood,
    pooled_shares,
    probability_ahead,
    respondents_needed,
)
from reebayes.elicitation.surveys import Surveyed

ROOT = Path(__file__).parents[1]


def script() -> Any:
    """Return the script that makes the page."""
    spec = importlib.util.spec_from_file_location("survey_page", ROOT / "docs" / "survey.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sheet(path: Path, rows: Sequence[Sequence[object]], header: str = "") -> Path:
    """Write an answer sheet."""
    text = [header or "respondent,group,statement,answer,weight"]
    text += [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(text) + "\n", "utf-8")
    return path


def asked(path: Path, population: Path | None = None, **options: Any) -> Surveyed:
    """Compute a survey without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rb.StudyWarning)
        return rb.survey(path, population, **options)


def row_of(result: Surveyed, statement: str, group: str = "all", answer: str = "yes") -> pd.Series:
    """Return one row of the shares."""
    rows = result.shares.set_index(["statement", "group", "answer"])
    return rows.loc[(statement, group, answer)]


# --- the posterior, integrated by hand ------------------------------------------------------------


def by_hand(counts: np.ndarray, cells: int, spreads: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances of every group's shares: sums over a grid of the common shares.

    Written with products of rising factorials instead of gamma functions, on the simplex itself.
    """
    options = counts.shape[1]
    edge = (np.arange(cells) + 0.5) / cells
    mesh = np.stack(np.meshgrid(*[edge] * (options - 1), indexing="ij"), -1).reshape(
        -1, options - 1
    )
    mesh = mesh[mesh.sum(axis=1) < 1 - 0.25 / cells]
    common = np.column_stack([mesh, 1 - mesh.sum(axis=1)])
    prior = np.prod(common ** (JEFFREYS - 1), axis=1)
    total = 0.0
    first, second = np.zeros_like(counts, float), np.zeros_like(counts, float)
    for spread in (np.arange(spreads) + 0.5) / spreads:
        strength = (1 - spread**2) / spread**2
        weight = prior * np.exp(-0.5 * (spread / SPREAD) ** 2)
        for group in counts.astype(int):
            balls = [(option, step) for option, n in enumerate(group) for step in range(n)]
            for drawn, (option, step) in enumerate(balls):
                weight = weight * (strength * common[:, option] + step) / (strength + drawn)
        total += weight.sum()
        for place, group in enumerate(counts):
            alpha = strength * common + group
            size = alpha.sum(axis=1, keepdims=True)
            mean = alpha / size
            first[place] += (weight[:, None] * mean).sum(axis=0)
            square = alpha * (alpha + 1) / (size * (size + 1))
            second[place] += (weight[:, None] * square).sum(axis=0)
    mean = first / total
    return mean, second / total - mean**2


@pytest.mark.parametrize(
    ("counts", "cells"),
    [
        ([[30, 10], [20, 20], [5, 15]], 2000),
        ([[9, 1], [10, 90]], 2000),
        ([[3, 0], [2, 1], [4, 1], [1, 2]], 4000),
        ([[12, 5, 3], [4, 9, 7], [6, 6, 8]], 160),
    ],
)
def test_groups_are_pooled_as_integration_says(counts: list[list[int]], cells: int) -> None:
    given = np.array(counts, float)
    mean, variance = by_hand(given, cells, 120)
    drawn = pooled_shares(given, np.random.default_rng(1), 40_000)
    assert drawn.effective > 1_000
    error = np.sqrt(variance / min(drawn.effective, 20_000))
    assert np.abs(drawn.groups.mean(axis=0) - mean).max() < 0.002 + 4 * error.max()
    assert np.sqrt(drawn.groups.var(axis=0)) == pytest.approx(np.sqrt(variance), rel=0.06)


@given(
    groups=st.lists(st.lists(st.integers(0, 12), min_size=2, max_size=4), min_size=2, max_size=4),
    spread=st.floats(0.05, 0.95),
)
def test_the_likelihood_is_that_of_urns(groups: list[list[int]], spread: float) -> None:
    width = min(map(len, groups))
    counts = np.array([group[:width] for group in groups], float)
    common = np.random.default_rng(0).dirichlet(np.ones(width), 3)
    found = log_likelihood(counts, common, spread)
    for row, value in zip(common, found, strict=True):
        alpha = row * (1 / spread**2 - 1)
        direct = 0.0
        for group in counts:
            direct += stats.dirichlet_multinomial.logpmf(group, alpha, int(group.sum()))
            direct -= special.gammaln(group.sum() + 1) - special.gammaln(group + 1).sum()
        assert value == pytest.approx(direct, rel=1e-6, abs=1e-6)


def test_one_group_is_the_dirichlet_distribution(tmp_path: Path) -> None:
    rows = [(f"r{i}", "s", "yes" if i < 13 else "no") for i in range(20)]
    result = asked(sheet(tmp_path / "a.csv", rows, "respondent,statement,answer"))
    row = row_of(result, "s")
    low, middle, high = stats.beta.ppf([0.05, 0.5, 0.95], 13.5, 7.5)
    assert [row["lower"], row["median"], row["upper"]] == pytest.approx(
        [low, middle, high], abs=4e-3
    )
    assert (row["n"], row["n_effective"], row["share"]) == (20, 20, 0.65)
    assert len(result.shares) == 1


def test_two_options_are_yes_and_no_in_other_words(tmp_path: Path) -> None:
    rows = [(f"r{i}", "ab"[i % 2], "s", "yn"[i % 3 == 0], 1) for i in range(60)]
    options = asked(sheet(tmp_path / "a.csv", rows))
    said = [(*row[:3], {"y": "yes", "n": "no"}[row[3]], 1) for row in rows]
    affirmed = asked(sheet(tmp_path / "b.csv", said))
    for group in ("all", "a", "b"):
        first, second = row_of(options, "s", group, "y"), row_of(affirmed, "s", group)
        for column in ("median", "lower", "upper"):
            assert first[column] == pytest.approx(second[column], abs=0.01)


def covered(sims: int, seed: int, options: int) -> np.ndarray:
    """Return for each simulated survey how many of its groups' 90 % bands hold the truth."""
    rng = np.random.default_rng(seed)
    held = []
    for _ in range(sims):
        spread = 1.0
        while spread >= 1:
            spread = abs(rng.normal(0, SPREAD))
        common = rng.dirichlet(np.full(options, JEFFREYS))
        alpha = np.maximum(common * (1 / spread**2 - 1), 1e-9)
        truth = rng.dirichlet(alpha, 3)
        sizes = rng.integers(5, 60, 3)
        counts = np.array([rng.multinomial(n, p) for n, p in zip(sizes, truth, strict=True)], float)
        drawn = pooled_shares(counts, rng, 2_000).groups[:, :, 0]
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        held.append(((low <= truth[:, 0]) & (truth[:, 0] <= high)).mean())
    return np.array(held)


def test_bands_cover_what_is_drawn_from_the_prior() -> None:
    held = covered(50, 11, 3)
    assert abs(held.mean() - 0.9) < 4 * held.std() / np.sqrt(len(held)) + 0.01


@pytest.mark.slow
@pytest.mark.parametrize("options", [2, 4])
def test_bands_cover_nine_in_ten(options: int) -> None:
    held = covered(1_500, 5, options)
    assert held.mean() == pytest.approx(0.9, abs=3 * held.std() / np.sqrt(len(held)))


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.65, 0.9])
@pytest.mark.parametrize("n", [30, 120])
def test_bands_of_a_random_sample_cover_a_fixed_share(share: float, n: int) -> None:
    """Exactly, summed over all counts: close to nine in ten whatever the share."""
    held = 0.0
    for count in range(n + 1):
        low, high = beta_band(count / n, n)
        held += stats.binom.pmf(count, n, share) * (low <= share <= high)
    assert 0.86 < held < 0.94


# --- weights and population -----------------------------------------------------------------------


def test_weights_count_by_their_effective_number(tmp_path: Path) -> None:
    rows = [(f"r{i}", "g", "s", "yes" if i < 4 else "no", 3 if i < 4 else 1) for i in range(16)]
    row = row_of(asked(sheet(tmp_path / "a.csv", rows)), "s")
    size = 24**2 / (4 * 9 + 12)
    assert row["share"] == pytest.approx(0.5)
    assert row["n_effective"] == pytest.approx(size)
    low, high = stats.beta.ppf([0.05, 0.95], 0.5 + size / 2, 0.5 + size / 2)
    assert (row["lower"], row["upper"]) == pytest.approx((low, high), abs=4e-3)


def test_only_proportions_of_weights_matter(tmp_path: Path) -> None:
    rows = [(f"r{i}", "ab"[i % 2], "s", ("yes", "no")[i % 3 == 0], 1 + i % 4) for i in range(40)]
    first = asked(sheet(tmp_path / "a.csv", rows))
    second = asked(sheet(tmp_path / "b.csv", [(*row[:4], 10 * row[4]) for row in rows]))
    pd.testing.assert_frame_equal(first.shares, second.shares)


def test_a_population_weighs_the_groups(tmp_path: Path) -> None:
    """Large groups of opposite mind: all together follow the population and not the sample."""
    rows = [(f"a{i}", "a", "s", "yes" if i % 10 else "no", 1) for i in range(400)]
    rows += [(f"b{i}", "b", "s", "no" if i % 10 else "yes", 1) for i in range(400)]
    population = sheet(tmp_path / "p.csv", [("a", 100), ("b", 300)], "group,count")
    path = sheet(tmp_path / "a.csv", rows)
    assert row_of(asked(path), "s")["median"] == pytest.approx(0.5, abs=0.01)
    row = row_of(asked(path, population), "s")
    assert row["median"] == pytest.approx(0.25 * 0.9 + 0.75 * 0.1, abs=0.01)
    assert row["share"] == pytest.approx(0.3)
    assert row["n_effective"] == pytest.approx(1 / (0.25**2 / 400 + 0.75**2 / 400))


def test_a_group_that_nobody_asked_is_as_wide_as_groups_differ(tmp_path: Path) -> None:
    rows = [(f"{g}{i}", g, "s", "yes" if i % 10 < k else "no", 1)
            for g, k in (("a", 2), ("b", 5), ("c", 8)) for i in range(200)]  # fmt: skip
    counts = [("a", 1), ("b", 1), ("c", 1)]
    path = sheet(tmp_path / "a.csv", rows)
    known = row_of(asked(path, sheet(tmp_path / "p.csv", counts, "group,count")), "s")
    population = sheet(tmp_path / "q.csv", [*counts, ("d", 3)], "group,count")
    with pytest.warns(rb.StudyWarning, match="nobody of group 'd' answered"):
        wide = row_of(rb.survey(path, population), "s")
    assert wide["upper"] - wide["lower"] > 4 * (known["upper"] - known["lower"])
    assert wide["median"] == pytest.approx(0.5, abs=0.05)


def test_one_group_says_little_of_others_that_nobody_asked(tmp_path: Path) -> None:
    rows = [(f"r{i}", "a", "s", "yes" if i % 2 else "no", 1) for i in range(2_000)]
    path = sheet(tmp_path / "a.csv", rows)
    alone = row_of(asked(path, sheet(tmp_path / "p.csv", [("a", 1)], "group,count")), "s")
    population = sheet(tmp_path / "p.csv", [("a", 1), ("b", 99)], "group,count")
    wide = row_of(asked(path, population), "s")
    assert alone["upper"] - alone["lower"] < 0.04
    assert wide["upper"] - wide["lower"] > 0.2


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30))
def test_an_effective_number_is_at_most_the_number(weights: list[float]) -> None:
    found = effective_size(np.array(weights))
    assert 1 - 1e-9 <= found <= len(weights) + 1e-9


# --- which share is higher ------------------------------------------------------------------------


def test_who_tells_two_statements_apart_decides_which_is_higher() -> None:
    """Draws of the shares of all four pairs of answers, 20 of whom say the same of both."""
    drawn = np.random.default_rng(2).dirichlet(np.array([11, 9, 12, 6]) + JEFFREYS, 200_000)
    above = (drawn[:, 0] + drawn[:, 2] > drawn[:, 0] + drawn[:, 3]).mean()
    assert probability_ahead(np.ones(12), np.ones(6)) == pytest.approx(above, abs=0.005)
    assert probability_ahead(np.ones(0), np.ones(0)) == 0.5


def test_pairs_are_of_those_who_answered_both(tmp_path: Path) -> None:
    rows = [(f"r{i}", "g", "one", "yes" if i < 14 else "no", 1) for i in range(20)]
    rows += [(f"r{i}", "g", "two", "yes" if i < 8 else "no", 1) for i in range(5, 25)]
    rows += [(f"x{i}", "g", "three", "yes", 1) for i in range(6)]
    ahead = asked(sheet(tmp_path / "a.csv", rows)).ahead.set_index(["first", "second"])
    pair = ahead.loc[("one", "two")]
    assert (pair["n"], pair["differ"]) == (15, 6)
    assert pair["p_first_above"] == pytest.approx(stats.beta.sf(0.5, 6.5, 0.5))
    assert ahead.loc[("one", "three"), "basis"] == "nobody answered both"
    assert np.isnan(ahead.loc[("one", "three"), "p_first_above"])


def test_a_population_weighs_who_tells_apart(tmp_path: Path) -> None:
    rows = []
    for group, first in (("a", "yes"), ("b", "no")):
        second = {"yes": "no", "no": "yes"}[first]
        for i in range(20):
            rows += [
                (f"{group}{i}", group, "one", first, 1),
                (f"{group}{i}", group, "two", second, 1),
            ]
    path = sheet(tmp_path / "a.csv", rows)
    population = sheet(tmp_path / "p.csv", [("a", 900), ("b", 100)], "group,count")
    assert asked(path).ahead["p_first_above"].item() == pytest.approx(0.5)
    assert asked(path, population).ahead["p_first_above"].item() > 0.99


# --- how many are needed --------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.05, 0.5, 0.65, 0.7])
def test_needed_respondents_are_the_fewest(share: float) -> None:
    n = respondents_needed(share)

    def width(size: int) -> float:
        low, high = stats.beta.ppf([0.05, 0.95], 0.5 + size * share, 0.5 + size * (1 - share))
        return float(high - low) / 2

    assert width(n) <= 0.05 < width(n - 1)


# --- printed shares -------------------------------------------------------------------------------


def test_shares_without_n_have_no_band_and_a_warning() -> None:
    with pytest.warns(rb.StudyWarning, match="how many answered is not printed"):
        result = rb.survey("reevolution")
    assert result.shares[["n", "n_effective", "median", "lower", "upper"]].isna().all(axis=None)
    assert list(result.shares["share"]) == [0.65, 0.6, 0.5, 0.7, 0.7, 0.6, 0.6]
    assert result.ahead.empty
    assert result.summary.count("no band: n is not known") == 7
    told = result.summary.partition("\nA band of 5 points")[0]
    assert not re.search(r"[0-9] to [0-9]", told)
    assert "if n were" in result.summary.lower()


def test_the_curve_is_wider_for_fewer_and_never_below_the_rounding() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rb.StudyWarning)
        curve = rb.survey("reevolution").curve
    for _, rows in curve.groupby("statement"):
        width = (rows["upper"] - rows["lower"]).to_numpy()
        assert (np.diff(width) < 0).all()
        assert width.min() > 0.9 * 0.05
    assert beta_band(0.65, 1e9, 0.05) == pytest.approx((0.6275, 0.6725), abs=2e-3)


def test_the_bundled_shares_are_under_five_headings_with_indicators_that_exist() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rb.StudyWarning)
        shares = rb.survey("reevolution").shares
    assert shares["heading"].nunique() == 5
    with (ROOT / "data" / "indicators.csv").open(encoding="utf-8") as file:
        known = {row["indicator"] for row in csv.DictReader(file)}
    for text in shares["indicators"]:
        assert set(filter(None, text.split("; "))) <= known
    lacking = shares[shares["indicators"] == ""]
    assert list(lacking["statement"]) == ["research and development"]
    assert lacking["note"].all()


def test_a_printed_share_of_n_is_integrated_over_its_counts(tmp_path: Path) -> None:
    path = sheet(tmp_path / "p.csv", [("s", 0.43, 0.01, 69)], "statement,share,rounding,n")
    row = rb.survey(path).shares.iloc[0]

    def density(x: float) -> float:
        return float(stats.binom.pmf(30, 69, x) * (x * (1 - x)) ** (JEFFREYS - 1))

    whole = integrate.quad(density, 0, 1)[0]
    below = integrate.quad(density, 0, row["lower"])[0] / whole
    assert below == pytest.approx(0.05, abs=1e-4)
    wide = counted_band(0.6, 40, 0.05)
    narrow = counted_band(0.6, 40, 0.0)
    assert wide is not None
    assert narrow is not None
    assert wide[2] - wide[1] > narrow[2] - narrow[1]


# --- faults ---------------------------------------------------------------------------------------


def test_every_fault_of_a_sheet_is_told_at_once(tmp_path: Path) -> None:
    path = sheet(
        tmp_path / "answers.csv",
        [
            ("r1", "a", "s", "yes", 1),
            ("r2", "a", "s", "maybe", 1),
            ("r3", "a", "s", "no", 0),
            ("r1", "b", "t", "recycle", 1),
            ("r1", "a", "s", "no", 1),
            ("r4", "", "s", "no", 1),
            ("r5", "a", "t", "Recycle", "heavy"),
            ("r6", "a", "t", "Recycle", 1),
            ("", "a", "t", "mine", 1),
        ],
    )
    with pytest.raises(rb.StudyError) as error:
        rb.survey(path)
    told = {(fault.row, fault.column) for fault in error.value.faults}
    assert told == {
        (3, "answer"), (4, "weight"), (5, "group"), (6, "statement"), (7, "group"),
        (8, "weight"), (9, "answer"), (10, "respondent"),
    }  # fmt: skip
    text = str(error.value)
    for words in ("8 problems in answers.csv", "'maybe' is beside 'no'", "also written 'recycle'",
                  "leave the row out", "row 2 too", "write the group"):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("respondent,statement\nr,s\n", "column 'answer' is missing"),
        ("respondent,statement,answer\nr,s,\n", "no cell has an answer"),
        ("respondent,statement,answer\n", "header but no rows"),
        ("statement,share\ns,65\n", "write a fraction, such as 0.65"),
        ("statement,share,n\ns,0.65,7\n", "the nearest is 0.7143"),
        ("statement,share,n\ns,0.65,7.5\n", "7.5 is no number of respondents"),
        ("statement,share,rounding\ns,0.65,5\n", "no step of rounding"),
        ("statement,share\ns,0.6\ns,0.5\n", "statement is in row 2 too"),
        ("statement;share\ns;0.6\n", "use commas"),
    ],
)
def test_faults_are_told_and_exit_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text, "utf-8")
    assert main(["survey", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_a_population_must_list_every_group(tmp_path: Path) -> None:
    path = sheet(tmp_path / "a.csv", [(f"r{i}", "abc"[i % 3], "s", "yes", 1) for i in range(30)])
    population = sheet(tmp_path / "p.csv", [("a", 5), ("a", 6), ("b", -1)], "group,count")
    with pytest.raises(rb.StudyError, match="given twice") as error:
        rb.survey(path, population)
    assert len(error.value.faults) == 2
    with pytest.raises(rb.StudyError, match="'c' of the answers is not listed"):
        rb.survey(path, sheet(tmp_path / "p.csv", [("a", 5), ("b", 1)], "group,count"))
    with pytest.raises(rb.ResultError, match="no population can weight"):
        rb.survey("reevolution", population)


def test_what_is_hardly_meant_is_told(tmp_path: Path) -> None:
    rows = [(f"r{i}", "a", "s", "yes", 1) for i in range(20)]
    path = sheet(tmp_path / "a.csv", [*rows, ("r20", "b", "s", "no", 1000)])
    with pytest.warns(rb.StudyWarning) as told:
        rb.survey(path)
    text = str(told[0].message)
    assert "respondent 'r20' has 98% of all weight" in text
    assert "group 'b' has 1 respondent;" in text


def test_a_scale_of_numbers_is_a_single_choice(tmp_path: Path) -> None:
    rows = [(f"r{i}", "g", "s", i % 5, 1) for i in range(50)]
    shares = asked(sheet(tmp_path / "a.csv", rows)).shares
    assert list(shares["answer"]) == ["0", "1", "2", "3", "4"]
    assert shares["median"].sum() == pytest.approx(1, abs=0.05)


def test_an_empty_answer_is_none(tmp_path: Path) -> None:
    rows = [(f"r{i}", "g", "s", ("yes", "no", "")[i % 3], 1) for i in range(30)]
    assert row_of(asked(sheet(tmp_path / "a.csv", rows)), "s")["n"] == 20


# --- the bundled sheet, the command and the figure ------------------------------------------------


def test_the_simulated_sheet_is_what_its_script_writes() -> None:
    page = script()
    for name, rows in zip(("answers", "population"), page.simulated(), strict=True):
        path = ROOT / "data" / "surveys" / f"simulated_{name}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file)) == rows
    result = asked(Path("simulated_answers"), Path("simulated_population"))
    whole = result.shares[result.shares["group"] == "all"]
    for _, row in whole.iterrows():
        truth = page.truth_of(row["statement"], row["answer"])
        assert row["lower"] < truth < row["upper"]


def test_a_seed_gives_one_result_and_other_statements_change_nothing(tmp_path: Path) -> None:
    rows = [(f"r{i}", "ab"[i % 2], "s", ("yes", "no")[i % 3 == 0], 1) for i in range(30)]
    more = [(f"r{i}", "ab"[i % 2], "t", "yes", 1) for i in range(30)]
    alone = asked(sheet(tmp_path / "a.csv", rows)).shares
    both = asked(sheet(tmp_path / "b.csv", [*more, *rows])).shares
    pd.testing.assert_frame_equal(alone, both[both["statement"] == "s"].reset_index(drop=True))


@pytest.mark.parametrize("name", ["reevolution", "simulated_answers"])
def test_the_command_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / "out"
    assert main(["survey", name, "--out", str(out)]) == 0
    captured = capsys.readouterr()
    expected = "curve" if name == "reevolution" else "ahead"
    assert {path.name for path in out.iterdir()} == {"shares.csv", f"{expected}.csv", "survey.png"}
    assert ("is not printed" in captured.err) == (name == "reevolution")
    assert "written" in captured.out


def labels_of(figure: Any) -> str:
    """Return all text of a figure."""
    return " ".join(text.get_text() for text in figure.findobj(lambda o: hasattr(o, "get_text")))


def test_figures_name_every_statement(close: Callable[[Any], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rb.StudyWarning)
        printed, answers = rb.survey("reevolution"), rb.survey("simulated_answers")
    for result in (printed, answers):
        figure = rb.plot_survey(result, title="A survey of $10")
        text = labels_of(figure)
        for statement in result.shares["statement"]:
            assert statement in text
        assert r"\$10" in text
        close(figure)
    with pytest.raises(rb.ResultError, match="no statement"):
        rb.plot_survey(Surveyed(*(pd.DataFrame({"statement": []}),) * 3, "", 0.9))


@pytest.fixture
def close() -> Callable[[Any], None]:
    """Return what closes a figure."""
    from matplotlib import pyplot

    return pyplot.close


def test_the_page_shows_what_its_tables_hold() -> None:
    text = (ROOT / "docs" / "survey_tables.md").read_text("utf-8")
    assert text.count("no band: n is not known") == 7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rb.StudyWarning)
        shares = rb.survey("reevolution").shares
    for _, row in shares.iterrows():
        assert f"*{row['statement']}*: {100 * row['share']:.0f} % printed" in text
        assert f"would need {row['needed']})" in text
