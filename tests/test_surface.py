"""The outside of the package: its names, what they say of themselves, and what they load."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import reebayes

PACKAGE = Path(reebayes.__file__).parent

NAMES = """
Assay DemandGrowth Estimate FitError Flow Indicator Material PlannedCase Prior Process Project
Projection PublishedElement PublishedIndicator Quantity Record ReebayesError Reserve ResultError
Source Study StudyError StudyWarning Table __version__ bands beside_elements beside_indicators
beside_published build_model calibrate catalogue compare coverage cumulative cut deficits
deposit_shares destinations disagreement draw_map draw_projects draw_sankey draw_system effect
element_balance
element_deficits elements export_tables fewest_records fit flow harmonise hindcast
hindcast_summary iamc_table identify indicators influence latex_table learnt leave_out
mirror_table open_fit origin_bounds
origins outlook plot_bands plot_consumption plot_coverage plot_effect plot_hindcast plot_learnt
plot_net_exports plot_outlook plot_panel plot_predictive plot_quotas plot_survey plot_tornado
plot_totals plot_triangle plot_unregistered pool predictive_check prior_conflict prior_of
probability_above project_table projects_by_country
published_projections quantity quota_table ratio read_comparison
read_multiverse read_study record_table reliance report_refits reserve_table reserve_years
run_studies save_figures save_fit save_map save_projects
save_sankey save_system scenario seen sensitivity
sensitivity_summary simulate_records simulate_world source_table study_of survey trade_table
uncertainty_budget unregistered_table value_of_information write_form write_report
""".split()


def test_names_are_exact_and_in_order() -> None:
    assert reebayes.__all__ == NAMES == sorted(NAMES)
    assert set(NAMES) <= set(dir(reebayes))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_every_name_is_there_and_documented(name: str) -> None:
    item = getattr(reebayes, name)
    assert item.__name__ == name
    assert len(inspect.getdoc(item) or "") > 20
    assert item.__module__.startswith("reebayes.")
    if inspect.isfunction(item):
        signature = inspect.signature(item)
        untyped = [p for p in signature.parameters.values() if p.annotation is p.empty]
        assert not untyped
        assert signature.return_annotation is not signature.empty
        positional = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
        assert len(positional) <= 3


def test_every_name_stands_in_the_package_docstring() -> None:
    text = reebayes.__doc__ or ""
    missing = [name for name in NAMES if f"`{name}`" not in text]
    assert missing == ["Table", "__version__"]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="fitt"):
        reebayes.fitt  # type: ignore[attr-defined]  # noqa: B018


def test_no_module_bears_the_name_of_a_public_name() -> None:
    modules = {path.stem for path in PACKAGE.rglob("*.py")} | {
        path.name for path in PACKAGE.iterdir() if path.is_dir()
    }
    assert not modules & set(NAMES)


def test_readme_and_notebooks_use_public_names_only() -> None:
    root = PACKAGE.parent
    for path in [root / "README.md", *sorted((root / "notebooks").glob("*.py"))]:
        used = set(re.findall(r"\brb\.(\w+)", path.read_text("utf-8")))
        assert used
        assert used <= set(NAMES), path.name


def test_every_name_has_its_place_in_the_pages() -> None:
    text = (PACKAGE.parent / "docs" / "api.md").read_text("utf-8")
    listed = re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)$", text, re.MULTILINE)
    assert sorted(listed) == [name for name in NAMES if name != "__version__"]


def test_import_loads_the_standard_library_only() -> None:
    code = "import sys, reebayes; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    heavy = {"arviz", "matplotlib", "numba", "numpy", "nutpie", "pandas", "pymc", "xarray"}
    assert not heavy & set(done.stdout.split())


def test_reading_a_fit_loads_no_sampler_and_no_figures() -> None:
    code = (
        "import sys, reebayes; reebayes.bands; print(*{m.partition('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    heavy = {"arviz", "matplotlib", "numba", "nutpie", "pymc", "pytensor"}
    assert not heavy & set(done.stdout.split())
