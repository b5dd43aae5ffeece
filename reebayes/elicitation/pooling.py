"""Judgements of several experts as priors: pooled, with disagreement and what is lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reebayes.elicitation.beliefs import Belief, Mixed, belief_of, pooled
from reebayes.elicitation.forms import read_forms
from reebayes.elicitation.quantiles import (
    NORMAL_95,
    POOLS,
    TABLE,
    Pool,
    Statement,
    prior_of,
    read_statements,
    scale_of,
    value_of,
)
from reebayes.errors import ResultError
from reebayes.study import Prior
from reebayes.wording import format_value, listed, suggestion

if TYPE_CHECKING:
    import pandas as pd

POOL_NAMES = {"linear": "linear pool", "log": "log pool"}
FEEDBACK = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Probabilities of the quantiles that are told back."""

THE_POOL, THE_PRIOR = "pool", "prior"
_DIGITS = 3


@dataclass(frozen=True)
class Pooled:
    """Judgements as priors, and how well these say what was judged.

    Parameters
    ----------
    priors : tuple of Prior
        Rows of ``priors.csv``, one a target and year; ``note`` names the pool and the experts.
    statements : tuple of Statement
        The judgements.
    targets : DataFrame
        One row a prior of several experts: ``low``, ``middle``, ``high`` (5, 50, 95 %) of the pool
        and ``prior_low``, ... of the prior in the unit of the statement; ``between``, the share
        of the variance of the pool that lies between experts; ``apart``, pairs of experts whose
        90 % bands do not meet; ``loss``, by how much the mean quantile loss of the prior exceeds
        that of the pool, as a share of it.
    feedback : DataFrame
        Quantiles of every expert, of the pool and of the prior, in the unit of the statement, and
        ``held``, the probability that the prior gives to the expert's 90 % band.
    how : {"linear", "log"}
    """

    priors: tuple[Prior, ...]
    statements: tuple[Statement, ...]
    targets: pd.DataFrame
    feedback: pd.DataFrame
    how: Pool

    @property
    def summary(self) -> str:
        """The pool in words, for a terminal."""
        return summary_of(self)


def pool(
    path: str | Path | Sequence[str | Path],
    how: Pool = "linear",
    *,
    weights: Mapping[str, float] | None = None,
) -> Pooled:
    """Pool the judgements of several experts into priors.

    Parameters
    ----------
    path : str or Path, or several
        ``elicitation.csv`` with a column ``expert``, the directory that holds it, or forms that
        experts filled in (`write_form` makes an empty one).
    how : {"linear", "log"}
        The mixture of what the experts believe, or their geometric mean.
    weights : mapping of expert to float, optional
        Above 0; equal weights if left out.

    Returns
    -------
    Pooled
        A target that one expert judged gets the prior that follows from the one judgement.

    Raises
    ------
    StudyError
        With every fault of the files.
    ResultError
        If `how` or an expert among the weights is unknown, or a weight is not above 0.

    References
    ----------
    Genest and Zidek, *Statistical Science* 1, 1986; O'Hagan and others, *Uncertain Judgements*,
    2006, chapter 9.

    Examples
    --------
    >>> import reebayes as rb
    >>> panel = "data/panel/invented_expert_{}.csv"
    >>> pooled = rb.pool([panel.format("a"), panel.format("b")])
    >>> pooled.priors[-1].target, pooled.how
    ('bias:imcoa', 'linear')
    """
    if how not in POOLS:
        raise ResultError(f"Pool {how!r} is unknown. {suggestion(how, POOLS)}")
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(one) for one in path]
    paths = [one / TABLE if one.is_dir() else one for one in paths]
    if len(paths) == 1 and paths[0].name == TABLE:
        statements = read_statements(paths[0])
    else:
        statements = read_forms(paths)
    return pool_statements(statements, how, weights=weights)


def pool_statements(
    statements: Sequence[Statement],
    how: Pool = "linear",
    *,
    weights: Mapping[str, float] | None = None,
) -> Pooled:
    """Pool statements that were read; see `pool`."""
    import pandas as pd

    _check_weights(weights or {}, statements)
    priors: list[Prior] = []
    targets: list[dict[str, Any]] = []
    feedback: list[dict[str, Any]] = []
    for panel in panels_of(statements):
        one = Panel(panel, tuple((weights or {}).get(stated.expert, 1.0) for stated in panel), how)
        priors.append(one.prior)
        if len(panel) > 1:
            targets.append(one.told)
        if any(stated.expert for stated in panel):
            feedback += one.feedback
    return Pooled(
        tuple(priors), tuple(statements), pd.DataFrame(targets), pd.DataFrame(feedback), how
    )


def pooled_priors(statements: Sequence[Statement], how: Pool = "linear") -> list[Prior]:
    """Return the rows of ``priors.csv`` alone; what one expert judged is no pool."""
    panels = panels_of(statements)
    return [Panel(panel, (1.0,) * len(panel), how).prior for panel in panels]


def panels_of(statements: Iterable[Statement]) -> list[tuple[Statement, ...]]:
    """Gather the statements about each target and year, in the order in which they first appear."""
    found: dict[tuple[str, int | None], list[Statement]] = {}
    for stated in statements:
        found.setdefault((stated.target, stated.year), []).append(stated)
    return [tuple(panel) for panel in found.values()]


def _check_weights(weights: Mapping[str, float], statements: Sequence[Statement]) -> None:
    experts = list(dict.fromkeys(stated.expert for stated in statements if stated.expert))
    for expert, weight in weights.items():
        if expert not in experts:
            raise ResultError(f"No expert {expert!r} judged. {suggestion(expert, experts)}")
        if not 0 < weight < float("inf"):
            raise ResultError(f"Weight {weight:g} of {expert!r} is not above 0.")


# --- one target -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """What several experts, or one, say of one target and year."""

    statements: tuple[Statement, ...]
    weights: tuple[float, ...]
    how: Pool

    @cached_property
    def beliefs(self) -> list[Belief]:
        """Beliefs of the experts, on the scale of the prior."""
        return [belief_of(stated) for stated in self.statements]

    @cached_property
    def mixed(self) -> Mixed:
        """The pool, on the scale of the prior."""
        return pooled(self.beliefs, self.weights, self.how)

    @cached_property
    def statement(self) -> Statement:
        """The one statement, or the quantiles of the pool as a statement."""
        first = self.statements[0]
        if len(self.statements) == 1:
            return first
        mixed, back = self.mixed, value_of(first.distribution)
        low, middle, high = (
            float(f"{back(mixed.quantile(p)):.{_DIGITS}g}") for p in (0.05, 0.5, 0.95)
        )
        names = listed(stated.expert for stated in self.statements)
        notes = {stated.note for stated in self.statements}
        note = f"{POOL_NAMES[self.how]} of {names}{self._weighted}"
        shared = f"; {first.note}" if len(notes) == 1 and first.note else ""
        return replace(
            first, low=low, middle=middle, high=high, change=self._change,
            note=f"{note}{shared}", whose=names, expert="",
        )  # fmt: skip

    @property
    def _weighted(self) -> str:
        if len(set(self.weights)) == 1:
            return ""
        return f", weighted {':'.join(f'{weight:g}' for weight in self.weights)}"

    @property
    def _change(self) -> float | None:
        """Geometric mean of the yearly changes of those who state one."""
        told = [
            (stated.change, weight)
            for stated, weight in zip(self.statements, self.weights, strict=True)
            if stated.change is not None
        ]
        if not told:
            return None
        changes, weights = zip(*told, strict=True)
        return float(f"{np.exp(np.average(np.log(changes), weights=weights)):.{_DIGITS}g}")

    @cached_property
    def prior(self) -> Prior:
        """The row of ``priors.csv``."""
        return prior_of(self.statement)

    def quantiles_of_prior(self, probabilities: Iterable[float]) -> list[float]:
        """Quantiles of the prior, on its scale."""
        from scipy import special

        prior = self.prior
        middle = (
            prior.median
            if prior.distribution == "normal"
            else scale_of(prior.distribution)(prior.median)
        )
        return [middle + prior.sd * float(special.ndtri(p)) for p in probabilities]

    @property
    def told(self) -> dict[str, Any]:
        """What is told of the pool of this target."""
        first, mixed, prior = self.statements[0], self.mixed, self.prior
        back = value_of(first.distribution)
        ends = ("low", "middle", "high")
        of_prior = self.quantiles_of_prior((0.05, 0.5, 0.95))
        stated = self.statement
        return {
            "target": prior.label,
            "unit": first.unit,
            "experts": len(self.statements),
            "pool": self.how,
            **{end: getattr(stated, end) for end in ends},
            **{f"prior_{end}": back(value) for end, value in zip(ends, of_prior, strict=True)},
            "between": self.between,
            "apart": "; ".join(self.apart),
            "loss": self.loss(mixed),
        }

    @property
    def between(self) -> float:
        """Share of the variance of the linear pool that lies between the experts' medians."""
        medians = np.array([belief.median for belief in self.beliefs])
        within = np.array([(b.below**2 + b.above**2) / 2 for b in self.beliefs])
        weights = np.array(self.weights) / np.sum(self.weights)
        spread = float(weights @ (medians - weights @ medians) ** 2)
        return spread / (spread + float(weights @ within))

    @property
    def apart(self) -> list[str]:
        """Pairs of experts whose 90 % bands do not meet."""
        return [
            f"{one.expert} and {other.expert}"
            for one, other in combinations(self.statements, 2)
            if one.high < other.low or other.high < one.low
        ]

    def loss(self, mixed: Mixed) -> float:
        """By how much the quantile loss of the prior exceeds that of the pool, as a share of it."""
        guesses = self.quantiles_of_prior(FEEDBACK)
        least = sum(mixed.pinball(p) for p in FEEDBACK)
        found = sum(mixed.pinball(p, guess) for p, guess in zip(FEEDBACK, guesses, strict=True))
        return found / least - 1

    @property
    def feedback(self) -> list[dict[str, Any]]:
        """Quantiles of everybody, in the unit of the statement."""
        first = self.statements[0]
        back, label = value_of(first.distribution), self.prior.label
        middle, low = self.quantiles_of_prior((0.5, 0.05))
        spread = (middle - low) / NORMAL_95

        def row(whose: str, values: Sequence[float], held: float) -> dict[str, Any]:
            told = {
                f"p{round(100 * p):02}": back(value)
                for p, value in zip(FEEDBACK, values, strict=True)
            }
            return {"target": label, "unit": first.unit, "whose": whose, **told, "held": held}

        rows = []
        for stated, belief in zip(self.statements, self.beliefs, strict=True):
            of_prior = Belief(middle, spread, spread)
            ends = np.array([belief.quantile(0.05), belief.quantile(0.95)])
            held = float(np.diff(of_prior.below_probability(ends))[0]) if spread else 1.0
            rows.append(row(stated.expert, [belief.quantile(p) for p in FEEDBACK], held))
        if len(self.statements) > 1:
            values = [self.mixed.quantile(p) for p in FEEDBACK]
            rows.append(row(THE_POOL, values, float("nan")))
        rows.append(row(THE_PRIOR, self.quantiles_of_prior(FEEDBACK), float("nan")))
        return rows


# --- the other pool as a variant ------------------------------------------------------------------


def variant_of(result: Pooled) -> dict[str, Any]:
    """Return the table ``[variants.NAME]`` of a study in which these priors hold."""
    many = {prior.label for prior, panel in zip(result.priors, panels_of(result.statements),
                                                strict=True) if len(panel) > 1}  # fmt: skip
    changes = []
    for prior in result.priors:
        if prior.label in many:
            change: dict[str, Any] = {"target": prior.target}
            if prior.year is not None:
                change["year"] = prior.year
            change |= {"median": prior.median, "sd": prior.sd}
            if prior.step is not None:
                change["step"] = prior.step
            changes.append(change)
    name = POOL_NAMES[result.how]
    return {
        "label": f"judgements as a {name}",
        "why": f"How several experts are joined is a choice; this is the {name} of the same "
        "judgements.",
        "priors": changes,
    }


# --- in words -------------------------------------------------------------------------------------


def summary_of(result: Pooled) -> str:
    """Return a pool in words."""
    lines = []
    for label, rows in (
        result.feedback.groupby("target", sort=False) if len(result.feedback) else ()
    ):
        unit = rows["unit"].iloc[0]
        lines.append(f"\n{label} [{unit}]")
        lines.append("  " + " " * 18 + "".join(f"{100 * p:>9.0f} %" for p in FEEDBACK)
                     + "   prior holds of the 90 % band")  # fmt: skip
        for _, row in rows.iterrows():
            numbers = "".join(f"{format_value(row[f'p{round(100 * p):02}']):>11}" for p in FEEDBACK)
            held = "" if row["held"] != row["held"] else f"{100 * row['held']:>10.0f} %"
            lines.append(f"  {str(row['whose'])[:18]:<18}{numbers}{held}")
        told = result.targets
        for _, row in told[told["target"] == label].iterrows() if len(told) else ():
            apart = f"; the bands of {row['apart']} do not meet" if row["apart"] else ""
            lines.append(
                f"  {POOL_NAMES[row['pool']]} of {row['experts']}: {100 * row['between']:.0f} % of "
                f"its variance lies between experts{apart}."
            )
            lines.append(f"  As a prior it loses {100 * row['loss']:.1f} % (quantile loss).")
        low, middle, high = (
            format_value(rows[rows["whose"] == THE_PRIOR][f"p{p}"].iloc[0])
            for p in ("05", "50", "95")
        )
        lines.append(
            f"  The prior says: as often above as below {middle}; below {low} once in twenty, "
            f"above {high} once in twenty. Is that what you mean?"
        )
    single = len(result.priors) - len(result.targets)
    lines.append(f"\n{len(result.priors)} priors, {single} of them of one judgement.")
    return "\n".join(lines).lstrip("\n")
