"""What the pages tell a reader to type is there: commands, options, names, changed studies."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import reebayes as rb
from reebayes.cli.main import make_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "data" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _commands() -> list[str]:
    lines = (line for page in PAGES for line in page.read_text("utf-8").splitlines())
    found = (re.match(r" {4}(?:.*&& )?(?:uv run )?(reebayes .+)", line) for line in lines)
    return sorted({match[1] for match in found if match})


def _blocks() -> Iterator[tuple[str, ast.Module]]:
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            yield page.name, ast.parse(block)


@pytest.mark.parametrize("command", _commands())
def test_a_command_of_a_page_is_one(command: str) -> None:
    _, *arguments = shlex.split(command)
    assert callable(make_parser().parse_args(arguments).command)


def test_names_of_the_package_in_pages_are_public() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    named = set(re.findall(r"\brb\.([a-zA-Z_]+)", text))
    assert len(named) > 50
    assert not named - set(dir(rb))


def test_changed_studies_of_pages_can_be_made() -> None:
    """Reporters, sources, priors and variants that pages change are there; none is written."""
    studies = {"your_own_study.md": rb.read_study("zinc")}
    bundled = rb.read_study()
    made = 0
    for page, tree in _blocks():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if not re.match(r"study\.(with|variant)", source := ast.unparse(call)):
                continue
            study = studies.get(page, bundled)
            changed = eval(source, {"study": study})  # literals of our own pages
            assert changed.hash != study.hash, source
            made += 1
    assert made >= 7
