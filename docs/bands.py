"""Draw the picture of the README from a fit: python docs/bands.py results/fit.nc."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from xarray import DataTree

import reebayes as rb
from reebayes.figures.composing import Note, entries
from reebayes.figures.extents import gone_beyond

HEADLINE = {
    "mined_CN_unregistered": "Unregistered mining in China",
    "mined_RW_unregistered": "Unregistered mining, rest of world",
    "smuggled_CN": "Smuggling out of China",
}


def main(fit_file: str) -> None:
    """Draw the three headline quantities, posterior over prior."""
    fit = rb.open_fit(fit_file)
    shown = rb.study_of(fit).report.get("parts", {})
    figure, axes = plt.subplots(1, len(HEADLINE), figsize=(12, 3.6), layout="constrained")
    parts: list[Line2D] = []
    for ax, (name, title) in zip(axes, HEADLINE.items(), strict=True):
        prior = rb.quantity(fit, name, group="prior")
        rb.plot_bands(rb.quantity(fit, name), prior=prior, legend=False, title=title, ax=ax)
        names = zip(shown.get(name, ()), ("--", ":"), strict=False)
        parts += [_draw_part(ax, fit, *named) for named in names]
        top = 1.15 * float(rb.bands(rb.quantity(fit, name))["upper"].max())
        ax.set_ylim(0, top)
        _say_cut(ax, gone_beyond([rb.bands(prior)], *ax.get_ylim()))
    known = {str(e.get_label()): e for e in entries(axes[0]) if not isinstance(e, Note)}
    known |= {str(line.get_label()): line for line in parts}
    figure.legend(known.values(), known, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(Path(__file__).with_name("bands.png"), dpi=110)


def _say_cut(ax: Axes, said: str) -> None:
    """Write into a plot where the band of the prior goes that it cuts."""
    if said:
        ax.text(
            0.98, 0.97, f"prior band\n{said}", transform=ax.transAxes, ha="right", va="top",
            fontsize="small",
        )  # fmt: skip


def _draw_part(ax: Axes, fit: DataTree, name: str, style: str) -> Line2D:
    """Draw the median of a part of a headline quantity."""
    median = rb.bands(rb.quantity(fit, name))["median"]
    label = str(rb.catalogue(rb.study_of(fit)).loc[name, "label"])
    (line,) = ax.plot(median["year"], median.where(median > 0), style, color="black", label=label)
    return line


if __name__ == "__main__":
    main(*sys.argv[1:])
