"""Several experts: pools against draws and closed forms, forms, chips, faults, the extension."""

import csv
import importlib.util
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

import reebayes as rb
from reebayes.cli.main import main
from reebayes.elicitation.beliefs import Belief, pooled
from reebayes.elicitation.forms import COLUMNS, quantiles_of_chips, question_of
from reebayes.elicitation.pooling import pool_statements
from reebayes.elicitation.quantiles import POOLS, Pool, Statement, prior_of, read_statements
from reebayes.elicitation.rewriting import main as rewrite

ROOT = Path(__file__).parents[1]
PANEL = ROOT / "data" / "panel"

ONE = Statement("mine", None, None, "lognormal", 4, 10, 25, 1.5, "kt REO/yr", "A", "p", "", "A")
TWO = replace(ONE, low=20, middle=30, high=45, change=1.2, expert="B", whose="B")

beliefs = st.builds(Belief, st.floats(-3, 3), st.floats(0.1, 2.0), st.floats(0.1, 2.0))
pools = st.sampled_from(POOLS)


def page() -> Any:
    """Return the script that makes the page."""
    spec = importlib.util.spec_from_file_location("pool_page", ROOT / "docs" / "elicitation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(belief: Belief, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from a belief: a coin for the side, and the distance from the median."""
    side = rng.random(size) < 0.5
    distance = np.abs(rng.standard_normal(size))
    return belief.median + np.where(side, -belief.below, belief.above) * distance


# --- pools ----------------------------------------------------------------------------------------


def test_a_linear_pool_is_the_mixture_of_draws() -> None:
    rng = np.random.default_rng(3)
    each = [Belief(0, 0.5, 1), Belief(2, 1, 0.4), Belief(-1, 0.3, 0.3)]
    weights = [1, 2, 1]
    draws = np.concatenate(
        [drawn(one, 200_000 * weight, rng) for one, weight in zip(each, weights, strict=True)]
    )
    found = pooled(each, weights, "linear")
    for p in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert found.quantile(p) == pytest.approx(np.quantile(draws, p), abs=0.01)
        guess = found.quantile(p) + 0.7
        loss = np.where(draws < guess, (p - 1), p) * (draws - guess)
        assert found.pinball(p, guess) == pytest.approx(loss.mean(), abs=0.005)
        best = np.where(draws < found.quantile(p), (p - 1), p) * (draws - found.quantile(p))
        assert found.pinball(p) == pytest.approx(best.mean(), abs=0.005)


@given(st.floats(-2, 2), st.floats(0.1, 2), st.floats(0.1, 2), st.floats(0.2, 5))
def test_a_log_pool_of_normals_is_normal_with_precisions_added(
    shift: float, first: float, second: float, weight: float
) -> None:
    found = pooled([Belief(0, first, first), Belief(shift, second, second)], [1, weight], "log")
    shares = np.array([1, weight]) / (1 + weight)
    precision = shares / np.array([first, second]) ** 2
    middle = precision @ np.array([0, shift]) / precision.sum()
    for p in (0.05, 0.5, 0.95):
        wanted = stats.norm(middle, precision.sum() ** -0.5).ppf(p)
        assert found.quantile(p) == pytest.approx(wanted, abs=2e-3)


def test_a_log_pool_of_lopsided_beliefs_is_their_scaled_geometric_mean() -> None:
    each = [Belief(0, 0.5, 2), Belief(1, 1.5, 0.3)]

    def density(x: float) -> float:
        total = 1.0
        for one in each:
            spread = one.below if x < one.median else one.above
            total *= stats.norm.pdf(x, one.median, spread) ** 0.5
        return float(total)

    found = pooled(each, [1, 1], "log")
    whole = integrate.quad(density, -8, 8, points=[0, 1])[0]
    for p in (0.05, 0.5, 0.95):
        below = integrate.quad(density, -8, found.quantile(p), points=[0, 1])[0]
        assert below / whole == pytest.approx(p, abs=1e-3)


@given(belief=beliefs, count=st.integers(1, 4), how=pools)
def test_experts_who_agree_are_one_expert(belief: Belief, count: int, how: Pool) -> None:
    found = pooled([belief] * count, [1.0] * count, how)
    for p in (0.05, 0.5, 0.95):
        assert found.quantile(p) == pytest.approx(belief.quantile(p), abs=5e-3)


@given(first=beliefs, second=beliefs, how=pools, scale=st.floats(0.1, 10))
def test_a_pool_lies_between_its_experts_and_only_proportions_weigh(
    first: Belief, second: Belief, how: Pool, scale: float
) -> None:
    found = pooled([first, second], [1, 2], how)
    again = pooled([second, first], [2 * scale, scale], how)
    low, high = sorted([first.median, second.median])
    if how == "linear":
        assert low - 1e-3 <= found.quantile(0.5) <= high + 1e-3
    for p in (0.05, 0.5, 0.95):
        assert found.quantile(p) == pytest.approx(again.quantile(p), abs=1e-6)
    assert (np.diff(found.p) >= 0).all()


# --- from statements to priors --------------------------------------------------------------------


def test_what_one_expert_judged_is_no_pool() -> None:
    for how in POOLS:
        result = pool_statements([ONE], how)
        assert result.priors == (prior_of(ONE),)
        assert result.targets.empty


def test_a_pool_becomes_a_prior_with_its_provenance() -> None:
    result = pool_statements([ONE, TWO], weights={"B": 3})
    (prior,) = result.priors
    assert prior.note == "linear pool of A and B, weighted 1:3"
    assert (prior.source, prior.unit, prior.distribution) == ("p", "kt REO/yr", "lognormal")
    assert prior.step == pytest.approx(math.log(1.5 * 1.2**3) / 4 / 1.6449, abs=0.006)
    rng = np.random.default_rng(1)

    def draws(stated: Statement, size: int) -> np.ndarray:
        low, middle, high = np.log([stated.low, stated.middle, stated.high])
        return drawn(Belief(middle, (middle - low) / 1.6449, (high - middle) / 1.6449), size, rng)

    both = np.exp(np.concatenate([draws(ONE, 100_000), draws(TWO, 300_000)]))
    told = result.targets.iloc[0]
    for column, p in (("low", 0.05), ("middle", 0.5), ("high", 0.95)):
        assert told[column] == pytest.approx(np.quantile(both, p), rel=0.02)
    assert told["prior_middle"] == pytest.approx(told["middle"])
    held = stats.norm(math.log(prior.median), prior.sd)
    inside = held.cdf(math.log(told["high"])) - held.cdf(math.log(told["low"]))
    assert inside == pytest.approx(0.9, abs=0.01)


def test_disagreement_is_the_variance_between_and_bands_apart() -> None:
    far = replace(TWO, low=200, middle=300, high=450)
    told = pool_statements([ONE, far]).targets.iloc[0]
    assert told["apart"] == "A and B"
    within = [np.log([10 / 4, 25 / 10]), np.log([300 / 200, 450 / 300])]
    inner = np.mean([np.mean((np.array(pair) / 1.6449) ** 2) for pair in within])
    outer = (math.log(30) / 2) ** 2
    assert told["between"] == pytest.approx(outer / (outer + inner), rel=1e-3)
    alike = pool_statements([ONE, replace(ONE, expert="B")]).targets.iloc[0]
    assert (alike["apart"], alike["between"]) == ("", pytest.approx(0, abs=1e-9))


def test_the_loss_of_the_form_is_that_of_draws_and_grows_with_two_humps() -> None:
    far = replace(TWO, low=200, middle=300, high=450)
    result = pool_statements([ONE, far])
    (prior,) = result.priors
    rng = np.random.default_rng(5)
    sides = [
        Belief(math.log(10), math.log(2.5) / 1.6449, math.log(2.5) / 1.6449),
        Belief(math.log(300), math.log(1.5) / 1.6449, math.log(1.5) / 1.6449),
    ]
    draws = np.concatenate([drawn(side, 300_000, rng) for side in sides])
    losses = []
    for source in (
        stats.norm(math.log(prior.median), prior.sd).ppf,
        lambda p: np.quantile(draws, p),
    ):
        total = 0.0
        for p in (0.05, 0.25, 0.5, 0.75, 0.95):
            guess = source(p)
            total += float((np.where(draws < guess, p - 1, p) * (draws - guess)).mean())
        losses.append(total)
    assert result.targets["loss"].item() == pytest.approx(losses[0] / losses[1] - 1, abs=0.01)
    near = pool_statements([ONE, replace(ONE, expert="B")]).targets["loss"].item()
    assert near < 0.001 < result.targets["loss"].item()


def test_feedback_says_what_the_prior_says_in_the_unit_of_the_expert() -> None:
    share = replace(ONE, distribution="share", unit="share", low=0.3, middle=0.5, high=0.7)
    result = pool_statements([share, replace(share, expert="B", low=0.5, middle=0.6, high=0.8)])
    rows = result.feedback.set_index("whose")
    assert list(rows.index) == ["A", "B", "pool", "prior"]
    assert rows.loc["A", ["p05", "p50", "p95"]].tolist() == pytest.approx([0.3, 0.5, 0.7], abs=1e-4)
    (prior,) = result.priors
    normal = stats.norm(stats.logistic.ppf(prior.median), prior.sd)
    assert rows.loc["prior", "p95"] == pytest.approx(stats.logistic.cdf(normal.ppf(0.95)), abs=1e-4)
    held = normal.cdf(stats.logistic.ppf(0.8)) - normal.cdf(stats.logistic.ppf(0.5))
    assert rows.loc["B", "held"] == pytest.approx(held, abs=1e-3)
    assert "Is that what you mean?" in result.summary


def test_what_to_install_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "preliz", None)
    path = form(tmp_path / "a.csv", "mine,kt REO/yr,1.01,2.02,3.03,")
    assert main(["elicit", str(path)]) == 2
    assert "pip install '.[elicitation]'" in capsys.readouterr().err


def test_unknown_pools_experts_and_weights_are_told() -> None:
    with pytest.raises(rb.ResultError, match="Did you mean 'linear'"):
        rb.pool(PANEL, "liner")  # type: ignore[arg-type]
    with pytest.raises(rb.ResultError, match="No expert 'Z'"):
        pool_statements([ONE], weights={"Z": 1})
    with pytest.raises(rb.ResultError, match="not above 0"):
        pool_statements([ONE], weights={"A": 0})


# --- elicitation.csv ------------------------------------------------------------------------------


def table(path: Path, rows: Sequence[str]) -> Path:
    """Write elicitation.csv with a column of experts."""
    header = (
        "target,year,year_end,distribution,low,middle,high,change,unit,whose,source,note,expert"
    )
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def test_experts_in_a_study_are_pooled_and_its_hash_knows_only_the_priors(
    tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rb.read_study(tiny_study)
    assert rewrite([str(tiny_study), "--missing"]) == 0
    lines = capsys.readouterr().out.splitlines()
    path = tiny_study / "elicitation.csv"
    path.write_text("\n".join([f"{lines[0]},expert", *(f"{line}," for line in lines[1:])]), "utf-8")
    assert rewrite([str(tiny_study)]) == 0
    assert rb.read_study(tiny_study).hash == before.hash
    place = next(i for i, line in enumerate(lines) if line.startswith("metal,"))
    lines = [f"{line}," for line in lines]
    lines[0] += "expert"
    lines[place] += "A"
    lines.append("metal,,,share,0.4,0.5,0.6,,share,B,judgement-yield,,B")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert rewrite([str(tiny_study)]) == 1
    assert rewrite([str(tiny_study), "--write"]) == 0
    linear = rb.read_study(tiny_study)
    assert linear.priors["metal"].note.startswith("linear pool of A and B")
    assert 0.5 < linear.priors["metal"].median < 0.8
    assert rewrite([str(tiny_study), "--write", "--pool", "log"]) == 0
    log = rb.read_study(tiny_study)
    assert log.priors["metal"].note.startswith("log pool of A and B")
    assert len({before.hash, linear.hash, log.hash}) == 3
    assert len(linear.priors) == len(before.priors)


@pytest.mark.parametrize(
    ("rows", "messages"),
    [
        (
            ["a,,,share,0.1,0.2,0.3,,share,A,j,,A", "a,,,share,0.1,0.2,0.3,,share,A,j,,A"],
            ["'A' judged this in row 2 too"],
        ),
        (
            ["a,,,share,0.1,0.2,0.3,,share,A,j,,A", "a,,,share,0.1,0.2,0.3,,share,A,j,,"],
            ["row 3, expert: several rows", "name who judged each"],
        ),
        (
            ["a,,,share,0.1,0.2,0.3,,share,A,j,,A", "a,,,share,0.1,0.2,0.3,,share,A,k,,B",
             "b,2000,2005,lognormal,1,2,3,,kt REO/yr,A,j,,A",
             "b,2000,2006,normal,1,2,3,,factor,B,j,,B"],
            ["row 3, source: source of the same target is 'j' in row 2", "row 5, year_end",
             "is 2005 in row 4", "row 5, distribution", "row 5, unit"],
        ),
        (
            ["a,,,normal,1,1,1,,factor,A,j,,A", "a,,,normal,0.5,1,2,,factor,B,j,,B"],
            ["row 2, low: a value that is known for certain cannot be pooled"],
        ),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_pooled_are_told(
    tmp_path: Path, rows: list[str], messages: list[str]
) -> None:
    with pytest.raises(rb.StudyError) as error:
        read_statements(table(tmp_path / "elicitation.csv", rows))
    for message in messages:
        assert message in str(error.value)


# --- chips ----------------------------------------------------------------------------------------


@given(
    median=st.floats(0.5, 200), spread=st.floats(0.2, 1.0), total=st.integers(100, 900),
    count=st.integers(4, 9),
)  # fmt: skip
def test_chips_laid_by_a_lognormal_give_it_back(
    median: float, spread: float, total: int, count: int
) -> None:
    edges = np.exp(math.log(median) + spread * np.linspace(-2, 2, count + 1))
    below = stats.norm.cdf(np.linspace(-2, 2, count + 1))
    below[[0, -1]] = 0, 1
    chips = np.diff(np.round(total * below)).astype(int)
    bins = list(zip(edges[:-1], edges[1:], chips.tolist(), strict=True))
    low, middle, high = quantiles_of_chips(bins, "lognormal")
    assert middle == pytest.approx(median, rel=0.06 * spread + 1e-3)
    assert math.log(high / low) / 2 / 1.6449 == pytest.approx(spread, rel=0.12)


def form(path: Path, *rows: str, expert: str = "A") -> Path:
    """Write a filled form: target, unit, low, middle, high, chips of each row."""
    lines = [",".join(COLUMNS)]
    for row in rows:
        target, unit, low, middle, high, chips = row.split(",")
        lines.append(f"{expert},{target},,,,{unit},{low},{middle},{high},{chips},,")
        expert = ""
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_every_fault_of_every_form_is_told_at_once(tmp_path: Path) -> None:
    first = form(
        tmp_path / "a.csv",
        "mine,kt REO/yr,5,4,9,",
        "loss,share,0.1,0.2,,",
        "a,kt REO/yr,1,2,3,5-10: 3; 10-20: 9; 20-30: 5",
        "b,kt REO/yr,,,,5-10: 3; 12-20: 9; 20-30: 5",
        "c,kt REO/yr,,,,5 to 10: many",
        "d,kt REO/yr,,,,5-10: 10; 10-20: 10",
        "e,share,,,,0.5-0.8: 10; 0.8-1.2: 10; 1.2-1.5: 3",
        "f,kt REO/yr,,,,5-10: 1; 10-20: 1; 20-30: 1",
        "g,kt REO/yr,,,,",
    )
    second = form(tmp_path / "b.csv", "mine,kt REO/yr,1,2,3,", expert="")
    with pytest.raises(rb.StudyError) as error:
        rb.pool([first, second])
    text = str(error.value)
    for words in (
        "a.csv", "b.csv", "row 2, middle: 4 is not between", "row 3, high: cell is empty",
        "row 4, chips: low and middle and high and chips are both", "a bin ends at 10 and the next",
        "row 6, chips: '5 to 10: many' are no bins", "fewer than three bins",
        "reaches beyond a share of 1", "3 chips are laid", "nobody is named",
    ):  # fmt: skip
        assert words in text, words
    assert "row 10" not in text


def test_forms_against_each_other_are_told_with_their_file(tmp_path: Path) -> None:
    first = form(tmp_path / "a.csv", "mine,kt REO/yr,1,2,3,")
    second = form(tmp_path / "b.csv", "mine,kt REO/yr,1,2,3,")
    with pytest.raises(rb.StudyError) as error:
        rb.pool([first, second])
    assert f"in {first}, row 2," in str(error.value)
    assert str(error.value).startswith(f"1 problem in {second}")
    empty = form(tmp_path / "c.csv", "mine,kt REO/yr,,,,")
    with pytest.raises(rb.StudyError, match="no row is filled in"):
        rb.pool([empty])


# --- forms ----------------------------------------------------------------------------------------


def test_a_form_asks_about_every_flow_and_bias_and_shows_no_prior(tiny_study: Path) -> None:
    study = rb.read_study(tiny_study)
    path, guide = rb.write_form(tiny_study / "form.csv", study, expert="A")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = {p.target for p in study.priors if p.sd > 0 and p.about.group in ("flow", "bias")}
    assert {row["target"] for row in rows} == wanted
    assert [row["expert"] for row in rows] == ["A", *[""] * (len(rows) - 1)]
    assert not any(row[name] for row in rows for name in ("low", "middle", "high", "chips"))
    assert "surprised" in guide.read_text("utf-8")
    for prior in study.priors:
        assert question_of(prior, study).endswith("?")
    with pytest.raises(rb.ResultError, match="No prior of"):
        rb.write_form(tiny_study / "form.csv", study, ["nothing"])
    with pytest.raises(rb.ResultError, match=r"ending \.csv"):
        rb.write_form(tiny_study / "form.txt", study)


def test_a_form_that_is_filled_in_is_read_back_as_priors(tiny_study: Path) -> None:
    """Every question of the tiny study, answered with its own prior, gives its own priors."""
    from reebayes.elicitation.quantiles import statement_of

    study = rb.read_study(tiny_study)
    asked = [p.target for p in study.priors if p.sd > 0]
    path, _ = rb.write_form(tiny_study / "form.csv", study, asked, expert="A")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        (prior,) = [p for p in study.priors
                    if p.target == row["target"] and str(p.year or "") == row["year"]]  # fmt: skip
        stated = statement_of(prior)
        row.update(low=str(stated.low), middle=str(stated.middle), high=str(stated.high),
                   change=str(stated.change or ""))  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    found = {(p.target, p.year): p for p in rb.pool(path).priors}
    for prior in study.priors:
        if prior.sd > 0:
            again = found[prior.target, prior.year]
            assert replace(again, source=prior.source, note=prior.note) == prior


# --- the example, the command, the extension ------------------------------------------------------


def test_the_forms_of_the_example_are_what_its_script_fills_in() -> None:
    script, study = page(), rb.read_study()
    for expert in script.ANSWERS:
        assert expert.startswith("invented")
        with script.form_of(expert).open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file)) == script.filled(expert, study)
    tables = (ROOT / "docs" / "elicitation_tables.md").read_text("utf-8")
    assert tables == "\n".join(script.pool_text(how) for how in POOLS)


def test_the_command_makes_an_extension_with_the_other_pool_as_variant(
    tiny_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forms = [
        form(tmp_path / "a.csv", "ore,kt REO/yr,5,10,20,", "metal,share,0.7,0.8,0.9,"),
        form(tmp_path / "b.csv", "ore,kt REO/yr,25,35,60,", expert="B"),
        form(tmp_path / "c.csv", "ore,kt REO/yr,,,,5-10: 5; 10-20: 10; 20-40: 5", expert="C"),
    ]
    out, texts = tmp_path / "panel", [str(path) for path in forms]
    assert main(["elicit", *texts, "--data", str(tiny_study), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    for words in ("lies between experts", "do not meet", "loses", "Is that what you mean?"):
        assert words in text
    assert {path.name for path in out.iterdir()} == {
        "elicitation.csv", "priors.csv", "sources.csv", "study.toml", "feedback.csv", "pooled.csv",
    }  # fmt: skip
    study = rb.read_study(tiny_study, extensions=[out])
    prior = study.priors["ore"]
    assert prior.note == "linear pool of A, B and C"
    assert study.sources[prior.source].citation.startswith("Judgement of A, B and C")
    assert study.priors["metal"].median == 0.8
    found = study.variant("log_pool").priors["ore"]
    log = rb.pool(forms, "log").priors[0]
    assert (found.median, found.sd) == (log.median, log.sd) != (prior.median, prior.sd)
    assert rewrite([str(out), "--study", str(tiny_study)]) == 0
    assert rb.pool(out).priors == rb.pool(forms).priors


def test_wrong_commands_are_told(
    tiny_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["elicit"]) == 2
    path = form(tmp_path / "a.csv", "nowhere,share,0.1,0.2,0.3,")
    assert main(["elicit", str(path), "--form", str(tmp_path / "b.csv")]) == 2
    out = tmp_path / "out"
    assert main(["elicit", str(path), "--data", str(tiny_study), "--out", str(out)]) == 2
    text = capsys.readouterr().err
    assert "nowhere" in text
    assert "out/priors.csv" in text
    assert not out.exists()
    assert main(["elicit", "--form", str(tmp_path / "f.csv"), "--data", str(tiny_study)]) == 0
    with pytest.raises(SystemExit):
        main(["elicit", str(path), "--weight", "A"])
    assert main(["elicit", str(path), "--weight", "A=2", "--pool", "log"]) == 0
