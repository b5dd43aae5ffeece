"""Refits in one process: new values, other priors, another switch; and what they compile."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.timing import watch_compilations
from reebayes.inference.sampling import DRAWS, fit
from reebayes.study import Study
from reebayes.study.header.frozen import Settings


def changed_studies(study: Study) -> Iterator[tuple[str, Study]]:
    """Yield the study with new record values, another prior, and another error distribution."""
    noise = np.random.default_rng(0).normal(0, 0.02, size=len(study.records))
    yield "values", study.with_records(
        record if record.value is None or record.other is not None or record.unit == "fraction"
        else replace(record, value=record.value * float(np.exp(shift)))
        for record, shift in zip(study.records, noise, strict=True)
    )  # fmt: skip
    inputs = [p for p in study.priors if p.distribution == "lognormal" and ":" not in p.target]
    yield "priors", study.with_prior(inputs[0].target, sd=1.2 * inputs[0].sd)
    settings = {**study.settings.plain, "error_distribution": "student_t"}
    yield "switch", replace(study, settings=Settings(settings))


def measure(study: Study, *, draws: int = DRAWS, say: Callable[[str], None]) -> dict[str, object]:
    """Fit changed copies of a study after a first fit of it.

    Parameters
    ----------
    study : Study
    draws : int
        Kept draws of each of four chains.
    say : callable
        Told what is going on.

    Returns
    -------
    dict
        ``seconds`` of each refit, their ``converged``, and what all of them ``compiled``.
    """
    fit(study, draws=4, tune=4, chains=1, progress=False)  # loads what was compiled before
    seconds, converged = {}, {}
    with watch_compilations() as seen:
        for name, changed in changed_studies(study):
            say(f"refit: {name}")
            begin = time.perf_counter()
            found = fit(changed, seed=1, draws=draws, progress=False)
            seconds[name] = time.perf_counter() - begin
            converged[name] = found.attrs["converged"]
    return {"seconds": seconds, "converged": converged, "compiled": seen.names,
            "new_signatures": seen.signatures}  # fmt: skip
