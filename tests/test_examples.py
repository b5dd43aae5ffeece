"""Examples in docstrings of public names run, if they begin with the import of the package.

Others are sketches, of a fit that takes long.
"""

import doctest
import inspect

import pytest

import reebayes

TEXTS = {
    name: inspect.getdoc(getattr(reebayes, name)) or ""
    for name in reebayes.__all__
    if name != "__version__"
}
EXAMPLES = [name for name, text in TEXTS.items() if ">>> import reebayes as rb" in text]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str) -> None:
    test = doctest.DocTestParser().get_doctest(TEXTS[name], {}, name, None, 0)
    said: list[str] = []
    found = doctest.DocTestRunner().run(test, out=said.append)
    assert found.attempted > 0
    assert found.failed == 0, "".join(said)


def test_examples_that_cost_no_fit_are_there() -> None:
    known = {"catalogue", "coverage", "draw_system", "plot_coverage", "read_study", "bands"}
    assert known <= {*EXAMPLES}
