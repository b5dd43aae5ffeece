"""Surveys: shares with bands from answers, and what printed percentages can and cannot say."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reebayes.conventions import CI_PROB
from reebayes.elicitation.answersheets import (
    NO,
    YES,
    Answer,
    PrintedShare,
    hardly_meant,
    is_printed,
    read_answers,
    read_population,
    read_printed,
)
from reebayes.elicitation.proportions import (
    DRAWS,
    MARGIN,
    Floats,
    beta_band,
    counted_band,
    effective_size,
    pooled_shares,
    probability_ahead,
    respondents_needed,
)
from reebayes.errors import Fault, ResultError, StudyWarning
from reebayes.study import study_folder
from reebayes.wording import format_share, format_value, listed

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""Name of the row of all groups together."""

SURVEYS = ("reevolution", "simulated_answers")
"""Surveys that come with the package, by name."""

SIZES = (20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000)
"""Numbers of respondents of the curve."""

COLUMNS = (
    "statement", "answer", "group", "heading", "n", "n_effective", "share", "median", "lower",
    "upper", "needed", "indicators", "note",
)  # fmt: skip
AHEAD_COLUMNS = ("first", "second", "n", "differ", "p_first_above", "basis")


@dataclass(frozen=True)
class Surveyed:
    """What a survey says.

    Parameters
    ----------
    shares : DataFrame
        One row a statement, answer and group, and ``all`` for all groups together: ``n``
        respondents, ``n_effective`` after weights, ``share`` as found or printed, ``median``,
        ``lower``, ``upper`` of its posterior (fractions; missing where n is not known), ``needed``
        respondents for a band of 5 points to either side, and ``heading``, ``indicators`` and
        ``note`` of a printed share.
    ahead : DataFrame
        One row a pair: ``p_first_above``, the probability that the share of ``first`` is above
        that of ``second``; ``n`` who answered both and ``differ`` who tell them apart. Empty for
        printed shares, of which nobody knows whether the same people gave them.
    curve : DataFrame
        Of each printed share without n, the band that it would have with ``n`` respondents:
        ``lower``, ``upper``, rounding included. An assumption, not data.
    title, ci_prob : str, float
        Where it comes from, and the probability inside its bands.
    printed : bool
        Whether the shares are printed ones and not computed from answers.
    """

    shares: pd.DataFrame
    ahead: pd.DataFrame
    curve: pd.DataFrame
    title: str
    ci_prob: float
    printed: bool = False

    @property
    def summary(self) -> str:
        """The survey in words, for a terminal."""
        return summary_of(self)


def survey(
    path: str | Path,
    population: str | Path | None = None,
    *,
    ci_prob: float = CI_PROB,
    seed: int = 0,
) -> Surveyed:
    """Compute the shares of a survey with their bands, or what printed shares leave open.

    Parameters
    ----------
    path : str or Path
        An answer sheet (columns ``respondent, statement, answer``, and ``group, weight`` where
        known), printed shares (``statement, share``, and ``n, rounding, heading, ...`` where
        known), or a survey that comes along: ``"reevolution"``, ``"simulated_answers"``.
        Answers ``yes`` and ``no`` make a statement of multiple choice, any other words options of
        a single choice; an empty answer is none.
    population : str or Path, optional
        How many there are of each group (``group, count``), for poststratification. Without it,
        groups count as their weights add up.
    ci_prob : float
        Probability inside the bands.
    seed : int

    Returns
    -------
    Surveyed
        Shares are fractions. Groups are pooled partially: beta-binomial for yes and no,
        Dirichlet-multinomial for options. Weights enter by the effective number of answers.

    Raises
    ------
    StudyError
        With every fault of the file: row, column, value and what to write.
    ResultError
        If `ci_prob` is not between 0 and 1, or a population is given for printed shares.

    Warns
    -----
    StudyWarning
        Where n is not known, so that no band exists; of groups of few; of weights that lie on one.

    References
    ----------
    Gelman and others, *Bayesian Data Analysis*, 3rd ed., 2013, chapters 5 and 8; Kish, *Survey
    Sampling*, 1965.

    Examples
    --------
    >>> import reebayes as rb
    >>> found = rb.survey("data/surveys/simulated_answers.csv")
    >>> found.shares.columns[:5].tolist()
    ['statement', 'answer', 'group', 'heading', 'n']
    """
    if not 0 < ci_prob < 1:
        raise ResultError(f"ci_prob must lie between 0 and 1, got {ci_prob}.")
    file = survey_file(path)
    if is_printed(file):
        if population is not None:
            raise ResultError(f"{file.name} holds printed shares, which no population can weight.")
        printed = read_printed(file)
        _warn(_without_n(file.name, printed))
        return _of_printed(file, printed, ci_prob)
    answers = read_answers(file)
    counts = None
    if population is not None:
        counts = read_population(survey_file(population), {a.group for a in answers})
    _warn(hardly_meant(file.name, answers, counts))
    return _of_answers(file.name, answers, counts, ci_prob, seed)


def survey_file(path: str | Path) -> Path:
    """Return a file that is given, or one of the surveys that come along."""
    name = str(path)
    known = (*SURVEYS, "simulated_population")
    if name in known and not Path(path).exists():
        return study_folder() / "surveys" / f"{name}.csv"
    return Path(path)


def _warn(told: Iterable[Fault]) -> None:
    faults = list(told)
    if faults:
        warnings.warn(StudyWarning(faults), stacklevel=3)


# --- answers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Statement:
    """Answers to one statement: of whom, which, with what weight; and what its answers are."""

    name: str
    options: tuple[str, ...]
    rows: tuple[Answer, ...]

    @property
    def is_affirmed(self) -> bool:
        return self.options == (YES, NO)


def _statements(answers: Sequence[Answer]) -> list[_Statement]:
    found = []
    for name in dict.fromkeys(answer.statement for answer in answers):
        rows = tuple(answer for answer in answers if answer.statement == name)
        words = list(dict.fromkeys(answer.answer for answer in rows))
        options = (YES, NO) if set(words) <= {YES, NO} else tuple(sorted(words))
        found.append(_Statement(name, options, rows))
    return found


def _of_answers(
    file: str,
    answers: Sequence[Answer],
    population: Mapping[str, float] | None,
    ci_prob: float,
    seed: int,
) -> Surveyed:
    import pandas as pd

    statements = _statements(answers)
    rows = [row for one in statements for row in _share_rows(one, population, ci_prob, seed)]
    ahead = [
        *_ahead_of_statements([s for s in statements if s.is_affirmed], population),
        *(row for s in statements if not s.is_affirmed for row in _ahead_of_options(s, population)),
    ]
    return Surveyed(
        pd.DataFrame(rows, columns=list(COLUMNS)),
        pd.DataFrame(ahead, columns=list(AHEAD_COLUMNS)),
        _curve([], ci_prob),
        f"answers of {file}",
        ci_prob,
    )


def _share_rows(
    one: _Statement, population: Mapping[str, float] | None, ci_prob: float, seed: int
) -> list[dict[str, object]]:
    """Shares of all together, then of each group if there are several."""
    groups = sorted({answer.group for answer in one.rows})
    counts, sizes = zip(*(_effective_counts(one, group) for group in groups), strict=True)
    importance = _importance(one.rows, groups, population)
    # Drawn by the name of the statement, so that others beside it change nothing.
    rng = np.random.default_rng([seed, zlib.crc32(one.name.encode())])
    asked = np.array([importance[group] for group in groups])
    unasked = [share for group, share in importance.items() if group not in groups]
    drawn = pooled_shares(np.array(counts), rng, DRAWS, others=bool(unasked))
    together = np.tensordot(drawn.groups, asked, axes=(1, 0)) + drawn.other * sum(unasked)
    found = np.array([c / s for c, s in zip(counts, sizes, strict=True)])
    overall = asked @ found / asked.sum()
    alike = 1 / float((asked**2 / asked.sum() ** 2 / np.array(sizes)).sum())
    tell = len(groups) > 1
    rows = _rows_of(one, ALL, len(one.rows), alike, overall, together, ci_prob)
    for place, group in enumerate(groups if tell else []):
        n = sum(answer.group == group for answer in one.rows)
        rows += _rows_of(one, group, n, sizes[place], found[place], drawn.groups[:, place], ci_prob)
    return rows


def _effective_counts(one: _Statement, group: str) -> tuple[Floats, float]:
    """Answers of a group as if all weights were one: their shares times their effective number."""
    rows = [answer for answer in one.rows if answer.group == group]
    weights = np.array([answer.weight for answer in rows])
    size = effective_size(weights)
    totals = [
        sum(w for w, answer in zip(weights, rows, strict=True) if answer.answer == option)
        for option in one.options
    ]
    return np.array(totals) / weights.sum() * size, size


def _importance(
    rows: Sequence[Answer], groups: Sequence[str], population: Mapping[str, float] | None
) -> dict[str, float]:
    """Share of each group in all: of the population, or as the weights add up."""
    sizes = population or {
        group: sum(answer.weight for answer in rows if answer.group == group) for group in groups
    }
    total = sum(sizes.values())
    return {group: size / total for group, size in sizes.items()}


def _rows_of(
    one: _Statement, group: str, n: int, size: float, found: Floats, draws: Floats, ci_prob: float
) -> list[dict[str, object]]:
    """A row for each answer: of yes and no the first alone, as the other is its rest."""
    tail = (1 - ci_prob) / 2
    rows: list[dict[str, object]] = []
    for place, option in enumerate(one.options[:1] if one.is_affirmed else one.options):
        middle, low, high = np.quantile(draws[:, place], [0.5, tail, 1 - tail])
        share = float(found[place])
        needed = respondents_needed(share, ci_prob=ci_prob) * n / size
        rows.append(
            dict(
                zip(
                    COLUMNS,
                    (one.name, option, group, "", n, size, share, middle, low, high,
                     int(np.ceil(needed - 1e-9)), "", ""),
                    strict=True,
                )
            )
        )  # fmt: skip
    return rows


def _ahead_of_statements(
    statements: Sequence[_Statement], population: Mapping[str, float] | None
) -> Iterable[dict[str, object]]:
    """Every pair of statements, from who answered both."""
    for first, second in combinations(statements, 2):
        other = {answer.respondent: answer.answer for answer in second.rows}
        both = [answer for answer in first.rows if answer.respondent in other]
        yield _ahead(
            (first.name, second.name),
            both,
            [(a.answer == YES) - (other[a.respondent] == YES) for a in both],
            population,
        )


def _ahead_of_options(
    one: _Statement, population: Mapping[str, float] | None
) -> Iterable[dict[str, object]]:
    """Every pair of options of a single choice, from who chose either."""
    for first, second in combinations(one.options, 2):
        signs = [(a.answer == first) - (a.answer == second) for a in one.rows]
        yield _ahead((f"{one.name}: {first}", f"{one.name}: {second}"), one.rows, signs, population)


def _ahead(
    names: tuple[str, str],
    rows: Sequence[Answer],
    signs: Sequence[int],
    population: Mapping[str, float] | None,
) -> dict[str, object]:
    groups = sorted({answer.group for answer in rows})
    sample = _importance(rows, groups, None)
    wanted = _importance(rows, groups, population)
    weights = np.array([a.weight * wanted[a.group] / sample[a.group] for a in rows])
    sign = np.array(signs)
    chance = probability_ahead(weights[sign > 0], weights[sign < 0]) if rows else float("nan")
    basis = "who answered both" if rows else "nobody answered both"
    differ = int((sign != 0).sum()) if rows else 0
    return dict(zip(AHEAD_COLUMNS, (*names, len(rows), differ, chance, basis), strict=True))


# --- printed shares -------------------------------------------------------------------------------


def _without_n(file: str, shares: Sequence[PrintedShare]) -> list[Fault]:
    """Return one warning for all shares whose number of respondents is not known."""
    names = [one.statement for one in shares if one.n is None]
    if not names:
        return []
    message = (
        f"how many answered is not printed of {listed(names)}, so there is no band; the curve "
        "tells what a band would be for any n. Write n if it is known"
    )
    return [Fault(file, None, "n", "", message)]


def _of_printed(file: Path, shares: Sequence[PrintedShare], ci_prob: float) -> Surveyed:
    import pandas as pd

    sources = dict.fromkeys(one.source for one in shares if one.source)
    return Surveyed(
        pd.DataFrame([_printed_row(one, ci_prob) for one in shares], columns=list(COLUMNS)),
        pd.DataFrame(columns=list(AHEAD_COLUMNS)),
        _curve([one for one in shares if one.n is None], ci_prob),
        "; ".join(sources) or f"printed shares of {file.name}",
        ci_prob,
        printed=True,
    )


def _printed_row(one: PrintedShare, ci_prob: float) -> dict[str, object]:
    nan = float("nan")
    band = None if one.n is None else counted_band(one.share, one.n, one.rounding, ci_prob)
    n = nan if one.n is None else float(one.n)
    values = (
        one.statement, YES, ALL, one.heading, n, n, one.share, *(band or (nan, nan, nan)),
        respondents_needed(one.share, ci_prob=ci_prob), "; ".join(one.indicators), one.note,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _curve(shares: Sequence[PrintedShare], ci_prob: float) -> pd.DataFrame:
    """Bands that printed shares would have, by the number of respondents."""
    import pandas as pd

    rows = [
        (one.statement, one.heading, one.share, n, *beta_band(one.share, n, one.rounding, ci_prob))
        for one in shares
        for n in SIZES
    ]
    columns = ["statement", "heading", "share", "assumed_n", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)


# --- in words -------------------------------------------------------------------------------------


def summary_of(result: Surveyed) -> str:
    """Return a survey in words."""
    lines = [result.title]
    lines += _printed_lines(result) if result.printed else _answer_lines(result)
    return "\n".join(lines)


def _printed_lines(result: Surveyed) -> list[str]:
    lines = []
    for heading, rows in result.shares.groupby("heading", sort=False):
        lines.append(f"\n{heading!s}" if heading else "")
        for _, row in rows.iterrows():
            band = "no band: n is not known"
            if row["n"] == row["n"]:
                band = f"band {_points(row)} of {row['n']:.0f} respondents"
            lines.append(f"  {row['statement']}: {format_share(row['share'])} printed; {band}")
            if row["indicators"]:
                lines.append(f"    speaks to it: {row['indicators']}")
            elif row["note"]:
                lines.append(f"    {row['note']}")
    if result.curve.empty:
        return lines
    needed = result.shares["needed"]
    lines.append(
        f"\nA band of {100 * MARGIN:.0f} points to either side would need {needed.min()} to "
        f"{needed.max()} respondents, drawn at random. If n were\n"
    )
    wide = result.curve.pivot_table(index="assumed_n", columns="share", values=["lower", "upper"])
    shares = sorted(result.curve["share"].unique())
    heads = [f"{format_share(share)} printed" for share in shares]
    lines.append("  n     " + "".join(f"{head:>16}" for head in heads))
    for n in SIZES[::2]:
        bands = (
            f"{100 * wide.loc[n, ('lower', s)]:.0f} to {100 * wide.loc[n, ('upper', s)]:.0f} %"
            for s in shares
        )
        lines.append(f"  {n:<6}" + "".join(f"{band:>16}" for band in bands))
    return lines


def _answer_lines(result: Surveyed) -> list[str]:
    lines = []
    for statement, rows in result.shares.groupby("statement", sort=False):
        lines.append(f"\n{statement}")
        for _, row in rows.iterrows():
            what = "" if row["answer"] == YES else f" {row['answer']}"
            who = f"n {row['n']:.0f}, effective {format_value(row['n_effective'])}"
            lines.append(
                f"  {row['group']}{what}: {format_share(row['median'])} ({_points(row)}); found "
                f"{format_share(row['share'])}, {who}; 5 points need {row['needed']:.0f}"
            )
    told = [
        f"  {row['first']} above {row['second']}: P {row['p_first_above']:.2f} "
        f"({row['differ']} of {row['n']} tell them apart)"
        for _, row in result.ahead.iterrows()
    ]
    return [*lines, *(["\nWhich share is higher", *told] if told else [])]


def _points(row: pd.Series) -> str:
    return f"{100 * row['lower']:.0f} to {format_share(row['upper'])}"
