"""The compiled log density against the model's own, in coordinates of every sort."""

import re
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_uint64, c_void_p
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytensor
import pytest
from numpy.typing import NDArray
from pytensor.compile.mode import Mode

from reebayes.inference.coordinates import Frame, at_mode, identity
from reebayes.inference.density import gradients
from reebayes.model import kernels
from reebayes.model.graph import build_model
from reebayes.model.kernels import Whitening, unfold
from reebayes.model.layout import Layout, lay_out
from reebayes.study import Study, read_study
from tests.numerics import close, differences, log_volume, random_whitening
from tests.tiny import (
    FLOWS,
    PRIORS,
    PROCESSES,
    QUANTITIES,
    RECORDS,
    STUDY,
    gradual_tables,
    learnt_tables,
    shared_tables,
    write_tables,
)

type Floats = NDArray[np.float64]

# Runs the operations in Python: nothing to compile, so the tests start at once.
PLAIN = Mode("py", None)


def frame(layout: Layout) -> Whitening:
    """Coordinates that are the states themselves."""
    scales = np.full(layout.unknowns.size - layout.unknowns.scales_start, 0.4)
    return Frame.at(layout, scales).whitening(layout)


COORDINATES: dict[str, Callable[[Layout], Whitening]] = {
    "identity": identity,
    "frame": frame,
    "random": lambda layout: random_whitening(layout, 1),
    "other": lambda layout: random_whitening(layout, 2),
    "mode": lambda layout: at_mode(gradients(layout), layout),
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    folder = tmp_path_factory.mktemp("density")
    heavy = STUDY.replace('"normal"', '"student_t"')
    return {
        "tiny": read_study(write_tables(folder / "tiny")),
        "shared": read_study(write_tables(folder / "shared", **shared_tables()), recalled=True),
        "heavy": read_study(write_tables(folder / "heavy", study=heavy, **shared_tables())),
        "gradual": read_study(write_tables(folder / "gradual", **gradual_tables())),
        "learnt": read_study(write_tables(folder / "learnt", **learnt_tables())),
        "bundled": read_study(),
    }


@pytest.fixture(scope="module")
def model_density(studies: dict[str, Study]) -> Callable[[str], Callable[[Floats], float]]:
    """Log density of latent vectors by PyMC, of each study."""
    made: dict[str, Callable[[Floats], float]] = {}

    def density_of(which: str) -> Callable[[Floats], float]:
        if which not in made:
            model = build_model(studies[which])
            made[which] = pytensor.function(
                [model.rvs_to_values[model["latents"]]], model.logp(), mode=PLAIN
            )
        return made[which]

    return density_of


def some_point(layout: Layout, seed: int) -> Floats:
    return 0.3 * np.random.default_rng(seed).standard_normal(layout.unknowns.size)


@pytest.mark.parametrize("which", ["tiny", "shared", "heavy", "gradual", "learnt", "bundled"])
@pytest.mark.parametrize("name", COORDINATES)
def test_density_is_that_of_the_model_and_the_volume_of_the_map(
    which: str,
    name: str,
    studies: dict[str, Study],
    model_density: Callable[[str], Callable[[Floats], float]],
) -> None:
    """Up to the constant of standard normals, the same in all coordinates."""
    layout = lay_out(studies[which])
    whitening = COORDINATES[name](layout)
    point = some_point(layout, 1)
    density, _ = gradients(layout)(whitening)(point)
    latent = unfold(point, layout.equations.steps, whitening)[1]
    expected = float(model_density(which)(latent)) + log_volume(
        point, layout.equations.steps, whitening
    )
    expected += 0.5 * point.size * np.log(2 * np.pi)
    assert density == pytest.approx(expected, rel=1e-8, abs=1e-5)


@pytest.mark.parametrize("which", ["tiny", "shared", "heavy", "gradual", "learnt", "bundled"])
@pytest.mark.parametrize("name", COORDINATES)
def test_gradient_is_that_of_the_density(which: str, name: str, studies: dict[str, Study]) -> None:
    layout = lay_out(studies[which])
    gradient = gradients(layout)(COORDINATES[name](layout))
    point = some_point(layout, 2)
    close(gradient(point)[1], differences(lambda x: gradient(x)[0], point, 1e-5), rtol=1e-6)


def test_arrays_of_another_type_are_refused(studies: dict[str, Study]) -> None:
    """The compiled function reads memory as it was told to, so nothing else may reach it."""
    layout = lay_out(studies["tiny"])
    errors = layout.equations.errors
    narrow = errors._replace(record_sd=errors.record_sd.astype(np.float32))
    with pytest.raises(TypeError, match="float32"):
        gradients(replace(layout, equations=layout.equations._replace(errors=narrow)))(
            identity(layout)
        )
    table = np.asfortranarray(layout.equations.centres.mean)
    centres = layout.equations.centres._replace(mean=table)
    equations = layout.equations._replace(centres=centres)
    with pytest.raises(TypeError, match="F"):
        gradients(replace(layout, equations=equations))(identity(layout))


def test_a_point_of_another_size_is_refused(studies: dict[str, Study]) -> None:
    layout = lay_out(studies["tiny"])
    with pytest.raises(ValueError, match="coordinates"):
        gradients(layout)(identity(layout))(np.zeros(layout.unknowns.size - 1))


@pytest.mark.parametrize(("value", "answer"), [(0.1, kernels.SOUND), (np.nan, kernels.UNSOUND)])
def test_the_sampler_is_told_of_what_is_not_finite(
    value: float, answer: int, studies: dict[str, Study]
) -> None:
    layout = lay_out(studies["tiny"])
    density = gradients(layout)(identity(layout))
    point, slope, room = np.full(density.size, value), np.empty(density.size), np.empty(1)
    arrays = (point, slope, room, density.packed)
    call = CFUNCTYPE(c_int64, c_uint64, *[c_void_p] * 4)(kernels.density_at().address)
    assert call(density.size, *(array.ctypes.data for array in arrays)) == answer


@pytest.mark.parametrize("which", ["shared", "bundled"])
def test_what_is_observed_is_what_the_model_says(which: str, studies: dict[str, Study]) -> None:
    """Flows, locations and scales of an unfolded point, which a fit stores."""
    study = studies[which]
    layout = lay_out(study)
    whitening = random_whitening(layout, 3)
    state, latent = unfold(some_point(layout, 3), layout.equations.steps, whitening)
    level, flow, location, scale = kernels.observe(state, latent, layout.equations)
    model = build_model(study)
    names = ("flows", "location", "scale", "bias", "shared_error")
    function = pytensor.function([model["latents"]], [model[name] for name in names], mode=PLAIN)
    bias, shared = layout.rows("bias", layout.reporters), layout.rows("shared", layout.shared)
    found = (flow.T, location, scale, level[bias].T, level[shared].mean(axis=1))
    for value, expected in zip(found, function(latent), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("which", ["one year", "nothing moves", "no records"])
def test_odd_studies_have_a_density(which: str, tmp_path: Path) -> None:
    """No year before it, no step to learn, nothing to learn from."""
    layout = lay_out(odd_study(which, tmp_path / "odd"))
    for coordinates in COORDINATES.values():
        gradient = gradients(layout)(coordinates(layout))
        point = some_point(layout, 4)
        close(gradient(point)[1], differences(lambda x, g=gradient: g(x)[0], point, 1e-5))


def odd_study(which: str, folder: Path) -> Study:
    if which == "one year":
        return read_study(write_tables(folder, **tables_of_2010()))
    if which == "no records":
        return read_study(write_tables(folder)).with_records(())
    rows = [row for row in PRIORS.splitlines(keepends=True) if not row.startswith("step:")]
    moves = re.compile(r"(0\.5,0\.1|0\.8,0\.2|0\.[12],0\.05),")
    still = [moves.sub(lambda found: found[1].split(",")[0] + ",,", row) for row in rows]
    return read_study(write_tables(folder, priors="".join(still)))


def tables_of_2010() -> dict[str, str]:
    """The tiny study without what comes later."""
    later = re.compile(r"201[1-5]|scrap|other|customs|bias:\*,|:journalist")
    whole = {
        "study": STUDY.replace("2015", "2010"),
        "processes": PROCESSES,
        "flows": FLOWS.replace("2010-2015", "2010").replace("2010-2011;2014-2015", "2010"),
        "quantities": QUANTITIES,
        "records": RECORDS,
        "priors": PRIORS.replace("2010,2011", "2010,2010"),
    }
    return {
        name: "".join(row for row in text.splitlines(True) if not later.search(row))
        for name, text in whole.items()
    }
