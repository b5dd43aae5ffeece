"""Examples in docstrings run, and every public name has one.

They are typed as a user types them, in a folder that holds what they read. Nothing was sampled for
the fits in it, so that no output that is shown hangs on draws. What several examples ask for is
worked out once.
"""

import doctest
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import xarray as xr
from matplotlib import pyplot

import reebayes
from reebayes.results import description
from reebayes.study.header.frozen import Settings
from tests.standin import stand_in_fit

ROOT = Path(__file__).parents[1]

TEXTS = {
    name: inspect.getdoc(getattr(reebayes, name)) or ""
    for name in reebayes.__all__
    if name != "__version__"
}
BEGINNING = "Examples\n--------\n>>> "

TOO_LONG = {
    "calibrate": "fits a hundred simulated data sets",
    "report_refits": "fits again without each of several reporters and records",
    "run_studies": "fits each of several studies",
    "save_figures": "draws every figure of a fit",
}
"""Examples that are shown and do not run, with what they would do."""

ELSEWHERE = {
    "Study": "read_study",
    "beside_elements": "beside_published",
    "element_balance": "element_deficits",
    "plot_totals": "cumulative",
}
"""Names without an example of their own, with those whose examples use them."""


def example(name: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(TEXTS[name], {}, name, None, 0)


def steps(name: str) -> list[str]:
    """Return what an example does beside imports."""
    run = [one.source for one in example(name).examples if doctest.SKIP not in one.options]
    return [source for source in run if not source.startswith("import ")]


def once(read: Callable[..., reebayes.Study]) -> Callable[..., reebayes.Study]:
    """Read each study once: one by its name, and one in a folder by what its files hold."""
    known: dict[str, reebayes.Study] = {}

    def known_or_read(path: str | Path | None = None, **options: Any) -> reebayes.Study:
        files = sorted(Path(path).rglob("*.*")) if path and Path(path).is_dir() else []
        key = str([path if not files else [(one.name, one.read_bytes()) for one in files], options])
        if key not in known:
            known[key] = read(path, **options)
        return known[key]

    return known_or_read


def kept(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Answer what is asked of one thing in the same words once."""
    known: dict[str, tuple[Any, Any]] = {}

    def known_or_answered(of: Any, *more: Any, **by: Any) -> Any:
        key = str([of if isinstance(of, str) else id(of), more, by])
        if key not in known:
            known[key] = answer(of, *more, **by), of  # which lives on, with its id
        return known[key][0]

    return known_or_answered


@cache
def fits() -> dict[str, xr.DataTree]:
    """Return fits of the bundled study by their files, of few years where these are enough."""
    study = replace(reebayes.read_study(), variants=Settings())  # no example looks at them
    parted = replace(reebayes.read_study(extensions=["partners"]), variants=Settings())
    studies = {"fit": study, "to_2010": reebayes.cut(study, 2010),
               "partners": reebayes.cut(parted, 2002)}  # fmt: skip
    return {f"results/{name}.nc": stand_in_fit(one) for name, one in studies.items()}


@pytest.fixture(scope="module", autouse=True)
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with the data of a clone, customs files, and what commands wrote."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "data").symlink_to(ROOT / "data")
    (folder / "customs").symlink_to(ROOT / "tests" / "customs")
    open_fit, fit = cache(reebayes.open_fit), reebayes.fit
    with pytest.MonkeyPatch.context() as patch, mpl.rc_context({"backend": "agg"}):
        patch.chdir(folder)
        for module, read in ((reebayes, "read_study"), (description, "read_stored")):
            patch.setattr(module, read, once(getattr(module, read)))
        for name in ("outlook", "scenario", "survey"):
            patch.setattr(reebayes, name, kept(getattr(reebayes, name)))
        zinc = stand_in_fit(reebayes.read_study("zinc"), draws=100)
        reebayes.save_fit(zinc, "results/zinc.nc")
        patch.setattr(reebayes, "fit", lambda *of, **by: zinc if "out" in by else fit(*of, **by))
        patch.setattr(reebayes, "open_fit", lambda path: fits().get(path) or open_fit(path))
        (folder / "comparison").mkdir()
        for name, table in reebayes.compare({"base": zinc, "again": zinc}).tables.items():
            table.to_csv(folder / "comparison" / f"{name}.csv", index=False)
        yield


@pytest.mark.parametrize("name", [name for name in TEXTS if ">>> " in TEXTS[name]])
def test_examples_run(name: str) -> None:
    said: list[str] = []
    found = doctest.DocTestRunner().run(example(name), out=said.append)
    pyplot.close("all")
    assert found.failed == 0, "".join(said)


@pytest.mark.parametrize("name", TEXTS)
def test_every_public_name_has_an_example_that_runs(name: str) -> None:
    if name in ELSEWHERE:
        used = "".join(steps(ELSEWHERE[name]))
        assert f"rb.{name}(" in used or inspect.isclass(getattr(reebayes, name))
        return
    assert BEGINNING in TEXTS[name]
    assert bool(steps(name)) == (name not in TOO_LONG)
