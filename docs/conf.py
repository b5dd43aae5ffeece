"""How the pages are built: sphinx-build -W docs docs/_build, without a network."""

import logging

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

import reebayes
from reebayes.results.contents import ATTRIBUTES, GROUPS
from reebayes.study.header.report import FORMS, MEANINGS
from reebayes.study.kinds import RECORD_KINDS
from reebayes.study.schema import SCHEMA

for name in ("arviz", "pytensor"):  # they tell what they load
    logging.getLogger(name).setLevel(logging.WARNING)

project = "reebayes"
author = "The reebayes authors"
version = release = reebayes.__version__
html_theme = "furo"
html_title = f"reebayes {release}"
html_copy_source = False
# Tables that commands write and pages include.
exclude_patterns = ["_build", "*_table.md", "*_tables.md", "survey_simulated.md"]

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
myst_heading_anchors = 2
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"
# Docstrings name things of the package in single backquotes.
default_role = "py:obj"
autodoc_typehints = "none"
add_module_names = False
numpydoc_show_class_members = False


class StudyColumns(SphinxDirective):
    """The columns of every table of a study, as `reebayes describe` gives them."""

    def run(self) -> list[nodes.Node]:
        """Return one table for each file."""
        lines: list[str] = []
        for name, table in SCHEMA.items():
            may_be = " May be left out." if table.optional else ""
            lines += ["", f"`{name}` {table.contents}{may_be}", ""]
            lines += ["| column | may be | what it holds |", "|---|---|---|"]
            for column in table.columns:
                may_be = "" if column.filled else "empty, or left out"
                choices = ", ".join(f"`{choice}`" for choice in column.choices)
                holds = f"{column.meaning} One of {choices}." if choices else column.meaning
                lines.append(f"| `{column.name}` | {may_be} | {holds} |")
        return self.parse_text_to_nodes("\n".join(lines))


class ReportKeys(SphinxDirective):
    """Every key of the table `[report]`, from the list that it is checked by."""

    def run(self) -> list[nodes.Node]:
        """Return one table."""
        lines = ["| key | form | what it shows |", "|---|---|---|"]
        lines += [f"| `{key}` | {form} | {MEANINGS[key]} |" for key, (form, _) in FORMS.items()]
        return self.parse_text_to_nodes("\n".join(lines))


class FitContents(SphinxDirective):
    """Every group, variable and attribute of a fit, from the list that its file is checked by."""

    def run(self) -> list[nodes.Node]:
        """Return one section of a table for each group, and one for the attributes."""
        lines: list[str] = []
        for group in GROUPS.values():
            may_be = "" if group.needed else " May be left out of a file."
            lines += ["", f"**`{group.name}`** {group.meaning}{may_be}", ""]
            lines += ["| variable | dims | unit | what it is |", "|---|---|---|---|"]
            for variable in group.variables:
                dims = ", ".join(f"`{dim}`" for dim in variable.dims)
                cells = (f"`{variable.name}`", dims, variable.unit, variable.meaning)
                lines.append(f"| {' | '.join(cells)} |")
        lines += ["", "**Attributes of the root**", "", "| attribute | what it says |", "|---|---|"]
        lines += [f"| `{name}` | {meaning} |" for name, (_, meaning) in ATTRIBUTES.items()]
        return self.parse_text_to_nodes("\n".join(lines))


class RecordKinds(SphinxDirective):
    """Every kind of record, from the list that all readers go by."""

    def run(self) -> list[nodes.Node]:
        """Return one table."""
        lines = ["| kind | states | needs | what it says |", "|---|---|---|---|"]
        for kind in RECORD_KINDS.values():
            needs = ", ".join(f"`{column}`" for column in kind.needs)
            lines.append(f"| `{kind.name}` | {kind.states} | {needs} | {kind.meaning} |")
        return self.parse_text_to_nodes("\n".join(lines))


def inline_formula(writer: HTML5Translator, node: nodes.math) -> None:
    """Write a formula as MathML, which browsers show without a script."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_formula(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands by itself."""
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Make the directives and the formulas known."""
    app.add_directive("study-columns", StudyColumns)
    app.add_directive("record-kinds", RecordKinds)
    app.add_directive("report-keys", ReportKeys)
    app.add_directive("fit-contents", FitContents)
    app.add_html_math_renderer("mathml", (inline_formula, None), (block_formula, None))
