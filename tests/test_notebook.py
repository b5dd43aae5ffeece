"""The notebooks run from top to bottom and are kept as paired files without outputs."""

import shutil
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

import reebayes as rb
from tests.ahead import fit_of_priors
from tests.tiny import write_tables
from tests.worlds import fit_of_worlds

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))

SHORT = {
    "first_fit": """\
settings = {"seed": 2022, "draws": 100, "tune": 100, "chains": 2, "progress": False}
""",
    "your_own_study": """\
settings = {"draws": 150, "tune": 150, "chains": 2, "progress": False}
""",
    "sensitivity": """\
fit = rb.fit(rb.read_study("tiny"), draws=150, tune=150, chains=2, progress=False)
answer, flow = "made", "metal"
""",
}
"""What stands in the cell of parameters of a notebook that runs on a small study here, or briefly.

Cells that ask for a fit of full length, tagged ``whole``, are left out then.
"""


def _cells(path: Path) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_notebook_matches_its_script_and_holds_no_output(script: Path) -> None:
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    assert _cells(script.with_suffix(".ipynb")) == _cells(script)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]
    assert not [cell for cell in notebook.cells if cell.get("execution_count")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_notebook_fits_no_study_whose_fit_is_there(script: Path) -> None:
    """All but those that tell how to fit."""
    looks = "rb.open_fit(file) if file.exists() else rb.fit(" in script.read_text("utf-8")
    assert looks == (script.stem not in ("first_fit", "your_own_study"))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a fit that holds a few draws of the priors."""
    fit = fit_of_worlds(rb.read_study(), chains=2, draws=4)
    fit["prior"] = fit["posterior"].copy()
    return rb.save_fit(fit, tmp_path_factory.mktemp("fitted") / "fit.nc")


@pytest.mark.parametrize(
    "name",
    [
        "what_if",
        pytest.param("elements_and_partners", marks=pytest.mark.slow),
        pytest.param("report_and_figures", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("default")  # the kernel's own libraries, not the package
def test_notebook_of_a_fit_that_is_there_runs(
    name: str, fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In short form: of a few draws of the priors, which the file of a fit holds."""
    file = tmp_path / "results" / "fit.nc"
    file.parent.mkdir()
    shutil.copyfile(fitted, file)
    if name == "elements_and_partners":
        for extension in ("partners", "elements"):
            study = rb.read_study(extensions=[extension])
            rb.save_fit(fit_of_worlds(study, chains=2, draws=2), file.with_name(f"{extension}.nc"))
    beside = tmp_path / "notebooks"  # as Jupyter runs them: the fit is in the folder above
    beside.mkdir()
    run(ROOT / "notebooks" / f"{name}.py", beside, monkeypatch)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the kernel's own libraries, not the package
def test_notebook_of_years_to_come_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In short form: of a few draws of the priors, with the unknowns that made them."""
    file = tmp_path / "results" / "fit.nc"
    file.parent.mkdir()
    rb.save_fit(fit_of_priors(rb.read_study(), chains=2, draws=4), file)
    run(ROOT / "notebooks" / "outlook.py", tmp_path, monkeypatch)


@pytest.mark.slow_ci
@pytest.mark.filterwarnings("default")  # the kernel's own libraries, not the package
def test_notebook_that_fits_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(ROOT / "notebooks" / "first_fit.py", tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the kernel's own libraries, not the package
def test_notebook_that_fits_runs_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(ROOT / "notebooks" / "first_fit.py", tmp_path, monkeypatch, short=False)


@pytest.mark.slow_ci
@pytest.mark.parametrize("name", ["sensitivity", "your_own_study"])
@pytest.mark.filterwarnings("default")  # the kernel's own libraries, not the package
def test_notebook_of_a_small_study_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(ROOT / "notebooks" / f"{name}.py", tmp_path, monkeypatch)


def test_every_notebook_is_run() -> None:
    run = {"first_fit", "what_if", "report_and_figures", "sensitivity", "your_own_study"}
    run |= {"elements_and_partners", "outlook"}
    assert run == {script.stem for script in SCRIPTS}


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def run(script: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *, short: bool = True) -> None:
    """Run every cell of a notebook in a folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = jupytext.read(script)
    if short and (given := SHORT.get(script.stem)):
        write_tables(folder / "tiny")
        (cell,) = (c for c in notebook.cells if "parameters" in _tags(c))
        cell.source = given
        notebook.cells = [c for c in notebook.cells if "whole" not in _tags(c)]
    client = NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
