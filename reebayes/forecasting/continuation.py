"""Every draw goes on: its states move as the model says that they move, past the last year.

A state is a standard normal AR(1) whose persistence each draw has of its own. Its last value and
its persistence are the draw's; only the innovations of years to come are new. Constants (yields,
losses) stay as they are. Flows of all years then follow from the balance that the fit used, so that
it is exact in them, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reebayes.errors import ResultError
from reebayes.model import kernels
from reebayes.model.layout import Layout, lay_out
from reebayes.results.reading import Contents
from reebayes.study import Record, Study, Table
from reebayes.study.periods import onward

type Floats = NDArray[np.float64]


def inputs_of(study: Study) -> tuple[str, ...]:
    """Flows that set how much enters the system: what mines yield, and draws on stocks."""
    flows = set(study.flows.names)
    targets = [prior.target for prior in study.priors if prior.distribution == "lognormal"]
    return tuple(dict.fromkeys(name for name in targets if name in flows))


def ahead_of(study: Study, to: int) -> Study:
    """Return a study of the last year and those to come, without records, to compute with."""
    longer = onward(study, to)
    return replace(longer, first_year=study.last_year, records=Table(Record))


class Continuation:
    """The states of all draws from the last year of a fit on.

    Parameters
    ----------
    contents : Contents
        Of a fit.
    study : Study
        That was fitted.
    to : int
        Last year.
    rng : Generator
        Of the innovations.
    reverting : bool
        Whether states go back towards the centre of their priors, as the AR(1) has it; if not, they
        keep their steps and wander.
    """

    def __init__(
        self, contents: Contents, study: Study, to: int, rng: np.random.Generator, *,
        reverting: bool = True,
    ) -> None:  # fmt: skip
        self.study, self.ahead = study, ahead_of(study, to)
        self.layout = lay_out(self.ahead)
        was, latents = lay_out(study), contents.latents
        if latents.shape[1] != len(was.latents):
            raise ResultError("The unknowns of this fit are not those of its study.")
        self._constants = latents[:, _places(was, self._kept)]
        self.states = self._moved(was, latents, rng, reverting=reverting)

    @property
    def years(self) -> tuple[int, ...]:
        """The last year of the fit, and all later ones."""
        return self.layout.years

    @property
    def _kept(self) -> tuple[str, ...]:
        """Names of unknowns that are no states."""
        return self.layout.latents[self.layout.unknowns.states :]

    def _moved(
        self, was: Layout, latents: Floats, rng: np.random.Generator, *, reverting: bool
    ) -> Floats:
        """States (draw, year, series) of the last year and those to come."""
        series = self.layout.unknowns.columns[: self.layout.unknowns.varying]
        before = was.unknowns.columns[: was.unknowns.varying]
        at = [before.index(name) for name in series]
        steps = was.equations.steps
        shape = (len(latents), len(self.years), len(series))
        states, innovations = np.empty(shape), rng.standard_normal(shape)
        for n, latent in enumerate(np.ascontiguousarray(latents)):
            persistence, variance, _ = kernels.persistences(latent, steps)
            which = steps.which[-1, at]
            # of a path that wanders the steps are those of the path that reverts
            keeps, moves = persistence[which], np.sqrt(variance[which])
            states[n, 0] = kernels.states(latent, steps)[-1, at]
            for t in range(1, len(self.years)):
                held = states[n, t - 1] * (keeps if reverting else 1.0)
                states[n, t] = held + moves * innovations[n, t]
        return states

    def log_input(self, name: str) -> Floats:
        """Return the log (draw, year) of what a flow brings in, active or not.

        Parameters
        ----------
        name : str
            One of `inputs_of`.
        """
        unknowns, centres = self.layout.unknowns, self.layout.equations.centres
        at = unknowns.columns.index(name)
        if at < unknowns.varying:
            moves = self.states[:, :, at]
        elif at < unknowns.varying + unknowns.constant:
            moves = self._constants[:, [at - unknowns.varying]]
        else:
            moves = np.zeros((len(self.states), 1))
        return np.asarray(centres.mean[at] + centres.sd[at] * moves)

    def flows(self, growth: Mapping[str, Floats] | None = None) -> Floats:
        """Return flows (draw, year, flow) in balance, flows in the order of the study.

        Parameters
        ----------
        growth : mapping of flow to array (draw, year), optional
            What is added to the log of what some flows bring in; of `inputs_of`.
        """
        layout = self.layout
        centres, columns = layout.equations.centres, layout.unknowns.columns
        places = {name: columns.index(name) for name in growth or {}}
        found = np.empty((len(self.states), len(self.years), len(layout.flows)))
        latent = np.zeros(layout.unknowns.size)
        for n, states in enumerate(self.states):
            latent[layout.unknowns.states :] = self._constants[n]
            mean = centres.mean.copy()
            for name, values in (growth or {}).items():
                mean[places[name]] += values[n]
            moved = centres._replace(mean=mean)
            level = kernels.levels(np.ascontiguousarray(states), latent, moved)
            found[n] = kernels.balance(level, layout.equations.graph)[0].T
        return found


def _places(was: Layout, names: tuple[str, ...]) -> list[int]:
    """Where the latent vector of a fit has each of some unknowns."""
    place = {name: at for at, name in enumerate(was.latents)}
    return [place[name] for name in names]
