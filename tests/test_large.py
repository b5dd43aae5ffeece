"""Studies larger than the bundled one fit and pass the gate (also: ``benchmarks --only size``)."""

from pathlib import Path

import pytest

from benchmarks.copies import write_copies
from reebayes.inference.sampling import fit
from reebayes.study import read_study

COPIES = 3


@pytest.mark.slow
@pytest.mark.parametrize("linked", [False, True])
def test_three_copies_fit_and_pass_the_gate(tmp_path: Path, linked: bool) -> None:
    study = read_study(write_copies(COPIES, tmp_path / "copies", linked=linked))
    found = fit(study, seed=1, progress=False, out=tmp_path / "fit.nc")
    assert found.attrs["converged"] == "yes", found.attrs["verdict"]
    assert found["posterior"].sizes["latent"] > COPIES * 1_900
    found.close()
