"""Imports only go down: the order of the modules, and which of them may load what."""

import ast
import graphlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reebayes"

# Lowest first. A module imports from lower layers, never from its own or a higher one.
LAYERS = (
    ("errors", "conventions", "kernels"),
    ("wording",),
    ("files", "provenance"),
    ("study",),
    ("simulation", "evidence", "layout", "diagnostics", "harmonisation"),
    ("density", "geometry", "operations", "assembly", "identification"),
    ("model",),
    ("sampling",),
    ("results",),
    ("learning", "deletion", "comparison", "prediction", "mirror"),
    ("lessons",),
    ("tables", "plots", "sankey"),
    ("scrutiny", "refits", "calibration"),
    ("reporting",),
    ("cli",),
    ("__main__",),
)

# Who may import the sampling libraries.
SAMPLERS = {"pymc", "pytensor", "nutpie"}
MAY_SAMPLE = {"operations", "model", "sampling"}

# The model as compiled, which must stay out of what checks it and of what reads its results.
MODEL_SIDE = {
    *("kernels", "layout", "diagnostics", "density", "geometry", "operations", "assembly"),
    *("model", "identification", "sampling"),
}
APART = (
    "study",
    "simulation",
    "evidence",
    "harmonisation",
    "results",
    "learning",
    "deletion",
    "lessons",
    "tables",
    "plots",
    "sankey",
    "comparison",
    "prediction",
    "mirror",
    "scrutiny",
    "reporting",
)

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def unit_of(path: Path) -> str:
    """Return the layer's name of a file: a module, or the folder it lies in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def is_module(name: str) -> bool:
    """Return whether a dotted name is a module or folder of the package."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def imports_of(path: Path) -> Iterator[str]:
    """Iterate over the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: write imports in full"
            assert node.module is not None
            assert all(alias.name != "*" for alias in node.names), f"{path.name}: star import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if is_module(inner) else node.module


def inner_imports(path: Path) -> set[str]:
    """Return the modules of the package that a file imports."""
    return {name for name in imports_of(path) if name.partition(".")[0] == "reebayes"}


def test_every_module_has_a_layer() -> None:
    assert {unit_of(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_down(path: Path) -> None:
    unit = unit_of(path)
    for name in inner_imports(path):
        assert name != "reebayes", f"{path.name} imports the package from inside"
        other = name.split(".")[1]
        assert other == unit or LEVEL[other] < LEVEL[unit], f"{unit} imports {other}"


def test_a_folder_is_entered_by_its_front_door() -> None:
    inside = [
        f"{module_of(path)}: {name}"
        for path in FILES
        for name in inner_imports(path)
        if name.count(".") > 1 and name.split(".")[1] != unit_of(path)
    ]
    assert not inside


def test_no_cycles() -> None:
    graph = {module_of(path): inner_imports(path) for path in FILES}
    assert list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_samplers_are_imported_by_few(path: Path) -> None:
    loaded = {name.partition(".")[0] for name in imports_of(path)}
    assert unit_of(path) in MAY_SAMPLE or not loaded & SAMPLERS


@pytest.mark.parametrize("unit", APART)
def test_readers_and_the_oracle_never_reach_the_model(unit: str) -> None:
    reached, waiting = set(), [unit]
    while waiting:
        for path in FILES:
            if unit_of(path) != waiting[-1]:
                continue
            new = {name.split(".")[1] for name in inner_imports(path)} - reached - {unit}
            reached |= new
            waiting[:0] = new
        waiting.pop()
    assert not reached & MODEL_SIDE


def test_the_page_on_architecture_gives_the_same_order() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    listed = [f"{level}. {', '.join(f'`{name}`' for name in names)}"
              for level, names in enumerate(LAYERS, 1)]  # fmt: skip
    assert "\n".join(listed) in text


def test_the_page_on_architecture_names_every_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(LEVEL)


def test_the_invariants_name_what_is_there() -> None:
    """Parts of the package and files of tests; what is not of the package is left alone."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("## Invariants")[2]
    rows = [row.split("|") for row in text.splitlines() if row.startswith("| ") and "`" in row]
    assert len(rows) > 15
    for _, _, where, tests, _ in rows:
        for name in re.findall(r"`([\w.]+)`", where):
            unit, _, rest = name.partition(".")
            if unit in LEVEL:
                module = importlib.import_module(f"reebayes.{unit}")
                assert not rest or is_module(f"reebayes.{name}") or hasattr(module, rest), name
        for name in re.findall(r"`(\w+)`", tests):
            assert (ROOT / "tests" / f"{name}.py").is_file(), name
