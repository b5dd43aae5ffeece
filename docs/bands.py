"""Draw the picture of the README from a fit: python docs/bands.py results/fit.nc."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from xarray import DataTree

import reebayes as rb

HEADLINE = {
    "mined_CN_unregistered": "Unregistered mining in China",
    "mined_RW_unregistered": "Unregistered mining, rest of world",
    "smuggled_CN": "Smuggling out of China",
}


def main(fit_file: str) -> None:
    """Draw the three headline quantities, posterior over prior."""
    fit = rb.open_fit(fit_file)
    shown = rb.study_of(fit).report.get("parts", {})
    figure, axes = plt.subplots(1, len(HEADLINE), figsize=(12, 3.6))
    parts: list[Line2D] = []
    for ax, (name, title) in zip(axes, HEADLINE.items(), strict=True):
        prior = rb.quantity(fit, name, group="prior")
        rb.plot_bands(rb.quantity(fit, name), prior=prior, ax=ax)
        ax.set_title(title, loc="left", fontsize=11)
        names = zip(shown.get(name, ()), ("--", ":"), strict=False)
        parts += [_draw_part(ax, fit, *named) for named in names]
        legend = ax.get_legend()
        handles = legend.legend_handles
        labels = [text.get_text() for text in legend.get_texts()]
        legend.remove()
        top = float(rb.bands(rb.quantity(fit, name))["upper"].max())
        ax.set_ylim(0, 1.15 * top)
    handles, labels = [*handles, *parts], [*labels, *(str(line.get_label()) for line in parts)]
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(Path(__file__).with_name("bands.png"), dpi=110)


def _draw_part(ax: Axes, fit: DataTree, name: str, style: str) -> Line2D:
    """Draw the median of a part of a headline quantity."""
    median = rb.bands(rb.quantity(fit, name))["median"]
    label = str(rb.study_of(fit).report["labels"].get(name, name))
    (line,) = ax.plot(median["year"], median.where(median > 0), style, color="black", label=label)
    return line


if __name__ == "__main__":
    main(*sys.argv[1:])
