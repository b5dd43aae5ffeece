"""What speed rests on: few gradients, nothing compiled twice, sparse coordinates, linear growth.

No test here reads a clock; ``python -m benchmarks`` does.
"""

from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pytest
import xarray as xr

from benchmarks.floor import count_operations
from benchmarks.scaling import positions, repeat
from benchmarks.timing import Compilations, watch_compilations
from reebayes.inference.coordinates import at_mode, identity
from reebayes.inference.density import Density, gradients
from reebayes.inference.sampling import fit
from reebayes.model import kernels
from reebayes.model.layout import Layout, lay_out
from reebayes.study import Study, read_study
from tests.tiny import write_tables

# A fit of the bundled study takes 31 gradients a draw; the tiny one must stay well below.
TINY_GRADIENTS = 12
# Per unknown: the bundled study's factor holds about 9 entries in a row below its diagonal.
ENTRIES = 40


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write_tables(tmp_path_factory.mktemp("structure") / "tiny"))


@pytest.fixture(scope="module")
def layout(study: Study) -> Layout:
    return lay_out(study)


@pytest.fixture(scope="module")
def bundled() -> Layout:
    return lay_out(read_study())


@pytest.fixture(scope="module")
def fitted(study: Study) -> xr.DataTree:
    return fit(study, seed=1, draws=200, tune=150, chains=2, progress=False)


@pytest.mark.slow_ci
def test_a_fit_takes_few_gradients(fitted: xr.DataTree) -> None:
    assert fitted.attrs["gradients_per_draw"] <= TINY_GRADIENTS
    assert fitted.attrs["saturated_fraction"] == 0


@pytest.fixture(scope="module")
def second(fitted: xr.DataTree, study: Study) -> Iterator[Compilations]:
    """What a fit compiles when another one has run before it in the process."""
    changed = study.with_prior("metal", median=0.7).without_reporter("journalist")
    with watch_compilations() as seen:
        fit(changed, seed=1, draws=20, tune=20, chains=2, progress=False)
    yield seen


@pytest.mark.slow_ci
def test_a_second_study_compiles_nothing(second: Compilations) -> None:
    assert second.names == []
    assert second.signatures == 0


@pytest.mark.slow_ci
def test_the_bundled_study_compiles_nothing_new(fitted: xr.DataTree, bundled: Layout) -> None:
    with watch_compilations() as seen:
        gradients(bundled)(identity(bundled))(np.zeros(bundled.unknowns.size))
    assert (seen.names, seen.signatures) == ([], 0)


def test_compilations_are_seen() -> None:
    @numba.njit
    def doubled(value):
        return 2 * value

    with watch_compilations() as seen:
        doubled(1.0)
    assert seen.names == ["doubled"]


@pytest.mark.slow_ci
def test_the_factor_keeps_few_entries(bundled: Layout) -> None:
    whitening = at_mode(gradients(bundled), bundled)
    size = bundled.unknowns.size
    assert size < whitening.rows.index.size <= ENTRIES * size


def test_one_gradient_is_counted(bundled: Layout) -> None:
    counts = count_operations(bundled, identity(bundled))
    unknowns = bundled.unknowns
    assert counts.sqrt == unknowns.states
    # each figure is compared with a logarithm, each share but a remainder's is an exponential
    assert counts.log >= len(bundled.records)
    assert counts.exp <= bundled.equations.graph.active.sum() + 3 * unknowns.size
    kind = bundled.equations.figures.kind
    bounds = np.isin(kind, (kernels.UPPER, kernels.LOWER)).sum()
    assert counts.erfc == bounds + 2 * (kind == kernels.RANGE).sum()


@pytest.mark.slow_ci
def test_copies_side_by_side_are_the_study_itself(layout: Layout) -> None:
    times = 3
    whitening = at_mode(gradients(layout), layout)
    places = positions(layout, times)
    white = np.random.default_rng(4).normal(size=layout.unknowns.size)
    copies = np.empty(places.max() + 1)
    copies[places] = white
    alone, slope = gradients(layout)(whitening)(white)
    together, slopes = Density(repeat(layout, whitening, times))(copies)
    tail = layout.unknowns.steps_start - 1  # the noise of all, then steps
    shared = whitening.mode[tail:] + white[tail:] * whitening.inverse[tail:]
    # the multipliers are shared, so their prior counts once
    expected = times * alone + (times - 1) * 0.5 * np.square(shared).sum()
    assert together == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(
        slopes[places[:, :tail]], np.tile(slope[:tail], (times, 1)), rtol=1e-9
    )
    pull = times * slope[tail:] + (times - 1) * shared * whitening.inverse[tail:]
    np.testing.assert_allclose(slopes[places[0, tail:]], pull, rtol=1e-9)


def test_work_grows_with_the_flows(bundled: Layout) -> None:
    whitening = identity(bundled)
    many = repeat(bundled, whitening, 10)
    assert many.equations.graph.column.size == 10 * bundled.equations.graph.column.size
    assert many.equations.sums.above.index.size == 10 * bundled.equations.sums.above.index.size
    assert (
        np.diff(many.equations.graph.stage_start).max()
        == np.diff(bundled.equations.graph.stage_start).max()
    )


def test_folder_is_no_part_of_the_package() -> None:
    root = Path(__file__).parents[1]
    for path in (root / "reebayes").rglob("*.py"):
        assert "benchmarks" not in path.read_text("utf-8")
