"""Targets of priors as values: a flow, or a group and a name in it.

concentrate_US          a flow: an inflow, a product that drives its conversion, or a share
route:CN:US             what trade between two regions does to all its flows
bias:us_customs         a reporter's bias
noise:us_customs        a reporter's noise; of ``all``, what reporters have in common;
of ``floor``, the variance that noise leaves as it is; of ``spread``, a multiplier of how far
reporters differ
errors:freedom          degrees of freedom of heavy-tailed errors
shared:content_metal    an error that several records have in common
step:trade              how fast a group of series moves
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FLOW, ROUTE, BIAS, NOISE, SHARED, STEP = "flow", "route", "bias", "noise", "shared", "step"
ERRORS = "errors"
GROUPS = (BIAS, ERRORS, NOISE, ROUTE, SHARED, STEP)
"""Groups that a target may name before its colon."""

CONSTANT_GROUPS = (ERRORS, NOISE, STEP)
"""Groups whose targets are one number for the whole study."""

STEP_GROUPS = ("input", "market", "trade", "bias")
"""Groups of series whose steps may share an estimated multiplier."""

EVERY = "*"
"""Name that stands for every reporter without a row of its own."""

ALL, FLOOR, SPREAD = "all", "floor", "spread"
RESERVED = (ALL, FLOOR, SPREAD)
"""Names of noise that are no reporters."""

FREEDOM = "freedom"


@dataclass(frozen=True, slots=True)
class Target:
    """What a prior is about.

    Parameters
    ----------
    group : str
        ``flow``, or what stands before the colon (one of `GROUPS`, unless it is misspelt).
    name : str
        The flow, or what stands after the colon.
    """

    group: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read a target as ``priors.csv`` writes it."""
        group, colon, name = text.partition(":")
        return cls(group, name) if colon else cls(FLOW, text)

    def __str__(self) -> str:
        """Write the target as ``priors.csv`` does."""
        return self.name if self.is_flow else f"{self.group}:{self.name}"

    @property
    def is_flow(self) -> bool:
        """Whether it is a flow."""
        return self.group == FLOW

    @property
    def is_known(self) -> bool:
        """Whether its group exists and it has a name."""
        return self.group in (FLOW, *GROUPS) and bool(self.name)


NOISE_OF_ALL, NOISE_FLOOR = Target(NOISE, ALL), Target(NOISE, FLOOR)
NOISE_SPREAD = Target(NOISE, SPREAD)
ERROR_FREEDOM = Target(ERRORS, FREEDOM)

VARIANCE_FLOOR = 0.25
"""Variance floor of a study that states none: no record errs by less than half its stated error, as
rounding, conversion and definition stay when a reporter is better than stated.
"""


def targets_in(group: str, names: Iterable[str]) -> list[str]:
    """Write the targets of a group that have the given names."""
    return [str(Target(group, name)) for name in names]
