"""Imports only go down: the order of folders and of modules in them, doors, and who loads what."""

import ast
import graphlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reebayes"

# Lowest first. A module imports from lower layers or from its own folder, never from beside it.
LAYERS = (
    ("errors", "conventions"),
    ("wording",),
    ("files", "provenance"),
    ("study",),
    ("customs", "simulation", "model", "results"),
    ("elicitation", "inference", "answers"),
    ("figures", "experiments", "forecasting"),
    ("reporting",),
    ("cli",),
    ("__main__",),
)

# Within a folder, lowest first: a module imports from modules before it only.
ORDER = {
    "study": (
        *(
            "header.frozen",
            "formulas",
            "kinds",
            "targets",
            "rows",
            "prospects",
            "transitions",
            "compositions",
            "reading.csvfiles",
            "table",
        ),
        *("reading.cells", "columns", "schema", "hashing", "examples", "header.forms"),
        *("header.package", "header.report", "header.variants", "header.scenarios"),
        *("header.settings", "header.extension", "drafts", "scenarios"),
        *("edits", "extensions", "writing", "changes"),
        *("checks.context", "checks.graph", "checks.parts", "checks.priors", "checks.published"),
        "checks.partners",
        "checks.prospects",
        *("checks.formulas", "checks.records", "checks.compositions", "checks.scenarios"),
        *("checks.assays", "checks.ties"),
        *("checks.whole", "checks.prior_flows", "checks.limits"),
        *("checks.company", "checks.blame", "checks.likeness", "checks.plausible"),
        *("telling", "starting", "study", "stored", "runfile", "description", "periods"),
    ),
    "customs": (
        *("flows", "numerals", "periods", "areanames", "containers", "prices", "exclusions"),
        *("shipments", "downloads", "workbooks", "codebooks", "grids", "plausibility"),
        *("remarks", "aggregation", "tables", "comext", "comtrade", "dataweb", "gacc"),
        *("japan", "plain", "formats", "harmonising"),
    ),
    "simulation": ("flows", "worlds", "compositions", "records"),
    "model": (
        *(
            "kernels",
            "operations",
            "unknowns",
            "network",
            "compositions",
            "observations",
            "layout",
            "prior_rows",
            "graph",
        ),
    ),
    "results": (
        "contents",
        "reading",
        "description",
        "identity",
        "summaries",
        "intervals",
        "selection",
        "fitfile",
        "stores",
        "multiverse",
    ),
    "elicitation": (
        *("quantiles", "beliefs", "forms", "pooling", "rewriting", "panels", "__main__"),
        *("proportions", "answersheets", "surveys"),
    ),
    "inference": (
        *(
            "convergence",
            "density",
            "precision",
            "pairs",
            "coordinates",
            "datatree",
            "pit",
            "identifiability",
        ),
        *("assembly", "memory", "sampling", "reweighting"),
    ),
    "answers": (
        *("availability", "contraction", "importance", "montecarlo", "leave_one_out", "literature"),
        *("predictive", "uniformity", "scores_text", "scores"),
        *("drivers", "information", "hangs", "indices", "seeing", "partners"),
        "deposits",
        *("registers", "mixing", "tracing", "separation", "assaying", "layers", "contained"),
        *("scenarios.balancing", "scenarios.setup", "scenarios.running", "scenarios.effects"),
    ),
    "figures": (
        *("style", "lettering", "composing"),
        *("changes", "extents", "curves", "heatmaps", "ranks", "columns", "canvas"),
        *("folding", "sankey", "yearly", "tornado", "panels", "triangle", "grids", "flowsheets"),
        *("placing", "maps", "sites", "ahead", "shares"),
    ),
    "experiments": (
        *(
            "prior_answers",
            "cases",
            "progress",
            "workers",
            "engine",
            "refits",
            "runs",
            "studies",
            "multiverse",
        ),
        *("sensitivities", "budgets", "conflicts", "overview", "leaving_out", "reported"),
        *("calibration.datasets", "calibration.again", "calibration.estimands"),
        *("calibration.assessing", "calibration.refitting", "calibration.drawing"),
        *("calibration.running", "calibration.verdict", "calibration.calibrating", "calibration"),
    ),
    "forecasting": (
        *("learning", "projects", "demand", "continuation", "running", "telling"),
        *("elemental", "judging"),
    ),
    "reporting": (
        *("plan", "latex", "iamc", "glossary", "templating", "spreadsheets", "tables", "checking"),
        *(
            "vectors",
            "pictures",
            "scenarios",
            "choices",
            "outlooks",
            "asked",
            "dependence",
            "groups",
            "partners",
            "hanging",
        ),
        *("refitted", "interactive", "material", "headlines", "sections", "page", "papers"),
    ),
    "cli": (
        "console",
        "options",
        "studies",
        "readers",
        "answers",
        "contained",
        "fits",
        "sensitivities",
        "scenarios",
        "partners",
        "outlooks",
        "figures",
        "experiments",
        "judgements",
        "main",
    ),
}

# What of a folder others may import; the others are its own affair.
DOORS = {
    "study": {
        *("study", "study.edits", "study.runfile", "study.formulas", "study.kinds"),
        *("study.targets", "study.schema", "study.scenarios", "study.compositions"),
        *("study.periods", "study.prospects", "study.transitions"),
    },
    "customs": {"customs"},
    "simulation": {"simulation.worlds", "simulation.records"},
    "model": {
        *("model.kernels", "model.layout", "model.observations", "model.prior_rows"),
        "model.unknowns",
    },
    "results": {f"results.{name}" for name in ORDER["results"]},
    "elicitation": {
        *("elicitation.surveys", "elicitation.answersheets", "elicitation.pooling"),
        *("elicitation.forms", "elicitation.panels", "elicitation.quantiles"),
    },
    "inference": {f"inference.{name}" for name in ORDER["inference"]},
    "answers": {f"answers.{name}" for name in ORDER["answers"]},
    "figures": {f"figures.{name}" for name in ORDER["figures"]},
    "experiments": {
        *("experiments.runs", "experiments.calibration", "experiments.sensitivities"),
        *("experiments.budgets", "experiments.leaving_out", "experiments.prior_answers"),
        *("experiments.studies", "experiments.overview", "experiments.conflicts"),
        "experiments.reported",
        "experiments.multiverse",
    },
    "forecasting": {
        *("forecasting.running", "forecasting.telling"),
        "forecasting.judging",
        "forecasting.elemental",
    },
    "reporting": {
        *("reporting.page", "reporting.tables", "reporting.spreadsheets"),
        *("reporting.scenarios", "reporting.outlooks"),
        *("reporting.latex", "reporting.iamc", "reporting.papers"),
    },
    "cli": {"cli.main"},
}

# Who may import the sampling libraries.
SAMPLERS = {"pymc", "pytensor", "nutpie"}
MAY_SAMPLE = {"model.operations", "model.graph", "inference.sampling"}

# The model as compiled, which must stay out of what checks it and of what reads its results.
MODEL_SIDE = {"model", "inference"}
APART = (
    *("study", "simulation", "customs", "results", "elicitation", "answers", "figures"),
    "reporting",
)

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module_of(path: Path) -> str:
    """Return the dotted name of a file below the package, such as ``study.rows``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def unit_of(name: str) -> str:
    """Return the folder of a module, or the module itself if it lies in none."""
    return name.partition(".")[0]


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
    """Return the modules of the package that a file imports, by their names below it."""
    found = {name for name in imports_of(path) if name.partition(".")[0] == "reebayes"}
    assert "reebayes" not in found, f"{path.name} imports the package from inside"
    return {name.removeprefix("reebayes.") for name in found}


def place_of(name: str) -> int:
    """Return where a module stands in the order of its folder; the folder itself stands last."""
    unit, _, inside = name.partition(".")
    order = ORDER.get(unit, ())
    return order.index(inside) if inside in order else len(order)


def test_every_module_has_a_layer_and_a_place() -> None:
    assert {unit_of(module_of(path)) for path in FILES} == set(LEVEL)
    for unit, order in ORDER.items():
        inside = {module_of(path).partition(".")[2] for path in (PACKAGE / unit).rglob("*.py")}
        folders = {
            module_of(path).partition(".")[2] for path in (PACKAGE / unit).rglob("__init__.py")
        }
        assert inside - folders <= set(order) <= inside, unit


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_down(path: Path) -> None:
    name = module_of(path)
    for other in inner_imports(path):
        if unit_of(other) != unit_of(name):
            assert LEVEL[unit_of(other)] < LEVEL[unit_of(name)], f"{name} imports {other}"
        else:
            assert place_of(other) < place_of(name), f"{name} imports {other}"


def test_a_folder_is_entered_by_its_doors() -> None:
    inside = [
        f"{module_of(path)}: {name}"
        for path in FILES
        for name in inner_imports(path)
        if unit_of(name) in DOORS
        and unit_of(name) != unit_of(module_of(path))
        and name not in DOORS[unit_of(name)]
    ]
    assert not inside


def test_every_door_is_used_or_public() -> None:
    """A door that nobody goes through is a wall; public names come through the package's stub."""
    stub = (PACKAGE / "__init__.pyi").read_text("utf-8")
    used = {name for path in FILES for name in inner_imports(path)}
    used |= set(re.findall(r"^from \.([\w.]+) import", stub, re.MULTILINE))
    assert {door for doors in DOORS.values() for door in doors} <= used


def test_no_cycles() -> None:
    graph = {module_of(path): inner_imports(path) for path in FILES}
    assert list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_samplers_are_imported_by_few(path: Path) -> None:
    loaded = {name.partition(".")[0] for name in imports_of(path)}
    assert module_of(path) in MAY_SAMPLE or not loaded & SAMPLERS


@pytest.mark.parametrize("unit", APART)
def test_readers_and_the_oracle_never_reach_the_model(unit: str) -> None:
    reached, waiting = set(), [unit]
    while waiting:
        for path in FILES:
            if unit_of(module_of(path)) != waiting[-1]:
                continue
            new = {unit_of(name) for name in inner_imports(path)} - reached - {unit}
            reached |= new
            waiting[:0] = new
        waiting.pop()
    assert not reached & MODEL_SIDE


def test_no_module_is_long() -> None:
    """The kernels stand in one file, because compiled code is kept by file."""
    lines = {module_of(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name for name, count in lines.items() if count > 600} == {"model.kernels"}


def test_the_page_on_architecture_gives_the_same_order() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    listed = [f"{level}. {', '.join(f'`{name}`' for name in names)}"
              for level, names in enumerate(LAYERS, 1)]  # fmt: skip
    assert "\n".join(listed) in text


def test_the_page_on_architecture_names_every_folder_and_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w/]+)` \|", text, re.MULTILINE)
    assert sorted(name.strip("/") for name in rows) == sorted(LEVEL)


def test_the_invariants_name_what_is_there() -> None:
    """Parts of the package and files of tests; what is not of the package is left alone."""
    rows = rows_below("## Invariants")
    assert len(rows) > 15
    for _, _, where, tests, _ in rows:
        for name in re.findall(r"`([\w.]+)`", where):
            if unit_of(name) in LEVEL:
                assert is_place(name), name
        for name in re.findall(r"`(\w+)`", tests):
            assert (ROOT / "tests" / f"{name}.py").is_file(), name


def test_new_things_go_where_there_is_a_place() -> None:
    rows = rows_below("## Where a new thing goes")
    assert len(rows) > 5
    for _, _, where, _ in rows:
        for name in re.findall(r"`([\w.]+)`", where):
            if unit_of(name) in LEVEL:
                assert is_place(name), name


def rows_below(title: str) -> list[list[str]]:
    """Return the cells of a table of ARCHITECTURE.md that names parts of the package."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition(f"{title}\n")[2]
    lines = text.partition("\n## ")[0].splitlines()
    return [row.split("|") for row in lines if row.startswith("| ") and "`" in row]


def is_place(name: str) -> bool:
    """Return whether a dotted name is a module of the package, or something defined in one."""
    if is_module(f"reebayes.{name}"):
        return True
    module, _, attribute = f"reebayes.{name}".rpartition(".")
    return is_module(module) and hasattr(importlib.import_module(module), attribute)
