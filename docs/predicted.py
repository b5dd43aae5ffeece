"""Changes predicted from one fit against refits: python docs/predicted.py FIT.nc --refits DIR.

Draws changes of the study by seed: rows of the priors whose centre moves by one standard deviation
or whose spread is halved or doubled, and sources that are left out. Predicts from the draws of the
fit what each does to the headline sums, fits each changed study again (a file each in DIR, so that
the command goes on where it stopped; about 20 s a case on two cores), and writes the picture
(predicted.png) and the table (predicted_table.md) of the page on sensitivity.
"""

import argparse
import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reebayes.answers.leave_one_out import influences
from reebayes.answers.montecarlo import mean_error
from reebayes.errors import StudyError
from reebayes.experiments.refits import Refit, refits
from reebayes.experiments.sensitivities import sensitivities
from reebayes.files import write_whole
from reebayes.results.description import study_of
from reebayes.results.fitfile import open_fit
from reebayes.results.reading import Contents, contents_of
from reebayes.results.selection import Span, answer_draws
from reebayes.study import Prior, Study
from reebayes.wording import format_value

HERE = Path(__file__).parent
CASES, SEED = 30, 0

COLUMNS = {
    "lower by 1 prior sd": "down",
    "higher by 1 prior sd": "up",
    "spread halved": "halved",
    "spread doubled": "doubled",
}
"""Columns of `sensitivity` that predict each move."""

FACTORS = {"halved": 0.5, "doubled": 2.0}
WEIGHTS, FIRST_ORDER = "weights", "first order"

drawn_changes = runpy.run_path(str(HERE.parent / "benchmarks" / "acceptance.py"))["drawn_changes"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Change of the mean of an answer as the draws of one fit predict it.

    Parameters
    ----------
    change : float
        In the unit of the answer.
    error : float
        Its standard error; NaN where it is to first order.
    by : str
        `WEIGHTS` or `FIRST_ORDER`.
    """

    change: float
    error: float
    by: str


@dataclass(frozen=True, slots=True)
class Case:
    """One change: what it predicts of each answer, and what a refit says.

    Parameters
    ----------
    name : str
    predicted : mapping of quantity to Prediction
    refitted : mapping of quantity to (change, standard error)
        Empty where the refit did not pass its gate.
    verdict : str
    """

    name: str
    predicted: Mapping[str, Prediction]
    refitted: Mapping[str, tuple[float, float]]
    verdict: str


# --- cases ----------------------------------------------------------------------------------------


def drawn_cases(
    contents: Contents, study: Study, years: Mapping[str, Span], count: int, seed: int
) -> tuple[dict[str, Study], dict[str, dict[str, Prediction]], list[str]]:
    """Draw changes; return the changed studies, what is predicted of each, and what cannot be."""
    slopes = sensitivities(contents, years, study=study)
    pulls = influences(contents, years, by="source")
    moves, sources = drawn_changes(study, count, seed=seed)
    studies: dict[str, Study] = {}
    predicted: dict[str, dict[str, Prediction]] = {}
    unsound = []
    for prior, move in moves:
        name, column = f"`{prior.label}`, {move}", COLUMNS[move]
        if (changed := _sound(partial(_moved, study, prior, column))) is None:
            unsound.append(name)
            continue
        studies[name] = changed
        predicted[name] = {
            answer: _of_prior(table.loc[prior.label], column) for answer, table in slopes.items()
        }
    for source in sources:
        name = f"without `{source}`"
        if (changed := _sound(partial(study.without_source, source))) is None:
            unsound.append(name)
            continue
        studies[name] = changed
        predicted[name] = {answer: _of_source(table.loc[source]) for answer, table in pulls.items()}
    return studies, predicted, unsound


def _sound(change: partial[Study]) -> Study | None:
    try:
        return change()
    except StudyError:
        return None


def _moved(study: Study, prior: Prior, column: str) -> Study:
    """Return the study that `sensitivity` speaks of: a series keeps its step."""
    if column in FACTORS:
        return study.with_prior(prior.target, year=prior.year, sd=FACTORS[column] * prior.sd)
    return study.with_prior(prior.target, year=prior.year, shift=-1.0 if column == "down" else 1.0)


def _of_prior(row: Mapping[str, float], column: str) -> Prediction:
    if row["by_spread" if column in FACTORS else "by"] == WEIGHTS:
        return Prediction(row[column], row[f"{column}_error"], WEIGHTS)
    return Prediction(row[column], np.nan, FIRST_ORDER)


def _of_source(row: Mapping[str, float]) -> Prediction:
    """Without a source an answer moves by minus its pull."""
    return Prediction(-row["pull"], row["error"], WEIGHTS if row["reliable"] else FIRST_ORDER)


def gathered(
    contents: Contents,
    years: Mapping[str, Span],
    predicted: Mapping[str, dict[str, Prediction]],
    found: Mapping[str, Refit],
) -> list[Case]:
    """Put predictions beside refits, with the standard errors of the changes."""
    answers = {name: answer_draws(contents, name, span)[0] for name, span in years.items()}
    own = {name: (float(draws.mean()), mean_error(draws[None])) for name, draws in answers.items()}
    cases = []
    for case, of_case in predicted.items():
        one, refitted = found[case], {}
        if one.passed:
            for name, (mean, error) in own.items():
                other, other_error = one.mean(name)
                refitted[name] = (other - mean, float(np.hypot(error, other_error)))
        cases.append(Case(case, of_case, refitted, one.verdict))
    return cases


def worst(cases: Sequence[Case], sds: Mapping[str, float]) -> tuple[Case, str]:
    """Return the case and answer whose prediction is furthest from its refit, in posterior sd."""
    misses = [
        (abs(case.predicted[name].change - change) / sds[name], n, name)
        for n, case in enumerate(cases)
        for name, (change, _) in case.refitted.items()
    ]
    _, n, name = max(misses)
    return cases[n], name


# --- picture and table ----------------------------------------------------------------------------


def picture(cases: Sequence[Case], sds: Mapping[str, float], units: Mapping[str, str]) -> Figure:
    """Draw predicted against refitted changes, one plot an answer."""
    figure, axes = plt.subplots(
        1, len(sds), figsize=(max(4.2 * len(sds), 5.6), 4.9), layout="constrained", squeeze=False
    )
    bad, worst_name = worst(cases, sds)
    for ax, name in zip(axes.flat, sds, strict=True):
        _draw(ax, cases, name)
        ax.set_title(name, loc="left", fontsize=10)
        ax.set_xlabel(f"predicted change of the mean, {units[name]}")
        ax.set_ylabel(f"refitted, {units[name]}")
        if name == worst_name:
            at = (bad.predicted[name].change, bad.refitted[name][0])
            ax.plot(*at, "o", markersize=13, markerfacecolor="none", color="#a81e1e",
                    label="furthest off, in posterior sd")  # fmt: skip
    entries = {
        label: handle
        for ax in axes.flat
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    columns = min(4, 2 * len(sds))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns,
                  frameon=False, fontsize=9)  # fmt: skip
    return figure


def _draw(ax: Axes, cases: Sequence[Case], name: str) -> None:
    ends = [0.0]
    for by, face in ((WEIGHTS, "#1f5f9e"), (FIRST_ORDER, "white")):
        chosen = [case for case in cases if case.refitted and case.predicted[name].by == by]
        if not chosen:
            continue
        x = np.array([case.predicted[name].change for case in chosen])
        y, error = np.array([case.refitted[name] for case in chosen]).T
        across = np.array([case.predicted[name].error for case in chosen])
        ends += [*x, *y]
        # two standard errors, of the change and not of the answer; none to first order
        ax.errorbar(
            x, y, 2 * error, 2 * across if by == WEIGHTS else None, fmt="o", color="#1f5f9e",
            markerfacecolor=face, markersize=5, linewidth=0.9, label=f"by {by}"
            if by == WEIGHTS else "to first order, without an error",
        )  # fmt: skip
    low, high = min(ends), max(ends)
    margin = 0.08 * (high - low)
    line = np.array([low - margin, high + margin])
    ax.plot(line, line, color="#8a8a8a", linewidth=0.9, zorder=0, label="refitted as predicted")
    ax.spines[["top", "right"]].set_visible(False)


def table_text(
    cases: Sequence[Case], unsound: Sequence[str], sds: Mapping[str, float],
    units: Mapping[str, str], *, seed: int,
) -> str:  # fmt: skip
    """Write the cases as Markdown, the worst named in words above."""
    bad, name = worst(cases, sds)
    predicted, (refitted, error) = bad.predicted[name], bad.refitted[name]
    miss = abs(predicted.change - refitted) / sds[name]
    passed = sum(bool(case.refitted) for case in cases)
    lines = [
        "![Predicted changes of the headline sums against refitted ones](predicted.png)\n",
        f"{len(cases)} changes drawn with seed {seed}; {passed} refits passed their gate. Changes "
        "of the\nmean are predicted / refitted, each ± its standard error; a prediction to first "
        "order (°) has none.\n",
        f"Furthest off, in posterior standard deviations: {bad.name}, on `{name}`: predicted "
        f"{_signed(predicted.change)} {units[name]} by {predicted.by},\nrefitted "
        f"{_signed(refitted)} ± {format_value(error)}: {miss:.2f} standard deviations apart.\n",
        f"| change | {' | '.join(f'`{name}`, {units[name]}' for name in sds)} |",
        "|---" * (1 + len(sds)) + "|",
    ]
    for case in cases:
        cells = [_cell(case, name) for name in sds]
        lines.append(f"| {case.name} | {' | '.join(cells)} |")
    if unsound:
        lines.append(f"\nNot a sound study, so not fitted: {'; '.join(unsound)}.")
    return "\n".join(lines) + "\n"


def _cell(case: Case, name: str) -> str:
    one = case.predicted[name]
    error = f" ± {format_value(one.error)}" if np.isfinite(one.error) else "°"
    said = f"{_signed(one.change)}{error}"
    if not case.refitted:
        return f"{said} / {case.verdict}"
    change, own = case.refitted[name]
    return f"{said} / {_signed(change)} ± {format_value(own)}"


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '−'}{format_value(abs(value))}"


def main(argv: Sequence[str] | None = None) -> None:
    """Predict, fit again what has no file yet, and write picture and table."""
    parser = argparse.ArgumentParser(prog="docs/predicted.py", description=__doc__)
    parser.add_argument("fit", type=Path, help="a fit, as `reebayes fit` writes it")
    parser.add_argument("--refits", type=Path, required=True, metavar="DIR",
                        help="where refits are kept, and found again")  # fmt: skip
    parser.add_argument("--cases", type=int, default=CASES, metavar="N")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N")
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR",
                        help="where picture and table are written (default: here)")  # fmt: skip
    options = parser.parse_args(argv)
    with open_fit(options.fit) as fit:
        contents = contents_of(fit)
        study = study_of(contents)
        years: dict[str, Span] = {
            name: None for name in contents.headline() if name not in contents.ratios
        }
        studies, predicted, unsound = drawn_cases(contents, study, years, options.cases,
                                                  options.seed)  # fmt: skip
        options.refits.mkdir(parents=True, exist_ok=True)
        found = refits(studies, contents, years, seed=options.seed, folder=options.refits,
                       progress=True)  # fmt: skip
        answers = {name: answer_draws(contents, name, span) for name, span in years.items()}
        cases = gathered(contents, years, predicted, found)
    sds = {name: float(draws.std(ddof=1)) for name, (draws, _) in answers.items()}
    units = {name: unit for name, (_, unit) in answers.items()}
    if not any(case.refitted for case in cases):
        sys.exit("No refit passed its gate, so there is nothing to compare.")
    text = table_text(cases, unsound, sds, units, seed=options.seed).encode()
    write_whole(options.out / "predicted_table.md", lambda path: path.write_bytes(text))
    save = partial(picture(cases, sds, units).savefig, dpi=110, format="png")
    write_whole(options.out / "predicted.png", save)


if __name__ == "__main__":
    main()
