"""What the pages tell a reader to type is there: commands, options, names, changed studies."""

import ast
import re
import runpy
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


def test_the_page_on_figures_names_every_figure_and_shows_the_gallery() -> None:
    page = (ROOT / "docs" / "figures.md").read_text("utf-8")
    figures = {name for name in dir(rb) if name.startswith(("plot_", "draw_"))}
    figures |= {"save_figures", "save_map", "save_projects", "save_sankey", "save_system"}
    assert not {name for name in figures if name not in page}
    pictures = {path.name for path in (ROOT / "docs" / "gallery").iterdir()}
    assert set(re.findall(r"\(gallery/([^)]+)\)", page)) == pictures


def test_the_gallery_draws_its_pictures_and_no_others() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "gallery.py"))
    pictures = {path.stem for path in (ROOT / "docs" / "gallery").glob("*.png")}
    assert set(script["PICTURES"]) == pictures


def _included(page: str) -> list[str]:
    """Lines of the README that a page includes."""
    text, readme = ((ROOT / name).read_text("utf-8") for name in (f"docs/{page}", "README.md"))
    found: list[str] = []
    for options in re.findall(r"```{include} \.\./README\.md\n(.*?)```", text, re.DOTALL):
        after = re.search(r':start-after: "(.+)"', options)
        before = re.search(r':end-before: "(.+)"', options)
        _, _, rest = readme.partition(after[1]) if after else ("", "", readme)
        found += rest.partition(before[1])[0].splitlines() if before else rest.splitlines()
    return [line for line in found if re.search(r"\w", line)]


def test_the_first_two_pages_tell_nothing_twice() -> None:
    index, start = _included("index.md"), _included("quick_start.md")
    assert min(len(index), len(start)) > 20
    assert start[0].startswith("In a clone")
    assert not {*index} & {*start}


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
