"""Examples in docstrings of public names run, unless they need a fit and say so."""

import doctest
import inspect

import pytest

import reebayes

EXAMPLES = {
    name: found
    for name in reebayes.__all__
    if name != "__version__"
    and (
        found := doctest.DocTestParser().get_examples(inspect.getdoc(getattr(reebayes, name)) or "")
    )
    and not all(
        example.options.get(doctest.SKIP) or "fit" in example.source for example in found[1:]
    )
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str) -> None:
    text = inspect.getdoc(getattr(reebayes, name)) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    said: list[str] = []
    found = doctest.DocTestRunner().run(test, out=said.append)
    assert found.attempted > 0
    assert found.failed == 0, "".join(said)


def test_examples_that_cost_no_fit_are_many() -> None:
    assert {"catalogue", "coverage", "draw_system", "plot_coverage", "read_study", "bands"} <= {
        *EXAMPLES
    }
